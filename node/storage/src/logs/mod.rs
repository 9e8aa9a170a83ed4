//! Logs by address and topics: what a query asks for, what the index holds of a block, and finding the blocks. It must
//! not know JSON-RPC, nor what a range or an answer may be at most.

mod read;
mod scan;

pub(crate) use read::ByLogs;
pub use read::{BlockLogs, FoundLog, SearchedBlock};
pub use scan::LogScan;

use crate::runs::Posting;
use atoll_primitives::{
    Address, B256, Bloom, Receipt, keccak256,
    primitives::{
        BloomInput,
        map::{AddressSet, B256Set},
    },
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Topics a log has at most.
const TOPICS: usize = 4;

/// What logs are wanted: those that have one of the addresses, and in each position one of the topics. An empty set
/// takes anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Of the contract that logged.
    pub addresses: AddressSet,
    /// By position.
    pub topics: [B256Set; TOPICS],
    /// Topics a log has at least: a position that takes anything still takes only a log that has it.
    pub min_topics: usize,
}

impl LogQuery {
    /// Whether it wants this log.
    pub fn matches(&self, address: &Address, topics: &[B256]) -> bool {
        let wanted = |(position, set): (usize, &B256Set)| {
            set.is_empty() || topics.get(position).is_some_and(|topic| set.contains(topic))
        };
        (self.addresses.is_empty() || self.addresses.contains(address))
            && topics.len() >= self.min_topics
            && self.topics.iter().enumerate().all(wanted)
    }

    /// Tells one query from all others: the same whatever the order its values were given in.
    pub fn digest(&self) -> B256 {
        let mut text = self.min_topics.to_be_bytes().to_vec();
        let mut add = |mut values: Vec<&[u8]>| {
            values.sort_unstable();
            text.extend_from_slice(&values.len().to_be_bytes());
            values.iter().for_each(|value| text.extend_from_slice(value));
        };
        add(self.addresses.iter().map(|address| address.as_slice()).collect());
        self.topics.iter().for_each(|set| add(set.iter().map(|topic| topic.as_slice()).collect()));
        keccak256(text)
    }

    /// The rows of the index to intersect, each a list of values of which one is enough. The positions that tend to
    /// occur rarely come first. Never empty.
    fn clauses(&self) -> Vec<Vec<Value>> {
        let topics = self.topics.iter().enumerate().rev();
        let mut clauses: Vec<Vec<Value>> = topics
            .map(|(position, set)| set.iter().map(|topic| Value::topic(position, topic)).collect())
            .chain([self.addresses.iter().map(Value::address).collect()])
            .collect();
        clauses.retain(|clause| !clause.is_empty());
        if clauses.is_empty() {
            clauses.push(vec![Value::ANYTHING]);
        }
        clauses
    }
}

/// An address or a topic in its position: how the index knows it, and how a header's bloom does.
#[derive(Debug, Clone, Copy)]
struct Value {
    key: u64,
    bloom: Bloom,
}

/// Seeds of the hash: which position a value stands in.
const SEED_ADDRESS: u64 = 0;
const SEED_TOPIC: u64 = 1;
/// Key of every block that has logs. No address or topic can take it on purpose: only a hash of its own.
const KEY_ANYTHING: u64 = 0;

fn address_key(address: &Address) -> u64 {
    xxh3_64_with_seed(address.as_slice(), SEED_ADDRESS)
}

fn topic_key(position: usize, topic: &B256) -> u64 {
    xxh3_64_with_seed(topic.as_slice(), SEED_TOPIC + position as u64)
}

impl Value {
    const ANYTHING: Self = Self { key: KEY_ANYTHING, bloom: Bloom::ZERO };

    fn address(address: &Address) -> Self {
        Self { key: address_key(address), bloom: BloomInput::Raw(address.as_slice()).into() }
    }

    fn topic(position: usize, topic: &B256) -> Self {
        Self { key: topic_key(position, topic), bloom: BloomInput::Raw(topic.as_slice()).into() }
    }
}

/// What the index holds of a block. Two values may have one key: what it finds is looked at before it is told.
pub(crate) fn postings(number: u64, receipts: &[Receipt], out: &mut Vec<Posting>) {
    let start = out.len();
    for log in receipts.iter().flat_map(|receipt| receipt.logs()) {
        out.push(Posting { key: address_key(&log.address), at: number });
        let topics = log.topics().iter().take(TOPICS).enumerate();
        out.extend(topics.map(|(position, topic)| Posting { key: topic_key(position, topic), at: number }));
    }
    if out.len() > start {
        out.push(Posting { key: KEY_ANYTHING, at: number });
    }
    // A block of transfers of one token names it a thousand times.
    out[start..].sort_unstable();
    dedup_from(out, start);
}

fn dedup_from(postings: &mut Vec<Posting>, start: usize) {
    let mut kept = start;
    for at in start..postings.len() {
        if kept == start || postings[at] != postings[kept - 1] {
            postings[kept] = postings[at];
            kept += 1;
        }
    }
    postings.truncate(kept);
}
