//! Signing, verifying and refusing records and heartbeats.

use crate::codec::{self, RECORD_SCHEME};
use crate::record::{Head, Heartbeat, Leave, NodeInfo, NodeRecord, RecordError, roles};
use crate::signer::RecordSigner;
use alloy_primitives::{B256, U256, hex};
use k256::ecdsa::Signature;

fn signer(seed: u8) -> RecordSigner {
    RecordSigner::from_secret(&[seed; 32]).unwrap()
}

fn info() -> NodeInfo {
    NodeInfo {
        name: "miner-1 é".into(),
        peer_id: "16Uiu2HAm".into(),
        multiaddrs: vec!["/ip4/127.0.0.1/tcp/30303".into(), "/dns4/node1/tcp/30303".into()],
        rpc: Some("http://127.0.0.1:8545".into()),
        ws: Some("ws://127.0.0.1:8545".into()),
        http: None,
        network_id: 7,
        chain_id: 8,
        genesis_hash: B256::repeat_byte(9),
        roles: vec![roles::NODE.into(), roles::MINER.into()],
        client: "atoll/0.1.0".into(),
    }
}

#[test]
fn a_record_reads_back_as_it_was_signed() {
    let record = signer(1).record(42, &info()).unwrap();
    let read = NodeRecord::decode(record.encoded()).unwrap();
    assert_eq!(read, record);
    assert_eq!((read.seq, &read.info, read.id()), (42, &info(), signer(1).id()));
    assert!(read.has_role(roles::MINER) && !read.has_role(roles::STATS));
}

#[test]
fn the_identity_is_that_of_eip_778() {
    // The key and node ID of the EIP's test vector.
    let key = hex!("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
    let id = hex!("a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7");
    assert_eq!(RecordSigner::from_secret(&key).unwrap().id(), B256::from(id));
}

#[test]
fn any_flipped_bit_is_refused() {
    let record = signer(1).record(42, &info()).unwrap();
    for index in 0..record.encoded().len() {
        let mut forged = record.encoded().to_vec();
        forged[index] ^= 1 << (index % 8);
        assert!(NodeRecord::decode(&forged).is_err(), "byte {index}");
    }
    for length in 0..record.encoded().len() {
        assert!(NodeRecord::decode(&record.encoded()[..length]).is_err(), "cut to {length}");
    }
    assert!(NodeRecord::decode(&[record.encoded(), &[0]].concat()).is_err(), "trailing byte");
}

#[test]
fn the_high_form_of_a_signature_is_refused() {
    let record = signer(1).record(42, &info()).unwrap();
    let (signed, tail) = record.encoded().split_at(record.encoded().len() - 64);
    let low = Signature::from_slice(tail).unwrap();
    let (r, s) = low.split_scalars();
    let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let forged = [signed, high.to_bytes().as_slice()].concat();
    assert_eq!(NodeRecord::decode(&forged), Err(RecordError::HighS));
}

#[test]
fn what_nobody_would_accept_is_not_signed() {
    let refused = |change: fn(&mut NodeInfo)| {
        let mut info = info();
        change(&mut info);
        signer(1).record(1, &info).unwrap_err()
    };
    assert_eq!(refused(|i| i.name.clear()), RecordError::Empty { field: "name" });
    assert_eq!(refused(|i| i.name = "x".repeat(65)), RecordError::TooLong { field: "name", found: 65, max: 64 });
    assert_eq!(refused(|i| i.client = "a\nb".into()), RecordError::ControlCharacter { field: "client" });
    assert!(matches!(refused(|i| i.rpc = Some("ftp://x".into())), RecordError::Url { field: "rpc", .. }));
    assert!(matches!(refused(|i| i.ws = Some("ws://".into())), RecordError::Url { field: "ws", .. }));
    assert!(matches!(refused(|i| i.http = Some("http://a\"onclick".into())), RecordError::Url { .. }));
    assert!(matches!(refused(|i| i.multiaddrs = vec!["1.2.3.4".into()]), RecordError::Multiaddr { .. }));
    assert!(matches!(refused(|i| i.multiaddrs = vec!["/a".into(); 9]), RecordError::TooMany { found: 9, max: 8, .. }));
    assert!(matches!(refused(|i| i.roles = vec!["r".into(); 9]), RecordError::TooMany { field: "role", .. }));
}

#[test]
fn a_record_of_the_largest_fields_still_fits() {
    let url = |scheme: &str| Some(format!("{scheme}://{}", "x".repeat(256 - scheme.len() - 3)));
    let info = NodeInfo {
        name: "n".repeat(64),
        peer_id: "p".repeat(128),
        multiaddrs: vec![format!("/{}", "m".repeat(255)); 8],
        rpc: url("http"),
        ws: url("ws"),
        http: url("https"),
        roles: vec!["r".repeat(32); 8],
        client: "c".repeat(128),
        network_id: u64::MAX,
        chain_id: u64::MAX,
        ..info()
    };
    assert_eq!(signer(1).record(u64::MAX, &info).unwrap().info, info);
}

#[test]
fn heartbeats_are_of_their_sender_and_count_up() {
    let head = Head { number: 5, hash: B256::repeat_byte(5), total_difficulty: U256::MAX };
    let sender = signer(1);
    let first = Heartbeat::decode(&sender.heartbeat(&head)).unwrap();
    let second = Heartbeat::decode(&sender.heartbeat(&head)).unwrap();
    let leave = Leave::decode(&sender.leave()).unwrap();
    assert_eq!((first.id, first.head), (sender.id(), head));
    assert!(first.counter < second.counter && second.counter < leave.counter);
    assert_eq!(first.verify(sender.public_key()), Ok(()));
    assert_eq!(leave.verify(sender.public_key()), Ok(()));
    assert_eq!(first.verify(signer(2).public_key()), Err(RecordError::Signature));
    assert_eq!(leave.verify(signer(2).public_key()), Err(RecordError::Signature));
    assert!(Leave::decode(&sender.heartbeat(&head)).is_err(), "one kind never passes for another");
    assert!(Heartbeat::decode(&sender.heartbeat(&Head::default())).unwrap().head.total_difficulty.is_zero());
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", signer(0x5a));
    assert!(!printed.contains("5a5a"), "{printed}");
}

#[test]
fn rubbish_is_an_error_not_a_crash() {
    assert!(matches!(NodeRecord::decode(&[0xff; 5000]), Err(RecordError::TooLarge { size: 5000, .. })));
    for first in 0..=255_u8 {
        assert!(NodeRecord::decode(&[first, 0x80, 0xc0, 0xff]).is_err());
        assert!(Heartbeat::decode(&[first; 40]).is_err());
    }
    assert!(codec::open(&[], 10, 1, RECORD_SCHEME).is_err());
    assert_eq!(RecordSigner::from_secret(&[0; 32]).unwrap_err(), RecordError::SecretKey);
}
