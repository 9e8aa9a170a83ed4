//! Trie nodes in memory, and their RLP (yellow paper, appendix D). Tries of consecutive blocks share the nodes that neither
//! changed; a node that stands in the log knows its place there. It must not know how to read or write the log.

use super::place::{Place, Rests};
use crate::{
    StorageError,
    statelog::{Child, LogNode, NodePos},
};
use alloy_rlp::{BufMut, Encodable, Header};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use atoll_primitives::{Address, B256};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

/// RLP of an absent child and of the value no branch here has: all keys of a trie are of one length.
const EMPTY: u8 = 0x80;
/// RLP of a hash: this, and its bytes.
const HASH: u8 = 0xa0;

/// How a parent holds a node.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub reference: Reference,
    pub node: Node,
}

/// What a parent's RLP says of a node: its hash, or one of the two values below. That a node's hash is one of them is as likely
/// as that two nodes have the same; a tag of its own would make every link a sixth longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference(B256);

impl Reference {
    /// It changed and was not hashed since.
    pub const CHANGED: Self = Self(B256::ZERO);
    /// Its RLP stands there, which is shorter than a hash.
    pub const INLINE: Self = Self(B256::repeat_byte(0xff));

    /// The hash of a node that stands alone.
    pub fn of(hash: B256) -> Self {
        Self(hash)
    }
}

/// A node, or where it is.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// In the log, and not loaded.
    Stored(NodePos),
    Leaf(Arc<LeafNode>),
    Extension(Arc<ExtensionNode>),
    Branch(Arc<BranchNode>),
}

/// An address or slot, which the trie knows by its hash only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preimage {
    Address(Address),
    Slot(B256),
}

/// RLP of an account, or of a slot's value. Nearly all accounts have less than 96 bytes; none has more than 110.
pub(crate) type Value = SmallVec<[u8; 96]>;

/// The RLP of what has few bytes.
pub(crate) fn encode_value(value: &impl Encodable) -> Value {
    let mut rlp = [0; 128];
    let mut left = rlp.as_mut_slice();
    if value.length() > left.len() {
        return alloy_rlp::encode(value).into();
    }
    value.encode(&mut left);
    let length = 128 - left.len();
    Value::from_slice(&rlp[..length])
}

/// What a leaf holds.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub value: Value,
    pub preimage: Preimage,
    /// The account's storage trie; absent for empty storage, and for slots.
    pub storage: Option<Box<Link>>,
}

#[derive(Debug)]
pub(crate) struct LeafNode {
    /// What the path to it leaves of the hashed key.
    pub key: Nibbles,
    pub entry: Entry,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct ExtensionNode {
    pub key: Nibbles,
    pub child: Link,
    pub place: Place,
}

/// A node with two to sixteen children.
#[derive(Debug)]
pub(crate) struct BranchNode {
    /// A bit for each nibble that has a child.
    mask: u16,
    /// In the order of their nibbles.
    children: Vec<Link>,
    /// The branch it was made from, until it is in the log: what has not changed since need not be written again.
    pub before: Mutex<Option<Arc<Self>>>,
    /// A bit for each nibble whose child may be another than there.
    changed: u16,
    pub place: Place,
    pub rests: Rests,
}

/// Not yet in the log, as any node that changes.
impl Clone for BranchNode {
    fn clone(&self) -> Self {
        warm(&self.children);
        Self::of(self.mask, self.children.clone())
    }
}

impl Drop for BranchNode {
    fn drop(&mut self) {
        warm(&self.children);
    }
}

/// Reads the counters of all children before each is counted up or down. They lie apart in memory: a processor waits for many
/// reads at a time, but for one change that others may see after the other.
fn warm(children: &[Link]) {
    std::hint::black_box(children.iter().fold(0, |sum: usize, child| sum.wrapping_add(child.node.holders())));
}

impl LeafNode {
    /// A copy that stands where this one does in the log.
    pub fn in_place(&self) -> Self {
        Self { key: self.key, entry: self.entry.clone(), place: self.place.same() }
    }
}

impl ExtensionNode {
    /// As [`LeafNode::in_place`].
    pub fn in_place(&self) -> Self {
        Self { key: self.key, child: self.child.clone(), place: self.place.same() }
    }
}

impl Preimage {
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Address(address) => address.as_slice(),
            Self::Slot(slot) => slot.as_slice(),
        }
    }

    fn of_log(bytes: &[u8]) -> Result<Self, StorageError> {
        match bytes.len() {
            20 => Ok(Self::Address(Address::from_slice(bytes))),
            32 => Ok(Self::Slot(B256::from_slice(bytes))),
            length => Err(StorageError::corrupt(format!("a leaf of a key of {length} bytes"))),
        }
    }
}

