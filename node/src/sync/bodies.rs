//! Bodies for headers, from several peers at once, each checked against its header.

use super::{Context, blocking, download::Failure};
use atoll_network::{Misbehaviour, PeerId, Request, Response};
use atoll_primitives::{
    B256, Block, BlockBody, Header,
    consensus::{
        EMPTY_OMMER_ROOT_HASH,
        constants::{EMPTY_TRANSACTIONS, EMPTY_WITHDRAWALS},
    },
    transactions_root,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::VecDeque;

/// Bodies asked for at once.
const CHUNK: usize = 64;
/// Requests open at once.
const PARALLEL: usize = 4;
/// Peers a chunk is asked of before the download fails.
const TRIES: usize = 6;

/// Whole blocks for these headers, in order. `leader` gave the headers and certainly has the bodies; others help.
pub(super) async fn blocks(context: &Context, leader: PeerId, headers: Vec<Header>) -> Result<Vec<Block>, Failure> {
    let chunks: Vec<Vec<Header>> = headers.chunks(CHUNK).map(<[Header]>::to_vec).collect();
    let fetched = stream::iter(chunks.into_iter().enumerate())
        .map(|(index, chunk)| fill(context, leader, index, chunk))
        .buffered(PARALLEL)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(fetched.into_iter().flatten().collect())
}

/// A header without content tells its whole body.
fn empty_body(header: &Header) -> Option<BlockBody> {
    let empty = header.transactions_root == EMPTY_TRANSACTIONS
        && header.ommers_hash == EMPTY_OMMER_ROOT_HASH
        && header.withdrawals_root.is_none_or(|root| root == EMPTY_WITHDRAWALS);
    let withdrawals = header.withdrawals_root.map(|_| Default::default());
    empty.then(|| BlockBody { withdrawals, ..BlockBody::default() })
}

async fn fill(context: &Context, leader: PeerId, index: usize, headers: Vec<Header>) -> Result<Vec<Block>, Failure> {
    let mut blocks: Vec<(Header, Option<BlockBody>)> =
        headers.into_iter().map(|header| (header.clone(), empty_body(&header))).collect();
    let mut failures = 0;
    loop {
        let missing: Vec<usize> =
            blocks.iter().enumerate().filter(|(_, (_, body))| body.is_none()).map(|(at, _)| at).collect();
        let Some(first) = missing.first() else { break };
        let highest = blocks.last().map_or(0, |(header, _)| header.number);
        let peer = helper(context, leader, highest, index + failures);
        let wanted: Vec<Header> =
            missing.iter().filter_map(|at| blocks.get(*at)).map(|(header, _)| header.clone()).collect();
        match ask(context, peer, wanted).await {
            Ok(bodies) if !bodies.is_empty() => {
                for (at, body) in missing.iter().zip(bodies) {
                    if let Some((_, slot)) = blocks.get_mut(*at) {
                        *slot = Some(body);
                    }
                }
            }
            _ if context.stop.is_cancelled() => return Err(Failure::Stopped),
            outcome => {
                failures += 1;
                let reason = outcome.err().unwrap_or_else(|| "it has none".into());
                tracing::debug!(%peer, at = first, reason, "no bodies");
                if failures >= TRIES {
                    return Err(Failure::Peer(format!("no bodies up to block {highest}: {reason}")));
                }
            }
        }
    }
    Ok(blocks.into_iter().filter_map(|(header, body)| Some(Block { header, body: body? })).collect())
}

/// Peers that reach as high as the chunk take turns; the leader comes back when others fail.
fn helper(context: &Context, leader: PeerId, highest: u64, turn: usize) -> PeerId {
    let mut able: VecDeque<PeerId> = context
        .network
        .peers()
        .into_iter()
        .filter(|peer| peer.head_number >= highest && peer.peer_id != leader)
        .map(|peer| peer.peer_id)
        .collect();
    able.push_front(leader);
    able.get(turn % able.len()).copied().unwrap_or(leader)
}

async fn ask(context: &Context, peer: PeerId, headers: Vec<Header>) -> Result<Vec<BlockBody>, String> {
    let hashes: Vec<B256> = headers.iter().map(Header::hash_slow).collect();
    let answer = context.network.request(peer, Request::Bodies(hashes)).await.map_err(|err| err.to_string())?;
    let Response::Bodies(bodies) = answer else { return Err("no bodies".into()) };
    let checked = blocking(move || {
        let fit = headers.iter().zip(&bodies).all(|(header, body)| belongs(header, body));
        fit.then_some(bodies)
    });
    match checked.await.ok_or("the program is ending")? {
        Some(bodies) => Ok(bodies),
        None => {
            context.network.report(peer, Misbehaviour::WrongAnswer).await;
            Err("bodies of other blocks".into())
        }
    }
}

fn belongs(header: &Header, body: &BlockBody) -> bool {
    transactions_root(&body.transactions) == header.transactions_root
        && body.calculate_ommers_root() == header.ommers_hash
        && body.calculate_withdrawals_root() == header.withdrawals_root
}
