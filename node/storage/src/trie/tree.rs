//! One Merkle-Patricia trie: nodes load lazily from their places in the log, changes stay in memory, and only what changed is
//! hashed. It must not know what the values mean or how the log is read.

use super::{
    Source,
    hash::hash,
    node::{BranchNode, Entry, ExtensionNode, LeafNode, Link, Node, Reference},
};
use crate::{StorageError, statelog::NodePos};
use alloy_trie::Nibbles;
use atoll_primitives::B256;
use smallvec::SmallVec;
use std::{ops::ControlFlow, sync::Arc};

pub(super) struct Trie<'a> {
    source: &'a dyn Source,
    /// Whose storage it is; absent for accounts.
    account: Option<B256>,
    /// Where its root stands: empty, but for a part of a trie.
    base: Nibbles,
    root: Option<Link>,
    /// Bytes of the nodes loaded and made.
    pub loaded: usize,
}

/// Where a walk through what is in memory ends.
pub(crate) enum Walked<'t> {
    /// There is no such key.
    Absent,
    Leaf(&'t LeafNode),
    /// It goes on in the log, after so many nibbles.
    Stored {
        pos: NodePos,
        depth: usize,
    },
}

/// Walks from a root towards a key.
pub(crate) fn walk<'t>(root: &'t Link, key: &Nibbles) -> Walked<'t> {
    let mut at = (root, 0);
    loop {
        match step(at, key) {
            ControlFlow::Continue(next) => at = next,
            ControlFlow::Break(walked) => return walked,
        }
    }
}

/// Walks together: while one waits for memory the others go on.
const ABREAST: usize = 16;

/// Walks from a root towards many keys, side by side.
pub(crate) fn walk_many<'t>(root: &'t Link, keys: &[Nibbles]) -> Vec<Walked<'t>> {
    let mut walked = Vec::with_capacity(keys.len());
    for keys in keys.chunks(ABREAST) {
        let mut walks: SmallVec<[_; ABREAST]> = keys.iter().map(|_| ControlFlow::Continue((root, 0))).collect();
        while walks.iter().any(ControlFlow::is_continue) {
            for (walk, key) in walks.iter_mut().zip(keys) {
                if let ControlFlow::Continue(at) = *walk {
                    *walk = step(at, key);
                }
            }
        }
        walked.extend(walks.into_iter().filter_map(ControlFlow::break_value));
    }
    walked
}

/// From a node after so many nibbles of a key to the next one.
fn step<'t>((link, mut depth): (&'t Link, usize), key: &Nibbles) -> ControlFlow<Walked<'t>, (&'t Link, usize)> {
    match &link.node {
        Node::Stored(pos) => ControlFlow::Break(Walked::Stored { pos: *pos, depth }),
        Node::Leaf(leaf) if key.slice(depth..) == leaf.key => ControlFlow::Break(Walked::Leaf(leaf)),
        Node::Leaf(_) => ControlFlow::Break(Walked::Absent),
        Node::Extension(extension) => {
            if !key.slice(depth..).starts_with(&extension.key) {
                return ControlFlow::Break(Walked::Absent);
            }
            depth += extension.key.len();
            ControlFlow::Continue((&extension.child, depth))
        }
        Node::Branch(branch) => match key.get(depth).and_then(|nibble| branch.child(nibble)) {
            Some(child) => ControlFlow::Continue((child, depth + 1)),
            None => ControlFlow::Break(Walked::Absent),
        },
    }
}

impl<'a> Trie<'a> {
    /// Over a root that may be changed.
    pub fn new(source: &'a dyn Source, account: Option<B256>, root: Option<Link>) -> Self {
        Self { source, account, base: Nibbles::new(), root, loaded: 0 }
    }

    /// What a key holds; loads the nodes on the way.
    pub fn get(&mut self, key: &Nibbles) -> Result<Option<Entry>, StorageError> {
        let Self { source, account, base, root, loaded } = self;
        let (Some(root), mut depth) = (root.as_ref(), base.len()) else { return Ok(None) };
        let mut link = root.clone();
        loop {
            load(*source, account.as_ref(), &mut link, key, depth, loaded)?;
            link = match &link.node {
                Node::Stored(_) => return Err(not_loaded(&key.slice(..depth))),
                Node::Leaf(leaf) => return Ok((key.slice(depth..) == leaf.key).then(|| leaf.entry.clone())),
                Node::Extension(extension) => {
                    if !key.slice(depth..).starts_with(&extension.key) {
                        return Ok(None);
                    }
                    depth += extension.key.len();
                    extension.child.clone()
                }
                Node::Branch(branch) => {
                    let Some(child) = key.get(depth).and_then(|nibble| branch.child(nibble)) else { return Ok(None) };
                    depth += 1;
                    child.clone()
                }
            };
        }
    }

