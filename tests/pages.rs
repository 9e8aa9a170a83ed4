//! The explorer and the stats page, through the balancer, over HTTP and in a browser.

use crate::support::{ADDRESS, call, http, network::Network, tools, wait_until};
use serde_json::json;
use std::path::Path;

fn text(url: &str) -> String {
    http().get(url).send().and_then(reqwest::blocking::Response::text).unwrap_or_default()
}

/// Whether a search leads to a page.
fn found(explorer: &str, query: &str) -> bool {
    http().get(format!("{explorer}/search?q={query}")).send().unwrap().status().is_success()
}

#[test]
fn explorer_finds_anything() {
    let network = Network::start();
    let (rpc, explorer) = (network.url("rpc"), network.url("explorer"));
    let hash =
        call(&rpc, "eth_sendTransaction", json!([{ "from": ADDRESS, "to": ADDRESS, "value": "0xde0b6b3a7640000" }]));
    let hash = hash.as_str().unwrap();
    wait_until("the transaction is shown", || text(&format!("{explorer}/tx/{hash}")).contains("Success"));
    // Two miners may find the transaction's block at once: then the explorer and the node that is asked hold different
    // ones until the next block decides, so each look asks for the block again.
    wait_until("its block is found", || {
        let block = call(&rpc, "eth_getTransactionReceipt", json!([hash]))["blockHash"].clone();
        block.as_str().is_some_and(|block| found(&explorer, block))
    });
    for query in [hash, ADDRESS, "1"] {
        assert!(found(&explorer, query), "search {query}");
    }
    assert!(!found(&explorer, &format!("0x{}", "5".repeat(64))), "a hash that nothing has");
    wait_until("its account shows it", || text(&format!("{explorer}/address/{ADDRESS}")).contains(&hash[..10]));
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
