//! Label selectors, as `-l` takes them: `app=web,tier!=db,env in (a,b),!canary`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Requirements that labels must all meet. The default has none: everything matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Also holds without the label.
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// Why a selector was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Something else was expected at this place.
    #[error("at {at:?}: expected {expected}")]
    Expected {
        /// The text from the place on.
        at: String,
        /// What a selector has there.
        expected: &'static str,
    },
    /// A key that no label can have.
    #[error(
        "{0:?} is not a label key: write name or domain/name, the name with at most 63 letters, digits, '-', '_' and '.'"
    )]
    Key(String),
    /// A value that no label can have.
    #[error(
        "{0:?} is not a label value: use at most 63 letters, digits, '-', '_' and '.', and begin and end with a letter or digit"
    )]
    Value(String),
}

impl Selector {
    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }

    /// Whether there is no requirement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut rest = text.trim();
        let mut requirements = Vec::new();
        while !rest.is_empty() {
            let (requirement, tail) = requirement(rest)?;
            requirements.push(requirement);
            rest = match tail.strip_prefix(',') {
                Some(after) if after.trim().is_empty() => {
                    return expected(tail, "another requirement after the comma");
                }
                Some(after) => after.trim_start(),
                None if tail.is_empty() => tail,
                None => return expected(tail, "a comma or the end"),
            };
        }
        Ok(Self(requirements))
    }
}

fn expected<T>(at: &str, expected: &'static str) -> Result<T, SelectorError> {
    let at = if at.is_empty() { "the end" } else { at };
    Err(SelectorError::Expected {
        at: at.to_owned(),
        expected,
    })
}

/// One requirement, and what follows it without leading blanks.
fn requirement(text: &str) -> Result<(Requirement, &str), SelectorError> {
    if let Some(rest) = text.strip_prefix('!') {
        let (key, rest) = key(rest.trim_start())?;
        return Ok((
            Requirement {
                key,
                test: Test::Absent,
            },
            rest,
        ));
    }
    let (key, rest) = key(text)?;
    let (test, rest) = if let Some(rest) = rest.strip_prefix("!=") {
        let (value, rest) = value(rest.trim_start())?;
        (Test::NotIn(vec![value]), rest)
    } else if let Some(rest) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        let (value, rest) = value(rest.trim_start())?;
        (Test::In(vec![value]), rest)
    } else if let Some(rest) = keyword(rest, "notin") {
        let (values, rest) = values(rest)?;
        (Test::NotIn(values), rest)
    } else if let Some(rest) = keyword(rest, "in") {
        let (values, rest) = values(rest)?;
        (Test::In(values), rest)
    } else if rest.is_empty() || rest.starts_with(',') {
        (Test::Exists, rest)
    } else {
        return expected(rest, "=, ==, !=, in (...), notin (...) or a comma");
    };
    Ok((Requirement { key, test }, rest))
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with(|c: char| c == '(' || c.is_whitespace())
        .then(|| rest.trim_start())
}

/// Characters that end a key or value.
fn is_joint(c: char) -> bool {
    c.is_whitespace() || "=!,()<>".contains(c)
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_at(text.find(is_joint).unwrap_or(text.len()));
    (word, rest.trim_start())
}

fn key(text: &str) -> Result<(String, &str), SelectorError> {
    let (word, rest) = word(text);
    if word.is_empty() {
        return expected(text, "a label key");
    }
    let (domain, name) = word.split_once('/').unwrap_or(("x", word));
    let good_domain = domain.len() <= 253 && domain.split('.').all(is_label);
    if name.is_empty() || !is_value(name) || !good_domain {
        return Err(SelectorError::Key(word.to_owned()));
    }
    Ok((word.to_owned(), rest))
}

fn value(text: &str) -> Result<(String, &str), SelectorError> {
    let (word, rest) = word(text);
    if !is_value(word) {
        return Err(SelectorError::Value(word.to_owned()));
    }
    Ok((word.to_owned(), rest))
}

fn values(text: &str) -> Result<(Vec<String>, &str), SelectorError> {
    let Some(mut rest) = text.strip_prefix('(').map(str::trim_start) else {
        return expected(text, "values in parentheses");
    };
    let mut values = Vec::new();
    loop {
        let (next, tail) = value(rest)?;
        values.push(next);
        if let Some(tail) = tail.strip_prefix(',') {
            rest = tail.trim_start();
        } else if let Some(tail) = tail.strip_prefix(')') {
            return Ok((values, tail.trim_start()));
        } else {
            return expected(tail, "a comma or ) between values");
        }
    }
}

/// The API's rule for label values and the name part of keys; a value may be empty.
fn is_value(text: &str) -> bool {
    let outer = |b: &u8| b.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    text.len() <= 63
        && ends.iter().flatten().all(|b| outer(b))
        && bytes.iter().all(|b| outer(b) || b"-_.".contains(b))
}

fn is_label(text: &str) -> bool {
    let outer = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(outer)
        && bytes.last().is_some_and(outer)
        && bytes.iter().all(|b| outer(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> BTreeMap<String, String> {
        [("app", "web"), ("tier", "front"), ("example.com/x", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn every_form_matches_as_kubernetes_does() {
        let cases = [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            (" app = web , tier = front ", true),
            ("app=db", false),
            ("app!=db", true),
            ("app!=web", false),
            ("missing!=x", true),
            ("app", true),
            ("missing", false),
            ("!missing", true),
            ("! app", false),
            ("app in (db,web)", true),
            ("app in(web)", true),
            ("app in ( db )", false),
            ("missing in (a)", false),
            ("app notin (db, x)", true),
            ("app notin (web)", false),
            ("missing notin (a)", true),
            ("example.com/x=", true),
            ("example.com/x in (,a)", true),
            ("app=web,tier=back", false),
            ("in", false),
            ("notin=", false),
        ];
        for (text, matches) in cases {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches(&labels()), matches, "{text}");
        }
    }

    #[test]
    fn refusals_say_where_and_what() {
        let cases = [
            (
                "app=web,",
                r#"at ",": expected another requirement after the comma"#,
            ),
            ("=web", r#"at "=web": expected a label key"#),
            ("app in web", r#"at "web": expected values in parentheses"#),
            (
                "app in (a b)",
                r#"at "b)": expected a comma or ) between values"#,
            ),
            (
                "app in (a",
                r#"at "the end": expected a comma or ) between values"#,
            ),
            (
                "app web",
                r#"at "web": expected =, ==, !=, in (...), notin (...) or a comma"#,
            ),
            (
                "app>1",
                r#"at ">1": expected =, ==, !=, in (...), notin (...) or a comma"#,
            ),
            ("app=a=b", r#"at "=b": expected a comma or the end"#),
        ];
        for (text, message) in cases {
            let error = text.parse::<Selector>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
        assert!(matches!(
            "-a".parse::<Selector>(),
            Err(SelectorError::Key(_))
        ));
        assert!(matches!(
            "A_/a".parse::<Selector>(),
            Err(SelectorError::Key(_))
        ));
        assert!(matches!(
            "a=ä".parse::<Selector>(),
            Err(SelectorError::Value(_))
        ));
    }
}
