//! Gossip in and out: decoded before the node sees it, batched before it leaves.

use super::Service;
use crate::gossip::{self, GossipId, GossipKind};
use crate::handle::{Acceptance, NetworkEvent};
use crate::score::Misbehaviour;
use atoll_primitives::{Header, U256};
use libp2p::gossipsub::{self, IdentTopic, PublishError};
use std::time::Instant;

/// Transactions are published once this many bytes wait.
const BATCH_BYTES: usize = 64 << 10;

impl Service {
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let kind = if message.topic == self.topics.blocks.hash() {
                    GossipKind::Block
                } else {
                    GossipKind::Transactions
                };
                let id = GossipId { message: message_id, source: propagation_source, kind };
                self.on_message(id, &message.data);
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(peer = %peer_id, "peer speaks no gossipsub");
                self.disconnect(peer_id);
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                metrics::counter!("atoll_network_slow_peer_total").increment(1);
                tracing::debug!(peer = %peer_id, "gossip for a slow peer was dropped");
            }
            _ => {}
        }
    }

    fn on_message(&mut self, id: GossipId, data: &[u8]) {
        let topic = label(id.kind);
        metrics::counter!("atoll_network_gossip_total", "direction" => "in", "topic" => topic).increment(1);
        metrics::counter!("atoll_network_gossip_bytes_total", "direction" => "in", "topic" => topic)
            .increment(data.len() as u64);
        let within = self.peers.get_mut(&id.source).is_none_or(|peer| peer.gossip.take(Instant::now()));
        if !within {
            self.penalise(id.source, Misbehaviour::Flooding);
            self.on_validated(&id, Acceptance::Ignore);
            return;
        }
        let event = match id.kind {
            GossipKind::Block => gossip::decode_block(data).map(|(block, total_difficulty)| NetworkEvent::Block {
                id: id.clone(),
                block: Box::new(block),
                total_difficulty,
            }),
            GossipKind::Transactions => gossip::decode_transactions(data)
                .map(|transactions| NetworkEvent::Transactions { id: id.clone(), transactions }),
        };
        match event {
            Ok(event) => {
                if let NetworkEvent::Block { block, total_difficulty, .. } = &event {
                    self.raise_status(&id, &block.header, *total_difficulty);
                }
                if !self.tell(event) {
                    self.on_validated(&id, Acceptance::Ignore);
                }
            }
            Err(error) => {
                tracing::debug!(peer = %id.source, topic, %error, "unreadable gossip");
                self.penalise(id.source, Misbehaviour::Rubbish);
                self.on_validated(&id, Acceptance::Reject);
            }
        }
    }

    /// Who passes a block on has it: the next status may be a second away, and in that second two halves of a network
    /// that just met would each mine on, at equal pace, without seeing that the other is ahead.
    fn raise_status(&mut self, id: &GossipId, header: &Header, total_difficulty: U256) {
        let Some(status) = self.peers.get_mut(&id.source).and_then(|peer| peer.status.as_mut()) else { return };
        if total_difficulty > status.total_difficulty {
            status.head_number = header.number;
            status.head_hash = header.hash_slow();
            status.total_difficulty = total_difficulty;
            self.peers_changed = true;
        }
    }

    pub(super) fn publish_block(&mut self, data: Vec<u8>) {
        let topic = self.topics.blocks.clone();
        self.publish(&topic, GossipKind::Block, data);
    }

    /// The queue is emptied at every 64 KiB and every 50 ms, so its bound is one command's transactions.
    pub(super) fn queue_transactions(&mut self, encoded: Vec<Vec<u8>>) {
        for item in encoded {
            self.queued_bytes += item.len();
            self.queued.push(item);
            if self.queued_bytes >= BATCH_BYTES {
                self.flush_transactions();
            }
        }
    }

    pub(super) fn flush_transactions(&mut self) {
        self.queued_bytes = 0;
        let batch = std::mem::take(&mut self.queued);
        let topic = self.topics.transactions.clone();
        self.publish(&topic, GossipKind::Transactions, gossip::encode_transactions(&batch));
    }

    fn publish(&mut self, topic: &IdentTopic, kind: GossipKind, data: Vec<u8>) {
        let (topic_label, size) = (label(kind), data.len());
        match self.swarm.behaviour_mut().gossipsub.publish(topic.clone(), data) {
            Ok(_) => {
                metrics::counter!("atoll_network_gossip_total", "direction" => "out", "topic" => topic_label)
                    .increment(1);
                metrics::counter!("atoll_network_gossip_bytes_total", "direction" => "out", "topic" => topic_label)
                    .increment(size as u64);
            }
            // Alone on the network, or it went out before: both are ordinary. Peers catch up by status.
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::warn!(topic = topic_label, size, %error, "cannot gossip"),
        }
    }
}

fn label(kind: GossipKind) -> &'static str {
    match kind {
        GossipKind::Block => "blocks",
        GossipKind::Transactions => "transactions",
    }
}
