//! Several real networks in one process, on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod exchange;
mod flood;
mod handshake;
mod wire;

use crate::handle::Command;
use crate::message::PROTOCOL_VERSION;
use crate::{LocalStatus, Multiaddr, Network, NetworkConfig, NetworkEvent, NetworkHandle, PeerId, Status};
use atoll_primitives::{B256, Block, ForkFilter, ForkHead, ForkId, Header, U256};
use libp2p::multiaddr::Protocol;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const GENESIS: B256 = B256::repeat_byte(1);

pub(crate) fn status(network_id: u64, genesis_hash: B256) -> LocalStatus {
    let head = ForkHead { number: 0, ..ForkHead::default() };
    let fork_filter = ForkFilter::new(head, genesis_hash, 0, []);
    LocalStatus {
        status: Status {
            version: PROTOCOL_VERSION,
            network_id,
            genesis_hash,
            fork_id: fork_filter.current(),
            head_number: 0,
            head_hash: genesis_hash,
            total_difficulty: U256::from(1),
            client: "test".into(),
        },
        fork_filter,
    }
}

pub(crate) struct Node {
    pub handle: NetworkHandle,
    pub events: mpsc::Receiver<NetworkEvent>,
    task: Option<JoinHandle<()>>,
    stop: Option<DropGuard>,
}

pub(crate) fn loopback(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

impl Node {
    pub async fn start(seed: u8) -> Self {
        Self::with(seed, status(7, GENESIS), |_| {}).await
    }

    pub async fn with(seed: u8, local: LocalStatus, change: impl FnOnce(&mut NetworkConfig)) -> Self {
        let mut config = NetworkConfig { listen: vec![loopback(0)], ..NetworkConfig::default() };
        change(&mut config);
        let stop = CancellationToken::new();
        let (handle, events, task) = Network::start(config, [seed; 32], local, stop.clone()).await.unwrap();
        Self { handle, events, task: Some(task), stop: Some(stop.drop_guard()) }
    }

    pub fn id(&self) -> PeerId {
        self.handle.local_peer_id()
    }

    pub fn address(&self) -> Multiaddr {
        self.handle.listen_addrs().remove(0).with(Protocol::P2p(self.id()))
    }

    pub async fn stop(mut self) {
        self.stop.take();
        self.task.take().unwrap().await.unwrap();
    }

    pub async fn command(&self, command: Command) {
        assert!(self.handle.commands.send(command).await.is_ok());
    }

    pub async fn peers(&self, count: usize) {
        until("the peers are connected", || self.handle.peer_count() == count).await;
    }

    /// The next gossip or request; peer events are passed over.
    pub async fn next(&mut self) -> NetworkEvent {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time");
            let event = event.expect("the network runs");
            if !is_peer_event(&event) {
                return event;
            }
        }
    }

    /// Whether nothing but peer events has come so far.
    pub fn silent(&mut self) -> bool {
        while let Ok(event) = self.events.try_recv() {
            if !is_peer_event(&event) {
                return false;
            }
        }
        true
    }
}

fn is_peer_event(event: &NetworkEvent) -> bool {
    matches!(event, NetworkEvent::PeerReady { .. } | NetworkEvent::PeerStatus { .. } | NetworkEvent::PeerGone { .. })
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn block(number: u64) -> Block {
    Block { header: Header { number, ..Header::default() }, ..Block::default() }
}

/// A line: each dials the one before.
pub(crate) async fn line<const N: usize>() -> [Node; N] {
    let mut nodes = Vec::new();
    for seed in 1..=u8::try_from(N).unwrap() {
        nodes.push(Node::start(seed).await);
    }
    for pair in nodes.windows(2) {
        pair[1].handle.dial(pair[0].address()).await;
    }
    for (index, node) in nodes.iter().enumerate() {
        node.peers(if index == 0 || index == N - 1 { 1 } else { 2 }).await;
    }
    nodes.try_into().unwrap_or_else(|_| panic!("as many nodes as asked"))
}

pub(crate) fn other_fork() -> ForkId {
    ForkId { hash: atoll_primitives::ForkHash([1, 2, 3, 4]), next: 0 }
}
