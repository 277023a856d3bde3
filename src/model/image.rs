//! Image references: what a container's `ExecStart=` runs from.
//!
//! Only `host:` exists so far: a program of the host itself. The type is an enum so that other
//! kinds (`nix:`, `deb:`, `oci:`) can be added without a change to those who only pass it on.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A checked image reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageRef {
    /// `host:/usr/bin/sleep`: a program of the host, by absolute path.
    HostPath(String),
    /// `host:sleep`: a program of the host, found by systemd in its fixed search path (systemd.service(5)).
    HostCommand(String),
}

/// Why an image reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No kind before the colon, or one that vks does not know.
    #[error("{0:?} has no image kind that vks runs: write host:/path/to/program or host:program")]
    Kind(String),
    /// A `host:` reference that names no program.
    #[error("{0:?} names no program: write an absolute path without '..', or a bare command name")]
    Program(String),
}

impl ImageRef {
    /// The program that runs when the container gives no command.
    pub fn program(&self) -> &str {
        match self {
            Self::HostPath(path) => path,
            Self::HostCommand(command) => command,
        }
    }

    /// The last path component: the part of an image that unit names carry.
    pub fn short_name(&self) -> &str {
        let program = self.program();
        program.rsplit_once('/').map_or(program, |(_, last)| last)
    }
}

impl FromStr for ImageRef {
    type Err = ImageError;
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let program = text
            .strip_prefix("host:")
            .ok_or_else(|| ImageError::Kind(text.to_owned()))?;
        if is_plain_path(program) {
            Ok(Self::HostPath(program.to_owned()))
        } else if is_command_name(program) {
            Ok(Self::HostCommand(program.to_owned()))
        } else {
            Err(ImageError::Program(text.to_owned()))
        }
    }
}

/// An absolute path with no empty, `.` or `..` part and no control character.
fn is_plain_path(path: &str) -> bool {
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host:{}", self.program())
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
mod tests {
    use super::*;

    #[test]
    fn host_images_by_path_and_by_command() {
        let path: ImageRef = "host:/usr/bin/sleep".parse().unwrap();
        assert_eq!(
            (path.program(), path.short_name()),
            ("/usr/bin/sleep", "sleep")
        );
        let command: ImageRef = "host:python3.11".parse().unwrap();
        assert_eq!(command.short_name(), "python3.11");
        assert_eq!(command.to_string(), "host:python3.11");
    }

    #[test]
    fn others_are_refused() {
        for bad in [
            "nginx",
            "oci:nginx",
            "host:",
            "host:-x",
            "host:a/b",
            "host:/a/../b",
            "host:/",
            "host:+x",
            "host:/a\nb",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }
}
