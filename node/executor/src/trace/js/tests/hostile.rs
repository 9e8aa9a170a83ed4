//! Scripts that want to stay, to grow, or to get out.

use super::super::{
    engine::{Engine, Field, Hook},
    machine::After,
    view::Shared,
};
use super::*;
use revm::state::EvmState;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

/// Runs a script with half a second to live, and says how it ended.
fn end_of(script: &str) -> String {
    let limits = TraceLimits { deadline: Some(Instant::now() + Duration::from_millis(500)), ..LIMITS };
    let begun = Instant::now();
    let outcome = trace_with(&PUSHES, &options(script, Value::Null), limits);
    let took = begun.elapsed();
    // The rest is for a busy machine: what is not bounded takes longer than anybody waits.
    assert!(took < Duration::from_secs(120), "{script}: {took:?}");
    outcome.map_or_else(|error| error.to_string(), |value| value.to_string())
}

#[test]
fn endless_scripts_are_ended_wherever_they_are() {
    let with = |name: &str, body: &str| {
        format!("{{result: function() {{}}, fault: function() {{}}, step: function() {{}}, {name}: {body}}}")
    };
    for name in ["step", "result", "setup"] {
        for body in [
            "function() { while (true) {} }",
            "function() { for (;;) { try { while (true) {} } catch (e) {} finally { continue } } }",
            "function() { (function again() { try { again() } catch (e) { again() } })() }",
        ] {
            assert_eq!(end_of(&with(name, body)), "execution timeout", "{name} {body}");
        }
    }
    for script in ["(function() { while (true) {} })()", "{get result() { while (true) {} }}"] {
        assert_eq!(end_of(script), "execution timeout", "{script}");
    }
    for expression in [
        "{toJSON: function() { while (true) {} }}",
        "(function() { throw {toString: function() { while (true) {} }} })()",
        "{get a() { while (true) {} }}",
    ] {
        assert_eq!(end_of(&answer(expression)), "execution timeout", "{expression}");
    }
}

