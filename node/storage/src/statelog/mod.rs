//! The state of every block: a log of trie nodes. Each block appends the nodes it changed, which hold the places of their
//! children, so that from the place of a block's root everything in its state is found, proofs included, and a block writes
//! what it changed however large the state is. It must not know blocks, layers or tables.
//!
//! What is in the log never changes, so readers need no lock and caches no care. What the tables say of it (the places of
//! the roots, and where the log ends) is committed after the log is on the disk; what was appended and not committed is
//! cut off at the next start.

mod append;
mod diff;
mod file;
mod list;
mod node;
mod sweep;

pub(crate) use append::Appender;
pub(crate) use list::Leaves;
pub(crate) use node::{Child, Leaf, LogNode, NodePos};
pub(crate) use sweep::Sweep;

use crate::StorageError;
use alloy_trie::{Nibbles, nodes::RlpNode};
use atoll_kv::Table;
use file::Files;
use node::Decoded;
use quick_cache::{Weighter, sync::Cache};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// By this name it is spoken of among the tables.
pub(crate) const NAME: Table = Table("state");

/// Weighs a node.
#[derive(Clone)]
struct ByWeight;

impl Weighter<NodePos, Arc<LogNode>> for ByWeight {
    fn weight(&self, _: &NodePos, node: &Arc<LogNode>) -> u64 {
        node.weight() as u64 + 64
    }
}

/// A node that was searched for.
pub(crate) struct Placed {
    pub pos: NodePos,
    pub node: Arc<LogNode>,
    /// What its parent says of it; nothing says anything of a root.
    pub reference: Option<RlpNode>,
}

/// The log in one directory.
pub(crate) struct StateLog {
    files: Files,
    /// Nodes by their places; at the bound those not read for long leave.
    cache: Cache<NodePos, Arc<LogNode>, ByWeight>,
    /// What lies before it is on the disk and stays: tries in memory need not keep it.
    kept: AtomicU64,
    /// What tries in memory take to lie before it may have been moved by a sweep; zero if nothing was.
    floor: AtomicU64,
    /// What lies before it, or what that rests on, may be in a file that is deleted.
    stale: AtomicU64,
}

impl StateLog {
    /// Opens the log, which ends at `end`; what lies behind is cut off. Zero begins a new one.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for one that ends sooner; the disk's failure, here and below.
    pub fn open(dir: &Path, end: u64, file_bytes: u64, cache_bytes: usize) -> Result<Self, StorageError> {
        let log = Self::over(Files::open(dir, end, file_bytes)?, cache_bytes);
        log.kept.store(end, Ordering::SeqCst);
        Ok(log)
    }

    /// For reading alone.
    pub fn read_only(dir: &Path, cache_bytes: usize) -> Self {
        Self::over(Files::read_only(dir), cache_bytes)
    }

    fn over(files: Files, cache_bytes: usize) -> Self {
        let bytes = (cache_bytes as u64).max(1 << 16);
        let cache = Cache::with_weighter((cache_bytes / 512).max(64), bytes, ByWeight);
        let (kept, floor, stale) = Default::default();
        Self { files, cache, kept, floor, stale }
    }

    /// Where the next node goes.
    pub fn end(&self) -> u64 {
        self.files.end()
    }

    /// The node at a place.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for damage, here and below.
    pub fn node(&self, pos: NodePos) -> Result<Arc<LogNode>, StorageError> {
        if let Some(node) = self.cache.get(&pos) {
            return Ok(node);
        }
        let node = Arc::new(self.read(pos, 0)?);
        self.cache.insert(pos, Arc::clone(&node));
        Ok(node)
    }

    /// The same for a trie that keeps it: the cache is for others.
    pub fn node_once(&self, pos: NodePos) -> Result<Arc<LogNode>, StorageError> {
        match self.cache.get(&pos) {
            Some(node) => Ok(node),
            None => Ok(Arc::new(self.read(pos, 0)?)),
        }
    }

    /// Whether a place is on the disk, and stays there.
    pub fn is_kept(&self, pos: NodePos) -> bool {
        pos.0 < self.kept.load(Ordering::SeqCst)
    }

