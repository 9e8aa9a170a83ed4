//! What the figures are measured on: funded accounts, a genesis file, and blocks that are built, executed and sealed
//! as a miner would. It must not measure anything.

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::Chain;
use atoll_consensus::{SealerInput, SealerOutput};
use atoll_executor::{BlockBuilder, StateDb};
use atoll_primitives::{
    Address, B256, Block, BlockBody, Bytes, ChainSpec, SealedHeader, Transaction, U256,
    consensus::{
        SignableTransaction, TxEip1559,
        proofs::{calculate_ommers_root, calculate_transaction_root},
    },
    eips::eip4895::Withdrawals,
    keccak256,
    primitives::TxKind,
};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// Chain ID of every chain measured.
pub const CHAIN_ID: u64 = 1337;
/// Seconds between blocks: the target of the genesis file, so that the difficulty stays low.
const BLOCK_TIME: u64 = 2;
/// Wei a gas unit may cost: far above any base fee these chains reach.
const MAX_FEE: u128 = 1_000_000_000_000;
/// Where the contract that creates accounts stands.
pub const FAN_OUT: Address = Address::repeat_byte(0xfa);

/// A deterministic generator (splitmix64): a chain is the same on every machine.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Accounts with keys: the same on every machine.
pub fn signers(count: usize) -> Vec<PrivateKeySigner> {
    let key = |index: usize| keccak256((index as u64).to_be_bytes());
    (0..count).into_par_iter().map(|index| PrivateKeySigner::from_bytes(&key(index)).unwrap()).collect()
}

/// Address number `index` of those that [`FAN_OUT`] creates.
pub fn created(index: u64) -> Address {
    Address::from_word(keccak256(B256::from(U256::from(index))))
}

/// Sends one wei to each address numbered from calldata's first word on, as many as its second word says: its
/// value makes them accounts. By opcode, so that no compiler is needed; the comments show the stack, top right.
fn fan_out_code() -> Bytes {
    let mut code: Vec<u8> = vec![
        0x5f, 0x35, // i
        0x80, 0x60, 0x20, 0x35, 0x01, // i end
        0x90, // end i
    ];
    let start = code.len() as u8;
    code.extend([
        0x5b, // end i
        0x80, 0x5f, 0x52, // mem[0] = i
        0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0x01, // out size, out, in size, in, value
        0x60, 0x20, 0x5f, 0x20, // keccak256(0, 32)
        0x5f, 0xf1, 0x50, // call with no gas but the stipend; drop the result
        0x60, 0x01, 0x01, // end i+1
        0x81, 0x81, 0x10, // end i (i < end)
        0x60, start, 0x57, 0x00,
    ]);
    code.into()
}

/// A genesis with these accounts funded, blocks of up to `gas_limit`, and the proof of work of a private chain.
pub fn spec(funded: &[Address], gas_limit: u64) -> Arc<ChainSpec> {
    let mut genesis: Value = serde_json::from_str(include_str!("../../genesis/ethash.json")).unwrap();
    genesis["gasLimit"] = json!(format!("{gas_limit:#x}"));
    genesis["config"]["ethash"] = json!({ "blockTime": BLOCK_TIME, "datasetSize": 1 << 20 });
    let alloc = genesis["alloc"].as_object_mut().unwrap();
    let rich = json!({ "balance": "0xffffffffffffffffffffffff" });
    alloc.extend(funded.iter().map(|address| (address.to_string(), rich.clone())));
    alloc.insert(FAN_OUT.to_string(), json!({ "balance": "0xffffffffffffffff", "code": fan_out_code() }));
    Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

/// A signed transfer.
pub fn transfer(signer: &PrivateKeySigner, nonce: u64, to: Address) -> Transaction {
    call(signer, nonce, to, U256::from(1), Bytes::new(), 21_000)
}

/// A signed call that makes [`FAN_OUT`] create `count` accounts.
pub fn fan_out(signer: &PrivateKeySigner, nonce: u64, first: u64, count: u64) -> Transaction {
    let input = [U256::from(first).to_be_bytes::<32>(), U256::from(count).to_be_bytes::<32>()].concat();
    call(signer, nonce, FAN_OUT, U256::ZERO, input.into(), 16_000_000)
}

fn call(signer: &PrivateKeySigner, nonce: u64, to: Address, value: U256, input: Bytes, gas_limit: u64) -> Transaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value,
        input,
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

/// Builds, executes and seals a block of these transactions on the chain's head; it is not imported.
pub fn block(chain: &Chain, gas_limit: u64, transactions: &[(Transaction, Address)]) -> Block {
    let (spec, engine, storage) = (chain.spec(), chain.engine(), chain.storage());
    let parent = chain.head();
    let mut header = atoll_primitives::Header { gas_limit, ..Default::default() };
    engine.prepare(&mut header, &parent, storage, parent.timestamp + BLOCK_TIME).unwrap();
    header.ommers_hash = calculate_ommers_root::<atoll_primitives::Header>(&[]);
    let view = storage.state_at(&parent.hash).unwrap().unwrap();
    let db = StateDb::new(view.clone(), Arc::new(storage.clone()));
    let mut builder = BlockBuilder::new(spec, db, &header, None).unwrap();
    for (tx, sender) in transactions {
        assert!(builder.try_transaction(tx, *sender).unwrap().success, "a transaction of the workload failed");
    }
    let withdrawals = Some(Withdrawals::default());
    let built = builder.finish(withdrawals.as_ref(), &engine.rewards(&header, &[])).unwrap();
    header.state_root = view.state_root(&built.output.changes).unwrap().0;
    header.transactions_root = calculate_transaction_root(&built.transactions);
    header.receipts_root = built.output.receipts_root();
    header.logs_bloom = built.output.logs_bloom;
    header.gas_used = built.output.gas_used;
    header.requests_hash = built.output.requests_hash(spec.hardfork(&header));
    let header = seal(chain, &parent, header);
    Block { header, body: BlockBody { transactions: built.transactions, ommers: Vec::new(), withdrawals } }
}

/// Searches the seal, in this thread.
fn seal(chain: &Chain, parent: &SealedHeader, header: atoll_primitives::Header) -> atoll_primitives::Header {
    let now = parent.timestamp + BLOCK_TIME;
    let mut sealer = chain.engine().sealer().unwrap();
    let mut outputs = sealer.step(SealerInput::Work { header: Box::new(header) }, now);
    loop {
        match outputs.pop().unwrap() {
            SealerOutput::Sealed(header) => return *header,
            SealerOutput::StopSearch => {}
            SealerOutput::Search(job) => {
                let searcher = job.searcher();
                let mut starts = (0u64..).step_by(1024);
                let found = starts.find_map(|start| searcher.search(start, 1024)).unwrap();
                let (nonce, mix_hash, seal_hash) = (found.nonce, found.mix_hash, found.seal_hash);
                outputs = sealer.step(SealerInput::Solution { nonce, mix_hash, seal_hash }, now);
            }
        }
    }
}
