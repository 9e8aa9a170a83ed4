//! Simulated blocks, with the meaning execution-apis and geth give them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::{CallResult, OverrideError, TxError, testing::*};
use alloy_rpc_types_eth::state::AccountOverride;
use atoll_primitives::{TransactionExt as _, address, b256, keccak256, primitives::TxKind};

const EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

fn no_root(_: &StateChanges) -> Result<B256, crate::BoxError> {
    Ok(B256::ZERO)
}

fn run_with(
    code: &[u8],
    change: impl FnOnce(&mut SimulateEnv<'_>),
    blocks: Vec<SimulateBlock>,
) -> Result<Vec<SimulatedBlock>, SimulateError> {
    let base = header();
    let mut env = SimulateEnv {
        base: &base,
        base_hash: B256::repeat_byte(0xba),
        root: &no_root,
        rewards: &|_| Vec::new(),
        validation: false,
        trace_transfers: false,
        max_blocks: 256,
        limits: CallLimits { gas_cap: 50_000_000, deadline: None, work: None },
    };
    change(&mut env);
    simulate(&osaka(), state(code), None, env, blocks)
}

fn run(code: &[u8], blocks: Vec<SimulateBlock>) -> Result<Vec<SimulatedBlock>, SimulateError> {
    run_with(code, |_| {}, blocks)
}

fn blocks(json: serde_json::Value) -> Vec<SimulateBlock> {
    serde_json::from_value(json).unwrap()
}

fn calls(calls: Vec<TransactionRequest>) -> Vec<SimulateBlock> {
    vec![SimulateBlock { calls, ..SimulateBlock::default() }]
}

fn to(address: Address) -> TransactionRequest {
    TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(address)), ..TransactionRequest::default() }
}

fn output(call: &SimulatedCall) -> U256 {
    match &call.outcome.result {
        CallResult::Success { output, .. } => U256::from_be_slice(output),
        other => panic!("{other:?}"),
    }
}

#[test]
fn overridden_blob_base_fee_and_prevrandao_are_seen() {
    let overrides = serde_json::json!({"blobBaseFee": "0x9", "prevRandao": B256::repeat_byte(0x55)});
    let call = serde_json::json!({"from": SENDER, "to": CONTRACT});
    let simulate = |opcode: u8| {
        let request = serde_json::json!([{"blockOverrides": overrides, "calls": [call]}]);
        output(&run(&returning(&[opcode]), blocks(request)).unwrap()[0].calls[0])
    };
    assert_eq!(simulate(0x4a), U256::from(9), "BLOBBASEFEE");
    assert_eq!(simulate(0x44), U256::from_be_bytes([0x55; 32]), "PREVRANDAO");
}

