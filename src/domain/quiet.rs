//! Keeping quiet: alerts that are kept and counted for a while instead of told. A page is never lost by it: what still
//! fires when the reason is gone is told then.
//!
//! Who is kept back waits in a room: a group of alerts that tells nothing. When the reason is gone an order of the room
//! (`ReleaseAlerts`) looks at each of them with the routes of that moment: it goes where it belongs, or waits on.

use std::collections::BTreeMap;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::catalog::{Catalog, Matcher, Then};
use super::group::Routed;
use super::hours::{Hours, instant};
use super::routing::{Matches, group_of, value};
use super::terms::{GroupId, ServiceId};

/// `[[maintenance]]`: a time in which alerts are expected, and nobody wants to be told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// The name for people.
    pub name: String,
    /// What an alert must carry to be meant, as in a route; empty: any.
    pub matches: BTreeMap<String, Matcher>,
    /// Of which service it must be; `None`: of any, or none.
    pub service: Option<ServiceId>,
    /// The beginning, by the wall clock of `timezone`; `None`: it has always held.
    pub from: Option<civil::DateTime>,
    /// The end (it holds no longer), later than `from`; `None`: it comes back for ever.
    pub to: Option<civil::DateTime>,
    /// The hours of the week between the two; `None`: all the time.
    pub every: Option<Hours>,
    /// The zone of all three.
    pub timezone: TimeZone,
}

impl Maintenance {
    /// Until when it holds, if it holds at this moment.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let bound =
            |local: Option<civil::DateTime>| local.and_then(|it| instant(it, &self.timezone));
        let (from, to) = (bound(self.from), bound(self.to));
        if from.is_some_and(|from| at < from) || to.is_some_and(|to| to <= at) {
            return None;
        }
        let hours = match &self.every {
            Some(hours) => Some(hours.until(at, &self.timezone)?),
            None => None,
        };
        // Without an end and without hours it would hold for ever: the configuration does not take that.
        [hours, to].into_iter().flatten().min()
    }
}

/// `[[inhibitions]]`: alerts that quiet others for as long as they fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inhibition {
    /// The name for people.
    pub name: String,
    /// What an alert must carry to quiet others.
    pub when: BTreeMap<String, Matcher>,
    /// What an alert must carry to be quieted. None quiets itself: what carries both is not quieted.
    pub quiets: BTreeMap<String, Matcher>,
    /// The labels that both must have, with the same values; one that is missing is no value.
    pub equal: Vec<String>,
}

/// After the last of the alerts that quieted them has ended, others wait for so long: most of them end with it, a little
/// later.
const ENDS_TOGETHER: SignedDuration = SignedDuration::from_mins(1);

/// Why alerts are kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Hold {
    /// By a maintenance.
    Maintenance {
        /// Its name.
        name: String,
        /// Until when it holds.
        until: Timestamp,
    },
    /// By other alerts that fire.
    Inhibition {
        /// The name of the rule.
        name: String,
        /// Where those are counted.
        inhibitor: GroupId,
    },
}

impl Hold {
    /// When to look whether they still are; none: whoever keeps them back says when.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Hold::Maintenance { until, .. } => Some(*until),
            // The last of those that quiet them orders it when it ends.
            Hold::Inhibition { .. } => None,
        }
    }

    /// Who kept them back, for a person: `the maintenance “Database move”`.
    pub fn words(&self) -> String {
        match self {
            Hold::Maintenance { name, .. } => format!("the maintenance “{name}”"),
            Hold::Inhibition { name, .. } => format!("the inhibition “{name}”"),
        }
    }

    /// Where those wait with which the same would be done. Apart, so that one that grows from a card into an incident
    /// is seen to grow.
    fn room(&self, then: Then) -> GroupId {
        match self {
            Hold::Maintenance { name, .. } => group_of(&["maintenance", name, then.word()]),
            Hold::Inhibition { inhibitor, .. } => room_of(inhibitor, then),
        }
    }

    /// The same alerts, kept back.
    pub fn keep(self, routed: Routed) -> Routed {
        Routed {
            group: self.room(routed.then),
            hold: Some(self),
            ..routed
        }
    }
}

fn room_of(inhibitor: &GroupId, then: Then) -> GroupId {
    group_of(&["inhibition", inhibitor.as_str(), then.word()])
}

/// Where those wait whom the alerts that are counted there quiet.
pub fn rooms_of(inhibitor: &GroupId) -> [GroupId; 2] {
    [Then::Declare, Then::Notify].map(|then| room_of(inhibitor, then))
}

/// When those are looked at whom nothing quiets any more.
pub fn after_inhibition(now: Timestamp) -> Timestamp {
    now.checked_add(ENDS_TOGETHER).unwrap_or(now)
}

/// What a room has seen when it looked whom it may let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// How many it let go.
    pub released: usize,
    /// How many wait on.
    pub waiting: usize,
    /// When the first of those that wait on may be let go; none: whoever keeps them back says when.
    pub next: Option<Timestamp>,
    /// Whether there was nobody else.
    pub is_all: bool,
}

