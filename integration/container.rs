//! vks on a real systemd: a throwaway Debian 13 booted in a container, pods on it, and what they do there.
//!
//! Each file of `container/` is one topic. What a field does is judged by its effect, read by somebody else's
//! reader: /proc, journalctl, systemctl, ip, files that the pods themselves write; never by the text of a unit.

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "tests: a story each; files that nobody else reads meanwhile"
)]

mod lab;

#[path = "container/addresses.rs"]
mod addresses;
#[path = "container/agent.rs"]
mod agent;
#[path = "container/agent_units.rs"]
mod agent_units;
#[path = "container/attachments.rs"]
mod attachments;
#[path = "container/boot.rs"]
mod boot;
#[path = "container/changes.rs"]
mod changes;
#[path = "container/chaos.rs"]
mod chaos;
#[path = "container/claims.rs"]
mod claims;
#[path = "container/coexist.rs"]
mod coexist;
#[path = "container/commands.rs"]
mod commands;
#[path = "container/cronjobs.rs"]
mod cronjobs;
#[path = "container/crun.rs"]
mod crun;
#[path = "container/crun_images.rs"]
mod crun_images;
#[path = "container/crun_programs.rs"]
mod crun_programs;
#[path = "container/declared.rs"]
mod declared;
#[path = "container/deletions.rs"]
mod deletions;
#[path = "container/dns.rs"]
mod dns;
#[path = "container/edits.rs"]
mod edits;
#[path = "container/environment.rs"]
mod environment;
#[path = "container/environment_files.rs"]
mod environment_files;
#[path = "container/ephemeral.rs"]
mod ephemeral;
#[path = "container/escape.rs"]
mod escape;
#[path = "container/events.rs"]
mod events;
#[path = "container/exec.rs"]
mod exec;
#[path = "container/failures.rs"]
mod failures;
#[path = "container/fields.rs"]
mod fields;
#[path = "container/grace.rs"]
mod grace;
#[path = "container/hooks.rs"]
mod hooks;
#[path = "container/host.rs"]
mod host;
#[path = "container/identity.rs"]
mod identity;
#[path = "container/images.rs"]
mod images;
#[path = "container/images_nix.rs"]
mod images_nix;
#[path = "container/images_registry.rs"]
mod images_registry;
#[path = "container/jobs.rs"]
mod jobs;
#[path = "container/jobs_indexes.rs"]
mod jobs_indexes;
#[path = "container/lifecycle_ends.rs"]
mod lifecycle_ends;
#[path = "container/lifecycle_rules.rs"]
mod lifecycle_rules;
#[path = "container/liveness.rs"]
mod liveness;
#[path = "container/logs.rs"]
mod logs;
#[path = "container/manifests.rs"]
mod manifests;
#[path = "container/mesh.rs"]
mod mesh;
#[path = "container/names.rs"]
mod names;
#[path = "container/network.rs"]
mod network;
#[path = "container/nixos.rs"]
mod nixos;
#[path = "container/node_api.rs"]
mod node_api;
#[path = "container/oci.rs"]
mod oci;
#[path = "container/oci_ends.rs"]
mod oci_ends;
#[path = "container/oci_users.rs"]
mod oci_users;
#[path = "container/oci_ways.rs"]
mod oci_ways;
#[path = "container/order.rs"]
mod order;
#[path = "container/package.rs"]
mod package;
#[path = "container/peers.rs"]
mod peers;
#[path = "container/priority.rs"]
mod priority;
#[path = "container/process.rs"]
mod process;
#[path = "container/profiles.rs"]
mod profiles;
#[path = "container/readiness.rs"]
mod readiness;
#[path = "container/readonly.rs"]
mod readonly;
#[path = "container/registry.rs"]
mod registry;
#[path = "container/resolvers.rs"]
mod resolvers;
#[path = "container/resources.rs"]
mod resources;
#[path = "container/restarts.rs"]
mod restarts;
#[path = "container/rollouts.rs"]
mod rollouts;
#[path = "container/secrecy.rs"]
mod secrecy;
#[path = "container/security.rs"]
mod security;
#[path = "container/servers.rs"]
mod servers;
#[path = "container/services.rs"]
mod services;
#[path = "container/services_local.rs"]
mod services_local;
#[path = "container/shares.rs"]
mod shares;
#[path = "container/space.rs"]
mod space;
#[path = "container/statefulsets.rs"]
mod statefulsets;
#[path = "container/status.rs"]
mod status;
#[path = "container/subpath.rs"]
mod subpath;
#[path = "container/traffic.rs"]
mod traffic;
#[path = "container/tunnels.rs"]
mod tunnels;
#[path = "container/tunnels_shared.rs"]
mod tunnels_shared;
#[path = "container/versions.rs"]
mod versions;
#[path = "container/volumes.rs"]
mod volumes;
#[path = "container/volumes_files.rs"]
mod volumes_files;
#[path = "container/volumes_mounts.rs"]
mod volumes_mounts;
