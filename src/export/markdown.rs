//! The post-mortem as GitHub-flavoured Markdown, for a wiki or a repository.

use std::fmt::Write;

use anyhow::Context;
use jiff::tz::TimeZone;
use minijinja::Environment;
use tokio::io::AsyncWrite;

use super::facts::Facts;
use super::order::InOrder;
use super::out::Out;
use super::page::{Pen, Piece, page, pieces};
use super::text::plain;
use super::{Source, times};
use crate::domain::event::Event;

/// The template of everything but the updates and the timeline.
pub(super) const TEMPLATE: &str = "export/postmortem.md.j2";

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
    templates
        .get_template(TEMPLATE)
        .and_then(|template| template.render(page(facts, &Pen { line, block })))
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
            writeln!(
                out,
                "### Update {number}: {status}\n\n{} UTC (+{}), by {}\n\n{}\n",
                times::shown(recorded.happened_at, &TimeZone::UTC),
                times::length(recorded.happened_at.duration_since(started)),
                line(&names.tell(recorded).actor),
                block(&names.text(&update.text)),
            )?;
            let lines = [
                ("Actions taken", &update.actions_taken),
                ("Next steps", &update.next_steps),
                ("ETA", &update.eta),
            ];
            for (label, said) in lines {
                if let Some(said) = said {
                    writeln!(out, "- **{label}:** {}", line(&names.text(said)))?;
                }
            }
            if lines.iter().any(|(_, said)| said.is_some()) {
                writeln!(out)?;
            }
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
    if two_zones {
        let name = line(times::zone_name(zone));
        writeln!(
            out,
            "| UTC | {name} | Who | What |\n| --- | --- | --- | --- |"
        )?;
    } else {
        writeln!(out, "| UTC | Who | What |\n| --- | --- | --- |")?;
    }
    let names = facts.names();
    let mut entries = InOrder::new(source);
    while let Some(row) = entries.next().await? {
        let entry = names.tell(&row.recorded()?);
        write!(
            out,
            "| {} | ",
            times::shown(entry.happened_at, &TimeZone::UTC)
        )?;
        if two_zones {
            write!(out, "{} | ", times::shown(entry.happened_at, zone))?;
        }
        write!(out, "{} | {}", line(&entry.actor), line(&entry.text))?;
        if entry.happened_at != entry.recorded_at {
            let recorded = times::shown(entry.recorded_at, &TimeZone::UTC);
            write!(out, "<br>*written down {recorded} UTC*")?;
        }
        writeln!(out, " |")?;
        out.breathe().await?;
    }
    Ok(())
}

/// Keeps two characters apart that would mean something together, and is not seen.
const WORD_JOINER: char = '\u{2060}';

/// Writes text from outside into a line or a table's cell. The only place where text is made harmless for Markdown: it
/// comes out of a renderer as it was typed, and has no markup, no HTML, no image, no mention and no reference.
///
/// `_` between letters and `&` that begins no entity mean nothing and stay, so that web addresses stay whole.
pub(super) fn line(text: &str) -> String {
    let plain = plain(text);
    let text = plain.trim();
    let mut line = String::with_capacity(text.len() + text.len() / 8);
    let mut before = None;
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let next = rest.chars().next();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match c {
            '\n' => line.push_str("<br>"),
            '\t' => line.push(' '),
            '_' if is_word(before) && is_word(next) => line.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => line.extend(['\\', c]),
            // Behind a web address a backslash would become part of it; an entity does not.
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '&' if begins_entity(rest) => line.push_str("\\&"),
            // A backslash does not keep GitHub from seeing a mention or a reference to an issue.
            '@' => line.extend(['@', WORD_JOINER]),
            '#' if next.is_some_and(|next| next.is_ascii_digit()) => {
                line.extend(['\\', '#', WORD_JOINER])
            }
            '#' if before.is_none() => line.push_str("\\#"),
            '$' => line.push_str("\\$"),
            c => line.push(c),
        }
        before = Some(c);
    }
    line
}

/// Writes text from outside as a paragraph of its own: a quotation in one line.
pub(super) fn block(text: &str) -> String {
    let text = line(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    let text = match text.chars().next() {
        // A list, a rule or the underline of a heading.
        Some('-' | '+' | '=') => format!("\\{text}"),
        Some(_) if digits > 0 && rest.starts_with(['.', ')']) => {
            format!("{}\\{rest}", &text[..digits])
        }
        Some(_) | None => text,
    };
    format!("> {text}")
}

/// Whether what follows an ampersand makes an entity of it: `amp;`, `#64;`.
fn begins_entity(rest: &str) -> bool {
    let name = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'#')
        .take(40)
        .count();
    name > 0 && rest.as_bytes().get(name) == Some(&b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_text() {
        for (typed, written) in [
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("a | b", r"a \| b"),
            ("`rm -rf /`", r"\`rm -rf /\`"),
            ("![x](http://evil/x.png)", r"!\[x\](http://evil/x.png)"),
            ("[click](javascript:x)", r"\[click\](javascript:x)"),
            (
                "**bold** _it_ ~~gone~~",
                r"\*\*bold\*\* \_it\_ \~\~gone\~\~",
            ),
            ("one\r\ntwo", "one<br>two"),
            ("# heading", r"\# heading"),
            (r"\| out", r"\\\| out"),
            (
                "&lt;b&gt; &#x40;all &copy AT&T",
                r"\&lt;b\&gt; \&#x40;all &copy AT&T",
            ),
            ("nul\0", "nul␀"),
            ("$x$", r"\$x\$"),
        ] {
            assert_eq!(line(typed), written, "{typed}");
        }
    }

    #[test]
    fn nobody_is_pinged() {
        assert_eq!(line("<!channel> @here"), "&lt;!channel&gt; @\u{2060}here");
        assert_eq!(
            line("@alice fixed #12"),
            "@\u{2060}alice fixed \\#\u{2060}12"
        );
    }

    #[test]
    fn a_web_address_stays_whole() {
        let address = "https://grafana.example/d/a_b_c?from=1&to=2#panel";
        assert_eq!(line(address), address);
    }

    #[test]
    fn a_paragraph_begins_no_block() {
        for (typed, written) in [
            ("- item", r"> \- item"),
            ("1. item", r"> 1\. item"),
            ("===", r"> \==="),
            ("    indented", "> indented"),
            ("one\n\n- two", "> one<br><br>- two"),
        ] {
            assert_eq!(block(typed), written);
        }
    }
}
