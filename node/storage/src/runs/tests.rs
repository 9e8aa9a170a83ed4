//! Random runs, merges and cuts against plain sets.

use super::*;
use crate::{DbEngine, tests::harness::Rng};
use std::collections::BTreeSet;

const DIRECTORY: Table = Table("directory");
const ROWS: Table = Table("rows");

type Model = BTreeSet<(u64, u64)>;

fn open(dir: &std::path::Path, engine: DbEngine) -> Kv {
    Kv::open(dir, engine, &[DIRECTORY, ROWS], 1 << 20).unwrap()
}

fn add(index: &RunIndex, kv: &Kv, first: u64, last: u64, postings: Vec<Posting>) {
    let mut batch = Batch::new();
    let staged = index.add(kv, first, last, postings, &mut batch).unwrap();
    kv.write(batch).unwrap();
    index.publish(staged);
}

fn truncate(index: &RunIndex, kv: &Kv, end: Option<u64>) {
    let mut batch = Batch::new();
    let staged = index.truncate(kv, end, &mut batch).unwrap();
    kv.write(batch).unwrap();
    index.publish(staged);
}

/// Every place of a key, forwards, from each of some starts.
fn assert_same(index: &RunIndex, kv: &Kv, model: &Model, keys: u64) {
    let snapshot = index.snapshot();
    let end = index.end().unwrap_or(0);
    for key in 0..keys {
        for from in [0, end / 3, end / 2 + 1, end + 1] {
            let mut cursor = Cursor::new(key);
            let mut found = Vec::new();
            let mut target = from;
            while let Some(at) = cursor.seek(index, kv, &snapshot, target).unwrap() {
                found.push(at);
                target = at + 1;
            }
            let expected: Vec<u64> = model.range((key, from)..=(key, u64::MAX)).map(|(_, at)| *at).collect();
            assert_eq!(found, expected, "key {key} from {from} of {end}");

            let (mut back, mut target) = (Vec::new(), Some(from));
            while let Some(at) = target {
                let places = index.places_before(kv, &snapshot, key, at).unwrap();
                let Some(last) = places.last() else { break };
                target = last.checked_sub(1);
                back.extend(places);
            }
            let expected: Vec<u64> = model.range((key, 0)..=(key, from)).rev().map(|(_, at)| *at).collect();
            assert_eq!(back, expected, "key {key} back from {from} of {end}");
        }
    }
    assert!(index.holds(&snapshot));
}

#[test]
fn runs_merges_and_cuts_agree_with_sets() {
    for engine in [DbEngine::Redb, DbEngine::Sled] {
        let dir = tempfile::tempdir().unwrap();
        let kv = open(dir.path(), engine);
        let mut index = RunIndex::open(&kv, DIRECTORY, ROWS).unwrap();
        let (mut model, mut rng, mut end) = (Model::new(), Rng(9), 0);
        for step in 0..300 {
            match rng.below(20) {
                0 => {
                    end = rng.below(end + 1);
                    truncate(&index, &kv, Some(end));
                    model.retain(|(_, at)| *at <= end);
                    if index.end().is_none() {
                        end = 0;
                    }
                }
                1 => index = RunIndex::open(&kv, DIRECTORY, ROWS).unwrap(),
                _ => {
                    let last = end + 1 + rng.below(40);
                    // Key 0 is everywhere, the last ones are rare; some come twice.
                    let postings: Vec<Posting> = (end + 1..=last)
                        .flat_map(|at| [(0, at), (1 + rng.below(40) * rng.below(2), at), (0, at)])
                        .map(|(key, at)| Posting { key, at })
                        .collect();
                    model.extend(postings.iter().map(|posting| (posting.key, posting.at)));
                    add(&index, &kv, end + 1, last, postings);
                    end = last;
                }
            }
            if step % 20 == 19 {
                assert_same(&index, &kv, &model, 42);
            }
        }
        let runs = index.snapshot().runs.len();
        assert!(runs < 40, "{runs} runs: they merge");
        truncate(&index, &kv, None);
        assert_eq!(index.end(), None);
        assert_eq!(kv.range(ROWS, Bound::Unbounded, Bound::Unbounded, false, 9).unwrap(), []);
        assert_eq!(kv.range(DIRECTORY, Bound::Unbounded, Bound::Unbounded, false, 9).unwrap(), []);
    }
}

#[test]
fn a_reader_notices_when_its_rows_may_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(dir.path(), DbEngine::Redb);
    let index = RunIndex::open(&kv, DIRECTORY, ROWS).unwrap();
    let posting = |at| vec![Posting { key: 5, at }];
    (1..8).for_each(|at| add(&index, &kv, at, at, posting(at)));
    let old = index.snapshot();
    // The eighth run merges all of them. Their rows stay for the reader of before.
    add(&index, &kv, 8, 8, posting(8));
    assert_eq!((old.runs.len(), index.snapshot().runs.len()), (7, 1));
    assert_eq!(Cursor::new(5).seek(&index, &kv, &old, 3).unwrap(), Some(3));
    assert!(index.holds(&old));
    add(&index, &kv, 9, 9, posting(9));
    assert_eq!(Cursor::new(5).seek(&index, &kv, &old, 3).unwrap(), None);
    assert!(!index.holds(&old), "the rows are gone, and the reader is told");

    let old = index.snapshot();
    truncate(&index, &kv, Some(4));
    assert!(!index.holds(&old), "a cut deletes at once");

    let old = index.snapshot();
    drop(index.truncate(&kv, Some(2), &mut Batch::new()).unwrap());
    index.withdraw();
    assert!(index.holds(&old), "a cut that failed took nothing away");
}

#[test]
fn a_change_that_was_not_committed_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let kv = open(dir.path(), DbEngine::Redb);
    let index = RunIndex::open(&kv, DIRECTORY, ROWS).unwrap();
    for at in 1..=8 {
        let failed = index.add(&kv, at, at, vec![Posting { key: 1, at }], &mut Batch::new()).unwrap();
        drop(failed);
        index.withdraw();
        add(&index, &kv, at, at, vec![Posting { key: 1, at }]);
    }
    assert_same(&index, &kv, &(1..=8).map(|at| (1, at)).collect(), 2);
    let gap = index.add(&kv, 10, 11, vec![], &mut Batch::new());
    assert!(matches!(gap, Err(StorageError::Corrupt { .. })), "runs follow each other");
}
