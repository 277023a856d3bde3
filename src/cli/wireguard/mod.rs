//! `vks wireguard`: the mesh of hosts by hand, and tunnels that somebody else wrote down.

pub mod export;
pub mod import;
pub mod peer;
pub mod show;

use super::context::{Context, Outcome};
use super::error::CliError;
use crate::host::wireguard;
use crate::model::name::ObjectName;
use crate::model::network::Prefix;
use crate::model::wireguard::{Endpoint, PublicKey};
use std::path::PathBuf;

/// Look after the mesh of hosts, and import tunnels
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Join two hosts: on each, print what the other one needs and put it there
  vks wireguard export --endpoint a.example.org:51820
  vks wireguard peer add b --public-key KEY --endpoint b.example.org:51820 --prefix 10.192.2.0/24 --prefix fd00:2::/64

  # Who is there
  vks wireguard show

  # Let a phone in: what it needs as a picture on the terminal
  vks wireguard peer add phone --generate --prefix 10.200.0.7/32 --qr

  # Pods behind somebody else's VPN
  vks wireguard import wg0.conf | vks apply -f -")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Show this host's device and its peers; never a secret
    Show,
    /// Print a new private key
    Genkey(Genkey),
    /// Add, change or remove a peer
    #[command(subcommand)]
    Peer(PeerAct),
    /// Print what another host needs to know of this one
    Export(Export),
    /// Print the manifests of a tunnel for pods, made from a file of wg-quick
    Import(Import),
}

#[derive(Debug, clap::Args)]
struct Genkey {
    /// A preshared key instead
    #[arg(long)]
    preshared: bool,
}

#[derive(Debug, clap::Subcommand)]
enum PeerAct {
    /// Add a peer, or change the one of this name
    Add(Box<Add>),
    /// Remove a peer
    Rm {
        /// Its name
        name: ObjectName,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name, for people
    name: ObjectName,
    /// Its public key
    #[arg(long, value_name = "KEY", required_unless_present = "generate")]
    public_key: Option<PublicKey>,
    /// Make its key here, and print all it needs: the key is kept nowhere
    #[arg(long, conflicts_with = "public_key")]
    generate: bool,
    /// Where it is reached: a name or an address, and a port
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<Endpoint>,
    /// The addresses of its pods, or its own; may be given several times
    #[arg(long = "prefix", value_name = "PREFIX", required = true)]
    prefixes: Vec<Prefix>,
    /// A file with a preshared key
    #[arg(long, value_name = "FILE")]
    preshared_key_file: Option<PathBuf>,
    /// Seconds between packets that keep a way through NAT open
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    keepalive: u16,
    /// Where the other side reaches this host (default: wireguard.endpoint, else node.ip)
    #[arg(long, value_name = "HOST:PORT", requires = "generate")]
    own_endpoint: Option<Endpoint>,
    /// As a picture for the camera of a phone
    #[arg(long, requires = "generate")]
    qr: bool,
}

#[derive(Debug, clap::Args)]
struct Export {
    /// Where others reach this host (default: wireguard.endpoint, else node.ip)
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<Endpoint>,
    /// A peer's section of wg-quick(8) instead of a part of vks.toml
    #[arg(long)]
    wg_quick: bool,
    /// As a picture
    #[arg(long)]
    qr: bool,
}

#[derive(Debug, clap::Args)]
struct Import {
    /// The file, or - for standard input
    file: PathBuf,
    /// The name of the network (default: that of the file)
    #[arg(long)]
    name: Option<ObjectName>,
    /// A port that the host reaches, such as 8080 or 53/udp; may be given several times
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<String>,
}

/// Why something of `vks wireguard` failed.
#[derive(Debug, thiserror::Error)]
pub enum WireguardCliError {
    /// There is no section.
    #[error("this host is in no mesh: write [wireguard] into /etc/vks/vks.toml")]
    NoMesh,
    /// No peer of this name.
    #[error("there is no peer {0}")]
    NoPeer(ObjectName),
    /// A peer that is written elsewhere.
    #[error("peer {0} is written in another file than {path}: change it there", path = .1.display())]
    Elsewhere(ObjectName, PathBuf),
    /// The key of this host.
    #[error("cannot tell the key of this host")]
    Key(#[from] crate::worker::mesh::keys::KeyReadError),
    /// The device.
    #[error(transparent)]
    Device(#[from] wireguard::WireguardError),
    /// A device without a key.
    #[error("this host has no key yet: systemctl start vks-wireguard")]
    NoKey,
    /// The picture.
    #[error("cannot draw the picture: the text is too long")]
    Picture,
    /// The mesh was not changed.
    #[error("the peer is written down, and the mesh did not take it: {0}")]
    Apply(String),
    /// A file of wg-quick.
    #[error("{file}: {problem}")]
    Import {
        /// The file.
        file: String,
        /// What is wrong, with its line.
        problem: String,
    },
}

/// Runs it.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    match &args.act {
        Act::Show => show::run(context),
        Act::Genkey(args) => {
            let key = match args.preshared {
                true => wireguard::generate_preshared(),
                false => wireguard::generate(),
            };
            context.print(&format!("{}\n", key.expose()))?;
            Ok(Outcome::Done)
        }
        Act::Peer(PeerAct::Add(args)) => peer::add(args, context).await,
        Act::Peer(PeerAct::Rm { name }) => peer::remove(name, context).await,
        Act::Export(args) => export::run(args, context),
        Act::Import(args) => import::run(args, context),
    }
}

/// A text as a picture for cameras, dark on light whatever the terminal's colours are.
fn picture(text: &str) -> Result<String, CliError> {
    use qrcode::render::unicode::Dense1x2;
    let code = qrcode::QrCode::new(text).map_err(|_| WireguardCliError::Picture)?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Dark)
        .light_color(Dense1x2::Light)
        .build();
    Ok(format!("{drawn}\n"))
}
