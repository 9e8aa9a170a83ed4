//! What of a WebSocket's traffic the balancer must read: raw transactions, pending nonces, new heads. No sockets.
//!
//! Everything else is passed on unread, and no message is parsed unless it may be one of these.

use crate::jsonrpc::{Call, Kind, Outcome, Reply, parse};
use alloy_primitives::U64;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Calls of one connection whose answers are waited for. Above it calls go unwatched: the answers still arrive, but
/// the transactions among them are not kept.
const MAX_WAITING: usize = 4_096;

/// The watched calls of one connection, by their id as the client wrote it.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    waiting: HashMap<String, Kind>,
}

impl Watched {
    /// A message of the client.
    pub(crate) fn outgoing(&mut self, text: &str, max_batch: usize) {
        if !text.contains("eth_sendRawTransaction") && !text.contains("eth_getTransactionCount") {
            return;
        }
        let Ok(request) = parse(text.as_bytes(), max_batch) else { return };
        for call in &request.calls {
            let kind = call.kind();
            let wanted = matches!(kind, Kind::SendRaw(_) | Kind::PendingNonce(_));
            if let Some(id) = id_of(call).filter(|_| wanted && self.waiting.len() < MAX_WAITING) {
                self.waiting.insert(id, kind);
            }
        }
    }

    /// A message of the node: the watched answers in it.
    pub(crate) fn incoming<'a>(&mut self, text: &'a str) -> Option<Answers<'a>> {
        if self.waiting.is_empty() || text.contains("\"eth_subscription\"") {
            return None;
        }
        let batch = text.trim_start().starts_with('[');
        let replies: Vec<Reply<'a>> =
            if batch { serde_json::from_str(text).ok()? } else { vec![serde_json::from_str(text).ok()?] };
        let mut answers = Answers { batch, ids: Vec::new(), kinds: Vec::new(), outcomes: Vec::new() };
        for reply in replies {
            let kind = reply.id.and_then(|id| self.waiting.remove(id.get()));
            answers.kinds.push(kind.unwrap_or(Kind::Plain { repeatable: false }));
            answers.ids.push(reply.id);
            answers.outcomes.push(reply.into());
        }
        answers.kinds.iter().any(|kind| !matches!(kind, Kind::Plain { .. })).then_some(answers)
    }
}

fn id_of(call: &Call<'_>) -> Option<String> {
    call.id.map(|id| id.get().to_owned())
}

/// Answers that may need correcting.
#[derive(Debug)]
pub(crate) struct Answers<'a> {
    batch: bool,
    ids: Vec<Option<&'a RawValue>>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Answers<'_> {
    /// The message for the client.
    pub(crate) fn write(self) -> String {
        let mut written: Vec<String> = Vec::with_capacity(self.outcomes.len());
        for (id, outcome) in self.ids.iter().zip(&self.outcomes) {
            let id = id.map_or("null", RawValue::get);
            let (name, value) = match outcome {
                Outcome::Result(result) => ("result", result.get()),
                Outcome::Error(error) => ("error", error.get()),
            };
            written.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"{name}":{value}}}"#));
        }
        let all = written.join(",");
        if self.batch { format!("[{all}]") } else { all }
    }
}

/// The block number if this is a notification of a new head.
pub(crate) fn new_head(text: &str) -> Option<u64> {
    if !text.contains("\"eth_subscription\"") || !text.contains("\"parentHash\"") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Notification {
        params: Params,
    }
    #[derive(serde::Deserialize)]
    struct Params {
        result: Header,
    }
    #[derive(serde::Deserialize)]
    struct Header {
        number: U64,
    }
    serde_json::from_str::<Notification>(text).ok().map(|notification| notification.params.result.number.to())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_watched_answers_are_taken_out() {
        let mut watched = Watched::default();
        assert!(watched.incoming(r#"{"id":1,"result":"0x1"}"#).is_none());
        watched.outgoing(r#"{"id":"a","method":"eth_sendRawTransaction","params":["0x02"]}"#, 10);
        watched.outgoing(r#"{"id":2,"method":"eth_chainId"}"#, 10);
        assert!(watched.incoming(r#"{"id":2,"result":"0x1"}"#).is_none());
        assert!(watched.incoming("rubbish").is_none());
        let answers = watched.incoming(r#"{"jsonrpc":"2.0","id":"a","result":"0xabc"}"#).unwrap();
        assert_eq!(answers.kinds, [Kind::SendRaw("0x02".into())]);
        assert_eq!(answers.write(), r#"{"jsonrpc":"2.0","id":"a","result":"0xabc"}"#);
        assert!(watched.waiting.is_empty());
    }

    #[test]
    fn what_is_waited_for_is_bounded() {
        let mut watched = Watched::default();
        for id in 0..MAX_WAITING * 2 {
            watched.outgoing(&format!(r#"{{"id":{id},"method":"eth_sendRawTransaction","params":["0x02"]}}"#), 10);
        }
        assert_eq!(watched.waiting.len(), MAX_WAITING);
    }

    #[test]
    fn new_heads_are_read() {
        let head = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{"number":"0x1f","parentHash":"0x"}}}"#;
        assert_eq!(new_head(head), Some(31));
        assert_eq!(new_head(r#"{"method":"eth_subscription","params":{"result":{"address":"0x"}}}"#), None);
    }
}
