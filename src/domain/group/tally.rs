//! What a group says of itself to its incident.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SAMPLES, Sample};
use crate::domain::lead::Lead;
use crate::domain::remark::Remarked;
use crate::domain::terms::DedupKey;

/// What a group has to say, for its incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What it is about: the title of its first alert.
    pub title: String,
    /// Which source spoke.
    pub source: String,
    /// Alerts that fire now.
    pub firing: u64,
    /// Beginnings so far.
    pub total: u64,
    /// The newest alerts, the newest first.
    pub samples: Vec<Sample>,
    /// Whether the incident, more urgent than they are, keeps them from being told on their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_quieted: bool,
    /// Whether one of them begins and ends again and again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flapping: bool,
    /// What was remarked on them at their senders of late, the oldest first. In the record each stands on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remarked>,
    /// Where they are, as far as they have that in common, by label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common: BTreeMap<String, String>,
    /// Where to look, as they say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads: Vec<Lead>,
}

/// The sources of alerts in one line, the first to speak first; of what names none it is `own`.
pub fn sources(samples: &[Sample], own: &str) -> String {
    let mut sources: Vec<&str> = Vec::new();
    for sample in samples.iter().rev() {
        let source = sample.source.as_deref().unwrap_or(own);
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    match sources.is_empty() {
        true => own.to_owned(),
        false => sources.join(", "),
    }
}

/// How many alerts a list leaves out.
pub fn unnamed(samples: &[Sample], firing: u64, total: u64) -> u64 {
    // A list that is not full names each, however often it began; a new round has forgotten what it did not name.
    let (of, named) = match samples.len() {
        SAMPLES.. => (total, samples.len()),
        _ => (firing, samples.iter().filter(|it| it.is_firing).count()),
    };
    of.saturating_sub(named as u64)
}

impl Tally {
    /// The alerts that have begun or ended since then, as far as they are named.
    pub fn turned_since(&self, before: Option<&Tally>) -> Vec<DedupKey> {
        let known = before.map_or(&[][..], |before| &before.samples);
        let is_news = |sample: &&Sample| match known.iter().find(|it| it.key == sample.key) {
            Some(known) => known.is_firing != sample.is_firing,
            None => true,
        };
        let turned = self.samples.iter().filter(is_news);
        turned.map(|sample| sample.key.clone()).collect()
    }

    /// The titles of those of these alerts that fire, or of those that do not, in one line, each with its source if that
    /// is not the group's; none, if there are none.
    pub fn titles(&self, of: &[DedupKey], firing: bool) -> Option<String> {
        let samples = self.samples.iter();
        let titles = samples
            .filter(|sample| sample.is_firing == firing && of.contains(&sample.key))
            .map(|sample| match &sample.source {
                Some(source) if *source != self.source => format!("{} ({source})", sample.title),
                Some(_) | None => sample.title.clone(),
            });
        let mut named: Vec<String> = Vec::new();
        for title in titles {
            // What many have in common is said once.
            if !named.contains(&title) {
                named.push(title);
            }
        }
        (!named.is_empty()).then(|| named.join("; "))
    }

    /// Which of its alerts begin and end again and again, in one line.
    pub fn flapping(&self) -> Option<String> {
        let samples = self.samples.iter().filter(|sample| sample.is_flapping);
        let titles: Vec<_> = samples.map(|sample| sample.title.as_str()).collect();
        (!titles.is_empty()).then(|| titles.join("; "))
    }
}
