//! From a block parameter (number, tag, hash, EIP-1898 object) to a block and its state.

use crate::{PendingBlock, RpcError, context::Node};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, RpcBlockHash};
use atoll_primitives::{
    Account, Address, B256, Bytes, Header, Receipt, RecoveredBlock, SealedHeader, StateChanges, U256,
    consensus::constants::EMPTY_WITHDRAWALS,
};
use atoll_storage::StateView;
use std::sync::Arc;

/// What a block parameter names.
enum Named {
    Hash(B256),
    Pending,
    /// A number above the head, or a hash nobody knows.
    Nothing,
}

/// A block with its receipts.
pub(crate) struct BlockView {
    pub(crate) block: Arc<RecoveredBlock>,
    pub(crate) receipts: Arc<Vec<Receipt>>,
    /// It is the miner's: not sealed, its hash means nothing.
    pub(crate) pending: bool,
}

/// The state after a block.
pub(crate) struct StateAt {
    /// The block's header.
    pub(crate) header: Header,
    pub(crate) view: StateView,
    /// For the pending block: what it changes on top of `view`.
    pub(crate) changes: Option<Arc<StateChanges>>,
}

impl StateAt {
    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, RpcError> {
        let changed = self.changes.as_ref().and_then(|changes| changes.account(address));
        changed.map_or_else(|| Ok(self.view.account(address)?), Ok)
    }

    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Result<U256, RpcError> {
        let changed = self.changes.as_ref().and_then(|changes| changes.slot(address, slot));
        changed.map_or_else(|| Ok(self.view.storage(address, slot)?), Ok)
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Bytes, RpcError> {
        let deployed = self.changes.as_ref().and_then(|changes| changes.code.get(hash));
        deployed.map_or_else(|| Ok(self.view.code(hash)?), |code| Ok(code.clone()))
    }
}

impl Node {
    fn named(&self, id: BlockId) -> Result<Named, RpcError> {
        let number = match id {
            BlockId::Hash(RpcBlockHash { block_hash, require_canonical }) => {
                return self.named_hash(block_hash, require_canonical == Some(true));
            }
            BlockId::Number(number) => number,
        };
        let number = match number {
            BlockNumberOrTag::Latest => return Ok(Named::Hash(self.head().hash)),
            BlockNumberOrTag::Pending => return Ok(Named::Pending),
            BlockNumberOrTag::Safe => {
                return self.settled(self.chain.safe()).map(Named::Hash).ok_or(RpcError::SafeNotFound);
            }
            BlockNumberOrTag::Finalized => {
                return self.settled(self.chain.finalized()).map(Named::Hash).ok_or(RpcError::FinalizedNotFound);
            }
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Number(number) => number,
        };
        Ok(self.storage().canonical_hash(number)?.map_or(Named::Nothing, Named::Hash))
    }

    fn named_hash(&self, hash: B256, require_canonical: bool) -> Result<Named, RpcError> {
        let Some(number) = self.storage().number(&hash)? else { return Ok(Named::Nothing) };
        if require_canonical && self.storage().canonical_hash(number)? != Some(hash) {
            return Err(RpcError::NotCanonical);
        }
        Ok(Named::Hash(hash))
    }

    /// The block the chain says cannot be undone. Past the merge there is no beacon chain here to ask: blocks come
    /// from a file the operator imported, and stand.
    fn settled(&self, known: Option<Arc<SealedHeader>>) -> Option<B256> {
        let head = self.head();
        known.map(|header| header.hash).or_else(|| self.spec.is_post_merge(&head.header).then_some(head.hash))
    }

    /// The number a parameter of a log query or fee history means; `None` above the head. Pending counts as latest.
    pub(crate) fn number_of(&self, tag: BlockNumberOrTag) -> Result<Option<u64>, RpcError> {
        match (tag, self.head().number) {
            (BlockNumberOrTag::Number(number), head) => Ok((number <= head).then_some(number)),
            (BlockNumberOrTag::Latest | BlockNumberOrTag::Pending, head) => Ok(Some(head)),
            (BlockNumberOrTag::Earliest, _) => Ok(Some(0)),
            (BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized, _) => match self.named(tag.into())? {
                Named::Hash(hash) => Ok(self.storage().number(&hash)?),
                Named::Pending | Named::Nothing => Ok(None),
            },
        }
    }

