//! The command line of the load tool: each mode prints one JSON document on standard output.

mod bad;
mod processes;
mod slack;
mod slash;
mod stub;
mod tally;
mod wire;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use processes::Group;
use slack::Target;

#[derive(Parser)]
#[command(about = "Load for Slack bots: signed slash commands, bad input, a Slack stub.")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Signed slash commands, closed loop, or open loop with --rate
    Slash(SlashArgs),
    /// Requests that must be refused, one connection each
    Bad {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// A Slack Web API that answers every method with ok
    SlackStub {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
    },
    /// CPU and memory of processes over some seconds, without load
    Watch {
        #[arg(long = "pid", value_name = "NAME=PID", required = true)]
        pids: Vec<Group>,
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
    },
}

#[derive(Args)]
struct TargetArgs {
    /// Where the bot takes slash commands, such as http://127.0.0.1:3000/slack/commands
    #[arg(long)]
    url: String,
    /// The signing secret
    #[arg(long)]
    secret: String,
    /// What the response_url of each command begins with
    #[arg(long, default_value = "https://hooks.slack.com")]
    response_url: String,
}

#[derive(Args)]
struct SlashArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Requests due per second: an open loop
    #[arg(long)]
    rate: Option<f64>,
    /// Stop a closed loop after so many requests, even before --seconds
    #[arg(long, conflicts_with = "rate")]
    count: Option<u64>,
    /// A closed loop of so many seconds beforehand, not measured
    #[arg(long, default_value_t = 0.0)]
    warmup_seconds: f64,
    /// How long after --seconds an open loop still starts requests that were due
    #[arg(long, default_value_t = 10.0)]
    drain_seconds: f64,
    /// A request without an answer for so long has none
    #[arg(long, default_value_t = 30.0)]
    timeout_seconds: f64,
    /// A process to watch, with its descendants
    #[arg(long = "pid", value_name = "NAME=PID")]
    pids: Vec<Group>,
}

impl TargetArgs {
    fn target(&self) -> Result<Target> {
        Target::new(&self.url, &self.secret, &self.response_url)
    }
}

impl SlashArgs {
    fn plan(self) -> Result<slash::Plan> {
        let seconds = Duration::from_secs_f64(self.seconds);
        let pace = match self.rate {
            Some(rate) => slash::Pace::Open {
                rate,
                seconds,
                drain: Duration::from_secs_f64(self.drain_seconds),
            },
            None => slash::Pace::Closed {
                seconds,
                count: self.count.unwrap_or(u64::MAX),
            },
        };
        Ok(slash::Plan {
            target: self.target.target()?,
            pace,
            connections: self.connections,
            warmup: Duration::from_secs_f64(self.warmup_seconds),
            timeout: Duration::from_secs_f64(self.timeout_seconds),
            groups: self.pids,
        })
    }
}

// One thread: the tool must leave the other core to the server, and one is enough for 70,000 requests a second.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let report: Value = match Cli::parse().mode {
        Mode::Slash(args) => slash::run(args.plan()?).await?,
        Mode::Bad { target } => bad::run(target.target()?).await?,
        Mode::SlackStub { listen, delay_ms } => return stub::serve(&listen, Duration::from_millis(delay_ms)).await,
        Mode::Watch { pids, seconds } => processes::watch(&pids, Duration::from_secs_f64(seconds)).await?,
    };
    println!("{report}");
    Ok(())
}
