//! The index of addresses against a walk over the chain.

use crate::support::*;
use atoll_chain::{AddressIndexError, AddressPage, Chain, ChainOptions, Direction, Import, Origin};
use atoll_primitives::Address;
use atoll_storage::{StorageOptions, TxPlace};
use std::time::{Duration, Instant};

fn storage_options(flush_depth: u64) -> StorageOptions {
    StorageOptions { cache_bytes: 8 << 20, flush_depth, ..StorageOptions::default() }
}

fn indexed(flush_depth: u64) -> Node {
    let (dir, spec) = (tempfile::TempDir::new().unwrap(), spec());
    let options = ChainOptions { index_addresses: true, ..ChainOptions::default() };
    let chain = open_as(dir.path(), &spec, storage_options(flush_depth), options).unwrap();
    Node::reopened(dir, spec, chain)
}

/// Every place of a sender or receiver, the newest first. All transactions here are transfers.
fn walk(chain: &Chain, address: &Address) -> Vec<TxPlace> {
    let mut places = Vec::new();
    for number in (1..=chain.head().number).rev() {
        let hash = chain.storage().canonical_hash(number).unwrap().unwrap();
        let block = chain.storage().block(&hash).unwrap().unwrap();
        for (index, (_, sender)) in block.transactions().enumerate().collect::<Vec<_>>().into_iter().rev() {
            if [sender, RECEIVER].contains(address) {
                places.push(TxPlace { block: number, index: index as u32 });
            }
        }
    }
    places
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn search(chain: &Chain, address: &Address, direction: Direction, block: Option<u64>, count: usize) -> AddressPage {
    chain.addresses().unwrap().search(address, direction, block, count, soon()).unwrap()
}

/// All pages of a search, in either direction, newest first.
fn pages(chain: &Chain, address: &Address, direction: Direction, count: usize) -> Vec<TxPlace> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = search(chain, address, direction, next, count);
        match direction {
            Direction::Before => {
                next = page.places.last().map(|place| place.block);
                found.extend(page.places);
            }
            Direction::After => {
                next = page.places.first().map(|place| place.block);
                found.splice(0..0, page.places);
            }
        }
        if !page.more {
            return found;
        }
    }
}

fn assert_same(chain: &Chain) {
    for address in [key(0).address(), key(1).address(), RECEIVER, MINER] {
        let expected = walk(chain, &address);
        for count in [1, 4, 1000] {
            for direction in [Direction::Before, Direction::After] {
                assert_eq!(pages(chain, &address, direction, count), expected, "{address} {direction:?} {count}");
            }
        }
    }
}

/// Blocks with none, one and several transfers of two senders.
fn grow(node: &Node, blocks: u64) {
    let nonce = |sender: usize| {
        let account = node.chain.storage().head_state().account(&key(sender).address()).unwrap();
        account.unwrap().nonce
    };
    for n in 0..blocks {
        let txs: Vec<_> = match n % 4 {
            0 => vec![],
            1 => vec![transfer(0, nonce(0))],
            2 => vec![transfer(1, nonce(1)), transfer(0, nonce(0)), transfer(0, nonce(0) + 1)],
            _ => vec![transfer(1, nonce(1))],
        };
        assert_eq!(node.chain.import(node.block(&txs), Origin::Own).unwrap(), Import::Canonical);
    }
}

#[test]
fn searches_agree_with_a_walk_in_memory_and_persisted() {
    let node = indexed(4);
    grow(&node, 3);
    assert_same(&node.chain);
    grow(&node, 60);
    node.wait_for_base(40);
    assert_same(&node.chain);
    let end = Instant::now() + Duration::from_secs(60);
    while node.chain.storage().addresses_end() < Some(32) {
        assert!(Instant::now() < end, "persisted blocks go into the storage's index");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_same(&node.chain);
}

#[test]
fn a_page_ends_with_its_block() {
    let node = indexed(64);
    grow(&node, 4);
    // Block 3 has two of this sender, block 2 one.
    let page = search(&node.chain, &key(0).address(), Direction::Before, None, 1);
    assert_eq!(page.places, [TxPlace { block: 3, index: 2 }, TxPlace { block: 3, index: 1 }]);
    assert!(page.more);
    let page = search(&node.chain, &key(0).address(), Direction::Before, Some(3), 1);
    assert_eq!((page.places, page.more), (vec![TxPlace { block: 2, index: 0 }], false));
    let page = search(&node.chain, &key(0).address(), Direction::After, Some(2), 1);
    assert_eq!(page.places, [TxPlace { block: 3, index: 2 }, TxPlace { block: 3, index: 1 }]);
    let nobody = search(&node.chain, &Address::repeat_byte(9), Direction::After, None, 1);
    assert_eq!(nobody, AddressPage { places: vec![], more: false });
}

#[test]
fn a_reorganisation_changes_what_is_found() {
    let (node, other) = (indexed(64), Node::new(1));
    let common = node.mine(2, 0);
    other.chain.import_many(common, Origin::Sync).unwrap();
    node.mine(2, 0);
    assert_same(&node.chain);
    for block in other.mine(3, 1) {
        node.import(&block);
    }
    assert_eq!(node.head(), other.head());
    assert_same(&node.chain);
}

#[test]
fn switched_on_later_it_is_built_and_goes_on_after_a_stop() {
    let node = Node::with_depth(0, 4);
    grow(&node, 80);
    node.wait_for_base(60);
    assert!(node.chain.addresses().is_none());
    let Node { dir, spec, chain, .. } = node;
    chain.shutdown().unwrap();
    drop(chain);
    let options = ChainOptions { index_addresses: true, ..ChainOptions::default() };
    for round in 0..3 {
        let chain = open_as(dir.path(), &spec, storage_options(4), options.clone()).unwrap();
        // The first two stop at once, wherever it has come to.
        if round == 2 {
            assert_same(&chain);
            assert!(chain.storage().addresses_end() >= Some(60), "{:?}", chain.storage().addresses_end());
        }
        chain.shutdown().unwrap();
    }
}

#[test]
fn who_does_not_wait_hears_how_far_it_is() {
    let node = indexed(64);
    grow(&node, 30);
    let index = node.chain.addresses().unwrap().clone();
    node.chain.shutdown().unwrap();
    // Stopped: what it has stays, and nothing comes any more.
    match index.search(&RECEIVER, Direction::Before, None, 5, Instant::now()) {
        Ok(page) => assert_eq!(page.places.len(), 5),
        Err(AddressIndexError::Behind { indexed, head }) => assert!(indexed < head && head == 30),
        Err(error) => panic!("{error}"),
    }
}
