//! An incident's whole life in Slack, as the people in it see it.

use firebell::domain::terms::Status;
use insta::assert_snapshot;

use crate::harness::{TestBot, minutes};

const ROOM: &str = "incident-2025-0914-001";

#[tokio::test]
async fn a_declaration_opens_one_war_room_with_one_pinned_card_and_one_announcement() {
    let bot = TestBot::start().await;
    let answer = bot
        .types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    assert_snapshot!(answer, @r#"
        Declared *INC-2025-0914-001* (P1 - Critical): checkout is down
        The war room #incident-2025-0914-001 is being opened; you will be invited.
        "#);
    assert_snapshot!(bot.reads("incidents"), @r#"
        :rotating_light: *INCIDENT DECLARED - P1*
        *checkout is down*
        *Incident ID:* INC-2025-0914-001
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Incident Commander:* <@U0000000001>
        *Status:* Investigating
        *War room:* <#C0000000004>
        "#);
    assert_snapshot!(bot.reads(ROOM), @r#"
        :rotating_light: *INCIDENT - P1*
        *checkout is down*
        *Incident ID:* INC-2025-0914-001
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Incident Commander:* <@U0000000001>
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    let room = bot.channel(ROOM);
    assert_snapshot!(room.topic, @"P1 · Investigating · checkout is down · Commander: ana");
    assert_snapshot!(room.purpose, @"War room of INC-2025-0914-001: checkout is down. Commands: /incident help");
    assert_eq!(room.pinned().count(), 1);
    assert!(
        room.members.contains(&"ana".to_owned()),
        "{:?}",
        room.members
    );
    bot.finish().await;
}

#[tokio::test]
async fn an_incident_lives_its_whole_life_in_slack() {
    lives_its_whole_life(TestBot::start().await).await;
}

#[tokio::test]
async fn an_incident_lives_the_same_life_by_socket_mode() {
    lives_its_whole_life(TestBot::by_socket_mode().await).await;
}

async fn lives_its_whole_life(bot: TestBot) {
    bot.types(
        "ana",
        "general",
        "/incident declare p2 checkout is slow\nlatency above 2 s since the release",
    )
    .await;
    bot.slack.mark_read();
    bot.user("bo").joins(ROOM).await;
    let card = bot.card(ROOM);

    bot.clicks("bo", ROOM, &card, "Acknowledge").await;
    assert_snapshot!(bot.reads(ROOM), @":eyes: Acknowledged by <@U0000000002>.");
    bot.user("bo").sees();
    bot.advance(minutes(2)).await;
    bot.types("bo", ROOM, "/incident role ops @bo").await;
    bot.types("ana", ROOM, "/incident severity p1 all customers")
        .await;
    bot.types(
        "ana",
        ROOM,
        "/incident note the pods of 14:05 were restarted",
    )
    .await;
    bot.types("ana", ROOM, "/incident status mitigating").await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :bust_in_silhouette: *Operations Lead:* <@U0000000002>
        ---
        :scales: Severity: P2 - High → *P1 - Critical* (<@U0000000001>)
        Reason: all customers
        ---
        :pencil: the pods of 14:05 were restarted
        ---
        :arrows_counterclockwise: Status: Investigating → *Mitigating* (<@U0000000001>)
        "#);
    bot.advance(minutes(3)).await;
    let answer = bot
        .types(
            "ana",
            ROOM,
            "/incident update rolled back to release 41, error rate is falling",
        )
        .await;
    assert_snapshot!(answer, @"Update 1 of INC-2025-0914-001 is on its way.");
    assert_snapshot!(bot.reads(ROOM), @r#"
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        *Time:* <!date^1757860503^{date_short_pretty} {time}|2025-09-14 14:35 UTC> (+5m)
        *Status:* Mitigating
        rolled back to release 41, error rate is falling
        *ETA:* TBD
        *Next update by:* <!date^1757861403^{time}|2025-09-14 14:50 UTC>
        "#);
    assert_snapshot!(bot.reads("incidents"), @r#"
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        *Time:* <!date^1757860503^{date_short_pretty} {time}|2025-09-14 14:35 UTC> (+5m)
        *Status:* Mitigating
        rolled back to release 41, error rate is falling
        *ETA:* TBD
        *Next update by:* <!date^1757861403^{time}|2025-09-14 14:50 UTC>
        "#);
    bot.types(
        "ana",
        ROOM,
        "/incident followup add an alarm on latency @bo due:2025-09-30",
    )
    .await;
    bot.types("ana", ROOM, "/incident status monitoring").await;
    bot.advance(minutes(10)).await;
    bot.types("ana", ROOM, "/incident resolve a slow query in release 42")
        .await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :pushpin: Follow-up 1: add an alarm on latency (<@U0000000002>), due 2025-09-30
        ---
        :arrows_counterclockwise: Status: Mitigating → *Monitoring* (<@U0000000001>)
        ---
        :white_check_mark: *INCIDENT RESOLVED - INC-2025-0914-001*
        *checkout is slow*
        *Duration:* 15m (<!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC> to <!date^1757861103^{date_short_pretty} {time}|2025-09-14 14:45 UTC>)
        *Root cause:* a slow query in release 42
        *Post-mortem:* due <!date^1757947503^{date_short_pretty} {time}|2025-09-15 14:45 UTC>
        _Record: `INC-2025-0914-001:14:…`_
        "#);
    assert_snapshot!(bot.reads("incidents"), @r#"
        :white_check_mark: *INCIDENT RESOLVED - INC-2025-0914-001*
        *checkout is slow*
        *Duration:* 15m (<!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC> to <!date^1757861103^{date_short_pretty} {time}|2025-09-14 14:45 UTC>)
        *Root cause:* a slow query in release 42
        *Post-mortem:* due <!date^1757947503^{date_short_pretty} {time}|2025-09-15 14:45 UTC>
        _Record: `INC-2025-0914-001:14:…`_
        "#);
    let card_now = bot.channel(ROOM).pinned().next().unwrap().plain_text();
    assert_snapshot!(card_now, @r#"
        :white_check_mark: *INCIDENT RESOLVED - P1*
        *checkout is slow*
        *Incident ID:* INC-2025-0914-001
        *Severity:* P1 - Critical
        *Status:* Resolved
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Acknowledged by:* <@U0000000002>
        *Incident Commander:* <@U0000000001>
        *Operations Lead:* <@U0000000002>
        *Duration:* 15m
        *Root cause:* a slow query in release 42

        *Initial assessment:* latency above 2 s since the release

        *Last update:* rolled back to release 41, error rate is falling

        *Follow-ups*
        :white_medium_square: 1. add an alarm on latency (<@U0000000002>), due 2025-09-30
        [Reopen] [Close] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    bot.types("bo", ROOM, "/incident followup done 1").await;
    bot.types("ana", ROOM, "/incident close").await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :white_check_mark: Follow-up 1 is done (<@U0000000002>).
        ---
        :file_folder: INC-2025-0914-001 is closed by <@U0000000001>. `/incident export` gives the whole record.
        _Record: `INC-2025-0914-001:16:…`_
        "#);
    assert_snapshot!(bot.types("ana", ROOM, "/incident timeline").await, @r#"
        *Timeline of INC-2025-0914-001: checkout is slow*
        <!date^1757860200^{time}|14:30 UTC> Declared P2 - High: checkout is slow _ana_
        > latency above 2 s since the release
        > Incident Commander: @ana
        <!date^1757860200^{time}|14:30 UTC> Acknowledged by @bo _bo_
        <!date^1757860320^{time}|14:32 UTC> Operations Lead: @bo _bo_
        <!date^1757860320^{time}|14:32 UTC> Severity: P1 - Critical (was p2) _ana_
        > Reason: all customers
        <!date^1757860321^{time}|14:32 UTC> the pods of 14:05 were restarted _ana_
        <!date^1757860321^{time}|14:32 UTC> Status: Investigating → Mitigating _ana_
        <!date^1757860503^{time}|14:35 UTC> Update 1 (Mitigating): rolled back to release 41, error rate is falling _ana_
        <!date^1757860503^{time}|14:35 UTC> Follow-up 1: add an alarm on latency (owner @bo) (due 2025-09-30) _ana_
        <!date^1757860503^{time}|14:35 UTC> Status: Mitigating → Monitoring _ana_
        <!date^1757861103^{time}|14:45 UTC> Resolved _ana_
        > Root cause: a slow query in release 42
        <!date^1757861103^{time}|14:45 UTC> Follow-up 1 is done _bo_
        <!date^1757861103^{time}|14:45 UTC> Closed: the post-mortem is done _ana_
        "#);

    let incident = bot.incident("INC-2025-0914-001").await;
    assert_eq!(incident.status, Status::Closed);
    assert_eq!(incident.duration(bot.clock.now()).as_mins(), 15);
    bot.finish().await;
}

#[tokio::test]
async fn a_severity_without_a_war_room_is_worked_on_in_the_thread_of_its_announcement() {
    let bot = TestBot::start().await;
    assert_snapshot!(bot.types("ana", "general", "/incident declare p4 a typo in the footer").await, @r#"
        Declared *INC-2025-0914-001* (P4 - Low): a typo in the footer
        It is announced in #incidents; its thread is the war room.
        "#);
    assert!(bot.slack.channel(ROOM).is_none());
    assert_snapshot!(bot.reads("incidents"), @r#"
        :rotating_light: *INCIDENT DECLARED - P4*
        *a typo in the footer*
        *Incident ID:* INC-2025-0914-001
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Incident Commander:* <@U0000000001>
        *Status:* Investigating
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    let announcement = bot
        .channel("incidents")
        .messages
        .iter()
        .find(|message| message.from_bot)
        .unwrap()
        .ts
        .clone();
    bot.clicks("bo", "incidents", &announcement, "Acknowledge")
        .await;
    bot.types(
        "bo",
        "incidents",
        "/incident update INC-2025-0914-001 the fix is on its way",
    )
    .await;
    let replies: Vec<_> = bot
        .channel("incidents")
        .messages
        .iter()
        .filter(|message| {
            message.thread_ts.as_deref() == Some(announcement.as_str())
                && message.ts != announcement
        })
        .map(|message| message.plain_text())
        .collect();
    assert_snapshot!(replies.join("\n---\n"), @r#"
        :eyes: Acknowledged by <@U0000000002>.
        ---
        :bar_chart: *INCIDENT UPDATE - INC-2025-0914-001*
        *Time:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC> (+0m)
        *Status:* Investigating
        the fix is on its way
        *ETA:* TBD
        "#);
    bot.reads("incidents");
    bot.user("bo").sees();
    bot.finish().await;
}

#[tokio::test]
async fn a_reminder_calls_by_id_whom_the_configuration_knows_by_handle_only() {
    let bot = TestBot::configured(
        r#"
        [[people]]
        id = "cy"
        name = "Cy C"
        slack = "@cy"
        roles = ["boss"]

        [[severities]]
        id = "p1"
        name = "P1 - Critical"
        update_every = "15m"
        invite = ["role:boss"]
        "#,
    )
    .await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.advance(minutes(15)).await;
    bot.slack.mark_read();
    bot.advance(minutes(5)).await;
    let cy = bot.user("cy").id;
    let reminder = bot.reads(ROOM);
    assert!(
        reminder.starts_with(&format!(":alarm_clock: <@{cy}>, ")),
        "{reminder}"
    );
    bot.finish().await;
}

#[tokio::test]
async fn an_incident_that_outgrows_its_thread_goes_on_in_a_war_room_of_its_own() {
    let bot = TestBot::start().await;
    bot.types(
        "ana",
        "general",
        "/incident declare p4 a typo in the footer",
    )
    .await;
    bot.types("bo", "general", "/incident ack INC-2025-0914-001")
        .await;
    bot.reads("incidents");
    bot.types(
        "bo",
        "general",
        "/incident severity INC-2025-0914-001 p1 it is on every page",
    )
    .await;
    assert_snapshot!(bot.reads("incidents"), @r#"
        :scales: Severity: P4 - Low → *P1 - Critical* (<@U0000000002>)
        Reason: it is on every page
        Work moves on into a war room of its own: #incident-2025-0914-001
        "#);
    assert_snapshot!(bot.reads(ROOM), @r#"
        :rotating_light: *INCIDENT - P1*
        *a typo in the footer*
        *Incident ID:* INC-2025-0914-001
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Acknowledged by:* <@U0000000002>
        *Incident Commander:* <@U0000000001>
        *ETA:* TBD
        *Next update by:* <!date^1757861100^{time}|2025-09-14 14:45 UTC>
        [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        "#);
    let room = bot.channel(ROOM);
    for who in ["ana", "bo"] {
        assert!(room.members.iter().any(|name| name == who), "{who} is in");
    }
    assert_eq!(
        bot.types("bo", ROOM, "/incident lead me").await,
        "Incident Commander of INC-2025-0914-001: <@U0000000002>."
    );
    bot.reads(ROOM);
    bot.reads("incidents");
    bot.finish().await;
}

#[tokio::test]
async fn an_update_that_is_missing_is_asked_for_and_then_the_next_in_line_is() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.types("ana", "general", "/incident role INC-2025-0914-001 ops @bo")
        .await;
    bot.slack.mark_read();
    bot.advance(minutes(14)).await;
    assert_eq!(bot.reads(ROOM), "");
    bot.advance(minutes(1)).await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :alarm_clock: <@U0000000001>, INC-2025-0914-001 has been waiting for an update since <!date^1757861100^{time}|2025-09-14 14:45 UTC>.
        Say how things stand with the button, or `/incident update …`. “No news, still investigating” is an update too.
        [Post update]
        "#);
    bot.advance(minutes(5)).await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :alarm_clock: <@U0000000002>, INC-2025-0914-001 has been waiting for an update since <!date^1757861100^{time}|2025-09-14 14:45 UTC>.
        This is reminder 2.
        Say how things stand with the button, or `/incident update …`. “No news, still investigating” is an update too.
        [Post update]
        "#);
    bot.types(
        "bo",
        "general",
        "/incident update INC-2025-0914-001 still looking",
    )
    .await;
    bot.slack.mark_read();
    bot.advance(minutes(14)).await;
    assert_eq!(bot.reads(ROOM), "");
    bot.types(
        "ana",
        "general",
        "/incident resolve INC-2025-0914-001 a full disk",
    )
    .await;
    bot.slack.mark_read();
    bot.advance(minutes(120)).await;
    assert_eq!(bot.reads(ROOM), "", "nobody is asked after the resolution");
    bot.finish().await;
}

#[tokio::test]
async fn a_reminder_that_comes_late_says_how_late_and_comes_once() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    // Nothing runs while the clock moves: the bot is down.
    bot.clock.advance(minutes(75));
    bot.settle().await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :alarm_clock: <@U0000000001>, INC-2025-0914-001 has been waiting for an update since <!date^1757861100^{time}|2025-09-14 14:45 UTC>.
        (This reminder is 1h late: Firebell was away.)
        Say how things stand with the button, or `/incident update …`. “No news, still investigating” is an update too.
        [Post update]
        "#);
    bot.finish().await;
}

#[tokio::test]
async fn outside_a_war_room_the_open_incidents_are_offered_as_buttons() {
    let bot = TestBot::start().await;
    let none = bot.types("ana", "general", "/incident ack").await;
    assert_snapshot!(none, @"There is no incident for which `/incident ack` is the thing to do now. `/incident list` shows them all, `/incident declare` begins one.");
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.types("ana", "general", "/incident declare p2 search is slow")
        .await;
    bot.slack.mark_read();
    let answer = bot.user("bo").types("general", "/incident ack").await;
    assert_snapshot!(answer.shown[0].plain_text(), @r#"
        Which incident is `/incident ack` for?
        [INC-2025-0914-002 search is slow] [INC-2025-0914-001 checkout is down]
        "#);
    bot.clicks(
        "bo",
        "general",
        &answer.shown[0].ts,
        "INC-2025-0914-001 checkout is down",
    )
    .await;
    assert!(
        bot.incident("INC-2025-0914-001")
            .await
            .acknowledged_by
            .is_some()
    );
    assert!(
        bot.incident("INC-2025-0914-002")
            .await
            .acknowledged_by
            .is_none()
    );
    assert_snapshot!(bot.user("bo").sees().iter().map(|message| message.plain_text()).collect::<Vec<_>>().join("\n"), @"
    You have INC-2025-0914-001.
    :eyes: Acknowledged by <@U0000000002>.
    ");
    bot.reads(ROOM);
    bot.finish().await;
}

#[tokio::test]
async fn a_refusal_says_what_to_do_next_and_is_for_the_typist_alone() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.user("bo").joins(ROOM).await;
    bot.types("ana", ROOM, "/incident ack").await;
    bot.slack.mark_read();
    bot.knows_itself().await;
    let seen = |line: &'static str| {
        let bo = bot.user("bo");
        async move { bo.types(ROOM, line).await.text() }
    };
    assert_snapshot!(seen("/incident ack").await, @"INC-2025-0914-001 is already acknowledged by @ana. To take over: `/incident lead me`.");
    assert_snapshot!(seen("/incident close").await, @"INC-2025-0914-001 is still open (investigating), so it cannot be closed. First: `/incident resolve`.");
    assert_snapshot!(seen("/incident severity p1").await, @"INC-2025-0914-001 already has the severity P1 - Critical.");
    assert_snapshot!(seen("/incident severity p9").await, @"There is no severity “p9”. Use one of `p1`, `p2`, `p3`, `p4`.");
    assert_snapshot!(seen("/incident lead @nobody").await, @"I do not know who “@nobody” is. Like this: `/incident lead [@user]`");
    assert_snapshot!(seen("/incident lead @firebell").await, @"A bot cannot take that on. Name a person, as in `/incident lead @ana`.");
    assert_snapshot!(seen("/incident followup look at the pool @firebell").await, @"A bot cannot take that on. Name a person, as in `/incident lead @ana`.");
    assert_snapshot!(seen("/incident note").await, @"What shall be written down? Like this: `/incident note &lt;text…&gt;`");
    assert_snapshot!(seen("/incident udpate x").await, @"There is no `/incident udpate`. Did you mean `/incident update`? `/incident help` lists everything.");
    assert_snapshot!(seen("/incident followup done 3").await, @"INC-2025-0914-001 has no follow-up 3: it has none yet. To add one: `/incident followup &lt;text…&gt;`.");
    bot.settle().await;
    assert_eq!(bot.reads(ROOM), "");
    bot.finish().await;
}

#[tokio::test]
async fn help_lists_every_subcommand() {
    let bot = TestBot::start().await;
    assert_snapshot!(bot.types("ana", "general", "/incident help").await, @r#"
        `/incident declare [severity] &lt;title…&gt;` declare an incident and open its war room
        `/incident list` the open incidents
        `/incident status [investigating|identified|mitigating|monitoring]` how the incident stands, or where it stands now
        `/incident ack` take the incident on: “I have it”
        `/incident escalate` call the next step of the escalation now
        `/incident page &lt;@user|schedule|role&gt; [what for…]` call somebody, whatever the escalation does
        `/incident update &lt;text…&gt;` tell everybody how things stand
        `/incident severity &lt;severity&gt; [reason…]` weigh the incident anew
        `/incident lead [@user]` hand the lead to somebody, or take it
        `/incident role &lt;commander|operations|communications|scribe&gt; [@user]` give a role to somebody, or take it
        `/incident note &lt;text…&gt;` write something on the timeline
        `/incident followup &lt;text…&gt; [@owner] [due:2025-09-30] | done &lt;number&gt;` note work that outlives the incident, or tick it off
        `/incident timeline` what happened so far
        `/incident export [markdown|json|html|csv]` put the whole record as a file into the war room
        `/incident alert &lt;ack|declare|attach|snooze|resume&gt; &lt;alerts&gt; [incident|1h]` what is to become of a card of alerts; its buttons type this
        `/incident oncall [schedule]` who is on call now, who is next, and where nobody will be
        `/incident override &lt;schedule&gt; &lt;from&gt; &lt;to&gt; [@user] | list | undo &lt;number&gt;` let somebody take a schedule over for a while, as in `primary tomorrow 9:00 17:00 @bob`
        `/incident contacts` whom to call
        `/incident resolve [root cause…]` say that the effect on users is over
        `/incident reopen [reason…]` say that it was not over
        `/incident close` say that the post-mortem is done
        `/incident help [subcommand]` this list
        "#);
    assert_snapshot!(bot.types("ana", "general", "/incident help followup").await, @"`/incident followup &lt;text…&gt; [@owner] [due:2025-09-30] | done &lt;number&gt;` note work that outlives the incident, or tick it off (also: follow-up, todo)");
    bot.finish().await;
}

#[tokio::test]
async fn people_links_and_checklists_of_the_configuration_come_into_the_war_room() {
    let bot = TestBot::configured(
        r##"
        [slack]
        announce = "#incident-response"
        bridge = "https://zoom.us/j/5550100"
        [[severities]]
        id = "p1"
        name = "P1 - Critical"
        invite = ["schedule:primary", "role:devops-lead", "usergroup:sre"]
        checklists = ["p1-response"]
        [[people]]
        id = "bo"
        name = "Bo"
        email = "bo@example.com"
        [[people]]
        id = "cy"
        name = "Cy"
        slack = "@cy"
        roles = ["devops-lead"]
        [[people]]
        id = "zoe"
        name = "Zoe"
        email = "zoe@nowhere.example"
        roles = ["devops-lead"]
        [[schedules]]
        id = "primary"
        [[schedules.rotations]]
        participants = ["person:bo"]
        shift = "1w"
        handoff = "2025-09-01T09:00"
        [[services]]
        id = "backend"
        name = "RMS backend"
        links = { dashboard = "https://dash.example.com/rms" }
        [[checklists]]
        id = "p1-response"
        title = "P1 incident response"
        items = ["Acknowledge alert within 2 minutes", "Assign Incident Commander"]
        "##,
    )
    .await;
    bot.slack.add_user("dee");
    bot.slack.add_group("sre", &["dee"]);
    bot.types(
        "ana",
        "general",
        "/incident declare p1 service:backend the API answers 5xx",
    )
    .await;
    assert_snapshot!(bot.reads(ROOM), @r#"
        :rotating_light: *INCIDENT - P1*
        *the API answers 5xx*
        *Incident ID:* INC-2025-0914-001
        *Service:* RMS backend
        *Severity:* P1 - Critical
        *Status:* Investigating
        *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
        *Incident Commander:* <@U0000000001>
        *ETA:* TBD
        [Acknowledge] [Update] [Resolve] [⋯ Take the lead | Timeline | Export the record | Help]
        ---
        :clipboard: *P1 incident response*
        :white_medium_square: Acknowledge alert within 2 minutes
        :white_medium_square: Assign Incident Commander
        ---
        :warning: Could not invite everybody: Zoe (unknown to Slack). Mend [[people]] in firebell.toml, or invite them by hand
        "#);
    let room = bot.channel(ROOM);
    let mut members = room.members.clone();
    members.sort();
    assert_snapshot!(members.join(" "), @"ana bo cy dee firebell");
    let bookmarks: Vec<_> = room
        .bookmarks
        .iter()
        .map(|bookmark| format!("{} {}", bookmark.title, bookmark.link))
        .collect();
    assert_snapshot!(bookmarks.join("\n"), @r#"
        Bridge https://zoom.us/j/5550100
        Dashboard https://dash.example.com/rms
        "#);
    bot.reads("incident-response");
    bot.finish().await;
}

#[tokio::test]
async fn the_record_is_uploaded_into_the_war_room() {
    let bot = TestBot::start().await;
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.slack.mark_read();
    bot.types("ana", ROOM, "/incident export").await;
    let files = bot.channel(ROOM).files;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].filename, "INC-2025-0914-001-5.md");
    bot.slack.mark_read();
    bot.finish().await;
}

#[tokio::test]
async fn incidents_are_counted_by_the_day_of_the_organization() {
    let bot =
        TestBot::configured("[organization]\nname = \"x\"\ntimezone = \"Asia/Tokyo\"\n").await;
    bot.types(
        "ana",
        "general",
        "/incident declare p4 before midnight in Tokyo",
    )
    .await;
    // 14:30 in UTC is 23:30 in Tokyo.
    bot.advance(minutes(31)).await;
    bot.types("ana", "general", "/incident declare p4 after midnight")
        .await;
    bot.types("ana", "general", "/incident declare p4 and another")
        .await;
    bot.slack.mark_read();
    assert_snapshot!(bot.types("ana", "general", "/incident list").await, @r#"
        *INC-2025-0915-002* · P4 · Investigating · 0m · and another
        *INC-2025-0915-001* · P4 · Investigating · 0m · after midnight
        *INC-2025-0914-001* · P4 · Investigating · 31m · before midnight in Tokyo
        "#);
    bot.finish().await;
}
