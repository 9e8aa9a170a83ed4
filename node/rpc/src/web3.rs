//! The `web3` namespace.

use crate::{RpcError, context::Node};
use atoll_primitives::{B256, Bytes, keccak256};
use jsonrpsee::proc_macros::rpc;
use std::sync::Arc;

/// Version and hash.
#[rpc(server, namespace = "web3")]
pub(crate) trait Web3Api {
    #[method(name = "clientVersion")]
    fn client_version(&self) -> Result<String, RpcError>;
    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> Result<B256, RpcError>;
}

/// Answers from a node.
pub(crate) struct Web3(pub(crate) Arc<Node>);

impl Web3ApiServer for Web3 {
    fn client_version(&self) -> Result<String, RpcError> {
        Ok(self.0.client_version.clone())
    }

    fn sha3(&self, data: Bytes) -> Result<B256, RpcError> {
        Ok(keccak256(data))
    }
}
