//! Parameters: some plausible, most not. Text rather than JSON values, so that numbers can be absurd.

use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

/// Methods of all namespaces, whether this node has them or not.
pub const METHODS: &[&str] = &[
    "admin_addPeer",
    "admin_addTrustedPeer",
    "admin_datadir",
    "admin_exportChain",
    "admin_importChain",
    "admin_nodeInfo",
    "admin_peers",
    "admin_removePeer",
    "admin_removeTrustedPeer",
    "debug_getBadBlocks",
    "debug_getRawBlock",
    "debug_getRawHeader",
    "debug_getRawReceipts",
    "debug_getRawTransaction",
    "debug_setHead",
    "debug_accountRange",
    "debug_storageRangeAt",
    "debug_printBlock",
    "debug_preimage",
    "debug_dbGet",
    "debug_getModifiedAccountsByNumber",
    "debug_traceBlock",
    "debug_traceBlockByHash",
    "debug_traceBlockByNumber",
    "debug_traceCall",
    "debug_traceCallMany",
    "debug_traceChain",
    "debug_traceTransaction",
    "debug_intermediateRoots",
    "eth_accounts",
    "eth_baseFee",
    "eth_blobBaseFee",
    "eth_blockNumber",
    "eth_call",
    "eth_callMany",
    "eth_capabilities",
    "eth_chainId",
    "eth_coinbase",
    "eth_config",
    "eth_createAccessList",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_fillTransaction",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "eth_getBlockTransactionCountByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getCode",
    "eth_getFilterChanges",
    "eth_getFilterLogs",
    "eth_getHeaderByHash",
    "eth_getHeaderByNumber",
    "eth_getLogs",
    "eth_getProof",
    "eth_getRawTransactionByBlockHashAndIndex",
    "eth_getRawTransactionByBlockNumberAndIndex",
    "eth_getRawTransactionByHash",
    "eth_getStorageAt",
    "eth_getStorageValues",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_getUncleByBlockHashAndIndex",
    "eth_getUncleByBlockNumberAndIndex",
    "eth_getUncleCountByBlockHash",
    "eth_getUncleCountByBlockNumber",
    "eth_getWork",
    "eth_hashrate",
    "eth_maxPriorityFeePerGas",
    "eth_mining",
    "eth_newBlockFilter",
    "eth_newFilter",
    "eth_newPendingTransactionFilter",
    "eth_pendingTransactions",
    "eth_protocolVersion",
    "eth_sendRawTransaction",
    "eth_sendRawTransactionSync",
    "eth_sendTransaction",
    "eth_sign",
    "eth_signTransaction",
    "eth_signTypedData",
    "eth_signTypedData_v4",
    "eth_simulateV1",
    "eth_submitHashrate",
    "eth_submitWork",
    "eth_subscribe",
    "eth_syncing",
    "eth_uninstallFilter",
    "eth_unsubscribe",
    "evm_mine",
    "evm_snapshot",
    "evm_revert",
    "evm_increaseTime",
    "evm_setNextBlockTimestamp",
    "miner_setEtherbase",
    "miner_setExtra",
    "miner_setGasLimit",
    "miner_setGasPrice",
    "miner_start",
    "miner_stop",
    "net_listening",
    "net_peerCount",
    "net_version",
    "ots_getApiLevel",
    "ots_getBlockDetails",
    "ots_getBlockTransactions",
    "ots_getContractCreator",
    "ots_getInternalOperations",
    "ots_getTransactionBySenderAndNonce",
    "ots_getTransactionError",
    "ots_hasCode",
    "ots_searchTransactionsAfter",
    "ots_searchTransactionsBefore",
    "ots_traceTransaction",
    "personal_sign",
    "rpc.discover",
    "rpc_modules",
    "testing_buildBlockV1",
    "trace_block",
    "trace_call",
    "trace_callMany",
    "trace_filter",
    "trace_get",
    "trace_rawTransaction",
    "trace_replayBlockTransactions",
    "trace_replayTransaction",
    "trace_transaction",
    "txpool_content",
    "txpool_contentFrom",
    "txpool_inspect",
    "txpool_status",
    "web3_clientVersion",
    "web3_sha3",
    "nothing_ofTheSort",
    "",
    "eth_",
    "\u{0}",
    "eth_call\n",
];

