//! `debug_setHead`: an operator sets the chain back.

use crate::{RpcError, context::Node};
use alloy_rpc_types_eth::BlockNumberOrTag;
use atoll_chain::RewindError;
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use std::sync::Arc;

/// The part of `debug` that changes something.
#[rpc(server, namespace = "debug")]
pub(crate) trait SetHeadApi {
    /// Makes an older canonical block the head; what lay above leaves the chain, and its transactions return to the
    /// pool. Answers null.
    #[method(name = "setHead")]
    async fn set_head(&self, number: BlockNumberOrTag) -> Result<(), RpcError>;
}

/// Answers from a node.
pub(crate) struct SetHead(pub(crate) Arc<Node>);

#[async_trait]
impl SetHeadApiServer for SetHead {
    async fn set_head(&self, number: BlockNumberOrTag) -> Result<(), RpcError> {
        let BlockNumberOrTag::Number(number) = number else {
            return Err(RpcError::InvalidArgument { index: 0, reason: "a block number is needed".to_owned() });
        };
        let work = move |node: &Node| match node.chain.set_head(number) {
            Ok(_) => Ok(()),
            Err(RewindError::BeyondHead { number, head }) => Err(RpcError::BeyondHead { requested: number, head }),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "debug_setHead failed");
                Err(crate::ControlError::Refused(error.to_string()).into())
            }
        };
        self.0.executing(work).await
    }
}
