//! Connections coming and going, dialling, and the handshake's deadline.

use super::Service;
use crate::behaviour::BehaviourEvent;
use crate::handle::{NetworkEvent, Shared};
use crate::message::Request;
use crate::peers::Peer;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use std::time::{Duration, Instant};

/// A peer that has not shown a fitting status by then is disconnected.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Status goes out at most this often when the head moves...
const STATUS_LEAST: Duration = Duration::from_secs(1);
/// ...and at least this often when it does not.
const STATUS_MOST: Duration = Duration::from_secs(5);

pub(super) fn listening(shared: &Shared, address: Multiaddr) {
    tracing::info!(%address, "network listening");
    let mut addresses = shared.listening.write();
    if !addresses.contains(&address) {
        addresses.push(address);
    }
}

impl Service {
    pub(super) fn on_connection(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.connections.retain(|known| *known != connection_id);
                }
                if num_established == 0 {
                    let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
                    self.on_gone(peer_id, &cause);
                }
            }
            SwarmEvent::OutgoingConnectionError { error, peer_id, .. } => self.on_dial_error(&error, peer_id),
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                metrics::counter!("atoll_network_refused_connections_total").increment(1);
                tracing::debug!(%error, address = %send_back_addr, "incoming connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => listening(&self.shared, address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.shared.listening.write().retain(|known| *known != address);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            SwarmEvent::ListenerError { error, .. } => tracing::debug!(%error, "a listener failed once"),
            _ => {}
        }
    }

    fn on_established(&mut self, id: PeerId, connection: libp2p::swarm::ConnectionId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        let dialled = match endpoint {
            ConnectedPoint::Dialer { address, .. } => Some(address),
            ConnectedPoint::Listener { .. } => None,
        };
        self.book.connected(dialled, id);
        if self.refused.contains(&id, now) {
            self.disconnect(id);
            return;
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.connections.push(connection);
            return;
        }
        let welcome = self.book.is_fixed(&id) || self.trusted.contains(&id);
        if self.peers.len() >= self.max_peers && !welcome {
            tracing::debug!(peer = %id, most = self.max_peers, "no room for another peer");
            self.disconnect(id);
            return;
        }
        let mut peer = Peer::new(endpoint.get_remote_address().clone(), endpoint.is_listener(), now);
        peer.connections.push(connection);
        self.peers.insert(id, peer);
        self.ask_own(id, Request::Status(self.local.status.clone()));
    }

    fn on_gone(&mut self, id: PeerId, cause: &str) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.book.lost(&id, Instant::now());
        if peer.ready {
            tracing::info!(peer = %id, cause, "peer disconnected");
            self.peers_changed = true;
            self.tell(NetworkEvent::PeerGone { peer: id });
        }
    }

    fn on_dial_error(&mut self, error: &DialError, peer: Option<PeerId>) {
        match error {
            DialError::LocalPeerId { address } => self.book.is_self(address),
            DialError::DialPeerConditionFalse(_) => {}
            DialError::WrongPeerId { obtained, address } => {
                tracing::warn!(%address, %obtained, "another peer than named answers at this address");
            }
            error => tracing::debug!(?peer, %error, "dial failed"),
        }
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => {
                if let Some(peer) = self.peers.get_mut(&event.peer) {
                    peer.rtt = Some(rtt);
                    self.peers_changed = true;
                }
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                // A cut cable closes no socket by itself.
                tracing::debug!(peer = %event.peer, %error, "no answer to ping; closing the connection");
                self.swarm.close_connection(event.connection);
            }
        }
    }

    pub(super) fn disconnect(&mut self, id: PeerId) {
        // An error means that it is gone already.
        let _ = self.swarm.disconnect_peer_id(id);
    }

    pub(super) fn dial_due(&mut self, now: Instant) {
        if self.peers.len() >= self.max_peers {
            return;
        }
        let (peers, refused) = (&self.peers, &self.refused);
        let due = self.book.due(now, |peer| peers.contains_key(peer) || refused.contains(peer, now));
        for (address, peer) in due {
            let options = match peer {
                // One dial at a time for each peer, and none while it is connected.
                Some(peer) => DialOpts::peer_id(peer).addresses(vec![address.clone()]).build(),
                None => DialOpts::unknown_peer_id().address(address.clone()).build(),
            };
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(%address, %error, "cannot dial");
            }
        }
    }

    pub(super) fn on_tick(&mut self, now: Instant) {
        self.refused.tidy(now);
        self.dial_due(now);
        let waited = now.saturating_duration_since(self.status_sent);
        if waited >= STATUS_MOST || (self.status_due && waited >= STATUS_LEAST) {
            self.status_due = false;
            self.status_sent = now;
            let ready: Vec<_> = self.peers.iter().filter(|(_, peer)| peer.ready).map(|(id, _)| *id).collect();
            for id in ready {
                self.ask_own(id, Request::Status(self.local.status.clone()));
            }
        }
        let silent = |peer: &Peer| !peer.ready && now.saturating_duration_since(peer.since) > HANDSHAKE_TIMEOUT;
        let silent: Vec<_> = self.peers.iter().filter(|(_, peer)| silent(peer)).map(|(id, _)| *id).collect();
        for id in silent {
            tracing::debug!(peer = %id, "no handshake in time");
            self.disconnect(id);
        }
    }
}
