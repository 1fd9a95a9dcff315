//! The configuration as a whole: what the example says, what an empty file gives, what is told of a bad one.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil};
use proptest::prelude::*;

use super::*;
use crate::domain::alert::Flapping;
use crate::domain::catalog::*;
use crate::domain::escalation::{Channel, EscalationPolicy, Step, StopOn, Target};
use crate::domain::runbook::*;
use crate::domain::terms::{PersonId, ServiceId, SeverityId, SlackUserId};

mod alerts;
mod example;
mod people;

const EXAMPLE: &str = include_str!("../../firebell.example.toml");

fn read(text: &str) -> Catalog {
    match parse(text, "firebell.toml") {
        Ok((catalog, _)) => catalog,
        Err(faults) => panic!("{faults}"),
    }
}

/// What a person is told about a file: its errors and warnings.
fn told(text: &str) -> String {
    match parse(text, "firebell.toml") {
        Ok((_, warnings)) => warnings.render(false),
        Err(faults) => faults.render(false),
    }
}

/// The first lines of what is told, and the words beside the marks.
fn brief(text: &str) -> String {
    let faults = match parse(text, "firebell.toml") {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    };
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let help = fault.help.as_deref().unwrap_or("");
            format!("{}: {}. {help}", fault.line, fault.message)
        })
        .collect();
    lines.join("\n")
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn targets(texts: &[&str]) -> Vec<Target> {
    texts.iter().map(|text| target(text)).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Values {
    pairs
        .iter()
        .map(|(key, text)| ((*key).to_owned(), Value::Text((*text).to_owned())))
        .collect()
}

#[test]
fn an_empty_file_gives_the_default() {
    for empty in [
        "",
        "\n# nothing\n",
        "[organization]\n[slack]\n[incidents]\n[notifications]\n",
    ] {
        assert_eq!(read(empty), Catalog::default());
        assert_eq!(told(empty), "");
    }
}

#[test]
fn everything_wrong_in_a_file_is_told_at_once() {
    let text = r##"[organization]
timezone = "America/Los_Angles"

[slack]
anounce = "#incidents"
bridge = "zoom.us/j/1"

[incidents]
channel = "Incident-{yyyy}-{mmdd}-{nnn}"

[[severities]]
id = "p1"
name = "P1"
aliases = ["sev1"]
update_every = "15 minutes"
escalation_policy = "leadershp"

[[severities]]
id = "p1"
name = 2
aliases = ["SEV1"]

[[people]]
id = "alice"
email = "alice.company.com"
phone = "(555) 010-0100"

[[schedules]]
id = "primary"
  [[schedules.rotations]]
  participants = []
  shift = "1mo"
  handoff = "2025-09-01 9 o'clock"
  hours = "Mo-Fr 9-17"

[[escalation_policies]]
id = "leadership"
steps = [
	{ after = "15m", notify = ["person:alcie"], via = ["slak"] },
	{ after = "5m", notfy = ["role:cto"] },
]

[notifications.email]
smtp_url_env = "smtp://me:geheim@host:587"
from = "firebell@company.com"

[[alert_sources]]
id = "prometheus"
kind = "alertmanger"

[[routes]]
match = { source = "promethus", alarm_name = "~(rms" }
service = "{{ labels.service }"
then = "declare"

[[actions]]
id = "scale"
title = "Scale"
kind = "ecs.Scale"
inputs = { desired = { type = "integer", min = 10, max = 1 } }
risk = "hihg"
verify = { within = "10m", healthy = ["backend-api"] }

[[change_freezes]]
name = "Holidays"
from = 2026-01-02T00:00:00
to = "2025-12-20T00:00"
"##;
    let rendered = told(text);
    assert!(!rendered.contains("geheim"));
    insta::assert_snapshot!(rendered, @r##"
    error: there is no time zone "America/Los_Angles"
     --> firebell.toml:2:12
      |
    2 | timezone = "America/Los_Angles"
      |            ^^^^^^^^^^^^^^^^^^^^ did you mean "America/Los_Angeles"?

    error: unknown key `anounce`
     --> firebell.toml:5:1
      |
    5 | anounce = "#incidents"
      | ^^^^^^^ did you mean `announce`?

    error: "zoom.us/j/1" is not a web address
     --> firebell.toml:6:10
      |
    6 | bridge = "zoom.us/j/1"
      |          ^^^^^^^^^^^^^ did you mean "https://zoom.us/j/1"?

    error: "Incident-2025-0914-999999" is not a name that Slack takes for a channel
     --> firebell.toml:9:11
      |
    9 | channel = "Incident-{yyyy}-{mmdd}-{nnn}"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: use lower-case letters, digits, - and _ only, at most 80 in all

    error: "15 minutes" is not a duration
      --> firebell.toml:15:16
       |
    15 | update_every = "15 minutes"
       |                ^^^^^^^^^^^^ did you mean "15m"?

    error: there is no escalation policy `leadershp`
      --> firebell.toml:16:21
       |
    16 | escalation_policy = "leadershp"
       |                     ^^^^^^^^^^^ did you mean `leadership`?

    error: the severity `p1` is defined twice
      --> firebell.toml:19:6
       |
    12 | id = "p1"
       |      ---- first defined here
    ...
    19 | id = "p1"
       |      ^^^^ give one of them another id

    error: `name` must be a string, not an integer
      --> firebell.toml:20:8
       |
    20 | name = 2
       |        ^ put it in quotes

    error: `name` is missing in [[people]]
      --> firebell.toml:23:1
       |
    23 | [[people]]
       | ^^^^^^^^^^ add `name = …`

    error: "alice.company.com" is not an e-mail address
      --> firebell.toml:25:9
       |
    25 | email = "alice.company.com"
       |         ^^^^^^^^^^^^^^^^^^^ write it as "alice@company.com"

    error: "(555) 010-0100" is not a telephone number
      --> firebell.toml:26:9
       |
    26 | phone = "(555) 010-0100"
       |         ^^^^^^^^^^^^^^^^ write it with the country's code: "+15550100"

    error: `participants` is empty
      --> firebell.toml:31:18
       |
    31 |   participants = []
       |                  ^^ it must have at least one entry

    error: a shift of "1mo" has no fixed length
      --> firebell.toml:32:11
       |
    32 |   shift = "1mo"
       |           ^^^^^ write it in hours, days or weeks: "12h", "1d", "4w"

    error: "2025-09-01 9 o'clock" is not a time
      --> firebell.toml:33:13
       |
    33 |   handoff = "2025-09-01 9 o'clock"
       |             ^^^^^^^^^^^^^^^^^^^^^^ write a local time such as "2025-09-01T09:00"

    error: "Mo-Fr 9-17" are not hours of the week
      --> firebell.toml:34:11
       |
    34 |   hours = "Mo-Fr 9-17"
       |           ^^^^^^^^^^^^ write them as "Mon-Fri 09:00-17:00" or "22:00-06:00"

    error: there is no person `alcie`
      --> firebell.toml:39:29
       |
    39 |     { after = "15m", notify = ["person:alcie"], via = ["slak"] },
       |                                ^^^^^^^^^^^^^^ did you mean `alice`?

    error: "slak" is not a channel
      --> firebell.toml:39:53
       |
    39 |     { after = "15m", notify = ["person:alcie"], via = ["slak"] },
       |                                                        ^^^^^^ did you mean "slack"?

    error: this step comes before the one above it
      --> firebell.toml:40:12
       |
    40 |     { after = "5m", notfy = ["role:cto"] },
       |               ^^^^ `after` counts from the start of the escalation: put the steps in its order

    error: unknown key `notfy`
      --> firebell.toml:40:18
       |
    40 |     { after = "5m", notfy = ["role:cto"] },
       |                     ^^^^^ did you mean `notify`?

    error: `smtp_url_env` holds what looks like the secret itself
      --> firebell.toml:44:16
       |
    44 | smtp_url_env = ***************************
       |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^ put it into a variable and its NAME here: "SMTP_URL"

    error: "alertmanger" is not a kind of alert source
      --> firebell.toml:49:8
       |
    49 | kind = "alertmanger"
       |        ^^^^^^^^^^^^^ did you mean "alertmanager"?

    error: there is no alert source `promethus`
      --> firebell.toml:52:20
       |
    52 | match = { source = "promethus", alarm_name = "~(rms" }
       |                    ^^^^^^^^^^^ did you mean `prometheus`?

    error: "(rms" is not a regular expression
      --> firebell.toml:52:46
       |
    52 | match = { source = "promethus", alarm_name = "~(rms" }
       |                                              ^^^^^^^ found open group without closing ')'

    error: this is not a template: unexpected `}`, expected end of variable block
      --> firebell.toml:53:11
       |
    53 | service = "{{ labels.service }"
       |           ^^^^^^^^^^^^^^^^^^^^^ write it as "{{ labels.service }}"

    error: "ecs.Scale" is not a kind of action
      --> firebell.toml:59:8
       |
    59 | kind = "ecs.Scale"
       |        ^^^^^^^^^^^ did you mean "ecs.scale"?

    error: `min` is 10 and `max` is 1: no number fits
      --> firebell.toml:60:48
       |
    60 | inputs = { desired = { type = "integer", min = 10, max = 1 } }
       |                                                ^^ exchange them

    error: "hihg" is not a risk
      --> firebell.toml:61:8
       |
    61 | risk = "hihg"
       |        ^^^^^^ did you mean "high"?

    error: "backend-api" is not a check
      --> firebell.toml:62:39
       |
    62 | verify = { within = "10m", healthy = ["backend-api"] }
       |                                       ^^^^^^^^^^^^^ did you mean "check:backend-api"?

    error: this freeze ends before it begins
      --> firebell.toml:67:6
       |
    67 | to = "2025-12-20T00:00"
       |      ^^^^^^^^^^^^^^^^^^ `to` must be later than `from`

    29 errors
    "##);
}

#[test]
fn what_is_no_toml_is_told_together_with_the_faults_of_the_other_lines() {
    let text =
        "[slack]\nannounce = #incidents\ncommnd = \"/incident\"\n\n[[routes]\nthen = \"notify\"\n";
    insta::assert_snapshot!(told(text), @r#"
    error: string values must be quoted, expected literal string
     --> firebell.toml:2:12
      |
    2 | announce = #incidents
      |            ^

    error: unknown key `commnd`
     --> firebell.toml:3:1
      |
    3 | commnd = "/incident"
      | ^^^^^^ did you mean `command`?

    error: unclosed array table, expected `]`
     --> firebell.toml:5:10
      |
    5 | [[routes]
      |          ^

    3 errors
    "#);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_known_one_at_every_depth() {
    insta::assert_snapshot!(brief(r##"
severity = []
[[actions]]
id = "a"
title = "A"
kind = "ecs.scale"
approvals = { requird = 1, by = ["usergroup:sre"] }
inputs = { n = { typ = "integer", mni = 1, type = "integer" } }
verify = { witin = "1m", within = "1m" }
[notifications.sms]
account_sid = "TWILIO_ACCOUNT_SID"
auth_token_env = "TWILIO_AUTH_TOKEN"
from = "+15550199"
[organization]
banana = 1
"##), @r#"
    2: unknown key `severity`. did you mean `severities`?
    7: unknown key `requird`. did you mean `required`?
    8: unknown key `typ`. did you mean `type`?
    8: unknown key `mni`. did you mean `min`?
    9: unknown key `witin`. did you mean `within`?
    11: unknown key `account_sid`. did you mean `account_sid_env`?
    15: unknown key `banana`. known here: name, timezone
    "#);
}

#[test]
fn what_could_never_work_is_told() {
    insta::assert_snapshot!(brief(r##"
[[severities]]
id = "p1"
name = "P1"
invite = ["channel:#ops", "usergroup:sre"]
[[people]]
id = "ana"
name = "Ana Ames"
email = "ana@example.com"
[[people]]
id = "ann"
name = "ana ames"
email = "Ana@example.com"
slack = "@ana"
[[people]]
id = "bo"
name = "Bo"
slack = "@Ana"
[[actions]]
id = "rollback"
title = "Roll back"
kind = "ecs.rolback"
approvals = { required = 1 }
[[actions]]
id = "scale"
title = "Scale"
kind = "ecs.scale"
approvals = { required = 0 }
[[checks]]
id = "site"
kind = "https"
with = { url = "https://example.com" }
[[checks]]
id = "api"
kind = "http"
[[checks]]
id = "teapot"
kind = "teapot"
"##), @r##"
    5: #ops cannot be invited: a channel is nobody. name people: person:ID, schedule:ID, role:NAME or usergroup:HANDLE
    12: two people have the name "ana ames". say who is who, or take one of them out
    13: two people have the e-mail address "Ana@example.com". say who is who, or take one of them out
    18: two people have the Slack name "@Ana". say who is who, or take one of them out
    22: "ecs.rolback" is not a kind of action. did you mean "ecs.rollback"?
    23: nobody is named who may approve: anybody in the incident may. add `by = ["role:NAME"]`
    31: "https" is not a kind of check. did you mean "http"?
    33: nobody can say what this check asks: `with` is missing. add `with = { url = "https://…" }`
    38: "teapot" is not a kind of check. write one of: http, ecs.service
    "##);
}

#[test]
fn one_slip_is_told_once() {
    let action = "[[actions]]\nid = \"a\"\ntitle = \"A\"\nkind = \"ecs.scale\"\n";
    let input = "inputs = { n = { type = \"intger\", min = 1, max = 2, title = \"N\" } }";
    assert_eq!(
        brief(&format!("{action}{input}")),
        "5: \"intger\" is not a type of input. did you mean \"integer\"?"
    );
    for text in [
        "[[people]]\nid = \"a b\"\nname = \"A\"\nslack = \"@a\"\nroles = [\"r\"]",
        "[[routes]]\nmatch = {}\nthn = \"notify\"\nchannel = \"#a\"",
        "[[checks]]\nid = \"a\"\nkind = \"http\"\nwith = { expect_status = 200 }",
        "[[severities]]\nid = \"\"\nname = \"A\"\naliases = [\"a\"]",
        "[[alert_sources]]\nid = \"a\"\nkind = \"promethoos\"\ntopics = []",
        "[[change_freezes]]\nname = \"A\"\nfrom = \"soon\"\nto = \"2025-12-20T00:00\"\nexcept_risk = [\"low\"]",
    ] {
        assert_eq!(brief(text).lines().count(), 1, "{}", told(text));
    }
}

#[test]
fn a_secret_is_never_told_back() {
    for secret in [
        "xoxb-1234567890-abcdefghijkl",
        "smtp://user:hunter2@host:587",
        "0123456789abcdef0123456789abcdef",
        "sk9fj3Kd02lsPq8fj2Lx",
        "hunter2 hunter2",
    ] {
        let text =
            format!("[[alert_sources]]\nid = \"a\"\nkind = \"generic\"\nsecret_env = \"{secret}\"");
        let rendered = told(&text);
        assert!(!rendered.contains(secret), "{rendered}");
        assert!(rendered.contains("NAME"), "{rendered}");
    }
    insta::assert_snapshot!(told("[[alert_sources]]\nid = \"a\"\nkind = \"sentry\"\nsecret_env = \"xoxb-1-2\""), @r#"
    error: `secret_env` holds what looks like the secret itself
     --> firebell.toml:4:14
      |
    4 | secret_env = **********
      |              ^^^^^^^^^^ put it into a variable and its NAME here: "SECRET"

    1 error
    "#);
}

#[test]
fn a_wrong_kind_of_value_is_told_with_what_it_should_be() {
    insta::assert_snapshot!(brief(r##"
slack = "#incidents"
severities = { id = "p1" }
people = [1]
[organization]
name = 1
[[services]]
id = "a b"
runbooks = "rms.md"
links = { dashboard = "console" }
[[escalation_policies]]
id = "p"
repeat = "1"
steps = [{ after = 15, notify = "person:x" }]
[[checklists]]
id = "c"
title = ""
items = ["a", 1]
"##), @r#"
    2: `slack` must be a table, not a string. write `{ key = value }`, or a section of its own
    3: `severities` is a list, not a single table. begin each entry with [[severities]]
    4: an entry of `people` must be a table, not an integer. write `{ key = value }`, or a section of its own
    6: `name` must be a string, not an integer. put it in quotes
    8: "a b" is not an id. use letters, digits, - _ and . only, at most 64 in all
    9: `runbooks` must be a list, not a string. put it in brackets: [ … ]
    10: "console" is not a web address. did you mean "https://console"?
    13: `repeat` must be an integer, not a string. write a whole number without quotes
    14: `after` must be a string, not an integer. put it in quotes
    14: `notify` must be a list, not a string. put it in brackets: [ … ]
    17: `title` is empty. write what it should say
    18: an entry of `items` must be a string, not an integer. put it in quotes
    "#);
}

#[test]
fn a_word_means_one_severity_only() {
    let severity = |id: &str, aliases: &str| {
        format!("[[severities]]\nid = \"{id}\"\nname = \"{id}\"\naliases = [{aliases}]\n")
    };
    let text = severity("p1", "\"sev1\", \"P1\"") + &severity("p2", "\"SEV1\", \"p1\"");
    insta::assert_snapshot!(told(&text), @r#"
    error: "SEV1" means two severities, `p1` and `p2`
     --> firebell.toml:8:12
      |
    4 | aliases = ["sev1", "P1"]
      |            ------ means another one here
    ...
    8 | aliases = ["SEV1", "p1"]
      |            ^^^^^^ take it away from one of them

    error: "p1" means two severities, `p1` and `p2`
     --> firebell.toml:8:20
      |
    2 | id = "p1"
      |      ---- means another one here
    ...
    8 | aliases = ["SEV1", "p1"]
      |                    ^^^^ take it away from one of them

    2 errors
    "#);
}

#[test]
fn an_empty_list_of_severities_is_no_list() {
    assert_eq!(
        brief("severities = []"),
        "1: there is no severity. leave it out for P1 to P4, or begin one with [[severities]]"
    );
}

#[test]
fn the_default_file_may_be_missing_and_a_named_one_may_not() {
    assert!(load(&ConfigFile::Named("/nowhere/firebell.toml".into())).is_err());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("firebell.toml");
    let error = load(&ConfigFile::Named(path.clone())).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("Set FIREBELL_CONFIG to a file that exists, or unset it")
    );

    std::fs::write(&path, EXAMPLE).unwrap();
    let (catalog, _) = load(&ConfigFile::Named(path.clone())).unwrap();
    assert_eq!(catalog, read(EXAMPLE));

    std::fs::write(&path, b"name = 1\nx = \"\xff\"\n").unwrap();
    let Err(LoadError::Faulty(faults)) = load(&ConfigFile::Named(path)) else {
        panic!("the file is not UTF-8");
    };
    assert_eq!(
        faults.iter().next().map(|fault| (fault.line, fault.column)),
        Some((2, 6))
    );
}

#[test]
fn a_file_from_windows_is_read_as_well() {
    let text = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert_eq!(read(&text), read(EXAMPLE));
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end_of_the_process() {
    for deep in [
        "[".repeat(100_000),
        "a=".to_owned() + &"[".repeat(100_000),
        "a=".to_owned() + &"{a=".repeat(100_000),
        "a.".repeat(100_000),
    ] {
        assert!(parse(&deep, "firebell.toml").is_err());
    }
}

fn faults_lie_inside(text: &str) -> Result<(), TestCaseError> {
    let faults = match parse(text, "firebell.toml") {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    };
    let lines = text.matches('\n').count() + 1;
    for fault in faults.iter() {
        prop_assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
        prop_assert!((1..=lines).contains(&fault.line), "{fault:?}");
        prop_assert!(fault.column >= 1);
        if let Some(related) = &fault.related {
            prop_assert!(text.get(related.span.clone()).is_some(), "{fault:?}");
        }
    }
    let _ = faults.render(true);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_whatever_makes_it_panic(text in "(?s).{0,300}") {
        faults_lie_inside(&text)?;
    }

    #[test]
    fn no_change_of_the_example_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[\"'\\[\\]{}=.,#\\n\\t a-z0-9äß€😀~:@+_-]{0,6}"), 1..8),
    ) {
        let mut text = EXAMPLE.to_owned();
        for (at, cut, insertion) in changes {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + cut).min(text.len())).max(start);
            text.replace_range(start..end, &insertion);
        }
        faults_lie_inside(&text)?;
    }

    #[test]
    fn no_bytes_whatever_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        faults_lie_inside(&String::from_utf8_lossy(&bytes))?;
    }
}

#[test]
fn a_length_of_nothing_is_mended_by_a_length() {
    insta::assert_snapshot!(brief(r#"
[alerts]
retention = "0d"
flapping = { changes = 4, within = "0m" }
[[severities]]
id = "p1"
name = "One"
update_every = "0m"
"#), @r##"
    3: `retention` must be longer than zero. write how long: "30m", "8h", "90d"
    4: `within` must be longer than zero. write how long: "30m", "8h", "90d"
    8: `update_every` must be longer than zero. leave it out if there is no limit
    "##);
}
