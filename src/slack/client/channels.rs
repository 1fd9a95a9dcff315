//! War rooms: created, found again, described, filled with people and links.

use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::{Failure, read};
use super::{Call, Slack, methods};
use crate::domain::terms::{ChannelId, SlackUserId};

/// Users that one invitation may name (slack-contract.md section 6.3: the sources say 100 and 1000).
const INVITE_AT_MOST: usize = 100;

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

impl Slack {
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
pub(super) fn not_invited(answer: &Value) -> Vec<(SlackUserId, String)> {
    let errors = answer["errors"].as_array();
    let of_user = |error: &Value| {
        let user = SlackUserId::parse(error["user"].as_str()?)?;
        Some((user, error["error"].as_str()?.to_owned()))
    };
    errors.into_iter().flatten().filter_map(of_user).collect()
}
