//! What is mounted for a volume: NFS exports, and anything mount(8) knows, by the CSI driver name `mount.vks.io`.
//!
//! `csi` is the API's own place for what it has no field for, so a manifest that uses it is one that any
//! cluster reads. The source is `volumeHandle` of a PersistentVolume, or `volumeAttributes.what` in a pod.

use super::check::absolute_path;
use super::field::{Field, Fields};
use super::known;
use crate::model::volume::MountSpec;

/// The driver that vks itself is.
pub const DRIVER: &str = "mount.vks.io";

/// `nfs`, of a pod's volume or a persistent one.
pub fn nfs(field: &Field<'_>) -> Option<MountSpec> {
    let mut f = field.fields(known::NONE)?;
    let server = f.require("server").and_then(|x| word(&x));
    let path = f.require("path").and_then(|x| absolute_path(&x));
    let read_only = f.flag("readOnly");
    f.finish();
    let (server, path) = (server?, path?);
    // An IPv6 address has colons of its own.
    let server = match server.contains(':') && !server.starts_with('[') {
        true => format!("[{server}]"),
        false => server,
    };
    Some(MountSpec {
        what: format!("{server}:{path}"),
        kind: "nfs".to_owned(),
        options: read_only?.then(|| "ro".to_owned()).into_iter().collect(),
    })
}

/// `csi` of a pod's volume.
pub fn inline(field: &Field<'_>) -> Option<MountSpec> {
    let mut f = field.fields(known::CSI)?;
    let driver = f.require("driver").and_then(|x| driver(&x));
    let kind = f.require("fsType").and_then(|x| word(&x));
    let read_only = f.flag("readOnly");
    let attributes = f
        .require("volumeAttributes")
        .and_then(|x| attributes(&x, true));
    f.finish();
    driver?;
    let (what, options) = attributes?;
    Some(spec(what?, kind?, options, read_only?))
}

/// `csi` of a persistent volume.
pub fn persistent(field: &Field<'_>) -> Option<MountSpec> {
    let mut f = field.fields(known::CSI_PERSISTENT)?;
    let driver = f.require("driver").and_then(|x| driver(&x));
    let what = f.require("volumeHandle").and_then(|x| source(&x));
    let kind = f.require("fsType").and_then(|x| word(&x));
    let read_only = f.flag("readOnly");
    let attributes = f.optional("volumeAttributes", |x| attributes(&x, false));
    f.finish();
    driver?;
    let options = attributes?.map(|(_, options)| options).unwrap_or_default();
    Some(spec(what?, kind?, options, read_only?))
}

fn spec(what: String, kind: String, mut options: Vec<String>, read_only: bool) -> MountSpec {
    if read_only && !options.iter().any(|option| option == "ro") {
        options.push("ro".to_owned());
    }
    MountSpec {
        what,
        kind,
        options,
    }
}

fn driver(field: &Field<'_>) -> Option<()> {
    let name = field.text()?;
    if name != DRIVER {
        field.problem(format!(
            "vks runs no CSI drivers: use {DRIVER}, which mounts what mount(8) can mount"
        ));
        return None;
    }
    Some(())
}

/// `what` (only of a pod's volume, which has no `volumeHandle`) and `options`.
fn attributes(field: &Field<'_>, inline: bool) -> Option<(Option<String>, Vec<String>)> {
    let mut what = None;
    let mut options = Vec::new();
    let mut good = true;
    for (entry, attribute) in field.entries()? {
        match entry.key.as_str() {
            "what" if inline => {
                what = source(&attribute);
                good &= what.is_some();
            }
            "options" => match word(&attribute) {
                Some(text) => options = text.split(',').map(str::to_owned).collect(),
                None => good = false,
            },
            _ => {
                attribute.problem("is no attribute of mount.vks.io: remove it");
                good = false;
            }
        }
    }
    if inline && what.is_none() && good {
        field.problem("says not what to mount: add `what`");
        good = false;
    }
    good.then_some((what, options))
}

/// `mountOptions` of a persistent volume.
pub fn options(volume: &mut Fields<'_>) -> Option<Vec<String>> {
    volume.list("mountOptions", |x| {
        let option = word(&x)?;
        if option.contains(',') {
            x.problem("contains a comma: write each option by itself");
            return None;
        }
        Some(option)
    })
}

/// Text without white space, control characters, quotes and backslashes, none of which a mount needs.
fn word(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    if text.is_empty()
        || text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\'))
    {
        field.problem("must be one word without quotes and backslashes: correct it");
        return None;
    }
    Some(text.to_owned())
}

/// A source may have blanks in it.
fn source(field: &Field<'_>) -> Option<String> {
    let text = field.line()?;
    if text.trim() != text || text.is_empty() || text.contains(['"', '\'', '\\']) {
        field.problem(
            "must not be empty, nor have quotes, backslashes or blanks at an end: correct it",
        );
        return None;
    }
    Some(text.to_owned())
}
