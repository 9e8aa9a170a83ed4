//! Replacing a transaction by a better paid one.

use crate::support::*;
use atoll_txpool::PoolError;

#[test]
fn both_prices_must_rise_by_a_tenth() {
    let world = World::new(1);
    let pool = world.pool();
    let first = add(&pool, sign(0, priced(0, 100, 10))).unwrap();
    for (fee_cap, tip) in [(109, 11), (110, 10), (100, 20), (99, 99)] {
        let error = add(&pool, sign(0, priced(0, fee_cap, tip))).unwrap_err();
        assert_eq!(error.to_string(), "replacement transaction underpriced", "{fee_cap} {tip}");
        let PoolError::ReplacementUnderpriced { needed_fee_cap, needed_tip, .. } = error else { panic!("{error}") };
        assert_eq!((needed_fee_cap, needed_tip), (110, 11));
    }
    let second = add(&pool, sign(0, priced(0, 110, 11))).unwrap();
    assert!(!pool.contains(&first) && pool.contains(&second));
    assert_eq!(counts(&pool), (1, 0));
}

#[test]
fn a_replacement_keeps_the_later_ones_pending() {
    let world = World::new(1);
    let pool = world.pool();
    for nonce in 0..3 {
        add(&pool, sign(0, priced(nonce, 100, 10))).unwrap();
    }
    add(&pool, sign(0, priced(1, 200, 20))).unwrap();
    assert_eq!(counts(&pool), (3, 0));
    let tips: Vec<u128> = pool.pending(0).map(|tx| tx.effective_tip(0).unwrap()).collect();
    assert_eq!(tips, [10, 20, 10]);
}

#[test]
fn queued_transactions_are_replaced_too() {
    let world = World::new(1);
    let pool = world.pool();
    add(&pool, sign(0, priced(7, 100, 10))).unwrap();
    assert!(add(&pool, sign(0, priced(7, 101, 11))).is_err());
    add(&pool, sign(0, priced(7, 110, 11))).unwrap();
    assert_eq!(counts(&pool), (0, 1));
}
