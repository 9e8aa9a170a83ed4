//! Who becomes a peer and who does not.

use super::{GENESIS, Node, line, loopback, other_fork, status, until};
use crate::{Network, NetworkConfig, NetworkError, NetworkEvent, pre_shared_key};
use atoll_primitives::B256;
use libp2p::multiaddr::Protocol;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn peers_learn_each_others_status_and_its_changes() {
    let [first, mut second] = line().await;
    let peers = second.handle.peers();
    assert_eq!((peers[0].peer_id, peers[0].head_hash, peers[0].inbound), (first.id(), GENESIS, false));
    assert!(first.handle.peers()[0].inbound);

    let mut moved = status(7, GENESIS);
    moved.status.head_number = 99;
    first.handle.set_status(moved).await;
    until("the new head is known", || second.handle.peers().iter().any(|peer| peer.head_number == 99)).await;
    let mut told = false;
    while let Ok(event) = second.events.try_recv() {
        told |= matches!(event, NetworkEvent::PeerStatus { status, .. } if status.head_number == 99);
    }
    assert!(told);
}

/// Dials and waits until the handshake has surely been tried; nobody may have become a peer on the way.
async fn refused(first: &Node, second: &Node) {
    second.handle.dial(first.address()).await;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        assert_eq!((first.handle.peer_count(), second.handle.peer_count()), (0, 0));
    }
}

#[tokio::test]
async fn other_networks_chains_and_forks_are_refused() {
    let first = Node::start(1).await;
    let mut forked = status(7, GENESIS);
    forked.status.fork_id = other_fork();
    let mut newer = status(7, GENESIS);
    newer.status.version = 2;
    let strangers = [status(8, GENESIS), status(7, B256::repeat_byte(2)), forked, newer];
    for (seed, local) in (2..).zip(strangers) {
        let second = Node::with(seed, local, |_| {}).await;
        refused(&first, &second).await;
        second.stop().await;
    }
    // The same node is welcome to the others, so it was the status that kept them away.
    let friend = Node::start(9).await;
    friend.handle.dial(first.address()).await;
    friend.peers(1).await;
}

#[tokio::test]
async fn only_holders_of_the_pre_shared_key_connect() {
    let keyed = async |seed: u8, digit: &str| {
        let key = pre_shared_key(&digit.repeat(64)).unwrap();
        Node::with(seed, status(7, GENESIS), |config| config.pre_shared_key = Some(key)).await
    };
    let first = keyed(1, "a").await;
    let same = keyed(2, "a").await;
    let other = keyed(3, "b").await;
    let none = Node::start(4).await;
    refused(&first, &other).await;
    refused(&first, &none).await;
    same.handle.dial(first.address()).await;
    same.peers(1).await;
}

#[tokio::test]
async fn quic_and_a_pre_shared_key_exclude_each_other() {
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1";
    let config = NetworkConfig {
        listen: vec![quic.parse().unwrap()],
        pre_shared_key: Some(pre_shared_key(&"1".repeat(64)).unwrap()),
        ..NetworkConfig::default()
    };
    let started = Network::start(config, [1; 32], status(7, GENESIS), CancellationToken::new()).await;
    assert!(matches!(started, Err(NetworkError::QuicWithKey { .. })));
    assert!(pre_shared_key("abc").is_err());
    let file = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "ab".repeat(32));
    assert_eq!(pre_shared_key(&file).unwrap(), pre_shared_key(&"ab".repeat(32)).unwrap());
}

#[tokio::test]
async fn quic_and_dns_names_connect() {
    let quic = |config: &mut NetworkConfig| config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let first = Node::with(1, status(7, GENESIS), quic).await;
    let second = Node::with(2, status(7, GENESIS), quic).await;
    second.handle.dial(first.address()).await;
    second.peers(1).await;

    let third = Node::start(3).await;
    let named = third.address().replace(0, |_| Some(Protocol::Dns4("localhost".into()))).unwrap();
    second.handle.dial(named).await;
    // A QUIC listener dials TCP as well.
    second.peers(2).await;
}

#[tokio::test]
async fn only_listed_peers_connect() {
    let friend = Node::start(2).await;
    let stranger = Node::start(3).await;
    let allowlist = vec![friend.id()];
    let first = Node::with(1, status(7, GENESIS), |config| config.allowlist = allowlist).await;
    refused(&first, &stranger).await;
    friend.handle.dial(first.address()).await;
    friend.peers(1).await;
}

#[tokio::test]
async fn there_is_room_for_so_many_peers_and_the_static_ones() {
    let wanted = Node::start(5).await;
    let first = Node::with(1, status(7, GENESIS), |config| config.max_peers = 2).await;
    let others = [Node::start(2).await, Node::start(3).await, Node::start(4).await];
    for node in &others {
        node.handle.dial(first.address()).await;
    }
    first.peers(2).await;
    first.handle.add_static(wanted.address()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(first.handle.peer_count(), 2, "full");
    wanted.handle.dial(first.address()).await;
    first.peers(3).await;
}

#[tokio::test]
async fn a_static_peer_is_dialled_again_when_it_comes_back() {
    let second = Node::start(2).await;
    let address = second.handle.listen_addrs().remove(0);
    let static_peers = vec![address.clone()];
    let first = Node::with(1, status(7, GENESIS), |config| config.static_peers = static_peers).await;
    first.peers(1).await;
    second.stop().await;
    first.peers(0).await;
    let Some(Protocol::Tcp(port)) = address.iter().nth(1) else { panic!("{address} has a port") };
    let _again = Node::with(2, status(7, GENESIS), |config| config.listen = vec![loopback(port)]).await;
    first.peers(1).await;
}

#[tokio::test]
async fn peers_that_dial_each_other_at_once_stay_connected() {
    let nodes = [Node::start(1).await, Node::start(2).await, Node::start(3).await];
    for node in &nodes {
        for other in &nodes {
            node.handle.dial(other.address()).await;
        }
    }
    for node in &nodes {
        node.peers(2).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(nodes.iter().all(|node| node.handle.peer_count() == 2));
}

#[tokio::test]
async fn a_removed_peer_goes() {
    let [first, second] = line().await;
    second.handle.remove_peer(first.id()).await;
    first.peers(0).await;
    second.peers(0).await;
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let first = Node::start(1).await;
    let listen = vec![first.handle.listen_addrs().remove(0)];
    let config = NetworkConfig { listen, ..NetworkConfig::default() };
    let started = Network::start(config, [2; 32], status(7, GENESIS), CancellationToken::new()).await;
    assert!(matches!(started, Err(NetworkError::Listen { .. })));
    let config = NetworkConfig::default();
    let started = Network::start(config, [0; 32], status(7, GENESIS), CancellationToken::new()).await;
    assert!(matches!(started, Err(NetworkError::Key)));
}
