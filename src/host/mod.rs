//! Hands and eyes: one file per kernel or D-Bus interface. Small typed calls, no choices.

pub mod cgroup;
pub mod claims;
pub mod clock;
pub mod conditions;
pub mod drop_ins;
pub mod files;
pub mod input;
pub mod journald;
pub mod last_run;
pub mod limits;
pub mod link;
pub mod lock;
pub mod mounts;
pub mod namespace;
pub mod nft;
pub mod payload;
pub mod pinned;
pub mod process;
pub mod records;
pub mod signals;
pub mod systemd;
pub mod unit_changes;
pub mod unit_dir;
pub mod units;
pub mod volume_path;
