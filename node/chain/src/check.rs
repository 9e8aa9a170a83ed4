//! The first two stages: everything that can be checked without the parent's state. It must not change anything
//! but the memory of invalid blocks.

use crate::{
    ImportError, InvalidBlock,
    chain::{Shared, internal},
};
use atoll_consensus::ConsensusError;
use atoll_primitives::{
    Address, B256, Block, Header, HeaderReader, RecoveredBlock, SealedHeader, U256, recover_senders,
};
use std::{collections::HashMap, sync::Arc};

/// A block whose parent is known and whose header obeys the rules.
#[derive(Debug)]
pub(crate) struct Linked {
    pub block: Block,
    pub hash: B256,
    pub td: U256,
}

/// A block whose seal and body are good as well.
#[derive(Debug)]
pub(crate) struct Checked(Linked);

/// A checked block with its senders.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub block: Arc<RecoveredBlock>,
    pub td: U256,
}

/// The blocks this node has, and on top those of a batch that is being checked.
pub(crate) struct Overlay<'a> {
    shared: &'a Shared,
    batch: HashMap<B256, Relative>,
}

/// What the checks of a block's descendants ask of it.
struct Relative {
    header: Header,
    ommers: Vec<Header>,
    td: U256,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, batch: HashMap::new() }
    }

    /// Makes a block known to the checks of its descendants.
    pub(crate) fn push(&mut self, linked: &Linked) {
        let Linked { block, hash, td } = linked;
        let relative = Relative { header: block.header.clone(), ommers: block.body.ommers.clone(), td: *td };
        self.batch.insert(*hash, relative);
    }

    /// Lets go of blocks that the chain has by now.
    pub(crate) fn shrink(&mut self) {
        self.batch.retain(|hash, _| !self.shared.is_known(hash).unwrap_or(false));
    }

    /// Lineage and header rules; cheap.
    pub(crate) fn header_rules(&self, block: Block, hash: B256, now: u64) -> Result<Linked, ImportError> {
        match self.lineage(&block.header, hash, now) {
            Ok(td) => Ok(Linked { block, hash, td }),
            Err(error) => {
                self.shared.keep_bad(&error, || block);
                Err(error)
            }
        }
    }

    /// The total difficulty with this header.
    fn lineage(&self, header: &Header, hash: B256, now: u64) -> Result<U256, ImportError> {
        let Header { number, parent_hash, difficulty, .. } = *header;
        let shared = self.shared;
        shared.refuse_invalid(number, hash, parent_hash)?;
        let unknown = || ImportError::UnknownParent { number, hash, parent: parent_hash };
        let (parent, parent_td) = match self.batch.get(&parent_hash) {
            Some(parent) => (parent.header.clone(), parent.td),
            None => {
                let parent = shared.header(&parent_hash).map_err(|source| internal(number, hash, source))?;
                let td = shared.td(&parent_hash).map_err(|source| internal(number, hash, source))?;
                parent.zip(td).ok_or_else(unknown)?
            }
        };
        let parent = SealedHeader { hash: parent_hash, header: parent };
        let verdict = shared.engine.verify_header(header, &parent, self, now);
        let verdict = verdict.and_then(|()| shared.engine.verify_transition(header, &parent, parent_td));
        verdict.map_err(|error| shared.remember(shared.refused(number, hash, error)))?;
        Ok(parent_td.saturating_add(difficulty))
    }

    /// Seal, then body. A bad body says nothing about the header's hash, which another body may fit: it is
    /// refused, but the hash is not remembered as invalid.
    pub(crate) fn seal_and_body(&self, linked: Linked) -> Result<Checked, ImportError> {
        let seal = self.seal(&linked.block.header);
        self.judged_seal_and_body(linked, seal)
    }

    /// The verdicts on some blocks' seals, in order.
    pub(crate) fn seals<P>(&self, blocks: &[(P, Linked)]) -> Vec<Result<(), ConsensusError>> {
        if !self.shared.options.verify_seals {
            return vec![Ok(()); blocks.len()];
        }
        let headers: Vec<&Header> = blocks.iter().map(|(_, linked)| &linked.block.header).collect();
        self.shared.engine.verify_seals(&headers, self)
    }

    /// [`Self::seal_and_body`] once the seal's verdict is known.
    pub(crate) fn judged_seal_and_body(
        &self,
        linked: Linked,
        seal: Result<(), ConsensusError>,
    ) -> Result<Checked, ImportError> {
        match self.judge(&linked, seal) {
            Ok(()) => Ok(Checked(linked)),
            Err(error) => {
                self.shared.keep_bad(&error, || linked.block);
                Err(error)
            }
        }
    }

    fn judge(&self, linked: &Linked, seal: Result<(), ConsensusError>) -> Result<(), ImportError> {
        let Linked { block, hash, .. } = linked;
        let (shared, number) = (self.shared, block.header.number);
        seal.map_err(|error| shared.remember(shared.refused(number, *hash, error)))?;
        let body = shared.engine.verify_body(block, self);
        let body = body.and_then(|()| block.body.ommers.iter().try_for_each(|ommer| self.seal(ommer)));
        body.map_err(|error| shared.refused(number, *hash, error))
    }

    fn seal(&self, header: &Header) -> Result<(), ConsensusError> {
        if self.shared.options.verify_seals { self.shared.engine.verify_seal(header, self) } else { Ok(()) }
    }
}

