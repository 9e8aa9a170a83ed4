//! `admin`: peers come and go as told.

use crate::support::*;
use serde_json::{Value, json};
use std::time::Duration;

async fn peers(node: &Node) -> Vec<Value> {
    node.ok("admin_peers", json!([])).await.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_added_and_removed() {
    let (first, second) = (Node::start(|_| ()).await, Node::start(|_| ()).await);
    second.ok("evm_mine", json!([])).await;
    let info = second.ok("admin_nodeInfo", json!([])).await;
    let (address, id) = (info["enode"].clone(), info["id"].clone());
    assert_eq!(info["addresses"][0], address);
    assert!(address.as_str().unwrap().starts_with(info["listenAddr"].as_str().unwrap()));
    assert_eq!(info["protocols"]["eth"]["network"], CHAIN_ID);

    assert_eq!(first.ok("admin_addPeer", json!([address])).await, true);
    until("they are peers", async || peers(&first).await.len() == 1).await;
    until("the block arrives", async || first.number().await == 1).await;
    let peer = peers(&first).await.remove(0);
    assert_eq!(peer["id"], id);
    assert_eq!((&peer["network"]["inbound"], &peer["network"]["static"]), (&json!(false), &json!(true)));
    assert_eq!((&peer["network"]["trusted"], &peer["caps"]), (&json!(false), &json!(["atoll/1"])));
    until("it said where it is", async || peers(&first).await[0]["protocols"]["eth"]["number"] == 1).await;
    let head = &peers(&first).await[0]["protocols"]["eth"]["head"];
    assert_eq!(*head, second.block(1).await["hash"]);
    assert_eq!(first.ok("net_peerCount", json!([])).await, "0x1");

    assert_eq!(first.ok("admin_addTrustedPeer", json!([address])).await, true);
    until("it is trusted", async || peers(&first).await[0]["network"]["trusted"] == true).await;
    assert_eq!(first.ok("admin_removeTrustedPeer", json!([id])).await, true);
    until("it is not", async || peers(&first).await[0]["network"]["trusted"] == false).await;

    assert_eq!(first.ok("admin_removePeer", json!([address])).await, true);
    until("they part", async || peers(&first).await.is_empty() && peers(&second).await.is_empty()).await;
    assert_eq!(second.block(1).await["hash"], first.block(1).await["hash"]);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_peer_needs_no_room() {
    let crowded = Node::start(|config| config.peers.max = 1).await;
    let (guest, friend) = (Node::start(|_| ()).await, Node::start(|_| ()).await);
    let address = crowded.ok("admin_nodeInfo", json!([])).await["enode"].clone();
    guest.ok("admin_addPeer", json!([address])).await;
    until("it is full", async || peers(&crowded).await.len() == 1).await;
    let id = friend.ok("admin_nodeInfo", json!([])).await["id"].clone();
    crowded.ok("admin_addTrustedPeer", json!([id])).await;
    friend.ok("admin_addPeer", json!([address])).await;
    until("the friend is in", async || peers(&crowded).await.len() == 2).await;
    for node in [crowded, guest, friend] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_none_are_refused() {
    let node = Node::start(|_| ()).await;
    for method in ["admin_addPeer", "admin_removePeer", "admin_addTrustedPeer", "admin_removeTrustedPeer"] {
        let (code, message) = node.error(method, json!(["enode://1234"])).await;
        assert_eq!((code, message.contains("enode://1234")), (-32000, true), "{method}: {message}");
    }
    assert_eq!(node.error("admin_removePeer", json!(["/ip4/127.0.0.1/tcp/1"])).await.0, -32000);
    assert_eq!(node.ok("admin_datadir", json!([])).await, json!(node.dir.path()));
    node.stop().await;
}

/// Reading base58 takes time with the square of its length: a megabyte of it kept a thread of the server busy for hours, and
/// two of them the whole node.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_megabyte_is_refused_at_once() {
    let node = Node::start(|_| ()).await;
    let long = "A".repeat(1 << 20);
    for name in [long.clone(), format!("/ip4/127.0.0.1/tcp/1/p2p/{long}")] {
        for method in ["admin_addPeer", "admin_removePeer", "admin_addTrustedPeer", "admin_removeTrustedPeer"] {
            let answer = tokio::time::timeout(Duration::from_secs(10), node.error(method, json!([name]))).await;
            let (code, message) = answer.unwrap_or_else(|_| panic!("{method} does not answer"));
            assert!(code == -32000 && message.len() < 200, "{method}: {code}, {} bytes", message.len());
        }
    }
    node.stop().await;
}
