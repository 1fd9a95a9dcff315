//! Nothing that strangers send can break a parser: the corpus and the samples, what chance makes of them, and what is
//! large; and at the doors each of them gets an answer. `make fuzz` looks for more.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::http::Request;
use firebell::simulator::{Options, signature};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use crate::harness::exchange;
use crate::senders::House;
use targets::{CANARY, Read, SECRET, TARGETS, Target, first_line, query, repeats, request};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is in a folder and the folders in it.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read(path).expect("a file"))),
        }
    }
    found
}

/// What senders send.
static SAMPLES: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let samples = files(&root().join("tests/samples"));
    assert!(samples.len() > 40, "the samples were not found");
    samples
});

impl Target {
    /// What was found worth keeping for it.
    fn corpus(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(&root().join("fuzz/corpus").join(self.name))
    }

    fn reads(&self, input: &[u8]) -> Read {
        (self.reads)(input)
    }
}

#[test]
fn every_target_has_a_corpus_and_all_of_it_is_small() {
    const BYTES_MAX: usize = 1_000_000;
    let entries = fs::read_dir(root().join("fuzz/corpus")).unwrap();
    let mut folders: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
    let mut names = TARGETS.map(|target| target.name);
    folders.sort();
    names.sort();
    assert_eq!(folders, names);
    let inputs = TARGETS.iter().flat_map(Target::corpus);
    let bytes: usize = inputs.map(|(_, input)| input.len()).sum();
    assert!(bytes < BYTES_MAX, "{bytes}");
}

#[test]
fn every_input_of_the_corpus_and_every_sample_holds_with_every_target() {
    for target in &TARGETS {
        let corpus = target.corpus();
        assert!(!corpus.is_empty(), "{}", target.name);
        for (path, input) in corpus.iter().chain(&*SAMPLES) {
            // A panic is told with the last line before it.
            println!("{}: {}", target.name, path.display());
            target.reads(input);
        }
    }
}

/// The words of the dictionary that libFuzzer goes by.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = fs::read_to_string(root().join("fuzz/words.dict")).expect("the dictionary");
    let quoted = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let words: Vec<String> = quoted.map(unescaped).collect();
    assert!(words.len() > 200 && words.iter().any(|word| word == CANARY));
    words
});

/// `\"`, `\\` and `\xC3` as libFuzzer writes them.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (bytes, rest) = match (first, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                bytes.extend(hex::decode([*high, *low]).expect("two digits"));
                (bytes, tail)
            }
            (b'\\', [byte, tail @ ..]) | (byte, tail) => {
                bytes.push(*byte);
                (bytes, tail)
            }
        };
    }
    String::from_utf8(bytes).expect("a word")
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["", " ", "\0", CANARY]).prop_map(Value::from),
        select(WORDS.clone()).prop_map(Value::from),
        (0_usize..6_000).prop_map(|length| Value::from("☃".repeat(length))),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let names = prop_oneof![4 => select(WORDS.clone()), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A value of a document, chosen by chance, is put in the place of another.
fn replaced(document: &mut Value, at: Index, with: Value) {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(fields) => fields.values().map(count).sum(),
            _ => 0,
        }
    }
    fn put(value: &mut Value, left: &mut usize, with: &Value) {
        if *left == 0 {
            *value = with.clone();
        }
        *left = left.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|it| put(it, left, with)),
            Value::Object(fields) => fields.values_mut().for_each(|it| put(it, left, with)),
            _ => {}
        }
    }
    let mut left = at.index(count(document));
    put(document, &mut left, &with);
}

/// A JSON body: any, or a sample with other values in it.
fn document() -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<Value> = SAMPLES
        .iter()
        .filter_map(|(_, sample)| serde_json::from_slice(sample).ok())
        .collect();
    let changes = prop::collection::vec((any::<Index>(), any_json()), 1..4);
    prop_oneof![
        any_json(),
        (select(samples), changes).prop_map(|(mut document, changes)| {
            for (at, with) in changes {
                replaced(&mut document, at, with);
            }
            document
        }),
    ]
    .prop_map(|document| document.to_string().into_bytes())
}

