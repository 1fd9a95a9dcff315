//! Messages: posted once, found again, edited in place, read, and answered to one person.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::failure::{Failure, accept, in_time, read, unreadable};
use super::{Call, Slack, methods};
use crate::domain::event::MessageRef;
use crate::domain::terms::{ChannelId, MessageTs};
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
        let mut found = None;
        let mut search = async || {
            self.pages(method, params.clone(), call, |page| {
                // Read one by one: a message of another app in a shape that we do not know hides no other.
                for message in page["messages"].as_array().into_iter().flatten() {
                    let Ok(message) = serde_json::from_value::<Message>(message.clone()) else {
                        continue;
                    };
                    if wanted(&message) {
                        found = Some(MessageRef {
                            channel: channel.clone(),
                            ts: MessageTs::new(message.ts),
                        });
                        return Ok(false);
                    }
                }
                Ok(true)
            })
            .await
        };
        match search().await {
            // One can post to a public channel without being in it, but not read it.
            Err(failure) if failure.is("not_in_channel") => {
                let params = json!({ "channel": channel });
                self.call(&methods::CONVERSATIONS_JOIN, params, call)
                    .await?;
                search().await?;
            }
            // A direct message has no history under the user's id, by which it is begun.
            Err(failure) if failure.is("thread_not_found") || failure.is("channel_not_found") => {}
            answer => answer?,
        }
        Ok(found)
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
        let answer = self.call(&methods::PINS_ADD, params, call).await.map(drop);
        accept(answer, &["already_pinned"])
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
        let url = url
            .parse()
            .map_err(|_| unreadable("files.getUploadURLExternal"))?;
        let session = self.client.open_session(&self.token);
        let sent = session.http_session_api.http_post_uri_binary::<Value>(
            url,
            "application/octet-stream".to_owned(),
            bytes,
            None,
        );
        in_time(sent, "uploading the file").await?;
        let mut params = json!({ "files": [{ "id": id, "title": title }], "channel_id": channel });
        if let Some(thread) = thread {
            params["thread_ts"] = json!(thread);
        }
        self.call(&methods::FILES_COMPLETE_UPLOAD, params, call)
            .await
            .map(drop)
    }

    /// Answers an interaction to the one who clicked, and to nobody else. A reply, not an order: if it is lost, the
    /// person clicks again.
    pub async fn reply(&self, response_url: &str, message: &Outgoing) -> Result<(), Failure> {
        let url = response_url
            .parse()
            .map_err(|_| unreadable("the response_url"))?;
        let body = json!({
            "response_type": "ephemeral",
            "replace_original": false,
            "text": message.text,
            "blocks": message.blocks,
        });
        let session = self.client.open_session(&self.token);
        let sent = session
            .http_session_api
            .http_post_uri::<_, Value>(url, &body, None);
        in_time(sent, "replying").await.map(drop)
    }
}
