//! One tree for all formats: what a manifest says before anybody knows what it means.
//!
//! YAML, JSON and TOML all become [`Node`]s with line numbers, so that everything after this module
//! is written once. Reading a tree is bounded: a file has a largest size, a tree has a largest depth,
//! number of values and amount of text, whatever aliases a YAML file plays with.

mod json;
mod toml;
mod write;
mod yaml;

pub use write::json_line;

use std::collections::HashSet;

/// The largest manifest file, in bytes.
pub const MAX_FILE: u64 = 4 << 20;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The largest number of values in a file, aliases expanded.
const MAX_NODES: usize = 200_000;
/// The largest amount of text in a file, in bytes, aliases expanded.
const MAX_TEXT: usize = 8 << 20;

/// The formats manifests are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.0, one table for each object.
    Toml,
    /// YAML 1.2 with the core schema, one object for each document.
    Yaml,
    /// JSON (RFC 8259).
    Json,
}

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// The value itself.
    pub value: Value,
}

/// What a manifest can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing; in the Kubernetes API the same as a field that is not there.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number, always finite.
    Float(f64),
    /// Text without NUL.
    Text(String),
    /// A list.
    Seq(Vec<Node>),
    /// A table; each key once, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, without NUL.
    pub key: String,
    /// The line of the key.
    pub line: usize,
    /// The value.
    pub node: Node,
}

impl Value {
    /// What it is, in words for people.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a fractional number",
            Self::Text(_) => "a string",
            Self::Seq(_) => "a list",
            Self::Map(_) => "a table",
        }
    }

    /// Whether it is what a field that is not there amounts to: nothing, false, 0 or empty.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Text(value) => value.is_empty(),
            Self::Seq(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }
}

impl Node {
    /// The value of a key, when this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }
}

/// Something wrong with the text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

/// What could be read of a file: with faults, the documents before and between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forest {
    /// The documents; only YAML has more than one.
    pub documents: Vec<Node>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Reads a file. Never panics; time and memory are bounded by the size of the text.
pub fn read(format: Format, text: &[u8]) -> Forest {
    let fault = |line, message: &str| Forest {
        documents: Vec::new(),
        faults: vec![Fault::new(line, message)],
    };
    if text.len() as u64 > MAX_FILE {
        return fault(0, "is larger than 4 MiB: split it into several files");
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let line = line_at(text, error.valid_up_to());
            return fault(line, "is not UTF-8 text: save the file as UTF-8");
        }
    };
    if let Some(at) = text.find('\0') {
        let line = line_at(text.as_bytes(), at);
        return fault(line, "contains a NUL character: remove it");
    }
    match format {
        Format::Toml => toml::read(text),
        Format::Yaml => yaml::read(text),
        Format::Json => json::read(text),
    }
}

fn line_at(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|&&b| b == b'\n').count()
}

/// What is left of the bounds of a tree, and the faults found on the way.
struct Builder {
    nodes: usize,
    text: usize,
    faults: Vec<Fault>,
}

/// A bound was reached: reading stops, the fault is noted.
#[derive(Debug)]
struct Stop;

impl Builder {
    fn new() -> Self {
        Self {
            nodes: MAX_NODES,
            text: MAX_TEXT,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, line: usize, message: impl Into<String>) {
        self.faults.push(Fault::new(line, message));
    }

    /// Pays for `nodes` values with `text` bytes.
    fn pay(&mut self, line: usize, nodes: usize, text: usize) -> Result<(), Stop> {
        match (self.nodes.checked_sub(nodes), self.text.checked_sub(text)) {
            (Some(nodes), Some(text)) => {
                self.nodes = nodes;
                self.text = text;
                Ok(())
            }
            _ => {
                self.fault(
                    line,
                    "the file holds more than 200000 values or 8 MiB of text, aliases expanded: \
                     split it into several files",
                );
                Err(Stop)
            }
        }
    }

    /// Checks the depth of a list or table.
    fn depth(&mut self, line: usize, depth: usize) -> Result<(), Stop> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        self.fault(
            line,
            "is nested more than 64 levels deep: no manifest needs that, flatten it",
        );
        Err(Stop)
    }

    /// Text for a value or key: NUL cannot reach a program, a file name or a unit.
    fn text(&mut self, line: usize, text: impl Into<String>) -> Result<String, Stop> {
        let text = text.into();
        self.pay(line, 1, text.len())?;
        if text.contains('\0') {
            self.fault(line, "contains a NUL character: remove it");
        }
        Ok(text)
    }
}

/// A table under construction: refuses a key that is already there.
#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    seen: HashSet<String>,
}

/// From this size on a table keeps a set of its keys.
const LARGE_TABLE: usize = 16;

impl Table {
    /// Whether the key is new; a fault is noted when it is not.
    fn claim(&mut self, builder: &mut Builder, key: &str, line: usize) -> bool {
        let twice = if self.entries.len() < LARGE_TABLE {
            self.entries.iter().any(|entry| entry.key == key)
        } else {
            if self.seen.is_empty() {
                self.seen = self.entries.iter().map(|entry| entry.key.clone()).collect();
            }
            !self.seen.insert(key.to_owned())
        };
        if twice {
            builder.fault(
                line,
                format!("the key {key:?} is there twice: remove one of them"),
            );
        }
        !twice
    }

    fn push(&mut self, key: String, line: usize, node: Node) {
        self.entries.push(Entry { key, line, node });
    }
}

#[cfg(test)]
mod tests;
