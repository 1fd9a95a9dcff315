//! The house tests: people type and click in a Slack workspace of our own, and the clock is moved by hand.

mod declare;
mod harness;
mod peers;
mod simulator;
