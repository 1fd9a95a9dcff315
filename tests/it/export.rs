//! An incident from its declaration to its last follow-up, exported in every form.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::command::{Command, Declaration, Report};
use firebell::domain::event::{
    Event, ExportFormat, KeptMessage, Mark, MessageRef, Recorded, Resolution, Update,
};
use firebell::domain::group::{Sample, Tally};
use firebell::domain::incident::fold;
use firebell::domain::terms::{
    Actor, ChannelId, DedupKey, GroupId, IncidentId, MessageTs, Role, SlackUserId, Status, Who,
};
use firebell::engine::{Engine, Envelope, Wish};
use firebell::export::{self, Verdict, verify_file};
use firebell::store::Store;
use firebell::store::commit::Commit;
use firebell::templates;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWrite;

/// A house with a store of its own and a clock that is moved by hand.
struct House {
    store: Store,
    engine: Engine,
    clock: Clock,
    catalog: Arc<Catalog>,
    id: IncidentId,
    _folder: TempDir,
}

fn alice() -> Who {
    Who::slack(SlackUserId::new("U0ALICE001"), "alice")
}

fn bob() -> Who {
    Who::slack(SlackUserId::new("U0BOB00002"), "bob")
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

impl House {
    /// A house in Berlin in which alice declares at half past two UTC what began five minutes before.
    async fn with_incident(title: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
        let store = Store::open(&url).await.unwrap();
        let mut catalog = Catalog::default();
        catalog.organization.name = "Example & Sons".to_owned();
        catalog.organization.timezone = TimeZone::get("Europe/Berlin").unwrap();
        let catalog = Arc::new(catalog);
        let clock = Clock::by_hand(at("2025-09-14T14:30:00Z"));
        let engine = Engine::start(store.clone(), catalog.clone(), clock.clone());
        let declared = engine
            .handle(Envelope {
                wish: Wish::Declare(Declaration {
                    description: Some("API Gateway returning 5xx errors".to_owned()),
                    started_at: Some(at("2025-09-14T14:25:00Z")),
                    ..Declaration::titled(title)
                }),
                actor: Actor::Person(alice()),
                delivery: None,
            })
            .await
            .unwrap();
        Self {
            store,
            engine,
            clock,
            catalog,
            id: declared.incident.id.clone(),
            _folder: folder,
        }
    }

    /// Somebody does something, so many seconds later.
    async fn after(&self, seconds: i64, who: Actor, command: Command) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        let envelope = Envelope {
            wish: Wish::Pursue(self.id.clone(), command),
            actor: who,
            delivery: None,
        };
        self.engine.handle(envelope).await.unwrap();
    }

    async fn export(&self, format: ExportFormat) -> String {
        let mut file = Vec::new();
        let written = self.export_to(format, &mut file).await;
        assert_eq!(written.bytes, file.len() as u64);
        String::from_utf8(file).unwrap()
    }

    async fn export_to<W: AsyncWrite + Unpin>(
        &self,
        format: ExportFormat,
        out: &mut W,
    ) -> export::Written {
        let templates = templates::environment(None);
        export::write(
            &self.store,
            &templates,
            &self.catalog,
            &self.id,
            format,
            self.clock.now(),
            out,
        )
        .await
        .unwrap()
        .expect("there is such an incident")
    }
}

fn note(text: &str) -> Command {
    Command::AddNote {
        text: text.to_owned(),
    }
}

fn message(ts: &str) -> MessageRef {
    MessageRef {
        channel: ChannelId::new("C0WARROOM1"),
        ts: MessageTs::new(ts),
    }
}

/// That so many alerts fire, and which were the newest: title, source, whether it fires.
fn alerts_stand(firing: u64, total: u64, newest: &[(&str, &str, bool)]) -> Command {
    let sample = |(title, source, is_firing): &(&str, &str, bool)| Sample {
        key: DedupKey::new(*title),
        title: (*title).to_owned(),
        source: Some((*source).to_owned()),
        is_firing: *is_firing,
        is_flapping: false,
        is_acknowledged: false,
        acknowledged_by: None,
        whereabouts: Default::default(),
    };
    Command::NoteAlerts {
        group: GroupId::new("grp-1"),
        tally: Tally {
            title: "HighErr".to_owned(),
            source: "prometheus".to_owned(),
            firing,
            total,
            samples: newest.iter().map(sample).collect(),
            is_quieted: false,
            is_flapping: false,
            remarks: vec![],
            common: Default::default(),
            leads: vec![],
        },
    }
}

/// A house whose incident has three alerts.
async fn with_alerts() -> House {
    let house = House::with_incident("Checkout is down").await;
    let prometheus = || Actor::Alert {
        source: "prometheus".to_owned(),
    };
    let first = ("HighErr", "prometheus", true);
    let joined = alerts_stand(1, 1, &[first]);
    house.after(60, prometheus(), joined).await;
    // The first is no longer among the newest, and is listed all the same.
    let newest = [("p99", "datadog", true), ("5xx ratio", "grafana", false)];
    house
        .after(60, prometheus(), alerts_stand(2, 3, &newest))
        .await;
    house
}

