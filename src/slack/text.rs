//! Text as people typed it, out of text as Slack sends it.

/// Takes Slack's escapes out of a text (slack-contract.md sections 2 and 9): `<@U1|ana>` becomes `@ana`, `<#C1|ops>`
/// `#ops`, `<https://x|label>` `https://x`, `&lt;` `<`. What is kept is plain text; it is escaped again where it is shown.
///
/// `name_of` gives the name of a user whom Slack mentions by id alone.
pub fn unescape(text: &str, name_of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&entities(&rest[..open]));
        let Some(length) = rest[open..].find('>') else {
            out.push_str(&entities(&rest[open..]));
            return clean(out);
        };
        out.push_str(&token(&rest[open + 1..open + length], &name_of));
        rest = &rest[open + length + 1..];
    }
    out.push_str(&entities(rest));
    clean(out)
}

/// What stands between `<` and `>`.
fn token(token: &str, name_of: &impl Fn(&str) -> Option<String>) -> String {
    let (head, label) = match token.split_once('|') {
        Some((head, label)) => (
            head,
            Some(entities(label)).filter(|label| !label.is_empty()),
        ),
        None => (token, None),
    };
    if let Some(id) = head.strip_prefix('@') {
        format!(
            "@{}",
            label
                .or_else(|| name_of(id))
                .unwrap_or_else(|| id.to_owned())
        )
    } else if let Some(id) = head.strip_prefix('#') {
        format!("#{}", label.unwrap_or_else(|| id.to_owned()))
    } else if let Some(special) = head.strip_prefix('!') {
        // `<!date^…|fallback>`, `<!subteam^S…|@group>`, `<!here>`
        label.unwrap_or_else(|| format!("@{}", special.split('^').next().unwrap_or(special)))
    } else {
        entities(head.strip_prefix("mailto:").unwrap_or(head))
    }
}

fn entities(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Takes out characters that no person types: those that some databases refuse, and those that turn the direction of
/// writing around, so that a line reads as what it is not.
pub fn clean(mut text: String) -> String {
    text.retain(|c| c == '\n' || c == '\t' || !(c.is_control() || turns_around(c)));
    text
}

fn turns_around(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a text to a number of code points, which is how Slack counts (slack-contract.md section 7), visibly.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit.saturating_sub(1)).collect();
    // No half of an escape: `&am…` would show as such.
    if let Some(begun) = out.rfind('&')
        && out.len() - begun <= "&amp".len()
        && text[begun..]
            .split_once(';')
            .is_some_and(|(name, _)| name.len() <= "&amp".len())
        && !out[begun..].contains(';')
    {
        out.truncate(begun);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        unescape(text, |id| (id == "U1").then(|| "ana".to_owned()))
    }

    #[test]
    fn mentions_links_and_entities_become_what_was_typed() {
        assert_eq!(
            plain("hi <@U1>, <@U2|bo> and <@U3>"),
            "hi @ana, @bo and @U3"
        );
        assert_eq!(plain("see <#C1|ops> and <#C2|>"), "see #ops and #C2");
        assert_eq!(
            plain("<https://x.example/?a=1&amp;b=2|label> <mailto:a@b.c|a@b.c>"),
            "https://x.example/?a=1&b=2 a@b.c"
        );
        assert_eq!(
            plain("<!here> <!subteam^S1|@sre> a &lt; b &amp;&amp; c"),
            "@here @sre a < b && c"
        );
    }

    #[test]
    fn what_is_no_token_stays() {
        assert_eq!(plain("a <b"), "a <b");
        assert_eq!(plain("100% &amp;lt;"), "100% &lt;");
        assert_eq!(plain("nul\0 and\u{1b}[31m"), "nul and[31m");
        assert_eq!(
            plain("\u{202e}gpj.exe\u{202c} \u{2066}x\u{2069}"),
            "gpj.exe x"
        );
    }

    #[test]
    fn a_cut_counts_code_points_and_shows() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("🚨🚨🚨", 2), "🚨…");
        assert_eq!(cut("a &amp; b", 5), "a …");
        assert_eq!(cut("a &amp; b", 8), "a &amp;…");
        assert_eq!(cut("AT&T and more", 6), "AT&T …");
    }
}
