//! `kill -9` of the registry's process: what it acknowledged is there when it comes back.

use crate::{GENESIS, Server, head, info, names, signer, until};
use atoll_discovery::RegistryClient;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const CHILD: &str = "ATOLL_REGISTRY_CRASH_CHILD";

/// Only does something when the test below starts it: serves until it is killed.
#[tokio::test]
async fn crash_child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let server = Server::start(Path::new(&dir), Duration::from_secs(3600)).await;
    println!("\nserving {}", server.url());
    std::future::pending::<()>().await;
}

/// A registry's process; killed at the end, also of a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(dir: &Path) -> (Killed, RegistryClient) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::crash_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.strip_prefix("serving ").map(str::to_owned)).unwrap();
    (Killed(child), RegistryClient::new(&[url]).unwrap())
}

/// Eight nodes register new records, renew and leave as fast as they can, until the process is killed under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // By seed: the last acknowledged sequence number, heartbeats after it (those are renewed all the time, so the disk
    // is not waited for), and whether the node left after it.
    let acknowledged = Arc::new(Mutex::new([(0_u64, 0_u64, false); 8]));
    for (round, wait) in [(1_u64, 150), (2, 400), (3, 700)] {
        let (child, client) = start(dir.path());
        let nodes = (0..8_u8).map(|seed| {
            let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
            tokio::spawn(node(seed, round, client, acknowledged))
        });
        let nodes: Vec<_> = nodes.collect();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        until("something is acknowledged", async || {
            acknowledged.lock().await.iter().all(|node| node.0 > round * 1_000_000)
        })
        .await;
        drop(child);
        for node in nodes {
            node.await.unwrap();
        }

        let (child, client) = start(dir.path());
        let listed = client.list(1, GENESIS).await.unwrap();
        for (seed, (seq, number, left)) in acknowledged.lock().await.iter().enumerate() {
            let name = format!("node-{seed}");
            let entry = listed.iter().find(|entry| entry.record.info.name == name);
            // A request under way may have been taken though nobody was told: then the record is a newer one.
            let newer = entry.is_some_and(|entry| entry.record.seq > *seq);
            if *left {
                assert!(entry.is_none() || newer, "{name} left and is back in round {round}");
            } else if let Some(entry) = entry {
                assert!(newer || entry.record.seq == *seq, "{name} went back");
            } else {
                let leaving = number % 10 == 9;
                assert!(leaving, "{name} is gone in round {round}: {:?}", names(&listed));
            }
        }
        drop(child);
    }
}

/// Registers with ever higher sequence numbers, nine heads each, then leaves every other time; ends when nobody answers.
async fn node(seed: u8, round: u64, client: RegistryClient, acknowledged: Arc<Mutex<[(u64, u64, bool); 8]>>) {
    let (signer, name) = (signer(seed + 1), format!("node-{seed}"));
    for seq in round * 1_000_000 + 1.. {
        let mut number = 0;
        let record = signer.record(seq, &info(&name)).unwrap();
        if client.register(&record, &signer.heartbeat(&head(number))).await.is_err() {
            // On a busy machine the first answer may come too late; the registry lives until every node has one.
            if acknowledged.lock().await[usize::from(seed)].0 > round * 1_000_000 {
                return;
            }
            continue;
        }
        acknowledged.lock().await[usize::from(seed)] = (seq, number, false);
        while number < 9 {
            number += 1;
            if client.heartbeat(&signer.heartbeat(&head(number))).await.is_err() {
                return;
            }
            acknowledged.lock().await[usize::from(seed)] = (seq, number, false);
        }
        if seq % 2 == 0 {
            if client.leave(&signer.leave()).await.is_err() {
                return;
            }
            acknowledged.lock().await[usize::from(seed)] = (seq, number, true);
        }
    }
}

/// A registry that is started while the one before it still ends finds the database locked, and waits.
#[tokio::test]
async fn a_start_waits_for_the_one_before_to_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (before, _) = start(dir.path());
    let release = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(before);
    });
    let server = Server::start(dir.path(), Duration::from_secs(60)).await;
    release.await.unwrap();
    server.stop().await;
}
