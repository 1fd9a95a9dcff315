//! Refusals: why something is not done, in words for whoever asked.

use std::fmt;

use jiff::Timestamp;

use crate::domain::terms::{IncidentId, Role, SeverityId, Status, Who};

/// Why something is not done, and what to do next: written to a tired person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The command needs an incident and was given none.
    NoIncident,
    /// The identity is taken.
    AlreadyDeclared {
        /// Which.
        id: IncidentId,
    },
    /// An incident needs a name.
    NoTitle,
    /// Nobody declares what has not begun.
    StillToCome {
        /// When it was said to begin.
        at: Timestamp,
    },
    /// A role, or work that is left, was given to the bot itself.
    NotForBots,
    /// The configuration has no severity at all.
    NoSeverities,
    /// The configuration does not know the severity.
    NoSuchSeverity {
        /// What was asked for.
        wanted: SeverityId,
        /// What there is.
        known: Vec<SeverityId>,
    },
    /// The incident is resolved or closed.
    Over {
        /// Which.
        id: IncidentId,
        /// Resolved or closed.
        status: Status,
    },
    /// The incident is not resolved yet.
    StillOpen {
        /// Which.
        id: IncidentId,
        /// Where it stands.
        status: Status,
        /// What was wished: "closed".
        wish: &'static str,
    },
    /// There is nothing to add to its end: it was opened again.
    OpenAgain {
        /// Which.
        id: IncidentId,
    },
    /// Somebody has it already.
    AlreadyAcknowledged {
        /// Which.
        id: IncidentId,
        /// Who.
        by: Who,
    },
    /// A page was answered that is over: somebody else was called since.
    PageOver {
        /// Which incident.
        id: IncidentId,
    },
    /// Nobody is called by steps, so there is no next one.
    NoEscalation {
        /// Which incident.
        id: IncidentId,
    },
    /// Nobody stands behind what was to be called.
    NobodyThere {
        /// As it was written.
        target: String,
    },
    /// Only a person can do this.
    OnlyPeople,
    /// It stands there already.
    AlreadyAt {
        /// Which.
        id: IncidentId,
        /// Where.
        status: Status,
    },
    /// Resolved and closed are said by their own commands.
    StatusByCommand {
        /// Which of the two.
        to: Status,
    },
    /// It has that severity already.
    AlreadyOfSeverity {
        /// Which.
        id: IncidentId,
        /// The severity's name.
        severity: String,
    },
    /// They hold that role already.
    AlreadyInRole {
        /// Which incident.
        id: IncidentId,
        /// Which role.
        role: Role,
        /// Who.
        who: Who,
    },
    /// There is no follow-up of that number.
    NoSuchFollowUp {
        /// Which incident.
        id: IncidentId,
        /// The number asked for.
        number: u32,
        /// How many there are.
        count: usize,
    },
    /// The follow-up is ticked off already.
    FollowUpDone {
        /// Its number.
        number: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoIncident => f.write_str(
                "There is no such incident. `/incident list` shows the open ones; `/incident declare` begins one.",
            ),
            Refusal::AlreadyDeclared { id } => write!(f, "{id} exists already. `/incident status` shows it."),
            Refusal::NoTitle => f.write_str(
                "An incident needs a title: what is wrong, in a few words. For example `/incident declare p1 checkout is down`.",
            ),
            Refusal::StillToCome { at } => write!(
                f,
                "It cannot have begun at {}: that is still to come. Give the time at which it began, or leave it out.",
                at.strftime("%Y-%m-%d %H:%M UTC")
            ),
            Refusal::NotForBots => f.write_str(
                "A bot cannot take that on. Name a person, as in `/incident lead @ana`.",
            ),
            Refusal::NoSeverities => f.write_str(
                "The configuration has no severities, so nothing can be declared. Add a [[severities]] entry to firebell.toml; `firebell check` proves it.",
            ),
            Refusal::NoSuchSeverity { wanted, known } => {
                write!(f, "There is no severity “{wanted}”. Use one of ")?;
                for (i, id) in known.iter().enumerate() {
                    write!(f, "{}`{id}`", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(".")
            }
            Refusal::Over { id, status: Status::Closed } => write!(
                f,
                "{id} is closed, and its record is complete. If the trouble is back, declare a new incident: `/incident declare`.",
            ),
            Refusal::Over { id, .. } => write!(
                f,
                "{id} is resolved. If it is not over: `/incident reopen`. If the post-mortem is done: `/incident close`.",
            ),
            Refusal::StillOpen { id, status, wish } => write!(
                f,
                "{id} is still open ({}), so it cannot be {wish}. First: `/incident resolve`.",
                status.word().to_lowercase(),
            ),
            Refusal::OpenAgain { id } => write!(
                f,
                "{id} was opened again meanwhile, so nothing was saved. When it is over, resolve it anew.",
            ),
            Refusal::PageOver { id } => write!(
                f,
                "That page is over, and nobody has {id} yet. To take it on: `/incident ack {id}`."
            ),
            Refusal::NoEscalation { id } => write!(
                f,
                "{id} has no escalation: nobody is called by steps for it. To call somebody: `/incident page @ana`, or `/incident page schedule:primary`. `escalation_policy` in firebell.toml says whom later ones call."
            ),
            Refusal::NobodyThere { target } => write!(
                f,
                "Nobody is behind “{target}” now, so nobody was called. Name a person: `/incident page @ana`. `/incident oncall` shows who is on call."
            ),
            Refusal::AlreadyAcknowledged { id, by } => write!(
                f,
                "{id} is already acknowledged by @{}. To take over: `/incident lead me`.",
                by.name,
            ),
            Refusal::OnlyPeople => f.write_str("Only a person can do that."),
            Refusal::AlreadyAt { id, status } => write!(
                f,
                "{id} is already {}. To say how things stand: `/incident update …`.",
                status.word().to_lowercase(),
            ),
            Refusal::StatusByCommand { to: Status::Closed } => {
                f.write_str("An incident is closed by `/incident close`, once it is resolved and its post-mortem is done.")
            }
            Refusal::StatusByCommand { .. } => {
                f.write_str("An incident is resolved by `/incident resolve [root cause…]`.")
            }
            Refusal::AlreadyOfSeverity { id, severity } => {
                write!(f, "{id} already has the severity {severity}.")
            }
            Refusal::AlreadyInRole { id, role, who } => {
                write!(f, "@{} is already {role} of {id}.", who.name)
            }
            Refusal::NoSuchFollowUp { id, number, count: 0 } => write!(
                f,
                "{id} has no follow-up {number}: it has none yet. To add one: `/incident followup <text…>`.",
            ),
            Refusal::NoSuchFollowUp { id, number, count } => write!(
                f,
                "{id} has no follow-up {number}, only 1 to {count}. `/incident status` shows them.",
            ),
            Refusal::FollowUpDone { number } => write!(f, "Follow-up {number} is done already."),
        }
    }
}

impl std::error::Error for Refusal {}
