//! era1 archives: ours, damaged ones, and a public one where the conformance material is at hand.

use crate::support::*;
use atoll_chain::file::{self, Era1Error, FileError, verify_era1};
use atoll_primitives::{ChainSpec, U256};
use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
};
use tempfile::TempDir;

const VERSION: u16 = 0x3265;
const HEADER: u16 = 0x03;
const BODY: u16 = 0x04;
const RECEIPTS: u16 = 0x05;
const TOTAL_DIFFICULTY: u16 = 0x06;
const ACCUMULATOR: u16 = 0x07;
const INDEX: u16 = 0x3266;

type Record = (u16, Vec<u8>);

/// An archive's records.
fn split(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let [k0, k1, l0, l1, l2, l3, 0, 0, rest @ ..] = bytes {
        let (data, after) = rest.split_at(u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize);
        records.push((u16::from_le_bytes([*k0, *k1]), data.to_vec()));
        bytes = after;
    }
    assert!(bytes.is_empty());
    records
}

fn join(records: &[Record]) -> Vec<u8> {
    let record =
        |(kind, data): &Record| [&kind.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &[0, 0], data].concat();
    records.iter().flat_map(record).collect()
}

fn unpack(data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    snap::read::FrameDecoder::new(data).read_to_end(&mut plain).unwrap();
    plain
}

fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = snap::write::FrameEncoder::new(Vec::new());
    packed.write_all(plain).unwrap();
    packed.into_inner().unwrap()
}

fn archive(blocks: usize) -> (Node, Vec<u8>) {
    let node = Node::new(0);
    node.mine(blocks, 0);
    let mut bytes = Vec::new();
    let summary = file::export_era1(&node.chain, &mut bytes, 0, blocks as u64).unwrap();
    assert_eq!((summary.first, summary.count), (0, blocks as u64 + 1));
    assert_eq!(verify_era1(bytes.as_slice()).unwrap(), summary);
    (node, bytes)
}

#[test]
fn what_is_exported_imports() {
    let (node, bytes) = archive(4);
    let kinds: Vec<u16> = split(&bytes).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds[..5], [VERSION, HEADER, BODY, RECEIPTS, TOTAL_DIFFICULTY]);
    assert_eq!(kinds[kinds.len() - 2..], [ACCUMULATOR, INDEX]);
    let other = Node::new(1);
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |_| ()).unwrap(), 4);
    assert_eq!(other.head(), node.head());
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |_| ()).unwrap(), 0);
    // An archive from the middle is checked against the chain it continues.
    let mut rest = Vec::new();
    file::export_era1(&node.chain, &mut rest, 3, 4).unwrap();
    let mut first = Vec::new();
    file::export(&node.chain, &mut first, 1, 2, |_| ()).unwrap();
    let third = Node::new(2);
    file::import(&third.chain, first.as_slice(), |_| ()).unwrap();
    assert_eq!(file::import(&third.chain, rest.as_slice(), |_| ()).unwrap(), 2);
}

