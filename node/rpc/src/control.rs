//! What JSON-RPC asks of the rest of the node. The wiring implements it; this room must not know how.

use atoll_primitives::{Address, B64, B256, Bytes, Receipt, RecoveredBlock, StateChanges, U256};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

/// A peer, as `admin_peers` shows it: geth's fields, with a multiaddress where geth has an enode URL.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// libp2p peer ID.
    pub id: String,
    /// Client name and version.
    pub name: String,
    /// Multiaddress of the peer with its ID.
    pub enode: String,
    /// Protocols it speaks, with their versions.
    pub caps: Vec<String>,
    /// The connection.
    pub network: PeerConnection,
    /// What it last said of its chain.
    pub protocols: PeerProtocols,
}

/// A peer's connection, as in geth.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerConnection {
    /// Multiaddress at the other end.
    pub remote_address: String,
    /// Whether the peer connected to us.
    pub inbound: bool,
    /// Whether it may always connect.
    pub trusted: bool,
    /// Whether we stay connected to it.
    #[serde(rename = "static")]
    pub is_static: bool,
}

/// What a peer said, by protocol.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PeerProtocols {
    /// Its chain.
    pub eth: PeerChain,
}

/// A peer's chain, as in geth; the number is more than geth tells.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PeerChain {
    /// Version of the protocol.
    pub version: u32,
    /// Total difficulty.
    pub difficulty: U256,
    /// Hash of its newest block.
    pub head: B256,
    /// Number of its newest block.
    pub number: u64,
}

/// This node, as `admin_nodeInfo` shows it: geth's fields, with multiaddresses where geth has enode URLs.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// libp2p peer ID.
    pub id: String,
    /// The first of `addresses`; empty if it does not listen.
    pub enode: String,
    /// Address it listens on, without the peer ID.
    pub listen_addr: String,
    /// Multiaddresses with the peer ID, to give to `admin_addPeer` elsewhere.
    pub addresses: Vec<String>,
}

/// What an external miner needs to search for a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkPackage {
    /// Hash of the header without its seal.
    pub seal_hash: B256,
    /// Seed of the epoch's cache.
    pub seed_hash: B256,
    /// The largest hashimoto value that is enough.
    pub target: U256,
    /// The block's number.
    pub number: u64,
}

/// Progress of a synchronisation; block numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncProgress {
    /// Where it began.
    pub starting: u64,
    /// Where it is.
    pub current: u64,
    /// Where the best peer is.
    pub highest: u64,
}

/// The block the miner is working on.
#[derive(Debug, Clone)]
pub struct PendingBlock {
    /// Without a seal; `hash` means nothing.
    pub block: Arc<RecoveredBlock>,
    /// One per transaction.
    pub receipts: Arc<Vec<Receipt>>,
    /// What it changes in its parent's state.
    pub changes: Arc<StateChanges>,
}

/// Why the node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Not the address of a peer.
    #[error("invalid peer address: {0}")]
    PeerAddress(String),
    /// Neither a peer ID nor an address that ends in one.
    #[error("invalid peer: {0}")]
    Peer(String),
    /// The node lacks what the request needs, such as a miner.
    #[error("not available on this node: {0}")]
    Unavailable(&'static str),
    /// The request was understood and cannot be met.
    #[error("{0}")]
    Refused(String),
}

/// The rest of the node. Calls return at once, but [`NodeControl::pending_block`], [`NodeControl::submit_work`] and
/// [`NodeControl::mine_once`] execute blocks and are called off the tokio workers.
pub trait NodeControl: Send + Sync + 'static {
    /// Connected peers.
    fn peer_count(&self) -> usize;
    /// Connected peers, described.
    fn peers(&self) -> Vec<PeerInfo>;
    /// Dials a peer and keeps dialling it.
    ///
    /// # Errors
    /// An address that is none.
    fn add_peer(&self, address: &str) -> Result<(), ControlError>;
    /// Disconnects a peer, named by its ID or an address that ends in it, and dials it no more.
    ///
    /// # Errors
    /// No peer's name, or no network, as by default.
    fn remove_peer(&self, _peer: &str) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the network"))
    }
    /// Lets a peer in whether or not there is room, or not any more.
    ///
    /// # Errors
    /// As [`NodeControl::remove_peer`].
    fn set_trusted(&self, _peer: &str, _trusted: bool) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the network"))
    }
    /// Where the node keeps its data.
    ///
    /// # Errors
    /// It does not say, as by default.
    fn datadir(&self) -> Result<PathBuf, ControlError> {
        Err(ControlError::Unavailable("the data directory"))
    }
    /// This node.
    fn node_info(&self) -> NodeInfo;
    /// Whether the node accepts connections from peers.
    fn listening(&self) -> bool;
    /// `None` when in sync.
    fn syncing(&self) -> Option<SyncProgress>;
    /// Whether clients should be sent here: in sync, and with peers if it is meant to have some.
    fn ready(&self) -> bool;
    /// Whether the miner runs.
    fn mining(&self) -> bool;
    /// Hashes a second.
    fn hashrate(&self) -> u64;
    /// Who receives the rewards; `None` without a miner.
    fn coinbase(&self) -> Option<Address>;
    /// Starts the miner.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`] without one; so for the switches below.
    fn start_mining(&self) -> Result<(), ControlError>;
    /// Stops the miner.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`].
    fn stop_mining(&self) -> Result<(), ControlError>;
    /// Changes who receives the rewards.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`].
    fn set_coinbase(&self, coinbase: Address) -> Result<(), ControlError>;
    /// Changes the least tip (wei per gas) that is mined.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`].
    fn set_gas_price(&self, price: U256) -> Result<(), ControlError>;
    /// Changes the gas limit blocks move towards.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`].
    fn set_gas_limit(&self, limit: u64) -> Result<(), ControlError>;
    /// Changes the extra data of mined blocks.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`], and for data that is too long.
    fn set_extra(&self, extra: Bytes) -> Result<(), ControlError>;
    /// What an external miner may search for.
    ///
    /// # Errors
    /// The miner is off, or has nothing to do at this moment; there is none, as by default.
    fn work(&self) -> Result<WorkPackage, ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    /// Seals and imports the block of a package; whether that went well. Without a miner it never does.
    fn submit_work(&self, _nonce: B64, _seal_hash: B256, _mix_hash: B256) -> bool {
        false
    }
    /// Notes an external miner's hash rate for a while; whether there was room. Without a miner there is none.
    fn submit_hashrate(&self, _rate: u64, _id: B256) -> bool {
        false
    }
    /// Mines one block and returns when it is the head.
    ///
    /// # Errors
    /// As [`NodeControl::start_mining`], and if the block is not mined.
    fn mine_once(&self) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    /// Gas limit that blocks built here move towards; without a miner 30 million, as a miner starts with.
    fn gas_limit_target(&self) -> u64 {
        30_000_000
    }
    /// The block the miner works on; `None` without a miner or before its first.
    fn pending_block(&self) -> Option<PendingBlock>;
}
