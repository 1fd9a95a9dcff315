//! Schedules as calendars: written for whoever subscribes to one (RFC 5545).

pub mod write;
