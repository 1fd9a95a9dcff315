//! `firebell escalation preview` and `firebell simulate`: whom a policy calls, when and by which way, before it does.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::alerts::{self, Understood};
use crate::config::Settings;
use crate::domain::alert::Signal;
use crate::domain::catalog::{Catalog, Person, Severity, Then};
use crate::domain::command::Declaration;
use crate::domain::escalation::{Channel, EscalationPolicy, StopOn, Target};
use crate::domain::event::{Event, Recorded};
use crate::domain::foresight::foresee;
use crate::domain::form::{nearest, show_duration};
use crate::domain::group::Routed;
use crate::domain::oncall::Override;
use crate::domain::page::{Addressee, Hurry, PageReason, Paged};
use crate::domain::reach::{Address, address};
use crate::domain::routing::Routing;
use crate::domain::terms::{PersonId, ServiceId};
use crate::store::Store;

/// The status of a wrong usage.
const WRONG_USAGE: u8 = 2;

/// What was typed after `firebell escalation preview`.
pub(super) struct Preview {
    pub policy: String,
    pub at: Option<String>,
    pub severity: Option<String>,
    pub service: Option<String>,
    pub json: bool,
}

/// Shows whom a policy calls if nobody answers.
pub(super) async fn preview(settings: &Settings, typed: Preview) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let at = match moment(typed.at.as_deref(), &catalog) {
        Ok(at) => at,
        Err(code) => return Ok(code),
    };
    let Some(policy) = catalog.escalation_policy(&typed.policy) else {
        let ids = catalog.escalation_policies.iter().map(|it| it.id.as_str());
        eprintln!("{}", unknown("escalation policy", &typed.policy, ids));
        return Ok(ExitCode::FAILURE);
    };
    let severity = match typed.severity.as_deref() {
        // One that calls by this policy, else the gravest.
        None => {
            let is_its = |it: &&Severity| it.escalation_policy.as_deref() == Some(&policy.id);
            let mut all = catalog.severities.iter();
            all.find(is_its).or(catalog.severities.first())
        }
        Some(word) => match catalog.find_severity(word) {
            Some(severity) => Some(severity),
            None => {
                let ids = catalog.severities.iter().map(|it| it.id.as_str());
                eprintln!("{}", unknown("severity", word, ids));
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    let service = match typed.service.as_deref() {
        None => None,
        Some(word) => match catalog.find_service(word) {
            Some(service) => Some(service.id.clone()),
            None => {
                let ids = catalog.services.iter().map(|it| it.id.as_str());
                eprintln!("{}", unknown("service", word, ids));
                return Ok(ExitCode::FAILURE);
            }
        },
    };
    let declaration = Declaration {
        severity: severity.map(|it| it.id.clone()),
        service,
        escalation_policy: Some(policy.id.clone()),
        ..Declaration::titled("preview")
    };
    let kept = overrides(settings, at).await;
    let foreseen = Foreseen::of(declaration, at, &catalog, policy, &kept)?;
    match typed.json {
        true => println!("{}", serde_json::to_string_pretty(&foreseen.described())?),
        false => print!("{}", foreseen.told()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what becomes of the alerts of a file, and whom their incidents call if nobody answers.
pub(super) async fn simulate(
    settings: &Settings,
    file: PathBuf,
    source: Option<String>,
    at: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let catalog = super::catalog(settings)?;
    let now = match moment(at, &catalog) {
        Ok(now) => now,
        Err(code) => return Ok(code),
    };
    let source = match alerts::chosen(&catalog, source) {
        Ok(source) => source,
        Err(why) => {
            eprintln!("{why}");
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let told = alerts::read(source, &file, now)?;
    let routing = Routing::new(&catalog);
    let kept = overrides(settings, now).await;
    let mut is_unheard = false;
    let mut simulated = Vec::new();
    let mut begun = Vec::new();
    for alert in told.alerts {
        let understood = Understood::of(alert, source, &routing, &catalog, now);
        let mut said = match json {
            true => understood.described(),
            false => {
                print!("{}", understood.told(&catalog, &routing));
                Value::Null
            }
        };
        let routed = &understood.routed;
        let begins = understood.heartbeat.is_none()
            && understood.alert.signal == Signal::Firing
            && routed.then == Then::Declare
            && routed.hold.is_none();
        // What belongs to an incident that an alert before it has begun begins none.
        if begins && !begun.contains(&routed.group) {
            begun.push(routed.group.clone());
            let (declared, why) = declared(routed, &understood.alert.title, &catalog);
            let foreseen = match why.policy {
                Some(policy) => Some(Foreseen::of(declared, now, &catalog, policy, &kept)?),
                None => None,
            };
            is_unheard |= foreseen.as_ref().is_some_and(|it| !it.reaches_somebody());
            match json {
                true => {
                    said["incident"] = json!({
                        "severity": why.severity.map(|it| &it.id),
                        "service": routed.service,
                        "policy": why.policy.map(|it| &it.id),
                        "why": why.words,
                        "escalation": foreseen.as_ref().map(Foreseen::described),
                    });
                }
                false => {
                    println!("  {}\n", why.told(routed.service.as_ref()));
                    if let Some(foreseen) = &foreseen {
                        print!("{}", foreseen.told());
                    }
                }
            }
        }
        simulated.push(said);
    }
    for why in &told.skipped {
        eprintln!("An alert was left out: {why}");
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&simulated)?);
    }
    Ok(match is_unheard || !told.skipped.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// The moment that is meant; a wrong one is told.
fn moment(at: Option<&str>, catalog: &Catalog) -> Result<Timestamp, ExitCode> {
    match at.map(|text| super::moment(text, catalog)) {
        None => Ok(Timestamp::now()),
        Some(Ok(at)) => Ok(at),
        Some(Err(why)) => {
            eprintln!("{why}");
            Err(ExitCode::from(WRONG_USAGE))
        }
    }
}

fn unknown<'a>(what: &str, id: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = known.clone().collect();
    match nearest(id, known) {
        Some(near) => format!("There is no {what} “{id}”. Did you mean {near}?"),
        None if all.is_empty() => format!("There is no {what} in firebell.toml."),
        None => {
            let all = all.join(", ");
            format!("There is no {what} “{id}”. Those of firebell.toml: {all}")
        }
    }
}

/// Who has taken over from whom, as the store has it, as far as it can be read; else why it cannot be.
struct Kept {
    overrides: Vec<Override>,
    missing: Option<String>,
}

/// Longer than any policy runs.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 366);

async fn overrides(settings: &Settings, from: Timestamp) -> Kept {
    let to = from.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let read = async {
        let url = settings.database.url.expose_secret();
        let Some(store) = Store::open_if_there(url).await? else {
            return Ok(None);
        };
        let read = store.overrides_between(from, to).await;
        store.close().await;
        read.map(Some)
    };
    match read.await {
        Ok(Some(overrides)) => Kept {
            overrides,
            missing: None,
        },
        Ok(None) => Kept {
            overrides: Vec::new(),
            missing: Some("there is no database yet: by plan alone, without overrides".to_owned()),
        },
        Err(error) => Kept {
            overrides: Vec::new(),
            missing: Some(format!(
                "the database cannot be read: by plan alone, without overrides ({error:#})"
            )),
        },
    }
}

/// By which policy an incident calls people, and why by that one.
struct Choice<'c> {
    severity: Option<&'c Severity>,
    policy: Option<&'c EscalationPolicy>,
    words: String,
}

impl Choice<'_> {
    fn told(&self, service: Option<&ServiceId>) -> String {
        let severity = self.severity.map_or("no severity", |it| it.name.as_str());
        let of = match service {
            Some(service) => format!(" of {service}"),
            None => String::new(),
        };
        format!("declared as {severity}{of}: {}", self.words)
    }
}

/// How the incident of an alert is declared, as the intake does it.
fn declared<'c>(routed: &Routed, title: &str, catalog: &'c Catalog) -> (Declaration, Choice<'c>) {
    let declaration = Declaration {
        severity: routed.severity.clone(),
        service: routed.service.clone(),
        escalation_policy: routed.escalation_policy.clone(),
        ..Declaration::titled(title)
    };
    let severity = match &routed.severity {
        Some(id) => catalog.severity(id),
        None => catalog.severities.first(),
    };
    let route = routed.escalation_policy.as_deref();
    let service = routed.service.as_ref();
    let policy = severity.and_then(|it| catalog.policy_for(it, service, route));
    let of_service = service.and_then(|id| catalog.service(id)?.escalation_policy.as_ref());
    let words = match (policy, route, of_service) {
        (None, _, _) => "nobody is paged: neither its route nor its severity names an \
                         escalation_policy"
            .to_owned(),
        (Some(policy), Some(_), _) => format!("pages by {}, as its route says", policy.id),
        (Some(policy), None, Some(_)) => format!("pages by {}, as its service says", policy.id),
        (Some(policy), None, None) => format!("pages by {}, as its severity says", policy.id),
    };
    let choice = Choice {
        severity,
        policy,
        words,
    };
    (declaration, choice)
}

/// What a policy will do, ready to be shown.
struct Foreseen<'c> {
    catalog: &'c Catalog,
    policy: &'c EscalationPolicy,
    severity: String,
    service: Option<ServiceId>,
    at: Timestamp,
    lines: Vec<Line>,
    missing: Option<&'c str>,
}

/// Something that will happen, or must be known.
struct Line {
    at: Timestamp,
    what: What,
}

enum What {
    Paged {
        paged: Paged,
        targets: Vec<Target>,
    },
    Way {
        to: Addressee,
        page: u32,
        via: Channel,
    },
    Overdue,
    HandOff {
        schedule: String,
        to: Option<PersonId>,
    },
    ClocksChange {
        zone: String,
        before: Offset,
        after: Offset,
    },
    End {
        rounds: u32,
    },
}

impl<'c> Foreseen<'c> {
    fn of(
        declaration: Declaration,
        at: Timestamp,
        catalog: &'c Catalog,
        policy: &'c EscalationPolicy,
        kept: &'c Kept,
    ) -> anyhow::Result<Self> {
        let severity = match &declaration.severity {
            Some(id) => catalog.severity(id),
            None => catalog.severities.first(),
        };
        let (severity, service) = (
            severity.map(|it| it.name.clone()).unwrap_or_default(),
            declaration.service.clone(),
        );
        let record = foresee(declaration, at, catalog, &kept.overrides)
            .map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let happens = what_happens(&record, policy);
        let end = happens.last().map_or(at, |line| line.at);
        // Of what is at the same moment, what people see on the wall comes first.
        let mut lines = changes_of_clocks(policy, catalog, at, end);
        lines.extend(hand_offs(policy, catalog, &kept.overrides, at, end));
        lines.extend(happens);
        lines.sort_by_key(|line| line.at);
        Ok(Self {
            catalog,
            policy,
            severity,
            service,
            at,
            lines,
            missing: kept.missing.as_deref(),
        })
    }

    /// Whether anybody at all is called by a way that leads somewhere.
    fn reaches_somebody(&self) -> bool {
        self.lines.iter().any(|line| match &line.what {
            What::Paged { paged, .. } => paged.pages.iter().any(|page| {
                let mut ways = page.contacts.iter();
                ways.any(|way| address(&page.to, way.via, self.catalog).leads_somewhere())
            }),
            What::Way { .. }
            | What::Overdue
            | What::HandOff { .. }
            | What::ClocksChange { .. }
            | What::End { .. } => false,
        })
    }

    fn zone(&self) -> &TimeZone {
        &self.catalog.organization.timezone
    }

    fn told(&self) -> String {
        let zone = self.zone();
        let of = match &self.service {
            Some(service) => format!(" of {service}"),
            None => String::new(),
        };
        let mut said = format!(
            "{}: an incident{of}, {}, declared at {} ({}), if nobody answers\n",
            self.policy.id,
            self.severity,
            full(self.at, zone),
            name_of(zone),
        );
        for rule in self.rules() {
            said += &format!("  {rule}\n");
        }
        if let Some(missing) = self.missing {
            said += &format!("  {missing}\n");
        }
        let mut day = None;
        for line in &self.lines {
            let date = line.at.to_zoned(zone.clone()).date();
            if day != Some(date) {
                let shown = line.at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d");
                said += &format!("\n{shown}\n");
                day = Some(date);
            }
            said += &self.told_line(line);
        }
        if !self.reaches_somebody() {
            said += "\nNOBODY IS REACHED by this policy at that time.\n";
        }
        said
    }

    fn told_line(&self, line: &Line) -> String {
        let clock = line.at.to_zoned(self.zone().clone());
        let clock = match line.at.duration_since(self.at).as_secs() % 60 {
            0 => clock.strftime("%H:%M %:z").to_string(),
            _ => clock.strftime("%H:%M:%S %:z").to_string(),
        };
        let after = show_duration(line.at.duration_since(self.at));
        let begin = format!("  {clock}  {:>6}  ", format!("+{after}"));
        let rest = match &line.what {
            What::Paged { paged, targets } => {
                let targets: Vec<String> = targets.iter().map(Target::to_string).collect();
                let mut said = format!("{}: {}\n", step(&paged.why), targets.join(", "));
                for page in &paged.pages {
                    for way in page.contacts.iter().filter(|way| way.at <= line.at) {
                        said += &self.told_way(&page.to, way.via, line.at);
                    }
                    if page.contacts.iter().all(|way| way.at > line.at) {
                        let first = page.contacts.first().map(|way| way.at);
                        let wait = first.map(|at| show_duration(at.duration_since(line.at)));
                        let wait = wait.unwrap_or_default();
                        let name = self.name(&page.to);
                        said += &indented(&format!("{name}: not before {wait} have gone by"));
                    }
                }
                for vacancy in &paged.vacant {
                    let instead = match &vacancy.instead {
                        Some(instead) => format!("the fallback is paged, {instead}"),
                        None => "and there is no fallback".to_owned(),
                    };
                    let target = &vacancy.target;
                    said += &indented(&format!("NOBODY is behind {target}: {instead}"));
                }
                return begin + &said;
            }
            What::Way { to, via, .. } => {
                return begin + self.told_way(to, *via, line.at).trim_start();
            }
            What::Overdue => format!(
                "nobody has acknowledged in time: said in the war room and in {}",
                self.catalog.slack.announce
            ),
            What::HandOff { schedule, to } => match to {
                Some(person) => format!(
                    "{schedule}: {} is on call from here on",
                    self.called(person)
                ),
                None => format!("{schedule}: nobody is on call from here on"),
            },
            What::ClocksChange {
                zone,
                before,
                after,
            } => {
                let word = match after > before {
                    true => "forward",
                    false => "back",
                };
                format!(
                    "the clocks of {zone} go {word}: {} to {}",
                    shown(*before),
                    shown(*after)
                )
            }
            What::End { rounds } => {
                let rounds = match rounds {
                    1 => String::new(),
                    rounds => format!(" after {rounds} rounds"),
                };
                format!(
                    "nobody answered{rounds}: said loudly in the war room and in {}",
                    self.catalog.slack.announce
                )
            }
        };
        format!("{begin}{rest}\n")
    }

    /// One way to somebody: where it leads, and what the clock shows there, if it shows something else.
    fn told_way(&self, to: &Addressee, via: Channel, at: Timestamp) -> String {
        let led = match address(to, via, self.catalog) {
            Address::To(address) => format!("{} to {address}", word(via)),
            Address::Nowhere(why) => format!("{}: NOT REACHED, {why}", word(via)),
        };
        let there = match self.local(to, at) {
            Some(local) => format!(" ({local} there)"),
            None => String::new(),
        };
        indented(&format!("{}: {led}{there}", self.name(to)))
    }

    /// What the clock of somebody shows who is in another zone.
    fn local(&self, to: &Addressee, at: Timestamp) -> Option<String> {
        let zone = self.person(to)?.timezone.as_ref()?;
        if zone.to_offset(at) == self.zone().to_offset(at) {
            return None;
        }
        let there = at.to_zoned(zone.clone());
        let here = at.to_zoned(self.zone().clone());
        let form = match there.date() == here.date() {
            true => "%H:%M %:z",
            false => "%a %H:%M %:z",
        };
        Some(there.strftime(form).to_string())
    }

    fn person(&self, to: &Addressee) -> Option<&'c Person> {
        match to {
            Addressee::Person { id, .. } => self.catalog.person(id.as_ref()?),
            Addressee::UserGroup { .. } | Addressee::Channel { .. } => None,
        }
    }

    fn name(&self, to: &Addressee) -> String {
        match self.person(to) {
            Some(person) => person.name.clone(),
            None => to.shown(),
        }
    }

    fn called(&self, id: &PersonId) -> String {
        let person = self.catalog.person(id);
        person.map_or_else(|| id.to_string(), |person| person.name.clone())
    }

    /// What the policy says beside its steps.
    fn rules(&self) -> Vec<String> {
        let policy = self.policy;
        let mut rules = Vec::new();
        if policy.repeat > 0 {
            let rest = show_duration(policy.rest());
            let times = match policy.repeat {
                1 => "once".to_owned(),
                2 => "twice".to_owned(),
                times => format!("{times} times"),
            };
            rules.push(format!("begins again {times}, {rest} after its last step"));
        }
        rules.push(match policy.stop_on {
            StopOn::Acknowledged => "an acknowledgement stops it".to_owned(),
            StopOn::Resolved => "only the resolution stops it, no acknowledgement".to_owned(),
        });
        if let Some(timeout) = policy.ack_timeout {
            let timeout = show_duration(timeout);
            rules.push(format!(
                "an acknowledgement counts for {timeout}: without a sign of life by then it begins anew"
            ));
        }
        rules
    }

    /// For programs.
    fn described(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| self.described_line(line))
            .collect();
        json!({
            "policy": self.policy.id,
            "severity": self.severity,
            "service": self.service,
            "at": in_zone(self.at, self.zone()),
            "timezone": name_of(self.zone()),
            "repeat": self.policy.repeat,
            "stop_on": self.policy.stop_on,
            "ack_timeout": self.policy.ack_timeout.map(show_duration),
            "reaches_somebody": self.reaches_somebody(),
            "warning": self.missing,
            "lines": lines,
        })
    }

    fn described_line(&self, line: &Line) -> Value {
        let mut said = match &line.what {
            What::Paged { paged, targets } => {
                let ways = |page: &crate::domain::page::Page| -> Vec<Value> {
                    let now = page.contacts.iter().filter(|way| way.at <= line.at);
                    now.map(|way| self.described_way(page.number, &page.to, way.via, line.at))
                        .collect()
                };
                let (step, round) = match &paged.why {
                    PageReason::Step { step, round, .. } => (Some(step), Some(round)),
                    PageReason::ByHand { .. } => (None, None),
                };
                json!({
                    "what": "step",
                    "step": step,
                    "round": round,
                    "hurried": is_hurried(&paged.why),
                    "targets": targets,
                    "ways": paged.pages.iter().flat_map(ways).collect::<Vec<_>>(),
                    "vacant": paged.vacant,
                })
            }
            What::Way { to, page, via } => json!({
                "what": "way",
                "ways": [self.described_way(*page, to, *via, line.at)],
            }),
            What::Overdue => json!({ "what": "acknowledge_overdue" }),
            What::HandOff { schedule, to } => {
                json!({ "what": "hand_off", "schedule": schedule, "person": to })
            }
            What::ClocksChange {
                zone,
                before,
                after,
            } => json!({
                "what": "clocks_change",
                "timezone": zone,
                "before": shown(*before),
                "after": shown(*after),
            }),
            What::End { rounds } => json!({ "what": "nobody_answered", "rounds": rounds }),
        };
        said["at"] = json!(in_zone(line.at, self.zone()));
        said["after"] = json!(show_duration(line.at.duration_since(self.at)));
        said
    }

    fn described_way(&self, page: u32, to: &Addressee, via: Channel, at: Timestamp) -> Value {
        let zone = self.person(to).and_then(|person| person.timezone.as_ref());
        let (address, fault) = match address(to, via, self.catalog) {
            Address::To(address) => (Some(address), None),
            Address::Nowhere(why) => (None, Some(why)),
        };
        json!({
            "page": page,
            "to": self.name(to),
            "via": via,
            "address": address,
            "not_reached": fault,
            "local": zone.map(|zone| in_zone(at, zone)),
        })
    }
}

