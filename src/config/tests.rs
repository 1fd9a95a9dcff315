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
fn the_example_has_no_error_and_warns_of_those_who_are_only_named() {
    insta::assert_snapshot!(told(EXAMPLE), @r#"
    warning: nobody has the role `engineering-manager`
      --> firebell.toml:33:51
       |
    33 | invite = ["schedule:primary", "role:devops-lead", "role:engineering-manager"]
       |                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: give it to somebody under [[people]]: roles = ["engineering-manager"]

    warning: there is no person `bob`
      --> firebell.toml:94:35
       |
    94 |   participants = ["person:alice", "person:bob"]
       |                                   ^^^^^^^^^^^^ add it under [[people]]

    warning: this step reaches nobody
       --> firebell.toml:109:29
        |
    109 |   { after = "30m", notify = ["role:engineering-manager"],  via = ["slack", "email"] },
        |                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        = help: it goes on to the next step at once: name somebody who has a way that is set up

    warning: this step reaches nobody
       --> firebell.toml:110:29
        |
    110 |   { after = "60m", notify = ["role:cto"],                  via = ["slack", "email", "voice"] },
        |                             ^^^^^^^^^^^^
        = help: it goes on to the next step at once: name somebody who has a way that is set up

    warning: nobody has the role `cto`
       --> firebell.toml:110:30
        |
    110 |   { after = "60m", notify = ["role:cto"],                  via = ["slack", "email", "voice"] },
        |                              ^^^^^^^^^^ give it to somebody under [[people]]: roles = ["cto"]

    5 warnings
    "#);
}

#[test]
fn the_example_says_whose_incidents_these_are_and_what_they_are_called() {
    let catalog = read(EXAMPLE);
    let zone = TimeZone::get("America/Los_Angeles").unwrap();
    assert_eq!(
        catalog.organization,
        Organization {
            name: "EC2 Manager".into(),
            timezone: zone,
        }
    );
    assert_eq!(
        catalog.slack,
        Slack {
            announce: "#incident-response".into(),
            bridge: Some("https://zoom.us/j/5550100".into()),
            command: "/incident".into(),
            messages_per_minute: 60,
        }
    );
    let Incidents {
        id,
        channel,
        retention,
    } = catalog.incidents;
    let day = civil::date(2025, 9, 14);
    assert_eq!(id.render(day, 1), "INC-2025-0914-001");
    assert_eq!(channel.render(day, 1), "incident-2025-0914-001");
    assert_eq!(retention.to_string(), "7y");
}

#[test]
fn the_example_has_the_severities_that_are_the_default_with_people_to_call() {
    let catalog = read(EXAMPLE);
    let mut expected = Severity::defaults();
    for (severity, invite) in expected.iter_mut().zip([
        [
            "schedule:primary",
            "role:devops-lead",
            "role:engineering-manager",
        ]
        .as_slice(),
        &["schedule:primary", "role:engineering-manager"],
        &["schedule:primary"],
        &[],
    ]) {
        severity.invite = targets(invite);
    }
    for severity in &mut expected[..2] {
        severity.escalation_policy = Some("leadership".into());
    }
    expected[0].checklists = strings(&["p1-response"]);
    assert_eq!(catalog.severities, expected);
}

#[test]
fn the_example_has_people_and_who_is_on_call() {
    let catalog = read(EXAMPLE);
    assert_eq!(
        catalog.people[1],
        Person {
            id: PersonId::new("carol"),
            name: "Carol Chen".into(),
            slack: SlackUserId::parse("U0CAROL001").map(SlackName::Id),
            email: Some("carol@company.com".into()),
            phone: Some("+15550102".into()),
            timezone: TimeZone::get("Asia/Tokyo").ok(),
            roles: strings(&["devops-lead"]),
            contact: vec![],
            webhook_url_env: None,
        }
    );
    let schedule = &catalog.schedules[0];
    assert_eq!(schedule.timezone, catalog.organization.timezone);
    assert_eq!(schedule.fallback, Some(target("person:carol")));
    let rotation = &schedule.rotations[0];
    assert_eq!(
        rotation.participants,
        [PersonId::new("alice"), PersonId::new("bob")]
    );
    assert_eq!(rotation.shift.to_string(), "1w");
    assert_eq!(rotation.handoff, civil::datetime(2025, 9, 1, 9, 0, 0, 0));
    assert_eq!(rotation.hours, None);
    assert_eq!(
        catalog.escalation_policies,
        [EscalationPolicy {
            id: "leadership".into(),
            stop_on: StopOn::Acknowledged,
            repeat: 1,
            repeat_after: None,
            ack_timeout: None,
            steps: [
                (
                    0,
                    "schedule:primary",
                    [Channel::Slack, Channel::Sms].as_slice()
                ),
                (
                    15,
                    "role:devops-lead",
                    &[Channel::Slack, Channel::Sms, Channel::Voice]
                ),
                (
                    30,
                    "role:engineering-manager",
                    &[Channel::Slack, Channel::Email]
                ),
                (
                    60,
                    "role:cto",
                    &[Channel::Slack, Channel::Email, Channel::Voice]
                ),
            ]
            .into_iter()
            .map(|(minutes, notify, via)| Step {
                after: SignedDuration::from_mins(minutes),
                notify: targets(&[notify]),
                via: via.to_vec(),
            })
            .collect(),
        }]
    );
    assert_eq!(
        catalog.notifications,
        Notifications {
            email: Some(Email {
                smtp_url_env: "SMTP_URL".into(),
                from: "firebell@company.com".into(),
            }),
            sms: Some(Sms {
                account_sid_env: "TWILIO_ACCOUNT_SID".into(),
                auth_token_env: "TWILIO_AUTH_TOKEN".into(),
                from: "+15550199".into(),
                base_url: "https://api.twilio.com".into(),
            }),
            webhook: None,
        }
    );
}

#[test]
fn the_example_has_services_and_what_is_done_with_alerts() {
    let catalog = read(EXAMPLE);
    let links = [
        ("dashboard", "https://console.aws.amazon.com/cloudwatch"),
        ("health", "https://api.rms.example.com/health"),
    ];
    assert_eq!(
        catalog.services,
        [Service {
            id: ServiceId::new("backend"),
            name: "RMS backend".into(),
            owner: Some(target("role:devops-lead")),
            escalation_policy: Some("leadership".into()),
            links: links.map(|(key, link)| (key.into(), link.into())).into(),
            runbooks: strings(&["rms.md"]),
        }]
    );
    assert_eq!(
        catalog.alert_sources,
        [
            AlertSource {
                id: "prometheus".into(),
                kind: SourceKind::Alertmanager,
                secret_env: Some("PROMETHEUS_SECRET".into()),
                topics: vec![],
                require_v2: false,
                fields: [].into(),
            },
            AlertSource {
                id: "cloudwatch".into(),
                kind: SourceKind::CloudwatchSns,
                secret_env: None,
                topics: strings(&["arn:aws:sns:us-west-2:123456789012:alarms"]),
                require_v2: false,
                fields: [].into(),
            },
        ]
    );
    let equal = |text: &str| Matcher::Equal(text.into());
    let pattern = |text: &str| Matcher::Pattern(text.into());
    assert_eq!(
        catalog.routes,
        [
            Route {
                matches: [
                    ("source".into(), equal("prometheus")),
                    ("severity".into(), equal("critical")),
                ]
                .into(),
                service: Some(Chosen::Template("{{ labels.service }}".into())),
                severity: Some(Chosen::Fixed(SeverityId::new("p1"))),
                then: Then::Declare,
                group_by: strings(&["service", "alertname"]),
                channel: None,
                escalation_policy: None,
                join: Some(SignedDuration::from_mins(30)),
            },
            Route {
                matches: [
                    ("source".into(), equal("cloudwatch")),
                    ("alarm_name".into(), pattern("^rms-")),
                ]
                .into(),
                service: Some(Chosen::Fixed(ServiceId::new("backend"))),
                severity: Some(Chosen::Fixed(SeverityId::new("p2"))),
                then: Then::Declare,
                group_by: vec![],
                channel: None,
                escalation_policy: None,
                join: None,
            },
            Route {
                matches: [("severity".into(), pattern("warning|info"))].into(),
                service: None,
                severity: None,
                then: Then::Notify,
                group_by: vec![],
                channel: Some("#alerts".into()),
                escalation_policy: None,
                join: None,
            },
        ]
    );
    assert_eq!(catalog.alerts, Alerts::default());
    assert_eq!(
        catalog.maintenance,
        [Maintenance {
            name: "Database move".into(),
            matches: BTreeMap::new(),
            service: Some(ServiceId::new("backend")),
            from: Some(civil::datetime(2025, 9, 21, 2, 0, 0, 0)),
            to: Some(civil::datetime(2025, 9, 21, 4, 0, 0, 0)),
            every: None,
            timezone: TimeZone::get("America/Los_Angeles").unwrap(),
        }]
    );
}

#[test]
fn the_example_has_actions_checks_and_a_freeze() {
    let catalog = read(EXAMPLE);
    let minutes = SignedDuration::from_mins;
    let ecs = [
        ("cluster", "rms-cluster-prod"),
        ("service", "rms-backend-service-prod"),
    ];
    let action = |id: &str, title: &str, kind: &str| Action {
        id: id.into(),
        title: title.into(),
        kind: kind.into(),
        service: Some(ServiceId::new("backend")),
        with: texts(&ecs),
        inputs: vec![],
        risk: Risk::Low,
        approvals: Approvals {
            required: 0,
            ..Approvals::default()
        },
        verify: None,
    };
    let desired_count = Input {
        name: "desired_count".into(),
        kind: InputKind::Integer {
            min: Some(1),
            max: Some(10),
        },
        title: None,
        default: None,
        required: true,
    };
    assert_eq!(
        catalog.actions,
        [
            Action {
                risk: Risk::High,
                approvals: Approvals {
                    required: 1,
                    by: targets(&["role:devops-lead"]),
                    expires_after: minutes(15),
                    self_approval: false,
                },
                verify: Some(Verify {
                    within: minutes(10),
                    healthy: strings(&["backend-api"]),
                }),
                ..action(
                    "rollback-backend",
                    "Roll back RMS backend to the previous release",
                    "ecs.rollback"
                )
            },
            Action {
                inputs: vec![desired_count],
                ..action("scale-backend", "Scale RMS backend", "ecs.scale")
            },
            Action {
                with: texts(&[("instance", "rms-db-prod")]),
                ..action("snapshot-db", "Snapshot the RMS database", "rds.snapshot")
            },
        ]
    );
    let http: Values = [
        (
            "url".into(),
            Value::Text("https://api.rms.example.com/health".into()),
        ),
        ("expect_status".into(), Value::Integer(200)),
    ]
    .into();
    let check = |id: &str, kind: &str, with: Values| Check {
        id: id.into(),
        title: None,
        kind: kind.into(),
        service: None,
        with,
    };
    assert_eq!(
        catalog.checks,
        [
            check("backend-api", "http", http),
            check("backend-tasks", "ecs.service", texts(&ecs)),
        ]
    );
    assert_eq!(
        catalog.checklists,
        [Checklist {
            id: "p1-response".into(),
            title: "P1 incident response".into(),
            items: strings(&[
                "Acknowledge alert within 2 minutes",
                "Assign Incident Commander",
                "Initial assessment within 5 minutes",
            ]),
        }]
    );
    assert_eq!(
        catalog.change_freezes,
        [ChangeFreeze {
            name: "Holiday freeze".into(),
            from: civil::datetime(2025, 12, 20, 0, 0, 0, 0),
            to: civil::datetime(2026, 1, 2, 0, 0, 0, 0),
            except_risk: vec![Risk::Low],
        }]
    );
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
fn a_maintenance_must_end_and_should_mean_something() {
    insta::assert_snapshot!(brief(r#"
[[maintenance]]
name = "a"
from = "2025-09-14T04:00"
to = "2025-09-14T02:00"
service = "chekout"

[[maintenance]]
name = "b"
from = "2025-09-14T04:00"

[[maintenance]]
name = "c"
every = "Sun 2-4"
match = { source = "prometheus" }

[[services]]
id = "checkout"
"#), @r##"
    5: this maintenance ends before it begins. `to` must be later than `from`
    6: there is no service `chekout`. did you mean `checkout`?
    8: this maintenance would never end. add `from` and `to`, or `every = "Sun 02:00-04:00"`
    8: while this maintenance holds nobody is told of any alert. add `service` or `match`
    14: "Sun 2-4" are not hours of the week. write them as "Mon-Fri 09:00-17:00" or "22:00-06:00"
    15: there is no alert source `prometheus`. add it under [[alert_sources]]
    "##);
}

#[test]
fn the_limits_of_alerts_leave_something_to_tell() {
    insta::assert_snapshot!(brief(r#"
[alerts]
flapping = { changes = 1, within = "30m" }
cut_off = { incidents = 0, within = "0m" }
retention = "90 days"
quieted_by_incident = false
"#), @r##"
    3: whatever begins would be flapping. write 2 or more: a beginning and an end
    4: no alert would ever declare an incident. write 1 or more: the first is always declared
    4: `within` must be longer than zero. write how long: "30m", "8h", "90d"
    5: "90 days" is not a duration. did you mean "90d"?
    6: unknown key `quieted_by_incident`. did you mean `quieted_by_incidents`?
    "##);
}

#[test]
fn flapping_can_be_switched_off_by_its_word_alone() {
    let parsed = |value: &str| parse(&format!("[alerts]\nflapping = {value}"), "firebell.toml");
    let (catalog, _) = parsed("\"off\"").unwrap();
    assert_eq!(catalog.alerts.flapping, Flapping::NEVER);
    let (catalog, _) = parsed("{ changes = 4, within = \"10m\" }").unwrap();
    assert_eq!(catalog.alerts.flapping.turns, 4);
    insta::assert_snapshot!(brief(r#"
[alerts]
flapping = "never"
"#), @r##"
    3: "never" does not say when an alert flaps. write `{ changes = 6, within = "30m" }`, or "off"
    "##);
    assert!(parsed("false").is_err());
}

#[test]
fn what_joins_needs_a_service_and_a_declaration() {
    insta::assert_snapshot!(brief(r#"
[[routes]]
then = "declare"
join = "30m"

[[routes]]
then = "notify"
join = "0m"
"#), @r##"
    4: without a `service` there is no incident to join. add `service`: an incident of the same service is joined
    6: no alert comes to this route: one above takes every alert. put the route without `match` last
    8: `join` must be longer than zero. write how long: "30m", "8h", "90d"
    8: nothing joins an incident with `then = "notify"`. leave `join` out, or write then = "declare"
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
fn the_fields_of_an_alert_are_expressions_that_compile() {
    let catalog = read(
        r#"
[[alert_sources]]
id = "ci"
kind = "generic"
secret_env = "CI_SECRET"
fields = { each = "body.jobs", title = "item.name ~ ' failed'", status = "'resolved' if item.ok else 'firing'" }
"#,
    );
    let fields = [
        (AlertField::Each, "body.jobs"),
        (AlertField::Title, "item.name ~ ' failed'"),
        (AlertField::Status, "'resolved' if item.ok else 'firing'"),
    ];
    assert_eq!(
        catalog.alert_sources[0].fields,
        fields.map(|(field, text)| (field, text.to_owned())).into()
    );
    insta::assert_snapshot!(brief(r#"
[[alert_sources]]
id = "a"
kind = "generic"
secret_env = "A"
[alert_sources.fields]
titel = "body.title"
key = "body.["
severity = "{{ body.severity }}"
labels = 7
[[alert_sources]]
id = "b"
kind = "sentry"
secret_env = "B"
fields = { title = "body.title" }
"#), @r#"
    7: unknown key `titel`. did you mean `title`?
    8: this is not an expression: unexpected `[`, expected identifier or integer. write it as "body.title", without {{ }}
    9: this is a template, not an expression. write it as "body.title", without {{ }}
    10: `labels` must be a string, not an integer. put it in quotes
    15: a source of the kind "sentry" takes no `fields`: what it sends is known. leave them out, or use the kind grafana, datadog, cloudevents, generic
    "#);
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
fn somebody_unknown_may_take_turns_only_where_a_fallback_is_told_instead() {
    let text = |fallback: &str| {
        format!(
            "[[people]]\nid = \"carol\"\nname = \"Carol\"\nemail = \"c@c.com\"\n[[schedules]]\nid = \"primary\"\n{fallback}\n\
             rotations = [{{ participants = [\"person:bob\"], shift = \"1w\", handoff = \"2025-09-01T09:00\" }}]"
        )
    };
    assert!(parse(&text(""), "f").is_err());
    let (_, warnings) = parse(&text("fallback = \"person:carol\""), "f").unwrap();
    assert_eq!(warnings.count(Level::Warning), 1);
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
fn heartbeats_have_an_id_each_and_time_to_speak() {
    insta::assert_snapshot!(brief(r#"
[[alert_sources]]
id = "a"
kind = "generic"
secret_env = "A"

[[heartbeats]]
id = "backup"
source = "a"
every = "25h"

[[heartbeats]]
id = "backup"
source = "a"
every = "0m"
severity = "critical"

[[heartbeats]]
id = "other"
source = "a"
every = "a day"
severity = "critical"
match = { alertname = "Watchdog" }
"#), @r##"
    13: the heartbeat `backup` is defined twice. give one of them another id
    15: `every` must be longer than zero. write how long: "30m", "8h", "90d"
    21: "a day" is not a duration. write a length such as "15m", "1h30m" or "2d"
    "##);
}

#[test]
fn what_no_alert_will_ever_give_is_told_before_one_comes() {
    insta::assert_snapshot!(brief(r#"
[[services]]
id = "checkout"
[[alert_sources]]
id = "ci"
kind = "generic"
secret_env = "A"
[alert_sources.fields]
title = "body.t | lowr"
key = "body.a.b | lower | nosuch"
severity = "'p1' if body.x is nosuch else 'p2'"
status = "bdy.status"
description = "nosuch(body.x)"
each = "body.jobs | map(attribute='x') | list"
dashboard = "'https://x/' ~ body.a.b.c | default('z') | upper"
[[routes]]
match = { a = "1" }
service = "{{ labels.x | nosuch }}"
severity = "{{ lables.severity }}"
then = "notify"
[[routes]]
match = { a = "2" }
service = "{% if labels.a %}{{ labels.service | upper }}{% else %}{{ name | replace('a', 'b') }}{% endif %}"
severity = "{% for i in range(3) %}{{ loop.index }}{{ severity }}{% endfor %}"
then = "notify"
[[routes]]
match = { a = "3" }
service = "{{ labels.a | uper if labels.b else '' }}"
then = "notify"
"#), @r##"
    9: this cannot work: filter lowr is unknown. did you mean `lower`?
    10: this cannot work: filter nosuch is unknown. known are those of Jinja, as minijinja has them
    11: this cannot work: test nosuch is unknown. known are those of Jinja, as minijinja has them
    12: there is no `bdy` here. did you mean `body`?
    13: there is no `nosuch` here. known here: body, item
    18: this cannot work: filter nosuch is unknown. known are those of Jinja, as minijinja has them
    19: there is no `lables` here. did you mean `labels`?
    28: this cannot work: filter uper is unknown. did you mean `upper`?
    "##);
}

#[test]
fn a_route_after_one_that_takes_all_is_doubted_once() {
    insta::assert_snapshot!(told(r#"[[routes]]
match = { severity = "critical" }
then = "notify"
[[routes]]
then = "notify"
[[routes]]
match = { severity = "warning" }
then = "suppress"
[[routes]]
then = "suppress"
"#), @r##"
    warning: no alert comes to this route: one above takes every alert
     --> firebell.toml:6:1
      |
    4 | [[routes]]
      | ---------- this one
    ...
    6 | [[routes]]
      | ^^^^^^^^^^ put the route without `match` last

    1 warning
    "##);
    assert_eq!(
        told(
            "[[routes]]\nmatch = { a = \"b\" }\nthen = \"notify\"\n[[routes]]\nthen = \"notify\"\n"
        ),
        ""
    );
}

#[test]
fn sources_that_nobody_could_tell_apart_or_believe_are_faults() {
    insta::assert_snapshot!(brief(r#"
[[alert_sources]]
id = "a"
kind = "opsgenie"
secret_env = "SAME"
[[alert_sources]]
id = "b"
kind = "opsgenie"
secret_env = "SAME"
[[alert_sources]]
id = "c"
kind = "generic"
secret_env = "SAME"
[[alert_sources]]
id = "d"
kind = "generic"
secret_env = "SAME"
topics = ["arn:aws:sns:us-west-2:123456789012:alarms"]
require_v2 = true
[[alert_sources]]
id = "e"
kind = "cloudwatch-sns"
topics = []
[[alert_sources]]
id = "f"
kind = "cloudwatch-sns"
secret_env = "F"
"#), @r##"
    9: two sources of the kind "opsgenie" have the secret SAME: nothing tells them apart. give each a secret of its own
    18: a source of the kind "generic" has no `topics`: that is Amazon SNS's. leave it out, or write kind = "cloudwatch-sns"
    19: a source of the kind "generic" has no `require_v2`: that is Amazon SNS's. leave it out, or write kind = "cloudwatch-sns"
    23: this source listens to no topic: every alert will be refused. list the ARN of each: ["arn:aws:sns:us-west-2:123456789012:alarms"]
    24: nothing can prove who sends to this source: every alert will be refused. add `topics`
    "##);
}

#[test]
fn an_inhibition_says_what_quiets_and_what_is_quieted() {
    insta::assert_snapshot!(brief(r#"
[[inhibitions]]
name = "a"
when = {}
quiets = {}
equal = ["service"]
[[inhibitions]]
name = "b"
when = { severity = "critical" }
quiets = { severity = "warning" }
equal = ["service"]
[[inhibitions]]
when = {}
"#), @r##"
    4: `when` is empty: every alert would quiet others. write what they carry: { severity = "critical" }
    5: `quiets` is empty: every alert would be quieted. write what they carry: { severity = "critical" }
    12: `name` is missing in [[inhibitions]]. add `name = …`
    12: `quiets` is missing in [[inhibitions]]. add `quiets = …`
    13: `when` is empty: every alert would quiet others. write what they carry: { severity = "critical" }
    "##);
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

#[test]
fn how_a_person_wishes_to_be_reached_is_put_in_the_order_of_time() {
    let catalog = read(
        r#"
        [[people]]
        id = "ana"
        name = "Ana"
        slack = "U0ANA00001"
        phone = "+15550100"
        contact = [
          { via = "voice", after = "5m" },
          { via = "slack", after = "0m" },
          { via = "sms", after = "2m" },
        ]
        [notifications.sms]
        account_sid_env = "SID"
        auth_token_env = "TOKEN"
        from = "+15550199"
        "#,
    );
    let contact = catalog.people[0].contact.iter();
    let told: Vec<_> = contact
        .map(|rule| format!("{} {:#}", rule.via, rule.after))
        .collect();
    assert_eq!(told, ["slack 0s", "sms 2m", "voice 5m"]);
}

#[test]
fn a_way_that_leads_to_nobody_is_told_at_its_place() {
    let text = r#"
[[people]]
id = "ana"
name = "Ana"
contact = [
  { via = "slack", after = "0m" },
  { via = "email", after = "1m" },
  { via = "sms", after = "2m" },
  { via = "voice", after = "3m" },
  { via = "fax", after = "4m" },
  { via = "webhook", after = "5m", if = "night" },
  { via = "webhook" },
]

[[people]]
id = "bo"
name = "Bo"
email = "bo@example.com"
phone = "+15550100"
webhook_url_env = "BO_URL"
contact = [
  { via = "slack", after = "0m" },
  { via = "sms", after = "2h" },
  { via = "webhook", after = "5m" },
]
"#;
    insta::assert_snapshot!(brief(text), @r#"
    2: `ana` cannot be reached. add `slack`, `email` or `phone`
    6: this person cannot be reached by "slack". add `slack`, or `email` by which Slack finds them, or take the rule out
    7: this person cannot be reached by "email". add `email`, or take the rule out
    8: this person cannot be reached by "sms". add `phone`, or take the rule out
    9: this person cannot be reached by "voice". add `phone`, or take the rule out
    10: "fax" is not a channel. write one of: slack, email, sms, voice, webhook
    11: "webhook" is not set up: nothing will be sent by it. add [notifications.webhook]
    11: unknown key `if`. known here: via, after
    12: `after` is missing in a rule of `contact`. add `after = …`
    12: "webhook" is in `contact` twice. take one of them out
    12: "webhook" is not set up: nothing will be sent by it. add [notifications.webhook]
    23: "sms" is not set up: nothing will be sent by it. add [notifications.sms]
    23: this is later than an hour after the page. a person is paged to act now: write "5m"
    "#);
}

#[test]
fn a_webhook_takes_a_body_of_ones_own_and_no_secret() {
    let webhook = |more: &str| format!("[notifications.webhook]\nurl_env = \"URL\"\n{more}\n");
    let fine = read(&webhook(
        "body = '{ \"title\": {{ subject }} }'\nheaders = { Priority = \"urgent\", Title = \"{{ subject }}\" }",
    ));
    let webhook_read = fine.notifications.webhook.unwrap();
    assert_eq!(webhook_read.content_type, "application/json");
    assert_eq!(webhook_read.headers["Priority"], "urgent");
    let told = [
        "body = '{{ subjct }}'",
        "body = '{{ subject|uper }}'",
        "body = '{{ subject'",
        "headers = { Authorization = \"Bearer abc\" }",
        "headers = { Content-Length = \"7\" }",
        "headers = { \"a b\" = \"7\" }",
        "content_type = \"text/plain\\n\"",
    ]
    .map(|more| brief(&webhook(more)));
    insta::assert_snapshot!(told.join("\n"), @r#"
    3: there is no `subjct` here. did you mean `subject`?
    3: this cannot work: filter uper is unknown. did you mean `upper`?
    3: this is not a template: unexpected end of input, expected end of variable block. write it as "{{ subject }}"
    3: what proves who we are is a secret. put it into a variable and name that: token_env = "…"
    3: Content-Length is a header that Firebell writes itself. take it out; `content_type` says what the body is
    3: "a b" is not the name of a header. use letters, digits and -, such as "Priority"
    3: "text/plain
    " cannot stand in a header. write one line of ASCII, such as "application/json"
    "#);
}

/// People with ways of all kinds, and the beginning of a policy.
const TEAM: &str = r#"
[[people]]
id = "ana"
name = "Ana"
slack = "U0ANA00001"
contact = [{ via = "slack", after = "5m" }]
[[people]]
id = "bo"
name = "Bo"
phone = "+15550100"
roles = ["lead"]
[[people]]
id = "cy"
name = "Cy"
email = "cy@example.com"
roles = ["lead"]
[[schedules]]
id = "unstaffed"
[[severities]]
id = "p1"
name = "P1"
escalation_policy = "leads"
[[escalation_policies]]
id = "leads"
"#;

#[test]
fn a_policy_that_reaches_nobody_is_refused() {
    let policy = |steps: &str| told(&format!("{TEAM}steps = [{steps}]\n"));
    insta::assert_snapshot!(policy(r#"{ after = "0m", notify = ["person:bo"], via = ["sms"] }"#), @r#"
    warning: nobody is ever on call in this schedule
      --> firebell.toml:17:1
       |
    17 | [[schedules]]
       | ^^^^^^^^^^^^^
       = help: begin a rotation with [[schedules.rotations]], or feed it from a calendar with ical_url_env

    error: the policy `leads` reaches nobody in any of its steps
      --> firebell.toml:24:6
       |
    24 | id = "leads"
       |      ^^^^^^^ name somebody in it who has a way that is set up

    warning: "sms" is not set up: nothing will be sent by it
      --> firebell.toml:25:57
       |
    25 | steps = [{ after = "0m", notify = ["person:bo"], via = ["sms"] }]
       |                                                         ^^^^^ add [notifications.sms]

    1 error, 2 warnings
    "#);
    for nobody in [
        r#"{ after = "0m", notify = ["role:none"] }"#,
        r#"{ after = "0m", notify = ["schedule:unstaffed"] }"#,
        r#"{ after = "0m", notify = ["person:bo"] }"#,
        r#"{ after = "0m", notify = ["person:ana"], via = ["email", "voice"] }, { after = "5m", notify = ["role:none"] }"#,
        r#"{ after = "0m", notify = ["role:lead"], via = ["email", "sms"] }"#,
    ] {
        let told = policy(nobody);
        assert!(
            told.contains("error: the policy `leads` reaches nobody"),
            "{nobody}: {told}"
        );
    }
    for somebody in [
        r#"{ after = "0m", notify = ["role:none"] }, { after = "5m", notify = ["person:ana"] }"#,
        r#"{ after = "0m", notify = ["role:lead"] }"#,
        r##"{ after = "0m", notify = ["channel:#ops"], via = ["voice"] }"##,
        r#"{ after = "0m", notify = ["usergroup:sre"] }"#,
    ] {
        let told = policy(somebody);
        assert!(!told.contains("error"), "{somebody}: {told}");
    }
}

#[test]
fn a_step_that_reaches_nobody_and_whoever_it_misses_are_told() {
    let text = format!(
        r#"{TEAM}repeat_after = "30s"
ack_timeout = "5s"
steps = [
  {{ after = "0m", notify = ["schedule:unstaffed"] }},
  {{ after = "2m", notify = ["role:lead", "person:ana"] }},
  {{ after = "4m", notify = ["person:cy"], via = ["slack"] }},
]
"#
    );
    insta::assert_snapshot!(brief(&text), @r#"
    17: nobody is ever on call in this schedule. begin a rotation with [[schedules.rotations]], or feed it from a calendar with ical_url_env
    25: `repeat_after` is 30s: nobody can be that quick. write a minute at least: "15m"
    26: `ack_timeout` is 5s: nobody can be that quick. write a minute at least: "15m"
    28: this step reaches nobody. it goes on to the next step at once: name somebody who has a way that is set up
    29: `bo` cannot be reached by this step. give them `slack`, or `email` by which Slack finds them, or the step another `via`
    29: `ana` wishes to be reached by slack after 5m, and by then the policy has gone on (after 2m). give the step more time, or the rule of `contact` less
    "#);
}

#[test]
fn an_acknowledgement_that_nobody_is_asked_for_is_doubted() {
    let severity = "[[severities]]\nid = \"p1\"\nname = \"P1\"\nacknowledge_within = \"5m\"\n";
    insta::assert_snapshot!(brief(severity), @"4: nobody is paged for `p1`, so nobody is asked to acknowledge. name an escalation_policy, or leave it out");
    assert_eq!(
        brief(""),
        "",
        "the default asks for one, and says nothing of it"
    );
}
