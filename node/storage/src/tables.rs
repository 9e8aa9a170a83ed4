//! The tables: their names, keys and values as bytes. It must not know layers, tries or segments.

use crate::StorageError;
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::Nibbles;
use atoll_kv::Table;
use atoll_primitives::{Account, Address, B256, U256};

/// Layout version; counts up when keys or values change their form.
pub(crate) const SCHEMA: u64 = 3;

/// Address → account, as of the base.
pub(crate) const ACCOUNTS: Table = Table("accounts");
/// Address ‖ slot → value, as of the base; zero is absent.
pub(crate) const SLOTS: Table = Table("slots");
/// Code hash → code; never deleted.
pub(crate) const CODE: Table = Table("code");
/// Address ‖ the last of some blocks → for each of them that changed the account, what it was before ([`History`]).
pub(crate) const ACCOUNT_HISTORY: Table = Table("account_history");
/// Address ‖ slot ‖ the last of some blocks → for each of them that changed the slot, what it was before.
pub(crate) const SLOT_HISTORY: Table = Table("slot_history");
/// Block → the keys it changed.
pub(crate) const CHANGE_SETS: Table = Table("change_sets");
/// Path → RLP of the account trie's node, as of the base.
pub(crate) const ACCOUNT_TRIE: Table = Table("account_trie");
/// Hash of the address ‖ path → RLP of the storage trie's node, as of the base.
pub(crate) const STORAGE_TRIE: Table = Table("storage_trie");
/// Block hash → RLP of the header.
pub(crate) const HEADERS: Table = Table("headers");
/// Block hash → number.
pub(crate) const NUMBERS: Table = Table("numbers");
/// Number → hash of the canonical block.
pub(crate) const CANONICAL: Table = Table("canonical");
/// Block hash → total difficulty.
pub(crate) const TOTAL_DIFFICULTY: Table = Table("total_difficulty");
/// Block hash → where the block's record stands in the segments.
pub(crate) const LOCATIONS: Table = Table("locations");
/// Transaction hash → number of its canonical block ‖ index.
pub(crate) const TRANSACTIONS: Table = Table("transactions");
/// Run ‖ hash of an address or topic ‖ block → canonical blocks with such logs; see `runs`.
pub(crate) const LOG_INDEX: Table = Table("log_index");
/// Run → what it covers.
pub(crate) const LOG_RUNS: Table = Table("log_runs");
/// Run ‖ hash of an address ‖ place → transactions that involve it; empty unless asked for.
pub(crate) const ADDRESS_INDEX: Table = Table("address_index");
/// Run → what it covers.
pub(crate) const ADDRESS_RUNS: Table = Table("address_runs");
/// The few values below.
pub(crate) const META: Table = Table("meta");

/// All of them.
pub(crate) const ALL: [Table; 19] = [
    ACCOUNTS,
    SLOTS,
    CODE,
    ACCOUNT_HISTORY,
    SLOT_HISTORY,
    CHANGE_SETS,
    ACCOUNT_TRIE,
    STORAGE_TRIE,
    HEADERS,
    NUMBERS,
    CANONICAL,
    TOTAL_DIFFICULTY,
    LOCATIONS,
    TRANSACTIONS,
    LOG_INDEX,
    LOG_RUNS,
    ADDRESS_INDEX,
    ADDRESS_RUNS,
    META,
];

/// The names of all tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|table| table.0)
}

/// What a table can be made again from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The records of the segments alone.
    Segments,
    /// Executing the blocks once more over the states that are there: the index of addresses.
    Replay,
    /// Executing the chain.
    Execution,
}

/// What a table can be made again from; a table not named here is written by the flush of executed blocks.
pub(crate) fn origin(table: Table) -> Origin {
    match table {
        HEADERS | NUMBERS | CANONICAL | TOTAL_DIFFICULTY | LOCATIONS | TRANSACTIONS => Origin::Segments,
        LOG_INDEX | LOG_RUNS => Origin::Segments,
        ADDRESS_INDEX | ADDRESS_RUNS => Origin::Replay,
        _ => Origin::Execution,
    }
}

/// In [`META`]: layout version.
pub(crate) const META_SCHEMA: &[u8] = b"schema";
/// In [`META`]: hash of the genesis block.
pub(crate) const META_GENESIS: &[u8] = b"genesis";
/// In [`META`]: hash of the base block.
pub(crate) const META_BASE: &[u8] = b"base";
/// In [`META`]: where in the segments the first record stands that the tables do not hold.
pub(crate) const META_JOURNAL: &[u8] = b"journal";
/// In [`META`]: number of the oldest block whose state is kept; absent while all are.
pub(crate) const META_PRUNED: &[u8] = b"pruned";
/// In [`META`]: hash of the head that an unwind left, until the chain that follows it is persisted.
pub(crate) const META_LEFT_HEAD: &[u8] = b"left_head";

/// Value in [`TRANSACTIONS`].
pub(crate) fn transaction_row(number: u64, index: u32) -> [u8; 12] {
    let mut row = [0; 12];
    row[..8].copy_from_slice(&number.to_be_bytes());
    row[8..].copy_from_slice(&index.to_be_bytes());
    row
}

pub(crate) fn slot_key(address: &Address, slot: &U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

pub(crate) fn account_history_key(address: &Address, block: u64) -> [u8; 28] {
    let mut key = [0; 28];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&block.to_be_bytes());
    key
}

