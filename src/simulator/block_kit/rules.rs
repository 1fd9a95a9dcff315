//! The few kinds of rule that Block Kit's tables are made of, and the walk that applies them.

use serde_json::Value;

use super::{Problem, rich_text, shapes};

/// What a field must be. Lengths are counted in code points.
pub(super) enum Rule {
    /// A string of so many characters.
    Str(usize, usize),
    Bool,
    /// An integer in this range.
    Integer(i64, i64),
    /// A string that holds a number, as `number_input` wants it.
    NumberString,
    OneOf(&'static [&'static str]),
    /// A `plain_text` object of at most so many characters.
    Plain(usize),
    /// A `plain_text` or `mrkdwn` object of at most so many characters.
    Text(usize),
    /// An array of this, with so many items.
    Each(&'static Rule, usize, usize),
    /// An object without `type`.
    Is(&'static Shape),
    /// An element of one of these types.
    Element(&'static [&'static str]),
    /// A string in a format that is named in the complaint.
    Format(&'static str, fn(&str) -> bool),
    /// A `rich_text` object.
    RichText,
    /// Judged elsewhere, or not at all.
    Any,
}

/// The fields of an object: name, whether required, rule. Whatever is not named is rejected.
pub(super) struct Shape {
    pub fields: &'static [(&'static str, bool, Rule)],
    /// Of these fields exactly one must be there.
    pub exactly_one: &'static [&'static str],
}

/// Collects the problems of one document.
#[derive(Default)]
pub(super) struct Walk {
    pub problems: Vec<Problem>,
}

impl Walk {
    pub fn say(&mut self, message: &str, pointer: &str) {
        self.problems.push(Problem {
            message: message.into(),
            pointer: pointer.into(),
        });
    }

    pub fn object(&mut self, value: &Value, shape: &Shape, at: &str) {
        let Some(fields) = value.as_object() else {
            return self.say("must provide an object", at);
        };
        for (name, required, _) in shape.fields {
            if *required && !fields.contains_key(*name) {
                self.say(&format!("missing required field: {name}"), at);
            }
        }
        for (name, inside) in fields {
            match shape.fields.iter().find(|(known, ..)| known == name) {
                Some((_, _, rule)) => self.rule(inside, rule, &format!("{at}/{name}")),
                None => self.say(&format!("invalid additional property: {name}"), at),
            }
        }
        let given = shape
            .exactly_one
            .iter()
            .filter(|name| fields.contains_key(**name))
            .count();
        if !shape.exactly_one.is_empty() && given != 1 {
            self.say("failed to match exactly one allowed schema", at);
        }
    }

    pub fn rule(&mut self, value: &Value, rule: &Rule, at: &str) {
        match rule {
            Rule::Str(least, most) => match value.as_str() {
                Some(text) => self.length(text, *least, *most, at),
                None => self.say("must provide a string", at),
            },
            Rule::Bool if !value.is_boolean() => self.say("must be a boolean", at),
            Rule::Integer(least, most) => match value.as_i64() {
                None => self.say("must provide an integer", at),
                Some(number) if number < *least => {
                    self.say(&format!("must be greater than {}", least - 1), at)
                }
                Some(number) if number > *most => {
                    self.say(&format!("must be less than {}", most + 1), at)
                }
                Some(_) => {}
            },
            Rule::NumberString => match value.as_str() {
                None => self.say("must provide a string", at),
                Some(text) if text.parse::<f64>().is_err() => {
                    self.say("input must be a valid: number", at)
                }
                Some(_) => {}
            },
            Rule::OneOf(names) => match value.as_str() {
                None => self.say("must provide a string", at),
                Some(text) if !names.contains(&text) => self.say("must be a valid enum value", at),
                Some(_) => {}
            },
            Rule::Plain(most) => self.text(value, &["plain_text"], *most, at),
            Rule::Text(most) => self.text(value, &["plain_text", "mrkdwn"], *most, at),
            Rule::Each(rule, least, most) => self.each(value, rule, *least, *most, at),
            Rule::Is(shape) => self.object(value, shape, at),
            Rule::Element(kinds) => self.element(value, kinds, at),
            Rule::Format(name, fits) => match value.as_str() {
                None => self.say("must provide a string", at),
                Some(text) if !fits(text) => {
                    self.say(&format!("input must be a valid: {name}"), at)
                }
                Some(_) => {}
            },
            Rule::RichText if !value.is_object() => self.say("must provide an object", at),
            Rule::RichText => match value["type"].as_str() {
                Some("rich_text") => rich_text::judge(self, value, at),
                Some(kind) => self.say(&format!("unsupported type: {kind}"), &format!("{at}/type")),
                None => self.say("missing required field: type", at),
            },
            Rule::Bool | Rule::Any => {}
        }
    }

