//! A CloudWatch alarm in the three shapes in which AWS tells of its state: inside of an SNS notification, in the `detail`
//! of an EventBridge event, and as what a Lambda action is called with.
//!
//! Sources: CloudWatch user guide, "Alarm events and EventBridge", "Invoke a Lambda function from an alarm",
//! "Composite alarms"; for the shape inside of SNS its "Notify users on alarm changes".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::said::Said;
use super::{Malformed, json, times, words};
use crate::domain::alert::{Alert, Signal};

/// What a body has to do with an alarm.
pub(super) enum Heard {
    /// It tells how one stands.
    Said(Box<Alert>),
    /// It is about one, and says nothing of how it stands: an alarm that was made, deleted or changed.
    Nothing,
    /// It is about something else.
    Other,
}

/// Reads an alarm in any of its shapes; `topic` is that of SNS, if it came that way.
pub(super) fn read(body: &Value, topic: Option<&str>) -> Result<Heard, Malformed> {
    if body.get("AlarmName").is_some() && body.get("NewStateValue").is_some() {
        return inside_sns(body).said(topic);
    }
    if let Some(data) = body.get("alarmData") {
        return event(body, data).said(topic);
    }
    let of_cloudwatch = body.get("source").and_then(Value::as_str) == Some("aws.cloudwatch");
    match (
        body.get("detail-type").and_then(Value::as_str),
        body.get("detail"),
    ) {
        (Some("CloudWatch Alarm State Change"), Some(detail)) => event(body, detail).said(topic),
        (Some(_), Some(_)) if of_cloudwatch => Ok(Heard::Nothing),
        _ => Ok(Heard::Other),
    }
}

/// An alarm, whatever shape it came in.
#[derive(Default)]
struct Alarm {
    name: Option<String>,
    arn: Option<String>,
    account: Option<String>,
    /// What is called the region where there is no ARN to take it from: in SNS a name for people.
    region: Option<String>,
    description: Option<String>,
    state: State,
    before: State,
    reason: Option<String>,
    at: Option<Timestamp>,
    /// The namespace, the name and the dimensions of each metric that is watched.
    metrics: Vec<Metric>,
    tags: BTreeMap<String, String>,
}

/// A state, and who keeps it from being acted upon: for a composite alarm its suppressor, or the wait for it.
#[derive(Default, PartialEq, Eq)]
struct State {
    value: Option<String>,
    suppressed_by: Option<String>,
}

#[derive(Default)]
struct Metric {
    namespace: Option<String>,
    name: Option<String>,
    dimensions: BTreeMap<String, String>,
}

fn inside_sns(body: &Value) -> Alarm {
    let state = |name: &str| State {
        value: json::text(body, name),
        suppressed_by: None,
    };
    // A composite alarm has an `AlarmRule` and no `Trigger`; metric math has `Metrics` in it.
    let trigger = body.get("Trigger").unwrap_or(&Value::Null);
    let mut metrics = vec![metric_of_sns(trigger)];
    let math = json::list(trigger, "Metrics").iter();
    metrics.extend(math.filter_map(|it| Some(metric_of_sns(it.get("MetricStat")?.get("Metric")?))));
    Alarm {
        name: json::text(body, "AlarmName"),
        arn: json::text(body, "AlarmArn"),
        account: json::text(body, "AWSAccountId"),
        region: json::text(body, "Region"),
        description: json::text(body, "AlarmDescription"),
        state: State {
            suppressed_by: json::text(body, "ActionsSuppressedBy"),
            ..state("NewStateValue")
        },
        before: state("OldStateValue"),
        reason: json::text(body, "NewStateReason"),
        at: times::of(body, "StateChangeTime"),
        metrics,
        tags: BTreeMap::new(),
    }
}

fn metric_of_sns(metric: &Value) -> Metric {
    Metric {
        namespace: json::text(metric, "Namespace"),
        name: json::text(metric, "MetricName"),
        dimensions: json::labels(metric.get("Dimensions")),
    }
}

/// An event of EventBridge, or what a Lambda action is called with: they differ in the names around the same core.
fn event(body: &Value, detail: &Value) -> Alarm {
    let configuration = detail.get("configuration").unwrap_or(&Value::Null);
    let state = |name: &str| {
        let state = detail.get(name).unwrap_or(&Value::Null);
        State {
            value: json::text(state, "value"),
            suppressed_by: json::text(state, "actionsSuppressedBy"),
        }
    };
    let now = detail.get("state").unwrap_or(&Value::Null);
    let metrics = json::list(configuration, "metrics").iter();
    let tags = [detail, body]
        .into_iter()
        .flat_map(|it| json::labels(it.get("alarmTags")))
        .collect();
    Alarm {
        name: json::text(detail, "alarmName"),
        arn: json::text(body, "alarmArn").or_else(|| {
            let resources = json::list(body, "resources").iter();
            resources
                .filter_map(json::plain)
                .find(|arn| arn.contains(":alarm:"))
        }),
        account: json::first(body, &["account", "accountId"]),
        region: json::text(body, "region"),
        description: json::text(configuration, "description"),
        state: state("state"),
        before: state("previousState"),
        reason: json::text(now, "reason"),
        at: times::of(now, "timestamp").or_else(|| times::of(body, "time")),
        metrics: metrics
            .filter_map(|it| it.get("metricStat")?.get("metric"))
            .map(|metric| Metric {
                namespace: json::text(metric, "namespace"),
                name: json::text(metric, "name"),
                dimensions: json::labels(metric.get("dimensions")),
            })
            .collect(),
        tags,
    }
}

