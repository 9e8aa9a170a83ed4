//! One subscription: what it is called on both sides, what it has brought, and what it missed while its node was being
//! replaced. Pure.

use alloy_primitives::U64;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

/// Blocks remembered as served. The gap starts a few blocks before the last one, so this is plenty.
const RECENT: usize = 64;
/// The gap starts this many blocks before what the dead node was last known to have: its last blocks may not have
/// reached the client, and may not be the chain's.
const BACK: u64 = 8;
/// A longer gap is not filled: the connection is closed instead.
pub(crate) const MAX_GAP: u64 = 256;
/// What a block has and the head of a subscription has not.
const NOT_IN_A_HEAD: [&str; 5] = ["transactions", "uncles", "withdrawals", "size", "totalDifficulty"];

/// A notification.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    pub(crate) subscription: Cow<'a, str>,
    pub(crate) result: &'a RawValue,
}

impl<'a> Note<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            params: Inner<'a>,
        }
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow)]
            subscription: Cow<'a, str>,
            #[serde(borrow)]
            result: &'a RawValue,
        }
        let Outer { params } = serde_json::from_str(text).ok()?;
        Some(Self { subscription: params.subscription, result: params.result })
    }
}

/// What makes an item of a subscription this one: a head's block, or a log's block and index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct Key {
    #[serde(alias = "blockHash")]
    hash: String,
    #[serde(alias = "logIndex", default)]
    index: Option<U64>,
    #[serde(default)]
    removed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Heads,
    Logs,
    /// Pending transactions and the state of sync: what was missed is over.
    Momentary,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    /// Its ID for the client.
    pub(crate) public: String,
    /// Its ID on the node.
    pub(crate) node: String,
    /// As the client subscribed.
    pub(crate) params: Box<RawValue>,
    what: What,
    /// The newest block when it began.
    since: u64,
    /// The newest blocks it brought something of, with the highest log index.
    served: VecDeque<(String, Option<U64>)>,
    /// What filled a gap, until the node brings it too.
    filled: HashSet<Key>,
}

impl Subscription {
    pub(crate) fn new(id: String, params: Box<RawValue>, since: u64) -> Self {
        let kind: Option<Vec<Value>> = serde_json::from_str(params.get()).ok();
        let what = match kind.as_ref().and_then(|params| params.first()?.as_str()) {
            Some("newHeads") => What::Heads,
            Some("logs") => What::Logs,
            _ => What::Momentary,
        };
        let (served, filled) = (VecDeque::new(), HashSet::new());
        Self { public: id.clone(), node: id, params, what, since, served, filled }
    }

    /// Whether it is another node's than at first.
    pub(crate) fn moved(&self) -> bool {
        self.public != self.node
    }

    /// Another node goes on with it under this ID.
    pub(crate) fn continued(&mut self, node: String) {
        self.node = node;
        self.filled.clear();
    }

    /// The notification for the client.
    pub(crate) fn note(&self, result: &RawValue) -> String {
        let id = Value::from(self.public.as_str());
        format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":{id},"result":{result}}}}}"#)
    }

    fn key(&self, result: &RawValue) -> Option<Key> {
        if self.what == What::Momentary {
            return None;
        }
        serde_json::from_str(result.get()).ok()
    }

    /// Whether this filled a gap already.
    pub(crate) fn is_repetition(&mut self, result: &RawValue) -> bool {
        !self.filled.is_empty() && self.key(result).is_some_and(|key| self.filled.remove(&key))
    }

    /// It is brought to the client.
    pub(crate) fn serve(&mut self, result: &RawValue) {
        let Some(Key { hash, index, removed }) = self.key(result) else { return };
        if removed {
            self.served.retain(|(block, _)| *block != hash);
            return;
        }
        match self.served.iter_mut().find(|(block, _)| *block == hash) {
            Some((_, highest)) => *highest = index.max(*highest),
            None => {
                if self.served.len() == RECENT {
                    self.served.pop_front();
                }
                self.served.push_back((hash, index));
            }
        }
    }

    fn is_served(&self, key: &Key) -> bool {
        self.served.iter().any(|(block, highest)| *block == key.hash && *highest >= key.index)
    }

    /// The first block that something may be missing of, when the node that died is known to have had block `head`.
    pub(crate) fn gap_from(&self, head: u64) -> Option<u64> {
        (self.what != What::Momentary).then(|| head.saturating_sub(BACK).max(self.since.saturating_add(1)))
    }

