//! The part of JSONPath that `wait --for=jsonpath=` needs: `{.status.conditions[?(@.type=="Ready")].status}`.

use serde_json::Value;
use std::str::FromStr;

/// A path to values in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// Items whose field has this text.
    Where(Vec<String>, String),
}

/// A path that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a path that vks knows: write fields, indexes and filters, such as {{.status.phase}}, {{.status.containerStatuses[0].ready}} or {{.status.conditions[?(@.type==\"Ready\")].status}}"
)]
pub struct JsonPathError(String);

impl JsonPath {
    /// The values the path leads to, in order.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| step.take(value))
                .collect();
        }
        found
    }
}

impl Step {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || value.as_array().into_iter().flatten();
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let length = value.as_array().map_or(0, Vec::len);
                let from_end = i64::try_from(length).map_or(-1, |length| length + index);
                let place = if *index < 0 { from_end } else { *index };
                usize::try_from(place)
                    .ok()
                    .and_then(|place| value.get(place))
                    .into_iter()
                    .collect()
            }
            Self::All => match value {
                Value::Object(map) => map.values().collect(),
                _ => items().collect(),
            },
            Self::Where(path, text) => items()
                .filter(|item| {
                    let field = path.iter().try_fold(*item, |value, name| value.get(name));
                    field.is_some_and(|value| as_text(value) == *text)
                })
                .collect(),
        }
    }
}

/// A value as it is compared: text without quotes, everything else as JSON.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    /// With or without the braces.
    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or(text)
            .trim();
        let mut rest = inner.strip_prefix('$').unwrap_or(inner);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, tail) = step(rest).ok_or_else(|| JsonPathError(text.to_owned()))?;
            steps.push(step);
            rest = tail;
        }
        match steps.is_empty() {
            true => Err(JsonPathError(text.to_owned())),
            false => Ok(Self(steps)),
        }
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(inside) = text.strip_prefix("[?(") {
        let (condition, rest) = inside.split_once(")]")?;
        let (path, value) = condition.split_once("==")?;
        let path = path.trim().strip_prefix("@.")?;
        let fields: Vec<String> = path.split('.').map(str::to_owned).collect();
        let named = fields.iter().all(|field| !field.is_empty());
        return named.then(|| (Step::Where(fields, unquoted(value.trim()).to_owned()), rest));
    }
    if let Some(inside) = text.strip_prefix('[') {
        let (inside, rest) = inside.split_once(']')?;
        let step = match inside.trim() {
            "*" => Step::All,
            quoted if unquoted(quoted) != quoted => Step::Field(unquoted(quoted).to_owned()),
            number => Step::Index(number.parse().ok()?),
        };
        return Some((step, rest));
    }
    let text = text.strip_prefix('.').unwrap_or(text);
    let (name, rest) = field_name(text);
    match name.as_str() {
        name if name.is_empty() || name.contains(['{', '}', ']']) => None,
        "*" => Some((Step::All, rest)),
        _ => Some((Step::Field(name), rest)),
    }
}

/// A name up to the next `.` or `[`; a dot after a backslash belongs to it, as in `app\.kubernetes\.io/name`.
fn field_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => name.push(c),
        }
    }
    (name, "")
}

fn unquoted(text: &str) -> &str {
    let without = |quote: char| {
        text.strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote))
    };
    without('"').or_else(|| without('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_values() {
        let pod = json!({
            "metadata": {"labels": {"a.b/c": "x"}},
            "status": {
                "phase": "Running",
                "list": [{"type": "A", "ok": true}, {"type": "Ready", "ok": false}],
            },
        });
        let cases = [
            ("{.status.phase}", vec!["Running"]),
            (".status.phase", vec!["Running"]),
            ("{$.status.phase}", vec!["Running"]),
            ("status['phase']", vec!["Running"]),
            (r"{.metadata.labels.a\.b/c}", vec!["x"]),
            ("{.status.list[0].type}", vec!["A"]),
            ("{.status.list[-1].ok}", vec!["false"]),
            ("{.status.list[9].ok}", vec![]),
            ("{.status.list[-9].ok}", vec![]),
            ("{.status.list[*].type}", vec!["A", "Ready"]),
            (r#"{.status.list[?(@.type=="Ready")].ok}"#, vec!["false"]),
            ("{.status.list[?(@.ok==true)].type}", vec!["A"]),
            ("{.none.at.all}", vec![]),
        ];
        for (path, expected) in cases {
            let path: JsonPath = path.parse().unwrap();
            let found: Vec<String> = path.find(&pod).into_iter().map(as_text).collect();
            assert_eq!(found, expected, "{path:?}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for bad in [
            "",
            "{}",
            "{.}",
            "{.a..b}",
            "{.a[}",
            "{.a[x]}",
            "{.a[?(@.b>1)]}",
            "{.a[?(b==1)]}",
        ] {
            assert!(bad.parse::<JsonPath>().is_err(), "{bad}");
        }
    }
}
