//! What JSON-RPC asks of the wiring, answered from the network, the miner and the synchronisation.

use crate::sync::SyncState;
use atoll_miner::MinerHandle;
use atoll_network::NetworkHandle;
use atoll_primitives::{Address, Bytes, U256};
use atoll_rpc::{ControlError, NodeControl, NodeInfo, PeerInfo, PendingBlock, SyncProgress};
use atoll_txpool::TxPool;
use std::sync::Arc;
use tokio::{runtime::Handle, sync::watch};

/// The rest of the node, as the RPC room sees it.
pub struct Control {
    /// Peers.
    pub network: NetworkHandle,
    /// The miner.
    pub miner: MinerHandle,
    /// The pool, whose price floor moves with the miner's.
    pub pool: TxPool,
    /// How far the synchronisation is.
    pub sync: watch::Receiver<SyncState>,
    /// Whether the node is meant to have peers: it has a registry or fixed peers.
    pub wants_peers: bool,
    /// For the few calls into asynchronous rooms.
    pub runtime: Handle,
}

impl NodeControl for Control {
    fn peer_count(&self) -> usize {
        self.network.peer_count()
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let describe = |peer: atoll_network::PeerInfo| PeerInfo {
            id: peer.peer_id.to_string(),
            name: peer.client,
            address: peer.addr.to_string(),
            inbound: peer.inbound,
            head: Some(peer.head_number),
            protocols: vec!["atoll/1".into()],
        };
        self.network.peers().into_iter().map(describe).collect()
    }

    fn add_peer(&self, address: &str) -> Result<(), ControlError> {
        let parsed = address.parse().map_err(|_| ControlError::PeerAddress(address.to_owned()))?;
        let network = self.network.clone();
        self.runtime.spawn(async move { network.add_static(parsed).await });
        Ok(())
    }

    fn node_info(&self) -> NodeInfo {
        let id = self.network.local_peer_id();
        let addresses = self.network.listen_addrs().iter().map(|address| format!("{address}/p2p/{id}")).collect();
        NodeInfo { id: id.to_string(), addresses }
    }

    fn listening(&self) -> bool {
        !self.network.listen_addrs().is_empty()
    }

    fn syncing(&self) -> Option<SyncProgress> {
        let state = *self.sync.borrow();
        let progress = SyncProgress { starting: state.starting, current: state.current, highest: state.highest };
        (!state.synced).then_some(progress)
    }

    fn ready(&self) -> bool {
        self.sync.borrow().synced && (!self.wants_peers || self.network.peer_count() > 0)
    }

    fn mining(&self) -> bool {
        self.miner.is_mining()
    }

    fn hashrate(&self) -> u64 {
        self.miner.hashrate()
    }

    fn coinbase(&self) -> Option<Address> {
        Some(self.miner.coinbase()).filter(|address| !address.is_zero())
    }

    fn start_mining(&self) -> Result<(), ControlError> {
        self.miner.start().map_err(|error| ControlError::Refused(error.to_string()))
    }

    fn stop_mining(&self) -> Result<(), ControlError> {
        self.miner.stop();
        Ok(())
    }

    fn set_coinbase(&self, coinbase: Address) -> Result<(), ControlError> {
        self.miner.set_coinbase(coinbase);
        Ok(())
    }

    fn set_gas_price(&self, price: U256) -> Result<(), ControlError> {
        let price =
            u128::try_from(price).map_err(|_| ControlError::Refused(format!("gas price {price} is too large")))?;
        self.miner.set_gas_price(price);
        self.pool.set_price_limit(price);
        Ok(())
    }

    fn set_gas_limit(&self, limit: u64) -> Result<(), ControlError> {
        self.miner.set_gas_limit(limit);
        Ok(())
    }

    fn set_extra(&self, extra: Bytes) -> Result<(), ControlError> {
        self.miner.set_extra(extra).map_err(|error| ControlError::Refused(error.to_string()))
    }

    fn pending_block(&self) -> Option<PendingBlock> {
        match self.miner.pending_block() {
            Ok(pending) => Some(PendingBlock {
                block: Arc::clone(&pending.block),
                receipts: Arc::clone(&pending.receipts),
                changes: Arc::clone(&pending.changes),
            }),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no pending block");
                None
            }
        }
    }
}
