//! `/ledger`: every page and every group of alerts as a web page, the newest first, what is open, and what the auditor
//! found last. Closed to whoever does not know `FIREBELL_API_TOKEN`.

use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::{Environment, Value, context};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::error;

use super::pages::admit;
use super::{Rooms, fault};
use crate::domain::catalog::Catalog;
use crate::domain::form::show_roughly;
use crate::domain::ledger::Standing;
use crate::domain::samples;
use crate::store::Store;
use crate::store::ledger::{Audited, GroupLine, PageLine, Stretch};

/// The template of the page.
const TEMPLATE: &str = "pages/ledger.html.j2";
/// Its style, the same as a post-mortem's.
const STYLE: &str = "export/postmortem.css.j2";
/// Lines of one sort on the page.
const LINES: i64 = 100;
/// The days of which pages are counted.
const DAYS: i64 = 30;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// What began before then, in milliseconds since 1970; none: the newest.
    before: Option<i64>,
}

/// `GET /ledger`
pub async fn page(
    State(rooms): State<Arc<Rooms>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if let Err(response) = admit(rooms.api_token.as_ref(), &headers) {
        return *response;
    }
    let before = match asked.before.map(Timestamp::from_millisecond).transpose() {
        Ok(before) => before,
        Err(_) => {
            let reason = "`before` is a moment in milliseconds since 1970.";
            return fault(StatusCode::BAD_REQUEST, reason);
        }
    };
    let catalog = &rooms.desk.catalog;
    let seen = Seen::of(&rooms.desk.store, before, rooms.clock.now()).await;
    match seen.and_then(|seen| seen.render(&rooms.templates, catalog)) {
        Ok(page) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (headers, page).into_response()
        }
        Err(cause) => {
            error!("Could not show the ledger: {cause:#}");
            fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "The ledger cannot be read now; the log says more.",
            )
        }
    }
}

/// Renders the page once, with everything in it that can be.
pub fn prove(templates: &Environment<'_>, catalog: &Catalog) -> anyhow::Result<()> {
    let now = Timestamp::UNIX_EPOCH;
    let audited = Audited {
        looked_at: Some(now),
        findings: samples::findings(),
        ..Audited::default()
    };
    let [group, _] = samples::groups();
    let seen = Seen {
        before: Some(now),
        audited,
        totals: vec![("open".to_owned(), 1)],
        open: Vec::new(),
        lines: Vec::new(),
        groups: vec![GroupLine {
            place: (0, String::new()),
            standing: Standing::Suppressed {
                by: "sample".to_owned(),
            },
            group,
        }],
    };
    seen.render(templates, catalog).map(drop)
}

/// What the page shows.
struct Seen {
    before: Option<Timestamp>,
    audited: Audited,
    totals: Vec<(String, i64)>,
    open: Vec<PageLine>,
    lines: Vec<PageLine>,
    groups: Vec<GroupLine>,
}

impl Seen {
    async fn of(store: &Store, before: Option<Timestamp>, now: Timestamp) -> anyhow::Result<Self> {
        let newest = Stretch {
            from: Timestamp::UNIX_EPOCH,
            to: before.unwrap_or(Timestamp::MAX),
            open: false,
            newest_first: true,
            beyond: None,
            limit: LINES,
        };
        let open = Stretch {
            to: Timestamp::MAX,
            open: true,
            ..newest.clone()
        };
        let since = now.checked_sub(SignedDuration::from_hours(24 * DAYS))?;
        Ok(Self {
            before,
            audited: store.last_audit().await?,
            totals: store.page_totals(since).await?,
            open: store.page_lines(&open).await?,
            lines: store.page_lines(&newest).await?,
            groups: store.group_lines(&newest, now).await?,
        })
    }

    fn render(&self, templates: &Environment<'_>, catalog: &Catalog) -> anyhow::Result<String> {
        let style = templates
            .get_template(STYLE)
            .and_then(|template| template.render(()))
            .with_context(|| format!("rendering {STYLE}"))?;
        let zone = &catalog.organization.timezone;
        let time = |at: Timestamp| local(at, zone);
        let findings = self.audited.findings.iter().map(|finding| {
            context! { what => finding.words(), next => finding.next(&catalog.slack.command) }
        });
        let totals = self.totals.iter();
        let totals = totals.map(|(word, count)| context! { word => word, count => count });
        let pages = |lines: &[PageLine]| -> Vec<Value> {
            lines.iter().map(|line| page_line(line, zone)).collect()
        };
        // Both lists go on where the one ends that is full.
        let full = |n: usize| n as i64 == LINES;
        let ends = [
            self.lines
                .last()
                .filter(|_| full(self.lines.len()))
                .map(|it| it.place.0),
            self.groups
                .last()
                .filter(|_| full(self.groups.len()))
                .map(|it| it.place.0),
        ];
        let context = context! {
            // The page allows this style and nothing else.
            style_hash => format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(style.as_bytes()))),
            style => Value::from_safe_string(style),
            organization => catalog.organization.name.as_str(),
            zone => zone.iana_name().unwrap_or("UTC"),
            findings => findings.collect::<Vec<_>>(),
            looked_at => self.audited.looked_at.map(time),
            beaten_at => self.audited.beaten_at.map(time),
            beat_trouble => self.audited.beat_trouble.as_deref(),
            totals => totals.collect::<Vec<_>>(),
            days => DAYS,
            before => self.before.map(time),
            open => pages(&self.open),
            lines => pages(&self.lines),
            older => ends.into_iter().flatten().max(),
            groups => self.groups.iter().map(|line| group_line(line, zone)).collect::<Vec<_>>(),
        };
        templates
            .get_template(TEMPLATE)
            .and_then(|template| template.render(context))
            .with_context(|| format!("rendering {TEMPLATE}"))
    }
}

fn page_line(line: &PageLine, zone: &TimeZone) -> Value {
    let ways = line.ways.iter();
    let ways = ways.map(|way| {
        context! { via => way.via.as_str(), state => way.state.as_str(), reason => way.reason.as_deref() }
    });
    context! {
        at => local(line.paged_at, zone),
        incident => line.incident.as_str(),
        number => line.number,
        to => line.to.as_str(),
        why => line.why.as_str(),
        ways => ways.collect::<Vec<_>>(),
        ended => line.ended.as_ref().map(|(at, by, via)| context! {
            after => show_roughly(at.duration_since(line.paged_at)),
            by => by.as_str(),
            via => via.as_deref(),
        }),
        ..standing(&line.standing)
    }
}

fn group_line(line: &GroupLine, zone: &TimeZone) -> Value {
    let group = &line.group;
    context! {
        at => local(group.began_at, zone),
        title => group.title.as_str(),
        source => group.source.as_str(),
        firing => group.firing,
        total => group.total.max(group.firing),
        incident => group.incident.as_ref().map(|id| id.as_str()),
        ..standing(&line.standing)
    }
}

/// A standing and the colour of its badge.
fn standing(standing: &Standing) -> Value {
    let badge = match standing {
        Standing::Open => "mitigating",
        Standing::Answered => "monitoring",
        Standing::Resolved => "resolved",
        Standing::Suppressed { .. } => "open",
        Standing::Expired => "identified",
        Standing::Lost { .. } => "overdue",
    };
    context! { standing => standing.word(), badge => badge, more => standing.more() }
}

fn local(at: Timestamp, zone: &TimeZone) -> Value {
    let there = at.to_zoned(zone.clone());
    context! {
        iso => at.to_string(),
        local => there.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    }
}
