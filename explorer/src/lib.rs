//! The explorer: an index of the chain and web pages over it, in one process.
//!
//! It knows the chain only through public JSON-RPC and finds nodes through the registry or by fixed URLs. It must not
//! know a node's insides: any Ethereum node that speaks the execution-apis will do.
//!
//! ```text
//! registry ─ urls ─→ nodes ─ best head ─→ indexer ─ batches ─→ index ─→ web ─→ browser
//!                      └──── rpc (balances, pending transactions) ──────↑
//! ```

mod config;
mod error;
mod index;
mod indexer;
mod live;
mod model;
mod nodes;
mod registry;
mod rpc;
mod service;
mod web;

pub use config::ExplorerConfig;
pub use error::{ExplorerError, IndexError};
pub use index::{Index, Network, Place, Placed, State};
pub use indexer::Indexer;
pub use live::{Live, Status};
pub use model::{AccessListItem, Block, Head, Log, Receipt, Transaction, Withdrawal};
pub use nodes::{Current, Nodes};
pub use rpc::{AccountState, Answers, Call, NodeFacts, Probe, RpcClient, RpcError};
pub use service::{run, serve};
pub use web::{AppState, app};
