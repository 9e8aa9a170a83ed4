//! Signature recovery, execution, state root, proof of work: what bounds throughput.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_consensus::{Cache, Dataset, hashimoto_full, hashimoto_light};
use atoll_executor::{StateDb, execute_block};
use atoll_primitives::{
    Account, Address, B256, Block, BlockBody, ChainSpec, RecoveredBlock, StateChanges, Transaction, U256,
    consensus::{SignableTransaction, TxEip1559},
    genesis_state_root, keccak256, recover_senders,
};
use atoll_storage::{Storage, StorageOptions};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::{collections::BTreeMap, hint::black_box, sync::Arc};

fn address(index: u64) -> Address {
    Address::left_padding_from(&(0x1_0000_0000 + index).to_be_bytes())
}

/// Transfers of one sender to as many receivers.
fn transfers(signer: &PrivateKeySigner, count: u64) -> Vec<Transaction> {
    let sign = |nonce| {
        let tx = TxEip1559 {
            chain_id: 1337,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1,
            to: address(nonce).into(),
            value: U256::from(1),
            ..TxEip1559::default()
        };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    };
    (0..count).map(sign).collect()
}

/// A chain whose genesis holds this many accounts and the sender.
fn spec(accounts: u64, sender: Address) -> ChainSpec {
    let mut genesis: serde_json::Value = serde_json::from_str(include_str!("../genesis/ethash.json")).unwrap();
    let alloc: BTreeMap<String, serde_json::Value> = (0..accounts)
        .map(address)
        .chain([sender])
        .map(|address| (address.to_string(), serde_json::json!({ "balance": "0xffffffffffffffffff" })))
        .collect();
    genesis["alloc"].as_object_mut().unwrap().extend(alloc);
    ChainSpec::from_json(&genesis.to_string()).unwrap()
}

/// A thousand leaves and as many branches of a state trie.
fn keccak(criterion: &mut Criterion) {
    let messages: Vec<Vec<u8>> = (0..2000).map(|n| vec![n as u8; if n % 2 == 0 { 110 } else { 532 }]).collect();
    let mut group = criterion.benchmark_group("keccak of 2000 nodes");
    group.throughput(Throughput::Elements(2000));
    group.bench_function("side by side", |bench| {
        bench.iter(|| atoll_keccak::keccak256_all(black_box(&messages).iter().map(Vec::as_slice)));
    });
    group.bench_function("one after another", |bench| {
        bench.iter(|| black_box(&messages).iter().map(keccak256).collect::<Vec<_>>());
    });
    group.finish();
}

fn recovery(criterion: &mut Criterion) {
    let transactions = transfers(&PrivateKeySigner::random(), 200);
    let mut group = criterion.benchmark_group("recover 200 senders");
    group.throughput(Throughput::Elements(200));
    group.bench_function("in parallel", |bench| bench.iter(|| recover_senders(black_box(&transactions)).unwrap()));
    group.bench_function("one after another", |bench| {
        bench.iter(|| transactions.chunks(1).map(|tx| recover_senders(black_box(tx)).unwrap()[0]).collect::<Vec<_>>());
    });
    group.finish();
}

fn execution(criterion: &mut Criterion) {
    let signer = PrivateKeySigner::random();
    let spec = spec(10_000, signer.address());
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(dir.path(), &spec, StorageOptions::default()).unwrap();
    let parent = spec.genesis_header();
    let mut header = parent.header.clone();
    (header.number, header.timestamp, header.parent_hash) = (1, 1, parent.hash);
    let body =
        BlockBody { transactions: transfers(&signer, 500), ommers: Vec::new(), withdrawals: Some(Vec::new().into()) };
    let block = RecoveredBlock::recover(Block { header, body }).unwrap();
    let mut group = criterion.benchmark_group("block of 500 transfers");
    group.throughput(Throughput::Elements(500));
    group.bench_function("execute", |bench| {
        bench.iter(|| {
            let db = StateDb::new(storage.head_state(), Arc::new(storage.clone()));
            execute_block(&spec, db, black_box(&block), &[], None).unwrap()
        });
    });
    group.bench_function("recover senders", |bench| {
        bench.iter(|| recover_senders(black_box(&block.block.body.transactions)).unwrap());
    });
    group.finish();
}

fn state_root(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state root");
    group.sample_size(10);
    for accounts in [1_000, 20_000] {
        let spec = spec(accounts, Address::ZERO);
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path(), &spec, StorageOptions::default()).unwrap();
        let mut changes = StateChanges::default();
        for index in 0..200 {
            let account = Account { nonce: 1, balance: U256::from(index), ..Account::default() };
            changes.accounts.insert(address(index), Some(account));
        }
        // A block costs what it changes, not what the state holds.
        group.bench_function(BenchmarkId::new("200 changes in a state of", accounts), |bench| {
            bench.iter_batched(
                || storage.head_state(),
                |view| view.state_root(black_box(&changes)).unwrap().0,
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("all anew, a state of", accounts), |bench| {
            bench.iter(|| genesis_state_root(black_box(&spec.genesis)));
        });
    }
    group.finish();
}

/// Over the small dataset of private chains: what a miner and what a verifier pays per nonce.
fn proof_of_work(criterion: &mut Criterion) {
    let cache = Cache::build(&B256::ZERO, 1 << 14, 1 << 20);
    let dataset = Dataset::build(&cache);
    let seal_hash = B256::repeat_byte(7);
    let mut nonce = 0;
    let mut group = criterion.benchmark_group("hashimoto");
    group.bench_function("full, as a miner", |bench| {
        bench.iter(|| {
            nonce += 1;
            hashimoto_full(&dataset, &seal_hash, nonce)
        });
    });
    group.bench_function("light, as a verifier", |bench| {
        bench.iter(|| {
            nonce += 1;
            hashimoto_light(&cache, &seal_hash, nonce)
        });
    });
    group.finish();
}

criterion_group!(benches, keccak, recovery, execution, state_root, proof_of_work);
criterion_main!(benches);
