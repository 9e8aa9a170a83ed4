//! Keys: web3 key stores (KeyStoreTests), and addresses and signed transactions of known keys
//! (BasicTests/keyaddrtest, txtest).

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Recorder, Suite,
    chains::explain,
    json::{Fields, bytes},
};
use alloy_signer_local::PrivateKeySigner;
use atoll_primitives::{
    Address, B256, SignerRecoverable, Transaction, TransactionExt, U256, eip2718::Decodable2718, keccak256,
};
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "keys", discover };

type Known = fn(&File) -> bool;
type Case = fn(&Value) -> Result<(), Reason>;

fn discover(files: &mut Files) -> Vec<Job> {
    let formats: [(Known, Case); 3] = [
        (|file| file.path.contains("KeyStoreTests/") && file.name().ends_with(".json"), key_store),
        (|file| file.name() == "keyaddrtest.json", address),
        (|file| file.name() == "txtest.json", signed_transaction),
    ];
    let mut jobs = Vec::new();
    for (known, case) in formats {
        for file in files.take(known) {
            let contents = file.clone();
            // Deriving a key of a key store is slow on purpose.
            let job = Job::new(super::row(&file.path), &file, move |recorder| run(&contents, case, recorder));
            jobs.push(job.weighing(20 << 20));
        }
    }
    jobs
}

/// An object of named cases, or a list.
fn run(file: &File, case: Case, recorder: &mut Recorder<'_>) {
    let value = file.text().and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    let cases: Map<String, Value> = match value {
        Ok(Value::Object(cases)) => cases,
        Ok(Value::Array(list)) => list.into_iter().enumerate().map(|(index, case)| (index.to_string(), case)).collect(),
        Ok(other) => return recorder.record("-", "-", Err(format!("{other} holds no cases"))),
        Err(reason) => return recorder.record("-", "-", Err(reason)),
    };
    for (name, value) in &cases {
        recorder.record("-", name, guarded(|| case(value)));
    }
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, found: T, expected: T) -> Result<(), Reason> {
    if found == expected { Ok(()) } else { Err(format!("{what} {found}, expected {expected}")) }
}

fn signer(case: &Value, key: &str) -> Result<PrivateKeySigner, Reason> {
    PrivateKeySigner::from_bytes(&case.hash(key)?).map_err(|error| error.to_string())
}

/// The code of `atoll account import`.
fn key_store(case: &Value) -> Result<(), Reason> {
    let folder = crate::chains::temporary_folder()?;
    let path = folder.path().join("keystore.json");
    std::fs::write(&path, case.at("json")?.to_string()).map_err(|error| error.to_string())?;
    let found = atoll_node::keystore::decrypt(&path, case.text("password")?).map_err(|error| explain(&error))?;
    same("key", found.to_bytes(), case.hash("priv")?)
}

/// A key from a seed, and its address. The signature beside them is over a hash that the file does not name.
fn address(case: &Value) -> Result<(), Reason> {
    let (signer, expected) = (signer(case, "key")?, case.address("addr")?);
    same("key", keccak256(case.text("seed")?), case.hash("key")?)?;
    same("address", signer.address(), expected)
}

/// The signed bytes decode to the fields, and their sender is the key's.
fn signed_transaction(case: &Value) -> Result<(), Reason> {
    let encoded = bytes(case.text("signed")?)?;
    let tx = Transaction::decode_2718_exact(&encoded).map_err(|error| error.to_string())?;
    let sender: Address = tx.recover_signer_unchecked().map_err(|error| error.to_string())?;
    same("sender", sender, signer(case, "key")?.address())?;
    same("nonce", tx.nonce(), case.small("nonce")?)?;
    same("gas limit", tx.gas_limit(), case.small("startgas")?)?;
    same("gas price", U256::from(tx.gas_price().unwrap_or_default()), case.number("gasprice")?)?;
    same("value", tx.value(), case.number("value")?)?;
    same("data", tx.input().clone(), case.bytes("data")?)?;
    let to = case.text("to")?;
    let expected = (!to.is_empty()).then(|| case.address("to")).transpose()?;
    if tx.to() != expected {
        return Err(format!("recipient {:?}, expected {expected:?}", tx.to()));
    }
    same("hash", *tx.tx_hash(), B256::from(keccak256(&encoded)))
}
