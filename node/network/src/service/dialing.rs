//! Whom to dial, and when again.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Addresses remembered; beyond, the one that failed most makes room (never a static one).
const MOST_TARGETS: usize = 1024;
/// After this many failures in a row an address from discovery is dropped, until discovery names it again.
const GIVE_UP: u32 = 20;
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MOST: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Target {
    peer: Option<PeerId>,
    fixed: bool,
    failures: u32,
    next: Instant,
}

/// The peer ID at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    address.iter().find_map(|part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    })
}

/// Addresses to dial.
#[derive(Debug)]
pub(crate) struct DialBook {
    local: PeerId,
    targets: HashMap<Multiaddr, Target>,
}

impl DialBook {
    pub fn new(local: PeerId) -> Self {
        Self { local, targets: HashMap::new() }
    }

    /// Adds an address; a known one keeps its pause, so that naming it often does not dial it more often.
    pub fn add(&mut self, address: Multiaddr, fixed: bool, now: Instant) {
        let peer = peer_of(&address);
        if peer == Some(self.local) {
            return;
        }
        if let Some(target) = self.targets.get_mut(&address) {
            target.fixed |= fixed;
            return;
        }
        if self.targets.len() >= MOST_TARGETS {
            let worst = self.targets.iter().filter(|(_, target)| !target.fixed).max_by_key(|(_, t)| t.failures);
            let Some(worst) = worst.map(|(address, _)| address.clone()) else { return };
            self.targets.remove(&worst);
        }
        self.targets.insert(address, Target { peer, fixed, failures: 0, next: now });
    }

    /// Addresses whose time has come and whose peer is not `skipped` (connected or refused). Each counts as failed
    /// until [`Self::connected`] says otherwise.
    pub fn due(&mut self, now: Instant, skipped: impl Fn(&PeerId) -> bool) -> Vec<(Multiaddr, Option<PeerId>)> {
        self.targets.retain(|_, target| target.fixed || target.failures < GIVE_UP);
        let mut due = Vec::new();
        for (address, target) in &mut self.targets {
            if target.next > now || target.peer.as_ref().is_some_and(&skipped) {
                continue;
            }
            target.next = now + (BACKOFF_FIRST * 2_u32.saturating_pow(target.failures.min(8))).min(BACKOFF_MOST);
            target.failures = target.failures.saturating_add(1);
            due.push((address.clone(), target.peer));
        }
        due
    }

    /// The address answered, as this peer. All addresses of the peer may be tried at once when it goes.
    pub fn connected(&mut self, address: Option<&Multiaddr>, peer: PeerId) {
        for (known, target) in &mut self.targets {
            if Some(known) == address && target.peer.is_none() {
                target.peer = Some(peer);
            }
            if target.peer == Some(peer) {
                target.failures = 0;
            }
        }
    }

    /// The peer went: dial it soon.
    pub fn lost(&mut self, peer: &PeerId, now: Instant) {
        for target in self.targets.values_mut().filter(|target| target.peer.as_ref() == Some(peer)) {
            target.next = now + BACKOFF_FIRST;
        }
    }

    /// The address turned out to be our own.
    pub fn is_self(&mut self, address: &Multiaddr) {
        self.targets.remove(address);
    }

    pub fn forget(&mut self, peer: &PeerId) {
        self.targets.retain(|_, target| target.peer.as_ref() != Some(peer));
    }

    pub fn is_fixed(&self, peer: &PeerId) -> bool {
        self.targets.values().any(|target| target.fixed && target.peer.as_ref() == Some(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn pauses_grow_and_discovered_addresses_are_given_up() {
        let start = Instant::now();
        let mut book = DialBook::new(PeerId::random());
        book.add(address(1), true, start);
        book.add(address(2), false, start);
        assert_eq!(book.due(start, |_| false).len(), 2);
        book.add(address(2), false, start);
        assert!(book.due(start, |_| false).is_empty(), "naming it again does not dial it again");
        assert_eq!(book.due(start + BACKOFF_FIRST, |_| false).len(), 2);
        assert!(book.due(start + BACKOFF_FIRST * 2, |_| false).is_empty());
        let mut now = start;
        for _ in 0..GIVE_UP {
            now += BACKOFF_MOST;
            book.due(now, |_| false);
        }
        assert_eq!(book.due(now + BACKOFF_MOST, |_| false), [(address(1), None)], "only the static one is left");
    }

    #[test]
    fn connected_peers_are_left_alone_until_they_go() {
        let start = Instant::now();
        let mut book = DialBook::new(PeerId::random());
        let peer = PeerId::random();
        book.add(address(1), true, start);
        book.due(start, |_| false);
        book.connected(Some(&address(1)), peer);
        assert!(book.is_fixed(&peer));
        let later = start + BACKOFF_MOST * 10;
        assert!(book.due(later, |known| *known == peer).is_empty());
        book.lost(&peer, later);
        assert_eq!(book.due(later + BACKOFF_FIRST, |_| false), [(address(1), Some(peer))]);
        book.forget(&peer);
        assert!(book.due(later + BACKOFF_MOST, |_| false).is_empty());
    }

    #[test]
    fn the_book_has_a_bound_and_we_do_not_dial_ourselves() {
        let start = Instant::now();
        let local = PeerId::random();
        let mut book = DialBook::new(local);
        book.add(address(1).with(Protocol::P2p(local)), true, start);
        assert!(book.due(start, |_| false).is_empty());
        for port in 0..3000 {
            book.add(address(port), port == 7, start);
        }
        let due = book.due(start, |_| false);
        assert_eq!(due.len(), MOST_TARGETS);
        assert!(due.contains(&(address(7), None)));
    }
}
