//! War rooms: created, found again, described, filled with people and links.

use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::{Failure, or_default, read};
use super::{Call, List, Slack, methods};
use crate::domain::terms::{ChannelId, SlackUserId};
use crate::slack::text::unescape;

/// Users that one invitation may name (slack-contract.md section 6.3: the sources say 100 and 1000).
const INVITE_AT_MOST: usize = 100;

/// A channel as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub struct Channel {
    /// The id.
    pub id: ChannelId,
    /// The name, without `#`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// When it was created, in seconds since 1970.
    #[serde(default, deserialize_with = "or_default")]
    pub created: i64,
    /// Who created it.
    #[serde(default, deserialize_with = "or_default")]
    pub creator: String,
    /// Whether it is archived.
    #[serde(default, deserialize_with = "or_default")]
    pub is_archived: bool,
    /// Its topic.
    #[serde(default, deserialize_with = "or_default")]
    pub topic: Described,
    /// Its purpose.
    #[serde(default, deserialize_with = "or_default")]
    pub purpose: Described,
}

/// A topic or a purpose.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Described {
    /// The text.
    #[serde(default, deserialize_with = "or_default")]
    pub value: String,
}

impl Slack {
    /// Creates a public channel. `name_taken` is a final no.
    pub async fn create_channel(&self, name: &str, call: Call<'_>) -> Result<Channel, Failure> {
        let answer = self
            .once(
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
        let channels = self.public_channels(call);
        let found = self
            .list(
                channels,
                call,
                |channel| {
                    let wanted = names.iter().any(|name| channel["name"] == **name);
                    (channel["creator"] == us.as_str() && wanted).then(|| channel.clone())
                },
                |found| found.len() >= names.len(),
            )
            .await?;
        Ok(found
            .into_iter()
            .filter_map(|channel| serde_json::from_value(channel).ok())
            .collect())
    }

    /// The id of a public channel by its name, without `#`.
    pub async fn channel_named(
        &self,
        name: &str,
        call: Call<'_>,
    ) -> Result<Option<ChannelId>, Failure> {
        let found = self
            .list(
                self.public_channels(call),
                call,
                |channel| (channel["name"] == *name).then(|| channel["id"].clone()),
                |found| !found.is_empty(),
            )
            .await?;
        found.into_iter().next().map(read).transpose()
    }

    /// Whether an announcement would find its channel: an id that Slack knows, or the `#name` of a public channel.
    pub async fn can_announce(&self, channel: &str, call: Call<'_>) -> Result<bool, Failure> {
        match channel.strip_prefix('#') {
            Some(name) => Ok(self.channel_named(name, call).await?.is_some()),
            None => self.is_alive(&ChannelId::new(channel), call).await,
        }
    }

    /// The list of all public channels that are not archived, in the largest pages there are.
    fn public_channels<'a>(&self, call: Call<'a>) -> List<'a> {
        List {
            keeper: call.keeper(),
            method: &methods::CONVERSATIONS_LIST,
            params: json!({ "types": "public_channel", "limit": 999, "exclude_archived": true }),
            items: "channels",
        }
    }

    /// Comes into a public channel.
    pub(super) async fn join(&self, channel: &ChannelId, call: Call<'_>) -> Result<(), Failure> {
        let params = json!({ "channel": channel });
        self.call(&methods::CONVERSATIONS_JOIN, params, call)
            .await
            .map(drop)
    }

    /// Whether a channel is still there to be worked in.
    pub async fn is_alive(&self, channel: &ChannelId, call: Call<'_>) -> Result<bool, Failure> {
        match self.channel(channel, call).await {
            Ok(channel) => Ok(!channel.is_archived),
            Err(Failure::GiveUp { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Sets the topic unless it is set so already: each setting leaves a line in the channel.
    pub async fn set_topic(
        &self,
        channel: &ChannelId,
        topic: &str,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        if is_the_same(&self.channel(channel, call).await?.topic.value, topic) {
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
        if is_the_same(&self.channel(channel, call).await?.purpose.value, purpose) {
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
                .once(&methods::CONVERSATIONS_INVITE, params, call)
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
            .once(
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
            self.once(
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

/// Whether Slack shows what we would set. It shows `&` as `&amp;` and an emoji by its name, so that only what cannot be
/// written in two ways is compared.
fn is_the_same(shown: &str, wanted: &str) -> bool {
    fn essence(text: &str) -> String {
        let text = unescape(text, |_| None);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let name_ends = rest.strip_prefix(':').and_then(|name| name.find(':'));
            match name_ends {
                // `:fire:`
                Some(end) if is_an_emojis_name(&rest[1..=end]) => {
                    rest = &rest[end + 2..];
                }
                _ => {
                    rest = &rest[c.len_utf8()..];
                    if c.is_alphanumeric() || c.is_ascii_graphic() {
                        out.push(c);
                    }
                }
            }
        }
        out
    }
    shown == wanted || essence(shown) == essence(wanted)
}

/// A time of day has colons too, but no letters between them.
fn is_an_emojis_name(name: &str) -> bool {
    let fits =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '+');
    name.chars().all(fits) && name.contains(|c: char| !c.is_ascii_digit())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_same_however_slack_writes_it() {
        for (shown, wanted, same) in [
            ("P1 · pay &amp; go", "P1 · pay & go", true),
            ("P1 · :fire: down", "P1 · 🔥 down", true),
            ("P1 · <https://x.example>", "P1 · https://x.example", true),
            ("P1 · Investigating", "P1 · Resolved", false),
            ("P1 · at 10:30:15", "P1 · at 10:31:15", false),
            ("", "P1", false),
        ] {
            assert_eq!(is_the_same(shown, wanted), same, "{shown} / {wanted}");
        }
    }

    #[test]
    fn a_channel_without_a_topic_is_a_channel() {
        let channel = json!({ "id": "C1", "name": "ops", "topic": null, "purpose": { "value": null }, "created": null });
        let channel: Channel = read(channel).unwrap();
        assert_eq!((channel.topic.value.as_str(), channel.created), ("", 0));
    }
}
