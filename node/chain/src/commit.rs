//! The last stage: storing an executed block, choosing the head, telling the others. It must not check blocks.

use crate::{
    ChainEvent, HeadChange, Import, ImportError, InternalError, Origin,
    chain::{Shared, internal},
    check::Recovered,
};
use atoll_primitives::{B256, Header, Receipt, RecoveredBlock, U256};
use atoll_storage::{Reorg, StorageError};
use std::sync::{Arc, atomic::Ordering};

impl Shared {
    /// Executes and stores a block, and makes it the head if the engine prefers it.
    pub(crate) fn commit(&self, recovered: Recovered, origin: Origin) -> Result<Import, ImportError> {
        let (number, hash) = (recovered.block.number(), recovered.block.hash);
        let failed = |source: InternalError| internal(number, hash, source);
        self.flusher.wait_for_room().map_err(failed)?;
        let _writer = self.writer.lock();
        if self.stopped.load(Ordering::Acquire) {
            return Err(ImportError::Stopped);
        }
        if self.is_known(&hash).map_err(failed)? {
            return Ok(Import::AlreadyKnown);
        }
        let Some(executed) = self.execute(&recovered)? else { return self.set_aside(recovered, origin) };
        match self.storage.append(executed.0) {
            Ok(()) => self.choose(recovered, origin),
            // The flush moved the base past the parent meanwhile.
            Err(StorageError::UnknownParent { .. }) => self.set_aside(recovered, origin),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// A block that came before: after a crash between storing it and making it the head, after the chain was set
    /// back, or when a flush passed its branch by, it still may become it.
    pub(crate) fn reconsider(&self, hash: B256, number: u64, origin: Origin) -> Result<Import, ImportError> {
        let failed = |source: InternalError| internal(number, hash, source);
        // Mostly it is not: then there is no need to wait for the writer.
        if self.better(&hash, number).map_err(failed)?.is_none() {
            return Ok(Import::AlreadyKnown);
        }
        let _writer = self.writer.lock();
        if self.stopped.load(Ordering::Acquire) {
            return Err(ImportError::Stopped);
        }
        let Some(again) = self.better(&hash, number).map_err(failed)? else { return Ok(Import::AlreadyKnown) };
        let at_hand = !self.side.read().contains(&hash);
        let at_hand = at_hand && self.storage.state_at(&hash).map_err(|error| failed(error.into()))?.is_some();
        if at_hand { self.choose(again, origin) } else { self.set_aside(again, origin) }
    }

    /// A known block that is not canonical and yet preferred over the head.
    fn better(&self, hash: &B256, number: u64) -> Result<Option<Recovered>, InternalError> {
        if self.storage.canonical_hash(number)? == Some(*hash) {
            return Ok(None);
        }
        let Some((td, header)) = self.td(hash)?.zip(self.header(hash)?) else { return Ok(None) };
        if !self.prefers(td, &header) {
            return Ok(None);
        }
        Ok(Some(Recovered { block: self.any_block(hash)?, td }))
    }

    pub(crate) fn prefers(&self, td: U256, header: &Header) -> bool {
        let head = self.storage.head();
        self.engine.prefers(td, header, self.head_td(), &head)
    }

    /// Fork choice over a stored block.
    fn choose(&self, recovered: Recovered, origin: Origin) -> Result<Import, ImportError> {
        let (block, td) = (&recovered.block, recovered.td);
        if !self.prefers(td, block.header()) {
            tracing::debug!(number = block.number(), hash = %block.hash, "imported a side block");
            // No receiver is no error: nobody listens yet.
            let _ = self.events.send(ChainEvent::Side(block.clone()));
            return Ok(Import::SideChain);
        }
        let failed = |source: InternalError| internal(block.number(), block.hash, source);
        match self.storage.set_head(&block.hash) {
            Ok(reorg) => self.announce(reorg, td, origin).map(|()| Import::Canonical).map_err(failed),
            // The flush moved the base past the fork meanwhile.
            Err(StorageError::BelowBase { .. } | StorageError::UnknownBlock { .. }) => {
                self.storage.wait_for_flush();
                self.set_aside(recovered, origin)
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Tells the others about a head that is set already.
    pub(crate) fn announce(&self, reorg: Reorg, td: U256, origin: Origin) -> Result<(), InternalError> {
        let head = self.storage.head();
        metrics::gauge!("atoll_chain_head").set(head.number as f64);
        let depth = reorg.reverted.len();
        if depth > 0 {
            metrics::counter!("atoll_chain_reorgs_total").increment(1);
            metrics::histogram!("atoll_chain_reorg_depth").record(depth as f64);
            tracing::info!(number = head.number, hash = %head.hash, depth, "chain reorganised");
        } else {
            tracing::debug!(number = head.number, hash = %head.hash, ?origin, "new head");
        }
        self.flusher.wake();
        if let Some(indexer) = self.indexer.get() {
            indexer.wake();
        }
        let Reorg { reverted, applied } = reorg;
        let change = HeadChange {
            head,
            td,
            reverted_receipts: self.receipts(&reverted)?,
            applied_receipts: self.receipts(&applied)?,
            reverted,
            applied,
            origin,
        };
        let _ = self.events.send(ChainEvent::Head(Arc::new(change)));
        Ok(())
    }

    fn receipts(&self, blocks: &[Arc<RecoveredBlock>]) -> Result<Vec<Arc<Vec<Receipt>>>, InternalError> {
        let missing = |block: &Arc<RecoveredBlock>| InternalError::Missing { hash: block.hash };
        blocks.iter().map(|block| self.storage.receipts(&block.hash)?.ok_or_else(|| missing(block))).collect()
    }
}
