//! Carries a WebSocket over to another node when its own has died: subscribes again there under the IDs the client
//! knows, brings the heads and logs of the blocks in between, and asks again what has no answer yet.
//!
//! What it cannot bring back: transactions that were announced in between, `removed` for logs of blocks that died with
//! the node, and the node's filters, which then are not found.

use crate::jsonrpc::{Outcome, SERVER_ERROR, parse, write_answer};
use crate::metrics;
use crate::node_client::AskError;
use crate::rpc::Refused;
use crate::targets::Target;
use crate::ws::{FromNode, Pump, SEND_TIMEOUT, ToClient, ToNode, connect, send};
use crate::ws_subscription::MAX_GAP;
use axum::extract::ws::Message as ClientMessage;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Finding a node that has what the client has seen, subscribing there and filling the gap may take this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the new node may say before all subscriptions stand again.
const MAX_EARLY: usize = 10_000;
/// Begins the ids of the balancer's own calls. None of the client's is on its way at that time.
const OWN_ID: &str = "atoll-move-";

impl Pump {
    /// The new node, or `None` if the client has to start anew.
    pub(crate) async fn move_on(&mut self, to_client: &mut ToClient) -> Option<(ToNode, FromNode)> {
        if !self.session.lock().can_move() {
            return None;
        }
        let before = self.target.head();
        let moved = tokio::time::timeout(PATIENCE, self.try_to_move(before, to_client)).await.ok().flatten();
        let from = moved.as_ref().map(|_| self.target.info.url.as_str());
        tracing::debug!(to = from, "a WebSocket's node went away");
        if moved.is_some() {
            ::metrics::counter!(metrics::MOVES).increment(1);
        }
        moved
    }

    async fn try_to_move(&mut self, before: u64, to_client: &mut ToClient) -> Option<(ToNode, FromNode)> {
        let (node, target) = connect(&self.rpc, &self.client, &self.headers).await.ok()?;
        let (mut to_node, mut from_node) = node.split();
        let early = self.subscribe_again(&mut to_node, &mut from_node).await?;
        self.target = target;
        for note in self.fill(before).await? {
            if !send(to_client, ClientMessage::Text(note.into())).await {
                return None;
            }
        }
        for text in early {
            if let Some(text) = self.inspect(text).await
                && !send(to_client, ClientMessage::Text(text.as_str().into())).await
            {
                return None;
            }
        }
        let (again, lost) = self.session.lock().unanswered(self.target.tag);
        for text in lost {
            if !send(to_client, ClientMessage::Text(refusal(&text, self.rpc.limits.batch).into())).await {
                return None;
            }
        }
        for text in again {
            tokio::time::timeout(SEND_TIMEOUT, to_node.send(Message::text(text))).await.ok()?.ok()?;
        }
        Some((to_node, from_node))
    }

