//! Pages: who is called to an incident and why, by which ways, and what became of each.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::catalog::{Notifications, Person};
use super::escalation::{Channel, Target};
use super::event::Invitee;
use super::terms::{PersonId, Who};

/// Somebody is called. The number tells the page from every other of the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its number within the incident, from 1.
    pub number: u32,
    /// Who is called.
    pub to: Addressee,
    /// By which ways, and when each is taken, the earliest first; never empty.
    pub contacts: Vec<Contact>,
}

/// Who is called by a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Addressee {
    /// One person.
    Person {
        /// The id of the `[[people]]` entry; none: a Slack user whom the configuration does not know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<PersonId>,
        /// Who it is.
        who: Who,
    },
    /// Every member of a Slack user group.
    UserGroup {
        /// Its handle, without the `@`.
        handle: String,
    },
    /// Whoever reads a Slack channel.
    Channel {
        /// Its name, without the `#`.
        name: String,
    },
}

impl Addressee {
    /// A person of the configuration.
    pub fn person(person: &Person) -> Self {
        Addressee::Person {
            id: Some(person.id.clone()),
            who: person.who(),
        }
    }

    /// Whether this person is called by it: by Slack id, or by name where one of the two has none.
    pub fn is(&self, somebody: &Who) -> bool {
        match self {
            Addressee::Person { who, .. } => match (&who.slack, &somebody.slack) {
                (Some(_), Some(_)) => who.is(somebody),
                (None, _) | (_, None) => who.name == somebody.name,
            },
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => false,
        }
    }

    /// Who is to be called into the war room for it; nobody for a channel.
    pub fn invitee(&self) -> Option<Invitee> {
        match self {
            Addressee::Person { id: Some(id), .. } => Some(Invitee::Person(id.clone())),
            Addressee::Person { id: None, who } => who.slack.clone().map(Invitee::User),
            Addressee::UserGroup { handle } => Some(Invitee::UserGroup(handle.clone())),
            Addressee::Channel { .. } => None,
        }
    }

    /// For people: `@ana`, `@sre`, `#ops`.
    pub fn shown(&self) -> String {
        match self {
            Addressee::Person { who, .. } => format!("@{}", who.name),
            Addressee::UserGroup { handle } => format!("@{handle}"),
            Addressee::Channel { name } => format!("#{name}"),
        }
    }
}

/// One way to somebody, and when it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Which way.
    pub via: Channel,
    /// When; not before.
    pub at: Timestamp,
}

/// People were called: what the timeline keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paged {
    /// Why.
    pub why: PageReason,
    /// Who; empty: nobody could be found.
    pub pages: Vec<Page>,
    /// The pages of the rounds before that nobody answered: with a new round they end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<u32>,
    /// Where nobody was found who was meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vacant: Vec<Vacancy>,
    /// How late it is: the bot was down when it was due.
    #[serde(default, skip_serializing_if = "SignedDuration::is_zero")]
    pub late: SignedDuration,
}

/// Why somebody is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum PageReason {
    /// A step of the escalation was reached.
    Step {
        /// The id of the policy.
        policy: String,
        /// Which step, from 1.
        step: u32,
        /// How many steps there are.
        of: u32,
        /// The how-manieth time the policy is gone through, from 1.
        round: u32,
        /// Why it came before its time; none: it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hurried: Option<Hurry>,
    },
    /// Somebody called by hand.
    ByHand {
        /// Who.
        by: Who,
        /// What for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

impl PageReason {
    /// Whether an acknowledgement of the incident answers it, whoever gives it.
    pub fn is_of_escalation(&self) -> bool {
        match self {
            PageReason::Step { .. } => true,
            PageReason::ByHand { .. } => false,
        }
    }
}

/// Why a step comes before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hurry", rename_all = "snake_case")]
pub enum Hurry {
    /// Somebody asked for it.
    ByHand {
        /// Who.
        by: Who,
    },
    /// The step before it reached nobody.
    Undelivered,
}

/// Nobody stands behind a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacancy {
    /// Whom the policy names.
    pub target: Target,
    /// Who is called instead; none: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Target>,
}

