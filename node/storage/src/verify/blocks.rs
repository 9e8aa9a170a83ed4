//! The tables by which blocks are found: the canonical chain from its first block to the base, and
//! the rows of side blocks. It must not know the state.

use super::{Opened, report::Notes, rows::Rows, segments};
use crate::{
    StorageError, logs,
    runs::Tally,
    segment::Position,
    storage::decode_header,
    tables::{self, CANONICAL, HEADERS, LOCATIONS, NUMBERS, TOTAL_DIFFICULTY},
    transactions,
};
use atoll_kv::Table;
use atoll_primitives::{B256, Receipt, RecoveredBlock, SealedHeader, U256, keccak256};
use std::sync::Arc;

/// What the indexes of logs and of transactions have to hold, if they end with the blocks `indexed`; `None` if a block of these
/// cannot be read.
pub(super) fn check(
    opened: &Opened,
    base: &SealedHeader,
    indexed: [Option<u64>; 2],
    notes: &mut Notes<'_>,
) -> Result<Option<[Tally; 2]>, StorageError> {
    notes.begin(CANONICAL.0, base.number + 1);
    let mut parent: Option<Arc<SealedHeader>> = None;
    let (mut tallies, mut read) = ([Tally::default(); 2], 0u64);
    let mut difficulty = U256::ZERO;
    for number in 0..=base.number {
        notes.step(1);
        let Some(hash) = hash_of(opened, number, notes) else {
            parent = None;
            continue;
        };
        let known = [NUMBERS, HEADERS].map(|table| notes.read(table, opened.kv.get(table, hash.as_slice())).flatten());
        if known.iter().all(Option::is_none) {
            notes.fault(CANONICAL.0, format!("block {number} leads to {hash}, which no other table knows"));
            parent = None;
            continue;
        }
        let header = check_header(opened, number, hash, notes);
        if let (Some(header), Some(parent)) = (&header, &parent)
            && header.parent_hash != parent.hash
        {
            notes.fault(CANONICAL.0, format!("block {number} ({hash}) does not follow block {}", parent.hash));
        }
        if let Some(header) = &header {
            let followed = number == 0 || parent.is_some();
            let sum = difficulty.saturating_add(header.difficulty);
            difficulty = check_difficulty(opened, header, followed.then_some(sum), notes);
        }
        if let Some((block, receipts)) = check_record(opened, number, hash, notes) {
            read += 1;
            let found = tally(number, &block, &receipts);
            for ((tally, found), indexed) in tallies.iter_mut().zip(&found).zip(indexed) {
                if indexed.is_some_and(|indexed| number <= indexed) {
                    tally.join(found);
                }
            }
        }
        parent = header;
    }
    if parent.is_some_and(|last| last.hash != base.hash) {
        notes.fault(CANONICAL.0, format!("block {} is not the base, {}", base.number, base.hash));
    }
    check_count(opened, CANONICAL, base.number + 1, notes);
    check_side_blocks(opened, notes);
    Ok((read > base.number).then_some(tallies))
}

/// What the indexes of logs and of transactions hold of a block.
fn tally(number: u64, block: &RecoveredBlock, receipts: &[Receipt]) -> [Tally; 2] {
    let (mut logs, mut hashes) = (Vec::new(), Vec::new());
    logs::postings(number, receipts, &mut logs);
    transactions::postings(number, block, &mut hashes);
    [Tally::of(&logs), Tally::of(&hashes)]
}

/// The row of a number in the table of canonical blocks.
fn hash_of(opened: &Opened, number: u64, notes: &mut Notes<'_>) -> Option<B256> {
    let row = notes.read(CANONICAL, opened.kv.get(CANONICAL, &number.to_be_bytes()))?;
    let Some(row) = row else {
        notes.fault(CANONICAL.0, format!("block {number} has no row"));
        return None;
    };
    notes.sound(CANONICAL.0, tables::decode_hash(&row))
}

fn check_header(opened: &Opened, number: u64, hash: B256, notes: &mut Notes<'_>) -> Option<Arc<SealedHeader>> {
    let stated = notes.read(NUMBERS, opened.kv.get(NUMBERS, hash.as_slice())).flatten();
    if stated.is_none_or(|row| row != number.to_be_bytes()) {
        notes.fault(NUMBERS.0, format!("block {number} ({hash}) has another number or none"));
    }
    let rlp = notes.read(HEADERS, opened.kv.get(HEADERS, hash.as_slice()))?;
    let Some(rlp) = rlp else {
        notes.fault(HEADERS.0, format!("block {number} ({hash}) has no header"));
        return None;
    };
    if keccak256(&rlp) != hash {
        notes.fault(HEADERS.0, format!("the header of block {number} is not {hash}"));
        return None;
    }
    let header = notes.sound(HEADERS.0, decode_header(hash, &rlp))?;
    if header.number != number {
        notes.fault(CANONICAL.0, format!("block {number} leads to {hash}, which is block {}", header.number));
    }
    Some(header)
}

