//! What the example says.

use super::*;

#[test]
fn the_example_has_no_error_and_warns_of_those_who_are_only_named() {
    insta::assert_snapshot!(told(EXAMPLE), @r#"
    warning: nobody has the role `engineering-manager`
      --> firebell.toml:33:51
       |
    33 | invite = ["schedule:primary", "role:devops-lead", "role:engineering-manager"]
       |                                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: give it to somebody under [[people]]: roles = ["engineering-manager"]

    warning: there is no person `bob`
      --> firebell.toml:94:35
       |
    94 |   participants = ["person:alice", "person:bob"]
       |                                   ^^^^^^^^^^^^ add it under [[people]]

    warning: this step reaches nobody
       --> firebell.toml:109:29
        |
    109 |   { after = "30m", notify = ["role:engineering-manager"],  via = ["slack", "email"] },
        |                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        = help: it goes on to the next step at once: name somebody who has a way that is set up

    warning: this step reaches nobody
       --> firebell.toml:110:29
        |
    110 |   { after = "60m", notify = ["role:cto"],                  via = ["slack", "email", "voice"] },
        |                             ^^^^^^^^^^^^
        = help: it goes on to the next step at once: name somebody who has a way that is set up

    warning: nobody has the role `cto`
       --> firebell.toml:110:30
        |
    110 |   { after = "60m", notify = ["role:cto"],                  via = ["slack", "email", "voice"] },
        |                              ^^^^^^^^^^ give it to somebody under [[people]]: roles = ["cto"]

    5 warnings
    "#);
}

#[test]
fn the_example_says_whose_incidents_these_are_and_what_they_are_called() {
    let catalog = read(EXAMPLE);
    let zone = TimeZone::get("America/Los_Angeles").unwrap();
    assert_eq!(
        catalog.organization,
        Organization {
            name: "EC2 Manager".into(),
            timezone: zone,
        }
    );
    assert_eq!(
        catalog.slack,
        Slack {
            announce: "#incident-response".into(),
            bridge: Some("https://zoom.us/j/5550100".into()),
            command: "/incident".into(),
            messages_per_minute: 60,
        }
    );
    let Incidents {
        id,
        channel,
        retention,
    } = catalog.incidents;
    let day = civil::date(2025, 9, 14);
    assert_eq!(id.render(day, 1), "INC-2025-0914-001");
    assert_eq!(channel.render(day, 1), "incident-2025-0914-001");
    assert_eq!(retention.to_string(), "7y");
}

#[test]
fn the_example_has_the_severities_that_are_the_default_with_people_to_call() {
    let catalog = read(EXAMPLE);
    let mut expected = Severity::defaults();
    for (severity, invite) in expected.iter_mut().zip([
        [
            "schedule:primary",
            "role:devops-lead",
            "role:engineering-manager",
        ]
        .as_slice(),
        &["schedule:primary", "role:engineering-manager"],
        &["schedule:primary"],
        &[],
    ]) {
        severity.invite = targets(invite);
    }
    for severity in &mut expected[..2] {
        severity.escalation_policy = Some("leadership".into());
    }
    expected[0].checklists = strings(&["p1-response"]);
    assert_eq!(catalog.severities, expected);
}

#[test]
fn the_example_has_people_and_who_is_on_call() {
    let catalog = read(EXAMPLE);
    assert_eq!(
        catalog.people[1],
        Person {
            id: PersonId::new("carol"),
            name: "Carol Chen".into(),
            slack: SlackUserId::parse("U0CAROL001").map(SlackName::Id),
            email: Some("carol@company.com".into()),
            phone: Some("+15550102".into()),
            timezone: TimeZone::get("Asia/Tokyo").ok(),
            roles: strings(&["devops-lead"]),
            contact: vec![],
            webhook_url_env: None,
        }
    );
    let schedule = &catalog.schedules[0];
    assert_eq!(schedule.timezone, catalog.organization.timezone);
    assert_eq!(schedule.fallback, Some(target("person:carol")));
    let rotation = &schedule.rotations[0];
    assert_eq!(
        rotation.participants,
        [PersonId::new("alice"), PersonId::new("bob")]
    );
    assert_eq!(rotation.shift.to_string(), "1w");
    assert_eq!(rotation.handoff, civil::datetime(2025, 9, 1, 9, 0, 0, 0));
    assert_eq!(rotation.hours, None);
    assert_eq!(
        catalog.escalation_policies,
        [EscalationPolicy {
            id: "leadership".into(),
            stop_on: StopOn::Acknowledged,
            repeat: 1,
            repeat_after: None,
            ack_timeout: None,
            steps: [
                (
                    0,
                    "schedule:primary",
                    [Channel::Slack, Channel::Sms].as_slice()
                ),
                (
                    15,
                    "role:devops-lead",
                    &[Channel::Slack, Channel::Sms, Channel::Voice]
                ),
                (
                    30,
                    "role:engineering-manager",
                    &[Channel::Slack, Channel::Email]
                ),
                (
                    60,
                    "role:cto",
                    &[Channel::Slack, Channel::Email, Channel::Voice]
                ),
            ]
            .into_iter()
            .map(|(minutes, notify, via)| Step {
                after: SignedDuration::from_mins(minutes),
                notify: targets(&[notify]),
                via: via.to_vec(),
            })
            .collect(),
        }]
    );
    assert_eq!(
        catalog.notifications,
        Notifications {
            email: Some(Email {
                smtp_url_env: "SMTP_URL".into(),
                from: "firebell@company.com".into(),
            }),
            sms: Some(Sms {
                account_sid_env: "TWILIO_ACCOUNT_SID".into(),
                auth_token_env: "TWILIO_AUTH_TOKEN".into(),
                from: "+15550199".into(),
                base_url: "https://api.twilio.com".into(),
            }),
            webhook: None,
        }
    );
}

#[test]
fn the_example_has_services_and_what_is_done_with_alerts() {
    let catalog = read(EXAMPLE);
    let links = [
        ("dashboard", "https://console.aws.amazon.com/cloudwatch"),
        ("health", "https://api.rms.example.com/health"),
    ];
    assert_eq!(
        catalog.services,
        [Service {
            id: ServiceId::new("backend"),
            name: "RMS backend".into(),
            owner: Some(target("role:devops-lead")),
            escalation_policy: Some("leadership".into()),
            links: links.map(|(key, link)| (key.into(), link.into())).into(),
            runbooks: strings(&["rms.md"]),
        }]
    );
    assert_eq!(
        catalog.alert_sources,
        [
            AlertSource {
                id: "prometheus".into(),
                kind: SourceKind::Alertmanager,
                secret_env: Some("PROMETHEUS_SECRET".into()),
                topics: vec![],
                require_v2: false,
                fields: [].into(),
            },
            AlertSource {
                id: "cloudwatch".into(),
                kind: SourceKind::CloudwatchSns,
                secret_env: None,
                topics: strings(&["arn:aws:sns:us-west-2:123456789012:alarms"]),
                require_v2: false,
                fields: [].into(),
            },
        ]
    );
    let equal = |text: &str| Matcher::Equal(text.into());
    let pattern = |text: &str| Matcher::Pattern(text.into());
    assert_eq!(
        catalog.routes,
        [
            Route {
                matches: [
                    ("source".into(), equal("prometheus")),
                    ("severity".into(), equal("critical")),
                ]
                .into(),
                service: Some(Chosen::Template("{{ labels.service }}".into())),
                severity: Some(Chosen::Fixed(SeverityId::new("p1"))),
                then: Then::Declare,
                group_by: strings(&["service", "alertname"]),
                channel: None,
                escalation_policy: None,
                join: Some(SignedDuration::from_mins(30)),
            },
            Route {
                matches: [
                    ("source".into(), equal("cloudwatch")),
                    ("alarm_name".into(), pattern("^rms-")),
                ]
                .into(),
                service: Some(Chosen::Fixed(ServiceId::new("backend"))),
                severity: Some(Chosen::Fixed(SeverityId::new("p2"))),
                then: Then::Declare,
                group_by: vec![],
                channel: None,
                escalation_policy: None,
                join: None,
            },
            Route {
                matches: [("severity".into(), pattern("warning|info"))].into(),
                service: None,
                severity: None,
                then: Then::Notify,
                group_by: vec![],
                channel: Some("#alerts".into()),
                escalation_policy: None,
                join: None,
            },
        ]
    );
    assert_eq!(catalog.alerts, Alerts::default());
    assert_eq!(
        catalog.maintenance,
        [Maintenance {
            name: "Database move".into(),
            matches: BTreeMap::new(),
            service: Some(ServiceId::new("backend")),
            from: Some(civil::datetime(2025, 9, 21, 2, 0, 0, 0)),
            to: Some(civil::datetime(2025, 9, 21, 4, 0, 0, 0)),
            every: None,
            timezone: TimeZone::get("America/Los_Angeles").unwrap(),
        }]
    );
}

#[test]
fn the_example_has_actions_checks_and_a_freeze() {
    let catalog = read(EXAMPLE);
    let minutes = SignedDuration::from_mins;
    let ecs = [
        ("cluster", "rms-cluster-prod"),
        ("service", "rms-backend-service-prod"),
    ];
    let action = |id: &str, title: &str, kind: &str| Action {
        id: id.into(),
        title: title.into(),
        kind: kind.into(),
        service: Some(ServiceId::new("backend")),
        with: texts(&ecs),
        inputs: vec![],
        risk: Risk::Low,
        approvals: Approvals {
            required: 0,
            ..Approvals::default()
        },
        verify: None,
    };
    let desired_count = Input {
        name: "desired_count".into(),
        kind: InputKind::Integer {
            min: Some(1),
            max: Some(10),
        },
        title: None,
        default: None,
        required: true,
    };
    assert_eq!(
        catalog.actions,
        [
            Action {
                risk: Risk::High,
                approvals: Approvals {
                    required: 1,
                    by: targets(&["role:devops-lead"]),
                    expires_after: minutes(15),
                    self_approval: false,
                },
                verify: Some(Verify {
                    within: minutes(10),
                    healthy: strings(&["backend-api"]),
                }),
                ..action(
                    "rollback-backend",
                    "Roll back RMS backend to the previous release",
                    "ecs.rollback"
                )
            },
            Action {
                inputs: vec![desired_count],
                ..action("scale-backend", "Scale RMS backend", "ecs.scale")
            },
            Action {
                with: texts(&[("instance", "rms-db-prod")]),
                ..action("snapshot-db", "Snapshot the RMS database", "rds.snapshot")
            },
        ]
    );
    let http: Values = [
        (
            "url".into(),
            Value::Text("https://api.rms.example.com/health".into()),
        ),
        ("expect_status".into(), Value::Integer(200)),
    ]
    .into();
    let check = |id: &str, kind: &str, with: Values| Check {
        id: id.into(),
        title: None,
        kind: kind.into(),
        service: None,
        with,
    };
    assert_eq!(
        catalog.checks,
        [
            check("backend-api", "http", http),
            check("backend-tasks", "ecs.service", texts(&ecs)),
        ]
    );
    assert_eq!(
        catalog.checklists,
        [Checklist {
            id: "p1-response".into(),
            title: "P1 incident response".into(),
            items: strings(&[
                "Acknowledge alert within 2 minutes",
                "Assign Incident Commander",
                "Initial assessment within 5 minutes",
            ]),
        }]
    );
    assert_eq!(
        catalog.change_freezes,
        [ChangeFreeze {
            name: "Holiday freeze".into(),
            from: civil::datetime(2025, 12, 20, 0, 0, 0, 0),
            to: civil::datetime(2026, 1, 2, 0, 0, 0, 0),
            except_risk: vec![Risk::Low],
        }]
    );
}