    /// Subscribes on the new node to all that the client is subscribed to. Answers what it said meanwhile.
    async fn subscribe_again(&self, to_node: &mut ToNode, from_node: &mut FromNode) -> Option<Vec<Utf8Bytes>> {
        let calls: Vec<String> = {
            let session = self.session.lock();
            let params = session.subscriptions.iter().map(|one| one.params.get());
            let call = |(at, params)| {
                format!(r#"{{"jsonrpc":"2.0","id":"{OWN_ID}{at}","method":"eth_subscribe","params":{params}}}"#)
            };
            params.enumerate().map(call).collect()
        };
        let mut ids: HashMap<usize, String> = HashMap::new();
        let mut early = Vec::new();
        for call in &calls {
            to_node.send(Message::text(call.as_str())).await.ok()?;
        }
        while ids.len() < calls.len() {
            let Message::Text(text) = from_node.next().await?.ok()? else { continue };
            match own_answer(&text) {
                Some((at, id)) => drop(ids.insert(at, id?)),
                None if early.len() == MAX_EARLY => return None,
                None => early.push(text),
            }
        }
        let mut session = self.session.lock();
        for (at, one) in session.subscriptions.iter_mut().enumerate() {
            one.continued(ids.remove(&at)?);
        }
        Some(early)
    }

    /// What the subscriptions missed: the notifications, oldest first in each.
    async fn fill(&self, before: u64) -> Option<Vec<String>> {
        let gaps: Vec<(usize, u64)> = {
            let session = self.session.lock();
            let gaps = session.subscriptions.iter().enumerate();
            gaps.filter_map(|(at, one)| Some((at, one.gap_from(before)?))).collect()
        };
        if gaps.is_empty() {
            return Some(Vec::new());
        }
        let head = self.ask(&self.target, vec![("eth_blockNumber", json!([]))]).await?;
        let head: alloy_primitives::U64 = serde_json::from_value(head.into_iter().next()?).ok()?;
        let head: u64 = head.to();
        let mut notes = Vec::new();
        for (at, from) in gaps {
            if head.saturating_sub(from) > MAX_GAP {
                return None;
            }
            if from > head {
                continue;
            }
            let calls = self.session.lock().subscriptions.get(at)?.gap_calls(from, head);
            if calls.is_empty() {
                continue;
            }
            let answers = self.ask(&self.target, calls).await?;
            notes.extend(self.session.lock().subscriptions.get_mut(at)?.fill(answers));
        }
        self.rpc.saw(&self.client, &self.target, Some(head));
        Some(notes)
    }

    /// Asks the node over HTTP; `None` unless every call has a result.
    async fn ask(&self, target: &Arc<Target>, calls: Vec<(&'static str, Value)>) -> Option<Vec<Value>> {
        let outcomes: Result<Vec<Outcome>, AskError> = self.rpc.ask_own(target, &self.headers, &calls).await;
        let value = |outcome: Outcome| match outcome {
            Outcome::Result(result) => serde_json::from_str(result.get()).ok(),
            Outcome::Error(_) => None,
        };
        outcomes.ok()?.into_iter().map(value).collect()
    }
}

/// If this answers one of the balancer's own calls: which, and the subscription's ID if there is one.
fn own_answer(text: &str) -> Option<(usize, Option<String>)> {
    #[derive(serde::Deserialize)]
    struct Own {
        id: String,
        #[serde(default)]
        result: Option<String>,
    }
    let Own { id, result } = serde_json::from_str(text).ok()?;
    Some((id.strip_prefix(OWN_ID)?.parse().ok()?, result))
}

/// The answer to a message that is not safe to repeat.
fn refusal(text: &str, max_batch: usize) -> String {
    let Ok(request) = parse(text.as_bytes(), max_batch) else { return String::new() };
    let message = Refused::Lost(AskError::WentAway).to_string();
    let outcomes = vec![Outcome::error(SERVER_ERROR, &message); request.calls.len()];
    String::from_utf8(write_answer(&request, outcomes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn own_answers_are_told_from_the_clients() {
        assert_eq!(own_answer(r#"{"id":"atoll-move-3","result":"0xa"}"#), Some((3, Some("0xa".into()))));
        assert_eq!(own_answer(r#"{"id":"atoll-move-3","error":{"code":1,"message":""}}"#), Some((3, None)));
        for foreign in [r#"{"id":3,"result":"0xa"}"#, r#"{"id":"atoll-move-x","result":"0xa"}"#, "rubbish"] {
            assert_eq!(own_answer(foreign), None);
        }
    }

    #[test]
    fn every_call_of_a_lost_message_is_answered() {
        let answer = refusal(r#"[{"id":2,"method":"eth_chainId"},{"id":3,"method":"eth_sendTransaction"}]"#, 10);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer[0]["id"], &answer[1]["id"]), (&json!(2), &json!(3)));
        assert!(answer[1]["error"]["message"].as_str().unwrap().contains("not safe to repeat"));
    }
}
