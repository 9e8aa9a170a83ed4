//! What the journal brings back after a restart: blocks that were added but not yet in the tables. `chain`
//! executes them again; this module must not know how.

use crate::{
    ExecutedBlock, Storage, StorageError,
    layer::Layer,
    segment::{KIND_BLOCK, KIND_HEAD, Position, Scanned, decode_block},
    tables,
};
use atoll_primitives::{B256, RecoveredBlock, primitives::map::B256Map};
use std::sync::Arc;

/// Blocks and heads the journal held.
#[derive(Default)]
pub(crate) struct Journal {
    /// In the order they were written: parents come before their children.
    pub(crate) blocks: Vec<RecoveredBlock>,
    positions: B256Map<Position>,
    /// Heads in the order they were chosen.
    heads: Vec<B256>,
}

impl Journal {
    /// Takes a record in. Blocks that do not lead on from the base are left out: the tables hold them already. A
    /// block that was unwound and came back has its rows too, and yet must be executed again.
    pub fn take_in(&mut self, record: Scanned, base: &B256) -> Result<(), StorageError> {
        let Scanned { kind, payload, position } = record;
        match kind {
            KIND_BLOCK => {
                let block = decode_block(&payload)?;
                let parent = block.header().parent_hash;
                let connected = parent == *base || self.positions.contains_key(&parent);
                let repeated = self.positions.contains_key(&block.hash);
                if connected && !repeated {
                    self.positions.insert(block.hash, position);
                    self.blocks.push(block);
                }
            }
            KIND_HEAD => self.heads.push(tables::decode_hash(&payload)?),
            // A later version may add kinds that this one can do without.
            other => tracing::warn!(kind = other, ?position, "skipping a journal record of an unknown kind"),
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.blocks.len()
    }
}

impl Storage {
    /// After opening: the blocks that were added and not yet persisted, parents before children. Each is to be
    /// executed and given to [`Storage::restore`], then [`Storage::finish_restore`] is due. They are handed out
    /// once.
    pub fn unexecuted(&self) -> Vec<RecoveredBlock> {
        std::mem::take(&mut self.inner.journal.lock().blocks)
    }

    /// Puts a block of the journal back in its place.
    ///
    /// # Errors
    /// [`StorageError::UnknownBlock`] if the journal did not hold it, [`StorageError::UnknownParent`] if its parent
    /// was not restored.
    pub fn restore(&self, executed: ExecutedBlock) -> Result<(), StorageError> {
        let hash = executed.block.hash;
        let position = self.inner.journal.lock().positions.get(&hash).copied();
        let position = position.ok_or(StorageError::UnknownBlock { hash })?;
        self.inner.memory.write().insert(Arc::new(Layer::new(executed, position)))
    }

    /// Puts the journaled head back: the last one chosen whose block was restored, else the base.
    ///
    /// # Errors
    /// None today; the signature leaves room for a journal that must be written.
    pub fn finish_restore(&self) -> Result<(), StorageError> {
        let journal = std::mem::take(&mut *self.inner.journal.lock());
        let mut memory = self.inner.memory.write();
        let restored = journal.heads.iter().rev().find_map(|head| memory.switch(head).ok());
        if let Some(switch) = restored {
            memory.apply(&switch);
        }
        let Some(last) = journal.heads.last().filter(|last| **last != memory.head.hash) else { return Ok(()) };
        if !journal.positions.contains_key(last) {
            return Ok(());
        }
        tracing::warn!(journaled = %last, head = %memory.head.hash, "the journaled head could not be restored");
        Ok(())
    }
}
