//! Genesis files and their blocks: GenesisTests, the public networks' files with their known hashes, hive's smoke test.
//! They go through the genesis reader.

use super::fixtures::guarded;
use crate::{File, Files, Job, Reason, Recorder, Suite, json::Fields};
use atoll_primitives::{B256, Block, Bytes, ChainSpec, rlp};
use serde_json::{Map, Value, json};

pub const SUITE: Suite = Suite { name: "genesis", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    let mut jobs = Vec::new();
    for file in files.take(|file| file.path.contains("GenesisTests/") && file.name().ends_with(".json")) {
        let contents = file.clone();
        jobs.push(Job::new(super::row(&file.path), &file, move |recorder| genesis_tests(&contents, recorder)));
    }
    for file in files.take(|file| file.name() == "genesishashestest.json") {
        let contents = file.clone();
        jobs.push(Job::new(super::row(&file.path), &file, move |recorder| {
            recorder.record("-", "mainnet", guarded(|| known_block(&contents)));
        }));
    }
    for (list, expectations) in [("expected-hashes.json", by_name as Expectations), ("expect.json", by_entry)] {
        for file in files.take(|file| file.name() == list && file.folder().contains("genesis")) {
            let folder = file.folder().to_owned();
            let mut covered = files.take(|other| other.folder() == folder && other.name().ends_with(".json"));
            covered.push(file.clone());
            let job = Job::covering(super::row(&file.path), folder, &covered, move |recorder| {
                hashes(&file, expectations, recorder);
            });
            jobs.push(job);
        }
    }
    jobs
}

/// A genesis file's name, the file's expected hash.
type Expectations = fn(&Value) -> Result<Vec<(String, Option<Value>, B256)>, Reason>;

/// `{"sepolia": "0x..."}` is about `sepolia.json`.
fn by_name(value: &Value) -> Result<Vec<(String, Option<Value>, B256)>, Reason> {
    let entries = value.as_object().ok_or("no object of hashes")?;
    entries.keys().map(|name| Ok((format!("{name}.json"), None, value.hash(name)?))).collect()
}

/// hive's list of a file, the forks that start in its block 0, and the hash.
fn by_entry(value: &Value) -> Result<Vec<(String, Option<Value>, B256)>, Reason> {
    let entry = |entry: &Value| {
        let forks = entry.at("forksAt0UpTo(chainId 10)")?;
        let config = match forks.as_str() {
            Some(fork) => crate::network::config(&capitalised(fork), Some(&json!({"chainid": 10})))?,
            None => crate::network::config("Frontier", Some(&json!({"chainid": 10})))?,
        };
        Ok((entry.text("genesis")?.to_owned(), Some(Value::Object(config)), entry.hash("expectedHashOfBlock0")?))
    };
    value.as_array().ok_or("no list")?.iter().map(entry).collect()
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn hashes(list: &File, expectations: Expectations, recorder: &mut Recorder<'_>) {
    let value = list.text().and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    let all = match value.and_then(|value| expectations(&value)) {
        Ok(all) => all,
        Err(reason) => return recorder.record("-", list.name(), Err(reason)),
    };
    for (name, config, expected) in all {
        let file = list.sibling(&name);
        recorder.record("-", &name, guarded(|| has_hash(&file, config, expected)));
    }
}

fn has_hash(file: &File, config: Option<Value>, expected: B256) -> Result<(), Reason> {
    let mut text = file.text()?;
    if let Some(config) = config {
        let mut value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        value["config"] = config;
        text = value.to_string();
    }
    let spec = ChainSpec::from_json(&text).map_err(|error| error.to_string())?;
    let found = spec.genesis_header().hash;
    if found == expected { Ok(()) } else { Err(format!("hash {found}, expected {expected}")) }
}

/// GenesisTests: a file without `config`, and the RLP of its block.
fn genesis_tests(file: &File, recorder: &mut Recorder<'_>) {
    let cases = file
        .text()
        .and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).map_err(|error| error.to_string()));
    match cases {
        Ok(cases) => {
            for (name, case) in &cases {
                recorder.record("-", name, guarded(|| genesis_block(case)));
            }
        }
        Err(reason) => recorder.record("-", "-", Err(reason)),
    }
}

fn genesis_block(case: &Value) -> Result<(), Reason> {
    let mut file = case.clone();
    file["config"] = json!({"chainId": 1});
    let spec = ChainSpec::from_json(&file.to_string()).map_err(|error| error.to_string())?;
    let block = Block { header: spec.genesis_header().header, ..Block::default() };
    let (found, expected) = (Bytes::from(rlp::encode(&block)), case.bytes("result")?);
    if found == expected { Ok(()) } else { Err(format!("block {found}, expected {expected}")) }
}

/// A block with its hash and state root.
fn known_block(file: &File) -> Result<(), Reason> {
    let value: Value = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    let encoded = value.bytes("genesis_rlp_hex")?;
    let block: Block = rlp::decode_exact(&encoded).map_err(|error| error.to_string())?;
    let (hash, root) = (value.hash("genesis_hash")?, value.hash("genesis_state_root")?);
    if block.header.hash_slow() != hash || block.header.state_root != root {
        return Err(format!("hash {}, state root {}", block.header.hash_slow(), block.header.state_root));
    }
    if rlp::encode(&block) == encoded { Ok(()) } else { Err("it does not encode as it was".into()) }
}
