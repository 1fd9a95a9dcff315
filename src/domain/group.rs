//! Groups of alerts: a storm is told once. A group is one incident, or one card, for all alerts of the same service and
//! the same values.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Change, Links};
use super::catalog::{CutOffAfter, Then};
use super::command::Declaration;
use super::effect::{Effect, Order};
use super::event::MessageRef;
use super::lead::{self, Lead};
use super::quiet::{Hold, Looked, after_inhibition};
use super::raise::Raise;
use super::remark::{Deed, Remarked, remember};
use super::terms::{DedupKey, DeliveryId, GroupId, IncidentId, ServiceId, SeverityId, Who};
use super::whereabouts::whereabouts;

/// Alerts of a group that are named; all others are counted.
const SAMPLES: usize = 5;
/// What a group has to say is said so often at the most: in a storm its counts change a hundred times a second.
const TOLD_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// What lasts for long is told less often, but not less often than this.
const TOLD_AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// What flaps is told so often at the most.
const FLAPS_TOLD: SignedDuration = SignedDuration::from_mins(5);
/// Declarations of a group that are remembered: more than the configuration can ask for.
const DECLARED_KEPT: usize = 100;
/// A card whose alerts fire again so soon after all were over tells of them; later there is a new one.
const CARD_LASTS: SignedDuration = SignedDuration::from_mins(30);
/// Why nothing is told of alerts that quiet others: they are counted a second time, and told where their routes say.
const COUNTED: &str = "counted for [[inhibitions]]";

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Which group.
    pub id: GroupId,
    /// Counts from 1 with each change.
    pub version: u64,
    /// What is done with its alerts.
    pub then: Then,
    /// Where its card goes; none: where incidents are announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// How long ago an open incident of its service may have been declared that it joins; none: it joins none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<SignedDuration>,
    /// The policy by which people are paged for its incident; none: its service's, or its severity's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation_policy: Option<String>,
    /// The source of the alert with which this round began, by id.
    pub source: String,
    /// What is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// How bad it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityId>,
    /// How urgent that is: 0 is the most urgent.
    #[serde(default)]
    pub urgency: usize,
    /// What its alerts have in common, by label.
    pub values: BTreeMap<String, String>,
    /// When it was first heard of. One that was forgotten and begins anew counts its rounds from 1 again, and this tells
    /// them from those before. None, where an older version wrote it: it was never forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_heard_at: Option<Timestamp>,
    /// The title of the alert with which this round began.
    pub title: String,
    /// What that alert said besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where to look.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// Where to look, as all its alerts say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<Lead>,
    /// Where its alerts are, as far as they have that in common, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common: BTreeMap<String, String>,
    /// Counts incidents, or cards, from 1.
    pub round: u32,
    /// When this round began, by the sender's clock if it says.
    pub began_at: Timestamp,
    /// When an alert of it last began or ended.
    pub changed_at: Timestamp,
    /// Alerts that fire now.
    pub firing: u64,
    /// Beginnings in this round.
    pub total: u64,
    /// The newest alerts, the newest first.
    pub samples: Vec<Sample>,
    /// What was remarked on its alerts at their senders of late, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remarked>,
    /// How many remarks there were, over all its rounds.
    #[serde(default)]
    pub remarked: u64,
    /// Its incident, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Whether that incident is not its own, but a more urgent one of its service, on which it is only counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_quieted: bool,
    /// Whether its round is over, and what begins next is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rests: bool,
    /// Its card, once it is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<MessageRef>,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<Who>,
    /// Until when nothing of it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// Why its alerts are kept back: it is a room in which they wait, and tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Which route suppresses its alerts, for people; none: they are not suppressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
    /// For when it is ordered to look whom it may let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_at: Option<Timestamp>,
    /// Until when an alert of it flaps, or did: what it does until then is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaps_until: Option<Timestamp>,
    /// When it has declared incidents of late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<Timestamp>,
    /// Until when it declares none, because it has declared too many: it is only counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off_until: Option<Timestamp>,
    /// When it first said something in this round.
    pub told_from: Timestamp,
    /// When it last said something, or will: whatever changes until then is said then.
    pub told_at: Timestamp,
}

/// An alert of a group, for a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which condition it is.
    pub key: DedupKey,
    /// Its title.
    pub title: String,
    /// Which source told of it; none, where an older version wrote it: the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it fires.
    pub is_firing: bool,
    /// Whether it begins and ends again and again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flapping: bool,
    /// Whether somebody has it at its sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_acknowledged: bool,
    /// Who that is, if the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// Where it is, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub whereabouts: BTreeMap<String, String>,
}

impl Sample {
    /// Takes in what was remarked on it, if it was on it.
    pub fn take(&mut self, remarked: &Remarked) {
        if remarked.key != self.key {
            return;
        }
        match remarked.deed {
            Deed::Acknowledged => {
                self.is_acknowledged = true;
                self.acknowledged_by.clone_from(&remarked.remark.by);
            }
            Deed::Unacknowledged => {
                self.is_acknowledged = false;
                self.acknowledged_by = None;
            }
            Deed::Noted | Deed::Closed => {}
        }
    }
}

/// Where an alert belongs, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The group.
    pub group: GroupId,
    /// What is done.
    pub then: Then,
    /// Where a card goes.
    pub channel: Option<String>,
    /// What is affected.
    pub service: Option<ServiceId>,
    /// How bad it is.
    pub severity: Option<SeverityId>,
    /// How urgent that is: 0 is the most urgent, as is what nobody has said.
    pub urgency: usize,
    /// What the alerts of the group have in common, by label.
    pub values: BTreeMap<String, String>,
    /// How long ago an open incident of the service may have been declared that they join.
    pub join: Option<SignedDuration>,
    /// The policy by which people are paged for their incident, if their route names one.
    pub escalation_policy: Option<String>,
    /// Which route suppresses them, for people; none: they are not suppressed.
    pub suppressed_by: Option<String>,
    /// Why they are kept back; none: they are told.
    pub hold: Option<Hold>,
}

