//! Leads: where to look, as the alerts of a group say. Each is told once, and no more than a card holds.

use serde::{Deserialize, Serialize};

use super::alert::{Alert, Links};
use super::form::shorten;

/// Leads of a group that are remembered.
const KEPT: usize = 8;
/// Characters of the name of an alert beside one.
const NAME: usize = 40;

/// What a lead leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadsTo {
    /// What to do.
    Runbook,
    /// How it looks.
    Dashboard,
    /// Where the sender shows it.
    Origin,
    /// Where it can be silenced.
    Silence,
}

impl LeadsTo {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            LeadsTo::Runbook => "Runbook",
            LeadsTo::Dashboard => "Dashboard",
            LeadsTo::Origin => "Source",
            LeadsTo::Silence => "Silence",
        }
    }
}

/// A link of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// What it leads to.
    pub to: LeadsTo,
    /// The name of the alert, which those of one rule share.
    pub of: String,
    /// The address.
    pub url: String,
}

/// Adds the links of an alert to those that are known: one of a kind for each name.
pub fn add(leads: &mut Vec<Lead>, alert: &Alert) {
    let of = shorten(&alert.name, NAME);
    for (to, url) in of_links(&alert.links) {
        let is_known = |it: &Lead| it.url == url || (it.to == to && it.of == of);
        if leads.len() < KEPT && !leads.iter().any(is_known) {
            let (of, url) = (of.clone(), url.to_owned());
            leads.push(Lead { to, of, url });
        }
    }
}

/// Those that are told nowhere else: neither by these links nor by other leads.
pub fn untold<'a>(leads: &'a [Lead], links: &Links, others: &[&Lead]) -> Vec<&'a Lead> {
    let is_told = |it: &&Lead| {
        let mut links = of_links(links);
        links.any(|(_, url)| url == it.url) || others.iter().any(|other| other.url == it.url)
    };
    leads.iter().filter(|it| !is_told(it)).collect()
}

fn of_links(links: &Links) -> impl Iterator<Item = (LeadsTo, &str)> {
    let Links {
        runbook,
        dashboard,
        silence,
        origin,
    } = links;
    let all = [
        (LeadsTo::Runbook, runbook),
        (LeadsTo::Dashboard, dashboard),
        (LeadsTo::Origin, origin),
        (LeadsTo::Silence, silence),
    ];
    all.into_iter()
        .filter_map(|(to, url)| Some((to, url.as_deref()?)))
}
