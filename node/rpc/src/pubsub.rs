//! `eth_subscribe` over WebSocket: what a connection has subscribed to, and the messages it gets. It must not know
//! sockets: the connection writes what it finds here.
//!
//! What a message says is rendered once for all subscribers ([`crate::feed`]); only the subscription's ID, which stands
//! before it, differs.

use crate::{
    RpcError,
    context::Node,
    feed::{FeedItem, TransactionsUpdate, sync_status},
    filters::random_id,
    logs::LogFilter,
};
use parking_lot::Mutex;
use serde_json::{Value, value::RawValue};
use std::sync::Arc;

/// What a subscription wants to hear.
pub(crate) enum Kind {
    NewHeads,
    Logs(Box<LogFilter>),
    PendingTransactions { full: bool },
    Syncing,
}

/// One subscription of a connection.
pub(crate) struct Subscription {
    id: String,
    kind: Kind,
}

/// The subscriptions of one connection.
pub(crate) struct Session {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Default)]
struct State {
    active: Vec<Arc<Subscription>>,
    /// Their clients have not been told of them: until then they get nothing.
    fresh: Vec<Arc<Subscription>>,
}

fn invalid(index: usize, reason: impl ToString) -> RpcError {
    RpcError::InvalidArgument { index, reason: reason.to_string() }
}

/// What a name and the parameter after it ask for.
fn kind(kind: &str, params: &[&RawValue]) -> Result<Kind, RpcError> {
    Ok(match kind {
        "newHeads" => Kind::NewHeads,
        "syncing" => Kind::Syncing,
        "logs" => {
            let filter: LogFilter = read(params, 1)?.unwrap_or_default();
            filter.check_size()?;
            Kind::Logs(Box::new(filter))
        }
        "newPendingTransactions" => Kind::PendingTransactions { full: read(params, 1)?.unwrap_or(false) },
        _ => return Err(RpcError::UnknownSubscription { kind: kind.to_owned() }),
    })
}

/// The parameters, one by one.
fn list(params: Option<&RawValue>) -> Result<Vec<&RawValue>, RpcError> {
    let Some(params) = params else { return Ok(Vec::new()) };
    serde_json::from_str(params.get()).map_err(|_| invalid(0, "non-array args"))
}

fn read<'a, T: serde::Deserialize<'a>>(params: &[&'a RawValue], index: usize) -> Result<Option<T>, RpcError> {
    let Some(param) = params.get(index).filter(|param| param.get() != "null") else { return Ok(None) };
    serde_json::from_str(param.get()).map(Some).map_err(|error| invalid(index, error))
}

impl Session {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), limit }
    }

    /// `eth_subscribe` and `eth_unsubscribe`.
    pub(crate) fn call(&self, method: &str, params: Option<&RawValue>) -> Result<Value, RpcError> {
        let params = list(params)?;
        let first: String = read(&params, 0)?.ok_or_else(|| invalid(0, "missing value for required argument 0"))?;
        if method == "eth_unsubscribe" {
            return self.unsubscribe(&first).map(Value::Bool);
        }
        let kind = kind(&first, &params)?;
        let mut state = self.state.lock();
        if state.active.len() + state.fresh.len() >= self.limit {
            return Err(RpcError::TooManySubscriptions { limit: self.limit });
        }
        let id = random_id();
        state.fresh.push(Arc::new(Subscription { id: id.clone(), kind }));
        Ok(Value::String(id))
    }

    fn unsubscribe(&self, id: &str) -> Result<bool, RpcError> {
        let mut state = self.state.lock();
        let State { active, fresh } = &mut *state;
        for list in [active, fresh] {
            if let Some(index) = list.iter().position(|subscription| subscription.id == id) {
                list.swap_remove(index);
                return Ok(true);
            }
        }
        Err(RpcError::SubscriptionNotFound)
    }

    /// The client hears of its new subscriptions now. Returns them.
    pub(crate) fn activate(&self) -> Vec<Arc<Subscription>> {
        let mut state = self.state.lock();
        let fresh = std::mem::take(&mut state.fresh);
        state.active.extend_from_slice(&fresh);
        fresh
    }

    /// Those that are told of things.
    pub(crate) fn active(&self) -> Vec<Arc<Subscription>> {
        self.state.lock().active.clone()
    }
}

