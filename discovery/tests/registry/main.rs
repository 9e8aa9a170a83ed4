//! The real service on a socket, with its real client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;

use alloy_primitives::{B256, U256};
use atoll_discovery::api::{ErrorCode, RegisterRequest, Status};
use atoll_discovery::{
    ClientError, Entry, Head, NodeInfo, NodeWatch, RecordSigner, Registration, RegistryClient, RegistryConfig, server,
};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const GENESIS: B256 = B256::repeat_byte(7);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<(), server::ServerError>>,
}

impl Server {
    async fn start(dir: &Path, ttl: Duration) -> Self {
        Self::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), dir, |config| config.lease_ttl = ttl).await
    }

    async fn start_with(listen: SocketAddr, dir: &Path, change: impl FnOnce(&mut RegistryConfig)) -> Self {
        let mut config = RegistryConfig { listen, data_dir: dir.to_path_buf(), ..RegistryConfig::default() };
        change(&mut config);
        let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(server::serve(listener, config, stop.clone()));
        let server = Self { address, stop, task };
        let ready = format!("{}/ready", server.url());
        until("the registry is ready", async || {
            reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn client(&self) -> RegistryClient {
        RegistryClient::new(&[self.url()]).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain until {what}");
}

fn signer(seed: u8) -> Arc<RecordSigner> {
    Arc::new(RecordSigner::from_secret(&[seed; 32]).unwrap())
}

fn info(name: &str) -> NodeInfo {
    NodeInfo { name: name.into(), network_id: 1, chain_id: 1, genesis_hash: GENESIS, ..NodeInfo::default() }
}

fn head(number: u64) -> Head {
    Head { number, hash: B256::from(U256::from(number)), total_difficulty: U256::from(number) }
}

fn code(error: ClientError) -> ErrorCode {
    match error {
        ClientError::Refused { source, .. } => source.code,
        other => panic!("not a refusal: {other:?}"),
    }
}

fn names(entries: &[Entry]) -> Vec<String> {
    let mut names: Vec<_> = entries.iter().map(|entry| entry.record.info.name.clone()).collect();
    names.sort();
    names
}

async fn until_listed(watch: &mut NodeWatch, expected: &[&str]) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while names(&watch.current()) != expected {
            watch.changed().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("watch shows {:?} instead of {expected:?}", names(&watch.current())));
}

#[tokio::test]
async fn register_list_renew_and_leave() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(60)).await;
    let client = server.client();
    let (alice, bob) = (signer(1), signer(2));
    for (who, name) in [(&alice, "alice"), (&bob, "bob")] {
        let record = who.record(5, &info(name)).unwrap();
        client.register(&record, &who.heartbeat(&head(1))).await.unwrap();
    }
    assert_eq!(names(&client.list(1, GENESIS).await.unwrap()), ["alice", "bob"]);
    assert!(client.list(2, GENESIS).await.unwrap().is_empty(), "another network");
    assert!(client.list(1, B256::ZERO).await.unwrap().is_empty(), "another genesis");

    client.heartbeat(&alice.heartbeat(&head(9))).await.unwrap();
    let listed = client.list(1, GENESIS).await.unwrap();
    let seen = listed.iter().find(|entry| entry.record.id() == alice.id()).unwrap();
    assert_eq!(seen.head, head(9));

    client.leave(&bob.leave()).await.unwrap();
    assert_eq!(names(&client.list(1, GENESIS).await.unwrap()), ["alice"]);
    assert_eq!(code(client.heartbeat(&bob.heartbeat(&head(1))).await.unwrap_err()), ErrorCode::UnknownNode);
    let status: Status = reqwest::get(format!("{}/v1/status", server.url())).await.unwrap().json().await.unwrap();
    assert_eq!((status.live, status.records, status.registrations, status.leaves), (1, 2, 2, 1));
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_done_in_anothers_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(60)).await;
    let client = server.client();
    let (alice, mallory) = (signer(1), signer(2));
    let record = alice.record(5, &info("alice")).unwrap();
    let used = alice.heartbeat(&head(1));
    client.register(&record, &used).await.unwrap();

    // A copy of the record with a heartbeat of one's own, with a spent one, and with a changed byte.
    let error = client.register(&record, &mallory.heartbeat(&head(1))).await.unwrap_err();
    assert_eq!(code(error), ErrorCode::Invalid);
    assert_eq!(code(client.register(&record, &used).await.unwrap_err()), ErrorCode::StaleCounter);
    let mut forged = record.encoded().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let body = RegisterRequest { record: forged.into(), heartbeat: alice.heartbeat(&head(1)).into() };
    let answer = reqwest::Client::new().post(format!("{}/v1/records", server.url())).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 400);

    // Heartbeats and leaves: sent again, or changed on the way.
    let beat = alice.heartbeat(&head(2));
    client.heartbeat(&beat).await.unwrap();
    assert_eq!(code(client.heartbeat(&beat).await.unwrap_err()), ErrorCode::StaleCounter);
    let mut changed = alice.heartbeat(&head(3));
    let at = changed.len() - 70;
    changed[at] ^= 1;
    assert_eq!(code(client.heartbeat(&changed).await.unwrap_err()), ErrorCode::Invalid);
    let mut changed = alice.leave();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(code(client.leave(&changed).await.unwrap_err()), ErrorCode::Invalid);
    assert_eq!(client.list(1, GENESIS).await.unwrap()[0].head, head(2));
    server.stop().await;
}

