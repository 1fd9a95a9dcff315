//! The command line of the load tool: each mode prints one JSON document on standard output.

mod alerts;
mod bad;
mod deliveries;
mod drive;
mod marker;
mod place;
mod processes;
mod slack;
mod stub;
mod tally;
mod wire;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use alerts::Alerts;
use drive::{Pace, Plan, Requests};
use processes::Group;
use slack::{Commands, Target};

#[derive(Parser)]
#[command(about = "Load for Slack bots: signed slash commands, alerts, bad input, a Slack stub.")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Signed slash commands, closed loop, or open loop with --rate
    Slash(SlashArgs),
    /// Alerts as Prometheus posts them, closed loop, or open loop with --rate
    Alerts(AlertsArgs),
    /// Requests that must be refused, one connection each
    Bad {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// A Slack Web API that answers every method with ok, and takes webhooks
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
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Args)]
struct AlertsArgs {
    /// Where alerts are taken, such as http://127.0.0.1:9093/api/v2/alerts
    #[arg(long)]
    url: String,
    /// What is shown as `Authorization: Bearer`
    #[arg(long)]
    bearer: Option<String>,
    /// So many different alerts, again and again; else each is another
    #[arg(long)]
    keys: Option<u64>,
    /// Alerts in a body
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// How long an alert fires unless it is posted again
    #[arg(long, default_value_t = 240.0)]
    holds_seconds: f64,
    #[command(flatten)]
    load: LoadArgs,
}

/// How much is sent, and how fast.
#[derive(Args)]
struct LoadArgs {
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
    /// A closed loop of so many requests beforehand, not measured
    #[arg(long, conflicts_with = "warmup_seconds")]
    warmup_count: Option<u64>,
    /// How long after --seconds an open loop still starts requests that were due
    #[arg(long, default_value_t = 10.0)]
    drain_seconds: f64,
    /// A request without an answer for so long has none
    #[arg(long, default_value_t = 30.0)]
    timeout_seconds: f64,
    /// Plant the moment when each was due in its text, for the stub to find
    #[arg(long)]
    mark: bool,
    /// Name the requests that were acknowledged, by number
    #[arg(long)]
    list_acknowledged: bool,
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
    fn plan(self) -> Result<Plan> {
        let commands = Commands {
            target: self.target.target()?,
            marked: self.load.mark,
        };
        Ok(self.load.plan(Box::new(commands)))
    }
}

impl AlertsArgs {
    fn plan(self) -> Result<Plan> {
        let holds = Duration::from_secs_f64(self.holds_seconds);
        let alerts = Alerts::new(&self.url, self.bearer, self.keys, self.batch, holds, self.load.mark)?;
        Ok(self.load.plan(Box::new(alerts)))
    }
}

impl LoadArgs {
    fn plan(self, requests: Box<dyn Requests>) -> Plan {
        let seconds = Duration::from_secs_f64(self.seconds);
        let pace = match self.rate {
            Some(rate) => Pace::Open {
                rate,
                seconds,
                drain: Duration::from_secs_f64(self.drain_seconds),
            },
            None => Pace::Closed {
                seconds,
                count: self.count.unwrap_or(u64::MAX),
            },
        };
        let warmup = match self.warmup_count {
            Some(count) => Some(Pace::Closed {
                seconds: Duration::MAX,
                count,
            }),
            None if self.warmup_seconds > 0.0 => Some(Pace::Closed {
                seconds: Duration::from_secs_f64(self.warmup_seconds),
                count: u64::MAX,
            }),
            None => None,
        };
        Plan {
            requests,
            pace,
            connections: self.connections,
            warmup,
            lists_acknowledged: self.list_acknowledged,
            timeout: Duration::from_secs_f64(self.timeout_seconds),
            groups: self.pids,
        }
    }
}

// One thread: the tool must leave the other core to the server, and one is enough for 70,000 requests a second.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let report: Value = match Cli::parse().mode {
        Mode::Slash(args) => drive::run(args.plan()?).await?,
        Mode::Alerts(args) => drive::run(args.plan()?).await?,
        Mode::Bad { target } => bad::run(target.target()?).await?,
        Mode::SlackStub { listen, delay_ms } => return stub::serve(&listen, Duration::from_millis(delay_ms)).await,
        Mode::Watch { pids, seconds } => processes::watch(&pids, Duration::from_secs_f64(seconds)).await?,
    };
    println!("{report}");
    Ok(())
}
