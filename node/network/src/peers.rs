//! Who is connected, and who must not be.

use crate::message::Status;
use crate::score::{BAN, Bucket, Score};
use atoll_primitives::{B256, U256};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Peers that are refused are remembered this many at once; the one whose time ends first makes room.
const MOST_REFUSED: usize = 1024;
/// Requests a peer may make in a second, and at once. A sync makes a few a second.
const REQUEST_RATE: (f64, f64) = (50.0, 200.0);
/// Gossip messages of a peer in a second, and at once: twenty batches a second from each of fifty authors.
const GOSSIP_RATE: (f64, f64) = (1_000.0, 4_000.0);

/// A peer as others may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerInfo {
    /// libp2p peer ID.
    pub peer_id: PeerId,
    /// Remote address of its connection.
    pub addr: Multiaddr,
    /// Client name and version.
    pub client: String,
    /// Hash of its head, as it last said.
    pub head_hash: B256,
    /// Number of its head.
    pub head_number: u64,
    /// Total difficulty of its head.
    pub total_difficulty: U256,
    /// It dialled us.
    pub inbound: bool,
    /// It may connect even when there is no room.
    pub trusted: bool,
    /// We stay connected to it.
    pub fixed: bool,
    /// Last measured round-trip time.
    pub rtt: Option<Duration>,
    /// 0 for a good peer, falling to -100.
    pub score: f64,
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub addr: Multiaddr,
    pub inbound: bool,
    pub connections: Vec<ConnectionId>,
    pub since: Instant,
    /// Its status, once seen and fitting: we serve it from then on.
    pub status: Option<Status>,
    /// It answered our status, so it serves us.
    pub ready: bool,
    pub rtt: Option<Duration>,
    pub score: Score,
    pub requests: Bucket,
    pub gossip: Bucket,
}

impl Peer {
    pub fn new(addr: Multiaddr, inbound: bool, now: Instant) -> Self {
        Self {
            addr,
            inbound,
            connections: Vec::new(),
            since: now,
            status: None,
            ready: false,
            rtt: None,
            score: Score::new(now),
            requests: Bucket::new(REQUEST_RATE.0, REQUEST_RATE.1, now),
            gossip: Bucket::new(GOSSIP_RATE.0, GOSSIP_RATE.1, now),
        }
    }

    /// What others may see; `None` before the handshake.
    pub fn info(&self, peer_id: PeerId, now: Instant) -> Option<PeerInfo> {
        let status = self.status.as_ref().filter(|_| self.ready)?;
        Some(PeerInfo {
            peer_id,
            addr: self.addr.clone(),
            client: status.client.clone(),
            head_hash: status.head_hash,
            head_number: status.head_number,
            total_difficulty: status.total_difficulty,
            inbound: self.inbound,
            trusted: false,
            fixed: false,
            rtt: self.rtt,
            score: self.score.value(now),
        })
    }
}

/// Peers not to be talked to for a while.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    until: HashMap<PeerId, Instant>,
}

impl Refused {
    /// For misbehaviour.
    pub fn ban(&mut self, peer: PeerId, now: Instant) {
        self.add(peer, now + BAN);
    }

    /// For another network: it will hardly become ours soon.
    pub fn incompatible(&mut self, peer: PeerId, now: Instant) {
        self.add(peer, now + Duration::from_secs(60));
    }

    fn add(&mut self, peer: PeerId, until: Instant) {
        if self.until.len() >= MOST_REFUSED
            && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer)
        {
            self.until.remove(&first);
        }
        self.until.insert(peer, until);
    }

    pub fn contains(&self, peer: &PeerId, now: Instant) -> bool {
        self.until.get(peer).is_some_and(|until| *until > now)
    }

    pub fn tidy(&mut self, now: Instant) {
        self.until.retain(|_, until| *until > now);
    }
}
