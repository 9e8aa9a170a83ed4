//! A stored state as revm reads it.

use crate::code_cache;
use atoll_primitives::{Account, Address, B256, HeaderReader, U256};
use atoll_storage::{StateView, StorageError};
use parking_lot::Mutex;
use revm::{
    DatabaseRef,
    database_interface::DBErrorMarker,
    state::{AccountInfo, Bytecode},
};
use std::{fmt, sync::Arc};

/// A stored state could not be read.
#[derive(Debug, thiserror::Error)]
#[error("state could not be read")]
pub struct StateDbError(#[from] StorageError);

impl DBErrorMarker for StateDbError {}

/// The state after a block, with the hashes of that block and its ancestors.
pub struct StateDb {
    view: StateView,
    headers: Arc<dyn HeaderReader>,
    /// Hashes from the view's block downwards, found so far: at most the 256 that `BLOCKHASH` can ask for.
    ancestors: Mutex<Vec<B256>>,
}

impl fmt::Debug for StateDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDb").field("block", &self.view.block_number()).finish_non_exhaustive()
    }
}

impl StateDb {
    /// Reads from `view`; `headers` must know the view's block and its ancestors.
    pub fn new(view: StateView, headers: Arc<dyn HeaderReader>) -> Self {
        let ancestors = Mutex::new(vec![view.block_hash()]);
        Self { view, headers, ancestors }
    }

    /// The state underneath.
    pub fn view(&self) -> &StateView {
        &self.view
    }

    /// The hash `depth` blocks above the view's block; walks parents as far as not yet known.
    fn ancestor(&self, depth: usize) -> Option<B256> {
        let mut known = self.ancestors.lock();
        while known.len() <= depth {
            let parent = self.headers.header(known.last()?)?.parent_hash;
            known.push(parent);
        }
        known.get(depth).copied()
    }
}

impl DatabaseRef for StateDb {
    type Error = StateDbError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let Some(Account { nonce, balance, code_hash }) = self.view.account(&address)? else { return Ok(None) };
        Ok(Some(AccountInfo { balance, nonce, code_hash, code: None, ..AccountInfo::default() }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        code_cache::get_or_load(code_hash, || Ok(Bytecode::new_raw(self.view.code(&code_hash)?)))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        Ok(self.view.storage(&address, &slot)?)
    }

    /// Zero for a block that is not there, as geth answers.
    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        let depth = self.view.block_number().checked_sub(number).filter(|depth| *depth < 256);
        Ok(depth.and_then(|depth| self.ancestor(depth as usize)).unwrap_or_default())
    }
}