/// Things a parameter may be where one is expected.
const ATOMS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "1e999",
    "-1e-999",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999",
    "\"\"",
    "\"0x\"",
    "\"0x0\"",
    "\"0x00\"",
    "\"0x1\"",
    "\"0xff\"",
    "\"0xffffffffffffffff\"",
    "\"0x10000000000000000\"",
    "\"-0x1\"",
    "\"0xg\"",
    "\"0x7fffffffffffffff\"",
    "\"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"",
    "\"0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"",
    "\"latest\"",
    "\"earliest\"",
    "\"pending\"",
    "\"safe\"",
    "\"finalized\"",
    "\"LATEST\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"../../etc/passwd\"",
    "\"newHeads\"",
    "\"logs\"",
    "\"newPendingTransactions\"",
    "\"syncing\"",
    "{}",
    "[]",
    "[[]]",
    "[{}]",
    "\"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266\"",
    "\"0x000000000000000000000000000000000000dead\"",
    "\"0x70997970c51812dc3a010c7d01b50e0d17dc79c8\"",
    "\"0x0000000000000000000000000000000000000000\"",
    "\"0x0000000000000000000000000000000000000000000000000000000000000000\"",
    "\"0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\"",
    "\"0x02f86c82053980843b9aca008502540be400825208940000000000000000000000000000000000000000018080c001a0\"",
    "\"/ip4/127.0.0.1/tcp/1\"",
    "\"enode://00@127.0.0.1:1\"",
];

/// Names that objects of the API have.
const KEYS: &[&str] = &[
    "from",
    "to",
    "gas",
    "gasPrice",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "value",
    "data",
    "input",
    "nonce",
    "accessList",
    "authorizationList",
    "blobVersionedHashes",
    "maxFeePerBlobGas",
    "blobs",
    "type",
    "chainId",
    "fromBlock",
    "toBlock",
    "blockHash",
    "blockNumber",
    "address",
    "topics",
    "requireCanonical",
    "tracer",
    "tracerConfig",
    "timeout",
    "reexec",
    "onlyTopCall",
    "withLog",
    "diffMode",
    "enableMemory",
    "disableStack",
    "enableReturnData",
    "limit",
    "stateOverrides",
    "blockOverrides",
    "blockStateCalls",
    "calls",
    "validation",
    "traceTransfers",
    "returnFullTransactions",
    "balance",
    "code",
    "state",
    "stateDiff",
    "movePrecompileToAddress",
    "number",
    "time",
    "gasLimit",
    "feeRecipient",
    "prevRandao",
    "baseFeePerGas",
    "baseFee",
    "withdrawals",
    "after",
    "count",
    "fromAddress",
    "toAddress",
    "types",
    "primaryType",
    "domain",
    "message",
    "storageKeys",
    "txIndex",
    "",
];

/// Programs that cost: endless loops, growing memory, endless calls and creations, much data.
const CODES: &[&str] = &[
    "5b600056",
    "5b6000516000525a600052600056",
    "5b5a51600056",
    "5b60006000600060006000305af1600056",
    "5b600060006000f0600056",
    "5b5a60002050600056",
    "62ffffff6000f3",
    "63ffffffff6000f3",
    "63ffffffff6000fd",
    "6000600060006000600060045af1",
    "5b6001600055600056",
    "fe",
    "60006000fd",
    "5b62010000600020600056",
    "60206000f3",
    "5b62ffffff60006000a0600056",
];

const TRACERS: &[&str] = &[
    "callTracer",
    "flatCallTracer",
    "prestateTracer",
    "4byteTracer",
    "noopTracer",
    "muxTracer",
    "keccak256PreimageTracer",
    "{fault: function() {}, result: function() { while (true) {} }, step: function() {}}",
    "{data: [], step: function(log) { this.data.push(new Array(1000)) }, fault: function() {}, result: function() { return this.data }}",
    "nonsense",
    "{",
];

/// One of the programs, in hex.
pub fn code(rng: &mut StdRng) -> &'static str {
    CODES.choose(rng).unwrap_or(&"")
}

/// A tracer's name or program.
pub fn tracer(rng: &mut StdRng) -> String {
    TRACERS.choose(rng).unwrap_or(&"").replace('"', "'")
}

fn string(rng: &mut StdRng, out: &mut String) {
    out.push('"');
    match rng.random_range(0..8) {
        0 => out.extend((0..rng.random_range(0..64)).map(|_| char::from(rng.random_range(b'a'..=b'z')))),
        1 => {
            out.push_str("0x");
            // Sometimes much.
            let length = if rng.random_ratio(1, 50) { 400_000 } else { rng.random_range(0..300) };
            out.extend((0..length).map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)])));
        }
        2 => out.push_str(&format!("0x{:x}", rng.random::<u64>() >> rng.random_range(0..64))),
        3 => out.push_str(&format!("0x{}", code(rng))),
        4 => out.push_str(&tracer(rng)),
        5 => out.push_str(&format!("0x{}", "00".repeat(32 * rng.random_range(0..9)))),
        6 => out.push_str(&format!("0x{:064x}", rng.random_range(0..9))),
        _ => out.push_str(["1ms", "1000h", "-5s", "\\n\\t\\\\", "ÿ", "💣"].choose(rng).unwrap_or(&"")),
    }
    out.push('"');
}

