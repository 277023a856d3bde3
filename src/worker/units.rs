//! `vks units up`: lets systemd find the unit files of pods on a host whose `/etc` cannot be written.
//!
//! They are kept below `/var/lib/vks` then. `/run/systemd/system.attached`, which is in systemd's search path
//! (systemd.unit(5)), becomes a link to them; everything that writes or reads unit files follows from that link. After a
//! boot it is gone, so this runs at each: it makes the link, has systemd read it, and starts what was to start at boot.

use super::args::{ArgumentError, Arguments};
use super::journal;
use crate::host::files::{Dir, FileError};
use crate::host::systemd::{Systemd, SystemdError};
use crate::model::layout::{Layout, RUN_UNITS};
use crate::model::name::{NameError, UnitName};
use crate::model::observed::ActiveState;
use crate::unit::names::ALL_PODS;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

/// Why systemd does not find the units.
#[derive(Debug, thiserror::Error)]
enum UnitsError {
    #[error("cannot understand the arguments of vks units")]
    Arguments(#[from] ArgumentError),
    #[error("cannot keep unit files in {0}")]
    Keep(String, #[source] FileError),
    #[error(
        "{RUN_UNITS} is there already and belongs to somebody else: detach portable services that were attached with \
         --runtime, or name a directory of systemd's search path that can be written as paths.units in vks.toml"
    )]
    Taken,
    #[error("cannot make the link {RUN_UNITS}")]
    Link(#[source] std::io::Error),
    #[error("cannot start an event loop")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// The one thing to do.
struct Up;

impl FromStr for Up {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "up" => Ok(Self),
            _ => Err("must be up"),
        }
    }
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match up(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error, matches!(error, UnitsError::Arguments(_))),
    }
}

fn up(args: &[OsString]) -> Result<(), UnitsError> {
    let mut args = Arguments::parse(args, &[])?;
    let Up = args.next("up")?;
    args.end()?;
    link(&super::layout())?;
    let runtime = super::runtime().map_err(UnitsError::Runtime)?;
    runtime.block_on(start())
}

/// Makes the link, unless it is there.
fn link(layout: &Layout) -> Result<(), UnitsError> {
    let kept = layout.kept_units();
    let keep = |source| UnitsError::Keep(kept.display().to_string(), source);
    Dir::create(&kept).map_err(keep)?;
    match std::fs::read_link(RUN_UNITS) {
        Ok(to) if to == kept => return Ok(()),
        Ok(_) => return Err(UnitsError::Taken),
        Err(_) => {}
    }
    // An empty directory is nobody's.
    if Path::new(RUN_UNITS).exists() && std::fs::remove_dir(RUN_UNITS).is_err() {
        return Err(UnitsError::Taken);
    }
    std::os::unix::fs::symlink(&kept, RUN_UNITS).map_err(UnitsError::Link)
}

/// Has systemd read what is there now, and starts the pods if the boot has started what they are wanted by.
async fn start() -> Result<(), UnitsError> {
    let systemd = Systemd::connect(None).await?;
    systemd.reload().await?;
    let pods: UnitName = ALL_PODS.parse()?;
    let wanted = systemd.states([&pods]).await?.remove(&pods);
    if wanted.is_some_and(|state| state.job || state.active == ActiveState::Active) {
        systemd.start(&pods).await?;
    }
    Ok(())
}
