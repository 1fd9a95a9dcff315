//! What a page says: who is wanted, for what, since when, and how to answer, in the words of each way.
//!
//! The words are templates. What is put into them comes from people and from alerts, so it is made one line first: a
//! title can add nothing to the head of an e-mail and no line to a text message.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use minijinja::{Environment, Value, context};
use serde_json::json;

use super::letter::{moment, subject_and_text};
use super::{cut, one_line, sms};
use crate::domain::catalog::Catalog;
use crate::domain::form::show_roughly;
use crate::domain::page::HELD_UP;

/// The longest title that is spoken, in characters: some twelve seconds.
const SPOKEN_TITLE: usize = 160;
/// As much of a title is kept in a text message, if anything else can give way.
const TITLE_AT_LEAST: usize = 40;
/// Less of a reason says nothing.
const WHY_AT_LEAST: usize = 12;
/// The longest title in a subject.
const SUBJECT_TITLE: usize = 200;

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageFacts {
    /// The incident: `INC-2025-0914-001`.
    pub incident: String,
    /// The number of the page within it.
    pub page: u32,
    /// How bad it is: `P1 - Critical`.
    pub severity: String,
    /// What is wrong.
    pub title: String,
    /// What is affected, by its name.
    pub service: Option<String>,
    /// Why this person is told: `step 2 of 4 of leadership`, `paged by bo: needs a database person`.
    pub why: String,
    /// When it began.
    pub since: Timestamp,
    /// When this page was ordered: what the provider took before then was something else.
    pub ordered_at: Timestamp,
    /// The present moment.
    pub now: Timestamp,
    /// The incident's own web page.
    pub url: Option<String>,
    /// The one-time link by which this person acknowledges.
    pub acknowledge_url: Option<String>,
    /// Whether replies by SMS and key presses reach us.
    pub takes_replies: bool,
    /// Whether nothing has happened.
    pub is_test: bool,
}

/// A page in the words of each way.
#[derive(Debug, Clone, PartialEq)]
pub struct PageText {
    /// The incident, by which e-mails are put together.
    pub incident: String,
    /// The number of the page.
    pub page: u32,
    /// One line.
    pub subject: String,
    /// The e-mail in plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The text message: with its reference at most two segments, unless its links alone are longer.
    pub sms: String,
    /// What is said in a call.
    pub spoken: String,
    /// Whether a key press in a call reaches us.
    pub takes_replies: bool,
    /// All of it for programs.
    pub facts: serde_json::Value,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// The present moment.
    pub now: Timestamp,
}

/// Puts a page into words. Errors: a template that is broken.
pub fn page_text(
    templates: &Environment<'_>,
    catalog: &Catalog,
    facts: &PageFacts,
) -> anyhow::Result<PageText> {
    let words = Words {
        templates,
        catalog,
        facts,
        title: one_line(&facts.title),
        why: one_line(&facts.why),
    };
    let (title, why) = (&words.title, &words.why);
    let (subject, text) = subject_and_text(
        "email/page.txt.j2",
        &words.render("email/page.txt.j2", &cut(title, SUBJECT_TITLE), why)?,
    )?;
    let spoken = words.render("voice/page.txt.j2", &cut(title, SPOKEN_TITLE), why)?;
    let sms = words.sms()?;
    Ok(PageText {
        facts: words.for_programs(&subject, &sms, &text),
        incident: facts.incident.clone(),
        page: facts.page,
        html: words.render("email/page.html.j2", title, why)?,
        spoken: one_line(&spoken),
        sms,
        subject,
        text,
        takes_replies: facts.takes_replies,
        ordered_at: facts.ordered_at,
        now: facts.now,
    })
}

/// Renders a page that knows everything and one that knows little: a template that is broken is told before it is needed.
pub fn prove(templates: &Environment<'_>, catalog: &Catalog) -> anyhow::Result<()> {
    let said = || Some("https://firebell.example.com".to_owned());
    let little = PageFacts {
        incident: "INC-1970-0101-001".to_owned(),
        page: 1,
        severity: "P1".to_owned(),
        title: "sample".to_owned(),
        service: None,
        why: "sample".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        ordered_at: Timestamp::UNIX_EPOCH,
        now: Timestamp::UNIX_EPOCH,
        url: None,
        acknowledge_url: None,
        takes_replies: false,
        is_test: false,
    };
    let much = PageFacts {
        service: Some("sample".to_owned()),
        url: said(),
        acknowledge_url: said(),
        takes_replies: true,
        is_test: true,
        now: Timestamp::UNIX_EPOCH + HELD_UP + HELD_UP,
        ..little.clone()
    };
    for facts in [little, much] {
        page_text(templates, catalog, &facts)?;
    }
    Ok(())
}

