//! What somebody wants of an incident, or what the world reports back about it.

use jiff::Timestamp;
use jiff::civil::Date;

use super::alert::Links;
use super::change::Change;
use super::escalation::Target;
use super::event::{Consequence, ExportFormat, KeptMessage, Mark, MessageRef, Resolution, Update};
use super::group::Tally;
use super::page::{Answer, Delivery};
use super::terms::{
    ChannelId, GroupId, IncidentId, Role, ServiceId, SeverityId, SlackUserId, Status, Who,
};

/// A wish, already understood: every word in it was checked against the grammar, none against the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin an incident under an identity that the engine has given out.
    Declare {
        /// What people will call it.
        identity: Identity,
        /// What was said about it.
        declaration: Declaration,
    },
    /// "I have it."
    Acknowledge,
    /// The same, said by answering a page: the answer is that page's, and if the page is over, so is the answer.
    Answer(Answer),
    /// Go on with the escalation at once.
    Escalate,
    /// The same, said by answering a page: once somebody else has it, nobody is called for that.
    PassOn(Answer),
    /// Call somebody, whatever the escalation does.
    Page {
        /// Whom.
        whom: Callee,
        /// What for.
        text: Option<String>,
    },
    /// Say how things stand; may move the status and the severity in the same breath.
    PostUpdate {
        /// What is said.
        update: Update,
        /// The status to go to.
        status: Option<Status>,
        /// The severity to go to.
        severity: Option<SeverityId>,
    },
    /// Move the status without further words.
    SetStatus(Status),
    /// Weigh the incident anew.
    ChangeSeverity {
        /// The severity to go to.
        to: SeverityId,
        /// Why.
        reason: Option<String>,
    },
    /// Give a role to somebody.
    AssignRole {
        /// Which role.
        role: Role,
        /// To whom.
        to: Who,
    },
    /// Write something down.
    AddNote {
        /// What to write.
        text: String,
    },
    /// Put a message on the timeline, or make a follow-up of it.
    MarkMessage {
        /// Which message.
        message: MessageRef,
        /// How it was marked.
        mark: Mark,
    },
    /// Note work that outlives the incident.
    AddFollowUp {
        /// What is to be done.
        text: String,
        /// By whom.
        owner: Option<Who>,
        /// By when.
        due: Option<Date>,
    },
    /// Tick a follow-up off.
    CompleteFollowUp {
        /// Its number, from 1.
        number: u32,
    },
    /// Say that the effect on users is over. What is left empty keeps what was said before.
    Resolve(Resolution),
    /// Add to what was said of the end: it ends nothing. What is left empty keeps what was said before.
    Amend(Resolution),
    /// Say that it was not over.
    Reopen {
        /// Why.
        reason: Option<String>,
    },
    /// Say that the post-mortem is done.
    Close,
    /// Put the record as a file into the war room.
    RequestExport {
        /// The form of the file.
        format: ExportFormat,
    },
    /// Take in how a group of alerts stands.
    NoteAlerts {
        /// Which group.
        group: GroupId,
        /// How it stands.
        tally: Tally,
    },
    /// Take in what was changed on purpose.
    NoteChange(Change),
    /// Take in a group of alerts that would else have had an incident of its own.
    JoinAlerts {
        /// Which group.
        group: GroupId,
        /// How it stands.
        tally: Tally,
        /// How much its own incident would have weighed.
        severity: Option<SeverityId>,
    },
    /// A clock ran out.
    Fire(Timer),
    /// An effect came back.
    Record(Report),
}

/// Who is to be called by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// Whoever stands behind it.
    Target(Target),
    /// A Slack user.
    User(Who),
}

/// What the engine gives to a new incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `INC-2025-0914-001`
    pub id: IncidentId,
    /// `incident-2025-0914-001`
    pub channel: String,
}

/// What was said when an incident was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// One line: what is wrong.
    pub title: String,
    /// How much it weighs; none: the gravest that the configuration has, since too loud is mended sooner than too quiet.
    pub severity: Option<SeverityId>,
    /// What is broken.
    pub service: Option<ServiceId>,
    /// What is known so far.
    pub description: Option<String>,
    /// When it began, if that is known to be earlier than now.
    pub started_at: Option<Timestamp>,
    /// The message that it was declared on, which goes on the timeline.
    pub about: Option<MessageRef>,
    /// Where to look, if an alert says so.
    pub links: Links,
    /// The policy by which people are called, if the alert's route names one.
    pub escalation_policy: Option<String>,
}

impl Declaration {
    /// The least that one can say.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            severity: None,
            service: None,
            description: None,
            started_at: None,
            about: None,
            links: Links::default(),
            escalation_policy: None,
        }
    }
}

/// A clock that an incident has set. It has one, set to the earliest of all that it waits for: a step of the escalation, an
/// update, an acknowledgement, a post-mortem.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "timer", rename_all = "snake_case")]
pub enum Timer {
    /// Something is due. It is stored under its oldest name, which a replica of an earlier version reads too.
    #[serde(rename = "update_due")]
    Due {
        /// The moment for which the clock was set.
        at: Timestamp,
    },
}

/// What became of an effect, where the incident has to remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The war room exists.
    WarRoomOpened {
        /// Slack's id of the channel.
        channel: ChannelId,
        /// The name it got.
        name: String,
    },
    /// The war room cannot be had.
    WarRoomFailed {
        /// Why, in words for a person.
        why: String,
    },
    /// The war room is gone: archived or deleted while people worked in it.
    WarRoomLost {
        /// Why, in words for a person.
        why: String,
    },
    /// The card was posted.
    CardPosted(MessageRef),
    /// The announcement was posted.
    Announced(MessageRef),
    /// A marked message was fetched.
    MessageFetched(KeptMessage),
    /// A page came further on its way, or came to nothing.
    Delivery(Delivery),
    /// Slack said who is who.
    NamesLearned(Vec<(SlackUserId, String)>),
    /// Something could not be done, for good.
    Failed {
        /// What was to be done.
        what: String,
        /// Why it could not be.
        why: String,
        /// What follows from that.
        leaves: Consequence,
    },
}
