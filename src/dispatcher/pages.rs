//! Pages on their way: one way to one person at a time, said once, and what became of it told to the incident.

use jiff::{SignedDuration, Timestamp};

use super::task::{Done, made, post_once, store_trouble};
use super::{Dispatcher, Envelope, Wish};
use crate::domain::catalog::Person;
use crate::domain::command::{Command, Report};
use crate::domain::escalation::Channel;
use crate::domain::event::{Consequence, MessageRef};
use crate::domain::incident::Incident;
use crate::domain::page::{Addressee, Delivery, DeliveryState, OpenPage, PageReason};
use crate::domain::terms::{Actor, SlackUserId};
use crate::domain::timeline::reason_of;
use crate::notify::answer::AckLink;
use crate::notify::letter::letter;
use crate::notify::{self, Accepted, PageFacts, page_text};
use crate::slack::client::{Call, Destination, Failure, Slack, Tenure};
use crate::store::outbox::Claimed;

/// After so long without success a way counts as failed; it is tried on, since late is better than never.
const HOPE: SignedDuration = SignedDuration::from_mins(1);

/// So many attempts a way is given however long its order has waited: one may have been broken off by a crash.
const FIRST_ATTEMPTS: i64 = 2;

/// Whose turn to be paged by Slack comes later than that is paged by the next way meanwhile.
const TURN: SignedDuration = SignedDuration::from_secs(5);

/// A letter to a stakeholder that could not be sent for so long tells of what everybody knows by then.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// A way to somebody on which a message has set out.
struct Sent {
    provider_id: Option<String>,
}

impl Dispatcher {
    /// Takes one way to somebody who is called.
    pub(super) async fn notify(
        &self,
        claimed: &Claimed,
        page: u32,
        via: Channel,
        tenure: &Tenure,
    ) -> Result<Done, Failure> {
        let Some(incident) = self.incident_of(claimed).await? else {
            return Ok(Done::Quietly);
        };
        // It is over: nobody is called in vain.
        let Some(open) = incident.page(page) else {
            return Ok(Done::Quietly);
        };
        if open.contact(via).is_none_or(|it| it.state.is_through()) {
            return Ok(Done::Quietly);
        }
        let sent = match via {
            Channel::Slack => self.page_by_slack(claimed, &incident, open, tenure).await,
            Channel::Email | Channel::Sms | Channel::Voice | Channel::Webhook => {
                self.page_by(via, claimed, &incident, open).await
            }
        };
        let told = |state, provider_id, reason| {
            Report::Delivery(Delivery {
                page,
                via,
                state,
                provider_id,
                reason,
            })
        };
        match sent {
            Ok(Sent { provider_id }) => {
                Ok(Done::With(told(DeliveryState::Accepted, provider_id, None)))
            }
            Err(Failure::GiveUp { why, .. }) => {
                Ok(Done::With(told(DeliveryState::Failed, None, Some(why))))
            }
            Err(Failure::Retry { after, why }) => {
                let waited = self.clock.now().duration_since(claimed.ordered_at);
                // Of a bot that was down, the first attempts say nothing of the provider yet.
                let state = match waited > HOPE && claimed.lease.attempts > FIRST_ATTEMPTS {
                    true => DeliveryState::Failed,
                    false => DeliveryState::Delayed,
                };
                self.tell(claimed, told(state, None, Some(why.clone())))
                    .await?;
                Err(Failure::Retry { after, why })
            }
            Err(Failure::Later { at }) => {
                // Slack has its pace, or wants to be left alone: for the person it is the same as if it were away.
                let late = |until: Timestamp| until.duration_since(claimed.ordered_at);
                let state = match late(self.clock.now()) > HOPE {
                    true => DeliveryState::Failed,
                    false => DeliveryState::Delayed,
                };
                if late(at) > TURN {
                    let why = "Slack takes no more for now".to_owned();
                    self.tell(claimed, told(state, None, Some(why))).await?;
                }
                Err(Failure::Later { at })
            }
        }
    }

    /// Tells the incident of an order that goes on.
    async fn tell(&self, claimed: &Claimed, report: Report) -> Result<(), Failure> {
        let envelope = Envelope {
            wish: Wish::Pursue(claimed.incident.clone(), Command::Record(report)),
            actor: Actor::Firebell,
            delivery: None,
        };
        let told = self.engine.handle(envelope).await;
        told.map(|_| ())
            .map_err(|error| store_trouble(&error.into()))
    }

