//! `rpc.discover`: the OpenRPC document of what this server really offers. [`table`] has a row for every method there
//! is; the document shows the rows of those that are registered. It must not know what methods do.

mod schemas;
mod table;
#[cfg(test)]
mod tests;

use crate::context::Json;
use serde_json::{Value, json, value::to_raw_value};
use std::collections::BTreeSet;

/// The method that gives the document (OpenRPC, service discovery).
pub(crate) const DISCOVER: &str = "rpc.discover";

/// A method: its name, its parameters (`name: Type`, `name?: Type` where it may be left out), the type of its result.
type Row = (&'static str, &'static str, &'static str);

/// The document for these methods; `None` only if it could not be rendered.
pub(crate) fn document(registered: &BTreeSet<&'static str>, version: &str) -> Option<Json> {
    let mut methods: Vec<Value> = table::METHODS.iter().filter(|row| registered.contains(row.0)).map(method).collect();
    let described: BTreeSet<_> = table::METHODS.iter().map(|row| row.0).collect();
    // What is offered is shown, even if somebody forgot its row; a test looks for the mark.
    methods.extend(registered.difference(&described).map(|name| undescribed(name)));
    let document = json!({
        "openrpc": "1.2.6",
        "info": {"title": "Atoll JSON-RPC", "version": version},
        "methods": methods,
        "components": {"schemas": schemas::all()},
    });
    to_raw_value(&document).ok()
}

fn method((name, parameters, result): &Row) -> Value {
    json!({
        "name": name,
        "paramStructure": "by-position",
        "params": parameters.split(", ").filter(|text| !text.is_empty()).map(parameter).collect::<Vec<_>>(),
        "result": {"name": "result", "schema": schema(result)},
    })
}

fn undescribed(name: &str) -> Value {
    json!({"name": name, "params": [], "result": {"name": "result", "schema": true}, "x-undescribed": true})
}

fn parameter(text: &str) -> Value {
    let (name, kind) = text.split_once(": ").unwrap_or((text, "Any"));
    let required = !name.ends_with('?');
    json!({"name": name.trim_end_matches('?'), "required": required, "schema": schema(kind)})
}

/// `Type[]` is a list, `Type?` may be null.
fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        json!({"oneOf": [schema(kind), {"type": "null"}]})
    } else if let Some(kind) = kind.strip_suffix("[]") {
        json!({"type": "array", "items": schema(kind)})
    } else {
        json!({"$ref": format!("#/components/schemas/{kind}")})
    }
}
