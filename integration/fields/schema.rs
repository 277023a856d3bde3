//! The schema of Kubernetes 1.36 as the crate `k8s-openapi` has it, made from the API's own OpenAPI document.

use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, core::v1 as core, discovery::v1 as discovery,
    scheduling::v1 as scheduling,
};
use schemars::SchemaGenerator;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Types by their full names, such as `io.k8s.api.core.v1.PodSpec`.
pub struct Schema(Map<String, Value>);

impl Schema {
    /// Everything that the kinds vks takes, or may come to take, are made of.
    pub fn published() -> Self {
        let mut generator = SchemaGenerator::default();
        generator.subschema_for::<core::Pod>();
        generator.subschema_for::<core::ConfigMap>();
        generator.subschema_for::<core::Secret>();
        generator.subschema_for::<core::Service>();
        generator.subschema_for::<discovery::EndpointSlice>();
        generator.subschema_for::<core::PersistentVolume>();
        generator.subschema_for::<core::PersistentVolumeClaim>();
        generator.subschema_for::<apps::Deployment>();
        generator.subschema_for::<apps::DaemonSet>();
        generator.subschema_for::<apps::StatefulSet>();
        generator.subschema_for::<batch::Job>();
        generator.subschema_for::<batch::CronJob>();
        generator.subschema_for::<scheduling::PriorityClass>();
        Self(generator.definitions().clone())
    }

    /// The full name of the type of a kind.
    pub fn object(&self, kind: &str, version: &str) -> String {
        let group = match version.split_once('/') {
            None => format!("core.{version}"),
            // The names of types have the first word of the group only.
            Some((group, version)) => {
                let group = group.split('.').next().unwrap_or(group);
                format!("{group}.{version}")
            }
        };
        let name = format!("io.k8s.api.{group}.{kind}");
        assert!(self.0.contains_key(&name), "no {name} in the schema");
        name
    }

    /// The fields of a type, each with the type of what lies within, if fields do.
    pub fn fields(&self, definition: &str) -> BTreeMap<String, Option<String>> {
        let fields = self.0[definition]["properties"].as_object().unwrap();
        let within = |value: &Value| {
            self.target(value)
                .filter(|name| self.0[name]["properties"].is_object())
        };
        fields
            .iter()
            .map(|(name, value)| (name.clone(), within(value)))
            .collect()
    }

    /// What a field refers to: directly, as an item, or as one of several forms.
    fn target(&self, value: &Value) -> Option<String> {
        if let Some(reference) = value["$ref"].as_str() {
            return reference.strip_prefix("#/$defs/").map(str::to_owned);
        }
        if value["items"].is_object() {
            return self.target(&value["items"]);
        }
        let forms = ["allOf", "anyOf"]
            .iter()
            .find_map(|key| value[*key].as_array())?;
        forms.iter().find_map(|form| self.target(form))
    }
}
