//! `[X-kubernetes]` to [`Identity`] and back. The only file that knows the keys of that section.

use super::UnitFile;
use super::escape::{from_one_line, one_line};
use crate::model::identity::{Identity, UnitRole};
use crate::model::name::{ContainerName, NameError, ObjectKey};
use crate::model::pod::{ContainerRole, SourcePath};
use std::net::IpAddr;
use std::str::FromStr;

/// The section's name as vks writes it; it is read in any case.
pub const SECTION: &str = "X-kubernetes";
/// The key in the target of a pod that names the units which belong to the pod and are not wanted by the target: those of
/// ephemeral containers.
pub const ONCE_KEY: &str = "Once";
/// The key of a unit that is part of the host's configuration, such as a NixOS system: whoever made that starts, stops
/// and replaces it.
pub const GIVEN_KEY: &str = "Given";
/// The format this code writes and the newest it reads.
pub const FORMAT: u32 = 1;

/// Why a section was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A key that must be there is not.
    #[error("[{SECTION}] has no {0}=")]
    Missing(&'static str),
    /// A name in it is not one.
    #[error("[{SECTION}] {key}=")]
    Name {
        /// The key.
        key: &'static str,
        /// What is wrong with the name.
        source: NameError,
    },
    /// An address that is none.
    #[error("[{SECTION}] Addresses={0} is no list of IP addresses")]
    Address(String),
    /// A role this version does not know.
    #[error("[{SECTION}] Role={0} is not known to this version of vks")]
    Role(String),
    /// Written by a newer vks.
    #[error("[{SECTION}] Format={0} is newer than this version of vks reads ({FORMAT})")]
    Format(String),
}

/// Writes the section at the end of a unit.
pub fn write(unit: &mut UnitFile, identity: &Identity) {
    let mut put = |key: &str, value: &str| unit.push(SECTION, key, one_line(value));
    put("Format", &FORMAT.to_string());
    put("Namespace", identity.pod.namespace.as_str());
    put("Pod", identity.pod.name.as_str());
    put("UID", identity.uid.as_str());
    put("Role", role_name(&identity.role));
    if let UnitRole::Container {
        name,
        image,
        image_id,
        ..
    } = &identity.role
    {
        put("Container", name.as_str());
        put("Image", image);
        if image_id != image {
            put("ImageID", image_id);
        }
    }
    put("Source", &identity.source.0.to_string_lossy());
    put("SpecHash", &identity.spec_hash);
    if !identity.addresses.is_empty() {
        let addresses: Vec<String> = identity.addresses.iter().map(ToString::to_string).collect();
        put("Addresses", &addresses.join(" "));
    }
    if let Some(manifest) = &identity.manifest {
        put("Manifest", manifest);
    }
}

fn role_name(role: &UnitRole) -> &'static str {
    match role {
        UnitRole::Pod => "pod",
        UnitRole::Slice => "slice",
        UnitRole::Sandbox => "sandbox",
        UnitRole::Probes => "probes",
        UnitRole::Mount => "mount",
        UnitRole::Deadline => "deadline",
        UnitRole::Cron => "cron",
        UnitRole::Container {
            role: ContainerRole::Init,
            ..
        } => "init",
        UnitRole::Container {
            role: ContainerRole::Sidecar,
            ..
        } => "sidecar",
        UnitRole::Container {
            role: ContainerRole::Main,
            ..
        } => "main",
        UnitRole::Container {
            role: ContainerRole::Ephemeral,
            ..
        } => "ephemeral",
    }
}

/// Reads the section; `None` when the unit has none.
pub fn read(unit: &UnitFile) -> Result<Option<Identity>, IdentityError> {
    if !unit
        .sections
        .iter()
        .any(|section| section.name.eq_ignore_ascii_case(SECTION))
    {
        return Ok(None);
    }
    let get = |key| unit.value(SECTION, key).map(from_one_line);
    let need = |key| get(key).ok_or(IdentityError::Missing(key));
    let format = need("Format")?;
    if format.parse::<u32>().is_ok_and(|number| number > FORMAT) {
        return Err(IdentityError::Format(format));
    }
    Ok(Some(Identity {
        pod: ObjectKey {
            namespace: name("Namespace", &need)?,
            name: name("Pod", &need)?,
        },
        uid: name("UID", &need)?,
        role: read_role(&get, &need)?,
        source: SourcePath(need("Source")?.into()),
        spec_hash: need("SpecHash")?.into(),
        addresses: addresses(&get("Addresses").unwrap_or_default())?,
        manifest: get("Manifest").map(Into::into),
    }))
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, IdentityError> {
    let wrong = |_| IdentityError::Address(text.to_owned());
    text.split_whitespace()
        .map(|address| address.parse().map_err(wrong))
        .collect()
}

type Need<'a> = &'a dyn Fn(&'static str) -> Result<String, IdentityError>;

fn name<T: FromStr<Err = NameError>>(key: &'static str, need: Need) -> Result<T, IdentityError> {
    need(key)?
        .parse()
        .map_err(|source| IdentityError::Name { key, source })
}

fn read_role(
    get: &dyn Fn(&'static str) -> Option<String>,
    need: Need,
) -> Result<UnitRole, IdentityError> {
    let container = |role| -> Result<UnitRole, IdentityError> {
        let name: ContainerName = name("Container", need)?;
        let image = need("Image")?;
        Ok(UnitRole::Container {
            name,
            role,
            image_id: get("ImageID").unwrap_or_else(|| image.clone()).into(),
            image: image.into(),
        })
    };
    match need("Role")?.as_str() {
        "pod" => Ok(UnitRole::Pod),
        "slice" => Ok(UnitRole::Slice),
        "sandbox" => Ok(UnitRole::Sandbox),
        "probes" => Ok(UnitRole::Probes),
        "mount" => Ok(UnitRole::Mount),
        "deadline" => Ok(UnitRole::Deadline),
        "cron" => Ok(UnitRole::Cron),
        "init" => container(ContainerRole::Init),
        "sidecar" => container(ContainerRole::Sidecar),
        "main" => container(ContainerRole::Main),
        "ephemeral" => container(ContainerRole::Ephemeral),
        other => Err(IdentityError::Role(other.to_owned())),
    }
}
