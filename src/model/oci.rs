//! Images of the Open Container Initiative, as they lie unpacked on this host: plain data.
//!
//! An image is a list of layers, each a tree of files, and a configuration that says what runs in them. What pulling
//! or importing gives is an [`Unpacked`]; from it and the pod alone follows how a container is started, so it also
//! has the image's own users and groups in it.

use super::process::StopSignal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The digest of a blob: `sha256:` or `sha512:` and as many lower-case hex digits as go with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Box<str>);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: write sha256: and 64 hex digits in lower case")]
pub struct NoDigest(String);

impl Digest {
    /// Of SHA-256 in lower-case hex, as [`crate::unit::hex`] writes it.
    pub fn sha256(hex: &str) -> Result<Self, NoDigest> {
        format!("sha256:{hex}").parse()
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(name, _)| name)
    }

    /// The digits.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// With the algorithm, as manifests write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = NoDigest;
    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits = |hex: &str, count| {
            hex.len() == count && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        match text.split_once(':') {
            Some(("sha256", hex)) if digits(hex, 64) => Ok(Self(text.into())),
            Some(("sha512", hex)) if digits(hex, 128) => Ok(Self(text.into())),
            _ => Err(NoDigest(text.chars().take(160).collect())),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = NoDigest;
    fn try_from(text: String) -> Result<Self, NoDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an image says about the process that runs in it. The default says nothing: a plain root directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// `Entrypoint`: stands for a container's absent `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// `Cmd`: stands for absent `args`, unless the container has a `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// `Env`, name and value, later ones win; those of the container go before all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// `User` as it is written: user or number, with `:` and group or number. Absent: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `WorkingDir`, absolute. Absent: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `StopSignal`. Absent: SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
    /// `Volumes`: absolute paths that are empty directories of the container, filled from the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
}

/// A line of the image's `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
}

/// A line of the image's `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Names of users that are in it besides those whose own group it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// The users and groups of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// `/etc/passwd`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// `/etc/group`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// Who a process in an image is, all in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Further groups of the image that the user is in.
    pub groups: Vec<u32>,
    /// Its home directory: `/` for a user without an entry.
    pub home: String,
}

/// The image has no such user or group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the image has no {kind} {name:?}")]
pub struct NoAccount {
    /// `user` or `group`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

impl Accounts {
    /// Who `User` of an image's configuration is (`name`, `uid`, `name:group`, `uid:gid`). A number needs no entry; its
    /// group is then 0. With a group named, there are no further ones (image-spec config.md, moby's `GetExecUser`).
    pub fn person(&self, text: &str) -> Result<Person, NoAccount> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let none = |kind, name: &str| NoAccount {
            kind,
            name: name.to_owned(),
        };
        let number: Option<u32> = if user.is_empty() {
            Some(0)
        } else {
            user.parse().ok()
        };
        let by_name = self.users.iter().find(|entry| entry.name == user);
        let entry = by_name.or_else(|| self.users.iter().find(|entry| Some(entry.uid) == number));
        let uid = entry.map(|entry| entry.uid).or(number);
        let mut person = Person {
            uid: uid.ok_or_else(|| none("user", user))?,
            gid: entry.map_or(0, |entry| entry.gid),
            groups: Vec::new(),
            home: entry.map_or_else(|| "/".to_owned(), |entry| entry.home.clone()),
        };
        if let Some(group) = group {
            let by_name = self.groups.iter().find(|entry| entry.name == group);
            let gid = by_name.map(|entry| entry.gid).or(group.parse().ok());
            person.gid = gid.ok_or_else(|| none("group", group))?;
        } else if let Some(entry) = entry {
            let inside = |group: &&Group| group.members.contains(&entry.name);
            person.groups = self
                .groups
                .iter()
                .filter(inside)
                .map(|group| group.gid)
                .collect();
        }
        Ok(person)
    }
}

/// An image that lies unpacked in the store of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// The digest of its manifest for this platform: what it is known by (`imageID`).
    pub digest: Digest,
    /// What it says about its process.
    pub config: ImageConfig,
    /// Its layers by the digest of their uncompressed archive (diffID), lowest first.
    pub layers: Vec<Digest>,
    /// Bytes of all layers on disk, those shared with other images included.
    pub size: u64,
    /// Its users and groups.
    #[serde(default)]
    pub accounts: Accounts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_strict() {
        let good = format!("sha256:{}", "0f".repeat(32));
        let digest: Digest = good.parse().unwrap();
        assert_eq!((digest.algorithm(), digest.hex().len()), ("sha256", 64));
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            "md5:00",
            &good.to_uppercase(),
            &format!("{good}0"),
            &good.replace("0f", "0g"),
            &good.replace("sha256:0f", "sha256:.."),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    fn accounts() -> Accounts {
        let user = |name: &str, uid, gid| User {
            name: name.to_owned(),
            uid,
            gid,
            home: format!("/home/{name}"),
        };
        let group = |name: &str, gid, members: &[&str]| Group {
            name: name.to_owned(),
            gid,
            members: members.iter().map(ToString::to_string).collect(),
        };
        Accounts {
            users: vec![user("root", 0, 0), user("www", 33, 34), user("1000", 7, 8)],
            groups: vec![group("adm", 4, &["www", "x"]), group("www", 34, &[])],
        }
    }

    #[test]
    fn users_of_an_image() {
        for (text, uid, gid, groups, home) in [
            ("", 0, 0, vec![], "/home/root"),
            ("0", 0, 0, vec![], "/home/root"),
            ("www", 33, 34, vec![4], "/home/www"),
            ("33", 33, 34, vec![4], "/home/www"),
            ("www:adm", 33, 4, vec![], "/home/www"),
            ("www:", 33, 34, vec![4], "/home/www"),
            ("4711:4712", 4711, 4712, vec![], "/"),
            ("4711", 4711, 0, vec![], "/"),
            // A name goes before a number.
            ("1000", 7, 8, vec![], "/home/1000"),
        ] {
            let wanted = Person {
                uid,
                gid,
                groups,
                home: home.to_owned(),
            };
            assert_eq!(accounts().person(text), Ok(wanted), "{text:?}");
        }
        for bad in ["nobody", "www:nogroup", "-1", "4294967296"] {
            assert!(accounts().person(bad).is_err(), "{bad}");
        }
    }
}
