//! Node control over HTTP: whole nodes in this process, each with a real chain, network and JSON-RPC on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod external_miner;
mod mining;
mod peers;
mod set_head;
mod support;
