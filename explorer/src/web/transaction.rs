//! The page of one transaction, mined or pending.

use super::{
    AppState,
    failure::Failure,
    format,
    input::{InputView, LogView, action},
    parts::{AddressLink, Hash, Layout, Time, fee, status},
};
use crate::{index::Placed, model::Transaction};
use alloy_primitives::{B256, U256};
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};

/// Logs shown; the JSON interface gives all that is kept.
const SHOWN_LOGS: usize = 200;
/// Seconds between two looks at a pending transaction.
const RETRY: u32 = 3;

#[derive(Template)]
#[template(path = "transaction.html")]
struct TransactionPage {
    layout: Layout,
    hash: Hash,
    status: &'static str,
    action: String,
    block: Option<BlockLine>,
    from: AddressLink,
    to: Option<AddressLink>,
    created: Option<AddressLink>,
    value: String,
    facts: Vec<(&'static str, String)>,
    input: InputView,
    accesses: Vec<(AddressLink, Vec<String>)>,
    blobs: Vec<String>,
    logs: Vec<LogView>,
    log_count: usize,
}

struct BlockLine {
    number: u64,
    height: String,
    position: u32,
    confirmations: String,
    time: Time,
    date: String,
}

/// `GET /tx/{hash}`
pub async fn page(State(app): State<AppState>, Path(hash): Path<String>) -> Response {
    let page = build(&app, hash).await;
    app.answer(page)
}

async fn build(app: &AppState, sought: String) -> Result<TransactionPage, Failure> {
    let Ok(hash) = sought.parse::<B256>() else { return Err(Failure::NotFound { what: "transaction", sought }) };
    let indexed = app.read(move |index| index.transaction(&hash)).await?;
    if let Some(Placed { place, timestamp, transaction }) = indexed {
        let head = app.live.status().indexed.map_or(place.block_number, |state| state.head.number);
        let time = Time::new(timestamp);
        let block = BlockLine {
            number: place.block_number,
            height: format::grouped(place.block_number),
            position: place.transaction_index,
            confirmations: format::grouped(head.saturating_sub(place.block_number)),
            date: time.date(),
            time,
        };
        return Ok(TransactionPage::new(app, &transaction, Some(block), status(&transaction)));
    }
    match app.live.transaction(hash).await {
        Some(Some(transaction)) if transaction.hash == hash => {
            let status = if transaction.block_number.is_some() { "indexing" } else { "pending" };
            let mut page = TransactionPage::new(app, &transaction, None, status);
            page.layout.refresh = Some(RETRY);
            Ok(page)
        }
        _ => Err(Failure::NotFound { what: "transaction", sought }),
    }
}

impl TransactionPage {
    fn new(app: &AppState, transaction: &Transaction, block: Option<BlockLine>, status: &'static str) -> Self {
        let logs = transaction.receipt.as_ref().map_or(&[][..], |receipt| &receipt.logs);
        let accesses =
            transaction.access_list.iter().flatten().map(|item| {
                (AddressLink::new(item.address), item.storage_keys.iter().map(ToString::to_string).collect())
            });
        Self {
            layout: Layout::new(app, "Transaction", "txs"),
            hash: Hash::plain(transaction.hash.to_string()),
            status,
            action: action(transaction),
            block,
            from: AddressLink::new(transaction.from).in_full(),
            to: transaction.to.map(|to| AddressLink::new(to).in_full()),
            created: transaction.created().map(|contract| AddressLink::new(contract).in_full()),
            value: format::ether(transaction.value),
            facts: facts(transaction),
            input: InputView::new(transaction),
            accesses: accesses.collect(),
            blobs: transaction.blob_versioned_hashes.iter().map(ToString::to_string).collect(),
            logs: logs.iter().take(SHOWN_LOGS).enumerate().map(|(place, log)| LogView::new(place, log)).collect(),
            log_count: logs.len(),
        }
    }
}

fn facts(transaction: &Transaction) -> Vec<(&'static str, String)> {
    let gwei = |wei: u128| format::gwei(U256::from(wei));
    let mut facts = Vec::new();
    facts.extend(fee(transaction).map(|fee| ("Fee", format::ether(fee))));
    let gas = match &transaction.receipt {
        Some(receipt) => format!(
            "{} of {} ({})",
            format::grouped(receipt.gas_used),
            format::grouped(transaction.gas),
            format::percent(receipt.gas_used, transaction.gas)
        ),
        None => format!("limit {}", format::grouped(transaction.gas)),
    };
    facts.push(("Gas used", gas));
    let paid = transaction.receipt.as_ref().and_then(|receipt| receipt.effective_gas_price);
    facts.extend(paid.or(transaction.gas_price).map(|price| ("Gas price", gwei(price))));
    facts.extend(transaction.max_fee_per_gas.map(|fee| ("Max fee per gas", gwei(fee))));
    facts.extend(transaction.max_priority_fee_per_gas.map(|tip| ("Max priority fee per gas", gwei(tip))));
    facts.extend(transaction.max_fee_per_blob_gas.map(|fee| ("Max fee per blob gas", gwei(fee))));
    facts.push(("Nonce", format::grouped(transaction.nonce)));
    let kind = transaction.kind.unwrap_or(0);
    let name = match kind {
        0 => "legacy",
        1 => "access list (EIP-2930)",
        2 => "dynamic fee (EIP-1559)",
        3 => "blobs (EIP-4844)",
        4 => "set code (EIP-7702)",
        _ => "unknown",
    };
    facts.push(("Type", format!("{kind}: {name}")));
    facts
}
