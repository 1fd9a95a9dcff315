//! What the world must now be told: the orders that follow from an event.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::command::Timer;
use super::escalation::Channel;
use super::event::{AlertTurn, Consequence, Event, ExportFormat, Invitee, Mark, MessageRef};
use super::incident::{Incident, Room};
use super::page::DeliveryState;
use super::terms::{ChannelId, MessageTs, SlackUserId, Who};
use super::timeline::nameless;

/// An order to the world. It is stored beside the event that caused it and carried out later, at least once.
///
/// What is shown is rendered when the order is carried out: a card from the state of that moment, a notice from
/// the event it names. So an order stays small, and an edit that was overtaken shows the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Create the channel in which people work.
    OpenWarRoom {
        /// Its wanted name, without `#`.
        name: String,
    },
    /// Show severity, status and commander in the channel's topic.
    SetTopic,
    /// Say in the channel's purpose what it is for.
    SetPurpose,
    /// Call people in.
    Invite {
        /// Whom.
        invitees: Vec<Invitee>,
    },
    /// Post the summary card into the war room.
    PostCard,
    /// Pin the card.
    PinCard,
    /// Bring the card up to date, in place.
    RefreshCard,
    /// Bookmark the bridge, dashboards and runbooks.
    AddBookmarks,
    /// Post a checklist of the configuration.
    PostChecklist {
        /// Its id.
        id: String,
    },
    /// Announce the incident.
    Announce,
    /// Bring the announcement up to date, in place.
    RefreshAnnouncement,
    /// Tell of an event.
    Post {
        /// Where.
        to: Audience,
        /// The event's number within the incident.
        seq: u64,
    },
    /// Fetch what a marked message says.
    FetchMessage {
        /// Which message.
        message: MessageRef,
        /// How it was marked.
        mark: Mark,
        /// Who marked it.
        by: Who,
    },
    /// Ask Slack who people are whom it mentioned by id alone.
    LearnNames {
        /// Whom.
        users: Vec<SlackUserId>,
    },
    /// Upload the record as a file.
    UploadExport {
        /// The form of the file.
        format: ExportFormat,
        /// The event that asked for it, which makes the file's name unique.
        seq: u64,
    },
    /// Open an incident for a group of alerts, or let it join one that is open.
    DeclareForAlerts,
    /// Tell the incident of a group how its alerts stand.
    TellIncidentOfAlerts,
    /// Post the card of a group of alerts.
    PostAlertCard,
    /// Bring the card of a group of alerts up to date, in place.
    RefreshAlertCard,
    /// Let go those of a room of alerts whom nobody keeps back any more.
    ReleaseAlerts,
    /// Say loudly that a group of alerts declares no incident for now.
    TellOfCutOff,
    /// Look which of the alerts that the incident quiets it still does.
    ReviewQuieted,
    /// Take one way to somebody who is called.
    Notify {
        /// The number of the page.
        page: u32,
        /// The way.
        via: Channel,
    },
    /// Bring a page's message in Slack up to date: the war room was opened since.
    RefreshPage {
        /// The number of the page.
        page: u32,
        /// Where the message stands.
        at: MessageRef,
    },
    /// Say on a page's message in Slack that it is over, so that nobody answers it in vain.
    EndPage {
        /// The number of the page.
        page: u32,
        /// Where the message stands.
        at: MessageRef,
    },
    /// Write to a stakeholder of the severity what an event says.
    WriteLetter {
        /// The event's number within the incident.
        seq: u64,
        /// The e-mail address.
        to: String,
    },
    /// Ring a clock.
    Ring {
        /// Which clock, and for when it was set.
        timer: Timer,
    },
}

/// Who is to read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The people who work on it.
    Room,
    /// Everybody who follows `[slack].announce`.
    Announce,
    /// Whoever is in the thread under the announcement, when work moves on from there into a war room.
    Thread,
    /// Whoever leads, when the room cannot be told.
    Commander,
}

