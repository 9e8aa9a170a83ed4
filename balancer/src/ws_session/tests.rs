#![allow(clippy::unwrap_used)]
use super::*;
use crate::jsonrpc::Sending;

/// Of the filters of the node.
const TAG: u32 = 0x8000_0007;

fn answers<'a>(session: &mut Session, text: &'a str) -> Option<Answers<'a>> {
    match session.incoming(text, 0) {
        Incoming::Answers(answers) => Some(answers),
        _ => None,
    }
}

#[test]
fn only_watched_answers_are_taken_out() {
    let mut session = Session::default();
    assert!(answers(&mut session, r#"{"id":1,"result":"0x1"}"#).is_none());
    session.outgoing(r#"{"id":"a","method":"eth_sendRawTransaction","params":["0x02"]}"#, 10, TAG);
    session.outgoing(r#"{"id":2,"method":"eth_chainId"}"#, 10, TAG);
    assert!(answers(&mut session, r#"{"id":2,"result":"0x1"}"#).is_none());
    assert!(answers(&mut session, "rubbish").is_none());
    let taken = answers(&mut session, r#"{"jsonrpc":"2.0","id":"a","result":"0xabc"}"#).unwrap();
    let sending = Sending { raw: "0x02".into(), is_sync: false, patience: None, is_repeated: false };
    assert_eq!(taken.kinds, [Kind::SendRaw(sending)]);
    assert_eq!(taken.write(), r#"{"jsonrpc":"2.0","id":"a","result":"0xabc"}"#);
    assert!(session.waiting.is_empty() && session.messages.is_empty() && session.bytes == 0);
}

#[test]
fn what_is_waited_for_is_bounded() {
    let mut session = Session::default();
    for id in 0..MAX_WAITING * 2 {
        session.outgoing(&format!(r#"{{"id":{id},"method":"eth_sendRawTransaction","params":["0x02"]}}"#), 10, TAG);
    }
    assert_eq!(session.waiting.len(), MAX_WAITING);
    assert!(!session.can_move(), "what was not remembered cannot be asked again");
    for id in 0..MAX_WAITING * 2 {
        session.incoming(&format!(r#"{{"id":{id},"result":"0x"}}"#), 0);
    }
    assert!(session.can_move() && session.bytes == 0, "once all is answered nothing is missing");
}

#[test]
fn an_id_in_use_twice_leaves_nothing_behind() {
    let mut session = Session::default();
    for _ in 0..2 {
        session.outgoing(r#"{"id":1,"method":"eth_chainId"}"#, 10, TAG);
    }
    for _ in 0..2 {
        session.incoming(r#"{"id":1,"result":"0x1"}"#, 0);
    }
    assert!(session.messages.is_empty() && session.bytes == 0);
}

#[test]
fn reads_are_asked_again_and_writes_are_not() {
    let mut session = Session::default();
    let read = r#"{"id":1,"method":"eth_call","params":[]}"#;
    let write = r#"[{"id":2,"method":"eth_chainId"},{"id":3,"method":"eth_sendTransaction","params":[{}]}]"#;
    session.outgoing(read, 10, TAG);
    session.outgoing(write, 10, TAG);
    assert_eq!(session.unanswered(TAG), (vec![read.to_owned()], vec![write.to_owned()]));
    assert_eq!(session.unanswered(TAG), (vec![read.to_owned()], vec![]));
    session.incoming(r#"{"id":1,"result":"0x"}"#, 0);
    assert_eq!(session.unanswered(TAG), (vec![], vec![]));
}

#[test]
fn what_is_asked_again_is_known_to_be() {
    let mut session = Session::default();
    session.outgoing(r#"{"id":1,"method":"eth_sendRawTransaction","params":["0x02"]}"#, 10, TAG);
    session.unanswered(TAG);
    session.outgoing(r#"{"id":2,"method":"eth_sendRawTransaction","params":["0x03"]}"#, 10, TAG);
    let mut repeated = |id: u64| {
        let answer = format!(r#"{{"id":{id},"result":"0x"}}"#);
        let taken = answers(&mut session, &answer).unwrap();
        matches!(&taken.kinds[0], Kind::SendRaw(sending) if sending.is_repeated)
    };
    assert!(repeated(1) && !repeated(2));
}

/// Filters made over a WebSocket were not found when they were used over it.
#[test]
fn the_node_reads_its_own_ids_of_filters() {
    let mut session = Session::default();
    let public = filter::encode(TAG, "0xab").unwrap();
    let poll = format!(r#"{{"id":1,"method":"eth_getFilterChanges","params":["{public}"]}}"#);
    assert_eq!(session.outgoing(&poll, 10, TAG).unwrap(), poll.replace(&public, "0xab"));
    assert_eq!(session.outgoing(&poll, 10, TAG + 1), None, "another node knows no such filter");
}

#[test]
fn what_is_no_call_is_not_waited_for() {
    let mut session = Session::default();
    session.outgoing(r#"[{"id":true,"method":5},{"id":1,"method":"eth_chainId"}]"#, 10, TAG);
    assert_eq!(session.waiting.len(), 1);
    session.incoming(r#"[{"id":null,"error":{"code":1,"message":""}},{"id":1,"result":"0x1"}]"#, 0);
    assert!(session.messages.is_empty() && session.can_move());
}

const NOTE: &str = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xb","result":{"number":"0x7","hash":"0x07","parentHash":"0x06"}}}"#;

#[test]
fn a_subscription_keeps_its_id_on_another_node() {
    let mut session = Session::default();
    session.outgoing(r#"{"id":1,"method":"eth_subscribe","params":["newHeads"]}"#, 10, TAG);
    session.incoming(r#"{"id":1,"result":"0xa"}"#, 5);
    assert_eq!(session.subscriptions.len(), 1);
    session.subscriptions[0].continued("0xb".into());
    let Incoming::Rewritten(note) = session.incoming(NOTE, 5) else { panic!("not rewritten") };
    assert_eq!(note, NOTE.replace("0xb", "0xa"));
    let end = r#"{"id":2,"method":"eth_unsubscribe","params":["0xa"]}"#;
    assert_eq!(session.outgoing(end, 10, TAG).unwrap(), end.replace("0xa", "0xb"));
    session.incoming(r#"{"id":2,"result":true}"#, 5);
    assert!(session.subscriptions.is_empty());
}

#[test]
fn new_heads_are_read() {
    assert_eq!(new_head(NOTE), Some(7));
    assert_eq!(
        new_head(r#"{"method":"eth_subscription","params":{"subscription":"0x1","result":{"address":"0x"}}}"#),
        None
    );
}
