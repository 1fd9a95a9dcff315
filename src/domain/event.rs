//! What has happened to an incident: the only thing that is kept for ever.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::Links;
use super::change::Change;
use super::escalation::{Channel, EscalationPolicy};
use super::group::Tally;
use super::page::{Answer, Delivery, Paged};
use super::remark::Remarked;
use super::terms::{
    Actor, ChannelId, DedupKey, GroupId, IncidentId, MessageTs, PersonId, Role, ServiceId,
    SeverityId, SlackUserId, Status, Who,
};

/// A fact. The names of its variants and fields are stored; they may be added to, never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The incident exists. What the severity asks for is copied in, so that a later edit of the
    /// configuration changes later incidents only.
    Declared(Declared),
    /// The war room exists and is ours.
    WarRoomOpened {
        /// Slack's id of the channel.
        channel: ChannelId,
        /// Its name, without `#`; a suffix was added if the wanted one was taken.
        name: String,
    },
    /// No war room could be opened, or it is gone; the thread under the announcement serves instead.
    WarRoomFailed {
        /// What Slack said, in words for a person.
        why: String,
    },
    /// The summary card stands in the war room.
    CardPosted {
        /// Where it stands.
        message: MessageRef,
    },
    /// The incident is announced.
    Announced {
        /// Where the announcement stands; the thread of an incident without a war room begins here.
        message: MessageRef,
    },
    /// Somebody has taken the incident on.
    Acknowledged {
        /// Who it was.
        by: Who,
        /// The page that was answered with it; none: it was said in Slack or on the command line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Answer>,
    },
    /// Nothing was heard of whoever had acknowledged: the escalation begins anew.
    AcknowledgementExpired {
        /// Who it was.
        by: Who,
    },
    /// Nobody acknowledged in the time that the severity gives.
    AcknowledgeOverdue {
        /// When somebody should have.
        due_at: Timestamp,
    },
    /// People were called.
    Paged(Box<Paged>),
    /// Another way to somebody is taken who has not answered yet.
    PageContinued {
        /// The page.
        page: u32,
        /// The ways.
        via: Vec<Channel>,
        /// Why it comes before its time: what became of an earlier way. None: it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        early: Option<Channel>,
    },
    /// One way of a page came further, or came to nothing.
    PageDelivery(Delivery),
    /// A page was answered of an incident that somebody has already.
    PageAnswered {
        /// The page.
        page: u32,
        /// Who answered.
        by: Who,
        /// By which way; none: it was said in Slack or on the command line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<Channel>,
    },
    /// Nobody answered who was called by hand.
    PageExpired {
        /// The page.
        page: u32,
    },
    /// These pages were held up, since the bot was down or a provider away, and leave only now: whoever they call is given
    /// as long to answer as was meant.
    AnswerTimeExtended {
        /// The pages.
        pages: Vec<u32>,
        /// For how long they were held up.
        late: SignedDuration,
    },
    /// The escalation is at its end, and nobody has answered.
    EscalationExhausted {
        /// How often the policy was gone through.
        rounds: u32,
        /// The pages that nobody answered.
        pages: Vec<u32>,
    },
    /// The post-mortem was due and is not done.
    PostmortemOverdue {
        /// When it was due.
        due_at: Timestamp,
        /// Which reminder this is, from 1.
        reminder: u32,
        /// When it is said again; none: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_at: Option<Timestamp>,
    },
    /// The status moved on (or back).
    StatusChanged {
        /// The status before.
        from: Status,
        /// The status now.
        to: Status,
    },
    /// A status update was given.
    UpdatePosted {
        /// Which update of the incident this is, from 1.
        number: u32,
        /// How the incident stands with it.
        status: Status,
        /// What was said.
        update: Update,
    },
    /// Nobody gave an update in time, and somebody is reminded.
    UpdateOverdue(Overdue),
    /// The incident weighs more, or less, than was thought.
    SeverityChanged {
        /// The severity before.
        from: SeverityId,
        /// The severity now.
        to: SeverityTerms,
        /// Why, if it was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Who is called in besides those who are there already.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        invite: Vec<Invitee>,
        /// Checklists, by id, besides those that are laid out already.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checklists: Vec<String>,
        /// The name of the war room that is opened now, without `#`: until then the thread had sufficed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        war_room: Option<String>,
        /// The policy by which people are called from now on; none: it goes on as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escalation: Option<Box<EscalationPolicy>>,
    },
    /// A role has a new holder.
    RoleAssigned {
        /// Which role.
        role: Role,
        /// Who holds it now.
        to: Who,
        /// Who held it before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Who>,
    },
    /// Somebody wrote something down.
    NoteAdded {
        /// The text as it was typed, without Slack's escapes.
        text: String,
    },
    /// A message of the war room was marked; what it says is still to be fetched.
    MessageMarked {
        /// Which message.
        message: MessageRef,
        /// How it was marked.
        mark: Mark,
        /// Who marked it.
        by: Who,
    },
    /// A marked message stands on the timeline.
    MessageKept(KeptMessage),
    /// Work that outlives the incident.
    FollowUpAdded(FollowUp),
    /// A follow-up is done.
    FollowUpCompleted {
        /// Its number within the incident, from 1.
        number: u32,
    },
    /// The effect on users is over.
    Resolved(Resolution),
    /// It was not over.
    Reopened {
        /// Why, if it was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The post-mortem is done.
    Closed,
    /// The record was asked for as a file in the war room.
    ExportRequested {
        /// The form of the file.
        format: ExportFormat,
    },
    /// Slack said who the people are whom it had mentioned by id alone.
    NamesLearned {
        /// The names, by id.
        names: BTreeMap<SlackUserId, String>,
    },
    /// Alerts of a group have begun or ended.
    AlertsChanged {
        /// Which group.
        group: GroupId,
        /// How they stand now.
        tally: Tally,
        /// What that means.
        turn: AlertTurn,
        /// Which of those that are named have begun or ended since they were last told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        turned: Vec<DedupKey>,
    },
    /// Somebody did something about an alert at its sender, or wrote of it there.
    AlertRemarked(Box<AlertRemarked>),
    /// Something was changed on purpose, while the incident lasts or shortly before.
    ChangeNoted(Change),
    /// Something that the incident ordered could not be done, for good.
    EffectFailed {
        /// What was to be done, in words for a person: "invite @bob".
        what: String,
        /// Why it could not be, and what would mend it.
        why: String,
        /// What follows from that.
        #[serde(default, skip_serializing_if = "Consequence::is_none")]
        leaves: Consequence,
    },
}

