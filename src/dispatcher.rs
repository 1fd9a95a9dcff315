//! Does what the outbox orders: claims a due order by lease, does it, and brings what came of it back through the
//! engine. At least once: a repeated order looks first whether it had got through.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use minijinja::Environment;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{Instrument, error, info, info_span, warn};

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::command::{Command, Report};
use crate::domain::effect::{Audience, Effect, Lane};
use crate::domain::event::{Event, ExportFormat, Invitee, KeptMessage, Mark, MessageRef};
use crate::domain::incident::{Incident, Place, Room};
use crate::domain::terms::{Actor, ChannelId, SlackUserId, Who};
use crate::engine::{Engine, EngineError, Envelope, Wish};
use crate::export;
use crate::slack::client::{Call, Channel, Destination, Failure, Outgoing, Slack};
use crate::slack::message::Composer;
use crate::slack::text::unescape;
use crate::store::Store;
use crate::store::outbox::{Claimed, Lease};

/// How long an order is ours. Short, so that after a crash nothing waits long; renewed while the order is being done.
const LEASE: SignedDuration = SignedDuration::from_secs(5);
/// How often a lease is renewed: two renewals may fail before it is lost.
const RENEW: Duration = Duration::from_millis(1_500);
/// Orders of one lane that are done at the same time. Slack takes about one message a second in each channel, so this
/// is about how many war rooms are served side by side.
const AT_ONCE: usize = 8;
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
/// How long a message waits when the room that it goes to is not there yet.
const ROOM_NOT_READY: SignedDuration = SignedDuration::from_millis(500);
/// Names that are tried for a war room: the wanted one, then `-2` to `-9`.
const NAMES: usize = 9;
/// How far Slack's clock may be behind ours when it says that a channel was created.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An order was taken up.
    Did,
    /// Nothing is due.
    Idle,
}

/// The dispatcher.
#[derive(Debug)]
pub struct Dispatcher {
    store: Store,
    engine: Engine,
    catalog: Arc<Catalog>,
    clock: Clock,
    slack: Option<Arc<Slack>>,
    composer: Arc<Composer>,
    templates: Arc<Environment<'static>>,
    owner: String,
    trouble: Mutex<Option<String>>,
    paced: AtomicBool,
}

/// What the dispatcher works with.
#[derive(Debug)]
pub struct Tools {
    /// Where the orders wait.
    pub store: Store,
    /// The door through which results come back.
    pub engine: Engine,
    /// The configuration.
    pub catalog: Arc<Catalog>,
    /// The clock.
    pub clock: Clock,
    /// Slack; without it, what is to be said there waits.
    pub slack: Option<Arc<Slack>>,
    /// The messages.
    pub composer: Arc<Composer>,
    /// The words of exports.
    pub templates: Arc<Environment<'static>>,
    /// What tells this process's leases from every other's.
    pub owner: String,
}

/// What came of an order.
enum Done {
    /// Nothing that the incident has to remember.
    Quietly,
    /// Something that it has.
    With(Report),
}

impl Dispatcher {
    /// A dispatcher with these tools.
    pub fn new(tools: Tools) -> Self {
        let Tools {
            store,
            engine,
            catalog,
            clock,
            slack,
            composer,
            templates,
            owner,
        } = tools;
        Self {
            store,
            engine,
            catalog,
            clock,
            slack,
            composer,
            templates,
            owner,
            trouble: Mutex::default(),
            paced: AtomicBool::new(false),
        }
    }

    /// The lanes that it works on: without Slack, what is to be said there waits in the outbox.
    pub fn lanes(&self) -> Vec<Lane> {
        Lane::ALL
            .into_iter()
            .filter(|lane| match lane {
                Lane::Clocks => true,
                Lane::Chat => self.slack.is_some(),
            })
            .collect()
    }

    /// What keeps Slack from being told, if anything does.
    pub fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes up one order of a lane, if one is due.
    pub async fn run_one(&self, lane: Lane) -> anyhow::Result<Step> {
        match self.claim(lane, 1).await?.pop() {
            Some(claimed) => {
                self.perform(claimed).await;
                Ok(Step::Did)
            }
            None => Ok(Step::Idle),
        }
    }

