//! The format of GeneralStateTests: one transaction over a state, for several forks and argument combinations.

use crate::{chain_spec, memory::MemoryState, runner::Tally};
use atoll_executor::execute_transaction;
use atoll_primitives::{
    Address, B256, Bytes, ChainSpec, Hardfork, Header, Log, SignerRecoverable, Transaction, U256,
    consensus::{SignableTransaction, TxLegacy},
    eip2718::Decodable2718,
    hex, keccak256,
    primitives::{Signature, TxKind},
    rlp,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs all cases of a file.
pub fn run_file(name: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    let tests: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    for (case, test) in tests {
        let pre = state(&test["pre"]);
        for (fork, posts) in test["post"].as_object().unwrap() {
            let Some(spec) = chain_spec::spec(fork, test.get("config"), &test["pre"]) else {
                tally.failures.push(format!("{name} {case}: unknown fork {fork}"));
                continue;
            };
            for (index, post) in posts.as_array().unwrap().iter().enumerate() {
                match run_case(&spec, &pre, &test, post) {
                    Ok(()) => tally.passed += 1,
                    Err(reason) => tally.failures.push(format!("{name} {case} {fork}/{index}: {reason}")),
                }
            }
        }
    }
    tally
}

fn run_case(spec: &ChainSpec, pre: &MemoryState, test: &Value, post: &Value) -> Result<(), String> {
    let header = header(spec, &test["env"]);
    let refused = post.get("expectException").is_some();
    // A miner without a reward is still touched, which showed before EIP-158. The suites disagree on whether a
    // block whose only transaction was refused has a miner: for execution-spec-tests it has none.
    let miner = !(refused && test["_info"].get("fixture-format").is_some());
    let reward = [(header.beneficiary, U256::ZERO)];
    let reward = if miner { &reward[..] } else { &[] };
    let (verdict, output) = match transaction(&test["transaction"], post) {
        Ok((tx, sender)) => {
            let run = execute_transaction(spec, pre.clone(), &header, &tx, sender, reward);
            let (verdict, output) = run.map_err(|error| error.to_string())?;
            (verdict.map_err(|error| error.to_string()), output)
        }
        // What cannot be decoded is refused before any state is seen.
        Err(reason) if refused => {
            let mut after = pre.clone();
            if miner && spec.hardfork(&header) < Hardfork::SpuriousDragon {
                after.accounts.entry(header.beneficiary).or_default();
            }
            return check_root(&after, post).map_err(|error| format!("{error} ({reason})"));
        }
        Err(reason) => return Err(reason),
    };
    match verdict {
        Ok(()) if refused => return Err(format!("accepted, expected {}", post["expectException"])),
        Err(reason) if !refused => return Err(format!("refused: {reason}")),
        _ => {}
    }
    let logs: Vec<Log> = output.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect();
    let logs_hash = keccak256(rlp::encode(&logs));
    if logs_hash != hash(&post["logs"]) {
        return Err(format!("logs hash {logs_hash}, expected {}", post["logs"]));
    }
    let mut after = pre.clone();
    after.apply(output.changes);
    check_root(&after, post)
}

fn check_root(state: &MemoryState, post: &Value) -> Result<(), String> {
    let root = state.root();
    if root == hash(&post["hash"]) { Ok(()) } else { Err(format!("state root {root}, expected {}", post["hash"])) }
}

fn header(spec: &ChainSpec, env: &Value) -> Header {
    let field = |key: &str| env.get(key).map(|value| integer(value).unwrap());
    let time = field("currentTimestamp").unwrap().to::<u64>();
    let mut header = Header {
        parent_hash: env.get("previousHash").map(hash).unwrap_or_default(),
        number: field("currentNumber").unwrap().to(),
        timestamp: time,
        beneficiary: env["currentCoinbase"].as_str().unwrap().parse().unwrap(),
        gas_limit: field("currentGasLimit").unwrap().saturating_to(),
        base_fee_per_gas: field("currentBaseFee").map(|fee| fee.to()),
        excess_blob_gas: field("currentExcessBlobGas").map(|gas| gas.to()).or(Some(0)),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    // A specification with Paris looks at the difficulty to see whether the block is past the merge.
    if spec.terminal_total_difficulty().is_some() {
        header.mix_hash = field("currentRandom").unwrap_or_default().into();
    } else {
        header.difficulty = field("currentDifficulty").unwrap();
        if spec.hardfork(&header) < Hardfork::London {
            header.base_fee_per_gas = None;
        }
    }
    header
}

/// The transaction of a case: from its bytes where the suite has them, else from its fields.
fn transaction(tx: &Value, post: &Value) -> Result<(Transaction, Address), String> {
    if let Some(encoded) = post.get("txbytes") {
        let tx = Transaction::decode_2718_exact(&bytes(encoded)?).map_err(|error| error.to_string())?;
        let sender = tx.recover_signer_unchecked().map_err(|error| error.to_string())?;
        return Ok((tx, sender));
    }
    let pick = |key: &str, index: &str| {
        let index = post["indexes"][index].as_u64().unwrap() as usize;
        &tx[key][index]
    };
    let small = |value: &Value| integer(value)?.try_into().map_err(|_| format!("{value} is too large"));
    let to = tx["to"].as_str().unwrap_or_default();
    let legacy = TxLegacy {
        chain_id: None,
        nonce: small(&tx["nonce"])?,
        gas_price: integer(&tx["gasPrice"])?.try_into().map_err(|_| "gas price is too large".to_owned())?,
        gas_limit: small(pick("gasLimit", "gas"))?,
        to: if to.is_empty() { TxKind::Create } else { TxKind::Call(to.parse().unwrap()) },
        value: integer(pick("value", "value"))?,
        input: bytes(pick("data", "data"))?,
    };
    let sender = tx["sender"].as_str().expect("old tests name the sender").parse().unwrap();
    // The sender is known, so any signature that is well-formed will do.
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    Ok((legacy.into_signed(signature).into(), sender))
}

/// The accounts of `pre`.
pub fn state(pre: &Value) -> MemoryState {
    let mut state = MemoryState::default();
    for (address, account) in pre.as_object().unwrap() {
        let slots = account["storage"].as_object().unwrap().iter();
        let slots = slots.map(|(slot, value)| (parse(slot).unwrap(), integer(value).unwrap()));
        state.insert(
            address.parse().unwrap(),
            integer(&account["nonce"]).unwrap().to(),
            integer(&account["balance"]).unwrap(),
            bytes(&account["code"]).unwrap(),
            slots.filter(|(_, value)| !value.is_zero()).collect(),
        );
    }
    state
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

/// Bytes from their hexadecimal form.
pub fn bytes(value: &Value) -> Result<Bytes, String> {
    let text = value.as_str().unwrap();
    hex::decode(text).map(Into::into).map_err(|error| format!("{text}: {error}"))
}

fn integer(value: &Value) -> Result<U256, String> {
    parse(value.as_str().unwrap())
}

fn parse(text: &str) -> Result<U256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(digits, 16).map_err(|error| format!("{text}: {error}"))
}
