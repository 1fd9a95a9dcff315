//! Proves single values: each function reads one form and notes what is wrong with it.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::TimeZone;
use minijinja::Environment;
use regex_lite::Regex;
use toml::de::{DeInteger, DeValue};

use super::faults::{Level, looks_like_secret};
use super::reader::Value;
use super::references::Thing;
use super::trial;
use crate::domain::catalog::{Chosen, IdPattern, Matcher};
use crate::domain::escalation::Target;
use crate::domain::form::{self, WrongForm};
use crate::domain::runbook;

/// Any string.
pub fn any_text(value: Value<'_>) -> Option<String> {
    value.string().map(str::to_owned)
}

/// A string that is not blank.
pub fn text(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    if text.trim().is_empty() {
        value.wrong(
            format!("`{}` is empty", value.key),
            "write what it should say",
        );
        return None;
    }
    Some(text.to_owned())
}

/// A value of a type that says itself what it looks like.
pub fn parsed<T: FromStr<Err = WrongForm>>(value: Value<'_>) -> Option<T> {
    value.parse(str::parse)
}

/// `true` or `false`.
pub fn flag(value: Value<'_>) -> Option<bool> {
    let flag = value.get().as_bool();
    if flag.is_none() {
        value.wrong_type("a boolean", "write true or false, without quotes");
    }
    flag
}

/// A whole number.
pub fn integer(value: Value<'_>) -> Option<i64> {
    let Some(number) = value.get().as_integer() else {
        value.wrong_type("an integer", "write a whole number without quotes");
        return None;
    };
    let number = whole(number);
    if number.is_none() {
        value.wrong("this number is too large", "write a smaller one");
    }
    number
}

fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A small whole number, 0 to 100: how often, how many people.
pub fn count(value: Value<'_>) -> Option<u32> {
    let number = integer(value)?;
    match u32::try_from(number) {
        Ok(count) if count <= 100 => Some(count),
        Ok(_) | Err(_) => {
            let message = format!("`{}` must be from 0 to 100, not {number}", value.key);
            value.wrong(message, "write a number from 0 to 100");
            None
        }
    }
}

/// How often a minute something is done: from 1 to a million.
pub fn rate(value: Value<'_>) -> Option<u32> {
    let number = integer(value)?;
    let rate = u32::try_from(number)
        .ok()
        .filter(|rate| (1..=1_000_000).contains(rate));
    if rate.is_none() {
        let message = format!("`{}` must be from 1 to 1000000, not {number}", value.key);
        value.wrong(message, "write how often a minute; 60 is once a second");
    }
    rate
}

/// The length of a clock: `15m`.
pub fn duration(value: Value<'_>) -> Option<SignedDuration> {
    value.parse(form::parse_duration)
}

/// The length of a clock that is not zero; without it there is no clock.
pub fn positive_duration(value: Value<'_>) -> Option<SignedDuration> {
    not_zero(value, "leave it out if there is no limit")
}

/// A length of time that is not zero, where without it there is another or nothing at all.
pub fn length_of_time(value: Value<'_>) -> Option<SignedDuration> {
    not_zero(value, "write how long: \"30m\", \"8h\", \"90d\"")
}

fn not_zero(value: Value<'_>, help: &str) -> Option<SignedDuration> {
    let duration = duration(value)?;
    if duration.is_zero() {
        let message = format!("`{}` must be longer than zero", value.key);
        value.wrong(message, help);
        return None;
    }
    Some(duration)
}

/// An id: what can be typed in a command and stand in a web address.
pub fn id(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let legal = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.len() <= 64
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match legal {
            true => Ok(text.to_owned()),
            false => Err(WrongForm::new(
                format!("\"{text}\" is not an id"),
                "use letters, digits, - _ and . only, at most 64 in all",
            )),
        }
    })
}

