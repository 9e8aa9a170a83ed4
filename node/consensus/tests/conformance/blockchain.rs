//! BlockchainTests of ethereum/tests and legacytests: valid blocks pass all rules here; of the invalid ones those
//! pass whose fault only execution shows.

use crate::support::{Known, json, json_files, material, network};
use atoll_consensus::engine;
use atoll_primitives::{Block, hex, rlp::Decodable};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What tests call faults that this room cannot see: they show on execution, in a sender's account, or in the hash
/// of what execution gave.
const EXECUTION: &[&str] = &[
    "StateRoot",
    "STATE_ROOT",
    "ReceiptsStateRoot",
    "RECEIPTS_ROOT",
    "InvalidGasUsed",
    "INVALID_GAS_USED",
    "LogBloom",
    "LOG_BLOOM",
    "TR_",
    "TransactionException",
    "IntrinsicGas",
    "TooMuchGasUsed",
    "BlockGasLimitReached",
    "SenderNotEOAorNoCASH",
    // Its parent is a block that only execution refuses.
    "UnknownParent",
    "UNKNOWN_PARENT",
    // Tests that name no exception; their faults are amounts of gas.
    "unnamed: BlockWrongResetGas",
    "unnamed: BlockWrongStoreClears",
    "unnamed: BlockWrongStoreSetGas",
    "unnamed: SimpleTxCosts20000",
];

fn decode(block: &Value) -> Option<Block> {
    let bytes = hex::decode(block["rlp"].as_str()?).ok()?;
    let mut rest = bytes.as_slice();
    Block::decode(&mut rest).ok().filter(|_| rest.is_empty())
}

fn expected_exception(block: &Value) -> Option<String> {
    let fields = block.as_object()?;
    let named = fields.iter().find(|(key, _)| key.starts_with("expectException"));
    named.map(|(_, value)| value.as_str().unwrap_or_default().to_owned())
}

/// Runs a file; counts blocks judged, and notes what should have gone the other way.
fn run(file: &Value, slips: &mut BTreeMap<String, Vec<String>>, judged: &mut usize) {
    for (name, test) in file.as_object().unwrap() {
        let spec = Arc::new(network(test["network"].as_str().unwrap()));
        let engine = engine(spec).unwrap();
        // A missing genesisRLP is one that the snapshot lost.
        let Some(genesis) = test.get("genesisRLP").and_then(Value::as_str) else { continue };
        let genesis = Block::decode(&mut hex::decode(genesis).unwrap().as_slice()).unwrap();
        let seals = test.get("sealEngine").and_then(Value::as_str) != Some("NoProof");
        let mut known = Known::genesis(genesis);
        for (index, block) in test["blocks"].as_array().unwrap().iter().enumerate() {
            *judged += 1;
            let exception = expected_exception(block);
            let invalid = exception.is_some() || block.get("blockHeader").is_none();
            let verdict = decode(block).map(|block| known.accept(&engine, block, seals));
            let slip = match (&verdict, invalid) {
                (Some(Ok(())), true) => exception.unwrap_or_else(|| format!("unnamed: {name}")),
                (Some(Err(error)), false) => format!("refused: {error}"),
                (None, false) => "refused: not decoded".to_owned(),
                _ => continue,
            };
            slips.entry(slip).or_default().push(format!("{name}[{index}]"));
        }
    }
}

#[test]
fn blocks_are_accepted_and_refused_as_expected() {
    let folders = [
        "ethereum-tests/BlockchainTests/InvalidBlocks",
        "ethereum-tests/BlockchainTests/ValidBlocks",
        "ethereum-tests/BlockchainTests/TransitionTests",
        "ethereum-legacytests/Cancun/BlockchainTests/InvalidBlocks",
        "ethereum-legacytests/Cancun/BlockchainTests/ValidBlocks",
        "ethereum-legacytests/Cancun/BlockchainTests/TransitionTests",
        "ethereum-legacytests/Constantinople/BlockchainTests/InvalidBlocks",
        "ethereum-legacytests/Constantinople/BlockchainTests/ValidBlocks",
    ];
    let (mut slips, mut judged) = (BTreeMap::new(), 0);
    for folder in folders {
        let Some(folder) = material(folder) else { return };
        for path in json_files(&folder) {
            run(&json(&path), &mut slips, &mut judged);
        }
    }
    slips.retain(|exception, _| !EXECUTION.iter().any(|known| exception.contains(known)));
    for (exception, tests) in &slips {
        println!("{exception:?}: {} such as {:?}", tests.len(), &tests[..tests.len().min(5)]);
    }
    assert!(judged > 5_000, "only {judged} blocks");
    assert!(slips.is_empty(), "{} kinds of blocks went the wrong way", slips.len());
}
