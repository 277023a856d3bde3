//! What of an object cannot be changed once it is there: of a Job its pods and how many of them are to end well, as in
//! Kubernetes. A Job that has counted some of its ends by one template would count others by another, and one that is
//! complete would never do what is new.

use super::context::Context;
use super::error::CliError;
use super::store;
use crate::model::controller::ControllerKind;
use crate::source::{Object, What};
use serde_json::Value;

/// Refuses Jobs that are kept already and say something else now.
///
/// # Errors
/// [`CliError::Settled`] for the first such field; those of reading what is kept.
pub fn check(objects: &[Object], context: &Context) -> Result<(), CliError> {
    for object in objects {
        let What::Controller(key) = &object.what else {
            continue;
        };
        if key.kind != ControllerKind::Job {
            continue;
        }
        let file = store::file_name(key.kind.word(), &key.object);
        let Some(kept) = store::kept(context, &file)? else {
            continue;
        };
        if let Some(field) = changed(&kept, object.json.as_bytes()) {
            return Err(CliError::Settled {
                what: object.what.to_string(),
                field,
                name: key.object.name.to_string(),
                namespace: key.object.namespace.to_string(),
            });
        }
    }
    Ok(())
}

/// The field that differs. What cannot be read is no obstacle: it is replaced.
fn changed(kept: &[u8], now: &[u8]) -> Option<&'static str> {
    let read = |json| serde_json::from_slice::<Value>(json).ok();
    let (kept, now) = (read(kept)?, read(now)?);
    let (kept, now) = (&kept["spec"], &now["spec"]);
    let mut fields = vec!["template", "completionMode"];
    // The number of indexes may change.
    if now["completionMode"] != "Indexed" {
        fields.push("completions");
    }
    fields.into_iter().find(|field| kept[field] != now[field])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_and_their_number_stay() {
        let of = |mode: Value, completions: u32, parallelism: u32, image: &str| {
            let template = json!({ "spec": { "containers": [{ "name": "c", "image": image }] } });
            json!({ "spec": { "completionMode": mode, "completions": completions, "parallelism": parallelism, "template": template } })
        };
        let plain = of(Value::Null, 1, 1, "host:true");
        for (now, field) in [
            (plain.clone(), None),
            (of(Value::Null, 1, 2, "host:true"), None),
            (of(Value::Null, 2, 1, "host:true"), Some("completions")),
            (of(Value::Null, 1, 1, "host:false"), Some("template")),
            (
                of(json!("Indexed"), 1, 1, "host:true"),
                Some("completionMode"),
            ),
        ] {
            let (kept, now) = (plain.to_string(), now.to_string());
            assert_eq!(changed(kept.as_bytes(), now.as_bytes()), field, "{now}");
        }
        let indexed = of(json!("Indexed"), 1, 1, "host:true").to_string();
        let more = of(json!("Indexed"), 3, 3, "host:true").to_string();
        assert_eq!(changed(indexed.as_bytes(), more.as_bytes()), None);
        assert_eq!(changed(b"no JSON", more.as_bytes()), None);
    }
}
