//! Proof of work by external miners: `eth_getWork`, `eth_submitWork`, `eth_submitHashrate`, with geth's parameters
//! and answers.

use crate::{RpcError, context::Node};
use atoll_primitives::{B64, B256, U64};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use std::sync::Arc;

/// External mining.
#[rpc(server, namespace = "eth")]
pub(crate) trait WorkApi {
    /// Seal hash, seed hash, target as 32 bytes, block number.
    #[method(name = "getWork")]
    async fn work(&self) -> Result<(B256, B256, B256, U64), RpcError>;
    /// Whether the solution was good and its block is imported.
    #[method(name = "submitWork")]
    async fn submit(&self, nonce: B64, seal_hash: B256, mix_hash: B256) -> Result<bool, RpcError>;
    /// Whether the rate was noted; it counts for ten seconds.
    #[method(name = "submitHashrate")]
    fn submit_hashrate(&self, rate: U64, id: B256) -> Result<bool, RpcError>;
}

/// Answers from a node.
pub(crate) struct Work(pub(crate) Arc<Node>);

#[async_trait]
impl WorkApiServer for Work {
    async fn work(&self) -> Result<(B256, B256, B256, U64), RpcError> {
        let work = self.0.blocking(|node| Ok(node.control.work()?)).await?;
        Ok((work.seal_hash, work.seed_hash, B256::from(work.target), U64::from(work.number)))
    }

    async fn submit(&self, nonce: B64, seal_hash: B256, mix_hash: B256) -> Result<bool, RpcError> {
        self.0.executing(move |node| Ok(node.control.submit_work(nonce, seal_hash, mix_hash))).await
    }

    fn submit_hashrate(&self, rate: U64, id: B256) -> Result<bool, RpcError> {
        Ok(self.0.control.submit_hashrate(rate.to(), id))
    }
}
