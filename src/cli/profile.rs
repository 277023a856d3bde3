//! The profile that a pod is in, from its manifest: a column of `vks get pods -o wide`.
//!
//! It says what was asked for; what has become of it is in the column beside it (`exposures`).

use crate::model::security::{PROFILE_ANNOTATION, Profile};
use serde_json::Value;

/// The profile of the container that is shut in least. `usual` is that of containers which say nothing.
pub fn of(manifest: &Value, usual: Profile) -> Profile {
    let annotation = &manifest["metadata"]["annotations"][PROFILE_ANNOTATION];
    let asked = annotation.as_str().and_then(Profile::named);
    let spec = &manifest["spec"];
    let context = &spec["securityContext"];
    let containers = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| spec[list].as_array())
        .flatten();
    let profile = |container: &Value| {
        let own = &container["securityContext"];
        let names_user = own["runAsUser"].is_number() || context["runAsUser"].is_number();
        match asked {
            _ if own["privileged"] == true => Profile::Trusted,
            Some(profile) => profile,
            None if names_user => usual.min(Profile::Default),
            None => usual,
        }
    };
    containers.map(profile).min().unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_that_is_shut_in_least() {
        let strict = Profile::Strict;
        let pod = |spec: Value| json!({ "metadata": {}, "spec": spec });
        assert_eq!(of(&pod(json!({ "containers": [{}] })), strict), strict);
        let user = json!({ "containers": [{}, { "securityContext": { "runAsUser": 7 } }] });
        assert_eq!(of(&pod(user.clone()), strict), Profile::Default);
        assert_eq!(of(&pod(user.clone()), Profile::Trusted), Profile::Trusted);
        let all = json!({ "securityContext": { "runAsUser": 7 }, "containers": [{}] });
        assert_eq!(of(&pod(all), strict), Profile::Default);
        let init = json!({ "initContainers": [{ "securityContext": { "privileged": true } }], "containers": [{}] });
        assert_eq!(of(&pod(init), strict), Profile::Trusted);
        let mut said = pod(user);
        said["metadata"]["annotations"][PROFILE_ANNOTATION] = json!("strict");
        assert_eq!(of(&said, Profile::Trusted), strict);
    }
}
