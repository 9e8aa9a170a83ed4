//! geth's tracer cases (`tracetest`): a state, the environment of a block, one transaction, and what a tracer says.
//! They go through the executor.

use super::{execution_apis::difference, fixtures::guarded};
use crate::{
    File, Files, Job, Reason, Recorder, Skip, Suite,
    json::{Fields, number},
    memory::MemoryState,
};
use atoll_executor::{TraceLimits, TraceOptions, trace_transaction};
use atoll_primitives::{
    Block, BlockBody, ChainSpec, Header, RecoveredBlock, SignerRecoverable, Transaction, U256, eip2718::Decodable2718,
};
use serde_json::{Map, Value, json};

pub const SUITE: Suite = Suite { name: "geth-tracers", discover };

/// The tracer of a folder; the longer names first.
const TRACERS: [(&str, &str); 4] = [
    ("call_tracer_flat", "flatCallTracer"),
    ("call_tracer_withLog", "callTracer"),
    ("call_tracer", "callTracer"),
    ("prestate_tracer", "prestateTracer"),
];

const NO_ADDRESS: &str = "0x0000000000000000000000000000000000000000";

/// Where a flat trace stands on the main network; the cases bring no such block, and geth does not compare it either.
const PLACE: [&str; 5] = ["blockHash", "blockNumber", "transactionHash", "transactionPosition", "time"];

fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| file.path.contains("/tracetest/") && file.name().ends_with(".json");
    let job = |file: File| {
        let contents = file.clone();
        let folder = file.folder().rsplit('/').next().unwrap_or_default().to_owned();
        Job::new(super::row(&file.path), &file, move |recorder| run(&folder, &contents, recorder))
    };
    files.take(known).into_iter().map(job).collect()
}

fn run(folder: &str, file: &File, recorder: &mut Recorder<'_>) {
    // Folders of geth's JavaScript tracers of old end so; the scripts are not part of the material.
    let tracer = TRACERS.iter().find(|(name, _)| folder.starts_with(name) && !folder.ends_with("_legacy"));
    let Some((_, tracer)) = tracer else { return recorder.skip(folder, file.name(), Skip::UnknownFormat) };
    let outcome = guarded(|| {
        let test = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
        check(tracer, &test)
    });
    recorder.record(folder, file.name(), outcome);
}

fn check(tracer: &str, test: &Value) -> Result<(), Reason> {
    let genesis = test.at("genesis")?;
    let context = test.at("context")?;
    let spec = spec(genesis.object("config")?, context.small("number")?)?;
    let state = MemoryState::read(&whole(genesis.object("alloc")?))?;
    let tx = Transaction::decode_2718_exact(&test.bytes("input")?).map_err(|error| error.to_string())?;
    let sender = tx.recover_signer_unchecked().map_err(|error| error.to_string())?;
    let body = BlockBody { transactions: vec![tx], ..BlockBody::default() };
    let header = header(genesis, context)?;
    let block = RecoveredBlock { hash: header.hash_slow(), block: Block { header, body }, senders: vec![sender] };
    let options = TraceOptions {
        tracer: Some(tracer.to_owned()),
        tracer_config: test.get("tracerConfig").cloned(),
        ..TraceOptions::default()
    };
    let trace = trace_transaction(&spec, state, &block, 0, &options, TraceLimits::default());
    let text = trace.map_err(|error| error.to_string())?;
    let mut found: Value = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
    let mut expected = test.at("result")?.clone();
    for value in [&mut found, &mut expected].into_iter().filter(|_| tracer != "prestateTracer") {
        without_zeros(value);
    }
    difference("", &expected, &found).map_or(Ok(()), Err)
}

/// geth reads the call tracers' answers into structures before it compares them: a field that is missing, and one that
/// has its type's zero, are the same then, and the place is not looked at. Amounts are pointers there, so they stay.
fn without_zeros(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_zeros);
            fields.retain(|key, value| {
                let place = PLACE.contains(&key.as_str());
                let zero = match value {
                    Value::Null => true,
                    Value::String(text) => ["", "0x", "0x0", NO_ADDRESS].contains(&text.as_str()),
                    Value::Object(fields) => fields.is_empty(),
                    _ => false,
                };
                !place && (!zero || key == "value")
            });
        }
        Value::Array(values) => values.iter_mut().for_each(without_zeros),
        _ => {}
    }
}

/// Accounts with all their fields: some cases leave out what is empty.
fn whole(alloc: &Map<String, Value>) -> Value {
    let with_defaults = |(address, account): (&String, &Value)| {
        let mut whole = json!({"code": "0x", "nonce": "0x0", "balance": "0x0", "storage": {}});
        for (field, value) in account.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        (address.clone(), whole)
    };
    Value::Object(alloc.iter().map(with_defaults).collect())
}

/// The rules of the case's block. Its accounts are the state; the specification needs none. Some cases have forks out of
/// order that lie far below the block, and names in other cases of letters: all that geth does not mind.
fn spec(config: &Map<String, Value>, block: u64) -> Result<ChainSpec, Reason> {
    let mut rules = Map::new();
    for (name, value) in config {
        let fork = name.strip_suffix("Block").filter(|_| !value.is_null());
        let Some(fork) = fork else {
            rules.insert(name.clone(), value.clone());
            continue;
        };
        let start = number(value)?;
        let start = if start <= U256::from(block) { U256::ZERO } else { start };
        let mut letters = fork.chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        rules.insert(first.chain(letters).chain("Block".chars()).collect(), json!(start.saturating_to::<u64>()));
    }
    let genesis = json!({"config": rules, "difficulty": "0x1", "gasLimit": "0x1388", "alloc": {}});
    ChainSpec::from_json(&genesis.to_string()).map_err(|error| error.to_string())
}

fn header(genesis: &Value, context: &Value) -> Result<Header, Reason> {
    let optional = |from: &Value, key: &str| from.get(key).map(|_| from.small(key)).transpose();
    Ok(Header {
        number: context.small("number")?,
        timestamp: context.small("timestamp")?,
        difficulty: context.number("difficulty")?,
        gas_limit: context.small("gasLimit")?,
        beneficiary: context.address("miner")?,
        base_fee_per_gas: optional(context, "baseFeePerGas")?,
        excess_blob_gas: optional(genesis, "excessBlobGas")?.or(Some(0)),
        parent_beacon_block_root: Some(Default::default()),
        ..Header::default()
    })
}
