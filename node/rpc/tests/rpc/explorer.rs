//! What the Otterscan explorer asks of a node, page after page, over HTTP.

use crate::support::{
    TestNode,
    blocks::{LOGGER, MINER, SENDER, genesis, transaction},
    config,
};
use atoll_primitives::{Address, B256, Block, Bytes, address, primitives::TxKind};
use serde_json::{Value, json};

const BUSY: Address = address!("3333333333333333333333333333333333333333");
const REVERTER: Address = address!("4444444444444444444444444444444444444444");
const DESTROYER: Address = address!("5555555555555555555555555555555555555555");
const OTHER: Address = address!("6666666666666666666666666666666666666666");
/// Deploys one byte of code: STOP.
const INIT: [u8; 5] = [0x60, 1, 0x60, 0, 0xf3];

/// Sends OTHER 7 wei, creates a contract, asks a precompile, borrows LOGGER's code.
fn busy() -> String {
    let zeros = |count| "6000".repeat(count);
    let init = Bytes::from_static(&INIT);
    let address = |address: Address| format!("{address:x}");
    let send = format!("{}600773{}61fffff150", zeros(4), address(OTHER));
    let create = format!("64{}6000526005601b6000f050", &init.to_string()[2..]);
    let precompile = format!("{}600461fffffa50", zeros(4));
    let borrow = format!("60006000604060 0073{}61fffff450", address(LOGGER)).replace(' ', "");
    format!("0x{send}{create}{precompile}{borrow}00")
}

fn alloc() -> Value {
    json!({
        BUSY.to_string(): { "balance": "0x0", "nonce": "0x1", "code": busy() },
        REVERTER.to_string(): { "balance": "0x0", "nonce": "0x1", "code": "0x63deadbeef6000526004601cfd" },
        DESTROYER.to_string(): { "balance": "0x9", "nonce": "0x1", "code": format!("0x73{OTHER:x}ff") },
    })
}

fn call(nonce: u64, to: Address, value: u64) -> atoll_primitives::Transaction {
    transaction(nonce, TxKind::Call(to), value, Bytes::new())
}

/// Block 1: nothing. Block 2: BUSY and REVERTER. Block 3: DESTROYER. Block 4: a deployment. Block 5: a transfer.
async fn explored() -> (TestNode, Vec<Block>) {
    let node = TestNode::start_indexed(&genesis(&alloc()), config()).await;
    let deployment = transaction(3, TxKind::Create, 0, INIT.to_vec());
    let txs = [
        vec![],
        vec![call(0, BUSY, 7), call(1, REVERTER, 0)],
        vec![call(2, DESTROYER, 0)],
        vec![deployment],
        vec![call(4, OTHER, 1)],
    ];
    let blocks = txs.into_iter().map(|txs| node.mine(txs)).collect();
    (node, blocks)
}

fn hash(block: &Block, index: usize) -> B256 {
    *block.body.transactions[index].tx_hash()
}

