//! Unit names in D-Bus object paths: every byte but letters and digits is `_` and two hex digits.

use crate::model::name::UnitName;
use std::fmt::Write as _;

/// Where systemd's unit objects are.
const UNITS: &str = "/org/freedesktop/systemd1/unit/";

/// The object path of a unit.
pub(in crate::host) fn of_unit(unit: &UnitName) -> String {
    let name = unit.as_str();
    let mut path = String::with_capacity(UNITS.len() + name.len() * 2);
    path.push_str(UNITS);
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

/// The unit of an object path, if it is one of vks' own: its name begins with `vks`.
pub(in crate::host) fn own_unit(path: &str) -> Option<UnitName> {
    let escaped = path.strip_prefix(UNITS)?;
    if !escaped.starts_with("vks") {
        return None;
    }
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, tail)) = rest.split_once('_') {
        name.push_str(plain);
        let byte = u8::from_str_radix(tail.get(..2)?, 16).ok()?;
        name.push(char::from(byte));
        rest = &tail[2..];
    }
    name.push_str(rest);
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_systemds_own() {
        let unit: UnitName = r"vks.kube\x2dsystem.web.nginx:a.service".parse().unwrap();
        let path = of_unit(&unit);
        assert_eq!(
            path,
            "/org/freedesktop/systemd1/unit/vks_2ekube_5cx2dsystem_2eweb_2enginx_3aa_2eservice"
        );
        assert_eq!(own_unit(&path), Some(unit));
    }

    #[test]
    fn other_units_and_nonsense_are_not_ours() {
        for path in [
            "/org/freedesktop/systemd1/unit/ssh_2eservice",
            "/org/freedesktop/systemd1/unit/vks_2",
            "/org/freedesktop/systemd1/unit/vks_zzservice",
            "/org/freedesktop/systemd1/job/1",
            "",
        ] {
            assert_eq!(own_unit(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(part in r"[a-zA-Z0-9:_.\\-]{0,40}") {
            let unit: UnitName = format!("vks{part}.service").parse().unwrap();
            prop_assert_eq!(own_unit(&of_unit(&unit)), Some(unit));
        }
    }
}