/// A word without blanks: an alias, a role.
pub fn word(value: Value<'_>) -> Option<String> {
    let text = text(value)?;
    if text.contains(char::is_whitespace) {
        let help = format!("did you mean \"{}\"?", text.trim().replace(' ', "-"));
        value.wrong(format!("\"{text}\" is not one word"), help);
        return None;
    }
    Some(text)
}

/// One of the known kinds of something: `ecs.rollback`.
pub fn kind(
    what: &'static str,
    known: &'static [&'static str],
) -> impl Fn(Value<'_>) -> Option<String> {
    move |value| {
        value.parse(|text| match known.contains(&text) {
            true => Ok(text.to_owned()),
            false => Err(form::unknown_word(what, text, known.iter().copied())),
        })
    }
}

/// A time zone of the IANA database.
pub fn timezone(value: Value<'_>) -> Option<TimeZone> {
    value.parse(|text| {
        TimeZone::get(text).map_err(|_| {
            let names: Vec<String> = jiff::tz::db()
                .available()
                .map(|name| name.to_string())
                .collect();
            let names = || names.iter().map(String::as_str);
            let city = text.trim().replace(' ', "_").to_lowercase();
            let near = names()
                .find(|name| {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    name.contains('/') && last.to_lowercase() == city
                })
                .or_else(|| form::nearest(text, names()));
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write a name such as \"America/Los_Angeles\" or \"UTC\"".to_owned(),
            };
            WrongForm::new(format!("there is no time zone \"{text}\""), help)
        })
    })
}

/// A local time: `"2025-09-01T09:00"`, with or without quotes.
pub fn local_time(value: Value<'_>) -> Option<civil::DateTime> {
    let written = match value.get() {
        DeValue::Datetime(written) => written.to_string(),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => value.string()?.to_owned(),
    };
    let has_zone = written.char_indices().any(|(index, c)| {
        matches!(c, 'Z' | 'z' | '+' | '[') || (c == '-' && index > "2025-09-01".len())
    });
    let help = "write a local time such as \"2025-09-01T09:00\"";
    if has_zone {
        let message = format!("\"{written}\" has a zone of its own; this time is local");
        value.wrong(message, help);
        return None;
    }
    match written.parse() {
        Ok(time) => Some(time),
        Err(_) => {
            value.wrong(format!("\"{written}\" is not a time"), help);
            None
        }
    }
}

/// An e-mail address: `alice@company.com`.
pub fn email(value: Value<'_>) -> Option<String> {
    value.parse(|text| match is_email(text) {
        true => Ok(text.to_owned()),
        false => Err(not_an_email(text)),
    })
}

/// A sender: `firebell@company.com` or `Firebell <firebell@company.com>`.
pub fn sender(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let address = match text.split_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').unwrap_or(""),
            None => text,
        };
        match is_email(address) && !text.contains(char::is_control) {
            true => Ok(text.to_owned()),
            false => Err(not_an_email(text)),
        }
    })
}

fn not_an_email(text: &str) -> WrongForm {
    WrongForm::new(
        format!("\"{text}\" is not an e-mail address"),
        "write it as \"alice@company.com\"",
    )
}

fn is_email(text: &str) -> bool {
    let illegal = |c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()[]\\".contains(c);
    match text.split_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && text.len() <= 254
                && !text.contains(illegal)
                && !domain.contains('@')
                && domain.split('.').all(|label| !label.is_empty())
        }
        None => false,
    }
}

/// A telephone number in the form of E.164: `+15550100`.
pub fn phone(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let legal = |text: &str| {
            text.strip_prefix('+').is_some_and(|digits| {
                (7..=15).contains(&digits.len())
                    && !digits.starts_with('0')
                    && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        if legal(text) {
            return Ok(text.to_owned());
        }
        let bare: String = text.chars().filter(|c| !" -().".contains(*c)).collect();
        let bare = match bare.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None => bare,
        };
        Err(WrongForm::new(
            format!("\"{text}\" is not a telephone number"),
            match legal(&bare) {
                true => format!("did you mean \"{bare}\"?"),
                false => "write it with the country's code: \"+15550100\"".to_owned(),
            },
        ))
    })
}

