//! Forgetting the history of old blocks. Each flush takes a bounded step, so that turning it on over a long chain delays
//! nothing. Headers, bodies and receipts stay: only the states between go.

use crate::{
    Storage, StorageError,
    tables::{self, ACCOUNT_HISTORY, CHANGE_SETS, ChangeSet, META, META_PRUNED, SLOT_HISTORY},
};
use atoll_kv::Batch;

/// Blocks whose history one flush forgets at the most: more than it adds, so that it catches up.
const MAX_BLOCKS: u64 = 512;
/// Keys after which a step ends early.
const MAX_KEYS: usize = 50_000;

impl Storage {
    /// Puts into `batch` what a flush to block `target` forgets. The number of the oldest block whose state stays, to be
    /// announced before the batch is written; `None` if nothing is forgotten.
    pub(crate) fn forget(&self, target: u64, batch: &mut Batch) -> Result<Option<u64>, StorageError> {
        let Some(keep) = self.inner.prune else { return Ok(None) };
        let oldest = self.inner.base.oldest_state();
        // What this flush writes it cannot forget yet.
        let end = target.saturating_sub(keep).min(self.base().number).min(oldest + MAX_BLOCKS);
        let kv = &self.inner.base.kv;
        let (mut number, mut keys) = (oldest, 0);
        // The state after block `number` goes with the values before block `number + 1`.
        while number < end && keys < MAX_KEYS {
            number += 1;
            let Some(row) = kv.get(CHANGE_SETS, &number.to_be_bytes())? else { continue };
            let set = ChangeSet::decode(&row).map_err(|error| error.in_table(CHANGE_SETS))?;
            keys += set.accounts.len() + set.slots.len();
            // A row of history ends with the block in its key, and goes when that block is forgotten; until then it
            // holds older values too, which nobody asks for.
            for address in &set.accounts {
                batch.delete(ACCOUNT_HISTORY, tables::account_history_key(address, number));
            }
            for (address, slot) in &set.slots {
                batch.delete(SLOT_HISTORY, tables::slot_history_key(address, slot, number));
            }
            batch.delete(CHANGE_SETS, number.to_be_bytes());
        }
        if number == oldest {
            return Ok(None);
        }
        batch.put(META, META_PRUNED, number.to_be_bytes());
        Ok(Some(number))
    }
}
