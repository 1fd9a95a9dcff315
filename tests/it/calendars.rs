//! Calendars of others that feed schedules: what is read in them, against a program that we did not write.

use std::path::Path;

use firebell::calendar::read::{Read, read};
use firebell::domain::catalog::Catalog;
use firebell::domain::oncall::Override;
use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::peers::{python, told};

/// Five people, and a schedule in San Francisco that a calendar feeds.
pub const FED: &str = r##"
[organization]
timezone = "America/Los_Angeles"
[slack]
announce = "#incidents"
[[people]]
id = "ana"
name = "Ana Ames"
slack = "U0000000001"
email = "ana@example.com"
[[people]]
id = "bo"
name = "Bo"
slack = "U0000000002"
[[people]]
id = "cy"
name = "Cy"
slack = "U0000000003"
[[people]]
id = "di"
name = "Di"
email = "di@example.com"
[[schedules]]
id = "primary"
fallback = "person:cy"
ical_url_env = "ROTA_URL"
  [[schedules.rotations]]
  participants = ["person:bo"]
  shift = "1w"
  handoff = "2025-09-01T09:00"
"##;

fn catalog() -> Catalog {
    firebell::config::parse(FED, "firebell.toml").unwrap().0
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What is read in a calendar of these lines within 2025.
fn of(lines: &str) -> Read {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{lines}\nEND:VCALENDAR\n");
    let catalog = catalog();
    read(
        &text.replace('\n', "\r\n"),
        &catalog.schedules[0],
        &catalog,
        at("2025-01-01T00:00:00Z"),
        at("2026-01-01T00:00:00Z"),
    )
    .unwrap()
}

fn event(lines: &str) -> String {
    format!(
        "BEGIN:VEVENT\nUID:{lines}\nEND:VEVENT",
        lines = format_args!("u\n{lines}")
    )
}

#[tokio::test]
async fn recurring_ical_events_reckons_the_same_turns() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/calendars/rota.ics");
    let text = std::fs::read_to_string(&file).unwrap();
    let catalog = catalog();
    let (from, to) = (at("2025-01-01T08:00:00Z"), at("2026-01-01T08:00:00Z"));
    let read = read(
        &text.replace('\n', "\r\n"),
        &catalog.schedules[0],
        &catalog,
        from,
        to,
    )
    .unwrap();
    assert_eq!((read.troubles, read.strangers), (vec![], vec![]));
    let mut ours: Vec<Value> = read
        .turns
        .iter()
        .map(
            |Override {
                 person, from, to, ..
             }| json!([person, from.as_second(), to.as_second()]),
        )
        .collect();
    let key = |it: &Value| {
        (
            it[1].as_i64(),
            it[2].as_i64(),
            it[0].as_str().map(str::to_owned),
        )
    };
    ours.sort_by_key(key);
    let arguments = [
        file.to_str().unwrap(),
        "America/Los_Angeles",
        "2025-01-01",
        "2026-01-01",
    ];
    let said = told(python(), "recurring_peer.py", &arguments).await;
    let theirs: Vec<Value> = serde_json::from_str(&said).unwrap();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() > 50, "{}", ours.len());
}

#[test]
fn a_person_is_found_by_what_calendars_write() {
    let person = |lines: &str| {
        let lines = format!("DTSTART:20250501T000000Z\nDTEND:20250502T000000Z\n{lines}");
        let read = of(&event(&lines));
        format!("{} {:?}", read.turns[0].person, read.strangers)
    };
    for (lines, meant) in [
        ("SUMMARY:ana", "ana []"),
        ("SUMMARY:ANA AMES", "ana []"),
        ("SUMMARY:ana@example.com", "ana []"),
        ("SUMMARY:On Call - Ana Ames - Primary", "ana []"),
        ("SUMMARY:Bo (primary\\, night)", "bo []"),
        (
            "SUMMARY:On call\nATTENDEE;CN=\"Di\";PARTSTAT=ACCEPTED:mailto:d@elsewhere.example",
            "di []",
        ),
        ("SUMMARY:On call\nATTENDEE:MAILTO:Di@Example.com", "di []"),
        (
            "SUMMARY:Bo\nATTENDEE;PARTSTAT=DECLINED:mailto:ana@example.com",
            "bo []",
        ),
        ("SUMMARY:Anastasia", "?Anastasia [\"Anastasia\"]"),
        (
            "DESCRIPTION:x",
            "?an event without a name [\"an event without a name\"]",
        ),
    ] {
        assert_eq!(person(lines), meant, "{lines}");
    }
}

#[test]
fn what_is_not_understood_is_told_and_the_rest_is_read() {
    let read = of(&format!(
        "{}\n{}\n{}\n{}\n{}",
        event("DTSTART;TZID=Mars/Olympus:20250501T000000\nDURATION:PT1H\nSUMMARY:ana"),
        event("SUMMARY:bo"),
        event("DTSTART:20250502T000000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY\nSUMMARY:bo"),
        event("DTSTART:20250503T000000Z\nDTEND:20250501T000000Z\nSUMMARY:cy"),
        event(
            "DTSTART:20250504T000000Z\nDTEND:20250505T000000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31\nSUMMARY:cy"
        ),
    ));
    assert_snapshot!(read.troubles.join("\n"), @r#"
        it has 10001 turns; the first 5000 count
        the time zone “Mars/Olympus” is not known: its times are read in the schedule's
        “bo” begins at no time
        “bo” recurs too often: 10000 times are looked at
        "#);
}

#[test]
fn what_is_no_calendar_says_nothing() {
    let catalog = catalog();
    for text in [
        "",
        "<html>Sign in</html>",
        "BEGIN:VCARD\r\nEND:VCARD\r\n",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x",
    ] {
        let read = read(
            text,
            &catalog.schedules[0],
            &catalog,
            Timestamp::MIN,
            Timestamp::MAX,
        );
        assert!(read.is_err(), "{text}: {read:?}");
    }
}
