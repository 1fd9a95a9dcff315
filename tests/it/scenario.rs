//! The scenarios that ship: each is played to its end against the bot, on the clock of the wall, without its pauses.

use std::time::Duration;

use firebell::app::App;
use firebell::clock::Clock;
use firebell::domain::catalog::Catalog;
use firebell::domain::terms::Status;
use firebell::simulator::{Monitor, Options, Player, RequestUrls, Scenario, Scenes, Workspace};
use firebell::store::incidents::Which;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::{build, parts};

const PEOPLE: [&str; 6] = ["ana", "bo", "cy", "dee", "eli", "fay"];

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(40);
    while !holds().await {
        assert!(tokio::time::Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn shipped(slack: &Workspace, monitor: Option<Monitor>) -> std::sync::Arc<dyn Scenes> {
    let scenarios = firebell::templates::scenarios()
        .map(|(id, text)| {
            let scenario = Scenario::parse(text).unwrap_or_else(|why| panic!("{id}: {why:#}"));
            (id.to_owned(), scenario)
        })
        .collect();
    Player::new(slack.clone(), scenarios, monitor).scenes()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_is_down_is_played_to_its_end() {
    let slack = Workspace::start(Options::default()).await.unwrap();
    for name in PEOPLE {
        slack.add_user(name);
    }
    for channel in ["incidents", "deploys"] {
        slack.add_channel(channel, false, &PEOPLE);
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let app = build(&url, Catalog::default(), &slack, &Clock::System).await;
    let store = app.desk().store.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(listener, stopped));
    slack
        .connect(RequestUrls::under(&format!("http://{address}/slack")))
        .await
        .unwrap();
    let scenes = shipped(&slack, None);
    let id = "checkout-is-down";
    scenes.start(id).unwrap();
    let steps = scenes.list()[0].steps;
    for _ in 1..steps {
        scenes.step(id).unwrap();
    }
    assert!(scenes.step(id).unwrap_err().contains("last step"));
    let incident = async || store.list(Which::All, 1).await.unwrap().pop();
    until("the incident is resolved", async || {
        incident()
            .await
            .is_some_and(|it| it.status == Status::Resolved)
    })
    .await;
    let room = || {
        slack
            .channels()
            .into_iter()
            .find(|it| it.name.starts_with("incident-"))
    };
    until("the record is in the war room", async || {
        room().is_some_and(|it| !it.files.is_empty())
    })
    .await;
    let id_of = async || incident().await.unwrap().id.clone();
    until("the message is kept", async || {
        let kept = store.events_after(&id_of().await, 0).await.unwrap();
        kept.iter().any(|row| row.kind == "message_kept")
    })
    .await;
    let incident = incident().await.unwrap();
    assert_eq!(incident.title, "checkout is down");
    assert_eq!(incident.acknowledged_by.as_ref().unwrap().name, "bo");
    assert_eq!((incident.updates, incident.follow_ups.len()), (1, 1));
    assert_eq!(store.list(Which::All, 9).await.unwrap().len(), 1);
    let seen = &scenes.list()[0];
    assert!(seen.ended && seen.faults.is_empty(), "{:?}", seen.faults);
    scenes.stop(id).unwrap();
    assert!(!scenes.list()[0].running);

    // Again in the same workspace: it goes on in a war room of its own. This time somebody was quicker than Ana.
    let first = room().unwrap().name;
    scenes.start(id).unwrap();
    let dee = slack.user("dee");
    dee.types("#general", "/incident declare p1 nobody can pay")
        .await;
    until("there is a second room", async || {
        let rooms = slack.channels();
        rooms
            .iter()
            .filter(|it| it.name.starts_with("incident-"))
            .count()
            == 2
    })
    .await;
    for _ in 1..steps {
        scenes.step(id).unwrap();
    }
    until("the second incident is resolved", async || {
        assert!(
            scenes.list()[0].faults.is_empty(),
            "{:?}",
            scenes.list()[0].faults
        );
        let all = store.list(Which::All, 9).await.unwrap();
        all.len() == 2 && all.iter().all(|it| it.status == Status::Resolved)
    })
    .await;
    let seen = &scenes.list()[0];
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    assert_ne!(seen.step.as_ref().unwrap().channel.as_ref(), Some(&first));
    assert!(
        slack
            .channels()
            .iter()
            .filter(|it| it.name.starts_with("incident-"))
            .all(|it| it.members.contains(&"ana".to_owned()))
    );
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_calls_somebody_is_played_to_its_end_as_often_as_one_likes() {
    let slack = Workspace::start(Options::default()).await.unwrap();
    for name in PEOPLE {
        slack.add_user(name);
    }
    for channel in ["incidents", "alerts", "deploys"] {
        slack.add_channel(channel, false, &PEOPLE);
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("firebell.db").display());
    let demo = include_str!("../../templates/demo.toml");
    let today = Clock::System.now().strftime("%Y-%m-%dT00:00").to_string();
    let demo = demo.replace("DEMO_HANDOFF", &today);
    let (catalog, _) = firebell::config::parse(&demo, "demo.toml").unwrap();
    let mut parts = parts(&url, catalog, &slack, &Clock::System);
    parts
        .alert_secrets
        .insert("monitoring".to_owned(), "secret".into());
    let app = App::build(parts).await.unwrap();
    let store = app.desk().store.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(app.serve(listener, stopped));
    slack
        .connect(RequestUrls::under(&format!("http://{address}/slack")))
        .await
        .unwrap();
    let monitor = Monitor {
        url: format!("http://{address}/alerts/monitoring"),
        token: "secret".to_owned(),
    };
    let scenes = shipped(&slack, Some(monitor));
    let id = "an-alert-calls";
    let view = || {
        let scenes = scenes.list();
        scenes.into_iter().find(|it| it.id == id).unwrap()
    };
    for run in 1..=2 {
        scenes.start(id).unwrap();
        for _ in 1..view().steps {
            scenes.step(id).unwrap();
        }
        until("the incident is resolved", async || {
            assert!(view().faults.is_empty(), "{:?}", view().faults);
            let all = store.list(Which::All, 9).await.unwrap();
            all.len() == run && all.iter().all(|it| it.status == Status::Resolved)
        })
        .await;
        let all = store.list(Which::All, 9).await.unwrap();
        let incident = all.first().unwrap();
        assert_eq!(incident.title, "5xx above 5 % in the checkout");
        assert_eq!(incident.commander().unwrap().name, "ana");
        assert_eq!(incident.acknowledged_by.as_ref().unwrap().name, "fay");
        assert_eq!(incident.paged, 2, "Bo, and then Fay");
        scenes.stop(id).unwrap();
    }
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
}
