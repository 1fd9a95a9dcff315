//! A calendar of somebody else's, read: who is on call in it, and when (RFC 5545).
//!
//! `calcard` parses it and reckons recurrences; it was chosen because it takes what senders really write (Outlook's names
//! of zones among it) and is kept well. Which of the versions of an event counts is decided here: an event by itself, its
//! recurrences without those that are excepted, and those that were moved or called off.

use std::collections::{BTreeMap, BTreeSet};

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::timezone::TzResolver;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarDuration, ICalendarEntry,
    ICalendarFrequency, ICalendarParameterName, ICalendarParameterValue,
    ICalendarParticipationStatus, ICalendarPeriod, ICalendarProperty, ICalendarRecurrenceRule,
    ICalendarStatus, ICalendarValue,
};
use calcard::{Entry, Parser};
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use crate::domain::catalog::{Catalog, Person};
use crate::domain::oncall::{Override, Schedule};
use crate::domain::terms::PersonId;

/// Recurrences of one event that are looked at: every hour for a year. Who means more has lost the count.
const RECURRENCES: usize = 10_000;
/// Recurrences of all events together that are looked at.
const RECURRENCES_IN_ALL: usize = 200_000;
/// Hours, days, weeks … of all rules together that are gone through: a rule that never fits costs the same as one that does.
const PERIODS_IN_ALL: i64 = 5_000_000;
/// Turns of one calendar that are kept.
const TURNS: usize = 5_000;
/// Troubles that are told.
const TROUBLES: usize = 20;
/// Until when the rules of a zone are reckoned that a calendar brings along.
const KNOWN_UNTIL: DateTime = jiff::civil::datetime(2100, 1, 1, 0, 0, 0, 0);
/// The most characters of a name that is told.
const NAME: usize = 80;

/// What a calendar says of a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Who is on call when, in the order in which the later covers the earlier. The turn of somebody whom nobody knows is
    /// there too, under a name that no person can have: it is a gap, and covers what is below it.
    pub turns: Vec<Override>,
    /// Names that are nobody's in `[[people]]`.
    pub strangers: Vec<String>,
    /// What could not be read as it was meant, in words for the operator.
    pub troubles: Vec<String>,
}

/// Reads a calendar. Errors say what is wrong with it as a whole; then it says nothing at all.
pub fn read(
    text: &str,
    schedule: &Schedule,
    catalog: &Catalog,
    from: Timestamp,
    to: Timestamp,
) -> Result<Read, String> {
    // Half a calendar would take people off call who are on it.
    if !text.trim_end().ends_with("END:VCALENDAR") {
        return Err("it does not end as a calendar does (END:VCALENDAR)".to_owned());
    }
    let calendar = match Parser::new(text).entry() {
        Entry::ICalendar(calendar) => calendar,
        _ => return Err("it is no calendar (iCalendar begins with BEGIN:VCALENDAR)".to_owned()),
    };
    let mut reading = Reading {
        zones: Zones::of(&calendar),
        schedule,
        catalog,
        from,
        to,
        troubles: BTreeSet::new(),
        strangers: BTreeSet::new(),
        left: RECURRENCES_IN_ALL,
        periods_left: PERIODS_IN_ALL,
    };
    let mut events: BTreeMap<&str, Vec<&ICalendarComponent>> = BTreeMap::new();
    let is_event = |it: &&ICalendarComponent| it.component_type == ICalendarComponentType::VEvent;
    for event in calendar.components.iter().filter(is_event) {
        events
            .entry(event.uid().unwrap_or_default())
            .or_default()
            .push(event);
    }
    let mut turns = Vec::new();
    for (uid, versions) in &events {
        match uid.is_empty() {
            // Without a name none is a version of another.
            true => versions
                .iter()
                .for_each(|it| reading.event(&[*it], &mut turns)),
            false => reading.event(versions, &mut turns),
        }
    }
    // The later beginning covers the earlier; of two that begin together, the shorter the longer.
    turns.sort_by_key(|turn| (turn.from, std::cmp::Reverse(turn.to)));
    if turns.len() > TURNS {
        let what = format!("it has {} turns; the last {TURNS} count", turns.len());
        reading.troubles.insert(what);
        // What is over is missed by nobody.
        turns.drain(..turns.len() - TURNS);
    }
    Ok(Read {
        turns,
        strangers: reading.strangers.into_iter().take(TROUBLES).collect(),
        troubles: reading.troubles.into_iter().take(TROUBLES).collect(),
    })
}

