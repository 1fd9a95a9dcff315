//! Who is who in Slack.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::failure::{Failure, read};
use super::{Call, Slack, methods};
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

    fn known(&self, key: &str) -> Option<SlackUserId> {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.get(key).cloned()
    }

    fn remember(&self, key: &str, id: &SlackUserId) {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.insert(key.to_owned(), id.clone());
    }
}
