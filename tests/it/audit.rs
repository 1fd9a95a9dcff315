//! The record against somebody who holds the whole database.

use std::process::{Command, Output};

use sqlx::{Connection, SqliteConnection};

use crate::harness::TestBot;

const ROOM: &str = "incident-2025-0914-001";

/// Runs `firebell audit verify` on the bot's own file.
fn audit(bot: &TestBot, anchor: &str) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = Command::new(env!("CARGO_BIN_EXE_firebell"))
        .args(["audit", "verify", "--anchor", anchor])
        .env("DATABASE_URL", &bot.database_url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    (status.code(), said)
}

/// What the message that told of the resolution says of the record.
async fn anchored(bot: &TestBot) -> String {
    bot.types("ana", "general", "/incident declare p1 checkout is down")
        .await;
    bot.types("ana", ROOM, "/incident resolve a full disk")
        .await;
    let said = bot.slack.read(ROOM);
    let lines: Vec<String> = said
        .iter()
        .flat_map(|message| {
            message
                .plain_text()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let line = lines.iter().find(|line| line.starts_with("_Record: `"));
    let anchor = line.expect("the resolution says what the record is");
    let anchor = anchor.trim_matches('_');
    anchor.trim_start_matches("Record: ").to_owned()
}

async fn tamper(bot: &TestBot, statements: &[&'static str]) {
    let mut connection = SqliteConnection::connect(&bot.database_url).await.unwrap();
    for sql in statements {
        let done = sqlx::query(*sql).execute(&mut connection).await.unwrap();
        assert_ne!(done.rows_affected(), 0, "{sql}");
    }
}

#[tokio::test]
async fn an_anchor_in_slack_shows_that_a_whole_incident_was_removed() {
    let bot = TestBot::start().await;
    let anchor = anchored(&bot).await;
    assert_eq!(
        audit(&bot, &anchor),
        (
            Some(0),
            "The records of 1 incidents are whole.\n".to_owned()
        )
    );
    tamper(&bot, &["DELETE FROM events", "DELETE FROM incidents"]).await;
    let (code, said) = audit(&bot, &anchor);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("INC-2025-0914-001 event"), "{said}");
    assert!(said.contains("is gone"), "{said}");
}

#[tokio::test]
async fn an_anchor_of_another_record_is_told_from_the_true_one() {
    let bot = TestBot::start().await;
    let anchor = anchored(&bot).await;
    let (head, hash) = anchor.rsplit_once(':').unwrap();
    let turned: String = hash.trim_end_matches('`').chars().rev().collect();
    let (code, said) = audit(&bot, &format!("{head}:{turned}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not the one that was anchored"), "{said}");
    bot.finish_unread().await;
}

#[tokio::test]
async fn a_state_that_cannot_be_read_and_events_without_an_incident_are_named_among_all_other_faults()
 {
    let bot = TestBot::start().await;
    for _ in 0..4 {
        bot.user("ana")
            .types("general", "/incident declare p1 checkout is down")
            .await;
    }
    tamper(
        &bot,
        &[
            "UPDATE incidents SET state = '{' WHERE id = 'INC-2025-0914-001'",
            "DELETE FROM incidents WHERE id = 'INC-2025-0914-002'",
            "UPDATE events SET actor = '{}' WHERE incident_id = 'INC-2025-0914-003'",
        ],
    )
    .await;
    let (code, said) = audit(&bot, "INC-2025-0914-009:1:00000000000000000000000000000000");
    assert_eq!(code, Some(1), "{said}");
    for fault in [
        "INC-2025-0914-001: its state cannot be read",
        "INC-2025-0914-002: its events are there, but the incident itself is gone",
        "INC-2025-0914-003: event 1 (declared) is not what was written down",
    ] {
        assert!(said.contains(fault), "{said}");
    }
    assert!(!said.contains("INC-2025-0914-004"), "{said}");
}

#[tokio::test]
async fn whoever_only_reads_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_firebell"))
            .args(words)
            .current_dir(folder.path())
            .env("DATABASE_URL", "sqlite://typo.db")
            .output()
            .unwrap();
        let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        (status.code(), said.concat())
    };
    for words in [
        &["audit", "verify"][..],
        &["export", "INC-2025-0914-001"],
        &["incident", "list"],
        &["incident", "status", "INC-2025-0914-001"],
        &["incident", "note", "INC-2025-0914-001", "x"],
    ] {
        let (code, said) = run(words);
        assert_eq!(code, Some(1), "{words:?}: {said}");
        assert!(
            said.contains("There is no database at typo.db"),
            "{words:?}: {said}"
        );
    }
    let (code, said) = run(&["incident", "help"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["incident", "lisst"]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        0,
        "nothing was made"
    );
    let (code, said) = run(&["incident", "declare", "p1", "checkout is down"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&["audit", "verify"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "The records of 1 incidents are whole.\n")
    );
}

#[tokio::test]
async fn what_is_no_anchor_is_refused_with_its_form() {
    let bot = TestBot::start().await;
    let (code, _) = audit(&bot, "INC-2025-0914-001");
    assert_eq!(code, Some(2));
}
