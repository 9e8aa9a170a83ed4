//! The format of BlockchainTests: blocks in order of arrival, each valid or not, and the head they must lead to.

use crate::{fork, runner::Tally};
use atoll_chain::{Chain, ChainOptions, ImportError, Origin};
use atoll_primitives::{B256, Block, ChainSpec, hex, rlp::Decodable};
use atoll_storage::{Storage, StorageOptions};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, error::Error, path::Path, sync::Arc};
use tempfile::TempDir;

/// Thousands of chains live for milliseconds: memory does where there is a file system for it.
const MEMORY: &str = "/dev/shm";

/// Runs all cases of a file.
pub fn run_file(name: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let tests: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    for (case, test) in tests {
        match run_case(&test) {
            Ok(()) => tally.passed += 1,
            Err(reason) => tally.failures.push(format!("{name} {case} {}: {reason}", test["network"])),
        }
    }
    tally
}

fn run_case(test: &Value) -> Result<(), String> {
    let network = test["network"].as_str().unwrap();
    let mut config = fork::config(network, test.get("config")).ok_or(format!("unknown network {network}"))?;
    // Before the merge these suites are proof of work; without a difficulty there is none to do.
    if config.get("terminalTotalDifficulty") != Some(&json!(0)) {
        config.insert("ethash".into(), json!({}));
    }
    let mut genesis = genesis(test);
    genesis["config"] = Value::Object(config);
    let spec = Arc::new(ChainSpec::from_json(&genesis.to_string()).map_err(|error| error.to_string())?);
    let expected = hash(&test["genesisBlockHeader"]["hash"]);
    let found = spec.genesis_header().hash;
    if found != expected {
        return Err(format!("genesis {found}, expected {expected}"));
    }
    let folder = if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY) } else { TempDir::new() }.unwrap();
    // A test without a word about seals has them.
    let verify_seals = test.get("sealEngine").is_none_or(|engine| engine != "NoProof");
    let chain = open(&spec, folder.path(), verify_seals).map_err(|error| explain(&*error))?;
    let verdict = import_all(&chain, test, network);
    chain.shutdown().map_err(|error| explain(&error))?;
    verdict
}

fn open(spec: &Arc<ChainSpec>, folder: &Path, verify_seals: bool) -> Result<Chain, Box<dyn Error>> {
    let options = StorageOptions { cache_bytes: 2 << 20, ..StorageOptions::default() };
    let storage = Storage::open(folder, spec, options)?;
    let engine = atoll_consensus::engine(Arc::clone(spec))?;
    Ok(Chain::open(Arc::clone(spec), storage, engine, ChainOptions { verify_seals })?)
}

fn import_all(chain: &Chain, test: &Value, network: &str) -> Result<(), String> {
    for (index, block) in test["blocks"].as_array().unwrap().iter().enumerate() {
        let exception = exception(block, network);
        match (import(chain, block), exception) {
            (Ok(()), None) | (Err(Refusal::Invalid(_)), Some(_)) => {}
            (Ok(()), Some(expected)) => return Err(format!("block {index} was accepted, expected {expected}")),
            (Err(Refusal::Invalid(reason)), None) => return Err(format!("block {index} was refused: {reason}")),
            (Err(Refusal::Failed(reason)), _) => return Err(format!("block {index} failed: {reason}")),
        }
    }
    let (head, expected) = (chain.head().hash, hash(&test["lastblockhash"]));
    if head == expected { Ok(()) } else { Err(format!("head {head}, expected {expected}")) }
}

enum Refusal {
    /// The block is at fault.
    Invalid(String),
    /// The node is.
    Failed(String),
}

fn import(chain: &Chain, block: &Value) -> Result<(), Refusal> {
    let encoded = hex::decode(block["rlp"].as_str().unwrap()).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let mut rest = encoded.as_slice();
    let block = Block::decode(&mut rest).map_err(|error| Refusal::Invalid(error.to_string()))?;
    if !rest.is_empty() {
        return Err(Refusal::Invalid(format!("{} bytes after the block", rest.len())));
    }
    chain.import(block, Origin::File).map(|_| ()).map_err(|error| match error {
        ImportError::Invalid { .. } | ImportError::UnknownParent { .. } | ImportError::Future { .. } => {
            Refusal::Invalid(explain(&error))
        }
        error => Refusal::Failed(explain(&error)),
    })
}

/// Why this network must refuse the block, if it must.
fn exception(block: &Value, network: &str) -> Option<String> {
    let keys = ["expectException".to_owned(), "expectExceptionALL".to_owned(), format!("expectException{network}")];
    let named = keys.iter().find_map(|key| block.get(key)).map(Value::to_string);
    named.or_else(|| block.get("blockHeader").is_none().then(|| "any exception".into()))
}

/// The test's genesis block as a genesis file without `config`.
fn genesis(test: &Value) -> Value {
    let header = &test["genesisBlockHeader"];
    let mut genesis = json!({
        "parentHash": header["parentHash"],
        "coinbase": header["coinbase"],
        "extraData": header["extraData"],
        "mixHash": header["mixHash"],
        "nonce": quantity(&header["nonce"]),
        "difficulty": quantity(&header["difficulty"]),
        "gasLimit": quantity(&header["gasLimit"]),
        "timestamp": quantity(&header["timestamp"]),
        "alloc": test["pre"].as_object().unwrap().iter().map(account).collect::<Map<_, _>>(),
    });
    for key in ["baseFeePerGas", "excessBlobGas", "blobGasUsed"] {
        if let Some(value) = header.get(key) {
            genesis[key] = quantity(value);
        }
    }
    genesis
}

fn account((address, account): (&String, &Value)) -> (String, Value) {
    let word = |text: &str| format!("0x{:0>64}", text.trim_start_matches("0x"));
    let slots = account["storage"].as_object().unwrap().iter();
    let storage: Map<_, _> = slots.map(|(slot, value)| (word(slot), json!(word(value.as_str().unwrap())))).collect();
    let fields = json!({
        "balance": quantity(&account["balance"]),
        "nonce": quantity(&account["nonce"]),
        "code": account["code"],
        "storage": storage,
    });
    (address.clone(), fields)
}

/// Suites pad numbers with zeros, genesis files must not.
fn quantity(value: &Value) -> Value {
    let digits = value.as_str().unwrap().trim_start_matches("0x").trim_start_matches('0');
    json!(format!("0x{}", if digits.is_empty() { "0" } else { digits }))
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

/// An error with its causes.
fn explain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
