//! The transaction pool: admission, ordering, replacement, limits, the journal of local transactions.
//!
//! This room must not execute transactions, gossip them, or know JSON. It learns about the chain only through
//! [`TxPool::on_head`] and reads the state of that head through storage.

mod admission;
mod best;
mod blobs;
mod config;
mod content;
mod error;
mod gas;
mod head;
mod included;
mod inner;
mod journal;
mod limits;
mod pool;
mod rules;
mod sender;
mod transaction;

pub use best::BestTransactions;
pub use config::PoolConfig;
pub use content::{BySender, Content, Status};
pub use error::PoolError;
pub use journal::{Journal, JournalError};
pub use pool::TxPool;
pub use transaction::{Origin, PoolTx};
