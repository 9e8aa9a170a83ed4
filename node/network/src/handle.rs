//! What the rest of the node holds: a handle to ask the network, and the events it reports.

use crate::error::RequestError;
use crate::gossip::{self, GossipId};
use crate::message::{Request, Response, Status};
use crate::peers::PeerInfo;
use crate::score::Misbehaviour;
use alloy_rlp::Encodable;
use atoll_primitives::{Block, ForkFilter, PooledTransaction, TxHash, U256};
use libp2p::request_response::ResponseChannel;
use libp2p::{Multiaddr, PeerId};
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What peers are told about us, and what is compared with what they tell.
#[derive(Debug, Clone)]
pub struct LocalStatus {
    /// Our status.
    pub status: Status,
    /// Judges their fork IDs (EIP-2124).
    pub fork_filter: ForkFilter,
}

/// The verdict on a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// Good: forwarded to others.
    Accept,
    /// Bad: dropped, and every peer that brought it is penalised.
    Reject,
    /// Neither: dropped without blame.
    Ignore,
}

/// What the network reports. The channel has room for [`EVENT_CAPACITY`] events; when it is full, gossip is ignored
/// (not forwarded), requests go unanswered, and peer events are lost, which is why readers also look at
/// [`NetworkHandle::peers`] now and then.
#[derive(Debug)]
pub enum NetworkEvent {
    /// A peer shook hands and can be asked.
    PeerReady {
        /// Who.
        peer: PeerId,
        /// Its status.
        status: Status,
    },
    /// A peer's head moved.
    PeerStatus {
        /// Who.
        peer: PeerId,
        /// Its new status.
        status: Status,
    },
    /// A peer that had been ready is gone.
    PeerGone {
        /// Who.
        peer: PeerId,
    },
    /// A block was gossiped; [`NetworkHandle::validated`] is awaited.
    Block {
        /// To answer with.
        id: GossipId,
        /// The block.
        block: Box<Block>,
        /// Its total difficulty, as the author says.
        total_difficulty: U256,
    },
    /// Transactions were gossiped; [`NetworkHandle::validated`] is awaited.
    Transactions {
        /// To answer with.
        id: GossipId,
        /// The transactions, none with blobs.
        transactions: Vec<PooledTransaction>,
    },
    /// A peer has these in its pool.
    Announced {
        /// Who.
        peer: PeerId,
        /// Transaction hashes.
        hashes: Vec<TxHash>,
    },
    /// A peer asks; [`NetworkHandle::respond`] is awaited. Dropping the responder refuses.
    Request {
        /// Who.
        peer: PeerId,
        /// What.
        request: Request,
        /// To answer with.
        responder: Responder,
    },
}

/// Peers that may always connect.
pub const MOST_TRUSTED: usize = 256;
/// Room in the channel of events.
pub(crate) const EVENT_CAPACITY: usize = 1024;
/// Room in the channel of commands; whoever commands waits when it is full.
pub(crate) const COMMAND_CAPACITY: usize = 1024;

/// The right to answer one request.
#[derive(Debug)]
pub struct Responder(pub(crate) ResponseChannel<Response>);

pub(crate) enum Command {
    PublishBlock(Vec<u8>),
    QueueTransactions(Vec<Vec<u8>>),
    Announce { hashes: Vec<TxHash>, except: Option<PeerId> },
    Validated(GossipId, Acceptance),
    Request { peer: PeerId, request: Request, answer: oneshot::Sender<Result<Response, RequestError>> },
    Respond(Responder, Response),
    SetStatus(Box<LocalStatus>),
    Report(PeerId, Misbehaviour),
    Dial(Multiaddr),
    AddStatic(Multiaddr),
    RemovePeer(PeerId),
    Trust(PeerId, bool),
    Disconnect(PeerId),
}

/// What the handle reads without asking the network's task.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub peers: RwLock<Vec<PeerInfo>>,
    pub listening: RwLock<Vec<Multiaddr>>,
}

/// Clone handle of a running network. After shutdown, commands do nothing and requests fail.
#[derive(Debug, Clone)]
pub struct NetworkHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) local: PeerId,
}

