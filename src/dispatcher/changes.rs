//! Brings what was changed onto the timelines of the incidents that it concerns.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use super::{Dispatcher, locked};
use crate::domain::command::Command;
use crate::domain::terms::{Actor, DeliveryId, IncidentId};
use crate::engine::{Delivery, EngineError, Envelope, Wish};
use crate::store::changes::KeptChange;
use crate::store::incidents::Which;

/// Incidents that hear of changes: more are never open at a time.
const INCIDENTS_MAX: i64 = 100;

/// How far back is looked: an alert may say that it has fired for long, and what was changed before that is looked for.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(2);

/// What tells that an incident heard of a change: the same thing done again at another time is another change.
fn delivery(incident: &IncidentId, kept: &KeptChange) -> DeliveryId {
    let at = kept.change.at.as_second();
    DeliveryId::new(format!("change/{incident}/{}/{at}", kept.id))
}

/// The newest changes that one incident is told of: nobody looks for a cause among more.
const TOLD_OF: usize = 100;

/// What was there when incidents were last told of changes.
#[derive(Debug, Default)]
pub(super) struct Known {
    open: BTreeSet<IncidentId>,
    changes: BTreeSet<(String, Timestamp)>,
}

impl Known {
    /// Whether there is nothing else: what an incident is of, and when it began, never changes.
    fn covers(&self, now: &Known) -> bool {
        now.open.is_subset(&self.open) && now.changes.is_subset(&self.changes)
    }
}

impl Dispatcher {
    /// Tells every open incident of the changes of late that concern it. However often this is done, and by
    /// however many replicas, a change stands on a timeline once: both are the delivery. The incidents themselves are read
    /// only when one was opened, or a change came in.
    pub async fn tell_of_changes(&self) -> anyhow::Result<()> {
        let changes = self
            .store
            .changes_since(self.clock.now() - LOOKED_BACK)
            .await?;
        if changes.is_empty() {
            return Ok(());
        }
        let looked_at = changes.iter();
        let now = Known {
            open: self.store.open_ids(INCIDENTS_MAX).await?,
            changes: looked_at
                .map(|kept| (kept.id.clone(), kept.change.at))
                .collect(),
        };
        if locked(&self.known_changes).covers(&now) {
            return Ok(());
        }
        for incident in self.store.list(Which::Open, INCIDENTS_MAX).await? {
            let concern = changes.iter().filter(|it| it.change.concerns(&incident));
            let mut concern: Vec<_> = concern
                .take(TOLD_OF)
                .map(|kept| (kept, delivery(&incident.id, kept)))
                .collect();
            concern.reverse();
            let ids: Vec<&DeliveryId> = concern.iter().map(|(_, id)| id).collect();
            let told = self.store.deliveries_made(&ids).await?;
            for (kept, delivery) in concern.into_iter().filter(|(_, id)| !told.contains(id)) {
                let envelope = Envelope {
                    wish: Wish::Pursue(
                        incident.id.clone(),
                        Command::NoteChange(kept.change.clone()),
                    ),
                    actor: Actor::Alert {
                        source: kept.source.clone(),
                    },
                    delivery: Some(Delivery {
                        id: delivery,
                        for_ever: false,
                    }),
                };
                match self.engine.handle(envelope).await {
                    Ok(_) => {}
                    Err(EngineError::Refused(why)) => {
                        info!(incident.id = %incident.id, "A change does not belong here: {why}");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        // Not before all is told: what fails is told at the next look.
        *locked(&self.known_changes) = now;
        Ok(())
    }
}
