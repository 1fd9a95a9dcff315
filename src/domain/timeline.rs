//! Events told as lines of a timeline, in words that a reader of the post-mortem understands.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::escalation::Channel;
use super::event::{AlertTurn, Event, Mark, Recorded, Resolution, Update};
use super::form::show_duration;
use super::group::{Tally, sources};
use super::page::{Delivery, Hurry, Page, PageReason, Paged, Vacancy};
use super::remark::Deed;
use super::terms::{DedupKey, SlackUserId};

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The event's number within the incident.
    pub seq: u64,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// Who made it happen, by name.
    pub actor: String,
    /// What sort of thing it is.
    pub sort: Sort,
    /// What happened, as plain text; may have several lines.
    pub text: String,
}

/// The sorts of timeline entries: what a reader may want to see apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// A turn in the incident's life: declared, acknowledged, resolved …
    Milestone,
    /// How things stood: updates, status, severity.
    Status,
    /// Who does what.
    Role,
    /// Who was called, by which ways, and who answered.
    Page,
    /// What was measured: alerts that began and ended.
    Alert,
    /// What people wrote down or marked.
    Note,
    /// Work that outlives the incident.
    FollowUp,
    /// What Firebell did to serve it.
    Housekeeping,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Sort; 8] = [
        Sort::Milestone,
        Sort::Status,
        Sort::Page,
        Sort::Alert,
        Sort::Role,
        Sort::Note,
        Sort::FollowUp,
        Sort::Housekeeping,
    ];

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Sort::Milestone => "milestone",
            Sort::Status => "status",
            Sort::Page => "page",
            Sort::Alert => "alert",
            Sort::Role => "role",
            Sort::Note => "note",
            Sort::FollowUp => "follow-up",
            Sort::Housekeeping => "housekeeping",
        }
    }
}

/// Tells an event.
pub fn tell(recorded: &Recorded) -> TimelineEntry {
    let (sort, text) = words(&recorded.event);
    TimelineEntry {
        seq: recorded.seq,
        happened_at: recorded.happened_at,
        recorded_at: recorded.recorded_at,
        actor: recorded.actor.name().to_owned(),
        sort,
        text,
    }
}

