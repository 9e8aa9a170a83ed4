//! Blocks of a private chain: what public suites do not show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{BlockBuilder, BuildError, ExecutionError, Skip, TxError, execute_block, testing::*, validate_output};
use atoll_primitives::{B256, Hardfork, U256};
use revm::state::AccountInfo;

const REWARD: u64 = 2_000_000_000;

#[test]
fn prague_without_request_contracts_runs_unless_the_chain_merged() {
    let chain = osaka();
    let output = execute_block(&chain, state(&[]), &block(header(), Vec::new()), &[], None).unwrap();
    assert!(output.requests.is_empty());
    let merged = spec(&format!(
        r#"{LONDON}, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0"#
    ));
    let mut header = header();
    header.difficulty = U256::ZERO;
    let error = execute_block(&merged, state(&[]), &block(header, Vec::new()), &[], None).unwrap_err();
    assert!(matches!(error, ExecutionError::SystemContractMissing { block: 1, .. }), "{error}");
}

#[test]
fn rewards_and_fees_are_paid() {
    let blocks = block(header(), vec![transaction(0, OTHER, ETHER, 21_000)]);
    let output = execute_block(&osaka(), state(&[]), &blocks, &[(MINER, U256::from(REWARD))], None).unwrap();
    let balance = |address| output.changes.account(&address).unwrap().unwrap().balance;
    // 2 gwei a gas, of which 1 gwei is the base fee and burnt.
    assert_eq!(balance(MINER), U256::from(REWARD + 21_000 * 1_000_000_000));
    assert_eq!(balance(OTHER), ETHER);
    assert_eq!(balance(SENDER), ETHER * U256::from(9) - U256::from(21_000 * 2_000_000_000_u64));
    assert_eq!(output.gas_used, 21_000);
}

#[test]
fn zero_reward_touches_as_eip_158_says() {
    let rewards = [(MINER, U256::ZERO)];
    let before =
        execute_block(&spec(r#""homesteadBlock": 0"#), state(&[]), &block(header(), Vec::new()), &rewards, None);
    assert!(before.unwrap().changes.account(&MINER).unwrap().unwrap().is_empty());
    let after = execute_block(&osaka(), state(&[]), &block(header(), Vec::new()), &rewards, None);
    assert_eq!(after.unwrap().changes.account(&MINER), None);
}

#[test]
fn receipts_before_byzantium_need_roots() {
    let mut header = header();
    header.base_fee_per_gas = None;
    let chain = spec(r#""homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0"#);
    let blocks = block(header, vec![transaction(0, OTHER, ETHER, 21_000)]);
    let error = execute_block(&chain, state(&[]), &blocks, &[], None).unwrap_err();
    assert!(matches!(error, ExecutionError::NoIntermediateRoot { block: 1 }), "{error}");
    assert!(!error.is_invalid_block());
}

#[test]
fn invalid_transaction_makes_the_block_invalid_and_is_named() {
    let blocks = block(header(), vec![transaction(3, OTHER, ETHER, 21_000)]);
    let error = execute_block(&osaka(), state(&[]), &blocks, &[], None).unwrap_err();
    assert!(error.is_invalid_block());
    match error {
        ExecutionError::Transaction { index: 0, source, .. } => {
            assert_eq!(*source, TxError::NonceTooHigh { next: 0, tx: 3 });
            assert_eq!(source.to_string(), "nonce too high: next nonce 0, tx nonce 3");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn protected_signature_is_refused_before_eip_155() {
    let mut header = header();
    header.base_fee_per_gas = None;
    let blocks = block(header, vec![transaction(0, OTHER, ETHER, 21_000)]);
    let error = execute_block(&spec(r#""homesteadBlock": 0"#), state(&[]), &blocks, &[], None).unwrap_err();
    assert!(
        matches!(&error, ExecutionError::Transaction { source, .. } if **source == TxError::InvalidSignature),
        "{error}"
    );
}

#[test]
fn builder_skips_without_trace_and_agrees_with_execution() {
    let chain = osaka();
    let mut header = header();
    header.gas_limit = 60_000;
    let mut builder = BlockBuilder::new(&chain, state(&[]), &header, None).unwrap();
    let mut refused = |tx| match builder.try_transaction(&tx, SENDER) {
        Err(BuildError::Transaction(error)) => error.skip(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(transaction(1, OTHER, ETHER, 21_000)), Skip::Sender);
    assert_eq!(refused(transaction(0, OTHER, ETHER * U256::from(10), 21_000)), Skip::Sender);
    let first = transaction(0, OTHER, ETHER, 21_000);
    assert_eq!(builder.try_transaction(&first, SENDER).unwrap().gas_used, 21_000);
    let mut refused = |tx| match builder.try_transaction(&tx, SENDER) {
        Err(BuildError::Transaction(error)) => error.skip(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(first.clone()), Skip::Transaction);
    assert_eq!(refused(transaction(1, OTHER, ETHER, 50_000)), Skip::Sender);
    let second = transaction(1, OTHER, ETHER, 21_000);
    assert!(builder.try_transaction(&second, SENDER).unwrap().success);
    assert_eq!(builder.gas_left(), 18_000);
    assert!(matches!(
        builder.try_transaction(&transaction(2, OTHER, ETHER, 21_000), SENDER),
        Err(BuildError::Transaction(error)) if error.skip() == Skip::BlockFull
    ));

    let rewards = [(MINER, U256::from(REWARD))];
    let built = builder.finish(Some(&Default::default()), &rewards).unwrap();
    assert_eq!(built.transactions, [first, second]);
    header.gas_used = built.output.gas_used;
    header.receipts_root = built.output.receipts_root();
    header.logs_bloom = built.output.logs_bloom;
    header.requests_hash = built.output.requests_hash(Hardfork::Osaka);
    let executed =
        execute_block(&chain, state(&[]), &block(header.clone(), built.transactions), &rewards, None).unwrap();
    validate_output(Hardfork::Osaka, &header, &executed).unwrap();
    assert_eq!(executed.changes, built.output.changes);
    header.gas_used += 1;
    assert_eq!(
        validate_output(Hardfork::Osaka, &header, &executed).unwrap_err().to_string(),
        "invalid gas used: header 42001, execution 42000"
    );
}

#[test]
fn nothing_is_created_where_storage_already_is() {
    let place = SENDER.create(0);
    let slot = U256::from(1);
    let alloc =
        format!(r#""{place}": {{"balance": "0x1", "storage": {{"{}": "{}"}}}}"#, B256::from(slot), B256::from(slot));
    let chain = spec_with_alloc(LONDON, &alloc);
    // An empty contract: creation succeeds anywhere else.
    let create = creation(0, 100_000);
    let run = |with_storage: bool| {
        let mut db = state(&[]);
        db.insert_account_info(place, AccountInfo { balance: U256::ONE, ..AccountInfo::default() });
        if with_storage {
            db.insert_account_storage(place, slot, slot).unwrap();
        }
        execute_block(&chain, db, &block(header(), vec![create.clone()]), &[], None).unwrap()
    };
    let collision = run(true);
    assert!(!collision.receipts[0].status());
    assert_eq!(collision.gas_used, 100_000, "a collision costs all gas");
    assert_eq!(collision.changes.account(&SENDER).unwrap().unwrap().nonce, 1);
    assert_eq!(collision.changes.account(&place), None);
    assert!(run(false).receipts[0].status());
}
