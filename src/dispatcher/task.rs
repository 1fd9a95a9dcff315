//! What each order does: one order, one task, at the state of the moment in which it is done.

use jiff::{SignedDuration, Timestamp};

use super::Dispatcher;
use crate::domain::catalog::Catalog;
use crate::domain::command::Report;
use crate::domain::effect::{Audience, Effect};
use crate::domain::event::{
    Consequence, Event, ExportFormat, Invitee, KeptMessage, Mark, MessageRef, Recorded,
};
use crate::domain::group::GroupReport;
use crate::domain::incident::{Incident, Place, Room};
use crate::domain::page::Addressee;
use crate::domain::terms::{ChannelId, SlackUserId, Who};
use crate::domain::timeline::way;
use crate::export;
use crate::slack::client::{Call, Channel, Destination, Failure, Outgoing, Slack};
use crate::slack::text::{clean, unescape};
use crate::store::chain::Anchor;
use crate::store::outbox::Claimed;

/// How long a message waits when the room that it goes to is not there yet.
const ROOM_NOT_READY: SignedDuration = SignedDuration::from_millis(500);
/// Names that are tried for a war room: the wanted one, then `-2` to `-9`.
const NAMES: usize = 9;
/// How far Slack's clock may be behind ours when it says that a channel was created.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// What came of an order.
pub(super) enum Done {
    /// Nothing that the incident has to remember.
    Quietly,
    /// Something that it has.
    With(Report),
    /// Something that a group of alerts has to remember.
    ForGroup(GroupReport),
}

/// One order that is being done.
pub(super) struct Task<'a> {
    pub(super) dispatcher: &'a Dispatcher,
    pub(super) slack: &'a Slack,
    pub(super) incident: &'a Incident,
    pub(super) claimed: &'a Claimed,
    pub(super) call: Call<'a>,
}

/// When the turn of an order comes whose first call has to wait, where that is known without looking further: in a storm
/// most orders would be looked at only to learn that. `channel`: where it goes, if not where incidents are announced.
pub(super) fn waits(
    slack: &Slack,
    catalog: &Catalog,
    effect: &Effect,
    order: &str,
    channel: Option<&str>,
) -> Option<Timestamp> {
    match effect {
        Effect::OpenWarRoom { .. } => slack.opening_waits(&ticket_of_name(order, 0)),
        Effect::Announce | Effect::PostAlertCard => {
            slack.posting_waits(channel.unwrap_or(&catalog.slack.announce), order)
        }
        // Said where incidents are announced, wherever the cards of the group go.
        Effect::TellOfCutOff => slack.posting_waits(&catalog.slack.announce, order),
        // Where it goes, or whether it goes at all, is known only when it is looked at.
        Effect::SetTopic
        | Effect::SetPurpose
        | Effect::Invite { .. }
        | Effect::PostCard
        | Effect::PinCard
        | Effect::RefreshCard
        | Effect::AddBookmarks
        | Effect::PostChecklist { .. }
        | Effect::RefreshAnnouncement
        | Effect::Post { .. }
        | Effect::FetchMessage { .. }
        | Effect::LearnNames { .. }
        | Effect::UploadExport { .. }
        | Effect::RefreshAlertCard
        | Effect::Notify { .. }
        | Effect::RefreshPage { .. }
        | Effect::EndPage { .. } => None,
        // Nothing of these is Slack's.
        Effect::Ring { .. }
        | Effect::WriteLetter { .. }
        | Effect::DeclareForAlerts
        | Effect::TellIncidentOfAlerts
        | Effect::ReleaseAlerts
        | Effect::ReviewQuieted => None,
    }
}

/// The message that an earlier attempt at an order posted without our knowing, if one had got through.
pub(super) async fn posted_before(
    slack: &Slack,
    claimed: &Claimed,
    to: &Destination<'_>,
    order: &str,
    call: Call<'_>,
) -> Result<Option<MessageRef>, Failure> {
    match claimed.lease.attempts {
        ..=1 => Ok(None),
        _ => {
            slack
                .posted_before(to, order, claimed.ordered_at, call)
                .await
        }
    }
}

/// Posts once: a repeated attempt looks first whether an earlier one had got through.
pub(super) async fn post_once(
    slack: &Slack,
    claimed: &Claimed,
    to: &Destination<'_>,
    order: &str,
    message: &Outgoing,
    call: Call<'_>,
) -> Result<MessageRef, Failure> {
    match posted_before(slack, claimed, to, order, call).await? {
        Some(at) => Ok(at),
        None => slack.post(to, message, order, call).await,
    }
}

/// Each name that is tried for a war room has a turn of its own.
fn ticket_of_name(order: &str, n: usize) -> String {
    format!("{order}/{n}")
}

