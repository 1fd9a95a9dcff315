//! How fast Slack may be called: each method at its own pace, `chat.postMessage` in each channel by itself, and none
//! before Slack's `Retry-After` is over. slack-morphism's own throttle holds all channels to one message a second
//! together and retries a 429 without `Retry-After` at once, so it is left off.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::methods::{CHAT_POST_MESSAGE, Method};

/// Turns that nobody came for are forgotten after this long, so that a lost order does not hold its place for ever.
const FORGET_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// So much is kept in any case: it costs less than to look through it.
const FORGET_FROM: usize = 1_000;

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
    /// How much is kept when it is next looked through for what has no meaning any more.
    forgets_at: usize,
    /// Messages a minute in each channel; none: as the table of methods has it.
    messages_per_minute: Option<u32>,
}

/// When a call may be made.
enum Asked {
    /// Now, at this place in the line.
    Now(Place),
    /// Then.
    Later(Timestamp),
}

/// A place in the line of a method (and channel).
enum Place {
    /// It was kept, under this ticket.
    Kept(String),
    /// It is there for whoever takes it: the next one of the line is on pace then.
    New { line: String, next: Timestamp },
}

impl Limiter {
    /// One that lets so many messages a minute into each channel.
    pub fn with_messages(per_minute: u32) -> Self {
        Self {
            messages_per_minute: Some(per_minute),
            ..Self::default()
        }
    }

    /// Asks whether a call may be made now. No: when to come back; the turn is kept under `ticket`.
    pub fn take(
        &mut self,
        method: &'static Method,
        channel: Option<&str>,
        ticket: &str,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        match self.ask(method, channel, ticket, now) {
            Asked::Now(Place::Kept(ticket)) => {
                self.turns.remove(&ticket);
                Ok(())
            }
            Asked::Now(Place::New { line, next }) => {
                self.next.insert(line, next);
                Ok(())
            }
            Asked::Later(at) => Err(at),
        }
    }

    /// When the turn of a call comes that has to wait; it is kept under `ticket`. A call that may be made now is not
    /// counted yet: whoever makes it takes its turn then.
    pub fn waits(
        &mut self,
        method: &'static Method,
        channel: Option<&str>,
        ticket: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        match self.ask(method, channel, ticket, now) {
            Asked::Now(_) => None,
            Asked::Later(at) => Some(at),
        }
    }

    /// Finds the turn of a call, and keeps one that is still to come.
    fn ask(
        &mut self,
        method: &'static Method,
        channel: Option<&str>,
        ticket: &str,
        now: Timestamp,
    ) -> Asked {
        self.mind(now);
        self.forget(now);
        if let Some(until) = self.blocked.get(method.name) {
            if now < *until {
                return Asked::Later(*until);
            }
            self.blocked.remove(method.name);
        }
        let ticket = format!("{}/{ticket}", method.name);
        if let Some(turn) = self.turns.get(&ticket).copied() {
            return match now < turn {
                true => Asked::Later(turn),
                false => Asked::Now(Place::Kept(ticket)),
            };
        }
        let line = match channel.filter(|_| method.per_channel) {
            Some(channel) => {
                let channel = self.ids.get(channel).map_or(channel, String::as_str);
                format!("{}/{channel}", method.name)
            }
            None => method.name.to_owned(),
        };
        // The burst comes out of the minute's allowance, so that no minute ever holds more than that.
        let own = self
            .messages_per_minute
            .filter(|_| *method == CHAT_POST_MESSAGE);
        let per_minute = own.unwrap_or(method.per_minute);
        let steady = per_minute.saturating_sub(method.burst).max(1);
        let interval = SignedDuration::from_millis(60_000 / i64::from(steady));
        let slack = interval * (method.burst.max(1) as i32 - 1);
        let on_pace = self.next.get(&line).copied().unwrap_or(now).max(now);
        let turn = on_pace - slack;
        let next = on_pace + interval;
        if turn <= now {
            return Asked::Now(Place::New { line, next });
        }
        self.next.insert(line, next);
        self.turns.insert(ticket, turn);
        Asked::Later(turn)
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

    /// Drops what has no meaning any more: each time there is twice as much as was left of the last time, so that a storm
    /// does not look through all that waits for each call.
    fn forget(&mut self, now: Timestamp) {
        if self.turns.len() + self.next.len() < self.forgets_at.max(FORGET_FROM) {
            return;
        }
        self.turns.retain(|_, turn| *turn + FORGET_AFTER > now);
        self.next.retain(|_, next| *next > now);
        self.forgets_at = 2 * (self.turns.len() + self.next.len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::methods::{CONVERSATIONS_CREATE, PINS_ADD};
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn whoever_has_a_higher_limit_may_say_so() {
        let mut limiter = Limiter::with_messages(1_000_000);
        for n in 0..1_000 {
            let ticket = n.to_string();
            assert_eq!(
                limiter.take(&CHAT_POST_MESSAGE, Some("C1"), &ticket, at(0)),
                Ok(())
            );
        }
        let mut create =
            |n: usize| limiter.take(&CONVERSATIONS_CREATE, None, &n.to_string(), at(0));
        let burst = (0..6).map(|n| create(n).is_ok());
        assert_eq!(burst.filter(|is_now| *is_now).count(), 5);
    }

    #[test]
    fn what_has_no_meaning_any_more_is_dropped() {
        let mut limiter = Limiter::default();
        // Each room is spoken to once: nobody comes back for its pace.
        for n in 0..10_000 {
            let channel = format!("C{n}");
            let ms = n * 10_000;
            limiter
                .take(&CHAT_POST_MESSAGE, Some(&channel), "1", at(ms))
                .unwrap();
            // And a turn that nobody takes, now and then.
            let _ = limiter.take(&PINS_ADD, None, &n.to_string(), at(ms));
            let _ = limiter.take(&PINS_ADD, None, &format!("b{n}"), at(ms));
        }
        let kept = limiter.next.len() + limiter.turns.len();
        assert!(kept < 3 * FORGET_FROM, "{kept}");
    }

    #[test]
    fn who_only_asks_takes_no_turn_from_those_who_call() {
        let mut limiter = Limiter::default();
        let waits = |limiter: &mut Limiter, ticket: &str, ms| {
            limiter.waits(&CHAT_POST_MESSAGE, Some("C1"), ticket, at(ms))
        };
        let post = |limiter: &mut Limiter, ticket: &str, ms| {
            limiter.take(&CHAT_POST_MESSAGE, Some("C1"), ticket, at(ms))
        };
        for n in 0..4 {
            assert_eq!(waits(&mut limiter, "x", 0), None);
            assert_eq!(post(&mut limiter, &n.to_string(), 0), Ok(()));
        }
        // Whoever has to wait keeps the turn that it was told, and calls in it.
        assert_eq!(waits(&mut limiter, "x", 0), Some(at(1_071)));
        assert_eq!(waits(&mut limiter, "x", 0), Some(at(1_071)));
        assert_eq!(post(&mut limiter, "4", 0), Err(at(2_142)));
        assert_eq!(waits(&mut limiter, "x", 1_071), None);
        assert_eq!(post(&mut limiter, "x", 1_071), Ok(()));
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
