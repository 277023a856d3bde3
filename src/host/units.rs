//! The unit files of vks: one directory, and beside it the links that start pods at boot. Units that the host's configuration
//! brings ([`Given`]) are read with them, and never written.

use super::files::{Dir, FileError};
use super::given::Given;
use crate::model::identity::Identity;
use crate::model::layout::Layout;
use crate::model::name::UnitName;
use crate::model::observed::Digest;
use crate::unit::read::MAX_BYTES;
use crate::unit::{self, UnitFile, identity, names};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Unit types that vks makes files of.
const KINDS: [&str; 5] = [".service", ".target", ".slice", ".timer", ".mount"];

/// The drop-in that vks makes. Its name comes last in systemd's order, so that it holds against those of others.
const DROP_IN: &str = "zz-vks-grace.conf";

/// A unit file as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitOnDisk {
    /// Its name.
    pub name: UnitName,
    /// Digest of its text.
    pub digest: Digest,
    /// Digest of what systemd reads of it.
    pub loaded_digest: Option<Digest>,
    /// The same without what can be changed while the unit runs.
    pub fixed_digest: Option<Digest>,
    /// Who it belongs to; `None` when it does not say, or not in a way this vks understands.
    pub identity: Option<Identity>,
    /// Units it `Wants=`, and those it names in `[X-kubernetes]`: a pod's target names the pod's other units.
    pub wants: Vec<UnitName>,
    /// It is part of the host's configuration.
    pub given: bool,
}

/// What is in the unit directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Every unit file of vks' name; two of one name when a given one hides what vks wrote.
    pub units: Vec<UnitOnDisk>,
    /// Files of vks' name that are no readable unit files.
    pub unreadable: BTreeSet<String>,
    /// Units that start at boot.
    pub enabled: BTreeSet<UnitName>,
}

/// The directory of unit files, open.
#[derive(Debug)]
pub struct UnitDir {
    /// There may be none yet where units are given.
    own: Option<Dir>,
    path: PathBuf,
    given: Option<Given>,
}

impl UnitDir {
    /// Opens the directory; `None` when there is none yet.
    pub fn open(layout: &Layout) -> Result<Option<Self>, FileError> {
        let (own, given) = (Dir::open(&layout.units)?, Given::open(layout));
        let path = layout.units.clone();
        Ok((own.is_some() || given.is_some()).then_some(Self { own, path, given }))
    }

    /// Opens the directory and makes it if need be.
    pub fn create(layout: &Layout) -> Result<Self, FileError> {
        Ok(Self {
            own: Some(Dir::create(&layout.units)?),
            path: layout.units.clone(),
            given: Given::open(layout),
        })
    }

    /// Reads every unit file of vks' name, and the links.
    pub fn list(&self) -> Result<Listing, FileError> {
        let mut listing = Listing {
            enabled: self.enabled()?,
            ..Listing::default()
        };
        let given = self.given.as_ref().map(Given::names).transpose()?;
        let given = given.iter().flatten();
        listing
            .units
            .extend(given.filter_map(|name| self.read_given(name)));
        let own = self.own.as_ref().map(Dir::entries).transpose()?;
        for (name, kind) in own.into_iter().flatten() {
            let ours = names::is_ours(&name) && KINDS.iter().any(|kind| name.ends_with(kind));
            if !ours || kind.is_dir() || name == names::ALL_PODS {
                continue;
            }
            match name.parse() {
                Ok(unit) => match self.read_own(&unit) {
                    Ok(found) => listing.units.extend(found),
                    Err(_) => drop(listing.unreadable.insert(name)),
                },
                Err(_) => drop(listing.unreadable.insert(name)),
            }
        }
        Ok(listing)
    }

    /// How many files and links of vks' name there are.
    pub fn count(&self) -> Result<usize, FileError> {
        let own = self.own.as_ref().map(Dir::entries).transpose()?;
        let own = own.iter().flatten();
        let own = own.filter(|(name, _)| names::is_ours(name)).count();
        let given = self.given.as_ref().map(Given::names).transpose()?;
        Ok(own + given.map_or(0, |names| names.len()))
    }

    /// Reads the files of a unit: the given one first, then that of vks' own.
    pub fn read(&self, name: &UnitName) -> Result<Vec<UnitOnDisk>, FileError> {
        let given = self.read_given(name).into_iter();
        Ok(given.chain(self.read_own(name)?).collect())
    }

    /// Whether the host's configuration brings this unit.
    pub fn is_given(&self, name: &UnitName) -> bool {
        self.read_given(name).is_some()
    }

    fn read_given(&self, name: &UnitName) -> Option<UnitOnDisk> {
        let bytes = self.given.as_ref()?.read(name)?;
        Some(UnitOnDisk {
            given: true,
            ..parse(name.clone(), &bytes)
        })
    }

