//! What a line means, and what is said to one that means nothing.

use super::*;
use crate::domain::oncall::Schedule;
use crate::domain::terms::{Role, SeverityId, SlackUserId};

fn read(line: &str) -> Result<Line, String> {
    let catalog = Catalog::default();
    let typist = Who::slack(SlackUserId::new("U0ANA"), "ana");
    parse(
        line,
        Context {
            catalog: &catalog,
            typist: &typist,
            forms: false,
        },
    )
    .map_err(|error| error.0)
}

fn request(line: &str) -> Request {
    read(line).unwrap().request
}

fn bo() -> Who {
    Who::slack(SlackUserId::new("U0BO"), "bo")
}

#[test]
fn a_declaration_may_begin_with_its_severity() {
    let declared = |severity: Option<&str>, title: &str| {
        Request::Declare(Declaration {
            severity: severity.map(SeverityId::new),
            ..Declaration::titled(title)
        })
    };
    assert_eq!(
        request("declare p1 checkout is down"),
        declared(Some("p1"), "checkout is down")
    );
    assert_eq!(
        request("new SEV2 checkout is slow"),
        declared(Some("p2"), "checkout is slow")
    );
    assert_eq!(
        request("declare checkout is down"),
        declared(None, "checkout is down")
    );
    assert_eq!(
        request("declare p1 &lt;b&gt; &amp; <@U0BO|bo>"),
        declared(Some("p1"), "<b> & @bo")
    );
}

#[test]
fn a_severity_that_is_not_there_is_asked_back_rather_than_declared_as_a_title() {
    for line in [
        "declare p5 login slow",
        "declare SEV0 fire",
        "declare P-9: fire",
    ] {
        let refused = read(line).unwrap_err();
        assert!(refused.starts_with("There is no severity"), "{refused}");
    }
    let Request::Declare(declaration) = request("declare P1: fire") else {
        panic!("a declaration");
    };
    assert_eq!(declaration.title, "fire");
    assert_eq!(declaration.severity, Some(SeverityId::new("p1")));
    assert!(read("declare s3 uploads fail").is_err());
    assert!(read("declare p99 latency is up").is_err());
    assert!(read("declare p999 latency is up").is_ok());
}

#[test]
fn an_incident_may_be_named_before_the_word_too() {
    let line = read("inc-2025-0914-001 ack").unwrap();
    assert_eq!(line.incident, Some(IncidentId::new("INC-2025-0914-001")));
    assert_eq!(line.request, Request::Pursue(Command::Acknowledge));
    let line = read("INC-2025-0914-001").unwrap();
    assert_eq!(line.request, Request::ShowStatus);
}

#[test]
fn what_follows_the_first_line_of_a_declaration_describes_it() {
    let Request::Declare(declaration) =
        request("declare p1 checkout is down\n5xx since 14:30\nfrom the API")
    else {
        panic!("a declaration");
    };
    assert_eq!(declaration.title, "checkout is down");
    assert_eq!(
        declaration.description.as_deref(),
        Some("5xx since 14:30\nfrom the API")
    );
}

#[test]
fn an_incident_may_be_named_first() {
    let line = read("ack inc-2025-0914-001").unwrap();
    assert_eq!(line.incident, Some(IncidentId::new("INC-2025-0914-001")));
    assert_eq!(line.request, Request::Pursue(Command::Acknowledge));
    assert_eq!(read("note incredible").unwrap().incident, None);
    // Of a pattern that was in force before.
    let line = read("ack ops-2025-0914-001").unwrap();
    assert_eq!(line.incident, Some(IncidentId::new("OPS-2025-0914-001")));
    assert_eq!(read("note us-1-2 is slow").unwrap().incident, None);
}

#[test]
fn a_role_goes_to_somebody_or_to_the_typist() {
    let assigned = |role, to| Request::Pursue(Command::AssignRole { role, to });
    let me = Who::slack(SlackUserId::new("U0ANA"), "ana");
    assert_eq!(
        request("lead"),
        assigned(Role::IncidentCommander, me.clone())
    );
    assert_eq!(request("lead me"), assigned(Role::IncidentCommander, me));
    assert_eq!(
        request("role ops <@U0BO|bo>"),
        assigned(Role::OperationsLead, bo())
    );
    assert!(read("lead <@u0bo>").is_err());
    assert!(read("role janitor").is_err());
}

#[test]
fn a_follow_up_may_end_with_its_owner_and_its_date() {
    let added = |text: &str, owner, due: Option<&str>| {
        Request::Pursue(Command::AddFollowUp {
            text: text.into(),
            owner,
            due: due.map(|due| due.parse().unwrap()),
        })
    };
    assert_eq!(
        request("followup add an alarm"),
        added("add an alarm", None, None)
    );
    assert_eq!(
        request("followup add an alarm <@U0BO|bo>"),
        added("add an alarm", Some(bo()), None)
    );
    assert_eq!(
        request("followup add an alarm due:2025-09-30 <@U0BO|bo>"),
        added("add an alarm", Some(bo()), Some("2025-09-30"))
    );
    assert_eq!(
        request("followup ask <@U0BO|bo> about it"),
        added("ask @bo about it", None, None)
    );
    assert_eq!(
        request("todo done 2"),
        Request::Pursue(Command::CompleteFollowUp { number: 2 })
    );
}

