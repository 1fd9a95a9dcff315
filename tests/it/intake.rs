//! What the door of alerts promises, the same on SQLite and on PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use firebell::clock::Clock;
use firebell::config;
use firebell::domain::alert::{Alert, AlertStatus, Links, Signal, Tracked};
use firebell::domain::catalog::Catalog;
use firebell::domain::effect::{Effect, Lane};
use firebell::domain::group::{Group, GroupReport};
use firebell::domain::remark::Remark;
use firebell::domain::terms::{DedupKey, DeliveryId, GroupId, IncidentId};
use firebell::intake::{Intake, IntakeError, Request, Taken};
use firebell::store::Store;
use firebell::store::alerts::{AlertId, HeldAlert};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::scratch::{Scratch, on_both_engines};

/// One replica: a door of alerts, and a handle on the store to look through.
struct Replica {
    intake: Intake,
    store: Store,
    clock: Clock,
}

fn beginning() -> Timestamp {
    "2025-09-14T03:00:00Z".parse().expect("a moment")
}

fn catalog() -> Catalog {
    let toml = r#"
        [[alert_sources]]
        id = "prometheus"
        kind = "alertmanager"
        secret_env = "A"

        [[heartbeats]]
        id = "backup"
        source = "prometheus"
        every = "5m"
        severity = "critical"

        [[heartbeats]]
        id = "watchdog"
        source = "prometheus"
        every = "5m"
        match = { alertname = "Watchdog" }

        [[routes]]
        match = { team = "pay" }
        then = "declare"
        group_by = ["team"]
    "#;
    let (catalog, _) = config::parse(toml, "firebell.toml").unwrap_or_else(|it| panic!("{it}"));
    catalog
}

/// A replica at which what is critical quiets warnings of the same round.
async fn inhibited(scratch: &Scratch) -> Replica {
    let toml = r#"
        [[routes]]
        then = "notify"
        group_by = ["round", "severity"]

        [[inhibitions]]
        name = "critical"
        when = { severity = "critical" }
        quiets = { severity = "warning" }
        equal = ["round"]
    "#;
    let (catalog, _) = config::parse(toml, "firebell.toml").expect("an inhibition");
    let store = scratch.store().await;
    let clock = Clock::by_hand(beginning());
    Replica {
        intake: Intake::start(store.clone(), &catalog, clock.clone()),
        store,
        clock,
    }
}

/// An alert of a round.
fn with(key: &str, severity: &str, round: usize, signal: Signal) -> Alert {
    let labels = [
        ("severity".to_owned(), severity.to_owned()),
        ("round".to_owned(), round.to_string()),
    ];
    Alert {
        labels: labels.into(),
        ..alert(key, signal)
    }
}

/// A replica in a maintenance that ends after half an hour.
async fn maintained(scratch: &Scratch) -> Replica {
    let mut catalog = catalog();
    let window = r#"
        [[maintenance]]
        name = "Database move"
        from = "2025-09-14T03:00"
        to = "2025-09-14T03:30"
    "#;
    let (window, _) = config::parse(window, "firebell.toml").expect("a maintenance");
    catalog.maintenance = window.maintenance;
    let store = scratch.store().await;
    let clock = Clock::by_hand(beginning());
    Replica {
        intake: Intake::start(store.clone(), &catalog, clock.clone()),
        store,
        clock,
    }
}

async fn replica(scratch: &Scratch) -> Replica {
    let store = scratch.store().await;
    let clock = Clock::by_hand(beginning());
    Replica {
        intake: Intake::start(store.clone(), &catalog(), clock.clone()),
        store,
        clock,
    }
}

fn alert(key: &str, signal: Signal) -> Alert {
    Alert {
        key: DedupKey::new(key),
        signal,
        name: "HighErrorRate".into(),
        title: format!("5xx on {key}"),
        description: None,
        severity: None,
        labels: BTreeMap::from([("team".to_owned(), "pay".to_owned())]),
        links: Links::default(),
        remark: None,
        started_at: None,
        ended_at: None,
        expires_at: None,
    }
}

