//! `vks wireguard-device NAME`: a WireGuard device for kernels that have none.
//!
//! It makes a tun device and answers on a socket in `/run/wireguard`, as `wg` expects; who wants it gives it keys and peers
//! there. Its UDP socket stays in the host's namespace wherever the interface goes. The interface goes with the process.
//!
//! `--plug` gives it back what a device of this name had before, after the program has ended unexpectedly.
//!
//! `--needed` says by its exit code whether that is needed at all: 0 when the kernel has no WireGuard.

use super::args::{Allowed, ArgumentError, Arguments};
use super::journal;
use crate::config::{ConfigError, Settings};
use crate::host::link::{self, Batch, LinkError};
use crate::host::wireguard::{self, WireguardError};
use crate::model::wireguard::MESH_LINK;
use defguard_boringtun::device::{DeviceConfig, DeviceHandle};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// One for each direction.
const THREADS: usize = 2;
/// Says "not needed" to systemd: no failure (systemd.service(5), `ExecCondition=`).
const NOT_NEEDED: u8 = 1;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
enum DeviceError {
    #[error("cannot understand the arguments of vks wireguard-device")]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Wireguard(#[from] WireguardError),
    #[error("cannot take away the device that was tried")]
    Link(#[from] LinkError),
    #[error(transparent)]
    Plug(#[from] super::sandbox::attach::tunnel::PlugError),
    #[error(transparent)]
    Mesh(#[from] super::mesh::MeshError),
    #[error("cannot make the directory of sockets")]
    Sockets(#[source] io::Error),
    #[error("cannot make the tun device {0}: modprobe tun")]
    Tun(String, #[source] defguard_boringtun::device::Error),
    #[error("cannot say that the device is ready")]
    Notify(#[source] io::Error),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match verb(args) {
        Ok(code) => code,
        Err(error) => super::fail(&error, matches!(error, DeviceError::Arguments(_))),
    }
}

fn verb(args: &[OsString]) -> Result<ExitCode, DeviceError> {
    let mut args = Arguments::parse(args, &[Allowed::Flag("--needed"), Allowed::Flag("--plug")])?;
    let name: String = args.next("NAME")?;
    let (needed, plug) = (args.flag("--needed"), args.flag("--plug"));
    args.end()?;
    if plug {
        plug_in(&name)?;
        return Ok(ExitCode::SUCCESS);
    }
    match needed {
        false => serve(&name),
        true => Ok(match is_needed(&name)? {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(NOT_NEEDED),
        }),
    }
}

/// Tries to have the kernel make it. What it made is taken away again: who needs it makes it.
fn is_needed(name: &str) -> Result<bool, DeviceError> {
    if name == MESH_LINK && Settings::load(Path::new("/"))?.wireguard.is_none() {
        return Ok(false);
    }
    if link::index(name).is_ok() {
        // A tun device would have gone with its process.
        return Ok(false);
    }
    if !wireguard::create(name)? {
        return Ok(true);
    }
    let mut batch = Batch::default();
    batch.remove(name);
    batch.run(link::is_gone)?;
    Ok(false)
}

fn plug_in(name: &str) -> Result<(), DeviceError> {
    if name == MESH_LINK {
        let settings = Settings::load(Path::new("/"))?;
        if let Some(mesh) = &settings.wireguard {
            super::mesh::up(&settings, mesh)?;
        }
        return Ok(());
    }
    super::sandbox::attach::tunnel::plug_in(name)?;
    Ok(())
}

fn serve(name: &str) -> Result<ExitCode, DeviceError> {
    let socket = wireguard::socket(name);
    if let Some(directory) = socket.parent() {
        std::fs::create_dir_all(directory).map_err(DeviceError::Sockets)?;
    }
    let config = DeviceConfig {
        n_threads: THREADS,
        // Its connected sockets are of a type that the kernel refuses for UDP: packets go by the other one anyway.
        use_connected_socket: false,
        use_multi_queue: false,
        uapi_fd: -1,
    };
    let made = DeviceHandle::new(name, config);
    let mut device = made.map_err(|source| DeviceError::Tun(name.to_owned(), source))?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).map_err(DeviceError::Notify)?;
    device.wait();
    device.clean();
    Ok(ExitCode::SUCCESS)
}
