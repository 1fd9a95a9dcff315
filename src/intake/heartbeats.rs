//! Heartbeats: whoever must speak now and then, and is missed when it does not.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Intake, IntakeError, OURS, Request, failed};
use crate::domain::alert::{Alert, Links, Signal};
use crate::domain::catalog::{Catalog, Heartbeat};
use crate::domain::form::show_duration;
use crate::domain::routing::Matches;
use crate::domain::terms::DedupKey;
use crate::store::alerts::AlertId;

/// The heartbeats of a configuration, ready to be asked.
#[derive(Debug)]
pub(super) struct Heartbeats(Vec<(Heartbeat, Matches)>);

impl Heartbeats {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let heartbeats = catalog.heartbeats.iter();
        let ready = heartbeats.map(|it| (it.clone(), Matches::new(&it.matches)));
        Self(ready.collect())
    }

    /// The heartbeats that the alerts of a request are: they are taken out of it. A Watchdog that ends is silent.
    pub(super) fn told_by(&self, request: &mut Request) -> Vec<Heartbeat> {
        let mut told = Vec::new();
        for (heartbeat, matches) in &self.0 {
            if heartbeat.source != request.source || heartbeat.matches.is_empty() {
                continue;
            }
            let before = request.alerts.len();
            let mut is_beaten = false;
            request.alerts.retain(|alert| {
                let is_it = matches.are_met(&request.source, alert);
                is_beaten |= is_it && alert.signal == Signal::Firing;
                !is_it
            });
            if is_beaten && request.alerts.len() < before {
                told.push(heartbeat.clone());
            }
        }
        told
    }

    /// Those of a source that speak for themselves; of this name, if one is given.
    fn of_source(&self, source: &str, name: Option<&str>) -> Vec<Heartbeat> {
        let mine = |it: &&(Heartbeat, Matches)| {
            it.0.source == source && name.map_or(it.0.matches.is_empty(), |name| it.0.id == name)
        };
        let mine = self.0.iter().filter(mine);
        mine.map(|(heartbeat, _)| heartbeat.clone()).collect()
    }
}

/// What is heard less long ago than this is told by the time of the day alone.
const SAME_DAY: SignedDuration = SignedDuration::from_hours(12);

/// When a heartbeat was last heard, for whoever wonders what has happened since.
fn last_heard(heard: Option<Timestamp>, now: Timestamp) -> String {
    let Some(heard) = heard else {
        return "It has never been heard, as far as is on record.".to_owned();
    };
    let ago = now.duration_since(heard);
    let at = match ago < SAME_DAY {
        true => heard.strftime("%H:%M UTC"),
        false => heard.strftime("%Y-%m-%d %H:%M UTC"),
    };
    // It is read long after it was written: only the time of the day stays true.
    format!("Last heard at {at}.")
}

/// What is said of a heartbeat.
fn alert(heartbeat: &Heartbeat, signal: Signal, at: Timestamp) -> Alert {
    let every = show_duration(heartbeat.every);
    let mut labels = BTreeMap::from([("heartbeat".to_owned(), heartbeat.id.clone())]);
    labels.extend(
        heartbeat
            .severity
            .clone()
            .map(|word| ("severity".to_owned(), word)),
    );
    Alert {
        key: DedupKey::new(format!("heartbeat/{}", heartbeat.id)),
        signal,
        // Each is a matter of its own: where no route says otherwise, alerts of one name are told together.
        name: heartbeat.id.clone(),
        title: format!("{} is silent: it should speak every {every}", heartbeat.id),
        description: None,
        severity: heartbeat.severity.clone(),
        labels,
        links: Links::default(),
        remark: None,
        started_at: (signal == Signal::Firing).then_some(at),
        ended_at: (signal == Signal::Resolved).then_some(at),
        expires_at: None,
    }
}

impl Intake {
    /// A source says that it lives; says of how many heartbeats that is one.
    pub async fn heartbeat(&self, source: &str, name: Option<&str>) -> Result<usize, IntakeError> {
        let beaten = self.heartbeats.of_source(source, name);
        self.beat(&beaten).await?;
        Ok(beaten.len())
    }

    /// Remembers that these have spoken. It is written when this returns.
    pub(super) async fn beat(&self, beaten: &[Heartbeat]) -> Result<(), IntakeError> {
        let now = self.clock.now();
        for heartbeat in beaten {
            let due = now.checked_add(heartbeat.every).unwrap_or(Timestamp::MAX);
            let beaten = self.store.beat(&heartbeat.id, now, due).await;
            beaten.map_err(failed)?;
        }
        Ok(())
    }

    /// Misses whoever is silent, and notes who speaks again. Whoever was never heard of is given its time from the first
    /// look on.
    pub async fn miss_the_silent(&self) -> anyhow::Result<()> {
        if self.heartbeats.0.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let known = self.store.heartbeats().await?;
        for (heartbeat, _) in &self.heartbeats.0 {
            let Some(held) = known.get(&heartbeat.id) else {
                let due = now.checked_add(heartbeat.every).unwrap_or(Timestamp::MAX);
                self.store.expect_heartbeat(&heartbeat.id, due).await?;
                continue;
            };
            let silent = Alert {
                description: Some(last_heard(held.heard, now)),
                ..alert(heartbeat, Signal::Firing, held.due)
            };
            let id = AlertId::new(&heartbeat.source, &silent);
            let missed = self.store.held_alerts(&[&id]).await?;
            let is_missed = missed
                .iter()
                .any(|(_, missed)| missed.tracked.status.is_active());
            let said = match (held.due <= now, is_missed) {
                (true, false) => silent,
                (false, true) => {
                    let spoke = held.heard.unwrap_or(now);
                    alert(
                        heartbeat,
                        Signal::Resolved,
                        spoke.max(now - SignedDuration::from_mins(1)),
                    )
                }
                (true, true) | (false, false) => continue,
            };
            let request = Request {
                source: heartbeat.source.clone(),
                body: serde_json::to_vec(&said)?.into(),
                alerts: vec![said],
                delivery: None,
                content_type: "application/json".into(),
                heading: OURS.into(),
            };
            self.take(request).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_heard_long_ago_was_heard_on_a_day() {
        let now: Timestamp = "2025-09-14T03:15:00Z".parse().unwrap();
        let said = |ago| last_heard(Some(now - SignedDuration::from_mins(ago)), now);
        assert_eq!(said(14), "Last heard at 03:01 UTC.");
        assert_eq!(said(719), "Last heard at 15:16 UTC.");
        assert_eq!(said(26 * 60), "Last heard at 2025-09-13 01:15 UTC.");
    }
}
