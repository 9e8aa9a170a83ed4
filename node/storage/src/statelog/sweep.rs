//! Moving the newest state's nodes out of old files, a bounded number at a time, so that the files can go once nothing
//! older is read any more. It must not know when that is.

use super::{
    append::Appender,
    node::{Branch, Child, Leaf, LogNode, NodePos},
};
use crate::StorageError;

/// One pass over the state, which may take many steps: when it is through, everything in the newest state lies at `cutoff` or
/// behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// Nodes before it are moved.
    pub cutoff: NodePos,
    /// Nibbles of the hashed address, and those of the hashed slot behind them: what lies before is done.
    pub next: Vec<u8>,
}

struct Step<'s, 'a> {
    appender: &'s mut Appender<'a>,
    sweep: &'s Sweep,
    /// Nodes that may still be looked at.
    left: usize,
    /// Where it ran out of them.
    stopped: Option<Vec<u8>>,
}

impl Sweep {
    /// A pass that begins now.
    pub fn begin(cutoff: NodePos) -> Self {
        Self { cutoff, next: Vec::new() }
    }

    /// Cutoff, and the nibbles, a byte each.
    pub fn encode(&self) -> Vec<u8> {
        [&self.cutoff.0.to_be_bytes()[..], &self.next].concat()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::corrupt("a sweep that does not decode");
        let (cutoff, next) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        if next.len() > 128 || next.iter().any(|nibble| *nibble > 15) {
            return Err(damaged());
        }
        Ok(Self { cutoff: NodePos(u64::from_be_bytes(*cutoff)), next: next.to_vec() })
    }

    /// Looks at `nodes` nodes of the state with this root and moves the old ones of them. Returns the new root, and the pass
    /// as it goes on; `None` when it is through.
    ///
    /// # Errors
    /// As for [`Appender::block`].
    pub fn step(
        &self,
        appender: &mut Appender<'_>,
        root: Option<NodePos>,
        nodes: usize,
    ) -> Result<(Option<NodePos>, Option<Self>), StorageError> {
        let mut step = Step { appender, sweep: self, left: nodes, stopped: None };
        let root = root.map(|root| step.below(root, &mut Vec::new())).transpose()?;
        let next = step.stopped.map(|next| Self { cutoff: self.cutoff, next });
        Ok((root, next))
    }
}

impl Step<'_, '_> {
    /// Moves what lies at `pos` and below, where it is old; returns where it lies now.
    fn below(&mut self, pos: NodePos, path: &mut Vec<u8>) -> Result<NodePos, StorageError> {
        let done = &self.sweep.next[..self.sweep.next.len().min(path.len())];
        if self.stopped.is_some() || path.as_slice() < done {
            return Ok(pos);
        }
        if self.left == 0 {
            self.stopped = Some(path.clone());
            return Ok(pos);
        }
        if path.len() > 128 {
            return Err(StorageError::corrupt("a trie that is deeper than its keys are long"));
        }
        self.left -= 1;
        let node = self.appender.node(pos)?;
        let old = |pos: NodePos| pos < self.sweep.cutoff;
        let here = path.len();
        match node.as_ref() {
            LogNode::Leaf(leaf) => {
                let is_old = old(pos);
                path.extend(leaf.key.iter());
                let storage = leaf.storage.map(|root| self.below(root, path)).transpose()?;
                path.truncate(here);
                if !is_old && storage == leaf.storage {
                    return Ok(pos);
                }
                self.appender.put(LogNode::Leaf(Leaf { storage, ..leaf.clone() }), None)
            }
            LogNode::Extension { key, child } => {
                let is_old = old(pos);
                path.extend(key.iter());
                let moved = self.below(child.pos, path)?;
                path.truncate(here);
                if !is_old && moved == child.pos {
                    return Ok(pos);
                }
                let child = Child { reference: child.reference.clone(), pos: moved };
                self.appender.put(LogNode::Extension { key: *key, child }, None)
            }
            LogNode::Branch(branch) => {
                let is_old = old(branch.oldest(pos));
                let mut moved = false;
                let mut children = Vec::with_capacity(16);
                for (nibble, child) in branch.children() {
                    path.push(nibble);
                    let pos = self.below(child.pos, path)?;
                    path.truncate(here);
                    moved |= pos != child.pos;
                    children.push((nibble, Child { reference: child.reference.clone(), pos }));
                }
                if !is_old && !moved {
                    return Ok(pos);
                }
                // A patch would rest on what is to go.
                let rests = (!is_old).then_some((pos, branch));
                self.appender.put(LogNode::Branch(Branch::new(children)), rests)
            }
        }
    }
}
