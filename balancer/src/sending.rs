//! Transactions on their way: what their answers mean, and the turns of those that a node signs.
//!
//! Nodes that sign for the same account do not know of each other's nonces. So the balancer gives them out: one send of an account
//! after the other, each with the nonce after all that was acknowledged. It must not know sockets.

use crate::clients::Client;
use crate::jsonrpc::{Call, Kind, Outcome, Request, SERVER_ERROR, Sending, one_param, parse, write_answer};
use crate::rebroadcast::Keeper;
use crate::rpc::{Refused, Rpc, Source};
use crate::targets::Target;
use alloy_primitives::Address;
use axum::http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

/// Locks that the accounts share, and sends that may wait for one.
const TURNS: usize = 256;
const WAITING: usize = 512;
/// geth's code for a transaction that was taken, and not mined in the time that the client would wait.
const NOT_MINED_YET: i64 = 4;
/// How long a repeated `eth_sendRawTransactionSync` waits for its receipt unless told otherwise, and at most: as a node does (geth).
const RECEIPT_WAIT: Duration = Duration::from_secs(20);
const MAX_RECEIPT_WAIT: Duration = Duration::from_secs(60);
const RECEIPT_POLL: Duration = Duration::from_millis(200);
/// How long a send waits for a node that has caught up.
const CATCHING_UP: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Turn {
    lock: Mutex<()>,
    waiting: Semaphore,
}

/// Of each account one send at a time; a few share a lock.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Turn>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Turn { lock: Mutex::default(), waiting: Semaphore::new(WAITING) }).collect())
    }
}

impl Turns {
    async fn wait(&self, account: &Address, patience: Duration) -> Option<MutexGuard<'_, ()>> {
        let turn = self.0.get(usize::from(account[19]))?;
        let _waiting = turn.waiting.try_acquire().ok()?;
        tokio::time::timeout(patience, turn.lock.lock()).await.ok()
    }
}

impl Rpc {
    /// Remembers what was acknowledged; where a node has a transaction because the balancer had sent it to another before, that
    /// is no failure.
    pub(crate) async fn settle_sent(
        &self,
        kinds: &[&Kind],
        outcomes: &mut [Outcome],
        target: &Target,
        headers: &HeaderMap,
        is_repeated: bool,
    ) {
        let raw = |kind: &&Kind| match kind {
            Kind::SendRaw(sending) => Some(sending.raw.clone()),
            _ => None,
        };
        let mut decoded = Keeper::decode(kinds.iter().filter_map(raw).collect()).await.into_iter();
        let (mut acknowledged, begun) = (Vec::new(), Instant::now());
        for (kind, outcome) in kinds.iter().zip(outcomes.iter_mut()) {
            let Kind::SendRaw(sending) = kind else { continue };
            let Some(Some(transaction)) = decoded.next() else { continue };
            // Also what the client has sent twice is kept: the first time it may not have come so far.
            let mut is_taken = outcome.message().is_some_and(|message| is_already_known(&message));
            if sending.is_repeated || is_repeated {
                // Over a WebSocket, which all its answers share, nothing is waited for.
                let patience = sending.patience.unwrap_or(RECEIPT_WAIT).min(MAX_RECEIPT_WAIT);
                let until = begun + if is_repeated { patience } else { Duration::ZERO };
                let again = Again { sending, hash: transaction.hash.to_string(), target, headers, until };
                if let Some(better) = self.answer_again(&again, outcome).await {
                    *outcome = better;
                }
            }
            is_taken |= matches!(outcome, Outcome::Result(_)) || (sending.is_sync && outcome.is_error(NOT_MINED_YET));
            if is_taken {
                acknowledged.push(transaction);
            }
        }
        self.keeper.acknowledged(acknowledged, target);
    }

