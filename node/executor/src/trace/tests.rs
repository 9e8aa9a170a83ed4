//! Tracers over a block of two transactions of which the second sees what the first did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::{CallEnv, testing::*};
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{U256, primitives::TxKind};
use std::time::Duration;

/// SSTORE(0, SLOAD(0) + 1)
const COUNTER: [u8; 10] = [0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55, 0x00];

fn options(value: Value) -> GethDebugTracingOptions {
    serde_json::from_value(value).unwrap()
}

fn counting_block() -> RecoveredBlock {
    let call = |nonce| transaction(nonce, CONTRACT, U256::ZERO, 100_000);
    block(header(), vec![call(0), call(1)])
}

fn trace(index: usize, request: Value) -> Value {
    let trace = trace_transaction(&osaka(), state(&COUNTER), &counting_block(), index, &options(request), None);
    serde_json::to_value(trace.unwrap()).unwrap()
}

#[test]
fn struct_logger_shows_each_instruction() {
    let trace = trace(0, json!({}));
    let ops: Vec<&str> =
        trace["structLogs"].as_array().unwrap().iter().map(|log| log["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["PUSH1", "SLOAD", "PUSH1", "ADD", "PUSH1", "SSTORE", "STOP"]);
    assert_eq!(trace["failed"], json!(false));
    assert_eq!(trace["gas"], json!(21_000 + 3 * 4 + 2_100 + 20_000));
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
    let mux = trace(0, json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "noopTracer": {}}}));
    assert_eq!(mux["callTracer"]["type"], json!("CALL"));
}

#[test]
fn whole_block_is_traced_in_order() {
    let block = counting_block();
    let traces =
        trace_block(&osaka(), state(&COUNTER), &block, &options(json!({"tracer": "callTracer"})), None).unwrap();
    let hashes: Vec<B256> = traces.iter().map(|trace| trace.hash).collect();
    assert_eq!(hashes, block.transactions().map(|(tx, _)| *tx.tx_hash()).collect::<Vec<_>>());
}

#[test]
fn what_is_not_there_is_refused() {
    let error = trace_transaction(&osaka(), state(&COUNTER), &counting_block(), 2, &options(json!({})), None);
    assert!(matches!(error, Err(TraceError::NoSuchTransaction { index: 2, count: 2 })));
    let unknown = options(json!({"tracer": "{step: function() {}}"}));
    let error = trace_transaction(&osaka(), state(&COUNTER), &counting_block(), 0, &unknown, None);
    assert!(matches!(error, Err(TraceError::Tracer(_))));
}

#[test]
fn call_is_traced_and_stopped_at_its_deadline() {
    let header = header();
    let request =
        TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(CONTRACT)), ..TransactionRequest::default() };
    let call_tracer = options(json!({"tracer": "callTracer"}));
    let run = |code: &[u8], deadline| {
        let limits = CallLimits { gas_cap: 0, deadline };
        trace_call(&osaka(), state(code), CallEnv::new(&header), &request, &call_tracer, limits)
    };
    assert!(matches!(run(&COUNTER, None), Ok(GethTrace::CallTracer(_))));
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(run(&[0x5b, 0x60, 0, 0x56], Some(soon)), Err(TraceError::Call(CallError::Timeout))));
}
