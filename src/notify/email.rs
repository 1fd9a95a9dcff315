//! A mail server, by SMTP (RFC 5321). lettre speaks it; what it leaves to its user stands here: a time limit on each step
//! (it has one for connecting alone), when TLS is asked for, and what a refusal means.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use url::{Host, Url};

use super::letter::Letter;
use super::{Accepted, Failure, PageText, cut, one_line};
use crate::domain::catalog::Email;

/// How long connecting, TLS and each proof of who we are may take.
const STEP_TIME: Duration = Duration::from_secs(10);
/// How long a letter may take: servers look for spam before they answer.
const LETTER_TIME: Duration = Duration::from_secs(30);
/// How long is waited for the farewell of a server that has taken the letter already.
const QUIT_TIME: Duration = Duration::from_secs(2);

/// Where mail is handed over, and from whom it comes.
pub(super) struct Mailer {
    from: Mailbox,
    server: Server,
}

struct Server {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
}

/// When the connection is encrypted.
#[derive(Clone)]
enum Tls {
    /// From the first byte: `smtps://`.
    FromTheStart(TlsParameters),
    /// By STARTTLS, or nothing is sent.
    Required(TlsParameters),
    /// By STARTTLS, if the server offers it: between mail servers that is all one can ask.
    IfOffered(TlsParameters),
    /// Never.
    None,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer")
            .field("host", &self.server.host)
            .field("port", &self.server.port)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    /// Errors: what is missing or wrong, in words and without the address, which holds a password.
    pub(super) fn new(
        email: &Email,
        set: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let name = &email.smtp_url_env;
        let url = set(name)?;
        let from = email.from.parse::<Mailbox>();
        Ok(Self {
            server: Server::read(&url).map_err(|why| format!("{name} {why}"))?,
            from: from.map_err(|_| "`from` of [notifications.email] is not an address")?,
        })
    }

    /// Sends a page to somebody; the provider's id is the Message-ID.
    pub(super) async fn page(
        &self,
        to: &str,
        page: &PageText,
        key: &str,
    ) -> Result<Accepted, Failure> {
        let id = self.message_id(key);
        let head = self
            .head(to, &page.subject, &id, &page.incident, page.now)?
            .header(Priority("1".to_owned()));
        let body = MultiPart::alternative_plain_html(page.text.clone(), page.html.clone());
        let letter = head.multipart(body).map_err(unwritable)?;
        self.send(&letter).await?;
        Ok(Accepted {
            provider_id: Some(id),
        })
    }

    /// Sends a letter to somebody.
    pub(super) async fn letter(
        &self,
        letter: &Letter,
        to: &str,
        thread: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let head = self.head(to, &letter.subject, &self.message_id(key), thread, now)?;
        let body = SinglePart::plain(letter.text.clone());
        self.send(&head.singlepart(body).map_err(unwritable)?).await
    }

    /// Sends a message over a connection of its own.
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let mut connection = self.server.connect().await?;
        deliver(&mut connection, message).await?;
        leave(connection).await;
        Ok(())
    }

    /// What stands above every letter. All letters of an incident belong to one that never was, so that mail programs show
    /// them as one conversation, whichever comes first.
    fn head(
        &self,
        to: &str,
        subject: &str,
        id: &str,
        thread: &str,
        now: Timestamp,
    ) -> Result<MessageBuilder, Failure> {
        let to: Address = to
            .parse()
            .map_err(|_| Failure::give_up(format!("{to} is not an e-mail address")))?;
        let thread = self.message_id(thread);
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(subject))
            .date(SystemTime::from(now))
            .message_id(Some(id.to_owned()))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(AutoSubmitted("auto-generated".to_owned())))
    }

    /// The id of a letter: made of its key, so that a letter which is sent again is the same letter to whoever has it.
    fn message_id(&self, key: &str) -> String {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let key: String = key
            .chars()
            .map(|c| if legal(c) { c } else { '-' })
            .collect();
        format!("<{key}@{}>", self.from.email.domain())
    }
}

