//! What the templates of the readable forms are given, and how the long parts come into what they render.
//!
//! Every text from outside is made harmless for the form before a template sees it: a template cannot forget to. The
//! updates and the timeline have no bounds, so a template prints a mark in their stead (`{{ updates }}`,
//! `{{ timeline }}`), and they are written where the mark stands.

use jiff::Timestamp;
use minijinja::{Value, context};

use super::facts::Facts;
use super::times;
use crate::domain::incident::Room;
use crate::domain::terms::Who;

/// How a form writes text from outside.
pub(super) struct Pen {
    /// In a line or a cell.
    pub(super) line: fn(&str) -> String,
    /// As a paragraph of its own.
    pub(super) block: fn(&str) -> String,
}

/// No text from outside has a NUL: both pens make control characters visible.
const UPDATES: &str = "\0updates\0";
const TIMELINE: &str = "\0timeline\0";

/// A part of a rendered template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Updates,
    Timeline,
}

/// Takes a rendered template apart at its marks.
pub(super) fn pieces(rendered: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for part in rendered.split('\0') {
        pieces.push(match part {
            "updates" => Piece::Updates,
            "timeline" => Piece::Timeline,
            text => Piece::Text(text),
        });
    }
    pieces
}

/// Describes the incident for a template.
pub(super) fn page(facts: &Facts<'_>, pen: &Pen) -> Value {
    let names = facts.names();
    let line = |text: &str| Value::from_safe_string((pen.line)(&names.text(text)));
    let block = |text: &Option<String>| {
        text.as_deref()
            .filter(|text| !text.trim().is_empty())
            .map(|text| Value::from_safe_string((pen.block)(&names.text(text))))
    };
    let moment = |at: Timestamp| {
        context! {
            utc => times::shown(at, &jiff::tz::TimeZone::UTC),
            local => times::shown(at, facts.zone),
            iso => times::stamp(at),
        }
    };
    let person = |who: &Who| line(facts.incident.name_of(who));
    let incident = facts.incident;
    let milestones: Vec<Value> = facts
        .milestones()
        .iter()
        .map(|milestone| {
            context! {
                name => milestone.name,
                at => moment(milestone.at),
                since_start => times::length(milestone.since_start),
                since_declared => milestone.since_declared.map(times::length),
            }
        })
        .collect();
    let delays: Vec<Value> = facts
        .delays()
        .iter()
        .map(|delay| {
            context! {
                title => delay.title,
                from_start => times::length(delay.from_start),
                from_declared => times::length(delay.from_declared),
            }
        })
        .collect();
    let people: Vec<Value> = facts
        .survey
        .people
        .iter()
        .map(|participant| {
            let roles: Vec<Value> = participant
                .roles
                .iter()
                .map(|tenure| {
                    context! {
                        title => tenure.role.title(),
                        from => moment(tenure.from),
                        until => tenure.until.map(moment),
                    }
                })
                .collect();
            context! { name => person(&participant.who), roles, entries => super::text::count(participant.entries) }
        })
        .collect();
    let follow_ups: Vec<Value> = incident
        .follow_ups
        .iter()
        .map(|tracked| {
            let follow_up = &tracked.follow_up;
            context! {
                number => follow_up.number,
                text => line(&follow_up.text),
                owner => follow_up.owner.as_ref().map(&person),
                due => follow_up.due.map(|due| due.to_string()),
                done_at => tracked.done_at.map(moment),
                overdue => tracked.done_at.is_none()
                    && follow_up.due.is_some_and(|due| due < times::zoned(facts.now, facts.zone).date()),
            }
        })
        .collect();
    let alerts: Vec<Value> = facts
        .survey
        .alerts
        .iter()
        .map(|group| {
            let named: Vec<Value> = group
                .named
                .iter()
                .map(|(at, sample)| {
                    context! {
                        title => line(&sample.title),
                        source => line(group.source_of(sample)),
                        since => moment(*at),
                        is_firing => sample.is_firing,
                    }
                })
                .collect();
            context! {
                title => line(&group.tally.title),
                sources => line(&group.sources()),
                since => moment(group.since),
                over_at => group.over_at.map(&moment),
                firing => group.tally.firing,
                total => group.tally.total,
                is_quieted => group.tally.is_quieted,
                named,
            }
        })
        .collect();
    let said = &incident.resolution;
    let nothing: Vec<Value> = Vec::new();
    context! {
        generator => super::GENERATOR,
        organization => line(facts.organization),
        // None where it would only repeat UTC.
        zone => (!times::is_utc(facts.zone)).then(|| line(times::zone_name(facts.zone))),
        exported_at => moment(facts.now),
        id => line(incident.id.as_str()),
        title => line(&incident.title),
        severity => line(&incident.severity.name),
        severity_id => line(incident.severity.id.as_str()),
        service => facts
            .service_name
            .or(incident.service.as_ref().map(|id| id.as_str()))
            .map(&line),
        status => incident.status.word(),
        is_open => incident.status.is_open(),
        commander => incident.commander().map(&person),
        declared_by => incident.declared_by.as_ref().map(&person),
        acknowledged_by => incident.acknowledged_by.as_ref().map(&person),
        war_room => match &incident.room {
            Room::Channel { name, .. } => Some(line(&format!("#{name}"))),
            Room::Wanted { .. } | Room::Thread => None,
        },
        duration => times::length(facts.duration()),
        started_at => moment(incident.milestones.started),
        resolved_at => incident.milestones.resolved.map(&moment),
        began_earlier => facts.began_earlier(),
        description => block(&incident.description),
        impact => block(&said.impact),
        root_cause => block(&said.root_cause),
        resolution => block(&said.resolution),
        milestones,
        delays,
        people,
        alerts,
        // Until actions are part of the record.
        actions => nothing,
        follow_ups,
        update_count => facts.survey.updates,
        updates => Value::from_safe_string(UPDATES.to_owned()),
        entry_count => super::text::count(incident.version),
        timeline => Value::from_safe_string(TIMELINE.to_owned()),
        head => facts.head,
        json_file => line(&super::file_name(&incident.id, crate::domain::event::ExportFormat::Json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_parts_stand_where_the_template_puts_them() {
        let rendered = format!("a{TIMELINE}b{UPDATES}");
        assert_eq!(
            pieces(&rendered),
            [
                Piece::Text("a"),
                Piece::Timeline,
                Piece::Text("b"),
                Piece::Updates,
                Piece::Text(""),
            ]
        );
    }
}