struct Reading<'a> {
    zones: Zones<'a>,
    schedule: &'a Schedule,
    catalog: &'a Catalog,
    from: Timestamp,
    to: Timestamp,
    troubles: BTreeSet<String>,
    strangers: BTreeSet<String>,
    /// Recurrences that are still looked at.
    left: usize,
    /// Periods that are still gone through.
    periods_left: i64,
}

/// A time as it stands in a calendar.
#[derive(Debug, Clone, PartialEq)]
struct When {
    local: DateTime,
    zone: Zone,
    /// Whether it is a whole day.
    is_day: bool,
}

impl When {
    fn instant(&self) -> Option<Timestamp> {
        self.zone.instant(self.local)
    }
}

/// How long an event is.
#[derive(Debug, Clone, Copy)]
enum Length {
    /// On the wall clock, as from one time to another.
    Wall(SignedDuration),
    /// Days on the wall clock, then hours by the stopwatch.
    Nominal(Span, SignedDuration),
}

impl Reading<'_> {
    /// An event in all its versions.
    fn event(&mut self, versions: &[&ICalendarComponent], turns: &mut Vec<Override>) {
        let of = |it: &ICalendarComponent, property| it.property(&property).cloned();
        // What was moved or called off, by the time that it stood at.
        let mut moved = BTreeSet::new();
        for version in versions {
            let Some(entry) = of(version, ICalendarProperty::RecurrenceId) else {
                continue;
            };
            if entry.parameter(&ICalendarParameterName::Range).is_some() {
                let what = format!(
                    "“{}” changes all that follow (RANGE), which is not understood: that one is changed alone",
                    title(version)
                );
                self.troubles.insert(what);
            }
            if let Some(at) = self.when(&entry).first().and_then(When::instant) {
                moved.insert(at);
            }
        }
        for version in versions {
            if version.status() == Some(&ICalendarStatus::Cancelled) {
                continue;
            }
            let Some(start) = of(version, ICalendarProperty::Dtstart)
                .and_then(|entry| self.when(&entry).into_iter().next())
            else {
                self.troubles
                    .insert(format!("“{}” begins at no time", title(version)));
                continue;
            };
            let Some(length) = self.length(version, &start) else {
                continue;
            };
            let is_moved = version.is_recurrence_override();
            let mut begins = match is_moved {
                true => vec![start.local],
                false => self.recurrences(version, &start),
            };
            let mut exact: Vec<When> = Vec::new();
            let mut excepted = BTreeSet::new();
            let mut excepted_days = BTreeSet::new();
            for entry in &version.entries {
                match entry.name {
                    ICalendarProperty::Rdate if !is_moved => exact.extend(self.when(entry)),
                    ICalendarProperty::Exdate => {
                        for it in self.when(entry) {
                            match it.is_day {
                                true => drop(excepted_days.insert(it.local.date())),
                                false => excepted.extend(it.instant()),
                            }
                        }
                    }
                    _ => {}
                }
            }
            begins.sort_unstable();
            begins.dedup();
            exact.extend(begins.into_iter().map(|local| When {
                local,
                ..start.clone()
            }));
            let mut seen = BTreeSet::new();
            let mut person = None;
            for begin in exact {
                let (Some(from), Some(to)) = (begin.instant(), end(&begin, length)) else {
                    continue;
                };
                let is_excepted =
                    excepted.contains(&from) || excepted_days.contains(&begin.local.date());
                let is_replaced = !is_moved && moved.contains(&from);
                if is_excepted || is_replaced || to <= self.from || from >= self.to || from >= to {
                    continue;
                }
                if seen.insert(from) {
                    let person = person.get_or_insert_with(|| self.person(version));
                    turns.push(Override {
                        schedule: self.schedule.id.clone(),
                        person: person.clone(),
                        from,
                        to,
                    });
                }
            }
        }
    }

    /// The local times at which an event begins.
    fn recurrences(&mut self, event: &ICalendarComponent, start: &When) -> Vec<DateTime> {
        let Some(rule) = event.property(&ICalendarProperty::Rrule) else {
            return vec![start.local];
        };
        // What begins later is not looked at; most rules have no end of their own.
        let horizon = start.zone.local(self.to);
        if start.local > horizon {
            return Vec::new();
        }
        let mut rule = rule.clone();
        for value in &mut rule.values {
            if let ICalendarValue::RecurrenceRule(rule) = value {
                let periods = period_h(rule)
                    .map(|hours| horizon.duration_since(start.local).as_hours() / hours);
                match periods.filter(|periods| *periods <= self.periods_left) {
                    Some(periods) => self.periods_left -= periods,
                    None => {
                        let what = format!(
                            "“{}” recurs too often, or since too long ago: it is taken once",
                            title(event)
                        );
                        self.troubles.insert(what);
                        return vec![start.local];
                    }
                }
                // Reckoned is on the wall clock of the beginning; the end of the rule is often told in UTC.
                let until = rule.until.as_ref().and_then(|it| self.moment(it, None));
                let until = until.map(|until| match (until.is_day, until.instant()) {
                    (false, Some(at)) => start.zone.local(at),
                    (true, _) => until.local.date().to_datetime(Time::MAX),
                    (false, None) => until.local,
                });
                let until = until.map_or(horizon, |until| until.min(horizon));
                rule.until = Some(partial(until));
            }
        }
        let limit = RECURRENCES.min(self.left);
        match floating(start.local, rule, limit) {
            Ok(all) if all.len() < limit => {
                self.left -= all.len();
                all
            }
            Ok(all) => {
                self.left -= all.len();
                let what = format!(
                    "“{}” recurs too often: {limit} times are looked at",
                    title(event)
                );
                self.troubles.insert(what);
                all
            }
            Err(why) => {
                let what = format!(
                    "the recurrence of “{}” is not understood ({why}): it is taken once",
                    title(event)
                );
                self.troubles.insert(what);
                vec![start.local]
            }
        }
    }

    fn length(&mut self, event: &ICalendarComponent, start: &When) -> Option<Length> {
        if let Some(entry) = event.property(&ICalendarProperty::Dtend) {
            let end = self.when(entry).into_iter().next()?;
            return Some(match end.zone == start.zone {
                true => Length::Wall(end.local.duration_since(start.local)),
                false => {
                    let length = end.instant()?.duration_since(start.instant()?);
                    Length::Nominal(Span::new(), length)
                }
            });
        }
        let duration = event.property(&ICalendarProperty::Duration);
        match duration.and_then(|entry| entry.values.first()) {
            Some(ICalendarValue::Duration(duration)) => nominal(duration),
            Some(_) | None if start.is_day => Some(Length::Wall(SignedDuration::from_hours(24))),
            // It takes no time at all.
            Some(_) | None => None,
        }
    }

    /// The times of an entry.
    fn when(&mut self, entry: &ICalendarEntry) -> Vec<When> {
        let zone = entry.tz_id();
        let mut found = Vec::new();
        for value in &entry.values {
            let time = match value {
                ICalendarValue::PartialDateTime(time) => self.moment(time, zone),
                ICalendarValue::Period(
                    ICalendarPeriod::Range { start, .. } | ICalendarPeriod::Duration { start, .. },
                ) => self.moment(start, zone),
                _ => None,
            };
            found.extend(time);
        }
        found
    }

    fn moment(&mut self, time: &PartialDateTime, zone: Option<&str>) -> Option<When> {
        let number = |part: Option<u8>| i8::try_from(part.unwrap_or(0)).ok();
        let date = jiff::civil::Date::new(
            i16::try_from(time.year?).ok()?,
            number(time.month)?,
            number(time.day)?,
        );
        // A leap second is the last one.
        let second = number(time.second)?.min(59);
        let clock = Time::new(number(time.hour)?, number(time.minute)?, second, 0);
        let is_day = time.hour.is_none();
        let zone = match (time.tz_hour, zone) {
            _ if is_day => Zone::Known(self.schedule.timezone.clone()),
            (Some(_), _) => Zone::Known(offset(time)?.to_time_zone()),
            (None, Some(name)) => match self.zones.find(name) {
                Some(zone) => zone,
                None => {
                    let what = format!(
                        "the time zone “{}” is not known: its times are read in the schedule's",
                        shortened(name)
                    );
                    self.troubles.insert(what);
                    Zone::Known(self.schedule.timezone.clone())
                }
            },
            (None, None) => Zone::Known(self.schedule.timezone.clone()),
        };
        let local = date.ok()?.to_datetime(clock.ok()?);
        Some(When {
            local,
            zone,
            is_day,
        })
    }

    /// Who is on call in an event: a person of the catalog, or somebody under a name that no person can have.
    fn person(&mut self, event: &ICalendarComponent) -> PersonId {
        let summary = title(event);
        let mut names: Vec<String> = Vec::new();
        for entry in &event.entries {
            if entry.name != ICalendarProperty::Attendee
                || matches!(
                    entry.parameter(&ICalendarParameterName::Partstat),
                    Some(ICalendarParameterValue::Partstat(
                        ICalendarParticipationStatus::Declined
                    ))
                )
            {
                continue;
            }
            let address = entry.values.first().and_then(|it| it.as_text());
            let address = address.map(|it| it.strip_prefix("mailto:").unwrap_or(it));
            let address = address.map(|it| it.strip_prefix("MAILTO:").unwrap_or(it));
            let name = entry.parameter(&ICalendarParameterName::Cn);
            let name = name.and_then(|it| it.as_text());
            names.extend(address.into_iter().chain(name).map(str::to_owned));
        }
        names.push(summary.clone());
        // `On call: Ana`, `Ana (primary)`, `On Call - Ana Ames - Primary`
        let parts = summary
            .split([':', '(', ')', ',', ';', '/', '|', '·', '–', '—'])
            .flat_map(|part| part.split(" - "));
        names.extend(parts.map(str::to_owned));
        let known = names
            .iter()
            .find_map(|name| called(self.catalog, name.trim()));
        match known {
            Some(person) => person.id.clone(),
            None => {
                let name = shortened(&summary);
                let id = PersonId::new(format!("?{name}"));
                self.strangers.insert(name);
                id
            }
        }
    }
}

