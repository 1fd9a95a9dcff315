//! Brings what was changed onto the timelines of the incidents that it concerns.

use tracing::info;

use super::Dispatcher;
use crate::domain::change::BEFORE;
use crate::domain::command::Command;
use crate::domain::terms::{Actor, DeliveryId};
use crate::engine::{Delivery, EngineError, Envelope, Wish};
use crate::store::incidents::Which;

/// Incidents that hear of changes: more are never open at a time.
const INCIDENTS_MAX: i64 = 100;

impl Dispatcher {
    /// Tells every open incident of the changes of the last half hour that concern it. However often this is done, and by
    /// however many replicas, a change stands on a timeline once: both are the delivery.
    pub async fn tell_of_changes(&self) -> anyhow::Result<()> {
        let changes = self.store.changes_since(self.clock.now() - BEFORE).await?;
        if changes.is_empty() {
            return Ok(());
        }
        for incident in self.store.list(Which::Open, INCIDENTS_MAX).await? {
            for kept in changes.iter().filter(|it| it.change.concerns(&incident)) {
                let delivery = DeliveryId::new(format!("change/{}/{}", incident.id, kept.id));
                if self.store.delivered(&delivery).await?.is_some() {
                    continue;
                }
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
