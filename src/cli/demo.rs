//! `firebell demo`: the whole bot against a Slack workspace of our own, with nothing to install. People type here.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::simulator::{Options, RequestUrls, Workspace};
use crate::slack::text::unescape;

/// The people of the workspace.
const PEOPLE: [&str; 3] = ["ana", "bo", "cy"];
/// How long the bot is watched for something to say after a line was typed.
const WATCH: Duration = Duration::from_millis(1_500);

const WELCOME: &str = "\
This is Firebell in a Slack workspace of its own: no account, no network, nothing kept.
You are ana, in #general. Try:
  /incident declare p1 checkout is down
  go incident-           goes to another channel: the newest whose name begins so
  click Acknowledge      clicks a button of the newest message that has it
  as bo                  makes you bo (or cy)
  quit
";

/// Runs the demo until its input ends.
pub(super) async fn run(port: u16) -> anyhow::Result<ExitCode> {
    let options = Options {
        now: Arc::new(|| Clock::System.now().as_millisecond()),
        ..Options::default()
    };
    let token = SecretString::from(options.bot_token.clone());
    let secret = SecretString::from(options.signing_secret.clone());
    let workspace = Workspace::new(options);
    for name in PEOPLE {
        workspace.add_user(name);
    }
    for channel in ["general", "incidents"] {
        workspace.add_channel(channel, false, &PEOPLE);
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
    let app = App::build(Parts {
        catalog: Catalog::default(),
        beside: None,
        database_url: format!("sqlite://{}", folder.join("firebell.db").display()).into(),
        slack: Some((format!("http://{slack_address}/api"), token)),
        app_token: None,
        signing_secret: Some(secret),
        api_token: Some("demo".into()),
        clock: Clock::System,
        metrics: None,
    })
    .await?;
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(bot, stopped));
    workspace
        .connect(RequestUrls::under(&format!("http://{bot_address}/slack")))
        .await?;
    println!("{WELCOME}");
    println!(
        "The workspace answers Slack's Web API at http://{slack_address}/api, the bot its health at http://{bot_address}/readyz.\n"
    );
    Stage {
        workspace,
        who: "ana".to_owned(),
        channel: "general".to_owned(),
    }
    .play()
    .await?;
    let _ = stop.send(true);
    serving.await??;
    std::fs::remove_dir_all(&folder)?;
    Ok(ExitCode::SUCCESS)
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
                ("as", name) if PEOPLE.contains(&name) => self.who = name.to_owned(),
                ("as", name) => println!("There is no {name} here, only {}.", PEOPLE.join(", ")),
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
            let who = PEOPLE
                .into_iter()
                .find(|name| self.workspace.user(name).id == id);
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