/// Orders are carried out in lanes that do not wait for each other: a slow answer of Slack never delays a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Clocks: orders with a later date.
    Clocks,
    /// What alerts do to incidents.
    Alerts,
    /// Everything that is said in Slack.
    Chat,
    /// Pages by Slack. Each way has a lane of its own: one that hangs delays no other.
    PagesBySlack,
    /// Pages by e-mail, and letters to stakeholders.
    Email,
    /// Pages by text message.
    Sms,
    /// Pages by telephone.
    Voice,
    /// Pages to a system of the team's own.
    Webhook,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 8] = [
        Lane::Clocks,
        Lane::Alerts,
        Lane::Chat,
        Lane::PagesBySlack,
        Lane::Email,
        Lane::Sms,
        Lane::Voice,
        Lane::Webhook,
    ];

    /// The lane of pages by this way.
    pub fn of_pages(via: Channel) -> Lane {
        match via {
            Channel::Slack => Lane::PagesBySlack,
            Channel::Email => Lane::Email,
            Channel::Sms => Lane::Sms,
            Channel::Voice => Lane::Voice,
            Channel::Webhook => Lane::Webhook,
        }
    }

    /// Whether pages go by it.
    pub fn is_of_pages(self) -> bool {
        match self {
            Lane::PagesBySlack | Lane::Email | Lane::Sms | Lane::Voice | Lane::Webhook => true,
            Lane::Clocks | Lane::Alerts | Lane::Chat => false,
        }
    }

    /// The name under which it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Lane::Clocks => "clocks",
            Lane::Alerts => "alerts",
            Lane::Chat => "chat",
            Lane::PagesBySlack => "pages_slack",
            Lane::Email => "pages_email",
            Lane::Sms => "pages_sms",
            Lane::Voice => "pages_voice",
            Lane::Webhook => "pages_webhook",
        }
    }
}

/// An effect with what the outbox has to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Do this at that time, and forget an earlier order of the same key that has not begun.
    Do {
        /// What to do.
        effect: Effect,
        /// Not before then.
        due: Timestamp,
    },
    /// Forget the order of this key.
    Cancel {
        /// The key.
        key: &'static str,
    },
}

/// Groups of alerts of an incident that are told one by one, in the war room and on its card.
pub const GROUPS_TOLD: usize = 5;

/// A page that is posted so soon after the declaration may not know the war room yet.
const ROOM_OPENS: SignedDuration = SignedDuration::from_mins(2);
/// The key of the clock: there is one for each incident.
const CLOCK: &str = "clock";
/// The key of the order of a room of alerts to look whom it may let go.
pub const RELEASE: &str = "release";

impl Effect {
    /// The lane it waits in.
    pub fn lane(&self) -> Lane {
        match self {
            Effect::Ring { .. } => Lane::Clocks,
            Effect::Notify { via, .. } => Lane::of_pages(*via),
            Effect::RefreshPage { .. } | Effect::EndPage { .. } => Lane::PagesBySlack,
            Effect::WriteLetter { .. } => Lane::Email,
            Effect::DeclareForAlerts
            | Effect::TellIncidentOfAlerts
            | Effect::ReleaseAlerts
            | Effect::ReviewQuieted => Lane::Alerts,
            Effect::PostAlertCard | Effect::RefreshAlertCard | Effect::TellOfCutOff => Lane::Chat,
            Effect::OpenWarRoom { .. }
            | Effect::SetTopic
            | Effect::SetPurpose
            | Effect::Invite { .. }
            | Effect::PostCard
            | Effect::PinCard
            | Effect::RefreshCard
            | Effect::AddBookmarks
            | Effect::PostChecklist { .. }
            | Effect::Announce
            | Effect::RefreshAnnouncement
            | Effect::Post { .. }
            | Effect::FetchMessage { .. }
            | Effect::LearnNames { .. }
            | Effect::UploadExport { .. } => Lane::Chat,
        }
    }