/// The people whom an event mentions by id alone, `@U012AB`.
pub fn nameless(event: &Event) -> Vec<SlackUserId> {
    let (_, text) = words(event);
    let mut found = Vec::new();
    for token in text.split('@').skip(1) {
        let end = token
            .find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit())
            .unwrap_or(token.len());
        // Slack's ids have nine characters and more; `@US` is no id.
        if let Some(id) = SlackUserId::parse(&token[..end])
            && id.as_str().len() >= 9
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

fn words(event: &Event) -> (Sort, String) {
    match event {
        Event::Declared(declared) => {
            let mut text = format!("Declared {}: {}", declared.severity.name, declared.title);
            if let Some(service) = &declared.service {
                let _ = write!(text, " (service {service})");
            }
            if let Some(description) = &declared.description {
                let _ = write!(text, "\n{description}");
            }
            if let Some(commander) = &declared.commander {
                let _ = write!(text, "\nIncident Commander: @{}", commander.name);
            }
            (Sort::Milestone, text)
        }
        Event::WarRoomOpened { name, .. } => {
            (Sort::Housekeeping, format!("Opened the war room #{name}"))
        }
        Event::WarRoomFailed { why } => (
            Sort::Status,
            format!(
                "There is no war room: {why}. The thread under the announcement serves instead."
            ),
        ),
        Event::CardPosted { .. } => (Sort::Housekeeping, "Posted the summary card".to_owned()),
        Event::Announced { .. } => (Sort::Housekeeping, "Announced the incident".to_owned()),
        Event::Acknowledged { by, answer } => {
            let mut text = format!("Acknowledged by @{}", by.name);
            if let Some(answer) = answer {
                let _ = write!(text, " (page {}, by {})", answer.page, way(answer.via));
            }
            (Sort::Milestone, text)
        }
        Event::AcknowledgementExpired { by } => (
            Sort::Page,
            format!(
                "Nothing was heard of @{} any more: people are called again",
                by.name
            ),
        ),
        Event::AcknowledgeOverdue { due_at } => (
            Sort::Page,
            format!(
                "Nobody acknowledged in time: it was due at {}",
                due_at.strftime("%H:%M UTC")
            ),
        ),
        Event::Paged(paged) => (Sort::Page, told_pages(paged)),
        Event::PageContinued { page, via, early } => {
            let ways: Vec<_> = via.iter().map(|via| way(*via)).collect();
            let mut text = format!("Page {page} goes on by {}", ways.join(" and "));
            if let Some(early) = early {
                let _ = write!(text, ", since {} did not get through", way(*early));
            }
            (Sort::Page, text)
        }
        Event::PageDelivery(delivery) => (Sort::Page, told_delivery(delivery)),
        Event::PageAnswered { page, by, via } => {
            let mut text = format!("Page {page} answered by @{}", by.name);
            if let Some(via) = via {
                let _ = write!(text, " (by {})", way(*via));
            }
            (Sort::Page, text)
        }
        Event::PageExpired { page } => (Sort::Page, format!("Page {page}: nobody answered")),
        Event::AnswerTimeExtended { pages, late } => {
            let which: Vec<_> = pages.iter().map(u32::to_string).collect();
            let (pages, held_up, leave) = match &which[..] {
                [_] => ("Page", "was held up", "leaves"),
                _ => ("Pages", "were held up", "leave"),
            };
            let text = format!(
                "{pages} {} {held_up} for {} and {leave} only now: whoever is called has as long to answer as was meant",
                which.join(", "),
                show_duration(*late)
            );
            (Sort::Page, text)
        }
        Event::EscalationExhausted { rounds, .. } => {
            let text = match rounds {
                1 => "The escalation is at its end, and nobody has answered".to_owned(),
                rounds => format!(
                    "The escalation is at its end after {rounds} rounds, and nobody has answered"
                ),
            };
            (Sort::Page, text)
        }
        Event::PostmortemOverdue {
            due_at, reminder, ..
        } => (
            Sort::Status,
            format!(
                "The post-mortem was due at {} and is not done (reminder {reminder})",
                due_at.strftime("%Y-%m-%d %H:%M UTC")
            ),
        ),
        Event::StatusChanged { from, to } => (Sort::Status, format!("Status: {from} → {to}")),
        Event::UpdatePosted {
            number,
            status,
            update,
        } => (
            Sort::Status,
            told_update(*number, &status.to_string(), update),
        ),
        Event::UpdateOverdue(overdue) => {
            let whom = match &overdue.reminded {
                Some(who) => format!("@{} was reminded", who.name),
                None => "the war room was reminded".to_owned(),
            };
            let mut text = format!("No update in time: {whom} (reminder {})", overdue.reminder);
            if overdue.late > SignedDuration::ZERO {
                let _ = write!(text, ", {} late", show_duration(overdue.late));
            }
            (Sort::Status, text)
        }
        Event::SeverityChanged {
            from, to, reason, ..
        } => {
            let mut text = format!("Severity: {} (was {from})", to.name);
            if let Some(reason) = reason {
                let _ = write!(text, "\nReason: {reason}");
            }
            (Sort::Status, text)
        }
        Event::RoleAssigned { role, to, from } => {
            let mut text = format!("{role}: @{}", to.name);
            if let Some(from) = from {
                let _ = write!(text, " (before: @{})", from.name);
            }
            (Sort::Role, text)
        }
        Event::NoteAdded { text } => (Sort::Note, text.clone()),
        Event::MessageKept(kept) => {
            let how = match kept.mark {
                Mark::Pin => "pinned",
                Mark::Reaction => "marked with :pushpin:",
                Mark::Shortcut => "added",
                Mark::Check => "marked with :white_check_mark:",
            };
            let text = format!(
                "@{}: {}\n({how} by @{})",
                kept.author.name, kept.text, kept.marked_by.name
            );
            (Sort::Note, text)
        }
        Event::MessageMarked { mark, by, .. } => {
            let what = match mark {
                Mark::Pin | Mark::Reaction | Mark::Shortcut => "the timeline",
                Mark::Check => "a follow-up",
            };
            (
                Sort::Housekeeping,
                format!("@{} marked a message for {what}", by.name),
            )
        }
        Event::FollowUpAdded(follow_up) => {
            let mut text = format!("Follow-up {}: {}", follow_up.number, follow_up.text);
            if let Some(owner) = &follow_up.owner {
                let _ = write!(text, " (owner @{})", owner.name);
            }
            if let Some(due) = &follow_up.due {
                let _ = write!(text, " (due {due})");
            }
            (Sort::FollowUp, text)
        }
        Event::FollowUpCompleted { number } => {
            (Sort::FollowUp, format!("Follow-up {number} is done"))
        }
        Event::Resolved(resolution) => (Sort::Milestone, told_resolution(resolution)),
        Event::Reopened { reason } => {
            let mut text = "Reopened".to_owned();
            if let Some(reason) = reason {
                let _ = write!(text, ": {reason}");
            }
            (Sort::Milestone, text)
        }
        Event::Closed => (
            Sort::Milestone,
            "Closed: the post-mortem is done".to_owned(),
        ),
        Event::ExportRequested { format } => (
            Sort::Housekeeping,
            format!("Asked for the record as {}", format.word()),
        ),
        Event::NamesLearned { names } => {
            let names: Vec<_> = names.values().map(|name| format!("@{name}")).collect();
            (
                Sort::Housekeeping,
                format!("Asked Slack for names: {}", names.join(", ")),
            )
        }
        Event::AlertsChanged {
            tally,
            turn,
            turned,
            group: _,
        } => {
            let text = told_alerts(tally, *turn, turned);
            let text = match tally.is_quieted {
                true => format!("Quieted: {text}"),
                false => text,
            };
            (Sort::Alert, text)
        }
        Event::AlertRemarked(told) => {
            let sort = match told.remarked.deed {
                Deed::Acknowledged | Deed::Unacknowledged => Sort::Alert,
                Deed::Noted | Deed::Closed => Sort::Note,
            };
            (sort, told.remarked.told(told.missed))
        }
        Event::ChangeNoted(change) => (Sort::Note, told_change(change)),
        Event::EffectFailed { what, why, .. } => (Sort::Status, format!("Could not {what}: {why}")),
    }
}

/// A way to somebody, for people.
pub fn way(via: Channel) -> &'static str {
    match via {
        Channel::Slack => "Slack",
        Channel::Email => "e-mail",
        Channel::Sms => "SMS",
        Channel::Voice => "phone",
        Channel::Webhook => "webhook",
    }
}

