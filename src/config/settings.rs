//! What the environment says: addresses and secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use url::{Host, Url};

use super::ConfigFile;
use super::values::is_url;
use crate::domain::catalog::Catalog;

/// What the environment says, proved. Its `Debug` form shows no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `FIREBELL_CONFIG`: the file with the catalog.
    pub config: ConfigFile,
    /// `FIREBELL_LISTEN`: the address of the HTTP server, `127.0.0.1:3000`.
    pub listen: SocketAddr,
    /// `DATABASE_URL`: where everything is kept, `sqlite://firebell.db`.
    pub database: Database,
    /// `SLACK_BOT_TOKEN`: `xoxb-…`.
    pub slack_bot_token: Option<SecretString>,
    /// `SLACK_SIGNING_SECRET`: what Slack signs its requests with.
    pub slack_signing_secret: Option<SecretString>,
    /// `SLACK_APP_TOKEN`: `xapp-…`; where it is set, Slack is reached by Socket Mode.
    pub slack_app_token: Option<SecretString>,
    /// `SLACK_API_URL`: without a slash at the end.
    pub slack_api_url: String,
    /// `FIREBELL_API_TOKEN`: the bearer token of `/api/v1` and of the protected pages; `None`: they are closed.
    pub api_token: Option<SecretString>,
    /// `FIREBELL_PUBLIC_URL`: the address under which people's browsers and Twilio reach this bot, without a slash at the
    /// end; `None`: links to our pages are left out, and nobody can answer by SMS, key press or e-mail.
    pub public_url: Option<String>,
}

/// Where everything is kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// Which of the two it is.
    pub kind: DatabaseKind,
    /// The address, with its password.
    pub url: SecretString,
}

/// The databases that Firebell can keep its record in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// One thing that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it; never its value, if it is a secret.
    pub message: String,
    /// What to do next.
    pub help: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variable,
            message,
            help,
        } = self;
        write!(f, "{variable} {message}: {help}")
    }
}

/// Everything that is wrong with the environment, one thing a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFaults(pub Vec<SettingFault>);

impl fmt::Display for SettingFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingFaults {}

const LISTEN: &str = "127.0.0.1:3000";
const DATABASE: &str = "sqlite://firebell.db";
const SLACK_API: &str = "https://slack.com/api";

impl Settings {
    /// Reads the environment through `vars`; an empty variable counts as unset.
    ///
    /// Errors: everything that is wrong, at once. What `serve` needs beyond a right form is told by
    /// [`Settings::missing_for_slack`].
    pub fn from_env(vars: impl Fn(&str) -> Option<String>) -> Result<Self, SettingFaults> {
        let mut env = Environment {
            vars: &vars,
            faults: Vec::new(),
        };
        let settings = Settings {
            config: match env.get("FIREBELL_CONFIG") {
                Some(path) => ConfigFile::Named(PathBuf::from(path)),
                None => ConfigFile::Default,
            },
            listen: env.listen(),
            database: env.database(),
            slack_bot_token: env.token("SLACK_BOT_TOKEN", Some("xoxb-")),
            slack_signing_secret: env.token("SLACK_SIGNING_SECRET", None),
            slack_app_token: env.token("SLACK_APP_TOKEN", Some("xapp-")),
            slack_api_url: env.slack_api_url(),
            api_token: env.token("FIREBELL_API_TOKEN", None),
            public_url: env.public_url(),
        };
        match env.faults.is_empty() {
            true => Ok(settings),
            false => Err(SettingFaults(env.faults)),
        }
    }

    /// By which way Slack's requests come, in words.
    pub fn way_of_slack(&self) -> &'static str {
        let (bot, app) = (
            self.slack_bot_token.is_some(),
            self.slack_app_token.is_some(),
        );
        match (bot, app, self.slack_signing_secret.is_some()) {
            (true, true, true) => {
                "Slack's requests come by Socket Mode (SLACK_APP_TOKEN), and are taken over HTTP too \
                 (SLACK_SIGNING_SECRET)"
            }
            (true, true, false) => "Slack's requests come by Socket Mode (SLACK_APP_TOKEN)",
            (true, false, true) => "Slack's requests come over HTTP (SLACK_SIGNING_SECRET)",
            (false, _, _) | (true, false, false) => "Slack's requests do not come here",
        }
    }

    /// What must be set before Slack can be talked to; empty if nothing is missing.
    pub fn missing_for_slack(&self) -> Vec<SettingFault> {
        let mut missing = Vec::new();
        if self.slack_bot_token.is_none() {
            missing.push(SettingFault {
                variable: "SLACK_BOT_TOKEN",
                message: "is not set".to_owned(),
                help: "set it to the Bot User OAuth Token of your Slack app (xoxb-…), under OAuth & Permissions"
                    .to_owned(),
            });
        }
        if self.slack_app_token.is_none() && self.slack_signing_secret.is_none() {
            missing.push(SettingFault {
                variable: "SLACK_APP_TOKEN",
                message: "and SLACK_SIGNING_SECRET are both not set".to_owned(),
                help: "set the first (xapp-…) for Socket Mode, which needs no public address, or the second for \
                       requests over HTTP; both are under Basic Information of your Slack app"
                    .to_owned(),
            });
        }
        missing
    }
}

