//! The first page: the chain at a glance, kept current by [`super::events`].

use super::{
    AppState, PAGE,
    failure::Failure,
    format,
    parts::{BlockRow, Layout, TransactionRow, fill},
};
use crate::{
    index::{Place, Placed},
    live::Status,
    model::Block,
};
use alloy_primitives::U256;
use askama::Template;
use axum::{extract::State, response::Response};
use std::sync::Arc;

/// Blocks over which times and gas are averaged and drawn.
const WINDOW: usize = 60;
const SHOWN: usize = 8;
/// Height of the charts in the units of their drawing.
const CHART_HEIGHT: u64 = 40;

/// The live part as last rendered, and of what.
#[derive(Default)]
pub struct Rendered {
    of: Option<Status>,
    html: Arc<str>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    live: Arc<str>,
}

#[derive(Template)]
#[template(path = "home_live.html")]
struct HomeLive {
    facts: Vec<Fact>,
    charts: Vec<Chart>,
    blocks: Vec<BlockRow>,
    transactions: Vec<TransactionRow>,
}

struct Fact {
    label: &'static str,
    value: String,
    note: String,
}

/// Bars of the newest blocks, oldest left.
struct Chart {
    label: &'static str,
    newest: String,
    bars: Vec<Bar>,
}

struct Bar {
    x: usize,
    y: u64,
    height: u64,
    title: String,
}

/// `GET /`
pub async fn page(State(app): State<AppState>) -> Response {
    let page = live(&app).await.map(|live| HomePage { layout: Layout::new(&app, "", "home"), live });
    app.answer(page)
}

/// The part that changes with every block. Rendered once for all who look.
pub async fn live(app: &AppState) -> Result<Arc<str>, Failure> {
    let mut rendered = app.home.lock().await;
    let status = app.live.status();
    if rendered.of.as_ref() != Some(&status) {
        let newest = status.indexed.as_ref().map_or(0, |state| state.head.number);
        let read =
            app.read(move |index| Ok((index.blocks(newest, WINDOW + 1)?, index.transactions(Place::LAST, SHOWN)?)));
        let (blocks, transactions) = read.await?;
        rendered.html = HomeLive::new(&status, &blocks, &transactions).render()?.into();
        rendered.of = Some(status);
    }
    Ok(Arc::clone(&rendered.html))
}

impl HomeLive {
    fn new(status: &Status, blocks: &[Block], transactions: &[Placed]) -> Self {
        Self {
            facts: facts(status, blocks),
            charts: vec![times_chart(blocks), gas_chart(blocks)],
            blocks: blocks.iter().take(SHOWN.min(PAGE)).map(BlockRow::new).collect(),
            transactions: transactions.iter().map(TransactionRow::new).collect(),
        }
    }
}

/// Seconds that the blocks took on average, in hundredths.
fn average_time(blocks: &[Block]) -> Option<u64> {
    let (newest, oldest) = (blocks.first()?, blocks.iter().rev().find(|block| block.number > 0)?);
    let steps = newest.number.checked_sub(oldest.number).filter(|steps| *steps > 0)?;
    Some(newest.timestamp.saturating_sub(oldest.timestamp).saturating_mul(100) / steps)
}

