//! What the chain tells the other rooms. It must not know who listens.

use atoll_primitives::{Receipt, RecoveredBlock, SealedHeader, U256};
use std::sync::Arc;

/// Where a block came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Sealed by this node.
    Own,
    /// Announced by a peer.
    Peer,
    /// Fetched from a peer to catch up.
    Sync,
    /// Read from a file.
    File,
    /// No new block: the operator set the chain back.
    Rewind,
}

/// What became of a valid block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// Imported before.
    AlreadyKnown,
    /// It is the head now.
    Canonical,
    /// Kept, but another chain is preferred.
    SideChain,
}

/// The canonical chain's head moved.
#[derive(Debug, Clone)]
pub struct HeadChange {
    /// The new head.
    pub head: Arc<SealedHeader>,
    /// Its total difficulty.
    pub td: U256,
    /// Blocks that left the canonical chain, oldest first; empty unless this is a reorganisation.
    pub reverted: Vec<Arc<RecoveredBlock>>,
    /// The receipts of each block of `reverted`.
    pub reverted_receipts: Vec<Arc<Vec<Receipt>>>,
    /// Blocks that joined it, oldest first; the last one is the head. Empty when the chain was set back.
    pub applied: Vec<Arc<RecoveredBlock>>,
    /// The receipts of each block of `applied`.
    pub applied_receipts: Vec<Arc<Vec<Receipt>>>,
    /// Where the block that moved the head came from.
    pub origin: Origin,
}

/// What happened. A receiver that falls behind the channel's bound misses the oldest events, and starts again
/// from the chain's head.
#[derive(Debug, Clone)]
pub enum ChainEvent {
    /// The head moved.
    Head(Arc<HeadChange>),
    /// A valid block was imported beside the canonical chain: a candidate for an ommer.
    Side(Arc<RecoveredBlock>),
}
