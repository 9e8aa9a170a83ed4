//! Moving the base down, for a reorganisation deeper than what is in memory: the state of the block it goes to is in the log
//! still. It must not know why.

use crate::{
    Storage, StorageError,
    fault::{self, Point},
    layer::Layer,
    memory::Memory,
    open::{put_base, put_block},
    tables,
};
use atoll_kv::Batch;
use atoll_primitives::{B256, SealedHeader};
use std::sync::Arc;

impl Storage {
    /// Makes the canonical block `to` the head again, however deep it lies, and undoes everything above it.
    ///
    /// If it is at or above the base this is [`Storage::set_head`]. Below, one atomic batch takes the base there.
    /// The blocks above stay readable by their hash, though their state is gone: they can be imported again.
    /// The same batch notes the head that was left, for [`Storage::left_head`].
    ///
    /// # Errors
    /// [`StorageError::UnknownBlock`] if `to` is not canonical, [`StorageError::Pruned`] if its state is not kept,
    /// [`StorageError::UnwindMismatch`] if the state does
    /// not come out as its header says, the tables' failure; nothing has changed then.
    pub fn unwind(&self, to: &B256) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        let unknown = || StorageError::UnknownBlock { hash: *to };
        let number = self.number(to)?.ok_or_else(unknown)?;
        if self.canonical_hash(number)? != Some(*to) {
            return Err(unknown());
        }
        let base = self.base();
        if number >= base.number {
            return self.set_head(to).map(|_| ());
        }
        self.inner.base.check_kept(number)?;
        let target = self.sealed_header(to)?.ok_or_else(unknown)?;
        self.unwind_base(&base, target)
    }

    /// The head that an unwind left without [`Storage::settle`] after it: the process died in between, and the
    /// blocks up to this one may not be given up for a shorter chain.
    ///
    /// # Errors
    /// The tables' failure to read.
    pub fn left_head(&self) -> Result<Option<B256>, StorageError> {
        let row = self.inner.base.kv.get(tables::META, tables::META_LEFT_HEAD)?;
        row.map(|hash| tables::decode_hash(&hash)).transpose()
    }

    /// Ends what an unwind began: persists the chain as it is now, then forgets the head that was left.
    ///
    /// # Errors
    /// As for [`Storage::flush`].
    pub fn settle(&self) -> Result<(), StorageError> {
        self.flush_all()?;
        fault::point(Point::SettleBeforeForget);
        let mut batch = Batch::new();
        batch.delete(tables::META, tables::META_LEFT_HEAD);
        Ok(self.inner.base.kv.write(batch)?)
    }

    fn unwind_base(&self, base: &SealedHeader, target: Arc<SealedHeader>) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        let state = self.inner.base.state_root(target.number)?;
        let computed = self.inner.base.root_hash(&state)?;
        if computed != target.state_root {
            let (number, expected) = (target.number, target.state_root);
            return Err(StorageError::UnwindMismatch { number, computed, expected });
        }
        for number in target.number + 1..=base.number {
            batch.delete(tables::STATE_ROOTS, number.to_be_bytes());
            batch.delete(tables::CANONICAL, number.to_be_bytes());
        }
        // What was moved out of old files was moved in states that are given up.
        batch.delete(tables::META, tables::META_SWEEP);
        let mut tail = self.inner.segments.tail();
        tail.sync()?;
        let mut memory = self.inner.memory.write();
        // What is still in memory would be forgotten: its rows let it be found by hash.
        for layer in memory.layers.values() {
            let Layer { executed, header, position, .. } = layer.as_ref();
            put_block(&mut batch, header, &executed.total_difficulty, *position);
        }
        // An unwind on the way of another one goes back to where the first began.
        if self.left_head()?.is_none() {
            batch.put(tables::META, tables::META_LEFT_HEAD, memory.head.hash.as_slice());
        }
        put_base(&mut batch, &target, tail.end());
        let indexes = self.cut_indexes(target.number, &mut batch).inspect_err(|_| self.withdraw_indexes())?;
        fault::point(Point::UnwindBeforeCommit);
        self.inner.base.kv.write(batch).inspect_err(|_| self.withdraw_indexes())?;
        fault::point(Point::UnwindAfterCommit);
        self.publish_indexes(indexes);
        tracing::warn!(from = memory.head.number, to = target.number, "unwound persisted blocks");
        let departures = memory.departures + 1;
        *memory = Memory::new(target, state.root);
        memory.departures = departures;
        Ok(())
    }
}