    /// Orders of one incident and one queue are carried out one after another, in the order of their events. A
    /// clock stands in no queue: it must not wait for one that was set earlier and rings later. Nor does what is only
    /// read: nobody waits for it.
    pub fn queue(&self) -> Option<&'static str> {
        match self {
            Effect::Ring { .. }
            | Effect::Notify { .. }
            | Effect::WriteLetter { .. }
            | Effect::ReleaseAlerts
            | Effect::ReviewQuieted
            | Effect::FetchMessage { .. }
            | Effect::LearnNames { .. }
            | Effect::Post {
                to: Audience::Commander,
                ..
            } => None,
            Effect::DeclareForAlerts | Effect::TellIncidentOfAlerts => Some("incident"),
            Effect::PostAlertCard | Effect::RefreshAlertCard => Some("card"),
            Effect::TellOfCutOff => Some("cut-off"),
            // What is over stays over.
            Effect::RefreshPage { .. } | Effect::EndPage { .. } => Some("page-messages"),
            // A large file may take minutes, and nothing that is said comes after it.
            Effect::UploadExport { .. } => Some("upload"),
            Effect::Announce
            | Effect::RefreshAnnouncement
            | Effect::Post {
                to: Audience::Announce | Audience::Thread,
                ..
            } => Some("announce"),
            Effect::OpenWarRoom { .. }
            | Effect::SetTopic
            | Effect::SetPurpose
            | Effect::Invite { .. }
            | Effect::PostCard
            | Effect::PinCard
            | Effect::RefreshCard
            | Effect::AddBookmarks
            | Effect::PostChecklist { .. }
            | Effect::Post {
                to: Audience::Room, ..
            } => Some("room"),
        }
    }

    /// Whether a group of alerts orders it, not an incident.
    pub fn is_of_alerts(&self) -> bool {
        matches!(
            self,
            Effect::DeclareForAlerts
                | Effect::TellIncidentOfAlerts
                | Effect::PostAlertCard
                | Effect::RefreshAlertCard
                | Effect::ReleaseAlerts
                | Effect::TellOfCutOff
        )
    }

    /// Whether it is done in the war room.
    pub fn is_in_room(&self) -> bool {
        matches!(self.queue(), Some("room" | "upload"))
    }

    /// An order with a key replaces the waiting order of the same key: only the newest is worth doing.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Effect::SetTopic => Some("topic"),
            Effect::RefreshCard | Effect::RefreshAlertCard => Some("card"),
            Effect::TellIncidentOfAlerts => Some("tally"),
            Effect::DeclareForAlerts => Some("declare"),
            Effect::ReleaseAlerts => Some(RELEASE),
            Effect::ReviewQuieted => Some("quieted"),
            Effect::RefreshAnnouncement => Some("announcement"),
            Effect::Ring {
                timer: Timer::Due { .. },
            } => Some(CLOCK),
            Effect::Notify { .. }
            | Effect::RefreshPage { .. }
            | Effect::EndPage { .. }
            | Effect::WriteLetter { .. }
            | Effect::OpenWarRoom { .. }
            | Effect::SetPurpose
            | Effect::Invite { .. }
            | Effect::PostCard
            | Effect::PinCard
            | Effect::AddBookmarks
            | Effect::PostChecklist { .. }
            | Effect::Announce
            | Effect::Post { .. }
            | Effect::FetchMessage { .. }
            | Effect::LearnNames { .. }
            | Effect::PostAlertCard
            | Effect::TellOfCutOff
            | Effect::UploadExport { .. } => None,
        }
    }
}

