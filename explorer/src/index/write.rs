//! Writing the index: blocks come on top, and go from the top. Knows nothing of why.

use super::{
    ADDRESS_TRANSACTIONS, ADDRESSES, BLOCK_NUMBERS, BLOCKS, CONTRACTS, FORMAT, Index, META, META_KEY, Place, State,
    TRANSACTION_PLACES, TRANSACTIONS, involved, put,
};
use crate::{
    error::IndexError,
    model::{Block, MAX_TRANSACTIONS, Transaction},
};
use alloy_primitives::Address;
use atoll_kv::Batch;
use std::collections::HashMap;

/// A batch under construction: the store does not show it yet, so what it counts is kept beside it.
struct Draft<'a> {
    index: &'a Index,
    batch: Batch,
    state: Option<State>,
    counts: HashMap<Address, u64>,
}

impl Index {
    /// Removes the newest `remove` blocks and puts `blocks` on top of what is left, in one atomic batch.
    ///
    /// An empty index takes its first block (block 0) as the chain it belongs to.
    ///
    /// # Errors
    /// [`IndexError::NotNext`] for a block that does not follow, or the store's failure; nothing is then changed.
    pub fn apply(&self, remove: u64, blocks: &[Block]) -> Result<(), IndexError> {
        let mut draft = Draft { index: self, batch: Batch::new(), state: self.state()?, counts: HashMap::new() };
        for _ in 0..remove {
            draft.remove_head()?;
        }
        for block in blocks {
            draft.add(block)?;
        }
        draft.finish()
    }
}

impl Draft<'_> {
    fn add(&mut self, block: &Block) -> Result<(), IndexError> {
        let not_next = IndexError::NotNext { number: block.number };
        let state = match &mut self.state {
            Some(state) => {
                let follows = state.head.number.checked_add(1) == Some(block.number);
                if !follows || state.head.hash != block.parent_hash {
                    return Err(not_next);
                }
                state.head = block.head();
                state
            }
            None if block.number == 0 => self.state.insert(State {
                format: FORMAT,
                genesis: block.hash,
                head: block.head(),
                network: None,
                transactions: 0,
                addresses: 0,
                contracts: 0,
            }),
            None => return Err(not_next),
        };
        state.transactions = state.transactions.saturating_add(u64::from(block.transaction_count));
        let key = block.number.to_be_bytes();
        put(&mut self.batch, BLOCKS, &key, block)?;
        self.batch.put(BLOCK_NUMBERS, block.hash.as_slice(), key);
        for (index, transaction) in (0..).zip(&block.transactions) {
            self.add_transaction(Place { block_number: block.number, transaction_index: index }, transaction)?;
        }
        Ok(())
    }

    fn add_transaction(&mut self, place: Place, transaction: &Transaction) -> Result<(), IndexError> {
        put(&mut self.batch, TRANSACTIONS, &place.key(), transaction)?;
        self.batch.put(TRANSACTION_PLACES, transaction.hash.as_slice(), place.key());
        for address in involved(transaction) {
            self.batch.put(ADDRESS_TRANSACTIONS, place.key_of(&address), []);
            let count = self.count(address)?;
            self.set_count(address, count.saturating_add(1));
            if let (0, Some(state)) = (count, &mut self.state) {
                state.addresses = state.addresses.saturating_add(1);
            }
        }
        if let Some(contract) = transaction.created() {
            self.batch.put(CONTRACTS, contract.as_slice(), place.key());
            if let Some(state) = &mut self.state {
                state.contracts = state.contracts.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Takes the newest block off. The genesis block stays: another genesis is another chain.
    fn remove_head(&mut self) -> Result<(), IndexError> {
        let Some(number) = self.state.as_ref().map(|state| state.head.number).filter(|number| *number > 0) else {
            return Ok(());
        };
        let not_next = || IndexError::NotNext { number };
        let block = self.index.block(number)?.ok_or_else(not_next)?;
        let parent = self.index.block(number - 1)?.ok_or_else(not_next)?;
        for placed in self.index.block_transactions(&block, 0, MAX_TRANSACTIONS)? {
            self.remove_transaction(placed.place, &placed.transaction)?;
        }
        self.batch.delete(BLOCKS, number.to_be_bytes());
        self.batch.delete(BLOCK_NUMBERS, block.hash.as_slice());
        if let Some(state) = &mut self.state {
            state.head = parent.head();
            state.transactions = state.transactions.saturating_sub(u64::from(block.transaction_count));
        }
        Ok(())
    }

    fn remove_transaction(&mut self, place: Place, transaction: &Transaction) -> Result<(), IndexError> {
        self.batch.delete(TRANSACTIONS, place.key());
        self.batch.delete(TRANSACTION_PLACES, transaction.hash.as_slice());
        for address in involved(transaction) {
            self.batch.delete(ADDRESS_TRANSACTIONS, place.key_of(&address));
            let count = self.count(address)?.saturating_sub(1);
            self.set_count(address, count);
            if let (0, Some(state)) = (count, &mut self.state) {
                state.addresses = state.addresses.saturating_sub(1);
            }
        }
        if let Some(contract) = transaction.created() {
            self.batch.delete(CONTRACTS, contract.as_slice());
            if let Some(state) = &mut self.state {
                state.contracts = state.contracts.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn count(&self, address: Address) -> Result<u64, IndexError> {
        match self.counts.get(&address) {
            Some(count) => Ok(*count),
            None => self.index.transaction_count(&address),
        }
    }

    fn set_count(&mut self, address: Address, count: u64) {
        self.counts.insert(address, count);
    }

    fn finish(mut self) -> Result<(), IndexError> {
        for (address, count) in &self.counts {
            if *count == 0 {
                self.batch.delete(ADDRESSES, address.as_slice());
            } else {
                self.batch.put(ADDRESSES, address.as_slice(), count.to_be_bytes());
            }
        }
        if let Some(state) = &self.state {
            put(&mut self.batch, META, META_KEY, state)?;
        }
        Ok(self.index.kv.write(self.batch)?)
    }
}
