//! Calls, estimation and access lists, with geth's semantics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::testing::*;
use alloy_rpc_types_eth::state::AccountOverride;
use atoll_primitives::{B256, U256, address, bytes, primitives::TxKind};
use std::time::Duration;

const LIMITS: CallLimits = CallLimits { gas_cap: 50_000_000, deadline: None, work: None };

fn to(address: Address) -> TransactionRequest {
    TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(address)), ..TransactionRequest::default() }
}

fn run(code: &[u8], env: CallEnv<'_>, request: &TransactionRequest) -> Result<CallOutcome, CallError> {
    call(&osaka(), state(code), env, request, LIMITS)
}

/// The word a call returns.
fn word(outcome: Result<CallOutcome, CallError>) -> U256 {
    match outcome.unwrap().result {
        CallResult::Success { output, .. } => U256::from_be_slice(&output),
        other => panic!("{other:?}"),
    }
}

#[test]
fn opcodes_see_the_header_of_a_chain_that_never_merged() {
    let header = header();
    let value = |opcode: u8| word(run(&returning(&[opcode]), CallEnv::new(&header), &to(CONTRACT)));
    // docs/decisions/0004: under proof of work the seal, and so mixHash, comes after execution.
    assert_eq!(value(0x44), header.difficulty, "PREVRANDAO");
    assert_eq!(value(0x43), U256::ONE, "NUMBER");
    assert_eq!(value(0x42), U256::from(1_000), "TIMESTAMP");
    assert_eq!(value(0x46), U256::from(7), "CHAINID");
}

#[test]
fn difficulty_opcode_before_time_forks() {
    let header = header();
    let london = spec(LONDON);
    let outcome = call(&london, state(&returning(&[0x44])), CallEnv::new(&header), &to(CONTRACT), LIMITS);
    assert_eq!(word(outcome), header.difficulty);
}

#[test]
fn base_fee_is_zero_for_whoever_offers_no_fee() {
    let header = header();
    let mut request = to(CONTRACT);
    assert_eq!(word(run(&returning(&[0x48]), CallEnv::new(&header), &request)), U256::ZERO);
    request.max_fee_per_gas = Some(3_000_000_000);
    request.gas = Some(100_000);
    assert_eq!(word(run(&returning(&[0x48]), CallEnv::new(&header), &request)), U256::from(1_000_000_000));
}

/// Estimates were too low for contracts that look at it, so what was sent with them failed.
#[test]
fn blob_base_fee_is_zero_only_for_who_has_blobs_or_says_so() {
    let header = header();
    let blob_fee = |request: &TransactionRequest, overridden: Option<u64>| {
        let mut env = CallEnv::new(&header);
        let blob_base_fee = overridden.map(U256::from);
        env.block_overrides = Some(BlockOverrides { blob_base_fee, ..BlockOverrides::default() });
        // BLOBBASEFEE
        word(run(&returning(&[0x4a]), env, request))
    };
    let plain = to(CONTRACT);
    assert_eq!((blob_fee(&plain, None), blob_fee(&plain, Some(9))), (U256::ONE, U256::from(9)));
    let free = TransactionRequest { max_fee_per_blob_gas: Some(0), ..to(CONTRACT) };
    assert_eq!((blob_fee(&free, None), blob_fee(&free, Some(9))), (U256::ZERO, U256::ZERO));
    let blobs = Some(vec![B256::with_last_byte(1) | B256::repeat_byte(1)]);
    let blobs = TransactionRequest { blob_versioned_hashes: blobs, ..to(CONTRACT) };
    assert_eq!(blob_fee(&blobs, Some(9)), U256::ZERO);
    let paid = TransactionRequest { max_fee_per_blob_gas: Some(9), ..blobs };
    assert_eq!(blob_fee(&paid, Some(9)), U256::from(9));
}

#[test]
fn an_overridden_prevrandao_is_seen_under_proof_of_work_too() {
    let header = header();
    let seen = |random| {
        let mut env = CallEnv::new(&header);
        env.block_overrides = Some(BlockOverrides { random, ..BlockOverrides::default() });
        word(run(&returning(&[0x44]), env, &to(CONTRACT)))
    };
    let random = B256::repeat_byte(0x55);
    assert_eq!(seen(Some(random)), U256::from_be_bytes(random.0));
    assert_eq!(seen(Some(B256::ZERO)), U256::ZERO);
    assert_eq!(seen(None), header.difficulty);
}