/// What became of one way to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The page.
    pub page: u32,
    /// The way.
    pub via: Channel,
    /// How far it came.
    pub state: DeliveryState,
    /// What the provider calls the message: a SID of Twilio, a Message-ID, `channel/ts` in Slack (several for a user group,
    /// with a space between).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why it came no further, in words for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a message came on its way to somebody, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Its time has not come.
    Waiting,
    /// It was ordered.
    Ordered,
    /// The provider did not take it yet; it is tried on.
    Delayed,
    /// It cannot be delivered; what may still come of it comes late.
    Failed,
    /// The provider took it.
    Accepted,
    /// It reached the person's device.
    Delivered,
}

impl DeliveryState {
    /// Whether it got through, as far as its provider says.
    pub fn is_through(self) -> bool {
        match self {
            DeliveryState::Accepted | DeliveryState::Delivered => true,
            DeliveryState::Waiting
            | DeliveryState::Ordered
            | DeliveryState::Delayed
            | DeliveryState::Failed => false,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            DeliveryState::Waiting => "waiting",
            DeliveryState::Ordered => "being sent",
            DeliveryState::Delayed => "delayed",
            DeliveryState::Failed => "failed",
            DeliveryState::Accepted => "accepted",
            DeliveryState::Delivered => "delivered",
        }
    }
}

/// An answer that came by a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which page.
    pub page: u32,
    /// By which way it was answered.
    pub via: Channel,
}

/// How a page ended. Each ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageEnd {
    /// Somebody has it.
    Answered,
    /// The incident was over before.
    Resolved,
    /// Nobody answered, and that was said loudly.
    Expired,
}

impl PageEnd {
    /// The word for people, under which it is stored.
    pub fn word(self) -> &'static str {
        match self {
            PageEnd::Answered => "answered",
            PageEnd::Resolved => "resolved",
            PageEnd::Expired => "expired",
        }
    }
}

/// A page that has not ended: what an incident knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPage {
    /// Its number within the incident, from 1.
    pub number: u32,
    /// Who is called.
    pub to: Addressee,
    /// Why.
    pub why: PageReason,
    /// The number of the first page that was called together with it.
    pub together: u32,
    /// When it began.
    pub paged_at: Timestamp,
    /// The ways to the person, the earliest first.
    pub contacts: Vec<OpenContact>,
    /// When it is said loudly that nobody answered; none: the escalation says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// One way to somebody, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenContact {
    /// Which way.
    pub via: Channel,
    /// When it is taken.
    pub at: Timestamp,
    /// How far it came.
    pub state: DeliveryState,
    /// What the provider calls the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
}

/// How long somebody who was called by hand is given to answer after the last way was tried.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// A page that leaves later than this was held up: it says so, and whoever it calls is not given up on as if they had had
/// it in time.
pub const HELD_UP: SignedDuration = SignedDuration::from_mins(1);

impl OpenPage {
    /// A page as it begins, called together with others of which the first has this number.
    pub fn begin(page: &Page, together: u32, why: &PageReason, now: Timestamp) -> Self {
        let last = page.contacts.iter().map(|contact| contact.at).max();
        Self {
            number: page.number,
            to: page.to.clone(),
            why: why.clone(),
            together,
            paged_at: now,
            contacts: page
                .contacts
                .iter()
                .map(|contact| OpenContact {
                    via: contact.via,
                    at: contact.at,
                    state: match contact.at <= now {
                        true => DeliveryState::Ordered,
                        false => DeliveryState::Waiting,
                    },
                    provider_id: None,
                })
                .collect(),
            expires_at: match why {
                PageReason::Step { .. } => None,
                PageReason::ByHand { .. } => last.and_then(|last| last.checked_add(PATIENCE).ok()),
            },
        }
    }

    /// Whether a step called; else somebody did by hand.
    pub fn is_of_escalation(&self) -> bool {
        self.why.is_of_escalation()
    }

    /// The way of this kind.
    pub fn contact(&self, via: Channel) -> Option<&OpenContact> {
        self.contacts.iter().find(|contact| contact.via == via)
    }

    /// When the next way is taken.
    pub fn next_contact_at(&self) -> Option<Timestamp> {
        let waiting = self.contacts.iter();
        waiting
            .filter(|contact| contact.state == DeliveryState::Waiting)
            .map(|contact| contact.at)
            .min()
    }

