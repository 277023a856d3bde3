//! Why a verb failed: what `main` prints and chooses the exit code by.

use super::target::TargetError;
use super::view::ViewError;
use crate::config::ConfigError;
use crate::model::name::{Namespace, ObjectName};
use std::io;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments do not fit the command; also "failure" of `--help`. clap has the text.
    #[error("{0}")]
    Arguments(clap::Error),
    /// What the verb is to act on is not clear.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Arguments that fit one by one, but not together.
    #[error("{0}")]
    Usage(String),
    /// vks' own settings.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The host could not be asked.
    #[error(transparent)]
    View(#[from] ViewError),
    /// There is no such object.
    #[error("{kind} {:?} not found in namespace {:?}", name.as_str(), namespace.as_str())]
    NotFound {
        /// The kind in the plural.
        kind: &'static str,
        /// The name asked for.
        name: ObjectName,
        /// Where it was looked for.
        namespace: Namespace,
    },
    /// Nothing was chosen by the selector or `--all`.
    #[error("no matching resources found")]
    NothingMatches,
    /// The answer could not be written.
    #[error("write the output")]
    Output(#[source] io::Error),
    /// No event loop.
    #[error("start the event loop")]
    Runtime(#[source] io::Error),
    /// An image could not be fetched or removed.
    #[error(transparent)]
    Image(crate::worker::fetch::FetchError),
    /// Events could not be read.
    #[error(transparent)]
    Events(#[from] super::events::read::EventsError),
    /// `logs` failed.
    #[error(transparent)]
    Logs(#[from] super::logs::LogsError),
    /// `exec` failed.
    #[error(transparent)]
    Exec(#[from] super::exec::ExecError),
    /// `top` failed.
    #[error(transparent)]
    Top(#[from] super::top::TopError),
    /// `wait` failed.
    #[error(transparent)]
    Wait(#[from] super::wait::WaitError),
    /// `rollout` failed.
    #[error(transparent)]
    Rollout(#[from] super::rollout::RolloutError),
    /// `join` or `leave` failed.
    #[error(transparent)]
    Join(#[from] super::join::JoinError),
    /// `man` failed.
    #[error(transparent)]
    Man(#[from] super::man::ManError),
    /// `explain` knows no such field.
    #[error(transparent)]
    Explain(#[from] crate::source::fields::Unknown),
    /// A manifest named on the command line.
    #[error(transparent)]
    Manifest(#[from] super::manifests::ManifestError),
    /// The host's part of the pods' network.
    #[error(transparent)]
    Wire(#[from] crate::worker::wire::WireError),
    /// `wireguard` failed.
    #[error(transparent)]
    Wireguard(#[from] super::wireguard::WireguardCliError),
    /// The agent, or a pass without one.
    #[error(transparent)]
    Agent(#[from] crate::agent::AgentError),
    /// A file could not be written.
    #[error(transparent)]
    File(crate::host::files::FileError),
    /// There is nothing of this object.
    #[error("{what} not found")]
    Missing {
        /// Kind, namespace and name.
        what: String,
    },
    /// What runs from a file is kept as long as it cannot be understood.
    #[error("{what} comes from {file}, which is wrong as it is, and so is kept: mend that first")]
    Held {
        /// The object.
        what: String,
        /// The file.
        file: String,
    },
    /// Manifests without an object.
    #[error("the manifests have no objects: nothing to apply")]
    NoObjects,
    /// A field that cannot be changed.
    #[error(
        "{what}: spec.{field} stays as it is once the object is there: vks delete job {name} -n {namespace}, then apply again"
    )]
    Settled {
        /// The object.
        what: String,
        /// The field of its spec.
        field: &'static str,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// An object of the manifests is not vks' own to change.
    #[error("{what} comes from {file}: change it there")]
    Foreign {
        /// The object.
        what: String,
        /// The file.
        file: String,
    },
}

impl CliError {
    /// Whether the command was wrong rather than its execution: exit code 2.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Arguments(_) | Self::Target(_) | Self::Usage(_))
    }

    /// Whether nobody reads the output any more (`vks get pods | head -1`): no failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