fn request(alerts: Vec<Alert>) -> Request {
    Request {
        source: "prometheus".into(),
        body: serde_json::to_vec(&alerts).unwrap().into(),
        alerts,
        delivery: None,
        content_type: "application/json".into(),
        heading: String::new(),
    }
}

fn fires(key: &str) -> Request {
    request(vec![alert(key, Signal::Firing)])
}

fn attached(incident: &str) -> GroupReport {
    GroupReport::Attached {
        incident: IncidentId::new(incident),
    }
}

fn ends(key: &str) -> Request {
    request(vec![alert(key, Signal::Resolved)])
}

impl Replica {
    async fn takes(&self, request: Request) -> Taken {
        self.intake.take(request).await.expect("it is taken")
    }

    /// What is known of the silence of a heartbeat.
    async fn missed(&self, heartbeat: &str) -> Option<Tracked> {
        let held = self.held(&format!("heartbeat/{heartbeat}")).await;
        held.map(|held| held.tracked)
    }

    /// What was said of that.
    async fn said_of_silence(&self, heartbeat: &str) -> String {
        let silent = alert(&format!("heartbeat/{heartbeat}"), Signal::Firing);
        let kept = self.store.alert(&AlertId::new("prometheus", &silent)).await;
        let alert = kept.expect("an answer").expect("it is missed").alert;
        alert.description.unwrap_or_default()
    }

    async fn held(&self, key: &str) -> Option<HeldAlert> {
        let id = AlertId::new("prometheus", &alert(key, Signal::Firing));
        let held = self.store.held_alerts(&[&id]).await.expect("an answer");
        held.into_iter().next().map(|(_, held)| held)
    }

    /// The group that there is.
    async fn group(&self) -> Group {
        let held = self.held_first().await;
        let groups = self.store.groups(&[&held]).await.expect("an answer");
        groups.into_iter().next().expect("a group").group
    }

    async fn held_first(&self) -> GroupId {
        self.held("a").await.expect("an alert").group
    }

    /// What is ordered of a lane for the next hour, taken up and put away.
    async fn orders(&self, lane: Lane) -> Vec<Effect> {
        self.orders_at(lane, 60).await
    }

    /// The same in so many minutes.
    async fn orders_at(&self, lane: Lane, minutes: i64) -> Vec<Effect> {
        let now = self.clock.now() + SignedDuration::from_mins(minutes);
        let claimed = self
            .store
            .claim(lane, "t", now, now, 100)
            .await
            .expect("orders");
        claimed.into_iter().map(|claimed| claimed.effect).collect()
    }
}

