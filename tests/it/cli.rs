//! The command line as an operator meets it: the real binary, in a folder of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder in which somebody runs Firebell.
struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            env: vec![("DATABASE_URL".to_owned(), "sqlite://firebell.db".to_owned())],
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn runs(&self, words: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_firebell"))
            .args(words)
            .current_dir(self.path())
            .env_clear()
            .env("USER", "ana")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

#[test]
fn a_line_of_the_environment_file_that_cannot_be_read_keeps_its_secret() {
    let place = Place::new();
    place.file(".env", "RUST_LOG=info\nSLACK_SIGNING_SECRET=geheim def\n");
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("line 2 (SLACK_SIGNING_SECRET)"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("geheim"), "{ran:?}");
}

#[test]
fn what_cannot_be_opened_is_named_once_with_its_reason() {
    let place = Place::new().with("FIREBELL_CONFIG", "missing.toml");
    let said = place.runs(&["check"]).err;
    assert_eq!(said.matches("No such file").count(), 1, "{said}");

    let place = Place::new().with("DATABASE_URL", "sqlite:///nowhere/firebell.db");
    let said = place.runs(&["migrate"]).err;
    assert_eq!(said.matches("/nowhere/firebell.db").count(), 1, "{said}");
    assert_eq!(said.matches("unable to open").count(), 1, "{said}");

    let place = Place::new().with("DATABASE_URL", "postgres://me:geheim@127.0.0.1:1/firebell");
    let said = place.runs(&["migrate"]).err;
    assert!(said.contains("127.0.0.1:1"), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
    assert!(!said.contains("geheim"), "{said}");
}

/// The variables that the image sets.
fn of_the_image() -> Vec<(String, String)> {
    let dockerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile");
    let text = std::fs::read_to_string(dockerfile).unwrap();
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    lines
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn a_container_without_a_configuration_starts() {
    let mut place = Place::new();
    place.env = of_the_image();
    assert!(place.env.iter().any(|(name, _)| name == "FIREBELL_LISTEN"));
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn what_is_written_of_the_command_line_exists() {
    let place = Place::new();
    for file in [".env.example", "README.md", "firebell.example.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        for (at, begun) in text.match_indices("`firebell ") {
            let word = text[at + begun.len()..]
                .split(['`', ' ', '\n'])
                .next()
                .unwrap();
            let ran = place.runs(&[word, "--help"]);
            assert_eq!(ran.code, Some(0), "{file} speaks of `firebell {word}`");
        }
    }
}

#[test]
fn an_incident_can_be_named_whatever_ids_look_like() {
    let place = Place::new();
    let called = |pattern: &str| {
        place.file(
            "firebell.toml",
            &format!("[incidents]\nid = \"{pattern}\"\n"),
        )
    };
    called("INC-{yyyy}-{mmdd}-{nnn}");
    let said = place.runs(&["incident", "declare", "p1", "one"]).out;
    let old = said.split_whitespace().nth(1).unwrap().to_owned();
    called("{yyyy}-{mmdd}-{nnn}");
    let said = place.runs(&["incident", "declare", "p1", "two"]).out;
    let new = said.split_whitespace().nth(1).unwrap().to_owned();
    assert!(
        old.starts_with("INC-") && new.starts_with("2"),
        "{old} {new}"
    );
    for id in [&old, &old.to_lowercase(), &new] {
        let ran = place.runs(&["incident", "note", id, "seen"]);
        assert!(ran.out.starts_with("Noted on the timeline"), "{ran:?}");
    }
    for id in ["OPS-2025-0914-007", "2020-0101-001"] {
        for word in ["ack", "status"] {
            let ran = place.runs(&["incident", word, id]);
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert!(
                ran.err.starts_with(&format!("There is no incident {id}.")),
                "{ran:?}"
            );
        }
    }
    called("inc_{yyyy}{mmdd}.{nnn}");
    let said = place.runs(&["incident", "declare", "p1", "three"]).out;
    let id = said.split_whitespace().nth(1).unwrap();
    assert!(id.starts_with("inc_"), "{said}");
    for id in [id, &id.to_uppercase()] {
        assert_eq!(place.runs(&["export", id]).code, Some(0));
        assert_eq!(
            place.runs(&["incident", "ack", id]).code,
            Some(if id.starts_with('i') { 0 } else { 1 })
        );
    }
}

impl Place {
    /// Declares an incident and gives its id.
    fn declares(&self, title: &str) -> String {
        let ran = self.runs(&["incident", "declare", "p1", title]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// What a program reads.
    fn reads(&self, words: &[&str]) -> (Option<i32>, Value) {
        let ran = self.runs(words);
        let read = serde_json::from_str(&ran.out);
        (
            ran.code,
            read.unwrap_or_else(|error| panic!("{words:?}: {error}: {ran:?}")),
        )
    }
}

#[test]
fn a_line_that_names_no_incident_does_nothing_and_says_what_to_type() {
    let place = Place::new();
    let (code, read) = place.reads(&["incident", "ack", "--json"]);
    assert_eq!((code, &read["error"]), (Some(1), &"unavailable".into()));
    let said = read["message"].as_str().unwrap();
    assert!(said.contains("`firebell migrate` makes one"), "{said}");
    assert!(!place.path().join("firebell.db").exists());
    assert_eq!(place.runs(&["migrate"]).code, Some(0));
    let ran = place.runs(&["incident", "ack"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    assert!(
        ran.err.starts_with("There is no incident for which"),
        "{ran:?}"
    );
    assert!(ran.err.contains("firebell incident ack INC-…"), "{ran:?}");
    let id = place.declares("checkout is down");
    for (typed, line) in [
        (vec!["ack"], format!("firebell incident ack {id} ")),
        (
            vec!["note", "it's <odd>"],
            format!("firebell incident note {id} 'it'\\''s <odd>' "),
        ),
    ] {
        let ran = place.runs(&[vec!["incident"], typed].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(&line), "{ran:?}");
    }
    let (code, read) = place.reads(&["incident", "ack", "--json"]);
    assert_eq!(
        (code, &read["error"]),
        (Some(2), &"incident_missing".into())
    );
    assert_eq!(read["incidents"][0]["id"], *id);
    for (before, word) in [("resolve", "reopen"), ("status", "close")] {
        place.runs(&["incident", before, &id]);
        let ran = place.runs(&["incident", word]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        let line = format!("firebell incident {word} {id} ");
        assert!(ran.err.contains(&line), "{ran:?}");
    }
    let ran = place.runs(&["incident", "ack"]);
    assert!(!ran.err.contains(&id), "{ran:?}");
}

#[test]
fn what_needs_no_database_is_answered_without_one() {
    let place = Place::new();
    for words in [
        ["help", "ack"],
        ["help", "INC-2025-0914-001"],
        ["contacts", ""],
    ] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        place.runs(&[vec!["incident"], words.clone()].concat());
        let (code, read) = place.reads(&[vec!["incident", "--json"], words].concat());
        assert_ne!(read["error"], "unavailable", "{code:?} {read}");
    }
    assert!(!place.path().join("firebell.db").exists());
}

#[test]
fn what_is_said_on_a_terminal_can_be_read_and_typed_there() {
    let place = Place::new();
    let said = place
        .runs(&["incident", "declare", "p1", "checkout", "is", "down"])
        .out;
    assert!(!said.contains("invited"), "{said}");
    let id = said.split_whitespace().nth(1).unwrap();
    place.runs(&["incident", "ack", id]);
    let ran = place.runs(&["incident", "ack", id]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains(&format!("firebell incident lead {id} me")),
        "{ran:?}"
    );
    let ran = place.runs(&["incident", "note", id]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err
            .contains(&format!("firebell incident note {id} <text…>")),
        "{ran:?}"
    );
    let help = place.runs(&["incident", "help"]).out;
    for line in [
        "firebell incident severity <incident> <severity> [reason…]",
        "firebell incident role <incident> <commander|operations|communications|scribe> [@user]",
        "firebell incident declare [severity] <title…>",
    ] {
        assert!(help.contains(line), "{line}: {help}");
    }
    for words in [["status", id], ["timeline", id], ["list", ""]] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let said = place.runs(&[vec!["incident"], words].concat()).out;
        for mark in [":rotating_light:", "_ana_", "<!date", "*", "`", "<@", "<#"] {
            assert!(!said.contains(mark), "{mark}: {said}");
        }
    }
    assert!(
        place
            .runs(&["incident", "status", id])
            .out
            .starts_with("🚨 INCIDENT - P1")
    );
}

#[test]
fn whoever_acts_is_named_by_the_option_the_variable_or_the_machine() {
    let place = Place::new();
    place.file(
        "firebell.toml",
        "[[people]]\nid = \"bo\"\nname = \"Bo Berg\"\nemail = \"bo@example.com\"\n",
    );
    let declared_by = |place: &Place, words: &[&str]| {
        let words = [&["incident", "--json"], words, &["declare", "p1", "x"]].concat();
        place.reads(&words).1["incident"]["declared_by"]["name"].clone()
    };
    assert_eq!(declared_by(&place, &[]), "ana");
    assert_eq!(declared_by(&place, &["--as", "@bo"]), "Bo Berg");
    let place = place.with("FIREBELL_ACTOR", "cron job");
    assert_eq!(declared_by(&place, &[]), "cron job");
    assert_eq!(declared_by(&place, &["--as", "bo@example.com"]), "Bo Berg");
    let place = place.with("FIREBELL_ACTOR", "").with("USER", "");
    assert_eq!(declared_by(&place, &[]), "command line");
}

#[test]
fn a_program_reads_every_answer_as_json() {
    let place = Place::new();
    let (code, declared) =
        place.reads(&["incident", "declare", "--json", "p2", "a", "--json", "b"]);
    assert_eq!(code, Some(0));
    let id = declared["incident"]["id"].as_str().unwrap();
    assert_eq!(declared["incident"]["title"], "a --json b");
    assert_eq!(declared["incident"]["severity"]["id"], "p2");
    let (_, list) = place.reads(&["incident", "list", "--json"]);
    assert_eq!(list["incidents"][0]["id"], id);
    let (_, status) = place.reads(&["incident", "status", id, "--json"]);
    assert_eq!(status["incident"]["status"], "investigating");
    let (_, timeline) = place.reads(&["incident", "timeline", id, "--json"]);
    assert_eq!(timeline["entries"][0]["kind"], "declared");
    let (code, refused) = place.reads(&["incident", "reopen", "--json", id]);
    assert_eq!(
        (code, &refused["ok"], &refused["error"]),
        (Some(1), &false.into(), &"refused".into())
    );
    let (code, wrong) = place.reads(&["incident", "--json", "udpate", id]);
    assert_eq!((code, &wrong["error"]), (Some(2), &"not_understood".into()));
    let (code, audit) = place.reads(&["audit", "verify", "--json"]);
    assert_eq!(
        (code, &audit["incidents"], &audit["ok"]),
        (Some(0), &1.into(), &true.into())
    );
    assert_eq!(
        place.runs(&["export", id, "--output", "x.json"]).code,
        Some(0)
    );
    let (code, audit) = place.reads(&["audit", "verify", "--json", "x.json"]);
    assert_eq!(
        (code, &audit["incident"], &audit["same_as_store"]),
        (Some(0), &id.into(), &true.into())
    );
    place.file("firebell.toml", "[slack]\nanounce = \"#ops\"\n");
    let (code, check) = place.reads(&["check", "--json"]);
    assert_eq!((code, &check["faults"][0]["line"]), (Some(1), &2.into()));
    assert_eq!(check["faults"][0]["help"], "did you mean `announce`?");
}

#[test]
fn the_form_of_an_export_is_that_of_its_file_and_what_hinders_it_is_told() {
    let place = Place::new();
    let id = place.declares("x");
    for (file, begins) in [
        ("x.html", "<!DOCTYPE"),
        ("x.csv", "\u{feff}incident"),
        ("x.txt", "# Post-mortem"),
        ("x.md", "# Post-mortem"),
    ] {
        let ran = place.runs(&["export", &id, "--output", file]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let text = std::fs::read_to_string(place.path().join(file)).unwrap();
        assert!(
            text.to_lowercase().starts_with(&begins.to_lowercase()),
            "{file}: {text}"
        );
    }
    let said = |words: &[&str]| place.runs(&[&["export", &id], words].concat());
    let ran = said(&["--format", "htlm"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("did you mean html?"), "{ran:?}");
    assert!(
        said(&["--format", "pdf"])
            .err
            .contains("markdown, json, html, csv")
    );
    assert!(
        said(&["--output", "nowhere/x.md"])
            .err
            .contains("there is no folder nowhere")
    );
    assert!(said(&["--output", "."]).err.contains(&format!("./{id}.md")));
}

#[test]
fn a_reformatted_export_is_told_from_a_changed_one() {
    let place = Place::new();
    let id = place.declares("x");
    place.runs(&["export", &id, "--output", "x.json"]);
    let text = std::fs::read_to_string(place.path().join("x.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    place.file("pretty.json", &pretty);
    let ran = place.runs(&["audit", "verify", "pretty.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("reformatted; its words are the same"),
        "{ran:?}"
    );
    place.file(
        "changed.json",
        &pretty.replacen("\"title\": \"x\"", "\"title\": \"y\"", 2),
    );
    let ran = place.runs(&["audit", "verify", "changed.json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out
            .contains("entry 1 (declared) is not what was written down"),
        "{ran:?}"
    );
}

#[test]
fn every_broken_template_is_found_before_it_is_needed() {
    let place = Place::new();
    for name in firebell::templates::names() {
        let file = format!("templates/{name}");
        place.file(&file, "{{ nobody_defined_this }}");
        for words in [["check"], ["serve"]] {
            let ran = place.runs(&words);
            assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
            assert!(format!("{ran:?}").contains(name), "{name}: {ran:?}");
        }
        std::fs::remove_file(place.path().join(file)).unwrap();
    }
    assert_eq!(place.runs(&["check"]).code, Some(0));
}

#[test]
fn a_template_that_takes_the_place_of_none_is_told_with_the_nearest_name() {
    let place = Place::new();
    place.file("templates/topic.txt.j2", "x");
    place.file("templates/slack/crad.mrkdwn.j2", "x");
    place.file(
        "templates/slack/purpose.txt.j2",
        "{% include 'slack/ours.txt.j2' %}",
    );
    place.file("templates/slack/ours.txt.j2", "ours");
    place.file("templates/.DS_Store", "x");
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out, @r"
    warning: ./templates/slack/crad.mrkdwn.j2 takes the place of no message: did you mean templates/slack/card.mrkdwn.j2?
    warning: ./templates/topic.txt.j2 takes the place of no message: did you mean templates/slack/topic.txt.j2?
    firebell.toml: no errors
    Slack's requests do not come here.
    ");
}

/// Somebody is on call on work days in Berlin; nobody in the night in which the clocks go back.
const WATCH: &str = r#"
[organization]
timezone = "Europe/London"
[[people]]
id = "ana"
name = "Ana"
email = "ana@example.com"
[[people]]
id = "bo"
name = "Bo"
email = "bo@example.com"
[[schedules]]
id = "primary"
timezone = "Europe/Berlin"
fallback = "person:bo"
  [[schedules.rotations]]
  participants = ["person:ana"]
  shift = "1w"
  handoff = "2025-09-01T09:00"
  hours = "Mon-Fri 09:00-17:00"
[[schedules]]
id = "always"
  [[schedules.rotations]]
  participants = ["person:ana", "person:bo"]
  shift = "1d"
  handoff = "2025-09-01T01:30"
"#;

#[test]
fn who_is_on_call_is_told_for_any_time_with_every_gap() {
    let place = Place::new();
    place.file("firebell.toml", WATCH);
    let ran = place.runs(&["oncall", "--at", "2026-10-23T12:00+02:00", "--days", "4"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out, @r#"
        primary (Europe/Berlin)
          Fri 2026-10-23 12:00 +02:00 to Fri 2026-10-23 17:00 +02:00  Ana
          Fri 2026-10-23 17:00 +02:00 to Mon 2026-10-26 09:00 +01:00  NOBODY: the fallback is told, Bo
          Mon 2026-10-26 09:00 +01:00 to Mon 2026-10-26 17:00 +01:00  Ana
          Mon 2026-10-26 17:00 +01:00 to Tue 2026-10-27 09:00 +01:00  NOBODY: the fallback is told, Bo
          Tue 2026-10-27 09:00 +01:00 to Tue 2026-10-27 11:00 +01:00  Ana
          2 gaps, 3d9h in all

        always (Europe/London)
          Fri 2026-10-23 11:00 +01:00 to Sat 2026-10-24 01:30 +01:00  Bo
          Sat 2026-10-24 01:30 +01:00 to Sun 2026-10-25 01:30 +01:00  Ana
          Sun 2026-10-25 01:30 +01:00 to Mon 2026-10-26 01:30 +00:00  Bo
          Mon 2026-10-26 01:30 +00:00 to Tue 2026-10-27 01:30 +00:00  Ana
          Tue 2026-10-27 01:30 +00:00 to Tue 2026-10-27 10:00 +00:00  Bo
          no gaps
        "#);
    // In the organization's zone, where the hour from one to two comes twice: the first is meant.
    let ran = place.runs(&[
        "oncall",
        "always",
        "--at",
        "2026-10-25T01:30",
        "--days",
        "1",
        "--json",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out, @r#"
        {
          "from": "2026-10-25T00:30:00Z",
          "schedules": [
            {
              "fallback": null,
              "gaps": 0,
              "id": "always",
              "name": null,
              "stretches": [
                {
                  "from": "2026-10-25T01:30:00+01:00",
                  "name": "Bo",
                  "person": "bo",
                  "to": "2026-10-26T00:30:00+00:00"
                }
              ],
              "timezone": "Europe/London"
            }
          ],
          "to": "2026-10-26T00:30:00Z"
        }
        "#);
    let ran = place.runs(&["oncall", "alwais"]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.err, @r#"
        There is no schedule “alwais”. Did you mean always?
        "#);
    let ran = place.runs(&["oncall", "--at", "soon"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!(ran.err, @r#"
        “soon” is not a time; write it as 2025-09-14T03:00
        "#);
    assert_eq!(place.runs(&["oncall", "--days", "0"]).code, Some(2));
    assert!(!place.path().join("firebell.db").exists());
}

#[test]
fn an_override_is_made_at_a_terminal_and_seen_there() {
    let place = Place::new();
    place.file("firebell.toml", WATCH);
    assert_eq!(place.runs(&["migrate"]).code, Some(0));
    let ran = place.runs(&[
        "incident",
        "--as",
        "bo",
        "override",
        "always",
        "2030-01-01T00:00",
        "2030-01-02T00:00",
        "@ana",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out, @r#"
        @Ana is on call for always from Tue 2030-01-01 00:00 +00:00 to Wed 2030-01-02 00:00 +00:00 (Europe/London) (override 1).
        • on call by the plan already: Tue 2030-01-01 00:00 +00:00 to Tue 2030-01-01 01:30 +00:00 (Europe/London)
        • instead of @Bo: Tue 2030-01-01 01:30 +00:00 to Wed 2030-01-02 00:00 +00:00 (Europe/London)
          Undo:  firebell incident override undo 1
        "#);
    let ran = place.runs(&[
        "incident",
        "override",
        "always",
        "2030-01-01T12:00",
        "3h",
        "@bo",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = place.runs(&[
        "oncall",
        "always",
        "--at",
        "2030-01-01T00:00",
        "--days",
        "1",
    ]);
    insta::assert_snapshot!(ran.out, @r#"
        always (Europe/London)
          Tue 2030-01-01 00:00 +00:00 to Tue 2030-01-01 12:00 +00:00  Ana
          Tue 2030-01-01 12:00 +00:00 to Tue 2030-01-01 15:00 +00:00  Bo
          Tue 2030-01-01 15:00 +00:00 to Wed 2030-01-02 00:00 +00:00  Ana
          no gaps
        "#);
    assert_eq!(
        place.runs(&["incident", "override", "undo", "2"]).code,
        Some(0)
    );
    assert_eq!(
        place.runs(&["incident", "override", "undo", "2"]).code,
        Some(1)
    );
    assert_eq!(
        place.runs(&["incident", "override", "always", "soon"]).code,
        Some(2)
    );
    let ran = place.runs(&[
        "oncall",
        "always",
        "--at",
        "2030-01-01T00:00",
        "--days",
        "1",
    ]);
    insta::assert_snapshot!(ran.out, @r#"
        always (Europe/London)
          Tue 2030-01-01 00:00 +00:00 to Wed 2030-01-02 00:00 +00:00  Ana
          no gaps
        "#);
    let ran = place.runs(&["incident", "oncall", "always"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_configuration_is_told_where_nobody_will_be_on_call() {
    let place = Place::new();
    place.file("firebell.toml", WATCH);
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warnings: Vec<&str> = ran
        .out
        .lines()
        .filter(|it| it.starts_with("warning"))
        .collect();
    let [gap] = warnings.as_slice() else {
        panic!("{ran:?}");
    };
    assert!(
        gap.starts_with("warning: nobody is on call in the schedule primary in "),
        "{gap}"
    );
    assert!(
        gap.ends_with(" (in the next 90 days); the fallback is told, Bo"),
        "{gap}"
    );

    place.file(
        "firebell.toml",
        &WATCH.replace("fallback = \"person:bo\"\n", ""),
    );
    let ran = place.runs(&["check", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let gap = told["schedules"]["warnings"][0].as_str().unwrap();
    assert!(
        gap.ends_with("nobody would be told: add fallback = \"person:ID\""),
        "{gap}"
    );
}

#[test]
fn a_policy_that_will_reach_nobody_is_refused_and_one_whose_ways_are_closed_here_is_named() {
    let place = Place::new();
    // A plan that begins next century, and nobody who stands in.
    let never = WATCH
        .replace("fallback = \"person:bo\"\n", "")
        .replace("2025-09-01T09:00", "2126-09-01T09:00");
    let policy = "[[escalation_policies]]\nid = \"leads\"\n\
                  steps = [{ after = \"0m\", notify = [\"schedule:primary\"] }]\n";
    place.file("firebell.toml", &(never.clone() + policy));
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let refused = "error: the policy `leads` reaches nobody in the next 90 days";
    assert!(ran.out.contains(refused), "{ran:?}");
    let (code, told) = place.reads(&["check", "--json"]);
    assert_eq!((code, &told["ok"]), (Some(1), &Value::Bool(false)));
    assert_eq!(told["policies"]["errors"].as_array().map(Vec::len), Some(1));
    // Somebody stands in: then it is a gap like any other.
    place.file("firebell.toml", &(WATCH.to_owned() + policy));
    assert_eq!(place.runs(&["check"]).code, Some(0));

    // The file is right, and the one way that the policy takes is not open here.
    let by_email = policy.replace("\"] }]", "\"], via = [\"email\"] }]");
    let email = "[notifications.email]\nfrom = \"bell@example.com\"\nsmtp_url_env = \"SMTP_URL\"\n";
    place.file("firebell.toml", &(WATCH.to_owned() + &by_email + email));
    let ran = place.runs(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let named = "warning: with what is set here, the policy `leads` reaches nobody";
    assert!(ran.out.contains(named), "{ran:?}");
    let place = place.with("SMTP_URL", "smtp://127.0.0.1:2525");
    let ran = place.runs(&["check"]);
    assert!(!ran.out.contains(named), "{ran:?}");
}

#[test]
fn only_a_bot_that_keeps_a_user_group_asks_to_write_them() {
    let place = Place::new();
    place.file("firebell.toml", WATCH);
    let scope = "usergroups:write";
    assert!(
        !place
            .runs(&["manifest", "--socket-mode"])
            .out
            .contains(scope)
    );
    let keeps = WATCH.replace("id = \"always\"", "id = \"always\"\nusergroup = \"oncall\"");
    place.file("firebell.toml", &keeps);
    assert!(
        place
            .runs(&["manifest", "--socket-mode"])
            .out
            .contains(scope)
    );
}

/// A team in Berlin, with somebody in Los Angeles, and clocks that go back.
const FORESEEN: &str = r##"
[organization]
timezone = "Europe/Berlin"
[[severities]]
id = "p1"
name = "P1 - Critical"
escalation_policy = "leadership"
acknowledge_within = "10m"
[[severities]]
id = "p3"
name = "P3 - Low"
[[people]]
id = "alice"
name = "Alice Ames"
slack = "U0ALICE001"
phone = "+15550100"
timezone = "America/Los_Angeles"
contact = [{ via = "slack", after = "0m" }, { via = "sms", after = "2m" }]
[[people]]
id = "bob"
name = "Bob Berg"
slack = "@bob"
[[people]]
id = "carol"
name = "Carol Chen"
email = "carol@example.com"
roles = ["cto"]
[[schedules]]
id = "primary"
[[schedules.rotations]]
participants = ["person:alice", "person:bob"]
shift = "1d"
handoff = "2026-10-01T02:40"
[[escalation_policies]]
id = "leadership"
repeat = 1
ack_timeout = "30m"
steps = [
  { after = "0m", notify = ["schedule:primary"] },
  { after = "15m", notify = ["schedule:primary", "channel:#ops"] },
  { after = "30m", notify = ["role:cto"], via = ["slack", "voice"] },
]
[notifications.sms]
account_sid_env = "SID"
auth_token_env = "TOKEN"
from = "+15550199"
[[alert_sources]]
id = "scripts"
kind = "generic"
secret_env = "SCRIPTS_SECRET"
[[routes]]
match = { severity = "critical" }
severity = "p1"
then = "declare"
[[routes]]
match = { severity = "warning" }
then = "notify"
"##;

#[test]
fn a_policy_is_foreseen_across_the_change_of_the_clocks() {
    let place = Place::new();
    place.file("firebell.toml", FORESEEN);
    let at = ["--at", "2026-10-25T01:30+01:00"];
    let ran = place.runs(&[&["escalation", "preview", "leadership"][..], &at].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.out, @"
    leadership: an incident, P1 - Critical, declared at Sun 2026-10-25 02:30 +02:00 (Europe/Berlin), if nobody answers
      begins again once, 15m after its last step
      an acknowledgement stops it
      an acknowledgement counts for 30m: without a sign of life by then it begins anew
      there is no database yet: by plan alone, without overrides

    Sun 2026-10-25
      02:30 +02:00     +0m  step 1 of 3: schedule:primary
                              Bob Berg: Slack to @bob
      02:40 +02:00    +10m  primary: Alice Ames is on call from here on
      02:40 +02:00    +10m  nobody has acknowledged in time: said in the war room and in #incidents
      02:45 +02:00    +15m  step 2 of 3: schedule:primary, channel:#ops
                              Alice Ames: Slack to U0ALICE001 (Sat 17:45 -07:00 there)
                              #ops: Slack to #ops
      02:47 +02:00    +17m  Alice Ames: SMS to +15550100 (Sat 17:47 -07:00 there)
      02:00 +01:00    +30m  the clocks of Europe/Berlin go back: +02:00 to +01:00
      02:00 +01:00    +30m  step 3 of 3: role:cto
                              Carol Chen: Slack to the account of carol@example.com
                              Carol Chen: phone: NOT REACHED, Carol Chen has no `phone`
      02:15 +01:00    +45m  step 1 of 3, round 2: schedule:primary
                              Alice Ames: Slack to U0ALICE001 (Sat 18:15 -07:00 there)
      02:17 +01:00    +47m  Alice Ames: SMS to +15550100 (Sat 18:17 -07:00 there)
      02:30 +01:00     +1h  step 2 of 3, round 2: schedule:primary, channel:#ops
                              Alice Ames: Slack to U0ALICE001 (Sat 18:30 -07:00 there)
                              #ops: Slack to #ops
      02:32 +01:00   +1h2m  Alice Ames: SMS to +15550100 (Sat 18:32 -07:00 there)
      02:45 +01:00  +1h15m  step 3 of 3, round 2: role:cto
                              Carol Chen: Slack to the account of carol@example.com
                              Carol Chen: phone: NOT REACHED, Carol Chen has no `phone`
      03:00 +01:00  +1h30m  nobody answered after 2 rounds: said loudly in the war room and in #incidents
    ");
    let ran = place.runs(&[&["escalation", "preview", "leadership", "--json"][..], &at].concat());
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["at"], "2026-10-25T02:30:00+02:00");
    assert_eq!(json["reaches_somebody"], true);
    let ways = json["lines"].as_array().unwrap().iter();
    let ways: Vec<&Value> = ways
        .filter_map(|line| line["ways"].as_array())
        .flatten()
        .collect();
    assert_eq!(ways[0]["address"], "@bob");
    assert_eq!(ways[1]["address"], "U0ALICE001");
    assert_eq!(ways[1]["local"], "2026-10-24T17:45:00-07:00");
}

#[test]
fn a_local_time_that_exists_twice_or_never_is_told_how_it_was_read() {
    let place = Place::new();
    place.file("firebell.toml", FORESEEN);
    let preview = |at: &str| place.runs(&["escalation", "preview", "leadership", "--at", at]);
    let twice = preview("2026-10-25T02:30");
    assert!(
        twice.err.contains("exists twice, as the clocks go back"),
        "{}",
        twice.err
    );
    assert!(
        twice.err.contains("read as 2026-10-25T02:30+02:00"),
        "{}",
        twice.err
    );
    let never = preview("2026-03-29T02:30");
    assert!(never.err.contains("does not exist"), "{}", never.err);
    assert!(
        never.err.contains("read as 2026-03-29T03:30+02:00"),
        "{}",
        never.err
    );
    assert_eq!(preview("yesterday").code, Some(2));
    let unknown = place.runs(&["escalation", "preview", "leadrship"]);
    assert_eq!(unknown.code, Some(1));
    assert!(
        unknown.err.contains("Did you mean leadership?"),
        "{}",
        unknown.err
    );
}

#[test]
fn an_alert_is_simulated_from_its_body_to_the_last_page() {
    let place = Place::new();
    place.file("firebell.toml", FORESEEN);
    place.file(
        "a.json",
        r#"{ "title": "disk full", "severity": "critical" }"#,
    );
    let ran = place.runs(&["simulate", "a.json", "--at", "2026-10-25T01:30+01:00"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let head: Vec<&str> = ran.out.lines().take(6).collect();
    insta::assert_snapshot!(head.join("\n"), @r#"
    firing disk full
      route 1: taken
      → declare, severity p1, grouped by name="disk full" source="scripts"
      declared as P1 - Critical: pages by leadership, as its severity says

    leadership: an incident, P1 - Critical, declared at Sun 2026-10-25 02:30 +02:00 (Europe/Berlin), if nobody answers
    "#);
    assert!(
        ran.out.contains("nobody answered after 2 rounds"),
        "{}",
        ran.out
    );
    let ran = place.runs(&["simulate", "a.json", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json[0]["incident"]["policy"], "leadership");
    assert_eq!(json[0]["incident"]["escalation"]["reaches_somebody"], true);
    place.file(
        "b.json",
        r#"{ "title": "disk fills", "severity": "warning" }"#,
    );
    let ran = place.runs(&["simulate", "b.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("route 2: taken"), "{}", ran.out);
    assert!(!ran.out.contains("step 1"), "nobody is called: {}", ran.out);
    assert_eq!(
        place.runs(&["simulate", "a.json", "--source", "no"]).code,
        Some(2)
    );
    assert_eq!(place.runs(&["simulate"]).code, Some(2));
    assert_eq!(place.runs(&["simulate", "none.json"]).code, Some(1));
}

#[test]
fn an_alert_by_which_nobody_would_be_reached_fails_its_simulation() {
    let place = Place::new();
    // By the file somebody takes turns: only not at that time.
    let text = FORESEEN.replace("2026-10-01T02:40", "2027-10-01T02:40");
    let text = text.replace(", \"channel:#ops\"", "");
    place.file(
        "firebell.toml",
        &text.replace("role:cto", "schedule:primary"),
    );
    place.file(
        "a.json",
        r#"{ "title": "disk full", "severity": "critical" }"#,
    );
    let ran = place.runs(&["simulate", "a.json", "--at", "2026-10-25T01:30+01:00"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("NOBODY IS REACHED"), "{}", ran.out);
}
