//! The `config` of a genesis file for the network names that the suites use.

use crate::{
    Reason,
    json::{Fields, number},
};
use atoll_primitives::ChainSpec;
use serde_json::{Map, Value, json};

/// Keys of a genesis file's `config` in the order of their forks, each with the names that suites give the fork.
const FORKS: [(&str, &[&str]); 24] = [
    ("", &["Frontier"]),
    ("homesteadBlock", &["Homestead"]),
    ("daoForkBlock", &["Dao", "DAOFork"]),
    ("eip150Block", &["EIP150", "TangerineWhistle"]),
    ("eip158Block", &["EIP158", "SpuriousDragon"]),
    ("byzantiumBlock", &["Byzantium"]),
    ("constantinopleBlock", &["Constantinople"]),
    ("petersburgBlock", &["ConstantinopleFix", "Petersburg", "StPetersburg"]),
    ("istanbulBlock", &["Istanbul"]),
    ("muirGlacierBlock", &["MuirGlacier", "EIP2384"]),
    ("berlinBlock", &["Berlin"]),
    ("londonBlock", &["London"]),
    ("arrowGlacierBlock", &["ArrowGlacier"]),
    ("grayGlacierBlock", &["GrayGlacier"]),
    ("terminalTotalDifficulty", &["Paris", "Merge"]),
    ("shanghaiTime", &["Shanghai"]),
    ("cancunTime", &["Cancun"]),
    ("pragueTime", &["Prague"]),
    ("osakaTime", &["Osaka"]),
    ("bpo1Time", &["BPO1"]),
    ("bpo2Time", &["BPO2"]),
    ("bpo3Time", &["BPO3"]),
    ("bpo4Time", &["BPO4"]),
    ("bpo5Time", &["BPO5"]),
];

/// The `config` of a network's genesis file; `config` is the test's own, with the chain ID and the blob schedule.
///
/// `London` starts every fork up to London at once. `HomesteadToDaoAt5` starts the second at block 5,
/// `CancunToPragueAtTime15k` at second 15,000, `ArrowGlacierToParisAtDiffC0000` at that total difficulty.
///
/// # Errors
/// An unknown name.
pub fn config(network: &str, config: Option<&Value>) -> Result<Map<String, Value>, Reason> {
    let unknown = || format!("the network {network} is not known");
    let (base, transition) = match network.split_once("To") {
        Some((base, rest)) => (base, Some(rest.rsplit_once("At").ok_or_else(unknown)?)),
        None => (network, None),
    };
    let position = |name: &str| FORKS.iter().position(|(_, names)| names.contains(&name)).ok_or_else(unknown);
    let last = position(base)?;
    // The DAO fork is part of mainnet's history, not of the forks that follow it in tests.
    let started = FORKS[1..=last].iter().filter(|(key, _)| *key != "daoForkBlock");
    let mut keys: Map<String, Value> = started.map(|(key, _)| ((*key).to_owned(), json!(0))).collect();
    if let Some((next, at)) = transition {
        let at = start(at).ok_or_else(unknown)?;
        for (key, _) in FORKS.iter().take(position(next)? + 1).skip(last + 1) {
            if *key != "daoForkBlock" || next == "Dao" {
                keys.insert((*key).into(), at.clone());
            }
        }
    }
    if keys.contains_key("constantinopleBlock") && !keys.contains_key("petersburgBlock") {
        // Left out, Petersburg would start together with Constantinople.
        keys.insert("petersburgBlock".into(), json!(u64::MAX));
    }
    keys.insert("daoForkSupport".into(), json!(true));
    let chain_id = config.and_then(|config| config.get("chainid")).map_or(Ok(1), |_| config_chain_id(config))?;
    keys.insert("chainId".into(), json!(chain_id));
    if let Some(schedule) = config.and_then(|config| config.get("blobSchedule")?.as_object()) {
        keys.insert("blobSchedule".into(), blob_schedule(schedule)?);
    }
    Ok(keys)
}

fn config_chain_id(config: Option<&Value>) -> Result<u64, Reason> {
    config.map_or(Ok(1), |config| config.small("chainid"))
}

/// `5`, `Time15k` or `DiffC0000`.
fn start(at: &str) -> Option<Value> {
    if let Some(time) = at.strip_prefix("Time") {
        return Some(json!(time.replace('k', "000").parse::<u64>().ok()?));
    }
    if let Some(difficulty) = at.strip_prefix("Diff") {
        return Some(json!(u64::from_str_radix(difficulty, 16).ok()?));
    }
    Some(json!(at.parse::<u64>().ok()?))
}

fn blob_schedule(schedule: &Map<String, Value>) -> Result<Value, Reason> {
    let mut all = Map::new();
    for (fork, params) in schedule {
        let fields = params.as_object().ok_or_else(|| format!("`blobSchedule.{fork}` is no object"))?;
        let fields = fields.iter().map(|(key, value)| Ok((key.clone(), json!(number(value)?.saturating_to::<u64>()))));
        all.insert(fork.to_lowercase(), Value::Object(fields.collect::<Result<_, Reason>>()?));
    }
    Ok(Value::Object(all))
}

/// The specification of a network over no accounts, for tests that bring no genesis block. `alloc` are those accounts of
/// a genesis file that matter to rules.
///
/// # Errors
/// An unknown name.
pub fn spec(network: &str, config: Option<&Value>, alloc: &Map<String, Value>) -> Result<ChainSpec, Reason> {
    let config = self::config(network, config)?;
    let genesis = json!({ "config": config, "gasLimit": "0x1000000", "difficulty": "0x1", "alloc": alloc });
    ChainSpec::from_json(&genesis.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_forks_start_where() {
        let keys = |name: &str| config(name, None);
        assert_eq!(keys("Berlin").map(|keys| keys["muirGlacierBlock"].clone()), Ok(json!(0)));
        assert!(keys("Istanbul").is_ok_and(|keys| !keys.contains_key("muirGlacierBlock")));
        assert_eq!(keys("Constantinople").map(|keys| keys["petersburgBlock"].clone()), Ok(json!(u64::MAX)));
        let dao = keys("HomesteadToDaoAt5");
        assert!(dao.is_ok_and(|keys| keys["daoForkBlock"] == 5 && keys["homesteadBlock"] == 0));
        let merge = keys("ArrowGlacierToParisAtDiffC0000");
        assert!(
            merge.is_ok_and(|keys| keys["terminalTotalDifficulty"] == 0xC0000 && keys["grayGlacierBlock"] == 0xC0000)
        );
        assert_eq!(keys("BPO2ToBPO3AtTime15k").map(|keys| keys["bpo3Time"].clone()), Ok(json!(15_000)));
        assert!(keys("Atlantis").is_err() && keys("BerlinToAtlantisAt5").is_err() && keys("BerlinToLondon").is_err());
    }
}
