//! Files of RLP blocks.

use crate::support::*;
use atoll_chain::{
    ImportError, InvalidBlock,
    file::{self, BlockReader, FileError, Format, Meter},
};
use atoll_primitives::{B256, Block, rlp::Encodable as _};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::Write as _,
    sync::atomic::{AtomicBool, Ordering},
};

fn exported(node: &Node, from: u64, to: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    file::export(&node.chain, &mut bytes, from, to, |_| ()).unwrap();
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn what_is_exported_imports() {
    let node = Node::new(0);
    node.mine(5, 0);
    let bytes = exported(&node, 0, 5);
    let other = Node::new(1);
    let mut heard = Vec::new();
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |number| heard.push(number)).unwrap(), 5);
    assert_eq!(heard, [1, 2, 3, 4, 5]);
    assert_eq!(other.head(), node.head());
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |_| ()).unwrap(), 0);
    for (from, to) in [(5, 6), (4, 3)] {
        let error = file::export(&node.chain, Vec::new(), from, to, |_| ()).unwrap_err();
        assert!(matches!(error, FileError::Range { head: 5, .. }), "{error}");
    }
}

#[test]
fn the_first_bytes_say_what_a_file_is() {
    let node = Node::new(0);
    node.mine(3, 0);
    let packed = zipped(&exported(&node, 1, 3));
    assert_eq!(file::detect(&packed), Some(Format::Gzip));
    let other = Node::new(1);
    assert_eq!(file::import(&other.chain, packed.as_slice(), |_| ()).unwrap(), 3);
    // Two gzip files one after the other are one.
    let halves = [zipped(&exported(&node, 0, 1)), zipped(&exported(&node, 2, 3))].concat();
    assert_eq!(file::import(&Node::new(2).chain, halves.as_slice(), |_| ()).unwrap(), 3);

    assert_eq!(file::import(&other.chain, &[][..], |_| ()).unwrap(), 0);
    for nothing in [&b"{\"config\""[..], &[0x80], &zipped(&packed), &zipped(b"text")] {
        let error = file::import(&other.chain, nothing, |_| ()).unwrap_err();
        assert!(matches!(error, FileError::UnknownFormat { .. }), "{error}");
    }
    let cut = &packed[..packed.len() - 12];
    assert!(file::import(&Node::new(3).chain, cut, |_| ()).is_err());
}

#[test]
fn a_damaged_file_imports_up_to_the_damage() {
    let node = Node::new(0);
    node.mine(4, 0);
    let bytes = exported(&node, 1, 4);
    let cut = &bytes[..bytes.len() - 10];
    let other = Node::new(1);
    let error = file::import(&other.chain, cut, |_| ()).unwrap_err();
    assert!(matches!(error, FileError::Truncated { index: 3, .. }), "{error}");
    assert_eq!(other.head().0, 3);
}

#[test]
fn a_bad_block_is_refused_with_its_number_and_rule() {
    let node = Node::new(0);
    let blocks = node.mine(4, 0);
    let bad = node.block_on(&hash(&blocks[1]), &[], &[], |block| block.header.state_root = B256::repeat_byte(7));
    let mut bytes = Vec::new();
    blocks[..2].iter().chain([&bad]).chain(&blocks[2..]).for_each(|block| block.encode(&mut bytes));
    let other = Node::new(1);
    let error = file::import(&other.chain, bytes.as_slice(), |_| ()).unwrap_err();
    let FileError::Import { number: 3, source: ImportError::Invalid { number: 3, hash: found, reason } } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(*found, hash(&bad));
    assert!(matches!(**reason, InvalidBlock::StateRoot { header, .. } if header == B256::repeat_byte(7)), "{reason}");
    assert_eq!(other.head(), (2, hash(&blocks[1])));
    // A gap is another fault.
    let error = file::import(&other.chain, exported(&node, 4, 4).as_slice(), |_| ()).unwrap_err();
    assert!(matches!(error, FileError::Import { number: 4, source: ImportError::UnknownParent { .. } }), "{error}");
}

#[test]
fn a_file_of_another_chain_says_so() {
    let node = Node::new(0);
    let mut genesis = Block { header: node.spec.genesis_header().header.clone(), ..Block::default() };
    genesis.header.timestamp += 1;
    let mut bytes = Vec::new();
    genesis.encode(&mut bytes);
    let error = file::import(&node.chain, bytes.as_slice(), |_| ()).unwrap_err();
    let FileError::OtherGenesis { file, chain } = error else { panic!("{error}") };
    assert_eq!((file, chain), (hash(&genesis), node.chain.storage().genesis_hash()));
}

#[test]
fn known_blocks_are_passed_over_without_their_bodies() {
    let node = Node::new(0);
    node.mine(6, 0);
    let other = Node::new(1);
    file::import(&other.chain, exported(&node, 0, 4).as_slice(), |_| ()).unwrap();
    // The last byte of block 2 belongs to its withdrawals: only who decodes the body sees that it is wrong.
    let mut bytes = exported(&node, 0, 6);
    let end = exported(&node, 0, 2).len();
    bytes[end - 1] = 0x80;
    assert!(file::import(&Node::new(2).chain, bytes.as_slice(), |_| ()).is_err());
    let meter = Meter::default();
    let done = file::import_with(&other.chain, bytes.as_slice(), &meter, &AtomicBool::new(false)).unwrap();
    assert_eq!((done.new, done.tally.known, done.tally.blocks, done.tally.transactions), (2, 5, 7, 2));
    assert_eq!((done.tally.number, done.tally.bytes, done.stopped), (6, bytes.len() as u64, false));
    assert_eq!(meter.tally(), done.tally);
    assert_eq!(other.head(), node.head());
}

#[test]
fn an_import_stops_when_asked_and_goes_on_later() {
    let node = Node::new(0);
    node.mine(3, 0);
    let bytes = exported(&node, 0, 3);
    let other = Node::new(1);
    let stop = AtomicBool::new(true);
    let done = file::import_with(&other.chain, bytes.as_slice(), &Meter::default(), &stop).unwrap();
    assert_eq!((done.new, done.stopped), (0, true));
    stop.store(false, Ordering::Relaxed);
    let done = file::import_with(&other.chain, bytes.as_slice(), &Meter::default(), &stop).unwrap();
    assert_eq!((done.new, done.stopped), (3, false));
}

#[test]
fn lengths_are_not_believed() {
    // A list of 2^56 bytes, and one of 4 GiB that is not there.
    for prefix in [&[0xfe, 1, 0, 0, 0, 0, 0, 0][..], &[0xfb, 0xff, 0xff, 0xff, 0xff]] {
        let next = BlockReader::new(prefix).next().unwrap();
        assert!(matches!(next, Err(FileError::TooLarge { index: 0, .. })));
    }
    assert!(matches!(BlockReader::new(&[0x80_u8][..]).next(), Some(Err(FileError::Decode { .. }))));
    assert!(BlockReader::new(&[][..]).next().is_none());
    // After an error nothing more comes.
    let mut reader = BlockReader::new(&[0x80_u8, 0xc0][..]);
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn blocks_come_one_after_the_other() {
    let node = Node::new(0);
    let blocks = node.mine(3, 0);
    let mut bytes = Vec::new();
    blocks.iter().for_each(|block| block.encode(&mut bytes));
    let read: Vec<Block> = BlockReader::new(bytes.as_slice()).map(Result::unwrap).collect();
    assert_eq!(read, blocks);
}
