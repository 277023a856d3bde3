//! What a pod is called, whom it can call by name, and which namespaces of the host it shares.

use super::name::PodKey;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Sockets of the host's daemons by which the C library passes over `/etc/resolv.conf`: of nscd(8), as Debian and others have
/// it, and of systemd-resolved (nss-resolve(8)).
pub const RESOLVER_SOCKETS: [&str; 4] = [
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/nscd/socket",
    "/run/nscd/nscd",
    "/run/dbus/org.freedesktop.resolve1",
];

/// The longest host name of a pod that is not an FQDN (kubelet: truncatePodHostnameIfNeeded).
const LONGEST_HOSTNAME: usize = 63;
/// The longest host name the kernel takes.
pub const LONGEST_KERNEL_NAME: usize = 64;

/// Names of a pod, as the manifest has them (core/v1 PodSpec). Absent is the API's default for all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// `hostname`: a DNS label (default: the pod's name, cut to 63 bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `subdomain`: a DNS label, which makes the FQDN `hostname.subdomain.namespace.svc.domain` (default: no FQDN).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<String>,
    /// `hostnameOverride`: the host name whatever the others say, at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname_override: Option<String>,
    /// `setHostnameAsFQDN`: the kernel's host name is the FQDN, if there is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fqdn: bool,
    /// `hostAliases`: more lines for `/etc/hosts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<HostAlias>,
    /// `dnsPolicy`
    #[serde(default, skip_serializing_if = "DnsPolicy::is_default")]
    pub dns_policy: DnsPolicy,
    /// `dnsConfig`, laid over what the policy gives.
    #[serde(default, skip_serializing_if = "DnsConfig::is_empty")]
    pub dns: DnsConfig,
}

/// An address and names for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAlias {
    /// The address.
    pub ip: IpAddr,
    /// At least one name.
    pub hostnames: Vec<String>,
}

/// Where the resolver settings of a pod begin (core/v1 DNSPolicy).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsPolicy {
    /// The cluster's name servers, for pods that do not use the host's network; `Default` for others.
    #[default]
    ClusterFirst,
    /// The cluster's name servers for all pods.
    ClusterFirstWithHostNet,
    /// What the host uses.
    Default,
    /// Nothing but `dnsConfig`.
    None,
}

impl DnsPolicy {
    fn is_default(&self) -> bool {
        *self == Self::ClusterFirst
    }
}

/// Resolver settings (core/v1 PodDNSConfig).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<IpAddr>,
    /// Domains that short names are looked up in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<String>,
    /// Options as in resolv.conf(5): a name, and for some a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, Option<String>)>,
}

impl DnsConfig {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Namespaces of the host that a pod says it shares, or has of its own. `None` is what was not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// `hostIPC`: System V IPC, message queues and `/dev/shm`. Not said: as the network is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ipc: Option<bool>,
    /// `hostPID`: not said is true, for programs of the host. When false, each container is process 1 of a pid
    /// namespace of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_pid: Option<bool>,
    /// `hostUsers: false`: a range of user and group ids of its own, in which it counts from 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_users: bool,
}

/// The names in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What `/etc/hosts` calls the pod.
    pub hostname: String,
    /// The domain of the FQDN, if it has one.
    pub domain: Option<String>,
    /// What the kernel calls it.
    pub kernel: String,
}

/// A host name that is longer than the kernel takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the FQDN {0:?} is longer than the 64 bytes that Linux takes for a host name: shorten it, or remove setHostnameAsFQDN"
)]
pub struct TooLong(pub String);

impl Naming {
    /// The names in force (kubelet: GeneratePodHostNameAndDomain, GetNodenameForKernel).
    pub fn names(&self, pod: &PodKey, cluster_domain: &str) -> Result<Names, TooLong> {
        if let Some(name) = &self.hostname_override {
            return Ok(Names {
                hostname: name.clone(),
                domain: None,
                kernel: name.clone(),
            });
        }
        let given = self.hostname.as_deref().unwrap_or(pod.name.as_str());
        // Names of pods are ASCII.
        let cut = given.get(..LONGEST_HOSTNAME).unwrap_or(given);
        let hostname = match cut.len() < given.len() {
            true => cut.trim_end_matches(['-', '.']),
            false => cut,
        }
        .to_owned();
        let domain = self
            .subdomain
            .as_ref()
            .map(|subdomain| format!("{subdomain}.{}.svc.{cluster_domain}", pod.namespace));
        let kernel = match &domain {
            Some(domain) if self.fqdn => format!("{hostname}.{domain}"),
            _ => hostname.clone(),
        };
        if kernel.len() > LONGEST_KERNEL_NAME {
            return Err(TooLong(kernel));
        }
        Ok(Names {
            hostname,
            domain,
            kernel,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(naming: &Naming, pod: &str) -> Result<(String, Option<String>, String), TooLong> {
        let key = PodKey {
            namespace: "shop".parse().unwrap(),
            name: pod.parse().unwrap(),
        };
        let names = naming.names(&key, "cluster.local")?;
        Ok((names.hostname, names.domain, names.kernel))
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn names_are_the_kubelets() {
        let plain = Naming::default();
        let web = || "web".to_owned();
        assert_eq!(names(&plain, "web"), Ok((web(), None, web())));
        let long = format!("{}-tail", "a".repeat(62));
        let cut = "a".repeat(62);
        assert_eq!(names(&plain, &long), Ok((cut.clone(), None, cut)));
        let mut naming = Naming {
            hostname: text("front"),
            subdomain: text("sub"),
            ..Naming::default()
        };
        let domain = text("sub.shop.svc.cluster.local");
        let front = || "front".to_owned();
        assert_eq!(
            names(&naming, "web"),
            Ok((front(), domain.clone(), front()))
        );
        naming.fqdn = true;
        let fqdn = "front.sub.shop.svc.cluster.local".to_owned();
        assert_eq!(names(&naming, "web"), Ok((front(), domain, fqdn)));
        naming.subdomain = text(&"s".repeat(60));
        assert!(names(&naming, "web").is_err());
        naming.hostname_override = text("over.ride");
        let name = || "over.ride".to_owned();
        assert_eq!(names(&naming, "web"), Ok((name(), None, name())));
    }
}
