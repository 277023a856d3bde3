//! Names of the rest of the world: from the servers in the host's `/etc/resolv.conf`, as it is at the time.

use crate::model::network::DNS_ADDRESSES;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ServerOrderingStrategy};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Said, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Mutex;
use std::time::Duration;

const FILE: &str = "/etc/resolv.conf";
/// Whoever asks us gives up after five seconds (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(2);
/// Answers that are remembered.
const REMEMBERED: u64 = 4096;

/// What others know.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    pub(super) authority: Vec<Record>,
}

impl Found {
    fn nothing(code: ResponseCode) -> Self {
        Self {
            code,
            answers: Vec::new(),
            authority: Vec::new(),
        }
    }
}

/// What tells one version of a file from another.
type Stamp = (u64, u64, i64, i64);

/// The servers that the host asks.
#[derive(Default)]
pub(super) struct Upstream {
    known: Mutex<(Option<Stamp>, Option<TokioResolver>)>,
}

impl Upstream {
    /// Asks them. Without any, or when none answers: SERVFAIL.
    pub(super) async fn look_up(&self, name: Name, kind: RecordType) -> Found {
        let Some(resolver) = self.resolver() else {
            return Found::nothing(ResponseCode::ServFail);
        };
        match resolver.lookup(name, kind).await {
            Ok(lookup) => Found {
                code: ResponseCode::NoError,
                answers: lookup.answers().to_vec(),
                authority: Vec::new(),
            },
            Err(NetError::Dns(Said::NoRecordsFound(none))) => Found {
                code: none.response_code,
                answers: Vec::new(),
                authority: none
                    .soa
                    .map(|soa| soa.into_record_of_rdata())
                    .into_iter()
                    .collect(),
            },
            Err(NetError::Dns(Said::ResponseCode(code))) => Found::nothing(code),
            Err(error) => {
                log::debug!("no server of the host has answered: {error}");
                Found::nothing(ResponseCode::ServFail)
            }
        }
    }

    /// A resolver for what the file says now.
    fn resolver(&self) -> Option<TokioResolver> {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        let stamp = fs::metadata(FILE)
            .ok()
            .map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()));
        if known.0 != stamp || stamp.is_none() {
            *known = (stamp, None);
            match build() {
                Ok(resolver) => known.1 = resolver,
                Err(error) => log::warn!("{FILE} names nobody to ask: {error}"),
            }
        }
        known.1.clone()
    }
}

/// None if the file names nobody but ourselves.
fn build() -> Result<Option<TokioResolver>, NetError> {
    let text = fs::read(FILE).map_err(NetError::from)?;
    let (config, mut options) = system_conf::parse_resolv_conf(text)?;
    let servers = config.name_servers().iter();
    let servers: Vec<_> = servers
        .filter(|server| !DNS_ADDRESSES.contains(&server.ip))
        .cloned()
        .collect();
    if servers.is_empty() {
        return Ok(None);
    }
    options.use_hosts_file = ResolveHosts::Never;
    // As the C library does: the first that answers is believed.
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.num_concurrent_reqs = 1;
    options.timeout = options.timeout.min(PATIENCE);
    options.cache_size = REMEMBERED;
    options.edns0 = true;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider);
    builder.with_options(options).build().map(Some)
}
