//! The history of the state: change sets against the rows of the history, and both against the state roots of older
//! blocks, which are computed from them over the base's tries.

use super::{
    Opened,
    report::Notes,
    rows::Rows,
    state::{Nodes, Sum},
};
use crate::{
    StorageError,
    past::Past,
    storage::decode_header,
    tables::{self, ACCOUNT_HISTORY, CANONICAL, CHANGE_SETS, ChangeSet, HEADERS, History, SLOT_HISTORY},
    trie::{self, Parent},
};
use atoll_kv::Table;
use atoll_primitives::SealedHeader;

/// Keys read for state roots altogether, at the most: a short history is checked at every block, of a long one as many
/// blocks as this allows, evenly spread.
const BUDGET: u64 = 1_000_000;
/// Blocks whose state roots are computed of even the longest history.
const FEWEST: u64 = 8;

pub(super) fn check(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) -> Result<(), StorageError> {
    let pruned = match notes.read(tables::META, opened.kv.get(tables::META, tables::META_PRUNED)).flatten() {
        Some(row) => notes.sound(tables::META.0, tables::decode_u64(&row)).unwrap_or_default(),
        None => 0,
    };
    let before = notes.count();
    let (accounts, slots) = sum_change_sets(opened, base, pruned, notes);
    for (table, sets) in [(ACCOUNT_HISTORY, accounts), (SLOT_HISTORY, slots)] {
        let rows = sum_history(opened, table, pruned, notes);
        if rows != sets {
            let (rows, sets) = (rows.entries, sets.entries);
            notes.fault(table.0, format!("{rows} former values are not those of the {sets} changes"));
            notes.fault(
                CHANGE_SETS.0,
                format!("{sets} changes are not those of the {rows} former values in {}", table.0),
            );
        }
    }
    if notes.count() == before {
        check_roots(opened, base, pruned, notes);
    }
    Ok(())
}

/// The keys all blocks changed: accounts, and slots.
fn sum_change_sets(opened: &Opened, base: &SealedHeader, pruned: u64, notes: &mut Notes<'_>) -> (Sum, Sum) {
    let (mut accounts, mut slots) = (Sum::default(), Sum::default());
    notes.begin(CHANGE_SETS.0, base.number - pruned.min(base.number));
    let (mut rows, mut next) = (Rows::new(&opened.kv, CHANGE_SETS), pruned + 1);
    while let Some((key, value)) = rows.next(notes) {
        let decoded = tables::decode_u64(&key).and_then(|number| Ok((number, ChangeSet::decode(&value)?)));
        let Some((number, set)) = notes.sound(CHANGE_SETS.0, decoded) else { continue };
        if number != next || number > base.number {
            notes.fault(CHANGE_SETS.0, format!("a row for block {number} where that of block {next} should be"));
        }
        next = number + 1;
        for address in &set.accounts {
            accounts.add(&[address.as_slice(), &key]);
        }
        for (address, slot) in &set.slots {
            slots.add(&[&tables::slot_key(address, slot), &key]);
        }
    }
    if next <= base.number {
        notes.fault(CHANGE_SETS.0, format!("blocks {next} to {} have no row", base.number));
    }
    (accounts, slots)
}

/// The keys and blocks of a history table.
fn sum_history(opened: &Opened, table: Table, pruned: u64, notes: &mut Notes<'_>) -> Sum {
    let mut sum = Sum::default();
    notes.begin(table.0, None);
    let mut rows = Rows::new(&opened.kv, table);
    while let Some((key, value)) = rows.next(notes) {
        let Some(history) = notes.sound(table.0, History::decode(&value)) else { continue };
        let (subject, last) = key.split_at(key.len().saturating_sub(8));
        if history.last().is_none_or(|block| block.to_be_bytes() != last) {
            notes.fault(table.0, "a row does not end with the block its key names".to_owned());
        }
        // Of a row that is not wholly pruned the older values are still there.
        for block in history.blocks().filter(|block| *block > pruned) {
            sum.add(&[subject, &block.to_be_bytes()]);
        }
    }
    sum
}

/// Goes back block by block and computes state roots on the way.
fn check_roots(opened: &Opened, base: &SealedHeader, pruned: u64, notes: &mut Notes<'_>) {
    let mut past = Past::new(&opened.kv, base.number);
    // First only the keys, to see how many there are.
    let mut lowest = base.number;
    while lowest > pruned && past.keys() < BUDGET {
        if notes.sound(CHANGE_SETS.0, past.step_back()).is_none() {
            return;
        }
        lowest -= 1;
    }
    let samples = (BUDGET / past.keys().max(1)).max(FEWEST);
    let stride = ((base.number - lowest) / samples).max(1);
    notes.begin("state roots", (base.number - lowest) / stride);
    let mut past = Past::new(&opened.kv, base.number);
    for number in (lowest..base.number).rev() {
        if notes.sound(CHANGE_SETS.0, past.step_back()).is_none() {
            return;
        }
        if (number - lowest).is_multiple_of(stride) {
            notes.step(1);
            check_root(opened, base, number, &past, notes);
        }
    }
}

fn check_root(opened: &Opened, base: &SealedHeader, number: u64, past: &Past<'_>, notes: &mut Notes<'_>) {
    let root_of = |changes| trie::state_root(&Nodes(&opened.kv), base.state_root, &changes, Parent::Stays);
    let computed = past.changes().and_then(root_of);
    let Some((root, _)) = notes.sound(ACCOUNT_HISTORY.0, computed) else { return };
    let hash = notes.read(CANONICAL, opened.kv.get(CANONICAL, &number.to_be_bytes())).flatten();
    let Some(hash) = hash.and_then(|hash| tables::decode_hash(&hash).ok()) else { return };
    let rlp = notes.read(HEADERS, opened.kv.get(HEADERS, hash.as_slice())).flatten().unwrap_or_default();
    // What else is wrong with them was said before.
    let Ok(header) = decode_header(hash, &rlp) else { return };
    if header.state_root != root {
        for table in [ACCOUNT_HISTORY, SLOT_HISTORY] {
            notes.fault(
                table.0,
                format!("they lead to state root {root} of block {number}, not to {}", header.state_root),
            );
        }
    }
}
