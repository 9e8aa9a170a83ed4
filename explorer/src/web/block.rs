//! The page of one block.

use super::{
    AppState, PAGE,
    failure::Failure,
    format, input,
    parts::{AddressLink, BlockRow, Hash, Layout, TransactionRow},
};
use crate::{
    error::IndexError,
    index::{Index, Placed},
    model::Block,
};
use alloy_primitives::{B256, U256};
use askama::Template;
use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "block.html")]
struct BlockPage {
    layout: Layout,
    row: BlockRow,
    confirmations: String,
    previous: Option<u64>,
    next: Option<u64>,
    hash: Hash,
    parent: Hash,
    miner: AddressLink,
    date: String,
    facts: Vec<(&'static str, String)>,
    roots: Vec<(&'static str, String)>,
    extra: String,
    extra_text: Option<String>,
    uncles: Vec<String>,
    withdrawals: Vec<(u64, AddressLink, String)>,
    transactions: Vec<TransactionRow>,
    earlier: Option<u32>,
    later: Option<u32>,
}

/// Which transactions of the block.
#[derive(Deserialize)]
pub struct Part {
    /// Position of the first.
    #[serde(default)]
    from: u32,
}

/// A block's number or hash, as typed.
pub fn find(index: &Index, id: &str) -> Result<Option<Block>, IndexError> {
    let number = match (id.parse::<u64>(), id.parse::<B256>()) {
        (Ok(number), _) => Some(number),
        (_, Ok(hash)) => index.number(&hash)?,
        _ => None,
    };
    number.map_or(Ok(None), |number| index.block(number))
}

/// `GET /block/{id}`
pub async fn page(
    State(app): State<AppState>,
    Path(id): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Response {
    let from = part.map_or(0, |Query(part)| part.from);
    let page = build(&app, id, from).await;
    app.answer(page)
}

async fn build(app: &AppState, id: String, from: u32) -> Result<BlockPage, Failure> {
    let sought = id.clone();
    let found = app.read(move |index| {
        let Some(block) = find(index, &id)? else { return Ok(None) };
        let transactions = index.block_transactions(&block, from, PAGE)?;
        Ok(Some((block, transactions)))
    });
    let Some((block, transactions)) = found.await? else {
        return Err(Failure::NotFound { what: "block", sought });
    };
    Ok(BlockPage::new(app, &block, &transactions, from))
}

impl BlockPage {
    fn new(app: &AppState, block: &Block, transactions: &[Placed], from: u32) -> Self {
        let head = app.live.status().indexed.map_or(block.number, |state| state.head.number);
        let row = BlockRow::new(block);
        let page = u32::try_from(PAGE).unwrap_or(u32::MAX);
        let withdrawal = |withdrawal: &crate::model::Withdrawal| {
            let wei = U256::from(withdrawal.amount).saturating_mul(U256::from(1_000_000_000));
            (withdrawal.index, AddressLink::new(withdrawal.address), format::ether(wei))
        };
        Self {
            layout: Layout::new(app, &format!("Block {}", row.height), "blocks"),
            confirmations: format::grouped(head.saturating_sub(block.number)),
            previous: block.number.checked_sub(1),
            next: block.number.checked_add(1).filter(|next| *next <= head),
            hash: Hash::block(block.hash).in_full(),
            parent: Hash::block(block.parent_hash).in_full(),
            miner: AddressLink::new(block.miner).in_full(),
            date: row.time.date(),
            facts: facts(block),
            roots: roots(block),
            extra: block.extra_data.to_string(),
            extra_text: input::readable(&block.extra_data),
            uncles: block.uncles.iter().map(ToString::to_string).collect(),
            withdrawals: block.withdrawals.iter().map(withdrawal).collect(),
            transactions: transactions.iter().map(TransactionRow::new).collect(),
            earlier: (from > 0).then(|| from.saturating_sub(page)),
            later: from.checked_add(page).filter(|later| *later < block.transaction_count),
            row,
        }
    }
}

fn facts(block: &Block) -> Vec<(&'static str, String)> {
    let mut facts =
        vec![("Gas limit", format::grouped(block.gas_limit)), ("Difficulty", format::grouped(block.difficulty))];
    facts.extend(block.total_difficulty.map(|total| ("Total difficulty", format::grouped(total))));
    facts.extend(block.base_fee_per_gas.map(|fee| ("Base fee", format::gwei(U256::from(fee)))));
    facts.extend(block.size.map(|size| ("Size", format!("{} bytes", format::grouped(size)))));
    facts.extend(block.blob_gas_used.map(|gas| ("Blob gas used", format::grouped(gas))));
    facts.extend(block.excess_blob_gas.map(|gas| ("Excess blob gas", format::grouped(gas))));
    facts
}

fn roots(block: &Block) -> Vec<(&'static str, String)> {
    let mut roots = vec![
        ("Nonce", block.nonce.to_string()),
        ("Mix hash", block.mix_hash.to_string()),
        ("State root", block.state_root.to_string()),
        ("Transactions root", block.transactions_root.to_string()),
        ("Receipts root", block.receipts_root.to_string()),
        ("Uncles hash", block.sha3_uncles.to_string()),
    ];
    let optional = [
        ("Withdrawals root", block.withdrawals_root),
        ("Parent beacon block root", block.parent_beacon_block_root),
        ("Requests hash", block.requests_hash),
    ];
    roots.extend(optional.into_iter().filter_map(|(label, root)| Some((label, root?.to_string()))));
    roots.push(("Logs bloom", block.logs_bloom.to_string()));
    roots
}
