//! The order a miner gets, and the announcements.

use crate::support::*;
use atoll_primitives::Address;
use std::collections::HashMap;

#[test]
fn best_tip_first_and_nonces_in_order() {
    let world = World::new(3);
    let pool = world.pool();
    for (account, nonce, tip) in [(0, 0, 1), (0, 1, 9), (1, 0, 5), (1, 1, 2), (2, 0, 3)] {
        add(&pool, sign(account, priced(nonce, GWEI, tip))).unwrap();
    }
    let tips: Vec<u128> = pool.pending(0).map(|tx| tx.effective_tip(0).unwrap()).collect();
    assert_eq!(tips, [5, 3, 2, 1, 9]);
}

#[test]
fn the_base_fee_decides_the_effective_tip_and_who_waits() {
    let world = World::new(3);
    let pool = world.pool();
    // At base fee 90 these leave 10, 5 and nothing.
    let first = add(&pool, sign(0, priced(0, 100, 50))).unwrap();
    let second = add(&pool, sign(1, priced(0, 1000, 5))).unwrap();
    add(&pool, sign(2, priced(0, 80, 80))).unwrap();
    let order: Vec<_> = pool.pending(90).map(|tx| tx.hash()).collect();
    assert_eq!(order, [first, second]);
}

#[test]
fn equal_tips_go_by_age() {
    let world = World::new(5);
    let pool = world.pool();
    let hashes: Vec<_> = (0..5).map(|account| add(&pool, sign(account, priced(0, 100, 7))).unwrap()).collect();
    assert_eq!(pool.pending(0).map(|tx| tx.hash()).collect::<Vec<_>>(), hashes);
}

#[test]
fn an_invalid_sender_gives_no_more() {
    let world = World::new(2);
    let pool = world.pool();
    for nonce in 0..3 {
        add(&pool, sign(0, priced(nonce, 100, 9))).unwrap();
        add(&pool, sign(1, priced(nonce, 100, 1))).unwrap();
    }
    let mut best = pool.pending(0);
    let failing = best.next().unwrap().sender;
    best.mark_invalid(&failing);
    let rest: Vec<Address> = best.map(|tx| tx.sender).collect();
    assert_eq!(rest, [key(1).address(); 3]);
}

#[test]
fn every_pending_transaction_comes_exactly_once() {
    let world = World::new(20);
    let pool = world.pool();
    for account in 0..20 {
        for nonce in 0..10 {
            let tip = (account as u128 * 7 + u128::from(nonce) * 13) % 31;
            add(&pool, sign(account, priced(nonce, 1000, tip + 1))).unwrap();
        }
    }
    let mut next: HashMap<Address, u64> = HashMap::new();
    let mut count = 0;
    for tx in pool.pending(0) {
        let expected = next.entry(tx.sender).or_default();
        assert_eq!(tx.nonce(), *expected);
        *expected += 1;
        count += 1;
    }
    assert_eq!(count, 200);
}

#[test]
fn a_closed_gap_promotes_and_announces_once() {
    let world = World::new(1);
    let pool = world.pool();
    let mut announced = pool.subscribe();
    let later = add(&pool, sign(0, transfer(1))).unwrap();
    assert_eq!(counts(&pool), (0, 1));
    assert_eq!(pool.pending_nonce(&key(0).address()), 0);
    assert!(announced.try_recv().is_err());
    let first = add(&pool, sign(0, transfer(0))).unwrap();
    assert_eq!(counts(&pool), (2, 0));
    assert_eq!(pool.pending_nonce(&key(0).address()), 2);
    assert_eq!(announced.try_recv().unwrap().hash(), first);
    assert_eq!(announced.try_recv().unwrap().hash(), later);
    // Out and in again: not news any more.
    pool.remove(&first);
    assert_eq!(counts(&pool), (0, 1));
    let again = add(&pool, sign(0, priced(0, 50 * GWEI, GWEI))).unwrap();
    assert_eq!(announced.try_recv().unwrap().hash(), again);
    assert!(announced.try_recv().is_err());
}

#[test]
fn content_shows_senders_and_nonces() {
    let world = World::new(2);
    let pool = world.pool();
    add(&pool, sign(0, transfer(0))).unwrap();
    add(&pool, sign(0, transfer(2))).unwrap();
    add(&pool, sign(1, transfer(0))).unwrap();
    let content = pool.content();
    assert_eq!(content.pending.len(), 2);
    assert_eq!(content.queued[&key(0).address()].keys().copied().collect::<Vec<_>>(), [2]);
    let one = pool.content_from(&key(1).address());
    assert_eq!((one.pending.len(), one.queued.len()), (1, 0));
    assert_eq!(pool.pending_hashes().len(), 2);
}
