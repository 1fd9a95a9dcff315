//! The post-mortem as one page that needs nothing else: no script, no font, no picture from anywhere.

use std::fmt::Write;

use anyhow::Context;
use jiff::tz::TimeZone;
use minijinja::{Environment, Value, context};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWrite;

use super::facts::Facts;
use super::order::InOrder;
use super::out::Out;
use super::page::{Pen, Piece, page, pieces};
use super::text::{count, plain};
use super::{Source, times};
use crate::domain::event::Event;
use crate::domain::timeline::Sort;

/// The template of everything but the updates and the timeline.
pub(super) const TEMPLATE: &str = "export/postmortem.html.j2";
/// The page's style.
pub(super) const STYLE: &str = "export/postmortem.css.j2";

/// Entries in a table. A browser lays out only those tables that are on the screen, so that a page of a hundred thousand
/// entries opens at once.
const TABLE_ROWS: u64 = 500;

pub(super) async fn write<W: AsyncWrite + Unpin>(
    source: Source<'_>,
    facts: &Facts<'_>,
    templates: &Environment<'_>,
    out: &mut Out<'_, W>,
) -> anyhow::Result<()> {
    let rendered = render(facts, templates)?;
    for piece in pieces(&rendered) {
        match piece {
            Piece::Text(text) => out.buffer().push_str(text),
            Piece::Updates => updates(source, facts, out).await?,
            Piece::Timeline => timeline(source, facts, out).await?,
        }
    }
    Ok(())
}

/// All but the updates and the timeline, with marks in their stead.
pub(super) fn render(facts: &Facts<'_>, templates: &Environment<'_>) -> anyhow::Result<String> {
    let style = templates
        .get_template(STYLE)
        .and_then(|template| template.render(()))
        .with_context(|| format!("rendering {STYLE}"))?;
    let (wide, narrow) = match &facts.survey.sketch {
        Some(sketch) => sketch.svgs(),
        None => Default::default(),
    };
    let context = context! {
        // The page allows this style and nothing else.
        style_hash => format!("sha256-{}", base64(&Sha256::digest(style.as_bytes()))),
        style => Value::from_safe_string(style),
        drawing_wide => Value::from_safe_string(wide),
        drawing_narrow => Value::from_safe_string(narrow),
        ..page(facts, &Pen { line: escape, block: escape }),
    };
    templates
        .get_template(TEMPLATE)
        .and_then(|template| template.render(context))
        .with_context(|| format!("rendering {TEMPLATE}"))
}

async fn updates<W: AsyncWrite + Unpin>(
    source: Source<'_>,
    facts: &Facts<'_>,
    out: &mut Out<'_, W>,
) -> anyhow::Result<()> {
    let names = facts.names();
    let started = facts.incident.milestones.started;
    source
        .updates(out, |out, recorded| {
            let Event::UpdatePosted {
                number,
                status,
                update,
            } = &recorded.event
            else {
                return Ok(());
            };
            write!(
                out,
                "<article class=\"update\"><h3>Update {number} <span class=\"badge {}\">{status}</span></h3>\
                 <p class=\"meta\"><time datetime=\"{}\">{} {}</time> (+{}) by {}</p><p class=\"said\" dir=\"auto\">{}</p>",
                status.word().to_lowercase(),
                times::stamp(recorded.happened_at),
                times::shown(recorded.happened_at, facts.zone),
                escape(times::zone_name(facts.zone)),
                times::length(recorded.happened_at.duration_since(started)),
                escape(&names.tell(recorded).actor),
                escape(&names.text(&update.text)),
            )?;
            let lines = [
                ("Actions taken", &update.actions_taken),
                ("Next steps", &update.next_steps),
                ("ETA", &update.eta),
            ];
            if lines.iter().any(|(_, said)| said.is_some()) {
                out.buffer().push_str("<dl>");
                for (label, said) in lines {
                    if let Some(said) = said {
                        write!(
                            out,
                            "<dt>{label}</dt><dd dir=\"auto\">{}</dd>",
                            escape(&names.text(said))
                        )?;
                    }
                }
                out.buffer().push_str("</dl>");
            }
            out.buffer().push_str("</article>\n");
            Ok(())
        })
        .await
}

async fn timeline<W: AsyncWrite + Unpin>(
    source: Source<'_>,
    facts: &Facts<'_>,
    out: &mut Out<'_, W>,
) -> anyhow::Result<()> {
    let zone = facts.zone;
    let two_zones = !times::is_utc(zone);
    let total = facts.incident.version;
    let names = facts.names();
    let mut entries = InOrder::new(source);
    let mut n = 0;
    let mut day = String::new();
    while let Some(row) = entries.next().await? {
        if n % TABLE_ROWS == 0 {
            if n > 0 {
                out.buffer().push_str("</tbody></table>\n");
            }
            writeln!(
                out,
                "<table class=\"timeline\"><caption>Entries {} to {} of {}</caption>\
                 <thead><tr><th scope=\"col\">When</th><th scope=\"col\">Who</th><th scope=\"col\">What</th></tr></thead><tbody>",
                count(n + 1),
                count((n + TABLE_ROWS).min(total)),
                count(total),
            )?;
            // Each table can be read alone.
            day.clear();
        }
        n += 1;
        let entry = names.tell(&row.recorded()?);
        let today = times::day(entry.happened_at, zone);
        if today != day {
            writeln!(
                out,
                "<tr class=\"day\"><th colspan=\"3\" scope=\"rowgroup\">{today}</th></tr>"
            )?;
            day = today;
        }
        write!(
            out,
            "<tr class=\"{}\" id=\"e{}\"><td><time datetime=\"{}\">{}</time>",
            class(entry.sort),
            entry.seq,
            times::stamp(entry.happened_at),
            times::clock(entry.happened_at, zone),
        )?;
        if two_zones {
            write!(
                out,
                "<small>{} UTC</small>",
                times::clock(entry.happened_at, &TimeZone::UTC)
            )?;
        }
        write!(
            out,
            "</td><td>{}<small>{}</small></td><td dir=\"auto\">{}",
            escape(&entry.actor),
            entry.sort.word(),
            escape(&entry.text),
        )?;
        if entry.happened_at != entry.recorded_at {
            let recorded = times::shown(entry.recorded_at, zone);
            write!(out, "<small dir=\"ltr\">written down {recorded}</small>")?;
        }
        out.buffer().push_str("</td></tr>\n");
        out.breathe().await?;
    }
    if n > 0 {
        out.buffer().push_str("</tbody></table>\n");
    }
    Ok(())
}

fn class(sort: Sort) -> &'static str {
    match sort {
        Sort::Milestone => "milestone",
        Sort::Status => "status",
        Sort::Page => "page",
        Sort::Alert => "alert",
        Sort::Role => "role",
        Sort::Note => "note",
        Sort::FollowUp => "follow-up",
        Sort::Housekeeping => "housekeeping",
    }
}

/// Writes text from outside into HTML, between tags or in a quoted attribute. The only place where text is made
/// harmless for HTML.
pub(super) fn escape(text: &str) -> String {
    let plain = plain(text);
    let mut escaped = String::with_capacity(plain.len() + plain.len() / 16);
    for c in plain.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Base64, as a content security policy writes a hash.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for i in 0..4 {
            if i <= three.len() {
                text.push(char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(
            escape("</script><img src=x onerror='alert(1)'> & \"q\"\0\u{202e}"),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;q&quot;␀\u{fffd}"
        );
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
