//! What the team has written down: severities, people, services, and what follows from each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use super::alert::Flapping;
use super::escalation::{Channel, EscalationPolicy, Target};
use super::form::{CalendarSpan, CalendarUnit, WrongForm, words};
pub use super::id_pattern::IdPattern;
use super::oncall::{Override, Schedule, Stretch, merged};
pub use super::quiet::{Inhibition, Maintenance};
use super::runbook::{Action, ChangeFreeze, Check, Checklist};
use super::terms::{PersonId, ServiceId, SeverityId, SlackUserId, Who};

/// Everything that `firebell.toml` says, proved: every id that is named exists, every form is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// `[organization]`
    pub organization: Organization,
    /// `[slack]`
    pub slack: Slack,
    /// `[incidents]`
    pub incidents: Incidents,
    /// `[[severities]]`, the most urgent first; never empty.
    pub severities: Vec<Severity>,
    /// `[[people]]`
    pub people: Vec<Person>,
    /// `[[services]]`
    pub services: Vec<Service>,
    /// `[[schedules]]`
    pub schedules: Vec<Schedule>,
    /// `[[escalation_policies]]`
    pub escalation_policies: Vec<EscalationPolicy>,
    /// `[notifications]`
    pub notifications: Notifications,
    /// `[[alert_sources]]`
    pub alert_sources: Vec<AlertSource>,
    /// `[[heartbeats]]`
    pub heartbeats: Vec<Heartbeat>,
    /// `[[routes]]`: the first that matches decides.
    pub routes: Vec<Route>,
    /// `[[maintenance]]`
    pub maintenance: Vec<Maintenance>,
    /// `[[inhibitions]]`
    pub inhibitions: Vec<Inhibition>,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[[actions]]`
    pub actions: Vec<Action>,
    /// `[[checks]]`
    pub checks: Vec<Check>,
    /// `[[checklists]]`
    pub checklists: Vec<Checklist>,
    /// `[[change_freezes]]`
    pub change_freezes: Vec<ChangeFreeze>,
    /// `[audit]`
    pub audit: Audit,
}

/// `[audit]`: who watches over the auditor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// The variable with the address that is asked for each minute while all balances: `"AUDIT_HEARTBEAT_URL"`; `None`:
    /// nobody is told.
    pub heartbeat_url_env: Option<String>,
}

impl Default for Catalog {
    /// What an empty file gives: four severities, nobody to page, and a bot that works.
    fn default() -> Self {
        Self {
            organization: Organization::default(),
            slack: Slack::default(),
            incidents: Incidents::default(),
            severities: Severity::defaults(),
            people: Vec::new(),
            services: Vec::new(),
            schedules: Vec::new(),
            escalation_policies: Vec::new(),
            notifications: Notifications::default(),
            alert_sources: Vec::new(),
            heartbeats: Vec::new(),
            routes: Vec::new(),
            maintenance: Vec::new(),
            inhibitions: Vec::new(),
            alerts: Alerts::default(),
            actions: Vec::new(),
            checks: Vec::new(),
            checklists: Vec::new(),
            change_freezes: Vec::new(),
            audit: Audit::default(),
        }
    }
}

impl Catalog {
    /// The severity with this id.
    pub fn severity(&self, id: &SeverityId) -> Option<&Severity> {
        self.severities.iter().find(|severity| severity.id == *id)
    }

    /// The severity that a person means by a word: its id, an alias, its name or the first word of its name, in any
    /// case. An id counts before an alias, an alias before a name.
    pub fn find_severity(&self, word: &str) -> Option<&Severity> {
        Self::severity_among(&self.severities, word)
    }

    /// The same, among these.
    pub fn severity_among<'a>(list: &'a [Severity], word: &str) -> Option<&'a Severity> {
        let word = word.trim().to_lowercase();
        let same = |text: &str| text.to_lowercase() == word;
        let first = |text: &str| text.split_whitespace().next().is_some_and(same);
        list.iter()
            .find(|severity| same(severity.id.as_str()))
            .or_else(|| list.iter().find(|it| it.aliases.iter().any(|a| same(a))))
            .or_else(|| list.iter().find(|severity| same(&severity.name)))
            .or_else(|| list.iter().find(|severity| first(&severity.name)))
    }

    /// The service with this id.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| service.id == *id)
    }

    /// The service that a person means by a word: its id, else its name, in any case.
    pub fn find_service(&self, word: &str) -> Option<&Service> {
        Self::service_among(&self.services, word)
    }

    /// The same, among these.
    pub fn service_among<'a>(list: &'a [Service], word: &str) -> Option<&'a Service> {
        let word = word.trim().to_lowercase();
        let same = |text: &str| text.to_lowercase() == word;
        list.iter()
            .find(|service| same(service.id.as_str()))
            .or_else(|| list.iter().find(|service| same(&service.name)))
    }

    /// The person with this id.
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.iter().find(|person| person.id == *id)
    }

    /// The person whose Slack user id stands in the catalog (a handle is not known to be anybody's).
    pub fn person_by_slack(&self, id: &SlackUserId) -> Option<&Person> {
        self.people
            .iter()
            .find(|person| matches!(&person.slack, Some(SlackName::Id(theirs)) if theirs == id))
    }

    /// Everybody who has this role, in the order of the file.
    pub fn people_with_role(&self, name: &str) -> Vec<&Person> {
        self.people
            .iter()
            .filter(|person| person.roles.iter().any(|role| role == name))
            .collect()
    }

    /// The schedule with this id.
    pub fn schedule(&self, id: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.id == id)
    }

    /// The escalation policy with this id.
    pub fn escalation_policy(&self, id: &str) -> Option<&EscalationPolicy> {
        self.escalation_policies
            .iter()
            .find(|policy| policy.id == id)
    }

    /// The alert source with this id.
    pub fn alert_source(&self, id: &str) -> Option<&AlertSource> {
        self.alert_sources.iter().find(|source| source.id == id)
    }

    /// The ops action with this id.
    pub fn action(&self, id: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.id == id)
    }

    /// The check with this id.
    pub fn check(&self, id: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// The checklist with this id.
    pub fn checklist(&self, id: &str) -> Option<&Checklist> {
        self.checklists.iter().find(|checklist| checklist.id == id)
    }

    /// The change freeze that forbids an action of this risk now, if there is one.
    pub fn freeze(&self, risk: super::runbook::Risk, at: Timestamp) -> Option<&ChangeFreeze> {
        self.change_freezes
            .iter()
            .find(|freeze| freeze.forbids(risk, at, &self.organization.timezone))
    }

    /// The people behind a target at a time, without repetition; a schedule without anybody on call gives its
    /// fallback. A user group and a channel give nobody: only Slack knows who is in them.
    pub fn resolve(&self, target: &Target, at: Timestamp, overrides: &[Override]) -> Vec<&Person> {
        self.reach(target, at, overrides).0
    }

    /// The same, and what stands in for the target, if it gave nobody by itself.
    pub fn reach(
        &self,
        target: &Target,
        at: Timestamp,
        overrides: &[Override],
    ) -> (Vec<&Person>, Option<&Target>) {
        match target {
            Target::Person(id) => (self.person(id).into_iter().collect(), None),
            Target::Role(name) => (self.people_with_role(name), None),
            Target::Schedule(id) => match self.on_call(id, at, overrides) {
                Some(person) => (vec![person], None),
                None => match self.schedule(id).and_then(|it| it.fallback.as_ref()) {
                    // A fallback is a person or a role; were it a schedule, this could go round in a circle.
                    Some(Target::Schedule(_)) | None => (Vec::new(), None),
                    Some(fallback) => (self.reach(fallback, at, overrides).0, Some(fallback)),
                },
            },
            Target::UserGroup(_) | Target::Channel(_) => (Vec::new(), None),
        }
    }

    /// The policy by which people are paged for an incident: the one that its alert's route names, else its service's, else
    /// its severity's. Where the severity pages nobody, its service does not either: only a route says otherwise.
    pub fn policy_for(
        &self,
        severity: &Severity,
        service: Option<&ServiceId>,
        route: Option<&str>,
    ) -> Option<&EscalationPolicy> {
        let by_severity = severity.escalation_policy.as_deref();
        let by_service = || {
            let service = self.service(service?)?;
            service.escalation_policy.as_deref()
        };
        let id = route.or_else(|| by_severity.map(|own| by_service().unwrap_or(own)))?;
        self.escalation_policy(id)
    }

    /// Who is on call in a schedule by plan or override; `None` where [`Catalog::resolve`] takes the fallback:
    /// nobody's turn, or the turn of somebody who is not in the catalog.
    pub fn on_call(
        &self,
        schedule: &str,
        at: Timestamp,
        overrides: &[Override],
    ) -> Option<&Person> {
        let on_call = self.schedule(schedule)?.on_call(at, overrides)?;
        self.person(&on_call)
    }

    /// Who is on call in a schedule from one moment to another, without holes; the turn of somebody who is not in the
    /// catalog is a gap like any other, since nobody can be paged in it.
    ///
    /// At most [`LOOKAHEAD_MAX`](super::oncall::LOOKAHEAD_MAX) from `from` is looked at.
    pub fn coverage(
        &self,
        schedule: &Schedule,
        from: Timestamp,
        to: Timestamp,
        overrides: &[Override],
    ) -> Vec<Stretch> {
        let stretches = schedule.stretches_between(from, to, overrides).into_iter();
        merged(stretches.map(|stretch| Stretch {
            person: stretch.person.filter(|id| self.person(id).is_some()),
            ..stretch
        }))
    }

    /// The person of the catalog who is meant by somebody in Slack or at a terminal: known by Slack's id, else by what
    /// they are called: where Slack is not in play, by id, name or e-mail address too. `also` is what else Slack knows
    /// them by.
    pub fn person_meant(&self, who: &Who, also: &[String]) -> Option<&Person> {
        let Some(id) = &who.slack else {
            return self.people.iter().find(|person| {
                let names = [Some(person.id.as_str()), Some(&person.name)];
                let names = names.into_iter().chain([person.email.as_deref()]);
                names
                    .flatten()
                    .any(|name| name.eq_ignore_ascii_case(&who.name))
            });
        };
        self.person_by_slack(id).or_else(|| {
            self.people.iter().find(|person| {
                let known = match (&person.slack, &person.email) {
                    (Some(SlackName::Handle(handle)), _) => handle,
                    (None, Some(email)) => email,
                    (Some(SlackName::Id(_)), _) | (None, None) => return false,
                };
                also.iter().any(|name| name.eq_ignore_ascii_case(known))
            })
        })
    }
}

/// `[organization]`: whose incidents these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The name for people.
    pub name: String,
    /// The zone of incident numbers, of schedules without a zone, and of exports.
    pub timezone: TimeZone,
}

impl Default for Organization {
    fn default() -> Self {
        Self {
            name: "Firebell".to_owned(),
            timezone: TimeZone::UTC,
        }
    }
}

/// `[slack]`: where the bot speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// Where every declared incident is announced: `#incidents`.
    pub announce: String,
    /// The meeting that is bookmarked in every war room.
    pub bridge: Option<String>,
    /// The slash command: `/incident`.
    pub command: String,
    /// How many messages a minute are posted in one channel at the most. Slack takes one a second, and short bursts
    /// (slack-contract.md section 6.1).
    pub messages_per_minute: u32,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            announce: "#incidents".to_owned(),
            bridge: None,
            command: "/incident".to_owned(),
            messages_per_minute: 60,
        }
    }
}

