//! What a pod is called and which namespaces it shares, as the sandbox's setup and keys of its containers.
//!
//! | pod | keys |
//! |---|---|
//! | network of its own | host name and IPC of its own too, `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` by `BindPaths=` |
//! | the host's network | those of the host, unless `hostAliases`, `dnsConfig`, `dnsPolicy` or `hostIPC: false` ask for others |
//! | `stdin` | a named pipe made by the sandbox |
//! | `hostPID: false` | `PrivatePIDs=` (systemd 257) |

use super::super::network::attach;
use super::super::security::{Confinement, HOST_NAME_SINCE};
use super::{Room, version};
use crate::config::Settings;
use crate::model::name::{PodUid, UnitName};
use crate::model::naming::{DnsPolicy, RESOLVER_SOCKETS};
use crate::model::network::DNS_ADDRESSES;
use crate::model::network::attach::Attachment;
use crate::model::pod::{Container, Pod};
use crate::model::sandbox::{FromHost, Hosts, MountPoint, PodNames, Resolver, Setup};
use crate::model::security::Profile;
use crate::model::status::Blocked;
use crate::unit::UnitFile;
use crate::unit::escape::{quoted, specifiers};

/// How many dots make a name absolute, for names of a cluster (kubelet: defaultDNSOptions).
const NDOTS: &str = "5";

/// What the sandbox makes of a pod's names.
pub(super) fn of_pod(
    pod: &Pod,
    addresses: &[std::net::IpAddr],
    settings: &Settings,
) -> Result<PodNames, Blocked> {
    let spec = &pod.spec;
    let names = spec
        .naming
        .names(&pod.key, &settings.dns_domain)
        .map_err(|error| Blocked {
            container: None,
            reason: "CreatePodSandboxError",
            message: error.to_string(),
        })?;
    let fqdn = names
        .domain
        .map(|domain| format!("{}.{domain}", names.hostname));
    let own = !spec.host_network;
    let own_names = match own {
        true => fqdn.into_iter().chain([names.hostname]).collect(),
        false => Vec::new(),
    };
    let hosts = Hosts {
        own_names,
        addresses: addresses.to_vec(),
        aliases: spec.naming.host_aliases.clone(),
    };
    Ok(PodNames {
        hostname: own.then_some(names.kernel),
        ipc: !spec.sharing.host_ipc.unwrap_or(spec.host_network),
        hosts: (own || !hosts.aliases.is_empty()).then_some(hosts),
        resolver: resolver(pod, settings),
    })
}

/// A pod whose only way out is a tunnel has the tunnel's name servers, and those of its own `dnsConfig`; the host's would
/// tell somebody else whom it asks for.
pub(super) fn through_tunnel(names: &mut PodNames, attachments: &[Attachment], pod: &Pod) {
    if let Some(mut servers) = attach::servers(attachments) {
        let dns = &pod.spec.naming.dns;
        servers.extend(&dns.nameservers);
        names.resolver = Some(Resolver {
            nameservers: servers,
            more_searches: dns.searches.clone(),
            options: dns.options.clone(),
            ..Resolver::default()
        });
    }
}

/// Resolver settings (kubelet: GetPodDNS); `None` when they are the host's own file.
fn resolver(pod: &Pod, settings: &Settings) -> Option<Resolver> {
    let (naming, own) = (&pod.spec.naming, !pod.spec.host_network);
    let cluster = match naming.dns_policy {
        DnsPolicy::ClusterFirst => own,
        DnsPolicy::ClusterFirstWithHostNet => true,
        DnsPolicy::Default | DnsPolicy::None => false,
    };
    let mut resolver = if cluster && !settings.dns_servers.is_empty() {
        let domain = &settings.dns_domain;
        Resolver {
            host: FromHost::Searches,
            nameservers: settings.dns_servers.clone(),
            searches: vec![
                format!("{}.svc.{domain}", pod.key.namespace),
                format!("svc.{domain}"),
                domain.clone(),
            ],
            options: vec![("ndots".to_owned(), Some(NDOTS.to_owned()))],
            ..Resolver::default()
        }
    } else if naming.dns_policy == DnsPolicy::None {
        Resolver::default()
    } else if own || !naming.dns.is_empty() {
        Resolver {
            host: FromHost::All,
            ..Resolver::default()
        }
    } else {
        return None;
    };
    let dns = &naming.dns;
    resolver.nameservers.extend(&dns.nameservers);
    resolver.more_searches.extend(dns.searches.iter().cloned());
    for option in &dns.options {
        resolver.options.retain(|(name, _)| *name != option.0);
        resolver.options.push(option.clone());
    }
    Some(resolver)
}

