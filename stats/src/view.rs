//! The board as the page sees it: one JSON document. Knows no HTTP and keeps no state.

use crate::board::{BlockEntry, Board, Millis, Node};
use serde::Serialize;

/// What `/events` sends and `/v1/status` answers. Times in milliseconds since 1970 unless said otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View<'a> {
    name: &'a str,
    now: Millis,
    active: usize,
    total: usize,
    best: Option<BlockView<'a>>,
    /// Since when the head has been the head.
    last_block_at: Option<Millis>,
    /// Seconds, over the charted blocks.
    average_block_time: Option<f64>,
    /// Hashes per second the difficulty stands for, over the charted blocks.
    network_hashrate: Option<f64>,
    /// Hashes per second the miners say they do.
    reported_hashrate: f64,
    uncles: u64,
    pending: u64,
    /// Wei, the lowest any active node asks.
    gas_price: Option<f64>,
    blocks: Vec<BlockView<'a>>,
    nodes: Vec<NodeView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockView<'a> {
    number: u64,
    hash: &'a str,
    miner: &'a str,
    /// Seconds since 1970, from the header.
    timestamp: u64,
    /// Seconds after its parent; `None` when the parent is not known.
    block_time: Option<u64>,
    difficulty: f64,
    total_difficulty: f64,
    gas_used: f64,
    gas_limit: f64,
    transactions: u64,
    uncles: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView<'a> {
    id: &'a str,
    name: &'a str,
    client: &'a str,
    network: &'a str,
    system: String,
    active: bool,
    last_seen: Millis,
    latency: Option<u64>,
    peers: u64,
    pending: u64,
    mining: bool,
    syncing: bool,
    hashrate: f64,
    block: Option<u64>,
    block_hash: Option<&'a str>,
    /// Milliseconds after the first node, for its head.
    propagation: Option<u64>,
    /// The same, averaged over the last 40 heads.
    average_propagation: Option<u64>,
    uptime: f64,
}

/// The page's document at `now`.
pub(crate) fn view<'a>(name: &'a str, board: &'a Board, now: Millis) -> View<'a> {
    let chain = board.chain(now);
    let blocks: Vec<BlockView<'_>> = chain.iter().enumerate().map(|(i, entry)| block_view(&chain, i, entry)).collect();
    let best_number = chain.last().map_or(0, |entry| entry.report.number.whole());
    let active: Vec<&Node> = board.nodes.values().filter(|node| node.is_active(now)).collect();
    let average_block_time = average_block_time(&chain);
    let difficulty = chain.iter().map(|entry| entry.report.difficulty.0).sum::<f64>() / chain.len().max(1) as f64;
    View {
        name,
        now,
        active: active.len(),
        total: board.nodes.len(),
        best: chain.last().map(|entry| block_view(&chain, chain.len() - 1, entry)),
        last_block_at: chain.last().map(|entry| became_head(entry)),
        average_block_time,
        network_hashrate: average_block_time.filter(|time| *time > 0.0).map(|time| difficulty / time),
        reported_hashrate: active.iter().map(|node| node.stats.hashrate.0).sum(),
        uncles: chain.iter().map(|entry| entry.report.uncles.0).sum(),
        pending: active.iter().map(|node| node.pending).max().unwrap_or(0),
        gas_price: active.iter().map(|node| node.stats.gas_price.0).filter(|price| *price > 0.0).reduce(f64::min),
        blocks,
        nodes: board.nodes.values().map(|node| node_view(node, best_number, now)).collect(),
    }
}

// A block first heard of long after its timestamp came with a node that joined, not with the miner.
fn became_head(entry: &BlockEntry) -> Millis {
    let stamped = entry.report.timestamp.whole().saturating_mul(1_000);
    if entry.first_seen.saturating_sub(stamped) > 60_000 { stamped } else { entry.first_seen }
}

fn average_block_time(chain: &[&BlockEntry]) -> Option<f64> {
    // The genesis block's timestamp is a date somebody chose, not a block time.
    let mined: Vec<_> = chain.iter().filter(|entry| entry.report.number.whole() > 0).collect();
    let (first, last) = (mined.first()?, mined.last()?);
    let span = last.report.timestamp.0 - first.report.timestamp.0;
    (mined.len() > 1).then(|| span.max(0.0) / (mined.len() - 1) as f64)
}

fn block_view<'a>(chain: &[&'a BlockEntry], index: usize, entry: &'a BlockEntry) -> BlockView<'a> {
    let report = &entry.report;
    let timestamp = report.timestamp.whole();
    let parent = index.checked_sub(1).and_then(|i| chain.get(i)).filter(|parent| parent.report.number.whole() > 0);
    BlockView {
        number: report.number.whole(),
        hash: &report.hash.0,
        miner: &report.miner.0,
        timestamp,
        block_time: parent.map(|parent| timestamp.saturating_sub(parent.report.timestamp.whole())),
        difficulty: report.difficulty.0,
        total_difficulty: report.total_difficulty.0,
        gas_used: report.gas_used.0,
        gas_limit: report.gas_limit.0,
        transactions: report.transactions.0,
        uncles: report.uncles.0,
    }
}

fn node_view(node: &Node, best: u64, now: Millis) -> NodeView<'_> {
    let block = node.head.as_ref().map(|(number, _)| *number);
    let sum: u64 = node.propagations.iter().sum();
    NodeView {
        id: &node.id,
        name: if node.info.name.0.is_empty() { &node.id } else { &node.info.name.0 },
        client: &node.info.node.0,
        network: &node.info.net.0,
        system: format!("{} {}", node.info.os.0, node.info.os_v.0).trim().to_owned(),
        active: node.is_active(now),
        last_seen: node.last_seen,
        latency: node.latency,
        peers: node.stats.peers.whole(),
        pending: node.pending,
        mining: node.stats.mining.unwrap_or(false),
        // Besu reports this flag inverted; who stands on the head is not syncing whatever it says.
        syncing: node.stats.syncing.unwrap_or(false) && block.is_some_and(|number| number < best),
        hashrate: node.stats.hashrate.0,
        block,
        block_hash: node.head.as_ref().map(|(_, hash)| hash.as_str()),
        propagation: node.propagations.back().copied(),
        average_propagation: sum.checked_div(node.propagations.len() as u64),
        uptime: (node.uptime(now) * 10.0).round() / 10.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::{BlockReport, Hello, NodeInfo, Quantity, Text};

    #[test]
    fn block_time_and_hash_rate_leave_the_genesis_timestamp_out() {
        let mut board = Board::new(4);
        let hello = Hello { id: Text("a".into()), info: NodeInfo::default(), secret: None };
        board.join(&hello, 1, 0).unwrap();
        let block = |number: u64, timestamp: u64| BlockReport {
            number: Quantity(number as f64),
            hash: Text(format!("h{number}")),
            parent_hash: Text(format!("h{}", number.wrapping_sub(1))),
            timestamp: Quantity(timestamp as f64),
            difficulty: Quantity(1_000.0),
            ..BlockReport::default()
        };
        board.history("a", 1, vec![block(0, 0), block(1, 1_000), block(2, 1_004)], 0);
        board.block("a", 1, block(3, 1_010), 0);
        let view = view("page", &board, 0);
        assert_eq!(view.average_block_time, Some(5.0));
        assert_eq!(view.network_hashrate, Some(200.0));
        assert_eq!(view.blocks.iter().map(|b| b.block_time).collect::<Vec<_>>(), [None, None, Some(4), Some(6)]);
        assert_eq!(view.best.unwrap().number, 3);
    }
}
