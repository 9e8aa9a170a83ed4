//! A state in memory, for tests that bring accounts and no chain, and its root from scratch.

use crate::{
    Reason,
    json::{self, Fields},
};
use atoll_primitives::{
    Account, Address, B256, Bytes, StateChanges, U256, keccak256, primitives::map::HashMap, storage_root,
};
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use serde_json::Value;
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
}

impl MemoryState {
    /// The accounts of a test's `pre`.
    ///
    /// # Errors
    /// It is not such an object.
    pub fn read(pre: &Value) -> Result<Self, Reason> {
        let mut state = Self::default();
        for (address, fields) in pre.as_object().ok_or("`pre` is no object")? {
            let code = fields.bytes("code")?;
            let code_hash = keccak256(&code);
            state.code.insert(code_hash, code);
            let account = Account { nonce: fields.small("nonce")?, balance: fields.number("balance")?, code_hash };
            let mut slots = BTreeMap::new();
            for (slot, value) in fields.object("storage")? {
                let word = json::word(slot)?;
                slots.insert(json::number(&word)?, json::number(value)?);
            }
            slots.retain(|_, value| !value.is_zero());
            let address = address.parse().map_err(|error| format!("address {address}: {error}"))?;
            state.accounts.insert(address, Entry { account, slots });
        }
        Ok(state)
    }

    /// Puts changes on top.
    ///
    /// # Errors
    /// They write to the storage of an account that does not exist.
    pub fn apply(&mut self, changes: StateChanges) -> Result<(), Reason> {
        self.code.extend(changes.code);
        for (address, account) in changes.accounts {
            match account {
                Some(account) => self.accounts.entry(address).or_default().account = account,
                None => drop(self.accounts.remove(&address)),
            }
        }
        for (address, change) in changes.storage {
            let Some(entry) = self.accounts.get_mut(&address) else {
                if change.slots.is_empty() {
                    continue;
                }
                return Err(format!("storage was written for {address}, which does not exist"));
            };
            if change.wiped {
                entry.slots.clear();
            }
            entry.slots.extend(change.slots);
            entry.slots.retain(|_, value| !value.is_zero());
        }
        Ok(())
    }

    /// The state root, computed over everything.
    #[allow(clippy::needless_update, reason = "with some features of alloy-trie an account has one field more")]
    pub fn root(&self) -> B256 {
        alloy_trie::root::state_root_unhashed(self.accounts.iter().map(|(address, entry)| {
            let Account { nonce, balance, code_hash } = entry.account;
            let storage_root = storage_root(entry.slots.clone());
            (*address, alloy_trie::TrieAccount { nonce, balance, storage_root, code_hash, ..Default::default() })
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
        Ok(Bytecode::new_raw(self.code.get(&code_hash).cloned().unwrap_or_default()))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.accounts.get(&address).and_then(|entry| entry.slots.get(&slot).copied()).unwrap_or_default())
    }

    /// State tests have no chain: the hash of block n is that of its decimal number (geth, `vmTestBlockHash`).
    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(keccak256(number.to_string()))
    }
}
