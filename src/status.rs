//! `atoll status`: the state of a running network, read from `network.json` and from its nodes.

use crate::{
    cli::tools::StatusArgs,
    up::network_file::{NetworkFile, ProcessEntry},
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
#[error("no network is running from {dir}; start one with `atoll up`, or name its data directory with --data-dir")]
pub struct StatusError {
    dir: PathBuf,
    #[source]
    source: std::io::Error,
}

/// What one process says of itself.
struct Row {
    process: ProcessEntry,
    running: bool,
    head: Option<u64>,
    peers: Option<u64>,
    ready: Option<bool>,
}

impl Row {
    fn health(&self) -> &'static str {
        match (self.running, self.ready) {
            (false, _) => "stopped",
            (true, Some(false)) => "not ready",
            (true, _) if self.process.rpc.is_some() && self.head.is_none() => "no answer",
            (true, _) => "ok",
        }
    }
}

/// `atoll status`: success when everything is well.
///
/// # Errors
/// When no network runs from the directory.
pub async fn run(args: StatusArgs) -> Result<ExitCode, StatusError> {
    let file =
        NetworkFile::read(&args.data_dir).map_err(|source| StatusError { dir: args.data_dir.clone(), source })?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap_or_default();
    let mut rows = Vec::new();
    for process in &file.processes {
        rows.push(look(&client, process.clone()).await);
    }
    let well = rows.iter().all(|row| row.health() == "ok");
    if args.json {
        print_json(&file, &rows);
    } else {
        print_table(&file, &rows);
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(client: &reqwest::Client, process: ProcessEntry) -> Row {
    let running = process.pid.and_then(|pid| i32::try_from(pid).ok()).is_some_and(|pid| {
        // Signal 0 only asks whether the process is there.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
    });
    let Some(url) = process.rpc.clone() else { return Row { process, running, head: None, peers: None, ready: None } };
    let (head, peers) =
        tokio::join!(quantity(client, &url, "eth_blockNumber"), quantity(client, &url, "net_peerCount"));
    let ready = client.get(format!("{url}/ready")).send().await.ok().map(|answer| answer.status().is_success());
    Row { process, running, head, peers, ready }
}

async fn quantity(client: &reqwest::Client, url: &str, method: &str) -> Option<u64> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
    let answer: Value = client.post(url).json(&body).send().await.ok()?.json().await.ok()?;
    u64::from_str_radix(answer.get("result")?.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn print_table(file: &NetworkFile, rows: &[Row]) {
    println!("chain ID {}, network ID {}, genesis {}", file.chain_id, file.network_id, file.genesis_hash);
    println!("JSON-RPC {}   explorer {}   stats {}\n", file.rpc, shown(&file.explorer), shown(&file.stats));
    println!("{:<12} {:<9} {:>8} {:>9} {:>6}  HEALTH", "NAME", "ROLE", "PID", "HEAD", "PEERS");
    for row in rows {
        let text = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let process = &row.process;
        println!(
            "{:<12} {:<9} {:>8} {:>9} {:>6}  {}",
            process.name,
            process.role,
            text(process.pid.map(u64::from)),
            text(row.head),
            text(row.peers),
            row.health()
        );
    }
}

fn shown(url: &Option<String>) -> &str {
    url.as_deref().unwrap_or("off")
}

fn print_json(file: &NetworkFile, rows: &[Row]) {
    let nodes: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.process.name, "role": row.process.role, "pid": row.process.pid, "rpc": row.process.rpc,
                "head": row.head, "peers": row.peers, "health": row.health(),
            })
        })
        .collect();
    let value = json!({
        "chainId": file.chain_id, "networkId": file.network_id, "genesisHash": file.genesis_hash, "rpc": file.rpc,
        "ws": file.ws, "explorer": file.explorer, "stats": file.stats, "processes": nodes,
    });
    println!("{value:#}");
}
