//! A text message by Twilio (twilio.com/docs/messaging/api/message-resource), and how long one is.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::twilio::{self, Twilio};
use super::{Accepted, Failure, PageText};
use crate::domain::catalog::Person;

/// Segments of a page at the most: each is paid for, and telephones show two as one.
const SEGMENTS: usize = 2;
/// What stands behind the text: a line's end, `#` and six characters.
const REFERENCE: &str = "\n#XXXXXX";

/// Sends a page.
///
/// Twilio takes no key of ours by which an order could be repeated safely, and shows none in its lists. What it does show is
/// the text; so each page ends with a short reference made of its key, and whoever repeats an order looks first whether a
/// message with that reference is there (Message resource, "Read multiple Message resources": filters `To` and `From`, the
/// newest first).
pub(super) async fn send(
    twilio: &Twilio,
    person: &Person,
    to: &str,
    page: &PageText,
    key: &str,
    is_repeated: bool,
) -> Result<Accepted, Failure> {
    let reference = reference(key);
    if is_repeated {
        let messages = twilio.ordered_for("Messages", to).await?;
        let ours = messages.iter().find(|message| {
            let body = message["body"].as_str().unwrap_or_default();
            body.split_whitespace().next_back() == Some(&reference)
        });
        if let Some(message) = ours {
            return had_got_through(message);
        }
    }
    let body = format!("{}\n{reference}", page.sms);
    let mut form = vec![("To", to), ("From", &twilio.from), ("Body", &body)];
    let callback = twilio.callback(twilio::STATUS_PATH, person, page, key);
    if let Some(callback) = &callback {
        form.push(("StatusCallback", callback));
    }
    let taken = twilio.order("Messages", &form).await?;
    Ok(Accepted {
        provider_id: taken["sid"].as_str().map(str::to_owned),
    })
}

/// What an earlier attempt came to.
fn had_got_through(message: &Value) -> Result<Accepted, Failure> {
    match message["status"].as_str() {
        Some("failed" | "undelivered" | "canceled") => {
            let why = match message["error_code"].as_u64() {
                Some(code) => twilio::explained(code, message["error_message"].as_str()),
                None => "Twilio could not deliver it".to_owned(),
            };
            Err(Failure::GiveUp { why })
        }
        Some(_) | None => Ok(Accepted {
            provider_id: message["sid"].as_str().map(str::to_owned),
        }),
    }
}

/// `#` and 29 bits of a key's hash. The alphabet has no vowels, so it spells no word, and nothing that looks like something
/// else.
fn reference(key: &str) -> String {
    const ALPHABET: &[u8; 28] = b"23456789BCDFGHJKLMNPQRSTVWXZ";
    let hash = Sha256::digest(key.as_bytes());
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    let letters: String = hash.iter().take(6).map(letter).collect();
    format!("#{letters}")
}

/// Whether a text is short enough to be sent, with its reference.
pub(super) fn fits(text: &str) -> bool {
    segments(&format!("{text}{REFERENCE}")) <= SEGMENTS
}

/// Puts what people type into the alphabet of text messages where there is the same in it: one dash from elsewhere makes a
/// whole message cost twice as much.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{2032}' | '`' | '\u{b4}' => out.push('\''),
            '\u{201c}'..='\u{201e}' | '\u{2033}' | '\u{ab}' | '\u{bb}' => out.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
            '\u{2026}' => out.push_str("..."),
            '\u{a0}' | '\u{2009}' | '\u{202f}' => out.push(' '),
            '\u{2192}' => out.push_str("->"),
            '\u{2022}' | '\u{b7}' => out.push('*'),
            c => out.push(c),
        }
    }
    out
}

