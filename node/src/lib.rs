//! The node: configuration, wiring, synchronisation, metrics, reporters, shutdown.
//!
//! Every rule lives in a room of its own (`node/*`); here they are only put together.

mod config;
mod control;
mod core;
mod error;
pub mod ethstats;
mod key;
pub mod keystore;
mod metrics;
mod registration;
mod report;
mod run;
mod sync;

pub use crate::{
    config::{MinerOptions, NodeConfig, PeerOptions, RpcOptions},
    core::{open_chain, rebuild_chain},
    error::NodeError,
    run::run,
};
pub use atoll_chain as chain;
pub use atoll_rpc as rpc;
pub use atoll_storage::{self as storage, DbEngine, StorageOptions};

/// Client name and version, as peers, registry and `web3_clientVersion` show it.
pub const CLIENT: &str = concat!("atoll/v", env!("CARGO_PKG_VERSION"));
