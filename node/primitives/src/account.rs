//! Accounts and the set of changes one block makes to the state.

use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, HashMap},
};
use serde::{Deserialize, Serialize};

/// An account without its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Keccak-256 of the code; [`KECCAK256_EMPTY`] for none.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Whether EIP-161 calls the account empty.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }

    /// Whether the account has code.
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }
}

/// Changes to one account's storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageChanges {
    /// All slots the account had before were erased first (self-destruct); `slots` come on top.
    pub wiped: bool,
    /// New values by slot; zero erases the slot.
    pub slots: HashMap<U256, U256>,
}

/// What a block (or any run of transactions) changes: new values only.
///
/// The executor produces it, storage applies it. An account that appears in `storage` only keeps its fields
/// and gets a new storage root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// New account values; `None` removes the account (its storage entry is then `wiped`, without slots).
    pub accounts: AddressMap<Option<Account>>,
    /// New storage values.
    pub storage: AddressMap<StorageChanges>,
    /// Code deployed, by its hash.
    pub code: B256Map<Bytes>,
}

impl StateChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.storage.is_empty() && self.code.is_empty()
    }

    /// Puts `later` on top of `self`.
    pub fn extend(&mut self, later: Self) {
        self.accounts.extend(later.accounts);
        self.code.extend(later.code);
        for (address, change) in later.storage {
            let entry = self.storage.entry(address).or_default();
            if change.wiped {
                *entry = change;
            } else {
                entry.slots.extend(change.slots);
            }
        }
    }

    /// The new value of an account: `None` unchanged, `Some(None)` removed.
    pub fn account(&self, address: &Address) -> Option<Option<Account>> {
        self.accounts.get(address).copied()
    }

    /// The new value of a slot: `None` unchanged, `Some(0)` erased, also by a wipe.
    pub fn slot(&self, address: &Address, slot: &U256) -> Option<U256> {
        let change = self.storage.get(address)?;
        match change.slots.get(slot) {
            Some(value) => Some(*value),
            None => change.wiped.then_some(U256::ZERO),
        }
    }
}
