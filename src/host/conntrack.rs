//! Connections as the kernel remembers them (linux/netfilter/nfnetlink_conntrack.h).
//!
//! Of UDP there is no end: as long as a client goes on sending, it is led where its first packet was led to, also when
//! nobody is there any more. Whoever takes an endpoint away has to have such connections forgotten.

use super::netfilter::{ACK, DUMP, Message, Netfilter, attribute};
use std::io;
use std::net::{IpAddr, SocketAddr};

const SUBSYSTEM: u8 = 1;
const GET: u8 = 1;
const DELETE: u8 = 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
const UDP: u8 = 17;

/// A connection of UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Whom the client asked.
    pub asked: SocketAddr,
    /// Who answers.
    pub answers: SocketAddr,
    family: u8,
    original: Vec<u8>,
    id: Option<Vec<u8>>,
    zone: Option<Vec<u8>>,
}

/// All connections of UDP in the thread's network namespace. Blocks for as long as the kernel takes to list all
/// connections there are.
pub fn udp() -> io::Result<Vec<Flow>> {
    let message = Message::new(SUBSYSTEM, GET, DUMP, 0, 0);
    Netfilter::open()?.list(message, flow)
}

/// Has the kernel forget connections. Those that have ended meanwhile are fine.
pub fn forget(flows: &[Flow]) -> io::Result<()> {
    let messages = flows.iter().map(|flow| {
        let mut message = Message::new(SUBSYSTEM, DELETE, ACK, flow.family, 0);
        message.put(TUPLE_ORIGINAL | 1 << 15, &flow.original);
        for (kind, value) in [(ID, &flow.id), (ZONE, &flow.zone)] {
            if let Some(value) = value {
                message.put(kind, value);
            }
        }
        message
    });
    let gone = |error: &io::Error| error.raw_os_error() == Some(nix::libc::ENOENT);
    Netfilter::open()?.each(messages.collect(), gone)
}

fn flow(family: u8, body: &[u8]) -> Option<Flow> {
    let original = attribute(body, TUPLE_ORIGINAL)?;
    let (_, asked) = ends(original)?;
    let (answers, _) = ends(attribute(body, TUPLE_REPLY)?)?;
    Some(Flow {
        asked,
        answers,
        family,
        original: original.to_vec(),
        id: attribute(body, ID).map(<[u8]>::to_vec),
        zone: attribute(body, ZONE).map(<[u8]>::to_vec),
    })
}

/// Sender and receiver of one direction; none if it is not UDP.
fn ends(tuple: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (addresses, protocol) = (attribute(tuple, 1)?, attribute(tuple, 2)?);
    if attribute(protocol, 1)? != [UDP] {
        return None;
    }
    let port = |kind| -> Option<u16> {
        Some(u16::from_be_bytes(
            attribute(protocol, kind)?.try_into().ok()?,
        ))
    };
    let address = |v4, v6| -> Option<IpAddr> {
        let four = attribute(addresses, v4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let six = || <[u8; 16]>::try_from(attribute(addresses, v6)?).ok();
        four.map(IpAddr::from).or_else(|| six().map(IpAddr::from))
    };
    let from = SocketAddr::new(address(1, 3)?, port(2)?);
    let to = SocketAddr::new(address(2, 4)?, port(3)?);
    Some((from, to))
}
