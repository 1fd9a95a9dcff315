//! Alerts in the house: they open incidents, feed them and calm them, or stand on a card.

use std::collections::BTreeMap;

use firebell::domain::alert::{Alert, Links, Signal};
use firebell::domain::remark::Remark;
use firebell::domain::terms::{DedupKey, IncidentId, Status};
use firebell::domain::timeline::tell;
use firebell::intake::{Request, Taken};
use firebell::store::incidents::Which;
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::harness::{TestBot, minutes};

const TOML: &str = r##"
    [slack]
    announce = "#incidents"

    [[services]]
    id = "checkout"
    name = "Checkout"

    [[services]]
    id = "search"
    name = "Search"

    [[routes]]
    match = { severity = "critical" }
    service = "{{ labels.service }}"
    then = "declare"
    group_by = ["service"]

    [[routes]]
    match = { severity = "info" }
    then = "suppress"

    [[routes]]
    match = { severity = "warning" }
    then = "notify"
    channel = "#general"
"##;
const ID: &str = "INC-2025-0914-001";
const ROOM: &str = "incident-2025-0914-001";

fn alert(key: &str, severity: &str, signal: Signal) -> Alert {
    let labels = [
        ("severity", severity),
        ("service", "checkout"),
        ("instance", key),
    ];
    Alert {
        key: DedupKey::new(key),
        signal,
        name: "HighErrorRate".into(),
        title: format!("5xx above 5 % on {key}"),
        description: Some("The checkout answers with errors.".into()),
        severity: Some(severity.into()),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        links: Links {
            runbook: Some("https://runbooks.example.com/checkout".into()),
            ..Links::default()
        },
        remark: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
    }
}

