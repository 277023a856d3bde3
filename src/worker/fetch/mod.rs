//! `vks fetch ID`: brings an image here, and says what has come of it.
//!
//! It is the program of `vks-fetch@<id>.service`, with all the rights that takes, which the agent does not have. One
//! request is one unit, so all pods that want the same image wait for the same one, and it goes on when the agent is
//! started anew.

mod deb;
mod host_auth;
pub mod import;
pub mod keep;
mod nix;
mod oci;

use super::args::{ArgumentError, Arguments};
use super::journal;
use crate::config::{ConfigError, Settings};
use crate::host::deb::DebError;
use crate::host::files::FileError;
use crate::host::image_files as files;
use crate::host::nix_store::NixError;
use crate::host::oci::{ImportError, PullError, StoreError};
use crate::host::systemd::SystemdError;
use crate::model::image::ImageRef;
use crate::model::image::fetch::{Outcome, Request};
use crate::model::image::record::RefRecord;
use crate::model::image::resolved::Resolved;
use crate::plan::images::resolve_here;
use sd_notify::NotifyState;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Why an image was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The command line.
    #[error("cannot understand the arguments of vks fetch")]
    Arguments(#[from] ArgumentError),
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of ours.
    #[error("cannot keep what is known of images")]
    File(#[from] FileError),
    /// Nobody has asked for it.
    #[error("there is no request {0}: it is the agent that makes them")]
    NoRequest(String),
    /// A package.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// Packages are not installed here.
    #[error("package {0} is not installed, and packages cannot be installed here: {1}")]
    NoInstall(String, &'static str),
    /// The package is there in another version.
    #[error("package {0} is installed as {1}, not as {2}: change one of them")]
    Version(String, String, String),
    /// A package with several services, and none of its name.
    #[error("package {0} has several services: {1}: name a command")]
    Services(String, String),
    /// The Nix store.
    #[error(transparent)]
    Nix(#[from] NixError),
    /// A store path has no such file.
    #[error("there is no {0}")]
    NoProgram(String),
    /// A registry.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The store of images.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file with images.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// An image in it has no name.
    #[error("the image in {0} has no name: give it one with --name")]
    NoName(String),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// No event loop, or no lock.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
    /// A kind that is not fetched.
    #[error("image {0:?} cannot be fetched")]
    Kind(String),
}

impl FetchError {
    /// Seconds for which the registry does not want to be asked again, if it says so.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Pull(PullError::TooManyRequests { retry_after, .. }) => {
                retry_after.map(|time| time.as_secs())
            }
            _ => None,
        }
    }
}

/// An image that is here now.
pub struct Found {
    /// What it is.
    pub resolved: Resolved,
    /// Bytes on disk.
    pub size: u64,
    /// Something was fetched for it.
    pub fetched: bool,
    /// Any pod may use it.
    pub open: bool,
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match verb(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => super::fail(&error, matches!(error, FetchError::Arguments(_))),
    }
}

/// Does what a request asks for; whether the image is here.
fn verb(args: &[OsString]) -> Result<bool, FetchError> {
    let mut args = Arguments::parse(args, &[])?;
    let id: String = args.next("the id of a request")?;
    args.end()?;
    let settings = Settings::load(Path::new("/"))?;
    let request = files::take_request(&settings.layout, &id)?;
    let request = request.ok_or_else(|| FetchError::NoRequest(id.clone()))?;
    let outcome = match run(&request, &settings) {
        Ok(outcome) => outcome,
        Err(error) => {
            let text = crate::chain::line(&error);
            log::error!("{}: {text}", request.reference);
            Outcome::Failed {
                message: text,
                retry_after: error.retry_after(),
            }
        }
    };
    files::write_result(&settings.layout, &id, &outcome)?;
    Ok(matches!(outcome, Outcome::Here { .. }))
}

/// Brings an image here and remembers it. Blocks for as long as that takes.
///
/// # Errors
/// Why it is not here.
pub fn run(request: &Request, settings: &Settings) -> Result<Outcome, FetchError> {
    status(&format!("fetching {}", request.reference));
    let _busy = keep::busy(settings, false)?;
    let found = match &request.reference {
        ImageRef::Deb(deb) => deb::fetch(deb, request, settings)?,
        ImageRef::Nix(nix) => nix::fetch(nix, request, settings)?,
        ImageRef::Oci(image) => oci::fetch(image, request, settings)?,
        reference => match resolve_here(reference) {
            Some(resolved) => Found {
                resolved,
                size: 0,
                fetched: false,
                open: true,
            },
            None => return Err(FetchError::Kind(reference.to_string())),
        },
    };
    let mut record = RefRecord {
        resolved: found.resolved,
        size: found.size,
        fetched: now(),
        open: found.open,
        credentials: Default::default(),
    };
    record
        .credentials
        .extend(request.access.clone().filter(|_| !found.open));
    let record = files::write_ref(&settings.layout, record)?;
    Ok(Outcome::Here {
        record,
        fetched: found.fetched,
    })
}

/// What `systemctl status` shows.
fn status(text: &str) {
    let _ = sd_notify::notify(&[NotifyState::Status(text)]);
}

/// The time now.
pub use crate::host::clock::timestamp as now;
