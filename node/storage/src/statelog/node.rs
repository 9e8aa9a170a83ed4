//! Nodes of the state's tries as records of the log: a trie node with the places of its children, so that a parent leads
//! to them without an index. It must not know files.
//!
//! A branch that changed in few children is written as a patch: what is new, and the place of the branch that the rest
//! stands in. Reading one reads those it rests on; there are at most [`MAX_PATCHES`] of them, and together they are no longer
//! than the branch.

use super::append::Written;
use crate::{
    StorageError,
    trie::{BranchNode, LeafNode, Link, Rests, encode_branch, encode_extension, encode_leaf},
};
use alloy_trie::{Nibbles, nodes::RlpNode};
use atoll_primitives::{B256, hex};

/// Patches over one whole branch.
pub(super) const MAX_PATCHES: u8 = 8;
/// Bytes of a place in a record: 256 TiB of log.
const POS_BYTES: usize = 6;

const LEAF: u8 = 0;
const EXTENSION: u8 = 1;
const BRANCH: u8 = 2;
const PATCH: u8 = 3;

/// Where a node's record begins in the log. Records are never at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodePos(pub u64);

/// How a parent holds a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Child {
    /// Its hash, or its RLP if that is shorter (yellow paper, appendix D).
    pub reference: RlpNode,
    pub pos: NodePos,
}

/// A node of the account trie or of a storage trie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogNode {
    Leaf(Leaf),
    Extension { key: Nibbles, child: Child },
    Branch(Branch),
}

/// A key's end with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// What the path to it leaves of the hashed key.
    pub key: Nibbles,
    /// RLP of an account, or of a slot's value.
    pub value: Box<[u8]>,
    /// The address or slot itself, which the trie knows by its hash only.
    pub preimage: Box<[u8]>,
    /// Root of the account's storage trie; absent for empty storage, and for slots.
    pub storage: Option<NodePos>,
}

impl Leaf {
    /// Whether a record can hold it; an account's RLP has 110 bytes at the most.
    fn check(&self) -> Result<(), StorageError> {
        let longest = self.value.len().max(self.preimage.len());
        if longest > usize::from(u8::MAX) { Err(damaged(&format!("a leaf of {longest} bytes"))) } else { Ok(()) }
    }
}

/// A node with two to sixteen children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Branch {
    /// A bit for each nibble that has a child.
    mask: u16,
    /// In the order of their nibbles.
    children: Vec<Child>,
    /// Patches it was read from, and their bytes together.
    patches: u8,
    patch_bytes: u16,
    /// Place of the whole branch that they rest on; absent if it was one itself.
    whole: Option<NodePos>,
}

impl Branch {
    pub fn new(children: impl IntoIterator<Item = (u8, Child)>) -> Self {
        let mut branch = Self::default();
        for (nibble, child) in children {
            branch.mask |= 1 << nibble;
            branch.children.push(child);
        }
        branch
    }

    /// A bit for each nibble that has a child.
    pub fn mask(&self) -> u16 {
        self.mask
    }

    /// What it was read from.
    pub fn rests(&self) -> Rests {
        Rests::on(self.whole, self.patches, self.patch_bytes)
    }

    pub fn child(&self, nibble: u8) -> Option<&Child> {
        let bit = 1u16 << nibble;
        (self.mask & bit != 0).then(|| &self.children[(self.mask & (bit - 1)).count_ones() as usize])
    }

    /// In the order of their nibbles.
    pub fn children(&self) -> impl Iterator<Item = (u8, &Child)> {
        let nibbles = (0u8..16).filter(|nibble| self.mask & (1 << nibble) != 0);
        nibbles.zip(&self.children)
    }

    /// The oldest place that has to be there for it to be read from `pos`.
    pub fn oldest(&self, pos: NodePos) -> NodePos {
        self.whole.unwrap_or(pos)
    }

    fn record_bytes(&self) -> usize {
        5 + self.children.iter().map(child_bytes).sum::<usize>()
    }

    /// Its record, a change to an older branch if that is worth it, and what it rests on then.
    pub fn record_over(&self, old: Option<(NodePos, &Self)>) -> (Vec<u8>, Option<NodePos>, u8, u16) {
        let patch = old.and_then(|(pos, old)| Some((pos, old, self.patch(old, pos)?)));
        if let Some((pos, old, record)) = patch {
            let bytes = usize::from(old.patch_bytes) + record.len();
            let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
            return (record, Some(old.whole.unwrap_or(pos)), old.patches.saturating_add(1), bytes);
        }
        let mut record = Vec::with_capacity(self.record_bytes());
        record.push(BRANCH);
        put_children(&mut record, self.children().collect());
        (record, None, 0, 0)
    }

