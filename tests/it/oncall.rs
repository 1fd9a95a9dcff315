//! Who is on call, as people ask for it and change it in Slack.

use axum::http::Request;
use bytes::Bytes;
use firebell::desk::{Answer, Asked};
use firebell::domain::terms::{PersonId, SlackUserId, Who};
use firebell::simulator::Fault;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::Value;

use crate::harness::{TestBot, build, get};
use crate::peers::{python, told};

/// ana and bo take turns by the week, hand-off on Mondays at 9 in San Francisco; cy is the fallback. The workspace gives
/// ana, bo and cy the ids 1 to 3.
const TURNS: &str = r##"
[organization]
timezone = "America/Los_Angeles"
[slack]
announce = "#incidents"

[[people]]
id = "ana"
name = "Ana <!channel> A"
slack = "U0000000001"
[[people]]
id = "bob"
name = "Bo"
slack = "U0000000002"
timezone = "Europe/Berlin"
[[people]]
id = "cy"
name = "Cy"
slack = "@cy"

[[schedules]]
id = "primary"
fallback = "person:cy"
  [[schedules.rotations]]
  participants = ["person:ana", "person:bob"]
  shift = "1w"
  handoff = "2025-09-08T09:00"

[[schedules]]
id = "office"
name = "Office hours"
  [[schedules.rotations]]
  participants = ["person:bob"]
  shift = "1w"
  handoff = "2025-09-08T09:00"
  hours = "Mon-Fri 09:00-17:00"
"##;

impl TestBot {
    /// Who is on call by what this bot knows.
    async fn on_call(&self, schedule: &str) -> String {
        let now = self.clock.now();
        let overrides = self.store.overrides(now).await.unwrap();
        let desk = self.app.desk();
        let on_call = desk.catalog.on_call(schedule, now, &overrides);
        on_call.map_or("nobody".to_owned(), |it| it.id.to_string())
    }
}

