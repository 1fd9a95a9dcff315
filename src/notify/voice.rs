//! A telephone call by Twilio (twilio.com/docs/voice/api/call-resource), and what is said in it (TwiML).

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::twilio::{self, Twilio};
use super::{Accepted, Failure, PageText};
use crate::domain::catalog::Person;

/// How long it rings, in seconds: most voicemails take up after twenty to thirty.
const RINGS_S: &str = "30";
/// How often the page is said: once for whoever is awake, once for whoever was not, and once that a voicemail which was
/// still greeting has the whole of it.
const TIMES: usize = 3;
/// How long is waited for a key, in seconds.
const WAIT_S: u32 = 7;
/// How far Twilio's clock may be behind ours; it tells whole seconds.
const BEHIND: SignedDuration = SignedDuration::from_secs(5);

/// Calls a person and says the page.
///
/// Twilio takes no key of ours by which a call could be ordered safely twice, and unlike a text message a call shows nothing
/// that we have put into it (its Events subresource does, but not before fifteen minutes after its end). So whoever repeats an
/// order looks for a call to that number which was made since this page was ordered (Call resource, "Read multiple Call
/// resources": filters `To` and `From`) and is not known to be for another page. Should it be for one that somebody else
/// ordered in those seconds, the person's telephone has rung all the same, and the escalation goes on until they answer.
pub(super) async fn call(
    twilio: &Twilio,
    person: &Person,
    to: &str,
    page: &PageText,
    key: &str,
    is_repeated: bool,
) -> Result<Accepted, Failure> {
    if is_repeated {
        let calls = twilio.ordered_for("Calls", to).await?;
        let since = page.ordered_at - BEHIND;
        let ours = calls.iter().find(|call| {
            let sid = call["sid"].as_str().unwrap_or_default();
            let made = call["date_created"].as_str().and_then(time);
            call["direction"] == "outbound-api"
                && made.is_some_and(|made| made >= since)
                && !twilio.is_anothers(sid, key)
        });
        if let Some(call) = ours {
            return had_got_through(call);
        }
    }
    let keys = match page.takes_replies {
        true => twilio.callback(twilio::VOICE_PATH, person, page, key),
        false => None,
    };
    let twiml = page_twiml(&page.spoken, keys.as_deref());
    let callback = twilio.callback(twilio::STATUS_PATH, person, page, key);
    let mut form = vec![
        ("To", to),
        ("From", &twilio.from),
        ("Twiml", &twiml),
        ("Timeout", RINGS_S),
    ];
    if let Some(callback) = &callback {
        form.push(("StatusCallback", callback));
        for event in ["initiated", "ringing", "answered", "completed"] {
            form.push(("StatusCallbackEvent", event));
        }
    }
    let taken = twilio.order("Calls", &form).await?;
    let sid = taken["sid"].as_str();
    if let Some(sid) = sid {
        twilio.remember(sid, key);
    }
    Ok(Accepted {
        provider_id: sid.map(str::to_owned),
    })
}

/// `Tue, 10 Aug 2010 08:02:17 +0000`
fn time(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// What an earlier attempt came to.
fn had_got_through(call: &Value) -> Result<Accepted, Failure> {
    let why = match call["status"].as_str() {
        Some("busy") => "the line was busy",
        Some("no-answer") => "nobody took up the call",
        Some("failed") => "the call could not be made",
        Some("canceled") => "the call was cancelled",
        Some(_) | None => {
            return Ok(Accepted {
                provider_id: call["sid"].as_str().map(str::to_owned),
            });
        }
    };
    Err(Failure::give_up(why))
}

/// What is said in a call: the page, some times over. `keys` is where a key press goes; without it nobody is asked for one.
///
/// A machine that takes up the call presses no key, so it hears the page and acknowledges nothing. Twilio's detection of
/// machines is deliberately absent: it keeps people waiting for seconds, and errs.
fn page_twiml(spoken: &str, keys: Option<&str>) -> String {
    let page = say(spoken);
    let once = match keys {
        Some(keys) => format!(
            "<Gather input=\"dtmf\" numDigits=\"1\" timeout=\"{WAIT_S}\" method=\"POST\" action=\"{}\">{page}{}</Gather>",
            escape(keys),
            say(KEYS)
        ),
        None => format!("{page}<Pause length=\"2\"/>"),
    };
    let end = match keys {
        Some(_) => "No key was pressed. The page goes on to the next in line.",
        None => "Please answer in Slack.",
    };
    response(&format!("{}{}", once.repeat(TIMES), say(end)))
}

/// What the keys do; `answer::digit` holds to it.
const KEYS: &str = "Press 1 to acknowledge. Press 4 to pass it on.";

/// What is said after a key press, before the call ends.
pub(super) fn last_words(text: &str) -> String {
    response(&format!("{}<Hangup/>", say(text)))
}

/// After a key that does nothing: asks again, and for long enough.
pub(super) fn ask_again(keys: &str) -> String {
    response(&format!(
        "<Gather input=\"dtmf\" numDigits=\"1\" timeout=\"{WAIT_S}\" method=\"POST\" action=\"{}\">{}</Gather>{}",
        escape(keys),
        say(&format!("That key does nothing. {KEYS}")),
        say("No key was pressed. The page goes on to the next in line.")
    ))
}

/// A reply to a text message; nothing, if there is nothing to say.
pub(super) fn message(text: Option<&str>) -> String {
    let message = text.map(|text| format!("<Message>{}</Message>", escape(text)));
    response(&message.unwrap_or_default())
}

fn response(inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{inside}</Response>")
}

fn say(text: &str) -> String {
    format!("<Say>{}</Say>", escape(text))
}

/// Text in XML, or between double quotes in it. What XML has no form for is left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_said_and_asks_for_a_key() {
        let twiml = page_twiml("P1: <b> & \"c\"", Some("https://a.example/v?a=1&b=2"));
        assert_eq!(twiml.matches("<Gather").count(), TIMES);
        insta::assert_snapshot!(twiml.replacen(&once(&twiml), "…", 2), @r#"<?xml version="1.0" encoding="UTF-8"?><Response>……<Gather input="dtmf" numDigits="1" timeout="7" method="POST" action="https://a.example/v?a=1&amp;b=2"><Say>P1: &lt;b&gt; &amp; &quot;c&quot;</Say><Say>Press 1 to acknowledge. Press 4 to pass it on.</Say></Gather><Say>No key was pressed. The page goes on to the next in line.</Say></Response>"#);
    }

    fn once(twiml: &str) -> String {
        let (from, to) = (
            twiml.find("<Gather").unwrap(),
            twiml.find("</Gather>").unwrap(),
        );
        twiml[from..to + "</Gather>".len()].to_owned()
    }

    #[test]
    fn without_a_public_address_nobody_is_asked_for_a_key() {
        let twiml = page_twiml("P1: down", None);
        assert!(
            !twiml.contains("Gather") && !twiml.contains("Press"),
            "{twiml}"
        );
        assert!(twiml.ends_with("<Say>Please answer in Slack.</Say></Response>"));
    }

    #[test]
    fn what_was_is_told_of_a_call_that_had_been_made() {
        let call =
            |status: &str| had_got_through(&serde_json::json!({ "sid": "CA1", "status": status }));
        assert!(call("in-progress").is_ok() && call("completed").is_ok());
        assert_eq!(call("busy").unwrap_err().why(), "the line was busy");
        let made = time("Tue, 10 Aug 2010 08:02:17 +0000").unwrap();
        assert_eq!(made.to_string(), "2010-08-10T08:02:17Z");
    }
}
