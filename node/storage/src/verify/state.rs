//! The flat state against the tries, and the tries against the base's state root.
//!
//! Flat rows are ordered by address, leaves by its hash: they are compared as sets, by a sum over the hashes of
//! their entries, which takes no memory. Only where the sums differ is every entry looked up.

use super::{Opened, report::Notes, rows::Rows, tries};
use crate::{
    StorageError,
    tables::{self, ACCOUNT_TRIE, ACCOUNTS, CODE, SLOTS, STORAGE_TRIE},
    trie::{self, NodeSource},
};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use atoll_kv::Kv;
use atoll_primitives::{Account, Address, B256, Bytes, SealedHeader, U256, keccak256};

/// A sum over entries, the same in whatever order they come.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub entries: u64,
    hashes: U256,
}

impl Sum {
    pub fn add(&mut self, parts: &[&[u8]]) {
        self.entries += 1;
        self.hashes = self.hashes.wrapping_add(keccak256(parts.concat()).into());
    }

    fn account(&mut self, hash: &B256, account: &Account) {
        let (nonce, balance) = (account.nonce.to_be_bytes(), account.balance.to_be_bytes::<32>());
        self.add(&[hash.as_slice(), &nonce, &balance, account.code_hash.as_slice()]);
    }

    fn slot(&mut self, account: &B256, slot: &B256, value: &U256) {
        self.add(&[account.as_slice(), slot.as_slice(), &value.to_be_bytes::<32>()]);
    }
}

/// Whether flat state and tries are sound.
pub(super) fn check(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) -> Result<bool, StorageError> {
    let before = notes.count();
    let tries = sum_tries(opened, base, notes);
    // What hangs on a damaged node is not summed: the difference then says nothing.
    let whole = notes.count() == before;
    check_code(opened, notes);
    let accounts = sum_accounts(opened, notes);
    let slots = sum_slots(opened, notes);
    if whole && accounts != tries.0 {
        differ(ACCOUNTS.0, &accounts, &tries.0, notes);
        name_accounts(opened, base, notes);
    }
    if whole && slots != tries.1 {
        differ(SLOTS.0, &slots, &tries.1, notes);
        name_slots(opened, base, notes);
    }
    Ok(notes.count() == before)
}

fn differ(table: &'static str, flat: &Sum, trie: &Sum, notes: &mut Notes<'_>) {
    notes.fault(table, format!("{} rows are not the {} leaves of the trie", flat.entries, trie.entries));
}

/// Walks the account trie, and with each account its storage trie: both tables are ordered by the account's hash.
fn sum_tries(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) -> (Sum, Sum) {
    let (mut accounts, mut slots) = (Sum::default(), Sum::default());
    notes.begin(ACCOUNT_TRIE.0, None);
    let (mut nodes, mut storage) = (Rows::new(&opened.kv, ACCOUNT_TRIE), Rows::new(&opened.kv, STORAGE_TRIE));
    let mut leaf = |path: &Nibbles, value: &[u8], notes: &mut Notes<'_>| {
        let account = TrieAccount::decode(&mut &*value)
            .map_err(|error| StorageError::corrupt(format!("leaf of an account: {error}")))
            .and_then(|account| Ok((tries::hash_of(path)?, account)));
        let Some((hash, account)) = notes.sound(ACCOUNT_TRIE.0, account) else { return };
        let TrieAccount { nonce, balance, storage_root, code_hash } = account;
        accounts.account(&hash, &Account { nonce, balance, code_hash });
        if storage_root != EMPTY_ROOT_HASH {
            sum_storage(&mut storage, &hash, storage_root, &mut slots, notes);
        }
    };
    tries::walk(&mut nodes, ACCOUNT_TRIE, &[], non_empty(base.state_root), notes, &mut leaf);
    // Behind the last account with storage.
    tries::walk(&mut storage, STORAGE_TRIE, &[], None, notes, &mut |_, _, _| ());
    (accounts, slots)
}

fn non_empty(root: B256) -> Option<B256> {
    (root != EMPTY_ROOT_HASH).then_some(root)
}

fn sum_storage(rows: &mut Rows<'_>, account: &B256, root: B256, slots: &mut Sum, notes: &mut Notes<'_>) {
    let mut leaf = |path: &Nibbles, value: &[u8], notes: &mut Notes<'_>| {
        let value = U256::decode(&mut &*value)
            .map_err(|error| StorageError::corrupt(format!("leaf of a slot: {error}")))
            .and_then(|value| Ok((tries::hash_of(path)?, value)));
        if let Some((slot, value)) = notes.sound(STORAGE_TRIE.0, value) {
            slots.slot(account, &slot, &value);
        }
    };
    tries::walk(rows, STORAGE_TRIE, account.as_slice(), Some(root), notes, &mut leaf);
}

