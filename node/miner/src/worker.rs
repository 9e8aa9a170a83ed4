//! The miner's loop: keeps the sealer working on a fresh block over the head, and submits what it seals.

use crate::{
    MinerError, PendingBlock,
    arrivals::{Arrivals, Built, SETTLED},
    build::{Contents, build},
    ommers::OmmerCandidates,
    search::SearchThreads,
    settings::{Settings, Shared, now},
};
use atoll_chain::{ChainEvent, Import, Origin};
use atoll_consensus::{Sealer, SealerInput, SealerOutput, Solution};
use atoll_primitives::{B256, Block, Header, SealedHeader};
use atoll_txpool::PoolTx;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};

/// How often time is looked at: a tenth of the timestamp's second.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between two samples of the hash counter.
const TICKS_PER_SAMPLE: u32 = 10;
/// A block is rebuilt for its timestamp's sake after at least this many times what building it took: rebuilding
/// then costs at most a twentieth of a core.
const REBUILD_COST: u32 = 20;
/// A block is full when less than this part of its gas is left.
const FULL_PART: u64 = 16;
/// Between two warnings that clocks differ.
const CLOCK_WARNING: Duration = Duration::from_secs(60);
/// How long to wait before building again after a failure that no event announces.
const RETRY: Duration = Duration::from_secs(1);

/// Everything that can wake the loop.
enum Wake {
    /// The chain: a new head, a side block, or that events were missed.
    Chain(Option<ChainEvent>),
    /// A transaction became pending.
    Pool,
    /// So many transactions had become pending a moment ago that the template has not seen.
    Unseen(usize),
    /// A search thread found a seal.
    Solution(Solution),
    /// Settings changed, or the miner is to stop.
    Changed,
    /// Time passed.
    Tick,
    /// The chain or the pool has shut down.
    Closed,
}

/// What the loop listens to, beside the search threads.
struct Ears {
    events: broadcast::Receiver<ChainEvent>,
    transactions: broadcast::Receiver<Arc<PoolTx>>,
    ticks: tokio::time::Interval,
}

impl Ears {
    fn new(shared: &Shared) -> Self {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + until_tick(), TICK);
        // A late tick does not shift those after it.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        Self { events: shared.chain.events(), transactions: shared.pool.subscribe(), ticks }
    }
}

/// Until the clock shows a tenth of a second: a block that waits for its timestamp is then searched for as soon as it comes.
fn until_tick() -> Duration {
    let tenth = TICK.as_nanos() as u32;
    // A clock before 1970 ticks anywhere.
    let into = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos() % tenth);
    Duration::from_nanos(u64::from(tenth - into))
}

/// What is being sealed.
struct Template {
    block: Arc<PendingBlock>,
    built: Instant,
    /// How long building took.
    cost: Duration,
}

