//! The `evm` namespace: what development tools ask of a test chain, as far as a real chain can do it honestly. Off
//! unless asked for.
//!
//! `evm_mine` does real work. `evm_increaseTime` and `evm_setNextBlockTimestamp` are not there: other nodes refuse
//! blocks from the future. `evm_snapshot` and `evm_revert` are not there: other nodes keep the blocks.

use crate::{RpcError, context::Node};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use serde_json::Value;
use std::sync::Arc;

/// Development helpers.
#[rpc(server, namespace = "evm")]
pub(crate) trait EvmApi {
    /// Mines one block with the pool's transactions and answers `"0x0"` when it is the head, as other development
    /// nodes do.
    #[method(name = "mine")]
    async fn mine(&self, options: Option<Value>) -> Result<&'static str, RpcError>;
}

/// Answers from a node.
pub(crate) struct Evm(pub(crate) Arc<Node>);

#[async_trait]
impl EvmApiServer for Evm {
    async fn mine(&self, options: Option<Value>) -> Result<&'static str, RpcError> {
        if options.is_some_and(|options| !options.is_null()) {
            let reason = "the timestamp and number of blocks cannot be chosen: blocks follow the chain's own rules";
            return Err(RpcError::InvalidArgument { index: 0, reason: reason.to_owned() });
        }
        self.0.mining(|node| Ok(node.control.mine_once()?)).await?;
        Ok("0x0")
    }
}
