//! The registry's rules: who may register, renew and leave, and who is alive. No HTTP here.

use super::store::{Store, StoreError, Stored};
use crate::api::{ApiError, EntryJson, ErrorCode, NodeList, Status};
use crate::record::{Heartbeat, Leave, NodeRecord};
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Events a slow watcher may fall behind by; beyond that it gets a new snapshot instead.
const EVENT_BACKLOG: usize = 1024;

/// A network: its ID and its genesis hash.
pub(crate) type NetworkKey = (u64, B256);

/// A change a watcher of `network` is told.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Join(EntryJson),
    Update(EntryJson),
    Leave(B256),
}

/// Bounds of the registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub lease_ttl: Duration,
    pub max_records: usize,
    pub max_per_network: usize,
}

struct Known {
    stored: Stored,
    /// `None` once the lease ended; the record stays, for its counters, until room is needed.
    lease: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    known: BTreeMap<B256, Known>,
    counts: Status,
}

/// The records in memory, written through to the store.
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    store: Store,
    limits: Limits,
    changes: broadcast::Sender<(NetworkKey, Change)>,
}

fn network(record: &NodeRecord) -> NetworkKey {
    (record.info.network_id, record.info.genesis_hash)
}

impl Known {
    fn alive(&self, now: Instant) -> bool {
        self.lease.is_some_and(|end| end > now)
    }

    fn json(&self, now: Instant) -> EntryJson {
        let left = self.lease.map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        EntryJson::new(&self.stored.record, self.stored.head, left)
    }
}

impl Registry {
    /// Loads the store. Nodes that had not left get a fresh lease: that this service was down says nothing about them.
    pub fn open(store: Store, limits: Limits) -> Result<Self, StoreError> {
        let now = Instant::now();
        let mut inner = Inner::default();
        for stored in store.load()? {
            let lease = (!stored.left).then(|| now + limits.lease_ttl);
            inner.known.insert(stored.record.id(), Known { stored, lease });
        }
        Ok(Self { inner: Mutex::new(inner), store, limits, changes: broadcast::Sender::new(EVENT_BACKLOG) })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn subscribe(&self) -> broadcast::Receiver<(NetworkKey, Change)> {
        self.changes.subscribe()
    }

    /// Registers or replaces a record. The caller has still to wait for [`Self::flush`] before it acknowledges.
    pub fn register(&self, record: NodeRecord, beat: &Heartbeat) -> Result<(), ApiError> {
        let id = record.id();
        if beat.id != id {
            return Err(ApiError::new(ErrorCode::Invalid, format!("heartbeat is of {}, record of {id}", beat.id)));
        }
        beat.verify(record.public_key()).map_err(invalid)?;
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let before = inner.known.get(&id);
        let was_alive = before.is_some_and(|known| known.alive(now));
        let moved_from = before.map(|known| network(&known.stored.record)).filter(|old| *old != network(&record));
        if let Some(known) = before {
            check_seq(&known.stored.record, &record)?;
            check_counter(&known.stored, beat.counter)?;
        }
        if !was_alive || moved_from.is_some() {
            self.check_room(&inner, &record, now)?;
        }
        if before.is_none() && inner.known.len() >= self.limits.max_records {
            self.evict(&mut inner, now)?;
        }
        let key = network(&record);
        let stored = Stored { record, counter: beat.counter, head: beat.head, left: false };
        self.store.put(&stored).map_err(internal)?;
        let known = Known { stored, lease: Some(now + self.limits.lease_ttl) };
        let json = known.json(now);
        inner.known.insert(id, known);
        inner.counts.registrations += 1;
        if let Some(old) = moved_from.filter(|_| was_alive) {
            self.tell(old, Change::Leave(id));
        }
        let joins = !was_alive || moved_from.is_some();
        self.tell(key, if joins { Change::Join(json) } else { Change::Update(json) });
        Ok(())
    }

    /// Renews a live lease and takes over the head.
    ///
    /// The counter is written without waiting for the disk: a crash forgets at most the last half second of
    /// heartbeats, and what could be sent again then is a head that was true a moment ago.
    pub fn heartbeat(&self, beat: &Heartbeat) -> Result<(), ApiError> {
        let now = Instant::now();
        let key = self.public_key(&beat.id, now)?;
        // Checked without the lock: verification is the slow part.
        beat.verify(&key).map_err(invalid)?;
        let mut inner = self.inner.lock();
        let known = inner.known.get_mut(&beat.id).filter(|known| known.alive(now)).ok_or_else(|| unknown(&beat.id))?;
        check_counter(&known.stored, beat.counter)?;
        let moved = known.stored.head != beat.head;
        known.stored.counter = beat.counter;
        known.stored.head = beat.head;
        known.lease = Some(now + self.limits.lease_ttl);
        self.store.put(&known.stored).map_err(internal)?;
        let (network, json) = (network(&known.stored.record), moved.then(|| known.json(now)));
        inner.counts.heartbeats += 1;
        if let Some(json) = json {
            self.tell(network, Change::Update(json));
        }
        Ok(())
    }

    /// Ends a lease at its holder's word.
    pub fn leave(&self, leave: &Leave) -> Result<(), ApiError> {
        let now = Instant::now();
        let key = self.public_key(&leave.id, now)?;
        leave.verify(&key).map_err(invalid)?;
        let mut inner = self.inner.lock();
        let known = inner.known.get_mut(&leave.id).ok_or_else(|| unknown(&leave.id))?;
        check_counter(&known.stored, leave.counter)?;
        known.stored.counter = leave.counter;
        known.stored.left = true;
        known.lease = None;
        self.store.put(&known.stored).map_err(internal)?;
        let network = network(&known.stored.record);
        inner.counts.leaves += 1;
        self.tell(network, Change::Leave(leave.id));
        Ok(())
    }

    /// Ends the leases that ran out.
    pub fn expire(&self) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let Inner { known, counts } = &mut *inner;
        for (id, entry) in known.iter_mut().filter(|(_, entry)| entry.lease.is_some_and(|end| end <= now)) {
            entry.lease = None;
            counts.expirations += 1;
            tracing::info!(%id, name = %entry.stored.record.info.name, "lease ran out");
            self.tell(network(&entry.stored.record), Change::Leave(*id));
        }
    }

