//! CloudWatch alarms by SNS: what is published to a topic, out of an envelope that has been proved already.

use serde_json::Value;

use super::cloudwatch::{self, Heard};
use super::said::Said;
use super::sns::{Envelope, EnvelopeKind};
use super::{Malformed, Sent, Told, generic};
use crate::domain::alert::{Alert, Signal};

/// Reads a notification. What is no notification says nothing of any condition; see [`super::sns::confirm_url`].
pub(super) fn read(sent: &Sent<'_>) -> Result<Told, Malformed> {
    let envelope = Envelope::read(sent.headers, sent.body)?;
    let told = match envelope.kind {
        EnvelopeKind::Notification => published(&envelope)?,
        EnvelopeKind::SubscriptionConfirmation | EnvelopeKind::UnsubscribeConfirmation => {
            Told::nothing()
        }
    };
    Ok(told.delivered_as(Some(&envelope.message_id)))
}

fn published(envelope: &Envelope) -> Result<Told, Malformed> {
    let message: Value = serde_json::from_str(&envelope.message).unwrap_or(Value::Null);
    match cloudwatch::read(&message, Some(&envelope.topic_arn))? {
        Heard::Said(alert) => Ok(Told::one(*alert)),
        Heard::Nothing => Ok(Told::nothing()),
        Heard::Other => other(envelope, &message).map(Told::one),
    }
}

/// What is no alarm: a budget, an event of RDS, a line of a script. Somebody has subscribed us to its topic and listed
/// it, so it is an alert, not a note that nobody would see. If it has the fields of a hand-written alert it is that;
/// otherwise its message id is its key: nothing tells two of them apart but that, and nothing will ever end one. Equal
/// subjects must not make them one ("RDS Notification Message" is a failover as well as a backup); as the name they let
/// routes group them.
fn other(envelope: &Envelope, message: &Value) -> Result<Alert, Malformed> {
    if let Ok(mut alert) = generic::by_usual_names(message) {
        alert
            .labels
            .entry("topic".to_owned())
            .or_insert_with(|| topic(envelope));
        return Ok(alert);
    }
    let first_line = envelope.message.lines().next().unwrap_or_default();
    let title = envelope.subject.as_deref().unwrap_or(first_line);
    let mut said = Said::new(&envelope.message_id, Signal::Firing, title);
    said.name = envelope.subject.clone().unwrap_or_else(|| topic(envelope));
    said.description = Some(envelope.message.clone());
    said.label("topic", Some(topic(envelope)));
    said.cut()
}

