//! From a body to an answer: calls methods, keeps the order of a batch, words errors as geth does. It must not know
//! sockets or HTTP.
//!
//! A hundred `eth_sendRawTransaction` in one batch reach the pool as one list, whose signatures it recovers in
//! parallel. Independent reads run side by side. Anything that changes something waits for what stands before it, as a
//! client expects.

use crate::{
    RpcError,
    context::Node,
    logs::LogFilter,
    pubsub::Session,
    request::{Call, Entry, Requests, restore},
    text::{HeldText, Text},
};
use atoll_primitives::Bytes;
use futures::{StreamExt as _, stream};
use jsonrpsee::{
    ConnectionId, Extensions, MethodCallback, MethodResponse, Methods, ResponsePayload,
    types::{ErrorObjectOwned, Id, Params},
};
use serde::Deserialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Reads of one batch that run at the same time.
const SIDE_BY_SIDE: usize = 8;
/// How long a batch may take; what has not begun by then is not begun (geth: the server's write timeout).
const BATCH_TIME: Duration = Duration::from_secs(30);
const SEND_RAW: &str = "eth_sendRawTransaction";
const GET_LOGS: &str = "eth_getLogs";
const INVALID_PARAMS: i32 = -32602;

/// What one endpoint offers.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    methods: Methods,
    node: Arc<Node>,
}

