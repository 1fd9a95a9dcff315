//! The house tests: people type and click in a Slack workspace of our own, and the clock is moved by hand. Under them,
//! what the store and the engine promise on either database, and the plan of the house.

mod alerts;
mod audit;
mod browser;
mod cli;
mod clients;
mod declare;
mod doctor;
mod endurance;
mod engine;
mod export;
mod forms;
mod fuzz;
mod harness;
mod http;
mod intake;
mod kill;
mod layers;
mod ledger;
mod manifest;
mod outage;
mod page;
mod peers;
mod reliability;
mod scenario;
mod scratch;
mod senders;
mod simulator;
mod socket;
mod store;
mod stored;
