//! The state a genesis file describes, and its root.

use crate::Account;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

/// Every account of the allocation: address, account, code, non-zero storage slots.
pub fn genesis_accounts(
    genesis: &Genesis,
) -> impl Iterator<Item = (Address, Account, Option<&Bytes>, Vec<(U256, U256)>)> {
    genesis.alloc.iter().map(|(address, account)| {
        let code = account.code.as_ref().filter(|code| !code.is_empty());
        let code_hash = code.map_or(KECCAK256_EMPTY, keccak256);
        let value = Account { nonce: account.nonce.unwrap_or_default(), balance: account.balance, code_hash };
        (*address, value, code, slots(account))
    })
}

fn slots(account: &GenesisAccount) -> Vec<(U256, U256)> {
    let storage = account.storage.iter().flatten();
    storage.filter(|(_, value)| !value.is_zero()).map(|(slot, value)| ((*slot).into(), (*value).into())).collect()
}

/// Root of a storage trie over plain slots (yellow paper, appendix D).
pub fn storage_root(slots: impl IntoIterator<Item = (U256, U256)>) -> B256 {
    let entries: Vec<_> = slots.into_iter().map(|(slot, value)| (B256::from(slot), value)).collect();
    if entries.is_empty() { EMPTY_ROOT_HASH } else { alloy_trie::root::storage_root_unhashed(entries) }
}

/// State root of the allocation.
#[allow(clippy::needless_update, reason = "with some features of alloy-trie an account has one field more")]
pub fn genesis_state_root(genesis: &Genesis) -> B256 {
    alloy_trie::root::state_root_unhashed(genesis_accounts(genesis).map(|(address, account, _, slots)| {
        let storage_root = storage_root(slots);
        let Account { nonce, balance, code_hash } = account;
        (address, TrieAccount { nonce, balance, storage_root, code_hash, ..Default::default() })
    }))
}
