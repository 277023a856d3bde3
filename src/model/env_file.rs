//! Variables that a container takes from files in volumes of its pod (`fileKeyRef`), and how such files are read.
//!
//! A file is lines of `NAME='value'`, a part of what a POSIX shell reads (the kubelet: pkg/kubelet/util/env). A value may go
//! over several lines and means what it says: nothing in it is expanded. Blank lines, and what follows a `#` in front of
//! a line or after a value, do not count.

use serde::{Deserialize, Serialize};

/// The key of `[X-kubernetes]` that holds a list of [`FileKey`] as JSON.
pub const FILE_KEYS_KEY: &str = "FileKeys";

/// One variable of a container that is in a file when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileKey {
    /// Its name in the unit.
    pub name: String,
    /// The root of the volume on the host.
    pub volume: String,
    /// The file, below that.
    pub path: String,
    /// The name in the file.
    pub key: String,
    /// File or key may be missing: there is then no such variable (default false).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// What is wrong with a line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no `=`.
    #[error("there is no '=': write NAME='value'")]
    NoAssignment,
    /// Nothing before the `=`, or a blank.
    #[error("the name must stand right before the '=': write NAME='value'")]
    Name,
    /// The value is not in single quotes.
    #[error("the value must be in single quotes: write NAME='value'")]
    Unquoted,
    /// Something else than a comment after the value.
    #[error("there is something after the value: only a comment may stand there")]
    Rest,
    /// The value has no end.
    #[error("the single quote that begins here is never closed")]
    Open,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct EnvFileError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

const BLANK: [char; 2] = [' ', '\t'];

/// The first value that a file has for a name; `None` when it has none. What stands after it is not looked at.
///
/// # Errors
/// When a line before that is not understood: what it would have said is not known.
pub fn value(text: &str, wanted: &str) -> Result<Option<String>, EnvFileError> {
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .zip(1..);
    while let Some((line, number)) = lines.next() {
        let wrong = |fault| EnvFileError {
            line: number,
            fault,
        };
        let line = line.trim_start_matches(BLANK);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(wrong(Fault::NoAssignment))?;
        if name.is_empty() || name.ends_with(BLANK) {
            return Err(wrong(Fault::Name));
        }
        let found = match value.strip_prefix('\'') {
            Some(begun) => {
                quoted(begun, &mut lines.by_ref().map(|(line, _)| line)).map_err(wrong)?
            }
            // As in a shell: nothing is assigned, and what follows the blank is another word.
            None if value.starts_with(BLANK) => String::new(),
            None => return Err(wrong(Fault::Unquoted)),
        };
        if name == wanted {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The value up to the closing quote, on the line where it begins or on one of those that follow.
fn quoted<'t>(begun: &'t str, more: &mut dyn Iterator<Item = &'t str>) -> Result<String, Fault> {
    let mut value = String::new();
    let mut line = begun;
    loop {
        if let Some((end, rest)) = line.split_once('\'') {
            value.push_str(end);
            let rest = rest.trim_start_matches(BLANK);
            return match rest.is_empty() || rest.starts_with('#') {
                true => Ok(value),
                false => Err(Fault::Rest),
            };
        }
        value.push_str(line);
        value.push('\n');
        line = more.next().ok_or(Fault::Open)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_stands_between_the_quotes() {
        let text = "# of the database\n\n\tA='1'\r\nB='a b' # why\nC='$A \\n \"x\"'\nD='one\n two\n#three'\nE= 'x'\nF=''\nA='2'\n";
        let cases = [
            ("A", Some("1")),
            ("B", Some("a b")),
            ("C", Some("$A \\n \"x\"")),
            ("D", Some("one\n two\n#three")),
            ("E", Some("")),
            ("F", Some("")),
            ("G", None),
        ];
        for (name, wanted) in cases {
            assert_eq!(value(text, name).unwrap().as_deref(), wanted, "{name}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_told() {
        let cases = [
            ("A='1'\nB", 2, Fault::NoAssignment),
            ("='1'", 1, Fault::Name),
            ("B ='1'", 1, Fault::Name),
            ("B=1", 1, Fault::Unquoted),
            ("B=", 1, Fault::Unquoted),
            ("B=\"1\"", 1, Fault::Unquoted),
            ("\nB='1'2", 2, Fault::Rest),
            ("B='1\n2", 1, Fault::Open),
        ];
        for (text, line, fault) in cases {
            assert_eq!(
                value(text, "Z"),
                Err(EnvFileError { line, fault }),
                "{text}"
            );
        }
        // It has been found by then.
        assert_eq!(value("A='1'\nnonsense", "A"), Ok(Some("1".to_owned())));
    }

    proptest::proptest! {
        #[test]
        fn any_value_without_a_quote_is_read_as_it_is(text in "[^'\r\0]{0,40}") {
            let file = format!("B='x'\nA='{text}' # end\n");
            proptest::prop_assert_eq!(value(&file, "A"), Ok(Some(text)));
        }
    }
}
