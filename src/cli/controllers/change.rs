//! Changes of manifests that vks keeps itself: what `scale` and `rollout` do.

use super::not_found;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::manifests;
use crate::cli::store;
use crate::host::files::Dir;
use crate::model::controller::ControllerKey;
use crate::source::tree::Format;
use crate::source::{What, split};
use serde_json::Value;

/// The largest manifest that is changed.
const LIMIT: usize = 8 << 20;

/// Changes a manifest and brings the host to it; whether that went well. What comes from a file of somebody else is
/// changed there.
pub async fn change(
    verb: &str,
    key: &ControllerKey,
    edit: impl FnOnce(&mut Value) -> Result<(), CliError>,
    context: &Context,
) -> Result<bool, CliError> {
    let sources = manifests::configured(context);
    let what = What::Controller(key.clone());
    let Some(file) = sources.defined_in(&what) else {
        return Err(not_found(key.kind, &key.object.name, context));
    };
    let name = store::file_name(key.kind.word(), &key.object);
    let own = context.settings.layout.manifests();
    if file != own.join(&name) {
        return Err(CliError::Foreign {
            what: what.to_string(),
            file: file.display().to_string(),
        });
    }
    let dir = Dir::create(&own).map_err(CliError::File)?;
    let bytes = dir.read(&name, LIMIT).map_err(CliError::File)?;
    let mut object: Value = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default();
    edit(&mut object)?;
    // What is kept is always right: it is checked as if it were applied.
    let text = object.to_string();
    let namespace = &key.object.namespace;
    match split(Format::Json, file, text.as_bytes(), namespace) {
        Ok(objects) => {
            for object in objects {
                store::put(context, &name, &object.json)?;
            }
        }
        Err(problems) => {
            manifests::tell_problems(&problems, context);
            return Ok(false);
        }
    }
    store::converge(verb, context).await
}
