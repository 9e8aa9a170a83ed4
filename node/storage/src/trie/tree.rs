//! One Merkle-Patricia trie: nodes load lazily by path, changes stay in memory, `commit` hashes what changed and
//! nothing else. It must not know what the values mean or where nodes are stored.

use super::{
    Found, NodeChanges,
    node::{Children, Link, Node, Reference, encode_branch, encode_extension, encode_leaf},
};
use crate::StorageError;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};
use atoll_primitives::{B256, keccak256};
use std::sync::Arc;

/// Reads the node that stands alone at a path.
pub(super) type ReadNode<'a> = dyn Fn(&Nibbles) -> Result<Option<Found>, StorageError> + Sync + 'a;

pub(super) struct Trie<'a> {
    read: &'a ReadNode<'a>,
    /// Where its root stands: empty, but for a part of a trie.
    base: Nibbles,
    root: Option<Link>,
    /// Paths where a stored node was moved or removed: those that nothing new fills are deleted.
    gone: Vec<Nibbles>,
    /// Bytes of the nodes loaded and made.
    weight: usize,
}

/// A part of a trie after its changes.
pub(super) struct Part {
    root: Option<Link>,
    nodes: NodeChanges,
    weight: usize,
}

/// A trie after its changes.
pub(super) struct Committed {
    pub root: B256,
    /// Every node that is new, changed or gone.
    pub nodes: NodeChanges,
    /// The root with whatever is loaded below it, and what that weighs.
    pub loaded: Option<(Link, usize)>,
}

impl<'a> Trie<'a> {
    pub fn open(root: B256, read: &'a ReadNode<'a>) -> Self {
        let root = (root != EMPTY_ROOT_HASH).then_some(Link::Stored(root));
        Self { read, base: Nibbles::new(), root, gone: Vec::new(), weight: 0 }
    }

    /// One whose upper nodes are loaded already, weighing that much.
    pub fn warm(root: Link, weight: usize, read: &'a ReadNode<'a>) -> Self {
        Self { read, base: Nibbles::new(), root: Some(root), gone: Vec::new(), weight }
    }

    /// The value of a key; loads the nodes on the way.
    pub fn get(&mut self, key: &Nibbles) -> Result<Option<&[u8]>, StorageError> {
        let mut path = self.base;
        let Some(mut link) = self.root.as_mut() else { return Ok(None) };
        loop {
            self.weight += load(self.read, link, &path)?;
            let Link::Loaded { node, .. } = link else { return Err(not_loaded(&path)) };
            let rest = key.slice(path.len()..);
            // What is loaded below a node stays in it, so it has to be this trie's own.
            match Arc::make_mut(node) {
                Node::Leaf { key, value } => return Ok((*key == rest).then_some(value.as_slice())),
                Node::Extension { key, child } if rest.starts_with(key) => {
                    path.extend(key);
                    link = child;
                }
                Node::Extension { .. } => return Ok(None),
                Node::Branch { children } => {
                    let Some(nibble) = rest.first() else { return Ok(None) };
                    path.push(nibble);
                    let Some(child) = children[usize::from(nibble)].as_mut() else { return Ok(None) };
                    link = child;
                }
            }
        }
    }

    /// Sets a key. All keys of one trie have the same length.
    pub fn insert(&mut self, key: Nibbles, value: Vec<u8>) -> Result<(), StorageError> {
        let mut root = self.root.take();
        let result = self.insert_below(&mut root, self.base, key.slice(self.base.len()..), value);
        self.root = root;
        result
    }

    /// Removes a key; one that is not there changes nothing.
    pub fn remove(&mut self, key: &Nibbles) -> Result<(), StorageError> {
        if self.get(key)?.is_none() {
            return Ok(());
        }
        let Some(root) = self.root.take() else { return Ok(()) };
        self.root = self.remove_at(root, self.base, key.slice(self.base.len()..))?;
        Ok(())
    }

