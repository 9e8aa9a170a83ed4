//! JSON-RPC over HTTP and WebSocket: parse a request, call one room, render the answer.
//!
//! This room holds no rules of the chain. It may read the chain, the pool, the executor and storage; what only the
//! wiring knows (peers, mining, sync) it asks through [`NodeControl`]. It must not know the network, the miner or
//! libp2p. Work that executes or reads storage runs off the tokio workers, in a bounded number of threads.

mod admin;
mod auth;
mod block_id;
mod brief;
mod config;
mod context;
mod control;
mod debug;
mod dev_accounts;
mod dispatch;
mod error;
mod eth;
mod evm;
mod feed;
mod filters;
mod http;
mod listener;
mod logs;
mod memory;
mod miner;
mod modules;
mod namespace;
mod net;
mod openrpc;
mod ots;
mod params;
mod pubsub;
mod rate;
mod render;
mod request;
mod revert;
mod server;
mod set_head;
mod testing;
mod text;
mod timed;
mod trace;
mod txpool;
mod web3;
mod work;
mod ws;

pub use auth::{Auth, AuthError};
pub use config::{Endpoint, Listener, NotANetwork, RateLimit, RpcConfig, parse_network};
pub use context::RpcContext;
pub use control::{
    ControlError, NodeControl, NodeInfo, PeerChain, PeerConnection, PeerInfo, PeerProtocols, PendingBlock,
    SyncProgress, WorkPackage,
};
pub use error::RpcError;
pub use namespace::{Namespace, UnknownNamespace, is_public};
pub use server::{RpcServerHandle, ServeError, serve};
