//! Appending the nodes that blocks change: those of a block's trie that have no place in the log yet. It must not know when
//! that is on the disk, or who says so.

use super::{
    Placed, StateLog,
    node::{Branch, Child, LogNode, NodePos, Record},
};
use crate::{
    StateTrie, StorageError,
    trie::{BranchNode, Link, Node, path_of},
};
use alloy_trie::{Nibbles, nodes::RlpNode};
use atoll_primitives::B256;
use smallvec::SmallVec;
use std::sync::{Arc, atomic::Ordering};

/// Nodes whose way into the processor's caches is waited for together.
const SIDE_BY_SIDE: usize = 16;

/// Blocks on their way into the log. Dropping it before [`Appender::sync`] forgets them.
pub(crate) struct Appender<'a> {
    log: &'a StateLog,
    /// Where the log ended.
    start: u64,
    /// The state appended last.
    root: Option<NodePos>,
    /// What tries in memory take to lie before it may have been moved; zero if nothing ever was.
    floor: u64,
    /// Roots of the tries whose nodes were given their places.
    roots: Vec<Link>,
    appended: usize,
    record: Record,
    is_synced: bool,
}

/// Where a node stands in the tries.
#[derive(Clone, Copy)]
struct At {
    /// Hashed address of the account in whose storage it is.
    account: Option<B256>,
    path: Nibbles,
}

impl At {
    fn below(mut self, key: &Nibbles) -> Self {
        self.path.extend(key);
        self
    }

    fn child(mut self, nibble: u8) -> Self {
        self.path.push(nibble);
        self
    }
}

impl StateLog {
    /// Begins to append blocks over the state with this root. Whoever does is alone.
    pub fn appender(&self, root: Option<NodePos>) -> Appender<'_> {
        let (roots, record) = (Vec::new(), Record::default());
        Appender { log: self, start: self.end(), root, floor: 0, roots, appended: 0, record, is_synced: false }
    }
}

