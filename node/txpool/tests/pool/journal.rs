//! Local transactions survive the process.

use crate::support::*;
use atoll_txpool::Journal;
use std::fs;
use tempfile::TempDir;

#[test]
fn local_transactions_come_back() {
    let (world, dir) = (World::new(2), TempDir::new().unwrap());
    let path = dir.path().join("transactions");
    let pool = world.pool();
    assert_eq!(pool.open_journal(&path).unwrap(), 0);
    add_local(&pool, sign(0, transfer(0))).unwrap();
    add_local(&pool, sign(0, transfer(5))).unwrap();
    add(&pool, sign(1, transfer(0))).unwrap();
    // As after kill -9: nothing is closed in order.
    let again = world.pool();
    assert_eq!(again.open_journal(&path).unwrap(), 2);
    assert_eq!(counts(&again), (1, 1));
    assert_eq!(again.locals().len(), 2);
}

#[test]
fn an_acknowledged_transaction_is_in_the_file_already() {
    let (world, dir) = (World::new(1), TempDir::new().unwrap());
    let path = dir.path().join("transactions");
    let pool = world.pool();
    pool.open_journal(&path).unwrap();
    for nonce in 0..5 {
        let before = fs::metadata(&path).unwrap().len();
        add_local(&pool, sign(0, transfer(nonce))).unwrap();
        assert!(fs::metadata(&path).unwrap().len() > before);
    }
    // A refused one leaves no trace.
    let before = fs::metadata(&path).unwrap().len();
    add_local(&pool, sign(0, transfer(0))).unwrap_err();
    assert_eq!(fs::metadata(&path).unwrap().len(), before);
}

#[test]
fn a_torn_record_costs_only_itself() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("transactions");
    let txs: Vec<_> = (0..3).map(|nonce| sign(0, transfer(nonce))).collect();
    let (mut journal, found) = Journal::open(&path).unwrap();
    assert!(found.is_empty());
    journal.append(txs.iter()).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for cut in [1, 3, 50] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let (mut journal, found) = Journal::open(&path).unwrap();
        assert_eq!(found, txs[..2]);
        // What comes next is readable again.
        journal.append(std::iter::once(&txs[2])).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, txs);
    }
}

#[test]
fn rubbish_is_no_transaction() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("transactions");
    fs::write(&path, [0xff; 4096]).unwrap();
    assert!(Journal::open(&path).unwrap().1.is_empty());
    // A whole record that does not decode is passed over.
    let mut bytes = 3_u32.to_be_bytes().to_vec();
    bytes.extend([9, 9, 9]);
    fs::write(&path, &bytes).unwrap();
    let (mut journal, found) = Journal::open(&path).unwrap();
    assert!(found.is_empty());
    journal.append(std::iter::once(&sign(0, transfer(0)))).unwrap();
    assert_eq!(Journal::open(&path).unwrap().1.len(), 1);
}

#[test]
fn rotation_keeps_what_is_given() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("transactions");
    let txs: Vec<_> = (0..10).map(|nonce| sign(0, transfer(nonce))).collect();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(txs.iter()).unwrap();
    journal.rotate(txs[8..].iter()).unwrap();
    assert_eq!(journal.records(), 2);
    journal.append(txs[..1].iter()).unwrap();
    let expected = [txs[8].clone(), txs[9].clone(), txs[0].clone()];
    assert_eq!(Journal::open(&path).unwrap().1, expected);
}

#[test]
fn the_pool_rotates_when_most_is_history() {
    let (world, dir) = (World::new(1), TempDir::new().unwrap());
    let path = dir.path().join("transactions");
    // As many records of long gone transactions as make a rewrite worthwhile.
    let (mut journal, _) = Journal::open(&path).unwrap();
    let old = sign(0, transfer(0));
    journal.append(std::iter::repeat_n(&old, 5000)).unwrap();
    let pool = world.pool();
    assert_eq!(pool.open_journal(&path).unwrap(), 1);
    add_local(&pool, sign(0, transfer(1))).unwrap();
    let before = fs::metadata(&path).unwrap().len();
    world.advance(&pool, &[&old], &[]);
    assert!(fs::metadata(&path).unwrap().len() < before / 1000);
    // The included one stays too: a reorganisation may return it.
    assert_eq!(Journal::open(&path).unwrap().1.len(), 2);
}