    /// Takes it apart into one trie for each first nibble, to be changed side by side and put together by [`Trie::join`].
    /// `None` unless its root is a branch.
    pub fn split<'r>(&mut self, read: &'r ReadNode<'r>) -> Result<Option<Vec<Trie<'r>>>, StorageError> {
        let Some(root) = self.root.as_mut() else { return Ok(None) };
        self.weight += load(self.read, root, &self.base)?;
        if !matches!(root, Link::Loaded { node, .. } if matches!(node.as_ref(), Node::Branch { .. })) {
            return Ok(None);
        }
        let Some(mut root) = self.root.take() else { return Ok(None) };
        let base = self.base;
        let Node::Branch { children } = self.touch(&mut root, &base)? else { return Err(not_loaded(&base)) };
        let parts = (0u8..16).zip(children.iter_mut()).map(|(nibble, child)| {
            let mut base = base;
            base.push(nibble);
            Trie { read, base, root: child.take(), gone: Vec::new(), weight: 0 }
        });
        let parts = parts.collect();
        self.root = Some(root);
        Ok(Some(parts))
    }

    /// Hashes what changed in a part of a trie.
    pub fn finish(mut self) -> Part {
        let mut nodes: NodeChanges = self.gone.into_iter().map(|path| (path, None)).collect();
        if let Some(root) = &mut self.root {
            reference(root, self.base, &mut nodes);
        }
        Part { root: self.root, nodes, weight: self.weight }
    }

    /// Puts the parts of [`Trie::split`] back, in their order; returns what changed in them.
    pub fn join(&mut self, parts: Vec<Part>) -> Result<NodeChanges, StorageError> {
        let base = self.base;
        let Some(mut root) = self.root.take() else { return Err(not_loaded(&base)) };
        let mut nodes = NodeChanges::default();
        let Node::Branch { children } = self.touch(&mut root, &base)? else { return Err(not_loaded(&base)) };
        let mut weight = 0;
        for (child, part) in children.iter_mut().zip(parts) {
            *child = part.root;
            nodes.extend(part.nodes);
            weight += part.weight;
        }
        let mut left = (0u8..16).filter(|nibble| children[usize::from(*nibble)].is_some());
        let alone = match (left.next(), left.next()) {
            (None, _) => None,
            (Some(only), None) => children[usize::from(only)].take().map(|child| (only, child)),
            _ => {
                (self.root, self.weight) = (Some(root), self.weight + weight);
                return Ok(nodes);
            }
        };
        self.weight += weight;
        match alone {
            Some((nibble, child)) => {
                let mut path = base;
                path.push(nibble);
                // It melts into the root: what its part said of its own node no longer holds.
                let node = self.merge(Nibbles::from_nibbles([nibble]), child, &path)?;
                *self.touch(&mut root, &base)? = node;
                self.root = Some(root);
                if self.gone.contains(&path) {
                    nodes.remove(&path);
                }
            }
            None => drop(self.take(root, &base)?),
        }
        Ok(nodes)
    }