    fn read_own(&self, name: &UnitName) -> Result<Option<UnitOnDisk>, FileError> {
        let Some(own) = &self.own else {
            return Ok(None);
        };
        let bytes = own.read(name.as_str(), MAX_BYTES)?;
        Ok(bytes.map(|bytes| parse(name.clone(), &bytes)))
    }

    /// The directory that is written to.
    fn dir(&self) -> Result<&Dir, FileError> {
        self.own
            .as_ref()
            .ok_or_else(|| FileError::missing(&self.path))
    }

    /// The same for who only looks.
    fn links(&self) -> Result<Option<Dir>, FileError> {
        match &self.own {
            Some(own) => own.sub(&wants_dir()),
            None => Ok(None),
        }
    }

    /// The targets of all pods that can be read, with whose they are.
    pub fn pods(&self) -> Result<Vec<(Identity, UnitFile)>, FileError> {
        let own = self.own.as_ref().map(Dir::entries).transpose()?;
        let own = own.into_iter().flatten().map(|(name, _)| name);
        let own = own.filter(|name| names::is_ours(name));
        let mut targets: BTreeSet<UnitName> = own.filter_map(|name| name.parse().ok()).collect();
        let given = self.given.as_ref().map(Given::names).transpose()?;
        targets.extend(given.into_iter().flatten());
        targets.retain(|name| name.as_str().ends_with(".target"));
        let mut pods = Vec::new();
        for name in targets {
            let file = self.file(&name)?;
            pods.extend(file.and_then(|file| Some((identity::read(&file).ok()??, file))));
        }
        Ok(pods)
    }

    /// Writes a unit file.
    pub fn write(&self, name: &UnitName, text: &str) -> Result<(), FileError> {
        self.dir()?.write(name.as_str(), text.as_bytes(), 0o644)
    }