/// The person whose id, name or e-mail address this is.
fn called<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Person> {
    let is_called = |person: &&Person| {
        let names = [Some(person.id.as_str()), Some(&person.name)];
        let mut names = names.into_iter().chain([person.email.as_deref()]).flatten();
        names.any(|it| it.to_lowercase() == name.to_lowercase())
    };
    catalog.people.iter().find(is_called)
}

fn title(event: &ICalendarComponent) -> String {
    let entry = event.property(&ICalendarProperty::Summary);
    let text = entry.and_then(|entry| entry.values.first()?.as_text());
    shortened(text.unwrap_or("an event without a name"))
}

fn shortened(text: &str) -> String {
    let is_plain = |c: &char| !c.is_control();
    text.trim().chars().filter(is_plain).take(NAME).collect()
}

fn end(begin: &When, length: Length) -> Option<Timestamp> {
    match length {
        Length::Wall(length) => begin.zone.instant(begin.local.checked_add(length).ok()?),
        Length::Nominal(days, exact) => {
            let day = begin.zone.instant(begin.local.checked_add(days).ok()?)?;
            day.checked_add(exact).ok()
        }
    }
}

fn nominal(duration: &ICalendarDuration) -> Option<Length> {
    let ICalendarDuration {
        neg,
        weeks,
        days,
        hours,
        minutes,
        seconds,
    } = *duration;
    if neg {
        return None;
    }
    let days = i64::from(weeks) * 7 + i64::from(days);
    let exact = i64::from(hours) * 3_600 + i64::from(minutes) * 60 + i64::from(seconds);
    let days = Span::new().try_days(days).ok()?;
    Some(Length::Nominal(days, SignedDuration::from_secs(exact)))
}