    /// What the node that failed would have answered; `None` if what this one says holds.
    async fn answer_again(&self, again: &Again<'_>, outcome: &Outcome) -> Option<Outcome> {
        let message = outcome.message()?;
        let (is_known, hash) = (is_already_known(&message), &again.hash);
        // A nonce below the account's: by this transaction, if that has been mined.
        if !is_known && !message.to_ascii_lowercase().contains("nonce too low") {
            return None;
        }
        if is_known && !again.sending.is_sync {
            return Some(Outcome::text(hash));
        }
        loop {
            let asked = [("eth_getTransactionReceipt", json!([hash]))];
            match self.ask_own(again.target, again.headers, &asked).await.map(|mut outcomes| outcomes.pop()) {
                Ok(Some(Outcome::Result(receipt))) if receipt.get() != "null" => {
                    return Some(if again.sending.is_sync { Outcome::Result(receipt) } else { Outcome::text(hash) });
                }
                Ok(_) if !is_known => return None,
                Ok(_) => {}
                Err(error) => return Some(Refused::Lost(error).outcome()),
            }
            if Instant::now() >= again.until {
                let text = "the transaction was taken and is not mined yet";
                return Some(Outcome::error_with_data(NOT_MINED_YET, text, hash));
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// Has the client's node sign and send, with the nonce that is the account's next as far as the balancer knows.
    pub(crate) async fn send_unlocked(
        self: &Arc<Self>,
        client: &Arc<Client>,
        headers: &HeaderMap,
        call: &Call<'_>,
        from: Address,
    ) -> (Outcome, Option<Source>) {
        let (rpc, client, headers) = (Arc::clone(self), Arc::clone(client), headers.clone());
        let params = call.params.map(RawValue::to_owned);
        // In a task of its own: the turn lasts until the node has answered, also if the client hangs up.
        let sent = tokio::spawn(async move {
            match rpc.turns.wait(&from, rpc.limits.request_time()).await {
                Some(_turn) => rpc.sign_and_send(&client, &headers, params, from).await,
                None => (Refused::Busy.outcome(), None),
            }
        });
        let interrupted = || Outcome::error(SERVER_ERROR, "sending was interrupted: look whether it took effect");
        sent.await.unwrap_or_else(|_| (interrupted(), None))
    }

    /// A node signs, and any node is sent what it signed: so nothing is lost with the one that did.
    async fn sign_and_send(
        &self,
        client: &Client,
        headers: &HeaderMap,
        mut params: Option<Box<RawValue>>,
        from: Address,
    ) -> (Outcome, Option<Source>) {
        if let Some(mut transaction) = without_nonce(params.as_deref()) {
            if let Err(refused) = self.until_nonces_are_known().await {
                return (refused.outcome(), None);
            }
            let asked = serde_json::value::to_raw_value(&json!([from, "pending"])).ok();
            let count = (Kind::PendingNonce(from), "eth_getTransactionCount");
            let (counted, source) = self.step(client, headers, count, asked.as_deref()).await;
            let Some(nonce) = counted.as_text() else {
                return (refusal(counted, "the node does not say the account's nonce"), source);
            };
            transaction.insert("nonce".to_owned(), nonce.into());
            params = serde_json::value::to_raw_value(&[transaction]).ok();
        }
        let sign = (Kind::Plain { repeatable: true }, "eth_signTransaction");
        let (signed, source) = self.step(client, headers, sign, params.as_deref()).await;
        let Some(raw) = signed.field("raw") else {
            return (refusal(signed, "the node does not say what it signed"), source);
        };
        let params = one_param(&raw);
        let sending = Sending { raw, is_sync: false, patience: None, is_repeated: false };
        self.step(client, headers, (Kind::SendRaw(sending), "eth_sendRawTransaction"), params.as_deref()).await
    }

    /// One call of the balancer's own on behalf of a client.
    async fn step(
        &self,
        client: &Client,
        headers: &HeaderMap,
        (kind, method): (Kind, &str),
        params: Option<&RawValue>,
    ) -> (Outcome, Option<Source>) {
        let call = Call { id: None, method: method.into(), params };
        let request = Request { calls: vec![call], batch: false };
        let (mut outcomes, source) = self.main_part(client, headers, &request, &[kind], &[0]).await;
        let unanswered = || Outcome::error(SERVER_ERROR, "the node left this call unanswered");
        (outcomes.pop().unwrap_or_else(unanswered), source)
    }

    /// Waits for a node that has caught up: one that has just been started may not know what was mined before.
    async fn until_nonces_are_known(&self) -> Result<(), Refused> {
        let deadline = tokio::time::Instant::now() + CATCHING_UP;
        let mut changes = self.targets.changes();
        loop {
            changes.mark_unchanged();
            let eligible = self.targets.eligible();
            if eligible.is_empty() || eligible.iter().any(|target| !target.is_syncing()) {
                return Ok(());
            }
            if !matches!(tokio::time::timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return Err(Refused::CatchingUp);
            }
        }
    }

    /// Answers a message with sends of unlocked accounts, of whatever connection; with nothing, if it only notifies.
    pub(crate) async fn answer_apart(
        self: &Arc<Self>,
        client: &Arc<Client>,
        headers: &HeaderMap,
        text: &str,
    ) -> String {
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

/// The error of a step; for a result that is none of it, this one.
fn refusal(outcome: Outcome, message: &str) -> Outcome {
    match outcome {
        Outcome::Error(_) => outcome,
        Outcome::Result(_) => Outcome::error(SERVER_ERROR, message),
    }
}

/// A transaction that a second node was given.
struct Again<'a> {
    sending: &'a Sending,
    hash: String,
    target: &'a Target,
    headers: &'a HeaderMap,
    until: Instant,
}

/// The transaction of an `eth_sendTransaction` that names no nonce.
fn without_nonce(params: Option<&RawValue>) -> Option<serde_json::Map<String, Value>> {
    let (transaction,) = serde_json::from_str::<(serde_json::Map<String, Value>,)>(params?.get()).ok()?;
    transaction.get("nonce").is_none_or(Value::is_null).then_some(transaction)
}

/// Whether a message that is not a request of its own is answered apart: it has a node sign a transaction.
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
    let words = ["already known", "known transaction", "alreadyknown", "already imported"];
    words.iter().any(|words| message.contains(words)) && !message.contains("unknown transaction")
}
