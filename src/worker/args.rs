//! Arguments of the verbs that units call: few, strict, and read without a parser that costs start-up time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;

/// Why a command line was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// An option that the verb does not have.
    #[error("there is no option {0:?}")]
    Unknown(String),
    /// An option that comes twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// An option that must be there, or whose value is.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that does not read as what it must be.
    #[error("{what} {value:?}: {why}")]
    Value {
        /// The option or the name of the argument.
        what: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// More arguments than the verb has.
    #[error("{0:?} is one argument too many")]
    TooMany(String),
    /// Only programs and their arguments may be other than UTF-8.
    #[error("{0:?} is not UTF-8")]
    NotText(OsString),
}

/// An option of a verb.
#[derive(Debug, Clone, Copy)]
pub enum Allowed {
    /// `--name`
    Flag(&'static str),
    /// `--name VALUE`
    Value(&'static str),
}

/// A command line taken apart.
#[derive(Debug, Default)]
pub struct Arguments {
    positional: std::collections::VecDeque<String>,
    options: BTreeMap<&'static str, String>,
    /// What comes after `--`, untouched.
    pub rest: Vec<OsString>,
}

impl Arguments {
    /// Takes apart the arguments after the verb.
    pub fn parse(args: &[OsString], allowed: &[Allowed]) -> Result<Self, ArgumentError> {
        let mut parsed = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let text = |arg: &OsString| {
                let text = arg.to_str().map(str::to_owned);
                text.ok_or_else(|| ArgumentError::NotText(arg.clone()))
            };
            let word = text(arg)?;
            if word == "--" {
                parsed.rest = args.cloned().collect();
                break;
            }
            if !word.starts_with("--") {
                parsed.positional.push_back(word);
                continue;
            }
            let (name, value) = match find(&word, allowed)? {
                Allowed::Flag(name) => (name, String::new()),
                Allowed::Value(name) => (
                    name,
                    text(args.next().ok_or(ArgumentError::Missing(name))?)?,
                ),
            };
            if parsed.options.insert(name, value).is_some() {
                return Err(ArgumentError::Twice(name));
            }
        }
        Ok(parsed)
    }

    /// Whether a flag was given.
    pub fn flag(&self, name: &'static str) -> bool {
        self.options.contains_key(name)
    }

    /// The value of an option, if it was given.
    pub fn option<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        let value = self.options.get(name);
        value.map(|value| read(name, value)).transpose()
    }

    /// The next argument that is no option; `name` is what messages call it.
    pub fn next<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Result<T, ArgumentError> {
        let value = self.positional.pop_front();
        read(name, &value.ok_or(ArgumentError::Missing(name))?)
    }

    /// The same, for one that may be missing.
    pub fn next_optional<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ArgumentError> {
        let value = self.positional.pop_front();
        value.map(|value| read(name, &value)).transpose()
    }

    /// Refuses what is left over: to be asked after the last [`Arguments::next`]. `rest` is not counted.
    pub fn end(&self) -> Result<(), ArgumentError> {
        match self.positional.front() {
            Some(more) => Err(ArgumentError::TooMany(more.clone())),
            None => Ok(()),
        }
    }
}

fn find(word: &str, allowed: &[Allowed]) -> Result<Allowed, ArgumentError> {
    let named = |known: &Allowed| match known {
        Allowed::Flag(name) | Allowed::Value(name) => *name == word,
    };
    let found = allowed.iter().copied().find(named);
    found.ok_or_else(|| ArgumentError::Unknown(word.to_owned()))
}

fn read<T: FromStr<Err: std::fmt::Display>>(
    what: &'static str,
    value: &str,
) -> Result<T, ArgumentError> {
    value.parse().map_err(|why: T::Err| ArgumentError::Value {
        what,
        value: value.to_owned(),
        why: why.to_string(),
    })
}

/// JSON on a command line.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: serde::de::DeserializeOwned> FromStr for Json<T> {
    type Err = serde_json::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [Allowed; 2] = [Allowed::Flag("--tty"), Allowed::Value("--pid")];

    fn parse(words: &[&str]) -> Result<Arguments, ArgumentError> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Arguments::parse(&words, &ALLOWED)
    }

    #[test]
    fn options_arguments_and_a_program_are_told_apart() {
        let mut args = parse(&["one", "--pid", "7", "--tty", "two", "--", "--pid", "x"]).unwrap();
        assert!(args.flag("--tty"));
        assert_eq!(args.option::<u32>("--pid").unwrap(), Some(7));
        assert_eq!(args.next::<String>("a").unwrap(), "one");
        assert_eq!(args.end(), Err(ArgumentError::TooMany("two".to_owned())));
        assert_eq!(args.next::<String>("b").unwrap(), "two");
        assert_eq!(args.end(), Ok(()));
        assert_eq!(args.rest, ["--pid", "x"]);
        assert_eq!(
            args.next::<String>("c").unwrap_err(),
            ArgumentError::Missing("c")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            parse(&["--nope"]).unwrap_err(),
            ArgumentError::Unknown("--nope".to_owned())
        );
        assert_eq!(
            parse(&["--pid"]).unwrap_err(),
            ArgumentError::Missing("--pid")
        );
        assert_eq!(
            parse(&["--tty", "--tty"]).unwrap_err(),
            ArgumentError::Twice("--tty")
        );
        let args = parse(&["--pid", "seven"]).unwrap();
        let error = args.option::<u32>("--pid").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--pid \"seven\": invalid digit found in string"
        );
    }
}