/// The loop's state, on the miner's thread.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    sealer: Box<dyn Sealer>,
    /// Before `search`, so that it closes first: no search thread is then left waiting to report.
    solutions: mpsc::Receiver<Solution>,
    search: SearchThreads,
    recommit: Duration,
    ommers: OmmerCandidates,
    template: Option<Template>,
    /// Transactions of the pool that the template has not seen.
    arrivals: Arrivals,
    /// Whether the search threads have a job.
    is_searching: bool,
    retry_at: Option<Instant>,
    /// The parent on which our own block was refused: the next one on it is empty, so that no transaction, whatever
    /// it uncovers, stops the chain.
    refused_on: Option<B256>,
    ticks: u32,
    /// When clocks were last warned of.
    warned_at: Option<Instant>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sealer: Box<dyn Sealer>,
        search: SearchThreads,
        solutions: mpsc::Receiver<Solution>,
        recommit: Duration,
    ) -> Self {
        let ommers = OmmerCandidates::default();
        let (template, retry_at, refused_on, ticks, is_searching) = (None, None, None, 0, false);
        Self {
            shared,
            sealer,
            solutions,
            search,
            recommit,
            ommers,
            template,
            arrivals: Arrivals::default(),
            is_searching,
            retry_at,
            refused_on,
            ticks,
            warned_at: None,
        }
    }

    /// Runs until the miner is told to stop, then stops the search threads.
    pub(crate) fn run(mut self) {
        // A runtime of this thread's own, entered only to wait: building and importing happen outside of it.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the miner could not start");
                return;
            }
        };
        let mut ears = {
            let _entered = runtime.enter();
            Ears::new(&self.shared)
        };
        while !self.shared.is_stopping() {
            let wake = runtime.block_on(self.wait(&mut ears));
            self.arrivals.count(ears.transactions.len());
            match wake {
                Wake::Chain(event) => self.on_chain(event),
                Wake::Pool => self.arrivals.came(),
                Wake::Unseen(count) => self.arrivals.paused(count),
                Wake::Solution(found) => self.on_solution(found),
                Wake::Changed => self.on_changed(),
                Wake::Tick => self.on_tick(),
                Wake::Closed => break,
            }
            if self.wants_build() {
                // What has arrived until now is in the pool's snapshot.
                ears.transactions = ears.transactions.resubscribe();
                self.build();
            }
        }
        self.drop_template();
    }

    async fn wait(&mut self, ears: &mut Ears) -> Wake {
        tokio::select! {
            biased;
            () = self.shared.changed.notified() => Wake::Changed,
            Some(solution) = self.solutions.recv() => Wake::Solution(solution),
            event = ears.events.recv() => chain_wake(event),
            // One look is enough: how many come after it is told by how many wait there.
            event = ears.transactions.recv(), if !self.arrivals.any() => pool_wake(&event),
            _ = ears.ticks.tick() => Wake::Tick,
            () = tokio::time::sleep(SETTLED), if self.arrivals.any() => Wake::Unseen(ears.transactions.len()),
        }
    }

    fn on_chain(&mut self, event: Option<ChainEvent>) {
        match event {
            Some(ChainEvent::Head(change)) => {
                if change.origin == Origin::Peer {
                    self.compare_clocks(change.head.timestamp);
                }
                for block in &change.reverted {
                    self.ommers.add(block.hash, block.header().clone());
                }
                self.ommers.prune(change.head.number);
            }
            Some(ChainEvent::Side(block)) => self.ommers.add(block.hash, block.header().clone()),
            None => {}
        }
        // Whatever the event said, the chain's head decides: events queue while a block is built.
        if self.template.as_ref().is_some_and(|template| template.parent() != self.shared.chain.head().hash) {
            self.drop_template();
        }
        self.retry_at = None;
    }

    /// Miners do not seal ahead of their clocks: what arrives from the future tells that ours is late, or that somebody's
    /// is early.
    fn compare_clocks(&mut self, timestamp: u64) {
        let lead = timestamp.saturating_sub(now());
        if lead > 0 && self.warned_at.is_none_or(|at| at.elapsed() >= CLOCK_WARNING) {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                seconds = lead,
                "a peer's block is ahead of this machine's clock: a node whose clock is late mines less; synchronise the clocks"
            );
        }
    }

    fn on_changed(&mut self) {
        self.drop_template();
        self.retry_at = None;
    }

    fn on_tick(&mut self) {
        // A block that waits for its second and has become old is built anew first.
        let is_outdated = |template| self.is_open(template) && self.arrivals.outdate(self.built(template));
        if !self.template.as_ref().is_some_and(is_outdated) {
            self.step(SealerInput::Tick);
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_PER_SAMPLE) {
            self.shared.sample_hashes();
            metrics::gauge!("atoll_miner_hashrate").set(self.shared.hash_rate() as f64);
        }
    }

    fn on_solution(&mut self, Solution { nonce, mix_hash, seal_hash }: Solution) {
        self.step(SealerInput::Solution { nonce, mix_hash, seal_hash });
    }

    fn drop_template(&mut self) {
        self.template = None;
        self.step(SealerInput::Cancel);
    }

    /// Whether to build now: nothing is being sealed, or what is has become old.
    fn wants_build(&self) -> bool {
        let mining = self.shared.settings.lock().mining;
        if !mining || self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let Some(template) = &self.template else { return true };
        let built = self.built(template);
        let transactions = self.is_open(template) && self.arrivals.want(built, self.recommit);
        // The difficulty of a chain with a target block time falls with the time since the parent.
        let timestamp = now() > template.timestamp() && built.age >= template.cost * REBUILD_COST;
        transactions || timestamp
    }

    /// Whether transactions may go into a block in its place.
    fn is_open(&self, template: &Template) -> bool {
        self.refused_on != Some(template.parent())
    }

    fn built(&self, template: &Template) -> Built {
        let second = UNIX_EPOCH + Duration::from_secs(template.timestamp());
        let header = template.block.block.header();
        Built {
            is_full: header.gas_limit.saturating_sub(header.gas_used) < header.gas_limit / FULL_PART,
            transactions: template.block.block.block.body.transactions.len(),
            cost: template.cost,
            age: template.built.elapsed(),
            is_searching: self.is_searching,
            due: SystemTime::now().duration_since(second).ok(),
        }
    }

    fn build(&mut self) {
        self.arrivals.clear();
        let start = Instant::now();
        let settings: Settings = self.shared.settings.lock().clone();
        let head = self.shared.chain.head();
        let storage = self.shared.chain.storage();
        let ommers = self.ommers.select(self.shared.chain.spec(), &head, storage);
        let built = self.build_on(&settings, &head, ommers);
        if self.was_sealed() {
            return;
        }
        match built {
            Ok(block) => {
                let header = Box::new(block.block.header().clone());
                *self.shared.pending.lock() = Some((Instant::now(), Arc::clone(&block)));
                self.template = Some(Template { block, built: Instant::now(), cost: start.elapsed() });
                self.retry_at = None;
                self.step(SealerInput::Work { header });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no block could be built");
                self.drop_template();
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Whether the template was sealed while another was built in its place: a seal is worth more than what came since.
    fn was_sealed(&mut self) -> bool {
        let had_template = self.template.is_some();
        while let Ok(solution) = self.solutions.try_recv() {
            self.on_solution(solution);
        }
        had_template && self.template.is_none()
    }

    fn build_on(
        &self,
        settings: &Settings,
        head: &SealedHeader,
        ommers: Vec<Header>,
    ) -> Result<Arc<PendingBlock>, MinerError> {
        let contents = if self.refused_on == Some(head.hash) { Contents::Empty } else { Contents::FromPool };
        build(&self.shared, settings, head, ommers, contents, now()).map(Arc::new)
    }

    /// Feeds the sealer and does what it asks.
    fn step(&mut self, input: SealerInput) {
        for output in self.sealer.step(input, now()) {
            match output {
                SealerOutput::Search(job) => {
                    if let Some(template) = &self.template {
                        self.shared.work.offer(&job, &template.block);
                    }
                    self.search.set(Some(job));
                    self.is_searching = true;
                }
                SealerOutput::StopSearch => {
                    self.shared.work.withdraw();
                    self.search.set(None);
                    self.is_searching = false;
                }
                SealerOutput::Sealed(header) => self.submit(*header),
            }
        }
    }

    fn submit(&mut self, header: Header) {
        let Some(template) = self.template.take() else { return };
        if self.shared.chain.head().hash != template.parent() {
            tracing::debug!(number = header.number, "sealed too late: the head has moved");
            return;
        }
        let block = Block { header, body: template.block.block.block.body.clone() };
        let (number, transactions) = (block.header.number, block.body.transactions.len());
        let hash: B256 = block.header.hash_slow();
        match self.shared.chain.import(block, Origin::Own) {
            Ok(Import::Canonical) => {
                metrics::counter!("atoll_miner_blocks_total").increment(1);
                tracing::info!(number, %hash, transactions, "mined a block");
            }
            Ok(outcome) => tracing::debug!(number, %hash, ?outcome, "mined a block that is not canonical"),
            Err(error) => {
                tracing::error!(number, %hash, error = &error as &dyn std::error::Error, "own block was refused");
                self.refused_on = Some(template.parent());
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
    }
}

impl Template {
    fn parent(&self) -> B256 {
        self.block.block.header().parent_hash
    }

    fn timestamp(&self) -> u64 {
        self.block.block.header().timestamp
    }
}

fn chain_wake(event: Result<ChainEvent, RecvError>) -> Wake {
    match event {
        Ok(event) => Wake::Chain(Some(event)),
        Err(RecvError::Lagged(_)) => Wake::Chain(None),
        Err(RecvError::Closed) => Wake::Closed,
    }
}

fn pool_wake(event: &Result<Arc<PoolTx>, broadcast::error::RecvError>) -> Wake {
    match event {
        Ok(_) | Err(RecvError::Lagged(_)) => Wake::Pool,
        Err(RecvError::Closed) => Wake::Closed,
    }
}

#[cfg(test)]
mod tests;
