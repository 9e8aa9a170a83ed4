//! The task that owns the swarm: one loop over everything that can wake it.

mod connections;
mod dialing;
mod exchange;
mod flood;

use crate::behaviour::{self, Behaviour, BehaviourEvent};
use crate::config::NetworkConfig;
use crate::error::{NetworkError, RequestError};
use crate::gossip::Topics;
use crate::handle::{
    Acceptance, COMMAND_CAPACITY, Command, EVENT_CAPACITY, LocalStatus, MOST_TRUSTED, NetworkEvent, NetworkHandle,
    Shared,
};
use crate::message::{Asked, Response};
use crate::peers::{Peer, Refused};
use crate::score::Misbehaviour;
use dialing::DialBook;
use futures::StreamExt;
use libp2p::identity::{Keypair, secp256k1};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, TransportError};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Redials, handshake timeouts and status updates are looked at this often.
const TICK: Duration = Duration::from_millis(500);
/// Transactions wait at most this long for others to share a message with.
const FLUSH: Duration = Duration::from_millis(50);
/// Listeners that report no address by then make the start fail.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts networks.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Starts a network with this secp256k1 secret (the one that signs the node's record) and runs it until `stop` is
    /// cancelled. All listeners have their addresses when this returns.
    ///
    /// # Errors
    /// [`NetworkError`] for a key or address that cannot be used.
    pub async fn start(
        config: NetworkConfig,
        secret: [u8; 32],
        local: LocalStatus,
        stop: CancellationToken,
    ) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>, JoinHandle<()>), NetworkError> {
        let secret = secp256k1::SecretKey::try_from_bytes(secret).map_err(|_| NetworkError::Key)?;
        let key = Keypair::from(secp256k1::Keypair::from(secret));
        let topics = Topics::new(local.status.genesis_hash, local.status.network_id);
        let mut swarm = behaviour::swarm(key, &config, &topics)?;
        let shared = Arc::new(Shared::default());
        listen(&mut swarm, &config, &shared).await?;

        let (commands, command_queue) = mpsc::channel(COMMAND_CAPACITY);
        let (events, event_queue) = mpsc::channel(EVENT_CAPACITY);
        let peer_id = *swarm.local_peer_id();
        let mut book = DialBook::new(peer_id);
        let now = Instant::now();
        config.static_peers.iter().for_each(|address| book.add(address.clone(), true, now));
        let service = Service {
            swarm,
            topics,
            local,
            events,
            shared: Arc::clone(&shared),
            book,
            peers: HashMap::new(),
            refused: Refused::default(),
            trusted: HashSet::new(),
            pending: HashMap::new(),
            queued: Vec::new(),
            queued_bytes: 0,
            status_due: false,
            status_sent: now,
            peers_changed: false,
            max_peers: config.max_peers,
        };
        let task = tokio::spawn(service.run(command_queue, stop));
        Ok((NetworkHandle { commands, shared, local: peer_id }, event_queue, task))
    }
}

async fn listen(swarm: &mut Swarm<Behaviour>, config: &NetworkConfig, shared: &Shared) -> Result<(), NetworkError> {
    let mut waiting = HashMap::new();
    for address in &config.listen {
        if config.pre_shared_key.is_some() && behaviour::is_quic(address) {
            return Err(NetworkError::QuicWithKey { address: address.clone() });
        }
        check_free(address)?;
        let id = swarm
            .listen_on(address.clone())
            .map_err(|source| NetworkError::Listen { address: address.clone(), source })?;
        waiting.insert(id, address.clone());
    }
    let deadline = tokio::time::Instant::now() + LISTEN_TIMEOUT;
    while !waiting.is_empty() {
        let event = tokio::time::timeout_at(deadline, swarm.select_next_some()).await;
        match event.map_err(|_| NetworkError::Transport(format!("no address for {:?}", waiting.values())))? {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                waiting.remove(&listener_id);
                connections::listening(shared, address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if let Some(address) = waiting.remove(&listener_id) {
                    let source = reason.err().unwrap_or_else(|| std::io::ErrorKind::NotConnected.into());
                    let source = TransportError::Other(source);
                    return Err(NetworkError::Listen { address, source });
                }
            }
            // Nothing is dialled yet, and who connects meanwhile is dealt with by the loop.
            _ => {}
        }
    }
    Ok(())
}

/// libp2p lets several sockets share a port, so that a second node would silently take half of the first one's peers.
fn check_free(address: &Multiaddr) -> Result<(), NetworkError> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    let Some(Protocol::Tcp(port)) = parts.next() else { return Ok(()) };
    let other = |source| NetworkError::Listen { address: address.clone(), source: TransportError::Other(source) };
    std::net::TcpListener::bind((ip, port)).map(drop).map_err(other)
}

/// A request of ours that waits for its answer.
pub(crate) struct Pending {
    peer: PeerId,
    asked: Asked,
    /// `None` for the network's own requests.
    answer: Option<oneshot::Sender<Result<Response, RequestError>>>,
}