/// `[incidents]`: what they are called, and how long they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incidents {
    /// The identifier: `INC-{yyyy}-{mmdd}-{nnn}`.
    pub id: IdPattern,
    /// The war room's name, without `#`: `incident-{yyyy}-{mmdd}-{nnn}`.
    pub channel: IdPattern,
    /// How long timelines and audit are kept at least.
    pub retention: CalendarSpan,
}

impl Default for Incidents {
    fn default() -> Self {
        Self {
            id: IdPattern::default_id(),
            channel: IdPattern::default_channel(),
            retention: CalendarSpan::new(7, CalendarUnit::Year).expect("seven is not zero"),
        }
    }
}

/// How bad it is, and what follows from that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severity {
    /// The id of the `[[severities]]` entry: `p1`.
    pub id: SeverityId,
    /// The name for people: `P1 - Critical`.
    pub name: String,
    /// Other words for it: `sev1`.
    pub aliases: Vec<String>,
    /// What it means, for people; may be empty.
    pub description: String,
    /// In what time somebody must have acknowledged; `None`: no target.
    pub acknowledge_within: Option<SignedDuration>,
    /// How long without an update before the commander is reminded; `None`: never.
    pub update_every: Option<SignedDuration>,
    /// In what time after the resolution the post-mortem is due; `None`: none is asked for.
    pub postmortem_within: Option<SignedDuration>,
    /// The policy by which people are paged, unless the service has its own; `None`: nobody is.
    pub escalation_policy: Option<String>,
    /// Who is invited into the war room.
    pub invite: Vec<Target>,
    /// The ids of the checklists that are posted.
    pub checklists: Vec<String>,
    /// The e-mail addresses that every update goes to.
    pub stakeholders: Vec<String>,
    /// Whether there is a channel; `false`: a thread in `[slack].announce`.
    pub war_room: bool,
}

