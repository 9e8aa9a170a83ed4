//! Sizes and vectors of the ethash algorithm.

use crate::support::{json, material};
use atoll_consensus::{Cache, Dataset, cache_size, dataset_size, hashimoto_full, hashimoto_light};
use atoll_primitives::{B256, Header, hex, keccak256, rlp::Decodable};
use serde_json::Value;

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn sizes_of_2048_epochs() {
    let Some(folder) = material("ethereum-execution-pypi") else { return };
    type Table = (&'static str, fn(u64) -> u64);
    let tables: [Table; 2] =
        [("cache_sizes_2048_epochs.json", cache_size), ("dataset_sizes_2048_epochs.json", dataset_size)];
    for (file, size) in tables {
        let table = json(&folder.join(file));
        let table = table.as_array().unwrap();
        assert_eq!(table.len(), 2048);
        for (epoch, expected) in table.iter().enumerate() {
            assert_eq!(size(epoch as u64), expected.as_u64().unwrap(), "{file} epoch {epoch}");
        }
    }
}

#[test]
fn geths_small_vectors() {
    let Some(folder) = material("derived/ethash") else { return };
    let vectors = json(&folder.join("geth-vectors.json"));
    let cache = Cache::build(&B256::ZERO, 1_024, 32_768);
    assert_eq!(cache.to_bytes(), bytes(&vectors["caches"][0]["cacheHex"]));
    let dataset = Dataset::build(&cache);
    assert_eq!(dataset.to_bytes(), bytes(&vectors["dataset"]["datasetHex"]));
    let case = &vectors["hashimoto"];
    for result in [
        hashimoto_light(&cache, &hash(&case["headerHash"]), 0),
        hashimoto_full(&dataset, &hash(&case["headerHash"]), 0),
    ] {
        assert_eq!((result.mix_hash, result.value), (hash(&case["mix"]), hash(&case["result"])));
    }
}

#[test]
fn proof_of_work_tests() {
    let Some(folder) = material("ethereum-tests/PoWTests") else { return };
    for (name, case) in json(&folder.join("ethash_tests.json")).as_object().unwrap() {
        let header = Header::decode(&mut bytes(&case["header"]).as_slice()).unwrap();
        let (small, full) = (case["cache_size"].as_u64().unwrap(), case["full_size"].as_u64().unwrap());
        let cache = Cache::build(&hash(&case["seed"]), small, full);
        assert_eq!(keccak256(cache.to_bytes()), hash(&case["cache_hash"]), "{name}");
        let nonce = u64::from_be_bytes(header.nonce.0);
        let result = hashimoto_light(&cache, &hash(&case["header_hash"]), nonce);
        assert_eq!((result.mix_hash, result.value), (header.mix_hash, hash(&case["result"])), "{name}");
    }
}
