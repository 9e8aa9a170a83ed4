//! The `net` namespace.

use crate::{RpcError, context::Node};
use atoll_primitives::U64;
use jsonrpsee::proc_macros::rpc;
use std::sync::Arc;

/// Network ID and peers.
#[rpc(server, namespace = "net")]
pub(crate) trait NetApi {
    /// The network ID in decimal: not the chain ID, though the default is the same.
    #[method(name = "version")]
    fn version(&self) -> Result<String, RpcError>;
    #[method(name = "listening")]
    fn listening(&self) -> Result<bool, RpcError>;
    #[method(name = "peerCount")]
    fn peer_count(&self) -> Result<U64, RpcError>;
}

/// Answers from a node.
pub(crate) struct Net(pub(crate) Arc<Node>);

impl NetApiServer for Net {
    fn version(&self) -> Result<String, RpcError> {
        Ok(self.0.spec.network_id.to_string())
    }

    fn listening(&self) -> Result<bool, RpcError> {
        Ok(self.0.control.listening())
    }

    fn peer_count(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.0.control.peer_count()))
    }
}
