//! The auditor of the ledger: looks each minute for pages and alerts that are in none of their ends, says so loudly,
//! and, only when all balances, asks for the outer heartbeat.
//!
//! It says so itself and orders nothing: the outbox may be what is broken.

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use super::Dispatcher;
use super::task::made;
use crate::domain::balance::{Facts, Finding, OVERDUE, OrderFact, findings};
use crate::domain::effect::{Effect, Lane};
use crate::slack::client::{Call, Destination, Failure, Slack};
use crate::store::Store;
use crate::store::ledger::{Audited, Saying, SeenOrder};

/// How often it looks.
pub const AUDIT_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Things of one sort that are looked at: more than that many lost ones need no counting.
const SEEN: i64 = 100;
/// Orders of one lane that are late, of which the oldest is told.
const LATE_SEEN: i64 = 1;
/// Conditions that are looked at each minute: a hundred thousand within an hour.
const CONDITIONS_SEEN: i64 = 2_000;

impl Dispatcher {
    /// Looks over the ledger if it is this replica's turn, and gives what is out of balance; none: it is not.
    ///
    /// Errors: the store cannot be read, so nothing is known, and nobody is told that all is well.
    pub async fn audit(&self) -> anyhow::Result<Option<Vec<Finding>>> {
        let now = self.clock.now();
        let Some((turn, mut audited)) = self.store.take_audit(now, now + AUDIT_EVERY).await? else {
            return Ok(None);
        };
        let (found, looked_to) = look_over(&self.store, now, &audited.looked_to).await?;
        audited.looked_to = looked_to.unwrap_or_default();
        for finding in &found {
            if !audited.findings.contains(finding) {
                error!("Out of balance: {}", finding.words());
            }
        }
        if found.is_empty() && !audited.findings.is_empty() {
            info!("The ledger balances again");
        }
        audited.findings = found;
        audited.looked_at = Some(now);
        if !self.say(turn, &mut audited).await? {
            return Ok(None);
        }
        if audited.findings.is_empty() {
            self.beat(&mut audited).await;
        }
        self.store.keep_audit(turn, &audited).await?;
        Ok(Some(audited.findings))
    }

    /// Says in the announce channel what it does not know yet; false: somebody else has taken the next turn.
    async fn say(&self, turn: i64, audited: &mut Audited) -> anyhow::Result<bool> {
        // Kept before anything is said: whoever looks next finds it, whatever becomes of us.
        if !self.store.keep_audit(turn, audited).await? {
            return Ok(false);
        }
        let Some(slack) = &self.slack else {
            return Ok(true);
        };
        if let Some(saying) = audited.saying.clone() {
            match self.was_said(slack, audited, &saying).await {
                Ok(true) => audited.note_said(saying),
                // It never arrived: what is to be said is decided anew.
                Ok(false) => audited.saying = None,
                Err(failure) => {
                    not_said(&failure);
                    return Ok(true);
                }
            }
        }
        let keys: Vec<String> = audited.findings.iter().map(Finding::key).collect();
        let is_known = |finding: &&Finding| audited.said.contains(&finding.key());
        let news: Vec<Finding> = audited
            .findings
            .iter()
            .filter(|finding| !is_known(finding))
            .cloned()
            .collect();
        let is_over = keys.is_empty() && !audited.said.is_empty();
        if news.is_empty() && !is_over {
            // What is over of it may come back, and is news then.
            audited.said.retain(|key| keys.contains(key));
            return Ok(true);
        }
        let saying = Saying {
            since: self.clock.now(),
            said: keys,
        };
        audited.saying = Some(saying.clone());
        if !self.store.keep_audit(turn, audited).await? {
            return Ok(false);
        }
        match self.post_findings(slack, audited, &news).await {
            Ok(()) => audited.note_said(saying),
            Err(failure) => not_said(&failure),
        }
        Ok(true)
    }

