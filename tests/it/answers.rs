//! People are paged by other ways than Slack and answer by them: a reply, a key, a link. What claims to come from Twilio is
//! signed by Twilio's own library; the mail server is somebody else's.

use axum::http::Request;
use bytes::Bytes;
use firebell::domain::escalation::Channel;
use firebell::domain::page::DeliveryState;
use firebell::simulator::Fault;
use http_body_util::Full;
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{TestBot, exchange, minutes};
use crate::notify::{ACCOUNT, Mail, TOKEN, Twilio, field};

const ID: &str = "INC-2025-0914-001";
const ROOM: &str = "incident-2025-0914-001";
/// Where Twilio and browsers reach the bot: a proxy in front of it takes `/bot` away.
const PUBLIC: &str = "https://firebell.example.com/bot";
/// The telephone of Bo.
const BO: &str = "+15550100";

/// Bo on call, reached by SMS, telephone and e-mail; Cy behind him.
struct House {
    bot: TestBot,
    twilio: Twilio,
    mail: Mail,
}

impl House {
    async fn paged_by(via: &str) -> Self {
        let house = Self::open(via, "").await;
        let line = "/incident declare p1 checkout is down";
        house.bot.types("ana", "general", line).await;
        house.bot.settle().await;
        house
    }

    /// Nothing has happened yet. `more`: what else is known of Bo.
    async fn open(via: &str, more: &str) -> Self {
        let (twilio, mail) = (Twilio::start(), Mail::start());
        let toml = format!(
            r##"
            [[severities]]
            id = "p1"
            name = "P1 - Critical"
            escalation_policy = "leadership"
            [[severities]]
            id = "p3"
            name = "P3"
            [[people]]
            id = "bo"
            name = "bo"
            slack = "@bo"
            email = "bo@example.com"
            phone = "{BO}"
            {more}
            [[people]]
            id = "cy"
            name = "cy"
            slack = "@cy"
            phone = "+15550101"
            [[escalation_policies]]
            id = "leadership"
            repeat = 1
            steps = [
              {{ after = "0m",  notify = ["person:bo"], via = [{via}] }},
              {{ after = "15m", notify = ["person:cy"], via = ["sms"] }},
            ]
            [notifications.email]
            smtp_url_env = "SMTP"
            from = "bell@example.com"
            [notifications.sms]
            account_sid_env = "SID"
            auth_token_env = "TOKEN"
            from = "+15550199"
            base_url = "{}"
            "##,
            twilio.url()
        );
        let smtp = format!("smtp://127.0.0.1:{}", mail.port("plain"));
        let vars = [("SID", ACCOUNT), ("TOKEN", TOKEN), ("SMTP", &smtp)];
        let bot = TestBot::reachable(&toml, &vars, PUBLIC).await;
        Self { bot, twilio, mail }
    }

    /// Where a public address leads to behind the proxy.
    fn behind(&self, url: &str) -> String {
        format!("{}{}", self.bot.url, url.strip_prefix(PUBLIC).unwrap())
    }

    /// Twilio calls the bot. Gives the status and the answer.
    async fn calls(&self, url: &str, form: Value) -> (u64, String) {
        let said = json!({ "url": url, "at": self.behind(url), "form": form });
        let told = self.twilio.control("call", said).await;
        self.bot.settle().await;
        let body = told["body"].as_str().unwrap().to_owned();
        if told["type"]
            .as_str()
            .is_some_and(|it| it.starts_with("text/xml"))
        {
            let read = self.twilio.control("twiml", json!(body)).await;
            assert_eq!(read["fault"], Value::Null, "{body}");
        }
        (told["status"].as_u64().unwrap(), body)
    }

    /// Somebody sends a text message to our number. Gives what they are answered.
    async fn texts(&self, from: &str, body: &str, sid: &str) -> String {
        let url = format!("{PUBLIC}/notify/twilio/sms");
        let form = json!({ "From": from, "To": "+15550199", "Body": body, "MessageSid": sid });
        let (status, answer) = self.calls(&url, form).await;
        assert_eq!(status, 200, "{answer}");
        within(&answer, "Message")
    }

