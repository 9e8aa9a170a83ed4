//! Trie nodes in memory: decoded from and encoded to the yellow paper's RLP (appendix D). It must not know where
//! nodes are stored.

use crate::{StorageError, statelog::LogNode};
use alloy_rlp::{BufMut, Decodable, Encodable, Header};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use atoll_primitives::B256;
use std::sync::Arc;

/// RLP of an absent child and of the value no branch here has: all keys of a trie are of one length.
const EMPTY: u8 = 0x80;

pub(super) type Children = Box<[Option<Link>; 16]>;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf { key: Nibbles, value: Vec<u8> },
    Extension { key: Nibbles, child: Link },
    Branch { children: Children },
}

/// How a parent holds a node. Tries of consecutive blocks share the nodes that neither changed.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// It stands alone at its path and is not loaded.
    Stored(B256),
    /// It is loaded.
    Loaded { node: Arc<Node>, reference: Reference },
}

/// What a parent's RLP says of a loaded node.
#[derive(Debug, Clone)]
pub(crate) enum Reference {
    /// Its hash, or its RLP if that is shorter.
    Known(RlpNode),
    /// It changed since; `stored` says whether a node stands alone at this path in the stored trie.
    Changed { stored: bool },
}

impl Link {
    /// A node that is new at its path, where nothing stands alone yet.
    pub fn new(node: Node) -> Self {
        Self::Loaded { node: Arc::new(node), reference: Reference::Changed { stored: false } }
    }

    /// Bytes of what is loaded at each level from here down; this node is the first level.
    pub fn weights(&self, level: usize, weights: &mut Vec<usize>) {
        let Self::Loaded { node, .. } = self else { return };
        if weights.len() <= level {
            weights.resize(level + 1, 0);
        }
        weights[level] += node.weight();
        match node.as_ref() {
            Node::Leaf { .. } => {}
            Node::Extension { child, .. } => child.weights(level + 1, weights),
            Node::Branch { children } => {
                children.iter().flatten().for_each(|child| child.weights(level + 1, weights));
            }
        }
    }

    /// Forgets what is loaded more than `levels` deep; what stands inside its parent stays there.
    pub fn trim(&mut self, levels: usize) {
        let Self::Loaded { node, reference: Reference::Known(known) } = self else { return };
        if levels == 0 {
            if let Some(hash) = known.as_hash() {
                *self = Self::Stored(hash);
            }
            return;
        }
        match Arc::make_mut(node) {
            Node::Leaf { .. } => {}
            Node::Extension { child, .. } => child.trim(levels - 1),
            Node::Branch { children } => children.iter_mut().flatten().for_each(|child| child.trim(levels - 1)),
        }
    }

    fn from_reference(reference: &RlpNode) -> Result<Self, StorageError> {
        match reference.as_hash() {
            Some(hash) => Ok(Self::Stored(hash)),
            None => {
                let node = Arc::new(Node::decode(reference.as_slice())?);
                Ok(Self::Loaded { node, reference: Reference::Known(reference.clone()) })
            }
        }
    }
}

impl Node {
    /// About what it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Leaf { value, .. } => 120 + value.len(),
            Self::Extension { .. } => 160,
            Self::Branch { .. } => 80 + size_of::<[Option<Link>; 16]>(),
        }
    }

    /// A node of the log.
    pub fn of_log(node: &LogNode) -> Result<Self, StorageError> {
        match node {
            LogNode::Leaf(leaf) => Ok(Self::Leaf { key: leaf.key, value: leaf.value.to_vec() }),
            LogNode::Extension { key, child } => {
                Ok(Self::Extension { key: *key, child: Link::from_reference(&child.reference)? })
            }
            LogNode::Branch(branch) => {
                let mut children = Children::default();
                for (nibble, child) in branch.children() {
                    children[usize::from(nibble)] = Some(Link::from_reference(&child.reference)?);
                }
                Ok(Self::Branch { children })
            }
        }
    }

    pub fn decode(mut rlp: &[u8]) -> Result<Self, StorageError> {
        let node = TrieNode::decode(&mut rlp).map_err(|err| StorageError::corrupt(format!("trie node: {err}")))?;
        match node {
            TrieNode::Leaf(leaf) => Ok(Self::Leaf { key: leaf.key, value: leaf.value }),
            TrieNode::Extension(extension) => {
                Ok(Self::Extension { key: extension.key, child: Link::from_reference(&extension.child)? })
            }
            TrieNode::Branch(branch) => {
                let mut children = Children::default();
                for (nibble, child) in branch.as_ref().children() {
                    if let Some(child) = child {
                        children[usize::from(nibble)] = Some(Link::from_reference(child)?);
                    }
                }
                Ok(Self::Branch { children })
            }
            TrieNode::EmptyRoot => Err(StorageError::corrupt("trie node: an empty root is never stored")),
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
