//! Tracers over a block of two transactions of which the second sees what the first did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::{CallEnv, testing::*};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::parity::TraceType;
use atoll_primitives::{U256, primitives::TxKind};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// SSTORE(0, SLOAD(0) + 1)
const COUNTER: [u8; 10] = [0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55, 0x00];
/// JUMPDEST PUSH1 0 JUMP
const LOOP: [u8; 4] = [0x5b, 0x60, 0, 0x56];
const NO_LIMITS: TraceLimits = TraceLimits { deadline: None, max_bytes: None, javascript: false };

fn options(value: Value) -> TraceOptions {
    serde_json::from_value(value).unwrap()
}

fn counting_block() -> RecoveredBlock {
    let call = |nonce| transaction(nonce, CONTRACT, U256::ZERO, 100_000);
    block(header(), vec![call(0), call(1)])
}

fn trace_of(code: &[u8], index: usize, request: Value) -> Result<Value, TraceError> {
    let trace = trace_transaction(&osaka(), state(code), &counting_block(), index, &options(request), NO_LIMITS)?;
    Ok(serde_json::from_str(trace.get()).unwrap())
}

fn trace(index: usize, request: Value) -> Value {
    trace_of(&COUNTER, index, request).unwrap()
}

#[test]
fn struct_logger_shows_each_instruction() {
    let trace = trace(0, json!({}));
    let ops: Vec<&str> =
        trace["structLogs"].as_array().unwrap().iter().map(|log| log["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["PUSH1", "SLOAD", "PUSH1", "ADD", "PUSH1", "SSTORE", "STOP"]);
    assert_eq!(trace["failed"], json!(false));
    assert_eq!(trace["gas"], json!(21_000 + 3 * 4 + 2_100 + 20_000));
    let load = &trace["structLogs"][1];
    assert_eq!((&load["gasCost"], &load["depth"], &load["stack"]), (&json!(2_100), &json!(1), &json!(["0x0"])));
    let zero = format!("0x{:064}", 0);
    assert_eq!(load["storage"], json!({ &zero: &zero }));
    assert_eq!(trace["structLogs"][5]["storage"], json!({ zero: format!("0x{:064}", 1) }));
}

#[test]
fn struct_logger_shows_what_it_is_asked_to() {
    // MSTORE(0, 1), STOP
    let code = [0x60, 1, 0x60, 0, 0x52, 0x00];
    let asked = json!({"enableMemory": true, "disableStack": true, "disableStorage": true, "reexec": 128});
    let trace = trace_of(&code, 0, asked).unwrap();
    let last = &trace["structLogs"][3];
    assert_eq!((&last["memory"], last.get("stack")), (&json!([format!("0x{:064}", 1)]), None));
    let short = trace_of(&code, 0, json!({"limit": 1})).unwrap();
    assert_eq!(short["structLogs"].as_array().unwrap().len(), 1, "nothing more once the entries exceed the limit");
}

#[test]
fn error_stands_at_the_instruction_that_was_refused() {
    // ADD with one item on the stack.
    let trace = trace_of(&[0x60, 1, 0x01], 0, json!({})).unwrap();
    assert_eq!(trace["structLogs"][1]["error"], json!("stack underflow (1 <=> 2)"));
    assert_eq!((&trace["failed"], &trace["returnValue"]), (&json!(true), &json!("0x")));
}

#[test]
fn second_transaction_sees_the_first() {
    let request = json!({"tracer": "prestateTracer"});
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let contract = format!("{CONTRACT:?}");
    let first = trace(0, request.clone());
    assert_eq!(first[&contract]["storage"], json!({ slot: slot }), "an empty slot that is read");
    let second = trace(1, request);
    assert!(second[&contract]["storage"][slot].as_str().unwrap().ends_with('1'));
    let diff = trace(1, json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}));
    assert!(diff["pre"][&contract]["storage"][slot].as_str().unwrap().ends_with('1'));
    assert!(diff["post"][&contract]["storage"][slot].as_str().unwrap().ends_with('2'));
}

#[test]
fn named_tracers_answer() {
    let frame = trace(0, json!({"tracer": "callTracer"}));
    assert_eq!((&frame["type"], &frame["gas"]), (&json!("CALL"), &json!("0x186a0")));
    let flat = trace(0, json!({"tracer": "flatCallTracer"}));
    assert_eq!(flat[0]["action"]["callType"], json!("call"));
    assert_eq!(trace(0, json!({"tracer": "noopTracer"})), json!({}));
    assert_eq!(trace(0, json!({"tracer": "4byteTracer"})), json!({}));
    let mux = trace(0, json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "noopTracer": null}}));
    assert_eq!((&mux["callTracer"]["type"], &mux["noopTracer"]), (&json!("CALL"), &json!({})));
}

