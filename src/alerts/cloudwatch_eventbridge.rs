//! CloudWatch alarms by an EventBridge API destination, and whatever else a rule sends there.
//!
//! Source: EventBridge user guide, "AWS service event metadata"; for alarms see [`super::cloudwatch`].

use serde_json::Value;

use super::cloudwatch::{self, Heard};
use super::said::Said;
use super::{Malformed, Sent, Told, json};
use crate::domain::alert::{Alert, Signal};

/// Reads an event as EventBridge passes it on, or what a Lambda action passes on.
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let event = json::object(sent.body)?;
    let told = match cloudwatch::read(&event, None)? {
        Heard::Said(alert) => Told::one(*alert),
        Heard::Nothing => Told::nothing(),
        Heard::Other => Told::one(other(&event)?),
    };
    Ok(told.delivered_as(json::text(&event, "id")))
}

/// An event of something else: a rule sends it here, so it is an alert. As with SNS only its id tells it from others,
/// and nothing will end it.
fn other(event: &Value) -> Result<Alert, Malformed> {
    let (Some(id), Some(kind), Some(detail)) = (
        json::text(event, "id"),
        json::text(event, "detail-type"),
        event.get("detail"),
    ) else {
        return Err(Malformed::new(
            "this is no event of EventBridge: send the matched event as it is, without an input transformer",
        ));
    };
    let mut said = Said::new(id, Signal::Firing, &kind);
    said.name = kind;
    said.description = json::deep(detail);
    said.label("service", json::text(event, "source"));
    for name in ["account", "region"] {
        said.label(name, json::text(event, name));
    }
    let resources: Vec<String> = json::list(event, "resources")
        .iter()
        .filter_map(json::plain)
        .collect();
    said.label("resources", Some(resources.join(",")));
    said.cut()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::samples::{read_at, sample, show, shown};
    use crate::domain::catalog::SourceKind::CloudwatchEventbridge;

    fn of(event: &Value) -> String {
        show(read_at(CloudwatchEventbridge, event.to_string().as_bytes()))
    }

    fn state_change(change: impl FnOnce(&mut Value)) -> String {
        let mut event =
            serde_json::from_slice(&sample("cloudwatch-eventbridge/alarm.json")).unwrap();
        change(&mut event);
        of(&event)
    }

    #[test]
    fn an_alarm_is_read_out_of_its_event() {
        insta::assert_snapshot!(shown(CloudwatchEventbridge, "cloudwatch-eventbridge/alarm.json"), @r#"
        delivery c4c1c1c9-6542-e61b-6ef0-8c4d36933a92
        Firing arn:aws:cloudwatch:us-east-1:123456789012:alarm:ServerCpuTooHigh
          name ServerCpuTooHigh
          title ServerCpuTooHigh
          description Goes into alarm when server CPU utilization is too high!⏎⏎Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was greater than the threshold (50.0).
          labels InstanceId="i-12345678901234567" account="123456789012" alarm_name="ServerCpuTooHigh" metric_name="CPUUtilization" namespace="AWS/EC2" region="us-east-1"
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/ServerCpuTooHigh
          from 2019-10-02T17:04:40Z
        "#);
    }

    #[test]
    fn the_shape_of_a_lambda_action_is_read_too() {
        insta::assert_snapshot!(shown(CloudwatchEventbridge, "cloudwatch-eventbridge/lambda.json"), @r#"
        Resolved arn:aws:cloudwatch:us-east-1:444455556666:alarm:lambda-demo-metric-alarm
          name lambda-demo-metric-alarm
          title lambda-demo-metric-alarm
          description Metric Alarm to test Lambda actions⏎⏎Threshold Crossed: no longer
          labels InstanceId="i-12345678" account="444455556666" alarm_name="lambda-demo-metric-alarm" metric_name="CallCount" namespace="AWS/Logs" region="us-east-1"
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/lambda-demo-metric-alarm
          to 2023-08-04T12:36:15.49Z
        "#);
    }

    #[test]
    fn a_composite_alarm_that_is_suppressed_is_noted() {
        insta::assert_snapshot!(shown(CloudwatchEventbridge, "cloudwatch-eventbridge/suppressed.json"), @r#"
        delivery d3dfc86d-384d-24c8-0345-9f7986db0b80
        Noted arn:aws:cloudwatch:us-east-1:123456789012:alarm:ServiceAggregatedAlarm
          name ServiceAggregatedAlarm
          title ServiceAggregatedAlarm
          description arn:aws:cloudwatch:us-east-1:123456789012:alarm:SuppressionDemo.EventBridge.FirstChild transitioned to ALARM at Friday 22 July, 2022 15:57:45 UTC
          labels account="123456789012" alarm_name="ServiceAggregatedAlarm" region="us-east-1" suppressed_by="WaitPeriod"
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/ServiceAggregatedAlarm
          from 2022-07-22T15:57:45.394Z
        "#);
    }

    #[test]
    fn when_the_suppression_ends_it_begins_though_the_state_is_the_same() {
        let told = state_change(|event| {
            event["detail"]["previousState"]["value"] = json!("ALARM");
            event["detail"]["previousState"]["actionsSuppressedBy"] = json!("WaitPeriod");
        });
        assert!(told.contains("\nFiring arn:"), "{told}");
    }

    #[test]
    fn a_change_of_the_alarm_itself_says_nothing() {
        let same = state_change(|event| event["detail"]["previousState"]["value"] = json!("ALARM"));
        assert_eq!(same, "delivery c4c1c1c9-6542-e61b-6ef0-8c4d36933a92");
        let configured = state_change(|event| {
            event["detail-type"] = json!("CloudWatch Alarm Configuration Change")
        });
        assert_eq!(configured, same);
    }

    #[test]
    fn tags_are_labels_and_one_of_them_says_how_bad_it_is() {
        let told = state_change(|event| {
            event["detail"]["alarmTags"] =
                json!({"severity": "critical", "service": "checkout", "account": "forged"});
        });
        assert!(told.contains("\n  severity critical\n"), "{told}");
        assert!(
            told.contains("service=\"checkout\"") && told.contains("account=\"123456789012\""),
            "{told}"
        );
    }

    #[test]
    fn any_other_event_is_an_alert_of_its_own() {
        insta::assert_snapshot!(shown(CloudwatchEventbridge, "cloudwatch-eventbridge/health.json"), @r#"
        delivery 7bf73129-1428-4cd3-a780-95db273d1602
        Firing 7bf73129-1428-4cd3-a780-95db273d1602
          name AWS Health Event
          title AWS Health Event
          description {"eventTypeCode":"AWS_EC2_INSTANCE_STORE_DRIVE_PERFORMANCE_DEGRADED","service":"EC2"}
          labels account="123456789012" region="us-east-1" resources="i-abcd1111,i-abcd2222" service="aws.health"
        "#);
        assert!(of(&json!({"title": "x"})).contains("without an input transformer"));
    }
}
