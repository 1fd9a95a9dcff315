//! The Web API calls that we make, through slack-morphism. Says of each failure whether to try again, and when.
//!
//! slack-morphism carries the requests; what it leaves to its user stands here: a time limit on each call (it has
//! none), the pace of each method (see [`super::limiter`]), `Retry-After`, and which errors mean that a repeated call
//! had got through the first time (slack-contract.md section 6.8).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiToken, SlackApiTokenValue, SlackClient, SlackClientHyperConnector,
    SlackClientHyperHttpsConnector,
};

use super::inbound::Message;
use super::limiter::Limiter;
use super::methods::{self, Arguments, Method};
use crate::domain::catalog::{Person, SlackName};
use crate::domain::event::MessageRef;
use crate::domain::terms::{ChannelId, MessageTs, SlackUserId};

/// The longest that one call may take. Slack answers in well under a second; what takes longer is lost, and the order
/// is better tried again.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a method is left alone after a 429 that does not say how long.
const RETRY_AFTER_UNSAID: Duration = Duration::from_secs(5);
/// Users that one invitation may name (slack-contract.md section 6.3: the sources say 100 and 1000).
const INVITE_AT_MOST: usize = 100;
/// Pages that are read of any list before it counts as endless.
const PAGES_AT_MOST: usize = 200;
/// The metadata under which our messages are found again (slack-contract.md section 10).
const METADATA: &str = "firebell_order";

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was not made: the method has its pace. Come back then.
    Later {
        /// When.
        at: Timestamp,
    },
    /// It may go through later; it may even have gone through now.
    Retry {
        /// Not before then, if Slack said so.
        after: Option<Duration>,
        /// What was wrong, without secrets.
        why: String,
    },
    /// It will never go through as it is.
    GiveUp {
        /// Slack's word for it: `channel_not_found`.
        code: String,
        /// The same in words for a person, with what would mend it.
        why: String,
        /// Of an invitation: who could not be invited, each with Slack's word for it.
        users: Vec<(SlackUserId, String)>,
    },
}

impl Failure {
    /// Whether it is a final no with this word of Slack's.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Failure::GiveUp { code, .. } if code == wanted)
    }
}

/// Who we are in Slack (`auth.test`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The bot's user.
    pub user_id: SlackUserId,
    /// The bot.
    #[serde(default)]
    pub bot_id: Option<String>,
    /// The workspace.
    pub team_id: String,
}

/// A channel as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub struct Channel {
    /// The id.
    pub id: ChannelId,
    /// The name, without `#`.
    #[serde(default)]
    pub name: String,
    /// When it was created, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// Who created it.
    #[serde(default)]
    pub creator: String,
    /// Whether it is archived.
    #[serde(default)]
    pub is_archived: bool,
    /// Its topic.
    #[serde(default)]
    pub topic: Described,
    /// Its purpose.
    #[serde(default)]
    pub purpose: Described,
}

/// A topic or a purpose.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Described {
    /// The text.
    #[serde(default)]
    pub value: String,
}

/// What is posted: the blocks, and the text for those who do not see blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The text of notifications and of screen readers.
    pub text: String,
    /// Block Kit.
    pub blocks: Vec<Value>,
}

/// Slack, as far as it is called.
pub struct Slack {
    client: SlackClient<SlackClientHyperHttpsConnector>,
    token: SlackApiToken,
    limiter: Mutex<Limiter>,
    identity: tokio::sync::OnceCell<Identity>,
    /// Who is who, by e-mail or handle; people do not change while an incident lasts, and a restart asks again.
    people: Mutex<HashMap<String, SlackUserId>>,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slack").finish_non_exhaustive()
    }
}

impl Slack {
    /// A client for the API at this address (`https://slack.com/api`, or a simulator's), with the bot's token.
    pub fn new(api_url: &str, bot_token: &SecretString) -> anyhow::Result<Self> {
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_all_versions()
            .build();
        let connector = SlackClientHyperConnector::with_connector(https)
            .with_slack_api_url(api_url.trim_end_matches('/'));
        Ok(Self {
            client: SlackClient::new(connector),
            token: SlackApiToken::new(SlackApiTokenValue(bot_token.expose_secret().to_owned())),
            limiter: Mutex::default(),
            identity: tokio::sync::OnceCell::new(),
            people: Mutex::default(),
        })
    }