impl Subscription {
    /// Whether it listens to transactions rather than to the chain.
    pub(crate) const fn wants_transactions(&self) -> bool {
        matches!(self.kind, Kind::PendingTransactions { .. })
    }

    /// What it hears at once: sync status is a state, not only a change.
    pub(crate) fn first(&self, node: &Node) -> Option<String> {
        let Kind::Syncing = self.kind else { return None };
        sync_status(node.control.syncing()).map(|status| self.message(status.get()))
    }

    /// Its messages about a change of the chain.
    pub(crate) fn on_item<'a>(&'a self, item: &'a FeedItem) -> Box<dyn Iterator<Item = String> + Send + 'a> {
        match (&self.kind, item) {
            (Kind::NewHeads, FeedItem::Head(update)) => {
                Box::new(update.headers().iter().map(|header| self.message(header.get())))
            }
            (Kind::Logs(filter), FeedItem::Head(update)) => {
                let wanted = update.logs().iter().filter(|log| filter.wants(&log.log));
                Box::new(wanted.filter_map(|log| log.text()).map(|text| self.message(text)))
            }
            (Kind::Syncing, FeedItem::Syncing(status)) => Box::new(std::iter::once(self.message(status.get()))),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Its messages about new transactions.
    pub(crate) fn on_transactions<'a>(
        &'a self,
        update: &'a TransactionsUpdate,
    ) -> impl Iterator<Item = String> + Send + 'a {
        let texts = match self.kind {
            Kind::PendingTransactions { full } => update.texts(full),
            _ => &[],
        };
        texts.iter().map(|text| self.message(text.get()))
    }

    fn message(&self, result: &str) -> String {
        const HEAD: &str = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":""#;
        let mut message = String::with_capacity(HEAD.len() + self.id.len() + result.len() + 16);
        message.push_str(HEAD);
        message.push_str(&self.id);
        message.push_str(r#"","result":"#);
        message.push_str(result);
        message.push_str("}}");
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_parameters() {
        let of = |name: &str, json: &str| {
            let param: Box<RawValue> = serde_json::from_str(json).unwrap();
            kind(name, &[&param, &param])
        };
        assert!(matches!(of("newHeads", "null"), Ok(Kind::NewHeads)));
        assert!(matches!(of("newPendingTransactions", "true"), Ok(Kind::PendingTransactions { full: true })));
        assert!(matches!(of("newPendingTransactions", "null"), Ok(Kind::PendingTransactions { full: false })));
        assert!(matches!(of("newPendingTransactions", "{}"), Err(RpcError::InvalidArgument { index: 1, .. })));
        assert!(matches!(of("logs", "{}"), Ok(Kind::Logs(_))));
        assert!(matches!(of("logs", "null"), Ok(Kind::Logs(_))));
        assert!(matches!(of("logs", "true"), Err(RpcError::InvalidArgument { index: 1, .. })));
        assert!(matches!(of("newSides", "null"), Err(RpcError::UnknownSubscription { .. })));
    }

    #[test]
    fn a_message_is_the_id_around_the_shared_text() {
        let subscription = Subscription { id: "0x1".into(), kind: Kind::NewHeads };
        let message: Value = serde_json::from_str(&subscription.message(r#"{"number":"0x2"}"#)).unwrap();
        assert_eq!(message["params"], serde_json::json!({"subscription": "0x1", "result": {"number": "0x2"}}));
        assert_eq!((&message["jsonrpc"], &message["method"]), (&"2.0".into(), &"eth_subscription".into()));
    }
}
