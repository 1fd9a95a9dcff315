//! The alerts of an incident as a post-mortem lists them: by group, with each alert that the record names.

use jiff::Timestamp;

use crate::domain::event::{Event, Recorded};
use crate::domain::group::{Sample, Tally, sources};
use crate::domain::terms::GroupId;

/// Alerts of a group that are listed by name; all others are counted.
const NAMED: usize = 100;

/// A group of alerts, as far as the record tells of it.
#[derive(Debug)]
pub(super) struct AlertGroup {
    group: GroupId,
    /// How it stood last.
    pub(super) tally: Tally,
    /// When the incident first heard of it.
    pub(super) since: Timestamp,
    /// When it heard that none fires any more; none: some fire at the end of the record.
    pub(super) over_at: Option<Timestamp>,
    /// The alerts that were ever named, in the order in which they were, with when that was first.
    pub(super) named: Vec<(Timestamp, Sample)>,
}

impl AlertGroup {
    /// Notes what an event says of alerts.
    pub(super) fn note(groups: &mut Vec<AlertGroup>, recorded: &Recorded) {
        let Event::AlertsChanged { group, tally, .. } = &recorded.event else {
            return;
        };
        let at = recorded.recorded_at;
        let place = groups.iter().position(|known| known.group == *group);
        let place = place.unwrap_or_else(|| {
            groups.push(AlertGroup {
                group: group.clone(),
                tally: tally.clone(),
                since: at,
                over_at: None,
                named: Vec::new(),
            });
            groups.len() - 1
        });
        groups[place].take(tally, at);
    }

    fn take(&mut self, tally: &Tally, at: Timestamp) {
        self.over_at = match tally.firing {
            0 => self.over_at.or(Some(at)),
            _ => None,
        };
        // The newest stands first there, and last here.
        for sample in tally.samples.iter().rev() {
            let place = self.named.iter().position(|(_, it)| it.key == sample.key);
            match place {
                Some(place) => self.named[place].1.clone_from(sample),
                None if self.named.len() < NAMED => self.named.push((at, sample.clone())),
                None => {}
            }
        }
        self.tally.clone_from(tally);
    }

    /// The sources of its alerts, in one line.
    pub(super) fn sources(&self) -> String {
        // The newest first, as they are elsewhere.
        let named: Vec<_> = self.named.iter().rev().map(|(_, it)| it.clone()).collect();
        sources(&named, &self.tally.source)
    }

    /// Which source told of an alert of it.
    pub(super) fn source_of<'a>(&'a self, sample: &'a Sample) -> &'a str {
        sample.source.as_deref().unwrap_or(&self.tally.source)
    }
}
