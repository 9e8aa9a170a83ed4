//! JSON-RPC 2.0 as far as a balancer must read it: parsed once, payloads borrowed and never rebuilt. Pure.

use crate::filter;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// geth's code for errors of the server; clients show the message.
pub(crate) const SERVER_ERROR: i64 = -32000;
pub(crate) const PARSE_ERROR: i64 = -32700;
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// Request or answer above a limit (EIP-1474).
pub(crate) const LIMIT_EXCEEDED: i64 = -32005;

/// One call of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct Call<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) params: Option<&'a RawValue>,
}

/// A request: its calls, and whether they came as a batch.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) calls: Vec<Call<'a>>,
    pub(crate) batch: bool,
}

/// What a call needs of the balancer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Passed on as it is; `repeatable` on another node if the first fails.
    Plain { repeatable: bool },
    /// `eth_sendRawTransaction`, with the transaction.
    SendRaw(String),
    /// `eth_getTransactionCount` of this sender for `pending`.
    PendingNonce(Address),
    /// A call that answers a filter ID.
    NewFilter,
    /// A call with a filter ID of ours: the node's tag, and the ID it knows.
    UseFilter { tag: u32, id: String },
}

/// Why a request was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the request is not JSON-RPC")]
    NotJsonRpc,
    #[error("the batch is empty")]
    EmptyBatch,
    #[error("the batch has more than {limit} calls")]
    BatchTooLong { limit: usize },
}

impl RequestError {
    pub(crate) fn code(&self) -> i64 {
        match self {
            Self::NotJsonRpc => PARSE_ERROR,
            Self::EmptyBatch | Self::BatchTooLong { .. } => INVALID_REQUEST,
        }
    }
}

/// Reads a request body.
pub(crate) fn parse(body: &[u8], max_batch: usize) -> Result<Request<'_>, RequestError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'[') {
        let call = serde_json::from_slice(body).map_err(|_| RequestError::NotJsonRpc)?;
        return Ok(Request { calls: vec![call], batch: false });
    }
    let calls: BoundedCalls<'_> = serde_json::from_slice(body).map_err(|_| RequestError::NotJsonRpc)?;
    if calls.0.is_empty() {
        return Err(RequestError::EmptyBatch);
    }
    // Every call takes at least some 15 bytes, so the list was never larger than the body.
    if calls.0.len() > max_batch {
        return Err(RequestError::BatchTooLong { limit: max_batch });
    }
    Ok(Request { calls: calls.0, batch: true })
}

#[derive(Deserialize)]
#[serde(transparent)]
struct BoundedCalls<'a>(#[serde(borrow)] Vec<Call<'a>>);

impl Call<'_> {
    /// What this call needs.
    pub(crate) fn kind(&self) -> Kind {
        let plain = Kind::Plain { repeatable: is_repeatable(&self.method) };
        match self.method.as_ref() {
            "eth_sendRawTransaction" => self.params::<(String,)>().map_or(plain, |(raw,)| Kind::SendRaw(raw)),
            "eth_getTransactionCount" => match self.params::<(Address, serde_json::Value)>() {
                Some((sender, block)) if block == "pending" => Kind::PendingNonce(sender),
                _ => plain,
            },
            "eth_newFilter" | "eth_newBlockFilter" | "eth_newPendingTransactionFilter" => Kind::NewFilter,
            "eth_getFilterChanges" | "eth_getFilterLogs" | "eth_uninstallFilter" => {
                let id = self.params::<(String,)>().and_then(|(id,)| filter::decode(&id));
                id.map_or(plain, |(tag, id)| Kind::UseFilter { tag, id })
            }
            _ => plain,
        }
    }

    /// A notification gets no answer.
    pub(crate) fn is_notification(&self) -> bool {
        self.id.is_none()
    }

    fn params<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.params?.get()).ok()
    }
}

/// Whether asking another node as well does no harm. What is not known to be a read is not repeated.
fn is_repeatable(method: &str) -> bool {
    const WRITES: [&str; 7] = [
        "eth_sendTransaction",
        "eth_sign",
        "eth_signTransaction",
        "eth_submitWork",
        "eth_submitHashrate",
        "eth_getFilterChanges",
        "eth_uninstallFilter",
    ];
    const READS: [&str; 8] = ["eth_", "net_", "web3_", "txpool_", "debug_trace", "debug_getRaw", "trace_", "ots_"];
    method == "rpc_modules" || (READS.iter().any(|prefix| method.starts_with(prefix)) && !WRITES.contains(&method))
}