    /// Hashes what changed.
    pub fn commit(self) -> Committed {
        let mut nodes: NodeChanges = self.gone.into_iter().map(|path| (path, None)).collect();
        let Some(mut root) = self.root else {
            return Committed { root: EMPTY_ROOT_HASH, nodes, loaded: None };
        };
        let reference = reference(&mut root, Nibbles::new(), &mut nodes);
        // A short root is stored and hashed all the same.
        let hash = reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()));
        Committed { root: hash, nodes, loaded: Some((root, self.weight)) }
    }

    /// Loads a node that is going to change. Returns it, this trie's own.
    fn touch<'l>(&mut self, link: &'l mut Link, path: &Nibbles) -> Result<&'l mut Node, StorageError> {
        self.weight += load(self.read, link, path)?;
        let Link::Loaded { node, reference } = link else { return Err(not_loaded(path)) };
        if let Reference::Known(known) = reference {
            // The root stands alone however short it is.
            let stored = known.is_hash() || path.is_empty();
            *reference = Reference::Changed { stored };
        }
        Ok(Arc::make_mut(node))
    }

    /// Takes a node away from its path.
    fn take(&mut self, mut link: Link, path: &Nibbles) -> Result<Node, StorageError> {
        self.touch(&mut link, path)?;
        let Link::Loaded { node, reference } = link else { return Err(not_loaded(path)) };
        if matches!(reference, Reference::Changed { stored: true }) {
            self.gone.push(*path);
        }
        Ok(Arc::unwrap_or_clone(node))
    }

    fn insert_below(
        &mut self,
        slot: &mut Option<Link>,
        path: Nibbles,
        key: Nibbles,
        value: Vec<u8>,
    ) -> Result<(), StorageError> {
        match slot {
            Some(link) => self.insert_at(link, path, key, value),
            None => {
                let leaf = Node::Leaf { key, value };
                self.weight += leaf.weight();
                *slot = Some(Link::new(leaf));
                Ok(())
            }
        }
    }

    fn insert_at(&mut self, link: &mut Link, path: Nibbles, key: Nibbles, value: Vec<u8>) -> Result<(), StorageError> {
        let node = self.touch(link, &path)?;
        match node {
            Node::Leaf { key: old, value: old_value } if *old == key => *old_value = value,
            Node::Leaf { key: old, value: old_value } => {
                let common = old.common_prefix_length(&key);
                let rest = old.slice(common + 1..);
                let moved = Link::new(Node::Leaf { key: rest, value: std::mem::take(old_value) });
                let (split, weight) = split(&old.clone(), moved, common, &key, value);
                *node = split;
                self.weight += weight;
            }
            Node::Extension { key: shared, child } => {
                let common = shared.common_prefix_length(&key);
                if common == shared.len() {
                    let path = path.join(shared);
                    return self.insert_at(child, path, key.slice(common..), value);
                }
                let rest = shared.slice(common + 1..);
                // The child keeps its path, so it need not be loaded.
                let moved = if rest.is_empty() {
                    child.clone()
                } else {
                    Link::new(Node::Extension { key: rest, child: child.clone() })
                };
                let (split, weight) = split(&shared.clone(), moved, common, &key, value);
                *node = split;
                self.weight += weight;
            }
            Node::Branch { children } => {
                let (nibble, path) = step(&path, &key);
                return self.insert_below(&mut children[nibble], path, key.slice(1..), value);
            }
        }
        Ok(())
    }

    /// Removes a key known to be there.
    fn remove_at(&mut self, mut link: Link, path: Nibbles, key: Nibbles) -> Result<Option<Link>, StorageError> {
        if let Node::Leaf { .. } = self.touch(&mut link, &path)? {
            self.take(link, &path)?;
            return Ok(None);
        }
        let node = match self.touch(&mut link, &path)? {
            Node::Leaf { .. } => None,
            Node::Extension { key: shared, child } => {
                let shared = *shared;
                let child_path = path.join(&shared);
                match self.remove_at(child.clone(), child_path, key.slice(shared.len()..))? {
                    Some(child) => Some(self.merge(shared, child, &child_path)?),
                    None => None,
                }
            }
            Node::Branch { children } => {
                let (nibble, child_path) = step(&path, &key);
                if let Some(child) = children[nibble].take() {
                    children[nibble] = self.remove_at(child, child_path, key.slice(1..))?;
                }
                let mut left = (0u8..16).filter(|nibble| children[usize::from(*nibble)].is_some());
                match (left.next(), left.next()) {
                    (None, _) => None,
                    (Some(only), None) => {
                        let mut path = path;
                        path.push(only);
                        let Some(child) = children[usize::from(only)].take() else { return Ok(None) };
                        Some(self.merge(Nibbles::from_nibbles([only]), child, &path)?)
                    }
                    _ => return Ok(Some(link)),
                }
            }
        };
        let Some(node) = node else {
            self.take(link, &path)?;
            return Ok(None);
        };
        *self.touch(&mut link, &path)? = node;
        Ok(Some(link))
    }

    /// The node for "`prefix`, then `child`": extensions and leaves melt into one, a branch gets an extension.
    fn merge(&mut self, prefix: Nibbles, mut child: Link, path: &Nibbles) -> Result<Node, StorageError> {
        self.weight += load(self.read, &mut child, path)?;
        if matches!(&child, Link::Loaded { node, .. } if matches!(node.as_ref(), Node::Branch { .. })) {
            return Ok(Node::Extension { key: prefix, child });
        }
        Ok(match self.take(child, path)? {
            Node::Leaf { key, value } => Node::Leaf { key: prefix.join(&key), value },
            Node::Extension { key, child } => Node::Extension { key: prefix.join(&key), child },
            branch @ Node::Branch { .. } => branch,
        })
    }
}

