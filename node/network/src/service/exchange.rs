//! Requests and responses: the status handshake, our questions, and theirs passed on.

use super::{Pending, Service};
use crate::error::{Incompatible, RequestError};
use crate::handle::{LocalStatus, NetworkEvent, Responder};
use crate::message::{MAX_POOLED, PROTOCOL_VERSION, Request, Response, Status};
use crate::score::Misbehaviour;
use atoll_primitives::TxHash;
use libp2p::PeerId;
use libp2p::request_response::{Event, InboundFailure, Message, OutboundFailure, ResponseChannel};
use std::time::Instant;
use tokio::sync::oneshot;

/// Requests of ours that may wait for answers at once; more are refused at once.
const MOST_PENDING: usize = 1024;

/// Whether two nodes may be peers.
pub(super) fn fits(local: &LocalStatus, theirs: &Status) -> Result<(), Incompatible> {
    let ours = &local.status;
    if theirs.version != PROTOCOL_VERSION {
        return Err(Incompatible::Version { ours: PROTOCOL_VERSION, theirs: theirs.version });
    }
    if theirs.network_id != ours.network_id {
        return Err(Incompatible::NetworkId { ours: ours.network_id, theirs: theirs.network_id });
    }
    if theirs.genesis_hash != ours.genesis_hash {
        return Err(Incompatible::Genesis { ours: ours.genesis_hash, theirs: theirs.genesis_hash });
    }
    local.fork_filter.validate(theirs.fork_id).map_err(Incompatible::ForkId)
}

impl Service {
    pub(super) fn on_exchange(&mut self, event: Event<Request, Response>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.on_request(peer, request, channel);
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                if let Some(pending) = self.pending.remove(&request_id) {
                    self.on_response(peer, pending, response);
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                let Some(pending) = self.pending.remove(&request_id) else { return };
                self.on_outbound_failure(peer, pending, &error);
            }
            Event::InboundFailure { peer, error, .. } => {
                if let InboundFailure::Io(error) = &error
                    && error.kind() == std::io::ErrorKind::InvalidData
                {
                    tracing::debug!(%peer, %error, "unreadable request");
                    self.penalise(peer, Misbehaviour::Rubbish);
                }
            }
            Event::ResponseSent { peer, .. } => {
                // A peer of another network has now been told our status, and knows why.
                if self.refused.contains(&peer, Instant::now()) {
                    self.disconnect(peer);
                }
            }
        }
    }

    fn on_request(&mut self, id: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !peer.requests.take(Instant::now()) {
            self.penalise(id, Misbehaviour::Flooding);
            return;
        }
        metrics::counter!("atoll_network_requests_total", "direction" => "in").increment(1);
        let known = peer.status.is_some();
        match request {
            Request::Status(status) => {
                // Judged before it is answered: the answer tells the peer that we serve it from now on.
                self.on_status(id, status);
                let ours = Response::Status(self.local.status.clone());
                let _ = self.swarm.behaviour_mut().requests.send_response(channel, ours);
            }
            // Strangers are told nothing; dropping the channel refuses.
            _ if !known => {}
            Request::Announce(hashes) => {
                let _ = self.swarm.behaviour_mut().requests.send_response(channel, Response::Announced);
                self.tell(NetworkEvent::Announced { peer: id, hashes });
            }
            request => {
                self.tell(NetworkEvent::Request { peer: id, request, responder: Responder(channel) });
            }
        }
    }

    /// `false` when the peer is not to be one.
    fn on_status(&mut self, id: PeerId, status: Status) -> bool {
        if let Err(reason) = fits(&self.local, &status) {
            tracing::info!(peer = %id, client = %status.client.escape_debug(), %reason, "not our network; disconnecting");
            self.refused.incompatible(id, Instant::now());
            return false;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let moved = peer.status.as_ref() != Some(&status);
        peer.status = Some(status.clone());
        let ready = peer.ready;
        if moved && ready {
            self.peers_changed = true;
            self.tell(NetworkEvent::PeerStatus { peer: id, status });
        }
        true
    }

    fn on_response(&mut self, id: PeerId, pending: Pending, response: Response) {
        if !response.answers(pending.asked) {
            self.penalise(id, Misbehaviour::WrongAnswer);
            give(pending, Err(RequestError::WrongAnswer(id)));
            return;
        }
        match response {
            Response::Status(status) => {
                if self.on_status(id, status.clone()) {
                    self.on_ready(id, status);
                } else {
                    self.disconnect(id);
                }
            }
            response => give(pending, Ok(response)),
        }
    }

    /// The peer answered our status: it serves us.
    fn on_ready(&mut self, id: PeerId, status: Status) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.ready) else { return };
        peer.ready = true;
        self.peers_changed = true;
        let (client, head, inbound) = (status.client.escape_debug(), status.head_number, peer.inbound);
        tracing::info!(peer = %id, %client, head, inbound, "peer connected");
        self.tell(NetworkEvent::PeerReady { peer: id, status });
    }

    fn on_outbound_failure(&mut self, id: PeerId, pending: Pending, error: &OutboundFailure) {
        match error {
            OutboundFailure::Timeout => self.penalise(id, Misbehaviour::Timeout),
            OutboundFailure::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
                self.penalise(id, Misbehaviour::Rubbish);
            }
            _ => {}
        }
        give(pending, Err(RequestError::Failed { peer: id, reason: error.to_string() }));
    }

    /// A question of the node.
    pub(super) fn ask(
        &mut self,
        id: PeerId,
        request: Request,
        answer: oneshot::Sender<Result<Response, RequestError>>,
    ) {
        let asked = request.asked();
        let pending = Pending { peer: id, asked, answer: Some(answer) };
        if !self.peers.get(&id).is_some_and(|peer| peer.ready) || !request.within_bounds() {
            give(pending, Err(RequestError::NotPeer(id)));
            return;
        }
        if self.pending.len() >= MOST_PENDING {
            give(pending, Err(RequestError::Busy));
            return;
        }
        metrics::counter!("atoll_network_requests_total", "direction" => "out").increment(1);
        let request_id = self.swarm.behaviour_mut().requests.send_request(&id, request);
        self.pending.insert(request_id, pending);
    }

    /// A question of the network itself; not asked while one like it waits for this peer's answer.
    pub(super) fn ask_own(&mut self, id: PeerId, request: Request) {
        let asked = request.asked();
        let same = |pending: &Pending| pending.peer == id && pending.asked == asked && pending.answer.is_none();
        if matches!(request, Request::Status(_)) && self.pending.values().any(same) {
            self.status_due = true;
            return;
        }
        if self.pending.len() < MOST_PENDING {
            let request_id = self.swarm.behaviour_mut().requests.send_request(&id, request);
            self.pending.insert(request_id, Pending { peer: id, asked, answer: None });
        }
    }

    pub(super) fn announce(&mut self, hashes: &[TxHash], except: Option<PeerId>) {
        let ready = self.peers.iter().filter(|(id, peer)| peer.ready && Some(**id) != except);
        let ready: Vec<_> = ready.map(|(id, _)| *id).collect();
        for id in ready {
            for chunk in hashes.chunks(MAX_POOLED) {
                self.ask_own(id, Request::Announce(chunk.to_vec()));
            }
        }
    }
}

fn give(pending: Pending, result: Result<Response, RequestError>) {
    if let Some(answer) = pending.answer {
        // Whoever asked may have given up.
        let _ = answer.send(result);
    }
}