/// A node's answer to one call.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

/// What goes back for one call.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Result(Box<RawValue>),
    Error(Box<RawValue>),
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i64,
    message: &'a str,
}

impl Outcome {
    /// An error of the balancer's own.
    pub(crate) fn error(code: i64, message: &str) -> Self {
        Self::Error(raw(&ErrorObject { code, message }))
    }

    /// A string as result.
    pub(crate) fn text(value: &str) -> Self {
        Self::Result(raw(value))
    }

    /// The result if it is a string.
    pub(crate) fn as_text(&self) -> Option<String> {
        match self {
            Self::Result(result) => serde_json::from_str(result.get()).ok(),
            Self::Error(_) => None,
        }
    }

    /// The message of an error.
    pub(crate) fn message(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Message {
            message: String,
        }
        match self {
            Self::Error(error) => serde_json::from_str::<Message>(error.get()).ok().map(|error| error.message),
            Self::Result(_) => None,
        }
    }
}

impl From<Reply<'_>> for Outcome {
    fn from(reply: Reply<'_>) -> Self {
        match (reply.error, reply.result) {
            (Some(error), _) => Self::Error(error.to_owned()),
            (None, Some(result)) => Self::Result(result.to_owned()),
            (None, None) => Self::Result(raw(&())),
        }
    }
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    // Strings, numbers and unit always serialise; `null` is the harmless answer.
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Writes calls with ids of our own, 0, 1, 2…, as a batch if there are several.
pub(crate) fn write_calls<'a>(calls: impl ExactSizeIterator<Item = (&'a str, Option<Cow<'a, RawValue>>)>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        jsonrpc: &'static str,
        id: usize,
        method: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        params: Option<Cow<'a, RawValue>>,
    }
    let single = calls.len() == 1;
    let calls: Vec<_> =
        calls.enumerate().map(|(id, (method, params))| Out { jsonrpc: "2.0", id, method, params }).collect();
    let written = match calls.first().filter(|_| single) {
        Some(call) => serde_json::to_vec(call),
        None => serde_json::to_vec(&calls),
    };
    written.unwrap_or_default()
}

/// The parameters of a call with one string.
pub(crate) fn one_param<'a>(value: &str) -> Option<Cow<'a, RawValue>> {
    Some(Cow::Owned(raw(&[value])))
}

/// Reads the answers to [`write_calls`]: one for each call, in its order. A call without an answer stays `None`.
pub(crate) fn read_replies(body: &[u8], calls: usize) -> Vec<Option<Outcome>> {
    let mut outcomes = vec![None; calls];
    let replies: Vec<Reply<'_>> = match serde_json::from_slice::<Vec<Reply<'_>>>(body) {
        Ok(replies) => replies,
        Err(_) => serde_json::from_slice::<Reply<'_>>(body).into_iter().collect(),
    };
    // An error without id is about the whole batch.
    if let [Reply { id, error: Some(_), .. }] = replies.as_slice()
        && id.is_none_or(|id| id.get() == "null")
    {
        let outcome = replies.into_iter().next().map(Outcome::from);
        return vec![outcome; calls];
    }
    for reply in replies {
        let index = reply.id.and_then(|id| id.get().parse::<usize>().ok());
        if let Some(slot) = index.and_then(|index| outcomes.get_mut(index)) {
            *slot = Some(reply.into());
        }
    }
    outcomes
}

/// Writes the answer to a request: what each call got, in the order of the calls, notifications left out.
pub(crate) fn write_answer(request: &Request<'_>, outcomes: Vec<Outcome>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Box<RawValue>>,
    }
    let answered = request.calls.iter().zip(outcomes).filter(|(call, _)| !call.is_notification() || !request.batch);
    let answers: Vec<_> = answered
        .map(|(call, outcome)| {
            let (result, error) = match outcome {
                Outcome::Result(result) => (Some(result), None),
                Outcome::Error(error) => (None, Some(error)),
            };
            Out { jsonrpc: "2.0", id: call.id, result, error }
        })
        .collect();
    let written = match answers.first().filter(|_| !request.batch) {
        Some(answer) => serde_json::to_vec(answer),
        None if answers.is_empty() => Ok(Vec::new()),
        None => serde_json::to_vec(&answers),
    };
    written.unwrap_or_default()
}

/// The answer to what could not even be read.
pub(crate) fn write_error(code: i64, message: &str) -> Vec<u8> {
    serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}).to_string().into()
}

#[cfg(test)]
mod tests;
