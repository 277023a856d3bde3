//! Addresses of a network, given to pods of this host: a file for each, named by the address, with the pod's identity in it.
//!
//! A pod keeps what it has for as long as its directory is there, over restarts and reboots. Nothing need be given back:
//! a file whose pod is no more is free.

use super::{Attachment, Place, Why};
use crate::host::files::{Dir, FileError};
use crate::model::network::Prefix;
use std::net::IpAddr;

/// Of a large subnet only so many addresses are used.
const MOST: u128 = 1 << 16;

/// The address of a pod on a network: the one it has, else the first that is free.
pub(super) fn take(
    place: Place,
    of: &Attachment,
    subnet: Prefix,
    gateway: Option<IpAddr>,
) -> Result<IpAddr, Why> {
    let dir = directory(place, of).map_err(Why::Lease)?;
    let owner = format!("{}/{}", place.uid, of.link);
    let mut taken = std::collections::BTreeSet::new();
    for (name, _) in dir.entries().map_err(Why::Lease)? {
        let Ok(ip) = name.parse::<IpAddr>() else {
            continue;
        };
        let Some(bytes) = dir.read(&name, 256).map_err(Why::Lease)? else {
            continue;
        };
        let of = String::from_utf8_lossy(&bytes).into_owned();
        if of == owner && subnet.contains(ip) {
            return Ok(ip);
        }
        let uid = of.split('/').next().unwrap_or_default();
        match place.layout.state.join("pods").join(uid).is_dir() && !uid.is_empty() {
            true => drop(taken.insert(ip)),
            false => drop(dir.remove(&name).map_err(Why::Lease)?),
        }
    }
    let end = subnet.size().min(MOST).saturating_sub(1);
    for number in 1..end {
        let ip = subnet.nth(number);
        if gateway == Some(ip) || taken.contains(&ip) {
            continue;
        }
        // Two sandboxes at the same time: who makes the file has the address.
        let name = ip.to_string();
        if dir.create_file(&name, 0o600).map_err(Why::Lease)? {
            dir.write(&name, owner.as_bytes(), 0o600)
                .map_err(Why::Lease)?;
            return Ok(ip);
        }
    }
    Err(Why::Exhausted(subnet))
}

fn directory(place: Place, of: &Attachment) -> Result<Dir, FileError> {
    Dir::create(&place.layout.leases(&of.of))
}
