//! What the auditor of the ledger says where incidents are announced.

use minijinja::context;

use super::client::Outgoing;
use super::message::{Composer, said};
use crate::domain::balance::Finding;
use crate::templates::mrkdwn;

/// Findings that are told in one message; the page and the command have all.
const TOLD: usize = 10;

impl Composer {
    /// That something is out of balance; nothing: it balances again.
    pub fn out_of_balance(&self, findings: &[Finding]) -> anyhow::Result<Outgoing> {
        let command = self.catalog.slack.command.as_str();
        let told: Vec<_> = findings
            .iter()
            .take(TOLD)
            .map(|finding| context! { what => finding.words(), next => finding.next(command) })
            .collect();
        let context = context! {
            count => findings.len(),
            more => findings.len().saturating_sub(TOLD),
            findings => told,
        };
        let text = self.render("slack/ledger.mrkdwn.j2", context)?;
        let fallback = match findings {
            [] => "The ledger balances again.".to_owned(),
            [first, ..] => format!("OUT OF BALANCE: {}", first.words()),
        };
        Ok(said(&text, &mrkdwn(&fallback)))
    }
}
