//! Peers, gossip and sync requests over libp2p.
//!
//! This room turns bytes into typed messages and back, keeps the connections, and judges peers by how they behave
//! on the wire. It must not know what makes a block or a transaction valid: it asks ([`NetworkEvent`]), and
//! forwards gossip only after the answer ([`NetworkHandle::validated`]).

mod behaviour;
mod codec;
mod config;
mod error;
mod gossip;
mod handle;
mod message;
mod peers;
mod score;
mod service;
#[cfg(test)]
mod tests;

pub use config::{NetworkConfig, PreSharedKey, PreSharedKeyError, pre_shared_key};
pub use error::{Incompatible, NetworkError, RequestError};
pub use gossip::GossipId;
pub use handle::{Acceptance, LocalStatus, MOST_TRUSTED, NetworkEvent, NetworkHandle, Responder};
pub use libp2p::{Multiaddr, PeerId};
pub use message::{
    HashOrNumber, MAX_BODIES, MAX_HEADERS, MAX_POOLED, PROTOCOL_VERSION, Request, Response, SOFT_RESPONSE_BYTES, Status,
};
pub use peers::PeerInfo;
pub use score::Misbehaviour;
pub use service::Network;
