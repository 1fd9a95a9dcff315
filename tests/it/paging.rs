//! People are paged until somebody answers: they read it, click, stay silent, while Slack works and while it does not.

use firebell::domain::page::DeliveryState;
use firebell::simulator::{Fault, MessageView};
use insta::assert_snapshot;

use crate::harness::{TestBot, minutes};

const ID: &str = "INC-2025-0914-001";
const ROOM: &str = "incident-2025-0914-001";

/// Bo is on call, Cy is the manager behind him.
const TEAM: &str = r##"
    [[severities]]
    id = "p1"
    name = "P1 - Critical"
    escalation_policy = "leadership"
    acknowledge_within = "20m"
    [[severities]]
    id = "p4"
    name = "P4 - Low"
    war_room = false
    [[people]]
    id = "bo"
    name = "bo"
    slack = "@bo"
    [[people]]
    id = "cy"
    name = "cy"
    slack = "@cy"
    roles = ["manager"]
    [[schedules]]
    id = "primary"
    timezone = "UTC"
    fallback = "role:manager"
      [[schedules.rotations]]
      participants = ["person:bo"]
      shift = "1w"
      handoff = "2025-09-01T09:00"
    [[escalation_policies]]
    id = "leadership"
    steps = [
      { after = "0m",  notify = ["schedule:primary"] },
      { after = "15m", notify = ["role:manager", "channel:#general"] },
    ]
    "##;

async fn declared() -> TestBot {
    let bot = TestBot::configured(TEAM).await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot
}

/// What stands in somebody's direct message with the bot.
fn pages(bot: &TestBot, who: &str) -> Vec<MessageView> {
    bot.user(who).dms()
}

fn texts(messages: &[MessageView]) -> String {
    let texts: Vec<String> = messages.iter().map(MessageView::plain_text).collect();
    texts.join("\n---\n")
}

/// Reads what is not the matter of a test: the room's opening, the announcements.
fn reads_all(bot: &TestBot) {
    bot.reads(ROOM);
    bot.reads("incidents");
}

