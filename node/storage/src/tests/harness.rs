//! A model of the state as plain maps, and blocks made from random changes to it.

use crate::{DbEngine, ExecutedBlock, StateTrie, StateView, Storage, StorageOptions};
use alloy_trie::TrieAccount;
use atoll_primitives::{
    Account, Address, B256, Block, BlockBody, Bloom, Bytes, ChainSpec, Header, Log, Receipt, RecoveredBlock,
    StateChanges, StorageChanges, Transaction, U256,
    consensus::{Receipt as PlainReceipt, SignableTransaction, TxLegacy},
    keccak256,
    primitives::{LogData, Signature},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

pub const ENGINES: [DbEngine; 2] = [DbEngine::Redb, DbEngine::Sled];
pub const ADDRESSES: u64 = 12;
pub const SLOTS: u64 = 10;
pub const TOPICS: u64 = 6;

/// A small generator (splitmix64): the same seed gives the same blocks in another process too.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

pub fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

pub fn topic(n: u64) -> B256 {
    B256::from(U256::from(n))
}

/// The whole state as maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub accounts: BTreeMap<Address, (Account, BTreeMap<U256, U256>)>,
}

impl World {
    pub fn genesis(spec: &ChainSpec) -> Self {
        let accounts = atoll_primitives::genesis_accounts(&spec.genesis);
        Self {
            accounts: accounts.map(|(at, account, _, slots)| (at, (account, slots.into_iter().collect()))).collect(),
        }
    }

    pub fn apply(&mut self, changes: &StateChanges) {
        for (address, change) in &changes.storage {
            let Some((_, slots)) = self.accounts.get_mut(address) else { continue };
            if change.wiped {
                slots.clear();
            }
        }
        for (address, account) in &changes.accounts {
            match account {
                None => drop(self.accounts.remove(address)),
                Some(account) => self.accounts.entry(*address).or_default().0 = *account,
            }
        }
        for (address, change) in &changes.storage {
            let Some((_, slots)) = self.accounts.get_mut(address) else { continue };
            slots.extend(&change.slots);
            slots.retain(|_, value| !value.is_zero());
        }
    }

    pub fn root(&self) -> B256 {
        alloy_trie::root::state_root_unhashed(self.accounts.iter().map(|(address, (account, slots))| {
            let root = atoll_primitives::storage_root(slots.iter().map(|(slot, value)| (*slot, *value)));
            (*address, TrieAccount::new(account.nonce, account.balance, root, account.code_hash))
        }))
    }

    /// Changes of one block: accounts that come, change, go and come again; slots that do the same.
    pub fn random_changes(&self, rng: &mut Rng) -> StateChanges {
        let mut changes = StateChanges::default();
        for _ in 0..rng.below(5) {
            let address = address(rng.below(ADDRESSES));
            let exists = self.accounts.contains_key(&address);
            let mut storage = StorageChanges::default();
            match rng.below(8) {
                0 if exists => {
                    changes.accounts.insert(address, None);
                    storage.wiped = true;
                    changes.storage.insert(address, storage);
                    continue;
                }
                1 => storage.wiped = true,
                _ => {}
            }
            if !exists || rng.below(2) == 0 {
                let code = Bytes::from(vec![rng.below(4) as u8; 40]);
                let mut account =
                    Account { nonce: rng.below(9), balance: U256::from(rng.below(1 << 40)), ..Account::default() };
                if rng.below(3) == 0 {
                    account.code_hash = keccak256(&code);
                    changes.code.insert(account.code_hash, code);
                }
                changes.accounts.insert(address, Some(account));
            } else {
                changes.accounts.remove(&address);
            }
            for _ in 0..rng.below(7) {
                let value = if rng.below(3) == 0 { U256::ZERO } else { U256::from(rng.below(1 << 30)) };
                storage.slots.insert(U256::from(rng.below(SLOTS)), value);
            }
            changes.storage.insert(address, storage);
        }
        changes
    }

