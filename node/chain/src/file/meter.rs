//! How far an import is: for whoever shows progress, from another thread. It must not print.

use parking_lot::Mutex;
use std::{
    collections::VecDeque,
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
    /// The blocks on their way through the chain's pipeline, each with the tally once it is done; as many as the
    /// pipeline holds.
    under_way: VecDeque<Tally>,
}

impl Meter {
    /// What is done.
    pub fn tally(&self) -> Tally {
        self.state.lock().done
    }

    /// A reader whose bytes are counted.
    pub(super) fn counted<R: Read>(&self, reader: R) -> Counted<'_, R> {
        Counted { reader, read: &self.read }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// A block goes into the pipeline; `tally` holds when it comes out.
    pub(super) fn begin(&self, tally: Tally) {
        self.state.lock().under_way.push_back(tally);
    }

    /// A known block was passed over.
    pub(super) fn pass(&self, tally: Tally) {
        let mut state = self.state.lock();
        if state.under_way.is_empty() {
            state.done = tally;
        }
    }

    /// The block of this number is done, and all before it.
    pub(super) fn done(&self, number: u64) {
        let mut state = self.state.lock();
        while let Some(tally) = state.under_way.pop_front() {
            state.done = tally;
            if tally.number == number {
                return;
            }
        }
    }

    /// Everything read is done.
    pub(super) fn finish(&self, tally: Tally) {
        *self.state.lock() = State { done: tally, under_way: VecDeque::new() };
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
