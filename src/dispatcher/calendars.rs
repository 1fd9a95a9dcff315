//! Fetches the calendars that feed schedules, and keeps the last good copy of each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_LENGTH, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};
use url::Url;

use super::{Dispatcher, locked};
use crate::calendar::read::read;
use crate::domain::oncall::Schedule;
use crate::notify::wire::{Web, web};
use crate::store::calendars::FreshCalendar;

/// How often an address is asked.
const EVERY: SignedDuration = SignedDuration::from_mins(5);
/// How long one replica sees to a calendar before another may.
const LEASE: SignedDuration = SignedDuration::from_mins(4);
/// The largest calendar that is read: ten years of ten people.
const LARGEST: usize = 4 * 1024 * 1024;
/// How long an address may take to give it.
const IN_TIME: Duration = Duration::from_secs(20);
/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Turns that ended less long ago are kept.
const BACK: SignedDuration = SignedDuration::from_hours(120 * 24);
/// Turns that begin sooner than that are kept.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The calendars, and how they are asked for.
pub(super) struct Calendars {
    /// The addresses, by the schedule's id. They are secrets.
    urls: BTreeMap<String, SecretString>,
    /// None where there is no address to ask.
    web: Option<Web>,
    next: std::sync::Mutex<BTreeMap<String, Timestamp>>,
}

impl fmt::Debug for Calendars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendars").finish_non_exhaustive()
    }
}

impl Calendars {
    pub(super) fn new(urls: BTreeMap<String, SecretString>) -> anyhow::Result<Self> {
        let web = match urls.is_empty() {
            true => None,
            false => Some(web().map_err(anyhow::Error::msg)?),
        };
        Ok(Self {
            urls,
            web,
            next: std::sync::Mutex::default(),
        })
    }

    /// What stands at an address. What goes wrong is told without the address.
    async fn get(&self, url: &Url) -> Result<String, String> {
        let Some(web) = &self.web else {
            return Err("there is no address".to_owned());
        };
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let request = Request::get(url.as_str())
                .header(ACCEPT, "text/calendar")
                .header(USER_AGENT, concat!("firebell/", env!("CARGO_PKG_VERSION")))
                .body(Full::<Bytes>::default())
                .map_err(|_| "it is no address that can be asked".to_owned())?;
            let answer = web.request(request).await;
            let answer = answer.map_err(|cause| match cause.is_connect() {
                true => "no connection".to_owned(),
                false => "the connection broke".to_owned(),
            })?;
            let status = answer.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let to = answer.headers().get(LOCATION);
                let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
                url = match to {
                    Some(to) if to.scheme() != "https" => {
                        return Err(
                            "it leads to an address without TLS, which is not followed".to_owned()
                        );
                    }
                    Some(to) if is_same_site(&url, &to) => to,
                    Some(_) => {
                        return Err(
                            "it leads to another site, which is not followed: set the address that it leads to"
                                .to_owned(),
                        );
                    }
                    None => return Err("it leads nowhere".to_owned()),
                };
                continue;
            }
            if status != StatusCode::OK {
                return Err(format!("HTTP {}", status.as_u16()));
            }
            let length = answer.headers().get(CONTENT_LENGTH);
            let length: Option<usize> = length.and_then(|it| it.to_str().ok()?.parse().ok());
            let too_large = || format!("it is larger than {} MB", LARGEST / 1024 / 1024);
            if length.is_some_and(|length| length > LARGEST) {
                return Err(too_large());
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body =
                body.map_err(
                    |cause| match cause.is::<http_body_util::LengthLimitError>() {
                        true => too_large(),
                        false => "the connection broke".to_owned(),
                    },
                )?;
            return String::from_utf8(body.to_bytes().into())
                .map_err(|_| "it is not UTF-8".to_owned());
        }
        Err("it leads from one address to the next".to_owned())
    }
}

/// Whether both are of one site: the same host, at the same port. Whoever holds a calendar may not send us to a machine
/// that only we can reach.
fn is_same_site(from: &Url, to: &Url) -> bool {
    from.host() == to.host() && from.port_or_known_default() == to.port_or_known_default()
}

