//! Links of other kinds than the pairs of pods, and what tunnels need of links: size, name, and another namespace.

use super::link::{Batch, End, NEW, end};
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, InfoVeth, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use std::os::fd::{AsRawFd as _, BorrowedFd};

impl Batch {
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
    pub fn bridge(&mut self, name: &str, mtu: Option<u32>, alias: &str) -> &mut Self {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::IfAlias(alias.to_owned()),
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

    /// An interface in a namespace that is on the wire of another one of this namespace, with a hardware address of its own.
    pub fn macvlan(
        &mut self,
        name: &str,
        master: u32,
        mode: MacVlanMode,
        namespace: BorrowedFd,
        mtu: Option<u32>,
        mac: Option<[u8; 6]>,
    ) -> &mut Self {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Link(master),
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::MacVlan),
                LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])),
            ]),
        ];
        link.attributes.extend(mtu.map(LinkAttribute::Mtu));
        let mac = mac.map(|mac| LinkAttribute::Address(mac.to_vec()));
        link.attributes.extend(mac);
        self.add(
            format!("make the interface {name}"),
            Message::NewLink(link),
            NEW,
        )
    }
}
