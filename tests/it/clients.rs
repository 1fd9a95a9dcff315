//! Clients that we did not write hold the doors of alerts to what they know from the services they were made for:
//! Prometheus and Alertmanager themselves, `amtool`, PagerDuty's client and Opsgenie's SDK. `make test` installs them
//! under `target/peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use axum::http::Request;
use firebell::domain::alert::AlertStatus;
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::exchange;
use crate::peers::{python, told};
use crate::senders::House;

/// Other people's programs start, look and tell within this.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "prometheus-secret";
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the programs of Prometheus are.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/prometheus")
}

fn program(name: &str) -> PathBuf {
    let program = programs().join(name);
    assert!(
        program.exists(),
        "{} is not there: run `make test`, which installs it, or `tests/set-up prometheus`",
        program.display()
    );
    program
}

/// A server of somebody else, until it is dropped.
struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    fn start(name: &str, folder: &Path, arguments: &[String]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let child = Command::new(program(name))
            .args(arguments)
            .current_dir(programs())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Server { child, log }
    }

    /// Has it read its configuration again.
    fn reloads(&self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(told.success());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}:\n{}", self.log.display(), self.log());
        }
    }
}

/// An Alertmanager as it is shipped.
struct Alertmanager {
    url: String,
    _server: Server,
}

impl Alertmanager {
    async fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("alertmanager.yml");
        fs::write(&file, config).unwrap();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.join("alertmanager").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--cluster.listen-address=".to_owned(),
        ];
        let mut server = Server::start("alertmanager", folder, &arguments);
        // It chooses the port, and tells it in its log.
        let mut port = None;
        until("the Alertmanager listens", async || {
            assert!(!server.has_ended(), "it ended:\n{}", server.log());
            let log = server.log();
            // Not before the line is whole.
            let line = log
                .split_inclusive('\n')
                .find(|line| line.contains("Listening on") && line.ends_with('\n'));
            port = line.and_then(|line| {
                let (_, behind) = line.split_once("address=127.0.0.1:")?;
                behind.split_whitespace().next()?.parse::<u16>().ok()
            });
            port.is_some()
        })
        .await;
        Alertmanager {
            url: format!("http://127.0.0.1:{}", port.unwrap()),
            _server: server,
        }
    }

    async fn alerts(&self) -> Value {
        shown(&self.url, "").await
    }
}

/// What `GET /api/v2/alerts` shows.
async fn shown(url: &str, token: &str) -> Value {
    let request = Request::get(format!("{url}/api/v2/alerts"))
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(""))
        .unwrap();
    let (status, body) = exchange(request).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// What two that were told of the same alert must agree on. When it ends changes as often as it is said again, and the
/// one shows times to the millisecond, the other finer.
fn agreed(alert: &Value) -> Value {
    let mut agreed = json!({});
    for name in ["fingerprint", "labels", "annotations", "generatorURL"] {
        agreed[name] = alert[name].clone();
    }
    let begins: Timestamp = alert["startsAt"].as_str().unwrap().parse().unwrap();
    agreed["startsAt"] = json!(begins.as_millisecond());
    agreed
}

