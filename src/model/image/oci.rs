//! References to images of registries: `[registry/]name[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's reference package: the first part is a registry when it has a dot or
//! a colon or is `localhost`, else the registry is docker.io; a single name there is in `library/`.

use std::fmt;

/// The registry of names that have none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The tag of names that have neither tag nor digest.
pub const DEFAULT_TAG: &str = "latest";

/// The longest name, registry included.
const LONGEST: usize = 255;

/// A reference to an image of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OciRef {
    written: String,
    /// Host, with a port if it has one.
    pub registry: String,
    /// The name in the registry.
    pub repository: String,
    /// The tag, if one is named.
    pub tag: Option<String>,
    /// The digest, `sha256:…` or `sha512:…`, if one is named.
    pub digest: Option<String>,
}

impl OciRef {
    /// Reads what follows `oci:`.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if is_digest(digest) => (name, Some(digest)),
            Some(_) => {
                return Err("has no digest after the @: write sha256: and 64 digits in hex");
            }
            None => (text, None),
        };
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].split_once(':') {
            // What is before the first slash may be a port.
            Some((_, tag)) if is_tag(tag) => (&name[..name.len() - tag.len() - 1], Some(tag)),
            Some(_) => {
                return Err(
                    "has no tag after the colon: write letters, digits, '.', '_' and '-', at most 128",
                );
            }
            None => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY, name.to_owned()),
            None => (DEFAULT_REGISTRY, format!("library/{name}")),
        };
        if !is_host(registry) {
            return Err("names no registry: write a host name, with a port if it needs one");
        }
        if repository.len() + registry.len() >= LONGEST || !repository.split('/').all(is_component)
        {
            return Err(
                "is not the name of an image: its parts are lower-case letters and digits, with single '.', '_', \
                 '__' or '-' between them",
            );
        }
        Ok(Self {
            written: text.to_owned(),
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Whether it means whatever is newest.
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref().is_none_or(|tag| tag == DEFAULT_TAG)
    }

    /// Registry and name, without tag and digest: `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same image for every way to write it: `docker.io/library/nginx:latest`.
    pub fn full(&self) -> String {
        let mut full = self.name();
        match (&self.tag, &self.digest) {
            (Some(tag), _) => full = format!("{full}:{tag}"),
            (None, None) => full = format!("{full}:{DEFAULT_TAG}"),
            (None, Some(_)) => {}
        }
        match &self.digest {
            Some(digest) => format!("{full}@{digest}"),
            None => full,
        }
    }
}

impl fmt::Display for OciRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_registry(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_host(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => (registry, "443"),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port.parse::<u16>().is_ok() && host.split('.').all(label)
}

fn is_component(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends =
        bytes.first().copied().is_some_and(plain) && bytes.last().copied().is_some_and(plain);
    let joints = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && joints
        .filter(|joint| !joint.is_empty())
        .all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_digest(digest: &str) -> bool {
    let hex = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match digest.split_once(':') {
        Some(("sha256", rest)) => hex(rest, 64),
        Some(("sha512", rest)) => hex(rest, 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        let cases = [
            ("nginx", "docker.io/library/nginx:latest"),
            ("a/b", "docker.io/a/b:latest"),
            ("localhost/b", "localhost/b:latest"),
            ("localhost:5000/b:1", "localhost:5000/b:1"),
            ("quay.io/a/b-c/d:v1.2_3", "quay.io/a/b-c/d:v1.2_3"),
        ];
        for (text, full) in cases {
            assert_eq!(OciRef::read(text).unwrap().full(), full);
        }
    }
}
