//! The working state of a run of transactions: what they changed, over a state that is only read.
//!
//! It keeps new values as [`StateChanges`] directly, so that nothing has to be converted when a block ends and an
//! intermediate root can be asked for at any time.

use atoll_primitives::{Account, Address, B256, StateChanges, U256};
use revm::{
    Database, DatabaseCommit, DatabaseRef,
    primitives::{AddressMap, HashMap, KECCAK_EMPTY},
    state::{Account as EvmAccount, AccountInfo, Bytecode},
};
use std::collections::hash_map::Entry;

/// Reads from `base`, keeps changes.
pub struct Overlay<DB> {
    base: DB,
    changes: StateChanges,
    /// Base values read so far; bounded by the gas of the block or call that reads them.
    accounts: AddressMap<Option<Account>>,
    slots: AddressMap<HashMap<U256, U256>>,
    codes: HashMap<B256, Bytecode>,
    /// Block hashes that a call overrides.
    block_hashes: HashMap<u64, B256>,
}

impl<DB> std::fmt::Debug for Overlay<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").field("changed_accounts", &self.changes.accounts.len()).finish_non_exhaustive()
    }
}

fn info(account: Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        code: (!account.has_code()).then(Bytecode::default),
        ..AccountInfo::default()
    }
}

fn account(info: &AccountInfo) -> Account {
    // Some databases write zero for "no code".
    let code_hash = if info.code_hash.is_zero() { KECCAK_EMPTY } else { info.code_hash };
    Account { nonce: info.nonce, balance: info.balance, code_hash }
}

impl<DB: DatabaseRef> Overlay<DB> {
    /// No changes yet.
    pub fn new(base: DB) -> Self {
        Self {
            base,
            changes: StateChanges::default(),
            accounts: AddressMap::default(),
            slots: AddressMap::default(),
            codes: HashMap::default(),
            block_hashes: HashMap::default(),
        }
    }

    /// Starts with these changes made.
    pub(crate) fn with_changes(base: DB, changes: &StateChanges) -> Self {
        let codes = changes.code.iter().map(|(hash, code)| (*hash, Bytecode::new_raw(code.clone()))).collect();
        Self { changes: changes.clone(), codes, ..Self::new(base) }
    }

    /// Takes over accounts of the base that were read ahead.
    pub(crate) fn know(&mut self, ahead: AddressMap<Option<Account>>) {
        // Most of those will change.
        self.changes.accounts.reserve(ahead.len());
        let read = std::mem::replace(&mut self.accounts, ahead);
        self.accounts.extend(read);
    }

    /// What changed so far. Values may equal the base's where something was changed and changed back.
    pub fn changes(&self) -> &StateChanges {
        &self.changes
    }

    /// What changed, without the values that ended up as they were.
    pub fn into_changes(self) -> StateChanges {
        let Self { mut changes, accounts, slots, .. } = self;
        changes.accounts.retain(|address, new| accounts.get(address) != Some(new));
        changes.storage.retain(|address, change| {
            if !change.wiped
                && let Some(base) = slots.get(address)
            {
                change.slots.retain(|slot, value| base.get(slot) != Some(value));
            }
            change.wiped || !change.slots.is_empty()
        });
        changes
    }

