//! The registry's client: register, renew, list, watch.
//!
//! Several registries may be given. Calls that change something go to each by its own URL ([`Registration`] keeps a
//! lease at every one); reads merge what those that answer say. A registry is never trusted: every record it lists
//! is verified here.

mod registration;
mod sse;
mod watch;

use crate::api::{ApiError, HeartbeatRequest, Lease, LeaveRequest, NodeList, RegisterRequest};
use crate::record::{Entry, NodeRecord};
use alloy_primitives::B256;
use futures::StreamExt;
pub use registration::Registration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
pub use watch::NodeWatch;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A list of ten thousand records fits; more is no registry of ours.
const MAX_ANSWER_BYTES: usize = 32 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No registry is configured.
    #[error("no registry URL is configured")]
    NoUrl,
    /// The registry does not answer.
    #[error("registry {url} does not answer")]
    Unreachable {
        /// Which one.
        url: String,
        /// The transport's reason.
        #[source]
        source: reqwest::Error,
    },
    /// The registry refuses.
    #[error("registry {url} refuses")]
    Refused {
        /// Which one.
        url: String,
        /// Its reason.
        #[source]
        source: ApiError,
    },
    /// What answers is not a registry, or another version.
    #[error("registry {url} gave an unreadable answer ({status}): {reason}")]
    Unreadable {
        /// Which one.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong.
        reason: String,
    },
}

/// Clone handle; connections are pooled.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    http: reqwest::Client,
    urls: Arc<[String]>,
}

impl RegistryClient {
    /// For registries at these base URLs (`http://host:port`).
    ///
    /// # Errors
    /// [`ClientError::NoUrl`] without any; [`ClientError::Unreachable`] when the HTTP client cannot be made.
    pub fn new<S: AsRef<str>>(urls: &[S]) -> Result<Self, ClientError> {
        let urls: Arc<[String]> = urls.iter().map(|url| url.as_ref().trim_end_matches('/').to_owned()).collect();
        let first = urls.first().ok_or(ClientError::NoUrl)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .map_err(|source| ClientError::Unreachable { url: first.clone(), source })?;
        Ok(Self { http, urls })
    }

    /// The base URLs.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Registers a record at every registry; `heartbeat` comes from [`crate::RecordSigner::heartbeat`].
    ///
    /// # Errors
    /// The last failure when no registry accepted.
    pub async fn register(&self, record: &NodeRecord, heartbeat: &[u8]) -> Result<Lease, ClientError> {
        self.at_each(|url| async move { self.register_at(url, record, heartbeat).await }).await
    }

    /// Renews the lease at every registry.
    ///
    /// # Errors
    /// The last failure when no registry accepted.
    pub async fn heartbeat(&self, heartbeat: &[u8]) -> Result<Lease, ClientError> {
        self.at_each(|url| async move { self.heartbeat_at(url, heartbeat).await }).await
    }

    /// Ends the lease at every registry; `leave` comes from [`crate::RecordSigner::leave`].
    ///
    /// # Errors
    /// The last failure when no registry accepted.
    pub async fn leave(&self, leave: &[u8]) -> Result<Lease, ClientError> {
        self.at_each(|url| async move { self.leave_at(url, leave).await }).await
    }

