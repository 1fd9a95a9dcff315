//! Opens the tables of a file one by one and notes everything that is wrong on the way, instead of stopping at the first.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::{Faults, Level};
use super::references::References;
use crate::domain::form::{WrongForm, nearest};

/// A file as TOML, as far as it is TOML.
pub struct File<'t> {
    root: Spanned<DeTable<'t>>,
    broken: Vec<(Range<usize>, String)>,
}

impl<'t> File<'t> {
    pub fn new(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let broken = errors
            .iter()
            .map(|error| (error.span().unwrap_or(0..0), error.message().to_owned()))
            .collect();
        Self { root, broken }
    }

    /// The whole file as a section.
    pub fn root<'r>(&'r self, reading: &'r Reading) -> Section<'r> {
        Section {
            reading,
            table: self.root.get_ref(),
            span: self.root.span(),
            label: "the file".to_owned(),
            is_root: true,
            asked: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// What has been noted while reading a file.
pub struct Reading {
    pub(super) faults: RefCell<Faults>,
    pub(super) references: RefCell<References>,
    /// Parts of the file that must not be shown.
    blots: RefCell<Vec<Range<usize>>>,
    /// The lines that are no TOML.
    broken_lines: Vec<usize>,
}

impl Reading {
    pub fn new(file: &File<'_>, name: &str, text: &str) -> Self {
        let mut faults = Faults::new(name, text);
        for (span, message) in &file.broken {
            let message = message.lines().next().unwrap_or("this is not TOML");
            faults.push(Level::Error, span.clone(), message, None);
        }
        Self {
            broken_lines: faults.iter().map(|fault| fault.line).collect(),
            faults: RefCell::new(faults),
            references: RefCell::default(),
            blots: RefCell::default(),
        }
    }

    /// Whether a part of the file could not be read; then nobody can say that something is missing.
    pub fn is_broken(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    pub fn fault(
        &self,
        level: Level,
        span: Range<usize>,
        message: impl AsRef<str>,
        help: Option<String>,
    ) {
        self.faults.borrow_mut().push(level, span, message, help);
    }

    /// Never shows this part of the file.
    pub fn blot(&self, span: Range<usize>) {
        self.blots.borrow_mut().push(span);
    }

    /// Everything that was noted, in the order of the file.
    pub fn finish(self) -> Faults {
        let mut faults = self.faults.into_inner();
        faults.settle(&self.broken_lines);
        for span in self.blots.into_inner() {
            faults.blot(span);
        }
        faults
    }
}

/// One table of the file. The keys that are asked for are the known ones; [`Section::close`] tells the others.
pub struct Section<'r> {
    pub reading: &'r Reading,
    table: &'r DeTable<'r>,
    span: Range<usize>,
    /// How it is named in messages: `[[severities]]`.
    label: String,
    is_root: bool,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// The value of a key that may be missing.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'r>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let inner = self.table.get(key)?;
        Some(Value {
            reading: self.reading,
            key,
            is_item: false,
            inner,
        })
    }

    /// What `read` makes of a key that may be missing.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'r>) -> Option<T>,
    ) -> Option<T> {
        self.value(key).and_then(read)
    }

    /// What `read` makes of a key that must be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'r>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value.and_then(read)
    }

