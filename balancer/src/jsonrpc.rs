//! JSON-RPC 2.0 as far as a balancer must read it: parsed once, payloads borrowed and never rebuilt. Pure.

use crate::filter;
use alloy_primitives::{Address, U64};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// geth's code for errors of the server; clients show the message.
pub(crate) const SERVER_ERROR: i64 = -32000;
pub(crate) const PARSE_ERROR: i64 = -32700;
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// Request or answer above a limit (EIP-1474).
pub(crate) const LIMIT_EXCEEDED: i64 = -32005;

/// One call of a request; without a method it is none, and a node says so.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Call<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) params: Option<&'a RawValue>,
}

/// An ID that is there, be it `null`.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
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
    /// No call at all: to be refused.
    Invalid,
    /// `eth_sendRawTransaction` and the like.
    SendRaw(Sending),
    /// `eth_sendTransaction` from this account.
    SendUnlocked(Address),
    /// `eth_getTransactionCount` of this sender for `pending`.
    PendingNonce(Address),
    /// A call that answers a filter ID.
    NewFilter,
    /// A call with a filter ID of ours: the node's tag, and the ID it knows.
    UseFilter { tag: u32, id: String },
}

/// A raw transaction on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sending {
    /// As the client sent it, `0x…`.
    pub(crate) raw: String,
    /// `eth_sendRawTransactionSync`: the answer is the receipt.
    pub(crate) is_sync: bool,
    /// How long the client would have that waited for, if it says.
    pub(crate) patience: Option<Duration>,
    /// Another node was asked before and failed; it may have passed the transaction on.
    pub(crate) is_repeated: bool,
}

impl Sending {
    fn read(params: &[&RawValue], is_sync: bool) -> Option<Self> {
        let raw = serde_json::from_str(params.first()?.get()).ok()?;
        let patience = params.get(1).and_then(|wait| serde_json::from_str::<U64>(wait.get()).ok());
        let patience = patience.map(|wait| Duration::from_millis(wait.to()));
        Some(Self { raw, is_sync, patience, is_repeated: false })
    }
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

/// Reads a request body. Entries that are no calls stay where they are, for whoever answers to refuse them.
pub(crate) fn parse(body: &[u8], max_batch: usize) -> Result<Request<'_>, RequestError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'[') {
        let json = serde_json::from_slice::<&RawValue>(body).map_err(|_| RequestError::NotJsonRpc)?;
        return Ok(Request { calls: vec![Call::read(json)], batch: false });
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let entries = UpTo(max_batch).deserialize(&mut deserializer).map_err(|_| RequestError::NotJsonRpc)?;
    deserializer.end().map_err(|_| RequestError::NotJsonRpc)?;
    match entries {
        Some(entries) if entries.is_empty() => Err(RequestError::EmptyBatch),
        Some(entries) => Ok(Request { calls: entries.into_iter().map(Call::read).collect(), batch: true }),
        None => Err(RequestError::BatchTooLong { limit: max_batch }),
    }
}

/// Reads so many entries of a batch; `None` if there are more, which are not kept.
struct UpTo(usize);

impl<'a> DeserializeSeed<'a> for UpTo {
    type Value = Option<Vec<&'a RawValue>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for UpTo {
    type Value = Option<Vec<&'a RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < self.0 {
            match entries.next_element()? {
                Some(entry) => kept.push(entry),
                None => return Ok(Some(kept)),
            }
        }
        let mut more = false;
        while entries.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(kept))
    }
}

impl<'a> Call<'a> {
    fn read(json: &'a RawValue) -> Self {
        #[derive(Deserialize)]
        struct OnlyId<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }
        // A list would do for its fields in their order.
        if !json.get().starts_with('{') {
            return Self::default();
        }
        serde_json::from_str(json.get()).unwrap_or_else(|_| {
            let id = serde_json::from_str::<OnlyId<'a>>(json.get()).ok().map(|only| only.id);
            // What cannot be an ID is not sent back as one.
            let id = id.filter(|id| !id.get().starts_with(['{', '[']));
            Self { id, ..Self::default() }
        })
    }
}

impl Call<'_> {
    /// What this call needs.
    pub(crate) fn kind(&self) -> Kind {
        let plain = Kind::Plain { repeatable: is_repeatable(&self.method) };
        match self.method.as_ref() {
            _ if self.is_invalid() => Kind::Invalid,
            method @ ("eth_sendRawTransaction" | "eth_sendRawTransactionSync") => {
                let sending = Sending::read(&self.params::<Vec<_>>().unwrap_or_default(), method.ends_with("Sync"));
                sending.map_or(plain, Kind::SendRaw)
            }
            "eth_sendTransaction" => {
                self.params::<(Unlocked,)>().map_or(plain, |(call,)| Kind::SendUnlocked(call.from))
            }
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
        self.id.is_none() && !self.is_invalid()
    }

    fn is_invalid(&self) -> bool {
        self.method.is_empty()
    }

    fn params<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.params?.get()).ok()
    }
}

impl Kind {
    /// Whether a request of such calls alone goes to a node as it came.
    pub(crate) fn is_passed_on(&self) -> bool {
        matches!(self, Self::Plain { .. } | Self::Invalid)
    }

    /// Whether another node may be asked if the first fails.
    pub(crate) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Plain { repeatable: false } | Self::SendUnlocked(_) | Self::Invalid)
    }
}

/// The account of an `eth_sendTransaction`.
#[derive(Deserialize)]
struct Unlocked {
    from: Address,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
}

impl Outcome {
    /// An error of the balancer's own.
    pub(crate) fn error(code: i64, message: &str) -> Self {
        Self::Error(raw(&ErrorObject { code, message, data: None }))
    }

    /// The same, with data.
    pub(crate) fn error_with_data(code: i64, message: &str, data: &str) -> Self {
        Self::Error(raw(&ErrorObject { code, message, data: Some(data) }))
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

    /// A field of the result, if that is text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        match self {
            Self::Result(result) => {
                serde_json::from_str::<serde_json::Value>(result.get()).ok()?[name].as_str().map(str::to_owned)
            }
            Self::Error(_) => None,
        }
    }

    /// Whether this is an error with this code.
    pub(crate) fn is_error(&self, expected: i64) -> bool {
        #[derive(Deserialize)]
        struct Code {
            code: i64,
        }
        match self {
            Self::Error(error) => serde_json::from_str::<Code>(error.get()).is_ok_and(|error| error.code == expected),
            Self::Result(_) => false,
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
    let answered = request.calls.iter().zip(outcomes).filter(|(call, _)| !call.is_notification());
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
