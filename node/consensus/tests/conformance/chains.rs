//! Whole chains with real seals: mainnet's first blocks, and those of other clients' tests.

use crate::support::{Known, blocks, material};
use atoll_consensus::{ConsensusError, Engine, engine};
use atoll_primitives::{Block, ChainSpec};
use serde_json::Value;
use std::{fs, path::Path, sync::Arc};

const FORK_KEYS: &[&str] = &[
    "homesteadBlock",
    "eip150Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "berlinBlock",
    "londonBlock",
];

fn open(genesis: &Path) -> (Arc<ChainSpec>, Arc<dyn Engine>, Known) {
    // besu's genesis files spell some keys their own way, and name a fork without those it includes.
    let text = fs::read_to_string(genesis).unwrap().replace("\"chainID\"", "\"chainId\"");
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let config = value["config"].as_object_mut().unwrap();
    config.remove("networkID");
    let newest = FORK_KEYS.iter().rposition(|key| config.contains_key(*key)).unwrap_or(0);
    let mut at = Value::Null;
    for key in FORK_KEYS[..=newest].iter().rev() {
        at = config.entry(*key).or_insert(at).clone();
    }
    for account in value["alloc"].as_object_mut().unwrap().values_mut() {
        let account = account.as_object_mut().unwrap();
        account.retain(|key, _| !["comment", "privateKey"].contains(&key.as_str()));
        account.entry("balance").or_insert("0x0".into());
    }
    let spec = Arc::new(ChainSpec::from_json(&value.to_string()).unwrap());
    let known = Known::genesis(Block { header: spec.genesis_header().header, ..Block::default() });
    (Arc::clone(&spec), engine(spec).unwrap(), known)
}

/// Accepts every block of a file but the genesis block, seals included.
fn import(known: &mut Known, engine: &Arc<dyn Engine>, file: &Path) -> u64 {
    let mut last = 0;
    for block in blocks(file).into_iter().filter(|block| block.header.number > 0) {
        last = block.header.number;
        known.accept(engine, block, true).unwrap_or_else(|error| panic!("{} block {last}: {error}", file.display()));
    }
    last
}

#[test]
fn mainnets_first_thousand_blocks() {
    let Some(folder) = material("besu/chains/mainnet-data") else { return };
    let (_, engine, mut known) = open(&folder.join("mainnet.json"));
    assert_eq!(import(&mut known, &engine, &folder.join("1000.blocks")), 999);
}

#[test]
fn a_bad_proof_of_work_is_refused() {
    let Some(folder) = material("besu/chains/mainnet-data") else { return };
    let (_, engine, mut known) = open(&folder.join("mainnet.json"));
    let block = blocks(&folder.join("badpow.blocks")).into_iter().find(|block| block.header.number == 1).unwrap();
    let error = known.accept(&engine, block, true).unwrap_err();
    assert!(matches!(error, ConsensusError::MixHash { .. } | ConsensusError::InsufficientWork { .. }), "{error}");
}

#[test]
fn later_mainnet_blocks() {
    let (Some(folder), Some(genesis)) = (material("besu/chains/mainnet-blocks"), material("besu/chains/mainnet-data"))
    else {
        return;
    };
    let (_, engine, _) = open(&genesis.join("mainnet.json"));
    for (first, second) in [("block_300005", "block_300006"), ("block_1200000", "block_1200001")] {
        let read = |name: &str| blocks(&folder.join(format!("{name}.blocks"))).remove(0);
        let (parent, block) = (read(first), read(second));
        engine.verify_seal(&parent.header, &Known::default()).unwrap();
        Known::genesis(parent).accept(&engine, block, true).unwrap();
    }
}

#[test]
fn chains_of_fixed_difficulty() {
    let (Some(london), Some(fork)) =
        (material("besu/chains/fork-london-data"), material("besu/chains/fork-chain-data"))
    else {
        return;
    };
    let (_, engine, mut known) = open(&london.join("testLondonGenesis.json"));
    import(&mut known, &engine, &london.join("testLondonBlockchain.blocks"));
    for (genesis, branch) in
        [("genesis-outdated.json", "fork-outdated.blocks"), ("genesis-upgraded.json", "fork-upgraded.blocks")]
    {
        let (_, engine, mut known) = open(&fork.join(genesis));
        import(&mut known, &engine, &fork.join("common.blocks"));
        import(&mut known, &engine, &fork.join(branch));
    }
}

#[test]
fn three_thousand_blocks_of_byzantium() {
    let Some(folder) = material("hive/devp2p-pow-byzantium") else { return };
    let (_, engine, mut known) = open(&folder.join("genesis.json"));
    assert_eq!(import(&mut known, &engine, &folder.join("fullchain.rlp")), 3_000);
}

#[test]
fn branches_over_one_genesis() {
    let Some(folder) = material("hive/history-engine-pow-london") else { return };
    for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|end| end == "rlp") {
            let (_, engine, mut known) = open(&folder.join("genesis.json"));
            import(&mut known, &engine, &file);
        }
    }
}