#[tokio::test]
async fn a_lower_sequence_number_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(60)).await;
    let client = server.client();
    let alice = signer(1);
    let record = |seq, name| alice.record(seq, &info(name)).unwrap();
    client.register(&record(7, "new"), &alice.heartbeat(&head(1))).await.unwrap();
    for stale in [record(6, "old"), record(7, "same number, other content")] {
        let error = client.register(&stale, &alice.heartbeat(&head(1))).await.unwrap_err();
        let ClientError::Refused { source, .. } = error else { panic!("{error:?}") };
        assert_eq!((source.code, source.stored, source.offered), (ErrorCode::StaleSeq, Some(7), Some(stale.seq)));
        assert!(source.message.contains('7'), "{}", source.message);
    }
    client.register(&record(7, "new"), &alice.heartbeat(&head(1))).await.unwrap();
    client.register(&record(8, "newer"), &alice.heartbeat(&head(1))).await.unwrap();
    assert_eq!(names(&client.list(1, GENESIS).await.unwrap()), ["newer"]);
    server.stop().await;
}

#[tokio::test]
async fn records_and_counters_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(60)).await;
    let (alice, bob) = (signer(1), signer(2));
    let client = server.client();
    let beat = alice.heartbeat(&head(4));
    client.register(&alice.record(5, &info("alice")).unwrap(), &beat).await.unwrap();
    client.register(&bob.record(5, &info("bob")).unwrap(), &bob.heartbeat(&head(4))).await.unwrap();
    client.leave(&bob.leave()).await.unwrap();
    let address = server.address;
    server.stop().await;

    let server = Server::start_with(address, dir.path(), |_| {}).await;
    let listed = client.list(1, GENESIS).await.unwrap();
    assert_eq!(names(&listed), ["alice"], "who left stays away");
    assert_eq!(listed[0].head, head(4));
    assert_eq!(code(client.heartbeat(&beat).await.unwrap_err()), ErrorCode::StaleCounter);
    let older = alice.record(4, &info("alice")).unwrap();
    assert_eq!(code(client.register(&older, &alice.heartbeat(&head(4))).await.unwrap_err()), ErrorCode::StaleSeq);
    server.stop().await;
}

#[tokio::test]
async fn a_watch_follows_joins_updates_leaves_and_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(5)).await;
    let client = server.client();
    let mut watch = client.watch(1, GENESIS);
    let height = Arc::new(AtomicU64::new(1));
    let shared = Arc::clone(&height);
    let alice =
        Registration::spawn(client.clone(), signer(1), &info("alice"), move || head(shared.load(Ordering::SeqCst)))
            .unwrap();
    let bob = Registration::spawn(client.clone(), signer(2), &info("bob"), || head(1)).unwrap();
    until_listed(&mut watch, &["alice", "bob"]).await;

    height.store(77, Ordering::SeqCst);
    let at_77 = |entries: &[Entry]| entries.iter().any(|entry| entry.head == head(77));
    until("the new head shows", async || at_77(&watch.current())).await;

    alice.update(&info("alice moved")).unwrap();
    until_listed(&mut watch, &["alice moved", "bob"]).await;

    bob.leave().await.unwrap();
    until_listed(&mut watch, &["alice moved"]).await;
    // Dropped without a word: its lease runs out.
    drop(alice);
    until_listed(&mut watch, &[]).await;
    server.stop().await;
}

