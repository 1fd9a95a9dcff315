//! Whether the policies of a file reach anybody: each as a whole, each step, and each person in it.

use std::ops::Range;

use super::faults::Level;
use super::reader::Reading;
use crate::domain::catalog::{Catalog, Person};
use crate::domain::escalation::{EscalationPolicy, Step, Target};
use crate::domain::form::show_duration;
use crate::domain::reach::{may_reach, reaches, ways};
use crate::domain::terms::SeverityId;

/// Where what is proved here stands in the file.
#[derive(Debug, Default)]
pub struct Places {
    /// The policies, in the order of the file.
    pub policies: Vec<PlaceOfPolicy>,
    /// The severities that ask for an acknowledgement.
    pub acknowledge_within: Vec<(SeverityId, Range<usize>)>,
}

/// Where a policy stands.
#[derive(Debug)]
pub struct PlaceOfPolicy {
    /// Its id.
    pub id: Range<usize>,
    /// Whom its steps notify, in their order.
    pub notify: Vec<Range<usize>>,
}

/// Tells of policies, steps and people in them that lead nowhere. Where the file has errors, nobody can say.
pub fn prove(reading: &Reading, catalog: &Catalog, places: &Places) {
    if reading.faults.borrow().has_errors() {
        return;
    }
    for (policy, place) in catalog.escalation_policies.iter().zip(&places.policies) {
        prove_policy(reading, policy, place, catalog);
    }
    let names_policy = catalog
        .services
        .iter()
        .any(|it| it.escalation_policy.is_some())
        || catalog
            .routes
            .iter()
            .any(|it| it.escalation_policy.is_some());
    for (id, span) in &places.acknowledge_within {
        let severity = catalog.severity(id);
        if !names_policy && severity.is_some_and(|it| it.escalation_policy.is_none()) {
            reading.fault(
                Level::Warning,
                span.clone(),
                format!("nobody is paged for `{id}`, so nobody is asked to acknowledge"),
                Some("name an escalation_policy, or leave it out".to_owned()),
            );
        }
    }
}

fn prove_policy(
    reading: &Reading,
    policy: &EscalationPolicy,
    place: &PlaceOfPolicy,
    catalog: &Catalog,
) {
    let at_some_time = |target: &Target| may_reach(target, catalog);
    let steps = policy.steps.iter();
    let reached: Vec<bool> = steps
        .map(|step| reaches(step, catalog, at_some_time, |_, _| true))
        .collect();
    if !reached.contains(&true) {
        reading.fault(
            Level::Error,
            place.id.clone(),
            format!(
                "the policy `{}` reaches nobody in any of its steps",
                policy.id
            ),
            Some("name somebody in it who has a way that is set up".to_owned()),
        );
        return;
    }
    let nexts = policy.steps.iter().skip(1).map(|step| Some(step.after));
    let steps = policy.steps.iter().zip(nexts.chain([None]));
    for (((step, next), is_reached), span) in steps.zip(reached).zip(&place.notify) {
        let warn = |message: String, help: &str| {
            reading.fault(Level::Warning, span.clone(), message, Some(help.to_owned()));
        };
        if !is_reached {
            let help =
                "it goes on to the next step at once: name somebody who has a way that is set up";
            warn("this step reaches nobody".to_owned(), help);
            continue;
        }
        let gap = match next {
            Some(next) => next.saturating_sub(step.after),
            None => policy.rest(),
        };
        for person in people(step, catalog) {
            let ways = ways(person, step, catalog);
            if !ways.iter().any(|(via, _)| person.lacks(*via).is_none()) {
                let lacks: Vec<&str> = ways.iter().filter_map(|it| person.lacks(it.0)).collect();
                let lacks = lacks.first().copied().unwrap_or_default();
                let message = format!("`{}` cannot be reached by this step", person.id);
                warn(
                    message,
                    &format!("give them {lacks}, or the step another `via`"),
                );
            }
            let late = ways
                .iter()
                .find(|(_, after)| *after > gap && !gap.is_zero());
            if let Some((via, after)) = late {
                let message = format!(
                    "`{}` wishes to be reached by {via} after {}, and by then the policy has gone on (after {})",
                    person.id,
                    show_duration(*after),
                    show_duration(gap),
                );
                warn(
                    message,
                    "give the step more time, or the rule of `contact` less",
                );
            }
        }
    }
}

/// Whoever of the file a step may call, each once.
fn people<'c>(step: &Step, catalog: &'c Catalog) -> Vec<&'c Person> {
    let mut people: Vec<&Person> = Vec::new();
    for person in step
        .notify
        .iter()
        .filter_map(|it| may_reach(it, catalog))
        .flatten()
    {
        if !people.iter().any(|known| known.id == person.id) {
            people.push(person);
        }
    }
    people
}
