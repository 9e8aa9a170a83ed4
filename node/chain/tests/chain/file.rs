//! Files of blocks.

use crate::support::*;
use atoll_chain::file::{self, BlockReader, FileError};
use atoll_primitives::{Block, rlp::Encodable as _};

#[test]
fn what_is_exported_imports() {
    let node = Node::new(0);
    node.mine(5, 0);
    let mut bytes = Vec::new();
    file::export(&node.chain, &mut bytes, 0, 5).unwrap();
    let other = Node::new(1);
    let mut heard = Vec::new();
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |number| heard.push(number)).unwrap(), 5);
    assert_eq!(heard, [5]);
    assert_eq!(other.head(), node.head());
    assert_eq!(file::import(&other.chain, bytes.as_slice(), |_| ()).unwrap(), 0);
    assert!(matches!(file::export(&node.chain, &mut bytes, 5, 6), Err(FileError::NoBlock { number: 6 })));
}

#[test]
fn a_damaged_file_imports_up_to_the_damage() {
    let node = Node::new(0);
    node.mine(4, 0);
    let mut bytes = Vec::new();
    file::export(&node.chain, &mut bytes, 1, 4).unwrap();
    let cut = &bytes[..bytes.len() - 10];
    let other = Node::new(1);
    let error = file::import(&other.chain, cut, |_| ()).unwrap_err();
    assert!(matches!(error, FileError::Io(_)), "{error}");
    assert_eq!(other.head().0, 3);
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
