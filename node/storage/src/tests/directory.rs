//! Who may open a data directory, and with what.

use super::harness::*;
use crate::{DbEngine, KvError, Storage, StorageError, StorageOptions};
use atoll_primitives::{ChainSpec, HeaderReader};

#[test]
fn a_new_directory_starts_with_the_genesis_block() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), engine);
        let genesis = spec().genesis_header();
        assert_eq!(storage.genesis_hash(), genesis.hash);
        assert_eq!(*storage.head(), genesis);
        assert_eq!(HeaderReader::header(&storage, &genesis.hash), Some(genesis.header.clone()));
        assert!(storage.ommers(&genesis.hash).is_some_and(|ommers| ommers.is_empty()));
        assert!(storage.unexecuted().is_empty());
        Blocks::new().check_chain(&storage, &genesis.hash);
        drop(storage);
        Blocks::new().check_chain(&open(dir.path(), engine), &genesis.hash);
    }
}

#[test]
fn a_directory_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let second = Storage::open(dir.path(), &spec(), StorageOptions::default());
    assert!(matches!(second.map(drop), Err(StorageError::Locked { dir: named }) if named == dir.path()));
    drop(storage);
    open(dir.path(), DbEngine::Redb);
}

#[test]
fn another_genesis_is_refused_with_both_hashes() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), DbEngine::Redb));
    let other = r#"{"config":{"chainId":8,"ethash":{}},"difficulty":"0x2","gasLimit":"0x1c9c380","alloc":{}}"#;
    let other = ChainSpec::from_json(other).unwrap();
    let Err(err) = Storage::open(dir.path(), &other, StorageOptions::default()) else { panic!("opened") };
    assert!(matches!(&err, StorageError::WrongGenesis { found, expected, .. }
        if *found == spec().genesis_header().hash && *expected == other.genesis_header().hash));
    assert!(err.to_string().contains(&spec().genesis_header().hash.to_string()));
}

#[test]
fn another_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), DbEngine::Redb));
    let options = StorageOptions { engine: DbEngine::Sled, ..StorageOptions::default() };
    let refused = Storage::open(dir.path(), &spec(), options);
    assert!(matches!(refused.map(drop), Err(StorageError::Kv(KvError::WrongEngine { .. }))));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let Err(err) = Storage::open(&file.join("data"), &spec(), StorageOptions::default()) else { panic!("opened") };
    assert!(matches!(err, StorageError::Io { .. }));
    assert!(err.to_string().contains("data"), "{err}");
}

#[test]
fn a_block_needs_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let view = storage.head_state();
    let genesis = blocks.genesis;
    let first = blocks.make(&genesis, 1, Some(&view));
    let second = blocks.make(&first.block.hash, 2, None);
    let refused = storage.append(second.clone());
    assert!(matches!(refused, Err(StorageError::UnknownParent { hash, .. }) if hash == second.block.hash));
    let refused = storage.set_head(&second.block.hash);
    assert!(matches!(refused, Err(StorageError::UnknownBlock { .. })));
    let refused = storage.restore(first);
    assert!(matches!(refused, Err(StorageError::UnknownBlock { .. })));
}
