//! Transactions on their way: what their answers mean, and the turns of those that a node signs.
//!
//! Nodes that sign for the same account do not know of each other's nonces. So the balancer gives them out: one send of an account
//! after the other, each with the nonce after all that was acknowledged. It must not know WebSockets.

use crate::accepted::RawTransaction;
use crate::clients::Client;
use crate::jsonrpc::{
    Call, Kind, Outcome, Request, SERVER_ERROR, Sending, parse, read_replies, write_answer, write_calls,
};
use crate::rebroadcast::Keeper;
use crate::rpc::{Refused, Rpc, Served};
use crate::targets::Target;
use alloy_primitives::{Address, U64};
use axum::http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// Locks that the accounts share.
const TURNS: usize = 256;
/// geth's code for a transaction that was taken, and not mined in the time that the client would wait.
const NOT_MINED_YET: i64 = 4;
/// How long a repeated `eth_sendRawTransactionSync` waits for its receipt: as long as a node does (geth).
const RECEIPT_WAIT: Duration = Duration::from_secs(20);
const RECEIPT_POLL: Duration = Duration::from_millis(200);

/// Of each account one send at a time; a few share a lock.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    async fn wait(&self, account: &Address) -> Option<MutexGuard<'_, ()>> {
        Some(self.0.get(usize::from(account[19]))?.lock().await)
    }
}

type Source = (HeaderMap, Arc<Target>);

impl Rpc {
    /// Remembers what was acknowledged; where a node has a transaction because the balancer had sent it to another before, that
    /// is no failure.
    pub(crate) async fn settle_sent(
        &self,
        kinds: &[&Kind],
        outcomes: &mut [Outcome],
        target: &Target,
        is_repeated: bool,
    ) {
        let sending = |kind: &&Kind| match kind {
            Kind::SendRaw(sending) => Some(sending.raw.clone()),
            _ => None,
        };
        let mut decoded = Keeper::decode(kinds.iter().filter_map(sending).collect()).await.into_iter();
        let mut acknowledged = Vec::new();
        for (kind, outcome) in kinds.iter().zip(outcomes.iter_mut()) {
            let Kind::SendRaw(sending) = kind else { continue };
            let Some(Some(transaction)) = decoded.next() else { continue };
            let was_repeated = sending.is_repeated || is_repeated;
            if was_repeated && outcome.message().is_some_and(|message| is_already_known(&message)) {
                *outcome = self.answer_again(sending, &transaction, target).await;
            }
            if matches!(outcome, Outcome::Result(_)) || (sending.is_sync && outcome.is_error(NOT_MINED_YET)) {
                acknowledged.push(transaction);
            }
        }
        self.keeper.acknowledged(acknowledged, target);
    }

    /// What the node that failed would have answered.
    async fn answer_again(&self, sending: &Sending, transaction: &RawTransaction, target: &Target) -> Outcome {
        let hash = transaction.hash.to_string();
        if !sending.is_sync {
            return Outcome::text(&hash);
        }
        let deadline = Instant::now() + RECEIPT_WAIT;
        while Instant::now() < deadline {
            let asked = self.ask_own(target, &HeaderMap::new(), &[("eth_getTransactionReceipt", json!([hash]))]).await;
            match asked.ok().and_then(|mut outcomes| outcomes.pop()) {
                Some(Outcome::Result(receipt)) if receipt.get() != "null" => return Outcome::Result(receipt),
                _ => tokio::time::sleep(RECEIPT_POLL).await,
            }
        }
        Outcome::error(NOT_MINED_YET, &format!("transaction {hash} was taken and is not mined yet"))
    }

    /// Has the client's node sign and send, with the nonce that is the account's next as far as the balancer knows.
    pub(crate) async fn send_unlocked(
        &self,
        client: &Client,
        headers: &HeaderMap,
        call: &Call<'_>,
        from: Address,
    ) -> (Outcome, Option<Source>) {
        let _turn = self.turns.wait(&from).await;
        match self.try_send_unlocked(client, headers, call, from).await {
            Ok((outcome, source)) => (outcome, Some(source)),
            Err(refused) => (refused.outcome(), None),
        }
    }

