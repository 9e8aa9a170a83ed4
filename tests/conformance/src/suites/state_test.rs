//! The format of GeneralStateTests: one transaction over a state, for several forks and argument combinations. It goes
//! through the executor.

use super::fixtures::guarded;
use crate::{
    Reason, Recorder, exceptions,
    json::{self, Fields},
    memory::MemoryState,
    network,
    rule::{self, Rule},
};
use atoll_executor::execute_transaction;
use atoll_primitives::{
    Address, B256, ChainSpec, Hardfork, Header, Log, SignerRecoverable, Transaction, U256,
    consensus::{SignableTransaction, TxLegacy},
    eip2718::Decodable2718,
    keccak256,
    primitives::{Signature, TxKind},
    rlp,
};
use serde_json::{Map, Value, json};

/// Runs all forks and combinations of a test.
pub fn run(name: &str, test: &Value, recorder: &mut Recorder<'_>) {
    let read = || Ok((MemoryState::read(test.at("pre")?)?, test.object("post")?));
    let (pre, posts) = match read() {
        Ok(read) => read,
        Err(reason) => return recorder.record("-", name, Err(reason)),
    };
    for (fork, posts) in posts {
        let spec = bare(test).and_then(|alloc| network::spec(fork, test.get("config"), &alloc));
        for (index, post) in posts.as_array().into_iter().flatten().enumerate() {
            let outcome = guarded(|| run_case(spec.as_ref().map_err(Clone::clone)?, &pre, test, post));
            recorder.record(fork, &format!("{name} {index}"), outcome);
        }
    }
}

/// Of the accounts those that matter to rules (EIP-7610): the ones with storage but neither nonce nor code.
fn bare(test: &Value) -> Result<Map<String, Value>, Reason> {
    let mut alloc = Map::new();
    for (address, account) in test.object("pre")? {
        let slots = account.object("storage")?;
        if slots.is_empty() || !account.bytes("code")?.is_empty() || !account.number("nonce")?.is_zero() {
            continue;
        }
        let mut storage = Map::new();
        for (slot, value) in slots {
            let value = B256::from(json::number(value)?);
            storage.insert(json::word(slot)?.as_str().unwrap_or_default().to_owned(), json!(value));
        }
        alloc.insert(address.clone(), json!({ "balance": "0x0", "storage": storage }));
    }
    Ok(alloc)
}

fn run_case(spec: &ChainSpec, pre: &MemoryState, test: &Value, post: &Value) -> Result<(), Reason> {
    let header = header(spec, test.at("env")?)?;
    let exception = post.get("expectException").and_then(Value::as_str);
    // A miner without a reward is still touched, which showed before EIP-158. The suites disagree on whether a
    // block whose only transaction was refused has a miner: for execution-spec-tests it has none.
    let from_eest = test.get("_info").is_some_and(|info| info.get("fixture-format").is_some());
    let miner = exception.is_none() || !from_eest;
    let reward = [(header.beneficiary, U256::ZERO)];
    let reward = if miner { &reward[..] } else { &[] };
    let (tx, sender) = match transaction(test.at("transaction")?, post) {
        Ok(decoded) => decoded,
        Err(refusal) => {
            // What cannot be decoded is refused before any state is seen.
            judge(Err(refusal), exception)?;
            let mut after = pre.clone();
            if miner && spec.hardfork(&header) < Hardfork::SpuriousDragon {
                after.accounts.entry(header.beneficiary).or_default();
            }
            return check_root(&after, post);
        }
    };
    let run = execute_transaction(spec, pre.clone(), &header, &tx, sender, reward);
    let (verdict, output) = run.map_err(|error| error.to_string())?;
    judge(verdict.map_err(|error| (rule::of_transaction(&error), error.to_string())), exception)?;
    let logs: Vec<Log> = output.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect();
    let (logs_hash, expected) = (keccak256(rlp::encode(&logs)), post.hash("logs")?);
    if logs_hash != expected {
        return Err(format!("logs hash {logs_hash}, expected {expected}"));
    }
    let mut after = pre.clone();
    after.apply(output.changes)?;
    check_root(&after, post)
}

