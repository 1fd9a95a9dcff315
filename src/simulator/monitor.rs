//! What watches from outside of Slack, and sends the app what it sees: a webhook with a secret.

use anyhow::{Context, ensure};
use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::Full;

use super::Workspace;
use super::requests::{DEADLINE, JSON};

/// Something that watches, and where it sends what it sees.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// The app's address for it.
    pub url: String,
    /// The secret by which the app knows it: `Authorization: Bearer …`
    pub token: String,
}

impl Monitor {
    /// Sends a body of JSON.
    pub(super) async fn sends(&self, workspace: &Workspace, body: String) -> anyhow::Result<()> {
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, JSON)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body)))?;
        let answer = tokio::time::timeout(DEADLINE, workspace.client().request(request)).await;
        let status = answer.context("there was no answer")??.status();
        ensure!(status.is_success(), "the answer was {status}");
        Ok(())
    }
}
