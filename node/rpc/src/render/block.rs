//! A block as `eth_getBlockByHash` shows it, and a header as the `newHeads` subscription does.

use super::{Placement, TransactionJson};
use crate::block_id::BlockView;
use alloy_rlp::Encodable as _;
use atoll_primitives::{B256, Block, Header, U256, eips::eip4895::Withdrawals};
use serde::Serialize;

/// A header with its hash.
#[derive(Serialize)]
pub(crate) struct HeaderJson<'a> {
    pub(crate) hash: Option<B256>,
    #[serde(flatten)]
    pub(crate) header: &'a Header,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Transactions<'a> {
    Hashes(Vec<B256>),
    Full(Vec<TransactionJson<'a>>),
}

/// A block. Total difficulty is not shown: execution-apis dropped it, and geth with it.
#[derive(Serialize)]
pub(crate) struct BlockJson<'a> {
    #[serde(flatten)]
    header: HeaderJson<'a>,
    /// Bytes of its RLP.
    size: U256,
    transactions: Transactions<'a>,
    uncles: Vec<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<&'a Withdrawals>,
}

impl<'a> BlockJson<'a> {
    /// With whole transactions, or their hashes.
    pub(crate) fn new(view: &'a BlockView, full: bool) -> Self {
        let (block, hash) = (&view.block.block, (!view.pending).then_some(view.block.hash));
        let transactions = if full {
            let transactions = view.block.transactions().enumerate();
            Transactions::Full(
                transactions
                    .map(|(index, (transaction, from))| {
                        TransactionJson::new(transaction, from, Some(Placement { hash, header: &block.header, index }))
                    })
                    .collect(),
            )
        } else {
            Transactions::Hashes(block.body.transactions.iter().map(|transaction| *transaction.tx_hash()).collect())
        };
        Self {
            header: HeaderJson { hash, header: &block.header },
            size: U256::from(block.length()),
            transactions,
            uncles: block.body.ommers.iter().map(Header::hash_slow).collect(),
            withdrawals: block.body.withdrawals.as_ref(),
        }
    }
}

/// An ommer: a block without transactions.
#[derive(Serialize)]
pub(crate) struct UncleJson<'a> {
    #[serde(flatten)]
    header: HeaderJson<'a>,
    size: U256,
    uncles: [B256; 0],
}

impl<'a> UncleJson<'a> {
    pub(crate) fn new(header: &'a Header) -> Self {
        let block = Block { header: header.clone(), body: Default::default() };
        let header = HeaderJson { hash: Some(header.hash_slow()), header };
        Self { header, size: U256::from(block.length()), uncles: [] }
    }
}
