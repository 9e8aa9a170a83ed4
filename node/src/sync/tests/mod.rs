//! Whole nodes without RPC in one process: real chains with real seals, real pools, real networks on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod catching_up;
mod serving;
mod spreading;
// The chain's tests know how to make sealed blocks; a second copy of that would drift from the first.
#[allow(dead_code, missing_docs, reason = "not all of it is used here")]
#[path = "../../../chain/tests/chain/support.rs"]
mod support;

use super::{SyncState, local_status, start};
use atoll_network::{Multiaddr, Network, NetworkConfig, NetworkHandle};
use atoll_primitives::B256;
use atoll_txpool::{PoolConfig, TxPool};
use std::time::Duration;
use support::Node;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(90);

/// A chain that follows a network.
struct Member {
    node: Node,
    pool: TxPool,
    network: NetworkHandle,
    state: watch::Receiver<SyncState>,
    _stop: DropGuard,
}

impl Member {
    async fn start(node: Node, seed: u8) -> Self {
        let stop = CancellationToken::new();
        let pool = TxPool::new(node.spec.clone(), node.chain.storage().clone(), PoolConfig::default());
        let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        let config = NetworkConfig { listen, ..NetworkConfig::default() };
        let status = local_status(&node.chain);
        let (network, events, _) = Network::start(config, [seed; 32], status, stop.clone()).await.unwrap();
        let (state, _) = start(node.chain.clone(), pool.clone(), network.clone(), events, stop.clone());
        Self { node, pool, network, state, _stop: stop.drop_guard() }
    }

    fn address(&self) -> Multiaddr {
        let address = self.network.listen_addrs().remove(0);
        format!("{address}/p2p/{}", self.network.local_peer_id()).parse().unwrap()
    }

    async fn dial(&self, other: &Self) {
        self.network.dial(other.address()).await;
        until("they are peers", || {
            let id = other.network.local_peer_id();
            self.network.peers().iter().any(|peer| peer.peer_id == id)
        })
        .await;
    }

    async fn reaches(&self, head: (u64, B256)) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.node.head() != head {
            let at = self.node.head();
            assert!(tokio::time::Instant::now() < deadline, "stuck at {at:?} instead of {head:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
