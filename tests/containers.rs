//! What a container needs: configuration by environment alone, signals, a root that cannot be written, DNS names.

use crate::support::{ADDRESS, ATOLL, ask, head, ports::free_port, wait_until};
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// A process started the way a container starts it; killed when dropped.
struct Container(Child);

impl Container {
    fn start(command: &str, data: &Path, variables: &[(&str, String)]) -> Self {
        let child = Command::new(ATOLL)
            .arg(command)
            .env_clear()
            // Nothing may be written outside the volume: the working directory is one that nobody can write to.
            .current_dir("/proc")
            .env("ATOLL_DATA_DIR", data)
            .env("ATOLL_LOG_FORMAT", "json")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// `docker stop`.
    fn terminate(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_network_of_containers() {
    let volume = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..10).map(|_| free_port()).collect();
    let genesis = format!("{}/genesis/ethash.json", env!("CARGO_MANIFEST_DIR"));
    // `localhost` stands for the DNS names that compose gives.
    let shared = |more: Vec<(&'static str, String)>| {
        let mut all = vec![
            ("ATOLL_GENESIS", genesis.clone()),
            ("ATOLL_REGISTRY", format!("http://localhost:{}", ports[0])),
            ("ATOLL_ADVERTISE", "localhost".into()),
        ];
        all.extend(more);
        all
    };
    let registry = Container::start(
        "discovery",
        &volume.path().join("registry"),
        &[("ATOLL_LISTEN", format!("0.0.0.0:{}", ports[0]))],
    );
    let node = |index: usize, mine: &str| {
        shared(vec![
            ("ATOLL_RPC_LISTEN", format!("0.0.0.0:{}", ports[index])),
            ("ATOLL_P2P_LISTEN", format!("0.0.0.0:{}", ports[index + 1])),
            ("ATOLL_MINE", mine.into()),
            ("ATOLL_MINER_ACCOUNT", ADDRESS.into()),
            ("ATOLL_DATA_SLOTS", "true".into()),
        ])
    };
    // Both share a volume, as replicas do.
    let miner = Container::start("node", &volume.path().join("nodes"), &node(1, "true"));
    let client = Container::start("node", &volume.path().join("nodes"), &node(3, "false"));
    let explorer = shared(vec![("ATOLL_LISTEN", format!("0.0.0.0:{}", ports[5]))]);
    let explorer = Container::start("explorer", &volume.path().join("explorer"), &explorer);
    let balancer = shared(vec![
        ("ATOLL_RPC_LISTEN", format!("0.0.0.0:{}", ports[6])),
        ("ATOLL_EXPLORER_LISTEN", format!("0.0.0.0:{}", ports[7])),
    ]);
    let balancer = Container::start("balancer", &volume.path().join("balancer"), &balancer);
    let rpc = format!("http://localhost:{}", ports[6]);
    wait_until("blocks reach the client through peers found by name", || {
        head(&format!("http://localhost:{}", ports[3])) >= Some(2)
    });
    wait_until("the balancer answers", || head(&rpc) >= Some(2));
    let accounts = ask(&rpc, "eth_accounts", json!([])).unwrap();
    assert_eq!(accounts["result"], json!([]), "no development keys unless asked for");
    let health = |url: String| Command::new(ATOLL).args(["health", &url]).status().unwrap().success();
    wait_until("the explorer is served", || health(format!("http://localhost:{}/", ports[7])));
    assert!(!health(format!("http://localhost:{}/health", free_port())));
    for container in [balancer, explorer, client, miner, registry] {
        container.terminate();
    }
}
