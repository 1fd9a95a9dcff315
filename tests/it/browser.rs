//! The page of the simulator in a real browser: Chromium, driven by playwright-core, judged by axe-core. The scripts
//! are in `tests/browser`; their screenshots end up in `target/browser`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::simulator::{
    InstalledApp, Options, RequestUrls, SceneStep, SceneView, Scenes, Shortcut, ShortcutKind,
    SlashCommand, Workspace,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::build;
use crate::peers::node;

const PEOPLE: [(&str, &str, &str); 6] = [
    ("ana", "Ana Ruiz", "Incident commander"),
    ("bo", "Bo Lindqvist", "Site reliability"),
    ("cy", "Cy Okafor", "Payments"),
    ("dee", "Dee Tanaka", "Customer support"),
    ("eli", "Eli Novak", "Platform"),
    ("fay", "Fay Mensah", "Head of engineering"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chromium() -> PathBuf {
    let found = Command::new(root().join("tests/find-chromium"))
        .output()
        .unwrap();
    assert!(
        found.status.success(),
        "there is no Chromium: run `make test`, which installs one, or set CHROMIUM"
    );
    String::from_utf8(found.stdout).unwrap().trim().into()
}

/// A workspace with six people, on the clock of the wall: the browser has no other.
async fn workspace() -> Workspace {
    let command = |command: &str| SlashCommand {
        command: command.into(),
        usage_hint: "[declare|update|resolve] …".into(),
        description: "What the app does".into(),
    };
    let shortcut = |name: &str, kind, callback_id: &str| Shortcut {
        name: name.into(),
        kind,
        callback_id: callback_id.into(),
    };
    let app = InstalledApp {
        commands: ["/incident", "/form"].map(command).into(),
        shortcuts: vec![
            shortcut(
                "Declare an incident",
                ShortcutKind::Global,
                "declare_incident",
            ),
            shortcut("Add to timeline", ShortcutKind::Message, "add_to_timeline"),
        ],
    };
    let options = Options {
        app,
        ..Options::default()
    };
    let slack = Workspace::start(options).await.unwrap();
    for (name, real_name, title) in PEOPLE {
        slack.add_user(name);
        slack.introduce(name, real_name, title);
    }
    let names = PEOPLE.map(|(name, ..)| name);
    for channel in ["incidents", "deploys"] {
        slack.add_channel(channel, false, &names);
    }
    slack.add_bot_to("#general");
    slack
}

/// Runs one script; what it prints is the failure's text.
async fn holds(slack: &Workspace, script: &str) {
    let driver = root().join("target/peers/node/node_modules/playwright-core");
    assert!(
        driver.exists(),
        "{} is not there: run `make test`, which installs it",
        driver.display()
    );
    let mut browser = Command::new(node());
    browser
        .arg(root().join("tests/browser").join(script))
        .arg(slack.origin())
        .env("CHROMIUM", chromium())
        .env("FIREBELL_PEERS", root().join("target/peers/node"))
        .env("FIREBELL_SHOTS", root().join("target/browser"));
    let output = tokio::task::spawn_blocking(move || browser.output())
        .await
        .unwrap()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{script}: {said}");
    assert!(output.status.success(), "{script}:\n{said}{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_lived_through_in_the_browser() {
    let slack = workspace().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let app = build(&url, Catalog::default(), &slack, &Clock::System).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(listener, stopped));
    slack
        .connect(RequestUrls::under(&format!("http://{address}/slack")))
        .await
        .unwrap();
    holds(&slack, "journey.mjs").await;
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_an_app_shows_and_asks_works_in_the_browser() {
    holds(&workspace().await, "forms.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_to_each_other_in_the_browser() {
    holds(&workspace().await, "direct.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_used_by_keyboard_and_on_a_phone() {
    holds(&workspace().await, "keyboard.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_stays_text_and_other_pages_stay_out() {
    holds(&workspace().await, "hostile.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_stays_quick_with_five_thousand_messages() {
    let slack = workspace().await;
    for n in 1..=5_000 {
        let (name, ..) = PEOPLE[n / 3 % PEOPLE.len()];
        let text = format!("message {n}: `checkout-api` answers *{}* ms", n * 7 % 900);
        slack.user(name).says("#general", &text).await;
    }
    holds(&slack, "many.mjs").await;
}

/// A player of one scenario of three steps, the last of which comes by itself.
#[derive(Clone)]
struct Player {
    slack: Workspace,
    step: Arc<Mutex<(usize, bool)>>,
}

impl Player {
    fn set(&self, step: usize, playing: bool) -> Result<(), String> {
        *self.step.lock().unwrap() = (step, playing);
        Ok(())
    }
}

impl Scenes for Player {
    fn list(&self) -> Vec<SceneView> {
        let (number, playing) = *self.step.lock().unwrap();
        vec![SceneView {
            id: "disk".into(),
            title: "The database is full".into(),
            about: "A disk fills up at night.".into(),
            running: number > 0,
            playing,
            steps: 3,
            ended: number == 3,
            faults: match number {
                3 => {
                    vec!["Step 3: bo could not click “Acknowledge”: it is not in #general.".into()]
                }
                _ => Vec::new(),
            },
            step: (number > 0).then(|| SceneStep {
                number,
                now: "Errors rise in #general.".into(),
                try_this: "declare an incident".into(),
                channel: Some("general".into()),
            }),
        }]
    }

    fn start(&self, _: &str) -> Result<(), String> {
        self.set(1, false)
    }

    fn step(&self, _: &str) -> Result<(), String> {
        self.set(2, false)
    }

    fn play(&self, _: &str) -> Result<(), String> {
        let player = self.clone();
        tokio::spawn(async move {
            let _ = player.set(3, true);
            player.slack.scenes_changed();
        });
        Ok(())
    }

    fn stop(&self, _: &str) -> Result<(), String> {
        // The page sees the end of a play first, and then the end.
        let (step, playing) = *self.step.lock().unwrap();
        self.set(if playing { step } else { 0 }, false)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_are_started_and_stepped_in_the_browser() {
    let slack = workspace().await;
    slack.set_scenes(Arc::new(Player {
        slack: slack.clone(),
        step: Arc::default(),
    }));
    holds(&slack, "scenes.mjs").await;
}
