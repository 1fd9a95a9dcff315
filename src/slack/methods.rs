//! The Web API methods that are called, each with what Slack asks for it. One table: the calls, the rate limits and
//! the scopes of the app's manifest follow from it (slack-contract.md section 6.1).

/// A method of Slack's Web API.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// `chat.postMessage`
    pub name: &'static str,
    /// How its arguments travel.
    pub arguments: Arguments,
    /// How often a minute it may be called; the tier's guarantee.
    pub per_minute: u32,
    /// Calls that may follow each other at once before the rate holds.
    pub burst: u32,
    /// Whether the limit counts for each channel by itself.
    pub per_channel: bool,
    /// The scopes that it needs, for public and private channels.
    pub scopes: &'static [&'static str],
}

/// How a method's arguments travel: reads as a query, writes as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments {
    /// In the query of a GET.
    Query,
    /// As a JSON body.
    Json,
}

use Arguments::{Json, Query};

const TIER_2: u32 = 20;
const TIER_3: u32 = 50;
const TIER_4: u32 = 100;

/// Declares the methods and the list of them all.
macro_rules! methods {
    ($($constant:ident: $name:literal, $arguments:expr, $per_minute:expr, $burst:expr, $per_channel:expr, [$($scope:literal),*];)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Method = Method {
                name: $name,
                arguments: $arguments,
                per_minute: $per_minute,
                burst: $burst,
                per_channel: $per_channel,
                scopes: &[$($scope),*],
            };
        )*

        /// Every method that is called.
        pub const ALL: &[&Method] = &[$(&$constant),*];
    };
}

methods! {
    // With the app-level token of Socket Mode, whose own scope is connections:write.
    APPS_CONNECTIONS_OPEN: "apps.connections.open", Json, TIER_3, 5, false, [];
    AUTH_TEST: "auth.test", Json, TIER_4, 5, false, [];
    // One message a second in each channel, short bursts tolerated; the burst is what a war room's opening needs.
    CHAT_POST_MESSAGE: "chat.postMessage", Json, 60, 4, true, ["chat:write", "chat:write.public"];
    CHAT_UPDATE: "chat.update", Json, TIER_3, 5, false, ["chat:write"];
    CONVERSATIONS_CREATE: "conversations.create", Json, TIER_2, 5, false, ["channels:manage", "groups:write"];
    CONVERSATIONS_OPEN: "conversations.open", Json, TIER_3, 10, false, ["im:write"];
    CONVERSATIONS_INVITE: "conversations.invite", Json, TIER_3, 5, false, ["channels:manage", "groups:write"];
    CONVERSATIONS_JOIN: "conversations.join", Json, TIER_3, 5, false, ["channels:join"];
    CONVERSATIONS_SET_TOPIC: "conversations.setTopic", Json, TIER_2, 5, false, ["channels:manage", "groups:write"];
    CONVERSATIONS_SET_PURPOSE: "conversations.setPurpose", Json, TIER_2, 5, false, ["channels:manage", "groups:write"];
    CONVERSATIONS_LIST: "conversations.list", Query, TIER_2, 5, false, ["channels:read", "groups:read"];
    CONVERSATIONS_INFO: "conversations.info", Query, TIER_3, 5, false, ["channels:read", "groups:read"];
    CONVERSATIONS_HISTORY: "conversations.history", Query, TIER_3, 10, false, ["channels:history", "groups:history", "im:history"];
    CONVERSATIONS_REPLIES: "conversations.replies", Query, TIER_3, 10, false, ["channels:history", "groups:history"];
    BOOKMARKS_LIST: "bookmarks.list", Json, TIER_3, 5, false, ["bookmarks:read"];
    BOOKMARKS_ADD: "bookmarks.add", Json, TIER_2, 8, false, ["bookmarks:write"];
    PINS_ADD: "pins.add", Json, TIER_2, 5, false, ["pins:write"];
    VIEWS_OPEN: "views.open", Json, TIER_4, 20, false, [];
    VIEWS_PUBLISH: "views.publish", Json, TIER_4, 20, false, [];
    USERS_INFO: "users.info", Query, TIER_4, 10, false, ["users:read"];
    USERS_LIST: "users.list", Query, TIER_2, 3, false, ["users:read"];
    USERS_LOOKUP_BY_EMAIL: "users.lookupByEmail", Query, TIER_3, 10, false, ["users:read.email"];
    USERGROUPS_LIST: "usergroups.list", Query, TIER_2, 3, false, ["usergroups:read"];
    USERGROUPS_USERS_LIST: "usergroups.users.list", Query, TIER_2, 5, false, ["usergroups:read"];
    // Only where a schedule keeps a user group.
    USERGROUPS_USERS_UPDATE: "usergroups.users.update", Json, TIER_2, 5, false, ["usergroups:write"];
    FILES_GET_UPLOAD_URL: "files.getUploadURLExternal", Query, TIER_4, 5, false, ["files:write"];
    FILES_COMPLETE_UPLOAD: "files.completeUploadExternal", Json, TIER_4, 5, false, ["files:write"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_stands_in_the_table_once() {
        let mut names: Vec<_> = ALL.iter().map(|method| method.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
