//! The format of BlockchainTests, as far as this room goes: every block that is valid is executed over its parent's
//! state, and its header must agree. Rules of headers, ommers and fork choice are tested where they live, in `chain`.

use crate::{
    chain_spec,
    memory::MemoryState,
    runner::Tally,
    state_test::{bytes, state},
};
use atoll_executor::{execute_block, validate_output};
use atoll_primitives::{
    Address, B256, Block, ChainSpec, Hardfork, Header, RecoveredBlock, StateChanges, U256, rlp::Decodable,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Runs all cases of a file.
pub fn run_file(name: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let tests: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    for (case, test) in tests {
        let network = test["network"].as_str().unwrap();
        let result = match chain_spec::spec(network, test.get("config"), &test["pre"]) {
            Some(spec) => run_case(&spec, &test),
            None => Err(format!("unknown network {network}")),
        };
        match result {
            Ok(()) => tally.passed += 1,
            Err(reason) => tally.failures.push(format!("{name} {case} {network}: {reason}")),
        }
    }
    tally
}

fn run_case(spec: &ChainSpec, test: &Value) -> Result<(), String> {
    let genesis: B256 = test["genesisBlockHeader"]["hash"].as_str().unwrap().parse().unwrap();
    let mut pre = state(&test["pre"]);
    pre.hashes = Some([(0, genesis)].into_iter().collect());
    let mut states = HashMap::from([(genesis, pre)]);
    for (index, block) in test["blocks"].as_array().unwrap().iter().enumerate() {
        let invalid = block.as_object().unwrap().keys().any(|key| key.starts_with("expectException"));
        if invalid || block.get("blockHeader").is_none() {
            continue;
        }
        let at = |reason: String| format!("block {index}: {reason}");
        let encoded = bytes(&block["rlp"])?;
        let block = Block::decode(&mut encoded.as_ref()).map_err(|error| at(error.to_string()))?;
        let block = RecoveredBlock::recover(block).map_err(|error| at(error.to_string()))?;
        let parent = states.get(&block.header().parent_hash).ok_or_else(|| at("unknown parent".into()))?.clone();
        let after = execute(spec, parent, &block).map_err(at)?;
        states.insert(block.hash, after);
    }
    let last: B256 = test["lastblockhash"].as_str().unwrap().parse().unwrap();
    if states.contains_key(&last) { Ok(()) } else { Err("the last block was not executed".into()) }
}

fn execute(spec: &ChainSpec, parent: MemoryState, block: &RecoveredBlock) -> Result<MemoryState, String> {
    let header = block.header();
    let root = |changes: &StateChanges| {
        let mut state = parent.clone();
        state.apply(changes.clone());
        Ok(state.root())
    };
    let rewards = rewards(spec, header, &block.block.body.ommers);
    let output = execute_block(spec, parent.clone(), block, &rewards, Some(&root)).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{cause}")
    })?;
    validate_output(spec.hardfork(header), header, &output).map_err(|error| error.to_string())?;
    let mut after = parent;
    after.apply(output.changes);
    let root = after.root();
    if root != header.state_root {
        return Err(format!("state root {root}, header {}", header.state_root));
    }
    after.hashes.get_or_insert_default().insert(header.number, block.hash);
    Ok(after)
}

/// Proof of work's rewards (yellow paper, section 11.3), so that this test needs no engine.
fn rewards(spec: &ChainSpec, header: &Header, ommers: &[Header]) -> Vec<(Address, U256)> {
    if spec.is_post_merge(header) {
        return Vec::new();
    }
    let fork = spec.hardfork(header);
    let ether = match fork {
        fork if fork >= Hardfork::Constantinople => 2,
        fork if fork >= Hardfork::Byzantium => 3,
        _ => 5,
    };
    let reward = U256::from(ether * ETHER);
    let mut all = vec![(header.beneficiary, reward + reward / U256::from(32) * U256::from(ommers.len()))];
    all.extend(
        ommers
            .iter()
            .map(|ommer| (ommer.beneficiary, reward * U256::from(8 + ommer.number - header.number) / U256::from(8))),
    );
    all
}
