//! What differs between two tries of the log: the leaves, found without looking at what both share. It must not know which
//! blocks they belong to.

use super::{
    StateLog,
    node::{Child, Leaf, LogNode, NodePos},
};
use crate::StorageError;
use alloy_trie::nodes::RlpNode;
use std::sync::Arc;

/// A leaf before and after; absent where there was none.
pub(crate) type Changed<'v> = dyn FnMut(Option<&Leaf>, Option<&Leaf>) -> Result<(), StorageError> + 'v;

/// A place within a node: keys of extensions and leaves are walked nibble by nibble, so that tries of different shapes are
/// walked alike.
#[derive(Clone)]
struct Cursor {
    node: Arc<LogNode>,
    pos: NodePos,
    /// Nibbles of its key that lie behind.
    walked: usize,
    /// What the parent says of the node; absent for a root, and within a key.
    reference: Option<RlpNode>,
}

impl Cursor {
    fn is_same(&self, other: &Self) -> bool {
        let same_place = self.pos == other.pos && self.walked == other.walked;
        same_place || (self.reference.is_some() && self.reference == other.reference)
    }

    fn leaf(&self) -> Option<&Leaf> {
        self.node.as_leaf()
    }
}

impl StateLog {
    /// Visits the leaves that differ between the tries with these roots, in no order worth knowing.
    ///
    /// # Errors
    /// As for [`StateLog::node`]; those of `changed`.
    pub fn diff(
        &self,
        before: Option<NodePos>,
        after: Option<NodePos>,
        changed: &mut Changed<'_>,
    ) -> Result<(), StorageError> {
        let root = |pos: Option<NodePos>| -> Result<Option<Cursor>, StorageError> {
            let Some(pos) = pos else { return Ok(None) };
            Ok(Some(Cursor { node: self.node(pos)?, pos, walked: 0, reference: None }))
        };
        self.differ(root(before)?, root(after)?, 0, changed)
    }

    fn differ(
        &self,
        a: Option<Cursor>,
        b: Option<Cursor>,
        depth: usize,
        changed: &mut Changed<'_>,
    ) -> Result<(), StorageError> {
        if depth > 64 {
            return Err(StorageError::corrupt("a trie that is deeper than its keys are long"));
        }
        match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) if a.is_same(b) => return Ok(()),
            _ => {}
        }
        let (leaf_a, leaf_b) = (a.as_ref().map(Cursor::leaf), b.as_ref().map(Cursor::leaf));
        match (leaf_a, leaf_b) {
            (Some(Some(old)), None) => return changed(Some(old), None),
            (None, Some(Some(new))) => return changed(None, Some(new)),
            (Some(Some(old)), Some(Some(new))) if old.preimage == new.preimage => {
                return if old.value == new.value { Ok(()) } else { changed(Some(old), Some(new)) };
            }
            (Some(Some(old)), Some(Some(new))) => {
                changed(Some(old), None)?;
                return changed(None, Some(new));
            }
            _ => {}
        }
        for nibble in 0u8..16 {
            let step = |cursor: &Option<Cursor>| match cursor {
                Some(cursor) => self.step(cursor, nibble),
                None => Ok(None),
            };
            self.differ(step(&a)?, step(&b)?, depth + 1, changed)?;
        }
        Ok(())
    }

    fn step(&self, cursor: &Cursor, nibble: u8) -> Result<Option<Cursor>, StorageError> {
        let enter = |child: &Child| -> Result<Option<Cursor>, StorageError> {
            let (pos, reference) = (child.pos, Some(child.reference.clone()));
            Ok(Some(Cursor { node: self.node(pos)?, pos, walked: 0, reference }))
        };
        let within = || Cursor { walked: cursor.walked + 1, reference: None, ..cursor.clone() };
        match cursor.node.as_ref() {
            LogNode::Branch(branch) => branch.child(nibble).map_or(Ok(None), enter),
            LogNode::Extension { key, child } => match key.get(cursor.walked) {
                Some(next) if next != nibble => Ok(None),
                _ if cursor.walked + 1 >= key.len() => enter(child),
                _ => Ok(Some(within())),
            },
            LogNode::Leaf(leaf) => Ok((leaf.key.get(cursor.walked) == Some(nibble)).then(within)),
        }
    }
}
