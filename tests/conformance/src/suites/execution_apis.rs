//! The cases of execution-apis, `*.io`, against a node that imported the chain beside them.
//!
//! Answers must equal the recorded ones, but for the wording of errors. Cases marked `speconly` and what the
//! recording client leaves to clients need only agree in shape: success or error, and the same kind of result. Every
//! result must fit its method's schema, unless the recorded one, which it must equal, does not fit either.

use crate::{File, Files, Job, Reason, Recorder, Suite, chains::decode_blocks, node::RpcNode, schema::Schemas};
use serde_json::Value;
use std::collections::BTreeSet;

pub const SUITE: Suite = Suite { name: "execution-apis", discover };

/// A folder with `chain.rlp` and `genesis.json`, and folders of `.io` files named after methods below it.
fn discover(files: &mut Files) -> Vec<Job> {
    let is_case = |file: &File| file.name().ends_with(".io");
    let above = |file: &File| file.folder().rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let roots: BTreeSet<String> = files.iter().filter(|file| is_case(file)).map(above).collect();
    let mut jobs = Vec::new();
    let schemas = Schemas::find(files);
    for root in roots {
        let schemas = schemas.clone();
        let cases = files.take(|file| is_case(file) && above(file) == root);
        let companions = files.take(|file| file.folder() == root);
        let job = move |cases: Vec<File>| {
            let covered = cases.clone();
            Job::covering(root.clone(), root, &covered, move |recorder| run(&cases, &companions, schemas, recorder))
        };
        jobs.push(job(cases));
    }
    // Descriptions of the interface and of the chain, for people and generators.
    files.take(|file| file.path.starts_with("execution-apis/"));
    jobs
}

fn run(cases: &[File], companions: &[File], schemas: Schemas, recorder: &mut Recorder<'_>) {
    let ready = start(companions).and_then(|node| Ok((node, schemas.read()?)));
    let (node, schemas) = match ready {
        Ok(ready) => ready,
        Err(reason) => return recorder.record("-", "the node", Err(reason)),
    };
    // The pool's contents carry over from case to case: also those that are not asked for run, in the order of paths.
    for case in cases {
        let method = case.folder().rsplit('/').next().unwrap_or_default().to_owned();
        recorder.at(&case.path);
        let outcome = case.text().and_then(|text| talk(&node, &schemas, &text));
        if recorder.wants(&case.path) {
            recorder.record(&method, case.name(), outcome);
        }
    }
}

fn start(companions: &[File]) -> Result<RpcNode, Reason> {
    let file = |name: &str| {
        companions.iter().find(|file| file.name() == name).ok_or_else(|| format!("{name} is missing beside the cases"))
    };
    let node = RpcNode::start(&file("genesis.json")?.text()?, false)?;
    node.import(decode_blocks(&file("chain.rlp")?.read()?)?)?;
    Ok(node)
}

/// Sends a case's requests and compares the answers.
fn talk(node: &RpcNode, schemas: &Schemas, text: &str) -> Result<(), Reason> {
    let spec_only = text.lines().any(|line| line.starts_with("// speconly:"));
    let (mut answer, mut method) = (None, None);
    for line in text.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            method = Some(method_of(request)?);
            answer = Some(node.post(request.to_owned())?);
        } else if let Some(expected) = line.strip_prefix("<< ") {
            let full = answer.take().ok_or("an answer without a request")?;
            let expected = serde_json::from_str(expected).map_err(|error| error.to_string())?;
            let (expected, got) = (without_message(expected), without_message(full.clone()));
            if spec_only {
                if !same_shape(&expected, &got) {
                    return Err(format!("shape differs: {full}"));
                }
            } else if let Some(difference) = difference("", &expected, &got) {
                let message = full["error"]["message"].as_str().unwrap_or_default();
                return Err(format!("{difference} {message}"));
            }
            let method = method.as_deref().unwrap_or_default();
            if let Err(reason) = schemas.check(method, &full)
                && schemas.check(method, &expected).is_ok()
            {
                return Err(reason);
            }
        }
    }
    Ok(())
}

fn method_of(request: &str) -> Result<String, Reason> {
    let request: Value = serde_json::from_str(request).map_err(|error| error.to_string())?;
    Ok(request["method"].as_str().unwrap_or_default().to_owned())
}

/// An answer, but for the wording of its error.
pub fn without_message(mut answer: Value) -> Value {
    if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    answer
}

/// Same outcome and same kind of value; for objects the same keys.
fn same_shape(expected: &Value, got: &Value) -> bool {
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<BTreeSet<_>>());
    match (expected.get("result"), got.get("result")) {
        (Some(expected), Some(got)) => {
            std::mem::discriminant(expected) == std::mem::discriminant(got) && keys(expected) == keys(got)
        }
        (None, None) => expected["error"]["code"] == got["error"]["code"],
        _ => false,
    }
}

/// The first place where two values differ.
pub fn difference(path: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
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