/// The stated total difficulty, against the sum if that is known.
fn check_difficulty(opened: &Opened, header: &SealedHeader, sum: Option<U256>, notes: &mut Notes<'_>) -> U256 {
    let row = notes.read(TOTAL_DIFFICULTY, opened.kv.get(TOTAL_DIFFICULTY, header.hash.as_slice())).flatten();
    let stated = row.and_then(|row| tables::decode_value(&row).ok());
    if stated.is_none() || sum.is_some_and(|sum| stated != Some(sum)) {
        let number = header.number;
        notes.fault(TOTAL_DIFFICULTY.0, format!("block {number} ({}) has another difficulty or none", header.hash));
    }
    sum.or(stated).unwrap_or_default()
}

/// The block that the position of a hash leads to.
fn check_record(
    opened: &Opened,
    number: u64,
    hash: B256,
    notes: &mut Notes<'_>,
) -> Option<(RecoveredBlock, Vec<Receipt>)> {
    let row = notes.read(LOCATIONS, opened.kv.get(LOCATIONS, hash.as_slice())).flatten();
    let Some(position) = row.and_then(|row| Position::decode(&row).ok()) else {
        notes.fault(LOCATIONS.0, format!("block {number} ({hash}) has no position"));
        return None;
    };
    let record = match opened.reader.read(position) {
        Ok((_, payload)) => segments::decode(&payload),
        Err(error) => Err(error),
    };
    match record {
        Ok((block, receipts)) if block.hash == hash => Some((block, receipts)),
        Ok((block, _)) => {
            notes.fault(LOCATIONS.0, format!("the position of block {number} ({hash}) holds block {}", block.hash));
            None
        }
        Err(error) => {
            // Either may be what is wrong.
            for part in [LOCATIONS.0, segments::PART] {
                notes.fault(part, format!("the record of block {number} ({hash}) cannot be read: {}", brief(&error)));
            }
            None
        }
    }
}

/// An error without the advice that the node gives with it.
fn brief(error: &StorageError) -> String {
    match error {
        StorageError::Corrupt { what } => what.clone(),
        error => error.to_string(),
    }
}

/// Whether a table has as many rows as it should: those that should be there were looked up.
fn check_count(opened: &Opened, table: Table, expected: u64, notes: &mut Notes<'_>) {
    notes.begin(table.0, expected);
    let (mut rows, mut count) = (Rows::new(&opened.kv, table), 0u64);
    while rows.next(notes).is_some() {
        count += 1;
    }
    if count > expected {
        notes.fault(table.0, format!("{} rows belong to no canonical block", count - expected));
    }
}

/// Blocks are found by their hash in four tables: each has the same keys.
fn check_side_blocks(opened: &Opened, notes: &mut Notes<'_>) {
    notes.begin(HEADERS.0, None);
    let mut all = [HEADERS, NUMBERS, TOTAL_DIFFICULTY, LOCATIONS].map(|table| (table, Rows::new(&opened.kv, table)));
    loop {
        let lowest = all.iter_mut().filter_map(|(_, rows)| rows.peek(notes).map(|(key, _)| key.clone())).min();
        let Some(key) = lowest else { return };
        let hash = segments::hash_of(&key).unwrap_or_default();
        let mut found = Vec::with_capacity(all.len());
        for (table, rows) in &mut all {
            if rows.peek(notes).is_none_or(|(next, _)| *next != key) {
                continue;
            }
            found.push(*table);
            let row = rows.next(notes);
            if *table == HEADERS && row.is_some_and(|(_, rlp)| keccak256(rlp).as_slice() != key) {
                notes.fault(HEADERS.0, format!("a header is stored under {hash} and has another hash"));
            }
        }
        match found.as_slice() {
            found if found.len() == all.len() => check_side_block(opened, hash, notes),
            [table] => notes.fault(table.0, format!("block {hash} is in no other table")),
            found => {
                for (table, _) in all.iter().filter(|(table, _)| !found.contains(table)) {
                    notes.fault(table.0, format!("block {hash} has no row"));
                }
            }
        }
    }
}

/// A block that is not canonical: its rows against each other and its parent's.
fn check_side_block(opened: &Opened, hash: B256, notes: &mut Notes<'_>) {
    let rlp = notes.read(HEADERS, opened.kv.get(HEADERS, hash.as_slice())).flatten().unwrap_or_default();
    // A damaged header is named by whoever came by its row.
    let Ok(header) = decode_header(hash, &rlp) else { return };
    let number = header.number;
    let canonical = notes.read(CANONICAL, opened.kv.get(CANONICAL, &number.to_be_bytes())).flatten();
    if canonical.is_some_and(|canonical| canonical == hash.as_slice()) || keccak256(&rlp) != hash {
        return;
    }
    check_header(opened, number, hash, notes);
    let parent = opened.kv.get(TOTAL_DIFFICULTY, header.parent_hash.as_slice());
    let parent = notes.read(TOTAL_DIFFICULTY, parent).flatten().and_then(|row| tables::decode_value(&row).ok());
    check_difficulty(opened, &header, parent.map(|parent| parent.saturating_add(header.difficulty)), notes);
    check_record(opened, number, hash, notes);
}
