//! Reads a whole data directory and says what in it does not fit: every record of the segments, every row of the
//! tables, and each against the others. It changes nothing, and must not know how damage is mended.

mod blocks;
mod indexes;
mod report;
mod rows;
mod segments;
mod state;

pub use report::{Fault, Progress, Report};

use crate::{
    StorageError,
    open::{STATE, lock, open_tables},
    segment::Reader,
    statelog::StateLog,
    storage::decode_header,
    tables,
};
use atoll_kv::Kv;
use atoll_primitives::{ChainSpec, SealedHeader, keccak256};
use report::Notes;
use std::{path::Path, sync::Arc};

/// What the checks read from.
pub(crate) struct Opened {
    pub kv: Kv,
    pub reader: Reader,
    pub log: StateLog,
}

/// Checks the data directory `dir`, which no process may have open. `progress` hears how far it is, often.
///
/// # Errors
/// Only what keeps it from checking at all: the directory is locked or is none, or the tables' file does not open.
/// What it finds damaged is in the report.
pub fn verify(
    dir: &Path,
    spec: &ChainSpec,
    cache_bytes: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, StorageError> {
    let _lock = lock(dir)?;
    let kv = open_tables(dir, None, cache_bytes)?;
    let log = StateLog::read_only(&dir.join(STATE), cache_bytes);
    let opened = Opened { kv, reader: Reader::new(&dir.join("segments")), log };
    let mut notes = Notes::new(progress);
    segments::check(&opened, &mut notes)?;
    if let Some(base) = base(&opened.kv, spec, &mut notes)? {
        let runs = indexes::runs(&opened, &base, &mut notes);
        let made = blocks::check(&opened, &base, indexes::ends(&runs), &mut notes)?;
        indexes::check(&opened, &base, &runs, made, &mut notes);
        state::check(&opened, &base, &mut notes);
    }
    Ok(notes.into_report())
}

/// The block the tables stand on, if the rows that lead to it are sound.
fn base(kv: &Kv, spec: &ChainSpec, notes: &mut Notes<'_>) -> Result<Option<Arc<SealedHeader>>, StorageError> {
    notes.begin(tables::META.0, 5u64);
    let mut row = |key: &[u8]| {
        let row = notes.read(tables::META, kv.get(tables::META, key)).flatten();
        if row.is_none() {
            notes.fault(tables::META.0, format!("row `{}` is missing", String::from_utf8_lossy(key)));
        }
        row
    };
    let (schema, genesis) = (row(tables::META_SCHEMA), row(tables::META_GENESIS));
    let (base, journal) = (row(tables::META_BASE), row(tables::META_JOURNAL));
    let expected = spec.genesis_header().hash;
    if genesis.is_some_and(|found| found != expected.as_slice()) {
        notes.fault(tables::META.0, format!("row `genesis` is not {expected}"));
    }
    if schema.is_some_and(|found| found != tables::SCHEMA.to_be_bytes()) {
        notes.fault(tables::META.0, format!("row `schema` is not {}", tables::SCHEMA));
    }
    if journal.is_some_and(|found| crate::segment::Position::decode(&found).is_err()) {
        notes.fault(tables::META.0, "row `journal` is no position in the segments".into());
    }
    let Some(hash) = base else { return Ok(None) };
    let Ok(hash) = tables::decode_hash(&hash) else {
        notes.fault(tables::META.0, "row `base` is no hash".into());
        return Ok(None);
    };
    let rlp = notes.read(tables::HEADERS, kv.get(tables::HEADERS, hash.as_slice())).flatten().unwrap_or_default();
    match decode_header(hash, &rlp) {
        Ok(header) if keccak256(&rlp) == hash => Ok(Some(header)),
        _ => {
            notes.fault(tables::HEADERS.0, format!("the header of the base, {hash}, is missing or damaged"));
            Ok(None)
        }
    }
}
