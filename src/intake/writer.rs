//! The writer of alerts: decides on what waits and writes it down together.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};
use uuid::Uuid;

use super::{Ask, IntakeError, Pending, Release, Request, Taken, failed};
use crate::clock::Clock;
use crate::domain::alert::{self, Alert, Change, Flapping, expire, fold};
use crate::domain::catalog::{Catalog, Then};
use crate::domain::effect::Lane;
use crate::domain::group::{Group, GroupReport, Routed};
use crate::domain::quiet::{Hold, Inhibiting, Looked, rooms_of, told_late};
use crate::domain::routing::{Routing, RoutingNow};
use crate::domain::terms::{DeliveryId, GroupId};
use crate::store::Store;
use crate::store::alerts::{AlertCommit, AlertId, HeldAlert, HeldGroup, KeptAlert, KeptBody};
use crate::store::write::CommitError;

/// Requests that share a commit.
const BATCH: usize = 256;
/// Conditions that are kept in memory: about 10 MB.
const ALERTS_KEPT: usize = 20_000;
/// Groups that are kept in memory: most are some 2 KB, and a group that is new is looked for in the store all the same.
const GROUPS_KEPT: usize = 5_000;
/// How long after it came in it is written or not.
const WRITTEN: Duration = Duration::from_secs(5);
/// How often a batch is decided anew when others were faster.
const ROUNDS: usize = 50;
/// Orders for later than this ring no bell.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// How long a delivery is remembered: senders repeat one for an hour at the most (alert-payloads.md, summary; SNS 3,600 s,
/// EventBridge 24 h).
const REMEMBER_DELIVERY: SignedDuration = SignedDuration::from_hours(48);
/// The writer: the only one who decides on alerts.
pub(super) struct Writer {
    store: Store,
    routing: Routing,
    clock: Clock,
    /// When a condition is called flapping.
    flapping: Flapping,
    /// What is known, as of its last commit here; it may be older than the store's if another replica wrote.
    alerts: HashMap<AlertId, HeldAlert>,
    groups: HashMap<GroupId, HeldGroup>,
}

/// What one request says of one condition, and where that belongs.
struct Signal<'a> {
    id: AlertId,
    alert: &'a Alert,
    routed: Routed,
    inhibiting: Inhibiting,
}

/// Why a batch was not written.
enum Unwritten {
    /// One of them stands in the way of the others.
    Together(IntakeError),
    /// Decide again.
    Conflict,
    /// The store's trouble.
    Store(IntakeError),
}

impl Writer {
    pub(super) fn new(store: Store, catalog: &Catalog, clock: Clock) -> Self {
        Self {
            store,
            routing: Routing::new(catalog),
            flapping: catalog.alerts.flapping,
            clock,
            alerts: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Pending>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            self.process(std::mem::take(&mut batch)).await;
        }
    }

    async fn process(&mut self, batch: Vec<Pending>) {
        let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(Pending::is_in_time);
        for pending in late {
            pending.answer(Err(IntakeError::Overloaded));
        }
        if batch.is_empty() {
            return;
        }
        match self.write_down(&batch).await {
            Ok(answers) => {
                for (pending, answer) in batch.into_iter().zip(answers) {
                    pending.answer(answer);
                }
            }
            Err(Unwritten::Together(_)) if batch.len() > 1 => {
                for pending in batch {
                    let answer = self.write_down(std::slice::from_ref(&pending)).await;
                    pending.answer(match answer {
                        Ok(mut answers) => answers.pop().unwrap_or(Err(IntakeError::Overloaded)),
                        Err(Unwritten::Together(error) | Unwritten::Store(error)) => Err(error),
                        Err(Unwritten::Conflict) => Err(IntakeError::Overloaded),
                    });
                }
            }
            Err(Unwritten::Together(error) | Unwritten::Store(error)) => {
                for pending in batch {
                    pending.answer(Err(error.clone()));
                }
            }
            Err(Unwritten::Conflict) => {
                warn!(
                    "gave {} requests up after {ROUNDS} rounds of conflicts",
                    batch.len()
                );
                for pending in batch {
                    pending.answer(Err(IntakeError::Overloaded));
                }
            }
        }
        forget_overflow(&mut self.alerts, ALERTS_KEPT);
        forget_overflow(&mut self.groups, GROUPS_KEPT);
    }

