//! Chain specifications for the fork names that test suites use.

use atoll_primitives::ChainSpec;
use serde_json::{Map, Value, json};

/// Keys in the order of the forks, with the names suites give the fork that each one starts.
const BLOCKS: [(&str, &[&str]); 12] = [
    ("", &["Frontier"]),
    ("homesteadBlock", &["Homestead"]),
    ("eip150Block", &["EIP150"]),
    ("eip158Block", &["EIP158"]),
    ("byzantiumBlock", &["Byzantium"]),
    ("constantinopleBlock", &["Constantinople"]),
    ("petersburgBlock", &["ConstantinopleFix"]),
    ("istanbulBlock", &["Istanbul"]),
    ("berlinBlock", &["Berlin"]),
    ("londonBlock", &["London"]),
    ("terminalTotalDifficulty", &["Paris", "Merge"]),
    ("shanghaiTime", &["Shanghai"]),
];
const TIMES: [(&str, &[&str]); 3] =
    [("cancunTime", &["Cancun"]), ("pragueTime", &["Prague"]), ("osakaTime", &["Osaka"])];

/// The specification in which every fork up to `name` starts at once; `None` for an unknown name.
pub fn spec(name: &str, config: Option<&Value>) -> Option<ChainSpec> {
    let forks: Vec<(&str, &[&str])> = BLOCKS.into_iter().chain(TIMES).collect();
    let last = forks.iter().position(|(_, names)| names.contains(&name))?;
    let mut keys: Map<String, Value> = forks[1..=last].iter().map(|(key, _)| ((*key).to_owned(), json!(0))).collect();
    if name == "Constantinople" {
        // Left out, Petersburg would start together with Constantinople.
        keys.insert("petersburgBlock".into(), json!(u64::MAX));
    }
    let chain_id = config.and_then(|config| config.get("chainid")).map_or(1, number);
    keys.insert("chainId".into(), json!(chain_id));
    if let Some(schedule) = config.and_then(|config| config.get("blobSchedule")?.as_object()) {
        let entries = schedule.iter().map(|(fork, params)| {
            let fields = params.as_object().unwrap().iter().map(|(key, value)| (key.clone(), json!(number(value))));
            (fork.to_lowercase(), Value::Object(fields.collect()))
        });
        keys.insert("blobSchedule".into(), Value::Object(entries.collect()));
    }
    let genesis = json!({ "config": keys, "gasLimit": "0x1000000", "difficulty": "0x1", "alloc": {} });
    Some(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

fn number(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(),
        other => other.as_u64().unwrap(),
    }
}
