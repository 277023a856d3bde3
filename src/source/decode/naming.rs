//! What a pod is called, its `/etc/hosts` and `/etc/resolv.conf`, and the namespaces of the host it shares.
//!
//! The rules are those of the API server (pkg/apis/core/validation: ValidatePodSpec, validatePodDNSConfig,
//! validateHostAliases).

use super::field::{Field, Fields};
use super::known;
use crate::model::naming::{DnsConfig, DnsPolicy, HostAlias, LONGEST_KERNEL_NAME, Naming, Sharing};
use std::net::IpAddr;

/// What resolv.conf(5) takes, and the API.
const MOST_SERVERS: usize = 3;
/// Search domains, and their length together with the spaces between them.
const MOST_SEARCHES: (usize, usize) = (32, 2048);

const POLICIES: [(&str, DnsPolicy); 4] = [
    ("ClusterFirst", DnsPolicy::ClusterFirst),
    (
        "ClusterFirstWithHostNet",
        DnsPolicy::ClusterFirstWithHostNet,
    ),
    ("Default", DnsPolicy::Default),
    ("None", DnsPolicy::None),
];

/// Takes the names of a pod from its spec.
pub fn naming(spec: &mut Fields<'_>, host_network: bool) -> Option<Naming> {
    let hostname = spec.optional("hostname", |x| label(&x));
    let subdomain = spec.optional("subdomain", |x| label(&x));
    let fqdn = spec.flag("setHostnameAsFQDN");
    let over = spec.optional("hostnameOverride", |x| {
        let name = subdomain_name(&x)?;
        let problem = if name.len() > LONGEST_KERNEL_NAME {
            "is longer than 64 bytes, the most Linux takes for a host name: shorten it"
        } else if host_network {
            "has no meaning with hostNetwork: true: remove one of them"
        } else if fqdn == Some(true) {
            "cannot be together with setHostnameAsFQDN: remove one of them"
        } else {
            return Some(name);
        };
        x.problem(problem);
        None
    });
    let host_aliases = spec.list("hostAliases", |x| alias(&x));
    let policy = spec.optional("dnsPolicy", |x| Some((x.one_of(&POLICIES)?, x)));
    let dns = spec.optional("dnsConfig", |x| dns_config(&x));
    let (policy, dns) = (policy?, dns?.unwrap_or_default());
    if let Some((DnsPolicy::None, field)) = &policy
        && dns.nameservers.is_empty()
    {
        field.problem("None leaves the pod without name servers: add one to dnsConfig.nameservers");
        return None;
    }
    Some(Naming {
        hostname: hostname?.flatten(),
        subdomain: subdomain?.flatten(),
        hostname_override: over?,
        fqdn: fqdn?,
        host_aliases: host_aliases?,
        dns_policy: policy.map(|(policy, _)| policy).unwrap_or_default(),
        dns,
    })
}

/// Takes the namespaces a pod shares with the host.
pub fn sharing(spec: &mut Fields<'_>, host_network: bool) -> Option<Sharing> {
    let host_ipc = spec.optional("hostIPC", |x| x.boolean());
    let host_pid = spec.optional("hostPID", |x| x.boolean());
    let share = spec.optional("shareProcessNamespace", |x| {
        let share = x.boolean()?;
        if share {
            x.problem(
                "systemd cannot give several services one pid namespace of their own: remove the field, \
                 or set hostPID: true if containers may see all processes of the host",
            );
        }
        (!share).then_some(())
    });
    let users = spec.optional("hostUsers", |x| {
        let own = !x.boolean()?;
        let shared = [
            ("hostNetwork", host_network),
            ("hostPID", host_pid == Some(Some(true))),
            ("hostIPC", host_ipc == Some(Some(true))),
        ];
        for (name, _) in shared.iter().filter(|(_, shared)| own && *shared) {
            x.problem(format!(
                "false cannot be together with {name}: true: remove one of them"
            ));
        }
        (!own || shared.iter().all(|(_, shared)| !shared)).then_some(own)
    });
    share?;
    Some(Sharing {
        own_users: users?.unwrap_or_default(),
        host_ipc: host_ipc?,
        host_pid: host_pid?,
    })
}

/// A DNS label; empty counts as absent.
fn label(field: &Field<'_>) -> Option<Option<String>> {
    match field.text()? {
        "" => Some(None),
        _ => {
            let name = field.parse::<crate::model::name::ContainerName>()?;
            Some(Some(name.as_str().to_owned()))
        }
    }
}

/// A DNS subdomain.
fn subdomain_name(field: &Field<'_>) -> Option<String> {
    let name = field.parse::<crate::model::name::ObjectName>()?;
    Some(name.as_str().to_owned())
}

fn address(field: &Field<'_>) -> Option<IpAddr> {
    let text = field.text()?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        field.problem("is not an IP address: write one such as 192.0.2.7 or 2001:db8::7");
    }
    parsed
}

fn alias(field: &Field<'_>) -> Option<HostAlias> {
    let mut f = field.fields(known::NONE)?;
    let ip = f.require("ip").and_then(|x| address(&x));
    let hostnames = f.list("hostnames", |x| subdomain_name(&x));
    f.finish();
    let hostnames = hostnames?;
    if hostnames.is_empty() {
        field.problem("names nothing: add at least one name to hostnames");
        return None;
    }
    Some(HostAlias { ip: ip?, hostnames })
}

fn dns_config(field: &Field<'_>) -> Option<DnsConfig> {
    let mut f = field.fields(known::NONE)?;
    let nameservers = f.list("nameservers", |x| address(&x));
    let searches = f.list("searches", |x| search(&x));
    let options = f.list("options", |x| option(&x));
    f.finish();
    let dns = DnsConfig {
        nameservers: nameservers?,
        searches: searches?,
        options: options?,
    };
    let length: usize = dns.searches.iter().map(|domain| domain.len() + 1).sum();
    let problem = if dns.nameservers.len() > MOST_SERVERS {
        "has more than 3 nameservers: remove some"
    } else if dns.searches.len() > MOST_SEARCHES.0 || length > MOST_SEARCHES.1 + 1 {
        "has more than 32 searches, or 2048 bytes of them: remove some"
    } else {
        return Some(dns);
    };
    field.problem(problem);
    None
}

/// A search domain: `.`, or a DNS name, where underscores count as letters, with or without the final dot.
fn search(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    let name = text.strip_suffix('.').unwrap_or(text).replace('_', "x");
    let good = text == "." || name.parse::<crate::model::name::ObjectName>().is_ok();
    if !good {
        field.problem("is not a domain: write one such as example.org");
    }
    good.then(|| text.to_owned())
}

fn option(field: &Field<'_>) -> Option<(String, Option<String>)> {
    let word = |x: &Field<'_>| {
        let text = x.line()?;
        let good = !text.is_empty() && !text.contains([' ', ':']);
        if !good {
            x.problem("must be one word without ':': correct it");
        }
        good.then(|| text.to_owned())
    };
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| word(&x));
    let value = f.optional("value", |x| match x.text()? {
        "" => Some(None),
        _ => word(&x).map(Some),
    });
    f.finish();
    Some((name?, value?.flatten()))
}