#[test]
fn what_an_archive_says_is_checked() {
    let (node, bytes) = archive(3);
    let good = split(&bytes);
    let nth = |kind: u16, nth: usize| good.iter().enumerate().filter(|(_, r)| r.0 == kind).nth(nth).unwrap().0;
    let refused = |change: &dyn Fn(&mut Vec<Record>)| {
        let mut records = good.clone();
        change(&mut records);
        let other = Node::new(1);
        match file::import(&other.chain, join(&records).as_slice(), |_| ()).unwrap_err() {
            FileError::Era1(error) => (error, other.head().0),
            error => panic!("{error:?}"),
        }
    };
    let (error, head) = refused(&|records| records[nth(ACCUMULATOR, 0)].1[5] ^= 1);
    assert!(matches!(error, Era1Error::Accumulator { file, computed } if file != computed), "{error}");
    assert_eq!(head, 3, "what came before is imported all the same, each block by its own proof");

    let (error, head) = refused(&|records| records[nth(TOTAL_DIFFICULTY, 2)].1[0] ^= 1);
    let (file, expected) = match error {
        Era1Error::TotalDifficulty { number: 2, file, expected } => (file, expected),
        error => panic!("{error}"),
    };
    assert_eq!((file ^ expected, head), (U256::from(1), 1));
    let td = node.chain.storage().total_difficulty(&node.chain.storage().canonical_hash(2).unwrap().unwrap());
    assert_eq!(td.unwrap().unwrap(), expected);

    // A bit of the logs bloom.
    let (error, head) = refused(&|records| {
        let mut plain = unpack(&records[nth(RECEIPTS, 2)].1);
        let middle = plain.len() / 2;
        plain[middle] ^= 1;
        records[nth(RECEIPTS, 2)].1 = pack(&plain);
    });
    assert!(matches!(error, Era1Error::ReceiptsRoot { number: 2, file, header } if file != header), "{error}");
    assert_eq!(head, 1);

    let (error, _) = refused(&|records| records[nth(INDEX, 0)].1[16] ^= 1);
    assert!(matches!(error, Era1Error::IndexOffset { number: 1, index, offset } if index != offset.into()), "{error}");
    let (error, _) = refused(&|records| records[nth(INDEX, 0)].1[0] = 9);
    assert!(matches!(error, Era1Error::IndexRange { index_first: 9, first: 0, count: 4, .. }), "{error}");
    let (error, _) = refused(&|records| records[nth(INDEX, 0)].1.truncate(20));
    assert!(matches!(error, Era1Error::Length { .. }), "{error}");
    let (error, _) = refused(&|records| drop(records.remove(nth(BODY, 1))));
    assert!(matches!(error, Era1Error::Record { found: RECEIPTS, .. }), "{error}");
    let (error, _) = refused(&|records| drop(records.drain(nth(HEADER, 1)..nth(HEADER, 2))));
    assert!(matches!(error, Era1Error::NotConsecutive { expected: 1, found: 2 }), "{error}");
    let (error, _) = refused(&|records| drop(records.pop()));
    assert!(matches!(error, Era1Error::Truncated { .. }), "{error}");
    let (error, _) = refused(&|records| records.push((VERSION, Vec::new())));
    assert!(matches!(error, Era1Error::Trailing { .. }), "{error}");
    let (error, _) = refused(&|records| records[nth(HEADER, 1)].1[15] ^= 1);
    assert!(matches!(error, Era1Error::Snappy { .. }), "{error}");
    let (error, _) = refused(&|records| records[nth(HEADER, 1)].1 = pack(&[0xc0]));
    assert!(matches!(error, Era1Error::Decode { .. }), "{error}");
}

#[test]
fn a_cut_at_any_byte_is_an_error() {
    let (_, bytes) = archive(1);
    for end in 8..bytes.len() {
        let error = verify_era1(&bytes[..end]).unwrap_err();
        assert!(matches!(error, FileError::Era1(Era1Error::Truncated { .. })), "{end}: {error}");
    }
}

#[test]
fn compressed_sizes_are_not_believed() {
    // 128 MiB of zeros in a few kilobytes.
    let packed = pack(&vec![0; 128 << 20]);
    let error = verify_era1(join(&[(VERSION, Vec::new()), (HEADER, packed)]).as_slice()).unwrap_err();
    assert!(matches!(error, FileError::Era1(Era1Error::Length { .. })), "{error}");
    // A record of 4 GiB that is not there.
    let mut bytes = join(&[(VERSION, Vec::new())]);
    bytes.extend([3, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    let error = verify_era1(bytes.as_slice()).unwrap_err();
    assert!(matches!(error, FileError::Era1(Era1Error::Length { .. })), "{error}");
}

#[test]
fn the_first_archive_of_sepolia() {
    let Some(dir) = std::env::var_os("ATOLL_CONFORMANCE").map(PathBuf::from) else {
        println!("SKIPPED: ATOLL_CONFORMANCE is not set");
        return;
    };
    let bytes = std::fs::read(dir.join("go-ethereum/era/sepolia-00000-643a00f7.era1")).unwrap();
    let summary = verify_era1(bytes.as_slice()).unwrap();
    assert_eq!((summary.first, summary.count), (0, 8192));
    // Its first bytes are in the file's name.
    assert_eq!(summary.accumulator[..4], [0x64, 0x3a, 0x00, 0xf7]);

    let genesis = std::fs::read_to_string(dir.join("reth/genesis/sepolia.json")).unwrap();
    let spec = Arc::new(ChainSpec::from_json(&genesis).unwrap());
    let data = TempDir::new().unwrap();
    let chain = open(data.path(), &spec, 64);
    assert_eq!(file::import(&chain, bytes.as_slice(), |_| ()).unwrap(), 8191);
    assert_eq!(chain.head().number, 8191);
    // What we write of it says the same.
    let mut again = Vec::new();
    assert_eq!(file::export_era1(&chain, &mut again, 0, 8191).unwrap(), summary);
    let (ours, theirs) = (split(&again), split(&bytes));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.0, theirs.0);
        match ours.0 {
            HEADER | BODY | RECEIPTS => assert_eq!(unpack(&ours.1), unpack(&theirs.1)),
            INDEX => {}
            _ => assert_eq!(ours.1, theirs.1),
        }
    }
}
