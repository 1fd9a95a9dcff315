//! Does what the outbox orders: claims a due order by lease, does it, and brings what came of it back through the
//! engine. At least once: a repeated order looks first whether it had got through.
//!
//! Here stand the lanes, the leases, and how an order is put away; what each order does stands in `task`.

mod alerts;
mod audit;
mod calendars;
mod changes;
mod groups;
mod pages;
mod task;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use minijinja::Environment;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, error, info, info_span, warn};

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Report};
use crate::domain::effect::{Audience, Effect, Lane};
use crate::domain::event::Consequence;
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::{Actor, IncidentId};
use crate::engine::{Engine, EngineError, Envelope, Wish};
use crate::intake::Intake;
use crate::notify::Notifier;
use crate::notify::answer::LinkSecret;
use crate::notify::heartbeat::Heartbeat;
use crate::slack::client::{CALL_TIMEOUT, Call, Failure, Slack, Tenure, left_alone};
use crate::slack::message::Composer;
use crate::store::Store;
use crate::store::handover::{Handed, Taker};
use crate::store::outbox::{Claimed, Lease};
pub use audit::{AUDIT_EVERY, look_over};
use task::{Done, Task, store_trouble, waits};

/// How long an order is ours: longer than the longest call (10 s), so that no call outlives the right to make it, and
/// little more, so that after a crash nothing waits long. Renewed while the order is being done.
const LEASE: SignedDuration = SignedDuration::from_secs(13);
/// The same for clocks, which call nobody outside, and for pages: when a replica is killed, what it had begun leaves from
/// another one within seconds. A call that outlives its right is looked for before it is repeated.
const SHORT_LEASE: SignedDuration = SignedDuration::from_secs(4);
/// How long a call is waited for by which somebody is paged: it fits into what is left of a short lease, and whoever is not
/// reached by then is paged by another way.
const PAGE_PATIENCE: Duration = Duration::from_millis(2_500);
/// How often a lease is renewed: two renewals may fail before no call is begun any more.
const RENEW: Duration = Duration::from_millis(1_000);
/// No order to Slack is put off for longer. What is due later than this was put off by a clock that was ahead.
const HORIZON: SignedDuration = SignedDuration::from_mins(15);
/// Orders of one lane that are done at the same time. Slack takes about one message a second in each channel, so this
/// is about how many war rooms are served side by side.
const AT_ONCE: usize = 8;
/// Clocks that ring at the same time: what they bring is written down together, so the more, the faster.
const CLOCKS_AT_ONCE: usize = 256;
/// Pages by one way that are on their way at the same time.
const PAGES_AT_ONCE: usize = 32;
/// Orders of one lane that are taken over at the same time, as they are written.
const SEATS: usize = 32;
/// A clock that goes back by less is only being corrected.
const STEP_MS: i64 = 2_000;
/// The longest rest of a lane: another replica's orders are not rung in, they are looked for.
const REST: Duration = Duration::from_secs(1);
/// The rest of a lane whose due order somebody else has just claimed.
const OVERTAKEN: Duration = Duration::from_millis(50);
/// The first pause after a failure; doubled each time, up to [`PAUSE_MAX`].
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// The shortest time between two looks at a lane: under a storm of commits one look serves many of them.
const LOOK: Duration = Duration::from_millis(5);
/// The pause after orders had to be put back because a method has its pace: the next ones would most likely be put
/// back too, and each costs a write.
const PACED: Duration = Duration::from_millis(25);
/// The longest pause: when Slack is back after an hour, nothing waits longer than this.
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// An order that was tried so often is given up if Slack takes all others: it will never be done, and whatever stands
/// behind it waits. What Slack as a whole does not take waits for as long as it must.
const ATTEMPTS_MAX: i64 = 20;
/// For so long an order is tried in any case.
const TRIED_AT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// After so long it is given up although no other order shows that Slack takes orders; that Slack answers must do.
const TRIED_AT_MOST: SignedDuration = SignedDuration::from_hours(6);
/// How long ago another order may have gone through for that to count.
const OTHERS_LATELY: SignedDuration = SignedDuration::from_mins(30);

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An order was taken up.
    Did,
    /// Nothing is due.
    Idle,
}

