//! Groups as the specification tells them.

use super::*;
use crate::domain::alert::Signal;
use crate::domain::terms::{ChannelId, MessageTs};

fn second(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + n)
}

fn routed(then: Then) -> Routed {
    Routed {
        group: GroupId::new("grp-1"),
        then,
        channel: None,
        service: None,
        severity: None,
        urgency: 0,
        values: BTreeMap::new(),
        join: None,
        escalation_policy: None,
        suppressed_by: None,
        hold: None,
    }
}

fn named(title: &str) -> Alert {
    Alert {
        key: DedupKey::new(title),
        signal: Signal::Firing,
        name: "n".into(),
        title: title.into(),
        description: None,
        severity: None,
        labels: BTreeMap::new(),
        links: Links::default(),
        remark: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
    }
}

struct Told {
    group: Group,
    routed: Routed,
}

impl Told {
    fn new(then: Then) -> Self {
        let routed = routed(then);
        Self {
            group: Group::new(&routed, "prometheus", second(0)),
            routed,
        }
    }

    /// What is ordered when an alert of this title changes at this second.
    fn hears(&mut self, at: i64, title: &str, change: Change, flaps: bool) -> Vec<String> {
        let alert = named(title);
        let flaps_until = flaps.then(|| second(at) + SignedDuration::from_mins(30));
        let orders = self.group.take(
            &self.routed,
            ("prometheus", &alert),
            change,
            flaps_until,
            second(at),
        );
        shown(&orders)
    }

    /// An alert begins that says this besides.
    fn begins(&mut self, at: i64, key: &str, description: &str) {
        let mut alert = named(key);
        alert.description = Some(description.to_owned());
        let told = ("prometheus", &alert);
        self.group
            .take(&self.routed, told, Change::Began, None, second(at));
    }

    fn learns(&mut self, at: i64, report: &GroupReport) -> Vec<String> {
        shown(&self.group.learn(report, second(at)))
    }
}

fn shown(orders: &[Order]) -> Vec<String> {
    let show = |order: &Order| match order {
        Order::Do { effect, due } => {
            let due = due.duration_since(second(0)).as_secs();
            format!("{effect:?} at {due}")
        }
        Order::Cancel { key } => format!("cancel {key}"),
    };
    orders.iter().map(show).collect()
}

fn card() -> GroupReport {
    GroupReport::CardPosted(MessageRef {
        channel: ChannelId::new("C1"),
        ts: MessageTs::new("1.2"),
    })
}

fn opened(round: u32, id: &str) -> GroupReport {
    GroupReport::IncidentOpened {
        round,
        incident: IncidentId::new(id),
    }
}

#[test]
fn a_room_that_is_to_look_again_looks_in_a_minute_and_no_later_than_it_would_have() {
    for (until, wanted) in [(3_600, 160), (130, 130), (90, 100)] {
        let mut it = Told::new(Then::Declare);
        it.routed.hold = Some(Hold::Maintenance {
            name: "Database move".into(),
            until: second(until),
        });
        assert_eq!(
            it.hears(0, "a", Change::Began, false),
            [format!("ReleaseAlerts at {until}")]
        );
        let looks = it.learns(100, &GroupReport::LookAgain);
        assert_eq!(looks, [format!("ReleaseAlerts at {wanted}")]);
        it.hears(110, "a", Change::Ended, false);
        assert_eq!(
            it.learns(120, &GroupReport::LookAgain),
            [""; 0],
            "it is empty"
        );
    }
}

#[test]
fn what_a_list_leaves_out_is_counted() {
    let mut it = Told::new(Then::Declare);
    for n in 0..4 {
        it.hears(n, &n.to_string(), Change::Began, false);
    }
    // That one of them has begun anew leaves none out.
    it.hears(5, "0", Change::Ended, false);
    it.hears(6, "0", Change::Began, false);
    let left_out = |it: &Told| {
        let Group {
            samples,
            firing,
            total,
            ..
        } = &it.group;
        unnamed(samples, *firing, *total)
    };
    assert_eq!((it.group.total, left_out(&it)), (5, 0));
    for n in 4..9 {
        it.hears(10 + n, &n.to_string(), Change::Began, false);
    }
    assert_eq!((it.group.total, left_out(&it)), (10, 5));
}

