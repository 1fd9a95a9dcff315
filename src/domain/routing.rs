//! Routing: which `[[routes]]` entry an alert takes, and with which others it is told.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use minijinja::{Environment, UndefinedBehavior, context};
use regex_lite::Regex;
use sha2::{Digest, Sha256};

use super::alert::Alert;
use super::catalog::{Catalog, Chosen, IdPattern, Matcher, Service, Severity, Then};
use super::group::Routed;
use super::quiet::{Inhibiting, Quiet, QuietNow};
use super::terms::{GroupId, ServiceId, SeverityId};

/// What a template of a route may cost, in steps of its engine: a runaway loop ends here.
const FUEL: u64 = 10_000;
/// The routes of a configuration, ready to be asked.
#[derive(Debug)]
pub struct Routing {
    routes: Vec<Ready>,
    severities: Vec<Severity>,
    services: Vec<Service>,
    templates: Environment<'static>,
    quiet: Quiet,
    names: [IdPattern; 2],
}

/// The same at one moment.
#[derive(Debug)]
pub struct RoutingNow<'a> {
    routing: &'a Routing,
    quiet: QuietNow<'a>,
}

/// What an alert must carry, ready to be asked.
#[derive(Debug)]
pub struct Matches(Vec<(String, Wanted)>);

#[derive(Debug)]
struct Ready {
    /// What it is called where it suppresses: `route 3`.
    name: String,
    matches: Matches,
    service: Option<Chosen<ServiceId>>,
    severity: Option<Chosen<SeverityId>>,
    then: Then,
    group_by: Vec<String>,
    channel: Option<String>,
    join: Option<SignedDuration>,
    escalation_policy: Option<String>,
}

/// What a label must be.
#[derive(Debug)]
enum Wanted {
    Equal(String),
    Pattern(Regex),
}

/// Why an alert takes a route, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which `[[routes]]` entry, from 1.
    pub route: usize,
    /// The labels that keep it from taking it; empty: it takes it.
    pub missed: Vec<Missed>,
}

/// A label that is not what a route wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its name.
    pub label: String,
    /// What it is; none: the alert has none.
    pub is: Option<String>,
    /// What it should be, as the configuration has it.
    pub wanted: String,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.is {
            Some(is) => write!(f, "{} is \"{is}\", not \"{}\"", self.label, self.wanted),
            None => write!(
                f,
                "there is no {} (\"{}\" is wanted)",
                self.label, self.wanted
            ),
        }
    }
}

