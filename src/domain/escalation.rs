//! Who is told, after how long, by which channels, until somebody answers; and how far that has come for an incident.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::form::{WrongForm, nearest, words};
use super::terms::PersonId;

/// An order of people to be told, step by step, until the escalation is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationPolicy {
    /// The id of the `[[escalation_policies]]` entry.
    pub id: String,
    /// The steps in the order of their time; never empty.
    pub steps: Vec<Step>,
    /// After the last step, start again so many times.
    pub repeat: u32,
    /// How long after the last step it starts again, or says that nobody answered; `None`: as long as between the last
    /// two steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_after: Option<SignedDuration>,
    /// What ends the escalation.
    pub stop_on: StopOn,
    /// How long an acknowledgement counts without a sign of life from whoever gave it; then it begins anew. `None`: for
    /// ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_timeout: Option<SignedDuration>,
}

/// The rest after a last step that says nothing of time: as long as a page by hand is given.
const REST: SignedDuration = SignedDuration::from_mins(15);

impl EscalationPolicy {
    /// How long after its last step a round ends.
    pub fn rest(&self) -> SignedDuration {
        let gap = match &self.steps[..] {
            [.., before, last] => Some(last.after.saturating_sub(before.after)),
            [] | [_] => None,
        };
        let gap = gap.filter(|gap| *gap > SignedDuration::ZERO);
        self.repeat_after.or(gap).unwrap_or(REST)
    }
}

/// How far an incident's escalation has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The policy as it was when the escalation began: a later edit of the configuration changes later incidents only.
    pub policy: EscalationPolicy,
    /// The moment from which the steps of this round count.
    pub base: Timestamp,
    /// Which round it is, from 0.
    pub round: u32,
    /// The step that comes next, from 0; beyond the last: the round ends.
    pub next: usize,
    /// Whether this round has called anybody.
    pub has_called: bool,
    /// Whether the clock runs.
    pub is_running: bool,
    /// How many pages the incident had when it began: those after them may be answered as long as it runs.
    #[serde(default, skip_serializing_if = "is_none_before")]
    pub paged_before: u32,
}

fn is_none_before(pages: &u32) -> bool {
    *pages == 0
}

impl Escalation {
    /// It begins, for an incident that had so many pages until then.
    pub fn begin(policy: EscalationPolicy, paged_before: u32, now: Timestamp) -> Self {
        Self {
            policy,
            base: now,
            round: 0,
            next: 0,
            has_called: false,
            is_running: true,
            paged_before,
        }
    }

    /// When the next step comes, or the round ends; none: it stands still.
    pub fn next_at(&self) -> Option<Timestamp> {
        if !self.is_running {
            return None;
        }
        let after = match (self.policy.steps.get(self.next), self.policy.steps.last()) {
            (Some(step), _) => step.after,
            (None, Some(last)) => last.after.saturating_add(self.policy.rest()),
            (None, None) => return None,
        };
        Some(self.base.checked_add(after).unwrap_or(Timestamp::MAX))
    }

    /// The round and the step that come next, both from 0; none: there is none left.
    pub fn coming(&self) -> Option<(u32, usize)> {
        if self.next < self.policy.steps.len() {
            return Some((self.round, self.next));
        }
        let again = self.round < self.policy.repeat && !self.policy.steps.is_empty();
        again.then_some((self.round + 1, 0))
    }

    /// Whether what comes next is the end of a round.
    pub fn is_behind_its_last_step(&self) -> bool {
        self.next >= self.policy.steps.len()
    }

    /// Whoever the last step called is given as long to answer from now on.
    pub fn extend(&mut self, now: Timestamp) {
        if let Some(last) = self.policy.steps.last() {
            self.base = now.checked_sub(last.after).unwrap_or(now);
        }
    }

    /// A step was reached, both counted from 0. `is_on_time`: the steps after it keep their times; else they count from
    /// this one. What follows the last step counts from it in any case: whoever it calls late is given as long to answer.
    pub fn reached(
        &mut self,
        round: u32,
        step: usize,
        called: bool,
        is_on_time: bool,
        now: Timestamp,
    ) {
        let is_last = step + 1 >= self.policy.steps.len();
        if !is_on_time || round != self.round || is_last {
            let after = self.policy.steps.get(step).map(|step| step.after);
            self.base = now.checked_sub(after.unwrap_or_default()).unwrap_or(now);
        }
        self.has_called = called || (self.has_called && round == self.round);
        self.round = round;
        self.next = step + 1;
        self.is_running = true;
    }
}

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How long after the start of the escalation.
    pub after: SignedDuration,
    /// Who is told; never empty.
    pub notify: Vec<Target>,
    /// By which channels; empty: by those of each person's own rules.
    pub via: Vec<Channel>,
}

