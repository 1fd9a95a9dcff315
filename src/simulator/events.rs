//! The Events API: what the app is told, once and again (contract section 4).

use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use serde_json::{Value, json};

use super::Workspace;
use super::faces::Metadata;
use super::model::{APP_ID, BOT_USER, Kind, State};
use super::requests::{Errand, JSON, Reply, RequestUrls};

/// Slack retries a failed event nearly immediately, after one minute and after five (contract section 4).
pub const SLACK_RETRY_DELAYS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// An event that is about to be sent.
pub(crate) struct Outgoing {
    pub event_id: String,
}

/// One event and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The same in every redelivery: the app's key against doubles.
    pub event_id: String,
    /// `event.type`.
    pub kind: String,
    /// How often it was sent so far.
    pub attempts: u8,
    /// The last answer's HTTP status; 0 when there was none.
    pub status: u16,
    /// `http_timeout`, `connection_failed` or `http_error`, as the next retry's header will say.
    pub trouble: Option<String>,
    /// The whole envelope.
    pub body: Value,
}

impl State {
    /// Queues an event. One that belongs to a channel goes out only if the bot is in it and may read it.
    pub fn emit(&mut self, channel: Option<&str>, event: Value) {
        // The page shows everything, whatever the app may hear of.
        self.note_event(channel, &event);
        let has_url = self.urls.as_ref().is_some_and(|urls| urls.events.is_some());
        if !has_url && !self.sockets.is_on {
            return;
        }
        let channel = channel.map(|id| self.channel(id));
        if channel.is_some_and(|c| !c.has_bot())
            || !self.may_receive(&event, channel.map(|c| c.kind))
        {
            return;
        }
        let event_id = self.next_id("Ev");
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        let place = channel_of(&event);
        let body = json!({
            "token": "verification_token", "team_id": self.team_id, "context_team_id": self.team_id,
            "context_enterprise_id": null, "api_app_id": APP_ID, "event": event, "type": "event_callback",
            "event_id": event_id, "event_time": self.now_s(),
            "authorizations": [{
                "enterprise_id": null, "team_id": self.team_id, "user_id": BOT_USER, "is_bot": true,
                "is_enterprise_install": false,
            }],
            "is_ext_shared_channel": false, "event_context": format!("1-{kind}-{}-{place}", self.team_id),
        });
        let delivery = Delivery {
            event_id: event_id.clone(),
            kind,
            attempts: 0,
            status: 0,
            trouble: None,
            body,
        };
        self.deliveries.push(delivery);
        self.outbox.push_back(Outgoing { event_id });
    }

    /// Whether the app was granted the scope without which Slack sends no such event.
    fn may_receive(&self, event: &Value, kind: Option<Kind>) -> bool {
        let family = kind.map_or("channels", Kind::scope_family);
        let scope = match event["type"].as_str().unwrap_or_default() {
            "message" => format!("{family}:history"),
            "app_mention" => "app_mentions:read".into(),
            "reaction_added" | "reaction_removed" => "reactions:read".into(),
            "pin_added" | "pin_removed" => "pins:read".into(),
            "subteam_members_changed" => "usergroups:read".into(),
            "app_home_opened" => return true,
            _ => format!("{family}:read"),
        };
        self.has_scope(&scope)
    }

    /// A new, changed or deleted message, as its event shows it.
    pub fn emit_message(&mut self, channel: &str, ts: &str) {
        let place = self.channel(channel);
        let Some(message) = place.message(ts) else {
            return;
        };
        let mut event = self.message_json(place, message, Metadata::Whole);
        event["channel"] = json!(channel);
        event["event_ts"] = json!(ts);
        let mentions_bot = message.text.contains(&format!("<@{BOT_USER}>")) && !message.from_bot;
        let mut mention = event.clone();
        event["channel_type"] = json!(place.kind.event_name());
        self.emit(Some(channel), event);
        if mentions_bot {
            mention["type"] = json!("app_mention");
            self.emit(Some(channel), mention);
        }
    }

    /// `message_changed` or `message_deleted`: a hidden message about a message.
    pub fn emit_about_message(
        &mut self,
        channel: &str,
        subtype: &str,
        message: Option<Value>,
        previous: Value,
    ) {
        let event_ts = self.next_ts();
        let mut event = json!({
            "type": "message", "subtype": subtype, "hidden": true, "channel": channel, "ts": event_ts,
            "event_ts": event_ts, "channel_type": self.channel(channel).kind.event_name(),
        });
        match message {
            Some(message) => event["message"] = message,
            None => event["deleted_ts"] = previous["ts"].clone(),
        }
        event["previous_message"] = previous;
        self.emit(Some(channel), event);
    }
}

