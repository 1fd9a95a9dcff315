//! Alerts: what a sender says of a condition, in words of our own, and what we know of that condition by now.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::remark::Remark;
use super::terms::{DedupKey, GroupId};

/// What a sender says of one condition at one moment, whoever it is and whatever it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What tells this condition from every other of the same source.
    pub key: DedupKey,
    /// What is said of it.
    pub signal: Signal,
    /// What watches it: the name of the rule, alarm or monitor. Alerts of one name are grouped when nothing else is said.
    pub name: String,
    /// What is wrong, in a line.
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The sender's own word for how bad it is: `critical`, `P1`, `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// What it is about, by name: what routes match on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where to look.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// Who did something about it at the sender, or wrote of it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
    /// Since when, by the sender's clock; none: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Until when, by the sender's clock, of a condition that is over; none: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it counts as over unless it is said again: a Prometheus that falls silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How far apart two senders that watch the same may see it begin.
const SENDERS_APART: SignedDuration = SignedDuration::from_mins(2);

impl Alert {
    /// The same, in which no text mentions a person: where people write, `@U012ABCDE` is somebody whom they have named
    /// (see `templates::mrkdwn`); a machine names nobody.
    pub fn defused(mut self) -> Self {
        let labels = self.labels.values_mut();
        let remark = self.remark.iter_mut();
        let remark = remark.flat_map(|it| it.by.iter_mut().chain(&mut it.text));
        let texts = [&mut self.name, &mut self.title].into_iter();
        for text in texts
            .chain(&mut self.description)
            .chain(labels)
            .chain(remark)
        {
            if !text.contains('@') {
                continue;
            }
            // A word joiner, which nobody sees.
            for (mention, defused) in [("@U", "@\u{2060}U"), ("@W", "@\u{2060}W")] {
                *text = text.replace(mention, defused);
            }
        }
        self
    }
}

/// What is said of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// It holds.
    Firing,
    /// It holds, and somebody has it.
    Acknowledged,
    /// It holds, and whoever had it has given it back.
    Unacknowledged,
    /// It is over.
    Resolved,
    /// Something worth knowing, which neither begins nor ends it: a note, a change, a lack of data.
    Noted,
}

/// Where to look; each is an address beginning with `https://` or `http://`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// How it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<String>,
    /// Where it can be silenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// Where the sender shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Links {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It holds, and somebody has it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// Whether it holds.
    pub fn is_active(self) -> bool {
        self != AlertStatus::Resolved
    }

    /// The word under which it is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            AlertStatus::Firing => "firing",
            AlertStatus::Acknowledged => "acknowledged",
            AlertStatus::Resolved => "resolved",
        }
    }
}

/// What we know of a condition. An episode lasts from its beginning to its end; the next beginning is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// Counts from 1.
    pub episode: u32,
    /// Where it stands.
    pub status: AlertStatus,
    /// Since when this episode has lasted, by the sender's clock if it says.
    pub started_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
    /// When it was last spoken of.
    pub last_seen: Timestamp,
    /// How often this episode was said to hold.
    pub count: u64,
    /// When it counts as over unless it is said again.
    pub expires_at: Option<Timestamp>,
    /// How often it has begun or ended of late.
    pub turns: u32,
    /// Since when they are counted.
    pub turns_since: Timestamp,
    /// When it last began or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned_at: Option<Timestamp>,
    /// Where it is counted among those that quiet others, while it fires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiets: Vec<GroupId>,
}

/// When a condition that begins and ends again and again is called flapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    /// So many beginnings and ends …
    pub turns: u32,
    /// … within so long.
    pub within: SignedDuration,
}

/// What a signal did to what we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// An episode began.
    Began,
    /// It ended.
    Ended,
    /// Somebody has it.
    Acknowledged,
    /// Something was said of it that neither begins nor ends it.
    Remarked,
    /// Said again: a count.
    Counted,
    /// Said too late to matter: of an episode that is over, or that nobody had heard of.
    Late,
}

