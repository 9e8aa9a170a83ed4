//! The nodes and pages behind the balancer, what is known of their health, and which one serves whom.
//!
//! Must not know JSON-RPC or sockets: health is written by [`crate::health`], read here.

use axum::http::Uri;
use parking_lot::{Mutex, RwLock};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Targets of one kind; a registry that lists more is cut off.
pub(crate) const MAX_TARGETS: usize = 256;

/// How to reach a target, and what it is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetInfo {
    /// `http://host:port`: also the identity.
    pub(crate) url: String,
    /// WebSocket URL of a node.
    pub(crate) ws: Option<String>,
    pub(crate) name: String,
    /// Miners serve only while no other node can: mining is what their CPU is for.
    pub(crate) miner: bool,
}

/// Why a target is out, and what else the status page shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    pub(crate) reason: Option<String>,
    pub(crate) syncing: bool,
    pub(crate) latency_ms: u64,
}

/// One target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) info: TargetInfo,
    pub(crate) uri: Uri,
    /// Stands in filter IDs for this target.
    pub(crate) tag: u32,
    head: AtomicU64,
    alive: watch::Sender<bool>,
    detail: Mutex<Detail>,
    /// Ends its health poll when it is removed.
    pub(crate) removed: CancellationToken,
}

impl Target {
    /// `None` when the URL is not `http://host…`.
    pub(crate) fn new(info: TargetInfo) -> Option<Self> {
        let uri: Uri = info.url.parse().ok()?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return None;
        }
        let hash = alloy_primitives::keccak256(info.url.as_bytes());
        // The highest bit is set so that a filter ID never starts with a zero, which QUANTITY forbids.
        let tag = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) | 0x8000_0000;
        let detail = Mutex::new(Detail { reason: Some("not polled yet".into()), ..Detail::default() });
        let (head, alive, removed) = (AtomicU64::new(0), watch::Sender::new(false), CancellationToken::new());
        Some(Self { info, uri, tag, head, alive, detail, removed })
    }

    /// The newest block it is known to have.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Whether it answered lately.
    pub(crate) fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }

    /// Resolves once the target is not alive (any more).
    pub(crate) async fn gone(&self) {
        let mut alive = self.alive.subscribe();
        // An error means the target itself is gone.
        let _ = alive.wait_for(|alive| !alive).await;
    }

    /// Whether it says that it may not have the newest block: after a start until it has heard of its peers, too.
    pub(crate) fn is_syncing(&self) -> bool {
        self.detail.lock().syncing
    }

    pub(crate) fn detail(&self) -> Detail {
        self.detail.lock().clone()
    }

    fn set_alive(&self, alive: bool) -> bool {
        self.alive.send_if_modified(|current| std::mem::replace(current, alive) != alive)
    }
}

/// Why no node can serve a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTarget {
    /// None is healthy.
    None,
    /// The healthy ones have not reached the block the client has seen.
    Behind { seen: u64 },
}

/// All targets of one kind.
#[derive(Debug)]
pub(crate) struct Targets {
    list: RwLock<Arc<Vec<Arc<Target>>>>,
    // Counts changes of the list, of heads and of health; whoever waits for a better choice waits for it.
    version: watch::Sender<u64>,
    lag_blocks: u64,
}

impl Targets {
    pub(crate) fn new(lag_blocks: u64) -> Self {
        Self { list: RwLock::default(), version: watch::Sender::new(0), lag_blocks }
    }

    pub(crate) fn all(&self) -> Arc<Vec<Arc<Target>>> {
        Arc::clone(&self.list.read())
    }

    /// Tells of every change of list, head or health.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Replaces the list; answers the targets that are new. Known ones keep their health.
    pub(crate) fn replace(&self, wanted: Vec<TargetInfo>) -> Vec<Arc<Target>> {
        let mut list = self.list.write();
        let mut urls = HashSet::new();
        let (mut next, mut new) = (Vec::new(), Vec::new());
        for info in wanted.into_iter().filter(|info| urls.insert(info.url.clone())).take(MAX_TARGETS) {
            if let Some(known) = list.iter().find(|target| target.info == info) {
                next.push(Arc::clone(known));
            } else if let Some(target) = Target::new(info).map(Arc::new) {
                next.push(Arc::clone(&target));
                new.push(target);
            }
        }
        for target in list.iter().filter(|target| !next.iter().any(|kept| Arc::ptr_eq(kept, target))) {
            target.set_alive(false);
            target.removed.cancel();
        }
        *list = Arc::new(next);
        drop(list);
        self.bump();
        new
    }