/// A rule that holds while the threshold is below 7.1.
fn write_rule(folder: &Path, threshold: u32) {
    let rules = format!(
        r#"
groups:
- name: checkout
  interval: 100ms
  rules:
  - alert: HighErrorRate
    expr: vector(7.1) > {threshold}
    labels:
      severity: critical
      service: checkout
      odd: 'a "quoted" \ ü, {{{{ $value }}}}'
    annotations:
      summary: '5xx is at {{{{ $value }}}} %'
      description: It was below 5 before.
      runbook_url: https://runbooks.example.com/checkout
"#
    );
    fs::write(folder.join("rules.yml"), rules).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_finds_an_alertmanager() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n";
    let real = Alertmanager::start(folder.path(), config).await;
    write_rule(folder.path(), 5);
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let config = format!(
        r#"
global:
  external_labels: {{ cluster: eu-1 }}
rule_files: [rules.yml]
alerting:
  alertmanagers:
  - authorization: {{ credentials: {SECRET} }}
    static_configs: [{{ targets: ["{}"] }}]
  - static_configs: [{{ targets: ["{}"] }}]
"#,
        address(&house.url),
        address(&real.url)
    );
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        // It drops what it says before it has found its Alertmanagers, so it shall say it again soon.
        "--rules.alert.resend-delay=5s".to_owned(),
    ];
    let mut prometheus = Server::start("prometheus", folder.path(), &arguments);
    until("the alert is with both", async || {
        assert!(!prometheus.has_ended(), "{}", prometheus.log());
        let there = real.alerts().await;
        !house.active("prometheus").await.is_empty() && there != json!([])
    })
    .await;
    let active = house.store.active_alerts("prometheus", 9).await.unwrap();
    let first = &active[0];
    assert_eq!(active.len(), 1);
    let labels: Vec<_> = first.alert.labels.iter().collect();
    assert_eq!(
        format!("{labels:?}"),
        r#"[("alertname", "HighErrorRate"), ("cluster", "eu-1"), ("odd", "a \"quoted\" \\ ü, 7.1"), ("service", "checkout"), ("severity", "critical")]"#
    );
    assert_eq!(first.alert.title, "5xx is at 7.1 %");
    assert_eq!(first.alert.severity.as_deref(), Some("critical"));
    assert!(
        first
            .alert
            .links
            .origin
            .as_deref()
            .unwrap()
            .contains("/graph?g0.expr=vector")
    );
    // What Alertmanager knows of it, we know: fingerprint, times, words.
    let (here, there) = (shown(&house.url, SECRET).await, real.alerts().await);
    assert_eq!(agreed(&here[0]), agreed(&there[0]));

    // The rule no longer holds: Prometheus says until when it did.
    write_rule(folder.path(), 8);
    prometheus.reloads();
    until("the alert is over for both", async || {
        let there = real.alerts().await;
        house.active("prometheus").await.is_empty() && there == json!([])
    })
    .await;

    // And again: the same condition, another episode.
    write_rule(folder.path(), 5);
    prometheus.reloads();
    until("the alert is back", async || {
        !house.active("prometheus").await.is_empty()
    })
    .await;
    let active = house.store.active_alerts("prometheus", 9).await.unwrap();
    assert_eq!(active[0].id, first.id);
    assert_eq!(active[0].held.tracked.episode, 2);
    assert!(active[0].held.tracked.started_at > first.held.tracked.started_at);
    house.ends();
}

/// `amtool`, pointed at somebody.
struct Amtool {
    url: String,
    folder: TempDir,
}

impl Amtool {
    fn new(url: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("authorization: {{ credentials: {token} }}\n");
        fs::write(folder.path().join("http.yml"), config).unwrap();
        Amtool {
            url: url.to_owned(),
            folder,
        }
    }

    async fn runs(&self, arguments: &[&str]) -> Output {
        let config = self.folder.path().join("http.yml");
        let mut amtool = Command::new(program("amtool"));
        amtool
            .arg(format!("--alertmanager.url={}", self.url))
            .arg(format!("--http.config.file={}", config.display()))
            .args(arguments)
            .env("HOME", self.folder.path());
        tokio::task::spawn_blocking(move || amtool.output())
            .await
            .unwrap()
            .unwrap()
    }

