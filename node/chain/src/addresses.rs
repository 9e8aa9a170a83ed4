//! The index of addresses, kept up by a thread that executes every block once more to see whom its transactions
//! involve. It must not know what the index is asked for, nor hold up imports.
//!
//! Blocks that are persisted go into the storage's index, a batch at a time, and how far it reaches tells where to go on
//! after a stop. What lies above is kept here by the block's hash, so that a reorganisation only changes which of it
//! counts.

use crate::InternalError;
use atoll_executor::{StateDb, block_addresses};
use atoll_primitives::{Address, B256, ChainSpec, primitives::map::B256Map};
use atoll_storage::{BlockAddresses, Progress, Storage, StorageError, TxPlace};
use parking_lot::{Condvar, Mutex};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Persisted blocks that gather before they are worth a batch.
const MIN_BLOCKS: u64 = 16;
/// A batch ends with as many blocks, or entries: bounds its memory.
const MAX_BLOCKS: usize = 256;
const MAX_ENTRIES: usize = 500_000;
/// Blocks behind the head at which a search is not worth waiting for: the history is still being read.
const FAR_BEHIND: u64 = 4096;
/// How often to look for blocks that were persisted meanwhile, of which nothing tells.
const PAUSE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);
const REPORT: Duration = Duration::from_secs(5);