    /// What `read` makes of every item of a list that may be missing.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(Value<'r>) -> Option<T>,
    ) -> Vec<T> {
        match self.value(key) {
            Some(value) => value.items().into_iter().filter_map(read).collect(),
            None => Vec::new(),
        }
    }

    /// What `read` makes of every item of a list that must be there and hold something.
    pub fn required_list<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(Value<'r>) -> Option<T>,
    ) -> Vec<T> {
        let Some(items) = self.required(key, |value| Some((value, value.array()?))) else {
            return Vec::new();
        };
        let (value, items) = items;
        if items.is_empty() {
            value.wrong(
                format!("`{key}` is empty"),
                "it must have at least one entry",
            );
        }
        items.into_iter().filter_map(read).collect()
    }

    /// The tables of a list, each written `[[key]]` or `{ … }`; `None` if the key is missing.
    pub fn tables(&mut self, key: &'static str, label: &str) -> Option<Vec<Section<'r>>> {
        let value = self.value(key)?;
        if value.inner.get_ref().is_table() {
            value.wrong(
                format!("`{key}` is a list, not a single table"),
                format!("begin each entry with {label}"),
            );
            return None;
        }
        let items = value.items().into_iter();
        Some(items.filter_map(|item| item.table(label)).collect())
    }

    /// A table in the table; `None` if the key is missing.
    pub fn section(&mut self, key: &'static str, label: &str) -> Option<Section<'r>> {
        self.value(key)?.table(label)
    }

    /// Every key with its value in the order of the file, for a table whose keys are free.
    pub fn entries(&self) -> Vec<(&'r str, Value<'r>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let reading = self.reading;
        let entry = |(key, inner): (&'r Spanned<_>, &'r Spanned<_>)| {
            let key: &'r std::borrow::Cow<'r, str> = key.get_ref();
            let value = Value {
                reading,
                key,
                is_item: false,
                inner,
            };
            (value.key, value)
        };
        entries.into_iter().map(entry).collect()
    }

    /// Tells the keys that nobody has asked for, and those that are missing: unless one of the former is likely one of
    /// the latter, written wrong.
    pub fn close(mut self) {
        // Where a heading could not be read, its keys have fallen to the file itself.
        let stray = self.is_root && self.reading.is_broken();
        for key in self.table.keys().filter(|_| !stray) {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let missing = nearest(name, self.missing.iter().copied());
            self.missing.retain(|key| Some(*key) != missing);
            let help = match missing.or_else(|| nearest(name, self.asked.iter().copied())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let message = format!("unknown key `{name}`");
            self.reading
                .fault(Level::Error, key.span(), message, Some(help));
        }
        if self.reading.is_broken() {
            return;
        }
        for key in &self.missing {
            let message = format!("`{key}` is missing in {}", self.label);
            self.fault(Level::Error, message, format!("add `{key} = …`"));
        }
    }

    /// Where it stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Complains about the table as a whole.
    pub fn fault(&self, level: Level, message: impl AsRef<str>, help: impl Into<String>) {
        self.reading
            .fault(level, self.span.clone(), message, Some(help.into()));
    }
}

/// A value of the file, with its place and the key it stands under.
#[derive(Clone, Copy)]
pub struct Value<'r> {
    pub reading: &'r Reading,
    pub key: &'r str,
    is_item: bool,
    inner: &'r Spanned<DeValue<'r>>,
}

impl<'r> Value<'r> {
    pub fn span(self) -> Range<usize> {
        self.inner.span()
    }

    pub fn get(self) -> &'r DeValue<'r> {
        self.inner.get_ref()
    }

    /// Complains about the value.
    pub fn wrong(self, message: impl AsRef<str>, help: impl Into<String>) {
        self.reading
            .fault(Level::Error, self.span(), message, Some(help.into()));
    }

    /// Doubts the value.
    pub fn doubtful(self, message: impl AsRef<str>, help: impl Into<String>) {
        self.reading
            .fault(Level::Warning, self.span(), message, Some(help.into()));
    }

    /// Complains that the value is not of the kind it should be: `"a string"`.
    pub fn wrong_type(self, expected: &str, help: &str) {
        let found = match self.get() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let what = match self.is_item {
            true => format!("an entry of `{}`", self.key),
            false => format!("`{}`", self.key),
        };
        self.wrong(format!("{what} must be {expected}, not {found}"), help);
    }

    /// Any string.
    pub fn string(self) -> Option<&'r str> {
        match self.get() {
            DeValue::String(text) => Some(text),
            DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_type("a string", "write one text in quotes");
                None
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                self.wrong_type("a string", "put it in quotes");
                None
            }
        }
    }

    /// A string in the form that `parse` proves.
    pub fn parse<T>(self, parse: impl FnOnce(&'r str) -> Result<T, WrongForm>) -> Option<T> {
        match parse(self.string()?) {
            Ok(value) => Some(value),
            Err(WrongForm { message, help }) => {
                self.reading.fault(Level::Error, self.span(), message, help);
                None
            }
        }
    }

    /// The items of a list.
    pub fn array(self) -> Option<Vec<Value<'r>>> {
        match self.get() {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .map(|inner| Value {
                        inner,
                        is_item: true,
                        ..self
                    })
                    .collect(),
            ),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => {
                self.wrong_type("a list", "put it in brackets: [ … ]");
                None
            }
        }
    }

    /// The items of a list; none if it is no list.
    pub fn items(self) -> Vec<Value<'r>> {
        self.array().unwrap_or_default()
    }

    /// A table.
    pub fn table(self, label: &str) -> Option<Section<'r>> {
        match self.get() {
            DeValue::Table(table) => Some(Section {
                reading: self.reading,
                table,
                span: self.span(),
                label: label.to_owned(),
                is_root: false,
                asked: Vec::new(),
                missing: Vec::new(),
            }),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                self.wrong_type(
                    "a table",
                    "write `{ key = value }`, or a section of its own",
                );
                None
            }
        }
    }
}
