//! How far an import is: for whoever shows progress, from another thread. It must not print.

use parking_lot::Mutex;
use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

/// What of a file is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of the last block done.
    pub number: u64,
    /// Blocks done, those known before included.
    pub blocks: u64,
    /// Those of them that were known before.
    pub known: u64,
    /// Transactions in those that were new.
    pub transactions: u64,
    /// Bytes of the file, as it is stored.
    pub bytes: u64,
}

/// Counts what is done of a file.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: Tally,
    /// The blocks being imported, each with the tally once it is.
    batch: Vec<Tally>,
}

impl Meter {
    /// What is done, when the chain's newest block is `head`: blocks of the batch being imported count up to it.
    pub fn tally(&self, head: u64) -> Tally {
        let state = self.state.lock();
        let done = state.batch.partition_point(|tally| tally.number <= head);
        done.checked_sub(1).and_then(|last| state.batch.get(last)).copied().unwrap_or(state.done)
    }

    /// A reader whose bytes are counted.
    pub(super) fn counted<R: Read>(&self, reader: R) -> Counted<'_, R> {
        Counted { reader, read: &self.read }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// An import of blocks begins; each comes with the tally at its end.
    pub(super) fn begin(&self, batch: Vec<Tally>) {
        self.state.lock().batch = batch;
    }

    /// All up to here is done.
    pub(super) fn reach(&self, tally: Tally) {
        *self.state.lock() = State { done: tally, batch: Vec::new() };
    }
}

/// Counts what is read through it.
pub(super) struct Counted<'a, R> {
    reader: R,
    read: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
