//! What follows from which wish: the table, the exact words of each refusal, the update clock, the milestones.

use std::fmt::Write;

use insta::assert_snapshot;
use jiff::SignedDuration;

use super::*;
use crate::domain::event::{ExportFormat, KeptMessage};
use crate::domain::given::declare;
use crate::domain::given::*;
use crate::domain::terms::{ChannelId, GroupId, PersonId};

fn moved(from: Status, to: Status) -> Event {
    Event::StatusChanged { from, to }
}

fn resolved() -> Event {
    Event::Resolved(Resolution::default())
}

fn acknowledged(by: Who) -> Event {
    Event::Acknowledged { by, answer: None }
}

fn updated(number: u32, status: Status, text: &str) -> Event {
    Event::UpdatePosted {
        number,
        status,
        update: update(text),
    }
}

fn say(text: &str) -> Command {
    Command::PostUpdate {
        update: update(text),
        status: None,
        severity: None,
    }
}

fn mark(mark: Mark) -> Command {
    Command::MarkMessage {
        message: message(),
        mark,
    }
}

fn kept(mark: Mark) -> KeptMessage {
    KeptMessage {
        message: message(),
        author: bob(),
        text: "the pool is exhausted".into(),
        written_at: minute(-3),
        mark,
        marked_by: ana(),
    }
}

fn follow_up(number: u32, text: &str) -> Event {
    Event::FollowUpAdded(FollowUp {
        number,
        text: text.into(),
        owner: None,
        due: None,
    })
}

fn add_follow_up(text: &str) -> Command {
    Command::AddFollowUp {
        text: text.into(),
        owner: None,
        due: None,
    }
}

/// An incident of Ana's that went to this status by the way that people go.
fn standing_at(status: Status) -> Given {
    use Status::{Closed, Identified, Investigating, Mitigating, Monitoring, Resolved};
    given([declared()]).also(match status {
        Investigating => vec![],
        Identified => vec![moved(Investigating, Identified)],
        Mitigating => vec![moved(Investigating, Mitigating)],
        Monitoring => vec![moved(Investigating, Monitoring)],
        Resolved => vec![resolved()],
        Closed => vec![resolved(), Event::Closed],
    })
}

// --- the table ------------------------------------------------------------------------------------

