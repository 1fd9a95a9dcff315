//! The words of every message and page: minijinja over `templates/`, embedded in the binary, each file overridable by
//! one of the same name in a folder `templates/` beside the configuration.
//!
//! Text from outside (people, alerts, AWS) is made harmless here and nowhere else: what a template prints with
//! `{{ … }}` is escaped for the place it goes to, which the file's name tells. What a template says itself is trusted.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

/// The templates that ship with the binary.
const EMBEDDED: &[(&str, &str)] = &[
    (
        "email/declared.txt.j2",
        include_str!("../templates/email/declared.txt.j2"),
    ),
    (
        "email/page.html.j2",
        include_str!("../templates/email/page.html.j2"),
    ),
    (
        "email/page.txt.j2",
        include_str!("../templates/email/page.txt.j2"),
    ),
    (
        "email/resolved.txt.j2",
        include_str!("../templates/email/resolved.txt.j2"),
    ),
    (
        "email/update.txt.j2",
        include_str!("../templates/email/update.txt.j2"),
    ),
    (
        "export/postmortem.css.j2",
        include_str!("../templates/export/postmortem.css.j2"),
    ),
    (
        "export/postmortem.html.j2",
        include_str!("../templates/export/postmortem.html.j2"),
    ),
    (
        "export/postmortem.md.j2",
        include_str!("../templates/export/postmortem.md.j2"),
    ),
    (
        "pages/acknowledge.html.j2",
        include_str!("../templates/pages/acknowledge.html.j2"),
    ),
    (
        "pages/ledger.html.j2",
        include_str!("../templates/pages/ledger.html.j2"),
    ),
    (
        "slack/announcement.mrkdwn.j2",
        include_str!("../templates/slack/announcement.mrkdwn.j2"),
    ),
    (
        "slack/belated.mrkdwn.j2",
        include_str!("../templates/slack/belated.mrkdwn.j2"),
    ),
    (
        "slack/card.mrkdwn.j2",
        include_str!("../templates/slack/card.mrkdwn.j2"),
    ),
    (
        "slack/checklist.mrkdwn.j2",
        include_str!("../templates/slack/checklist.mrkdwn.j2"),
    ),
    (
        "slack/alert.mrkdwn.j2",
        include_str!("../templates/slack/alert.mrkdwn.j2"),
    ),
    (
        "slack/cut-off.mrkdwn.j2",
        include_str!("../templates/slack/cut-off.mrkdwn.j2"),
    ),
    (
        "slack/leads.mrkdwn.j2",
        include_str!("../templates/slack/leads.mrkdwn.j2"),
    ),
    (
        "slack/ledger.mrkdwn.j2",
        include_str!("../templates/slack/ledger.mrkdwn.j2"),
    ),
    (
        "slack/links.mrkdwn.j2",
        include_str!("../templates/slack/links.mrkdwn.j2"),
    ),
    (
        "slack/note.mrkdwn.j2",
        include_str!("../templates/slack/note.mrkdwn.j2"),
    ),
    (
        "slack/notice.mrkdwn.j2",
        include_str!("../templates/slack/notice.mrkdwn.j2"),
    ),
    (
        "slack/page.mrkdwn.j2",
        include_str!("../templates/slack/page.mrkdwn.j2"),
    ),
    (
        "slack/page-over.mrkdwn.j2",
        include_str!("../templates/slack/page-over.mrkdwn.j2"),
    ),
    (
        "slack/purpose.txt.j2",
        include_str!("../templates/slack/purpose.txt.j2"),
    ),
    (
        "slack/reminder.mrkdwn.j2",
        include_str!("../templates/slack/reminder.mrkdwn.j2"),
    ),
    (
        "slack/resolved.mrkdwn.j2",
        include_str!("../templates/slack/resolved.mrkdwn.j2"),
    ),
    (
        "slack/samples.mrkdwn.j2",
        include_str!("../templates/slack/samples.mrkdwn.j2"),
    ),
    (
        "slack/topic.txt.j2",
        include_str!("../templates/slack/topic.txt.j2"),
    ),
    (
        "slack/update.mrkdwn.j2",
        include_str!("../templates/slack/update.mrkdwn.j2"),
    ),
    (
        "sms/page.txt.j2",
        include_str!("../templates/sms/page.txt.j2"),
    ),
    (
        "voice/page.txt.j2",
        include_str!("../templates/voice/page.txt.j2"),
    ),
];

/// Work that one rendering may do: a template that loops for ever is an error, not a hanging bot. The longest of ours
/// uses a hundredth of it.
const FUEL: u64 = 1_000_000;

