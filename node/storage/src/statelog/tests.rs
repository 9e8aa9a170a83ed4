//! The log by itself: what is appended is read again, also by whoever opens it anew; old roots stay; old files can go.

use super::*;
use crate::{
    StateTrie,
    base::{decode_account, decode_slot},
    trie::{self, Node, Source, hashed_path, path_of},
};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use atoll_primitives::{Account, Address, B256, StateChanges, StorageChanges, U256, keccak256};
use std::{collections::BTreeMap, fs};

type World = BTreeMap<Address, (u64, BTreeMap<U256, U256>)>;

/// The states of a log, block after block.
struct Chain<'a> {
    log: &'a StateLog,
    world: World,
    root: Option<NodePos>,
    trie: StateTrie,
    /// Bytes of nodes that stay in memory.
    warm: usize,
}

struct Logged<'a> {
    log: &'a StateLog,
    root: Option<NodePos>,
    warm: usize,
}

impl Source for Logged<'_> {
    fn load(&self, pos: NodePos, hash: &B256, account: Option<&B256>, path: &Nibbles) -> Result<Node, StorageError> {
        self.log.load(pos, hash, self.root, account, path)
    }

    fn is_kept(&self, pos: NodePos) -> bool {
        self.log.is_kept(pos)
    }

    fn warm_bytes(&self) -> usize {
        self.warm
    }
}

fn commit(mut appender: Appender<'_>) -> u64 {
    let end = appender.sync().unwrap();
    appender.commit();
    end
}

fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

impl<'a> Chain<'a> {
    fn new(log: &'a StateLog) -> Self {
        Self { log, world: World::new(), root: None, trie: StateTrie::default(), warm: 1 << 15 }
    }

    /// A block that gives each of these accounts a nonce and slots.
    fn block<T>(&mut self, accounts: T, appender: &mut Appender<'_>)
    where
        T: IntoIterator<Item = (u64, Option<u64>)>,
    {
        let mut changes = StateChanges::default();
        for (n, nonce) in accounts {
            let address = address(n);
            let Some(nonce) = nonce else {
                self.world.remove(&address);
                changes.accounts.insert(address, None);
                changes.storage.insert(address, StorageChanges { wiped: true, ..Default::default() });
                continue;
            };
            let (known, slots) = self.world.entry(address).or_default();
            *known = nonce;
            changes.accounts.insert(address, Some(Account { nonce, ..Account::default() }));
            let mut storage = StorageChanges::default();
            for slot in (0..n % 5).map(|slot| U256::from(slot * nonce % 7)) {
                let value = U256::from(nonce % 3);
                storage.slots.insert(slot, value);
                slots.insert(slot, value);
            }
            slots.retain(|_, value| !value.is_zero());
            changes.storage.insert(address, storage);
        }
        let source = Logged { log: self.log, root: self.root, warm: self.warm };
        self.trie = trie::state_root(&source, &self.trie, &changes).unwrap();
        self.root = appender.block(&self.trie).unwrap();
        assert_eq!(self.trie.root_hash(), root_of(&self.world));
    }

    /// Forgets what is in memory.
    fn forget(&mut self) {
        self.trie = StateTrie::stored(self.trie.root_hash(), self.root);
    }

    fn check(&self) {
        same(self.log, self.root, &self.world);
    }
}

fn root_of(world: &World) -> B256 {
    alloy_trie::root::state_root_unhashed(world.iter().map(|(address, (nonce, slots))| {
        let root = atoll_primitives::storage_root(slots.iter().map(|(slot, value)| (*slot, *value)));
        (*address, TrieAccount::new(*nonce, U256::ZERO, root, Account::default().code_hash))
    }))
}

/// A state is what it should be: by key, in order, and by its root.
fn same(log: &StateLog, root: Option<NodePos>, world: &World) {
    let mut listed = log.leaves(root, B256::ZERO);
    let mut found = World::new();
    while let Some((hash, node)) = listed.next().unwrap() {
        let leaf = node.as_leaf().unwrap();
        assert_eq!(keccak256(&leaf.preimage), hash);
        let (mut slots, mut storage) = (BTreeMap::new(), log.leaves(leaf.storage, B256::ZERO));
        while let Some((_, node)) = storage.next().unwrap() {
            let leaf = node.as_leaf().unwrap();
            slots.insert(U256::from_be_slice(&leaf.preimage), decode_slot(&leaf.value).unwrap());
        }
        let account = decode_account(&leaf.value).unwrap();
        found.insert(Address::from_slice(&leaf.preimage), (account.nonce, slots));
    }
    assert_eq!(found, *world);
    for (address, (nonce, _)) in world {
        let node = log.leaf(root, &hashed_path(address.as_slice())).unwrap().unwrap();
        assert_eq!(decode_account(&node.as_leaf().unwrap().value).unwrap().nonce, *nonce);
    }
    let found = root.map(|root| keccak256(log.node(root).unwrap().rlp()));
    assert_eq!(found.unwrap_or(EMPTY_ROOT_HASH), root_of(world));
}

/// Blocks that change, add and remove accounts among `accounts`.
fn turn(n: u64, accounts: u64) -> Vec<(u64, Option<u64>)> {
    (0..12).map(|k| ((n * 7 + k * 13) % accounts, (!(n + k).is_multiple_of(9)).then_some(n + 1))).collect()
}

#[test]
fn every_state_is_read_again_also_after_opening_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 16, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let (mut states, mut end) = (Vec::new(), 0);
    for batch in 0..40 {
        let mut appender = log.appender(chain.root);
        for n in batch * 5..batch * 5 + 5 {
            chain.block(turn(n, 90), &mut appender);
            states.push((chain.root, chain.world.clone()));
        }
        end = commit(appender);
        chain.check();
        if batch % 3 == 0 {
            chain.forget();
        }
    }
    states.iter().for_each(|(root, world)| same(&log, *root, world));
    drop(log);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 2, "several files");
    let log = StateLog::open(dir.path(), end, 1 << 16, 1 << 16).unwrap();
    states.iter().for_each(|(root, world)| same(&log, *root, world));
}

