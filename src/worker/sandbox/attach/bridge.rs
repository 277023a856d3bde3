//! A bridge of the host: made with the first pod that wants it, removed with the last, unless it was there before.

use super::{Attachment, Place, Why, addresses, is_there, open, routes, settle};
use crate::host::link::{self, Batch, End};
use crate::model::network::attach::{Bridge, port_name};
use crate::model::network::pod_mac;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// By this alias a bridge of vks' own is known.
const OURS: &str = "vks";
const USUAL_MTU: u32 = 1500;

pub(super) fn up(place: Place, of: &Attachment, bridge: &Bridge) -> Result<(), Why> {
    let namespace = place.namespace();
    let addresses = addresses(place, of, &bridge.ipam)?;
    if !is_there(&namespace, &of.link)? {
        let index = index(bridge)?;
        let first = addresses.first().map(|address| pod_mac(address.ip));
        let mac = of.mac.map(|mac| mac.0).or(first);
        let there = End {
            name: &of.link,
            mac: mac.unwrap_or_else(|| made_up(place, of)),
        };
        let here = port_name(place.uid, &of.link);
        let file = open(&namespace)?;
        let mut batch = Batch::default();
        let mtu = bridge.mtu.unwrap_or(USUAL_MTU);
        batch.port(&here, index, there, file.as_fd(), mtu);
        batch.run(|_| false).map_err(Why::Host)?;
        let mut batch = Batch::default();
        batch.up(link::index(&here).map_err(Why::Host)?);
        batch.run(|_| false).map_err(Why::Host)?;
    }
    settle(&namespace, &of.link, &addresses, &routes(&bridge.ipam))
}

/// The bridge, made if need be.
fn index(bridge: &Bridge) -> Result<u32, Why> {
    let made = link::index(&bridge.bridge).is_err();
    let mut batch = Batch::default();
    batch.bridge(&bridge.bridge, bridge.mtu);
    let there = |error: &io::Error| error.raw_os_error() == Some(nix::libc::EEXIST);
    batch.run(there).map_err(Why::Host)?;
    let index = link::index(&bridge.bridge).map_err(Why::Host)?;
    let mut batch = Batch::default();
    if made {
        batch.alias(index, OURS);
    }
    batch.up(index);
    batch.run(|_| false).map_err(Why::Host)?;
    Ok(index)
}

/// A hardware address for an interface without an address: the same each time.
fn made_up(place: Place, of: &Attachment) -> [u8; 6] {
    let name = port_name(place.uid, &of.link);
    let mut mac = [0x0a, 0x58, 0, 0, 0, 0];
    for (byte, letter) in mac.iter_mut().skip(2).zip(name.bytes().rev()) {
        *byte = letter;
    }
    mac
}

/// Removes the bridge if vks made it and nobody is on it.
pub(super) fn down(place: Place, of: &Attachment, bridge: &Bridge) -> Result<(), Why> {
    // The kernel takes it away with the namespace, but later.
    let mut batch = Batch::default();
    batch.remove(&port_name(place.uid, &of.link));
    batch.run(link::is_gone).map_err(Why::Host)?;
    let at: PathBuf = Path::new("/sys/class/net").join(&bridge.bridge);
    let alias = fs::read_to_string(at.join("ifalias")).unwrap_or_default();
    let ports = fs::read_dir(at.join("brif")).map_or(0, Iterator::count);
    if alias.trim() != OURS || ports > 0 {
        return Ok(());
    }
    let mut batch = Batch::default();
    batch.remove(&bridge.bridge);
    batch.run(link::is_gone).map_err(Why::Host)
}