    /// This branch as a change to an older one, if that is worth it.
    fn patch(&self, old: &Self, old_pos: NodePos) -> Option<Vec<u8>> {
        if old.patches >= MAX_PATCHES {
            return None;
        }
        let removed = old.mask & !self.mask;
        let changed: Vec<_> = self.children().filter(|(nibble, child)| old.child(*nibble) != Some(*child)).collect();
        let bytes = 1 + POS_BYTES + 2 + 4 + changed.iter().map(|(_, child)| child_bytes(child)).sum::<usize>();
        if usize::from(old.patch_bytes) + bytes > self.record_bytes() {
            return None;
        }
        let mut record = Vec::with_capacity(bytes);
        record.push(PATCH);
        put_pos(&mut record, old_pos);
        record.extend_from_slice(&removed.to_le_bytes());
        put_children(&mut record, changed);
        Some(record)
    }

    /// The branch that `old` becomes by a patch of so many bytes.
    fn patched(old: &Self, old_pos: NodePos, removed: u16, changed: &Self, bytes: usize) -> Self {
        let mut patched = Self::default();
        for nibble in 0u8..16 {
            let kept = || old.child(nibble).filter(|_| removed & (1 << nibble) == 0);
            if let Some(child) = changed.child(nibble).or_else(kept) {
                patched.mask |= 1 << nibble;
                patched.children.push(child.clone());
            }
        }
        patched.patches = old.patches.saturating_add(1);
        patched.patch_bytes = old.patch_bytes.saturating_add(u16::try_from(bytes).unwrap_or(u16::MAX));
        patched.whole = Some(old.whole.unwrap_or(old_pos));
        patched
    }
}

/// A record being made of a trie's node; its bytes are used again for the next.
#[derive(Default)]
pub(super) struct Record(Vec<u8>);

impl Record {
    /// A leaf over its storage.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for a value that no record can hold; an account's RLP has 110 bytes at the most.
    pub fn leaf(&mut self, leaf: &LeafNode, storage: Option<NodePos>) -> Result<&[u8], StorageError> {
        let (value, preimage) = (&leaf.entry.value, leaf.entry.preimage.as_slice());
        if value.len() > usize::from(u8::MAX) {
            return Err(damaged(&format!("a leaf of {} bytes", value.len())));
        }
        self.0.clear();
        put_leaf(&mut self.0, &leaf.key, value, preimage, storage);
        Ok(&self.0)
    }

    pub fn extension(&mut self, key: &Nibbles, child: &Link, pos: NodePos) -> &[u8] {
        self.0.clear();
        self.0.push(EXTENSION);
        put_nibbles(&mut self.0, key);
        self.0.push(u8::from(child.hash().is_none()));
        put_link(&mut self.0, child, pos);
        &self.0
    }

