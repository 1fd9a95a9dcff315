//! Whether the ledger balances: facts of pages, clocks, orders and alerts in, what is in none of its ends out.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::effect::Lane;
use super::group::Group;
use super::incident::{Due, Incident};
use super::ledger::{Standing, standing_of_group, standing_of_page};
use super::terms::{GroupId, IncidentId};

/// What is due may wait so long before somebody is told: a restart, or a database that was away, takes no longer.
pub const OVERDUE: SignedDuration = SignedDuration::from_mins(1);

/// What was seen: not all that there is, but everything that may be out of balance.
#[derive(Debug, Default)]
pub struct Facts {
    /// Pages that have not ended.
    pub pages: Vec<PageFact>,
    /// Open incidents of which no clock waits.
    pub unclocked: Vec<Incident>,
    /// Orders that are late, or given up.
    pub orders: Vec<OrderFact>,
    /// Groups of alerts that wait for an order.
    pub groups: Vec<GroupFact>,
    /// Conditions that hold, and whose group is gone.
    pub strays: Vec<StrayFact>,
}

/// A page that has not ended.
#[derive(Debug, Clone)]
pub struct PageFact {
    /// The incident.
    pub incident: IncidentId,
    /// Its number.
    pub number: u32,
    /// Who is called, for people.
    pub to: String,
    /// Whether its incident is over; none: there is no such incident.
    pub over: Option<bool>,
    /// Whether a clock of the incident waits.
    pub has_clock: bool,
}

/// An order that is late, or given up.
#[derive(Debug, Clone)]
pub struct OrderFact {
    /// Its id.
    pub id: String,
    /// The incident or the group of alerts that gave it.
    pub by: String,
    /// Its lane.
    pub lane: Lane,
    /// What is to be done, in words that follow "could not".
    pub what: String,
    /// When it is to be looked at.
    pub due_at: Timestamp,
    /// Why it was given up, if it was.
    pub given_up: Option<String>,
    /// Whether somebody is still called by it.
    pub is_needed: bool,
}

/// A group of alerts that waits for an order.
#[derive(Debug, Clone)]
pub struct GroupFact {
    /// The group.
    pub group: Group,
    /// Whether that is there.
    pub is_ordered: bool,
}

/// A condition that holds, and whose group is gone.
#[derive(Debug, Clone)]
pub struct StrayFact {
    /// Which.
    pub id: String,
    /// The group that is not there.
    pub group: GroupId,
}

/// Something that is out of balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Finding {
    /// A page is in none of its ends.
    Page {
        /// The incident.
        incident: IncidentId,
        /// Its number.
        number: u32,
        /// Who is called, for people.
        to: String,
        /// Why, for people.
        why: String,
    },
    /// An incident waits for something, and no clock tells when it comes.
    Clock {
        /// The incident.
        incident: IncidentId,
        /// For what, for people.
        awaits: String,
    },
    /// What is due is not done.
    Overdue {
        /// The lane.
        lane: String,
        /// What waits longest, in words that follow "could not".
        what: String,
        /// Of whom.
        by: String,
        /// Since when.
        since: Timestamp,
    },
    /// An order was given up by which somebody should have been called.
    GivenUp {
        /// The order.
        order: String,
        /// The incident.
        incident: String,
        /// What was to be done.
        what: String,
        /// Why it was not.
        why: String,
    },
    /// Alerts are told to nobody.
    Alerts {
        /// Their group.
        group: GroupId,
        /// Their title.
        title: String,
        /// Why, for people.
        why: String,
    },
    /// A condition belongs to no group.
    Stray {
        /// Which.
        alert: String,
        /// The group that is gone.
        group: GroupId,
    },
}

impl Finding {
    /// What tells it from every other: found again, it is the same.
    pub fn key(&self) -> String {
        match self {
            Finding::Page {
                incident, number, ..
            } => format!("page {incident}/{number}"),
            Finding::Clock { incident, .. } => format!("clock {incident}"),
            Finding::Overdue { lane, .. } => format!("overdue {lane}"),
            Finding::GivenUp { order, .. } => format!("order {order}"),
            Finding::Alerts { group, .. } => format!("group {group}"),
            Finding::Stray { alert, .. } => format!("alert {alert}"),
        }
    }

