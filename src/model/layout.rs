//! Where things lie on the host: every path vks makes is named here.
//!
//! ```text
//! /var/lib/vks/                 state: survives a reboot, removed with the pod
//!   manifests/                  what `vks apply` was given: the second source of pods
//!   controllers/                what is remembered of Deployments, Jobs and their like, a file each
//!   triggers/                   timers of CronJobs that have elapsed
//!   pods/<uid>/                 0755, but what is secret is 0700 below it
//!     volumes/<volume>/         emptyDir; config maps as ..data -> ..<digest>/ with a link for each key
//!     secrets/<volume>/<key>    0700/0400: what the sandbox copies to tmpfs
//!     env/<container>           0700/0400: EnvironmentFile= of what comes from config maps and secrets
//!     termination/<container>   the termination message file, bound into the container
//!     runs/<container>.json     how its runs ended
//!     done/<container>          it has ended for good and must not run at the next boot
//!     rootfs/<container>/       0700 above: the writable layer of a container's image, anew for each run
//!     unhealthy/<container>     the run that is being ended because its liveness probe failed
//!     given                     its units are of the host's configuration; whose they are
//!     once                      a restartPolicy Never pod has been started
//!     deadline-exceeded         the active deadline has passed
//!     deleted                   somebody deleted this pod of a controller, which is to make another
//!   mountpoints/<uid>           directories and files made on the host to mount volumes on
//!   volumes/<ns>/<claim>/       0700 above: claims without a volume of their own; outlive pods and the claim
//!   wireguard/key               0700/0600: this host's private key in the mesh
//!   networks/<ns>/<network>/<address>  whose address it is: of networks that pods are attached to
//!   units/                      unit files, where /etc cannot be written
//!   network.json                services and ports of the host as they were published last
//!   cluster/                    0700: what the API server gave this node, a file each: a source of pods
//!   node/                       0700: who this node is to the API server: keys, certificates, kubeconfig
//!   images/pods/                the images of each pod, a file each
//!   images/refs/                images that are there, a file each
//! /run/vks/                     0755: gone at reboot
//!   pods/<uid>/secrets/<volume>/  0700 above: secret volumes on tmpfs, ..data as above
//!   pods/<uid>/memory/<volume>    tmpfs: emptyDir of medium Memory
//!   pods/<uid>/sub/<container>/<n>  what a mount with a subPath shows, bound there at each start
//!   vksmounts/<hash>              what a volume has mounted, by a mount unit
//!   network.json                what of the host was changed for the pods' network, and how it was before
//!   pods/<uid>/etc/<file>       hosts, resolv.conf and hostname, bound into the containers
//!   pods/<uid>/ns/<kind>        the pod's UTS, IPC and user namespaces
//!   pods/<uid>/ns/user-range    the first id of its users on the host
//!   users/<id>                  0700: which pod has the ids from there on
//!   pods/<uid>/shm              /dev/shm of a pod with an IPC namespace of its own
//!   pods/<uid>/stdin/<container>  a named pipe: what is written into it is the container's standard input
//!   usher.sock                  where `vks usher` hears what to do in pods, for the node's API
//!   fetch/<id>.json             0700 above: an image that is to be fetched; <id>.result.json: what came of it
//!   tunnels/<device>.json       0700: who has a pod's tunnel, to plug it in again
//!   lock                        held by whoever changes things: the agent, or a command while no agent runs
//!   reload-needed/<uid>         unit files were changed under systemd and it has not reloaded yet
//! /run/netns/vks-<uid>          the pod's network namespace
//! ```

use super::name::{ContainerName, ObjectKey, PodUid, VolumeName};
use super::oci::Digest;
use super::payload::file_digest;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The file of the peers that the nodes of the cluster say, beside the node's identity.
pub const MESH_PEERS: &str = "mesh-peers.toml";

/// In systemd's search path (systemd.unit(5)): a link to [`Layout::kept_units`] where `/etc` cannot be written.
pub const RUN_UNITS: &str = "/run/systemd/system.attached";

