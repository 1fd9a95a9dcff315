//! The escalation tables of the five operations runbooks, written as a configuration and foreseen by the command line, which
//! drives the core itself: whom, when, by which way.

use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

/// A folder with a configuration, in which the binary runs.
struct Desk(TempDir);

impl Desk {
    fn with(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("firebell.toml"), toml).unwrap();
        Self(folder)
    }

    fn says(&self, words: &[&str]) -> String {
        let said = Command::new(env!("CARGO_BIN_EXE_firebell"))
            .args(words)
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        assert!(said.status.success(), "{words:?}: {out}{err}");
        out.trim_end().to_owned()
    }
}

/// A person with every address.
fn person(id: &str, role: &str) -> String {
    format!(
        "[[people]]\nid = \"{id}\"\nname = \"{id}\"\nslack = \"@{id}\"\nemail = \"{id}@example.com\"\n\
         phone = \"+15550100\"\nroles = [\"{role}\"]\n"
    )
}

const WAYS: &str = r#"
[notifications.email]
smtp_url_env = "SMTP_URL"
from = "firebell@example.com"
[notifications.sms]
account_sid_env = "TWILIO_ACCOUNT_SID"
auth_token_env = "TWILIO_AUTH_TOKEN"
from = "+15550199"
"#;

#[test]
fn ec2_manager_goes_up_after_0_15_30_and_60_minutes_until_it_is_resolved() {
    let people = [
        person("olive", "on-call"),
        person("dev", "devops-lead"),
        person("em", "engineering-manager"),
        person("cto", "cto"),
    ];
    let desk = Desk::with(&format!(
        r##"
[organization]
timezone = "America/Los_Angeles"
[slack]
announce = "#incident-response"
[[severities]]
id = "p1"
name = "P1 - Critical"
escalation_policy = "executive"
{}
[[escalation_policies]]
id = "executive"
stop_on = "resolved"
steps = [
  {{ after = "0m",  notify = ["role:on-call"] }},
  {{ after = "15m", notify = ["role:devops-lead"] }},
  {{ after = "30m", notify = ["role:engineering-manager"] }},
  {{ after = "60m", notify = ["role:cto"] }},
]
"##,
        people.concat()
    ));
    assert_snapshot!(desk.says(&["escalation", "preview", "executive", "--at", "2025-09-14T03:00"]), @"
    executive: an incident, P1 - Critical, declared at Sun 2025-09-14 03:00 -07:00 (America/Los_Angeles), if nobody answers
      only the resolution stops it, no acknowledgement
      there is no database yet: by plan alone, without overrides

    Sun 2025-09-14
      03:00 -07:00     +0m  step 1 of 4: role:on-call
                              olive: Slack to @olive
      03:15 -07:00    +15m  step 2 of 4: role:devops-lead
                              dev: Slack to @dev
      03:30 -07:00    +30m  step 3 of 4: role:engineering-manager
                              em: Slack to @em
      04:00 -07:00     +1h  step 4 of 4: role:cto
                              cto: Slack to @cto
      04:30 -07:00  +1h30m  nobody answered: said loudly in the war room and in #incident-response
    ");
}

#[test]
fn rms_tells_the_channel_then_writes_then_texts_then_calls_the_backup() {
    let people = [person("olive", "on-call"), person("bea", "backup")];
    let desk = Desk::with(&format!(
        r##"
[organization]
timezone = "UTC"
[slack]
announce = "#alerts"
[[severities]]
id = "p1"
name = "P1 - Critical"
escalation_policy = "levels"
{}
[[escalation_policies]]
id = "levels"
steps = [
  {{ after = "0m",  notify = ["channel:#alerts"], via = ["slack"] }},
  {{ after = "5m",  notify = ["role:on-call"],    via = ["email"] }},
  {{ after = "10m", notify = ["role:on-call"],    via = ["sms"] }},
  {{ after = "15m", notify = ["role:backup"],     via = ["voice"] }},
]
{WAYS}
"##,
        people.concat()
    ));
    assert_snapshot!(desk.says(&["escalation", "preview", "levels", "--at", "2025-09-14T03:00"]), @"
    levels: an incident, P1 - Critical, declared at Sun 2025-09-14 03:00 +00:00 (UTC), if nobody answers
      an acknowledgement stops it
      there is no database yet: by plan alone, without overrides

    Sun 2025-09-14
      03:00 +00:00     +0m  step 1 of 4: channel:#alerts
                              #alerts: Slack to #alerts
      03:05 +00:00     +5m  step 2 of 4: role:on-call
                              olive: e-mail to olive@example.com
      03:10 +00:00    +10m  step 3 of 4: role:on-call
                              olive: SMS to +15550100
      03:15 +00:00    +15m  step 4 of 4: role:backup
                              bea: phone to +15550100
      03:20 +00:00    +20m  nobody answered: said loudly in the war room and in #alerts
    ");
}

#[test]
fn monitoring_calls_the_on_call_engineer_then_the_manager_then_the_cto() {
    let people = [
        person("olive", "on-call"),
        person("max", "devops-manager"),
        person("cto", "cto"),
    ];
    let desk = Desk::with(&format!(
        r##"
[[severities]]
id = "p1"
name = "P1 - Critical"
escalation_policy = "path"
{}
[[schedules]]
id = "primary"
fallback = "role:devops-manager"
[[schedules.rotations]]
participants = ["person:olive"]
shift = "1w"
handoff = "2025-09-01T09:00"
hours = "Mon-Fri 09:00-17:00"
[[escalation_policies]]
id = "path"
repeat = 1
steps = [
  {{ after = "0m",  notify = ["schedule:primary"] }},
  {{ after = "15m", notify = ["role:devops-manager"] }},
  {{ after = "30m", notify = ["role:cto"] }},
]
"##,
        people.concat()
    ));
    // On a Sunday nobody is on call by the plan: its fallback is paged, and that is said.
    assert_snapshot!(desk.says(&["escalation", "preview", "path", "--at", "2025-09-14T03:00"]), @"
    path: an incident, P1 - Critical, declared at Sun 2025-09-14 03:00 +00:00 (UTC), if nobody answers
      begins again once, 15m after its last step
      an acknowledgement stops it
      there is no database yet: by plan alone, without overrides

    Sun 2025-09-14
      03:00 +00:00     +0m  step 1 of 3: schedule:primary
                              max: Slack to @max
                              NOBODY is behind schedule:primary: the fallback is paged, role:devops-manager
      03:15 +00:00    +15m  step 2 of 3: role:devops-manager
                              max: Slack to @max
      03:30 +00:00    +30m  step 3 of 3: role:cto
                              cto: Slack to @cto
      03:45 +00:00    +45m  step 1 of 3, round 2: schedule:primary
                              max: Slack to @max
                              NOBODY is behind schedule:primary: the fallback is paged, role:devops-manager
      04:00 +00:00     +1h  step 2 of 3, round 2: role:devops-manager
                              max: Slack to @max
      04:15 +00:00  +1h15m  step 3 of 3, round 2: role:cto
                              cto: Slack to @cto
      04:30 +00:00  +1h30m  nobody answered after 2 rounds: said loudly in the war room and in #incidents
    ");
}

#[test]
fn cloudsec_pages_by_the_type_of_the_alert() {
    let roles = [
        "devops",
        "ops-manager",
        "cto",
        "security",
        "ciso",
        "ceo",
        "dba",
        "network",
    ];
    let people: String = roles.iter().map(|role| person(role, role)).collect();
    let policy = |id: &str, roles: [&str; 3]| {
        let step = |(n, role): (usize, &str)| {
            format!("{{ after = \"{}m\", notify = [\"role:{role}\"] }}", n * 15)
        };
        let steps: Vec<String> = roles.into_iter().enumerate().map(step).collect();
        format!(
            "[[escalation_policies]]\nid = \"{id}\"\nsteps = [{}]\n\
             [[routes]]\nmatch = {{ type = \"{id}\" }}\nseverity = \"p1\"\nthen = \"declare\"\nescalation_policy = \"{id}\"\n",
            steps.join(", ")
        )
    };
    let policies = [
        policy("infrastructure", ["devops", "ops-manager", "cto"]),
        policy("security", ["security", "ciso", "ceo"]),
        policy("database", ["dba", "devops", "cto"]),
        policy("network", ["network", "devops", "cto"]),
    ];
    let desk = Desk::with(&format!(
        "[[severities]]\nid = \"p1\"\nname = \"P1\"\n\
         [[alert_sources]]\nid = \"scripts\"\nkind = \"generic\"\nsecret_env = \"SECRET\"\n{people}{}",
        policies.concat()
    ));
    let pages = |kind: &str| {
        let alert = format!(r#"{{"title": "it burns", "labels": {{"type": "{kind}"}}}}"#);
        let file = desk.0.path().join(format!("{kind}.json"));
        std::fs::write(&file, alert).unwrap();
        let file = file.to_str().unwrap();
        let said = desk.says(&[
            "simulate",
            file,
            "--source",
            "scripts",
            "--at",
            "2025-09-14T03:00",
        ]);
        let lines = said
            .lines()
            .filter(|line| line.contains(" step ") || line.contains(": Slack"));
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(pages("security"), @"
    03:00 +00:00 +0m step 1 of 3: role:security
    security: Slack to @security
    03:15 +00:00 +15m step 2 of 3: role:ciso
    ciso: Slack to @ciso
    03:30 +00:00 +30m step 3 of 3: role:ceo
    ceo: Slack to @ceo
    ");
    assert_snapshot!(pages("database"), @"
    03:00 +00:00 +0m step 1 of 3: role:dba
    dba: Slack to @dba
    03:15 +00:00 +15m step 2 of 3: role:devops
    devops: Slack to @devops
    03:30 +00:00 +30m step 3 of 3: role:cto
    cto: Slack to @cto
    ");
    assert_snapshot!(pages("infrastructure"), @"
    03:00 +00:00 +0m step 1 of 3: role:devops
    devops: Slack to @devops
    03:15 +00:00 +15m step 2 of 3: role:ops-manager
    ops-manager: Slack to @ops-manager
    03:30 +00:00 +30m step 3 of 3: role:cto
    cto: Slack to @cto
    ");
}
