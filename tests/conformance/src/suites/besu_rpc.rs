//! Besu's JSON-RPC cases: a request and the answer Besu gives, over a proof-of-work chain that later merges, and its
//! simulations over a chain of their own.
//!
//! What a request means is common ground; error codes, and what is no fact of the chain, are each client's own. Where
//! the recorded answer is Besu's alone, [`RULES`] says why ours is right, and the case counts as skipped with that
//! reason; everything else must be equal.

use super::execution_apis::{difference, without_message};
use crate::{
    File, Files, Job, Reason, Recorder, Skip, Suite,
    chains::decode_blocks,
    node::{self, RpcNode},
    schema::Schemas,
};
use serde_json::Value;

pub const SUITE: Suite = Suite { name: "besu-rpc", discover };

/// A case and our answer to it.
struct Answered<'a> {
    method: &'a str,
    request: &'a Value,
    expected: &'a Value,
    got: &'a Value,
}

impl Answered<'_> {
    fn codes(&self) -> (i64, i64) {
        let code = |answer: &Value| answer["error"]["code"].as_i64().unwrap_or_default();
        (code(self.expected), code(self.got))
    }

    fn both_fail(&self) -> bool {
        self.expected.get("error").is_some() && self.got.get("error").is_some()
    }

    /// Whether only what `change` makes equal differs.
    fn equal_after(&self, change: impl Fn(&mut Value, &Value)) -> bool {
        let mut expected = self.expected.clone();
        change(&mut expected, self.got);
        difference("", &without_message(expected), &without_message(self.got.clone())).is_none()
    }

    fn refused_because(&self, text: &str) -> bool {
        self.got["error"]["message"].as_str().is_some_and(|message| message.contains(text))
    }

    fn params(&self) -> &Value {
        &self.request["params"]
    }
}

type Rule = (&'static str, fn(&Answered<'_>) -> bool);

/// Where Besu's answer is its own, and why ours is right. The first that applies is named.
const RULES: &[Rule] = &[
    ("the method is Besu's own, or was dropped by execution-apis and geth", |case| {
        case.got["error"]["code"] == -32601
            && ["debug_accountAt", "debug_batchSendRawTransaction", "eth_protocolVersion"].contains(&case.method)
    }),
    ("names of filters are random numbers here as in geth: who guesses one could read another client's", |case| {
        let names = ["eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter"];
        names.contains(&case.method) && case.got["result"].as_str().is_some_and(|id| id.starts_with("0x"))
    }),
    ("Besu's harness sets a network ID of its own; without one it is the chain ID", |case| {
        case.method == "net_version" && case.got["result"] == "1"
    }),
    ("state of a block that does not exist is an error in execution-apis and geth, not null", |case| {
        let state = ["eth_getBalance", "eth_getCode", "eth_getTransactionCount", "eth_getStorageAt", "eth_getProof"];
        state.contains(&case.method) && case.expected["result"].is_null() && case.codes().1 == -32000
    }),
    ("codes of a call that may not be made are -32000 in execution-apis and geth; -32003, -32004 are Besu's", |case| {
        let calls = ["eth_call", "eth_estimateGas"];
        calls.contains(&case.method) && case.both_fail() && case.codes().1 == -32000
    }),
    ("a transaction that cannot be decoded is -32000 in geth, as recorded by execution-apis", |case| {
        case.method == "eth_sendRawTransaction" && case.both_fail() && case.codes() == (-32602, -32000)
    }),
    ("keys of storage proofs are echoed as they were asked for (execution-apis, geth)", |case| {
        case.method == "eth_getProof"
            && case.equal_after(|expected, got| {
                let ours = got["result"]["storageProof"].as_array().cloned().unwrap_or_default();
                let theirs = expected["result"]["storageProof"].as_array_mut().into_iter().flatten();
                theirs.zip(ours).for_each(|(theirs, ours)| theirs["key"] = ours["key"].clone());
            })
    }),
    ("traces show the storage a step touches and return values with 0x, as geth and execution-apis do", |case| {
        case.method == "debug_traceTransaction"
            && case.equal_after(|expected, got| {
                let value = expected["result"]["returnValue"].as_str().unwrap_or_default();
                expected["result"]["returnValue"] = format!("0x{value}").into();
                let ours = got["result"]["structLogs"].as_array().cloned().unwrap_or_default();
                let theirs = expected["result"]["structLogs"].as_array_mut().into_iter().flatten();
                for (theirs, ours) in theirs.zip(ours).filter(|(_, ours)| ours["storage"].is_object()) {
                    theirs["storage"] = ours["storage"].clone();
                }
            })
    }),
    (
        "Besu's fork ID here is the checksum of the genesis hash alone; EIP-6122 adds every fork that has passed",
        |case| {
            let ours = |expected: &mut Value, got: &Value| {
                expected["result"]["current"]["forkId"] = got["result"]["current"]["forkId"].clone();
            };
            case.method == "eth_config" && case.equal_after(ours)
        },
    ),
    ("`strict` is a field of Besu's own that turns off the check of the balance", |case| {
        case.params()[0].get("strict").is_some() && case.refused_because("insufficient funds")
    }),
    (
        "unknown fields of filters and overrides are refused: a misspelt one would silently mean something else",
        |case| case.refused_because("unknown field"),
    ),
    ("Besu's harness takes transactions whose senders have no funds", |case| {
        case.method == "eth_sendRawTransaction" && case.refused_because("insufficient funds")
    }),
    ("`authority` without a signature is an extension of Besu's; EIP-7702 recovers it from the signature", |case| {
        case.method == "eth_simulateV1" && case.params().to_string().contains("\"authority\"")
    }),
    ("`returnTrieLog` is an extension of Besu's", |case| {
        case.params()[0].get("returnTrieLog").is_some()
            && case.equal_after(|expected, _| {
                for block in expected["result"].as_array_mut().into_iter().flatten() {
                    block.as_object_mut().map(|block| block.remove("trieLog"));
                }
            })
    }),
];

