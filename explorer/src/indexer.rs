//! Keeps the index at the head of the chain: catches up, follows, takes reorganised blocks off.
//!
//! ```text
//! Nodes::poll ─ head ─→ follow ─┬─ next blocks ────────────→ Index::apply(0, blocks)
//!                               └─ fork: common ancestor ──→ Index::apply(depth, blocks)
//! ```
//! It must not know pages. Nodes are not believed: a block counts only if it fits on the one below it.

use crate::{
    error::{ExplorerError, IndexError},
    index::{Index, Network, State},
    live::Live,
    model::{Block, Head},
    nodes::{Current, Nodes, better},
    rpc::{RpcClient, RpcError},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_millis(500);
/// Most blocks of one request and one batch of the index.
const MOST_BLOCKS: u64 = 64;
/// Blocks of a reorganisation that leave the index in one batch; a deeper one takes several.
const MOST_REMOVED: u64 = 128;
/// Hashes compared in one request while looking for the common ancestor.
const ANCESTRY: u64 = 32;
/// Polls for which a head that is not ahead of ours is not followed off our chain: the node may just be behind.
const PATIENCE: u32 = 20;

/// The loop that writes the index.
pub struct Indexer {
    /// What it writes.
    pub index: Index,
    /// Where it tells its progress.
    pub live: Arc<Live>,
    /// How it asks.
    pub client: RpcClient,
    /// Whom it asks.
    pub nodes: Nodes,
    /// URLs that are always tried.
    pub fixed: Vec<String>,
    /// URLs from the registry.
    pub found: watch::Receiver<Vec<String>>,
    /// Named in the error when a node is of another chain.
    pub data_dir: PathBuf,
    /// Blocks asked for at once; halved when a node cannot.
    pub width: u64,
    /// Polls since a fork showed that is not ahead.
    pub doubts: u32,
}

enum Failure {
    Node(RpcError),
    Index(ExplorerError),
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Node(error)
    }
}

impl From<ExplorerError> for Failure {
    fn from(error: ExplorerError) -> Self {
        Self::Index(error)
    }
}

impl Indexer {
    /// For an index; `fixed` and `found` are the URLs to try.
    pub fn new(
        index: Index,
        live: Arc<Live>,
        client: RpcClient,
        nodes: Nodes,
        (fixed, found): (Vec<String>, watch::Receiver<Vec<String>>),
        data_dir: PathBuf,
    ) -> Self {
        Self { index, live, client, nodes, fixed, found, data_dir, width: MOST_BLOCKS / 2, doubts: 0 }
    }

