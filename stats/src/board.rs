//! Everything reported so far: nodes and recent blocks. Pure state, `now` is an argument (milliseconds since 1970).
//!
//! Must not know sockets, JSON or the clock. Bounds: `max_nodes` nodes, [`MAX_BLOCKS`] blocks.

use crate::wire::{BlockReport, Hello, NodeInfo, NodeStats, Quantity};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Blocks remembered, several branches included; the lowest numbers go first.
pub(crate) const MAX_BLOCKS: usize = 512;
/// Blocks a chart shows, and how many are asked of a node when this server has just started.
pub(crate) const CHART_BLOCKS: usize = 40;
/// A node that says nothing for this long is shown as away: geth and reth speak every 15 s, Besu every 5 s.
pub(crate) const SILENCE_MS: u64 = 50_000;
/// A node away for this long is forgotten.
pub(crate) const FORGET_MS: u64 = 24 * 3_600_000;
const PROPAGATIONS: usize = 40;

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// A block as first heard of.
#[derive(Clone, Debug)]
pub(crate) struct BlockEntry {
    pub(crate) report: BlockReport,
    /// When the first node reported it.
    pub(crate) first_seen: Millis,
}

/// One reporter.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) info: NodeInfo,
    /// The session it speaks through; `None` once that ended.
    pub(crate) session: Option<u64>,
    pub(crate) first_seen: Millis,
    pub(crate) connected_at: Millis,
    /// Time connected before the present session.
    pub(crate) connected_before: Millis,
    pub(crate) last_seen: Millis,
    pub(crate) stats: NodeStats,
    pub(crate) pending: u64,
    pub(crate) latency: Option<u64>,
    /// Number and hash of its head.
    pub(crate) head: Option<(u64, String)>,
    /// When it reported that head first.
    pub(crate) head_at: Millis,
    /// How long after the first node it reported its recent heads, newest last.
    pub(crate) propagations: VecDeque<u64>,
}

impl Node {
    /// Connected and heard of lately.
    pub(crate) fn is_active(&self, now: Millis) -> bool {
        self.session.is_some() && now.saturating_sub(self.last_seen) < SILENCE_MS
    }

    /// Share of the time since it first came that it was connected, 0 to 100.
    pub(crate) fn uptime(&self, now: Millis) -> f64 {
        let total = now.saturating_sub(self.first_seen);
        let current = if self.session.is_some() { now.saturating_sub(self.connected_at) } else { 0 };
        if total == 0 { 100.0 } else { ((self.connected_before + current) as f64 / total as f64 * 100.0).min(100.0) }
    }

    fn leave(&mut self, now: Millis) {
        if self.session.take().is_some() {
            self.connected_before += now.saturating_sub(self.connected_at);
        }
    }
}

/// No room: every remembered node is connected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stats page is full: {limit} nodes are connected")]
pub(crate) struct BoardFull {
    pub(crate) limit: usize,
}

/// The state of the page.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) nodes: BTreeMap<String, Node>,
    blocks: HashMap<String, BlockEntry>,
    by_number: BTreeMap<u64, Vec<String>>,
    max_nodes: usize,
    history_asked_at: Option<Millis>,
}

impl Board {
    /// An empty page.
    pub(crate) fn new(max_nodes: usize) -> Self {
        Self {
            nodes: BTreeMap::new(),
            blocks: HashMap::new(),
            by_number: BTreeMap::new(),
            max_nodes,
            history_asked_at: None,
        }
    }

    /// A node said a good hello. Answers the session it replaces, if it was connected already.
    pub(crate) fn join(&mut self, hello: &Hello, session: u64, now: Millis) -> Result<Option<u64>, BoardFull> {
        let id = hello.id.0.clone();
        if let Some(node) = self.nodes.get_mut(&id) {
            let replaced = node.session;
            node.leave(now);
            node.info = hello.info.clone();
            node.session = Some(session);
            node.connected_at = now;
            node.last_seen = now;
            return Ok(replaced);
        }
        self.make_room(now)?;
        let node = Node {
            id: id.clone(),
            info: hello.info.clone(),
            session: Some(session),
            first_seen: now,
            connected_at: now,
            connected_before: 0,
            last_seen: now,
            stats: NodeStats::default(),
            pending: 0,
            latency: None,
            head: None,
            head_at: 0,
            propagations: VecDeque::new(),
        };
        self.nodes.insert(id, node);
        Ok(None)
    }

    /// The session ended. A session that was replaced changes nothing.
    pub(crate) fn leave(&mut self, id: &str, session: u64, now: Millis) {
        if let Some(node) = self.nodes.get_mut(id).filter(|node| node.session == Some(session)) {
            node.leave(now);
        }
    }