#[test]
fn a_title_that_several_share_is_named_once() {
    let mut it = Told::new(Then::Declare);
    for (key, title) in [("a", "disk"), ("b", "disk"), ("c", "memory")] {
        it.hears(0, key, Change::Began, false);
        it.group.samples[0].title = title.to_owned();
    }
    let tally = it.group.tally(second(1));
    let titles = tally.titles(&tally.turned_since(None), true);
    assert_eq!(titles.as_deref(), Some("memory; disk"));
}

#[test]
fn what_is_left_of_a_round_is_told_with_its_own_title_and_source() {
    let mut it = Told::new(Then::Declare);
    it.hears(0, "disk", Change::Began, false);
    it.hears(1, "memory", Change::Began, false);
    it.learns(2, &opened(1, "INC-1"));
    it.hears(3, "disk", Change::Ended, false);
    let before = it.group.tally(second(3));
    assert_eq!(before.turned_since(Some(&before)), []);
    assert_eq!(
        before.titles(&before.turned_since(None), false).as_deref(),
        Some("disk")
    );
    it.learns(
        4,
        &GroupReport::IncidentOver {
            incident: IncidentId::new("INC-1"),
        },
    );
    let after = it.group.tally(second(4));
    assert_eq!((after.title.as_str(), after.total), ("memory", 1));
    assert_eq!(sources(&after.samples, "own"), "prometheus");
    assert_eq!(sources(&[], "own"), "own");
}

#[test]
fn what_a_condition_says_is_what_it_said_when_it_last_began() {
    let mut it = Told::new(Then::Notify);
    it.begins(0, "backup", "never heard");
    it.hears(60, "backup", Change::Ended, false);
    it.begins(120, "other", "of another");
    assert_eq!(it.group.description.as_deref(), Some("never heard"));
    it.begins(180, "backup", "last heard at 07:37");
    assert_eq!(it.group.description.as_deref(), Some("last heard at 07:37"));
    assert_eq!(it.group.title, "backup");
}

#[test]
fn what_is_left_of_a_round_is_not_told_with_the_words_of_another() {
    let mut it = Told::new(Then::Declare);
    it.begins(0, "disk", "it is full");
    it.begins(1, "memory", "none is free");
    it.learns(2, &opened(1, "INC-1"));
    let over = GroupReport::IncidentOver {
        incident: IncidentId::new("INC-1"),
    };
    it.learns(3, &over);
    let said = (it.group.title.as_str(), &it.group.description);
    assert_eq!(said, ("memory", &None));
}

#[test]
fn a_card_that_is_part_of_an_incident_goes_on_saying_what_fires() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    let attached = GroupReport::Attached {
        incident: IncidentId::new("INC-7"),
    };
    it.learns(60, &attached);
    let both = |at: i64| {
        let told = ["TellIncidentOfAlerts", "RefreshAlertCard"];
        told.map(|effect| format!("{effect} at {at}"))
    };
    // At its pace, as that of any other.
    assert_eq!(it.hears(60, "b", Change::Began, false), both(66));
    assert_eq!(it.hears(61, "c", Change::Began, false), [""; 0]);
    for key in ["a", "b"] {
        it.hears(90, key, Change::Ended, false);
    }
    assert_eq!(it.hears(200, "c", Change::Ended, false), both(200));
    assert_eq!(it.group.firing, 0);
}

#[test]
fn a_storm_is_one_card_that_is_edited_at_most_once_a_second() {
    let mut it = Told::new(Then::Notify);
    assert_eq!(
        it.hears(0, "a0", Change::Began, false),
        ["PostAlertCard at 0"]
    );
    assert_eq!(
        it.hears(0, "a1", Change::Began, false),
        ["RefreshAlertCard at 1"]
    );
    for n in 2..1_000 {
        assert_eq!(it.hears(0, &format!("a{n}"), Change::Began, false), [""; 0]);
    }
    // What was ordered has been done: the next is a second later.
    assert_eq!(
        it.hears(1, "b", Change::Began, false),
        ["RefreshAlertCard at 2"]
    );
    assert_eq!(
        it.hears(5, "c", Change::Ended, false),
        ["RefreshAlertCard at 5"]
    );
    assert_eq!((it.group.firing, it.group.total), (1_000, 1_001));
    assert_eq!(it.group.samples.len(), SAMPLES);
}

#[test]
fn what_lasts_is_told_less_often() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.hears(300, "b", Change::Began, false);
    assert_eq!(
        it.hears(300, "c", Change::Began, false),
        ["RefreshAlertCard at 330"]
    );
    it.hears(3_600, "d", Change::Began, false);
    assert_eq!(
        it.hears(3_600, "e", Change::Began, false),
        ["RefreshAlertCard at 3660"]
    );
}

