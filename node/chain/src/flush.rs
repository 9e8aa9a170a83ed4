//! The thread that moves buried blocks from memory into the tables. It must not know blocks: the storage says when
//! there is something to move.

use crate::InternalError;
use atoll_storage::Storage;
use parking_lot::{Condvar, Mutex};
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// Blocks above the base at which imports wait for the flush: the bound on memory for unflushed state.
const MAX_UNFLUSHED: u64 = 2048;
/// Pause after a failed flush.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    stop: bool,
    failing: bool,
}

#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

/// The thread's handle. Dropping it stops the thread without writing anything more.
pub(crate) struct Flusher {
    signal: Arc<Signal>,
    storage: Storage,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Flusher {
    pub(crate) fn start(storage: Storage) -> io::Result<Self> {
        let signal = Arc::new(Signal::default());
        let (theirs, ours) = (signal.clone(), storage.clone());
        let thread = thread::Builder::new().name("flush".into()).spawn(move || run(&theirs, &ours))?;
        Ok(Self { signal, storage, thread: Mutex::new(Some(thread)) })
    }

    /// The head moved: there may be something to do.
    pub(crate) fn wake(&self) {
        self.signal.state.lock().wanted = true;
        self.signal.changed.notify_all();
    }

    /// Waits until the flush has caught up enough for one more block.
    pub(crate) fn wait_for_room(&self) -> Result<(), InternalError> {
        let mut state = self.signal.state.lock();
        while self.unflushed() > MAX_UNFLUSHED && !state.stop {
            if state.failing {
                return Err(InternalError::FlushFails);
            }
            state.wanted = true;
            self.signal.changed.notify_all();
            // A time limit, because the base moves without a signal when someone else flushes.
            self.signal.changed.wait_for(&mut state, Duration::from_millis(100));
        }
        Ok(())
    }

    fn unflushed(&self) -> u64 {
        self.storage.head_number().saturating_sub(self.storage.base().number)
    }

    /// Stops the thread and waits for a flush under way.
    pub(crate) fn stop(&self) {
        self.signal.state.lock().stop = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the flush thread ended in a panic");
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(signal: &Signal, storage: &Storage) {
    loop {
        {
            let mut state = signal.state.lock();
            while !state.wanted && !state.stop {
                signal.changed.wait(&mut state);
            }
            if state.stop {
                return;
            }
            state.wanted = false;
        }
        while storage.flush_ready() && !signal.state.lock().stop {
            let result = storage.flush();
            let mut state = signal.state.lock();
            state.failing = result.is_err();
            signal.changed.notify_all();
            if let Err(error) = result {
                tracing::error!(%error, "blocks cannot be flushed to disk; trying again");
                signal.changed.wait_for(&mut state, RETRY);
            }
        }
    }
}