    /// What it is, in a sentence without its end.
    pub fn words(&self) -> String {
        match self {
            Finding::Page {
                incident,
                number,
                to,
                why,
            } => format!("Page {number} of {incident} to {to}: {why}"),
            Finding::Clock { incident, awaits } => {
                format!("{incident} waits for {awaits}, and no clock is set for it")
            }
            Finding::Overdue {
                lane,
                what,
                by,
                since,
            } => format!(
                "Nobody does what is due in the lane {lane}: first of all, to {what} for {by}, since {since:.0}"
            ),
            Finding::GivenUp {
                incident,
                what,
                why,
                ..
            } => format!("Gave up to {what} for {incident}, and nobody has answered: {why}"),
            Finding::Alerts { title, why, .. } => format!("Alerts “{title}”: {why}"),
            Finding::Stray { alert, group } => {
                format!("The alert {alert} fires, and its group {group} is gone")
            }
        }
    }

    /// What to do next. `command`: the slash command.
    pub fn next(&self, command: &str) -> String {
        match self {
            Finding::Page { incident, to, .. } => format!(
                "Reach {to} yourself if it is still needed. “{command} escalate {incident}” calls the next ones and sets the \
                 clock anew; “firebell audit verify” says whether the record was changed"
            ),
            Finding::Clock { incident, .. } => format!(
                "“{command} escalate {incident}”, or any update of it, sets the clock anew; look yourself after whoever \
                 should be called"
            ),
            Finding::Overdue { .. } => {
                "Look at the log of the bot and at /readyz; a restart takes everything up again"
                    .to_owned()
            }
            Finding::GivenUp { incident, .. } => format!(
                "Reach them yourself, or “{command} escalate {incident}”; the log says what could not be read"
            ),
            Finding::Alerts { title, .. } => format!(
                "Look at them, and “{command} declare {title}” if people are needed; when they fire again they are told"
            ),
            Finding::Stray { .. } => {
                "Look at it where it comes from; “firebell alerts replay” shows what was sent"
                    .to_owned()
            }
        }
    }
}

/// What is out of balance.
pub fn findings(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    for page in &facts.pages {
        if let Standing::Lost { why } = standing_of_page(None, page.over, page.has_clock) {
            found.push(Finding::Page {
                incident: page.incident.clone(),
                number: page.number,
                to: page.to.clone(),
                why,
            });
        }
    }
    for incident in &facts.unclocked {
        // A page of it was told of already.
        if let (Some((_, due)), []) = (incident.next_due(), &incident.pages[..])
            && incident.status.is_open()
        {
            found.push(Finding::Clock {
                incident: incident.id.clone(),
                awaits: awaited(due).to_owned(),
            });
        }
    }
    found.extend(late(&facts.orders, now));
    for order in &facts.orders {
        if let (Some(why), true) = (&order.given_up, order.is_needed) {
            found.push(Finding::GivenUp {
                order: order.id.clone(),
                incident: order.by.clone(),
                what: order.what.clone(),
                why: why.clone(),
            });
        }
    }
    for fact in &facts.groups {
        let group = &fact.group;
        // Its incident is looked at where it stands: what is asked here is whether it waits in vain for one.
        if let (Standing::Lost { why }, None) = (
            standing_of_group(group, None, fact.is_ordered, now),
            &group.incident,
        ) {
            found.push(Finding::Alerts {
                group: group.id.clone(),
                title: group.title.clone(),
                why,
            });
        }
    }
    found.extend(facts.strays.iter().map(|stray| Finding::Stray {
        alert: stray.id.clone(),
        group: stray.group.clone(),
    }));
    found
}

/// Of each lane the order that waits longest, if it waits too long.
fn late(orders: &[OrderFact], now: Timestamp) -> Vec<Finding> {
    Lane::ALL
        .into_iter()
        .filter_map(|lane| {
            let waiting = orders
                .iter()
                .filter(|order| order.lane == lane && order.given_up.is_none());
            let oldest = waiting.min_by_key(|order| order.due_at)?;
            let is_late = now.duration_since(oldest.due_at) > OVERDUE;
            is_late.then(|| Finding::Overdue {
                lane: lane.word().to_owned(),
                what: oldest.what.clone(),
                by: oldest.by.clone(),
                since: oldest.due_at,
            })
        })
        .collect()
}

