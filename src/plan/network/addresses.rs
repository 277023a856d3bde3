//! Which addresses a pod gets. Pure: what is taken is read from the unit files, so nothing else need be kept.

use crate::model::name::PodKey;
use crate::model::network::{Mode, NetworkSettings, Prefix};
use crate::model::observed::Observed;
use crate::model::pod::Pod;
use crate::model::status::Blocked;
use crate::unit::digest;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Addresses of pods whose units are being written: not observed yet, and no one else's any more.
pub type Promised = BTreeMap<PodKey, Vec<IpAddr>>;

/// Of a large prefix only so many addresses are used: more pods than any host has.
const MOST: u128 = 1 << 16;

/// What other pods have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Others<'a> {
    /// The pods of this host.
    pub observed: Option<&'a Observed>,
    /// Those that are about to be.
    pub promised: Option<&'a Promised>,
}

impl<'a> Others<'a> {
    fn is_given(&self, key: &PodKey) -> bool {
        let pod = self.observed.and_then(|observed| observed.pods.get(key));
        pod.is_some_and(|pod| pod.given.is_some())
    }

    fn addresses(&self, but: &'a PodKey) -> impl Iterator<Item = (&'a PodKey, IpAddr)> {
        let observed = self
            .observed
            .into_iter()
            .flat_map(|observed| &observed.pods);
        let observed = observed.map(|(key, pod)| (key, &pod.addresses));
        let all = observed.chain(self.promised.into_iter().flatten());
        all.filter(move |(key, _)| *key != but)
            .flat_map(|(key, addresses)| addresses.iter().map(move |address| (key, *address)))
    }
}

/// The addresses of a pod, one for each prefix of the node: those it has as long as they are of these prefixes and
/// nobody else's, else free ones. Where the search begins follows from the pod's name, so that a pod that is made
/// anew mostly has the address it had. None on the host's network.
///
/// # Errors
/// When the prefixes cannot be used here, or all addresses are taken.
pub fn choose(
    pod: &Pod,
    kept: &[IpAddr],
    others: Others,
    network: &NetworkSettings,
) -> Result<Vec<IpAddr>, Blocked> {
    if pod.spec.host_network || network.mode == Mode::Host {
        return Ok(Vec::new());
    }
    if let (Some(problem), true) = (&network.problem, kept.is_empty()) {
        return Err(blocked(format!("no network for the pod: {problem}")));
    }
    let mut taken = None;
    let mut chosen = Vec::with_capacity(network.pods.len());
    for prefix in &network.pods {
        let has = kept.iter().find(|address| prefix.contains(**address));
        // Two that have the same can only come from outside: the first keeps it, and one that is given in any case.
        let mine = |address: &IpAddr| {
            let mut rivals = others.addresses(&pod.key);
            !rivals
                .any(|(key, taken)| taken == *address && (*key < pod.key || others.is_given(key)))
        };
        if let Some(address) = has.filter(|address| mine(address)) {
            chosen.push(*address);
            continue;
        }
        let taken = taken.get_or_insert_with(|| -> BTreeSet<IpAddr> {
            others
                .addresses(&pod.key)
                .map(|(_, address)| address)
                .collect()
        });
        chosen.push(free(&pod.key, *prefix, taken).ok_or_else(|| exhausted(*prefix))?);
    }
    Ok(chosen)
}

/// The numbers of a prefix that pods may have: the first is the network's, the second the host's own, the last
/// the broadcast address to those who think of IPv4 so.
fn usable(prefix: Prefix) -> (u128, u128) {
    (2, prefix.size().min(MOST).saturating_sub(1))
}

fn free(key: &PodKey, prefix: Prefix, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let (first, end) = usable(prefix);
    let count = end.saturating_sub(first);
    let hash = digest(key.to_string().as_bytes());
    let start = u128::from_be_bytes(hash).checked_rem(count)?;
    (0..count)
        .map(|step| prefix.nth(first + (start + step) % count))
        .find(|address| !taken.contains(address))
}

fn exhausted(prefix: Prefix) -> Blocked {
    let (first, end) = usable(prefix);
    let field = if prefix.is_ipv4() { "ipv4" } else { "ipv6" };
    blocked(format!(
        "no free address for the pod: all {} of {prefix} are taken: delete pods, or set network.{field} in vks.toml \
         to a larger prefix",
        end.saturating_sub(first)
    ))
}

fn blocked(message: String) -> Blocked {
    Blocked {
        container: None,
        reason: "ContainerCreating",
        message,
    }
}
