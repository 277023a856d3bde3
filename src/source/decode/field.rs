//! Cursors into a tree: a [`Field`] is a value that knows where it is and where to report,
//! [`Fields`] a table from which each known key is taken once and which then reports what is left.

use super::known::{Kind, Rule, Rules};
use super::report::Report;
use crate::source::tree::{Entry, Node, Value};
use std::fmt::Display;
use std::str::FromStr;

/// Linux' `MAX_ARG_STRLEN`, in bytes; an environment variable has its name in it too.
const MAX_ARGUMENT: usize = (128 << 10) - 256;

/// A value at a place.
#[derive(Clone)]
pub struct Field<'a> {
    pub node: &'a Node,
    pub path: String,
    pub report: &'a Report,
}

impl<'a> Field<'a> {
    /// Reports a problem with this value.
    pub fn problem(&self, message: impl Into<String>) {
        self.report.add(self.node.line, &self.path, message);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = self.node.value.describe();
        self.problem(format!("expected {what}, found {found}"));
        None
    }

    /// The text, for a string.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                self.expected("a string (put the value in quotes)")
            }
            _ => self.expected("a string"),
        }
    }

    /// Text for a program: line breaks and tabs are the only control characters.
    pub fn argument(&self) -> Option<String> {
        let text = self.text()?;
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        {
            self.problem("contains a control character other than tab and line breaks: remove it");
            return None;
        }
        if text.len() >= MAX_ARGUMENT {
            self.problem("is longer than 128 KiB, the most Linux passes to a program: use a file");
            return None;
        }
        Some(text.to_owned())
    }

    /// Text without any control character.
    pub fn line(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.chars().any(char::is_control) {
            self.problem("contains a control character: remove it");
            return None;
        }
        Some(text)
    }

    /// Text that is a `T` by `T`'s own rules.
    pub fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(advice(&error));
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number in a range.
    pub fn integer(&self, min: i64, max: i64) -> Option<i64> {
        match &self.node.value {
            Value::Int(number) if (min..=max).contains(number) => Some(*number),
            Value::Int(_) => {
                self.problem(format!("must be from {min} to {max}"));
                None
            }
            Value::Text(_) => self.expected("a whole number (without quotes)"),
            _ => self.expected("a whole number"),
        }
    }

    /// A whole number from `min` to the largest one the API takes here.
    pub fn count(&self, min: u32) -> Option<u32> {
        self.integer(i64::from(min), i64::from(i32::MAX))
            .and_then(|number| u32::try_from(number).ok())
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words
            .iter()
            .map(|(word, _)| *word)
            .filter(|word| !word.is_empty())
            .collect();
        self.problem(format!("unknown value: write {}", any_of(&names)));
        None
    }

    /// The items of a list.
    pub fn items(&self) -> Option<Vec<Field<'a>>> {
        let Value::Seq(items) = &self.node.value else {
            return self.expected("a list");
        };
        let item = |(index, node)| Field {
            node,
            path: format!("{}[{index}]", self.path),
            report: self.report,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The entries of a table with free keys, each with the line of its key.
    pub fn entries(&self) -> Option<Vec<(&'a Entry, Field<'a>)>> {
        let Value::Map(entries) = &self.node.value else {
            return self.expected("a table");
        };
        let field = |entry: &'a Entry| {
            let field = Field {
                node: &entry.node,
                path: format!("{}[{:?}]", self.path, entry.key),
                report: self.report,
            };
            (entry, field)
        };
        Some(entries.iter().map(field).collect())
    }

    /// The table, for a table with known keys.
    pub fn fields(&self, rules: &'static Rules) -> Option<Fields<'a>> {
        let Value::Map(entries) = &self.node.value else {
            return self.expected("a table");
        };
        Some(Fields {
            entries,
            rules,
            asked: Vec::new(),
            line: self.node.line,
            path: self.path.clone(),
            report: self.report,
        })
    }
}

/// A table from which known keys are taken.
pub struct Fields<'a> {
    entries: &'a [Entry],
    rules: &'static Rules,
    asked: Vec<&'static str>,
    line: usize,
    path: String,
    pub report: &'a Report,
}

