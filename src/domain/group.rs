//! Groups of alerts: a storm is told once. A group is one incident, or one card, for all alerts of the same service and
//! the same values.
//!
//! Here stands what a group knows and what alerts do to it. What people and orders tell it stands in `report`, what it says
//! of itself to its incident in `tally`, and the rooms of those who are kept back in `room`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Change, Links};
use super::catalog::{CutOffAfter, Then};
use super::command::Declaration;
use super::effect::{Effect, Order};
use super::event::MessageRef;
use super::lead::{self, Lead};
use super::quiet::Hold;
use super::raise::Raise;
use super::remark::{Deed, Remarked, keep, remember};
use super::terms::{DedupKey, DeliveryId, GroupId, IncidentId, ServiceId, SeverityId, Who};
use super::whereabouts::whereabouts;

mod report;
mod room;
mod tally;

pub use report::GroupReport;
pub use tally::{Tally, sources, unnamed};

/// Alerts of a group that are named; all others are counted.
const SAMPLES: usize = 5;
/// What a group has to say is said so often at the most: in a storm its counts change a hundred times a second.
const TOLD_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// What lasts for long is told less often, but not less often than this.
const TOLD_AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// What flaps is told so often at the most.
const FLAPS_TOLD: SignedDuration = SignedDuration::from_mins(5);
/// A card whose alerts fire again so soon after all were over tells of them; later there is a new one.
const CARD_LASTS: SignedDuration = SignedDuration::from_mins(30);

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
    /// Which condition that is; none, where an older version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub titled_by: Option<DedupKey>,
    /// What was said besides when it last began.
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
            titled_by: None,
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
                if self.titled_by.as_ref() == Some(&alert.key) {
                    self.description.clone_from(&alert.description);
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
        self.remark((source, alert), change, now);
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
        self.titled_by = Some(alert.key.clone());
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
    fn remark(&mut self, (source, alert): (&str, &Alert), change: Change, now: Timestamp) {
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
        // Who takes it, gives it back or ends it has changed how it stands: that is never a repetition.
        let is_turn =
            matches!(change, Change::Acknowledged | Change::Ended) || deed == Deed::Unacknowledged;
        let is_new = match is_turn {
            true => {
                keep(&mut self.remarks, remarked);
                true
            }
            false => remember(&mut self.remarks, remarked),
        };
        self.remarked += u64::from(is_new);
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
        let is_on_incident = match self.then {
            Then::Declare => true,
            Then::Notify => self.is_quieted,
            Then::Suppress => return Vec::new(),
        };
        // A card that is there is never left to say what is no more.
        let incident = is_on_incident.then_some(Effect::TellIncidentOfAlerts);
        let card = (!is_on_incident || self.card.is_some()).then_some(Effect::RefreshAlertCard);
        let tell = |due| {
            let effects = incident.into_iter().chain(card);
            effects.map(|effect| Order::Do { effect, due }).collect()
        };
        // Whoever sleeps over it is not woken by what is over, and finds it so.
        let is_over_snoozed = self.firing == 0 && self.silent_until(now) > now;
        if is_over_snoozed {
            self.told_at = now;
            return tell(now);
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
        tell(due)
    }
}

#[cfg(test)]
mod tests;