    async fn page_by_slack(
        &self,
        claimed: &Claimed,
        incident: &Incident,
        page: &OpenPage,
        tenure: &Tenure,
    ) -> Result<Sent, Failure> {
        let Some(slack) = &self.slack else {
            return Err(undeliverable("Slack is not set up"));
        };
        let message = made(self.composer.page(incident, page, self.clock.now()))?;
        let call = self.call(claimed, tenure);
        let own = claimed.lease.id.clone();
        let to: Vec<(String, String)> = match &page.to {
            Addressee::Channel { name } => vec![(format!("#{name}"), own)],
            Addressee::Person { id, who } => {
                let known = id.as_ref().and_then(|id| self.catalog.person(id));
                let user = match (&who.slack, known) {
                    (Some(user), _) => Some(user.clone()),
                    (None, Some(person)) => slack.user_of(person, call).await?,
                    (None, None) => None,
                };
                let Some(user) = user else {
                    return Err(undeliverable(&format!(
                        "Slack does not know {}. Give `slack` or `email` in [[people]]",
                        who.name
                    )));
                };
                vec![(self.direct(slack, &user, call).await?, own)]
            }
            Addressee::UserGroup { handle } => self.members(slack, handle, &own, call).await?,
        };
        let (mut posted, mut refused) = (Vec::new(), None);
        for (channel, order) in &to {
            let call = Call {
                ticket: order,
                ..call
            };
            let mut done = post_once(
                slack,
                claimed,
                &Destination::channel(channel),
                order,
                &message,
                call,
            )
            .await;
            // Known from before, and gone since.
            if let Err(Failure::GiveUp { .. }) = &done
                && let Some(user) = slack.forget_direct(channel)
                && let Ok(anew) = self.direct(slack, &user, call).await
                && anew != *channel
            {
                let to = Destination::channel(&anew);
                done = post_once(slack, claimed, &to, order, &message, call).await;
            }
            match done {
                Ok(at) => posted.push(format!("{}/{}", at.channel, at.ts)),
                // One who cannot be written to keeps the page from none of the others.
                Err(why @ Failure::GiveUp { .. }) => refused = Some(why),
                // Whoever only has to wait for a turn comes again without looking who was told already.
                Err(Failure::Later { at }) if !posted.is_empty() => {
                    let after = at.duration_since(call.now);
                    return Err(retry(Some(after), "Slack has its pace".to_owned()));
                }
                Err(failure) => return Err(failure),
            }
        }
        match refused {
            Some(why) if posted.is_empty() => Err(why),
            Some(_) | None => Ok(Sent {
                provider_id: (!posted.is_empty()).then(|| posted.join(" ")),
            }),
        }
    }

    /// The direct messages with everybody in a user group, each with an order of its own: whoever comes again knows who was
    /// told already.
    async fn members(
        &self,
        slack: &Slack,
        handle: &str,
        order: &str,
        call: Call<'_>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let members = slack.members_of_group(handle, call).await?;
        let (mut to, mut refused) = (Vec::new(), None);
        for user in members.unwrap_or_default() {
            match self.direct(slack, &user, call).await {
                Ok(channel) => to.push((channel, format!("{order}/{user}"))),
                // A bot, or somebody who has left.
                Err(why @ Failure::GiveUp { .. }) => refused = Some(why),
                Err(failure) => return Err(failure),
            }
        }
        match (to.is_empty(), refused) {
            (false, _) => Ok(to),
            (true, Some(why)) => Err(why),
            (true, None) => Err(undeliverable(&format!(
                "nobody is in the user group @{handle}, or there is none"
            ))),
        }
    }

    async fn direct(
        &self,
        slack: &Slack,
        user: &SlackUserId,
        call: Call<'_>,
    ) -> Result<String, Failure> {
        let channel = slack.direct(user, call).await?;
        Ok(channel.as_str().to_owned())
    }

    /// On whose behalf Slack is called, and when.
    pub(super) fn call<'a>(&self, claimed: &'a Claimed, tenure: &'a Tenure) -> Call<'a> {
        Call {
            now: self.clock.now(),
            ticket: &claimed.lease.id,
            tenure: Some(tenure),
        }
    }

    /// By another way than Slack.
    async fn page_by(
        &self,
        via: Channel,
        claimed: &Claimed,
        incident: &Incident,
        page: &OpenPage,
    ) -> Result<Sent, Failure> {
        let person = match &page.to {
            Addressee::Person { id, .. } => id.as_ref().and_then(|id| self.catalog.person(id)),
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
        };
        let Some(person) = person else {
            return Err(undeliverable(
                "the configuration does not know the person any more",
            ));
        };
        let facts = self.facts(via, claimed, incident, page, person);
        let text = made(page_text(&self.templates, &self.catalog, &facts))?;
        let lease = &claimed.lease;
        let sent = self
            .notifier
            .send(via, person, &text, &lease.id, lease.attempts > 1)
            .await;
        match sent {
            Ok(Accepted { provider_id }) => Ok(Sent { provider_id }),
            Err(notify::Failure::Retry { after, why }) => Err(retry(after, why)),
            Err(notify::Failure::GiveUp { why }) => Err(undeliverable(&why)),
        }
    }

