//! Moving the base down, for a reorganisation deeper than what is in memory: change sets and history put the flat
//! state back, and the tries follow. It must not know why.

use crate::{
    Storage, StorageError, TxPlace,
    fault::{self, Point},
    flush::{Flat, put_nodes},
    layer::Layer,
    memory::Memory,
    open::{put_base, put_block},
    runs::Staged,
    tables::{self, ChangeSet, History, decode_account, decode_value},
};
use atoll_kv::{Batch, Table};
use atoll_primitives::{B256, SealedHeader, StateChanges};
use std::{collections::BTreeSet, ops::Bound, sync::Arc};

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
        let changes = self.undo(base, target.number, &mut batch)?;
        let view = self.state_at(&base.hash)?.ok_or(StorageError::UnknownBlock { hash: base.hash })?;
        let (computed, trie) = view.state_root(&changes)?;
        if computed != target.state_root {
            let (number, expected) = (target.number, target.state_root);
            return Err(StorageError::UnwindMismatch { number, computed, expected });
        }
        let mut flat = Flat::new(&self.inner.base);
        for (address, account) in changes.accounts {
            flat.set_account(address, account);
        }
        for (address, storage) in changes.storage {
            storage.slots.into_iter().for_each(|(slot, value)| flat.set_slot(address, slot, value));
        }
        flat.put(&mut batch);
        put_nodes(&self.inner.base.kv, &trie, &mut batch)?;

        let mut tail = self.inner.segments.tail();
        tail.sync()?;
        let mut gate = self.inner.base.close_gate();
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
        let indexes = self.cut_indexes(target.number, &mut batch)?;
        fault::point(Point::UnwindBeforeCommit);
        self.inner.base.kv.write(batch).inspect_err(|_| self.withdraw_indexes())?;
        fault::point(Point::UnwindAfterCommit);
        let [logs, addresses] = indexes;
        self.inner.log_index.publish(logs);
        self.inner.address_index.publish(addresses);
        self.inner.base.clear_caches();
        self.inner.base.set_target(Arc::clone(&target));
        gate.push(target.number);
        let epoch = gate.epoch;
        tracing::warn!(from = memory.head.number, to = target.number, "unwound persisted blocks");
        *memory = Memory::new(target);
        memory.epoch = epoch;
        Ok(())
    }

    /// Takes what lies above a block out of both indexes.
    fn cut_indexes(&self, number: u64, batch: &mut Batch) -> Result<[Staged; 2], StorageError> {
        let kv = &self.inner.base.kv;
        let logs = self.inner.log_index.truncate(kv, Some(number), batch)?;
        let last = TxPlace::last_of(number).encode();
        Ok([logs, self.inner.address_index.truncate(kv, Some(last), batch)?])
    }

    fn withdraw_indexes(&self) {
        self.inner.log_index.withdraw();
        self.inner.address_index.withdraw();
    }

    /// What puts the state from the base back to block `to`; the rows of the blocks between go into `batch`.
    fn undo(&self, base: &SealedHeader, to: u64, batch: &mut Batch) -> Result<StateChanges, StorageError> {
        let kv = &self.inner.base.kv;
        let mut changes = StateChanges::default();
        let (mut accounts, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for number in to + 1..=base.number {
            let missing = |what: &str| StorageError::corrupt(format!("block {number} has no {what}"));
            let set = kv.get(tables::CHANGE_SETS, &number.to_be_bytes())?.ok_or_else(|| missing("change set"))?;
            let set = ChangeSet::decode(&set)?;
            accounts.extend(set.accounts);
            slots.extend(set.slots);
            batch.delete(tables::CHANGE_SETS, number.to_be_bytes());
            batch.delete(tables::CANONICAL, number.to_be_bytes());
            let hash = self.canonical_hash(number)?.ok_or_else(|| missing("canonical hash"))?;
            let block = self.block(&hash)?.ok_or_else(|| missing("record"))?;
            for tx in &block.block.body.transactions {
                batch.delete(tables::TRANSACTIONS, tx.tx_hash().as_slice());
            }
        }
        for address in accounts {
            let key = |block| tables::account_history_key(&address, block).to_vec();
            let before = self.cut_history(tables::ACCOUNT_HISTORY, key, to, batch)?;
            changes.accounts.insert(address, decode_account(&before)?);
        }
        for (address, slot) in slots {
            let key = |block| tables::slot_history_key(&address, &slot, block).to_vec();
            let before = self.cut_history(tables::SLOT_HISTORY, key, to, batch)?;
            changes.storage.entry(address).or_default().slots.insert(slot, decode_value(&before)?);
        }
        Ok(changes)
    }

    /// Takes the blocks above `to` out of a key's history; returns the key's value after block `to`.
    fn cut_history(
        &self,
        table: Table,
        key: impl Fn(u64) -> Vec<u8>,
        to: u64,
        batch: &mut Batch,
    ) -> Result<Vec<u8>, StorageError> {
        let (start, end) = (key(to + 1), key(u64::MAX));
        let bounds = (Bound::Included(start.as_slice()), Bound::Included(end.as_slice()));
        let rows = self.inner.base.kv.range(table, bounds.0, bounds.1, false, usize::MAX)?;
        let missing = || StorageError::corrupt(format!("a key changed above block {to} has no history in {}", table.0));
        let (_, first) = rows.first().ok_or_else(missing)?;
        let mut history = History::decode(first)?;
        let before = history.at(to + 1).ok_or_else(missing)?.to_vec();
        rows.into_iter().for_each(|(key, _)| batch.delete(table, key));
        history.truncate(to);
        if let Some(last) = history.last() {
            batch.put(table, key(last), history.encode());
        }
        Ok(before)
    }
}
