//! Troubles on order: what a test asks the workspace to do wrong, and how often.

use std::time::Duration;

use serde::Deserialize;

/// What goes wrong with the next calls of a method.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// HTTP 429 with `Retry-After`; nothing is done.
    RateLimited {
        /// Whole seconds, as Slack sends them.
        retry_after_s: u64,
    },
    /// A bare HTTP status such as 503; nothing is done.
    Status(u16),
    /// Answered properly, after this much real time.
    #[serde(rename = "slow_ms", deserialize_with = "milliseconds")]
    Slow(Duration),
    /// Never answered; nothing is done.
    Hang,
    /// The connection is dropped before anything is done.
    LoseAnswerBefore,
    /// It is done, and the connection is dropped instead of an answer.
    LoseAnswerAfter,
    /// HTTP 200 with `ok: false` and this error; nothing is done.
    Error(String),
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

/// A fault that waits for its call.
#[derive(Clone, Debug)]
pub(crate) struct OrderedFault {
    /// A method, or `*` for whatever comes.
    pub method: String,
    pub fault: Fault,
    pub times: usize,
}

/// Takes the fault meant for this call, if there is one; the oldest order comes first.
pub(crate) fn take(faults: &mut Vec<OrderedFault>, method: &str) -> Option<Fault> {
    let place = faults
        .iter()
        .position(|order| order.method == method || order.method == "*")?;
    let order = &mut faults[place];
    order.times -= 1;
    let fault = order.fault.clone();
    if order.times == 0 {
        faults.remove(place);
    }
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(method: &str, fault: Fault, times: usize) -> OrderedFault {
        OrderedFault {
            method: method.into(),
            fault,
            times,
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_ordered_and_only_its_method() {
        let mut faults = vec![order("chat.update", Fault::Status(503), 2)];
        assert_eq!(take(&mut faults, "chat.postMessage"), None);
        assert_eq!(take(&mut faults, "chat.update"), Some(Fault::Status(503)));
        assert_eq!(take(&mut faults, "chat.update"), Some(Fault::Status(503)));
        assert_eq!(take(&mut faults, "chat.update"), None);
    }

    #[test]
    fn the_oldest_fitting_order_comes_first() {
        let mut faults = vec![
            order("*", Fault::Hang, 1),
            order("pins.add", Fault::Status(500), 1),
        ];
        assert_eq!(take(&mut faults, "pins.add"), Some(Fault::Hang));
        assert_eq!(take(&mut faults, "pins.add"), Some(Fault::Status(500)));
    }

    #[test]
    fn faults_can_be_ordered_as_json() {
        let read = |text: &str| serde_json::from_str::<Fault>(text).unwrap();
        assert_eq!(
            read(r#"{"rate_limited":{"retry_after_s":2}}"#),
            Fault::RateLimited { retry_after_s: 2 }
        );
        assert_eq!(
            read(r#"{"slow_ms":1500}"#),
            Fault::Slow(Duration::from_millis(1500))
        );
        assert_eq!(read(r#""lose_answer_after""#), Fault::LoseAnswerAfter);
        assert_eq!(
            read(r#"{"error":"fatal_error"}"#),
            Fault::Error("fatal_error".into())
        );
    }
}
