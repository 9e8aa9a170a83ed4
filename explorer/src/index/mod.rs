//! The explorer's own index: blocks, transactions and who took part in them, in a key-value store.
//!
//! It must not know JSON-RPC, nodes or pages. Every change is one atomic batch that leaves the rows of exactly one chain
//! from its first to its head, so a crash at any moment leaves nothing to repair.

mod keys;
mod read;
mod write;

pub use keys::Place;

use crate::{
    error::IndexError,
    model::{Head, Transaction},
};
use alloy_primitives::{Address, B256};
use atoll_kv::{Batch, Engine, Kv, Table};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;

/// One row: what the index holds and of which chain.
const META: Table = Table("meta");
/// number → block without its transactions.
const BLOCKS: Table = Table("blocks");
/// block hash → number.
const BLOCK_NUMBERS: Table = Table("block_numbers");
/// number ‖ index → transaction with its receipt.
const TRANSACTIONS: Table = Table("transactions");
/// transaction hash → number ‖ index.
const TRANSACTION_PLACES: Table = Table("transaction_places");
/// address → how many transactions it took part in.
const ADDRESSES: Table = Table("addresses");
/// address ‖ number ‖ index → nothing: the transactions of an address.
const ADDRESS_TRANSACTIONS: Table = Table("address_transactions");
/// address → number ‖ index of the transaction that created this contract.
const CONTRACTS: Table = Table("contracts");

const TABLES: [Table; 8] =
    [META, BLOCKS, BLOCK_NUMBERS, TRANSACTIONS, TRANSACTION_PLACES, ADDRESSES, ADDRESS_TRANSACTIONS, CONTRACTS];

/// Grows when rows change their meaning.
const FORMAT: u32 = 1;
const META_KEY: &[u8] = b"state";

/// An open index. Clones share it. Its methods read and write files: async code calls them from blocking threads.
#[derive(Clone)]
pub struct Index {
    kv: Kv,
}

/// What the index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    format: u32,
    /// Hash of block 0 of the indexed chain.
    pub genesis: B256,
    /// The newest indexed block.
    pub head: Head,
    /// EIP-155 chain ID and network ID, as the first node told.
    pub network: Option<Network>,
    /// Transactions.
    pub transactions: u64,
    /// Addresses that took part in a transaction.
    pub addresses: u64,
    /// Contracts created by a transaction of their own.
    pub contracts: u64,
}

/// The numbers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// EIP-155 chain ID.
    pub chain_id: u64,
    /// Network ID.
    pub network_id: u64,
}

/// A transaction with its place in the chain.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// When its block was made, in seconds since 1970.
    pub timestamp: u64,
    /// The transaction.
    #[serde(flatten)]
    pub transaction: Transaction,
}

impl Index {
    /// Opens the index in `dir`, or makes an empty one.
    ///
    /// # Errors
    /// [`IndexError`] when it cannot be opened or is of another format.
    pub fn open(dir: &Path, engine: Engine, cache_bytes: usize) -> Result<Self, IndexError> {
        let index = Self { kv: Kv::open(dir, engine, &TABLES, cache_bytes)? };
        match index.state()? {
            Some(state) if state.format != FORMAT => Err(IndexError::Format { found: state.format, expected: FORMAT }),
            _ => Ok(index),
        }
    }

    /// What the index holds; `None` while it is empty.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be read.
    pub fn state(&self) -> Result<Option<State>, IndexError> {
        self.row(META, META_KEY)
    }

    /// Remembers the numbers of the network; nothing while the index is empty.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be written.
    pub fn set_network(&self, network: Network) -> Result<(), IndexError> {
        let Some(mut state) = self.state()? else { return Ok(()) };
        state.network = Some(network);
        let mut batch = Batch::new();
        put(&mut batch, META, META_KEY, &state)?;
        Ok(self.kv.write(batch)?)
    }

    fn row<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, IndexError> {
        self.kv.get(table, key)?.map(|bytes| parse(table, &bytes)).transpose()
    }
}

fn parse<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, IndexError> {
    serde_json::from_slice(bytes).map_err(|source| IndexError::Row { table: table.0, source })
}

fn put<T: Serialize>(batch: &mut Batch, table: Table, key: &[u8], value: &T) -> Result<(), IndexError> {
    let bytes = serde_json::to_vec(value).map_err(|source| IndexError::Row { table: table.0, source })?;
    batch.put(table, key, bytes);
    Ok(())
}

fn involved(transaction: &Transaction) -> Vec<Address> {
    let mut addresses = vec![transaction.from];
    addresses.extend(transaction.to);
    addresses.extend(transaction.created());
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
