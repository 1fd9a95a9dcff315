//! Incidents with everything in them, and with as little as can be, to render every template once before anybody needs it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::alert::Links;
use super::balance::Finding;
use super::catalog::{Catalog, Then};
use super::change::Change;
use super::escalation::{Channel, Target};
use super::event::{
    AlertRemarked, AlertTurn, Declared, Event, ExportFormat, FollowUp, KeptMessage, Mark,
    MessageRef, Overdue, Recorded, Resolution, SeverityTerms, Update,
};
use super::group::{Group, Routed, Sample, Tally};
use super::incident::{Incident, fold};
use super::lead::{Lead, LeadsTo};
use super::page::{
    Addressee, Answer, Contact, Delivery, DeliveryState, Hurry, Page, PageReason, Paged, Vacancy,
};
use super::remark::{Deed, Remark, Remarked};
use super::runbook::Checklist;
use super::terms::{
    Actor, ChannelId, DedupKey, GroupId, IncidentId, MessageTs, PersonId, Role, ServiceId,
    SeverityId, SlackUserId, Status, Who,
};

/// Two incidents with their records: one that knows everything, and one that knows as little as can be.
pub fn samples(catalog: &Catalog) -> Vec<(Incident, Vec<Recorded>)> {
    let ana = Who::slack(SlackUserId::new("U0ANA"), "ana");
    let full = Actor::Person(ana.clone());
    let said = || Some("said".to_owned());
    vec![
        live(
            &full,
            declared(catalog, Some(ana.clone()), said(), links()),
            events(&ana, said),
        ),
        live(
            &Actor::Firebell,
            declared(catalog, None, None, Links::default()),
            events(&Who::named("ana"), || None),
        ),
    ]
}

/// A checklist with one item.
pub fn checklist() -> Checklist {
    Checklist {
        id: "sample".to_owned(),
        title: "Sample".to_owned(),
        items: vec!["Item".to_owned()],
    }
}

fn live(actor: &Actor, declared: Event, events: Vec<Event>) -> (Incident, Vec<Recorded>) {
    let mut record = Vec::new();
    let mut state = None;
    for (seq, event) in (1..).zip(std::iter::once(declared).chain(events)) {
        let recorded = Recorded {
            seq,
            event,
            actor: actor.clone(),
            happened_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
        };
        state = fold(state, &recorded);
        record.push(recorded);
    }
    // The first event is a declaration, so there is a state.
    let incident = state.unwrap_or_else(|| unreachable!("a record begins with its declaration"));
    (incident, record)
}

fn declared(
    catalog: &Catalog,
    commander: Option<Who>,
    description: Option<String>,
    links: Links,
) -> Event {
    Event::Declared(Declared {
        id: IncidentId::new("INC-1970-0101-001"),
        title: "sample".to_owned(),
        description,
        severity: SeverityTerms {
            id: SeverityId::new("p1"),
            name: "P1 - Critical".to_owned(),
            update_every: Some(SignedDuration::from_mins(15)),
            acknowledge_within: None,
            postmortem_within: None,
            stakeholders: vec![],
        },
        service: catalog.services.first().map(|service| service.id.clone()),
        started_at: Timestamp::UNIX_EPOCH,
        commander,
        war_room: Some("incident-1970-0101-001".to_owned()),
        reserved_room: None,
        announce: "#incidents".to_owned(),
        invite: vec![],
        checklists: vec![],
        links: Box::new(links),
        escalation: None,
    })
}

