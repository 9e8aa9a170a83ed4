//! `debug_subscribe` with `traceChain`: the traces of a range of blocks, a message a block.
//!
//! One block is traced at a time, under the same permits and limits as any trace, and the next one only when the
//! client has taken the last: a subscriber that reads slowly holds up nobody but itself.

use super::trace::{TraceEntry, entries};
use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_rpc_types_eth::BlockNumberOrTag;
use atoll_executor::TraceOptions;
use atoll_primitives::{B256, primitives::U64};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{SubscriptionResult, async_trait},
    proc_macros::rpc,
};
use serde::Serialize;
use std::sync::Arc;

/// The WebSocket half of `debug`.
#[rpc(server, namespace = "debug")]
pub(crate) trait DebugPubSub {
    /// Kind: `traceChain`, from the block after `start` to `end`.
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = String)]
    async fn subscribe(
        &self,
        kind: String,
        start: BlockNumberOrTag,
        end: BlockNumberOrTag,
        options: Option<TraceOptions>,
    ) -> SubscriptionResult;
}

/// Answers from a node.
pub(crate) struct TraceChain(pub(crate) Arc<Node>);

/// The traces of one block.
#[derive(Serialize)]
struct BlockTraces<'a> {
    block: U64,
    hash: B256,
    traces: Vec<TraceEntry<'a>>,
}

impl Node {
    fn chain_range(&self, kind: &str, start: BlockNumberOrTag, end: BlockNumberOrTag) -> Result<(u64, u64), RpcError> {
        if kind != "traceChain" {
            return Err(RpcError::UnknownSubscription { kind: kind.to_owned() });
        }
        let number = |tag| self.number_of(tag)?.ok_or(RpcError::UnknownBlock);
        let (from, to) = (number(start)?, number(end)?);
        if from >= to { Err(RpcError::InvalidBlockRange { from, to }) } else { Ok((from, to)) }
    }

    fn block_traces(&self, number: u64, options: &TraceOptions) -> Result<Json, RpcError> {
        let view = self.existing_block(BlockNumberOrTag::Number(number).into())?;
        let traces = self.traces_of(&view.block, options)?;
        json(&BlockTraces { block: U64::from(number), hash: view.block.hash, traces: entries(&traces) })
    }
}

#[async_trait]
impl DebugPubSubServer for TraceChain {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        start: BlockNumberOrTag,
        end: BlockNumberOrTag,
        options: Option<TraceOptions>,
    ) -> SubscriptionResult {
        let node = &self.0;
        let (from, to) = match node.chain_range(&kind, start, end) {
            Ok(range) => range,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        let sink = pending.accept().await?;
        let options = Arc::new(options.unwrap_or_default());
        for number in from + 1..=to {
            let options = options.clone();
            // A block that cannot be traced ends the subscription: what follows would leave a hole.
            let message = node.tracing(move |node| node.block_traces(number, &options)).await?;
            if sink.send(message).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