    /// What a page is about.
    fn facts(
        &self,
        via: Channel,
        claimed: &Claimed,
        incident: &Incident,
        page: &OpenPage,
        person: &Person,
    ) -> PageFacts {
        let url = self.public_url.as_deref();
        let service = incident.service.as_ref().map(|id| {
            let known = self.catalog.service(id);
            known.map_or_else(|| id.to_string(), |service| service.name.clone())
        });
        let link = AckLink {
            incident: incident.id.to_string(),
            page: page.number,
            person: person.id.clone(),
            channel: via,
        };
        PageFacts {
            incident: incident.id.to_string(),
            page: page.number,
            severity: incident.severity.name.clone(),
            title: incident.named(&incident.title),
            service,
            why: why(&page.why),
            since: incident.milestones.started,
            ordered_at: claimed.ordered_at,
            now: self.clock.now(),
            // The page behind the link tells how it stands, too, and needs no token of whoever runs this.
            url: None,
            acknowledge_url: url.map(|url| format!("{url}{}", link.path(&self.link_secret))),
            takes_replies: url.is_some(),
            is_test: false,
        }
    }

    /// Brings the message of a page up to date; what is over says so in its own turn.
    pub(super) async fn refresh_page(
        &self,
        claimed: &Claimed,
        page: u32,
        at: &MessageRef,
        tenure: &Tenure,
    ) -> Result<Done, Failure> {
        let (Some(slack), Some(incident)) = (&self.slack, self.incident_of(claimed).await?) else {
            return Ok(Done::Quietly);
        };
        let Some(open) = incident.page(page) else {
            return Ok(Done::Quietly);
        };
        let call = self.call(claimed, tenure);
        let message = made(self.composer.page(&incident, open, call.now))?;
        slack.update(at, &message, call).await?;
        Ok(Done::Quietly)
    }

    /// Says on the message of a page that it is over.
    pub(super) async fn end_page(
        &self,
        claimed: &Claimed,
        page: u32,
        at: &MessageRef,
        tenure: &Tenure,
    ) -> Result<Done, Failure> {
        let (Some(slack), Some(incident)) = (&self.slack, self.incident_of(claimed).await?) else {
            return Ok(Done::Quietly);
        };
        let call = self.call(claimed, tenure);
        let message = made(self.composer.page_over(&incident, page, call.now))?;
        match slack.update(at, &message, call).await {
            // Whoever was paged has deleted it, or is gone: there is nothing left that anybody could answer in vain.
            Ok(()) | Err(Failure::GiveUp { .. }) => Ok(Done::Quietly),
            Err(failure) => Err(failure),
        }
    }

    /// Writes to a stakeholder what an event says. A repeated letter is the same one, by its Message-ID.
    pub(super) async fn write_letter(
        &self,
        claimed: &Claimed,
        seq: u64,
        to: &str,
    ) -> Result<Done, Failure> {
        let Some(incident) = self.incident_of(claimed).await? else {
            return Ok(Done::Quietly);
        };
        let recorded = self.store.event(&claimed.incident, seq).await;
        let Some(recorded) = recorded.map_err(|cause| store_trouble(&cause))? else {
            return Ok(Done::Quietly);
        };
        let told = letter(&self.templates, &self.catalog, &incident, &recorded);
        let Some(told) = made(told)? else {
            return Ok(Done::Quietly);
        };
        let (order, now) = (&claimed.lease.id, self.clock.now());
        let sent = self
            .notifier
            .send_letter(&told, to, claimed.incident.as_str(), order, now)
            .await;
        let refused = match sent {
            Err(notify::Failure::GiveUp { why }) => why,
            Err(notify::Failure::Retry { after, why }) => {
                if now.duration_since(claimed.ordered_at) < STALE {
                    return Err(retry(after, why));
                }
                why
            }
            Ok(()) => return Ok(Done::Quietly),
        };
        Ok(Done::With(Report::Failed {
            what: format!("write to {to}"),
            why: format!("{refused}. Mend `stakeholders` in [[severities]], or write by hand"),
            leaves: Consequence::Nothing,
        }))
    }
}

fn retry(after: Option<SignedDuration>, why: String) -> Failure {
    Failure::Retry {
        after: after.and_then(|after| after.try_into().ok()),
        why,
    }
}

/// Why somebody is called, in words that follow "because".
fn why(reason: &PageReason) -> String {
    match reason {
        PageReason::Step { .. } => reason_of(reason).replacen("Step", "step", 1),
        PageReason::ByHand { by, text } => match text {
            Some(text) => format!("paged by {}: {text}", by.name),
            None => format!("paged by {}", by.name),
        },
    }
}

fn undeliverable(why: &str) -> Failure {
    Failure::GiveUp {
        code: "undeliverable".to_owned(),
        why: why.to_owned(),
        users: vec![],
    }
}
