//! A whole network under `atoll up`.

use super::{ATOLL, PATIENCE, ports::free_port, wait_until};
use serde_json::Value;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

/// A running network; stopped when dropped.
pub struct Network {
    child: Child,
    dir: TempDir,
    args: Vec<String>,
}

impl Network {
    /// Starts two miners and a client with everything around them.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with further flags.
    pub fn start_with(extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut args: Vec<String> = ["--rpc-port", "--explorer-port", "--stats-port"]
            .iter()
            .flat_map(|flag| [(*flag).to_owned(), free_port().to_string()])
            .collect();
        args.extend(extra.iter().map(|arg| (*arg).to_owned()));
        let child = spawn(dir.path(), &args);
        let mut network = Self { child, dir, args };
        network.wait_ready();
        network
    }

    /// Starts again from the same directory, after everything was stopped or killed.
    pub fn start_again(&mut self) {
        // Those that were killed go with their parent's pipe; their ports are free once they are gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(self.data_dir().as_path(), &self.args);
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.data_dir().join("network.json").exists() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no network ({ended:?}):\n{}", self.output());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Everything `atoll up` printed.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("up.out")).unwrap_or_default()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// `network.json`.
    pub fn facts(&self) -> Value {
        let mut facts = None;
        wait_until("network.json can be read", || {
            facts = std::fs::read(self.data_dir().join("network.json"))
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            facts.is_some()
        });
        facts.unwrap()
    }

    /// A URL of `network.json`: `rpc`, `ws`, `explorer`, `stats`, `registry`.
    pub fn url(&self, name: &str) -> String {
        self.facts()[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
    }

    /// One field of one process.
    pub fn process(&self, name: &str, field: &str) -> Value {
        let facts = self.facts();
        let process = facts["processes"].as_array().unwrap().iter().find(|process| process["name"] == name);
        process.unwrap_or_else(|| panic!("no process {name}"))[field].clone()
    }

    /// The name of the process whose node serves this machine's clients through the balancer.
    pub fn serving(&self) -> String {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
        let answer = super::http().post(self.url("rpc")).json(&body).send().unwrap();
        answer.headers()["x-atoll-node"].to_str().unwrap().to_owned()
    }

    /// `kill -9` of one process.
    pub fn kill(&self, name: &str) {
        let pid = self.process(name, "pid").as_u64().unwrap_or_else(|| panic!("{name} does not run"));
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    }

    /// `kill -9` of `atoll up` and of all its processes at once.
    pub fn kill_everything(&mut self) {
        let facts = self.facts();
        let pids = facts["processes"].as_array().unwrap().iter().filter_map(|process| process["pid"].as_u64());
        let pids: Vec<String> = pids.chain([u64::from(self.child.id())]).map(|pid| pid.to_string()).collect();
        // Some may be gone by the time their turn comes, since their supervisor is; `kill` then complains.
        let _ = Command::new("kill").arg("-9").args(&pids).stderr(Stdio::null()).status().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_file(self.data_dir().join("network.json")).unwrap();
    }

    /// Ctrl-C.
    pub fn interrupt(&mut self) -> std::process::ExitStatus {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- atoll up said:\n{}", self.output());
            for entry in std::fs::read_dir(self.data_dir().join("logs")).into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                eprintln!("--- {}:\n{}", entry.path().display(), lines[lines.len().saturating_sub(25)..].join("\n"));
            }
        }
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}

fn spawn(dir: &Path, args: &[String]) -> Child {
    let output = File::options().create(true).append(true).open(dir.join("up.out")).unwrap();
    Command::new(ATOLL)
        .arg("up")
        .arg(format!("--data-dir={}", dir.display()))
        .args(args)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}
