//! Besu's way of writing a genesis file, turned into geth's before it is read. It must not know what the keys mean to
//! a chain, except for the one fork that the two read differently.

use serde_json::{Map, Value, json};

/// Keys of `config` that Besu spells differently.
const SPELLINGS: [(&str, &str); 3] =
    [("chainID", "chainId"), ("networkID", "networkId"), ("constantinopleFixBlock", "petersburgBlock")];
/// Remarks in an account that mean nothing to a chain.
const REMARKS: [&str; 2] = ["comment", "privateKey"];

/// Rewrites the file. `false` if there was nothing to rewrite.
pub(crate) fn to_geth(file: &mut Value) -> bool {
    let mut changed = file.get_mut("config").and_then(Value::as_object_mut).is_some_and(config);
    for account in file.get_mut("alloc").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        changed |= account.as_object_mut().is_some_and(self::account);
    }
    changed
}

fn config(config: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for (besu, geth) in SPELLINGS {
        if !config.contains_key(geth)
            && let Some(value) = config.remove(besu)
        {
            config.insert(geth.to_owned(), value);
            changed = true;
        }
    }
    // A file without Petersburg stays with Constantinople in Besu, and gets both at once in geth. This key is Besu's own.
    let besu = config.contains_key("contractSizeLimit");
    if besu && config.contains_key("constantinopleBlock") && !config.contains_key("petersburgBlock") {
        config.insert("petersburgBlock".to_owned(), json!(u64::MAX));
        changed = true;
    }
    changed
}

fn account(account: &mut Map<String, Value>) -> bool {
    let before = account.len();
    account.retain(|key, _| !REMARKS.contains(&key.as_str()));
    let mut changed = account.len() < before;
    // An account of a contract often has no balance.
    if !account.contains_key("balance") {
        account.insert("balance".to_owned(), json!("0x0"));
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use crate::{ChainSpec, Hardfork};
    use serde_json::json;

    #[test]
    fn besus_spelling_remarks_and_missing_balances_are_read() {
        let file = json!({
            "config": { "chainID": 1982, "networkID": 7, "londonBlock": 3, "ethash": { "fixeddifficulty": 15 } },
            "difficulty": "0xf", "gasLimit": "0x100000000",
            "alloc": { "1000000000000000000000000000000000000000": {
                "comment": "a contract", "privateKey": "none", "code": "0x00", "storage": { "0x03": "0x07" }
            } },
        });
        let spec = ChainSpec::from_json(&file.to_string()).unwrap();
        assert_eq!((spec.chain_id, spec.network_id), (1982, 7));
        let active = |fork, number| spec.is_active(fork, number, 0);
        assert!(!active(Hardfork::Homestead, 2) && active(Hardfork::Homestead, 3) && active(Hardfork::London, 3));
    }

    #[test]
    fn besu_without_petersburg_stays_with_constantinople() {
        let spec = |size_limit: bool| {
            let mut file = json!({
                "config": { "chainId": 2018, "byzantiumBlock": 0, "constantinopleBlock": 5, "ethash": {} },
                "difficulty": "0x10000", "gasLimit": "0x1fffffffffffff", "alloc": {},
            });
            if size_limit {
                file["config"]["contractSizeLimit"] = json!(2147483647);
            }
            ChainSpec::from_json(&file.to_string()).unwrap()
        };
        assert!(spec(false).is_active(Hardfork::Petersburg, 5, 0));
        assert!(!spec(true).is_active(Hardfork::Petersburg, 1 << 40, 0));
        assert!(spec(true).is_active(Hardfork::Constantinople, 5, 0));
        let next = |size_limit| spec(size_limit).fork_id(Default::default(), 5, 0).next;
        assert_eq!((next(false), next(true)), (0, 0), "a fork that never starts is not announced");
    }
}
