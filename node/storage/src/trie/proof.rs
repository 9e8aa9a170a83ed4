//! Merkle proofs of accounts and slots, of absence too (EIP-1186).

use super::{Found, NodeSource, hashed_path, node::Link, node::Node, path_of};
use crate::StorageError;
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use atoll_primitives::{Account, Address, B256, Bytes, U256, keccak256};
use std::sync::Arc;

/// An account with the nodes that prove it, or prove that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account; `None` if the nodes prove its absence.
    pub account: Option<Account>,
    /// Root of its storage trie.
    pub storage_root: B256,
    /// RLP of the nodes from the state root down; empty for the empty state.
    pub account_proof: Vec<Bytes>,
    /// One proof for each slot asked for, in that order.
    pub storage: Vec<StorageProof>,
}

/// A slot with the nodes that prove its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub slot: U256,
    /// Its value; zero if the nodes prove its absence.
    pub value: U256,
    /// RLP of the nodes from the storage root down; empty for empty storage.
    pub proof: Vec<Bytes>,
}

/// Proves an account and some of its slots in the state with root `root`.
pub(crate) fn prove(
    source: &dyn NodeSource,
    root: B256,
    address: &Address,
    slots: &[U256],
) -> Result<AccountProof, StorageError> {
    let hash = keccak256(address);
    let (account_proof, leaf) = walk(root, &path_of(&hash), |path| source.account_node(path))?;
    let corrupt = |err| StorageError::corrupt(format!("leaf of {address}: {err}"));
    let leaf = leaf.map(|rlp| TrieAccount::decode(&mut rlp.as_slice())).transpose().map_err(corrupt)?;
    let storage_root = leaf.map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root);
    let prove_slot = |slot: &U256| {
        let key = hashed_path(&slot.to_be_bytes::<32>());
        let (proof, leaf) = walk(storage_root, &key, |path| source.storage_node(&hash, path))?;
        let value = leaf.map(|rlp| U256::decode(&mut rlp.as_slice())).transpose().map_err(corrupt)?;
        Ok(StorageProof { slot: *slot, value: value.unwrap_or_default(), proof })
    };
    let storage = slots.iter().map(prove_slot).collect::<Result<_, StorageError>>()?;
    let account = leaf.map(|leaf| Account { nonce: leaf.nonce, balance: leaf.balance, code_hash: leaf.code_hash });
    Ok(AccountProof { account, storage_root, account_proof, storage })
}

type Walked = (Vec<Bytes>, Option<Vec<u8>>);

/// The nodes on the way to a key, and its value. Nodes inside their parents are not listed again.
fn walk(
    root: B256,
    key: &Nibbles,
    read: impl Fn(&Nibbles) -> Result<Option<Found>, StorageError>,
) -> Result<Walked, StorageError> {
    let mut nodes = Vec::new();
    if root == EMPTY_ROOT_HASH {
        return Ok((nodes, None));
    }
    let mut path = Nibbles::new();
    let mut link = Link::Stored(root);
    loop {
        let node = match link {
            Link::Stored(hash) => {
                let missing = || StorageError::corrupt(format!("trie node {hash} at {path:?} is missing"));
                let rlp = read(&path)?.ok_or_else(missing)?.rlp();
                if keccak256(&rlp) != hash {
                    return Err(StorageError::corrupt(format!("trie node at {path:?} is not {hash}")));
                }
                nodes.push(rlp.clone());
                Node::decode(&rlp)?
            }
            Link::Loaded { node, .. } => Arc::unwrap_or_clone(node),
        };
        let rest = key.slice(path.len()..);
        link = match node {
            Node::Leaf { key, value } => return Ok((nodes, (key == rest).then_some(value))),
            Node::Extension { key, child } if rest.starts_with(&key) => {
                path.extend(&key);
                child
            }
            Node::Extension { .. } => return Ok((nodes, None)),
            Node::Branch { mut children } => {
                let Some(nibble) = rest.first() else { return Ok((nodes, None)) };
                path.push(nibble);
                let Some(child) = children[usize::from(nibble)].take() else { return Ok((nodes, None)) };
                child
            }
        };
    }
}
