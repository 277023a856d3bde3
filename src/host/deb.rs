//! Packages of Debian, by dpkg and apt.
//!
//! What a package brings is the pod's to start, not the package's. While it is installed, `policy-rc.d` forbids its
//! scripts to start anything; it is laid over the host's own in a mount namespace that only apt sees. Afterwards its units
//! are masked, so that neither a boot nor an upgrade starts them, and those of packages that came with it are not enabled.

mod quiet;

use super::files::FileError;
use super::program::{ProgramError, run};
use crate::model::image::deb::DebRef;
use crate::model::image::resolved::PackageUnit;
use crate::unit;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where apt is.
const APT: &str = "/usr/bin/apt-get";
/// Where dpkg keeps the lists of files.
const LISTS: &str = "/var/lib/dpkg/info";
/// Units of the administrator, who has the last word.
const ADMIN: &str = "/etc/systemd/system";
/// How long apt waits for somebody else who is installing, in seconds.
const PATIENCE: &str = "DPkg::Lock::Timeout=600";
/// Units that start something.
const STARTERS: [&str; 4] = [".service", ".socket", ".timer", ".path"];

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// dpkg or apt failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What keeps services from starting could not be set up.
    #[error("cannot keep the services of packages from starting: {0}")]
    Quiet(&'static str, #[source] io::Error),
    /// A file that does so.
    #[error("cannot keep the services of packages from starting")]
    Policy(#[from] FileError),
    /// A file of a package.
    #[error("cannot use {}", .0.display())]
    File(PathBuf, #[source] io::Error),
}

/// Whether packages can be installed here.
pub fn has_apt() -> bool {
    Path::new(APT).exists()
}

/// The version of a package that is installed; `None` when it is not, or not wholly.
///
/// # Errors
/// When dpkg cannot be asked.
pub fn installed(package: &str) -> Result<Option<String>, DebError> {
    let all = query(&[package])?;
    Ok(all.into_iter().next().map(|(_, version)| version))
}

/// Name and version of packages that are installed.
fn query(packages: &[&str]) -> Result<Vec<(String, String)>, DebError> {
    let mut command = Command::new("/usr/bin/dpkg-query");
    command
        .args(["-W", "-f=${db:Status-Status} ${Package} ${Version}\n"])
        .args(packages);
    let bytes = match run(&mut command, b"") {
        Ok(bytes) => bytes,
        // It does not know the package.
        Err(ProgramError::Failed(..)) if !packages.is_empty() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let installed = text
        .lines()
        .filter_map(|line| line.strip_prefix("installed "));
    let pairs = installed.filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect())
}

/// The file with the list of a package's files.
fn list_of(package: &str) -> Option<PathBuf> {
    let plain = Path::new(LISTS).join(format!("{package}.list"));
    if plain.exists() {
        return Some(plain);
    }
    let start = format!("{package}:");
    let entries = std::fs::read_dir(LISTS).ok()?;
    let mut paths = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        (name.starts_with(&start) && name.ends_with(".list")).then(|| entry.path())
    });
    paths.next()
}

/// When a package was installed, in nanoseconds since 1970: another time after each upgrade. `None` when it is not.
pub fn stamp(package: &str) -> Option<u64> {
    let data = std::fs::metadata(list_of(package)?).ok()?;
    let seconds = u64::try_from(data.mtime()).ok()?;
    Some(seconds * 1_000_000_000 + u64::try_from(data.mtime_nsec()).ok()?)
}

