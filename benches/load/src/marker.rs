//! Marks: the moment at which a request was due, planted in its text, so that whoever the text reaches at last can tell
//! how long it took. A mark is letters and digits alone, which no way of writing text changes.

use std::time::{SystemTime, UNIX_EPOCH};

/// What a mark begins with.
const WORD: &str = "due";

/// A mark that was found.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
pub struct Mark {
    /// What was sent: `a` an alert, `s` a slash command.
    pub kind: char,
    /// Which of them, counted from 0.
    pub number: u64,
    /// When it was due, in microseconds since 1970.
    pub due_us: u64,
}

impl Mark {
    pub fn text(self) -> String {
        format!("{WORD}{}{}n{}", self.kind, self.due_us, self.number)
    }

    /// All marks in a text, in whatever it is wrapped.
    pub fn all(text: &str) -> impl Iterator<Item = Self> {
        text.match_indices(WORD)
            .filter_map(|(at, word)| Self::read(&text[at + word.len()..]))
    }

    fn read(text: &str) -> Option<Self> {
        let kind = text.chars().next().filter(char::is_ascii_lowercase)?;
        let (due_us, rest) = digits(&text[1..])?;
        let (number, _) = digits(rest.strip_prefix('n')?)?;
        Some(Self { kind, number, due_us })
    }
}

fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Now, in microseconds since 1970.
pub fn unix_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970")
        .as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_what_became_of_its_text() {
        let mark = Mark {
            kind: 'a',
            number: 42,
            due_us: 1_763_000_000_123_456,
        };
        let told = format!("due to load, \\u26a0 *Checkout is slow {}*\\n dues", mark.text());
        assert_eq!(Mark::all(&told).collect::<Vec<_>>(), [mark]);
    }
}