impl Severity {
    /// P1 to P4, as most teams have them.
    pub fn defaults() -> Vec<Severity> {
        let minutes = SignedDuration::from_mins;
        let severity = |id: &str, word: &str, sev: &str, description: &str| Severity {
            id: SeverityId::new(id),
            name: format!("{} - {word}", id.to_uppercase()),
            aliases: vec![word.to_lowercase(), sev.to_owned()],
            description: description.to_owned(),
            acknowledge_within: None,
            update_every: None,
            postmortem_within: None,
            escalation_policy: None,
            invite: Vec::new(),
            checklists: Vec::new(),
            stakeholders: Vec::new(),
            war_room: true,
        };
        vec![
            Severity {
                acknowledge_within: Some(minutes(15)),
                update_every: Some(minutes(15)),
                postmortem_within: Some(SignedDuration::from_hours(24)),
                ..severity(
                    "p1",
                    "Critical",
                    "sev1",
                    "Complete system outage, data loss",
                )
            },
            Severity {
                acknowledge_within: Some(minutes(60)),
                update_every: Some(minutes(30)),
                ..severity("p2", "High", "sev2", "Major functionality impaired")
            },
            Severity {
                acknowledge_within: Some(minutes(4 * 60)),
                ..severity("p3", "Medium", "sev3", "Minor functionality affected")
            },
            Severity {
                war_room: false,
                ..severity("p4", "Low", "sev4", "Cosmetic issues, documentation")
            },
        ]
    }
}

