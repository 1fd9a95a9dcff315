//! How fast Slack may be called: each method at its own pace, `chat.postMessage` in each channel by itself, and none
//! before Slack's `Retry-After` is over. slack-morphism's own throttle holds all channels to one message a second
//! together and retries a 429 without `Retry-After` at once, so it is left off.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::methods::Method;

/// Turns that nobody came for are forgotten after this long, so that a lost order does not hold its place for ever.
const FORGET_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The pace of every method. Time comes in as an argument.
#[derive(Debug, Default)]
pub struct Limiter {
    /// When the next call of a method (and channel) would be on pace, had every one before it been.
    next: HashMap<String, Timestamp>,
    /// Until when Slack wants a method left alone.
    blocked: HashMap<&'static str, Timestamp>,
    /// Turns given out and not yet taken: whoever was told to come back then finds its place kept.
    turns: HashMap<String, Timestamp>,
    /// The ids of channels that are called by a name too: one channel has one pace.
    ids: HashMap<String, String>,
    /// The latest moment that was seen.
    seen: Option<Timestamp>,
}

impl Limiter {
    /// Asks whether a call may be made now. No: when to come back; the turn is kept under `ticket`.
    pub fn take(
        &mut self,
        method: &'static Method,
        channel: Option<&str>,
        ticket: &str,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        self.mind(now);
        if let Some(until) = self.blocked.get(method.name) {
            if now < *until {
                return Err(*until);
            }
            self.blocked.remove(method.name);
        }
        let ticket = format!("{}/{ticket}", method.name);
        if let Some(turn) = self.turns.get(&ticket).copied() {
            if now < turn {
                return Err(turn);
            }
            self.turns.remove(&ticket);
            return Ok(());
        }
        let key = match channel.filter(|_| method.per_channel) {
            Some(channel) => {
                let channel = self.ids.get(channel).map_or(channel, String::as_str);
                format!("{}/{channel}", method.name)
            }
            None => method.name.to_owned(),
        };
        // The burst comes out of the minute's allowance, so that no minute ever holds more than that.
        let steady = method.per_minute.saturating_sub(method.burst).max(1);
        let interval = SignedDuration::from_millis(60_000 / i64::from(steady));
        let slack = interval * (method.burst.max(1) as i32 - 1);
        let on_pace = self.next.get(&key).copied().unwrap_or(now).max(now);
        let turn = on_pace - slack;
        self.next.insert(key, on_pace + interval);
        if turn <= now {
            return Ok(());
        }
        self.forget(now);
        self.turns.insert(ticket, turn);
        Err(turn)
    }

    /// Minds a clock that was set back: all that is kept here is set back with it, so that nobody waits for as long as
    /// the clock was ahead.
    fn mind(&mut self, now: Timestamp) {
        let back = self
            .seen
            .map_or(SignedDuration::ZERO, |seen| now.duration_since(seen));
        self.seen = Some(now);
        if !back.is_negative() {
            return;
        }
        let blocked = self.blocked.values_mut();
        let all = self.next.values_mut().chain(self.turns.values_mut());
        for moment in all.chain(blocked) {
            *moment = moment.checked_add(back).unwrap_or(now);
        }
    }

    /// Learns which channel a name means; what was said to it by its name counts.
    pub fn learn(&mut self, method: &'static Method, name: &str, id: &str) {
        if name == id || self.ids.contains_key(name) {
            return;
        }
        self.ids.insert(name.to_owned(), id.to_owned());
        let key = |channel: &str| format!("{}/{channel}", method.name);
        if let Some(by_name) = self.next.remove(&key(name)) {
            let next = self.next.entry(key(id)).or_insert(by_name);
            *next = (*next).max(by_name);
        }
    }

    /// Leaves a method alone until then: Slack said so.
    pub fn block(&mut self, method: &'static Method, until: Timestamp) {
        let blocked = self.blocked.entry(method.name).or_insert(until);
        *blocked = (*blocked).max(until);
    }