/// The orders that were given up since this process began.
#[derive(Debug, Clone, Default)]
pub struct GivenUp {
    /// Those whose incident was told: they have left the outbox.
    pub told: i64,
    /// The last one of all.
    pub last: Option<Lost>,
}

/// An order that was given up.
#[derive(Debug, Clone, Serialize)]
pub struct Lost {
    /// Of which incident.
    pub incident: IncidentId,
    /// What was to be done.
    pub what: String,
    /// Why it was not.
    pub why: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// The dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    store: Store,
    engine: Engine,
    intake: Intake,
    catalog: Arc<Catalog>,
    clock: Clock,
    slack: Option<Arc<Slack>>,
    composer: Arc<Composer>,
    templates: Arc<Environment<'static>>,
    notifier: Notifier,
    public_url: Option<String>,
    link_secret: LinkSecret,
    owner: String,
    heartbeat: Option<Heartbeat>,
    trouble: Mutex<Option<String>>,
    paced: AtomicBool,
    /// Orders whose turn has not come, and when it will: they go back together, in one write.
    not_begun: Mutex<Vec<(Lease, Timestamp)>>,
    /// What keeps incidents from being announced.
    announce_trouble: Mutex<Option<String>>,
    given_up: Mutex<GivenUp>,
    /// The calendars that feed schedules.
    calendars: calendars::Calendars,
    /// Who is in the user groups of schedules.
    groups: Mutex<groups::Groups>,
    /// What was there when incidents were last told of changes.
    known_changes: Mutex<changes::Known>,
    /// When an order to Slack last went through, in milliseconds since 1970.
    through_ms: AtomicI64,
    /// The latest moment that was seen, in milliseconds since 1970.
    seen_ms: AtomicI64,
}

/// What the dispatcher works with.
#[derive(Debug)]
pub struct Tools {
    /// Where the orders wait.
    pub store: Store,
    /// The door through which results come back.
    pub engine: Engine,
    /// The door of alerts.
    pub intake: Intake,
    /// The configuration.
    pub catalog: Arc<Catalog>,
    /// The clock.
    pub clock: Clock,
    /// Slack; without it, what is to be said there waits.
    pub slack: Option<Arc<Slack>>,
    /// The messages.
    pub composer: Arc<Composer>,
    /// The words of exports, and of pages by other ways than Slack.
    pub templates: Arc<Environment<'static>>,
    /// The ways to people beside Slack.
    pub notifier: Notifier,
    /// Where people and providers reach us, without a slash at the end.
    pub public_url: Option<String>,
    /// What the links of e-mails are signed with.
    pub link_secret: LinkSecret,
    /// What tells this process's leases from every other's.
    pub owner: String,
    /// The addresses of the calendars that feed schedules, by the schedule's id.
    pub calendar_urls: BTreeMap<String, SecretString>,
    /// Who is told that all is well; none: nobody.
    pub heartbeat: Option<Heartbeat>,
}

impl Dispatcher {
    /// A dispatcher with these tools.
    pub fn new(tools: Tools) -> anyhow::Result<Self> {
        let Tools {
            store,
            engine,
            intake,
            catalog,
            clock,
            slack,
            composer,
            templates,
            notifier,
            public_url,
            link_secret,
            owner,
            calendar_urls,
            heartbeat,
        } = tools;
        Ok(Self {
            calendars: calendars::Calendars::new(calendar_urls)?,
            store,
            engine,
            intake,
            catalog,
            clock,
            slack,
            composer,
            templates,
            notifier,
            public_url,
            link_secret,
            owner,
            heartbeat,
            trouble: Mutex::default(),
            paced: AtomicBool::new(false),
            not_begun: Mutex::default(),
            announce_trouble: Mutex::default(),
            given_up: Mutex::default(),
            groups: Mutex::default(),
            known_changes: Mutex::default(),
            through_ms: AtomicI64::new(i64::MIN),
            seen_ms: AtomicI64::new(i64::MIN),
        })
    }