#[test]
fn gaps_between_numbers_are_filled_twelve_seconds_apart() {
    let simulated =
        run(&[], blocks(serde_json::json!([{"calls": null, "stateOverrides": null, "blockOverrides": null}, {"blockOverrides": {"number": "0x5", "gasLimit": "0x5208"}}, {}])))
            .unwrap();
    let headers: Vec<_> = simulated.iter().map(|block| block.block.header()).collect();
    assert_eq!(headers.iter().map(|header| header.number).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(headers.iter().map(|header| header.timestamp).collect::<Vec<_>>(), [1_012, 1_024, 1_036, 1_048, 1_060]);
    // What is not given is the previous block's.
    assert_eq!(
        headers.iter().map(|header| header.gas_limit).collect::<Vec<_>>(),
        [30_000_000, 30_000_000, 30_000_000, 21_000, 21_000]
    );
    assert!(headers.iter().all(|header| header.beneficiary == MINER && header.base_fee_per_gas == Some(0)));
    let hashes: Vec<_> = simulated.iter().map(|block| block.block.hash).collect();
    assert_eq!(headers[0].parent_hash, B256::repeat_byte(0xba));
    assert!(headers.iter().skip(1).zip(hashes).all(|(header, hash)| header.parent_hash == hash));
}

#[test]
fn numbers_and_times_ascend_within_the_limit() {
    let order = |json| run(&[], blocks(json)).unwrap_err();
    let error = order(serde_json::json!([{"blockOverrides": {"number": "0x1"}}]));
    assert!(matches!(error, SimulateError::NumberOrder { number: 1, previous: 1 }), "{error}");
    let error = order(serde_json::json!([{}, {"blockOverrides": {"time": "0x3f4"}}]));
    assert!(matches!(error, SimulateError::TimeOrder { time: 1_012, previous: 1_012 }), "{error}");
    let error = order(serde_json::json!([{"blockOverrides": {"number": "0x102"}}]));
    assert!(matches!(error, SimulateError::TooManyBlocks { blocks: 257, limit: 256 }), "{error}");
    let error = order(serde_json::json!([{"blockOverrides": {"number": "0xffffffffffffffff"}}]));
    assert!(matches!(error, SimulateError::TooManyBlocks { .. }), "{error}");
    let error = order(serde_json::json!([{"blockOverrides": {"time": "0xffffffffffffffff"}}, {}]));
    assert!(matches!(error, SimulateError::TimeOrder { .. }), "{error}");
    assert!(matches!(run(&[], Vec::new()), Err(SimulateError::Empty)));
}

#[test]
fn state_nonces_and_hashes_carry_over() {
    // Counts in slot 0 and returns the hash of the block before: SLOAD(0)+1 -> SSTORE; BLOCKHASH(NUMBER-1).
    let code = [
        0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55, 0x60, 1, 0x43, 0x03, 0x40, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3,
    ];
    let call = || calls(vec![to(CONTRACT)]).remove(0);
    let simulated = run(&code, vec![call(), call()]).unwrap();
    assert_eq!(output(&simulated[0].calls[0]), U256::from_be_bytes([0xba; 32]));
    assert_eq!(output(&simulated[1].calls[0]), U256::from_be_bytes(simulated[0].block.hash.0));
    let nonces: Vec<_> =
        simulated.iter().flat_map(|block| &block.block.block.body.transactions).map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [0, 1]);
}

#[test]
fn without_validation_a_block_shows_its_base_fee_to_calls_that_offer_none() {
    let mut block = calls(vec![to(CONTRACT)]);
    block[0].block_overrides = serde_json::from_value(serde_json::json!({"baseFeePerGas": "0xa"})).unwrap();
    let simulated = run(&returning(&[0x48]), block.clone()).unwrap();
    assert_eq!(output(&simulated[0].calls[0]), U256::from(10));
    let error = run_with(&returning(&[0x48]), |env| env.validation = true, block).unwrap_err();
    let SimulateError::Transaction { error, .. } = error else { panic!("{error}") };
    assert!(matches!(error, TxError::FeeCapTooLow { base_fee: 10, .. }), "{error}");
}

#[test]
fn validation_looks_at_nonces() {
    let mut request = to(OTHER);
    (request.nonce, request.max_fee_per_gas) = (Some(3), Some(10_000_000_000));
    assert!(run(&[], calls(vec![request.clone()])).is_ok());
    let error = run_with(&[], |env| env.validation = true, calls(vec![request])).unwrap_err();
    let SimulateError::Transaction { error, .. } = error else { panic!("{error}") };
    assert_eq!(error, TxError::NonceTooHigh { next: 0, tx: 3 });
}

#[test]
fn without_validation_the_greatest_nonce_is_followed_by_zero() {
    let json = serde_json::json!([{"stateOverrides": {SENDER.to_string(): {"nonce": "0xffffffffffffffff"}}}]);
    let mut block = blocks(json);
    block[0].calls = vec![to(OTHER), to(OTHER)];
    let simulated = run(&[], block.clone()).unwrap();
    let nonces: Vec<_> = simulated[0].block.block.body.transactions.iter().map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [u64::MAX, 0]);
    block[0].calls.iter_mut().for_each(|call| call.max_fee_per_gas = Some(10_000_000_000));
    let error = run_with(&[], |env| env.validation = true, block).unwrap_err();
    assert!(matches!(error, SimulateError::Transaction { error: TxError::NonceMax { .. }, .. }), "{error}");
}

