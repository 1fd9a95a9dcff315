//! What was changed on purpose: a deploy, a setting. It is no alert, and often what an alert comes of.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::incident::Incident;
use super::terms::ServiceId;

/// How long before an incident a change may have begun it: whoever is called in asks first what was changed in the last
/// half hour.
pub const BEFORE: SignedDuration = SignedDuration::from_mins(30);

/// A change, as whoever made it tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was done, in one line.
    pub title: String,
    /// Who did it, or which machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where more is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What it was done to, if that is a known service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// When it was done.
    pub at: Timestamp,
}

impl Change {
    /// Whether it belongs on the timeline of an incident on which people work: done while it lasts or shortly before, to
    /// its service. Of an incident of which nobody knows what is broken every change may be the cause; where that is known,
    /// what belongs to nobody in particular is not looked for.
    pub fn concerns(&self, incident: &Incident) -> bool {
        let may_be_it = incident.service.is_none() || self.service == incident.service;
        let began = incident
            .milestones
            .started
            .min(incident.milestones.declared);
        may_be_it && began.duration_since(self.at) <= BEFORE
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::super::event::Event;
    use super::super::given::{cloudwatch, declared, given, minute};
    use super::super::timeline::tell;
    use super::*;

    fn change(service: Option<&str>, at: i64) -> Change {
        Change {
            title: "Deployed checkout 412".into(),
            by: Some("deploybot".into()),
            link: Some("https://ci.example.com/412".into()),
            service: service.map(ServiceId::new),
            at: minute(at),
        }
    }

    #[test]
    fn a_change_concerns_the_incident_of_its_service_from_half_an_hour_before() {
        let mut incident = given([declared()]).incident().clone();
        incident.milestones.started = minute(0);
        incident.service = Some(ServiceId::new("checkout"));
        for (service, at, wanted) in [
            (Some("checkout"), -30, true),
            (Some("checkout"), -31, false),
            (Some("checkout"), 300, true),
            (Some("search"), 1, false),
            (None, 1, false),
        ] {
            let concerns = change(service, at).concerns(&incident);
            assert_eq!(concerns, wanted, "{service:?} {at}");
        }
        incident.service = None;
        assert!(change(Some("search"), -1).concerns(&incident));
        assert!(change(None, -1).concerns(&incident));
    }

    #[test]
    fn it_stands_on_the_timeline_when_it_was_made_and_disturbs_nobody() {
        let noted = given([declared()])
            .at(5)
            .of(cloudwatch())
            .done(Command::NoteChange(change(Some("checkout"), -10)));
        assert_eq!(noted.orders(), "");
        let told = tell(noted.events().last().unwrap());
        assert_eq!(
            (told.happened_at, told.recorded_at),
            (minute(-10), minute(5))
        );
        insta::assert_snapshot!(told.text, @r"
        Changed: Deployed checkout 412 (service checkout)
        By deploybot
        https://ci.example.com/412
        ");
        let over = given([declared(), Event::Closed]);
        over.when(Command::NoteChange(change(None, 0))).nothing();
    }
}
