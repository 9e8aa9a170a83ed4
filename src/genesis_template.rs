//! A new genesis file from flags: proof of work under the current forks.

use crate::{accounts, cli::up::TemplateArgs};
use alloy_primitives::{Address, Bytes, U256, address, bytes};
use atoll_primitives::eips::{eip2935, eip4788, eip7002, eip7251};
use serde_json::{Map, Value, json};

/// Bytes of the ethash dataset of new private chains: a laptop makes it at once.
const DATASET_SIZE: u64 = 1 << 20;

/// The deterministic deployment proxy that Foundry and Hardhat use for CREATE2.
const CREATE2_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
static CREATE2_DEPLOYER_CODE: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// Forks of block 0, then forks of time 0, in order.
const BLOCK_FORKS: [&str; 12] = [
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
    "arrowGlacierBlock",
];
const TIME_FORKS: [&str; 4] = ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime"];

/// The genesis JSON, pretty-printed.
///
/// # Errors
/// When the mnemonic is not valid.
pub fn render(args: &TemplateArgs, network_id: Option<u64>) -> Result<String, accounts::AccountError> {
    let mut config = Map::new();
    config.insert("chainId".into(), args.chain_id.into());
    if let Some(id) = network_id.filter(|id| *id != args.chain_id) {
        config.insert("networkId".into(), id.into());
    }
    for fork in BLOCK_FORKS.iter().chain(&["grayGlacierBlock"]).chain(&TIME_FORKS) {
        config.insert((*fork).into(), 0.into());
    }
    config.insert("ethash".into(), json!({ "datasetSize": DATASET_SIZE, "blockTime": args.block_time }));
    config.insert("blobSchedule".into(), blob_schedule());
    let genesis = json!({
        "config": config,
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": Bytes::from_static(b"atoll"),
        "gasLimit": U256::from(args.gas_limit),
        "difficulty": U256::from(args.difficulty),
        "mixHash": alloy_primitives::B256::ZERO,
        "coinbase": Address::ZERO,
        "alloc": alloc(args)?,
    });
    // A `Value` with string keys always serialises.
    Ok(format!("{genesis:#}\n"))
}

/// EIP-7840: target, maximum and update fraction of each fork.
fn blob_schedule() -> Value {
    json!({
        "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477 },
        "prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716 },
        "osaka": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716 },
    })
}

fn alloc(args: &TemplateArgs) -> Result<Value, accounts::AccountError> {
    let wei = U256::from(args.balance) * U256::from(10).pow(U256::from(18));
    let mut alloc = Map::new();
    for (address, code) in [
        (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
        (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
        (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
        (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
        (CREATE2_DEPLOYER, &CREATE2_DEPLOYER_CODE),
    ] {
        alloc.insert(address.to_string(), json!({ "nonce": "0x1", "balance": "0x0", "code": code }));
    }
    let development = accounts::derive_many(&args.mnemonic, args.accounts)?;
    for address in development.iter().map(|account| account.address).chain(args.fund.iter().copied()) {
        alloc.insert(address.to_string(), json!({ "balance": wei }));
    }
    Ok(Value::Object(alloc))
}