impl BranchNode {
    fn of(mask: u16, children: Vec<Link>) -> Self {
        let (before, changed, place, rests) = Default::default();
        Self { mask, children, before, changed, place, rests }
    }

    /// One without children.
    pub fn empty() -> Self {
        Self::of(0, Vec::new())
    }

    /// A branch that may be changed in the place of one that was not changed in this block.
    pub fn own(branch: &mut Arc<Self>, is_changed: bool) -> &mut Self {
        if !is_changed {
            let mut own = Self::clone(branch);
            *own.before.get_mut() = Some(Arc::clone(branch));
            *branch = Arc::new(own);
        }
        // Changed, it belongs to one trie.
        Arc::make_mut(branch)
    }

    /// As [`LeafNode::in_place`].
    pub fn in_place(&self) -> Self {
        let (whole, patches, bytes) = self.rests.get();
        let mut copy = self.clone();
        (copy.place, copy.rests) = (self.place.same(), Rests::on(whole, patches, bytes));
        copy
    }

    fn index(&self, nibble: u8) -> usize {
        (self.mask & ((1u16 << nibble) - 1)).count_ones() as usize
    }

    pub fn mask(&self) -> u16 {
        self.mask
    }

    pub fn len(&self) -> usize {
        self.children.len()
    }

    pub fn child(&self, nibble: u8) -> Option<&Link> {
        (self.mask & 1 << nibble != 0).then(|| &self.children[self.index(nibble)])
    }

    pub fn child_mut(&mut self, nibble: u8) -> Option<&mut Link> {
        let index = self.index(nibble);
        self.changed |= 1 << nibble;
        (self.mask & 1 << nibble != 0).then(|| &mut self.children[index])
    }

    /// Puts a child where none is.
    pub fn insert(&mut self, nibble: u8, child: Link) {
        self.children.insert(self.index(nibble), child);
        self.mask |= 1 << nibble;
        self.changed |= 1 << nibble;
    }

    /// Takes a child away.
    pub fn remove(&mut self, nibble: u8) -> Option<Link> {
        if self.mask & 1 << nibble == 0 {
            return None;
        }
        self.mask &= !(1 << nibble);
        self.changed |= 1 << nibble;
        Some(self.children.remove(self.index(nibble)))
    }

    /// In the order of their nibbles.
    pub fn children(&self) -> impl Iterator<Item = (u8, &Link)> {
        nibbles(self.mask).zip(&self.children)
    }

    /// To be hashed, loaded or forgotten: they stay the same nodes.
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.children.iter_mut()
    }

    /// Those that may be others than in the branch it was made from, and the nibbles of those that are there no more.
    pub fn changed(&self) -> (impl Iterator<Item = (u8, &Link)>, u16) {
        let children = nibbles(self.changed).filter_map(|nibble| Some((nibble, self.child(nibble)?)));
        (children, self.changed & !self.mask)
    }

    /// Takes all children away.
    pub fn drain(&mut self) -> impl Iterator<Item = (u8, Link)> + use<> {
        self.changed |= self.mask;
        nibbles(std::mem::take(&mut self.mask)).zip(std::mem::take(&mut self.children))
    }
}