#[test]
fn repetitions_order_nothing() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    let before = it.group.clone();
    assert_eq!(it.hears(9, "a", Change::Counted, false), [""; 0]);
    assert_eq!(it.hears(9, "a", Change::Late, false), [""; 0]);
    assert_eq!(it.group, before);
}

#[test]
fn what_flaps_is_told_once_then_counted_and_told_again_when_it_rests() {
    let mut it = Told::new(Then::Declare);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &opened(1, "INC-1"));
    assert_eq!(
        it.hears(60, "a", Change::Ended, true),
        ["TellIncidentOfAlerts at 60"]
    );
    assert!(it.group.tally(second(60)).is_flapping);
    // From here on it is counted, every five minutes at the most.
    assert_eq!(
        it.hears(70, "a", Change::Began, true),
        ["TellIncidentOfAlerts at 360"]
    );
    for turn in 8..30 {
        let change = [Change::Ended, Change::Began][turn as usize % 2];
        assert_eq!(it.hears(turn * 10, "a", change, true), [""; 0]);
    }
    // Told while it flaps, it is told again, until it has rested for half an hour.
    assert_eq!(
        it.learns(360, &GroupReport::ToldFlapping),
        ["TellIncidentOfAlerts at 660"]
    );
    assert_eq!(it.learns(361, &GroupReport::ToldFlapping), [""; 0]);
    let rests = 290 + 1_800;
    assert_eq!(
        it.learns(rests - 9, &GroupReport::ToldFlapping),
        [format!("TellIncidentOfAlerts at {rests}")]
    );
    assert!(!it.group.tally(second(rests)).is_flapping);
    assert_eq!(it.learns(rests, &GroupReport::ToldFlapping), [""; 0]);
    // Another alert of the group is news all the while.
    it.hears(3_000, "a", Change::Ended, true);
    assert_eq!(
        it.hears(3_100, "b", Change::Began, false),
        ["TellIncidentOfAlerts at 3100"]
    );
}

#[test]
fn a_card_lasts_for_a_while_and_then_there_is_a_new_one() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    it.hears(60, "a", Change::Ended, false);
    assert_eq!(
        it.hears(120, "a", Change::Began, false),
        ["RefreshAlertCard at 120"]
    );
    it.hears(180, "a", Change::Ended, false);
    assert_eq!(
        it.hears(7_200, "a", Change::Began, false),
        ["PostAlertCard at 7200"]
    );
    assert_eq!(
        (it.group.round, it.group.total, &it.group.card),
        (2, 1, &None)
    );
}

#[test]
fn an_incident_is_opened_once_and_told_of_the_rest() {
    let mut it = Told::new(Then::Declare);
    assert_eq!(
        it.hears(0, "a", Change::Began, false),
        ["DeclareForAlerts at 0"]
    );
    assert_eq!(
        it.learns(1, &opened(1, "INC-1")),
        ["TellIncidentOfAlerts at 1"]
    );
    // The answer comes twice.
    assert_eq!(it.learns(2, &opened(1, "INC-1")), [""; 0]);
    assert_eq!(
        it.hears(9, "b", Change::Began, false),
        ["TellIncidentOfAlerts at 9"]
    );
    // However long all is over: people end an incident, not the silence of its alerts.
    it.hears(20, "a", Change::Ended, false);
    it.hears(20, "b", Change::Ended, false);
    assert_eq!(
        it.hears(90_000, "c", Change::Began, false),
        ["TellIncidentOfAlerts at 90000"]
    );
    assert_eq!(it.group.round, 1);
}

#[test]
fn what_begins_after_the_end_of_its_incident_opens_another() {
    let mut it = Told::new(Then::Declare);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &opened(1, "INC-1"));
    it.hears(2, "a", Change::Ended, false);
    it.hears(60, "b", Change::Began, false);
    let over = GroupReport::IncidentOver {
        incident: IncidentId::new("INC-1"),
    };
    assert_eq!(it.learns(61, &over), ["DeclareForAlerts at 61"]);
    assert_eq!(it.learns(62, &over), [""; 0]);
    assert_eq!(it.group.title, "b");
    assert_eq!((it.group.round, it.group.firing, it.group.total), (2, 1, 1));
    // What the first declaration brought back comes late, and is of the first.
    assert_eq!(it.learns(63, &opened(1, "INC-1")), [""; 0]);
    assert_eq!(it.group.delivery().as_str(), "alerts/grp-1/1000000000/2");
    // Of before that was remembered.
    it.group.first_heard_at = None;
    assert_eq!(it.group.delivery().as_str(), "alerts/grp-1/2");
}

