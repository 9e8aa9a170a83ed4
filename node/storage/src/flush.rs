//! Moving the base up: buried canonical layers go into the tables in one atomic batch, side layers that no longer
//! lead anywhere are dropped. It must not know when that is due by the clock: `chain` owns the thread.

use crate::{
    Storage, StorageError,
    fault::{self, Point},
    layer::Layer,
    memory::Memory,
    open::{put_base, put_block},
    segment::Position,
    statelog::NodePos,
    tables,
};
use atoll_kv::Batch;
use atoll_primitives::SealedHeader;
use std::sync::{Arc, atomic::Ordering};

/// No batch moves more blocks: bounds its memory and how long a commit takes.
const MAX_BLOCKS: u64 = 128;
/// Blocks that gather beyond the flush depth before a flush is worth its commit.
const MIN_BLOCKS: u64 = 16;

/// Blocks that stay in memory however much they take: a reorganisation of a block or two is an everyday event.
const MIN_DEPTH: u64 = 8;

/// What one flush is about to do, decided under the locks.
struct Plan {
    /// Canonical layers to persist, ascending.
    buried: Vec<Arc<Layer>>,
    /// Side layers that do not descend from the last of those.
    dead: Vec<Arc<Layer>>,
    target: Arc<SealedHeader>,
    journal: Position,
}

impl Storage {
    /// Whether enough blocks are buried that a flush is worth it.
    pub fn flush_ready(&self) -> bool {
        let memory = self.inner.memory.read();
        let above = memory.head.number - memory.base.number;
        let heavy =
            (memory.bytes > self.inner.layer_bytes || self.is_overgrown(&memory)) && above > self.depth(&memory);
        heavy || above >= self.inner.flush_depth.saturating_add(MIN_BLOCKS.min(self.inner.flush_depth.max(1)))
    }

    /// How many of the newest blocks stay in memory: the flush depth, or as many as half of their memory holds.
    fn depth(&self, memory: &Memory) -> u64 {
        let (full, least) = (self.inner.flush_depth, MIN_DEPTH.min(self.inner.flush_depth));
        if self.is_overgrown(memory) {
            return least;
        }
        if memory.bytes <= self.inner.layer_bytes {
            return full;
        }
        let newest = memory.canonical.values().rev().filter_map(|hash| memory.layers.get(hash));
        let sums = newest.scan(0, |sum, layer| {
            *sum += layer.bytes;
            Some(*sum)
        });
        let fitting = sums.take_while(|sum| *sum <= self.inner.layer_bytes / 2).count() as u64;
        fitting.clamp(least, full)
    }

    /// Whether the newest tries hold far more than is worth keeping. Little of that can be forgotten while the nodes above wait
    /// to be persisted.
    fn is_overgrown(&self, memory: &Memory) -> bool {
        let head = memory.layers.get(&memory.head.hash);
        head.is_some_and(|head| head.executed.trie.loaded() / 2 > self.inner.base.warm_bytes)
    }