    /// Compares everything a view can tell, also what is not there.
    pub fn assert_same(&self, view: &StateView) {
        for n in 0..ADDRESSES {
            let address = address(n);
            let expected = self.accounts.get(&address);
            let number = view.block_number();
            let account = view.account(&address).unwrap();
            assert_eq!(account, expected.map(|(account, _)| *account), "{address} at {number}");
            if let Some(account) = account {
                assert_eq!(keccak256(view.code(&account.code_hash).unwrap()), account.code_hash);
            }
            for slot in (0..SLOTS).map(U256::from) {
                let value = expected.and_then(|(_, slots)| slots.get(&slot)).copied().unwrap_or_default();
                assert_eq!(view.storage(&address, &slot).unwrap(), value, "{address} {slot} at {number}");
            }
        }
    }
}

pub fn spec() -> ChainSpec {
    let (a, b) = (address(0), address(1));
    ChainSpec::from_json(&format!(
        r#"{{"config":{{"chainId":7,"ethash":{{}}}},"difficulty":"0x1","gasLimit":"0x1c9c380",
        "alloc":{{"{a}":{{"balance":"0x64"}},"{b}":{{"balance":"0x1","code":"0x6001","storage":{{
        "0x0000000000000000000000000000000000000000000000000000000000000001":
        "0x0000000000000000000000000000000000000000000000000000000000000005"}}}}}}}}"#
    ))
    .unwrap()
}

pub fn open(dir: &Path, engine: DbEngine) -> Storage {
    open_with(dir, engine, 4)
}

pub fn open_with(dir: &Path, engine: DbEngine, flush_depth: u64) -> Storage {
    let options = StorageOptions { engine, cache_bytes: 1 << 20, flush_depth, ..StorageOptions::default() };
    Storage::open(dir, &spec(), options).unwrap()
}

/// Every block ever made: its changes, and the state after it.
pub struct Blocks {
    pub known: HashMap<B256, (ExecutedBlock, World)>,
    pub genesis: B256,
}

impl Blocks {
    pub fn new() -> Self {
        let spec = spec();
        let header = spec.genesis_header();
        let block = Block { header: header.header.clone(), body: BlockBody::default() };
        let executed = ExecutedBlock {
            block: Arc::new(RecoveredBlock { hash: header.hash, block, senders: vec![] }),
            receipts: Arc::default(),
            total_difficulty: U256::from(1),
            changes: Arc::default(),
            trie: Arc::default(),
        };
        let world = World::genesis(&spec);
        Self { known: HashMap::from([(header.hash, (executed, world))]), genesis: header.hash }
    }

    pub fn world(&self, hash: &B256) -> &World {
        &self.known[hash].1
    }

    /// A block over `parent`, with its tries from that block's view if there is one.
    pub fn make(&mut self, parent: &B256, seed: u64, view: Option<&StateView>) -> ExecutedBlock {
        let changes = self.world(parent).random_changes(&mut Rng(seed));
        self.make_of(parent, seed, changes, view)
    }

    /// A block of these changes; the seed decides about the rest.
    pub fn make_of(
        &mut self,
        parent: &B256,
        seed: u64,
        changes: StateChanges,
        view: Option<&StateView>,
    ) -> ExecutedBlock {
        let mut rng = Rng(!seed);
        let (before, world) = &self.known[parent];
        let mut world = world.clone();
        world.apply(&changes);
        let trie = view.map(|view| {
            let (root, trie) = view.state_root(&changes).unwrap();
            assert_eq!(root, world.root(), "root of a block over {}", view.block_number());
            trie
        });
        let number = before.block.number() + 1;
        let transactions: Vec<_> = (0..rng.below(3)).map(|n| transaction(seed << 8 | n)).collect();
        let receipts: Vec<Receipt> = (1..).zip(&transactions).map(|(n, _)| receipt(n, &mut rng)).collect();
        let senders = transactions.iter().map(|_| address(rng.below(ADDRESSES))).collect();
        let header = Header {
            parent_hash: *parent,
            number,
            state_root: world.root(),
            extra_data: seed.to_be_bytes().into(),
            difficulty: U256::from(1),
            logs_bloom: receipts.iter().fold(Bloom::ZERO, |all, receipt| all | *receipt.logs_bloom()),
            ..Header::default()
        };
        let block = Block { header, body: BlockBody { transactions, ..Default::default() } };
        let executed = ExecutedBlock {
            block: Arc::new(RecoveredBlock { hash: block.header.hash_slow(), block, senders }),
            receipts: Arc::new(receipts),
            total_difficulty: before.total_difficulty + U256::from(1),
            changes: Arc::new(changes),
            trie: Arc::new(trie.unwrap_or_default()),
        };
        self.known.insert(executed.block.hash, (executed.clone(), world));
        executed
    }

