//! Slack's rate limits: per method by tier, and one message a second per channel (contract section 6.0).

use std::collections::{BTreeMap, VecDeque};

/// How many calls of a method a workspace takes per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    T2,
    T3,
    T4,
    /// `auth.test`, `chat.getPermalink`: "hundreds per minute"; the Java SDK models 600.
    Hundreds,
    /// `chat.postMessage`: per channel, see [`BURST`].
    PerChannel,
    Unlimited,
}

impl Tier {
    fn per_minute(self) -> Option<usize> {
        match self {
            Tier::T2 => Some(20),
            Tier::T3 => Some(50),
            Tier::T4 => Some(100),
            Tier::Hundreds => Some(600),
            Tier::PerChannel | Tier::Unlimited => None,
        }
    }
}

/// Slack keeps its burst secret; five at once, then one a second, is what the contract's rule 35 holds a bot to.
const BURST: usize = 5;
const MINUTE_MS: i64 = 60_000;

/// What was let through, per method or channel.
#[derive(Default)]
pub(crate) struct Limits {
    passed_ms: BTreeMap<String, VecDeque<i64>>,
    /// Per channel: the time at which its bucket is empty again.
    empty_at_ms: BTreeMap<String, i64>,
}

impl Limits {
    /// Lets the call through, or says after how many whole seconds it may come again.
    pub fn pass(
        &mut self,
        method: &str,
        tier: Tier,
        channel: Option<&str>,
        now_ms: i64,
    ) -> Result<(), u64> {
        if let (Tier::PerChannel, Some(channel)) = (tier, channel) {
            return self.pass_channel(channel, now_ms);
        }
        let Some(per_minute) = tier.per_minute() else {
            return Ok(());
        };
        let passed = self.passed_ms.entry(method.into()).or_default();
        while passed.front().is_some_and(|at| now_ms - at >= MINUTE_MS) {
            passed.pop_front();
        }
        match passed.front() {
            Some(oldest) if passed.len() >= per_minute => {
                Err(whole_seconds(oldest + MINUTE_MS - now_ms))
            }
            _ => {
                passed.push_back(now_ms);
                Ok(())
            }
        }
    }

    fn pass_channel(&mut self, channel: &str, now_ms: i64) -> Result<(), u64> {
        let empty_at = self.empty_at_ms.entry(channel.into()).or_insert(now_ms);
        let after = (*empty_at).max(now_ms) + 1000;
        let full_ms = now_ms + BURST as i64 * 1000;
        if after > full_ms {
            return Err(whole_seconds(after - full_ms));
        }
        *empty_at = after;
        Ok(())
    }
}

fn whole_seconds(ms: i64) -> u64 {
    ((ms + 999) / 1000).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_two_method_takes_twenty_calls_a_minute() {
        let mut limits = Limits::default();
        for call in 0..20 {
            assert_eq!(limits.pass("pins.add", Tier::T2, None, call * 100), Ok(()));
        }
        assert_eq!(limits.pass("pins.add", Tier::T2, None, 2_000), Err(58));
        assert_eq!(limits.pass("users.list", Tier::T2, None, 2_000), Ok(()));
        assert_eq!(limits.pass("pins.add", Tier::T2, None, 60_000), Ok(()));
    }

    #[test]
    fn a_channel_takes_five_messages_at_once_and_then_one_a_second() {
        let mut limits = Limits::default();
        let mut post = |channel, now_ms| {
            limits.pass("chat.postMessage", Tier::PerChannel, Some(channel), now_ms)
        };
        for _ in 0..5 {
            assert_eq!(post("C1", 0), Ok(()));
        }
        assert_eq!(post("C1", 0), Err(1));
        assert_eq!(post("C2", 0), Ok(()));
        assert_eq!(post("C1", 1_000), Ok(()));
        assert_eq!(post("C1", 1_500), Err(1));
    }
}