#[test]
fn functions_of_the_engine_are_finite() {
    for expression in [
        "Array.prototype.join.call({length: 2 ** 53 - 1})",
        "[].join.call(new Array(4294967295))",
        "new Array(4294967295).toString()",
        "String(new Array(4294967295))",
        "new Array(4294967295).indexOf(1)",
        "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
        "Array.prototype.includes.call({length: 2 ** 53 - 1}, 1)",
        "Array.prototype.lastIndexOf.call({length: 2 ** 53 - 1}, 1)",
        "Array.prototype.fill.call({length: 2 ** 53 - 1, set 0(x) {}}, 1)",
        "Array.prototype.reverse.call({length: 2 ** 53 - 1})",
        "Array.prototype.slice.call({length: 2 ** 53 - 1})",
        "Array.prototype.splice.call({length: 2 ** 53 - 1}, 0, 1)",
        "Array.prototype.unshift.call({length: 2 ** 53 - 2}, 1)",
        "Array.prototype.shift.call({length: 2 ** 53 - 1})",
        "Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 0, 1)",
        "Array.prototype.sort.call({length: 2 ** 53 - 1})",
        "Array.prototype.forEach.call({length: 2 ** 53 - 1}, function() {})",
        "Array.prototype.reduce.call({length: 2 ** 53 - 1, 0: 1}, function() {})",
        "Array.prototype.find.call({length: 2 ** 53 - 1}, function() {})",
        "Array.prototype.at.call({length: 2 ** 53 - 1}, 5)",
        "[].concat({length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true})",
        "[].concat(new Array(4294967295))",
        "[new Array(4294967295)].flat()",
        "[1].flatMap(function() { return new Array(4294967295) })",
        "Array.from({length: 2 ** 53 - 1})",
        "new Set(new Array(4294967295))",
        "[...new Array(4294967295)]",
        "JSON.stringify({}, new Array(4294967295))",
        "JSON.stringify(new Array(4294967295))",
        "new Array(4294967295)",
        "String.raw({raw: {length: 2 ** 53 - 1}})",
        "Math.max.apply(null, {length: 4294967295})",
        "new Uint8Array({length: 2 ** 53 - 1})",
        "'a'.repeat(8e6).indexOf('a'.repeat(4e6) + 'b')",
        "'a'.repeat(8e6).lastIndexOf('b' + 'a'.repeat(4e6))",
        "'a'.repeat(8e6).includes('a'.repeat(4e6) + 'b')",
        "'a'.repeat(8e6).split('a'.repeat(4e6) + 'b')",
        "'a'.repeat(8e6).replace('a'.repeat(4e6) + 'b', '')",
        "'a'.repeat(8e6).replaceAll({toString: function() { return 'a'.repeat(4e6) + 'b' }}, '')",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
        "'a'.repeat(40).replace(/(a|aa)+$/, 'b').match(/^(a+)+$/)",
        "2n ** 4000000000n",
        "bigInt(2).shiftLeft(4000000000)",
        "bigInt(3).pow(100000000)",
        "String(3n ** 600000n)",
        "String((3n ** 600000n) % (7n ** 100000n))",
        "String(BigInt('9'.repeat(3e5)))",
        "String(BigInt('9'.repeat(3e7)))",
        "new Uint8Array(6e7).sort().length",
        "Array.from({length: 1e6}, Math.random).sort().length",
        "'\u{e9}'.repeat(3e6).normalize('NFD').length",
        "RegExp.prototype[Symbol.replace].call({exec: function() { return {length: 2 ** 53 - 1, index: 0, 0: ''} }, flags: ''}, 'a', 'b')",
        "Object.groupBy(new Array(4294967295), function() {})",
        "Uint8Array.from({length: 2 ** 53 - 1})",
        "new Array(4294967295).keys().toArray()",
        "encodeURIComponent('\u{e9}'.repeat(1e7)).length",
        "'x'.padEnd(2 ** 29, 'y').length",
    ] {
        let end = end_of(&answer(expression));
        assert!(end.len() < 300_000_000, "{expression}");
    }
}

#[test]
fn memory_is_bounded() {
    for body in [
        "var s = 'a'; while (true) s += s;",
        "var a = []; while (true) a.push(new Uint8Array(1 << 20));",
        "var a = []; while (true) a.push({});",
        "var a = []; while (true) a = [a, a];",
        "new ArrayBuffer(2 ** 40);",
        "'a'.repeat(2 ** 29);",
        "var m = new Map(); for (var i = 0; ; i++) m.set(i, i);",
        "var a = []; while (true) { try { a.push('x'.repeat(1e6)) } catch (e) { a.push(e) } }",
        "var a = []; while (true) a.push(toWord('0x1'));",
        "var a = []; while (true) a.push(log.stack.length() ? log.stack.peek(0) : bigInt(1));",
    ] {
        let script =
            format!("{{result: function() {{ return 1 }}, fault: function() {{}}, step: function(log) {{ {body} }}}}");
        let end = end_of(&script);
        assert!(end != "1", "{body}: {end}");
    }
    let grown = end_of(
        "{n: [], step: function() {}, fault: function() {}, result: function() { for (var i = 0; i < 1e6; i++) this.n.push('aaaaaaaaaaaaaaaaaaaaaaaa'); return this.n; }}",
    );
    assert!(
        grown.contains("aaaa") || grown.contains("memory") || grown.contains("timeout"),
        "{}",
        &grown[..100.min(grown.len())]
    );
}

