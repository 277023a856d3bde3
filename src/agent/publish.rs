//! What is published comes into the packet filter, and is kept on disk for the next boot and the name server: as the
//! difference, where it is known what is there.

use crate::config::Settings;
use crate::host::conntrack;
use crate::host::files::{Dir, FileError};
use crate::host::nft::{self, NftError};
use crate::host::systemd::{JobResult, Systemd, SystemdError};
use crate::model::network::NetworkSettings;
use crate::model::network::published::HostPort;
use crate::plan::network::elements;
use crate::plan::network::flows::Stale;
use crate::plan::network::publish::{Changes, Publication, Services};
use crate::plan::network::ruleset::{self, Shared};
use crate::plan::network::table;
use crate::plan::network::{HOST_UNIT, store};
use crate::worker::wire::{self, WireError, load};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the host's part may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// systemd, asked for the host's part of the network.
    #[error("failed to start {HOST_UNIT}")]
    Systemd(#[from] SystemdError),
    /// It did not start.
    #[error("{HOST_UNIT} does not start: systemctl status {HOST_UNIT} says why")]
    Unit,
    /// It cannot be kept for the next boot.
    #[error("failed to keep what is published")]
    Keep(#[from] FileError),
    /// What the host's part has noted cannot be read.
    #[error("failed to publish services and ports")]
    Wire(#[from] WireError),
    /// The packet filter.
    #[error("failed to publish services and ports")]
    Nft(#[from] NftError),
    /// The thread that does it is gone: the program is ending.
    #[error("interrupted")]
    Interrupted,
}

/// What is known of what is there.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The table in the kernel, and the interfaces that it was made for; not known at first.
    table: Option<(Shared, Vec<String>)>,
    /// Bytes of the file when it was made anew, and now; not known at first.
    file: Option<(u64, u64)>,
    /// The file may lack something.
    doubtful_file: bool,
}

impl Shown {
    /// After a failure: all of it is made anew.
    pub fn unknown() -> Self {
        Self {
            doubtful_file: true,
            ..Self::default()
        }
    }
}

/// What is to be brought about.
#[derive(Debug)]
pub struct Job {
    settings: Arc<Settings>,
    services: Arc<Services>,
    host_ports: Vec<HostPort>,
    changes: Changes,
    shown: Shown,
    /// The table may have gone.
    doubtful: bool,
}

impl Job {
    /// Brings about all of a publication, of which `changes` are new.
    pub fn new(
        settings: Arc<Settings>,
        publication: &Publication,
        changes: Changes,
        shown: Shown,
        doubtful: bool,
    ) -> Self {
        Self {
            settings,
            services: publication.shared_services(),
            host_ports: publication.host_ports().to_vec(),
            changes,
            shown,
            doubtful,
        }
    }

    /// Writes down what has changed. Blocks on the disk.
    fn keep(&mut self) -> Result<(), FileError> {
        if self.changes.is_empty() && !self.shown.doubtful_file {
            return Ok(());
        }
        let mut lines = String::new();
        for pair in &self.changes.services {
            match pair {
                (_, Some(service)) => lines.push_str(&store::service(service)),
                (Some(service), None) => lines.push_str(&store::gone(&service.key)),
                (None, None) => {}
            }
        }
        if self.changes.host_ports.is_some() {
            lines.push_str(&store::host_ports(&self.host_ports));
        }
        if let Some((fresh, size)) = self.shown.file {
            let grown = size + lines.len() as u64;
            if !store::is_stale(fresh, grown) && self.append(&lines).is_ok() {
                self.shown.file = Some((fresh, grown));
                return Ok(());
            }
        }
        let services = self.services.values().map(|service| &**service);
        let text = store::whole(&self.host_ports, services);
        let dir = Dir::create(&self.settings.layout.state)?;
        dir.write("network.json", text.as_bytes(), 0o644)?;
        let size = text.len() as u64;
        self.shown.file = Some((size, size));
        self.shown.doubtful_file = false;
        Ok(())
    }

    fn append(&self, lines: &str) -> std::io::Result<()> {
        let path = self.settings.layout.published();
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(lines.as_bytes())
    }

    /// Brings the table up to date. `active`: it was there before. Blocks for as long as the kernel or nft takes.
    fn filter(&mut self, active: bool) -> Result<(), PublishError> {
        let opened = wire::opened(&self.settings)?.unwrap_or_default();
        let there = active && (!self.doubtful || nft::has_table(table::TABLE)?);
        let network = &self.settings.network;
        let known = self.shown.table.take();
        if let Some((mut shared, was)) = known
            && there
            && was == opened
            && !self.changes.shared
        {
            let (from, to) = shared.change(network, &self.changes, &self.host_ports);
            let steps = table::changes(&from, &to);
            let quick = elements::of(&steps, &to).map(|all| load::put(&all));
            let done = match quick {
                _ if steps.is_empty() => Ok(()),
                Some(done) => done,
                None => nft::run(&table::script(&steps)),
            };
            if done.is_ok() {
                self.shown.table = Some((shared, opened));
                return Ok(());
            }
            // The kernel has not what we think it has.
        }
        let services = || self.services.values().map(|service| &**service);
        let table = ruleset::table(network, services(), &self.host_ports, &opened);
        let shared = Shared::new(network, &table, services(), &self.host_ports);
        if active {
            load::load(&table)?;
        }
        self.shown.table = Some((shared, opened));
        Ok(())
    }

    /// Has the kernel forget connections of UDP to endpoints that are gone. What fails here is told and no reason to publish
    /// again: such a connection ends by itself once its client is silent.
    fn forget(&self) {
        let mut stale = Stale::default();
        if let Some(before) = &self.changes.host_ports {
            stale.host_ports(before, &self.host_ports);
        }
        for (old, new) in &self.changes.services {
            stale.service(old.as_deref(), new.as_deref());
        }
        if stale.is_empty() {
            return;
        }
        if let Err(error) = forget(&stale, &self.settings.network) {
            log::warn!("clients of UDP may go on asking an endpoint that is gone: {error}");
        }
    }
}

/// Does it.
pub async fn bring(systemd: Systemd, job: Job) -> Result<Shown, PublishError> {
    let mut job = blocking(job, |job| Ok(job.keep()?)).await?;
    let active = wire::opened(&job.settings)?.is_some();
    if !active && job.services.is_empty() && job.host_ports.is_empty() {
        job.shown.table = None;
        return Ok(job.shown);
    }
    if !active {
        // It begins with what was just kept.
        // As long as it fails, it is tried again and the job waits.
        let started =
            tokio::time::timeout(PATIENCE, systemd.start_and_wait(&HOST_UNIT.into())).await;
        match started.map_err(|_| PublishError::Unit)?? {
            JobResult::Done => {}
            _ => return Err(PublishError::Unit),
        }
    }
    let work = move |job: &mut Job| {
        job.filter(active)?;
        // Not before new connections are led elsewhere.
        job.forget();
        Ok(())
    };
    Ok(blocking(job, work).await?.shown)
}

/// On a thread that may block.
async fn blocking(
    mut job: Job,
    work: impl FnOnce(&mut Job) -> Result<(), PublishError> + Send + 'static,
) -> Result<Job, PublishError> {
    let done = tokio::task::spawn_blocking(move || work(&mut job).map(|()| job)).await;
    done.unwrap_or(Err(PublishError::Interrupted))
}

fn forget(stale: &Stale, network: &NetworkSettings) -> std::io::Result<()> {
    let pods = |address: IpAddr| network.pods.iter().any(|prefix| prefix.contains(address));
    let mut flows = conntrack::udp()?;
    flows.retain(|flow| stale.has(flow.asked, flow.answers, pods));
    conntrack::forget(&flows)
}