/// What is done to the bytes of an input.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Word(Index, String),
    Cut(Index),
    Without(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), select(WORDS.clone())).prop_map(|(at, word)| Change::Word(at, word)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Without(from, to)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: &Index| at.index(input.len() + 1);
        match change {
            Change::Byte(at, byte) => {
                let at = place(at);
                input.splice(at..(at + 1).min(input.len()), [*byte]);
            }
            Change::Word(at, word) => {
                let at = place(at);
                input.splice(at..at, word.bytes());
            }
            Change::Cut(at) => input.truncate(place(at)),
            Change::Without(from, to) => {
                let (from, to) = (place(from), place(to));
                input.drain(from.min(to)..from.max(to));
            }
        }
    }
    input
}

proptest! {
    // What breaks is kept in the corpus, by a name that says why.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_understood_or_refused_and_always_cut(body in document()) {
        for target in &TARGETS {
            target.reads(&body);
        }
    }

    #[test]
    fn whatever_becomes_of_an_input_is_understood_or_refused(
        at: Index,
        changes in prop::collection::vec(change(), 1..5),
    ) {
        for target in &TARGETS {
            let mut inputs = target.corpus();
            let (_, input) = inputs.swap_remove(at.index(inputs.len()));
            target.reads(&changed(input, &changes));
        }
    }
}

const SIZE: usize = 1_000_000;

/// A megabyte of JSON that costs a parser much.
fn large_documents() -> Vec<(&'static str, String)> {
    let list = |item: &str| {
        let items = vec![item; SIZE / (item.len() + 1)];
        format!("[{}]", items.join(","))
    };
    let labels: Map<String, Value> = (0..SIZE / 16)
        .map(|n| (format!("{n:08x}"), Value::from(n)))
        .collect();
    let labelled = [
        ("title", Value::from("a")),
        ("message", Value::from("a")),
        ("labels", labels.clone().into()),
        ("details", labels.into()),
    ];
    let deep = "[".repeat(100) + &"]".repeat(100);
    let alert = r#"{"title":"a","status":"firing","labels":{"alertname":"a"}}"#;
    let alarm = r#"{"AlarmName":"a","NewStateValue":"ALARM","AlarmDescription":""#;
    vec![
        ("open lists", "[".repeat(SIZE)),
        ("open objects", "{\"alerts\":".repeat(SIZE / 10)),
        ("deep lists", list(&deep)),
        ("empty alerts", list("{}")),
        (
            "empty alerts of a webhook",
            format!("{{\"alerts\":{}}}", list("{}")),
        ),
        ("alerts", list(alert)),
        (
            "alerts of a webhook",
            format!("{{\"alerts\":{}}}", list(alert)),
        ),
        ("labels", Value::from_iter(labelled).to_string()),
        (
            "a long text",
            format!("{{\"title\":\"{}\"}}", "\\u0000".repeat(SIZE / 6)),
        ),
        (
            "runbooks",
            format!("{alarm}{}\"}}", "runbook ".repeat(SIZE / 8)),
        ),
        ("a long number", "9".repeat(SIZE)),
        ("headers", "x-a: b\n".repeat(SIZE / 7) + "\n{}"),
    ]
}

/// What reads no JSON.
const TEXTS: [&str; 6] = [
    "alertmanager-filter",
    "sns-certificates",
    "times",
    "slack-line",
    "slack-command",
    "slack-signature",
];

/// A megabyte of text that costs a parser much.
fn large_texts() -> Vec<(&'static str, String)> {
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    vec![
        ("spaces", " ".repeat(SIZE)),
        ("digits", "9".repeat(SIZE)),
        ("words", "declare ".repeat(SIZE / 8)),
        ("percents", format!("filter=a={}", "%".repeat(SIZE))),
        ("open brackets", format!("filter=a=~{}", "(".repeat(SIZE))),
        (
            "a pattern",
            format!("filter=a=~({})*b", "a*".repeat(SIZE / 2)),
        ),
        ("filters", "filter=a=~a{9}\n".repeat(SIZE / 15)),
        ("certificates", certificate.repeat(SIZE / certificate.len())),
        (
            "an open certificate",
            format!("-----BEGIN CERTIFICATE-----\n{}", "A".repeat(SIZE)),
        ),
    ]
}

