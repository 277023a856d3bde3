//! Links, addresses, routes and neighbours of the thread's network namespace, by netlink.
//!
//! Requests are gathered and sent together: the kernel does them in order and answers each, so that a whole pod
//! costs two system calls and not twenty. No choices here, and no runtime: these calls wait for the kernel alone.

use crate::model::network::Prefix;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The kernel refused, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no netlink socket.
    #[error("cannot speak to the kernel about links")]
    Socket(#[source] io::Error),
    /// One request failed; those after it may have been done.
    #[error("cannot {act}")]
    Refused {
        /// What was asked for.
        act: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel does not know the interface.
    #[error("there is no interface {0}")]
    NoLink(String),
}

/// One end of a pair of virtual interfaces.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The interface's name.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight onto an interface, by index; packets of the host's own leave with this source address.
    Link(u32, Option<IpAddr>),
    /// To a router that is reached on this interface.
    Gateway(u32, IpAddr),
    /// Nowhere, and the sender is told.
    Unreachable,
}

/// Requests that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    requests: Vec<Request>,
}

/// What it is for, itself, and its flags.
type Request = (String, RouteNetlinkMessage, u16);

/// So many requests at a time: each has an answer, and all of those must find room in the socket (a thousand peers of a mesh
/// have a thousand routes).
const AT_ONCE: usize = 64;

pub(super) const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
const PUT: u16 = NLM_F_CREATE | NLM_F_REPLACE;

impl Batch {
    /// A pair of virtual interfaces, down, one here and the other made in a namespace right away: moving it there
    /// would wait for the kernel to let go of it.
    pub fn pair(
        &mut self,
        here: End,
        there: End,
        namespace: BorrowedFd,
        mtu: u32,
        alias: &str,
    ) -> &mut Self {
        let mut peer = end(there, mtu);
        peer.attributes
            .push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut link = end(here, mtu);
        link.attributes
            .push(LinkAttribute::IfAlias(alias.to_owned()));
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        let act = format!("make the interface {}", here.name);
        self.add(act, Message::NewLink(link), NEW)
    }

    /// Brings an interface up.
    pub fn up(&mut self, index: u32) -> &mut Self {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.add(
            "bring an interface up".to_owned(),
            Message::SetLink(link),
            0,
        )
    }

    /// Keeps an interface from making itself an IPv6 address, which it would announce and ask around for.
    pub fn quiet(&mut self, index: u32) -> &mut Self {
        let mut link = LinkMessage::default();
        link.header.index = index;
        let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        link.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
            vec![none],
        )])];
        let act = "keep an interface from making itself an address".to_owned();
        self.add(act, Message::SetLink(link), 0)
    }

    /// Takes an interface away, by name.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let act = format!("remove the interface {name}");
        self.add(act, Message::DelLink(link), 0)
    }

    /// Gives an interface an address of its own, without a prefix; it is used at once.
    pub fn address(&mut self, index: u32, address: IpAddr) -> &mut Self {
        let act = format!("give an interface the address {address}");
        self.add(
            act,
            Message::NewAddress(address_message(index, address)),
            PUT,
        )
    }

    /// Takes an address from an interface.
    pub fn remove_address(&mut self, index: u32, address: IpAddr) -> &mut Self {
        let act = format!("take the address {address} from an interface");
        self.add(act, Message::DelAddress(address_message(index, address)), 0)
    }

    /// A route in the main table, in place of one to the same prefix.
    pub fn route(&mut self, to: Prefix, way: Way) -> &mut Self {
        let act = format!("make the route to {to}");
        self.add(act, Message::NewRoute(route_message(to, way)), PUT)
    }

    /// Takes away a route of [`Batch::route`].
    pub fn remove_route(&mut self, to: Prefix, way: Way) -> &mut Self {
        let act = format!("remove the route to {to}");
        self.add(act, Message::DelRoute(route_message(to, way)), 0)
    }

    /// Says once and for all which hardware address an address has: nobody need ask for it.
    pub fn neighbour(&mut self, index: u32, address: IpAddr, mac: [u8; 6]) -> &mut Self {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        let to = match address {
            IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
            IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
        };
        message.attributes = vec![
            NeighbourAttribute::Destination(to),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        let act = format!("tell where {address} is");
        self.add(act, Message::NewNeighbour(message), PUT)
    }

    pub(super) fn add(
        &mut self,
        act: String,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> &mut Self {
        self.requests.push((act, message, flags));
        self
    }

    /// Has the kernel do all of it in the thread's network namespace.
    ///
    /// # Errors
    /// The first request that was refused; `allowed` says of an error whether it is none.
    pub fn run(self, allowed: impl Fn(&io::Error) -> bool) -> Result<(), LinkError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let socket = Socket::new(NETLINK_ROUTE).map_err(LinkError::Socket)?;
        let mut requests = self.requests.into_iter();
        loop {
            let some: Vec<Request> = requests.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            let acts = send(&socket, some)?;
            answers(&socket, acts, &allowed)?;
        }
    }
}

