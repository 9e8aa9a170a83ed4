//! A small chain of blocks with chosen effects, and signed transactions. It must not test anything itself.

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_primitives::{
    Account, Address, B256, Block, BlockBody, Bytes, ChainSpec, Header, PooledTransaction, RecoveredBlock,
    SealedHeader, StateChanges, Transaction, U256,
    consensus::{SignableTransaction, Signed, TxEip1559, TxLegacy, transaction::RlpEcdsaEncodableTx},
    primitives::TxKind,
};
use atoll_storage::{DbEngine, ExecutedBlock, Reorg, Storage, StorageOptions};
use atoll_txpool::{Origin, PoolConfig, PoolError, TxPool};
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

pub const CHAIN_ID: u64 = 4242;
pub const GWEI: u128 = 1_000_000_000;
/// A contract with one `STOP`.
pub const CONTRACT: Address = Address::repeat_byte(0xcc);

pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

pub fn key(index: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::from(U256::from(index + 1))).unwrap()
}

pub struct World {
    _dir: TempDir,
    pub spec: Arc<ChainSpec>,
    pub storage: Storage,
}

impl World {
    /// Ten ether for each of `accounts` keys; `forks` adds to the genesis file's `config`.
    pub fn with(accounts: usize, forks: &[(&str, u64)]) -> Self {
        let mut alloc = serde_json::Map::new();
        for index in 0..accounts {
            alloc.insert(key(index).address().to_string(), json!({ "balance": format!("{:#x}", ether(10)) }));
        }
        alloc.insert(CONTRACT.to_string(), json!({ "balance": "0x0", "code": "0x00" }));
        let mut config = json!({ "chainId": CHAIN_ID, "ethash": {} });
        for block in ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg"] {
            config[format!("{block}Block")] = json!(0);
        }
        for (fork, at) in forks {
            config[*fork] = json!(at);
        }
        let genesis = json!({
            "config": config, "difficulty": "0x1", "gasLimit": "0x1c9c380", "timestamp": "0x1", "alloc": alloc,
        });
        let spec = Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap());
        let dir = TempDir::new().unwrap();
        let options = StorageOptions { engine: DbEngine::Redb, cache_bytes: 8 << 20, ..StorageOptions::default() };
        let storage = Storage::open(dir.path(), &spec, options).unwrap();
        Self { _dir: dir, spec, storage }
    }

    /// Prague from the start.
    pub fn new(accounts: usize) -> Self {
        Self::with(accounts, &PRAGUE)
    }

    pub fn pool(&self) -> TxPool {
        self.pool_with(PoolConfig::default())
    }

    pub fn pool_with(&self, config: PoolConfig) -> TxPool {
        TxPool::new(self.spec.clone(), self.storage.clone(), config)
    }

    /// Stores a block on `parent` with these transactions, of which each raises its sender's nonce.
    pub fn block(&self, parent: &B256, txs: &[&PooledTransaction], accounts: &[(Address, Account)]) -> SealedHeader {
        self.block_with(parent, txs, accounts, StateChanges::default())
    }

    fn block_with(
        &self,
        parent: &B256,
        txs: &[&PooledTransaction],
        accounts: &[(Address, Account)],
        mut changes: StateChanges,
    ) -> SealedHeader {
        let view = self.storage.state_at(parent).unwrap().unwrap();
        let parent_header = self.storage.header(parent).unwrap().unwrap();
        let transactions: Vec<Transaction> = txs.iter().map(|tx| (*tx).clone().into()).collect();
        let senders = atoll_primitives::recover_senders(&transactions).unwrap();
        for sender in &senders {
            let account = changes.account(sender).unwrap_or_else(|| view.account(sender).unwrap());
            let mut account = account.unwrap_or_default();
            account.nonce += 1;
            changes.accounts.insert(*sender, Some(account));
        }
        changes.accounts.extend(accounts.iter().map(|(address, account)| (*address, Some(*account))));
        let (state_root, trie) = view.state_root(&changes).unwrap();
        let header = Header {
            parent_hash: *parent,
            number: parent_header.number + 1,
            timestamp: parent_header.timestamp + 10,
            state_root,
            extra_data: Bytes::copy_from_slice(&(txs.len() as u64).to_be_bytes()),
            ..parent_header.clone()
        };
        let block = Block { header, body: BlockBody { transactions, ommers: Vec::new(), withdrawals: None } };
        let hash = block.header.hash_slow();
        let block = RecoveredBlock { hash, block, senders };
        let head = block.sealed_header();
        let total_difficulty = self.storage.total_difficulty(parent).unwrap().unwrap() + U256::from(1);
        let (block, changes, trie) = (Arc::new(block), Arc::new(changes), Arc::new(trie));
        let receipts = Arc::new(Vec::new());
        self.storage.append(ExecutedBlock { block, receipts, total_difficulty, changes, trie }).unwrap();
        head
    }

    /// Makes a stored block the head and tells the pool.
    pub fn switch(&self, pool: &TxPool, head: &SealedHeader) {
        let Reorg { reverted, applied } = self.storage.set_head(&head.hash).unwrap();
        pool.on_head(head, &reverted, &applied).unwrap();
    }

    /// A block on the head that makes other changes too.
    pub fn advance_with(&self, pool: &TxPool, accounts: &[(Address, Account)], changes: StateChanges) {
        let head = self.block_with(&self.storage.head().hash, &[], accounts, changes);
        self.switch(pool, &head);
    }

    /// A block on the head, told to the pool.
    pub fn advance(&self, pool: &TxPool, txs: &[&PooledTransaction], accounts: &[(Address, Account)]) {
        let head = self.block(&self.storage.head().hash, txs, accounts);
        self.switch(pool, &head);
    }
}

pub const PRAGUE: [(&str, u64); 6] = [
    ("istanbulBlock", 0),
    ("berlinBlock", 0),
    ("londonBlock", 0),
    ("shanghaiTime", 0),
    ("cancunTime", 0),
    ("pragueTime", 0),
];

/// A plain transfer, for tests to change.
pub fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

pub fn priced(nonce: u64, fee_cap: u128, tip: u128) -> TxEip1559 {
    TxEip1559 { max_fee_per_gas: fee_cap, max_priority_fee_per_gas: tip, ..transfer(nonce) }
}

pub fn legacy(nonce: u64, gas_price: u128) -> TxLegacy {
    let to = TxKind::Call(Address::repeat_byte(0xaa));
    TxLegacy { chain_id: Some(CHAIN_ID), nonce, gas_price, gas_limit: 21_000, to, ..TxLegacy::default() }
}

pub fn sign<T>(account: usize, tx: T) -> PooledTransaction
where
    T: SignableTransaction<atoll_primitives::primitives::Signature> + RlpEcdsaEncodableTx,
    PooledTransaction: From<Signed<T>>,
{
    let signature = key(account).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

pub fn add(pool: &TxPool, tx: PooledTransaction) -> Result<B256, PoolError> {
    pool.add(vec![tx], Origin::External).remove(0)
}

pub fn add_local(pool: &TxPool, tx: PooledTransaction) -> Result<B256, PoolError> {
    pool.add(vec![tx], Origin::Local).remove(0)
}

/// Pending and queued counts.
pub fn counts(pool: &TxPool) -> (usize, usize) {
    let status = pool.status();
    (status.pending, status.queued)
}
