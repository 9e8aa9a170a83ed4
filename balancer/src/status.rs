//! `/balancer/status`: every target with its head, and why it is out if it is. Knows no routing.

use crate::targets::{Target, Targets};
use serde::Serialize;

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    version: &'static str,
    ready: bool,
    best_head: u64,
    /// Acknowledged transactions not yet seen buried under blocks.
    outstanding_transactions: usize,
    nodes: Vec<TargetStatus>,
    explorers: Vec<TargetStatus>,
    stats: Vec<TargetStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetStatus {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ws: Option<String>,
    name: String,
    miner: bool,
    healthy: bool,
    head: u64,
    lag: u64,
    syncing: bool,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Status {
    pub(crate) fn new(nodes: &Targets, explorers: &Targets, stats: &Targets, outstanding: usize) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            ready: !nodes.eligible().is_empty(),
            best_head: nodes.best_head(),
            outstanding_transactions: outstanding,
            nodes: list(nodes),
            explorers: list(explorers),
            stats: list(stats),
        }
    }
}

fn list(targets: &Targets) -> Vec<TargetStatus> {
    let best = targets.best_head();
    targets.all().iter().map(|target| status(targets, target, best)).collect()
}

fn status(targets: &Targets, target: &Target, best: u64) -> TargetStatus {
    let (detail, healthy) = (target.detail(), targets.is_healthy(target));
    let lag = best.saturating_sub(target.head());
    let lagging = || (target.is_alive() && !healthy).then(|| format!("{lag} blocks behind"));
    TargetStatus {
        url: target.info.url.clone(),
        ws: target.info.ws.clone(),
        name: target.info.name.clone(),
        miner: target.info.miner,
        healthy,
        head: target.head(),
        lag,
        syncing: detail.syncing,
        latency_ms: detail.latency_ms,
        reason: detail.reason.or_else(lagging),
    }
}