    /// Whether the message that has set out stands in the announce channel.
    async fn was_said(
        &self,
        slack: &Slack,
        audited: &Audited,
        saying: &Saying,
    ) -> Result<bool, Failure> {
        let order = audited.message();
        let call = Call {
            now: self.clock.now(),
            ticket: &order,
            tenure: None,
        };
        let to = Destination::channel(&self.catalog.slack.announce);
        let before = slack.posted_before(&to, &order, saying.since, call).await?;
        Ok(before.is_some())
    }

    async fn post_findings(
        &self,
        slack: &Slack,
        audited: &Audited,
        news: &[Finding],
    ) -> Result<(), Failure> {
        let order = audited.message();
        let call = Call {
            now: self.clock.now(),
            ticket: &order,
            tenure: None,
        };
        let to = Destination::channel(&self.catalog.slack.announce);
        let message = made(self.composer.out_of_balance(news))?;
        slack.post(&to, &message, &order, call).await.map(drop)
    }

    /// Asks for the outer heartbeat.
    async fn beat(&self, audited: &mut Audited) {
        let Some(heartbeat) = &self.heartbeat else {
            return;
        };
        match heartbeat.beat().await {
            Ok(()) => {
                audited.beaten_at = Some(self.clock.now());
                audited.beat_trouble = None;
            }
            Err(why) => {
                warn!(
                    "{} did not hear that all is well: {why}. It will raise the alarm",
                    heartbeat.host()
                );
                audited.beat_trouble = Some(why);
            }
        }
    }
}

/// Looks over the ledger in a store: what is out of balance, and the condition up to which was looked (from the one that
/// was given on) for those whose group is gone; none: there are no more.
pub async fn look_over(
    store: &Store,
    now: Timestamp,
    looked_to: &str,
) -> anyhow::Result<(Vec<Finding>, Option<String>)> {
    let mut orders = Vec::new();
    let before = now.checked_sub(OVERDUE)?;
    for lane in audited_lanes() {
        let late = store.late_orders(lane, before, LATE_SEEN).await?;
        orders.extend(late.into_iter().map(|order| fact(order, lane, false)));
    }
    for order in store.given_up_orders(SEEN).await? {
        let is_needed = match &order.effect {
            Some(Effect::Notify { page, .. }) => {
                store.open_pages_of(&order.by).await?.contains(page)
            }
            // What cannot be read may have been the page.
            None => true,
            Some(_) => false,
        };
        let lane = order.effect.as_ref().map_or(Lane::Clocks, Effect::lane);
        orders.push(fact(order, lane, is_needed));
    }
    let (strays, looked_to) = store.strays_after(looked_to, CONDITIONS_SEEN).await?;
    let facts = Facts {
        pages: store.pages_in_doubt(SEEN).await?,
        unclocked: store.unclocked(SEEN).await?,
        orders,
        groups: store.unpaid_groups(SEEN).await?,
        strays,
    };
    Ok((findings(&facts, now), looked_to))
}

fn not_said(failure: &Failure) {
    match failure {
        Failure::Later { .. } => {}
        Failure::Retry { why, .. } | Failure::GiveUp { why, .. } => {
            warn!("Could not say how the ledger balances; it is said later: {why}");
        }
    }
}

/// The lanes on which nothing may be late: what is said in Slack waits for Slack, and is no page.
fn audited_lanes() -> impl Iterator<Item = Lane> {
    Lane::ALL.into_iter().filter(|lane| match lane {
        Lane::Clocks
        | Lane::Alerts
        | Lane::PagesBySlack
        | Lane::Email
        | Lane::Sms
        | Lane::Voice
        | Lane::Webhook => true,
        Lane::Chat => false,
    })
}

fn fact(order: SeenOrder, lane: Lane, is_needed: bool) -> OrderFact {
    let what = order.effect.as_ref().map(Effect::words);
    OrderFact {
        id: order.id,
        by: order.by,
        lane,
        what: what.unwrap_or_else(|| "do something that this version cannot read".to_owned()),
        due_at: order.due_at,
        given_up: order.given_up,
        is_needed,
    }
}