/// Somebody who can be paged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id of the `[[people]]` entry: `alice`.
    pub id: PersonId,
    /// The name for people.
    pub name: String,
    /// Who this is in Slack; `None`: found by e-mail.
    pub slack: Option<SlackName>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number in the form of E.164: `+15550100`.
    pub phone: Option<String>,
    /// The person's own zone; `None`: the organization's.
    pub timezone: Option<TimeZone>,
    /// What may be written as `role:NAME`: `devops-lead`.
    pub roles: Vec<String>,
    /// How this person wishes to be reached, in the order of time; empty: as the step of the policy says, and where that
    /// says nothing, by Slack at once, and then by whatever else leads to them.
    pub contact: Vec<ContactRule>,
    /// The environment variable with an address of the person's own for `via = "webhook"`; `None`: that of
    /// `[notifications.webhook]`.
    pub webhook_url_env: Option<String>,
}

/// One of the ways in which a person wishes to be reached: `{ via = "sms", after = "2m" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactRule {
    /// By what.
    pub via: Channel,
    /// How long after the person was paged, if there was no answer until then.
    pub after: SignedDuration,
}

impl Person {
    /// What is not known of the person and must be, for this way to lead anywhere; none: it does, as far as it is the
    /// person's matter.
    pub fn lacks(&self, via: Channel) -> Option<&'static str> {
        let (is_known, what) = match via {
            Channel::Slack => (
                self.slack.is_some() || self.email.is_some(),
                "`slack`, or `email` by which Slack finds them",
            ),
            Channel::Email => (self.email.is_some(), "`email`"),
            Channel::Sms | Channel::Voice => (self.phone.is_some(), "`phone`"),
            Channel::Webhook => (true, "`webhook_url_env`"),
        };
        (!is_known).then_some(what)
    }

    /// The person as somebody who acts; the Slack id only if the configuration gives one.
    pub fn who(&self) -> Who {
        Who {
            slack: match &self.slack {
                Some(SlackName::Id(id)) => Some(id.clone()),
                Some(SlackName::Handle(_)) | None => None,
            },
            name: self.name.clone(),
        }
    }
}

