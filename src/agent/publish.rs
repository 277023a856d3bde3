//! Services and ports of the host follow the pods: what is published is worked out anew when something has changed,
//! kept on disk for the next boot, and brought into the packet filter as the difference.

use crate::config::Settings;
use crate::host::conntrack;
use crate::host::files::{Dir, FileError};
use crate::host::nft::elements::{To, Transaction};
use crate::host::nft::{self, NftError};
use crate::host::systemd::{JobResult, Systemd, SystemdError};
use crate::model::desired::Desired;
use crate::model::name::UnitName;
use crate::model::network::published::{Published, PublishedService};
use crate::model::network::{Mode, NetworkSettings};
use crate::model::observed::{Observed, ObservedPod};
use crate::model::pod::Pod;
use crate::model::status::{Condition, ConditionKind, Phase};
use crate::observe::status::{Facts, status};
use crate::plan::network::elements::{self, Elements, Value};
use crate::plan::network::flows::Stale;
use crate::plan::network::publish::{Backend, publish};
use crate::plan::network::table::{self, Table};
use crate::plan::network::{HOST_UNIT, ruleset, store};
use crate::source::pod_from_manifest;
use crate::worker::wire::{self, WireError};
use std::borrow::Cow;
use std::collections::BTreeMap;
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

/// What is published, as far as is known.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// What was published last; from the disk at first.
    pub published: Published,
    /// The table in the kernel; not known at first.
    pub table: Option<Arc<Table>>,
}

impl Shown {
    /// What the last who published has left.
    pub fn read(settings: &Settings) -> Result<Self, WireError> {
        Ok(Self {
            published: wire::published(settings)?,
            table: None,
        })
    }
}

/// What is to be published now.
pub fn wanted(
    desired: &Desired,
    observed: &Observed,
    settings: &Settings,
    before: &Published,
) -> Published {
    let asks = |pod: &Pod| {
        let mut containers = pod.spec.all_containers();
        containers.any(|(_, container)| container.ports.iter().any(|port| port.host_port.is_some()))
    };
    let nothing = desired.services.is_empty() && *before == Published::default();
    if settings.network.mode == Mode::Host || nothing && !desired.pods.values().any(asks) {
        return Published::default();
    }
    let found: Vec<Found> = observed
        .pods
        .iter()
        .filter_map(|(key, is)| {
            let pod = match desired.pods.get(key) {
                Some(pod) => Cow::Borrowed(pod),
                None if desired.holds(&is.source) => {
                    let manifest = is.manifest.as_deref()?;
                    Cow::Owned(pod_from_manifest(manifest, is.source.clone()).ok()?)
                }
                None => return None,
            };
            Some(find(pod, is, settings))
        })
        .collect();
    let backends: Vec<Backend> = found.iter().map(Found::backend).collect();
    let held = |old: &PublishedService| desired.holds(&old.source);
    publish(
        &desired.services,
        held,
        &backends,
        &settings.network,
        before,
    )
}

struct Found<'a> {
    pod: Cow<'a, Pod>,
    addresses: Vec<IpAddr>,
    ready: bool,
    over: bool,
}

impl Found<'_> {
    fn backend(&self) -> Backend<'_> {
        Backend {
            pod: &self.pod,
            addresses: &self.addresses,
            ready: self.ready,
            over: self.over,
        }
    }
}

fn find<'a>(pod: Cow<'a, Pod>, is: &ObservedPod, settings: &Settings) -> Found<'a> {
    let facts = Facts {
        host_ip: settings.host_ip.clone(),
        host_mode: false,
    };
    let status = status(&pod, Some(is), &[], &facts);
    let ready = |condition: &Condition| condition.kind == ConditionKind::Ready && condition.status;
    let addresses = status.pod_ips.iter().filter_map(|ip| ip.ip.parse().ok());
    Found {
        addresses: addresses.collect(),
        ready: status.conditions.iter().any(ready),
        over: matches!(status.phase, Phase::Succeeded | Phase::Failed),
        pod,
    }
}