macro_rules! header {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        struct $name(String);

        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($text)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

header! {
    /// No holiday notice comes back (RFC 3834, section 5).
    AutoSubmitted = "Auto-Submitted"
}
header! {
    /// Mail programs show it as urgent.
    Priority = "X-Priority"
}

fn unwritable(error: lettre::error::Error) -> Failure {
    Failure::give_up(format!("the e-mail cannot be written: {error}"))
}

impl Server {
    /// Reads `smtp://user:pass@host:587`, `smtps://…`, with `?tls=required`, `if-offered` or `none` behind it where what
    /// follows from the rest is not wanted. Errors: what is wrong, as the end of a sentence.
    fn read(text: &str) -> Result<Self, String> {
        let form = "smtp://user:password@host:587 or smtps://user:password@host";
        let wrong = || format!("is not the address of a mail server ({form})");
        let url: Url = text.parse().map_err(|_| wrong())?;
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => host.trim_matches(['[', ']']).to_owned(),
            Some(_) | None => return Err(wrong()),
        };
        // In a scheme that is not the web's, an address is a name to `url`.
        let is_here = match Host::parse(url.host_str().unwrap_or_default()) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => return Err(wrong()),
        };
        let decode = |text: &str| {
            let text = text.replace('+', "%2B");
            let pair = format!("x={text}");
            let pairs: Vec<(String, String)> =
                serde_urlencoded::from_str(&pair).unwrap_or_default();
            pairs
                .into_iter()
                .map(|(_, value)| value)
                .collect::<String>()
        };
        let credentials = url
            .password()
            .map(|password| Credentials::new(decode(url.username()), decode(password)));
        let wanted = url.query_pairs().find(|(name, _)| name == "tls");
        let wanted = wanted.map(|(_, value)| value.into_owned());
        let parameters = || {
            TlsParameters::new(host.clone())
                .map_err(|_| "cannot be used: TLS does not work on this machine".to_owned())
        };
        let tls = match (url.scheme(), wanted.as_deref(), &credentials) {
            ("smtps", None, _) => Tls::FromTheStart(parameters()?),
            ("smtp", Some("required"), _) => Tls::Required(parameters()?),
            ("smtp", Some("none"), Some(_)) if !is_here => {
                return Err("would send the password in the clear; take ?tls=none away".to_owned());
            }
            ("smtp", Some("none"), _) => Tls::None,
            ("smtp", Some("if-offered"), Some(_)) if !is_here => {
                return Err(
                    "might send the password in the clear; take ?tls=if-offered away".to_owned(),
                );
            }
            ("smtp", Some("if-offered"), _) => Tls::IfOffered(parameters()?),
            // What does not leave the machine needs no certificate for it.
            ("smtp", None, _) if is_here => Tls::None,
            ("smtp", None, Some(_)) => Tls::Required(parameters()?),
            ("smtp", None, None) => Tls::IfOffered(parameters()?),
            ("smtp" | "smtps", Some(_), _) => {
                return Err("has a `tls` that is none of required, if-offered, none".to_owned());
            }
            (_, _, _) => return Err(wrong()),
        };
        // RFC 8314 (465), RFC 6409 (587) and RFC 5321 (25).
        let port = url.port().unwrap_or(match (&tls, &credentials) {
            (Tls::FromTheStart(_), _) => 465,
            (_, Some(_)) => 587,
            (_, None) => 25,
        });
        Ok(Self {
            host,
            port,
            tls,
            credentials,
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let name = ClientId::default();
        let at_once = match &self.tls {
            Tls::FromTheStart(tls) => Some(tls.clone()),
            Tls::Required(_) | Tls::IfOffered(_) | Tls::None => None,
        };
        let address = (self.host.as_str(), self.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(STEP_TIME), &name, at_once, None);
        let mut connection = in_time(STEP_TIME, connecting, "the connection").await?;
        match &self.tls {
            Tls::Required(tls) => {
                in_time(
                    STEP_TIME,
                    connection.starttls(tls.clone(), &name),
                    "STARTTLS",
                )
                .await?;
            }
            Tls::IfOffered(tls) if connection.can_starttls() => {
                in_time(
                    STEP_TIME,
                    connection.starttls(tls.clone(), &name),
                    "STARTTLS",
                )
                .await?;
            }
            Tls::IfOffered(_) | Tls::FromTheStart(_) | Tls::None => {}
        }
        if let Some(credentials) = &self.credentials {
            let ways = [Mechanism::Plain, Mechanism::Login];
            let proving = connection.auth(&ways, credentials);
            in_time(STEP_TIME, proving, "the user and password of its address").await?;
        }
        Ok(connection)
    }
}

async fn deliver(connection: &mut AsyncSmtpConnection, letter: &Message) -> Result<(), Failure> {
    let bytes = letter.formatted();
    let sending = connection.send(letter.envelope(), &bytes);
    in_time(LETTER_TIME, sending, "the letter").await?;
    Ok(())
}

/// Takes leave. The letter is taken already: whatever comes of this is no failure.
async fn leave(mut connection: AsyncSmtpConnection) {
    let _ = tokio::time::timeout(QUIT_TIME, connection.quit()).await;
}

/// Waits for a step, not longer than that, and says in our words how it failed.
async fn in_time<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    what: &str,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failure(&error, what)),
        Err(_) => Err(Failure::retry(format!(
            "the mail server did not answer within {} s ({what})",
            limit.as_secs()
        ))),
    }
}

