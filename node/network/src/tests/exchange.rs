//! Questions and answers between peers.

use super::{Node, line, until};
use crate::handle::Command;
use crate::{HashOrNumber, MAX_HEADERS, NetworkEvent, Request, RequestError, Response};
use atoll_primitives::{B256, Header};

fn headers(count: u64) -> Request {
    Request::Headers { start: HashOrNumber::Number(1), count, reverse: false }
}

async fn answer(node: &mut Node, response: Response) -> Request {
    let NetworkEvent::Request { request, responder, .. } = node.next().await else { panic!("not a request") };
    node.handle.respond(responder, response).await;
    request
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was_given() {
    let [first, mut second] = line().await;
    let given: Vec<_> = (0..3).map(|number| Header { number, ..Header::default() }).collect();
    let response = Response::Headers(given.clone());
    let (answered, asked) =
        tokio::join!(first.handle.request(second.handle.local_peer_id(), headers(3)), answer(&mut second, response));
    assert_eq!(answered, Ok(Response::Headers(given)));
    assert_eq!(asked, headers(3));
}

#[tokio::test]
async fn more_than_was_asked_counts_against_the_peer() {
    let [first, mut second] = line().await;
    let peer = second.id();
    let response = Response::Headers(vec![Header::default(); 4]);
    let (answered, _) = tokio::join!(first.handle.request(peer, headers(3)), answer(&mut second, response));
    assert_eq!(answered, Err(RequestError::WrongAnswer(peer)));
    let response = Response::Announced;
    let (answered, _) = tokio::join!(first.handle.request(peer, headers(3)), answer(&mut second, response));
    assert_eq!(answered, Err(RequestError::WrongAnswer(peer)));
    until("it shows in the score", || first.handle.peers().iter().any(|peer| peer.score < -40.0)).await;
}

#[tokio::test]
async fn a_dropped_responder_is_a_refusal() {
    let [first, mut second] = line().await;
    let peer = second.id();
    let refuse = async {
        let event = second.next().await;
        assert!(matches!(event, NetworkEvent::Request { .. }));
    };
    let (answered, ()) = tokio::join!(first.handle.request(peer, headers(3)), refuse);
    assert!(matches!(answered, Err(RequestError::Failed { .. })), "{answered:?}");
}

#[tokio::test]
async fn strangers_cannot_be_asked_and_questions_have_bounds() {
    let [first, second] = line().await;
    let nobody = Node::start(9).await.id();
    assert_eq!(first.handle.request(nobody, headers(1)).await, Err(RequestError::NotPeer(nobody)));
    for request in [headers(0), headers(MAX_HEADERS + 1), Request::Bodies(vec![B256::ZERO; 129])] {
        let answered = first.handle.request(second.id(), request).await;
        assert!(answered.is_err());
    }
}

#[tokio::test]
async fn announcements_reach_all_peers_but_one() {
    let [mut first, middle, mut last] = line().await;
    let hashes: Vec<_> = (0..300_u64).map(|n| B256::from(atoll_primitives::U256::from(n))).collect();
    middle.handle.announce_hashes(hashes.clone(), Some(first.id())).await;
    let mut heard = Vec::new();
    while heard.len() < 300 {
        let NetworkEvent::Announced { peer, hashes } = last.next().await else { panic!("not an announcement") };
        assert_eq!(peer, middle.id());
        heard.extend(hashes);
    }
    heard.sort();
    assert_eq!(heard, hashes);
    assert!(first.silent());
}

#[tokio::test]
async fn too_many_questions_cost_score() {
    let [first, mut second] = line().await;
    let peer = second.id();
    let handle = second.handle.clone();
    // Each is refused at once; it is their number that counts.
    let refuse = async { while second.events.recv().await.is_some() {} };
    let ask = async {
        for _ in 0..100 {
            let wave = (0..16).map(|_| first.handle.request(peer, headers(1)));
            futures::future::join_all(wave).await;
            let peers = handle.peers();
            if peers.is_empty() || peers.iter().any(|peer| peer.score < -4.0) {
                return;
            }
        }
        panic!("1600 questions in a row cost nothing");
    };
    tokio::select! { () = refuse => panic!("the network ended"), () = ask => {} }
}

#[tokio::test]
async fn after_shutdown_questions_fail_at_once() {
    let [first, second] = line().await;
    let (handle, peer) = (first.handle.clone(), second.id());
    first.stop().await;
    assert_eq!(handle.request(peer, headers(1)).await, Err(RequestError::Closed));
    assert!(handle.peers().is_empty());
    second.command(Command::RemovePeer(peer)).await;
}