#[test]
fn a_megabyte_of_whatever_costs_most_is_read_in_no_time() {
    // Ten times what the worst takes on an idle machine without optimisation; what grows with the square of its length
    // would take minutes.
    const TIME_MAX: Duration = Duration::from_secs(20);
    let (documents, texts) = (large_documents(), large_texts());
    for target in &TARGETS {
        let inputs = match TEXTS.contains(&target.name) {
            true => &texts,
            false => &documents,
        };
        for (name, input) in inputs {
            let began = Instant::now();
            target.reads(input.as_bytes());
            let took = began.elapsed();
            println!("{}: {name}: {took:?}", target.name);
            assert!(took < TIME_MAX, "{}: {name}: {took:?}", target.name);
        }
    }
}

/// How an input comes in, and the status that a refusal has.
struct Door {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    refusal: u16,
}

/// The door of a target, with this input before it; none: it cannot be sent as it is.
fn door(target: &str, input: &[u8]) -> Option<Door> {
    let post = |path: &str, refusal: u16| {
        let (headers, body) = request(input);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        Door {
            method: "POST",
            path: path.to_owned(),
            headers: headers.collect(),
            body: body.to_vec(),
            refusal,
        }
    };
    let shown = |mut door: Door| {
        let secret = SECRET.as_bytes().to_vec();
        door.headers.push(("x-firebell-token".into(), secret));
        door
    };
    let slack = |path: &str, body: Vec<u8>| {
        let at = jiff::Timestamp::now().as_second();
        let by = signature(&Options::default().signing_secret, at, &body);
        Door {
            method: "POST",
            path: path.to_owned(),
            headers: vec![
                ("x-slack-request-timestamp".into(), at.to_string().into()),
                ("x-slack-signature".into(), by.into()),
            ],
            body,
            refusal: 400,
        }
    };
    let form = |name: &str| {
        let text = str::from_utf8(input).ok()?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair(name, text)
            .finish();
        Some(form)
    };
    Some(match target {
        "alertmanager"
        | "grafana"
        | "cloudwatch-eventbridge"
        | "datadog"
        | "pagerduty"
        | "opsgenie"
        | "sentry"
        | "cloudevents"
        | "generic"
        | "generic-fields" => shown(post(&format!("/alerts/{target}"), 400)),
        "alertmanager-api" => shown(post("/api/v2/alerts", 400)),
        "pagerduty-change" => shown(post("/v2/change/enqueue", 400)),
        "opsgenie-create" => shown(post("/v2/alerts", 422)),
        "opsgenie-act" => {
            let (alias, body) = first_line(input);
            let alias = url::form_urlencoded::byte_serialize(alias).collect::<String>();
            let alias = alias.replace('+', "%20");
            let path = format!("/v2/alerts/{alias}/notes?identifierType=alias");
            let mut door = shown(post(&path, 422));
            door.body = body.to_vec();
            door
        }
        // Nobody has signed these.
        "cloudwatch-sns" | "sns-envelope" => post("/alerts/cloudwatch-sns", 401),
        "alertmanager-filter" => {
            let mut door = shown(post(&format!("/api/v2/alerts?{}", query(input)), 400));
            (door.method, door.body) = ("GET", Vec::new());
            door
        }
        "opsgenie-search" => {
            let search = String::from_utf8_lossy(input);
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("query", &search)
                .finish();
            let mut door = shown(post(&format!("/v2/alerts/count?{query}"), 422));
            (door.method, door.body) = ("GET", Vec::new());
            door
        }
        "proof" => post("/alerts/grafana", 401),
        "times" => {
            let text = String::from_utf8_lossy(input);
            let body = serde_json::json!({ "title": "a", "started_at": text });
            let mut door = shown(post("/alerts/generic", 400));
            door.body = body.to_string().into();
            door
        }
        "slack-command" => slack("/slack/commands", input.to_vec()),
        "slack-event" => slack("/slack/events", input.to_vec()),
        "slack-interaction" => slack("/slack/interactions", form("payload")?.into()),
        "slack-line" => {
            let rest = "command=%2Fincident&channel_id=C0&user_id=U0&trigger_id=1&";
            slack("/slack/commands", (rest.to_owned() + &form("text")?).into())
        }
        "slack-signature" => {
            let (signature, rest) = first_line(input);
            let (time, body) = first_line(rest);
            let mut door = slack("/slack/events", body.to_vec());
            door.headers[0].1 = time.to_vec();
            door.headers[1].1 = signature.to_vec();
            door.refusal = 401;
            door
        }
        // Certificates come from Amazon, if it is asked.
        "sns-certificates" => return None,
        // We ask for it ourselves; these are typed behind /incident override; and Twilio has signed none of that, and is not
        // even used here.
        "calendar" | "override-time" | "twilio" => return None,
        _ => panic!("where does {target} come in?"),
    })
}