/// A remark on an alert of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRemarked {
    /// The group of the alert.
    pub group: GroupId,
    /// How many remarks before it came too fast to be told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// The remark.
    pub remarked: Remarked,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a change of a group of alerts means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertTurn {
    /// The incident hears of them for the first time.
    Joined,
    /// More of them, or fewer.
    Counted,
    /// None fires any more.
    Over,
    /// They fire again after none did.
    Again,
    /// One of them begins and ends again and again.
    Flapping,
}

/// What follows for an incident from something that could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Nothing more.
    #[default]
    Nothing,
    /// It is not announced.
    Unannounced,
    /// The people in its room did not hear something.
    RoomUnheard,
}

impl Consequence {
    fn is_none(&self) -> bool {
        *self == Consequence::Nothing
    }
}

/// How an incident began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// What people call it.
    pub id: IncidentId,
    /// One line: what is wrong.
    pub title: String,
    /// What is known so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The severity and what it asked for on that day.
    pub severity: SeverityTerms,
    /// What is broken, if it is a known service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// When the trouble began; the moment of the declaration if nothing better is known.
    pub started_at: Timestamp,
    /// Who leads: the person who declared; nobody yet, if an alert did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commander: Option<Who>,
    /// The wanted name of the war room, without `#`; none: a thread under the announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub war_room: Option<String>,
    /// The name that is kept for a war room, should an incident that begins in a thread come to need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_room: Option<String>,
    /// Where incidents are announced: `#incident-response`.
    pub announce: String,
    /// Who is called in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invite: Vec<Invitee>,
    /// The checklists that the severity brings along, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checklists: Vec<String>,
    /// Where to look, as the alert said that declared it.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Box<Links>,
    /// The policy by which people are called until somebody answers, as it was on that day; none: nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Box<EscalationPolicy>>,
}

/// What a severity asked for when it was given to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeverityTerms {
    /// The id in the configuration: `p1`.
    pub id: SeverityId,
    /// The name for people: `P1 - Critical`.
    pub name: String,
    /// The longest time between two updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_every: Option<SignedDuration>,
    /// In what time somebody must have acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_within: Option<SignedDuration>,
    /// In what time after the resolution the post-mortem is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postmortem_within: Option<SignedDuration>,
    /// The e-mail addresses to which its declaration, its updates and its end are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<String>,
}

/// Somebody to be called into a war room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Invitee {
    /// A person of the configuration.
    Person(PersonId),
    /// A Slack user, known by id alone.
    User(SlackUserId),
    /// Every member of a Slack user group, by its handle.
    UserGroup(String),
}

/// One message in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageRef {
    /// The conversation it stands in.
    pub channel: ChannelId,
    /// Its `ts`.
    pub ts: MessageTs,
}

/// A status update. The last one prefills the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Update {
    /// What is going on.
    pub text: String,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_taken: Option<String>,
    /// What will be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_steps: Option<String>,
    /// When it is expected to be over, in the words of the person who said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<String>,
    /// How long until the next update, if it is not the severity's usual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_in: Option<SignedDuration>,
}

/// A reminder that an update is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// When the update had been due.
    pub due_at: Timestamp,
    /// Which reminder this is since the last update, from 1.
    pub reminder: u32,
    /// Who is reminded: the commander first, then the next in line; nobody, if nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Who>,
    /// When somebody else is reminded, if still nothing is heard.
    pub next_at: Timestamp,
    /// How late this reminder itself is: the bot was down when it was due.
    #[serde(default)]
    pub late: SignedDuration,
}

