//! What is told of the sections about people.

use super::*;

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