#[test]
fn what_was_not_committed_is_cut_off_and_a_log_that_ends_too_early_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 16, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let mut appender = log.appender(chain.root);
    chain.block(turn(1, 50), &mut appender);
    let end = commit(appender);
    let (root, trie, world) = (chain.root, chain.trie.clone(), chain.world.clone());
    let mut appender = log.appender(chain.root);
    let mut forgotten = Vec::new();
    for n in 0..200 {
        chain.block(turn(n, 50), &mut appender);
        forgotten.push((chain.trie.clone(), chain.world.clone()));
    }
    drop(appender);
    assert_eq!(log.end(), end, "forgotten");
    // The same tries again, as when a disk was full: none of their nodes may think that it is there.
    let mut appender = log.appender(root);
    let roots: Vec<_> = forgotten.iter().map(|(trie, _)| appender.block(trie).unwrap()).collect();
    log.files.spill().unwrap();
    roots.iter().zip(&forgotten).for_each(|(root, (_, world))| same(&log, *root, world));
    drop(appender);
    assert_eq!(log.end(), end, "forgotten again");
    // Written over by the next one.
    (chain.root, chain.trie, chain.world) = (root, trie, world.clone());
    let mut appender = log.appender(chain.root);
    chain.block(turn(9, 50), &mut appender);
    commit(appender);
    chain.check();
    drop(log);
    let log = StateLog::open(dir.path(), end, 1 << 16, 1 << 16).unwrap();
    same(&log, root, &world);
    drop(log);
    let early = StateLog::open(dir.path(), end + 10, 1 << 16, 1 << 16);
    assert!(matches!(early.map(drop), Err(StorageError::Corrupt { what }) if what.contains("ends at")));
}

#[test]
fn a_changed_byte_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 16, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let mut appender = log.appender(chain.root);
    chain.block(turn(1, 50), &mut appender);
    let end = commit(appender);
    let (root, accounts) = (chain.root, chain.world.clone());
    drop(log);
    let file = dir.path().join("00000000.nodes");
    let whole = fs::read(&file).unwrap();
    for at in (8..whole.len()).step_by(11) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        let log = StateLog::open(dir.path(), end, 1 << 16, 1 << 16).unwrap();
        let read = |address: &Address| -> Result<(), StorageError> {
            let leaf = log.leaf(root, &hashed_path(address.as_slice()))?;
            let mut slots = log.leaves(leaf.and_then(|leaf| leaf.as_leaf().and_then(|leaf| leaf.storage)), B256::ZERO);
            while slots.next()?.is_some() {}
            Ok(())
        };
        let failed: Vec<_> = accounts.keys().filter_map(|address| read(address).err()).collect();
        assert!(!failed.is_empty(), "byte {at}");
        assert!(failed.iter().all(|error| matches!(error, StorageError::Corrupt { .. })));
    }
}

