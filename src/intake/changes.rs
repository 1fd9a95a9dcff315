//! Changes: kept before the sender is answered. Which incidents they concern is found out afterwards, for one may begin
//! half an hour later (`dispatcher::changes`).

use super::{Intake, IntakeError, failed};
use crate::domain::alert::Alert;
use crate::domain::change::Change;
use crate::store::alerts::AlertId;
use crate::store::changes::KeptChange;

/// Where whoever made a change is named, the best first.
const BY: [&str; 4] = ["user", "author", "by", "exported_source"];

impl Intake {
    /// Takes in what a source says was changed. The routes say to which service that belongs, as for an alert; where they
    /// say nothing (a change has no severity to go by), it does itself.
    pub async fn change(&self, source: &str, told: Alert) -> Result<(), IntakeError> {
        let told = told.defused();
        let now = self.clock.now();
        let routed = self.routing.route(source, &told).service;
        let named = told.labels.get("service");
        let by = BY.iter().find_map(|name| told.labels.get(*name));
        let kept = KeptChange {
            id: AlertId::new(source, &told).as_str().to_owned(),
            source: source.to_owned(),
            change: Change {
                by: by.cloned(),
                service: routed.or_else(|| self.routing.service_named(named?)),
                link: told.links.origin,
                // A clock ahead of ours must not hide it from an incident that begins now.
                at: told.started_at.map_or(now, |at| at.min(now)),
                title: told.title,
            },
        };
        self.store.keep_change(&kept).await.map_err(failed)
    }
}