impl Routing {
    /// The routes of a configuration. Its patterns and templates are proved where it is read; one that is not sound all
    /// the same matches nothing.
    pub fn new(catalog: &Catalog) -> Self {
        let routes = (1..).zip(&catalog.routes).map(|(n, route)| Ready {
            name: format!("route {n} of [[routes]]"),
            matches: Matches::new(&route.matches),
            service: route.service.clone(),
            severity: route.severity.clone(),
            then: route.then,
            group_by: route.group_by.clone(),
            channel: route.channel.clone(),
            join: route.join,
            escalation_policy: route.escalation_policy.clone(),
        });
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Chainable);
        templates.set_fuel(Some(FUEL));
        Self {
            routes: routes.collect(),
            severities: catalog.severities.clone(),
            services: catalog.services.clone(),
            templates,
            quiet: Quiet::new(catalog),
            names: [
                catalog.incidents.id.clone(),
                catalog.incidents.channel.clone(),
            ],
        }
    }

    /// The routes at this moment, with whatever keeps alerts back then.
    pub fn at(&self, now: Timestamp) -> RoutingNow<'_> {
        RoutingNow {
            routing: self,
            quiet: self.quiet.at(now),
        }
    }

    /// Where an alert belongs if nothing keeps it back. The first route that matches decides; without one it is told where incidents are
    /// announced.
    pub fn route(&self, source: &str, alert: &Alert) -> Routed {
        let mut routes = self.routes.iter();
        let found = routes.find(|route| route.matches.are_met(source, alert));
        let service = found.and_then(|route| self.service(route, source, alert));
        let severity = found.and_then(|route| self.severity(route, source, alert));
        let then = found.map_or(Then::Notify, |route| route.then);
        let group_by = found.map_or(&[][..], |route| &route.group_by);
        // Alerts that nobody has said how to group: those of one rule are one matter.
        let group_by = match group_by {
            [] => vec!["source", "name"],
            named => named.iter().map(String::as_str).collect(),
        };
        // What speaks of an incident of ours, most likely our own words have caused. Whatever else it says, it is one
        // matter: else each incident would cause the next.
        let group_by = match then == Then::Declare && self.is_echo(alert) {
            true => vec!["source"],
            false => group_by,
        };
        let values: BTreeMap<String, String> = group_by
            .into_iter()
            .map(|label| {
                let value = value(source, alert, label).unwrap_or_default();
                (label.to_owned(), value.to_owned())
            })
            .collect();
        let channel = found.and_then(|route| route.channel.clone());
        let severity = severity.or_else(|| self.severity_of(alert));
        let urgency = severity
            .as_ref()
            .and_then(|id| self.severities.iter().position(|known| known.id == *id));
        Routed {
            group: group_id(then, channel.as_deref(), service.as_ref(), &values),
            then,
            channel,
            service,
            severity,
            urgency: urgency.unwrap_or(0),
            values,
            join: found.and_then(|route| route.join),
            escalation_policy: found.and_then(|route| route.escalation_policy.clone()),
            suppressed_by: found
                .filter(|route| route.then == Then::Suppress)
                .map(|route| route.name.clone()),
            hold: None,
        }
    }

    /// Whether an alert names an incident of ours, or a war room.
    pub fn is_echo(&self, alert: &Alert) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let texts = alert.labels.values().chain([&alert.title, &alert.name]);
        texts
            .flat_map(|text| text.split(|c: char| !is_part(c)))
            .any(|word| self.names.iter().any(|names| names.has_made(word)))
    }

    /// Each route that is looked at for an alert, up to the one that it takes, and why.
    pub fn explain(&self, source: &str, alert: &Alert) -> Vec<Look> {
        let mut looks = Vec::new();
        for (route, ready) in (1..).zip(&self.routes) {
            let missed = ready.matches.0.iter().filter_map(|(label, wanted)| {
                let is = value(source, alert, label);
                (!wanted.is(is)).then(|| Missed {
                    label: label.clone(),
                    is: is.map(str::to_owned),
                    wanted: wanted.to_string(),
                })
            });
            let look = Look {
                route,
                missed: missed.collect(),
            };
            let takes_it = look.missed.is_empty();
            looks.push(look);
            if takes_it {
                break;
            }
        }
        looks
    }

    /// The service that is called so, by its id or its name.
    pub fn service_named(&self, word: &str) -> Option<ServiceId> {
        Catalog::service_among(&self.services, word).map(|service| service.id.clone())
    }

    /// What is affected. A template may name what the configuration does not know: then nothing is known.
    fn service(&self, route: &Ready, source: &str, alert: &Alert) -> Option<ServiceId> {
        match route.service.as_ref()? {
            Chosen::Fixed(id) => Some(id.clone()),
            Chosen::Template(template) => {
                self.service_named(&self.rendered(template, source, alert))
            }
        }
    }

    /// What the route of an alert makes of it and nobody knows: the name of a service, and a word for a severity.
    pub fn unknown(&self, source: &str, alert: &Alert) -> [Option<String>; 2] {
        let mut routes = self.routes.iter();
        let found = routes.find(|route| route.matches.are_met(source, alert));
        let service =
            found.and_then(
                |route| match (&route.service, self.service(route, source, alert)) {
                    (Some(Chosen::Template(template)), None) => {
                        Some(self.rendered(template, source, alert))
                    }
                    (Some(_) | None, _) => None,
                },
            );
        let severity = match found.and_then(|route| route.severity.as_ref()) {
            Some(Chosen::Fixed(_)) => None,
            Some(Chosen::Template(template)) => Some(self.rendered(template, source, alert)),
            None => alert
                .severity
                .clone()
                .or_else(|| alert.labels.get("severity").cloned()),
        };
        let severity = severity.filter(|word| self.severity_called(word).is_none());
        [service, severity].map(|it| it.filter(|name| !name.is_empty()))
    }

    fn severity(&self, route: &Ready, source: &str, alert: &Alert) -> Option<SeverityId> {
        match route.severity.as_ref()? {
            Chosen::Fixed(id) => Some(id.clone()),
            Chosen::Template(template) => {
                self.severity_called(&self.rendered(template, source, alert))
            }
        }
    }

    /// The severity of an alert by its own word for it; none, if it has none or one that nobody knows.
    fn severity_of(&self, alert: &Alert) -> Option<SeverityId> {
        let word = alert
            .severity
            .as_ref()
            .or_else(|| alert.labels.get("severity"))?;
        self.severity_called(word)
    }

    fn severity_called(&self, word: &str) -> Option<SeverityId> {
        let known = Catalog::severity_among(&self.severities, word);
        known
            .or_else(|| {
                self.severities
                    .get(rank(word)?.min(self.severities.len().checked_sub(1)?))
            })
            .map(|severity| severity.id.clone())
    }

    fn rendered(&self, template: &str, source: &str, alert: &Alert) -> String {
        let said = context! {
            labels => &alert.labels,
            source => source,
            name => &alert.name,
            title => &alert.title,
            severity => &alert.severity,
        };
        let rendered = self.templates.render_str(template, said);
        rendered.unwrap_or_default().trim().to_owned()
    }
}

