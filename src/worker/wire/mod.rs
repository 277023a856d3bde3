//! `vks wire up|down|names`: the host's part of the pods' network, and its removal; the cluster's names for the host.
//!
//! `vks-network.service` calls it before the first pod, at boot with no agent around: the settings and what was
//! published last are on disk. `up` may be called again at any time and repairs what is missing. `down` puts
//! everything back as it was before the first `up` of this boot.

mod before;
pub(super) use before::write as set;
pub mod check;
mod dns;
pub mod load;

use super::args::{ArgumentError, Arguments};
use super::journal;
use crate::config::file::ReadError;
use crate::config::{self, ConfigError, Settings};
use crate::host::files::FileError;
use crate::host::link::{self, Batch, LinkError, Way};
use crate::host::namespace::NamespaceError;
use crate::host::nft::{self, NftError};
use crate::model::network::published::Published;
use crate::model::network::{LINK_PREFIX, Mode, NetworkSettings};
use crate::plan::network::{ruleset, store, table};
use before::Before;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The loopback interface has this index in every network namespace.
const LOOPBACK: u32 = 1;
/// The most bytes of what was published that are read back.
const MOST: u64 = 256 << 20;

/// Why the host's part is not up, or not wholly down.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The command line.
    #[error("cannot understand the arguments of vks wire")]
    Arguments(#[from] ArgumentError),
    /// No verb of it.
    #[error("vks wire: expected up, down or names, not {0:?}")]
    Verb(String),
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Pods can have no addresses on this host.
    #[error("no network for pods: {0}")]
    Problem(String),
    /// What was there before is not written down, or cannot be read.
    #[error("cannot keep what the host's network was before")]
    Before(#[source] FileError),
    /// A file of ours is damaged.
    #[error("cannot understand {path}: remove it", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with its JSON.
        source: serde_json::Error,
    },
    /// What was published cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Published {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// What was published is damaged.
    #[error("cannot understand {path}: remove it, and systemctl restart vks", path = path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Where.
        source: store::Damaged,
    },
    /// A setting of the kernel.
    #[error("cannot set {path}", path = path.display())]
    Sysctl {
        /// Its file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Addresses and routes.
    #[error("cannot set up the host's part of the pods' network")]
    Link(#[from] LinkError),
    /// The table.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// Where the name server of pods listens.
    #[error("cannot make the network namespace of the name server")]
    Namespace(#[from] NamespaceError),
    /// systemd-resolved's program.
    #[error("cannot run resolvectl")]
    Resolvectl(#[source] io::Error),
    /// systemd-resolved has refused, with its own words.
    #[error("systemd-resolved does not take the cluster's domain: {0}")]
    Resolved(String),
}

/// Runs the verb.
pub fn main(args: &[OsString]) -> ExitCode {
    journal::install(None);
    match verb(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let arguments = matches!(error, WireError::Arguments(_) | WireError::Verb(_));
            super::fail(&error, arguments)
        }
    }
}

fn verb(args: &[OsString]) -> Result<(), WireError> {
    let mut args = Arguments::parse(args, &[])?;
    let verb: String = args.next("up, down or names")?;
    args.end()?;
    let settings = Settings::load(Path::new("/"))?;
    match verb.as_str() {
        "up" => up(&settings),
        "down" => down(&settings),
        "names" => dns::tell_resolved(&settings),
        _ => Err(WireError::Verb(verb)),
    }
}

/// Sets everything up. Blocks for some milliseconds.
pub fn up(settings: &Settings) -> Result<(), WireError> {
    if settings.network.mode == Mode::Host {
        return Ok(());
    }
    if let Some(problem) = config::network::problem(&settings.network) {
        return Err(WireError::Problem(problem));
    }
    let before = before::open(settings)?;
    routes(&settings.network)?;
    dns::up(settings)?;
    let published = published(settings)?;
    let services = published.services.iter();
    let (network, ports) = (&settings.network, &published.host_ports);
    let table = ruleset::table(network, services, ports, &before.opened);
    load::load(&table)?;
    super::mesh::forward()?;
    for chain in nft::dropping_forward_chains()? {
        if !nft::lets_through(&chain, LINK_PREFIX) {
            nft::let_through(&chain, LINK_PREFIX)?;
        }
    }
    Ok(())
}

/// Takes everything away that is there of it, and gives back the first thing that could not be.
pub fn down(settings: &Settings) -> Result<(), WireError> {
    let table = format!("add table {0}\ndelete table {0}\n", table::TABLE);
    let results = [
        nft::run(&table).map_err(WireError::from),
        nft::take_back(LINK_PREFIX).map_err(WireError::from),
        no_routes(&settings.network),
        dns::down(settings),
        before::close(settings),
    ];
    results.into_iter().collect()
}

/// The interfaces that forward only because of us, as `up` has noted them; `None` unless it is up.
pub fn opened(settings: &Settings) -> Result<Option<Vec<String>>, WireError> {
    Ok(Before::read(settings)?.map(|before| before.opened))
}

/// What was published last; nothing if nothing was.
pub fn published(settings: &Settings) -> Result<Published, WireError> {
    let path = settings.layout.published();
    let failed = |source| WireError::Published {
        path: path.clone(),
        source,
    };
    match config::file::read(&path, MOST) {
        Err(ReadError::Gone) => Ok(Published::default()),
        Err(source) => Err(failed(source)),
        Ok(bytes) => store::read(&String::from_utf8_lossy(&bytes)).map_err(|source| {
            let path = path.clone();
            WireError::Store { path, source }
        }),
    }
}

/// The host's own address among the pods, and what the host knows of the pods' and the services' prefixes: an
/// address that no pod has leads nowhere, instead of out into the world.
fn routes(network: &NetworkSettings) -> Result<(), WireError> {
    let mut batch = Batch::default();
    for (prefix, host) in network.pods.iter().zip(network.host_addresses()) {
        batch
            .address(LOOPBACK, host)
            .route(*prefix, Way::Unreachable);
    }
    for (prefix, way) in services(network) {
        batch.route(prefix, way);
    }
    Ok(batch.run(|_| false)?)
}

/// Who asks for a service needs some route, or it is never asked for. It is as good as any: the packet is turned
/// round to a pod before it leaves.
fn services(
    network: &NetworkSettings,
) -> impl Iterator<Item = (crate::model::network::Prefix, Way)> {
    network.services.iter().map(|prefix| {
        let mut hosts = network.host_addresses();
        let host = hosts.find(|host| host.is_ipv4() == prefix.is_ipv4());
        (*prefix, Way::Link(LOOPBACK, host))
    })
}

fn no_routes(network: &NetworkSettings) -> Result<(), WireError> {
    let mut batch = Batch::default();
    for (prefix, way) in services(network) {
        batch.remove_route(prefix, way);
    }
    for (prefix, host) in network.pods.iter().zip(network.host_addresses()) {
        batch
            .remove_route(*prefix, Way::Unreachable)
            .remove_address(LOOPBACK, host);
    }
    Ok(batch.run(link::is_gone)?)
}