/// The engine is C: what it does when an allocation fails must be sound wherever that is.
#[test]
fn memory_may_run_out_anywhere() {
    let script = "{seen: [], map: new Map(), setup: function(cfg) { this.cfg = JSON.parse(cfg) },
        step: function(log, db) { try { this.seen.push({op: log.op.toString(), of: db.getBalance(toAddress('0x1')), code: toHex(db.getCode(toAddress('0x2')))});
            this.map.set(this.seen.length, [1, 2, 3].map(String).join('-').replace(/-/g, 'x').split('x')); this.seen.sort(); eval('1 + ' + this.seen.length);
        } catch (e) { this.seen.push(String(e)) } }, fault: function() {}, result: function(ctx) { return [this.seen, ctx, toContract(ctx.to, 1), bigInt(2).pow(300)] }}";
    let (before, changes) = (state(&PUSHES), EvmState::default());
    let (mut finished, mut failed) = (0, 0);
    for memory in (60_000..1_600_000).step_by(1_511) {
        let mut machine = After { before: &before, changes: &changes };
        let mut run = || -> Result<String, TraceError> {
            let engine = Engine::new(script, r#"{"a": [1]}"#, memory, Rc::new(Shared::default()))?;
            for _ in 0..20 {
                engine.call(Hook::Step, &mut machine)?;
            }
            engine.result(&[("to", Field::Bytes(vec![1; 20])), ("value", Field::Big(U256::MAX))], &mut machine)
        };
        match run() {
            Ok(_) => finished += 1,
            Err(_) => failed += 1,
        }
    }
    assert!(finished > 50 && failed > 50, "{finished} runs had enough memory, {failed} had not");
}

#[test]
fn an_answer_counts_towards_the_size_of_a_trace() {
    let limits = TraceLimits { max_bytes: Some(1_000), ..LIMITS };
    let large = trace_with(&PUSHES, &options(&answer("'x'.repeat(2000)"), Value::Null), limits).unwrap_err();
    assert!(matches!(large, TraceError::TooLarge { limit: 1_000 }), "{large}");
}

#[test]
fn recursion_is_bounded() {
    for expression in [
        "(function f() { return f() })()",
        "(function f() { return [f()].map(f) })()",
        "JSON.parse('['.repeat(1e6))",
        "eval('('.repeat(1e6))",
        "new RegExp('('.repeat(1e6))",
        "(function() { var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a) })()",
        "(function() { var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return a })()",
    ] {
        let end = end_of(&answer(expression));
        assert!(
            end.contains("stack") || end.contains("SyntaxError") || end.contains("too many") || end.contains("timeout"),
            "{expression}: {end}"
        );
    }
}

#[test]
fn state_that_only_a_script_reads_is_bounded() {
    let script = "{step: function(log, db) { for (var i = 0; ; i++) db.getBalance(toAddress(bigInt(i).toString())); }, fault: function() {}, result: function() {}}";
    let end = trace_with(&PUSHES, &options(script, Value::Null), LIMITS).unwrap_err().to_string();
    assert!(end.starts_with("more than 65536 reads"), "{end}");
}

#[test]
fn nothing_of_the_engine_leads_outside() {
    let script = answer(
        "[typeof Proxy, typeof Promise, typeof Atomics, typeof SharedArrayBuffer, typeof WeakRef, typeof require, typeof process, typeof std, typeof os, typeof print, typeof setTimeout, typeof performance]",
    );
    let names = run(&PUSHES, &script);
    assert!(names.as_array().unwrap().iter().all(|name| name == "undefined"), "{names}");
    // What a script breaks is broken for itself alone.
    let vandal = "{setup: function() { Uint8Array.prototype.slice = null; Array.prototype.push = null; String = null; JSON.parse = null; bigInt = 5; delete globalThis.toHex; Object.prototype.toJSON = function() { return 7 }; }, step: function(log, db) { this.b = db.getBalance(log.contract.getAddress()) }, fault: function() {}, result: function() { return {a: 1} }}";
    assert_eq!(run(&PUSHES, vandal), json!(7));
    assert_eq!(run(&PUSHES, &answer("{a: 1}")), json!({"a": 1}));
}
