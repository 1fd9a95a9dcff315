//! What becomes of alerts that ask for an incident: one of their own, or a place in one that is open.

use jiff::{SignedDuration, Timestamp};

use super::catalog::Catalog;
use super::command::{Command, Declaration};
use super::group::Tally;
use super::incident::Incident;
use super::terms::{GroupId, ServiceId, SeverityId};

/// Alerts that ask for an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// Which group.
    pub group: GroupId,
    /// How they stand.
    pub tally: Tally,
    /// The incident of their own.
    pub declaration: Declaration,
    /// How long ago an open incident of their service may have been declared that they join instead; none: they join
    /// none.
    pub join: Option<SignedDuration>,
}

impl Raise {
    /// The service whose open incidents matter to it; none: it has one of its own in any case.
    pub fn looks_at(&self) -> Option<&ServiceId> {
        self.join.and(self.declaration.service.as_ref())
    }

    /// What an open incident is told that they join.
    pub fn joining(&self) -> Command {
        Command::JoinAlerts {
            group: self.group.clone(),
            tally: self.tally.clone(),
            severity: self.declaration.severity.clone(),
        }
    }
}

/// The open incident that these alerts join in place of one of their own: of the same service, declared lately enough.
/// Of several it is the most urgent, and of those the newest.
pub fn joined<'a>(
    raise: &Raise,
    open: impl IntoIterator<Item = &'a Incident>,
    catalog: &Catalog,
    now: Timestamp,
) -> Option<&'a Incident> {
    let window = raise.join?;
    let service = raise.declaration.service.as_ref()?;
    open.into_iter()
        .filter(|incident| incident.status.is_open() && incident.service.as_ref() == Some(service))
        .filter(|incident| now.duration_since(incident.milestones.declared) <= window)
        .min_by_key(|incident| {
            let declared = incident.milestones.declared;
            let rank = rank(&incident.severity.id, catalog).unwrap_or(usize::MAX);
            (rank, std::cmp::Reverse((declared, incident.id.clone())))
        })
}

/// How urgent a severity is: 0 is the most urgent; none: the configuration does not know it.
pub fn rank(severity: &SeverityId, catalog: &Catalog) -> Option<usize> {
    let mut known = catalog.severities.iter();
    known.position(|known| known.id == *severity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::Service;
    use crate::domain::samples::samples;
    use crate::domain::terms::{IncidentId, ServiceId, Status};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn catalog() -> Catalog {
        let service = |id: &str| Service {
            id: ServiceId::new(id),
            name: id.to_uppercase(),
            owner: None,
            escalation_policy: None,
            links: Default::default(),
            runbooks: vec![],
        };
        Catalog {
            services: vec![service("checkout"), service("search")],
            ..Catalog::default()
        }
    }

    fn incident(id: &str, service: &str, severity: &str, minutes_ago: i64) -> Incident {
        let (mut incident, _) = samples(&catalog()).remove(1);
        incident.id = IncidentId::new(id);
        incident.status = Status::Investigating;
        incident.service = Some(ServiceId::new(service));
        incident.severity.id = SeverityId::new(severity);
        incident.milestones.declared = NOW - SignedDuration::from_mins(minutes_ago);
        incident
    }

    fn asks(service: Option<&str>, join_minutes: Option<i64>) -> Raise {
        Raise {
            group: GroupId::new("grp-1"),
            tally: Tally {
                title: "5xx".into(),
                source: "prometheus".into(),
                firing: 1,
                total: 1,
                samples: vec![],
            },
            declaration: Declaration {
                service: service.map(ServiceId::new),
                ..Declaration::titled("5xx")
            },
            join: join_minutes.map(SignedDuration::from_mins),
        }
    }

    #[test]
    fn alerts_join_the_open_incident_of_their_service_that_was_declared_lately() {
        let over = Incident {
            status: Status::Resolved,
            ..incident("INC-0", "checkout", "p1", 1)
        };
        let open = [
            over,
            incident("INC-1", "checkout", "p2", 30),
            incident("INC-2", "search", "p1", 1),
        ];
        let joins = |service, join| {
            let found = joined(&asks(service, join), &open, &catalog(), NOW);
            found.map(|incident| incident.id.as_str().to_owned())
        };
        assert_eq!(joins(Some("checkout"), Some(30)).as_deref(), Some("INC-1"));
        assert_eq!(
            joins(Some("checkout"), Some(29)),
            None,
            "declared too long ago"
        );
        assert_eq!(
            joins(Some("checkout"), None),
            None,
            "nobody has asked for it"
        );
        assert_eq!(joins(Some("mail"), Some(30)), None, "another service's");
        assert_eq!(joins(None, Some(30)), None, "of no service");
    }

    #[test]
    fn of_several_incidents_they_join_the_most_urgent_and_then_the_newest() {
        let open = [
            incident("INC-1", "checkout", "p3", 1),
            incident("INC-2", "checkout", "p2", 9),
            incident("INC-3", "checkout", "p2", 5),
        ];
        let found = joined(&asks(Some("checkout"), Some(30)), &open, &catalog(), NOW);
        assert_eq!(found.unwrap().id.as_str(), "INC-3");
    }
}
