//! A state in memory, and its root from scratch.

use atoll_primitives::{
    Account, Address, B256, Bytes, StateChanges, U256, keccak256, primitives::map::HashMap, storage_root,
};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{collections::BTreeMap, convert::Infallible};

/// An account with its storage.
#[derive(Clone, Default)]
pub struct Entry {
    pub account: Account,
    pub slots: BTreeMap<U256, U256>,
}

/// The accounts of a test.
#[derive(Clone, Default)]
pub struct MemoryState {
    pub accounts: HashMap<Address, Entry>,
    pub code: HashMap<B256, Bytes>,
    /// Hashes of the ancestors; `None` where there is no chain.
    pub hashes: Option<BTreeMap<u64, B256>>,
}

impl MemoryState {
    /// Adds an account.
    pub fn insert(&mut self, address: Address, nonce: u64, balance: U256, code: Bytes, slots: BTreeMap<U256, U256>) {
        let code_hash = keccak256(&code);
        self.code.insert(code_hash, code);
        self.accounts.insert(address, Entry { account: Account { nonce, balance, code_hash }, slots });
    }

    /// Puts changes on top.
    pub fn apply(&mut self, changes: StateChanges) {
        self.code.extend(changes.code);
        for (address, account) in changes.accounts {
            match account {
                Some(account) => self.accounts.entry(address).or_default().account = account,
                None => drop(self.accounts.remove(&address)),
            }
        }
        for (address, change) in changes.storage {
            let Some(entry) = self.accounts.get_mut(&address) else {
                assert!(change.slots.is_empty(), "storage written for {address}, which does not exist");
                continue;
            };
            if change.wiped {
                entry.slots.clear();
            }
            entry.slots.extend(change.slots);
            entry.slots.retain(|_, value| !value.is_zero());
        }
    }

    /// The state root, computed over everything.
    pub fn root(&self) -> B256 {
        alloy_trie::root::state_root_unhashed(self.accounts.iter().map(|(address, entry)| {
            let Account { nonce, balance, code_hash } = entry.account;
            let storage_root = storage_root(entry.slots.clone());
            (*address, alloy_trie::TrieAccount { nonce, balance, storage_root, code_hash })
        }))
    }
}

impl DatabaseRef for MemoryState {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).map(|Entry { account, .. }| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(Bytecode::new_raw(self.code[&code_hash].clone()))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.accounts.get(&address).and_then(|entry| entry.slots.get(&slot).copied()).unwrap_or_default())
    }

    /// State tests have no chain: the hash of block n is that of its decimal number (geth, `vmTestBlockHash`).
    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(match &self.hashes {
            Some(hashes) => hashes.get(&number).copied().unwrap_or_default(),
            None => keccak256(number.to_string()),
        })
    }
}
