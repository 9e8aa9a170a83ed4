//! A list of live participants that stays current, and stays when a registry dies.

use super::{Merged, RegistryClient, sse::SseReader, verified, verified_entry};
use crate::api::{Departure, EntryJson, NodeList};
use crate::record::Entry;
use alloy_primitives::B256;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::task::AbortOnDropHandle;

/// Three missed signs of life of the server.
const SILENCE: Duration = Duration::from_secs(15);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(5);
/// A registry that lost its records lists nobody until all have registered again: those it listed before count as
/// alive this much longer.
const GRACE: Duration = Duration::from_secs(20);

struct Seen {
    entry: Entry,
    /// Missing from a snapshot: forgotten at this time unless it shows up again.
    doubted: Option<Instant>,
}

#[derive(Default)]
struct Source {
    connected: bool,
    seen: BTreeMap<B256, Seen>,
}

struct Shared {
    sources: Mutex<Vec<Source>>,
    list: watch::Sender<Arc<Vec<Entry>>>,
    network_id: u64,
    genesis_hash: B256,
}

/// Follows the registries in the background until dropped.
///
/// While no registry answers, the last known list stays. The list holds the reader itself too, if it registered.
pub struct NodeWatch {
    list: watch::Receiver<Arc<Vec<Entry>>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl NodeWatch {
    pub(crate) fn start(client: RegistryClient, network_id: u64, genesis_hash: B256) -> Self {
        let (sender, list) = watch::channel(Arc::new(Vec::new()));
        let sources = Mutex::new(client.urls.iter().map(|_| Source::default()).collect());
        let shared = Arc::new(Shared { sources, list: sender, network_id, genesis_hash });
        let follow_each = |index| {
            let task = tokio::spawn(follow(client.clone(), index, Arc::clone(&shared)));
            AbortOnDropHandle::new(task)
        };
        Self { list, _tasks: (0..client.urls.len()).map(follow_each).collect() }
    }

    /// The list as last known.
    pub fn current(&self) -> Arc<Vec<Entry>> {
        self.list.borrow().clone()
    }

    /// Waits for the next change and gives the list. Changes in quick succession may come as one.
    pub async fn changed(&mut self) -> Arc<Vec<Entry>> {
        if self.list.changed().await.is_err() {
            // The tasks only end with this value: there is nothing left to wait for.
            futures::future::pending::<()>().await;
        }
        self.list.borrow_and_update().clone()
    }

    /// The list now and after every change.
    pub fn stream(&self) -> impl Stream<Item = Arc<Vec<Entry>>> + Send + use<> {
        WatchStream::new(self.list.clone())
    }
}

async fn follow(client: RegistryClient, index: usize, shared: Arc<Shared>) {
    let url = client.urls.get(index).cloned().unwrap_or_default();
    let mut wait = RETRY_FIRST;
    let mut reported = false;
    loop {
        let reason = match session(&client, &url, index, &shared).await {
            Ok(()) => {
                (wait, reported) = (RETRY_FIRST, false);
                "the stream ended".to_owned()
            }
            Err(reason) => reason,
        };
        shared.update(index, |source| source.connected = false);
        if !reported {
            tracing::warn!(url, reason, "the watch on the registry broke; keeping the last known list");
            reported = true;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MOST);
    }
}

/// One connection; `Ok` once at least a snapshot came.
async fn session(client: &RegistryClient, url: &str, index: usize, shared: &Shared) -> Result<(), String> {
    let path = format!("{url}/v1/networks/{}/{}/watch", shared.network_id, shared.genesis_hash);
    let request = client.http.get(path).send();
    let response = tokio::time::timeout(super::CALL_TIMEOUT, request)
        .await
        .map_err(|_| "no answer in time".to_owned())?
        .and_then(reqwest::Response::error_for_status)
        .map_err(|err| err.to_string())?;
    let mut chunks = response.bytes_stream();
    let mut reader = SseReader::default();
    let mut greeted = false;
    // A broken connection after a snapshot is an ordinary end: the next attempt comes at once.
    let ended = |greeted: bool, reason: String| if greeted { Ok(()) } else { Err(reason) };
    loop {
        let bytes = match tokio::time::timeout(SILENCE, chunks.next()).await {
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(err))) => return ended(greeted, err.to_string()),
            Ok(None) => return ended(greeted, "closed before the snapshot".into()),
            Err(_) => return ended(greeted, "silent".into()),
        };
        for event in reader.feed(&bytes).map_err(|err| err.to_string())? {
            shared.apply(url, index, &event.name, &event.data).map_err(|err| err.to_string())?;
            greeted = true;
        }
        shared.update(index, Source::forget_doubted);
    }
}

impl Source {
    fn snapshot(&mut self, entries: Vec<Entry>) {
        let now = Instant::now();
        for seen in self.seen.values_mut() {
            seen.doubted.get_or_insert(now + GRACE);
        }
        self.seen.extend(entries.into_iter().map(|entry| (entry.record.id(), Seen { entry, doubted: None })));
        self.connected = true;
    }

    fn forget_doubted(&mut self) {
        let now = Instant::now();
        self.seen.retain(|_, seen| seen.doubted.is_none_or(|until| until > now));
    }
}

impl Shared {
    fn apply(&self, url: &str, index: usize, name: &str, data: &str) -> Result<(), serde_json::Error> {
        match name {
            "snapshot" => {
                let list: NodeList = serde_json::from_str(data)?;
                let entries = verified(url, list, self.network_id, self.genesis_hash);
                self.update(index, |source| source.snapshot(entries));
            }
            "join" | "update" => {
                let node: EntryJson = serde_json::from_str(data)?;
                if let Some(entry) = verified_entry(url, node, self.network_id, self.genesis_hash) {
                    self.update(index, |source| {
                        source.seen.insert(entry.record.id(), Seen { entry, doubted: None });
                    });
                }
            }
            "leave" => {
                let gone: Departure = serde_json::from_str(data)?;
                self.update(index, |source| {
                    source.seen.remove(&gone.id);
                });
            }
            // A newer registry may say more.
            _ => {}
        }
        Ok(())
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Source)) {
        let mut sources = self.sources.lock();
        if let Some(source) = sources.get_mut(index) {
            change(source);
        }
        // What a registry said before it died counts only while no other can be asked.
        let any = sources.iter().any(|source| source.connected);
        let mut merged = Merged::default();
        for source in sources.iter().filter(|source| source.connected || !any) {
            merged.extend(source.seen.values().map(|seen| seen.entry.clone()));
        }
        let list = merged.into_list();
        self.list.send_if_modified(|current| {
            let changed = **current != list;
            if changed {
                *current = Arc::new(list);
            }
            changed
        });
    }
}