impl Looked {
    /// When to look again; never: the room is empty.
    pub fn again(&self, now: Timestamp) -> Option<Timestamp> {
        match (self.is_all, self.released, self.waiting) {
            // Behind those there are others.
            (false, 1.., _) | (false, 0, 0) => Some(now),
            (true, _, _) | (false, 0, 1..) => self.next,
        }
    }
}

/// What keeps alerts back, ready to be asked.
#[derive(Debug)]
pub struct Quiet {
    windows: Vec<(Maintenance, Matches)>,
    inhibitions: Vec<Inhibits>,
}

/// A rule of inhibition, ready to be asked.
#[derive(Debug)]
struct Inhibits {
    name: String,
    /// What tells it from every other: an edit makes another of it.
    rule: String,
    when: Matches,
    quiets: Matches,
    equal: Vec<String>,
}

/// What an alert has to do with inhibitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inhibiting {
    /// Where it is counted while it fires: there it quiets others.
    pub quiets: Vec<GroupId>,
    /// What keeps it back while others are counted there.
    pub quieted_by: Vec<Hold>,
}

impl Inhibits {
    /// Where those are counted that quiet each other by it: all that have the same values.
    fn inhibitor(&self, source: &str, alert: &Alert) -> Option<GroupId> {
        let mut parts = vec!["inhibitor", self.rule.as_str()];
        for label in &self.equal {
            parts.push(value(source, alert, label).filter(|value| !value.is_empty())?);
        }
        Some(group_of(&parts))
    }
}

/// The same at one moment: what does not hold then is not asked.
#[derive(Debug)]
pub struct QuietNow<'a> {
    windows: Vec<(&'a Maintenance, &'a Matches, Timestamp)>,
}

impl Quiet {
    /// What a configuration keeps back.
    pub fn new(catalog: &Catalog) -> Self {
        let windows = catalog.maintenance.iter();
        let ready = windows.map(|it| (it.clone(), Matches::new(&it.matches)));
        let inhibitions = catalog.inhibitions.iter().map(|it| Inhibits {
            name: it.name.clone(),
            rule: format!("{it:?}"),
            when: Matches::new(&it.when),
            quiets: Matches::new(&it.quiets),
            equal: it.equal.clone(),
        });
        Self {
            windows: ready.collect(),
            inhibitions: inhibitions.collect(),
        }
    }

    /// What an alert has to do with inhibitions. Nothing is asked where there are none.
    pub fn inhibiting(&self, source: &str, alert: &Alert) -> Inhibiting {
        let mut found = Inhibiting::default();
        for rule in &self.inhibitions {
            let is_source = rule.when.are_met(source, alert);
            if !is_source && !rule.quiets.are_met(source, alert) {
                continue;
            }
            match (rule.inhibitor(source, alert), is_source) {
                (Some(inhibitor), true) => found.quiets.push(inhibitor),
                (Some(inhibitor), false) => found.quieted_by.push(Hold::Inhibition {
                    name: rule.name.clone(),
                    inhibitor,
                }),
                (None, _) => {}
            }
        }
        found
    }

    /// What holds at this moment.
    pub fn at(&self, now: Timestamp) -> QuietNow<'_> {
        let windows = self.windows.iter();
        let holding = windows.filter_map(|(it, matches)| Some((it, matches, it.until(now)?)));
        QuietNow {
            windows: holding.collect(),
        }
    }
}

impl QuietNow<'_> {
    /// Why an alert is kept back, if it is: of several maintenances by the one that holds the longest. What a route
    /// tells nobody is not kept from anybody.
    pub fn hold(&self, source: &str, alert: &Alert, routed: &Routed) -> Option<Hold> {
        let windows = self
            .windows
            .iter()
            .filter(|_| routed.then != Then::Suppress);
        let meant = windows.filter(|(it, matches, _)| {
            (it.service.is_none() || it.service == routed.service) && matches.are_met(source, alert)
        });
        let longest = meant.max_by_key(|(_, _, until)| *until);
        longest.map(|(it, _, until)| Hold::Maintenance {
            name: it.name.clone(),
            until: *until,
        })
    }
}

