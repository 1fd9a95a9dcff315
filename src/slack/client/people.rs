//! Who is who in Slack.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::failure::{Failure, read};
use super::progress::DIRECTORY;
use super::{Call, List, Slack, methods};
use crate::domain::catalog::{Person, SlackName};
use crate::domain::terms::SlackUserId;

impl Slack {
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
        match self.once(&methods::USERS_INFO, params, call).await {
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

    /// What Slack knows a user by: the handle, and the e-mail address where it tells that.
    pub async fn known_by(
        &self,
        user: &SlackUserId,
        call: Call<'_>,
    ) -> Result<Vec<String>, Failure> {
        let answer = self
            .call(&methods::USERS_INFO, json!({ "user": user }), call)
            .await?;
        let user = &answer["user"];
        let names = [&user["name"], &user["profile"]["email"]];
        let names = names.into_iter().filter_map(Value::as_str);
        Ok(names.map(str::to_owned).collect())
    }

    async fn user_by_email(
        &self,
        email: &str,
        call: Call<'_>,
    ) -> Result<Option<SlackUserId>, Failure> {
        let ticket = format!("{}/{email}", call.ticket);
        let params = json!({ "email": email });
        let call = Call {
            ticket: &ticket,
            ..call
        };
        let answer = self
            .once(&methods::USERS_LOOKUP_BY_EMAIL, params, call)
            .await;
        match answer {
            Ok(answer) => read(answer["user"]["id"].clone()).map(Some),
            Err(failure) if failure.is("users_not_found") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Looks in the list of everybody, which is read once for all who ask, and only as far as needed.
    async fn user_by_handle(
        &self,
        handle: &str,
        call: Call<'_>,
    ) -> Result<Option<SlackUserId>, Failure> {
        let everybody = List {
            keeper: DIRECTORY,
            method: &methods::USERS_LIST,
            params: json!({ "limit": 1_000 }),
            items: "members",
        };
        // One turn for all who wait for the same page.
        let call = Call {
            ticket: DIRECTORY,
            ..call
        };
        let is_called = |user: &Value| user["name"] == *handle || user["display_name"] == *handle;
        let people = self
            .list(everybody, call, entry, |found| found.iter().any(is_called))
            .await?;
        let found = people.into_iter().find(is_called);
        found.map(|user| read(user["id"].clone())).transpose()
    }

    /// The members of a user group, by its handle; none if there is no such group.
    pub async fn members_of_group(
        &self,
        handle: &str,
        call: Call<'_>,
    ) -> Result<Option<Vec<SlackUserId>>, Failure> {
        let Some(group) = self.group_called(handle, call).await? else {
            return Ok(None);
        };
        let ticket = format!("{}/@{handle}", call.ticket);
        let call = Call {
            ticket: &ticket,
            ..call
        };
        let params = json!({ "usergroup": group });
        let answer = self
            .once(&methods::USERGROUPS_USERS_LIST, params, call)
            .await?;
        Ok(Some(members(&answer)))
    }

    /// Sees to it that exactly these users are in a group. Slack is told only if others are; never that nobody is.
    pub async fn keep_group(
        &self,
        handle: &str,
        users: &[SlackUserId],
        call: Call<'_>,
    ) -> Result<GroupKept, Failure> {
        let Some(group) = self.group_called(handle, call).await? else {
            return Ok(GroupKept::Unknown);
        };
        let params = json!({ "usergroup": group });
        let answer = self
            .call(&methods::USERGROUPS_USERS_LIST, params, call)
            .await?;
        let there: BTreeSet<SlackUserId> = members(&answer).into_iter().collect();
        if there == users.iter().cloned().collect() || users.is_empty() {
            return Ok(GroupKept::AsItWas);
        }
        let list: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
        let params = json!({ "usergroup": group, "users": list.join(",") });
        self.call(&methods::USERGROUPS_USERS_UPDATE, params, call)
            .await?;
        Ok(GroupKept::Changed)
    }

    /// The id of a user group, by its handle.
    async fn group_called(&self, handle: &str, call: Call<'_>) -> Result<Option<Value>, Failure> {
        let groups = List {
            keeper: DIRECTORY,
            method: &methods::USERGROUPS_LIST,
            params: json!({}),
            items: "usergroups",
        };
        let directory = Call {
            ticket: DIRECTORY,
            ..call
        };
        let pick = |group: &Value| {
            let short = json!({ "id": group["id"], "handle": group["handle"] });
            group["id"].is_string().then_some(short)
        };
        let groups = self.list(groups, directory, pick, |_| false).await?;
        let group = groups.iter().find(|group| group["handle"] == *handle);
        Ok(group.map(|group| group["id"].clone()))
    }
}

/// What became of a user group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKept {
    /// Whoever should be in it was in it.
    AsItWas,
    /// Others were in it; they are not any more.
    Changed,
    /// There is no group of this handle.
    Unknown,
}

fn members(answer: &Value) -> Vec<SlackUserId> {
    let members = answer["users"].as_array().into_iter().flatten();
    members
        .filter_map(|user| SlackUserId::parse(user.as_str()?))
        .collect()
}

/// What is kept of a user: by what they can be called.
fn entry(user: &Value) -> Option<Value> {
    let short = json!({
        "id": user["id"], "name": user["name"], "display_name": user["profile"]["display_name"],
    });
    (user["deleted"] != true && user["id"].is_string()).then_some(short)
}
