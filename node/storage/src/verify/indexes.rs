//! The indexes of logs, transactions and addresses: every row against the run it belongs to, the runs against each other, and
//! what the first two hold against what the blocks make. Whom a transaction involves only executing it could tell: the index of
//! addresses is checked against the sums it was written with.

use super::{Opened, report::Notes, rows::Rows};
use crate::{
    StorageError, TxPlace,
    runs::{Run, Tally, visit_row},
    tables::{self, ADDRESS_INDEX, ADDRESS_RUNS, LOG_INDEX, LOG_RUNS, TX_INDEX, TX_RUNS},
};
use atoll_kv::Table;
use atoll_primitives::SealedHeader;
use std::collections::BTreeMap;

/// The runs of an index that are in use. Those that a merge replaced go when the directory is opened.
pub(super) struct Runs {
    by_id: BTreeMap<u64, (Run, bool)>,
    directory: Table,
}

impl Runs {
    fn live(&self) -> impl Iterator<Item = &Run> {
        self.by_id.values().filter(|(_, retired)| !retired).map(|(run, _)| run)
    }

    /// The last place they cover.
    pub fn end(&self) -> Option<u64> {
        self.live().map(|run| run.last).max()
    }
}

/// The runs of the indexes of logs and of transactions. One that ends below the base is completed when the directory is opened.
pub(super) fn runs(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) -> [Runs; 2] {
    let (first, last) = tx_places(base);
    let logs = read_runs(opened, LOG_RUNS, 1, base.number, notes);
    [logs, read_runs(opened, TX_RUNS, first, last, notes)]
}

/// The last blocks they cover.
pub(super) fn ends([logs, transactions]: &[Runs; 2]) -> [Option<u64>; 2] {
    [logs.end(), transactions.end().map(|end| TxPlace::decode(end).block)]
}

fn tx_places(base: &SealedHeader) -> (u64, u64) {
    (TxPlace::first_of(1).encode(), TxPlace::last_of(base.number).encode())
}

/// `made` is what the indexes have to hold: of all canonical blocks up to their ends, unless some could not be read.
pub(super) fn check(
    opened: &Opened,
    base: &SealedHeader,
    runs: &[Runs; 2],
    made: Option<[Tally; 2]>,
    notes: &mut Notes<'_>,
) {
    for (which, table) in [LOG_INDEX, TX_INDEX].into_iter().enumerate() {
        let found = read_rows(opened, table, &runs[which], notes);
        if let Some(made) = made.map(|made| made[which]).filter(|made| *made != found) {
            let (found, made) = (found.postings, made.postings);
            notes.fault(table.0, format!("{found} postings are not the {made} that the blocks make"));
        }
    }
    let (first, last) = tx_places(base);
    let runs = read_runs(opened, ADDRESS_RUNS, first, last, notes);
    read_rows(opened, ADDRESS_INDEX, &runs, notes);
}

/// The list of runs: those in use follow each other from `first` on and end at `last` or before.
fn read_runs(opened: &Opened, directory: Table, first: u64, last: u64, notes: &mut Notes<'_>) -> Runs {
    notes.begin(directory.0, None);
    let mut runs = Runs { by_id: BTreeMap::new(), directory };
    let mut rows = Rows::new(&opened.kv, directory);
    while let Some((id, row)) = rows.next(notes) {
        let run = Run::decode(&id, &row).and_then(|run| Ok((tables::decode_u64(&id)?, run)));
        runs.by_id.extend(notes.sound(directory.0, run));
    }
    let mut next = first;
    let mut live: Vec<&Run> = runs.live().collect();
    live.sort_unstable_by_key(|run| run.first);
    for run in live {
        if run.first != next {
            notes.fault(directory.0, format!("a run begins at {}, not at {next}", run.first));
        }
        next = run.last.saturating_add(1);
    }
    if runs.end().is_some_and(|end| end > last) {
        notes.fault(directory.0, format!("the runs end at {:?}, behind {last}", runs.end()));
    }
    // The run that replaced it covers as much.
    for (run, _) in runs.by_id.values().filter(|(run, retired)| *retired && runs.end() < Some(run.last)) {
        notes.fault(directory.0, format!("the run from {} to {} was replaced by none", run.first, run.last));
    }
    runs
}

/// The postings of all runs in use.
fn read_rows(opened: &Opened, table: Table, runs: &Runs, notes: &mut Notes<'_>) -> Tally {
    notes.begin(table.0, None);
    let mut rows = Rows::new(&opened.kv, table);
    let mut found: BTreeMap<u64, Tally> = BTreeMap::new();
    while let Some((key, row)) = rows.next(notes) {
        let id = key.get(..8).ok_or_else(|| StorageError::corrupt("a key that is too short"));
        let Some(id) = notes.sound(table.0, id.and_then(tables::decode_u64)) else { continue };
        let Some((run, retired)) = runs.by_id.get(&id) else {
            // Either may be what is wrong.
            for part in [table.0, runs.directory.0] {
                notes.fault(part, format!("rows of run {id} are there, and the run is not listed"));
            }
            continue;
        };
        let tally = found.entry(id).or_default();
        let visited = visit_row(&key, &row, run.first, |posting| {
            tally.add(&posting);
            posting.at > run.last
        });
        if notes.sound(table.0, visited) == Some(true) && !retired {
            notes.fault(table.0, format!("run {id} names a place behind its end, {}", run.last));
        }
    }
    let mut all = Tally::default();
    for (id, (run, _)) in runs.by_id.iter().filter(|(_, (_, retired))| !retired) {
        let tally = found.remove(id).unwrap_or_default();
        all.join(&tally);
        if tally != run.tally {
            let (found, stated) = (tally.postings, run.tally.postings);
            for part in [table.0, runs.directory.0] {
                notes.fault(part, format!("run {id}: {found} postings are not the {stated} it was written with"));
            }
        }
    }
    all
}