/// One value; deeper ones become rarer.
pub fn value(rng: &mut StdRng, depth: usize, out: &mut String) {
    match rng.random_range(0..10 + 4 * depth) {
        0..3 => {
            out.push('{');
            for index in 0..rng.random_range(0..8) {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&format!("\"{}\":", KEYS.choose(rng).unwrap_or(&"")));
                value(rng, depth + 1, out);
            }
            out.push('}');
        }
        3 => {
            out.push('[');
            for index in 0..rng.random_range(0..6) {
                if index > 0 {
                    out.push(',');
                }
                value(rng, depth + 1, out);
            }
            out.push(']');
        }
        4..7 => string(rng, out),
        _ => out.push_str(ATOMS.choose(rng).unwrap_or(&"null")),
    }
}

/// A call that is well formed and costs as much as it can.
fn costly(rng: &mut StdRng) -> (&'static str, String) {
    let code = code(rng);
    let gas = ["0x2faf080", "0xffffffffffffffff", "0x5208"].choose(rng).unwrap_or(&"0x0");
    let call = format!(r#"{{"data":"0x{code}","gas":"{gas}"}}"#);
    let there = "0x00000000000000000000000000000000000000c0";
    let placed = format!(r#"{{"to":"{there}","gas":"{gas}"}}"#);
    let overrides = format!(r#"{{"{there}":{{"code":"0x{code}","balance":"0xffffffffffff"}}}}"#);
    let tracer = tracer(rng);
    match rng.random_range(0..9) {
        0 => ("eth_call", format!(r#"[{call},"latest"]"#)),
        1 => ("eth_call", format!(r#"[{placed},"latest",{overrides}]"#)),
        2 => ("eth_estimateGas", format!(r#"[{placed},"latest",{overrides}]"#)),
        3 => ("eth_createAccessList", format!(r#"[{call},"latest"]"#)),
        4 => ("debug_traceCall", format!(r#"[{call},"latest",{{"enableMemory":true,"enableReturnData":true}}]"#)),
        5 => ("debug_traceCall", format!(r#"[{call},"latest",{{"tracer":"{tracer}","timeout":"1000h"}}]"#)),
        6 => ("trace_call", format!(r#"[{call},["trace","vmTrace","stateDiff"],"latest"]"#)),
        7 => {
            let calls = vec![placed; rng.random_range(1..40)].join(",");
            let block = format!(r#"{{"stateOverrides":{overrides},"calls":[{calls}]}}"#);
            let blocks = vec![block; rng.random_range(1..20)].join(",");
            ("eth_simulateV1", format!(r#"[{{"blockStateCalls":[{blocks}]}},"latest"]"#))
        }
        _ => ("eth_getLogs", r#"[{"fromBlock":"earliest","toBlock":"latest"}]"#.to_owned()),
    }
}

fn params(rng: &mut StdRng) -> String {
    let mut out = String::new();
    match rng.random_range(0..60) {
        // Many numbers, deep brackets, one long string.
        0 => out = format!("[{}]", vec!["1"; 100_000].join(",")),
        1 => out = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)),
        2 => out = format!("[{}1{}]", r#"{"a":"#.repeat(5_000), "}".repeat(5_000)),
        3 => out = format!("[\"{}\"]", "A".repeat(1 << 20)),
        4 => value(rng, 0, &mut out),
        _ => {
            out.push('[');
            for index in 0..rng.random_range(0..5) {
                if index > 0 {
                    out.push(',');
                }
                value(rng, 0, &mut out);
            }
            out.push(']');
        }
    }
    out
}

fn id(rng: &mut StdRng) -> &'static str {
    ["1", "1", "1", "\"a\"", "null", "-1", "1.5", "{}", "[]", "18446744073709551616", "\"\\u0000\""]
        .choose(rng)
        .unwrap_or(&"1")
}

/// A request whose JSON is sound.
pub fn request(rng: &mut StdRng, method: &str) -> String {
    let name = |method: &str| serde_json::Value::from(method).to_string();
    match rng.random_range(0..20) {
        0..4 => {
            let (method, params) = costly(rng);
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
        }
        4 => format!(r#"{{"jsonrpc":"1.0","id":{},"method":{},"params":{}}}"#, id(rng), name(method), params(rng)),
        5 => format!(r#"{{"jsonrpc":"2.0","method":{},"params":{}}}"#, name(method), params(rng)),
        _ => format!(r#"{{"jsonrpc":"2.0","id":{},"method":{},"params":{}}}"#, id(rng), name(method), params(rng)),
    }
}