words! {
    /// What ends an escalation.
    StopOn, "an end of an escalation" {
        /// Somebody says that he has it.
        Acknowledged = "acknowledged",
        /// The effect on users is over.
        Resolved = "resolved",
    }
}

words! {
    /// A way to reach a person.
    Channel, "a channel" {
        /// A direct message in Slack.
        Slack = "slack",
        /// An e-mail.
        Email = "email",
        /// A text message.
        Sms = "sms",
        /// A telephone call.
        Voice = "voice",
        /// An HTTP request to a system of the team's own.
        Webhook = "webhook",
    }
}

/// Who is meant, as it is written: `person:alice`, `schedule:primary`, `role:cto`, `usergroup:sre`, `channel:#ops`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// One person of the catalog.
    Person(PersonId),
    /// Whoever is on call in a schedule.
    Schedule(String),
    /// Everybody who has a role in `[[people]].roles`.
    Role(String),
    /// A Slack user group, by its handle without the `@`.
    UserGroup(String),
    /// A Slack channel, by its name without the `#`.
    Channel(String),
}

impl Target {
    /// The prefixes, in the order in which they are explained.
    pub const PREFIXES: [&'static str; 5] = ["person", "schedule", "role", "usergroup", "channel"];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Person(id) => write!(f, "person:{id}"),
            Target::Schedule(id) => write!(f, "schedule:{id}"),
            Target::Role(name) => write!(f, "role:{name}"),
            Target::UserGroup(handle) => write!(f, "usergroup:{handle}"),
            Target::Channel(name) => write!(f, "channel:#{name}"),
        }
    }
}

impl FromStr for Target {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        let forms = "write person:ID, schedule:ID, role:NAME, usergroup:HANDLE or channel:#NAME";
        let Some((prefix, name)) = text.split_once(':') else {
            return Err(WrongForm::new(format!("\"{text}\" is not a target"), forms));
        };
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return Err(WrongForm::new(format!("\"{text}\" names nobody"), forms));
        }
        match prefix {
            "person" => Ok(Target::Person(PersonId::new(name))),
            "schedule" => Ok(Target::Schedule(name.to_owned())),
            "role" => Ok(Target::Role(name.to_owned())),
            "usergroup" => match name.strip_prefix('@').unwrap_or(name) {
                "" => Err(WrongForm::new(format!("\"{text}\" names nobody"), forms)),
                handle => Ok(Target::UserGroup(handle.to_owned())),
            },
            "channel" => match name.strip_prefix('#') {
                Some(name) if !name.is_empty() => Ok(Target::Channel(name.to_owned())),
                Some(_) | None => Err(WrongForm::new(
                    format!("\"{text}\" is not a channel"),
                    format!(
                        "did you mean \"channel:#{}\"?",
                        name.trim_start_matches('#')
                    ),
                )),
            },
            _ => Err(WrongForm::new(
                format!("\"{prefix}:\" is not a kind of target"),
                match nearest(prefix, Target::PREFIXES) {
                    Some(near) => format!("did you mean \"{near}:{name}\"?"),
                    None => forms.to_owned(),
                },
            )),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = WrongForm;

    fn try_from(text: String) -> Result<Self, WrongForm> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for text in [
            "person:alice",
            "schedule:primary",
            "role:devops-lead",
            "usergroup:sre",
            "channel:#ops",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_target_is_answered_with_the_nearest_form() {
        let told = |text: &str| text.parse::<Target>().unwrap_err().help.unwrap();
        assert_eq!(told("persn:alice"), "did you mean \"person:alice\"?");
        assert_eq!(told("channel:ops"), "did you mean \"channel:#ops\"?");
        assert!(told("alice").starts_with("write person:ID"));
        assert!(told("person:").starts_with("write person:ID"));
        assert!(told("usergroup:@").starts_with("write person:ID"));
    }

    #[test]
    fn a_policy_survives_being_copied_into_an_incident() {
        let policy = EscalationPolicy {
            id: "leadership".into(),
            steps: vec![Step {
                after: SignedDuration::from_mins(15),
                notify: vec![Target::Role("cto".into()), Target::Channel("ops".into())],
                via: vec![Channel::Slack, Channel::Sms],
            }],
            repeat: 1,
            repeat_after: None,
            stop_on: StopOn::Acknowledged,
            ack_timeout: None,
        };
        let text = serde_json::to_string(&policy).unwrap();
        insta::assert_snapshot!(text, @r##"{"id":"leadership","steps":[{"after":"PT15M","notify":["role:cto","channel:#ops"],"via":["slack","sms"]}],"repeat":1,"stop_on":"acknowledged"}"##);
        assert_eq!(
            serde_json::from_str::<EscalationPolicy>(&text).unwrap(),
            policy
        );
    }
}
