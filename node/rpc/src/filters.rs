//! Polled filters: what happened since the client last asked. It must not know how the chain works.
//!
//! Filters live on one node; behind a load balancer the balancer keeps a client on it.

use crate::{
    RpcError,
    feed::{FeedLog, HeadUpdate},
    logs::LogFilter,
};
use atoll_primitives::B256;
use atoll_txpool::PoolTx;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Items a filter keeps between two polls. One that holds more is dropped: the client then gets "filter not
/// found", makes a new one and knows that it missed something.
const MAX_ITEMS: usize = 50_000;
/// Items of all filters together. Beyond it the fullest filter is dropped.
const MAX_ALL_ITEMS: usize = 1_000_000;

/// What a filter collects.
enum Kind {
    Blocks(Vec<B256>),
    Transactions { full: bool, found: Vec<Arc<PoolTx>> },
    Logs { filter: Box<LogFilter>, found: Vec<Arc<FeedLog>> },
}

impl Kind {
    fn len(&self) -> usize {
        match self {
            Self::Blocks(found) => found.len(),
            Self::Transactions { found, .. } => found.len(),
            Self::Logs { found, .. } => found.len(),
        }
    }
}

/// What a poll returns.
pub(crate) enum Changes {
    Hashes(Vec<B256>),
    Transactions(Vec<Arc<PoolTx>>),
    Logs(Vec<Arc<FeedLog>>),
}

struct Entry {
    kind: Kind,
    polled: Instant,
}

/// All filters of all clients, by ID.
pub(crate) struct Filters {
    entries: Mutex<HashMap<String, Entry>>,
    limit: usize,
    /// A filter nobody polls for so long is dropped.
    expiry: Duration,
}

/// An unguessable ID as geth makes them, so that one client cannot poll another's filter.
pub(crate) fn random_id() -> String {
    format!("{:#x}", rand::random::<u128>())
}

impl Filters {
    pub(crate) fn new(limit: usize, expiry: Duration) -> Self {
        Self { entries: Mutex::default(), limit, expiry }
    }

    pub(crate) fn add_blocks(&self, now: Instant) -> Result<String, RpcError> {
        self.add(Kind::Blocks(Vec::new()), now)
    }

    pub(crate) fn add_transactions(&self, full: bool, now: Instant) -> Result<String, RpcError> {
        self.add(Kind::Transactions { full, found: Vec::new() }, now)
    }

    pub(crate) fn add_logs(&self, filter: LogFilter, now: Instant) -> Result<String, RpcError> {
        filter.check_size()?;
        self.add(Kind::Logs { filter: Box::new(filter), found: Vec::new() }, now)
    }

    fn add(&self, kind: Kind, now: Instant) -> Result<String, RpcError> {
        self.expire(now);
        let mut entries = self.entries.lock();
        if entries.len() >= self.limit {
            return Err(RpcError::TooManyFilters { limit: self.limit });
        }
        let id = random_id();
        entries.insert(id.clone(), Entry { kind, polled: now });
        Ok(id)
    }

    /// What came since the last poll.
    pub(crate) fn poll(&self, id: &str, now: Instant) -> Result<Changes, RpcError> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(id).ok_or(RpcError::FilterNotFound)?;
        entry.polled = now;
        Ok(match &mut entry.kind {
            Kind::Blocks(found) => Changes::Hashes(std::mem::take(found)),
            Kind::Transactions { full: true, found } => Changes::Transactions(std::mem::take(found)),
            Kind::Transactions { full: false, found } => {
                Changes::Hashes(std::mem::take(found).iter().map(|tx| tx.hash()).collect())
            }
            Kind::Logs { found, .. } => Changes::Logs(std::mem::take(found)),
        })
    }

    /// The criteria of a log filter.
    pub(crate) fn log_filter(&self, id: &str, now: Instant) -> Result<LogFilter, RpcError> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(id).ok_or(RpcError::FilterNotFound)?;
        entry.polled = now;
        match &entry.kind {
            Kind::Logs { filter, .. } => Ok((**filter).clone()),
            _ => Err(RpcError::FilterNotFound),
        }
    }

    /// Whether there was such a filter.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.entries.lock().remove(id).is_some()
    }

    pub(crate) fn clear(&self) {
        self.entries.lock().clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.lock().is_empty()
    }

    /// Drops filters nobody polls.
    pub(crate) fn expire(&self, now: Instant) {
        self.entries.lock().retain(|_, entry| now.saturating_duration_since(entry.polled) < self.expiry);
    }

    pub(crate) fn on_head(&self, update: &HeadUpdate) {
        self.update(|kind| match kind {
            Kind::Blocks(found) => found.extend(update.applied().map(|block| block.hash)),
            Kind::Logs { filter, found } => {
                found.extend(update.logs().iter().filter(|log| filter.wants(&log.log)).cloned());
            }
            Kind::Transactions { .. } => {}
        });
    }

    pub(crate) fn on_transactions(&self, transactions: &[Arc<PoolTx>]) {
        self.update(|kind| {
            if let Kind::Transactions { found, .. } = kind {
                found.extend_from_slice(transactions);
            }
        });
    }

    fn update(&self, mut change: impl FnMut(&mut Kind)) {
        let mut entries = self.entries.lock();
        entries.retain(|_, entry| {
            change(&mut entry.kind);
            entry.kind.len() <= MAX_ITEMS
        });
        let mut all: usize = entries.values().map(|entry| entry.kind.len()).sum();
        while all > MAX_ALL_ITEMS {
            let fullest = entries.iter().max_by_key(|(_, entry)| entry.kind.len()).map(|(id, _)| id.clone());
            let Some(dropped) = fullest.and_then(|id| entries.remove(&id)) else { return };
            all -= dropped.kind.len();
        }
    }
}

#[cfg(test)]
mod tests;