/// The roots. The default is the real host; tests use others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Default `/var/lib/vks`.
    pub state: PathBuf,
    /// Default `/run/vks`.
    pub run: PathBuf,
    /// Where unit files are written (default `/etc/systemd/system.attached`; [`Layout::kept_units`] where
    /// [`RUN_UNITS`] is a link to it).
    pub units: PathBuf,
    /// Where units lie that the host's configuration brings (default `/etc/systemd/system`): read, never written.
    pub given: PathBuf,
    /// Default `/run/netns`.
    pub netns: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            state: "/var/lib/vks".into(),
            run: "/run/vks".into(),
            units: "/etc/systemd/system.attached".into(),
            given: "/etc/systemd/system".into(),
            netns: "/run/netns".into(),
        }
    }
}

impl Layout {
    /// The directory of one life of a pod.
    pub fn pod(&self, uid: &PodUid) -> PathBuf {
        self.state.join("pods").join(uid.as_str())
    }

    /// A volume kept on disk: emptyDir and config maps.
    pub fn volume(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        self.pod(uid).join("volumes").join(volume.as_str())
    }

    /// The stored keys of a secret volume.
    pub fn secret_store(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        self.pod(uid).join("secrets").join(volume.as_str())
    }

    /// What the sandbox has found of the pod's interfaces, if the pod asks for networks: JSON, as in the annotation.
    pub fn network_status(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("network-status")
    }

    /// The tmpfs directory of a pod, 0700.
    pub fn pod_run(&self, uid: &PodUid) -> PathBuf {
        self.run.join("pods").join(uid.as_str())
    }

    /// A secret volume as containers see it.
    pub fn secret_volume(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        self.pod_run(uid).join("secrets").join(volume.as_str())
    }

    /// A volume in memory.
    pub fn memory_volume(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        self.pod_run(uid).join("memory").join(volume.as_str())
    }

    /// A volume that is an image of several layers.
    pub fn image_volume(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        self.pod_run(uid).join("images").join(volume.as_str())
    }

    /// What the mount number `index` of a container shows, when that is only a part of a volume.
    pub fn sub_path(&self, uid: &PodUid, container: &ContainerName, index: usize) -> PathBuf {
        let parts = self.pod_run(uid).join("sub").join(container.as_str());
        parts.join(index.to_string())
    }

