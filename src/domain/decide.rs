//! What follows from a command: events, or a refusal in words for a person. A table of wish × status.

mod escalate;
mod refusal;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::catalog::{Catalog, Severity, SlackName};
use super::command::{Command, Declaration, Identity, Report, Timer};
use super::escalation::{EscalationPolicy, StopOn, Target};
use super::event::{
    AlertRemarked, AlertTurn, Consequence, Declared, Event, FollowUp, Invitee, Mark, MessageRef,
    Overdue, Resolution, SeverityTerms, Update,
};
use super::group::Tally;
use super::incident::{Incident, Room, UpdateClock};
use super::oncall::Override;
use super::raise::rank;
use super::terms::{Actor, GroupId, Role, SeverityId, Status, Who};
pub use refusal::Refusal;

/// All that the core may look at besides the incident itself.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// Who asks.
    pub actor: &'a Actor,
    /// The configuration.
    pub catalog: &'a Catalog,
    /// The on-call overrides in force.
    pub overrides: &'a [Override],
}

/// The longest pause between two reminders, for a severity without an interval of its own.
const REMINDER_PAUSE_MAX: SignedDuration = SignedDuration::from_mins(60);

/// How long an ignored reminder is given before the next in line is reminded: long enough to finish a sentence
/// in a call, short enough that stakeholders wait no longer than one P1 interval in all.
pub const REMINDER_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// How far the clock of whoever says when something began may be ahead of ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(1);
/// A clock that rings no later than this is on time, and its lateness not worth a word.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(5);

/// Decides. Nothing is changed here: the events are, once they are written down.
pub fn decide(
    incident: Option<&Incident>,
    command: &Command,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let mut events = match (command, incident) {
        (
            Command::Declare {
                identity,
                declaration,
            },
            None,
        ) => declare(identity, declaration, world)?,
        // An identity is given out once; a second declaration under it is a fault of the shell's, not of a person's.
        (Command::Declare { .. }, Some(incident)) => {
            return Err(Refusal::AlreadyDeclared {
                id: incident.id.clone(),
            });
        }
        (_, None) => return Err(Refusal::NoIncident),
        (command, Some(incident)) => pursue(incident, command, world)?,
    };
    if events.iter().any(escalate::lets_begin) {
        let called = escalate::begin(incident, &events, world);
        events.extend(called);
    }
    Ok(events)
}