impl NetworkHandle {
    /// Floods a block of our own to all peers.
    pub async fn announce_block(&self, block: &Block, total_difficulty: U256) {
        self.send(Command::PublishBlock(gossip::encode_block(block, total_difficulty))).await;
    }

    /// Gossips transactions in batches of 64 KiB or 50 ms; those with blobs are announced by hash instead.
    pub async fn announce_transactions<'a>(&self, transactions: impl IntoIterator<Item = &'a PooledTransaction>) {
        let (mut encoded, mut blobs) = (Vec::new(), Vec::new());
        for tx in transactions {
            if tx.as_eip4844().is_some() {
                blobs.push(*tx.hash());
                continue;
            }
            let mut bytes = Vec::with_capacity(tx.length());
            tx.encode(&mut bytes);
            encoded.push(bytes);
        }
        if !encoded.is_empty() {
            self.send(Command::QueueTransactions(encoded)).await;
        }
        if !blobs.is_empty() {
            self.announce_hashes(blobs, None).await;
        }
    }

    /// Tells all peers (but one) which transactions our pool has; they fetch what they lack.
    pub async fn announce_hashes(&self, hashes: Vec<TxHash>, except: Option<PeerId>) {
        self.send(Command::Announce { hashes, except }).await;
    }

    /// The verdict on a gossip message; only accepted ones are forwarded.
    pub async fn validated(&self, id: GossipId, acceptance: Acceptance) {
        self.send(Command::Validated(id, acceptance)).await;
    }

    /// Asks a peer.
    ///
    /// # Errors
    /// [`RequestError`]; an answer of another kind or beyond what was asked counts against the peer.
    pub async fn request(&self, peer: PeerId, request: Request) -> Result<Response, RequestError> {
        let (answer, result) = oneshot::channel();
        self.send(Command::Request { peer, request, answer }).await;
        result.await.unwrap_or(Err(RequestError::Closed))
    }

    /// Answers a peer.
    pub async fn respond(&self, responder: Responder, response: Response) {
        self.send(Command::Respond(responder, response)).await;
    }

    /// Changes what peers are told; they hear of a new head at once.
    pub async fn set_status(&self, status: LocalStatus) {
        self.send(Command::SetStatus(Box::new(status))).await;
    }

    /// Penalises a peer; at a score of -100 it is banned for ten minutes.
    pub async fn report(&self, peer: PeerId, fault: Misbehaviour) {
        self.send(Command::Report(peer, fault)).await;
    }

    /// Dials an address (from discovery) now and, with growing pauses, some more times until it answers.
    pub async fn dial(&self, address: Multiaddr) {
        self.send(Command::Dial(address)).await;
    }

    /// Stays connected to an address from now on.
    pub async fn add_static(&self, address: Multiaddr) {
        self.send(Command::AddStatic(address)).await;
    }

    /// Disconnects a peer and forgets its addresses, static ones too.
    pub async fn remove_peer(&self, peer: PeerId) {
        self.send(Command::RemovePeer(peer)).await;
    }

    /// Lets a peer in whether or not there is room, or not any more. At [`MOST_TRUSTED`] peers more are not noted.
    pub async fn trust(&self, peer: PeerId, trusted: bool) {
        self.send(Command::Trust(peer, trusted)).await;
    }

    /// Disconnects a peer without blame; it may come back.
    pub async fn disconnect(&self, peer: PeerId) {
        self.send(Command::Disconnect(peer)).await;
    }

    /// Peers that shook hands.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.peers.read().clone()
    }

    /// How many peers shook hands.
    pub fn peer_count(&self) -> usize {
        self.shared.peers.read().len()
    }

    /// Our own peer ID.
    pub fn local_peer_id(&self) -> PeerId {
        self.local
    }

    /// Addresses we listen on, without the peer ID.
    pub fn listen_addrs(&self) -> Vec<Multiaddr> {
        self.shared.listening.read().clone()
    }

    async fn send(&self, command: Command) {
        // Fails only after shutdown, when there is nobody left to tell.
        let _ = self.commands.send(command).await;
    }
}
