//! Image references: what a container runs from.
//!
//! | written | runs |
//! |---|---|
//! | `host:/path`, `host:command` | a program of the host |
//! | `dir:/path` | a program below that directory, which is its root |
//! | `nix:/nix/store/…`, `nix:nixpkgs#hello`, `nix:hello` | a program of the Nix store |
//! | `deb:package`, `deb:package=version` | a program or the service of a Debian package |
//! | `oci:registry/name:tag@digest` | an image of a registry |
//! | `name` | what the settings make of it: `images.aliases`, else `images.default` |
//!
//! [`oci`], [`nix`] and [`deb`] have the grammar of each kind, [`pattern`] that of aliases, [`resolved`] what becomes of
//! a reference once somebody has looked, [`record`] what is remembered of that.

pub mod deb;
pub mod fetch;
pub mod nix;
pub mod oci;
pub mod pattern;
pub mod record;
pub mod registry;
pub mod resolved;

use self::nix::NixRef;
use super::name::ObjectName;
use deb::DebRef;
use oci::OciRef;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest reference that is taken, in bytes.
const LONGEST: usize = 1024;

/// A checked image reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageRef {
    /// `host:/usr/bin/sleep`: a program of the host, by absolute path.
    HostPath(String),
    /// `host:sleep`: a program of the host, found by systemd in its fixed search path (systemd.service(5)).
    HostCommand(String),
    /// `dir:/srv/root`: a directory that is the container's root, by absolute path.
    Dir(String),
    /// `nix:…`
    Nix(NixRef),
    /// `deb:…`
    Deb(DebRef),
    /// `oci:…`
    Oci(OciRef),
    /// Without a kind: the settings say which. Not checked further than that no kind could have other letters.
    Bare(String),
}

/// What an image can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Programs of the host.
    Host,
    /// A directory.
    Dir,
    /// The Nix store.
    Nix,
    /// Debian packages.
    Deb,
    /// Registries.
    Oci,
}

impl Kind {
    /// The kinds, by the word before the colon.
    pub const ALL: [(&'static str, Self); 5] = [
        ("host", Self::Host),
        ("dir", Self::Dir),
        ("nix", Self::Nix),
        ("deb", Self::Deb),
        ("oci", Self::Oci),
    ];

    /// The kind with this word.
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(name, kind)| (name == word).then_some(kind))
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        let found = all.find_map(|(name, kind)| (kind == self).then_some(name));
        found.unwrap_or_default()
    }
}

/// Why an image reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Empty, too long, or letters that no image has.
    #[error(
        "{0:?} is not the name of an image: write a kind and a name, such as host:/path/to/program, deb:package, \
         nix:nixpkgs#hello, dir:/root or oci:registry/name:tag"
    )]
    Name(String),
    /// A `host:` reference that names no program.
    #[error("{0:?} names no program: write an absolute path without '..', or a bare command name")]
    Program(String),
    /// A `dir:` reference that names no directory.
    #[error("{0:?} names no directory: write an absolute path without '..'")]
    Directory(String),
    /// A `nix:` reference.
    #[error("{0:?} {1}")]
    Nix(String, &'static str),
    /// A `deb:` reference.
    #[error("{0:?} {1}")]
    Deb(String, &'static str),
    /// An `oci:` reference.
    #[error("{0:?} {1}")]
    Oci(String, &'static str),
}

impl ImageRef {
    /// The last path component: the part of an image that unit names carry. Never empty.
    pub fn short_name(&self) -> &str {
        let last = |path| -> &str { str::rsplit_once(path, '/').map_or(path, |(_, last)| last) };
        match self {
            Self::HostPath(path) | Self::Dir(path) => last(path),
            Self::HostCommand(command) => command,
            Self::Nix(nix) => nix.short_name(),
            Self::Deb(deb) => &deb.package,
            Self::Oci(oci) => last(&oci.repository),
            Self::Bare(name) => {
                let plain = name.split_once('@').map_or(&**name, |(name, _)| name);
                // A slash may be the last before the digest.
                let mut path = plain.rsplit('/');
                let last = path.find(|part| !part.is_empty()).unwrap_or(plain);
                let mut parts = last.split([':', '=', '#']);
                parts.find(|part| !part.is_empty()).unwrap_or(last)
            }
        }
    }

    /// The program of the host it names, if it is one.
    pub fn host_program(&self) -> Option<&str> {
        match self {
            Self::HostPath(program) | Self::HostCommand(program) => Some(program),
            _ => None,
        }
    }

    /// Its kind; none of one that the settings have to say.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::HostPath(_) | Self::HostCommand(_) => Kind::Host,
            Self::Dir(_) => Kind::Dir,
            Self::Nix(_) => Kind::Nix,
            Self::Deb(_) => Kind::Deb,
            Self::Oci(_) => Kind::Oci,
            Self::Bare(_) => return None,
        })
    }

    /// The image of a kind with this name.
    ///
    /// # Errors
    /// The grammar of that kind.
    pub fn of_kind(kind: Kind, name: &str) -> Result<Self, ImageError> {
        format!("{}:{name}", kind.word()).parse()
    }

    /// What it is pulled like when nothing else is said: a name that may mean something else tomorrow each time, others
    /// when they are not there (core/v1 Container.imagePullPolicy).
    pub fn default_policy(&self) -> PullPolicy {
        match self {
            Self::Oci(oci) if oci.is_latest() => PullPolicy::Always,
            _ => PullPolicy::IfNotPresent,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::HostPath(program) | Self::HostCommand(program) => format!("host:{program}"),
            Self::Dir(path) => format!("dir:{path}"),
            Self::Nix(nix) => format!("nix:{nix}"),
            Self::Deb(deb) => format!("deb:{deb}"),
            Self::Oci(oci) => format!("oci:{oci}"),
            Self::Bare(name) => name.clone(),
        }
    }
}

