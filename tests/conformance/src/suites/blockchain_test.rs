//! The format of BlockchainTests: a genesis block and blocks to import, through `chain::import`. A block that names an
//! exception must be refused for that reason; at the end the head must be the one named.

use super::fixtures::guarded;
use crate::{
    Reason, Recorder, chains, exceptions,
    json::{self, Fields, quantity},
    network,
    rule::{self, Rule},
};
use atoll_chain::Chain;
use atoll_primitives::{B256, Block, ChainSpec, consensus::proofs::calculate_transaction_root, rlp::Decodable};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, sync::Arc};

/// Runs a test.
pub fn run(name: &str, test: &Value, recorder: &mut Recorder<'_>) {
    let network = test.get("network").and_then(Value::as_str).unwrap_or("-");
    recorder.record(network, name, guarded(|| run_case(test, network)));
}

fn run_case(test: &Value, network: &str) -> Result<(), Reason> {
    let spec = Arc::new(spec(test, network)?);
    let (found, expected) = (spec.genesis_header().hash, test.at("genesisBlockHeader")?.hash("hash")?);
    if found != expected {
        return Err(format!("genesis {found}, expected {expected}"));
    }
    // A test without a word about seals has them.
    let verify_seals = test.get("sealEngine").is_none_or(|engine| engine != "NoProof");
    let temporary = chains::TemporaryChain::open(spec, verify_seals)?;
    let verdict = import_all(&temporary.chain, test, network);
    temporary.close()?;
    verdict
}

fn spec(test: &Value, network: &str) -> Result<ChainSpec, Reason> {
    let mut config = network::config(network, test.get("config"))?;
    // Before the merge these suites are proof of work; without a difficulty there is none to do.
    if config.get("terminalTotalDifficulty") != Some(&json!(0)) {
        config.insert("ethash".into(), json!({}));
    }
    let mut genesis = genesis(test)?;
    genesis["config"] = Value::Object(config);
    ChainSpec::from_json(&genesis.to_string()).map_err(|error| error.to_string())
}

fn import_all(chain: &Chain, test: &Value, network: &str) -> Result<(), Reason> {
    let mut refused = HashMap::new();
    for (index, block) in test.list("blocks")?.iter().enumerate() {
        let at = |reason: Reason| format!("block {index}: {reason}");
        let expected = expected(block, network);
        let verdict = decode(block).and_then(|block| import(chain, block, &mut refused, &expected));
        match (verdict, expected) {
            (Ok(()), Expected::Valid) => {}
            (Ok(()), Expected::Exception(name)) => return Err(at(format!("accepted, expected {name}"))),
            (Ok(()), Expected::SomeException) => return Err(at("accepted, expected an exception".into())),
            (Err((_, text)), Expected::Valid) => return Err(at(format!("refused: {text}"))),
            (Err((Rule::Internal, text)), _) => return Err(at(format!("failed: {text}"))),
            (Err(_), Expected::SomeException) => {}
            (Err((rule, text)), Expected::Exception(name)) => {
                exceptions::check(name, rule).map_err(|reason| at(format!("{reason} ({text})")))?;
            }
        }
    }
    let (head, expected): (B256, B256) = (chain.head().hash, test.hash("lastblockhash")?);
    if head == expected { Ok(()) } else { Err(format!("head {head}, expected {expected}")) }
}

fn decode(block: &Value) -> Result<Block, (Rule, Reason)> {
    let decode = |reason: Reason| (Rule::Decode, reason);
    let encoded = block.bytes("rlp").map_err(decode)?;
    let mut rest = encoded.as_ref();
    let block = Block::decode(&mut rest).map_err(|error| (rule::of_undecodable_block(&encoded), error.to_string()))?;
    if rest.is_empty() { Ok(block) } else { Err(decode(format!("{} bytes after the block", rest.len()))) }
}

/// Imports a block; `refused` holds by which rule earlier ones were refused, for those that come again.
fn import(
    chain: &Chain,
    block: Block,
    refused: &mut HashMap<B256, Rule>,
    expected: &Expected<'_>,
) -> Result<(), (Rule, Reason)> {
    let hash = block.header.hash_slow();
    let mut verdict = chains::import(chain, block.clone());
    let rule = verdict.as_ref().err().map(rule::of_import);
    if rule == Some(Rule::TransactionsRoot)
        && matches!(expected, Expected::Exception(name) if exceptions::is_about_transaction(name))
    {
        // retesteth puts the bad transaction into the body of a block whose header knows nothing of it. That is refused
        // before it is executed; with a header that fits, the transaction itself must be.
        let mut fitting = block;
        fitting.header.transactions_root = calculate_transaction_root(&fitting.body.transactions);
        verdict = chains::import(chain, fitting);
    }
    verdict.map_err(|error| {
        let rule = match rule::of_import(&error) {
            Rule::Known => refused.get(&hash).copied().unwrap_or(Rule::Known),
            rule => *refused.entry(hash).or_insert(rule),
        };
        (rule, chains::explain(&error))
    })
}

/// What must become of a block.
enum Expected<'a> {
    Valid,
    Exception(&'a str),
    /// The oldest tests say only that a block is invalid, by leaving out its header.
    SomeException,
}

fn expected<'a>(block: &'a Value, network: &str) -> Expected<'a> {
    let keys = ["expectException".to_owned(), "expectExceptionALL".to_owned(), format!("expectException{network}")];
    match keys.iter().find_map(|key| block.get(key)?.as_str()) {
        Some(name) => Expected::Exception(name),
        None if block.get("blockHeader").is_none() => Expected::SomeException,
        None => Expected::Valid,
    }
}

/// The test's genesis block as a genesis file without `config`.
fn genesis(test: &Value) -> Result<Value, Reason> {
    let header = test.at("genesisBlockHeader")?;
    let number = |key: &str| quantity(header.at(key)?);
    let mut alloc = Map::new();
    for (address, account) in test.object("pre")? {
        alloc.insert(address.clone(), allocation(account)?);
    }
    let mut genesis = json!({
        "parentHash": header.at("parentHash")?,
        "coinbase": header.at("coinbase")?,
        "extraData": header.at("extraData")?,
        "mixHash": header.at("mixHash")?,
        "nonce": number("nonce")?,
        "difficulty": number("difficulty")?,
        "gasLimit": number("gasLimit")?,
        "timestamp": number("timestamp")?,
        "alloc": alloc,
    });
    for key in ["baseFeePerGas", "excessBlobGas", "blobGasUsed"] {
        if let Some(value) = header.get(key) {
            genesis[key] = quantity(value)?;
        }
    }
    Ok(genesis)
}

fn allocation(account: &Value) -> Result<Value, Reason> {
    let mut storage = Map::new();
    for (slot, value) in account.object("storage")? {
        let slot = json::word(slot)?.as_str().unwrap_or_default().to_owned();
        storage.insert(slot, json!(B256::from(json::number(value)?)));
    }
    Ok(json!({
        "balance": quantity(account.at("balance")?)?,
        "nonce": quantity(account.at("nonce")?)?,
        "code": account.at("code")?,
        "storage": storage,
    }))
}
