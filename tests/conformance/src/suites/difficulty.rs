//! Tables of the difficulty formula: DifficultyTests by fork, BasicTests/difficulty* by network or fork.

use crate::{
    File, Files, Job, Reason, Recorder, Suite,
    json::{Fields, number},
    network,
};
use atoll_consensus::difficulty;
use atoll_primitives::{B256, ChainSpec, EthashConfig, Header, U256, consensus::EMPTY_OMMER_ROOT_HASH};
use serde_json::{Map, Value, json};

pub const SUITE: Suite = Suite { name: "difficulty", discover };

/// No block has less (yellow paper, equation 46); rows with less contradict each other in whether the bomb counts, and
/// geth's test leaves them out too. They are no cases.
const MIN_DIFFICULTY: u64 = 131_072;

fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| {
        file.name().ends_with(".json")
            && (file.path.contains("DifficultyTests/")
                || (file.path.contains("BasicTests/") && file.name().starts_with("difficulty")))
    };
    let job = |file: File| {
        let contents = file.clone();
        Job::new(super::row(&file.path), &file, move |recorder| {
            if let Err(reason) = run(&contents, recorder) {
                recorder.record("-", "-", Err(reason));
            }
        })
    };
    files.take(known).into_iter().map(job).collect()
}

fn run(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let tests: Map<String, Value> = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    if file.path.contains("BasicTests/") {
        let (label, spec) = by_file_name(file.name())?;
        return table(&label, &spec, &tests, recorder);
    }
    for test in tests.values() {
        for (fork, rows) in test.as_object().into_iter().flatten().filter(|(key, _)| *key != "_info") {
            let spec = network::spec(fork, None, &Map::new())?;
            table(fork, &spec, rows.as_object().ok_or("a table is no object")?, recorder)?;
        }
    }
    Ok(())
}

fn table(label: &str, spec: &ChainSpec, rows: &Map<String, Value>, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    for (name, row) in rows.iter().filter(|(name, _)| *name != "_info") {
        if row.number("parentDifficulty")? >= U256::from(MIN_DIFFICULTY) && recorder.wants_case(name) {
            recorder.record(label, name, check(spec, row));
        }
    }
    Ok(())
}

fn check(spec: &ChainSpec, row: &Value) -> Result<(), Reason> {
    let uncles = row.get("parentUncles").map_or(Ok(U256::ZERO), number)?;
    // DifficultyTests say 0 or 1, BasicTests give the hash (one table without its leading zero digit).
    let has_uncles = !uncles.is_zero() && uncles != U256::from_be_bytes(EMPTY_OMMER_ROOT_HASH.0);
    let parent = Header {
        number: row.small("currentBlockNumber")?.checked_sub(1).ok_or("the genesis block has no parent")?,
        timestamp: row.small("parentTimestamp")?,
        difficulty: row.number("parentDifficulty")?,
        ommers_hash: if has_uncles { B256::repeat_byte(1) } else { EMPTY_OMMER_ROOT_HASH },
        ..Header::default()
    };
    let found = difficulty(spec, &EthashConfig::default(), row.small("currentTimestamp")?, &parent);
    let expected = row.number("currentDifficulty")?;
    if found == expected { Ok(()) } else { Err(format!("difficulty {found}, expected {expected}")) }
}

/// Public networks of the time of the tables, with the blocks their forks started at.
const NETWORKS: [(&str, &[(&str, u64)]); 3] = [
    (
        "MainNetwork",
        &[
            ("homesteadBlock", 1_150_000),
            ("eip150Block", 2_463_000),
            ("eip158Block", 2_675_000),
            ("byzantiumBlock", 4_370_000),
        ],
    ),
    (
        "Ropsten",
        &[
            ("homesteadBlock", 0),
            ("eip150Block", 0),
            ("eip158Block", 10),
            ("byzantiumBlock", 1_700_000),
            ("constantinopleBlock", 4_230_000),
        ],
    ),
    ("Morden", &[("homesteadBlock", 494_000), ("eip150Block", 1_783_000), ("eip158Block", 1_885_000)]),
];

/// `difficultyRopsten.json` and `difficultyCustomHomestead.json` name a network or a fork, `difficulty.json` means the
/// main network.
fn by_file_name(name: &str) -> Result<(String, ChainSpec), Reason> {
    let name = name.trim_end_matches(".json").trim_start_matches("difficulty").trim_start_matches("Custom");
    let name = name.split('_').next().unwrap_or_default();
    let name = if name.is_empty() { "MainNetwork" } else { name };
    let network = NETWORKS.iter().find(|(network, _)| *network == name);
    let spec = match (network, name) {
        (Some((_, forks)), _) => custom(forks)?,
        // The network before Frontier.
        (None, "Olimpic" | "Olympic") => network::spec("Frontier", None, &Map::new())?,
        (None, fork) => network::spec(fork, None, &Map::new())?,
    };
    Ok((name.to_owned(), spec))
}

fn custom(forks: &[(&str, u64)]) -> Result<ChainSpec, Reason> {
    let mut config = json!({"chainId": 1});
    for (key, block) in forks {
        config[*key] = json!(block);
    }
    let genesis = json!({"config": config, "difficulty": "0x20000", "gasLimit": "0x1388", "alloc": {}});
    ChainSpec::from_json(&genesis.to_string()).map_err(|error| error.to_string())
}