    /// Drops what has no meaning any more.
    fn forget(&mut self, now: Timestamp) {
        if self.turns.len() + self.next.len() < 1_000 {
            return;
        }
        self.turns.retain(|_, turn| *turn + FORGET_AFTER > now);
        self.next.retain(|_, next| *next > now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::methods::{CHAT_POST_MESSAGE, CONVERSATIONS_CREATE, PINS_ADD};
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn after_a_burst_each_channel_gets_one_message_a_second() {
        let mut limiter = Limiter::default();
        let mut post = |channel: &str, ticket: &str, ms| {
            limiter.take(&CHAT_POST_MESSAGE, Some(channel), ticket, at(ms))
        };
        for n in 0..4 {
            assert_eq!(post("C1", &n.to_string(), 0), Ok(()));
        }
        assert_eq!(post("C1", "4", 0), Err(at(1_071)));
        assert_eq!(post("C1", "5", 0), Err(at(2_142)));
        assert_eq!(
            post("C2", "6", 0),
            Ok(()),
            "another channel has its own pace"
        );
    }

    #[test]
    fn a_channel_has_one_pace_by_whatever_name_it_is_called() {
        let mut limiter = Limiter::default();
        for n in 0..4 {
            limiter
                .take(&CHAT_POST_MESSAGE, Some("#ops"), &n.to_string(), at(0))
                .unwrap();
        }
        limiter.learn(&CHAT_POST_MESSAGE, "#ops", "C1");
        for channel in ["C1", "#ops"] {
            let answer = limiter.take(&CHAT_POST_MESSAGE, Some(channel), channel, at(0));
            assert!(answer.is_err(), "{channel}");
        }
    }

    #[test]
    fn whoever_comes_back_in_time_finds_the_place_kept() {
        let mut limiter = Limiter::default();
        for n in 0..4 {
            limiter
                .take(&CHAT_POST_MESSAGE, Some("C1"), &n.to_string(), at(0))
                .unwrap();
        }
        assert_eq!(
            limiter.take(&CHAT_POST_MESSAGE, Some("C1"), "a", at(0)),
            Err(at(1_071))
        );
        assert_eq!(
            limiter.take(&CHAT_POST_MESSAGE, Some("C1"), "a", at(999)),
            Err(at(1_071))
        );
        assert_eq!(
            limiter.take(&CHAT_POST_MESSAGE, Some("C1"), "b", at(1_071)),
            Err(at(2_142))
        );
        assert_eq!(
            limiter.take(&CHAT_POST_MESSAGE, Some("C1"), "a", at(1_071)),
            Ok(())
        );
    }

    #[test]
    fn a_minute_holds_no_more_than_the_tier() {
        let mut limiter = Limiter::default();
        let mut done = 0;
        for ms in (0..60_000).step_by(50) {
            // Whoever is sent away comes back under the same name.
            if limiter
                .take(&CONVERSATIONS_CREATE, None, &done.to_string(), at(ms))
                .is_ok()
            {
                done += 1;
            }
        }
        assert!((15..=20).contains(&done), "{done} calls");
    }

    #[test]
    fn retry_after_holds_one_method_and_no_other() {
        let mut limiter = Limiter::default();
        limiter.block(&PINS_ADD, at(30_000));
        assert_eq!(
            limiter.take(&PINS_ADD, None, "a", at(29_999)),
            Err(at(30_000))
        );
        assert_eq!(
            limiter.take(&CONVERSATIONS_CREATE, None, "a", at(29_999)),
            Ok(())
        );
        assert_eq!(limiter.take(&PINS_ADD, None, "a", at(30_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let hour = 3_600_000;
        let mut limiter = Limiter::default();
        let mut post =
            |ticket: &str, ms| limiter.take(&CHAT_POST_MESSAGE, Some("C1"), ticket, at(ms));
        for n in 0..4 {
            assert_eq!(post(&n.to_string(), hour), Ok(()));
        }
        assert_eq!(post("4", hour), Err(at(hour + 1_071)));
        assert_eq!(post("4", 0), Err(at(1_071)));
        assert_eq!(post("5", 0), Err(at(2_142)));
        assert_eq!(post("4", 1_071), Ok(()));
        limiter.block(&PINS_ADD, at(31_071));
        assert!(limiter.take(&PINS_ADD, None, "a", at(0)).is_err());
        assert_eq!(limiter.take(&PINS_ADD, None, "a", at(30_000)), Ok(()));
    }
}
