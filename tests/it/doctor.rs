//! `firebell doctor` against a workspace in which things are wrong.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use firebell::simulator::{Fault, Options, Workspace, all_scopes};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A workspace, and a folder with a bot's configuration.
struct House {
    slack: Workspace,
    folder: TempDir,
    env: Vec<(&'static str, String)>,
}

const PEOPLE: &str = r##"
[[severities]]
id = "p1"
name = "P1"
invite = ["person:ana", "usergroup:sre"]
[[people]]
id = "ana"
name = "Ana"
email = "ana@example.com"
[[people]]
id = "bo"
name = "Bo"
slack = "@bo"
"##;

impl House {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        // The simulator's own has letters that no signing secret has.
        let options = Options {
            signing_secret: "8f742231b10e8888abcd99aaabbb85a5".to_owned(),
            ..options
        };
        let token = options.bot_token.clone();
        let secret = options.signing_secret.clone();
        let slack = Workspace::start(options).await.unwrap();
        for name in ["ana", "bo"] {
            slack.add_user(name);
        }
        slack.add_group("sre", &["ana"]);
        slack.add_channel("incidents", false, &["ana"]);
        let house = Self {
            env: vec![
                ("SLACK_API_URL", slack.api_url()),
                ("SLACK_BOT_TOKEN", token),
                ("SLACK_SIGNING_SECRET", secret),
                ("DATABASE_URL", "sqlite://firebell.db".to_owned()),
                ("FIREBELL_LISTEN", free_address()),
            ],
            slack,
            folder: tempfile::tempdir().unwrap(),
        };
        house.file("firebell.toml", PEOPLE);
        house.runs(&["migrate"]).await;
        house
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_owned()));
    }

    async fn runs(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebell"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        for (name, secret) in &self.env {
            let is_secret = name.ends_with("TOKEN") || name.ends_with("SECRET");
            assert!(
                !is_secret || secret.is_empty() || !said.contains(secret),
                "{said}"
            );
        }
        (output.status.code(), said)
    }

    /// The state of a finding, and what is said of it.
    async fn finds(&self, about: &str) -> (String, String) {
        let (code, said) = self.runs(&["doctor", "--json"]).await;
        let report: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let wrong = report["counts"]["wrong"].as_u64().unwrap();
        assert_eq!(
            (code, &report["ok"]),
            (Some(i32::from(wrong > 0)), &(wrong == 0).into())
        );
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["about"] == about);
        let found = found.unwrap_or_else(|| panic!("nothing of {about}: {said}"));
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("mend").is_empty(), text("state") == "fine", "{found}");
        (text("state"), text("said"))
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn is(state: &str, said: &str) -> (String, String) {
    (state.to_owned(), said.to_owned())
}

