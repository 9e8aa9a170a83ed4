//! Filters over hand-made blocks: what is collected, what a reorganisation does, what is dropped.

use super::*;
use alloy_rpc_types_eth::Log;
use atoll_primitives::{
    Address, Block, Bytes, Header, Receipt, RecoveredBlock,
    consensus::{self, Signed, TxLegacy},
    primitives::{LogData, Signature},
};
use serde_json::json;

const EXPIRY: Duration = Duration::from_secs(300);

fn block(number: u64, seed: u8, emitter: Address) -> (Arc<RecoveredBlock>, Arc<Vec<Receipt>>) {
    let header = Header { number, extra_data: Bytes::from(vec![seed]), ..Header::default() };
    let signed = Signed::new_unhashed(TxLegacy { nonce: number, ..TxLegacy::default() }, Signature::test_signature());
    let body = atoll_primitives::BlockBody { transactions: vec![signed.into()], ..Default::default() };
    let block = Block { header, body };
    let block = RecoveredBlock { hash: block.header.hash_slow(), block, senders: vec![Address::ZERO] };
    let log = atoll_primitives::Log {
        address: emitter,
        data: LogData::new_unchecked(vec![B256::repeat_byte(seed)], Bytes::new()),
    };
    let receipt = consensus::Receipt { status: true.into(), cumulative_gas_used: 21_000, logs: vec![log] };
    (Arc::new(block), Arc::new(vec![Receipt::Legacy(receipt.with_bloom())]))
}

fn criteria(json: serde_json::Value) -> LogFilter {
    serde_json::from_value(json).unwrap()
}

fn logs(changes: Changes) -> Vec<Log> {
    match changes {
        Changes::Logs(logs) => logs.iter().map(|log| log.log.clone()).collect(),
        _ => panic!("not a log filter"),
    }
}

#[test]
fn log_filter_follows_a_reorganisation() {
    let (mine, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let (filters, now) = (Filters::new(4, EXPIRY), Instant::now());
    let id = filters.add_logs(criteria(json!({ "address": mine })), now).unwrap();
    let first = block(1, 7, mine);
    filters.on_head(&HeadUpdate::new(vec![], vec![first.clone(), block(2, 8, other)]));
    let found = logs(filters.poll(&id, now).unwrap());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].block_number, found[0].log_index, found[0].removed), (Some(1), Some(0), false));
    assert!(logs(filters.poll(&id, now).unwrap()).is_empty(), "a poll takes what it returns");

    filters.on_head(&HeadUpdate::new(vec![first.clone()], vec![block(1, 9, mine)]));
    let found = logs(filters.poll(&id, now).unwrap());
    let summary: Vec<_> = found.iter().map(|log| (log.removed, log.block_hash == Some(first.0.hash))).collect();
    assert_eq!(summary, [(true, true), (false, false)]);
}

#[test]
fn ranges_and_topics_are_respected() {
    let (emitter, now) = (Address::repeat_byte(1), Instant::now());
    let filters = Filters::new(4, EXPIRY);
    let late = filters.add_logs(criteria(json!({ "fromBlock": "0x5" })), now).unwrap();
    let topic = filters.add_logs(criteria(json!({ "topics": [B256::repeat_byte(3)] })), now).unwrap();
    filters.on_head(&HeadUpdate::new(vec![], vec![block(4, 3, emitter), block(5, 4, emitter)]));
    assert_eq!(logs(filters.poll(&late, now).unwrap())[0].block_number, Some(5));
    assert_eq!(logs(filters.poll(&topic, now).unwrap())[0].block_number, Some(4));
}

#[test]
fn unpolled_filters_expire_and_their_number_is_bounded() {
    let (filters, start) = (Filters::new(2, EXPIRY), Instant::now());
    let old = filters.add_blocks(start).unwrap();
    let later = start + EXPIRY / 2;
    let young = filters.add_blocks(later).unwrap();
    assert!(matches!(filters.add_blocks(later), Err(RpcError::TooManyFilters { limit: 2 })));
    filters.expire(start + EXPIRY);
    assert!(matches!(filters.poll(&old, start + EXPIRY), Err(RpcError::FilterNotFound)));
    let update = HeadUpdate::new(vec![], vec![block(1, 1, Address::ZERO)]);
    filters.on_head(&update);
    assert!(matches!(filters.poll(&young, later).unwrap(), Changes::Hashes(hashes) if hashes.len() == 1));
    assert!(filters.remove(&young) && !filters.remove(&young));
}

#[test]
fn a_filter_that_overflows_is_dropped() {
    let (filters, now) = (Filters::new(2, EXPIRY), Instant::now());
    let id = filters.add_blocks(now).unwrap();
    let update = HeadUpdate::new(vec![], (0..1000).map(|number| block(number, 0, Address::ZERO)).collect());
    for _ in 0..MAX_ITEMS / 1000 {
        filters.on_head(&update);
    }
    assert!(!filters.is_empty(), "exactly full is still served");
    filters.on_head(&update);
    assert!(matches!(filters.poll(&id, now), Err(RpcError::FilterNotFound)));
}

/// geth: a log with fewer topics than a filter has positions does not match, whatever stands in the positions.
#[test]
fn a_position_that_takes_anything_still_takes_only_a_log_that_has_it() {
    let (filters, now, topic) = (Filters::new(8, EXPIRY), Instant::now(), B256::repeat_byte(3));
    let given = [json!([]), json!([null]), json!([topic]), json!([topic, null]), json!([null, null]), json!([[], []])];
    let ids = given.map(|topics| filters.add_logs(criteria(json!({ "topics": topics })), now).unwrap());
    // Its logs have one topic.
    filters.on_head(&HeadUpdate::new(vec![], vec![block(1, 3, Address::ZERO)]));
    let found = ids.map(|id| logs(filters.poll(&id, now).unwrap()).len());
    assert_eq!(found, [1, 1, 1, 0, 0, 0]);
}
