//! The newest block that we and a peer have in common.

use super::{Context, download::Failure};
use atoll_network::{HashOrNumber, Misbehaviour, PeerId, Request, Response};
use atoll_primitives::Header;

/// Finds the number of the newest canonical block of ours that is canonical for the peer too: by growing steps
/// down from the lower of the two heads, then by halving.
pub(super) async fn common(context: &Context, peer: PeerId, their_head: u64) -> Result<u64, Failure> {
    let ours = context.chain.head().number;
    let mut different = ours.min(their_head) + 1;
    let mut step = 1;
    let mut shared = loop {
        let number = different.saturating_sub(step);
        if is_shared(context, peer, number).await? {
            break number;
        }
        if number == 0 {
            // The handshake compared genesis hashes: whoever sends another one lies.
            context.network.report(peer, Misbehaviour::WrongAnswer).await;
            return Err(Failure::Peer("its genesis block is not the one of its handshake".into()));
        }
        different = number;
        step *= 2;
    };
    while different - shared > 1 {
        let middle = shared + (different - shared) / 2;
        if is_shared(context, peer, middle).await? {
            shared = middle;
        } else {
            different = middle;
        }
    }
    Ok(shared)
}

async fn is_shared(context: &Context, peer: PeerId, number: u64) -> Result<bool, Failure> {
    let headers = headers(context, peer, number, 1).await?;
    // A peer in the middle of a reorganisation may be shorter than it said.
    let Some(header) = headers.first() else { return Ok(false) };
    let hash = header.hash_slow();
    let storage = context.chain.storage().clone();
    let ours = super::blocking(move || storage.canonical_hash(number)).await.ok_or(Failure::Stopped)?;
    Ok(ours.map_err(|err| Failure::Ours(err.to_string()))? == Some(hash))
}

/// Asks for headers from a number on, and checks that they are those.
pub(super) async fn headers(context: &Context, peer: PeerId, from: u64, count: u64) -> Result<Vec<Header>, Failure> {
    let request = Request::Headers { start: HashOrNumber::Number(from), count, reverse: false };
    let answer = context.network.request(peer, request).await.map_err(|err| Failure::Peer(err.to_string()))?;
    let Response::Headers(headers) = answer else { return Err(Failure::Peer("no headers".into())) };
    let numbered = headers.iter().zip(from..).all(|(header, number)| header.number == number);
    let linked = headers.windows(2).all(|pair| match pair {
        [parent, child] => child.parent_hash == parent.hash_slow(),
        _ => true,
    });
    if !numbered || !linked {
        context.network.report(peer, Misbehaviour::WrongAnswer).await;
        return Err(Failure::Peer("headers that do not follow one another".into()));
    }
    Ok(headers)
}