/// A branch where `old` and `key` part after `common` nibbles, below an extension if they share any; and what the
/// new nodes weigh.
fn split(old: &Nibbles, moved: Link, common: usize, key: &Nibbles, value: Vec<u8>) -> (Node, usize) {
    let mut children = Children::default();
    children[usize::from(old.get_unchecked(common))] = Some(moved);
    let leaf = Node::Leaf { key: key.slice(common + 1..), value };
    let weight = leaf.weight();
    children[usize::from(key.get_unchecked(common))] = Some(Link::new(leaf));
    let branch = Node::Branch { children };
    let weight = weight + branch.weight();
    let node =
        if common == 0 { branch } else { Node::Extension { key: key.slice(..common), child: Link::new(branch) } };
    (node, weight)
}

/// The first nibble of `key`, and `path` lengthened by it.
fn step(path: &Nibbles, key: &Nibbles) -> (usize, Nibbles) {
    let nibble = key.get_unchecked(0);
    let mut path = *path;
    path.push(nibble);
    (usize::from(nibble), path)
}

/// Reads a stored node in place; returns what it weighs, zero if it was there. The hash is checked: a node that is
/// not the one its parent names would give wrong roots from here on.
fn load(read: &ReadNode<'_>, link: &mut Link, path: &Nibbles) -> Result<usize, StorageError> {
    let Link::Stored(hash) = *link else { return Ok(0) };
    let found = read(path)?.ok_or_else(|| StorageError::corrupt(format!("trie node {hash} at {path:?} is missing")))?;
    if !found.is(&hash) {
        return Err(StorageError::corrupt(format!("trie node at {path:?} is not {hash}")));
    }
    let node = match found {
        Found::Rlp(rlp) => Node::decode(&rlp)?,
        Found::Logged(node, _) => Node::of_log(&node)?,
    };
    let weight = node.weight();
    *link = Link::Loaded { node: Arc::new(node), reference: Reference::Known(RlpNode::word_rlp(&hash)) };
    Ok(weight)
}

fn not_loaded(path: &Nibbles) -> StorageError {
    StorageError::corrupt(format!("trie node at {path:?} did not load"))
}

/// Encodes a node and everything changed below it, children first, and notes those that stand alone.
fn reference(link: &mut Link, path: Nibbles, changes: &mut NodeChanges) -> RlpNode {
    let (node, known) = match link {
        Link::Stored(hash) => return RlpNode::word_rlp(hash),
        Link::Loaded { node, reference } => (node, reference),
    };
    let stored = match known {
        Reference::Known(known) => return known.clone(),
        Reference::Changed { stored } => *stored,
    };
    // A changed node is this trie's own already: nothing is copied.
    let rlp = match Arc::make_mut(node) {
        Node::Leaf { key, value } => encode_leaf(key, value),
        Node::Extension { key, child } => {
            let child = reference(child, path.join(key), changes);
            encode_extension(key, &child)
        }
        Node::Branch { children } => {
            let mut references: [Option<RlpNode>; 16] = Default::default();
            for (nibble, (child, slot)) in (0u8..).zip(children.iter_mut().zip(&mut references)) {
                let Some(child) = child else { continue };
                let mut path = path;
                path.push(nibble);
                *slot = Some(reference(child, path, changes));
            }
            encode_branch(&references)
        }
    };
    let reference = RlpNode::from_rlp(&rlp);
    if reference.is_hash() || path.is_empty() {
        changes.insert(path, Some(rlp.into()));
    } else if stored {
        changes.insert(path, None);
    }
    *known = Reference::Known(reference.clone());
    reference
}
