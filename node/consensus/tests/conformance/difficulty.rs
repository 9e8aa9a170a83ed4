//! The difficulty tables: ethereum/tests DifficultyTests and BasicTests.

use crate::support::{json, json_files, material, network, number};
use atoll_consensus::difficulty;
use atoll_primitives::{B256, ChainSpec, EthashConfig, Header, U256, consensus::EMPTY_OMMER_ROOT_HASH};
use serde_json::{Value, json};

/// No block has less; rows with less contradict each other in whether the bomb counts, and geth skips them too.
const MIN_DIFFICULTY: u64 = 131_072;

fn check(name: &str, spec: &ChainSpec, case: &Value) {
    if number(&case["parentDifficulty"]) < U256::from(MIN_DIFFICULTY) {
        return;
    }
    let uncles = case.get("parentUncles").map_or(U256::ZERO, number);
    // DifficultyTests say 0 or 1, BasicTests give the hash (one table without its leading zero digit).
    let has_uncles = !uncles.is_zero() && uncles != U256::from_be_bytes(EMPTY_OMMER_ROOT_HASH.0);
    let parent = Header {
        number: number(&case["currentBlockNumber"]).to::<u64>() - 1,
        timestamp: number(&case["parentTimestamp"]).to(),
        difficulty: number(&case["parentDifficulty"]),
        ommers_hash: if has_uncles { B256::repeat_byte(1) } else { EMPTY_OMMER_ROOT_HASH },
        ..Header::default()
    };
    let found = difficulty(spec, &EthashConfig::default(), number(&case["currentTimestamp"]).to(), &parent);
    assert_eq!(found, number(&case["currentDifficulty"]), "{name}");
}

#[test]
fn tables_by_fork() {
    let Some(folder) = material("ethereum-tests/DifficultyTests") else { return };
    let mut cases = 0;
    for path in json_files(&folder) {
        for test in json(&path).as_object().unwrap().values() {
            for (fork, table) in test.as_object().unwrap().iter().filter(|(key, _)| *key != "_info") {
                let spec = network(fork);
                for (name, case) in table.as_object().unwrap() {
                    check(name, &spec, case);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 11_000, "{cases} cases");
}

fn custom(forks: &[(&str, u64)]) -> ChainSpec {
    let mut config = json!({"chainId": 1});
    for (key, block) in forks {
        config[*key] = json!(block);
    }
    let genesis = json!({"config": config, "difficulty": "0x20000", "gasLimit": "0x1388", "alloc": {}});
    ChainSpec::from_json(&genesis.to_string()).unwrap()
}

#[test]
fn tables_of_networks() {
    let Some(folder) = material("ethereum-tests/BasicTests") else { return };
    let mainnet = custom(&[
        ("homesteadBlock", 1_150_000),
        ("eip150Block", 2_463_000),
        ("eip158Block", 2_675_000),
        ("byzantiumBlock", 4_370_000),
    ]);
    let ropsten = custom(&[
        ("homesteadBlock", 0),
        ("eip150Block", 0),
        ("eip158Block", 10),
        ("byzantiumBlock", 1_700_000),
        ("constantinopleBlock", 4_230_000),
    ]);
    let tables = [
        ("difficulty.json", &mainnet),
        ("difficultyMainNetwork.json", &mainnet),
        ("difficultyCustomMainNetwork.json", &mainnet),
        ("difficultyRopsten.json", &ropsten),
        ("difficultyCustomHomestead.json", &network("Homestead")),
    ];
    for (file, spec) in tables {
        for (name, case) in json(&folder.join(file)).as_object().unwrap() {
            check(&format!("{file} {name}"), spec, case);
        }
    }
}

#[test]
fn older_tables_by_fork() {
    let Some(folder) = material("ethereum-legacytests/BasicTests") else { return };
    let tables = [
        ("difficultyFrontier.json", "Frontier"),
        ("difficultyHomestead.json", "Homestead"),
        ("difficultyByzantium.json", "Byzantium"),
        ("difficultyConstantinople.json", "Constantinople"),
        ("difficultyEIP2384.json", "MuirGlacier"),
        ("difficultyEIP2384_random.json", "MuirGlacier"),
        ("difficultyEIP2384_random_to20M.json", "MuirGlacier"),
    ];
    for (file, fork) in tables {
        let spec = network(fork);
        for (name, case) in json(&folder.join(file)).as_object().unwrap() {
            check(&format!("{file} {name}"), &spec, case);
        }
    }
}