    fn base_account(&mut self, address: Address) -> Result<Option<Account>, DB::Error> {
        match self.accounts.entry(address) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                let loaded = self.base.basic_ref(address)?;
                if let Some(AccountInfo { code: Some(code), code_hash, .. }) = &loaded
                    && !code.is_empty()
                {
                    self.codes.entry(*code_hash).or_insert_with(|| code.clone());
                }
                Ok(*entry.insert(loaded.as_ref().map(account)))
            }
        }
    }

    /// The account as it stands now; `None` when it does not exist.
    pub fn account(&mut self, address: Address) -> Result<Option<Account>, DB::Error> {
        match self.changes.account(&address) {
            Some(account) => Ok(account),
            None => self.base_account(address),
        }
    }

    /// Sets or removes an account; a removed one loses its storage.
    pub fn set_account(&mut self, address: Address, new: Option<Account>) -> Result<(), DB::Error> {
        let base = self.base_account(address)?;
        if new.is_none() {
            self.wipe(address, base);
        }
        if new == base && new.is_none() {
            self.changes.accounts.remove(&address);
        } else {
            self.changes.accounts.insert(address, new);
        }
        Ok(())
    }

    /// Forgets all slots. An account that the base does not have owns none there.
    fn wipe(&mut self, address: Address, base: Option<Account>) {
        if base.is_some() {
            let change = self.changes.storage.entry(address).or_default();
            change.wiped = true;
            change.slots.clear();
        } else {
            self.changes.storage.remove(&address);
        }
    }

    /// Replaces all storage of an account.
    pub(crate) fn replace_storage(&mut self, address: Address, slots: impl IntoIterator<Item = (U256, U256)>) {
        let change = self.changes.storage.entry(address).or_default();
        change.wiped = true;
        change.slots = slots.into_iter().collect();
    }

    /// Sets single slots of an account.
    pub(crate) fn set_slots(&mut self, address: Address, slots: impl IntoIterator<Item = (U256, U256)>) {
        self.changes.storage.entry(address).or_default().slots.extend(slots);
    }

    /// Makes code known by its hash.
    pub(crate) fn set_code(&mut self, hash: B256, code: Bytecode) {
        self.changes.code.insert(hash, code.original_bytes());
        self.codes.insert(hash, code);
    }

    /// Answers `BLOCKHASH` for these numbers.
    pub(crate) fn set_block_hashes(&mut self, hashes: impl IntoIterator<Item = (u64, B256)>) {
        self.block_hashes.extend(hashes);
    }

    /// Adds to a balance outside a transaction (rewards, withdrawals).
    ///
    /// Adding nothing still touches the account: since EIP-158 (`clear_empty`) an empty one is then removed, before
    /// it one that does not exist is created.
    pub(crate) fn credit(&mut self, address: Address, amount: U256, clear_empty: bool) -> Result<(), DB::Error> {
        let before = self.account(address)?;
        let mut after = before.unwrap_or_default();
        after.balance = after.balance.saturating_add(amount);
        let after = (!(clear_empty && after.is_empty())).then_some(after);
        if after != before { self.set_account(address, after) } else { Ok(()) }
    }

    /// Takes a whole balance (the DAO fork); an account that is not there stays away.
    pub(crate) fn drain(&mut self, address: Address) -> Result<U256, DB::Error> {
        let Some(mut account) = self.account(address)? else { return Ok(U256::ZERO) };
        let balance = std::mem::take(&mut account.balance);
        self.set_account(address, Some(account))?;
        Ok(balance)
    }

    fn commit_account(&mut self, address: Address, evm: EvmAccount) {
        // Whatever the EVM touched, it has read through this overlay, which remembers the base's value.
        let base = self.accounts.get(&address).copied().flatten();
        let current = self.changes.account(&address).unwrap_or(base);
        let (destroyed, created) = (evm.is_selfdestructed(), evm.is_created());
        // An empty account that is touched goes (EIP-161). For older forks revm does not report it as touched.
        if destroyed || (!created && evm.info.is_empty()) {
            if current.is_some() {
                self.wipe(address, base);
                if base.is_none() {
                    self.changes.accounts.remove(&address);
                } else {
                    self.changes.accounts.insert(address, None);
                }
            }
            return;
        }
        if created {
            self.wipe(address, base);
        }
        let new = account(&evm.info);
        if current != Some(new) {
            if new.has_code()
                && current.is_none_or(|before| before.code_hash != new.code_hash)
                && let Some(code) = evm.info.code
            {
                self.set_code(new.code_hash, code);
            }
            self.changes.accounts.insert(address, Some(new));
        }
        let mut changed = evm.storage.into_iter().filter(|(_, slot)| slot.is_changed()).peekable();
        if changed.peek().is_some() {
            let slots = &mut self.changes.storage.entry(address).or_default().slots;
            slots.extend(changed.map(|(slot, value)| (slot, value.present_value)));
        }
    }
}

impl<DB: DatabaseRef> Database for Overlay<DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.account(address)?.map(info))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        let code = self.base.code_by_hash_ref(code_hash)?;
        self.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        if let Some(value) = self.changes.slot(&address, &slot) {
            return Ok(value);
        }
        if self.base_account(address)?.is_none() {
            return Ok(U256::ZERO);
        }
        match self.slots.entry(address).or_default().entry(slot) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => Ok(*entry.insert(self.base.storage_ref(address, slot)?)),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.block_hash_ref(number)
    }
}

impl<DB: DatabaseRef> DatabaseRef for Overlay<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        match self.changes.account(&address) {
            Some(account) => Ok(account.map(info)),
            None => self.base.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.codes.get(&code_hash).map_or_else(|| self.base.code_by_hash_ref(code_hash), |code| Ok(code.clone()))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.changes.slot(&address, &slot).map_or_else(|| self.base.storage_ref(address, slot), Ok)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.block_hashes.get(&number).map_or_else(|| self.base.block_hash_ref(number), |hash| Ok(*hash))
    }
}

impl<DB: DatabaseRef> DatabaseCommit for Overlay<DB> {
    fn commit(&mut self, changes: AddressMap<EvmAccount>) {
        for (address, account) in changes {
            if account.is_touched() {
                self.commit_account(address, account);
            }
        }
    }
}
