//! What JSON-RPC asks of the wiring, answered from the network, the miner and the synchronisation.

use crate::sync::SyncState;
use atoll_miner::MinerHandle;
use atoll_network::{Multiaddr, NetworkHandle, PROTOCOL_VERSION, PeerId};
use atoll_primitives::{Address, B64, B256, Bytes, U256};
use atoll_rpc::{
    ControlError, NodeControl, NodeInfo, PeerChain, PeerConnection, PeerInfo, PeerProtocols, PendingBlock,
    SyncProgress, WorkPackage,
};
use atoll_txpool::TxPool;
use std::{path::PathBuf, sync::Arc};
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
    /// Where the node keeps its data.
    pub data_dir: PathBuf,
    /// For the few calls into asynchronous rooms.
    pub runtime: Handle,
}

/// Bytes of the text that names a peer: more than a DNS name, a port and a peer ID take. Reading base58 takes time with the
/// square of the length, and a request may hold a megabyte of it.
const MOST_NAME: usize = 512;

/// A peer's name or address as it is told back.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(64).collect();
    if start.len() < name.len() { format!("{start}… ({} bytes)", name.len()) } else { start }
}

/// The peer that an ID, or an address that ends in one, names.
fn peer_id(name: &str) -> Result<PeerId, ControlError> {
    let from_address = |address: Multiaddr| address.to_string().rsplit_once("/p2p/")?.1.parse().ok();
    let read = |name: &str| name.parse().ok().or_else(|| from_address(name.parse().ok()?));
    let id = Some(name).filter(|name| name.len() <= MOST_NAME).and_then(read);
    id.ok_or_else(|| ControlError::Peer(shown(name)))
}

impl NodeControl for Control {
    fn peer_count(&self) -> usize {
        self.network.peer_count()
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let describe = |peer: atoll_network::PeerInfo| {
            let (id, address) = (peer.peer_id.to_string(), peer.addr.to_string());
            let enode = if address.contains("/p2p/") { address.clone() } else { format!("{address}/p2p/{id}") };
            PeerInfo {
                id,
                name: peer.client,
                enode,
                caps: vec![format!("atoll/{PROTOCOL_VERSION}")],
                network: PeerConnection {
                    remote_address: address,
                    inbound: peer.inbound,
                    trusted: peer.trusted,
                    is_static: peer.fixed,
                },
                protocols: PeerProtocols {
                    eth: PeerChain {
                        version: PROTOCOL_VERSION,
                        difficulty: peer.total_difficulty,
                        head: peer.head_hash,
                        number: peer.head_number,
                    },
                },
            }
        };
        self.network.peers().into_iter().map(describe).collect()
    }

    fn add_peer(&self, address: &str) -> Result<(), ControlError> {
        let short = Some(address).filter(|address| address.len() <= MOST_NAME);
        let parsed = short.and_then(|address| address.parse().ok());
        let parsed = parsed.ok_or_else(|| ControlError::PeerAddress(shown(address)))?;
        let network = self.network.clone();
        self.runtime.spawn(async move { network.add_static(parsed).await });
        Ok(())
    }

    fn remove_peer(&self, peer: &str) -> Result<(), ControlError> {
        let (id, network) = (peer_id(peer)?, self.network.clone());
        self.runtime.spawn(async move { network.remove_peer(id).await });
        Ok(())
    }

    fn set_trusted(&self, peer: &str, trusted: bool) -> Result<(), ControlError> {
        let (id, network) = (peer_id(peer)?, self.network.clone());
        self.runtime.spawn(async move { network.trust(id, trusted).await });
        Ok(())
    }

    fn datadir(&self) -> Result<PathBuf, ControlError> {
        Ok(self.data_dir.clone())
    }

    fn node_info(&self) -> NodeInfo {
        let (id, listening) = (self.network.local_peer_id(), self.network.listen_addrs());
        let addresses: Vec<String> = listening.iter().map(|address| format!("{address}/p2p/{id}")).collect();
        let enode = addresses.first().cloned().unwrap_or_default();
        let listen_addr = listening.first().map(ToString::to_string).unwrap_or_default();
        NodeInfo { id: id.to_string(), enode, listen_addr, addresses }
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
        if self.coinbase().is_none() {
            return Err(ControlError::Refused("etherbase missing: etherbase must be explicitly specified".into()));
        }
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

    fn gas_limit_target(&self) -> u64 {
        self.miner.gas_limit()
    }

    fn set_extra(&self, extra: Bytes) -> Result<(), ControlError> {
        self.miner.set_extra(extra).map_err(|error| ControlError::Refused(error.to_string()))
    }

    fn work(&self) -> Result<WorkPackage, ControlError> {
        let work = self.miner.work().map_err(|error| ControlError::Refused(error.to_string()))?;
        let atoll_miner::WorkPackage { seal_hash, seed_hash, target, number } = work;
        Ok(WorkPackage { seal_hash, seed_hash, target, number })
    }

    fn submit_work(&self, nonce: B64, seal_hash: B256, mix_hash: B256) -> bool {
        match self.miner.submit_work(nonce, seal_hash, mix_hash) {
            Ok(_) => true,
            Err(error) => {
                // The answer has room for yes and no only.
                tracing::info!(%error, "an external solution was not taken");
                false
            }
        }
    }

    fn submit_hashrate(&self, rate: u64, id: B256) -> bool {
        self.miner.report_hashrate(id, rate)
    }

    fn mine_once(&self) -> Result<(), ControlError> {
        let refused = |error: atoll_miner::MinerError| {
            tracing::warn!(error = &error as &dyn std::error::Error, "no block was mined on request");
            ControlError::Refused(error.to_string())
        };
        self.miner.mine_once().map(|_| ()).map_err(refused)
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