/// The hours of a rule's period; none: nobody hands over so often, and going through it would take for ever.
fn period_h(rule: &ICalendarRecurrenceRule) -> Option<i64> {
    let times = [&rule.byhour, &rule.byminute, &rule.bysecond].map(|it| it.len().max(1));
    let lists = [
        rule.byday.len(),
        rule.bymonthday.len(),
        rule.byyearday.len(),
        rule.byweekno.len(),
        rule.bymonth.len(),
        rule.bysetpos.len(),
    ];
    if times.iter().product::<usize>() > 24 || lists.iter().any(|length| *length > 366) {
        return None;
    }
    match rule.freq {
        ICalendarFrequency::Yearly => Some(365 * 24),
        ICalendarFrequency::Monthly => Some(28 * 24),
        ICalendarFrequency::Weekly => Some(7 * 24),
        ICalendarFrequency::Daily => Some(24),
        ICalendarFrequency::Hourly => Some(1),
        ICalendarFrequency::Minutely | ICalendarFrequency::Secondly => None,
    }
}

/// The times at which a rule recurs, on a clock that is never moved.
fn floating(start: DateTime, rule: ICalendarEntry, limit: usize) -> Result<Vec<DateTime>, String> {
    let begin = ICalendarEntry {
        name: ICalendarProperty::Dtstart,
        params: Vec::new(),
        values: vec![ICalendarValue::PartialDateTime(Box::new(partial(start)))],
    };
    let event = ICalendarComponent {
        component_type: ICalendarComponentType::VEvent,
        entries: vec![begin, rule],
        component_ids: Vec::new(),
    };
    let alone = ICalendar {
        components: vec![event],
    };
    let found = alone.expand_dates(Tz::Floating, limit);
    if let Some(error) = found.errors.first() {
        return Err(format!("{:?}", error.error));
    }
    let local = |at: i64| {
        let at = Timestamp::from_second(at).ok()?;
        Some(Offset::UTC.to_datetime(at))
    };
    let starts = found.events.iter();
    let starts = starts.filter_map(|it| local(it.start.naive_local().and_utc().timestamp()));
    Ok(starts.collect())
}

