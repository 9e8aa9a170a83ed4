//! The tables: their names, keys and values as bytes. It must not know layers, tries or segments.

use crate::{StorageError, statelog::NodePos};
use atoll_kv::Table;
use atoll_primitives::{B256, U256};

/// Layout version; counts up when keys or values change their form.
pub(crate) const SCHEMA: u64 = 4;

/// Code hash → code; never deleted.
pub(crate) const CODE: Table = Table("code");
/// Number of a canonical block → where in the state log the root of its state stands (8 bytes); zero for a state without
/// accounts. A block's nodes stand behind the root of the block before.
pub(crate) const STATE_ROOTS: Table = Table("state_roots");
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
/// Run ‖ beginning of a transaction's hash ‖ place → canonical transactions; see `runs`.
pub(crate) const TX_INDEX: Table = Table("tx_index");
/// Run → what it covers.
pub(crate) const TX_RUNS: Table = Table("tx_runs");
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
pub(crate) const ALL: [Table; 14] = [
    CODE,
    STATE_ROOTS,
    HEADERS,
    NUMBERS,
    CANONICAL,
    TOTAL_DIFFICULTY,
    LOCATIONS,
    TX_INDEX,
    TX_RUNS,
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
        HEADERS | NUMBERS | CANONICAL | TOTAL_DIFFICULTY | LOCATIONS => Origin::Segments,
        TX_INDEX | TX_RUNS | LOG_INDEX | LOG_RUNS => Origin::Segments,
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
/// In [`META`]: where the state log ends.
pub(crate) const META_STATE: &[u8] = b"state";
/// In [`META`]: how far the state's nodes are moved out of old files.
pub(crate) const META_SWEEP: &[u8] = b"sweep";
/// In [`META`]: hash of the head that an unwind left, until the chain that follows it is persisted.
pub(crate) const META_LEFT_HEAD: &[u8] = b"left_head";

/// Value in [`STATE_ROOTS`].
pub(crate) fn state_root_row(root: Option<NodePos>) -> [u8; 8] {
    root.map_or(0, |root| root.0).to_be_bytes()
}

pub(crate) fn decode_state_root(row: &[u8]) -> Result<Option<NodePos>, StorageError> {
    Ok(Some(decode_u64(row)?).filter(|root| *root != 0).map(NodePos))
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
