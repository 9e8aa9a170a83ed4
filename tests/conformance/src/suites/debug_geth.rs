//! Besu's expectations of geth's tracers (`debug-geth`): requests over a chain of its own, and the answers.

use super::execution_apis::difference;
use crate::{File, Files, Job, Reason, Recorder, Suite, chains::decode_blocks, json::Fields, node::RpcNode};
use serde_json::Value;

pub const SUITE: Suite = Suite { name: "debug-geth", discover };

/// A folder with `chain-data/` and `specs/`.
fn discover(files: &mut Files) -> Vec<Job> {
    let below = |file: &File, folder: &str| file.path.contains(&format!("/debug-geth/{folder}/"));
    let cases = files.take(|file| below(file, "specs") && file.name().ends_with(".json"));
    let chain = files.take(|file| below(file, "chain-data"));
    let Some(first) = cases.first().cloned() else { return Vec::new() };
    let folder = first.path.split("/specs/").next().unwrap_or_default().to_owned();
    let covered: Vec<File> = cases.iter().chain(&chain).cloned().collect();
    vec![Job::covering(super::row(&first.path), folder, &covered, move |recorder| run(&cases, &chain, recorder))]
}

fn run(cases: &[File], chain: &[File], recorder: &mut Recorder<'_>) {
    let node = match start(chain) {
        Ok(node) => node,
        Err(reason) => return recorder.record("-", "the node", Err(reason)),
    };
    for case in cases.iter() {
        if !recorder.wants(&case.path) {
            continue;
        }
        recorder.at(&case.path);
        let kind = case.folder().split("/specs/").nth(1).unwrap_or_default();
        recorder.record(kind, case.name(), check(&node, case));
    }
}

fn start(chain: &[File]) -> Result<RpcNode, Reason> {
    let file = |name: &str| chain.iter().find(|file| file.name() == name).ok_or_else(|| format!("{name} is missing"));
    let node = RpcNode::start(&file("genesis.json")?.text()?, false)?;
    node.import(decode_blocks(&file("blocks.bin")?.read()?)?)?;
    Ok(node)
}

fn check(node: &RpcNode, case: &File) -> Result<(), Reason> {
    let test: Value = serde_json::from_str(&case.text()?).map_err(|error| error.to_string())?;
    let mut found = node.post(test.at("request")?.to_string())?;
    let mut expected = test.at("response")?.clone();
    // How an error is worded is each client's own.
    for answer in [&mut found, &mut expected] {
        if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("message");
            error.remove("data");
        }
    }
    difference("", &expected, &found).map_or(Ok(()), Err)
}