/// When an image is fetched although it may be there (core/v1 Container.imagePullPolicy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Asked for anew each time a pod begins its life; what has not changed is not fetched again.
    Always,
    /// Fetched when it is not there.
    IfNotPresent,
    /// Not fetched.
    Never,
}

/// What a pod says about all its images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulling {
    /// Secrets with credentials of registries, in its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ObjectName>,
    /// What names without a kind mean (`runtimeClassName`; default: what the settings say).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ObjectName>,
}

impl Pulling {
    /// Whether it says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for ImageRef {
    type Err = ImageError;
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let name = || ImageError::Name(text.to_owned());
        if text.is_empty() || text.len() > LONGEST {
            return Err(name());
        }
        let kind = text.split_once(':');
        let kind = kind.and_then(|(word, rest)| Some((Kind::named(word)?, rest)));
        let Some((kind, rest)) = kind else {
            return is_bare(text)
                .then(|| Self::Bare(text.to_owned()))
                .ok_or_else(name);
        };
        let owned = || text.to_owned();
        match kind {
            Kind::Host if is_plain_path(rest) => Ok(Self::HostPath(rest.to_owned())),
            Kind::Host if is_command_name(rest) => Ok(Self::HostCommand(rest.to_owned())),
            Kind::Host => Err(ImageError::Program(owned())),
            Kind::Dir if is_plain_path(rest) => Ok(Self::Dir(rest.to_owned())),
            Kind::Dir => Err(ImageError::Directory(owned())),
            Kind::Nix => NixRef::read(rest)
                .map(Self::Nix)
                .map_err(|why| ImageError::Nix(owned(), why)),
            Kind::Deb => DebRef::read(rest)
                .map(Self::Deb)
                .map_err(|why| ImageError::Deb(owned(), why)),
            Kind::Oci => OciRef::read(rest)
                .map(Self::Oci)
                .map_err(|why| ImageError::Oci(owned(), why)),
        }
    }
}

/// The letters of names of all kinds.
fn is_bare(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._/:@+~#=-".contains(&b))
        && !name.ends_with(['/', ':', '@', '#', '='])
        && !name.contains("//")
}

/// An absolute path with no empty, `.` or `..` part and no control character.
pub(in crate::model) fn is_plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !path.chars().any(char::is_control)
    })
}

/// A name systemd looks up in its search path: nothing that could be read as one of the prefixes of `ExecStart=`.
fn is_command_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

impl fmt::Display for ImageRef {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> String {
        image.to_string()
    }
}

#[cfg(test)]
mod tests;