    /// The calls that bring what is missing from block `from` to block `to`.
    pub(crate) fn gap_calls(&self, from: u64, to: u64) -> Vec<(&'static str, Value)> {
        match self.what {
            What::Momentary => Vec::new(),
            What::Heads => (from..=to).map(|n| ("eth_getBlockByNumber", json!([format!("{n:#x}"), false]))).collect(),
            What::Logs => {
                let params: Vec<Value> = serde_json::from_str(self.params.get()).unwrap_or_default();
                let given = params.get(1).and_then(Value::as_object).cloned().unwrap_or_default();
                let mut filter: Map<String, Value> =
                    given.into_iter().filter(|(name, _)| name == "address" || name == "topics").collect();
                filter.insert("fromBlock".into(), format!("{from:#x}").into());
                filter.insert("toBlock".into(), format!("{to:#x}").into());
                vec![("eth_getLogs", json!([filter]))]
            }
        }
    }

    /// The notifications that these answers make, for what the client has not had.
    pub(crate) fn fill(&mut self, answers: Vec<Value>) -> Vec<String> {
        let mut items: Vec<Value> = Vec::new();
        for answer in answers {
            match answer {
                Value::Object(mut head) => {
                    NOT_IN_A_HEAD.iter().for_each(|name| drop(head.remove(*name)));
                    items.push(head.into());
                }
                Value::Array(logs) => items.extend(logs),
                _ => {}
            }
        }
        let mut notes = Vec::new();
        for item in items {
            let Ok(result) = serde_json::value::to_raw_value(&item) else { continue };
            let Some(key) = self.key(&result).filter(|key| !self.is_served(key)) else { continue };
            self.serve(&result);
            self.filled.insert(key);
            notes.push(self.note(&result));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    fn log(block: &str, index: u64) -> Value {
        json!({"blockHash": block, "blockNumber": "0x7", "logIndex": format!("{index:#x}"), "removed": false})
    }

    #[test]
    fn only_what_was_missed_is_filled_in_and_only_once() {
        let mut logs =
            Subscription::new("0xa".into(), raw(&json!(["logs", {"address": "0x1", "fromBlock": "0x0"}])), 5);
        logs.serve(&raw(&log("0x07", 0)));
        logs.serve(&raw(&log("0x07", 1)));
        logs.continued("0xb".into());
        assert_eq!(logs.gap_from(7), Some(6), "never from before it began");
        let call = ("eth_getLogs", json!([{"address": "0x1", "fromBlock": "0x6", "toBlock": "0x8"}]));
        assert_eq!(logs.gap_calls(6, 8), [call]);
        let all = json!([log("0x07", 0), log("0x07", 1), log("0x07", 2), log("0x08", 3)]);
        assert_eq!(logs.fill(vec![all]), [logs.note(&raw(&log("0x07", 2))), logs.note(&raw(&log("0x08", 3)))]);
        assert!(logs.is_repetition(&raw(&log("0x08", 3))), "the node brings it as well");
        assert!(!logs.is_repetition(&raw(&log("0x08", 3))), "again after a reorganisation is news");
        assert!(!logs.is_repetition(&raw(&log("0x09", 4))));
    }

    #[test]
    fn missed_heads_look_like_heads() {
        let mut heads = Subscription::new("0xa".into(), raw(&json!(["newHeads"])), 1);
        heads.serve(&raw(&json!({"number": "0x2", "hash": "0x02"})));
        let blocks =
            ["0x02", "0x03"].map(|hash| json!({"number": hash, "hash": hash, "size": "0x1", "transactions": []}));
        let [note] = heads.fill(blocks.to_vec()).try_into().unwrap();
        let result: Value = serde_json::from_str(Note::parse(&note).unwrap().result.get()).unwrap();
        assert_eq!(result, json!({"hash": "0x03", "number": "0x03"}));
    }

    #[test]
    fn nothing_is_made_up_for_pending_transactions() {
        let mut pending = Subscription::new("0xa".into(), raw(&json!(["newPendingTransactions"])), 1);
        assert_eq!(pending.gap_from(9), None);
        assert!(pending.gap_calls(1, 9).is_empty() && pending.fill(vec![json!([log("0x07", 0)])]).is_empty());
    }
}