#[test]
fn a_subcommand_says_whether_it_is_about_one_incident() {
    for subcommand in SUBCOMMANDS {
        let samples = [
            "",
            "x",
            "p1",
            "scribe",
            "x <@U0BO|bo>",
            "<@U0BO|bo> x",
            "ack grp-1",
            "list",
        ];
        let lines = samples.map(|rest| read(&format!("{} {rest}", subcommand.word())));
        let needs: Vec<bool> = lines
            .iter()
            .flatten()
            .map(|line| line.request.needs_incident())
            .collect();
        assert!(!needs.is_empty(), "{}", subcommand.word());
        for needs in needs {
            assert_eq!(needs, subcommand.needs_incident(), "{}", subcommand.word());
        }
    }
}

#[test]
fn an_unknown_word_is_answered_with_the_nearest() {
    assert_eq!(
        read("delcare p1 x").unwrap_err(),
        "There is no `/incident delcare`. Did you mean `/incident declare`? `/incident help` lists everything."
    );
    assert!(
        read("xyzzy")
            .unwrap_err()
            .starts_with("There is no `/incident xyzzy`.")
    );
    assert_eq!(read("").unwrap().request, Request::Help(None));
}

#[test]
fn a_missing_argument_is_answered_with_the_form() {
    assert_eq!(
        read("note").unwrap_err(),
        "What shall be written down? Like this: `/incident note <text…>`"
    );
    assert!(read("declare p1").is_err());
    assert!(
        read("close now")
            .unwrap_err()
            .contains("takes no further words")
    );
}

#[test]
fn no_line_makes_the_parser_stumble() {
    for line in [
        "<",
        "<@",
        "<@>",
        "declare <!channel>",
        "followup due:",
        "followup done",
        "role <@U0BO>",
        "é",
        "note \u{202e}x",
    ] {
        let _ = read(line);
    }
}

/// With the schedules `primary` and `office`, called “Office”.
fn with_schedules(line: &str) -> Result<Request, String> {
    let schedule = |id: &str, name: Option<&str>| Schedule {
        id: id.to_owned(),
        name: name.map(str::to_owned),
        timezone: jiff::tz::TimeZone::UTC,
        rotations: Vec::new(),
        fallback: None,
        ical_token_env: None,
        ical_url_env: None,
        usergroup: None,
    };
    let catalog = Catalog {
        schedules: vec![schedule("primary", None), schedule("hours", Some("Office"))],
        ..Catalog::default()
    };
    let typist = Who::slack(SlackUserId::new("U0ANA"), "ana");
    let context = Context {
        catalog: &catalog,
        typist: &typist,
        forms: false,
    };
    let line = parse(line, context).map_err(|error| error.0)?;
    Ok(line.request)
}

#[test]
fn whoever_takes_over_is_named_or_typed_the_line() {
    let made = |schedule: &str, stretch: &str, person: Who| {
        Ok(Request::Override(OverrideWish::Make {
            schedule: schedule.to_owned(),
            stretch: TypedStretch::parse(stretch).unwrap(),
            person,
        }))
    };
    let ana = || Who::slack(SlackUserId::new("U0ANA"), "ana");
    for (line, meant) in [
        (
            "override primary tomorrow 9:00 17:00 <@U0BO|bo>",
            made("primary", "tomorrow 9:00 17:00", bo()),
        ),
        (
            "override primary <@U0BO|bo> now 2h",
            made("primary", "now 2h", bo()),
        ),
        ("override Primary now 2h", made("primary", "now 2h", ana())),
        ("cover office now 2h me", made("hours", "now 2h", ana())),
        ("override list", Ok(Request::Override(OverrideWish::List))),
        (
            "override undo #3",
            Ok(Request::Override(OverrideWish::Undo(3))),
        ),
        ("oncall", Ok(Request::ShowOnCall(None))),
        (
            "who OFFICE",
            Ok(Request::ShowOnCall(Some("hours".to_owned()))),
        ),
    ] {
        assert_eq!(with_schedules(line), meant, "{line}");
    }
    for (line, why) in [
        (
            "override secondary now 2h",
            "There is no schedule “secondary”. Use one of `primary`, `hours`.",
        ),
        (
            "oncall primry",
            "There is no schedule “primry”. Did you mean `primary`?",
        ),
        (
            "override primary now 2h <@U0BO|bo> <@U0ANA>",
            "One person takes over at a time.",
        ),
        ("override undo all", "Which one shall not count?"),
        ("override list all", "`override` takes no further words."),
    ] {
        let said = with_schedules(line).unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
}
