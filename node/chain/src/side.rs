//! Blocks set aside: checked as far as that goes without their parents' state, because they fork off below the
//! persisted base. It must not execute or judge them.

use atoll_primitives::{B256, Header, RecoveredBlock, U256, rlp::Encodable as _};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Blocks kept.
const MAX_BLOCKS: usize = 262_144;
/// Bytes of their encodings kept.
const MAX_BYTES: usize = 256 << 20;

/// At its bounds the oldest additions go first: their branch then has an unknown parent, and who syncs it starts
/// again from below.
#[derive(Debug, Default)]
pub(crate) struct SideStore {
    blocks: HashMap<B256, SideBlock>,
    order: VecDeque<B256>,
    bytes: usize,
}

#[derive(Debug)]
struct SideBlock {
    block: Arc<RecoveredBlock>,
    td: U256,
    bytes: usize,
}

impl SideStore {
    pub(crate) fn insert(&mut self, block: Arc<RecoveredBlock>, td: U256) {
        let (hash, bytes) = (block.hash, block.block.length());
        if self.blocks.contains_key(&hash) {
            return;
        }
        self.blocks.insert(hash, SideBlock { block, td, bytes });
        self.order.push_back(hash);
        self.bytes += bytes;
        while self.order.len() > MAX_BLOCKS || (self.bytes > MAX_BYTES && self.order.len() > 1) {
            let Some(oldest) = self.order.front().copied() else { return };
            self.remove(&oldest);
        }
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        let Some(block) = self.blocks.remove(hash) else { return };
        self.bytes -= block.bytes;
        // Removals come in insertion order, so the search ends at once.
        if let Some(at) = self.order.iter().position(|other| other == hash) {
            self.order.remove(at);
        }
    }

    pub(crate) fn contains(&self, hash: &B256) -> bool {
        self.blocks.contains_key(hash)
    }

    pub(crate) fn block(&self, hash: &B256) -> Option<Arc<RecoveredBlock>> {
        self.blocks.get(hash).map(|side| side.block.clone())
    }

    pub(crate) fn header(&self, hash: &B256) -> Option<Header> {
        self.blocks.get(hash).map(|side| side.block.header().clone())
    }

    pub(crate) fn td(&self, hash: &B256) -> Option<U256> {
        self.blocks.get(hash).map(|side| side.td)
    }
}
