//! Who is on the network: signed node records, the registry service that leases them, and its client.
//!
//! Every participant (nodes, explorer, stats, balancer) signs a record of how to reach it and registers it.
//! This crate must not know chain rules: a head is three numbers it passes on, never judges.

pub mod api;
pub mod client;
mod codec;
pub mod record;
pub mod server;
mod signer;

pub use api::{ApiError, ErrorCode};
pub use client::{ClientError, NodeWatch, Registration, RegistryClient};
pub use record::{Entry, Head, Heartbeat, Leave, MAX_RECORD_BYTES, NodeInfo, NodeRecord, RecordError, roles};
pub use server::{RegistryConfig, ServerError};
pub use signer::{RecordSigner, node_id};

#[cfg(test)]
mod record_tests;