/// Whether the verdict is the one expected, for the reason expected.
fn judge(verdict: Result<(), (Rule, String)>, exception: Option<&str>) -> Result<(), Reason> {
    match (verdict, exception) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(expected)) => Err(format!("accepted, expected {expected}")),
        (Err((_, text)), None) => Err(format!("refused: {text}")),
        (Err((rule, text)), Some(expected)) => {
            exceptions::check(expected, rule).map_err(|reason| format!("{reason} ({text})"))
        }
    }
}

fn check_root(state: &MemoryState, post: &Value) -> Result<(), Reason> {
    let (root, expected) = (state.root(), post.hash("hash")?);
    if root == expected { Ok(()) } else { Err(format!("state root {root}, expected {expected}")) }
}

fn header(spec: &ChainSpec, env: &Value) -> Result<Header, Reason> {
    let field = |key: &str| env.get(key).map(|_| env.number(key)).transpose();
    let small = |key: &str| env.get(key).map(|_| env.small(key)).transpose();
    let mut header = Header {
        parent_hash: env.get("previousHash").map_or(Ok(B256::ZERO), |_| env.hash("previousHash"))?,
        number: env.small("currentNumber")?,
        timestamp: env.small("currentTimestamp")?,
        beneficiary: env.address("currentCoinbase")?,
        gas_limit: env.number("currentGasLimit")?.saturating_to(),
        base_fee_per_gas: small("currentBaseFee")?,
        excess_blob_gas: small("currentExcessBlobGas")?.or(Some(0)),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    // A specification with Paris looks at the difficulty to see whether the block is past the merge.
    if spec.terminal_total_difficulty().is_some() {
        header.mix_hash = field("currentRandom")?.unwrap_or_default().into();
    } else {
        header.difficulty = env.number("currentDifficulty")?;
        if spec.hardfork(&header) < Hardfork::London {
            header.base_fee_per_gas = None;
        }
    }
    Ok(header)
}

/// The transaction of a case: from its bytes where the suite has them, else from its fields.
fn transaction(tx: &Value, post: &Value) -> Result<(Transaction, Address), (Rule, Reason)> {
    let decode = |reason: Reason| (Rule::Decode, reason);
    if post.get("txbytes").is_some() {
        let bytes = post.bytes("txbytes").map_err(decode)?;
        let tx = Transaction::decode_2718_exact(&bytes)
            .map_err(|error| (rule::of_undecodable_transaction(&bytes), error.to_string()))?;
        let sender = tx.recover_signer_unchecked().map_err(|error| (Rule::Signature, error.to_string()))?;
        return Ok((tx, sender));
    }
    legacy(tx, post).map_err(decode)
}

/// The oldest tests are of legacy transactions, and name the sender.
fn legacy(tx: &Value, post: &Value) -> Result<(Transaction, Address), Reason> {
    let pick = |key: &str, index: &str| {
        let index = usize::try_from(post.at("indexes")?.small(index)?).unwrap_or(usize::MAX);
        tx.list(key)?.get(index).ok_or_else(|| format!("`{key}` has no entry {index}"))
    };
    let to = tx.text("to")?;
    let gas_price = tx.number("gasPrice")?;
    let gas_limit = json::number(pick("gasLimit", "gas")?)?;
    let data = pick("data", "data")?;
    let legacy = TxLegacy {
        chain_id: None,
        nonce: tx.small("nonce")?,
        gas_price: gas_price.try_into().map_err(|_| format!("gas price {gas_price} is too large"))?,
        gas_limit: gas_limit.try_into().map_err(|_| format!("gas limit {gas_limit} is too large"))?,
        to: if to.is_empty() { TxKind::Create } else { TxKind::Call(tx.address("to")?) },
        value: json::number(pick("value", "value")?)?,
        input: json::bytes(data.as_str().ok_or("`data` is no text")?)?,
    };
    // The sender is known, so any signature that is well-formed will do.
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    Ok((legacy.into_signed(signature).into(), tx.address("sender")?))
}
