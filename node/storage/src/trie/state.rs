//! The account trie of one state, with the storage tries below it, as far as it is in memory. It must not know which blocks
//! have it.

use super::{
    Source,
    node::{BranchNode, ExtensionNode, LeafNode, Link, Node},
};
use crate::statelog::NodePos;
use alloy_trie::EMPTY_ROOT_HASH;
use atoll_primitives::B256;
use std::sync::Arc;

/// The tries of one state. Copies share their nodes.
#[derive(Debug, Clone, Default)]
pub struct StateTrie {
    root: Option<Link>,
    /// Bytes of the nodes that its block changed.
    fresh: usize,
    /// Bytes of the nodes in memory, about; more than that are too many.
    loaded: usize,
    too_many: usize,
}

impl StateTrie {
    /// One that stands in the log.
    pub(crate) fn stored(hash: B256, root: Option<NodePos>) -> Self {
        Self { root: root.map(|pos| Link::stored(hash, pos)), ..Self::default() }
    }

    /// The one after a block that loaded or made `more` bytes and changed `fresh` of them.
    pub(super) fn after(before: &Self, root: Option<Link>, more: usize, fresh: usize, source: &dyn Source) -> Self {
        let loaded = before.loaded + more;
        let mut after = Self { root, fresh, loaded, too_many: before.too_many.max(source.warm_bytes()) };
        if after.loaded > after.too_many {
            after.trim(source);
        }
        after
    }

    /// Its root hash.
    pub fn root_hash(&self) -> B256 {
        self.root.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH)
    }

    pub(crate) fn root(&self) -> Option<&Link> {
        self.root.as_ref()
    }

    /// Bytes of the nodes in memory, about.
    pub(crate) fn loaded(&self) -> usize {
        self.loaded
    }

    /// Bytes of the nodes that its block changed.
    pub(crate) fn fresh(&self) -> usize {
        self.fresh
    }

    /// Forgets lower levels of what can be loaded again: every path is wanted about as often as another, so upper nodes
    /// serve most.
    fn trim(&mut self, source: &dyn Source) {
        let Some(root) = &mut self.root else { return };
        let (mut weights, mut fixed) = (Vec::new(), 0);
        weigh(root, 0, source, &mut weights, &mut fixed);
        let (mut levels, mut kept) = (0, 0);
        for weight in &weights {
            if kept + weight > source.warm_bytes() / 2 {
                break;
            }
            (levels, kept) = (levels + 1, kept + weight);
        }
        trim(root, levels, source);
        // What stands under nodes that others share and that are not in the log yet is still there.
        weights.clear();
        fixed = 0;
        weigh(root, 0, source, &mut weights, &mut fixed);
        self.loaded = fixed + weights.iter().sum::<usize>();
        // What is not in the log yet stays: it does not help to try again before long.
        self.too_many = self.loaded + source.warm_bytes() / 2;
    }
}

fn is_kept(node: &Node, source: &dyn Source) -> bool {
    node.pos().is_some_and(|pos| source.is_kept(pos))
}

/// Bytes of what could be loaded again at each level from here down, and of what could not.
fn weigh(link: &Link, level: usize, source: &dyn Source, weights: &mut Vec<usize>, fixed: &mut usize) {
    let weight = link.node.weight();
    if !is_kept(&link.node, source) {
        *fixed += weight;
    } else if weight > 0 {
        if weights.len() <= level {
            weights.resize(level + 1, 0);
        }
        weights[level] += weight;
    }
    let mut below = |link: &Link| weigh(link, level + 1, source, weights, fixed);
    match &link.node {
        Node::Stored(_) => {}
        Node::Leaf(leaf) => leaf.entry.storage.iter().for_each(|root| below(root)),
        Node::Extension(extension) => below(&extension.child),
        Node::Branch(branch) => branch.children().for_each(|(_, child)| below(child)),
    }
}

/// Forgets what lies deeper than so many levels. What others share and is not in the log yet is left as it is: a copy would
/// be written a second time.
fn trim(link: &mut Link, levels: usize, source: &dyn Source) {
    let kept = is_kept(&link.node, source);
    if kept && levels == 0 {
        // What stands inside its parent has no hash, and stays.
        if let (Some(pos), Some(_)) = (link.node.pos(), link.hash()) {
            link.node = Node::Stored(pos);
        }
        return;
    }
    let levels = levels.saturating_sub(1);
    match &mut link.node {
        Node::Stored(_) => {}
        Node::Leaf(leaf) if leaf.entry.storage.is_none() => {}
        Node::Leaf(leaf) => {
            if let Some(leaf) = own(leaf, kept, LeafNode::in_place) {
                leaf.entry.storage.iter_mut().for_each(|root| trim(root, levels, source));
            }
        }
        Node::Extension(extension) => {
            if let Some(extension) = own(extension, kept, ExtensionNode::in_place) {
                trim(&mut extension.child, levels, source);
            }
        }
        Node::Branch(branch) => {
            if let Some(branch) = own(branch, kept, BranchNode::in_place) {
                branch.children_mut().for_each(|child| trim(child, levels, source));
            }
        }
    }
}

/// A node to be changed in memory only: this trie's own, or a copy of one that is in the log, at the same place.
fn own<T>(node: &mut Arc<T>, kept: bool, copy: impl Fn(&T) -> T) -> Option<&mut T> {
    if kept && Arc::get_mut(node).is_none() {
        *node = Arc::new(copy(node));
    }
    Arc::get_mut(node)
}
