//! nftables: scripts for the `nft` program, and the news that somebody took our table away.

pub mod elements;
mod foreign;
mod news;

pub use foreign::{ForwardChain, dropping_forward_chains, let_through, lets_through, take_back};
pub use news::{Doubt, News};

use super::netfilter::{DUMP, Message, Netfilter, attribute};
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
    /// The kernel refused elements.
    #[error("the kernel refused a change of the table of vks")]
    Kernel(#[source] io::Error),
    /// firewalld's program.
    #[error("cannot run firewall-cmd: run firewall-cmd --zone=trusted --add-interface=vksp+")]
    Firewalld(#[source] io::Error),
    /// firewalld refused, with its own words.
    #[error("firewalld does not let packets of pods through: {0}")]
    FirewalldRefused(String),
    /// There is no socket for news.
    #[error("cannot hear of changes of the packet filter")]
    Listen(#[source] io::Error),
}

/// Runs a script as one transaction. Blocks until it is done, some milliseconds.
pub fn run(script: &str) -> Result<(), NftError> {
    output(&["-f", "-"], script).map(drop)
}

/// Whether there is a table of this name in family `inet`: of `inet NAME`, as in scripts.
pub fn has_table(table: &str) -> Result<bool, NftError> {
    /// NFT_MSG_GETTABLE of linux/netfilter/nf_tables.h, of the subsystem NFNL_SUBSYS_NFTABLES, for NFPROTO_INET.
    const GET_TABLE: u8 = 1;
    const SUBSYSTEM: u8 = 10;
    const INET: u8 = 1;
    let wanted = table.strip_prefix("inet ").unwrap_or(table);
    let kernel = Netfilter::open().map_err(NftError::Kernel)?;
    let list = Message::new(SUBSYSTEM, GET_TABLE, DUMP, INET, 0);
    let name = |family: u8, body: &[u8]| {
        let name = attribute(body, 1).filter(|_| family == INET)?;
        Some(name.strip_suffix(b"\0").unwrap_or(name) == wanted.as_bytes())
    };
    let found = kernel.list(list, name).map_err(NftError::Kernel)?;
    Ok(found.contains(&true))
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