struct Chain {
    genesis: File,
    blocks: File,
}

/// Cases lie in folders `eth` and `debug` below one with a chain; those of simulations in `specs` beside `chain-data`.
fn discover(files: &mut Files) -> Vec<Job> {
    let find = |files: &Files, path: &str| files.iter().find(|file| file.path == path).cloned();
    let chain = |files: &Files, genesis: &str, blocks: &str| {
        Some(Chain { genesis: find(files, genesis)?, blocks: find(files, blocks)? })
    };
    // hive has the same chain with the two merged blocks and the forks that Besu's answers know of.
    let merged = chain(files, "hive/graphql/init/testGenesis.json", "hive/graphql/init/testBlockchain.blocks");
    let work = || {
        let folder = "besu/jsonrpc-frontier-pow";
        chain(files, &format!("{folder}/testGenesis.json"), &format!("{folder}/testBlockchain.blocks"))
    };
    let calls = merged.or_else(work);
    let data = "besu/simulateV1/chain-data";
    let simulations = chain(files, &format!("{data}/genesis.json"), &format!("{data}/blocks.bin"));
    let schemas = Schemas::find(files);
    let mut jobs = Vec::new();
    for (folder, chain) in [("besu/jsonrpc-frontier-pow", calls), ("besu/simulateV1", simulations)] {
        let inside = |file: &File| {
            let below = file.path.strip_prefix(folder).and_then(|path| path.strip_prefix('/'));
            below.is_some_and(|path| path.contains('/') && path.ends_with(".json") && !path.starts_with("chain-data"))
        };
        let cases = files.take(inside);
        let (Some(chain), false) = (chain, cases.is_empty()) else { continue };
        let (covered, schemas) = (cases.clone(), schemas.clone());
        jobs.push(Job::covering(folder, folder, &covered, move |recorder| run(&chain, &cases, schemas, recorder)));
    }
    jobs
}

fn run(chain: &Chain, cases: &[File], schemas: Schemas, recorder: &mut Recorder<'_>) {
    let ready = start(chain).and_then(|node| Ok((node, schemas.read()?)));
    let (node, schemas) = match ready {
        Ok(ready) => ready,
        Err(reason) => return recorder.record("-", "the node", Err(reason)),
    };
    for case in cases {
        recorder.at(&case.path);
        let outcomes = ask(&node, &schemas, case);
        if !recorder.wants(&case.path) {
            continue;
        }
        match outcomes {
            Ok(outcomes) => {
                for (method, outcome) in outcomes {
                    match outcome {
                        Outcome::Compared(result) => recorder.record(&method, case.name(), result),
                        Outcome::Ours(rule) => recorder.skip(&method, case.name(), Skip::Ours(rule)),
                    }
                }
            }
            Err(reason) => recorder.record("-", case.name(), Err(reason)),
        }
    }
}

fn start(chain: &Chain) -> Result<RpcNode, Reason> {
    // Besu puts no cap on the gas of a call.
    let config = atoll_rpc::RpcConfig { gas_cap: 0, ..node::config() };
    let node = RpcNode::start_with(&chain.genesis.text()?, false, config)?;
    node.import(decode_blocks(&chain.blocks.read()?)?)?;
    Ok(node)
}

enum Outcome {
    Compared(Result<(), Reason>),
    Ours(&'static str),
}

/// A file holds one request, or a list of them with a list of answers.
fn ask(node: &RpcNode, schemas: &Schemas, case: &File) -> Result<Vec<(String, Outcome)>, Reason> {
    let case: Value = serde_json::from_str(&case.text()?).map_err(|error| error.to_string())?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let (requests, answers) = (list(&case["request"]), list(&case["response"]));
    if requests.len() != answers.len() {
        return Err(format!("{} requests and {} answers", requests.len(), answers.len()));
    }
    let one = |(request, mut expected): (&Value, Value)| {
        if let Some(object) = expected.as_object_mut() {
            object.remove("comment");
        }
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let got = node.post(request.to_string())?;
        let outcome = judge(&Answered { method: &method, request, expected: &expected, got: &got }, schemas);
        Ok((method, outcome))
    };
    requests.iter().zip(answers).map(one).collect()
}

fn judge(case: &Answered<'_>, schemas: &Schemas) -> Outcome {
    if let Err(reason) = schemas.check(case.method, case.got) {
        return Outcome::Compared(Err(reason));
    }
    let (expected, got) = (without_message(case.expected.clone()), without_message(case.got.clone()));
    let Some(difference) = difference("", &expected, &got) else { return Outcome::Compared(Ok(())) };
    match RULES.iter().find(|(_, applies)| applies(case)) {
        Some((why, _)) => Outcome::Ours(why),
        None => {
            let message = case.got["error"]["message"].as_str().unwrap_or_default();
            Outcome::Compared(Err(format!("{difference} {message} (params {})", case.params())))
        }
    }
}
