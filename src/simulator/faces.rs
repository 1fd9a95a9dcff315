//! How Slack prints its objects: USER, CHANNEL, IM, message, file, bookmark (contract section 6.1).

use serde_json::{Map, Value, json};

use super::model::{
    APP_ID, BOT_ID, BOT_USER, Bookmark, Channel, File, Heading, Kind, Message, State, User,
    UserGroup,
};

/// How much of a message's metadata a reader asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// Only its `event_type`: the default of `conversations.history`.
    TypeOnly,
    Whole,
}

impl State {
    /// USER. Without `users:read.email` the profile has no e-mail.
    pub fn user_json(&self, user: &User) -> Value {
        let User {
            id,
            name,
            real_name,
            title,
            email,
            tz,
            deleted,
            is_bot,
        } = user;
        let team = &self.team_id;
        let mut profile = json!({
            "avatar_hash": "g000000", "status_text": "", "status_emoji": "", "status_expiration": 0,
            "real_name": real_name, "real_name_normalized": real_name, "display_name": name,
            "display_name_normalized": name, "title": title, "phone": "",
            "image_24": "", "image_48": "", "image_72": "", "image_192": "", "image_512": "", "team": team,
        });
        if let (Some(email), true) = (email, self.has_scope("users:read.email")) {
            profile["email"] = json!(email);
        }
        if id == BOT_USER {
            profile["api_app_id"] = json!(APP_ID);
            profile["bot_id"] = json!(BOT_ID);
        }
        let mut face = json!({
            "id": id, "team_id": team, "name": name, "deleted": deleted, "profile": profile,
            "is_bot": *is_bot && id == BOT_USER, "is_app_user": false, "updated": 1_502_138_686,
        });
        if !deleted {
            let more = json!({
                "color": "9f69e7", "real_name": real_name, "tz": tz, "tz_label": tz,
                "tz_offset": tz_offset_s(tz, self.now_ms), "is_admin": false, "is_owner": false,
                "is_primary_owner": false, "is_restricted": false, "is_ultra_restricted": false, "has_2fa": false,
            });
            merge(&mut face, more);
        }
        face
    }

    pub fn group_json(&self, group: &UserGroup, with_users: bool, with_count: bool) -> Value {
        let UserGroup {
            id,
            handle,
            name,
            users,
            date_create_s,
            date_update_s,
        } = group;
        let mut face = json!({
            "id": id, "team_id": self.team_id, "is_usergroup": true, "is_subteam": true, "name": name, "description": "",
            "handle": handle, "is_external": false, "date_create": date_create_s, "date_update": date_update_s,
            "date_delete": 0, "auto_type": null, "created_by": BOT_USER, "updated_by": BOT_USER, "deleted_by": null,
            "prefs": {"channels": [], "groups": []},
        });
        if with_users {
            face["users"] = json!(users);
        }
        if with_count {
            face["user_count"] = json!(users.len());
        }
        face
    }

    /// CHANNEL or IM.
    pub fn channel_json(&self, channel: &Channel) -> Value {
        let is_channel = channel.kind.is_channel();
        if channel.kind == Kind::Direct {
            let user = channel.members.iter().find(|m| *m != BOT_USER);
            return json!({
                "id": channel.id, "created": channel.created_s, "is_im": true, "is_org_shared": false, "is_archived": false,
                "user": user, "is_user_deleted": false, "priority": 0, "context_team_id": self.team_id,
                "updated": channel.updated_ms,
            });
        }
        json!({
            "id": channel.id, "name": channel.name, "name_normalized": channel.name, "is_channel": is_channel,
            "is_group": false, "is_im": false, "is_mpim": channel.kind == Kind::Group,
            "is_private": channel.kind != Kind::Public, "created": channel.created_s, "creator": channel.creator,
            "is_archived": channel.archived, "is_general": channel.is_general, "is_frozen": false, "is_read_only": false,
            "unlinked": 0, "is_shared": false, "is_ext_shared": false, "is_org_shared": false,
            "shared_team_ids": [self.team_id], "internal_team_ids": [], "context_team_id": self.team_id,
            "pending_shared": [], "pending_connected_team_ids": [], "is_pending_ext_shared": false,
            "is_member": channel.has_bot(), "parent_conversation": null, "updated": channel.updated_ms,
            "topic": heading_json(&channel.topic), "purpose": heading_json(&channel.purpose), "properties": {},
            "previous_names": channel.previous_names, "priority": 0,
        })
    }

    pub fn bot_profile_json(&self) -> Value {
        json!({
            "id": BOT_ID, "app_id": APP_ID, "name": self.users[BOT_USER].name, "deleted": false, "updated": 1_727_680_976,
            "icons": {"image_36": "", "image_48": "", "image_72": ""}, "team_id": self.team_id,
        })
    }