    /// Persists canonical blocks deeper than the flush depth, at most 128 of them, in one atomic batch. Blocks may
    /// be added and read meanwhile.
    ///
    /// # Errors
    /// The tables' or segments' failure to write; nothing has changed then, and a later flush may succeed.
    pub fn flush(&self) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        let depth = self.depth(&self.inner.memory.read());
        self.flush_above(depth).map(|_| ())
    }

    /// Waits until a flush that is under way is through: blocks it passes by are then gone from memory.
    pub fn wait_for_flush(&self) {
        drop(self.inner.flushing.lock());
    }

    /// Persists every canonical block: for an orderly shutdown, so that nothing has to be executed again.
    ///
    /// # Errors
    /// As for [`Storage::flush`].
    pub fn flush_all(&self) -> Result<(), StorageError> {
        let _moving = self.inner.flushing.lock();
        while self.flush_above(0)? {}
        self.inner.segments.tail().sync()
    }

    /// Leaves the newest `depth` blocks in memory. Whether there may be more to do.
    fn flush_above(&self, depth: u64) -> Result<bool, StorageError> {
        let Some(plan) = self.plan(depth)? else { return Ok(false) };
        let started = std::time::Instant::now();
        let root = self.commit(&plan)?;
        let trie = plan.buried.last().map(|layer| Arc::clone(&layer.executed.trie)).unwrap_or_default();
        self.inner.memory.write().rebase(Arc::clone(&plan.target), root, trie);
        metrics::histogram!("atoll_storage_flush_seconds").record(started.elapsed().as_secs_f64());
        tracing::debug!(base = plan.target.number, blocks = plan.buried.len(), dropped = plan.dead.len(), "flushed");
        Ok(true)
    }

    fn plan(&self, depth: u64) -> Result<Option<Plan>, StorageError> {
        let mut tail = self.inner.segments.tail();
        // Alone: from here to the end of the flush no reorganisation may reach below the target.
        let mut memory = self.inner.memory.write();
        let base = memory.base.number;
        let end = memory.head.number.saturating_sub(depth).min(base + MAX_BLOCKS);
        if end <= base {
            return Ok(None);
        }
        let buried: Option<Vec<_>> = (base + 1..=end)
            .map(|number| memory.canonical.get(&number).and_then(|hash| memory.layers.get(hash)).cloned())
            .collect();
        let buried = buried.ok_or_else(|| StorageError::corrupt("a canonical block has no layer"))?;
        let Some(target) = buried.last().map(|layer| Arc::clone(&layer.header)) else { return Ok(None) };
        let keep = memory.descendants(&target);
        let positions = keep.iter().filter_map(|hash| memory.layers.get(hash)).map(|layer| layer.position);
        let journal = positions.min().unwrap_or(tail.end());
        let is_buried = |layer: &Layer| memory.canonical.get(&layer.number()) == Some(&layer.header.hash);
        let dead = memory.layers.values().filter(|layer| !keep.contains(&layer.header.hash));
        let dead = dead.filter(|layer| layer.number() > end || !is_buried(layer)).cloned().collect();
        memory.target = Arc::clone(&target);
        drop(memory);
        // The tables must not name a record that a power failure could still take away.
        if let Err(err) = tail.sync() {
            drop(tail);
            self.stay();
            return Err(err);
        }
        fault::point(Point::FlushPlanned);
        Ok(Some(Plan { buried, dead, target, journal }))
    }

    /// Root of the target's state in the log.
    fn commit(&self, plan: &Plan) -> Result<Option<NodePos>, StorageError> {
        let committed = self.try_commit(plan);
        if committed.is_err() {
            self.withdraw_indexes();
            self.stay();
        }
        committed
    }

    /// The base moves nowhere now.
    fn stay(&self) {
        let mut memory = self.inner.memory.write();
        memory.target = Arc::clone(&memory.base);
    }

    fn try_commit(&self, plan: &Plan) -> Result<Option<NodePos>, StorageError> {
        let base = &self.inner.base;
        let mut batch = Batch::new();
        let mut root = self.inner.memory.read().base_root;
        let mut appender = base.log.appender(root);
        for layer in &plan.buried {
            let (number, executed) = (layer.number(), &layer.executed);
            put_block(&mut batch, &layer.header, &executed.total_difficulty, layer.position);
            batch.put(tables::CANONICAL, number.to_be_bytes(), layer.header.hash.as_slice());
            root = appender.block(&executed.trie)?;
            batch.put(tables::STATE_ROOTS, number.to_be_bytes(), tables::state_root_row(root));
            for (hash, code) in &executed.changes.code {
                batch.put(tables::CODE, hash.as_slice(), code.as_ref());
            }
        }
        // Uncles are looked up by hash, and a side block that comes again is known.
        for layer in &plan.dead {
            put_block(&mut batch, &layer.header, &layer.executed.total_difficulty, layer.position);
        }
        let indexes = self.index(&plan.buried, &mut batch)?;
        put_base(&mut batch, &plan.target, plan.journal);
        let pruning = self.prune(plan.target.number, &mut root, &mut appender, &mut batch)?;
        fault::point(Point::FlushBeforeState);
        let end = appender.sync()?;
        batch.put(tables::META, tables::META_STATE, end.to_be_bytes());
        if let Some(oldest) = pruning.oldest {
            base.set_oldest_state(oldest);
        }
        fault::point(Point::FlushBeforeCommit);
        // An engine may have written a batch it could not open again: nothing is taken back on the strength of a failure.
        base.sweep_in_doubt.store(true, Ordering::SeqCst);
        base.kv.write(batch)?;
        appender.commit();
        if pruning.swept {
            base.log.moved();
        }
        base.sweep_in_doubt.store(false, Ordering::SeqCst);
        fault::point(Point::FlushAfterCommit);
        self.publish_indexes(indexes);
        if let Some(cutoff) = pruning.unused {
            // It is committed: what is left lying is deleted another time.
            if let Err(error) = base.log.delete_before(cutoff) {
                tracing::warn!(error = &error as &dyn std::error::Error, "old files of the state log stay");
            }
        }
        Ok(root)
    }
}
