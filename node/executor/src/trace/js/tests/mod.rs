//! Scripts in every function of a tracer. What geth's own tests of its tracers expect is expected here too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile;
mod numbers;

use crate::{
    CallEnv,
    testing::*,
    trace::{TraceError, TraceLimits, TraceOptions, trace_block, trace_call, trace_transaction},
};
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{ChainSpec, RecoveredBlock, U256, primitives::TxKind};
use serde_json::{Value, json};

const LIMITS: TraceLimits = TraceLimits { deadline: None, max_bytes: None, javascript: true };
/// PUSH1 1, PUSH1 1, STOP
const PUSHES: [u8; 5] = [0x60, 1, 0x60, 1, 0x00];

fn options(tracer: &str, config: Value) -> TraceOptions {
    serde_json::from_value(json!({"tracer": tracer, "tracerConfig": config})).unwrap()
}

fn one_call() -> RecoveredBlock {
    block(header(), vec![transaction(0, CONTRACT, U256::from(7), 100_000)])
}

fn trace_with(code: &[u8], options: &TraceOptions, limits: TraceLimits) -> Result<Value, TraceError> {
    let trace = trace_transaction(&osaka(), state(code), &one_call(), 0, options, limits)?;
    Ok(serde_json::from_str(trace.get()).unwrap())
}

/// The trace of a call of this code by this script.
fn run(code: &[u8], script: &str) -> Value {
    trace_with(code, &options(script, Value::Null), LIMITS).unwrap()
}

fn refused(code: &[u8], script: &str) -> String {
    trace_with(code, &options(script, Value::Null), LIMITS).unwrap_err().to_string()
}

/// A script that pushes this expression in every step.
fn each_step(expression: &str) -> String {
    format!(
        "{{seen: [], step: function(log, db) {{ this.seen.push({expression}); }}, fault: function() {{}}, result: function() {{ return this.seen; }}}}"
    )
}

/// A script that only answers with this expression.
fn answer(expression: &str) -> String {
    format!("{{step: function() {{}}, fault: function() {{}}, result: function(ctx, db) {{ return {expression}; }}}}")
}

