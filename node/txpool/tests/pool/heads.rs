//! Following the chain: inclusion, demotion, promotion, reorganisations.

use crate::support::*;
use atoll_primitives::{Account, TransactionExt as _, U256, consensus::TxEip1559};

#[test]
fn included_transactions_leave() {
    let world = World::new(2);
    let pool = world.pool();
    let txs: Vec<_> = (0..3).map(|nonce| sign(0, transfer(nonce))).collect();
    pool.add(txs.clone(), atoll_txpool::Origin::External);
    world.advance(&pool, &[&txs[0], &txs[1]], &[]);
    assert_eq!(counts(&pool), (1, 0));
    assert!(pool.contains(txs[2].tx_hash()));
    assert_eq!(pool.pending_nonce(&key(0).address()), 3);
    assert_eq!(pool.head(), world.storage.head().hash);
}

#[test]
fn a_competing_transaction_in_a_block_drops_ours() {
    let world = World::new(1);
    let pool = world.pool();
    let ours = add(&pool, sign(0, transfer(0))).unwrap();
    let theirs = sign(0, TxEip1559 { value: U256::from(2), ..transfer(0) });
    world.advance(&pool, &[&theirs], &[]);
    assert!(!pool.contains(&ours));
    assert_eq!(counts(&pool), (0, 0));
}

#[test]
fn a_block_that_fills_the_gap_promotes() {
    let world = World::new(1);
    let pool = world.pool();
    let mut announced = pool.subscribe();
    let waiting = add(&pool, sign(0, transfer(1))).unwrap();
    world.advance(&pool, &[&sign(0, transfer(0))], &[]);
    assert_eq!(counts(&pool), (1, 0));
    assert_eq!(announced.try_recv().unwrap().hash(), waiting);
}

#[test]
fn a_poorer_sender_is_demoted_and_dropped() {
    let world = World::new(2);
    let pool = world.pool();
    let two = |nonce| TxEip1559 { value: ether(2), ..transfer(nonce) };
    for nonce in 0..3 {
        add(&pool, sign(0, two(nonce))).unwrap();
        add_local(&pool, sign(1, two(nonce))).unwrap();
    }
    let account = |balance| Account { balance, ..Account::default() };
    // Enough for one of three: the others wait.
    let both = |balance| [(key(0).address(), account(balance)), (key(1).address(), account(balance))];
    world.advance(&pool, &[], &both(ether(3)));
    assert_eq!(counts(&pool), (2, 4));
    // Not enough for any: remote ones go, local ones wait.
    world.advance(&pool, &[], &both(ether(1)));
    assert_eq!(counts(&pool), (0, 3));
    world.advance(&pool, &[], &both(ether(10)));
    assert_eq!(counts(&pool), (3, 0));
}

#[test]
fn a_reorganisation_returns_what_the_new_chain_lacks() {
    let world = World::new(3);
    let pool = world.pool();
    let (kept, shared) = (sign(0, transfer(0)), sign(1, transfer(0)));
    let stranger = sign(2, transfer(0));
    pool.add(vec![kept.clone(), shared.clone()], atoll_txpool::Origin::Local);
    let genesis = world.storage.genesis_hash();
    let old = world.block(&genesis, &[&kept, &shared, &stranger], &[]);
    world.switch(&pool, &old);
    assert_eq!(counts(&pool), (0, 0));
    let side = world.block(&genesis, &[&shared], &[]);
    let side = world.block(&side.hash, &[], &[]);
    world.switch(&pool, &side);
    assert!(pool.contains(kept.tx_hash()) && pool.contains(stranger.tx_hash()));
    assert!(!pool.contains(shared.tx_hash()));
    assert_eq!(counts(&pool), (2, 0));
    // What was local is local again.
    assert_eq!(pool.locals().iter().map(|tx| tx.hash()).collect::<Vec<_>>(), [*kept.tx_hash()]);
    // And back.
    world.switch(&pool, &world.block(&old.hash, &[], &[]));
    assert_eq!(counts(&pool), (0, 0));
}

#[test]
fn the_pending_nonce_is_never_behind_the_chain() {
    let world = World::new(1);
    let pool = world.pool();
    let tx = sign(0, transfer(0));
    let head = world.block(&world.storage.genesis_hash(), &[&tx], &[]);
    world.storage.set_head(&head.hash).unwrap();
    // The pool has not heard of the block yet.
    assert_eq!(pool.pending_nonce(&key(0).address()), tx.nonce() + 1);
}