#[test]
fn gas_is_what_is_left_of_the_block_and_of_the_simulation() {
    let mut request = to(OTHER);
    request.gas = Some(29_990_000);
    let error = run(&[], calls(vec![to(OTHER), request])).unwrap_err();
    assert!(matches!(error, SimulateError::BlockGasLimit { used: 21_000, wanted: 29_990_000, .. }), "{error}");
    let budget =
        |gas_cap, count: usize| run_with(&[], |env| env.limits.gas_cap = gas_cap, calls(vec![to(OTHER); count]));
    let simulated = budget(50_000, 2).unwrap();
    let gas: Vec<_> = simulated[0].block.block.body.transactions.iter().map(|tx| tx.gas_limit()).collect();
    assert_eq!(gas, [50_000, 29_000]);
    assert!(matches!(budget(42_000, 3), Err(SimulateError::GasBudget)));
    let error = budget(50_000, 3).unwrap_err();
    assert!(matches!(error, SimulateError::Transaction { error: TxError::IntrinsicGas { have: 8_000, .. }, .. }));
}

#[test]
fn transfers_are_logs_unless_their_frame_fails() {
    // Emits LOG0, then calls OTHER with all value it was given; reverts if it got 2 wei.
    let mut code = vec![0x60, 0, 0x60, 0, 0xa0];
    code.extend([0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x34, 0x73]);
    code.extend(OTHER.as_slice());
    code.extend([0x5a, 0xf1, 0x50, 0x60, 2, 0x34, 0x14, 0x60, 48, 0x57, 0x00, 0x5b, 0x60, 0, 0x60, 0, 0xfd]);
    let jump = code.iter().position(|byte| *byte == 0x5b).unwrap() as u8;
    let at = code.len() - 9;
    code[at] = jump;
    let pay = |value: u64| TransactionRequest { value: Some(U256::from(value)), ..to(CONTRACT) };
    let simulated =
        run_with(&code, |env| env.trace_transfers = true, calls(vec![pay(1), pay(2), pay(0), pay(3)])).unwrap();
    let emitters: Vec<Vec<Address>> =
        simulated[0].calls.iter().map(|call| call.logs.iter().map(|log| log.address).collect()).collect();
    assert_eq!(emitters, [vec![EMITTER, CONTRACT, EMITTER], vec![], vec![CONTRACT], vec![EMITTER, CONTRACT, EMITTER]]);
    assert_eq!(simulated[0].calls.iter().map(|call| call.first_log).collect::<Vec<_>>(), [0, 3, 3, 4]);
    let transfer = &simulated[0].calls[0].logs[2];
    assert_eq!(transfer.topics()[1..], [CONTRACT.into_word(), OTHER.into_word()]);
    assert_eq!(U256::from_be_slice(&transfer.data.data), U256::ONE);
    // The bloom holds what contracts emitted alone.
    let plain = run(&code, calls(vec![pay(1), pay(2), pay(0), pay(3)])).unwrap();
    assert_eq!(plain[0].block.header().logs_bloom, simulated[0].block.header().logs_bloom);
    assert_eq!(plain[0].calls[0].logs.len(), 1);
}

#[test]
fn value_of_a_creation_is_a_transfer_to_the_new_address() {
    let creation =
        TransactionRequest { from: Some(SENDER), value: Some(U256::from(7)), ..TransactionRequest::default() };
    let simulated = run_with(&[], |env| env.trace_transfers = true, calls(vec![creation])).unwrap();
    let topics = simulated[0].calls[0].logs[0].topics();
    assert_eq!(topics[1..], [SENDER.into_word(), SENDER.create(0).into_word()]);
}

#[test]
fn precompiles_move_to_one_address_but_not_to_themselves() {
    let first: Address = address!("0000000000000000000000000000000000000001");
    let second: Address = address!("0000000000000000000000000000000000000002");
    let moved = |from: Address, to: Address| {
        (from, AccountOverride { move_precompile_to: Some(to), ..AccountOverride::default() })
    };
    let with = |changes: Vec<(Address, AccountOverride)>| {
        run(
            &[],
            vec![SimulateBlock { state_overrides: Some(changes.into_iter().collect()), ..SimulateBlock::default() }],
        )
    };
    assert!(with(vec![moved(first, OTHER), moved(second, OTHER)]).is_ok());
    let error = with(vec![moved(first, first)]).unwrap_err();
    assert!(matches!(error, SimulateError::Override(OverrideError::MovedToItself(_))), "{error}");
    let error = with(vec![moved(OTHER, first)]).unwrap_err();
    assert!(matches!(error, SimulateError::Override(OverrideError::NotAPrecompile(_))), "{error}");
}

