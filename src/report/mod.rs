//! What the API server is told, as the JSON that is sent. Pure: no connection, no clock.
//!
//! [`node`] makes the Node object and its status, [`lease`] the sign of life, [`pod`] the patch of a pod's status,
//! [`event`] events. Whoever sends them is `agent/cluster`.

pub mod event;
pub mod images;
pub mod lease;
pub mod node;
pub mod pod;
