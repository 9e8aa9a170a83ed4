//! The log index: what a sparse query costs as the chain grows, beside looking at every header's bloom, and what the
//! index costs when blocks are flushed. `cargo bench -p atoll-benches --bench log_index [-- BLOCKS...]`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use atoll_primitives::{
    Address, B256, Block, BlockBody, Bloom, ChainSpec, Header, Log, Receipt, RecoveredBlock, Transaction, U256,
    consensus::{Receipt as PlainReceipt, SignableTransaction, TxEip1559, TxReceipt as _},
    keccak256,
    primitives::{LogData, Signature},
};
use atoll_storage::{ExecutedBlock, LogQuery, Storage, StorageOptions};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

fn word(n: u64) -> B256 {
    keccak256(n.to_be_bytes())
}

fn holder(n: u64) -> B256 {
    Address::from_word(word(n)).into_word()
}

/// A token transfer as its transaction, and the receipt with its log.
fn transfer(nonce: u64, to: u64, with_log: bool) -> (Transaction, Receipt) {
    let tx = TxEip1559 { chain_id: 1337, nonce, gas_limit: 60_000, input: vec![7; 68].into(), ..TxEip1559::default() };
    let topics = vec![word(u64::MAX), holder(nonce % 100), holder(to)];
    let data = LogData::new_unchecked(topics, vec![1; 32].into());
    let logs = with_log.then(|| Log { address: Address::from_word(word(1 << 60)), data }).into_iter().collect();
    let receipt = PlainReceipt { status: true.into(), cumulative_gas_used: 50_000, logs };
    (tx.into_signed(Signature::test_signature()).into(), Receipt::Eip1559(receipt.into()))
}

struct Chain {
    storage: Storage,
    spec: ChainSpec,
    _dir: tempfile::TempDir,
    flushing: Duration,
}

impl Chain {
    fn new() -> Self {
        let spec = ChainSpec::from_json(include_str!("../genesis/ethash.json")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path(), &spec, StorageOptions::default()).unwrap();
        Self { storage, spec, _dir: dir, flushing: Duration::ZERO }
    }

    /// Blocks of so many transfers; `holders` is how many receive them.
    fn extend(&mut self, blocks: u64, transfers: u64, holders: u64, with_logs: bool) {
        for _ in 0..blocks {
            let parent = self.storage.head();
            let number = parent.number + 1;
            let nonce = |index| number * transfers + index;
            let made = (0..transfers).map(|index| transfer(nonce(index), nonce(index) % holders, with_logs));
            let (transactions, receipts): (Vec<_>, Vec<_>) = made.unzip();
            let logs_bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | receipt.bloom());
            let header = Header {
                parent_hash: parent.hash,
                number,
                timestamp: number,
                logs_bloom,
                state_root: self.spec.genesis_header().state_root,
                ..Header::default()
            };
            let senders = vec![Address::ZERO; transactions.len()];
            let block = Block { header, body: BlockBody { transactions, ..BlockBody::default() } };
            let block = RecoveredBlock { hash: block.header.hash_slow(), block, senders };
            let hash = block.hash;
            self.storage
                .append(ExecutedBlock {
                    block: Arc::new(block),
                    receipts: Arc::new(receipts),
                    total_difficulty: U256::from(number),
                    changes: Arc::default(),
                    trie: Arc::default(),
                })
                .unwrap();
            self.storage.set_head(&hash).unwrap();
            if self.storage.head_number() - self.storage.base().number >= 64 + 128 {
                let started = Instant::now();
                self.storage.flush().unwrap();
                self.flushing += started.elapsed();
            }
        }
    }

    /// Logs to one holder in the whole chain.
    fn search(&self, query: &LogQuery) -> usize {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut scan = self.storage.scan_logs(query, 0..=self.storage.head_number());
        let mut found = 0;
        while let Some(numbers) = scan.next_blocks(256, deadline).unwrap() {
            for hash in self.storage.canonical_hashes(&numbers).unwrap() {
                found += self.storage.logs(&hash, query).unwrap().unwrap().logs.len();
            }
        }
        found
    }

    /// The same, as it was done without an index.
    fn walk(&self, query: &LogQuery) -> usize {
        let bloom = query.topics[2].iter().fold(Bloom::ZERO, |mut all, topic| {
            all.accrue(atoll_primitives::primitives::BloomInput::Raw(topic.as_slice()));
            all
        });
        let mut found = 0;
        for number in 0..=self.storage.head_number() {
            let hash = self.storage.canonical_hash(number).unwrap().unwrap();
            let header = self.storage.sealed_header(&hash).unwrap().unwrap();
            if header.logs_bloom.contains(&bloom) {
                let receipts = self.storage.receipts(&hash).unwrap().unwrap();
                let logs = receipts.iter().flat_map(|receipt| receipt.logs());
                found += logs.filter(|log| query.matches(&log.address, log.topics())).count();
            }
        }
        found
    }
}

fn median(times: usize, mut work: impl FnMut() -> usize) -> (Duration, usize) {
    let mut taken: Vec<_> = (0..times)
        .map(|_| {
            let started = Instant::now();
            let found = black_box(work());
            (started.elapsed(), found)
        })
        .collect();
    taken.sort();
    taken[times / 2]
}

fn to(holder_number: u64) -> LogQuery {
    let mut query =
        LogQuery { addresses: [Address::from_word(word(1 << 60))].into_iter().collect(), ..LogQuery::default() };
    query.topics[0].insert(word(u64::MAX));
    query.topics[2].insert(holder(holder_number));
    query
}

fn main() {
    let lengths: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let lengths = if lengths.is_empty() { vec![1_000, 10_000, 100_000] } else { lengths };
    println!("ten logs of one receiver in a chain of one transfer a block");
    let mut chain = Chain::new();
    // Ten transfers to receiver 0 in the first thousand blocks, then nobody gets two.
    chain.extend(1_000, 1, 100, true);
    for blocks in lengths {
        let missing = blocks.saturating_sub(chain.storage.head_number());
        chain.extend(missing, 1, u64::MAX, true);
        let (indexed, found) = median(31, || chain.search(&to(0)));
        let (walked, walked_found) = median(3, || chain.walk(&to(0)));
        assert_eq!(found, walked_found);
        println!("{blocks:>8} blocks: {found} logs, index {indexed:>10.1?}, every bloom {walked:>10.1?}");
    }
    println!("flushing 1280 blocks of 500 transfers to new receivers");
    for with_logs in [false, true, false, true] {
        let mut chain = Chain::new();
        chain.extend(1_280, 500, u64::MAX, with_logs);
        let each = chain.flushing.as_secs_f64() * 1e6 / (1_280.0 - 128.0) / 500.0;
        let what = if with_logs { "with their logs" } else { "without logs" };
        println!("{what:>16}: {:?}, {each:.2} µs a transfer", chain.flushing);
    }
}
