//! What becomes of alerts that ask for an incident: one of their own, a place in one that is open, or a count on one
//! that is more urgent.

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
        self.declaration.service.as_ref()
    }

    /// What an open incident is told that they join.
    pub fn joining(&self) -> Command {
        Command::JoinAlerts {
            group: self.group.clone(),
            tally: self.tally.clone(),
            severity: self.declaration.severity.clone(),
        }
    }

    /// What an open incident is told that quiets them.
    pub fn counted(&self) -> Command {
        Command::NoteAlerts {
            group: self.group.clone(),
            tally: Tally {
                is_quieted: true,
                ..self.tally.clone()
            },
        }
    }

    /// The open incident that these alerts belong to in place of one of their own, and what it is told. To join is asked
    /// for by their route, so it comes before being quieted.
    pub fn belongs_to<'a>(
        &self,
        open: &[&'a Incident],
        catalog: &Catalog,
        now: Timestamp,
    ) -> Option<(&'a Incident, Command)> {
        let joined = joined(self, open.iter().copied(), catalog, now);
        let severity = self.declaration.severity.as_ref();
        let quieting = || quieting(self.looks_at(), severity, open.iter().copied(), catalog);
        joined
            .map(|incident| (incident, self.joining()))
            .or_else(|| quieting().map(|incident| (incident, self.counted())))
    }
}

/// The most urgent open incident of a service that is more urgent than alerts of this severity (none: the gravest that
/// there is).
pub fn quieting<'a>(
    service: Option<&ServiceId>,
    severity: Option<&SeverityId>,
    open: impl IntoIterator<Item = &'a Incident>,
    catalog: &Catalog,
) -> Option<&'a Incident> {
    let open = open.into_iter();
    let found = open.filter(|incident| is_quieted_by(service, severity, incident, catalog));
    found.min_by_key(|incident| rank(&incident.severity.id, catalog))
}

/// Whether an incident quiets alerts of this service and severity.
pub fn is_quieted_by(
    service: Option<&ServiceId>,
    severity: Option<&SeverityId>,
    incident: &Incident,
    catalog: &Catalog,
) -> bool {
    let theirs = severity.map_or(Some(0), |id| rank(id, catalog));
    let ours = rank(&incident.severity.id, catalog);
    catalog.alerts.quieted_by_incidents
        && incident.status.is_open()
        && service.is_some()
        && incident.service.as_ref() == service
        && ours.zip(theirs).is_some_and(|(ours, theirs)| ours < theirs)
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
                is_quieted: false,
                is_flapping: false,
                remarks: vec![],
                common: Default::default(),
                leads: vec![],
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
    fn an_open_incident_quiets_what_is_less_urgent_on_its_service() {
        let over = Incident {
            status: Status::Resolved,
            ..incident("INC-0", "checkout", "p1", 1)
        };
        let open = [
            &over,
            &incident("INC-1", "checkout", "p2", 900),
            &incident("INC-2", "search", "p1", 1),
        ];
        let by = |service, severity: Option<&str>| {
            let mut raise = asks(Some(service), None);
            raise.declaration.severity = severity.map(SeverityId::new);
            let (incident, told) = raise.belongs_to(&open, &catalog(), NOW)?;
            let is_counted = matches!(told, Command::NoteAlerts { tally, .. } if tally.is_quieted);
            assert!(is_counted);
            Some(incident.id.as_str())
        };
        assert_eq!(
            by("checkout", Some("p3")),
            Some("INC-1"),
            "however old it is"
        );
        assert_eq!(by("checkout", Some("p2")), None, "as urgent");
        assert_eq!(by("checkout", Some("p1")), None, "more urgent");
        assert_eq!(by("checkout", None), None, "nobody knows how urgent");
        assert_eq!(by("checkout", Some("gone")), None);
        assert_eq!(by("mail", Some("p4")), None);
        let mut off = catalog();
        off.alerts.quieted_by_incidents = false;
        let mut raise = asks(Some("checkout"), None);
        raise.declaration.severity = Some(SeverityId::new("p4"));
        assert!(raise.belongs_to(&open, &off, NOW).is_none());
        // What its route lets join is not only counted.
        raise.join = Some(SignedDuration::from_mins(901));
        let (_, told) = raise.belongs_to(&open, &catalog(), NOW).unwrap();
        assert!(matches!(told, Command::JoinAlerts { .. }));
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
