//! Gossip: forwarded only when accepted, and rubbish has its price.

use super::{Node, block, line, until};
use crate::handle::{Acceptance, Command};
use crate::{Misbehaviour, NetworkEvent};
use atoll_primitives::consensus::{SignableTransaction, TxLegacy};
use atoll_primitives::primitives::Signature;
use atoll_primitives::{PooledTransaction, U256};
use std::time::Duration;

async fn next_block(node: &mut Node) -> (crate::GossipId, u64, U256) {
    match node.next().await {
        NetworkEvent::Block { id, block, total_difficulty } => (id, block.header.number, total_difficulty),
        other => panic!("not a block: {other:?}"),
    }
}

/// Meshes form within a heartbeat or two: blocks are sent until one arrives.
async fn warmed<const N: usize>(nodes: &mut [Node; N]) {
    for number in 0.. {
        nodes[0].handle.announce_block(&block(number), U256::ZERO).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut reached = false;
        for (index, node) in nodes.iter_mut().enumerate().skip(1) {
            while let Ok(event) = node.events.try_recv() {
                if let NetworkEvent::Block { id, .. } = event {
                    node.handle.validated(id, Acceptance::Accept).await;
                    reached |= index == N - 1;
                }
            }
        }
        if reached {
            break;
        }
        assert!(number < 100, "the last node never heard a block");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for node in nodes {
        while node.events.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn a_block_goes_on_only_after_it_was_accepted() {
    let mut nodes: [Node; 3] = line().await;
    warmed(&mut nodes).await;
    let [first, middle, last] = &mut nodes;

    first.handle.announce_block(&block(1000), U256::from(5)).await;
    let (id, number, difficulty) = next_block(middle).await;
    assert_eq!((number, difficulty, id.source()), (1000, U256::from(5), first.id()));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(last.silent(), "nothing before the verdict");
    middle.handle.validated(id, Acceptance::Accept).await;
    assert_eq!(next_block(last).await.1, 1000);

    first.handle.announce_block(&block(1001), U256::from(5)).await;
    let (ignored, ..) = next_block(middle).await;
    middle.handle.validated(ignored, Acceptance::Ignore).await;
    first.handle.announce_block(&block(1002), U256::from(5)).await;
    let (rejected, ..) = next_block(middle).await;
    middle.handle.validated(rejected, Acceptance::Reject).await;
    first.handle.announce_block(&block(1003), U256::from(5)).await;
    let (good, ..) = next_block(middle).await;
    middle.handle.validated(good, Acceptance::Accept).await;
    assert_eq!(next_block(last).await.1, 1003, "1001 and 1002 went nowhere");
    until("the rejected block shows in the score", || {
        middle.handle.peers().iter().any(|peer| peer.peer_id == first.id() && peer.score < -40.0)
    })
    .await;
}

fn transaction(nonce: u64, data: usize) -> PooledTransaction {
    let tx = TxLegacy { nonce, input: vec![0xab; data].into(), ..TxLegacy::default() };
    let signed = tx.into_signed(Signature::new(U256::from(1), U256::from(1), false));
    PooledTransaction::Legacy(signed)
}

#[tokio::test]
async fn transactions_arrive_in_batches() {
    let mut nodes: [Node; 2] = line().await;
    warmed(&mut nodes).await;
    let [first, second] = &mut nodes;
    let sent: Vec<_> = (0..100).map(|nonce| transaction(nonce, 10)).collect();
    first.handle.announce_transactions(&sent).await;
    let mut received = Vec::new();
    let mut messages = 0;
    while received.len() < sent.len() {
        let NetworkEvent::Transactions { id, transactions } = second.next().await else { panic!("not transactions") };
        second.handle.validated(id, Acceptance::Accept).await;
        received.extend(transactions);
        messages += 1;
    }
    assert_eq!(received, sent);
    assert!(messages < 10, "{messages} messages for 100 small transactions");

    // 30 of 30 kB do not fit one message.
    let large: Vec<_> = (0..30).map(|nonce| transaction(nonce, 30_000)).collect();
    first.handle.announce_transactions(&large).await;
    let mut received = Vec::new();
    while received.len() < large.len() {
        let NetworkEvent::Transactions { transactions, .. } = second.next().await else { panic!("not transactions") };
        received.extend(transactions);
    }
    assert_eq!(received, large);
}

#[tokio::test]
async fn who_gossips_rubbish_loses_the_connection() {
    let mut nodes: [Node; 2] = line().await;
    warmed(&mut nodes).await;
    let [first, second] = &mut nodes;
    for number in 0..6_u8 {
        first.command(Command::PublishBlock(vec![0xc1, 0xff, number])).await;
    }
    until("the peer is banned", || second.handle.peer_count() == 0).await;
    assert!(second.silent(), "rubbish never reaches the node");
    // It dials again, and is not let in.
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(second.handle.peer_count(), 0);
    }
}

#[tokio::test]
async fn what_is_too_large_does_not_leave() {
    let mut nodes: [Node; 2] = line().await;
    warmed(&mut nodes).await;
    let [first, second] = &mut nodes;
    first.command(Command::PublishBlock(vec![0; 10 << 20])).await;
    first.handle.announce_block(&block(5000), U256::ZERO).await;
    assert_eq!(next_block(second).await.1, 5000, "and the link is still good");
    assert!(second.handle.peers()[0].score > -1.0);
}

#[tokio::test]
async fn reports_add_up_to_a_ban() {
    let [first, second] = line().await;
    first.handle.report(second.id(), Misbehaviour::InvalidBlock).await;
    until("the score fell", || first.handle.peers().iter().any(|peer| peer.score < -40.0)).await;
    assert_eq!(first.handle.peer_count(), 1, "one bad block is no ban");
    first.handle.report(second.id(), Misbehaviour::InvalidBlock).await;
    first.handle.report(second.id(), Misbehaviour::InvalidBlock).await;
    first.peers(0).await;
}
