//! TOML, with line numbers from the byte ranges the parser gives.

use super::{Builder, Fault, Forest, Node, Stop, Table, Value};
use ::toml::de::{DeTable, DeValue};

/// After so many broken lines the file is not TOML at all.
const MAX_FAULTS: usize = 50;

/// Reads a file: its top table is one document.
pub fn read(text: &str) -> Forest {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = Vec::new();
    for error in errors {
        let line = error.span().map_or(0, |span| lines.at(span.start));
        // One mistake makes several errors on its line: the first says most.
        if faults.last().is_none_or(|fault| fault.line != line) {
            if faults.len() == MAX_FAULTS {
                break;
            }
            faults.push(Fault::new(line, format!("not TOML: {}", error.message())));
        }
    }
    if !faults.is_empty() {
        return Forest {
            documents: Vec::new(),
            faults,
        };
    }
    let mut builder = Builder::new();
    let document = convert_table(&mut builder, &lines, table.get_ref(), 1, 0);
    Forest {
        documents: document.into_iter().collect(),
        faults: builder.faults,
    }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|&end| end < offset)
    }
}

fn convert_table(
    builder: &mut Builder,
    lines: &Lines,
    table: &DeTable<'_>,
    line: usize,
    depth: usize,
) -> Result<Node, Stop> {
    builder.depth(line, depth)?;
    let mut out = Table::default();
    for (key, value) in table {
        let line = lines.at(key.span().start);
        let name = builder.text(line, key.get_ref().as_ref())?;
        // A table's own range may begin at its header, which is the better line of the two.
        let value_line = lines.at(value.span().start).max(line);
        let node = convert(builder, lines, value.get_ref(), value_line, depth + 1)?;
        out.push(name, line, node);
    }
    Ok(Node {
        line,
        value: Value::Map(out.entries),
    })
}

fn convert(
    builder: &mut Builder,
    lines: &Lines,
    value: &DeValue<'_>,
    line: usize,
    depth: usize,
) -> Result<Node, Stop> {
    builder.pay(line, 1, 0)?;
    let value = match value {
        DeValue::Table(table) => return convert_table(builder, lines, table, line, depth),
        DeValue::Array(array) => {
            builder.depth(line, depth)?;
            let mut items = Vec::new();
            for item in array.iter() {
                let line = lines.at(item.span().start);
                items.push(convert(builder, lines, item.get_ref(), line, depth + 1)?);
            }
            Value::Seq(items)
        }
        DeValue::String(text) => Value::Text(builder.text(line, text.as_ref())?),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Int(number),
            Err(_) => {
                builder.fault(line, "a number is too large: it must fit in 64 bits");
                Value::Null
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => {
                builder.fault(line, "a number must be finite: write digits");
                Value::Null
            }
        },
        DeValue::Datetime(_) => {
            builder.fault(
                line,
                "manifests have no dates: put the value in quotes to make it a string",
            );
            Value::Null
        }
    };
    Ok(Node { line, value })
}
