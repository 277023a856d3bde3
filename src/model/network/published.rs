//! What leads from the host's addresses and those of services to pods: the part of the table that changes.

use crate::model::name::ObjectKey;
use crate::model::pod::SourcePath;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A transport protocol that has ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    /// As nft and the services file write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ();

    /// In any case.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(()),
        }
    }
}

/// A port of the host that leads to a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the host.
    pub port: u16,
    /// The host's address it holds for; all of the family without.
    pub host: Option<IpAddr>,
    /// The pod's address.
    pub address: IpAddr,
    /// The pod's port.
    pub to: u16,
}

/// A service, with what was chosen for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedService {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The file it comes from.
    pub source: SourcePath,
    /// Its type, as people know it: `ClusterIP`, `NodePort`, `Headless`, `ExternalName`.
    pub kind: String,
    /// Its own addresses, kept as long as it lives.
    pub cluster_ips: Vec<IpAddr>,
    /// Addresses from elsewhere.
    pub external_ips: Vec<IpAddr>,
    /// The name it stands for, of type `ExternalName`.
    pub external_name: Option<String>,
    /// A client comes to the same endpoint again within so many seconds.
    pub affinity: Option<u32>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The pods that stand behind its name, of a headless one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<NamedHost>,
}

/// An address of a pod of a headless service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedHost {
    /// The address.
    pub address: IpAddr,
    /// What it is called below the service: its `hostname`, if its `subdomain` is the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A port of a service, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// Its name; may be empty.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// The port of the host that leads here too.
    pub node_port: Option<u16>,
    /// Where it leads, sorted; none: who asks is refused.
    pub endpoints: Vec<(IpAddr, u16)>,
    /// Where it leads who comes from outside, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Vec<(IpAddr, u16)>>,
}

impl ServicePort {
    /// Where it leads who comes by a port of the host, or by an address from elsewhere.
    pub fn from_outside(&self) -> &[(IpAddr, u16)] {
        self.outside.as_ref().unwrap_or(&self.endpoints)
    }

    /// Where it leads pods and the host itself by a port of the host, or by an address from elsewhere: to all that there are.
    /// A traffic policy keeps one side to some of them, so these are the longer list.
    pub fn at_the_host(&self) -> &[(IpAddr, u16)] {
        let outside = self.from_outside();
        match outside.len() > self.endpoints.len() {
            true => outside,
            false => &self.endpoints,
        }
    }

    /// Whether who comes from outside is led to fewer than pods and the host are.
    pub fn is_split(&self) -> bool {
        self.from_outside().len() < self.endpoints.len()
    }
}

/// All of it. Kept on disk, so that it is there at boot before any agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Published {
    /// Ports of the host.
    pub host_ports: Vec<HostPort>,
    /// Services, sorted by name.
    pub services: Vec<PublishedService>,
}