    pub fn branch(&mut self, children: &[Written<'_>]) -> &[u8] {
        self.0.clear();
        self.0.push(BRANCH);
        put_links(&mut self.0, children);
        &self.0
    }

    /// Changes to the branch at `old`.
    pub fn patch(&mut self, old: NodePos, removed: u16, changed: &[Written<'_>]) -> &[u8] {
        self.0.clear();
        self.0.push(PATCH);
        put_pos(&mut self.0, old);
        self.0.extend_from_slice(&removed.to_le_bytes());
        put_links(&mut self.0, changed);
        &self.0
    }

    /// Length of a whole branch's record.
    pub fn branch_bytes(branch: &BranchNode) -> usize {
        let bytes = |link: &Link| POS_BYTES + link.hash().map_or_else(|| 1 + link.rlp_node().len(), |_| 32);
        5 + branch.children().map(|(_, link)| bytes(link)).sum::<usize>()
    }
}

/// As [`put_children`].
fn put_links(record: &mut Vec<u8>, children: &[Written<'_>]) {
    let bits = |inline: bool| {
        let wanted = children.iter().filter(|(_, link, _)| !inline || link.hash().is_none());
        wanted.fold(0u16, |bits, (nibble, ..)| bits | 1 << nibble)
    };
    record.extend_from_slice(&bits(false).to_le_bytes());
    record.extend_from_slice(&bits(true).to_le_bytes());
    children.iter().for_each(|(_, link, pos)| put_link(record, link, *pos));
}

fn put_link(record: &mut Vec<u8>, link: &Link, pos: NodePos) {
    put_pos(record, pos);
    match link.hash() {
        Some(hash) => record.extend_from_slice(hash.as_slice()),
        None => put_bytes(record, &link.rlp_node()),
    }
}

/// What a record holds before it is put together with what it rests on.
pub(crate) enum Decoded {
    Node(LogNode),
    Patch { old: NodePos, removed: u16, changed: Branch, bytes: usize },
}

impl Decoded {
    /// # Errors
    /// [`StorageError::Corrupt`], here and below.
    pub fn new(record: &[u8]) -> Result<Self, StorageError> {
        let mut bytes = record;
        let node = match take::<1>(&mut bytes)?[0] {
            LEAF => Self::Node(LogNode::Leaf(take_leaf(&mut bytes)?)),
            EXTENSION => {
                let key = take_nibbles(&mut bytes)?;
                if key.is_empty() {
                    return Err(damaged("an extension by nothing"));
                }
                let inline = take::<1>(&mut bytes)?[0] != 0;
                Self::Node(LogNode::Extension { key, child: take_child(&mut bytes, inline)? })
            }
            BRANCH => Self::Node(LogNode::Branch(take_children(&mut bytes)?)),
            PATCH => {
                let old = take_pos(&mut bytes)?;
                let removed = u16::from_le_bytes(take(&mut bytes)?);
                Self::Patch { old, removed, changed: take_children(&mut bytes)?, bytes: record.len() }
            }
            kind => return Err(damaged(&format!("kind {kind}"))),
        };
        if bytes.is_empty() { Ok(node) } else { Err(damaged("bytes behind its end")) }
    }

    /// The last of the places it names.
    pub fn newest(&self) -> Option<NodePos> {
        match self {
            Self::Node(LogNode::Leaf(leaf)) => leaf.storage,
            Self::Node(LogNode::Extension { child, .. }) => Some(child.pos),
            Self::Node(LogNode::Branch(branch)) => branch.children.iter().map(|child| child.pos).max(),
            Self::Patch { old, changed, .. } => changed.children.iter().map(|child| child.pos).chain([*old]).max(),
        }
    }

    /// The node, given what a patch rests on.
    pub fn over(self, read: impl FnOnce(NodePos) -> Result<LogNode, StorageError>) -> Result<LogNode, StorageError> {
        let (old_pos, removed, changed, bytes) = match self {
            Self::Node(node) => return Ok(node),
            Self::Patch { old, removed, changed, bytes } => (old, removed, changed, bytes),
        };
        let LogNode::Branch(old) = read(old_pos)? else { return Err(damaged("a patch of something else")) };
        Ok(LogNode::Branch(Branch::patched(&old, old_pos, removed, &changed, bytes)))
    }
}

impl LogNode {
    /// Its record; `old` is the branch that stood in its place.
    pub fn record(&self, old: Option<(NodePos, &Branch)>) -> Result<Vec<u8>, StorageError> {
        let mut record = Vec::new();
        match self {
            Self::Leaf(leaf) => {
                leaf.check()?;
                put_leaf(&mut record, &leaf.key, &leaf.value, &leaf.preimage, leaf.storage);
            }
            Self::Extension { key, child } => {
                record.push(EXTENSION);
                put_nibbles(&mut record, key);
                record.push(u8::from(!child.reference.is_hash()));
                put_child(&mut record, child);
            }
            Self::Branch(branch) => return Ok(branch.record_over(old).0),
        }
        Ok(record)
    }

    /// Its RLP in the trie.
    pub fn rlp(&self) -> Vec<u8> {
        match self {
            Self::Leaf(leaf) => encode_leaf(&leaf.key, &leaf.value),
            Self::Extension { key, child } => encode_extension(key, &child.reference),
            Self::Branch(branch) => {
                let mut references: [Option<RlpNode>; 16] = Default::default();
                for (nibble, child) in branch.children() {
                    references[usize::from(nibble)] = Some(child.reference.clone());
                }
                encode_branch(&references)
            }
        }
    }

    /// About what it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        let inner = match self {
            Self::Leaf(leaf) => leaf.value.len() + leaf.preimage.len(),
            Self::Extension { .. } => 0,
            Self::Branch(branch) => branch.children.len() * size_of::<Child>(),
        };
        size_of::<Self>() + inner
    }
}

fn damaged(what: &str) -> StorageError {
    StorageError::corrupt(format!("a node of the state log has {what}"))
}

fn child_bytes(child: &Child) -> usize {
    // A hash without its RLP header; what is shorter says how long it is.
    POS_BYTES + if child.reference.is_hash() { 32 } else { 1 + child.reference.len() }
}

fn put_pos(record: &mut Vec<u8>, pos: NodePos) {
    record.extend_from_slice(&pos.0.to_le_bytes()[..POS_BYTES]);
}

fn put_child(record: &mut Vec<u8>, child: &Child) {
    put_pos(record, child.pos);
    match child.reference.as_hash() {
        Some(hash) => record.extend_from_slice(hash.as_slice()),
        None => put_bytes(record, child.reference.as_slice()),
    }
}

/// Which children there are, which of them stand inside their parent, and themselves.
fn put_children(record: &mut Vec<u8>, children: Vec<(u8, &Child)>) {
    let bits = |inline: bool| {
        let wanted = children.iter().filter(|(_, child)| !inline || !child.reference.is_hash());
        wanted.fold(0u16, |bits, (nibble, _)| bits | 1 << nibble)
    };
    record.extend_from_slice(&bits(false).to_le_bytes());
    record.extend_from_slice(&bits(true).to_le_bytes());
    children.iter().for_each(|(_, child)| put_child(record, child));
}

fn put_leaf(record: &mut Vec<u8>, key: &Nibbles, value: &[u8], preimage: &[u8], storage: Option<NodePos>) {
    record.push(LEAF);
    put_nibbles(record, key);
    put_bytes(record, value);
    put_bytes(record, preimage);
    if let Some(storage) = storage {
        put_pos(record, storage);
    }
}

/// A length in one byte, and so many bytes: [`Leaf::check`] looks that they are no more.
fn put_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    record.push(bytes.len() as u8);
    record.extend_from_slice(bytes);
}

