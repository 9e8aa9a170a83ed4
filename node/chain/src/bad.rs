//! The blocks that were refused last, for who wants to know why: whole, in memory only.

use crate::{Chain, ImportError, InvalidBlock, chain::Shared};
use atoll_primitives::{B256, Block, rlp::Encodable as _};
use std::{collections::VecDeque, sync::Arc};

/// Blocks that are kept: geth's number. The oldest gives way.
const MAX_BLOCKS: usize = 10;
/// Bytes of all of them; beyond this the oldest give way as well, down to one block.
const MAX_BYTES: usize = 32 << 20;

/// A block that broke a rule.
#[derive(Debug, Clone)]
pub struct BadBlock {
    /// Its hash.
    pub hash: B256,
    /// The block.
    pub block: Arc<Block>,
}

/// The newest last.
#[derive(Debug, Default)]
pub(crate) struct BadBlocks {
    blocks: VecDeque<BadBlock>,
}

impl BadBlocks {
    fn keep(&mut self, hash: B256, block: Block) {
        // One hash may come with several bodies.
        self.blocks.retain(|known| known.hash != hash);
        self.blocks.push_back(BadBlock { hash, block: Arc::new(block) });
        let bytes = |blocks: &VecDeque<BadBlock>| blocks.iter().map(|bad| bad.block.length()).sum::<usize>();
        while self.blocks.len() > MAX_BLOCKS || (self.blocks.len() > 1 && bytes(&self.blocks) > MAX_BYTES) {
            self.blocks.pop_front();
        }
    }
}

impl Shared {
    /// Keeps a block if the error is a rule that it breaks itself.
    pub(crate) fn keep_bad(&self, error: &ImportError, block: impl FnOnce() -> Block) {
        if let ImportError::Invalid { hash, reason, .. } = error
            && !matches!(**reason, InvalidBlock::Known | InvalidBlock::Parent { .. })
        {
            self.bad.lock().keep(*hash, block());
        }
    }
}

impl Chain {
    /// The blocks that were refused last since the node was started, ten at most, the newest first.
    pub fn bad_blocks(&self) -> Vec<BadBlock> {
        self.shared.bad.lock().blocks.iter().rev().cloned().collect()
    }
}