    /// What became of Bo's page by this way.
    async fn delivery(&self, via: Channel) -> DeliveryState {
        let incident = self.bot.incident(ID).await;
        incident.pages[0].contact(via).unwrap().state
    }

    async fn acknowledged_by(&self) -> Option<String> {
        let incident = self.bot.incident(ID).await;
        incident
            .acknowledged_by
            .as_ref()
            .map(|who| who.name.clone())
    }

    async fn finish(self) {
        for channel in [ROOM, "incidents"] {
            self.bot.reads(channel);
        }
        self.bot.finish_unread().await;
    }
}

/// What stands in the tags of this name.
fn within(xml: &str, tag: &str) -> String {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = xml.split(&open).skip(1);
    let texts: Vec<&str> = parts
        .map(|part| part.split(&close).next().unwrap())
        .collect();
    texts.join(" ")
}

async fn asks(method: &str, url: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::new()))
        .unwrap();
    exchange(request).await
}

#[tokio::test]
async fn a_reply_to_a_text_message_answers_the_page() {
    let house = House::paged_by("\"sms\"").await;
    let messages = house.twilio.kept("Messages").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["to"], BO);
    assert_eq!(house.delivery(Channel::Sms).await, DeliveryState::Accepted);
    assert_snapshot!(house.texts(BO, "what is this?", "SM1").await, @"INC-2025-0914-001 waits for your answer. Reply 1 to take it on, 4 to pass it on.");
    assert_eq!(house.acknowledged_by().await, None);
    let said = house.texts(BO, "Ok, there in 10-15 minutes", "SM2").await;
    assert_snapshot!(said, @"INC-2025-0914-001 is yours. Nobody else is called any more.");
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("bo"));
    // Twilio brings the same message again, and he is not sure either.
    house.texts(BO, "1", "SM2").await;
    assert_snapshot!(house.texts(BO, "ack", "SM3").await, @"No page waits for your answer.");
    assert_snapshot!(house.texts(BO, "ack inc-2025-0914-001", "SM4").await, @"No page about INC-2025-0914-001 waits for your answer.");
    house.bot.advance(minutes(60)).await;
    assert_eq!(house.twilio.kept("Messages").await.len(), 1);
    let room = house.bot.reads(ROOM);
    assert_eq!(room.matches(":eyes: Acknowledged by").count(), 1, "{room}");
    house.finish().await;
}

#[tokio::test]
async fn whoever_passes_on_by_text_message_lets_the_next_be_called_at_once() {
    let house = House::paged_by("\"sms\"").await;
    assert_snapshot!(house.texts(BO, "4", "SM1").await, @"INC-2025-0914-001 is passed on: the next in line are called now.");
    let messages = house.twilio.kept("Messages").await;
    let numbers: Vec<&Value> = messages.iter().map(|message| &message["to"]).collect();
    assert_eq!(numbers, [BO, "+15550101"]);
    assert_eq!(house.acknowledged_by().await, None);
    house.texts("+15550101", "ok", "SM2").await;
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("cy"));
    house.finish().await;
}

#[tokio::test]
async fn whoever_answers_when_others_are_called_already_has_it_all_the_same() {
    let house = House::paged_by("\"sms\", \"email\"").await;
    // Cy is called after a quarter of an hour, and then it begins anew with Bo.
    house.bot.advance(minutes(31)).await;
    let texts = house.twilio.kept("Messages").await;
    assert_eq!(field(&texts[2], "To"), BO, "round 2");
    assert!(house.bot.incident(ID).await.page(2).is_none());
    // The letter of the round before still has its button.
    let (_, html) = asks("GET", &link(&house)).await;
    assert!(html.contains("<button>"), "{html}");
    assert_snapshot!(house.texts("+15550101", "1", "SM1").await, @"INC-2025-0914-001 is yours. Nobody else is called any more.");
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("cy"));
    house.finish().await;
}

