//! Requests as a method's OpenRPC entry describes them, so that they get past the reading of parameters; in half of them one
//! parameter is spoiled, sometimes by a megabyte of something.

use super::values;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::Value;

/// A method and the types of its parameters, such as `Hash` or `Quantity[]`.
#[derive(Debug, Clone)]
pub struct Shape {
    pub method: String,
    pub kinds: Vec<String>,
}

impl Shape {
    /// Of all methods in an OpenRPC document.
    pub fn all(document: &Value) -> Vec<Self> {
        let shape = |method: &Value| {
            let params = method["params"].as_array()?.iter();
            let kinds = params.map(|param| kind(&param["schema"])).collect();
            Some(Self { method: method["name"].as_str()?.to_owned(), kinds })
        };
        document["methods"].as_array().into_iter().flatten().filter_map(shape).collect()
    }
}

fn kind(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return format!("{}[]", kind(items));
    }
    let schema = schema["oneOf"].get(0).unwrap_or(schema);
    schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or("Any").to_owned()
}

/// Hashes of blocks and transactions that are there, quoted.
pub type Known = Vec<String>;

fn one<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of.choose(rng).copied().unwrap_or("null")
}

fn hash(rng: &mut StdRng, known: &Known) -> String {
    let unknown = || format!("\"0x{}\"", "ab".repeat(32));
    if rng.random_ratio(1, 8) { unknown() } else { known.choose(rng).cloned().unwrap_or_else(unknown) }
}

fn quantity(rng: &mut StdRng) -> String {
    format!("\"{:#x}\"", rng.random::<u64>() >> rng.random_range(0..64))
}

fn address(rng: &mut StdRng) -> &'static str {
    one(
        rng,
        &[
            "\"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266\"",
            "\"0x000000000000000000000000000000000000dead\"",
            "\"0x00000000000000000000000000000000000000c0\"",
            "\"0x0000000000000000000000000000000000000005\"",
        ],
    )
}

fn number(rng: &mut StdRng) -> String {
    let small = rng.random_range(0..40u64);
    let tag = one(rng, &["latest", "latest", "earliest", "pending", "safe", "finalized"]);
    if rng.random() { format!("\"{tag}\"") } else { format!("\"{small:#x}\"") }
}

fn block(rng: &mut StdRng, known: &Known) -> String {
    match rng.random_range(0..6) {
        0 => hash(rng, known),
        1 => format!("{{\"blockHash\":{},\"requireCanonical\":true}}", hash(rng, known)),
        2 => format!("{{\"blockNumber\":{}}}", number(rng)),
        _ => number(rng),
    }
}

fn overrides(rng: &mut StdRng) -> String {
    format!(
        r#"{{"0x00000000000000000000000000000000000000c0":{{"code":"0x{}","balance":{},"nonce":{}}}}}"#,
        values::code(rng),
        quantity(rng),
        quantity(rng)
    )
}

