//! Blocks, senders, total difficulty and receipts as the payload of a record. It must not know files.
//!
//! The payload is an RLP list of the block (as on the wire), the senders (20 bytes each, one string), the total
//! difficulty, and the receipts as lists of type, status, cumulative gas and logs: a bloom is 256 bytes that the
//! logs tell anyway.

use crate::StorageError;
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader};
use atoll_primitives::{
    Address, Block, Log, Receipt, RecoveredBlock, U256,
    consensus::{Eip658Value, Receipt as PlainReceipt, ReceiptWithBloom, TxReceipt, TxType},
};

/// A block with its receipts.
pub(crate) const KIND_BLOCK: u8 = 1;
/// The hash of the block that became the head.
pub(crate) const KIND_HEAD: u8 = 2;

pub(crate) fn encode_block(block: &RecoveredBlock, total_difficulty: &U256, receipts: &[Receipt]) -> Vec<u8> {
    let senders: Vec<u8> = block.senders.iter().flat_map(|sender| sender.0.0).collect();
    let mut rows = Vec::new();
    receipts.iter().for_each(|receipt| encode_receipt(receipt, &mut rows));
    let rows_header = RlpHeader { list: true, payload_length: rows.len() };
    let payload_length = block.block.length()
        + senders.as_slice().length()
        + total_difficulty.length()
        + rows_header.length()
        + rows.len();
    let mut out = Vec::with_capacity(payload_length + 9);
    RlpHeader { list: true, payload_length }.encode(&mut out);
    block.block.encode(&mut out);
    senders.as_slice().encode(&mut out);
    total_difficulty.encode(&mut out);
    rows_header.encode(&mut out);
    out.extend_from_slice(&rows);
    out
}

pub(crate) fn decode_block(payload: &[u8]) -> Result<RecoveredBlock, StorageError> {
    let decode = || -> alloy_rlp::Result<RecoveredBlock> {
        let mut bytes = open_list(&mut &*payload)?;
        let block = Block::decode(&mut bytes)?;
        let senders = RlpHeader::decode_bytes(&mut bytes, false)?;
        if senders.len() != block.body.transactions.len() * 20 {
            return Err(alloy_rlp::Error::Custom("as many senders as transactions are needed"));
        }
        let senders = senders.chunks_exact(20).map(Address::from_slice).collect();
        let hash = block.header.hash_slow();
        Ok(RecoveredBlock { hash, block, senders })
    };
    decode().map_err(|err| StorageError::corrupt(format!("block record: {err}")))
}

pub(crate) fn decode_receipts(payload: &[u8]) -> Result<Vec<Receipt>, StorageError> {
    let decode = || -> alloy_rlp::Result<Vec<Receipt>> {
        let mut bytes = open_list(&mut &*payload)?;
        for _ in ["block", "senders", "total difficulty"] {
            let item = RlpHeader::decode(&mut bytes)?;
            bytes = &bytes[item.payload_length..];
        }
        let mut rows = open_list(&mut bytes)?;
        let mut receipts = Vec::new();
        while !rows.is_empty() {
            receipts.push(decode_receipt(&mut rows)?);
        }
        Ok(receipts)
    };
    decode().map_err(|err| StorageError::corrupt(format!("receipts of a block record: {err}")))
}

/// Enters a list: its payload. `RlpHeader::decode` has checked that the bytes are there.
pub(super) fn open_list<'a>(bytes: &mut &'a [u8]) -> alloy_rlp::Result<&'a [u8]> {
    RlpHeader::decode_bytes(bytes, true)
}

fn encode_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    let kind = receipt.tx_type() as u8;
    let status = receipt.status_or_post_state();
    let gas = receipt.cumulative_gas_used();
    let logs = receipt.logs();
    let logs_length = alloy_rlp::list_length(logs);
    let payload_length = kind.length() + status.length() + gas.length() + logs_length;
    RlpHeader { list: true, payload_length }.encode(out);
    kind.encode(out);
    status.encode(out);
    gas.encode(out);
    alloy_rlp::encode_list(logs, out);
}

fn decode_receipt(bytes: &mut &[u8]) -> alloy_rlp::Result<Receipt> {
    let mut row = open_list(bytes)?;
    let kind = u8::decode(&mut row)?;
    let status = Eip658Value::decode(&mut row)?;
    let cumulative_gas_used = u64::decode(&mut row)?;
    let logs = Vec::<Log>::decode(&mut row)?;
    let receipt: ReceiptWithBloom<PlainReceipt> = PlainReceipt { status, cumulative_gas_used, logs }.into();
    Ok(match TxType::try_from(kind).map_err(|_| alloy_rlp::Error::Custom("unknown transaction type"))? {
        TxType::Legacy => Receipt::Legacy(receipt),
        TxType::Eip2930 => Receipt::Eip2930(receipt),
        TxType::Eip1559 => Receipt::Eip1559(receipt),
        TxType::Eip4844 => Receipt::Eip4844(receipt),
        TxType::Eip7702 => Receipt::Eip7702(receipt),
    })
}
