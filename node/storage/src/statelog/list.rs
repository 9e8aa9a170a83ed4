//! The leaves of a trie in the order of their hashed keys. It must not know what they hold.

use super::{
    StateLog,
    node::{LogNode, NodePos},
};
use crate::StorageError;
use alloy_trie::Nibbles;
use atoll_primitives::B256;
use std::sync::Arc;

/// The leaves from a hashed key on, one by one.
pub(crate) struct Leaves<'a> {
    log: &'a StateLog,
    start: Nibbles,
    /// What is to come, the next one last.
    ahead: Vec<(NodePos, Nibbles)>,
}

impl StateLog {
    /// The leaves below a root whose keys hash to `start` or greater.
    pub fn leaves(&self, root: Option<NodePos>, start: B256) -> Leaves<'_> {
        let ahead = root.map(|root| (root, Nibbles::new())).into_iter().collect();
        Leaves { log: self, start: Nibbles::unpack_array(&start.0), ahead }
    }
}

fn too_deep(path: &Nibbles) -> StorageError {
    StorageError::corrupt(format!("a node below {path:?} that is no leaf"))
}

impl Leaves<'_> {
    /// The next leaf with its hashed key; `None` at the end.
    ///
    /// # Errors
    /// As for [`StateLog::node`].
    pub fn next(&mut self) -> Result<Option<(B256, Arc<LogNode>)>, StorageError> {
        while let Some((pos, path)) = self.ahead.pop() {
            let node = self.log.node(pos)?;
            match node.as_ref() {
                LogNode::Leaf(leaf) => {
                    if path.len() + leaf.key.len() != 64 {
                        return Err(StorageError::corrupt(format!("a leaf at {path:?} {:?}, no hash", leaf.key)));
                    }
                    let full = path.join(&leaf.key);
                    if full >= self.start {
                        return Ok(Some((B256::from_slice(&full.pack()), node)));
                    }
                }
                LogNode::Extension { key, child } => {
                    if path.len() + key.len() > 64 {
                        return Err(too_deep(&path));
                    }
                    self.push(child.pos, path.join(key));
                }
                LogNode::Branch(_) if path.len() >= 64 => return Err(too_deep(&path)),
                LogNode::Branch(branch) => {
                    let children: Vec<_> = branch.children().map(|(nibble, child)| (nibble, child.pos)).collect();
                    for (nibble, pos) in children.into_iter().rev() {
                        let mut path = path;
                        path.push(nibble);
                        self.push(pos, path);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Unless all below it lies before the start.
    fn push(&mut self, pos: NodePos, path: Nibbles) {
        if path >= self.start.slice(..path.len().min(64)) {
            self.ahead.push((pos, path));
        }
    }
}