/// How a person is named in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SlackName {
    /// A user id: `U0ALICE001`.
    Id(SlackUserId),
    /// A handle without its `@`; Slack must be asked whose it is.
    Handle(String),
}

impl FromStr for SlackName {
    type Err = WrongForm;

    fn from_str(text: &str) -> Result<Self, WrongForm> {
        if let Some(id) = SlackUserId::parse(text) {
            return Ok(SlackName::Id(id));
        }
        match text.strip_prefix('@') {
            Some(handle) if !handle.is_empty() && !handle.contains(char::is_whitespace) => {
                Ok(SlackName::Handle(handle.to_owned()))
            }
            Some(_) | None => Err(WrongForm::new(
                format!("\"{text}\" is neither a Slack user id nor a handle"),
                match text.contains(|c: char| c.is_whitespace() || c == '@') || text.is_empty() {
                    true => "write \"U0123ABCD\" (profile → ⋮ → Copy member ID) or \"@handle\""
                        .to_owned(),
                    false => format!("did you mean \"@{text}\"?"),
                },
            )),
        }
    }
}

impl fmt::Display for SlackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlackName::Id(id) => id.fmt(f),
            SlackName::Handle(handle) => write!(f, "@{handle}"),
        }
    }
}

/// Something that may break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The id of the `[[services]]` entry: `backend`.
    pub id: ServiceId,
    /// The name for people.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<Target>,
    /// The policy by which people are paged for it, where the severity pages at all; `None`: the severity's.
    pub escalation_policy: Option<String>,
    /// Web addresses by name: `dashboard`.
    pub links: BTreeMap<String, String>,
    /// The runbooks, as they are named in the runbook folder: `rms.md`.
    pub runbooks: Vec<String>,
}

/// `[notifications]`: the ways out beside Slack. A way that is `None` is not available as `via`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notifications {
    /// `via = "email"`
    pub email: Option<Email>,
    /// `via = "sms"` and `"voice"`
    pub sms: Option<Sms>,
    /// `via = "webhook"`
    pub webhook: Option<Webhook>,
}

/// `[notifications.email]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The environment variable with `smtp://user:pass@host:587`.
    pub smtp_url_env: String,
    /// The sender: `firebell@company.com` or `Firebell <firebell@company.com>`.
    pub from: String,
}

/// `[notifications.sms]`: Twilio's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// The environment variable with the account's SID.
    pub account_sid_env: String,
    /// The environment variable with the token.
    pub auth_token_env: String,
    /// The sender's number in the form of E.164.
    pub from: String,
    /// Where the API is, without a slash at the end.
    pub base_url: String,
}