    /// Works on a lane until told to stop; then finishes what it has begun.
    pub async fn run(self: Arc<Self>, lane: Lane, mut stop: watch::Receiver<bool>) {
        let mut orders = self.engine.orders(lane);
        let mut tasks = JoinSet::new();
        while !*stop.borrow() {
            let free = AT_ONCE - tasks.len();
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

    /// Claims what is due, and says how long to rest if there is nothing. Looks before it claims: a look writes
    /// nothing.
    async fn look(&self, lane: Lane, limit: usize) -> anyhow::Result<(Vec<Claimed>, Duration)> {
        if limit == 0 {
            return Ok((vec![], REST));
        }
        let Some(at) = self.store.next_due(lane).await? else {
            return Ok((vec![], REST));
        };
        match Duration::try_from(at.duration_since(self.clock.now())) {
            Ok(until) if !until.is_zero() => Ok((vec![], until.min(REST))),
            Ok(_) | Err(_) => Ok((self.claim(lane, limit as i64).await?, OVERTAKEN)),
        }
    }

    async fn claim(&self, lane: Lane, limit: i64) -> anyhow::Result<Vec<Claimed>> {
        let now = self.clock.now();
        self.store
            .claim(lane, &self.owner, now, now + LEASE, limit)
            .await
    }

    /// Does one order and brings what came of it back.
    async fn perform(&self, claimed: Claimed) {
        let span = info_span!("order", incident.id = %claimed.incident, order = %claimed.lease.id, attempt = claimed.lease.attempts);
        async {
            let lease = claimed.lease.clone();
            let doing = self.do_it(&claimed);
            tokio::pin!(doing);
            let mut renewals = tokio::time::interval(RENEW);
            renewals.tick().await;
            let result = loop {
                tokio::select! {
                    result = &mut doing => break result,
                    _ = renewals.tick() => {
                        if let Err(cause) = self.store.renew(&lease, self.clock.now() + LEASE).await {
                            warn!("Could not renew the lease: {cause:#}");
                        }
                    }
                }
            };
            if let Err(cause) = self.settle(&claimed, result).await {
                // The lease runs out, and the order is done again.
                error!("Could not put away the order {}: {cause:#}", lease.id);
            }
        }
        .instrument(span)
        .await;
    }

    /// Puts an order away by what came of it.
    async fn settle(&self, claimed: &Claimed, result: Result<Done, Failure>) -> anyhow::Result<()> {
        let Claimed {
            lease,
            incident,
            effect,
            ..
        } = claimed;
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
            Err(Failure::Later { at }) => {
                self.paced.store(true, Ordering::Relaxed);
                self.store.put_back(lease, at.max(now)).await?;
            }
            Err(Failure::Retry { after, why }) => {
                let pause = after
                    .and_then(|after| SignedDuration::try_from(after).ok())
                    .unwrap_or_else(|| pause(lease));
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
                warn!("Gave up to {} for {incident}: {why}", effect.words());
                match self.epitaph(claimed, &code, &why).await? {
                    Some(report) => self.report(claimed, Command::Record(report)).await?,
                    None => {
                        self.store.bury(lease, now, &why).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells an incident that people still work on that its war room is gone. False: it is not, or nobody needs it.
    async fn left_room(&self, claimed: &Claimed, why: &str) -> anyhow::Result<bool> {
        let incident = self.store.incident(&claimed.incident).await?;
        let had_one = incident.is_some_and(|incident| {
            matches!(incident.room, Room::Channel { .. }) && incident.status.is_open()
        });
        if claimed.effect.queue() != Some("room") || !had_one {
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
    async fn epitaph(
        &self,
        claimed: &Claimed,
        code: &str,
        why: &str,
    ) -> anyhow::Result<Option<Report>> {
        let failed = || Report::Failed {
            what: claimed.effect.words(),
            why: why.to_owned(),
        };
        Ok(match &claimed.effect {
            Effect::OpenWarRoom { .. } => Some(Report::WarRoomFailed {
                why: why.to_owned(),
            }),
            Effect::Post {
                to: Audience::Room, ..
            } => None,
            // The room is gone: whatever would be told there would fail too, and tell of that.
            effect if is_gone(code) && effect.queue() == Some("room") => None,
            _ => Some(failed()),
        })
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
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Notes how Slack took an order. A clock says nothing about Slack.
    fn note(&self, effect: &Effect, why: Option<&str>) {
        match effect.lane() {
            Lane::Chat => self.note_trouble(why.map(str::to_owned)),
            Lane::Clocks => {}
        }
    }

    async fn do_it(&self, claimed: &Claimed) -> Result<Done, Failure> {
        if let Effect::Ring { timer } = &claimed.effect {
            // The clock's result is the ringing itself: it goes through the door with the lease.
            return match self.report(claimed, Command::Fire(timer.clone())).await {
                Ok(()) => Ok(Done::Quietly),
                Err(cause) => Err(store_trouble(&cause)),
            };
        }
        let incident = self
            .store
            .incident(&claimed.incident)
            .await
            .map_err(|cause| store_trouble(&cause))?;
        let Some(incident) = incident else {
            return Ok(Done::Quietly);
        };
        let Some(slack) = &self.slack else {
            return Err(Failure::Later {
                at: self.clock.now() + PAUSE_MAX,
            });
        };
        let task = Task {
            dispatcher: self,
            slack,
            incident: &incident,
            claimed,
            call: Call {
                now: self.clock.now(),
                ticket: &claimed.lease.id,
            },
        };
        task.run().await
    }
}

/// One order that is being done.
struct Task<'a> {
    dispatcher: &'a Dispatcher,
    slack: &'a Slack,
    incident: &'a Incident,
    claimed: &'a Claimed,
    call: Call<'a>,
}

impl Task<'_> {
    async fn run(&self) -> Result<Done, Failure> {
        let composer = &self.dispatcher.composer;
        let (incident, call) = (self.incident, self.call);
        match &self.claimed.effect {
            // Rung before it came here.
            Effect::Ring { .. } => Ok(Done::Quietly),
            Effect::OpenWarRoom { name } => self.open_war_room(name).await,
            Effect::SetTopic => match self.room_channel() {
                Some(channel) => {
                    let topic = composer
                        .topic(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    self.slack
                        .set_topic(channel, &topic, call)
                        .await
                        .map(quietly)
                }
                None => Ok(Done::Quietly),
            },
            Effect::SetPurpose => match self.room_channel() {
                Some(channel) => {
                    let purpose = composer
                        .purpose(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    self.slack
                        .set_purpose(channel, &purpose, call)
                        .await
                        .map(quietly)
                }
                None => Ok(Done::Quietly),
            },
            Effect::Invite { invitees } => self.invite(invitees).await,
            Effect::PostCard => match (&incident.card, self.room_channel()) {
                // In a thread the announcement above it is the card.
                (Some(_), _) | (None, None) => Ok(Done::Quietly),
                (None, Some(_)) => {
                    let card = composer
                        .card(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    self.post_to_room(&card, false)
                        .await
                        .map(|at| Done::With(Report::CardPosted(at)))
                }
            },
            Effect::PinCard => match self.card() {
                Some(card) => self.slack.pin(card, call).await.map(quietly),
                None => Ok(Done::Quietly),
            },
            Effect::RefreshCard => match self.card() {
                Some(at) => {
                    let card = composer
                        .card(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    self.slack.update(at, &card, call).await.map(quietly)
                }
                None => Ok(Done::Quietly),
            },
            Effect::AddBookmarks => match self.room_channel() {
                Some(channel) => self
                    .slack
                    .bookmark(channel, &self.links(), call)
                    .await
                    .map(quietly),
                None => Ok(Done::Quietly),
            },
            Effect::PostChecklist { id } => match self.dispatcher.catalog.checklist(id) {
                Some(checklist) => {
                    let message = composer
                        .checklist(checklist)
                        .map_err(|cause| unmade(&cause))?;
                    self.post_to_room(&message, false).await.map(quietly)
                }
                // The configuration was edited since.
                None => Ok(Done::Quietly),
            },
            Effect::Announce => match incident.announcement {
                Some(_) => Ok(Done::Quietly),
                None => {
                    let message = composer
                        .announcement(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    let to = Destination {
                        channel: &incident.announce,
                        thread: None,
                        broadcast: false,
                    };
                    self.post(&to, &message)
                        .await
                        .map(|at| Done::With(Report::Announced(at)))
                }
            },
            Effect::RefreshAnnouncement => match &incident.announcement {
                Some(at) => {
                    let message = composer
                        .announcement(incident, call.now)
                        .map_err(|cause| unmade(&cause))?;
                    self.slack.update(at, &message, call).await.map(quietly)
                }
                None => Ok(Done::Quietly),
            },
            Effect::Post { to, seq } => self.tell(*to, *seq).await,
            Effect::FetchMessage { message, mark, by } => self.fetch(message, *mark, by).await,
            Effect::LearnNames { users } => {
                let mut names = Vec::new();
                for user in users {
                    let ticket = format!("{}/{user}", call.ticket);
                    let name = self
                        .slack
                        .name_of(
                            user,
                            Call {
                                ticket: &ticket,
                                ..call
                            },
                        )
                        .await?;
                    if name != user.as_str() {
                        names.push((user.clone(), name));
                    }
                }
                Ok(Done::With(Report::NamesLearned(names)))
            }
            Effect::UploadExport { format, seq } => self.upload(*format, *seq).await,
        }
    }

    /// Whether an earlier attempt may have got through without our knowing.
    fn is_repeated(&self) -> bool {
        self.claimed.lease.attempts > 1
    }

    /// The war room's channel; none for a thread.
    fn room_channel(&self) -> Option<&ChannelId> {
        match &self.incident.room {
            Room::Channel { channel, .. } => Some(channel),
            Room::Wanted { .. } | Room::Thread => None,
        }
    }

    /// The card, as long as the channel that it stands in is the war room.
    fn card(&self) -> Option<&MessageRef> {
        self.room_channel().and(self.incident.card.as_ref())
    }

    async fn open_war_room(&self, name: &str) -> Result<Done, Failure> {
        if !matches!(self.incident.room, Room::Wanted { .. }) {
            return Ok(Done::Quietly);
        }
        let names = self.names(name);
        let opened = |channel: Channel| {
            Done::With(Report::WarRoomOpened {
                channel: channel.id,
                name: channel.name,
            })
        };
        if self.is_repeated()
            && let Some(channel) = self.opened_before(&names).await?
        {
            return Ok(opened(channel));
        }
        for (n, name) in names.iter().enumerate() {
            let ticket = format!("{}/{n}", self.call.ticket);
            let call = Call {
                ticket: &ticket,
                ..self.call
            };
            match self.slack.create_channel(name, call).await {
                Ok(channel) => return Ok(opened(channel)),
                // Somebody else's, perhaps archived: never adopted.
                Err(failure) if failure.is("name_taken") => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::GiveUp {
            code: "name_taken".to_owned(),
            why: format!("the names #{name} to #{name}-{NAMES} are all taken"),
            users: vec![],
        })
    }

    /// The wanted name, then the same with `-2`, `-3` …, none longer than Slack allows.
    fn names(&self, name: &str) -> Vec<String> {
        /// slack-contract.md section 7
        const LONGEST: usize = 80;
        (1..=NAMES)
            .map(|n| match n {
                1 => name.to_owned(),
                n => {
                    let suffix = format!("-{n}");
                    let stem: String = name.chars().take(LONGEST - suffix.len()).collect();
                    stem + &suffix
                }
            })
            .collect()
    }

    /// A channel that an earlier attempt at this very order created: ours by its creator, of our time, and nobody's
    /// war room yet.
    async fn opened_before(&self, names: &[String]) -> Result<Option<Channel>, Failure> {
        let since = (self.claimed.ordered_at - CLOCKS_APART).as_second();
        for channel in self.slack.own_channels(names, self.call).await? {
            if channel.created < since {
                continue;
            }
            let taken = self
                .dispatcher
                .store
                .incident_in(&channel.id)
                .await
                .map_err(|cause| store_trouble(&cause))?;
            if taken.is_none() {
                return Ok(Some(channel));
            }
        }
        Ok(None)
    }

    async fn invite(&self, invitees: &[Invitee]) -> Result<Done, Failure> {
        let Some(channel) = self.room_channel() else {
            return Ok(Done::Quietly);
        };
        let mut users: Vec<SlackUserId> = Vec::new();
        let mut missing: Vec<String> = Vec::new();
        for invitee in invitees {
            match invitee {
                Invitee::User(user) => users.push(user.clone()),
                Invitee::Person(id) => {
                    let Some(person) = self.dispatcher.catalog.person(id) else {
                        continue;
                    };
                    match self.slack.user_of(person, self.call).await {
                        Ok(Some(user)) => users.push(user),
                        Ok(None) => missing.push(format!("{} (unknown to Slack)", person.name)),
                        Err(Failure::GiveUp { why, .. }) => {
                            missing.push(format!("{} ({why})", person.name))
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                Invitee::UserGroup(handle) => {
                    match self.slack.members_of_group(handle, self.call).await {
                        Ok(Some(members)) => users.extend(members),
                        Ok(None) => missing.push(format!("@{handle} (no such user group)")),
                        Err(Failure::GiveUp { why, .. }) => {
                            missing.push(format!("@{handle} ({why})"))
                        }
                        Err(failure) => return Err(failure),
                    }
                }
            }
        }
        let mut each = std::collections::HashSet::new();
        users.retain(|user| each.insert(user.clone()));
        if !users.is_empty() {
            let refused = self.slack.invite(channel, &users, self.call).await?;
            missing.extend(
                refused
                    .into_iter()
                    .map(|(user, code)| format!("{user} ({code})")),
            );
        }
        if missing.is_empty() {
            return Ok(Done::Quietly);
        }
        Ok(Done::With(Report::Failed {
            what: "invite everybody".to_owned(),
            why: format!(
                "{}. Mend [[people]] in firebell.toml, or invite them by hand",
                missing.join(", ")
            ),
        }))
    }

    /// What is worth a bookmark: the bridge, and the service's links.
    fn links(&self) -> Vec<(String, String)> {
        let catalog = &self.dispatcher.catalog;
        let bridge = catalog
            .slack
            .bridge
            .iter()
            .map(|link| ("Bridge".to_owned(), link.clone()));
        let service = self
            .incident
            .service
            .as_ref()
            .and_then(|id| catalog.service(id));
        let links = service
            .into_iter()
            .flat_map(|service| &service.links)
            .map(|(name, link)| {
                let mut title = name.clone();
                if let Some(first) = title.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                (title, link.clone())
            });
        bridge.chain(links).collect()
    }

    async fn tell(&self, to: Audience, seq: u64) -> Result<Done, Failure> {
        let store = &self.dispatcher.store;
        let recorded = store
            .event(&self.incident.id, seq)
            .await
            .map_err(|cause| store_trouble(&cause))?;
        let Some(recorded) = recorded else {
            return Ok(Done::Quietly);
        };
        let message = self
            .dispatcher
            .composer
            .notice(self.incident, &recorded)
            .map_err(|cause| unmade(&cause))?;
        match to {
            Audience::Room => {
                // In a thread, what everybody should know shows in the channel too.
                let broadcast = matches!(
                    recorded.event,
                    Event::UpdatePosted { .. } | Event::Resolved(_) | Event::Reopened { .. }
                );
                self.post_to_room(&message, broadcast).await.map(quietly)
            }
            Audience::Announce => {
                let to = Destination {
                    channel: &self.incident.announce,
                    thread: None,
                    broadcast: false,
                };
                self.post(&to, &message).await.map(quietly)
            }
        }
    }

    async fn post_to_room(
        &self,
        message: &Outgoing,
        broadcast: bool,
    ) -> Result<MessageRef, Failure> {
        let place = self.place()?;
        let to = Destination {
            channel: place.channel.as_str(),
            thread: place.thread.as_ref().map(|thread| &thread.ts),
            broadcast,
        };
        self.post(&to, message).await
    }

    fn place(&self) -> Result<Place, Failure> {
        if let Some(place) = self.incident.place() {
            return Ok(place);
        }
        let announce = Effect::Announce.words();
        let failures = &self.incident.failures;
        if !failures.iter().any(|(what, _)| *what == announce) {
            return Err(Failure::Later {
                at: self.call.now + ROOM_NOT_READY,
            });
        }
        // Neither a room nor an announcement that could serve instead: the commander hears of it all.
        let commander = self.incident.commander().and_then(|who| who.slack.as_ref());
        let user = commander.ok_or_else(|| Failure::GiveUp {
            code: "no_room".to_owned(),
            why: "there is neither a war room nor an announcement".to_owned(),
            users: vec![],
        })?;
        Ok(Place {
            channel: ChannelId::new(user.as_str()),
            thread: None,
        })
    }

    /// Posts once: a repeated attempt looks first whether an earlier one had got through.
    async fn post(&self, to: &Destination<'_>, message: &Outgoing) -> Result<MessageRef, Failure> {
        let order = &self.claimed.lease.id;
        if self.is_repeated()
            && let Some(at) = self
                .slack
                .posted_before(to, order, self.claimed.ordered_at, self.call)
                .await?
        {
            return Ok(at);
        }
        self.slack.post(to, message, order, self.call).await
    }

    async fn fetch(&self, at: &MessageRef, mark: Mark, by: &Who) -> Result<Done, Failure> {
        let Some(message) = self.slack.message(at, self.call).await? else {
            return Ok(Done::With(Report::Failed {
                what: "put a marked message on the timeline".to_owned(),
                why: "the message is gone".to_owned(),
            }));
        };
        let author = match &message.user {
            Some(user) => Who::slack(user.clone(), self.slack.name_of(user, self.call).await?),
            None => Who::named(message.bot_id.unwrap_or_else(|| "somebody".to_owned())),
        };
        let catalog = &self.dispatcher.catalog;
        let name_of = |id: &str| {
            let person = catalog.person_by_slack(&SlackUserId::parse(id)?)?;
            Some(person.name.clone())
        };
        Ok(Done::With(Report::MessageFetched(KeptMessage {
            message: at.clone(),
            author,
            text: unescape(&message.text, name_of),
            written_at: written_at(at).unwrap_or(self.call.now),
            mark,
            marked_by: by.clone(),
        })))
    }

    async fn upload(&self, format: ExportFormat, seq: u64) -> Result<Done, Failure> {
        let place = self.place()?;
        let incident = self.incident;
        let name = format!("{}-{seq}.{}", incident.id, format.extension());
        let thread = place.thread.as_ref().map(|thread| &thread.ts);
        if self.is_repeated() {
            let to = Destination {
                channel: place.channel.as_str(),
                thread,
                broadcast: false,
            };
            if self
                .slack
                .shared_before(&to, &name, self.claimed.ordered_at, self.call)
                .await?
            {
                return Ok(Done::Quietly);
            }
        }
        let Dispatcher {
            store,
            templates,
            catalog,
            ..
        } = self.dispatcher;
        let bytes = export::to_bytes(
            store,
            templates,
            catalog,
            &incident.id,
            format,
            self.call.now,
        )
        .await
        .map_err(|cause| unmade(&cause))?;
        let title = format!("{} {}", incident.id, incident.title);
        self.slack
            .upload(&place.channel, thread, &name, &title, &bytes, self.call)
            .await
            .map(quietly)
    }
}

impl Effect {
    /// What it does, in words that follow "could not".
    fn words(&self) -> String {
        match self {
            Effect::OpenWarRoom { name } => format!("open the war room #{name}"),
            Effect::SetTopic => "set the topic".to_owned(),
            Effect::SetPurpose => "set the purpose".to_owned(),
            Effect::Invite { .. } => "invite everybody".to_owned(),
            Effect::PostCard => "post the summary card".to_owned(),
            Effect::PinCard => "pin the summary card".to_owned(),
            Effect::RefreshCard => "update the summary card".to_owned(),
            Effect::AddBookmarks => "add the bookmarks".to_owned(),
            Effect::PostChecklist { id } => format!("post the checklist {id}"),
            Effect::Announce => "announce the incident".to_owned(),
            Effect::RefreshAnnouncement => "update the announcement".to_owned(),
            Effect::Post {
                to: Audience::Announce,
                ..
            } => "tell [slack].announce".to_owned(),
            Effect::Post {
                to: Audience::Room, ..
            } => "post into the war room".to_owned(),
            Effect::FetchMessage { .. } => "put a marked message on the timeline".to_owned(),
            Effect::LearnNames { .. } => "ask Slack for names".to_owned(),
            Effect::UploadExport { .. } => "upload the record".to_owned(),
            Effect::Ring { .. } => "ring a clock".to_owned(),
        }
    }
}

fn quietly<T>(_: T) -> Done {
    Done::Quietly
}

/// When a message was written: its `ts` is seconds since 1970, before the dot.
fn written_at(message: &MessageRef) -> Option<Timestamp> {
    let (seconds, micros) = message.ts.as_str().split_once('.')?;
    let millis: i64 = micros.get(..3)?.parse().ok()?;
    Timestamp::from_millisecond(seconds.parse::<i64>().ok()?.checked_mul(1_000)? + millis).ok()
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

fn unmade(cause: &anyhow::Error) -> Failure {
    Failure::GiveUp {
        code: "unmade".to_owned(),
        why: format!("{cause:#}"),
        users: vec![],
    }
}

fn store_trouble(cause: &anyhow::Error) -> Failure {
    Failure::Retry {
        after: None,
        why: format!("{cause:#}"),
    }
}
