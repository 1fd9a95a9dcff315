//! Escalation as the specification tells it: who is called when, and what ends it.

use jiff::civil;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::catalog::{ContactRule, Person, SlackName};
use crate::domain::command::Callee;
use crate::domain::escalation::{Channel, Step};
use crate::domain::given::{self, *};
use crate::domain::incident::Due;
use crate::domain::oncall::{Rotation, Schedule};
use crate::domain::page::{Answer, Delivery, DeliveryState, Hurry, PageReason};
use crate::domain::terms::PersonId;
use crate::domain::timeline::tell;

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn step(after: i64, notify: &str, via: &[Channel]) -> Step {
    Step {
        after: minutes(after),
        notify: notify
            .split(' ')
            .map(|target| target.parse().expect("a target"))
            .collect(),
        via: via.to_vec(),
    }
}

fn person(id: &str, roles: &[&str]) -> Person {
    Person {
        id: PersonId::new(id),
        name: id.into(),
        slack: Some(SlackName::Id(user(&format!("U0{}0001", id.to_uppercase())))),
        email: None,
        phone: Some("+15550100".into()),
        timezone: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        contact: vec![],
        webhook_url_env: None,
    }
}

fn alice() -> Who {
    Who::slack(user("U0ALICE0001"), "alice")
}

/// On call, Manager, CTO after 0, 15 and 30 minutes, as the runbooks have it; twice.
fn policy() -> EscalationPolicy {
    EscalationPolicy {
        id: "leadership".into(),
        steps: vec![
            step(0, "schedule:primary", &[Channel::Slack, Channel::Sms]),
            step(15, "role:manager", &[Channel::Slack]),
            step(
                30,
                "role:cto channel:#leads",
                &[Channel::Slack, Channel::Voice],
            ),
        ],
        repeat: 1,
        repeat_after: None,
        stop_on: StopOn::Acknowledged,
        ack_timeout: None,
    }
}

fn team() -> Catalog {
    with_policy(policy())
}

fn with_policy(policy: EscalationPolicy) -> Catalog {
    let mut catalog = catalog();
    catalog.people.extend([
        person("alice", &[]),
        person("mona", &["manager"]),
        person("cleo", &["cto"]),
    ]);
    catalog.schedules.push(Schedule {
        id: "primary".into(),
        name: None,
        timezone: TimeZone::UTC,
        rotations: vec![Rotation {
            participants: vec![PersonId::new("alice")],
            shift: "1w".parse().expect("a shift"),
            handoff: civil::datetime(2025, 9, 1, 9, 0, 0, 0),
            hours: None,
        }],
        fallback: Some(Target::Person(PersonId::new("bob"))),
        usergroup: None,
        ical_token_env: None,
        ical_url_env: None,
    });
    catalog.severities[0].escalation_policy = Some(policy.id.clone());
    catalog.escalation_policies.push(policy);
    catalog
}

/// An alert has declared a P1 at minute 0.
fn declared_p1() -> Given {
    declared_with(team())
}

fn declared_with(catalog: Catalog) -> Given {
    nothing()
        .with(catalog)
        .of(cloudwatch())
        .done(given::declare("checkout is down", "p1"))
        .of(Actor::Firebell)
}

/// The clock rings at its time, again and again, until a minute; what was said of it, with the minute.
fn until(mut given: Given, last: i64) -> (Given, String) {
    let mut said = String::new();
    while let Some((at, _)) = given.incident().next_due()
        && at <= minute(last)
    {
        let now = at.duration_since(minute(0)).as_mins();
        let before = given.events().len();
        given = given
            .at(now)
            .of(Actor::Firebell)
            .done(Command::Fire(Timer::Due { at }));
        for recorded in &given.events()[before..] {
            said += &format!("{now}m {}\n", tell(recorded).text.replace('\n', " | "));
        }
        assert!(
            given
                .incident()
                .next_due()
                .is_none_or(|(next, _)| next > at || now >= last)
        );
    }
    (given, said)
}

fn last_lines(given: &Given, n: usize) -> String {
    let events = given.events();
    events[events.len() - n..]
        .iter()
        .map(|recorded| tell(recorded).text + "\n")
        .collect()
}

fn delivery(page: u32, via: Channel, state: DeliveryState) -> Command {
    Command::Record(Report::Delivery(Delivery {
        page,
        via,
        state,
        provider_id: None,
        reason: None,
    }))
}

