//! TrieTests: roots after insertions and removals, in the tries that the node keeps its state in. Their keys are hashed
//! (`secureTrie`); tries of plain keys of any length, and walks over them, are not in a node.

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Recorder, Skip, Suite,
    chains::explain,
    json::{self, Fields},
};
use atoll_primitives::{B256, Bytes};
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "trie", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| file.path.contains("TrieTests/") && file.name().ends_with(".json");
    let job = |file: File| {
        let contents = file.clone();
        Job::new(super::row(&file.path), &file, move |recorder| {
            if let Err(reason) = run(&contents, recorder) {
                recorder.record("-", "-", Err(reason));
            }
        })
    };
    files.take(known).into_iter().map(job).collect()
}

fn run(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let hashed = file.name().to_lowercase().contains("secure");
    let cases: Map<String, Value> = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    for (name, case) in &cases {
        if hashed {
            recorder.record("hashed", name, guarded(|| check(case)));
        } else {
            recorder.skip("plain", name, Skip::NoSuchCode);
        }
    }
    Ok(())
}

/// A key with its new value, or `None` to remove it.
type Step = (Bytes, Option<Bytes>);

fn check(case: &Value) -> Result<(), Reason> {
    let steps = match case.at("in")? {
        Value::Object(pairs) => pairs.iter().map(|(key, value)| step(key, value)).collect::<Result<Vec<_>, _>>()?,
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| step(pair[0].as_str().ok_or("a key is no text")?, &pair[1]))
            .collect::<Result<Vec<_>, Reason>>()?,
        other => return Err(format!("`in` is {other}")),
    };
    let steps: Vec<Step> = steps;
    let root: B256 = atoll_storage::hashed_trie_root(steps).map_err(|error| explain(&error))?;
    let expected = case.hash("root")?;
    if root == expected { Ok(()) } else { Err(format!("root {root}, expected {expected}")) }
}

fn step(key: &str, value: &Value) -> Result<Step, Reason> {
    let value = match value {
        Value::Null => None,
        Value::String(text) => Some(bytes(text)?),
        other => return Err(format!("value {other}")),
    };
    Ok((bytes(key)?, value))
}

/// Hexadecimal with `0x`, plain text without.
fn bytes(text: &str) -> Result<Bytes, Reason> {
    if text.starts_with("0x") { json::bytes(text) } else { Ok(text.to_owned().into_bytes().into()) }
}