impl Flapping {
    /// Nothing is ever called so.
    pub const NEVER: Flapping = Flapping {
        turns: u32::MAX,
        within: SignedDuration::ZERO,
    };
}

impl Tracked {
    /// Until when it begins and ends so often that each turn is no news: until it has rested. None: it does not.
    pub fn flaps_until(&self, flapping: Flapping, now: Timestamp) -> Option<Timestamp> {
        let turned_at = self.turned_at.unwrap_or(self.turns_since);
        let until = turned_at.checked_add(flapping.within).ok()?;
        (self.turns >= flapping.turns && until > now).then_some(until)
    }

    /// When its episode counts as over because nobody speaks of it any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.status.is_active() && self.expires_at.is_some_and(|at| at <= now)
    }

    fn turn(&mut self, flapping: Flapping, now: Timestamp) {
        let counted_for = now.duration_since(self.turns_since);
        // What has begun to flap does so until it rests, however long that takes.
        if self.flaps_until(flapping, now).is_none() && counted_for > flapping.within {
            self.turns = 0;
            self.turns_since = now;
        }
        self.turns = self.turns.saturating_add(1);
        self.turned_at = Some(now);
    }

    fn begin(&mut self, alert: &Alert, flapping: Flapping, now: Timestamp) {
        self.episode += 1;
        self.status = AlertStatus::Firing;
        self.started_at = began(alert, now);
        self.ended_at = None;
        self.count = 1;
        self.turn(flapping, now);
    }

    fn end(&mut self, at: Timestamp, flapping: Flapping, now: Timestamp) {
        self.status = AlertStatus::Resolved;
        self.ended_at = Some(at);
        self.expires_at = None;
        self.turn(flapping, now);
    }
}

/// Nothing begins later than it is heard of.
fn began(alert: &Alert, now: Timestamp) -> Timestamp {
    alert.started_at.map_or(now, |at| at.min(now))
}

/// What is known of a condition after a signal, and what the signal did. Of a condition that nobody has heard of only a
/// beginning is remembered.
///
/// Signals come late, twice and in any order: an end belongs to an episode only if it is not older than its beginning,
/// and a beginning that is no newer than one that has ended is the same, told again.
pub fn fold(
    before: Option<&Tracked>,
    alert: &Alert,
    flapping: Flapping,
    now: Timestamp,
) -> (Option<Tracked>, Change) {
    let Some(before) = before else {
        return match alert.signal {
            Signal::Firing => (Some(first(alert, flapping, now)), Change::Began),
            Signal::Acknowledged | Signal::Unacknowledged | Signal::Resolved | Signal::Noted => {
                (None, Change::Late)
            }
        };
    };
    let mut after = before.clone();
    after.last_seen = after.last_seen.max(now);
    let change = match (alert.signal, before.status) {
        (Signal::Firing, _) if is_of_another_episode(alert, before) => {
            after.begin(alert, flapping, now);
            after.expires_at = alert.expires_at;
            Change::Began
        }
        (Signal::Firing, AlertStatus::Firing | AlertStatus::Acknowledged) => {
            after.count = after.count.saturating_add(1);
            after.expires_at = alert.expires_at;
            // Of two senders that watch the same, one may have seen it earlier.
            after.started_at = after.started_at.min(began(alert, now));
            Change::Counted
        }
        (Signal::Firing, AlertStatus::Resolved) => Change::Late,
        (Signal::Acknowledged, AlertStatus::Firing) => {
            after.status = AlertStatus::Acknowledged;
            Change::Acknowledged
        }
        (Signal::Unacknowledged, AlertStatus::Acknowledged) => {
            after.status = AlertStatus::Firing;
            Change::Remarked
        }
        (Signal::Unacknowledged, AlertStatus::Firing) => Change::Counted,
        (Signal::Acknowledged, AlertStatus::Acknowledged) => said_of(alert),
        (Signal::Resolved, AlertStatus::Firing | AlertStatus::Acknowledged) => {
            let at = alert.ended_at.map_or(now, |at| at.min(now));
            if at < before.started_at {
                Change::Late
            } else {
                after.end(at, flapping, now);
                Change::Ended
            }
        }
        (
            Signal::Acknowledged | Signal::Unacknowledged | Signal::Resolved,
            AlertStatus::Resolved,
        ) => Change::Late,
        (Signal::Noted, _) => said_of(alert),
    };
    (Some(after), change)
}

