//! The loop's steps, one at a time: what threads and timers would make a matter of chance.

use super::*;
use crate::MinerConfig;
use atoll_chain::{Chain, ChainOptions};
use atoll_primitives::ChainSpec;
use atoll_storage::{Storage, StorageOptions};
use atoll_txpool::{PoolConfig, TxPool};
use serde_json::json;
use tempfile::TempDir;

/// A miner over an empty chain whose seals nearly any nonce gives.
fn worker(dir: &TempDir) -> Worker {
    let genesis = json!({
        "config": { "chainId": 4244, "homesteadBlock": 0, "ethash": { "datasetSize": 65_536, "fixeddifficulty": 1 } },
        "difficulty": "0x1", "gasLimit": "0x1c9c380", "timestamp": "0x5", "alloc": {},
    });
    let spec = Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap());
    let storage = Storage::open(dir.path(), &spec, StorageOptions::default()).unwrap();
    let pool = TxPool::new(Arc::clone(&spec), storage.clone(), PoolConfig::default());
    let engine = atoll_consensus::engine(Arc::clone(&spec)).unwrap();
    let sealer = engine.sealer().unwrap();
    let chain = Chain::open(spec, storage, engine, ChainOptions::default()).unwrap();
    let config = MinerConfig::default();
    let shared = Arc::new(Shared::new(chain, pool, Settings::from(&config)));
    let (sender, solutions) = mpsc::channel(8);
    let search = SearchThreads::start(&shared, 1, 1.0, &sender).unwrap();
    Worker::new(shared, sealer, search, solutions, config.recommit)
}

#[test]
fn a_seal_found_while_its_block_is_built_anew_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut worker = worker(&dir);
    worker.build();
    assert!(worker.template.is_some() && worker.is_searching);
    let deadline = Instant::now() + Duration::from_secs(60);
    while worker.solutions.is_empty() {
        assert!(Instant::now() < deadline, "no seal in a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The loop would begin to build without having seen the seal.
    worker.build();
    assert_eq!(worker.shared.chain.head().number, 1, "the seal was dropped");
    assert!(worker.template.is_none(), "what was built in its place is of no use");
    worker.build();
    assert_eq!(worker.template.as_ref().map(|template| template.block.block.header().number), Some(2));
}
