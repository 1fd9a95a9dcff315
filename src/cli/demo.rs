//! `firebell demo`: the whole bot against a Slack workspace of our own, with nothing to install. People come to its page
//! in a browser, or type here.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::manifest::{DESCRIPTION, USAGE_HINT};
use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::config::parse;
use crate::domain::catalog::Catalog;
use crate::notify::Notifier;
use crate::reception::{ADD_TO_TIMELINE, DECLARE, DECLARE_ON_MESSAGE};
use crate::simulator::{
    InstalledApp, Monitor, Options, Player, RequestUrls, Scenario, Shortcut, ShortcutKind,
    SlashCommand, Workspace,
};
use crate::slack::text::unescape;
use crate::templates;

/// The people of the workspace: name, full name, title.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("ana", "Ana Ruiz", "Incident commander"),
    ("bo", "Bo Lindqvist", "Site reliability"),
    ("cy", "Cy Okafor", "Payments"),
    ("dee", "Dee Tanaka", "Customer support"),
    ("eli", "Eli Novak", "Platform"),
    ("fay", "Fay Mensah", "Head of engineering"),
];
/// The configuration; the turns on call begin on the day of the demo.
const CONFIGURATION: &str = include_str!("../../templates/demo.toml");
/// The channels that are there from the start, with what they are for.
const CHANNELS: [&str; 4] = ["general", "incidents", "alerts", "deploys"];
/// The alert source of the configuration, and its secret here.
const MONITORING: &str = "monitoring";
const MONITORING_SECRET: &str = "demo";
/// How long the bot is watched for something to say after a line was typed.
const WATCH: Duration = Duration::from_millis(1_500);

const WELCOME: &str = "\
This is Firebell in a Slack workspace of its own: no account, no network, nothing kept. Try there:
  1. Type `/incident declare p1 checkout is down` in #general: the war room appears at the left.
  2. Bo is on call, and is paged: become Bo in the row of people at the left edge, and click Acknowledge in his
     direct message (or on the card in the war room).
  3. Become somebody else: each sees what that person would see. `/incident oncall` tells who is next.
  4. Click Update and fill in the form; then Resolve.
  5. Type `/incident export`, and open the file that comes. Or let a scenario play: the button at the top left.
Ctrl-C ends it.";

/// How an alert of one's own is sent.
fn send_an_alert(monitor: &Monitor) -> String {
    let Monitor { url, token } = monitor;
    let body = r#"{"title": "the disk is full", "severity": "p1"}"#;
    format!(
        "An alert of your own, for a card in #alerts:\n  curl -H 'Authorization: Bearer {token}' -d '{body}' {url}\n"
    )
}

const TYPED_WELCOME: &str = "\
This is Firebell in a Slack workspace of its own: no account, no network, nothing kept.
You are ana, in #general. Try:
  /incident declare p1 checkout is down
  go incident-           goes to another channel: the newest whose name begins so
  click Acknowledge      clicks a button of the newest message that has it
  as bo                  makes you bo, who is on call and paged (or cy, dee, eli, fay)
  quit
";

/// What the demo's bot is configured with: Bo is on call on the day on which it begins.
fn configuration(now: Timestamp) -> anyhow::Result<Catalog> {
    let today = now
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT00:00")
        .to_string();
    let text = CONFIGURATION.replace("DEMO_HANDOFF", &today);
    let parsed = parse(&text, "templates/demo.toml");
    let (catalog, _) = parsed.map_err(|faults| anyhow::anyhow!("{faults}"))?;
    Ok(catalog)
}