/// Who was called, and why.
fn told_pages(paged: &Paged) -> String {
    let called: Vec<String> = paged.pages.iter().map(told_page).collect();
    let whom = match called.is_empty() {
        true => "nobody".to_owned(),
        false => called.join(", "),
    };
    let mut text = match &paged.why {
        PageReason::Step { .. } => format!("{}: paged {whom}", reason_of(&paged.why)),
        PageReason::ByHand { by, text } => {
            let mut said = format!("@{} paged {whom}", by.name);
            if let Some(text) = text {
                let _ = write!(said, ": {text}");
            }
            said
        }
    };
    if !paged.unanswered.is_empty() {
        let numbers: Vec<String> = paged.unanswered.iter().map(u32::to_string).collect();
        let word = if numbers.len() == 1 { "page" } else { "pages" };
        let _ = write!(text, "\nNobody answered {word} {}", numbers.join(", "));
    }
    for Vacancy { target, instead } in &paged.vacant {
        let _ = match instead {
            Some(instead) => write!(text, "\nNobody is behind {target}: {instead} instead"),
            None => write!(text, "\nNobody is behind {target}"),
        };
    }
    if paged.late > SignedDuration::ZERO {
        let _ = write!(text, "\n{} late", show_duration(paged.late));
    }
    text
}

/// Why somebody was called: `Step 2 of 3 of leadership, round 2`, `@ana`.
pub fn reason_of(why: &PageReason) -> String {
    match why {
        PageReason::Step {
            policy,
            step,
            of,
            round,
            hurried,
        } => {
            let mut text = format!("Step {step} of {of} of {policy}");
            if *round > 1 {
                let _ = write!(text, ", round {round}");
            }
            match hurried {
                Some(Hurry::ByHand { by }) => {
                    let _ = write!(text, ", at once at the wish of @{}", by.name);
                }
                Some(Hurry::Undelivered) => {
                    text += ", at once, since the one before it reached nobody";
                }
                None => {}
            }
            text
        }
        PageReason::ByHand { by, text: None } => format!("By hand, by @{}", by.name),
        PageReason::ByHand {
            by,
            text: Some(text),
        } => format!("By hand, by @{}: {text}", by.name),
    }
}