    /// Runs until cancelled.
    ///
    /// # Errors
    /// [`ExplorerError`] when the index fails, or when the configured nodes are of another chain.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ExplorerError> {
        loop {
            let step = tokio::select! {
                step = self.step() => step?,
                () = stop.cancelled() => return Ok(()),
            };
            if step {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// One poll and what follows from it. Whether there is more to do at once.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn step(&mut self) -> Result<bool, ExplorerError> {
        let mut urls = self.fixed.clone();
        urls.extend(self.found.borrow().iter().filter(|url| !self.fixed.contains(url)).cloned());
        let current = self.nodes.poll(&urls).await;
        let Some(current) = current else {
            self.without_node()?;
            return Ok(false);
        };
        self.live.update(|status| {
            status.node = Some(current.url.clone());
            status.head = Some(current.head);
            status.facts = current.facts;
            status.nodes = self.nodes.reachable();
            status.problem = None;
        });
        match self.follow(&current).await {
            Ok(more) => {
                self.nodes.succeeded(&current.url);
                self.width = (self.width * 2).min(MOST_BLOCKS);
                Ok(more)
            }
            Err(Failure::Index(error)) => Err(error),
            Err(Failure::Node(error)) => {
                let narrower = self.width > 1 && may_be_too_much(&error);
                self.width = (self.width / 2).max(1);
                if !narrower {
                    self.nodes.failed(&current.url, &error);
                }
                Ok(narrower)
            }
        }
    }

    fn without_node(&self) -> Result<(), ExplorerError> {
        let stranger = self.nodes.stranger();
        let problem = stranger.as_ref().map(|(url, genesis)| format!("{url} is of another chain (genesis {genesis})"));
        self.live.update(|status| {
            status.node = None;
            status.nodes = 0;
            status.problem = problem;
        });
        // A record in a registry may lie about its chain; who configured a URL means it, at least at the start.
        match (stranger, self.nodes.genesis()) {
            (Some((from, found)), Some(indexed)) if self.fixed.contains(&from) && self.live.status().head.is_none() => {
                Err(ExplorerError::WrongChain { data_dir: self.data_dir.clone(), indexed, found, from })
            }
            _ => Ok(()),
        }
    }

    /// Whether there is more to do at once.
    async fn follow(&mut self, node: &Current) -> Result<bool, Failure> {
        let Some(state) = self.state().await? else {
            let to = node.head.number.min(self.width - 1);
            let blocks = self.client.blocks(&node.url, 0, to).await?;
            if blocks.first().map(|block| block.hash) != self.nodes.genesis() {
                return Err(RpcError::Broken(0).into());
            }
            self.apply(0, blocks).await?;
            return Ok(to < node.head.number);
        };
        self.learn_network(&state, node).await?;
        if state.head.hash == node.head.hash {
            self.doubts = 0;
            return Ok(false);
        }
        if node.head.number <= state.head.number {
            return self.consider(node, &state).await;
        }
        let from = state.head.number.saturating_add(1);
        let to = node.head.number.min(state.head.number.saturating_add(self.width));
        let blocks = self.client.blocks(&node.url, from, to).await?;
        if blocks.first().is_some_and(|first| first.parent_hash == state.head.hash) {
            self.doubts = 0;
            self.apply(0, blocks).await?;
            return Ok(to < node.head.number);
        }
        self.reorganise(node, &state).await
    }

    /// The node's head is not above ours: it is behind, or on a fork.
    async fn consider(&mut self, node: &Current, state: &State) -> Result<bool, Failure> {
        let number = node.head.number;
        let ours = self.read(move |index| index.block(number)).await?;
        if ours.is_some_and(|block| block.hash == node.head.hash) {
            self.doubts = 0;
            return Ok(false);
        }
        self.doubts = self.doubts.saturating_add(1);
        if better(&node.head, &state.head) || self.doubts > PATIENCE {
            return self.reorganise(node, state).await;
        }
        Ok(false)
    }

    async fn reorganise(&mut self, node: &Current, state: &State) -> Result<bool, Failure> {
        let ancestor = self.ancestor(node, state).await?;
        let mut depth = state.head.number - ancestor;
        tracing::info!(ancestor, depth, number = node.head.number, hash = %node.head.hash, "the chain reorganised");
        while depth > MOST_REMOVED {
            self.apply(MOST_REMOVED, Vec::new()).await?;
            depth -= MOST_REMOVED;
        }
        let to = node.head.number.min(ancestor.saturating_add(self.width));
        // Old blocks go and new ones come in one batch, so that pages never miss what is in both.
        let blocks = if ancestor < to { self.client.blocks(&node.url, ancestor + 1, to).await? } else { Vec::new() };
        let base = self.read(move |index| index.block(ancestor)).await?.map(|block| block.hash);
        if let Some(first) = blocks.first().filter(|first| Some(first.parent_hash) != base) {
            return Err(RpcError::Broken(first.number).into());
        }
        self.apply(depth, blocks).await?;
        self.doubts = 0;
        Ok(to < node.head.number)
    }

    /// The number of the newest block that the index and the node share.
    async fn ancestor(&self, node: &Current, state: &State) -> Result<u64, Failure> {
        let mut top = state.head.number.min(node.head.number);
        loop {
            let numbers: Vec<u64> = (top.saturating_sub(ANCESTRY - 1)..=top).rev().collect();
            let theirs = self.client.hashes(&node.url, &numbers).await?;
            let asked = numbers.clone();
            let ours = self
                .read(move |index| asked.iter().map(|number| index.block(*number)).collect::<Result<Vec<_>, _>>())
                .await?;
            for ((number, theirs), ours) in numbers.iter().zip(theirs).zip(ours) {
                if theirs.is_some() && theirs == ours.map(|block| block.hash) {
                    return Ok(*number);
                }
            }
            top = match top.checked_sub(ANCESTRY) {
                Some(lower) => lower,
                // Not even block 0: it changed its chain since it was probed.
                None => return Err(RpcError::Broken(0).into()),
            };
        }
    }

    async fn learn_network(&self, state: &State, node: &Current) -> Result<(), Failure> {
        let (Some(chain_id), Some(network_id)) = (node.facts.chain_id, node.facts.network_id) else { return Ok(()) };
        if state.network.is_none() {
            self.read(move |index| index.set_network(Network { chain_id, network_id })).await?;
            self.publish().await?;
        }
        Ok(())
    }

    async fn apply(&self, remove: u64, blocks: Vec<Block>) -> Result<(), Failure> {
        self.read(move |index| index.apply(remove, &blocks)).await?;
        self.publish().await
    }

    async fn publish(&self) -> Result<(), Failure> {
        let state = self.state().await?;
        self.live.update(|status| status.indexed = state);
        Ok(())
    }

    async fn state(&self) -> Result<Option<State>, Failure> {
        self.read(Index::state).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Failure> {
        let index = self.index.clone();
        let done = tokio::task::spawn_blocking(move || work(&index)).await;
        let result = done.map_err(|_| Failure::Index(ExplorerError::Interrupted))?;
        result.map_err(|error| Failure::Index(error.into()))
    }
}

/// Whether asking for fewer blocks may help.
fn may_be_too_much(error: &RpcError) -> bool {
    match error {
        RpcError::TooLarge | RpcError::Refused { .. } => true,
        RpcError::Status(status) => *status == 413,
        RpcError::Unreachable(error) => error.is_timeout() && !error.is_connect(),
        _ => false,
    }
}

/// The head of the index, for the registry.
pub fn indexed_head(live: &Live) -> Head {
    let none = Head { number: 0, hash: alloy_primitives::B256::ZERO, total_difficulty: None };
    live.status().indexed.map_or(none, |state| state.head)
}
