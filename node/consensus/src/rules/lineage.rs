//! Rules that tie a header to its parent and to the clock.

use super::Context;
use crate::ConsensusError;

/// Seconds a header's timestamp may be ahead of the clock, as in geth.
pub const FUTURE_TOLERANCE: u64 = 15;

pub(super) fn parent_hash(context: &Context<'_>) -> Result<(), ConsensusError> {
    let (found, expected) = (context.header.parent_hash, context.parent.hash);
    if found == expected { Ok(()) } else { Err(ConsensusError::ParentHash { found, expected }) }
}

pub(super) fn number(context: &Context<'_>) -> Result<(), ConsensusError> {
    let (found, parent) = (context.header.number, context.parent.number);
    if parent.checked_add(1) == Some(found) { Ok(()) } else { Err(ConsensusError::Number { found, parent }) }
}

pub(super) fn timestamp(context: &Context<'_>) -> Result<(), ConsensusError> {
    let (found, parent) = (context.header.timestamp, context.parent.timestamp);
    if found > parent { Ok(()) } else { Err(ConsensusError::Timestamp { found, parent }) }
}

pub(super) fn not_in_the_future(context: &Context<'_>) -> Result<(), ConsensusError> {
    let timestamp = context.header.timestamp;
    match context.now {
        Some(now) if timestamp > now.saturating_add(FUTURE_TOLERANCE) => Err(ConsensusError::Future { timestamp, now }),
        _ => Ok(()),
    }
}
