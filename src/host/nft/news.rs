//! News of the packet filter: that a table has gone, that somebody else's chain may drop what it did not drop before.

use super::super::netfilter::{attribute, messages};
use super::NftError;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;

/// The kernel's group for changes of tables (linux/netfilter/nfnetlink.h, NFNLGRP_NFTABLES).
const CHANGES: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES << 8` and a kind of linux/netfilter/nf_tables.h.
const TABLE_GONE: u16 = 10 << 8 | 2;
const CHAIN_NEW: u16 = 10 << 8 | 3;
const RULE_GONE: u16 = 10 << 8 | 8;
/// Bytes of the header of netfilter.
const HEADER: usize = 4;
/// NF_INET_FORWARD, as chains have it.
const FORWARD: [u8; 4] = 2u32.to_be_bytes();

/// What may not be as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The table that is asked about has gone.
    Table,
    /// A chain of somebody else for forwarded packets is new or has lost rules.
    Foreign,
}

/// Waits for changes.
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

    /// Blocks until a table of this name, of any family, has gone, or may have, or somebody else's chain is in doubt.
    pub fn next(&self, table: &str) -> Result<Vec<Doubt>, NftError> {
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => {
                    let mut found: Vec<Doubt> = messages(&bytes)
                        .filter_map(|(kind, body)| doubt(kind, body.get(HEADER..)?, table))
                        .collect();
                    found.dedup();
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                // More happened than the socket could hold.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                    return Ok(vec![Doubt::Table, Doubt::Foreign]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NftError::Listen(error)),
            }
        }
    }
}

/// What a message is about. The first attribute of all of them is the table's name.
fn doubt(kind: u16, body: &[u8], table: &str) -> Option<Doubt> {
    let text = |kind: u16| {
        let bytes = attribute(body, kind)?;
        std::str::from_utf8(bytes)
            .ok()
            .map(|text| text.trim_end_matches('\0'))
    };
    let ours = text(1)? == table;
    match kind {
        TABLE_GONE if ours => Some(Doubt::Table),
        _ if ours => None,
        CHAIN_NEW => {
            let hook = attribute(attribute(body, 4)?, 1)?;
            (hook == FORWARD).then_some(Doubt::Foreign)
        }
        // Of a rule only the name of its chain is known here: those that matter are called so by all who make them.
        RULE_GONE => {
            let chain = text(2)?.to_ascii_lowercase();
            chain.contains("forward").then_some(Doubt::Foreign)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn only_what_matters_is_doubted() {
        let ours = attribute_of(1, b"vks\0");
        let theirs = attribute_of(1, b"filter\0");
        assert_eq!(doubt(TABLE_GONE, &ours, "vks"), Some(Doubt::Table));
        assert_eq!(doubt(TABLE_GONE, &theirs, "vks"), None);
        assert_eq!(doubt(TABLE_GONE + 40, &ours, "vks"), None);
        let rule = |chain: &[u8]| [theirs.clone(), attribute_of(2, chain)].concat();
        assert_eq!(
            doubt(RULE_GONE, &rule(b"FORWARD\0"), "vks"),
            Some(Doubt::Foreign)
        );
        assert_eq!(doubt(RULE_GONE, &rule(b"INPUT\0"), "vks"), None);
        let hook = |number: u32| {
            let hook = attribute_of(1, &number.to_be_bytes());
            [theirs.clone(), attribute_of(4, &hook)].concat()
        };
        assert_eq!(doubt(CHAIN_NEW, &hook(2), "vks"), Some(Doubt::Foreign));
        assert_eq!(doubt(CHAIN_NEW, &hook(1), "vks"), None);
        assert_eq!(doubt(CHAIN_NEW, &theirs, "vks"), None);
        assert_eq!(doubt(CHAIN_NEW, &[0; 3], "vks"), None);
    }
}
