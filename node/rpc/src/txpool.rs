//! The `txpool` namespace: what the pool holds, by sender and nonce.

use crate::{
    RpcError,
    context::{Json, Node, json},
    render::TransactionJson,
};
use alloy_rpc_types_txpool::TxpoolInspectSummary;
use atoll_primitives::{Address, Transaction, U64};
use atoll_txpool::{BySender, Content, PoolTx};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use std::{collections::BTreeMap, sync::Arc};

/// Contents and counts.
#[rpc(server, namespace = "txpool")]
pub(crate) trait TxpoolApi {
    #[method(name = "content")]
    async fn content(&self) -> Result<Json, RpcError>;
    #[method(name = "contentFrom")]
    async fn content_from(&self, address: Address) -> Result<Json, RpcError>;
    #[method(name = "inspect")]
    async fn inspect(&self) -> Result<Json, RpcError>;
    #[method(name = "status")]
    fn status(&self) -> Result<StatusJson, RpcError>;
}

/// Counts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusJson {
    pending: U64,
    queued: U64,
}

/// Answers from a node.
pub(crate) struct Txpool(pub(crate) Arc<Node>);

#[derive(Serialize)]
struct Both<T> {
    pending: T,
    queued: T,
}

/// A pooled transaction rendered as a whole.
struct Whole(Transaction, Address);

impl Whole {
    fn new(tx: &PoolTx) -> Self {
        Self(tx.transaction(), tx.sender)
    }
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TransactionJson::new(&self.0, self.1, None).serialize(serializer)
    }
}

/// Senders with their checksum, nonces in decimal: geth's keys.
struct Senders<'a, T>(&'a BySender, fn(&PoolTx) -> T);

impl<T: Serialize> Serialize for Senders<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (sender, list) in self.0 {
            map.serialize_entry(&sender.to_checksum(None), &by_nonce(list, self.1))?;
        }
        map.end()
    }
}

fn by_nonce<T>(list: &BTreeMap<u64, Arc<PoolTx>>, render: fn(&PoolTx) -> T) -> BTreeMap<String, T> {
    list.iter().map(|(nonce, tx)| (nonce.to_string(), render(tx))).collect()
}

fn senders<T: Serialize>(content: &Content, render: fn(&PoolTx) -> T) -> Result<Json, RpcError> {
    json(&Both { pending: Senders(&content.pending, render), queued: Senders(&content.queued, render) })
}

#[async_trait]
impl TxpoolApiServer for Txpool {
    async fn content(&self) -> Result<Json, RpcError> {
        self.0.blocking(|node| senders(&node.pool.content(), Whole::new)).await
    }

    async fn content_from(&self, address: Address) -> Result<Json, RpcError> {
        let work = move |node: &Node| {
            let content = node.pool.content_from(&address);
            let of = |lists: &BySender| lists.get(&address).map(|list| by_nonce(list, Whole::new)).unwrap_or_default();
            json(&Both { pending: of(&content.pending), queued: of(&content.queued) })
        };
        self.0.blocking(work).await
    }

    async fn inspect(&self) -> Result<Json, RpcError> {
        let summary = |tx: &PoolTx| TxpoolInspectSummary::from_tx(tx.transaction());
        self.0.blocking(move |node| senders(&node.pool.content(), summary)).await
    }

    fn status(&self) -> Result<StatusJson, RpcError> {
        let status = self.0.pool.status();
        Ok(StatusJson { pending: U64::from(status.pending), queued: U64::from(status.queued) })
    }
}
