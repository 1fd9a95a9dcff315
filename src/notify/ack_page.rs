//! The small page behind a link in an e-mail: it shows the incident and has one button, for whoever opens a link has not
//! said yet that they have it; mail programs open links on their own.

use anyhow::Context;
use minijinja::{Environment, context};

use super::letter::moment;
use super::one_line;
use crate::domain::catalog::Catalog;
use crate::domain::incident::Incident;

const TEMPLATE: &str = "pages/acknowledge.html.j2";

/// How it stands with the page that a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckState {
    /// Nobody has it yet: here is the button.
    Asks,
    /// Whoever opened the link has it.
    Yours,
    /// Somebody else has it.
    Taken {
        /// Their name.
        by: String,
    },
    /// The incident is over.
    Over {
        /// How it stands: `Resolved`.
        status: &'static str,
    },
    /// The page is over, and nobody has it.
    PageOver,
    /// The link was not made here, or was changed.
    NotValid,
    /// It could not be done; it is worth trying again.
    NotNow,
}

/// The page as HTML. Errors: a template that is broken.
pub fn ack_page(
    templates: &Environment<'_>,
    catalog: &Catalog,
    incident: Option<&Incident>,
    state: &AckState,
) -> anyhow::Result<String> {
    let id = incident.map_or("", |incident| incident.id.as_str());
    let command = &catalog.slack.command;
    let (heading, said) = match state {
        AckState::Asks => ("You are paged", "Nobody has it yet.".to_owned()),
        AckState::Yours => (
            "You have it",
            "Nobody else is called any more. The war room has been told.".to_owned(),
        ),
        AckState::Taken { by } => (
            "Already acknowledged",
            format!("{by} has it. Nothing needs to be done here."),
        ),
        AckState::Over { status } => (
            "It is over",
            format!("{id} is {}. Nothing needs to be done here.", status.to_lowercase()),
        ),
        AckState::PageOver => (
            "This page is over",
            format!("Nobody has {id} yet. To take it on, in Slack: {command} ack {id}"),
        ),
        AckState::NotValid => (
            "This link is not valid",
            "It was cut off or changed on its way. Take it from the e-mail once more, or answer in Slack."
                .to_owned(),
        ),
        AckState::NotNow => (
            "That did not work",
            "It is not known whether it was done. Load this page again in a moment.".to_owned(),
        ),
    };
    let title = incident.map(|incident| one_line(&incident.named(&incident.title)));
    let severity = incident.map(|incident| {
        let name = &incident.severity.name;
        name.split(" - ").next().unwrap_or(name).to_owned()
    });
    let zone = &catalog.organization.timezone;
    let since = incident.map(|incident| moment(incident.milestones.started, zone));
    templates
        .get_template(TEMPLATE)
        .and_then(|template| {
            template.render(context! {
                heading,
                said,
                asks => *state == AckState::Asks,
                incident => incident.map(|_| id),
                title,
                severity,
                since,
                organization => catalog.organization.name.as_str(),
            })
        })
        .with_context(|| format!("rendering the template {TEMPLATE}"))
}

/// Renders the page in every state: a template that is broken is told before it is needed.
pub fn prove(
    templates: &Environment<'_>,
    catalog: &Catalog,
    incident: &Incident,
) -> anyhow::Result<()> {
    ack_page(templates, catalog, Some(incident), &AckState::Asks)?;
    ack_page(templates, catalog, None, &AckState::NotValid)?;
    Ok(())
}
