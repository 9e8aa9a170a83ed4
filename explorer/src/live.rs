//! What the explorer knows right now about nodes and its own progress, and the way from a page to the current node.
//! Knows no pages and does not choose nodes: the indexer does.

use crate::{
    index::State,
    model::{Head, Transaction},
    rpc::{AccountState, NodeFacts, RpcClient},
};
use alloy_primitives::{Address, B256};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};

/// Questions of pages to the node at once. Further ones wait; a page waits no longer than [`PAGE_WAIT`] in all.
const PAGE_CALLS: usize = 32;
/// A page is shown without the node's part after this long.
const PAGE_WAIT: Duration = Duration::from_secs(3);
/// Accounts remembered until the next block; at the bound the least used leave.
const ACCOUNTS: usize = 1_024;
/// How many blocks the index may be behind and still be called ready.
const READY_LAG: u64 = 3;

/// A moment's knowledge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// What the index holds.
    pub indexed: Option<State>,
    /// URL of the node in use; `None` when none can be reached.
    pub node: Option<String>,
    /// That node's head; the last one known when none can be reached.
    pub head: Option<Head>,
    /// That node's facts.
    pub facts: NodeFacts,
    /// How many nodes of this chain answer.
    pub nodes: usize,
    /// What is wrong, for people; `None` when nothing is.
    pub problem: Option<String>,
}

impl Status {
    /// How many blocks the index is behind the node.
    pub fn lag(&self) -> u64 {
        let indexed = self.indexed.as_ref().map_or(0, |state| state.head.number);
        self.head.map_or(0, |head| head.number.saturating_sub(indexed))
    }

    /// Whether the pages show the chain as it is.
    pub fn ready(&self) -> bool {
        self.node.is_some() && self.indexed.is_some() && self.lag() <= READY_LAG
    }
}

/// Shared by the indexer, which writes, and the pages, which read.
pub struct Live {
    client: RpcClient,
    status: watch::Sender<Status>,
    calls: Semaphore,
    accounts: quick_cache::sync::Cache<(Address, B256), Arc<AccountState>>,
}

impl Live {
    /// Without any knowledge yet.
    pub fn new(client: RpcClient, indexed: Option<State>) -> Arc<Self> {
        let status = Status { indexed, ..Status::default() };
        Arc::new(Self {
            client,
            status: watch::Sender::new(status),
            calls: Semaphore::new(PAGE_CALLS),
            accounts: quick_cache::sync::Cache::new(ACCOUNTS),
        })
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Wakes when something changed.
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Changes what is known; watchers wake only if it is really different.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        });
    }

    /// The state of an account at the node's head; `None` when no node tells in time.
    pub async fn account(&self, address: Address) -> Option<Arc<AccountState>> {
        let (url, head) = self.target()?;
        if let Some(known) = self.accounts.get(&(address, head.hash)) {
            return Some(known);
        }
        let account = Arc::new(self.ask(self.client.account(&url, address)).await?);
        self.accounts.insert((address, head.hash), Arc::clone(&account));
        Some(account)
    }

    /// A transaction the index does not have: pending, or just mined. The outer `None` says that no node could tell.
    pub async fn transaction(&self, hash: B256) -> Option<Option<Transaction>> {
        let (url, _) = self.target()?;
        self.ask(self.client.transaction(&url, hash)).await
    }

    fn target(&self) -> Option<(String, Head)> {
        let status = self.status.borrow();
        Some((status.node.clone()?, status.head?))
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, crate::rpc::RpcError>>) -> Option<T> {
        let asked = async {
            // Never closed: an error cannot come.
            let _permit = self.calls.acquire().await.ok()?;
            question.await.inspect_err(|error| tracing::debug!(%error, "a page got no answer from the node")).ok()
        };
        tokio::time::timeout(PAGE_WAIT, asked).await.ok().flatten()
    }
}
