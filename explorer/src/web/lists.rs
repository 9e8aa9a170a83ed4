//! The lists of all blocks and all transactions, newest first.

use super::{
    AppState, PAGE,
    failure::Failure,
    format,
    parts::{BlockRow, Layout, TransactionRow},
};
use crate::index::Place;
use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

/// Where a list goes on: links keep their meaning while blocks come in on top.
#[derive(Debug, Default, Deserialize)]
pub struct Until {
    /// Number of a block, or the place of a transaction; nonsense counts as none.
    #[serde(default)]
    until: Option<String>,
}

impl Until {
    /// As the place before which a list of transactions begins.
    pub fn place(&self) -> Place {
        self.until.as_ref().and_then(|text| text.parse().ok()).unwrap_or(Place::LAST)
    }

    /// As the newest block of a list.
    pub fn number(&self) -> Option<u64> {
        self.until.as_ref()?.parse().ok()
    }
}

/// Links to other parts of a list.
pub struct Pager {
    /// To the newest part, unless this is it.
    pub newest: Option<String>,
    /// To the next part, if there is one.
    pub older: Option<String>,
}

impl Pager {
    /// Cuts a list that was asked one longer than a page.
    pub fn cut<T>(rows: &mut Vec<T>, path: &str, inside: bool, mark: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        let older = rows.last().filter(|_| more).map(|last| format!("{path}?until={}", mark(last)));
        Self { newest: inside.then(|| path.to_owned()), older }
    }
}

#[derive(Template)]
#[template(path = "blocks.html")]
struct BlocksPage {
    layout: Layout,
    blocks: Vec<BlockRow>,
    pager: Pager,
}

#[derive(Template)]
#[template(path = "transactions.html")]
struct TransactionsPage {
    layout: Layout,
    total: String,
    transactions: Vec<TransactionRow>,
    pager: Pager,
}

/// `GET /blocks`
pub async fn blocks(State(app): State<AppState>, until: Result<Query<Until>, QueryRejection>) -> Response {
    let until = until.ok().and_then(|Query(until)| until.number());
    let page = async {
        let mut blocks = app.read(move |index| index.blocks(until.unwrap_or(u64::MAX), PAGE + 1)).await?;
        let pager =
            Pager::cut(&mut blocks, "/blocks", until.is_some(), |block| block.number.saturating_sub(1).to_string());
        let blocks = blocks.iter().map(BlockRow::new).collect();
        Ok::<_, Failure>(BlocksPage { layout: Layout::new(&app, "Blocks", "blocks"), blocks, pager })
    };
    let page = page.await;
    app.answer(page)
}

/// `GET /txs`
pub async fn transactions(State(app): State<AppState>, until: Result<Query<Until>, QueryRejection>) -> Response {
    let end = until.map_or(Place::LAST, |Query(until)| until.place());
    let page = async {
        let mut transactions = app.read(move |index| index.transactions(end, PAGE + 1)).await?;
        let pager = Pager::cut(&mut transactions, "/txs", end != Place::LAST, |placed| placed.place.to_string());
        let total = app.live.status().indexed.map_or(0, |state| state.transactions);
        Ok::<_, Failure>(TransactionsPage {
            layout: Layout::new(&app, "Transactions", "txs"),
            total: format::grouped(total),
            transactions: transactions.iter().map(TransactionRow::new).collect(),
            pager,
        })
    };
    let page = page.await;
    app.answer(page)
}
