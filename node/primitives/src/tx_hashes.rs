//! Hashes of many transactions, side by side. It must not know blocks.

use crate::{Transaction, eip2718::Encodable2718 as _};
use alloy_consensus::Signed;
use alloy_primitives::{B256, Signature};
use atoll_keccak::keccak256_all;

/// From so many transactions on it is worth it: each that is asked for its hash works it out by itself, and keeps it.
const MANY: usize = 8;

/// Works the hashes of transactions out that will be asked for: as [`Transaction::tx_hash`] does, but side by side.
pub fn hash_transactions(transactions: &mut Vec<Transaction>) {
    if transactions.len() < MANY {
        return;
    }
    let (mut encoded, mut ends) = (Vec::new(), Vec::with_capacity(transactions.len()));
    for tx in transactions.iter() {
        tx.encode_2718(&mut encoded);
        ends.push(encoded.len());
    }
    let mut start = 0;
    let hashes = keccak256_all(ends.iter().map(|end| &encoded[std::mem::replace(&mut start, *end)..*end]));
    let unhashed = std::mem::take(transactions).into_iter();
    *transactions = unhashed.zip(hashes).map(|(tx, hash)| hashed(tx, hash)).collect();
}

fn hashed(tx: Transaction, hash: B256) -> Transaction {
    fn signed<T>(tx: Signed<T>, hash: B256) -> Signed<T> {
        let signature: Signature = *tx.signature();
        Signed::new_unchecked(tx.strip_signature(), signature, hash)
    }
    match tx {
        Transaction::Legacy(tx) => Transaction::Legacy(signed(tx, hash)),
        Transaction::Eip2930(tx) => Transaction::Eip2930(signed(tx, hash)),
        Transaction::Eip1559(tx) => Transaction::Eip1559(signed(tx, hash)),
        Transaction::Eip4844(tx) => Transaction::Eip4844(signed(tx, hash)),
        Transaction::Eip7702(tx) => Transaction::Eip7702(signed(tx, hash)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
    use alloy_primitives::{Bytes, U256};

    /// One of each kind, with this much data and chain ID.
    fn transactions(length: usize) -> [Transaction; 5] {
        let signature = Signature::new(U256::from(length + 1), U256::from(7), length % 2 == 1);
        let (input, chain_id) = (Bytes::from(vec![length as u8; length]), length as u64 + 1);
        [
            Signed::new_unhashed(TxLegacy { input: input.clone(), ..Default::default() }, signature).into(),
            Signed::new_unhashed(TxEip2930 { input: input.clone(), chain_id, ..Default::default() }, signature).into(),
            Signed::new_unhashed(TxEip1559 { input: input.clone(), chain_id, ..Default::default() }, signature).into(),
            Signed::new_unhashed(TxEip4844 { input: input.clone(), chain_id, ..Default::default() }, signature).into(),
            Signed::new_unhashed(TxEip7702 { input, chain_id, ..Default::default() }, signature).into(),
        ]
    }

    #[test]
    fn hashes_of_many_are_those_of_each() {
        for count in [0, 1, 7, 8, 9, 300] {
            let mut many: Vec<Transaction> = (0..).flat_map(transactions).take(count).collect();
            let each = many.clone();
            hash_transactions(&mut many);
            assert_eq!(many.len(), count);
            for (tx, same) in many.iter().zip(&each) {
                // Computed again, whatever it keeps.
                assert_eq!(*tx.tx_hash(), crate::keccak256(same.encoded_2718()));
                assert_eq!(tx, same);
            }
        }
    }
}