impl RoutingNow<'_> {
    /// Where an alert belongs now.
    pub fn route(&self, source: &str, alert: &Alert) -> Routed {
        let routed = self.routing.route(source, alert);
        match self.quiet.hold(source, alert, &routed) {
            Some(hold) => hold.keep(routed),
            None => routed,
        }
    }
}

impl Routing {
    /// What an alert has to do with inhibitions.
    pub fn inhibiting(&self, source: &str, alert: &Alert) -> Inhibiting {
        self.quiet.inhibiting(source, alert)
    }
}

impl Matches {
    /// What a table of the configuration asks for.
    pub fn new(matches: &BTreeMap<String, Matcher>) -> Self {
        let matches = matches.iter();
        Self(
            matches
                .map(|(label, matcher)| (label.clone(), Wanted::new(matcher)))
                .collect(),
        )
    }

    /// Whether an alert of a source carries all of it.
    pub fn are_met(&self, source: &str, alert: &Alert) -> bool {
        let mut matches = self.0.iter();
        matches.all(|(label, wanted)| wanted.is(value(source, alert, label)))
    }
}

/// How bad the words are that senders use, from 0: for a configuration that does not know a word.
fn rank(word: &str) -> Option<usize> {
    match word.trim().to_lowercase().as_str() {
        "critical" | "fatal" | "emergency" | "disaster" | "page" | "p1" | "sev1" => Some(0),
        "error" | "high" | "major" | "p2" | "sev2" => Some(1),
        "warning" | "warn" | "average" | "medium" | "minor" | "p3" | "sev3" => Some(2),
        "info" | "information" | "informational" | "low" | "notice" | "debug" | "none" | "ok"
        | "p4" | "p5" | "sev4" => Some(3),
        _ => None,
    }
}

/// A label of an alert, or what stands beside its labels.
pub(super) fn value<'a>(source: &'a str, alert: &'a Alert, label: &str) -> Option<&'a str> {
    let beside = match label {
        // Nobody can say that they are another source.
        "source" => return Some(source),
        "name" => Some(alert.name.as_str()),
        "severity" => alert.severity.as_deref(),
        "title" => Some(alert.title.as_str()),
        _ => None,
    };
    alert.labels.get(label).map(String::as_str).or(beside)
}

/// A group is known by what is done with it and what its alerts have in common, not by its place in the configuration:
/// that may be edited while an incident is open.
fn group_id(
    then: Then,
    channel: Option<&str>,
    service: Option<&ServiceId>,
    values: &BTreeMap<String, String>,
) -> GroupId {
    let service = service.map_or("", ServiceId::as_str);
    let mut parts = vec![then.word(), channel.unwrap_or_default(), service];
    for (label, value) in values {
        parts.extend([label.as_str(), value.as_str()]);
    }
    group_of(&parts)
}