#[test]
fn failures_are_worded_as_in_geth() {
    let error = |code: &[u8]| trace_of(code, 0, json!({"tracer": "callTracer"})).unwrap()["error"].clone();
    assert_eq!(error(&[0x01]), json!("stack underflow (0 <=> 2)"));
    assert_eq!(error(&[0x1f]), json!("invalid opcode: opcode 0x1f not defined"));
    assert_eq!(error(&[0xfe]), json!("invalid opcode: INVALID"));
    assert_eq!(error(&[0x60, 5, 0x56]), json!("invalid jump destination"));
    assert_eq!(error(&LOOP), json!("out of gas"));
    // MLOAD far beyond what can be priced, and beyond 64 bits.
    assert_eq!(error(&[0x65, 1, 0, 0, 0, 0, 0, 0x51]), json!("out of gas: gas uint64 overflow"));
    assert_eq!(error(&[0x60, 0, 0x19, 0x51]), json!("gas uint64 overflow"));
    // JUMPDEST PUSH1 0 DUP1 PUSH1 1 JUMP would be long; PUSH1 0 in a loop fills the stack.
    assert_eq!(error(&[0x5b, 0x60, 0, 0x60, 0, 0x56]), json!("stack limit reached 1024 (1023)"));
    assert_eq!(error(&[0x60, 0, 0x60, 0, 0xfd]), json!("execution reverted"));
}

#[test]
fn failed_precompile_says_why() {
    // STATICCALL(gas, 9, 0, 1, 0, 0): blake2F with one byte of input.
    let code = [0x60, 0, 0x60, 0, 0x60, 1, 0x60, 0, 0x60, 9, 0x5a, 0xfa, 0x00];
    let frame = trace_of(&code, 0, json!({"tracer": "callTracer"})).unwrap();
    assert_eq!(frame["calls"][0]["error"], json!("invalid input length"));
    let flat = trace_of(&code, 0, json!({"tracer": "flatCallTracer"})).unwrap();
    assert_eq!(flat.as_array().unwrap().len(), 1, "calls of precompiles are left out unless asked for");
    let all =
        json!({"tracer": "flatCallTracer", "tracerConfig": {"includePrecompiles": true, "convertParityErrors": true}});
    assert_eq!(trace_of(&code, 0, all).unwrap()[1]["error"], json!("Built-in failed"));
}

#[test]
fn code_that_could_not_be_paid_for_before_homestead_is_shown() {
    let frontier = spec(r#""networkId": 7"#);
    // MSTORE8(0, 0xaa), RETURN(0, 0x100): 256 bytes of code cost 51,200 gas.
    let init = [0x60, 0xaa, 0x60, 0, 0x53, 0x61, 1, 0, 0x60, 0, 0xf3];
    let tx = {
        use atoll_primitives::{
            consensus::{SignableTransaction, TxLegacy},
            primitives::Signature,
        };
        let legacy =
            TxLegacy { gas_price: 2_000_000_000, gas_limit: 60_000, input: init.into(), ..TxLegacy::default() };
        legacy.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into()
    };
    let block = block(atoll_primitives::Header { gas_limit: 30_000_000, number: 1, ..Default::default() }, vec![tx]);
    let trace =
        trace_transaction(&frontier, state(&[]), &block, 0, &options(json!({"tracer": "callTracer"})), NO_LIMITS);
    let frame: Value = serde_json::from_str(trace.unwrap().get()).unwrap();
    assert_eq!(frame.get("error"), None);
    assert!(frame["output"].as_str().unwrap().starts_with("0xaa00"));
    assert_eq!(frame["output"].as_str().unwrap().len(), 2 + 512);
}

#[test]
fn logs_are_counted_over_the_block() {
    // LOG0(0, 0)
    let code = [0x60, 0, 0x60, 0, 0xa0, 0x00];
    let asked = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let second = trace_of(&code, 1, asked).unwrap();
    assert_eq!((&second["logs"][0]["index"], &second["logs"][0]["position"]), (&json!("0x1"), &json!("0x0")));
}

#[test]
fn deepest_calls_are_rendered_without_recursion() {
    // CALL(gas, address(), 0, 0, 0, 0, 0)
    let code = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x30, 0x5a, 0xf1, 0x00];
    let tx = transaction(0, CONTRACT, U256::ZERO, 16_000_000);
    let block = block(header(), vec![tx]);
    let asked = options(json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "flatCallTracer": {}}}));
    let text = trace_transaction(&osaka(), state(&code), &block, 0, &asked, NO_LIMITS).unwrap();
    let depth = text.get().matches("\"calls\":[").count();
    assert!(depth > 300, "{depth} levels");
}

