//! Answers what peers ask, from storage and pool.

use super::{Context, blocking};
use atoll_chain::Chain;
use atoll_network::{
    HashOrNumber, MAX_BODIES, MAX_HEADERS, MAX_POOLED, Request, Responder, Response, SOFT_RESPONSE_BYTES,
};
use atoll_primitives::rlp::Encodable;
use atoll_primitives::{B256, Header};
use atoll_storage::StorageError;
use atoll_txpool::TxPool;
use std::sync::Arc;

pub(super) fn spawn(context: &Context, request: Request, responder: Responder) {
    // Dropping the responder refuses; the asker turns to another peer.
    let Ok(slot) = Arc::clone(&context.serving).try_acquire_owned() else { return };
    let context = context.clone();
    tokio::spawn(async move {
        let (chain, pool) = (context.chain.clone(), context.pool.clone());
        let answer = blocking(move || answer(&chain, &pool, request)).await;
        match answer {
            Some(Ok(Some(response))) => context.network.respond(responder, response).await,
            Some(Err(error)) => tracing::error!(%error, "cannot answer a peer"),
            Some(Ok(None)) | None => {}
        }
        drop(slot);
    });
}

/// `None` for what the network answers itself.
fn answer(chain: &Chain, pool: &TxPool, request: Request) -> Result<Option<Response>, StorageError> {
    Ok(Some(match request {
        Request::Headers { start, count, reverse } => Response::Headers(headers(chain, start, count, reverse)?),
        Request::Bodies(hashes) => {
            let body = |hash: &B256| Ok(chain.storage().block(hash)?.map(|block| block.block.body.clone()));
            Response::Bodies(until_full(hashes.iter().take(MAX_BODIES), body)?)
        }
        Request::Receipts(hashes) => {
            let receipts = |hash: &B256| Ok(chain.storage().receipts(hash)?.map(|list| list.as_ref().clone()));
            Response::Receipts(until_full(hashes.iter().take(MAX_BODIES), receipts)?)
        }
        Request::PooledTransactions(hashes) => {
            let held = hashes.iter().take(MAX_POOLED).filter_map(|hash| pool.get(hash));
            let mut size = 0;
            let fits = |size: &mut usize, more: usize| {
                let fits = *size < SOFT_RESPONSE_BYTES;
                *size += more;
                fits
            };
            let transactions = held.map(|tx| tx.tx.clone()).take_while(|tx| fits(&mut size, tx.length())).collect();
            Response::PooledTransactions(transactions)
        }
        Request::Status(_) | Request::Announce(_) => return Ok(None),
    }))
}

/// Items up to the first unknown one, so that the asker can tell which is which, or to the soft limit.
fn until_full<'a, T: Encodable>(
    hashes: impl Iterator<Item = &'a B256>,
    item: impl Fn(&B256) -> Result<Option<T>, StorageError>,
) -> Result<Vec<T>, StorageError> {
    let (mut items, mut size) = (Vec::new(), 0);
    for hash in hashes {
        let Some(item) = item(hash)? else { break };
        size += item.length();
        items.push(item);
        if size >= SOFT_RESPONSE_BYTES {
            break;
        }
    }
    Ok(items)
}

fn headers(chain: &Chain, start: HashOrNumber, count: u64, reverse: bool) -> Result<Vec<Header>, StorageError> {
    let storage = chain.storage();
    let first = match start {
        HashOrNumber::Hash(hash) => storage.header(&hash)?,
        HashOrNumber::Number(number) => storage.header_by_number(number)?,
    };
    let Some(first) = first else { return Ok(Vec::new()) };
    let mut headers = vec![first];
    let mut size = 0;
    while let Some(last) = headers.last() {
        size += last.length();
        if headers.len() as u64 >= count.min(MAX_HEADERS) || size >= SOFT_RESPONSE_BYTES {
            break;
        }
        let next = if reverse {
            if last.number == 0 { None } else { storage.header(&last.parent_hash)? }
        } else {
            // A header of a side chain has no successor, and after a reorganisation the next one is no child.
            let hash = last.hash_slow();
            storage.header_by_number(last.number + 1)?.filter(|next| next.parent_hash == hash)
        };
        let Some(next) = next else { break };
        headers.push(next);
    }
    Ok(headers)
}
