//! YAML 1.2 with the core schema, from the events of a YAML parser.
//!
//! Where YAML 1.1 (which Kubernetes reads) and 1.2 disagree in a way that would change a number, the
//! text is refused with a word on how to write it.

use super::{Builder, Entry, Forest, MAX_DEPTH, Node, Stop, Table, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Reads a file: each document that says something is one document.
pub fn read(text: &str) -> Forest {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        builder: Builder::new(),
    };
    let mut documents = Vec::new();
    // Stop means that the fault is noted.
    while let Ok(Some(node)) = reader.document() {
        if node.value != Value::Null {
            documents.push(node);
        }
    }
    Forest {
        documents,
        faults: reader.builder.faults,
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    builder: Builder,
}

type Tagged<'a> = Option<Cow<'a, Tag>>;

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, start.line())),
            Some(Err(error)) => self.broken(&error),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn broken<T>(&mut self, error: &ScanError) -> Result<T, Stop> {
        self.builder
            .fault(error.marker().line(), format!("not YAML: {}", error.info()));
        Err(Stop)
    }

    /// The next document, `None` at the end.
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        loop {
            let (event, _) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(_) => break,
                _ => {}
            }
        }
        self.anchors.clear();
        let (event, line) = self.next()?;
        self.node(event, line, 0).map(Some)
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Stop> {
        let (anchor, value) = match event {
            Event::Alias(id) => return self.alias(id, line, depth),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(text, style, tag, line)?)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag, "seq", line);
                (anchor, self.list(line, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag, "map", line);
                (anchor, self.table(line, depth)?)
            }
            _ => {
                self.builder
                    .fault(line, "not YAML: a value is missing here");
                return Err(Stop);
            }
        };
        let node = Node { line, value };
        if anchor > 0 {
            let (nodes, text, _) = measure(&node);
            self.builder.pay(line, nodes, text)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, line: usize, depth: usize) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&id) else {
            self.builder.fault(
                line,
                "an alias refers to a value that is not complete yet: write the value out",
            );
            return Err(Stop);
        };
        let (nodes, text, levels) = measure(node);
        self.builder.pay(line, nodes, text)?;
        self.builder.depth(line, (depth + levels).min(MAX_DEPTH))?;
        Ok(node.clone())
    }

    fn list(&mut self, line: usize, depth: usize) -> Result<Value, Stop> {
        self.builder.depth(line, depth)?;
        self.builder.pay(line, 1, 0)?;
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Seq(items));
            }
            items.push(self.node(event, line, depth + 1)?);
        }
    }

    fn table(&mut self, line: usize, depth: usize) -> Result<Value, Stop> {
        self.builder.depth(line, depth)?;
        self.builder.pay(line, 1, 0)?;
        let mut table = Table::default();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(table.entries));
            }
            let key = self.key(event, line, depth)?;
            let (event, value_line) = self.next()?;
            let node = self.node(event, value_line, depth + 1)?;
            if let Some(key) = key
                && table.claim(&mut self.builder, &key, line)
            {
                table.push(key, line, node);
            }
        }
    }

    /// The text of a key; `None`, with a fault noted, for what cannot be one.
    fn key(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Option<String>, Stop> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                if plain && text == "<<" {
                    self.builder.fault(
                        line,
                        "merge keys (<<) are not supported: write the fields out",
                    );
                } else if plain && matches!(text.as_ref(), "" | "~" | "null") {
                    self.builder.fault(
                        line,
                        "a key is empty: name the field, or put the key in quotes",
                    );
                } else {
                    let key = self.builder.text(line, text)?;
                    if anchor > 0 {
                        let value = Value::Text(key.clone());
                        self.builder.pay(line, 1, key.len())?;
                        self.anchors.insert(anchor, Node { line, value });
                    }
                    return Ok(Some(key));
                }
            }
            other => {
                self.builder.fault(
                    line,
                    "a key must be plain text: lists, tables and aliases cannot be keys",
                );
                self.node(other, line, depth + 1)?;
            }
        }
        Ok(None)
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Tagged<'a>,
        line: usize,
    ) -> Result<Value, Stop> {
        self.builder.pay(line, 1, 0)?;
        let plain = style == ScalarStyle::Plain;
        let resolved = match &tag {
            None if !plain => Ok(None),
            None => plain_scalar(&text),
            Some(tag) if is_bare(tag) => Ok(None),
            Some(tag) if tag.is_yaml_core_schema() => tagged_scalar(&tag.suffix, &text),
            Some(_) => Err("tags are not supported: remove the word that begins with '!'"),
        };
        match resolved {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Ok(Value::Text(self.builder.text(line, text)?)),
            Err(message) => {
                self.builder.fault(line, message);
                Ok(Value::Null)
            }
        }
    }

    fn collection_tag(&mut self, tag: Tagged<'a>, own: &str, line: usize) {
        let fits =
            tag.is_none_or(|tag| (tag.is_yaml_core_schema() && tag.suffix == own) || is_bare(&tag));
        if !fits {
            self.builder.fault(
                line,
                "tags are not supported: remove the word that begins with '!'",
            );
        }
    }
}

