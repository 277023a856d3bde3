//! What vks makes of each field of the Kubernetes API: the table behind `docs/fields.md`, `vks explain` and the
//! unit keys in `vks describe`.
//!
//! One [`Table`] for each type of the API. A field stands in one of three places:
//!
//! | place | means |
//! |---|---|
//! | [`Table::given`] | has its effect here; the decoder takes it |
//! | `decode/known.rs`, `Noted` | advisory: accepted, changes nothing |
//! | `decode/known.rs`, `Unset` and `Later` | refused by name, with the reason |
//!
//! A field moves from the second or third to the first when the decoder begins to take it: remove it from
//! `known.rs` (and `why.rs`), add a [`Given`] to its table here. Tests hold the rest: what the decoders take is what
//! the tables give, no field is in two places, and none of the published schema is in none.

mod container;
mod env;
mod files;
mod find;
mod identity;
mod jobs;
mod objects;
mod pod;
mod probe;
mod security;
mod service;
mod slice;
mod storage;
#[cfg(test)]
mod tests;
mod volume;
mod why;
mod workloads;

pub use find::{Found, Unknown, find};
pub use objects::KINDS;

use super::decode::known::{self, Kind, Rule, Rules};

/// A type of the API.
#[derive(Debug)]
pub struct Table {
    /// Its name in the API, such as `PodSpec`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// The fields that have their effect here, by name.
    pub given: &'static [Given],
    /// The others.
    rest: &'static Rules,
}

impl Table {
    /// A kind of object.
    const fn object(name: &'static str, about: &'static str, given: &'static [Given]) -> Self {
        Self {
            name,
            about,
            given,
            rest: known::OBJECT,
        }
    }

    /// A type of which every field has its effect.
    const fn plain(name: &'static str, about: &'static str, given: &'static [Given]) -> Self {
        Self {
            name,
            about,
            given,
            rest: known::NONE,
        }
    }
}

/// A field that has its effect.
#[derive(Debug)]
pub struct Given {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What it means, in a sentence or two.
    pub about: &'static str,
    /// What shows of it on the host.
    pub effect: Effect,
    /// The keys of the unit files it becomes, such as `["MemoryMax="]`.
    pub keys: &'static [&'static str],
    /// What more it does than the keys say; may be empty.
    pub note: &'static str,
    /// The systemd it needs, when it is a newer one than vks needs anyway.
    pub since: Option<u16>,
}

/// Where the effect of a field shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// In what the pod becomes: its units, or the files that go with them.
    Units,
    /// In the status, or in what other fields may refer to.
    Told,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text.
    Text,
    /// One of these words.
    Words(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A whole number, or text.
    IntOrText,
    /// An amount, such as `64Mi`.
    Quantity,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Ints,
    /// A table of texts.
    Map,
    /// A table of amounts.
    Amounts,
    /// A table with these fields.
    One(&'static Table),
    /// A list of those.
    Many(&'static Table),
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
pub enum Standing {
    /// It has its effect.
    Given(&'static Given),
    /// It is accepted and changes nothing: the reason.
    Advisory(&'static str),
    /// It is refused: the reason, and whether it may say what its absence says (`false`, 0, empty).
    Refused(&'static str, bool),
}

/// A field with its effect in these keys of the units, parted by spaces.
const fn given(
    name: &'static str,
    shape: Shape,
    about: &'static str,
    keys: &'static [&'static str],
) -> Given {
    Given {
        name,
        shape,
        about,
        effect: Effect::Units,
        keys,
        note: "",
        since: None,
    }
}

/// A field without an effect on the units: it is told in the status, or other fields refer to it.
const fn told(name: &'static str, shape: Shape, about: &'static str, note: &'static str) -> Given {
    Given {
        effect: Effect::Told,
        ..given(name, shape, about, &[]).note(note)
    }
}

impl Given {
    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// Needs this version of systemd.
    #[allow(dead_code, reason = "for the first field that needs it")]
    const fn since(mut self, version: u16) -> Self {
        self.since = Some(version);
        self
    }
}

impl Shape {
    /// As `kubectl explain` writes it.
    pub fn text(&self) -> String {
        match self {
            Self::Text | Self::Words(_) => "string".to_owned(),
            Self::Bool => "boolean".to_owned(),
            Self::Int => "integer".to_owned(),
            Self::IntOrText => "IntOrString".to_owned(),
            Self::Quantity => "Quantity".to_owned(),
            Self::Texts => "[]string".to_owned(),
            Self::Ints => "[]integer".to_owned(),
            Self::Map => "map[string]string".to_owned(),
            Self::Amounts => "map[string]Quantity".to_owned(),
            Self::One(table) => table.name.to_owned(),
            Self::Many(table) => format!("[]{}", table.name),
        }
    }

    /// The words that can be written, where they are few.
    pub fn words(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Words(words) => Some(words),
            _ => None,
        }
    }

    /// The fields within, for tables and lists of tables.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::One(table) | Self::Many(table) => Some(table),
            _ => None,
        }
    }
}

impl Table {
    /// All fields by name, sorted.
    pub fn fields(&self) -> Vec<(&'static str, Standing)> {
        let given = self.given.iter();
        let mut all: Vec<_> = given
            .map(|field| (field.name, Standing::Given(field)))
            .collect();
        all.extend(
            self.rest
                .iter()
                .map(|(name, rule)| (*name, self.standing(name, *rule))),
        );
        all.sort_by_key(|(name, _)| *name);
        all
    }

    /// What becomes of a field; `None` when there is none of this name.
    pub fn field(&self, name: &str) -> Option<Standing> {
        let all = self.fields();
        all.into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, standing)| standing)
    }

    fn standing(&self, name: &str, rule: Rule) -> Standing {
        let why = why::why(self.name, name);
        match rule {
            Rule::Noted(_) => Standing::Advisory(why.unwrap_or("it informs only")),
            Rule::Unset(hint) => Standing::Refused(why.unwrap_or_else(|| or_later(hint)), true),
            Rule::Later(hint) => Standing::Refused(why.unwrap_or_else(|| or_later(hint)), false),
        }
    }

    /// The kind of value an advisory field must have, as `kubectl explain` writes it.
    pub fn shape_of_advisory(&self, name: &str) -> Option<&'static str> {
        let rule = self.rest.iter().find(|(known, _)| *known == name);
        match rule {
            Some((_, Rule::Noted(kind))) => Some(match kind {
                Kind::Text => "string",
                Kind::Bool => "boolean",
                Kind::Int => "integer",
                Kind::List => "[]Object",
                Kind::Table => "Object",
            }),
            _ => None,
        }
    }
}

const fn or_later(hint: &'static str) -> &'static str {
    if hint.is_empty() {
        "not implemented yet"
    } else {
        hint
    }
}
