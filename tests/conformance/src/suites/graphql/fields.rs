//! Which call and which key a field of GraphQL means. One function a type of the schema (EIP-1767).

use super::query::Field;
use crate::{Reason, node::RpcNode};
use serde_json::{Map, Value, json};

/// What became of a query.
pub enum Answer {
    /// What GraphQL should say.
    Value(Value),
    /// A field has no counterpart; why.
    NotInJsonRpc(&'static str),
}

/// Fields that JSON-RPC does not have, or means otherwise.
const UNMAPPED: &[(&str, &str, &str)] = &[
    ("Query", "blocks", "JSON-RPC has no query for a range of blocks"),
    ("Query", "gasPrice", "a price is a suggestion: every client works it out by a rule of its own"),
    (
        "Query",
        "pending",
        "besu's pending block holds transactions whose nonces come later; here it holds what a next block can",
    ),
    ("Block", "totalDifficulty", "blocks of execution-apis do not show the total difficulty any more"),
];

/// Keys of a block by the names of GraphQL.
const BLOCK: &[(&str, &str)] = &[
    ("number", "number"),
    ("hash", "hash"),
    ("timestamp", "timestamp"),
    ("difficulty", "difficulty"),
    ("gasUsed", "gasUsed"),
    ("gasLimit", "gasLimit"),
    ("nonce", "nonce"),
    ("logsBloom", "logsBloom"),
    ("mixHash", "mixHash"),
    ("ommerHash", "sha3Uncles"),
    ("extraData", "extraData"),
    ("stateRoot", "stateRoot"),
    ("receiptsRoot", "receiptsRoot"),
    ("transactionsRoot", "transactionsRoot"),
    ("baseFeePerGas", "baseFeePerGas"),
    ("withdrawalsRoot", "withdrawalsRoot"),
];

/// Keys of a transaction.
const TRANSACTION: &[(&str, &str)] = &[
    ("hash", "hash"),
    ("nonce", "nonce"),
    ("index", "transactionIndex"),
    ("value", "value"),
    ("gas", "gas"),
    ("gasPrice", "gasPrice"),
    ("maxFeePerGas", "maxFeePerGas"),
    ("maxPriorityFeePerGas", "maxPriorityFeePerGas"),
    ("inputData", "input"),
    ("type", "type"),
    ("v", "v"),
    ("r", "r"),
    ("s", "s"),
    ("accessList", "accessList"),
];

/// Keys of a transaction that its receipt has.
const RECEIPT: &[(&str, &str)] =
    &[("status", "status"), ("gasUsed", "gasUsed"), ("cumulativeGasUsed", "cumulativeGasUsed")];

/// Keys of a log.
const LOG: &[(&str, &str)] = &[("index", "logIndex"), ("topics", "topics"), ("data", "data")];

/// Keys of a withdrawal.
const WITHDRAWAL: &[(&str, &str)] =
    &[("index", "index"), ("validator", "validatorIndex"), ("address", "address"), ("amount", "amount")];

/// A node to ask.
pub struct Rpc<'a> {
    node: &'a RpcNode,
}

/// Why there is no value.
enum Failure {
    Unmapped(&'static str),
    Reason(Reason),
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

type Outcome = Result<Value, Failure>;

/// The key of a field, if the table has it.
fn key<'t>(table: &'t [(&str, &str)], name: &str) -> Option<&'t str> {
    table.iter().find(|(field, _)| *field == name).map(|(_, key)| *key)
}

fn unknown(kind: &str, name: &str) -> Failure {
    match UNMAPPED.iter().find(|(of, field, _)| *of == kind && *field == name) {
        Some((.., why)) => Failure::Unmapped(why),
        None => Failure::Reason(format!("no mapping for {kind}.{name}")),
    }
}

/// Every field of a selection.
fn each(selection: &[Field], mut resolve: impl FnMut(&Field) -> Outcome) -> Outcome {
    let mut object = Map::new();
    for field in selection {
        object.insert(field.name.clone(), resolve(field)?);
    }
    Ok(Value::Object(object))
}

/// A number as JSON-RPC writes it; text stays.
fn quantity(value: &Value) -> Value {
    value.as_u64().map_or_else(|| value.clone(), |number| json!(format!("{number:#x}")))
}