#[tokio::test]
async fn whoever_is_on_call_is_paged_and_answers_with_one_click() {
    let bot = declared().await;
    let page = pages(&bot, "bo");
    assert_eq!(page.len(), 1, "{page:#?}");
    assert_snapshot!(texts(&page), @"
    :rotating_light: *You are paged - P1*
    *checkout is down*
    *Incident ID:* INC-2025-0914-001
    *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
    *Why you:* step 1 of 2 of leadership
    *War room:* <#C0000000004>
    [Acknowledge] [Pass on] [Status]
    ");
    assert!(pages(&bot, "cy").is_empty());
    let room = bot.reads(ROOM);
    assert_snapshot!(room.split("\n---\n").last().unwrap(), @"
    :rotating_light: *INCIDENT - P1*
    *checkout is down*
    *Incident ID:* INC-2025-0914-001
    *Severity:* P1 - Critical
    *Status:* Investigating
    *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
    *Incident Commander:* <@U0000000001>
    *ETA:* TBD
    [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Call the next step now | Timeline | Export the record | Help]
    ");

    bot.clicks("bo", "dm", &page[0].ts, "Acknowledge").await;
    assert_snapshot!(bot.reads(ROOM), @":eyes: Acknowledged by <@U0000000002>.");
    // The message says so, and can be answered no more.
    let over = pages(&bot, "bo");
    assert_snapshot!(texts(&over), @"
    :eyes: <@U0000000002> has INC-2025-0914-001: *checkout is down*. This page needs no answer any more.
    *War room:* <#C0000000004>
    ");
    assert_eq!(over[0].buttons(), Vec::<String>::new());

    // Nobody is called any more.
    bot.advance(minutes(60)).await;
    assert!(pages(&bot, "cy").is_empty());
    assert_eq!(bot.incident(ID).await.pages, []);
    reads_all(&bot);
    bot.finish().await;
}

#[tokio::test]
async fn nobody_answers_and_the_next_step_and_the_end_are_said_loudly() {
    let bot = declared().await;
    reads_all(&bot);
    bot.advance(minutes(15)).await;
    assert_eq!(pages(&bot, "cy").len(), 1);
    assert_snapshot!(bot.reads(ROOM), @":pager: Step 2 of 2: <@U0000000003> (Slack); #general (Slack)");
    // A channel is paged like a person.
    assert!(bot.reads("general").contains("You are paged"));
    bot.advance(minutes(15)).await;
    assert_snapshot!(bot.reads(ROOM), @"
    :warning: *Nobody has acknowledged INC-2025-0914-001 in time*: *checkout is down*. It was due at <!date^1757861400^{time}|2025-09-14 14:50 UTC>. To take it on: `/incident ack INC-2025-0914-001`
    ---
    :rotating_light: *Nobody has answered for INC-2025-0914-001*: *checkout is down*. The escalation is at its end, and nobody is called any more. To take it on: `/incident ack INC-2025-0914-001`. To call them all again: `/incident escalate INC-2025-0914-001`.
    ");
    assert_snapshot!(bot.reads("incidents"), @"
    :warning: *Nobody has acknowledged INC-2025-0914-001 in time*: *checkout is down*. It was due at <!date^1757861400^{time}|2025-09-14 14:50 UTC>. To take it on: `/incident ack INC-2025-0914-001`
    ---
    :rotating_light: *Nobody has answered for INC-2025-0914-001*: *checkout is down*. The escalation is at its end, and nobody is called any more. To take it on: `/incident ack INC-2025-0914-001`. To call them all again: `/incident escalate INC-2025-0914-001`.
    ");
    // What nobody answered is ended in each place.
    for who in ["bo", "cy"] {
        let over = texts(&pages(&bot, who));
        assert!(over.contains("Nobody answered this page"), "{over}");
    }
    bot.reads("general");
    bot.types("ana", ROOM, "/incident resolve").await;
    reads_all(&bot);
    bot.finish().await;
}

#[tokio::test]
async fn one_calls_somebody_by_hand_and_goes_on_at_once() {
    let bot = declared().await;
    reads_all(&bot);
    pages(&bot, "bo");
    assert_snapshot!(bot.types("ana", ROOM, "/incident page @cy the database is on fire").await, @"INC-2025-0914-001: paging @cy. If nobody answers, the war room hears of it.");
    assert_snapshot!(bot.reads(ROOM), @"
    :pager: <@U0000000001> calls: <@U0000000003> (Slack)
    > the database is on fire
    ");
    let page = pages(&bot, "cy");
    assert!(
        texts(&page).contains("calls you: the database is on fire"),
        "{}",
        texts(&page)
    );
    assert_snapshot!(bot.types("ana", ROOM, "/incident escalate").await, @"INC-2025-0914-001: step 2 of 2 goes now, to @cy, #general. The war room shows who answers.");
    assert_eq!(pages(&bot, "cy").len(), 2);
    assert_snapshot!(bot.types("ana", ROOM, "/incident page nobdy").await, @"I do not know who “nobdy” is. Like this: `/incident page &lt;@user|schedule|role&gt; [what for…]`");
    assert_snapshot!(bot.types("ana", ROOM, "/incident page mangaer").await, @"I do not know who “mangaer” is. Did you mean `manager`? Like this: `/incident page &lt;@user|schedule|role&gt; [what for…]`");
    // Cy's acknowledgement answers both of his pages, and Bo's.
    bot.clicks("cy", "dm", &page[0].ts, "Acknowledge").await;
    assert_eq!(bot.incident(ID).await.pages, []);
    for who in ["bo", "cy"] {
        assert!(texts(&pages(&bot, who)).contains("needs no answer any more"));
    }
    reads_all(&bot);
    bot.reads("general");
    bot.finish().await;
}

#[tokio::test]
async fn a_page_whose_answer_is_lost_is_posted_once() {
    for fault in [
        Fault::LoseAnswerAfter,
        Fault::LoseAnswerBefore,
        Fault::Status(503),
    ] {
        let bot = TestBot::configured(TEAM).await;
        bot.slack.fault("conversations.open", fault.clone(), 1);
        bot.slack.fault("chat.postMessage", fault.clone(), 1);
        bot.types("ana", "general", "/incident declare p1 checkout is down")
            .await;
        bot.comes_through().await;
        assert_eq!(pages(&bot, "bo").len(), 1, "{fault:?}");
        reads_all(&bot);
        let incident = bot.incident(ID).await;
        let contact = &incident.pages[0].contacts[0];
        assert_eq!(contact.state, DeliveryState::Accepted, "{fault:?}");
        bot.finish_unread().await;
    }
}

#[tokio::test]
async fn one_member_of_a_group_who_cannot_be_written_to_keeps_the_page_from_none_of_the_others() {
    let bot = TestBot::configured(TEAM).await;
    bot.slack.add_group("sre", &["bo", "cy"]);
    bot.types("ana", "general", "/incident declare p4 the cellar is wet")
        .await;
    let gone = Fault::Error("user_disabled".to_owned());
    bot.slack.fault("conversations.open", gone, 1);
    let line = format!("/incident page {ID} usergroup:sre bring a bucket");
    bot.types("ana", "general", &line).await;
    bot.comes_through().await;
    assert_eq!(pages(&bot, "bo").len() + pages(&bot, "cy").len(), 1);
    let incident = bot.incident(ID).await;
    let contact = &incident.pages[0].contacts[0];
    assert_eq!(contact.state, DeliveryState::Accepted);
    bot.finish_unread().await;
}

#[tokio::test]
async fn each_member_of_a_group_is_paged_once_although_one_has_to_wait_for_a_turn() {
    let bot = TestBot::configured(TEAM).await;
    bot.slack.add_group("sre", &["bo", "cy"]);
    bot.types("ana", "general", "/incident declare p4 the cellar is wet")
        .await;
    // So many messages at once take all turns in the conversation with Cy.
    for whom in ["@cy", "@cy", "@cy", "@cy", "usergroup:sre"] {
        let line = format!("/incident page {ID} {whom} bring a bucket");
        assert_eq!(bot.user("ana").types("general", &line).await.status, 200);
    }
    bot.comes_through().await;
    assert_eq!(pages(&bot, "cy").len(), 5);
    assert_eq!(pages(&bot, "bo").len(), 1);
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_page_that_is_tried_again_does_not_wait_for_as_long_as_the_clock_was_ahead() {
    let bot = TestBot::configured(TEAM).await;
    bot.clock.advance(minutes(120));
    bot.slack
        .fault("conversations.open", Fault::Status(503), usize::MAX);
    let line = "/incident declare p1 checkout is down";
    assert_eq!(bot.user("ana").types("general", line).await.status, 200);
    bot.goes_on_for(minutes(1), minutes(1)).await;
    bot.slack.clear_faults();
    bot.clock.advance(minutes(-120));
    bot.goes_on_for(minutes(1), minutes(1)).await;
    assert_eq!(pages(&bot, "bo").len(), 1);
    bot.finish_unread().await;
}
