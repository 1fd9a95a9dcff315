//! `firebell page test alice`: whether somebody can be reached, before it matters.

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;

use crate::app::beside;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::catalog::{Catalog, Person, SlackName};
use crate::domain::escalation::Channel;
use crate::domain::form::nearest;
use crate::domain::reach::leads_to;
use crate::notify::{Notifier, PageFacts, PageText, page_text};
use crate::slack::client::{Call, Destination, Failure, Outgoing, Slack};
use crate::templates;

/// Sends a page that is marked as a test by each way of a person, and says what came of it.
///
/// No answer is asked for: nothing waits for one, and whoever presses a key would be told that there is no such page.
pub(super) async fn test(
    settings: &Settings,
    vars: impl Fn(&str) -> Option<String>,
    person: &str,
    via: &[Channel],
    json: bool,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let person = find(&catalog, person)?;
    let ways = match via {
        [] => ways_of(&catalog, person),
        _ => via.to_vec(),
    };
    if ways.is_empty() {
        bail!(
            "{} cannot be reached: add `slack`, `email` or `phone` to their entry in [[people]], and the section of [notifications]",
            person.name
        );
    }
    let clock = Clock::System;
    let now = clock.now();
    let words = templates::environment(beside(settings.config.path()).as_deref());
    let facts = PageFacts {
        incident: "page-test".to_owned(),
        page: 0,
        severity: "Test".to_owned(),
        title: "can you be reached?".to_owned(),
        service: None,
        why: "somebody tries whether this works".to_owned(),
        since: now,
        ordered_at: now,
        now,
        url: None,
        acknowledge_url: None,
        takes_replies: false,
        is_test: true,
    };
    let text = page_text(&words, &catalog, &facts)?;
    let (notifier, _) = Notifier::new(&catalog, None, vars);
    let mut failed = false;
    let mut told = Vec::new();
    for way in ways {
        let key = uuid::Uuid::now_v7().to_string();
        let sent = match way {
            Channel::Slack => in_slack(settings, person, &text, &key, &clock).await,
            Channel::Email | Channel::Sms | Channel::Voice | Channel::Webhook => notifier
                .send(way, person, &text, &key, false)
                .await
                .map(|accepted| accepted.provider_id)
                .map_err(|failure| failure.why().to_owned()),
        };
        failed |= sent.is_err();
        match (json, &sent) {
            (true, Ok(id)) => told.push(json!({ "via": way, "ok": true, "provider_id": id })),
            (true, Err(why)) => told.push(json!({ "via": way, "ok": false, "why": why })),
            (false, Ok(Some(id))) => println!("✓ {way}: accepted as {id}"),
            (false, Ok(None)) => println!("✓ {way}: accepted"),
            (false, Err(why)) => println!("✗ {way}: {why}"),
        }
    }
    if json {
        let report = json!({ "ok": !failed, "person": person.id.as_str(), "sent": told });
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// The person that is meant.
fn find<'c>(catalog: &'c Catalog, word: &str) -> anyhow::Result<&'c Person> {
    let wanted = word.trim().trim_start_matches('@').to_lowercase();
    let is = |text: &str| text.to_lowercase() == wanted;
    let is_meant = |person: &&Person| {
        let handle = match &person.slack {
            Some(SlackName::Handle(handle)) => is(handle),
            Some(SlackName::Id(id)) => is(id.as_str()),
            None => false,
        };
        is(person.id.as_str())
            || is(&person.name)
            || person.email.as_deref().is_some_and(is)
            || handle
    };
    let known = || catalog.people.iter().map(|person| person.id.as_str());
    catalog.people.iter().find(is_meant).with_context(|| {
        let help = match nearest(&wanted, known()) {
            Some(near) => format!("did you mean {near}?"),
            None if catalog.people.is_empty() => "add them under [[people]]".to_owned(),
            None => format!("known are {}", known().collect::<Vec<_>>().join(", ")),
        };
        format!("nobody in the configuration is \"{word}\": {help}")
    })
}

/// By what a person wishes to be reached, and by all else that they have and that is set up.
fn ways_of(catalog: &Catalog, person: &Person) -> Vec<Channel> {
    let is_own = |way: &Channel| person.contact.iter().any(|rule| rule.via == *way);
    let all = Channel::ALL.iter().copied();
    all.filter(|way| is_own(way) || leads_to(person, *way, catalog))
        .collect()
}

/// A direct message; what it is called is its channel and time.
async fn in_slack(
    settings: &Settings,
    person: &Person,
    page: &PageText,
    key: &str,
    clock: &Clock,
) -> Result<Option<String>, String> {
    let Some(token) = &settings.slack_bot_token else {
        return Err("SLACK_BOT_TOKEN is not set".to_owned());
    };
    let slack = Slack::new(&settings.slack_api_url, token, clock.clone())
        .map_err(|cause| format!("{cause:#}"))?;
    let call = Call {
        now: clock.now(),
        ticket: key,
        tenure: None,
    };
    let told = |failure: Failure| match failure {
        Failure::GiveUp { why, .. } | Failure::Retry { why, .. } => why,
        Failure::Later { at } => format!("Slack asks to wait until {at}"),
    };
    let Some(user) = slack.user_of(person, call).await.map_err(told)? else {
        return Err(format!("Slack knows nobody who is {}", person.name));
    };
    let text = templates::mrkdwn(&page.sms);
    let message = Outgoing {
        blocks: vec![json!({
            "type": "section",
            "text": { "type": "mrkdwn", "text": text },
        })],
        text,
    };
    let direct = slack.direct(&user, call).await.map_err(told)?;
    let to = Destination::channel(direct.as_str());
    let posted = slack.post(&to, &message, key, call).await.map_err(told)?;
    Ok(Some(format!("{} {}", posted.channel, posted.ts)))
}