    /// The lanes that it works on: without Slack, what is to be said there waits in the outbox.
    pub fn lanes(&self) -> Vec<Lane> {
        Lane::ALL
            .into_iter()
            .filter(|lane| match lane {
                Lane::Clocks
                | Lane::Alerts
                | Lane::PagesBySlack
                | Lane::Email
                | Lane::Sms
                | Lane::Voice
                | Lane::Webhook => true,
                Lane::Chat => self.slack.is_some(),
            })
            .collect()
    }

    /// What keeps Slack from being told, or all of it, if anything does.
    pub fn trouble(&self) -> Option<String> {
        let trouble = locked(&self.trouble).clone();
        trouble.or_else(|| locked(&self.announce_trouble).clone())
    }

    /// What was given up.
    pub fn given_up(&self) -> GivenUp {
        locked(&self.given_up).clone()
    }

    /// Takes up one order of a lane, if one is due.
    pub async fn run_one(&self, lane: Lane) -> anyhow::Result<Step> {
        match self.claim(lane, 1).await?.pop() {
            Some(claimed) => {
                self.perform(claimed).await;
                self.put_back().await;
                Ok(Step::Did)
            }
            None => Ok(Step::Idle),
        }
    }

    /// Works on a lane until told to stop; then finishes what it has begun.
    pub async fn run(self: Arc<Self>, lane: Lane, stop: watch::Receiver<bool>) {
        let handed = self.store.handover().open(lane, self.taker(lane));
        tokio::join!(
            self.look_after(lane, stop.clone()),
            self.take_over(lane, handed, stop)
        );
        self.put_back().await;
    }

    /// As whom it takes orders over, and when their turns come.
    fn taker(&self, lane: Lane) -> Taker {
        let (slack, catalog, clock) =
            (self.slack.clone(), self.catalog.clone(), self.clock.clone());
        let turns = move |effect: &Effect, order: &str, channel: Option<&str>| {
            let turn = waits(slack.as_ref()?, &catalog, effect, order, channel)?;
            Some(turn.min(clock.now() + HORIZON))
        };
        Taker {
            owner: self.owner.clone(),
            lease: lease_of(lane),
            seats: SEATS,
            turns: Box::new(turns),
        }
    }