/// Whether a method leaves everything as it is, so that its order among others does not matter.
fn is_read(method: &str) -> bool {
    const READS: [&str; 8] = ["eth_get", "net_", "web3_", "txpool_", "debug_trace", "debug_get", "trace_", "ots_"];
    const MORE: [&str; 8] = [
        "eth_call",
        "eth_simulateV1",
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

/// A run of entries that are handled the same way.
enum Run<'a> {
    RawTransactions(Vec<Call<'a>>),
    Reads(Vec<Call<'a>>),
    Alone(Call<'a>),
    Invalid(Id<'a>),
}

/// Groups neighbours; the order of entries stays.
fn runs(batch: Vec<Entry<'_>>) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for entry in batch {
        match (entry, runs.last_mut()) {
            (Ok(call), Some(Run::RawTransactions(calls))) if call.method == SEND_RAW => calls.push(call),
            (Ok(call), Some(Run::Reads(calls))) if is_read(&call.method) => calls.push(call),
            (Ok(call), _) if call.method == SEND_RAW => runs.push(Run::RawTransactions(vec![call])),
            (Ok(call), _) if is_read(&call.method) => runs.push(Run::Reads(vec![call])),
            (Ok(call), _) => runs.push(Run::Alone(call)),
            (Err(id), _) => runs.push(Run::Invalid(id)),
        }
    }
    runs
}

fn error(id: Id<'_>, error: RpcError) -> String {
    text(MethodResponse::error(id, error))
}

fn text(response: MethodResponse) -> String {
    restore(String::from(Box::<str>::from(response.into_json())))
}

fn raw_transaction(call: &Call<'_>) -> Result<Bytes, RpcError> {
    let params = call.params.map_or("[]", |params| params.get());
    let parsed = serde_json::from_str::<(Bytes,)>(params).map(|(raw,)| raw);
    parsed.map_err(|error| RpcError::InvalidArgument { index: 0, reason: error.to_string() })
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

impl Dispatcher {
    pub(crate) fn new(methods: impl Into<Methods>, node: Arc<Node>) -> Self {
        Self { methods: methods.into(), node }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Answers a body; `None` where there is nothing to say, as after notifications. `session` is the WebSocket
    /// connection that subscriptions of this body belong to.
    pub(crate) async fn answer(&self, requests: Requests<'_>, session: Option<&Session>) -> Option<HeldText> {
        let first = requests.first_id().into_owned();
        let text = self.answer_text(requests, session).await?;
        let mut held = self.node.answers.hold();
        if held.add(text.len()) {
            return Some(HeldText::new(text, held));
        }
        Some(HeldText::new(error(first, RpcError::UnreadAnswers), held))
    }

    async fn answer_text(&self, requests: Requests<'_>, session: Option<&Session>) -> Option<Text> {
        match requests {
            Requests::One(Ok(call)) => {
                let silent = call.id.is_none();
                let response = self.call(call, session).await;
                (!silent).then_some(response)
            }
            Requests::One(Err(id)) => Some(error(id, RpcError::InvalidRequest).into()),
            Requests::Malformed(reason) => Some(error(Id::Null, RpcError::Unparsable { reason }).into()),
            Requests::TooMany(id) => {
                let limit = self.node.config.batch_limit;
                Some(format!("[{}]", error(id, RpcError::BatchTooLarge { limit })).into())
            }
            Requests::Batch(entries) if entries.is_empty() => Some(error(Id::Null, RpcError::EmptyBatch).into()),
            // Apart, as every answer would have to carry a batch's room through its futures.
            Requests::Batch(entries) => Box::pin(self.batch(entries, session)).await.map(Text::from),
        }
    }

    /// Refuses a body as a whole: every entry that has an ID hears why.
    pub(crate) fn refuse(&self, requests: &Requests<'_>, why: impl Fn() -> RpcError) -> Option<HeldText> {
        let refused = |entry: &Entry<'_>| {
            let id = entry.as_ref().map_or_else(|id| Some(id.clone()), |call| call.id.clone())?;
            Some(error(id, why()))
        };
        let text = match requests {
            Requests::One(entry) => refused(entry)?,
            Requests::Batch(entries) => {
                format!("[{}]", entries.iter().filter_map(refused).collect::<Vec<_>>().join(","))
            }
            Requests::TooMany(_) | Requests::Malformed(_) => error(Id::Null, why()),
        };
        let mut held = self.node.answers.hold();
        held.add(text.len()).then(|| HeldText::new(text, held))
    }

    async fn call(&self, call: Call<'_>, session: Option<&Session>) -> Text {
        let is_logs = &*call.method == GET_LOGS && self.methods.method(GET_LOGS).is_some();
        if is_logs
            && let Some(Ok((filter,))) = call.params.map(|params| serde_json::from_str::<(LogFilter,)>(params.get()))
        {
            return Box::pin(self.logs(call.id.unwrap_or(Id::Null), filter)).await;
        }
        self.method(call, session).await.into()
    }

    async fn method(&self, call: Call<'_>, session: Option<&Session>) -> String {
        let Call { id, method, params } = call;
        let id = id.unwrap_or(Id::Null);
        if matches!(&*method, "eth_subscribe" | "eth_unsubscribe") && self.methods.method("eth_chainId").is_some() {
            let answer = session.ok_or(RpcError::NotificationsUnsupported);
            let answer = answer.and_then(|session| session.call(&method, params));
            return match answer {
                Ok(result) => text(MethodResponse::response(id, ResponsePayload::success(result), usize::MAX)),
                Err(why) => error(id, why),
            };
        }
        let raw = Params::new(params.map(|params| params.get()));
        // The answer's size is looked at below: where it is exceeded the answer exists already.
        let response = match self.methods.method(&method) {
            Some(MethodCallback::Async(callback)) => {
                let none = ConnectionId(0);
                callback(id.clone().into_owned(), raw.into_owned(), none, usize::MAX, Extensions::new()).await
            }
            Some(MethodCallback::Sync(callback)) => callback(id.clone(), raw, usize::MAX, Extensions::new()),
            Some(_) | None => return error(id, RpcError::MethodNotFound { method: method.into_owned() }),
        };
        let limit = self.node.config.max_response_bytes as usize;
        if response.as_json().get().len() > limit {
            return error(id, RpcError::ResponseTooLarge { limit });
        }
        if response.as_error_code() != Some(INVALID_PARAMS) {
            return text(response);
        }
        // jsonrpsee says "Invalid params" and puts the reason into `data`; geth says the reason.
        match serde_json::from_str::<Unparsed>(response.as_json().get()) {
            Ok(Unparsed { error: UnparsedError { message, data: Some(reason) } }) if message == "Invalid params" => {
                let message = format!("invalid argument: {reason}");
                text(MethodResponse::error(id, ErrorObjectOwned::owned(INVALID_PARAMS, message, None::<()>)))
            }
            _ => text(response),
        }
    }

    /// `eth_getLogs`, whose answers are long: they are put together from what is kept of them, where the server of methods
    /// would copy them, and read them once more to see whether they are JSON.
    async fn logs(&self, id: Id<'_>, filter: LogFilter) -> Text {
        let limit = self.node.config.max_response_bytes as usize;
        let Ok(id_text) = serde_json::to_string(&id) else {
            return error(Id::Null, RpcError::Internal("an answer could not be rendered")).into();
        };
        let before = restore(format!(r#"{{"jsonrpc":"2.0","id":{id_text},"result":"#));
        match self.node.executing(move |node| node.logs_text(&filter, &before, "}")).await {
            Ok(text) if text.len() > limit => error(id, RpcError::ResponseTooLarge { limit }).into(),
            Ok(text) => text,
            Err(why) => error(id, why).into(),
        }
    }

    async fn batch(&self, entries: Vec<Entry<'_>>, session: Option<&Session>) -> Option<String> {
        let until = Instant::now() + BATCH_TIME;
        let mut answer = Batch::new(self.node.config.batch_response_bytes);
        for run in runs(entries) {
            match run {
                Run::RawTransactions(calls) => match answer.fullness.over(until) {
                    Some(_) => calls.into_iter().for_each(|call| answer.refuse_over(call.id, until)),
                    None => self.send_all(calls, &mut answer).await,
                },
                Run::Reads(calls) => self.read_all(calls, session, until, &mut answer).await,
                Run::Alone(call) => {
                    let id = call.id.clone();
                    match answer.fullness.over(until) {
                        Some(why) => answer.refuse(id, why),
                        None => {
                            let response = self.call(call, session).await;
                            answer.push(id, response);
                        }
                    }
                }
                Run::Invalid(id) => answer.push(Some(id.clone()), error(id, RpcError::InvalidRequest).into()),
            }
        }
        answer.finish()
    }

    async fn read_all(&self, calls: Vec<Call<'_>>, session: Option<&Session>, until: Instant, answer: &mut Batch) {
        let fullness = answer.fullness.clone();
        // Collected first: the compiler cannot follow the lifetimes through a lazy iterator.
        let mut reads = Vec::with_capacity(calls.len());
        for call in calls {
            reads.push(self.read(call, session, until, fullness.clone()));
        }
        let mut responses = stream::iter(reads).buffered(SIDE_BY_SIDE);
        while let Some((id, response)) = responses.next().await {
            answer.push(id, response);
        }
    }

    async fn read<'a>(
        &self,
        call: Call<'a>,
        session: Option<&Session>,
        until: Instant,
        fullness: Fullness,
    ) -> (Option<Id<'a>>, Text) {
        let id = call.id.clone();
        let response = match fullness.over(until) {
            Some(why) => error(id.clone().unwrap_or(Id::Null), why).into(),
            None => self.call(call, session).await,
        };
        (id, response)
    }

    async fn send_all(&self, calls: Vec<Call<'_>>, into: &mut Batch) {
        let raw: Vec<_> = calls.iter().map(raw_transaction).collect();
        let answers = self.node.blocking(move |node| Ok(node.send_raw_many(raw))).await;
        let answers = answers.unwrap_or_else(|error| {
            // The whole list failed for one reason, such as a busy node: every entry hears it.
            let (code, message) = (error.code(), error.to_string());
            let again = |_: &Call<'_>| Err(RpcError::Simulation { code, message: message.clone() });
            calls.iter().map(again).collect()
        });
        for (call, answer) in calls.into_iter().zip(answers) {
            let id = call.id.clone().unwrap_or(Id::Null);
            let response = match answer {
                Ok(hash) => text(MethodResponse::response(id, ResponsePayload::success(hash), usize::MAX)),
                Err(why) => error(id, why),
            };
            into.push(call.id, response.into());
        }
    }
}

/// Whether the answer to a batch has reached its limit; shared with the reads under way.
#[derive(Clone)]
struct Fullness {
    full: Arc<AtomicBool>,
    limit: usize,
}

impl Fullness {
    /// Why the next entry is not begun, if so.
    fn over(&self, until: Instant) -> Option<RpcError> {
        if self.full.load(Ordering::Relaxed) {
            return Some(RpcError::ResponseTooLarge { limit: self.limit });
        }
        (Instant::now() > until).then_some(RpcError::BatchTimeout)
    }
}

/// The growing answer to a batch. An entry that would exceed the limit gets an error in its place, and so do all after
/// it (geth).
struct Batch {
    text: String,
    fullness: Fullness,
}

impl Batch {
    fn new(limit: usize) -> Self {
        Self { text: "[".to_owned(), fullness: Fullness { full: Arc::default(), limit } }
    }

    fn append(&mut self, response: &Text) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        response.pieces().for_each(|piece| self.text.push_str(piece));
    }

    fn refuse(&mut self, id: Option<Id<'_>>, why: RpcError) {
        if let Some(id) = id {
            self.append(&error(id, why).into());
        }
    }

    fn refuse_over(&mut self, id: Option<Id<'_>>, until: Instant) {
        if let Some(why) = self.fullness.over(until) {
            self.refuse(id, why);
        }
    }

    /// Adds the answer to an entry; notifications have none.
    fn push(&mut self, id: Option<Id<'_>>, response: Text) {
        let limit = self.fullness.limit;
        if self.text.len() + response.len() > limit {
            self.fullness.full.store(true, Ordering::Relaxed);
        }
        match id {
            Some(id) if self.fullness.full.load(Ordering::Relaxed) => {
                self.refuse(Some(id), RpcError::ResponseTooLarge { limit });
            }
            Some(_) => self.append(&response),
            None => {}
        }
    }

    fn finish(mut self) -> Option<String> {
        if self.text.len() == 1 {
            return None;
        }
        self.text.push(']');
        Some(self.text)
    }
}