#[tokio::test]
async fn readers_keep_their_list_and_writers_come_back_when_the_registry_forgot_all() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), Duration::from_secs(2)).await;
    let client = server.client();
    let alice = Registration::spawn(client.clone(), signer(1), &info("alice"), || head(1)).unwrap();
    let mut watch = client.watch(1, GENESIS);
    until_listed(&mut watch, &["alice"]).await;
    let address = server.address;
    server.stop().await;
    // Nothing answers now; the list stays.
    until("the registry is gone", async || client.list(1, GENESIS).await.is_err()).await;
    assert_eq!(names(&watch.current()), ["alice"]);

    let empty = tempfile::tempdir().unwrap();
    let server = Server::start_with(address, empty.path(), |config| config.lease_ttl = Duration::from_secs(2)).await;
    until("alice registers again by herself", async || {
        client.list(1, GENESIS).await.is_ok_and(|list| names(&list) == ["alice"])
    })
    .await;
    let bob = Registration::spawn(client.clone(), signer(2), &info("bob"), || head(1)).unwrap();
    until_listed(&mut watch, &["alice", "bob"]).await;
    drop((alice, bob));
    server.stop().await;
}

#[tokio::test]
async fn one_of_two_registries_is_enough() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = Server::start(dirs[0].path(), Duration::from_secs(60)).await;
    let second = Server::start(dirs[1].path(), Duration::from_secs(60)).await;
    let client = RegistryClient::new(&[first.url(), second.url()]).unwrap();
    let _alice = Registration::spawn(client.clone(), signer(1), &info("alice"), || head(1)).unwrap();
    for server in [&first, &second] {
        let alone = server.client();
        until("each has her", async || names(&alone.list(1, GENESIS).await.unwrap()) == ["alice"]).await;
    }
    assert_eq!(client.list(1, GENESIS).await.unwrap().len(), 1, "merged");
    let watch = client.watch(1, GENESIS);
    until("the watch has her", async || names(&watch.current()) == ["alice"]).await;
    first.stop().await;
    assert_eq!(names(&client.list(1, GENESIS).await.unwrap()), ["alice"]);
    let bob = signer(2);
    client.register(&bob.record(1, &info("bob")).unwrap(), &bob.heartbeat(&head(1))).await.unwrap();
    until("the watch goes on", async || names(&watch.current()) == ["alice", "bob"]).await;
    second.stop().await;
}

#[tokio::test]
async fn full_is_refused_and_the_dead_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start_with(listen, dir.path(), |config| {
        config.max_records = 3;
        config.max_per_network = 2;
        config.lease_ttl = Duration::from_secs(60);
    })
    .await;
    let client = server.client();
    let register = async |seed: u8, network_id: u64| {
        let who = signer(seed);
        let info = NodeInfo { network_id, ..info(&format!("node {seed}")) };
        client.register(&who.record(1, &info).unwrap(), &who.heartbeat(&head(1))).await
    };
    register(1, 1).await.unwrap();
    register(2, 1).await.unwrap();
    assert_eq!(code(register(3, 1).await.unwrap_err()), ErrorCode::Full, "network full");
    register(3, 2).await.unwrap();
    assert_eq!(code(register(4, 3).await.unwrap_err()), ErrorCode::Full, "registry full");
    client.leave(&signer(1).leave()).await.unwrap();
    register(4, 3).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn hostile_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start_with(listen, dir.path(), |config| config.max_watchers = 1).await;
    let http = reqwest::Client::new();
    let post = |body: String| {
        let request = http.post(format!("{}/v1/records", server.url()));
        request.header("content-type", "application/json").body(body).send()
    };
    for body in ["", "{}", "[1]", "{\"record\":\"0x\",\"heartbeat\":\"0x\"}", "{\"record\":\"zz\",\"heartbeat\":\"\"}"]
    {
        let answer = post(body.to_owned()).await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        assert!(answer.text().await.unwrap().contains("invalid"), "{body}");
    }
    let huge = format!("{{\"record\":\"0x{}\",\"heartbeat\":\"0x\"}}", "00".repeat(20_000));
    assert_eq!(post(huge).await.unwrap().status(), 400);
    let watch = format!("{}/v1/networks/1/{GENESIS}/watch", server.url());
    let first = reqwest::get(&watch).await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(reqwest::get(&watch).await.unwrap().status(), 503, "one watch at a time");
    drop(first);
    until("the place is free again", async || reqwest::get(&watch).await.unwrap().status() == 200).await;
    assert_eq!(reqwest::get(format!("{}/v1/networks/x/y/nodes", server.url())).await.unwrap().status(), 400);
    server.stop().await;
}