fn partial(local: DateTime) -> PartialDateTime {
    let part = |number: i8| Some(number.unsigned_abs());
    PartialDateTime {
        year: Some(local.year().unsigned_abs()),
        month: part(local.month()),
        day: part(local.day()),
        hour: part(local.hour()),
        minute: part(local.minute()),
        second: part(local.second()),
        ..PartialDateTime::default()
    }
}

/// The offset that a time or an offset carries: `Z`, `+0530`.
fn offset(time: &PartialDateTime) -> Option<Offset> {
    let minutes = i32::from(time.tz_hour?) * 60 + i32::from(time.tz_minute.unwrap_or(0));
    let seconds = minutes * 60;
    Offset::from_seconds(if time.tz_minus { -seconds } else { seconds }).ok()
}

/// A zone of a calendar.
#[derive(Debug, Clone, PartialEq)]
enum Zone {
    /// One that has a name of its own.
    Known(TimeZone),
    /// One that the calendar brings along: when its offset changes, by the local time before, and to what.
    Brought(Vec<Onset>),
}

/// A change of the clocks.
#[derive(Debug, Clone, PartialEq)]
struct Onset {
    local: DateTime,
    before: Offset,
    after: Offset,
}

impl Zone {
    /// The moment of a local time: one that does not exist is as much later as the clocks were moved, one that exists
    /// twice is its first occurrence.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        match self {
            Zone::Known(zone) => zone.to_ambiguous_timestamp(local).compatible().ok(),
            Zone::Brought(onsets) => {
                let offset = match onsets.iter().rev().find(|onset| onset.local <= local) {
                    Some(onset) => {
                        let moved = onset.after.seconds() - onset.before.seconds();
                        let moved = SignedDuration::from_secs(moved.max(0).into());
                        match local < onset.local.checked_add(moved).ok()? {
                            true => onset.before,
                            false => onset.after,
                        }
                    }
                    None => onsets.first()?.before,
                };
                offset.to_timestamp(local).ok()
            }
        }
    }

    fn local(&self, at: Timestamp) -> DateTime {
        match self {
            Zone::Known(zone) => zone.to_datetime(at),
            Zone::Brought(onsets) => {
                let has_been = |onset: &&Onset| {
                    let since = onset.before.to_timestamp(onset.local);
                    since.is_ok_and(|since| since <= at)
                };
                let last = onsets.iter().rev().find(has_been);
                let offset = match last {
                    Some(onset) => onset.after,
                    None => onsets.first().map_or(Offset::UTC, |onset| onset.before),
                };
                offset.to_datetime(at)
            }
        }
    }
}