    /// The ways that come next, before their time, since nothing is to be hoped for from those before them; none: there
    /// is still hope, or there are none left.
    pub fn next_ways(&self) -> Vec<Channel> {
        let is_hopeless = self.contacts.iter().all(|contact| match contact.state {
            DeliveryState::Waiting | DeliveryState::Delayed | DeliveryState::Failed => true,
            DeliveryState::Ordered | DeliveryState::Accepted | DeliveryState::Delivered => false,
        });
        let next = self.next_contact_at().filter(|_| is_hopeless);
        let ways = self.contacts.iter();
        ways.filter(|contact| contact.state == DeliveryState::Waiting && Some(contact.at) == next)
            .map(|contact| contact.via)
            .collect()
    }

    /// Takes these ways. Who is called late has as long to answer by them.
    pub fn go_on(&mut self, via: &[Channel], now: Timestamp) {
        for contact in &mut self.contacts {
            if via.contains(&contact.via) {
                contact.state = DeliveryState::Ordered;
            }
        }
        self.extend(now);
    }

    /// For how long it has been waiting in the outbox; none: it has left, or nothing of it is on its way.
    pub fn unsent_for(&self, now: Timestamp) -> Option<SignedDuration> {
        if self
            .contacts
            .iter()
            .any(|contact| contact.state.is_through())
        {
            return None;
        }
        let under_way = self.contacts.iter().filter(|contact| match contact.state {
            DeliveryState::Ordered | DeliveryState::Delayed => true,
            DeliveryState::Waiting
            | DeliveryState::Failed
            | DeliveryState::Accepted
            | DeliveryState::Delivered => false,
        });
        let since = under_way.map(|contact| contact.at.min(now)).min()?;
        Some(now.duration_since(since))
    }

    /// Whoever is called by hand is given as long to answer from now on.
    pub fn extend(&mut self, now: Timestamp) {
        let patient = now.checked_add(PATIENCE).ok();
        self.expires_at = self
            .expires_at
            .map(|at| patient.map_or(at, |it| it.max(at)));
    }

    /// Whether every way to the person failed.
    pub fn is_undelivered(&self) -> bool {
        let mut ways = self.contacts.iter();
        ways.all(|contact| contact.state == DeliveryState::Failed)
    }
}

/// What holds for whoever has no rules of their own: Slack at once, then whatever else they can be reached by.
const USUAL: [(Channel, SignedDuration); 4] = [
    (Channel::Slack, SignedDuration::ZERO),
    (Channel::Email, SignedDuration::from_mins(2)),
    (Channel::Sms, SignedDuration::from_mins(2)),
    (Channel::Voice, SignedDuration::from_mins(5)),
];

/// The ways to a person at this moment: those of the step, each when the person's own rules say so and at once where they
/// say nothing; without ways of the step, those of the rules; without rules, the usual ones as far as they lead anywhere.
///
/// A step may say less than a person's rules, never more: who is paged by Slack alone is not called at night.
pub fn contacts(
    person: &Person,
    via: &[Channel],
    set_up: &Notifications,
    now: Timestamp,
) -> Vec<Contact> {
    let leads_somewhere =
        |via: Channel| person.lacks(via).is_none() && set_up.missing(via).is_none();
    let after = |channel: Channel| {
        let mut rules = person.contact.iter();
        rules
            .find(|rule| rule.via == channel)
            .map_or(SignedDuration::ZERO, |rule| rule.after)
    };
    if via.is_empty() && person.contact.is_empty() {
        let usual = USUAL.into_iter().filter(|(via, _)| leads_somewhere(*via));
        let contacts = usual.map(|(via, after)| Contact {
            via,
            at: now.checked_add(after).unwrap_or(now),
        });
        let contacts: Vec<Contact> = contacts.collect();
        // Nothing leads anywhere: that Slack does not know them is told where it is tried.
        return match contacts.is_empty() {
            true => vec![Contact {
                via: Channel::Slack,
                at: now,
            }],
            false => contacts,
        };
    }
    let ways: Vec<Channel> = match (via, &person.contact[..]) {
        ([], rules) => rules.iter().map(|rule| rule.via).collect(),
        (via, _) => via.to_vec(),
    };
    let mut contacts: Vec<Contact> = ways
        .into_iter()
        .map(|via| Contact {
            via,
            at: now.checked_add(after(via)).unwrap_or(now),
        })
        .collect();
    contacts.sort_by_key(|contact| contact.at);
    contacts
}
