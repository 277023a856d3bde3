//! A pod as the API server has it, but with the resources of another manifest of it.

use serde_json::Value;

/// `object` with the resources that its containers have in `manifest`. A container that is not there keeps its own.
pub fn with_resources_of(object: &Value, manifest: &Value) -> Value {
    let mut made = object.clone();
    let (spec, before) = (&mut made["spec"], &manifest["spec"]);
    replace(spec, before);
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mut old = before[list].as_array().into_iter().flatten();
            if let Some(old) = old.find(|old| old["name"] == container["name"]) {
                replace(container, old);
            }
        }
    }
    made
}

fn replace(of: &mut Value, by: &Value) {
    let Some(fields) = of.as_object_mut() else {
        return;
    };
    match by.get("resources") {
        Some(resources) => drop(fields.insert("resources".to_owned(), resources.clone())),
        None => drop(fields.remove("resources")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_resources_are_those_of_before() {
        let before = json!({ "spec": { "containers": [
            { "name": "a", "image": "old", "resources": { "limits": { "cpu": "1" } } },
            { "name": "b" },
        ] } });
        let now = json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "resources": { "limits": { "cpu": "9" } }, "containers": [
            { "name": "a", "image": "new", "resources": { "limits": { "cpu": "2" } } },
            { "name": "b", "resources": { "requests": { "memory": "1Gi" } } },
        ] } });
        let wanted = json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "containers": [
            { "name": "a", "image": "new", "resources": { "limits": { "cpu": "1" } } },
            { "name": "b" },
        ] } });
        assert_eq!(with_resources_of(&now, &before), wanted);
    }
}