struct Words<'a> {
    templates: &'a Environment<'a>,
    catalog: &'a Catalog,
    facts: &'a PageFacts,
    title: String,
    why: String,
}

impl Words<'_> {
    fn severity(&self) -> String {
        let name = &self.facts.severity;
        one_line(name.split(" - ").next().unwrap_or(name))
    }

    fn since(&self) -> String {
        moment(self.facts.since, &self.catalog.organization.timezone)
    }

    /// How late the page is; none: it is not.
    fn late(&self) -> Option<SignedDuration> {
        let late = self.facts.now.duration_since(self.facts.ordered_at);
        (late > HELD_UP).then_some(late)
    }

    fn view(&self, title: &str, why: &str) -> Value {
        let facts = self.facts;
        context! {
            incident => one_line(&facts.incident),
            severity => self.severity(),
            title => title,
            service => facts.service.as_deref().map(one_line),
            why => why,
            since => self.since(),
            late => self.late().map(show_roughly),
            late_minutes => self.late().map(|late| late.as_mins()),
            url => facts.url.as_deref(),
            acknowledge_url => facts.acknowledge_url.as_deref(),
            takes_replies => facts.takes_replies,
            is_test => facts.is_test,
            organization => one_line(&self.catalog.organization.name),
            command => self.catalog.slack.command.as_str(),
        }
    }

    fn render(&self, name: &str, title: &str, why: &str) -> anyhow::Result<String> {
        self.templates
            .get_template(name)
            .and_then(|template| template.render(self.view(title, why)))
            .with_context(|| format!("rendering the template {name}"))
    }

    /// The text message. Where it is too long, the title gives way, and before too little is left of it, the service and
    /// then the reason; at last whatever is no link.
    fn sms(&self) -> anyhow::Result<String> {
        let whole = self.short(&self.title, true, &self.why)?;
        if sms::fits(&whole) {
            return Ok(whole);
        }
        let enough = self.title.chars().count().min(TITLE_AT_LEAST);
        let mut kept = 0;
        for (with_service, why) in [(true, self.why.as_str()), (false, &self.why), (false, "")] {
            kept = self.longest(&self.title, |title| self.short(title, with_service, why))?;
            if kept >= enough {
                return self.short(&cut(&self.title, kept), with_service, why);
            }
            if !why.is_empty() && !with_service {
                // Not the whole reason, but some of it beside enough of the title.
                let title = cut(&self.title, enough);
                let some = self.longest(why, |why| self.short(&title, false, why))?;
                let text = self.short(&title, false, &cut(why, some))?;
                if some >= WHY_AT_LEAST && sms::fits(&text) {
                    return Ok(text);
                }
            }
        }
        Ok(sms::cut(&self.short(&cut(&self.title, kept), false, "")?))
    }

    /// How many characters of a text can be kept at the most, so that what is made of it fits.
    fn longest(
        &self,
        text: &str,
        make: impl Fn(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<usize> {
        // 3 characters are the dots alone.
        let (mut fits, mut too_long) = (3, text.chars().count() + 1);
        while fits + 1 < too_long {
            let middle = fits.midpoint(too_long);
            match sms::fits(&make(&cut(text, middle))?) {
                true => fits = middle,
                false => too_long = middle,
            }
        }
        Ok(fits)
    }

    fn short(&self, title: &str, with_service: bool, why: &str) -> anyhow::Result<String> {
        let facts = PageFacts {
            service: self.facts.service.clone().filter(|_| with_service),
            ..self.facts.clone()
        };
        let words = Words {
            facts: &facts,
            title: String::new(),
            why: String::new(),
            ..*self
        };
        let text = words.render("sms/page.txt.j2", title, why)?;
        let lines = text.lines().map(one_line).filter(|line| !line.is_empty());
        Ok(sms::plain(&lines.collect::<Vec<_>>().join("\n")))
    }

    /// The names are those that a template of `[notifications.webhook]` may use (`config::trial`); whose it is and its key
    /// are added when it is sent.
    fn for_programs(&self, subject: &str, short: &str, content: &str) -> serde_json::Value {
        let facts = self.facts;
        json!({
            "event": match facts.is_test {
                true => "test",
                false => "page",
            },
            "incident": facts.incident,
            "page": facts.page,
            "severity": self.severity(),
            "title": self.title,
            "service": facts.service.as_deref().map(one_line),
            "why": self.why,
            "since": facts.since.to_string(),
            "subject": subject,
            "short": short,
            "content": content,
            "url": facts.url,
            "acknowledge_url": facts.acknowledge_url,
            "organization": self.catalog.organization.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sms::segments;
    use crate::templates;

    fn facts() -> PageFacts {
        PageFacts {
            incident: "INC-2025-0914-001".to_owned(),
            page: 3,
            severity: "P1 - Critical".to_owned(),
            title: "checkout is down".to_owned(),
            service: Some("Checkout".to_owned()),
            why: "step 2 of 4 of leadership".to_owned(),
            since: "2025-09-14T21:00:00Z".parse().unwrap(),
            ordered_at: "2025-09-14T21:15:00Z".parse().unwrap(),
            now: "2025-09-14T21:15:01Z".parse().unwrap(),
            url: Some("https://firebell.example.com/incidents/INC-2025-0914-001".to_owned()),
            acknowledge_url: Some("https://firebell.example.com/ack/x".to_owned()),
            takes_replies: true,
            is_test: false,
        }
    }

    fn said(facts: &PageFacts) -> PageText {
        page_text(&templates::environment(None), &Catalog::default(), facts).unwrap()
    }

    #[test]
    fn a_page_says_who_is_wanted_for_what_and_how_to_answer() {
        let page = said(&facts());
        let told = format!(
            "# {}\n{}\n---\n{}\n---\n{}",
            page.subject, page.text, page.sms, page.spoken
        );
        insta::assert_snapshot!(told, @r"
        # [P1] INC-2025-0914-001: checkout is down
        You are paged: step 2 of 4 of leadership.

        - Incident: INC-2025-0914-001
        - Severity: P1
        - What: checkout is down
        - Service: Checkout
        - Since: 2025-09-14 21:00 UTC
        - Page: https://firebell.example.com/incidents/INC-2025-0914-001

        Acknowledge: https://firebell.example.com/ack/x
        (The page that opens has one button; opening it changes nothing.)

        Firebell

        ---
        P1 INC-2025-0914-001: checkout is down (Checkout)
        step 2 of 4 of leadership
        Reply 1: I have it, 4: pass on
        https://firebell.example.com/incidents/INC-2025-0914-001
        ---
        This is Firebell with a page for Firebell. P1: checkout is down. It is about Checkout. You are paged: step 2 of 4 of leadership.
        ");
        insta::assert_snapshot!(page.html, @r#"
        <!doctype html>
        <html lang="en">
        <body style="font: 16px/1.5 sans-serif; color: #1d1c1d; max-width: 40em">
        <p style="font-size: 20px"><strong>P1</strong> checkout is down</p>
        <p>You are paged: step 2 of 4 of leadership.</p>
        <p><a href="https:&#x2f;&#x2f;firebell.example.com&#x2f;ack&#x2f;x" style="display: inline-block; padding: 12px 24px; background: #b3261e; color: #fff; text-decoration: none; border-radius: 4px">Acknowledge</a></p>
        <table cellpadding="4">
        <tr><td>Incident</td><td><a href="https:&#x2f;&#x2f;firebell.example.com&#x2f;incidents&#x2f;INC-2025-0914-001">INC-2025-0914-001</a></td></tr>
        <tr><td>Service</td><td>Checkout</td></tr>
        <tr><td>Since</td><td>2025-09-14 21:00 UTC</td></tr>
        </table>
        <p style="color: #616061">Firebell</p>
        </body>
        </html>
        "#);
    }

    #[test]
    fn without_a_public_address_a_page_is_answered_in_slack() {
        let page = said(&PageFacts {
            url: None,
            acknowledge_url: None,
            takes_replies: false,
            service: None,
            ..facts()
        });
        let told = format!("{}\n---\n{}\n---\n{}", page.text, page.sms, page.spoken);
        insta::assert_snapshot!(told, @r"
        You are paged: step 2 of 4 of leadership.

        - Incident: INC-2025-0914-001
        - Severity: P1
        - What: checkout is down
        - Service: not known yet
        - Since: 2025-09-14 21:00 UTC

        Acknowledge in Slack: /incident ack INC-2025-0914-001

        Firebell

        ---
        P1 INC-2025-0914-001: checkout is down
        step 2 of 4 of leadership
        Answer in Slack: /incident ack INC-2025-0914-001
        ---
        This is Firebell with a page for Firebell. P1: checkout is down. You are paged: step 2 of 4 of leadership.
        ");
    }

    #[test]
    fn a_page_that_leaves_late_says_so_in_every_way() {
        let facts = facts();
        let page = said(&PageFacts {
            now: facts.ordered_at + SignedDuration::from_mins(65),
            ..facts.clone()
        });
        for told in [&page.text, &page.html, &page.sms] {
            assert!(told.contains("1h5m"), "{told}");
        }
        assert!(page.sms.contains("(1h5m late)"), "{}", page.sms);
        assert!(
            page.spoken.contains("This call is 65 minutes late."),
            "{}",
            page.spoken
        );
        let page = said(&PageFacts {
            now: facts.ordered_at + HELD_UP,
            ..facts
        });
        for told in [&page.text, &page.html, &page.sms, &page.spoken] {
            assert!(!told.to_lowercase().contains("late"), "{told}");
        }
    }

    #[test]
    fn a_test_says_that_it_is_one_in_every_way() {
        let page = said(&PageFacts {
            is_test: true,
            ..facts()
        });
        for told in [
            &page.subject,
            &page.text,
            &page.html,
            &page.sms,
            &page.spoken,
        ] {
            assert!(told.to_lowercase().contains("test"), "{told}");
        }
        assert_eq!(page.facts["event"], "test");
    }

    #[test]
    fn what_comes_from_outside_adds_no_line_and_no_tag() {
        let page = said(&PageFacts {
            title: "x\r\nBcc: all@example.com\n<script>\u{202e}".to_owned(),
            why: "paged by bo: <b>\n\nnow".to_owned(),
            ..facts()
        });
        assert_eq!(
            page.subject,
            "[P1] INC-2025-0914-001: x Bcc: all@example.com <script>"
        );
        assert!(
            !page.html.contains("<script>") && !page.html.contains("<b>"),
            "{}",
            page.html
        );
        assert_eq!(page.sms.lines().count(), 4, "{}", page.sms);
        assert!(!page.spoken.contains('\n'));
    }

    #[test]
    fn a_text_message_takes_two_segments_however_long_the_title_is() {
        let mut shown = Vec::new();
        for (title, why) in [
            ("checkout ".repeat(100), "step 1 of leadership".to_owned()),
            ("нет связи ".repeat(100), "step 1 of leadership".to_owned()),
            (
                "🔥".repeat(300),
                "paged by bo: ".to_owned() + &"please ".repeat(100),
            ),
            ("down".to_owned(), "why ".repeat(400)),
        ] {
            let page = said(&PageFacts {
                title,
                why,
                ..facts()
            });
            let sent = format!("{}\n#XXXXXX", page.sms);
            assert_eq!(segments(&sent), 2, "{sent}");
            assert!(page.sms.contains("..."), "{}", page.sms);
            shown.push(page.sms.clone());
            let link = facts().url.unwrap();
            assert!(page.sms.contains(&link), "{}", page.sms);
        }
        insta::assert_snapshot!(shown.join("\n\n"), @r"
        P1 INC-2025-0914-001: checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout checkout... (Checkout)
        step 1 of leadership
        Reply 1: I have it, 4: pass on
        https://firebell.example.com/incidents/INC-2025-0914-001

        P1 INC-2025-0914-001: нет связи нет...
        Reply 1: I have it, 4: pass on
        https://firebell.example.com/incidents/INC-2025-0914-001

        P1 INC-2025-0914-001: 🔥🔥🔥🔥🔥🔥...
        Reply 1: I have it, 4: pass on
        https://firebell.example.com/incidents/INC-2025-0914-001

        P1 INC-2025-0914-001: down
        why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why why...
        Reply 1: I have it, 4: pass on
        https://firebell.example.com/incidents/INC-2025-0914-001
        ");
    }
}