fn call(rng: &mut StdRng) -> String {
    let (from, to) = (address(rng), address(rng));
    match rng.random_range(0..4) {
        0 => format!(r#"{{"from":{from},"data":"0x{}"}}"#, values::code(rng)),
        1 => format!(r#"{{"to":"0x00000000000000000000000000000000000000c0","gas":{}}}"#, quantity(rng)),
        // A precompiled contract: modular exponentiation of absurd lengths.
        2 => format!(r#"{{"to":"0x0000000000000000000000000000000000000005","data":"0x{}"}}"#, "00ff".repeat(200)),
        _ => format!(r#"{{"from":{from},"to":{to},"value":{},"gas":"0xffffff"}}"#, quantity(rng)),
    }
}

fn trace_options(rng: &mut StdRng) -> String {
    let tracer = values::tracer(rng);
    let overrides = overrides(rng);
    match rng.random_range(0..4) {
        0 => "{}".to_owned(),
        1 => r#"{"enableMemory":true,"enableReturnData":true}"#.to_owned(),
        2 => format!(r#"{{"tracer":"{tracer}","tracerConfig":{{"withLog":true,"diffMode":true}}}}"#),
        _ => format!(r#"{{"tracer":"{tracer}","timeout":"1h","stateOverrides":{overrides}}}"#),
    }
}

fn filter(rng: &mut StdRng, known: &Known) -> String {
    let topics = one(rng, &["[]", "[null]", "[null,null]", "[[],[]]", "[[null]]", "null"]);
    match rng.random_range(0..4) {
        0 => format!(r#"{{"blockHash":{},"topics":{topics}}}"#, hash(rng, known)),
        1 => format!(r#"{{"address":[{}],"topics":{topics}}}"#, address(rng)),
        _ => format!(r#"{{"fromBlock":{},"toBlock":{},"topics":{topics}}}"#, number(rng), number(rng)),
    }
}

fn simulation(rng: &mut StdRng) -> String {
    let (call, overrides) = (call(rng), overrides(rng));
    let block = format!(r#"{{"stateOverrides":{overrides},"calls":[{call},{call}]}}"#);
    let blocks = vec![block; rng.random_range(1..8)].join(",");
    format!(r#"{{"blockStateCalls":[{blocks}],"traceTransfers":true,"validation":{}}}"#, rng.random::<bool>())
}

/// A sound value of a type.
fn sound(rng: &mut StdRng, kind: &str, known: &Known) -> String {
    if let Some(items) = kind.strip_suffix("[]") {
        let some: Vec<String> = (0..rng.random_range(0..6)).map(|_| sound(rng, items, known)).collect();
        return format!("[{}]", some.join(","));
    }
    match kind {
        "Hash" => hash(rng, known),
        "Block" => block(rng, known),
        "Number" => number(rng),
        "Address" => address(rng).to_owned(),
        "Quantity" => quantity(rng),
        "Integer" => one(rng, &["0", "1", "10", "1000", "18446744073709551615"]).to_owned(),
        "Float" => one(rng, &["0", "25.5", "100", "1e-300"]).to_owned(),
        "Boolean" => one(rng, &["true", "false"]).to_owned(),
        "Bytes8" => "\"0x0102030405060708\"".to_owned(),
        "Slot" => one(rng, &["\"0x0\"", "\"0x1\"", "\"0xffff\""]).to_owned(),
        "Bytes" => format!("\"0x{}\"", "a7".repeat(rng.random_range(0..200))),
        "Call" => call(rng),
        "Filter" => filter(rng, known),
        "StateOverrides" => overrides(rng),
        "BlockOverrides" => format!(r#"{{"number":{},"time":{}}}"#, quantity(rng), quantity(rng)),
        "TraceOptions" => trace_options(rng),
        "Simulation" => simulation(rng),
        "String" => one(rng, &["\"trace\"", "\"vmTrace\"", "\"stateDiff\"", "\"0x1\"", "\"newHeads\""]).to_owned(),
        _ => {
            let mut out = String::new();
            values::value(rng, 1, &mut out);
            out
        }
    }
}

/// A value that costs whoever reads it carelessly: long in some alphabet, deep, or of another type.
fn hostile(rng: &mut StdRng) -> String {
    let length = 1 << rng.random_range(0..21);
    // Base 58, its zero, decimal, hexadecimal, escapes, blanks, several bytes a letter, addresses of many parts.
    let part = one(rng, &["A", "1", "9", "f", "\\u0000", " ", "💣", "/ip4/127.0.0.1", "/p2p/1", "[", "1h", "0x"]);
    let text = part.repeat(length / part.len());
    match rng.random_range(0..8) {
        0 => format!("\"0x{text}\""),
        1 => format!("\"/ip4/127.0.0.1/tcp/1/p2p/{text}\""),
        2..5 => format!("\"{text}\""),
        5 => "9".repeat(length),
        6 => format!("{}{}", "[".repeat(length.min(100_000)), "]".repeat(length.min(100_000))),
        _ => {
            let mut out = String::new();
            values::value(rng, 0, &mut out);
            out
        }
    }
}

/// A request; in half of them one parameter is spoiled.
pub fn request(rng: &mut StdRng, shape: &Shape, known: &Known) -> String {
    let mut params: Vec<String> = shape.kinds.iter().map(|kind| sound(rng, kind, known)).collect();
    // Trailing ones may be left out.
    if rng.random_ratio(1, 4) {
        params.truncate(rng.random_range(0..=params.len()));
    }
    if rng.random() {
        let spoiled = hostile(rng);
        match rng.random_range(0..=params.len()) {
            at if at < params.len() => params[at] = spoiled,
            _ => params.push(spoiled),
        }
    }
    let method = Value::from(shape.method.as_str());
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":{method},"params":[{}]}}"#, params.join(","))
}
