//! Reading the index. Every list is bounded by its caller's limit.

use super::{
    ADDRESS_TRANSACTIONS, ADDRESSES, BLOCK_NUMBERS, BLOCKS, CONTRACTS, Index, Place, Placed, TRANSACTION_PLACES,
    TRANSACTIONS, parse,
};
use crate::{
    error::IndexError,
    model::{Block, Transaction},
};
use alloy_primitives::{Address, B256};
use std::{collections::HashMap, ops::Bound};

impl Index {
    /// A block by its number.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be read.
    pub fn block(&self, number: u64) -> Result<Option<Block>, IndexError> {
        self.row(BLOCKS, &number.to_be_bytes())
    }

    /// The number of a block by its hash.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be read.
    pub fn number(&self, hash: &B256) -> Result<Option<u64>, IndexError> {
        let bytes = self.kv.get(BLOCK_NUMBERS, hash.as_slice())?;
        Ok(bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))))
    }

    /// At most `limit` blocks up to `newest`, newest first.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn blocks(&self, newest: u64, limit: usize) -> Result<Vec<Block>, IndexError> {
        let end = newest.to_be_bytes();
        let rows = self.kv.range(BLOCKS, Bound::Unbounded, Bound::Included(&end), true, limit)?;
        rows.iter().map(|(_, value)| parse(BLOCKS, value)).collect()
    }

    /// At most `limit` transactions of a block, from position `first` on.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn block_transactions(&self, block: &Block, first: u32, limit: usize) -> Result<Vec<Placed>, IndexError> {
        let start = Place { block_number: block.number, transaction_index: first }.key();
        let end = Place { block_number: block.number, transaction_index: u32::MAX }.key();
        let rows = self.kv.range(TRANSACTIONS, Bound::Included(&start), Bound::Included(&end), false, limit)?;
        self.placed(rows)
    }

    /// At most `limit` transactions before `end`, newest first.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn transactions(&self, end: Place, limit: usize) -> Result<Vec<Placed>, IndexError> {
        let rows = self.kv.range(TRANSACTIONS, Bound::Unbounded, Bound::Excluded(&end.key()), true, limit)?;
        self.placed(rows)
    }

    /// Where a transaction stands.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be read.
    pub fn place(&self, hash: &B256) -> Result<Option<Place>, IndexError> {
        let bytes = self.kv.get(TRANSACTION_PLACES, hash.as_slice())?;
        Ok(bytes.and_then(|bytes| Place::from_key(&bytes)))
    }

    /// A transaction by its hash.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn transaction(&self, hash: &B256) -> Result<Option<Placed>, IndexError> {
        let Some(place) = self.place(hash)? else { return Ok(None) };
        let Some(value) = self.kv.get(TRANSACTIONS, &place.key())? else { return Ok(None) };
        Ok(self.placed(vec![(place.key().to_vec(), value)])?.pop())
    }

    /// How many transactions an address took part in.
    ///
    /// # Errors
    /// [`IndexError`] when the row cannot be read.
    pub fn transaction_count(&self, address: &Address) -> Result<u64, IndexError> {
        let bytes = self.kv.get(ADDRESSES, address.as_slice())?;
        Ok(bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0))
    }

    /// At most `limit` transactions of an address before `end`, newest first.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn address_transactions(&self, address: &Address, end: Place, limit: usize) -> Result<Vec<Placed>, IndexError> {
        let (start, end) = (Place::FIRST.key_of(address), end.key_of(address));
        let (start, end) = (Bound::Included(start.as_slice()), Bound::Excluded(end.as_slice()));
        let mut rows = Vec::new();
        for (key, _) in self.kv.range(ADDRESS_TRANSACTIONS, start, end, true, limit)? {
            let Some(place) = Place::from_key(&key) else { continue };
            // Missing only when the chain was reorganised between the two reads.
            if let Some(value) = self.kv.get(TRANSACTIONS, &place.key())? {
                rows.push((place.key().to_vec(), value));
            }
        }
        self.placed(rows)
    }

    /// The transaction that created a contract.
    ///
    /// # Errors
    /// [`IndexError`] when a row cannot be read.
    pub fn creation(&self, contract: &Address) -> Result<Option<Placed>, IndexError> {
        let Some(key) = self.kv.get(CONTRACTS, contract.as_slice())? else { return Ok(None) };
        let Some(value) = self.kv.get(TRANSACTIONS, &key)? else { return Ok(None) };
        Ok(self.placed(vec![(key, value)])?.pop())
    }

    fn placed(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Placed>, IndexError> {
        let mut timestamps: HashMap<u64, u64> = HashMap::new();
        let mut placed = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let Some(place) = Place::from_key(&key) else { continue };
            let timestamp = match timestamps.get(&place.block_number) {
                Some(timestamp) => *timestamp,
                None => {
                    // A reorganisation between the two reads may have taken the block: its rows no longer count.
                    let Some(block) = self.block(place.block_number)? else { continue };
                    timestamps.insert(place.block_number, block.timestamp);
                    block.timestamp
                }
            };
            let transaction: Transaction = parse(TRANSACTIONS, &value)?;
            placed.push(Placed { place, timestamp, transaction });
        }
        Ok(placed)
    }
}
