//! Read access to headers, for rules that look at ancestors.

use crate::Header;
use alloy_primitives::B256;

/// Headers and ommers by hash: what consensus rules may see of a chain.
///
/// `None` means unknown. An implementation that cannot read answers `None` too and logs the reason: a rule
/// then fails as it does for an unknown ancestor, which is safe.
pub trait HeaderReader: Send + Sync {
    /// The header of this hash, canonical or not.
    fn header(&self, hash: &B256) -> Option<Header>;

    /// The ommers of the block of this hash, canonical or not: no ancestor's may come again.
    fn ommers(&self, hash: &B256) -> Option<Vec<Header>>;
}