    /// The content of a unit file; `None` when there is none that can be understood.
    pub fn file(&self, name: &UnitName) -> Result<Option<UnitFile>, FileError> {
        if let Some(file) = self.given.as_ref().and_then(|given| given.file(name)) {
            return Ok(Some(file));
        }
        let Some(own) = &self.own else {
            return Ok(None);
        };
        let bytes = own.read(name.as_str(), MAX_BYTES)?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.and_then(|text| unit::read::read(&text).ok()))
    }

    /// Writes the drop-in of vks for a unit: it goes with the unit's file.
    pub fn write_drop_in(&self, name: &UnitName, text: &str) -> Result<(), FileError> {
        let drop_ins = self.dir()?.create_sub(&drop_in_dir(name), 0o755)?;
        drop_ins.write(DROP_IN, text.as_bytes(), 0o644)
    }

    /// Removes a unit file, with the drop-in that vks made for it; whether there was a file.
    pub fn remove(&self, name: &UnitName) -> Result<bool, FileError> {
        let dir = self.dir()?;
        let removed = dir.remove(name.as_str())?;
        let directory = drop_in_dir(name);
        if let Some(drop_ins) = dir.sub(&directory)? {
            drop_ins.remove(DROP_IN)?;
            // What others have put there is theirs.
            if drop_ins.entries()?.is_empty() {
                dir.remove_tree(&directory)?;
            }
        }
        Ok(removed)
    }

    /// Makes a unit start at boot.
    pub fn enable(&self, name: &UnitName) -> Result<(), FileError> {
        let links = self.dir()?.create_sub(&wants_dir(), 0o755)?;
        links.symlink(name.as_str(), &format!("../{name}"))
    }

    /// Makes a unit not start at boot; whether it did.
    pub fn disable(&self, name: &UnitName) -> Result<bool, FileError> {
        match self.links()? {
            Some(links) => links.remove(name.as_str()),
            None => Ok(false),
        }
    }

    /// Whether a unit starts at boot.
    pub fn is_enabled(&self, name: &UnitName) -> Result<bool, FileError> {
        match self.links()? {
            Some(links) => Ok(links.read_link(name.as_str())?.is_some()),
            None => Ok(false),
        }
    }

    fn enabled(&self) -> Result<BTreeSet<UnitName>, FileError> {
        let Some(links) = self.links()? else {
            return Ok(BTreeSet::new());
        };
        let names = links.entries()?.into_iter();
        Ok(names.filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// Makes all that was written so far safe from a power loss: once for a batch.
    pub fn sync(&self) -> Result<(), FileError> {
        self.dir()?.sync()
    }

    /// Removes what writes that were cut short have left. Only for the holder of the lock.
    pub fn sweep(&self) -> Result<(), FileError> {
        self.dir()?.sweep()?;
        match self.links()? {
            Some(links) => links.sweep(),
            None => Ok(()),
        }
    }
}

fn drop_in_dir(unit: &UnitName) -> String {
    format!("{unit}.d")
}

fn wants_dir() -> String {
    format!("{}.wants", names::ALL_PODS)
}

fn parse(name: UnitName, bytes: &[u8]) -> UnitOnDisk {
    let digest = unit::digest(bytes);
    let text = std::str::from_utf8(bytes).ok();
    let file = text.and_then(|text| unit::read::read(text).ok());
    UnitOnDisk {
        digest,
        loaded_digest: file.as_ref().map(UnitFile::loaded_digest),
        fixed_digest: file.as_ref().map(UnitFile::fixed_digest),
        identity: file
            .as_ref()
            .and_then(|file| identity::read(file).ok().flatten()),
        wants: file.as_ref().map(wants).unwrap_or_default(),
        given: false,
        name,
    }
}

fn wants(file: &UnitFile) -> Vec<UnitName> {
    let lists = file.values("Unit", "Wants");
    let once = file.values(identity::SECTION, identity::ONCE_KEY);
    lists
        .chain(once)
        .flat_map(str::split_whitespace)
        .filter_map(|name| name.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Scratch;
    use crate::model::identity::UnitRole;
    use crate::model::pod::SourcePath;

    fn layout(scratch: &Scratch) -> Layout {
        Layout {
            units: scratch.0.join("units"),
            ..Layout::default()
        }
    }

    fn unit(name: &str) -> UnitName {
        name.parse().unwrap()
    }

    fn target() -> String {
        let mut file = UnitFile::default();
        file.push(
            "Unit",
            "Wants",
            "vks.a.b.web.service vks-a-b-sandbox.service",
        );
        file.push("Unit", "Wants", "vks-a-b-probes.service");
        let identity = Identity {
            addresses: Vec::new(),
            pod: crate::model::name::ObjectKey {
                namespace: "a".parse().unwrap(),
                name: "b".parse().unwrap(),
            },
            uid: "u".parse().unwrap(),
            role: UnitRole::Pod,
            source: SourcePath("/etc/vks/pods.d/b.toml".into()),
            spec_hash: "h".into(),
            manifest: Some("{}".into()),
        };
        identity::write(&mut file, &identity);
        file.to_string()
    }

    #[test]
    fn units_are_written_listed_and_removed() {
        let scratch = Scratch::new();
        let layout = layout(&scratch);
        assert!(UnitDir::open(&layout).unwrap().is_none());
        let dir = UnitDir::create(&layout).unwrap();
        assert_eq!(dir.list().unwrap(), Listing::default());
        let name = unit("vks-a-b.target");
        dir.write(&name, &target()).unwrap();
        dir.enable(&name).unwrap();
        dir.write_drop_in(&name, "[Unit]\n").unwrap();
        for other in ["ssh.service", "vks-pods.target", "vks.conf"] {
            std::os::unix::fs::symlink("/dev/null", layout.units.join(other)).unwrap();
        }
        let listing = dir.list().unwrap();
        assert_eq!(listing.enabled, BTreeSet::from([name.clone()]));
        assert!(listing.unreadable.is_empty());
        let [found] = &listing.units[..] else {
            panic!("{listing:?}")
        };
        assert_eq!(found.wants.len(), 3);
        assert_eq!(found.digest, unit::digest(target().as_bytes()));
        assert_eq!(&*found.identity.as_ref().unwrap().spec_hash, "h");
        assert!(dir.is_enabled(&name).unwrap() && dir.disable(&name).unwrap());
        assert!(!dir.is_enabled(&name).unwrap() && !dir.disable(&name).unwrap());
        assert!(dir.remove(&name).unwrap() && !dir.remove(&name).unwrap());
        assert_eq!(dir.read(&name).unwrap(), []);
        assert!(!layout.units.join("vks-a-b.target.d").exists());
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let scratch = Scratch::new();
        let dir = UnitDir::create(&layout(&scratch)).unwrap();
        dir.write(&unit("vks.a.service"), "[Service]\nExecStart=/bin/true\n")
            .unwrap();
        dir.write(&unit("vks.b.service"), "no unit").unwrap();
        dir.dir()
            .unwrap()
            .write("vks bad.service", b"", 0o644)
            .unwrap();
        std::os::unix::fs::symlink("/etc/passwd", scratch.0.join("units/vks.c.service")).unwrap();
        let listing = dir.list().unwrap();
        assert!(listing.units.iter().all(|unit| unit.identity.is_none()));
        assert_eq!(listing.units.len(), 2);
        assert_eq!(listing.unreadable.len(), 2);
    }
}
