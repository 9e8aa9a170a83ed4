//! The explorer and the stats page, through the balancer, over HTTP and in a browser.

use crate::support::{ADDRESS, call, http, network::Network, tools, wait_until};
use serde_json::json;
use std::path::Path;

fn text(url: &str) -> String {
    http().get(url).send().and_then(reqwest::blocking::Response::text).unwrap_or_default()
}

#[test]
fn explorer_finds_anything() {
    let network = Network::start();
    let (rpc, explorer) = (network.url("rpc"), network.url("explorer"));
    let hash =
        call(&rpc, "eth_sendTransaction", json!([{ "from": ADDRESS, "to": ADDRESS, "value": "0xde0b6b3a7640000" }]));
    let hash = hash.as_str().unwrap();
    wait_until("the transaction is shown", || text(&format!("{explorer}/tx/{hash}")).contains("Success"));
    let block = call(&rpc, "eth_getTransactionReceipt", json!([hash]));
    for query in [hash, block["blockHash"].as_str().unwrap(), ADDRESS, "1"] {
        let answer = http().get(format!("{explorer}/search?q={query}")).send().unwrap();
        assert!(answer.status().is_success(), "search {query}: {}", answer.status());
    }
    assert!(text(&format!("{explorer}/address/{ADDRESS}")).contains(&hash[..10]));
}

#[test]
fn pages_work_in_a_browser() {
    if !tools::has_package("playwright-core") {
        return;
    }
    if !Path::new("/usr/bin/chromium").exists() {
        println!("SKIPPED: Chromium is not installed; tests/run installs it where apt-get may");
        return;
    }
    let network = Network::start();
    let pid = network.process("client-1", "pid").to_string();
    let urls = ["rpc", "explorer", "stats"].map(|name| network.url(name));
    let [rpc, explorer, stats] = &urls;
    let result = tools::script("browser.mjs", &[rpc, explorer, stats, &pid]);
    assert_eq!(result["liveNodes"], 3);
}
