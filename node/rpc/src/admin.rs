//! The `admin` namespace: this node and its peers. Nobody but the operator should reach it.

use crate::{NodeInfo, PeerInfo, RpcError, context::Node};
use atoll_primitives::{B256, U256};
use jsonrpsee::proc_macros::rpc;
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

/// What this node is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeInfoJson {
    #[serde(flatten)]
    node: NodeInfo,
    name: String,
    protocols: Protocols,
}

#[derive(Debug, Clone, Serialize)]
struct Protocols {
    eth: EthProtocol,
}

/// geth's field names; `network` is the network ID.
#[derive(Debug, Clone, Serialize)]
struct EthProtocol {
    network: u64,
    difficulty: Option<U256>,
    genesis: B256,
    head: B256,
}

/// Peers and this node. A peer is named by a multiaddress that ends in `/p2p/<peer ID>`; where no dialling follows,
/// the peer ID alone is enough.
#[rpc(server, namespace = "admin")]
pub(crate) trait AdminApi {
    #[method(name = "nodeInfo")]
    async fn node_info(&self) -> Result<NodeInfoJson, RpcError>;
    #[method(name = "datadir")]
    fn datadir(&self) -> Result<PathBuf, RpcError>;
    #[method(name = "peers")]
    fn peers(&self) -> Result<Vec<PeerInfo>, RpcError>;
    /// Dials the peer and stays connected to it.
    #[method(name = "addPeer")]
    fn add_peer(&self, address: String) -> Result<bool, RpcError>;
    /// Disconnects the peer and dials it no more.
    #[method(name = "removePeer")]
    fn remove_peer(&self, peer: String) -> Result<bool, RpcError>;
    /// Lets the peer in even when there is no room for more.
    #[method(name = "addTrustedPeer")]
    fn add_trusted_peer(&self, peer: String) -> Result<bool, RpcError>;
    /// Treats the peer like others again; it stays connected.
    #[method(name = "removeTrustedPeer")]
    fn remove_trusted_peer(&self, peer: String) -> Result<bool, RpcError>;
}

/// Answers from a node.
pub(crate) struct Admin(pub(crate) Arc<Node>);

#[jsonrpsee::core::async_trait]
impl AdminApiServer for Admin {
    async fn node_info(&self) -> Result<NodeInfoJson, RpcError> {
        let work = |node: &Node| {
            let head = node.head().hash;
            let eth = EthProtocol {
                network: node.spec.network_id,
                difficulty: node.storage().total_difficulty(&head)?,
                genesis: node.storage().genesis_hash(),
                head,
            };
            let (name, protocols) = (node.client_version.clone(), Protocols { eth });
            Ok(NodeInfoJson { node: node.control.node_info(), name, protocols })
        };
        self.0.blocking(work).await
    }

    fn datadir(&self) -> Result<PathBuf, RpcError> {
        Ok(self.0.control.datadir()?)
    }

    fn peers(&self) -> Result<Vec<PeerInfo>, RpcError> {
        Ok(self.0.control.peers())
    }

    fn add_peer(&self, address: String) -> Result<bool, RpcError> {
        self.0.control.add_peer(&address)?;
        Ok(true)
    }

    fn remove_peer(&self, peer: String) -> Result<bool, RpcError> {
        self.0.control.remove_peer(&peer)?;
        Ok(true)
    }

    fn add_trusted_peer(&self, peer: String) -> Result<bool, RpcError> {
        self.0.control.set_trusted(&peer, true)?;
        Ok(true)
    }

    fn remove_trusted_peer(&self, peer: String) -> Result<bool, RpcError> {
        self.0.control.set_trusted(&peer, false)?;
        Ok(true)
    }
}
