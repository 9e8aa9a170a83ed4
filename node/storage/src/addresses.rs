//! The index from an address to the transactions that involve it. It must not know how those are found out: whoever
//! can execute hands them in, after the blocks were flushed.

use crate::{
    Storage, StorageError,
    runs::{Cursor, Posting},
};
use atoll_kv::Batch;
use atoll_primitives::{Address, B256};
use xxhash_rust::xxh3::xxh3_64;

/// Bits of a place that hold the index of the transaction; the block's number stands above them.
const INDEX_BITS: u32 = 24;

/// Where a transaction stands on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxPlace {
    /// Number of the block.
    pub block: u64,
    /// Index in the block.
    pub index: u32,
}

impl TxPlace {
    /// The first place in a block.
    pub fn first_of(block: u64) -> Self {
        Self { block, index: 0 }
    }

    /// The last place a block could have.
    pub fn last_of(block: u64) -> Self {
        Self { block, index: (1 << INDEX_BITS) - 1 }
    }

    /// The place before it; `None` before the first of all.
    pub fn before(self) -> Option<Self> {
        self.encode().checked_sub(1).map(Self::decode)
    }

    /// The place behind it.
    pub fn after(self) -> Option<Self> {
        self.encode().checked_add(1).map(Self::decode)
    }

    pub(crate) fn encode(self) -> u64 {
        // A block's gas bounds its transactions far below 2^24; block numbers are below 2^40 for longer than anybody
        // mines.
        self.block << INDEX_BITS | u64::from(self.index) & ((1 << INDEX_BITS) - 1)
    }

    pub(crate) fn decode(at: u64) -> Self {
        Self { block: at >> INDEX_BITS, index: (at & ((1 << INDEX_BITS) - 1)) as u32 }
    }
}

/// The addresses that the transactions of one block involve, ready for the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAddresses {
    hash: B256,
    number: u64,
    /// Sorted.
    postings: Vec<Posting>,
}

impl BlockAddresses {
    /// From the addresses of each transaction, in order.
    pub fn new<T: IntoIterator<Item = Address>>(
        hash: B256,
        number: u64,
        transactions: impl IntoIterator<Item = T>,
    ) -> Self {
        let mut postings: Vec<Posting> = (0u32..)
            .zip(transactions)
            .flat_map(|(index, addresses)| {
                let at = TxPlace { block: number, index }.encode();
                addresses.into_iter().map(move |address| Posting { key: key(&address), at })
            })
            .collect();
        postings.sort_unstable();
        postings.dedup();
        Self { hash, number, postings }
    }

    /// Hash of the block.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Number of the block.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many entries the index takes for it.
    pub fn len(&self) -> usize {
        self.postings.len()
    }

    /// Whether nobody is involved: a block without transactions.
    pub fn is_empty(&self) -> bool {
        self.postings.is_empty()
    }

    /// Places of the transactions that involve an address, ascending.
    pub fn places(&self, address: &Address) -> impl DoubleEndedIterator<Item = TxPlace> + '_ {
        let key = key(address);
        let start = self.postings.partition_point(|posting| posting.key < key);
        let end = self.postings.partition_point(|posting| posting.key <= key);
        self.postings[start..end].iter().map(|posting| TxPlace::decode(posting.at))
    }
}

fn key(address: &Address) -> u64 {
    xxh3_64(address.as_slice())
}

impl Storage {
    /// The last block that the address index holds; `None` while it holds none. The genesis block has no transactions.
    pub fn addresses_end(&self) -> Option<u64> {
        self.inner.address_index.end().map(|end| TxPlace::decode(end).block)
    }

    /// Adds blocks to the address index, in one atomic batch: persisted canonical ones that follow each other and the
    /// last one indexed. `false` without a change if they are not, which a reorganisation explains.
    ///
    /// # Errors
    /// The tables' failure; nothing has changed then.
    pub fn index_addresses(&self, blocks: &[impl AsRef<BlockAddresses>]) -> Result<bool, StorageError> {
        let _moving = self.inner.flushing.lock();
        let base = self.base().number;
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(true) };
        let next = self.addresses_end().map_or(1, |end| end + 1);
        for (number, block) in (next..).zip(blocks.iter().map(AsRef::as_ref)) {
            let in_place = block.number == number && number <= base;
            if !in_place || self.canonical_hash(number)? != Some(block.hash) {
                return Ok(false);
            }
        }
        let (index, kv) = (&self.inner.address_index, &self.inner.base.kv);
        let postings = blocks.iter().flat_map(|block| block.as_ref().postings.iter().copied()).collect();
        let first = TxPlace::first_of(first.as_ref().number).encode();
        let last = TxPlace::last_of(last.as_ref().number).encode();
        let mut batch = Batch::new();
        let staged = index.add(kv, first, last, postings, &mut batch)?;
        kv.write(batch).inspect_err(|_| index.withdraw())?;
        index.publish(staged);
        Ok(true)
    }

    /// Places of indexed transactions that involve an address, at or before `from`, the last first: at most `limit`, and
    /// perhaps fewer than there are; none at all only if there are none.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn addresses_before(
        &self,
        address: &Address,
        from: TxPlace,
        limit: usize,
    ) -> Result<Vec<TxPlace>, StorageError> {
        let (index, kv) = (&self.inner.address_index, &self.inner.base.kv);
        loop {
            let snapshot = index.snapshot();
            let places = index.places_before(kv, &snapshot, key(address), from.encode())?;
            // Seldom: two changes went by in the meantime.
            if index.holds(&snapshot) {
                return Ok(places.into_iter().take(limit).map(TxPlace::decode).collect());
            }
        }
    }

    /// The same at or after `from`, ascending.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn addresses_after(
        &self,
        address: &Address,
        from: TxPlace,
        limit: usize,
    ) -> Result<Vec<TxPlace>, StorageError> {
        let (index, kv) = (&self.inner.address_index, &self.inner.base.kv);
        loop {
            let snapshot = index.snapshot();
            let mut cursor = Cursor::new(key(address));
            let mut places = Vec::new();
            let mut target = Some(from.encode());
            while let Some(at) = target.filter(|_| places.len() < limit) {
                let Some(found) = cursor.seek(index, kv, &snapshot, at)? else { break };
                places.push(TxPlace::decode(found));
                target = found.checked_add(1);
            }
            if index.holds(&snapshot) {
                return Ok(places);
            }
        }
    }

    /// Throws the address index away, so that it is built anew from the first block.
    ///
    /// # Errors
    /// The tables' failure.
    pub fn clear_address_index(&self) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        let (index, kv) = (&self.inner.address_index, &self.inner.base.kv);
        let mut batch = Batch::new();
        let staged = index.truncate(kv, None, &mut batch)?;
        kv.write(batch).inspect_err(|_| index.withdraw())?;
        index.publish(staged);
        Ok(())
    }
}
