//! What the ethstats reporter may ask of the node, taken from its rooms.

use crate::{
    config::NodeConfig,
    control::Control,
    core::Core,
    ethstats::{NodeIdentity, NodeSource, NodeStatus, block_report},
    run::follow_number,
};
use atoll_rpc::NodeControl;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The reporter's view of this node.
pub fn source(config: &NodeConfig, core: &Core, control: Arc<Control>, stop: &CancellationToken) -> NodeSource {
    let identity = NodeIdentity {
        client: crate::CLIENT.to_owned(),
        port: config.peers.listen.port(),
        network_id: config.spec.network_id,
        protocol: "atoll/1".to_owned(),
    };
    let chain = core.chain.clone();
    let block = move |number: u64| {
        let storage = chain.storage();
        let hash = storage.canonical_hash(number).ok()??;
        let block = storage.block(&hash).ok()??;
        let total_difficulty = storage.total_difficulty(&hash).ok()??;
        let author = chain.engine().author(block.header()).ok()?;
        Some(block_report(&block, total_difficulty, author))
    };
    let pool = core.pool.clone();
    let status = move || NodeStatus {
        peers: control.peer_count() as u64,
        pending: pool.status().pending as u64,
        mining: control.mining(),
        hashrate: control.hashrate(),
        syncing: control.syncing().is_some(),
        gas_price: pool.price_limit(),
    };
    NodeSource { identity, head: follow_number(&core.chain, stop), block: Arc::new(block), status: Arc::new(status) }
}