#[test]
fn a_difference_is_what_changed_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 20, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let mut states = vec![(None, World::new())];
    for n in 0..60 {
        let mut appender = log.appender(chain.root);
        chain.block(turn(n, 40), &mut appender);
        commit(appender);
        states.push((chain.root, chain.world.clone()));
    }
    for (i, (old_root, old)) in states.iter().enumerate() {
        for (new_root, new) in states.iter().skip(i).step_by(7) {
            let mut found = BTreeMap::new();
            log.diff(*old_root, *new_root, &mut |before, after| {
                let key = before.or(after).map(|leaf| leaf.preimage.clone()).unwrap();
                assert!(found.insert(key, (before.is_some(), after.is_some())).is_none(), "once");
                Ok(())
            })
            .unwrap();
            let mut expected = BTreeMap::new();
            for address in old.keys().chain(new.keys()).filter(|address| old.get(*address) != new.get(*address)) {
                let there = (old.contains_key(address), new.contains_key(address));
                expected.insert(Box::<[u8]>::from(address.as_slice()), there);
            }
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn once_swept_the_newest_state_needs_no_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 16, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let mut appender = log.appender(chain.root);
    chain.block((0..2_000).map(|n| (n, Some(1))), &mut appender);
    commit(appender);
    let mut sweep = Some(Sweep::begin(NodePos(log.end())));
    let cutoff = NodePos(log.end());
    let mut steps = 0;
    while let Some(step) = sweep {
        // Blocks go on meanwhile, everywhere in the state.
        let before = chain.root;
        let mut appender = log.appender(before);
        chain.block((0..9).map(|k| ((steps * 31 + k * 222) % 2_000, Some(steps + 2))), &mut appender);
        let step = Sweep::decode(&step.encode()).unwrap();
        if steps % 3 == 1 {
            // The tables refuse it: the block and the step come again over the state there was.
            step.step(&mut appender, chain.root, 300).unwrap();
            appender.sync().unwrap();
            drop(appender);
            appender = log.appender(before);
            chain.root = appender.block(&chain.trie).unwrap();
        }
        (chain.root, sweep) = step.step(&mut appender, chain.root, 300).unwrap();
        commit(appender);
        log.moved();
        steps += 1;
        if steps % 4 == 0 {
            chain.forget();
        }
    }
    assert!(steps > 5, "{steps} steps");
    log.delete_before(cutoff).unwrap();
    // The tries in memory do not know where the sweep put their nodes.
    for n in 0..300u64 {
        let mut appender = log.appender(chain.root);
        chain.block(
            (0..9).map(|k| ((n * 37 + k * 222) % 2_000, (!(n + k).is_multiple_of(5)).then_some(n + 9))),
            &mut appender,
        );
        commit(appender);
    }
    let (root, world) = (chain.root, chain.world.clone());
    let end = log.end();
    drop(log);
    assert!(!dir.path().join("00000000.nodes").exists());
    let log = StateLog::open(dir.path(), end, 1 << 16, 1 << 16).unwrap();
    same(&log, root, &world);
}

/// So many accounts that their trie is changed in parts, down to where parts and the root itself melt away.
#[test]
fn blocks_that_touch_many_accounts_leave_the_same_tries() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 20, 1 << 20).unwrap();
    let mut chain = Chain::new(&log);
    let nibble = |n: u64| keccak256(address(n))[0] >> 4;
    let keep = |keep: &dyn Fn(u64) -> bool| -> Vec<(u64, Option<u64>)> {
        (0..400).map(|n| (n, keep(n).then_some(7))).collect()
    };
    let one = (0..400).find(|n| nibble(*n) == 3).unwrap();
    let blocks = [
        (0..400).map(|n| (n, Some(1))).collect(),
        (50..350).map(|n| (n, Some(n))).collect(),
        keep(&|n| n % 3 == 0),
        keep(&|n| nibble(n) == 3),
        keep(&|_| true),
        keep(&|n| n == one),
        keep(&|n| n < 200),
        keep(&|_| false),
        keep(&|n| nibble(n) < 2),
        keep(&|n| n == 0 || n == 1),
        keep(&|n| n > 30),
    ];
    for block in blocks {
        let mut appender = log.appender(chain.root);
        chain.block::<Vec<_>>(block, &mut appender);
        commit(appender);
        chain.check();
    }
}

