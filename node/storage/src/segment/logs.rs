//! Walking the logs of a block's record in place: nothing is decoded that nobody asks for. It must not know who wants
//! which log.

use super::record::open_list;
use crate::StorageError;
use alloy_rlp::{Decodable, Header as RlpHeader};
use atoll_primitives::{Address, B256, TxHash, keccak256};

/// Places of the number and the timestamp among the fields of a header (yellow paper, section 4.4).
const NUMBER_FIELD: usize = 8;
const TIMESTAMP_FIELD: usize = 11;

/// A log as it stands in the record.
pub(crate) struct SeenLog<'a, 'b> {
    pub address: Address,
    pub topics: &'b [B256],
    pub data: &'a [u8],
    pub transaction: &'b mut Transactions<'a>,
    pub transaction_index: u32,
    pub log_index: u32,
}

/// The block's transactions as bytes, walked forwards.
pub(crate) struct Transactions<'a> {
    left: &'a [u8],
    /// Index of the first one left.
    next: u32,
    wanted: u32,
    /// Hash of the one before.
    hash: Option<TxHash>,
}

impl Transactions<'_> {
    /// Hash of the transaction that the log comes from.
    pub fn hash(&mut self) -> Result<TxHash, StorageError> {
        self.advance().map_err(damaged)
    }

    fn advance(&mut self) -> alloy_rlp::Result<TxHash> {
        while self.next <= self.wanted {
            let (whole, payload, list) = item(&mut self.left)?;
            if self.next == self.wanted {
                // A legacy transaction is hashed as the list it is, a typed one as the bytes in the string (EIP-2718).
                self.hash = Some(keccak256(if list { whole } else { payload }));
            }
            self.next += 1;
        }
        self.hash.ok_or(alloy_rlp::Error::InputTooShort)
    }
}

/// Takes the next item off: all of it, its payload, whether it is a list.
fn item<'a>(bytes: &mut &'a [u8]) -> alloy_rlp::Result<(&'a [u8], &'a [u8], bool)> {
    let start = *bytes;
    let RlpHeader { list, payload_length } = RlpHeader::decode(bytes)?;
    // `RlpHeader::decode` has checked that the payload is there.
    let (payload, rest) = bytes.split_at_checked(payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
    *bytes = rest;
    Ok((&start[..start.len() - rest.len()], payload, list))
}

fn damaged(err: alloy_rlp::Error) -> StorageError {
    StorageError::corrupt(format!("logs of a block record: {err}"))
}

/// Visits all logs in order; returns the block's number and timestamp.
pub(crate) fn visit_logs<'a>(
    payload: &'a [u8],
    mut visit: impl FnMut(SeenLog<'a, '_>) -> Result<(), StorageError>,
) -> Result<(u64, u64), StorageError> {
    let Parts { number, timestamp, transactions, mut receipts } = parts(payload).map_err(damaged)?;
    let mut transactions = Transactions { left: transactions, next: 0, wanted: 0, hash: None };
    let (mut transaction_index, mut log_index) = (0, 0);
    let mut topics = Vec::with_capacity(4);
    while !receipts.is_empty() {
        let mut logs = logs_of(&mut receipts).map_err(damaged)?;
        transactions.wanted = transaction_index;
        while !logs.is_empty() {
            let (address, data) = log(&mut logs, &mut topics).map_err(damaged)?;
            let transaction = &mut transactions;
            visit(SeenLog { address, topics: &topics, data, transaction, transaction_index, log_index })?;
            log_index += 1;
        }
        transaction_index += 1;
    }
    Ok((number, timestamp))
}

/// What of a record matters here.
struct Parts<'a> {
    number: u64,
    timestamp: u64,
    transactions: &'a [u8],
    receipts: &'a [u8],
}

fn parts(payload: &[u8]) -> alloy_rlp::Result<Parts<'_>> {
    let mut record = open_list(&mut &*payload)?;
    let mut block = open_list(&mut record)?;
    let mut header = open_list(&mut block)?;
    let (mut number, mut timestamp) = (0, 0);
    for field in 0..=TIMESTAMP_FIELD {
        match field {
            NUMBER_FIELD => number = u64::decode(&mut header)?,
            TIMESTAMP_FIELD => timestamp = u64::decode(&mut header)?,
            _ => drop(item(&mut header)?),
        }
    }
    let transactions = open_list(&mut block)?;
    for _ in ["senders", "total difficulty"] {
        item(&mut record)?;
    }
    Ok(Parts { number, timestamp, transactions, receipts: open_list(&mut record)? })
}

/// The logs of the next receipt.
fn logs_of<'a>(receipts: &mut &'a [u8]) -> alloy_rlp::Result<&'a [u8]> {
    let mut receipt = open_list(receipts)?;
    for _ in ["type", "status", "gas"] {
        item(&mut receipt)?;
    }
    open_list(&mut receipt)
}

/// The next log: its address and data; its topics replace those in `topics`.
fn log<'a>(logs: &mut &'a [u8], topics: &mut Vec<B256>) -> alloy_rlp::Result<(Address, &'a [u8])> {
    let mut log = open_list(logs)?;
    let address = Address::decode(&mut log)?;
    let mut list = open_list(&mut log)?;
    topics.clear();
    while !list.is_empty() {
        topics.push(B256::decode(&mut list)?);
    }
    Ok((address, RlpHeader::decode_bytes(&mut log, false)?))
}
