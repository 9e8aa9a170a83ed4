//! A small chain in memory for this crate's tests.

use atoll_primitives::{
    Address, B256, Block, BlockBody, Bytes, ChainSpec, Header, RecoveredBlock, Transaction, U256, address,
    consensus::{SignableTransaction, TxLegacy},
    eips::eip4895::Withdrawals,
    primitives::{Signature, TxKind},
};
use revm::{
    database::{CacheDB, EmptyDB},
    state::{AccountInfo, Bytecode},
};

pub(crate) type Db = CacheDB<EmptyDB>;

pub(crate) const SENDER: Address = address!("1000000000000000000000000000000000000001");
pub(crate) const OTHER: Address = address!("2000000000000000000000000000000000000002");
pub(crate) const CONTRACT: Address = address!("c000000000000000000000000000000000000003");
pub(crate) const MINER: Address = address!("3000000000000000000000000000000000000004");
pub(crate) const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A private proof-of-work chain with these further keys in `config`.
pub(crate) fn spec(keys: &str) -> ChainSpec {
    spec_with_alloc(keys, "")
}

/// Such a chain with these accounts in its genesis file.
pub(crate) fn spec_with_alloc(keys: &str, alloc: &str) -> ChainSpec {
    let text = format!(
        r#"{{"config": {{"chainId": 7, "ethash": {{}}, {keys}}}, "gasLimit": "0x1c9c380", "difficulty": "0x20000", "alloc": {{{alloc}}}}}"#
    );
    ChainSpec::from_json(&text).expect("a valid genesis file")
}

/// Keys that start every block fork at 0.
pub(crate) const LONDON: &str = r#""homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
    "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
    "londonBlock": 0"#;

/// A chain with all rules up to Osaka, without a merge.
pub(crate) fn osaka() -> ChainSpec {
    spec(&format!(r#"{LONDON}, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0"#))
}

/// Block 1 of such a chain.
pub(crate) fn header() -> Header {
    Header {
        number: 1,
        timestamp: 1_000,
        gas_limit: 30_000_000,
        difficulty: U256::from(0x20000),
        mix_hash: B256::repeat_byte(0xab),
        beneficiary: MINER,
        base_fee_per_gas: Some(1_000_000_000),
        excess_blob_gas: Some(0),
        blob_gas_used: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

/// The sender has 10 ether; the contract has this code.
pub(crate) fn state(code: &[u8]) -> Db {
    let mut db = Db::default();
    let balance = ETHER * U256::from(10);
    db.insert_account_info(SENDER, AccountInfo { balance, ..AccountInfo::default() });
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    db.insert_account_info(CONTRACT, AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) });
    db
}

/// A transfer or call at 2 gwei. The signature is well-formed and nobody's: tests name the sender.
pub(crate) fn transaction(nonce: u64, to: Address, value: U256, gas_limit: u64) -> Transaction {
    let legacy = TxLegacy {
        chain_id: Some(7),
        nonce,
        gas_price: 2_000_000_000,
        gas_limit,
        to: TxKind::Call(to),
        value,
        input: Bytes::new(),
    };
    legacy.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into()
}

/// A creation without code, like [`transaction`].
pub(crate) fn creation(nonce: u64, gas_limit: u64) -> Transaction {
    let legacy = TxLegacy { chain_id: Some(7), nonce, gas_price: 2_000_000_000, gas_limit, ..TxLegacy::default() };
    legacy.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into()
}

/// A block of transactions that all come from [`SENDER`].
pub(crate) fn block(header: Header, transactions: Vec<Transaction>) -> RecoveredBlock {
    let senders = vec![SENDER; transactions.len()];
    let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) };
    RecoveredBlock { hash: header.hash_slow(), block: Block { header, body }, senders }
}

/// Code that returns the word on top of the stack.
pub(crate) fn returning(code: &[u8]) -> Vec<u8> {
    // PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    [code, &[0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3]].concat()
}
