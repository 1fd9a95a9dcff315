//! What is true of text from outside whatever the form: it has no characters that are not seen, or that turn others round.

use std::borrow::Cow;

/// Text with its lines ended by `\n`, control characters made visible (`␀`), and those that turn the direction of
/// writing (and so can make a line read as what it is not) replaced. A tab stays.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\0'..='\u{8}' | '\u{e}'..='\u{1f}' => {
                plain
                    .push(char::from_u32(0x2400 + c as u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            '\u{7f}' => plain.push('\u{2421}'),
            c if is_hidden(c) => plain.push(char::REPLACEMENT_CHARACTER),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn is_hidden(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Invisible copies of the ASCII letters.
        '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// The beginning of a text on one line: at most so many characters, and `…` if there was more.
pub(super) fn beginning(text: &str, characters: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut beginning: String = line.chars().take(characters).collect();
    if beginning.len() < text.trim_end().len() {
        beginning.push('…');
    }
    beginning
}

/// A count with its thousands apart: `100,000`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_made_visible() {
        assert_eq!(plain("a\0b\u{1b}[31mc\u{7f}"), "a␀b␛[31mc␡");
        assert_eq!(
            plain("one\r\ntwo\rthree\u{2028}four\tfive"),
            "one\ntwo\nthree\nfour\tfive"
        );
        assert_eq!(
            plain("gpj.\u{202e}exe \u{2066}x\u{2069}\u{9b}"),
            "gpj.\u{fffd}exe \u{fffd}x\u{fffd}\u{fffd}"
        );
        assert!(matches!(plain("nothing to do: שלום ✅"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_beginning_says_that_there_was_more() {
        assert_eq!(beginning("short", 10), "short");
        assert_eq!(beginning("a longer text", 8), "a longer…");
        assert_eq!(beginning("one\ntwo", 10), "one…");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
