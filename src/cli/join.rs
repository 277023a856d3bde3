//! `vks join` and `vks leave`.

use super::context::{Context, Outcome};
use super::error::CliError;
use crate::agent::cluster::identity::kubeconfig;
use crate::agent::cluster::{Patch, Server, client_of, pem};
use crate::host::files::{Dir, FileError};
use crate::host::systemd::Systemd;
use kube::config::{Config, Kubeconfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings that joining writes, below `/etc/vks/vks.toml.d`.
const DROP_IN: &str = "50-kubernetes.toml";
/// Where settings are, below the root.
const SETTINGS: &str = "etc/vks/vks.toml.d";
/// What kubeadm has put there for whoever joins.
const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
/// Where k3s gives its CA.
const CACERTS: &str = "/cacerts";
/// How long `vks leave` waits between two tries to evict what a budget protects.
const AGAIN: Duration = Duration::from_secs(5);

/// Make this host a node of a Kubernetes cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes the settings and restarts vks.service, which asks the cluster for a certificate and registers the node.
The certificate of the node's own HTTPS API has to be approved: kubectl get csr, kubectl certificate approve NAME.

Examples:
  vks join https://10.0.0.1:6443 --token abcdef.0123456789abcdef --ca-hash sha256:1234...
  vks join https://10.0.0.1:6443 --token-file /run/token --ca-file /root/ca.crt")]
pub struct Args {
    /// The API server
    #[arg(value_name = "URL")]
    pub server: String,
    /// A bootstrap token (kubeadm token create)
    #[arg(long, value_name = "TOKEN", required_unless_present = "token_file")]
    pub token: Option<String>,
    /// A file with the token, which then is not seen in the list of processes
    #[arg(long, value_name = "PATH", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// The hash of the public key of the cluster's CA: sha256:HEX
    #[arg(long, value_name = "HASH", required_unless_present = "ca_file")]
    pub ca_hash: Option<String>,
    /// The certificate of the cluster's CA, when the API server gives it to nobody
    #[arg(long, value_name = "PATH")]
    pub ca_file: Option<PathBuf>,
}

/// Take this host out of its Kubernetes cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Lets the cluster move the pods of this node elsewhere, removes the node, and forgets who it was.

Examples:
  vks leave
  vks leave --timeout 10m")]
pub struct LeaveArgs {
    /// How long pods get to move; what is left then is removed with the node
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = super::duration::parse)]
    pub timeout: Duration,
}

/// Why a host cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It is a node already.
    #[error("this host is a node already: run vks leave first")]
    Already,
    /// It is none.
    #[error("this host is not a node of a cluster: nothing to leave")]
    NoNode,
    /// A file that was named cannot be read.
    #[error("{0}: cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// The server's URL.
    #[error("{0:?} is not the URL of an API server: write one such as https://10.0.0.1:6443")]
    Url(String),
    /// The CA's hash.
    #[error("the hash of the CA must be sha256: and 64 digits: see vks join --help")]
    Hash,
    /// The CA.
    #[error("{0} gives no CA to those it does not know: name its certificate with --ca-file")]
    NoCa(String, #[source] Option<Box<kube::Error>>),
    /// Not the CA that was meant.
    #[error(
        "the CA of {0} has another hash: check --ca-hash; if it is right, somebody else answers there"
    )]
    OtherCa(String),
    /// What is written cannot be.
    #[error("cannot keep the settings of the cluster")]
    Write(#[from] FileError),
    /// The API server.
    #[error("the API server cannot be used")]
    Call(#[from] crate::agent::cluster::CallError),
    /// The kubeconfig.
    #[error(transparent)]
    Connect(#[from] crate::agent::cluster::ConnectError),
}

/// Writes who this node is to be, and has the agent begin.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let layout = &context.settings.layout;
    if context.settings.cluster.is_some() {
        return Err(JoinError::Already.into());
    }
    let url = args.server.trim_end_matches('/').to_owned();
    if !url.starts_with("https://") {
        return Err(JoinError::Url(args.server.clone()).into());
    }
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        text.map_err(|source| JoinError::Read(path.clone(), source))
    };
    let token = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => read(path)?,
        (None, None) => String::new(),
    };
    if let Some(hash) = &args.ca_hash {
        let digits = hash.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(JoinError::Hash.into());
        }
    }
    let ca = match &args.ca_file {
        Some(path) => read(path)?,
        None => given_ca(&url).await?,
    };
    if let Some(hash) = &args.ca_hash
        && !pem::key_hashes(ca.as_bytes()).contains(&hash.to_ascii_lowercase())
    {
        return Err(JoinError::OtherCa(url).into());
    }
    write(&url, token.trim(), &ca, &layout.node(), &context.root)?;
    context.print(&format!(
        "this host joins {url} as node {}\n",
        context.settings.node_name
    ))?;
    restart(context).await;
    Ok(Outcome::Done)
}

