//! Variables from files in volumes (`fileKeyRef`): another container writes them, so they are known when this one starts.
//!
//! `vks variables` takes them from the files before each start and writes an environment file. systemd reads that anew for
//! each command, and it comes after the others, so that it goes before them.

use super::Room;
use crate::model::env_file::{FILE_KEYS_KEY, FileKey};
use crate::model::pod::{Container, EnvValue};
use crate::model::root::masked;
use crate::unit::UnitFile;
use crate::unit::escape::{one_line, specifiers};
use crate::unit::identity::SECTION;

impl Room<'_> {
    /// The keys for that, if the container has such variables.
    pub(super) fn file_keys(&self, file: &mut UnitFile, spec: &Container) {
        let rooted = self.base(spec).is_some();
        let keys = spec.env.iter().filter_map(|variable| {
            let EnvValue::FileKey {
                volume,
                path,
                key,
                optional,
            } = &variable.value
            else {
                return None;
            };
            Some(FileKey {
                name: match rooted {
                    true => masked(&variable.name),
                    false => variable.name.clone(),
                },
                volume: self.places.get(volume)?.path.clone(),
                path: path.clone(),
                key: key.clone(),
                optional: *optional,
            })
        });
        let keys: Vec<FileKey> = keys.collect();
        if keys.is_empty() {
            return;
        }
        let path = self
            .settings
            .layout
            .taken_variables(self.uid, &spec.name)
            .display()
            .to_string();
        // It is not there yet when the command that writes it begins.
        file.push(
            "Service",
            "EnvironmentFile",
            format!("-{}", specifiers(&path)),
        );
        let line = self.own_command(&["variables", "%n"]).replace("%%n", "%n");
        file.push("Service", "ExecStartPre", line);
        // Plain data: cannot fail.
        let json = serde_json::to_string(&keys).unwrap_or_default();
        file.push(SECTION, FILE_KEYS_KEY, one_line(&json));
    }
}

/// Names of the variables of a container that are taken from files.
pub(super) fn names(spec: &Container) -> impl Iterator<Item = &String> {
    let of_files = |value: &EnvValue| matches!(value, EnvValue::FileKey { .. });
    let variables = spec.env.iter();
    variables
        .filter(move |variable| of_files(&variable.value))
        .map(|variable| &variable.name)
}
