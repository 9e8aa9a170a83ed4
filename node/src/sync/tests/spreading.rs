//! New blocks and transactions on their way through a line of nodes.

use super::support::{Node, transfer};
use super::{Member, until};
use atoll_primitives::{PooledTransaction, Transaction, TxHash};
use atoll_txpool::Origin;

async fn line() -> [Member; 3] {
    let members = [
        Member::start(Node::new(1), 1).await,
        Member::start(Node::new(2), 2).await,
        Member::start(Node::new(3), 3).await,
    ];
    members[1].dial(&members[0]).await;
    members[2].dial(&members[1]).await;
    members
}

fn pooled(tx: Transaction) -> PooledTransaction {
    tx.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_blocks_reach_everybody() {
    let [first, middle, last] = line().await;
    for _ in 0..10 {
        first.node.mine(1, 0);
        let head = first.node.head();
        middle.reaches(head).await;
        last.reaches(head).await;
    }
    // And in the other direction.
    last.node.mine(1, 0);
    first.reaches(last.node.head()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_transactions_reach_every_pool() {
    let [first, middle, last] = line().await;
    let txs: Vec<_> = (0..50).map(|nonce| pooled(transfer(0, nonce))).collect();
    let hashes: Vec<TxHash> = txs.iter().map(|tx| *tx.hash()).collect();
    // One by one: what is lost while the mesh forms must not stay lost for those that come after.
    for tx in txs {
        first.pool.add(vec![tx], Origin::Local).remove(0).unwrap();
    }
    let has_all = |member: &Member| hashes.iter().all(|hash| member.pool.contains(hash));
    // A node that joins now is told what the pools hold.
    let late = Member::start(Node::new(4), 4).await;
    late.dial(&first).await;
    until("the late one has them", || has_all(&late)).await;
    // The mesh may have been forming when they were gossiped; reconnecting heals that too.
    middle.network.disconnect(first.network.local_peer_id()).await;
    middle.dial(&first).await;
    until("the middle one has them", || has_all(&middle)).await;
    until("the last one has them", || has_all(&last)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_one_node_are_mined_by_another() {
    let [first, _middle, last] = line().await;
    let tx = transfer(0, 0);
    let hash = *tx.tx_hash();
    until("gossip flows", || {
        let _ = first.pool.remove(&hash);
        first.pool.add(vec![pooled(tx.clone())], Origin::Local).remove(0).unwrap();
        last.pool.contains(&hash)
    })
    .await;
    let block = last.node.block(&[tx]);
    last.node.chain.import(block, atoll_chain::Origin::Own).unwrap();
    first.reaches(last.node.head()).await;
    assert_eq!(first.node.received(), last.node.received());
}
