//! The format of TransactionTests: the bytes of a transaction, and for each fork its sender, hash and intrinsic gas, or
//! why it is none. It is decoded, its sender recovered, and run by the executor for a sender who can pay it.

use super::fixtures::guarded;
use crate::{
    Reason, Recorder, Skip, exceptions,
    json::Fields,
    memory::{Entry, MemoryState},
    network,
    rule::{self, Rule},
};
use atoll_executor::execute_transaction;
use atoll_primitives::{
    Account, Address, ChainSpec, Header, SignerRecoverable, Transaction, TransactionExt, U256, eip2718::Decodable2718,
    primitives::KECCAK256_EMPTY,
};
use serde_json::{Map, Value};

/// Above any gas limit in the tests: there is no block that it would have to fit into.
const BLOCK_GAS: u64 = u64::MAX;

/// Runs a test for every fork it names.
pub fn run(name: &str, test: &Value, recorder: &mut Recorder<'_>) {
    let results = match test.object("result") {
        Ok(results) => results,
        Err(reason) => return recorder.record("-", name, Err(reason)),
    };
    for (fork, result) in results {
        let wide = || matches!(decode(test), Err((Rule::WideFee, _)));
        if result.get("exception").is_none() && wide() {
            recorder.skip(fork, name, Skip::WideFee);
        } else {
            recorder.record(fork, name, guarded(|| run_case(test, fork, result)));
        }
    }
}

fn run_case(test: &Value, fork: &str, result: &Value) -> Result<(), Reason> {
    let spec = network::spec(fork, test.get("config"), &Map::new())?;
    let exception = result.get("exception").and_then(Value::as_str);
    let verdict = decode(test).and_then(|(tx, sender)| Ok((execute(&spec, &tx, sender)?, tx, sender)));
    let ((), tx, sender) = match (verdict, exception) {
        (Ok(_), Some(expected)) => return Err(format!("accepted, expected {expected}")),
        (Err((_, text)), None) => return Err(format!("refused: {text}")),
        (Err((rule, text)), Some(expected)) => {
            return exceptions::check(expected, rule).map_err(|reason| format!("{reason} ({text})"));
        }
        (Ok(accepted), None) => accepted,
    };
    if sender != result.address("sender")? {
        return Err(format!("sender {sender}, expected {}", result["sender"]));
    }
    if *tx.tx_hash() != result.hash("hash")? {
        return Err(format!("hash {}, expected {}", tx.tx_hash(), result["hash"]));
    }
    intrinsic_gas(&spec, &tx, sender, result.small("intrinsicGas")?)
}

fn decode(test: &Value) -> Result<(Transaction, Address), (Rule, Reason)> {
    let bytes = test.bytes("txbytes").map_err(|reason| (Rule::Decode, reason))?;
    let tx = Transaction::decode_2718_exact(&bytes)
        .map_err(|error| (rule::of_undecodable_transaction(&bytes), error.to_string()))?;
    let sender = tx.recover_signer_unchecked().map_err(|error| (Rule::Signature, error.to_string()))?;
    Ok((tx, sender))
}

fn header(spec: &ChainSpec) -> Header {
    let merged = spec.terminal_total_difficulty().is_some();
    Header {
        number: 1,
        timestamp: 1,
        gas_limit: BLOCK_GAS,
        difficulty: U256::from(u8::from(!merged)),
        base_fee_per_gas: spec.condition(atoll_primitives::Hardfork::London).active_at_block(1).then_some(0),
        excess_blob_gas: Some(0),
        ..Header::default()
    }
}

/// Whether the transaction may stand in a block of a chain where its sender has all the ether there can be.
fn execute(spec: &ChainSpec, tx: &Transaction, sender: Address) -> Result<(), (Rule, Reason)> {
    let account = Account { nonce: tx.nonce(), balance: U256::MAX, code_hash: KECCAK256_EMPTY };
    let mut state = MemoryState::default();
    state.code.insert(KECCAK256_EMPTY, Default::default());
    state.accounts.insert(sender, Entry { account, ..Entry::default() });
    let (verdict, _) = execute_transaction(spec, state, &header(spec), tx, sender, &[])
        .map_err(|error| (Rule::Internal, error.to_string()))?;
    verdict.map_err(|error| (rule::of_transaction(&error), error.to_string()))
}

/// The intrinsic gas is the least gas limit that is not refused for it.
fn intrinsic_gas(spec: &ChainSpec, tx: &Transaction, sender: Address, expected: u64) -> Result<(), Reason> {
    let verdict = |gas| match execute(spec, &with_gas(tx, gas)?, sender) {
        Err((Rule::IntrinsicGas, _)) => Ok(false),
        // The floor of EIP-7623 is above it, and another rule.
        Err((Rule::FloorDataGas, _)) => Ok(true),
        Err((rule, text)) => Err(format!("with {gas} gas refused by {rule:?}: {text}")),
        Ok(()) => Ok(true),
    };
    match (verdict(expected - 1)?, verdict(expected)?) {
        (false, true) => Ok(()),
        (enough, _) => Err(format!("intrinsic gas is {} {expected}", if enough { "below" } else { "above" })),
    }
}

/// The transaction with another gas limit; its signature no longer fits, but the sender is known.
fn with_gas(tx: &Transaction, gas: u64) -> Result<Transaction, Reason> {
    use atoll_primitives::consensus::SignableTransaction as _;
    let signature = *tx.signature();
    macro_rules! changed {
        ($signed:expr) => {{
            let mut inner = $signed.tx().clone();
            inner.gas_limit = gas;
            Ok(inner.into_signed(signature).into())
        }};
    }
    match tx {
        Transaction::Legacy(signed) => changed!(signed),
        Transaction::Eip2930(signed) => changed!(signed),
        Transaction::Eip1559(signed) => changed!(signed),
        Transaction::Eip4844(signed) => changed!(signed),
        Transaction::Eip7702(signed) => changed!(signed),
    }
}