/// What a signal is that changes nothing: a remark, if it says something in words.
fn said_of(alert: &Alert) -> Change {
    let has_text = alert.remark.as_ref().is_some_and(|it| it.text.is_some());
    match has_text {
        true => Change::Remarked,
        false => Change::Counted,
    }
}

/// Whether what holds now is not what was known. Of one that had ended: it began later. Of one whose end we did not hear:
/// it began after we last heard of it, and not just a moment after, as two senders that watch the same may say.
fn is_of_another_episode(alert: &Alert, before: &Tracked) -> bool {
    match (alert.started_at, before.status) {
        (None, status) => !status.is_active(),
        (Some(at), AlertStatus::Resolved) => at > before.started_at,
        (Some(at), AlertStatus::Firing | AlertStatus::Acknowledged) => {
            at.duration_since(before.last_seen) > SENDERS_APART
        }
    }
}

fn first(alert: &Alert, flapping: Flapping, now: Timestamp) -> Tracked {
    let mut tracked = Tracked {
        episode: 0,
        status: AlertStatus::Firing,
        started_at: now,
        ended_at: None,
        last_seen: now,
        count: 0,
        expires_at: alert.expires_at,
        turns: 0,
        turns_since: now,
        turned_at: None,
        quiets: Vec::new(),
    };
    tracked.begin(alert, flapping, now);
    tracked
}