impl Appender<'_> {
    /// Appends what a block's trie does not share with that of the block before; returns the place of its root.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if it is not the trie of a block over that state; the disk's failure.
    pub fn block(&mut self, trie: &StateTrie) -> Result<Option<NodePos>, StorageError> {
        let at = At { account: None, path: Nibbles::new() };
        self.floor = self.log.floor.load(Ordering::SeqCst);
        self.roots.extend(trie.root().cloned());
        self.root = match trie.root() {
            Some(root) if self.floor == 0 => Some(self.fresh(&root.node)?),
            Some(root) => Some(self.write(root, at, self.root)?),
            None => None,
        };
        Ok(self.root)
    }

    /// Puts everything on the disk; returns where the log ends now. The tables may say so from then on.
    ///
    /// # Errors
    /// The disk's failure.
    pub fn sync(&mut self) -> Result<u64, StorageError> {
        self.log.files.commit()?;
        self.is_synced = true;
        Ok(self.log.end())
    }

    /// The tables say it.
    pub fn commit(self) {
        self.log.kept.store(self.log.end(), Ordering::SeqCst);
    }

    /// Where the log ends with what was appended.
    pub fn end(&self) -> u64 {
        self.log.end()
    }

    /// Nodes appended.
    pub fn appended(&self) -> usize {
        self.appended
    }

    pub(super) fn node(&self, pos: NodePos) -> Result<Arc<LogNode>, StorageError> {
        if pos.0 >= self.start {
            self.log.files.spill()?;
        }
        self.log.node(pos)
    }

    /// Appends a node; `old` is the branch that stood in its place.
    pub(super) fn put(&mut self, node: LogNode, old: Option<(NodePos, &Branch)>) -> Result<NodePos, StorageError> {
        self.appended += 1;
        self.log.files.append(&node.record(old)?)
    }

    /// Appends the nodes of a trie that have no place, the lowest first; returns the place of its root. They are gathered level by
    /// level, so that one's way into the processor's caches is not waited for before the next one's begins.
    fn fresh(&mut self, root: &Node) -> Result<NodePos, StorageError> {
        let (mut nodes, mut fresh) = (vec![root], Vec::new());
        let mut next = 0;
        while next < nodes.len() {
            let end = nodes.len().min(next + SIDE_BY_SIDE);
            warm(&nodes[next..end]);
            for index in next..end {
                let node = nodes[index];
                if node.pos().is_none() {
                    gather(node, &mut nodes);
                    fresh.push(node);
                }
            }
            next = end;
        }
        drop(nodes);
        for some in fresh.rchunks(SIDE_BY_SIDE) {
            warm(some);
            some.iter().rev().try_for_each(|node| self.append(node))?;
        }
        root.pos().ok_or_else(placeless)
    }

    /// Appends a node whose children have their places.
    fn append(&mut self, node: &Node) -> Result<(), StorageError> {
        match node {
            Node::Stored(_) => return Ok(()),
            Node::Leaf(leaf) => {
                let storage = leaf.entry.storage.as_deref().map(|root| root.node.pos().ok_or_else(placeless));
                leaf.place.set(self.log.files.append(self.record.leaf(leaf, storage.transpose()?)?)?);
            }
            Node::Extension(extension) => {
                let (key, child) = (&extension.key, &extension.child);
                let pos = child.node.pos().ok_or_else(placeless)?;
                extension.place.set(self.log.files.append(self.record.extension(key, child, pos))?);
            }
            Node::Branch(branch) => self.branch(branch)?,
        }
        self.appended += 1;
        Ok(())
    }

    /// The place of a node once a sweep has moved some; it is appended if it has none. `old` is where the one stands that was at
    /// its path before.
    fn write(&mut self, link: &Link, at: At, old: Option<NodePos>) -> Result<NodePos, StorageError> {
        match link.node.pos() {
            Some(pos) if pos.0 >= self.floor => return Ok(pos),
            Some(_) => {
                self.log.files.spill()?;
                return Ok(self.log.found(self.root, at.account.as_ref(), &at.path, &link.rlp_node())?.pos);
            }
            None => {}
        }
        match &link.node {
            Node::Stored(pos) => return Ok(*pos),
            Node::Leaf(leaf) => {
                let storage = match leaf.entry.storage.as_deref() {
                    Some(root) => Some(self.storage(root, at.below(&leaf.key).path)?),
                    None => None,
                };
                let pos = self.log.files.append(self.record.leaf(leaf, storage)?)?;
                leaf.place.set(pos);
            }
            Node::Extension(extension) => {
                let old = match old.map(|old| self.node(old)).transpose()?.as_deref() {
                    Some(LogNode::Extension { key, child }) if *key == extension.key => Some(child.pos),
                    _ => None,
                };
                let child = self.write(&extension.child, at.below(&extension.key), old)?;
                let pos = self.log.files.append(self.record.extension(&extension.key, &extension.child, child))?;
                extension.place.set(pos);
            }
            Node::Branch(branch) => self.branch_over(branch, at, old)?,
        }
        self.appended += 1;
        link.node.pos().ok_or_else(placeless)
    }

    /// The root of the storage of the account at this path.
    fn storage(&mut self, root: &Link, account: Nibbles) -> Result<NodePos, StorageError> {
        self.log.files.spill()?;
        let leaf = self.log.leaf(self.root, &account)?;
        let old = leaf.as_ref().and_then(|leaf| leaf.as_leaf()).and_then(|leaf| leaf.storage);
        self.write(root, At { account: Some(B256::from_slice(&account.pack())), path: Nibbles::new() }, old)
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<(), StorageError> {
        let before = branch.before.lock().take();
        if let Some(before) = before.as_ref()
            && let Some(old) = before.place.get()
            && let (whole, patches, bytes) = before.rests.get()
            && patches < super::node::MAX_PATCHES
        {
            let (changed, removed) = branch.changed();
            let record = self.record.patch(old, removed & before.mask(), &placed(changed)?);
            let patch_bytes = usize::from(bytes) + record.len();
            if let (true, Ok(bytes)) = (patch_bytes <= Record::branch_bytes(branch), u16::try_from(patch_bytes)) {
                let pos = self.log.files.append(record)?;
                branch.rests.set(Some(whole.unwrap_or(old)), patches + 1, bytes);
                branch.place.set(pos);
                return Ok(());
            }
        }
        branch.place.set(self.log.files.append(self.record.branch(&placed(branch.children())?))?);
        Ok(())
    }

    /// Appends a branch once a sweep has moved nodes, whose new places are only in the log: in the branch that stood at this
    /// path.
    fn branch_over(&mut self, branch: &BranchNode, at: At, old: Option<NodePos>) -> Result<(), StorageError> {
        branch.before.lock().take();
        let node = old.map(|old| self.node(old)).transpose()?;
        let old = match (old, node.as_deref()) {
            (Some(pos), Some(LogNode::Branch(branch))) => Some((pos, branch)),
            _ => None,
        };
        let mut children = Vec::with_capacity(16);
        for (nibble, link) in branch.children() {
            let (reference, known) = (link.rlp_node(), old.and_then(|(_, old)| old.child(nibble)));
            let pos = match known {
                // The same reference is the same content, down to the last leaf.
                Some(known) if known.reference == reference => {
                    release(&link.node);
                    known.pos
                }
                known => self.write(link, at.child(nibble), known.map(|known| known.pos))?,
            };
            children.push((nibble, Child { reference, pos }));
        }
        let (record, whole, patches, bytes) = Branch::new(children).record_over(old);
        let pos = self.log.files.append(&record)?;
        branch.rests.set(whole, patches, bytes);
        branch.place.set(pos);
        Ok(())
    }
}

/// Reads something of each node: together, they are waited for once.
fn warm(nodes: &[&Node]) {
    let read = |node: &&Node| node.holders() as u64 ^ node.pos().map_or(0, |pos| pos.0);
    std::hint::black_box(nodes.iter().fold(0, |sum, node| sum ^ read(node)));
}

