//! Many transactions at once, from several threads.

use crate::support::*;
use atoll_primitives::PooledTransaction;
use atoll_txpool::Origin;
use std::thread;

#[test]
fn batches_from_several_threads_lose_nothing() {
    const SENDERS: usize = 16;
    const EACH: u64 = 60;
    let world = World::new(SENDERS);
    let pool = world.pool();
    thread::scope(|scope| {
        for account in 0..SENDERS {
            let pool = pool.clone();
            scope.spawn(move || {
                let txs: Vec<PooledTransaction> = (0..EACH).map(|nonce| sign(account, transfer(nonce))).collect();
                // Later nonces first, so that they queue and are promoted.
                for batch in txs.chunks(20).rev() {
                    assert!(pool.add(batch.to_vec(), Origin::External).iter().all(Result::is_ok));
                }
            });
        }
        // Meanwhile the chain moves on.
        for _ in 0..5 {
            world.advance(&pool, &[], &[]);
        }
    });
    assert_eq!(counts(&pool), (SENDERS * EACH as usize, 0));
    assert_eq!(pool.pending(0).count(), SENDERS * EACH as usize);
}