/// One event of every kind; `said` fills what may be left unsaid.
fn events(who: &Who, said: impl Fn() -> Option<String>) -> Vec<Event> {
    let message = MessageRef {
        channel: ChannelId::new("C0SAMPLE"),
        ts: MessageTs::new("0000000000.000001"),
    };
    let follow_up = FollowUp {
        number: 1,
        text: "sample".to_owned(),
        owner: said().map(|_| who.clone()),
        due: said().map(|_| jiff::civil::date(1970, 1, 1)),
    };
    vec![
        Event::WarRoomFailed {
            why: "sample".to_owned(),
        },
        Event::ChangeNoted(Change {
            title: "sample".to_owned(),
            by: said(),
            link: said(),
            service: said().map(ServiceId::new),
            at: Timestamp::UNIX_EPOCH,
        }),
        Event::WarRoomOpened {
            channel: message.channel.clone(),
            name: "sample".to_owned(),
        },
        Event::CardPosted {
            message: message.clone(),
        },
        Event::Announced {
            message: message.clone(),
        },
        paged(who, said().is_some()),
        Event::PageDelivery(Delivery {
            page: 1,
            via: Channel::Slack,
            state: DeliveryState::Failed,
            provider_id: None,
            reason: said(),
        }),
        Event::PageContinued {
            page: 1,
            via: vec![Channel::Sms, Channel::Voice],
            early: said().map(|_| Channel::Slack),
        },
        Event::PageDelivery(Delivery {
            page: 1,
            via: Channel::Sms,
            state: DeliveryState::Delivered,
            provider_id: said(),
            reason: None,
        }),
        Event::AcknowledgeOverdue {
            due_at: Timestamp::UNIX_EPOCH,
        },
        Event::Acknowledged {
            by: who.clone(),
            answer: said().map(|_| Answer {
                page: 1,
                via: Channel::Sms,
            }),
        },
        Event::AcknowledgementExpired { by: who.clone() },
        Event::PageAnswered {
            page: 2,
            by: who.clone(),
            via: said().map(|_| Channel::Voice),
        },
        Event::PageExpired { page: 3 },
        Event::AnswerTimeExtended {
            pages: vec![1],
            late: SignedDuration::from_mins(50),
        },
        Event::EscalationExhausted {
            rounds: 2,
            pages: vec![1],
        },
        Event::PostmortemOverdue {
            due_at: Timestamp::UNIX_EPOCH,
            reminder: 1,
            next_at: None,
        },
        Event::RoleAssigned {
            role: Role::Scribe,
            to: who.clone(),
            from: said().map(|_| who.clone()),
        },
        Event::UpdatePosted {
            number: 1,
            status: Status::Investigating,
            update: Update {
                text: "sample".to_owned(),
                actions_taken: said(),
                next_steps: said(),
                eta: said(),
                next_update_in: None,
            },
        },
        Event::UpdateOverdue(Overdue {
            due_at: Timestamp::UNIX_EPOCH,
            reminder: 2,
            reminded: said().map(|_| who.clone()),
            next_at: Timestamp::UNIX_EPOCH,
            late: SignedDuration::from_mins(said().map_or(0, |_| 1)),
        }),
        Event::StatusChanged {
            from: Status::Investigating,
            to: Status::Monitoring,
        },
        Event::SeverityChanged {
            from: SeverityId::new("p2"),
            to: SeverityTerms {
                id: SeverityId::new("p1"),
                name: "P1 - Critical".to_owned(),
                update_every: None,
                acknowledge_within: None,
                postmortem_within: None,
                stakeholders: vec![],
            },
            reason: said(),
            invite: vec![],
            checklists: vec![],
            war_room: said(),
            escalation: None,
        },
        Event::NoteAdded {
            text: "sample".to_owned(),
        },
        Event::MessageMarked {
            message: message.clone(),
            mark: Mark::Check,
            by: who.clone(),
        },
        Event::MessageKept(KeptMessage {
            message,
            author: who.clone(),
            text: "sample".to_owned(),
            written_at: Timestamp::UNIX_EPOCH,
            mark: Mark::Pin,
            marked_by: who.clone(),
        }),
        Event::FollowUpAdded(follow_up),
        Event::FollowUpCompleted { number: 1 },
        Event::Resolved(Resolution {
            root_cause: said(),
            resolution: said(),
            impact: said(),
        }),
        Event::Reopened { reason: said() },
        Event::Resolved(Resolution::default()),
        Event::Closed,
        Event::ExportRequested {
            format: ExportFormat::Markdown,
        },
        Event::NamesLearned {
            names: [(SlackUserId::new("U0BO"), "bo".to_owned())].into(),
        },
        alerts_changed(AlertTurn::Joined),
        Event::AlertRemarked(Box::new(AlertRemarked {
            group: GroupId::new("grp-sample"),
            missed: 1,
            remarked: remarked(said),
        })),
        alerts_changed(AlertTurn::Over),
        alerts_changed(AlertTurn::Again),
        alerts_changed(AlertTurn::Counted),
        alerts_changed(AlertTurn::Flapping),
        Event::EffectFailed {
            what: "sample".to_owned(),
            why: "sample".to_owned(),
            leaves: Default::default(),
        },
    ]
}