/// Where a container that does not see the host's `/run` finds the named pipe to its standard input.
const INPUT: &str = "/run/stdin";

impl Room<'_> {
    /// Whether the name server of vks is among those that the pod asks.
    pub(super) fn asks_own_server(&self) -> bool {
        let resolver = self.pod_names.resolver.as_ref();
        resolver.is_some_and(|resolver| {
            let mut servers = resolver.nameservers.iter();
            servers.any(|server| DNS_ADDRESSES.contains(server))
        })
    }

    /// The files of `/etc` that the pod has of its own.
    pub(super) fn files(&self) -> impl Iterator<Item = &'static str> {
        let files = [
            ("hosts", self.pod_names.hosts.is_some()),
            ("hostname", self.pod_names.hostname.is_some()),
            ("resolv.conf", self.pod_names.resolver.is_some()),
        ];
        files
            .into_iter()
            .filter_map(|(file, wanted)| wanted.then_some(file))
    }

    /// Adds the names to what the sandbox sets up.
    pub(super) fn set_up_names(&self, setup: &mut Setup) {
        setup.names = self.pod_names.clone();
        for file in self.files() {
            setup.mount_points.push(MountPoint {
                path: format!("/etc/{file}"),
                like: Some(self.etc(self.uid, file)),
            });
        }
    }

    fn etc(&self, uid: &PodUid, file: &str) -> String {
        let path = self.settings.layout.pod_etc(uid, file);
        path.display().to_string()
    }

    /// A container's view of names and namespaces. What one of its volumes is mounted on is left to that.
    pub(super) fn join_names(
        &self,
        file: &mut UnitFile,
        spec: &Container,
        confinement: &Confinement,
    ) -> Result<(), Blocked> {
        let free = |path: &str| spec.mounts.iter().all(|mount| mount.path != path);
        for name in self.files() {
            let path = format!("/etc/{name}");
            if free(&path) {
                let pair = format!("{}:{path}", self.etc(self.uid, name));
                file.push("Service", "BindPaths", specifiers(&pair));
            }
        }
        if self.pod_names.resolver.is_some() {
            let sockets = RESOLVER_SOCKETS.map(|path| format!("-{path}"));
            file.push("Service", "InaccessiblePaths", sockets.join(" "));
        }
        match &self.pod_names.hostname {
            Some(_) if confinement.joins_host_name => {
                // By descriptor: the container sees nothing of the place where it lies.
                let path = self.settings.layout.pod_namespace(self.uid, "uts");
                let open = format!("{}:uts:read-only", path.display());
                file.push("Service", "OpenFile", specifiers(&open));
                // Nobody without the capability can change it anyway; this also forbids the call.
                let may = confinement.capabilities.has("SYS_ADMIN");
                if confinement.profile != Profile::Trusted && !may {
                    file.push("Service", "ProtectHostname", "yes");
                }
            }
            // The service of a package, which starts as somebody who could not join it: it has the host's.
            Some(_) if self.settings.systemd < HOST_NAME_SINCE => {}
            Some(name) => {
                let private = format!("private:{name}");
                file.push("Service", "ProtectHostname", private);
            }
            None => {}
        }
        if spec.stdio.stdin && confinement.profile != Profile::Trusted {
            let from = self.settings.layout.stdin(self.uid, &spec.name);
            let pair = format!("{}:{INPUT}", from.display());
            file.push("Service", "BindPaths", specifiers(&pair));
        }
        if !self.pod.spec.host_network && confinement.profile != Profile::Trusted {
            // Goes without saying for one that joins a namespace (`NetworkNamespacePath=` goes before it), but not for
            // `systemd-analyze security`.
            file.push("Service", "PrivateNetwork", "yes");
        }
        if self.pod_names.ipc {
            let layout = &self.settings.layout;
            let path = layout.pod_namespace(self.uid, "ipc");
            file.push(
                "Service",
                "IPCNamespacePath",
                specifiers(&path.display().to_string()),
            );
            if free("/dev/shm") {
                let pair = format!("{}:/dev/shm", layout.pod_shm(self.uid).display());
                file.push("Service", "BindPaths", specifiers(&pair));
            }
        }
        if self.pod.spec.sharing.host_pid == Some(false) {
            version::needs(self.settings, spec, "hostPID: false", "PrivatePIDs=", 257)?;
            file.push("Service", "PrivatePIDs", "yes");
        }
        Ok(())
    }

    /// Whether a container's processes are in a pid namespace of their own.
    pub(super) fn has_own_processes(&self, spec: &Container) -> bool {
        match self.pod.spec.sharing.host_pid {
            Some(of_host) => !of_host,
            // One that is there to look at another sees what that one is among.
            None => spec.target.is_none() && self.base(spec).is_some(),
        }
    }

    /// Refuses an ephemeral container that would not see the processes of the container it is there to look at: systemd has
    /// no setting by which a service joins a pid namespace.
    pub(super) fn target_is_seen(&self, spec: &Container) -> Result<(), Blocked> {
        let Some(target) = &spec.target else {
            return Ok(());
        };
        let mut others = self.pod.spec.lasting_containers();
        let found = others.find(|(_, other)| other.name == *target);
        if !found.is_some_and(|(_, other)| self.has_own_processes(other)) {
            return Ok(());
        }
        Err(Blocked {
            container: Some(spec.name.clone()),
            reason: "CreateContainerConfigError",
            message: format!(
                "the processes of container {target} are hidden from all others: leave out targetContainerName and look \
                 with vks exec, or give the pod hostPID: true"
            ),
        })
    }

    /// The variable that container runtimes set, unless the container has one.
    pub(super) fn host_name_variable(&self, file: &mut UnitFile, taken: bool) {
        if let Some(name) = &self.pod_names.hostname
            && !taken
        {
            file.push(
                "Service",
                "Environment",
                quoted(&format!("HOSTNAME={name}")),
            );
        }
    }

    /// The words in front of the program that give it the pod's host name, a terminal or an input.
    pub(super) fn launch(
        &self,
        spec: &Container,
        confinement: &Confinement,
        rooted: Option<&UnitName>,
    ) -> Vec<String> {
        let mut words = Vec::new();
        let layout = &self.settings.layout;
        let mut option = |name: &str, value: Option<String>| {
            words.push(name.to_owned());
            words.extend(value);
        };
        if let Some(unit) = rooted {
            option("--root", Some(unit.to_string()));
        }
        if self.pod_names.hostname.is_some() && confinement.joins_host_name {
            option("--uts", None);
        }
        if spec.stdio.tty {
            option("--tty", None);
            let run_as = self.pod.spec.run_as_of(spec);
            if let Some(user) = run_as.user {
                let owner = format!("{user}:{}", run_as.group.unwrap_or(0));
                option("--owner", Some(owner));
            }
        }
        if spec.stdio.stdin {
            let path = match confinement.profile {
                // Opened while the host's tree is the root.
                _ if rooted.is_some() => layout.stdin(self.uid, &spec.name).display().to_string(),
                Profile::Trusted => layout.stdin(self.uid, &spec.name).display().to_string(),
                _ => INPUT.to_owned(),
            };
            option("--stdin", Some(path));
            if spec.stdio.once {
                option("--once", None);
            }
        }
        if words.is_empty() {
            return words;
        }
        let verb = [self.settings.program.clone(), "launch".to_owned()];
        let end = ["--".to_owned()];
        verb.into_iter().chain(words).chain(end).collect()
    }
}
