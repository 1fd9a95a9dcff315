//! Calendars of others that feed schedules: what is read in them, against a program that we did not write.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;

use firebell::calendar::read::{Read, read};
use firebell::domain::catalog::Catalog;
use firebell::domain::oncall::Override;
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{TestBot, get};
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
        the time zone “Mars/Olympus” is not known: its times are read in the schedule's
        “bo” begins at no time
        “bo” recurs too often, or since too long ago: it is taken once
        "#);
}

#[test]
fn a_calendar_that_would_take_for_ever_is_read_at_once() {
    let numbers = |to: u32| (0..to).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let at = "DTSTART:19000101T000000Z\nDURATION:PT1H\nSUMMARY:bo\n";
    let (hours, sixty) = (numbers(24), numbers(60));
    let days = "BYDAY=MO,TU,WE,TH,FR,SA,SU";
    let endless = [
        "RRULE:FREQ=SECONDLY;BYHOUR=3;BYMINUTE=0;BYSECOND=0;BYSETPOS=60".to_owned(),
        format!("RRULE:FREQ=YEARLY;{days};BYHOUR={hours};BYMINUTE={sixty};BYSECOND={sixty}"),
    ];
    let endless = |n: usize| event(&format!("{at}{}", endless[n % 2]));
    let mut events: Vec<String> = (0..100).map(endless).collect();
    // A rule that never fits, and as many exceptions as go into a file.
    let never = event(&format!("{at}RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=31"));
    events.extend(vec![never; 100]);
    let excepted = "\nEXDATE:20250101T000000Z".repeat(100_000);
    events.push(event(&format!(
        "DTSTART:20250501T000000Z\nDURATION:PT1H\nSUMMARY:bo\nRRULE:FREQ=HOURLY{excepted}"
    )));
    let begun = std::time::Instant::now();
    let read = of(&events.join("\n"));
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert!(
        read.troubles.iter().any(|it| it.contains("taken once")),
        "{:?}",
        read.troubles
    );
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

/// What is answered: the status, the body, and where it leads; and how often it was asked for.
type Answers = (u16, String, Option<String>, usize);

/// Whoever keeps the rota.
#[derive(Clone, Default)]
struct Rota(Arc<Mutex<Answers>>);

impl Rota {
    fn answers(&self, status: u16, body: &str) {
        let mut it = self.0.lock().unwrap();
        (it.0, it.1) = (status, body.to_owned());
    }

    fn leads_to(&self, address: &str) {
        let mut it = self.0.lock().unwrap();
        (it.0, it.2) = (302, Some(address.to_owned()));
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().3
    }

    /// Serves it. Gives the configuration of a bot that is fed by it.
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rota = self.0.clone();
        let answer = move || {
            let mut it = rota.lock().unwrap();
            it.3 += 1;
            let status = StatusCode::from_u16(it.0).unwrap();
            let location = it.2.clone().unwrap_or_default();
            let headers = [("location", location)];
            let answer = (status, headers, it.1.clone());
            async move { answer }
        };
        let router = axum::Router::new().route("/rota.ics", axum::routing::get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        FED.replace("ROTA_URL", &format!("PORT_{port}"))
    }
}

/// A rota of one event for each line: who, from, to.
fn rota(lines: &[(&str, &str, &str)]) -> String {
    let events = lines.iter().enumerate().map(|(n, (who, from, to))| {
        format!("BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:{from}\r\nDTEND:{to}\r\nSUMMARY:{who}\r\nEND:VEVENT\r\n")
    });
    let events: String = events.collect();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n")
}

impl TestBot {
    /// Who is on call, after whatever calendar is due has been fetched.
    async fn fed(&self) -> String {
        self.app.dispatcher().fetch_calendars().await.unwrap();
        let now = self.clock.now();
        let overrides = self.store.overrides(now).await.unwrap();
        let on_call = self.app.desk().catalog.on_call("primary", now, &overrides);
        on_call.map_or("nobody".to_owned(), |it| it.id.to_string())
    }
}

#[tokio::test]
async fn a_calendar_of_somebody_else_feeds_a_schedule() {
    let rota_of = Rota::default();
    let toml = rota_of.serve().await;
    rota_of.answers(
        200,
        &rota(&[
            ("On call: Ana Ames", "20250914T140000Z", "20250914T200000Z"),
            ("Dave <!here>", "20250914T200000Z", "20250914T220000Z"),
        ]),
    );
    let bot = TestBot::configured(&toml).await;
    // At 14:30 the calendar has Ana; what people say in Slack goes before it.
    assert_eq!(bot.fed().await, "ana");
    bot.types("ana", "general", "/incident override primary now 1h @cy")
        .await;
    assert_eq!(bot.fed().await, "cy");
    bot.advance(SignedDuration::from_hours(1)).await;
    assert_eq!(bot.fed().await, "ana");
    assert_snapshot!(bot.types("ana", "general", "/incident oncall").await, @r#"
        *primary*: <@U0000000001> until <!date^1757880000^{date_short_pretty} {time}|2025-09-14 20:00 UTC>
        • next: <@U0000000002> from <!date^1757887200^{date_short_pretty} {time}|2025-09-14 22:00 UTC>
        • :warning: nobody from <!date^1757880000^{date_short_pretty} {time}|2025-09-14 20:00 UTC> until <!date^1757887200^{date_short_pretty} {time}|2025-09-14 22:00 UTC>; pages go to the fallback, <@U0000000003>
        • :warning: its calendar names “Dave &lt;!here&gt;”, who is nobody in [[people]]: nobody is on call in those turns
        "#);
    assert_snapshot!(get(&bot.url, "/readyz", None).await.1, @r#"
        {"calendars":"degraded: the calendar of primary is old, or not understood as a whole; `/incident oncall` says more","database":"ok","incidents":{"all":0,"open":0},"outbox":{"due":0,"given_up":0,"later":0},"ready":true,"slack":"ok"}
        "#);
    // A stranger's turn is a gap; after it the rotation goes on below the calendar.
    bot.advance(SignedDuration::from_hours(5)).await;
    assert_eq!(bot.fed().await, "nobody");
    bot.advance(SignedDuration::from_hours(2)).await;
    assert_eq!(bot.fed().await, "bo");
    // It is asked for every five minutes, not each time that somebody looks.
    let asked = rota_of.asked();
    assert_eq!(bot.fed().await, "bo");
    assert_eq!(rota_of.asked(), asked);
    rota_of.answers(
        200,
        &rota(&[("di", "20250914T220000Z", "20250915T220000Z")]),
    );
    bot.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(bot.fed().await, "di");
    bot.finish().await;
}

#[tokio::test]
async fn an_address_that_is_away_takes_nobody_off_call() {
    let rota_of = Rota::default();
    let toml = rota_of.serve().await;
    rota_of.answers(500, "");
    let mut bot = TestBot::configured(&toml).await;
    // Nothing was ever read: the rotation counts, and it is told.
    assert_eq!(bot.fed().await, "bo");
    assert_snapshot!(bot.types("ana", "general", "/incident oncall").await, @r#"
        *primary*: <@U0000000002> for the next weeks
        • :warning: its calendar was never read: HTTP 500
        "#);
    let whole = rota(&[("ana", "20250914T140000Z", "20250920T140000Z")]);
    rota_of.answers(200, &whole);
    bot.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(bot.fed().await, "ana");
    for (status, body) in [
        (503, ""),
        (404, "gone"),
        (200, "<html>Sign in</html>"),
        (200, &whole[..120]),
        (200, &"x".repeat(5 * 1024 * 1024)),
    ] {
        rota_of.answers(status, body);
        bot.advance(SignedDuration::from_mins(5)).await;
        assert_eq!(bot.fed().await, "ana", "{status}");
    }
    // Nor is it followed where anybody could change it on the way.
    rota_of.leads_to("http://127.0.0.1:1/rota.ics");
    bot.advance(SignedDuration::from_mins(5)).await;
    assert_eq!(bot.fed().await, "ana");
    bot.advance(SignedDuration::from_hours(2)).await;
    assert_snapshot!(bot.types("ana", "general", "/incident oncall").await, @r#"
        *primary*: <@U0000000001> until <!date^1758376800^{date_short_pretty} {time}|2025-09-20 14:00 UTC>
        • next: <@U0000000002> from <!date^1758376800^{date_short_pretty} {time}|2025-09-20 14:00 UTC>
        • :warning: its calendar was last read 2h30m ago, and may have changed since: it leads to an address without TLS, which is not followed
        "#);
    assert!(!get(&bot.url, "/readyz", None).await.1.contains("geheim"));
    bot = bot.restarted().await;
    assert_eq!(bot.fed().await, "ana");
    // A schedule that is not fed any more is what its rotations say.
    bot.reconfigured(&FED.replace("ical_url_env = \"ROTA_URL\"\n", ""));
    bot = bot.restarted().await;
    assert_eq!(bot.fed().await, "bo");
    bot.finish().await;
}