/// `[notifications.webhook]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The environment variable with the address.
    pub url_env: String,
    /// The environment variable with the secret that requests are signed with.
    pub secret_env: Option<String>,
    /// The environment variable with what is shown as `Authorization: Bearer …`.
    pub token_env: Option<String>,
    /// What is sent, as a template over the page; `None`: the whole page as JSON. The template compiles.
    pub body: Option<String>,
    /// What the body is. A template's values are escaped for it: in JSON each is written with its quotes.
    pub content_type: String,
    /// Headers of the receiver's own, each value a template that compiles.
    pub headers: BTreeMap<String, String>,
}

impl Notifications {
    /// The section of the file without which nothing goes out by this way; none: it is set up.
    pub fn missing(&self, via: Channel) -> Option<&'static str> {
        let (is_there, section) = match via {
            Channel::Slack => (true, "[slack]"),
            Channel::Email => (self.email.is_some(), "[notifications.email]"),
            Channel::Sms | Channel::Voice => (self.sms.is_some(), "[notifications.sms]"),
            Channel::Webhook => (self.webhook.is_some(), "[notifications.webhook]"),
        };
        (!is_there).then_some(section)
    }
}

impl Webhook {
    /// What a body is if nothing else is said.
    pub const JSON: &'static str = "application/json";
}

/// Somebody who sends alerts to `/alerts/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSource {
    /// The id of the `[[alert_sources]]` entry, and the last part of the path.
    pub id: String,
    /// What it speaks.
    pub kind: SourceKind,
    /// The environment variable with the secret that opens the path.
    pub secret_env: Option<String>,
    /// `cloudwatch-sns`: the ARNs of the topics that are listened to; any other is refused.
    pub topics: Vec<String>,
    /// `cloudwatch-sns`: whether a signature of version 1, which is by SHA-1, is refused.
    pub require_v2: bool,
    /// `fields`: where the fields of an alert stand in a body of somebody else's making, each as an expression. Every
    /// expression compiles.
    pub fields: BTreeMap<AlertField, String>,
}

words! {
    /// What an expression of `[[alert_sources]].fields` gives.
    AlertField, "a field of an alert" {
        /// The list in the body whose entries are alerts; without it the body is one.
        Each = "each",
        /// What is wrong.
        Title = "title",
        /// What tells the condition from every other.
        Key = "key",
        /// How it stands: `firing`, `resolved`, `acknowledged`, `info`.
        Status = "status",
        /// How bad it is.
        Severity = "severity",
        /// What watches it.
        Name = "name",
        /// More about it.
        Description = "description",
        /// What it is about: a table, or a list of tags.
        Labels = "labels",
        /// Since when.
        StartedAt = "started_at",
        /// Until when.
        EndedAt = "ended_at",
        /// Where the sender shows it.
        Link = "link",
        /// What to do.
        Runbook = "runbook",
        /// How it looks.
        Dashboard = "dashboard",
        /// Where it can be silenced.
        Silence = "silence",
    }
}

words! {
    /// What an alert source speaks.
    SourceKind, "a kind of alert source" {
        /// Prometheus or its Alertmanager.
        Alertmanager = "alertmanager",
        /// Grafana's webhook contact point.
        Grafana = "grafana",
        /// CloudWatch alarms by SNS.
        CloudwatchSns = "cloudwatch-sns",
        /// CloudWatch alarms by an EventBridge API destination.
        CloudwatchEventbridge = "cloudwatch-eventbridge",
        /// Datadog's webhook.
        Datadog = "datadog",
        /// What is sent to PagerDuty (Events API v2).
        Pagerduty = "pagerduty",
        /// What is sent to Opsgenie.
        Opsgenie = "opsgenie",
        /// Sentry's integration webhook.
        Sentry = "sentry",
        /// CloudEvents over HTTP.
        Cloudevents = "cloudevents",
        /// A small JSON of our own, for scripts.
        Generic = "generic",
    }
}

