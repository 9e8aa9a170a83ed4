//! Ethash light verification of real mainnet blocks from the conformance archive: headers a second, beside the time
//! of one Keccak and of one light hashimoto.

use atoll_consensus::{
    Cache, Engine, SEAL_GROUP, cache_size, dataset_size, engine, hashimoto_light, hashimoto_light_many, seed_hash,
};
use atoll_primitives::{B256, Block, ChainSpec, Header, HeaderReader, keccak256, rlp::Decodable as _};
use rayon::prelude::*;
use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Seals need no ancestors.
struct NoAncestors;

impl HeaderReader for NoAncestors {
    fn header(&self, _: &B256) -> Option<Header> {
        None
    }

    fn ommers(&self, _: &B256) -> Option<Vec<Header>> {
        None
    }
}

/// Prints the figures; `dir` is the unpacked conformance archive.
pub fn run(dir: &Path) {
    let first = headers(dir, &["besu/chains/mainnet-data/1000.blocks"]);
    let later = ["block_300005", "block_300006", "block_1200000", "block_1200001"]
        .map(|name| format!("besu/chains/mainnet-blocks/{name}.blocks"));
    let mut later = headers(dir, &later.each_ref().map(String::as_str));
    for name in ["block_1", "block_1234567"] {
        let path = dir.join("ethereum-execution-pypi/blocks").join(name).with_extension("json");
        later.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    }
    println!("ethash: light verification of mainnet's headers");
    primitives();
    let engine = mainnet();
    println!("  epoch 0, {} headers", first.len());
    // Builds the cache.
    engine.verify_seal(&first[0], &NoAncestors).unwrap();
    let count = first.len();
    rate("one by one, one thread", count, || {
        first.iter().for_each(|header| engine.verify_seal(header, &NoAncestors).unwrap());
    });
    rate("in groups, one thread", count, || {
        first.chunks(SEAL_GROUP).for_each(|group| verify(&*engine, group));
    });
    rate("in groups, all threads (as import does)", count, || {
        first.par_chunks(SEAL_GROUP).for_each(|group| verify(&*engine, group));
    });
    for header in later {
        let (engine, start) = (mainnet(), Instant::now());
        engine.verify_seal(&header, &NoAncestors).unwrap();
        let building = start.elapsed();
        let start = Instant::now();
        engine.verify_seal(&header, &NoAncestors).unwrap();
        let (number, again) = (header.number, start.elapsed());
        let (building, again) = (building.as_secs_f64() * 1e3, again.as_secs_f64() * 1e3);
        println!(
            "  block {number}: {building:.0} ms with the cache of its epoch to be built, {again:.1} ms once it is"
        );
    }
}

fn mainnet() -> Arc<dyn Engine> {
    let genesis =
        r#"{"config": {"chainId": 1, "ethash": {}}, "difficulty": "0x400", "gasLimit": "0x1388", "alloc": {}}"#;
    engine(Arc::new(ChainSpec::from_json(genesis).unwrap())).unwrap()
}

/// What the algorithm is made of.
fn primitives() {
    let mut word = B256::ZERO;
    timed("one Keccak-256 of 32 bytes", 1_000_000, |_| word = keccak256(word));
    black_box(word);
    let start = Instant::now();
    let cache = Cache::build(&seed_hash(0), cache_size(0), dataset_size(0));
    println!("    {:<44} {:>9.1} ms", "building the cache of epoch 0", start.elapsed().as_secs_f64() * 1e3);
    timed("one light hashimoto", 200, |nonce| {
        black_box(hashimoto_light(&cache, &word, nonce));
    });
    let seals: Vec<(B256, u64)> = (0..SEAL_GROUP as u64).map(|nonce| (word, nonce)).collect();
    timed(&format!("{SEAL_GROUP} of them together"), 25, |_| {
        black_box(hashimoto_light_many(&cache, &seals));
    });
}

fn timed(what: &str, count: u64, mut work: impl FnMut(u64)) {
    let start = Instant::now();
    (0..count).for_each(&mut work);
    let each = start.elapsed() / u32::try_from(count).unwrap();
    println!("    {what:<44} {:>9.3} µs", each.as_secs_f64() * 1e6);
}

/// The best of three runs: other work on the machine only ever makes one slower.
fn rate(what: &str, count: usize, work: impl Fn()) {
    let run = || {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let best: Duration = (0..3).map(|_| run()).min().unwrap();
    println!("    {what:<44} {:>9.0} headers/s", count as f64 / best.as_secs_f64());
}

fn verify(engine: &dyn Engine, headers: &[Header]) {
    let headers: Vec<&Header> = headers.iter().collect();
    engine.verify_seals(&headers, &NoAncestors).into_iter().for_each(|verdict| verdict.unwrap());
}

/// The headers of files of RLP blocks, without genesis blocks, which nobody sealed.
fn headers(dir: &Path, files: &[&str]) -> Vec<Header> {
    let mut headers = Vec::new();
    for file in files {
        let bytes = std::fs::read(dir.join(file)).unwrap();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            headers.push(Block::decode(&mut rest).unwrap().header);
        }
    }
    headers.retain(|header| header.number > 0);
    headers
}
