//! What the tests share: a running network, JSON-RPC calls, patience.

pub mod network;
pub mod ports;
pub mod tools;

use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The program under test.
pub const ATOLL: &str = env!("CARGO_BIN_EXE_atoll");

/// The key of the first development account, which everyone has.
pub const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// The key of the second development account.
pub const OTHER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// The address of the first.
pub const ADDRESS: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

/// A deadline no healthy machine comes near; tests wait for conditions and never measure.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A blocking HTTP client without proxies.
pub fn http() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

/// One JSON-RPC call: the whole answer, or nothing when the server did not answer.
pub fn ask(url: &str, method: &str, params: Value) -> Option<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    http().post(url).json(&body).send().ok()?.json().ok()
}

/// One JSON-RPC call that must succeed.
pub fn call(url: &str, method: &str, params: Value) -> Value {
    let answer = ask(url, method, params).unwrap_or_else(|| panic!("{url} does not answer {method}"));
    answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
}

/// A quantity as a number.
pub fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no quantity"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text} is no quantity"))
}

/// The block number a node is at; `None` when it does not answer.
pub fn head(url: &str) -> Option<u64> {
    ask(url, "eth_blockNumber", json!([]))?.get("result").map(number)
}

/// Waits until a condition holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
