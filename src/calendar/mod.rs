//! Schedules as calendars: written for whoever subscribes to one, and read from those that others keep (RFC 5545).

pub mod read;
pub mod write;