fn count(list: &Value) -> Value {
    json!(format!("{:#x}", list.as_array().map_or(0, Vec::len)))
}

impl<'a> Rpc<'a> {
    /// Asks this node.
    pub fn new(node: &'a RpcNode) -> Self {
        Self { node }
    }

    /// The answer to a query.
    ///
    /// # Errors
    /// A field without a mapping, or a call that fails.
    pub fn answer(&self, request: &[Field]) -> Result<Answer, Reason> {
        match each(request, |field| self.root(field)) {
            Ok(value) => Ok(Answer::Value(value)),
            Err(Failure::Unmapped(why)) => Ok(Answer::NotInJsonRpc(why)),
            Err(Failure::Reason(reason)) => Err(reason),
        }
    }

    fn call(&self, method: &str, params: Value) -> Outcome {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.node.post(request.to_string())?;
        match answer.get("error") {
            Some(error) => Err(Failure::Reason(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
    }

    fn root(&self, field: &Field) -> Outcome {
        let argument = |name: &str| field.arguments.get(name);
        match field.name.as_str() {
            "block" => {
                let block = match (argument("hash"), argument("number")) {
                    (Some(hash), _) => self.call("eth_getBlockByHash", json!([hash, true]))?,
                    (None, number) => {
                        let number = number.map_or_else(|| json!("latest"), quantity);
                        self.call("eth_getBlockByNumber", json!([number, true]))?
                    }
                };
                self.block(&block, &field.selection)
            }
            "transaction" => {
                let found = self.call("eth_getTransactionByHash", json!([argument("hash")]))?;
                self.transaction(&found, &field.selection)
            }
            "logs" => self.logs(argument("filter").unwrap_or(&Value::Null), &field.selection),
            "syncing" => {
                let progress = self.call("eth_syncing", json!([]))?;
                // GraphQL has null for a node in sync where JSON-RPC has false.
                if progress == false {
                    Ok(Value::Null)
                } else {
                    each(&field.selection, |field| Ok(progress[&field.name].clone()))
                }
            }
            "chainID" => self.call("eth_chainId", json!([])),
            "maxPriorityFeePerGas" => self.call("eth_maxPriorityFeePerGas", json!([])),
            "sendRawTransaction" => self.call("eth_sendRawTransaction", json!([argument("data")])),
            name => Err(unknown("Query", name)),
        }
    }

    fn block(&self, block: &Value, selection: &[Field]) -> Outcome {
        if block.is_null() {
            return Ok(Value::Null);
        }
        each(selection, |field| {
            let argument = |name: &str| field.arguments.get(name).cloned().unwrap_or_default();
            let hash = json!({"blockHash": block["hash"]});
            match field.name.as_str() {
                "parent" => {
                    let parent = self.call("eth_getBlockByHash", json!([block["parentHash"], true]))?;
                    self.block(&parent, &field.selection)
                }
                "miner" => self.account(&block["miner"], &hash, &field.selection),
                "account" => self.account(&argument("address"), &hash, &field.selection),
                "transactionCount" => Ok(count(&block["transactions"])),
                "transactions" => self.list(&block["transactions"], |tx| self.transaction(tx, &field.selection)),
                "transactionAt" => {
                    let index = quantity(&argument("index"));
                    let found = self.call("eth_getTransactionByBlockHashAndIndex", json!([block["hash"], index]))?;
                    self.transaction(&found, &field.selection)
                }
                "ommerCount" => Ok(count(&block["uncles"])),
                "ommers" => {
                    let indices = 0..block["uncles"].as_array().map_or(0, Vec::len);
                    let ommers = indices.map(|index| self.ommer(block, &json!(format!("{index:#x}")), field));
                    ommers.collect::<Result<Vec<_>, _>>().map(Value::Array)
                }
                "ommerAt" => self.ommer(block, &quantity(&argument("index")), field),
                "withdrawals" if block["withdrawals"].is_array() => self.list(&block["withdrawals"], |withdrawal| {
                    each(&field.selection, |field| match key(WITHDRAWAL, &field.name) {
                        Some(key) => Ok(withdrawal[key].clone()),
                        None => Err(unknown("Withdrawal", &field.name)),
                    })
                }),
                "withdrawals" => Ok(Value::Null),
                "call" => {
                    let data = self.call("eth_call", json!([argument("data"), hash]))?;
                    each(&field.selection, |field| match field.name.as_str() {
                        "data" => Ok(data.clone()),
                        // A call that fails is an error of JSON-RPC.
                        "status" => Ok(json!("0x1")),
                        name => Err(unknown("CallResult", name)),
                    })
                }
                "estimateGas" if argument("data")["to"].is_null() && argument("data")["data"].is_null() => {
                    Err(Failure::Unmapped("a call without a receiver creates a contract in JSON-RPC (geth): 53000 gas"))
                }
                "estimateGas" => self.call("eth_estimateGas", json!([argument("data"), hash])),
                name => match key(BLOCK, name) {
                    Some(key) => Ok(block[key].clone()),
                    None => Err(unknown("Block", name)),
                },
            }
        })
    }

    fn ommer(&self, block: &Value, index: &Value, field: &Field) -> Outcome {
        let ommer = self.call("eth_getUncleByBlockHashAndIndex", json!([block["hash"], index]))?;
        self.block(&ommer, &field.selection)
    }

    fn list(&self, list: &Value, one: impl Fn(&Value) -> Outcome) -> Outcome {
        let items = list.as_array().into_iter().flatten().map(one);
        items.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn account(&self, address: &Value, block: &Value, selection: &[Field]) -> Outcome {
        if address.is_null() {
            return Ok(Value::Null);
        }
        each(selection, |field| match field.name.as_str() {
            "address" => Ok(address.clone()),
            "balance" => self.call("eth_getBalance", json!([address, block])),
            "transactionCount" => self.call("eth_getTransactionCount", json!([address, block])),
            "code" => self.call("eth_getCode", json!([address, block])),
            "storage" => self.call("eth_getStorageAt", json!([address, field.arguments.get("slot"), block])),
            name => Err(unknown("Account", name)),
        })
    }

    fn transaction(&self, tx: &Value, selection: &[Field]) -> Outcome {
        if tx.is_null() {
            return Ok(Value::Null);
        }
        let receipt = || self.call("eth_getTransactionReceipt", json!([tx["hash"]]));
        let at = json!({"blockHash": tx["blockHash"]});
        each(selection, |field| match field.name.as_str() {
            "block" => {
                let block = self.call("eth_getBlockByHash", json!([tx["blockHash"], true]))?;
                self.block(&block, &field.selection)
            }
            "from" | "to" => self.account(&tx[&field.name], &at, &field.selection),
            "createdContract" => self.account(&receipt()?["contractAddress"], &at, &field.selection),
            "logs" => self.list(&receipt()?["logs"], |log| self.log(log, &field.selection)),
            name => match (key(TRANSACTION, name), key(RECEIPT, name)) {
                (Some(key), _) => Ok(tx[key].clone()),
                (None, Some(key)) => Ok(receipt()?[key].clone()),
                (None, None) => Err(unknown("Transaction", name)),
            },
        })
    }

    fn logs(&self, filter: &Value, selection: &[Field]) -> Outcome {
        let wanted = json!({
            "fromBlock": quantity(&filter["fromBlock"]),
            "toBlock": quantity(&filter["toBlock"]),
            "topics": filter["topics"],
            "address": filter["addresses"],
        });
        let logs = self.call("eth_getLogs", json!([wanted]))?;
        self.list(&logs, |log| self.log(log, selection))
    }

    fn log(&self, log: &Value, selection: &[Field]) -> Outcome {
        each(selection, |field| match field.name.as_str() {
            "account" => self.account(&log["address"], &json!({"blockHash": log["blockHash"]}), &field.selection),
            "transaction" => {
                let tx = self.call("eth_getTransactionByHash", json!([log["transactionHash"]]))?;
                self.transaction(&tx, &field.selection)
            }
            name => match key(LOG, name) {
                Some(key) => Ok(log[key].clone()),
                None => Err(unknown("Log", name)),
            },
        })
    }
}