pub(crate) fn slot_history_key(address: &Address, slot: &U256, block: u64) -> [u8; 60] {
    let mut key = [0; 60];
    key[..52].copy_from_slice(&slot_key(address, slot));
    key[52..].copy_from_slice(&block.to_be_bytes());
    key
}

/// A path as a key: a byte for each nibble, so that keys sort as paths do.
pub(crate) fn path_key(path: &Nibbles) -> Vec<u8> {
    path.to_vec()
}

pub(crate) fn storage_node_key(account: &B256, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(32 + path.len());
    key.extend_from_slice(account.as_slice());
    key.extend(path.iter());
    key
}

/// RLP of nonce, balance, code hash; empty for no account.
pub(crate) fn encode_account(account: Option<&Account>) -> Vec<u8> {
    let Some(account) = account else { return Vec::new() };
    let mut payload = Vec::with_capacity(80);
    account.nonce.encode(&mut payload);
    account.balance.encode(&mut payload);
    if account.has_code() {
        account.code_hash.encode(&mut payload);
    }
    payload
}

pub(crate) fn decode_account(bytes: &[u8]) -> Result<Option<Account>, StorageError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let decode = |mut bytes: &[u8]| {
        let mut account = Account { nonce: u64::decode(&mut bytes)?, ..Account::default() };
        account.balance = U256::decode(&mut bytes)?;
        if !bytes.is_empty() {
            account.code_hash = B256::decode(&mut bytes)?;
        }
        Ok(account)
    };
    decode(bytes).map(Some).map_err(|err: alloy_rlp::Error| StorageError::corrupt(format!("account: {err}")))
}

/// Big-endian without leading zeros; empty for zero.
pub(crate) fn encode_value(value: &U256) -> Vec<u8> {
    value.to_be_bytes_trimmed_vec()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<U256, StorageError> {
    U256::try_from_be_slice(bytes).ok_or_else(|| StorageError::corrupt("a value of more than 32 bytes"))
}

pub(crate) fn decode_hash(bytes: &[u8]) -> Result<B256, StorageError> {
    B256::try_from(bytes).map_err(|_| StorageError::corrupt("a hash that is not 32 bytes long"))
}

pub(crate) fn decode_u64(bytes: &[u8]) -> Result<u64, StorageError> {
    let bytes = bytes.try_into().map_err(|_| StorageError::corrupt("a number that is not 8 bytes long"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Values of one key before each of some blocks, ascending: one row for all the blocks of a flush, because a row costs
/// far more than an entry. Its key names the last of them, so that the first row from a block on has the entry wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct History(Vec<(u64, Vec<u8>)>);

impl History {
    /// Adds the value before `block`, which lies above those there.
    pub fn push(&mut self, block: u64, before: Vec<u8>) {
        self.0.push((block, before));
    }

    /// The last of its blocks.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|(block, _)| *block)
    }

    /// Its blocks.
    pub fn blocks(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|(block, _)| *block)
    }

    /// The value before the first of its blocks from `block` on.
    pub fn at(&self, block: u64) -> Option<&[u8]> {
        let entry = self.0.iter().find(|(number, _)| *number >= block);
        entry.map(|(_, before)| before.as_slice())
    }

    /// Forgets the blocks above `block`.
    pub fn truncate(&mut self, block: u64) {
        self.0.retain(|(number, _)| *number <= block);
    }

    /// RLP of block and value in turn.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|(_, before)| before.len() + 8).sum());
        for (block, before) in &self.0 {
            block.encode(&mut bytes);
            before.as_slice().encode(&mut bytes);
        }
        bytes
    }

    pub fn decode(mut bytes: &[u8]) -> Result<Self, StorageError> {
        let damaged = |err: alloy_rlp::Error| StorageError::corrupt(format!("history: {err}"));
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let block = u64::decode(&mut bytes).map_err(damaged)?;
            let before = alloy_rlp::Header::decode_bytes(&mut bytes, false).map_err(damaged)?;
            entries.push((block, before.to_vec()));
        }
        Ok(Self(entries))
    }
}

/// The keys one block changed: what a deep reorganisation has to put back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeSet {
    pub accounts: Vec<Address>,
    pub slots: Vec<(Address, U256)>,
}

impl ChangeSet {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.accounts.len() * 20 + self.slots.len() * 52);
        bytes.extend_from_slice(&(self.accounts.len() as u64).to_be_bytes());
        for address in &self.accounts {
            bytes.extend_from_slice(address.as_slice());
        }
        for (address, slot) in &self.slots {
            bytes.extend_from_slice(&slot_key(address, slot));
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::corrupt("a change set of the wrong length");
        let (count, rest) = bytes.split_at_checked(8).ok_or_else(damaged)?;
        let count = usize::try_from(decode_u64(count)?).ok().and_then(|count| count.checked_mul(20));
        let (accounts, slots) = count.and_then(|len| rest.split_at_checked(len)).ok_or_else(damaged)?;
        if slots.len() % 52 != 0 {
            return Err(damaged());
        }
        Ok(Self {
            accounts: accounts.chunks_exact(20).map(Address::from_slice).collect(),
            slots: slots
                .chunks_exact(52)
                .map(|key| (Address::from_slice(&key[..20]), U256::from_be_slice(&key[20..])))
                .collect(),
        })
    }
}
