//! The node's HTTPS API: what the API server and kubectl ask of a node (port 10250).

pub mod spdy;