impl Alarm {
    fn said(self, topic: Option<&str>) -> Result<Heard, Malformed> {
        let (Some(name), Some(value)) = (self.name.clone(), self.state.value.clone()) else {
            return Err(Malformed::new("the alarm has no name or no state"));
        };
        // Of a composite alarm whose suppression ends the state is the same, and only now it is acted upon.
        if self.state == self.before {
            return Ok(Heard::Nothing);
        }
        let suppressed = self.state.suppressed_by.clone();
        let signal = match (value.as_str(), &suppressed) {
            ("ALARM", None) => Signal::Firing,
            ("ALARM", Some(_)) => Signal::Noted,
            // Nobody is paged for an end, so nothing is there to suppress.
            ("OK", _) => Signal::Resolved,
            ("INSUFFICIENT_DATA", _) => Signal::Noted,
            _ => {
                return Err(Malformed::new(
                    "the alarm's state is none of ALARM, OK and INSUFFICIENT_DATA",
                ));
            }
        };
        let place = Place::of(&self, &name);
        let mut said = Said::new(place.key, signal, name.clone());
        let texts = [self.description.clone(), self.reason.clone()];
        said.description = Some(texts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"));
        said.links.runbook = self.description.as_deref().and_then(words::runbook);
        said.links.origin = place.console;
        said.labels = self.dimensions();
        said.labels.extend(self.tags.clone());
        let only = |of: fn(&Metric) -> Option<&String>| only(self.metrics.iter().filter_map(of));
        said.label("namespace", only(|metric| metric.namespace.as_ref()));
        said.label("metric_name", only(|metric| metric.name.as_ref()));
        said.label("alarm_name", Some(&name));
        said.label("account", self.account.as_ref());
        said.label("region", place.region);
        said.label("topic", topic.and_then(|arn| arn.rsplit(':').next()));
        said.label("suppressed_by", suppressed);
        let missing_data = value == "INSUFFICIENT_DATA";
        said.label("state", missing_data.then_some("insufficient_data"));
        let leading = |text: Option<&str>| text.and_then(words::leading_severity);
        let tagged = said.labels.get("severity").cloned();
        said.severity = tagged
            .or_else(|| leading(Some(&name)))
            .or_else(|| leading(self.description.as_deref()));
        match signal {
            Signal::Resolved => said.ended_at = self.at,
            Signal::Firing | Signal::Acknowledged | Signal::Unacknowledged | Signal::Noted => {
                said.started_at = self.at
            }
        }
        said.cut().map(|alert| Heard::Said(Box::new(alert)))
    }

    /// The dimensions of its metrics, but for those in which they differ.
    fn dimensions(&self) -> BTreeMap<String, String> {
        let names: BTreeSet<&String> = self
            .metrics
            .iter()
            .flat_map(|it| it.dimensions.keys())
            .collect();
        let value = |name: &String| {
            let values = self.metrics.iter().filter_map(|it| it.dimensions.get(name));
            Some((name.clone(), only(values)?.clone()))
        };
        names.into_iter().filter_map(value).collect()
    }
}

/// What all of them are; none if they differ.
fn only<'v>(mut values: impl Iterator<Item = &'v String>) -> Option<&'v String> {
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// Where an alarm is.
struct Place {
    /// Its ARN. Names alone are the same in two accounts or regions.
    key: String,
    region: Option<String>,
    console: Option<String>,
}

impl Place {
    /// The parts of `arn:aws:cloudwatch:us-east-1:123456789012:alarm:name`.
    fn of(alarm: &Alarm, name: &str) -> Self {
        let Some(arn) = &alarm.arn else {
            let parts = [
                alarm.account.as_deref(),
                alarm.region.as_deref(),
                Some(name),
            ];
            return Self {
                key: parts.into_iter().flatten().collect::<Vec<_>>().join(":"),
                region: alarm.region.clone(),
                console: None,
            };
        };
        let parts: Vec<&str> = arn.split(':').collect();
        let region = parts.get(3).copied().filter(|region| !region.is_empty());
        let console = region.and_then(|region| {
            let host = match parts.get(1).copied() {
                Some("aws") => format!("{region}.console.aws.amazon.com"),
                Some("aws-cn") => format!("{region}.console.amazonaws.cn"),
                Some("aws-us-gov") => format!("{region}.console.amazonaws-us-gov.com"),
                _ => return None,
            };
            let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            let name = name.replace('+', "%20");
            Some(format!(
                "https://{host}/cloudwatch/home?region={region}#alarmsV2:alarm/{name}"
            ))
        });
        Self {
            key: arn.clone(),
            region: region.map(str::to_owned).or_else(|| alarm.region.clone()),
            console,
        }
    }
}
