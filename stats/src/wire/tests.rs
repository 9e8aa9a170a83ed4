//! Messages as geth, Besu and reth write them, and as nobody should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn block(json: &str) -> BlockReport {
    match parse(json).unwrap() {
        Report::Block(block) => *block,
        other => panic!("not a block: {other:?}"),
    }
}

#[test]
fn the_same_block_from_three_clients_reads_the_same() {
    let geth = r#"{"emit":["block",{"id":"g","block":{"number":255,"hash":"0xab","parentHash":"0xaa","timestamp":1700000000,
        "miner":"0x01","gasUsed":21000,"gasLimit":30000000,"difficulty":"131072","totalDifficulty":"262144",
        "transactions":[{"hash":"0x1"},{"hash":"0x2"}],"transactionsRoot":"0x","stateRoot":"0x","uncles":[]}}]}"#;
    let besu = r#"{"emit":["block",{"id":"be50","block":{"number":"0xff","hash":"0xab","parentHash":"0xaa","timestamp":"0x6553f100",
        "miner":"0x01","gasUsed":"0x5208","gasLimit":"0x1c9c380","difficulty":"0x20000","totalDifficulty":"0x40000",
        "transactions":["0x1","0x2"],"uncles":[],"withdrawals":null,"size":"0x220"}}]}"#;
    let reth = r#"{"emit":["block",{"id":"r","block":{"number":"0xff","hash":"0xab","parentHash":"0xaa","timestamp":"0x6553f100",
        "miner":"0x01","gasUsed":21000,"gasLimit":30000000,"difficulty":"131072","totalDifficulty":"262144",
        "transactions":[{"hash":"0x1"},{"hash":"0x2"}],"uncles":[]}}]}"#;
    let read: Vec<_> = [geth, besu, reth].iter().map(|json| format!("{:?}", block(json))).collect();
    assert_eq!(read[0], read[1]);
    assert_eq!(read[1], read[2]);
    let block = block(besu);
    assert_eq!((block.number.whole(), block.gas_used.whole(), block.transactions), (255, 21_000, Count(2)));
}

#[test]
fn hello_is_read_with_gets_and_reths_field_names() {
    let geth = r#"{"emit":["hello",{"id":"a","info":{"name":"a","node":"Geth/v1.15","port":30303,"net":"1337",
        "protocol":"eth/68","api":"No","os":"linux","os_v":"amd64","client":"0.1.1","canUpdateHistory":true},"secret":"s"}]}"#;
    let reth = r#"{"emit":["hello",{"id":"a","info":{"name":"Reth","node":"a","port":30303,"network":"1337",
        "protocol":"eth/68","api":"No","os":"linux","os_ver":"x86_64","client":"reth/1.9","history":true},"secret":"s"}]}"#;
    for text in [geth, reth] {
        let Report::Hello(hello) = parse(text).unwrap() else { panic!("not a hello") };
        assert_eq!(
            (hello.info.net.0.as_str(), hello.info.history, hello.secret.as_deref()),
            ("1337", Some(true), Some("s"))
        );
    }
}

#[test]
fn pending_and_latency_in_every_dialect() {
    for text in [
        r#"{"emit":["pending",{"id":"a","stats":{"pending":7}}]}"#,
        r#"{"emit":["pending",{"id":"a","pending":{"pending":7}}]}"#,
        r#"{"emit":["pending",{"id":"a","stats":{"pending":"0x7"}}]}"#,
    ] {
        assert!(matches!(parse(text).unwrap(), Report::Pending(Quantity(n)) if n == 7.0), "{text}");
    }
    for text in [r#"{"emit":["latency",{"id":"a","latency":"12"}]}"#, r#"{"emit":["latency",{"id":"a","latency":12}]}"#]
    {
        assert!(matches!(parse(text).unwrap(), Report::Latency(Quantity(n)) if n == 12.0), "{text}");
    }
}

#[test]
fn history_keeps_a_bounded_number_of_blocks_and_skips_nulls() {
    let blocks: Vec<_> =
        (0..500).map(|n| if n == 1 { "null".to_owned() } else { format!("{{\"number\":{n}}}") }).collect();
    let text = format!(r#"{{"emit":["history",{{"id":"a","history":[{}]}}]}}"#, blocks.join(","));
    let Report::History(history) = parse(&text).unwrap() else { panic!("not a history") };
    assert_eq!(history.len(), MAX_HISTORY);
    assert_eq!(history[1].number.whole(), 2);
    assert!(
        matches!(parse(r#"{"emit":["history",{"id":"a","history":null}]}"#).unwrap(), Report::History(h) if h.is_empty())
    );
}

#[test]
fn rubbish_is_refused_and_texts_are_cut() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"emit":[]}"#,
        r#"{"emit":["hello"]}"#,
        r#"{"emit":"hello"}"#,
        r#"{"emit":["hello",{"info":{}}]}"#,
        r#"{"emit":["block",{"block":{"number":"-1"}}]}"#,
        r#"{"emit":["block",{"block":{"number":"0xzz"}}]}"#,
        r#"{"emit":["block",{"block":{"transactions":"many"}}]}"#,
        r#"{"emit":["hello",1,2,3]}"#,
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(clean(&"x\u{7}\n".repeat(1_000)).len(), MAX_TEXT);
    assert!(quantity(&"9".repeat(81)).is_none());
    assert!(parse(r#"{"emit":["forensics",{"id":"a"}]}"#).is_ok());
}
