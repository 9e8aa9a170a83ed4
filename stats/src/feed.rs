//! The board behind its lock, and the newest document for every open page.
//!
//! However fast nodes report, a page gets at most four documents a second, made once for all pages; a slow page
//! skips to the newest. Must not know WebSockets or HTTP.

use crate::board::{Board, Millis};
use crate::view::view;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often changes are published.
const PUBLISH: Duration = Duration::from_millis(250);
/// Ticks after which a document is published unchanged, so that silence turns nodes grey without a report.
const REFRESH_TICKS: u32 = 20;

/// Shared by sessions (writers) and pages (readers).
#[derive(Debug)]
pub(crate) struct Feed {
    name: String,
    board: Mutex<Board>,
    changed: AtomicBool,
    sessions: AtomicU64,
    // A watch keeps only the newest value: its bound is one document.
    document: watch::Sender<Arc<str>>,
}

impl Feed {
    /// An empty board under this title.
    pub(crate) fn new(name: String, max_nodes: usize) -> Self {
        let board = Board::new(max_nodes);
        let document = watch::Sender::new(render(&name, &board, now()));
        Self { name, board: Mutex::new(board), changed: AtomicBool::new(false), sessions: AtomicU64::new(0), document }
    }

    /// A number no other session has.
    pub(crate) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Changes the board; pages learn of it at the next tick.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Board, Millis) -> R) -> R {
        let result = change(&mut self.board.lock(), now());
        self.changed.store(true, Ordering::Release);
        result
    }

    /// The document of this moment.
    pub(crate) fn document(&self) -> Arc<str> {
        render(&self.name, &self.board.lock(), now())
    }

    /// The documents from now on, beginning with the newest.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<str>> {
        let mut documents = self.document.subscribe();
        documents.mark_changed();
        documents
    }

    /// Publishes until cancelled.
    pub(crate) async fn publish(&self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(PUBLISH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut idle = 0;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            idle += 1;
            if self.changed.swap(false, Ordering::AcqRel) || idle >= REFRESH_TICKS {
                idle = 0;
                self.board.lock().tidy(now());
                self.document.send_replace(self.document());
            }
        }
    }
}

fn render(name: &str, board: &Board, now: Millis) -> Arc<str> {
    // Maps have string keys and numbers are finite: serialising cannot fail; an empty document is the harmless answer.
    serde_json::to_string(&view(name, board, now)).unwrap_or_else(|_| "{}".to_owned()).into()
}

/// Milliseconds since 1970.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
