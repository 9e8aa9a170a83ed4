//! Import of a file of blocks full of transfers, beside what recovering and executing the same blocks alone takes.

use crate::{
    chain_dir::{self, open},
    process,
    workload::{self, Random, block, spec, transfer},
};
use atoll_chain::file;
use atoll_executor::{DatabaseRef, execute_block};
use atoll_primitives::{
    Account, Address, B256, Block, ChainSpec, RecoveredBlock, U256, genesis_accounts,
    primitives::map::{AddressMap, B256Map, HashMap},
    recover_senders,
    rlp::{Decodable, Encodable},
};
use atoll_storage::DbEngine;
use revm::state::{AccountInfo, Bytecode};
use std::{
    convert::Infallible,
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Size of the measured chain.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Transfers in all.
    pub transactions: u64,
    /// Accounts among which they move.
    pub accounts: u64,
    /// Transfers in a block.
    pub per_block: u64,
}

impl Size {
    fn gas_limit(&self) -> u64 {
        // Twice what the block uses: the base fee then stays where it is.
        self.per_block * 21_000 * 2
    }

    /// The genesis the file belongs to.
    pub fn spec(&self) -> Arc<ChainSpec> {
        let funded: Vec<Address> = workload::signers(self.accounts as usize).iter().map(|key| key.address()).collect();
        spec(&funded, self.gas_limit())
    }
}

/// Writes the file of blocks unless it is there already.
pub fn chain_file(dir: &Path, size: Size) -> PathBuf {
    let path = dir.join(format!("transfers-{}-{}-{}.rlp", size.transactions, size.accounts, size.per_block));
    if path.exists() {
        return path;
    }
    eprintln!("making {} …", path.display());
    let signers = workload::signers(size.accounts as usize);
    let spec = size.spec();
    let (chain, scratch) = open(&spec, dir, DbEngine::default(), "making");
    let aside = path.with_extension("new");
    let mut file = BufWriter::new(File::create(&aside).unwrap());
    let (mut random, mut nonces) = (Random(1), vec![0u64; signers.len()]);
    for _ in 0..size.transactions / size.per_block {
        let transactions: Vec<_> = (0..size.per_block)
            .map(|_| {
                let (from, to) = (random.below(size.accounts) as usize, random.below(size.accounts) as usize);
                nonces[from] += 1;
                (from, nonces[from] - 1, to)
            })
            .collect();
        use rayon::prelude::*;
        let sign = |&(from, nonce, to): &(usize, u64, usize)| {
            (transfer(&signers[from], nonce, signers[to].address()), signers[from].address())
        };
        let transactions: Vec<_> = transactions.par_iter().map(sign).collect();
        let block = block(&chain, size.gas_limit(), &transactions);
        let mut rlp = Vec::new();
        block.encode(&mut rlp);
        file.write_all(&rlp).unwrap();
        chain.import(block, atoll_chain::Origin::File).unwrap();
    }
    file.into_inner().unwrap();
    chain.shutdown().unwrap();
    chain_dir::remove(&scratch);
    fs::rename(&aside, &path).unwrap();
    path
}

/// Imports the file into an empty data directory.
pub fn import(dir: &Path, size: Size, engine: DbEngine) {
    let path = chain_file(dir, size);
    let (chain, data) = open(&size.spec(), dir, engine, "import");
    let (started, cpu, written) = (Instant::now(), process::cpu(), process::written());
    let blocks = file::import(&chain, BufReader::new(File::open(path).unwrap()), |_| {}).unwrap();
    let persisted = started.elapsed();
    chain.shutdown().unwrap();
    let (all, cpu) = (started.elapsed(), process::cpu() - cpu);
    let written = process::written() - written;
    assert_eq!(blocks as u64, size.transactions / size.per_block);
    let rate = |seconds: f64| size.transactions as f64 / seconds;
    let (rss, peak) = process::memory();
    println!(
        "import {engine:>5}: {:7.0} tx/s ({:.2} s; {:.2} s until all is flushed) | {:6.1} µs CPU a tx | \
         {:5.0} bytes written a tx | disk {} MiB | memory {rss} MiB, peak {peak} MiB",
        rate(all.as_secs_f64()),
        persisted.as_secs_f64(),
        all.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / size.transactions as f64,
        written as f64 / size.transactions as f64,
        process::disk(&data) >> 20,
    );
    drop(chain);
    chain_dir::remove(&data);
}

/// Recovers and executes the blocks of the file, with the state in a map: no roots, no disk.
pub fn alone(dir: &Path, size: Size) {
    let path = chain_file(dir, size);
    let spec = size.spec();
    let encoded = fs::read(path).unwrap();
    let mut rest = encoded.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    let mut state = Memory::genesis(&spec);
    let engine = atoll_consensus::engine(Arc::clone(&spec)).unwrap();
    let (started, cpu) = (Instant::now(), process::cpu());
    let (sender, receiver) = std::sync::mpsc::sync_channel::<RecoveredBlock>(8);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for block in blocks {
                let senders = recover_senders(&block.body.transactions).unwrap();
                sender.send(RecoveredBlock { hash: B256::ZERO, block, senders }).unwrap();
            }
        });
        for block in receiver {
            let rewards = engine.rewards(block.header(), &[]);
            let output = execute_block(&spec, &state, &block, &rewards, None).unwrap();
            assert_eq!(output.gas_used, block.header().gas_used);
            state.apply(&output.changes);
        }
    });
    let (all, cpu) = (started.elapsed(), process::cpu() - cpu);
    println!(
        "alone        : {:7.0} tx/s ({:.2} s) | {:6.1} µs CPU a tx: recovery and execution of the same blocks, state in a map",
        size.transactions as f64 / all.as_secs_f64(),
        all.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / size.transactions as f64,
    );
}

/// A state in maps.
struct Memory {
    accounts: AddressMap<AccountInfo>,
    slots: HashMap<(Address, U256), U256>,
    code: B256Map<Bytecode>,
}

impl Memory {
    fn genesis(spec: &ChainSpec) -> Self {
        let mut state = Self { accounts: AddressMap::default(), slots: HashMap::default(), code: B256Map::default() };
        for (address, account, code, slots) in genesis_accounts(&spec.genesis) {
            state.accounts.insert(address, info(&account));
            state.slots.extend(slots.into_iter().map(|(slot, value)| ((address, slot), value)));
            if let Some(code) = code {
                state.code.insert(account.code_hash, Bytecode::new_raw(code.clone()));
            }
        }
        state
    }

    fn apply(&mut self, changes: &atoll_primitives::StateChanges) {
        for (address, account) in &changes.accounts {
            match account {
                Some(account) => drop(self.accounts.insert(*address, info(account))),
                None => drop(self.accounts.remove(address)),
            }
        }
        for (address, storage) in &changes.storage {
            self.slots.extend(storage.slots.iter().map(|(slot, value)| ((*address, *slot), *value)));
        }
    }
}

fn info(account: &Account) -> AccountInfo {
    let Account { nonce, balance, code_hash } = *account;
    AccountInfo { balance, nonce, code_hash, code: None, ..AccountInfo::default() }
}

impl DatabaseRef for Memory {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).cloned())
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.code.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }
}
