//! `firebell ledger`: every page and every group of alerts, and how each ended.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::alerts::moment;
use crate::config::Settings;
use crate::dispatcher::look_over;
use crate::domain::form::show_roughly;
use crate::domain::ledger::Standing;
use crate::store::ledger::{GroupLine, PageLine, Stretch, Way};

/// Lines that are read at a time.
const LINES: i64 = 500;
/// How far back is looked if nothing is said.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is wanted of the ledger.
pub(super) struct Wanted {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) open: bool,
    pub(super) json: bool,
}

/// Prints the ledger of a time, line by line as it is read.
pub(super) async fn run(settings: &Settings, wanted: Wanted) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let now = Timestamp::now();
    let to = match &wanted.to {
        Some(to) => moment(Some(to), &catalog)?,
        // What began in this very moment is there too.
        None => now.checked_add(SignedDuration::from_secs(1))?,
    };
    let from = match (&wanted.from, wanted.open) {
        (Some(from), _) => moment(Some(from), &catalog)?,
        (None, true) => Timestamp::UNIX_EPOCH,
        (None, false) => to.checked_sub(LATELY)?,
    };
    anyhow::ensure!(from < to, "--from must be before --to.");
    let store = super::open_existing(settings).await?;
    let mut told = Told {
        out: BufWriter::new(std::io::stdout().lock()),
        zone: catalog.organization.timezone.clone(),
        json: wanted.json,
        pages: BTreeMap::new(),
        alerts: BTreeMap::new(),
    };
    let mut stretch = Stretch {
        from,
        to,
        open: wanted.open,
        newest_first: false,
        beyond: None,
        limit: LINES,
    };
    loop {
        let lines = store.page_lines(&stretch).await?;
        stretch.beyond = lines.last().map(|line| line.place.clone());
        for line in &lines {
            told.page(line)?;
        }
        if (lines.len() as i64) < LINES {
            break;
        }
    }
    stretch.beyond = None;
    loop {
        let lines = store.group_lines(&stretch, now).await?;
        stretch.beyond = lines.last().map(|line| line.place.clone());
        for line in &lines {
            if !wanted.open || is_open(&line.standing) {
                told.group(line)?;
            }
        }
        if (lines.len() as i64) < LINES {
            break;
        }
    }
    let mut found = Vec::new();
    let mut looked_to = Some(String::new());
    while let Some(after) = looked_to {
        let (more, next) = look_over(&store, now, &after).await?;
        for finding in more {
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
        looked_to = next;
    }
    store.close().await;
    let words: Vec<_> = found.iter().map(|finding| finding.words()).collect();
    let is_lost = told.sum(&words)?;
    Ok(match is_lost || !words.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn is_open(standing: &Standing) -> bool {
    match standing {
        Standing::Open | Standing::Lost { .. } => true,
        Standing::Answered
        | Standing::Resolved
        | Standing::Suppressed { .. }
        | Standing::Expired => false,
    }
}

/// What was printed so far.
struct Told<W> {
    out: W,
    zone: TimeZone,
    json: bool,
    /// How many pages stand where.
    pages: BTreeMap<&'static str, u64>,
    /// The same of groups of alerts.
    alerts: BTreeMap<&'static str, u64>,
}

impl<W: Write> Told<W> {
    fn page(&mut self, line: &PageLine) -> anyhow::Result<()> {
        let word = line.standing.word();
        *self.pages.entry(word).or_default() += 1;
        if self.json {
            let ended = line
                .ended
                .as_ref()
                .map(|(at, by, via)| json!({ "at": at, "by": by, "via": via }));
            let ways = line.ways.iter().map(described).collect::<Vec<_>>();
            return self.line(&json!({
                "page": line.number, "incident": line.incident, "to": line.to, "why": line.why,
                "paged_at": line.paged_at, "standing": line.standing, "ended": ended, "ways": ways,
            }));
        }
        let mut text = format!(
            "{}  {word:<10}  {} page {} to {}: {}",
            self.local(line.paged_at),
            line.incident,
            line.number,
            line.to,
            one_line(&line.why),
        );
        if let Some((at, by, via)) = &line.ended {
            let after = show_roughly(at.duration_since(line.paged_at));
            text.push_str(&format!("; {word} after {after} by {by}"));
            if let Some(via) = via {
                text.push_str(&format!(" by {via}"));
            }
        }
        if let Some(more) = line.standing.more() {
            text.push_str(&format!("; {more}"));
        }
        let ways: Vec<_> = line
            .ways
            .iter()
            .map(|way| format!("{} {}", way.via, way.state))
            .collect();
        if !ways.is_empty() {
            text.push_str(&format!(" [{}]", ways.join(", ")));
        }
        Ok(writeln!(self.out, "{text}")?)
    }

    fn group(&mut self, line: &GroupLine) -> anyhow::Result<()> {
        let (group, word) = (&line.group, line.standing.word());
        *self.alerts.entry(word).or_default() += 1;
        if self.json {
            return self.line(&json!({
                "alerts": group.id, "title": group.title, "source": group.source, "began_at": group.began_at,
                "firing": group.firing, "total": group.total, "incident": group.incident, "standing": line.standing,
            }));
        }
        let mut text = format!(
            "{}  {word:<10}  alerts “{}” of {}, {} of {} firing",
            self.local(group.began_at),
            one_line(&group.title),
            group.source,
            group.firing,
            group.total.max(group.firing),
        );
        if let Some(incident) = &group.incident {
            text.push_str(&format!(", {incident}"));
        }
        if let Some(more) = line.standing.more() {
            text.push_str(&format!("; {more}"));
        }
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Prints the totals, and what is out of balance; says whether a line was.
    fn sum(&mut self, found: &[String]) -> anyhow::Result<bool> {
        let lost = Standing::Lost { why: String::new() }.word();
        let is_lost = self.pages.contains_key(lost) || self.alerts.contains_key(lost);
        if self.json {
            let totals = json!({
                "totals": { "pages": self.pages, "alerts": self.alerts }, "out_of_balance": found,
            });
            self.line(&totals)?;
        } else {
            for (what, totals) in [("Pages", &self.pages), ("Groups of alerts", &self.alerts)] {
                let all: u64 = totals.values().sum();
                let each: Vec<_> = totals
                    .iter()
                    .map(|(word, n)| format!("{n} {word}"))
                    .collect();
                match all {
                    0 => writeln!(self.out, "{what}: none.")?,
                    all => writeln!(self.out, "{what}: {all}: {}.", each.join(", "))?,
                }
            }
            for finding in found {
                writeln!(self.out, "OUT OF BALANCE: {finding}.")?;
            }
            if found.is_empty() && !is_lost {
                writeln!(self.out, "All balances.")?;
            }
        }
        self.out.flush()?;
        Ok(is_lost)
    }

    fn line(&mut self, value: &Value) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "{value}")?)
    }

    fn local(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

fn described(way: &Way) -> Value {
    json!({
        "via": way.via, "state": way.state, "at": way.at, "provider_id": way.provider_id, "reason": way.reason,
    })
}

/// A text from outside on one line, without what moves a terminal's cursor.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c.is_control() {
            true => ' ',
            false => c,
        })
        .collect()
}
