//! Firebell: a self-hosted Slack incident bot.
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod dispatcher;
pub mod domain;
pub mod engine;
pub mod export;
pub mod http;
pub mod simulator;
pub mod slack;
pub mod store;
pub mod templates;