/// The group of everything that has all of this in common.
pub(super) fn group_of(parts: &[&str]) -> GroupId {
    let mut hash = Sha256::new();
    for part in parts {
        // No part runs into the next.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    GroupId::new(format!("grp-{}", hex::encode(&hash.finalize()[..10])))
}

impl Wanted {
    fn new(matcher: &Matcher) -> Self {
        match matcher {
            Matcher::Equal(text) => Wanted::Equal(text.clone()),
            Matcher::Pattern(pattern) => match Regex::new(pattern) {
                Ok(regex) => Wanted::Pattern(regex),
                Err(_) => Wanted::Equal(format!("~{pattern}")),
            },
        }
    }

    fn is(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Wanted::Equal(wanted), value) => wanted == value.unwrap_or_default(),
            (Wanted::Pattern(regex), Some(value)) => regex.is_match(value),
            (Wanted::Pattern(_), None) => false,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Equal(text) => f.write_str(text),
            Wanted::Pattern(regex) => write!(f, "~{regex}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Links, Signal};
    use crate::domain::catalog::Route;
    use crate::domain::terms::DedupKey;

    fn alert(labels: &[(&str, &str)]) -> Alert {
        Alert {
            key: DedupKey::new("k"),
            signal: Signal::Firing,
            name: "HighErrorRate".into(),
            title: "5xx above 5 %".into(),
            description: None,
            severity: None,
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            links: Links::default(),
            remark: None,
            started_at: None,
            ended_at: None,
            expires_at: None,
        }
    }

    fn route(matches: &[(&str, &str)], then: Then) -> Route {
        let matcher = |text: &str| match text.strip_prefix('~') {
            Some(pattern) => Matcher::Pattern(pattern.to_owned()),
            None => Matcher::Equal(text.to_owned()),
        };
        Route {
            matches: matches
                .iter()
                .map(|(k, v)| ((*k).to_owned(), matcher(v)))
                .collect(),
            service: None,
            severity: None,
            then,
            group_by: vec![],
            channel: None,
            join: None,
            escalation_policy: None,
        }
    }

    fn routing(routes: Vec<Route>) -> Routing {
        let service = Service {
            id: ServiceId::new("checkout"),
            name: "The till".into(),
            owner: None,
            escalation_policy: None,
            links: BTreeMap::new(),
            runbooks: vec![],
        };
        Routing::new(&Catalog {
            routes,
            services: vec![service],
            ..Catalog::default()
        })
    }

    #[test]
    fn the_first_route_that_matches_decides() {
        let routing = routing(vec![
            route(
                &[("source", "prometheus"), ("severity", "critical")],
                Then::Declare,
            ),
            route(&[("severity", "~^(warning|info)$")], Then::Notify),
            route(&[], Then::Suppress),
        ]);
        let then = |source, labels: &[(&str, &str)]| routing.route(source, &alert(labels)).then;
        assert_eq!(
            then("prometheus", &[("severity", "critical")]),
            Then::Declare
        );
        assert_eq!(then("grafana", &[("severity", "critical")]), Then::Suppress);
        assert_eq!(then("grafana", &[("severity", "warning")]), Then::Notify);
        assert_eq!(then("grafana", &[("severity", "warnings")]), Then::Suppress);
        // Nobody can say that they are another source.
        assert_eq!(
            then("x", &[("source", "prometheus"), ("severity", "critical")]),
            Then::Suppress
        );
    }

    #[test]
    fn without_a_route_there_is_a_card_for_each_rule() {
        let routing = routing(vec![]);
        let one = routing.route("a", &alert(&[("instance", "1")]));
        let two = routing.route("a", &alert(&[("instance", "2")]));
        assert_eq!((one.then, &one.channel), (Then::Notify, &None));
        assert_eq!(one.group, two.group);
        assert_ne!(one.group, routing.route("b", &alert(&[])).group);
    }

    #[test]
    fn groups_are_made_of_what_their_alerts_have_in_common() {
        let by_service = Route {
            group_by: vec!["service".into(), "alertname".into()],
            ..route(&[], Then::Declare)
        };
        let routing = routing(vec![by_service]);
        let group = |service: &str, name: &str| {
            let labels = [("service", service), ("alertname", name), ("pod", name)];
            routing.route("a", &alert(&labels)).group
        };
        assert_eq!(group("checkout", "x"), group("checkout", "x"));
        assert_ne!(group("checkout", "x"), group("checkout", "y"));
        // No value runs into the next.
        assert_ne!(group("ab", "c"), group("a", "bc"));
        // The group outlives an edit of the configuration that puts another route before it.
        assert!(group("checkout", "x").as_str().starts_with("grp-"));
    }

    #[test]
    fn service_and_severity_are_made_by_templates_and_only_of_what_is_known() {
        let templated = Route {
            service: Some(Chosen::Template("{{ labels.service }}".into())),
            severity: Some(Chosen::Template(
                "{{ labels.prio.level|default('p2') }}".into(),
            )),
            ..route(&[], Then::Declare)
        };
        let routing = routing(vec![templated]);
        let routed = routing.route("a", &alert(&[("service", "checkout")]));
        assert_eq!(routed.service, Some(ServiceId::new("checkout")));
        assert_eq!(routed.severity, Some(SeverityId::new("p2")));
        for other in ["Checkout", "CHECKOUT", "the till", "The Till"] {
            let routed = routing.route("a", &alert(&[("service", other)]));
            assert_eq!(routed.service, Some(ServiceId::new("checkout")), "{other}");
        }
        assert_eq!(
            routing.route("a", &alert(&[("service", "nobody")])).service,
            None
        );
        assert_eq!(routing.route("a", &alert(&[])).service, None);
    }

    #[test]
    fn the_senders_own_word_says_how_bad_it_is() {
        let routing = routing(vec![route(&[], Then::Declare)]);
        let severity = |word: &str| {
            let alert = Alert {
                severity: Some(word.into()),
                ..alert(&[])
            };
            routing.route("a", &alert).severity.map(|id| id.to_string())
        };
        assert_eq!(severity("P2").as_deref(), Some("p2"));
        assert_eq!(severity("critical").as_deref(), Some("p1"));
        assert_eq!(severity("Warning").as_deref(), Some("p3"));
        assert_eq!(severity("none").as_deref(), Some("p4"));
        assert_eq!(severity("pink"), None);
    }

    #[test]
    fn what_speaks_of_our_own_incidents_is_one_group_however_it_is_grouped() {
        let by_title = Route {
            group_by: vec!["title".into()],
            ..route(&[], Then::Declare)
        };
        let routing = routing(vec![by_title]);
        let group = |title: &str, channel: &str| {
            let said = Alert {
                title: title.into(),
                ..alert(&[("channel", channel)])
            };
            routing.route("a", &said).group
        };
        let echo = group("new message in INC-2025-0914-001", "general");
        assert_eq!(group("(inc-2025-0914-017)", "x"), echo);
        assert_eq!(group("new channel", "#incident-2025-0914-003"), echo);
        assert_ne!(group("INC-2025", "general"), echo);
        assert_ne!(
            group("incident-free", "general"),
            group("incident", "general")
        );
    }

    #[test]
    fn a_template_that_never_ends_does() {
        let endless = Route {
            service: Some(Chosen::Template(
                "{% for x in range(99999) %}{% for y in range(99999) %}x{% endfor %}{% endfor %}"
                    .into(),
            )),
            ..route(&[], Then::Declare)
        };
        assert_eq!(routing(vec![endless]).route("a", &alert(&[])).service, None);
    }

    #[test]
    fn it_is_said_why_an_alert_takes_a_route() {
        let routing = routing(vec![
            route(
                &[("severity", "critical"), ("team", "~^pay")],
                Then::Declare,
            ),
            route(&[("severity", "warning")], Then::Notify),
            route(&[], Then::Suppress),
        ]);
        let looks = routing.explain("a", &alert(&[("severity", "warning")]));
        assert_eq!(looks.len(), 2);
        let missed: Vec<_> = looks[0].missed.iter().map(ToString::to_string).collect();
        assert_eq!(
            missed,
            [
                "severity is \"warning\", not \"critical\"",
                "there is no team (\"~^pay\" is wanted)"
            ]
        );
        assert!(looks[1].missed.is_empty());
    }
}
