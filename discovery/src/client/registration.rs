//! Keeps a participant's lease alive at every registry, in the background.

use super::{ClientError, RegistryClient};
use crate::api::{ApiError, ErrorCode, Lease};
use crate::record::{Head, NodeInfo, NodeRecord, RecordError};
use crate::signer::RecordSigner;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MOST: Duration = Duration::from_secs(5);
/// Heartbeats are never further apart, whatever a registry's lease: they also carry the head.
const MOST_INTERVAL: Duration = Duration::from_secs(3);

/// What the registries should say about this participant, and where its head comes from.
struct Subject {
    client: RegistryClient,
    signer: Arc<RecordSigner>,
    record: Mutex<NodeRecord>,
    head: Box<dyn Fn() -> Head + Send + Sync>,
    /// One for each registry: wakes its loop when the record changed.
    changed: Vec<Notify>,
}

/// A lease at every registry, renewed until dropped. [`Self::leave`] ends it politely; merely dropping it lets the
/// lease run out.
pub struct Registration {
    subject: Arc<Subject>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Registration {
    /// Starts registering. `head` is asked at every heartbeat and must not block.
    ///
    /// Unreachable registries are tried again for ever; a registry that forgot the node gets the record again.
    ///
    /// # Errors
    /// [`RecordError`] when `info` breaks a bound.
    pub fn spawn<H>(
        client: RegistryClient,
        signer: Arc<RecordSigner>,
        info: &NodeInfo,
        head: H,
    ) -> Result<Self, RecordError>
    where
        H: Fn() -> Head + Send + Sync + 'static,
    {
        let record = Mutex::new(signer.record(RecordSigner::seq_now(), info)?);
        let changed = client.urls.iter().map(|_| Notify::new()).collect();
        let subject = Arc::new(Subject { client, signer, record, head: Box::new(head), changed });
        let keep_each = |index| AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&subject), index)));
        let tasks = (0..subject.client.urls.len()).map(keep_each).collect();
        Ok(Self { subject, _tasks: tasks })
    }

    /// Publishes other content (a new address, a new role).
    ///
    /// # Errors
    /// [`RecordError`] when `info` breaks a bound; the old record then stays.
    pub fn update(&self, info: &NodeInfo) -> Result<(), RecordError> {
        let mut record = self.subject.record.lock();
        let seq = RecordSigner::seq_now().max(record.seq + 1);
        *record = self.subject.signer.record(seq, info)?;
        drop(record);
        self.subject.changed.iter().for_each(Notify::notify_one);
        Ok(())
    }

    /// The record as published now.
    pub fn record(&self) -> NodeRecord {
        self.subject.record.lock().clone()
    }

    /// Stops renewing and tells the registries, so that nobody has to wait for the lease to run out.
    ///
    /// # Errors
    /// [`ClientError`] when no registry took note; the lease then runs out.
    pub async fn leave(self) -> Result<(), ClientError> {
        drop(self._tasks);
        // A heartbeat may still be on its way with a lower counter: it comes too late, and is refused.
        self.subject.client.leave(&self.subject.signer.leave()).await.map(drop)
    }
}

async fn keep(subject: Arc<Subject>, index: usize) {
    let (Some(url), Some(changed)) = (subject.client.urls.get(index), subject.changed.get(index)) else { return };
    let mut published = None;
    let mut wait = RETRY_FIRST;
    let mut reported = false;
    loop {
        let pause = match subject.renew(url, &mut published).await {
            Ok(lease) => {
                if reported {
                    tracing::info!(url, "the registry answers again");
                    reported = false;
                }
                wait = RETRY_FIRST;
                // Two may be lost before the lease ends.
                (Duration::from_millis(lease.ttl_ms) / 3).clamp(Duration::from_millis(20), MOST_INTERVAL)
            }
            Err(error) => {
                if !reported {
                    let reason = chain(&error);
                    tracing::warn!(url, reason, "cannot register; trying on");
                    reported = true;
                }
                let now = wait;
                wait = (wait * 2).min(RETRY_MOST);
                now
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed.notified() => {}
        }
    }
}

impl Subject {
    /// A heartbeat, or a registration where one is due.
    async fn renew(&self, url: &str, published: &mut Option<u64>) -> Result<Lease, ClientError> {
        let record = self.record.lock().clone();
        let beat = self.signer.heartbeat(&(self.head)());
        let answer = if *published == Some(record.seq) {
            self.client.heartbeat_at(url, &beat).await
        } else {
            self.client.register_at(url, &record, &beat).await
        };
        match answer {
            Ok(lease) => {
                *published = Some(record.seq);
                Ok(lease)
            }
            Err(ClientError::Refused { source, .. }) if self.outdone(&source) => {
                *published = None;
                let record = self.record.lock().clone();
                let beat = self.signer.heartbeat(&(self.head)());
                let lease = self.client.register_at(url, &record, &beat).await?;
                *published = Some(record.seq);
                Ok(lease)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether registering (again), with higher numbers, answers the refusal.
    fn outdone(&self, refusal: &ApiError) -> bool {
        match (refusal.code, refusal.stored) {
            (ErrorCode::UnknownNode, _) => true,
            (ErrorCode::StaleCounter, Some(stored)) => {
                self.signer.advance_counter(stored);
                true
            }
            (ErrorCode::StaleSeq, Some(stored)) => {
                tracing::warn!(stored, "the registry has a newer record of this key: is it used twice?");
                let mut record = self.record.lock();
                match self.signer.record(stored.saturating_add(1), &record.info) {
                    Ok(newer) => *record = newer,
                    Err(_) => return false,
                }
                true
            }
            _ => false,
        }
    }
}

/// An error with its causes, each once.
fn chain(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
