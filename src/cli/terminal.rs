//! A message as a terminal shows it: names for ids, no marks of Slack's, and lines that can be typed here.

use std::collections::HashMap;

use crate::domain::catalog::Catalog;
use crate::domain::incident::{Incident, Room};
use crate::domain::terms::IncidentId;
use crate::slack::client::Outgoing;
use crate::slack::parse::find;
use crate::slack::text::unescape;

/// What is typed here where Slack has its slash command.
const COMMAND: &str = "firebell incident";

/// The pictures that our templates name, and what a terminal shows for each.
const PICTURES: [(&str, &str); 22] = [
    (":alarm_clock:", "⏰"),
    (":hourglass:", "⌛"),
    (":memo:", "📝"),
    (":pager:", "📟"),
    (":arrows_counterclockwise:", "🔄"),
    (":bar_chart:", "📊"),
    (":bell:", "🔔"),
    (":bust_in_silhouette:", "👤"),
    (":clipboard:", "📋"),
    (":eyes:", "👀"),
    (":file_folder:", "📁"),
    (":fire:", "🔥"),
    (":octagonal_sign:", "🛑"),
    (":pencil:", "📝"),
    (":pushpin:", "📌"),
    (":repeat:", "🔁"),
    (":rotating_light:", "🚨"),
    (":scales:", "⚖"),
    (":small_red_triangle:", "🔺"),
    (":warning:", "⚠"),
    (":white_check_mark:", "✅"),
    (":white_medium_square:", "☐"),
];

/// Shows messages.
pub(super) struct Terminal<'a> {
    catalog: &'a Catalog,
    /// The incident that the line is about, if it is about one.
    incident: Option<IncidentId>,
    /// Names by Slack's ids, of people and channels.
    names: HashMap<String, String>,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(catalog: &'a Catalog, incident: Option<IncidentId>) -> Self {
        let people = catalog.people.iter().filter_map(|person| {
            let who = person.who();
            Some((who.slack?.to_string(), who.name))
        });
        Self {
            catalog,
            incident,
            names: people.collect(),
        }
    }

    /// Learns who and what is meant by the ids of an incident.
    pub(super) fn learn(&mut self, incident: &Incident) {
        if let Room::Channel { channel, name } = &incident.room {
            self.names.insert(channel.to_string(), name.clone());
        }
        let known = incident.roles.values();
        let known = known
            .chain(&incident.declared_by)
            .chain(&incident.acknowledged_by);
        for who in known {
            if let Some(id) = &who.slack {
                let name = incident.name_of(who).to_owned();
                self.names.entry(id.to_string()).or_insert(name);
            }
        }
        for (id, name) in &incident.names {
            self.names.insert(id.to_string(), name.clone());
        }
    }

    /// A message: its sections, and its buttons as lines to type.
    pub(super) fn plain(&self, message: &Outgoing) -> String {
        let mut lines = Vec::new();
        for block in &message.blocks {
            if let Some(text) = block["text"]["text"].as_str() {
                lines.push(self.text(text));
            }
            for element in block["elements"].as_array().into_iter().flatten() {
                let (Some(label), Some(value)) =
                    (element["text"]["text"].as_str(), element["value"].as_str())
                else {
                    continue;
                };
                // `INC-… ack` is clicked; `ack INC-…` is typed. What is about no incident names none.
                if let Some((id, line)) = value.split_once(' ') {
                    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                    let line = match find(word).is_some_and(|it| it.needs_incident()) {
                        true => format!("  {label}:  {COMMAND} {word} {id} {rest}"),
                        false => format!("  {label}:  {COMMAND} {line}"),
                    };
                    lines.push(line.trim_end().to_owned());
                }
            }
        }
        lines.join("\n")
    }

    /// Words in Slack's mrkdwn, without its marks.
    pub(super) fn text(&self, mrkdwn: &str) -> String {
        let mut text = mrkdwn.to_owned();
        for (id, name) in &self.names {
            text = text.replace(&format!("<#{id}>"), &format!("<#{id}|{name}>"));
        }
        // The marks go before the escapes: what people typed has none that count.
        let lines: Vec<String> = text
            .lines()
            .map(|line| unmarked(line, &['*', '_']))
            .collect();
        let mut text = unescape(&lines.join("\n"), |id| self.names.get(id).cloned());
        for (word, picture) in PICTURES {
            text = text.replace(word, picture);
        }
        self.typed_here(&text.replace('`', ""))
    }

    /// Turns `/incident lead me` into what is typed here: the incident is named, since there is no war room to tell it.
    fn typed_here(&self, text: &str) -> String {
        let command = format!("{} ", self.catalog.slack.command);
        let text = text.replace("/incident ", &command);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(&command) {
            out.push_str(&rest[..at]);
            rest = &rest[at + command.len()..];
            let word: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            out.push_str(COMMAND);
            out.push(' ');
            out.push_str(&word);
            rest = &rest[word.len()..];
            let next = rest.split_whitespace().next().unwrap_or_default();
            let is_named = self.catalog.incidents.id.id_of(next).is_some();
            if find(&word).is_some_and(|it| it.needs_incident()) && !is_named {
                out.push(' ');
                out.push_str(
                    self.incident
                        .as_ref()
                        .map_or("<incident>", |id| id.as_str()),
                );
            }
        }
        out.push_str(rest);
        out
    }
}

