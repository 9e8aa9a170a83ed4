//! The segments by themselves: checksums, and every block against its own header. It must not know tables.

use super::{Opened, report::Notes};
use crate::{
    StorageError,
    segment::{KIND_BLOCK, Walked, decode_block, decode_receipts, walk},
    tables,
};
use atoll_primitives::{B256, Receipt, RecoveredBlock, consensus::proofs, receipts_root, transactions_root};

pub(crate) const PART: &str = "segments";

/// Reads every record.
pub(super) fn check(opened: &Opened, notes: &mut Notes<'_>) -> Result<(), StorageError> {
    notes.begin(PART, None);
    walk(opened.reader.dir(), &mut |walked| {
        notes.step(1);
        match walked {
            Walked::Damage { position, bytes } => {
                let (segment, offset) = (position.segment, position.offset);
                notes.fault(
                    PART,
                    format!("segment {segment} holds no sound record at {offset}: {bytes} bytes to its end"),
                );
            }
            Walked::Missing { segment } => notes.fault(PART, format!("segment {segment} is missing")),
            Walked::Record(record) if record.kind == KIND_BLOCK => {
                if let Some((block, receipts)) = notes.sound(PART, decode(&record.payload)) {
                    check_block(&block, &receipts, notes);
                }
            }
            Walked::Record(_) => {}
        }
        Ok(())
    })
}

pub(super) fn decode(payload: &[u8]) -> Result<(RecoveredBlock, Vec<Receipt>), StorageError> {
    Ok((decode_block(payload)?, decode_receipts(payload)?))
}

/// The roots a header names, computed anew from the body and the receipts.
fn check_block(block: &RecoveredBlock, receipts: &[Receipt], notes: &mut Notes<'_>) {
    let (header, body) = (block.header(), &block.block.body);
    let (number, hash) = (header.number, block.hash);
    let withdrawals = body.withdrawals.as_deref().map(|list| proofs::calculate_withdrawals_root(list));
    let roots: [(&str, Option<B256>, Option<B256>); 4] = [
        ("transactions root", Some(header.transactions_root), Some(transactions_root(&body.transactions))),
        ("receipts root", Some(header.receipts_root), Some(receipts_root(receipts))),
        ("ommers hash", Some(header.ommers_hash), Some(proofs::calculate_ommers_root(&body.ommers))),
        ("withdrawals root", header.withdrawals_root, withdrawals),
    ];
    for (name, stated, computed) in roots {
        if stated != computed {
            notes.fault(PART, format!("block {number} ({hash}): its {name} is not that of what is stored"));
        }
    }
    if receipts.len() != body.transactions.len() {
        let (receipts, txs) = (receipts.len(), body.transactions.len());
        notes.fault(PART, format!("block {number} ({hash}): {receipts} receipts for {txs} transactions"));
    }
}

/// A header by its hash is what a row in the tables must name too.
pub(super) fn hash_of(row: &[u8]) -> Result<B256, StorageError> {
    tables::decode_hash(row)
}