pub(crate) struct Service {
    swarm: Swarm<Behaviour>,
    topics: Topics,
    local: LocalStatus,
    events: mpsc::Sender<NetworkEvent>,
    shared: Arc<Shared>,
    book: DialBook,
    peers: HashMap<PeerId, Peer>,
    refused: Refused,
    /// At most [`MOST_TRUSTED`]: they need no room.
    trusted: HashSet<PeerId>,
    pending: HashMap<OutboundRequestId, Pending>,
    /// Transactions that wait to be published, encoded.
    queued: Vec<Vec<u8>>,
    queued_bytes: usize,
    status_due: bool,
    status_sent: Instant,
    peers_changed: bool,
    max_peers: usize,
}

impl Service {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        let mut flushes = tokio::time::interval(FLUSH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        flushes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    // Every handle is gone: nobody can use the network any more.
                    None => break,
                },
                _ = ticks.tick() => self.on_tick(Instant::now()),
                _ = flushes.tick(), if !self.queued.is_empty() => self.flush_transactions(),
            }
            if std::mem::take(&mut self.peers_changed) {
                self.publish_peers();
            }
        }
        self.shared.peers.write().clear();
        for pending in self.pending.into_values().filter_map(|pending| pending.answer) {
            let _ = pending.send(Err(RequestError::Closed));
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Requests(event)) => self.on_exchange(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::Behaviour(_) => {}
            event => self.on_connection(event),
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::PublishBlock(data) => self.publish_block(data),
            Command::QueueTransactions(encoded) => self.queue_transactions(encoded),
            Command::Announce { hashes, except } => self.announce(&hashes, except),
            Command::Validated(id, acceptance) => self.on_validated(&id, acceptance),
            Command::Request { peer, request, answer } => self.ask(peer, request, answer),
            Command::Respond(responder, response) => {
                // An asker that went away needs no answer.
                let _ = self.swarm.behaviour_mut().requests.send_response(responder.0, response);
            }
            Command::SetStatus(local) => {
                self.status_due |= self.local.status != local.status;
                self.local = *local;
            }
            Command::Report(peer, fault) => self.penalise(peer, fault),
            Command::Dial(address) => self.add_target(address, false),
            Command::AddStatic(address) => self.add_target(address, true),
            Command::RemovePeer(peer) => {
                self.book.forget(&peer);
                self.disconnect(peer);
            }
            Command::Trust(peer, trusted) => self.trust(peer, trusted),
            Command::Disconnect(peer) => self.disconnect(peer),
        }
    }

    fn add_target(&mut self, address: Multiaddr, fixed: bool) {
        let now = Instant::now();
        self.book.add(address, fixed, now);
        self.dial_due(now);
    }

    fn trust(&mut self, peer: PeerId, trusted: bool) {
        if !trusted {
            self.trusted.remove(&peer);
        } else if self.trusted.len() < MOST_TRUSTED {
            self.trusted.insert(peer);
        }
        self.peers_changed = true;
    }

    fn penalise(&mut self, id: PeerId, fault: Misbehaviour) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let score = peer.score.penalise(fault, now);
        tracing::debug!(peer = %id, ?fault, score, "peer penalised");
        metrics::counter!("atoll_network_penalties_total").increment(1);
        self.swarm.behaviour_mut().gossipsub.set_application_score(&id, score);
        self.peers_changed = true;
        if score <= crate::score::BAN_AT {
            tracing::warn!(peer = %id, ?fault, "peer banned for ten minutes");
            self.refused.ban(id, now);
            self.disconnect(id);
        }
    }

    /// Tells the node; `false` when it is too busy to be told.
    fn tell(&self, event: NetworkEvent) -> bool {
        let told = self.events.try_send(event).is_ok();
        if !told {
            metrics::counter!("atoll_network_events_dropped_total").increment(1);
        }
        told
    }

    fn publish_peers(&self) {
        let now = Instant::now();
        let mut peers: Vec<_> = self.peers.iter().filter_map(|(id, peer)| peer.info(*id, now)).collect();
        for peer in &mut peers {
            peer.trusted = self.trusted.contains(&peer.peer_id);
            peer.fixed = self.book.is_fixed(&peer.peer_id);
        }
        metrics::gauge!("atoll_network_peers").set(u32::try_from(peers.len()).unwrap_or(u32::MAX));
        *self.shared.peers.write() = peers;
    }

    fn on_validated(&mut self, id: &crate::gossip::GossipId, acceptance: Acceptance) {
        use crate::gossip::GossipKind;
        use libp2p::gossipsub::MessageAcceptance;
        let (verdict, fault) = match (acceptance, id.kind) {
            (Acceptance::Accept, _) => (MessageAcceptance::Accept, None),
            (Acceptance::Ignore, _) => (MessageAcceptance::Ignore, None),
            (Acceptance::Reject, GossipKind::Block) => (MessageAcceptance::Reject, Some(Misbehaviour::InvalidBlock)),
            (Acceptance::Reject, GossipKind::Transactions) => {
                (MessageAcceptance::Reject, Some(Misbehaviour::InvalidTransactions))
            }
        };
        let gossipsub = &mut self.swarm.behaviour_mut().gossipsub;
        gossipsub.report_message_validation_result(&id.message, &id.source, verdict);
        if let Some(fault) = fault {
            self.penalise(id.source, fault);
        }
    }
}
