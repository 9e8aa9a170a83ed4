//! The old format of VMTests: one frame of the EVM without a transaction around it, under Frontier's or Homestead's rules.
//!
//! It is run as the transaction that would start this frame, by the executor; the transaction's own gas is taken off.
//! The format's own peculiarity, that inner calls are noted and not made (`callcreates`), no executor of blocks has.

use super::fixtures::guarded;
use crate::{
    Reason, Recorder, Skip,
    json::{self, Fields},
    memory::{Entry, MemoryState},
    network,
};
use atoll_executor::execute_transaction;
use atoll_primitives::{
    Account, Address, Bytes, Header, Log, Transaction, U256,
    consensus::{SignableTransaction, TxLegacy},
    keccak256,
    primitives::{KECCAK256_EMPTY, Signature, TxKind},
    rlp,
};
use serde_json::{Map, Value};

/// The block from which the main network had Homestead's rules.
const HOMESTEAD: u64 = 1_150_000;
/// Gas of a transaction before its data.
const BASE_GAS: u64 = 21_000;

/// Runs a test.
pub fn run(name: &str, test: &Value, recorder: &mut Recorder<'_>) {
    let inner_calls = test.get("callcreates").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
    let fork = match test.at("env").and_then(|env| env.small("currentNumber")) {
        Ok(number) if number >= HOMESTEAD => "Homestead",
        _ => "Frontier",
    };
    if inner_calls {
        recorder.skip(fork, name, Skip::NoSuchCode);
    } else {
        recorder.record(fork, name, guarded(|| run_case(test, fork)));
    }
}

fn run_case(test: &Value, fork: &str) -> Result<(), Reason> {
    let spec = network::spec(fork, None, &Map::new())?;
    let (env, exec) = (test.at("env")?, test.at("exec")?);
    let (target, caller) = (exec.address("address")?, exec.address("caller")?);
    let (gas, value) = (exec.small("gas")?, exec.number("value")?);
    let mut state = MemoryState::read(test.at("pre")?)?;
    prepare(&mut state, target, caller, value, exec.bytes("code")?);
    let data = exec.bytes("data")?;
    let data_gas: u64 = data.iter().map(|byte| if *byte == 0 { 4 } else { 68 }).sum();
    let around = BASE_GAS + data_gas;
    let header = Header {
        number: env.small("currentNumber")?,
        timestamp: env.small("currentTimestamp")?,
        beneficiary: env.address("currentCoinbase")?,
        // The frame sees the block's limit; where its own gas is all of that, the transaction needs a little more.
        gas_limit: env.number("currentGasLimit")?.saturating_to::<u64>().max(gas.saturating_add(around)),
        difficulty: env.number("currentDifficulty")?,
        ..Header::default()
    };
    let tx = TxLegacy {
        nonce: 0,
        gas_price: exec.number("gasPrice")?.try_into().map_err(|_| "the gas price is too large")?,
        gas_limit: gas.saturating_add(around),
        to: TxKind::Call(target),
        value,
        input: data,
        ..TxLegacy::default()
    };
    let tx: Transaction = tx.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into();
    let (verdict, output) =
        execute_transaction(&spec, state.clone(), &header, &tx, caller, &[]).map_err(|error| error.to_string())?;
    verdict.map_err(|error| format!("refused: {error}"))?;
    state.apply(output.changes)?;
    let Some(gas_left) = test.get("gas") else {
        // The frame fails: all of its gas is gone.
        let whole = output.gas_used == gas.saturating_add(around);
        return if whole { Ok(()) } else { Err(format!("gas used {}, expected all", output.gas_used)) };
    };
    let logs: Vec<Log> = output.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect();
    if keccak256(rlp::encode(&logs)) != test.hash("logs")? {
        return Err(format!("{} logs, and others than expected", logs.len()));
    }
    check_storage(&state, test.object("post")?)?;
    check_gas(output.gas_used, gas, around, json::number(gas_left)?)
}

/// The frame's code stands at its address, and who calls it can pay for a transaction. What the transaction transfers is
/// in the account's balance already.
fn prepare(state: &mut MemoryState, target: Address, caller: Address, value: U256, code: Bytes) {
    let code_hash = keccak256(&code);
    state.code.insert(code_hash, code);
    state.code.insert(KECCAK256_EMPTY, Bytes::new());
    let account = &mut state.accounts.entry(target).or_default().account;
    account.code_hash = code_hash;
    account.balance = account.balance.saturating_sub(value);
    let sender = Account { nonce: 0, balance: U256::MAX >> 1, code_hash: KECCAK256_EMPTY };
    state.accounts.insert(caller, Entry { account: sender, ..Entry::default() });
}

fn check_storage(state: &MemoryState, post: &Map<String, Value>) -> Result<(), Reason> {
    let expected = MemoryState::read(&Value::Object(post.clone()))?;
    for (address, entry) in expected.accounts {
        let found = state.accounts.get(&address).map(|entry| entry.slots.clone()).unwrap_or_default();
        if found != entry.slots {
            return Err(format!("storage of {address} is {found:?}, expected {:?}", entry.slots));
        }
    }
    Ok(())
}

/// A transaction refunds up to half of its gas for cleared storage, a frame does not.
fn check_gas(used: u64, gas: u64, around: u64, left: U256) -> Result<(), Reason> {
    let spent = gas.saturating_sub(left.saturating_to()) + around;
    let refunded = spent.checked_sub(used).ok_or_else(|| format!("gas used {used}, expected {spent}"))?;
    let whole = refunded % REFUND == 0 || refunded == spent / 2;
    if whole { Ok(()) } else { Err(format!("gas used {used}, expected {spent} less refunds")) }
}

/// Gas back for a cleared slot; a destroyed contract gives 24,000 back.
const REFUND: u64 = 1_000;
