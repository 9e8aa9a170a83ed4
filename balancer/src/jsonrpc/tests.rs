//! Requests as clients write them, and as nobody should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn kind(json: &str) -> Kind {
    parse(json.as_bytes(), 10).unwrap().calls[0].kind()
}

fn send_raw(is_sync: bool) -> Kind {
    let patience = is_sync.then_some(Duration::from_millis(5));
    Kind::SendRaw(Sending { raw: "0x02".into(), is_sync, patience, is_repeated: false })
}

#[test]
fn calls_are_told_apart() {
    let read = Kind::Plain { repeatable: true };
    let write = Kind::Plain { repeatable: false };
    let filter = filter::encode(0x8000_0007, "0xab").unwrap();
    let cases = [
        (r#"{"id":1,"method":"eth_call","params":[{},"latest"]}"#.to_owned(), read),
        (r#"{"id":1,"method":"eth_sendTransaction","params":[{}]}"#.to_owned(), write),
        (
            format!(r#"{{"id":1,"method":"eth_sendTransaction","params":[{{"from":"{}","to":5}}]}}"#, Address::ZERO),
            Kind::SendUnlocked(Address::ZERO),
        ),
        (r#"{"id":1,"method":"admin_addPeer","params":["x"]}"#.to_owned(), Kind::Plain { repeatable: false }),
        (r#"{"id":1,"method":"eth_sendRawTransaction","params":["0x02"]}"#.to_owned(), send_raw(false)),
        (r#"{"id":1,"method":"eth_sendRawTransactionSync","params":["0x02","0x5"]}"#.to_owned(), send_raw(true)),
        (
            format!(r#"{{"id":1,"method":"eth_getTransactionCount","params":["{}","pending"]}}"#, Address::ZERO),
            Kind::PendingNonce(Address::ZERO),
        ),
        (
            format!(r#"{{"id":1,"method":"eth_getTransactionCount","params":["{}","latest"]}}"#, Address::ZERO),
            Kind::Plain { repeatable: true },
        ),
        (r#"{"id":1,"method":"eth_newFilter","params":[{}]}"#.to_owned(), Kind::NewFilter),
        (
            format!(r#"{{"id":1,"method":"eth_getFilterChanges","params":["{filter}"]}}"#),
            Kind::UseFilter { tag: 0x8000_0007, id: "0xab".into() },
        ),
        (r#"{"id":1,"method":"eth_getFilterChanges","params":["0x1"]}"#.to_owned(), Kind::Plain { repeatable: false }),
        (r#"{"id":1,"method":"eth\u005fchainId"}"#.to_owned(), Kind::Plain { repeatable: true }),
    ];
    for (json, expected) in cases {
        assert_eq!(kind(&json), expected, "{json}");
    }
}

#[test]
fn rubbish_and_oversized_batches_are_refused() {
    for json in ["", "nonsense", "[", "[1,]", "{\"id\":1", "[1] 2"] {
        assert_eq!(parse(json.as_bytes(), 10).err(), Some(RequestError::NotJsonRpc), "{json}");
    }
    assert_eq!(parse(b" []", 10).err(), Some(RequestError::EmptyBatch));
    let calls = [r#"{"id":1,"method":"eth_chainId"}"#; 11].join(",");
    assert_eq!(parse(format!("[{calls}]").as_bytes(), 10).err(), Some(RequestError::BatchTooLong { limit: 10 }));
    let deep = format!(r#"{{"id":1,"method":"x","params":{}"#, "[".repeat(100_000));
    assert_eq!(parse(deep.as_bytes(), 10).err(), Some(RequestError::NotJsonRpc));
}

/// One bad entry of a batch had all of it refused, and the ID of a bad request was lost.
#[test]
fn what_is_no_call_is_refused_by_itself_with_its_id() {
    let list = r#"[[1,"eth_chainId",[]]]"#;
    for (json, id) in [("{}", None), ("1", None), ("null", None), (list, None), (r#"{"id":7}"#, Some("7"))] {
        let request = parse(json.as_bytes(), 10).unwrap();
        assert_eq!((request.calls[0].kind(), request.calls[0].id.map(RawValue::get)), (Kind::Invalid, id), "{json}");
    }
    let body = br#"[{"id":1,"method":"x"},{"id":2,"method":5},null,{"id":{},"method":5},{"id":null,"method":"x"},{"method":"x"}]"#;
    let request = parse(body, 10).unwrap();
    let outcomes = request.calls.iter().map(|_| Outcome::text("")).collect();
    let answer: serde_json::Value = serde_json::from_slice(&write_answer(&request, outcomes)).unwrap();
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids, ["1", "2", "null", "null", "null"], "all but the notification");
}

#[test]
fn answers_keep_the_order_and_the_ids_of_the_calls() {
    let body = br#"[{"id":"b","method":"x"},{"id":7,"method":"y"},{"method":"note"},{"id":7,"method":"z"}]"#;
    let request = parse(body, 10).unwrap();
    let replies = read_replies(
        br#"[{"id":3,"result":"three"},{"id":1,"error":{"code":1,"message":"m"}},{"id":0,"result":null}]"#,
        4,
    );
    let outcomes = replies.into_iter().map(|r| r.unwrap_or_else(|| Outcome::error(SERVER_ERROR, "none"))).collect();
    let answer: serde_json::Value = serde_json::from_slice(&write_answer(&request, outcomes)).unwrap();
    assert_eq!(
        answer,
        serde_json::json!([
            {"jsonrpc": "2.0", "id": "b", "result": null},
            {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "m"}},
            {"jsonrpc": "2.0", "id": 7, "result": "three"},
        ])
    );
}

#[test]
fn an_error_about_the_batch_answers_every_call() {
    for body in [
        &br#"{"id":null,"error":{"code":-32600,"message":"no batches"}}"#[..],
        br#"[{"error":{"code":1,"message":"no"}}]"#,
    ] {
        let replies = read_replies(body, 3);
        assert!(replies.iter().all(|reply| reply.as_ref().unwrap().message().is_some()));
    }
    assert!(read_replies(b"<html>", 2).iter().all(Option::is_none));
    assert!(read_replies(br#"[{"id":99,"result":1}]"#, 2).iter().all(Option::is_none));
}

#[test]
fn written_calls_carry_our_ids_and_the_clients_parameters() {
    let params = RawValue::from_string(r#"[ {"a" : 1.10} ]"#.to_owned()).unwrap();
    let calls = [("x", Some(Cow::Borrowed(&*params))), ("y", None)];
    assert_eq!(
        String::from_utf8(write_calls(calls.clone().into_iter())).unwrap(),
        r#"[{"jsonrpc":"2.0","id":0,"method":"x","params":[ {"a" : 1.10} ]},{"jsonrpc":"2.0","id":1,"method":"y"}]"#
    );
    assert_eq!(
        String::from_utf8(write_calls(calls.into_iter().skip(1).collect::<Vec<_>>().into_iter())).unwrap(),
        r#"{"jsonrpc":"2.0","id":0,"method":"y"}"#
    );
}
