//! Messages on the wire: what is written reads back, and nothing else does.

use super::{block, status};
use crate::codec::Codec;
use crate::gossip;
use crate::message::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, Request, Response};
use crate::{HashOrNumber, MAX_BODIES, MAX_POOLED};
use atoll_primitives::{B256, BlockBody, Header, U256};
use futures::executor::block_on;
use futures::io::Cursor;
use libp2p::StreamProtocol;
use libp2p::request_response::Codec as _;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/test");

fn requests() -> Vec<Request> {
    vec![
        Request::Status(status(1, B256::ZERO).status),
        Request::Headers { start: HashOrNumber::Hash(B256::repeat_byte(1)), count: 512, reverse: true },
        Request::Headers { start: HashOrNumber::Number(7), count: 1, reverse: false },
        Request::Bodies(vec![B256::repeat_byte(1); MAX_BODIES]),
        Request::Receipts(vec![B256::repeat_byte(2)]),
        Request::PooledTransactions(vec![B256::repeat_byte(3); MAX_POOLED]),
        Request::Announce(vec![B256::repeat_byte(4); MAX_POOLED]),
    ]
}

#[tokio::test]
async fn messages_read_back_as_written() {
    for request in requests() {
        let mut wire = Cursor::new(Vec::new());
        Codec.write_request(&PROTOCOL, &mut wire, request.clone()).await.unwrap();
        wire.set_position(0);
        assert_eq!(Codec.read_request(&PROTOCOL, &mut wire).await.unwrap(), request);
    }
    let responses = [
        Response::Status(status(1, B256::ZERO).status),
        Response::Headers(vec![Header::default(); 3]),
        Response::Bodies(vec![BlockBody::default(); 2]),
        Response::Receipts(vec![Vec::new()]),
        Response::PooledTransactions(Vec::new()),
        Response::Announced,
    ];
    for response in responses {
        let mut wire = Cursor::new(Vec::new());
        Codec.write_response(&PROTOCOL, &mut wire, response.clone()).await.unwrap();
        wire.set_position(0);
        assert_eq!(Codec.read_response(&PROTOCOL, &mut wire).await.unwrap(), response);
    }
}

#[test]
fn lengths_beyond_the_bound_are_refused_before_they_are_read() {
    let claim = |length: usize| [u32::try_from(length).unwrap().to_be_bytes().as_slice(), &[0; 8]].concat();
    let request = block_on(Codec.read_request(&PROTOCOL, &mut Cursor::new(claim(MAX_REQUEST_BYTES + 1)))).unwrap_err();
    assert_eq!(request.kind(), std::io::ErrorKind::InvalidData);
    let response =
        block_on(Codec.read_response(&PROTOCOL, &mut Cursor::new(claim(MAX_RESPONSE_BYTES + 1)))).unwrap_err();
    assert_eq!(response.kind(), std::io::ErrorKind::InvalidData);
    // A claim within the bound that is not kept.
    let short = block_on(Codec.read_request(&PROTOCOL, &mut Cursor::new(claim(100)))).unwrap_err();
    assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn truncated_padded_and_unknown_messages_are_refused() {
    for request in requests() {
        let bytes = request.encode();
        assert!(Request::decode(&[bytes.as_slice(), &[0]].concat()).is_err(), "trailing byte");
        for length in 0..bytes.len().min(200) {
            assert!(Request::decode(&bytes[..length]).is_err(), "cut to {length}");
        }
    }
    for kind in 6..=255 {
        assert!(Request::decode(&[kind, 0xc0]).is_err());
        assert!(Response::decode(&[kind, 0xc0]).is_err());
    }
    assert!(Response::decode(&[5, 0]).is_err());
    assert!(Request::decode(&Request::Bodies(Vec::new()).encode()).is_err(), "no hashes");
    assert!(Request::decode(&Request::Bodies(vec![B256::ZERO; MAX_BODIES + 1]).encode()).is_err());
    let mut long_name = status(1, B256::ZERO).status;
    long_name.client = "x".repeat(129);
    assert!(Request::decode(&Request::Status(long_name).encode()).is_err());
}

#[test]
fn gossip_reads_back_and_nothing_else_does() {
    let bytes = gossip::encode_block(&block(9), U256::MAX);
    assert_eq!(gossip::decode_block(&bytes).unwrap(), (block(9), U256::MAX));
    assert!(gossip::decode_block(&[bytes.as_slice(), &[0]].concat()).is_err());
    for length in 0..bytes.len() {
        assert!(gossip::decode_block(&bytes[..length]).is_err());
    }
    assert!(gossip::decode_transactions(&[0xc0]).is_err(), "no transactions");
    assert!(gossip::decode_transactions(&[0xc1, 0xc0]).is_err());
}