/// What follows from an event, given the states before and after it. The same for a command, a button and a clock.
pub fn effects_of(
    event: &Event,
    before: Option<&Incident>,
    after: &Incident,
    now: Timestamp,
) -> Vec<Order> {
    let seq = after.version;
    let mut orders = Orders {
        now,
        orders: Vec::new(),
    };
    match event {
        Event::Declared(_) => {
            if let Room::Wanted { name } = &after.room {
                orders.now(Effect::OpenWarRoom { name: name.clone() });
            }
            orders.now(Effect::Announce);
            if after.room == Room::Thread {
                orders.checklists(&after.brings.checklists);
            }
            orders.letter(after);
        }
        Event::WarRoomOpened { .. } => {
            orders.now(Effect::SetTopic);
            orders.now(Effect::SetPurpose);
            orders.now(Effect::PostCard);
            orders.invite(&after.wanted_in_room());
            orders.checklists(&after.brings.checklists);
            orders.now(Effect::RefreshAnnouncement);
            for page in &after.pages {
                for contact in &page.contacts {
                    orders.refresh_page(page.number, contact.via, contact.provider_id.as_deref());
                }
            }
        }
        Event::WarRoomFailed { .. } => {
            orders.post(Audience::Room, seq);
            orders.checklists(&after.brings.checklists);
            orders.now(Effect::RefreshAnnouncement);
        }
        Event::CardPosted { .. } => {
            orders.now(Effect::PinCard);
            orders.now(Effect::AddBookmarks);
        }
        // Nobody is told: the announcement is the telling.
        Event::Announced { .. } => {}
        Event::Acknowledged { by, .. } => {
            if let (Room::Channel { .. }, Some(user)) = (&after.room, &by.slack) {
                orders.invite(&[Invitee::User(user.clone())]);
            }
            orders.post(Audience::Room, seq);
            orders.refresh();
        }
        Event::StatusChanged { .. } => {
            orders.post(Audience::Room, seq);
            orders.now(Effect::SetTopic);
            orders.refresh();
        }
        Event::UpdatePosted { .. } => {
            orders.post(Audience::Room, seq);
            // In a thread the one post is broadcast to the channel: see `slack::message`.
            if after.room != Room::Thread {
                orders.post(Audience::Announce, seq);
            }
            orders.refresh();
            orders.letter(after);
        }
        Event::UpdateOverdue(_) => orders.post(Audience::Room, seq),
        Event::Paged(paged) => {
            for page in &paged.pages {
                for contact in page.contacts.iter().filter(|contact| contact.at <= now) {
                    orders.now(Effect::Notify {
                        page: page.number,
                        via: contact.via,
                    });
                }
            }
            orders.post(Audience::Room, seq);
            // Whoever is called has to find the work; before the room is there, it calls them in itself.
            if matches!(after.room, Room::Channel { .. }) {
                let called = paged.pages.iter();
                let called: Vec<Invitee> = called.filter_map(|page| page.to.invitee()).collect();
                orders.invite(&called);
            }
            orders.refresh_posted(after);
        }
        Event::PageContinued { page, via, early } => {
            for via in via {
                orders.now(Effect::Notify {
                    page: *page,
                    via: *via,
                });
            }
            if early.is_some() {
                orders.post(Audience::Room, seq);
            }
        }
        Event::PageDelivery(delivery) => match delivery.state {
            DeliveryState::Failed if after.page(delivery.page).is_some() => {
                orders.post(Audience::Room, seq);
            }
            // It was answered in the very moment in which it was posted.
            DeliveryState::Accepted if after.page(delivery.page).is_none() => {
                orders.end_page(delivery.page, delivery.via, delivery.provider_id.as_deref());
            }
            // The war room was opened while it was posted, perhaps.
            DeliveryState::Accepted
                if matches!(after.room, Room::Channel { .. })
                    && now.duration_since(after.milestones.declared) < ROOM_OPENS =>
            {
                let id = delivery.provider_id.as_deref();
                orders.refresh_page(delivery.page, delivery.via, id);
            }
            DeliveryState::Waiting
            | DeliveryState::Ordered
            | DeliveryState::Delayed
            | DeliveryState::Failed
            | DeliveryState::Accepted
            | DeliveryState::Delivered => {}
        },
        Event::PageAnswered { .. }
        | Event::PageExpired { .. }
        | Event::AnswerTimeExtended { .. } => {
            orders.post(Audience::Room, seq);
        }
        Event::AcknowledgementExpired { .. } => {
            orders.post(Audience::Room, seq);
            orders.refresh();
        }
        Event::AcknowledgeOverdue { .. } | Event::EscalationExhausted { .. } => {
            orders.post(Audience::Room, seq);
            if after.room != Room::Thread {
                orders.post(Audience::Announce, seq);
            }
            orders.refresh_posted(after);
        }
        Event::PostmortemOverdue { .. } => orders.post(Audience::Room, seq),
        Event::SeverityChanged {
            war_room: Some(name),
            ..
        } => {
            // Whoever is in the thread learns where it goes on; all else comes with the room.
            orders.post(Audience::Thread, seq);
            orders.now(Effect::OpenWarRoom { name: name.clone() });
            orders.now(Effect::RefreshAnnouncement);
        }
        Event::SeverityChanged {
            invite, checklists, ..
        } => {
            orders.post(Audience::Room, seq);
            orders.now(Effect::SetTopic);
            orders.invite(invite);
            orders.checklists(checklists);
            orders.refresh();
        }
        Event::RoleAssigned { to, .. } => {
            orders.post(Audience::Room, seq);
            if let Some(user) = &to.slack {
                orders.invite(&[Invitee::User(user.clone())]);
            }
            orders.now(Effect::SetTopic);
            orders.refresh();
        }
        Event::NoteAdded { .. } => orders.post(Audience::Room, seq),
        Event::MessageMarked { message, mark, by } => orders.now(Effect::FetchMessage {
            message: message.clone(),
            mark: *mark,
            by: by.clone(),
        }),
        // It stands in the war room already.
        Event::MessageKept(_) => {}
        Event::FollowUpAdded(_) | Event::FollowUpCompleted { .. } => {
            orders.post(Audience::Room, seq);
        }
        // Said again, it adds to what was said: those who work on it learn what.
        Event::Resolved(_) if after.milestones.resolved != Some(now) => {
            orders.post(Audience::Room, seq);
            orders.refresh();
        }
        Event::Resolved(_) => {
            orders.post(Audience::Room, seq);
            if after.room != Room::Thread {
                orders.post(Audience::Announce, seq);
            }
            orders.now(Effect::SetTopic);
            orders.refresh();
            orders.letter(after);
        }
        Event::Reopened { .. } => {
            orders.post(Audience::Room, seq);
            if after.room != Room::Thread {
                orders.post(Audience::Announce, seq);
            }
            orders.now(Effect::SetTopic);
            orders.refresh();
        }
        Event::Closed => {
            orders.post(Audience::Room, seq);
            orders.now(Effect::SetTopic);
            orders.refresh();
        }
        Event::ExportRequested { format } => orders.now(Effect::UploadExport {
            format: *format,
            seq,
        }),
        Event::NamesLearned { .. } => {
            orders.now(Effect::SetTopic);
            orders.refresh();
        }
        Event::AlertsChanged { turn, .. } => {
            if is_told(*turn, after) {
                orders.post(Audience::Room, seq);
            }
            orders.refresh();
        }
        // Whoever has the incident open finds it on the card and the timeline; nobody is called by it.
        Event::AlertRemarked(_) => orders.refresh(),
        // Whoever asks what was changed looks at the timeline; in the room it would be one line more in a storm of them.
        Event::ChangeNoted(_) => {}
        Event::EffectFailed { leaves, .. } => match leaves {
            Consequence::RoomUnheard => orders.post(Audience::Commander, seq),
            Consequence::Nothing | Consequence::Unannounced => orders.post(Audience::Room, seq),
        },
    }
    // What is over is not to be answered any more.
    for page in before.iter().flat_map(|before| &before.pages) {
        if after.page(page.number).is_none() {
            for contact in &page.contacts {
                orders.end_page(page.number, contact.via, contact.provider_id.as_deref());
            }
        }
    }
    let due = |incident: &Incident| incident.next_due().map(|(at, _)| at);
    // What a clock rang for is gone from the outbox, even where the next thing is due at the very same moment.
    // A clock that is late, or with which somebody is called, is set anew whatever was set before: if it has got lost, it
    // is there again.
    let is_renewed = due(after).is_some_and(|at| at <= now) || is_clock_spent(event);
    if before.and_then(due) != due(after) || is_renewed {
        orders.clock(due(after));
    }
    // It may be over, or weigh less: what it quieted is told on its own then.
    let is_less = matches!(event, Event::Resolved(_) | Event::SeverityChanged { .. });
    if is_less && after.alerts.values().any(|tally| tally.is_quieted) {
        orders.now(Effect::ReviewQuieted);
    }
    // Somebody may have created the channel since.
    if after.is_unannounced && is_done_by_people(event) {
        orders.orders.insert(
            0,
            Order::Do {
                effect: Effect::Announce,
                due: now,
            },
        );
    }
    let users: Vec<SlackUserId> = nameless(event)
        .into_iter()
        .filter(|user| !after.names.contains_key(user))
        .collect();
    if !users.is_empty() {
        orders.now(Effect::LearnNames { users });
    }
    orders.orders
}