/// What the senders of alerts show, by the source's id; and what is missing, in words for the operator.
pub fn alert_secrets(
    catalog: &Catalog,
    vars: impl Fn(&str) -> Option<String>,
) -> (BTreeMap<String, SecretString>, Vec<String>) {
    let mut secrets = BTreeMap::new();
    let mut missing = Vec::new();
    for source in &catalog.alert_sources {
        let Some(name) = &source.secret_env else {
            continue;
        };
        let secret = vars(name).map(|text| text.trim().to_owned());
        match secret.filter(|text| !text.is_empty()) {
            Some(secret) => {
                secrets.insert(source.id.clone(), SecretString::from(secret));
            }
            None => missing.push(format!(
                "{name} is not set, so nothing that is sent to the alert source {} is believed",
                source.id
            )),
        }
    }
    (secrets, missing)
}

/// What schedules keep secret. Its `Debug` form shows none of it.
#[derive(Debug, Clone, Default)]
pub struct ScheduleSecrets {
    /// What opens `/schedules/{id}.ics`, by the schedule's id.
    pub tokens: BTreeMap<String, SecretString>,
    /// The addresses of the calendars that feed schedules, by the schedule's id.
    pub urls: BTreeMap<String, SecretString>,
}

/// What schedules keep secret; and what is missing, in words for the operator.
pub fn schedule_secrets(
    catalog: &Catalog,
    vars: impl Fn(&str) -> Option<String>,
) -> (ScheduleSecrets, Vec<String>) {
    let mut secrets = ScheduleSecrets::default();
    let mut missing = Vec::new();
    let value = |name: &str| {
        let text = vars(name).map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty()).map(SecretString::from)
    };
    for schedule in &catalog.schedules {
        let id = &schedule.id;
        if let Some(name) = &schedule.ical_token_env {
            match value(name) {
                Some(token) => drop(secrets.tokens.insert(id.clone(), token)),
                None => missing.push(format!(
                    "{name} is not set, so the calendar of the schedule {id} is not served"
                )),
            }
        }
        if let Some(name) = &schedule.ical_url_env {
            match value(name) {
                Some(url) => drop(secrets.urls.insert(id.clone(), url)),
                None => missing.push(format!(
                    "{name} is not set, so the schedule {id} is fed by no calendar"
                )),
            }
        }
    }
    (secrets, missing)
}

/// The address that is asked for while the ledger balances, if the configuration names a variable for it. Errors: what is
/// wrong with that variable, in words for the operator; never its value.
pub fn heartbeat_url(
    catalog: &Catalog,
    vars: impl Fn(&str) -> Option<String>,
) -> Result<Option<SecretString>, String> {
    let Some(name) = &catalog.audit.heartbeat_url_env else {
        return Ok(None);
    };
    let url = vars(name).map(|text| text.trim().to_owned());
    match url.filter(|text| !text.is_empty()) {
        None => Err(format!(
            "{name} is not set, so nobody outside is told that all is well"
        )),
        Some(url) if !is_url(&url) => Err(format!(
            "{name} is not a web address, so nobody outside is told that all is well"
        )),
        Some(url) => Ok(Some(SecretString::from(url))),
    }
}

/// The environment, and what was found wrong in it so far.
struct Environment<'v> {
    vars: &'v dyn Fn(&str) -> Option<String>,
    faults: Vec<SettingFault>,
}

