//! What the pages show, in process, over a real index.

use crate::{
    bench::Bench,
    node::{Chain, Node, Tx},
};
use alloy_primitives::{Address, B256, Bytes, hex};
use http_body_util::BodyExt;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt;

const SCRIPT: &str = "<script>alert(1)</script>\"'&";

/// Thirty blocks with one transfer each; on top a contract, a failure, a call with logs, and hostile texts.
async fn shown() -> (Bench, Chain, Vec<Tx>, Node, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(1);
    for nonce in 0..30 {
        chain.mine(&[Tx::transfer(1, 2, nonce)]);
    }
    let mut creation = Tx::transfer(3, 0, 0);
    creation.to = None;
    creation.input = Bytes::from(vec![0x60, 0x80]);
    let mut failure = Tx::transfer(3, 4, 1);
    failure.fails = true;
    let mut call = Tx::transfer(3, 4, 2);
    let arguments = [vec![0_u8; 31], vec![5], vec![0; 31], vec![9]].concat();
    call.input = [&hex!("a9059cbb")[..], &arguments].concat().into();
    let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    call.logs = vec![json!({"address": Address::repeat_byte(4), "topics": [transfer], "data": "0x"})];
    let mut text = Tx::transfer(3, 4, 3);
    text.input = Bytes::from_static(SCRIPT.as_bytes());
    text.logs = vec![json!({"address": text.from, "topics": [], "data": Bytes::from_static(SCRIPT.as_bytes())})];
    let txs = vec![creation, failure, call, text];
    chain.mine_with(&txs, &json!({"extraData": Bytes::from_static(SCRIPT.as_bytes())}));
    let node = Node::start(chain.clone()).await;
    let mut bench = Bench::open(dir.path(), &[&node]);
    bench.reach(chain.hash(31)).await;
    bench.until(|bench| bench.live.status().indexed.is_some_and(|state| state.network.is_some())).await;
    (bench, chain, txs, node, dir)
}

#[tokio::test]
async fn every_page_carries_its_headers_and_landmarks() {
    let (bench, chain, txs, ..) = shown().await;
    let paths = [
        "/".to_owned(),
        "/blocks".to_owned(),
        "/txs".to_owned(),
        "/block/31".to_owned(),
        format!("/block/{}", chain.hash(31)),
        format!("/tx/{}", txs[3].hash()),
        format!("/address/{}", txs[3].from),
    ];
    for path in paths {
        let page = bench.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        for part in ["<html lang=\"en\">", "<main", "<nav", "class=\"skip\"", "<h1", "role=\"search\""] {
            assert!(page.body.contains(part), "{path} lacks {part}");
        }
        // What the policy forbids is not tried, and nothing comes from elsewhere.
        for part in ["<script>", " style=", " onclick", "src=\"http", "href=\"http"] {
            assert!(!page.body.contains(part), "{path} has {part}");
        }
        assert!(page.body.len() < 64 << 10, "{path} has {} bytes", page.body.len());
    }
}

#[tokio::test]
async fn texts_from_the_chain_are_shown_and_never_run() {
    let (bench, _, txs, ..) = shown().await;
    let sought = "/search?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22'%26";
    for path in ["/block/31".to_owned(), format!("/tx/{}", txs[3].hash()), sought.to_owned()] {
        let page = bench.get(&path).await;
        assert!(
            page.body.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;"),
            "{path}: {}",
            page.body
        );
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(!page.body.contains("\"'&"), "{path}");
    }
}

#[tokio::test]
async fn a_transaction_shows_what_came_of_it() {
    let (bench, _, txs, ..) = shown().await;
    let created = bench.get(&format!("/tx/{}", txs[0].hash())).await.body;
    assert!(created.contains(&format!("/address/{}", txs[0].from.create(0))), "{created}");
    assert!(created.contains("Contract created") && created.contains("Success"));
    let failed = bench.get(&format!("/tx/{}", txs[1].hash())).await.body;
    assert!(failed.contains("Failed") && failed.contains("1.5 ETH") && failed.contains("0.00042 ETH"));
    let call = bench.get(&format!("/tx/{}", txs[2].hash())).await.body;
    for part in ["0xa9059cbb", "transfer(address,uint256)", "Transfer(address,address,uint256)", "21,000 of 100,000"] {
        assert!(call.contains(part), "{part}");
    }
    assert!(bench.get(&format!("/address/{}", txs[0].from.create(0))).await.body.contains("Created"));
}

#[tokio::test]
async fn a_pending_transaction_is_shown_and_looked_at_again() {
    let (bench, chain, _, node, _dir) = shown().await;
    let waiting = Tx::transfer(8, 9, 0);
    let mut chain = chain;
    chain.pending.push(waiting.json());
    node.set_chain(chain);
    let page = bench.get(&format!("/tx/{}", waiting.hash())).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Pending") && page.body.contains("http-equiv=\"refresh\""));
    assert_eq!(bench.get(&format!("/search?q={}", waiting.hash())).await.status, 303);
    node.set_down(true);
    assert_eq!(bench.get(&format!("/tx/{}", waiting.hash())).await.status, 404);
}

