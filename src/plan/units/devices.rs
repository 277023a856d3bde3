//! Devices of the host: `DeviceAllow=`, the node itself where `/dev` is not the host's, and for those that come and go
//! `BindsTo=` their device unit, so that the container ends with the device and starts with it.

use super::Room;
use crate::model::pod::Container;
use crate::model::process::Device;
use crate::unit::UnitFile;
use crate::unit::escape::{bind_path, specifiers};
use std::fmt::Write as _;

/// The beginnings of names below `/dev` for which systemd's own udev rules make device units: terminals, disks, TPMs. A
/// number or letter follows. What other devices have depends on the rules of the host, and waiting for a unit that
/// never comes would keep the container from starting.
const ANNOUNCED: [&str; 13] = [
    "ttyS", "ttyUSB", "ttyACM", "ttyAMA", "hvc", "sd", "vd", "xvd", "nvme", "mmcblk", "sr", "dm-",
    "tpm",
];

impl Room<'_> {
    /// The devices a container may use.
    pub(super) fn own_devices(&self, spec: &Container) -> Vec<&Device> {
        let all = self.pod.spec.devices.iter();
        all.filter(|device| {
            device.container.is_none() || device.container.as_ref() == Some(&spec.name)
        })
        .collect()
    }

    /// What lets a container use its devices.
    pub(super) fn devices(&self, file: &mut UnitFile, spec: &Container) {
        for device in self.own_devices(spec) {
            let path = &device.path;
            file.push("Service", "BindPaths", format!("-{}", bind_path(path)));
        }
        self.device_keys(file, spec);
    }

    /// The same without what shows them.
    pub(super) fn device_keys(&self, file: &mut UnitFile, spec: &Container) {
        for device in self.own_devices(spec) {
            let path = &device.path;
            let allow = format!("{} {}", specifiers(path), device.access);
            file.push("Service", "DeviceAllow", allow);
            if is_announced(path) {
                let unit = device_unit(path);
                file.push("Unit", "BindsTo", &*unit);
                file.push("Unit", "After", &*unit);
            }
        }
    }
}

fn is_announced(path: &str) -> bool {
    let name = path.strip_prefix("/dev/").unwrap_or(path);
    let followed = |start: &str| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    name.starts_with("disk/")
        || (!name.contains('/') && ANNOUNCED.iter().any(|start| followed(start)))
}

/// The unit of a device (systemd-escape --path --suffix=device).
fn device_unit(path: &str) -> String {
    let mut name = String::new();
    for (index, byte) in path.trim_start_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            b'.' | b':' | b'_' => name.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(name, "\\x{byte:02x}")),
        }
    }
    name.push_str(".device");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_units_are_named_as_systemd_does() {
        for (path, unit) in [
            ("/dev/ttyUSB0", "dev-ttyUSB0.device"),
            (
                "/dev/disk/by-id/ata-X_1",
                "dev-disk-by\\x2did-ata\\x2dX_1.device",
            ),
            ("/dev/dm-0", "dev-dm\\x2d0.device"),
        ] {
            assert_eq!(device_unit(path), unit);
        }
    }

    #[test]
    fn only_devices_that_systemd_announces_are_waited_for() {
        for (path, wanted) in [
            ("/dev/ttyS0", true),
            ("/dev/nvme0n1", true),
            ("/dev/disk/by-label/x", true),
            ("/dev/fuse", false),
            ("/dev/tty", false),
            ("/dev/sd", false),
            ("/dev/snd/seq", false),
            ("/dev/kvm", false),
        ] {
            assert_eq!(is_announced(path), wanted, "{path}");
        }
    }
}