fn write(url: &str, token: &str, ca: &str, dir: &Path, root: &Path) -> Result<(), JoinError> {
    Dir::create(dir)?;
    let (Some(above), Some(name)) = (dir.parent(), dir.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let papers = Dir::create(above)?.create_sub(name, 0o700)?;
    papers.write("ca.crt", ca.as_bytes(), 0o644)?;
    let bootstrap = kubeconfig(url, dir, &json!({ "token": token }));
    papers.write("bootstrap.kubeconfig", bootstrap.as_bytes(), 0o600)?;
    // Last: with it this host is a node.
    let settings = Dir::create(&root.join(SETTINGS))?;
    settings.write(DROP_IN, b"# Written by vks join\n[kubernetes]\n", 0o644)?;
    Ok(())
}

/// The CA, as the API server gives it to anybody. Nothing is believed of it but what its hash confirms.
async fn given_ca(url: &str) -> Result<String, JoinError> {
    let parsed = url.parse().map_err(|_| JoinError::Url(url.to_owned()))?;
    let mut config = Config::new(parsed);
    config.accept_invalid_certs = true;
    // None of the system's are asked for, which may have none.
    config.root_cert = Some(Vec::new());
    let no_ca = |error: Option<kube::Error>| JoinError::NoCa(url.to_owned(), error.map(Box::new));
    let client = client_of(&config).map_err(|error| no_ca(Some(error)))?;
    let request = |path: &str| {
        let made = hyper::Request::builder().uri(path).body(Vec::new());
        made.map_err(|error| no_ca(Some(kube::Error::HttpError(error))))
    };
    let refused = match client.request::<Value>(request(CLUSTER_INFO)?).await {
        Ok(info) => return of_cluster_info(&info).ok_or_else(|| no_ca(None)),
        Err(error) => error,
    };
    match client.request_text(request(CACERTS)?).await {
        Ok(text) if text.contains("BEGIN CERTIFICATE") => Ok(text),
        _ => Err(no_ca(Some(refused))),
    }
}

/// The CA in the config map of kubeadm.
fn of_cluster_info(info: &Value) -> Option<String> {
    let config = Kubeconfig::from_yaml(info["data"]["kubeconfig"].as_str()?).ok()?;
    let cluster = config.clusters.into_iter().next()?.cluster?;
    let bytes = pem::decode(&cluster.certificate_authority_data?)?;
    String::from_utf8(bytes).ok()
}

/// Has the agent read its settings, if it runs as a service.
async fn restart(context: &Context) {
    let restarted = async {
        let systemd = Systemd::connect(None).await.ok()?;
        let unit = "vks.service".parse().ok()?;
        systemd.restart_and_wait(&unit).await.ok()
    };
    if restarted.await.is_none() {
        context.tell(format_args!(
            "vks.service was not restarted: systemctl restart vks.service"
        ));
    }
}

/// Drains, removes the node, and forgets who it was.
pub async fn leave(args: &LeaveArgs, context: &Context) -> Result<Outcome, CliError> {
    let settings = context.settings.cluster.as_ref().ok_or(JoinError::NoNode)?;
    let (server, _identity) = Server::new(&settings.kubeconfig)
        .await
        .map_err(JoinError::from)?;
    let node = &context.settings.node_name;
    let path = format!("/api/v1/nodes/{node}");
    let cordon = json!({ "spec": { "unschedulable": true } });
    let cordoned = server.patch(&path, Patch::Merge, &cordon).await;
    let drained = tokio::time::timeout(args.timeout, drain(&server, node)).await;
    if !matches!((cordoned, drained), (Ok(_), Ok(Ok(())))) {
        context.tell(format_args!(
            "not all pods have left: they end with the node"
        ));
    }
    let gone = match server.get(&path).await {
        Ok(object) => {
            let uid = object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            server.delete(&path, &uid).await.is_ok()
        }
        Err(error) => error.is_absent(),
    };
    if !gone {
        context.tell(format_args!(
            "the node is still known to the cluster: kubectl delete node {node}"
        ));
    }
    forget(context).map_err(JoinError::from)?;
    context.print(&format!(
        "this host has left its cluster; it was node {node}\n"
    ))?;
    restart(context).await;
    Ok(Outcome::Done)
}

/// Has the API server evict what others will make anew, until nothing of it is left. What a disruption budget protects
/// is asked for again and again.
async fn drain(server: &Server, node: &str) -> Result<(), crate::agent::cluster::CallError> {
    loop {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let list = server.get(&path).await?;
        let pods = list["items"].as_array().into_iter().flatten();
        let movable: Vec<&Value> = pods.filter(|pod| is_movable(pod)).collect();
        if movable.is_empty() {
            return Ok(());
        }
        for pod in movable {
            let metadata = &pod["metadata"];
            let (Some(namespace), Some(name)) =
                (metadata["namespace"].as_str(), metadata["name"].as_str())
            else {
                continue;
            };
            if metadata["deletionTimestamp"].is_string() {
                continue;
            }
            evict(server, namespace, name).await;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Asks for it in the words of now, then in those from before 1.22. A refusal is of now: it is asked for again.
async fn evict(server: &Server, namespace: &str, name: &str) {
    for version in ["policy/v1", "policy/v1beta1"] {
        let eviction = json!({
            "apiVersion": version,
            "kind": "Eviction",
            "metadata": { "name": name, "namespace": namespace },
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
        if server.create(&path, &eviction).await.is_ok() {
            break;
        }
    }
}

/// Neither one of each node, nor one of the node's own disk.
fn is_movable(pod: &Value) -> bool {
    let metadata = &pod["metadata"];
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let stays = owners
        .into_iter()
        .any(|owner| owner["kind"] == "DaemonSet" || owner["kind"] == "Node");
    !stays && !metadata["annotations"]["kubernetes.io/config.mirror"].is_string()
}

/// Removes settings, keys, and what the API server gave; its pods are removed by the agent.
fn forget(context: &Context) -> Result<(), FileError> {
    let layout = &context.settings.layout;
    if let Some(settings) = Dir::open(&context.root.join(SETTINGS))? {
        settings.remove(DROP_IN)?;
    }
    for dir in [layout.node(), layout.cluster()] {
        let Some(dir) = Dir::open(&dir)? else {
            continue;
        };
        for (name, _) in dir.entries()? {
            dir.remove(&name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_node_does_not_move() {
        let pod = |kind: &str| json!({ "metadata": { "ownerReferences": [{ "kind": kind }] } });
        assert!(is_movable(&pod("ReplicaSet")));
        assert!(!is_movable(&pod("DaemonSet")));
        let mirror =
            json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "x" } } });
        assert!(!is_movable(&mirror));
    }
}