/// The files of a package.
fn files(package: &str) -> Vec<String> {
    let text = list_of(package).and_then(|path| std::fs::read_to_string(path).ok());
    text.unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Names of the units of a package, those for boot scripts among them, no templates.
fn units(package: &str) -> BTreeSet<String> {
    let all = files(package).into_iter().filter_map(|path| {
        let (directory, name) = path.rsplit_once('/')?;
        match directory {
            "/lib/systemd/system" | "/usr/lib/systemd/system" => STARTERS
                .iter()
                .any(|end| name.ends_with(end))
                .then(|| name.to_owned()),
            "/etc/init.d" => Some(format!("{name}.service")),
            _ => None,
        }
    });
    all.filter(|name| !name.contains('@')).collect()
}

/// The service that a package is for: the one of its name, else its only one. `None` without one, and when there are
/// several, whose names come with it.
///
/// # Errors
/// When the unit cannot be read.
pub fn service(package: &str) -> Result<(Option<PackageUnit>, Vec<String>), DebError> {
    let own = format!("{package}.service");
    let is_file = |path: &String| std::fs::symlink_metadata(path).is_ok_and(|data| data.is_file());
    let services: Vec<String> = files(package)
        .into_iter()
        .filter(|path| {
            let directory = path.rsplit_once('/').map(|(directory, _)| directory);
            matches!(
                directory,
                Some("/lib/systemd/system" | "/usr/lib/systemd/system")
            ) && path.ends_with(".service")
                && !path.contains('@')
        })
        .filter(is_file)
        .collect();
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let found = services.iter().find(|path| name(path) == own);
    let found = found.or(services.first().filter(|_| services.len() == 1));
    let Some(path) = found else {
        return Ok((None, services.iter().map(|path| name(path)).collect()));
    };
    let failed = |source| DebError::File(path.into(), source);
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let file = unit::read::read(&text).map_err(|error| failed(io::Error::other(error)))?;
    let sections = file
        .sections
        .into_iter()
        .filter(|section| section.name == "Service");
    let unit = PackageUnit {
        name: name(path),
        settings: sections.flat_map(|section| section.entries).collect(),
    };
    Ok((Some(unit), Vec::new()))
}

/// The program that has the name of a package.
pub fn program(package: &str) -> Option<String> {
    let files = files(package);
    let places = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/games"];
    let mut paths = places.iter().map(|place| format!("{place}/{package}"));
    paths.find(|path| files.contains(path))
}

/// Installs a package, or brings it to the version that is asked for; `newest` looks for a newer one first. Blocks until
/// others who are installing are done. Gives the names of packages that were not there before.
///
/// # Errors
/// What apt says. What it has begun it has also ended, as far as it could.
pub fn install(deb: &DebRef, newest: bool) -> Result<BTreeSet<String>, DebError> {
    let names = || -> Result<BTreeSet<String>, DebError> {
        Ok(query(&[])?.into_iter().map(|(name, _)| name).collect())
    };
    let before = names()?;
    let quiet = quiet::Quiet::begin()?;
    if newest {
        apt(&["update"])?;
    }
    let argument = deb.to_string();
    let install = || apt(&["--no-install-recommends", "install", &argument]);
    let mut result = install();
    if result.is_err() && !newest {
        // The package may be newer than what apt has heard of, or apt has heard of nothing yet.
        result = apt(&["update"]).and_then(|()| install());
    }
    drop(quiet);
    let after = names()?;
    let new: BTreeSet<String> = after.difference(&before).cloned().collect();
    // Also after a failure: what came must not start.
    for package in &new {
        silence(package, *package == deb.package)?;
    }
    result.map(|()| new)
}

fn apt(args: &[&str]) -> Result<(), DebError> {
    let mut command = Command::new(APT);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .args(["-q", "-y", "-o", PATIENCE])
        .args([
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "Dpkg::Options::=--force-confdef",
        ])
        .args(args);
    run(&mut command, b"")?;
    Ok(())
}

/// Removes a package that vks has installed; its configuration stays.
///
/// # Errors
/// What apt says.
pub fn remove(package: &str) -> Result<(), DebError> {
    let units = units(package);
    apt(&["remove", package])?;
    for unit in units {
        let path = Path::new(ADMIN).join(&unit);
        let masked = std::fs::read_link(&path).is_ok_and(|to| to == Path::new("/dev/null"));
        if masked {
            std::fs::remove_file(&path).map_err(|source| DebError::File(path, source))?;
        }
    }
    Ok(())
}

/// Has nothing of a package start by itself: not at boot, and with `mask` not in any way.
fn silence(package: &str, mask: bool) -> Result<(), DebError> {
    for unit in units(package) {
        for directory in wanting() {
            let path = directory.join(&unit);
            if std::fs::symlink_metadata(&path).is_ok() {
                std::fs::remove_file(&path).map_err(|source| DebError::File(path, source))?;
            }
        }
        let path = Path::new(ADMIN).join(&unit);
        // What the administrator has there is a decision already.
        if mask && std::fs::symlink_metadata(&path).is_err() {
            let link = std::os::unix::fs::symlink("/dev/null", &path);
            link.map_err(|source| DebError::File(path, source))?;
        }
    }
    Ok(())
}

/// The directories of what is started together with something else.
fn wanting() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(ADMIN).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| {
            let end = path.extension().and_then(|end| end.to_str());
            matches!(end, Some("wants" | "requires"))
        })
        .collect()
}

#[cfg(test)]
mod tests;
