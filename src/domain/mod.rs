//! The core: what an incident is and what follows from what. Pure: no clock, no randomness, no IO, no async.
//!
//! A [`command`] asks, an [`event`] has happened, an [`effect`] orders the world. [`decide::decide`] turns the first
//! into the second, [`incident::fold`] adds the second to the state, [`effect::effects_of`] makes the third of it.

pub mod alert;
pub mod balance;
pub mod catalog;
pub mod change;
pub mod command;
pub mod decide;
pub mod effect;
pub mod escalation;
#[cfg(test)]
mod escalation_properties;
pub mod event;
pub mod foresight;
pub mod form;
#[cfg(test)]
pub(crate) mod given;
pub mod group;
pub mod hours;
pub mod id_pattern;
pub mod incident;
pub mod lead;
pub mod ledger;
pub mod oncall;
pub mod page;
#[cfg(test)]
mod properties;
pub mod quiet;
pub mod raise;
pub mod reach;
pub mod remark;
pub mod routing;
pub mod runbook;
pub mod samples;
pub mod terms;
pub mod timeline;
pub mod typed_time;
pub mod whereabouts;
