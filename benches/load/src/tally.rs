//! Counts what became of the requests: statuses, latencies by class of status, and those without an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Default)]
pub struct Tally {
    pub statuses: BTreeMap<u16, u64>,
    pub unanswered: BTreeMap<&'static str, u64>,
    pub reconnects: u64,
    /// Which requests were answered 2xx.
    pub numbers: Vec<u64>,
    micros: BTreeMap<&'static str, Vec<u32>>,
}

impl Tally {
    pub fn answered(&mut self, number: u64, status: u16, latency: Duration) {
        if class(status) == "2xx" {
            self.numbers.push(number);
        }
        *self.statuses.entry(status).or_default() += 1;
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.micros.entry(class(status)).or_default().push(micros);
    }

    pub fn without_answer(&mut self, why: &'static str) {
        *self.unanswered.entry(why).or_default() += 1;
    }

    /// Requests answered 2xx.
    pub fn acknowledged(&self) -> u64 {
        self.statuses
            .iter()
            .filter(|(status, _)| class(**status) == "2xx")
            .map(|(_, count)| count)
            .sum()
    }

    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    pub fn sent(&self) -> u64 {
        self.answers() + self.unanswered.values().sum::<u64>()
    }

    pub fn latencies(&mut self) -> Value {
        self.micros
            .iter_mut()
            .map(|(class, micros)| (class.to_string(), summary(micros)))
            .collect()
    }
}

fn class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        503 => "503",
        _ => "other",
    }
}

/// The quantiles of some latencies in microseconds, of which there is one at least.
pub fn summary(micros: &mut [u32]) -> Value {
    micros.sort_unstable();
    let within_1s = micros.partition_point(|latency| *latency <= 1_000_000);
    json!({
        "count": micros.len(),
        "p50_ms": quantile_ms(micros, 0.50),
        "p90_ms": quantile_ms(micros, 0.90),
        "p99_ms": quantile_ms(micros, 0.99),
        "max_ms": quantile_ms(micros, 1.0),
        "share_within_1s": within_1s as f64 / micros.len() as f64,
    })
}

/// The smallest latency that at least this share of the requests kept.
fn quantile_ms(sorted: &[u32], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    f64::from(sorted[rank.clamp(1, sorted.len()) - 1]) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_do_not_flatter_the_acknowledged() {
        let mut tally = Tally::default();
        for ms in 1..=100 {
            tally.answered(ms, 200, Duration::from_millis(ms * 20));
            tally.answered(ms, 503, Duration::from_millis(1));
        }
        let latencies = tally.latencies();
        assert_eq!(tally.acknowledged(), 100);
        assert_eq!(latencies["2xx"]["p50_ms"], 1000.0);
        assert_eq!(latencies["2xx"]["p99_ms"], 1980.0);
        assert_eq!(latencies["2xx"]["share_within_1s"], 0.5);
        assert_eq!(latencies["503"]["max_ms"], 1.0);
    }
}
