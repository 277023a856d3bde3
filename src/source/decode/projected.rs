//! Projected volumes: several sources in one directory.

use super::field::Field;
use super::items::{keys, mode};
use super::{facts, known};
use crate::model::volume::{Projection, VolumeSource};

/// A `projected` volume.
pub fn volume(field: &Field<'_>) -> Option<VolumeSource> {
    let mut f = field.fields(known::NONE)?;
    let sources = f.list("sources", |x| source(&x));
    let mode = mode(&mut f, "defaultMode");
    f.finish();
    Some(VolumeSource::Projected {
        sources: sources?,
        mode: mode?,
    })
}

fn source(field: &Field<'_>) -> Option<Projection> {
    let mut f = field.fields(known::PROJECTION)?;
    let given = [
        f.optional("configMap", |x| keys_of(&x, false)),
        f.optional("secret", |x| keys_of(&x, true)),
        f.optional("downwardAPI", |x| {
            let mut f = x.fields(known::NONE)?;
            let files = facts::files(&mut f);
            f.finish();
            files.map(Projection::Downward)
        }),
    ];
    let before = f.report.count();
    f.finish();
    let refused = field.report.count() > before;
    let mut sources = Vec::new();
    for source in given {
        sources.extend(source?);
    }
    match sources.len() {
        1 if !refused => sources.pop(),
        0 | 1 if refused => None,
        _ => {
            field.problem("write exactly one of configMap, secret and downwardAPI");
            None
        }
    }
}

fn keys_of(field: &Field<'_>, secret: bool) -> Option<Projection> {
    let mut f = field.fields(known::NONE)?;
    let name = f.require("name").and_then(|x| x.parse());
    let optional = f.flag("optional");
    let keys = keys(&mut f);
    f.finish();
    Some(Projection::Keys {
        secret,
        name: name?,
        optional: optional?,
        keys: keys?,
    })
}