/// The zones of a calendar, by the names that it gives them.
struct Zones<'a> {
    brought: BTreeMap<&'a str, Zone>,
    named: TzResolver<&'a str>,
}

impl<'a> Zones<'a> {
    fn of(calendar: &'a ICalendar) -> Self {
        let zones = calendar.timezones();
        let brought = zones.filter_map(|zone| {
            let id = zone.property(&ICalendarProperty::Tzid)?;
            let id = id.values.first()?.as_text()?;
            Some((id, Zone::Brought(onsets(calendar, zone)?)))
        });
        Self {
            brought: brought.collect(),
            named: calendar.build_tz_resolver(),
        }
    }

    /// A name that the world knows goes before what the calendar says of it: rules change, and copies of them do not.
    fn find(&self, name: &str) -> Option<Zone> {
        let known = match self.named.resolve(name) {
            Some(Tz::Tz(zone)) => TimeZone::get(zone.name()).ok(),
            Some(Tz::Fixed(offset)) => Offset::from_seconds(offset.local_minus_utc())
                .ok()
                .map(Offset::to_time_zone),
            Some(Tz::Floating) | None => TimeZone::get(name).ok(),
        };
        known
            .map(Zone::Known)
            .or_else(|| self.brought.get(name).cloned())
    }
}

/// When the clocks of a zone are moved that a calendar brings along.
fn onsets(calendar: &ICalendar, zone: &ICalendarComponent) -> Option<Vec<Onset>> {
    let mut onsets = Vec::new();
    for id in &zone.component_ids {
        let part = calendar.components.get(usize::try_from(*id).ok()?)?;
        let time = |property: ICalendarProperty| match part.property(&property)?.values.first()? {
            ICalendarValue::PartialDateTime(time) => Some((**time).clone()),
            _ => None,
        };
        let (Some(before), Some(after)) = (
            time(ICalendarProperty::Tzoffsetfrom)
                .as_ref()
                .and_then(offset),
            time(ICalendarProperty::Tzoffsetto)
                .as_ref()
                .and_then(offset),
        ) else {
            continue;
        };
        let start = time(ICalendarProperty::Dtstart)?;
        let number = |part: Option<u8>| i8::try_from(part.unwrap_or(0)).ok();
        let date = jiff::civil::Date::new(
            i16::try_from(start.year?).ok()?,
            number(start.month)?,
            number(start.day)?,
        );
        let clock = Time::new(
            number(start.hour)?,
            number(start.minute)?,
            number(start.second)?.min(59),
            0,
        );
        let start = date.ok()?.to_datetime(clock.ok()?);
        let begins = match part.property(&ICalendarProperty::Rrule) {
            Some(rule) => {
                let mut rule = rule.clone();
                for value in &mut rule.values {
                    if let ICalendarValue::RecurrenceRule(rule) = value {
                        let until = rule.until.take();
                        let mut until = until.unwrap_or_else(|| partial(KNOWN_UNTIL));
                        // Some hours more or less around the end of a rule are no change of the clocks.
                        (until.tz_hour, until.tz_minute) = (None, None);
                        rule.until = Some(until);
                    }
                }
                floating(start, rule, RECURRENCES).ok()?
            }
            None => vec![start],
        };
        onsets.extend(begins.into_iter().map(|local| Onset {
            local,
            before,
            after,
        }));
    }
    onsets.sort_by_key(|onset| onset.local);
    (!onsets.is_empty()).then_some(onsets)
}
