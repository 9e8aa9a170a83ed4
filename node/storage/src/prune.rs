//! Forgetting the states of old blocks, and giving back the room they took. Each flush takes a bounded step, so that turning
//! it on over a long chain delays nothing. Headers, bodies and receipts stay: only the states between go.
//!
//! The newest state shares most of its nodes with old ones. When the log has doubled since the last time, the newest state's
//! nodes are moved to its end, some with each flush; when they all are, and the oldest state that is kept is younger than that,
//! the files before go.

use crate::{
    Storage, StorageError,
    statelog::{Appender, NodePos, Sweep},
    tables::{self, META, META_PRUNED, META_SWEEP, STATE_ROOTS},
};
use atoll_kv::Batch;
use std::sync::atomic::Ordering;

/// Blocks whose states one flush forgets at the most: more than it adds, so that it catches up.
const MAX_BLOCKS: u64 = 512;
/// Nodes a flush looks at for each it appends, and at the least.
const SWEPT_PER_NODE: usize = 2;
const MIN_SWEPT: usize = 4096;

/// What a flush forgets once it is committed.
#[derive(Default)]
pub(crate) struct Pruning {
    /// Number of the oldest block whose state stays, if it changes.
    pub oldest: Option<u64>,
    /// Nothing leads to nodes before it any more.
    pub unused: Option<NodePos>,
    /// Nodes of the newest state were moved.
    pub swept: bool,
}

/// How far the files are from being freed.
enum Stage {
    /// Nothing to do until the log is so long.
    Resting {
        wake: u64,
    },
    Sweeping(Sweep),
    /// The states from this block on need nothing before the place.
    Swept {
        cutoff: NodePos,
        block: u64,
    },
}

impl Stage {
    fn encode(&self) -> Vec<u8> {
        let numbers = |kind: u8, a: u64, b: u64| [&[kind][..], &a.to_be_bytes(), &b.to_be_bytes()].concat();
        match self {
            Self::Resting { wake } => numbers(0, *wake, 0),
            Self::Sweeping(sweep) => [vec![1], sweep.encode()].concat(),
            Self::Swept { cutoff, block } => numbers(2, cutoff.0, *block),
        }
    }

    fn decode(row: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::corrupt("row `sweep` does not decode").in_table(META);
        let (kind, rest) = row.split_first().ok_or_else(damaged)?;
        if *kind == 1 {
            return Sweep::decode(rest).map(Self::Sweeping).map_err(|error| error.in_table(META));
        }
        let (a, b) = rest.split_at_checked(8).ok_or_else(damaged)?;
        let (a, b) = (tables::decode_u64(a)?, tables::decode_u64(b)?);
        match kind {
            0 => Ok(Self::Resting { wake: a }),
            2 => Ok(Self::Swept { cutoff: NodePos(a), block: b }),
            _ => Err(damaged()),
        }
    }
}

impl Storage {
    /// Puts into `batch` what a flush to block `target` forgets. The root of its state moves where its nodes do.
    pub(crate) fn prune(
        &self,
        target: u64,
        root: &mut Option<NodePos>,
        appender: &mut Appender<'_>,
        batch: &mut Batch,
    ) -> Result<Pruning, StorageError> {
        let Some(keep) = self.inner.prune else { return Ok(Pruning::default()) };
        let oldest = self.inner.base.oldest_state();
        // What this flush writes it cannot forget yet.
        let end = target.saturating_sub(keep).min(self.base().number).min(oldest + MAX_BLOCKS).max(oldest);
        // A batch that was refused may have announced more than the tables forgot.
        let first = self.inner.base.kv.get(META, META_PRUNED)?.map_or(Ok(0), |row| tables::decode_u64(&row))?;
        (first..end).for_each(|number| batch.delete(STATE_ROOTS, number.to_be_bytes()));
        if end > first {
            batch.put(META, META_PRUNED, end.to_be_bytes());
        }
        let mut swept = false;
        let unused = self.sweep(target, end, root, appender, batch, &mut swept)?;
        Ok(Pruning { oldest: (end > oldest).then_some(end), unused, swept })
    }

    /// One step towards freeing files; `oldest` is the oldest block whose state is kept.
    fn sweep(
        &self,
        target: u64,
        oldest: u64,
        root: &mut Option<NodePos>,
        appender: &mut Appender<'_>,
        batch: &mut Batch,
        swept: &mut bool,
    ) -> Result<Option<NodePos>, StorageError> {
        let row = self.inner.base.kv.get(META, META_SWEEP)?;
        let anew = Stage::Resting { wake: 0 };
        let doubted = self.inner.base.sweep_in_doubt.load(Ordering::SeqCst);
        let stage = row.filter(|_| !doubted).map_or(Ok(anew), |row| Stage::decode(&row))?;
        let end = appender.end();
        let (next, unused) = match stage {
            Stage::Resting { wake } if end < wake => return Ok(None),
            Stage::Resting { .. } => (Stage::Sweeping(Sweep::begin(NodePos(end))), None),
            Stage::Sweeping(sweep) => {
                let nodes = MIN_SWEPT.max(appender.appended() * SWEPT_PER_NODE);
                let (moved, next) = sweep.step(appender, *root, nodes)?;
                *root = moved;
                *swept = true;
                batch.put(STATE_ROOTS, target.to_be_bytes(), tables::state_root_row(moved));
                let done = Stage::Swept { cutoff: sweep.cutoff, block: target };
                (next.map_or(done, Stage::Sweeping), None)
            }
            Stage::Swept { block, .. } if oldest < block => return Ok(None),
            Stage::Swept { cutoff, .. } => {
                let wake = end + end.saturating_sub(cutoff.0).max(self.inner.base.log.file_bytes());
                (Stage::Resting { wake }, Some(cutoff))
            }
        };
        batch.put(META, META_SWEEP, next.encode());
        Ok(unused)
    }
}
