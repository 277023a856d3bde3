//! The nouns. Plain data: no input or output, no clock, nothing of ours above it.
//!
//! A [`pod::Pod`] is what a source wants; [`desired::Desired`] is the sum of all sources;
//! [`observed::Observed`] is what the host has; [`status::PodStatus`] is what people are told.
//! A unit knows who it belongs to by its [`identity::Identity`].

pub mod api;
pub mod base64;
pub mod capability;
pub mod claim;
pub mod controller;
pub mod desired;
pub mod env_file;
pub mod event;
pub mod identity;
pub mod image;
pub mod layout;
pub mod log_run;
pub mod name;
pub mod naming;
pub mod network;
pub mod node;
pub mod object;
pub mod observed;
pub mod oci;
pub mod payload;
pub mod pod;
pub mod priority;
pub mod probe;
pub mod prober;
pub mod process;
pub mod quantity;
pub mod resize;
pub mod resource_ref;
pub mod restart;
pub mod root;
pub mod sandbox;
pub mod security;
pub mod status;
pub mod time;
pub mod view;
pub mod volume;
pub mod wireguard;