#[tokio::test]
async fn a_stranger_is_not_answered_and_stop_is_left_to_twilio() {
    let house = House::paged_by("\"sms\"").await;
    for (from, body) in [("+15559999", "1"), (BO, "STOP"), ("", "1")] {
        assert_eq!(house.texts(from, body, "SM1").await, "", "{from} {body}");
    }
    assert_eq!(house.acknowledged_by().await, None);
    house.finish().await;
}

#[tokio::test]
async fn of_several_pages_a_reply_answers_the_newest_and_names_the_others() {
    let house = House::paged_by("\"sms\"").await;
    house.bot.advance(minutes(1)).await;
    house
        .bot
        .types("ana", "general", "/incident declare p1 search is down")
        .await;
    house.bot.settle().await;
    assert_snapshot!(house.texts(BO, "1", "SM1").await, @"INC-2025-0914-002 is yours. Nobody else is called any more. Also waiting: INC-2025-0914-001 (reply 1 INC-2025-0914-001)");
    assert_eq!(house.acknowledged_by().await, None);
    assert_snapshot!(house.texts(BO, "1 INC-2025-0914-001", "SM2").await, @"INC-2025-0914-001 is yours. Nobody else is called any more.");
    house.bot.reads("incident-2025-0914-002");
    house.finish().await;
}

#[tokio::test]
async fn a_reply_finds_its_page_among_any_number_of_incidents() {
    let house = House::paged_by("\"sms\"").await;
    for n in 0..201 {
        let line = format!("/incident declare p3 a small thing {n}");
        house.bot.types("ana", "general", &line).await;
    }
    assert_snapshot!(house.texts(BO, "1", "SM1").await, @"INC-2025-0914-001 is yours. Nobody else is called any more.");
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("bo"));
}

#[tokio::test]
async fn a_key_in_a_call_answers_the_page_and_another_is_asked_for_again() {
    let house = House::paged_by("\"voice\"").await;
    let calls = house.twilio.kept("Calls").await;
    let twiml = field(&calls[0], "Twiml");
    let url = twiml
        .split("action=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let url = url.replace("&amp;", "&");
    let press =
        |digits: &str| json!({ "CallSid": "CA1", "Digits": digits, "CallStatus": "in-progress" });
    let (_, answer) = house.calls(&url, press("7")).await;
    assert!(
        answer.contains("<Gather") && answer.contains("That key does nothing"),
        "{answer}"
    );
    assert_eq!(house.acknowledged_by().await, None);
    let (_, answer) = house.calls(&url, press("1")).await;
    assert_snapshot!(within(&answer, "Say"), @"It is yours. Nobody else is called any more. Goodbye.");
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("bo"));
    let (_, answer) = house
        .calls(&url, json!({ "CallSid": "CA2", "Digits": "1" }))
        .await;
    assert_snapshot!(within(&answer, "Say"), @"INC-2025-0914-001 is already acknowledged by bo. Goodbye.");
    house.finish().await;
}