fn placeless() -> StorageError {
    StorageError::corrupt("a node without a place in the log")
}

/// Lets go of what nodes without a place were made from: nobody will ask, since others that hold the same stand in the log.
fn release(node: &Node) {
    if node.pos().is_some() {
        return;
    }
    match node {
        Node::Stored(_) => {}
        Node::Leaf(leaf) => leaf.entry.storage.iter().for_each(|root| release(&root.node)),
        Node::Extension(extension) => release(&extension.child.node),
        Node::Branch(branch) => {
            branch.before.lock().take();
            branch.children().for_each(|(_, child)| release(&child.node));
        }
    }
}

/// The nodes right below one that may have no place.
fn gather<'t>(node: &'t Node, nodes: &mut Vec<&'t Node>) {
    match node {
        Node::Stored(_) => {}
        Node::Leaf(leaf) => nodes.extend(leaf.entry.storage.iter().map(|root| &root.node)),
        Node::Extension(extension) => nodes.push(&extension.child.node),
        Node::Branch(branch) => {
            let is_known = branch.before.lock().as_ref().is_some_and(|before| before.place.get().is_some());
            if is_known {
                nodes.extend(branch.changed().0.map(|(_, child)| &child.node));
            } else {
                nodes.extend(branch.children().map(|(_, child)| &child.node));
            }
        }
    }
}

/// Children with their places.
fn placed<'t>(children: impl Iterator<Item = (u8, &'t Link)>) -> Result<SmallVec<[Written<'t>; 16]>, StorageError> {
    children.map(|(nibble, child)| Ok((nibble, child, child.node.pos().ok_or_else(placeless)?))).collect()
}

impl StateLog {
    /// A node of the state with this root: at a path of the account trie or of an account's storage trie, where its parent has
    /// this reference of it.
    pub fn found(
        &self,
        root: Option<NodePos>,
        account: Option<&B256>,
        path: &Nibbles,
        reference: &RlpNode,
    ) -> Result<Placed, StorageError> {
        let root = match account {
            Some(account) => {
                let leaf = self.leaf(root, &path_of(account))?;
                leaf.as_ref().and_then(|leaf| leaf.as_leaf()).and_then(|leaf| leaf.storage)
            }
            None => root,
        };
        let missing = || StorageError::corrupt(format!("the node at {path:?} did not change and was not there"));
        let placed = self.at(root, path)?.ok_or_else(missing)?;
        let is = match &placed.reference {
            Some(known) => known == reference,
            None => RlpNode::word_rlp(&atoll_primitives::keccak256(placed.node.rlp())) == *reference,
        };
        if is { Ok(placed) } else { Err(missing()) }
    }
}

impl StateLog {
    /// The node that stood at `pos` when its parent was written, to be kept by a trie. What a sweep moved since is found in the
    /// persisted state with this root: it is unchanged there.
    pub fn load(
        &self,
        pos: NodePos,
        hash: &B256,
        root: Option<NodePos>,
        account: Option<&B256>,
        path: &Nibbles,
    ) -> Result<Node, StorageError> {
        let read = |pos: NodePos| self.node_once(pos);
        let node = read(pos).and_then(|node| Node::of_log(&node, pos, path.len(), &read));
        if node.is_ok() || !self.may_be_gone(pos) {
            return node;
        }
        let found = self.found(root, account, path, &RlpNode::word_rlp(hash))?;
        Node::of_log(&found.node, found.pos, path.len(), &read)
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        // What is on the disk stays there: the tables may lead to it, and blocks that come again are there already.
        if self.is_synced {
            return;
        }
        self.log.files.roll_back(self.start);
        // Other nodes will have their places.
        self.log.cache.clear();
        let last = self.roots.pop();
        self.roots.iter().for_each(|root| forget(root, self.start, false));
        // With it the disk was full, so that nodes may stand in the log below others that do not.
        last.iter().for_each(|root| forget(root, self.start, true));
    }
}

/// Takes their places away from a node and those below it that were appended from `start` on; `torn` says whether nodes without
/// a place may have such below them.
fn forget(link: &Link, start: u64, torn: bool) {
    if link.node.pos().map_or(!torn, |pos| pos.0 < start) {
        return;
    }
    match &link.node {
        Node::Stored(_) => {}
        Node::Leaf(leaf) => {
            leaf.place.clear();
            leaf.entry.storage.iter().for_each(|root| forget(root, start, torn));
        }
        Node::Extension(extension) => {
            extension.place.clear();
            forget(&extension.child, start, torn);
        }
        Node::Branch(branch) => {
            branch.place.clear();
            branch.children().for_each(|(_, child)| forget(child, start, torn));
        }
    }
}

/// A child as a record has it.
pub(super) type Written<'l> = (u8, &'l Link, NodePos);