/// Publishes. `doubtful`: the table may have gone.
pub async fn bring(
    systemd: Systemd,
    settings: Arc<Settings>,
    published: Published,
    shown: Shown,
    doubtful: bool,
) -> Result<Shown, PublishError> {
    if published != shown.published {
        keep(&settings, &published).await?;
    }
    let active = wire::opened(&settings)?.is_some();
    if !active && published == Published::default() {
        return Ok(Shown {
            published,
            table: None,
        });
    }
    if !active {
        // It begins with what was just kept.
        // As long as it fails, it is tried again and the job waits.
        let started = tokio::time::timeout(PATIENCE, systemd.start_and_wait(&host_unit())).await;
        match started.map_err(|_| PublishError::Unit)?? {
            JobResult::Done => {}
            _ => return Err(PublishError::Unit),
        }
    }
    let (before, old) = (shown.published, shown.table.filter(|_| active));
    let work = move || {
        let opened = wire::opened(&settings)?.unwrap_or_default();
        let table = ruleset::table(&settings.network, &published, &opened);
        let there = !doubtful || nft::has_table(table::TABLE)?;
        match old.filter(|_| there) {
            Some(old) => change(&old, &table)?,
            None if active => nft::run(&table::whole(&table))?,
            None => {}
        }
        // Not before new connections are led elsewhere.
        forget(&before, &published, &settings.network);
        let table = Some(Arc::new(table));
        Ok(Shown { published, table })
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(PublishError::Interrupted))
}

/// Makes one table of another; all of it anew if the kernel has not what we think it has.
fn change(old: &Table, table: &Table) -> Result<(), NftError> {
    let changes = table::changes(old, table);
    if changes.is_empty() {
        return Ok(());
    }
    let quick = elements::of(&changes, table).map(|all| put(&all));
    match quick {
        Some(Ok(())) => return Ok(()),
        Some(Err(_)) => {}
        None if nft::run(&table::script(&changes)).is_ok() => return Ok(()),
        None => {}
    }
    nft::run(&table::whole(table))
}

/// Changes elements without the program.
fn put(all: &[Elements]) -> Result<(), NftError> {
    let name = table::TABLE.split(' ').next_back().unwrap_or(table::TABLE);
    let mut transaction = Transaction::new(name);
    for set in all {
        let elements = set.elements.iter().map(|(key, value)| {
            let to = match value {
                Value::None => To::Nothing,
                Value::Bytes(bytes) => To::Bytes(bytes),
                Value::Goto(chain) => To::Chain(chain),
            };
            (key.as_slice(), to)
        });
        transaction.elements(&set.set, set.add, elements);
    }
    transaction.run()
}

/// Has the kernel forget connections of UDP to endpoints that are gone. What fails here is told and no reason to publish
/// again: such a connection ends by itself once its client is silent.
fn forget(before: &Published, now: &Published, network: &NetworkSettings) {
    let mut stale = Stale::default();
    stale.host_ports(&before.host_ports, &now.host_ports);
    let key = |service: &PublishedService| service.key.clone();
    let old: BTreeMap<_, _> = before
        .services
        .iter()
        .map(|service| (key(service), service))
        .collect();
    let new: BTreeMap<_, _> = now
        .services
        .iter()
        .map(|service| (key(service), service))
        .collect();
    for name in old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)))
    {
        stale.service(old.get(name).copied(), new.get(name).copied());
    }
    if stale.is_empty() {
        return;
    }
    let pods = |address: IpAddr| network.pods.iter().any(|prefix| prefix.contains(address));
    let forgotten = conntrack::udp().and_then(|mut flows| {
        flows.retain(|flow| stale.has(flow.asked, flow.answers, pods));
        conntrack::forget(&flows)
    });
    if let Err(error) = forgotten {
        log::warn!("clients of UDP may go on asking an endpoint that is gone: {error}");
    }
}

async fn keep(settings: &Settings, published: &Published) -> Result<(), PublishError> {
    let text = store::whole(&published.host_ports, &published.services);
    let state = settings.layout.state.clone();
    let write = move || Dir::create(&state)?.write("network.json", text.as_bytes(), 0o644);
    let done = tokio::task::spawn_blocking(write).await;
    Ok(done.map_err(|_| PublishError::Interrupted)??)
}

fn host_unit() -> UnitName {
    #[expect(clippy::expect_used, reason = "a constant that is a unit's name")]
    HOST_UNIT.parse().expect("a unit name")
}
