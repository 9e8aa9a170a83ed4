//! The genesis file's `config` for the network names that test suites use.

use serde_json::{Map, Value, json};

/// Keys of a genesis file's `config`, each with the names that suites give the fork it starts.
const FORKS: [(&str, &[&str]); 20] = [
    ("", &["Frontier"]),
    ("homesteadBlock", &["Homestead"]),
    ("daoForkBlock", &["Dao"]),
    ("eip150Block", &["EIP150"]),
    ("eip158Block", &["EIP158"]),
    ("byzantiumBlock", &["Byzantium"]),
    ("constantinopleBlock", &["Constantinople"]),
    ("petersburgBlock", &["ConstantinopleFix"]),
    ("istanbulBlock", &["Istanbul"]),
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
];
/// Blob-parameter forks beyond those, at the end of the same order.
const MORE: [(&str, &[&str]); 2] = [("bpo3Time", &["BPO3"]), ("bpo4Time", &["BPO4"])];

/// The `config` of a network's genesis file; `None` for an unknown name.
///
/// `London` starts every fork up to London at once. `HomesteadToDaoAt5` starts the second at block 5,
/// `CancunToPragueAtTime15k` at second 15,000, `ArrowGlacierToParisAtDiffC0000` at that total difficulty.
pub fn config(network: &str, config: Option<&Value>) -> Option<Map<String, Value>> {
    let (base, transition) = match network.split_once("To") {
        Some((base, rest)) => (base, Some(rest.rsplit_once("At")?)),
        None => (network, None),
    };
    let forks: Vec<(&str, &[&str])> = FORKS.into_iter().chain(MORE).collect();
    let position = |name: &str| forks.iter().position(|(_, names)| names.contains(&name));
    let last = position(base)?;
    // The DAO fork is part of mainnet's history, not of the forks that follow it in tests.
    let started = forks[1..=last].iter().filter(|(key, _)| *key != "daoForkBlock");
    let mut keys: Map<String, Value> = started.map(|(key, _)| ((*key).to_owned(), json!(0))).collect();
    if let Some((next, at)) = transition {
        let at = start(at)?;
        for (key, _) in &forks[last + 1..=position(next)?] {
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
    keys.insert("chainId".into(), json!(config.and_then(|config| config.get("chainid")).map_or(1, number)));
    if let Some(schedule) = config.and_then(|config| config.get("blobSchedule")?.as_object()) {
        keys.insert("blobSchedule".into(), blob_schedule(schedule));
    }
    Some(keys)
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

fn blob_schedule(schedule: &Map<String, Value>) -> Value {
    let entries = schedule.iter().map(|(fork, params)| {
        let fields = params.as_object().unwrap().iter().map(|(key, value)| (key.clone(), json!(number(value))));
        (fork.to_lowercase(), Value::Object(fields.collect()))
    });
    Value::Object(entries.collect())
}

pub fn number(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(),
        other => other.as_u64().unwrap(),
    }
}