/// Cuts a text so that it fits. A link is kept whole or the message would lead nowhere; links that are too long by
/// themselves are sent nevertheless.
pub(super) fn cut(text: &str) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let is_link = |word: &str| word.starts_with("https://") || word.starts_with("http://");
    let links: Vec<&str> = text.split_whitespace().filter(|it| is_link(it)).collect();
    let rest = text.lines().map(|line| {
        let words = line.split(' ').filter(|word| !is_link(word));
        words.collect::<Vec<_>>().join(" ")
    });
    let rest: Vec<String> = rest.filter(|line| !line.is_empty()).collect();
    let rest = rest.join("\n");
    let shortened = |chars: usize| {
        let mut lines = vec![super::cut(&rest, chars)];
        lines.extend(links.iter().map(|link| (*link).to_owned()));
        lines.join("\n")
    };
    let longest = (3..rest.chars().count()).rev();
    longest
        .map(shortened)
        .find(|it| fits(it))
        .unwrap_or_else(|| shortened(3))
}

/// Segments that a text takes (3GPP TS 23.038; twilio.com/docs/glossary/what-is-gsm-7-character-encoding): 160 of the
/// alphabet of text messages, or 153 in each of several; as soon as anything else is in it, 70 units of UTF-16, or 67. A
/// character that takes two units is never split.
pub(super) fn segments(text: &str) -> usize {
    let gsm: Option<Vec<usize>> = text.chars().map(gsm_width).collect();
    let (widths, alone, of_many) = match gsm {
        Some(widths) => (widths, 160, 153),
        None => (text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    if widths.iter().sum::<usize>() <= alone {
        return 1;
    }
    let (mut segments, mut used) = (1, 0);
    for width in widths {
        if used + width > of_many {
            segments += 1;
            used = 0;
        }
        used += width;
    }
    segments
}

/// How many units of the GSM-7 alphabet a character takes; `None`: it is not in it.
fn gsm_width(c: char) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "^{}\\[~]|€";
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENDED.contains(c) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_carriers_do() {
        for (text, counted) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            // Two units each, and none is split: 76 in a segment.
            ("€".repeat(80), 1),
            ("€".repeat(152), 2),
            ("€".repeat(153), 3),
            ("ж".repeat(70), 1),
            ("ж".repeat(71), 2),
            ("ж".repeat(134), 2),
            ("ж".repeat(135), 3),
            // Two units of UTF-16 each: 33 in a segment.
            ("🔥".repeat(35), 1),
            ("🔥".repeat(66), 2),
            ("🔥".repeat(67), 3),
        ] {
            assert_eq!(
                segments(&text),
                counted,
                "{} of {:?}",
                text.chars().count(),
                text.chars().next()
            );
        }
    }

    #[test]
    fn dashes_and_quotes_cost_nothing() {
        let text = plain("“Checkout” – it’s down… → ana\u{a0}b");
        assert_eq!(text, "\"Checkout\" - it's down... -> ana b");
        assert_eq!(segments(&text), 1);
    }

    #[test]
    fn a_text_is_cut_visibly_and_its_link_survives() {
        let link = "https://firebell.example.com/incidents/INC-2025-0914-001";
        for words in ["checkout is down ", "нет связи с базой ", "🔥 "] {
            let text = format!("{}\nsee {link} now", words.repeat(60));
            let cut = cut(&text);
            assert!(fits(&cut), "{cut}");
            assert!(cut.ends_with(&format!("...\n{link}")), "{cut}");
            // Nothing is given away: one word more would not fit.
            let longer = cut.replacen(words.trim_end(), &words.repeat(3), 1);
            assert!(!fits(&longer), "{cut}");
        }
        let long = format!("https://a.example/{}", "x".repeat(400));
        assert_eq!(cut(&format!("look: {long}")), format!("...\n{long}"));
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn a_reference_is_of_the_alphabet_and_always_the_same() {
        let one = reference("0199a1b2");
        assert_eq!(one, reference("0199a1b2"));
        assert_ne!(one, reference("0199a1b3"));
        assert_eq!(one.len() + 1, REFERENCE.len());
        assert_eq!(segments(&one), 1);
    }
}
