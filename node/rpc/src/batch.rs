//! How a batch runs: answers in order, independent reads side by side, raw transactions gathered for the pool.
//!
//! A hundred `eth_sendRawTransaction` in one batch reach the pool as one list, whose signatures it recovers in
//! parallel. Anything that changes something waits for what stands before it, as a client expects.
//! Parameters that do not parse are worded here too, as geth words them: jsonrpsee puts the reason into `data`.

use crate::{RpcError, context::Node};
use atoll_primitives::Bytes;
use futures::{StreamExt as _, stream};
use jsonrpsee::{
    BatchResponseBuilder, MethodResponse, ResponsePayload,
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    types::{ErrorObjectOwned, Request},
};
use serde::Deserialize;
use std::{future::Future, sync::Arc};

/// Reads of one batch that run at the same time.
const SIDE_BY_SIDE: usize = 8;
const SEND_RAW: &str = "eth_sendRawTransaction";
const INVALID_PARAMS: i32 = -32602;

/// Wraps the service that calls single methods.
#[derive(Clone)]
pub(crate) struct BatchService<S> {
    inner: S,
    node: Arc<Node>,
}

impl<S> BatchService<S> {
    pub(crate) fn new(inner: S, node: Arc<Node>) -> Self {
        Self { inner, node }
    }
}

/// A run of entries that are handled the same way.
enum Run<'a> {
    RawTransactions(Vec<Request<'a>>),
    Reads(Vec<Request<'a>>),
    Alone(BatchEntry<'a>),
    Invalid(BatchEntryErr<'a>),
}

/// Whether a method leaves everything as it is, so that its order among others does not matter.
fn is_read(method: &str) -> bool {
    const READS: [&str; 5] = ["eth_get", "net_", "web3_", "txpool_", "debug_"];
    const MORE: [&str; 7] = [
        "eth_call",
        "eth_estimateGas",
        "eth_createAccessList",
        "eth_chainId",
        "eth_blockNumber",
        "eth_gasPrice",
        "eth_feeHistory",
    ];
    let polls = matches!(method, "eth_getFilterChanges" | "eth_getFilterLogs");
    !polls && (READS.iter().any(|prefix| method.starts_with(prefix)) || MORE.contains(&method))
}

/// Groups neighbours; the order of entries stays.
fn runs(batch: Batch<'_>) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for entry in batch {
        match (entry, runs.last_mut()) {
            (Ok(BatchEntry::Call(call)), Some(Run::RawTransactions(calls))) if call.method == SEND_RAW => {
                calls.push(call);
            }
            (Ok(BatchEntry::Call(call)), Some(Run::Reads(calls))) if is_read(&call.method) => calls.push(call),
            (Ok(BatchEntry::Call(call)), _) if call.method == SEND_RAW => runs.push(Run::RawTransactions(vec![call])),
            (Ok(BatchEntry::Call(call)), _) if is_read(&call.method) => runs.push(Run::Reads(vec![call])),
            (Ok(entry), _) => runs.push(Run::Alone(entry)),
            (Err(error), _) => runs.push(Run::Invalid(error)),
        }
    }
    runs
}

fn raw_transaction(call: &Request<'_>) -> Result<Bytes, RpcError> {
    let params = call.params.as_ref().map_or("[]", |params| params.get());
    let parsed = serde_json::from_str::<(Bytes,)>(params).map(|(raw,)| raw);
    parsed.map_err(|error| RpcError::InvalidArgument { index: 0, reason: error.to_string() })
}

async fn send_all<'a>(node: &Arc<Node>, calls: Vec<Request<'a>>) -> Vec<MethodResponse> {
    let limit = node.config.max_response_bytes as usize;
    let raw: Vec<_> = calls.iter().map(raw_transaction).collect();
    let answers = node.blocking(move |node| Ok(node.send_raw_many(raw))).await;
    let answers = answers.unwrap_or_else(|error| {
        // The whole list failed for one reason, such as a busy node: every entry hears it.
        let (code, message) = (error.code(), error.to_string());
        let again = |_: &Request<'_>| Err(RpcError::Simulation { code, message: message.clone() });
        calls.iter().map(again).collect()
    });
    let respond = |(call, answer): (Request<'a>, Result<_, RpcError>)| match answer {
        Ok(hash) => MethodResponse::response(call.id, ResponsePayload::success(hash), limit),
        Err(error) => MethodResponse::error(call.id, error),
    };
    calls.into_iter().zip(answers).map(respond).collect()
}

/// The part of an answer that tells why parameters did not parse.
#[derive(Deserialize)]
struct Unparsed {
    error: UnparsedError,
}

#[derive(Deserialize)]
struct UnparsedError {
    message: String,
    data: Option<String>,
}

async fn call_one<'a, S>(inner: &S, request: Request<'a>) -> MethodResponse
where
    S: RpcServiceT<MethodResponse = MethodResponse>,
{
    let id = request.id.clone().into_owned();
    let response = inner.call(request).await;
    if response.as_error_code() != Some(INVALID_PARAMS) || !response.is_method_call() {
        return response;
    }
    match serde_json::from_str::<Unparsed>(response.as_json().get()) {
        Ok(Unparsed { error: UnparsedError { message, data: Some(reason) } }) if message == "Invalid params" => {
            let message = format!("invalid argument: {reason}");
            MethodResponse::error(id, ErrorObjectOwned::owned(INVALID_PARAMS, message, None::<()>))
        }
        _ => response,
    }
}

impl<S> RpcServiceT for BatchService<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        async move { call_one(&inner, request).await }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { inner, node } = self.clone();
        async move {
            let mut answer = BatchResponseBuilder::new_with_limit(node.config.max_response_bytes as usize);
            let mut notified = false;
            for run in runs(batch) {
                let responses = match run {
                    Run::RawTransactions(calls) => send_all(&node, calls).await,
                    Run::Reads(calls) => {
                        let calls: Vec<_> = calls.into_iter().map(|call| call_one(&inner, call)).collect();
                        stream::iter(calls).buffered(SIDE_BY_SIDE).collect().await
                    }
                    Run::Alone(BatchEntry::Call(call)) => vec![call_one(&inner, call).await],
                    Run::Alone(BatchEntry::Notification(notification)) => {
                        notified = true;
                        inner.notification(notification).await;
                        Vec::new()
                    }
                    Run::Invalid(error) => {
                        let (error, id) = error.into_parts();
                        vec![MethodResponse::error(id, error)]
                    }
                };
                for response in responses {
                    // The whole answer is too large: that error stands for it.
                    if let Err(error) = answer.append(response) {
                        return error;
                    }
                }
            }
            if answer.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answer.finish())
        }
    }
}