/// A web address: `https://…` or `http://…`.
pub fn url(value: Value<'_>) -> Option<String> {
    value.parse(|text| match is_url(text) {
        true => Ok(text.to_owned()),
        false => Err(WrongForm::new(
            format!("\"{text}\" is not a web address"),
            match !text.contains("://") && is_url(&format!("https://{text}")) {
                true => format!("did you mean \"https://{text}\"?"),
                false => "write it as \"https://host/path\"".to_owned(),
            },
        )),
    })
}

/// Whether a text is a web address, as far as can be told without asking for it.
pub fn is_url(text: &str) -> bool {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let clean =
        !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"|".contains(c));
    clean && host.is_some_and(|host| !host.is_empty() && !host.starts_with(':'))
}

/// A Slack channel: `#incidents`, or its id.
pub fn channel(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let name = |name: &str| {
            (1..=80).contains(&name.chars().count())
                && name
                    .chars()
                    .all(|c| (c.is_alphanumeric() && !c.is_uppercase()) || c == '-' || c == '_')
        };
        let is_id = text.len() >= 9
            && text.starts_with(['C', 'G'])
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if is_id || text.strip_prefix('#').is_some_and(name) {
            return Ok(text.to_owned());
        }
        let guess = text
            .trim()
            .trim_start_matches('#')
            .to_lowercase()
            .replace(' ', "-");
        Err(WrongForm::new(
            format!("\"{text}\" is not a channel"),
            match name(&guess) {
                true => format!("did you mean \"#{guess}\"?"),
                false => "write it as \"#incidents\"".to_owned(),
            },
        ))
    })
}

/// A slash command: `/incident`.
pub fn slash_command(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let name = |name: &str| {
            (1..=31).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        };
        match text.strip_prefix('/') {
            Some(rest) if name(rest) => Ok(text.to_owned()),
            Some(_) | None => Err(WrongForm::new(
                format!("\"{text}\" is not a slash command"),
                match name(text) {
                    true => format!("did you mean \"/{text}\"?"),
                    false => "write it as \"/incident\", in lower case".to_owned(),
                },
            )),
        }
    })
}

/// The handle of a Slack user group, with its `@` or without.
pub fn user_group(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let handle = text.strip_prefix('@').unwrap_or(text);
        let legal = (1..=80).contains(&handle.chars().count())
            && !handle.contains(|c: char| c.is_whitespace() || c == '@' || c.is_uppercase());
        match legal {
            true => Ok(handle.to_owned()),
            false => Err(WrongForm::new(
                format!("\"{text}\" is not the handle of a user group"),
                "write it as Slack shows it: \"oncall-primary\"",
            )),
        }
    })
}

/// The name of the environment variable that holds a secret; never the secret itself.
pub fn env_name(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // A name is in capitals, or has a blank between its words; a key that was rolled is neither.
    let rolled = text.len() >= 20
        && !text.contains('_')
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_digit());
    if is_name && !rolled && !looks_like_secret(text) {
        return Some(text.to_owned());
    }
    // What was meant is likely a secret: it is not repeated anywhere.
    value.reading.blot(value.span());
    let example = value.key.trim_end_matches("_env").to_uppercase();
    let (message, help) = match rolled || looks_like_secret(text) {
        true => (
            format!("`{}` holds what looks like the secret itself", value.key),
            format!("put it into a variable and its NAME here: \"{example}\""),
        ),
        false => (
            format!("`{}` is not the name of an environment variable", value.key),
            format!("write the variable's NAME: \"{example}\""),
        ),
    };
    value.wrong(message, help);
    None
}

/// What incidents are called.
pub fn id_pattern(value: Value<'_>) -> Option<IdPattern> {
    parsed(value)
}