impl SourceKind {
    /// Whether its bodies may be of somebody's own making, so that `fields` can say what is where in them.
    pub fn takes_fields(self) -> bool {
        match self {
            SourceKind::Grafana
            | SourceKind::Datadog
            | SourceKind::Cloudevents
            | SourceKind::Generic => true,
            SourceKind::Alertmanager
            | SourceKind::CloudwatchSns
            | SourceKind::CloudwatchEventbridge
            | SourceKind::Pagerduty
            | SourceKind::Opsgenie
            | SourceKind::Sentry => false,
        }
    }

    /// Whether its senders come to a path that all sources of the kind share, where only the secret tells whose they are.
    pub fn is_known_by_secret(self) -> bool {
        match self {
            SourceKind::Alertmanager | SourceKind::Pagerduty | SourceKind::Opsgenie => true,
            SourceKind::Grafana
            | SourceKind::CloudwatchSns
            | SourceKind::CloudwatchEventbridge
            | SourceKind::Datadog
            | SourceKind::Sentry
            | SourceKind::Cloudevents
            | SourceKind::Generic => false,
        }
    }
}

/// A source that must speak now and then: when it does not, that is an alert of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The id of the `[[heartbeats]]` entry.
    pub id: String,
    /// The alert source that must speak, by its id.
    pub source: String,
    /// How long it may be silent.
    pub every: SignedDuration,
    /// The word for how bad its silence is, as a sender would say it.
    pub severity: Option<String>,
    /// Which of its alerts is the heartbeat (`Watchdog`); empty: it speaks at `/alerts/{source}/heartbeat`.
    pub matches: BTreeMap<String, Matcher>,
}

/// What is done with an alert that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What an alert must carry, by label (`source` is the id of the alert source); empty: every alert matches.
    pub matches: BTreeMap<String, Matcher>,
    /// The service that is affected; `None`: none is known.
    pub service: Option<Chosen<ServiceId>>,
    /// The severity of the incident; `None`: the alert's own `severity` label decides.
    pub severity: Option<Chosen<SeverityId>>,
    /// What is done.
    pub then: Then,
    /// The labels whose values must be equal for two alerts to be one incident.
    pub group_by: Vec<String>,
    /// Where the card goes with `then = "notify"`: `#alerts`; `None`: `[slack].announce`.
    pub channel: Option<String>,
    /// With `then = "declare"`: how long ago an open incident of the same service may have been declared that the alerts
    /// join; `None`: each group has an incident of its own.
    pub join: Option<SignedDuration>,
    /// With `then = "declare"`: the policy by which people are paged, whatever service and severity say; `None`: what those
    /// say.
    pub escalation_policy: Option<String>,
}

/// `[alerts]`: what holds for all alerts, whatever route they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerts {
    /// Whether alerts of a service that has an open incident of higher urgency are only counted there.
    pub quieted_by_incidents: bool,
    /// When an alert that begins and ends again and again is no news any more.
    pub flapping: Flapping,
    /// How often the alerts of one group may declare an incident before they are cut off.
    pub cut_off: CutOffAfter,
    /// How long requests are kept as they came in, and conditions and groups that are over.
    pub retention: SignedDuration,
}

/// How often is too often: then an automation triggers itself, most likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOffAfter {
    /// So many incidents, at least one …
    pub incidents: u32,
    /// … within so long. For so long they are cut off, too.
    pub within: SignedDuration,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            quieted_by_incidents: true,
            flapping: Flapping {
                turns: 6,
                within: SignedDuration::from_mins(30),
            },
            cut_off: CutOffAfter {
                incidents: 5,
                within: SignedDuration::from_mins(30),
            },
            retention: SignedDuration::from_hours(24 * 90),
        }
    }
}

/// What a label must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// This text.
    Equal(String),
    /// Written `~^rms-`: a regular expression (without the `~`) that matches somewhere in the value. It compiles.
    Pattern(String),
}

/// A value that is fixed, or made of the alert by a template: `{{ labels.service }}`. The template compiles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Chosen<T> {
    /// Always this.
    Fixed(T),
    /// What the template gives for the alert.
    Template(String),
}

