//! What is wrong with a configuration file, and how it is shown to a person: as a Rust compiler shows it.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// Whether the bot can run with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It cannot.
    Error,
    /// It can, but hardly as was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether the bot can run with it.
    pub level: Level,
    /// The line in the file, from 1.
    pub line: usize,
    /// The column in the line, in characters, from 1.
    pub column: usize,
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Another place that has to do with it.
    pub related: Option<Related>,
}

/// Another place that has to do with a [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The line in the file, from 1.
    pub line: usize,
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is there: `first defined here`.
    pub label: String,
}

/// Everything that is wrong with one file. It shows as [`Faults::render`] without colour.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    file: String,
    /// The text of the file with everything that looks like a secret blotted out, byte for byte.
    text: String,
    list: Vec<Fault>,
}

/// The longest part of a line that is shown, in characters.
const LINE_WIDTH_MAX: usize = 100;
/// A tab is shown as so many blanks.
const TAB: &str = "    ";

impl Faults {
    /// No fault yet in the text of this file.
    pub fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            text: blot_secrets(text),
            list: Vec::new(),
        }
    }

    /// The faults in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// How many errors and warnings there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is neither an error nor a warning.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.count(Level::Error) > 0
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|it| it.level == level).count()
    }

    pub(super) fn push(
        &mut self,
        level: Level,
        span: Range<usize>,
        message: impl AsRef<str>,
        help: Option<String>,
    ) -> &mut Fault {
        let span = self.inside(span);
        let (line, column) = self.place(span.start);
        self.list.push(Fault {
            level,
            line,
            column,
            span,
            message: blot_secrets(message.as_ref()),
            help: help.map(|help| blot_secrets(&help)),
            related: None,
        });
        self.list.last_mut().expect("one was just pushed")
    }

    pub(super) fn push_pair(
        &mut self,
        level: Level,
        span: Range<usize>,
        message: String,
        help: &str,
        other: Range<usize>,
        label: &str,
    ) {
        let other = self.inside(other);
        let related = Related {
            line: self.place(other.start).0,
            span: other,
            label: label.to_owned(),
        };
        let fault = self.push(level, span, message, Some(help.to_owned()));
        fault.related = Some(related);
    }

    /// Puts the faults in the order of the file. A line that is no TOML is told once: what else seems wrong with it is
    /// left out.
    pub(super) fn settle(&mut self, broken_lines: &[usize]) {
        let mut told = Vec::new();
        self.list.retain(|fault| {
            let again = broken_lines.contains(&fault.line) && told.contains(&fault.line);
            told.push(fault.line);
            !again
        });
        self.list
            .sort_by_key(|fault| (fault.span.start, fault.level));
    }

    /// Blots out a part of the text: it is a secret that stands where none should.
    pub(super) fn blot(&mut self, span: Range<usize>) {
        let span = self.inside(span);
        self.text
            .replace_range(span.clone(), &"*".repeat(span.len()));
    }

    /// The span, kept inside the text and between characters.
    fn inside(&self, span: Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(span.start));
        start..end.max(start)
    }

    /// Line and column of a byte, both from 1, the column in characters.
    fn place(&self, byte: usize) -> (usize, usize) {
        let before = &self.text[..byte];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The faults for a terminal, each with the line it stands in, and a last line that counts them; nothing if there
    /// are none.
    pub fn render(&self, color: bool) -> String {
        let paint = Paint { color };
        let mut out = String::new();
        for fault in &self.list {
            self.render_one(fault, &paint, &mut out);
            out.push('\n');
        }
        let errors = self.count(Level::Error);
        let warnings = self.count(Level::Warning);
        let counted = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{count} {word}s")),
        };
        let counts: Vec<String> = [counted(errors, "error"), counted(warnings, "warning")]
            .into_iter()
            .flatten()
            .collect();
        if !counts.is_empty() {
            out.push_str(&counts.join(", "));
            out.push('\n');
        }
        out
    }

    fn render_one(&self, fault: &Fault, paint: &Paint, out: &mut String) {
        let (word, code) = match fault.level {
            Level::Error => ("error", Paint::RED),
            Level::Warning => ("warning", Paint::YELLOW),
        };
        let last_line = fault
            .related
            .as_ref()
            .map_or(fault.line, |related| related.line.max(fault.line));
        let width = last_line.to_string().len();
        let bar = paint.paint(Paint::BLUE, "|");
        let _ = writeln!(
            out,
            "{}{}",
            paint.paint(code, word),
            paint.paint(Paint::BOLD, &format!(": {}", visible(&fault.message)))
        );
        let _ = writeln!(
            out,
            "{:width$}{} {}:{}:{}",
            "",
            paint.paint(Paint::BLUE, "-->"),
            visible(&self.file),
            fault.line,
            fault.column
        );
        let _ = writeln!(out, "{:width$} {bar}", "");

        let help = fault.help.as_deref().unwrap_or("");
        let mut places = vec![(fault.line, &fault.span, '^', code, help)];
        if let Some(related) = &fault.related {
            places.push((
                related.line,
                &related.span,
                '-',
                Paint::BLUE,
                &related.label,
            ));
            places.sort_by_key(|(line, ..)| *line);
        }
        let mut shown_before: Option<usize> = None;
        for (line, span, mark, code, label) in places {
            match shown_before {
                Some(before) if before + 1 < line => {
                    let _ = writeln!(out, "{}", paint.paint(Paint::BLUE, "..."));
                }
                Some(_) | None => {}
            }
            let (text, indent, marks) = self.excerpt(span);
            if shown_before != Some(line) {
                let number = paint.paint(Paint::BLUE, &format!("{line:width$}"));
                let _ = writeln!(out, "{}", format!("{number} {bar} {text}").trim_end());
            }
            shown_before = Some(line);
            let label = visible(label);
            let marks = mark.to_string().repeat(marks);
            let long = indent + marks.len() + 1 + label.chars().count() > LINE_WIDTH_MAX;
            let beside = if long { "" } else { label.as_str() };
            let marked = paint.paint(code, format!("{marks} {beside}").trim_end());
            let _ = writeln!(out, "{:width$} {bar} {:indent$}{marked}", "", "");
            if long {
                let equals = paint.paint(Paint::BLUE, "=");
                let _ = writeln!(out, "{:width$} {equals} help: {label}", "");
            }
        }
    }

    /// The first line of a span as it is shown, how far the marks are indented, and how many there are.
    fn excerpt(&self, span: &Range<usize>) -> (String, usize, usize) {
        let start = self.text[..span.start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let end = self.text[span.start..]
            .find('\n')
            .map_or(self.text.len(), |newline| span.start + newline);
        let before = visible(&self.text[start..span.start]);
        let meant = visible(self.text[span.start..span.end.min(end)].trim_end());
        let after = visible(self.text[span.end.min(end)..end].trim_end());
        let mut marks = meant.chars().count().max(1);

        let mut shown: Vec<char> = Vec::new();
        let mut indent = before.chars().count();
        if indent + marks >= LINE_WIDTH_MAX {
            // So much of what stands before stays that the marked part is in sight.
            let kept = indent.min(LINE_WIDTH_MAX / 4);
            shown.push('…');
            shown.extend(before.chars().skip(indent - kept));
            indent = kept + 1;
        } else {
            shown.extend(before.chars());
        }
        shown.extend(meant.chars());
        shown.extend(after.chars());
        if shown.len() > LINE_WIDTH_MAX {
            shown.truncate(LINE_WIDTH_MAX - 1);
            shown.push('…');
            marks = marks.min(LINE_WIDTH_MAX - 1 - indent);
        }
        (shown.into_iter().collect(), indent, marks)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// As shown to a person: a derived form would carry the whole file into a log.
impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("file", &self.file)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Faults {}

/// Colours for a terminal, or none.
struct Paint {
    color: bool,
}

impl Paint {
    const RED: &'static str = "1;31";
    const YELLOW: &'static str = "1;33";
    const BLUE: &'static str = "1;34";
    const BOLD: &'static str = "1";

    fn paint(&self, code: &str, text: &str) -> String {
        match self.color && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Tabs as blanks, and nothing that a terminal would obey.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => out.push_str(TAB),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            '\r' => {}
            _ if character.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
        }
    }
    out
}

/// The text with every word that looks like a secret turned into as many stars as it has bytes.
fn blot_secrets(text: &str) -> String {
    let between = |c: char| c.is_whitespace() || "\"'`,[]{}=".contains(c);
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(between) {
        let word = piece.trim_end_matches(between);
        if looks_like_secret(word) {
            out.push_str(&"*".repeat(word.len()));
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

/// Whether a word can hardly be anything but a secret: a Slack token, a web address with a password, a long
/// hexadecimal number (a signing secret, a Twilio token).
pub(super) fn looks_like_secret(word: &str) -> bool {
    let slack = ["xoxb-", "xoxp-", "xoxa-", "xoxe", "xoxr-", "xoxs-", "xapp-"]
        .iter()
        .any(|prefix| word.starts_with(prefix));
    let password = word.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    let digits = ["AC", "SK"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .unwrap_or(word);
    let hex = digits.len() >= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    slack || password || hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str, meant: &str) -> Faults {
        let start = text.find(meant).unwrap();
        let mut faults = Faults::new("firebell.toml", text);
        let help = Some("did you mean `x`?".to_owned());
        faults.push(Level::Error, start..start + meant.len(), "wrong", help);
        faults
    }

    #[test]
    fn carets_stand_under_what_is_meant_behind_tabs_and_umlauts() {
        insta::assert_snapshot!(faults("a = 1\n\tname = \"Zoë\", why = 2\r\n", "why").render(false), @r#"
        error: wrong
         --> firebell.toml:2:16
          |
        2 |     name = "Zoë", why = 2
          |                   ^^^ did you mean `x`?

        1 error
        "#);
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides_of_what_is_meant() {
        let text = format!("a = [{}BAD, {}]", "1234, ".repeat(40), "1234, ".repeat(40));
        insta::assert_snapshot!(faults(&text, "BAD").render(false), @r#"
        error: wrong
         --> firebell.toml:1:246
          |
        1 | … 1234, 1234, 1234, 1234, BAD, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 12…
          |                           ^^^ did you mean `x`?

        1 error
        "#);
    }

    #[test]
    fn the_end_of_a_line_of_any_length_can_be_meant() {
        for length in 0..3 * LINE_WIDTH_MAX {
            for meant in [length..length, length..length + 1, 0..length, 0..length + 2] {
                let mut faults =
                    Faults::new("firebell.toml", &format!("{}\nb\n", "a".repeat(length)));
                faults.push(Level::Error, meant, "wrong", None);
                let rendered = faults.render(false);
                assert!(
                    rendered
                        .lines()
                        .all(|line| line.chars().count() <= LINE_WIDTH_MAX + 5),
                    "{rendered}"
                );
                assert!(rendered.contains('^'), "{rendered}");
            }
        }
    }

    #[test]
    fn colour_is_only_where_it_is_asked_for() {
        let faults = faults("a = 1", "a");
        assert!(faults.render(true).contains("\x1b[1;31merror\x1b[0m"));
        assert!(!faults.render(false).contains('\x1b'));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        let rendered = faults("a = \"\x1b[2J\u{202e}\"", "a").render(false);
        assert!(
            rendered.contains("a = \"\u{fffd}[2J\u{fffd}\""),
            "{rendered}"
        );
    }

    #[test]
    fn secrets_are_blotted_out() {
        let hex = "0123456789abcdef0123456789abcdef";
        for secret in [
            "xoxb-1-2-abc",
            "smtp://me:pw@host:587",
            hex,
            &format!("AC{hex}"),
        ] {
            let rendered = faults(&format!("a = \"{secret}\""), "a").render(false);
            assert!(!rendered.contains(secret), "{rendered}");
        }
        assert!(!looks_like_secret("https://example.com/a:b@c"));
        assert!(!looks_like_secret("SLACK_BOT_TOKEN"));
    }
}