#[test]
fn gas_is_capped_silently() {
    let header = header();
    let mut request = to(CONTRACT);
    request.gas = Some(u64::MAX);
    assert!(word(run(&returning(&[0x5a]), CallEnv::new(&header), &request)) < U256::from(50_000_000));
}

#[test]
fn revert_data_and_halts_are_outcomes() {
    let header = header();
    // PUSH1 0x2a PUSH1 0 MSTORE PUSH1 32 PUSH1 0 REVERT
    let reverts = [0x60, 0x2a, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xfd];
    let outcome = run(&reverts, CallEnv::new(&header), &to(CONTRACT)).unwrap();
    assert_eq!(outcome.result, CallResult::Revert { output: U256::from(42).to_be_bytes_vec().into() });
    let outcome = run(&[0xfe], CallEnv::new(&header), &to(CONTRACT)).unwrap();
    assert_eq!(outcome.result, CallResult::Halt(HaltReason::InvalidFEOpcode));
}

#[test]
fn value_needs_balance_and_override_grants_it() {
    let header = header();
    let mut request = to(OTHER);
    request.value = Some(ETHER * U256::from(11));
    let error = run(&[], CallEnv::new(&header), &request).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "err: insufficient funds for gas * price + value: address {SENDER} have 10000000000000000000 want 11000000000000000000 (supplied gas 50000000)"
        )
    );
    let mut env = CallEnv::new(&header);
    let rich = AccountOverride { balance: Some(ETHER * U256::from(20)), ..AccountOverride::default() };
    env.state_overrides = Some([(SENDER, rich)].into_iter().collect());
    assert!(run(&[], env, &request).unwrap().is_success());
}

#[test]
fn state_replaces_storage_and_state_diff_adds_to_it() {
    let header = header();
    let slot = B256::with_last_byte(1);
    let other = B256::with_last_byte(2);
    // SLOAD(1) + SLOAD(2)
    let code = returning(&[0x60, 1, 0x54, 0x60, 2, 0x54, 0x01]);
    let sum = |change: AccountOverride| {
        let mut db = state(&code);
        db.insert_account_storage(CONTRACT, U256::from(2), U256::from(30)).unwrap();
        let mut env = CallEnv::new(&header);
        env.state_overrides = Some([(CONTRACT, change)].into_iter().collect());
        call(&osaka(), db, env, &to(CONTRACT), LIMITS)
    };
    let seven = || [(slot, B256::with_last_byte(7))].into_iter().collect();
    assert_eq!(word(sum(AccountOverride { state: Some(seven()), ..Default::default() })), U256::from(7));
    assert_eq!(word(sum(AccountOverride { state_diff: Some(seven()), ..Default::default() })), U256::from(37));
    let both = AccountOverride {
        state: Some(seven()),
        state_diff: Some([(other, slot)].into_iter().collect()),
        ..Default::default()
    };
    assert_eq!(sum(both).unwrap_err().to_string(), format!("account {CONTRACT} has both 'state' and 'stateDiff'"));
}

#[test]
fn code_override_runs_and_precompile_can_be_moved() {
    let header = header();
    let identity = address!("0000000000000000000000000000000000000004");
    let env = |address, change: AccountOverride| CallEnv {
        state_overrides: Some([(address, change)].into_iter().collect()),
        ..CallEnv::new(&header)
    };
    let code = AccountOverride { code: Some(returning(&[0x60, 9]).into()), ..Default::default() };
    assert_eq!(word(run(&[], env(OTHER, code.clone()), &to(OTHER))), U256::from(9));
    assert_eq!(
        word(run(&[], env(identity, code), &to(identity))),
        U256::from(9),
        "a precompile with code is a contract"
    );

    let moved = AccountOverride { move_precompile_to: Some(OTHER), ..Default::default() };
    let mut request = to(OTHER);
    request.input.input = Some(bytes!("2b"));
    assert_eq!(word(run(&[], env(identity, moved.clone()), &request)), U256::from(0x2b));
    let error = run(&[], env(CONTRACT, moved), &request).unwrap_err();
    assert_eq!(error.to_string(), format!("account {CONTRACT} is not a precompile"));
}

