//! The timeline as CSV (RFC 4180) for a spreadsheet: one row for each entry, in the order in which things happened.

use std::fmt::Write;

use jiff::tz::TimeZone;
use tokio::io::AsyncWrite;

use super::facts::Facts;
use super::order::InOrder;
use super::out::Out;
use super::text::plain;
use super::{Source, times};

/// Excel takes a file for UTF-8 by this mark only.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Excel holds 32,767 characters in a cell and mangles the rest of the row beyond them.
const CELL_CHARS_MAX: usize = 32_000;
const CUT: &str = " … [cut: the JSON export has all of it]";

pub(super) async fn write<W: AsyncWrite + Unpin>(
    source: Source<'_>,
    facts: &Facts<'_>,
    out: &mut Out<'_, W>,
) -> anyhow::Result<()> {
    let zone = facts.zone;
    out.buffer().push(BYTE_ORDER_MARK);
    let local = format!("happened_at {}", times::zone_name(zone));
    row(
        out.buffer(),
        [
            "incident",
            "seq",
            "happened_at UTC",
            &local,
            "recorded_at UTC",
            "sort",
            "kind",
            "who",
            "what",
            "hash",
        ],
    );
    let mut entries = InOrder::new(source);
    while let Some(stored) = entries.next().await? {
        let entry = facts.names().tell(&stored.recorded()?);
        row(
            out.buffer(),
            [
                &stored.incident_id,
                &stored.seq.to_string(),
                &moment(entry.happened_at, &TimeZone::UTC),
                &moment(entry.happened_at, zone),
                &moment(entry.recorded_at, &TimeZone::UTC),
                entry.sort.word(),
                &stored.kind,
                &entry.actor,
                &entry.text,
                &stored.hash,
            ],
        );
        out.breathe().await?;
    }
    Ok(())
}

/// A moment in the form that spreadsheets know as one.
fn moment(at: jiff::Timestamp, zone: &TimeZone) -> String {
    times::zoned(at, zone)
        .strftime("%Y-%m-%d %H:%M:%S%.3f")
        .to_string()
}

fn row<const N: usize>(out: &mut String, cells: [&str; N]) {
    for (i, text) in cells.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        cell(out, text);
    }
    out.push_str("\r\n");
}

/// Writes a cell. The only place where text is made harmless for CSV: what a spreadsheet would take for a formula
/// gets an apostrophe before it, which says "this is text"; quotes are doubled.
fn cell(out: &mut String, text: &str) {
    let text = plain(text);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠'])
        || text.trim_start().starts_with(['=', '+', '-', '@']);
    let end = text.char_indices().nth(CELL_CHARS_MAX).map(|(end, _)| end);
    let (text, cut) = match end {
        Some(end) => (&text[..end], CUT),
        None => (&*text, ""),
    };
    if !formula && !text.contains(['"', ',', '\n', ';', '\t']) && cut.is_empty() {
        out.push_str(text);
        return;
    }
    let apostrophe = if formula { "'" } else { "" };
    let _ = write!(out, "\"{apostrophe}{}{cut}\"", text.replace('"', "\"\""));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn celled(text: &str) -> String {
        let mut out = String::new();
        cell(&mut out, text);
        out
    }

    #[test]
    fn a_cell_cannot_be_taken_for_a_formula() {
        assert_eq!(celled("=cmd|' /C calc'!A0"), r#""'=cmd|' /C calc'!A0""#);
        assert_eq!(
            celled("=HYPERLINK(\"http://x\")"),
            r#""'=HYPERLINK(""http://x"")""#
        );
        for begin in [
            "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1",
        ] {
            assert!(celled(begin).starts_with("\"'"), "{begin:?}");
        }
        assert_eq!(celled("a=b"), "a=b");
    }

    #[test]
    fn a_cell_cannot_break_out_of_its_row() {
        assert_eq!(celled("a,b"), "\"a,b\"");
        assert_eq!(celled("say \"hi\"\r\nthere"), "\"say \"\"hi\"\"\nthere\"");
        assert_eq!(celled("nul\0bell\u{7}"), "nul␀bell␇");
    }

    #[test]
    fn a_cell_is_no_longer_than_a_spreadsheet_holds() {
        let long = celled(&"ä".repeat(40_000));
        assert!(long.chars().count() < 32_767);
        assert!(long.ends_with("has all of it]\""));
    }
}