/// What an incident waits for.
fn awaited(due: Due) -> &'static str {
    match due {
        Due::Step => "a step of its escalation",
        Due::Contact => "another way to somebody who is called",
        Due::PageExpiry => "an answer to a page",
        Due::Acknowledgement => "an acknowledgement",
        Due::SignOfLife => "a sign of life of whoever acknowledged",
        Due::Update => "an update",
        Due::Postmortem => "the post-mortem",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::Then;
    use crate::domain::given::{declare, minute, nothing};
    use crate::domain::samples::groups;

    fn told(facts: &Facts) -> Vec<String> {
        let found = findings(facts, minute(60));
        found.iter().map(Finding::words).collect()
    }

    fn page(over: Option<bool>, has_clock: bool) -> PageFact {
        PageFact {
            incident: IncidentId::new("INC-2025-0914-001"),
            number: 3,
            to: "@ana".into(),
            over,
            has_clock,
        }
    }

    fn order(lane: Lane, due: i64, given_up: Option<&str>) -> OrderFact {
        OrderFact {
            id: format!("INC-2025-0914-001/{due}"),
            by: "INC-2025-0914-001".into(),
            lane,
            what: "page somebody by SMS (page 3)".into(),
            due_at: minute(due),
            given_up: given_up.map(str::to_owned),
            is_needed: true,
        }
    }

    #[test]
    fn nothing_seen_is_nothing_found() {
        assert_eq!(told(&Facts::default()), Vec::<String>::new());
    }

    #[test]
    fn a_page_with_a_clock_balances_and_one_without_or_of_an_incident_that_is_over_does_not() {
        let facts = |over, has_clock| Facts {
            pages: vec![page(over, has_clock)],
            ..Facts::default()
        };
        assert!(told(&facts(Some(false), true)).is_empty());
        insta::assert_debug_snapshot!(
            [(Some(false), false), (Some(true), true), (None, true)]
                .map(|(over, clock)| told(&facts(over, clock)).concat()),
            @r#"
        [
            "Page 3 of INC-2025-0914-001 to @ana: it has not ended, and no clock of its incident waits to go on",
            "Page 3 of INC-2025-0914-001 to @ana: it has not ended although its incident is over",
            "Page 3 of INC-2025-0914-001 to @ana: it has not ended, and there is no such incident",
        ]
        "#
        );
    }

    #[test]
    fn an_order_may_be_late_by_a_minute_and_is_told_once_for_its_lane() {
        let facts = |orders| Facts {
            orders,
            ..Facts::default()
        };
        assert!(told(&facts(vec![order(Lane::Sms, 59, None)])).is_empty());
        let late = facts(vec![
            order(Lane::Sms, 57, None),
            order(Lane::Sms, 58, None),
            order(Lane::Clocks, 60, None),
        ]);
        assert_eq!(
            told(&late),
            [
                "Nobody does what is due in the lane pages_sms: first of all, to page somebody by SMS (page 3) for \
                 INC-2025-0914-001, since 2025-09-14T03:57:00Z"
            ]
        );
    }

    #[test]
    fn an_order_that_was_given_up_is_told_while_somebody_is_called_by_it() {
        let mut buried = order(Lane::Sms, 1, Some("unknown variant"));
        let facts = |order: &OrderFact| Facts {
            orders: vec![order.clone()],
            ..Facts::default()
        };
        assert_eq!(
            told(&facts(&buried)),
            [
                "Gave up to page somebody by SMS (page 3) for INC-2025-0914-001, and nobody has answered: unknown variant"
            ]
        );
        buried.is_needed = false;
        assert!(told(&facts(&buried)).is_empty());
    }

    #[test]
    fn an_incident_that_waits_for_something_needs_a_clock() {
        let waiting = nothing().done(declare("checkout is down", "p1"));
        let facts = |incident: &Incident| Facts {
            unclocked: vec![incident.clone()],
            ..Facts::default()
        };
        assert_eq!(
            told(&facts(waiting.incident())),
            ["INC-2025-0914-001 waits for an update, and no clock is set for it"]
        );
        let mut quiet = waiting.incident().clone();
        quiet.update_clock = None;
        assert!(told(&facts(&quiet)).is_empty());
    }

    #[test]
    fn alerts_that_wait_in_vain_are_told_and_what_is_ordered_is_not() {
        let [_, least] = groups();
        let group = Group {
            then: Then::Declare,
            firing: 3,
            title: "disk full".into(),
            ..least
        };
        let facts = |is_ordered| Facts {
            groups: vec![GroupFact {
                group: group.clone(),
                is_ordered,
            }],
            ..Facts::default()
        };
        assert!(told(&facts(true)).is_empty());
        assert_eq!(
            told(&facts(false)),
            ["Alerts “disk full”: they fire, there is no incident, and no order to declare one"]
        );
    }
}
