//! Blocks for a test's chain: executed for real, not sealed. Key 1 signs.

use super::TestNode;
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::{Import, Origin};
use atoll_executor::{BlockBuilder, StateDb};
use atoll_primitives::{
    Address, Block, BlockBody, Bytes, Header, Transaction, U256, address,
    consensus::{EMPTY_OMMER_ROOT_HASH, SignableTransaction as _, TxEip1559, proofs},
    eips::eip4895::Withdrawals,
    primitives::TxKind,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub const SENDER: Address = address!("7e5f4552091a69125d5dfcb7b8c2659029395bdf");
pub const MINER: Address = address!("1111111111111111111111111111111111111111");
/// Logs nothing but the topics it is called with: two words.
pub const LOGGER: Address = address!("2222222222222222222222222222222222222222");

/// Cancun from the start; the sender is rich; further accounts are `alloc`.
pub fn genesis(alloc: &Value) -> String {
    let mut accounts = json!({
        SENDER.to_string(): { "balance": "0xd3c21bcecceda1000000" },
        LOGGER.to_string(): { "balance": "0x0", "nonce": "0x1", "code": "0x60203560003560006000a200" },
    });
    accounts.as_object_mut().unwrap().extend(alloc.as_object().unwrap().clone());
    let mut config = json!({ "chainId": 1337, "ethash": {}, "shanghaiTime": 0, "cancunTime": 0 });
    for fork in ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"] {
        config[format!("{fork}Block")] = json!(0);
    }
    (config["berlinBlock"], config["londonBlock"]) = (json!(0), json!(0));
    json!({ "config": config, "difficulty": "0x20000", "gasLimit": "0x1c9c380", "alloc": accounts }).to_string()
}

pub fn transaction(nonce: u64, to: TxKind, value: u64, input: impl Into<Bytes>) -> Transaction {
    let signer: PrivateKeySigner = format!("{:#066x}", 1).parse().unwrap();
    let tx = TxEip1559 {
        chain_id: 1337,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to,
        value: U256::from(value),
        input: input.into(),
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

impl TestNode {
    /// Adds a block of these transactions to the head.
    pub fn mine(&self, transactions: Vec<Transaction>) -> Block {
        let (storage, spec) = (self.chain.storage(), self.chain.spec());
        let parent = storage.head();
        let mut header = Header {
            beneficiary: MINER,
            gas_limit: parent.gas_limit,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            ..Header::default()
        };
        self.chain.engine().prepare(&mut header, &parent, storage, parent.timestamp + 10).unwrap();
        let view = storage.head_state();
        let db = StateDb::new(view.clone(), Arc::new(storage.clone()));
        let mut builder = BlockBuilder::new(spec, db, &header, None).unwrap();
        for tx in &transactions {
            builder.try_transaction(tx, SENDER).unwrap();
        }
        let built = builder.finish(Some(&Withdrawals::default()), &self.chain.engine().rewards(&header, &[])).unwrap();
        header.gas_used = built.output.gas_used;
        header.blob_gas_used = Some(built.output.blob_gas_used);
        header.receipts_root = built.output.receipts_root();
        header.logs_bloom = built.output.logs_bloom;
        header.transactions_root = proofs::calculate_transaction_root(&transactions);
        header.state_root = view.state_root(&built.output.changes).unwrap().0;
        let body = BlockBody { transactions, ommers: vec![], withdrawals: Some(Withdrawals::default()) };
        let block = Block { header, body };
        assert_eq!(self.chain.import(block.clone(), Origin::Own).unwrap(), Import::Canonical);
        block
    }
}
