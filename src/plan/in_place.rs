//! Changes of requests and limits that no unit is stopped or reloaded for.
//!
//! The unit file is written as for any change, and what differs is given to systemd as properties of the loaded unit, which
//! puts them in force at once. systemd's own record of that, drop-ins that would go before the file, is removed.

use super::units::WantedUnit;
use crate::model::identity::UnitRole;
use crate::model::name::UnitName;
use crate::model::observed::ObservedUnit;
use crate::unit::UnitFile;

/// A resource setting of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its key in unit files.
    pub key: &'static str,
    /// Its property on the bus, of D-Bus type `t`.
    pub property: &'static str,
    /// Its value there; [`u64::MAX`] is no weight or no limit.
    pub value: u64,
}

/// The resource settings of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The unit.
    pub unit: UnitName,
    /// All that vks knows: those that the file does not have are taken back.
    pub properties: Vec<Property>,
}

/// Keys, properties, and what they are when a unit does not say.
const PROPERTIES: [(&str, &str, u64); 6] = [
    ("CPUWeight", "CPUWeight", u64::MAX),
    ("CPUQuota", "CPUQuotaPerSecUSec", u64::MAX),
    ("MemoryMin", "MemoryMin", 0),
    ("MemoryLow", "MemoryLow", 0),
    ("MemoryMax", "MemoryMax", u64::MAX),
    ("MemorySwapMax", "MemorySwapMax", u64::MAX),
];

/// Microseconds of CPU time in each second that are a tenth of a per cent of one core.
const TENTH: u64 = 1_000;

/// Whether a unit that systemd has loaded differs from what is wanted in resources only. The pod's slice has nothing else.
pub(super) fn suffices(is: &ObservedUnit, wanted: &WantedUnit) -> bool {
    wanted.role == UnitRole::Slice || is.fixed_digest == Some(wanted.file.fixed_digest())
}

/// The settings a unit file has, for systemd. `None` when one of them is not as vks writes it.
pub(super) fn change(unit: &UnitName, file: &UnitFile) -> Option<Change> {
    let section = match unit.as_str().ends_with(".slice") {
        true => "Slice",
        false => "Service",
    };
    let property = |(key, property, absent): &(&'static str, &'static str, u64)| {
        let value = match file.value(section, key) {
            None => *absent,
            Some(text) if *key == "CPUQuota" => quota(text)?,
            Some(text) => text.parse().ok()?,
        };
        Some(Property {
            key,
            property,
            value,
        })
    };
    let properties: Option<Vec<Property>> = PROPERTIES.iter().map(property).collect();
    Some(Change {
        unit: unit.clone(),
        properties: properties?,
    })
}

/// `12.5%` in microseconds for each second.
fn quota(text: &str) -> Option<u64> {
    let (whole, tenths) = text.strip_suffix('%')?.split_once('.')?;
    let tenths: u64 = format!("{whole}{tenths}").parse().ok()?;
    tenths.checked_mul(TENTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_properties() {
        let unit: UnitName = "vks.default.a.sleep.service".parse().unwrap();
        let mut file = UnitFile::default();
        for (key, value) in [
            ("CPUWeight", "20"),
            ("CPUQuota", "12.5%"),
            ("MemoryMax", "1024"),
        ] {
            file.push("Service", key, value);
        }
        let values = |unit: &UnitName, file: &UnitFile| -> Vec<u64> {
            let change = change(unit, file).unwrap();
            change.properties.iter().map(|p| p.value).collect()
        };
        assert_eq!(values(&unit, &file), [20, 125_000, 0, 0, 1024, u64::MAX]);
        let slice: UnitName = "vks-default-a.slice".parse().unwrap();
        assert_eq!(
            values(&slice, &file),
            [u64::MAX, u64::MAX, 0, 0, u64::MAX, u64::MAX]
        );
        file.push("Service", "MemoryMax", "10%");
        assert_eq!(change(&unit, &file), None);
    }
}