/// A line without the pairs of marks that would make words bold or slanted; a mark that stands alone stays, and so
/// does one within a word.
fn unmarked(line: &str, marks: &[char]) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut dropped = vec![false; chars.len()];
    let is_word = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(|c| c.is_alphanumeric())
    };
    let is_blank = |at: usize| chars.get(at).is_none_or(|c| c.is_whitespace());
    for mark in marks {
        let mut open = None;
        for at in 0..chars.len() {
            if chars[at] != *mark {
                continue;
            }
            match open {
                Some(begin) if at > begin + 1 && !is_blank(at - 1) && !is_word(Some(at + 1)) => {
                    dropped[begin] = true;
                    dropped[at] = true;
                    open = None;
                }
                _ if !is_word(at.checked_sub(1)) && !is_blank(at + 1) => open = Some(at),
                _ => {}
            }
        }
    }
    let kept = chars.iter().zip(dropped).filter(|(_, dropped)| !dropped);
    kept.map(|(c, _)| c).collect()
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates;

    fn shown(mrkdwn: &str) -> String {
        let catalog = Catalog::default();
        let mut terminal = Terminal::new(&catalog, Some(IncidentId::new("INC-2025-0914-001")));
        terminal.names.insert(
            "C0000000009".to_owned(),
            "incident-2025-0914-001".to_owned(),
        );
        terminal.names.insert("U0ANA".to_owned(), "ana".to_owned());
        terminal.text(mrkdwn)
    }

    #[test]
    fn marks_become_what_they_mean() {
        assert_eq!(
            shown(
                ":rotating_light: *INCIDENT - P1*\n<!date^1757860200^{time}|14:30 UTC> said _ana_ (<@U0ANA>) in <#C0000000009>"
            ),
            "🚨 INCIDENT - P1\n14:30 UTC said ana (@ana) in #incident-2025-0914-001"
        );
    }

    #[test]
    fn what_people_typed_keeps_its_stars_and_lines() {
        for text in [
            "2 * 3 * 4",
            "snake_case_name",
            "*",
            "a*b*c",
            "_ _",
            "http://x/a_b_c",
        ] {
            assert_eq!(shown(text), text);
        }
        assert_eq!(
            shown("*Last update:* *all* _is_ well_"),
            "Last update: all is well_"
        );
        assert_eq!(shown("a &lt;b&gt; &amp; c"), "a <b> & c");
    }

    #[test]
    fn a_line_to_type_names_the_incident() {
        for (said, typed) in [
            (
                "`/incident lead me`.",
                "firebell incident lead INC-2025-0914-001 me.",
            ),
            ("`/incident list` shows", "firebell incident list shows"),
            (
                "`/incident ack INC-2025-0914-002`",
                "firebell incident ack INC-2025-0914-002",
            ),
            (
                "`/incident note &lt;text…&gt;`",
                "firebell incident note INC-2025-0914-001 <text…>",
            ),
            ("`/incident udpate`", "firebell incident udpate"),
        ] {
            assert_eq!(shown(said), typed);
        }
    }

    #[test]
    fn every_picture_of_the_templates_is_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/");
        for name in templates::names().filter(|name| name.starts_with("slack/")) {
            let text = std::fs::read_to_string(format!("{folder}{name}")).unwrap();
            for (at, _) in text.match_indices(':') {
                let rest = &text[at + 1..];
                let end = rest
                    .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                    .unwrap_or(0);
                if end > 0 && rest[end..].starts_with(':') {
                    let word = &text[at..at + end + 2];
                    assert!(
                        PICTURES.iter().any(|(known, _)| *known == word),
                        "{name}: {word}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("INC-2025-0914-001"), "INC-2025-0914-001");
        assert_eq!(quoted("it's <down>"), r"'it'\''s <down>'");
    }
}
