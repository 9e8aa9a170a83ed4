//! Waiting until the network really answers: every process ready, peers connected, the first block mined, the
//! pages served through the balancer.

use super::{
    UpError, logs,
    plan::{Plan, Role},
    supervisor::Supervisor,
};
use serde_json::{Value, json};
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// A slow machine under load gets this long.
const LIMIT: Duration = Duration::from_secs(120);
/// A process that ends this often before the network is ready will not get any better.
const MAX_ENDS: u32 = 3;
const PERIOD: Duration = Duration::from_millis(100);

/// Waits for the network and shows progress.
///
/// # Errors
/// [`UpError::Failing`] with the end of the log, or [`UpError::NotReady`] with what is missing.
pub async fn wait(plan: &Plan, supervisor: &Supervisor, started: Instant) -> Result<(), UpError> {
    let client = client();
    let mut progress = Progress::new(started);
    loop {
        let missing = missing(&client, plan).await;
        progress.show(&missing);
        if missing.is_empty() {
            progress.finish();
            return Ok(());
        }
        if let Some((index, times)) = supervisor.failing(MAX_ENDS) {
            let process = &plan.processes[index];
            let tail = logs::tail(&process.log);
            return Err(UpError::Failing { name: process.name.clone(), times, log: process.log.clone(), tail });
        }
        if started.elapsed() > LIMIT {
            let logs = plan.processes[0].log.parent().map(Into::into).unwrap_or_default();
            return Err(UpError::NotReady { waited: LIMIT, missing: missing.join(", "), logs });
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// A client for our own processes: short timeouts, no proxies.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        // Only a TLS back end or a proxy can make this fail, and neither is configured.
        .unwrap_or_default()
}

/// One JSON-RPC call; `None` when it is not answered with a result.
pub async fn call(client: &reqwest::Client, url: &str, method: &str, params: Value) -> Option<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer: Value = client.post(url).json(&body).send().await.ok()?.json().await.ok()?;
    answer.get("result").filter(|result| !result.is_null()).cloned()
}

async fn missing(client: &reqwest::Client, plan: &Plan) -> Vec<String> {
    let answers =
        |url: String| async move { client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) };
    let mut missing = Vec::new();
    for process in &plan.processes {
        // A network of one node has no peers to wait for: its health is enough.
        let alone = plan.processes.iter().filter(|other| other.rpc.is_some()).count() == 1 && process.rpc.is_some();
        let url = if alone { process.ready.replace("/ready", "/health") } else { process.ready.clone() };
        if !answers(url).await {
            missing.push(process.name.clone());
        }
    }
    if !missing.is_empty() {
        return missing;
    }
    if plan.processes.iter().any(|process| process.role == Role::Miner) {
        let number = call(client, &plan.rpc, "eth_blockNumber", json!([])).await;
        if number.as_ref().and_then(Value::as_str).is_none_or(|number| number == "0x0") {
            missing.push("the first block".into());
        }
    }
    for (name, url) in [("the explorer's page", &plan.explorer), ("the stats page", &plan.stats)] {
        if let Some(url) = url
            && !answers(url.clone()).await
        {
            missing.push(name.into());
        }
    }
    missing
}

/// One line that is rewritten on a terminal; a line for each change elsewhere.
struct Progress {
    started: Instant,
    terminal: bool,
    last: String,
}

impl Progress {
    fn new(started: Instant) -> Self {
        Self { started, terminal: std::io::stdout().is_terminal(), last: String::new() }
    }

    fn show(&mut self, missing: &[String]) {
        if missing.is_empty() {
            return;
        }
        let waiting = format!("waiting for {}", missing.join(", "));
        let seconds = self.started.elapsed().as_secs_f64();
        if self.terminal {
            print!("\r\x1b[K  {seconds:4.1} s  {waiting}");
            // A screen that cannot be written to has nobody looking at it.
            let _ = std::io::stdout().flush();
        } else if waiting != self.last {
            println!("  {seconds:4.1} s  {waiting}");
        }
        self.last = waiting;
    }

    fn finish(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}