    /// Adds a block over `parent` and makes it the head.
    pub fn extend(&mut self, storage: &Storage, parent: &B256, seed: u64) -> B256 {
        let hash = self.append(storage, parent, seed);
        storage.set_head(&hash).unwrap();
        hash
    }

    pub fn append(&mut self, storage: &Storage, parent: &B256, seed: u64) -> B256 {
        let view = storage.state_at(parent).unwrap().unwrap();
        let executed = self.make(parent, seed, Some(&view));
        let hash = executed.block.hash;
        storage.append(executed).unwrap();
        hash
    }

    /// What `chain` does after opening: executes again what the journal holds.
    pub fn restore(&self, storage: &Storage) -> usize {
        let blocks = storage.unexecuted();
        let count = blocks.len();
        for block in blocks {
            let (executed, world) = &self.known[&block.hash];
            assert_eq!(*executed.block, block);
            let parent = storage.state_at(&block.header().parent_hash).unwrap().unwrap();
            let (root, trie): (B256, StateTrie) = parent.state_root(&executed.changes).unwrap();
            assert_eq!(root, world.root());
            storage.restore(ExecutedBlock { trie: Arc::new(trie), ..executed.clone() }).unwrap();
        }
        storage.finish_restore().unwrap();
        count
    }

    /// Checks everything `storage` tells about the chain that ends in `head`.
    pub fn check_chain(&self, storage: &Storage, head: &B256) {
        assert_eq!(storage.head().hash, *head);
        let mut at = *head;
        loop {
            let (executed, world) = &self.known[&at];
            let number = executed.block.number();
            assert_eq!(storage.canonical_hash(number).unwrap(), Some(at));
            assert_eq!(storage.number(&at).unwrap(), Some(number));
            assert_eq!(storage.header_by_number(number).unwrap().as_ref(), Some(executed.block.header()));
            assert_eq!(storage.total_difficulty(&at).unwrap(), Some(executed.total_difficulty));
            assert_eq!(storage.block(&at).unwrap().unwrap(), executed.block);
            assert_eq!(storage.receipts(&at).unwrap().unwrap(), executed.receipts);
            for (index, tx) in executed.block.block.body.transactions.iter().enumerate() {
                let location = storage.transaction_location(tx.tx_hash()).unwrap().unwrap();
                assert_eq!((location.block_hash, location.block_number), (at, number));
                assert_eq!(location.index as usize, index);
            }
            let view = storage.state_at(&at).unwrap().unwrap();
            assert_eq!((view.block_hash(), view.block_number()), (at, number));
            world.assert_same(&view);
            if at == self.genesis {
                break;
            }
            at = executed.block.header().parent_hash;
        }
        assert_eq!(storage.canonical_hash(storage.head_number() + 1).unwrap(), None);
        super::logs::check_logs(self, storage, head);
    }
}

fn transaction(nonce: u64) -> Transaction {
    let tx = TxLegacy { nonce, ..TxLegacy::default() };
    Transaction::Legacy(tx.into_signed(Signature::test_signature()))
}

/// A receipt with up to three logs of few addresses and topics, so that queries find some and not all.
fn receipt(n: u64, rng: &mut Rng) -> Receipt {
    let log = |rng: &mut Rng| {
        let topics = (0..rng.below(5)).map(|_| topic(rng.below(TOPICS))).collect();
        let data = LogData::new_unchecked(topics, vec![n as u8; rng.below(80) as usize].into());
        Log { address: address(rng.below(3)), data }
    };
    let logs = (0..rng.below(4)).map(|_| log(rng)).collect();
    let receipt = PlainReceipt { status: true.into(), cumulative_gas_used: 21_000 * n, logs };
    if rng.below(2) == 0 { Receipt::Legacy(receipt.into()) } else { Receipt::Eip1559(receipt.into()) }
}