#[test]
fn a_group_is_at_rest_when_nothing_that_it_knows_matters_any_more() {
    let limit = CutOffAfter {
        incidents: 2,
        within: SignedDuration::from_hours(24),
    };
    let mut it = Told::new(Then::Declare);
    it.hears(0, "a", Change::Began, false);
    let rests = |group: &Group, at| group.is_at_rest(limit, second(at));
    assert!(!rests(&it.group, 900_000), "it fires, however long");
    it.hears(10, "a", Change::Ended, false);
    assert!(!rests(&it.group, 1_800), "its card may be gone on with");
    assert!(rests(&it.group, 2_000));
    let with = |change: fn(&mut Group)| {
        let mut group = it.group.clone();
        change(&mut group);
        [rests(&group, 50_000), rests(&group, 90_000)]
    };
    let later = [false, true];
    assert_eq!(with(|it| it.declared.push(second(0))), later);
    assert_eq!(with(|it| it.snoozed_until = Some(second(80_000))), later);
    assert_eq!(with(|it| it.flaps_until = Some(second(80_000))), later);
    assert_eq!(with(|it| it.cut_off_until = Some(second(80_000))), later);
}

fn quieted(round: u32) -> GroupReport {
    GroupReport::Quieted {
        round,
        incident: IncidentId::new("INC-9"),
    }
}

fn unquieted() -> GroupReport {
    GroupReport::Unquieted {
        incident: IncidentId::new("INC-9"),
    }
}

#[test]
fn what_a_more_urgent_incident_quiets_is_counted_there_and_told_when_that_is_over() {
    for (then, first) in [
        (Then::Declare, "DeclareForAlerts"),
        (Then::Notify, "PostAlertCard"),
    ] {
        let mut it = Told::new(then);
        assert_eq!(
            it.hears(0, "a", Change::Began, false),
            [format!("{first} at 0")]
        );
        assert_eq!(it.learns(1, &quieted(1)), ["TellIncidentOfAlerts at 1"]);
        assert!(it.group.tally(second(1)).is_quieted);
        it.hears(9, "b", Change::Began, false);
        it.hears(10, "a", Change::Ended, false);
        assert_eq!(
            it.hears(30, "c", Change::Began, false),
            ["TellIncidentOfAlerts at 30"]
        );
        assert_eq!(it.learns(60, &unquieted()), [format!("{first} at 60")]);
        assert_eq!(it.learns(61, &unquieted()), [""; 0]);
        assert_eq!((it.group.round, it.group.firing, it.group.total), (2, 2, 2));
        assert!(!it.group.tally(second(1)).is_quieted);
        // What the first round brought back comes late.
        assert_eq!(it.learns(62, &quieted(1)), [""; 0]);
    }
}

#[test]
fn what_has_ended_while_it_was_quiet_is_not_told_and_what_begins_next_is() {
    let mut it = Told::new(Then::Declare);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &quieted(1));
    it.hears(9, "a", Change::Ended, false);
    assert_eq!(it.learns(60, &unquieted()), [""; 0]);
    assert_eq!(
        it.hears(70, "b", Change::Began, false),
        ["DeclareForAlerts at 70"]
    );
    assert_eq!((it.group.title.as_str(), it.group.total), ("b", 1));
}

#[test]
fn what_grows_more_urgent_while_it_is_quiet_asks_anew() {
    let mut it = Told::new(Then::Declare);
    it.routed.urgency = 2;
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &quieted(1));
    it.hears(9, "b", Change::Began, false);
    it.routed.urgency = 0;
    assert_eq!(
        it.hears(20, "c", Change::Began, false),
        ["DeclareForAlerts at 20"]
    );
    assert_eq!((it.group.firing, it.group.title.as_str()), (3, "c"));
}

