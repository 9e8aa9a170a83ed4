//! The rest of BasicTests: the hex-prefix encoding of trie paths, and what no node of today has: the genesis block of
//! 2014's format, ciphers of protocols other than ours.

use super::fixtures::guarded;
use crate::{File, Files, Job, Reason, Recorder, Skip, Suite, json::Fields};
use alloy_trie::{Nibbles, nodes::encode_path_leaf};
use atoll_primitives::hex;
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "basic", discover };

type Run = fn(&File, &mut Recorder<'_>) -> Result<(), Reason>;

fn discover(files: &mut Files) -> Vec<Job> {
    let formats: [(&str, Run); 3] =
        [("hexencodetest.json", hex_prefix), ("crypto.json", other_code), ("blockgenesistest.json", other_code)];
    let mut jobs = Vec::new();
    for (name, run) in formats {
        for file in files.take(|file| file.path.contains("BasicTests/") && file.name() == name) {
            let contents = file.clone();
            jobs.push(Job::new(super::row(&file.path), &file, move |recorder| {
                if let Err(reason) = run(&contents, recorder) {
                    recorder.record("-", "-", Err(reason));
                }
            }));
        }
    }
    jobs
}

/// The yellow paper's function HP (appendix C): nibbles, and whether a value follows.
fn hex_prefix(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let cases: Map<String, Value> = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    for (name, case) in &cases {
        recorder.record("-", name, guarded(|| check(case)));
    }
    Ok(())
}

fn check(case: &Value) -> Result<(), Reason> {
    let nibbles: Vec<u8> = serde_json::from_value(case.at("seq")?.clone()).map_err(|error| error.to_string())?;
    let leaf = case.at("term")?.as_bool().ok_or("`term` is no boolean")?;
    let found = hex::encode(encode_path_leaf(&Nibbles::from_nibbles(nibbles), leaf));
    let expected = case.text("out")?;
    if found == expected { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
}

fn other_code(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let value: Value = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    let count = value.as_array().map_or_else(|| value.as_object().map_or(1, Map::len), Vec::len);
    (0..count).for_each(|index| recorder.skip("-", &index.to_string(), Skip::NoSuchCode));
    Ok(())
}