fn bytes(bytes: &[u8]) -> Value {
    bytes
        .iter()
        .enumerate()
        .map(|(index, byte)| (index.to_string(), json!(byte)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn steps_show_the_machine_before_each_instruction() {
    assert_eq!(
        run(
            &PUSHES,
            "{count: 0, step: function() { this.count += 1; }, fault: function() {}, result: function() { return this.count; }}"
        ),
        json!(3)
    );
    assert_eq!(run(&PUSHES, &each_step("log.stack.length()")), json!([0, 1, 2]));
    assert_eq!(run(&PUSHES, &each_step("log.memory.length()")), json!([0, 0, 0]));
    assert_eq!(run(&PUSHES, &each_step("log.op.toString()")), json!(["PUSH1", "PUSH1", "STOP"]));
    assert_eq!(
        run(&PUSHES, &each_step("[log.op.toNumber(), log.op.isPush()]")),
        json!([[0x60, true], [0x60, true], [0, false]])
    );
    assert_eq!(
        run(
            &PUSHES,
            &each_step("[log.getPC(), log.getGas(), log.getCost(), log.getDepth(), log.getRefund(), log.getError()]")
        ),
        json!([[0, 79_000, 3, 1, 0, null], [2, 78_997, 3, 1, 0, null], [4, 78_994, 0, 1, 0, null]])
    );
    // PUSH1 0xff, PUSH1 0, MSTORE8, STOP
    let store = [0x60, 0xff, 0x60, 0, 0x53, 0x00];
    assert_eq!(
        run(&store, &each_step("toHex(log.memory.slice(0, 2))")),
        json!(["0x0000", "0x0000", "0x0000", "0xff00"])
    );
    assert_eq!(run(&store, &each_step("log.memory.length()")), json!([0, 0, 0, 32]));
    assert_eq!(
        run(&store, &each_step("log.stack.length() > 1 ? log.stack.peek(1) : null")),
        json!([null, null, "255", null])
    );
    // The same twice: the second store finds the first one's byte.
    let twice = [&[0x60, 1, 0x60, 0, 0x53][..], &store].concat();
    assert_eq!(
        run(&twice, &each_step("log.op.toString() == 'MSTORE8' && toHex(log.memory.slice(0, 2))")),
        json!([false, false, "0x0000", false, false, "0x0100", false])
    );
    assert_eq!(
        run(&twice, &each_step("log.op.toString() == 'STOP' && log.memory.getUint(0).toString(16)"))
            .as_array()
            .unwrap()
            .last()
            .unwrap(),
        &json!(format!("ff{}", "00".repeat(31)))
    );
}

#[test]
fn the_contract_is_the_running_one() {
    let script = each_step(
        "log.op.toString() == 'STOP' && [toHex(log.contract.getCaller()), toHex(log.contract.getAddress()), log.contract.getValue(), toHex(log.contract.getInput())]",
    );
    assert_eq!(run(&[0x00], &script), json!([[SENDER, CONTRACT, "7", "0x"]]));
}

#[test]
fn a_step_sees_the_state_before_its_instruction() {
    // SSTORE(0, 5), SSTORE(0, 6), STOP
    let code = [0x60, 5, 0x60, 0, 0x55, 0x60, 6, 0x60, 0, 0x55, 0x00];
    let script = each_step(
        "log.op.toString()[0] == 'S' && toHex(db.getState(log.contract.getAddress(), toWord('0x00'))).slice(-2)",
    );
    assert_eq!(run(&code, &script), json!([false, false, "00", false, false, "05", "06"]));
    // SELFDESTRUCT to OTHER
    let destroy = [&[0x73][..], OTHER.as_slice(), &[0xff]].concat();
    let balances = |who: &str| format!("db.getBalance({who}).toString()");
    let script = format!(
        "{{seen: [], step: function(log, db) {{ this.seen.push({0}, {1}); }}, fault: function() {{}}, result: function(ctx, db) {{ return this.seen.concat([{0}, {1}]); }}}}",
        balances(&format!("toAddress('{CONTRACT}')")),
        balances(&format!("toAddress('{OTHER}')"))
    );
    assert_eq!(run(&destroy, &script), json!(["7", "0", "7", "0", "0", "7"]));
}

#[test]
fn state_is_read_by_account_and_slot() {
    let script = answer(
        "[db.getNonce(ctx.from), db.getNonce(ctx.to), toHex(db.getCode(ctx.to)), toHex(db.getCode(ctx.from)), db.exists(ctx.to), db.exists(toAddress('0x99')), db.getBalance(ctx.to), toHex(db.getState(ctx.to, toWord('0x0')))]",
    );
    assert_eq!(run(&PUSHES, &script), json!([1, 1, "0x6001600100", "0x", true, false, "7", format!("0x{:064}", 0)]));
    // What nobody has touched is read from the state below.
    assert_eq!(run(&PUSHES, &each_step(&format!("db.exists(toAddress('{OTHER}'))"))), json!([false, false, false]));
}

#[test]
fn result_is_told_about_the_transaction() {
    assert_eq!(run(&PUSHES, &answer("ctx.gasPrice + '.' + ctx.gasUsed")), json!("2000000000.21006"));
    let told = run(
        &PUSHES,
        &answer(
            "[ctx.type, toHex(ctx.from), toHex(ctx.to), toHex(ctx.input), ctx.gas, ctx.value, ctx.block, toHex(ctx.coinbase), toHex(ctx.output), ctx.error, ctx.txIndex]",
        ),
    );
    assert_eq!(told, json!(["CALL", SENDER, CONTRACT, "0x", 100_000, "7", 1, MINER, "0x", null, 0]));
    let block = one_call();
    assert_eq!(
        run(&PUSHES, &answer("[toHex(ctx.blockHash), toHex(ctx.txHash)]")),
        json!([block.hash, block.transactions().next().unwrap().0.tx_hash()])
    );
    // PUSH1 0, PUSH1 0, REVERT
    assert_eq!(run(&[0x60, 0, 0x60, 0, 0xfd], &answer("ctx.error")), json!("execution reverted"));
    assert_eq!(run(&returning(&[0x60, 9]), &answer("ctx.output[31]")), json!(9));
    let creation = crate::testing::block(header(), vec![creation(0, 100_000)]);
    let told = trace_transaction(
        &osaka(),
        state(&[]),
        &creation,
        0,
        &options(&answer("[ctx.type, toHex(ctx.to) == toHex(toContract(ctx.from, 0))]"), Value::Null),
        LIMITS,
    )
    .unwrap();
    assert_eq!(told.get(), r#"["CREATE",true]"#);
}

#[test]
fn a_call_stands_in_no_block() {
    let request =
        TransactionRequest { from: Some(SENDER), to: Some(TxKind::Call(CONTRACT)), ..TransactionRequest::default() };
    let (header, options) =
        (header(), options(&answer("[ctx.block, typeof ctx.blockHash, typeof ctx.txHash, ctx.gasUsed]"), Value::Null));
    let trace =
        trace_call(&osaka(), state(&PUSHES), CallEnv::new(&header), &request, &options, 100_000, LIMITS).unwrap();
    assert_eq!(trace.get(), r#"[1,"undefined","undefined",21006]"#);
}

/// CALL(OTHER with `value`), then STOP.
fn calling(value: u8) -> Vec<u8> {
    [&[0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, value, 0x73][..], OTHER.as_slice(), &[0x61, 0xff, 0xff, 0xf1, 0x00]]
        .concat()
}

const FRAMES: &str = "{seen: [], fault: function() {}, step: function() {},
    enter: function(f) { this.seen.push(['+', f.getType(), toHex(f.getFrom()), toHex(f.getTo()), toHex(f.getInput()), f.getGas(), f.getValue()]); },
    exit: function(r) { this.seen.push(['-', r.getGasUsed(), toHex(r.getOutput()), r.getError()]); },
    result: function() { return this.seen; }}";

#[test]
fn frames_below_the_transaction_are_entered_and_left() {
    let called = trace_with(&calling(3), &options("callTracer", Value::Null), LIMITS).unwrap();
    let gas: U256 = called["calls"][0]["gas"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        run(&calling(3), FRAMES),
        json!([["+", "CALL", CONTRACT, OTHER, "0x", gas.to::<u64>(), "3"], ["-", 0, "0x", null]])
    );
    let destroy = [&[0x73][..], OTHER.as_slice(), &[0xff]].concat();
    assert_eq!(
        run(&destroy, FRAMES),
        json!([["+", "SELFDESTRUCT", CONTRACT, OTHER, "0x", 0, "7"], ["-", 0, "0x", null]])
    );
    // A call that cannot be paid for is a frame too.
    let poor = run(&calling(8), FRAMES);
    assert_eq!((&poor[0][1], &poor[1][3]), (&json!("CALL"), &json!("insufficient balance for transfer")));
    // CREATE of no code.
    let create = [0x60, 0, 0x60, 0, 0x60, 0, 0xf0, 0x00];
    let seen = run(&create, FRAMES);
    assert_eq!((&seen[0][1], &seen[0][3]), (&json!("CREATE"), &json!(CONTRACT.create(1))));
    // STATICCALL has no value.
    let look =
        [&[0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x73][..], OTHER.as_slice(), &[0x61, 0xff, 0xff, 0xfa, 0x00]].concat();
    assert_eq!(run(&look, FRAMES)[0][6], json!(null));
}

#[test]
fn steps_agree_with_the_struct_logger() {
    // Calls itself with less and less gas, and stores and clears a slot on the way.
    let code = [&[
        0x60, 1, 0x60, 0, 0x55, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x30, 0x61, 0x40, 0, 0xf1, 0x60, 0, 0x60,
        0, 0x55, 0x60, 9, 0x61, 1, 0, 0x52, 0x60, 0, 0x60, 0, 0x60, 0, 0xf0, 0x00,
    ][..]]
    .concat();
    let script = "{seen: [], note: function(log) { var error = log.getError();
        var entry = {pc: log.getPC(), op: log.op.toString(), gas: log.getGas(), gasCost: log.getCost(), depth: log.getDepth(), stack: []};
        for (var i = log.stack.length() - 1; i >= 0; i--) entry.stack.push('0x' + log.stack.peek(i).toString(16));
        if (error !== undefined) entry.error = error; if (log.getRefund() > 0) entry.refund = log.getRefund(); this.seen.push(entry); },
        step: function(log) { this.note(log); }, fault: function() {}, result: function() { return this.seen; }}";
    let logged = trace_with(&code, &serde_json::from_value(json!({"disableStorage": true})).unwrap(), LIMITS).unwrap();
    let seen = run(&code, script);
    assert!(seen.as_array().unwrap().len() > 30);
    assert_eq!(seen, logged["structLogs"]);
}

#[test]
fn failures_in_an_instruction_are_faults() {
    let script = "{seen: [], step: function(log) { if (log.getError() !== undefined) this.seen.push('step ' + log.getError()); },
        fault: function(log) { this.seen.push('fault ' + log.op.toString() + ' ' + log.getPC() + ' ' + log.stack.length() + ' ' + log.getError()); }, result: function(ctx) { return this.seen.concat(ctx.error); }}";
    // PUSH1 9, JUMP
    assert_eq!(
        run(&[0x60, 9, 0x56], script),
        json!(["fault JUMP 2 1 invalid jump destination", "invalid jump destination"])
    );
    assert_eq!(
        run(&[0x60, 0, 0x60, 0, 0xfd], script),
        json!(["fault REVERT 4 2 execution reverted", "execution reverted"])
    );
    // POP of nothing fails before it runs.
    assert_eq!(run(&[0x50], script), json!(["step stack underflow (0 <=> 1)", "stack underflow (0 <=> 1)"]));
}

#[test]
fn helpers_are_geths() {
    let mut word = [0u8; 32];
    word[30..].copy_from_slice(&[0xff, 0xaa]);
    assert_eq!(run(&PUSHES, &answer("toWord('0xffaa')")), bytes(&word));
    assert_eq!(run(&PUSHES, &answer("toAddress('0x0000000000000000000000000000000000000000')")), bytes(&[0; 20]));
    assert_eq!(
        run(&PUSHES, &each_step("toHex(toAddress(Array.prototype.slice.call(log.contract.getAddress())))"))[0],
        json!(CONTRACT)
    );
    assert_eq!(run(&PUSHES, &answer("toHex(toContract(ctx.from, 5))")), json!(SENDER.create(5)));
    let salted = SENDER.create2_from_code(U256::from(1).to_be_bytes(), [0x60, 0]);
    assert_eq!(run(&PUSHES, &answer("toHex(toContract2(ctx.from, '0x01', '0x6000'))")), json!(salted));
    assert_eq!(run(&PUSHES, &answer("toHex(slice(toWord('0x0102'), 30, 32))")), json!("0x0102"));
    assert_eq!(run(&PUSHES, &answer("toHex([1, 2, 255])")), json!("0x0102ff"));
    assert_eq!(
        run(&PUSHES, &answer("toHex(toWord('0x1zz')) + toHex(toAddress('1'))")),
        json!(format!("0x{:064}0x{:040}", 1, 1))
    );
    assert_eq!(
        run(
            &PUSHES,
            &answer("[isPrecompiled(toAddress('0x9')), isPrecompiled(toAddress('0x100')), isPrecompiled(ctx.to)]")
        ),
        json!([true, true, false])
    );
    let byzantium =
        spec(r#""homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0"#);
    assert_eq!(on(&byzantium, "isPrecompiled(toAddress('0x0000000000000000000000000000000000000009'))"), json!(false));
}

fn on(spec: &ChainSpec, expression: &str) -> Value {
    let header = atoll_primitives::Header {
        base_fee_per_gas: None,
        excess_blob_gas: None,
        blob_gas_used: None,
        parent_beacon_block_root: None,
        ..header()
    };
    let block = block(header, vec![transaction(0, CONTRACT, U256::ZERO, 100_000)]);
    let trace =
        trace_transaction(spec, state(&PUSHES), &block, 0, &options(&answer(expression), Value::Null), LIMITS).unwrap();
    serde_json::from_str(trace.get()).unwrap()
}

#[test]
fn wrong_arguments_end_the_tracer() {
    let store = [0x60, 0xff, 0x60, 0, 0x53, 0x00];
    for (code, expression, reason) in [
        (&PUSHES[..], "log.memory.slice(-1, -2)", "tracer accessed out of bound memory: offset -1, end -2"),
        (&PUSHES, "log.stack.peek(-1)", "tracer accessed out of bound stack: size 0, index -1"),
        (&PUSHES, "log.memory.getUint(-64)", "tracer accessed out of bound memory: available 0, offset -64, size 32"),
        (
            &store,
            "log.op.toString() == 'STOP' && log.memory.slice(5, 1025 * 1024)",
            "reached limit for padding memory slice: 1049568",
        ),
        (&PUSHES, "toHex('0x12')", "invalid buffer type"),
        (
            &PUSHES,
            "slice(toWord('0x1'), 30, 33)",
            "Tracer accessed out of bound memory: available 32, offset 30, size 3",
        ),
        (&PUSHES, "db.getBalance({})", "invalid buffer type"),
        // It cannot be caught either.
        (
            &PUSHES,
            "(function() { try { log.stack.peek(7) } catch (e) { return 1 } })()",
            "tracer accessed out of bound stack: size 0, index 7",
        ),
        (&PUSHES, "nothing.at.all", "ReferenceError: nothing is not defined"),
        (&PUSHES, "(function() { throw 'own words' })()", "own words"),
    ] {
        assert_eq!(refused(code, &each_step(expression)), format!("{reason}    in server-side tracer function 'step'"));
    }
    assert_eq!(
        refused(&PUSHES, &answer("ctx.nothing.at")),
        "TypeError: cannot read property 'at' of undefined    in server-side tracer function 'result'"
    );
}

#[test]
fn what_is_not_a_tracer_is_refused() {
    for (script, reason) in [
        ("{", "SyntaxError"),
        ("fooTracer", "ReferenceError: fooTracer is not defined"),
        ("{fault: function() {}}", "trace object must expose a function result()"),
        ("{result: function() {}}", "trace object must expose a function fault()"),
        ("1", "trace object must expose a function result()"),
        (
            "{result: function() {}, fault: function() {}, enter: function() {}}",
            "trace object must expose either both or none of enter() and exit()",
        ),
        ("{result: function() {}, fault: function() {}, setup: function() { throw 'no' }}", "no"),
        ("{result: function() {}, fault: function() {}\0}", "null bytes"),
    ] {
        let found = refused(&PUSHES, script);
        assert!(found.contains(reason), "{script:?}: {found}");
    }
    let off = trace_with(&PUSHES, &options(&answer("1"), Value::Null), TraceLimits::default()).unwrap_err();
    assert!(off.to_string().contains("JavaScript tracers are off"), "{off}");
}

#[test]
fn setup_is_given_the_configuration() {
    let script = "{setup: function(cfg) { this.cfg = cfg; }, fault: function() {}, result: function() { return JSON.parse(this.cfg); }}";
    assert_eq!(
        trace_with(&PUSHES, &options(script, json!({"foo": [1, "<"]})), LIMITS).unwrap(),
        json!({"foo": [1, "<"]})
    );
    assert_eq!(run(&PUSHES, script), json!({}));
}

#[test]
fn answers_are_encoded_as_geth_encodes_them() {
    for (expression, json) in [
        ("null", json!({})),
        ("undefined", json!({})),
        ("[null, undefined]", json!([null, null])),
        ("{a: undefined, b: null}", json!({"b": null})),
        ("bigInt(5)", json!("5")),
        ("'\u{e9}\\u2028<'", json!("\u{e9}\u{2028}<")),
        ("1.5", json!(1.5)),
        ("true", json!(true)),
        ("new Uint8Array(2)", bytes(&[0, 0])),
    ] {
        assert_eq!(run(&PUSHES, &answer(&format!("({expression})"))), json, "{expression}");
    }
    assert!(refused(&PUSHES, &answer("1n")).contains("TypeError"));
}

#[test]
fn scripts_run_beside_other_tracers_and_afresh_for_each_transaction() {
    let count = "{n: 0, step: function() { this.n++; }, fault: function() {}, result: function() { return this.n; }}";
    let quoted = answer("\"a\"");
    let mux = json!({count: null, quoted.clone(): {}, "4byteTracer": null});
    assert_eq!(
        trace_with(&PUSHES, &options("muxTracer", mux), LIMITS).unwrap(),
        json!({count: 3, quoted: "a", "4byteTracer": {}})
    );
    let twice = block(
        header(),
        vec![transaction(0, CONTRACT, U256::ZERO, 100_000), transaction(1, CONTRACT, U256::ZERO, 100_000)],
    );
    let traces = trace_block(&osaka(), state(&PUSHES), &twice, &options(count, Value::Null), LIMITS).unwrap();
    assert_eq!(traces.iter().map(|tx| tx.trace.get().to_owned()).collect::<Vec<_>>(), ["3", "3"]);
    let second = trace_transaction(
        &osaka(),
        state(&PUSHES),
        &twice,
        1,
        &options(&answer("[ctx.txIndex, db.getNonce(ctx.from)]"), Value::Null),
        LIMITS,
    )
    .unwrap();
    assert_eq!(second.get(), "[1,2]");
}

#[test]
fn geths_counting_scripts_have_their_names() {
    assert_eq!(run(&PUSHES, "opcountTracer"), json!(3));
    assert_eq!(run(&PUSHES, "unigramTracer"), json!({"PUSH1": 2, "STOP": 1}));
    assert_eq!(run(&PUSHES, "bigramTracer"), json!({"PUSH1-PUSH1": 1, "PUSH1-STOP": 1}));
    assert_eq!(run(&PUSHES, "trigramTracer"), json!({"--PUSH1": 1, "-PUSH1-STOP": 1}));
    // An instruction in another depth follows none: CALLER, ADDRESS, EQ and a jump end the inner call.
    let inner = [
        0x33, 0x30, 0x14, 0x60, 19, 0x57, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x62, 0, 0x80, 0, 0xf1, 0x50, 0x00, 0x5b,
        0x00,
    ];
    let pairs = run(&inner, "bigramTracer");
    assert_eq!((pairs.get("CALL-CALLER"), &pairs["JUMPI-JUMPDEST"], &pairs["POP-STOP"]), (None, &json!(1), &json!(1)));
}
