//! Chains of others that forwarded packets pass: what they drop, no other table can let through.
//!
//! Docker, ufw and people with a policy get two rules for our interfaces at the beginning of their chain. firewalld owns its
//! table, so that nobody else can change it: it is told to trust our interfaces.

use super::{NftError, output, run};
use crate::model::wireguard::MESH_LINK;
use std::process::{Command, Stdio};

/// firewalld's table, and its chain for what is forwarded.
const FIREWALLD: (&str, &str) = ("firewalld", "filter_FORWARD");

/// A chain of somebody else that forwarded packets pass, and are dropped in unless a rule lets them through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardChain {
    /// `ip`, `ip6` or `inet`.
    pub family: String,
    /// The table's name.
    pub table: String,
    /// The chain's name.
    pub chain: String,
}

/// The chains of others that drop what is forwarded by default.
pub fn dropping_forward_chains() -> Result<Vec<ForwardChain>, NftError> {
    let text = output(&["-j", "list", "chains"], "")?;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let all = json["nftables"].as_array().into_iter().flatten();
    let chains = all.map(|object| &object["chain"]).filter(|chain| {
        // firewalld accepts by policy, and refuses by its last rule.
        let refuses = chain["policy"] == "drop"
            || chain["table"] == FIREWALLD.0 && chain["name"] == FIREWALLD.1;
        chain["hook"] == "forward" && refuses && chain["table"] != "vks"
    });
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(chains
        .map(|chain| ForwardChain {
            family: text(&chain["family"]),
            table: text(&chain["table"]),
            chain: text(&chain["name"]),
        })
        .collect())
}

/// Has a chain of somebody else let through what comes from and goes to interfaces whose name begins so. In the form that
/// iptables understands too, since it may be its chain.
pub fn let_through(chain: &ForwardChain, links: &str) -> Result<(), NftError> {
    if chain.is_firewalld() {
        return firewalld("add", links);
    }
    let ForwardChain {
        family,
        table,
        chain,
    } = chain;
    let rule = |key: &str| {
        format!("insert rule {family} {table} {chain} {key} \"{links}*\" counter accept\n")
    };
    run(&format!("{}{}", rule("iifname"), rule("oifname")))
}

/// Takes those rules away again, wherever they are.
pub fn take_back(links: &str) -> Result<(), NftError> {
    let mut script = String::new();
    for found in dropping_forward_chains()? {
        if found.is_firewalld() {
            if lets_through(&found, links) {
                firewalld("remove", links)?;
            }
            continue;
        }
        let ForwardChain {
            family,
            table,
            chain,
        } = found;
        let rules = output(&["-a", "list", "chain", &family, &table, &chain], "")?;
        for rule in rules.lines().map(str::trim) {
            let ours = ["iifname", "oifname"]
                .iter()
                .any(|key| rule.starts_with(&format!("{key} \"{links}*\" counter")));
            if let (true, Some((_, handle))) = (ours, rule.rsplit_once("# handle ")) {
                script.push_str(&format!(
                    "delete rule {family} {table} {chain} handle {handle}\n"
                ));
            }
        }
    }
    match script.is_empty() {
        true => Ok(()),
        false => run(&script),
    }
}

/// Whether such a chain lets through what comes from and goes to interfaces whose name begins so.
pub fn lets_through(chain: &ForwardChain, links: &str) -> bool {
    if chain.is_firewalld() {
        let all = output(&["list", "table", &chain.family, &chain.table], "");
        let named = [format!("\"{links}*\""), format!("\"{MESH_LINK}\"")];
        return all.is_ok_and(|text| named.iter().all(|name| text.contains(name)));
    }
    let ForwardChain {
        family,
        table,
        chain,
    } = chain;
    let rules = output(&["list", "chain", family, table, chain], "").unwrap_or_default();
    let has = |key: &str| {
        let start = format!("{key} \"{links}*\"");
        rules
            .lines()
            .any(|rule| rule.trim().starts_with(&start) && rule.contains("accept"))
    };
    has("iifname") && has("oifname")
}

impl ForwardChain {
    fn is_firewalld(&self) -> bool {
        (self.table.as_str(), self.chain.as_str()) == FIREWALLD
    }
}

/// firewalld's zone that all may come from.
const TRUSTED: &str = "trusted";

/// Has firewalld trust interfaces whose name begins so, or no longer, and the one of the mesh: it goes by where a packet
/// comes from, and pods of other hosts are pods. Until it is loaded anew: nothing of it is written down. An interface that
/// somebody has put into another zone stays there.
fn firewalld(act: &str, links: &str) -> Result<(), NftError> {
    for link in [&format!("{links}+"), MESH_LINK] {
        let found = firewall_cmd(&[&format!("--get-zone-of-interface={link}")]);
        let zone = match found {
            Ok(zone) => zone,
            // It is in none.
            Err(NftError::FirewalldRefused(_)) => String::new(),
            Err(error) => return Err(error),
        };
        let changes = match act {
            "add" => zone.is_empty(),
            _ => zone == TRUSTED,
        };
        if changes {
            let change = format!("--{act}-interface={link}");
            firewall_cmd(&["--quiet", &format!("--zone={TRUSTED}"), &change])?;
        }
    }
    Ok(())
}

/// Runs firewalld's program; what it says.
fn firewall_cmd(words: &[&str]) -> Result<String, NftError> {
    let output = Command::new("firewall-cmd")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(NftError::Firewalld)?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => Err(NftError::FirewalldRefused(said(&output.stderr))),
    }
}
