//! What each event orders, and in which lane, queue and place; and what it does not.

use insta::assert_snapshot;

use super::*;
use crate::domain::event::{FollowUp, KeptMessage, Overdue, Resolution};
use crate::domain::given::*;
use crate::domain::terms::{PersonId, Role, SeverityId, Status};

/// What an event orders in an incident with a war room.
fn in_a_room(event: Event) -> String {
    given([declared(), room_opened()]).also([event]).orders()
}

/// What an event orders in an incident without a war room.
fn in_a_thread(event: Event) -> String {
    given([declared_small()]).also([event]).orders()
}

fn updated() -> Event {
    Event::UpdatePosted {
        number: 1,
        status: Status::Investigating,
        update: update("looking"),
    }
}

fn resolved() -> Event {
    Event::Resolved(Resolution::default())
}

const NOTHING: &str = "";

#[test]
fn a_declaration_opens_the_room_announces_and_winds_the_clock() {
    assert_snapshot!(given([declared()]).orders(), @r#"
    chat/room open_war_room name="incident-2025-0914-001" at 0:00
    chat/announce announce at 0:00
    clocks/- ring timer={"at":"2025-09-14T03:15:00Z","timer":"update_due"} [clock] at 15:00
    "#);
}

#[test]
fn a_declaration_without_a_room_lays_its_checklists_out_in_the_thread() {
    let small = declared_with(|it| {
        it.severity = terms("p4");
        it.war_room = None;
    });
    assert_snapshot!(given([small]).orders(), @r#"
    chat/announce announce at 0:00
    chat/room post_checklist id="first-steps" at 0:00
    "#);
}

#[test]
fn an_opened_room_is_furnished_in_this_order() {
    assert_snapshot!(given([declared(), room_opened()]).orders(), @r#"
    chat/room set_topic [topic] at 0:00
    chat/room set_purpose at 0:00
    chat/room post_card at 0:00
    chat/room invite invitees=[{"user":"U0ANA00001"},{"person":"bob"},{"user_group":"sre"}] at 0:00
    chat/room post_checklist id="first-steps" at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
}

#[test]
fn a_room_that_failed_is_told_of_and_the_checklists_go_into_the_thread() {
    let failed = Event::WarRoomFailed { why: "no".into() };
    assert_snapshot!(given([declared(), failed]).orders(), @r#"
    chat/room post seq=2 to="room" at 0:00
    chat/room post_checklist id="first-steps" at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
}

#[test]
fn a_posted_card_is_pinned() {
    assert_snapshot!(in_a_room(Event::CardPosted { message: message() }), @r"
    chat/room pin_card at 0:00
    chat/room add_bookmarks at 0:00
    ");
}

#[test]
fn an_acknowledgement_is_told_and_shown() {
    assert_snapshot!(in_a_room(Event::Acknowledged { by: bob(), answer: None }), @r#"
    chat/room invite invitees=[{"user":"U0BOB00001"}] at 0:00
    chat/room post seq=3 to="room" at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
}

#[test]
fn a_status_is_told_and_shown() {
    let moved = Event::StatusChanged {
        from: Status::Investigating,
        to: Status::Identified,
    };
    assert_snapshot!(in_a_room(moved), @r#"
    chat/room post seq=3 to="room" at 0:00
    chat/room set_topic [topic] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
}

#[test]
fn an_update_goes_to_the_room_and_to_everybody_and_winds_the_clock() {
    assert_snapshot!(given([declared(), room_opened()]).at(5).also([updated()]).orders(), @r#"
    chat/room post seq=3 to="room" at 5:00
    chat/announce post seq=3 to="announce" at 5:00
    chat/room refresh_card [card] at 5:00
    chat/announce refresh_announcement [announcement] at 5:00
    clocks/- ring timer={"at":"2025-09-14T03:20:00Z","timer":"update_due"} [clock] at 20:00
    "#);
}

#[test]
fn an_update_in_a_thread_is_one_post() {
    assert_snapshot!(in_a_thread(updated()), @r#"
    chat/room post seq=2 to="room" at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
}

#[test]
fn a_reminder_is_told_to_the_room_alone_and_sets_the_clock() {
    let overdue = Event::UpdateOverdue(Overdue {
        due_at: minute(15),
        reminder: 1,
        reminded: Some(ana()),
        next_at: minute(20),
        late: jiff::SignedDuration::ZERO,
    });
    assert_snapshot!(in_a_room(overdue), @r#"
    chat/room post seq=3 to="room" at 0:00
    clocks/- ring timer={"at":"2025-09-14T03:20:00Z","timer":"update_due"} [clock] at 20:00
    "#);
}

#[test]
fn a_severity_calls_people_in_and_sets_the_clock() {
    let changed = |invite| Event::SeverityChanged {
        from: SeverityId::new("p1"),
        to: terms("p2"),
        reason: None,
        invite,
        checklists: vec![],
        war_room: None,
        escalation: None,
    };
    let bob = vec![Invitee::Person(PersonId::new("bob"))];
    assert_snapshot!(in_a_room(changed(bob)), @r#"
    chat/room post seq=3 to="room" at 0:00
    chat/room set_topic [topic] at 0:00
    chat/room invite invitees=[{"person":"bob"}] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    clocks/- ring timer={"at":"2025-09-14T03:30:00Z","timer":"update_due"} [clock] at 30:00
    "#);
    assert!(!in_a_room(changed(vec![])).contains("invite"));
}

#[test]
fn a_severity_without_an_interval_stops_the_clock() {
    let changed = Event::SeverityChanged {
        from: SeverityId::new("p1"),
        to: terms("p3"),
        reason: None,
        invite: vec![],
        checklists: vec![],
        war_room: None,
        escalation: None,
    };
    assert!(in_a_room(changed).contains("cancel clock"));
}

#[test]
fn an_incident_that_outgrows_its_thread_says_so_there_and_opens_a_room() {
    let changed = Event::SeverityChanged {
        from: SeverityId::new("p4"),
        to: terms("p1"),
        reason: None,
        invite: called_in(),
        checklists: vec!["first-steps".into()],
        war_room: Some("incident-2025-0914-001".into()),
        escalation: None,
    };
    assert_snapshot!(in_a_thread(changed), @r#"
        chat/announce post seq=2 to="thread" at 0:00
        chat/room open_war_room name="incident-2025-0914-001" at 0:00
        chat/announce refresh_announcement [announcement] at 0:00
        clocks/- ring timer={"at":"2025-09-14T03:15:00Z","timer":"update_due"} [clock] at 15:00
        "#);
}

#[test]
fn into_a_room_that_opens_late_come_those_who_took_it_on_in_the_thread() {
    let incident = given([
        declared_small(),
        Event::Acknowledged {
            by: eve(),
            answer: None,
        },
        assigned(Role::Scribe, bob(), None),
    ]);
    let wanted = incident.incident().wanted_in_room();
    assert!(wanted.contains(&Invitee::User(user("U0EVE00001"))));
    assert!(wanted.contains(&Invitee::User(user("U0BOB00001"))));
}

#[test]
fn a_role_calls_its_holder_in_if_slack_knows_him() {
    assert_snapshot!(in_a_room(assigned(Role::Scribe, bob(), None)), @r#"
    chat/room post seq=3 to="room" at 0:00
    chat/room invite invitees=[{"user":"U0BOB00001"}] at 0:00
    chat/room set_topic [topic] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    "#);
    let named = crate::domain::terms::Who::named("root");
    assert!(!in_a_room(assigned(Role::Scribe, named, None)).contains("invite"));
}

#[test]
fn a_note_and_a_follow_up_are_told_to_the_room() {
    let note = Event::NoteAdded { text: "x".into() };
    assert_snapshot!(in_a_room(note), @r#"chat/room post seq=3 to="room" at 0:00"#);
    let follow_up = Event::FollowUpAdded(FollowUp {
        number: 1,
        text: "x".into(),
        owner: None,
        due: None,
    });
    assert_snapshot!(in_a_room(follow_up), @r#"chat/room post seq=3 to="room" at 0:00"#);
    assert_snapshot!(in_a_room(Event::FollowUpCompleted { number: 1 }), @r#"chat/room post seq=3 to="room" at 0:00"#);
}

#[test]
fn a_marked_message_is_fetched_outside_of_every_queue() {
    let marked = Event::MessageMarked {
        message: message(),
        mark: Mark::Pin,
        by: ana(),
    };
    assert_snapshot!(in_a_room(marked), @r#"chat/- fetch_message by={"name":"ana","slack":"U0ANA00001"} mark="pin" message={"channel":"C0ROOM0001","ts":"1757818800.000100"} at 0:00"#);
}

#[test]
fn a_kept_message_and_an_announcement_order_nothing() {
    let kept = Event::MessageKept(KeptMessage {
        message: message(),
        author: bob(),
        text: "x".into(),
        written_at: minute(-1),
        mark: Mark::Pin,
        marked_by: ana(),
    });
    assert_eq!(in_a_room(kept), NOTHING);
    assert_eq!(in_a_room(Event::Announced { message: message() }), NOTHING);
}

#[test]
fn a_resolution_is_told_to_everybody_and_sets_the_clock_of_the_postmortem() {
    assert_snapshot!(in_a_room(resolved()), @r#"
    chat/room post seq=3 to="room" at 0:00
    chat/announce post seq=3 to="announce" at 0:00
    chat/room set_topic [topic] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    clocks/- ring timer={"at":"2025-09-15T03:00:00Z","timer":"update_due"} [clock] at 1440:00
    "#);
    assert!(!in_a_thread(resolved()).contains("announce post"));
}

#[test]
fn a_reopened_incident_is_told_to_everybody_and_has_a_clock_again() {
    let reopened = Event::Reopened { reason: None };
    assert_snapshot!(given([declared(), room_opened(), resolved()]).at(30).also([reopened]).orders(), @r#"
    chat/room post seq=4 to="room" at 30:00
    chat/announce post seq=4 to="announce" at 30:00
    chat/room set_topic [topic] at 30:00
    chat/room refresh_card [card] at 30:00
    chat/announce refresh_announcement [announcement] at 30:00
    clocks/- ring timer={"at":"2025-09-14T03:45:00Z","timer":"update_due"} [clock] at 45:00
    "#);
}

#[test]
fn a_closed_incident_is_told_to_the_room() {
    assert_snapshot!(given([declared(), room_opened(), resolved(), Event::Closed]).orders(), @r#"
    chat/room post seq=4 to="room" at 0:00
    chat/room set_topic [topic] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    cancel clock
    "#);
}

#[test]
fn an_export_holds_up_nothing_that_is_said() {
    let format = ExportFormat::Html;
    assert_snapshot!(in_a_room(Event::ExportRequested { format }), @r#"chat/upload upload_export format="html" seq=3 at 0:00"#);
}

#[test]
fn who_is_mentioned_without_a_name_is_asked_after_until_it_is_known() {
    let nameless = |id: &str| crate::domain::terms::Who::slack(user(id), id);
    let given = given([declared(), room_opened()]);
    let asked = given
        .clone()
        .also([assigned(Role::Scribe, nameless("U0EVE00001"), None)])
        .orders();
    assert!(
        asked.ends_with("chat/- learn_names users=[\"U0EVE00001\"] at 0:00\n"),
        "{asked}"
    );
    let learned = Event::NamesLearned {
        names: [(user("U0EVE00001"), "eve".to_owned())].into(),
    };
    let known = given.also([learned]);
    assert_snapshot!(known.orders(), @r"
    chat/room set_topic [topic] at 0:00
    chat/room refresh_card [card] at 0:00
    chat/announce refresh_announcement [announcement] at 0:00
    ");
    let again = known
        .also([assigned(Role::Scribe, nameless("U0EVE00001"), None)])
        .orders();
    assert!(!again.contains("learn_names"), "{again}");
}

#[test]
fn a_failure_is_told_to_the_room() {
    let failed = Event::EffectFailed {
        what: "invite @bob".into(),
        why: "he has left".into(),
        leaves: Default::default(),
    };
    assert_snapshot!(in_a_room(failed), @r#"chat/room post seq=3 to="room" at 0:00"#);
}