    /// The block, if there is one.
    pub(crate) fn block(&self, id: BlockId) -> Result<Option<BlockView>, RpcError> {
        match self.named(id)? {
            Named::Nothing => Ok(None),
            Named::Pending => {
                let PendingBlock { block, receipts, .. } = self.pending();
                Ok(Some(BlockView { block, receipts, pending: true }))
            }
            Named::Hash(hash) => self.block_by_hash(&hash),
        }
    }

    /// The block of this hash, canonical or not.
    pub(crate) fn block_by_hash(&self, hash: &B256) -> Result<Option<BlockView>, RpcError> {
        let Some(block) = self.storage().block(hash)? else { return Ok(None) };
        // The genesis block has no receipts to be stored.
        let receipts = self.storage().receipts(hash)?.unwrap_or_default();
        Ok(Some(BlockView { block, receipts, pending: false }))
    }

    /// The state a parameter names; the newest one without a parameter.
    pub(crate) fn state(&self, id: Option<BlockId>) -> Result<StateAt, RpcError> {
        let id = id.unwrap_or_default();
        match self.named(id)? {
            Named::Hash(hash) => self.state_of(&hash),
            Named::Nothing if matches!(id, BlockId::Hash(_)) => Err(RpcError::HashNotFound),
            Named::Nothing => Err(RpcError::HeaderNotFound),
            Named::Pending => {
                let pending = self.pending();
                let header = pending.block.header().clone();
                let mut state = self.state_of(&header.parent_hash)?;
                state.header = header;
                state.changes = Some(pending.changes);
                Ok(state)
            }
        }
    }

    fn state_of(&self, hash: &B256) -> Result<StateAt, RpcError> {
        let header = self.storage().header(hash)?.ok_or(RpcError::HeaderNotFound)?;
        let number = header.number;
        let view = self.storage().state_at(hash)?.ok_or(RpcError::StateUnavailable { number })?;
        Ok(StateAt { header, view, changes: None })
    }

    /// The miner's block on top of the head, or an empty one where no miner runs: clients ask for "pending" on
    /// any node.
    pub(crate) fn pending(&self) -> PendingBlock {
        let head = self.head();
        let mined = self.control.pending_block();
        if let Some(pending) = mined.filter(|pending| pending.block.header().parent_hash == head.hash) {
            return pending;
        }
        let header = self.next_header(&head.header, head.hash);
        let withdrawals = header.withdrawals_root.map(|_| Default::default());
        let body = atoll_primitives::BlockBody { withdrawals, ..Default::default() };
        let block = atoll_primitives::Block { header, body };
        let block = Arc::new(RecoveredBlock { hash: B256::ZERO, block, senders: Vec::new() });
        PendingBlock { block, receipts: Arc::default(), changes: Arc::default() }
    }

    /// The header an empty block after `parent` would have, as far as it can be known before mining.
    pub(crate) fn next_header(&self, parent: &Header, parent_hash: B256) -> Header {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let timestamp = now.max(parent.timestamp + 1);
        let cancun = self.spec.blob_params(timestamp).is_some();
        Header {
            parent_hash,
            number: parent.number + 1,
            timestamp,
            gas_limit: parent.gas_limit,
            difficulty: parent.difficulty,
            beneficiary: self.control.coinbase().unwrap_or_default(),
            state_root: parent.state_root,
            base_fee_per_gas: self.spec.next_base_fee(parent, timestamp),
            excess_blob_gas: self.spec.next_excess_blob_gas(parent, timestamp),
            blob_gas_used: cancun.then_some(0),
            parent_beacon_block_root: cancun.then_some(B256::ZERO),
            withdrawals_root: parent.withdrawals_root.map(|_| EMPTY_WITHDRAWALS),
            requests_hash: parent.requests_hash.map(|_| atoll_primitives::eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }
}
