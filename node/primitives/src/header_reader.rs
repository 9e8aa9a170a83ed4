//! Read access to headers, for rules that look at ancestors.

use crate::{Block, Header};
use alloy_primitives::B256;

/// Headers and blocks by hash: what consensus rules may see of a chain.
///
/// `None` means unknown. An implementation that cannot read answers `None` too and logs the reason: a rule
/// then fails as it does for an unknown ancestor, which is safe.
pub trait HeaderReader: Send + Sync {
    /// The header of this hash, canonical or not.
    fn header(&self, hash: &B256) -> Option<Header>;

    /// The block of this hash, canonical or not: uncle rules read the ommers of ancestors.
    fn block(&self, hash: &B256) -> Option<Block>;
}