impl Dispatcher {
    /// Asks for each calendar whose time has come.
    pub async fn fetch_calendars(&self) -> anyhow::Result<()> {
        for schedule in &self.catalog.schedules {
            let Some(url) = self.calendars.urls.get(&schedule.id) else {
                continue;
            };
            let now = self.clock.now();
            let next = locked(&self.calendars.next).get(&schedule.id).copied();
            if next.is_some_and(|next| now < next) {
                continue;
            }
            let again = now.checked_add(EVERY).unwrap_or(Timestamp::MAX);
            locked(&self.calendars.next).insert(schedule.id.clone(), again);
            let duty = format!("calendar/{}", schedule.id);
            if self.store.take_duty(&duty, &self.owner, now, LEASE).await? {
                self.fetch_calendar(schedule, url, now).await?;
            }
        }
        Ok(())
    }

    async fn fetch_calendar(
        &self,
        schedule: &Schedule,
        url: &SecretString,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let id = &schedule.id;
        let fetched = match url.expose_secret().parse::<Url>() {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => {
                let asking = tokio::time::timeout(IN_TIME, self.calendars.get(&url));
                asking
                    .await
                    .unwrap_or_else(|_| Err("no answer in time".to_owned()))
            }
            Ok(_) | Err(_) => Err("it is no address that can be asked".to_owned()),
        };
        let why = match fetched {
            Ok(body) => match self.keep_calendar(schedule, body, Some(now)).await? {
                Ok(()) => return Ok(()),
                Err(why) => why,
            },
            Err(why) => why,
        };
        warn!(
            "The calendar of the schedule {id} could not be read: {why}. What was read last goes on to count"
        );
        self.store.note_calendar_trouble(id, &why).await?;
        // The copy is good for a year ahead of the day on which it was read, and no longer.
        if let Some(body) = self.store.calendar_body(id).await? {
            let _ = self.keep_calendar(schedule, body, None).await?;
        }
        Ok(())
    }

    /// Reads a calendar and keeps it; or says why it cannot be read.
    async fn keep_calendar(
        &self,
        schedule: &Schedule,
        body: String,
        read_at: Option<Timestamp>,
    ) -> anyhow::Result<Result<(), String>> {
        let now = self.clock.now();
        let from = now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
        let to = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let (catalog, of) = (self.catalog.clone(), schedule.clone());
        // A large one with many recurrences takes its time, which is nobody else's.
        let reading = tokio::task::spawn_blocking(move || {
            let read = read(&body, &of, &catalog, from, to);
            (body, read)
        });
        let (body, read) = match reading.await {
            Ok((body, Ok(read))) => (body, read),
            Ok((_, Err(why))) => return Ok(Err(why)),
            // Whatever the parser stumbled over, it is no reason to stop.
            Err(_) => return Ok(Err("it broke off the reading; the log says more".to_owned())),
        };
        let id = &schedule.id;
        for name in &read.strangers {
            warn!(
                "The calendar of the schedule {id} names “{name}”, who is nobody in [[people]]: those turns are gaps"
            );
        }
        for trouble in &read.troubles {
            warn!("In the calendar of the schedule {id}: {trouble}");
        }
        let fresh = FreshCalendar {
            schedule: id,
            body: &body,
            turns: &read.turns,
            strangers: &read.strangers,
            troubles: &read.troubles,
        };
        self.store.keep_calendar(fresh, read_at).await?;
        if read_at.is_some() {
            info!(
                "Read the calendar of the schedule {id}: {} turns",
                read.turns.len()
            );
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_leads_nowhere_but_within_its_own_site() {
        let leads = |from: &str, to: &str| {
            let url = |text: &str| Url::parse(text).expect("an address");
            is_same_site(&url(from), &url(to))
        };
        let from = "https://calendar.example.com/a.ics";
        assert!(leads(from, "https://calendar.example.com/b.ics"));
        for to in [
            "https://example.org/a.ics",
            "https://metadata.example.com/a.ics",
            "https://calendar.example.com:8443/a.ics",
            "https://169.254.169.254/latest",
            "https://[::1]/a",
        ] {
            assert!(!leads(from, to), "{to}");
        }
        assert!(leads("https://intranet/a", "https://intranet/b"));
        assert!(!leads("https://intranet/a", "https://metadata/b"));
        assert!(leads("https://10.0.0.1/a", "https://10.0.0.1/b"));
        assert!(!leads("https://10.0.0.1/a", "https://10.0.0.2/b"));
    }
}