/// What war rooms are called.
pub fn channel_pattern(value: Value<'_>) -> Option<IdPattern> {
    value.parse(|text| text.parse::<IdPattern>()?.for_channel())
}

/// Who is meant; whoever it is must exist.
pub fn target(value: Value<'_>) -> Option<Target> {
    let target = parsed(value)?;
    let (thing, name, level) = match &target {
        Target::Person(id) => (Thing::Person, id.as_str(), Level::Error),
        Target::Schedule(id) => (Thing::Schedule, id.as_str(), Level::Error),
        // A role may be between two people; the other targets of the step are still told.
        Target::Role(name) => (Thing::Role, name.as_str(), Level::Warning),
        Target::UserGroup(_) | Target::Channel(_) => return Some(target),
    };
    value.reading.name(thing, name, value.span(), level);
    Some(target)
}

/// The id of something that must exist.
pub fn reference(thing: Thing) -> impl Fn(Value<'_>) -> Option<String> {
    move |value| {
        let name = text(value)?;
        value.reading.name(thing, &name, value.span(), Level::Error);
        Some(name)
    }
}

/// The id of something that must exist, or a template over an alert that gives one.
pub fn chosen<T>(thing: Thing, new: fn(String) -> T) -> impl Fn(Value<'_>) -> Option<Chosen<T>> {
    move |value| match is_template(value.string()?) {
        true => alert_template(value).map(Chosen::Template),
        false => reference(thing)(value).map(|id| Chosen::Fixed(new(id))),
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn template(value: Value<'_>) -> Option<String> {
    value.parse(|text| match Environment::new().template_from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(WrongForm::new(
            format!(
                "this is not a template: {}",
                error.detail().unwrap_or("it cannot be read")
            ),
            "write it as \"{{ labels.service }}\"",
        )),
    })
}

/// A template over an alert.
fn alert_template(value: Value<'_>) -> Option<String> {
    let text = template(value)?;
    let environment = trial::environment();
    let tried = environment.template_from_str(&text).ok().map(|template| {
        let names = template.undeclared_variables(false);
        let try_on = |sample| template.render(sample).err();
        trial::prove(&environment, &trial::OF_AN_ALERT, names, try_on)
    });
    value.parse(|_| tried.unwrap_or(Ok(())))?;
    Some(text)
}

/// A template over a page.
pub fn page_template(value: Value<'_>) -> Option<String> {
    let text = text(value)?;
    let environment = trial::environment();
    value.parse(|_| {
        let template = environment.template_from_str(&text).map_err(|error| {
            let detail = error.detail().unwrap_or("it cannot be read");
            let message = format!("this is not a template: {detail}");
            WrongForm::new(message, "write it as \"{{ subject }}\"")
        })?;
        let names = template.undeclared_variables(false);
        let try_on = |sample| template.render(sample).err();
        trial::prove(&environment, &trial::OF_A_PAGE, names, try_on)
    })?;
    Some(text)
}

/// The value of an HTTP header: one line of what can be seen.
pub fn header_value(value: Value<'_>) -> Option<String> {
    let text = text(value)?;
    if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
        let message = format!("\"{text}\" cannot stand in a header");
        value.wrong(
            message,
            "write one line of ASCII, such as \"application/json\"",
        );
        return None;
    }
    Some(text)
}

/// HTTP headers by name, each a template over a page. A secret has no place here.
pub fn headers(value: Value<'_>) -> Option<BTreeMap<String, String>> {
    /// What we write ourselves.
    const OURS: [&str; 4] = ["content-type", "content-length", "host", "idempotency-key"];
    let table = value.table(value.key)?;
    let read = |(key, value): (&str, Value<'_>)| {
        let is_name = !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let lower = key.to_lowercase();
        if !is_name {
            let help = "use letters, digits and -, such as \"Priority\"";
            value.wrong(format!("\"{key}\" is not the name of a header"), help);
            return None;
        }
        if lower == "authorization" {
            value.reading.blot(value.span());
            let message = "what proves who we are is a secret";
            value.wrong(
                message,
                "put it into a variable and name that: token_env = \"…\"",
            );
            return None;
        }
        if OURS.contains(&lower.as_str()) {
            let help = "take it out; `content_type` says what the body is";
            value.wrong(
                format!("{key} is a header that Firebell writes itself"),
                help,
            );
            return None;
        }
        Some((key.to_owned(), page_template(value)?))
    };
    Some(table.entries().into_iter().filter_map(read).collect())
}

