//! References to Debian packages: `package` or `package=version`.

use std::fmt;

/// A reference to a package of Debian.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebRef {
    /// Its name (Debian Policy 5.6.1).
    pub package: String,
    /// The version it must have; the one that apt prefers when absent.
    pub version: Option<String>,
}

impl DebRef {
    /// Reads what follows `deb:`.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let start = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        if package.len() < 2 || !package.starts_with(start) || !package.bytes().all(letters) {
            return Err(
                "names no Debian package: write lower-case letters, digits, '+', '-' and '.', two at least",
            );
        }
        // Policy 5.6.12.
        let of_version = |b: u8| b.is_ascii_alphanumeric() || b".+:~-".contains(&b);
        let good = |version: &str| {
            version.starts_with(|c: char| c.is_ascii_alphanumeric())
                && version.bytes().all(of_version)
        };
        if !version.is_none_or(good) {
            return Err("has no version after the '=': write one as `apt-cache policy` shows it");
        }
        Ok(Self {
            package: package.to_owned(),
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for DebRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        self.version
            .iter()
            .try_for_each(|version| write!(f, "={version}"))
    }
}