    /// What it prints.
    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.runs(arguments).await;
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {wrong}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of.
    async fn complains(&self, arguments: &[&str]) -> String {
        let output = self.runs(arguments).await;
        assert!(!output.status.success(), "{arguments:?} is taken");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_sees_no_difference_from_an_alertmanager() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    // The receiver that the bot claims to have.
    let config = "route: { receiver: firebell }\nreceivers: [{ name: firebell }]\n";
    let real = Alertmanager::start(folder.path(), config).await;
    let there = Amtool::new(&real.url, "");
    let here = Amtool::new(&house.url, SECRET);
    let times = ["--start=2026-01-01T00:00:00Z", "--end=2099-01-01T00:00:00Z"];
    for (labels, annotations) in [
        (
            vec!["Disk", "node=a b ü", "service=checkout"],
            vec![
                "--annotation=summary=it is full",
                "--annotation=description=of a's",
            ],
        ),
        (
            vec!["Disk", "node=db-2"],
            vec![
                "--annotation=summary=it is full as well",
                "--generator-url=http://prometheus:9090/graph",
            ],
        ),
        (vec!["Memory", "node=db-2"], vec![]),
        (vec!["alertname=Memory", "node=db-1", "equals=a=b"], vec![]),
    ] {
        let add = [&["alert", "add"][..], &labels, &annotations, &times].concat();
        for amtool in [&there, &here] {
            assert_eq!(amtool.says(&add).await, "");
        }
    }
    let list = [
        "alert query",
        "alert query Disk",
        "alert query Disk node=db-2",
        "alert query node=~db-.",
        "alert query node!~db-.",
        "alert query node!=db-2",
        "alert query equals=a=b",
        "alert query service=",
        "alert query service!=",
        "alert query nobody",
        "alert query --active --inhibited --silenced",
        "alert query --silenced",
        "alert query --inhibited",
        "alert query --unprocessed",
        "alert query --receiver=fire.*",
        "alert query --receiver=fire",
        "silence query",
        "config routes show",
        "config routes test severity=critical",
    ];
    for command in list {
        for form in ["simple", "extended"] {
            let command: Vec<_> = command.split(' ').chain(["--output", form]).collect();
            let (wanted, said) = (there.says(&command).await, here.says(&command).await);
            assert_eq!(said, wanted, "{command:?}");
        }
    }
    let disk = here
        .says(&["alert", "query", "Disk", "-o", "extended"])
        .await;
    assert_eq!(disk.matches("it is full").count(), 2, "{disk}");
    let json: [Value; 2] = {
        let command = ["alert", "query", "--output=json"];
        [there.says(&command).await, here.says(&command).await]
            .map(|said| serde_json::from_str(&said).unwrap())
    };
    let [wanted, said] = json.map(|alerts| {
        let alerts = alerts.as_array().unwrap();
        assert_eq!(alerts.len(), 4);
        alerts.iter().map(agreed).collect::<Vec<_>>()
    });
    assert_eq!(said, wanted);
    assert!(here.says(&["cluster", "show"]).await.contains("disabled"));
    let config = here.says(&["config", "show"]).await;
    assert!(config.contains("receiver: firebell"), "{config}");
    let groups = house
        .asks(
            "GET",
            "/api/v2/alerts/groups",
            &[("authorization", "Bearer prometheus-secret")],
            "",
        )
        .await
        .json();
    assert_eq!(groups[0]["labels"], json!({ "alertname": "Disk" }));
    assert_eq!(groups[0]["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(groups[1]["labels"], json!({ "alertname": "Memory" }));

    // What is refused, with the reason.
    let before = [
        "alert",
        "add",
        "X",
        "--start=2026-01-02T00:00:00Z",
        "--end=2026-01-01T00:00:00Z",
    ];
    let pattern = ["alert", "query", "--receiver=("];
    for amtool in [&there, &here] {
        let said = amtool.complains(&before).await;
        assert!(said.contains("postAlertsBadRequest"), "{said}");
        let said = amtool.complains(&pattern).await;
        assert!(said.contains("getAlertsBadRequest"), "{said}");
    }
    let said = here.complains(&before).await;
    assert!(said.contains("before its `startsAt`"), "{said}");
    let said = here
        .complains(&["silence", "add", "Disk", "--comment=x", "--author=ana"])
        .await;
    assert!(
        said.contains("keeps no silences") && said.contains("[[maintenance]]"),
        "{said}"
    );
    let stranger = Amtool::new(&house.url, "wrong");
    for command in [
        &["alert", "add", "Disk"][..],
        &["alert", "query"],
        &["cluster", "show"],
    ] {
        let said = stranger.complains(command).await;
        assert!(said.contains("401"), "{said}");
    }

    // What is over is over.
    let over = [
        "alert",
        "add",
        "Disk",
        "node=db-2",
        "--end=2026-01-01T00:05:00Z",
    ];
    for amtool in [&there, &here] {
        amtool.says(&over).await;
    }
    let query = ["alert", "query"];
    assert_eq!(here.says(&query).await, there.says(&query).await);
    assert_eq!(house.active("prometheus").await.len(), 3);
    // Without a time it holds from now on, for five minutes.
    let add = ["alert", "add", "Timeless"];
    here.says(&add).await;
    let active = house.store.active_alerts("prometheus", 9).await.unwrap();
    assert_eq!(active[0].alert.name, "Timeless");
    let lasts = active[0].held.tracked.expires_at.unwrap() - active[0].held.tracked.last_seen;
    let lasts = lasts.total(jiff::Unit::Second).unwrap();
    assert!((295.0..=300.0).contains(&lasts), "{lasts}");
    house.ends();
}

/// An Alertmanager reaches us by its webhook, and as PagerDuty or Opsgenie if it is told that we are these.
#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_finds_its_receivers() {
    let house = House::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"
route: {{ receiver: bot, group_by: [alertname], group_wait: 50ms, group_interval: 500ms, repeat_interval: 1h }}
receivers:
- name: bot
  webhook_configs:
  - url: {url}/alerts/prometheus
    http_config: {{ authorization: {{ credentials: {SECRET} }} }}
  pagerduty_configs:
  - url: {url}/v2/enqueue
    routing_key: {ROUTING_KEY}
    severity: warning
  opsgenie_configs:
  - api_url: {url}/
    api_key: genie-secret
    message: '{{{{ .GroupLabels.alertname }}}}'
    priority: P2
"#,
        url = house.url
    );
    let real = Alertmanager::start(folder.path(), &config).await;
    let amtool = Amtool::new(&real.url, "");
    let add = [
        "alert",
        "add",
        "Disk",
        "node=db-1",
        "--annotation=summary=it is full",
    ];
    amtool.says(&add).await;
    for source in ["prometheus", "pager", "genie"] {
        until(source, async || house.active(source).await.len() == 1).await;
    }
    // The webhook's fingerprint is the one by which whoever posts here is known.
    let (here, there) = (shown(&house.url, SECRET).await, real.alerts().await);
    assert_eq!(here[0]["fingerprint"], there[0]["fingerprint"]);
    let prometheus = Amtool::new(&house.url, SECRET);
    prometheus.says(&add).await;
    assert_eq!(house.active("prometheus").await, ["it is full"]);
    let [pager, genie] = ["pager", "genie"].map(|source| house.store.active_alerts(source, 9));
    let (pager, genie) = (pager.await.unwrap(), genie.await.unwrap());
    assert_eq!(pager[0].alert.severity.as_deref(), Some("warning"));
    assert!(
        pager[0].alert.title.contains("Disk"),
        "{}",
        pager[0].alert.title
    );
    assert_eq!(genie[0].alert.severity.as_deref(), Some("P2"));
    assert_eq!(genie[0].alert.title, "Disk");

    let now = format!("--end={}", Timestamp::now());
    let over = ["alert", "add", "Disk", "node=db-1", &now];
    amtool.says(&over).await;
    for source in ["prometheus", "pager", "genie"] {
        until(source, async || house.active(source).await.is_empty()).await;
    }
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerdutys_client_finds_pagerduty() {
    let house = House::new().await;
    let script = "pagerduty_peer.py";
    let said = told(python(), script, &[&house.url, ROUTING_KEY, "opens"]).await;
    let made = said
        .lines()
        .find_map(|line| line.strip_prefix("made "))
        .unwrap();
    let mut active = house.store.active_alerts("pager", 9).await.unwrap();
    active.sort_by_key(|kept| kept.alert.title.clone());
    let [cpu, disk] = &active[..] else {
        panic!("{active:?}");
    };
    assert_eq!(cpu.alert.key.as_str(), made);
    assert_eq!(cpu.alert.severity.as_deref(), Some("warning"));
    let runbook = "https://runbooks.example.com/cpu";
    assert_eq!(cpu.alert.links.runbook.as_deref(), Some(runbook));
    assert_eq!(cpu.alert.labels["component"], "cpu");
    assert_eq!(cpu.held.tracked.status, AlertStatus::Firing);
    assert_eq!(disk.alert.key.as_str(), "db1/disk");
    assert_eq!(disk.alert.labels["mount"], "/data");
    assert_eq!(disk.held.tracked.status, AlertStatus::Acknowledged);
    assert_eq!(disk.held.tracked.count, 2);
    told(python(), script, &[&house.url, ROUTING_KEY, made]).await;
    assert!(house.active("pager").await.is_empty());
    house.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn opsgenies_sdk_finds_opsgenie() {
    let house = House::new().await;
    let script = "opsgenie_peer.py";
    told(python(), script, &[&house.url, "genie-secret", "opens"]).await;
    let mut active = house.store.active_alerts("genie", 9).await.unwrap();
    active.sort_by_key(|kept| kept.alert.title.clone());
    let [checkout, disk] = &active[..] else {
        panic!("{active:?}");
    };
    assert_eq!(checkout.alert.key.as_str(), "checkout/5xx eu");
    assert_eq!(checkout.alert.title, "Checkout answers with 5xx");
    assert_eq!(checkout.alert.severity.as_deref(), Some("P1"));
    assert_eq!(checkout.alert.labels["region"], "eu-1");
    assert_eq!(checkout.alert.labels["team"], "payments");
    assert_eq!(checkout.held.tracked.status, AlertStatus::Acknowledged);
    assert_eq!(checkout.held.tracked.count, 2);
    assert_eq!(disk.alert.severity.as_deref(), Some("P3"));
    assert_eq!(disk.held.tracked.status, AlertStatus::Firing);
    told(python(), script, &[&house.url, "genie-secret", "closes"]).await;
    assert!(house.active("genie").await.is_empty());
    house.ends();
}