fn lower(address: Address) -> String {
    format!("{address:#x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_transaction() {
    let (node, blocks) = explored().await;
    assert_eq!(node.ok("ots_getApiLevel", json!([])).await, 8);
    let child = BUSY.create(1);
    let operations = node.ok("ots_getInternalOperations", json!([hash(&blocks[1], 0)])).await;
    let expected = json!([
        { "type": 0, "from": lower(BUSY), "to": lower(OTHER), "value": "0x7" },
        { "type": 2, "from": lower(BUSY), "to": lower(child), "value": "0x0" },
    ]);
    assert_eq!(operations, expected);
    let destroyed = node.ok("ots_getInternalOperations", json!([hash(&blocks[2], 0)])).await;
    let expected = json!([{ "type": 1, "from": lower(DESTROYER), "to": lower(OTHER), "value": "0x9" }]);
    assert_eq!(destroyed, expected);

    let trace = node.ok("ots_traceTransaction", json!([hash(&blocks[1], 0)])).await;
    let kinds: Vec<_> = trace.as_array().unwrap().iter().map(|entry| (&entry["type"], &entry["depth"])).collect();
    let expected = [("CALL", 0), ("CALL", 1), ("CREATE", 1), ("DELEGATECALL", 1)];
    let expected = expected.map(|(kind, depth)| (json!(kind), json!(depth)));
    assert_eq!(kinds, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>(), "no precompiles: {trace}");
    assert_eq!((&trace[1]["value"], &trace[3]["value"]), (&json!("0x7"), &Value::Null));
    let create = &trace[2];
    let expected = json!({ "type": "CREATE", "depth": 1, "from": lower(BUSY), "to": lower(child), "value": "0x0",
        "input": Bytes::from_static(&INIT), "output": "0x00" });
    assert_eq!(*create, expected);
    let destroyed = node.ok("ots_traceTransaction", json!([hash(&blocks[2], 0)])).await;
    let expected = json!({ "type": "SELFDESTRUCT", "depth": 1, "from": lower(DESTROYER), "to": lower(OTHER),
        "value": "0x9", "input": "0x", "output": "0x" });
    assert_eq!(destroyed[1], expected);

    assert_eq!(node.ok("ots_getTransactionError", json!([hash(&blocks[1], 1)])).await, "0xdeadbeef");
    assert_eq!(node.ok("ots_getTransactionError", json!([hash(&blocks[1], 0)])).await, "0x");
    let unknown = node.call("ots_traceTransaction", json!([B256::repeat_byte(1)])).await;
    assert_eq!(unknown["error"], json!({ "code": -32000, "message": "transaction not found" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_who_made_them() {
    let (node, blocks) = explored().await;
    let deployed = SENDER.create(3);
    let code = |address: Address, block: Value| node.ok("ots_hasCode", json!([address, block]));
    assert_eq!(code(deployed, json!("latest")).await, true);
    assert_eq!(code(deployed, json!("0x3")).await, false);
    assert_eq!(code(SENDER, json!("latest")).await, false);
    let creator = |address: Address| node.ok("ots_getContractCreator", json!([address]));
    assert_eq!(creator(deployed).await, json!({ "hash": hash(&blocks[3], 0), "creator": lower(SENDER) }));
    let child = BUSY.create(1);
    assert_eq!(creator(child).await, json!({ "hash": hash(&blocks[1], 0), "creator": lower(BUSY) }));
    assert_eq!(creator(BUSY).await, Value::Null, "the genesis file made it");
    assert_eq!(creator(OTHER).await, Value::Null);
    let by_nonce = |nonce: Value| node.ok("ots_getTransactionBySenderAndNonce", json!([SENDER, nonce]));
    assert_eq!(by_nonce(json!(0)).await, json!(hash(&blocks[1], 0)));
    assert_eq!(by_nonce(json!(1)).await, json!(hash(&blocks[1], 1)));
    assert_eq!(by_nonce(json!("0x4")).await, json!(hash(&blocks[4], 0)));
    assert_eq!(by_nonce(json!(5)).await, Value::Null);
    let whole = |nonce: &str| node.ok("eth_getTransactionBySenderAndNonce", json!([SENDER, nonce]));
    let mined = node.ok("eth_getTransactionByHash", json!([hash(&blocks[1], 1)])).await;
    assert_eq!((whole("0x1").await, whole("0x5").await), (mined, Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_with_their_fees() {
    let (node, blocks) = explored().await;
    let details = node.ok("ots_getBlockDetails", json!([2])).await;
    let block = &details["block"];
    assert_eq!((&block["number"], &block["transactionCount"]), (&json!("0x2"), &json!(2)));
    assert_eq!((block.get("transactions"), &block["logsBloom"]), (None, &Value::Null));
    assert_eq!(block["miner"], lower(MINER));
    let reward = json!("0x1bc16d674ec80000");
    assert_eq!(details["issuance"], json!({ "blockReward": reward, "uncleReward": "0x0", "issuance": reward }));
    let receipts = node.ok("eth_getBlockReceipts", json!(["0x2"])).await;
    let number = |value: &Value| u128::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    let fee = |receipt: &Value| number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]);
    assert_eq!(number(&details["totalFees"]), receipts.as_array().unwrap().iter().map(fee).sum());
    let by_hash = node.ok("ots_getBlockDetailsByHash", json!([blocks[1].header.hash_slow()])).await;
    assert_eq!(by_hash, details);
    assert_eq!(node.ok("ots_getBlockDetails", json!([99])).await, Value::Null);

    let page = |page: u64, size: u64| node.ok("ots_getBlockTransactions", json!([2, page, size]));
    let all = page(0, 25).await;
    assert_eq!((&all["fullblock"]["transactionCount"], &all["fullblock"]["logsBloom"]), (&json!(2), &Value::Null));
    assert_eq!(all["fullblock"]["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(all["receipts"][0]["logs"], Value::Null);
    let last = page(0, 1).await;
    assert_eq!(last["fullblock"]["transactions"][0]["hash"], json!(hash(&blocks[1], 1)), "pages start at the end");
    assert_eq!(last["receipts"][0]["transactionHash"], json!(hash(&blocks[1], 1)));
    assert_eq!(page(2, 1).await["receipts"], json!([]));
    let deployment = node.ok("ots_getBlockTransactions", json!([4, 0, 10])).await;
    assert_eq!(deployment["fullblock"]["transactions"][0]["input"], "0x60016000", "only the selector");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transactions_of_an_address() {
    let (node, blocks) = explored().await;
    let hashes = |page: &Value| -> Vec<Value> {
        let txs = page["txs"].as_array().unwrap();
        let receipts = page["receipts"].as_array().unwrap().iter();
        receipts.zip(txs).for_each(|(receipt, tx)| assert_eq!(receipt["transactionHash"], tx["hash"]));
        txs.iter().map(|tx| tx["hash"].clone()).collect()
    };
    let before = |block: u64, size: u64| node.ok("ots_searchTransactionsBefore", json!([OTHER, block, size]));
    let after = |block: u64, size: u64| node.ok("ots_searchTransactionsAfter", json!([OTHER, block, size]));
    // Called from within, inherited from one that went, sent to.
    let all = [hash(&blocks[4], 0), hash(&blocks[2], 0), hash(&blocks[1], 0)].map(|hash| json!(hash));
    let page = before(0, 25).await;
    assert_eq!((hashes(&page), &page["firstPage"], &page["lastPage"]), (all.to_vec(), &json!(true), &json!(true)));
    assert_eq!(page["receipts"][0]["timestamp"], blocks[4].header.timestamp);
    let page = before(0, 1).await;
    assert_eq!(
        (hashes(&page), &page["firstPage"], &page["lastPage"]),
        (all[..1].to_vec(), &json!(true), &json!(false))
    );
    let page = before(5, 1).await;
    assert_eq!(
        (hashes(&page), &page["firstPage"], &page["lastPage"]),
        (all[1..2].to_vec(), &json!(false), &json!(false))
    );
    let page = before(3, 25).await;
    assert_eq!(
        (hashes(&page), &page["firstPage"], &page["lastPage"]),
        (all[2..].to_vec(), &json!(false), &json!(true))
    );
    let page = after(0, 2).await;
    assert_eq!(
        (hashes(&page), &page["firstPage"], &page["lastPage"]),
        (all[1..].to_vec(), &json!(false), &json!(true))
    );
    let page = after(3, 2).await;
    assert_eq!(
        (hashes(&page), &page["firstPage"], &page["lastPage"]),
        (all[..1].to_vec(), &json!(true), &json!(false))
    );
    let created = node.ok("ots_searchTransactionsBefore", json!([BUSY.create(1), 0, 5])).await;
    assert_eq!(hashes(&created), [json!(hash(&blocks[1], 0))]);
    let nobody = node.ok("ots_searchTransactionsAfter", json!([Address::repeat_byte(0x99), 0, 5])).await;
    assert_eq!(nobody, json!({ "txs": [], "receipts": [], "firstPage": true, "lastPage": true }));
    let large = node.call("ots_searchTransactionsBefore", json!([OTHER, 0, 26])).await;
    assert_eq!(large["error"], json!({ "code": -32005, "message": "max allowed page size: 25, not 26" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_index_a_search_names_the_flag() {
    let node = TestNode::start(&genesis(&alloc()), config()).await;
    for method in ["ots_searchTransactionsBefore", "ots_searchTransactionsAfter"] {
        let answer = node.call(method, json!([OTHER, 0, 5])).await;
        let message = "this node keeps no index of addresses; start it with --index.addresses";
        assert_eq!(answer["error"], json!({ "code": -32000, "message": message }));
    }
    assert_eq!(node.ok("ots_getApiLevel", json!([])).await, 8);
}