/// Sends requests in one piece; what each was for.
fn send(socket: &Socket, requests: Vec<Request>) -> Result<Vec<String>, LinkError> {
    let mut bytes = Vec::new();
    let mut acts = Vec::with_capacity(requests.len());
    for (sequence, (act, message, flags)) in (1u32..).zip(requests) {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        request.header.sequence_number = sequence;
        request.finalize();
        let start = bytes.len();
        bytes.resize(start + request.buffer_len(), 0);
        if let Some(place) = bytes.get_mut(start..) {
            request.serialize(place);
        }
        acts.push(act);
    }
    socket
        .send_to(&bytes, &SocketAddr::new(0, 0), 0)
        .map_err(LinkError::Socket)?;
    Ok(acts)
}

/// Reads an answer for each request.
fn answers(
    socket: &Socket,
    acts: Vec<String>,
    allowed: impl Fn(&io::Error) -> bool,
) -> Result<(), LinkError> {
    let mut left = acts.len();
    let mut first = None;
    while left > 0 {
        let (bytes, _) = socket.recv_from_full().map_err(LinkError::Socket)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| LinkError::Socket(io::Error::other(error.to_string())))?;
            let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            left = left.saturating_sub(1);
            if let NetlinkPayload::Error(message) = answer.payload
                && message.code.is_some()
                && !allowed(&message.to_io())
                && first.is_none()
            {
                let index = usize::try_from(answer.header.sequence_number).unwrap_or_default();
                let act = acts.get(index.saturating_sub(1)).cloned();
                first = Some(LinkError::Refused {
                    act: act.unwrap_or_default(),
                    source: message.to_io(),
                });
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Whether an error says that what was to be removed is not there.
pub fn is_gone(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, ENODEV, ENOENT, ESRCH};
    matches!(
        error.raw_os_error(),
        Some(EADDRNOTAVAIL | ENODEV | ENOENT | ESRCH)
    )
}

/// The index of an interface of the thread's network namespace.
pub fn index(name: &str) -> Result<u32, LinkError> {
    nix::net::if_::if_nametoindex(name).map_err(|_| LinkError::NoLink(name.to_owned()))
}

pub(super) fn end(end: End, mtu: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(end.name.to_owned()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::Address(end.mac.to_vec()),
    ];
    link
}

fn address_message(index: u32, address: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = if address.is_ipv4() { 32 } else { 128 };
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    if address.is_ipv6() {
        // Nobody else can have it: it need not be asked around before it is used.
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    message
}

fn route_message(to: Prefix, way: Way) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.address());
    message.header.destination_prefix_length = to.length();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    if to.length() > 0 {
        let to = RouteAddress::from(to.address());
        message.attributes.push(RouteAttribute::Destination(to));
    }
    match way {
        Way::Link(index, source) => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(index));
            let source = source.map(|source| RouteAttribute::PrefSource(source.into()));
            message.attributes.extend(source);
        }
        Way::Gateway(index, gateway) => {
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Oif(index));
            let gateway = RouteAddress::from(gateway);
            message.attributes.push(RouteAttribute::Gateway(gateway));
        }
        Way::Unreachable => message.header.kind = RouteType::Unreachable,
    }
    if to.address().is_ipv6() {
        message.header.scope = RouteScope::Universe;
    }
    message
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
