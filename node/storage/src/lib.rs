//! Storage of the chain: the state of every block in a log of trie nodes, the newest blocks as layers in memory, block
//! bodies and receipts in append-only segments that serve as the journal too, tables by which all of it is found.
//!
//! This room must not know the EVM, the rules of validity or fork choice, sockets or JSON. `chain` is the only
//! one to write.

mod addresses;
mod base;
mod error;
pub mod fault;
mod flush;
mod indexes;
mod layer;
mod logs;
mod memory;
mod open;
mod parallel;
mod prune;
mod range;
mod rebuild;
mod restore;
mod runs;
mod segment;
mod statelog;
mod storage;
mod tables;
mod transactions;
mod trie;
mod unwind;
mod verify;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use addresses::{BlockAddresses, TxPlace};
pub use atoll_kv::{Engine as DbEngine, KvError};
pub use error::StorageError;
pub use layer::ExecutedBlock;
pub use logs::{BlockLogs, FoundLog, LogQuery, LogScan, SearchedBlock};
pub use range::{ChangedKeys, Listing};
pub use rebuild::{Lost, Rebuild, Rebuilt, Scope};
pub use storage::{Storage, StorageOptions};
pub use tables::names as table_names;
pub use trie::{AccountProof, StateTrie, StorageProof, hashed_trie_root};
pub use verify::{Fault, Progress, Report, verify};
pub use view::StateView;
pub use write::Reorg;