#[tokio::test]
async fn the_key_for_the_next_in_line_calls_them() {
    let house = House::paged_by("\"voice\"").await;
    let calls = house.twilio.kept("Calls").await;
    let twiml = field(&calls[0], "Twiml");
    let url = twiml
        .split("action=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let (_, answer) = house
        .calls(
            &url.replace("&amp;", "&"),
            json!({ "CallSid": "CA1", "Digits": "4" }),
        )
        .await;
    assert_snapshot!(within(&answer, "Say"), @"It is passed on. The next in line are called now. Goodbye.");
    assert_eq!(house.twilio.kept("Messages").await.len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn whoever_passes_on_what_somebody_else_has_by_then_calls_nobody() {
    let house = House::paged_by("\"voice\"").await;
    let calls = house.twilio.kept("Calls").await;
    let url = field(&calls[0], "Twiml");
    let url = url.split("action=\"").nth(1).unwrap();
    let url = url.split('"').next().unwrap().replace("&amp;", "&");
    house.bot.types("ana", ROOM, "/incident ack").await;
    let press = json!({ "CallSid": "CA1", "Digits": "4" });
    let (_, answer) = house.calls(&url, press).await;
    assert_snapshot!(within(&answer, "Say"), @"INC-2025-0914-001 is already acknowledged by ana. Goodbye.");
    assert_eq!(house.twilio.kept("Messages").await.len(), 0);
    house.finish().await;
}

#[tokio::test]
async fn whoever_would_have_to_wait_for_slacks_pace_is_paged_by_the_next_way_meanwhile() {
    let contact = r#"contact = [{ via = "slack", after = "0m" }, { via = "sms", after = "5m" }]"#;
    let house = House::open(r#""slack", "sms""#, contact).await;
    let bot = &house.bot;
    // Slack asks once to be left alone: from then on nobody calls, and nobody fails.
    let pace = Fault::RateLimited { retry_after_s: 50 };
    bot.slack.fault("conversations.open", pace, 1);
    for title in ["checkout is down", "search is down"] {
        let line = format!("/incident declare p1 {title}");
        assert_eq!(bot.user("ana").types("general", &line).await.status, 200);
        let step = SignedDuration::from_millis(500);
        bot.goes_on_for(SignedDuration::from_secs(2), step).await;
    }
    let sent = house.twilio.kept("Messages").await.len();
    assert_eq!(sent, 2, "of both, and not after five minutes");
    bot.comes_through().await;
    assert_eq!(bot.user("bo").dms().len(), 2, "late is better than never");
    bot.reads("incident-2025-0914-002");
    house.finish().await;
}

#[tokio::test]
async fn what_twilio_tells_of_a_message_is_kept_and_a_failure_goes_on_at_once() {
    let house = House::paged_by("\"sms\", \"voice\"").await;
    let message = house.twilio.kept("Messages").await[0].clone();
    let call = house.twilio.kept("Calls").await[0].clone();
    let tell = async |order: &Value, form: Value| {
        let (status, _) = house.calls(&field(order, "StatusCallback"), form).await;
        assert_eq!(status, 204);
    };
    let sms = |status: &str| json!({ "MessageSid": message["sid"], "MessageStatus": status, "ErrorCode": "30003" });
    tell(&message, sms("sent")).await;
    assert_eq!(house.delivery(Channel::Sms).await, DeliveryState::Accepted);
    tell(&message, sms("delivered")).await;
    assert_eq!(house.delivery(Channel::Sms).await, DeliveryState::Delivered);
    // Twilio's reports overtake each other.
    tell(&message, sms("sent")).await;
    assert_eq!(house.delivery(Channel::Sms).await, DeliveryState::Delivered);
    let voice = |status: &str| json!({ "CallSid": call["sid"], "CallStatus": status });
    tell(&call, voice("ringing")).await;
    tell(&call, voice("no-answer")).await;
    assert_eq!(house.delivery(Channel::Voice).await, DeliveryState::Failed);
    // One way got through, so the next step keeps its time.
    assert_eq!(house.twilio.kept("Messages").await.len(), 1);
    tell(&message, sms("undelivered")).await;
    assert_eq!(
        house.twilio.kept("Messages").await.len(),
        2,
        "the next step goes at once"
    );
    // Of a test, or of an incident that nobody knows: taken, and nothing follows.
    let url = format!("{PUBLIC}/notify/twilio/status?incident=page-test&page=0&person=bo&key=k");
    let (status, _) = house.calls(&url, sms("delivered")).await;
    assert_eq!(status, 204);
    house.finish().await;
}

#[tokio::test]
async fn what_twilio_did_not_sign_changes_nothing() {
    let house = House::paged_by("\"sms\"").await;
    let url = format!("{PUBLIC}/notify/twilio/sms");
    let form = json!({ "From": BO, "Body": "1", "MessageSid": "SM1" });
    let at = house.behind(&url);
    for (signed, wrong) in [
        (
            json!({ "url": url, "at": at, "form": form, "signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
            "forged",
        ),
        (
            json!({ "url": at, "at": at, "form": form }),
            "for another address",
        ),
        (
            json!({ "url": url, "at": format!("{at}?a=b"), "form": form }),
            "with another query",
        ),
    ] {
        let told = house.twilio.control("call", signed).await;
        assert_eq!(told["status"], 401, "{wrong}: {told}");
    }
    let unsigned = Request::post(&at)
        .body(Full::new(Bytes::from("From=%2B15550100&Body=1")))
        .unwrap();
    assert_eq!(exchange(unsigned).await.0, 401);
    let large = Request::post(&at)
        .header("x-twilio-signature", "x")
        .body(Full::new(Bytes::from(vec![b'a'; 70_000])))
        .unwrap();
    assert_eq!(exchange(large).await.0, 413);
    assert_eq!(house.acknowledged_by().await, None);
    house.finish().await;
}

/// The link in Bo's letter.
fn link(house: &House) -> String {
    let letters = house.mail.letters();
    let text = letters[0]["parts"]["text/plain"].as_str().unwrap();
    let link = text.split("Acknowledge: ").nth(1).unwrap();
    house.behind(link.split_whitespace().next().unwrap())
}

/// What a page says, without its tags.
fn shown(html: &str) -> String {
    let (_, body) = html.split_once("<body>").unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn opening_a_link_changes_nothing_and_its_button_acknowledges_once() {
    let house = House::paged_by("\"email\"").await;
    let link = link(&house);
    asks("GET", &link).await;
    let (status, html) = asks("GET", &link).await;
    assert_eq!(status, 200);
    assert_snapshot!(shown(&html), @"
    You are paged
    P1 checkout is downINC-2025-0914-001, since 2025-09-14 14:30 UTC
    Nobody has it yet.
    Acknowledge
    Firebell
    ");
    assert_eq!(asks("HEAD", &link).await.0, 200);
    house.bot.settle().await;
    assert_eq!(house.acknowledged_by().await, None);
    let (status, html) = asks("POST", &link).await;
    assert_eq!(status, 200);
    assert_snapshot!(shown(&html), @"
    You have it
    P1 checkout is downINC-2025-0914-001, since 2025-09-14 14:30 UTC
    Nobody else is called any more. The war room has been told.
    Firebell
    ");
    house.bot.settle().await;
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("bo"));
    // Pressed again, loaded again.
    for method in ["POST", "GET"] {
        let (_, html) = asks(method, &link).await;
        assert!(
            html.contains("<h1>You have it</h1>") && !html.contains("<button>"),
            "{html}"
        );
    }
    house.bot.settle().await;
    let room = house.bot.reads(ROOM);
    assert_eq!(room.matches(":eyes: Acknowledged by").count(), 1, "{room}");
    house
        .bot
        .types("ana", ROOM, "/incident resolve a wrong deploy")
        .await;
    let (_, html) = asks("GET", &link).await;
    assert!(html.contains("<h1>It is over</h1>"), "{html}");
    let (_, html) = asks("POST", &link).await;
    assert!(html.contains("<h1>It is over</h1>"), "{html}");
    house.finish().await;
}

#[tokio::test]
async fn a_link_tells_who_was_faster_and_one_that_was_changed_is_not_valid() {
    let house = House::paged_by("\"email\"").await;
    let link = link(&house);
    let (path, token) = link.rsplit_once('/').unwrap();
    for wrong in [
        format!("{path}/{}", token.to_lowercase()),
        format!("{path}/x"),
        link.replace("/bo/", "/cy/"),
        link.replace("/1/", "/2/"),
        link.replace("/email/", "/sms/"),
        link.replace("/email/", "/fax/"),
        link.replace("-001/", "-002/"),
    ] {
        assert_ne!(wrong, link);
        for method in ["GET", "POST"] {
            let (status, html) = asks(method, &wrong).await;
            assert_eq!(status, 404, "{wrong}");
            assert!(
                html.contains("This link is not valid") && !html.contains("checkout"),
                "{html}"
            );
        }
    }
    house.bot.settle().await;
    assert_eq!(house.acknowledged_by().await, None);
    house
        .bot
        .types("cy", "general", &format!("/incident ack {ID}"))
        .await;
    let (_, html) = asks("GET", &link).await;
    assert_snapshot!(shown(&html), @"
    Already acknowledged
    P1 checkout is downINC-2025-0914-001, since 2025-09-14 14:30 UTC
    cy has it. Nothing needs to be done here.
    Firebell
    ");
    let (_, pressed) = asks("POST", &link).await;
    assert_eq!(pressed, html);
    house.finish().await;
}

#[tokio::test]
async fn while_slack_is_away_the_next_way_is_taken_at_once_and_the_room_is_filled_when_it_is_back()
{
    let contact = r#"contact = [{ via = "slack", after = "0m" }, { via = "sms", after = "5m" }]"#;
    let house = House::open(r#""slack", "sms""#, contact).await;
    let bot = &house.bot;
    bot.slack.fault("*", Fault::Status(503), usize::MAX);
    let line = "/incident declare p1 checkout is down";
    assert_eq!(bot.user("ana").types("general", line).await.status, 200);
    bot.goes_on_for(
        SignedDuration::from_secs(2),
        SignedDuration::from_millis(500),
    )
    .await;
    // Not after five minutes: Slack did not take the page, so the next way is taken at once.
    assert_eq!(house.twilio.kept("Messages").await.len(), 1);
    assert_eq!(house.delivery(Channel::Slack).await, DeliveryState::Delayed);
    bot.goes_on_for(minutes(3), SignedDuration::from_secs(15))
        .await;
    assert_eq!(house.delivery(Channel::Slack).await, DeliveryState::Failed);
    assert_eq!(house.twilio.kept("Messages").await.len(), 1, "and once");
    house.texts(BO, "1", "SM1").await;
    assert_eq!(house.acknowledged_by().await.as_deref(), Some("bo"));
    bot.goes_on_for(minutes(30), minutes(1)).await;

    bot.slack.clear_faults();
    bot.comes_through().await;
    // The room is there, and says when everything was; the page that came too late is not sent any more.
    assert_eq!(bot.user("bo").dms().len(), 0);
    assert_snapshot!(bot.reads(ROOM), @"
    :pager: Step 1 of 2: <@U0000000002> (Slack, SMS after 5m)
    Happened at <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>; said later.
    ---
    :pager: Page 1: Slack did not get through, so it goes on at once by SMS.
    Happened at <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>; said later.
    ---
    :warning: *Page 1 could not be delivered by Slack*: users.list: HTTP status 503
    Happened at <!date^1757860277^{date_short_pretty} {time}|2025-09-14 14:31 UTC>; said later.
    ---
    :eyes: Acknowledged by @bo.
    Happened at <!date^1757860382^{date_short_pretty} {time}|2025-09-14 14:33 UTC>; said later.
    ---
    :rotating_light: *INCIDENT - P1*
    *checkout is down*
    *Incident ID:* INC-2025-0914-001
    *Severity:* P1 - Critical
    *Status:* Investigating
    *Started:* <!date^1757860200^{date_short_pretty} {time}|2025-09-14 14:30 UTC>
    *Acknowledged by:* @bo
    *Incident Commander:* <@U0000000001>
    *ETA:* TBD
    [Update] [Resolve] [⋯ Take the lead | Call the next step now | Timeline | Export the record | Help]
    ");
    house.finish().await;
}

#[tokio::test]
async fn whoever_is_paged_by_a_mention_is_reached_by_whatever_leads_to_them() {
    let house = House::paged_by("\"slack\"").await;
    let line = "/incident page @cy have a look";
    let said = house.bot.types("ana", ROOM, line).await;
    assert!(said.contains("paging"), "{said}");
    house.bot.advance(minutes(1)).await;
    assert_eq!(house.twilio.kept("Messages").await.len(), 0, "Slack first");
    house.bot.advance(minutes(2)).await;
    let messages = house.twilio.kept("Messages").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["to"], "+15550101");
    house.texts("+15550101", "1", "SM1").await;
    house.bot.advance(minutes(10)).await;
    assert_eq!(house.twilio.kept("Calls").await.len(), 0, "answered before");
    assert!(house.bot.channel(ROOM).members.contains(&"cy".to_owned()));
    house.bot.user("cy").dms();
    house.bot.user("bo").dms();
    house.finish().await;
}