on_both_engines! {
    async fn a_change_is_kept_once_and_for_a_while(scratch) {
        let one = replica(scratch).await;
        let mut change = fires("deploy-412").alerts.remove(0);
        change.signal = Signal::Noted;
        for ahead in [60, -60, -60] {
            change.started_at = Some(beginning() + SignedDuration::from_secs(ahead));
            one.intake.change("pager", change.clone()).await.unwrap();
            let kept = one.store.changes_since(beginning() - SignedDuration::from_mins(5)).await.unwrap();
            assert_eq!(kept.len(), 1);
            // What was said first stands, and nothing was done later than it is heard of.
            assert_eq!(kept[0].change.at, beginning());
        }
        let later = beginning() + SignedDuration::from_secs(1);
        assert_eq!(one.store.changes_since(later).await.unwrap(), []);
        assert_eq!(one.store.forget_changes(beginning()).await.unwrap(), 0);
        assert_eq!(one.store.forget_changes(later).await.unwrap(), 1);
        assert_eq!(scratch.count("changes").await, 0);
    }

    async fn no_change_is_hidden_behind_others(scratch) {
        let one = replica(scratch).await;
        let mut change = fires("deploy").alerts.remove(0);
        change.signal = Signal::Noted;
        one.intake.change("pager", change).await.unwrap();
        let ms = beginning().as_millisecond();
        // Two of each moment.
        scratch.tamper(&format!(
            "INSERT INTO changes (id, source, happened_at_ms, change) \
             WITH RECURSIVE more (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM more WHERE n < 1200) \
             SELECT 'pager/' || n, 'pager', {ms} + n / 2, (SELECT change FROM changes LIMIT 1) FROM more"
        )).await;
        let kept = one.store.changes_since(beginning()).await.unwrap();
        let each: BTreeSet<&str> = kept.iter().map(|kept| kept.id.as_str()).collect();
        assert_eq!((kept.len(), each.len()), (1_202, 1_202));
        assert_eq!((kept[0].id.as_str(), kept.last().unwrap().id.as_str()), ("pager/1200", "pager/0"));
        let later = beginning() + SignedDuration::from_millis(600);
        assert_eq!(one.store.changes_since(later).await.unwrap().len(), 1);
    }

    async fn what_is_answered_is_written_and_what_is_said_again_is_counted(scratch) {
        let one = replica(scratch).await;
        let taken = one.takes(fires("a")).await;
        assert_eq!(taken, Taken { began: 1, ..Taken::default() });
        for _ in 0..3 {
            assert_eq!(one.takes(fires("a")).await, Taken::default());
        }
        // Another replica knows it too.
        let other = replica(scratch).await;
        assert_eq!(other.takes(fires("a")).await, Taken::default());
        // And the first, whose memory is old, counts on what the other wrote.
        assert_eq!(one.takes(fires("a")).await, Taken::default());
        let held = one.held("a").await.unwrap();
        assert_eq!((held.tracked.count, held.tracked.episode, held.version), (6, 1, 6));
        assert_eq!(one.takes(ends("a")).await.ended, 1);
        assert_eq!(one.held("a").await.unwrap().tracked.status, AlertStatus::Resolved);
        assert_eq!(one.takes(ends("never-heard-of")).await, Taken { unknown: 1, ..Taken::default() });
        assert_eq!(scratch.count("alerts").await, 1);
        // Requests that change something are kept as they came in.
        assert_eq!(scratch.count("alert_bodies").await, 2);
        let bodies = one.store.alert_bodies(beginning(), Timestamp::MAX, "", 9).await.unwrap();
        assert_eq!(bodies[0].body, fires("a").body);
    }

    async fn one_condition_many_times_in_one_request_is_one(scratch) {
        let one = replica(scratch).await;
        let same = || alert("a", Signal::Firing);
        let taken = one.takes(request(vec![same(), same(), alert("a", Signal::Resolved), same()])).await;
        assert_eq!((taken.began, taken.ended), (2, 1));
        let held = one.held("a").await.unwrap();
        assert_eq!((held.tracked.episode, held.version), (2, 1));
        assert_eq!(one.group().await.firing, 1);
    }

    async fn eight_senders_at_once_and_two_replicas_lose_and_double_nothing(scratch) {
        let (one, other) = (replica(scratch).await, replica(scratch).await);
        let sender = |n: usize| {
            let replica = if n.is_multiple_of(2) { &one } else { &other };
            async move {
                let mut began = 0;
                for key in 0..20 {
                    // Half of the keys are this sender's own, half are everybody's.
                    let key = if key % 2 == 0 { format!("{n}-{key}") } else { format!("all-{key}") };
                    let taken = replica.takes(fires(&key)).await;
                    began += taken.began;
                }
                began
            }
        };
        one.takes(fires("a")).await;
        let began: usize = join_all((0..8).map(sender)).await.into_iter().sum();
        assert_eq!(began, 8 * 10 + 10);
        let group = one.group().await;
        assert_eq!((group.firing, group.total), (91, 91));
        let counted: u64 = {
            let kept = one.store.alerts_of_group(&group.id, 1_000).await.unwrap();
            kept.iter().map(|kept| kept.held.tracked.count).sum()
        };
        assert_eq!(counted, 1 + 8 * 20, "every word is counted");
        assert_eq!(scratch.count("alert_groups").await, 1);
    }

    async fn a_storm_of_one_group_orders_one_incident(scratch) {
        let one = replica(scratch).await;
        let storm: Vec<Alert> = (0..500).map(|n| alert(&format!("s{n}"), Signal::Firing)).collect();
        one.takes(fires("a")).await;
        let taken = one.takes(request(storm)).await;
        assert_eq!(taken.began, 500);
        let group = one.group().await;
        assert_eq!((group.firing, group.total, group.samples.len()), (501, 501, 5));
        assert_eq!(one.orders(Lane::Alerts).await, [Effect::DeclareForAlerts]);
        assert_eq!(one.orders(Lane::Chat).await, []);
    }

    async fn a_delivery_that_is_made_twice_is_taken_once(scratch) {
        let one = replica(scratch).await;
        let delivered = || Request {
            delivery: Some(DeliveryId::new("alert/sns/1")),
            ..fires("a")
        };
        assert_eq!(one.takes(delivered()).await.began, 1);
        let again = one.takes(delivered()).await;
        assert!(again.repeated);
        let other = replica(scratch).await;
        assert!(other.takes(delivered()).await.repeated);
        // Twice in one batch, and at once from two replicas.
        let fresh = || Request {
            delivery: Some(DeliveryId::new("alert/sns/2")),
            ..fires("b")
        };
        let answers = join_all((0..10).map(|n| if n % 2 == 0 { one.takes(fresh()) } else { other.takes(fresh()) })).await;
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
        assert_eq!(one.held("b").await.unwrap().tracked.count, 1);
    }

    async fn who_falls_silent_is_over(scratch) {
        let one = replica(scratch).await;
        let expiring = |key: &str, minutes: i64| Alert {
            expires_at: Some(beginning() + SignedDuration::from_mins(minutes)),
            ..alert(key, Signal::Firing)
        };
        one.takes(request(vec![expiring("a", 4), expiring("b", 4)])).await;
        one.clock.advance(SignedDuration::from_mins(3));
        one.takes(request(vec![expiring("b", 7)])).await;
        one.clock.advance(SignedDuration::from_mins(2));
        assert_eq!(one.intake.expire().await.unwrap(), 1);
        assert_eq!(one.intake.expire().await.unwrap(), 0);
        let over = one.held("a").await.unwrap().tracked;
        assert_eq!(over.ended_at, Some(beginning() + SignedDuration::from_mins(4)));
        assert!(one.held("b").await.unwrap().tracked.status.is_active());
        assert_eq!(one.group().await.firing, 1);
        one.clock.advance(SignedDuration::from_mins(9));
        let other = replica(scratch).await;
        other.clock.advance(SignedDuration::from_mins(14));
        let ended = join_all([one.intake.expire(), other.intake.expire()]).await;
        let ended: usize = ended.into_iter().map(Result::unwrap).sum();
        assert_eq!((ended, one.group().await.firing), (1, 0));
    }

    async fn what_an_order_brings_back_takes_it_off_the_outbox(scratch) {
        let one = replica(scratch).await;
        one.takes(fires("a")).await;
        let now = one.clock.now();
        let until = now + SignedDuration::from_secs(13);
        let claimed = one.store.claim(Lane::Alerts, "t", now, until, 1).await.unwrap().remove(0);
        let group = GroupId::new(claimed.incident.as_str());
        let opened = GroupReport::IncidentOpened { round: 1, incident: IncidentId::new("INC-1") };
        one.intake.report(group.clone(), opened.clone(), claimed.lease.clone()).await.unwrap();
        assert_eq!(one.group().await.incident, Some(IncidentId::new("INC-1")));
        assert_eq!(one.store.groups_of_incident(&IncidentId::new("INC-1")).await.unwrap(), std::slice::from_ref(&group));
        assert_eq!(one.orders(Lane::Alerts).await, [Effect::TellIncidentOfAlerts]);
        // Whoever lost the lease changes nothing.
        let again = one.intake.report(group, opened, claimed.lease).await;
        assert!(matches!(again, Err(IntakeError::LeaseLost)));
        let nobody = one.intake.tell(GroupId::new("grp-none"), GroupReport::Snoozed { until }).await;
        assert!(matches!(nobody, Err(IntakeError::NoGroup)));
    }

    async fn one_that_cannot_be_written_keeps_no_other_from_it(scratch) {
        let one = replica(scratch).await;
        // PostgreSQL takes no U+0000; wherever it stands, it is kept as a mark.
        let odd = || Request { body: "\0".into(), ..fires("a\0b") };
        let answers = join_all([one.intake.take(odd()), one.intake.take(fires("a"))]).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert!(one.held("a").await.is_some());
    }

    async fn whoever_must_speak_and_does_not_is_missed_until_it_speaks(scratch) {
        let one = replica(scratch).await;
        let five = SignedDuration::from_mins(5);
        // Never heard of: it has its time from the first look on.
        one.intake.miss_the_silent().await.unwrap();
        one.clock.advance(SignedDuration::from_mins(4));
        one.intake.miss_the_silent().await.unwrap();
        assert!(one.missed("backup").await.is_none());
        assert_eq!(one.intake.heartbeat("prometheus", None).await.unwrap(), 1);
        one.clock.advance(five - SignedDuration::from_secs(1));
        one.intake.miss_the_silent().await.unwrap();
        assert!(one.missed("backup").await.is_none());
        one.clock.advance(SignedDuration::from_secs(1));
        for _ in 0..3 {
            one.intake.miss_the_silent().await.unwrap();
        }
        let missed = one.missed("backup").await.unwrap();
        assert_eq!((missed.status, missed.count), (AlertStatus::Firing, 1));
        assert_eq!(one.said_of_silence("backup").await, "Last heard at 03:04 UTC.");
        // Another replica sees the same, and says it once.
        let other = replica(scratch).await;
        other.clock.advance(SignedDuration::from_mins(9));
        other.intake.miss_the_silent().await.unwrap();
        assert_eq!(one.missed("backup").await.unwrap().count, 1);
        assert_eq!(one.intake.heartbeat("prometheus", Some("backup")).await.unwrap(), 1);
        one.intake.miss_the_silent().await.unwrap();
        assert_eq!(one.missed("backup").await.unwrap().status, AlertStatus::Resolved);
        one.clock.advance(five);
        one.intake.miss_the_silent().await.unwrap();
        assert_eq!(one.missed("backup").await.unwrap().episode, 2);
        assert_eq!(one.intake.heartbeat("prometheus", Some("nobody")).await.unwrap(), 0);
    }

    async fn a_watchdog_is_no_alert_and_its_silence_is_one(scratch) {
        let one = replica(scratch).await;
        let watchdog = |signal| request(vec![
            Alert { labels: BTreeMap::from([("alertname".to_owned(), "Watchdog".to_owned())]), ..alert("w", signal) },
            alert("a", Signal::Firing),
        ]);
        one.intake.miss_the_silent().await.unwrap();
        for _ in 0..5 {
            one.clock.advance(SignedDuration::from_mins(4));
            one.takes(watchdog(Signal::Firing)).await;
            one.intake.miss_the_silent().await.unwrap();
        }
        assert!(one.missed("watchdog").await.is_none());
        assert!(one.held("w").await.is_none(), "it stands nowhere");
        assert_eq!(one.held("a").await.unwrap().tracked.count, 5, "and what came with it does");
        // That it ends is silence.
        one.takes(watchdog(Signal::Resolved)).await;
        one.clock.advance(SignedDuration::from_mins(5));
        one.intake.miss_the_silent().await.unwrap();
        assert!(one.missed("watchdog").await.is_some());
        // One that has never spoken is missed as well.
        let never = "It has never been heard, as far as is on record.";
        assert_eq!(one.said_of_silence("backup").await, never);
        // Each is told by itself, and says what is so now.
        let group = async |name: &str| {
            let id = AlertId::of("prometheus", &DedupKey::new(format!("heartbeat/{name}")));
            let group = one.store.held_alerts(&[&id]).await.unwrap().remove(0).1.group;
            one.store.groups(&[&group]).await.unwrap().remove(0).group
        };
        let [backup, watchdog] = [group("backup").await, group("watchdog").await];
        assert_ne!(backup.id, watchdog.id);
        assert_eq!((backup.firing, watchdog.firing), (1, 1));
        one.intake.heartbeat("prometheus", Some("backup")).await.unwrap();
        let heard = one.clock.now().strftime("Last heard at %H:%M UTC.").to_string();
        one.intake.miss_the_silent().await.unwrap();
        one.clock.advance(SignedDuration::from_mins(5));
        one.intake.miss_the_silent().await.unwrap();
        assert_eq!(group("backup").await.description, Some(heard));
    }

    async fn a_storm_in_a_maintenance_is_let_go_once_by_two_replicas(scratch) {
        let (one, other) = (maintained(scratch).await, maintained(scratch).await);
        let storm = |from: usize| (from..from + 700).map(|n| alert(&format!("s{n}"), Signal::Firing));
        one.takes(request(storm(0).collect())).await;
        other.takes(request(storm(700).collect())).await;
        let room = one.held("s0").await.unwrap().group;
        assert_eq!(one.held("s999").await.unwrap().group, room);
        assert_eq!(one.orders_at(Lane::Alerts, 29).await, []);
        for replica in [&one, &other] {
            replica.clock.advance(SignedDuration::from_mins(30));
        }
        // Each looks, as if it had the order: only one has the lease.
        let mut rounds = 0;
        let mut released = 0;
        loop {
            let now = one.clock.now();
            let claimed = one.store.claim(Lane::Alerts, "t", now, now, 100).await.unwrap();
            let mut looks = claimed.into_iter().filter(|it| it.effect == Effect::ReleaseAlerts);
            let Some(look) = looks.next() else { break };
            assert!(looks.next().is_none(), "there is one order at a time");
            let group = one.store.groups(&[&room]).await.unwrap().remove(0).group;
            // Whoever fires by then is told at once.
            if rounds == 1 {
                one.takes(fires("late")).await;
            }
            let (a, b) = tokio::join!(
                one.intake.release(&group, look.lease.clone()),
                other.intake.release(&group, look.lease.clone()),
            );
            let (won, lost) = match (a, b) {
                (Ok(released), lost) => (released, lost),
                (lost, Ok(released)) => (released, lost),
                (a, b) => panic!("{a:?} {b:?}"),
            };
            assert!(matches!(lost, Err(IntakeError::LeaseLost)), "{lost:?}");
            released += won;
            rounds += 1;
            assert!(rounds < 9);
        }
        assert_eq!((released, rounds), (1_400, 3));
        let group = one.held("s0").await.unwrap().group;
        let told = one.store.groups(&[&group]).await.unwrap().remove(0).group;
        assert_eq!((told.firing, told.total), (1_401, 1_401));
        let empty = one.store.groups(&[&room]).await.unwrap().remove(0).group;
        assert_eq!((empty.firing, empty.looks_at), (0, None));
    }

    async fn nobody_is_forgotten_who_begins_while_what_quiets_him_ends_at_another_replica(scratch) {
        for round in 0..12 {
            let (one, other) = (inhibited(scratch).await, inhibited(scratch).await);
            let (source, target) = (format!("n{round}"), format!("w{round}"));
            let down = |signal| request(vec![with(&source, "critical", round, signal)]);
            let begins = || request(vec![with(&target, "warning", round, Signal::Firing)]);
            one.takes(down(Signal::Firing)).await;
            // Both know it.
            other.takes(request(vec![with(&format!("x{round}"), "warning", round, Signal::Firing)])).await;
            tokio::join!(one.takes(down(Signal::Resolved)), other.takes(begins()));
            let room = other.held(&target).await.unwrap().group;
            let room = one.store.groups(&[&room]).await.unwrap().remove(0).group;
            assert!(room.hold.is_none() || room.looks_at.is_some(), "it is told, or will be looked at");
        }
    }

    async fn old_requests_and_old_alerts_are_forgotten(scratch) {
        let one = replica(scratch).await;
        one.takes(fires("a")).await;
        one.takes(fires("b")).await;
        one.takes(ends("b")).await;
        let later = beginning() + SignedDuration::from_hours(1);
        assert_eq!(one.store.forget_alerts(beginning(), 9).await.unwrap(), 0);
        // In small steps: two of each at the most.
        assert_eq!(one.store.forget_alerts(later, 2).await.unwrap(), 3);
        assert_eq!(one.store.forget_alerts(later, 2).await.unwrap(), 1);
        assert_eq!(one.store.forget_alerts(later, 2).await.unwrap(), 0);
        assert_eq!((scratch.count("alert_bodies").await, scratch.count("alerts").await), (0, 1));
        // What was forgotten begins anew, also where it is still in memory.
        assert_eq!(one.takes(fires("b")).await.began, 1);
    }

    async fn groups_that_nobody_needs_any_more_are_forgotten_and_no_others(scratch) {
        let one = inhibited(scratch).await;
        let names = ["over", "closed", "open", "gone", "waits", "snoozed", "uncounted", "fires", "critical", "warning", "late"];
        let severity = |name: &str| match name {
            "critical" | "warning" => name.to_owned(),
            _ => "info".to_owned(),
        };
        let says = |name: &str, signal| {
            let round = names.iter().position(|it| *it == name).map(|n| if name == "warning" { n - 1 } else { n });
            request(vec![with(name, &severity(name), round.expect("a name"), signal)])
        };
        for (number, status) in [(1, "closed"), (2, "monitoring")] {
            scratch.tamper(&format!(
                "INSERT INTO incidents (id, day, number, version, status, severity, declared_at_ms, state, head) \
                 VALUES ('INC-{status}', '2025-09-14', {number}, 1, '{status}', 'p1', 0, '{{}}', '')"
            )).await;
        }
        let mut groups = BTreeMap::new();
        for name in names {
            if name == "late" {
                one.clock.advance(SignedDuration::from_hours(24 * 9));
            }
            assert_eq!(one.takes(says(name, Signal::Firing)).await.began, 1);
            let group = one.held(name).await.unwrap().group;
            let reports = match name {
                "closed" => vec![attached("INC-closed")],
                "open" => vec![attached("INC-monitoring")],
                "gone" => vec![attached("INC-none")],
                "snoozed" => vec![GroupReport::Snoozed { until: beginning() + SignedDuration::from_hours(24 * 99) }],
                _ => vec![],
            };
            for report in reports {
                one.intake.tell(group.clone(), report).await.unwrap();
            }
            if !["fires", "critical", "warning"].contains(&name) {
                assert_eq!(one.takes(says(name, Signal::Resolved)).await.ended, 1);
            }
            groups.insert(name, group);
        }
        // All orders are done but one; and one condition holds of which its group knows nothing.
        scratch.tamper(&format!("DELETE FROM outbox WHERE incident_id <> '{}'", groups["waits"])).await;
        scratch.tamper("UPDATE alerts SET status = 'firing' WHERE id = 'prometheus/uncounted'").await;
        // Each with the inhibitor that counts what is critical.
        assert_eq!(scratch.count("alert_groups").await, names.len() as i64 + 1);
        let limit = catalog().alerts.cut_off;
        let forget = async |before: Timestamp| {
            let mut beyond = Some((i64::MIN, String::new()));
            let (mut forgotten, mut looks) = (0, 0);
            while let Some(place) = beyond {
                let is_at_rest = |group: &Group| group.is_at_rest(limit, one.clock.now());
                let (some, last) = one.store.forget_groups(before, &place, 2, is_at_rest).await.unwrap();
                assert!(some <= 2, "in small steps");
                (forgotten, looks, beyond) = (forgotten + some, looks + 1, last);
            }
            (forgotten, looks)
        };
        assert_eq!(forget(beginning()).await, (0, 1));
        // All but the one that began later are looked at.
        let before = beginning() + SignedDuration::from_hours(24);
        assert_eq!(forget(before).await, (2, 6));
        let left: Vec<&str> = {
            let ids: Vec<&GroupId> = groups.values().collect();
            let held = one.store.groups(&ids).await.unwrap();
            let is_left = |id: &GroupId| held.iter().any(|held| held.group.id == *id);
            names.into_iter().filter(|name| is_left(&groups[name])).collect()
        };
        assert_eq!(left, ["open", "gone", "waits", "snoozed", "uncounted", "fires", "critical", "warning", "late"]);
        assert_eq!(scratch.count("alert_groups").await, left.len() as i64 + 1);
    }

    async fn a_note_on_an_alert_whose_group_was_forgotten_makes_no_group_and_orders_nothing(scratch) {
        let one = replica(scratch).await;
        one.takes(fires("a")).await;
        one.takes(ends("a")).await;
        scratch.tamper("DELETE FROM alert_groups; DELETE FROM outbox").await;
        let other = replica(scratch).await;
        let noted = |text: &str| {
            let remark = Remark { by: None, text: Some(text.into()) };
            request(vec![Alert { remark: Some(remark), ..alert("a", Signal::Noted) }])
        };
        for text in ["the post-mortem is written", "and read"] {
            other.takes(noted(text)).await;
        }
        assert_eq!((scratch.count("alert_groups").await, scratch.count("outbox").await), (0, 0));
        // What begins there is told as ever.
        assert_eq!(other.takes(fires("a")).await.began, 1);
        let group = other.group().await;
        assert_eq!((group.title.as_str(), group.firing), ("5xx on a", 1));
        assert_eq!(scratch.count("outbox").await, 1);
    }

    async fn a_group_that_was_forgotten_begins_anew_and_is_another_also_for_who_remembers_it(scratch) {
        let one = replica(scratch).await;
        one.takes(fires("a")).await;
        one.takes(ends("a")).await;
        let old = one.group().await;
        scratch.tamper("DELETE FROM outbox").await;
        let later = SignedDuration::from_hours(24 * 100);
        one.clock.advance(later);
        let first = (i64::MIN, String::new());
        let forgetting = one.store.forget_groups(one.clock.now(), &first, 9, |_| true);
        assert_eq!(forgetting.await.unwrap(), (1, None));
        let nobody = one.intake.tell(old.id.clone(), attached("INC-1")).await;
        assert!(nobody.is_ok(), "who remembers it goes on with it");
        scratch.tamper("DELETE FROM alert_groups; DELETE FROM outbox").await;
        let other = replica(scratch).await;
        other.clock.advance(later);
        // As often changed as what the first remembers.
        for key in ["a", "b", "c"] {
            other.takes(fires(key)).await;
        }
        let new = one.group().await;
        assert_eq!((new.id.clone(), new.round, new.firing), (old.id.clone(), old.round, 3));
        assert_ne!(new.delivery(), old.delivery(), "its incident is another");
        one.takes(fires("d")).await;
        assert_eq!(one.group().await.firing, 4);
        assert_eq!(one.group().await.incident, None);
    }
}
