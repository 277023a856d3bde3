//! ConfigMaps and Secrets. No message here ever contains a value.

use super::check::data_key;
use super::field::{Field, Fields};
use crate::model::base64;
use crate::model::desired::DataObject;
use crate::model::pod::SourcePath;
use std::collections::BTreeMap;

/// The largest sum of all values of an object, in bytes.
const MAX_DATA: usize = 1 << 20;

type Data = BTreeMap<String, Vec<u8>>;

/// Decodes the content of a config map: `data` and `binaryData`, no key in both.
pub fn config_map(object: &mut Fields<'_>) -> Option<DataObject> {
    let plain = object.optional("data", |x| values(&x, text));
    let binary = object.optional("binaryData", |x| values(&x, decoded));
    let immutable = object.flag("immutable");
    let mut data = plain?.unwrap_or_default();
    for (key, value) in binary?.unwrap_or_default() {
        if data.insert(key.clone(), value).is_some() {
            object.problem(format!(
                "the key {key:?} is in data and in binaryData: remove one of them"
            ));
            return None;
        }
    }
    finish(object, data, immutable?)
}

/// Decodes the content of a secret: `data`, then `stringData` over it.
pub fn secret(object: &mut Fields<'_>) -> Option<DataObject> {
    let binary = object.optional("data", |x| values(&x, decoded));
    let plain = object.optional("stringData", |x| values(&x, text));
    let immutable = object.flag("immutable");
    let kind = object.optional("type", |x| x.line().map(drop));
    let mut data = binary?.unwrap_or_default();
    data.extend(plain?.unwrap_or_default());
    kind?;
    finish(object, data, immutable?)
}

fn finish(object: &Fields<'_>, data: Data, immutable: bool) -> Option<DataObject> {
    let size: usize = data
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > MAX_DATA {
        object.problem("is larger than 1 MiB: split it, or use a file and a hostPath volume");
        return None;
    }
    Some(DataObject {
        data,
        immutable,
        source: Some(SourcePath(object.report.file().to_owned())),
    })
}

fn values(field: &Field<'_>, value: fn(&Field<'_>) -> Option<Vec<u8>>) -> Option<Data> {
    let mut out = Data::new();
    let mut good = true;
    for (entry, field) in field.entries()? {
        if let Err(message) = data_key(&entry.key) {
            field.report.add(entry.line, &field.path, message);
            good = false;
        }
        match value(&field) {
            Some(bytes) => drop(out.insert(entry.key.clone(), bytes)),
            None => good = false,
        }
    }
    good.then_some(out)
}

fn text(field: &Field<'_>) -> Option<Vec<u8>> {
    field.text().map(|text| text.as_bytes().to_owned())
}

fn decoded(field: &Field<'_>) -> Option<Vec<u8>> {
    let bytes = base64::decode(field.text()?);
    if bytes.is_none() {
        field.problem(
            "is not base64: encode the value (base64 -w0), or use the field for plain text",
        );
    }
    bytes
}
