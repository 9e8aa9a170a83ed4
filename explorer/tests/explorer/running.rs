//! The whole service: sockets, registry, restart.

use crate::node::{Chain, Node, Tx};
use atoll_discovery::{NodeInfo, RecordSigner, Registration, RegistryClient, RegistryConfig, roles, server};
use atoll_explorer::{ExplorerConfig, ExplorerError, run, serve};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn config(dir: &Path) -> ExplorerConfig {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    ExplorerConfig { listen, data_dir: dir.to_owned(), cache_bytes: 1 << 20, ..ExplorerConfig::default() }
}

async fn until_ready(url: &str) -> serde_json::Value {
    for _ in 0..1_000 {
        if let Ok(response) = reqwest::get(format!("{url}/ready")).await
            && response.status().is_success()
        {
            return response.json().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{url} does not become ready");
}

#[tokio::test]
async fn finds_nodes_in_the_registry_and_registers_itself() {
    let (registry_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stop = CancellationToken::new();
    let (listener, registry) = bound().await;
    let registry_config = RegistryConfig { data_dir: registry_dir.path().join("r"), ..RegistryConfig::default() };
    tokio::spawn(server::serve(listener, registry_config, stop.clone()));

    let mut chain = Chain::new(1);
    chain.mine(&[Tx::transfer(1, 2, 0)]);
    let node = Node::start(chain.clone()).await;
    let client = RegistryClient::new(std::slice::from_ref(&registry)).unwrap();
    let info = NodeInfo {
        name: "one".to_owned(),
        rpc: Some(node.url.clone()),
        network_id: 4242,
        chain_id: 1337,
        genesis_hash: chain.hash(0),
        roles: vec![roles::NODE.to_owned()],
        ..NodeInfo::default()
    };
    let signer = Arc::new(RecordSigner::from_secret(&[7; 32]).unwrap());
    let _registered = Registration::spawn(client.clone(), signer, &info, atoll_discovery::Head::default).unwrap();

    let (listener, url) = bound().await;
    let wanted = ExplorerConfig {
        registry: vec![registry],
        network_id: Some(4242),
        genesis: Some(chain.hash(0)),
        ..config(dir.path())
    };
    let service = tokio::spawn(serve(listener, wanted, stop.child_token()));
    let ready = until_ready(&url).await;
    assert_eq!(ready["indexed"]["number"], 1);

    let mut watch = client.watch(4242, chain.hash(0));
    let announced = async {
        loop {
            let entries = watch.changed().await;
            if let Some(entry) = entries.iter().find(|entry| entry.record.has_role(roles::EXPLORER)) {
                return entry.record.info.http.clone();
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), announced).await.unwrap(), Some(url));
    stop.cancel();
    service.await.unwrap().unwrap();
}

#[tokio::test]
async fn reset_builds_the_index_of_another_chain_and_without_it_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(Chain::new(1)).await;
    let two = Node::start(Chain::new(2)).await;
    for (node, reset) in [(&one, false), (&two, true), (&two, false)] {
        let stop = CancellationToken::new();
        let (listener, url) = bound().await;
        let wanted = ExplorerConfig { rpc: vec![node.url.clone()], reset, ..config(dir.path()) };
        let service = tokio::spawn(serve(listener, wanted, stop.clone()));
        let genesis = node.chain.lock().hash(0);
        assert_eq!(until_ready(&url).await["genesis"], serde_json::json!(genesis));
        stop.cancel();
        service.await.unwrap().unwrap();
    }
    let wanted = ExplorerConfig { rpc: vec![one.url.clone()], ..config(dir.path()) };
    let error = run(wanted, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ExplorerError::WrongChain { .. }), "{error}");
    let configured = ExplorerConfig { genesis: Some(Chain::new(1).hash(0)), ..config(dir.path()) };
    let error = run(configured, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, ExplorerError::WrongChain { from, .. } if from == "the configuration"), "{error}");
}

#[tokio::test]
async fn what_can_never_work_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(config(dir.path()), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ExplorerError::NoSource), "{error}");
    let (listener, _) = bound().await;
    let taken = ExplorerConfig { listen: listener.local_addr().unwrap(), ..config(dir.path()) };
    let error = run(taken, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ExplorerError::Listen { .. }), "{error}");
}