/// What the core did, as far as people are called by it.
fn what_happens(record: &[Recorded], policy: &EscalationPolicy) -> Vec<Line> {
    let mut called: Vec<(u32, Addressee)> = Vec::new();
    let mut lines = Vec::new();
    for recorded in record {
        let what = match &recorded.event {
            Event::Paged(paged) => {
                let pages = paged.pages.iter();
                called.extend(pages.map(|page| (page.number, page.to.clone())));
                let step = match &paged.why {
                    PageReason::Step { step, .. } => policy.steps.get(*step as usize - 1),
                    PageReason::ByHand { .. } => None,
                };
                vec![What::Paged {
                    paged: (**paged).clone(),
                    targets: step.map(|step| step.notify.clone()).unwrap_or_default(),
                }]
            }
            Event::PageContinued { page, via, .. } => {
                let to = called.iter().find(|(number, _)| number == page);
                let ways = via.iter().filter_map(|via| {
                    Some(What::Way {
                        to: to?.1.clone(),
                        page: *page,
                        via: *via,
                    })
                });
                ways.collect()
            }
            Event::AcknowledgeOverdue { .. } => vec![What::Overdue],
            Event::EscalationExhausted { rounds, .. } => vec![What::End { rounds: *rounds }],
            // The incident goes its way beside it.
            _ => vec![],
        };
        let at = recorded.recorded_at;
        lines.extend(what.into_iter().map(|what| Line { at, what }));
    }
    lines
}

