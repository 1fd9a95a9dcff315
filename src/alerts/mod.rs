//! What alert senders send: one file for each kind of source, bytes in and [`Alert`]s out. Nothing here calls out, keeps
//! anything or knows what becomes of an alert.

use axum::http::HeaderMap;
use jiff::Timestamp;

use crate::domain::alert::Alert;
use crate::domain::catalog::AlertSource;

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
}

/// Why a request says nothing: in words for whoever sends it, without anything of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// What is wrong and what is expected.
    pub reason: String,
}

impl Malformed {
    /// A request that says nothing, for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
