//! What is wrong with the host's part of the pods' network: each finding with what to do.

use super::dns;
use crate::config::{self, Settings};
use crate::host::nft::{self, ForwardChain};
use crate::host::routes::Routes;
use crate::model::network::{INNER_PREFIX, LINK_PREFIX, Mode, Prefix};
use crate::plan::network::table;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// All findings. `pods` are those that are up, with their addresses. Blocks for some milliseconds.
pub fn findings(settings: &Settings, pods: &[(String, Vec<IpAddr>)]) -> Vec<String> {
    if settings.network.mode == Mode::Host {
        return Vec::new();
    }
    let mut found = crate::worker::mesh::check::findings(settings);
    if let Some(problem) = config::network::problem(&settings.network) {
        found.push(format!("pods can have no addresses: {problem}"));
    }
    let up = match super::opened(settings) {
        Ok(opened) => opened.is_some(),
        Err(error) => {
            found.push(format!("{}: vks network up", crate::chain::line(&error)));
            false
        }
    };
    if !up {
        if !pods.is_empty() {
            found.push("the host's part is not set up: vks network up".to_owned());
        }
        return found;
    }
    found.extend(of_host(settings));
    found.extend(dns::finding(settings));
    let routes = Routes::read();
    for (pod, addresses) in pods {
        for address in addresses.iter().filter(|address| !routes.has(**address)) {
            found.push(format!(
                "pod {pod}: no route to {address}: its interface was removed: vks restart pod {}",
                pod.rsplit('/').next().unwrap_or(pod)
            ));
        }
    }
    found
}

/// What is wrong with the host's part, once it was set up. Blocks for some milliseconds.
pub fn of_host(settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    table_is_there(&mut found);
    forwarding(settings, &mut found);
    if !super::dns::is_there(settings) {
        found.push("the way to the pods' name server was removed: vks network up".to_owned());
    }
    let lost = |prefix: &&Prefix| !Routes::read().has_prefix(**prefix);
    let mut prefixes = settings
        .network
        .pods
        .iter()
        .chain(&settings.network.services);
    if let Some(prefix) = prefixes.find(lost) {
        found.push(format!(
            "the route of the prefix {prefix} was removed: vks network up"
        ));
    }
    found
}

fn table_is_there(found: &mut Vec<String>) {
    match nft::has_table(table::TABLE) {
        Ok(true) => {}
        Ok(false) => found.push(format!(
            "the table {} was removed: vks network up",
            table::TABLE
        )),
        Err(error) => found.push(crate::chain::line(&error)),
    }
    let dropping = nft::dropping_forward_chains().unwrap_or_else(|error| {
        found.push(crate::chain::line(&error));
        Vec::new()
    });
    for chain in dropping {
        if !nft::lets_through(&chain, LINK_PREFIX) {
            let ForwardChain {
                family,
                table,
                chain,
            } = chain;
            found.push(format!(
                "the chain {family} {table} {chain} drops what is forwarded, packets of pods too: vks network up"
            ));
        }
    }
}

fn forwarding(settings: &Settings, found: &mut Vec<String>) {
    let off = |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.trim() == "0");
    let has = |ipv4: bool| {
        let mut pods = settings.network.pods.iter();
        pods.any(|prefix| prefix.is_ipv4() == ipv4)
    };
    if has(true) {
        let links = fs::read_dir("/proc/sys/net/ipv4/conf")
            .into_iter()
            .flatten();
        for link in links.flatten() {
            let name = link.file_name().to_string_lossy().into_owned();
            if !matches!(name.as_str(), "all" | "default" | "lo")
                && !name.starts_with(INNER_PREFIX)
                && off(&link.path().join("forwarding"))
            {
                found.push(format!("IPv4 is not forwarded from {name}: vks network up"));
            }
        }
    }
    if has(false) && off(Path::new("/proc/sys/net/ipv6/conf/all/forwarding")) {
        found.push("IPv6 is not forwarded: vks network up".to_owned());
    }
}
