//! The index as JSON, and what supervisors ask. Shapes follow JSON-RPC where it has the thing.

use super::{AppState, PAGE, block, failure::Failure, lists::Until};
use crate::index::Placed;
use alloy_primitives::{Address, B256};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

fn answer<T: Serialize>(result: Result<T, Failure>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(failure) => failure.json(),
    }
}

fn status_json(app: &AppState) -> Value {
    let status = app.live.status();
    let head = |head: crate::model::Head| json!({ "number": head.number, "hash": head.hash });
    let indexed = status.indexed.as_ref();
    let network = indexed.and_then(|state| state.network);
    json!({
        "name": app.name.as_ref(),
        "ready": status.ready(),
        "genesis": indexed.map(|state| state.genesis),
        "chain_id": status.facts.chain_id.or(network.map(|network| network.chain_id)),
        "network_id": status.facts.network_id.or(network.map(|network| network.network_id)),
        "head": status.head.map(head),
        "indexed": indexed.map(|state| head(state.head)),
        "behind": status.lag(),
        "node_reachable": status.node.is_some(),
        "nodes": status.nodes,
        "problem": status.problem,
        "transactions": indexed.map_or(0, |state| state.transactions),
        "addresses": indexed.map_or(0, |state| state.addresses),
        "contracts": indexed.map_or(0, |state| state.contracts),
    })
}

/// `GET /api/status`
pub async fn status(State(app): State<AppState>) -> Response {
    Json(status_json(&app)).into_response()
}

/// `GET /ready`: 200 while the pages show the chain as it is, else 503.
pub async fn ready(State(app): State<AppState>) -> Response {
    let code = if app.live.status().ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status_json(&app))).into_response()
}

/// `GET /api/blocks?until=`: newest first.
pub async fn blocks(State(app): State<AppState>, until: Result<Query<Until>, QueryRejection>) -> Response {
    let newest = until.ok().and_then(|Query(until)| until.number()).unwrap_or(u64::MAX);
    answer(app.read(move |index| index.blocks(newest, PAGE)).await)
}

/// `GET /api/block/{number or hash}`
pub async fn block(State(app): State<AppState>, Path(id): Path<String>) -> Response {
    let sought = id.clone();
    let found = app.read(move |index| block::find(index, &id)).await;
    answer(found.and_then(|block| block.ok_or(Failure::NotFound { what: "block", sought })))
}

/// `GET /api/tx/{hash}`
pub async fn transaction(State(app): State<AppState>, Path(sought): Path<String>) -> Response {
    let missing = |sought| Failure::NotFound { what: "transaction", sought };
    let Ok(hash) = sought.parse::<B256>() else { return missing(sought).json() };
    let found = app.read(move |index| index.transaction(&hash)).await;
    answer(found.and_then(|found| found.ok_or_else(|| missing(sought))))
}

/// An address and a page of its transactions.
#[derive(Serialize)]
struct AddressJson {
    address: Address,
    transaction_count: u64,
    created_by: Option<B256>,
    transactions: Vec<Placed>,
    /// Goes into `until` for the next page.
    next: Option<String>,
}

/// `GET /api/address/{address}?until=`: newest first.
pub async fn address(
    State(app): State<AppState>,
    Path(sought): Path<String>,
    until: Result<Query<Until>, QueryRejection>,
) -> Response {
    let Ok(address) = sought.parse::<Address>() else {
        return Failure::NotFound { what: "address", sought }.json();
    };
    let end = until.map(|Query(until)| until).unwrap_or_default().place();
    let found = app.read(move |index| {
        let transactions = index.address_transactions(&address, end, PAGE)?;
        let full = transactions.len() == PAGE;
        Ok(AddressJson {
            address,
            transaction_count: index.transaction_count(&address)?,
            created_by: index.creation(&address)?.map(|placed| placed.transaction.hash),
            next: transactions.last().filter(|_| full).map(|last| last.place.to_string()),
            transactions,
        })
    });
    answer(found.await)
}