#[test]
fn the_table_of_wishes_and_statuses() {
    let cause = Resolution {
        root_cause: Some("a bad deploy".into()),
        ..Resolution::default()
    };
    let at = |status| Command::PostUpdate {
        update: update("x"),
        status: Some(status),
        severity: None,
    };
    let wishes = [
        ("declare", declare("x", "p1")),
        ("acknowledge", Command::Acknowledge),
        ("update", say("x")),
        ("update, identified", at(Status::Identified)),
        ("update, resolved", at(Status::Resolved)),
        (
            "update, as p1",
            Command::PostUpdate {
                update: update("x"),
                status: None,
                severity: Some(SeverityId::new("p1")),
            },
        ),
        (
            "update, as p2",
            Command::PostUpdate {
                update: update("x"),
                status: None,
                severity: Some(SeverityId::new("p2")),
            },
        ),
        ("status mitigating", Command::SetStatus(Status::Mitigating)),
        ("status resolved", Command::SetStatus(Status::Resolved)),
        (
            "severity p2",
            Command::ChangeSeverity {
                to: SeverityId::new("p2"),
                reason: None,
            },
        ),
        (
            "role",
            Command::AssignRole {
                role: Role::Scribe,
                to: bob(),
            },
        ),
        ("note", Command::AddNote { text: "x".into() }),
        ("pin", mark(Mark::Pin)),
        ("follow-up", add_follow_up("x")),
        ("tick off", Command::CompleteFollowUp { number: 1 }),
        ("resolve", Command::Resolve(Resolution::default())),
        ("resolve, cause", Command::Resolve(cause.clone())),
        ("amend", Command::Amend(cause)),
        ("reopen", Command::Reopen { reason: None }),
        ("close", Command::Close),
        (
            "export",
            Command::RequestExport {
                format: ExportFormat::Json,
            },
        ),
        ("alerts", note_alerts(2, 2)),
        (
            "the clock rings",
            Command::Fire(Timer::Due { at: minute(15) }),
        ),
        (
            "room opened",
            Command::Record(Report::WarRoomOpened {
                channel: ChannelId::new("C0ROOM0001"),
                name: "incident-2025-0914-001".into(),
            }),
        ),
        (
            "room failed",
            Command::Record(Report::WarRoomFailed { why: "x".into() }),
        ),
        (
            "card posted",
            Command::Record(Report::CardPosted(message())),
        ),
        ("announced", Command::Record(Report::Announced(message()))),
        (
            "fetched, pin",
            Command::Record(Report::MessageFetched(kept(Mark::Pin))),
        ),
        (
            "fetched, check",
            Command::Record(Report::MessageFetched(kept(Mark::Check))),
        ),
        (
            "names learned",
            Command::Record(Report::NamesLearned(vec![(
                user("U0BOB00001"),
                "bob".into(),
            )])),
        ),
        (
            "it failed",
            Command::Record(Report::Failed {
                what: "x".into(),
                why: "y".into(),
                leaves: Default::default(),
            }),
        ),
    ];
    let mut table = format!("{:18}", "");
    for status in Status::ALL {
        let _ = write!(table, " | {:19}", status.word());
    }
    for (name, command) in wishes {
        let _ = write!(table, "\n{name:18}");
        for status in Status::ALL {
            let (_, decision) = standing_at(status)
                .also([follow_up(1, "look at it again")])
                .when(command.clone())
                .decision();
            let _ = write!(table, " | {:19}", in_a_word(&decision));
        }
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    assert_snapshot!(table.join("\n"), @r"
                           | Investigating       | Identified          | Mitigating          | Monitoring          | Resolved            | Closed
        declare            | ALREADYDECLARED     | ALREADYDECLARED     | ALREADYDECLARED     | ALREADYDECLARED     | ALREADYDECLARED     | ALREADYDECLARED
        acknowledge        | acknowledged        | acknowledged        | acknowledged        | acknowledged        | OVER                | OVER
        update             | update_posted       | update_posted       | update_posted       | update_posted       | update_posted       | OVER
        update, identified | status_changed+update_posted | update_posted       | status_changed+update_posted | status_changed+update_posted | OVER                | OVER
        update, resolved   | STATUSBYCOMMAND     | STATUSBYCOMMAND     | STATUSBYCOMMAND     | STATUSBYCOMMAND     | update_posted       | OVER
        update, as p1      | update_posted       | update_posted       | update_posted       | update_posted       | update_posted       | OVER
        update, as p2      | severity_changed+update_posted | severity_changed+update_posted | severity_changed+update_posted | severity_changed+update_posted | OVER                | OVER
        status mitigating  | status_changed      | status_changed      | ALREADYAT           | status_changed      | OVER                | OVER
        status resolved    | STATUSBYCOMMAND     | STATUSBYCOMMAND     | STATUSBYCOMMAND     | STATUSBYCOMMAND     | OVER                | OVER
        severity p2        | severity_changed    | severity_changed    | severity_changed    | severity_changed    | OVER                | OVER
        role               | role_assigned       | role_assigned       | role_assigned       | role_assigned       | role_assigned       | OVER
        note               | note_added          | note_added          | note_added          | note_added          | note_added          | OVER
        pin                | message_marked      | message_marked      | message_marked      | message_marked      | message_marked      | OVER
        follow-up          | follow_up_added     | follow_up_added     | follow_up_added     | follow_up_added     | follow_up_added     | OVER
        tick off           | follow_up_completed | follow_up_completed | follow_up_completed | follow_up_completed | follow_up_completed | follow_up_completed
        resolve            | resolved            | resolved            | resolved            | resolved            | OVER                | OVER
        resolve, cause     | resolved            | resolved            | resolved            | resolved            | resolved            | OVER
        amend              | OPENAGAIN           | OPENAGAIN           | OPENAGAIN           | OPENAGAIN           | resolved            | OVER
        reopen             | STILLOPEN           | STILLOPEN           | STILLOPEN           | STILLOPEN           | reopened            | OVER
        close              | STILLOPEN           | STILLOPEN           | STILLOPEN           | STILLOPEN           | closed              | OVER
        export             | export_requested    | export_requested    | export_requested    | export_requested    | export_requested    | export_requested
        alerts             | alerts_changed      | alerts_changed      | alerts_changed      | alerts_changed      | OVER                | OVER
        the clock rings    | update_overdue      | update_overdue      | update_overdue      | update_overdue      | -                   | -
        room opened        | war_room_opened     | war_room_opened     | war_room_opened     | war_room_opened     | war_room_opened     | war_room_opened
        room failed        | war_room_failed     | war_room_failed     | war_room_failed     | war_room_failed     | war_room_failed     | war_room_failed
        card posted        | card_posted         | card_posted         | card_posted         | card_posted         | card_posted         | card_posted
        announced          | announced           | announced           | announced           | announced           | announced           | announced
        fetched, pin       | message_kept        | message_kept        | message_kept        | message_kept        | message_kept        | message_kept
        fetched, check     | follow_up_added     | follow_up_added     | follow_up_added     | follow_up_added     | follow_up_added     | follow_up_added
        names learned      | names_learned       | names_learned       | names_learned       | names_learned       | names_learned       | names_learned
        it failed          | effect_failed       | effect_failed       | effect_failed       | effect_failed       | effect_failed       | effect_failed
        ");
}

/// The kinds of the events, or the name of the refusal in capitals.
fn in_a_word(decision: &Result<Vec<Event>, Refusal>) -> String {
    match decision {
        Ok(events) if events.is_empty() => "-".into(),
        Ok(events) => {
            let kinds: Vec<_> = events.iter().map(Event::kind).collect();
            kinds.join("+")
        }
        Err(refusal) => {
            let name = format!("{refusal:?}");
            name.split([' ', '('])
                .next()
                .unwrap_or_default()
                .to_uppercase()
        }
    }
}

// --- to declare -----------------------------------------------------------------------------------

#[test]
fn who_declares_leads_and_is_called_in_first() {
    nothing()
        .when(declare("checkout is down", "p1"))
        .then([declared()]);
}

#[test]
fn an_alert_declares_without_a_commander() {
    nothing()
        .of(cloudwatch())
        .when(declare("checkout is down", "p1"))
        .then([declared_with(|it| {
            it.commander = None;
            it.invite = called_in()[1..].to_vec();
        })]);
}

#[test]
fn somebody_known_by_name_alone_leads_but_cannot_be_called_in() {
    let root = Who::named("root");
    nothing()
        .by(root.clone())
        .when(declare("checkout is down", "p1"))
        .then([declared_with(|it| {
            it.commander = Some(root);
            it.invite = called_in()[1..].to_vec();
        })]);
}

#[test]
fn a_severity_without_a_war_room_is_worked_on_in_a_thread() {
    nothing()
        .when(declare("typo on the imprint", "p4"))
        .then([declared_with(|it| {
            it.title = "typo on the imprint".into();
            it.severity = terms("p4");
            it.war_room = None;
            it.reserved_room = Some("incident-2025-0914-001".into());
            it.invite = called_in()[..1].to_vec();
            it.checklists = vec![];
        })]);
}

#[test]
fn without_a_severity_it_is_the_gravest() {
    nothing()
        .when(Command::Declare {
            identity: identity(),
            declaration: Declaration::titled("checkout is down"),
        })
        .then([declared()]);
}

#[test]
fn nobody_declares_what_has_not_begun_and_a_title_is_trimmed() {
    let refusal = nothing()
        .when(Command::Declare {
            identity: identity(),
            declaration: Declaration {
                started_at: Some(minute(90)),
                ..Declaration::titled("checkout is down")
            },
        })
        .refused();
    assert!(refusal.contains("still to come"), "{refusal}");
    // A clock that is a little ahead of ours.
    nothing()
        .when(Command::Declare {
            identity: identity(),
            declaration: Declaration {
                started_at: Some(minute(1)),
                ..Declaration::titled("  checkout is down \n")
            },
        })
        .then([declared()]);
    nothing()
        .when(Command::Declare {
            identity: identity(),
            declaration: Declaration {
                started_at: Some(minute(-20)),
                ..Declaration::titled("checkout is down")
            },
        })
        .then([declared_with(|it| it.started_at = minute(-20))]);
}

// --- the words of the refusals --------------------------------------------------------------------

#[test]
fn a_declaration_is_refused_in_words() {
    assert_snapshot!(
        nothing().when(declare(" \t", "p1")).refused(),
        @"An incident needs a title: what is wrong, in a few words. For example `/incident declare p1 checkout is down`."
    );
    assert_snapshot!(
        nothing().when(declare("x", "p9")).refused(),
        @"There is no severity “p9”. Use one of `p1`, `p2`, `p3`, `p4`."
    );
    let without = Catalog {
        severities: vec![],
        ..catalog()
    };
    assert_snapshot!(
        nothing().with(without).when(Command::Declare {
            identity: identity(),
            declaration: Declaration::titled("x"),
        }).refused(),
        @"The configuration has no severities, so nothing can be declared. Add a [[severities]] entry to firebell.toml; `firebell check` proves it."
    );
    assert_snapshot!(
        given([declared()]).when(declare("x", "p1")).refused(),
        @"INC-2025-0914-001 exists already. `/incident status` shows it."
    );
}

#[test]
fn without_an_incident_everything_else_is_refused() {
    assert_snapshot!(
        nothing().when(Command::Acknowledge).refused(),
        @"There is no such incident. `/incident list` shows the open ones; `/incident declare` begins one."
    );
}

fn note_alerts(firing: u64, total: u64) -> Command {
    Command::NoteAlerts {
        group: GroupId::new("grp-1"),
        tally: Tally {
            title: "5xx above 5 %".into(),
            source: "prometheus".into(),
            firing,
            total,
            samples: vec![],
            is_quieted: false,
            is_flapping: false,
            remarks: vec![],
            common: Default::default(),
            leads: vec![],
        },
    }
}

#[test]
fn alerts_join_are_counted_end_and_fire_again() {
    let turn = |before: &[(u64, u64)], firing, total| {
        let it = before
            .iter()
            .fold(given([declared()]), |it, (firing, total)| {
                it.done(note_alerts(*firing, *total))
            });
        let (_, decision) = it.when(note_alerts(firing, total)).decision();
        decision.map(|events| match events.as_slice() {
            [] => None,
            [Event::AlertsChanged { turn, .. }] => Some(*turn),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(turn(&[], 1, 1), Ok(Some(AlertTurn::Joined)));
    assert_eq!(turn(&[(1, 1)], 1, 1), Ok(None));
    assert_eq!(turn(&[(1, 1)], 2, 2), Ok(Some(AlertTurn::Counted)));
    assert_eq!(turn(&[(2, 2)], 0, 2), Ok(Some(AlertTurn::Over)));
    assert_eq!(turn(&[(2, 2), (0, 2)], 1, 3), Ok(Some(AlertTurn::Again)));
}

#[test]
fn what_begins_after_the_end_is_another_incidents_and_what_ends_is_this_ones() {
    let it = given([declared()])
        .done(note_alerts(2, 2))
        .done(Command::Resolve(Resolution::default()));
    let (it, decision) = it.when(note_alerts(0, 2)).decision();
    assert!(matches!(
        decision.as_deref(),
        Ok([Event::AlertsChanged {
            turn: AlertTurn::Over,
            ..
        }])
    ));
    let refusal = it.when(note_alerts(1, 3)).refused();
    assert!(refusal.contains("resolved"), "{refusal}");
}

#[test]
fn alerts_that_join_an_incident_make_it_weigh_as_much_as_their_own_would_have() {
    let joins = |severity: Option<&str>| {
        let Command::NoteAlerts { group, tally } = note_alerts(1, 1) else {
            unreachable!()
        };
        let severity = severity.map(SeverityId::new);
        Command::JoinAlerts {
            group,
            tally,
            severity,
        }
    };
    let severity_after = |severity: Option<&str>| {
        let lesser = given([declared()]).done(Command::ChangeSeverity {
            to: SeverityId::new("p2"),
            reason: None,
        });
        let it = lesser.done(joins(severity));
        it.incident().severity.id.to_string()
    };
    assert_eq!(severity_after(Some("p1")), "p1");
    assert_eq!(severity_after(Some("p2")), "p2");
    assert_eq!(severity_after(Some("p4")), "p2", "nothing is made smaller");
    assert_eq!(severity_after(None), "p1", "as if it were declared");
    assert_eq!(severity_after(Some("gone")), "p2");
    let over = given([declared()]).done(Command::Resolve(Resolution::default()));
    assert!(over.when(joins(None)).refused().contains("resolved"));
}

#[test]
fn what_is_over_says_how_to_go_on() {
    assert_snapshot!(
        standing_at(Status::Resolved).when(Command::Acknowledge).refused(),
        @"INC-2025-0914-001 is resolved. If it is not over: `/incident reopen`. If the post-mortem is done: `/incident close`."
    );
    assert_snapshot!(
        standing_at(Status::Closed).when(Command::AddNote { text: "x".into() }).refused(),
        @"INC-2025-0914-001 is closed, and its record is complete. If the trouble is back, declare a new incident: `/incident declare`."
    );
}

#[test]
fn what_is_not_over_is_neither_reopened_nor_closed() {
    assert_snapshot!(
        standing_at(Status::Monitoring).when(Command::Reopen { reason: None }).refused(),
        @"INC-2025-0914-001 is still open (monitoring), so it cannot be reopened. First: `/incident resolve`."
    );
    assert_snapshot!(
        standing_at(Status::Investigating).when(Command::Close).refused(),
        @"INC-2025-0914-001 is still open (investigating), so it cannot be closed. First: `/incident resolve`."
    );
}

#[test]
fn who_comes_second_is_told_who_came_first() {
    assert_snapshot!(
        given([declared(), acknowledged(ana())]).by(bob()).when(Command::Acknowledge).refused(),
        @"INC-2025-0914-001 is already acknowledged by @ana. To take over: `/incident lead me`."
    );
    assert_snapshot!(
        given([declared()]).of(Actor::Firebell).when(Command::Acknowledge).refused(),
        @"Only a person can do that."
    );
    assert_snapshot!(
        given([declared()]).of(cloudwatch()).when(mark(Mark::Pin)).refused(),
        @"Only a person can do that."
    );
}

#[test]
fn a_status_that_it_has_or_that_has_its_own_command_is_refused() {
    assert_snapshot!(
        standing_at(Status::Identified).when(Command::SetStatus(Status::Identified)).refused(),
        @"INC-2025-0914-001 is already identified. To say how things stand: `/incident update …`."
    );
    assert_snapshot!(
        given([declared()]).when(Command::SetStatus(Status::Resolved)).refused(),
        @"An incident is resolved by `/incident resolve [root cause…]`."
    );
    assert_snapshot!(
        given([declared()]).when(Command::SetStatus(Status::Closed)).refused(),
        @"An incident is closed by `/incident close`, once it is resolved and its post-mortem is done."
    );
}

#[test]
fn a_severity_that_it_has_or_that_is_unknown_is_refused() {
    let to = |id: &str| Command::ChangeSeverity {
        to: SeverityId::new(id),
        reason: None,
    };
    assert_snapshot!(
        given([declared()]).when(to("p1")).refused(),
        @"INC-2025-0914-001 already has the severity P1 - Critical."
    );
    assert_snapshot!(
        given([declared()]).when(to("blocker")).refused(),
        @"There is no severity “blocker”. Use one of `p1`, `p2`, `p3`, `p4`."
    );
}

#[test]
fn a_role_that_somebody_holds_already_is_refused() {
    assert_snapshot!(
        given([declared()]).when(Command::AssignRole { role: Role::IncidentCommander, to: ana() }).refused(),
        @"@ana is already Incident Commander of INC-2025-0914-001."
    );
}

#[test]
fn a_follow_up_that_is_not_there_or_is_done_is_refused() {
    let tick = |number| Command::CompleteFollowUp { number };
    assert_snapshot!(
        given([declared()]).when(tick(1)).refused(),
        @"INC-2025-0914-001 has no follow-up 1: it has none yet. To add one: `/incident followup <text…>`."
    );
    let one = given([declared(), follow_up(1, "raise the limit")]);
    assert_snapshot!(
        one.clone().when(tick(0)).refused(),
        @"INC-2025-0914-001 has no follow-up 0, only 1 to 1. `/incident status` shows them."
    );
    assert_snapshot!(one.done(tick(1)).when(tick(1)).refused(), @"Follow-up 1 is done already.");
}

// --- who leads ------------------------------------------------------------------------------------

#[test]
fn an_acknowledgement_leaves_the_commander_in_place() {
    given([declared()])
        .by(bob())
        .when(Command::Acknowledge)
        .then([acknowledged(bob())]);
}

#[test]
fn who_acknowledges_what_an_alert_declared_leads_it() {
    given([declared_by_an_alert()])
        .by(bob())
        .when(Command::Acknowledge)
        .then([
            acknowledged(bob()),
            assigned(Role::IncidentCommander, bob(), None),
        ]);
}

#[test]
fn a_role_is_handed_over_by_anybody_and_to_anybody() {
    given([declared()])
        .by(eve())
        .when(Command::AssignRole {
            role: Role::IncidentCommander,
            to: bob(),
        })
        .then([assigned(Role::IncidentCommander, bob(), Some(ana()))]);
}

#[test]
fn a_renamed_slack_user_is_the_same_person() {
    let renamed = Who::slack(user("U0ANA00001"), "ana maria");
    assert_snapshot!(
        given([declared()]).when(Command::AssignRole { role: Role::IncidentCommander, to: renamed }).refused(),
        @"@ana maria is already Incident Commander of INC-2025-0914-001."
    );
}

// --- updates, status and severity -----------------------------------------------------------------

#[test]
fn one_update_can_move_the_severity_and_the_status() {
    given([declared()])
        .when(Command::PostUpdate {
            update: update("half the nodes are back"),
            status: Some(Status::Monitoring),
            severity: Some(SeverityId::new("p2")),
        })
        .then([
            Event::SeverityChanged {
                from: SeverityId::new("p1"),
                to: terms("p2"),
                reason: None,
                invite: vec![],
                checklists: vec![],
                war_room: None,
                escalation: None,
            },
            moved(Status::Investigating, Status::Monitoring),
            updated(1, Status::Monitoring, "half the nodes are back"),
        ]);
}

#[test]
fn an_update_whose_prefilled_fields_were_left_alone_is_only_an_update() {
    let prefilled = |status| Command::PostUpdate {
        update: update("still at it"),
        status: Some(status),
        severity: Some(SeverityId::new("p1")),
    };
    for status in Status::ALL
        .into_iter()
        .filter(|status| *status < Status::Closed)
    {
        standing_at(status)
            .when(prefilled(status))
            .then([updated(1, status, "still at it")]);
    }
}

#[test]
fn nothing_of_an_update_stands_if_a_part_of_it_is_refused() {
    assert_snapshot!(
        given([declared()]).when(Command::PostUpdate {
            update: update("over"),
            status: Some(Status::Resolved),
            severity: Some(SeverityId::new("p2")),
        }).refused(),
        @"An incident is resolved by `/incident resolve [root cause…]`."
    );
}

#[test]
fn a_graver_severity_calls_in_whom_it_brings_once() {
    let to = |id: &str| Command::ChangeSeverity {
        to: SeverityId::new(id),
        reason: Some("it spreads".into()),
    };
    let small = given([declared_small()]);
    small.clone().when(to("p1")).then([Event::SeverityChanged {
        from: SeverityId::new("p4"),
        to: terms("p1"),
        reason: Some("it spreads".into()),
        invite: called_in()[1..].to_vec(),
        checklists: vec!["first-steps".into()],
        war_room: Some("incident-2025-0914-001".into()),
        escalation: None,
    }]);
    // There, back and there again: they are in already.
    small
        .done(to("p1"))
        .done(to("p4"))
        .when(to("p1"))
        .then([Event::SeverityChanged {
            from: SeverityId::new("p4"),
            to: terms("p1"),
            reason: Some("it spreads".into()),
            invite: vec![],
            checklists: vec![],
            war_room: None,
            escalation: None,
        }]);
}

#[test]
fn an_incident_that_outgrows_its_thread_wants_a_war_room_and_keeps_it() {
    let to = |id: &str| Command::ChangeSeverity {
        to: SeverityId::new(id),
        reason: None,
    };
    let grown = given([declared_small()]).done(to("p1"));
    let wanted = Room::Wanted {
        name: "incident-2025-0914-001".into(),
    };
    assert_eq!(grown.incident().room, wanted);
    let opened = grown.also([room_opened()]).done(to("p4"));
    assert!(matches!(opened.incident().room, Room::Channel { .. }));
}

#[test]
fn where_no_room_could_be_opened_a_graver_severity_does_not_try_again() {
    let failed = Event::WarRoomFailed {
        why: "the workspace does not let apps do this".into(),
    };
    let it = given([declared(), failed])
        .done(Command::ChangeSeverity {
            to: SeverityId::new("p2"),
            reason: None,
        })
        .done(Command::ChangeSeverity {
            to: SeverityId::new("p1"),
            reason: None,
        });
    assert_eq!(it.incident().room, Room::Thread);
}

// --- the update clock -----------------------------------------------------------------------------

#[test]
fn the_clock_is_wound_by_the_declaration_by_each_update_and_by_a_new_severity() {
    let it = given([declared()]);
    assert_eq!(it.clock(), Some(15));
    let it = it.at(10).done(say("looking"));
    assert_eq!(it.clock(), Some(25));
    let it = it.at(12).done(Command::PostUpdate {
        update: Update {
            next_update_in: Some(SignedDuration::from_mins(60)),
            ..update("waiting for the provider")
        },
        status: None,
        severity: None,
    });
    assert_eq!(it.clock(), Some(72));
    let it = it.at(20).done(Command::ChangeSeverity {
        to: SeverityId::new("p2"),
        reason: None,
    });
    assert_eq!(it.clock(), Some(50));
    let it = it.at(21).done(Command::ChangeSeverity {
        to: SeverityId::new("p3"),
        reason: None,
    });
    assert_eq!(it.clock(), None);
}

#[test]
fn a_severity_without_an_interval_has_no_clock() {
    assert_eq!(given([declared_small()]).clock(), None);
}

#[test]
fn a_note_does_not_wind_the_clock() {
    let it = given([declared()])
        .at(10)
        .done(Command::AddNote { text: "x".into() });
    assert_eq!(it.clock(), Some(15));
}

#[test]
fn the_commander_is_reminded_then_the_next_in_line_and_so_on_round() {
    let mut it = given([
        declared(),
        assigned(Role::Scribe, eve(), None),
        // Bob is called in by the severity too, and stands in line once.
        assigned(Role::OperationsLead, bob(), None),
    ])
    .of(Actor::Firebell);
    for (at, reminder, name) in [
        (15, 1, "ana"),
        (20, 2, "bob"),
        (25, 3, "eve"),
        // All were asked: now there is more time, up to the severity's own interval.
        (35, 4, "ana"),
        (45, 5, "bob"),
        (55, 6, "eve"),
        (70, 7, "ana"),
        (85, 8, "bob"),
    ] {
        assert_eq!(it.clock(), Some(at));
        it = it.at(at);
        let overdue = it.clone().when_the_clock_rings().overdue();
        assert_eq!(overdue.reminder, reminder);
        assert_eq!(
            overdue.reminded.as_ref().map(|who| who.name.as_str()),
            Some(name)
        );
        assert_eq!(overdue.late, SignedDuration::ZERO);
        it = it.also([Event::UpdateOverdue(overdue)]);
    }
    // An update begins it all anew.
    let it = it.by(ana()).done(say("here I am"));
    assert_eq!(it.clock(), Some(100));
    let overdue = it.at(100).when_the_clock_rings().overdue();
    assert_eq!((overdue.reminder, overdue.reminded), (1, Some(ana())));
}

#[test]
fn where_nobody_leads_who_was_called_in_is_reminded() {
    let overdue = given([declared_by_an_alert()])
        .also([Event::AcknowledgeOverdue { due_at: minute(15) }])
        .at(15)
        .when_the_clock_rings()
        .overdue();
    assert_eq!(overdue.reminded, Some(bob()));
}

#[test]
fn where_nobody_is_known_the_room_is_reminded() {
    let overdue = given([declared_by_an_alert()])
        .also([Event::AcknowledgeOverdue { due_at: minute(15) }])
        .with(Catalog::default())
        .at(15)
        .when_the_clock_rings()
        .overdue();
    assert_eq!(overdue.reminded, None);
    assert_eq!(overdue.next_at, minute(25));
}

#[test]
fn a_late_ring_says_how_late_and_gives_the_next_in_line_the_whole_time() {
    let overdue = given([declared()]).at(45).when_the_clock_rings().overdue();
    assert_eq!(overdue.late, SignedDuration::from_mins(30));
    assert_eq!(overdue.next_at, minute(50));
    assert_eq!(overdue.reminder, 1);
    // A few seconds are not worth a word.
    let overdue = given([declared()])
        .at(15)
        .and_seconds(5)
        .when_the_clock_rings()
        .overdue();
    assert_eq!(overdue.late, SignedDuration::ZERO);
    let overdue = given([declared()])
        .at(15)
        .and_seconds(6)
        .when_the_clock_rings()
        .overdue();
    assert_eq!(overdue.late, SignedDuration::from_secs(6));
}

#[test]
fn an_older_setting_of_the_clock_says_nothing() {
    let ring = |at| Command::Fire(Timer::Due { at: minute(at) });
    let it = given([declared()]).at(10).done(say("looking"));
    it.clone().at(15).when(ring(15)).nothing();
    // Rung twice: the second is an old setting.
    let it = it.at(25).done(ring(25));
    it.when(ring(25)).nothing();
    given([declared_small()]).at(15).when(ring(15)).nothing();
}

#[test]
fn no_clock_rings_after_the_resolution_until_it_is_reopened() {
    let ring = |at| Command::Fire(Timer::Due { at: minute(at) });
    let over = given([declared()])
        .at(5)
        .done(Command::Resolve(Resolution::default()));
    assert_eq!(over.clock(), None);
    over.clone().at(15).when(ring(15)).nothing();
    // An afterword winds nothing.
    let over = over.at(20).done(say("all is well"));
    assert_eq!(over.clock(), None);
    over.clone().done(Command::Close).when(ring(15)).nothing();
    let again = over.at(30).done(Command::Reopen { reason: None });
    assert_eq!(again.clock(), Some(45));
}

// --- milestones -----------------------------------------------------------------------------------

#[test]
fn mitigated_is_the_first_time_at_monitoring_and_is_taken_back_with_the_status() {
    let it = standing_at(Status::Investigating);
    let set = Command::SetStatus;
    let it = it.at(10).done(set(Status::Monitoring));
    assert_eq!(it.incident().milestones.mitigated, Some(minute(10)));
    let it = it.at(20).done(set(Status::Mitigating));
    assert_eq!(it.incident().milestones.mitigated, None);
    let it = it.at(30).done(set(Status::Monitoring));
    let it = it.at(40).done(Command::Resolve(Resolution::default()));
    let milestones = &it.incident().milestones;
    assert_eq!(
        (milestones.mitigated, milestones.resolved),
        (Some(minute(30)), Some(minute(40)))
    );
    let it = it.at(50).done(Command::Reopen { reason: None });
    let milestones = &it.incident().milestones;
    assert_eq!((milestones.mitigated, milestones.resolved), (None, None));
    assert_eq!(it.incident().status, Status::Investigating);
    let it = it.at(60).done(Command::Resolve(Resolution::default()));
    let it = it.at(70).done(Command::Close);
    let milestones = &it.incident().milestones;
    assert_eq!(milestones.mitigated, Some(minute(60)));
    assert_eq!(milestones.resolved, Some(minute(60)));
    assert_eq!(milestones.closed, Some(minute(70)));
    assert_eq!(
        it.incident().duration(minute(999)),
        SignedDuration::from_mins(60)
    );
}

#[test]
fn what_is_said_later_about_the_resolution_adds_to_it_and_moves_no_milestone() {
    let said = |root_cause: Option<&str>, impact: Option<&str>| {
        Command::Resolve(Resolution {
            root_cause: root_cause.map(str::to_owned),
            resolution: None,
            impact: impact.map(str::to_owned),
        })
    };
    let it = given([declared()])
        .at(10)
        .done(said(Some("unknown"), Some("2 % of orders")));
    let it = it.at(1_500).done(said(Some("a bad deploy"), None));
    assert_eq!(it.incident().milestones.resolved, Some(minute(10)));
    assert_eq!(
        it.incident().resolution.root_cause.as_deref(),
        Some("a bad deploy")
    );
    assert_eq!(
        it.incident().resolution.impact.as_deref(),
        Some("2 % of orders")
    );
}

#[test]
fn an_acknowledgement_is_a_milestone() {
    let it = given([declared()])
        .at(3)
        .by(bob())
        .done(Command::Acknowledge);
    assert_eq!(it.incident().milestones.acknowledged, Some(minute(3)));
    assert_eq!(it.incident().acknowledged_by, Some(bob()));
}

// --- follow-ups and marked messages ---------------------------------------------------------------

#[test]
fn follow_ups_are_numbered_from_one_and_ticked_off_even_when_all_is_closed() {
    let it = given([declared()])
        .done(add_follow_up("raise the limit"))
        .done(add_follow_up("write a test"))
        .done(Command::Resolve(Resolution::default()))
        .done(Command::Close)
        .at(9_000)
        .done(Command::CompleteFollowUp { number: 2 });
    let done: Vec<_> = it
        .incident()
        .follow_ups
        .iter()
        .map(|it| (it.follow_up.number, it.done_at))
        .collect();
    assert_eq!(done, [(1, None), (2, Some(minute(9_000)))]);
}

#[test]
fn a_marked_message_is_fetched_and_then_kept_or_made_a_follow_up() {
    let it = given([declared(), follow_up(1, "first")]);
    it.clone()
        .when(mark(Mark::Pin))
        .then([Event::MessageMarked {
            message: message(),
            mark: Mark::Pin,
            by: ana(),
        }]);
    let it = it.of(Actor::Firebell);
    for sort in [Mark::Pin, Mark::Reaction, Mark::Shortcut] {
        it.clone()
            .when(Command::Record(Report::MessageFetched(kept(sort))))
            .then([Event::MessageKept(kept(sort))]);
    }
    it.when(Command::Record(Report::MessageFetched(kept(Mark::Check))))
        .then([follow_up(2, "the pool is exhausted")]);
}

// --- what comes back from the world ---------------------------------------------------------------

#[test]
fn what_is_told_twice_has_happened_once() {
    let record = Command::Record;
    let other = MessageRef {
        channel: ChannelId::new("C0OTHER001"),
        ..message()
    };
    let opened = |id: &str| {
        record(Report::WarRoomOpened {
            channel: ChannelId::new(id),
            name: "incident-2025-0914-001".into(),
        })
    };
    let it = given([declared()]).of(Actor::Firebell);
    it.clone().when(opened("C0ROOM0001")).then([room_opened()]);
    let it = it
        .done(opened("C0ROOM0001"))
        .done(record(Report::CardPosted(message())))
        .done(record(Report::Announced(message())));
    it.clone().when(opened("C0OTHER001")).nothing();
    it.clone()
        .when(record(Report::WarRoomFailed { why: "x".into() }))
        .nothing();
    it.clone()
        .when(record(Report::CardPosted(other.clone())))
        .nothing();
    it.clone().when(record(Report::Announced(other))).nothing();
    let names = |name: &str| {
        record(Report::NamesLearned(vec![(
            user("U0BOB00001"),
            name.into(),
        )]))
    };
    let it = it.done(names("bob"));
    it.clone().when(names("bob")).nothing();
    let it = it.done(names("robert"));
    assert_eq!(it.incident().names[&user("U0BOB00001")], "robert");
    let failed = record(Report::Failed {
        what: "invite @bob".into(),
        why: "he has left".into(),
        leaves: Default::default(),
    });
    it.done(failed.clone()).when(failed).nothing();
}

#[test]
fn without_a_war_room_people_work_in_the_thread_under_the_announcement() {
    let it = given([declared()]).of(Actor::Firebell);
    assert_eq!(it.incident().place(), None);
    let it = it.done(Command::Record(Report::WarRoomFailed {
        why: "Slack says no".into(),
    }));
    assert_eq!(it.incident().room, Room::Thread);
    assert_eq!(it.incident().place(), None);
    let it = it.done(Command::Record(Report::Announced(message())));
    let place = it.incident().place().expect("it is announced");
    assert_eq!(place.thread, Some(message()));
}

#[test]
fn an_incident_remembers_the_failures_of_late_and_not_without_end() {
    let mut it = given([declared()]).of(Actor::Firebell);
    for n in 0..100 {
        it = it.done(Command::Record(Report::Failed {
            what: format!("invite {n}"),
            why: "no".into(),
            leaves: Default::default(),
        }));
    }
    assert!(it.incident().failures.len() < 50);
    assert_eq!(it.events().len(), 101);
}

#[test]
fn who_is_called_in_is_named_once() {
    let mut catalog = catalog();
    catalog.severities[0]
        .invite
        .push(Target::Person(PersonId::new("bob")));
    nothing()
        .with(catalog)
        .when(declare("checkout is down", "p1"))
        .then([declared()]);
}

#[test]
fn who_leads_is_not_asked_again_under_a_handle_of_the_configuration() {
    let mut catalog = catalog();
    catalog.people[0].name = "Ana A".into();
    catalog.people[0].slack = Some(crate::domain::catalog::SlackName::Handle("ana".into()));
    let it = given([declared()]).with(catalog).at(15);
    let (it, _) = it.when_the_clock_rings().decision();
    let second = it.at(20).when_the_clock_rings().overdue();
    assert_eq!(second.reminded, Some(ana()), "there is nobody else");
}
