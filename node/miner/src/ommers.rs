//! Stale blocks seen lately, from which a new block takes the ommers it may include.

use atoll_consensus::{MAX_OMMER_DEPTH, MAX_OMMERS, check_ommers};
use atoll_primitives::{B256, ChainSpec, Header, HeaderReader, SealedHeader};
use std::collections::HashMap;

/// Candidates kept; at the bound new ones are ignored until old ones fall behind the head.
const MAX_CANDIDATES: usize = 64;

/// Headers of imported blocks (so their seals are good) that are not canonical.
#[derive(Default)]
pub(crate) struct OmmerCandidates {
    headers: HashMap<B256, Header>,
}

impl OmmerCandidates {
    pub(crate) fn add(&mut self, hash: B256, header: Header) {
        if self.headers.len() < MAX_CANDIDATES {
            self.headers.insert(hash, header);
        }
    }

    /// Forgets candidates too old for a child of the head.
    pub(crate) fn prune(&mut self, head: u64) {
        self.headers.retain(|_, header| header.number + MAX_OMMER_DEPTH as u64 > head);
    }

    /// Up to two ommers for a block on `parent`, the oldest first: they expire first.
    pub(crate) fn select(&self, spec: &ChainSpec, parent: &SealedHeader, reader: &dyn HeaderReader) -> Vec<Header> {
        let mut candidates: Vec<_> = self.headers.values().filter(|header| header.number <= parent.number).collect();
        candidates.sort_by_key(|header| header.number);
        let mut chosen = Vec::new();
        for header in candidates {
            chosen.push(header.clone());
            if check_ommers(spec, parent.hash, &chosen, reader).is_err() {
                chosen.pop();
            } else if chosen.len() == MAX_OMMERS {
                break;
            }
        }
        chosen
    }
}