/// An alert as it is told when nobody keeps it back any more.
pub fn told_late(alert: &Alert, since: Timestamp, hold: &Hold) -> Alert {
    let kept = format!("It was kept back by {}.", hold.words());
    Alert {
        started_at: alert.started_at.or(Some(since)),
        description: Some(match &alert.description {
            Some(said) => format!("{said}\n{kept}"),
            None => kept,
        }),
        ..alert.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Links, Signal};
    use crate::domain::terms::DedupKey;

    fn condition() -> Alert {
        Alert {
            key: DedupKey::new("k"),
            signal: Signal::Firing,
            name: "n".into(),
            title: "t".into(),
            description: None,
            severity: None,
            labels: BTreeMap::new(),
            links: Links::default(),
            remark: None,
            started_at: None,
            ended_at: None,
            expires_at: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(from: Option<&str>, to: Option<&str>, every: Option<&str>) -> Maintenance {
        Maintenance {
            name: "Database move".into(),
            matches: BTreeMap::new(),
            service: None,
            from: from.map(|it| it.parse().unwrap()),
            to: to.map(|it| it.parse().unwrap()),
            every: every.map(|it| it.parse().unwrap()),
            timezone: TimeZone::get("America/Los_Angeles").unwrap(),
        }
    }

    #[test]
    fn a_maintenance_holds_from_its_first_to_before_its_last_moment() {
        let it = window(Some("2025-09-14T02:00"), Some("2025-09-14T04:00"), None);
        let end = at("2025-09-14T11:00:00Z");
        assert_eq!(it.until(at("2025-09-14T08:59:59Z")), None);
        assert_eq!(it.until(at("2025-09-14T09:00:00Z")), Some(end));
        assert_eq!(it.until(at("2025-09-14T10:59:59Z")), Some(end));
        assert_eq!(it.until(end), None);
    }

    #[test]
    fn a_maintenance_comes_back_every_week_within_its_bounds() {
        let it = window(None, Some("2025-09-15T00:00"), Some("Sun 22:00-02:00"));
        let night = |day: u32, hour: u32| at(&format!("2025-09-{day:02}T{hour:02}:00:00-07:00"));
        assert_eq!(it.until(night(7, 21)), None);
        assert_eq!(it.until(night(7, 22)), Some(night(8, 2)));
        assert_eq!(it.until(night(8, 1)), Some(night(8, 2)));
        assert_eq!(it.until(night(8, 2)), None);
        // The bound cuts the last one short.
        assert_eq!(it.until(night(14, 23)), Some(night(15, 0)));
        assert_eq!(it.until(night(21, 23)), None);
    }

    #[test]
    fn hours_keep_to_the_wall_clock_when_it_is_moved() {
        let it = window(None, None, Some("Sun 01:00-04:00"));
        // In the night of 2 November the clocks go back: the hours last an hour longer.
        let until = it.until(at("2025-11-02T08:30:00Z")).unwrap();
        assert_eq!(until, at("2025-11-02T12:00:00Z"));
        let lasts = until.duration_since(at("2025-11-02T08:00:00Z"));
        assert_eq!(lasts, SignedDuration::from_hours(4));
    }

    #[test]
    fn a_room_looks_again_until_nobody_is_left() {
        let (now, later) = (at("2025-09-14T09:00:00Z"), at("2025-09-14T11:00:00Z"));
        let again = |released, waiting, next, is_all| {
            let looked = Looked {
                released,
                waiting,
                next,
                is_all,
            };
            looked.again(now)
        };
        assert_eq!(again(3, 0, None, true), None);
        assert_eq!(again(3, 0, None, false), Some(now));
        assert_eq!(again(3, 1, Some(later), true), Some(later));
        assert_eq!(again(3, 1, Some(later), false), Some(now));
        // A full page of those that wait on: looking again at once would go on for ever.
        assert_eq!(again(0, 9, Some(later), false), Some(later));
        assert_eq!(again(0, 9, None, false), None);
        // Somebody came in while it looked.
        assert_eq!(again(0, 0, None, false), Some(now));
    }

    #[test]
    fn what_quiets_and_what_is_quieted_meet_by_the_labels_that_are_equal() {
        let table = |label: &str, text: &str| {
            let matcher = Matcher::Equal(text.to_owned());
            BTreeMap::from([(label.to_owned(), matcher)])
        };
        let quiet = Quiet::new(&Catalog {
            inhibitions: vec![Inhibition {
                name: "node down".into(),
                when: table("alertname", "NodeDown"),
                quiets: BTreeMap::new(),
                equal: vec!["node".into()],
            }],
            ..Catalog::default()
        });
        let asked = |labels: &[(&str, &str)]| {
            let mut alert = condition();
            let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
            alert.labels = labels.collect();
            quiet.inhibiting("prometheus", &alert)
        };
        let down = asked(&[("alertname", "NodeDown"), ("node", "a")]);
        let full = asked(&[("alertname", "DiskFull"), ("node", "a")]);
        let other = asked(&[("alertname", "DiskFull"), ("node", "b")]);
        let inhibitor = |it: &Inhibiting| match it.quieted_by.as_slice() {
            [Hold::Inhibition { inhibitor, .. }] => inhibitor.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(down.quieted_by, [], "it does not quiet itself");
        assert_eq!(down.quiets, [inhibitor(&full)]);
        assert_ne!(down.quiets, [inhibitor(&other)]);
        // Without the label there is nothing that could be equal.
        assert_eq!(asked(&[("alertname", "DiskFull")]), Inhibiting::default());
    }
}