#[test]
fn unsigned_transactions_have_signatures_of_zeroes() {
    let dynamic = to(OTHER);
    let legacy = TransactionRequest { gas_price: Some(5), gas: Some(21_000), ..to(OTHER) };
    let simulated = run(&[], calls(vec![dynamic, legacy])).unwrap();
    let transactions = &simulated[0].block.block.body.transactions;
    assert!(transactions[0].is_eip1559() && transactions[1].is_legacy());
    // RLP of [nonce 1, price 5, gas 21000, to, value 0, no input, v 0, r 0, s 0].
    let mut encoded = vec![0xdf, 0x01, 0x05, 0x82, 0x52, 0x08, 0x94];
    encoded.extend(OTHER.as_slice());
    encoded.extend([0x80, 0x80, 0x80, 0x80, 0x80]);
    assert_eq!(*transactions[1].tx_hash(), keccak256(&encoded));
}

#[test]
fn withdrawals_are_paid_and_bounded() {
    let withdrawal = serde_json::json!({"index": "0x0", "validatorIndex": "0x0", "address": OTHER, "amount": "0x2"});
    let with = |count: usize| {
        run(
            // Returns BALANCE(OTHER).
            &returning(&[&[0x73][..], OTHER.as_slice(), &[0x31]].concat()),
            [
                blocks(serde_json::json!([{"blockOverrides": {"withdrawals": vec![withdrawal.clone(); count]}}])),
                calls(vec![to(CONTRACT)]),
            ]
            .concat(),
        )
    };
    assert_eq!(output(&with(1).unwrap()[1].calls[0]), U256::from(2_000_000_000));
    assert!(matches!(with(17), Err(SimulateError::TooManyWithdrawals { count: 17, limit: 16 })));
    let empty = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    assert_eq!(with(0).unwrap()[0].block.header().withdrawals_root, Some(empty));
}

#[test]
fn the_clock_ends_a_simulation() {
    // JUMPDEST PUSH1 0 JUMP
    let forever = [0x5b, 0x60, 0, 0x56];
    let soon = Some(std::time::Instant::now() + std::time::Duration::from_millis(20));
    let limits = CallLimits { gas_cap: 0, deadline: soon, work: None };
    let mut block = calls(vec![to(CONTRACT)]);
    block[0].block_overrides = serde_json::from_value(serde_json::json!({"gasLimit": "0xffffffffffff"})).unwrap();
    let error = run_with(&forever, |env| env.limits = limits, block).unwrap_err();
    assert!(matches!(error, SimulateError::Timeout), "{error}");
}

#[test]
fn overridden_precompiles_stay_warm() {
    // EXTCODEHASH of address 1 between two GAS: SUB gives what it cost, with the two opcodes that push.
    let code = returning(&[0x5a, 0x60, 1, 0x3f, 0x50, 0x5a, 0x90, 0x03]);
    let mut overridden = calls(vec![to(CONTRACT)]);
    overridden[0].state_overrides = serde_json::from_value(serde_json::json!({
        "0x0000000000000000000000000000000000000001": {"code": "0x00"},
    }))
    .unwrap();
    let cost = |blocks| output(&run(&code, blocks).unwrap()[0].calls[0]);
    assert_eq!(cost(overridden), cost(calls(vec![to(CONTRACT)])));
}

#[test]
fn a_wrong_nonce_is_named_before_a_missing_fee() {
    let request = TransactionRequest { nonce: Some(1), ..to(OTHER) };
    let error = run_with(&[], |env| env.validation = true, calls(vec![request])).unwrap_err();
    assert!(matches!(error, SimulateError::Transaction { error: TxError::NonceTooHigh { .. }, .. }), "{error}");
}
