//! What a pod is called: its UTS and IPC namespaces, and the files of `/etc` that its containers see instead of the
//! host's.
//!
//! The text of the files is the kubelet's (pkg/kubelet/kubelet_pods.go: managedHostsFileContent, hostsEntriesFromHostAliases;
//! pkg/kubelet/network/dns/dns.go), written each time the sandbox comes up, from the host's files as they are then.

use crate::host::cgroup;
use crate::host::files::{Dir, FileError};
use crate::host::mounts::{self, MountError};
use crate::host::namespace::NamespaceError;
use crate::host::pinned;
use crate::host::process::{Process, ProcessError};
use crate::host::rebind::{self, RebindError};
use crate::model::layout::Layout;
use crate::model::name::{PodKey, PodUid};
use crate::model::naming::RESOLVER_SOCKETS;
use crate::model::sandbox::{FromHost, Hosts, PodNames, Resolver};
use crate::unit::names::PodUnits;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// What container runtimes give `/dev/shm`.
const SHM: u64 = 64 << 20;
/// Name servers that a resolver asks.
const MOST_SERVERS: usize = 3;
/// Search domains that are kept, and the bytes of them.
const MOST_SEARCHES: (usize, usize) = (32, 2048);
/// Where systemd-resolved writes the servers that it asks itself.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// Why a pod has no names.
#[derive(Debug, thiserror::Error)]
pub(super) enum NamesError {
    #[error("cannot write what the pod sees in /etc")]
    File(#[from] FileError),
    #[error("cannot read {0} of the host")]
    Host(&'static str, #[source] io::Error),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("cannot find the containers of the pod")]
    Process(#[from] ProcessError),
    #[error("a container does not see the pod's files in /etc")]
    Rebind(#[from] RebindError),
}

/// What systemd puts over sockets that are not to be reached (`InaccessiblePaths=`).
const INACCESSIBLE: &str = "/run/systemd/inaccessible/sock";

/// What stands in `/etc` for files of the host.
const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Has running containers see the pod's files again where they see those of the host. Gives back what failed.
pub(super) fn mend(layout: &Layout, uid: &PodUid, pod: &PodKey) -> Vec<NamesError> {
    let files = FILES.map(|name| rebind::File {
        from: layout.pod_etc(uid, name),
        at: Path::new("/etc").join(name),
    });
    let mut files: Vec<rebind::File> = files.into_iter().filter(|f| f.from.exists()).collect();
    if files.is_empty() {
        return Vec::new();
    }
    // A daemon that has come since the container started is as hidden as one that was there before.
    if layout.pod_etc(uid, "resolv.conf").exists() && Path::new(INACCESSIBLE).exists() {
        files.extend(RESOLVER_SOCKETS.map(|at| rebind::File {
            from: INACCESSIBLE.into(),
            at: at.into(),
        }));
    }
    let pids = match cgroup::processes(&PodUnits::new(pod).slice()) {
        Ok(pids) => pids,
        Err(error) => return vec![error.into()],
    };
    let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let mut seen = BTreeSet::from([space(std::process::id())]);
    let mut errors = Vec::new();
    for pid in pids {
        // What is gone meanwhile has no namespace.
        if !seen.insert(space(pid)) {
            continue;
        }
        let mended =
            Process::open(pid)
                .map_err(NamesError::from)
                .and_then(|process| match process {
                    Some(process) => Ok(rebind::show_again(&process, &files)?),
                    None => Ok(Vec::new()),
                });
        errors.extend(mended.err());
    }
    errors
}

fn pod_run(layout: &Layout, uid: &PodUid) -> Result<Dir, FileError> {
    Dir::create(&layout.run)?
        .create_sub("pods", 0o755)?
        .create_sub(uid.as_str(), 0o700)
}

/// Makes what is asked for. Called again, it writes the files anew.
pub(super) fn make(layout: &Layout, uid: &PodUid, names: &PodNames) -> Result<(), NamesError> {
    let run = pod_run(layout, uid)?;
    if names.hostname.is_some() || names.ipc {
        run.create_sub("ns", 0o700)?;
    }
    if let Some(name) = &names.hostname {
        pinned::create_uts(&layout.pod_namespace(uid, "uts"), name)?;
    }
    if names.ipc {
        pinned::create_ipc(&layout.pod_namespace(uid, "ipc"))?;
        run.create_sub("shm", 0o1777)?;
        mounts::tmpfs(&layout.pod_shm(uid), SHM)?;
    }
    let etc = run.create_sub("etc", 0o700)?;
    let put = |file, text: String| etc.write(file, text.as_bytes(), 0o644);
    if let Some(name) = &names.hostname {
        put("hostname", format!("{name}\n"))?;
    }
    if let Some(hosts) = &names.hosts {
        let of_host = match hosts.own_names.is_empty() {
            true => read("/etc/hosts")?,
            false => String::new(),
        };
        put("hosts", hosts_text(hosts, &of_host))?;
    }
    if let Some(resolver) = &names.resolver {
        let of_host = match resolver.host {
            FromHost::Nothing => String::new(),
            FromHost::Searches | FromHost::All => resolver_of_host()?,
        };
        put("resolv.conf", resolver_text(resolver, &of_host))?;
    }
    Ok(())
}

/// Takes away what is mounted; the files go with the pod's directory on tmpfs.
pub(super) fn release(layout: &Layout, uid: &PodUid) -> Vec<NamesError> {
    let ns = |kind| layout.pod_namespace(uid, kind);
    let mounted = [ns("uts"), ns("ipc"), ns("user"), layout.pod_shm(uid)];
    let paths = mounted.iter().filter(|path| path.exists());
    paths
        .filter_map(|path| mounts::detach(path).err())
        .map(NamesError::from)
        .collect()
}

/// A file of the host; one that is not there is empty.
fn read(path: &'static str) -> Result<String, NamesError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(NamesError::Host(path, error)),
    }
}

/// The host's resolver settings. A stub on the loopback, which only the host can reach, is passed over for the servers
/// behind it.
fn resolver_of_host() -> Result<String, NamesError> {
    let text = read("/etc/resolv.conf")?;
    let servers = Settings::read(&text).nameservers;
    let stub = !servers.is_empty()
        && servers
            .iter()
            .all(|server| server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    match stub && Path::new(BEHIND_RESOLVED).exists() {
        true => read(BEHIND_RESOLVED),
        false => Ok(text),
    }
}

fn hosts_text(hosts: &Hosts, of_host: &str) -> String {
    let mut text = String::new();
    if hosts.own_names.is_empty() {
        text.push_str("# Kubernetes-managed hosts file (host network).\n");
        text.push_str(of_host);
    } else {
        text.push_str(
            "# Kubernetes-managed hosts file.\n\
             127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\n\
             fe00::0\tip6-mcastprefix\n\
             fe00::1\tip6-allnodes\n\
             fe00::2\tip6-allrouters\n",
        );
        let names = hosts.own_names.join("\t");
        for address in &hosts.addresses {
            text.push_str(&format!("{address}\t{names}\n"));
        }
        if hosts.addresses.is_empty() {
            text.push_str(&format!("127.0.0.1\t{names}\n"));
        }
    }
    if !hosts.aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in &hosts.aliases {
            text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
    }
    text
}

/// Resolver settings as text has them: what resolv.conf(5) calls nameserver, search (or domain) and options.
#[derive(Debug, Default, PartialEq)]
struct Settings {
    nameservers: Vec<String>,
    searches: Vec<String>,
    options: Vec<(String, Option<String>)>,
}

impl Settings {
    /// The last `search` counts, options add up.
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => found.nameservers.extend(words.next().map(str::to_owned)),
                Some("search" | "domain") => found.searches = words.map(str::to_owned).collect(),
                Some("options") => {
                    let option = |word: &str| match word.split_once(':') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (word.to_owned(), None),
                    };
                    found.options.extend(words.map(option));
                }
                _ => {}
            }
        }
        found
    }