#[test]
fn whole_block_is_traced_in_order() {
    let block = counting_block();
    let asked = options(json!({"tracer": "callTracer"}));
    let traces = trace_block(&osaka(), state(&COUNTER), &block, &asked, NO_LIMITS).unwrap();
    let hashes: Vec<B256> = traces.iter().map(|trace| trace.hash).collect();
    assert_eq!(hashes, block.transactions().map(|(tx, _)| *tx.tx_hash()).collect::<Vec<_>>());
    let frames = trace_block_frames(&osaka(), state(&COUNTER), &block, NO_LIMITS).unwrap();
    assert_eq!(frames.iter().map(|frames| frames[0].gas).collect::<Vec<_>>(), [100_000, 100_000]);
}

#[test]
fn what_is_not_there_is_refused() {
    let error = trace_transaction(&osaka(), state(&COUNTER), &counting_block(), 2, &options(json!({})), NO_LIMITS);
    assert!(matches!(error, Err(TraceError::NoSuchTransaction { index: 2, count: 2 })));
    let unknown = json!({"tracer": "{step: function() {}}"});
    assert!(matches!(trace_of(&COUNTER, 0, unknown), Err(TraceError::UnknownTracer(..))));
    let wrong = json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": "yes"}});
    assert!(matches!(trace_of(&COUNTER, 0, wrong), Err(TraceError::Tracer(_))));
}

#[test]
fn trace_that_grows_too_large_is_ended_while_it_is_made() {
    let limits = TraceLimits { max_bytes: Some(10_000), ..NO_LIMITS };
    let block = block(header(), vec![transaction(0, CONTRACT, U256::ZERO, 16_000_000)]);
    let started = Instant::now();
    let error = trace_transaction(&osaka(), state(&LOOP), &block, 0, &options(json!({})), limits);
    assert!(matches!(error, Err(TraceError::TooLarge { limit: 10_000 })), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let vm_trace = TraceTypes::from_iter([TraceType::VmTrace]);
    let error = parity_replay(&osaka(), state(&LOOP), &block, None, &vm_trace, limits);
    assert!(matches!(error, Err(TraceError::TooLarge { limit: 10_000 })));
}

#[test]
fn call_is_traced_and_stopped_at_its_deadline() {
    let header = header();
    let request =
        TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(CONTRACT)), ..TransactionRequest::default() };
    let call_tracer = options(json!({"tracer": "callTracer"}));
    let run = |code: &[u8], deadline| {
        let limits = TraceLimits { deadline, ..NO_LIMITS };
        trace_call(&osaka(), state(code), CallEnv::new(&header), &request, &call_tracer, 0, limits)
    };
    assert!(run(&COUNTER, None).unwrap().get().contains("\"CALL\""));
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(run(&LOOP, Some(soon)), Err(TraceError::Timeout)));
}

#[test]
fn parity_calls_see_what_the_ones_before_did() {
    let header = header();
    let types = TraceTypes::from_iter([TraceType::Trace, TraceType::StateDiff]);
    let request =
        TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(CONTRACT)), ..TransactionRequest::default() };
    let calls = [(request.clone(), types.clone()), (request, types)];
    let results = parity_calls(&osaka(), state(&COUNTER), CallEnv::new(&header), &calls, 0, NO_LIMITS).unwrap();
    let diff = serde_json::to_value(&results[1].state_diff).unwrap();
    let slot = format!("0x{:064}", 0);
    let change = &diff[format!("{CONTRACT:?}")]["storage"][&slot]["*"];
    assert!(change["from"].as_str().unwrap().ends_with('1') && change["to"].as_str().unwrap().ends_with('2'));
    // Without the gas that every transaction pays in advance.
    assert_eq!(results[0].trace[0].result.as_ref().unwrap().gas_used(), 3 * 4 + 2_100 + 20_000);
}

#[test]
fn state_within_a_block_is_that_before_a_transaction() {
    let within = |index| {
        let state = state_within(&osaka(), state(&COUNTER), &counting_block(), index, NO_LIMITS).unwrap();
        state.storage_ref(CONTRACT, U256::ZERO).unwrap()
    };
    assert_eq!([within(0), within(1), within(2)], [U256::ZERO, U256::ONE, U256::from(2)]);
}