    async fn try_send_unlocked(
        &self,
        client: &Client,
        headers: &HeaderMap,
        call: &Call<'_>,
        from: Address,
    ) -> Result<(Outcome, Source), Refused> {
        let mut params = call.params.map(Cow::Borrowed);
        if let Some(filled) = self.with_nonce(client, headers, call, from).await? {
            params = Some(Cow::Owned(filled));
        }
        let body = write_calls(std::iter::once((call.method.as_ref(), params))).into();
        let Served { answer, target, .. } = self.serve(client, headers, body, false).await?;
        let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
        let outcome = read_replies(&answer.body, 1).pop().flatten().unwrap_or_else(unanswered);
        if let Some(hash) = outcome.as_text() {
            self.remember(&hash, headers, &target).await;
        }
        Ok((outcome, (answer.headers, target)))
    }

    /// The parameters with the next nonce; `None` where they name one, or the node does not say.
    async fn with_nonce(
        &self,
        client: &Client,
        headers: &HeaderMap,
        call: &Call<'_>,
        from: Address,
    ) -> Result<Option<Box<RawValue>>, Refused> {
        let params = call.params.and_then(|params| serde_json::from_str::<Vec<Value>>(params.get()).ok());
        let Some(mut params) = params else { return Ok(None) };
        let Some(Value::Object(transaction)) = params.first_mut() else { return Ok(None) };
        if transaction.get("nonce").is_some_and(|nonce| !nonce.is_null()) {
            return Ok(None);
        }
        let asked = serde_json::value::to_raw_value(&json!([from, "pending"])).ok().map(Cow::Owned);
        let body = write_calls(std::iter::once(("eth_getTransactionCount", asked))).into();
        let Served { answer, .. } = self.serve(client, headers, body, true).await?;
        let answered = read_replies(&answer.body, 1).pop().flatten().and_then(|outcome| outcome.as_text());
        let Some(nonce) = answered.and_then(|text| text.parse::<U64>().ok()) else { return Ok(None) };
        let nonce = self.keeper.pending_nonce(&from, nonce.to());
        transaction.insert("nonce".to_owned(), format!("{nonce:#x}").into());
        Ok(serde_json::value::to_raw_value(&params).ok())
    }

    /// Keeps what a node has signed and taken, as if the client had sent it signed.
    async fn remember(&self, hash: &str, headers: &HeaderMap, target: &Target) {
        let asked = self.ask_own(target, headers, &[("eth_getRawTransactionByHash", json!([hash]))]).await;
        let raw = asked.ok().and_then(|mut outcomes| outcomes.pop()).and_then(|outcome| outcome.as_text());
        let decoded = Keeper::decode(raw.into_iter().collect()).await;
        self.keeper.acknowledged(decoded.into_iter().flatten().collect(), target);
    }

    /// Answers a message of a WebSocket over HTTP; with nothing, if it only notifies.
    pub(crate) async fn answer_apart(&self, client: &Client, headers: &HeaderMap, text: &str) -> String {
        let Ok(request) = parse(text.as_bytes(), self.limits.batch) else { return String::new() };
        let outcomes = match self.in_flight.try_acquire() {
            Ok(_place) => {
                let kinds = request.calls.iter().map(Call::kind).collect();
                self.split(client, headers, &request, kinds).await.0
            }
            Err(_) => request.calls.iter().map(|_| Refused::Busy.outcome()).collect(),
        };
        String::from_utf8(write_answer(&request, outcomes)).unwrap_or_default()
    }
}

/// Whether a message of a WebSocket is answered over HTTP: it has a node sign a transaction.
pub(crate) fn goes_apart(text: &str, max_batch: usize) -> bool {
    if !text.contains("eth_sendTransaction") {
        return false;
    }
    let stays = |request: &Request<'_>| request.calls.iter().any(|call| call.method.ends_with("subscribe"));
    parse(text.as_bytes(), max_batch).is_ok_and(|request| {
        let mut kinds = request.calls.iter().map(Call::kind);
        !stays(&request) && kinds.any(|kind| matches!(kind, Kind::SendUnlocked(_)))
    })
}

/// Whether an error says that the pool or the chain has this very transaction: geth, reth, Besu, Nethermind.
fn is_already_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["already known", "known transaction", "alreadyknown", "already imported"]
        .iter()
        .any(|words| message.contains(words))
}