    pub fn message_json(&self, channel: &Channel, message: &Message, metadata: Metadata) -> Value {
        let Message {
            ts,
            thread_ts,
            user,
            from_bot,
            subtype,
            more,
            text,
            blocks,
            attachments,
            metadata: data,
            files,
            client_msg_id,
            edited_ts,
            edits: _,
            reactions,
            values: _,
        } = message;
        let mut face =
            json!({"type": "message", "user": user, "ts": ts, "text": text, "team": self.team_id});
        if let Some(subtype) = subtype {
            face["subtype"] = json!(subtype);
        }
        if *from_bot {
            merge(
                &mut face,
                json!({"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": self.bot_profile_json()}),
            );
        }
        if let Some(id) = client_msg_id {
            face["client_msg_id"] = json!(id);
        }
        if !blocks.is_empty() {
            face["blocks"] = json!(blocks);
        }
        if !attachments.is_empty() {
            face["attachments"] = json!(attachments);
        }
        if let Some(data) = data {
            face["metadata"] = match metadata {
                Metadata::Whole => data.clone(),
                Metadata::TypeOnly => json!({"event_type": data["event_type"]}),
            };
        }
        if !files.is_empty() {
            face["files"] = files
                .iter()
                .filter_map(|id| self.files.get(id))
                .map(|f| self.file_json(f))
                .collect();
        }
        if let Some(edited_ts) = edited_ts {
            face["edited"] = json!({"user": user, "ts": edited_ts});
        }
        if !reactions.is_empty() {
            face["reactions"] = reactions
                .iter()
                .map(|r| json!({"name": r.name, "users": r.users, "count": r.users.len()}))
                .collect();
        }
        if channel.pins.iter().any(|pin| pin.ts == *ts) {
            face["pinned_to"] = json!([channel.id]);
            face["pinned_info"] = json!({"channel": channel.id});
        }
        if let Some(thread_ts) = thread_ts {
            face["thread_ts"] = json!(thread_ts);
            if message.is_reply() {
                let parent = channel.message(thread_ts);
                face["parent_user_id"] = json!(parent.map(|p| &p.user));
            } else {
                merge(&mut face, thread_json(channel, ts));
            }
        }
        merge(&mut face, Value::Object(more.clone()));
        face
    }

    pub fn file_json(&self, file: &File) -> Value {
        let name = &file.filename;
        let filetype = name
            .rsplit_once('.')
            .map_or("binary", |(_, end)| end)
            .to_lowercase();
        let mut shares = Map::new();
        for (channel, ts) in &file.shares {
            let kind = if self.channel(channel).kind == Kind::Public {
                "public"
            } else {
                "private"
            };
            let group = shares.entry(kind).or_insert_with(|| json!({}));
            group[channel] = json!([{"ts": ts, "channel_name": self.channel(channel).name, "team_id": self.team_id}]);
        }
        let channels: Vec<&String> = file.shares.iter().map(|(channel, _)| channel).collect();
        json!({
            "id": file.id, "created": file.created_s, "timestamp": file.created_s, "name": name, "title": file.title,
            "mimetype": mimetype(&filetype), "filetype": filetype, "pretty_type": filetype.to_uppercase(), "user": file.user,
            "user_team": self.team_id, "editable": false, "size": file.length, "mode": "hosted", "is_external": false,
            "is_public": shares.contains_key("public"), "public_url_shared": false,
            "url_private": format!("{}/files/{}", self.origin, file.id),
            "url_private_download": format!("{}/files/{}", self.origin, file.id),
            "permalink": format!("{}/files/{}", self.origin, file.id),
            "channels": channels, "groups": [], "ims": [], "shares": shares, "has_rich_preview": false,
        })
    }

    pub fn bookmark_json(&self, channel: &str, bookmark: &Bookmark) -> Value {
        let Bookmark {
            id,
            title,
            link,
            emoji,
            created_s,
            updated_s,
            updated_by,
        } = bookmark;
        json!({
            "id": id, "channel_id": channel, "title": title, "link": link, "emoji": emoji, "icon_url": null, "type": "link",
            "entity_id": null, "date_created": created_s, "date_updated": updated_s, "rank": "g",
            "last_updated_by_user_id": updated_by, "last_updated_by_team_id": self.team_id, "shortcut_id": null, "app_id": null,
        })
    }

    /// Where a person would open the message in a browser.
    pub fn permalink(&self, channel: &str, message: &Message) -> String {
        let mut link = format!(
            "https://firebell-sim.slack.com/archives/{channel}/p{}",
            message.ts.replace('.', "")
        );
        if let (true, Some(parent)) = (message.is_reply(), &message.thread_ts) {
            link.push_str(&format!("?thread_ts={parent}&cid={channel}"));
        }
        link
    }
}

fn thread_json(channel: &Channel, parent: &str) -> Value {
    let replies: Vec<&Message> = channel.replies(parent).collect();
    let mut users: Vec<&str> = Vec::new();
    for reply in &replies {
        if !users.contains(&reply.user.as_str()) {
            users.push(&reply.user);
        }
    }
    let mut face = json!({
        "reply_count": replies.len(), "reply_users_count": users.len(), "is_locked": false, "subscribed": false,
        "reply_users": users.iter().take(5).collect::<Vec<_>>(),
    });
    if let Some(last) = replies.last() {
        face["latest_reply"] = json!(last.ts);
    }
    face
}

/// The kinds of file that people send; Slack knows many more.
fn mimetype(filetype: &str) -> &'static str {
    match filetype {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        _ => "application/octet-stream",
    }
}

fn heading_json(heading: &Heading) -> Value {
    json!({"value": heading.value, "creator": heading.creator, "last_set": heading.last_set_s})
}

fn tz_offset_s(tz: &str, now_ms: i64) -> i32 {
    let zone = jiff::tz::TimeZone::get(tz).ok();
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone.map_or(0, |zone| zone.to_offset(now).seconds())
}

/// Adds the fields of one JSON object to another.
pub(crate) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
