//! Brings what was changed onto the timelines of the incidents that it concerns.

use jiff::SignedDuration;
use tracing::info;

use super::Dispatcher;
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

impl Dispatcher {
    /// Tells every open incident of the changes of late that concern it. However often this is done, and by
    /// however many replicas, a change stands on a timeline once: both are the delivery.
    pub async fn tell_of_changes(&self) -> anyhow::Result<()> {
        let changes = self
            .store
            .changes_since(self.clock.now() - LOOKED_BACK)
            .await?;
        if changes.is_empty() {
            return Ok(());
        }
        for incident in self.store.list(Which::Open, INCIDENTS_MAX).await? {
            let concern = changes
                .iter()
                .rev()
                .filter(|it| it.change.concerns(&incident));
            let concern: Vec<_> = concern
                .map(|kept| (kept, delivery(&incident.id, kept)))
                .collect();
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
        Ok(())
    }
}
