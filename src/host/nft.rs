//! nftables: scripts for the `nft` program, and the news that somebody took our table away.

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

/// What nft was asked for did not happen: its transactions are whole.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// It could not be started.
    #[error("cannot run nft: install the package nftables")]
    Start(#[source] io::Error),
    /// It refused, with its own words.
    #[error("nft refused the table of vks: {0}")]
    Refused(String),
    /// There is no socket for news.
    #[error("cannot hear of changes of the packet filter")]
    Listen(#[source] io::Error),
}

/// Runs a script as one transaction. Blocks until it is done, some milliseconds.
pub fn run(script: &str) -> Result<(), NftError> {
    output(&["-f", "-"], script).map(drop)
}

/// Whether there is a table of this family and name.
pub fn has_table(table: &str) -> Result<bool, NftError> {
    let list = output(&["list", "tables"], "")?;
    Ok(list
        .lines()
        .any(|line| line.strip_prefix("table ") == Some(table)))
}

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
        chain["hook"] == "forward" && chain["policy"] == "drop" && chain["table"] != "vks"
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
    for ForwardChain {
        family,
        table,
        chain,
    } in dropping_forward_chains()?
    {
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

fn output(args: &[&str], input: &str) -> Result<String, NftError> {
    let mut child = Command::new("nft")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(NftError::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A script that is refused early is not read to its end: what nft says counts.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(NftError::Start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // The first complaint: one mistake makes many.
    let first: Vec<&str> = said.lines().take(2).map(str::trim).collect();
    Err(NftError::Refused(first.join(": ")))
}

/// The kernel's group for changes of tables (linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES).
const CHANGES: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE` (linux/netfilter/nf_tables.h).
const TABLE_GONE: u16 = 10 << 8 | 2;
/// Bytes of a netlink header, and of the one of netfilter after it.
const HEADERS: usize = 16 + 4;

/// Waits for tables to go.
pub struct News {
    socket: Socket,
}

impl News {
    /// From now on.
    pub fn listen() -> Result<Self, NftError> {
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(NftError::Listen)?;
        socket
            .bind(&SocketAddr::new(0, 0))
            .map_err(NftError::Listen)?;
        socket.add_membership(CHANGES).map_err(NftError::Listen)?;
        Ok(Self { socket })
    }

    /// Blocks until a table of this name, of any family, has gone; or until that may have been and was missed.
    pub fn gone(&self, name: &str) -> Result<(), NftError> {
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) if tells_of(&bytes, name) => return Ok(()),
                Ok(_) => {}
                // More happened than the socket could hold.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NftError::Listen(error)),
            }
        }
    }
}

/// Whether a message of netfilter says that a table of this name has gone. Its attributes begin with the name.
fn tells_of(bytes: &[u8], name: &str) -> bool {
    let mut rest = bytes;
    while let [l0, l1, l2, l3, t0, t1, ..] = *rest {
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let message = rest.get(..length).unwrap_or(rest);
        let attributes = message.get(HEADERS..).unwrap_or_default();
        let text = attributes.get(4..).unwrap_or_default();
        let found = text.split(|byte| *byte == 0).next() == Some(name.as_bytes());
        if u16::from_ne_bytes([t0, t1]) == TABLE_GONE && found {
            return true;
        }
        if length == 0 {
            break;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_table_is_understood() {
        let message = |kind: u16, name: &str| {
            let mut attribute = name.as_bytes().to_vec();
            attribute.resize((name.len() + 1).next_multiple_of(4), 0);
            let length = u32::try_from(HEADERS + 4 + attribute.len()).unwrap();
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.resize(HEADERS, 0);
            bytes.extend(u16::try_from(4 + name.len() + 1).unwrap().to_ne_bytes());
            bytes.extend(1u16.to_ne_bytes());
            bytes.extend(attribute);
            bytes
        };
        let mut both = message(TABLE_GONE, "other");
        assert!(!tells_of(&both, "vks"));
        both.extend(message(TABLE_GONE, "vks"));
        assert!(tells_of(&both, "vks"));
        assert!(!tells_of(&message(TABLE_GONE - 2, "vks"), "vks"));
        assert!(!tells_of(&message(TABLE_GONE, "vks2"), "vks"));
        assert!(!tells_of(&[0; 7], "vks"));
    }
}