    /// Who is alive on a network, as the registries that answer say.
    ///
    /// # Errors
    /// The last failure when no registry answered.
    pub async fn list(&self, network_id: u64, genesis_hash: B256) -> Result<Vec<Entry>, ClientError> {
        let asked = self.urls.iter().map(|url| self.list_at(url, network_id, genesis_hash));
        let mut merged = Merged::default();
        let mut outcome = Err(ClientError::NoUrl);
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok(entries) => {
                    merged.extend(entries);
                    outcome = Ok(());
                }
                Err(error) if outcome.is_err() => outcome = Err(error),
                Err(_) => {}
            }
        }
        outcome.map(|()| merged.into_list())
    }

    /// Keeps a current list of who is alive; see [`NodeWatch`].
    pub fn watch(&self, network_id: u64, genesis_hash: B256) -> NodeWatch {
        NodeWatch::start(self.clone(), network_id, genesis_hash)
    }

    async fn at_each<'a, F, A>(&'a self, call: F) -> Result<Lease, ClientError>
    where
        F: Fn(&'a str) -> A,
        A: Future<Output = Result<Lease, ClientError>>,
    {
        let calls = self.urls.iter().map(|url| call(url));
        let mut outcome = Err(ClientError::NoUrl);
        for answer in futures::future::join_all(calls).await {
            if outcome.is_err() {
                outcome = answer;
            }
        }
        outcome
    }

    pub(crate) async fn register_at(&self, url: &str, record: &NodeRecord, beat: &[u8]) -> Result<Lease, ClientError> {
        let body = RegisterRequest { record: record.encoded().to_vec().into(), heartbeat: beat.to_vec().into() };
        self.call(url, self.http.post(format!("{url}/v1/records")).json(&body)).await
    }

    pub(crate) async fn heartbeat_at(&self, url: &str, beat: &[u8]) -> Result<Lease, ClientError> {
        let body = HeartbeatRequest { heartbeat: beat.to_vec().into() };
        self.call(url, self.http.post(format!("{url}/v1/heartbeat")).json(&body)).await
    }

    pub(crate) async fn leave_at(&self, url: &str, leave: &[u8]) -> Result<Lease, ClientError> {
        let body = LeaveRequest { leave: leave.to_vec().into() };
        self.call(url, self.http.delete(format!("{url}/v1/records")).json(&body)).await
    }

    async fn list_at(&self, url: &str, network_id: u64, genesis_hash: B256) -> Result<Vec<Entry>, ClientError> {
        let path = format!("{url}/v1/networks/{network_id}/{genesis_hash}/nodes");
        let list: NodeList = self.call(url, self.http.get(path)).await?;
        Ok(verified(url, list, network_id, genesis_hash))
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ClientError> {
        let unreachable = |source| ClientError::Unreachable { url: url.to_owned(), source };
        let response = request.timeout(CALL_TIMEOUT).send().await.map_err(unreachable)?;
        let status = response.status();
        let unreadable =
            |reason: String| ClientError::Unreadable { url: url.to_owned(), status: status.as_u16(), reason };
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(unreachable)?);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(unreadable(format!("more than {MAX_ANSWER_BYTES} bytes")));
            }
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|err| unreadable(err.to_string()));
        }
        match serde_json::from_slice::<ApiError>(&body) {
            Ok(source) => Err(ClientError::Refused { url: url.to_owned(), source }),
            Err(err) => Err(unreadable(err.to_string())),
        }
    }
}

/// Keeps what is well signed and of this network; a registry that lists anything else is at fault, not the reader.
fn verified(url: &str, list: NodeList, network_id: u64, genesis_hash: B256) -> Vec<Entry> {
    let keep = |node: crate::api::EntryJson| verified_entry(url, node, network_id, genesis_hash);
    list.nodes.into_iter().filter_map(keep).collect()
}

fn verified_entry(url: &str, node: crate::api::EntryJson, network_id: u64, genesis_hash: B256) -> Option<Entry> {
    let id = node.id;
    match node.verify() {
        Ok(entry) => {
            let info = &entry.record.info;
            let ours = info.network_id == network_id && info.genesis_hash == genesis_hash;
            ours.then_some(entry)
        }
        Err(error) => {
            tracing::warn!(url, %id, %error, "the registry lists a record that does not verify");
            None
        }
    }
}

/// Entries of several registries, one for each node: the newest record with the longest lease.
#[derive(Default)]
pub(crate) struct Merged(BTreeMap<B256, Entry>);

impl Merged {
    pub(crate) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let newer = |other: &Entry| {
                (other.record.seq, other.head.number, other.expires_in)
                    < (entry.record.seq, entry.head.number, entry.expires_in)
            };
            if self.0.get(&entry.record.id()).is_none_or(newer) {
                self.0.insert(entry.record.id(), entry);
            }
        }
    }

    pub(crate) fn into_list(self) -> Vec<Entry> {
        self.0.into_values().collect()
    }
}