    /// Sets what a key holds, given what it held. All keys of one trie have the same length.
    pub fn set(
        &mut self,
        key: &Nibbles,
        make: impl FnOnce(Option<&Entry>) -> Result<Entry, StorageError>,
    ) -> Result<(), StorageError> {
        let Self { source, account, base, root, loaded } = self;
        let mut depth = base.len();
        let Some(mut link) = root.as_mut() else {
            *root = Some(new_leaf(key.slice(depth..), make(None)?, loaded));
            return Ok(());
        };
        loop {
            load(*source, account.as_ref(), link, key, depth, loaded)?;
            let Link { reference, node } = link;
            let is_changed = std::mem::replace(reference, Reference::CHANGED) == Reference::CHANGED;
            match node {
                Node::Stored(_) => return Err(not_loaded(&key.slice(..depth))),
                Node::Leaf(leaf) => {
                    let rest = key.slice(depth..);
                    *node = if leaf.key == rest {
                        Node::leaf(rest, make(Some(&leaf.entry))?)
                    } else {
                        let common = leaf.key.common_prefix_length(&rest);
                        let moved = Link::new(Node::leaf(leaf.key.slice(common + 1..), leaf.entry.clone()));
                        split(&leaf.key, moved, common, &rest, make(None)?, loaded)
                    };
                    return Ok(());
                }
                Node::Extension(extension) if !key.slice(depth..).starts_with(&extension.key) => {
                    let rest = key.slice(depth..);
                    let common = extension.key.common_prefix_length(&rest);
                    let left = extension.key.slice(common + 1..);
                    // The child keeps its path, so it need not be loaded.
                    let moved = match left.is_empty() {
                        true => extension.child.clone(),
                        false => Link::new(Node::extension(left, extension.child.clone())),
                    };
                    *node = split(&extension.key, moved, common, &rest, make(None)?, loaded);
                    return Ok(());
                }
                Node::Extension(extension) => {
                    depth += extension.key.len();
                    link = &mut own(extension).child;
                }
                Node::Branch(branch) => {
                    let nibble = key.get(depth).ok_or_else(|| not_loaded(key))?;
                    let branch = BranchNode::own(branch, is_changed);
                    depth += 1;
                    if branch.child(nibble).is_none() {
                        branch.insert(nibble, new_leaf(key.slice(depth..), make(None)?, loaded));
                        return Ok(());
                    }
                    link = branch.child_mut(nibble).ok_or_else(|| not_loaded(key))?;
                }
            }
        }
    }

    /// Removes a key; one that is not there changes nothing.
    pub fn remove(&mut self, key: &Nibbles) -> Result<(), StorageError> {
        if self.get(key)?.is_some()
            && let Some(root) = self.root.take()
        {
            self.root = self.remove_at(root, self.base, key)?;
        }
        Ok(())
    }

    /// Removes a key known to be there.
    fn remove_at(&mut self, mut link: Link, path: Nibbles, key: &Nibbles) -> Result<Option<Link>, StorageError> {
        load(self.source, self.account.as_ref(), &mut link, &path, path.len(), &mut self.loaded)?;
        let is_changed = link.reference == Reference::CHANGED;
        match link.node {
            Node::Stored(_) => Err(not_loaded(&path)),
            Node::Leaf(_) => Ok(None),
            Node::Extension(extension) => {
                let ExtensionNode { key: shared, child, .. } = Arc::unwrap_or_clone(extension);
                let path = path.join(&shared);
                let left = self.remove_at(child, path, key)?;
                left.map(|child| self.merge(shared, child, &path)).transpose()
            }
            Node::Branch(mut branch) => {
                let nibble = key.get(path.len()).ok_or_else(|| not_loaded(&path))?;
                let own = BranchNode::own(&mut branch, is_changed);
                let mut below = path;
                below.push(nibble);
                if let Some(child) = own.remove(nibble)
                    && let Some(child) = self.remove_at(child, below, key)?
                {
                    own.insert(nibble, child);
                }
                self.shrunk(branch, &path)
            }
        }
    }

    /// A branch that may have lost children: one that is left alone melts with what is above it.
    fn shrunk(&mut self, mut branch: Arc<BranchNode>, path: &Nibbles) -> Result<Option<Link>, StorageError> {
        if branch.len() > 1 {
            return Ok(Some(Link::new(Node::Branch(branch))));
        }
        let Some((nibble, child)) = BranchNode::own(&mut branch, true).drain().next() else { return Ok(None) };
        let mut path = *path;
        path.push(nibble);
        self.merge(Nibbles::from_nibbles([nibble]), child, &path).map(Some)
    }