/// The table for an incident that exists.
fn pursue(incident: &Incident, command: &Command, world: World<'_>) -> Result<Vec<Event>, Refusal> {
    use Status::{Closed, Identified, Investigating, Mitigating, Monitoring, Resolved};
    let id = || incident.id.clone();
    match (command, incident.status) {
        (Command::Declare { .. }, _) => Err(Refusal::AlreadyDeclared { id: id() }),

        (Command::Acknowledge, Investigating | Identified | Mitigating | Monitoring) => {
            escalate::acknowledge(incident, None, world)
        }
        (Command::Answer(answer), Investigating | Identified | Mitigating | Monitoring) => {
            escalate::acknowledge(incident, Some(*answer), world)
        }
        (Command::Acknowledge | Command::Answer(_), Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (Command::Escalate, Investigating | Identified | Mitigating | Monitoring) => {
            escalate::escalate(incident, world)
        }
        (Command::PassOn(answer), Investigating | Identified | Mitigating | Monitoring) => {
            escalate::still_asked(incident, *answer)?;
            escalate::escalate(incident, world)
        }
        (Command::Page { whom, text }, Investigating | Identified | Mitigating | Monitoring) => {
            escalate::page(incident, whom, text.as_deref(), world)
        }
        (Command::Escalate | Command::PassOn(_) | Command::Page { .. }, Resolved | Closed) => {
            Err(Refusal::Over {
                id: id(),
                status: incident.status,
            })
        }

        (
            Command::PostUpdate {
                update,
                status,
                severity,
            },
            Investigating | Identified | Mitigating | Monitoring,
        ) => post_update(incident, update, *status, severity.as_ref(), world),
        // After the resolution there is still something to say, but the status moves by `reopen` and `close` only.
        // The form for it comes prefilled: what stands there already asks for nothing.
        (
            Command::PostUpdate {
                update,
                status: None | Some(Resolved),
                severity,
            },
            Resolved,
        ) if severity
            .as_ref()
            .is_none_or(|it| *it == incident.severity.id) =>
        {
            Ok(vec![updated(incident, update, Resolved)])
        }
        (Command::PostUpdate { .. }, Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (Command::SetStatus(to), Investigating | Identified | Mitigating | Monitoring) => {
            set_status(incident, *to).map(|event| vec![event])
        }
        (Command::SetStatus(_), Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (
            Command::ChangeSeverity { to, reason },
            Investigating | Identified | Mitigating | Monitoring,
        ) => change_severity(incident, to, reason.clone(), world).map(|event| vec![event]),
        (Command::ChangeSeverity { .. }, Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (
            Command::AssignRole { role, to },
            Investigating | Identified | Mitigating | Monitoring | Resolved,
        ) => assign(incident, *role, to).map(|event| vec![event]),

        (
            Command::AddNote { text },
            Investigating | Identified | Mitigating | Monitoring | Resolved,
        ) => Ok(vec![Event::NoteAdded { text: text.clone() }]),
        (
            Command::MarkMessage { message, mark },
            Investigating | Identified | Mitigating | Monitoring | Resolved,
        ) => mark_message(message, *mark, world),

        (
            Command::AddFollowUp { text, owner, due },
            Investigating | Identified | Mitigating | Monitoring | Resolved,
        ) => Ok(vec![Event::FollowUpAdded(FollowUp {
            number: incident.follow_ups.len() as u32 + 1,
            text: text.clone(),
            owner: owner.clone(),
            due: *due,
        })]),
        // A follow-up outlives its incident: it can be ticked off for ever.
        (Command::CompleteFollowUp { number }, _) => complete_follow_up(incident, *number),

        (Command::Resolve(resolution), Investigating | Identified | Mitigating | Monitoring) => {
            Ok(vec![Event::Resolved(resolution.clone())])
        }
        // The root cause is often known a day later.
        (Command::Resolve(resolution), Resolved) if *resolution != Resolution::default() => {
            Ok(vec![Event::Resolved(resolution.clone())])
        }
        (Command::Amend(resolution), Resolved) if *resolution != Resolution::default() => {
            Ok(vec![Event::Resolved(resolution.clone())])
        }
        (Command::Amend(_), Investigating | Identified | Mitigating | Monitoring) => {
            Err(Refusal::OpenAgain { id: id() })
        }
        (Command::Resolve(_) | Command::Amend(_), Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (Command::Reopen { reason }, Resolved) => Ok(vec![Event::Reopened {
            reason: reason.clone(),
        }]),
        (Command::Reopen { .. }, Investigating | Identified | Mitigating | Monitoring) => {
            Err(Refusal::StillOpen {
                id: id(),
                status: incident.status,
                wish: "reopened",
            })
        }
        (Command::Reopen { .. }, Closed) => Err(Refusal::Over {
            id: id(),
            status: Closed,
        }),

        (Command::Close, Resolved) => Ok(vec![Event::Closed]),
        (Command::Close, Investigating | Identified | Mitigating | Monitoring) => {
            Err(Refusal::StillOpen {
                id: id(),
                status: incident.status,
                wish: "closed",
            })
        }
        (Command::Close, Closed) => Err(Refusal::Over {
            id: id(),
            status: Closed,
        }),

        (
            Command::AssignRole { .. }
            | Command::AddNote { .. }
            | Command::MarkMessage { .. }
            | Command::AddFollowUp { .. },
            Closed,
        ) => Err(Refusal::Over {
            id: id(),
            status: Closed,
        }),

        (
            Command::NoteAlerts { group, tally },
            Investigating | Identified | Mitigating | Monitoring,
        ) => Ok(note_alerts(incident, group, tally)),
        // What begins after the end is another incident's; what ends is this one's.
        (Command::NoteAlerts { group, tally }, Resolved | Closed) => {
            match incident.alerts.get(group) {
                Some(known) if tally.total <= known.total && incident.status == Resolved => {
                    Ok(note_alerts(incident, group, tally))
                }
                Some(known) if tally.total <= known.total => Ok(vec![]),
                Some(_) | None => Err(Refusal::Over {
                    id: id(),
                    status: incident.status,
                }),
            }
        }
        (
            Command::JoinAlerts {
                group,
                tally,
                severity,
            },
            Investigating | Identified | Mitigating | Monitoring,
        ) => join_alerts(incident, group, tally, severity.as_ref(), world),
        (Command::JoinAlerts { .. }, Resolved | Closed) => Err(Refusal::Over {
            id: id(),
            status: incident.status,
        }),

        (
            Command::NoteChange(change),
            Investigating | Identified | Mitigating | Monitoring | Resolved,
        ) => Ok(vec![Event::ChangeNoted(change.clone())]),
        // The record is finished, and nobody asks any more what it came of.
        (Command::NoteChange(_), Closed) => Ok(vec![]),

        (Command::RequestExport { format }, _) => {
            Ok(vec![Event::ExportRequested { format: *format }])
        }

        // What is due at all depends on the status: see `Incident::next_due`.
        (Command::Fire(Timer::Due { at }), _) => Ok(escalate::ring(incident, *at, world)),

        // What came back from the world is remembered whatever the status: it has happened.
        (Command::Record(Report::Delivery(delivery)), _) => {
            Ok(escalate::deliver(incident, delivery, world))
        }
        (Command::Record(report), _) => Ok(record(incident, report)),
    }
}

fn declare(
    identity: &Identity,
    declaration: &Declaration,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let title = declaration.title.trim();
    if title.is_empty() {
        return Err(Refusal::NoTitle);
    }
    let catalog = world.catalog;
    let severity = match &declaration.severity {
        Some(id) => known_severity(id, catalog)?,
        None => catalog.severities.first().ok_or(Refusal::NoSeverities)?,
    };
    let commander = world.actor.person().cloned();
    let started_at = match declaration.started_at {
        Some(at) if world.now.duration_until(at) > CLOCKS_APART => {
            return Err(Refusal::StillToCome { at });
        }
        // A clock a little ahead of ours must not make durations negative.
        Some(at) => at.min(world.now),
        None => world.now,
    };
    let mut invite = invitees(severity, world);
    if let Some(user) = commander.as_ref().and_then(|who| who.slack.clone()) {
        invite.insert(0, Invitee::User(user));
    }
    let mut events = vec![Event::Declared(Declared {
        id: identity.id.clone(),
        title: title.to_owned(),
        description: declaration.description.clone(),
        severity: terms_of(severity),
        service: declaration.service.clone(),
        started_at,
        commander,
        war_room: severity.war_room.then(|| identity.channel.clone()),
        reserved_room: (!severity.war_room).then(|| identity.channel.clone()),
        announce: catalog.slack.announce.clone(),
        invite,
        checklists: severity.checklists.clone(),
        links: Box::new(declaration.links.clone()),
        escalation: catalog
            .policy_for(
                severity,
                declaration.service.as_ref(),
                declaration.escalation_policy.as_deref(),
            )
            .cloned()
            .map(Box::new),
    })];
    if let (Some(message), Some(by)) = (&declaration.about, world.actor.person()) {
        events.push(Event::MessageMarked {
            message: message.clone(),
            mark: Mark::Shortcut,
            by: by.clone(),
        });
    }
    Ok(events)
}

/// What an incident hears of a group: how its alerts stand, if that has changed, and each remark on one of them.
fn note_alerts(incident: &Incident, group: &GroupId, tally: &Tally) -> Vec<Event> {
    let known = incident.alerts.get(group);
    let remarks = tally.remarks_since(known);
    let mut after = known.cloned();
    if let Some(tally) = &mut after {
        for (remarked, _) in &remarks {
            tally.take(remarked);
        }
    }
    // With the remarks the incident knows it all.
    let changed = match after.is_some_and(|after| after.stands_as(tally)) {
        true => None,
        false => Some(alerts_changed(incident, group, tally)),
    };
    let told = remarks.into_iter().map(|(remarked, missed)| {
        let group = group.clone();
        Event::AlertRemarked(Box::new(AlertRemarked {
            group,
            missed,
            remarked,
        }))
    });
    // What was remarked came before it changed, but nobody remarks on what is not known.
    match known {
        Some(_) => told.chain(changed).collect(),
        None => changed.into_iter().chain(told).collect(),
    }
}

fn alerts_changed(incident: &Incident, group: &GroupId, tally: &Tally) -> Event {
    let turn = match incident.alerts.get(group) {
        // Of what is quieted nobody is told: the card counts it.
        Some(_) | None if tally.is_quieted => AlertTurn::Counted,
        None => AlertTurn::Joined,
        Some(known) if known.is_quieted => AlertTurn::Joined,
        Some(known) if tally.is_flapping && known.is_flapping => AlertTurn::Counted,
        Some(_) if tally.is_flapping => AlertTurn::Flapping,
        // It rests: how it ended was not told while it flapped.
        Some(known) if known.is_flapping && tally.firing == 0 => AlertTurn::Over,
        Some(known) if known.is_flapping => AlertTurn::Again,
        Some(known) if tally.firing == 0 && known.firing > 0 => AlertTurn::Over,
        Some(known) if tally.firing > 0 && known.firing == 0 => AlertTurn::Again,
        Some(_) => AlertTurn::Counted,
    };
    Event::AlertsChanged {
        group: group.clone(),
        tally: Tally {
            remarks: vec![],
            ..tally.clone()
        },
        turn,
        turned: tally.turned_since(incident.alerts.get(group)),
    }
}

/// Alerts that weigh more than the incident that they join make it weigh as much: whom their own would have called in is
/// called in, as if there were two.
fn join_alerts(
    incident: &Incident,
    group: &GroupId,
    tally: &Tally,
    severity: Option<&SeverityId>,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let mut events = note_alerts(incident, group, tally);
    let gravest = || world.catalog.severities.first().map(|it| &it.id);
    let place = |id: &SeverityId| rank(id, world.catalog);
    if let Some(theirs) = severity.or_else(gravest)
        && let (Some(new), Some(old)) = (place(theirs), place(&incident.severity.id))
        && new < old
    {
        let reason = format!("an alert of {} joined: {}", tally.source, tally.title);
        events.push(change_severity(incident, theirs, Some(reason), world)?);
    }
    Ok(events)
}

fn post_update(
    incident: &Incident,
    update: &Update,
    status: Option<Status>,
    severity: Option<&SeverityId>,
    world: World<'_>,
) -> Result<Vec<Event>, Refusal> {
    let mut events = Vec::new();
    if let Some(to) = severity.filter(|to| **to != incident.severity.id) {
        events.push(change_severity(incident, to, None, world)?);
    }
    let mut now_at = incident.status;
    if let Some(to) = status.filter(|to| *to != incident.status) {
        events.push(set_status(incident, to)?);
        now_at = to;
    }
    events.push(updated(incident, update, now_at));
    Ok(events)
}

fn updated(incident: &Incident, update: &Update, status: Status) -> Event {
    Event::UpdatePosted {
        number: incident.updates + 1,
        status,
        update: update.clone(),
    }
}

fn set_status(incident: &Incident, to: Status) -> Result<Event, Refusal> {
    match to {
        Status::Resolved | Status::Closed => Err(Refusal::StatusByCommand { to }),
        to if to == incident.status => Err(Refusal::AlreadyAt {
            id: incident.id.clone(),
            status: to,
        }),
        to => Ok(Event::StatusChanged {
            from: incident.status,
            to,
        }),
    }
}

fn change_severity(
    incident: &Incident,
    to: &SeverityId,
    reason: Option<String>,
    world: World<'_>,
) -> Result<Event, Refusal> {
    let severity = known_severity(to, world.catalog)?;
    if severity.id == incident.severity.id {
        return Err(Refusal::AlreadyOfSeverity {
            id: incident.id.clone(),
            severity: severity.name.clone(),
        });
    }
    let invite = invitees(severity, world)
        .into_iter()
        .filter(|invitee| !incident.brings.invite.contains(invitee))
        .collect();
    let checklists = severity.checklists.iter();
    let checklists = checklists
        .filter(|id| !incident.brings.checklists.contains(id))
        .cloned()
        .collect();
    // Only where the thread was meant: where no room could be opened, the next severity would fail the same way.
    let was_small = world
        .catalog
        .severity(&incident.severity.id)
        .is_some_and(|before| !before.war_room);
    let grows = was_small && severity.war_room && incident.room == Room::Thread;
    let policy = world
        .catalog
        .policy_for(severity, incident.service.as_ref(), None)
        .filter(|policy| calls_anew(incident, severity, policy, world.catalog));
    Ok(Event::SeverityChanged {
        from: incident.severity.id.clone(),
        to: terms_of(severity),
        reason,
        invite,
        checklists,
        war_room: incident.room_name.clone().filter(|_| grows),
        escalation: policy.cloned().map(Box::new),
    })
}

/// Whether people are called by the policy of a severity that an incident changes to: if it weighs more than before, by
/// others than are called already, and nobody has it. What weighs less goes on as it began: no page gets lost for it.
fn calls_anew(
    incident: &Incident,
    to: &Severity,
    policy: &EscalationPolicy,
    catalog: &Catalog,
) -> bool {
    let place = |id: &SeverityId| rank(id, catalog);
    let weighs_more = place(&to.id) < place(&incident.severity.id);
    let others = incident
        .escalation
        .as_ref()
        .is_none_or(|it| it.policy.id != policy.id);
    let nobody_has_it = incident.acknowledged_by.is_none() || policy.stop_on == StopOn::Resolved;
    weighs_more && others && nobody_has_it
}

fn assign(incident: &Incident, role: Role, to: &Who) -> Result<Event, Refusal> {
    let from = incident.roles.get(&role);
    if from.is_some_and(|holder| holder.is(to)) {
        return Err(Refusal::AlreadyInRole {
            id: incident.id.clone(),
            role,
            who: to.clone(),
        });
    }
    Ok(Event::RoleAssigned {
        role,
        to: to.clone(),
        from: from.cloned(),
    })
}

fn mark_message(message: &MessageRef, mark: Mark, world: World<'_>) -> Result<Vec<Event>, Refusal> {
    let by = world.actor.person().ok_or(Refusal::OnlyPeople)?.clone();
    Ok(vec![Event::MessageMarked {
        message: message.clone(),
        mark,
        by,
    }])
}

fn complete_follow_up(incident: &Incident, number: u32) -> Result<Vec<Event>, Refusal> {
    let tracked = incident
        .follow_ups
        .iter()
        .find(|tracked| tracked.follow_up.number == number)
        .ok_or_else(|| Refusal::NoSuchFollowUp {
            id: incident.id.clone(),
            number,
            count: incident.follow_ups.len(),
        })?;
    if tracked.done_at.is_some() {
        return Err(Refusal::FollowUpDone { number });
    }
    Ok(vec![Event::FollowUpCompleted { number }])
}

fn remind(incident: &Incident, clock: &UpdateClock, world: World<'_>) -> Event {
    let line = next_in_line(incident, world);
    let reminder = clock.reminders + 1;
    // The commander twice in a row only if there is nobody else.
    let reminded = match line.len() {
        0 => None,
        n => line.get(clock.reminders as usize % n).cloned(),
    };
    let late = world.now.duration_since(clock.due_at);
    Event::UpdateOverdue(Overdue {
        due_at: clock.since,
        reminder,
        reminded,
        next_at: world
            .now
            .checked_add(patience(
                reminder,
                line.len(),
                incident.severity.update_every,
            ))
            .unwrap_or(world.now),
        late: if late > PUNCTUAL {
            late
        } else {
            SignedDuration::ZERO
        },
    })
}

/// How long a reminder is given: the same for each in line; once all were asked, twice as long in each further round, up
/// to the interval of the severity. What nobody answers all night is not said every five minutes.
fn patience(reminder: u32, line: usize, every: Option<SignedDuration>) -> SignedDuration {
    let longest = every
        .unwrap_or(REMINDER_PAUSE_MAX)
        .clamp(REMINDER_PATIENCE, REMINDER_PAUSE_MAX);
    let rounds = reminder / u32::try_from(line.max(1)).unwrap_or(u32::MAX);
    (REMINDER_PATIENCE * 2_i32.pow(rounds.min(8))).min(longest)
}

/// Who is asked for an update, in this order: the commander, the holders of the other roles, then the people
/// whom the severity calls in.
fn next_in_line(incident: &Incident, world: World<'_>) -> Vec<Who> {
    let mut line: Vec<Who> = Vec::new();
    let join = |line: &mut Vec<Who>, who: Who| {
        if !line.iter().any(|earlier| earlier.is(&who)) {
            line.push(who);
        }
    };
    for role in Role::ALL {
        if let Some(who) = incident.roles.get(&role) {
            join(&mut line, who.clone());
        }
    }
    if let Some(severity) = world.catalog.severity(&incident.severity.id) {
        for target in &severity.invite {
            for person in world.catalog.resolve(target, world.now, world.overrides) {
                // Of whom the configuration knows no more than a handle, that handle tells whether he is there already.
                let handle = match &person.slack {
                    Some(SlackName::Handle(handle)) => Some(handle.as_str()),
                    _ => None,
                };
                if !line.iter().any(|who| Some(who.name.as_str()) == handle) {
                    join(&mut line, person.who());
                }
            }
        }
    }
    line
}

fn record(incident: &Incident, report: &Report) -> Vec<Event> {
    match (report, &incident.room) {
        (Report::WarRoomOpened { channel, name }, Room::Wanted { .. }) => {
            vec![Event::WarRoomOpened {
                channel: channel.clone(),
                name: name.clone(),
            }]
        }
        (Report::WarRoomFailed { why }, Room::Wanted { .. }) => {
            vec![Event::WarRoomFailed { why: why.clone() }]
        }
        (Report::WarRoomLost { why }, Room::Channel { .. }) => {
            vec![Event::WarRoomFailed { why: why.clone() }]
        }
        (Report::WarRoomLost { .. }, Room::Wanted { .. } | Room::Thread) => vec![],
        // Told twice: the first telling stands.
        (
            Report::WarRoomOpened { .. } | Report::WarRoomFailed { .. },
            Room::Channel { .. } | Room::Thread,
        ) => vec![],
        (Report::CardPosted(message), _) => match &incident.card {
            None => vec![Event::CardPosted {
                message: message.clone(),
            }],
            Some(_) => vec![],
        },
        (Report::Announced(message), _) => match &incident.announcement {
            None => vec![Event::Announced {
                message: message.clone(),
            }],
            Some(_) => vec![],
        },
        // Between the mark and the fetch the incident may have been closed; the mark was made before.
        (Report::MessageFetched(kept), _) => match kept.mark {
            Mark::Pin | Mark::Reaction | Mark::Shortcut => vec![Event::MessageKept(kept.clone())],
            Mark::Check => vec![Event::FollowUpAdded(FollowUp {
                number: incident.follow_ups.len() as u32 + 1,
                text: kept.text.clone(),
                owner: None,
                due: None,
            })],
        },
        (Report::NamesLearned(names), _) => {
            let names: BTreeMap<_, _> = names
                .iter()
                .filter(|(id, name)| incident.names.get(id) != Some(name))
                .cloned()
                .collect();
            match names.is_empty() {
                true => vec![],
                false => vec![Event::NamesLearned { names }],
            }
        }
        // Decided where pages are.
        (Report::Delivery(_), _) => vec![],
        // What fails every time is told once.
        (Report::Failed { what, why, leaves }, _) => {
            let failure = (what.clone(), why.clone());
            let is_known = match leaves {
                Consequence::Unannounced => incident.is_unannounced,
                Consequence::Nothing | Consequence::RoomUnheard => true,
            };
            match is_known && incident.failures.contains(&failure) {
                true => vec![],
                false => vec![Event::EffectFailed {
                    what: what.clone(),
                    why: why.clone(),
                    leaves: *leaves,
                }],
            }
        }
    }
}

fn known_severity<'a>(id: &SeverityId, catalog: &'a Catalog) -> Result<&'a Severity, Refusal> {
    catalog.severity(id).ok_or_else(|| Refusal::NoSuchSeverity {
        wanted: id.clone(),
        known: catalog
            .severities
            .iter()
            .map(|severity| severity.id.clone())
            .collect(),
    })
}

fn terms_of(severity: &Severity) -> SeverityTerms {
    SeverityTerms {
        id: severity.id.clone(),
        name: severity.name.clone(),
        update_every: severity.update_every,
        acknowledge_within: severity.acknowledge_within,
        postmortem_within: severity.postmortem_within,
        stakeholders: severity.stakeholders.clone(),
    }
}

/// The people of a severity at this moment, each once.
fn invitees(severity: &Severity, world: World<'_>) -> Vec<Invitee> {
    let mut invite = Vec::new();
    for target in &severity.invite {
        let found: Vec<Invitee> = match target {
            Target::UserGroup(handle) => vec![Invitee::UserGroup(handle.clone())],
            Target::Person(_) | Target::Schedule(_) | Target::Role(_) => world
                .catalog
                .resolve(target, world.now, world.overrides)
                .into_iter()
                .map(|person| Invitee::Person(person.id.clone()))
                .collect(),
            // A channel cannot be invited into a channel.
            Target::Channel(_) => vec![],
        };
        for invitee in found {
            if !invite.contains(&invitee) {
                invite.push(invitee);
            }
        }
    }
    invite
}

#[cfg(test)]
mod escalation_tests;
#[cfg(test)]
mod tests;