    /// Whether what is at a place, or what that rests on, may be in a file that is deleted.
    pub fn may_be_gone(&self, pos: NodePos) -> bool {
        pos.0 < self.stale.load(Ordering::SeqCst)
    }

    /// A sweep moved nodes of the newest state, and the nodes above them.
    pub fn moved(&self) {
        self.floor.store(self.end(), Ordering::SeqCst);
    }

    /// `patches` were read on the way here.
    fn read(&self, pos: NodePos, patches: u8) -> Result<LogNode, StorageError> {
        let damaged = |what| StorageError::corrupt(format!("the node at {} {what}", pos.0)).in_table(NAME);
        let decoded = self.files.read(pos, Decoded::new)?;
        // What a node leads to was appended before it, so every walk ends.
        if decoded.newest().is_some_and(|newest| newest >= pos) {
            return Err(damaged("leads to a later one"));
        }
        decoded.over(|old| match patches < node::MAX_PATCHES {
            true => self.read(old, patches + 1),
            false => Err(damaged("rests on too many")),
        })
    }

    /// The leaf of a hashed key below a root.
    pub fn leaf(&self, root: Option<NodePos>, key: &Nibbles) -> Result<Option<Arc<LogNode>>, StorageError> {
        self.leaf_below(root, key, 0)
    }

    /// Bytes of a full file.
    pub fn file_bytes(&self) -> u64 {
        self.files.file_bytes()
    }

    /// Deletes the files that end before a place nothing leads below any more.
    pub fn delete_before(&self, pos: NodePos) -> Result<(), StorageError> {
        // What was written during a sweep may rest on what it moved.
        self.stale.store(pos.0.max(self.floor.load(Ordering::SeqCst)), Ordering::SeqCst);
        self.files.delete_before(pos.0)
    }
}

impl LogNode {
    /// The leaf it is, if it is one.
    pub fn as_leaf(&self) -> Option<&Leaf> {
        if let Self::Leaf(leaf) = self { Some(leaf) } else { None }
    }
}

impl StateLog {
    /// The leaf of a hashed key, given the node after so many nibbles of it.
    pub fn leaf_below(
        &self,
        node: Option<NodePos>,
        key: &Nibbles,
        mut depth: usize,
    ) -> Result<Option<Arc<LogNode>>, StorageError> {
        let mut next = node;
        while let Some(pos) = next {
            let node = self.node(pos)?;
            next = match node.as_ref() {
                LogNode::Leaf(leaf) => {
                    let found = key.len() == depth + leaf.key.len() && key.slice(depth..) == leaf.key;
                    return Ok(found.then_some(node));
                }
                LogNode::Extension { key: shared, child } => {
                    let there = key.len() > depth + shared.len() && key.slice(depth..).starts_with(shared);
                    depth += shared.len();
                    there.then_some(child.pos)
                }
                LogNode::Branch(branch) => {
                    let child = key.get(depth).and_then(|nibble| branch.child(nibble));
                    depth += 1;
                    child.map(|child| child.pos)
                }
            };
        }
        Ok(None)
    }

    /// The node that begins at exactly this path below a root.
    pub fn at(&self, root: Option<NodePos>, path: &Nibbles) -> Result<Option<Placed>, StorageError> {
        let Some(root) = root else { return Ok(None) };
        let mut depth = 0;
        let mut placed = Placed { pos: root, node: self.node(root)?, reference: None };
        while depth < path.len() {
            let child = match placed.node.as_ref() {
                LogNode::Leaf(_) => None,
                LogNode::Extension { key, child } => {
                    let there = path.len() >= depth + key.len() && path.slice(depth..).starts_with(key);
                    depth += key.len();
                    there.then_some(child)
                }
                LogNode::Branch(branch) => {
                    depth += 1;
                    path.get(depth - 1).and_then(|nibble| branch.child(nibble))
                }
            };
            let Some(Child { reference, pos }) = child.cloned() else { return Ok(None) };
            placed = Placed { pos, node: self.node(pos)?, reference: Some(reference) };
        }
        Ok(Some(placed))
    }
}

#[cfg(test)]
mod tests;
