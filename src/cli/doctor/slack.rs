//! What Slack says: of the token, of each scope, of its time, and of whom and what the configuration names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use secrecy::SecretString;

use super::findings::Findings;
use crate::cli::manifest::scopes;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::catalog::{Catalog, SlackName};
use crate::domain::escalation::Target;
use crate::slack::client::Slack;
use crate::slack::client::examine::{Credentials, Examiner, Member, credentials};

/// A clock that differs by more is worth a word.
const SKEW_WARNED: SignedDuration = SignedDuration::from_secs(2);
/// A clock that differs by more will make Slack's signatures look stale (slack-contract.md section 1: five minutes) on
/// the next bad day.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

const WHERE_TOKENS_ARE: &str = "api.slack.com/apps, your app, OAuth & Permissions";

/// Whether Slack can be asked; if so, everything that it says of the bot and of whom and what the configuration names.
pub(super) async fn examine(
    settings: &Settings,
    token: &SecretString,
    catalog: &Catalog,
    findings: &mut Findings,
) -> anyhow::Result<bool> {
    let Credentials { who, scopes, ahead } =
        match credentials(&settings.slack_api_url, token, &Clock::System).await {
            Ok(credentials) => credentials,
            Err(why) => {
                findings.wrong(
                    "Slack",
                    format!("{} cannot be asked: {why}", settings.slack_api_url),
                    "let this machine reach it, by way of a proxy if need be (SLACK_API_URL)",
                );
                return Ok(false);
            }
        };
    clock(ahead, findings);
    match who {
        Ok(who) => findings.fine(
            "token",
            format!(
                "it is that of @{} ({}) in the workspace {}",
                who.user, who.user_id, who.team
            ),
        ),
        Err(code) => {
            findings.wrong(
                "token",
                format!("Slack does not take it ({code})"),
                mend_token(&code),
            );
            return Ok(true);
        }
    }
    granted(scopes.as_ref(), catalog, findings);
    let slack = Slack::new(&settings.slack_api_url, token, Clock::System)?;
    let examiner = Examiner::new(&slack, &Clock::System);
    channels(&examiner, scopes.as_ref(), catalog, findings).await;
    people(&examiner, catalog, findings).await;
    groups(&examiner, catalog, findings).await;
    Ok(true)
}

fn mend_token(code: &str) -> String {
    match code {
        "account_inactive" | "token_revoked" => {
            format!(
                "install the app again ({WHERE_TOKENS_ARE}), and set SLACK_BOT_TOKEN to its new token"
            )
        }
        "not_allowed_token_type" => {
            format!("SLACK_BOT_TOKEN wants the Bot User OAuth Token ({WHERE_TOKENS_ARE})")
        }
        _ => {
            format!("copy the Bot User OAuth Token again ({WHERE_TOKENS_ARE}) into SLACK_BOT_TOKEN")
        }
    }
}

fn clock(ahead: Option<SignedDuration>, findings: &mut Findings) {
    let about = "clock";
    let Some(ahead) = ahead else {
        findings.doubtful(
            about,
            "Slack's answer does not tell its time",
            "compare this machine's clock by hand",
        );
        return;
    };
    let way = if ahead.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let said = format!("{:.0} s {way} Slack's", ahead.abs().as_secs_f64());
    let mend = "let NTP set this machine's clock (timedatectl set-ntp true)";
    if ahead.abs() > SKEW_MAX {
        findings.wrong(
            about,
            format!("{said}: what Slack signs looks stale or not yet signed"),
            mend,
        );
    } else if ahead.abs() > SKEW_WARNED {
        findings.doubtful(about, said, mend);
    } else {
        findings.fine(about, "it goes with Slack's");
    }
}

/// What does not work without a scope; `true`: the bot works without it, in public channels.
fn without(scope: &str) -> (&'static str, bool) {
    match scope {
        "commands" => ("nobody can type the slash command", false),
        "chat:write" => ("the bot can say nothing", false),
        "chat:write.public" => (
            "it can announce only in channels that it was invited to",
            true,
        ),
        "channels:manage" => (
            "no war room is created, described or filled with people",
            false,
        ),
        "groups:write" => (
            "it cannot describe private channels or invite people to them",
            true,
        ),
        "channels:join" => ("it cannot join public channels by itself", false),
        "channels:read" => (
            "it finds no channel by its name, nor what it has created before",
            false,
        ),
        "groups:read" => ("it finds no private channel by its name", true),
        "channels:history" => (
            "it cannot tell whether a message got through, and may post it twice",
            false,
        ),
        "groups:history" => (
            "in private channels it cannot tell whether a message got through",
            true,
        ),
        "im:write" => ("nobody can be paged by a direct message", false),
        "im:history" => (
            "it cannot tell whether a page got through, and may send it twice",
            false,
        ),
        "bookmarks:read" | "bookmarks:write" => {
            ("bridge and links are not bookmarked in war rooms", false)
        }
        "pins:write" => ("the card is not pinned", false),
        "pins:read" => ("what people pin does not come onto the timeline", false),
        "reactions:read" => ("reactions put nothing onto the timeline", false),
        "users:read" => (
            "people have ids for names in the record, and no handle is found",
            false,
        ),
        "users:read.email" => ("nobody is found by e-mail address", false),
        "usergroups:read" => ("no user group can be invited", false),
        "usergroups:write" => (
            "the user groups of schedules do not follow who is on call",
            false,
        ),
        "files:write" => (
            "the record cannot be put into the war room as a file",
            false,
        ),
        _ => ("what needs it fails", false),
    }
}