/// Whether a clock rang for it, or somebody is called with it.
fn is_clock_spent(event: &Event) -> bool {
    match event {
        Event::PageContinued { early, .. } => early.is_none(),
        Event::Paged(_)
        | Event::PageExpired { .. }
        | Event::AnswerTimeExtended { .. }
        | Event::EscalationExhausted { .. }
        | Event::AcknowledgementExpired { .. }
        | Event::AcknowledgeOverdue { .. }
        | Event::UpdateOverdue(_)
        | Event::PostmortemOverdue { .. } => true,
        Event::Declared(_)
        | Event::WarRoomOpened { .. }
        | Event::WarRoomFailed { .. }
        | Event::CardPosted { .. }
        | Event::Announced { .. }
        | Event::Acknowledged { .. }
        | Event::PageDelivery(_)
        | Event::PageAnswered { .. }
        | Event::StatusChanged { .. }
        | Event::UpdatePosted { .. }
        | Event::SeverityChanged { .. }
        | Event::RoleAssigned { .. }
        | Event::NoteAdded { .. }
        | Event::MessageMarked { .. }
        | Event::MessageKept(_)
        | Event::NamesLearned { .. }
        | Event::AlertsChanged { .. }
        | Event::AlertRemarked(_)
        | Event::ChangeNoted(_)
        | Event::FollowUpAdded(_)
        | Event::FollowUpCompleted { .. }
        | Event::Resolved(_)
        | Event::Reopened { .. }
        | Event::Closed
        | Event::ExportRequested { .. }
        | Event::EffectFailed { .. } => false,
    }
}

