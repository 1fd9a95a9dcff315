//! The e-mails to stakeholders: an incident was declared, an update was given, it is resolved.
//!
//! Each is a template whose first line is the subject: `Subject: …`.

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, Value, context};

use crate::domain::catalog::Catalog;
use crate::domain::event::{Event, Recorded};
use crate::domain::form::show_roughly;
use crate::domain::incident::Incident;

/// An e-mail without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// What a template's first line begins with.
const SUBJECT: &str = "Subject:";

/// The e-mail that tells of an event; none, if stakeholders are not written to about it.
pub fn letter(
    templates: &Environment<'_>,
    catalog: &Catalog,
    incident: &Incident,
    recorded: &Recorded,
) -> anyhow::Result<Option<Letter>> {
    let name = match &recorded.event {
        Event::Declared(_) => "email/declared.txt.j2",
        Event::UpdatePosted { .. } => "email/update.txt.j2",
        Event::Resolved(_) => "email/resolved.txt.j2",
        _ => return Ok(None),
    };
    let rendered = templates
        .get_template(name)
        .and_then(|template| template.render(view(catalog, incident, recorded)))
        .with_context(|| format!("rendering the template {name}"))?;
    let (subject, text) = subject_and_text(name, &rendered)?;
    Ok(Some(Letter { subject, text }))
}

/// What a template gave, as its subject and the rest.
pub(super) fn subject_and_text(name: &str, rendered: &str) -> anyhow::Result<(String, String)> {
    let (first, text) = rendered.split_once('\n').unwrap_or((rendered, ""));
    let subject = first
        .strip_prefix(SUBJECT)
        .with_context(|| format!("the template {name} does not begin with a line `{SUBJECT} …`"))?;
    let text = text.trim_matches('\n').to_owned() + "\n";
    Ok((subject.trim().to_owned(), text))
}

/// A moment for people wherever they are: in UTC, and in the organization's zone.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let utc = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC");
    match zone.iana_name() {
        Some("UTC" | "Etc/UTC") | None => utc.to_string(),
        Some(name) => format!(
            "{utc} ({} {name})",
            at.to_zoned(zone.clone()).strftime("%H:%M")
        ),
    }
}

/// Renders every e-mail of a record once: a template that is broken is told before it is needed.
pub fn prove(
    templates: &Environment<'_>,
    catalog: &Catalog,
    incident: &Incident,
    record: &[Recorded],
) -> anyhow::Result<()> {
    for recorded in record {
        letter(templates, catalog, incident, recorded)?;
    }
    Ok(())
}

/// An event of an incident as the templates see it. Plain text knows no escapes: what would be a line of its own in the
/// subject is not let into it.
fn view(catalog: &Catalog, incident: &Incident, recorded: &Recorded) -> Value {
    let zone = &catalog.organization.timezone;
    let moment = |at: Timestamp| moment(at, zone);
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let update = match &recorded.event {
        Event::UpdatePosted { update, .. } => Some(update),
        _ => incident.last_update.as_ref(),
    };
    let status = match &recorded.event {
        Event::UpdatePosted { status, .. } => *status,
        _ => incident.status,
    };
    let service = incident.service.as_ref().map(|id| {
        let known = catalog.service(id);
        known.map_or_else(|| id.to_string(), |service| service.name.clone())
    });
    let postmortem_due = incident.milestones.resolved.and_then(|resolved| {
        let severity = catalog.severity(&incident.severity.id)?;
        resolved.checked_add(severity.postmortem_within?).ok()
    });
    let follow_ups: Vec<String> = incident
        .follow_ups
        .iter()
        .map(|tracked| one_line(&tracked.follow_up.text))
        .collect();
    context! {
        id => incident.id.as_str(),
        title => one_line(&incident.title),
        severity => one_line(incident.severity.name.split(" - ").next().unwrap_or_default()),
        service => service,
        status => status.word(),
        description => incident.description.as_deref(),
        impact => incident.resolution.impact.as_deref(),
        root_cause => incident.resolution.root_cause.as_deref(),
        resolution => incident.resolution.resolution.as_deref(),
        text => update.map(|update| update.text.as_str()),
        actions_taken => update.and_then(|update| update.actions_taken.as_deref()),
        next_steps => update.and_then(|update| update.next_steps.as_deref()),
        eta => update.and_then(|update| update.eta.as_deref()),
        started => moment(incident.milestones.started),
        resolved => moment(incident.milestones.resolved.unwrap_or(recorded.recorded_at)),
        at => moment(recorded.recorded_at),
        duration => show_roughly(incident.duration(recorded.recorded_at)),
        follow_ups => follow_ups,
        postmortem_due => postmortem_due.map(moment),
        contact => contact(catalog, incident),
    }
}