/// Whether an answer is JSON in which something is said.
fn is_reason(said: &str) -> bool {
    serde_json::from_str::<Value>(said).is_ok() && said.len() > 20
}

const TOML: &str = r##"
    [[alert_sources]]
    id = "generic-fields"
    kind = "generic"
    secret_env = "A"
    fields = { each = "body.alerts or [body]", title = "item.title or item|tojson", key = "item.key|upper or item.id", labels = "item.labels or item", started_at = "item.startsAt" }

    [[alert_sources]]
    id = "cloudwatch-sns"
    kind = "cloudwatch-sns"
    topics = ["arn:aws:sns:us-east-1:123456789012:alarms"]

    [[routes]]
    match = {}
    then = "suppress"
"##;

#[tokio::test(flavor = "multi_thread")]
async fn at_the_doors_every_input_of_the_corpus_gets_an_answer_and_every_refusal_a_reason() {
    let kinds = [
        "alertmanager",
        "grafana",
        "cloudwatch-eventbridge",
        "datadog",
        "pagerduty",
        "opsgenie",
        "sentry",
        "cloudevents",
        "generic",
    ];
    let source = |kind: &&str| {
        format!("[[alert_sources]]\nid = \"{kind}\"\nkind = \"{kind}\"\nsecret_env = \"A\"\n")
    };
    let toml = kinds.iter().map(source).collect::<String>() + TOML;
    let ids = kinds.iter().chain(&["generic-fields"]);
    let secrets: Vec<_> = ids.map(|id| (*id, SECRET)).collect();
    let house = House::configured(&toml, &secrets).await;
    let (mut refused, mut understood, mut wrong) = (0, 0, Vec::new());
    for target in &TARGETS {
        for (path, input) in target.corpus() {
            let Some(door) = door(target.name, &input) else {
                continue;
            };
            let what = format!("{} {}", door.path, path.display());
            let mut sent = Request::builder()
                .method(door.method)
                .uri(format!("{}{}", house.url, door.path));
            for (name, value) in &door.headers {
                sent = sent.header(name, value.as_slice());
            }
            // A header of HTTP's cannot hold whatever a target can read.
            let Ok(sent) = sent.body(Full::from(door.body)) else {
                continue;
            };
            let (status, said) = exchange(sent).await;
            // More headers than HTTP itself allows.
            if status == 431 {
                continue;
            }
            let at_doors = match status {
                200 | 202 => Read::Understood,
                _ => Read::Refused,
            };
            let wanted = match (door.refusal, target.name) {
                // Whether or not it can be read, nobody has signed it.
                (401, _) => Read::Refused,
                // What Slack's lines are refused with is an answer like another.
                (_, "slack-line") => Read::Understood,
                _ => target.reads(&input),
            };
            let is_right = match at_doors {
                Read::Understood => {
                    understood += 1;
                    wanted == Read::Understood
                }
                Read::Refused => {
                    refused += 1;
                    wanted == Read::Refused
                        && (status == door.refusal || status == 400)
                        && is_reason(&said)
                        // `amtool` shows a person what it has asked.
                        && (target.name == "alertmanager-filter" || !repeats(&said, &input))
                        && !said.contains(SECRET)
                }
            };
            if !is_right {
                wrong.push(format!("{what}: {status} {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused > 50 && understood > 30, "{refused} {understood}");
    house.ends();
}