/// Records that are sound by their checksums and lead nowhere good.
#[test]
fn records_that_lead_in_circles_or_too_far_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 20, 1 << 16).unwrap();
    let place = |pos: u64| pos.to_le_bytes()[..6].to_vec();
    let put = |record: &[u8]| {
        let pos = log.files.append(record).unwrap();
        log.files.spill().unwrap();
        pos
    };
    let refused = |pos: NodePos| matches!(log.node(pos), Err(StorageError::Corrupt { .. }));
    // Patches on patches without end.
    let mut last = put(&[&[2, 0, 0, 0, 0][..]].concat());
    log.node(last).unwrap();
    let patch = |on: NodePos| [&[3][..], &place(on.0), &[0; 6]].concat();
    for n in 1..5_000 {
        last = put(&patch(last));
        assert_eq!(refused(last), n > usize::from(node::MAX_PATCHES), "{n} patches");
    }
    // Itself, a later one, an extension by nothing, an unknown kind, nothing at all.
    let extension = |nibbles: &[u8], to: u64| [&[1][..], nibbles, &[0], &place(to), &[7; 32]].concat();
    assert!(refused(put(&extension(&[1, 0x50], log.end()))));
    assert!(refused(put(&extension(&[1, 0x50], log.end() + 1000))));
    assert!(refused(put(&patch(NodePos(log.end())))));
    assert!(refused(put(&extension(&[0], last.0))));
    assert!(refused(put(&extension(&[200, 1, 2], last.0))));
    assert!(refused(put(&[9, 9, 9])) && refused(put(&[])));
    assert!(refused(NodePos(log.end())) && refused(NodePos(1 << 47)));
    // Longer than any key: found out by whoever walks, before it is one path.
    let mut deep = put(&[&[0, 0][..], &[1, 0x80], &[1, 9]].concat());
    for _ in 0..70 {
        deep = put(&extension(&[1, 0x50], deep.0));
    }
    assert!(matches!(log.leaves(Some(deep), B256::ZERO).next(), Err(StorageError::Corrupt { .. })));
    assert!(log.diff(Some(deep), None, &mut |_, _| Ok(())).is_err());
    assert!(log.leaf(Some(deep), &path_of(&B256::repeat_byte(0x55))).unwrap().is_none());
    assert!(log.at(Some(deep), &Nibbles::from_nibbles([5; 64])).unwrap().is_some());
}

/// A contract that is destroyed and made again as it was changes nothing, and nothing may keep the tries of all such blocks.
#[test]
fn branches_made_again_as_they_were_leave_no_chain_behind() {
    let dir = tempfile::tempdir().unwrap();
    let log = StateLog::open(dir.path(), 0, 1 << 20, 1 << 16).unwrap();
    let mut chain = Chain::new(&log);
    let mut appender = log.appender(chain.root);
    chain.block((0..400).map(|n| (n, Some(1))), &mut appender);
    commit(appender);
    // As after a sweep.
    log.moved();
    let mut appender = log.appender(chain.root);
    let mut changes = StateChanges::default();
    changes.accounts.insert(address(7), Some(Account { nonce: 1, ..Account::default() }));
    let source = Logged { log: &log, root: chain.root, warm: usize::MAX };
    let root = chain.trie.root_hash();
    for _ in 0..40_000 {
        chain.trie = trie::state_root(&source, &chain.trie, &changes).unwrap();
        appender.block(&chain.trie).unwrap();
    }
    assert_eq!(chain.trie.root_hash(), root);
    drop(appender);
    std::thread::Builder::new().stack_size(256 << 10).spawn(move || drop(chain.trie)).unwrap().join().unwrap();
}