    fn set(&mut self, name: &str, value: &Option<String>) {
        match self.options.iter_mut().find(|(found, _)| found == name) {
            Some(found) => found.1.clone_from(value),
            None => self.options.push((name.to_owned(), value.clone())),
        }
    }
}

fn add(list: &mut Vec<String>, word: String) {
    if !list.contains(&word) {
        list.push(word);
    }
}

fn resolver_text(resolver: &Resolver, of_host: &str) -> String {
    let host = Settings::read(of_host);
    let mut all = match resolver.host {
        FromHost::All => Settings {
            nameservers: host.nameservers,
            options: host.options,
            ..Settings::default()
        },
        FromHost::Searches | FromHost::Nothing => Settings::default(),
    };
    let of_host = match resolver.host {
        FromHost::Nothing => Vec::new(),
        FromHost::Searches | FromHost::All => host.searches,
    };
    let searches = resolver.searches.iter().cloned().chain(of_host);
    for domain in searches.chain(resolver.more_searches.iter().cloned()) {
        let length: usize = all.searches.iter().map(|found| found.len() + 1).sum();
        let room = all.searches.len() < MOST_SEARCHES.0 && length + domain.len() <= MOST_SEARCHES.1;
        if room {
            add(&mut all.searches, domain);
        }
    }
    for server in &resolver.nameservers {
        add(&mut all.nameservers, server.to_string());
    }
    for (name, value) in &resolver.options {
        all.set(name, value);
    }
    let mut text = String::new();
    if !all.searches.is_empty() {
        text.push_str(&format!("search {}\n", all.searches.join(" ")));
    }
    for server in all.nameservers.iter().take(MOST_SERVERS) {
        text.push_str(&format!("nameserver {server}\n"));
    }
    let options: Vec<String> = all
        .options
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}:{value}"),
            None => name.clone(),
        })
        .collect();
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::naming::HostAlias;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn hosts_is_the_kubelets() {
        let aliases = vec![HostAlias {
            ip: "192.0.2.7".parse().unwrap(),
            hostnames: texts(&["a.example", "b"]),
        }];
        let own = Hosts {
            own_names: texts(&["web.sub.shop.svc.cluster.local", "web"]),
            addresses: vec!["10.1.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
            aliases: aliases.clone(),
        };
        let text = hosts_text(&own, "");
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\t"));
        let end = "10.1.0.2\tweb.sub.shop.svc.cluster.local\tweb\n\
                   fd00::2\tweb.sub.shop.svc.cluster.local\tweb\n\
                   \n# Entries added by HostAliases.\n192.0.2.7\ta.example\tb\n";
        assert!(text.ends_with(end), "{text}");
        let host = Hosts {
            aliases,
            ..Hosts::default()
        };
        assert_eq!(
            hosts_text(&host, "1.2.3.4 x\n"),
            "# Kubernetes-managed hosts file (host network).\n1.2.3.4 x\n\
             \n# Entries added by HostAliases.\n192.0.2.7\ta.example\tb\n"
        );
    }

    #[test]
    fn the_resolver_is_put_together_as_the_policy_says() {
        let host = "# c\nnameserver 9.9.9.9\nsearch corp.example\noptions edns0 ndots:2\n";
        let whole = Resolver {
            host: FromHost::All,
            nameservers: vec!["1.1.1.1".parse().unwrap(), "9.9.9.9".parse().unwrap()],
            more_searches: texts(&["own.example", "corp.example"]),
            options: vec![("ndots".to_owned(), Some("3".to_owned()))],
            ..Resolver::default()
        };
        assert_eq!(
            resolver_text(&whole, host),
            "search corp.example own.example\nnameserver 9.9.9.9\nnameserver 1.1.1.1\noptions edns0 ndots:3\n"
        );
        let cluster = Resolver {
            host: FromHost::Searches,
            nameservers: vec!["10.43.0.10".parse().unwrap()],
            searches: texts(&["shop.svc.cluster.local", "svc.cluster.local"]),
            options: vec![
                ("ndots".to_owned(), Some("5".to_owned())),
                ("single".to_owned(), None),
            ],
            ..Resolver::default()
        };
        assert_eq!(
            resolver_text(&cluster, host),
            "search shop.svc.cluster.local svc.cluster.local corp.example\nnameserver 10.43.0.10\noptions ndots:5 single\n"
        );
        assert_eq!(resolver_text(&Resolver::default(), host), "");
    }
}
