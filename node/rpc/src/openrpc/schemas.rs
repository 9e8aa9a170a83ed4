//! The types of [`table`](super::table), as JSON schemas: exact for plain values, and no more than true for objects.

use serde_json::{Map, Value, json};

/// Every type by its name.
pub(super) fn all() -> Map<String, Value> {
    let hex = |bytes: usize| json!({"type": "string", "pattern": format!("^0x[0-9a-fA-F]{{{}}}$", 2 * bytes)});
    let object = |title: &str| json!({"type": "object", "title": title});
    let tag = json!({"type": "string", "enum": ["earliest", "finalized", "safe", "latest", "pending"]});
    let number = json!({"type": "string", "pattern": "^0x(0|[1-9a-f][0-9a-f]*)$"});
    let by_hash = json!({"type": "object", "required": ["blockHash"], "properties": {
        "blockHash": hex(32), "requireCanonical": {"type": "boolean"}}});
    let by_number = json!({"type": "object", "required": ["blockNumber"], "properties": {"blockNumber": number}});
    let schemas = [
        ("Any", json!(true)),
        ("Null", json!({"type": "null"})),
        ("Boolean", json!({"type": "boolean"})),
        ("Integer", json!({"type": "integer", "minimum": 0})),
        ("Float", json!({"type": "number"})),
        ("String", json!({"type": "string"})),
        ("Quantity", number.clone()),
        ("Bytes", json!({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"})),
        ("Bytes8", hex(8)),
        ("Address", hex(20)),
        ("Hash", hex(32)),
        ("Slot", json!({"type": "string", "pattern": "^0x[0-9a-fA-F]{1,64}$"})),
        ("Number", json!({"title": "block number or tag", "oneOf": [number, tag]})),
        (
            "Block",
            json!({"title": "block number, tag or hash (EIP-1898)", "oneOf": [number, tag, hex(32), by_hash, by_number]}),
        ),
        ("Object", object("object")),
        ("Call", object("transaction request")),
        ("Filter", object("log filter")),
        ("StateOverrides", object("changes to accounts, by address")),
        ("BlockOverrides", object("changes to the block's header")),
        ("Header", object("header")),
        ("BlockObject", object("block")),
        ("Transaction", object("transaction")),
        ("Receipt", object("receipt")),
        ("Log", object("log")),
        ("Proof", object("account proof (EIP-1186)")),
        ("FeeHistory", object("fee history")),
        ("AccessList", object("access list, gas used, error if it fails")),
        ("ForkConfig", object("fork configurations (EIP-7910)")),
        ("Capabilities", object("what this node has, from which block on")),
        ("Simulation", object("blocks to simulate")),
        ("SimulatedBlock", object("block with the results of its calls")),
        ("Syncing", json!({"title": "progress, or false in sync", "oneOf": [{"const": false}, {"type": "object"}]})),
        ("Payload", object("execution payload with its value, blobs and requests")),
        ("PayloadAttributes", object("payload attributes of the engine API")),
        ("TraceOptions", object("tracer and its settings")),
        ("OpenRpc", json!({"$ref": "https://raw.githubusercontent.com/open-rpc/meta-schema/master/schema.json"})),
    ];
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
