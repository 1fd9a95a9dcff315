//! Who is on call, against an independent calculation: Python with its own zones, by the rules as they are written down.

use std::collections::BTreeSet;

use firebell::domain::oncall::{Override, Rotation, Schedule, Stretch};
use firebell::domain::terms::PersonId;
use jiff::civil::{self, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::peers::{python, told};
use crate::scratch::Chance;

/// Zones, and the years in which something happened to their clocks.
const ZONES: [(&str, u64, u64); 17] = [
    ("America/Los_Angeles", 2023, 2026),
    ("Europe/Berlin", 2023, 2026),
    ("Europe/London", 1968, 1973),
    // Winter time is the deviation there.
    ("Europe/Dublin", 2023, 2026),
    // The rules were given up, and in some years began at midnight.
    ("America/Sao_Paulo", 2016, 2020),
    ("Europe/Moscow", 2010, 2015),
    ("Asia/Pyongyang", 2014, 2019),
    // A day was skipped.
    ("Pacific/Apia", 2011, 2012),
    ("Pacific/Kwajalein", 1993, 1994),
    // By half an hour.
    ("Australia/Lord_Howe", 2023, 2026),
    // Back for Ramadan.
    ("Africa/Casablanca", 2022, 2025),
    ("Africa/Cairo", 2010, 2025),
    ("America/Havana", 2022, 2025),
    ("Asia/Kathmandu", 2024, 2025),
    ("Antarctica/Troll", 2023, 2025),
    ("America/Caracas", 2007, 2017),
    ("UTC", 2023, 2025),
];
const SHIFTS: [(&str, i64); 9] = [
    ("1h", 1),
    ("5h", 5),
    ("8h", 8),
    ("12h", 12),
    ("1d", 24),
    ("3d", 72),
    ("1w", 168),
    ("2w", 336),
    ("36h", 36),
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Times at which clocks are moved, and others.
const MINUTES: [u64; 12] = [0, 30, 60, 90, 119, 120, 150, 179, 180, 540, 1_020, 1_380];
const SCHEDULES: usize = 500;

/// One schedule, as Firebell takes it and as it is told to Python.
struct Plan {
    schedule: Schedule,
    overrides: Vec<Override>,
    from: Timestamp,
    to: Timestamp,
    told: Value,
}

fn plan(chance: &mut Chance) -> Plan {
    let (name, first, last) = ZONES[chance.below(ZONES.len() as u64) as usize];
    let zone = TimeZone::get(name).unwrap();
    let year = (first + chance.below(last - first + 1)) as i16;
    let day = civil::date(year, 1, 1).checked_add(jiff::Span::new().days(chance.below(365) as i64));
    let day = match chance.below(4) {
        0 => civil::date(2024, 2, 27),
        // Around a change of the clocks, if the year has one.
        1 | 2 => {
            let begin = civil::date(year, 1, 1)
                .at(0, 0, 0, 0)
                .to_zoned(zone.clone())
                .unwrap();
            let changes: Vec<Timestamp> = zone
                .following(begin.timestamp())
                .take_while(|it| zone.to_datetime(it.timestamp()).year() == year)
                .map(|it| it.timestamp())
                .collect();
            match changes.len() as u64 {
                0 => day.unwrap(),
                n => zone.to_datetime(changes[chance.below(n) as usize]).date(),
            }
        }
        _ => day.unwrap(),
    };
    let near = |chance: &mut Chance, spread: u64| {
        day.checked_sub(jiff::Span::new().days(chance.below(spread) as i64))
            .unwrap()
    };
    let at = |date: civil::Date, minute: u64| -> DateTime {
        date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0)
    };
    let instant = |local: DateTime| local.to_zoned(zone.clone()).unwrap().timestamp();
    let mut rotations = Vec::new();
    let mut told_rotations = Vec::new();
    for layer in 0..=chance.below(3) {
        let people: Vec<String> = (0..=chance.below(4))
            .map(|n| format!("p{layer}{n}"))
            .collect();
        let (shift, shift_hours) = SHIFTS[chance.below(SHIFTS.len() as u64) as usize];
        let handoff = at(near(chance, 12), MINUTES[chance.below(12) as usize]);
        let (hours, told_hours) = match chance.below(3) {
            0 => (None, Value::Null),
            _ => {
                let (begin, length) = (chance.below(7), 1 + chance.below(6));
                let counts: Vec<bool> = (0..7).map(|n| (n + 7 - begin) % 7 < length).collect();
                let names = (0..7).filter(|n| counts[*n]).map(|n| DAYS[n]);
                let names: Vec<&str> = names.collect();
                let from = MINUTES[chance.below(12) as usize];
                let to = match MINUTES[chance.below(12) as usize] {
                    to if to == from => from + 1,
                    0 => 1_440,
                    to => to,
                };
                let clock = |minute: u64| format!("{:02}:{:02}", minute / 60, minute % 60);
                let text = format!("{} {}-{}", names.join(","), clock(from), clock(to));
                let told = json!({ "days": counts, "from_minute": from, "to_minute": to });
                (Some(text.parse().unwrap()), told)
            }
        };
        told_rotations.push(json!({
            "participants": people, "shift_hours": shift_hours, "handoff": handoff.to_string(), "hours": told_hours,
        }));
        rotations.push(Rotation {
            participants: people.into_iter().map(PersonId::new).collect(),
            shift: shift.parse().unwrap(),
            handoff,
            hours,
        });
    }
    let from = instant(at(near(chance, 8), MINUTES[chance.below(12) as usize]));
    let to = from + SignedDuration::from_hours(1 + chance.below(30 * 24) as i64);
    let mut overrides = Vec::new();
    for n in 0..chance.below(5) {
        let begin = from + SignedDuration::from_mins(chance.below(20 * 1_440) as i64 - 1_440);
        overrides.push(Override {
            schedule: "primary".to_owned(),
            person: PersonId::new(format!("o{n}")),
            from: begin,
            to: begin + SignedDuration::from_mins(1 + chance.below(5_000) as i64),
        });
    }
    let told_overrides: Vec<Value> = overrides
        .iter()
        .map(|it| json!({ "person": it.person, "from": it.from.as_second(), "to": it.to.as_second() }))
        .collect();
    let told = json!({
        "zone": name, "rotations": told_rotations, "overrides": told_overrides,
        "from": from.as_second(), "to": to.as_second(),
    });
    let schedule = Schedule {
        id: "primary".to_owned(),
        name: None,
        timezone: zone,
        rotations,
        fallback: None,
        ical_token_env: None,
        ical_url_env: None,
        usergroup: None,
    };
    Plan {
        schedule,
        overrides,
        from,
        to,
        told,
    }
}

fn shown(stretch: &Stretch) -> Value {
    json!([
        stretch.person,
        stretch.from.as_second(),
        stretch.to.as_second()
    ])
}

#[tokio::test]
async fn python_reckons_the_same_people_on_call() {
    let mut chance = Chance::new();
    let plans: Vec<Plan> = (0..SCHEDULES).map(|_| plan(&mut chance)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.json");
    let told_plans: Vec<&Value> = plans.iter().map(|plan| &plan.told).collect();
    std::fs::write(&file, serde_json::to_vec(&told_plans).unwrap()).unwrap();
    let said = told(python(), "oncall_peer.py", &[file.to_str().unwrap()]).await;
    let mut zones = BTreeSet::new();
    let mut lines = said.lines();
    for plan in &plans {
        let theirs: Vec<Value> = serde_json::from_str(lines.next().expect("a line")).unwrap();
        let Plan {
            schedule,
            overrides,
            from,
            to,
            told,
        } = plan;
        let ours = schedule.stretches_between(*from, *to, overrides);
        let shown: Vec<Value> = ours.iter().map(shown).collect();
        let differ = shown
            .iter()
            .zip(&theirs)
            .find(|(ours, theirs)| ours != theirs);
        assert_eq!(differ, None, "ours and Python's: {told}");
        assert_eq!(shown.len(), theirs.len(), "{told}");
        zones.insert(schedule.timezone.iana_name().map(str::to_owned));
        for stretch in &ours {
            // The single moment says the same: at the beginning, in the middle, and at the last second.
            let middle = stretch.from + stretch.to.duration_since(stretch.from) / 2;
            for at in [
                stretch.from,
                middle,
                stretch.to - SignedDuration::from_secs(1),
            ] {
                assert_eq!(
                    schedule.on_call(at, overrides),
                    stretch.person,
                    "{at}: {told}"
                );
            }
        }
    }
    assert_eq!(lines.next(), None);
    assert_eq!(zones.len(), ZONES.len());
}

/// What holds of every plan: whole, in order, one person at a time, and overrides nowhere but in their stretch.
#[test]
fn shifts_and_gaps_are_the_whole_time_and_an_override_stays_in_its_own() {
    let mut chance = Chance::new();
    for _ in 0..SCHEDULES {
        let Plan {
            schedule,
            overrides,
            from,
            to,
            told,
        } = plan(&mut chance);
        let stretches = schedule.stretches_between(from, to, &overrides);
        assert_eq!(stretches.first().map(|it| it.from), Some(from), "{told}");
        assert_eq!(stretches.last().map(|it| it.to), Some(to), "{told}");
        for pair in stretches.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "{told}");
            assert_ne!(pair[0].person, pair[1].person, "{told}");
        }
        let shifts = schedule.shifts_between(from, to, &overrides);
        let with_somebody = stretches.iter().filter(|it| it.person.is_some()).count();
        assert_eq!(shifts.len(), with_somebody, "{told}");
        // Without the overrides nothing changes where none is.
        let is_free = |at: Timestamp| overrides.iter().all(|over| !over.holds(&schedule, at));
        for _ in 0..200 {
            let at = from
                + SignedDuration::from_secs(
                    chance.below(to.duration_since(from).as_secs() as u64) as i64
                );
            if is_free(at) {
                assert_eq!(
                    schedule.on_call(at, &overrides),
                    schedule.on_call(at, &[]),
                    "{at}: {told}"
                );
            } else {
                let last = overrides
                    .iter()
                    .rev()
                    .find(|over| over.holds(&schedule, at))
                    .unwrap();
                assert_eq!(
                    schedule.on_call(at, &overrides).as_ref(),
                    Some(&last.person),
                    "{at}: {told}"
                );
            }
        }
        // Those of another schedule are nobody's business here.
        let foreign: Vec<Override> = overrides
            .iter()
            .map(|it| Override {
                schedule: "secondary".to_owned(),
                ..it.clone()
            })
            .collect();
        assert_eq!(
            schedule.stretches_between(from, to, &foreign),
            schedule.stretches_between(from, to, &[])
        );
    }
}
