//! What goes out by other ways than Slack, and what people answer by them: one file for each way.
//!
//! | file | what is there |
//! |---|---|
//! | `page` | what a page says, in the words of each way |
//! | `letter` | the words of the e-mails to stakeholders |
//! | `email` | a mail server, by SMTP |
//! | `twilio` | Twilio's REST API, and the proof that a request is Twilio's |
//! | `sms`, `voice` | a text message, a telephone call |
//! | `webhook` | a POST that is signed |
//! | `answer` | what comes back: replies, key presses, reports of delivery, links in e-mails |
//! | `ack_page` | the page behind a link in an e-mail |
//! | `heartbeat` | the address of whoever watches over the bot |
//! | `wire` | an HTTP request within its time |

pub mod ack_page;
pub mod answer;
mod email;
pub mod heartbeat;
pub mod letter;
pub mod page;
mod sms;
pub mod twilio;
mod voice;
mod webhook;
pub mod wire;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use self::email::Mailer;
use self::letter::Letter;
use self::twilio::Twilio;
use self::webhook::Poster;
use crate::domain::catalog::{Catalog, Person};
use crate::domain::escalation::Channel;

pub use self::page::{PageFacts, PageText, page_text};

/// A provider has taken it. Whether it arrives is told later, if at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the provider calls it: a Message-ID, Twilio's SID.
    pub provider_id: Option<String>,
}

/// Why it was not taken, in words for a person and without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may go through later; it may even have gone through now.
    Retry {
        /// Not before then, if the provider said so.
        after: Option<SignedDuration>,
        /// What was wrong.
        why: String,
    },
    /// It will never go through as it is.
    GiveUp {
        /// What was wrong, with what would mend it.
        why: String,
    },
}

impl Failure {
    fn retry(why: impl Into<String>) -> Self {
        Failure::Retry {
            after: None,
            why: why.into(),
        }
    }

    fn give_up(why: impl Into<String>) -> Self {
        Failure::GiveUp { why: why.into() }
    }

    /// What was wrong.
    pub fn why(&self) -> &str {
        match self {
            Failure::Retry { why, .. } | Failure::GiveUp { why } => why,
        }
    }
}

/// Sends pages by every way but Slack. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    ways: Arc<Ways>,
}

/// Each way, or why it is closed.
#[derive(Debug)]
struct Ways {
    email: Result<Mailer, String>,
    twilio: Result<Twilio, String>,
    webhook: Poster,
    /// How many of them the configuration has, and are not open.
    closed: usize,
}

impl Notifier {
    /// Opens the ways that the configuration has, with the secrets that `vars` gives; `public_url` is where Twilio reaches
    /// us, without a slash at the end. Nothing is called yet, so it opens with all of them down.
    ///
    /// Beside it: what is missing for a way that is configured, in words for the operator.
    pub fn new(
        catalog: &Catalog,
        public_url: Option<&str>,
        vars: impl Fn(&str) -> Option<String>,
    ) -> (Self, Vec<String>) {
        let ways = &catalog.notifications;
        let set = |name: &str| {
            let value = vars(name).map(|text| text.trim().to_owned());
            value
                .filter(|text| !text.is_empty())
                .ok_or_else(|| format!("{name} is not set"))
        };
        let mut missing = Vec::new();
        let mut or_missing = |why: &String, so: &str| missing.push(format!("{why}, so {so}"));
        let web = wire::web();
        let email = match &ways.email {
            Some(it) => {
                Mailer::new(it, set).inspect_err(|why| or_missing(why, "no e-mail is sent"))
            }
            None => Err("there is no [notifications.email]".to_owned()),
        };
        let twilio = match &ways.sms {
            Some(it) => Twilio::new(it, public_url, web.clone(), set)
                .inspect_err(|why| or_missing(why, "nobody is reached by SMS or telephone")),
            None => Err("there is no [notifications.sms]".to_owned()),
        };
        let webhook = Poster::new(catalog, web, set, &mut or_missing);
        let ways = Ways {
            email,
            twilio,
            webhook,
            closed: missing.len(),
        };
        let notifier = Self {
            ways: Arc::new(ways),
        };
        (notifier, missing)
    }

    /// Sends a page. `key` stays the same over all attempts at one page by one way; after `is_repeated` an earlier attempt
    /// may have got through, which is looked into before anything is sent again.
    ///
    /// Errors: see [`Failure`]. Slack is not among these ways.
    pub async fn send(
        &self,
        channel: Channel,
        person: &Person,
        text: &PageText,
        key: &str,
        is_repeated: bool,
    ) -> Result<Accepted, Failure> {
        let ways = &*self.ways;
        let lacks = |what: &str| {
            Failure::give_up(format!(
                "{} has no {what} in the configuration",
                person.name
            ))
        };
        match channel {
            Channel::Slack => Err(Failure::give_up("Slack is not called from here")),
            Channel::Email => {
                let to = person.email.as_ref().ok_or_else(|| lacks("`email`"))?;
                let mailer = open(&ways.email)?;
                mailer.page(to, text, key).await
            }
            Channel::Sms => {
                let to = person.phone.as_ref().ok_or_else(|| lacks("`phone`"))?;
                let twilio = open(&ways.twilio)?;
                sms::send(twilio, person, to, text, key, is_repeated).await
            }
            Channel::Voice => {
                let to = person.phone.as_ref().ok_or_else(|| lacks("`phone`"))?;
                let twilio = open(&ways.twilio)?;
                voice::call(twilio, person, to, text, key, is_repeated).await
            }
            Channel::Webhook => ways.webhook.post(person, text, key).await,
        }
    }

    /// Sends an e-mail to one stakeholder alone: none of them learns who else has it. `thread` is the incident; `key` stays
    /// the same over all attempts.
    pub async fn send_letter(
        &self,
        letter: &Letter,
        to: &str,
        thread: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mailer = open(&self.ways.email)?;
        mailer.letter(letter, to, thread, key, now).await
    }

    /// Whether a way to a person is open: what it needs is set. Slack is not among these ways, and is taken to be open.
    pub fn is_open(&self, person: &Person, via: Channel) -> bool {
        match via {
            Channel::Slack => true,
            Channel::Email => self.ways.email.is_ok(),
            Channel::Sms | Channel::Voice => self.ways.twilio.is_ok(),
            Channel::Webhook => self.ways.webhook.leads_to(person),
        }
    }

    /// How many ways, of all people's or of one person's, are closed that the configuration has.
    pub fn closed(&self) -> usize {
        self.ways.closed
    }

    /// Twilio, if it is used: it proves what comes from there.
    pub fn twilio(&self) -> Option<&Twilio> {
        self.ways.twilio.as_ref().ok()
    }
}

fn open<T>(way: &Result<T, String>) -> Result<&T, Failure> {
    way.as_ref().map_err(Failure::give_up)
}

/// Text from outside as one line of what can be seen: it can neither begin a line of its own nor turn the direction around.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let is_seen = |c: &char| {
            !c.is_control()
                && !matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        word.chars().filter(is_seen).collect::<String>()
    });
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// At most so many characters of it, visibly cut.
fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(chars.saturating_sub(3)).collect();
            format!("{}...", kept.trim_end())
        }
    }
}