    /// The node for "`prefix`, then `child`": extensions and leaves melt into one, a branch gets an extension.
    fn merge(&mut self, prefix: Nibbles, mut child: Link, path: &Nibbles) -> Result<Link, StorageError> {
        load(self.source, self.account.as_ref(), &mut child, path, path.len(), &mut self.loaded)?;
        Ok(Link::new(match &child.node {
            Node::Stored(_) => return Err(not_loaded(path)),
            Node::Leaf(leaf) => Node::leaf(prefix.join(&leaf.key), leaf.entry.clone()),
            Node::Extension(extension) => Node::extension(prefix.join(&extension.key), extension.child.clone()),
            Node::Branch(_) => Node::extension(prefix, child),
        }))
    }

    /// Takes it apart into one trie for each first nibble, to be changed side by side and put together by [`Trie::join`].
    /// `None` unless its root is a branch.
    pub fn split(&mut self) -> Result<Option<Vec<Self>>, StorageError> {
        let Some(root) = &mut self.root else { return Ok(None) };
        load(self.source, self.account.as_ref(), root, &self.base, self.base.len(), &mut self.loaded)?;
        let Link { reference, node: Node::Branch(branch) } = root else { return Ok(None) };
        let is_changed = std::mem::replace(reference, Reference::CHANGED) == Reference::CHANGED;
        let mut parts: Vec<_> = (0..16)
            .map(|nibble| Self {
                base: self.base.join(&Nibbles::from_nibbles([nibble])),
                ..Self::new(self.source, self.account, None)
            })
            .collect();
        for (nibble, child) in BranchNode::own(branch, is_changed).drain() {
            parts[usize::from(nibble)].root = Some(child);
        }
        Ok(Some(parts))
    }

    /// Puts the parts of [`Trie::split`] back, in their order.
    pub fn join(&mut self, parts: Vec<Self>) -> Result<(), StorageError> {
        let base = self.base;
        let Some(Link { node: Node::Branch(mut branch), .. }) = self.root.take() else { return Err(not_loaded(&base)) };
        for (nibble, part) in (0u8..).zip(parts) {
            self.loaded += part.loaded;
            if let Some(child) = part.root {
                BranchNode::own(&mut branch, true).insert(nibble, child);
            }
        }
        self.root = self.shrunk(branch, &base)?;
        Ok(())
    }

    /// Hashes what changed; returns the bytes of what did.
    pub fn hash(&mut self) -> usize {
        self.root.as_mut().map_or(0, |root| hash(root, self.base.is_empty()))
    }

    /// Its root, hashed by [`Trie::hash`].
    pub fn into_root(self) -> Option<Link> {
        self.root
    }
}

pub(super) fn own(extension: &mut Arc<ExtensionNode>) -> &mut ExtensionNode {
    // One that is not shared may still stand in the log as it was.
    if extension.place.get().is_some() {
        *extension = Arc::new(ExtensionNode::clone(extension));
    }
    Arc::make_mut(extension)
}

fn new_leaf(key: Nibbles, entry: Entry, loaded: &mut usize) -> Link {
    let leaf = Node::leaf(key, entry);
    *loaded += leaf.weight();
    Link::new(leaf)
}

/// A branch where `old` and `key` part after `common` nibbles, below an extension if they share any.
fn split(old: &Nibbles, moved: Link, common: usize, key: &Nibbles, entry: Entry, loaded: &mut usize) -> Node {
    let mut branch = BranchNode::empty();
    branch.insert(old.get_unchecked(common), moved);
    branch.insert(key.get_unchecked(common), new_leaf(key.slice(common + 1..), entry, loaded));
    let branch = Node::Branch(Arc::new(branch));
    *loaded += branch.weight();
    if common == 0 { branch } else { Node::extension(key.slice(..common), Link::new(branch)) }
}

/// Reads a stored node in place, which stands so deep on the way to a key, and adds what it weighs.
fn load(
    source: &dyn Source,
    account: Option<&B256>,
    link: &mut Link,
    key: &Nibbles,
    depth: usize,
    loaded: &mut usize,
) -> Result<(), StorageError> {
    let Node::Stored(pos) = link.node else { return Ok(()) };
    let path = key.slice(..depth);
    let hash = link.hash().ok_or_else(|| not_loaded(&path))?;
    link.node = source.load(pos, &hash, account, &path)?;
    *loaded += link.node.weight();
    Ok(())
}

fn not_loaded(path: &Nibbles) -> StorageError {
    StorageError::corrupt(format!("trie node at {path:?} did not load"))
}