    /// Who we are; asked once.
    pub async fn identity(&self, now: Timestamp) -> Result<&Identity, Failure> {
        self.identity
            .get_or_try_init(|| async {
                let call = Call {
                    now,
                    ticket: "identity",
                };
                read(self.call(&methods::AUTH_TEST, json!({}), call).await?)
            })
            .await
    }

    /// Who we are, if that was asked before.
    pub fn known_identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    /// Creates a public channel. `name_taken` is a final no.
    pub async fn create_channel(&self, name: &str, call: Call<'_>) -> Result<Channel, Failure> {
        let answer = self
            .call(
                &methods::CONVERSATIONS_CREATE,
                json!({ "name": name }),
                call,
            )
            .await?;
        read(answer["channel"].clone())
    }

    /// Looks for channels of these names that we created ourselves.
    pub async fn own_channels(
        &self,
        names: &[String],
        call: Call<'_>,
    ) -> Result<Vec<Channel>, Failure> {
        let us = self.identity(call.now).await?.user_id.clone();
        let mut found = Vec::new();
        let params = json!({ "types": "public_channel", "limit": 999, "exclude_archived": true });
        self.pages(&methods::CONVERSATIONS_LIST, params, call, |page| {
            let channels: Vec<Channel> = read(page["channels"].clone())?;
            found.extend(
                channels.into_iter().filter(|channel| {
                    channel.creator == us.as_str() && names.contains(&channel.name)
                }),
            );
            Ok(found.len() < names.len())
        })
        .await?;
        Ok(found)
    }

    /// The id of a public channel by its name, without `#`.
    pub async fn channel_named(
        &self,
        name: &str,
        call: Call<'_>,
    ) -> Result<Option<ChannelId>, Failure> {
        let mut found = None;
        let params = json!({ "types": "public_channel", "limit": 999, "exclude_archived": true });
        self.pages(&methods::CONVERSATIONS_LIST, params, call, |page| {
            let channels: Vec<Channel> = read(page["channels"].clone())?;
            found = channels
                .into_iter()
                .find(|channel| channel.name == name)
                .map(|channel| channel.id);
            Ok(found.is_none())
        })
        .await?;
        Ok(found)
    }

    /// Sets the topic unless it is set so already: each setting leaves a line in the channel.
    pub async fn set_topic(
        &self,
        channel: &ChannelId,
        topic: &str,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        if self.channel(channel, call).await?.topic.value == topic {
            return Ok(());
        }
        let params = json!({ "channel": channel, "topic": topic });
        self.call(&methods::CONVERSATIONS_SET_TOPIC, params, call)
            .await
            .map(drop)
    }

    /// Sets the purpose unless it is set so already.
    pub async fn set_purpose(
        &self,
        channel: &ChannelId,
        purpose: &str,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        if self.channel(channel, call).await?.purpose.value == purpose {
            return Ok(());
        }
        let params = json!({ "channel": channel, "purpose": purpose });
        self.call(&methods::CONVERSATIONS_SET_PURPOSE, params, call)
            .await
            .map(drop)
    }

    async fn channel(&self, channel: &ChannelId, call: Call<'_>) -> Result<Channel, Failure> {
        let params = json!({ "channel": channel });
        read(
            self.call(&methods::CONVERSATIONS_INFO, params, call)
                .await?["channel"]
                .clone(),
        )
    }