#[tokio::test]
async fn a_deploy_stands_on_the_timelines_of_the_incidents_that_it_concerns() {
    let bot = TestBot::with_routes().await;
    let change = |title: &str, service: &str, minutes: i64| {
        let mut change = alert(title, "low", Signal::Noted);
        change.title = title.to_owned();
        // The first route reads the service of what is critical.
        change.labels.insert("severity".into(), "critical".into());
        change.labels.insert("service".into(), service.into());
        change.labels.insert("user".into(), "deploybot".into());
        change.links.origin = Some("https://ci.example.com/412".into());
        change.started_at = Some(bot.clock.now() - SignedDuration::from_mins(minutes));
        change
    };
    let intake = bot.app.desk().intake.as_ref().unwrap();
    // No route takes what has no severity: then it is of the service that it names.
    let mut unrouted = change("Flipped a flag", "Checkout", 25);
    unrouted.labels.remove("severity");
    unrouted.severity = None;
    for change in [
        unrouted,
        change("Deployed checkout 412", "checkout", 29),
        change("Deployed checkout 411", "checkout", 31),
        change("Deployed search 7", "search", 5),
        change("Moved a cable", "nobody knows", 20),
    ] {
        // Told twice, it is one.
        intake.change("pager", change.clone()).await.unwrap();
        intake.change("pager", change).await.unwrap();
    }
    let look = async || {
        for _ in 0..2 {
            bot.app.dispatcher().tell_of_changes().await.unwrap();
        }
        bot.settle().await;
    };
    look().await;
    bot.hears(vec![alert("a", "critical", Signal::Firing)])
        .await;
    look().await;
    // While it lasts, too.
    bot.clock.advance(minutes(45));
    intake
        .change("pager", change("Rolled checkout back", "checkout", 0))
        .await
        .unwrap();
    look().await;
    let changes: Vec<_> = bot
        .store
        .events_after(&IncidentId::new(ID), 0)
        .await
        .unwrap()
        .iter()
        .map(|row| tell(&row.recorded().unwrap()))
        .filter(|told| told.text.starts_with("Changed: "))
        .map(|told| format!("{} {}: {}", told.happened_at, told.actor, told.text))
        .collect();
    assert_snapshot!(changes.join("\n"), @r"
    2025-09-14T14:01:00Z pager: Changed: Deployed checkout 412 (service checkout)
    By deploybot
    https://ci.example.com/412
    2025-09-14T14:05:00Z pager: Changed: Flipped a flag (service checkout)
    By deploybot
    https://ci.example.com/412
    2025-09-14T15:15:00Z pager: Changed: Rolled checkout back (service checkout)
    By deploybot
    https://ci.example.com/412
    ");
    bot.finish_unread().await;
}

impl TestBot {
    /// A bot with the routes of these tests.
    async fn with_routes() -> Self {
        Self::configured(TOML).await
    }

    /// A source says this.
    async fn hears(&self, alerts: Vec<Alert>) -> Taken {
        self.hears_from("prometheus", alerts).await
    }

    /// That source says this.
    async fn hears_from(&self, source: &str, alerts: Vec<Alert>) -> Taken {
        let request = Request {
            source: source.into(),
            alerts,
            delivery: None,
            content_type: "application/json".into(),
            heading: String::new(),
            body: "{}".into(),
        };
        let intake = self.app.desk().intake.as_ref().unwrap();
        let taken = intake.take(request).await.unwrap();
        self.settle().await;
        taken
    }

    async fn fires(&self, key: &str) -> Taken {
        self.hears(vec![alert(key, "critical", Signal::Firing)])
            .await
    }

    async fn ends(&self, key: &str) -> Taken {
        self.hears(vec![alert(key, "critical", Signal::Resolved)])
            .await
    }

    fn message(&self, channel: &str, ts: &str) -> String {
        let channel = self.channel(channel);
        let mut messages = channel.messages.iter();
        messages.find(|it| it.ts == ts).unwrap().plain_text()
    }
}

#[tokio::test]
async fn an_alert_opens_an_incident_feeds_it_and_calms_it() {
    let bot = TestBot::with_routes().await;
    bot.fires("pod-1").await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.title, "5xx above 5 % on pod-1");
    assert_eq!(incident.service.as_ref().unwrap().as_str(), "checkout");
    assert_eq!((incident.commander(), incident.firing()), (None, Some(1)));
    assert_snapshot!(bot.reads("incidents"), @r#"
        :rotating_light: *INCIDENT DECLARED - P1*
        *5xx above 5 % on pod-1*
        *Incident ID:* INC-2025-0914-001
        *Service:* Checkout
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Incident Commander:* nobody
        *Status:* Investigating
        *War room:* <#C0000000004>
        "#);
    assert_snapshot!(bot.reads(ROOM), @r#"
        :rotating_light: *INCIDENT - P1*
        *5xx above 5 % on pod-1*
        *Incident ID:* INC-2025-0914-001
        *Service:* Checkout
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Alert:* 5xx above 5 % on pod-1 (prometheus)
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>

        *Initial assessment:* The checkout answers with errors.

        <https://runbooks.example.com/checkout|Runbook>
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    let card = bot.card(ROOM);

    // More of it: one incident, one card with a count.
    bot.clock.advance(minutes(1));
    bot.fires("pod-2").await;
    bot.fires("pod-2").await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.message(ROOM, &card), @r#"
        :rotating_light: *INCIDENT - P1*
        *5xx above 5 % on pod-1*
        *Incident ID:* INC-2025-0914-001
        *Service:* Checkout
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Alerts:* 2 firing, 2 so far (prometheus)
        :small_red_triangle: 5xx above 5 % on pod-2
        :small_red_triangle: 5xx above 5 % on pod-1
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>

        *Initial assessment:* The checkout answers with errors.

        <https://runbooks.example.com/checkout|Runbook>
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    assert_eq!(bot.reads(ROOM), "");

    // Whoever answers first leads.
    bot.user("bo").joins(ROOM).await;
    bot.types("bo", ROOM, "/incident ack").await;
    assert_eq!(bot.incident(ID).await.commander().unwrap().name, "bo");
    bot.slack.mark_read();

    // All over: that is said, and people resolve.
    bot.ends("pod-1").await;
    bot.ends("pod-2").await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.reads(ROOM), @":white_check_mark: All alerts are over, the last: *5xx above 5 % on pod-2*. If users are fine too: `/incident resolve`.");
    assert_eq!(bot.incident(ID).await.status, Status::Investigating);
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.reads(ROOM), @":bell: Firing again: *5xx above 5 % on pod-1* (1 now, 3 so far, from prometheus)");
    assert_snapshot!(bot.types("bo", ROOM, "/incident timeline").await, @r#"
        *Timeline of INC-2025-0914-001: 5xx above 5 % on pod-1*
        <!date^1757860200^{time}|14:30 UTC> Declared P1 - Critical: 5xx above 5 % on pod-1 (service checkout) _prometheus_
        > The checkout answers with errors.
        <!date^1757860200^{time}|14:30 UTC> Alert from prometheus: 5xx above 5 % on pod-1 _prometheus_
        <!date^1757860260^{time}|14:31 UTC> 2 alerts fire, 2 so far: 5xx above 5 % on pod-2 _prometheus_
        <!date^1757860320^{time}|14:32 UTC> Acknowledged by @bo _bo_
        <!date^1757860320^{time}|14:32 UTC> Incident Commander: @bo _bo_
        <!date^1757860320^{time}|14:32 UTC> One alert fires, 2 so far; over: 5xx above 5 % on pod-1 _prometheus_
        <!date^1757860332^{time}|14:32 UTC> All alerts are over, the last: 5xx above 5 % on pod-2 _prometheus_
        <!date^1757860380^{time}|14:33 UTC> Firing again: 5xx above 5 % on pod-1 _prometheus_
        "#);
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_storm_is_one_incident_with_one_counted_card() {
    let bot = TestBot::with_routes().await;
    for round in 0..10 {
        let storm =
            (0..100).map(|n| alert(&format!("pod-{round}-{n}"), "critical", Signal::Firing));
        bot.hears(storm.collect()).await;
    }
    bot.advance(minutes(2)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    let incident = bot.incident(ID).await;
    assert_eq!(incident.firing(), Some(1_000));
    // Its record holds what changed, not each alert.
    assert!(incident.version < 20, "{}", incident.version);
    assert!(
        bot.message(ROOM, &bot.card(ROOM))
            .contains("1000 firing, 1000 so far")
    );
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_incident_that_an_alert_declared_leads_where_the_alert_leads() {
    let bot = TestBot::with_routes().await;
    let first = Alert {
        links: Links {
            runbook: Some("https://runbooks.example.com/checkout".into()),
            dashboard: Some("https://grafana.example.com/d/checkout".into()),
            silence: Some("https://am.example.com/#/silences/new".into()),
            origin: Some("https://prometheus.example.com/graph".into()),
        },
        ..alert("pod-1", "critical", Signal::Firing)
    };
    bot.hears(vec![first]).await;
    bot.fires("pod-2").await;
    let card = bot.message(ROOM, &bot.card(ROOM));
    let line = card.lines().find(|line| line.contains("Runbook"));
    assert_snapshot!(line.unwrap_or_default(), @"<https://runbooks.example.com/checkout|Runbook> <https://grafana.example.com/d/checkout|Dashboard> <https://prometheus.example.com/graph|Source> <https://am.example.com/#/silences/new|Silence>");
    let bookmarks = bot.channel(ROOM).bookmarks;
    let bookmarks = bookmarks
        .iter()
        .map(|it| format!("{} {}", it.title, it.link));
    assert_snapshot!(bookmarks.collect::<Vec<_>>().join("\n"), @r#"
        Alert dashboard https://grafana.example.com/d/checkout
        Runbook https://runbooks.example.com/checkout
        "#);
    bot.finish_unread().await;
}

#[tokio::test]
async fn every_alert_of_an_incident_is_named_on_its_card_and_its_timeline() {
    let bot = TestBot::with_routes().await;
    let titled = |title: &str, signal| Alert {
        title: title.into(),
        ..alert(title, "critical", signal)
    };
    bot.hears(vec![titled("HighErr of checkout on n1", Signal::Firing)])
        .await;
    let card = bot.card(ROOM);
    bot.slack.mark_read();
    bot.clock.advance(minutes(1));
    bot.hears(vec![titled("HighErr2 of checkout on n1", Signal::Firing)])
        .await;
    bot.hears_from(
        "grafana",
        vec![titled("5xx ratio above 5%", Signal::Firing)],
    )
    .await;
    bot.advance(minutes(1)).await;
    bot.hears_from("datadog", vec![titled("checkout p99", Signal::Firing)])
        .await;
    bot.hears(vec![titled("HighErr of checkout on n1", Signal::Resolved)])
        .await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.message(ROOM, &card), @r#"
        :rotating_light: *INCIDENT - P1*
        *HighErr of checkout on n1*
        *Incident ID:* INC-2025-0914-001
        *Service:* Checkout
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Alerts:* 3 firing, 4 so far (prometheus, grafana, datadog)
        :white_check_mark: HighErr of checkout on n1 (prometheus)
        :small_red_triangle: checkout p99 (datadog)
        :small_red_triangle: 5xx ratio above 5% (grafana)
        :small_red_triangle: HighErr2 of checkout on n1 (prometheus)
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>

        *Initial assessment:* The checkout answers with errors.

        <https://runbooks.example.com/checkout|Runbook>
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    bot.user("bo").joins(ROOM).await;
    assert_snapshot!(bot.types("bo", ROOM, "/incident timeline").await, @r#"
        *Timeline of INC-2025-0914-001: HighErr of checkout on n1*
        <!date^1757860200^{time}|14:30 UTC> Declared P1 - Critical: HighErr of checkout on n1 (service checkout) _prometheus_
        > The checkout answers with errors.
        <!date^1757860200^{time}|14:30 UTC> Alert from prometheus: HighErr of checkout on n1 _prometheus_
        <!date^1757860260^{time}|14:31 UTC> 2 alerts fire, 2 so far: HighErr2 of checkout on n1 _prometheus_
        <!date^1757860266^{time}|14:31 UTC> 3 alerts fire, 3 so far: 5xx ratio above 5% (grafana) _prometheus_
        <!date^1757860320^{time}|14:32 UTC> 4 alerts fire, 4 so far: checkout p99 (datadog) _prometheus_
        <!date^1757860332^{time}|14:32 UTC> 3 alerts fire, 4 so far; over: HighErr of checkout on n1 _prometheus_
        "#);
    bot.finish_unread().await;
}

#[tokio::test]
async fn what_fires_after_the_resolution_is_another_incident() {
    let bot = TestBot::with_routes().await;
    bot.fires("pod-1").await;
    bot.fires("pod-2").await;
    bot.advance(minutes(1)).await;
    bot.types(
        "ana",
        "incidents",
        &format!("/incident resolve {ID} a full disk"),
    )
    .await;
    assert!(bot.reads(ROOM).contains(
        "2 of its alerts still fire: if users are not fine after all, `/incident reopen`."
    ));
    // What ends, ends in the first.
    bot.ends("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.fires("pod-3").await;
    bot.advance(minutes(1)).await;
    let open = bot.store.list(Which::Open, 9).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].id.as_str(), "INC-2025-0914-002");
    assert_eq!(open[0].title, "5xx above 5 % on pod-3");
    assert_eq!(open[0].firing(), Some(2), "pod-2 still fires");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_card_shows_what_fires_and_is_made_an_incident_by_a_click() {
    let bot = TestBot::with_routes().await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    let card = bot.channel("general").messages.last().unwrap().clone();
    assert_eq!(
        card.buttons(),
        ["Declare", "Attach to…", "Acknowledge", "Snooze 1 h"]
    );
    assert_snapshot!(bot.reads("general"), @r#"
        :bell: *Alert* - P3
        *5xx above 5 % on pod-1*
        > The checkout answers with errors.
        *From:* prometheus
        *Where:* service=checkout
        *Since:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>

        <https://runbooks.example.com/checkout|Runbook>
        [Declare] [Attach to…] [Acknowledge] [Snooze 1 h]
        "#);
    bot.hears(vec![alert("pod-2", "warning", Signal::Firing)])
        .await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.message("general", &card.ts), @r#"
        :bell: *2 alerts* - P3
        *5xx above 5 % on pod-1*
        *From:* prometheus
        *Where:* service=checkout
        *Since:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>

        *2 alerts so far*
        :small_red_triangle: 5xx above 5 % on pod-2
        :small_red_triangle: 5xx above 5 % on pod-1

        <https://runbooks.example.com/checkout|Runbook>
        [Declare] [Attach to…] [Acknowledge] [Snooze 1 h]
        "#);
    assert_eq!(bot.reads("general"), "", "edited in place");

    bot.clicks("bo", "general", &card.ts, "Acknowledge").await;
    assert!(
        bot.message("general", &card.ts)
            .contains("Acknowledged by:* <@")
    );
    bot.clicks("bo", "general", &card.ts, "Declare").await;
    // A second click, on a card that was not brought up to date in time.
    bot.settle().await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.commander().unwrap().name, "bo");
    assert_eq!(incident.firing(), Some(2));
    let shown = bot
        .channel("general")
        .messages
        .iter()
        .find(|it| it.ts == card.ts)
        .unwrap()
        .clone();
    assert!(shown.plain_text().contains(ID) && shown.buttons().is_empty());
    bot.hears(vec![alert("pod-3", "warning", Signal::Firing)])
        .await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(3));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_card_is_attached_to_an_open_incident_or_silenced() {
    let bot = TestBot::with_routes().await;
    bot.types(
        "ana",
        "general",
        "/incident declare p2 the checkout is slow",
    )
    .await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    bot.slack.mark_read();
    bot.clicks("bo", "general", &card, "Attach to…").await;
    let offer = bot.user("bo").sees().last().unwrap().clone();
    assert_snapshot!(offer.plain_text(), @r#"
        Which incident takes *5xx above 5 % on pod-1* over?
        [INC-2025-0914-001 the checkout is slow]
        "#);
    bot.clicks("bo", "general", &offer.ts, &offer.buttons()[0].clone())
        .await;
    bot.settle().await;
    assert_eq!(bot.incident(ID).await.firing(), Some(1));
    assert_snapshot!(bot.reads(ROOM), @":bell: An alert from prometheus: *5xx above 5 % on pod-1*");

    // Another one is silenced for an hour.
    let other = Alert {
        name: "DiskFull".into(),
        ..alert("disk", "warning", Signal::Firing)
    };
    bot.hears(vec![other]).await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    bot.clicks("bo", "general", &card, "Snooze 1 h").await;
    bot.settle().await;
    assert!(bot.message("general", &card).contains("Snoozed until"));
    bot.slack.mark_read();
    bot.finish().await;
}

/// What somebody does at the sender.
fn remarked(key: &str, signal: Signal, by: Option<&str>, text: Option<&str>) -> Alert {
    Alert {
        title: key.into(),
        remark: Some(Remark {
            by: by.map(Into::into),
            text: text.map(Into::into),
        }),
        description: None,
        ..alert(key, "none", signal)
    }
}

#[tokio::test]
async fn what_is_done_and_written_at_the_sender_shows_on_the_card() {
    let bot = TestBot::with_routes().await;
    bot.hears_from("genie", vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    let note = "rolling back <!channel>\n*Acknowledged by:* bo";
    bot.hears_from(
        "genie",
        vec![
            remarked("pod-1", Signal::Acknowledged, Some("ana"), None),
            remarked("pod-1", Signal::Noted, Some("<@U0000000001>"), Some(note)),
        ],
    )
    .await;
    bot.advance(minutes(1)).await;
    // Nobody sees the word joiner that keeps it from being a mention.
    let shown = bot.message("general", &card).replace('\u{2060}', "");
    assert_snapshot!(shown, @r#"
        :bell: *Alert* - P3
        *5xx above 5 % on pod-1*
        > The checkout answers with errors.
        *From:* genie
        *Where:* service=checkout
        *Since:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Acknowledged in genie by:* ana
        *Latest note:* &lt;@U0000000001&gt; in genie, <!date^1757860201^{time}|2025-09-14 14:30 UTC>
        > rolling back &lt;!channel&gt;
        > *Acknowledged by:* bo

        <https://runbooks.example.com/checkout|Runbook>
        [Declare] [Attach to…] [Acknowledge] [Snooze 1 h]
        "#);
    // Who takes it says no name; another gives it back.
    bot.hears_from("genie", vec![alert("pod-2", "warning", Signal::Firing)])
        .await;
    bot.hears_from(
        "genie",
        vec![
            remarked("pod-1", Signal::Unacknowledged, None, None),
            remarked("pod-2", Signal::Acknowledged, None, None),
            remarked("pod-1", Signal::Noted, None, Some("snoozed until noon")),
        ],
    )
    .await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.message("general", &card), @r#"
        :bell: *2 alerts* - P3
        *5xx above 5 % on pod-1*
        *From:* genie
        *Where:* service=checkout
        *Since:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>

        *2 alerts so far*
        :small_red_triangle: 5xx above 5 % on pod-2, acknowledged in genie
        :small_red_triangle: 5xx above 5 % on pod-1
        *Latest note:* genie, <!date^1757860262^{time}|2025-09-14 14:31 UTC> (5xx above 5 % on pod-1)
        > snoozed until noon

        <https://runbooks.example.com/checkout|Runbook>
        [Declare] [Attach to…] [Acknowledge] [Snooze 1 h]
        "#);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_is_done_and_written_at_the_sender_stands_on_the_timeline_each_once() {
    let bot = TestBot::with_routes().await;
    bot.fires("pod-1").await;
    let card = bot.card(ROOM);
    bot.slack.mark_read();
    bot.clock.advance(minutes(1));
    let acknowledged = remarked("pod-1", Signal::Acknowledged, Some("ana"), Some("on it"));
    bot.hears(vec![acknowledged.clone()]).await;
    // Its answer was lost.
    bot.hears(vec![acknowledged]).await;
    // More than is remembered, before it can be told.
    bot.clock.advance(minutes(1));
    let notes = (1..=11).map(|n| {
        let text = format!("step {n}");
        remarked("pod-1", Signal::Noted, Some("bo"), Some(&text))
    });
    bot.hears(notes.collect()).await;
    let closed = remarked("pod-1", Signal::Resolved, Some("bo"), Some("rolled back"));
    bot.hears(vec![closed]).await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.message(ROOM, &card), @r#"
        :rotating_light: *INCIDENT - P1*
        *5xx above 5 % on pod-1*
        *Incident ID:* INC-2025-0914-001
        *Service:* Checkout
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Alert:* over: 5xx above 5 % on pod-1 (prometheus)
        *Latest note:* bo in prometheus, <!date^1757860320^{time}|2025-09-14 14:32 UTC>
        > rolled back
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>

        *Initial assessment:* The checkout answers with errors.

        <https://runbooks.example.com/checkout|Runbook>
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    bot.user("bo").joins(ROOM).await;
    let timeline = bot.types("bo", ROOM, "/incident timeline").await;
    let told: Vec<_> = timeline.lines().skip(4).collect();
    assert_snapshot!(told[..7].join("\n"), @r#"
        <!date^1757860260^{time}|14:31 UTC> Acknowledged in prometheus by ana: 5xx above 5 % on pod-1 _prometheus_
        > on it
        <!date^1757860320^{time}|14:32 UTC> Noted in prometheus by bo: 5xx above 5 % on pod-1 _prometheus_
        > step 3
        > (2 before it were not told)
        <!date^1757860320^{time}|14:32 UTC> Noted in prometheus by bo: 5xx above 5 % on pod-1 _prometheus_
        > step 4
        "#);
    assert_snapshot!(told[told.len() - 5..].join("\n"), @r#"
        <!date^1757860320^{time}|14:32 UTC> Noted in prometheus by bo: 5xx above 5 % on pod-1 _prometheus_
        > step 11
        <!date^1757860320^{time}|14:32 UTC> Closed in prometheus by bo: 5xx above 5 % on pod-1 _prometheus_
        > rolled back
        <!date^1757860332^{time}|14:32 UTC> All alerts are over: 5xx above 5 % on pod-1 _prometheus_
        "#);
    bot.finish_unread().await;
}

#[tokio::test]
async fn whoever_takes_it_again_when_it_is_back_stands_on_the_timeline_again() {
    let bot = TestBot::with_routes().await;
    let acknowledged = || remarked("pod-1", Signal::Acknowledged, Some("ana"), None);
    for _ in 0..2 {
        bot.fires("pod-1").await;
        bot.hears(vec![acknowledged()]).await;
        // Its answer was lost.
        bot.hears(vec![acknowledged()]).await;
        bot.advance(minutes(1)).await;
        bot.ends("pod-1").await;
        bot.advance(minutes(1)).await;
    }
    bot.user("bo").joins(ROOM).await;
    let timeline = bot.types("bo", ROOM, "/incident timeline").await;
    let told = timeline
        .matches("Acknowledged in prometheus by ana")
        .count();
    assert_eq!(told, 2, "{timeline}");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn no_line_of_a_description_can_pass_for_one_of_the_card() {
    let bot = TestBot::with_routes().await;
    let hostile = |severity: &str| Alert {
        description: Some("slow\n*Acknowledged by:* @bo\n:white_check_mark: *Over*".into()),
        ..alert(severity, severity, Signal::Firing)
    };
    bot.hears(vec![hostile("warning"), hostile("critical")])
        .await;
    for said in [bot.reads("general"), bot.reads(ROOM)] {
        for line in ["*Acknowledged by:* @bo", ":white_check_mark: *Over*"] {
            assert!(said.contains(&format!("\n> {line}")), "{said}");
            assert!(!said.contains(&format!("\n{line}")), "{said}");
        }
    }
    bot.user("bo").joins(ROOM).await;
    let timeline = bot.types("bo", ROOM, "/incident timeline").await;
    assert!(
        timeline.contains("\n> *Acknowledged by:* @bo"),
        "{timeline}"
    );
    bot.finish_unread().await;
}

#[tokio::test]
async fn no_label_can_pass_for_a_line_of_a_card() {
    let grouped = r##"
        [[services]]
        id = "checkout"
        name = "Checkout"

        [[routes]]
        match = { severity = "critical" }
        service = "{{ labels.service }}"
        then = "declare"
        group_by = ["service"]

        [[routes]]
        then = "notify"
        channel = "#general"
        group_by = ["zone"]
    "##;
    let bot = TestBot::configured(grouped).await;
    let at = |key: &str, severity: &str| {
        let mut alert = alert(key, severity, Signal::Firing);
        for (label, end) in [("instance", "\n"), ("zone", "\u{2028}")] {
            let value = format!("{key}{end}:white_check_mark: *Over*{end}*Acknowledged by:* bo");
            alert.labels.insert(label.into(), value);
        }
        alert
    };
    let alerts = vec![
        at("a-1", "warning"),
        at("b-1", "critical"),
        at("b-2", "critical"),
    ];
    bot.hears(alerts).await;
    for said in [bot.reads("general"), bot.reads(ROOM)] {
        let mut lines = said.lines();
        assert!(
            !lines
                .any(|it| it.starts_with(":white_check_mark:")
                    || it.starts_with("*Acknowledged by:*")),
            "{said}"
        );
    }
    bot.finish_unread().await;
}

#[tokio::test]
async fn what_is_suppressed_says_nothing_and_what_no_route_takes_is_shown_where_incidents_are() {
    let bot = TestBot::with_routes().await;
    bot.hears(vec![alert("pod-1", "info", Signal::Firing)])
        .await;
    assert!(bot.slack.unread().is_empty());
    bot.hears(vec![alert("pod-2", "page-me", Signal::Firing)])
        .await;
    assert!(bot.reads("incidents").contains("5xx above 5 % on pod-2"));
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    bot.finish().await;
}

#[tokio::test]
async fn text_from_an_alert_neither_pings_nor_breaks_its_card() {
    let bot = TestBot::with_routes().await;
    let hostile = Alert {
        title: "<!channel> *bold* `code` <https://evil.example|bank> @everyone\n> quote".into(),
        description: Some("<@U0000000001> ```x".into()),
        name: "<!here>".into(),
        labels: BTreeMap::from([("severity".to_owned(), "warning".to_owned())]),
        ..alert("x", "warning", Signal::Firing)
    };
    bot.hears(vec![hostile.clone()]).await;
    let said = bot.reads("general");
    assert!(
        !said.contains("<!channel")
            && !said.contains("<!here")
            && !said.contains("<@U")
            && !said.contains('`'),
        "{said}"
    );
    let declared = Alert {
        labels: BTreeMap::from([("severity".to_owned(), "critical".to_owned())]),
        ..hostile
    };
    bot.hears(vec![declared]).await;
    bot.advance(SignedDuration::from_mins(1)).await;
    let said = bot.reads("incidents") + &bot.reads(ROOM);
    assert!(
        !said.contains("<!channel") && !said.contains("<!here"),
        "{said}"
    );
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_warning_that_becomes_critical_is_an_incident() {
    let bot = TestBot::with_routes().await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    bot.advance(minutes(1)).await;
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(1));
    assert!(bot.message("general", &card).contains("Over"));
    // It calms down to a warning: people have the incident, and it stays theirs.
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    bot.ends("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(0));
    bot.slack.mark_read();
    bot.finish().await;
}

const JOINING: &str = r##"
    [[services]]
    id = "checkout"
    name = "Checkout"

    [[routes]]
    service = "{{ labels.service }}"
    then = "declare"
    group_by = ["instance"]
    join = "30m"
"##;

#[tokio::test]
async fn an_alert_joins_the_incident_that_a_person_has_declared_and_makes_it_weigh_as_much() {
    let bot = TestBot::configured(JOINING).await;
    let line = "/incident declare p3 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    bot.slack.mark_read();
    bot.advance(minutes(29)).await;
    bot.fires("pod-1").await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    let incident = bot.incident(ID).await;
    assert_eq!(incident.firing(), Some(1));
    assert_eq!(incident.severity.name, "P1 - Critical");
    assert_eq!(incident.commander().unwrap().name, "ana");
    assert_snapshot!(bot.reads(ROOM), @r"
        :bell: An alert from prometheus: *5xx above 5 % on pod-1*
        ---
        :scales: Severity: P3 - Medium → *P1 - Critical* (@prometheus)
        Reason: an alert of prometheus joined: 5xx above 5 % on pod-1
        ");
    assert!(
        bot.message(ROOM, &bot.card(ROOM))
            .contains("*Alert:* 5xx above 5 % on pod-1 (prometheus)")
    );
    // A lesser one joins too, and changes nothing of that.
    bot.hears(vec![alert("pod-2", "warning", Signal::Firing)])
        .await;
    assert_snapshot!(bot.reads(ROOM), @":bell: An alert from prometheus: *5xx above 5 % on pod-2*");
    // They end there.
    bot.ends("pod-1").await;
    bot.ends("pod-2").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(0));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn where_many_groups_join_the_room_hears_of_the_first_and_the_card_counts_the_rest() {
    let bot = TestBot::configured(JOINING).await;
    let line = "/incident declare p1 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    bot.settle().await;
    bot.slack.mark_read();
    let pods: Vec<String> = (1..=12).map(|n| format!("pod-{n:02}")).collect();
    for pod in &pods {
        bot.fires(pod).await;
    }
    bot.advance(minutes(1)).await;
    let told = bot.reads(ROOM);
    assert_eq!(
        told.matches("An alert from prometheus").count(),
        5,
        "{told}"
    );
    assert_eq!(
        told.matches("joins is counted on the card").count(),
        1,
        "{told}"
    );
    let card = bot.message(ROOM, &bot.card(ROOM));
    assert_eq!(card.matches("*Alert:*").count(), 5, "{card}");
    assert!(
        card.contains("*And:* 7 more kinds of alerts, 7 firing"),
        "{card}"
    );
    // Of their ends only the last is news, and then that they fire again.
    for pod in &pods {
        bot.ends(pod).await;
    }
    bot.advance(minutes(1)).await;
    let told = bot.reads(ROOM);
    assert_eq!(told.matches("are over").count(), 1, "{told}");
    bot.fires("pod-03").await;
    bot.fires("pod-04").await;
    bot.advance(minutes(1)).await;
    let told = bot.reads(ROOM);
    assert_eq!(told.matches("Firing again").count(), 1, "{told}");
    bot.finish().await;
}

#[tokio::test]
async fn the_links_of_what_joins_an_incident_are_brought_to_it_each_once() {
    let bot = TestBot::configured(JOINING).await;
    let line = "/incident declare p1 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    let lead = |path: &str| Some(format!("https://leads.example.com/{path}"));
    let joins = |key: &str, dashboard: &str| Alert {
        name: format!("Slow {key}"),
        links: Links {
            runbook: lead("runbook"),
            dashboard: lead(dashboard),
            silence: lead(&format!("silence-{key}")),
            origin: None,
        },
        ..alert(key, "critical", Signal::Firing)
    };
    bot.hears(vec![joins("db", "one"), joins("cache", "two")])
        .await;
    // Of one group, and of a rule that has told already.
    let again = Alert {
        key: DedupKey::new("db 2"),
        ..joins("db", "three")
    };
    bot.hears(vec![again]).await;
    bot.advance(minutes(1)).await;
    let card = bot.message(ROOM, &bot.card(ROOM));
    let links: Vec<_> = card
        .lines()
        .filter(|line| line.contains("leads.example.com"))
        .collect();
    assert_snapshot!(links.join("\n"), @"
        <https://leads.example.com/runbook|Runbook (Slow db)> <https://leads.example.com/one|Dashboard (Slow db)> <https://leads.example.com/silence-db|Silence (Slow db)>
        <https://leads.example.com/two|Dashboard (Slow cache)> <https://leads.example.com/silence-cache|Silence (Slow cache)>
        ");
    bot.finish_unread().await;
}

#[tokio::test]
async fn no_link_is_cut_in_the_middle_however_long_it_is() {
    let grouped = r##"
        [[routes]]
        then = "notify"
        channel = "#general"
        group_by = ["service"]
    "##;
    let bot = TestBot::configured(grouped).await;
    let lead = |path: &str, length: usize| {
        let query = "q".repeat(length);
        Some(format!("https://leads.example.com/{path}?{query}"))
    };
    let fires = |key: &str, links: Links| Alert {
        name: format!("Slow {key}"),
        links,
        ..alert(key, "warning", Signal::Firing)
    };
    let of_each = |key: &str, length: usize| Links {
        runbook: lead(&format!("r-{key}"), length),
        dashboard: lead(&format!("d-{key}"), length),
        silence: lead(&format!("s-{key}"), length),
        origin: None,
    };
    let longest = Links {
        origin: lead("o-b", 2_990),
        ..Links::default()
    };
    bot.hears(vec![fires("a", of_each("a", 1_000))]).await;
    bot.advance(minutes(1)).await;
    bot.slack.mark_read();
    let alerts = vec![fires("b", longest), fires("c", of_each("c", 1_100))];
    bot.hears(alerts).await;
    bot.advance(minutes(1)).await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    let card = bot.message("general", &card);
    let links = card.lines().filter(|it| it.contains("leads.example.com"));
    let shown = links.map(|it| it.replace("q", ""));
    assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
        <https://leads.example.com/r-a?|Runbook>
        <https://leads.example.com/d-a?|Dashboard>
        <https://leads.example.com/s-a?|Silence>
        <https://leads.example.com/r-c?|Runbook (Slow c)> <https://leads.example.com/d-c?|Dashboard (Slow c)>
        <https://leads.example.com/s-c?|Silence (Slow c)>
        ");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_card_says_where_its_alerts_are_and_what_they_share_once() {
    let bot = TestBot::with_routes().await;
    let at = |pod: &str, severity: &str, zone: &str| {
        let mut alert = alert(pod, severity, Signal::Firing);
        let labels = [
            ("instance", "10.0.0.7:8080"),
            ("zone", zone),
            ("region", "eu"),
        ];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
        alert.labels.extend(labels);
        alert
    };
    bot.hears(vec![at("pod-1", "warning", "a")]).await;
    let card = bot.channel("general").messages.last().unwrap().ts.clone();
    let said = |text: String| {
        let lines = text.lines().filter(|line| line.contains('='));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(said(bot.message("general", &card)), @"*Where:* service=checkout, instance=10.0.0.7:8080, zone=a");
    bot.hears(vec![at("pod-2", "warning", "b")]).await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(said(bot.message("general", &card)), @"
        *Where:* service=checkout, instance=10.0.0.7:8080, region=eu
        :small_red_triangle: 5xx above 5 % on pod-2 - zone=b
        :small_red_triangle: 5xx above 5 % on pod-1 - zone=a
        ");
    // So does that of an incident.
    bot.hears(vec![at("pod-3", "critical", "c")]).await;
    assert_snapshot!(said(bot.reads(ROOM)), @"*Where:* instance=10.0.0.7:8080, zone=c, region=eu");
    bot.finish_unread().await;
}

#[tokio::test]
async fn an_incident_that_was_declared_too_long_ago_or_is_over_is_not_joined() {
    let bot = TestBot::configured(JOINING).await;
    let line = "/incident declare p1 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    bot.advance(minutes(31)).await;
    bot.fires("pod-1").await;
    let second = "INC-2025-0914-002";
    assert_eq!(bot.incident(second).await.firing(), Some(1));
    // The next joins that one, and when it is over, it has one of its own.
    bot.fires("pod-2").await;
    assert_eq!(bot.incident(second).await.firing(), Some(2));
    bot.types(
        "ana",
        "incidents",
        &format!("/incident resolve {second} a disk"),
    )
    .await;
    bot.fires("pod-3").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident("INC-2025-0914-003").await.firing(), Some(1));
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 3);
    bot.slack.mark_read();
    bot.finish().await;
}

/// The tests begin at 14:30 UTC.
const MAINTAINED: &str = r##"
    [[services]]
    id = "checkout"
    name = "Checkout"

    [[routes]]
    match = { severity = "critical" }
    service = "{{ labels.service }}"
    then = "declare"
    group_by = ["service"]

    [[routes]]
    service = "{{ labels.service }}"
    then = "notify"
    channel = "#general"
    group_by = ["service"]

    [[maintenance]]
    name = "Database move"
    service = "checkout"
    match = { instance = "~^pod" }
    from = "2025-09-14T14:00"
    to = "2025-09-14T16:00"
"##;

#[tokio::test]
async fn what_begins_in_a_maintenance_is_told_at_its_end_if_it_still_fires() {
    let bot = TestBot::configured(MAINTAINED).await;
    for key in ["pod-1", "pod-2", "pod-3"] {
        bot.fires(key).await;
    }
    bot.hears(vec![alert("pod-4", "warning", Signal::Firing)])
        .await;
    bot.ends("pod-2").await;
    bot.advance(minutes(60)).await;
    assert!(bot.slack.unread().is_empty());
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    // What it does not mean is told as ever.
    bot.fires("host-1").await;
    assert_eq!(bot.incident(ID).await.firing(), Some(1));
    bot.ends("host-1").await;
    bot.advance(minutes(1)).await;
    bot.types(
        "ana",
        "incidents",
        &format!("/incident resolve {ID} a disk"),
    )
    .await;
    bot.slack.mark_read();

    let bot = bot.restarted().await;
    bot.advance(minutes(28)).await;
    assert!(bot.slack.unread().is_empty(), "a minute is left");
    bot.advance(minutes(2)).await;
    let second = bot.incident("INC-2025-0914-002").await;
    assert_eq!(second.firing(), Some(2));
    let card = bot.reads("general");
    assert!(card.contains("5xx above 5 % on pod-4"), "{card}");
    bot.slack.mark_read();
    // They end where they are told by now, and nothing is told twice.
    for key in ["pod-1", "pod-3"] {
        bot.ends(key).await;
    }
    bot.advance(minutes(90)).await;
    assert_eq!(bot.incident("INC-2025-0914-002").await.firing(), Some(0));
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 2);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_was_done_and_written_in_a_maintenance_is_told_at_its_end() {
    let bot = TestBot::configured(&MAINTAINED.replace("T16:00", "T15:00")).await;
    for key in ["pod-1", "pod-2", "pod-3"] {
        bot.fires(key).await;
    }
    let ana = Some("ana");
    // It ends and is back, and nobody has it any more.
    let said = [
        remarked("pod-3", Signal::Acknowledged, Some("bo"), None),
        alert("pod-3", "critical", Signal::Resolved),
        alert("pod-3", "critical", Signal::Firing),
        remarked("pod-1", Signal::Acknowledged, ana, Some("mine")),
        remarked("pod-2", Signal::Acknowledged, ana, None),
        remarked("pod-2", Signal::Unacknowledged, ana, None),
        remarked("pod-2", Signal::Noted, ana, Some("a <disk>")),
    ];
    for alert in said {
        bot.clock.advance(SignedDuration::from_secs(1));
        bot.hears(vec![alert]).await;
    }
    bot.advance(minutes(31)).await;
    let card = bot.message(ROOM, &bot.card(ROOM));
    let mut lines: Vec<_> = card.lines().filter(|it| it.contains("5xx above")).collect();
    lines.sort_unstable();
    assert_snapshot!(lines.join("\n"), @"
        *5xx above 5 % on pod-1*
        *Latest note:* ana in prometheus, <!date^1757860207^{time}|2025-09-14 14:30 UTC> (5xx above 5 % on pod-2)
        :small_red_triangle: 5xx above 5 % on pod-1, acknowledged in prometheus by ana
        :small_red_triangle: 5xx above 5 % on pod-2
        :small_red_triangle: 5xx above 5 % on pod-3
        ");
    bot.user("bo").joins(ROOM).await;
    let timeline = bot.types("bo", ROOM, "/incident timeline").await;
    let lines = timeline.lines().filter(|it| it.contains(" in prometheus"));
    let told: Vec<_> = lines.filter_map(|it| it.split_once("UTC> ")).collect();
    let told: Vec<_> = told.into_iter().map(|(_, told)| told).collect();
    assert_snapshot!(told.join("\n"), @"
        Acknowledged in prometheus by ana: 5xx above 5 % on pod-1 _prometheus_
        Acknowledged in prometheus by ana: 5xx above 5 % on pod-2 _prometheus_
        Unacknowledged in prometheus by ana: 5xx above 5 % on pod-2 _prometheus_
        Noted in prometheus by ana: 5xx above 5 % on pod-2 _prometheus_
        ");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_incident_of_before_the_maintenance_hears_of_its_own_alerts_and_of_no_others() {
    let late = MAINTAINED.replace("T14:00", "T15:00");
    let bot = TestBot::configured(&late).await;
    bot.fires("pod-1").await;
    bot.advance(minutes(40)).await;
    bot.fires("pod-2").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(1));
    bot.ends("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(0));
    bot.advance(minutes(60)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(1), "pod-2 has joined");
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_warning_that_becomes_critical_in_a_maintenance_is_an_incident_at_its_end() {
    let late = MAINTAINED.replace("T14:00", "T15:00");
    let bot = TestBot::configured(&late).await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    bot.advance(minutes(40)).await;
    bot.fires("pod-1").await;
    bot.advance(minutes(40)).await;
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    bot.advance(minutes(11)).await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.firing(), Some(1));
    assert_eq!(
        incident.milestones.started.to_string(),
        "2025-09-14T14:30:00Z"
    );
    assert_snapshot!(incident.description.as_deref().unwrap_or_default(), @r"
        The checkout answers with errors.
        It was kept back by the maintenance “Database move”.
        ");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_maintenance_that_is_taken_out_of_the_configuration_is_over_at_the_next_start() {
    // Whether its end is far or near.
    for end in ["T16:00", "T14:42"] {
        let mut bot = TestBot::configured(&MAINTAINED.replace("T16:00", end)).await;
        bot.fires("pod-1").await;
        assert!(bot.store.all_ids().await.unwrap().is_empty());
        bot.reconfigured(&MAINTAINED.replace("T16:00", "T14:10"));
        let bot = bot.restarted().await;
        let intake = bot.app.desk().intake.as_ref().unwrap();
        intake.look_into_rooms().await.unwrap();
        bot.advance(minutes(2)).await;
        assert_eq!(bot.incident(ID).await.firing(), Some(1));
        bot.slack.mark_read();
        bot.finish().await;
    }
}

#[tokio::test]
async fn a_maintenance_that_was_made_longer_holds_for_longer() {
    let mut bot = TestBot::configured(MAINTAINED).await;
    bot.fires("pod-1").await;
    bot.reconfigured(&MAINTAINED.replace("T16:00", "T17:00"));
    let bot = bot.restarted().await;
    bot.fires("pod-2").await;
    bot.advance(minutes(140)).await;
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    bot.advance(minutes(11)).await;
    assert_eq!(bot.incident(ID).await.firing(), Some(2));
    bot.slack.mark_read();
    bot.finish().await;
}

const URGENT: &str = r##"
    [[services]]
    id = "checkout"
    name = "Checkout"

    [[routes]]
    match = { severity = "info" }
    service = "{{ labels.service }}"
    then = "notify"
    channel = "#general"

    [[routes]]
    service = "{{ labels.service }}"
    then = "declare"
    group_by = ["severity"]
"##;

#[tokio::test]
async fn an_open_p1_quiets_the_lesser_alerts_of_its_service_until_it_is_over() {
    let bot = TestBot::configured(URGENT).await;
    let line = "/incident declare p1 service:checkout the checkout is down";
    bot.types("ana", "general", line).await;
    bot.slack.mark_read();
    bot.hears(vec![
        alert("pod-1", "warning", Signal::Firing),
        alert("pod-2", "info", Signal::Firing),
        alert("pod-3", "info", Signal::Firing),
    ])
    .await;
    bot.advance(minutes(1)).await;
    assert!(bot.slack.unread().is_empty(), "{:?}", bot.slack.unread());
    let incident = bot.incident(ID).await;
    assert_eq!(
        (incident.firing(), incident.quieted()),
        (None, Some((3, 3)))
    );
    let card = bot.message(ROOM, &bot.card(ROOM));
    let quieted = "*Quieted:* 3 of lower urgency, 3 firing; told on their own when this is over\n";
    assert!(card.contains(quieted), "{card}");
    // What is as urgent is an incident of its own.
    bot.fires("pod-9").await;
    assert_eq!(bot.incident("INC-2025-0914-002").await.firing(), Some(1));
    bot.ends("pod-2").await;
    bot.ends("pod-9").await;
    bot.advance(minutes(1)).await;
    bot.types(
        "ana",
        "incidents",
        "/incident resolve INC-2025-0914-002 a disk",
    )
    .await;
    bot.slack.mark_read();
    let bot = bot.restarted().await;
    bot.types("ana", ROOM, "/incident resolve a disk").await;
    bot.advance(minutes(1)).await;
    let third = bot.incident("INC-2025-0914-003").await;
    assert_eq!(
        (third.title.as_str(), third.firing()),
        ("5xx above 5 % on pod-1", Some(1))
    );
    // Which is more urgent than the last of them.
    assert_eq!(third.quieted(), Some((1, 1)));
    bot.types(
        "ana",
        "incidents",
        "/incident resolve INC-2025-0914-003 a disk",
    )
    .await;
    bot.advance(minutes(1)).await;
    let card = bot.reads("general");
    assert!(card.contains("5xx above 5 % on pod-3"), "{card}");
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 3);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_incident_that_weighs_less_than_was_thought_quiets_less() {
    let bot = TestBot::configured(URGENT).await;
    let line = "/incident declare p1 service:checkout the checkout is down";
    bot.types("ana", "general", line).await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.types("ana", ROOM, "/incident severity p2").await;
    bot.advance(minutes(1)).await;
    assert_eq!(
        bot.store.all_ids().await.unwrap().len(),
        1,
        "P2 is more than P3"
    );
    bot.types("ana", ROOM, "/incident severity p3").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident("INC-2025-0914-002").await.firing(), Some(1));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_quieted_alert_that_grows_as_urgent_as_the_incident_is_told() {
    let bot = TestBot::configured(URGENT).await;
    let line = "/incident declare p2 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident("INC-2025-0914-002").await.firing(), Some(1));
    assert_eq!(bot.incident(ID).await.quieted(), Some((0, 1)));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn so_is_one_of_a_group_of_all_severities() {
    let toml = URGENT.replace("group_by = [\"severity\"]", "group_by = [\"service\"]");
    let bot = TestBot::configured(&toml).await;
    let line = "/incident declare p2 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    for key in ["pod-1", "pod-2"] {
        bot.hears(vec![alert(key, "warning", Signal::Firing)]).await;
    }
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident(ID).await.quieted(), Some((2, 2)));
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    let second = bot.incident("INC-2025-0914-002").await;
    assert_eq!(second.severity.id.as_str(), "p1");
    assert_eq!(second.firing(), Some(2), "the group is told as one");
    bot.slack.mark_read();
    bot.finish().await;
}

const INHIBITED: &str = r##"
    [[routes]]
    match = { severity = "critical" }
    then = "declare"
    group_by = ["instance"]

    [[routes]]
    then = "notify"
    channel = "#general"
    group_by = ["instance"]

    [[inhibitions]]
    name = "critical quiets warnings"
    when = { severity = "critical" }
    quiets = { severity = "warning" }
    equal = ["service"]
"##;

#[tokio::test]
async fn an_alert_quiets_others_while_it_fires_and_they_are_told_when_it_has_ended() {
    let bot = TestBot::configured(INHIBITED).await;
    // Whoever stands first in the request.
    bot.hears(vec![
        alert("pod-1", "warning", Signal::Firing),
        alert("pod-2", "warning", Signal::Firing),
        alert("node", "critical", Signal::Firing),
    ])
    .await;
    bot.advance(minutes(10)).await;
    assert_eq!(bot.reads("general"), "");
    let elsewhere = Alert {
        labels: BTreeMap::from([
            ("severity".to_owned(), "warning".to_owned()),
            ("service".to_owned(), "search".to_owned()),
        ]),
        ..alert("pod-3", "warning", Signal::Firing)
    };
    bot.hears(vec![elsewhere]).await;
    assert!(bot.reads("general").contains("pod-3"), "of another service");
    let bot = bot.restarted().await;
    bot.hears(vec![alert("pod-2", "warning", Signal::Resolved)])
        .await;
    bot.ends("node").await;
    bot.advance(SignedDuration::from_secs(50)).await;
    assert_eq!(bot.reads("general"), "", "most end with it, a little later");
    // It flickers: they go on waiting.
    bot.fires("node").await;
    bot.advance(minutes(5)).await;
    assert_eq!(bot.reads("general"), "");
    bot.ends("node").await;
    bot.advance(minutes(2)).await;
    let said = bot.reads("general");
    assert!(
        said.contains("on pod-1") && !said.contains("on pod-2"),
        "{said}"
    );
    // By now they are told at once.
    bot.hears(vec![alert("pod-4", "warning", Signal::Firing)])
        .await;
    assert!(bot.reads("general").contains("on pod-4"));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_flaps_is_said_once_in_the_war_room_and_how_it_ends_as_well() {
    let toml = format!("{TOML}\n[alerts]\nflapping = {{ changes = 3, within = \"20m\" }}");
    let bot = TestBot::configured(&toml).await;
    bot.fires("pod-1").await;
    bot.slack.mark_read();
    for _ in 0..10 {
        bot.advance(SignedDuration::from_secs(40)).await;
        bot.ends("pod-1").await;
        bot.advance(SignedDuration::from_secs(40)).await;
        bot.fires("pod-1").await;
    }
    bot.advance(minutes(1)).await;
    let room = bot.reads(ROOM);
    let told: Vec<&str> = room
        .split("\n---\n")
        .filter(|it| !it.contains("Update"))
        .collect();
    assert_snapshot!(told.join("\n"), @r"
        :white_check_mark: All alerts of *5xx above 5 % on pod-1* are over. If users are fine too: `/incident resolve`.
        :repeat: Flapping: *5xx above 5 % on pod-1* begins and ends again and again (2 so far, from prometheus). From here on it is only counted, until it rests.
        ");
    bot.ends("pod-1").await;
    bot.advance(minutes(19)).await;
    bot.slack.mark_read();
    bot.advance(minutes(6)).await;
    assert!(bot.reads(ROOM).contains("All alerts of"));
    assert_eq!(bot.incident(ID).await.firing(), Some(0));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_automation_that_triggers_itself_is_cut_off_with_a_loud_note() {
    let toml = format!("{TOML}\n[alerts]\ncut_off = {{ incidents = 2, within = \"30m\" }}");
    let bot = TestBot::configured(&toml).await;
    bot.knows_itself().await;
    for n in 1..=2 {
        bot.fires("pod-1").await;
        bot.advance(minutes(1)).await;
        let resolve = format!("/incident resolve INC-2025-0914-00{n} it is gone");
        bot.types("ana", "incidents", &resolve).await;
        bot.ends("pod-1").await;
        bot.advance(minutes(1)).await;
    }
    bot.slack.mark_read();
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.reads("incidents"), @r"
        :octagonal_sign: *CUT OFF: these alerts declare no incident for now*
        *5xx above 5 % on pod-1*
        *From:* prometheus
        *Service:* Checkout

        They have declared 2 incidents within 30m: this looks like an automation that triggers itself.
        Until <!date^1757862240^{date_short_pretty} {time}|2025-09-14 15:04 UTC> they are only counted (1 firing); whatever fires then is told again.
        To let them go on now: the button, or `/incident alert resume grp-cfce4e246e2a9f4aa1f2`.
        [Let them go on]
        ");
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 2);
    // Said once, and counted.
    let bot = bot.restarted().await;
    bot.fires("pod-2").await;
    bot.advance(minutes(5)).await;
    assert!(bot.slack.unread().is_empty());
    let note = bot.channel("incidents").messages.last().unwrap().ts.clone();
    bot.clicks("bo", "incidents", &note, "Let them go on").await;
    bot.advance(minutes(1)).await;
    assert_eq!(bot.incident("INC-2025-0914-003").await.firing(), Some(2));
    // Clicked again, there is nothing to let go.
    bot.clicks("bo", "incidents", &note, "Let them go on").await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 3);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_is_cut_off_and_still_fires_when_the_time_is_over_is_told() {
    let toml = format!("{TOML}\n[alerts]\ncut_off = {{ incidents = 1, within = \"30m\" }}");
    let bot = TestBot::configured(&toml).await;
    bot.fires("pod-1").await;
    bot.advance(minutes(1)).await;
    bot.types("ana", "incidents", &format!("/incident resolve {ID} gone"))
        .await;
    bot.fires("pod-2").await;
    bot.advance(minutes(28)).await;
    assert!(bot.reads("incidents").contains("CUT OFF"));
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.advance(minutes(4)).await;
    assert_eq!(bot.incident("INC-2025-0914-002").await.firing(), Some(2));
    bot.slack.mark_read();
    bot.finish().await;
}

// --- nobody who fires is forgotten -------------------------------------------------------------------

#[tokio::test]
async fn a_group_is_as_urgent_as_its_worst_alert_whoever_came_first() {
    let toml = URGENT.replace("group_by = [\"severity\"]", "group_by = [\"service\"]");
    let bot = TestBot::configured(&toml).await;
    let line = "/incident declare p2 service:checkout the checkout is slow";
    bot.types("ana", "general", line).await;
    bot.hears(vec![
        alert("pod-1", "warning", Signal::Firing),
        alert("pod-2", "critical", Signal::Firing),
    ])
    .await;
    bot.advance(minutes(10)).await;
    let all = bot.store.all_ids().await.unwrap();
    assert_eq!(all.len(), 2, "the P2 does not quiet a P1");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn an_inhibition_that_is_taken_out_lets_those_go_whom_it_kept_back() {
    let mut bot = TestBot::configured(INHIBITED).await;
    bot.hears(vec![
        alert("node", "critical", Signal::Firing),
        alert("pod-1", "warning", Signal::Firing),
    ])
    .await;
    bot.slack.mark_read();
    bot.reconfigured(INHIBITED.split("[[inhibitions]]").next().unwrap());
    let bot = bot.restarted().await;
    let intake = bot.app.desk().intake.as_ref().unwrap();
    intake.look_into_rooms().await.unwrap();
    bot.advance(minutes(5)).await;
    let said = bot.reads("general");
    assert!(said.contains("pod-1"), "{said}");
    bot.finish().await;
}

#[tokio::test]
async fn two_rules_that_quiet_each_other_keep_nobody_back_for_ever() {
    let toml = format!(
        "{INHIBITED}\n[[inhibitions]]\nname = \"b\"\nwhen = {{ severity = \"warning\" }}\n\
         quiets = {{ severity = \"critical\" }}\nequal = [\"service\"]\n"
    );
    let bot = TestBot::configured(&toml).await;
    bot.fires("node").await;
    bot.hears(vec![alert("pod-1", "warning", Signal::Firing)])
        .await;
    bot.ends("node").await;
    bot.advance(SignedDuration::from_secs(30)).await;
    bot.types("ana", "general", &format!("/incident resolve {ID} a disk"))
        .await;
    bot.fires("node").await;
    bot.advance(minutes(10)).await;
    let all = bot.store.all_ids().await.unwrap();
    assert_eq!(all.len(), 2, "the second critical is told");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn what_flaps_delays_nobody_else() {
    let toml = format!("{TOML}\n[alerts]\nflapping = {{ changes = 3, within = \"20m\" }}");
    let bot = TestBot::configured(&toml).await;
    for _ in 0..4 {
        bot.fires("pod-1").await;
        bot.advance(SignedDuration::from_secs(20)).await;
        bot.ends("pod-1").await;
        bot.advance(SignedDuration::from_secs(20)).await;
    }
    let resolve = format!("/incident resolve {ID} a disk");
    bot.types("ana", "incidents", &resolve).await;
    bot.fires("pod-2").await;
    bot.advance(SignedDuration::from_secs(20)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 2);
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_severity_that_is_renamed_loses_no_page() {
    let with = |severity: &str| {
        let then = format!("severity = \"{severity}\"\n    then = \"declare\"");
        TOML.replace("then = \"declare\"", &then)
    };
    let mut bot = TestBot::configured(&with("p2")).await;
    bot.fires("pod-1").await;
    let severities = "[[severities]]\nid = \"sev1\"\nname = \"SEV1\"\n";
    bot.reconfigured(&format!("{}\n{severities}", with("sev1")));
    let bot = bot.restarted().await;
    let resolve = format!("/incident resolve {ID} a disk");
    bot.types("ana", "incidents", &resolve).await;
    bot.fires("pod-2").await;
    bot.advance(minutes(2)).await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 2);
    let waiting = bot.store.waiting(bot.clock.now()).await.unwrap();
    assert_eq!(waiting.buried, 0);
    bot.slack.mark_read();
    bot.finish().await;
}

/// What stands on the timeline of the first incident of what was changed.
async fn changes_told(bot: &TestBot) -> Vec<String> {
    bot.app.dispatcher().tell_of_changes().await.unwrap();
    let first = bot.store.all_ids().await.unwrap().remove(0);
    let events = bot.store.events_after(&first, 0).await.unwrap();
    let told = events.iter().map(|row| tell(&row.recorded().unwrap()).text);
    told.filter(|it| it.starts_with("Changed")).collect()
}

fn deploy(bot: &TestBot, title: &str, minutes_ago: i64) -> Alert {
    let mut change = alert(title, "critical", Signal::Noted);
    change.title = title.to_owned();
    change.labels.insert("service".into(), "checkout".into());
    change.started_at = Some(bot.clock.now() - minutes(minutes_ago));
    change
}

#[tokio::test]
async fn a_deploy_before_the_beginning_is_told_however_late_the_alert_comes() {
    let bot = TestBot::with_routes().await;
    let intake = bot.app.desk().intake.as_ref().unwrap();
    let change = deploy(&bot, "Deployed checkout", 40);
    intake.change("pager", change).await.unwrap();
    let mut it = alert("a", "critical", Signal::Firing);
    it.started_at = Some(bot.clock.now() - minutes(35));
    bot.hears(vec![it]).await;
    assert_eq!(changes_told(&bot).await.len(), 1);
    assert_eq!(changes_told(&bot).await.len(), 1, "once");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn the_same_deploy_a_day_later_is_another() {
    let bot = TestBot::with_routes().await;
    let intake = bot.app.desk().intake.as_ref().unwrap();
    let change = || deploy(&bot, "Deployed checkout", 0);
    intake.change("pager", change()).await.unwrap();
    bot.clock.advance(minutes(24 * 60));
    intake.change("pager", change()).await.unwrap();
    bot.clock.advance(minutes(1));
    intake.change("pager", change()).await.unwrap();
    bot.fires("a").await;
    assert_eq!(changes_told(&bot).await.len(), 1, "said twice, it is one");
    bot.slack.mark_read();
    bot.finish().await;
}
