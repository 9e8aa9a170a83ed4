//! Merkle proofs of accounts and slots, of absence too (EIP-1186).

use super::{Source, StateTrie, hashed_path, node::Entry, node::Link, node::Node, path_of};
use crate::{StorageError, base::decode_account};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use atoll_primitives::{Account, Address, B256, Bytes, U256, keccak256};

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

/// Proves an account and some of its slots in a state.
pub(crate) fn prove(
    source: &dyn Source,
    trie: &StateTrie,
    address: &Address,
    slots: &[U256],
) -> Result<AccountProof, StorageError> {
    let hash = keccak256(address);
    let (account_proof, leaf) = walk(source, None, trie.root(), &path_of(&hash))?;
    let corrupt = |err| StorageError::corrupt(format!("leaf of {address}: {err}"));
    let account = leaf.as_ref().map(|leaf| decode_account(&leaf.value)).transpose()?;
    let storage = leaf.and_then(|leaf| leaf.storage);
    let prove_slot = |slot: &U256| {
        let key = hashed_path(&slot.to_be_bytes::<32>());
        let (proof, leaf) = walk(source, Some(&hash), storage.as_deref(), &key)?;
        let value = leaf.map(|leaf| U256::decode(&mut &*leaf.value)).transpose().map_err(corrupt)?;
        Ok(StorageProof { slot: *slot, value: value.unwrap_or_default(), proof })
    };
    let storage = slots.iter().map(prove_slot).collect::<Result<_, StorageError>>()?;
    let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let account = account.map(|TrieAccount { nonce, balance, code_hash, .. }| Account { nonce, balance, code_hash });
    Ok(AccountProof { account, storage_root, account_proof, storage })
}

type Walked = (Vec<Bytes>, Option<Entry>);

/// The nodes on the way to a key, and what it holds. Nodes inside their parents are not listed again.
fn walk(
    source: &dyn Source,
    account: Option<&B256>,
    root: Option<&Link>,
    key: &Nibbles,
) -> Result<Walked, StorageError> {
    let mut nodes = Vec::new();
    let (mut next, mut depth) = (root.cloned(), 0);
    while let Some(link) = next.take() {
        let hash = link.hash();
        let node = match (link.node, hash) {
            (Node::Stored(pos), Some(hash)) => source.load(pos, &hash, account, &key.slice(..depth))?,
            (node, _) => node,
        };
        if let Some(hash) = hash {
            let rlp = node.rlp();
            if keccak256(&rlp) != hash {
                let path = key.slice(..depth);
                return Err(StorageError::corrupt(format!("trie node at {path:?} is not {hash}")));
            }
            nodes.push(rlp.into());
        }
        let rest = key.slice(depth..);
        match &node {
            Node::Stored(_) => {}
            Node::Leaf(leaf) => return Ok((nodes, (leaf.key == rest).then(|| leaf.entry.clone()))),
            Node::Extension(extension) => {
                depth += extension.key.len();
                next = rest.starts_with(&extension.key).then(|| extension.child.clone());
            }
            Node::Branch(branch) => {
                depth += 1;
                next = rest.get(0).and_then(|nibble| branch.child(nibble)).cloned();
            }
        }
    }
    Ok((nodes, None))
}