/// Whom to ask: the commander, with what the configuration knows of them.
fn contact(catalog: &Catalog, incident: &Incident) -> Value {
    let Some(who) = incident.commander() else {
        return context! { name => catalog.organization.name.as_str(), phone => (), email => () };
    };
    let name = incident.name_of(who);
    let known = catalog.people.iter().find(|person| {
        let them = person.who();
        (them.slack.is_some() && them.slack == who.slack) || them.name == name
    });
    context! {
        name => name,
        phone => known.and_then(|person| person.phone.as_deref()),
        email => known.and_then(|person| person.email.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::Person;
    use crate::domain::samples::samples;
    use crate::domain::terms::PersonId;
    use crate::templates;

    /// The e-mails of the sample record: the one that knows everything, or the one that knows little.
    fn letters(which: usize) -> String {
        let ana = Person {
            id: PersonId::new("ana"),
            name: "ana".to_owned(),
            slack: None,
            email: Some("ana@example.com".to_owned()),
            phone: Some("+15550100".to_owned()),
            timezone: None,
            roles: vec![],
            contact: vec![],
            webhook_url_env: None,
        };
        let catalog = Catalog {
            people: vec![ana],
            ..Catalog::default()
        };
        let (incident, record) = samples(&catalog).swap_remove(which);
        let templates = templates::environment(None);
        let letters = record
            .iter()
            .filter_map(|recorded| letter(&templates, &catalog, &incident, recorded).unwrap());
        let told = letters.map(|letter| format!("# {}\n{}", letter.subject, letter.text));
        told.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn stakeholders_are_told_in_the_form_of_the_procedures() {
        insta::assert_snapshot!(letters(0), @r"
        # [P1] Incident: sample
        Details:
        - Incident ID: INC-1970-0101-001
        - Time Detected: 1970-01-01 00:00 UTC
        - Services Affected: not known yet
        - Impact: said
        - Current Status: Closed
        - Actions Taken: said
        - Next Steps: said
        - Estimated Resolution Time: said

        Contact: ana, +15550100, ana@example.com

        # Update: [P1] Incident: sample
        Details:
        - Incident ID: INC-1970-0101-001
        - Time of Update: 1970-01-01 00:00 UTC
        - Current Status: Investigating
        - Progress Made: sample Actions taken: said
        - Remaining Issues: said
        - Next Steps: said
        - Revised Estimated Resolution Time: said

        Contact: ana, +15550100, ana@example.com

        # Resolved: [P1] Incident: sample
        Details:
        - Incident ID: INC-1970-0101-001
        - Time Resolved: 1970-01-01 00:00 UTC
        - Root Cause: said
        - Resolution: said
        - Impact Duration: 0m
        - Follow-up Actions: sample
        - Post-Mortem Meeting: by 1970-01-02 00:00 UTC

        Contact: ana, +15550100, ana@example.com

        # Resolved: [P1] Incident: sample
        Details:
        - Incident ID: INC-1970-0101-001
        - Time Resolved: 1970-01-01 00:00 UTC
        - Root Cause: said
        - Resolution: said
        - Impact Duration: 0m
        - Follow-up Actions: sample
        - Post-Mortem Meeting: by 1970-01-02 00:00 UTC

        Contact: ana, +15550100, ana@example.com
        ");
    }

    #[test]
    fn what_is_not_known_is_said_so() {
        let told = letters(1);
        for said in [
            "Services Affected: not known yet",
            "Root Cause: not known yet",
            "Resolution Time: TBD",
        ] {
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn a_title_cannot_add_a_line_to_the_head_of_an_e_mail() {
        let catalog = Catalog::default();
        let (mut incident, record) = samples(&catalog).swap_remove(0);
        incident.title = "x\r\nBcc: everybody@example.com".to_owned();
        let letter = letter(
            &templates::environment(None),
            &catalog,
            &incident,
            &record[0],
        );
        let subject = letter.unwrap().unwrap().subject;
        assert_eq!(subject, "[P1] Incident: x Bcc: everybody@example.com");
    }
}