/// What an error means (RFC 5321, section 4.2.1): 4xx may go through later, 5xx never will. So does what the server cannot
/// do, and a certificate that nobody here vouches for.
fn failure(error: &lettre::transport::smtp::Error, what: &str) -> Failure {
    let mut told = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let separator = if told.is_empty() { "" } else { ": " };
        told = format!("{told}{separator}{error}");
        cause = error.source();
    }
    let told = cut(&one_line(&told), 200);
    let told = match (error.status(), told.is_empty()) {
        (Some(code), true) => code.to_string(),
        (Some(code), false) => format!("{code} {told}"),
        (None, true) => error.to_string(),
        (None, false) => told,
    };
    if error.is_permanent() {
        Failure::give_up(format!("the mail server refuses {what}: {told}"))
    } else if error.is_transient() {
        Failure::retry(format!("the mail server does not take {what} now: {told}"))
    } else if error.is_client() {
        Failure::give_up(format!("the mail server cannot be used: {told}"))
    } else if told.contains("certificate") {
        Failure::give_up(format!(
            "the mail server's certificate is not believed: {told}. SSL_CERT_FILE may name one that vouches for it"
        ))
    } else {
        Failure::retry(format!("the mail server cannot be reached: {told}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Server::read(text) {
            Ok(it) => {
                let tls = match it.tls {
                    Tls::FromTheStart(_) => "from the start",
                    Tls::Required(_) => "required",
                    Tls::IfOffered(_) => "if offered",
                    Tls::None => "none",
                };
                let who = it.credentials.map_or("nobody", |_| "somebody");
                format!("{} {} {tls} {who}", it.host, it.port)
            }
            Err(why) => why,
        }
    }

    #[test]
    fn a_password_never_leaves_the_machine_in_the_clear() {
        for (url, told) in [
            (
                "smtp://me:pw@mail.example.com",
                "mail.example.com 587 required somebody",
            ),
            (
                "smtp://me:pw@mail.example.com:2525",
                "mail.example.com 2525 required somebody",
            ),
            (
                "smtps://me:pw@mail.example.com",
                "mail.example.com 465 from the start somebody",
            ),
            (
                "smtp://mail.example.com",
                "mail.example.com 25 if offered nobody",
            ),
            (
                "smtp://mail.example.com?tls=none",
                "mail.example.com 25 none nobody",
            ),
            (
                "smtp://me:pw@127.0.0.1:1025",
                "127.0.0.1 1025 none somebody",
            ),
            ("smtp://localhost", "localhost 25 none nobody"),
            ("smtp://[::1]:1025", "::1 1025 none nobody"),
            (
                "smtp://me:pw@localhost:1025?tls=required",
                "localhost 1025 required somebody",
            ),
        ] {
            assert_eq!(read(url), told, "{url}");
        }
        for wrong in [
            "smtp://me:pw@mail.example.com?tls=none",
            "smtp://me:pw@mail.example.com?tls=if-offered",
            "smtp://me:pw@127.0.0.1.example.com?tls=none",
            "smtp://mail.example.com?tls=maybe",
            "mail.example.com:587",
            "https://mail.example.com",
            "smtp://",
        ] {
            let told = read(wrong);
            assert!(
                told.contains("is not") || told.contains("clear") || told.contains("none of"),
                "{wrong}: {told}"
            );
            assert!(!told.contains("pw"), "{told}");
        }
    }

    #[test]
    fn a_letter_that_is_sent_again_is_the_same_letter() {
        let mailer = Mailer {
            from: "Firebell <bell@example.com>".parse().unwrap(),
            server: Server::read("smtp://localhost").unwrap(),
        };
        assert_eq!(mailer.message_id("0199-a.b_c"), "<0199-a.b_c@example.com>");
        assert_eq!(
            mailer.message_id("a b\r\n<c>@d"),
            "<a-b---c--d@example.com>"
        );
    }
}
