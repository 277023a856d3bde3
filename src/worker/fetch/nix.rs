//! The Nix store.

use super::{FetchError, Found};
use crate::config::Settings;
use crate::host::nix_store as store;
use crate::model::image::ImageRef;
use crate::model::image::fetch::Request;
use crate::model::image::nix::{NixRef, store_path};
use crate::model::image::record::{canonical, digest_name};
use crate::model::image::resolved::{Content, NixImage, Resolved};
use std::path::{Path, PathBuf};

/// Has a store path here and keeps it, and says what runs of it.
pub(super) fn fetch(
    nix: &NixRef,
    request: &Request,
    settings: &Settings,
) -> Result<Found, FetchError> {
    let link = digest_name(&canonical(&request.reference));
    let roots = roots(settings);
    let (path, program, there) = match nix.installable() {
        Some(installable) => {
            let path = store::build(&installable, &roots, &link)?;
            let named = store::main_program(&installable);
            let program = program(&path, named, &request.reference);
            (path, program, false)
        }
        None => {
            let written = nix.to_string();
            let (path, below) = store_path(&written).unwrap_or((&written, ""));
            let there = Path::new(path).exists();
            store::realise(path, &roots, &link)?;
            if !below.is_empty() && !Path::new(&written).exists() {
                return Err(FetchError::NoProgram(written));
            }
            let program = match below {
                "" => program(path, None, &request.reference),
                _ => Some(written.clone()),
            };
            (path.to_owned(), program, there)
        }
    };
    let closure = match settings.images.nix_alone {
        true => store::closure(&path)?,
        false => Vec::new(),
    };
    let size = store::size(&path);
    Ok(Found {
        resolved: Resolved {
            reference: request.reference.clone(),
            id: format!("nix:{path}"),
            content: Content::Nix(NixImage {
                path,
                program,
                closure,
            }),
        },
        size,
        fetched: !there,
        open: true,
    })
}

/// Where the links are that keep store paths.
pub fn roots(settings: &Settings) -> PathBuf {
    settings.layout.images().join("nix")
}

/// The program of a store path: the one it names, the one it is called after, or its only one.
fn program(path: &str, named: Option<String>, reference: &ImageRef) -> Option<String> {
    let programs = store::programs(path);
    let name = path
        .rsplit('/')
        .next()
        .and_then(|last| last.get(33..))
        .unwrap_or_default();
    // `hello-2.12`: the version begins with the first part that begins with a digit.
    let plain = name.split_once('-').map_or(name, |_| {
        let version = name
            .match_indices('-')
            .find(|(at, _)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        version.map_or(name, |(at, _)| &name[..at])
    });
    let wanted = named
        .into_iter()
        .chain([plain.to_owned(), reference.short_name().to_owned()]);
    let mut wanted = wanted.filter(|name| programs.contains(name));
    let only = || (programs.len() == 1).then(|| programs[0].clone());
    let program = wanted.next().or_else(only)?;
    Some(format!("{path}/bin/{program}"))
}
