//! What Slack means in this house: requests read, commands understood, messages made, methods called.

mod alert_card;
mod audit;
pub mod client;
pub mod home;
pub mod inbound;
pub mod interaction;
pub mod limiter;
pub mod message;
pub mod methods;
pub mod modal;
pub mod oncall;
pub mod page;
pub mod parse;
pub mod signature;
pub mod socket;
pub mod text;
