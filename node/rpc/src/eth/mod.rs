//! The `eth` namespace: [`api`] lists its methods, the other files answer them, one subject each.

mod api;
mod blocks;
mod calls;
mod capabilities;
mod chain_config;
mod fees;
mod lookup;
mod send;
mod server;
mod simulate;
mod state;
mod syncing;

pub(crate) use api::EthServer;
pub(crate) use calls::call_env;
pub(crate) use capabilities::CapabilitiesJson;
pub(crate) use server::Eth;
pub(crate) use simulate::SimulatePayload;
pub(crate) use syncing::{SyncStatus, SyncingJson};
