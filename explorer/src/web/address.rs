//! The page of one address.

use super::{
    AppState, PAGE,
    failure::Failure,
    format,
    lists::{Pager, Until},
    parts::{AddressLink, Hash, Layout, TransactionRow},
};
use crate::index::Place;
use alloy_primitives::{Address, hex};
use askama::Template;
use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};

/// Bytes of code shown.
const SHOWN_CODE: usize = 4 << 10;

#[derive(Template)]
#[template(path = "address.html")]
struct AddressPage {
    layout: Layout,
    address: AddressLink,
    account: Option<Account>,
    created: Option<(AddressLink, Hash)>,
    count: String,
    transactions: Vec<TransactionRow>,
    pager: Pager,
}

/// The state of the account, from the node.
struct Account {
    balance: String,
    nonce: String,
    /// What kind of account: empty code, code, or an EIP-7702 delegation.
    kind: &'static str,
    code_size: usize,
    code: String,
}

/// `GET /address/{address}`
pub async fn page(
    State(app): State<AppState>,
    Path(address): Path<String>,
    until: Result<Query<Until>, QueryRejection>,
) -> Response {
    let until = until.map(|Query(until)| until).unwrap_or_default();
    let page = build(&app, address, until).await;
    app.answer(page)
}

async fn build(app: &AppState, sought: String, until: Until) -> Result<AddressPage, Failure> {
    let Ok(address) = sought.parse::<Address>() else { return Err(Failure::NotFound { what: "address", sought }) };
    let end = until.place();
    let read = app.read(move |index| {
        let transactions = index.address_transactions(&address, end, PAGE + 1)?;
        Ok((index.transaction_count(&address)?, transactions, index.creation(&address)?))
    });
    let (read, account) = tokio::join!(read, app.live.account(address));
    let (count, mut transactions, creation) = read?;
    let path = format!("/address/{address}");
    let pager = Pager::cut(&mut transactions, &path, end != Place::LAST, |placed| placed.place.to_string());
    let account = account.map(|account| {
        let shown = account.code.get(..SHOWN_CODE).unwrap_or(&account.code);
        // EIP-7702: 0xef0100 ‖ address.
        let delegated = account.code.len() == 23 && account.code.starts_with(&[0xef, 0x01, 0x00]);
        Account {
            balance: format::ether(account.balance),
            nonce: format::grouped(account.nonce),
            kind: match (account.code.is_empty(), delegated) {
                (true, _) => "Account",
                (_, true) => "Account with delegated code",
                _ => "Contract",
            },
            code_size: account.code.len(),
            code: hex::encode_prefixed(shown),
        }
    });
    let row = |placed: &crate::index::Placed| TransactionRow::new(placed).seen_from(&placed.transaction, address);
    Ok(AddressPage {
        layout: Layout::new(app, "Address", ""),
        address: AddressLink::new(address).in_full(),
        account,
        created: creation.map(|placed| {
            (AddressLink::new(placed.transaction.from), Hash::transaction(placed.transaction.hash).copied())
        }),
        count: format::grouped(count),
        transactions: transactions.iter().map(row).collect(),
        pager,
    })
}