impl<'a> Fields<'a> {
    /// The value of a key; a key without a value counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.node.value != Value::Null).then(|| Field {
            node: &entry.node,
            path: self.path_of(key),
            report: self.report,
        })
    }

    /// The value of a key that must be there.
    pub fn require(&mut self, key: &'static str) -> Option<Field<'a>> {
        let field = self.take(key);
        if field.is_none() {
            self.report
                .add(self.line, &self.path_of(key), "is missing: add it");
        }
        field
    }

    /// The strings of a list, each fit to be an argument; empty when absent.
    pub fn arguments(&mut self, key: &'static str) -> Option<Vec<String>> {
        match self.take(key) {
            Some(list) => collect(list.items()?.iter().map(Field::argument)),
            None => Some(Vec::new()),
        }
    }

    /// The items of a list through a function; empty when absent.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        item: impl FnMut(Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.take(key) {
            Some(list) => collect(list.items()?.into_iter().map(item)),
            None => Some(Vec::new()),
        }
    }

    /// A value through a function: `Some(None)` when absent, `None` when wrong.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        value: impl FnOnce(Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.take(key)
            .map_or(Some(None), |field| value(field).map(Some))
    }

    /// `true` or `false`; false when absent.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.optional(key, |field| field.boolean())
            .map(Option::unwrap_or_default)
    }

    /// Reports a problem with the table as a whole.
    pub fn problem(&self, message: impl Into<String>) {
        self.report.add(self.line, &self.path, message);
    }

    /// The line the table begins on.
    pub fn line(&self) -> usize {
        self.line
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), plain_key(key)) {
            ("", true) => key.to_owned(),
            (path, true) => format!("{path}.{key}"),
            (path, false) => format!("{path}[{key:?}]"),
        }
    }

    /// Judges the keys that nobody has taken.
    pub fn finish(self) {
        #[cfg(test)]
        super::asked::note(&self.path, &self.asked);
        for entry in self.entries {
            if !self.asked.contains(&entry.key.as_str()) {
                self.judge(entry);
            }
        }
    }

    fn judge(&self, entry: &'a Entry) {
        let field = Field {
            node: &entry.node,
            path: self.path_of(&entry.key),
            report: self.report,
        };
        let say = |message: String| self.report.add(entry.line, &field.path, message);
        match self.rules.iter().find(|(key, _)| *key == entry.key) {
            None => say(self.unknown(&entry.key)),
            Some(_) if entry.node.value == Value::Null => {}
            Some((_, Rule::Noted(kind))) => check_kind(&field, *kind),
            Some((_, Rule::Unset(hint))) => {
                if !entry.node.value.is_zero() {
                    say(not_yet(hint));
                }
            }
            Some((_, Rule::Later(hint))) => say(not_yet(hint)),
        }
    }

    fn unknown(&self, key: &str) -> String {
        let names = self.rules.iter().map(|(name, _)| *name);
        let known = self.asked.iter().copied().chain(names);
        match nearest(key, known) {
            Some(name) => format!("unknown field: did you mean `{name}`? If not, remove it"),
            None => "unknown field: remove it".to_owned(),
        }
    }
}

/// The text of an error, which has a colon when it says what to do.
pub fn advice(error: &impl Display) -> String {
    let mut text = error.to_string();
    if !text.contains(':') {
        text.push_str(": correct it");
    }
    text
}

fn not_yet(hint: &str) -> String {
    let comma = if hint.is_empty() { "" } else { ", " };
    format!("vks does not implement this field yet: remove it{comma}{hint}")
}

fn check_kind(field: &Field<'_>, kind: Kind) {
    // The value itself does not matter, only that it is of the API's kind.
    match kind {
        Kind::Text => drop(field.text()),
        Kind::Bool => drop(field.boolean()),
        Kind::Int => drop(field.integer(i64::MIN, i64::MAX)),
        Kind::List => drop(field.items()),
        Kind::Table => drop(field.entries()),
    }
}

/// All or nothing, but everything is looked at first.
pub fn collect<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}

/// `a`, `a or b`, `a, b or c`.
pub fn any_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn plain_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The known name closest to a key, if one is close.
pub fn nearest<'n>(key: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if key.len() > 64 {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let limit = 1 + key.len() / 5;
    names
        .map(|name| (distance(&key, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let change = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = change.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("image", "image", 0),
            ("imge", "image", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn only_close_names_are_proposed() {
        let names = || ["image", "command", "env"].into_iter();
        assert_eq!(nearest("Image", names()), Some("image"));
        assert_eq!(nearest("comand", names()), Some("command"));
        assert_eq!(nearest("zzz", names()), None);
    }
}