/// The name of the escape for Slack's mrkdwn.
const MRKDWN: &str = "mrkdwn";

/// The folder beside the configuration.
const FOLDER: &str = "templates";

/// Makes the environment; `beside` is the folder of the configuration.
pub fn environment(beside: Option<&Path>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_syntax(on_lines_of_their_own());
    env.set_auto_escape_callback(escape_for);
    env.set_formatter(format);
    // `|safe` would let text from outside through untouched.
    env.remove_filter("safe");
    env.add_filter("person", person);
    env.add_filter("channel", channel);
    env.add_filter("time", time);
    env.add_filter("link", link);
    env.add_filter("quoted", quoted);
    env.add_filter("bold", |text: String| Value::from_safe_string(bold(&text)));
    let folder: Option<PathBuf> = beside.map(|folder| folder.join(FOLDER));
    env.set_loader(move |name| {
        if let Some(folder) = &folder
            && let Some(own) = minijinja::path_loader(folder)(name)?
        {
            return Ok(Some(own));
        }
        Ok(EMBEDDED
            .iter()
            .find(|(embedded, _)| *embedded == name)
            .map(|(_, text)| (*text).to_owned().into()))
    });
    env
}

/// The scripted outages of the demo: the name of each, and its TOML.
pub fn scenarios() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        (
            "checkout-is-down",
            include_str!("../templates/scenarios/checkout-is-down.toml"),
        ),
        (
            "an-alert-calls",
            include_str!("../templates/scenarios/an-alert-calls.toml"),
        ),
    ]
    .into_iter()
}

/// The names of all templates that ship with the binary.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

/// The files of the folder beside the configuration that take the place of none of ours, and that none of its files
/// uses: `slack/crad.mrkdwn.j2`.
pub fn strays(beside: &Path) -> Vec<String> {
    let folder = beside.join(FOLDER);
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).into_iter().flatten().flatten() {
            let path = entry.path();
            // `.git`, `.DS_Store`, and what editors leave.
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(inside) = path.strip_prefix(&folder) {
                files.push((inside.to_string_lossy().replace('\\', "/"), path.clone()));
            }
        }
    }
    let texts: Vec<String> = files
        .iter()
        .filter_map(|(_, path)| std::fs::read_to_string(path).ok())
        .collect();
    let is_used = |name: &str| {
        let quoted = [format!("\"{name}\""), format!("'{name}'")];
        names().any(|known| known == name)
            || texts
                .iter()
                .any(|text| quoted.iter().any(|it| text.contains(it)))
    };
    let mut strays: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    strays.retain(|name| !is_used(name));
    strays.sort();
    strays
}

/// A tag that stands on a line of its own leaves no line behind.
fn on_lines_of_their_own() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .unwrap_or_default()
}

fn escape_for(name: &str) -> AutoEscape {
    if name.ends_with(".html.j2") {
        AutoEscape::Html
    } else if name.ends_with(".mrkdwn.j2") {
        AutoEscape::Custom(MRKDWN.into())
    } else {
        AutoEscape::None
    }
}

fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match state.auto_escape() {
        AutoEscape::Custom(name) if name == MRKDWN && !value.is_undefined() => {
            if value.is_safe() {
                write!(out, "{value}").map_err(Error::from)
            } else if value.is_none() {
                Ok(())
            } else {
                out.write_str(&mrkdwn(&value.to_string()))
                    .map_err(Error::from)
            }
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// Makes text harmless in Slack's mrkdwn: the three characters that Slack decodes (slack-contract.md section 9) are
/// escaped, so that it can neither ping nor link; a back-tick, which has no escape, becomes its look-alike, so that it
/// cannot open a code span; characters that turn the direction of the text around are left out.
///
/// Whom somebody mentioned in Slack we know by id alone (`@U012ABCDE`): Slack shows the name, and tells that one person.
pub fn mrkdwn(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '@'
            && !out.ends_with(char::is_alphanumeric)
            && let Some(id) = user_id(&rest[1..])
        {
            out.push_str(&format!("<@{id}>"));
            rest = &rest[1 + id.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' => out.push('\u{2bb}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\r' if rest.starts_with('\n') => {}
            c if ends_line(c) => out.push('\n'),
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}' => {}
            c => out.push(c),
        }
    }
    out
}

/// Whatever a client may show as the end of a line is one.
fn ends_line(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Text of several lines, made harmless, with each line shown as a quotation, so that none can pass for a line of ours.
/// After words of ours, on their line, its first line is known as theirs by its place: see [`quoted_rest`].
pub fn quote(text: &str) -> String {
    quote_from(&mrkdwn(text), 0)
}

/// The same of all lines but the first.
pub fn quoted_rest(text: &str) -> String {
    quote_from(&mrkdwn(text), 1)
}

/// Text with a quotation mark before each line from that one on.
fn quote_from(text: &str, first: usize) -> String {
    let lines = text.trim().lines().enumerate();
    let lines = lines.map(|(n, line)| match (n < first, line.trim_end()) {
        (true, line) => line.to_owned(),
        (false, "") => ">".to_owned(),
        (false, line) => format!("> {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Text in bold, made harmless: an asterisk, which has no escape and would end it, becomes its look-alike, and a line's
/// end a blank.
pub fn bold(text: &str) -> String {
    let text = mrkdwn(text).replace('*', "\u{2217}").replace('\n', " ");
    match text.trim() {
        "" => String::new(),
        text => format!("*{text}*"),
    }
}

/// The Slack user id with which a text begins: `U` or `W`, then capitals and digits, nine and more in all.
fn user_id(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let ends = !text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (end >= 9 && ends && text.starts_with(['U', 'W'])).then(|| &text[..end])
}

/// `{{ who|person }}`: a mention that pings, if Slack knows the person; else the name.
fn person(who: &Value) -> Result<Value, Error> {
    if who.is_none() || who.is_undefined() {
        return Ok(Value::from("nobody"));
    }
    let slack = who
        .get_attr("slack")
        .ok()
        .and_then(|id| id.as_str().map(str::to_owned));
    let name = who
        .get_attr("name")
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned));
    Ok(match (slack, name) {
        (Some(id), _) => Value::from_safe_string(format!("<@{}>", proved(&id, "a Slack user id")?)),
        (None, Some(name)) => Value::from(format!("@{name}")),
        (None, None) => return Err(wrong("`person` wants a person")),
    })
}

/// `{{ text|quoted }}`: text from outside that may have several lines, each marked as quoted. `{{ text|quoted(rest=true) }}`
/// leaves the first as it is, where that follows words of ours on their line.
fn quoted(state: &State, text: &Value, options: Kwargs) -> Result<Value, Error> {
    let rest = options.get::<Option<bool>>("rest")?.unwrap_or(false);
    options.assert_all_used()?;
    if text.is_none() {
        return Ok(Value::from(""));
    }
    let text = text.to_string();
    let first = usize::from(rest);
    Ok(match state.auto_escape() {
        AutoEscape::Custom(name) if name == MRKDWN => {
            Value::from_safe_string(quote_from(&mrkdwn(&text), first))
        }
        _ => {
            let text = text.replace("\r\n", "\n").replace(ends_line, "\n");
            Value::from(quote_from(&text, first))
        }
    })
}

/// `{{ id|channel }}`: a link to a channel.
fn channel(id: &str) -> Result<Value, Error> {
    Ok(Value::from_safe_string(format!(
        "<#{}>",
        proved(id, "a Slack channel id")?
    )))
}

/// `{{ moment|time }}`: a moment, shown by Slack in the reader's own zone (slack-contract.md section 9, "Dates"). A
/// moment is `{unix, utc}`: seconds since 1970, and its words for those whose client does not render dates.
fn time(moment: &Value, options: Kwargs) -> Result<Value, Error> {
    let short: bool = options.get::<Option<bool>>("short")?.unwrap_or(false);
    options.assert_all_used()?;
    let unix = moment
        .get_attr("unix")?
        .as_i64()
        .ok_or_else(|| wrong("`time` wants a moment"))?;
    let utc = moment.get_attr("utc")?;
    let tokens = if short {
        "{time}"
    } else {
        "{date_short_pretty} {time}"
    };
    Ok(Value::from_safe_string(format!(
        "<!date^{unix}^{tokens}|{}>",
        mrkdwn(&utc.to_string())
    )))
}

/// `{{ url|link("the dashboard") }}`: a link. Only web addresses; anything else stays text.
fn link(url: &str, label: &str) -> Value {
    let harmless = !url.contains(['|', '>', '<', ' ', '\n']);
    if harmless && (url.starts_with("https://") || url.starts_with("http://")) {
        Value::from_safe_string(format!("<{url}|{}>", mrkdwn(label)))
    } else {
        Value::from(format!("{label} ({url})"))
    }
}

/// An id goes between `<` and `>` unescaped, so it is held to its alphabet here, wherever it came from.
fn proved<'a>(id: &'a str, what: &str) -> Result<&'a str, Error> {
    if !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        Ok(id)
    } else {
        Err(wrong(&format!("this is not {what}")))
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn render(template: &str, context: Value) -> Result<String, Error> {
        let mut env = environment(None);
        env.add_template_owned("t.mrkdwn.j2", template.to_owned())?;
        env.get_template("t.mrkdwn.j2")?.render(context)
    }

    #[test]
    fn text_from_outside_can_neither_ping_nor_open_a_code_span() {
        let shown = render("{{ text }}", context! { text => "<!channel> & <@U1> `rm`" }).unwrap();
        assert_eq!(shown, "&lt;!channel&gt; &amp; &lt;@U1&gt; \u{2bb}rm\u{2bb}");
    }

    #[test]
    fn no_line_of_a_quoted_text_can_pass_for_one_of_ours() {
        let text =
            " down\r\n*Acknowledged by:* <@U1>\u{2028}[Resolve]\n\n:white_check_mark: *Over*\r> x ";
        let shown = |template: &str| render(template, context! { text }).unwrap();
        assert_eq!(
            shown("{{ text|quoted }}"),
            "> down\n> *Acknowledged by:* &lt;@U1&gt;\n> [Resolve]\n>\n> :white_check_mark: *Over*\n> &gt; x"
        );
        assert_eq!(
            shown("*Impact:* {{ text|quoted(rest=true) }}"),
            "*Impact:* down\n> *Acknowledged by:* &lt;@U1&gt;\n> [Resolve]\n>\n> :white_check_mark: *Over*\n> &gt; x"
        );
        assert_eq!(
            render("{{ text|quoted }}", context! { text => () }).unwrap(),
            ""
        );
        let mut letter = environment(None);
        letter
            .add_template("t.txt.j2", "- Impact: {{ text|quoted(rest=true) }}")
            .unwrap();
        let letter = letter.get_template("t.txt.j2").unwrap();
        for end in [
            "\n", "\r\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}",
        ] {
            let text = format!("slow{end}- Current Status: Resolved");
            assert_eq!(
                letter.render(context! { text }).unwrap(),
                "- Impact: slow\n> - Current Status: Resolved"
            );
        }
    }

    #[test]
    fn text_in_bold_cannot_end_it() {
        let shown = render("{{ text|bold }}!", context! { text => " *.a\n<b> " }).unwrap();
        assert_eq!(shown, "*\u{2217}.a &lt;b&gt;*!");
    }

    #[test]
    fn the_escape_survives_filters() {
        let text = "<!here>";
        for template in [
            "{{ text|upper }}",
            "{{ [text]|join(',') }}",
            "{{ text ~ '' }}",
            "{{ text|replace('h', 'x') }}",
        ] {
            let shown = render(template, context! { text }).unwrap();
            assert!(!shown.contains('<'), "{template}: {shown}");
        }
        assert!(render("{{ text|safe }}", context! { text }).is_err());
    }

    #[test]
    fn a_person_is_mentioned_by_a_proved_id_only() {
        let known = context! { who => context! { slack => "U0ALICE001", name => "alice" } };
        assert_eq!(render("{{ who|person }}", known).unwrap(), "<@U0ALICE001>");
        let unknown = context! { who => context! { name => "<!channel>" } };
        assert_eq!(
            render("{{ who|person }}", unknown).unwrap(),
            "@&lt;!channel&gt;"
        );
        let forged = context! { who => context! { slack => "U1> <!channel", name => "x" } };
        assert!(render("{{ who|person }}", forged).is_err());
    }

    #[test]
    fn a_link_leads_to_a_web_address_or_is_none() {
        let show =
            |url: &str| render("{{ url|link('the <dashboard>') }}", context! { url }).unwrap();
        assert_eq!(
            show("https://x.example/a"),
            "<https://x.example/a|the &lt;dashboard&gt;>"
        );
        assert_eq!(
            show("javascript:alert(1)"),
            "the &lt;dashboard&gt; (javascript:alert(1))"
        );
        assert_eq!(
            show("https://x|<!channel>"),
            "the &lt;dashboard&gt; (https://x|&lt;!channel&gt;)"
        );
    }

    #[test]
    fn an_undefined_name_is_an_error_and_so_is_an_endless_loop() {
        assert!(render("{{ nobody_defined_this }}", context! {}).is_err());
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(render(endless, context! {}).is_err());
    }

    #[test]
    fn a_folder_beside_the_configuration_overrides() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("templates/slack")).unwrap();
        std::fs::write(folder.path().join("templates/slack/topic.txt.j2"), "ours").unwrap();
        let env = environment(Some(folder.path()));
        assert_eq!(
            env.get_template("slack/topic.txt.j2")
                .unwrap()
                .render(())
                .unwrap(),
            "ours"
        );
        assert!(env.get_template("slack/update.mrkdwn.j2").is_ok());
        assert!(env.get_template("../../etc/passwd").is_err());
    }
}