/// Runs the demo: its page until Ctrl-C, or what is typed here until the input ends.
pub(super) async fn run(port: u16, typed: bool) -> anyhow::Result<ExitCode> {
    let options = Options {
        now: Arc::new(|| Clock::System.now().as_millisecond()),
        app: installed_app(),
        ..Options::default()
    };
    let token = SecretString::from(options.bot_token.clone());
    let secret = SecretString::from(options.signing_secret.clone());
    let workspace = Workspace::new(options);
    for (name, real_name, title) in PEOPLE {
        workspace.add_user(name);
        workspace.introduce(name, real_name, title);
    }
    let names = PEOPLE.map(|(name, ..)| name);
    for channel in CHANNELS {
        // #general is there already.
        if workspace.channel(channel).is_none() {
            workspace.add_channel(channel, false, &names);
        }
    }
    let slack = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("listening on port {port}; `--port 0` takes a free one"))?;
    let slack_address = slack.local_addr()?;
    let bot = TcpListener::bind("127.0.0.1:0").await?;
    let bot_address = bot.local_addr()?;
    tokio::spawn(workspace.serve(slack));
    let folder = std::env::temp_dir().join(format!("firebell-demo-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder)?;
    let catalog = configuration(Clock::System.now())?;
    let app = App::build(Parts {
        sns: Default::default(),
        alert_secrets: [(MONITORING.to_owned(), MONITORING_SECRET.into())].into(),
        schedule_secrets: Default::default(),
        notifier: Notifier::new(&catalog, None, |_| None).0,
        public_url: None,
        catalog,
        beside: None,
        database_url: format!("sqlite://{}", folder.join("firebell.db").display()).into(),
        slack: Some((format!("http://{slack_address}/api"), token)),
        app_token: None,
        signing_secret: Some(secret),
        api_token: Some("demo".into()),
        heartbeat_url: None,
        clock: Clock::System,
        metrics: None,
    })
    .await?;
    let monitor = Monitor {
        url: format!("http://{bot_address}/alerts/{MONITORING}"),
        token: MONITORING_SECRET.to_owned(),
    };
    let player = Player::new(workspace.clone(), scenarios()?, Some(monitor.clone()));
    workspace.set_scenes(player.scenes());
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(bot, stopped));
    workspace
        .connect(RequestUrls::under(&format!("http://{bot_address}/slack")))
        .await?;
    println!("\n  http://{slack_address}\n");
    if typed {
        println!("{TYPED_WELCOME}\n{}", send_an_alert(&monitor));
        Stage {
            workspace,
            who: "ana".to_owned(),
            channel: "general".to_owned(),
        }
        .play()
        .await?;
    } else {
        println!("{WELCOME}\n{}", send_an_alert(&monitor));
        told_to_stop().await?;
    }
    let _ = stop.send(true);
    serving.await??;
    std::fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C, or for whoever ends processes more politely.
async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The scenarios that ship with the binary: `templates/scenarios`.
fn scenarios() -> anyhow::Result<Vec<(String, Scenario)>> {
    templates::scenarios()
        .map(|(id, text)| {
            let scenario = Scenario::parse(text).with_context(|| format!("reading {id}"))?;
            Ok((id.to_owned(), scenario))
        })
        .collect()
}

/// What the app's manifest offers to people in Slack.
fn installed_app() -> InstalledApp {
    let shortcut = |name: &str, kind, callback_id: &str| Shortcut {
        name: name.into(),
        kind,
        callback_id: callback_id.into(),
    };
    InstalledApp {
        commands: vec![SlashCommand {
            command: "/incident".into(),
            usage_hint: USAGE_HINT.into(),
            description: DESCRIPTION.into(),
        }],
        shortcuts: vec![
            shortcut("Declare an incident", ShortcutKind::Global, DECLARE),
            shortcut(
                "Declare an incident",
                ShortcutKind::Message,
                DECLARE_ON_MESSAGE,
            ),
            shortcut("Add to timeline", ShortcutKind::Message, ADD_TO_TIMELINE),
        ],
    }
}

/// Who types, and where.
struct Stage {
    workspace: Workspace,
    who: String,
    channel: String,
}

impl Stage {
    async fn play(mut self) -> anyhow::Result<()> {
        let mut lines = typed_lines();
        loop {
            print!("{} in #{}> ", self.who, self.channel);
            std::io::stdout().flush()?;
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else { break };
            if !std::io::stdin().is_terminal() {
                println!("{line}");
            }
            match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
                ("", _) => {}
                ("quit" | "exit", _) => break,
                ("as", name) if names().any(|known| known == name) => self.who = name.to_owned(),
                ("as", name) => {
                    let names: Vec<&str> = names().collect();
                    println!("There is no {name} here, only {}.", names.join(", "));
                }
                ("go", name) => self.go(name).await,
                ("click", label) => self.click(label).await,
                _ => self.type_line(line.trim()).await,
            }
            self.show_news().await;
        }
        println!();
        Ok(())
    }

    async fn go(&mut self, name: &str) {
        let name = name.trim_start_matches('#');
        let channels = self.workspace.channels();
        let exact = channels.iter().find(|channel| channel.name == name);
        // The newest of those that begin so: `go incident-` goes to the last war room.
        let begun = channels
            .iter()
            .rev()
            .find(|channel| channel.name.starts_with(name));
        match exact.or(begun).cloned() {
            Some(channel) => {
                if !channel.members.contains(&self.who) {
                    self.workspace.user(&self.who).joins(&channel.name).await;
                }
                self.channel = channel.name;
            }
            None => {
                let names: Vec<_> = channels
                    .iter()
                    .map(|channel| format!("#{}", channel.name))
                    .collect();
                println!("There is no #{name}, only {}.", names.join(", "));
            }
        }
    }

    async fn click(&self, label: &str) {
        let Some(channel) = self.workspace.channel(&self.channel) else {
            return;
        };
        let message = channel.messages.iter().rev().find(|message| {
            message
                .buttons()
                .iter()
                .any(|button| button.eq_ignore_ascii_case(label))
        });
        match message {
            Some(message) => {
                self.workspace
                    .user(&self.who)
                    .clicks(&self.channel, &message.ts, label)
                    .await;
            }
            None => println!("No message in #{} has a button “{label}”.", self.channel),
        }
    }

    async fn type_line(&self, line: &str) {
        let answer = self
            .workspace
            .user(&self.who)
            .types(&self.channel, line)
            .await;
        if line.starts_with('/') {
            self.print("only you see this", &answer.text());
        }
    }

    /// Prints what the bot says in the next moments.
    async fn show_news(&self) {
        let until = tokio::time::Instant::now() + WATCH;
        while tokio::time::Instant::now() < until {
            self.workspace.settle().await;
            for channel in self.workspace.channels() {
                for message in self.workspace.read(&channel.name) {
                    self.print(&format!("#{}", channel.name), &message.plain_text());
                }
            }
            for message in self.workspace.user(&self.who).sees() {
                self.print("only you see this", &message.plain_text());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Prints a message as Slack would show it: names for ids.
    fn print(&self, place: &str, text: &str) {
        let named = |id: &str| {
            let who = names().find(|name| self.workspace.user(name).id == id);
            who.map(str::to_owned)
        };
        let mut text = unescape(text, named);
        for channel in self.workspace.channels() {
            text = text.replace(&format!("#{}", channel.id), &format!("#{}", channel.name));
        }
        println!("  ┌ {place}");
        for line in text.lines() {
            println!("  │ {line}");
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    PEOPLE.into_iter().map(|(name, ..)| name)
}

/// Lines from standard input; a thread reads them, since a terminal is read by waiting.
fn typed_lines() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
