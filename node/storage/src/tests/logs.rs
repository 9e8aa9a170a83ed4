//! The log index against a walk over all blocks: while blocks come, fork, are flushed and unwound, after restarts,
//! and after the index itself was lost.

use super::harness::*;
use crate::{BlockLogs, DbEngine, LogQuery, Storage, StorageError, tables};
use atoll_kv::Batch;
use atoll_primitives::{Address, B256, Log};
use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

fn query(addresses: &[u64], topics: [&[u64]; 4]) -> LogQuery {
    LogQuery {
        addresses: addresses.iter().map(|n| address(*n)).collect(),
        topics: topics.map(|position| position.iter().map(|n| topic(*n)).collect()),
        min_topics: 0,
    }
}

/// Everything, one value, lists, positions, a topic that needs to be there, nothing at all.
fn queries() -> Vec<LogQuery> {
    vec![
        LogQuery::default(),
        query(&[1], [&[], &[], &[], &[]]),
        query(&[0, 2], [&[3], &[], &[], &[]]),
        query(&[], [&[1, 4], &[], &[2], &[]]),
        query(&[2], [&[], &[5], &[], &[0, 1, 2, 3, 4]]),
        LogQuery { min_topics: 3, ..query(&[], [&[2], &[], &[], &[]]) },
        LogQuery { min_topics: 4, ..LogQuery::default() },
        query(&[9], [&[], &[], &[], &[]]),
        query(&[1], [&[99], &[], &[], &[]]),
    ]
}

fn search(storage: &Storage, query: &LogQuery, range: RangeInclusive<u64>, step: usize) -> Vec<BlockLogs> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut scan = storage.scan_logs(query, range);
    let mut found = Vec::new();
    while let Some(numbers) = scan.next_blocks(step, deadline).unwrap() {
        for hash in storage.canonical_hashes(&numbers).unwrap() {
            found.extend(storage.logs(&hash, query).unwrap());
        }
    }
    found.retain(|block| !block.logs.is_empty());
    found
}

/// What a query finds by walking the chain: hash of the block and of the transaction, both indexes, the log.
type Row = (B256, B256, u32, u32, Log);

fn walk(blocks: &Blocks, head: &B256, query: &LogQuery, range: &RangeInclusive<u64>) -> Vec<Row> {
    let mut found: Vec<Vec<Row>> = Vec::new();
    let mut at = *head;
    while at != blocks.genesis {
        let (executed, _) = &blocks.known[&at];
        let mut rows = Vec::new();
        let mut log_index = 0;
        let transactions = executed.block.block.body.transactions.iter().zip(executed.receipts.iter());
        for (index, (tx, receipt)) in (0..).zip(transactions) {
            for log in receipt.logs() {
                if query.matches(&log.address, log.topics()) {
                    rows.push((at, *tx.tx_hash(), index, log_index, log.clone()));
                }
                log_index += 1;
            }
        }
        if range.contains(&executed.block.number()) {
            found.push(rows);
        }
        at = executed.block.header().parent_hash;
    }
    found.into_iter().rev().flatten().collect()
}

/// The storage finds what a walk over the chain finds.
pub fn check_logs(blocks: &Blocks, storage: &Storage, head: &B256) {
    let end = storage.head_number();
    for query in queries() {
        for (range, step) in [(0..=end, 1), (end / 3..=end / 2, 7), (1..=end, 1000)] {
            let rows = |block: BlockLogs| {
                let row = move |found: crate::FoundLog| {
                    (block.hash, found.transaction_hash, found.transaction_index, found.log_index, found.log)
                };
                block.logs.into_iter().map(row)
            };
            let found: Vec<Row> = search(storage, &query, range.clone(), step).into_iter().flat_map(rows).collect();
            assert_eq!(found, walk(blocks, head, &query, &range), "{query:?} in {range:?}");
        }
    }
}

#[test]
fn a_log_knows_its_block_and_transaction_flushed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    (0..40).for_each(|seed| head = blocks.extend(&storage, &head, seed));
    let before = search(&storage, &LogQuery::default(), 0..=40, 9);
    assert!(before.iter().map(|block| block.logs.len()).sum::<usize>() > 20);
    storage.flush_all().unwrap();
    assert_eq!(search(&storage, &LogQuery::default(), 0..=40, 9), before, "memory and segments tell the same");
    check_logs(&blocks, &storage, &head);
    // From the cache now.
    check_logs(&blocks, &storage, &head);
}

