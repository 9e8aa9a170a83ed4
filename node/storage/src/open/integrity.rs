//! What opening looks at before the chain may go on: the rows of the newest persisted block, each against the others.
//! A few reads, however long the chain is; `verify` reads everything.

use crate::{
    StorageError,
    base::Base,
    segment::{Position, Reader, decode_block},
    statelog::{self, NodePos},
    tables::{self, CANONICAL, HEADERS, LOCATIONS, META, STATE_ROOTS, TOTAL_DIFFICULTY},
};
use atoll_kv::{Kv, Table};
use atoll_primitives::{B256, SealedHeader, keccak256};
use std::sync::Arc;

/// The block the tables stand on, with the root of its state; all that leads to it, and from it to its state and record, is
/// sound.
pub(super) fn base(persisted: &Base, segments: &Reader) -> Result<(Arc<SealedHeader>, Option<NodePos>), StorageError> {
    let kv = &persisted.kv;
    let hash = tables::decode_hash(&super::meta(kv, tables::META_BASE)?).map_err(|error| error.in_table(META))?;
    let rlp = row(kv, HEADERS, hash.as_slice(), hash)?;
    if keccak256(&rlp) != hash {
        return Err(damaged(HEADERS, hash, "another header"));
    }
    let base = crate::storage::decode_header(hash, &rlp).map_err(|error| error.in_table(HEADERS))?;
    if row(kv, CANONICAL, &base.number.to_be_bytes(), hash)? != hash.as_slice() {
        return Err(damaged(CANONICAL, hash, "another block of its number"));
    }
    row(kv, TOTAL_DIFFICULTY, hash.as_slice(), hash)?;
    row(kv, STATE_ROOTS, &base.number.to_be_bytes(), hash)?;
    let state = persisted.state_root(base.number)?;
    if persisted.root_hash(&state)? != base.state_root {
        return Err(damaged(statelog::NAME, hash, "another state root"));
    }
    let position = row(kv, LOCATIONS, hash.as_slice(), hash)?;
    let position = Position::decode(&position).map_err(|error| error.in_table(LOCATIONS))?;
    let found = decode_block(&segments.read(position)?.1)?.hash;
    if found != hash {
        return Err(damaged(LOCATIONS, hash, "the position of another block"));
    }
    Ok((base, state.root))
}

fn row(kv: &Kv, table: Table, key: &[u8], base: B256) -> Result<Vec<u8>, StorageError> {
    kv.get(table, key)?.ok_or_else(|| damaged(table, base, "no row"))
}

fn damaged(table: Table, base: B256, found: &str) -> StorageError {
    StorageError::corrupt(format!("it has {found} for the newest persisted block, {base}")).in_table(table)
}
