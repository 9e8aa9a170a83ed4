//! Where the material lies, and a chain of headers and bodies in memory.

use atoll_consensus::{ConsensusError, Engine};
use atoll_primitives::{B256, Block, ChainSpec, Header, HeaderReader, SealedHeader, U256, rlp::Decodable};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The material's folder of this name; prints why when there is none.
pub fn material(folder: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("ATOLL_CONFORMANCE") else {
        println!("skipped: ATOLL_CONFORMANCE does not name the directory of the conformance material");
        return None;
    };
    let path = Path::new(&root).join(folder);
    assert!(path.is_dir(), "{} is not a directory", path.display());
    Some(path)
}

/// All JSON files under a folder.
pub fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A quantity, hexadecimal or decimal.
pub fn number(value: &Value) -> U256 {
    let text = value.as_str().unwrap();
    match text.strip_prefix("0x") {
        Some("") => U256::ZERO,
        Some(hex) => U256::from_str_radix(hex, 16).unwrap(),
        None => U256::from_str_radix(text, 10).unwrap(),
    }
}

/// Blocks concatenated in a file.
pub fn blocks(path: &Path) -> Vec<Block> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    blocks
}

const FORKS: &[(&str, &str)] = &[
    ("Homestead", "homesteadBlock"),
    ("EIP150", "eip150Block"),
    ("EIP158", "eip158Block"),
    ("Byzantium", "byzantiumBlock"),
    ("Constantinople", "constantinopleBlock"),
    ("ConstantinopleFix", "petersburgBlock"),
    ("Istanbul", "istanbulBlock"),
    ("MuirGlacier", "muirGlacierBlock"),
    ("Berlin", "berlinBlock"),
    ("London", "londonBlock"),
    ("ArrowGlacier", "arrowGlacierBlock"),
    ("GrayGlacier", "grayGlacierBlock"),
    ("Paris", "terminalTotalDifficulty"),
    ("Shanghai", "shanghaiTime"),
    ("Cancun", "cancunTime"),
];

/// The chain specification of a test network such as `Berlin` or `BerlinToLondonAt5`.
pub fn network(name: &str) -> ChainSpec {
    let mut config = json!({"chainId": 1});
    let (from, to) = match name.split_once("To") {
        Some((from, rest)) => (from, rest.split_once("At")),
        None => (name, None),
    };
    let index = |fork: &str| FORKS.iter().position(|(name, _)| *name == fork);
    let count = if from == "Frontier" { 0 } else { index(from).expect(name) + 1 };
    for (_, key) in &FORKS[..count] {
        config[*key] = json!(0);
    }
    // Petersburg follows Constantinople by itself unless told otherwise.
    if from == "Constantinople" {
        config["petersburgBlock"] = Value::Null;
    }
    match to {
        None => {}
        Some(("Dao", at)) => {
            config["daoForkBlock"] = json!(at.parse::<u64>().unwrap());
            config["daoForkSupport"] = json!(true);
        }
        Some((fork, at)) => {
            let at = match (at.strip_prefix("Diff"), at.strip_prefix("Time")) {
                (Some(hex), _) => u64::from_str_radix(hex, 16).unwrap(),
                (_, Some(thousands)) => thousands.trim_end_matches('k').parse::<u64>().unwrap() * 1_000,
                _ => at.parse().unwrap(),
            };
            config[FORKS[index(fork).expect(name)].1] = json!(at);
        }
    }
    if config["terminalTotalDifficulty"].as_u64().is_some_and(|ttd| ttd > 0) {
        config["ethash"] = json!({});
    }
    let genesis = json!({"config": config, "difficulty": "0x20000", "gasLimit": "0x2fefd8", "alloc": {}});
    ChainSpec::from_json(&genesis.to_string()).expect(name)
}

/// Everything accepted so far.
#[derive(Default)]
pub struct Known {
    pub blocks: HashMap<B256, (Block, U256)>,
}

impl HeaderReader for Known {
    fn header(&self, hash: &B256) -> Option<Header> {
        self.blocks.get(hash).map(|(block, _)| block.header.clone())
    }

    fn block(&self, hash: &B256) -> Option<Block> {
        self.blocks.get(hash).map(|(block, _)| block.clone())
    }
}

impl Known {
    pub fn genesis(block: Block) -> Self {
        let mut known = Self::default();
        known.blocks.insert(block.header.hash_slow(), (block.clone(), block.header.difficulty));
        known
    }

    /// Judges a block as `chain` does before executing it, and keeps it if it passes. `now` is its own timestamp.
    pub fn accept(&mut self, engine: &Arc<dyn Engine>, block: Block, seals: bool) -> Result<(), ConsensusError> {
        let header = &block.header;
        let hash = header.parent_hash;
        let (parent, total) = self.blocks.get(&hash).ok_or(ConsensusError::MissingAncestor { hash })?;
        let parent = SealedHeader { hash, header: parent.header.clone() };
        let total = *total;
        engine.verify_header(header, &parent, self, header.timestamp)?;
        engine.verify_transition(header, &parent, total)?;
        engine.verify_body(&block, self)?;
        if seals {
            for header in std::iter::once(header).chain(&block.body.ommers) {
                engine.verify_seal(header, self)?;
            }
        }
        let total = total + header.difficulty;
        self.blocks.insert(header.hash_slow(), (block, total));
        Ok(())
    }
}