#[test]
fn what_declares_too_many_incidents_is_cut_off_and_counted_until_somebody_or_time_lets_it_go_on() {
    let limit = CutOffAfter {
        incidents: 2,
        within: SignedDuration::from_secs(600),
    };
    let mut it = Told::new(Then::Declare);
    assert_eq!(
        it.group.runs_away(limit, second(0)),
        None,
        "the first is declared"
    );
    it.hears(0, "a", Change::Began, false);
    for (round, at) in [(1, 10), (2, 60)] {
        let id = format!("INC-{round}");
        assert_eq!(it.group.runs_away(limit, second(at)), None);
        it.learns(at, &opened(round, &id));
        let incident = IncidentId::new(id);
        it.learns(at + 20, &GroupReport::IncidentOver { incident });
    }
    let until = it.group.runs_away(limit, second(90)).unwrap();
    assert_eq!(until, second(690));
    let cut = GroupReport::CutOff { round: 3, until };
    assert_eq!(
        it.learns(90, &cut),
        ["TellOfCutOff at 90", "DeclareForAlerts at 690"]
    );
    assert_eq!(it.hears(100, "b", Change::Began, false), [""; 0]);
    assert_eq!(it.group.firing, 2, "it is counted");
    let mut later = Told {
        group: it.group.clone(),
        routed: it.routed.clone(),
    };
    assert_eq!(
        it.learns(120, &GroupReport::Resumed),
        ["DeclareForAlerts at 120"]
    );
    assert_eq!(it.learns(121, &GroupReport::Resumed), [""; 0]);
    // The others end meanwhile: nothing is left to tell, and what begins next is.
    later.hears(200, "a", Change::Ended, false);
    later.hears(200, "b", Change::Ended, false);
    assert_eq!(later.learns(690, &GroupReport::Resumed), [""; 0]);
    assert_eq!(
        later.hears(700, "c", Change::Began, false),
        ["DeclareForAlerts at 700"]
    );
    assert_eq!(later.group.runs_away(limit, second(700)), None);
}

#[test]
fn people_make_a_card_part_of_an_incident() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    let attached = GroupReport::Attached {
        incident: IncidentId::new("INC-7"),
    };
    assert_eq!(
        it.learns(60, &attached),
        ["TellIncidentOfAlerts at 60", "RefreshAlertCard at 60"]
    );
    assert_eq!(it.learns(61, &attached), [""; 0]);
    assert_eq!(
        it.hears(90, "b", Change::Began, false),
        ["TellIncidentOfAlerts at 90", "RefreshAlertCard at 90"]
    );
}

#[test]
fn what_is_snoozed_is_told_once_when_that_is_over() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    let until = second(3_600);
    let snoozed = GroupReport::Snoozed { until };
    assert_eq!(it.learns(60, &snoozed), ["RefreshAlertCard at 60"]);
    assert_eq!(
        it.hears(90, "b", Change::Began, false),
        ["RefreshAlertCard at 3600"]
    );
    assert_eq!(it.hears(95, "c", Change::Began, false), [""; 0]);
    assert_eq!(
        it.hears(3_700, "d", Change::Began, false),
        ["RefreshAlertCard at 3700"]
    );
}

#[test]
fn what_is_over_while_it_is_snoozed_shows_at_once() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    it.learns(
        60,
        &GroupReport::Snoozed {
            until: second(3_600),
        },
    );
    it.hears(90, "b", Change::Began, false);
    assert_eq!(it.hears(95, "a", Change::Ended, false), [""; 0]);
    assert_eq!(
        it.hears(99, "b", Change::Ended, false),
        ["RefreshAlertCard at 99"]
    );
    // What fires again is silent as before.
    assert_eq!(
        it.hears(120, "a", Change::Began, false),
        ["RefreshAlertCard at 3600"]
    );
}

#[test]
fn the_first_who_takes_alerts_over_has_them() {
    let mut it = Told::new(Then::Notify);
    it.hears(0, "a", Change::Began, false);
    it.learns(1, &card());
    let takes = |name: &str| {
        let by = Who {
            slack: None,
            name: name.to_owned(),
        };
        GroupReport::Acknowledged { by }
    };
    assert_eq!(it.learns(60, &takes("ana")), ["RefreshAlertCard at 60"]);
    assert_eq!(it.learns(61, &takes("bo")), [""; 0]);
    assert_eq!(it.group.acknowledged_by.unwrap().name, "ana");
}

#[test]
fn what_is_suppressed_is_kept_and_not_told() {
    let mut it = Told::new(Then::Suppress);
    assert_eq!(it.hears(0, "a", Change::Began, false), [""; 0]);
    assert_eq!(it.hears(9, "a", Change::Ended, false), [""; 0]);
    assert_eq!(it.group.total, 1);
}