fn put_nibbles(record: &mut Vec<u8>, nibbles: &Nibbles) {
    record.push(nibbles.len() as u8);
    record.extend_from_slice(&nibbles.pack());
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], StorageError> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or_else(|| damaged("no end"))?;
    *bytes = rest;
    Ok(*taken)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], StorageError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(|| damaged("no end"))?;
    *bytes = rest;
    Ok(taken)
}

fn take_bytes(bytes: &mut &[u8]) -> Result<Box<[u8]>, StorageError> {
    let [length] = take(bytes)?;
    Ok(take_slice(bytes, usize::from(length))?.into())
}

fn take_pos(bytes: &mut &[u8]) -> Result<NodePos, StorageError> {
    let mut pos = [0; 8];
    pos[..POS_BYTES].copy_from_slice(&take::<POS_BYTES>(bytes)?);
    Ok(NodePos(u64::from_le_bytes(pos)))
}

fn take_nibbles(bytes: &mut &[u8]) -> Result<Nibbles, StorageError> {
    let [length] = take(bytes)?;
    let length = usize::from(length);
    if length > 64 {
        return Err(damaged("a path of more than 64 nibbles"));
    }
    let packed = take_slice(bytes, length.div_ceil(2))?;
    Ok(Nibbles::unpack(packed).slice(..length))
}

fn take_child(bytes: &mut &[u8], inline: bool) -> Result<Child, StorageError> {
    let pos = take_pos(bytes)?;
    if !inline {
        return Ok(Child { pos, reference: RlpNode::word_rlp(&B256::from(take::<32>(bytes)?)) });
    }
    let rlp = take_bytes(bytes)?;
    let reference = RlpNode::from_raw(&rlp).filter(|reference| !reference.is_hash());
    let reference = reference.ok_or_else(|| damaged(&format!("a child {}", hex::encode(&rlp))))?;
    Ok(Child { pos, reference })
}

fn take_children(bytes: &mut &[u8]) -> Result<Branch, StorageError> {
    let (mask, inline) = (u16::from_le_bytes(take(bytes)?), u16::from_le_bytes(take(bytes)?));
    let mut children = Vec::with_capacity(mask.count_ones() as usize);
    for nibble in (0u8..16).filter(|nibble| mask & (1 << nibble) != 0) {
        children.push(take_child(bytes, inline & (1 << nibble) != 0)?);
    }
    Ok(Branch { mask, children, ..Branch::default() })
}

fn take_leaf(bytes: &mut &[u8]) -> Result<Leaf, StorageError> {
    let key = take_nibbles(bytes)?;
    let (value, preimage) = (take_bytes(bytes)?, take_bytes(bytes)?);
    let storage = if bytes.is_empty() { None } else { Some(take_pos(bytes)?) };
    Ok(Leaf { key, value, preimage, storage })
}