words! {
    /// What a route does with an alert.
    Then, "what a route can do" {
        /// Open an incident, or add to the open one of its group.
        Declare = "declare",
        /// Post a card.
        Notify = "notify",
        /// Keep it in the record, and nothing else.
        Suppress = "suppress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil;

    use crate::domain::oncall::{Rotation, Schedule};

    fn person(id: &str, roles: &[&str]) -> Person {
        Person {
            id: PersonId::new(id),
            name: id.to_uppercase(),
            slack: SlackUserId::parse(&format!("U0{}", id.to_uppercase())).map(SlackName::Id),
            email: None,
            phone: None,
            timezone: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            contact: vec![],
            webhook_url_env: None,
        }
    }

    fn catalog() -> Catalog {
        Catalog {
            people: vec![
                person("alice", &["oncall"]),
                person("carol", &["devops-lead", "oncall"]),
            ],
            schedules: vec![Schedule {
                id: "primary".into(),
                name: None,
                timezone: TimeZone::UTC,
                rotations: vec![Rotation {
                    participants: vec![PersonId::new("alice"), PersonId::new("bob")],
                    shift: "1w".parse().unwrap(),
                    handoff: civil::datetime(2025, 9, 1, 9, 0, 0, 0),
                    hours: None,
                }],
                fallback: Some(Target::Person(PersonId::new("carol"))),
                ical_token_env: None,
                ical_url_env: None,
                usergroup: None,
            }],
            ..Catalog::default()
        }
    }

    #[test]
    fn a_severity_is_found_by_every_word_that_people_use_for_it() {
        let catalog = Catalog::default();
        for word in ["p1", "P1", "critical", "SEV1", "P1 - critical", " p1 "] {
            let found = catalog.find_severity(word).unwrap();
            assert_eq!(found.id, SeverityId::new("p1"), "{word}");
        }
        assert!(catalog.find_severity("p9").is_none());
        assert!(catalog.find_severity("").is_none());
    }

    #[test]
    fn a_target_is_resolved_to_the_people_behind_it() {
        let catalog = catalog();
        let ids = |target: &str, at: &str| -> Vec<&str> {
            catalog
                .resolve(&target.parse().unwrap(), at.parse().unwrap(), &[])
                .into_iter()
                .map(|person| person.id.as_str())
                .collect()
        };
        let first_week = "2025-09-02T00:00:00Z";
        assert_eq!(ids("person:alice", first_week), ["alice"]);
        assert_eq!(ids("person:bob", first_week), [""; 0]);
        assert_eq!(ids("role:oncall", first_week), ["alice", "carol"]);
        assert_eq!(ids("schedule:primary", first_week), ["alice"]);
        assert_eq!(ids("usergroup:sre", first_week), [""; 0]);
        assert_eq!(ids("channel:#ops", first_week), [""; 0]);
        assert_eq!(ids("schedule:none", first_week), [""; 0]);
    }

    #[test]
    fn the_fallback_is_taken_before_the_first_hand_off_and_for_somebody_unknown() {
        let catalog = catalog();
        let target = Target::Schedule("primary".into());
        // Before the first hand-off; in the week of bob, who is not in the catalog.
        for at in ["2025-08-31T00:00:00Z", "2025-09-09T00:00:00Z"] {
            let people = catalog.resolve(&target, at.parse().unwrap(), &[]);
            assert_eq!(people[0].id.as_str(), "carol", "{at}");
            assert!(
                catalog
                    .on_call("primary", at.parse().unwrap(), &[])
                    .is_none()
            );
        }
    }

    #[test]
    fn a_person_is_found_by_slack_id() {
        let catalog = catalog();
        let found = catalog.person_by_slack(&SlackUserId::parse("U0CAROL").unwrap());
        assert_eq!(found.unwrap().id.as_str(), "carol");
        assert!(
            catalog
                .person_by_slack(&SlackUserId::parse("U0NOBODY").unwrap())
                .is_none()
        );
    }
}