/// Somebody is called; `full`: with everything that can be said of it.
fn paged(who: &Who, full: bool) -> Event {
    let contact = |via| Contact {
        via,
        at: Timestamp::UNIX_EPOCH,
    };
    let page = |number, to| Page {
        number,
        to,
        contacts: vec![contact(Channel::Slack), contact(Channel::Sms)],
    };
    let person = Addressee::Person {
        id: Some(PersonId::new("ana")),
        who: who.clone(),
    };
    let paged = match full {
        true => Paged {
            why: PageReason::Step {
                policy: "sample".to_owned(),
                step: 1,
                of: 2,
                round: 2,
                hurried: Some(Hurry::ByHand { by: who.clone() }),
            },
            pages: vec![
                page(1, person),
                page(
                    2,
                    Addressee::UserGroup {
                        handle: "sre".to_owned(),
                    },
                ),
                page(
                    3,
                    Addressee::Channel {
                        name: "ops".to_owned(),
                    },
                ),
            ],
            unanswered: vec![4, 5],
            vacant: vec![
                Vacancy {
                    target: Target::Schedule("primary".to_owned()),
                    instead: Some(Target::Role("lead".to_owned())),
                },
                Vacancy {
                    target: Target::Role("cto".to_owned()),
                    instead: None,
                },
            ],
            late: SignedDuration::from_mins(1),
        },
        false => Paged {
            why: PageReason::ByHand {
                by: who.clone(),
                text: None,
            },
            pages: vec![page(1, person)],
            unanswered: vec![],
            vacant: vec![],
            late: SignedDuration::ZERO,
        },
    };
    Event::Paged(Box::new(paged))
}

/// Two groups of alerts: one with everything in it, and one with as little as can be.
pub fn groups() -> [Group; 2] {
    let now = Timestamp::UNIX_EPOCH;
    let routed = Routed {
        group: GroupId::new("grp-sample"),
        then: Then::Notify,
        channel: None,
        service: None,
        severity: None,
        urgency: 0,
        values: [("name".to_owned(), "sample".to_owned())].into(),
        join: None,
        escalation_policy: None,
        suppressed_by: None,
        hold: None,
    };
    let least = Group {
        title: "sample".to_owned(),
        ..Group::new(&routed, "sample", now)
    };
    let full = Group {
        service: Some(ServiceId::new("sample")),
        severity: Some(SeverityId::new("p1")),
        values: [("region".to_owned(), "sample".to_owned())].into(),
        description: Some("sample".to_owned()),
        links: links(),
        firing: 2,
        total: 3,
        samples: vec![Sample {
            key: DedupKey::new("sample"),
            title: "sample".to_owned(),
            source: Some("sample".to_owned()),
            is_firing: true,
            is_flapping: true,
            is_acknowledged: true,
            acknowledged_by: Some("sample".to_owned()),
            whereabouts: place("sample"),
        }],
        leads: leads(),
        common: place("all"),
        remarks: vec![remarked(|| Some("sample".to_owned()))],
        incident: Some(IncidentId::new("INC-1970-0101-001")),
        acknowledged_by: Some(Who::named("sample")),
        snoozed_until: Some(now + SignedDuration::from_hours(1)),
        ..least.clone()
    };
    [full, least]
}

/// What an auditor may find.
pub fn findings() -> Vec<Finding> {
    let incident = IncidentId::new("INC-1970-0101-001");
    let text = || "sample".to_owned();
    vec![
        Finding::Page {
            incident: incident.clone(),
            number: 1,
            to: text(),
            why: text(),
        },
        Finding::Clock {
            incident,
            awaits: text(),
        },
    ]
}

fn links() -> Links {
    let link = || Some("https://example.com/sample".to_owned());
    Links {
        runbook: link(),
        dashboard: link(),
        silence: link(),
        origin: link(),
    }
}

fn remarked(said: impl Fn() -> Option<String>) -> Remarked {
    Remarked {
        number: 1,
        deed: Deed::Acknowledged,
        key: DedupKey::new("sample"),
        title: "sample".to_owned(),
        source: "sample".to_owned(),
        remark: Remark {
            by: said(),
            text: said(),
        },
        at: Timestamp::UNIX_EPOCH,
    }
}

fn place(region: &str) -> BTreeMap<String, String> {
    [("region".to_owned(), region.to_owned())].into()
}

fn leads() -> Vec<Lead> {
    vec![Lead {
        to: LeadsTo::Runbook,
        of: "sample".to_owned(),
        url: "https://example.com/other".to_owned(),
    }]
}

fn alerts_changed(turn: AlertTurn) -> Event {
    Event::AlertsChanged {
        group: GroupId::new("grp-sample"),
        tally: Tally {
            title: "sample".to_owned(),
            source: "sample".to_owned(),
            firing: 2,
            total: 3,
            samples: vec![Sample {
                key: DedupKey::new("sample"),
                title: "sample".to_owned(),
                source: None,
                is_firing: true,
                is_flapping: true,
                is_acknowledged: true,
                acknowledged_by: None,
                whereabouts: place("sample"),
            }],
            remarks: vec![],
            common: place("all"),
            leads: leads(),
            is_quieted: turn == AlertTurn::Counted,
            is_flapping: turn == AlertTurn::Flapping,
        },
        turn,
        turned: vec![DedupKey::new("sample")],
    }
}