#[tokio::test]
async fn who_is_on_call_and_who_is_next_is_asked_for() {
    let bot = TestBot::configured(TURNS).await;
    assert_snapshot!(bot.types("cy", "general", "/incident oncall").await, @r#"
        *primary*: <@U0000000001> until <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>
        • next: <@U0000000002> from <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>
        :warning: *Office hours*: *nobody is on call* until <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>; there is no fallback: a page would reach nobody
        • next: <@U0000000002> from <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>
        • :warning: nobody from <!date^1757980800^{date_short_pretty} {time}|2025-09-16 00:00 UTC> until <!date^1758038400^{date_short_pretty} {time}|2025-09-16 16:00 UTC>; there is no fallback: a page would reach nobody
        "#);
    assert_snapshot!(bot.types("cy", "general", "/incident oncall PRIMARY").await, @r#"
        *primary*: <@U0000000001> until <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>
        • next: <@U0000000002> from <!date^1757952000^{date_short_pretty} {time}|2025-09-15 16:00 UTC>
        "#);
    assert_snapshot!(bot.types("cy", "general", "/incident oncall primry").await, @"There is no schedule “primry”. Did you mean `primary`?");
    bot.finish().await;
}

#[tokio::test]
async fn somebody_takes_over_and_it_is_undone_by_a_click() {
    let bot = TestBot::configured(TURNS).await;
    let bo = bot.user("bo");
    assert_eq!(bot.on_call("primary").await, "ana");
    let answer = bo
        .types("general", "/incident override primary now 2h")
        .await;
    assert_snapshot!(answer.text(), @r#"
        <@U0000000002> is on call for *primary* from Sun 2025-09-14 16:30 +02:00 to Sun 2025-09-14 18:30 +02:00 (Europe/Berlin) (override 1).
        • instead of <@U0000000001>
        [Undo]
        "#);
    assert_eq!(bot.on_call("primary").await, "bob");
    assert_snapshot!(bot.types("cy", "general", "/incident oncall primary").await, @r#"
        *primary*: <@U0000000002> (override) until <!date^1757867400^{date_short_pretty} {time}|2025-09-14 16:30 UTC>
        • next: <@U0000000001> from <!date^1757867400^{date_short_pretty} {time}|2025-09-14 16:30 UTC>
        "#);
    assert_snapshot!(bot.types("ana", "general", "/incident override list").await, @r#"
        1. *primary*: <@U0000000002>, Sun 2025-09-14 07:30 -07:00 to Sun 2025-09-14 09:30 -07:00 (America/Los_Angeles)
        To withdraw one: `/incident override undo &lt;number&gt;`
        "#);

    let ts = answer.shown[0].ts.clone();
    bot.clicks("bo", "general", &ts, "Undo").await;
    assert_snapshot!(bo.sees()[0].plain_text(), @"Override 1 counts no more: <@U0000000002> for *primary*, Sun 2025-09-14 16:30 +02:00 to Sun 2025-09-14 18:30 +02:00 (Europe/Berlin). On call there now: <@U0000000001>.");
    assert_eq!(bot.on_call("primary").await, "ana");
    assert_snapshot!(bot.types("ana", "general", "/incident override undo 1").await, @"Override 1 was withdrawn by @bo already. `/incident override list` shows those that count.");
    assert_snapshot!(bot.types("ana", "general", "/incident override undo 7").await, @"There is no override 7. `/incident override list` shows them.");
    assert_snapshot!(bot.types("ana", "general", "/incident override list").await, @"No override is in force or to come. To take over: `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user]`");
    bot.finish().await;
}

#[tokio::test]
async fn an_override_counts_in_its_time_and_the_one_made_later_wins() {
    let bot = TestBot::configured(TURNS).await;
    // Sunday, 07:30 in San Francisco.
    let said = bot
        .types(
            "ana",
            "general",
            "/incident override primary today 9:00 12:00 @cy",
        )
        .await;
    assert_snapshot!(said, @r#"
        @Cy is on call for *primary* from Sun 2025-09-14 09:00 -07:00 to Sun 2025-09-14 12:00 -07:00 (America/Los_Angeles) (override 1).
        • instead of <@U0000000001>
        [Undo]
        "#);
    let said = bot
        .types(
            "ana",
            "general",
            "/incident override primary 10:00 11:00 @bo",
        )
        .await;
    assert_snapshot!(said, @r#"
        <@U0000000002> is on call for *primary* from Sun 2025-09-14 10:00 -07:00 to Sun 2025-09-14 11:00 -07:00 (America/Los_Angeles) (override 2).
        • instead of @Cy
        [Undo]
        "#);
    let mut seen = Vec::new();
    for _ in 0..11 {
        seen.push(bot.on_call("primary").await);
        bot.advance(SignedDuration::from_mins(30)).await;
    }
    assert_eq!(seen.join(" "), "ana ana ana cy cy bob bob cy cy ana ana");
    bot.finish().await;
}

#[tokio::test]
async fn times_are_those_of_whoever_types() {
    let bot = TestBot::configured(TURNS).await;
    let said = bot
        .types(
            "bo",
            "general",
            "/incident override primary tomorrow 9:00 19:00",
        )
        .await;
    assert_snapshot!(said, @r#"
        <@U0000000002> is on call for *primary* from Mon 2025-09-15 09:00 +02:00 to Mon 2025-09-15 19:00 +02:00 (Europe/Berlin) (override 1).
        • instead of <@U0000000001>: Mon 2025-09-15 09:00 +02:00 to Mon 2025-09-15 18:00 +02:00 (Europe/Berlin)
        • on call by the plan already: Mon 2025-09-15 18:00 +02:00 to Mon 2025-09-15 19:00 +02:00 (Europe/Berlin)
        [Undo]
        "#);
    // The hand-off is in that stretch.
    let said = bot
        .types(
            "ana",
            "general",
            "/incident override primary 2025-11-02T01:30 2025-11-03 @cy",
        )
        .await;
    assert_snapshot!(said, @r#"
        @Cy is on call for *primary* from Sun 2025-11-02 01:30 -07:00 to Tue 2025-11-04 00:00 -08:00 (America/Los_Angeles) (override 2).
        • instead of <@U0000000002>: Sun 2025-11-02 01:30 -07:00 to Mon 2025-11-03 09:00 -08:00 (America/Los_Angeles)
        • instead of <@U0000000001>: Mon 2025-11-03 09:00 -08:00 to Tue 2025-11-04 00:00 -08:00 (America/Los_Angeles)
        :warning: The clocks show 2025-11-02 01:30 twice; the first is meant: Sun 2025-11-02 01:30 -07:00.
        [Undo]
        "#);
    let said = bot
        .types("ana", "general", "/incident override office tomorrow @cy")
        .await;
    assert_snapshot!(said, @r#"
        @Cy is on call for *office* from Mon 2025-09-15 00:00 -07:00 to Tue 2025-09-16 00:00 -07:00 (America/Los_Angeles) (override 3).
        • where nobody was on call: Mon 2025-09-15 00:00 -07:00 to Mon 2025-09-15 09:00 -07:00 (America/Los_Angeles)
        • instead of <@U0000000002>: Mon 2025-09-15 09:00 -07:00 to Mon 2025-09-15 17:00 -07:00 (America/Los_Angeles)
        • where nobody was on call: Mon 2025-09-15 17:00 -07:00 to Tue 2025-09-16 00:00 -07:00 (America/Los_Angeles)
        [Undo]
        "#);
    bot.finish().await;
}

#[tokio::test]
async fn what_cannot_be_done_says_what_to_do() {
    let bot = TestBot::configured(TURNS).await;
    bot.slack.add_user("mallory");
    let refused = async |line: &str| {
        bot.types("ana", "general", &format!("/incident override {line}"))
            .await
    };
    assert_snapshot!(refused("").await, @"Which schedule, and when? Like this: `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user] | list | undo &lt;number&gt;`");
    assert_snapshot!(refused("primry tomorrow 9:00 17:00").await, @"There is no schedule “primry”. Did you mean `primary`?");
    assert_snapshot!(refused("primary 2025-12-27 2025-12-24").await, @"That ends before it begins. Please put the beginning first, then the end.");
    assert_snapshot!(refused("primary now 5y").await, @"“5y” is no time that I know. Please write it like `tomorrow 9:00 17:00`, `now 2h`, `mon 9:00 fri 17:00`, `2025-12-24 2025-12-27` or `until 18:00`.");
    assert_snapshot!(refused("primary today 6:00 7:00").await, @"That is over already. Please name a time to come: `now 2h`, `tomorrow 9:00 17:00`.");
    assert_snapshot!(refused("primary now 2h @mallory").await, @"<@U0000000004> is not in `[[people]]` of firebell.toml, so no page could reach them. Add them there with their Slack user id, or name somebody whom `/incident contacts` shows.");
    assert_snapshot!(refused("primary now 2h @nobody").await, @"I do not know who “@nobody” is. Like this: `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user] | list | undo &lt;number&gt;`");
    assert_snapshot!(refused("primary now 2h @cy @ana").await, @"One person takes over at a time. Like this: `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user] | list | undo &lt;number&gt;`");
    assert_snapshot!(refused("primary now 2h <!channel> `x`").await, @"“&lt;!channel&gt;” is more than a beginning and an end. Please write it like `tomorrow 9:00 17:00`, `now 2h`, `mon 9:00 fri 17:00`, `2025-12-24 2025-12-27` or `until 18:00`.");
    assert_snapshot!(refused("undo").await, @"Which one shall not count? `/incident override list` shows their numbers. Like this: `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user] | list | undo &lt;number&gt;`");
    let in_force = bot.store.overrides_in_force(bot.clock.now()).await.unwrap();
    assert_eq!(in_force, []);
    bot.finish().await;
}

#[tokio::test]
async fn another_replica_knows_an_override_within_a_second() {
    let bot = TestBot::configured(TURNS).await;
    let (catalog, _) = firebell::config::parse(TURNS, "firebell.toml").unwrap();
    let other = build(&bot.database_url, catalog.clone(), &bot.slack, &bot.clock).await;
    let there = async || {
        let now = bot.clock.now();
        let store = &other.desk().store;
        let overrides = store.overrides(now).await.unwrap();
        catalog
            .on_call("primary", now, &overrides)
            .map(|it| it.id.clone())
    };
    assert_eq!(there().await, Some(PersonId::new("ana")));
    bot.types("bo", "general", "/incident override primary now 2h")
        .await;
    assert_eq!(bot.on_call("primary").await, "bob");
    bot.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(there().await, Some(PersonId::new("bob")));

    // What it withdraws itself it knows at once.
    let who = Who::slack(SlackUserId::new("U0000000001"), "ana");
    let asked = Asked {
        line: "override undo 1",
        who,
        incident: None,
        channel: None,
        delivery: None,
        forms: false,
    };
    let answer = other.desk().ask(asked).await;
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    assert_eq!(there().await, Some(PersonId::new("ana")));
    bot.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(bot.on_call("primary").await, "ana");
    bot.finish().await;
}

#[tokio::test]
async fn a_line_that_slack_sends_twice_makes_one_override() {
    let bot = TestBot::configured(TURNS).await;
    let body = "command=%2Fincident&text=override+primary+now+2h&user_id=U0000000002&user_name=bo&channel_id=C0000000001&channel_name=general&team_id=T0000000001&trigger_id=1.2.abc&response_url=";
    let first = bot.sends("/slack/commands", body).await;
    let again = bot.sends("/slack/commands", body).await;
    assert_eq!((first.0, &first), (200, &again));
    let in_force = bot.store.overrides_in_force(bot.clock.now()).await.unwrap();
    assert_eq!(in_force.len(), 1);
    bot.finish().await;
}

/// What a subscriber's program reads.
async fn read_by_icalendar(text: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("primary.ics");
    std::fs::write(&file, text).unwrap();
    let said = told(python(), "icalendar_peer.py", &[file.to_str().unwrap()]).await;
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn a_schedule_is_served_as_a_calendar_that_others_can_read() {
    let name = "Primary; \\the \\\\ one, with a very long name: ".to_owned() + &"ä".repeat(60);
    let toml = TURNS.replacen(
        "id = \"primary\"",
        &format!(
            "id = \"primary\"\nname = \"{}\"\nical_token_env = \"PRIMARY_TOKEN\"",
            name.replace('\\', "\\\\")
        ),
        1,
    );
    let bot = TestBot::configured(&toml).await;
    let path = "/schedules/primary.ics?token=the+secret+of+PRIMARY_TOKEN";
    let (status, before) = get(&bot.url, path, None).await;
    assert_eq!(status, 200);
    let read = read_by_icalendar(&before).await;
    assert_eq!(read["name"], name);
    let events = read["events"].as_array().unwrap();
    // From the first hand-off, which is less than 30 days ago, for 180 days.
    assert_eq!(events.len(), 27);
    assert_eq!(events[0]["from"], "2025-09-08T16:00:00Z");
    assert_eq!(events[0]["to"], "2025-09-15T16:00:00Z");
    assert_eq!(events[0]["summary"], format!("Ana <!channel> A ({name})"));
    // Winter time: nine in San Francisco is an hour later.
    assert_eq!(events[8]["from"], "2025-11-03T17:00:00Z");
    assert_eq!(events[26]["from"], "2026-03-09T16:00:00Z");

    // An override shows, and the turns that it does not touch keep their names.
    bot.types(
        "ana",
        "general",
        "/incident override primary 2025-09-17 @cy",
    )
    .await;
    let (_, after) = get(&bot.url, path, None).await;
    let read = read_by_icalendar(&after).await;
    let now: Vec<&Value> = read["events"].as_array().unwrap().iter().collect();
    assert_eq!(now.len(), 29);
    assert_eq!(now[2]["summary"], format!("Cy ({name})"));
    let kept: Vec<_> = now
        .iter()
        .filter(|it| events.iter().any(|e| e["uid"] == it["uid"]))
        .collect();
    assert_eq!(
        kept.len(),
        27,
        "bob's turn is cut short and goes on under another name"
    );
    bot.finish().await;
}

#[tokio::test]
async fn a_calendar_is_for_those_who_have_its_address() {
    let toml = TURNS
        .replacen(
            "id = \"primary\"",
            "id = \"primary\"\nical_token_env = \"PRIMARY_TOKEN\"",
            1,
        )
        .replacen(
            "id = \"office\"",
            "id = \"office\"\nical_token_env = \"OFFICE_UNSET\"",
            1,
        );
    let bot = TestBot::configured(&toml).await;
    for (path, status) in [
        ("/schedules/primary.ics", 401),
        ("/schedules/primary.ics?token=", 401),
        (
            "/schedules/primary.ics?token=the+secret+of+PRIMARY_TOKE",
            401,
        ),
        ("/schedules/office.ics?token=", 404),
        ("/schedules/nothing.ics?token=x", 404),
        ("/schedules/primary?token=the+secret+of+PRIMARY_TOKEN", 404),
    ] {
        let (answered, body) = get(&bot.url, path, None).await;
        assert_eq!(answered, status, "{path}: {body}");
        assert!(!body.contains("the secret of"), "{body}");
    }
    // Whoever has it already is told so, for as long as nothing has changed.
    let path = "/schedules/primary.ics?token=the+secret+of+PRIMARY_TOKEN";
    let asked = async |tag: Option<&str>| {
        let mut request = Request::get(format!("{}{path}", bot.url));
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let answer = client
            .request(request.body(Full::default()).unwrap())
            .await
            .unwrap();
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), tag)
    };
    let (status, tag) = asked(None).await;
    assert_eq!(status, 200);
    bot.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(asked(Some(&tag)).await, (304, tag.clone()));
    bot.types("ana", "general", "/incident override primary now 2h @cy")
        .await;
    let (status, changed) = asked(Some(&tag)).await;
    assert_eq!(status, 200);
    assert_ne!(changed, tag);
    bot.finish().await;
}

/// How often the group was written.
fn written(bot: &TestBot) -> usize {
    let calls = bot.slack.calls().into_iter();
    calls
        .filter(|call| call.method == "usergroups.users.update")
        .count()
}

#[tokio::test]
async fn the_user_group_holds_whoever_is_on_call() {
    let toml = TURNS
        .replacen(
            "id = \"primary\"",
            "id = \"primary\"\nusergroup = \"oncall-primary\"",
            1,
        )
        .replacen(
            "id = \"office\"",
            "id = \"office\"\nusergroup = \"@oncall-office\"",
            1,
        );
    let bot = TestBot::configured(&toml).await;
    bot.slack.add_group("oncall-primary", &["bo", "cy"]);
    bot.slack.add_group("oncall-office", &["cy"]);
    let keeps = async || {
        bot.app.dispatcher().keep_groups().await.unwrap();
        (
            bot.slack.group_members("oncall-primary").join(" "),
            written(&bot),
        )
    };
    // At the start; a second look writes nothing, nor asks Slack.
    assert_eq!(keeps().await, ("ana".to_owned(), 1));
    let calls = bot.slack.calls().len();
    assert_eq!(keeps().await, ("ana".to_owned(), 1));
    assert_eq!(bot.slack.calls().len(), calls);
    // On Sunday nobody is on call in the office, and there is no fallback: the group is not emptied.
    assert_eq!(bot.slack.group_members("oncall-office"), ["cy"]);

    bot.types("bo", "general", "/incident override primary now 2h")
        .await;
    assert_eq!(keeps().await, ("bo".to_owned(), 2));
    bot.advance(SignedDuration::from_hours(2)).await;
    assert_eq!(keeps().await, ("ana".to_owned(), 3));
    // The hand-off is on Monday at nine, and so begins the office.
    bot.advance(SignedDuration::from_mins(24 * 60 - 30)).await;
    assert_eq!(keeps().await, ("bo".to_owned(), 5));
    assert_eq!(bot.slack.group_members("oncall-office"), ["bo"]);
    // Another replica finds it as it should be; and one that was changed by hand is put right.
    let (catalog, _) = firebell::config::parse(&toml, "firebell.toml").unwrap();
    let other = build(&bot.database_url, catalog, &bot.slack, &bot.clock).await;
    other.dispatcher().keep_groups().await.unwrap();
    assert_eq!(keeps().await, ("bo".to_owned(), 5));
    bot.slack.regroup("oncall-primary", &["cy"]);
    bot.advance(SignedDuration::from_mins(10)).await;
    other.dispatcher().keep_groups().await.unwrap();
    assert_eq!(keeps().await, ("bo".to_owned(), 6));
    bot.settle().await;
    bot.finish().await;
}

#[tokio::test]
async fn a_group_is_kept_once_slack_is_back() {
    let toml = TURNS.replacen(
        "id = \"primary\"",
        "id = \"primary\"\nusergroup = \"oncall-primary\"",
        1,
    );
    let bot = TestBot::configured(&toml).await;
    bot.slack.add_group("oncall-primary", &["cy"]);
    bot.slack
        .fault("usergroups.users.update", Fault::Status(500), 1);
    bot.app.dispatcher().keep_groups().await.unwrap();
    assert_eq!(bot.slack.group_members("oncall-primary"), ["cy"]);
    bot.clock.advance(SignedDuration::from_mins(1));
    bot.app.dispatcher().keep_groups().await.unwrap();
    assert_eq!(bot.slack.group_members("oncall-primary"), ["ana"]);
    bot.settle().await;
    bot.finish().await;
}