    /// Does the orders that are handed over as they are written. After the stop none comes any more.
    async fn take_over(
        self: &Arc<Self>,
        lane: Lane,
        mut orders: mpsc::UnboundedReceiver<Handed>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                handed = orders.recv() => {
                    let Some(Handed { claimed, seat }) = handed else { break };
                    let dispatcher = self.clone();
                    tasks.spawn(async move {
                        dispatcher.perform(claimed).await;
                        drop(seat);
                    });
                }
                Some(_) = tasks.join_next() => {}
                _ = stop.wait_for(|stop| *stop), if !orders.is_closed() => {
                    self.store.handover().close(lane);
                    orders.close();
                }
            }
        }
        tasks.join_all().await;
    }

    /// Looks for orders that are due.
    async fn look_after(self: &Arc<Self>, lane: Lane, mut stop: watch::Receiver<bool>) {
        let mut orders = self.store.bells().heard(lane);
        let mut tasks = JoinSet::new();
        while !*stop.borrow() {
            self.put_back().await;
            let free = at_once(lane) - tasks.len();
            let (claimed, rest) = match self.look(lane, free).await {
                Ok(looked) => looked,
                Err(cause) => {
                    error!(lane = lane.word(), "Could not look for orders: {cause:#}");
                    (vec![], REST)
                }
            };
            if claimed.is_empty() {
                tokio::select! {
                    _ = stop.changed() => {}
                    _ = orders.changed(), if free > 0 => {}
                    Some(_) = tasks.join_next() => {}
                    () = tokio::time::sleep(rest) => {}
                }
            }
            for claimed in claimed {
                let dispatcher = self.clone();
                tasks.spawn(async move { dispatcher.perform(claimed).await });
            }
            tokio::time::sleep(match self.paced.swap(false, Ordering::Relaxed) {
                true => PACED,
                false => LOOK,
            })
            .await;
            while tasks.try_join_next().is_some() {}
        }
        tasks.join_all().await;
    }

    /// Gives the orders back whose turn has not come. What cannot be given back comes back when its lease runs out.
    async fn put_back(&self) {
        let orders = std::mem::take(&mut *locked(&self.not_begun));
        if orders.is_empty() {
            return;
        }
        if let Err(cause) = self.store.put_back(&orders).await {
            warn!("Could not put {} orders back: {cause:#}", orders.len());
        }
    }

    /// Claims what is due, and says how long to rest if there is nothing. Looks before it claims: a look writes
    /// nothing.
    async fn look(&self, lane: Lane, limit: usize) -> anyhow::Result<(Vec<Claimed>, Duration)> {
        if limit == 0 {
            return Ok((vec![], REST));
        }
        let Some(at) = self.store.next_due(lane).await? else {
            return Ok((vec![], REST));
        };
        self.mind_the_clock().await?;
        match Duration::try_from(at.duration_since(self.clock.now())) {
            Ok(until) if !until.is_zero() => Ok((vec![], until.min(REST))),
            Ok(_) | Err(_) => Ok((self.claim(lane, limit as i64).await?, OVERTAKEN)),
        }
    }

    async fn claim(&self, lane: Lane, limit: i64) -> anyhow::Result<Vec<Claimed>> {
        self.mind_the_clock().await?;
        let now = self.clock.now();
        self.store
            .claim(lane, &self.owner, now, now + lease_of(lane), limit)
            .await
    }

    /// Minds a clock that was set back: what was due by then is due now, and no lease lasts longer for it. Clocks ring
    /// when they say, whatever the clock on the wall had said meanwhile.
    async fn mind_the_clock(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let seen = self.seen_ms.swap(now.as_millisecond(), Ordering::Relaxed);
        let beyond = match seen {
            i64::MIN => now + HORIZON,
            // Two lanes look at the same time.
            seen if now.as_millisecond() + STEP_MS > seen => return Ok(()),
            seen => {
                warn!(
                    "The clock was set back by {} s; what waits is done now",
                    (seen - now.as_millisecond()) / 1_000
                );
                now
            }
        };
        // A room of alerts that looks too early finds that it has to wait on.
        let mut brought = Ok(());
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Clocks) {
            let lane = self.store.bring_forward(lane, beyond, now, now + LEASE);
            brought = brought.and(lane.await);
        }
        if brought.is_err() {
            // The next look minds it again.
            self.seen_ms.store(seen, Ordering::Relaxed);
        }
        brought
    }

    /// Does one order and brings what came of it back.
    async fn perform(&self, claimed: Claimed) {
        let span = info_span!("order", incident.id = %claimed.incident, order = %claimed.lease.id, attempt = claimed.lease.attempts);
        async {
            let lease = &claimed.lease;
            let keeper = format!("{}#{}", lease.id, lease.attempts);
            let patience = patience_of(claimed.effect.lane());
            let tenure = Tenure::new(keeper, claimed.until, patience);
            let result = {
                let doing = self.do_it(&claimed, &tenure);
                tokio::pin!(doing);
                let mut renewals = tokio::time::interval(RENEW);
                renewals.tick().await;
                loop {
                    tokio::select! {
                        result = &mut doing => break result,
                        _ = renewals.tick() => {
                            let until = self.clock.now() + lease_of(claimed.effect.lane());
                            match self.store.renew(lease, until).await {
                                Ok(true) => tenure.renew(until),
                                Ok(false) => {
                                    // Whatever is still to be done of it is somebody else's.
                                    info!("Somebody else has taken the order over");
                                    self.forget(&tenure);
                                    return;
                                }
                                Err(cause) => warn!("Could not renew the lease: {cause:#}"),
                            }
                        }
                    }
                }
            };
            // Whoever has to wait for a turn goes on from there; whatever else came of it is a new beginning.
            if !matches!(result, Err(Failure::Later { .. })) {
                self.forget(&tenure);
            }
            let result = self.doubted(&claimed, result).await;
            if let Err(cause) = self.settle(&claimed, result).await {
                // The lease runs out, and the order is done again.
                error!("Could not put away the order {}: {cause:#}", lease.id);
            }
        }
        .instrument(span)
        .await;
    }

    fn forget(&self, tenure: &Tenure) {
        if let Some(slack) = &self.slack {
            slack.forget(tenure.keeper());
        }
    }

    /// Puts an order away by what came of it.
    async fn settle(&self, claimed: &Claimed, result: Result<Done, Failure>) -> anyhow::Result<()> {
        let Claimed { lease, effect, .. } = claimed;
        let now = self.clock.now();
        match result {
            Ok(Done::Quietly) => {
                self.note(effect, None);
                self.store.finish(lease).await?;
            }
            Ok(Done::With(report)) => {
                self.note(effect, None);
                self.report(claimed, Command::Record(report)).await?;
            }
            Ok(Done::ForGroup(report)) => {
                self.note(effect, None);
                self.report_to_group(claimed, report).await?;
            }
            Err(Failure::Later { at }) => {
                self.paced.store(true, Ordering::Relaxed);
                let until = at.max(now).min(now + HORIZON);
                locked(&self.not_begun).push((lease.clone(), until));
                self.store.bells().ring(effect.lane());
            }
            Err(Failure::Retry { why, .. }) if self.is_worn_out(claimed, now).await => {
                let why = format!("{why} (tried {} times)", lease.attempts);
                self.give_up(claimed, "worn_out", why, now).await?;
            }
            Err(Failure::Retry { after, why }) => {
                let pause = after.map_or_else(|| pause(lease), left_alone);
                warn!(
                    retry_in_s = pause.as_secs(),
                    "Will try again to {}: {why}",
                    effect.words()
                );
                self.note(effect, Some(&why));
                self.store.postpone(lease, now + pause, &why).await?;
            }
            Err(Failure::GiveUp { code, why, .. })
                if is_gone(&code) && self.left_room(claimed, &why).await? =>
            {
                // In the thread that serves from now on.
                self.store.postpone(lease, now, &why).await?;
            }
            Err(Failure::GiveUp { code, why, .. }) => {
                self.give_up(claimed, &code, why, now).await?;
            }
        }
        Ok(())
    }

    /// Gives an order up, and tells the incident where that helps.
    async fn give_up(
        &self,
        claimed: &Claimed,
        code: &str,
        why: String,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let Claimed {
            lease,
            incident,
            effect,
            ..
        } = claimed;
        warn!("Gave up to {} for {incident}: {why}", effect.words());
        metrics::counter!("firebell_orders_given_up_total", "effect" => effect.kind()).increment(1);
        let epitaph = self.epitaph(claimed, code, &why);
        {
            let mut given_up = locked(&self.given_up);
            given_up.told += i64::from(epitaph.is_some());
            given_up.last = Some(Lost {
                incident: incident.clone(),
                what: effect.words(),
                why: why.clone(),
                at: now,
            });
        }
        if let Effect::Announce = effect {
            *locked(&self.announce_trouble) = Some(why.clone());
        }
        match epitaph {
            Some(report) => self.report(claimed, Command::Record(report)).await?,
            None => {
                self.store.bury(lease, now, &why).await?;
            }
        }
        Ok(())
    }

    /// Whether an order was tried for long while Slack took others.
    async fn is_worn_out(&self, claimed: &Claimed, now: Timestamp) -> bool {
        let Some(slack) = &self.slack else {
            return false;
        };
        let tried = now.duration_since(claimed.ordered_at);
        if claimed.effect.lane() != Lane::Chat
            || claimed.lease.attempts < ATTEMPTS_MAX
            || tried < TRIED_AT_LEAST
        {
            return false;
        }
        let through_ms = self.through_ms.load(Ordering::Relaxed);
        let lately = now.as_millisecond() - OTHERS_LATELY.as_millis() as i64;
        let call = Call {
            now,
            ticket: "does Slack answer",
            tenure: None,
        };
        (through_ms > lately || tried > TRIED_AT_MOST) && slack.answers(call).await
    }

    /// Doubts that a war room is gone because Slack said so once: asks for it by its name. If it is there, the order is
    /// tried again.
    async fn doubted(
        &self,
        claimed: &Claimed,
        result: Result<Done, Failure>,
    ) -> Result<Done, Failure> {
        let why = match &result {
            Err(Failure::GiveUp { code, why, .. })
                if code == "channel_not_found" && claimed.effect.is_in_room() =>
            {
                why.clone()
            }
            _ => return result,
        };
        let Some(slack) = &self.slack else {
            return result;
        };
        let incident = self.store.incident(&claimed.incident).await;
        let incident = incident.map_err(|cause| store_trouble(&cause))?;
        let Some(Room::Channel { channel, .. }) = incident.map(|it| it.room.clone()) else {
            return result;
        };
        let call = Call {
            now: self.clock.now(),
            ticket: &claimed.lease.id,
            tenure: None,
        };
        match slack.is_alive(&channel, call).await? {
            true => Err(Failure::Retry { after: None, why }),
            false => result,
        }
    }

    /// Tells an incident that people still work on that its war room is gone. False: it is not, or nobody needs it.
    async fn left_room(&self, claimed: &Claimed, why: &str) -> anyhow::Result<bool> {
        let incident = self.store.incident(&claimed.incident).await?;
        let had_one = incident.is_some_and(|incident| {
            matches!(incident.room, Room::Channel { .. }) && incident.status.is_open()
        });
        if !claimed.effect.is_in_room() || !had_one {
            return Ok(false);
        }
        let report = Report::WarRoomLost {
            why: why.to_owned(),
        };
        let envelope = Envelope {
            wish: Wish::Pursue(claimed.incident.clone(), Command::Record(report)),
            actor: Actor::Firebell,
            delivery: None,
        };
        self.engine.handle(envelope).await?;
        Ok(true)
    }

    /// What the incident is told of an order that was given up; nothing, where telling would fail the same way.
    fn epitaph(&self, claimed: &Claimed, code: &str, why: &str) -> Option<Report> {
        let failed = |leaves| {
            Some(Report::Failed {
                what: claimed.effect.words(),
                why: why.to_owned(),
                leaves,
            })
        };
        match &claimed.effect {
            // A group of alerts has nobody to tell.
            effect if effect.is_of_alerts() => None,
            Effect::OpenWarRoom { .. } => Some(Report::WarRoomFailed {
                why: why.to_owned(),
            }),
            // What is tried in vain for a page is reported as it is tried.
            Effect::Notify { .. } | Effect::RefreshPage { .. } | Effect::EndPage { .. } => None,
            // The room is gone: whatever would be told there would fail too, and tell of that.
            effect if is_gone(code) && effect.is_in_room() => None,
            Effect::Post {
                to: Audience::Room, ..
            } => failed(Consequence::RoomUnheard),
            // That was the last resort.
            Effect::Post {
                to: Audience::Commander,
                ..
            } => None,
            Effect::Announce => failed(Consequence::Unannounced),
            _ => failed(Consequence::Nothing),
        }
    }

    async fn report(&self, claimed: &Claimed, command: Command) -> anyhow::Result<()> {
        match self
            .engine
            .report(claimed.incident.clone(), command, claimed.lease.clone())
            .await
        {
            Ok(_) => Ok(()),
            Err(EngineError::LeaseLost) => {
                info!("Somebody else has taken the order over");
                Ok(())
            }
            Err(EngineError::Refused(refusal)) => {
                info!("Nothing follows: {refusal}");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes what keeps Slack from being told; nothing: it can be told.
    pub fn note_trouble(&self, why: Option<String>) {
        *locked(&self.trouble) = why;
    }

    /// Notes what keeps incidents from being announced; nothing: they can be.
    pub fn note_announce_trouble(&self, why: Option<String>) {
        *locked(&self.announce_trouble) = why;
    }

    /// Notes how Slack took an order. A clock says nothing about Slack.
    fn note(&self, effect: &Effect, why: Option<&str>) {
        match effect.lane() {
            Lane::Chat => {
                if why.is_none() {
                    let now = self.clock.now().as_millisecond();
                    self.through_ms.store(now, Ordering::Relaxed);
                }
                if why.is_none() && *effect == Effect::Announce {
                    self.note_announce_trouble(None);
                }
                self.note_trouble(why.map(str::to_owned));
            }
            Lane::PagesBySlack => self.note_trouble(why.map(str::to_owned)),
            Lane::Clocks | Lane::Alerts | Lane::Email | Lane::Sms | Lane::Voice | Lane::Webhook => {
            }
        }
    }

    async fn do_it(&self, claimed: &Claimed, tenure: &Tenure) -> Result<Done, Failure> {
        if let Effect::Ring { timer } = &claimed.effect {
            // The clock's result is the ringing itself: it goes through the door with the lease.
            return match self.report(claimed, Command::Fire(timer.clone())).await {
                Ok(()) => Ok(Done::Quietly),
                Err(cause) => Err(store_trouble(&cause)),
            };
        }
        if claimed.effect.is_of_alerts() {
            let came = self.do_for_alerts(claimed, tenure).await?;
            return Ok(came.map_or(Done::Quietly, Done::ForGroup));
        }
        if claimed.effect == Effect::ReviewQuieted {
            if let Some(incident) = self.incident_of(claimed).await? {
                self.review_quieted(&incident).await?;
            }
            return Ok(Done::Quietly);
        }
        match &claimed.effect {
            Effect::Notify { page, via } => {
                return self.notify(claimed, *page, *via, tenure).await;
            }
            Effect::RefreshPage { page, at } => {
                return self.refresh_page(claimed, *page, at, tenure).await;
            }
            Effect::EndPage { page, at } => {
                return self.end_page(claimed, *page, at, tenure).await;
            }
            Effect::WriteLetter { seq, to } => return self.write_letter(claimed, *seq, to).await,
            _ => {}
        }
        let Some(slack) = &self.slack else {
            return Err(Failure::Later {
                at: self.clock.now() + PAUSE_MAX,
            });
        };
        let order = &claimed.lease.id;
        if let Some(at) = waits(slack, &self.catalog, &claimed.effect, order, None) {
            return Err(Failure::Later { at });
        }
        let Some(incident) = self.incident_of(claimed).await? else {
            return Ok(Done::Quietly);
        };
        let task = Task {
            dispatcher: self,
            slack,
            incident: &incident,
            claimed,
            call: Call {
                now: self.clock.now(),
                ticket: &claimed.lease.id,
                tenure: Some(tenure),
            },
        };
        task.run().await
    }

    /// The incident that gave an order, as it stands now.
    async fn incident_of(&self, claimed: &Claimed) -> Result<Option<Arc<Incident>>, Failure> {
        let found = self.store.incident(&claimed.incident).await;
        found.map_err(|cause| store_trouble(&cause))
    }
}

/// How long an order of a lane is ours.
fn lease_of(lane: Lane) -> SignedDuration {
    match lane {
        // A mail server may take its time for each line of the conversation.
        Lane::Chat | Lane::Alerts | Lane::Email => LEASE,
        Lane::Clocks | Lane::PagesBySlack | Lane::Sms | Lane::Voice | Lane::Webhook => SHORT_LEASE,
    }
}

/// How long one call to Slack is waited for.
fn patience_of(lane: Lane) -> Duration {
    match lane.is_of_pages() {
        true => PAGE_PATIENCE,
        false => CALL_TIMEOUT,
    }
}

/// How many orders of a lane are done at the same time.
fn at_once(lane: Lane) -> usize {
    match lane {
        Lane::Clocks => CLOCKS_AT_ONCE,
        Lane::Chat | Lane::Alerts => AT_ONCE,
        Lane::PagesBySlack | Lane::Email | Lane::Sms | Lane::Voice | Lane::Webhook => PAGES_AT_ONCE,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pause before the next attempt: doubled each time, and spread by what the order is called, so that what failed
/// together does not come back together.
fn pause(lease: &Lease) -> SignedDuration {
    let doublings = u32::try_from(lease.attempts - 1).unwrap_or(0).min(10);
    let pause = (PAUSE * 2_i32.pow(doublings)).min(PAUSE_MAX);
    let mut hasher = DefaultHasher::new();
    (&lease.id, lease.attempts).hash(&mut hasher);
    let percent = (hasher.finish() % 25) as i32;
    pause + pause * percent / 100
}

/// Slack's words for a channel that is no more.
fn is_gone(code: &str) -> bool {
    matches!(code, "is_archived" | "is_inactive" | "channel_not_found")
}
