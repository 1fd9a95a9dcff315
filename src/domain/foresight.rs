//! What a policy will do if nobody answers: the core itself is driven through it, from the declaration to the last word.

use jiff::Timestamp;

use super::catalog::Catalog;
use super::command::{Command, Declaration, Identity, Report, Timer};
use super::decide::{Refusal, World, decide};
use super::event::Recorded;
use super::incident::{Incident, fold};
use super::oncall::Override;
use super::page::{Delivery, DeliveryState};
use super::reach::{Address, address};
use super::terms::{Actor, IncidentId};

/// Everything that happens to an incident that is declared in these words at that moment by an alert, until nobody is
/// called any more: every page, every further way, and the end of it. The clock rings on time, nothing gets lost, and
/// nobody answers.
///
/// Refused is what would be refused of a declaration: a severity that is not there.
pub fn foresee(
    declaration: Declaration,
    at: Timestamp,
    catalog: &Catalog,
    overrides: &[Override],
) -> Result<Vec<Recorded>, Refusal> {
    let identity = Identity {
        id: IncidentId::new("INC-PREVIEW"),
        channel: "incident-preview".to_owned(),
    };
    let mut record = Vec::new();
    let mut state: Option<Incident> = None;
    let mut now = at;
    let mut command = Command::Declare {
        identity,
        declaration,
    };
    loop {
        let world = World {
            now,
            actor: &Actor::Firebell,
            catalog,
            overrides,
        };
        for event in decide(state.as_ref(), &command, world)? {
            let recorded = Recorded {
                seq: record.len() as u64 + 1,
                happened_at: event.happened_at(now),
                recorded_at: now,
                event,
                actor: Actor::Firebell,
            };
            state = fold(state, &recorded);
            record.push(recorded);
        }
        let Some(incident) = &state else { break };
        // What leads nowhere fails as soon as it is tried, and what follows from that follows at once.
        if let Some(delivery) = nowhere(incident, catalog) {
            command = Command::Record(Report::Delivery(delivery));
            continue;
        }
        match incident.next_due() {
            Some((at, _)) if incident.is_calling() => {
                now = at;
                command = Command::Fire(Timer::Due { at });
            }
            Some(_) | None => break,
        }
    }
    Ok(record)
}

/// A way that is taken just now and leads nowhere.
fn nowhere(incident: &Incident, catalog: &Catalog) -> Option<Delivery> {
    let pages = incident.pages.iter();
    let ways = pages.flat_map(|page| page.contacts.iter().map(move |contact| (page, contact)));
    let mut taken = ways.filter(|(_, contact)| contact.state == DeliveryState::Ordered);
    taken.find_map(
        |(page, contact)| match address(&page.to, contact.via, catalog) {
            Address::To(_) => None,
            Address::Nowhere(reason) => Some(Delivery {
                page: page.number,
                via: contact.via,
                state: DeliveryState::Failed,
                provider_id: None,
                reason: Some(reason),
            }),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::given::{catalog, minute};
    use crate::domain::terms::SeverityId;
    use crate::domain::timeline::tell;

    #[test]
    fn a_policy_is_foreseen_to_its_last_word_by_the_core_itself() {
        let mut catalog = catalog();
        let step = |after: i64, notify: &str| crate::domain::escalation::Step {
            after: jiff::SignedDuration::from_mins(after),
            notify: vec![notify.parse().expect("a target")],
            via: vec![],
        };
        catalog.escalation_policies = vec![crate::domain::escalation::EscalationPolicy {
            id: "leads".into(),
            steps: vec![step(0, "role:nobody"), step(20, "person:bob")],
            repeat: 1,
            repeat_after: None,
            stop_on: crate::domain::escalation::StopOn::Acknowledged,
            ack_timeout: None,
        }];
        let declaration = Declaration {
            severity: Some(SeverityId::new("p2")),
            escalation_policy: Some("leads".into()),
            ..Declaration::titled("preview")
        };
        let record = foresee(declaration, minute(0), &catalog, &[]).expect("foreseen");
        let told: String = record
            .iter()
            .filter(|it| !matches!(it.event, Event::Declared(_) | Event::UpdateOverdue(_)))
            .map(|it| {
                let minutes = it.recorded_at.duration_since(minute(0)).as_mins();
                format!("{minutes}m {}\n", tell(it).text.replace('\n', " | "))
            })
            .collect();
        insta::assert_snapshot!(told, @"
        0m Step 1 of 2 of leads: paged nobody | Nobody is behind role:nobody
        0m Step 2 of 2 of leads, at once, since the one before it reached nobody: paged @bob (page 1: Slack)
        20m Step 1 of 2 of leads, round 2: paged nobody | Nobody answered page 1 | Nobody is behind role:nobody
        20m Step 2 of 2 of leads, round 2, at once, since the one before it reached nobody: paged @bob (page 2: Slack)
        40m The escalation is at its end after 2 rounds, and nobody has answered
        ");
    }
}
