//! Images from files: what `docker save` writes, and OCI layouts.

use super::keep::busy;
use super::{FetchError, now};
use crate::config::Settings;
use crate::host::image_files;
use crate::host::oci::{Platform, Store, import as read};
use crate::model::image::record::RefRecord;
use crate::model::image::resolved::{Content, Resolved};
use crate::model::image::{ImageRef, Kind};
use std::path::Path;

/// Imports the images of a file or directory under the names they have there, or all under one that is given. Any pod may
/// use them. Blocks.
///
/// # Errors
/// Why they are not here. An image without any name is one.
pub fn import(
    path: &Path,
    name: Option<&ImageRef>,
    settings: &Settings,
) -> Result<Vec<RefRecord>, FetchError> {
    let _busy = busy(settings, false)?;
    let store = Store::open(&settings.layout.images())?;
    let found = read(path, &store, &Platform::default(), Default::default())?;
    let mut records = Vec::new();
    for one in found {
        let names: Vec<ImageRef> = match name {
            Some(name) => vec![name.clone()],
            None => {
                let names = one.names.iter();
                let named = names.map(|name| ImageRef::of_kind(Kind::Oci, name));
                named.filter_map(Result::ok).collect()
            }
        };
        if names.is_empty() {
            return Err(FetchError::NoName(path.display().to_string()));
        }
        for reference in names {
            let ImageRef::Oci(oci) = &reference else {
                return Err(FetchError::Kind(reference.to_string()));
            };
            let record = RefRecord {
                resolved: Resolved {
                    id: format!("{}@{}", oci.name(), one.image.digest),
                    content: Content::Oci(one.image.clone()),
                    reference: reference.clone(),
                },
                size: one.image.size,
                fetched: now(),
                open: true,
                credentials: Default::default(),
            };
            records.push(image_files::write_ref(&settings.layout, record)?);
        }
    }
    Ok(records)
}
