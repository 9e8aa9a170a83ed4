//! The public cases of execution-apis against a real node: `ATOLL_CONFORMANCE` names a folder that holds
//! `execution-apis/tests` with `genesis.json`, `chain.rlp` and the `.io` files.
//!
//! Answers must equal the recorded ones, but for the wording of errors. Cases marked `speconly` and what the
//! recording client leaves to clients need only agree in shape: success or error, and the same kind of result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use alloy_rlp::Decodable as _;
use atoll_chain::Origin;
use atoll_primitives::Block;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use support::TestNode;

/// Folders of methods that this node does not offer: geth's own test namespace, which builds post-merge payloads, and
/// simulation.
const NOT_OFFERED: [&str; 2] = ["testing_buildBlockV1", "eth_simulateV1"];

fn cases(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(cases(&path));
        } else if path.extension().is_some_and(|extension| extension == "io") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn comparable(answer: &str) -> Value {
    let mut value: Value = serde_json::from_str(answer).unwrap();
    if let Some(error) = value.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    value
}

/// Same outcome and same kind of value; for objects the same keys.
fn same_shape(expected: &Value, got: &Value) -> bool {
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
    match (expected.get("result"), got.get("result")) {
        (Some(expected), Some(got)) => {
            std::mem::discriminant(expected) == std::mem::discriminant(got) && {
                let (mut expected, mut got) = (keys(expected), keys(got));
                for list in [&mut expected, &mut got].into_iter().flatten() {
                    list.sort();
                }
                expected == got
            }
        }
        (None, None) => expected["error"]["code"] == got["error"]["code"],
        _ => false,
    }
}

fn difference(path: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let at = format!("{path}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => difference(&at, a, b),
                    (a, b) => Some(format!("{at}: expected {a:?}, got {b:?}")),
                }
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(&format!("{path}[{index}]"), a, b))
        }
        (a, b) => (a != b).then(|| format!("{path}: expected {a}, got {b}")),
    }
}

/// Why the case fails, if it does.
async fn run(node: &TestNode, text: &str) -> Option<String> {
    let spec_only = text.lines().any(|line| line.starts_with("// speconly:"));
    let mut answer = None;
    for line in text.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            answer = Some(node.post(request.to_owned()).await);
        } else if let Some(expected) = line.strip_prefix("<< ") {
            let (expected, got) = (comparable(expected), answer.take().unwrap());
            let full = got.clone();
            let got = comparable(&got.to_string());
            if spec_only {
                if !same_shape(&expected, &got) {
                    return Some(format!("shape differs: {full}"));
                }
            } else if let Some(difference) = difference("", &expected, &got) {
                let message = full["error"]["message"].as_str().unwrap_or_default();
                return Some(format!("{difference} {message}"));
            }
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn execution_apis() {
    let Some(root) = std::env::var_os("ATOLL_CONFORMANCE") else {
        println!("skipped: ATOLL_CONFORMANCE names no folder with execution-apis/tests");
        return;
    };
    let dir = PathBuf::from(root).join("execution-apis/tests");
    let genesis = std::fs::read_to_string(dir.join("genesis.json")).unwrap();
    let node = TestNode::start(&genesis, support::config()).await;
    let blocks = std::fs::read(dir.join("chain.rlp")).unwrap();
    let mut rest = blocks.as_slice();
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).unwrap();
        let number = block.header.number;
        node.chain.import(block, Origin::File).unwrap_or_else(|error| panic!("block {number}: {error:?}"));
    }
    assert_eq!(node.chain.head().number, 54);
    node.pool.on_head(&node.chain.head(), &[], &[]).unwrap();

    let mut failures = BTreeMap::new();
    let mut passed = 0;
    for path in cases(&dir) {
        let name = path.strip_prefix(&dir).unwrap().display().to_string();
        if NOT_OFFERED.iter().any(|method| name.starts_with(method)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        match run(&node, &text).await {
            Some(reason) => {
                failures.insert(name, reason);
            }
            None => passed += 1,
        }
    }
    println!("{passed} passed, {} failed", failures.len());
    for (name, reason) in &failures {
        println!("FAIL {name}: {}", reason.chars().take(600).collect::<String>());
    }
    assert!(failures.is_empty(), "{} of {} cases fail", failures.len(), failures.len() + passed);
}