    /// Decides on all requests of a batch and writes what follows, until nobody else is faster.
    async fn write_down(
        &mut self,
        batch: &[Pending],
    ) -> Result<Vec<Result<Taken, IntakeError>>, Unwritten> {
        let earliest = batch.iter().filter_map(|pending| pending.since).min();
        let until = earliest.unwrap_or_else(Instant::now) + WRITTEN;
        let routing = self.routing.at(self.clock.now());
        let signals: Vec<Vec<Signal<'_>>> = batch
            .iter()
            .map(|pending| self.signals(&pending.ask, &routing))
            .collect();
        for round in 0..ROUNDS {
            match self.attempt(batch, &signals, until).await {
                Err(Unwritten::Conflict) => {
                    self.forget(batch, &signals);
                    tokio::time::sleep(Duration::from_millis(round as u64 % 5)).await;
                }
                done => return done,
            }
        }
        Err(Unwritten::Conflict)
    }

    fn signals<'a>(&self, ask: &'a Ask, routing: &RoutingNow<'_>) -> Vec<Signal<'a>> {
        match ask {
            Ask::Request(request) => {
                let alerts = request.alerts.iter();
                let signal = |alert| Signal {
                    id: AlertId::new(&request.source, alert),
                    routed: routing.route(&request.source, alert),
                    inhibiting: self.routing.inhibiting(&request.source, alert),
                    alert,
                };
                alerts.map(signal).collect()
            }
            Ask::Expire(kept) | Ask::Release(Release { waiting: kept, .. }) => {
                let signal = |kept: &'a KeptAlert| Signal {
                    id: kept.id.clone(),
                    routed: routing.route(kept.id.source(), &kept.alert),
                    inhibiting: self.routing.inhibiting(kept.id.source(), &kept.alert),
                    alert: &kept.alert,
                };
                kept.iter().map(signal).collect()
            }
            Ask::Learn { .. } => Vec::new(),
        }
    }

    async fn attempt(
        &mut self,
        batch: &[Pending],
        signals: &[Vec<Signal<'_>>],
        until: Instant,
    ) -> Result<Vec<Result<Taken, IntakeError>>, Unwritten> {
        let reading = self.read(batch, signals);
        let repeated = match timeout_at(until, reading).await {
            Ok(Ok(repeated)) => repeated,
            Ok(Err(cause)) => return Err(Unwritten::Store(failed(cause))),
            Err(_) => {
                let late = anyhow::anyhow!("the database did not answer in time");
                return Err(Unwritten::Store(failed(late)));
            }
        };
        let now = self.clock.now();
        let mut commit = AlertCommit::default();
        let mut delivered = BTreeSet::new();
        let mut answers = Vec::with_capacity(batch.len());
        for (pending, signals) in batch.iter().zip(signals) {
            answers.push(match &pending.ask {
                Ask::Request(request) => {
                    let is_new = request
                        .delivery
                        .as_ref()
                        .is_none_or(|id| !repeated.contains(id) && delivered.insert(id.clone()));
                    match is_new {
                        true => Ok(self.take(request, signals, &mut commit, now)),
                        false => Ok(Taken {
                            repeated: true,
                            ..Taken::default()
                        }),
                    }
                }
                Ask::Expire(_) => Ok(self.expire(signals, &mut commit, now)),
                Ask::Release(release) => Ok(self.release(release, signals, &mut commit, now)),
                Ask::Learn {
                    group,
                    report,
                    finishes,
                } => {
                    if let Some(lease) = finishes {
                        commit.finish(lease);
                    }
                    self.learn(group, report, &mut commit, now)
                }
            });
        }
        self.commit(commit, until).await?;
        Ok(answers)
    }

    /// Reads what is not in memory; gives the deliveries that were made before.
    async fn read(
        &mut self,
        batch: &[Pending],
        signals: &[Vec<Signal<'_>>],
    ) -> anyhow::Result<BTreeSet<DeliveryId>> {
        let ids = signals.iter().flatten().map(|signal| &signal.id);
        let missing: BTreeSet<&AlertId> = ids.filter(|id| !self.alerts.contains_key(*id)).collect();
        let missing: Vec<&AlertId> = missing.into_iter().collect();
        if !missing.is_empty() {
            let held = self.store.held_alerts(&missing).await?;
            self.alerts.extend(held);
        }
        let mut groups = BTreeSet::new();
        for signal in signals.iter().flatten() {
            groups.extend(touched(signal, self.alerts.get(&signal.id)));
        }
        groups.extend(batch.iter().filter_map(|pending| match &pending.ask {
            Ask::Learn { group, .. } => Some(group.clone()),
            Ask::Release(release) => Some(release.room.clone()),
            Ask::Request(_) | Ask::Expire(_) => None,
        }));
        groups.retain(|id| !self.groups.contains_key(id));
        let missing: Vec<&GroupId> = groups.iter().collect();
        if !missing.is_empty() {
            let held = self.store.groups(&missing).await?;
            self.groups
                .extend(held.into_iter().map(|held| (held.group.id.clone(), held)));
        }
        let deliveries = batch.iter().filter_map(|pending| match &pending.ask {
            Ask::Request(request) => request.delivery.as_ref(),
            Ask::Expire(_) | Ask::Release(_) | Ask::Learn { .. } => None,
        });
        let deliveries: Vec<&DeliveryId> = deliveries.collect();
        match deliveries.is_empty() {
            true => Ok(BTreeSet::new()),
            false => Ok(self
                .store
                .deliveries_made(&deliveries)
                .await?
                .into_iter()
                .collect()),
        }
    }

    /// Takes in what a request says.
    fn take(
        &self,
        request: &Request,
        signals: &[Signal<'_>],
        commit: &mut AlertCommit,
        now: Timestamp,
    ) -> Taken {
        let mut taken = Taken::default();
        let body = Uuid::now_v7().to_string();
        let mut is_worth_keeping = false;
        for signal in sources_first(signals) {
            let before = self.held(&signal.id, commit);
            let known = before.as_ref().map(|held| &held.tracked);
            let (Some(mut tracked), change) = fold(known, signal.alert, self.flapping, now) else {
                taken.unknown += 1;
                continue;
            };
            let change = match (&before, change) {
                (Some(before), Change::Counted) if self.has_grown(signal, before, commit) => {
                    Change::Began
                }
                (_, change) => change,
            };
            let kept;
            let inhibited = self.inhibited(signal, change, commit, now);
            let is_inhibited = inhibited.is_some();
            let signal = match inhibited {
                Some(inhibited) => {
                    kept = inhibited;
                    &kept
                }
                None => signal,
            };
            // An episode stays in the group in which it began, whatever the configuration says by now.
            let group = match (&before, change) {
                (
                    Some(before),
                    Change::Ended
                    | Change::Acknowledged
                    | Change::Remarked
                    | Change::Counted
                    | Change::Late,
                ) => before.group.clone(),
                (_, _) => signal.routed.group.clone(),
            };
            // Its end was lost on the way, or it counts elsewhere from now on.
            if change == Change::Began
                && let Some(before) = &before
                && before.tracked.status.is_active()
            {
                self.change_group(signal, &before.group, Change::Ended, None, commit, now);
            }
            if matches!(change, Change::Began | Change::Ended) {
                let before = std::mem::take(&mut tracked.quiets);
                self.quiet_no_more(&before, commit, now);
            }
            // Who is kept back quiets nobody: two that quiet each other would keep each other back for ever.
            if change == Change::Began && !is_inhibited {
                tracked.quiets.clone_from(&signal.inhibiting.quiets);
                for inhibitor in &tracked.quiets {
                    self.count_inhibitor(inhibitor, signal, true, commit, now);
                }
            }
            let flaps_until = tracked.flaps_until(self.flapping, now);
            let held = HeldAlert {
                version: before.as_ref().map_or(0, |held| held.version),
                tracked,
                group,
            };
            self.change_group(signal, &held.group, change, flaps_until, commit, now);
            match change {
                Change::Counted | Change::Late => commit.touch(signal.id.clone(), held),
                // It need not say more than of which condition.
                Change::Ended | Change::Acknowledged | Change::Remarked => {
                    is_worth_keeping = true;
                    taken.ended += usize::from(change == Change::Ended);
                    commit.touch(signal.id.clone(), held);
                }
                Change::Began => {
                    is_worth_keeping = true;
                    taken.began += 1;
                    commit.put(signal.id.clone(), held, signal.alert.clone(), body.clone());
                }
            }
        }
        if is_worth_keeping {
            commit.keep_body(&KeptBody {
                id: body,
                source: request.source.clone(),
                received_at: now,
                content_type: request.content_type.clone(),
                heading: request.heading.clone(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
            });
        }
        if let Some(delivery) = &request.delivery {
            let expires = now.checked_add(REMEMBER_DELIVERY).unwrap_or(Timestamp::MAX);
            commit.deliver(delivery, expires);
        }
        taken
    }

    /// Whether what was only told of, or not even that, is now worth an incident: a warning that has become critical. Or
    /// what was only counted on an incident is now more urgent than that.
    fn has_grown(&self, signal: &Signal<'_>, before: &HeldAlert, commit: &AlertCommit) -> bool {
        let Signal { alert, routed, .. } = signal;
        let held = self.held_group(&before.group, commit);
        let is_worth_more = match held.map(|held| held.group) {
            Some(group) if group.is_quieted => {
                routed.then != Then::Suppress && routed.urgency < group.urgency
            }
            group => {
                routed.then == Then::Declare
                    && routed.group != before.group
                    && group.is_none_or(|group| group.then != Then::Declare)
            }
        };
        alert.signal == alert::Signal::Firing && is_worth_more
    }

    fn expire(&self, signals: &[Signal<'_>], commit: &mut AlertCommit, now: Timestamp) -> Taken {
        let mut taken = Taken::default();
        for signal in signals {
            let Some(mut held) = self.held(&signal.id, commit) else {
                continue;
            };
            if !held.tracked.has_expired(now) {
                continue;
            }
            held.tracked = expire(&held.tracked, self.flapping, now);
            let quieted = std::mem::take(&mut held.tracked.quiets);
            self.quiet_no_more(&quieted, commit, now);
            let flaps_until = held.tracked.flaps_until(self.flapping, now);
            self.change_group(signal, &held.group, Change::Ended, flaps_until, commit, now);
            commit.touch(signal.id.clone(), held);
            taken.ended += 1;
        }
        taken
    }

    /// Lets go those of a room whom nobody keeps back any more: each goes where its route says by now. Who has gone
    /// already, here or at another replica, stands in another group.
    fn release(
        &self,
        release: &Release,
        signals: &[Signal<'_>],
        commit: &mut AlertCommit,
        now: Timestamp,
    ) -> Taken {
        commit.finish(&release.finishes);
        let room = &release.room;
        let Some(before) = self.held_group(room, commit) else {
            return Taken::default();
        };
        let mut looked = Looked {
            released: 0,
            waiting: 0,
            next: None,
            is_all: !release.has_more && before.group.version == release.version,
        };
        for (signal, kept) in signals.iter().zip(&release.waiting) {
            let waits = self
                .held(&signal.id, commit)
                .filter(|held| held.group == *room);
            let Some(mut held) = waits.filter(|held| held.tracked.status.is_active()) else {
                continue;
            };
            let inhibited = self.inhibited(signal, Change::Began, commit, now);
            let signal = inhibited.as_ref().unwrap_or(signal);
            if signal.routed.group == *room {
                let until = signal.routed.hold.as_ref().and_then(Hold::until);
                looked.next = looked.next.into_iter().chain(until).min();
                looked.waiting += 1;
                continue;
            }
            let since = held.tracked.started_at;
            let told = before
                .group
                .hold
                .as_ref()
                .map(|hold| told_late(signal.alert, since, hold));
            if held.tracked.quiets.is_empty() {
                held.tracked.quiets.clone_from(&signal.inhibiting.quiets);
                for inhibitor in &held.tracked.quiets {
                    self.count_inhibitor(inhibitor, signal, true, commit, now);
                }
            }
            let late = Signal {
                id: signal.id.clone(),
                alert: told.as_ref().unwrap_or(signal.alert),
                routed: signal.routed.clone(),
                inhibiting: Inhibiting::default(),
            };
            let flaps_until = held.tracked.flaps_until(self.flapping, now);
            self.change_group(&late, room, Change::Ended, flaps_until, commit, now);
            held.group = signal.routed.group.clone();
            self.change_group(&late, &held.group, Change::Began, flaps_until, commit, now);
            if let Some(mut after) = commit.take_group(&held.group) {
                let told = (signal.id.source(), &signal.alert.key);
                after.group.takes_over(told, &before.group, &held.tracked);
                commit.put_group(after, vec![], now);
            }
            let body = kept.body.clone().unwrap_or_default();
            commit.put(signal.id.clone(), held, signal.alert.clone(), body);
            looked.released += 1;
        }
        if let Some(mut after) = self.held_group(room, commit) {
            let orders = after.group.looked(looked, now);
            commit.put_group(after, orders, now);
        }
        Taken {
            began: looked.released,
            ..Taken::default()
        }
    }

    fn learn(
        &self,
        id: &GroupId,
        report: &GroupReport,
        commit: &mut AlertCommit,
        now: Timestamp,
    ) -> Result<Taken, IntakeError> {
        let Some(mut held) = self.held_group(id, commit) else {
            return Err(IntakeError::NoGroup);
        };
        let before = held.group.clone();
        let orders = held.group.learn(report, now);
        if held.group != before {
            commit.put_group(held, orders, now);
        }
        Ok(Taken::default())
    }

    fn change_group(
        &self,
        signal: &Signal<'_>,
        group: &GroupId,
        change: Change,
        flaps_until: Option<Timestamp>,
        commit: &mut AlertCommit,
        now: Timestamp,
    ) {
        if matches!(change, Change::Counted | Change::Late) {
            return;
        }
        let held = commit.take_group(group);
        let held = held.or_else(|| self.groups.get(group).cloned());
        // Nothing is told of a group that was forgotten until something begins in it.
        let held = held.or_else(|| {
            let new = || Group::new(&signal.routed, signal.id.source(), now);
            (change == Change::Began).then(|| HeldGroup::unheard_of(new(), now))
        });
        let Some(mut held) = held else {
            return;
        };
        let told = (signal.id.source(), signal.alert);
        let orders = held
            .group
            .take(&signal.routed, told, change, flaps_until, now);
        commit.put_group(held, orders, now);
    }

    /// The same, kept back, if it begins while an alert fires that quiets it. What is found there is written as it is: so
    /// the commit proves it, and whoever ends at the same time at another replica orders that it is looked at again.
    fn inhibited<'a>(
        &self,
        signal: &Signal<'a>,
        change: Change,
        commit: &mut AlertCommit,
        now: Timestamp,
    ) -> Option<Signal<'a>> {
        let routed = &signal.routed;
        if change != Change::Began || routed.hold.is_some() || routed.then == Then::Suppress {
            return None;
        }
        for hold in &signal.inhibiting.quieted_by {
            let Hold::Inhibition { inhibitor, .. } = hold else {
                continue;
            };
            let Some(held) = self.held_group(inhibitor, commit) else {
                continue;
            };
            let is_quieting = held.group.firing > 0;
            commit.put_group(held, vec![], now);
            if is_quieting {
                return Some(Signal {
                    id: signal.id.clone(),
                    alert: signal.alert,
                    routed: hold.clone().keep(routed.clone()),
                    inhibiting: signal.inhibiting.clone(),
                });
            }
        }
        None
    }

    fn count_inhibitor(
        &self,
        id: &GroupId,
        source: &Signal<'_>,
        begins: bool,
        commit: &mut AlertCommit,
        now: Timestamp,
    ) {
        let mut held = self.held_group(id, commit).unwrap_or_else(|| {
            HeldGroup::unheard_of(Group::inhibitor(id, source.id.source(), now), now)
        });
        held.group.quiets(begins, now);
        commit.put_group(held, vec![], now);
    }

    /// An alert that quieted others has ended. If it was the last, whoever waits for that is looked at.
    fn quiet_no_more(&self, inhibitors: &[GroupId], commit: &mut AlertCommit, now: Timestamp) {
        for id in inhibitors {
            let Some(mut held) = self.held_group(id, commit) else {
                continue;
            };
            held.group.quiets(false, now);
            let is_over = held.group.firing == 0;
            commit.put_group(held, vec![], now);
            for room in rooms_of(id).iter().filter(|_| is_over) {
                if let Some(mut held) = self.held_group(room, commit) {
                    let orders = held.group.may_let_go(now);
                    commit.put_group(held, orders, now);
                }
            }
        }
    }

    fn held(&self, id: &AlertId, commit: &AlertCommit) -> Option<HeldAlert> {
        commit.alert(id).or_else(|| self.alerts.get(id)).cloned()
    }

    fn held_group(&self, id: &GroupId, commit: &AlertCommit) -> Option<HeldGroup> {
        commit.group(id).or_else(|| self.groups.get(id)).cloned()
    }

    /// Writes a commit and remembers it.
    async fn commit(&mut self, commit: AlertCommit, until: Instant) -> Result<(), Unwritten> {
        if commit.is_empty() {
            return Ok(());
        }
        match self.store.commit_alerts(&commit, until).await {
            Ok(()) => {}
            Err(CommitError::Conflict | CommitError::Deadlock) => return Err(Unwritten::Conflict),
            Err(CommitError::LeaseLost) => return Err(Unwritten::Together(IntakeError::LeaseLost)),
            Err(CommitError::Unfit(cause)) => {
                return Err(Unwritten::Together(failed(cause.into())));
            }
            Err(CommitError::Json(cause)) => return Err(Unwritten::Together(failed(cause.into()))),
            Err(CommitError::Database(cause) | CommitError::Unclear(cause)) => {
                error!("The store failed while it wrote alerts: {cause}");
                // What reached the disk is not known: nothing in memory is to be trusted.
                self.alerts.clear();
                self.groups.clear();
                return Err(Unwritten::Store(failed(cause.into())));
            }
        }
        let soon = self.clock.now() + SOON;
        for lane in Lane::ALL {
            if commit.orders_by(lane, soon) {
                self.store.bells().ring(lane);
            }
        }
        let (alerts, groups) = commit.held();
        self.alerts.extend(alerts);
        self.groups.extend(groups);
        Ok(())
    }

    /// Drops from memory what a batch was decided on.
    fn forget(&mut self, batch: &[Pending], signals: &[Vec<Signal<'_>>]) {
        for signal in signals.iter().flatten() {
            let held = self.alerts.remove(&signal.id);
            for group in touched(signal, held.as_ref()) {
                self.groups.remove(&group);
            }
        }
        for pending in batch {
            match &pending.ask {
                Ask::Learn { group, .. } => drop(self.groups.remove(group)),
                Ask::Release(release) => drop(self.groups.remove(&release.room)),
                Ask::Request(_) | Ask::Expire(_) => {}
            }
        }
    }
}

/// Every group that a signal may have to do with.
fn touched(signal: &Signal<'_>, held: Option<&HeldAlert>) -> Vec<GroupId> {
    let Inhibiting { quiets, quieted_by } = &signal.inhibiting;
    let mut groups = vec![signal.routed.group.clone()];
    groups.extend(held.map(|held| held.group.clone()));
    let quieted_by = quieted_by.iter().filter_map(|hold| match hold {
        Hold::Inhibition { inhibitor, .. } => Some(inhibitor),
        Hold::Maintenance { .. } => None,
    });
    let before = held.map_or(&[][..], |held| &held.tracked.quiets);
    for inhibitor in quiets.iter().chain(quieted_by).chain(before) {
        groups.extend(rooms_of(inhibitor));
        groups.push(inhibitor.clone());
    }
    groups
}

/// The signals of a request, those of conditions that quiet others first: what they quiet may stand before them. Of one
/// condition all stay in their order.
fn sources_first<'s, 'a>(signals: &'s [Signal<'a>]) -> Vec<&'s Signal<'a>> {
    let quieting = signals.iter().filter(|it| !it.inhibiting.quiets.is_empty());
    let sources: BTreeSet<&AlertId> = quieting.map(|signal| &signal.id).collect();
    let mut ordered: Vec<&Signal<'_>> = signals.iter().collect();
    if !sources.is_empty() {
        ordered.sort_by_key(|signal| !sources.contains(&signal.id));
    }
    ordered
}

/// Drops half of what is in memory as long as it is too much: any half is as good as the other.
fn forget_overflow<K: Eq + Hash, V>(kept: &mut HashMap<K, V>, most: usize) {
    while kept.len() > most {
        let mut is_kept = false;
        kept.retain(|_, _| {
            is_kept = !is_kept;
            is_kept
        });
        kept.shrink_to(most);
    }
}
