//! Hands and eyes: one file per kernel or D-Bus interface. Small typed calls, no choices.

pub mod systemd;
