//! Finding a transaction by its hash: the index holds the beginning of the hash and the place, the block has the rest. It must
//! not know what a transaction does.

use crate::{Storage, StorageError, TxPlace, runs::Posting};
use atoll_primitives::{RecoveredBlock, TxHash, TxLocation};

fn key(hash: &TxHash) -> u64 {
    let mut key = [0; 8];
    key.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(key)
}

/// What the index holds of a block.
pub(crate) fn postings(number: u64, block: &RecoveredBlock, out: &mut Vec<Posting>) {
    let transactions = (0u32..).zip(&block.block.body.transactions);
    out.extend(
        transactions
            .map(|(index, tx)| Posting { key: key(tx.tx_hash()), at: TxPlace { block: number, index }.encode() }),
    );
}

impl Storage {
    /// Where a transaction stands on the canonical chain.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn transaction_location(&self, hash: &TxHash) -> Result<Option<TxLocation>, StorageError> {
        loop {
            if let Some(location) = self.inner.memory.read().transactions.get(hash) {
                return Ok(Some(*location));
            }
            let (index, kv) = (&self.inner.tx_index, &self.inner.base.kv);
            let snapshot = index.snapshot();
            let mut target = u64::MAX;
            loop {
                let places = index.places_before(kv, &snapshot, key(hash), target)?;
                let Some(last) = places.last().copied() else { break };
                // More than one only where hashes begin alike, which somebody may have searched for.
                for place in places {
                    let found = self.at_place(hash, TxPlace::decode(place))?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                let Some(next) = last.checked_sub(1) else { break };
                target = next;
            }
            // A flush may have moved it from memory into the index in between, or rows went.
            if index.holds(&snapshot) && index.snapshot().version() == snapshot.version() {
                return Ok(None);
            }
        }
    }

    /// The transaction at a place, if that is the one.
    fn at_place(&self, hash: &TxHash, place: TxPlace) -> Result<Option<TxLocation>, StorageError> {
        // Without a canonical block the chain was unwound since the row was read.
        let Some(block_hash) = self.canonical_hash(place.block)? else { return Ok(None) };
        let Some(block) = self.block(&block_hash)? else { return Ok(None) };
        let tx = block.block.body.transactions.get(place.index as usize);
        let location = TxLocation { block_hash, block_number: place.block, index: place.index };
        Ok(tx.filter(|tx| tx.tx_hash() == hash).map(|_| location))
    }
}
