//! Gossip: topics, message shapes, and how gossipsub is set up for networks of 3 to 50 nodes.

use crate::message::whole;
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader};
use atoll_primitives::{B256, Block, PooledTransaction, U256, keccak256};
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
    TopicScoreParams, ValidationMode,
};
use libp2p::{PeerId, identity::Keypair};
use std::time::Duration;

/// EIP-7934 lets a block have 8 MiB, and earlier forks none at all; larger ones still arrive by sync.
const MAX_BLOCK_MESSAGE: usize = 9 << 20;
/// A batch of 64 KiB whose last transaction has geth's largest size, 128 KiB.
const MAX_TRANSACTIONS_MESSAGE: usize = 256 << 10;

/// A gossip message waiting to be validated: what it is and who brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipId {
    pub(crate) message: MessageId,
    pub(crate) source: PeerId,
    pub(crate) kind: GossipKind,
}

/// What a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GossipKind {
    Block,
    Transactions,
}

impl GossipId {
    /// The peer that brought the message; not always its author.
    pub fn source(&self) -> PeerId {
        self.source
    }
}

/// The topics of one network.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    pub blocks: IdentTopic,
    pub transactions: IdentTopic,
}

impl Topics {
    pub fn new(genesis_hash: B256, network_id: u64) -> Self {
        let topic = |kind: &str| IdentTopic::new(format!("/atoll/{genesis_hash}/{network_id}/{kind}/1"));
        Self { blocks: topic("blocks"), transactions: topic("transactions") }
    }
}

/// `[block, total difficulty]`.
pub(crate) fn encode_block(block: &Block, total_difficulty: U256) -> Vec<u8> {
    let payload_length = block.length() + total_difficulty.length();
    let mut out = Vec::with_capacity(payload_length + 4);
    RlpHeader { list: true, payload_length }.encode(&mut out);
    block.encode(&mut out);
    total_difficulty.encode(&mut out);
    out
}

pub(crate) fn decode_block(bytes: &[u8]) -> alloy_rlp::Result<(Block, U256)> {
    let mut rest = bytes;
    let mut payload = RlpHeader::decode_bytes(&mut rest, true)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    let block = Block::decode(&mut payload)?;
    Ok((block, whole(payload)?))
}

/// A list of transactions already encoded one by one.
pub(crate) fn encode_transactions(encoded: &[Vec<u8>]) -> Vec<u8> {
    let payload_length = encoded.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(payload_length + 4);
    RlpHeader { list: true, payload_length }.encode(&mut out);
    encoded.iter().for_each(|item| out.extend_from_slice(item));
    out
}

/// Blob transactions are too large to flood; they are announced by hash and have no place here.
pub(crate) fn decode_transactions(bytes: &[u8]) -> alloy_rlp::Result<Vec<PooledTransaction>> {
    let transactions: Vec<PooledTransaction> = whole(bytes)?;
    if transactions.is_empty() {
        return Err(alloy_rlp::Error::InputTooShort);
    }
    if transactions.iter().any(|tx| tx.as_eip4844().is_some()) {
        return Err(alloy_rlp::Error::Custom("blob transaction in gossip"));
    }
    Ok(transactions)
}

fn message_id(message: &gossipsub::Message) -> MessageId {
    // By content: the same block from two authors is one message.
    let mut input = message.topic.as_str().as_bytes().to_vec();
    input.extend_from_slice(keccak256(&message.data).as_slice());
    MessageId::from(keccak256(input).to_vec())
}

/// Gossipsub for these topics.
pub(crate) fn behaviour(key: &Keypair, topics: &Topics) -> Result<gossipsub::Behaviour, String> {
    let config = ConfigBuilder::default()
        .max_transmit_size(MAX_BLOCK_MESSAGE)
        .max_transmit_size_for_topic(MAX_TRANSACTIONS_MESSAGE, topics.transactions.hash())
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(message_id)
        // Small networks: with up to eight neighbours each message crosses fifty nodes in two or three steps.
        .mesh_n(6)
        .mesh_n_low(4)
        .mesh_n_high(10)
        .mesh_outbound_min(1)
        .flood_publish(true)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(Duration::from_millis(700))
        // Importing a large block may take seconds: it must still be in the cache when it is accepted.
        .history_length(30)
        .history_gossip(5)
        .duplicate_cache_time(Duration::from_secs(60))
        // At most this many messages wait for a slow peer; beyond, they are dropped and it heals by status.
        .connection_handler_queue_len(2048)
        .build()
        .map_err(|err| err.to_string())?;
    let mut behaviour = gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), config)?;
    behaviour.with_peer_score(score_params(topics), thresholds())?;
    for topic in [&topics.blocks, &topics.transactions] {
        behaviour.subscribe(topic).map_err(|err| err.to_string())?;
    }
    Ok(behaviour)
}

/// Only what tells misbehaviour apart is scored: blocks may be rare, so silence is no fault, and nodes in one box
/// or one data centre share an address.
fn score_params(topics: &Topics) -> PeerScoreParams {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: 0.9,
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: 0.95,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topics.blocks.hash(), topic.clone()), (topics.transactions.hash(), topic)].into_iter().collect(),
        topic_score_cap: 20.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        // A mesh that forms while all nodes start is full of early grafts.
        behaviour_penalty_threshold: 20.0,
        behaviour_penalty_weight: -1.0,
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        // Below the score at which a peer is banned: gossipsub alone must not fall silent towards a peer that the
        // rest of the node still talks to.
        gossip_threshold: -110.0,
        publish_threshold: -150.0,
        graylist_threshold: -200.0,
        accept_px_threshold: 100.0,
        opportunistic_graft_threshold: 1.0,
    }
}