/// Who was called by one page: `@ana (page 1: Slack, SMS after 2m)`.
fn told_page(page: &Page) -> String {
    format!(
        "{} (page {}: {})",
        page.to.shown(),
        page.number,
        ways_of(page)
    )
}

/// The ways of a page, for people: `Slack, SMS after 2m`.
pub fn ways_of(page: &Page) -> String {
    let first = page.contacts.first().map(|contact| contact.at);
    let ways: Vec<String> = page
        .contacts
        .iter()
        .map(|contact| {
            let after = first.map(|first| contact.at.duration_since(first));
            match after.filter(|after| !after.is_zero()) {
                Some(after) => format!("{} after {}", way(contact.via), show_duration(after)),
                None => way(contact.via).to_owned(),
            }
        })
        .collect();
    ways.join(", ")
}

fn told_delivery(delivery: &Delivery) -> String {
    let Delivery {
        page,
        via,
        state,
        provider_id,
        reason,
    } = delivery;
    let mut text = format!("Page {page} by {}: {}", way(*via), state.word());
    if let Some(reason) = reason {
        let _ = write!(text, ": {reason}");
    }
    if let Some(id) = provider_id {
        let _ = write!(text, " ({id})");
    }
    text
}

/// How alerts stand, and which of them are news.
fn told_alerts(tally: &Tally, turn: AlertTurn, turned: &[DedupKey]) -> String {
    let Tally {
        title,
        source,
        firing,
        total,
        samples,
        is_quieted: _,
        is_flapping: _,
        remarks: _,
        common: _,
        leads: _,
    } = tally;
    let sources = sources(samples, source);
    let (began, ended) = (tally.titles(turned, true), tally.titles(turned, false));
    let first = || began.as_ref().unwrap_or(title);
    match turn {
        AlertTurn::Joined if *total > 1 => format!("{firing} alerts from {sources}: {}", first()),
        AlertTurn::Joined => format!("Alert from {sources}: {}", first()),
        AlertTurn::Counted => {
            let fire = match firing {
                1 => "One alert fires".to_owned(),
                _ => format!("{firing} alerts fire"),
            };
            let news = match (&began, &ended) {
                (Some(began), Some(ended)) => format!(": {began}; over: {ended}"),
                (Some(began), None) => format!(": {began}"),
                (None, Some(ended)) => format!("; over: {ended}"),
                (None, None) => format!(": {title}"),
            };
            format!("{fire}, {total} so far{news}")
        }
        AlertTurn::Over => match ended {
            Some(last) if *total > 1 => format!("All alerts are over, the last: {last}"),
            _ => format!("All alerts are over: {title}"),
        },
        AlertTurn::Flapping => {
            let flapping = tally.flapping();
            let which = flapping.as_ref().unwrap_or(title);
            format!("Flapping, {total} so far: {which}")
        }
        AlertTurn::Again => format!("Firing again: {}", first()),
    }
}

fn told_change(change: &Change) -> String {
    let Change {
        title,
        by,
        link,
        service,
        at: _,
    } = change;
    let mut text = format!("Changed: {title}");
    if let Some(service) = service {
        let _ = write!(text, " (service {service})");
    }
    if let Some(by) = by {
        let _ = write!(text, "\nBy {by}");
    }
    if let Some(link) = link {
        let _ = write!(text, "\n{link}");
    }
    text
}

fn told_update(number: u32, status: &str, update: &Update) -> String {
    let mut text = format!("Update {number} ({status}): {}", update.text);
    let lines = [
        ("Actions taken", &update.actions_taken),
        ("Next steps", &update.next_steps),
        ("ETA", &update.eta),
    ];
    for (label, said) in lines {
        if let Some(said) = said {
            let _ = write!(text, "\n{label}: {said}");
        }
    }
    text
}

fn told_resolution(resolution: &Resolution) -> String {
    let mut text = "Resolved".to_owned();
    let lines = [
        ("Root cause", &resolution.root_cause),
        ("Resolution", &resolution.resolution),
        ("Impact", &resolution.impact),
    ];
    for (label, said) in lines {
        if let Some(said) = said {
            let _ = write!(text, "\n{label}: {said}");
        }
    }
    text
}