    /// The target answered: it lives and has this head. Answers whether it was out before.
    pub(crate) fn answered(&self, target: &Target, head: u64, syncing: bool, latency: Duration) -> bool {
        let moved = target.head.swap(head, Ordering::AcqRel) != head;
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        let detail = Detail { reason: None, syncing, latency_ms };
        let caught_up = std::mem::replace(&mut *target.detail.lock(), detail).syncing != syncing;
        let joined = !target.removed.is_cancelled() && target.set_alive(true);
        if moved || joined || caught_up {
            self.bump();
        }
        joined
    }

    /// The target has at least this head: an answer said so between two polls.
    pub(crate) fn reached(&self, target: &Target, head: u64) {
        if target.head.fetch_max(head, Ordering::AcqRel) < head {
            self.bump();
        }
    }

    /// The target failed. Answers whether it was in before.
    pub(crate) fn failed(&self, target: &Target, reason: &str) -> bool {
        target.detail.lock().reason = Some(reason.to_owned());
        let left = target.set_alive(false);
        if left {
            self.bump();
        }
        left
    }

    /// The highest head of those alive.
    pub(crate) fn best_head(&self) -> u64 {
        self.all().iter().filter(|target| target.is_alive()).map(|target| target.head()).max().unwrap_or(0)
    }

    /// Alive and not lagging.
    pub(crate) fn is_healthy(&self, target: &Target) -> bool {
        target.is_alive() && self.best_head().saturating_sub(target.head()) <= self.lag_blocks
    }

    /// Those that may serve: healthy nodes, and healthy miners only if there is no other; those that are still catching up only if
    /// all are.
    pub(crate) fn eligible(&self) -> Vec<Arc<Target>> {
        let best = self.best_head();
        let all = self.all();
        let healthy = all.iter().filter(|t| t.is_alive() && best.saturating_sub(t.head()) <= self.lag_blocks);
        let (syncing, synced): (Vec<_>, Vec<_>) = healthy.cloned().partition(|target| target.is_syncing());
        let healthy = if synced.is_empty() { syncing } else { synced };
        let (miners, nodes): (Vec<_>, Vec<_>) = healthy.into_iter().partition(|target| target.info.miner);
        if nodes.is_empty() { miners } else { nodes }
    }

    /// Every healthy target, miners included: where an acknowledged transaction goes.
    pub(crate) fn healthy(&self) -> Vec<Arc<Target>> {
        self.all().iter().filter(|target| self.is_healthy(target)).cloned().collect()
    }

    /// The target whose filter IDs carry this tag.
    pub(crate) fn by_tag(&self, tag: u32) -> Option<Arc<Target>> {
        self.all().iter().find(|target| target.tag == tag).cloned()
    }

    /// The one that serves `client` now, of those that have reached `seen`: the one it has if that is healthy, else the
    /// one rendezvous hashing gives it, so that a client comes back to the same node after being forgotten here.
    pub(crate) fn choose(
        &self,
        client: u64,
        sticky: Option<&str>,
        seen: u64,
        tried: &[String],
    ) -> Result<Arc<Target>, NoTarget> {
        let mut eligible = self.eligible();
        eligible.retain(|target| !tried.contains(&target.info.url));
        if eligible.is_empty() {
            return Err(NoTarget::None);
        }
        eligible.retain(|target| target.head() >= seen);
        if let Some(kept) = sticky.and_then(|url| eligible.iter().find(|target| target.info.url == url)) {
            return Ok(Arc::clone(kept));
        }
        let best = eligible.into_iter().max_by_key(|target| rendezvous(client, &target.info.url));
        best.ok_or(NoTarget::Behind { seen })
    }

    /// As [`Self::choose`], waiting up to `patience` for a target. A client whose own node is healthy but has gone back
    /// by a reorg is served by it after that: no other node will show it the lost blocks either.
    pub(crate) async fn wait_for(
        &self,
        client: u64,
        sticky: Option<&str>,
        seen: u64,
        tried: &[String],
        patience: Duration,
    ) -> Result<Arc<Target>, NoTarget> {
        let deadline = Instant::now() + patience;
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let refused = match self.choose(client, sticky, seen, tried) {
                Ok(target) => return Ok(target),
                Err(refused) => refused,
            };
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                _ => break self.own(sticky, tried).ok_or(refused),
            }
        }
    }

    fn own(&self, sticky: Option<&str>, tried: &[String]) -> Option<Arc<Target>> {
        let url = sticky.filter(|url| !tried.iter().any(|tried| tried == url))?;
        self.eligible().into_iter().find(|target| target.info.url == url)
    }

    fn bump(&self) {
        self.version.send_modify(|version| *version = version.wrapping_add(1));
    }
}

fn rendezvous(client: u64, url: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, url).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