/// The plans that a policy names.
fn plans<'c>(
    policy: &EscalationPolicy,
    catalog: &'c Catalog,
) -> Vec<&'c crate::domain::oncall::Schedule> {
    let mut plans: Vec<&crate::domain::oncall::Schedule> = Vec::new();
    for target in policy.steps.iter().flat_map(|step| &step.notify) {
        if let Target::Schedule(id) = target
            && let Some(plan) = catalog.schedule(id)
            && !plans.iter().any(|known| known.id == plan.id)
        {
            plans.push(plan);
        }
    }
    plans
}

/// Where somebody hands over while the policy runs.
fn hand_offs(
    policy: &EscalationPolicy,
    catalog: &Catalog,
    overrides: &[Override],
    from: Timestamp,
    to: Timestamp,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for plan in plans(policy, catalog) {
        let stretches = catalog.coverage(plan, from, to, overrides);
        lines.extend(stretches.into_iter().skip(1).map(|stretch| Line {
            at: stretch.from,
            what: What::HandOff {
                schedule: plan.id.clone(),
                to: stretch.person,
            },
        }));
    }
    lines
}

/// Where the clocks of the organization, or of a plan, are moved while the policy runs.
fn changes_of_clocks(
    policy: &EscalationPolicy,
    catalog: &Catalog,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Line> {
    let mut zones = vec![&catalog.organization.timezone];
    for plan in plans(policy, catalog) {
        if !zones.contains(&&plan.timezone) {
            zones.push(&plan.timezone);
        }
    }
    let mut lines = Vec::new();
    for zone in zones {
        let changes = zone
            .following(from)
            .take_while(|change| change.timestamp() <= to);
        for change in changes {
            let at = change.timestamp();
            let just_before = at
                .checked_sub(jiff::SignedDuration::from_secs(1))
                .unwrap_or(at);
            let (before, after) = (zone.to_offset(just_before), zone.to_offset(at));
            if before != after {
                lines.push(Line {
                    at,
                    what: What::ClocksChange {
                        zone: name_of(zone),
                        before,
                        after,
                    },
                });
            }
        }
    }
    lines
}

fn is_hurried(why: &PageReason) -> bool {
    matches!(
        why,
        PageReason::Step {
            hurried: Some(Hurry::Undelivered | Hurry::ByHand { .. }),
            ..
        }
    )
}

fn step(why: &PageReason) -> String {
    match why {
        PageReason::Step {
            step, of, round, ..
        } => {
            let mut said = format!("step {step} of {of}");
            if *round > 1 {
                said += &format!(", round {round}");
            }
            if is_hurried(why) {
                said += ", at once, since the one before it finds nobody";
            }
            said
        }
        PageReason::ByHand { .. } => "by hand".to_owned(),
    }
}

/// The word for a way.
fn word(via: Channel) -> &'static str {
    match via {
        Channel::Slack => "Slack",
        Channel::Email => "e-mail",
        Channel::Sms => "SMS",
        Channel::Voice => "phone",
        Channel::Webhook => "webhook",
    }
}

fn indented(text: &str) -> String {
    format!("{:26}{text}\n", "")
}

fn name_of(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("a zone of its own").to_owned()
}

fn shown(offset: Offset) -> String {
    let zoned = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::fixed(offset));
    zoned.strftime("%:z").to_string()
}

/// A moment on the wall clock of a zone.
fn full(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    zoned.strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

fn in_zone(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
