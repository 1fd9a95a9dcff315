//! What goes out by other ways than Slack: the words of it so far, and the outer heartbeat.

pub mod heartbeat;
pub mod letter;
