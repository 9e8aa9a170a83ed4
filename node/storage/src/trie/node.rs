//! Trie nodes in memory: decoded from and encoded to the yellow paper's RLP (appendix D). It must not know where
//! nodes are stored.

use crate::StorageError;
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNode, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use atoll_primitives::B256;

#[derive(Debug)]
pub(super) enum Node {
    Leaf { key: Nibbles, value: Vec<u8> },
    Extension { key: Nibbles, child: Link },
    Branch { children: Box<[Option<Link>; 16]> },
}

/// How a parent holds a node.
#[derive(Debug)]
pub(super) enum Link {
    /// It stands alone at its path and is not loaded.
    Stored(B256),
    /// It is loaded; `reference` is its hash or short RLP, `None` once it changed.
    Loaded { node: Box<Node>, reference: Option<RlpNode> },
}

impl Link {
    pub fn changed(node: Node) -> Self {
        Self::Loaded { node: Box::new(node), reference: None }
    }

    fn from_reference(reference: &RlpNode) -> Result<Self, StorageError> {
        match reference.as_hash() {
            Some(hash) => Ok(Self::Stored(hash)),
            None => {
                let node = Box::new(Node::decode(reference.as_slice())?);
                Ok(Self::Loaded { node, reference: Some(reference.clone()) })
            }
        }
    }
}

impl Node {
    pub fn decode(mut rlp: &[u8]) -> Result<Self, StorageError> {
        let node = TrieNode::decode(&mut rlp).map_err(|err| StorageError::corrupt(format!("trie node: {err}")))?;
        match node {
            TrieNode::Leaf(leaf) => Ok(Self::Leaf { key: leaf.key, value: leaf.value }),
            TrieNode::Extension(extension) => {
                Ok(Self::Extension { key: extension.key, child: Link::from_reference(&extension.child)? })
            }
            TrieNode::Branch(branch) => {
                let mut children: Box<[Option<Link>; 16]> = Box::default();
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
pub(super) fn encode_leaf(key: &Nibbles, value: &[u8]) -> Vec<u8> {
    encode(&LeafNodeRef::new(key, value))
}

/// RLP of an extension over a child's reference.
pub(super) fn encode_extension(key: &Nibbles, child: &RlpNode) -> Vec<u8> {
    encode(&ExtensionNodeRef::new(key, child.as_slice()))
}

/// RLP of a branch over its children's references, in order of their nibbles.
pub(super) fn encode_branch(children: Vec<(u8, RlpNode)>) -> Vec<u8> {
    let mut mask = TrieMask::default();
    let mut stack = Vec::with_capacity(children.len());
    for (nibble, reference) in children {
        mask.set_bit(nibble);
        stack.push(reference);
    }
    encode(&BranchNode::new(stack, mask))
}

fn encode(node: &impl Encodable) -> Vec<u8> {
    let mut rlp = Vec::with_capacity(node.length());
    node.encode(&mut rlp);
    rlp
}
