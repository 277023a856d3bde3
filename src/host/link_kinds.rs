//! Links of other kinds than the pairs of pods, and what tunnels need of links: size, name, and another namespace.

use super::link::{Batch, End, NEW, end};
use crate::model::network::attach::macvlan::MacvlanMode;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use std::os::fd::{AsRawFd as _, BorrowedFd};

impl Batch {
    /// Writes something at an interface, for whoever looks at it.
    pub fn alias(&mut self, index: u32, text: &str) -> &mut Self {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::IfAlias(text.to_owned())];
        self.add(
            "write at an interface".to_owned(),
            Message::SetLink(link),
            0,
        )
    }

    /// Sets the bytes of an interface's largest packet.
    pub fn size(&mut self, index: u32, mtu: u32) -> &mut Self {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::Mtu(mtu)];
        let act = format!("let an interface take packets of {mtu} bytes");
        self.add(act, Message::SetLink(link), 0)
    }

    /// Moves an interface into a namespace, under another name there. It arrives down and without addresses.
    pub fn send(&mut self, index: u32, name: &str, namespace: BorrowedFd) -> &mut Self {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
            LinkAttribute::IfName(name.to_owned()),
        ];
        let act = format!("move an interface into the pod as {name}");
        self.add(act, Message::SetLink(link), 0)
    }

    /// A bridge, down.
    pub fn bridge(&mut self, name: &str, mtu: Option<u32>) -> &mut Self {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        link.attributes.extend(mtu.map(LinkAttribute::Mtu));
        self.add(
            format!("make the bridge {name}"),
            Message::NewLink(link),
            NEW,
        )
    }

    /// A pair of interfaces: one here and up, a port of a bridge, the other in a namespace.
    pub fn port(
        &mut self,
        here: &str,
        bridge: u32,
        there: End,
        namespace: BorrowedFd,
        mtu: u32,
    ) -> &mut Self {
        let mut peer = end(there, mtu);
        peer.attributes
            .push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(here.to_owned()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::Controller(bridge),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        let act = format!("make the interface {here}");
        self.add(act, Message::NewLink(link), NEW)
    }

    /// An interface in a namespace that is on the wire of another one of this namespace.
    pub fn macvlan(&mut self, name: &str, wire: OnWire, namespace: BorrowedFd) -> &mut Self {
        let mode = match wire.mode {
            MacvlanMode::Bridge => MacVlanMode::Bridge,
            MacvlanMode::Private => MacVlanMode::Private,
            MacvlanMode::Vepa => MacVlanMode::Vepa,
            MacvlanMode::Passthru => MacVlanMode::Passthrough,
        };
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Link(wire.master),
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::MacVlan),
                LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])),
            ]),
        ];
        link.attributes.extend(wire.mtu.map(LinkAttribute::Mtu));
        let mac = wire.mac.map(|mac| LinkAttribute::Address(mac.to_vec()));
        link.attributes.extend(mac);
        let act = format!("make the interface {name}");
        self.add(act, Message::NewLink(link), NEW)
    }
}

/// An interface on the wire of another.
#[derive(Debug, Clone, Copy)]
pub struct OnWire {
    /// The index of the other.
    pub master: u32,
    /// Whom it sees.
    pub mode: MacvlanMode,
    /// Bytes of its largest packet (default: the other's).
    pub mtu: Option<u32>,
    /// Its hardware address (default: one that the kernel makes up).
    pub mac: Option<[u8; 6]>,
}
