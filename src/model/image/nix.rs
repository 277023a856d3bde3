//! References to the Nix store: a store path, or something that `nix build` makes one of.

use std::fmt;

/// Where the store is.
pub const STORE: &str = "/nix/store";

/// Letters and digits of the hash in a store path (Nix' base 32 leaves out e, o, u and t).
const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// A reference to the Nix store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NixRef {
    /// `/nix/store/<hash>-<name>`, or a path below one.
    Store(String),
    /// A flake reference with or without an attribute, such as `nixpkgs#hello`.
    Flake(String),
    /// An attribute alone: of the flake `nixpkgs`.
    Attribute(String),
}

impl NixRef {
    /// Reads what follows `nix:`.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        if text.starts_with(STORE) {
            let good = super::is_plain_path(text) && store_path(text).is_some();
            return match good {
                true => Ok(Self::Store(text.to_owned())),
                false => Err(
                    "is no store path: it is /nix/store/, 32 letters and digits, '-' and a name",
                ),
            };
        }
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"._/:@+~#?&=%^,'-".contains(&b);
        let start = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
        if !text.starts_with(start) || !text.bytes().all(letters) || text.ends_with(['#', '/']) {
            return Err(
                "is no store path, flake reference or attribute: write such as nix:nixpkgs#hello, and no path that \
                 depends on a working directory",
            );
        }
        let attribute = |b: u8| b.is_ascii_alphanumeric() || b"_.'+-".contains(&b);
        Ok(match text.bytes().all(attribute) {
            true => Self::Attribute(text.to_owned()),
            false => Self::Flake(text.to_owned()),
        })
    }

    /// The program or package it is about.
    pub(super) fn short_name(&self) -> &str {
        let last = |text, joint: &[char]| -> &str {
            let mut parts = str::rsplit(text, joint).filter(|part| !part.is_empty());
            parts.next().unwrap_or(text)
        };
        match self {
            Self::Store(path) => match store_path(path) {
                Some((own, "")) => own.get(STORE.len() + 34..).unwrap_or(own),
                _ => last(path, &['/']),
            },
            Self::Attribute(path) => last(path, &['.']),
            Self::Flake(text) => match text.split_once('#') {
                Some((_, path)) => last(path.split('^').next().unwrap_or(path), &['.']),
                None => last(text.split('?').next().unwrap_or(text), &['/', ':']),
            },
        }
    }

    /// What `nix build` is given; none of a store path.
    pub fn installable(&self) -> Option<String> {
        match self {
            Self::Store(_) => None,
            Self::Flake(text) => Some(text.clone()),
            Self::Attribute(path) => Some(format!("nixpkgs#{path}")),
        }
    }
}

impl fmt::Display for NixRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(text) | Self::Flake(text) | Self::Attribute(text) => f.write_str(text),
        }
    }
}

/// Parts a path in the store into the store path it is in and what follows, which is empty or begins with `/`.
pub fn store_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(STORE)?.strip_prefix('/')?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (own, below) = path.split_at(STORE.len() + 1 + end);
    let (hash, name) = rest[..end].split_once('-')?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    let good = hash.len() == 32
        && hash.chars().all(|c| HASH.contains(c))
        && !name.is_empty()
        && name.bytes().all(letters);
    good.then_some((own, below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_is_asked_to_build() {
        let built = |text: &str| NixRef::read(text).unwrap().installable();
        assert_eq!(built("hello"), Some("nixpkgs#hello".to_owned()));
        assert_eq!(
            built("path:/etc/nixos#web"),
            Some("path:/etc/nixos#web".to_owned())
        );
        let path = format!("{STORE}/{}-x/bin/x", "0".repeat(32));
        assert_eq!(built(&path), None);
        assert_eq!(store_path(&path).unwrap().1, "/bin/x");
    }
}