impl Environment<'_> {
    fn get(&self, variable: &str) -> Option<String> {
        let value = (self.vars)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn fault(
        &mut self,
        variable: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.faults.push(SettingFault {
            variable,
            message: message.into(),
            help: help.into(),
        });
    }

    fn listen(&mut self) -> SocketAddr {
        let default = LISTEN.parse().expect("the default is an address");
        let Some(text) = self.get("FIREBELL_LISTEN") else {
            return default;
        };
        if let Ok(address) = text.parse() {
            return address;
        }
        let port = text
            .rsplit(':')
            .next()
            .and_then(|port| port.parse::<u16>().ok());
        let host = text.rsplit_once(':').map_or("", |(host, _)| host);
        let help = match (port, host) {
            (Some(port), "localhost") => format!("did you mean 127.0.0.1:{port}?"),
            (Some(port), "") => {
                format!("did you mean 127.0.0.1:{port}, or 0.0.0.0:{port} for every network?")
            }
            _ => format!("write an address and a port, such as {LISTEN}"),
        };
        self.fault(
            "FIREBELL_LISTEN",
            format!("is not an address (\"{text}\")"),
            help,
        );
        default
    }

    fn database(&mut self) -> Database {
        let text = self
            .get("DATABASE_URL")
            .unwrap_or_else(|| DATABASE.to_owned());
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let kind = match scheme {
            Some("sqlite") => DatabaseKind::Sqlite,
            Some("postgres" | "postgresql") => DatabaseKind::Postgres,
            other => {
                let message = match other {
                    Some(scheme) if text.contains("://") => {
                        format!("names a database that Firebell does not know ({scheme})")
                    }
                    Some(_) | None => "is not the address of a database".to_owned(),
                };
                self.fault(
                    "DATABASE_URL",
                    message,
                    "write sqlite://firebell.db or postgres://user:password@host/database",
                );
                DatabaseKind::Sqlite
            }
        };
        Database {
            kind,
            url: SecretString::from(text),
        }
    }

    fn slack_api_url(&mut self) -> String {
        let Some(text) = self.get("SLACK_API_URL") else {
            return SLACK_API.to_owned();
        };
        if !is_url(&text) {
            let help = format!("write {SLACK_API}, or leave it unset");
            self.fault("SLACK_API_URL", "is not a web address", help);
        }
        text.trim_end_matches('/').to_owned()
    }

    /// Links that acknowledge go out under this address: in the clear they go nowhere but to this machine itself.
    fn public_url(&mut self) -> Option<String> {
        let text = self.get("FIREBELL_PUBLIC_URL")?;
        let variable = "FIREBELL_PUBLIC_URL";
        let help = "write it as https://firebell.example.com, or leave it unset";
        let url = match text.parse::<Url>() {
            Ok(url) if is_url(&text) && url.query().is_none() && url.fragment().is_none() => url,
            Ok(_) | Err(_) => {
                self.fault(variable, "is not the address of a server", help);
                return None;
            }
        };
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !is_here {
            let message = "leads over the network in the clear";
            self.fault(
                variable,
                message,
                "write https://, and put TLS in front of the bot",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.fault(variable, "holds a user or a password", help);
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// A secret; what is wrong with it is told without it.
    fn token(&mut self, variable: &'static str, prefix: Option<&str>) -> Option<SecretString> {
        let text = self.get(variable)?;
        let known = [
            ("xoxb-", "a bot token", "SLACK_BOT_TOKEN"),
            ("xapp-", "an app-level token", "SLACK_APP_TOKEN"),
            ("xoxp-", "a user's token", "none of the variables"),
        ];
        let looks_like = known.iter().find(|(start, ..)| text.starts_with(start));
        let is_slack = variable.starts_with("SLACK_");
        match (prefix, looks_like) {
            (Some(prefix), _) if text.starts_with(prefix) => {}
            (_, Some((_, what, place))) if is_slack => {
                self.fault(
                    variable,
                    format!("holds {what}"),
                    format!("that belongs into {place}"),
                );
            }
            (Some(prefix), _) => {
                let message = format!("does not begin with {prefix}");
                let help = "copy the token from your Slack app's settings (api.slack.com/apps)";
                self.fault(variable, message, help);
            }
            (None, _) => {}
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            self.fault(
                variable,
                "has a blank inside",
                "copy it again, without the line's end or quotes",
            );
        }
        Some(SecretString::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, SettingFaults> {
        Settings::from_env(|name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let settings = settings(&[("FIREBELL_CONFIG", ""), ("SLACK_BOT_TOKEN", " ")]).unwrap();
        assert_eq!(settings.config, ConfigFile::Default);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(settings.database.kind, DatabaseKind::Sqlite);
        assert_eq!(
            settings.database.url.expose_secret(),
            "sqlite://firebell.db"
        );
        assert_eq!(settings.slack_api_url, "https://slack.com/api");
        assert!(settings.slack_bot_token.is_none());
        assert!(settings.api_token.is_none());
        assert_eq!(settings.missing_for_slack().len(), 2);
    }

    #[test]
    fn every_variable_lands_and_no_secret_is_shown() {
        let settings = settings(&[
            ("FIREBELL_CONFIG", "/etc/firebell.toml"),
            ("FIREBELL_LISTEN", "[::]:8080"),
            ("DATABASE_URL", "postgres://me:geheim@db/firebell"),
            ("SLACK_BOT_TOKEN", "xoxb-geheim\n"),
            ("SLACK_SIGNING_SECRET", "geheim"),
            ("SLACK_APP_TOKEN", "xapp-geheim"),
            ("SLACK_API_URL", "http://127.0.0.1:9999/api/"),
            ("FIREBELL_API_TOKEN", "geheim"),
            ("FIREBELL_PUBLIC_URL", "https://firebell.example.com/bot/"),
        ])
        .unwrap();
        assert_eq!(settings.config.path().to_str(), Some("/etc/firebell.toml"));
        assert_eq!(settings.database.kind, DatabaseKind::Postgres);
        assert_eq!(settings.slack_api_url, "http://127.0.0.1:9999/api");
        let public_url = settings.public_url.as_deref();
        assert_eq!(public_url, Some("https://firebell.example.com/bot"));
        assert_eq!(settings.missing_for_slack(), []);
        let token = settings.slack_bot_token.as_ref().unwrap();
        assert_eq!(token.expose_secret(), "xoxb-geheim");
        assert!(!format!("{settings:?}").contains("geheim"));
    }

    #[test]
    fn the_way_of_slack_is_told() {
        let way = |vars: &[(&str, &str)]| settings(vars).unwrap().way_of_slack();
        let (bot, app, secret) = (
            ("SLACK_BOT_TOKEN", "xoxb-1"),
            ("SLACK_APP_TOKEN", "xapp-1"),
            ("SLACK_SIGNING_SECRET", "s"),
        );
        assert_eq!(
            way(&[bot, app]),
            "Slack's requests come by Socket Mode (SLACK_APP_TOKEN)"
        );
        assert_eq!(
            way(&[bot, secret]),
            "Slack's requests come over HTTP (SLACK_SIGNING_SECRET)"
        );
        assert!(way(&[bot, app, secret]).contains("taken over HTTP too"));
        assert_eq!(way(&[app]), "Slack's requests do not come here");
        assert_eq!(way(&[bot]), "Slack's requests do not come here");
        assert_eq!(settings(&[bot, app]).unwrap().missing_for_slack(), []);
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_without_the_secrets() {
        let faults = settings(&[
            ("FIREBELL_LISTEN", "localhost:3000"),
            ("DATABASE_URL", "mysql://me:geheim@db/firebell"),
            ("SLACK_BOT_TOKEN", "xapp-geheim"),
            ("SLACK_APP_TOKEN", "geheim"),
            ("SLACK_SIGNING_SECRET", "xoxb-geheim"),
            ("SLACK_API_URL", "slack.com"),
            ("FIREBELL_API_TOKEN", "ge heim"),
            ("FIREBELL_PUBLIC_URL", "http://firebell.example.com"),
        ])
        .unwrap_err();
        insta::assert_snapshot!(faults, @r#"
        FIREBELL_LISTEN is not an address ("localhost:3000"): did you mean 127.0.0.1:3000?
        DATABASE_URL names a database that Firebell does not know (mysql): write sqlite://firebell.db or postgres://user:password@host/database
        SLACK_BOT_TOKEN holds an app-level token: that belongs into SLACK_APP_TOKEN
        SLACK_SIGNING_SECRET holds a bot token: that belongs into SLACK_BOT_TOKEN
        SLACK_APP_TOKEN does not begin with xapp-: copy the token from your Slack app's settings (api.slack.com/apps)
        SLACK_API_URL is not a web address: write https://slack.com/api, or leave it unset
        FIREBELL_API_TOKEN has a blank inside: copy it again, without the line's end or quotes
        FIREBELL_PUBLIC_URL leads over the network in the clear: write https://, and put TLS in front of the bot
        "#);
    }

    #[test]
    fn the_public_address_is_that_of_a_server_and_in_the_clear_only_on_this_machine() {
        let read = |text: &str| settings(&[("FIREBELL_PUBLIC_URL", text)]);
        for fine in [
            "https://firebell.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:3000/",
            "http://[::1]:3000",
        ] {
            assert!(read(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "firebell.example.com",
            "http://10.0.0.7:3000",
            "http://127.0.0.1.example.com",
            "https://me:secret@firebell.example.com",
            "https://firebell.example.com/?a=b",
            "https://firebell.example.com/#a",
            "ftp://firebell.example.com",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("").unwrap().public_url.is_none());
    }
}
