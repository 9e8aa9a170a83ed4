//! One Merkle-Patricia trie: nodes load lazily by path, changes stay in memory, `commit` hashes what changed and
//! nothing else. It must not know what the values mean or where nodes are stored.

use super::{
    NodeChanges,
    node::{Link, Node, encode_branch, encode_extension, encode_leaf},
};
use crate::StorageError;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};
use atoll_primitives::{B256, Bytes, keccak256};
use std::collections::HashSet;

/// Reads the RLP of the node that stands alone at a path.
pub(super) type ReadNode<'a> = dyn Fn(&Nibbles) -> Result<Option<Bytes>, StorageError> + 'a;

pub(super) struct Trie<'a> {
    read: &'a ReadNode<'a>,
    root: Option<Link>,
    /// Paths where a stored node was changed, moved or removed: those that nothing new fills are deleted.
    stale: HashSet<Nibbles>,
}

impl<'a> Trie<'a> {
    pub fn open(root: B256, read: &'a ReadNode<'a>) -> Self {
        let root = (root != EMPTY_ROOT_HASH).then_some(Link::Stored(root));
        Self { read, root, stale: HashSet::new() }
    }

    /// The value of a key; loads the nodes on the way.
    pub fn get(&mut self, key: &Nibbles) -> Result<Option<&[u8]>, StorageError> {
        let mut path = Nibbles::new();
        let Some(mut link) = self.root.as_mut() else { return Ok(None) };
        loop {
            load(self.read, link, &path)?;
            let Link::Loaded { node, .. } = link else { return Err(not_loaded(&path)) };
            let rest = key.slice(path.len()..);
            match node.as_mut() {
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
        let root = self.root.take();
        self.root = Some(self.insert_at(root, Nibbles::new(), key, value)?);
        Ok(())
    }

    /// Removes a key; one that is not there changes nothing.
    pub fn remove(&mut self, key: &Nibbles) -> Result<(), StorageError> {
        if self.get(key)?.is_none() {
            return Ok(());
        }
        let Some(root) = self.root.take() else { return Ok(()) };
        self.root = self.remove_at(root, Nibbles::new(), *key)?;
        Ok(())
    }

    /// The root hash and every node that is new, changed or gone.
    pub fn commit(self) -> (B256, NodeChanges) {
        let mut changes: NodeChanges = self.stale.into_iter().map(|path| (path, None)).collect();
        let root = match self.root {
            None => EMPTY_ROOT_HASH,
            Some(Link::Stored(hash)) => hash,
            Some(root) => {
                let reference = reference(root, Nibbles::new(), &mut changes);
                // A short root is stored and hashed all the same.
                reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
            }
        };
        (root, changes)
    }

    /// Takes a node out to change it: what stands at its path is stale from now on.
    fn take(&mut self, mut link: Link, path: &Nibbles) -> Result<Node, StorageError> {
        load(self.read, &mut link, path)?;
        let Link::Loaded { node, reference } = link else { return Err(not_loaded(path)) };
        if reference.is_some_and(|reference| reference.is_hash() || path.is_empty()) {
            self.stale.insert(*path);
        }
        Ok(*node)
    }

    fn insert_at(
        &mut self,
        link: Option<Link>,
        path: Nibbles,
        key: Nibbles,
        value: Vec<u8>,
    ) -> Result<Link, StorageError> {
        let Some(link) = link else { return Ok(Link::changed(Node::Leaf { key, value })) };
        let node = match self.take(link, &path)? {
            Node::Leaf { key: old, .. } if old == key => Node::Leaf { key, value },
            Node::Leaf { key: old, value: old_value } => {
                let common = old.common_prefix_length(&key);
                let moved = Link::changed(Node::Leaf { key: old.slice(common + 1..), value: old_value });
                split(&old, moved, common, &key, value)
            }
            Node::Extension { key: shared, child } => {
                let common = shared.common_prefix_length(&key);
                if common == shared.len() {
                    let child = self.insert_at(Some(child), path.join(&shared), key.slice(common..), value)?;
                    Node::Extension { key: shared, child }
                } else {
                    let rest = shared.slice(common + 1..);
                    // The child keeps its path, so it need not be loaded.
                    let moved =
                        if rest.is_empty() { child } else { Link::changed(Node::Extension { key: rest, child }) };
                    split(&shared, moved, common, &key, value)
                }
            }
            Node::Branch { mut children } => {
                let (nibble, path) = step(&path, &key);
                let child = children[nibble].take();
                children[nibble] = Some(self.insert_at(child, path, key.slice(1..), value)?);
                Node::Branch { children }
            }
        };
        Ok(Link::changed(node))
    }

    /// Removes a key known to be there.
    fn remove_at(&mut self, link: Link, path: Nibbles, key: Nibbles) -> Result<Option<Link>, StorageError> {
        let node = match self.take(link, &path)? {
            Node::Leaf { .. } => return Ok(None),
            Node::Extension { key: shared, child } => {
                let child_path = path.join(&shared);
                match self.remove_at(child, child_path, key.slice(shared.len()..))? {
                    Some(child) => self.merge(shared, child, &child_path)?,
                    None => return Ok(None),
                }
            }
            Node::Branch { mut children } => {
                let (nibble, child_path) = step(&path, &key);
                if let Some(child) = children[nibble].take() {
                    children[nibble] = self.remove_at(child, child_path, key.slice(1..))?;
                }
                let mut left = (0u8..16).filter(|nibble| children[usize::from(*nibble)].is_some());
                match (left.next(), left.next()) {
                    (None, _) => return Ok(None),
                    (Some(only), None) => {
                        let mut path = path;
                        path.push(only);
                        let Some(child) = children[usize::from(only)].take() else { return Ok(None) };
                        self.merge(Nibbles::from_nibbles([only]), child, &path)?
                    }
                    _ => Node::Branch { children },
                }
            }
        };
        Ok(Some(Link::changed(node)))
    }

    /// The node for "`prefix`, then `child`": extensions and leaves melt into one, a branch gets an extension.
    fn merge(&mut self, prefix: Nibbles, mut child: Link, path: &Nibbles) -> Result<Node, StorageError> {
        load(self.read, &mut child, path)?;
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

/// A branch where `old` and `key` part after `common` nibbles, below an extension if they share any.
fn split(old: &Nibbles, moved: Link, common: usize, key: &Nibbles, value: Vec<u8>) -> Node {
    let mut children: Box<[Option<Link>; 16]> = Box::default();
    children[usize::from(old.get_unchecked(common))] = Some(moved);
    let leaf = Node::Leaf { key: key.slice(common + 1..), value };
    children[usize::from(key.get_unchecked(common))] = Some(Link::changed(leaf));
    let branch = Node::Branch { children };
    if common == 0 { branch } else { Node::Extension { key: key.slice(..common), child: Link::changed(branch) } }
}

/// The first nibble of `key`, and `path` lengthened by it.
fn step(path: &Nibbles, key: &Nibbles) -> (usize, Nibbles) {
    let nibble = key.get_unchecked(0);
    let mut path = *path;
    path.push(nibble);
    (usize::from(nibble), path)
}

/// Reads a stored node in place. The hash is checked: a node that is not the one its parent names would give
/// wrong roots from here on.
fn load(read: &ReadNode<'_>, link: &mut Link, path: &Nibbles) -> Result<(), StorageError> {
    let Link::Stored(hash) = *link else { return Ok(()) };
    let rlp = read(path)?.ok_or_else(|| StorageError::corrupt(format!("trie node {hash} at {path:?} is missing")))?;
    if keccak256(&rlp) != hash {
        return Err(StorageError::corrupt(format!("trie node at {path:?} is not {hash}")));
    }
    *link = Link::Loaded { node: Box::new(Node::decode(&rlp)?), reference: Some(RlpNode::word_rlp(&hash)) };
    Ok(())
}

fn not_loaded(path: &Nibbles) -> StorageError {
    StorageError::corrupt(format!("trie node at {path:?} did not load"))
}

/// Encodes a node and everything changed below it, children first, and notes those that stand alone.
fn reference(link: Link, path: Nibbles, changes: &mut NodeChanges) -> RlpNode {
    let node = match link {
        Link::Stored(hash) => return RlpNode::word_rlp(&hash),
        Link::Loaded { reference: Some(reference), .. } => return reference,
        Link::Loaded { node, reference: None } => node,
    };
    let rlp = match *node {
        Node::Leaf { key, value } => encode_leaf(&key, &value),
        Node::Extension { key, child } => {
            let child = reference(child, path.join(&key), changes);
            encode_extension(&key, &child)
        }
        Node::Branch { children } => {
            let mut references = Vec::with_capacity(16);
            for (nibble, child) in (0u8..).zip(*children) {
                let Some(child) = child else { continue };
                let mut path = path;
                path.push(nibble);
                references.push((nibble, reference(child, path, changes)));
            }
            encode_branch(references)
        }
    };
    let reference = RlpNode::from_rlp(&rlp);
    if reference.is_hash() || path.is_empty() {
        changes.insert(path, Some(rlp.into()));
    }
    reference
}