/// Whether a turn of alerts is said in the war room. Where many groups have joined, one more is no news: it is counted on
/// the card, and only how all of them stand is said. Else what people do would wait behind a line for each.
fn is_told(turn: AlertTurn, after: &Incident) -> bool {
    let groups = after.own_alerts().count();
    let firing = || after.own_alerts().filter(|tally| tally.firing > 0).count();
    match turn {
        AlertTurn::Counted => false,
        // With its alerts an incident begins; what joins one that people work on is news.
        AlertTurn::Joined => groups <= GROUPS_TOLD && (groups > 1 || after.declared_by.is_some()),
        AlertTurn::Over | AlertTurn::Again | AlertTurn::Flapping if groups <= GROUPS_TOLD => true,
        AlertTurn::Over => firing() == 0,
        AlertTurn::Again => firing() == 1,
        AlertTurn::Flapping => false,
    }
}

/// Whether somebody has done something, or should have.
fn is_done_by_people(event: &Event) -> bool {
    match event {
        Event::Acknowledged { .. }
        | Event::PageAnswered { .. }
        | Event::AcknowledgeOverdue { .. }
        | Event::EscalationExhausted { .. }
        | Event::StatusChanged { .. }
        | Event::UpdatePosted { .. }
        | Event::UpdateOverdue(_)
        | Event::SeverityChanged { .. }
        | Event::RoleAssigned { .. }
        | Event::NoteAdded { .. }
        | Event::MessageMarked { .. }
        | Event::FollowUpAdded(_)
        | Event::FollowUpCompleted { .. }
        | Event::Resolved(_)
        | Event::Reopened { .. }
        | Event::Closed
        | Event::ExportRequested { .. } => true,
        Event::Declared(_)
        | Event::Paged(_)
        | Event::PageContinued { .. }
        | Event::PageDelivery(_)
        | Event::PageExpired { .. }
        | Event::AnswerTimeExtended { .. }
        | Event::AcknowledgementExpired { .. }
        | Event::PostmortemOverdue { .. }
        | Event::WarRoomOpened { .. }
        | Event::WarRoomFailed { .. }
        | Event::CardPosted { .. }
        | Event::Announced { .. }
        | Event::MessageKept(_)
        | Event::NamesLearned { .. }
        | Event::AlertsChanged { .. }
        | Event::AlertRemarked(_)
        | Event::ChangeNoted(_)
        | Event::EffectFailed { .. } => false,
    }
}

