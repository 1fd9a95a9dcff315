//! What reached the stub, and when: how long after it was due each marked text first came, and how full the busiest
//! channel was.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::marker::Mark;
use crate::tally::summary;

/// Slack's pace: a channel takes so many messages a second in the long run.
const PER_SECOND: f64 = 1.0;

#[derive(Default)]
pub struct Deliveries {
    seen: HashSet<(char, u64)>,
    micros: BTreeMap<char, Vec<u32>>,
    channels: BTreeMap<String, Bucket>,
}

/// What a channel holds beyond its pace, as Slack would count it: each message fills it by one, and it drains by one a
/// second.
#[derive(Default)]
struct Bucket {
    level: f64,
    fullest: f64,
    at_us: u64,
    messages: u64,
}

impl Deliveries {
    /// A message to a channel.
    pub fn posted(&mut self, channel: &str, body: &[u8], now_us: u64) {
        self.channels.entry(channel.to_owned()).or_default().add(now_us);
        self.delivered(body, now_us);
    }

    /// Whatever else may carry marks. A mark counts once, however often it is said.
    pub fn delivered(&mut self, body: &[u8], now_us: u64) {
        let Ok(text) = str::from_utf8(body) else { return };
        for mark in Mark::all(text) {
            if self.seen.insert((mark.kind, mark.number)) {
                let late = now_us.saturating_sub(mark.due_us);
                let late = u32::try_from(late).unwrap_or(u32::MAX);
                self.micros.entry(mark.kind).or_default().push(late);
            }
        }
    }

    pub fn report(&mut self) -> Value {
        let micros = self.micros.iter_mut();
        let latencies: Value = micros
            .map(|(kind, micros)| {
                let first = micros[0];
                let mut sorted = micros.clone();
                let mut summary = summary(&mut sorted);
                summary["first_ms"] = json!(f64::from(first) / 1000.0);
                (kind.to_string(), summary)
            })
            .collect();
        let channels = self.channels.iter();
        let channels: Value = channels
            .map(|(channel, it)| (channel.clone(), json!({"messages": it.messages, "fullest": it.fullest})))
            .collect();
        json!({"latency": latencies, "channels": channels})
    }
}

impl Bucket {
    fn add(&mut self, now_us: u64) {
        let passed = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.level = (self.level - passed * PER_SECOND).max(0.0) + 1.0;
        self.fullest = self.fullest.max(self.level);
        self.at_us = now_us;
        self.messages += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_when_it_first_comes() {
        let mut deliveries = Deliveries::default();
        deliveries.delivered(b"x duea1000000n1 duea1000000n2", 1_002_000);
        deliveries.posted("C1", b"duea1000000n1 dues1000000n1", 1_009_000);
        let report = deliveries.report();
        assert_eq!(report["latency"]["a"]["count"], 2);
        assert_eq!(report["latency"]["a"]["max_ms"], 2.0);
        assert_eq!(report["latency"]["s"]["first_ms"], 9.0);
    }

    #[test]
    fn a_channel_that_gets_one_a_second_holds_one() {
        let mut deliveries = Deliveries::default();
        for second in 1..=60 {
            deliveries.posted("steady", b"", second * 1_000_000);
            deliveries.posted("hasty", b"", second * 500_000);
        }
        let report = deliveries.report();
        assert_eq!(report["channels"]["steady"]["fullest"], 1.0);
        assert_eq!(report["channels"]["hasty"]["fullest"], 30.5);
    }
}
