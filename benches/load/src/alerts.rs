//! Builds what Prometheus posts to an Alertmanager: lists of alerts that fire.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use crate::drive::{Requests, Turn};
use crate::marker::Mark;
use crate::place::Place;

/// How alerts are made, and where they go.
pub struct Alerts {
    place: Place,
    bearer: Option<String>,
    /// So many different alerts, each again and again; none: each is another.
    keys: Option<u64>,
    /// Alerts in a body.
    batch: u64,
    /// How long one fires unless it is posted again.
    holds: SignedDuration,
    /// Whether each carries the moment when it was due.
    marked: bool,
    begun: String,
}

impl Alerts {
    pub fn new(
        url: &str,
        bearer: Option<String>,
        keys: Option<u64>,
        batch: u64,
        holds: Duration,
        marked: bool,
    ) -> Result<Self> {
        Ok(Self {
            place: Place::new(url)?,
            bearer,
            keys,
            batch,
            holds: SignedDuration::try_from(holds)?,
            marked,
            begun: iso(Timestamp::now()),
        })
    }

    /// One alert, as Prometheus writes it.
    fn alert(&self, n: u64, ends_at: &str, due_us: Option<u64>) -> String {
        let customer = self.keys.map_or(n, |keys| n % keys);
        let mark = due_us.filter(|_| self.marked).map(|due_us| Mark {
            kind: 'a',
            number: n,
            due_us,
        });
        let mark = mark.map_or(String::new(), |mark| format!(" {}", mark.text()));
        format!(
            r#"{{"annotations":{{"description":"The 99th percentile of the checkout of customer-{customer} is above 1.5 s for 10 minutes.","runbook_url":"https://runbooks.example.com/checkout-slow","summary":"Checkout is slow for customer-{customer}{mark}"}},"endsAt":"{ends_at}","startsAt":"{}","generatorURL":"http://prometheus.example.com:9090/graph?g0.expr=checkout_seconds+%3E+1.5&g0.tab=1","labels":{{"alertname":"CheckoutSlow","customer":"customer-{customer}","instance":"10.0.0.7:9100","job":"checkout","severity":"critical"}}}}"#,
            self.begun
        )
    }
}

impl Requests for Alerts {
    fn address(&self) -> SocketAddr {
        self.place.address
    }

    fn request(&self, turn: Turn) -> Vec<u8> {
        // A Prometheus says anew, each time, until when it holds.
        let ends_at = iso(Timestamp::now() + self.holds);
        let first = turn.number * self.batch;
        let alerts: Vec<String> = (first..first + self.batch)
            .map(|n| self.alert(n, &ends_at, turn.due_us))
            .collect();
        let body = format!("[{}]", alerts.join(","));
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Prometheus/2.42.0\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            self.place.path,
            self.place.host,
            body.len()
        );
        if let Some(secret) = &self.bearer {
            write!(head, "Authorization: Bearer {secret}\r\n").expect("a String takes all");
        }
        head.push_str("\r\n");
        [head.into_bytes(), body.into_bytes()].concat()
    }
}

fn iso(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::marker::unix_us;

    fn body(keys: Option<u64>, batch: u64, number: u64) -> Vec<Value> {
        let url = "http://127.0.0.1:9093/api/v2/alerts";
        let alerts = Alerts::new(url, None, keys, batch, Duration::from_secs(240), true).unwrap();
        let request = alerts.request(Turn {
            number,
            due_us: Some(unix_us()),
        });
        let request = String::from_utf8(request).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn each_alert_of_a_run_is_another_unless_keys_are_few() {
        let customer = |alert: &Value| alert["labels"]["customer"].as_str().unwrap().to_owned();
        let all: Vec<String> = (0..3).flat_map(|n| body(None, 2, n)).map(|it| customer(&it)).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 5].map(|n| format!("customer-{n}")));
        assert_eq!(customer(&body(Some(4), 1, 6)[0]), "customer-2");
    }

    #[test]
    fn an_alert_fires_and_says_when_it_was_due() {
        let alert = &body(None, 1, 7)[0];
        let ends: Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
        assert!(ends > Timestamp::now());
        let summary = alert["annotations"]["summary"].as_str().unwrap();
        let mark = Mark::all(summary).next().unwrap();
        assert_eq!((mark.kind, mark.number), ('a', 7));
    }
}
