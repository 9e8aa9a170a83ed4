//! Adding blocks and choosing the head. It must not know which block deserves it: `chain` decides.

use crate::{
    ExecutedBlock, Storage, StorageError,
    fault::{self, Point},
    layer::Layer,
    segment::{KIND_BLOCK, KIND_HEAD, MAX_RECORD_BYTES, encode_block},
};
use atoll_primitives::{B256, RecoveredBlock};
use std::sync::Arc;

/// Layers beyond those that a flush is due for: side blocks, and what a flush is late with. At the bound `append`
/// refuses until a flush has made room.
const SPARE_LAYERS: u64 = 4096;

/// What a new head changed on the canonical chain.
#[derive(Debug, Clone, Default)]
pub struct Reorg {
    /// Blocks no longer canonical, ascending by number.
    pub reverted: Vec<Arc<RecoveredBlock>>,
    /// Blocks now canonical, ascending by number; the head is last.
    pub applied: Vec<Arc<RecoveredBlock>>,
}

impl Storage {
    /// Adds a block over its parent. When this returns it survives the death of the process.
    ///
    /// A block already there changes nothing.
    ///
    /// # Errors
    /// [`StorageError::UnknownParent`] unless the parent is the base or one of the newest blocks,
    /// [`StorageError::LayersFull`] when too many blocks wait for a flush, [`StorageError::RecordTooLarge`], or the
    /// segment file's failure to be written.
    pub fn append(&self, executed: ExecutedBlock) -> Result<(), StorageError> {
        let hash = executed.block.hash;
        let payload = encode_block(&executed.block, &executed.total_difficulty, &executed.receipts);
        if payload.len() >= MAX_RECORD_BYTES {
            return Err(StorageError::RecordTooLarge { hash, bytes: payload.len(), limit: MAX_RECORD_BYTES });
        }
        // The tail is held until the layer is in: a flush computes from both where the journal begins.
        let mut tail = self.inner.segments.tail();
        if !self.takes(&hash, executed.block.header().parent_hash)? {
            return Ok(());
        }
        let position = tail.append(KIND_BLOCK, &payload)?;
        self.inner.memory.write().insert(Arc::new(Layer::new(executed, position)))?;
        tail.sync_if_due();
        Ok(())
    }

    /// Whether a block is to be added; `false` if it is there. Asked before anything is written: the journal holds
    /// connected blocks only.
    fn takes(&self, hash: &B256, parent: B256) -> Result<bool, StorageError> {
        let memory = self.inner.memory.read();
        if memory.layers.contains_key(hash) || memory.base.hash == *hash {
            return Ok(false);
        }
        let connected = memory.layers.contains_key(&parent) || memory.base.hash == parent;
        // A flush under way drops what does not descend from its target when it is through, and has noted already
        // which blocks those are.
        let moving = memory.target.number > memory.base.number;
        if !connected || (moving && !memory.descends(parent, &memory.target)) {
            return Err(StorageError::UnknownParent { hash: *hash, parent });
        }
        let limit = self.inner.flush_depth.saturating_add(SPARE_LAYERS);
        if memory.layers.len() as u64 >= limit {
            return Err(StorageError::LayersFull { limit });
        }
        Ok(true)
    }

    /// Makes an added block, or the base, the head. When this returns the choice survives the death of the process.
    ///
    /// # Errors
    /// [`StorageError::UnknownBlock`] unless it is the base or one of the newest blocks,
    /// [`StorageError::BelowBase`] when it forks off below a block that is being persisted.
    pub fn set_head(&self, hash: &B256) -> Result<Reorg, StorageError> {
        let mut tail = self.inner.segments.tail();
        let mut memory = self.inner.memory.write();
        let switch = memory.switch(hash)?;
        let base = memory.target.number;
        if switch.fork < base {
            return Err(StorageError::BelowBase { hash: *hash, base });
        }
        let is_reorg = !switch.leave.is_empty();
        if is_reorg {
            fault::point(Point::ReorgBeforeHead);
        }
        tail.append(KIND_HEAD, hash.as_slice())?;
        if is_reorg {
            fault::point(Point::ReorgAfterHead);
        }
        memory.apply(&switch);
        drop(memory);
        tail.sync_if_due();
        let blocks = |layers: &[Arc<Layer>]| layers.iter().map(|layer| Arc::clone(&layer.executed.block)).collect();
        Ok(Reorg { reverted: blocks(&switch.leave), applied: blocks(&switch.enter) })
    }
}