/// Where a page stands in Slack: its provider's id is `channel/ts` there, one for each member of a user group.
fn in_slack(via: Channel, provider_id: Option<&str>) -> Vec<MessageRef> {
    let places = provider_id.filter(|_| via == Channel::Slack).into_iter();
    places
        .flat_map(|places| places.split_whitespace())
        .filter_map(|place| place.split_once('/'))
        .map(|(channel, ts)| MessageRef {
            channel: ChannelId::new(channel),
            ts: MessageTs::new(ts),
        })
        .collect()
}

/// The list that `effects_of` writes.
struct Orders {
    now: Timestamp,
    orders: Vec<Order>,
}

impl Orders {
    fn now(&mut self, effect: Effect) {
        self.orders.push(Order::Do {
            effect,
            due: self.now,
        });
    }

    fn post(&mut self, to: Audience, seq: u64) {
        self.now(Effect::Post { to, seq });
    }

    fn refresh(&mut self) {
        self.now(Effect::RefreshCard);
        self.now(Effect::RefreshAnnouncement);
    }

    fn invite(&mut self, invitees: &[Invitee]) {
        if !invitees.is_empty() {
            self.now(Effect::Invite {
                invitees: invitees.to_vec(),
            });
        }
    }

    fn checklists(&mut self, ids: &[String]) {
        for id in ids {
            self.now(Effect::PostChecklist { id: id.clone() });
        }
    }

    /// The same, where there is something to bring up to date: what is posted later shows it anyway.
    fn refresh_posted(&mut self, after: &Incident) {
        if after.card.is_some() || after.announcement.is_some() {
            self.refresh();
        }
    }

    /// Tells the stakeholders of the newest event, if there are any.
    fn letter(&mut self, after: &Incident) {
        for to in &after.severity.stakeholders {
            self.now(Effect::WriteLetter {
                seq: after.version,
                to: to.clone(),
            });
        }
    }

    /// Ends what a page says in Slack, if it stands there.
    fn end_page(&mut self, page: u32, via: Channel, provider_id: Option<&str>) {
        for at in in_slack(via, provider_id) {
            self.now(Effect::EndPage { page, at });
        }
    }

    /// Brings what a page says in Slack up to date, if it stands there.
    fn refresh_page(&mut self, page: u32, via: Channel, provider_id: Option<&str>) {
        for at in in_slack(via, provider_id) {
            self.now(Effect::RefreshPage { page, at });
        }
    }

    /// Sets the clock to that moment, whatever it said before.
    fn clock(&mut self, due: Option<Timestamp>) {
        self.orders.push(match due {
            Some(at) => Order::Do {
                effect: Effect::Ring {
                    timer: Timer::Due { at },
                },
                due: at,
            },
            None => Order::Cancel { key: CLOCK },
        });
    }
}

#[cfg(test)]
mod tests;
