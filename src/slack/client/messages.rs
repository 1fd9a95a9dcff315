//! Messages: posted once, found again, edited in place, read, and answered to one person.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::elsewhere::{FILES, HOOKS};
use super::failure::{Failure, accept, read, unreadable};
use super::{Call, List, Slack, methods};
use crate::domain::event::MessageRef;
use crate::domain::terms::{ChannelId, MessageTs, SlackUserId};
use crate::slack::inbound::Message;

/// The metadata under which our messages are found again (slack-contract.md section 10).
const METADATA: &str = "firebell_order";

/// What is posted: the blocks, and the text for those who do not see blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The text of notifications and of screen readers.
    pub text: String,
    /// Block Kit.
    pub blocks: Vec<Value>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// A channel's id, or `#name`.
    pub channel: &'a str,
    /// The thread in it.
    pub thread: Option<&'a MessageTs>,
    /// Whether a reply in a thread also shows in the channel.
    pub broadcast: bool,
}

impl<'a> Destination<'a> {
    /// A channel itself, outside its threads.
    pub fn channel(channel: &'a str) -> Self {
        Self {
            channel,
            thread: None,
            broadcast: false,
        }
    }
}

impl Slack {
    /// Posts a message that can be found again by `order`. Not safe to repeat by itself: see [`Slack::posted_before`].
    pub async fn post(
        &self,
        to: &Destination<'_>,
        message: &Outgoing,
        order: &str,
        call: Call<'_>,
    ) -> Result<MessageRef, Failure> {
        let mut params = json!({
            "channel": to.channel,
            "text": message.text,
            "blocks": message.blocks,
            "metadata": { "event_type": METADATA, "event_payload": { "order": order } },
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(thread) = to.thread {
            params["thread_ts"] = json!(thread);
            params["reply_broadcast"] = json!(to.broadcast);
        }
        let answer = self.call(&methods::CHAT_POST_MESSAGE, params, call).await?;
        let posted: MessageRef = read(answer)?;
        self.limiter().learn(
            &methods::CHAT_POST_MESSAGE,
            to.channel,
            posted.channel.as_str(),
        );
        Ok(posted)
    }

    /// Looks whether a message of this order stands in a channel (or thread) already: after an answer that was lost
    /// nobody knows whether it was posted. `since` is when the order was given.
    pub async fn posted_before(
        &self,
        to: &Destination<'_>,
        order: &str,
        since: Timestamp,
        call: Call<'_>,
    ) -> Result<Option<MessageRef>, Failure> {
        let found = self
            .find_message(to, since, call, |message| {
                let metadata = message.metadata.as_ref();
                metadata.is_some_and(|metadata| metadata["event_payload"]["order"] == order)
            })
            .await?;
        Ok(found)
    }

    /// Looks whether a file of this name was shared in a channel since then.
    pub async fn shared_before(
        &self,
        to: &Destination<'_>,
        file: &str,
        since: Timestamp,
        call: Call<'_>,
    ) -> Result<bool, Failure> {
        let found = self
            .find_message(to, since, call, |message| {
                message
                    .files
                    .iter()
                    .any(|shared| shared.name.as_deref() == Some(file))
            })
            .await?;
        Ok(found.is_some())
    }

    async fn find_message(
        &self,
        to: &Destination<'_>,
        since: Timestamp,
        call: Call<'_>,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<Option<MessageRef>, Failure> {
        let Some(channel) = self.channel_id(to.channel, call).await? else {
            return Ok(None);
        };
        // A minute of grace: Slack's clock gives the `ts`, ours gave the order.
        let oldest = (since - SignedDuration::from_mins(1)).as_second();
        let (method, mut params) = match to.thread {
            Some(thread) => (
                &methods::CONVERSATIONS_REPLIES,
                json!({ "ts": thread, "limit": 200 }),
            ),
            None => (&methods::CONVERSATIONS_HISTORY, json!({ "limit": 200 })),
        };
        params["channel"] = json!(channel);
        params["oldest"] = json!(oldest.to_string());
        params["include_all_metadata"] = json!(true);
        let search = async || {
            let list = List {
                keeper: call.keeper(),
                method,
                params: params.clone(),
                items: "messages",
            };
            let pick = |message: &Value| {
                let read: Message = serde_json::from_value(message.clone()).ok()?;
                wanted(&read).then(|| message["ts"].clone())
            };
            self.list(list, call, pick, |found| !found.is_empty()).await
        };
        let found = match search().await {
            // One can post to a public channel without being in it, but not read it.
            Err(failure) if failure.is("not_in_channel") => {
                self.join(&channel, call).await?;
                search().await?
            }
            // A direct message has no history under the user's id, by which it is begun.
            Err(failure) if failure.is("thread_not_found") || failure.is("channel_not_found") => {
                vec![]
            }
            answer => answer?,
        };
        let ts = found.first().and_then(Value::as_str);
        Ok(ts.map(|ts| MessageRef {
            channel: channel.clone(),
            ts: MessageTs::new(ts),
        }))
    }

    /// The direct conversation with somebody. It is always the same one, so it is asked for once: whoever is paged waits for
    /// one call less, and for none of that method's pace.
    pub async fn direct(&self, user: &SlackUserId, call: Call<'_>) -> Result<ChannelId, Failure> {
        if let Some(channel) = self.directs().get(user) {
            return Ok(channel.clone());
        }
        let ticket = format!("{}/open/{user}", call.ticket);
        let call = Call {
            ticket: &ticket,
            ..call
        };
        let params = json!({ "users": user });
        let answer = self
            .once(&methods::CONVERSATIONS_OPEN, params, call)
            .await?;
        let channel: ChannelId = read(answer["channel"]["id"].clone())?;
        self.directs().insert(user.clone(), channel.clone());
        Ok(channel)
    }

    /// A direct conversation takes nothing any more: it is asked for anew. Gives whose it was, if it was one.
    pub fn forget_direct(&self, channel: &str) -> Option<SlackUserId> {
        let mut directs = self.directs();
        let mut known = directs.iter();
        let (user, _) = known.find(|(_, known)| known.as_str() == channel)?;
        let user = user.clone();
        directs.remove(&user);
        Some(user)
    }

    fn directs(&self) -> MutexGuard<'_, HashMap<SlackUserId, ChannelId>> {
        self.directs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id behind what a message was addressed to: an id already, or `#name`.
    async fn channel_id(
        &self,
        channel: &str,
        call: Call<'_>,
    ) -> Result<Option<ChannelId>, Failure> {
        match channel.strip_prefix('#') {
            Some(name) => self.channel_named(name, call).await,
            None => Ok(Some(ChannelId::new(channel))),
        }
    }

    /// One message with its author, for the timeline.
    pub async fn message(
        &self,
        at: &MessageRef,
        call: Call<'_>,
    ) -> Result<Option<Message>, Failure> {
        match self.read(at, call).await {
            Err(refused) => {
                self.come_in(refused, &at.channel, call).await?;
                self.read(at, call).await
            }
            found => found,
        }
    }

    /// Comes into the channel in which something was refused to strangers; any other refusal stays one.
    async fn come_in(
        &self,
        refused: Failure,
        channel: &ChannelId,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        if !refused.is("not_in_channel") {
            return Err(refused);
        }
        match self.join(channel, call).await {
            // What cannot be joined is told as it was: invite the bot.
            Err(Failure::GiveUp { .. }) => Err(refused),
            answer => answer,
        }
    }

    async fn read(&self, at: &MessageRef, call: Call<'_>) -> Result<Option<Message>, Failure> {
        let params = json!({
            "channel": at.channel, "latest": at.ts, "oldest": at.ts, "inclusive": true, "limit": 1,
        });
        let page = self
            .call(&methods::CONVERSATIONS_HISTORY, params, call)
            .await?;
        if let Some(message) = page["messages"]
            .as_array()
            .and_then(|messages| messages.first())
        {
            return read(message.clone()).map(Some);
        }
        // A reply in a thread stands in no history.
        // It comes behind its parent, which Slack always gives first.
        let params = json!({ "channel": at.channel, "ts": at.ts, "limit": 2, "inclusive": true, "latest": at.ts, "oldest": at.ts });
        match self
            .call(&methods::CONVERSATIONS_REPLIES, params, call)
            .await
        {
            Ok(page) => {
                let messages: Vec<Message> = read(page["messages"].clone())?;
                Ok(messages
                    .into_iter()
                    .find(|message| message.ts == at.ts.as_str()))
            }
            Err(failure) if failure.is("thread_not_found") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Edits a message in place.
    pub async fn update(
        &self,
        at: &MessageRef,
        message: &Outgoing,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        // Text without blocks would remove the blocks: both are always sent.
        let params = json!({
            "channel": at.channel, "ts": at.ts, "text": message.text, "blocks": message.blocks,
        });
        self.call(&methods::CHAT_UPDATE, params, call)
            .await
            .map(drop)
    }

    /// Pins a message.
    pub async fn pin(&self, at: &MessageRef, call: Call<'_>) -> Result<(), Failure> {
        let params = json!({ "channel": at.channel, "timestamp": at.ts });
        let pin = || self.call(&methods::PINS_ADD, params.clone(), call);
        let pinned = match pin().await {
            Err(refused) if refused.is("not_in_channel") => {
                self.come_in(refused, &at.channel, call).await?;
                pin().await
            }
            answer => answer,
        };
        accept(pinned.map(drop), &["already_pinned"])
    }

    /// Uploads a file into a channel or thread.
    pub async fn upload(
        &self,
        channel: &ChannelId,
        thread: Option<&MessageTs>,
        name: &str,
        title: &str,
        bytes: &[u8],
        call: Call<'_>,
    ) -> Result<(), Failure> {
        let params = json!({ "filename": name, "length": bytes.len() });
        let place = self
            .call(&methods::FILES_GET_UPLOAD_URL, params, call)
            .await?;
        let (Some(url), Some(id)) = (place["upload_url"].as_str(), place["file_id"].as_str())
        else {
            return Err(unreadable("files.getUploadURLExternal"));
        };
        self.upload_elsewhere(url, FILES, bytes, "uploading the file")
            .await?;
        let mut params = json!({ "files": [{ "id": id, "title": title }], "channel_id": channel });
        if let Some(thread) = thread {
            params["thread_ts"] = json!(thread);
        }
        let share = || self.call(&methods::FILES_COMPLETE_UPLOAD, params.clone(), call);
        if let Err(refused) = share().await {
            self.come_in(refused, channel, call).await?;
            share().await?;
        }
        Ok(())
    }

    /// Answers an interaction to the one who clicked, and to nobody else. A reply, not an order: if it is lost, the
    /// person clicks again.
    pub async fn reply(&self, response_url: &str, message: &Outgoing) -> Result<(), Failure> {
        let body = json!({
            "response_type": "ephemeral",
            "replace_original": false,
            "text": message.text,
            "blocks": message.blocks,
        });
        self.post_elsewhere(response_url, HOOKS, &body, "replying")
            .await
    }
}
