//! Where the registry keeps its records: sled, with flushes shared between the requests that wait for one.
//!
//! It must not know leases or rules; it maps an identity to the bytes of a [`Stored`].

use crate::record::{Head, NodeRecord};
use alloy_primitives::B256;
use rlp::{Rlp, RlpStream};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for one flush; more are made to wait at the channel.
const FLUSH_QUEUE: usize = 1024;

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened, read or written.
    #[error("the registry's database failed")]
    Database(#[from] sled::Error),
    /// A stored record does not read back.
    #[error("stored record of {id} is damaged: {reason}")]
    Damaged {
        /// Its key.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The flushing thread ended.
    #[error("the registry's database is closed")]
    Closed,
}

/// What is kept of a node, also after its lease ended: without the counters old messages could be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub record: NodeRecord,
    pub counter: u64,
    pub head: Head,
    /// Whether it left by itself: it is then not revived when the registry restarts.
    pub left: bool,
}

impl Stored {
    fn encode(&self) -> Vec<u8> {
        let mut stream = RlpStream::new_list(6);
        stream.append(&self.record.encoded()).append(&self.counter).append(&u8::from(self.left));
        crate::codec::append_head(&mut stream, &self.head);
        stream.out().to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let rlp = Rlp::new(bytes);
        let field = |index: usize| rlp.at(index).and_then(|item| item.data()).map_err(|err| err.to_string());
        let record = NodeRecord::decode(field(0)?).map_err(|err| err.to_string())?;
        let counter = rlp.val_at(1).map_err(|err| err.to_string())?;
        let left = rlp.val_at::<u8>(2).map_err(|err| err.to_string())? != 0;
        let head = crate::codec::read_head(&rlp, 3).map_err(|err| err.to_string())?;
        Ok(Self { record, counter, head, left })
    }
}

/// How often, and how far apart, a locked database is tried again: the registry that held it may be about to end.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Opens the database; waits up to two seconds for another process to let go of it.
fn open_unlocked(dir: &Path) -> Result<sled::Db, sled::Error> {
    let config = sled::Config::new().path(dir).cache_capacity(16 << 20);
    for _ in 1..LOCK_TRIES {
        match config.open() {
            // sled has no error of its own for this.
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            result => return result,
        }
    }
    config.open()
}

/// Clone handle of the database.
#[derive(Clone)]
pub(crate) struct Store {
    records: sled::Tree,
    flushes: mpsc::Sender<oneshot::Sender<Result<(), sled::Error>>>,
}

impl Store {
    /// Opens the database and starts its flushing thread, which ends with the last handle.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let db = open_unlocked(dir)?;
        let records = db.open_tree("records")?;
        let (flushes, mut requests) = mpsc::channel::<oneshot::Sender<Result<(), sled::Error>>>(FLUSH_QUEUE);
        std::thread::Builder::new()
            .name("registry-flush".into())
            .spawn(move || {
                let mut waiting = Vec::new();
                while requests.blocking_recv_many(&mut waiting, FLUSH_QUEUE) > 0 {
                    let result = db.flush().map(drop);
                    for answer in waiting.drain(..) {
                        // A requester that went away needs no answer.
                        let _ = answer.send(result.clone());
                    }
                }
            })
            .map_err(|err| StoreError::Database(sled::Error::Io(err)))?;
        Ok(Self { records, flushes })
    }

    /// Everything stored. A damaged record is reported and skipped: the node registers again by itself.
    pub fn load(&self) -> Result<Vec<Stored>, StoreError> {
        let mut all = Vec::new();
        for pair in self.records.iter() {
            let (key, value) = pair?;
            match Stored::decode(&value) {
                Ok(stored) => all.push(stored),
                Err(reason) => {
                    let damaged = StoreError::Damaged { id: alloy_primitives::hex::encode(&key), reason };
                    tracing::warn!(error = %damaged, "skipping a record");
                    self.records.remove(&key)?;
                }
            }
        }
        Ok(all)
    }

    /// Writes; durable only after [`Self::flush`].
    pub fn put(&self, stored: &Stored) -> Result<(), StoreError> {
        self.records.insert(stored.record.id(), stored.encode())?;
        Ok(())
    }

    /// Removes; durable only after [`Self::flush`].
    pub fn remove(&self, id: &B256) -> Result<(), StoreError> {
        self.records.remove(id)?;
        Ok(())
    }

    /// Waits until everything written before is on disk.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (answer, result) = oneshot::channel();
        self.flushes.send(answer).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?.map_err(StoreError::Database)
    }
}
