//! The service of a container that has a root directory of its own.

use super::super::env::Environment;
use super::super::resources;
use super::container::{Program, exec_start};
use super::rooted::{self, Base};
use super::{Room, WantedUnit, spec_hash};
use crate::model::identity::UnitRole;
use crate::model::image::resolved::Resolved;
use crate::model::name::UnitName;
use crate::model::pod::{Container, ContainerRole};
use crate::model::status::Blocked;

impl Room<'_> {
    /// The service of a container that has a root directory of its own.
    pub(super) fn with_root(
        &self,
        role: ContainerRole,
        (name, spec): (&UnitName, &Container),
        (image, base): (&Resolved, &Base),
        env: &Environment,
    ) -> Result<(UnitName, WantedUnit), Blocked> {
        let spec = &*base.filled(spec);
        let policy = self.pod.spec.restart_policy_of(role, spec);
        let (confinement, person) = rooted::confine(self.pod, spec, base, self.settings)?;
        let mut file = self.file(&format!("Container {}", spec.name));
        self.order(&mut file, role, spec, policy);
        self.kind(&mut file, role);
        let before = self.launch(spec, &confinement, Some(name));
        let start = exec_start(spec, Program::OfImage(base.words(spec)), env, before)?;
        file.push("Service", "ExecStart", start);
        self.hide_sub_paths(&mut file, spec);
        self.hooks(&mut file, role, spec);
        let restarts = self.restarts_of(role, spec);
        self.restarts(&mut file, role, &restarts);
        self.end(&mut file, role, spec);
        self.variables(&mut file, spec, &rooted::in_unit(env));
        self.join_network(&mut file);
        let hash = self.container_hash(role, spec, policy, &confinement);
        self.root_of(&mut file, (spec, base), env, (&confinement, person))?;
        self.device_keys(&mut file, spec);
        for (key, value) in resources::of_container(&self.pod.spec, role, spec, self.settings) {
            file.push("Service", key, value);
        }
        self.journal(&mut file, spec);
        self.record_keys(&mut file, role, spec, &restarts);
        let identity = UnitRole::Container {
            name: spec.name.clone(),
            role,
            image: spec.image.to_string().into(),
            image_id: image.id.as_str().into(),
        };
        let hash = spec_hash(&(hash, &image.id, &image.content));
        Ok(self.finish(name.clone(), identity, hash, file))
    }
}