/// Each scope of the manifest, by what the token was granted.
fn granted(granted: Option<&BTreeSet<String>>, catalog: &Catalog, findings: &mut Findings) {
    let Some(granted) = granted else {
        findings.doubtful(
            "scopes",
            "the answer does not say which are granted",
            "ask Slack itself instead of a proxy (SLACK_API_URL)",
        );
        return;
    };
    for scope in scopes(catalog) {
        let about = format!("scope {scope}");
        if granted.contains(scope) {
            findings.fine(about, "granted");
            continue;
        }
        let (without, is_dispensable) = without(scope);
        let mend = format!(
            "add it ({WHERE_TOKENS_ARE}, Scopes, Bot Token Scopes), then install the app again"
        );
        match is_dispensable {
            true => findings.doubtful(about, format!("missing: {without}"), mend),
            false => findings.wrong(about, format!("missing: {without}"), mend),
        }
    }
}

/// A channel that the configuration names, and where.
struct Named<'a> {
    name: Cow<'a, str>,
    /// What is said to be changed if it is wrong.
    place: String,
    about: String,
}

/// The channels that are posted in: where incidents are announced, and what policies and routes name.
fn named_channels(catalog: &Catalog) -> Vec<Named<'_>> {
    let announce = &catalog.slack.announce;
    let mut named = vec![Named {
        name: Cow::Borrowed(announce),
        place: "[slack].announce".to_owned(),
        about: format!("announce channel {announce}"),
    }];
    let policies = catalog.escalation_policies.iter().flat_map(|policy| {
        let targets = policy.steps.iter().flat_map(|step| &step.notify);
        targets.filter_map(|target| match target {
            Target::Channel(name) => Some((
                Cow::Owned(format!("#{name}")),
                format!("the target of the escalation policy {}", policy.id),
            )),
            Target::Person(_) | Target::Role(_) | Target::Schedule(_) | Target::UserGroup(_) => {
                None
            }
        })
    });
    let routes = (1..).zip(&catalog.routes).filter_map(|(n, route)| {
        let name = route.channel.as_deref()?;
        Some((Cow::Borrowed(name), format!("the channel of the route {n}")))
    });
    for (name, place) in policies.chain(routes) {
        if !named.iter().any(|it| it.name == name) {
            let about = format!("channel {name}");
            named.push(Named { name, place, about });
        }
    }
    named
}

async fn channels(
    examiner: &Examiner<'_>,
    scopes: Option<&BTreeSet<String>>,
    catalog: &Catalog,
    findings: &mut Findings,
) {
    for named in named_channels(catalog) {
        channel(examiner, scopes, named, findings).await;
    }
}

async fn channel(
    examiner: &Examiner<'_>,
    scopes: Option<&BTreeSet<String>>,
    Named { name, place, about }: Named<'_>,
    findings: &mut Findings,
) {
    let name = &*name;
    let may_post_anywhere = scopes.is_none_or(|scopes| scopes.contains("chat:write.public"));
    // What a running bot goes by, and then why.
    let found = match examiner.can_announce(name).await {
        Ok(found) => found,
        Err(failure) => return findings.unanswered(about, &failure),
    };
    match examiner.channel(name).await {
        Err(failure) => findings.unanswered(about, &failure),
        Ok(None) => findings.wrong(
            about,
            "there is none that the bot can see",
            format!("create it, or `/invite` the bot if it is private, or name another as {place}"),
        ),
        Ok(Some(channel)) if !found && channel.is_private && !channel.is_archived => findings
            .wrong(
                about,
                "it is private, and only public ones are found by their names",
                format!("set {place} to its id, {}", channel.id),
            ),
        Ok(Some(channel)) if channel.is_archived => findings.wrong(
            about,
            "it is archived",
            format!("unarchive it, or name another as {place}"),
        ),
        Ok(Some(channel)) if channel.is_member => findings.fine(about, "the bot is in it"),
        Ok(Some(channel)) if may_post_anywhere && !channel.is_private => {
            findings.fine(
                about,
                "the bot is not in it, but may post there (chat:write.public)",
            );
        }
        Ok(Some(_)) => findings.wrong(
            about,
            "the bot is not in it and may not post there",
            "type `/invite` with the bot's name in it, or add the scope chat:write.public",
        ),
    }
}