/// An expression of minijinja over what a sender sends.
pub fn expression(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let help = "write it as \"body.title\", without {{ }}";
        if is_template(text) {
            return Err(WrongForm::new(
                "this is a template, not an expression",
                help,
            ));
        }
        let environment = trial::environment();
        match environment.compile_expression(text) {
            Ok(expression) => {
                let names = expression.undeclared_variables(false);
                let try_on = |sample| expression.eval(sample).err();
                trial::prove(&environment, &trial::OF_A_BODY, names, try_on)?;
                Ok(text.to_owned())
            }
            Err(error) => Err(WrongForm::new(
                format!(
                    "this is not an expression: {}",
                    error.detail().unwrap_or("it cannot be read")
                ),
                help,
            )),
        }
    })
}

/// A regular expression.
pub fn pattern(value: Value<'_>) -> Option<String> {
    value.parse(|text| compiled(text).map(|()| text.to_owned()))
}

fn compiled(pattern: &str) -> Result<(), WrongForm> {
    match Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(WrongForm::new(
            format!("\"{pattern}\" is not a regular expression"),
            error.to_string(),
        )),
    }
}

/// What a label must be: a text, or `~` and a regular expression.
pub fn matcher(value: Value<'_>) -> Option<Matcher> {
    value.parse(|text| match text.strip_prefix('~') {
        Some(pattern) => compiled(pattern).map(|()| Matcher::Pattern(pattern.to_owned())),
        None => Ok(Matcher::Equal(text.to_owned())),
    })
}

/// A check by its name `check:ID`; it must exist.
pub fn check_name(value: Value<'_>) -> Option<String> {
    let id = value.parse(|text| match text.strip_prefix("check:") {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        Some(_) | None => Err(WrongForm::new(
            format!("\"{text}\" is not a check"),
            format!(
                "did you mean \"check:{}\"?",
                text.trim_start_matches("check:")
            ),
        )),
    })?;
    value
        .reading
        .name(Thing::Check, &id, value.span(), Level::Error);
    Some(id)
}

/// A value of any shape; the templates in it must be templates.
pub fn any(value: Value<'_>) -> Option<runbook::Value> {
    Some(match value.get() {
        DeValue::String(text) if is_template(text) => runbook::Value::Text(template(value)?),
        DeValue::String(text) => runbook::Value::Text(text.to_string()),
        DeValue::Integer(_) => runbook::Value::Integer(integer(value)?),
        DeValue::Float(number) => runbook::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(flag) => runbook::Value::Boolean(*flag),
        DeValue::Datetime(time) => runbook::Value::Text(time.to_string()),
        DeValue::Array(_) => {
            runbook::Value::List(value.items().into_iter().filter_map(any).collect())
        }
        DeValue::Table(_) => runbook::Value::Table(free_table(value)?),
    })
}

/// A table whose keys are free.
pub fn free_table(value: Value<'_>) -> Option<runbook::Values> {
    let table = value.table(value.key)?;
    let read = |(key, value): (&str, Value<'_>)| Some((key.to_owned(), any(value)?));
    Some(table.entries().into_iter().filter_map(read).collect())
}

/// A table of web addresses by name.
pub fn links(value: Value<'_>) -> Option<BTreeMap<String, String>> {
    let table = value.table(value.key)?;
    let read = |(key, value): (&str, Value<'_>)| Some((key.to_owned(), url(value)?));
    Some(table.entries().into_iter().filter_map(read).collect())
}