fn facts(status: &Status, blocks: &[Block]) -> Vec<Fact> {
    let fact = |label, value: String, note: String| Fact { label, value, note };
    let mut facts = Vec::new();
    let unknown = || "–".to_owned();
    let (indexed, newest) = (status.indexed.as_ref(), blocks.first());
    let height = indexed.map_or_else(unknown, |state| format::grouped(state.head.number));
    let nodes = match status.nodes {
        0 => "no node reachable".to_owned(),
        1 => "1 node reachable".to_owned(),
        nodes => format!("{nodes} nodes reachable"),
    };
    facts.push(fact("Block height", height, nodes));
    let time = average_time(blocks);
    let seconds = time.map_or_else(unknown, |time| format!("{}.{} s", time / 100, time % 100 / 10));
    facts.push(fact("Block time", seconds, format!("average of {} blocks", blocks.len().saturating_sub(1))));
    let total = indexed.map_or_else(unknown, |state| format::grouped(state.transactions));
    let pending = status.facts.pending.map(|pending| format!("{} pending", format::grouped(pending)));
    facts.push(fact("Transactions", total, pending.unwrap_or_default()));
    if let Some(difficulty) = newest.map(|block| block.difficulty).filter(|difficulty| *difficulty > U256::from(2)) {
        // Expected work per block is its difficulty in hashes.
        let rate = time.filter(|time| *time > 0).map(|time| {
            let rate = difficulty.saturating_mul(U256::from(100)) / U256::from(time);
            format!("about {}H/s", with_space(format::metric(rate)))
        });
        facts.push(fact("Difficulty", format::metric(difficulty), rate.unwrap_or_default()));
    }
    let used = newest.map_or_else(unknown, |block| format::percent(block.gas_used, block.gas_limit));
    let limit = newest.map(|block| format!("of {} gas", format::metric(U256::from(block.gas_limit))));
    facts.push(fact("Gas used", used, limit.unwrap_or_default()));
    if let Some(price) = status.facts.gas_price {
        let base = newest.and_then(|block| block.base_fee_per_gas);
        let base = base.map(|base| format!("base fee {}", format::gwei(U256::from(base)))).unwrap_or_default();
        facts.push(fact("Gas price", format::gwei(price), base));
    }
    if let Some(peers) = status.facts.peers {
        facts.push(fact("Peers", format::grouped(peers), "of the node in use".to_owned()));
    }
    if let Some(state) = indexed {
        let contracts = format!("{} contracts created", format::grouped(state.contracts));
        facts.push(fact("Addresses", format::grouped(state.addresses), contracts));
    }
    facts
}

/// A number always keeps a space before its unit.
fn with_space(mut number: String) -> String {
    if !number.contains(' ') {
        number.push(' ');
    }
    number
}

fn chart(label: &'static str, newest: String, values: Vec<(u64, String)>) -> Chart {
    let most = values.iter().map(|(value, _)| *value).max().unwrap_or(0).max(1);
    let first = WINDOW.saturating_sub(values.len());
    let bar = |(place, (value, title)): (usize, (u64, String))| {
        let height = u128::from(value) * u128::from(CHART_HEIGHT - 2) / u128::from(most);
        let height = u64::try_from(height).unwrap_or(0) + 2;
        Bar { x: (first + place) * 4, y: CHART_HEIGHT - height, height, title }
    };
    Chart { label, newest, bars: values.into_iter().enumerate().map(bar).collect() }
}

fn times_chart(blocks: &[Block]) -> Chart {
    let mut values: Vec<(u64, String)> = blocks
        .windows(2)
        .filter_map(|pair| match pair {
            // Nobody mined the genesis block: the time since then says nothing.
            [block, parent] if parent.number > 0 => {
                let seconds = block.timestamp.saturating_sub(parent.timestamp);
                Some((seconds, format!("Block {}: {}", format::grouped(block.number), format::span(seconds))))
            }
            _ => None,
        })
        .collect();
    let newest = values.first().map(|(seconds, _)| format::span(*seconds)).unwrap_or_default();
    values.reverse();
    chart("Time between blocks", newest, values)
}

fn gas_chart(blocks: &[Block]) -> Chart {
    let title = |block: &Block| {
        format!(
            "Block {}: {} of the gas limit",
            format::grouped(block.number),
            format::percent(block.gas_used, block.gas_limit)
        )
    };
    let mut values: Vec<_> = blocks.iter().take(WINDOW).map(|block| (fill(block), title(block))).collect();
    values.reverse();
    let newest = blocks.first().map(|block| format::percent(block.gas_used, block.gas_limit)).unwrap_or_default();
    chart("Gas used per block", newest, values)
}
