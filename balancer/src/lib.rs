//! One address in front of many nodes: JSON-RPC over HTTP and WebSocket, the explorer, the stats page.
//!
//! ```text
//! registry, static list → targets ← health (head, lag)
//!                            ↑ choose: sticky, never older than seen
//! client → server → rpc ─────┴──→ node          accepted: acknowledged transactions, kept until mined
//!                 → ws  ────────→ node (until it dies, then another)
//!                 → pages ──────→ explorer, stats
//! ```
//!
//! Promises: a client never reads older than it has read; a transaction that was acknowledged is mined even if the
//! node that took it dies; filters stay with their node, subscriptions outlive it; only what is safe to repeat is
//! repeated.
//! Must not know blocks, state or consensus: of a transaction only its sender, nonce and hash.

mod accepted;
mod clients;
mod config;
mod filter;
mod health;
mod jsonrpc;
mod metrics;
mod node_client;
mod pages;
mod rebroadcast;
mod registry;
mod rpc;
mod sending;
mod server;
mod service;
mod status;
mod targets;
mod ws;
mod ws_move;
mod ws_session;
mod ws_subscription;

pub use config::{BalancerConfig, BalancerError, Limits};
pub use service::{Balancer, run};
