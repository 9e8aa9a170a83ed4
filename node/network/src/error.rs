//! Errors of the network.

use atoll_primitives::{B256, ForkIdError};
use libp2p::{Multiaddr, PeerId, TransportError};

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The secret key is no secp256k1 scalar.
    #[error("the node key is not a valid secp256k1 key")]
    Key,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// The system's reason.
        #[source]
        source: TransportError<std::io::Error>,
    },
    /// QUIC and a pre-shared key together.
    #[error("{address} is a QUIC address, which a pre-shared key cannot protect; use TCP")]
    QuicWithKey {
        /// The address.
        address: Multiaddr,
    },
    /// The transport cannot be set up.
    #[error("cannot set up the transport: {0}")]
    Transport(String),
}

/// Why two nodes never become peers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// Another protocol version.
    #[error("protocol version {theirs}, ours is {ours}")]
    Version {
        /// Ours.
        ours: u32,
        /// Theirs.
        theirs: u32,
    },
    /// Another network.
    #[error("network ID {theirs}, ours is {ours}")]
    NetworkId {
        /// Ours.
        ours: u64,
        /// Theirs.
        theirs: u64,
    },
    /// Another chain.
    #[error("genesis hash {theirs}, ours is {ours}")]
    Genesis {
        /// Ours.
        ours: B256,
        /// Theirs.
        theirs: B256,
    },
    /// Other forks (EIP-2124).
    #[error("fork ID does not fit: {0}")]
    ForkId(ForkIdError),
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The peer is not connected, or has not shaken hands.
    #[error("{0} is not a peer")]
    NotPeer(PeerId),
    /// As many requests are waiting as may.
    #[error("too many requests are waiting for answers")]
    Busy,
    /// No answer in time, or the connection broke.
    #[error("{peer} did not answer: {reason}")]
    Failed {
        /// Who.
        peer: PeerId,
        /// What the transport says.
        reason: String,
    },
    /// The answer is of another kind or longer than what was asked for; the peer was penalised.
    #[error("{0} answered something else than it was asked")]
    WrongAnswer(PeerId),
    /// The network was shut down.
    #[error("the network is shut down")]
    Closed,
}
