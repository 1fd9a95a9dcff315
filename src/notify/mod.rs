//! What goes out by other ways than Slack: the words of it so far.

pub mod letter;
