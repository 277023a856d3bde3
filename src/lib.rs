//! vks turns pods into systemd units, network namespaces and tunnels.
//!
//! ```text
//!  TOML/YAML dir --> source -> Desired --+
//!                                        +-> plan (pure) -> Plan -> apply -> host (D-Bus, files, namespaces)
//!                   observe -> Observed -+                                     |
//!                      ^                                                       v
//!                      +-------------------------------------------- systemd runs the units,
//!                                                                    worker is what units call
//! ```

pub mod agent;
pub mod apply;
pub mod chain;
pub mod cli;
pub mod config;
pub mod host;
pub mod kubelet;
pub mod model;
pub mod observe;
pub mod plan;
pub mod report;
pub mod source;
pub mod unit;
pub mod worker;
