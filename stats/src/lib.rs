//! The ethstats server and its live page.
//!
//! Nodes (ours, geth, Besu, reth) report over a WebSocket at `/api`; people look at `/`, which follows `/events`.
//! This service knows nodes only by what they report: it must not know JSON-RPC, a chain's rules or a database.
//!
//! ```text
//! node ─ws─→ session ─ wire (parse) ─→ board (pure state) ─ feed, at most 4/s ─→ /events ─→ page
//! ```

mod board;
mod config;
mod feed;
mod page;
mod rate;
mod registry;
mod service;
mod session;
mod view;
mod wire;

pub use config::{StatsConfig, StatsError};
pub use service::{AppState, app, run};
