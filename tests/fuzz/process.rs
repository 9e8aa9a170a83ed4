//! The node under attack, as the system sees it: memory, sockets, threads.

use crate::support::{ATOLL, ask, ports::free_port, wait_until};
use serde_json::json;
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A node with everything on; killed when dropped.
pub struct Node {
    child: Child,
    dir: TempDir,
    pub rpc: String,
}

impl Node {
    /// Everything on, and timeouts short enough to be seen.
    pub fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let genesis = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json");
        let child = Command::new(ATOLL)
            .current_dir(dir.path())
            .args(["node", "--genesis", genesis.to_str().unwrap(), "--data-dir", "data", "--http.api=all"])
            .args([format!("--rpc.listen=127.0.0.1:{port}"), format!("--p2p.listen=127.0.0.1:{}", free_port())])
            .args(["--mine", "--miner.account=0x000000000000000000000000000000000000dead", "--miner.cpu=0.02"])
            .args(["--rpc.header-timeout=3", "--rpc.body-timeout=3", "--rpc.write-timeout=3", "--rpc.call-timeout=1"])
            .args(["--rpc.max-request=2", "--rpc.max-connections=500", "--rpc.filter-expiry=5"])
            .args(["--rpc.trace-timeout=3", "--rpc.trace-size=16", "--index.addresses"])
            .env("ATOLL_UNSAFE_DEV_MNEMONIC", "test test test test test test test test test test test junk")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let node = Self { child, dir, rpc: format!("http://127.0.0.1:{port}") };
        wait_until("the node answers", || ask(&node.rpc, "eth_chainId", json!([])).is_some());
        node
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap()).into_owned()
    }

    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn sockets(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().flatten();
        files
            .filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket")))
            .count()
    }

    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().count()
    }

    /// What ran in the last half second, by the name of the thread: whoever is stuck, but for a lock, is seen here.
    pub fn busy_threads(&self) -> String {
        let ticks = || -> Vec<(String, u64)> {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
            let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
            let ticks = stats.filter_map(|stat| {
                let (start, rest) = stat.rsplit_once(')')?;
                // State, then eleven numbers, then ticks in the program and in the kernel.
                let fields: Vec<&str> = rest.split_whitespace().collect();
                let used = |at: usize| fields.get(at)?.parse::<u64>().ok();
                Some((start.to_owned(), used(11)? + used(12)?))
            });
            ticks.collect()
        };
        let before = ticks();
        thread::sleep(Duration::from_millis(500));
        let after = ticks();
        let busy = after.iter().filter(|(name, now)| before.iter().any(|(other, then)| other == name && then < now));
        busy.map(|(name, now)| format!("{name}: {now} ticks\n")).collect()
    }

    pub fn assert_alive(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the node is gone:\n{}", self.log());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the node said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