/// What is known of a condition after nobody has spoken of it for too long.
pub fn expire(before: &Tracked, flapping: Flapping, now: Timestamp) -> Tracked {
    let mut after = before.clone();
    after.end(before.expires_at.unwrap_or(now).min(now), flapping, now);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAPPING: Flapping = Flapping {
        turns: 4,
        within: SignedDuration::from_mins(30),
    };

    fn minute(n: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(100_000 + n)
    }

    fn said(signal: Signal) -> Alert {
        Alert {
            key: DedupKey::new("k"),
            signal,
            name: "HighErrorRate".into(),
            title: "5xx above 5 %".into(),
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

    fn since(signal: Signal, started: i64) -> Alert {
        Alert {
            started_at: Some(minute(started)),
            ..said(signal)
        }
    }

    fn ended(at: i64) -> Alert {
        Alert {
            ended_at: Some(minute(at)),
            ..said(Signal::Resolved)
        }
    }

    /// What each signal does, said at these minutes one after the other.
    fn changes(signals: &[(i64, Alert)]) -> (Option<Tracked>, Vec<Change>) {
        let mut known: Option<Tracked> = None;
        let mut changes = Vec::new();
        for (at, alert) in signals {
            let (after, change) = fold(known.as_ref(), alert, FLAPPING, minute(*at));
            known = after;
            changes.push(change);
        }
        (known, changes)
    }

    use Change::{Acknowledged, Began, Counted, Ended, Late};
    use Signal::{Firing, Noted, Resolved};

    #[test]
    fn an_alert_begins_is_counted_and_ends() {
        let (known, done) = changes(&[
            (0, since(Firing, -1)),
            (1, since(Firing, -1)),
            (2, said(Signal::Acknowledged)),
            (3, since(Firing, -1)),
            (9, ended(8)),
        ]);
        assert_eq!(done, [Began, Counted, Acknowledged, Counted, Ended]);
        let known = known.unwrap();
        assert_eq!((known.episode, known.count), (1, 3));
        assert_eq!(
            (known.started_at, known.ended_at),
            (minute(-1), Some(minute(8)))
        );
        assert_eq!(known.last_seen, minute(9));
    }

    #[test]
    fn where_flapping_is_off_each_turn_is_news_however_many_there_are() {
        let mut known = None;
        for n in 0..100 {
            let signal = [Firing, Resolved][n % 2];
            let now = minute(n as i64 / 10);
            known = fold(known.as_ref(), &said(signal), Flapping::NEVER, now).0;
            let known = known.as_ref().unwrap();
            assert_eq!(known.flaps_until(Flapping::NEVER, now), None);
        }
    }

    #[test]
    fn what_nobody_has_heard_of_does_not_end() {
        for signal in [Resolved, Signal::Acknowledged, Noted] {
            assert_eq!(changes(&[(0, said(signal))]), (None, vec![Late]));
        }
    }

    #[test]
    fn a_repetition_after_the_end_begins_nothing_and_a_newer_beginning_does() {
        let (known, done) = changes(&[
            (0, since(Firing, 0)),
            (5, ended(5)),
            // A repetition that was long on its way, and one from before.
            (6, since(Firing, 0)),
            (6, since(Firing, -3)),
            (9, since(Firing, 8)),
        ]);
        assert_eq!(done, [Began, Ended, Late, Late, Began]);
        let known = known.unwrap();
        assert_eq!((known.episode, known.count, known.ended_at), (2, 1, None));
    }

    #[test]
    fn who_does_not_say_since_when_begins_anew_each_time() {
        let (_, done) = changes(&[(0, said(Firing)), (1, said(Resolved)), (2, said(Firing))]);
        assert_eq!(done, [Began, Ended, Began]);
    }

    #[test]
    fn an_end_from_before_the_beginning_is_another_episodes() {
        let (known, done) = changes(&[(0, since(Firing, 0)), (1, ended(-2))]);
        assert_eq!(done, [Began, Late]);
        assert_eq!(known.unwrap().status, AlertStatus::Firing);
    }

    #[test]
    fn an_end_that_was_lost_shows_by_a_newer_beginning() {
        let (known, done) = changes(&[(0, since(Firing, 0)), (60, since(Firing, 58))]);
        assert_eq!(done, [Began, Began]);
        assert_eq!(known.unwrap().episode, 2);
        // Two senders that watch the same see it begin some seconds apart.
        let (known, done) = changes(&[(0, since(Firing, 0)), (1, since(Firing, 1))]);
        assert_eq!(done, [Began, Counted]);
        assert_eq!(known.unwrap().started_at, minute(0));
    }

    #[test]
    fn nothing_begins_or_ends_in_the_future() {
        let (known, _) = changes(&[(0, since(Firing, 7)), (9, ended(20))]);
        let known = known.unwrap();
        assert_eq!(
            (known.started_at, known.ended_at),
            (minute(0), Some(minute(9)))
        );
    }

    #[test]
    fn who_falls_silent_ends_when_it_said_that_it_would() {
        let expiring = Alert {
            expires_at: Some(minute(4)),
            ..said(Firing)
        };
        let (known, _) = changes(&[(0, expiring)]);
        let known = known.unwrap();
        assert!(!known.has_expired(minute(3)) && known.has_expired(minute(4)));
        let after = expire(&known, FLAPPING, minute(6));
        assert_eq!(
            (after.status, after.ended_at),
            (AlertStatus::Resolved, Some(minute(4)))
        );
        assert!(!after.has_expired(minute(9)));
    }

    #[test]
    fn what_begins_and_ends_again_and_again_flaps_until_it_rests() {
        let turns: Vec<_> = (0..4)
            .map(|n| (n, said(if n % 2 == 0 { Firing } else { Resolved })))
            .collect();
        let (known, _) = changes(&turns);
        let known = known.unwrap();
        assert_eq!(known.flaps_until(FLAPPING, minute(3)), Some(minute(33)));
        assert_eq!(known.flaps_until(FLAPPING, minute(33)), None);
        // It goes on, a little slower: no news.
        let (after, _) = fold(Some(&known), &said(Firing), FLAPPING, minute(32));
        let until = after.unwrap().flaps_until(FLAPPING, minute(32));
        assert_eq!(until, Some(minute(62)));
        let (after, _) = fold(Some(&known), &said(Firing), FLAPPING, minute(40));
        assert_eq!(after.unwrap().flaps_until(FLAPPING, minute(40)), None);
    }
}
