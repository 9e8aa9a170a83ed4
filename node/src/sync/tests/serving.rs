//! What a peer gets when it asks.

use super::Member;
use super::support::{Node, hash, transfer};
use atoll_network::{HashOrNumber, Request, Response};
use atoll_primitives::B256;
use atoll_txpool::Origin;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_from_chain_and_pool() {
    let node = Node::new(1);
    let blocks = node.mine(10, 0);
    let (server, asker) = (Member::start(node, 1).await, Member::start(Node::new(2), 2).await);
    asker.dial(&server).await;
    let ask = async |request| asker.network.request(server.network.local_peer_id(), request).await.unwrap();
    let headers = async |start, count, reverse| match ask(Request::Headers { start, count, reverse }).await {
        Response::Headers(headers) => headers.iter().map(|header| header.number).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(headers(HashOrNumber::Number(3), 4, false).await, [3, 4, 5, 6]);
    assert_eq!(headers(HashOrNumber::Number(8), 512, false).await, [8, 9, 10]);
    assert_eq!(headers(HashOrNumber::Hash(hash(&blocks[1])), 512, true).await, [2, 1, 0]);
    assert!(headers(HashOrNumber::Number(11), 1, false).await.is_empty());
    assert!(headers(HashOrNumber::Hash(B256::ZERO), 1, false).await.is_empty());

    let wanted = vec![hash(&blocks[0]), hash(&blocks[4]), B256::ZERO, hash(&blocks[5])];
    let Response::Bodies(bodies) = ask(Request::Bodies(wanted.clone())).await else { panic!("not bodies") };
    assert_eq!(bodies, [blocks[0].body.clone(), blocks[4].body.clone()], "up to the unknown one");
    let Response::Receipts(receipts) = ask(Request::Receipts(wanted)).await else { panic!("not receipts") };
    assert_eq!(receipts.len(), 2);
    assert!(receipts.iter().all(|list| list.len() == 1));

    let tx = transfer(1, 0);
    let (hash, pooled) = (*tx.tx_hash(), tx.try_into().unwrap());
    server.pool.add(vec![pooled], Origin::External).remove(0).unwrap();
    let answer = ask(Request::PooledTransactions(vec![B256::ZERO, hash])).await;
    let Response::PooledTransactions(given) = answer else { panic!("not transactions") };
    assert_eq!(given.iter().map(|tx| *tx.hash()).collect::<Vec<_>>(), [hash]);
}