#[test]
fn a_lost_index_is_built_again_at_opening() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let mut blocks = Blocks::new();
        let storage = open(dir.path(), engine);
        let mut head = blocks.genesis;
        (0..60).for_each(|seed| head = blocks.extend(&storage, &head, seed));
        storage.flush_all().unwrap();
        let expected = search(&storage, &LogQuery::default(), 0..=60, 100);
        let kv = storage.inner.base.kv.clone();
        drop(storage);
        let mut batch = Batch::new();
        for table in [tables::LOG_INDEX, tables::LOG_RUNS] {
            let rows = kv.range(table, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, false, usize::MAX);
            rows.unwrap().into_iter().for_each(|(key, _)| batch.delete(table, key));
        }
        kv.write(batch).unwrap();
        drop(kv);
        let storage = open(dir.path(), engine);
        blocks.restore(&storage);
        assert_eq!(search(&storage, &LogQuery::default(), 0..=60, 100), expected);
        storage.rebuild_log_index().unwrap();
        check_logs(&blocks, &storage, &head);
        // And it goes on from there.
        (60..70).for_each(|seed| head = blocks.extend(&storage, &head, seed));
        storage.flush_all().unwrap();
        check_logs(&blocks, &storage, &head);
    }
}

#[test]
fn a_query_that_is_out_of_time_stops_and_can_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    (0..30).for_each(|seed| head = blocks.extend(&storage, &head, seed));
    storage.flush_all().unwrap();
    let mut scan = storage.scan_logs(&LogQuery::default(), 0..=30);
    assert_eq!(scan.next_blocks(100, Instant::now()).unwrap(), Some(vec![]), "no time, no blocks, and not the end");
    let later = Instant::now() + Duration::from_secs(60);
    assert!(!scan.next_blocks(100, later).unwrap().unwrap().is_empty());
    assert_eq!(scan.next_blocks(100, later).unwrap(), None);
}

#[test]
fn a_block_nobody_knows_has_no_logs_and_damage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    assert_eq!(storage.logs(&B256::repeat_byte(9), &LogQuery::default()).unwrap(), None);
    for record in [&[][..], &[0xc0], &[0xc2, 0xc1, 0xc0], &[0xf8]] {
        let visited = crate::segment::visit_logs(record, |_| Ok(()));
        assert!(matches!(visited, Err(StorageError::Corrupt { .. })), "{record:?}");
    }
}

#[test]
fn an_unwound_index_holds_nothing_that_is_not_canonical() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    let mut hashes = vec![head];
    for seed in 0..50 {
        head = blocks.extend(&storage, &head, seed);
        hashes.push(head);
        if seed % 5 == 0 {
            storage.flush().unwrap();
        }
    }
    storage.flush_all().unwrap();
    storage.unwind(&hashes[20]).unwrap();
    assert_eq!(storage.inner.log_index.end(), Some(20));
    let anyone = LogQuery {
        addresses: (0..3).map(address).collect::<Vec<Address>>().into_iter().collect(),
        ..LogQuery::default()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let beyond = storage.scan_logs(&anyone, 21..=60).next_blocks(100, deadline).unwrap();
    assert_eq!(beyond, Some(vec![]));
    head = hashes[20];
    (100..130).for_each(|seed| head = blocks.extend(&storage, &head, seed));
    storage.flush_all().unwrap();
    check_logs(&blocks, &storage, &head);
}

#[test]
fn a_digest_tells_queries_apart() {
    let mut queries = queries();
    // The same values in other places, and a value more.
    queries.extend([
        query(&[], [&[1], &[], &[], &[]]),
        query(&[], [&[], &[1], &[], &[]]),
        query(&[], [&[1], &[2], &[], &[]]),
        query(&[], [&[1, 2], &[], &[], &[]]),
        query(&[1, 2], [&[], &[], &[], &[]]),
    ]);
    for (i, one) in queries.iter().enumerate() {
        for (j, other) in queries.iter().enumerate() {
            assert_eq!(one.digest() == other.digest(), i == j, "{one:?} {other:?}");
        }
    }
    let ascending: Vec<u64> = (0..50).collect();
    let descending: Vec<u64> = (0..50).rev().collect();
    let all = |values: &[u64]| query(values, [values, &[], &[], &[]]).digest();
    assert_eq!(all(&ascending), all(&descending));
}
