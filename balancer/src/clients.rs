//! What is remembered of a client: its node, and the newest block it has seen. Knows no HTTP beyond its headers.

use axum::http::HeaderMap;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Clients remembered. The least used are forgotten; a forgotten one gets its old node again while that is healthy,
/// because the choice depends on who it is and not on when it came.
const MAX_CLIENTS: usize = 100_000;

/// One client, all of its connections.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    node: Mutex<Option<Arc<str>>>,
    seen: AtomicU64,
}

impl Client {
    /// The URL of the node that serves it.
    pub(crate) fn node(&self) -> Option<Arc<str>> {
        self.node.lock().clone()
    }

    /// It moved to another node.
    pub(crate) fn stick_to(&self, url: &str) {
        let mut node = self.node.lock();
        if node.as_deref() != Some(url) {
            *node = Some(url.into());
        }
    }

    /// The newest block any of its answers came from.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// An answer came from a node that had this block.
    pub(crate) fn saw(&self, block: u64) {
        self.seen.fetch_max(block, Ordering::AcqRel);
    }
}

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    cache: Cache<u64, Arc<Client>>,
    trust_forwarded_for: bool,
}

impl Clients {
    pub(crate) fn new(trust_forwarded_for: bool) -> Self {
        Self { cache: Cache::new(MAX_CLIENTS), trust_forwarded_for }
    }

    /// The client behind a request: its address, and within it the session it names itself by (`X-Atoll-Session`), for
    /// those that share an address and want to be spread.
    pub(crate) fn identify(&self, peer: IpAddr, headers: &HeaderMap) -> Arc<Client> {
        let forwarded = headers.get("x-forwarded-for").filter(|_| self.trust_forwarded_for);
        // The last entry is the one our own proxy wrote.
        let forwarded = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        let session = headers.get("x-atoll-session").map(|value| value.as_bytes());
        let mut hasher = DefaultHasher::new();
        (forwarded.unwrap_or(peer), session).hash(&mut hasher);
        let id = hasher.finish();
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Client::new(id)));
        match self.cache.get_or_insert_with(&id, new) {
            Ok(client) => client,
            Err(never) => match never {},
        }
    }
}

impl Client {
    fn new(id: u64) -> Self {
        Self { id, node: Mutex::new(None), seen: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_a_client_and_a_forwarded_one_only_if_trusted() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        let plain = HeaderMap::new();
        let wary = Clients::new(false);
        assert_eq!(wary.identify(peer, &headers).id, wary.identify(peer, &plain).id);
        let trusting = Clients::new(true);
        let second: IpAddr = "2.2.2.2".parse().unwrap();
        assert_eq!(trusting.identify(peer, &headers).id, trusting.identify(second, &plain).id);
        let mut session = HeaderMap::new();
        session.insert("x-atoll-session", "a".parse().unwrap());
        assert_ne!(wary.identify(peer, &session).id, wary.identify(peer, &plain).id);
    }

    #[test]
    fn what_was_seen_never_shrinks() {
        let client = Client::new(1);
        client.saw(7);
        client.saw(5);
        assert_eq!(client.seen(), 7);
    }
}
