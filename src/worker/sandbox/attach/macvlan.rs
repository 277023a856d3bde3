//! The wire of an interface of the host.

use super::{Attachment, Place, Why, addresses, is_there, open, routes, settle};
use crate::host::link::{self, Batch};
use crate::host::link_kinds::OnWire;
use crate::model::network::attach::Macvlan;
use std::os::fd::AsFd as _;

pub(super) fn up(place: Place, of: &Attachment, macvlan: &Macvlan) -> Result<(), Why> {
    let namespace = place.namespace();
    let addresses = addresses(place, of, &macvlan.ipam)?;
    if !is_there(&namespace, &of.link)? {
        let file = open(&namespace)?;
        let wire = OnWire {
            master: link::index(&macvlan.master).map_err(Why::Host)?,
            mode: macvlan.mode,
            mtu: macvlan.mtu,
            mac: of.mac.map(|mac| mac.0),
        };
        let mut batch = Batch::default();
        batch.macvlan(&of.link, wire, file.as_fd());
        batch.run(|_| false).map_err(Why::Host)?;
    }
    settle(&namespace, &of.link, &addresses, &routes(&macvlan.ipam))
}