    /// Where a volume that is mounted for a pod lies. The name of its mount unit is this path: short, and with
    /// something by which it is known.
    pub fn mounted_volume(&self, uid: &PodUid, volume: &VolumeName) -> PathBuf {
        let digest = file_digest(format!("{uid}/{volume}").as_bytes());
        let mut name = String::new();
        for byte in digest {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        self.run.join("vksmounts").join(name)
    }

    /// The directory of a claim that has no volume.
    pub fn claim(&self, claim: &ObjectKey) -> PathBuf {
        let volumes = self.state.join("volumes");
        volumes
            .join(claim.namespace.as_str())
            .join(claim.name.as_str())
    }

    /// A file that stands for one of the same name in `/etc` of the pod's containers.
    pub fn pod_etc(&self, uid: &PodUid, file: &str) -> PathBuf {
        self.pod_run(uid).join("etc").join(file)
    }

    /// A namespace of the pod, by its name in `/proc/PID/ns`; the network has a place of its own.
    pub fn pod_namespace(&self, uid: &PodUid, kind: &str) -> PathBuf {
        self.pod_run(uid).join("ns").join(kind)
    }

    /// What `/dev/shm` is in the pod's containers.
    pub fn pod_shm(&self, uid: &PodUid) -> PathBuf {
        self.pod_run(uid).join("shm")
    }

    /// The named pipe to a container's standard input.
    pub fn stdin(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod_run(uid).join("stdin").join(container.as_str())
    }

    /// The environment file of a container.
    pub fn env_file(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("env").join(container.as_str())
    }

    /// The environment file of a container with variables from files of volumes.
    pub fn taken_variables(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod_run(uid).join("env").join(container.as_str())
    }

    /// The termination message file of a container.
    pub fn termination(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("termination").join(container.as_str())
    }

    /// The finished runs of a container.
    pub fn runs(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("runs").join(format!("{container}.json"))
    }

    /// The mark that a container has ended for good.
    pub fn done(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("done").join(container.as_str())
    }

    /// The mark that a run of a container is being ended because its liveness probe failed.
    pub fn unhealthy(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("unhealthy").join(container.as_str())
    }

    /// Whose directory it is, of a pod whose units are given: when they go, nothing else says so.
    pub fn given_mark(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("given")
    }

    /// The mark that a pod that runs only once has been started.
    pub fn once(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("once")
    }

    /// Conditions that were set from outside.
    pub fn conditions(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("conditions.json")
    }

    /// When a pod with an active deadline was first started.
    pub fn deadline_start(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("deadline-start")
    }

    /// The mark that the active deadline has passed.
    pub fn deadline_exceeded(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("deadline-exceeded")
    }

    /// The mark that this pod, which a controller has made, was deleted by hand.
    pub fn deleted(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("deleted")
    }

    /// Where the root of a container is put together, and what it writes is kept while it runs.
    pub fn rootfs(&self, uid: &PodUid, container: &ContainerName) -> PathBuf {
        self.pod(uid).join("rootfs").join(container.as_str())
    }

    /// A layer of the store of images.
    pub fn layer(&self, layer: &Digest) -> PathBuf {
        self.images().join("layers").join(layer.hex()).join("fs")
    }

    /// The pod's network namespace.
    pub fn network_namespace(&self, uid: &PodUid) -> PathBuf {
        self.netns.join(format!("vks-{uid}"))
    }

    /// The network namespace of a tunnel that pods share, by the tunnel's device.
    pub fn tunnel_namespace(&self, device: &str) -> PathBuf {
        self.netns.join(device)
    }

    /// What was made on the host to mount a pod's volumes on.
    pub fn mountpoints(&self, uid: &PodUid) -> PathBuf {
        self.state.join("mountpoints").join(uid.as_str())
    }

    /// Unit files of pods, where `/etc` cannot be written.
    pub fn kept_units(&self) -> PathBuf {
        self.state.join("units")
    }

    /// Manifests kept by `vks apply`.
    pub fn manifests(&self) -> PathBuf {
        self.state.join("manifests")
    }

    /// What the API server gave this node: pods, and the config maps and secrets they use.
    pub fn cluster(&self) -> PathBuf {
        self.state.join("cluster")
    }

    /// Who this node is to the API server.
    pub fn node(&self) -> PathBuf {
        self.state.join("node")
    }

    /// The prefixes of pods that the cluster has given this node.
    pub fn pod_cidrs(&self) -> PathBuf {
        self.node().join("pod-cidrs")
    }

    /// The peers of the mesh, as the nodes of the cluster say.
    pub fn mesh_peers(&self) -> PathBuf {
        self.node().join(MESH_PEERS)
    }

    /// What is known of images.
    pub fn images(&self) -> PathBuf {
        self.state.join("images")
    }

    /// The images of pods.
    pub fn pod_images(&self) -> PathBuf {
        self.images().join("pods")
    }

    /// Images that are there.
    pub fn image_refs(&self) -> PathBuf {
        self.images().join("refs")
    }

    /// Requests to fetch images, and what came of them; 0700.
    pub fn fetches(&self) -> PathBuf {
        self.run.join("fetch")
    }

    /// What was published last: services and ports of the host, for the next boot.
    pub fn published(&self) -> PathBuf {
        self.state.join("network.json")
    }

    /// What was changed of the host for pods to have a network, and how it was before.
    pub fn host_before(&self) -> PathBuf {
        self.run.join("network.json")
    }

    /// This host's private key in the mesh of hosts, unless settings name another.
    pub fn mesh_key(&self) -> PathBuf {
        self.state.join("wireguard").join("key")
    }

    /// Who has which address of a network that pods are attached to, a file for each address.
    pub fn leases(&self, network: &ObjectKey) -> PathBuf {
        let networks = self.state.join("networks");
        networks
            .join(network.namespace.as_str())
            .join(network.name.as_str())
    }

    /// Pods' tunnels that are plugged in, a file for each device.
    pub fn tunnels(&self) -> PathBuf {
        self.run.join("tunnels")
    }

    /// Records of controllers.
    pub fn controllers(&self) -> PathBuf {
        self.state.join("controllers")
    }

    /// Where timers of CronJobs leave word.
    pub fn triggers(&self) -> PathBuf {
        self.state.join("triggers")
    }

    /// Where `vks usher` listens.
    pub fn usher(&self) -> PathBuf {
        self.run.join("usher.sock")
    }

    /// The lock of whoever changes things.
    pub fn lock(&self) -> PathBuf {
        self.run.join("lock")
    }

    /// The mark that systemd must reload before it starts anything of this pod that was changed.
    pub fn reload_needed(&self, uid: &PodUid) -> PathBuf {
        self.run.join("reload-needed").join(uid.as_str())
    }
}
