//! Asks nodes over JSON-RPC. Knows requests, limits and failures; not which node is worth asking, nor what for.

mod chain;

pub use chain::{AccountState, NodeFacts, Probe};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::time::Duration;

/// A batch of full blocks fits; an answer beyond this is cut off and counts as a failure.
const MAX_ANSWER_BYTES: usize = 48 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest piece of a node's own words that is repeated in logs and pages.
const MAX_MESSAGE: usize = 200;

/// Why a node gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// It cannot be reached, or did not finish in time.
    #[error("the node does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with an HTTP error.
    #[error("the node answers with HTTP status {0}")]
    Status(u16),
    /// Its answer is longer than any honest one.
    #[error("the node's answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// Its answer is not the JSON expected.
    #[error("the node's answer to {method} cannot be read")]
    Unreadable {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It refused.
    #[error("the node refuses {method}: {message} (code {code})")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The node's words, shortened.
        message: String,
    },
    /// It left a question of a batch unanswered, or said `null` where there must be something.
    #[error("the node gave no answer to {0}")]
    Missing(&'static str),
    /// It answered with another block than was asked for.
    #[error("the node gave block {found} where {asked} was asked for")]
    OtherBlock {
        /// The number asked for.
        asked: u64,
        /// The number in the answer.
        found: u64,
    },
    /// Blocks of one answer do not follow one another: its chain changed meanwhile.
    #[error("block {0} of the node does not follow the one before it")]
    Broken(u64),
    /// A block with an impossible number of transactions.
    #[error("block {number} of the node has {count} transactions")]
    Oversized {
        /// Which block.
        number: u64,
        /// How many it claims.
        count: usize,
    },
}

/// A question: method and parameters.
pub type Call = (&'static str, Value);

/// Clone handle; connections are pooled.
#[derive(Debug, Clone)]
pub struct RpcClient {
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Reply {
    id: Option<u64>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

/// The answers to a batch, in the order of its questions.
pub struct Answers {
    answers: Vec<(&'static str, Option<Reply>)>,
}

impl RpcClient {
    /// A client that follows no redirects: a registry's record must not send it elsewhere.
    ///
    /// # Errors
    /// The reason why the HTTP client cannot be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self { http })
    }

    /// Asks several questions in one request. Single refusals are in the answers, not an error of the batch.
    ///
    /// # Errors
    /// [`RpcError`] when the request as a whole failed.
    pub async fn batch(&self, url: &str, calls: &[Call]) -> Result<Answers, RpcError> {
        let first = calls.first().map_or("batch", |call| call.0);
        if calls.is_empty() {
            return Ok(Answers { answers: Vec::new() });
        }
        let body: Vec<Value> = calls
            .iter()
            .enumerate()
            .map(|(id, (method, params))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        let response = self.http.post(url).json(&body).send().await.map_err(RpcError::Unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(RpcError::Status(status.as_u16()));
        }
        let bytes = bounded_body(response).await?;
        let unreadable = |source| RpcError::Unreadable { method: first, source };
        // A node may refuse a whole batch (too long, say) with one error object.
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            let reply: Reply = serde_json::from_slice(&bytes).map_err(unreadable)?;
            return Err(reply.error.map_or(RpcError::Missing(first), |error| error.refusal(first)));
        }
        let replies: Vec<Reply> = serde_json::from_slice(&bytes).map_err(unreadable)?;
        let mut answers: Vec<_> = calls.iter().map(|(method, _)| (*method, None)).collect();
        for reply in replies {
            let place = reply.id.and_then(|id| usize::try_from(id).ok()).and_then(|id| answers.get_mut(id));
            if let Some(place) = place {
                place.1 = Some(reply);
            }
        }
        Ok(Answers { answers })
    }
}

impl Answers {
    /// The answer to question `place`; `None` for `null`.
    ///
    /// # Errors
    /// [`RpcError`] when it was refused, left out or is not what was expected.
    pub fn get<T: DeserializeOwned>(&self, place: usize) -> Result<Option<T>, RpcError> {
        let Some((method, reply)) = self.answers.get(place) else { return Err(RpcError::Missing("batch")) };
        let reply = reply.as_ref().ok_or(RpcError::Missing(method))?;
        if let Some(error) = &reply.error {
            return Err(error.refusal(method));
        }
        let Some(raw) = &reply.result else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|source| RpcError::Unreadable { method, source })
    }

    /// The answer to question `place`, which must not be `null`.
    ///
    /// # Errors
    /// [`RpcError`] when it was refused, left out, `null` or is not what was expected.
    pub fn need<T: DeserializeOwned>(&self, place: usize) -> Result<T, RpcError> {
        let method = self.answers.get(place).map_or("batch", |answer| answer.0);
        self.get(place)?.ok_or(RpcError::Missing(method))
    }
}

impl ErrorObject {
    fn refusal(&self, method: &'static str) -> RpcError {
        let message = self.message.chars().take(MAX_MESSAGE).collect();
        RpcError::Refused { method, code: self.code, message }
    }
}

async fn bounded_body(mut response: reqwest::Response) -> Result<Vec<u8>, RpcError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RpcError::Unreachable)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(RpcError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