    fn each(&mut self, value: &Value, rule: &Rule, least: usize, most: usize, at: &str) {
        let Some(items) = value.as_array() else {
            return self.say("must provide an array", at);
        };
        if items.len() < least {
            self.say(&format!("must provide at least {least} items"), at);
        }
        if items.len() > most {
            self.say(&format!("no more than {most} items allowed"), at);
        }
        for (place, item) in items.iter().enumerate() {
            self.rule(item, rule, &format!("{at}/{place}"));
        }
    }

    fn length(&mut self, text: &str, least: usize, most: usize, at: &str) {
        let length = text.chars().count();
        if length < least {
            self.say(&format!("must be more than {} characters", least - 1), at);
        }
        if length > most {
            self.say(&format!("must be less than {} characters", most + 1), at);
        }
    }

    /// A text object. Slack complains twice: of the object as a whole, then of what is wrong inside.
    fn text(&mut self, value: &Value, kinds: &[&str], most: usize, at: &str) {
        let mut inside = Walk::default();
        match value["type"].as_str() {
            _ if !value.is_object() => inside.say("must provide an object", at),
            None => inside.say("missing required field: type", at),
            Some(kind) if !kinds.contains(&kind) => {
                inside.say(&format!("unsupported type: {kind}"), &format!("{at}/type"));
            }
            Some("plain_text") => inside.object(value, &shapes::PLAIN_TEXT, at),
            Some(_) => inside.object(value, &shapes::MRKDWN, at),
        }
        if let Some(text) = value["text"].as_str() {
            inside.length(text, 1, most, &format!("{at}/text"));
        }
        if !inside.problems.is_empty() {
            self.say("failed to match all allowed schemas", at);
            self.problems.extend(inside.problems);
        }
    }

    fn element(&mut self, value: &Value, kinds: &[&str], at: &str) {
        let Some(kind) = value["type"].as_str() else {
            let missing = if value.is_object() {
                "missing required field: type"
            } else {
                "must provide an object"
            };
            return self.say(missing, at);
        };
        let Some(shape) = shapes::element(kind).filter(|_| kinds.contains(&kind)) else {
            return self.say(&format!("unsupported type: {kind}"), &format!("{at}/type"));
        };
        if kind == "plain_text" || kind == "mrkdwn" {
            return self.text(value, kinds, 3000, at);
        }
        self.object(value, shape, at);
        self.initial_options(value, at);
        let bound = |name: &str| value[name].as_i64();
        if let (Some(least), Some(most)) = (bound("min_length"), bound("max_length"))
            && least > most
        {
            self.say(
                &format!("must be less than {}", most + 1),
                &format!("{at}/min_length"),
            );
        }
    }

    /// A preselected option must be one of the options, equal in every field.
    fn initial_options(&mut self, element: &Value, at: &str) {
        let grouped = element["option_groups"].as_array().into_iter().flatten();
        let mut options = grouped
            .filter_map(|group| group["options"].as_array())
            .flatten()
            .collect::<Vec<_>>();
        options.extend(element["options"].as_array().into_iter().flatten());
        if options.is_empty() {
            return;
        }
        let one = element
            .get("initial_option")
            .filter(|initial| initial.is_object());
        let several = element["initial_options"].as_array().into_iter().flatten();
        for initial in one.into_iter().chain(several) {
            if !options.iter().any(|option| same_option(option, initial)) {
                self.say("initial options must be among the options", at);
            }
        }
    }
}

/// Equal but for what the server fills in by itself.
fn same_option(a: &Value, b: &Value) -> bool {
    let described = |option: &Value| option["description"]["text"].as_str().map(str::to_owned);
    a["value"] == b["value"]
        && a["text"]["text"] == b["text"]["text"]
        && described(a) == described(b)
}