/// Why a search found nothing out.
#[derive(Debug, thiserror::Error)]
pub enum AddressIndexError {
    /// The index has not come far enough yet.
    #[error("the index of addresses has reached block {indexed} of {head}; try again later")]
    Behind {
        /// The last block it holds.
        indexed: u64,
        /// The head.
        head: u64,
    },
    /// It cannot be read.
    #[error("the index of addresses cannot be read")]
    Storage(#[from] StorageError),
}

/// Which way a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To older blocks.
    Before,
    /// To newer blocks.
    After,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPage {
    /// The newest first. The last block is complete, so there may be more than were asked for.
    pub places: Vec<TxPlace>,
    /// Whether there are others further on in the direction of the search.
    pub more: bool,
}

#[derive(Default)]
struct State {
    stop: bool,
    woken: bool,
    /// Blocks above the storage's index: at most those that wait for a flush and some more, side blocks included.
    recent: B256Map<Arc<BlockAddresses>>,
}

struct Inner {
    spec: Arc<ChainSpec>,
    storage: Storage,
    state: Mutex<State>,
    changed: Condvar,
}

/// The index. Clones share it.
#[derive(Clone)]
pub struct AddressIndex {
    inner: Arc<Inner>,
}

/// Adds every persisted block, here and now, to an index that nobody else keeps up.
pub(crate) fn index_persisted(
    spec: Arc<ChainSpec>,
    storage: Storage,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), InternalError> {
    let inner = Inner { spec, storage, state: Mutex::default(), changed: Condvar::new() };
    let (mut reported, base) = (Instant::now(), inner.storage.base().number);
    loop {
        let end = inner.end();
        progress(Progress { part: "index of addresses", done: end, total: Some(base) });
        if end >= base {
            return Ok(());
        }
        inner.persist(end, base, &mut reported)?;
    }
}

/// The thread that keeps it up. Dropping this stops the thread.
pub(crate) struct Indexer {
    index: AddressIndex,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Indexer {
    pub(crate) fn start(spec: Arc<ChainSpec>, storage: Storage) -> io::Result<Self> {
        let inner = Inner { spec, storage, state: Mutex::default(), changed: Condvar::new() };
        let index = AddressIndex { inner: Arc::new(inner) };
        let theirs = Arc::clone(&index.inner);
        let thread = thread::Builder::new().name("address-index".into()).spawn(move || run(&theirs))?;
        Ok(Self { index, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn index(&self) -> &AddressIndex {
        &self.index
    }

    /// The head moved.
    pub(crate) fn wake(&self) {
        self.index.inner.state.lock().woken = true;
        self.index.inner.changed.notify_all();
    }

    /// Stops the thread and waits for the block under way.
    pub(crate) fn stop(&self) {
        self.index.inner.state.lock().stop = true;
        self.index.inner.changed.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the address index ended in a panic");
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(inner: &Inner) {
    let mut reported = Instant::now();
    loop {
        let pause = match inner.step(&mut reported) {
            Ok(true) => Duration::ZERO,
            Ok(false) => PAUSE,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "blocks cannot be added to the index of addresses; trying again");
                RETRY
            }
        };
        let mut state = inner.state.lock();
        if !pause.is_zero() && !state.stop && !state.woken {
            inner.changed.wait_for(&mut state, pause);
        }
        state.woken = false;
        if state.stop {
            return;
        }
    }
}

impl Inner {
    fn end(&self) -> u64 {
        self.storage.addresses_end().unwrap_or(0)
    }

    fn stopped(&self) -> bool {
        self.state.lock().stop
    }

    /// Adds what there is to add; whether there may be more at once.
    fn step(&self, reported: &mut Instant) -> Result<bool, InternalError> {
        let (end, base) = (self.end(), self.storage.base().number);
        if base.saturating_sub(end) >= MIN_BLOCKS {
            return self.persist(end, base, reported);
        }
        for number in end + 1..=self.storage.head_number() {
            if self.stopped() {
                return Ok(false);
            }
            // The chain was unwound meanwhile.
            let Some(hash) = self.storage.canonical_hash(number)? else { return Ok(true) };
            if self.state.lock().recent.contains_key(&hash) {
                continue;
            }
            let Some(block) = self.execute_canonical(number, hash)? else { return Ok(true) };
            self.state.lock().recent.insert(hash, block);
            self.changed.notify_all();
        }
        self.forget_side_blocks()?;
        Ok(false)
    }

    /// Moves persisted blocks into the storage's index.
    fn persist(&self, end: u64, base: u64, reported: &mut Instant) -> Result<bool, InternalError> {
        let mut blocks = Vec::new();
        let mut entries = 0;
        for number in end + 1..=base {
            if self.stopped() || blocks.len() >= MAX_BLOCKS || entries >= MAX_ENTRIES {
                break;
            }
            let Some(hash) = self.storage.canonical_hash(number)? else { return Ok(true) };
            let known = self.state.lock().recent.get(&hash).cloned();
            let block = known.map_or_else(|| self.execute_canonical(number, hash), |block| Ok(Some(block)))?;
            let Some(block) = block else { return Ok(true) };
            entries += block.len();
            blocks.push(block);
        }
        if self.storage.index_addresses(&blocks)? {
            let end = self.end();
            self.state.lock().recent.retain(|_, block| block.number() > end);
            self.changed.notify_all();
            if reported.elapsed() >= REPORT && base - end > MIN_BLOCKS {
                *reported = Instant::now();
                tracing::info!(block = end, of = base, "building the index of addresses");
            }
        }
        Ok(true)
    }

    /// `None` if a reorganisation took the block, and with it perhaps its parent's state, away meanwhile.
    fn execute_canonical(&self, number: u64, hash: B256) -> Result<Option<Arc<BlockAddresses>>, InternalError> {
        match self.execute(hash) {
            Err(_) if self.storage.canonical_hash(number)? != Some(hash) => Ok(None),
            executed => executed.map(Some),
        }
    }

    fn execute(&self, hash: B256) -> Result<Arc<BlockAddresses>, InternalError> {
        let block = self.storage.block(&hash)?.ok_or(InternalError::Missing { hash })?;
        let parent = block.header().parent_hash;
        let state = self.storage.state_at(&parent)?.ok_or(InternalError::NoState { parent })?;
        let db = StateDb::new(state, Arc::new(self.storage.clone()));
        let found = block_addresses(&self.spec, db, &block);
        let found = found.map_err(|error| InternalError::Replay { hash, source: Box::new(error) })?;
        Ok(Arc::new(BlockAddresses::new(hash, block.number(), found)))
    }

    fn forget_side_blocks(&self) -> Result<(), InternalError> {
        let span = self.storage.head_number().saturating_sub(self.end()) as usize;
        let kept: Vec<_> = self.state.lock().recent.values().cloned().collect();
        if kept.len() <= span * 2 + 64 {
            return Ok(());
        }
        for block in kept {
            if self.storage.canonical_hash(block.number())? != Some(block.hash()) {
                self.state.lock().recent.remove(&block.hash());
            }
        }
        Ok(())
    }
}

/// The index as of one head: what the storage holds up to `end`, and the blocks above it, ascending.
struct View<'a> {
    storage: &'a Storage,
    end: u64,
    recent: Vec<Arc<BlockAddresses>>,
}

impl View<'_> {
    /// Some places from `from` on, in the direction; none only if there are none.
    fn places(
        &self,
        address: &Address,
        direction: Direction,
        from: TxPlace,
        limit: usize,
    ) -> Result<Vec<TxPlace>, StorageError> {
        let recent = self.recent.iter();
        match direction {
            Direction::Before => {
                let recent = recent.rev().filter(|block| block.number() <= from.block);
                let recent = recent.flat_map(|block| block.places(address).rev()).filter(|place| *place <= from);
                let found: Vec<_> = recent.take(limit).collect();
                if found.is_empty() {
                    return self.storage.addresses_before(address, from.min(TxPlace::last_of(self.end)), limit);
                }
                Ok(found)
            }
            Direction::After => {
                if from.block <= self.end {
                    let mut found = self.storage.addresses_after(address, from, limit)?;
                    // What was persisted meanwhile is in `recent` as well.
                    found.retain(|place| place.block <= self.end);
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                let recent = recent.filter(|block| block.number() >= from.block);
                let recent = recent.flat_map(|block| block.places(address)).filter(|place| *place >= from);
                Ok(recent.take(limit).collect())
            }
        }
    }
}

impl AddressIndex {
    /// Transactions that involve an address, from the block next to `block` on; from the head, or from the first block,
    /// without one. Ends with the block in which `count` are found.
    ///
    /// # Errors
    /// [`AddressIndexError::Behind`] if the index does not reach the head before `deadline`.
    pub fn search(
        &self,
        address: &Address,
        direction: Direction,
        block: Option<u64>,
        count: usize,
        deadline: Instant,
    ) -> Result<AddressPage, AddressIndexError> {
        let view = self.view(deadline)?;
        let mut next = match (direction, block) {
            (Direction::Before, None) => Some(TxPlace::last_of(self.inner.storage.head_number())),
            (Direction::Before, Some(block)) => block.checked_sub(1).map(TxPlace::last_of),
            (Direction::After, block) => block.map_or(Some(0), |block| block.checked_add(1)).map(TxPlace::first_of),
        };
        let mut page = AddressPage { places: Vec::new(), more: false };
        'search: while let Some(from) = next {
            let found = view.places(address, direction, from, count.saturating_add(1))?;
            for place in &found {
                let full = page.places.len() >= count;
                if full && page.places.last().is_some_and(|last: &TxPlace| last.block != place.block) {
                    page.more = true;
                    break 'search;
                }
                page.places.push(*place);
            }
            next = found.last().and_then(|last| match direction {
                Direction::Before => last.before(),
                Direction::After => last.after(),
            });
        }
        if direction == Direction::After {
            page.places.reverse();
        }
        Ok(page)
    }

    /// Waits until the index has come to the head.
    fn view(&self, deadline: Instant) -> Result<View<'_>, AddressIndexError> {
        let storage = &self.inner.storage;
        let mut state = self.inner.state.lock();
        loop {
            // Before the blocks above it: what is persisted meanwhile leaves them after it is in the index.
            let (end, head) = (self.inner.end(), storage.head_number());
            let mut recent = Vec::new();
            for number in end + 1..=head {
                let hash = storage.canonical_hash(number)?;
                let Some(block) = hash.and_then(|hash| state.recent.get(&hash)) else { break };
                recent.push(Arc::clone(block));
            }
            let indexed = end + recent.len() as u64;
            if indexed >= head {
                return Ok(View { storage, end, recent });
            }
            let hopeless = state.stop || head - indexed > FAR_BEHIND;
            if hopeless || self.inner.changed.wait_until(&mut state, deadline).timed_out() {
                return Err(AddressIndexError::Behind { indexed, head });
            }
        }
    }
}
