//! What alert senders send: one file for each kind of source, bytes in and [`Alert`]s out. Nothing here calls out, keeps
//! anything or knows what becomes of an alert.
//!
//! A request is believed first ([`proof`], [`sns`]), then read ([`read`]). What a sender says is lenient to read and
//! strict to keep: a file of this room makes a `Said` of it, and only `said` makes an [`Alert`] of that, cut to size.
//!
//! The label `source` means the alert source in a route, so a label of that name that was sent is kept as
//! `exported_source`, as Prometheus does with labels that collide with its own.

pub mod alertmanager;
mod cloudevents;
mod cloudwatch;
mod cloudwatch_eventbridge;
mod cloudwatch_sns;
pub mod datadog;
mod generic;
mod grafana;
mod heading;
mod json;
pub mod opsgenie;
pub mod pagerduty;
pub mod proof;
mod said;
mod sentry;
pub mod sns;
mod times;
mod words;

use axum::http::HeaderMap;
use jiff::Timestamp;

pub use heading::{Heading, read_again};

use crate::domain::alert::Alert;
use crate::domain::catalog::{AlertSource, SourceKind};

/// A request of a sender who has proved to be one.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The source that it came to.
    pub source: &'a AlertSource,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// When it came.
    pub now: Timestamp,
}

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Its alerts, in the order in which they stand in it.
    pub alerts: Vec<Alert>,
    /// What tells this delivery from every other, if the sender numbers them and may send one twice.
    pub delivery: Option<String>,
    /// What is wrong with those of its alerts that cannot be read, while others can.
    pub skipped: Vec<Malformed>,
}

/// Why a request says nothing: in words for whoever sends it, without anything of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// What is wrong and what is expected.
    pub reason: String,
    /// Everything that is wrong, one by one, where the sender's own protocol answers with a list.
    pub faults: Vec<String>,
}

impl Malformed {
    /// A request that says nothing, for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            faults: Vec::new(),
        }
    }
}

/// Reads what a source sends to `/alerts/{id}`.
pub fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    match sent.source.kind {
        SourceKind::Alertmanager => alertmanager::read(sent),
        SourceKind::Grafana => grafana::read(sent),
        SourceKind::CloudwatchSns => cloudwatch_sns::read(sent),
        SourceKind::CloudwatchEventbridge => cloudwatch_eventbridge::read(sent),
        SourceKind::Datadog => datadog::read(sent),
        SourceKind::Pagerduty => pagerduty::read(sent),
        SourceKind::Opsgenie => opsgenie::read(sent),
        SourceKind::Sentry => sentry::read(sent),
        SourceKind::Cloudevents => cloudevents::read(sent),
        SourceKind::Generic => generic::read(sent),
    }
}

/// How many alerts a request may have: more than a body of the largest size holds, if they say anything.
const ALERTS_MAX: usize = 20_000;

fn too_many() -> Malformed {
    Malformed::new(format!(
        "one request may have {ALERTS_MAX} alerts; send the others in another"
    ))
}

impl Told {
    /// What a request with one alert says.
    fn one(alert: Alert) -> Self {
        Self {
            alerts: vec![alert],
            ..Self::default()
        }
    }

    /// A request that is understood and says nothing of any condition.
    fn nothing() -> Self {
        Self::default()
    }

    /// What a request with many alerts says: those that can be read. If there are some and none can, it says nothing.
    fn all(read: impl IntoIterator<Item = Result<Alert, Malformed>>) -> Result<Self, Malformed> {
        let mut told = Self::default();
        for (count, alert) in read.into_iter().enumerate() {
            if count == ALERTS_MAX {
                return Err(too_many());
            }
            match alert {
                Ok(alert) => told.alerts.push(alert),
                Err(malformed) => told.skipped.push(malformed),
            }
        }
        match told.skipped.first() {
            Some(first) if told.alerts.is_empty() => Err(first.clone()),
            Some(_) | None => Ok(told),
        }
    }

    /// The same, as a delivery that can be told from every other.
    fn delivered_as(mut self, delivery: Option<impl AsRef<str>>) -> Self {
        self.delivery = delivery.and_then(|delivery| said::key(delivery.as_ref()));
        self
    }
}

#[cfg(test)]
mod samples;