fn check_code(opened: &Opened, notes: &mut Notes<'_>) {
    notes.begin(CODE.0, None);
    let mut rows = Rows::new(&opened.kv, CODE);
    while let Some((key, code)) = rows.next(notes) {
        if keccak256(&code).as_slice() != key {
            notes.fault(CODE.0, format!("the code of {} has another hash", B256::left_padding_from(&key)));
        }
    }
}

fn accounts<'a>(kv: &'a Kv, notes: &mut Notes<'_>) -> Rows<'a> {
    notes.begin(ACCOUNTS.0, None);
    Rows::new(kv, ACCOUNTS)
}

/// The next account's row, decoded; rows that do not decode are faults and passed over.
fn next_account(rows: &mut Rows<'_>, notes: &mut Notes<'_>) -> Option<(Address, Account)> {
    loop {
        let (key, value) = rows.next(notes)?;
        let decoded = tables::decode_account(&value).and_then(|account| {
            let absent = || StorageError::corrupt("an account that is none");
            let address = Address::try_from(key.as_slice()).map_err(|_| StorageError::corrupt("a key of wrong length"));
            Ok((address?, account.ok_or_else(absent)?))
        });
        if let Some(found) = notes.sound(ACCOUNTS.0, decoded) {
            return Some(found);
        }
    }
}

fn sum_accounts(opened: &Opened, notes: &mut Notes<'_>) -> Sum {
    let (mut sum, mut rows) = (Sum::default(), accounts(&opened.kv, notes));
    while let Some((address, account)) = next_account(&mut rows, notes) {
        sum.account(&keccak256(address), &account);
        if account.has_code() {
            let code = notes.read(CODE, opened.kv.get(CODE, account.code_hash.as_slice()));
            if code.is_some_and(|code| code.is_none()) {
                notes.fault(CODE.0, format!("{} is missing, the code of {address}", account.code_hash));
            }
        }
    }
    sum
}

/// The next slot's row, decoded, as for accounts.
fn next_slot(rows: &mut Rows<'_>, notes: &mut Notes<'_>) -> Option<(Address, U256, U256)> {
    loop {
        let (key, value) = rows.next(notes)?;
        let decoded = tables::decode_value(&value).and_then(|value| match key.split_at_checked(20) {
            Some((address, slot)) if slot.len() == 32 && !value.is_zero() => {
                Ok((Address::from_slice(address), U256::from_be_slice(slot), value))
            }
            _ => Err(StorageError::corrupt("a slot with a key of wrong length, or without a value")),
        });
        if let Some(found) = notes.sound(SLOTS.0, decoded) {
            return Some(found);
        }
    }
}

fn sum_slots(opened: &Opened, notes: &mut Notes<'_>) -> Sum {
    notes.begin(SLOTS.0, None);
    let (mut sum, mut rows) = (Sum::default(), Rows::new(&opened.kv, SLOTS));
    let mut account = (Address::ZERO, keccak256(Address::ZERO));
    while let Some((address, slot, value)) = next_slot(&mut rows, notes) {
        if account.0 != address {
            account = (address, keccak256(address));
        }
        sum.slot(&account.1, &keccak256(slot.to_be_bytes::<32>()), &value);
    }
    sum
}

/// The stored nodes, read one by one.
pub(super) struct Nodes<'a>(pub &'a Kv);

impl NodeSource for Nodes<'_> {
    fn account_node(&self, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.get(ACCOUNT_TRIE, &tables::path_key(path))?.map(Bytes::from))
    }

    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        Ok(self.0.get(STORAGE_TRIE, &tables::storage_node_key(account, path))?.map(Bytes::from))
    }
}

/// Looks every account up in its trie and names those that differ.
fn name_accounts(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) {
    let mut rows = accounts(&opened.kv, notes);
    while let Some((address, account)) = next_account(&mut rows, notes) {
        let proof = trie::prove(&Nodes(&opened.kv), base.state_root, &address, &[]);
        let Some(proof) = notes.sound(ACCOUNT_TRIE.0, proof) else { continue };
        if proof.account != Some(account) {
            notes.fault(ACCOUNTS.0, format!("{address} is not what the trie says"));
        }
    }
}

/// The same for slots.
fn name_slots(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) {
    notes.begin(SLOTS.0, None);
    let mut rows = Rows::new(&opened.kv, SLOTS);
    while let Some((address, slot, value)) = next_slot(&mut rows, notes) {
        let proof = trie::prove(&Nodes(&opened.kv), base.state_root, &address, &[slot]);
        let Some(proof) = notes.sound(STORAGE_TRIE.0, proof) else { continue };
        if proof.storage.first().is_none_or(|proof| proof.value != value) {
            notes.fault(SLOTS.0, format!("slot {slot} of {address} is not what the trie says"));
        }
    }
}
