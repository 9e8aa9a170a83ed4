//! What a block costs, and a read, in states of different sizes.

use crate::{
    chain_dir::{self, reopen},
    process,
    workload::{self, Random, block, created, fan_out, spec, transfer},
};
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::{Chain, Origin};
use atoll_primitives::{Address, Block, ChainSpec, Transaction};
use atoll_storage::{DbEngine, StateView};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Senders of the measured blocks.
const SENDERS: usize = 100;
/// Accounts one call creates: what the gas limit of a transaction allows (EIP-7825).
const PER_CALL: u64 = 400;
/// Calls of a block while the state grows.
const CALLS: u64 = 10;
/// Measured blocks; the median counts.
const ROUNDS: usize = 21;
/// Accounts a measured block pays.
const TOUCHED: usize = 1000;
const GAS_LIMIT: u64 = 400_000_000;
/// Reads of one measurement.
const READS: u64 = 200_000;

struct Setup {
    signers: Vec<PrivateKeySigner>,
    spec: Arc<ChainSpec>,
}

fn setup() -> Setup {
    let signers = workload::signers(SENDERS);
    let funded: Vec<Address> = signers.iter().map(PrivateKeySigner::address).collect();
    Setup { spec: spec(&funded, GAS_LIMIT), signers }
}

/// Lets a state grow to `accounts`, as blocks do it, and says what that took.
fn grow(dir: &Path, setup: &Setup, accounts: u64, engine: DbEngine) -> PathBuf {
    let (chain, data) = chain_dir::open(&setup.spec, dir, engine, &format!("growth-{accounts}"));
    let (started, cpu) = (Instant::now(), process::cpu());
    let mut nonce = 0;
    let mut next = 0;
    let signer = &setup.signers[0];
    while next < accounts {
        let transactions: Vec<(Transaction, Address)> = (0..CALLS)
            .map(|_| {
                let first = next;
                next = (next + PER_CALL).min(accounts);
                nonce += 1;
                (fan_out(signer, nonce - 1, first, next - first), signer.address())
            })
            .collect();
        let block = block(&chain, GAS_LIMIT, &transactions);
        chain.import(block, Origin::File).unwrap();
    }
    let (rss, peak) = process::memory();
    chain.shutdown().unwrap();
    println!(
        "grow    {engine:>5} to {accounts:>8} accounts: {:6.1} s, {:6.1} s CPU (building included) | disk {} MiB | memory {rss} MiB, peak {peak} MiB",
        started.elapsed().as_secs_f64(),
        (process::cpu() - cpu).as_secs_f64(),
        process::disk(&data) >> 20,
    );
    data
}

/// Blocks that pay accounts all over the state, built on a copy, so that building them warms no cache.
fn build_blocks(setup: &Setup, data: &Path, accounts: u64, engine: DbEngine) -> Vec<Block> {
    let copy = data.with_extension("copy");
    copy_dir(data, &copy);
    let chain = reopen(&setup.spec, &copy, engine);
    let head = chain.storage().head_state();
    let nonce = |key: &PrivateKeySigner| head.account(&key.address()).unwrap().unwrap().nonce;
    let mut nonces: Vec<u64> = setup.signers.iter().map(nonce).collect();
    let mut random = Random(7);
    let mut blocks = Vec::new();
    for _ in 0..ROUNDS {
        let mut receivers = BTreeSet::new();
        while receivers.len() < TOUCHED {
            receivers.insert(random.below(accounts));
        }
        let pay = |(index, receiver): (usize, &u64)| {
            let from = index % SENDERS;
            nonces[from] += 1;
            let signer = &setup.signers[from];
            (transfer(signer, nonces[from] - 1, created(*receiver)), signer.address())
        };
        let transactions: Vec<_> = receivers.iter().enumerate().map(pay).collect();
        let block = block(&chain, GAS_LIMIT, &transactions);
        chain.import(block.clone(), Origin::File).unwrap();
        blocks.push(block);
    }
    drop(head);
    drop(chain);
    chain_dir::remove(&copy);
    blocks
}

/// Grows a state, then measures blocks and reads over it.
pub fn growth(dir: &Path, accounts: u64, engine: DbEngine) {
    let setup = setup();
    let data = grow(dir, &setup, accounts, engine);
    let blocks = build_blocks(&setup, &data, accounts, engine);
    let chain = reopen(&setup.spec, &data, engine);
    measure_blocks(&chain, blocks, accounts, engine);
    measure_reads(&chain, accounts, engine);
    drop(chain);
    chain_dir::remove(&data);
}

fn measure_blocks(chain: &Chain, blocks: Vec<Block>, accounts: u64, engine: DbEngine) {
    let mut rows: Vec<(Duration, Duration, u64)> = Vec::new();
    for block in blocks {
        let (started, cpu, written) = (Instant::now(), process::cpu(), process::written());
        chain.import(block, Origin::File).unwrap();
        chain.storage().flush_all().unwrap();
        rows.push((started.elapsed(), process::cpu() - cpu, process::written() - written));
    }
    let middle = rows.len() / 2;
    let median = |key: fn(&(Duration, Duration, u64)) -> u64| {
        let mut values: Vec<u64> = rows.iter().map(key).collect();
        values.sort_unstable();
        values[middle]
    };
    println!(
        "block   {engine:>5} in {accounts:>8} accounts: {:6.2} ms, {:5.1} ms CPU, {:7.1} KiB written, each for {TOUCHED} touched accounts and flushed at once",
        median(|row| row.0.as_micros() as u64) as f64 / 1e3,
        median(|row| row.1.as_micros() as u64) as f64 / 1e3,
        median(|row| row.2) as f64 / 1024.0,
    );
}

fn measure_reads(chain: &Chain, accounts: u64, engine: DbEngine) {
    let storage = chain.storage();
    let half = storage.canonical_hash(storage.head_number() / 2).unwrap().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    for (name, view) in [("head", storage.head_state()), ("half", storage.state_at(&half).unwrap().unwrap())] {
        let one = reads(&view, accounts, 1);
        let all = reads(&view, accounts, cores);
        println!(
            "reads   {engine:>5} in {accounts:>8} accounts at {name}: {one:8.0} /s on one thread, {all:8.0} /s on {cores}"
        );
    }
}

fn reads(view: &StateView, accounts: u64, threads: u64) -> f64 {
    let each = READS / threads;
    let addresses: Vec<Vec<Address>> = (0..threads)
        .map(|thread| {
            let mut random = Random(1000 + thread);
            (0..each).map(|_| created(random.below(accounts))).collect()
        })
        .collect();
    let started = Instant::now();
    let found: usize = std::thread::scope(|scope| {
        let read = |addresses: &'_ [Address]| addresses.iter().filter(|at| view.account(at).unwrap().is_some()).count();
        let running: Vec<_> = addresses.iter().map(|addresses| scope.spawn(move || read(addresses))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(found > 0, "no account was there");
    (each * threads) as f64 / started.elapsed().as_secs_f64()
}

fn copy_dir(from: &Path, to: &Path) {
    chain_dir::remove(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_dir(&path, &target) } else { fs::copy(&path, &target).map(|_| ()).unwrap() }
    }
}
