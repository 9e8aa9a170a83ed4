//! What JSON-RPC asks of the rest of the node. The wiring implements it; this room must not know how.

use atoll_primitives::{Address, Bytes, Receipt, RecoveredBlock, StateChanges, U256};
use serde::Serialize;
use std::sync::Arc;

/// A peer, as `admin_peers` shows it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// libp2p peer ID.
    pub id: String,
    /// Client name and version.
    pub name: String,
    /// Multiaddress of the connection.
    pub address: String,
    /// Whether the peer connected to us.
    pub inbound: bool,
    /// Number of its newest block, if it said.
    pub head: Option<u64>,
    /// Protocols it speaks.
    pub protocols: Vec<String>,
}

/// This node, as `admin_nodeInfo` shows it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// libp2p peer ID.
    pub id: String,
    /// Multiaddresses with the peer ID, to give to `admin_addPeer` elsewhere.
    pub addresses: Vec<String>,
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
    /// The node lacks what the request needs, such as a miner.
    #[error("not available on this node: {0}")]
    Unavailable(&'static str),
    /// The request was understood and cannot be met.
    #[error("{0}")]
    Refused(String),
}

/// The rest of the node. Calls return at once, but [`NodeControl::pending_block`] may execute a block and is
/// called off the tokio workers.
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
    /// The block the miner works on; `None` without a miner or before its first.
    fn pending_block(&self) -> Option<PendingBlock>;
}
