//! `eth_subscribe` over WebSocket: new heads, logs, pending transactions, sync status.
//!
//! A subscriber that cannot keep up is cut off; its queue is bounded by the feed's and the connection's.

use crate::{
    RpcError,
    context::{Json, Node, json},
    eth::SyncingJson,
    feed::FeedItem,
    filters::wants,
    logs::check_size,
    render::TransactionJson,
};
use alloy_rpc_types_eth::{Filter, pubsub::Params};
use atoll_txpool::PoolTx;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionResult, async_trait},
    proc_macros::rpc,
};
use std::{sync::Arc, time::Duration};

/// How often the sync status is looked at.
const SYNC_POLL: Duration = Duration::from_secs(1);

/// The WebSocket half of `eth`.
#[rpc(server, namespace = "eth")]
pub(crate) trait EthPubSub {
    /// Kinds: `newHeads`, `logs`, `newPendingTransactions`, `syncing`.
    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = String)]
    async fn subscribe(&self, kind: String, params: Option<Params>) -> SubscriptionResult;
}

/// Answers from a node.
pub(crate) struct EthPubSub(pub(crate) Arc<Node>);

enum Subscription {
    NewHeads,
    Logs(Box<Filter>),
    PendingTransactions { full: bool },
    Syncing,
}

fn subscription(kind: &str, params: Option<Params>) -> Result<Subscription, RpcError> {
    let invalid = |reason: &str| RpcError::InvalidArgument { index: 1, reason: reason.to_owned() };
    Ok(match (kind, params.unwrap_or_default()) {
        ("newHeads", _) => Subscription::NewHeads,
        ("syncing", _) => Subscription::Syncing,
        ("logs", Params::None) => Subscription::Logs(Box::default()),
        ("logs", Params::Logs(filter)) => {
            check_size(&filter)?;
            Subscription::Logs(filter)
        }
        ("logs", _) => return Err(invalid("not a log filter")),
        ("newPendingTransactions", Params::Bool(full)) => Subscription::PendingTransactions { full },
        ("newPendingTransactions", _) => Subscription::PendingTransactions { full: false },
        _ => return Err(RpcError::UnknownSubscription { kind: kind.to_owned() }),
    })
}

#[async_trait]
impl EthPubSubServer for EthPubSub {
    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: String,
        params: Option<Params>,
    ) -> SubscriptionResult {
        let wanted = match subscription(&kind, params) {
            Ok(wanted) => wanted,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        // Listening starts before the client hears that it is subscribed, so nothing in between is missed.
        let (feed, transactions) = (self.0.feed.subscribe(), self.0.pool.subscribe());
        let sink = pending.accept().await?;
        match wanted {
            Subscription::NewHeads => heads(&sink, feed).await,
            Subscription::Logs(filter) => logs(&sink, feed, &filter).await,
            Subscription::PendingTransactions { full } => pending_transactions(&sink, transactions, full).await,
            Subscription::Syncing => syncing(&sink, &self.0).await,
        }
        Ok(())
    }
}

type Receiver<T> = tokio::sync::broadcast::Receiver<T>;

/// The next item; `None` when the client left, or fell so far behind that it missed some.
async fn next<T: Clone>(sink: &SubscriptionSink, receiver: &mut Receiver<T>) -> Option<T> {
    tokio::select! {
        () = sink.closed() => None,
        item = receiver.recv() => item.ok(),
    }
}

async fn heads(sink: &SubscriptionSink, mut feed: Receiver<FeedItem>) {
    while let Some(FeedItem::Head(update)) = next(sink, &mut feed).await {
        for header in update.headers() {
            if sink.send(header.clone()).await.is_err() {
                return;
            }
        }
    }
}

async fn logs(sink: &SubscriptionSink, mut feed: Receiver<FeedItem>, filter: &Filter) {
    while let Some(FeedItem::Head(update)) = next(sink, &mut feed).await {
        for log in update.logs().iter().filter(|log| wants(filter, log)) {
            let Ok(log) = json(log) else { return };
            if sink.send(log).await.is_err() {
                return;
            }
        }
    }
}

async fn pending_transactions(sink: &SubscriptionSink, mut transactions: Receiver<Arc<PoolTx>>, full: bool) {
    let render = |tx: &PoolTx| -> Result<Json, RpcError> {
        if full { json(&TransactionJson::new(&tx.transaction(), tx.sender, None)) } else { json(&tx.hash()) }
    };
    while let Some(tx) = next(sink, &mut transactions).await {
        let Ok(message) = render(&tx) else { return };
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// Says `false` when the node is in sync, and where it stands while it is not; only changes.
async fn syncing(sink: &SubscriptionSink, node: &Node) {
    let mut last = None;
    let mut ticks = tokio::time::interval(SYNC_POLL);
    loop {
        tokio::select! {
            () = sink.closed() => return,
            _ = ticks.tick() => {}
        }
        let now = node.control.syncing();
        if last == Some(now) {
            continue;
        }
        last = Some(now);
        let Ok(message) = json(&SyncingJson::from(now)) else { return };
        if sink.send(message).await.is_err() {
            return;
        }
    }
}