/// The tag `!`: text, whatever it looks like.
fn is_bare(tag: &Tag) -> bool {
    tag.handle.len() + tag.suffix.len() == 1
}

/// Values, bytes of text and levels of a tree.
fn measure(node: &Node) -> (usize, usize, usize) {
    let children: Vec<(usize, &Node)> = match &node.value {
        Value::Text(text) => return (1, text.len(), 0),
        Value::Seq(items) => items.iter().map(|item| (0, item)).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|Entry { key, node, .. }| (key.len(), node))
            .collect(),
        _ => return (1, 0, 0),
    };
    let mut sum = (1, 0, 0);
    for (key, child) in children {
        let (nodes, text, levels) = measure(child);
        sum = (sum.0 + nodes + 1, sum.1 + text + key, sum.2.max(levels));
    }
    (sum.0, sum.1, sum.2 + 1)
}

type Resolved = Result<Option<Value>, &'static str>;

/// A scalar with a tag of the core schema.
fn tagged_scalar(kind: &str, text: &str) -> Resolved {
    let value = plain_scalar(text)?;
    let fits = match kind {
        "str" => return Ok(None),
        "null" => matches!(value, Some(Value::Null)),
        "bool" => matches!(value, Some(Value::Bool(_))),
        "int" => matches!(value, Some(Value::Int(_))),
        "float" => matches!(value, Some(Value::Float(_) | Value::Int(_))),
        _ => return Err("this tag is not supported: remove it and write the value plainly"),
    };
    if fits {
        Ok(value)
    } else {
        Err("the value does not fit its tag: remove the tag or correct the value")
    }
}

/// A plain scalar by the core schema; `None` is text.
fn plain_scalar(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Some(Value::Null)),
        "true" | "True" | "TRUE" => return Ok(Some(Value::Bool(true))),
        "false" | "False" | "FALSE" => return Ok(Some(Value::Bool(false))),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let special =
        [".inf", ".Inf", ".INF"].contains(&unsigned) || [".nan", ".NaN", ".NAN"].contains(&text);
    if special {
        return Err("a number must be finite: write digits, or put the value in quotes");
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return whole(text, unsigned);
    }
    Ok(float(text, unsigned))
}

fn radix(digits: &str, base: u32) -> Resolved {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Ok(None);
    }
    i64::from_str_radix(digits, base)
        .map(|number| Some(Value::Int(number)))
        .map_err(|_| TOO_LARGE)
}

const TOO_LARGE: &str = "a number is too large: put the value in quotes to make it a string";

fn whole(text: &str, digits: &str) -> Resolved {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(
            "a number begins with 0, which YAML versions read differently: \
                    write an octal number as 0o644, or put the value in quotes",
        );
    }
    text.parse()
        .map(|number| Some(Value::Int(number)))
        .map_err(|_| TOO_LARGE)
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn float(text: &str, unsigned: &str) -> Option<Value> {
    let (mantissa, exponent) = unsigned
        .split_once(['e', 'E'])
        .map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let good = all(whole)
        && all(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| {
            let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
            !digits.is_empty() && all(digits)
        });
    let number = text.parse::<f64>().ok()?;
    (good && number.is_finite()).then_some(Value::Float(number))
}