#[tokio::test]
async fn lists_are_walked_to_their_end_without_gap_or_repetition() {
    let (bench, ..) = shown().await;
    for (list, prefix, expected) in [
        ("/txs", "/tx/0x", 34),
        ("/blocks", "/block/0x", 32),
        (&format!("/address/{}", Address::repeat_byte(1)), "/tx/0x", 30),
    ] {
        let (mut path, mut seen) = (list.to_owned(), Vec::new());
        loop {
            let body = bench.get(&path).await.body;
            let table = body.split("<tbody>").nth(1).unwrap();
            seen.extend(table.match_indices(prefix).map(|(at, _)| table[at..at + prefix.len() + 64].to_owned()));
            let Some(next) = body.split("rel=\"next\" href=\"").nth(1) else { break };
            path = next.split('"').next().unwrap().to_owned();
        }
        assert_eq!(seen.len(), expected, "{list}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), expected, "{list}");
    }
}

#[tokio::test]
async fn search_finds_whatever_has_a_page() {
    let (bench, chain, txs, ..) = shown().await;
    let address = txs[0].from;
    let cases = [
        ("31".to_owned(), "/block/31".to_owned()),
        ("%2331".to_owned(), "/block/31".to_owned()),
        (format!("%20{}%20", chain.hash(3)), format!("/block/{}", chain.hash(3))),
        (txs[1].hash().to_string(), format!("/tx/{}", txs[1].hash())),
        (address.to_string().to_lowercase(), format!("/address/{address}")),
        (String::new(), "/".to_owned()),
    ];
    for (typed, target) in cases {
        let page = bench.get(&format!("/search?q={typed}")).await;
        assert_eq!((page.status, page.headers["location"].to_str().unwrap()), (303, target.as_str()), "{typed}");
    }
    for typed in ["32", "hello", "0x12", &B256::repeat_byte(1).to_string(), "99999999999999999999999"] {
        assert_eq!(bench.get(&format!("/search?q={typed}")).await.status, 404, "{typed}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_friendly_404() {
    let (bench, ..) = shown().await;
    let paths = ["/nowhere", "/block/99", "/block/x", "/tx/0x12", "/address/0x12", "/block/18446744073709551615"];
    for path in paths {
        let page = bench.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.contains("To the first page"), "{path}");
    }
    assert_eq!(bench.get("/api/block/99").await.status, 404);
    assert_eq!(bench.get("/assets/../Cargo.toml").await.status, 404);
    for odd in
        ["/blocks?until=x", "/txs?until=9-9-9", "/block/31?from=-1", "/txs?until=18446744073709551615-4294967295"]
    {
        assert_eq!(bench.get(odd).await.status, 200, "{odd}");
    }
}

#[tokio::test]
async fn json_says_the_same() {
    let (bench, chain, txs, ..) = shown().await;
    let status = bench.json("/api/status").await;
    assert_eq!(status["indexed"], json!({"number": 31, "hash": chain.hash(31)}));
    assert_eq!(status["head"]["number"], 31);
    assert_eq!((&status["chain_id"], &status["network_id"]), (&json!(1337), &json!(4242)));
    assert_eq!((&status["transactions"], &status["contracts"]), (&json!(34), &json!(1)));
    assert_eq!(bench.json("/api/block/31").await["hash"], json!(chain.hash(31)));
    let tx = bench.json(&format!("/api/tx/{}", txs[1].hash())).await;
    assert_eq!((&tx["blockNumber"], &tx["transactionIndex"]), (&json!(31), &json!(1)));
    assert_eq!(tx["receipt"]["status"], "0x0");
    let address = bench.json(&format!("/api/address/{}", txs[1].from)).await;
    assert_eq!((&address["transaction_count"], &address["next"]), (&json!(4), &json!(null)));
    assert_eq!(bench.json("/api/blocks").await.as_array().unwrap().len(), 25);
    assert_eq!(bench.get("/health").await.body, "ok\n");
    assert_eq!(bench.get("/ready").await.status, 200);
}

#[tokio::test]
async fn the_first_page_is_kept_current() {
    let (mut bench, mut chain, _, node, _dir) = shown().await;
    let request = axum::http::Request::get("/events").body(axum::body::Body::empty()).unwrap();
    let mut events = bench.app.clone().oneshot(request).await.unwrap().into_body();
    chain.mine(&[Tx::transfer(1, 2, 77)]);
    node.set_chain(chain.clone());
    bench.reach(chain.hash(32)).await;
    let mut seen = String::new();
    while !seen.contains("/block/32\"") {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(20), events.frame()).await.unwrap();
        seen.push_str(std::str::from_utf8(&frame.unwrap().unwrap().into_data().unwrap()).unwrap());
    }
    assert!(seen.contains("event: home"));
    bench.stop.cancel();
    let rest = tokio::time::timeout(std::time::Duration::from_secs(20), events.collect()).await;
    assert!(rest.is_ok(), "the stream goes on after the stop");
}

#[tokio::test]
async fn assets_are_kept_for_long_and_packed() {
    let (bench, ..) = shown().await;
    for name in ["style.css", "explorer.js", "icon.svg"] {
        let page = bench.get(&format!("/assets/{name}")).await;
        assert_eq!(page.status, 200);
        assert!(page.headers["cache-control"].to_str().unwrap().contains("immutable"));
        assert!(page.body.len() < 20 << 10);
    }
    let request =
        axum::http::Request::get("/").header("accept-encoding", "gzip").body(axum::body::Body::empty()).unwrap();
    assert_eq!(bench.app.clone().oneshot(request).await.unwrap().headers()["content-encoding"], "gzip");
}