impl Task<'_> {
    pub(super) async fn run(&self) -> Result<Done, Failure> {
        let composer = &self.dispatcher.composer;
        let (incident, call) = (self.incident, self.call);
        match &self.claimed.effect {
            // Done before it came here.
            Effect::Ring { .. }
            | Effect::Notify { .. }
            | Effect::RefreshPage { .. }
            | Effect::EndPage { .. }
            | Effect::WriteLetter { .. }
            | Effect::DeclareForAlerts
            | Effect::ReleaseAlerts
            | Effect::TellOfCutOff
            | Effect::ReviewQuieted
            | Effect::TellIncidentOfAlerts
            | Effect::PostAlertCard
            | Effect::RefreshAlertCard => Ok(Done::Quietly),
            Effect::OpenWarRoom { name } => self.open_war_room(name).await,
            Effect::SetTopic => match self.room_channel() {
                Some(channel) => {
                    let topic = made(composer.topic(incident, call.now))?;
                    self.slack
                        .set_topic(channel, &topic, call)
                        .await
                        .map(quietly)
                }
                None => Ok(Done::Quietly),
            },
            Effect::SetPurpose => match self.room_channel() {
                Some(channel) => {
                    let purpose = made(composer.purpose(incident, call.now))?;
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
                    let card = made(composer.card(incident, call.now))?;
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
                    let card = made(composer.card(incident, call.now))?;
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
                    let message = made(composer.checklist(checklist))?;
                    self.post_to_room(&message, false).await.map(quietly)
                }
                // The configuration was edited since.
                None => Ok(Done::Quietly),
            },
            Effect::Announce => match incident.announcement {
                Some(_) => Ok(Done::Quietly),
                None => {
                    let message = made(composer.announcement(incident, call.now))?;
                    let to = Destination::channel(&incident.announce);
                    self.post(&to, &message)
                        .await
                        .map(|at| Done::With(Report::Announced(at)))
                }
            },
            Effect::RefreshAnnouncement => match &incident.announcement {
                Some(at) => {
                    let message = made(composer.announcement(incident, call.now))?;
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
            let ticket = ticket_of_name(self.call.ticket, n);
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
            leaves: Consequence::Nothing,
        }))
    }

    /// What is worth a bookmark: the bridge, the service's links, and those of the alert that declared it.
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
        let alert = &self.incident.links;
        // The alert's own is the nearest.
        let runbooks = service.into_iter().flat_map(|service| &service.runbooks);
        let runbooks = alert.runbook.iter().chain(runbooks);
        // What is no address is a file of the runbook folder.
        let runbooks = runbooks
            .filter(|runbook| runbook.starts_with("https://") || runbook.starts_with("http://"));
        let mut all: Vec<(String, String)> = bridge.chain(links).collect();
        if let Some(link) = &alert.dashboard
            && all.iter().all(|(_, known)| known != link)
        {
            all.push(("Alert dashboard".to_owned(), link.clone()));
        }
        let mut number = 0;
        for link in runbooks {
            if all.iter().any(|(_, known)| known == link) {
                continue;
            }
            number += 1;
            let title = match number {
                1 => "Runbook".to_owned(),
                n => format!("Runbook {n}"),
            };
            all.push((title, link.clone()));
        }
        all
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
        let recorded = self.addressed(recorded).await?;
        let anchor = self.anchor(&recorded).await?;
        let composer = &self.dispatcher.composer;
        let now = self.call.now;
        let message = made(composer.notice(self.incident, &recorded, anchor.as_deref(), now))?;
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
                let to = Destination::channel(&self.incident.announce);
                self.post(&to, &message).await.map(quietly)
            }
            Audience::Commander => {
                let incident = self.incident;
                let commander = incident.commander().and_then(|who| who.slack.as_ref());
                let to = Destination::channel(
                    commander.map_or(&incident.announce, |user| user.as_str()),
                );
                self.post(&to, &message).await.map(quietly)
            }
            Audience::Thread => {
                // Without an announcement there is no thread, and nobody in it.
                let Some(announcement) = &self.incident.announcement else {
                    return Ok(Done::Quietly);
                };
                let to = Destination {
                    channel: announcement.channel.as_str(),
                    thread: Some(&announcement.ts),
                    broadcast: false,
                };
                self.post(&to, &message).await.map(quietly)
            }
        }
    }

    /// A reminder to somebody of whom the configuration knows no Slack id is addressed by asking Slack for it: a name
    /// alone calls nobody.
    async fn addressed(&self, mut recorded: Recorded) -> Result<Recorded, Failure> {
        let addressed: Vec<&mut Who> = match &mut recorded.event {
            Event::UpdateOverdue(overdue) => overdue.reminded.iter_mut().collect(),
            Event::Paged(paged) => paged
                .pages
                .iter_mut()
                .filter_map(|page| match &mut page.to {
                    Addressee::Person { who, .. } => Some(who),
                    Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
                })
                .collect(),
            _ => vec![],
        };
        for who in addressed {
            if who.slack.is_some() {
                continue;
            }
            let mut people = self.dispatcher.catalog.people.iter();
            if let Some(person) = people.find(|person| person.name == who.name) {
                who.slack = match self.slack.user_of(person, self.call).await {
                    Ok(user) => user,
                    Err(Failure::GiveUp { .. }) => None,
                    Err(failure) => return Err(failure),
                };
            }
        }
        Ok(recorded)
    }

    /// What an end says of the record so far, for `firebell audit verify --anchor`: it stands in Slack, out of reach
    /// of whoever could rewrite the whole database.
    async fn anchor(&self, recorded: &Recorded) -> Result<Option<String>, Failure> {
        if !matches!(recorded.event, Event::Resolved(_) | Event::Closed) {
            return Ok(None);
        }
        let head = self
            .dispatcher
            .store
            .hash_of(&self.incident.id, recorded.seq as i64)
            .await
            .map_err(|cause| store_trouble(&cause))?;
        Ok(head.map(|head| Anchor::new(&self.incident.id, recorded.seq, &head).to_string()))
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
        if !self.incident.is_unannounced {
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

    async fn post(&self, to: &Destination<'_>, message: &Outgoing) -> Result<MessageRef, Failure> {
        let order = &self.claimed.lease.id;
        post_once(self.slack, self.claimed, to, order, message, self.call).await
    }

    async fn fetch(&self, at: &MessageRef, mark: Mark, by: &Who) -> Result<Done, Failure> {
        let Some(message) = self.slack.message(at, self.call).await? else {
            return Ok(Done::With(Report::Failed {
                what: "put a marked message on the timeline".to_owned(),
                why: "the message is gone".to_owned(),
                leaves: Consequence::Nothing,
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
        let bytes = made(
            export::to_bytes(
                store,
                templates,
                catalog,
                &incident.id,
                format,
                self.call.now,
            )
            .await,
        )?;
        let title = clean(format!("{} {}", incident.id, incident.title));
        self.slack
            .upload(&place.channel, thread, &name, &title, &bytes, self.call)
            .await
            .map(quietly)
    }
}

impl Effect {
    /// What it does, in words that follow "could not".
    pub(super) fn words(&self) -> String {
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
            Effect::Post {
                to: Audience::Thread,
                ..
            } => "post into the thread".to_owned(),
            Effect::Post {
                to: Audience::Commander,
                ..
            } => "tell the commander".to_owned(),
            Effect::FetchMessage { .. } => "put a marked message on the timeline".to_owned(),
            Effect::LearnNames { .. } => "ask Slack for names".to_owned(),
            Effect::UploadExport { .. } => "upload the record".to_owned(),
            Effect::DeclareForAlerts => "open an incident for alerts".to_owned(),
            Effect::ReviewQuieted => "look which alerts it still quiets".to_owned(),
            Effect::TellOfCutOff => "say that alerts are cut off".to_owned(),
            Effect::ReleaseAlerts => "tell of alerts that were kept back".to_owned(),
            Effect::TellIncidentOfAlerts => "tell an incident of its alerts".to_owned(),
            Effect::PostAlertCard => "post the card of alerts".to_owned(),
            Effect::RefreshAlertCard => "update the card of alerts".to_owned(),
            Effect::Notify { page, via } => format!("page somebody by {} (page {page})", way(*via)),
            Effect::RefreshPage { page, .. } => {
                format!("bring the message of page {page} up to date")
            }
            Effect::EndPage { page, .. } => format!("say that page {page} is over"),
            Effect::WriteLetter { to, .. } => format!("write to {to}"),
            Effect::Ring { .. } => "ring a clock".to_owned(),
        }
    }

    /// The name of its kind, the same as its tag in JSON.
    pub(super) fn kind(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json["effect"].as_str().unwrap_or("unknown").to_owned()
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

/// What could not be made will not be made the next time either.
pub(super) fn made<T>(result: anyhow::Result<T>) -> Result<T, Failure> {
    result.map_err(|cause| Failure::GiveUp {
        code: "unmade".to_owned(),
        why: format!("{cause:#}"),
        users: vec![],
    })
}

pub(super) fn store_trouble(cause: &anyhow::Error) -> Failure {
    Failure::Retry {
        after: None,
        why: format!("{cause:#}"),
    }
}
