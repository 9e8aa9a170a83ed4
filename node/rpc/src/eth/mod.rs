//! The `eth` namespace: [`api`] lists its methods, the other files answer them, one subject each.

mod api;
mod blocks;
mod calls;
mod chain_config;
mod fees;
mod lookup;
mod send;
mod server;
mod state;
mod syncing;

pub(crate) use api::EthServer;
pub(crate) use calls::call_env;
pub(crate) use server::Eth;
pub(crate) use syncing::{SyncStatus, SyncingJson};