fn channel_of(event: &Value) -> &str {
    let channel = &event["channel"];
    channel
        .as_str()
        .or(channel["id"].as_str())
        .or(event["item"]["channel"].as_str())
        .unwrap_or_default()
}

impl Workspace {
    /// Tells the workspace where the app listens. The events URL is verified as Slack does, with a challenge.
    pub async fn connect(&self, urls: RequestUrls) -> anyhow::Result<()> {
        if let Some(events) = &urls.events {
            let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
            let body = json!({"token": "verification_token", "challenge": challenge, "type": "url_verification"});
            let reply = self.send(events, JSON, body.to_string(), None).await;
            if !(reply.is_success() && answers_challenge(&reply, challenge)) {
                bail!(
                    "{events} did not answer the challenge: HTTP {} {:?}",
                    reply.status,
                    reply.body
                );
            }
        }
        self.with(|state| {
            state.urls = Some(urls);
            state.sockets.is_on = false;
        });
        Ok(())
    }

    /// Waits until every event that was sent has been answered or given up.
    pub async fn settle(&self) {
        let mut under_way = self.under_way().subscribe();
        // The sender lives in the workspace, which outlives this borrow.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// Every event so far, with what became of it.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.with(|state| state.deliveries.clone())
    }

    /// The events that the app has not answered with 2xx.
    pub fn failed_deliveries(&self) -> Vec<Delivery> {
        let mut deliveries = self.deliveries();
        deliveries.retain(|delivery| !(200..300).contains(&delivery.status));
        deliveries
    }

    /// Sends an event again with the same `event_id`, as Slack does when it believes the first try lost.
    /// Says whether the app answered 2xx.
    pub async fn redeliver(&self, event_id: &str) -> bool {
        self.under_way().send_modify(|count| *count += 1);
        let reply = self.deliver_once(event_id).await;
        self.under_way().send_modify(|count| *count -= 1);
        reply.is_some_and(|reply| reply.is_success())
    }

    /// Sends an event in the background.
    pub(crate) fn deliver(&self, outgoing: Outgoing) {
        let workspace = self.clone();
        self.under_way().send_modify(|count| *count += 1);
        tokio::spawn(async move {
            workspace.deliver_with_retries(&outgoing.event_id).await;
            workspace.under_way().send_modify(|count| *count -= 1);
        });
    }

    async fn deliver_with_retries(&self, event_id: &str) {
        let mut delays = self.options().event_retry_delays.iter();
        while let Some(reply) = self.deliver_once(event_id).await {
            let Some(delay) = delays
                .next()
                .filter(|_| !reply.is_success() && !reply.no_retry)
            else {
                return;
            };
            tokio::time::sleep(*delay).await;
        }
    }

    async fn deliver_once(&self, event_id: &str) -> Option<Reply> {
        let (body, attempts, trouble) = self.with(|state| {
            let delivery = state
                .deliveries
                .iter_mut()
                .rev()
                .find(|d| d.event_id == event_id)?;
            delivery.attempts = delivery.attempts.saturating_add(1);
            Some((
                delivery.body.clone(),
                delivery.attempts,
                delivery.trouble.clone(),
            ))
        })?;
        let reason = trouble.unwrap_or_else(|| "http_timeout".into());
        let retry = (attempts > 1).then_some((attempts - 1, reason.as_str()));
        let reply = self.ask(&Errand::Event(body), retry).await.ok()?;
        self.with(|state| {
            let found = state
                .deliveries
                .iter_mut()
                .rev()
                .find(|d| d.event_id == event_id);
            let Some(delivery) = found else { return };
            delivery.status = reply.status;
            let http_error = (!reply.is_success()).then_some("http_error");
            delivery.trouble = reply.trouble.or(http_error).map(str::to_owned);
        });
        Some(reply)
    }
}

/// The challenge may come back as plain text, as a form or as JSON.
fn answers_challenge(reply: &Reply, challenge: &str) -> bool {
    let json: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    reply.body == challenge
        || reply.body == format!("challenge={challenge}")
        || json["challenge"] == challenge
}