    /// Who is alive on a network.
    pub fn list(&self, key: NetworkKey) -> NodeList {
        let now = Instant::now();
        let inner = self.inner.lock();
        let alive = inner.known.values().filter(|known| known.alive(now) && network(&known.stored.record) == key);
        NodeList { nodes: alive.map(|known| known.json(now)).collect() }
    }

    /// Counts since the start.
    pub fn status(&self) -> Status {
        let now = Instant::now();
        let inner = self.inner.lock();
        let alive: Vec<_> = inner.known.values().filter(|known| known.alive(now)).collect();
        let networks: BTreeSet<_> = alive.iter().map(|known| network(&known.stored.record)).collect();
        Status { live: alive.len(), records: inner.known.len(), networks: networks.len(), ..inner.counts }
    }

    pub fn count_refusal(&self) {
        self.inner.lock().counts.refusals += 1;
    }

    /// Waits until everything accepted before is on disk.
    pub async fn flush(&self) -> Result<(), ApiError> {
        self.store.flush().await.map_err(internal)
    }

    fn public_key(&self, id: &B256, now: Instant) -> Result<[u8; 33], ApiError> {
        let inner = self.inner.lock();
        let known = inner.known.get(id).filter(|known| known.alive(now)).ok_or_else(|| unknown(id))?;
        Ok(*known.stored.record.public_key())
    }

    fn check_room(&self, inner: &Inner, record: &NodeRecord, now: Instant) -> Result<(), ApiError> {
        let key = network(record);
        let peers = inner.known.values().filter(|known| known.alive(now) && network(&known.stored.record) == key);
        let (found, max) = (peers.count(), self.limits.max_per_network);
        if found >= max {
            let message = format!("network {} has {found} participants; the most is {max}", key.0);
            return Err(ApiError::new(ErrorCode::Full, message));
        }
        Ok(())
    }

    /// Makes room by forgetting a node without a lease: the one with the oldest counter.
    fn evict(&self, inner: &mut Inner, now: Instant) -> Result<(), ApiError> {
        let idle = inner.known.iter().filter(|(_, known)| !known.alive(now));
        let Some(id) = idle.min_by_key(|(_, known)| known.stored.counter).map(|(id, _)| *id) else {
            let message = format!("the registry holds {} live records, which is its most", inner.known.len());
            return Err(ApiError::new(ErrorCode::Full, message));
        };
        self.store.remove(&id).map_err(internal)?;
        inner.known.remove(&id);
        Ok(())
    }

    /// Called under the lock, so that watchers see changes in the order they happened.
    fn tell(&self, network: NetworkKey, change: Change) {
        // Fails only when nobody watches.
        let _ = self.changes.send((network, change));
    }
}

fn check_seq(stored: &NodeRecord, offered: &NodeRecord) -> Result<(), ApiError> {
    let same = stored.seq == offered.seq && stored.info == offered.info;
    if offered.seq > stored.seq || same {
        return Ok(());
    }
    Err(ApiError::stale(ErrorCode::StaleSeq, "sequence number", stored.seq, offered.seq))
}

fn check_counter(stored: &Stored, offered: u64) -> Result<(), ApiError> {
    if offered > stored.counter {
        return Ok(());
    }
    Err(ApiError::stale(ErrorCode::StaleCounter, "counter", stored.counter, offered))
}

fn unknown(id: &B256) -> ApiError {
    ApiError::new(ErrorCode::UnknownNode, format!("no live lease of {id}; register first"))
}

fn invalid(error: crate::record::RecordError) -> ApiError {
    ApiError::new(ErrorCode::Invalid, error.to_string())
}

fn internal(error: StoreError) -> ApiError {
    tracing::error!(%error, "the registry cannot store");
    ApiError::new(ErrorCode::Internal, "the registry cannot store")
}
