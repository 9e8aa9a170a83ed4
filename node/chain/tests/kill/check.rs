//! What must hold of a data directory, whenever its process was killed.

use super::{
    child::options,
    script::{self, CONTRACT, SLOTS, Script},
};
use crate::support::{key, open_with};
use alloy_trie::TrieAccount;
use atoll_chain::Chain;
use atoll_primitives::{Address, B256, ChainSpec, U256, consensus::proofs, storage_root};
use atoll_storage::{DbEngine, StateView};
use rand::{Rng, rngs::StdRng};
use std::{collections::BTreeSet, path::Path};

/// The newest canonical blocks whose states are compared in full each time: what is in memory and what was flushed
/// last. Of the older ones a sample: their rows do not change any more, and over hundreds of kills each has its turn.
const NEWEST: u64 = 24;
const SAMPLE: u64 = 12;

/// What the killed processes have said of this directory.
#[derive(Default)]
pub struct Announced {
    /// Every block that was announced as the head.
    pub heads: BTreeSet<B256>,
    /// The last of them.
    pub last: Option<B256>,
}

/// Opens the directory as the node would, and checks all it serves. Returns the head's number.
pub fn check(dir: &Path, script: &Script, engine: DbEngine, announced: &Announced, rng: &mut StdRng) -> u64 {
    let spec = script::spec();
    let chain = open_with(dir, &spec, options(engine)).unwrap();
    let head = chain.head();
    if let Some(last) = announced.last.filter(|last| *last != head.hash) {
        // Something else may be the head only if it is heavier: its import was under way.
        let (lost, found) = (script.height(&last).unwrap(), head.number);
        assert!(found > lost, "block {lost} ({last}) was announced as the head; now it is {found} ({})", head.hash);
    }
    for hash in &announced.heads {
        assert!(chain.storage().block(hash).unwrap().is_some(), "block {hash} was announced and is gone");
        assert!(chain.storage().receipts(hash).unwrap().is_some(), "the receipts of {hash} are gone");
    }
    check_rows(&chain, script);
    let older = head.number.saturating_sub(NEWEST);
    let sample = (0..SAMPLE.min(older)).map(|_| rng.random_range(0..older)).collect::<BTreeSet<_>>();
    for number in sample.into_iter().chain(older..=head.number) {
        let hash = chain.storage().canonical_hash(number).unwrap().unwrap();
        check_state(&chain.storage().state_at(&hash).unwrap().unwrap(), &spec);
    }
    check_tries(&chain.storage().head_state());
    // It must be able to go on, and to stop in order.
    if rng.random_range(0..4) == 0 {
        chain.shutdown().unwrap();
    }
    head.number
}

/// Every canonical block is the script's, and is found by each of its keys.
fn check_rows(chain: &Chain, script: &Script) {
    let (storage, head) = (chain.storage(), chain.head());
    let mut expected = head.hash;
    for number in (1..=head.number).rev() {
        let hash = storage.canonical_hash(number).unwrap().unwrap();
        assert_eq!(hash, expected, "block {number} is not the parent of its successor");
        let block = storage.block(&hash).unwrap().unwrap();
        assert_eq!(block.block, script.blocks[script.index[&hash]]);
        assert_eq!(storage.number(&hash).unwrap(), Some(number));
        assert_eq!(storage.total_difficulty(&hash).unwrap(), Some(U256::from(16 * (number + 1))));
        let receipts = storage.receipts(&hash).unwrap().unwrap();
        assert_eq!(proofs::calculate_receipt_root(&receipts), block.header().receipts_root);
        for (index, tx) in (0u32..).zip(&block.block.body.transactions) {
            let location = storage.transaction_location(tx.tx_hash()).unwrap().unwrap();
            assert_eq!((location.block_hash, location.index), (hash, index));
        }
        expected = block.header().parent_hash;
    }
    assert_eq!(expected, storage.genesis_hash());
    assert_eq!(storage.canonical_hash(head.number + 1).unwrap(), None);
}

/// The state root, computed anew from what the view tells of every account there can be.
fn check_state(view: &StateView, spec: &ChainSpec) {
    let accounts = script::accounts(spec).into_iter().filter_map(|address| {
        let account = view.account(&address).unwrap()?;
        let root = storage_root(slots(view, &address));
        Some((address, TrieAccount::new(account.nonce, account.balance, root, account.code_hash)))
    });
    let root = alloy_trie::root::state_root_unhashed(accounts);
    assert_eq!(root, view.header().state_root, "state of block {}", view.block_number());
}

fn slots(view: &StateView, address: &Address) -> Vec<(U256, U256)> {
    let slots = (*address == CONTRACT).then_some(0..SLOTS).into_iter().flatten().map(U256::from);
    let slots = slots.map(|slot| (slot, view.storage(address, &slot).unwrap()));
    slots.filter(|(_, value)| !value.is_zero()).collect()
}

/// Proofs lead from the root to the flat values: the stored tries are the state's.
fn check_tries(view: &StateView) {
    for address in [key(0).address(), key(1).address(), CONTRACT] {
        let slots: Vec<U256> = (0..SLOTS).map(U256::from).collect();
        let proof = view.proof(&address, &slots).unwrap();
        assert_eq!(proof.account, view.account(&address).unwrap());
        for slot in proof.storage {
            assert_eq!(slot.value, view.storage(&address, &slot.slot).unwrap());
        }
    }
}
