//! Which node to follow: the one with the best head of our chain, another when it fails or falls behind.
//! Knows probes and clocks; not the index, nor where the URLs come from.

use crate::model::Head;
use crate::rpc::{NodeFacts, Probe, RpcClient, RpcError};
use alloy_primitives::B256;
use futures::{StreamExt, stream};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Nodes looked at; further URLs are ignored. A handful is enough to always have a good one.
pub const MAX_NODES: usize = 64;
/// Nodes asked at the same time.
const PROBES: usize = 8;
const PROBE_WAIT: Duration = Duration::from_secs(3);
/// All nodes are asked this often; between, only the current one.
const ROUND: Duration = Duration::from_secs(2);
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MOST: Duration = Duration::from_secs(15);
/// A node this many blocks behind the best is left at once.
const LAG: u64 = 3;
/// A node whose head is worse than another's in this many rounds is left.
const WORSE_ROUNDS: u32 = 3;

/// The nodes known, and the one in use.
pub struct Nodes {
    client: RpcClient,
    genesis: Option<B256>,
    known: BTreeMap<String, Node>,
    current: Option<String>,
    worse: u32,
    last_round: Option<Instant>,
}

#[derive(Default)]
struct Node {
    genesis: Option<B256>,
    probe: Option<Probe>,
    failures: u32,
    not_before: Option<Instant>,
}

/// The node in use, as of its last probe.
pub struct Current {
    /// Its URL.
    pub url: String,
    /// Its head.
    pub head: Head,
    /// Its facts.
    pub facts: NodeFacts,
}

/// Whether one head is ahead of another: more work if both tell, else higher.
pub fn better(one: &Head, other: &Head) -> bool {
    match (one.total_difficulty, other.total_difficulty) {
        (Some(one), Some(other)) => one > other,
        _ => one.number > other.number,
    }
}

impl Nodes {
    /// For nodes of the chain with this genesis; without one, of the chain of the first node that answers.
    pub fn new(client: RpcClient, genesis: Option<B256>) -> Self {
        Self { client, genesis, known: BTreeMap::new(), current: None, worse: 0, last_round: None }
    }

    /// The genesis hash of our chain, once known.
    pub fn genesis(&self) -> Option<B256> {
        self.genesis
    }

    /// Asks the nodes that are due, and chooses.
    pub async fn poll(&mut self, urls: &[String]) -> Option<Current> {
        let urls = urls.iter().take(MAX_NODES);
        self.known.retain(|url, _| urls.clone().any(|listed| listed == url));
        for url in urls.clone() {
            self.known.entry(url.clone()).or_default();
        }
        self.current = self.current.take().filter(|url| self.known.contains_key(url));
        let round = self.current.is_none() || self.last_round.is_none_or(|last| last.elapsed() >= ROUND);
        if round {
            self.last_round = Some(Instant::now());
        }
        let due: Vec<(String, Option<B256>)> = urls
            .filter(|url| round || self.current.as_ref() == Some(url))
            .filter_map(|url| Some((url.clone(), self.known.get(url).filter(|node| node.is_due())?.genesis)))
            .collect();
        let client = self.client.clone();
        // In the order asked, so that an unset genesis comes from the first URL that answers.
        let answers: Vec<_> = stream::iter(due)
            .map(|(url, genesis)| {
                let client = client.clone();
                async move { (probe(&client, &url, genesis).await, url) }
            })
            .buffered(PROBES)
            .collect()
            .await;
        for (answer, url) in answers {
            self.note(&url, answer);
        }
        self.choose(round);
        self.current()
    }

    fn note(&mut self, url: &str, answer: Option<Result<(B256, Probe), RpcError>>) {
        match answer {
            Some(Ok((genesis, probe))) => {
                self.genesis.get_or_insert(genesis);
                if let Some(node) = self.known.get_mut(url) {
                    node.genesis = Some(genesis);
                    node.probe = Some(probe);
                }
            }
            Some(Err(error)) => self.failed(url, &error),
            None => self.failed(url, &"no answer in time"),
        }
    }

    /// Leaves a node for a while: it did not answer, or not sensibly.
    pub fn failed(&mut self, url: &str, reason: &dyn std::fmt::Display) {
        if self.current.as_deref() == Some(url) {
            self.current = None;
        }
        let Some(node) = self.known.get_mut(url) else { return };
        if node.failures == 0 {
            tracing::warn!(url, %reason, "a node fails; trying others");
        }
        node.probe = None;
        // It may be another node, of another chain, when it comes back.
        node.genesis = None;
        let wait = BACKOFF_FIRST.saturating_mul(1 << node.failures.min(8)).min(BACKOFF_MOST);
        node.failures = node.failures.saturating_add(1);
        node.not_before = Some(Instant::now() + wait);
    }

    /// A node did what was asked of it, beyond answering probes.
    pub fn succeeded(&mut self, url: &str) {
        if let Some(node) = self.known.get_mut(url) {
            if node.failures > 0 {
                tracing::info!(url, "the node answers again");
            }
            node.failures = 0;
        }
    }

    fn choose(&mut self, round: bool) {
        let candidates = self.known.iter().filter(|(_, node)| node.is_ours(self.genesis));
        let heads = candidates.filter_map(|(url, node)| Some((url, node.probe.as_ref()?.head)));
        let best = heads.reduce(|best, next| if better(&next.1, &best.1) { next } else { best });
        let Some((url, best)) = best.map(|(url, head)| (url.clone(), head)) else {
            self.current = None;
            return;
        };
        let Some(current) = self.current() else {
            tracing::info!(url, number = best.number, "following this node");
            (self.current, self.worse) = (Some(url), 0);
            return;
        };
        if round {
            self.worse = if better(&best, &current.head) { self.worse + 1 } else { 0 };
        }
        let behind = best.number.saturating_sub(current.head.number) > LAG && better(&best, &current.head);
        if behind || self.worse >= WORSE_ROUNDS {
            tracing::info!(url, number = best.number, left = current.url, "following this node, which is ahead");
            (self.current, self.worse) = (Some(url), 0);
        }
    }

    fn current(&self) -> Option<Current> {
        let url = self.current.clone()?;
        let node = self.known.get(&url).filter(|node| node.is_ours(self.genesis))?;
        let probe = node.probe.as_ref()?;
        Some(Current { url, head: probe.head, facts: probe.facts })
    }

    /// How many nodes of our chain answer.
    pub fn reachable(&self) -> usize {
        self.known.values().filter(|node| node.probe.is_some() && node.is_ours(self.genesis)).count()
    }

    /// A node of another chain, if there is one: its URL and genesis hash.
    pub fn stranger(&self) -> Option<(String, B256)> {
        let ours = self.genesis?;
        let found =
            |(url, node): (&String, &Node)| Some((url.clone(), node.genesis.filter(|genesis| *genesis != ours)?));
        self.known.iter().find_map(found)
    }
}

impl Node {
    fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| at <= Instant::now())
    }

    fn is_ours(&self, genesis: Option<B256>) -> bool {
        genesis.is_some() && self.genesis == genesis
    }
}

/// `None` when it takes too long.
async fn probe(client: &RpcClient, url: &str, genesis: Option<B256>) -> Option<Result<(B256, Probe), RpcError>> {
    let asked = async {
        let genesis = match genesis {
            Some(genesis) => genesis,
            None => client.genesis(url).await?,
        };
        Ok((genesis, client.probe(url).await?))
    };
    tokio::time::timeout(PROBE_WAIT, asked).await.ok()
}
