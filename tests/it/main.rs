//! The house tests: people type and click in a Slack workspace of our own, and the clock is moved by hand. Under them,
//! what the store and the engine promise on either database, and the plan of the house.

mod alerts;
mod answers;
mod audit;
mod browser;
mod calendars;
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
mod manifest;
mod notify;
mod oncall;
mod outage;
mod page;
mod paging;
mod peers;
mod reliability;
mod rotas;
mod scenario;
mod scratch;
mod senders;
mod simulator;
mod socket;
mod store;
mod stored;
