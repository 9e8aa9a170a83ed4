//! The ethash algorithm: sizes of caches and datasets, caches, datasets and hashimoto values.

use crate::{
    File, Files, Job, Reason, Recorder, Suite,
    json::{Fields, bytes},
};
use atoll_consensus::{Cache, Dataset, cache_size, dataset_size, hashimoto_full, hashimoto_light};
use atoll_primitives::{B256, Header, keccak256, rlp::Decodable};
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "ethash", discover };

type Known = fn(&File) -> bool;
type Run = fn(&File, &mut Recorder<'_>) -> Result<(), Reason>;

fn discover(files: &mut Files) -> Vec<Job> {
    let mut jobs = Vec::new();
    let formats: [(Known, Run); 3] = [
        (|file| file.name().starts_with("cache_sizes") || file.name().starts_with("dataset_sizes"), sizes),
        (|file| file.path.contains("/ethash/") && file.name().ends_with("vectors.json"), vectors),
        (|file| file.path.contains("PoWTests/") && file.name().ends_with(".json"), proof_of_work),
    ];
    for (known, run) in formats {
        for file in files.take(known) {
            let contents = file.clone();
            // Building the cache of an epoch takes as long as megabytes of JSON.
            let job = Job::new(super::row(&file.path), &file, move |recorder| {
                if let Err(reason) = run(&contents, recorder) {
                    recorder.record("-", "-", Err(reason));
                }
            });
            jobs.push(job.weighing(20 << 20));
        }
    }
    jobs
}

fn parse<T: serde::de::DeserializeOwned>(file: &File) -> Result<T, Reason> {
    serde_json::from_slice(&file.read()?).map_err(|error| error.to_string())
}

/// A list of sizes, by epoch.
fn sizes(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let size = if file.name().starts_with("cache") { cache_size } else { dataset_size };
    for (epoch, expected) in (0u64..).zip(parse::<Vec<u64>>(file)?) {
        let found = size(epoch);
        let verdict = if found == expected { Ok(()) } else { Err(format!("{found}, expected {expected}")) };
        recorder.record("sizes", &format!("epoch {epoch}"), verdict);
    }
    Ok(())
}

/// Small caches, a dataset over the first, and values over both.
fn vectors(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let all: Value = parse(file)?;
    for cache in all.list("caches")? {
        recorder.record("cache", &cache.at("epoch")?.to_string(), small_cache(cache));
    }
    recorder.record("dataset", "-", small_dataset(all.at("dataset")?));
    recorder.record("hashimoto", "-", hashimoto(all.at("hashimoto")?));
    for (block, sizes) in all.object("sizes")?.iter().filter(|(_, value)| value.is_object()) {
        let verdict = block.trim_start_matches("block").parse::<u64>().map_err(|error| error.to_string());
        let verdict = verdict.and_then(|number| {
            let found = (cache_size(number / EPOCH), dataset_size(number / EPOCH));
            let expected = (sizes.small("cacheSize")?, sizes.small("datasetSize")?);
            if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
        });
        recorder.record("sizes", block, verdict);
    }
    Ok(())
}

/// Blocks of an epoch.
const EPOCH: u64 = 30_000;
/// Bytes of the dataset in geth's small vectors.
const SMALL_DATASET: u64 = 32 << 10;

fn small_cache(cache: &Value) -> Result<(), Reason> {
    let epoch = cache.small("epoch")?;
    let built = Cache::build(&atoll_consensus::seed_hash(epoch), cache.small("cacheSize")?, SMALL_DATASET);
    same("cache", &built.to_bytes(), &cache.bytes("cacheHex")?)
}

fn zero_cache(case: &Value) -> Result<Cache, Reason> {
    Ok(Cache::build(&B256::ZERO, case.small("cacheSize")?, case.small("datasetSize")?))
}

fn small_dataset(case: &Value) -> Result<(), Reason> {
    same("dataset", &Dataset::build(&zero_cache(case)?).to_bytes(), &case.bytes("datasetHex")?)
}

fn hashimoto(case: &Value) -> Result<(), Reason> {
    let cache = zero_cache(case)?;
    let (header, nonce) = (case.hash("headerHash")?, case.small("nonce")?);
    for found in [hashimoto_light(&cache, &header, nonce), hashimoto_full(&Dataset::build(&cache), &header, nonce)] {
        same("mix", found.mix_hash.as_slice(), case.hash("mix")?.as_slice())?;
        same("result", found.value.as_slice(), case.hash("result")?.as_slice())?;
    }
    Ok(())
}

fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Reason> {
    if found == expected { Ok(()) } else { Err(format!("the {what} differs")) }
}

/// PoWTests: a header with its seal, over the cache of its epoch.
fn proof_of_work(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    for (name, case) in parse::<Map<String, Value>>(file)? {
        recorder.record("hashimoto", &name, sealed(&case));
    }
    Ok(())
}

fn sealed(case: &Value) -> Result<(), Reason> {
    let encoded = bytes(case.text("header")?)?;
    let header = Header::decode(&mut encoded.as_ref()).map_err(|error| error.to_string())?;
    let cache = Cache::build(&case.hash("seed")?, case.small("cache_size")?, case.small("full_size")?);
    same("cache", keccak256(cache.to_bytes()).as_slice(), case.hash("cache_hash")?.as_slice())?;
    let found = hashimoto_light(&cache, &case.hash("header_hash")?, u64::from_be_bytes(header.nonce.0));
    same("mix", found.mix_hash.as_slice(), header.mix_hash.as_slice())?;
    same("result", found.value.as_slice(), case.hash("result")?.as_slice())
}
