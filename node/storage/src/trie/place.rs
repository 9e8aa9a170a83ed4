//! Where a node in memory stands in the log. Whoever appends sets it, in a node that other threads may be reading. It must
//! not know what the node is.

use crate::statelog::NodePos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A place, once there is one. A copy has none: it is made to be changed.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicU64);

impl Clone for Place {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Place {
    /// Known from the start.
    pub fn at(pos: NodePos) -> Self {
        Self(AtomicU64::new(pos.0))
    }

    /// A copy that has it.
    pub fn same(&self) -> Self {
        self.get().map_or_else(Self::default, Self::at)
    }

    // Acquire and release: what stands beside it is set first.
    pub fn get(&self) -> Option<NodePos> {
        Some(NodePos(self.0.load(Ordering::Acquire))).filter(|pos| pos.0 != 0)
    }

    pub fn set(&self, pos: NodePos) {
        self.0.store(pos.0, Ordering::Release);
    }

    /// It never came into the log.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// What a branch in the log rests on: it may stand there as changes to an older one.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    whole: AtomicU64,
    /// Patches, and behind them their bytes.
    patches: AtomicU32,
}

impl Rests {
    /// Place of the whole branch under so many patches, which have so many bytes together.
    pub fn on(whole: Option<NodePos>, patches: u8, bytes: u16) -> Self {
        let rests = Self::default();
        rests.set(whole, patches, bytes);
        rests
    }

    pub fn set(&self, whole: Option<NodePos>, patches: u8, bytes: u16) {
        self.whole.store(whole.map_or(0, |pos| pos.0), Ordering::Release);
        self.patches.store(u32::from(patches) << 16 | u32::from(bytes), Ordering::Release);
    }

    /// As they were set.
    pub fn get(&self) -> (Option<NodePos>, u8, u16) {
        let patches = self.patches.load(Ordering::Acquire);
        let whole = NodePos(self.whole.load(Ordering::Acquire));
        (Some(whole).filter(|pos| pos.0 != 0), (patches >> 16) as u8, patches as u16)
    }
}