/// A message that belongs on the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMessage {
    /// Where it stands.
    pub message: MessageRef,
    /// Who wrote it.
    pub author: Who,
    /// What it said, without Slack's escapes.
    pub text: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// How it was marked.
    pub mark: Mark,
    /// Who marked it.
    pub marked_by: Who,
}

/// How a message was marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It was pinned.
    Pin,
    /// It was given the :pushpin: reaction.
    Reaction,
    /// It was chosen in the message's menu.
    Shortcut,
    /// It was given the :white_check_mark: reaction, which makes a follow-up of it.
    Check,
}

/// Work that outlives the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Its number within the incident, from 1.
    pub number: u32,
    /// What is to be done.
    pub text: String,
    /// Who will do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Who>,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resolution {
    /// What was the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_cause: Option<String>,
    /// What ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Whom it hurt, and how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
}

/// The forms in which a record can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// For a wiki or a repository.
    Markdown,
    /// For programs, with the published schema.
    Json,
    /// One self-contained page.
    Html,
    /// For a spreadsheet: one row for each entry of the timeline.
    Csv,
}

impl ExportFormat {
    /// Every form.
    pub const ALL: [ExportFormat; 4] = [
        ExportFormat::Markdown,
        ExportFormat::Json,
        ExportFormat::Html,
        ExportFormat::Csv,
    ];

    /// The word to type: `markdown`.
    pub fn word(self) -> &'static str {
        match self {
            ExportFormat::Markdown => "markdown",
            ExportFormat::Json => "json",
            ExportFormat::Html => "html",
            ExportFormat::Csv => "csv",
        }
    }

    /// How such a file's name ends, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            ExportFormat::Markdown => "md",
            ExportFormat::Json => "json",
            ExportFormat::Html => "html",
            ExportFormat::Csv => "csv",
        }
    }
}

impl std::str::FromStr for ExportFormat {
    type Err = ();

    /// Takes the word or the ending.
    fn from_str(text: &str) -> Result<Self, ()> {
        ExportFormat::ALL
            .into_iter()
            .find(|format| {
                text.eq_ignore_ascii_case(format.word())
                    || text.eq_ignore_ascii_case(format.extension())
            })
            .ok_or(())
    }
}

impl Event {
    /// The name under which it is stored, the same as its tag in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Declared(_) => "declared",
            Event::WarRoomOpened { .. } => "war_room_opened",
            Event::WarRoomFailed { .. } => "war_room_failed",
            Event::CardPosted { .. } => "card_posted",
            Event::Announced { .. } => "announced",
            Event::Acknowledged { .. } => "acknowledged",
            Event::AcknowledgementExpired { .. } => "acknowledgement_expired",
            Event::AcknowledgeOverdue { .. } => "acknowledge_overdue",
            Event::Paged(_) => "paged",
            Event::PageContinued { .. } => "page_continued",
            Event::PageDelivery(_) => "page_delivery",
            Event::PageAnswered { .. } => "page_answered",
            Event::PageExpired { .. } => "page_expired",
            Event::AnswerTimeExtended { .. } => "answer_time_extended",
            Event::EscalationExhausted { .. } => "escalation_exhausted",
            Event::PostmortemOverdue { .. } => "postmortem_overdue",
            Event::StatusChanged { .. } => "status_changed",
            Event::UpdatePosted { .. } => "update_posted",
            Event::UpdateOverdue(_) => "update_overdue",
            Event::SeverityChanged { .. } => "severity_changed",
            Event::RoleAssigned { .. } => "role_assigned",
            Event::NoteAdded { .. } => "note_added",
            Event::MessageMarked { .. } => "message_marked",
            Event::MessageKept(_) => "message_kept",
            Event::FollowUpAdded(_) => "follow_up_added",
            Event::FollowUpCompleted { .. } => "follow_up_completed",
            Event::Resolved(_) => "resolved",
            Event::Reopened { .. } => "reopened",
            Event::Closed => "closed",
            Event::ExportRequested { .. } => "export_requested",
            Event::NamesLearned { .. } => "names_learned",
            Event::AlertsChanged { .. } => "alerts_changed",
            Event::AlertRemarked(_) => "alert_remarked",
            Event::ChangeNoted(_) => "change_noted",
            Event::EffectFailed { .. } => "effect_failed",
        }
    }

    /// When it happened: a kept message when it was written, a change when it was made, a remark when it was heard.
    pub fn happened_at(&self, recorded_at: Timestamp) -> Timestamp {
        match self {
            Event::MessageKept(kept) => kept.written_at,
            Event::AlertRemarked(told) => told.remarked.at,
            Event::ChangeNoted(change) => change.at,
            _ => recorded_at,
        }
    }
}

/// An event as it stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place within the incident, from 1, without gaps.
    pub seq: u64,
    /// What happened.
    pub event: Event,
    /// Who made it happen.
    pub actor: Actor,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When it was written down.
    pub recorded_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_stored_under_the_kind_that_its_json_carries() {
        let event = Event::NoteAdded {
            text: "restarted the pods".into(),
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], event.kind());
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}
