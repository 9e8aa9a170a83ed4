//! Appending the nodes that blocks change. It must not know when that is on the disk, or who says so.

use super::{
    Placed, StateLog,
    node::{Branch, Child, Leaf, LogNode, NodePos, decode_rlp},
};
use crate::{NodeChanges, StorageError, TrieChanges, trie::path_of};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieAccount,
    nodes::{RlpNode, TrieNode},
};
use atoll_primitives::{
    Address, B256, StateChanges, U256, keccak256,
    primitives::map::{B256Map, HashMap},
};
use std::sync::Arc;

/// Nodes of a flush kept in memory, some 10 MB: more are read from the files again.
const MAX_YOUNG: usize = if cfg!(test) { 64 } else { 32_768 };

/// Blocks on their way into the log. Dropping it without [`Appender::commit`] forgets them.
pub(crate) struct Appender<'a> {
    log: &'a StateLog,
    /// Where the log ended.
    start: u64,
    /// Nodes that the files do not give out yet.
    young: HashMap<NodePos, Arc<LogNode>>,
    appended: usize,
    committed: bool,
}

/// One trie as it was, and what changes in it.
struct Change<'c> {
    root: Option<NodePos>,
    nodes: &'c NodeChanges,
    leaves: LeafSource<'c>,
}

/// What a leaf needs beyond its RLP.
enum LeafSource<'c> {
    /// Addresses by their hashes, and the storage tries that the block changed.
    Accounts { addresses: &'c B256Map<Box<[u8]>>, storage: &'c B256Map<Option<NodePos>> },
    /// Slots by their hashes.
    Slots(&'c B256Map<Box<[u8]>>),
}

impl StateLog {
    /// Begins to append. Whoever does is alone.
    pub fn appender(&self) -> Appender<'_> {
        Appender { log: self, start: self.end(), young: HashMap::default(), appended: 0, committed: false }
    }
}