/// Everybody of the configuration: whether Slack knows them.
async fn people(examiner: &Examiner<'_>, catalog: &Catalog, findings: &mut Findings) {
    let by_handle = |slack: &Option<SlackName>| matches!(slack, Some(SlackName::Handle(_)));
    let everybody = match catalog.people.iter().any(|person| by_handle(&person.slack)) {
        true => Some(examiner.everybody().await),
        false => None,
    };
    for person in &catalog.people {
        let about = format!("person {}", person.id);
        let (how, found) = match (&person.slack, &person.email) {
            (Some(SlackName::Id(id)), _) => (id.to_string(), examiner.user(id.as_str()).await),
            (Some(SlackName::Handle(handle)), _) => {
                let found = match &everybody {
                    Some(Ok(everybody)) => Ok(called(everybody, handle)),
                    Some(Err(failure)) => Err(failure.clone()),
                    None => Ok(None),
                };
                (format!("@{handle}"), found)
            }
            (None, Some(email)) => (email.clone(), examiner.user_by_email(email).await),
            (None, None) => {
                let said =
                    "Slack cannot be asked about them: the bot will not invite or mention them";
                findings.doubtful(about, said, "add `slack` or `email` under [[people]]");
                continue;
            }
        };
        let mend = "correct `slack` or `email` under [[people]]";
        match found {
            Err(failure) => findings.unanswered(about, &failure),
            Ok(None) => findings.wrong(about, format!("Slack knows no {how}"), mend),
            Ok(Some(member)) if member.is_gone => {
                findings.wrong(
                    about,
                    format!("the account {how} is deactivated"),
                    "take them out of [[people]], or name their new account",
                );
            }
            Ok(Some(_)) => findings.fine(about, format!("found as {how}")),
        }
    }
}

/// Whoever has a handle; the one who is still there, if several had it.
fn called(everybody: &[Member], handle: &str) -> Option<Member> {
    let mut called: Vec<&Member> = everybody
        .iter()
        .filter(|member| member.names.iter().any(|name| name == handle))
        .collect();
    called.sort_by_key(|member| member.is_gone);
    called.first().map(|member| (*member).clone())
}

/// The user groups that are named, with the place of one of them.
fn named_groups(catalog: &Catalog) -> BTreeMap<&str, String> {
    let severities = catalog.severities.iter().flat_map(|severity| {
        let targets = severity.invite.iter();
        targets.map(move |target| (target, format!("severity {}", severity.id)))
    });
    let policies = catalog.escalation_policies.iter().flat_map(|policy| {
        let targets = policy.steps.iter().flat_map(|step| &step.notify);
        targets.map(move |target| (target, format!("escalation policy {}", policy.id)))
    });
    let services = catalog.services.iter().flat_map(|service| {
        let targets = service.owner.iter();
        targets.map(move |target| (target, format!("service {}", service.id)))
    });
    let actions = catalog.actions.iter().flat_map(|action| {
        let targets = action.approvals.by.iter();
        targets.map(move |target| (target, format!("action {}", action.id)))
    });
    let schedules = catalog.schedules.iter().filter_map(|schedule| {
        let handle = schedule.usergroup.as_deref()?;
        Some((handle, format!("schedule {}", schedule.id)))
    });
    let mut groups: BTreeMap<&str, String> = schedules.collect();
    for (target, place) in severities.chain(policies).chain(services).chain(actions) {
        if let Target::UserGroup(handle) = target {
            groups.entry(handle.as_str()).or_insert(place);
        }
    }
    groups
}

async fn groups(examiner: &Examiner<'_>, catalog: &Catalog, findings: &mut Findings) {
    let named = named_groups(catalog);
    if named.is_empty() {
        return;
    }
    let there = match examiner.groups().await {
        Ok(there) => there,
        Err(failure) => return findings.unanswered("user groups", &failure),
    };
    for (handle, place) in named {
        let about = format!("user group @{handle}");
        match there.iter().find(|group| group.handle == handle) {
            Some(group) if group.is_gone => findings.wrong(
                about,
                format!("it is switched off, and {place} names it"),
                "switch it on again in Slack, or name another",
            ),
            Some(_) => findings.fine(about, "it is there"),
            None => findings.wrong(
                about,
                format!("Slack knows none, and {place} names it"),
                "make it in Slack, or correct the handle",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::{Finding, State};
    use super::*;

    #[test]
    fn it_is_said_of_every_scope_what_does_not_work_without_it() {
        let catalog = Catalog::default();
        for scope in scopes(&catalog).into_iter().chain(["usergroups:write"]) {
            assert_ne!(without(scope).0, without("?").0, "{scope}");
        }
    }

    #[test]
    fn a_clock_is_worth_a_word_and_then_a_fault() {
        let told = |seconds| {
            let mut findings = Findings::default();
            clock(Some(SignedDuration::from_secs(seconds)), &mut findings);
            let Finding { state, said, .. } = findings.0.remove(0);
            (state, said)
        };
        assert_eq!(told(1).0, State::Fine);
        assert_eq!(told(-3), (State::Doubtful, "3 s behind Slack's".to_owned()));
        assert_eq!(told(60).0, State::Doubtful);
        assert_eq!(told(-61).0, State::Wrong);
        assert_eq!(told(90).0, State::Wrong);
    }
}