#[tokio::test]
async fn a_house_in_order_is_said_to_be_so_line_by_line() {
    let house = House::new().await;
    let (code, said) = house.runs(&["doctor"]).await;
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "✓ configuration: firebell.toml has no faults",
        "✓ database: it opens, takes what is written, and is up to date;",
        "✓ clock: it goes with Slack's",
        "✓ token: it is that of @firebell",
        "✓ scope chat:write: granted",
        "✓ announce channel #incidents: the bot is not in it, but may post there",
        "✓ person ana: found as ana@example.com",
        "✓ person bo: found as @bo",
        "✓ user group @sre: it is there",
        " fine, 0 doubtful, 0 wrong",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // It only looked.
    let kinds = [
        "chat.postMessage",
        "conversations.create",
        "conversations.join",
    ];
    assert!(
        house
            .slack
            .calls()
            .iter()
            .all(|call| !kinds.contains(&call.method.as_str()))
    );
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_with_what_does_not_work() {
    let house = House::new().await;
    let all = all_scopes();
    let but = |gone: &[&str]| -> Vec<String> {
        all.iter()
            .filter(|scope| !gone.contains(&scope.as_str()))
            .cloned()
            .collect()
    };
    let left = but(&["bookmarks:write", "chat:write.public", "users:read.email"]);
    house
        .slack
        .grant(&left.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        house.finds("scope bookmarks:write").await,
        is(
            "wrong",
            "missing: bridge and links are not bookmarked in war rooms"
        )
    );
    assert_eq!(house.finds("scope chat:write.public").await.0, "doubtful");
    assert_eq!(house.finds("announce channel #incidents").await.0, "wrong");
    let (state, said) = house.finds("person ana").await;
    assert_eq!(state, "wrong");
    assert!(said.contains("users:read.email"), "{said}");
    house.slack.add_bot_to("incidents");
    assert_eq!(
        house.finds("announce channel #incidents").await,
        is("fine", "the bot is in it")
    );
}

#[tokio::test]
async fn a_token_that_slack_does_not_take_is_told_without_it() {
    let mut house = House::new().await;
    house.set("SLACK_BOT_TOKEN", "xoxb-geheim");
    assert_eq!(
        house.finds("token").await,
        is("wrong", "Slack does not take it (invalid_auth)")
    );
    house.set("SLACK_BOT_TOKEN", "geheim");
    assert_eq!(house.finds("SLACK_BOT_TOKEN").await.0, "wrong");
    house.set("SLACK_BOT_TOKEN", "");
    assert_eq!(house.finds("SLACK_BOT_TOKEN").await.0, "wrong");
}

#[tokio::test]
async fn the_token_of_socket_mode_is_tried_without_a_connection() {
    let mut house = House::new().await;
    house.set("SLACK_SIGNING_SECRET", "");
    house.set("SLACK_APP_TOKEN", &Options::default().app_token);
    assert_eq!(
        house.finds("app token").await,
        is(
            "fine",
            "Slack would open a connection of Socket Mode with it"
        )
    );
    assert_eq!(house.slack.sockets(), Vec::<u64>::new());
    for (code, part) in [
        ("missing_scope", "lacks the scope connections:write"),
        ("internal_error", "Slack says internal_error"),
    ] {
        let fault = Fault::Error(code.to_owned());
        house.slack.fault("apps.connections.open", fault, 1);
        let (state, said) = house.finds("app token").await;
        assert!(state == "wrong" && said.contains(part), "{said}");
    }
    // Of the other token nothing is said by it.
    house.set("SLACK_APP_TOKEN", "xapp-1-geheim");
    let (state, said) = house.finds("app token").await;
    assert!(state == "wrong" && said.contains("invalid_auth"), "{said}");
    assert_eq!(house.finds("token").await.0, "fine");
    house.set("SLACK_BOT_TOKEN", "xoxb-geheim");
    assert_eq!(house.finds("app token").await.0, "wrong");
}

#[tokio::test]
async fn what_is_wrong_with_one_variable_hides_nothing_else() {
    let mut house = House::new().await;
    house.set("DATABASE_URL", "mysql://me:geheim@db/firebell");
    assert_eq!(house.finds("DATABASE_URL").await.0, "wrong");
    assert_eq!(house.finds("token").await.0, "fine");
    let (_, said) = house.runs(&["doctor"]).await;
    assert!(
        said.ends_with(" 1 wrong\n") && !said.contains("geheim"),
        "{said}"
    );
    house.set("DATABASE_URL", "sqlite://new.db");
    house.set("SLACK_BOT_TOKEN", "xapp-1-geheim");
    let (_, said) = house.runs(&["doctor"]).await;
    assert!(
        said.contains("✗ SLACK_BOT_TOKEN: holds an app-level token"),
        "{said}"
    );
    assert!(
        said.contains("✓ database") && said.ends_with(" 1 wrong\n"),
        "{said}"
    );
    house.set("FIREBELL_CONFIG", "nowhere.toml");
    let (_, said) = house.runs(&["doctor"]).await;
    let line = "✗ configuration: cannot read nowhere.toml: No such file or directory (os error 2). To mend it: Set \
                FIREBELL_CONFIG to a file that exists, or unset it";
    assert!(said.contains(line), "{said}");
}

#[tokio::test]
async fn a_slack_that_cannot_be_asked_is_one_fault() {
    let mut house = House::new().await;
    house.set("SLACK_APP_TOKEN", &Options::default().app_token);
    house.slack.fault("auth.test", Fault::Status(503), 1);
    let (state, said) = house.finds("Slack").await;
    assert!(
        state == "wrong" && said.contains("HTTP status 503"),
        "{said}"
    );
    house.set("SLACK_API_URL", &format!("http://{}/api", free_address()));
    let (state, said) = house.finds("Slack").await;
    assert!(state == "wrong" && said.contains("refused"), "{said}");
    let (_, said) = house.runs(&["doctor"]).await;
    assert!(said.ends_with(" 1 wrong\n"), "{said}");
}

#[tokio::test]
async fn channel_people_and_groups_that_are_not_there_are_named() {
    let house = House::new().await;
    house
        .slack
        .add_user_with("cy", Some("cy@example.com"), "UTC", true);
    house.slack.add_channel("secret", true, &["ana"]);
    house.file(
        "firebell.toml",
        r##"
[slack]
announce = "#secret"
[[severities]]
id = "p1"
name = "P1"
invite = ["usergroup:nobody"]
[[people]]
id = "ana"
name = "Ana"
slack = "U0NOBODY01"
[[people]]
id = "bo"
name = "Bo"
email = "nobody@example.com"
[[people]]
id = "cy"
name = "Cy"
slack = "@cy"
[[people]]
id = "di"
name = "Di"
phone = "+15550100"
[[schedules]]
id = "primary"
usergroup = "nobody-either"
rotations = [{ participants = ["person:ana"], shift = "1w", handoff = "2025-09-01T09:00" }]
[[escalation_policies]]
id = "leads"
steps = [{ after = "0m", notify = ["person:ana", "channel:#gone"] }]
"##,
    );
    let (state, said) = house.finds("announce channel #secret").await;
    assert_eq!(state, "wrong", "{said}");
    for (about, state, part) in [
        ("person ana", "wrong", "Slack knows no U0NOBODY01"),
        ("person bo", "wrong", "Slack knows no nobody@example.com"),
        ("person cy", "wrong", "@cy is deactivated"),
        ("person di", "doubtful", "will not invite"),
        ("user group @nobody", "wrong", "severity p1 names it"),
        (
            "user group @nobody-either",
            "wrong",
            "schedule primary names it",
        ),
        (
            "channel #gone",
            "wrong",
            "there is none that the bot can see",
        ),
    ] {
        let (found, said) = house.finds(about).await;
        assert!(found == state && said.contains(part), "{about}: {said}");
    }
    house.slack.add_bot_to("secret");
    let (state, said) = house.finds("announce channel #secret").await;
    assert!(state == "wrong" && said.contains("private"), "{said}");
    house.file("firebell.toml", "[slack]\nannounce = \"#old\"\n");
    house.slack.add_channel("old", false, &["ana"]);
    house.slack.user("ana").archives("old").await;
    assert_eq!(
        house.finds("announce channel #old").await,
        is("wrong", "it is archived")
    );
}

#[tokio::test]
async fn a_clock_that_goes_wrong_is_told() {
    let behind = |seconds: i64| Options {
        now: Arc::new(move || jiff::Timestamp::now().as_millisecond() - seconds * 1_000),
        ..Options::default()
    };
    let (state, said) = House::with(behind(90)).await.finds("clock").await;
    assert!(
        state == "wrong" && said.contains("ahead of Slack's"),
        "{said}"
    );
    let (state, said) = House::with(behind(-10)).await.finds("clock").await;
    assert!(
        state == "doubtful" && said.contains("behind Slack's"),
        "{said}"
    );
}

#[tokio::test]
async fn the_database_is_looked_at_and_left_alone() {
    let mut house = House::new().await;
    house.set("DATABASE_URL", "sqlite://new.db");
    assert_eq!(
        house.finds("database").await,
        is("fine", "new.db is not there yet; the first start makes it")
    );
    assert!(!house.folder.path().join("new.db").exists());
    house.set("DATABASE_URL", "sqlite://nowhere/new.db");
    assert_eq!(house.finds("database").await.0, "wrong");
    house.file("empty.db", "");
    house.set("DATABASE_URL", "sqlite://empty.db");
    let (state, said) = house.finds("database").await;
    assert!(
        state == "doubtful" && said.contains("still to come"),
        "{said}"
    );
    house.file("text.db", &"this is no database ".repeat(100));
    house.set("DATABASE_URL", "sqlite://text.db");
    let (state, said) = house.finds("database").await;
    assert!(
        state == "wrong" && said.contains("not a database"),
        "{said}"
    );
    house.set("DATABASE_URL", "postgres://me:geheim@127.0.0.1:1/firebell");
    let (state, said) = house.finds("database").await;
    assert!(
        state == "wrong" && said.contains("refused") && !said.contains("geheim"),
        "{said}"
    );
    let postgres = crate::scratch::Scratch::postgres().await;
    house.set("DATABASE_URL", &postgres.url);
    postgres
        .holds(async |postgres| {
            assert_eq!(house.finds("database").await.0, "fine");
            assert_eq!(postgres.count("deliveries").await, 0);
            let emptied = "DROP TABLE incidents, events, deliveries, outbox, alerts, alert_groups, alert_bodies, heartbeats, changes, overrides, duties, calendars, pages, page_deliveries, audits, keys, _sqlx_migrations";
            postgres.tamper(emptied).await;
            let (state, said) = house.finds("database").await;
            assert!(
                state == "doubtful" && said.contains("still to come"),
                "{said}"
            );
        })
        .await;
}

#[tokio::test]
async fn a_port_that_somebody_else_holds_is_told() {
    let mut house = House::new().await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.set("FIREBELL_LISTEN", &other.local_addr().unwrap().to_string());
    assert_eq!(house.finds("listen address").await.0, "wrong");
    house.set("FIREBELL_LISTEN", "192.0.2.1:3000");
    assert_eq!(house.finds("listen address").await.0, "wrong");
    let bot = crate::harness::TestBot::start().await;
    let address = bot.url.trim_start_matches("http://").to_owned();
    house.set("FIREBELL_LISTEN", &address);
    assert_eq!(
        house.finds("listen address").await,
        is("fine", &format!("Firebell is listening on {address}"))
    );
    assert!(Path::new(house.folder.path()).exists());
}

#[tokio::test]
async fn a_source_of_alerts_whose_secret_is_not_set_is_found() {
    let mut house = House::new().await;
    let source = |id: &str, env: &str| {
        format!("\n[[alert_sources]]\nid = \"{id}\"\nkind = \"generic\"\nsecret_env = \"{env}\"\n")
    };
    let toml =
        PEOPLE.to_owned() + &source("scripts", "SCRIPTS_SECRET") + &source("ci", "CI_SECRET");
    house.file("firebell.toml", &toml);
    house.set("CI_SECRET", "a-secret-of-ci");
    let unset = "SCRIPTS_SECRET is not set, so nothing that is sent to the alert source scripts is believed";
    assert_eq!(house.finds("alert sources").await, is("wrong", unset));
    house.set("SCRIPTS_SECRET", "a-secret-of-scripts");
    assert_eq!(
        house.finds("alert sources").await,
        is("fine", "the secret of each is set")
    );
}