#[tokio::test]
async fn the_alerts_of_an_incident_are_listed_in_every_form() {
    let house = with_alerts().await;
    let part = |markdown: String| {
        let (_, rest) = markdown.split_once("## Alerts\n").unwrap();
        rest.split("## Updates").next().unwrap().trim().to_owned()
    };
    insta::assert_snapshot!(part(house.export(ExportFormat::Markdown).await), @r"
    - **HighErr** (prometheus, grafana, datadog): 3 in all, 2 firing at the end of this record; first told 2025-09-14 14:31:00 UTC (2025-09-14 16:31:00 Europe/Berlin)
      - 2025-09-14 14:31:00 UTC: HighErr (prometheus), firing
      - 2025-09-14 14:32:00 UTC: 5xx ratio (grafana)
      - 2025-09-14 14:32:00 UTC: p99 (datadog), firing
    ");
    let html = house.export(ExportFormat::Html).await;
    for told in [
        "<strong>HighErr</strong>",
        "p99 (datadog), firing",
        "5xx ratio (grafana)</li>",
    ] {
        assert!(html.contains(told), "{told}");
    }
    let json = house.export(ExportFormat::Json).await;
    let told: Value = serde_json::from_str(&json).unwrap();
    insta::assert_snapshot!(told["alerts"], @r#"[{"firing":2,"first_told_at":"2025-09-14T14:31:00.000Z","named":[{"firing":true,"first_told_at":"2025-09-14T14:31:00.000Z","source":"prometheus","title":"HighErr"},{"firing":false,"first_told_at":"2025-09-14T14:32:00.000Z","source":"grafana","title":"5xx ratio"},{"firing":true,"first_told_at":"2025-09-14T14:32:00.000Z","source":"datadog","title":"p99"}],"over_at":null,"quieted":false,"source":"prometheus","title":"HighErr","total":3}]"#);
    assert!(verify_file(json.as_bytes()).unwrap().holds());
    let mut fewer = told;
    fewer["alerts"][0]["total"] = 2.into();
    let verdict = verify_file(fewer.to_string().as_bytes()).unwrap();
    assert_eq!(verdict.faults, ["“alerts” is not what the record says"]);
    let over = alerts_stand(0, 3, &[]);
    house.after(60, Actor::Firebell, over).await;
    insta::assert_snapshot!(part(house.export(ExportFormat::Markdown).await), @r"
    - **HighErr** (prometheus, grafana, datadog): 3 in all, over 2025-09-14 14:33:00 UTC (2025-09-14 16:33:00 Europe/Berlin); first told 2025-09-14 14:31:00 UTC (2025-09-14 16:31:00 Europe/Berlin)
      - 2025-09-14 14:31:00 UTC: HighErr (prometheus)
      - 2025-09-14 14:32:00 UTC: 5xx ratio (grafana)
      - 2025-09-14 14:32:00 UTC: p99 (datadog)
    ");
}

/// A whole life: declared, answered, updated, handed over, mitigated, resolved, with work left over.
async fn a_whole_life() -> House {
    let house = House::with_incident("Checkout is down").await;
    let (alice, bob) = (|| Actor::Person(alice()), || Actor::Person(bob()));
    house
        .after(
            2,
            Actor::Firebell,
            Command::Record(Report::WarRoomOpened {
                channel: ChannelId::new("C0WARROOM1"),
                name: "incident-2025-0914-001".to_owned(),
            }),
        )
        .await;
    house.after(70, bob(), Command::Acknowledge).await;
    house
        .after(
            60,
            alice(),
            Command::AssignRole {
                role: Role::OperationsLead,
                to: self::bob(),
            },
        )
        .await;
    house
        .after(
            120,
            bob(),
            note("DynamoDB is throttling | see <https://grafana.example/d/a_b>"),
        )
        .await;
    let kept = KeptMessage {
        message: message("1757860020.000100"),
        author: Who::slack(SlackUserId::new("U0CAROL003"), "carol"),
        text: "=SUM(A1) customers report <b>errors</b>\nsince 14:27".to_owned(),
        written_at: at("2025-09-14T14:27:00Z"),
        mark: Mark::Pin,
        marked_by: self::alice(),
    };
    house
        .after(
            30,
            Actor::Firebell,
            Command::Record(Report::MessageFetched(kept)),
        )
        .await;
    house
        .after(
            300,
            alice(),
            Command::PostUpdate {
                update: Update {
                    text: "DynamoDB throttling due to traffic spike".to_owned(),
                    actions_taken: Some(
                        "Increased DynamoDB capacity\nImplemented request throttling".to_owned(),
                    ),
                    next_steps: None,
                    eta: Some("15 minutes to full resolution".to_owned()),
                    next_update_in: None,
                },
                status: Some(Status::Mitigating),
                severity: None,
            },
        )
        .await;
    house
        .after(
            60,
            alice(),
            Command::AssignRole {
                role: Role::IncidentCommander,
                to: self::bob(),
            },
        )
        .await;
    house
        .after(900, bob(), Command::SetStatus(Status::Monitoring))
        .await;
    house
        .after(
            1_158,
            bob(),
            Command::Resolve(Resolution {
                root_cause: Some("DynamoDB capacity exceeded during traffic spike".to_owned()),
                resolution: Some("Increased DynamoDB provisioned capacity".to_owned()),
                impact: Some("~500 users affected, data integrity maintained".to_owned()),
            }),
        )
        .await;
    for (text, due) in [
        ("Alarm on consumed capacity", "2025-09-21"),
        ("Load-test the checkout", "2025-09-30"),
    ] {
        let command = Command::AddFollowUp {
            text: text.to_owned(),
            owner: Some(self::bob()),
            due: Some(due.parse().unwrap()),
        };
        house.after(60, alice(), command).await;
    }
    house
        .after(86_400, bob(), Command::CompleteFollowUp { number: 1 })
        .await;
    house
}

#[tokio::test]
async fn a_post_mortem_in_markdown_tells_the_whole_life() {
    let house = a_whole_life().await;
    let head = house.store.held(&house.id).await.unwrap().unwrap().head;
    let shown = house.export(ExportFormat::Markdown).await;
    // The joiner that keeps a name from being a mention is not seen: here it is `^`.
    let shown = shown.replace('\u{2060}', "^").replace(&head, "[head]");
    insta::assert_snapshot!(shown, @r#"
    # Post-mortem INC-2025-0914-001: Checkout is down

    | | |
    | --- | --- |
    | **Status** | Resolved |
    | **Severity** | P1 - Critical |
    | **Service** | not named |
    | **Incident Commander** | bob |
    | **Declared by** | alice |
    | **Started** | 2025-09-14 14:25:00 UTC (2025-09-14 16:25:00 Europe/Berlin) |
    | **Resolved** | 2025-09-14 15:15:00 UTC (2025-09-14 17:15:00 Europe/Berlin) |
    | **Duration** | 50m |
    | **War room** | \#incident-2025-0914-001 |

    ## Summary

    > API Gateway returning 5xx errors

    ## Impact

    > \~500 users affected, data integrity maintained

    ## Milestones

    | Milestone | UTC | Europe/Berlin | Since start | Since declaration |
    | --- | --- | --- | --- | --- |
    | Started | 2025-09-14 14:25:00 | 2025-09-14 16:25:00 | 0s |  |
    | Declared | 2025-09-14 14:30:00 | 2025-09-14 16:30:00 | 5m | 0s |
    | Acknowledged | 2025-09-14 14:31:12 | 2025-09-14 16:31:12 | 6m 12s | 1m 12s |
    | Mitigated | 2025-09-14 14:55:42 | 2025-09-14 16:55:42 | 30m 42s | 25m 42s |
    | Resolved | 2025-09-14 15:15:00 | 2025-09-14 17:15:00 | 50m | 45m |

    - **Time to acknowledge:** 6m 12s from the start, 1m 12s from the declaration
    - **Time to mitigate:** 30m 42s from the start, 25m 42s from the declaration
    - **Time to resolve:** 50m from the start, 45m from the declaration

    ## People and roles

    | Who | Roles | Entries |
    | --- | --- | --- |
    | alice | Incident Commander (2025-09-14 14:30:00 to 2025-09-14 14:40:42) | 7 |
    | bob | Operations Lead (2025-09-14 14:32:12 to the end)<br>Incident Commander (2025-09-14 14:40:42 to the end) | 5 |
    | carol |  | 1 |

    ## Alerts

    _None are part of this record._

    ## Updates

    ### Update 1: Mitigating

    2025-09-14 14:39:42 UTC (+14m 42s), by alice

    > DynamoDB throttling due to traffic spike

    - **Actions taken:** Increased DynamoDB capacity<br>Implemented request throttling
    - **ETA:** 15 minutes to full resolution

    ## Actions

    _None are part of this record._

    ## Root cause

    > DynamoDB capacity exceeded during traffic spike

    ## Resolution

    > Increased DynamoDB provisioned capacity

    ## Follow-ups

    - [x] 1: Alarm on consumed capacity (bob, due 2025-09-21, done 2025-09-15 15:17:00 UTC)
    - [ ] 2: Load-test the checkout (bob, due 2025-09-30)

    ## Timeline

    14 entries, in the order in which things happened.

    | UTC | Europe/Berlin | Who | What |
    | --- | --- | --- | --- |
    | 2025-09-14 14:27:00 | 2025-09-14 16:27:00 | carol | =SUM(A1) customers report &lt;b&gt;errors&lt;/b&gt;<br>since 14:27<br>(pinned by @^alice)<br>*written down 2025-09-14 14:34:42 UTC* |
    | 2025-09-14 14:30:00 | 2025-09-14 16:30:00 | alice | Declared P1 - Critical: Checkout is down<br>API Gateway returning 5xx errors<br>Incident Commander: @^alice |
    | 2025-09-14 14:30:02 | 2025-09-14 16:30:02 | Firebell | Opened the war room #incident-2025-0914-001 |
    | 2025-09-14 14:31:12 | 2025-09-14 16:31:12 | bob | Acknowledged by @^bob |
    | 2025-09-14 14:32:12 | 2025-09-14 16:32:12 | alice | Operations Lead: @^bob |
    | 2025-09-14 14:34:12 | 2025-09-14 16:34:12 | bob | DynamoDB is throttling \| see &lt;https://grafana.example/d/a_b&gt; |
    | 2025-09-14 14:39:42 | 2025-09-14 16:39:42 | alice | Status: Investigating → Mitigating |
    | 2025-09-14 14:39:42 | 2025-09-14 16:39:42 | alice | Update 1 (Mitigating): DynamoDB throttling due to traffic spike<br>Actions taken: Increased DynamoDB capacity<br>Implemented request throttling<br>ETA: 15 minutes to full resolution |
    | 2025-09-14 14:40:42 | 2025-09-14 16:40:42 | alice | Incident Commander: @^bob (before: @^alice) |
    | 2025-09-14 14:55:42 | 2025-09-14 16:55:42 | bob | Status: Mitigating → Monitoring |
    | 2025-09-14 15:15:00 | 2025-09-14 17:15:00 | bob | Resolved<br>Root cause: DynamoDB capacity exceeded during traffic spike<br>Resolution: Increased DynamoDB provisioned capacity<br>Impact: \~500 users affected, data integrity maintained |
    | 2025-09-14 15:16:00 | 2025-09-14 17:16:00 | alice | Follow-up 1: Alarm on consumed capacity (owner @^bob) (due 2025-09-21) |
    | 2025-09-14 15:17:00 | 2025-09-14 17:17:00 | alice | Follow-up 2: Load-test the checkout (owner @^bob) (due 2025-09-30) |
    | 2025-09-15 15:17:00 | 2025-09-15 17:17:00 | bob | Follow-up 1 is done |

    ## The record

    This is told from 14 entries, each chained to the one before it by its SHA-256. The hash of the last one is
    `[head]`.
    To verify that nothing in the record was changed, export it as JSON and run `firebell audit verify INC-2025-0914-001.json`: it must end at the same hash.

    _Exported 2025-09-15 15:17:00 UTC (2025-09-15 17:17:00 Europe/Berlin) by Firebell 0.1.0 for Example & Sons._
    "#);
}

#[tokio::test]
async fn a_timeline_as_csv_opens_in_a_spreadsheet() {
    let house = a_whole_life().await;
    let csv = house.export(ExportFormat::Csv).await;
    assert!(csv.starts_with('\u{feff}'));
    let body = csv.trim_start_matches('\u{feff}');
    assert!(
        body.split("\r\n").filter(|row| !row.is_empty()).count() == 15,
        "{body}"
    );
    // Without the hashes, which the JSON export proves.
    let shown: String = body
        .split_inclusive("\r\n")
        .map(|row| {
            row.rsplit_once(',')
                .map_or(row, |(row, _hash)| row)
                .to_owned()
                + "\n"
        })
        .collect();
    insta::assert_snapshot!(shown, @r#"
    incident,seq,happened_at UTC,happened_at Europe/Berlin,recorded_at UTC,sort,kind,who,what
    INC-2025-0914-001,6,2025-09-14 14:27:00.000,2025-09-14 16:27:00.000,2025-09-14 14:34:42.000,note,message_kept,carol,"'=SUM(A1) customers report <b>errors</b>
    since 14:27
    (pinned by @alice)"
    INC-2025-0914-001,1,2025-09-14 14:30:00.000,2025-09-14 16:30:00.000,2025-09-14 14:30:00.000,milestone,declared,alice,"Declared P1 - Critical: Checkout is down
    API Gateway returning 5xx errors
    Incident Commander: @alice"
    INC-2025-0914-001,2,2025-09-14 14:30:02.000,2025-09-14 16:30:02.000,2025-09-14 14:30:02.000,housekeeping,war_room_opened,Firebell,Opened the war room #incident-2025-0914-001
    INC-2025-0914-001,3,2025-09-14 14:31:12.000,2025-09-14 16:31:12.000,2025-09-14 14:31:12.000,milestone,acknowledged,bob,Acknowledged by @bob
    INC-2025-0914-001,4,2025-09-14 14:32:12.000,2025-09-14 16:32:12.000,2025-09-14 14:32:12.000,role,role_assigned,alice,Operations Lead: @bob
    INC-2025-0914-001,5,2025-09-14 14:34:12.000,2025-09-14 16:34:12.000,2025-09-14 14:34:12.000,note,note_added,bob,DynamoDB is throttling | see <https://grafana.example/d/a_b>
    INC-2025-0914-001,7,2025-09-14 14:39:42.000,2025-09-14 16:39:42.000,2025-09-14 14:39:42.000,status,status_changed,alice,Status: Investigating → Mitigating
    INC-2025-0914-001,8,2025-09-14 14:39:42.000,2025-09-14 16:39:42.000,2025-09-14 14:39:42.000,status,update_posted,alice,"Update 1 (Mitigating): DynamoDB throttling due to traffic spike
    Actions taken: Increased DynamoDB capacity
    Implemented request throttling
    ETA: 15 minutes to full resolution"
    INC-2025-0914-001,9,2025-09-14 14:40:42.000,2025-09-14 16:40:42.000,2025-09-14 14:40:42.000,role,role_assigned,alice,Incident Commander: @bob (before: @alice)
    INC-2025-0914-001,10,2025-09-14 14:55:42.000,2025-09-14 16:55:42.000,2025-09-14 14:55:42.000,status,status_changed,bob,Status: Mitigating → Monitoring
    INC-2025-0914-001,11,2025-09-14 15:15:00.000,2025-09-14 17:15:00.000,2025-09-14 15:15:00.000,milestone,resolved,bob,"Resolved
    Root cause: DynamoDB capacity exceeded during traffic spike
    Resolution: Increased DynamoDB provisioned capacity
    Impact: ~500 users affected, data integrity maintained"
    INC-2025-0914-001,12,2025-09-14 15:16:00.000,2025-09-14 17:16:00.000,2025-09-14 15:16:00.000,follow-up,follow_up_added,alice,Follow-up 1: Alarm on consumed capacity (owner @bob) (due 2025-09-21)
    INC-2025-0914-001,13,2025-09-14 15:17:00.000,2025-09-14 17:17:00.000,2025-09-14 15:17:00.000,follow-up,follow_up_added,alice,Follow-up 2: Load-test the checkout (owner @bob) (due 2025-09-30)
    INC-2025-0914-001,14,2025-09-15 15:17:00.000,2025-09-15 17:17:00.000,2025-09-15 15:17:00.000,follow-up,follow_up_completed,bob,Follow-up 1 is done
    "#);
}

#[tokio::test]
async fn nothing_is_written_for_an_incident_that_is_not() {
    let house = House::with_incident("Checkout is down").await;
    let templates = templates::environment(None);
    for format in ExportFormat::ALL {
        let mut out = Vec::new();
        let unknown = IncidentId::new("INC-2025-0914-999");
        let written = export::write(
            &house.store,
            &templates,
            &house.catalog,
            &unknown,
            format,
            house.clock.now(),
            &mut out,
        )
        .await
        .unwrap();
        assert_eq!((written, out.len()), (None, 0));
    }
}

#[tokio::test]
async fn an_incident_that_has_just_begun_can_be_exported_in_every_form() {
    let house = House::with_incident("x").await;
    for format in ExportFormat::ALL {
        assert!(!house.export(format).await.is_empty());
    }
    let markdown = house.export(ExportFormat::Markdown).await;
    assert!(
        markdown.contains("| **Resolved** | not yet |"),
        "{markdown}"
    );
    assert!(markdown.contains("5m so far"), "{markdown}");
}

const HOSTILE: &str = "</script><img src=http://evil.example/x onerror=alert(1)> <!channel> @here | `code` ![i](http://evil.example/y)\0\u{1b}[2J\u{202e}dlo";

/// An incident in which everybody writes what they should not.
async fn hostile() -> House {
    let house = House::with_incident(HOSTILE).await;
    let mallory = || Actor::Person(Who::named(HOSTILE));
    house.after(10, mallory(), Command::Acknowledge).await;
    house.after(10, mallory(), note("=cmd|' /C calc'!A0")).await;
    house.after(10, mallory(), note(&"x".repeat(10_000))).await;
    house
        .after(
            10,
            mallory(),
            note(&format!("a\r\n\r\n# b\n- c\n{HOSTILE}")),
        )
        .await;
    let update = Update {
        text: HOSTILE.to_owned(),
        actions_taken: Some(HOSTILE.to_owned()),
        next_steps: Some(HOSTILE.to_owned()),
        eta: Some(HOSTILE.to_owned()),
        next_update_in: None,
    };
    house
        .after(
            10,
            mallory(),
            Command::PostUpdate {
                update,
                status: None,
                severity: None,
            },
        )
        .await;
    house
        .after(
            10,
            mallory(),
            Command::AddFollowUp {
                text: HOSTILE.to_owned(),
                owner: Some(Who::named(HOSTILE)),
                due: None,
            },
        )
        .await;
    let alerts = [(HOSTILE, HOSTILE, true), ("b", HOSTILE, false)];
    house
        .after(10, mallory(), alerts_stand(1, 2, &alerts))
        .await;
    let said = || Some(HOSTILE.to_owned());
    let resolution = Resolution {
        root_cause: said(),
        resolution: said(),
        impact: said(),
    };
    house
        .after(10, mallory(), Command::Resolve(resolution))
        .await;
    house
}

#[tokio::test]
async fn hostile_text_is_only_text_in_every_form() {
    let house = hostile().await;
    let html = house.export(ExportFormat::Html).await;
    for forbidden in [
        "<img",
        "<script",
        "</script",
        "onerror=alert(1)>",
        "\0",
        "\u{1b}",
        "\u{202e}",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    // No request leaves the page: what could cause one is not there.
    for forbidden in ["src=\"", "href=", "url(", "@import", "<link", "<iframe"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let markdown = house.export(ExportFormat::Markdown).await;
    for forbidden in [
        "</script>",
        "<img",
        "<!channel>",
        "@here",
        "![i]",
        "`code`",
        "\0",
        "\u{202e}",
    ] {
        assert!(!markdown.contains(forbidden), "{forbidden}");
    }
    let table = markdown.split("\n## Timeline").nth(1).unwrap();
    for row in table.lines().filter(|line| line.starts_with('|')) {
        let bars = row
            .replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count();
        assert_eq!(bars, 5, "{row}");
    }
    let csv = house.export(ExportFormat::Csv).await;
    assert!(csv.contains("\"'=cmd|' /C calc'!A0\""), "{csv}");
    assert!(!csv.contains(['\0', '\u{1b}', '\u{202e}']));
    let json = house.export(ExportFormat::Json).await;
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap()["incident"]["title"],
        HOSTILE
    );
    assert!(verify_file(json.as_bytes()).unwrap().holds());
}

#[tokio::test]
async fn the_page_allows_its_own_style_and_nothing_else() {
    let html = a_whole_life().await.export(ExportFormat::Html).await;
    let policy = html
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    assert_eq!(html.matches("<style>").count(), 1);
    assert!(!html.contains("style=\""));
}

#[tokio::test]
async fn an_exported_record_proves_itself() {
    let house = a_whole_life().await;
    let json = house.export(ExportFormat::Json).await;
    let head = house.store.held(&house.id).await.unwrap().unwrap().head;
    assert_eq!(
        verify_file(json.as_bytes()).unwrap(),
        Verdict {
            incident: Some(house.id.clone()),
            entries: 14,
            head,
            reformatted: false,
            faults: vec![],
            remarks: vec![],
        }
    );
}

/// Writes a JSON text anew as another program does it.
fn rewritten(by: &[&str], json: &str) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new(by[0])
        .args(&by[1..])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{by:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let text = json.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{by:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_record_that_another_program_wrote_anew_still_proves_itself() {
    const PYTHON: &str = "import json, sys; json.dump(json.load(sys.stdin), sys.stdout, ";
    for house in [a_whole_life().await, hostile().await] {
        let json = house.export(ExportFormat::Json).await;
        for how in [
            "indent=4)",
            "sort_keys=True)",
            "ensure_ascii=False, separators=(',', ':'))",
        ] {
            let anew = rewritten(&["python3", "-c", &format!("{PYTHON}{how}")], &json);
            let verdict = verify_file(anew.as_bytes()).unwrap();
            assert_eq!(verdict.faults, [""; 0], "{how}");
            assert_eq!(verdict.remarks, [""; 0], "{how}");
            assert!(how.contains("separators") || verdict.reformatted, "{how}");
            // One word changed in it is found as before.
            let edited = anew.replacen("note_added", "note_addee", 1);
            assert!(!verify_file(edited.as_bytes()).unwrap().holds(), "{how}");
            let more = anew.replacen("\"text\"", "\"more\": 1, \"text\"", 2);
            let verdict = verify_file(more.as_bytes());
            assert!(verdict.is_err() || !verdict.unwrap().holds(), "{how}");
        }
    }
}

#[tokio::test]
async fn relief_that_only_the_resolution_brought_is_not_told_as_a_milestone() {
    let house = House::with_incident("x").await;
    let resolved = || Command::Resolve(Resolution::default());
    house.after(60, Actor::Person(alice()), resolved()).await;
    for format in [
        ExportFormat::Markdown,
        ExportFormat::Html,
        ExportFormat::Json,
    ] {
        let file = house.export(format).await;
        for told in ["Mitigated", "mitigated", "mitigate"] {
            assert!(!file.contains(told), "{told}: {file}");
        }
    }
    assert!(
        verify_file(house.export(ExportFormat::Json).await.as_bytes())
            .unwrap()
            .holds()
    );
    let house = House::with_incident("x").await;
    let relief = Command::SetStatus(Status::Monitoring);
    house.after(60, Actor::Person(alice()), relief).await;
    house.after(60, Actor::Person(alice()), resolved()).await;
    assert!(
        house
            .export(ExportFormat::Markdown)
            .await
            .contains("| Mitigated |")
    );
}

#[tokio::test]
async fn no_change_of_an_exported_record_stays_unseen() {
    let json = a_whole_life().await.export(ExportFormat::Json).await;
    let whole: Value = serde_json::from_str(&json).unwrap();
    let mut tried = 0;
    let mut found = |what: &str, changed: String| {
        tried += 1;
        assert_ne!(changed, json, "{what} changed nothing");
        // A file that cannot be read any more is found, too.
        if let Ok(verdict) = verify_file(changed.as_bytes()) {
            assert!(
                !verdict.holds() || !verdict.remarks.is_empty(),
                "{what} was not found"
            );
        }
    };
    // Each line of the timeline: removed, doubled, swapped with the next.
    let lines: Vec<&str> = json.lines().collect();
    let entries: Vec<usize> = (0..lines.len())
        .filter(|i| lines[*i].starts_with("    {\"seq\":"))
        .collect();
    assert_eq!(entries.len(), 14);
    for &i in &entries {
        let bare = |line: &str| line.trim_end_matches(',').to_owned();
        let rebuilt = |timeline: Vec<String>| {
            let first = entries[0];
            let last = entries[entries.len() - 1];
            let mut all: Vec<String> = lines[..first]
                .iter()
                .map(|line| (*line).to_owned())
                .collect();
            let n = timeline.len();
            all.extend(
                timeline
                    .into_iter()
                    .enumerate()
                    .map(|(i, line)| if i + 1 < n { line + "," } else { line }),
            );
            all.extend(lines[last + 1..].iter().map(|line| (*line).to_owned()));
            all.join("\n") + "\n"
        };
        let timeline: Vec<String> = entries.iter().map(|i| bare(lines[*i])).collect();
        let place = i - entries[0];
        let mut removed = timeline.clone();
        removed.remove(place);
        found(&format!("removing entry {}", place + 1), rebuilt(removed));
        let mut doubled = timeline.clone();
        doubled.insert(place, timeline[place].clone());
        found(&format!("doubling entry {}", place + 1), rebuilt(doubled));
        if place + 1 < timeline.len() {
            let mut swapped = timeline.clone();
            swapped.swap(place, place + 1);
            found(&format!("swapping entry {}", place + 1), rebuilt(swapped));
        }
    }
    // Each letter and digit of the file, one after the other, is another one. What the file alone is believed in is
    // left out: whose it is, when it was written, and the schema's name.
    let believed = [
        "\"name\": \"Example",
        "\"exported_at\":",
        "\"service_name\":",
    ];
    let mut start = 0;
    for line in json.split_inclusive('\n') {
        if !believed.iter().any(|it| line.trim_start().starts_with(it)) {
            for (i, c) in line
                .char_indices()
                .filter(|(_, c)| c.is_ascii_alphanumeric())
            {
                let other = match c {
                    '9' | 'z' | 'Z' => char::from(c as u8 - 1),
                    c => char::from(c as u8 + 1),
                };
                let mut changed = json.clone();
                let place = start + i;
                changed.replace_range(place..=place, &other.to_string());
                found(&format!("{c} → {other} in {}", line.trim()), changed);
            }
        }
        start += line.len();
    }
    // Whole values of the summary.
    for (key, value) in whole.as_object().unwrap() {
        if ["exported_at", "organization", "timeline"].contains(&key.as_str()) {
            continue;
        }
        let mut changed = whole.clone();
        changed.as_object_mut().unwrap().remove(key);
        found(&format!("removing {key}"), changed.to_string());
        if value.as_array().is_some_and(|list| !list.is_empty()) {
            let mut changed = whole.clone();
            changed[key].as_array_mut().unwrap().pop();
            found(&format!("shortening {key}"), changed.to_string());
        }
    }
    // The end of the record cut off, and the summary made to fit it.
    let mut cut = json.clone();
    let last = entries[entries.len() - 1];
    let gone: Value = serde_json::from_str(lines[last]).unwrap();
    let before: Value = serde_json::from_str(lines[last - 1].trim_end_matches(',')).unwrap();
    cut = cut.replace(&format!(",\n{}", lines[last]), "");
    cut = cut.replace(
        gone["hash"].as_str().unwrap(),
        before["hash"].as_str().unwrap(),
    );
    cut = cut.replace("\"entries\": 14", "\"entries\": 13");
    found("cutting the end off", cut);
    println!("{tried} changes, all found");
}

#[tokio::test]
async fn a_file_by_another_version_is_proved_as_far_as_can_be() {
    let json = a_whole_life().await.export(ExportFormat::Json).await;
    let other = json.replace("\"generator\": \"Firebell ", "\"generator\": \"Firebell 9");
    let verdict = verify_file(other.as_bytes()).unwrap();
    assert!(verdict.holds());
    assert!(
        verdict.remarks[0].contains("was not compared"),
        "{:?}",
        verdict.remarks
    );
    let edited = other.replace("DynamoDB is throttling", "DynamoDB is fine");
    assert!(!verify_file(edited.as_bytes()).unwrap().holds());
}

#[tokio::test]
async fn what_is_no_export_is_an_error() {
    for wrong in [
        "",
        "[]",
        "{\"timeline\": 1}",
        "{\"schema_version\": 2}",
        "{} {}",
        "nothing",
        "{\"a\":1,\"a\":2}",
    ] {
        assert!(verify_file(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(!verify_file(&b"{}"[..]).unwrap().holds());
}

/// The peer that knows JSON Schema better than we do: Python's jsonschema, from tests/peers/requirements.txt.
fn validate(schema: &std::path::Path, file: &std::path::Path) -> Result<(), String> {
    const SCRIPT: &str = "\
import json, sys
from jsonschema import Draft202012Validator as Validator
schema, file = (json.load(open(path, encoding='utf-8')) for path in sys.argv[1:])
Validator.check_schema(schema)
faults = [f'{list(e.absolute_path)}: {e.message}' for e in Validator(schema, format_checker=Validator.FORMAT_CHECKER).iter_errors(file)]
sys.exit('\\n'.join(faults[:10]) or 0)
";
    let python =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/venv/bin/python");
    let run = std::process::Command::new(&python)
        .args(["-c", SCRIPT])
        .args([schema, file])
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}; run `tests/set-up python`", python.display()));
    match run.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&run.stderr).into_owned()),
    }
}

#[tokio::test]
async fn the_json_keeps_to_its_published_schema() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("postmortem.schema.json");
    std::fs::write(&schema, export::SCHEMA).unwrap();
    let file = folder.path().join("file.json");
    let just_begun = House::with_incident("x").await;
    for house in [
        a_whole_life().await,
        hostile().await,
        with_alerts().await,
        just_begun,
    ] {
        std::fs::write(&file, house.export(ExportFormat::Json).await).unwrap();
        assert_eq!(validate(&schema, &file), Ok(()));
    }
    let mut other: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    other["timeline"][0]["note"] = "not described".into();
    std::fs::write(&file, other.to_string()).unwrap();
    assert!(validate(&schema, &file).unwrap_err().contains("note"));
}

#[tokio::test]
async fn people_whom_slack_mentions_by_id_have_their_names() {
    let house = House::with_incident("x").await;
    let dana = SlackUserId::new("U0DANA0004");
    let asked = note("@U0DANA0004 has the key");
    house
        .after(
            5,
            Actor::Person(Who::slack(dana.clone(), "U0DANA0004")),
            asked,
        )
        .await;
    let learned = Command::Record(Report::NamesLearned(vec![(dana, "dana".to_owned())]));
    house.after(5, Actor::Firebell, learned).await;
    for format in [
        ExportFormat::Markdown,
        ExportFormat::Html,
        ExportFormat::Csv,
    ] {
        let file = house.export(format).await;
        assert!(file.contains("dana has the key"), "{file}");
        assert!(!file.contains("U0DANA0004"), "{file}");
    }
    let json = house.export(ExportFormat::Json).await;
    assert!(json.contains(r#""text":"@dana has the key""#), "{json}");
    assert_eq!(verify_file(json.as_bytes()).unwrap().faults, [""; 0]);
    let forged = json.replace(r#": "dana""#, r#": "mallory""#);
    assert!(!verify_file(forged.as_bytes()).unwrap().holds());
}

#[tokio::test]
async fn a_kept_message_stands_where_it_was_written() {
    let house = a_whole_life().await;
    let csv = house.export(ExportFormat::Csv).await;
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert!(rows[1].contains("message_kept"), "{}", rows[1]);
    assert!(rows[2].contains("declared"), "{}", rows[2]);
}

#[tokio::test]
async fn what_happens_during_an_export_is_not_in_it() {
    let house = a_whole_life().await;
    let mut out = Meter {
        on_first: Some(house.engine.clone()),
        id: Some(house.id.clone()),
        ..Meter::default()
    };
    let written = house.export_to(ExportFormat::Json, &mut out).await;
    assert_eq!(written.entries, 14);
}

/// Fills a store with an incident of so many notes, every tenth of them a message that was kept an hour later.
async fn a_long_timeline(entries: u64) -> House {
    let house = House::with_incident("A long night").await;
    let mut held = house.store.held(&house.id).await.unwrap().unwrap();
    let mut now = house.clock.now();
    while held.incident.version < entries {
        let mut commit = Commit::default();
        for _ in 0..5_000.min(entries - held.incident.version) {
            let seq = held.incident.version + 1;
            now += SignedDuration::from_millis(300);
            let event = if seq % 10 == 0 {
                Event::MessageKept(KeptMessage {
                    message: message("1757860020.000100"),
                    author: bob(),
                    text: format!("message {seq}: the queue is {} long", seq % 977),
                    written_at: now - SignedDuration::from_hours(1),
                    mark: Mark::Reaction,
                    marked_by: alice(),
                })
            } else {
                Event::NoteAdded {
                    text: format!(
                        "note {seq}: restarted pod checkout-{}-{}, latency is {} ms",
                        seq % 13,
                        seq,
                        seq % 500
                    ),
                }
            };
            let recorded = Recorded {
                seq,
                happened_at: event.happened_at(now),
                recorded_at: now,
                event,
                actor: Actor::Person(alice()),
            };
            let after = fold(Some((*held.incident).clone()), &recorded).unwrap();
            commit.append(&mut held, &recorded, after).unwrap();
        }
        house.store.commit(&commit).await.unwrap();
    }
    house.clock.advance(now.duration_since(house.clock.now()));
    house
}

/// A sink that keeps nothing, and remembers the largest piece it was given.
#[derive(Default)]
struct Meter {
    bytes: u64,
    largest: usize,
    on_first: Option<Engine>,
    id: Option<IncidentId>,
}

impl AsyncWrite for Meter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes += piece.len() as u64;
        self.largest = self.largest.max(piece.len());
        if let (Some(engine), Some(id)) = (self.on_first.take(), self.id.take()) {
            tokio::spawn(async move {
                let envelope = Envelope {
                    wish: Wish::Pursue(id, note("meanwhile")),
                    actor: Actor::Firebell,
                    delivery: None,
                };
                engine.handle(envelope).await
            });
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Exports a long timeline and sees that it comes in small pieces.
async fn is_written_piece_by_piece(house: &House, entries: u64, format: ExportFormat) {
    let mut meter = Meter::default();
    let began = Instant::now();
    let written = house.export_to(format, &mut meter).await;
    println!(
        "{entries} entries as {}: {} bytes in {:?}",
        format.word(),
        meter.bytes,
        began.elapsed()
    );
    assert_eq!((written.entries, written.bytes), (entries, meter.bytes));
    assert!(meter.bytes > entries * 100, "{}", meter.bytes);
    assert!(meter.largest <= 32 * 1024, "{}", meter.largest);
}

#[tokio::test]
async fn a_timeline_of_a_hundred_thousand_entries_is_written_piece_by_piece() {
    let house = a_long_timeline(100_000).await;
    // The form that reads most and draws; the others take the same walks.
    is_written_piece_by_piece(&house, 100_000, ExportFormat::Html).await;
}

#[tokio::test]
async fn a_long_timeline_is_written_piece_by_piece_in_every_form() {
    let house = a_long_timeline(10_000).await;
    for format in ExportFormat::ALL {
        is_written_piece_by_piece(&house, 10_000, format).await;
    }
}

#[tokio::test]
async fn one_very_long_entry_is_handed_on_in_pieces_too() {
    let house = House::with_incident("x").await;
    house
        .after(1, Actor::Person(alice()), note(&"long ".repeat(200_000)))
        .await;
    for format in [
        ExportFormat::Markdown,
        ExportFormat::Json,
        ExportFormat::Html,
    ] {
        is_written_piece_by_piece(&house, 2, format).await;
    }
}

#[tokio::test]
async fn a_long_timeline_stands_in_the_order_in_which_things_happened_and_proves_itself() {
    let house = a_long_timeline(5_000).await;
    let csv = house.export(ExportFormat::Csv).await;
    let mut last = String::new();
    let mut count = 0;
    for row in csv.split("\r\n").skip(1).filter(|row| !row.is_empty()) {
        let happened = row.split(',').nth(2).unwrap();
        assert!(*last <= *happened, "{last} before {happened}");
        last = happened.to_owned();
        count += 1;
    }
    assert_eq!(count, 5_000);
    let json = house.export(ExportFormat::Json).await;
    let verdict = verify_file(json.as_bytes()).unwrap();
    assert_eq!((verdict.entries, verdict.faults), (5_000, vec![]));
    let edited = json.replacen("latency is 77 ms", "latency is 7 ms", 1);
    assert!(!verify_file(edited.as_bytes()).unwrap().holds());
}
