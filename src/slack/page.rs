//! Pages in Slack: the message to whoever is called, what becomes of it when the page is over, and who was called as the
//! war room reads it.

use jiff::Timestamp;
use minijinja::{Value as Template, context};
use serde_json::json;

use super::client::Outgoing;
use super::interaction::{Style, button, careful};
use super::message::{Composer, moment, said, short};
use crate::domain::form::show_roughly;
use crate::domain::incident::Incident;
use crate::domain::page::{Addressee, HELD_UP, Hurry, OpenPage, Page, PageReason, Paged, Vacancy};
use crate::domain::terms::Who;
use crate::domain::timeline::ways_of;
use crate::templates::mrkdwn;

impl Composer {
    /// The message to whoever is called.
    pub fn page(
        &self,
        incident: &Incident,
        page: &OpenPage,
        now: Timestamp,
    ) -> anyhow::Result<Outgoing> {
        let late = now.duration_since(page.paged_at);
        let view = context! {
            number => page.number,
            why => reason(&page.why),
            // What Slack did not take for a while comes late.
            late => (late > HELD_UP).then(|| show_roughly(late)),
            paged_at => moment(page.paged_at),
            ..self.view(incident, now)
        };
        let text = self.render("slack/page.mrkdwn.j2", view)?;
        let severity = short(&incident.severity.name);
        let fallback = format!(
            "You are paged: {} {severity}: {}",
            incident.id,
            incident.named(&incident.title)
        );
        let mut message = said(&text, &mrkdwn(&fallback));
        let id = &incident.id;
        let mut buttons = vec![button("Acknowledge", "ack", id, "ack", Style::Primary)];
        if incident.escalation.is_some() {
            buttons.push(careful(
                button("Pass on", "escalate", id, "escalate", Style::Plain),
                "Call the next step now?",
                "Those of the next step of the escalation are paged at once. The pages before stay open until somebody acknowledges.",
                "Call them",
            ));
        }
        buttons.push(button("Status", "status", id, "status", Style::Plain));
        message
            .blocks
            .push(json!({ "type": "actions", "elements": buttons }));
        Ok(message)
    }

    /// What stands in the place of that message once the page is over.
    pub fn page_over(
        &self,
        incident: &Incident,
        number: u32,
        now: Timestamp,
    ) -> anyhow::Result<Outgoing> {
        let view = context! { number => number, ..self.view(incident, now) };
        let text = self.render("slack/page-over.mrkdwn.j2", view)?;
        let fallback = format!("Page over: {}", incident.id);
        Ok(said(&text, &mrkdwn(&fallback)))
    }
}

/// Who was called, as the templates see it.
pub(super) fn called(paged: &Paged) -> Template {
    let pages: Vec<Template> = paged.pages.iter().map(callee).collect();
    let vacant: Vec<Template> = paged
        .vacant
        .iter()
        .map(|Vacancy { target, instead }| {
            context! {
                target => target.to_string(),
                instead => instead.as_ref().map(ToString::to_string),
            }
        })
        .collect();
    context! {
        why => reason(&paged.why),
        pages => pages,
        unanswered => &paged.unanswered,
        vacant => vacant,
        late => (!paged.late.is_zero()).then(|| show_roughly(paged.late)),
    }
}

fn callee(page: &Page) -> Template {
    context! {
        number => page.number,
        person => match &page.to {
            Addressee::Person { who, .. } => Some(person(who)),
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
        },
        name => page.to.shown(),
        ways => ways_of(page),
    }
}

/// Why somebody is called, as the templates see it.
fn reason(why: &PageReason) -> Template {
    match why {
        PageReason::Step {
            policy,
            step,
            of,
            round,
            hurried,
        } => context! {
            policy => policy.as_str(),
            step => step,
            of => of,
            round => round,
            undelivered => *hurried == Some(Hurry::Undelivered),
            by => match hurried {
                Some(Hurry::ByHand { by }) => Some(person(by)),
                Some(Hurry::Undelivered) | None => None,
            },
            text => (),
        },
        PageReason::ByHand { by, text } => context! {
            policy => (),
            by => person(by),
            text => text.as_deref(),
        },
    }
}

fn person(who: &Who) -> Template {
    context! { slack => who.slack.as_ref().map(|id| id.as_str()), name => who.name.as_str() }
}