#[test]
fn block_overrides_change_what_opcodes_see_and_the_fork() {
    let header = header();
    let env = |overrides| CallEnv { block_overrides: Some(overrides), ..CallEnv::new(&header) };
    let number = BlockOverrides { number: Some(U256::from(77)), ..Default::default() };
    assert_eq!(word(run(&returning(&[0x43]), env(number), &to(CONTRACT))), U256::from(77));
    let hashes = BlockOverrides {
        number: Some(U256::from(77)),
        block_hash: Some([(70, B256::repeat_byte(5))].into_iter().collect()),
        ..Default::default()
    };
    let blockhash = returning(&[0x60, 70, 0x40]);
    assert_eq!(word(run(&blockhash, env(hashes), &to(CONTRACT))), U256::from_be_bytes([5; 32]));
    // PUSH0 exists from Shanghai on, here second 5,000.
    let shanghai = spec(&format!(r#"{LONDON}, "shanghaiTime": 5000"#));
    let push0 = |time| {
        let overrides = BlockOverrides { time: Some(time), ..Default::default() };
        call(&shanghai, state(&returning(&[0x5f])), env(overrides), &to(CONTRACT), LIMITS).unwrap().is_success()
    };
    assert!(!push0(4_999));
    assert!(push0(5_000));
}

#[test]
fn contradicting_requests_are_refused() {
    let header = header();
    let refused = |change: fn(&mut TransactionRequest)| {
        let mut request = to(CONTRACT);
        change(&mut request);
        run(&[], CallEnv::new(&header), &request).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|request| (request.gas_price, request.max_fee_per_gas) = (Some(1), Some(1))),
        "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"
    );
    assert_eq!(refused(|request| request.chain_id = Some(1)), "chainId does not match node's (have=1, want=7)");
    assert!(refused(|request| request.max_fee_per_gas = Some(1)).contains("max fee per gas less than block base fee"));
    assert!(
        refused(|request| (request.input.input, request.input.data) = (Some(bytes!("01")), Some(bytes!("02"))))
            .starts_with(r#"both "data" and "input" are set and not equal"#)
    );
}

#[test]
fn deadline_ends_an_endless_loop() {
    let header = header();
    let limits = CallLimits { gas_cap: 0, deadline: Some(Instant::now() + Duration::from_millis(20)), work: None };
    // JUMPDEST PUSH1 0 JUMP
    let endless = state(&[0x5b, 0x60, 0, 0x56]);
    let error = call(&osaka(), endless, CallEnv::new(&header), &to(CONTRACT), limits).unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
}

/// A call that may be this much work.
fn brief(code: &[u8], to: &TransactionRequest, work: u64) -> Result<CallOutcome, CallError> {
    let header = header();
    let limits = CallLimits { work: Some(work), ..LIMITS };
    call(&osaka(), state(code), CallEnv::new(&header), to, limits)
}

/// Code that calls an address with this much zeroed input, and says whether it succeeded.
fn calling(address: u16, input: u16) -> Vec<u8> {
    let [high, low] = address.to_be_bytes();
    let [long, short] = input.to_be_bytes();
    // PUSH1 0 (out size), PUSH1 0 (out), PUSH2 input, PUSH1 0 (in), PUSH2 address, GAS, STATICCALL.
    returning(&[0x60, 0, 0x60, 0, 0x61, long, short, 0x60, 0, 0x61, high, low, 0x5a, 0xfa])
}

fn is_over(outcome: &Result<CallOutcome, CallError>) -> bool {
    matches!(outcome, Err(CallError::Timeout))
}

#[test]
fn brief_call_answers_what_is_little_work() {
    assert_eq!(word(brief(&returning(&[0x43]), &to(CONTRACT), 3_000)), U256::ONE);
    for quick in 1..=4 {
        assert_eq!(word(brief(&calling(quick, 32), &to(CONTRACT), 15_000)), U256::ONE, "precompile {quick}");
    }
    let outcome = brief(&[0x60, 0, 0x60, 0, 0xfd], &to(CONTRACT), 3_000).unwrap();
    assert!(matches!(outcome.result, CallResult::Revert { .. }));
    // A failed call loses its gas, which is no work: JUMPDEST missing.
    let outcome = brief(&[0x60, 9, 0x56], &to(CONTRACT), 3_000).unwrap();
    assert!(matches!(outcome.result, CallResult::Halt(_)));
}

#[test]
fn brief_call_ends_before_what_may_be_much_work_by_itself() {
    const PLENTY: u64 = u64::MAX;
    // Every precompile above 4: modular exponentiation, pairings, points, signatures of P-256.
    for long in (5..=17).chain([0x100]) {
        assert!(is_over(&brief(&calling(long, 32), &to(CONTRACT), PLENTY)), "precompile {long}");
        let [.., high, low] = long.to_be_bytes();
        let direct = Address::left_padding_from(&[high, low]);
        assert!(is_over(&brief(&[], &to(direct), PLENTY)), "call of precompile {long}");
    }
    // The quick ones with much to work on.
    assert!(is_over(&brief(&calling(2, 8192), &to(CONTRACT), PLENTY)));
    // The same call in its own time is answered.
    assert_eq!(word(run(&calling(2, 8192), CallEnv::new(&header()), &to(CONTRACT))), U256::ONE);
}

#[test]
fn brief_call_counts_all_work() {
    let ends = |code: &[u8]| is_over(&brief(code, &to(CONTRACT), 100_000));
    // JUMPDEST PUSH0 JUMP.
    assert!(ends(&[0x5b, 0x5f, 0x56]), "instructions");
    // Calls itself, again and again.
    assert!(ends(&[0x5b, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1, 0x50, 0x5f, 0x56]), "frames");
    // Calls itself ten times with a byte, and returns 60,000 bytes, or none, where there is one. CALLDATASIZE PUSH1 end JUMPI.
    let returning = |bytes: u16| {
        let call = [0x5f, 0x5f, 0x60, 1, 0x5f, 0x5f, 0x30, 0x5a, 0xf1, 0x50].repeat(10);
        let [high, low] = bytes.to_be_bytes();
        let end = 5 + call.len() as u8;
        [vec![0x36, 0x60, end, 0x57, 0x5b], call, vec![0x5b, 0x61, high, low, 0x5f, 0xf3]].concat()
    };
    assert!(ends(&returning(60_000)), "memory that is returned");
    assert!(!ends(&returning(0)));
    // BLOCKHASH of the block before.
    assert!(ends(&[0x60, 0, 0x40, 0x50].repeat(5)), "headers");
    // Ten signatures to recover, for 3,000 gas each.
    let recover = [0x5f, 0x5f, 0x60, 128, 0x5f, 0x60, 1, 0x5a, 0xfa, 0x50];
    assert!(ends(&recover.repeat(10)), "precompiles");
    assert!(!ends(&recover.repeat(9)));
}

#[test]
fn brief_call_ends_before_an_instruction_that_is_much_by_itself() {
    // One operand is a mebibyte, the others a thousand bytes.
    let over = |opcode: u8, large: Option<usize>| {
        let push = |position| if large == Some(position) { [0x62, 0x10, 0, 0] } else { [0x62, 0, 0x04, 0] };
        let code = [(0..7).rev().flat_map(push).collect(), vec![opcode]].concat();
        is_over(&brief(&code, &to(CONTRACT), u64::MAX))
    };
    // Offsets and lengths in memory, from the top of the stack.
    let touching: [(u8, &[usize]); 20] = [
        (0x20, &[0, 1]),
        (0x37, &[0, 2]),
        (0x39, &[0, 2]),
        (0x3c, &[1, 3]),
        (0x3e, &[0, 2]),
        (0x51, &[0]),
        (0x52, &[0]),
        (0x53, &[0]),
        (0x5e, &[0, 1, 2]),
        (0xa0, &[0, 1]),
        (0xa1, &[0, 1]),
        (0xa2, &[0, 1]),
        (0xa3, &[0, 1]),
        (0xa4, &[0, 1]),
        (0xf1, &[3, 4, 5, 6]),
        (0xf2, &[3, 4, 5, 6]),
        (0xf3, &[0, 1]),
        (0xf4, &[2, 3, 4, 5]),
        (0xfa, &[2, 3, 4, 5]),
        (0xfd, &[0, 1]),
    ];
    for (opcode, positions) in touching {
        assert!(!over(opcode, None), "{opcode:#x}");
        for position in 0..7 {
            assert_eq!(over(opcode, Some(position)), positions.contains(&position), "{opcode:#x}, operand {position}");
        }
    }
    for creation in [0xf0, 0xf5] {
        assert!(over(creation, None), "{creation:#x}");
    }
    let mut creation = to(CONTRACT);
    creation.to = Some(TxKind::Create);
    assert!(is_over(&brief(&[], &creation, u64::MAX)));
}

#[test]
fn no_call_is_brief_where_gas_does_not_measure_reading() {
    let header = header();
    let berlin = LONDON.replace(r#""londonBlock": 0"#, r#""londonBlock": 9"#);
    let istanbul = berlin.replace(r#""berlinBlock": 0"#, r#""berlinBlock": 9"#);
    assert!(berlin != LONDON && istanbul != berlin);
    let limits = CallLimits { work: Some(100_000), ..LIMITS };
    let over = |config: &str| is_over(&call(&spec(config), state(&[]), CallEnv::new(&header), &to(CONTRACT), limits));
    assert!(!over(&berlin));
    assert!(over(&istanbul));
}

#[test]
fn brief_estimate_is_over_like_a_call() {
    let header = header();
    let estimated = |code: &[u8], work| {
        let limits = CallLimits { work: Some(work), ..LIMITS };
        estimate_gas(&osaka(), state(code), CallEnv::new(&header), &to(CONTRACT), limits)
    };
    let writes = [0x60, 1, 0x60, 1, 0x55, 0x00];
    assert_eq!(estimated(&writes, 1_000_000).unwrap(), estimate(&writes, &to(CONTRACT)).unwrap());
    // Once would be: the runs are counted together.
    assert!(matches!(estimated(&writes, 30_000), Err(CallError::Timeout)));
    assert!(matches!(estimated(&calling(5, 32), 1_000_000), Err(CallError::Timeout)));
}

fn estimate(code: &[u8], request: &TransactionRequest) -> Result<u64, CallError> {
    let header = header();
    estimate_gas(&osaka(), state(code), CallEnv::new(&header), request, LIMITS)
}

#[test]
fn plain_transfer_is_21000() {
    let mut request = to(OTHER);
    request.value = Some(U256::ONE);
    assert_eq!(estimate(&[], &request).unwrap(), 21_000);
}

#[test]
fn estimate_suffices_and_is_at_most_a_little_too_high() {
    let header = header();
    // Writes three slots, then calls itself once with a 64th kept back: PUSH1s and SSTOREs.
    let code = [0x60, 1, 0x60, 1, 0x55, 0x60, 1, 0x60, 2, 0x55, 0x60, 0, 0x60, 1, 0x55, 0x00];
    let request = to(CONTRACT);
    let estimated = estimate(&code, &request).unwrap();
    let succeeds = |gas: u64| {
        let mut request = request.clone();
        request.gas = Some(gas);
        run(&code, CallEnv::new(&header), &request).unwrap().is_success()
    };
    assert!(succeeds(estimated));
    let lower = estimated - estimated * 15 / 1000 - 1;
    assert!(!succeeds(lower), "{lower} would do, {estimated} was estimated");
}

#[test]
fn estimate_reports_reverts_and_missing_gas() {
    let reverts = [0x60, 0x2a, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xfd];
    match estimate(&reverts, &to(CONTRACT)).unwrap_err() {
        CallError::Reverted { output } => assert_eq!(U256::from_be_slice(&output), U256::from(42)),
        other => panic!("{other}"),
    }
    let endless = [0x5b, 0x60, 0, 0x56];
    let mut request = to(CONTRACT);
    request.gas = Some(60_000);
    assert_eq!(estimate(&endless, &request).unwrap_err().to_string(), "gas required exceeds allowance (60000)");
    // 10 ether at this price buy 30,000 gas, and EIP-7825's cap does not matter.
    request.gas = None;
    request.gas_price = Some(333_333_333_333_333);
    assert_eq!(estimate(&endless, &request).unwrap_err().to_string(), "gas required exceeds allowance (30000)");
}

#[test]
fn access_list_names_slots_and_leaves_out_sender_and_precompiles() {
    let header = header();
    // SLOAD(5), then BALANCE of another account, then BALANCE(4), a precompile.
    let mut code = vec![0x60, 5, 0x54, 0x73];
    code.extend_from_slice(OTHER.as_slice());
    code.extend_from_slice(&[0x31, 0x60, 4, 0x31, 0x00]);
    let outcome = create_access_list(&osaka(), state(&code), CallEnv::new(&header), &to(CONTRACT), LIMITS).unwrap();
    let addresses: Vec<Address> = outcome.access_list.iter().map(|item| item.address).collect();
    assert_eq!(addresses, [OTHER, CONTRACT]);
    assert_eq!(outcome.access_list.0[1].storage_keys, [B256::with_last_byte(5)]);
    assert!(matches!(outcome.result, CallResult::Success { .. }));
}
