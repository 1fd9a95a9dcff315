//! Forms: a line that leaves out what it needs, the shortcuts, and the home tab.

use std::time::{Duration, Instant};

use firebell::domain::terms::Status;
use firebell::simulator::{Fault, OpenView};
use insta::assert_snapshot;
use serde_json::json;

use crate::harness::{TestBot, minutes};

const ROOM: &str = "incident-2025-0914-001";
const ID: &str = "INC-2025-0914-001";

/// Types a line that opens a form. Gives the form.
async fn form(bot: &TestBot, who: &str, channel: &str, line: &str) -> OpenView {
    let said = bot.types(who, channel, line).await;
    assert_eq!(said, "", "nothing is said beside the form");
    open(bot, who)
}

fn open(bot: &TestBot, who: &str) -> OpenView {
    bot.user(who)
        .open_view()
        .unwrap_or_else(|| panic!("{who} sees no form"))
}

/// A P1 of ana's, in whose war room bo is too.
async fn with_incident() -> TestBot {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.user("bo").joins(ROOM).await;
    bot.slack.mark_read();
    bot
}

#[tokio::test]
async fn declare_without_words_asks_for_them_and_says_where_the_war_room_will_be() {
    let bot = TestBot::start().await;
    let asked = form(&bot, "ana", "general", "/incident declare").await;
    assert_snapshot!(asked.plain_text(), @r#"
        Declare an incident
        What is wrong?: ____
        Severity: P1 - Critical: Complete system outage, data loss
        What is known so far?: ____
        When did it begin?: ____
        [Declare]
        "#);
    let answer = bot
        .user("ana")
        .submits(
            &asked,
            &[
                ("title", "checkout is down"),
                ("severity", "p2"),
                ("description", "since the release"),
            ],
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_snapshot!(open(&bot, "ana").plain_text(), @r#"
        Declared
        Declared *INC-2025-0914-001* (P2 - High): checkout is down
        The war room #incident-2025-0914-001 is being opened; you will be invited.
        "#);
    bot.settle().await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.title, "checkout is down");
    assert_eq!(incident.severity.id.as_str(), "p2");
    assert_eq!(incident.description.as_deref(), Some("since the release"));
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_severity_that_was_typed_is_chosen_in_the_form() {
    let bot = TestBot::start().await;
    let asked = form(&bot, "ana", "general", "/incident declare p3").await;
    bot.user("ana")
        .submits(&asked, &[("title", "a slow page")])
        .await;
    bot.settle().await;
    assert_eq!(bot.incident(ID).await.severity.id.as_str(), "p3");
    bot.finish_unread().await;
}

#[tokio::test]
async fn what_is_wrong_in_a_form_stands_at_its_field_and_nothing_is_done() {
    let bot = TestBot::start().await;
    let asked = form(&bot, "ana", "general", "/incident declare").await;
    let answer = bot.user("ana").submits(&asked, &[("title", "   ")]).await;
    assert_eq!(answer.errors.keys().collect::<Vec<_>>(), ["title"]);
    assert_eq!(open(&bot, "ana").id, asked.id, "the form stays open");
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    let later = bot.clock.now().as_second() + 3_600;
    let fields = [
        ("title", "checkout is down"),
        ("started", &later.to_string()),
    ];
    let answer = bot.user("ana").submits(&asked, &fields).await;
    assert_eq!(answer.errors.keys().collect::<Vec<_>>(), ["started"]);
    assert!(bot.store.all_ids().await.unwrap().is_empty());
    // What is mended is taken, in the same form.
    bot.user("ana")
        .submits(&asked, &[("title", "checkout is down"), ("started", "")])
        .await;
    bot.settle().await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_form_that_is_sent_twice_does_it_once() {
    let bot = TestBot::start().await;
    let asked = form(&bot, "ana", "general", "/incident declare").await;
    let payload = json!({
        "type": "view_submission",
        "team": { "id": "T0000000001" },
        "user": { "id": bot.user("ana").id, "username": "ana" },
        "view": {
            "id": asked.id, "callback_id": asked.callback_id, "private_metadata": asked.private_metadata,
            "blocks": asked.blocks,
            "state": { "values": {
                "title": { "title": { "type": "plain_text_input", "value": "checkout is down" } },
                "severity": { "severity": { "type": "static_select", "selected_option": { "value": "p1" } } },
            } },
        },
    });
    let body = serde_urlencoded::to_string([("payload", payload.to_string())]).unwrap();
    let first = bot.sends("/slack/interactions", &body).await;
    let second = bot.sends("/slack/interactions", &body).await;
    assert_eq!(first.0, 200);
    assert_eq!(first, second, "both are told the same");
    bot.settle().await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn an_update_is_prefilled_with_how_things_stand() {
    let bot = with_incident().await;
    let asked = form(&bot, "ana", ROOM, "/incident update").await;
    assert_snapshot!(asked.plain_text(), @r#"
        Status update
        *INC-2025-0914-001* checkout is down
        How do things stand?: ____
        Status: Investigating
        Severity: P1 - Critical: Complete system outage, data loss
        Actions taken: ____
        Next steps: ____
        ETA: ____
        Next update: As usual: in 15m
        [Post]
        "#);
    bot.user("ana")
        .submits(
            &asked,
            &[
                ("text", "rolled back"),
                ("status", "monitoring"),
                ("next_steps", "watch the error rate"),
                ("eta", "15:00"),
                ("next_update", "60"),
            ],
        )
        .await;
    bot.settle().await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :arrows_counterclockwise: Status: Investigating → *Monitoring* (<@U0000000001>)
        ---
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        *Time:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC> (+0m)
        *Status:* Monitoring
        rolled back
        *Next steps:*
        watch the error rate
        *ETA:* 15:00
        *Next update by:* <!date^1757863800^{time}|2025-09-14 15:30 UTC>
        "#);
    let again = form(&bot, "ana", ROOM, "/incident update").await;
    let text = again.plain_text();
    assert!(text.contains("Status: Monitoring"), "{text}");
    assert!(text.contains("Next steps: watch the error rate"), "{text}");
    assert!(text.contains("ETA: 15:00"), "{text}");
    assert!(text.contains("How do things stand?: ____"), "{text}");
    bot.slack.mark_read();
    bot.advance(minutes(59)).await;
    assert_eq!(
        bot.reads(ROOM),
        "",
        "the next update was promised for later"
    );
    bot.finish().await;
}

#[tokio::test]
async fn the_buttons_of_the_card_and_of_a_reminder_open_the_forms() {
    let bot = with_incident().await;
    let card = bot.card(ROOM);
    for (button, title) in [("Update", "Status update"), ("Resolve", "Resolve")] {
        bot.clicks("bo", ROOM, &card, button).await;
        assert_eq!(open(&bot, "bo").title, title);
    }
    bot.advance(minutes(15)).await;
    let reminder = bot.slack.read(ROOM).pop().expect("a reminder");
    bot.clicks("bo", ROOM, &reminder.ts, "Post update").await;
    let asked = open(&bot, "bo");
    bot.user("bo").submits(&asked, &[("text", "looking")]).await;
    bot.settle().await;
    assert_eq!(bot.incident(ID).await.updates, 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn severity_role_and_resolution_are_asked_for_too() {
    let bot = with_incident().await;
    let asked = form(&bot, "ana", ROOM, "/incident severity").await;
    let answer = bot.user("ana").submits(&asked, &[]).await;
    assert_eq!(
        answer.errors.into_iter().collect::<Vec<_>>(),
        [(
            "severity".into(),
            format!("{ID} already has the severity P1 - Critical.")
        )]
    );
    bot.user("ana")
        .submits(&asked, &[("severity", "p2"), ("reason", "half is back")])
        .await;

    bot.knows_itself().await;
    let asked = form(&bot, "ana", ROOM, "/incident role").await;
    let answer = bot
        .user("ana")
        .submits(&asked, &[("role", "scribe"), ("user", "firebell")])
        .await;
    assert!(
        answer.errors["user"].contains("Name a person"),
        "{:?}",
        answer.errors
    );
    bot.user("ana")
        .submits(&asked, &[("role", "scribe"), ("user", "bo")])
        .await;

    let asked = form(&bot, "bo", ROOM, "/incident resolve").await;
    bot.user("bo")
        .submits(
            &asked,
            &[
                ("root_cause", "a full disk"),
                ("resolution", "a larger one"),
                ("impact", "2 % of orders"),
            ],
        )
        .await;
    bot.settle().await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.severity.id.as_str(), "p2");
    assert_eq!(incident.resolution.impact.as_deref(), Some("2 % of orders"));
    // Said again, it adds to what was said, and comes prefilled.
    let asked = form(&bot, "bo", ROOM, "/incident resolve").await;
    assert!(
        asked.plain_text().contains("a full disk"),
        "{}",
        asked.plain_text()
    );
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn a_form_that_would_be_refused_however_it_is_filled_in_does_not_open() {
    let bot = with_incident().await;
    bot.types("ana", ROOM, "/incident resolve a full disk")
        .await;
    bot.types("ana", ROOM, "/incident close").await;
    bot.slack.mark_read();
    for line in ["update", "severity", "role", "resolve"] {
        let said = bot.types("ana", ROOM, &format!("/incident {line}")).await;
        assert!(said.contains("is closed"), "{line}: {said}");
        assert!(bot.user("ana").open_view().is_none());
    }
    bot.finish().await;
}

#[tokio::test]
async fn where_no_incident_is_meant_the_open_ones_are_offered_and_then_the_form() {
    let bot = with_incident().await;
    bot.types("cy", "general", "/incident update").await;
    let offered = bot.user("cy").ephemerals().pop().expect("an offer");
    let label = format!("{ID} checkout is down");
    bot.clicks("cy", "general", &offered.ts, &label).await;
    let asked = open(&bot, "cy");
    bot.user("cy")
        .submits(&asked, &[("text", "customers call")])
        .await;
    bot.settle().await;
    assert_eq!(bot.incident(ID).await.updates, 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_form_that_slack_does_not_open_is_answered_with_what_to_type() {
    let bot = with_incident().await;
    bot.slack
        .fault("views.open", Fault::Error("expired_trigger_id".into()), 1);
    let said = bot.types("ana", ROOM, "/incident update").await;
    assert_eq!(said, "");
    let told = bot.user("ana").ephemerals().pop().expect("an answer");
    assert_snapshot!(told.plain_text(), @"The form did not open: Slack took too long. Try again, or type it: `/incident update INC-2025-0914-001 &lt;text…&gt;`");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn while_slack_takes_its_time_the_line_is_answered_at_once() {
    let bot = with_incident().await;
    bot.slack
        .fault("views.open", Fault::Slow(Duration::from_secs(2)), 1);
    let began = Instant::now();
    let answer = bot.user("ana").types(ROOM, "/incident update").await;
    assert_eq!(answer.status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    bot.settle().await;
    assert_eq!(open(&bot, "ana").title, "Status update");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_shortcut_declares_from_anywhere() {
    let bot = TestBot::start().await;
    bot.user("ana").shortcut("declare_incident").await;
    bot.settle().await;
    let asked = open(&bot, "ana");
    bot.user("ana")
        .submits(&asked, &[("title", "checkout is down")])
        .await;
    bot.settle().await;
    assert_eq!(bot.store.all_ids().await.unwrap().len(), 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_declaration_on_a_message_carries_it_in_and_keeps_it_on_the_timeline() {
    let bot = TestBot::start().await;
    bot.slack.add_bot_to("general");
    let said = bot
        .user("bo")
        .says("general", "checkout returns 500\nfor every customer")
        .await;
    bot.user("ana")
        .message_shortcut("declare_incident_from_message", "general", &said)
        .await;
    bot.settle().await;
    let asked = open(&bot, "ana");
    bot.user("ana").submits(&asked, &[]).await;
    bot.settle().await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.title, "checkout returns 500");
    assert_eq!(
        incident.description.as_deref(),
        Some("checkout returns 500\nfor every customer")
    );
    let timeline = bot.types("ana", ROOM, "/incident timeline").await;
    assert!(timeline.contains("@bo: checkout returns 500"), "{timeline}");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_message_is_added_to_the_timeline_of_its_room_or_of_the_incident_that_is_chosen() {
    let bot = with_incident().await;
    let inside = bot.user("bo").says(ROOM, "the pool is exhausted").await;
    bot.user("ana")
        .message_shortcut("add_to_timeline", ROOM, &inside)
        .await;
    bot.settle().await;
    let told = bot.user("ana").ephemerals().pop().expect("an answer");
    assert_eq!(told.plain_text(), format!("Added to the timeline of {ID}."));

    bot.slack.add_bot_to("general");
    let outside = bot.user("cy").says("general", "customers call").await;
    bot.user("ana")
        .message_shortcut("add_to_timeline", "general", &outside)
        .await;
    bot.settle().await;
    let asked = open(&bot, "ana");
    assert_eq!(asked.title, "Add to timeline");
    bot.user("ana").submits(&asked, &[]).await;
    bot.settle().await;
    let timeline = bot.types("ana", ROOM, "/incident timeline").await;
    assert!(
        timeline.contains("@bo: the pool is exhausted"),
        "{timeline}"
    );
    assert!(timeline.contains("@cy: customers call"), "{timeline}");
    bot.finish_unread().await;
}

#[tokio::test]
async fn in_the_thread_of_a_small_incident_messages_are_marked_like_in_a_war_room() {
    let bot = TestBot::start().await;
    bot.slack.add_bot_to("incidents");
    bot.types(
        "ana",
        "general",
        "/incident declare p4 a typo in the footer",
    )
    .await;
    let announcement = bot
        .channel("incidents")
        .messages
        .iter()
        .find(|message| message.from_bot)
        .expect("an announcement")
        .ts
        .clone();
    let mut marked = Vec::new();
    for (n, text) in ["a pin", "a reaction", "a shortcut"]
        .into_iter()
        .enumerate()
    {
        let ts = bot
            .user("bo")
            .replies("incidents", &announcement, text)
            .await;
        match n {
            0 => bot.user("bo").pins("incidents", &ts).await,
            1 => bot.user("bo").reacts("incidents", &ts, "pushpin").await,
            _ => {
                bot.user("bo")
                    .message_shortcut("add_to_timeline", "incidents", &ts)
                    .await;
            }
        }
        marked.push(text);
    }
    // Of another thread in the same channel nobody is told.
    let other = bot.user("cy").says("incidents", "lunch?").await;
    bot.user("cy").reacts("incidents", &other, "pushpin").await;
    bot.settle().await;
    let timeline = bot
        .types("bo", "incidents", &format!("/incident timeline {ID}"))
        .await;
    for text in marked {
        assert!(
            timeline.contains(&format!("@bo: {text}")),
            "{text}: {timeline}"
        );
    }
    assert!(!timeline.contains("lunch"), "{timeline}");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_reaction_in_a_thread_is_not_lost_while_slack_does_not_answer() {
    let bot = TestBot::start().await;
    bot.slack.add_bot_to("incidents");
    bot.types(
        "ana",
        "general",
        "/incident declare p4 a typo in the footer",
    )
    .await;
    let announcement = bot.channel("incidents").messages[0].ts.clone();
    let ts = bot
        .user("bo")
        .replies("incidents", &announcement, "it says 2024")
        .await;
    bot.slack
        .fault("conversations.history", Fault::Status(503), 1);
    bot.user("bo").reacts("incidents", &ts, "pushpin").await;
    bot.settle().await;
    let failed = bot.slack.failed_deliveries();
    assert_eq!(failed.len(), 1, "Slack is asked to send it again");
    bot.slack.redeliver(&failed[0].event_id).await;
    bot.settle().await;
    let kept = bot
        .store
        .events_after(&bot.incident(ID).await.id, 0)
        .await
        .unwrap();
    let kept: Vec<_> = kept
        .iter()
        .filter(|row| row.kind == "message_kept")
        .collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].payload.contains("it says 2024"));
    bot.finish_unread().await;
}

#[tokio::test]
async fn the_home_tab_shows_what_is_open_and_what_one_has_promised() {
    let bot = TestBot::start().await;
    bot.user("bo").opens_home().await;
    bot.settle().await;
    assert_snapshot!(bot.user("bo").home().expect("a home tab").plain_text(), @r#"
        Open incidents
        [Declare an incident]
        Nothing is open. :tada:
        ---
        My follow-ups
        Nothing is waiting for you.
        As of <!date^1757860200^{time}|14:30 UTC>
        "#);
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.types(
        "ana",
        ROOM,
        "/incident followup add an alarm @bo due:2025-09-30",
    )
    .await;
    bot.types("ana", ROOM, "/incident followup write it down")
        .await;
    bot.user("bo").opens_home().await;
    bot.settle().await;
    let home = bot.user("bo").home().expect("a home tab");
    assert_snapshot!(home.plain_text(), @r#"
        Open incidents
        [Declare an incident]
        *INC-2025-0914-001* · P1 · *checkout is down*
        Investigating · 0m · <#C0000000004>
        Lead: <@U0000000001> · Next update by <!date^1757861100^{time}|14:45 UTC>
        [Acknowledge] [Update]
        ---
        My follow-ups
        :pushpin: add an alarm, due 2025-09-30
        _Follow-up 1 of INC-2025-0914-001_
        [Done]
        As of <!date^1757860200^{time}|14:30 UTC>
        "#);
    // A click there changes it, and says what was done.
    bot.user("bo").clicks_in(&home, "Acknowledge").await;
    bot.settle().await;
    assert_eq!(
        open(&bot, "bo").plain_text(),
        "Firebell\nYou have INC-2025-0914-001."
    );
    let home = bot.user("bo").home().expect("a home tab");
    assert!(
        !home.plain_text().contains("[Acknowledge]"),
        "{}",
        home.plain_text()
    );
    bot.user("bo").clicks_in(&home, "Declare an incident").await;
    bot.settle().await;
    assert_eq!(open(&bot, "bo").title, "Declare an incident");
    // A promise outlives its incident.
    bot.types("ana", ROOM, "/incident resolve a full disk")
        .await;
    bot.types("ana", ROOM, "/incident close").await;
    bot.user("bo").opens_home().await;
    bot.settle().await;
    assert_snapshot!(bot.user("bo").home().expect("a home tab").plain_text(), @r#"
        Open incidents
        [Declare an incident]
        Nothing is open. :tada:
        ---
        My follow-ups
        :pushpin: add an alarm, due 2025-09-30
        _Follow-up 1 of INC-2025-0914-001_
        [Done]
        As of <!date^1757860205^{time}|14:30 UTC>
        "#);
    let home = bot.user("bo").home().expect("a home tab");
    bot.user("bo").clicks_in(&home, "Done").await;
    bot.settle().await;
    let home = bot.user("bo").home().expect("a home tab");
    assert!(home.plain_text().contains("Nothing is waiting for you."));
    bot.finish_unread().await;
}

#[tokio::test]
async fn the_home_tab_holds_many_incidents_and_many_promises() {
    let bot = TestBot::start().await;
    for n in 1..=25 {
        bot.types(
            "ana",
            "general",
            &format!("/incident declare p4 trouble {n}"),
        )
        .await;
    }
    for n in 1..=25 {
        let id = format!("INC-2025-0914-{n:03}");
        for line in ["first", "second"] {
            bot.types(
                "ana",
                "general",
                &format!("/incident followup {id} {line} @bo"),
            )
            .await;
        }
    }
    bot.user("bo").opens_home().await;
    bot.settle().await;
    let home = bot.user("bo").home().expect("Slack took it").plain_text();
    assert!(home.contains("and 5 more"), "{home}");
    assert!(home.contains("and 30 more"), "{home}");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_form_that_was_open_for_long_takes_nothing_back_that_others_did_meanwhile() {
    let bot = with_incident().await;
    let asked = form(&bot, "ana", ROOM, "/incident update").await;
    bot.types("bo", ROOM, "/incident status identified").await;
    bot.types("bo", ROOM, "/incident severity p2").await;
    bot.user("ana")
        .submits(&asked, &[("text", "looking")])
        .await;
    bot.settle().await;
    let incident = bot.incident(ID).await;
    assert_eq!(incident.severity.id.as_str(), "p2");
    assert_eq!(incident.status, Status::Identified);

    bot.types("bo", ROOM, "/incident resolve maybe a disk")
        .await;
    let asked = form(&bot, "ana", ROOM, "/incident resolve").await;
    bot.types("bo", ROOM, "/incident resolve it was DNS").await;
    bot.user("ana")
        .submits(&asked, &[("impact", "2 % of orders")])
        .await;
    let resolution = bot.incident(ID).await.resolution.clone();
    assert_eq!(resolution.root_cause.as_deref(), Some("it was DNS"));
    assert_eq!(resolution.impact.as_deref(), Some("2 % of orders"));
    bot.settle().await;
    bot.finish_unread().await;
}

#[tokio::test]
async fn what_is_added_to_a_resolution_does_not_end_an_incident_that_is_open_again() {
    let bot = with_incident().await;
    bot.types("bo", ROOM, "/incident resolve a disk").await;
    let asked = form(&bot, "ana", ROOM, "/incident resolve").await;
    bot.types("bo", ROOM, "/incident reopen it is back").await;
    let answer = bot.user("ana").submits(&asked, &[("impact", "all")]).await;
    let said: Vec<_> = answer.errors.values().collect();
    assert!(said[0].contains("was opened again meanwhile"), "{said:?}");
    bot.settle().await;
    assert!(bot.incident(ID).await.status.is_open());
    bot.finish_unread().await;
}

#[tokio::test]
async fn one_message_may_stand_on_two_timelines() {
    let bot = with_incident().await;
    bot.types("ana", "general", "/incident declare p4 a slow page")
        .await;
    bot.slack.add_bot_to("general");
    let said = bot.user("cy").says("general", "customers call").await;
    for id in [ID, "INC-2025-0914-002"] {
        bot.user("ana")
            .message_shortcut("add_to_timeline", "general", &said)
            .await;
        bot.settle().await;
        let asked = open(&bot, "ana");
        bot.user("ana").submits(&asked, &[("incident", id)]).await;
        bot.settle().await;
        let timeline = bot
            .types("ana", "general", &format!("/incident timeline {id}"))
            .await;
        assert!(timeline.contains("customers call"), "{id}: {timeline}");
    }
    bot.finish_unread().await;
}