impl Appender<'_> {
    /// Appends what a block changes in the state with this root; returns its own root. `trie` goes with `changes`, which know
    /// addresses and slots by themselves.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if the changes do not fit that state; the disk's failure.
    pub fn block(
        &mut self,
        root: Option<NodePos>,
        changes: &StateChanges,
        trie: &TrieChanges,
    ) -> Result<Option<NodePos>, StorageError> {
        let mut addresses = B256Map::<Box<[u8]>>::default();
        for address in changes.accounts.keys().chain(changes.storage.keys()) {
            addresses.insert(keccak256(address), Box::from(address.as_slice()));
        }
        let mut storage = B256Map::default();
        for (account, change) in &trie.storage {
            let unknown = || StorageError::corrupt(format!("the storage of {account} changes, which no account has"));
            let address: &[u8] = addresses.get(account).ok_or_else(unknown)?;
            let slots = changes.storage.get(&Address::from_slice(address));
            let slots: B256Map<Box<[u8]>> = slots
                .into_iter()
                .flat_map(|change| change.slots.keys())
                .map(|slot: &U256| slot.to_be_bytes::<32>())
                .map(|slot| (keccak256(slot), Box::from(slot.as_slice())))
                .collect();
            let before = if change.wiped { None } else { self.storage_root(root, account)? };
            let change = Change { root: before, nodes: &change.nodes, leaves: LeafSource::Slots(&slots) };
            storage.insert(*account, self.trie(&change)?);
        }
        let leaves = LeafSource::Accounts { addresses: &addresses, storage: &storage };
        let root = self.trie(&Change { root, nodes: &trie.account_nodes, leaves })?;
        if self.young.len() > MAX_YOUNG {
            self.log.files.spill()?;
            self.age();
        }
        Ok(root)
    }

    /// What the files give out by now belongs into the cache.
    fn age(&mut self) {
        for (pos, node) in self.young.drain() {
            self.log.cache.insert(pos, node);
        }
    }

    /// Puts everything on the disk; returns where the log ends now.
    ///
    /// # Errors
    /// The disk's failure.
    pub fn commit(mut self) -> Result<u64, StorageError> {
        self.log.files.commit()?;
        self.committed = true;
        self.age();
        Ok(self.log.end())
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
        match self.young.get(&pos) {
            Some(node) => Ok(Arc::clone(node)),
            None => self.log.node(pos),
        }
    }

    /// Appends a node; `old` is the branch that stood in its place.
    pub(super) fn put(&mut self, node: LogNode, old: Option<(NodePos, &Branch)>) -> Result<NodePos, StorageError> {
        let (record, node) = node.record(old)?;
        let pos = self.log.files.append(&record)?;
        self.young.insert(pos, Arc::new(node));
        self.appended += 1;
        Ok(pos)
    }

    fn placed(&self, pos: NodePos) -> Result<(NodePos, Arc<LogNode>), StorageError> {
        Ok((pos, self.node(pos)?))
    }

    fn storage_root(&self, root: Option<NodePos>, account: &B256) -> Result<Option<NodePos>, StorageError> {
        let leaf = self.leaf(root, &path_of(account))?;
        Ok(leaf.and_then(|leaf| leaf.as_leaf().and_then(|leaf| leaf.storage)))
    }

    /// As [`StateLog::leaf`], over what was appended too.
    fn leaf(&self, root: Option<NodePos>, key: &Nibbles) -> Result<Option<Arc<LogNode>>, StorageError> {
        super::leaf(&|pos| self.node(pos), root, key)
    }

    fn trie(&mut self, change: &Change<'_>) -> Result<Option<NodePos>, StorageError> {
        let path = Nibbles::new();
        match change.nodes.get(&path) {
            None => Ok(change.root),
            Some(None) => Ok(None),
            Some(Some(rlp)) => {
                let old = change.root.map(|pos| self.placed(pos)).transpose()?;
                self.write(change, path, rlp, old).map(Some)
            }
        }
    }

    /// Appends the node at `path` and all below it that changes; `old` is what stood at this path.
    fn write(
        &mut self,
        change: &Change<'_>,
        path: Nibbles,
        rlp: &[u8],
        old: Option<(NodePos, Arc<LogNode>)>,
    ) -> Result<NodePos, StorageError> {
        match decode_rlp(rlp)? {
            TrieNode::EmptyRoot => Err(StorageError::corrupt("an empty root is no node")),
            TrieNode::Leaf(leaf) => {
                let leaf = self.leaf_of(change, path.join(&leaf.key), leaf.key, leaf.value)?;
                self.put(LogNode::Leaf(leaf), None)
            }
            TrieNode::Extension(extension) => {
                let old = match old.as_ref().map(|(_, node)| node.as_ref()) {
                    Some(LogNode::Extension { key, child }) if *key == extension.key => Some(child.clone()),
                    _ => None,
                };
                let child = self.child(change, path.join(&extension.key), extension.child, old.as_ref())?;
                self.put(LogNode::Extension { key: extension.key, child }, None)
            }
            TrieNode::Branch(branch) => {
                let old = old.as_ref().and_then(|(pos, node)| match node.as_ref() {
                    LogNode::Branch(branch) => Some((*pos, branch)),
                    _ => None,
                });
                let mut children = Vec::with_capacity(16);
                for (nibble, reference) in branch.as_ref().children() {
                    let Some(reference) = reference else { continue };
                    let mut path = path;
                    path.push(nibble);
                    let before = old.and_then(|(_, old)| old.child(nibble));
                    children.push((nibble, self.child(change, path, reference.clone(), before)?));
                }
                self.put(LogNode::Branch(Branch::new(children)), old)
            }
        }
    }

    /// The child at `path` that its parent's RLP refers to so; `old` is the one that stood there.
    fn child(
        &mut self,
        change: &Change<'_>,
        path: Nibbles,
        reference: RlpNode,
        old: Option<&Child>,
    ) -> Result<Child, StorageError> {
        // The same reference is the same content, down to the last leaf.
        if let Some(old) = old.filter(|old| old.reference == reference) {
            return Ok(old.clone());
        }
        let changed = change.nodes.get(&path).and_then(Option::as_ref);
        let rlp = match changed {
            Some(rlp) => rlp.as_ref(),
            None if !reference.is_hash() => reference.as_slice(),
            None => return self.moved(change, &path, reference),
        };
        let old = old.map(|old| self.placed(old.pos)).transpose()?;
        let pos = self.write(change, path, rlp, old)?;
        Ok(Child { reference, pos })
    }

    /// A child that did not change, below a parent that is new: where it stood before.
    fn moved(&self, change: &Change<'_>, path: &Nibbles, reference: RlpNode) -> Result<Child, StorageError> {
        let missing = || StorageError::corrupt(format!("the node at {path:?} did not change and was not there"));
        let Placed { pos, node, reference: known } =
            super::at(&|pos| self.node(pos), change.root, path)?.ok_or_else(missing)?;
        let is = known.map_or_else(|| RlpNode::from_rlp(&node.rlp()) == reference, |known| known == reference);
        if is { Ok(Child { reference, pos }) } else { Err(missing()) }
    }

    fn leaf_of(&self, change: &Change<'_>, full: Nibbles, key: Nibbles, value: Vec<u8>) -> Result<Leaf, StorageError> {
        let hash = B256::from_slice(&full.pack());
        let before = || -> Result<Leaf, StorageError> {
            let found = self.leaf(change.root, &full)?;
            let leaf = found.as_ref().and_then(|node| node.as_leaf()).cloned();
            leaf.ok_or_else(|| StorageError::corrupt(format!("nothing says whose hash {hash} is")))
        };
        let (known, storage) = match &change.leaves {
            LeafSource::Slots(slots) => (slots.get(&hash), None),
            LeafSource::Accounts { addresses, storage } => {
                let root = TrieAccount::decode(&mut value.as_slice())
                    .map_err(|error| StorageError::corrupt(format!("leaf of an account: {error}")))?
                    .storage_root;
                let storage = match storage.get(&hash) {
                    _ if root == EMPTY_ROOT_HASH => None,
                    Some(changed) => *changed,
                    None => before()?.storage,
                };
                (addresses.get(&hash), storage)
            }
        };
        let preimage = match known {
            Some(known) => known.clone(),
            None => before()?.preimage,
        };
        Ok(Leaf { key, value: value.into(), preimage, storage })
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.log.files.roll_back(self.start);
            // Other nodes will have the places of those that aged.
            self.log.cache.clear();
        }
    }
}
