//! Joining late, staying away, and two halves of a network that meet again.

use super::support::Node;
use super::{Member, until};
use atoll_chain::Origin;
use atoll_primitives::{B256, U256};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_fetches_all_from_several_peers() {
    let first = Node::new(1);
    let blocks = first.mine(600, 0);
    let second = Node::new(2);
    second.chain.import_many(blocks, Origin::File).unwrap();
    let (first, second) = (Member::start(first, 1).await, Member::start(second, 2).await);
    let late = Member::start(Node::new(3), 3).await;
    assert!(!late.state.borrow().synced, "nobody was asked yet");
    late.dial(&first).await;
    late.dial(&second).await;
    late.reaches(first.node.head()).await;
    assert_eq!(late.node.received(), U256::from(600));
    until("it knows that it is synced", || {
        let state = *late.state.borrow();
        state.synced && state.current == 600 && state.highest == 600
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_halves_agree_when_they_meet() {
    let (weak, strong) = (Node::new(1), Node::new(2));
    for block in weak.mine(5, 0) {
        strong.import(&block);
    }
    // Longer than what stays in memory, so that the weak half has to go back below its persisted base.
    weak.mine(90, 0);
    strong.mine(100, 1);
    let expected = strong.head();
    let (weak, strong) = (Member::start(weak, 1).await, Member::start(strong, 2).await);
    weak.dial(&strong).await;
    weak.reaches(expected).await;
    assert_eq!(strong.node.head(), expected, "the better half stays");
    assert_eq!(weak.node.received(), strong.node.received());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_gossip_message_heals() {
    let (first, second) = (Member::start(Node::new(1), 1).await, Member::start(Node::new(2), 2).await);
    second.dial(&first).await;
    // Blocks from a file are not gossiped: only the status tells of them.
    for _ in 0..3 {
        let block = first.node.block(&[]);
        first.node.chain.import(block, Origin::File).unwrap();
    }
    second.reaches(first.node.head()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_boasts_does_not_keep_us_from_the_others() {
    let honest = Node::new(1);
    honest.mine(20, 0);
    let (honest, boaster) = (Member::start(honest, 1).await, Member::start(Node::new(2), 2).await);
    let mut status = super::local_status(&boaster.node.chain);
    status.status.total_difficulty = U256::MAX;
    status.status.head_number = 1_000_000;
    boaster.network.set_status(status).await;
    let joiner = Member::start(Node::new(3), 3).await;
    joiner.dial(&boaster).await;
    until("the boast is heard", || joiner.network.peers().iter().any(|peer| peer.head_number == 1_000_000)).await;
    joiner.dial(&honest).await;
    joiner.reaches(honest.node.head()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_counts_as_synced_and_one_that_is_behind_does_not() {
    let alone = Member::start(Node::new(1), 1).await;
    until("it gave up waiting for peers", || alone.state.borrow().synced).await;

    // A peer whose blocks it cannot get: their total difficulty is real, their headers do not come.
    let ahead = Node::new(2);
    ahead.mine(10, 0);
    let ahead = Member::start(ahead, 2).await;
    let mut status = super::local_status(&ahead.node.chain);
    status.status.head_number = 500;
    status.status.total_difficulty = U256::from(1_000_000);
    ahead.network.set_status(status).await;
    alone.dial(&ahead).await;
    until("it knows that it is behind", || {
        let state = *alone.state.borrow();
        !state.synced && state.highest == 500
    })
    .await;
    alone.reaches(ahead.node.head()).await;
    assert!(!alone.state.borrow().synced, "there should be more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_block_costs_its_sender_dear() {
    let (victim, forger) = (Member::start(Node::new(2), 2).await, Member::start(Node::new(1), 1).await);
    victim.dial(&forger).await;
    let genesis = forger.node.chain.head().header.clone();
    // Well sealed, but the state it claims is made up. Until the mesh stands a message may get lost.
    for root in 1..=100 {
        let bad = forger.node.unfounded_block(&genesis, B256::repeat_byte(root));
        forger.network.announce_block(&bad, U256::from(1000)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if victim.network.peers().iter().all(|peer| peer.score < -40.0) {
            break;
        }
        assert!(root < 100, "the forger is still trusted");
    }
    assert_eq!(victim.node.head().0, 0);
}

/// Receivers take the total difficulty beside a block for that of whoever passed it on, so a false one ends where it
/// came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_total_difficulty_is_not_passed_on() {
    let forger = Member::start(Node::new(1), 1).await;
    let (middle, last) = (Member::start(Node::new(2), 2).await, Member::start(Node::new(3), 3).await);
    middle.dial(&forger).await;
    last.dial(&middle).await;
    let block = forger.node.block(&[]);
    let false_td = U256::from(1_000_000);
    let forger_id = forger.network.local_peer_id();
    let banned = || {
        let peers = middle.network.peers();
        !peers.iter().any(|peer| peer.peer_id == forger_id && peer.score >= -40.0)
    };
    for more in 0..100 {
        forger.network.announce_block(&block, false_td + U256::from(more)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(last.network.peers().iter().all(|peer| peer.total_difficulty < false_td), "it was passed on");
        if banned() {
            break;
        }
    }
    assert!(banned(), "the forger is still trusted");
    assert_eq!(middle.node.head().0, 1, "the block itself is valid");
}