#[test]
fn the_first_step_goes_with_the_declaration_and_the_policy_is_copied_in() {
    let given = declared_p1();
    assert_eq!(given.events().len(), 2, "declared and paged in one breath");
    insta::assert_snapshot!(last_lines(&given, 1), @"Step 1 of 3 of leadership: paged @alice (page 1: Slack, SMS)");
    insta::assert_snapshot!(given.orders(), @r#"
    pages_slack/- notify page=1 via="slack" at 0:00
    pages_sms/- notify page=1 via="sms" at 0:00
    chat/room post seq=2 to="room" at 0:00
    clocks/- ring timer={"at":"2025-09-14T03:15:00Z","timer":"update_due"} [clock] at 15:00
    "#);
    // The file is edited meanwhile: it changes later incidents only.
    let given = given.with(with_policy(EscalationPolicy {
        steps: vec![step(0, "person:bob", &[])],
        ..policy()
    }));
    let (_, said) = until(given, 20);
    assert!(
        said.contains("15m Step 2 of 3 of leadership: paged @mona"),
        "{said}"
    );
}

#[test]
fn nobody_answers_and_each_step_comes_at_its_time_round_after_round_until_it_is_said_loudly() {
    let mut catalog = team();
    catalog.severities[0].update_every = None;
    catalog.severities[0].acknowledge_within = Some(minutes(10));
    let (given, said) = until(declared_with(catalog), 24 * 60);
    insta::assert_snapshot!(said, @"
    10m Nobody acknowledged in time: it was due at 03:10 UTC
    15m Step 2 of 3 of leadership: paged @mona (page 2: Slack)
    30m Step 3 of 3 of leadership: paged @cleo (page 3: Slack, phone), #leads (page 4: Slack)
    45m Step 1 of 3 of leadership, round 2: paged @alice (page 5: Slack, SMS) | Nobody answered pages 1, 2, 3, 4
    60m Step 2 of 3 of leadership, round 2: paged @mona (page 6: Slack)
    75m Step 3 of 3 of leadership, round 2: paged @cleo (page 7: Slack, phone), #leads (page 8: Slack)
    90m The escalation is at its end after 2 rounds, and nobody has answered
    ");
    assert!(given.incident().pages.is_empty(), "each page has ended");
    assert_eq!(given.incident().next_due(), None);
}

#[test]
fn an_acknowledgement_ends_every_page_and_stops_the_clock() {
    let (given, _) = until(declared_p1(), 14);
    let given = given.at(14).by(alice()).done(Command::Acknowledge);
    assert!(given.incident().pages.is_empty());
    assert_eq!(given.incident().commander(), Some(&alice()));
    // Only the updates are still waited for.
    let mut quiet = given.clone();
    for _ in 0..5 {
        let before = quiet.events().len();
        let (at, _) = quiet.incident().next_due().expect("updates");
        quiet = quiet
            .of(Actor::Firebell)
            .done(Command::Fire(Timer::Due { at }));
        for recorded in &quiet.events()[before..] {
            assert!(
                matches!(recorded.event, Event::UpdateOverdue(_)),
                "{recorded:?}"
            );
        }
    }
    insta::assert_snapshot!(given.by(bob()).when(Command::Acknowledge).refused(), @"INC-2025-0914-001 is already acknowledged by @alice. To take over: `/incident lead me`.");
}

#[test]
fn a_step_whose_time_passed_while_the_bot_was_down_fires_once_and_says_how_late() {
    let given = declared_p1();
    let (at, _) = given.incident().next_due().expect("a step");
    // It comes back after 34 minutes: two steps and an update are overdue.
    let (given, said) = comes_back(given, 34);
    insta::assert_snapshot!(said, @"
    Step 2 of 3 of leadership: paged @mona (page 2: Slack)
    19m late
    Nobody acknowledged in time: it was due at 03:15 UTC
    No update in time: @bob was reminded (reminder 1), 19m late
    Step 3 of 3 of leadership: paged @cleo (page 3: Slack, phone), #leads (page 4: Slack)
    4m late
    ");
    // The same clock once more: everything was said.
    given.when(Command::Fire(Timer::Due { at })).nothing();
}

#[test]
fn however_long_the_bot_was_down_whoever_is_called_last_has_time_to_answer() {
    let given = declared_with(with_policy(once()));
    // It comes back when all of the policy is over, and the rest behind it too.
    let (given, _) = comes_back(given, 600);
    let open: Vec<u32> = given.incident().pages.iter().map(|it| it.number).collect();
    assert_eq!(open, [1, 2, 3, 4], "all are called, and nobody is let off");
    let (_, said) = until(given, 700);
    assert!(said.contains("615m The escalation is at its end"), "{said}");
}

fn once() -> EscalationPolicy {
    EscalationPolicy {
        repeat: 0,
        ..policy()
    }
}

/// The bot was down when that was due, and comes back at that minute.
fn comes_back(given: Given, minutes: i64) -> (Given, String) {
    let (at, _) = given.incident().next_due().expect("a clock");
    let before = given.events().len();
    let given = given.at(minutes).of(Actor::Firebell);
    let given = given.done(Command::Fire(Timer::Due { at }));
    let said = last_lines(&given, given.events().len() - before);
    (given, said)
}

/// Every page is taken by its first way.
fn all_leave(given: Given) -> Given {
    let pages = given.incident().pages.clone();
    pages.iter().fold(given, |given, page| {
        given.done(delivery(
            page.number,
            page.contacts[0].via,
            DeliveryState::Accepted,
        ))
    })
}

#[test]
fn nobody_is_given_up_on_whose_page_waited_in_the_outbox_while_the_bot_was_down() {
    // The last step is written down, and the bot dies before its pages leave, for longer than they give to answer.
    let (given, _) = until(declared_with(with_policy(once())), 30);
    let (given, said) = comes_back(given, 90);
    let held_up = "Pages 1, 2, 3, 4 were held up for 1h30m and leave only now";
    assert!(said.contains(held_up), "{said}");
    assert!(!said.contains("at its end"), "{said}");
    // Down again, before they have left: the same again.
    let (given, said) = comes_back(given, 200);
    assert!(said.contains("Pages 1, 2, 3, 4 were held up"), "{said}");
    // They leave. The CTO has as long to answer as was meant, and no longer.
    let given = all_leave(given);
    let (given, said) = until(given, 300);
    assert!(said.contains("215m The escalation is at its end"), "{said}");
    assert!(given.incident().pages.is_empty());
}

#[test]
fn whoever_had_the_page_before_the_bot_went_down_is_not_given_more_time() {
    let (given, _) = until(declared_with(with_policy(once())), 30);
    let given = all_leave(given);
    let (_, said) = comes_back(given, 90);
    assert!(said.contains("at its end"), "{said}");
    assert!(!said.contains("held up"), "{said}");
}

#[test]
fn a_page_that_leaves_late_before_the_clock_is_looked_at_gives_time_too() {
    let (given, _) = until(all_leave(declared_with(with_policy(once()))), 30);
    // Back at minute 90: the page leaves first, and then the clock of minute 45 rings.
    let given = given.at(90);
    let given = given.done(delivery(3, Channel::Slack, DeliveryState::Accepted));
    assert!(last_lines(&given, 1).contains("Page 3 was held up for 1h"));
    let given = given.done(delivery(4, Channel::Slack, DeliveryState::Accepted));
    assert!(!last_lines(&given, 1).contains("held up"), "said once");
    let (given, said) = comes_back(given, 90);
    assert!(!said.contains("at its end"), "{said}");
    let (_, said) = until(given, 300);
    assert!(said.contains("105m The escalation is at its end"), "{said}");

    let given = given_page_by_hand().at(200);
    let given = given.done(delivery(1, Channel::Slack, DeliveryState::Accepted));
    let page = given.incident().page(1).expect("it is open");
    assert_eq!(page.expires_at, Some(minute(215)));
}

#[test]
fn what_a_provider_does_not_take_yet_is_no_call() {
    let (given, _) = until(all_leave(declared_with(with_policy(once()))), 30);
    let given = given.at(90);
    let given = given.done(delivery(3, Channel::Slack, DeliveryState::Delayed));
    let (given, said) = comes_back(given, 90);
    assert!(said.contains("held up"), "{said}");
    assert!(given.incident().page(3).is_some());
}

#[test]
fn whoever_has_not_seen_slack_is_still_called_by_telephone_after_an_outage_across_it() {
    let mut catalog = with_policy(EscalationPolicy {
        steps: vec![step(0, "person:mona", &[Channel::Slack, Channel::Voice])],
        ..once()
    });
    let mona = catalog
        .people
        .iter_mut()
        .find(|it| it.id.as_str() == "mona");
    mona.expect("mona").contact = vec![ContactRule {
        via: Channel::Voice,
        after: minutes(5),
    }];
    let given = all_leave(declared_with(catalog));
    let (given, said) = comes_back(given, 90);
    assert!(said.contains("goes on by phone"), "{said}");
    assert!(!said.contains("at its end"), "{said}");
    assert!(given.incident().page(1).is_some(), "its telephone rings");
}

#[test]
fn the_next_round_waits_for_those_whom_the_last_step_of_this_one_has_not_called_yet() {
    let (given, _) = until(declared_with(team()), 30);
    let (given, said) = comes_back(given, 90);
    assert!(said.contains("held up"), "{said}");
    assert!(!said.contains("round 2"), "{said}");
    let (_, said) = until(given, 105);
    assert!(
        said.contains("105m Step 1 of 3 of leadership, round 2"),
        "{said}"
    );
}

fn given_page_by_hand() -> Given {
    let given = given([declared()]).with(team()).by(bob());
    let given = given.done(Command::Page {
        whom: Callee::Target(Target::Person(PersonId::new("mona"))),
        text: None,
    });
    given.of(Actor::Firebell)
}

#[test]
fn a_page_by_hand_does_not_expire_before_it_has_left() {
    let (given, said) = comes_back(given_page_by_hand(), 200);
    assert!(said.contains("Page 1 was held up"), "{said}");
    let page = given.incident().page(1).expect("it is open");
    assert_eq!(page.expires_at, Some(minute(215)));
}

#[test]
fn somebody_who_is_called_by_hand_is_called_by_every_way_before_it_is_said_that_nobody_answered() {
    let mut catalog = team();
    let alice = catalog
        .people
        .iter_mut()
        .find(|it| it.id.as_str() == "alice");
    alice.expect("alice").contact = [(Channel::Slack, 0), (Channel::Sms, 2)]
        .map(|(via, after)| ContactRule {
            via,
            after: minutes(after),
        })
        .to_vec();
    let mut given = given([declared()]).with(catalog);
    given = given.by(bob()).done(Command::Page {
        whom: Callee::Target(Target::Person(PersonId::new("alice"))),
        text: None,
    });
    // The bot was down when the SMS was due, and when the page would have been over.
    let (at, due) = given.incident().next_due().expect("a way");
    assert_eq!(due, Due::Contact);
    let given = given
        .at(60)
        .of(Actor::Firebell)
        .done(Command::Fire(Timer::Due { at }));
    let page = given.incident().page(1).expect("it is open");
    assert_eq!(page.contacts[1].state, DeliveryState::Ordered);
    let (given, _) = until(given, 74);
    assert!(given.incident().page(1).is_some());
    let (given, _) = until(given, 75);
    assert!(given.incident().page(1).is_none());
}

#[test]
fn a_clock_that_is_set_back_neither_loses_a_step_nor_repeats_one() {
    let mut catalog = team();
    catalog.severities[0].update_every = None;
    catalog.severities[0].acknowledge_within = None;
    let given = declared_with(catalog);
    let (at, _) = given.incident().next_due().expect("a step");
    let given = given.at(-90).done(Command::Fire(Timer::Due { at }));
    assert!(
        last_lines(&given, 3).contains("Step 2 of 3"),
        "{}",
        last_lines(&given, 3)
    );
    let paged = given.incident().page(2).expect("a page");
    assert_eq!(paged.contacts[0].state, DeliveryState::Ordered, "at once");
    given.when(Command::Fire(Timer::Due { at })).nothing();
}

#[test]
fn what_is_due_at_the_same_moment_is_not_forgotten_when_the_clock_is_set_back() {
    // A step, the acknowledgement and an update: all at minute 15.
    let given = declared_p1();
    let (at, _) = given.incident().next_due().expect("a step");
    let given = given.at(-90).done(Command::Fire(Timer::Due { at }));
    assert!(last_lines(&given, 1).contains("Step 2 of 3"));
    assert_eq!(
        given.incident().next_due(),
        Some((at, Due::Acknowledgement))
    );
    let orders = given.orders();
    assert!(
        orders.contains(r#"ring timer={"at":"2025-09-14T03:15:00Z","timer":"update_due"} [clock]"#),
        "{orders}"
    );
}

#[test]
fn what_cannot_be_delivered_counts_as_unanswered_and_the_next_step_goes_at_once() {
    let given = declared_p1().at(1);
    let one = given.done(delivery(1, Channel::Slack, DeliveryState::Failed));
    assert_eq!(
        last_lines(&one, 1),
        "Page 1 by Slack: failed\n",
        "there is still the SMS"
    );
    let both = one.done(delivery(1, Channel::Sms, DeliveryState::Failed));
    insta::assert_snapshot!(last_lines(&both, 2), @"
    Page 1 by SMS: failed
    Step 2 of 3 of leadership, at once, since the one before it reached nobody: paged @mona (page 2: Slack)
    ");
    // The step after it keeps its distance from this one.
    let (given, said) = until(both, 17);
    assert!(
        said.lines().any(|line| line.starts_with("16m Step 3 of 3")),
        "{said}"
    );
    // Told twice, nothing follows twice.
    given
        .when(delivery(1, Channel::Sms, DeliveryState::Failed))
        .nothing();
}

#[test]
fn what_is_told_out_of_order_of_a_message_that_failed_brings_it_to_life_for_nobody() {
    let of = |id: &str, state| {
        Command::Record(Report::Delivery(Delivery {
            page: 1,
            via: Channel::Sms,
            state,
            provider_id: Some(id.to_owned()),
            reason: None,
        }))
    };
    let given = declared_p1().at(1);
    let failed = given.done(of("SM1", DeliveryState::Failed));
    failed
        .clone()
        .when(of("SM1", DeliveryState::Accepted))
        .nothing();
    // One that was sent after it is another matter.
    let again = failed.done(of("SM2", DeliveryState::Accepted));
    assert_eq!(last_lines(&again, 1), "Page 1 by SMS: accepted (SM2)\n");
}

#[test]
fn while_slack_is_away_the_next_way_of_the_person_is_taken_at_once() {
    let mut catalog = team();
    let alice = catalog
        .people
        .iter_mut()
        .find(|it| it.id.as_str() == "alice");
    let rule = |via, after| ContactRule {
        via,
        after: minutes(after),
    };
    alice.expect("alice").contact = vec![
        rule(Channel::Slack, 0),
        rule(Channel::Sms, 2),
        rule(Channel::Voice, 5),
    ];
    catalog.escalation_policies[0].steps[0].via = vec![];
    let given = declared_with(catalog);
    insta::assert_snapshot!(last_lines(&given, 1), @"Step 1 of 3 of leadership: paged @alice (page 1: Slack, SMS after 2m, phone after 5m)");

    // By itself each way comes in its own time.
    let (_, said) = until(given.clone(), 10);
    insta::assert_snapshot!(said, @"
    2m Page 1 goes on by SMS
    5m Page 1 goes on by phone
    ");

    let away = given
        .and_seconds(3)
        .done(delivery(1, Channel::Slack, DeliveryState::Delayed));
    insta::assert_snapshot!(last_lines(&away, 2), @"
    Page 1 by Slack: delayed
    Page 1 goes on by SMS, since Slack did not get through
    ");
    insta::assert_snapshot!(away.orders(), @r#"
    pages_sms/- notify page=1 via="sms" at 0:03
    chat/room post seq=4 to="room" at 0:03
    clocks/- ring timer={"at":"2025-09-14T03:05:00Z","timer":"update_due"} [clock] at 5:00
    "#);
    // The SMS got through: the call keeps its time, and Slack may come late.
    let told = away
        .done(delivery(1, Channel::Sms, DeliveryState::Accepted))
        .done(delivery(1, Channel::Slack, DeliveryState::Accepted));
    let (_, said) = until(told, 10);
    assert_eq!(said, "5m Page 1 goes on by phone\n");
}

#[test]
fn nobody_on_call_uses_the_fallback_and_says_so() {
    let mut catalog = team();
    catalog.schedules[0].rotations.clear();
    let given = declared_with(catalog.clone());
    insta::assert_snapshot!(last_lines(&given, 1), @"
    Step 1 of 3 of leadership: paged @bob (page 1: Slack, SMS)
    Nobody is behind schedule:primary: person:bob instead
    ");
    // Without a fallback the next step goes at once.
    catalog.schedules[0].fallback = None;
    let given = declared_with(catalog);
    insta::assert_snapshot!(last_lines(&given, 2), @"
    Step 1 of 3 of leadership: paged nobody
    Nobody is behind schedule:primary
    Step 2 of 3 of leadership, at once, since the one before it reached nobody: paged @mona (page 1: Slack)
    ");
}

#[test]
fn a_policy_behind_which_nobody_is_says_so_at_once_and_does_not_go_round_for_ever() {
    let given = declared_with(with_policy(EscalationPolicy {
        steps: vec![step(0, "role:nobody", &[]), step(5, "role:none", &[])],
        repeat: 1_000_000,
        ..policy()
    }));
    insta::assert_snapshot!(last_lines(&given, 3), @"
    Step 1 of 2 of leadership: paged nobody
    Nobody is behind role:nobody
    Step 2 of 2 of leadership, at once, since the one before it reached nobody: paged nobody
    Nobody is behind role:none
    The escalation is at its end, and nobody has answered
    ");
}

#[test]
fn a_last_step_that_finds_nobody_takes_no_time_from_those_before_it() {
    let given = declared_with(with_policy(EscalationPolicy {
        steps: vec![step(0, "person:alice", &[]), step(0, "role:nobody", &[])],
        repeat: 2,
        repeat_after: Some(minutes(10)),
        ..policy()
    }));
    assert_eq!(
        given.events().len(),
        3,
        "declared, called, and found nobody"
    );
    assert_eq!(given.incident().pages.len(), 1);
    let (given, said) = until(given, 60);
    let steps: String = said
        .lines()
        .filter(|line| line.contains("Step 1") || line.contains("at its end"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    insta::assert_snapshot!(steps, @"
    10m Step 1 of 2 of leadership, round 2: paged @alice (page 2: Slack) | Nobody answered page 1
    20m Step 1 of 2 of leadership, round 3: paged @alice (page 3: Slack) | Nobody answered page 2
    30m The escalation is at its end after 3 rounds, and nobody has answered
    ");
    assert!(given.incident().pages.is_empty());
}

#[test]
fn escalate_goes_on_at_once_and_the_steps_after_it_count_from_there() {
    let given = declared_p1().at(3).by(bob()).done(Command::Escalate);
    insta::assert_snapshot!(last_lines(&given, 1), @"Step 2 of 3 of leadership, at once at the wish of @bob: paged @mona (page 2: Slack)");
    let (given, said) = until(given, 18);
    assert!(said.contains("18m Step 3 of 3"), "{said}");
    // Behind the last step it begins anew.
    let given = given.at(19).by(bob()).done(Command::Escalate);
    insta::assert_snapshot!(last_lines(&given, 1), @"
    Step 1 of 3 of leadership, round 2, at once at the wish of @bob: paged @alice (page 5: Slack, SMS)
    Nobody answered pages 1, 2, 3, 4
    ");
}

#[test]
fn whoever_has_it_may_call_for_the_next_step_and_that_one_answers_too() {
    let given = declared_p1().at(1).by(alice()).done(Command::Acknowledge);
    let given = given.at(5).by(alice()).done(Command::Escalate);
    let mona = Who::slack(user("U0MONA0001"), "mona");
    let given = given.at(6).by(mona).done(Command::Acknowledge);
    assert_eq!(
        given.incident().acknowledged_by,
        Some(alice()),
        "the first stays the first"
    );
    assert_eq!(given.incident().milestones.acknowledged, Some(minute(1)));
    assert!(given.incident().pages.is_empty());
    let (_, said) = until(given, 60);
    assert!(!said.contains("paged"), "{said}");
}

#[test]
fn where_nothing_escalates_one_is_told_how_to_call_somebody() {
    let refused = given([declared()])
        .by(bob())
        .when(Command::Escalate)
        .refused();
    insta::assert_snapshot!(refused, @"INC-2025-0914-001 has no escalation: nobody is called by steps for it. To call somebody: `/incident page @ana`, or `/incident page schedule:primary`. `escalation_policy` in firebell.toml says whom later ones call.");
}

#[test]
fn an_acknowledgement_that_expires_calls_people_again_and_a_sign_of_life_renews_it() {
    let mut catalog = with_policy(EscalationPolicy {
        ack_timeout: Some(minutes(30)),
        ..policy()
    });
    catalog.severities[0].update_every = None;
    let given = declared_with(catalog)
        .at(1)
        .by(alice())
        .done(Command::Acknowledge);
    let given = given.at(20).by(alice()).done(Command::PostUpdate {
        update: update("looking"),
        status: None,
        severity: None,
    });
    let (given, said) = until(given, 70);
    insta::assert_snapshot!(said, @"
    50m Nothing was heard of @alice any more: people are called again
    50m Step 1 of 3 of leadership: paged @alice (page 2: Slack, SMS)
    65m Step 2 of 3 of leadership: paged @mona (page 3: Slack)
    ");
    assert_eq!(given.incident().acknowledged_by, None);
    assert_eq!(given.incident().milestones.acknowledged, Some(minute(1)));
    let given = given.at(71).by(bob()).done(Command::Acknowledge);
    assert_eq!(given.incident().acknowledged_by, Some(bob()));
}

#[test]
fn where_only_the_end_stops_it_an_acknowledgement_answers_what_was_called_and_the_steps_go_on() {
    let given = declared_with(with_policy(EscalationPolicy {
        stop_on: StopOn::Resolved,
        ..policy()
    }));
    let given = given.at(1).by(alice()).done(Command::Acknowledge);
    assert!(given.incident().pages.is_empty());
    let (given, said) = until(given, 15);
    assert!(said.contains("15m Step 2 of 3"), "{said}");
    let given = given
        .at(20)
        .by(alice())
        .done(Command::Resolve(Resolution::default()));
    let (_, said) = until(given, 120);
    assert!(!said.contains("paged"), "{said}");
}

#[test]
fn a_page_of_before_the_steps_began_anew_that_reaches_nobody_hurries_none_of_them() {
    let mut policy = EscalationPolicy {
        stop_on: StopOn::Resolved,
        ack_timeout: Some(minutes(30)),
        ..policy()
    };
    policy.steps[0].after = minutes(5);
    let mut catalog = with_policy(policy);
    catalog.severities[0].update_every = None;
    let given = declared_with(catalog)
        .at(1)
        .by(alice())
        .done(Command::Acknowledge);
    let (given, said) = until(given, 31);
    assert!(said.contains("31m Nothing was heard of @alice"), "{said}");
    // Those of the last step, before the acknowledgement expired.
    let mut given = given.at(32).of(Actor::Firebell);
    for (page, via) in [
        (3, Channel::Slack),
        (3, Channel::Voice),
        (4, Channel::Slack),
    ] {
        given = given.done(delivery(page, via, DeliveryState::Failed));
        given = given.of(Actor::Firebell);
    }
    let is_undelivered = |page| {
        given
            .incident()
            .page(page)
            .is_some_and(|it| it.is_undelivered())
    };
    assert!(is_undelivered(3) && is_undelivered(4));
    let (_, said) = until(given, 36);
    assert!(
        said.starts_with("36m Step 1 of 3 of leadership: paged @alice"),
        "{said}"
    );
}

#[test]
fn a_person_a_role_or_a_schedule_is_called_by_hand_whatever_the_escalation_does() {
    let page = |target: &str| Command::Page {
        whom: Callee::Target(target.parse().expect("a target")),
        text: Some("the database is on fire".into()),
    };
    let given = given([declared()]).with(team()).by(bob());
    let paged = given.clone().done(page("role:cto"));
    insta::assert_snapshot!(last_lines(&paged, 1), @"@bob paged @cleo (page 1: Slack): the database is on fire");
    // Ana's acknowledgement of the incident is not Cleo's answer.
    let paged = paged.by(ana()).done(Command::Acknowledge);
    assert_eq!(paged.incident().pages.len(), 1);
    let cleo = Who::slack(user("U0CLEO0001"), "cleo");
    let answered = paged.clone().by(cleo).done(Command::Acknowledge);
    insta::assert_snapshot!(last_lines(&answered, 1), @"Page 1 answered by @cleo");
    assert!(answered.incident().pages.is_empty());
    // Nobody answers: it is said.
    let (expired, said) = until(paged, 16);
    assert!(said.contains("15m Page 1: nobody answered"), "{said}");
    assert!(expired.incident().pages.is_empty());

    insta::assert_snapshot!(given.when(page("role:nobody")).refused(), @"Nobody is behind “role:nobody” now, so nobody was called. Name a person: `/incident page @ana`. `/incident oncall` shows who is on call.");
}

#[test]
fn an_answer_belongs_to_its_page_and_is_worth_nothing_once_that_is_over() {
    let answer = Command::Answer(Answer {
        page: 1,
        via: Channel::Sms,
    });
    let given = declared_p1().at(1).by(alice());
    let answered = given.clone().done(answer.clone());
    insta::assert_snapshot!(last_lines(&answered, 2), @"
    Acknowledged by @alice (page 1, by SMS)
    Incident Commander: @alice
    ");
    insta::assert_snapshot!(answered.when(answer.clone()).refused(), @"INC-2025-0914-001 is already acknowledged by @alice. To take over: `/incident lead me`.");
    // A round later it is still an answer, as long as people are called …
    let (later, said) = until(given, 50);
    assert!(
        said.contains("45m Step 1 of 3 of leadership, round 2"),
        "{said}"
    );
    assert!(later.incident().page(1).is_none(), "its round is over");
    let answered = later.clone().by(alice()).done(answer.clone());
    assert_eq!(answered.incident().acknowledged_by, Some(alice()));
    assert!(answered.incident().pages.is_empty());
    // … but not when somebody has had it since, and people are called anew: it may have been said long ago.
    let mut catalog = with_policy(EscalationPolicy {
        ack_timeout: Some(minutes(30)),
        ..policy()
    });
    catalog.severities[0].update_every = None;
    let anew = declared_with(catalog)
        .at(1)
        .by(alice())
        .done(Command::Acknowledge);
    let (anew, said) = until(anew, 31);
    assert!(said.contains("31m Step 1 of 3"), "{said}");
    anew.by(alice()).when(answer.clone()).refused();
    // When nobody is called any more, whoever wakes up late has it all the same.
    let (over, _) = until(later, 24 * 60);
    let answered = over.by(alice()).done(answer);
    assert_eq!(answered.incident().acknowledged_by, Some(alice()));
}

#[test]
fn an_incident_that_comes_to_weigh_more_calls_those_of_its_new_severity_unless_somebody_has_it() {
    let raise = Command::ChangeSeverity {
        to: SeverityId::new("p1"),
        reason: None,
    };
    let small = nothing()
        .with(team())
        .of(cloudwatch())
        .done(given::declare("slow", "p3"));
    assert!(small.incident().escalation.is_none());
    let raised = small.clone().at(5).by(bob()).done(raise.clone());
    assert!(
        last_lines(&raised, 1).contains("paged @alice"),
        "{}",
        last_lines(&raised, 1)
    );
    // Somebody has it already.
    let had = small
        .at(1)
        .by(alice())
        .done(Command::Acknowledge)
        .at(5)
        .by(bob())
        .done(raise);
    assert!(had.incident().pages.is_empty());
    // What weighs less goes on as it began.
    let lowered = raised.done(Command::ChangeSeverity {
        to: SeverityId::new("p3"),
        reason: None,
    });
    assert_eq!(lowered.incident().pages.len(), 1);
}

#[test]
fn a_reopened_incident_calls_people_only_if_nobody_had_it() {
    let reopen = Command::Reopen { reason: None };
    let resolve = Command::Resolve(Resolution::default());
    let unanswered = declared_p1().at(2).by(bob()).done(resolve.clone());
    assert!(
        unanswered.incident().pages.is_empty(),
        "resolved ends every page"
    );
    let again = unanswered.at(10).done(reopen.clone());
    assert!(last_lines(&again, 1).contains("paged @alice"));
    let had = declared_p1().at(1).by(alice()).done(Command::Acknowledge);
    let again = had.at(2).done(resolve).at(10).done(reopen);
    assert!(again.incident().pages.is_empty());
}

#[test]
fn the_policy_is_the_routes_then_the_services_then_the_severitys() {
    let mut catalog = team();
    let other = |id: &str| EscalationPolicy {
        id: id.into(),
        ..policy()
    };
    catalog
        .escalation_policies
        .extend([other("of-service"), other("of-route")]);
    let service = crate::domain::terms::ServiceId::new("backend");
    catalog.services.push(crate::domain::catalog::Service {
        id: service.clone(),
        name: "Backend".into(),
        owner: None,
        escalation_policy: Some("of-service".into()),
        links: Default::default(),
        runbooks: vec![],
    });
    let chosen = |severity: usize, service, route| {
        let severity = &catalog.severities[severity];
        let policy = catalog.policy_for(severity, service, route);
        policy.map(|policy| policy.id.as_str())
    };
    assert_eq!(chosen(0, None, None), Some("leadership"));
    assert_eq!(chosen(0, Some(&service), None), Some("of-service"));
    assert_eq!(
        chosen(0, Some(&service), Some("of-route")),
        Some("of-route")
    );
    assert_eq!(chosen(3, Some(&service), None), None, "a P4 wakes nobody");
    assert_eq!(chosen(3, None, Some("of-route")), Some("of-route"));
}

#[test]
fn a_postmortem_that_is_due_is_asked_for_a_week_and_not_after_it_is_done() {
    let given = given([declared()])
        .by(ana())
        .at(10)
        .done(Command::Resolve(Resolution::default()));
    let (given, said) = until(given, 60 * 24 * 3);
    insta::assert_snapshot!(said, @"
    1450m The post-mortem was due at 2025-09-15 03:10 UTC and is not done (reminder 1)
    2890m The post-mortem was due at 2025-09-15 03:10 UTC and is not done (reminder 2)
    ");
    let closed = given.clone().by(ana()).done(Command::Close);
    assert_eq!(closed.incident().next_due(), None);
    let (given, said) = until(given, 60 * 24 * 30);
    assert_eq!(said.lines().count(), 5);
    assert_eq!(given.incident().next_due(), None);
}

#[test]
fn a_page_that_was_posted_in_slack_is_ended_there() {
    let accepted = Command::Record(Report::Delivery(Delivery {
        page: 1,
        via: Channel::Slack,
        state: DeliveryState::Accepted,
        provider_id: Some("D0ALICE/1757818800.000100".into()),
        reason: None,
    }));
    let given = declared_p1().at(1).done(accepted.clone());
    let answered = given.by(alice()).also([Event::Acknowledged {
        by: alice(),
        answer: None,
    }]);
    assert!(
        answered
            .orders()
            .contains(r#"end_page at={"channel":"D0ALICE","ts":"1757818800.000100"} page=1"#),
        "{}",
        answered.orders()
    );
    // It was answered by SMS while Slack was still posting.
    let late = declared_p1()
        .at(1)
        .by(alice())
        .done(Command::Acknowledge)
        .of(Actor::Firebell)
        .done(accepted);
    assert!(late.orders().contains("end_page"), "{}", late.orders());
}

#[test]
fn whoever_is_behind_two_targets_of_a_step_is_called_once() {
    let given = declared_with(with_policy(EscalationPolicy {
        steps: vec![step(0, "schedule:primary person:alice role:manager", &[])],
        ..policy()
    }));
    assert_eq!(given.incident().pages.len(), 2);
    let Event::Paged(paged) = &given.events()[1].event else {
        panic!("not paged")
    };
    assert!(matches!(
        &paged.why,
        PageReason::Step {
            hurried: None::<Hurry>,
            ..
        }
    ));
}