impl HeaderReader for Overlay<'_> {
    fn header(&self, hash: &B256) -> Option<Header> {
        if let Some(relative) = self.batch.get(hash) {
            return Some(relative.header.clone());
        }
        self.shared.header(hash).inspect_err(|error| tracing::error!(%error, %hash, "a header cannot be read")).ok()?
    }

    fn ommers(&self, hash: &B256) -> Option<Vec<Header>> {
        if let Some(relative) = self.batch.get(hash) {
            return Some(relative.ommers.clone());
        }
        if let Some(block) = self.shared.side.read().block(hash) {
            return Some(block.block.body.ommers.clone());
        }
        self.shared.storage.ommers(hash)
    }
}

impl Shared {
    /// Senders, from the pool where it knows them.
    pub(crate) fn recover(&self, checked: Checked) -> Result<Recovered, ImportError> {
        let Checked(Linked { block, hash, td }) = checked;
        let senders = match self.known_senders(&block) {
            Some(senders) => senders,
            None => recover_senders(&block.body.transactions)
                .map_err(|error| self.remember(invalid(block.header.number, hash, InvalidBlock::Signature(error))))
                .inspect_err(|error| self.keep_bad(error, || block.clone()))?,
        };
        Ok(Recovered { block: Arc::new(RecoveredBlock { hash, block, senders }), td })
    }

    /// All of them or none: a block of our own pool is known in full, a stranger's mostly not at all.
    fn known_senders(&self, block: &Block) -> Option<Vec<Address>> {
        let lookup = self.senders.get()?;
        block.body.transactions.iter().map(|tx| lookup(tx.tx_hash())).collect()
    }

    fn refuse_invalid(&self, number: u64, hash: B256, parent: B256) -> Result<(), ImportError> {
        if self.invalid.get(&hash).is_some() {
            return Err(invalid(number, hash, InvalidBlock::Known));
        }
        if self.invalid.get(&parent).is_some() {
            return Err(self.remember(invalid(number, hash, InvalidBlock::Parent { parent })));
        }
        Ok(())
    }

    fn refused(&self, number: u64, hash: B256, error: ConsensusError) -> ImportError {
        match error {
            ConsensusError::Future { timestamp, now } => ImportError::Future { hash, timestamp, now },
            error if error.is_fault() => invalid(number, hash, InvalidBlock::Consensus(error)),
            error => internal(number, hash, crate::InternalError::Consensus(Box::new(error))),
        }
    }

    /// Notes the hash if the error says the block is invalid for good.
    pub(crate) fn remember(&self, error: ImportError) -> ImportError {
        if let ImportError::Invalid { hash, .. } = &error {
            self.invalid.insert(*hash, ());
        }
        error
    }
}

pub(crate) fn invalid(number: u64, hash: B256, reason: InvalidBlock) -> ImportError {
    ImportError::Invalid { number, hash, reason: Box::new(reason) }
}
