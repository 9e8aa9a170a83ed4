//! JSON-RPC over HTTP and WebSocket: parse a request, call one room, render the answer.
//!
//! This room holds no rules of the chain. It may read the chain, the pool, the executor and storage; what only the
//! wiring knows (peers, mining, sync) it asks through [`NodeControl`]. It must not know the network, the miner or
//! libp2p. Work that executes or reads storage runs off the tokio workers, in a bounded number of threads.

mod admin;
mod batch;
mod block_id;
mod config;
mod context;
mod control;
mod debug;
mod dev_accounts;
mod error;
mod eth;
mod evm;
mod feed;
mod filters;
mod http;
mod logs;
mod miner;
mod modules;
mod net;
mod params;
mod pubsub;
mod render;
mod revert;
mod server;
mod set_head;
mod txpool;
mod web3;
mod work;

pub use config::{Namespace, RpcConfig, UnknownNamespace};
pub use context::RpcContext;
pub use control::{
    ControlError, NodeControl, NodeInfo, PeerChain, PeerConnection, PeerInfo, PeerProtocols, PendingBlock,
    SyncProgress, WorkPackage,
};
pub use error::RpcError;
pub use server::{RpcServerHandle, ServeError, serve};
