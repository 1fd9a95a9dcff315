//! The card of a group of alerts: what fires, how many, and what one can do about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use minijinja::{Value as Template, context};
use serde_json::json;

use super::client::Outgoing;
use super::interaction::{Style, careful, general};
use super::message::{Composer, OFFERED, SECTION, answer, moment, said, short};
use super::text::cut;
use crate::domain::alert::Links;
use crate::domain::catalog::Then;
use crate::domain::form::{one_line, show_duration, show_roughly};
use crate::domain::group::{Group, Sample, sources, unnamed};
use crate::domain::incident::Incident;
use crate::domain::lead::{Lead, untold};
use crate::domain::remark::{Remarked, newest};
use crate::domain::whereabouts::told;
use crate::templates::{bold, mrkdwn};

/// The most characters of an alert's title in a list.
const TITLE: usize = 200;
/// The most characters of the title of an alert that a note is about.
const NOTE_TITLE: usize = 60;
/// The most characters of a note on a card; the timeline has it whole.
const NOTE: usize = 300;
/// The most lines of the leads of a group, each as long as a section: what comes after them is to find room as well.
const LEAD_LINES: usize = 3;

impl Composer {
    /// The card of a group of alerts.
    pub fn alert_card(&self, group: &Group, now: Timestamp) -> anyhow::Result<Outgoing> {
        let severity = group
            .severity
            .as_ref()
            .and_then(|id| self.catalog.severity(id));
        let snoozed = group.snoozed_until.filter(|until| *until > now);
        let context = context! {
            title => group.title.as_str(),
            description => group.description.as_deref(),
            source => sources(&group.samples, &group.source),
            severity => severity.map(|severity| short(&severity.name)),
            service => self.service_name(group),
            values => values(group),
            firing => group.firing,
            total => group.total,
            more => unnamed(&group.samples, group.firing, group.total),
            samples => listed(&group.samples, &group.source, &group.common),
            whereabouts => told(&group.common, None),
            leads => shown_leads(&untold(&group.leads, &group.links, &[])),
            note => note(&group.remarks),
            since => moment(group.began_at),
            lasted => show_roughly(group.changed_at.duration_since(group.began_at)),
            acknowledged_by => group.acknowledged_by.as_ref().map(|who| context! {
                slack => who.slack.as_ref().map(|user| user.as_str()),
                name => who.name.as_str(),
            }),
            snoozed_until => snoozed.map(moment),
            incident => group.incident.as_ref().map(|id| id.as_str()),
            ..where_to_look(&group.links)
        };
        let text = self.render("slack/alert.mrkdwn.j2", context)?;
        let fallback = match group.firing {
            0 => format!("Over: {}", group.title),
            1 => format!("Alert: {}", group.title),
            firing => format!("{firing} alerts: {}", group.title),
        };
        let mut message = said(&text, &mrkdwn(&fallback));
        let buttons = self.alert_buttons(group);
        if !buttons.is_empty() {
            message
                .blocks
                .push(json!({ "type": "actions", "elements": buttons }));
        }
        Ok(message)
    }

    /// That a group of alerts declares no incident for now, and why.
    pub fn cut_off(&self, group: &Group, until: Timestamp) -> anyhow::Result<Outgoing> {
        let limit = self.catalog.alerts.cut_off;
        let context = context! {
            values => values(group),
            title => group.title.as_str(),
            source => group.source.as_str(),
            service => self.service_name(group),
            incidents => limit.incidents,
            within => show_duration(limit.within),
            until => moment(until),
            firing => group.firing,
            group => group.id.as_str(),
            command => self.catalog.slack.command.as_str(),
        };
        let text = self.render("slack/cut-off.mrkdwn.j2", context)?;
        let mut message = said(&text, &mrkdwn(&format!("Cut off: {}", group.title)));
        let line = format!("alert resume {}", group.id);
        let resume = careful(
            general("Let them go on", "alert-resume", &line, Style::Plain),
            "Let them declare incidents again?",
            "If an automation triggers itself, it goes on: look at that first.",
            "Let them go on",
        );
        message
            .blocks
            .push(json!({ "type": "actions", "elements": [resume] }));
        Ok(message)
    }

    fn service_name(&self, group: &Group) -> Option<String> {
        let id = group.service.as_ref()?;
        let known = self.catalog.service(id);
        Some(known.map_or_else(|| id.to_string(), |service| service.name.clone()))
    }

