//! Remarks: what somebody did about an alert where it came from, or wrote there.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Signal};
use super::group::Tally;
use super::terms::DedupKey;

/// Remarks that a group remembers, and its incident: more than people make before they are told.
const KEPT: usize = 10;
/// How long after a remark the same is that one, told again.
const REPEATED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Who did something about an alert at its sender, and what was written, as far as the sender says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remark {
    /// Who it was, in the sender's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What was done at the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Somebody took it over.
    Acknowledged,
    /// Somebody gave it back.
    Unacknowledged,
    /// Something was written.
    Noted,
    /// It was ended, with a word about it.
    Closed,
}

impl Deed {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Deed::Acknowledged => "Acknowledged",
            Deed::Unacknowledged => "Unacknowledged",
            Deed::Noted => "Noted",
            Deed::Closed => "Closed",
        }
    }
}

/// A remark on an alert of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarked {
    /// Counts the remarks of the group, from 1.
    pub number: u64,
    /// What was done.
    pub deed: Deed,
    /// About which condition.
    pub key: DedupKey,
    /// Its title.
    pub title: String,
    /// Where: the source, by id.
    pub source: String,
    /// Who, and in which words.
    #[serde(flatten)]
    pub remark: Remark,
    /// When it was heard.
    pub at: Timestamp,
}

impl Remarked {
    /// The deed that an alert tells of; none, if there is nothing to remark.
    pub fn deed(alert: &Alert) -> Option<Deed> {
        let has_text = alert.remark.as_ref().is_some_and(|it| it.text.is_some());
        match alert.signal {
            Signal::Acknowledged => Some(Deed::Acknowledged),
            Signal::Unacknowledged => Some(Deed::Unacknowledged),
            Signal::Noted if has_text => Some(Deed::Noted),
            // That it is over is said anyway.
            Signal::Resolved if has_text => Some(Deed::Closed),
            Signal::Noted | Signal::Resolved | Signal::Firing => None,
        }
    }

    /// It in words. `missed`: how many before it were never told.
    pub fn told(&self, missed: u64) -> String {
        let Remarked {
            number: _,
            deed,
            key: _,
            title,
            source,
            remark: Remark { by, text },
            at: _,
        } = self;
        let mut told = format!("{} in {source}", deed.word());
        if let Some(by) = by {
            let _ = write!(told, " by {by}");
        }
        let _ = write!(told, ": {title}");
        if let Some(text) = text {
            let _ = write!(told, "\n{text}");
        }
        match missed {
            0 => {}
            1 => told += "\n(one before it was not told)",
            _ => {
                let _ = write!(told, "\n({missed} before it were not told)");
            }
        }
        told
    }

    /// Whether it says what was said shortly before: a sender whose answer was lost says it twice. Later somebody has done
    /// the same again.
    fn repeats(&self, other: &Remarked) -> bool {
        fn said(it: &Remarked) -> (Deed, &DedupKey, &str, &Remark) {
            (it.deed, &it.key, &it.source, &it.remark)
        }
        said(self) == said(other) && self.at.duration_since(other.at) < REPEATED_WITHIN
    }
}

/// Adds a remark to those that are remembered, unless it only repeats one of them; says whether it did.
pub fn remember(remarks: &mut Vec<Remarked>, remarked: Remarked) -> bool {
    if remarks.iter().any(|known| remarked.repeats(known)) {
        return false;
    }
    keep(remarks, remarked);
    true
}

/// Adds a remark to those that are remembered, of which the oldest is forgotten for it.
pub fn keep(remarks: &mut Vec<Remarked>, remarked: Remarked) {
    remarks.push(remarked);
    let spare = remarks.len().saturating_sub(KEPT);
    remarks.drain(..spare);
}

impl Tally {
    /// The number of the newest remark; 0: there is none.
    fn remarked(&self) -> u64 {
        self.remarks.last().map_or(0, |last| last.number)
    }

    /// Takes in what was remarked on one of its alerts.
    pub fn take(&mut self, remarked: &Remarked) {
        if remarked.number <= self.remarked() {
            return;
        }
        for sample in &mut self.samples {
            sample.take(remarked);
        }
        keep(&mut self.remarks, remarked.clone());
    }

    /// Whether its alerts stand as in another, whatever was remarked on them.
    pub fn stands_as(&self, other: &Tally) -> bool {
        let bare = |tally: &Tally| Tally {
            remarks: vec![],
            ..tally.clone()
        };
        bare(self) == bare(other)
    }

    /// The remarks that whoever knows it only as it was before has not heard of, each with how many before it were never
    /// told.
    pub fn remarks_since(&self, before: Option<&Tally>) -> Vec<(Remarked, u64)> {
        let mut known = match before {
            Some(before) => before.remarked(),
            // What was said before the incident is none of its business, as far as it is forgotten.
            None => self.remarks.first().map_or(0, |first| first.number - 1),
        };
        let mut news = Vec::new();
        for remarked in &self.remarks {
            if remarked.number > known {
                news.push((remarked.clone(), remarked.number - known - 1));
                known = remarked.number;
            }
        }
        news
    }
}

/// The newest of these remarks that says something in words.
pub fn newest(remarks: &[Remarked]) -> Option<&Remarked> {
    let mut remarks = remarks.iter().rev();
    remarks.find(|it| it.remark.text.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(number: u64, minute: i64, text: &str) -> Remarked {
        Remarked {
            number,
            deed: Deed::Noted,
            key: DedupKey::new("k"),
            title: "t".into(),
            source: "genie".into(),
            remark: Remark {
                by: Some("ana".into()),
                text: Some(text.into()),
            },
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute),
        }
    }

    #[test]
    fn a_remark_is_known_again_behind_others_but_not_for_ever() {
        let mut remarks = vec![];
        let mut is_new = |remarked| remember(&mut remarks, remarked);
        assert!(is_new(noted(1, 0, "restarted it")));
        assert!(is_new(noted(2, 1, "it is back")));
        assert!(!is_new(noted(3, 2, "restarted it")), "its answer was lost");
        assert!(
            is_new(noted(3, 60, "restarted it")),
            "it was done once more"
        );
    }

    #[test]
    fn the_same_words_about_another_or_from_elsewhere_are_another_remark() {
        let mut remarks = vec![noted(1, 0, "mine")];
        let other = Remarked {
            key: DedupKey::new("l"),
            ..noted(2, 0, "mine")
        };
        assert!(remember(&mut remarks, other));
        let elsewhere = Remarked {
            source: "pager".into(),
            ..noted(3, 0, "mine")
        };
        assert!(remember(&mut remarks, elsewhere));
    }
}
