//! What is told of the sections about alerts.

use super::*;

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
