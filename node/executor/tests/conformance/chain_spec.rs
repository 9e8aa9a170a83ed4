//! The chain specification for a network name, where a test gives accounts and no genesis block.

use crate::fork::{self, number};
use atoll_primitives::ChainSpec;
use serde_json::{Map, Value, json};

/// The specification of a network; `None` for an unknown name. Of the accounts, `pre`, it keeps those that matter to
/// rules: the ones with storage but without code.
pub fn spec(network: &str, config: Option<&Value>, pre: &Value) -> Option<ChainSpec> {
    let config = fork::config(network, config)?;
    let genesis = json!({ "config": config, "gasLimit": "0x1000000", "difficulty": "0x1", "alloc": bare(pre) });
    Some(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

fn bare(pre: &Value) -> Map<String, Value> {
    let word = |text: &str| format!("0x{:0>64}", text.trim_start_matches("0x"));
    let accounts = pre.as_object().unwrap().iter().filter(|(_, account)| account["code"] == "0x");
    let accounts = accounts.filter(|(_, account)| number(&account["nonce"]) == 0);
    let entries = accounts.filter_map(|(address, account)| {
        let slots = account["storage"].as_object().unwrap().iter();
        let slots: Map<_, _> = slots.map(|(slot, value)| (word(slot), json!(word(value.as_str().unwrap())))).collect();
        (!slots.is_empty()).then(|| (address.clone(), json!({ "balance": "0x0", "storage": slots })))
    });
    entries.collect()
}
