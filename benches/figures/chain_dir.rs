//! Chains in directories of their own, opened as a node opens them.

use atoll_chain::{Chain, ChainOptions};
use atoll_primitives::ChainSpec;
use atoll_storage::{DbEngine, Storage, StorageOptions};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Opens a chain in `dir/name`, anew.
pub fn open(spec: &Arc<ChainSpec>, dir: &Path, engine: DbEngine, name: &str) -> (Chain, PathBuf) {
    let data = dir.join(format!("{name}-{engine}"));
    remove(&data);
    (reopen(spec, &data, engine), data)
}

/// Opens the chain that is there, with the memory a node gives it by default.
pub fn reopen(spec: &Arc<ChainSpec>, data: &Path, engine: DbEngine) -> Chain {
    let options = StorageOptions {
        engine,
        cache_bytes: std::env::var("FIG_CACHE").map_or(64, |m| m.parse().unwrap()) << 20,
        ..StorageOptions::default()
    };
    let storage = Storage::open(data, spec, options).unwrap();
    let consensus = atoll_consensus::engine(Arc::clone(spec)).unwrap();
    Chain::open(Arc::clone(spec), storage, consensus, ChainOptions::default()).unwrap()
}

/// Takes a directory away; one that is not there is no error.
pub fn remove(data: &Path) {
    let _ = fs::remove_dir_all(data);
}
