//! Modals and the app's home tab.

use serde_json::{Value, json};

use super::{Call, Failure, Slack, methods};
use crate::domain::terms::SlackUserId;

impl Slack {
    /// Opens a modal for whoever did what this trigger stands for; it is good for three seconds and for one modal
    /// (slack-contract.md section 6.6).
    pub async fn open_view(
        &self,
        trigger_id: &str,
        view: &Value,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        let params = json!({ "trigger_id": trigger_id, "view": view });
        self.call(&methods::VIEWS_OPEN, params, call)
            .await
            .map(drop)
    }

    /// Shows a person this home tab from now on.
    pub async fn publish_home(
        &self,
        user: &SlackUserId,
        view: &Value,
        call: Call<'_>,
    ) -> Result<(), Failure> {
        let params = json!({ "user_id": user, "view": view });
        self.call(&methods::VIEWS_PUBLISH, params, call)
            .await
            .map(drop)
    }
}