/// What a group has to say, for its incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What it is about: the title of its first alert.
    pub title: String,
    /// Which source spoke.
    pub source: String,
    /// Alerts that fire now.
    pub firing: u64,
    /// Beginnings so far.
    pub total: u64,
    /// The newest alerts, the newest first.
    pub samples: Vec<Sample>,
    /// Whether the incident, more urgent than they are, keeps them from being told on their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_quieted: bool,
    /// Whether one of them begins and ends again and again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flapping: bool,
    /// What was remarked on them at their senders of late, the oldest first. In the record each stands on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remarked>,
    /// Where they are, as far as they have that in common, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common: BTreeMap<String, String>,
    /// Where to look, as they say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<Lead>,
}

/// The sources of alerts in one line, the first to speak first; of what names none it is `own`.
pub fn sources(samples: &[Sample], own: &str) -> String {
    let mut sources: Vec<&str> = Vec::new();
    for sample in samples.iter().rev() {
        let source = sample.source.as_deref().unwrap_or(own);
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    match sources.is_empty() {
        true => own.to_owned(),
        false => sources.join(", "),
    }
}

/// How many alerts a list leaves out.
pub fn unnamed(samples: &[Sample], firing: u64, total: u64) -> u64 {
    // A list that is not full names each, however often it began; a new round has forgotten what it did not name.
    let (of, named) = match samples.len() {
        SAMPLES.. => (total, samples.len()),
        _ => (firing, samples.iter().filter(|it| it.is_firing).count()),
    };
    of.saturating_sub(named as u64)
}

impl Tally {
    /// The alerts that have begun or ended since then, as far as they are named.
    pub fn turned_since(&self, before: Option<&Tally>) -> Vec<DedupKey> {
        let known = before.map_or(&[][..], |before| &before.samples);
        let is_news = |sample: &&Sample| match known.iter().find(|it| it.key == sample.key) {
            Some(known) => known.is_firing != sample.is_firing,
            None => true,
        };
        let turned = self.samples.iter().filter(is_news);
        turned.map(|sample| sample.key.clone()).collect()
    }

    /// The titles of those of these alerts that fire, or of those that do not, in one line, each with its source if that
    /// is not the group's; none, if there are none.
    pub fn titles(&self, of: &[DedupKey], firing: bool) -> Option<String> {
        let samples = self.samples.iter();
        let titles = samples
            .filter(|sample| sample.is_firing == firing && of.contains(&sample.key))
            .map(|sample| match &sample.source {
                Some(source) if *source != self.source => format!("{} ({source})", sample.title),
                Some(_) | None => sample.title.clone(),
            });
        let mut named: Vec<String> = Vec::new();
        for title in titles {
            // What many have in common is said once.
            if !named.contains(&title) {
                named.push(title);
            }
        }
        (!named.is_empty()).then(|| named.join("; "))
    }

    /// Which of its alerts begin and end again and again, in one line.
    pub fn flapping(&self) -> Option<String> {
        let samples = self.samples.iter().filter(|sample| sample.is_flapping);
        let titles: Vec<_> = samples.map(|sample| sample.title.as_str()).collect();
        (!titles.is_empty()).then(|| titles.join("; "))
    }
}

impl Group {
    /// A group of which nothing has been heard yet.
    pub fn new(routed: &Routed, source: &str, now: Timestamp) -> Self {
        Self {
            id: routed.group.clone(),
            version: 0,
            then: routed.then,
            channel: routed.channel.clone(),
            join: routed.join,
            escalation_policy: routed.escalation_policy.clone(),
            source: source.to_owned(),
            service: routed.service.clone(),
            severity: routed.severity.clone(),
            urgency: routed.urgency,
            values: routed.values.clone(),
            first_heard_at: Some(now),
            title: String::new(),
            description: None,
            links: Links::default(),
            leads: Vec::new(),
            common: BTreeMap::new(),
            round: 0,
            began_at: now,
            changed_at: now,
            firing: 0,
            total: 0,
            samples: Vec::new(),
            remarks: Vec::new(),
            remarked: 0,
            incident: None,
            is_quieted: false,
            rests: false,
            card: None,
            acknowledged_by: None,
            snoozed_until: None,
            suppressed_by: routed.suppressed_by.clone(),
            hold: None,
            looks_at: None,
            flaps_until: None,
            declared: Vec::new(),
            cut_off_until: None,
            told_from: now,
            told_at: now,
        }
    }

    /// What its incident is to know.
    pub fn tally(&self, now: Timestamp) -> Tally {
        Tally {
            title: self.title.clone(),
            source: self.source.clone(),
            firing: self.firing,
            total: self.total,
            samples: self.samples.clone(),
            is_quieted: self.is_quieted,
            is_flapping: self.is_flapping(now),
            remarks: self.remarks.clone(),
            common: self.common.clone(),
            leads: self.leads.clone(),
        }
    }

    /// The incident that it asks for.
    pub fn declaration(&self) -> Declaration {
        Declaration {
            title: self.title.clone(),
            severity: self.severity.clone(),
            service: self.service.clone(),
            description: self.description.clone(),
            started_at: Some(self.began_at),
            about: None,
            links: self.links.clone(),
            escalation_policy: self.escalation_policy.clone(),
        }
    }

    /// How it asks for an incident.
    pub fn raise(&self, now: Timestamp) -> Raise {
        Raise {
            group: self.id.clone(),
            tally: self.tally(now),
            declaration: self.declaration(),
            join: self.join,
        }
    }

    /// Until when it is cut off if it asks for an incident now: it has had as many of late as it may have. The first is
    /// always declared.
    pub fn runs_away(&self, limit: CutOffAfter, now: Timestamp) -> Option<Timestamp> {
        let lately = self
            .declared
            .iter()
            .filter(|at| now.duration_since(**at) < limit.within);
        let is_too_much = lately.count() >= limit.incidents.max(1) as usize;
        is_too_much.then(|| now.checked_add(limit.within).unwrap_or(Timestamp::MAX))
    }

    /// What tells that declaration from every other: however often it is asked for, it is one.
    pub fn delivery(&self) -> DeliveryId {
        let Self { id, round, .. } = self;
        DeliveryId::new(match self.first_heard_at {
            Some(at) => format!("alerts/{id}/{}/{round}", at.as_millisecond()),
            None => format!("alerts/{id}/{round}"),
        })
    }

    /// Whether it may be forgotten for all that it knows: nothing of it fires, and nothing that it remembers would matter
    /// to what begins next. Whether it waits for an order, or its incident is open, the store knows.
    pub fn is_at_rest(&self, limit: CutOffAfter, now: Timestamp) -> bool {
        let is_ahead = |until: Option<Timestamp>| until.is_some_and(|until| until > now);
        let may_run_away = self
            .declared
            .iter()
            .any(|at| now.duration_since(*at) < limit.within);
        let is_quiet = self.firing == 0 && now.duration_since(self.changed_at) > CARD_LASTS;
        let is_silenced = [self.snoozed_until, self.flaps_until, self.cut_off_until];
        is_quiet && !may_run_away && !is_silenced.into_iter().any(is_ahead)
    }

    /// Takes in what became of one of its alerts, of which that source spoke, and says what the world must be told of it.
    pub fn take(
        &mut self,
        routed: &Routed,
        (source, alert): (&str, &Alert),
        change: Change,
        flaps_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<Order> {
        let mut place = BTreeMap::new();
        match change {
            Change::Counted | Change::Late => return Vec::new(),
            Change::Acknowledged | Change::Remarked => {}
            Change::Began => {
                if self.is_over(now) {
                    self.begin(routed, source, alert, now);
                } else if self.is_quieted && routed.urgency < self.urgency {
                    // What it grows to may not be the quieter.
                    let others = self.firing;
                    self.begin(routed, source, alert, now);
                    (self.firing, self.total) = (others, 0);
                } else if routed.urgency < self.urgency && self.incident.is_none() {
                    // Nobody has been told how bad it is yet, or a card tells it: the worst counts, whoever came first.
                    self.severity.clone_from(&routed.severity);
                    self.urgency = routed.urgency;
                }
                self.hold.clone_from(&routed.hold);
                self.firing += 1;
                self.total += 1;
                let found = whereabouts(alert, routed);
                match self.total {
                    1 => self.common.clone_from(&found),
                    _ => self
                        .common
                        .retain(|label, value| found.get(label) == Some(value)),
                }
                lead::add(&mut self.leads, alert);
                place = found;
            }
            Change::Ended => self.firing = self.firing.saturating_sub(1),
        }
        if self.then == Then::Suppress {
            self.suppressed_by.clone_from(&routed.suppressed_by);
        }
        if matches!(change, Change::Began | Change::Ended) {
            self.changed_at = now;
        }
        let begins_to_flap = flaps_until.is_some() && !self.is_flapping(now);
        self.flaps_until = flaps_until.max(self.flaps_until);
        self.sample((source, alert), place, change, flaps_until.is_some());
        self.remark(source, alert, now);
        self.version += 1;
        if self.hold.is_some() {
            return match change {
                Change::Began => self.waits(now),
                Change::Ended
                | Change::Acknowledged
                | Change::Remarked
                | Change::Counted
                | Change::Late => vec![],
            };
        }
        match (change, self.total) {
            (Change::Began, 1) => self.introduces(now),
            // What people do is news, however it flaps.
            (Change::Acknowledged | Change::Remarked, _) => self.tells(now),
            // That it flaps is told once; each turn from then on is no news, and counted now and then.
            _ if flaps_until.is_some() && !begins_to_flap => self.tells_within(FLAPS_TOLD, now),
            _ => self.tells(now),
        }
    }

    /// Whether what comes next is another round: all alerts of a card are long over. An incident ends by people.
    fn is_over(&self, now: Timestamp) -> bool {
        let is_quiet = self.firing == 0 && now.duration_since(self.changed_at) > CARD_LASTS;
        let is_empty = self.hold.is_some() && self.firing == 0;
        self.round == 0 || self.rests || is_empty || (self.then != Then::Declare && is_quiet)
    }

    fn begin(&mut self, routed: &Routed, source: &str, alert: &Alert, now: Timestamp) {
        source.clone_into(&mut self.source);
        self.then = routed.then;
        self.suppressed_by.clone_from(&routed.suppressed_by);
        self.channel.clone_from(&routed.channel);
        self.join = routed.join;
        self.escalation_policy.clone_from(&routed.escalation_policy);
        self.service.clone_from(&routed.service);
        self.severity.clone_from(&routed.severity);
        self.urgency = routed.urgency;
        self.title.clone_from(&alert.title);
        self.description.clone_from(&alert.description);
        self.links = alert.links.clone();
        self.leads.clear();
        self.round += 1;
        self.began_at = alert.started_at.map_or(now, |at| at.min(now));
        self.firing = 0;
        self.total = 0;
        self.samples.clear();
        self.remarks.clear();
        self.incident = None;
        self.is_quieted = false;
        self.rests = false;
        self.cut_off_until = None;
        self.card = None;
        self.acknowledged_by = None;
    }

    fn sample(
        &mut self,
        (source, alert): (&str, &Alert),
        whereabouts: BTreeMap<String, String>,
        change: Change,
        is_flapping: bool,
    ) {
        let place = self.samples.iter().position(|it| it.key == alert.key);
        // Nothing has become of it, so it stays where it is.
        if let Change::Acknowledged | Change::Remarked = change {
            if let Some(place) = place {
                self.samples[place].is_flapping = is_flapping;
            }
            return;
        }
        let known = place.map(|place| self.samples.remove(place));
        let sample = match (known, change) {
            // What ends a condition need not say more than its key.
            (Some(known), Change::Ended) => Sample {
                is_firing: false,
                is_flapping,
                ..known
            },
            (None, Change::Ended) => return,
            (_, _) => Sample {
                key: alert.key.clone(),
                title: alert.title.clone(),
                source: Some(source.to_owned()),
                is_firing: true,
                is_flapping,
                is_acknowledged: false,
                acknowledged_by: None,
                whereabouts,
            },
        };
        self.samples.insert(0, sample);
        self.samples.truncate(SAMPLES);
    }

    /// Remembers what was done about an alert at its sender.
    fn remark(&mut self, source: &str, alert: &Alert, now: Timestamp) {
        let Some(deed) = Remarked::deed(alert) else {
            return;
        };
        let known = self.samples.iter_mut().find(|it| it.key == alert.key);
        let remarked = Remarked {
            number: self.remarked + 1,
            deed,
            key: alert.key.clone(),
            // Whoever only says which it is does not say what is wrong.
            title: known.as_ref().map_or(&alert.title, |it| &it.title).clone(),
            source: source.to_owned(),
            remark: alert.remark.clone().unwrap_or_default(),
            at: now,
        };
        if let Some(sample) = known {
            sample.take(&remarked);
        }
        if remember(&mut self.remarks, remarked) {
            self.remarked += 1;
        }
    }

    /// Whether an alert of it begins and ends again and again.
    pub fn is_flapping(&self, now: Timestamp) -> bool {
        self.flaps_until.is_some_and(|until| until > now)
    }

    /// When something may be said of it: now, or when nobody wants to be spared it any more. An incident is opened
    /// whoever sleeps.
    fn silent_until(&self, now: Timestamp) -> Timestamp {
        let snoozed = self.snoozed_until.filter(|_| self.then == Then::Notify);
        snoozed.map_or(now, |until| until.max(now))
    }

    /// What a room orders when somebody comes in, unless it is ordered already for then or earlier. Whoever comes in when
    /// it has just looked finds nothing ordered, and orders anew.
    fn waits(&mut self, now: Timestamp) -> Vec<Order> {
        let next = self.hold.as_ref().and_then(Hold::until);
        let is_ordered = match (self.looks_at, next) {
            (Some(at), Some(next)) => at <= next,
            (Some(_) | None, None) => true,
            (None, Some(_)) => false,
        };
        match is_ordered {
            true => Vec::new(),
            false => self.looks(next, now),
        }
    }

    fn looks(&mut self, next: Option<Timestamp>, now: Timestamp) -> Vec<Order> {
        self.looks_at = next;
        let effect = Effect::ReleaseAlerts;
        next.map(|due| Order::Do {
            effect,
            due: due.max(now),
        })
        .into_iter()
        .collect()
    }

    /// Takes in what a room has seen when it looked, and says when it looks again.
    pub fn looked(&mut self, looked: Looked, now: Timestamp) -> Vec<Order> {
        self.version += 1;
        if looked.is_all && looked.waiting == 0 {
            self.firing = 0;
        }
        self.looks(looked.again(now), now)
    }

    /// Where alerts are counted that quiet others.
    pub fn inhibitor(id: &GroupId, source: &str, now: Timestamp) -> Self {
        let routed = Routed {
            group: id.clone(),
            then: Then::Suppress,
            channel: None,
            service: None,
            severity: None,
            urgency: 0,
            values: BTreeMap::new(),
            join: None,
            escalation_policy: None,
            suppressed_by: Some(COUNTED.to_owned()),
            hold: None,
        };
        Self::new(&routed, source, now)
    }

    /// Counts one more that quiets others, or one less.
    pub fn quiets(&mut self, begins: bool, now: Timestamp) {
        self.version += 1;
        self.suppressed_by = Some(COUNTED.to_owned());
        self.changed_at = now;
        self.firing = match begins {
            true => self.firing + 1,
            false => self.firing.saturating_sub(1),
        };
    }

    /// Nothing quiets those of a room any more, it seems: it looks in a while.
    pub fn may_let_go(&mut self, now: Timestamp) -> Vec<Order> {
        self.version += 1;
        self.looks(Some(after_inhibition(now)), now)
    }

    /// What is ordered when a round begins.
    fn introduces(&mut self, now: Timestamp) -> Vec<Order> {
        // An order for the end of that is there already.
        if self.cut_off_until.is_some() {
            return Vec::new();
        }
        let effect = match self.then {
            Then::Declare => Effect::DeclareForAlerts,
            Then::Notify => Effect::PostAlertCard,
            Then::Suppress => return Vec::new(),
        };
        let due = self.silent_until(now);
        self.told_from = due;
        self.told_at = due;
        vec![Order::Do { effect, due }]
    }

    /// What is ordered when its counts have changed, unless it is ordered already: what is said is what is known then.
    fn tells(&mut self, now: Timestamp) -> Vec<Order> {
        // What has lasted for long is told less often: ten times as long, a tenth as often.
        let lasted = now.duration_since(self.told_from) / 10;
        self.tells_within(lasted.clamp(TOLD_EVERY, TOLD_AT_LEAST), now)
    }

    /// The same, at least so long after it was last told.
    fn tells_within(&mut self, pause: SignedDuration, now: Timestamp) -> Vec<Order> {
        if self.cut_off_until.is_some() {
            return Vec::new();
        }
        let effect = match self.then {
            Then::Declare => Effect::TellIncidentOfAlerts,
            Then::Notify if self.is_quieted => Effect::TellIncidentOfAlerts,
            Then::Notify => Effect::RefreshAlertCard,
            Then::Suppress => return Vec::new(),
        };
        // Whoever sleeps over it is not woken by what is over, and finds it so.
        let is_over_snoozed = self.firing == 0 && self.silent_until(now) > now;
        if is_over_snoozed {
            self.told_at = now;
            return vec![Order::Do { effect, due: now }];
        }
        let is_ordered = self.told_at > now;
        // What is ordered for later than this may wait is ordered anew: what flaps or is snoozed delays nothing else.
        let due = match is_ordered {
            true => now + pause,
            false => now.max(self.told_at + pause),
        };
        let due = self.silent_until(due);
        if is_ordered && self.told_at <= due {
            return Vec::new();
        }
        self.told_at = due;
        vec![Order::Do { effect, due }]
    }
}

/// What came of an order of a group, or what a person wants of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupReport {
    /// Its card was posted.
    CardPosted(MessageRef),
    /// Its incident is there.
    IncidentOpened {
        /// For which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// A more urgent incident of its service quiets it.
    Quieted {
        /// In which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// The incident that quieted it does so no more: it is over, or less urgent than it was.
    Unquieted {
        /// Which.
        incident: IncidentId,
    },
    /// It may be a room of which the configuration says nothing any more.
    LookAgain,
    /// It was told while an alert of it flaps: how that ends is still to be told.
    ToldFlapping,
    /// It has joined an incident that was open.
    Joined {
        /// In which round.
        round: u32,
        /// Which.
        incident: IncidentId,
    },
    /// It has declared too many incidents, and declares none until then.
    CutOff {
        /// In which round.
        round: u32,
        /// Until when.
        until: Timestamp,
    },
    /// It may declare incidents again: the time is over, or somebody has said so.
    Resumed,
    /// Its incident is over, and something has begun since.
    IncidentOver {
        /// Which.
        incident: IncidentId,
    },
    /// Somebody has it.
    Acknowledged {
        /// Who.
        by: Who,
    },
    /// Somebody wants to hear nothing of it until then.
    Snoozed {
        /// Until when.
        until: Timestamp,
    },
    /// Somebody has made an incident of it, or made it part of one.
    Attached {
        /// Which.
        incident: IncidentId,
    },
}

impl Group {
    /// Takes in what came of an order, and says what follows. Of another round it changes nothing.
    pub fn learn(&mut self, report: &GroupReport, now: Timestamp) -> Vec<Order> {
        let orders = match report {
            GroupReport::CardPosted(at) if self.card.is_none() => {
                self.card = Some(at.clone());
                // What has changed while it was posted is shown now.
                self.tells(now)
            }
            GroupReport::IncidentOpened { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.declared.push(now);
                let spare = self.declared.len().saturating_sub(DECLARED_KEPT);
                self.declared.drain(..spare);
                self.belongs_to(incident, now)
            }
            GroupReport::Joined { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.belongs_to(incident, now)
            }
            GroupReport::CutOff { round, until }
                if *round == self.round && self.incident.is_none() =>
            {
                self.cut_off_until = Some(*until);
                let order = |effect, due| Order::Do { effect, due };
                vec![
                    order(Effect::TellOfCutOff, now),
                    // What still fires then is an incident again.
                    order(Effect::DeclareForAlerts, *until),
                ]
            }
            GroupReport::Resumed if self.cut_off_until.is_some() => {
                self.cut_off_until = None;
                self.declared.clear();
                self.next_round(now);
                match self.firing {
                    0 => {
                        self.rests = true;
                        Vec::new()
                    }
                    _ => self.introduces(now),
                }
            }
            GroupReport::Quieted { round, incident }
                if *round == self.round && self.incident.is_none() =>
            {
                self.is_quieted = true;
                self.belongs_to(incident, now)
            }
            GroupReport::IncidentOver { incident }
                if self.incident.as_ref() == Some(incident) && !self.is_quieted =>
            {
                self.next_round(now);
                self.began_at = now;
                self.introduces(now)
            }
            GroupReport::IncidentOver { incident } | GroupReport::Unquieted { incident }
                if self.incident.as_ref() == Some(incident) && self.is_quieted =>
            {
                self.next_round(now);
                match self.firing {
                    0 => {
                        self.rests = true;
                        Vec::new()
                    }
                    _ => self.introduces(now),
                }
            }
            GroupReport::ToldFlapping if self.told_at <= now && self.is_flapping(now) => {
                let rests = self.flaps_until.unwrap_or(now);
                let next = rests.duration_since(now).min(FLAPS_TOLD);
                self.told_at = now;
                self.tells_within(next, now)
            }
            GroupReport::LookAgain if self.hold.is_some() && self.firing > 0 => {
                let soon = after_inhibition(now);
                // Whoever is to be looked at earlier is not made to wait.
                let next = self.looks_at.map_or(soon, |at| at.min(soon));
                self.looks(Some(next), now)
            }
            GroupReport::Acknowledged { by } if self.acknowledged_by.is_none() => {
                self.acknowledged_by = Some(by.clone());
                self.tells(now)
            }
            GroupReport::Snoozed { until } => {
                // That it is silent is shown at once; whatever changes then, at the end.
                let orders = self.tells(now);
                self.snoozed_until = Some(*until);
                orders
            }
            GroupReport::Attached { incident } if self.incident.as_ref() != Some(incident) => {
                self.then = Then::Declare;
                self.is_quieted = false;
                self.cut_off_until = None;
                self.belongs_to(incident, now)
            }
            GroupReport::CardPosted(_)
            | GroupReport::Acknowledged { .. }
            | GroupReport::LookAgain
            | GroupReport::IncidentOpened { .. }
            | GroupReport::IncidentOver { .. }
            | GroupReport::ToldFlapping
            | GroupReport::Joined { .. }
            | GroupReport::CutOff { .. }
            | GroupReport::Resumed
            | GroupReport::Quieted { .. }
            | GroupReport::Unquieted { .. }
            | GroupReport::Attached { .. } => return Vec::new(),
        };
        self.version += 1;
        orders
    }

    /// What has not ended is another matter from now on.
    fn next_round(&mut self, now: Timestamp) {
        self.incident = None;
        self.is_quieted = false;
        self.round += 1;
        self.total = self.firing;
        self.samples.retain(|sample| sample.is_firing);
        let samples = &self.samples;
        self.remarks
            .retain(|it| samples.iter().any(|sample| sample.key == it.key));
        if let Some(sample) = self.samples.first() {
            self.title.clone_from(&sample.title);
            if let Some(source) = &sample.source {
                self.source.clone_from(source);
            }
        }
        self.changed_at = now;
    }

    /// What is told when an incident takes its alerts over.
    fn belongs_to(&mut self, incident: &IncidentId, now: Timestamp) -> Vec<Order> {
        self.incident = Some(incident.clone());
        self.told_at = now;
        let card = self.card.as_ref().map(|_| Effect::RefreshAlertCard);
        [Some(Effect::TellIncidentOfAlerts), card]
            .into_iter()
            .flatten()
            .map(|effect| Order::Do { effect, due: now })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::Signal;
    use crate::domain::terms::{ChannelId, MessageTs};

    fn second(n: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + n)
    }

    fn routed(then: Then) -> Routed {
        Routed {
            group: GroupId::new("grp-1"),
            then,
            channel: None,
            service: None,
            severity: None,
            urgency: 0,
            values: BTreeMap::new(),
            join: None,
            escalation_policy: None,
            suppressed_by: None,
            hold: None,
        }
    }

    struct Told {
        group: Group,
        routed: Routed,
    }

    impl Told {
        fn new(then: Then) -> Self {
            let routed = routed(then);
            Self {
                group: Group::new(&routed, "prometheus", second(0)),
                routed,
            }
        }

        /// What is ordered when an alert of this title changes at this second.
        fn hears(&mut self, at: i64, title: &str, change: Change, flaps: bool) -> Vec<String> {
            let alert = Alert {
                key: DedupKey::new(title),
                signal: Signal::Firing,
                name: "n".into(),
                title: title.into(),
                description: None,
                severity: None,
                labels: BTreeMap::new(),
                links: Links::default(),
                remark: None,
                started_at: None,
                ended_at: None,
                expires_at: None,
            };
            let flaps_until = flaps.then(|| second(at) + SignedDuration::from_mins(30));
            let orders = self.group.take(
                &self.routed,
                ("prometheus", &alert),
                change,
                flaps_until,
                second(at),
            );
            shown(&orders)
        }

        fn learns(&mut self, at: i64, report: &GroupReport) -> Vec<String> {
            shown(&self.group.learn(report, second(at)))
        }
    }

    fn shown(orders: &[Order]) -> Vec<String> {
        let show = |order: &Order| match order {
            Order::Do { effect, due } => {
                let due = due.duration_since(second(0)).as_secs();
                format!("{effect:?} at {due}")
            }
            Order::Cancel { key } => format!("cancel {key}"),
        };
        orders.iter().map(show).collect()
    }

    fn card() -> GroupReport {
        GroupReport::CardPosted(MessageRef {
            channel: ChannelId::new("C1"),
            ts: MessageTs::new("1.2"),
        })
    }

    fn opened(round: u32, id: &str) -> GroupReport {
        GroupReport::IncidentOpened {
            round,
            incident: IncidentId::new(id),
        }
    }

    #[test]
    fn a_room_that_is_to_look_again_looks_in_a_minute_and_no_later_than_it_would_have() {
        for (until, wanted) in [(3_600, 160), (130, 130), (90, 100)] {
            let mut it = Told::new(Then::Declare);
            it.routed.hold = Some(Hold::Maintenance {
                name: "Database move".into(),
                until: second(until),
            });
            assert_eq!(
                it.hears(0, "a", Change::Began, false),
                [format!("ReleaseAlerts at {until}")]
            );
            let looks = it.learns(100, &GroupReport::LookAgain);
            assert_eq!(looks, [format!("ReleaseAlerts at {wanted}")]);
            it.hears(110, "a", Change::Ended, false);
            assert_eq!(
                it.learns(120, &GroupReport::LookAgain),
                [""; 0],
                "it is empty"
            );
        }
    }

    #[test]
    fn what_a_list_leaves_out_is_counted() {
        let mut it = Told::new(Then::Declare);
        for n in 0..4 {
            it.hears(n, &n.to_string(), Change::Began, false);
        }
        // That one of them has begun anew leaves none out.
        it.hears(5, "0", Change::Ended, false);
        it.hears(6, "0", Change::Began, false);
        let left_out = |it: &Told| {
            let Group {
                samples,
                firing,
                total,
                ..
            } = &it.group;
            unnamed(samples, *firing, *total)
        };
        assert_eq!((it.group.total, left_out(&it)), (5, 0));
        for n in 4..9 {
            it.hears(10 + n, &n.to_string(), Change::Began, false);
        }
        assert_eq!((it.group.total, left_out(&it)), (10, 5));
    }

    #[test]
    fn a_title_that_several_share_is_named_once() {
        let mut it = Told::new(Then::Declare);
        for (key, title) in [("a", "disk"), ("b", "disk"), ("c", "memory")] {
            it.hears(0, key, Change::Began, false);
            it.group.samples[0].title = title.to_owned();
        }
        let tally = it.group.tally(second(1));
        let titles = tally.titles(&tally.turned_since(None), true);
        assert_eq!(titles.as_deref(), Some("memory; disk"));
    }

    #[test]
    fn what_is_left_of_a_round_is_told_with_its_own_title_and_source() {
        let mut it = Told::new(Then::Declare);
        it.hears(0, "disk", Change::Began, false);
        it.hears(1, "memory", Change::Began, false);
        it.learns(2, &opened(1, "INC-1"));
        it.hears(3, "disk", Change::Ended, false);
        let before = it.group.tally(second(3));
        assert_eq!(before.turned_since(Some(&before)), []);
        assert_eq!(
            before.titles(&before.turned_since(None), false).as_deref(),
            Some("disk")
        );
        it.learns(
            4,
            &GroupReport::IncidentOver {
                incident: IncidentId::new("INC-1"),
            },
        );
        let after = it.group.tally(second(4));
        assert_eq!((after.title.as_str(), after.total), ("memory", 1));
        assert_eq!(sources(&after.samples, "own"), "prometheus");
        assert_eq!(sources(&[], "own"), "own");
    }

    #[test]
    fn a_storm_is_one_card_that_is_edited_at_most_once_a_second() {
        let mut it = Told::new(Then::Notify);
        assert_eq!(
            it.hears(0, "a0", Change::Began, false),
            ["PostAlertCard at 0"]
        );
        assert_eq!(
            it.hears(0, "a1", Change::Began, false),
            ["RefreshAlertCard at 1"]
        );
        for n in 2..1_000 {
            assert_eq!(it.hears(0, &format!("a{n}"), Change::Began, false), [""; 0]);
        }
        // What was ordered has been done: the next is a second later.
        assert_eq!(
            it.hears(1, "b", Change::Began, false),
            ["RefreshAlertCard at 2"]
        );
        assert_eq!(
            it.hears(5, "c", Change::Ended, false),
            ["RefreshAlertCard at 5"]
        );
        assert_eq!((it.group.firing, it.group.total), (1_000, 1_001));
        assert_eq!(it.group.samples.len(), SAMPLES);
    }

    #[test]
    fn what_lasts_is_told_less_often() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.hears(300, "b", Change::Began, false);
        assert_eq!(
            it.hears(300, "c", Change::Began, false),
            ["RefreshAlertCard at 330"]
        );
        it.hears(3_600, "d", Change::Began, false);
        assert_eq!(
            it.hears(3_600, "e", Change::Began, false),
            ["RefreshAlertCard at 3660"]
        );
    }

    #[test]
    fn repetitions_order_nothing() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        let before = it.group.clone();
        assert_eq!(it.hears(9, "a", Change::Counted, false), [""; 0]);
        assert_eq!(it.hears(9, "a", Change::Late, false), [""; 0]);
        assert_eq!(it.group, before);
    }

    #[test]
    fn what_flaps_is_told_once_then_counted_and_told_again_when_it_rests() {
        let mut it = Told::new(Then::Declare);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &opened(1, "INC-1"));
        assert_eq!(
            it.hears(60, "a", Change::Ended, true),
            ["TellIncidentOfAlerts at 60"]
        );
        assert!(it.group.tally(second(60)).is_flapping);
        // From here on it is counted, every five minutes at the most.
        assert_eq!(
            it.hears(70, "a", Change::Began, true),
            ["TellIncidentOfAlerts at 360"]
        );
        for turn in 8..30 {
            let change = [Change::Ended, Change::Began][turn as usize % 2];
            assert_eq!(it.hears(turn * 10, "a", change, true), [""; 0]);
        }
        // Told while it flaps, it is told again, until it has rested for half an hour.
        assert_eq!(
            it.learns(360, &GroupReport::ToldFlapping),
            ["TellIncidentOfAlerts at 660"]
        );
        assert_eq!(it.learns(361, &GroupReport::ToldFlapping), [""; 0]);
        let rests = 290 + 1_800;
        assert_eq!(
            it.learns(rests - 9, &GroupReport::ToldFlapping),
            [format!("TellIncidentOfAlerts at {rests}")]
        );
        assert!(!it.group.tally(second(rests)).is_flapping);
        assert_eq!(it.learns(rests, &GroupReport::ToldFlapping), [""; 0]);
        // Another alert of the group is news all the while.
        it.hears(3_000, "a", Change::Ended, true);
        assert_eq!(
            it.hears(3_100, "b", Change::Began, false),
            ["TellIncidentOfAlerts at 3100"]
        );
    }

    #[test]
    fn a_card_lasts_for_a_while_and_then_there_is_a_new_one() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &card());
        it.hears(60, "a", Change::Ended, false);
        assert_eq!(
            it.hears(120, "a", Change::Began, false),
            ["RefreshAlertCard at 120"]
        );
        it.hears(180, "a", Change::Ended, false);
        assert_eq!(
            it.hears(7_200, "a", Change::Began, false),
            ["PostAlertCard at 7200"]
        );
        assert_eq!(
            (it.group.round, it.group.total, &it.group.card),
            (2, 1, &None)
        );
    }

    #[test]
    fn an_incident_is_opened_once_and_told_of_the_rest() {
        let mut it = Told::new(Then::Declare);
        assert_eq!(
            it.hears(0, "a", Change::Began, false),
            ["DeclareForAlerts at 0"]
        );
        assert_eq!(
            it.learns(1, &opened(1, "INC-1")),
            ["TellIncidentOfAlerts at 1"]
        );
        // The answer comes twice.
        assert_eq!(it.learns(2, &opened(1, "INC-1")), [""; 0]);
        assert_eq!(
            it.hears(9, "b", Change::Began, false),
            ["TellIncidentOfAlerts at 9"]
        );
        // However long all is over: people end an incident, not the silence of its alerts.
        it.hears(20, "a", Change::Ended, false);
        it.hears(20, "b", Change::Ended, false);
        assert_eq!(
            it.hears(90_000, "c", Change::Began, false),
            ["TellIncidentOfAlerts at 90000"]
        );
        assert_eq!(it.group.round, 1);
    }

    #[test]
    fn what_begins_after_the_end_of_its_incident_opens_another() {
        let mut it = Told::new(Then::Declare);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &opened(1, "INC-1"));
        it.hears(2, "a", Change::Ended, false);
        it.hears(60, "b", Change::Began, false);
        let over = GroupReport::IncidentOver {
            incident: IncidentId::new("INC-1"),
        };
        assert_eq!(it.learns(61, &over), ["DeclareForAlerts at 61"]);
        assert_eq!(it.learns(62, &over), [""; 0]);
        assert_eq!(it.group.title, "b");
        assert_eq!((it.group.round, it.group.firing, it.group.total), (2, 1, 1));
        // What the first declaration brought back comes late, and is of the first.
        assert_eq!(it.learns(63, &opened(1, "INC-1")), [""; 0]);
        assert_eq!(it.group.delivery().as_str(), "alerts/grp-1/1000000000/2");
        // Of before that was remembered.
        it.group.first_heard_at = None;
        assert_eq!(it.group.delivery().as_str(), "alerts/grp-1/2");
    }

    #[test]
    fn a_group_is_at_rest_when_nothing_that_it_knows_matters_any_more() {
        let limit = CutOffAfter {
            incidents: 2,
            within: SignedDuration::from_hours(24),
        };
        let mut it = Told::new(Then::Declare);
        it.hears(0, "a", Change::Began, false);
        let rests = |group: &Group, at| group.is_at_rest(limit, second(at));
        assert!(!rests(&it.group, 900_000), "it fires, however long");
        it.hears(10, "a", Change::Ended, false);
        assert!(!rests(&it.group, 1_800), "its card may be gone on with");
        assert!(rests(&it.group, 2_000));
        let with = |change: fn(&mut Group)| {
            let mut group = it.group.clone();
            change(&mut group);
            [rests(&group, 50_000), rests(&group, 90_000)]
        };
        let later = [false, true];
        assert_eq!(with(|it| it.declared.push(second(0))), later);
        assert_eq!(with(|it| it.snoozed_until = Some(second(80_000))), later);
        assert_eq!(with(|it| it.flaps_until = Some(second(80_000))), later);
        assert_eq!(with(|it| it.cut_off_until = Some(second(80_000))), later);
    }

    fn quieted(round: u32) -> GroupReport {
        GroupReport::Quieted {
            round,
            incident: IncidentId::new("INC-9"),
        }
    }

    fn unquieted() -> GroupReport {
        GroupReport::Unquieted {
            incident: IncidentId::new("INC-9"),
        }
    }

    #[test]
    fn what_a_more_urgent_incident_quiets_is_counted_there_and_told_when_that_is_over() {
        for (then, first) in [
            (Then::Declare, "DeclareForAlerts"),
            (Then::Notify, "PostAlertCard"),
        ] {
            let mut it = Told::new(then);
            assert_eq!(
                it.hears(0, "a", Change::Began, false),
                [format!("{first} at 0")]
            );
            assert_eq!(it.learns(1, &quieted(1)), ["TellIncidentOfAlerts at 1"]);
            assert!(it.group.tally(second(1)).is_quieted);
            it.hears(9, "b", Change::Began, false);
            it.hears(10, "a", Change::Ended, false);
            assert_eq!(
                it.hears(30, "c", Change::Began, false),
                ["TellIncidentOfAlerts at 30"]
            );
            assert_eq!(it.learns(60, &unquieted()), [format!("{first} at 60")]);
            assert_eq!(it.learns(61, &unquieted()), [""; 0]);
            assert_eq!((it.group.round, it.group.firing, it.group.total), (2, 2, 2));
            assert!(!it.group.tally(second(1)).is_quieted);
            // What the first round brought back comes late.
            assert_eq!(it.learns(62, &quieted(1)), [""; 0]);
        }
    }

    #[test]
    fn what_has_ended_while_it_was_quiet_is_not_told_and_what_begins_next_is() {
        let mut it = Told::new(Then::Declare);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &quieted(1));
        it.hears(9, "a", Change::Ended, false);
        assert_eq!(it.learns(60, &unquieted()), [""; 0]);
        assert_eq!(
            it.hears(70, "b", Change::Began, false),
            ["DeclareForAlerts at 70"]
        );
        assert_eq!((it.group.title.as_str(), it.group.total), ("b", 1));
    }

    #[test]
    fn what_grows_more_urgent_while_it_is_quiet_asks_anew() {
        let mut it = Told::new(Then::Declare);
        it.routed.urgency = 2;
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &quieted(1));
        it.hears(9, "b", Change::Began, false);
        it.routed.urgency = 0;
        assert_eq!(
            it.hears(20, "c", Change::Began, false),
            ["DeclareForAlerts at 20"]
        );
        assert_eq!((it.group.firing, it.group.title.as_str()), (3, "c"));
    }

    #[test]
    fn what_declares_too_many_incidents_is_cut_off_and_counted_until_somebody_or_time_lets_it_go_on()
     {
        let limit = CutOffAfter {
            incidents: 2,
            within: SignedDuration::from_secs(600),
        };
        let mut it = Told::new(Then::Declare);
        assert_eq!(
            it.group.runs_away(limit, second(0)),
            None,
            "the first is declared"
        );
        it.hears(0, "a", Change::Began, false);
        for (round, at) in [(1, 10), (2, 60)] {
            let id = format!("INC-{round}");
            assert_eq!(it.group.runs_away(limit, second(at)), None);
            it.learns(at, &opened(round, &id));
            let incident = IncidentId::new(id);
            it.learns(at + 20, &GroupReport::IncidentOver { incident });
        }
        let until = it.group.runs_away(limit, second(90)).unwrap();
        assert_eq!(until, second(690));
        let cut = GroupReport::CutOff { round: 3, until };
        assert_eq!(
            it.learns(90, &cut),
            ["TellOfCutOff at 90", "DeclareForAlerts at 690"]
        );
        assert_eq!(it.hears(100, "b", Change::Began, false), [""; 0]);
        assert_eq!(it.group.firing, 2, "it is counted");
        let mut later = Told {
            group: it.group.clone(),
            routed: it.routed.clone(),
        };
        assert_eq!(
            it.learns(120, &GroupReport::Resumed),
            ["DeclareForAlerts at 120"]
        );
        assert_eq!(it.learns(121, &GroupReport::Resumed), [""; 0]);
        // The others end meanwhile: nothing is left to tell, and what begins next is.
        later.hears(200, "a", Change::Ended, false);
        later.hears(200, "b", Change::Ended, false);
        assert_eq!(later.learns(690, &GroupReport::Resumed), [""; 0]);
        assert_eq!(
            later.hears(700, "c", Change::Began, false),
            ["DeclareForAlerts at 700"]
        );
        assert_eq!(later.group.runs_away(limit, second(700)), None);
    }

    #[test]
    fn people_make_a_card_part_of_an_incident() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &card());
        let attached = GroupReport::Attached {
            incident: IncidentId::new("INC-7"),
        };
        assert_eq!(
            it.learns(60, &attached),
            ["TellIncidentOfAlerts at 60", "RefreshAlertCard at 60"]
        );
        assert_eq!(it.learns(61, &attached), [""; 0]);
        assert_eq!(
            it.hears(90, "b", Change::Began, false),
            ["TellIncidentOfAlerts at 90"]
        );
    }

    #[test]
    fn what_is_snoozed_is_told_once_when_that_is_over() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &card());
        let until = second(3_600);
        let snoozed = GroupReport::Snoozed { until };
        assert_eq!(it.learns(60, &snoozed), ["RefreshAlertCard at 60"]);
        assert_eq!(
            it.hears(90, "b", Change::Began, false),
            ["RefreshAlertCard at 3600"]
        );
        assert_eq!(it.hears(95, "c", Change::Began, false), [""; 0]);
        assert_eq!(
            it.hears(3_700, "d", Change::Began, false),
            ["RefreshAlertCard at 3700"]
        );
    }

    #[test]
    fn what_is_over_while_it_is_snoozed_shows_at_once() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &card());
        it.learns(
            60,
            &GroupReport::Snoozed {
                until: second(3_600),
            },
        );
        it.hears(90, "b", Change::Began, false);
        assert_eq!(it.hears(95, "a", Change::Ended, false), [""; 0]);
        assert_eq!(
            it.hears(99, "b", Change::Ended, false),
            ["RefreshAlertCard at 99"]
        );
        // What fires again is silent as before.
        assert_eq!(
            it.hears(120, "a", Change::Began, false),
            ["RefreshAlertCard at 3600"]
        );
    }

    #[test]
    fn the_first_who_takes_alerts_over_has_them() {
        let mut it = Told::new(Then::Notify);
        it.hears(0, "a", Change::Began, false);
        it.learns(1, &card());
        let takes = |name: &str| {
            let by = Who {
                slack: None,
                name: name.to_owned(),
            };
            GroupReport::Acknowledged { by }
        };
        assert_eq!(it.learns(60, &takes("ana")), ["RefreshAlertCard at 60"]);
        assert_eq!(it.learns(61, &takes("bo")), [""; 0]);
        assert_eq!(it.group.acknowledged_by.unwrap().name, "ana");
    }

    #[test]
    fn what_is_suppressed_is_kept_and_not_told() {
        let mut it = Told::new(Then::Suppress);
        assert_eq!(it.hears(0, "a", Change::Began, false), [""; 0]);
        assert_eq!(it.hears(9, "a", Change::Ended, false), [""; 0]);
        assert_eq!(it.group.total, 1);
    }
}
