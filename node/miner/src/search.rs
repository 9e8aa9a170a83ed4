//! Search threads: they try nonces for a share of their time and rest for the remainder.
//!
//! They know a job and where to report a solution; blocks and chains are not their business.

use crate::settings::Shared;
use atoll_consensus::{SearchJob, Searcher, Solution};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// One turn of searching and resting. Short, so that a low share still answers new work soon and the load is even.
const PERIOD: Duration = Duration::from_millis(40);
/// Nonces between two looks at the clock and at the job: under a millisecond over a dataset in memory.
const BATCH: u64 = 128;

/// What the threads search for now. `generation` counts the changes.
#[derive(Default)]
struct Board {
    generation: u64,
    job: Option<SearchJob>,
    closed: bool,
}

struct Desk {
    board: Mutex<Board>,
    changed: Condvar,
}

/// A set of search threads.
pub(crate) struct SearchThreads {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

impl SearchThreads {
    /// Starts idle threads. Solutions go to `solutions`; a thread waits while it is full.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        count: usize,
        cpu_share: f64,
        solutions: &mpsc::Sender<Solution>,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk { board: Mutex::default(), changed: Condvar::new() });
        let mut this = Self { desk, threads: Vec::with_capacity(count) };
        for index in 0..count {
            let thread = SearchThread {
                desk: Arc::clone(&this.desk),
                shared: Arc::clone(shared),
                solutions: solutions.clone(),
                work: PERIOD.mul_f64(cpu_share),
                rest: PERIOD.mul_f64(1.0 - cpu_share),
                // Threads and nodes start far apart, so that they do not try the same nonces.
                nonce: rand::random(),
            };
            let name = format!("search-{index}");
            this.threads.push(std::thread::Builder::new().name(name).spawn(move || thread.run())?);
        }
        Ok(this)
    }

    /// Search for this instead, or for nothing.
    pub(crate) fn set(&self, job: Option<SearchJob>) {
        let mut board = self.desk.board.lock();
        board.generation += 1;
        board.job = job;
        self.desk.changed.notify_all();
    }
}

impl Drop for SearchThreads {
    fn drop(&mut self) {
        self.desk.board.lock().closed = true;
        self.desk.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a search thread panicked");
            }
        }
    }
}

struct SearchThread {
    desk: Arc<Desk>,
    shared: Arc<Shared>,
    solutions: mpsc::Sender<Solution>,
    work: Duration,
    rest: Duration,
    nonce: u64,
}

impl SearchThread {
    fn run(mut self) {
        while let Some((generation, job)) = self.next_job() {
            // Builds the dataset on an epoch's first job; the threads wait for one build.
            let searcher = job.searcher();
            while let Turn::NothingYet = self.turn(generation, &searcher) {
                if !self.rest(generation) {
                    break;
                }
            }
        }
    }

    /// Waits for a job; `None` once closed.
    fn next_job(&self) -> Option<(u64, SearchJob)> {
        let mut board = self.desk.board.lock();
        loop {
            if board.closed {
                return None;
            }
            if let Some(job) = &board.job {
                return Some((board.generation, job.clone()));
            }
            self.desk.changed.wait(&mut board);
        }
    }

    /// Searches for one turn's share of time.
    fn turn(&mut self, generation: u64, searcher: &Searcher) -> Turn {
        let start = Instant::now();
        loop {
            let found = searcher.search(self.nonce, BATCH);
            self.nonce = self.nonce.wrapping_add(BATCH);
            self.shared.hashes.fetch_add(BATCH, Ordering::Relaxed);
            if let Some(solution) = found {
                self.report(generation, solution);
                return Turn::Over;
            }
            if self.is_stale(generation) {
                return Turn::Over;
            }
            if start.elapsed() >= self.work {
                return Turn::NothingYet;
            }
        }
    }

    fn is_stale(&self, generation: u64) -> bool {
        let board = self.desk.board.lock();
        board.closed || board.generation != generation
    }

    /// One seal is enough: takes the job off the board, then reports.
    fn report(&self, generation: u64, solution: Solution) {
        let mut board = self.desk.board.lock();
        if board.generation != generation {
            return;
        }
        board.generation += 1;
        board.job = None;
        drop(board);
        // An error means that the worker has gone, which closes the board next.
        let _ = self.solutions.blocking_send(solution);
    }

    /// Rests; false if the job changed meanwhile.
    fn rest(&self, generation: u64) -> bool {
        let until = Instant::now() + self.rest;
        let mut board = self.desk.board.lock();
        while !board.closed && !self.desk.changed.wait_until(&mut board, until).timed_out() {}
        !board.closed && board.generation == generation
    }
}

enum Turn {
    NothingYet,
    /// A seal was found, or the job changed.
    Over,
}
