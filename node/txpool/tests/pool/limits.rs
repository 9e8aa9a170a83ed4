//! Full pools: who is evicted and who is refused.

use crate::support::*;
use atoll_txpool::{PoolConfig, PoolError};
use std::time::Duration;

#[test]
fn a_full_pool_refuses_what_pays_no_more() {
    let world = World::new(5);
    let config = PoolConfig { global_slots: 3, global_queue: 0, account_slots: 8, ..PoolConfig::default() };
    let pool = world.pool_with(config);
    let hashes: Vec<_> =
        (0..3).map(|account| add(&pool, sign(account, priced(0, 100 + account as u128, 1))).unwrap()).collect();
    let error = add(&pool, sign(3, priced(0, 100, 1))).unwrap_err();
    assert!(matches!(error, PoolError::CheapestInPool { fee_cap: 100 }), "{error}");
    add(&pool, sign(3, priced(0, 101, 1))).unwrap();
    assert!(!pool.contains(&hashes[0]) && pool.contains(&hashes[1]) && pool.contains(&hashes[2]));
    assert_eq!(counts(&pool), (3, 0));
}

#[test]
fn local_transactions_are_not_evicted_by_price() {
    let world = World::new(5);
    let pool = world.pool_with(PoolConfig { global_slots: 2, global_queue: 0, ..PoolConfig::default() });
    let local = add_local(&pool, sign(0, priced(0, 1, 1))).unwrap();
    add(&pool, sign(1, priced(0, 50, 1))).unwrap();
    add(&pool, sign(2, priced(0, 100, 1))).unwrap();
    assert!(pool.contains(&local));
    // A local one displaces a remote one whatever it pays, but not another local one.
    add_local(&pool, sign(3, priced(0, 1, 1))).unwrap();
    assert_eq!(pool.locals().len(), 2);
    assert!(matches!(add_local(&pool, sign(4, priced(0, 500, 1))), Err(PoolError::PoolFull)));
}

#[test]
fn a_sender_queues_only_so_many() {
    let world = World::new(1);
    let pool = world.pool_with(PoolConfig { account_queue: 4, ..PoolConfig::default() });
    let results: Vec<_> = (1..8).map(|nonce| add(&pool, sign(0, transfer(nonce)))).collect();
    assert_eq!(counts(&pool), (0, 4));
    assert!(results[..4].iter().all(Result::is_ok) && results[4..].iter().all(Result::is_err));
}

#[test]
fn all_queues_together_are_bounded_and_the_oldest_sender_pays() {
    let world = World::new(3);
    let pool = world.pool_with(PoolConfig { global_queue: 4, ..PoolConfig::default() });
    for account in 0..3 {
        for nonce in 1..3 {
            add(&pool, sign(account, transfer(nonce))).unwrap();
        }
    }
    assert_eq!(counts(&pool), (0, 4));
    assert!(pool.content_from(&key(0).address()).queued.is_empty());
}

#[test]
fn the_busiest_senders_give_up_their_last_pending_ones() {
    let world = World::new(3);
    let config = PoolConfig { global_slots: 20, account_slots: 4, global_queue: 100, ..PoolConfig::default() };
    let pool = world.pool_with(config);
    for account in 0..2 {
        for nonce in 0..3 {
            add(&pool, sign(account, transfer(nonce))).unwrap();
        }
    }
    let batch = (0..40).map(|nonce| sign(2, transfer(nonce))).collect();
    pool.add(batch, atoll_txpool::Origin::External);
    assert_eq!(counts(&pool), (20, 0));
    assert_eq!(pool.pending_nonce(&key(0).address()), 3);
    assert_eq!(pool.pending_nonce(&key(2).address()), 14);
}

#[test]
fn bytes_are_bounded() {
    let world = World::new(3);
    let pool = world.pool_with(PoolConfig { max_bytes: 250, ..PoolConfig::default() });
    add(&pool, sign(0, priced(0, 100, 1))).unwrap();
    add(&pool, sign(1, priced(0, 100, 1))).unwrap();
    assert!(matches!(add(&pool, sign(2, priced(0, 100, 1))), Err(PoolError::CheapestInPool { .. })));
}

#[test]
fn queued_transactions_grow_old_but_local_ones_stay() {
    let world = World::new(3);
    let pool = world.pool_with(PoolConfig { lifetime: Duration::ZERO, ..PoolConfig::default() });
    add(&pool, sign(0, transfer(1))).unwrap();
    add_local(&pool, sign(1, transfer(1))).unwrap();
    add(&pool, sign(2, transfer(0))).unwrap();
    world.advance(&pool, &[], &[]);
    assert_eq!(counts(&pool), (1, 1));
    assert_eq!(pool.locals().len(), 1);
}
