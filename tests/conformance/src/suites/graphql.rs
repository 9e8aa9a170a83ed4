//! hive's GraphQL expectations (EIP-1767), asked over JSON-RPC: [`query`] reads the request, [`fields`] says which call
//! and which key of its answer a field means, and what comes out must be what GraphQL should say.
//!
//! Nothing here knows a case. A field that JSON-RPC does not have makes its case skipped, with the reason.

mod fields;
mod query;

use super::execution_apis::difference;
use crate::{File, Files, Job, Reason, Recorder, Skip, Suite, chains::decode_blocks, node::RpcNode};
use fields::{Answer, Rpc};
use serde_json::Value;

pub const SUITE: Suite = Suite { name: "graphql", discover };

/// Folders with `init` (genesis and blocks) and `testcases`.
const FOLDER: &str = "hive/graphql";

fn discover(files: &mut Files) -> Vec<Job> {
    let find = |files: &Files, name: &str| files.iter().find(|file| file.path == format!("{FOLDER}/{name}")).cloned();
    let genesis = find(files, "init/testGenesis.json");
    let blocks = find(files, "init/testBlockchain.blocks");
    let cases = files.take(|file| file.folder() == format!("{FOLDER}/testcases") && file.name().ends_with(".json"));
    let (Some(genesis), Some(blocks), false) = (genesis, blocks, cases.is_empty()) else { return Vec::new() };
    let covered = cases.clone();
    vec![Job::covering(FOLDER, FOLDER, &covered, move |recorder| run(&genesis, &blocks, &cases, recorder))]
}

fn run(genesis: &File, blocks: &File, cases: &[File], recorder: &mut Recorder<'_>) {
    let start = || {
        let node = RpcNode::start(&genesis.text()?, false)?;
        node.import(decode_blocks(&blocks.read()?)?)?;
        Ok::<_, Reason>(node)
    };
    let node = match start() {
        Ok(node) => node,
        Err(reason) => return recorder.record("-", "the node", Err(reason)),
    };
    for case in cases {
        recorder.at(&case.path);
        let outcome = ask(&Rpc::new(&node), case);
        if !recorder.wants(&case.path) {
            continue;
        }
        match outcome {
            Ok(None) => recorder.record("-", case.name(), Ok(())),
            Ok(Some(rule)) => recorder.skip("-", case.name(), Skip::Ours(rule)),
            Err(reason) => recorder.record("-", case.name(), Err(reason)),
        }
    }
}

/// `Some` with the reason if the case does not map onto JSON-RPC.
fn ask(rpc: &Rpc<'_>, case: &File) -> Result<Option<&'static str>, Reason> {
    let case: Value = serde_json::from_str(&case.text()?).map_err(|error| error.to_string())?;
    let text = case["request"].as_str().ok_or("a case without a request")?;
    let request = query::parse(text)?;
    if case["statusCode"] != 200 {
        return Ok(Some("errors of GraphQL's own layer have no counterpart in JSON-RPC"));
    }
    let got = match rpc.answer(&request)? {
        Answer::Value(value) => value,
        Answer::NotInJsonRpc(rule) => return Ok(Some(rule)),
    };
    // Several answers are alternatives.
    let alternatives = case["responses"].as_array().ok_or("a case without responses")?;
    if alternatives.iter().any(|expected| estimates_alone_differ(&expected["data"], &got)) {
        return Ok(Some("an estimate may lie 1.5 % above the least gas, as geth's does"));
    }
    let mut last = None;
    for expected in alternatives {
        match difference("", &expected["data"], &got) {
            None => return Ok(None),
            difference => last = difference,
        }
    }
    Err(last.unwrap_or_else(|| "no response to compare with".to_owned()))
}

/// Whether all that differs are estimates of gas, and those by no more than their tolerance.
fn estimates_alone_differ(expected: &Value, got: &Value) -> bool {
    const TOLERANCE: f64 = 0.015;
    let gas = |value: &Value| {
        let digits = value["block"]["estimateGas"].as_str()?.strip_prefix("0x")?.to_owned();
        u64::from_str_radix(&digits, 16).ok()
    };
    let (Some(least), Some(ours)) = (gas(expected), gas(got)) else { return false };
    let mut equal = expected.clone();
    equal["block"]["estimateGas"] = got["block"]["estimateGas"].clone();
    let close = ours > least && (ours - least) as f64 <= TOLERANCE * ours as f64;
    close && difference("", &equal, got).is_none()
}
