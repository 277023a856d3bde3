//! The host's routes as the kernel shows them, and news that some of them, links or forwarding have gone.

use super::netfilter::{attribute, messages};
use crate::model::network::Prefix;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::fs;
use std::io;
use std::net::IpAddr;

/// All routes of one moment.
#[derive(Debug)]
pub struct Routes {
    ipv4: String,
    ipv6: String,
}

impl Routes {
    /// Those of the network namespace of the calling thread. Blocks, the longer the more there are.
    pub fn read() -> Self {
        let read = |name: &str| {
            let path = format!("/proc/thread-self/net/{name}");
            fs::read_to_string(path).unwrap_or_default()
        };
        Self {
            ipv4: read("route"),
            ipv6: read("ipv6_route"),
        }
    }

    /// Whether there is one to exactly this address.
    pub fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                let number = u32::from_ne_bytes(v4.octets());
                self.ipv4.contains(&format!("\t{number:08X}\t"))
            }
            IpAddr::V6(v6) => {
                let start = format!("{:032x} 80 ", u128::from(v6));
                self.ipv6.lines().any(|line| line.starts_with(&start))
            }
        }
    }

    /// Whether there is one to exactly this prefix.
    pub fn has_prefix(&self, prefix: Prefix) -> bool {
        let length = prefix.length();
        match prefix.address() {
            IpAddr::V4(v4) => {
                let number = u32::from_ne_bytes(v4.octets());
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                let mask = u32::from_ne_bytes(mask.to_be_bytes());
                let (to, mask) = (format!("{number:08X}"), format!("{mask:08X}"));
                self.ipv4.lines().any(|line| {
                    let mut fields = line.split_whitespace().skip(1);
                    fields.next() == Some(to.as_str()) && fields.nth(5) == Some(mask.as_str())
                })
            }
            IpAddr::V6(v6) => {
                let start = format!("{:032x} {length:02x} ", u128::from(v6));
                self.ipv6.lines().any(|line| line.starts_with(&start))
            }
        }
    }

    /// Whether there is a default route of a family.
    pub fn has_default(&self, ipv4: bool) -> bool {
        match ipv4 {
            true => self.ipv4.lines().any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                fields.next() == Some("00000000") && fields.nth(5) == Some("00000000")
            }),
            false => {
                let start = format!("{:032x} 00 ", 0);
                let mut lines = self.ipv6.lines();
                lines.any(|line| line.starts_with(&start) && !line.ends_with(" lo"))
            }
        }
    }
}

/// What may have gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// An interface whose name begins with the given letters, or a route to one address: a pod's, maybe.
    Pod,
    /// A route to more than one address, or forwarding.
    Host,
}

/// Groups of linux/rtnetlink.h: links, routes of IPv4 and IPv6, settings of both.
const GROUPS: [u32; 5] = [1, 7, 11, 24, 25];
const LINK_GONE: u16 = 17;
const ROUTE_GONE: u16 = 25;
const SETTINGS: u16 = 80;
/// Routes that somebody made by hand or program, as ours are.
const STATIC: u8 = 4;

/// Waits for links, routes and forwarding to go.
pub struct News(Socket);

impl News {
    /// From now on.
    pub fn listen() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        Ok(Self(socket))
    }

    /// Blocks until something has gone that may be ours; links are when their names begin with `links`. News that were
    /// lost count as both.
    pub fn next(&self, links: &str) -> io::Result<Vec<Gone>> {
        loop {
            match self.0.recv_from_full() {
                Ok((bytes, _)) => {
                    let found: Vec<Gone> = messages(&bytes)
                        .filter_map(|(kind, body)| gone(kind, body, links))
                        .collect();
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                    return Ok(vec![Gone::Pod, Gone::Host]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn gone(kind: u16, body: &[u8], links: &str) -> Option<Gone> {
    match kind {
        LINK_GONE => {
            let name = attribute(body.get(16..)?, 3)?;
            name.starts_with(links.as_bytes()).then_some(Gone::Pod)
        }
        ROUTE_GONE => {
            let [_, length, _, _, _, protocol, ..] = *body else {
                return None;
            };
            match length {
                _ if protocol != STATIC => None,
                32 | 128 => Some(Gone::Pod),
                _ => Some(Gone::Host),
            }
        }
        SETTINGS => {
            let forwarding = attribute(body.get(4..)?, 2)?;
            (forwarding == 0i32.to_ne_bytes()).then_some(Gone::Host)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn routes_are_found() {
        let routes = Routes {
            ipv4: "Iface\tDestination\tGateway\nvksp01\t0500C00A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
                   eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                .to_owned(),
            ipv6: "fd000000000000000000000000000002 80 00000000000000000000000000000000 00 0 0 0 0 0 vksp01\n"
                .to_owned(),
        };
        assert!(routes.has(Ipv4Addr::new(10, 192, 0, 5).into()));
        assert!(!routes.has(Ipv4Addr::new(10, 192, 0, 6).into()));
        assert!(routes.has("fd00::2".parse().unwrap()));
        assert!(routes.has_default(true) && !routes.has_default(false));
        let prefix = |text: &str| routes.has_prefix(text.parse().unwrap());
        assert!(prefix("10.192.0.5/32") && prefix("0.0.0.0/0") && prefix("fd00::2/128"));
        assert!(!prefix("10.192.0.0/24") && !prefix("fd00::/64"));
    }

    #[test]
    fn only_what_may_be_ours_is_told() {
        let mut link = vec![0; 16];
        link.extend([9, 0, 3, 0]);
        link.extend(b"vksp\0\0\0\0");
        assert_eq!(gone(LINK_GONE, &link, "vksp"), Some(Gone::Pod));
        assert_eq!(gone(LINK_GONE, &link, "eth"), None);
        let route = |length: u8, protocol: u8| [2, length, 0, 0, 254, protocol, 0, 1, 0, 0, 0, 0];
        assert_eq!(gone(ROUTE_GONE, &route(32, STATIC), "x"), Some(Gone::Pod));
        assert_eq!(gone(ROUTE_GONE, &route(24, STATIC), "x"), Some(Gone::Host));
        assert_eq!(gone(ROUTE_GONE, &route(24, 16), "x"), None);
        let settings = |on: u8| [2, 0, 0, 0, 8, 0, 2, 0, on, 0, 0, 0];
        assert_eq!(gone(SETTINGS, &settings(0), "x"), Some(Gone::Host));
        assert_eq!(gone(SETTINGS, &settings(1), "x"), None);
        assert_eq!(gone(SETTINGS, &[2], "x"), None);
    }
}
