//! Hands and eyes: one file per kernel or D-Bus interface. Small typed calls, no choices.

pub mod files;
pub mod lock;
pub mod payload;
pub mod signals;
pub mod systemd;
pub mod units;