/// The nibbles whose bits are set.
fn nibbles(mask: u16) -> impl Iterator<Item = u8> {
    (0u8..16).filter(move |nibble| mask & (1 << nibble) != 0)
}

impl Link {
    /// A node that is new.
    pub fn new(node: Node) -> Self {
        Self { reference: Reference::CHANGED, node }
    }

    /// A node that stands alone in the log.
    pub fn stored(hash: B256, pos: NodePos) -> Self {
        Self { reference: Reference::of(hash), node: Node::Stored(pos) }
    }

    /// Its hash; absent for what stands inside its parent, or was not hashed yet.
    pub fn hash(&self) -> Option<B256> {
        let is_hash = self.reference != Reference::CHANGED && self.reference != Reference::INLINE;
        is_hash.then_some(self.reference.0)
    }

    /// What its parent's RLP has of it.
    pub fn rlp_node(&self) -> RlpNode {
        match self.hash() {
            Some(hash) => RlpNode::word_rlp(&hash),
            None => RlpNode::from_rlp(&self.node.rlp()),
        }
    }

    fn of_log(child: &Child, depth: usize, read: &Read<'_>) -> Result<Self, StorageError> {
        if let Some(hash) = child.reference.as_hash() {
            return Ok(Self::stored(hash, child.pos));
        }
        // Its RLP does not tell of what it is the leaf.
        let node = read(child.pos)?;
        if node.rlp() != child.reference.as_slice() {
            return Err(StorageError::corrupt(format!("the node at {} is not the one its parent means", child.pos.0)));
        }
        Ok(Self { reference: Reference::INLINE, node: Node::of_log(&node, child.pos, depth, read)? })
    }
}

/// Reads the node at a place of the log.
pub(super) type Read<'r> = dyn Fn(NodePos) -> Result<Arc<LogNode>, StorageError> + 'r;

impl Node {
    /// A leaf that is new.
    pub fn leaf(key: Nibbles, entry: Entry) -> Self {
        Self::Leaf(Arc::new(LeafNode { key, entry, place: Place::default() }))
    }

    /// An extension that is new.
    pub fn extension(key: Nibbles, child: Link) -> Self {
        Self::Extension(Arc::new(ExtensionNode { key, child, place: Place::default() }))
    }

    /// Where it stands in the log, if it does.
    pub fn pos(&self) -> Option<NodePos> {
        match self {
            Self::Stored(pos) => Some(*pos),
            Self::Leaf(leaf) => leaf.place.get(),
            Self::Extension(extension) => extension.place.get(),
            Self::Branch(branch) => branch.place.get(),
        }
    }

    /// How many hold it.
    pub fn holders(&self) -> usize {
        match self {
            Self::Stored(_) => 0,
            Self::Leaf(leaf) => Arc::strong_count(leaf),
            Self::Extension(extension) => Arc::strong_count(extension),
            Self::Branch(branch) => Arc::strong_count(branch),
        }
    }

