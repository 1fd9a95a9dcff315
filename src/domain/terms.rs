//! The words everything else is said in: identifiers, severity, status, roles, and who acts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares a newtype over `String` whose only meaning is its name: it is made where the outside is parsed.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes over a name that was proved at the edge.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What an incident is called by people: `INC-2025-0914-001` with the default pattern of `[incidents].id`.
    IncidentId
}
name! {
    /// The id of a `[[severities]]` entry: `p1`.
    SeverityId
}
name! {
    /// The id of a `[[services]]` entry: `backend`.
    ServiceId
}
name! {
    /// The id of a `[[people]]` entry: `alice`.
    PersonId
}
name! {
    /// A Slack user id, `U…` or `W…` (slack-contract.md, "Identifier shapes").
    SlackUserId
}
name! {
    /// A Slack conversation id, `C…`, `G…` or `D…`.
    ChannelId
}
name! {
    /// The `ts` of a Slack message: a string of ten digits, a dot and six digits; never a number.
    MessageTs
}
name! {
    /// What tells a condition from every other that a source reports: a fingerprint, an alarm's ARN, an alias.
    DedupKey
}
name! {
    /// What tells a group of alerts from every other: `grp-` and a hash of what its alerts have in common.
    GroupId
}
name! {
    /// What tells a delivery from the outside from every other: a slash command's trigger id, an event's id, a view's id.
    DeliveryId
}

impl SlackUserId {
    /// Reads an id as Slack prints it: `U` or `W`, then upper-case letters and digits.
    pub fn parse(text: &str) -> Option<Self> {
        let tail = text.strip_prefix(['U', 'W'])?;
        let legal = tail.len() >= 2
            && tail
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        legal.then(|| Self(text.to_owned()))
    }
}

/// Where an incident stands. Declared in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is known that something is wrong, not yet what.
    Investigating,
    /// The cause is known.
    Identified,
    /// A remedy is being applied.
    Mitigating,
    /// The remedy is in; people watch whether it holds.
    Monitoring,
    /// The effect on users is over.
    Resolved,
    /// The post-mortem is done; nothing changes any more.
    Closed,
}

impl Status {
    /// Every status, in the order of an incident's life.
    pub const ALL: [Status; 6] = [
        Status::Investigating,
        Status::Identified,
        Status::Mitigating,
        Status::Monitoring,
        Status::Resolved,
        Status::Closed,
    ];

    /// The word for people: `Investigating`.
    pub fn word(self) -> &'static str {
        match self {
            Status::Investigating => "Investigating",
            Status::Identified => "Identified",
            Status::Mitigating => "Mitigating",
            Status::Monitoring => "Monitoring",
            Status::Resolved => "Resolved",
            Status::Closed => "Closed",
        }
    }

    /// Whether people still work on the incident.
    pub fn is_open(self) -> bool {
        self < Status::Resolved
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Status::ALL
            .into_iter()
            .find(|status| status.word().eq_ignore_ascii_case(text))
            .ok_or(())
    }
}

/// What a person does in an incident (the roles of the Incident Command System).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides, and answers for the incident.
    IncidentCommander,
    /// Works on the systems.
    OperationsLead,
    /// Speaks to everybody else.
    CommunicationsLead,
    /// Keeps the notes.
    Scribe,
}

impl Role {
    /// Every role, in the order in which they are shown.
    pub const ALL: [Role; 4] = [
        Role::IncidentCommander,
        Role::OperationsLead,
        Role::CommunicationsLead,
        Role::Scribe,
    ];

    /// The whole title: `Incident Commander`.
    pub fn title(self) -> &'static str {
        match self {
            Role::IncidentCommander => "Incident Commander",
            Role::OperationsLead => "Operations Lead",
            Role::CommunicationsLead => "Communications Lead",
            Role::Scribe => "Scribe",
        }
    }

    /// The word to type: `commander`.
    pub fn word(self) -> &'static str {
        match self {
            Role::IncidentCommander => "commander",
            Role::OperationsLead => "operations",
            Role::CommunicationsLead => "communications",
            Role::Scribe => "scribe",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for Role {
    type Err = ();

    /// Takes the word to type, the title, and the usual short forms (`ic`, `ops`, `comms`).
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_lowercase().replace(['-', '_'], " ");
        match text.as_str() {
            "commander" | "incident commander" | "ic" | "lead" => Ok(Role::IncidentCommander),
            "operations" | "operations lead" | "ops" | "ol" => Ok(Role::OperationsLead),
            "communications" | "communications lead" | "comms" | "cl" => {
                Ok(Role::CommunicationsLead)
            }
            "scribe" => Ok(Role::Scribe),
            _ => Err(()),
        }
    }
}

/// Somebody the bot can name: a Slack user, or a person known by name alone (the command line's user).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The Slack id, if this person acts or is meant in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackUserId>,
    /// The name to show where Slack's own rendering is not at hand: exports, pages, the command line.
    pub name: String,
}

impl Who {
    /// A Slack user with the name that Slack gave along.
    pub fn slack(id: SlackUserId, name: impl Into<String>) -> Self {
        Self {
            slack: Some(id),
            name: name.into(),
        }
    }

    /// A person without a Slack id.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            slack: None,
            name: name.into(),
        }
    }

    /// Whether the name is only the id: Slack mentioned somebody without saying who it is.
    pub fn is_nameless(&self) -> bool {
        self.slack
            .as_ref()
            .is_some_and(|id| id.as_str() == self.name)
    }

    /// Whether both mean the same person: by Slack id where both have one, else by name.
    pub fn is(&self, other: &Who) -> bool {
        match (&self.slack, &other.slack) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.name == other.name,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Who asked for something, or made it happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A person, in Slack or on the command line.
    Person(Who),
    /// An alert source, by its id in the configuration.
    Alert {
        /// The id of the `[[alert_sources]]` entry.
        source: String,
    },
    /// Firebell itself: a clock ran out, or the result of an effect came back.
    Firebell,
}

impl Actor {
    /// The person, if it is one.
    pub fn person(&self) -> Option<&Who> {
        match self {
            Actor::Person(who) => Some(who),
            Actor::Alert { .. } | Actor::Firebell => None,
        }
    }

    /// The name to show in exports and on the command line.
    pub fn name(&self) -> &str {
        match self {
            Actor::Person(who) => &who.name,
            Actor::Alert { source } => source,
            Actor::Firebell => "Firebell",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_word_its_title_and_its_short_form() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(role));
            assert_eq!(role.title().parse(), Ok(role));
        }
        assert_eq!("ops".parse(), Ok(Role::OperationsLead));
        assert_eq!("janitor".parse::<Role>(), Err(()));
    }

    #[test]
    fn a_slack_user_id_is_upper_case_and_begins_with_u_or_w() {
        assert!(SlackUserId::parse("U0ALICE001").is_some());
        assert!(SlackUserId::parse("W012A3CDE").is_some());
        for wrong in ["", "U", "u0alice", "C0ALICE001", "U0<!here>", "U0 A"] {
            assert_eq!(SlackUserId::parse(wrong), None, "{wrong}");
        }
    }
}