    /// Calls users into a channel. Who cannot be invited does not keep the others out; they come back with Slack's
    /// word for the reason.
    pub async fn invite(
        &self,
        channel: &ChannelId,
        users: &[SlackUserId],
        call: Call<'_>,
    ) -> Result<Vec<(SlackUserId, String)>, Failure> {
        let mut refused = Vec::new();
        for (n, group) in users.chunks(INVITE_AT_MOST).enumerate() {
            let ticket = format!("{}/{n}", call.ticket);
            let names: Vec<_> = group.iter().map(SlackUserId::as_str).collect();
            // `force`: who cannot be invited keeps nobody else out. Never one call for each: a large room would take
            // longer than the pace allows, begin again, and never come to its end.
            let params = json!({ "channel": channel, "users": names.join(","), "force": true });
            let call = Call {
                ticket: &ticket,
                ..call
            };
            match self
                .call(&methods::CONVERSATIONS_INVITE, params, call)
                .await
            {
                Ok(answer) => refused.extend(not_invited(&answer)),
                Err(Failure::GiveUp { code, users, .. }) if is_about_a_user(&code) => {
                    match users.is_empty() {
                        true => refused.extend(group.iter().map(|it| (it.clone(), code.clone()))),
                        false => refused.extend(users),
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        refused.retain(|(_, code)| !IS_THERE.contains(&code.as_str()));
        Ok(refused)
    }

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

    /// Bookmarks the links that are not bookmarked yet: `(title, address)`.
    pub async fn bookmark(
        &self,
        channel: &ChannelId,
        links: &[(String, String)],
        call: Call<'_>,
    ) -> Result<(), Failure> {
        if links.is_empty() {
            return Ok(());
        }
        let there = self
            .call(
                &methods::BOOKMARKS_LIST,
                json!({ "channel_id": channel }),
                call,
            )
            .await?;
        let there: Vec<&str> = there["bookmarks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|bookmark| bookmark["link"].as_str())
            .collect();
        for (title, link) in links
            .iter()
            .filter(|(_, link)| !there.contains(&link.as_str()))
        {
            let ticket = format!("{}/{link}", call.ticket);
            let params =
                json!({ "channel_id": channel, "title": title, "type": "link", "link": link });
            self.call(
                &methods::BOOKMARKS_ADD,
                params,
                Call {
                    ticket: &ticket,
                    ..call
                },
            )
            .await?;
        }
        Ok(())
    }

    /// The Slack user of a person of the configuration: by id, by handle, or by e-mail.
    pub async fn user_of(
        &self,
        person: &Person,
        call: Call<'_>,
    ) -> Result<Option<SlackUserId>, Failure> {
        match (&person.slack, &person.email) {
            (Some(SlackName::Id(id)), _) => Ok(Some(id.clone())),
            (Some(SlackName::Handle(handle)), _) => self.user_by_handle(handle, call).await,
            (None, Some(email)) => self.user_by_email(email, call).await,
            (None, None) => Ok(None),
        }
    }

    /// The name of a user, for those who read outside Slack; the id, if Slack does not tell.
    pub async fn name_of(&self, user: &SlackUserId, call: Call<'_>) -> Result<String, Failure> {
        let params = json!({ "user": user });
        match self.call(&methods::USERS_INFO, params, call).await {
            Ok(answer) => {
                let profile = &answer["user"]["profile"];
                let names = [
                    &profile["display_name"],
                    &profile["real_name"],
                    &answer["user"]["name"],
                ];
                let name = names
                    .into_iter()
                    .filter_map(Value::as_str)
                    .find(|name| !name.is_empty());
                Ok(name.unwrap_or(user.as_str()).to_owned())
            }
            Err(Failure::GiveUp { .. }) => Ok(user.to_string()),
            Err(failure) => Err(failure),
        }
    }

    async fn user_by_email(
        &self,
        email: &str,
        call: Call<'_>,
    ) -> Result<Option<SlackUserId>, Failure> {
        if let Some(known) = self.known(email) {
            return Ok(Some(known));
        }
        let ticket = format!("{}/{email}", call.ticket);
        let params = json!({ "email": email });
        let answer = self
            .call(
                &methods::USERS_LOOKUP_BY_EMAIL,
                params,
                Call {
                    ticket: &ticket,
                    ..call
                },
            )
            .await;
        match answer {
            Ok(answer) => {
                let id: SlackUserId = read(answer["user"]["id"].clone())?;
                self.remember(email, &id);
                Ok(Some(id))
            }
            Err(failure) if failure.is("users_not_found") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn user_by_handle(
        &self,
        handle: &str,
        call: Call<'_>,
    ) -> Result<Option<SlackUserId>, Failure> {
        let key = format!("@{handle}");
        if let Some(known) = self.known(&key) {
            return Ok(Some(known));
        }
        let mut found = None;
        self.pages(
            &methods::USERS_LIST,
            json!({ "limit": 200 }),
            call,
            |page| {
                for user in page["members"].as_array().into_iter().flatten() {
                    let names = [&user["name"], &user["profile"]["display_name"]];
                    if user["deleted"] != true && names.iter().any(|name| **name == *handle) {
                        found = Some(read::<SlackUserId>(user["id"].clone())?);
                    }
                }
                Ok(found.is_none())
            },
        )
        .await?;
        if let Some(id) = &found {
            self.remember(&key, id);
        }
        Ok(found)
    }

    /// The members of a user group, by its handle; none if there is no such group.
    pub async fn members_of_group(
        &self,
        handle: &str,
        call: Call<'_>,
    ) -> Result<Option<Vec<SlackUserId>>, Failure> {
        let groups = self
            .call(&methods::USERGROUPS_LIST, json!({}), call)
            .await?;
        let group = groups["usergroups"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|group| group["handle"] == *handle);
        let Some(group) = group else { return Ok(None) };
        let params = json!({ "usergroup": group["id"] });
        let answer = self
            .call(&methods::USERGROUPS_USERS_LIST, params, call)
            .await?;
        read(answer["users"].clone()).map(Some)
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

    /// Reads a list to its end, or until `page` has seen enough (`Ok(false)`).
    async fn pages(
        &self,
        method: &'static Method,
        mut params: Value,
        call: Call<'_>,
        mut page: impl FnMut(&Value) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for n in 0..PAGES_AT_MOST {
            let ticket = format!("{}/{n}", call.ticket);
            let answer = self
                .call(
                    method,
                    params.clone(),
                    Call {
                        ticket: &ticket,
                        ..call
                    },
                )
                .await?;
            let go_on = page(&answer)?;
            let cursor = answer["response_metadata"]["next_cursor"]
                .as_str()
                .unwrap_or_default();
            if !go_on || cursor.is_empty() {
                return Ok(());
            }
            params["cursor"] = json!(cursor);
        }
        Ok(())
    }

    async fn call(
        &self,
        method: &'static Method,
        params: Value,
        call: Call<'_>,
    ) -> Result<Value, Failure> {
        let channel = params["channel"].as_str();
        self.limiter()
            .take(method, channel, call.ticket, call.now)
            .map_err(|at| Failure::Later { at })?;
        let session = self.client.open_session(&self.token);
        let api = &session.http_session_api;
        let answer = match method.arguments {
            Arguments::Json => {
                in_time(
                    api.http_post::<_, Value>(method.name, &params, None),
                    method.name,
                )
                .await
            }
            Arguments::Query => {
                let query = query(&params);
                let query: Vec<(&str, Option<&String>)> = query
                    .iter()
                    .map(|(name, value)| (name.as_str(), Some(value)))
                    .collect();
                in_time(
                    api.http_get::<Value, _, _>(method.name, &query, None),
                    method.name,
                )
                .await
            }
        };
        if let Err(Failure::Retry {
            after: Some(after), ..
        }) = &answer
        {
            let wait = SignedDuration::try_from(*after).unwrap_or(SignedDuration::from_secs(60));
            self.limiter().block(method, call.now + wait);
        }
        answer
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn known(&self, key: &str) -> Option<SlackUserId> {
        let people = self
            .people
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        people.get(key).cloned()
    }

    fn remember(&self, key: &str, id: &SlackUserId) {
        let mut people = self
            .people
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        people.insert(key.to_owned(), id.clone());
    }
}

/// When a call is made, and in whose turn.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The order that calls: its turn is kept if it has to wait.
    pub ticket: &'a str,
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

/// Parameters for a query: booleans and numbers as text, lists joined by commas.
fn query(params: &Value) -> Vec<(String, String)> {
    let fields = params.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), value)
        })
        .collect()
}

/// Waits for a call, not longer than [`CALL_TIMEOUT`], and says in our words how it failed.
async fn in_time<T>(
    call: impl Future<Output = Result<T, SlackClientError>>,
    what: &str,
) -> Result<T, Failure> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failure(&error, what)),
        Err(_) => Err(Failure::Retry {
            after: None,
            why: format!("{what}: no answer within {} s", CALL_TIMEOUT.as_secs()),
        }),
    }
}

/// What an error means. slack-morphism's own words carry whole answers; they are not passed on.
fn failure(error: &SlackClientError, what: &str) -> Failure {
    match error {
        SlackClientError::ApiError(error) => {
            let body: Value = error
                .http_response_body
                .as_deref()
                .and_then(|body| serde_json::from_str(body).ok())
                .unwrap_or_default();
            refused(&error.code, &body, what)
        }
        SlackClientError::RateLimitError(error) => Failure::Retry {
            after: Some(error.retry_after.unwrap_or(RETRY_AFTER_UNSAID)),
            why: format!("{what}: Slack asks to slow down"),
        },
        SlackClientError::HttpError(error) => Failure::Retry {
            after: None,
            why: format!("{what}: HTTP status {}", error.status_code.as_u16()),
        },
        SlackClientError::HttpProtocolError(error) => Failure::Retry {
            after: None,
            why: format!(
                "{what}: {}",
                error
                    .cause
                    .as_ref()
                    .map_or("no connection".to_owned(), |cause| sources(&**cause))
            ),
        },
        SlackClientError::ProtocolError(error) => Failure::Retry {
            after: None,
            why: format!(
                "{what}: the answer is not JSON as expected: {}",
                error.json_error
            ),
        },
        SlackClientError::SystemError(_)
        | SlackClientError::EndOfStream(_)
        | SlackClientError::SocketModeProtocolError(_) => Failure::Retry {
            after: None,
            why: format!("{what}: the connection failed"),
        },
    }
}

/// An error with its causes, as one line.
fn sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What Slack's `ok: false` means (slack-contract.md section 6.0).
fn refused(code: &str, body: &Value, what: &str) -> Failure {
    let retry = |why: &str| Failure::Retry {
        after: None,
        why: format!("{what}: {why}"),
    };
    match code {
        "ratelimited" | "rate_limited" => Failure::Retry {
            after: Some(RETRY_AFTER_UNSAID),
            why: format!("{what}: Slack asks to slow down"),
        },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => retry(code),
        // The operator mends the token; until then everything waits.
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            Failure::Retry {
                after: Some(Duration::from_secs(30)),
                why: format!("{what}: Slack does not accept SLACK_BOT_TOKEN ({code})"),
            }
        }
        _ => Failure::GiveUp {
            code: code.to_owned(),
            why: explain(code, body),
            users: not_invited(body),
        },
    }
}

/// A final no, in words for a person, with what would mend it.
fn explain(code: &str, body: &Value) -> String {
    match code {
        "missing_scope" => format!(
            "the Slack app lacks the scope {}. Add it under “OAuth & Permissions” and install the app again",
            body["needed"].as_str().unwrap_or("it needs"),
        ),
        "channel_not_found" => {
            "Slack knows no such channel. Create it, or invite the bot if it is private".to_owned()
        }
        "not_in_channel" => "the bot is not in that channel. Invite it with /invite".to_owned(),
        "is_archived" => "the channel is archived".to_owned(),
        "restricted_action" => {
            "the workspace does not let apps do this; an administrator can allow it".to_owned()
        }
        "invalid_blocks" | "invalid_arguments" => {
            let details: Vec<&str> = body["response_metadata"]["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!(
                "Slack does not take the message ({code}: {})",
                details.join("; ")
            )
        }
        _ => format!("Slack says {code}"),
    }
}

/// Whether a refused invitation is about one of the users rather than about the channel.
fn is_about_a_user(code: &str) -> bool {
    matches!(
        code,
        "user_not_found"
            | "users_not_found"
            | "cant_invite"
            | "user_is_restricted"
            | "ura_max_channels"
            | "no_user"
            | "org_user_not_in_team"
            | "user_disabled"
            | "already_in_channel"
            | "cant_invite_self"
    )
}

/// What Slack says of users who are in the channel already.
const IS_THERE: [&str; 2] = ["already_in_channel", "cant_invite_self"];

/// Who could not be invited, each with Slack's word for it; whoever is there already is among them.
fn not_invited(answer: &Value) -> Vec<(SlackUserId, String)> {
    let errors = answer["errors"].as_array();
    let of_user = |error: &Value| {
        let user = SlackUserId::parse(error["user"].as_str()?)?;
        Some((user, error["error"].as_str()?.to_owned()))
    };
    errors.into_iter().flatten().filter_map(of_user).collect()
}

/// Takes certain refusals for success: the call had got through before.
fn accept(answer: Result<(), Failure>, codes: &[&str]) -> Result<(), Failure> {
    match answer {
        Err(Failure::GiveUp { code, .. }) if codes.contains(&code.as_str()) => Ok(()),
        answer => answer,
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| Failure::Retry {
        after: None,
        why: format!("Slack's answer cannot be read: {error}"),
    })
}

fn unreadable(what: &str) -> Failure {
    Failure::Retry {
        after: None,
        why: format!("{what}: the answer cannot be read"),
    }
}