    /// Forgets nodes that went away long ago. Answers whether anything changed.
    pub(crate) fn tidy(&mut self, now: Millis) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|_, node| node.session.is_some() || now.saturating_sub(node.last_seen) < FORGET_MS);
        self.nodes.len() != before
    }

    /// The node of this session, marked as heard of; `None` if another session took its place.
    fn heard(&mut self, id: &str, session: u64, now: Millis) -> Option<&mut Node> {
        let node = self.nodes.get_mut(id).filter(|node| node.session == Some(session))?;
        node.last_seen = now;
        Some(node)
    }

    /// Any message at all.
    pub(crate) fn touch(&mut self, id: &str, session: u64, now: Millis) {
        self.heard(id, session, now);
    }

    /// Round trip halved, in milliseconds, as the node measured it.
    pub(crate) fn latency(&mut self, id: &str, session: u64, value: Quantity, now: Millis) {
        if let Some(node) = self.heard(id, session, now) {
            node.latency = Some(value.whole());
        }
    }

    /// Size of the node's pool.
    pub(crate) fn pending(&mut self, id: &str, session: u64, value: Quantity, now: Millis) {
        if let Some(node) = self.heard(id, session, now) {
            node.pending = value.whole();
        }
    }

    /// Peers, mining, syncing, hash rate, gas price.
    pub(crate) fn stats(&mut self, id: &str, session: u64, stats: NodeStats, now: Millis) {
        if let Some(node) = self.heard(id, session, now) {
            node.stats = stats;
        }
    }

    /// The node's head. Besu repeats it every 5 s, geth every 15 s: a repetition is not a new arrival.
    pub(crate) fn block(&mut self, id: &str, session: u64, report: BlockReport, now: Millis) {
        let (number, hash) = (report.number.whole(), report.hash.0.clone());
        let Some(node) = self.heard(id, session, now) else { return };
        if node.head.as_ref().is_some_and(|(_, known)| *known == hash) {
            return;
        }
        let first_report = node.head.is_none();
        node.head = Some((number, hash));
        node.head_at = now;
        let first_seen = self.remember(report, now);
        // What a node reports on joining it may have had for hours.
        if let Some(node) = self.nodes.get_mut(id).filter(|_| !first_report) {
            if node.propagations.len() == PROPAGATIONS {
                node.propagations.pop_front();
            }
            node.propagations.push_back(now.saturating_sub(first_seen));
        }
    }

    /// Older blocks, in any order.
    pub(crate) fn history(&mut self, id: &str, session: u64, blocks: Vec<BlockReport>, now: Millis) {
        if self.heard(id, session, now).is_none() {
            return;
        }
        for report in blocks {
            self.remember(report, now);
        }
    }

    /// The head of the page: the highest block an active node stands on, the first seen of equals; if all are away,
    /// the highest any stands on.
    pub(crate) fn best(&self, now: Millis) -> Option<&BlockEntry> {
        let of = |active: bool| {
            self.nodes
                .values()
                .filter(|node| !active || node.is_active(now))
                .filter_map(|node| self.blocks.get(&node.head.as_ref()?.1))
                .max_by_key(|entry| (entry.report.number.whole(), std::cmp::Reverse(entry.first_seen)))
        };
        of(true).or_else(|| of(false))
    }

    /// The newest blocks up to the head by parent hash, oldest first.
    pub(crate) fn chain(&self, now: Millis) -> Vec<&BlockEntry> {
        let mut chain: Vec<&BlockEntry> = Vec::new();
        let mut next = self.best(now);
        while let Some(entry) = next.filter(|_| chain.len() < CHART_BLOCKS) {
            chain.push(entry);
            next = self.blocks.get(&entry.report.parent_hash.0).filter(|parent| {
                // A forged parent hash must not make a circle.
                parent.report.number < entry.report.number
            });
        }
        chain.reverse();
        chain
    }

    /// The block numbers to ask a node for, when the charts lack them; at most one request in ten seconds.
    pub(crate) fn wanted_history(&mut self, id: &str, now: Millis) -> Option<Vec<u64>> {
        if self.nodes.get(id)?.info.history == Some(false) {
            return None;
        }
        if self.history_asked_at.is_some_and(|at| now.saturating_sub(at) < 10_000) {
            return None;
        }
        let chain = self.chain(now);
        let oldest = chain.first()?.report.number.whole();
        let head = chain.last()?.report.number.whole();
        if chain.len() >= CHART_BLOCKS || oldest == 0 {
            return None;
        }
        let from = head.saturating_sub(CHART_BLOCKS as u64 - 1);
        self.history_asked_at = Some(now);
        Some((from..oldest).collect())
    }

    /// Keeps the block and answers when it was first seen.
    fn remember(&mut self, report: BlockReport, now: Millis) -> Millis {
        let hash = report.hash.0.clone();
        if let Some(entry) = self.blocks.get(&hash) {
            return entry.first_seen;
        }
        self.by_number.entry(report.number.whole()).or_default().push(hash.clone());
        self.blocks.insert(hash, BlockEntry { report, first_seen: now });
        while self.blocks.len() > MAX_BLOCKS {
            let Some(mut lowest) = self.by_number.first_entry() else { break };
            if let Some(hash) = lowest.get_mut().pop() {
                self.blocks.remove(&hash);
            }
            if lowest.get().is_empty() {
                lowest.remove();
            }
        }
        now
    }

    fn make_room(&mut self, now: Millis) -> Result<(), BoardFull> {
        if self.nodes.len() < self.max_nodes {
            return Ok(());
        }
        let away = self.nodes.values().filter(|node| !node.is_active(now) && node.session.is_none());
        let longest = away.min_by_key(|node| node.last_seen).map(|node| node.id.clone());
        let longest = longest.ok_or(BoardFull { limit: self.max_nodes })?;
        self.nodes.remove(&longest);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