    /// The open incidents, of which one may take alerts over.
    pub fn attach_to(&self, group: &Group, open: &[Arc<Incident>]) -> Outgoing {
        if open.is_empty() {
            return answer("No incident is open. “Declare” on the card opens one.");
        }
        let buttons: Vec<_> = open
            .iter()
            .take(OFFERED)
            .enumerate()
            .map(|(n, incident)| {
                let label = format!("{} {}", incident.id, incident.named(&incident.title));
                let line = format!("alert attach {} {}", group.id, incident.id);
                general(&label, &format!("attach-{n}"), &line, Style::Plain)
            })
            .collect();
        let mut message = answer(&format!(
            "Which incident takes {} over?",
            bold(&group.title)
        ));
        message
            .blocks
            .push(json!({ "type": "actions", "elements": buttons }));
        message
    }

    fn alert_buttons(&self, group: &Group) -> Vec<serde_json::Value> {
        if group.firing == 0 || group.then != Then::Notify {
            return Vec::new();
        }
        let line = |word: &str| format!("alert {word} {}", group.id);
        let raise = careful(
            general("Declare", "alert-declare", &line("declare"), Style::Primary),
            "Declare an incident?",
            "It opens a war room, calls people in and is announced. These alerts are told there from then on.",
            "Declare",
        );
        let mut buttons = vec![
            raise,
            general("Attach to…", "alert-attach", &line("attach"), Style::Plain),
        ];
        if group.acknowledged_by.is_none() {
            buttons.push(general(
                "Acknowledge",
                "alert-ack",
                &line("ack"),
                Style::Plain,
            ));
        }
        buttons.push(general(
            "Snooze 1 h",
            "alert-snooze",
            &line("snooze"),
            Style::Plain,
        ));
        buttons
    }
}

/// An alert's links as `links.mrkdwn.j2` wants them.
pub(super) fn where_to_look(links: &Links) -> Template {
    context! {
        runbook => links.runbook.as_deref(),
        dashboard => links.dashboard.as_deref(),
        silence => links.silence.as_deref(),
        origin => links.origin.as_deref(),
    }
}

/// Leads as `leads.mrkdwn.j2` wants them: as many as fit on a few lines, none of which is longer than a section.
pub(super) fn shown_leads(leads: &[&Lead]) -> Vec<Template> {
    let mut shown = Vec::new();
    let (mut lines, mut length) = (1, 0);
    for lead in leads {
        let label = format!("{} ({})", lead.to.word(), lead.of);
        // Its brackets, the bar between the two, and the blank before it.
        let own = lead.url.chars().count() + mrkdwn(&label).chars().count() + 4;
        let begins_line = length > 0 && length + own > SECTION;
        if own > SECTION || (begins_line && lines == LEAD_LINES) {
            continue;
        }
        if begins_line {
            (lines, length) = (lines + 1, 0);
        }
        length += own;
        shown.push(
            context! { url => lead.url.as_str(), label => label, begins_line => begins_line },
        );
    }
    shown
}

/// Alerts as the list of them wants them: each with its source, if they have several, and with where it is, as far as it
/// is not where all are. What names no source is of `own`.
pub(super) fn listed(
    samples: &[Sample],
    own: &str,
    common: &BTreeMap<String, String>,
) -> Vec<Template> {
    let is_mixed = samples.windows(2).any(|pair| match pair {
        [one, other] => one.source != other.source,
        _ => false,
    });
    let listed = samples.iter().map(|sample| {
        context! {
            title => cut(&sample.title, TITLE),
            source => sample.source.as_deref().filter(|_| is_mixed),
            is_firing => sample.is_firing,
            is_flapping => sample.is_flapping,
            whereabouts => told(&sample.whereabouts, Some(common)),
            acknowledged => (sample.is_firing && sample.is_acknowledged).then(|| context! {
                source => sample.source.as_deref().unwrap_or(own),
                by => sample.acknowledged_by.as_deref(),
            }),
        }
    });
    listed.collect()
}

/// The newest remark on an alert that says something in words, as the cards want it.
pub(super) fn note(remarks: &[Remarked]) -> Option<Template> {
    let note = newest(remarks)?;
    let text = note.remark.text.as_deref().unwrap_or_default();
    Some(context! {
        source => note.source.as_str(),
        by => note.remark.by.as_deref(),
        title => cut(&note.title, NOTE_TITLE),
        text => cut(text, NOTE),
        at => moment(note.at),
    })
}

/// What the alerts of a group have in common, as far as a person wants to read it; each in one line, so that none can
/// pass for a line of ours.
fn values(group: &Group) -> Vec<Template> {
    let values = group.values.iter().filter(|(label, value)| {
        let is_said = match label.as_str() {
            "name" | "source" | "title" => true,
            "service" => group.service.is_some(),
            _ => false,
        };
        !value.is_empty() && !is_said
    });
    values
        .map(|(label, value)| context! { label => one_line(label), value => one_line(value) })
        .collect()
}
