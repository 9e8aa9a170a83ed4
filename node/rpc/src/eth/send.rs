//! Signed transactions on their way into the pool.

use crate::{
    RpcError,
    context::{Json, Node, json},
    feed::FeedItem,
};
use atoll_primitives::{B256, Bytes, PooledTransaction, TransactionExt as _, U256, eip2718::Decodable2718 as _};
use atoll_txpool::Origin;
use std::{sync::Arc, time::Duration};

/// How long `eth_sendRawTransactionSync` waits unless told otherwise, and at most (geth's values).
const SYNC_WAIT: Duration = Duration::from_secs(20);
const MAX_SYNC_WAIT: Duration = Duration::from_secs(60);

/// Decodes a transaction as wallets send it: EIP-2718, blob transactions with their sidecar.
pub(crate) fn decode_transaction(raw: &[u8]) -> Result<PooledTransaction, RpcError> {
    if raw.is_empty() {
        return Err(RpcError::InvalidTransaction("typed transaction too short".to_owned()));
    }
    PooledTransaction::decode_2718_exact(raw).map_err(|error| RpcError::InvalidTransaction(error.to_string()))
}

/// The most it may pay for gas, in wei.
pub(crate) fn decoded_fee(tx: &PooledTransaction) -> U256 {
    U256::from(tx.max_fee_per_gas()).saturating_mul(U256::from(tx.gas_limit()))
}

impl Node {
    /// Decodes and checks what this server alone cares about.
    fn accept(&self, raw: &[u8]) -> Result<PooledTransaction, RpcError> {
        let tx = decode_transaction(raw)?;
        self.check_fee(&tx)?;
        Ok(tx)
    }

    pub(crate) fn check_fee(&self, tx: &PooledTransaction) -> Result<(), RpcError> {
        let (fee, cap) = (decoded_fee(tx), self.config.fee_cap);
        if !cap.is_zero() && fee > cap { Err(RpcError::FeeCap { fee, cap }) } else { Ok(()) }
    }

    pub(crate) fn send_raw(&self, raw: &[u8]) -> Result<B256, RpcError> {
        self.pool_add(self.accept(raw)?)
    }

    pub(crate) fn pool_add(&self, tx: PooledTransaction) -> Result<B256, RpcError> {
        let result = self.pool.add(vec![tx], Origin::Local).pop();
        Ok(result.ok_or(RpcError::Internal("the pool gave no answer"))??)
    }

    /// Several at once: the pool recovers their senders in parallel. One answer each, in order.
    pub(crate) fn send_raw_many(&self, raw: Vec<Result<Bytes, RpcError>>) -> Vec<Result<B256, RpcError>> {
        let decoded: Vec<_> = raw.into_iter().map(|raw| self.accept(&raw?)).collect();
        let mut refused = Vec::with_capacity(decoded.len());
        let mut accepted = Vec::with_capacity(decoded.len());
        for tx in decoded {
            match tx {
                Ok(tx) => {
                    accepted.push(tx);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut answers = self.pool.add(accepted, Origin::Local).into_iter();
        let missing = || Err(RpcError::Internal("the pool gave no answer"));
        let answer = |refused: Option<RpcError>| match refused {
            Some(error) => Err(error),
            None => answers.next().map_or_else(missing, |answer| answer.map_err(RpcError::from)),
        };
        refused.into_iter().map(answer).collect()
    }

    /// EIP-7966: sends and waits for the receipt.
    pub(super) async fn send_raw_sync(self: &Arc<Self>, raw: Bytes, timeout_ms: Option<u64>) -> Result<Json, RpcError> {
        let waited = timeout_ms.map_or(SYNC_WAIT, |ms| Duration::from_millis(ms).min(MAX_SYNC_WAIT));
        // Listening first: the block may come before the answer of the pool is looked at.
        let mut feed = self.feed.subscribe();
        let hash = self.blocking(move |node| node.send_raw(&raw)).await?;
        let wait = async {
            loop {
                let receipt = self.blocking(move |node| node.receipt(&hash)?.as_ref().map(json).transpose()).await?;
                if let Some(receipt) = receipt {
                    return Ok(receipt);
                }
                if matches!(feed.recv().await, Ok(FeedItem::Gap) | Err(_)) {
                    feed = self.feed.subscribe();
                }
            }
        };
        tokio::time::timeout(waited, wait).await.unwrap_or(Err(RpcError::SyncTimeout { hash, waited }))
    }
}