/// The name of the topic, the last part of its ARN.
fn topic(envelope: &Envelope) -> String {
    let arn = &envelope.topic_arn;
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{read_at, show, shown};
    use crate::domain::alert::Signal;
    use crate::domain::catalog::SourceKind::CloudwatchSns;

    /// An alarm, or anything else, in an envelope.
    fn notified(message: &serde_json::Value) -> String {
        let message = match message.as_str() {
            Some(text) => text.to_owned(),
            None => message.to_string(),
        };
        let envelope = json!({
            "Type": "Notification", "MessageId": "m-1", "Message": message,
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
            "Timestamp": "2026-08-20T09:14:05.311Z", "SignatureVersion": "2", "Signature": "c2ln",
            "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        });
        show(read_at(CloudwatchSns, envelope.to_string().as_bytes()))
    }

    #[test]
    fn an_alarm_is_read_out_of_its_envelope() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/alarm.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Firing arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout-5xx
          name checkout-5xx
          title checkout-5xx
          description ALB 5xx. Runbook: https://runbooks.example.com/checkout.⏎⏎Threshold Crossed: 1 out of the last 1 datapoints [57.0 (20/08/26 09:13:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).
          labels LoadBalancer="app/checkout/50dc6c495c0c9188" account="123456789012" alarm_name="checkout-5xx" metric_name="HTTPCode_Target_5XX_Count" namespace="AWS/ApplicationELB" region="us-east-1" topic="alarms"
          runbook https://runbooks.example.com/checkout
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/checkout-5xx
          from 2026-08-20T09:14:05.131Z
        "#);
    }

    #[test]
    fn an_ok_ends_it_and_insufficient_data_is_noted() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/ok.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Resolved arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout-5xx
          name checkout-5xx
          title checkout-5xx
          description ALB 5xx. Runbook: https://runbooks.example.com/checkout.⏎⏎Threshold Crossed: 1 out of the last 1 datapoints [57.0 (20/08/26 09:13:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).
          labels LoadBalancer="app/checkout/50dc6c495c0c9188" account="123456789012" alarm_name="checkout-5xx" metric_name="HTTPCode_Target_5XX_Count" namespace="AWS/ApplicationELB" region="us-east-1" topic="alarms"
          runbook https://runbooks.example.com/checkout
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/checkout-5xx
          to 2026-08-20T09:30:00Z
        "#);
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/insufficient-data.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Noted arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout-5xx
          name checkout-5xx
          title checkout-5xx
          description ALB 5xx. Runbook: https://runbooks.example.com/checkout.⏎⏎Unchecked: Initial alarm creation
          labels LoadBalancer="app/checkout/50dc6c495c0c9188" account="123456789012" alarm_name="checkout-5xx" metric_name="HTTPCode_Target_5XX_Count" namespace="AWS/ApplicationELB" region="us-east-1" state="insufficient_data" topic="alarms"
          runbook https://runbooks.example.com/checkout
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/checkout-5xx
          from 2026-08-20T09:14:05.131Z
        "#);
    }

    #[test]
    fn a_composite_alarm_has_a_rule_and_metric_math_has_metrics() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/composite.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Firing arn:aws:cloudwatch:us-east-1:123456789012:alarm:P2-checkout-is-down
          name P2-checkout-is-down
          title P2-checkout-is-down
          description arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout-5xx transitioned to ALARM at Thursday 20 August, 2026 09:14:05 UTC
          severity P2
          labels account="123456789012" alarm_name="P2-checkout-is-down" region="us-east-1" severity="P2" topic="alarms"
          origin https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#alarmsV2:alarm/P2-checkout-is-down
          from 2026-08-20T09:14:05.131Z
        "#);
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/metric-math.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Firing arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:error rate %
          name error rate %
          title error rate %
          description ALB 5xx. Runbook: https://runbooks.example.com/checkout.⏎⏎Threshold Crossed: 1 out of the last 1 datapoints [57.0 (20/08/26 09:13:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).
          labels LoadBalancer="app/checkout" account="123456789012" alarm_name="error rate %" namespace="AWS/ApplicationELB" region="cn-north-1" topic="alarms"
          runbook https://runbooks.example.com/checkout
          origin https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/error%20rate%20%25
          from 2026-08-20T09:14:05.131Z
        "#);
    }

    #[test]
    fn a_confirmation_says_nothing_of_any_condition() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/subscription.json"), @"delivery 165545c9-2a5c-472c-8df2-7ff2be2b3b1b");
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/unsubscribe.json"), @"delivery 165545c9-2a5c-472c-8df2-7ff2be2b3b1b");
    }

    #[test]
    fn raw_delivery_is_refused_with_the_reason() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/raw.json"), @"malformed: this is no SNS envelope, so nothing can prove who sent it: turn raw message delivery off in the subscription");
    }

    #[test]
    fn what_is_no_alarm_is_an_alert_of_its_own() {
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/text.json"), @r#"
        delivery 165545c9-2a5c-472c-8df2-7ff2be2b3b1b
        Firing 165545c9-2a5c-472c-8df2-7ff2be2b3b1b
          name alarms
          title disk of db-1 is full
          description disk of db-1 is full⏎clean it
          labels topic="alarms"
        "#);
        insta::assert_snapshot!(shown(CloudwatchSns, "cloudwatch-sns/rds.json"), @r#"
        delivery 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
        Firing 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
          name RDS Notification Message
          title RDS Notification Message
          description {"Event Source": "db-instance", "Event Time": "2026-08-20 09:14:05.311", "Identifier Link": "https://console.aws.amazon.com/rds/home?region=us-east-1#dbinstance:id=db-1", "Source ID": "db-1", "Event ID": "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0006", "Event Message": "DB instance restarted"}
          labels topic="alarms"
        "#);
        insta::assert_snapshot!(notified(&json!({"title": "backup failed", "key": "b", "status": "ok"})), @r#"
        delivery m-1
        Resolved b
          name backup failed
          title backup failed
          labels topic="alarms"
        "#);
    }

    #[test]
    fn an_alarm_that_was_in_that_state_before_is_none() {
        let alarm = |old: &str, new: &str| json!({"AlarmName": "a", "OldStateValue": old, "NewStateValue": new});
        assert_eq!(notified(&alarm("ALARM", "ALARM")), "delivery m-1");
        assert!(notified(&alarm("OK", "SLEEPING")).starts_with("malformed: the alarm's state"));
        assert!(
            notified(&json!({"AlarmName": " ", "NewStateValue": "OK"})).starts_with("malformed")
        );
    }

    #[test]
    fn alarms_of_one_name_in_two_accounts_are_two() {
        let keys: Vec<String> = ["1", "2"]
            .iter()
            .flat_map(|account| {
                let arn = format!("arn:aws:cloudwatch:us-east-1:{account}:alarm:a");
                let without = json!({"AlarmName": "a", "NewStateValue": "ALARM", "AWSAccountId": account, "Region": "US East (N. Virginia)"});
                let mut with = without.clone();
                with["AlarmArn"] = json!(arn);
                [notified(&with), notified(&without)]
            })
            .map(|told| told.lines().nth(1).unwrap().to_owned())
            .collect();
        assert_eq!(
            keys,
            [
                "Firing arn:aws:cloudwatch:us-east-1:1:alarm:a",
                "Firing 1:US East (N. Virginia):a",
                "Firing arn:aws:cloudwatch:us-east-1:2:alarm:a",
                "Firing 2:US East (N. Virginia):a",
            ]
        );
    }

    #[test]
    fn how_bad_it_is_is_said_by_the_name_or_by_the_description() {
        let severity = |name: &str, description: &str| {
            let told = notified(
                &json!({"AlarmName": name, "AlarmDescription": description, "NewStateValue": "ALARM"}),
            );
            told.lines()
                .find_map(|line| line.strip_prefix("  severity "))
                .map(str::to_owned)
        };
        assert_eq!(severity("p1-checkout", "P3 slow").as_deref(), Some("P1"));
        assert_eq!(severity("checkout", "SEV2: slow").as_deref(), Some("SEV2"));
        assert_eq!(severity("[P4] x", "").as_deref(), Some("P4"));
        assert_eq!(severity("p99-latency", "P1.5"), None);
    }

    #[test]
    fn a_delivery_is_known_by_its_message_id() {
        let told = read_at(
            CloudwatchSns,
            &super::super::samples::sample("cloudwatch-sns/alarm.json"),
        )
        .unwrap();
        assert_eq!(
            told.delivery.as_deref(),
            Some("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324")
        );
        assert_eq!(told.alerts[0].signal, Signal::Firing);
    }
}