    /// About what it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Stored(_) => 0,
            Self::Leaf(_) => size_of::<LeafNode>() + 16,
            Self::Extension(_) => size_of::<ExtensionNode>() + 16,
            Self::Branch(branch) => size_of::<BranchNode>() + 32 + branch.len() * size_of::<Link>(),
        }
    }

    /// A node of the log, which stands so deep in its trie; `read` is for those that stand inside it.
    pub fn of_log(node: &LogNode, pos: NodePos, depth: usize, read: &Read<'_>) -> Result<Self, StorageError> {
        let fits = match node {
            LogNode::Leaf(leaf) => depth + leaf.key.len() == 64,
            LogNode::Extension { key, .. } => depth + key.len() < 64,
            LogNode::Branch(_) => depth < 64,
        };
        if !fits {
            return Err(StorageError::corrupt(format!("the node at {} does not fit {depth} nibbles deep", pos.0)));
        }
        Ok(match node {
            LogNode::Leaf(leaf) => {
                // Its hash stands in the account.
                let storage = match leaf.storage {
                    Some(pos) => {
                        let hash = crate::base::decode_account(&leaf.value)?.storage_root;
                        Some(Box::new(Link::stored(hash, pos)))
                    }
                    None => None,
                };
                let entry = Entry {
                    value: Value::from_slice(&leaf.value),
                    preimage: Preimage::of_log(&leaf.preimage)?,
                    storage,
                };
                Self::Leaf(Arc::new(LeafNode { key: leaf.key, entry, place: Place::at(pos) }))
            }
            LogNode::Extension { key, child } => {
                let child = Link::of_log(child, depth + key.len(), read)?;
                Self::Extension(Arc::new(ExtensionNode { key: *key, child, place: Place::at(pos) }))
            }
            LogNode::Branch(branch) => {
                let mut children = Vec::with_capacity(16);
                for (_, child) in branch.children() {
                    children.push(Link::of_log(child, depth + 1, read)?);
                }
                let mut of_log = BranchNode::of(branch.mask(), children);
                (of_log.place, of_log.rests) = (Place::at(pos), branch.rests());
                Self::Branch(Arc::new(of_log))
            }
        })
    }

    /// Its RLP.
    pub fn rlp(&self) -> Vec<u8> {
        let mut rlp = Vec::new();
        self.encode(&mut rlp);
        rlp
    }

    /// Appends its RLP.
    pub fn encode(&self, rlp: &mut Vec<u8>) {
        match self {
            // What is not loaded stands alone: nobody needs its RLP here.
            Self::Stored(_) => {}
            Self::Leaf(leaf) => LeafNodeRef::new(&leaf.key, &leaf.entry.value).encode(rlp),
            Self::Extension(extension) => {
                ExtensionNodeRef::new(&extension.key, extension.child.rlp_node().as_slice()).encode(rlp);
            }
            Self::Branch(branch) => {
                let inline = |link: &Link| link.hash().map_or_else(|| link.rlp_node().len(), |_| 33);
                let children: usize = branch.children.iter().map(inline).sum();
                let payload_length = children + 17 - branch.len();
                Header { list: true, payload_length }.encode(rlp);
                for nibble in 0..16 {
                    match branch.child(nibble).map(|child| (child, child.hash())) {
                        None => rlp.push(EMPTY),
                        Some((_, Some(hash))) => {
                            rlp.push(HASH);
                            rlp.put_slice(hash.as_slice());
                        }
                        Some((child, None)) => rlp.put_slice(child.rlp_node().as_slice()),
                    }
                }
                rlp.push(EMPTY);
            }
        }
    }
}

/// RLP of a leaf.
pub(crate) fn encode_leaf(key: &Nibbles, value: &[u8]) -> Vec<u8> {
    encode(&LeafNodeRef::new(key, value))
}

/// RLP of an extension over a child's reference.
pub(crate) fn encode_extension(key: &Nibbles, child: &RlpNode) -> Vec<u8> {
    encode(&ExtensionNodeRef::new(key, child.as_slice()))
}

/// RLP of a branch over its children's references, in order of their nibbles.
pub(crate) fn encode_branch(children: &[Option<RlpNode>; 16]) -> Vec<u8> {
    let length = |child: &Option<RlpNode>| child.as_ref().map_or(1, |child| child.len());
    let payload_length = children.iter().map(length).sum::<usize>() + 1;
    let header = Header { list: true, payload_length };
    let mut rlp = Vec::with_capacity(header.length() + payload_length);
    header.encode(&mut rlp);
    for child in children {
        match child {
            Some(child) => rlp.put_slice(child.as_slice()),
            None => rlp.put_u8(EMPTY),
        }
    }
    rlp.put_u8(EMPTY);
    rlp
}

fn encode(node: &impl Encodable) -> Vec<u8> {
    let mut rlp = Vec::with_capacity(node.length());
    node.encode(&mut rlp);
    rlp
}
