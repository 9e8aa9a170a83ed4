//! Nodes on a private proof-of-work network, and blocks sealed for real. It must not test anything itself.

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::{Chain, ChainError, ChainEvent, ChainOptions, HeadChange, Import, Origin};
use atoll_consensus::{Engine, Sealer, SealerInput, SealerOutput, engine};
use atoll_executor::{BlockBuilder, StateDb};
use atoll_primitives::{
    Address, B256, Block, BlockBody, Bytes, ChainSpec, Hardfork, Header, SealedHeader, Transaction, U256,
    consensus::{EMPTY_OMMER_ROOT_HASH, SignableTransaction, TxEip1559, proofs},
    eips::eip4895::Withdrawals,
    primitives::TxKind,
};
use atoll_storage::{Storage, StorageOptions};
use serde_json::json;
use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;

pub const CHAIN_ID: u64 = 4243;
pub const RECEIVER: Address = Address::repeat_byte(0xaa);
pub const MINER: Address = Address::repeat_byte(0x11);

pub fn key(index: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::from(U256::from(index + 1))).unwrap()
}

/// Prague from the start; two rich accounts.
pub fn spec() -> Arc<ChainSpec> {
    spec_with(json!({}))
}

/// The same with these accounts too.
pub fn spec_with(more: serde_json::Value) -> Arc<ChainSpec> {
    let mut config = json!({
        "chainId": CHAIN_ID, "ethash": { "datasetSize": 65536, "fixeddifficulty": 16 },
        "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
    });
    let blocks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"];
    for block in blocks.into_iter().chain(["berlin", "london"]) {
        config[format!("{block}Block")] = json!(0);
    }
    let rich = json!({ "balance": "0x3635c9adc5dea00000" });
    let mut alloc = json!({ key(0).address().to_string(): rich, key(1).address().to_string(): rich });
    // The system contracts of EIP-2935, EIP-4788, EIP-7002 and EIP-7251, as short as they can be: STOP.
    for system in [
        "0x0000F90827F1C53a10cb7A02335B175320002935",
        "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
        "0x00000961Ef480Eb55e80D19ad83579A64c007002",
        "0x0000BBdDc7CE488642fb579F8B00f3a590007251",
    ] {
        alloc[system] = json!({ "balance": "0x0", "nonce": "0x1", "code": "0x00" });
    }
    for (address, account) in more.as_object().unwrap() {
        alloc[address] = account.clone();
    }
    let genesis = json!({
        "config": config, "difficulty": "0x10", "gasLimit": "0x1c9c380", "timestamp": "0x5", "alloc": alloc,
    });
    Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

pub fn open(dir: &Path, spec: &Arc<ChainSpec>, flush_depth: u64) -> Chain {
    let options = StorageOptions { cache_bytes: 8 << 20, flush_depth, ..StorageOptions::default() };
    open_with(dir, spec, options).unwrap()
}

pub fn open_with(dir: &Path, spec: &Arc<ChainSpec>, options: StorageOptions) -> Result<Chain, ChainError> {
    open_as(dir, spec, options, ChainOptions::default())
}

pub fn open_as(
    dir: &Path,
    spec: &Arc<ChainSpec>,
    options: StorageOptions,
    chain: ChainOptions,
) -> Result<Chain, ChainError> {
    let storage = Storage::open(dir, spec, options)?;
    Chain::open(spec.clone(), storage, engine(spec.clone()).unwrap(), chain)
}

/// A node with a data directory of its own.
pub struct Node {
    pub dir: TempDir,
    pub spec: Arc<ChainSpec>,
    pub chain: Chain,
    /// Marks this node's blocks, so that two nodes' blocks differ.
    mark: u8,
}

impl Node {
    pub fn new(mark: u8) -> Self {
        Self::with_depth(mark, 64)
    }

    pub fn with_depth(mark: u8, flush_depth: u64) -> Self {
        Self::with_spec(mark, flush_depth, spec())
    }

    pub fn with_spec(mark: u8, flush_depth: u64, spec: Arc<ChainSpec>) -> Self {
        let dir = TempDir::new().unwrap();
        let chain = open(dir.path(), &spec, flush_depth);
        Self { dir, spec, chain, mark }
    }

    /// The node again after a restart.
    pub fn reopened(dir: TempDir, spec: Arc<ChainSpec>, chain: Chain) -> Self {
        Self { dir, spec, chain, mark: 0 }
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        self.chain.engine()
    }

    /// A sealed block on the head, not imported.
    pub fn block(&self, txs: &[Transaction]) -> Block {
        self.block_on(&self.chain.head().hash, txs, &[], |_| ())
    }

    /// A sealed block on any parent whose state this node has; `change` spoils it before it is sealed.
    pub fn block_on(
        &self,
        parent: &B256,
        txs: &[Transaction],
        ommers: &[Header],
        change: impl FnOnce(&mut Block),
    ) -> Block {
        let storage = self.chain.storage();
        let parent = SealedHeader { hash: *parent, header: storage.header(parent).unwrap().unwrap() };
        let mut header = self.template(&parent);
        let view = storage.state_at(&parent.hash).unwrap().unwrap();
        let db = StateDb::new(view.clone(), Arc::new(storage.clone()));
        let mut builder = BlockBuilder::new(&self.spec, db, &header, None).unwrap();
        for tx in txs {
            let sender = atoll_primitives::SignerRecoverable::recover_signer(tx).unwrap();
            builder.try_transaction(tx, sender).unwrap();
        }
        let rewards = self.engine().rewards(&header, ommers);
        let built = builder.finish(Some(&Withdrawals::default()), &rewards).unwrap();
        header.gas_used = built.output.gas_used;
        header.blob_gas_used = Some(built.output.blob_gas_used);
        header.receipts_root = built.output.receipts_root();
        header.logs_bloom = built.output.logs_bloom;
        header.requests_hash = built.output.requests_hash(Hardfork::Prague);
        header.transactions_root = proofs::calculate_transaction_root(txs);
        header.ommers_hash = proofs::calculate_ommers_root(ommers);
        header.state_root = view.state_root(&built.output.changes).unwrap().0;
        let withdrawals = Some(Withdrawals::default());
        let body = BlockBody { transactions: txs.to_vec(), ommers: ommers.to_vec(), withdrawals };
        let mut block = Block { header, body };
        change(&mut block);
        block.header = self.seal(block.header);
        block
    }

    /// A sealed empty block that claims any state: its parent need not be known to any node.
    pub fn unfounded_block(&self, parent: &Header, state_root: B256) -> Block {
        let parent = SealedHeader::new(parent.clone());
        let header = self.seal(Header { state_root, ..self.template(&parent) });
        Block { header, body: BlockBody { withdrawals: Some(Withdrawals::default()), ..BlockBody::default() } }
    }

    fn template(&self, parent: &SealedHeader) -> Header {
        let mut header = Header {
            beneficiary: MINER,
            gas_limit: 30_000_000,
            extra_data: Bytes::from(vec![self.mark]),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            ..Header::default()
        };
        let now = parent.timestamp + 10;
        self.engine().prepare(&mut header, parent, self.chain.storage(), now).unwrap();
        header
    }

    pub fn seal(&self, header: Header) -> Header {
        let now = header.timestamp;
        let mut sealer: Box<dyn Sealer> = self.engine().sealer().unwrap();
        let mut outputs = sealer.step(SealerInput::Work { header: Box::new(header) }, now);
        loop {
            match outputs.remove(0) {
                SealerOutput::Sealed(header) => return *header,
                SealerOutput::StopSearch => (),
                SealerOutput::Search(job) => {
                    let found = job.searcher().search(0, u64::MAX).unwrap();
                    let (nonce, mix_hash, seal_hash) = (found.nonce, found.mix_hash, found.seal_hash);
                    outputs = sealer.step(SealerInput::Solution { nonce, mix_hash, seal_hash }, now);
                }
            }
        }
    }

    /// Mines `count` blocks, each with one transfer of `key(sender)`, and returns them.
    pub fn mine(&self, count: usize, sender: usize) -> Vec<Block> {
        (0..count)
            .map(|_| {
                let account = self.chain.storage().head_state().account(&key(sender).address()).unwrap().unwrap();
                let block = self.block(&[transfer(sender, account.nonce)]);
                assert_eq!(self.chain.import(block.clone(), Origin::Own).unwrap(), Import::Canonical);
                block
            })
            .collect()
    }

    pub fn import(&self, block: &Block) -> Import {
        self.chain.import(block.clone(), Origin::Peer).unwrap()
    }

    pub fn head(&self) -> (u64, B256) {
        let head = self.chain.head();
        (head.number, head.hash)
    }

    /// What `RECEIVER` has got: one wei a transfer.
    pub fn received(&self) -> U256 {
        self.chain.storage().head_state().account(&RECEIVER).unwrap().unwrap_or_default().balance
    }

    /// Waits until the flush thread has persisted this block.
    pub fn wait_for_base(&self, number: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.chain.storage().base().number < number {
            assert!(Instant::now() < deadline, "base is {}", self.chain.storage().base().number);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// One wei to `RECEIVER`.
pub fn transfer(sender: usize, nonce: u64) -> Transaction {
    call(sender, nonce, RECEIVER, Bytes::new())
}

/// One wei and some input to any account.
pub fn call(sender: usize, nonce: u64, to: Address, input: Bytes) -> Transaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: if input.is_empty() { 21_000 } else { 100_000 },
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::from(1),
        input,
        ..TxEip1559::default()
    };
    let signature = key(sender).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

/// The next head change, passing over side blocks.
pub fn next_head(events: &mut Receiver<ChainEvent>) -> Arc<HeadChange> {
    loop {
        if let ChainEvent::Head(change) = events.try_recv().unwrap() {
            return change;
        }
    }
}

pub fn hash(block: &Block) -> B256 {
    block.header.hash_slow()
}
