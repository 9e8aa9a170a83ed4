//! Processes that die, and files that end too early: the chain opens and goes on.

use super::harness::*;
use crate::DbEngine;
use atoll_primitives::B256;
use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn segment(dir: &Path) -> PathBuf {
    dir.join("segments/00000000.seg")
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[test]
fn dropping_without_shutdown_loses_nothing() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let mut blocks = Blocks::new();
        let mut head = blocks.genesis;
        for round in 0..5 {
            let storage = open(dir.path(), engine);
            blocks.restore(&storage);
            blocks.check_chain(&storage, &head);
            for n in 0..7 {
                // A side block that never becomes the head comes back as such.
                blocks.append(&storage, &head, 5000 + round * 100 + n);
                head = blocks.extend(&storage, &head, round * 100 + n);
            }
            if round % 2 == 0 {
                storage.flush().unwrap();
            }
        }
    }
}

#[test]
fn after_an_orderly_shutdown_nothing_is_executed_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = Blocks::new();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut head = blocks.genesis;
    for seed in 0..9 {
        head = blocks.extend(&storage, &head, seed);
    }
    storage.flush_all().unwrap();
    drop(storage);
    let storage = open(dir.path(), DbEngine::Redb);
    assert_eq!(blocks.restore(&storage), 0);
    blocks.check_chain(&storage, &head);
}

/// The journal's last two records are a block and its head record: cut within either, the chain goes on.
#[test]
fn a_torn_tail_costs_only_what_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = Blocks::new();
    let storage = open(dir.path(), DbEngine::Redb);
    let (mut head, mut hashes, mut ends) = (blocks.genesis, vec![], vec![]);
    for seed in 0..4 {
        head = blocks.extend(&storage, &head, seed);
        hashes.push(head);
        ends.push(fs::metadata(segment(dir.path())).unwrap().len());
    }
    drop(storage);
    let (before, whole) = (ends[2], ends[3]);
    for cut in (before..whole).step_by(61).chain([before + 1, whole - 42, whole - 41, whole - 1]) {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        OpenOptions::new().write(true).open(segment(copy.path())).unwrap().set_len(cut).unwrap();
        let storage = open(copy.path(), DbEngine::Redb);
        let restored = blocks.restore(&storage);
        // A head record is 8 + 1 + 32 bytes: before it the block itself is whole, though not yet the head.
        assert_eq!(restored, if cut >= whole - 41 { 4 } else { 3 }, "cut at {cut}");
        blocks.check_chain(&storage, &hashes[2]);
        let next = blocks.extend(&storage, &hashes[2], 3);
        assert_eq!(next, hashes[3]);
        drop(storage);
        let storage = open(copy.path(), DbEngine::Redb);
        blocks.restore(&storage);
        blocks.check_chain(&storage, &next);
    }
}

#[test]
fn damage_within_the_journal_ends_it_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = Blocks::new();
    let storage = open(dir.path(), DbEngine::Redb);
    let (mut head, mut hashes, mut ends) = (blocks.genesis, vec![], vec![]);
    for seed in 0..6 {
        head = blocks.extend(&storage, &head, seed);
        hashes.push(head);
        ends.push(fs::metadata(segment(dir.path())).unwrap().len() as usize);
    }
    drop(storage);
    let mut bytes = fs::read(segment(dir.path())).unwrap();
    bytes[ends[2] + 30] ^= 1;
    fs::write(segment(dir.path()), bytes).unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    assert_eq!(blocks.restore(&storage), 3);
    blocks.check_chain(&storage, &hashes[2]);
    let next = blocks.extend(&storage, &hashes[2], 77);
    blocks.check_chain(&storage, &next);
}

const CHILD: &str = "ATOLL_STORAGE_CRASH_CHILD";

fn seed_of(number: u64) -> u64 {
    number * 31 + 5
}

/// Only does something when the test below starts it: writes blocks until it is killed.
#[test]
fn crash_child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let storage = open(Path::new(&dir), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = replay(&mut blocks, storage.base().number);
    blocks = replay_journal(blocks, &storage, &mut head);
    let flusher = storage.clone();
    std::thread::spawn(move || {
        loop {
            if flusher.flush_ready() {
                flusher.flush().unwrap();
            }
            std::thread::yield_now();
        }
    });
    loop {
        let number = storage.head_number() + 1;
        head = blocks.extend(&storage, &head, seed_of(number));
        println!("acknowledged {number}");
    }
}

/// The model up to a block number, without a storage.
fn replay(blocks: &mut Blocks, to: u64) -> B256 {
    let mut head = blocks.genesis;
    for number in 1..=to {
        head = blocks.make(&head, seed_of(number), None).block.hash;
    }
    head
}

fn replay_journal(mut blocks: Blocks, storage: &crate::Storage, head: &mut B256) -> Blocks {
    // All that is journaled: one block may be that never became the head.
    let journaled = storage.inner.journal.lock().blocks.len() as u64;
    for number in storage.base().number + 1..=storage.base().number + journaled {
        *head = blocks.make(head, seed_of(number), None).block.hash;
    }
    blocks.restore(storage);
    *head = storage.head().hash;
    blocks
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0u64;
    for lines in [3, 40, 25] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["tests::crash::crash_child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut seen = 0;
        for line in output.lines() {
            let line = line.unwrap();
            let Some((_, number)) = line.split_once("acknowledged ") else { continue };
            acknowledged = number.parse().unwrap();
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success(), "killed, not done");
        assert!(seen >= lines);
        let storage = open(dir.path(), DbEngine::Redb);
        let mut blocks = Blocks::new();
        let mut head = replay(&mut blocks, storage.base().number);
        let blocks = replay_journal(blocks, &storage, &mut head);
        assert!(storage.head_number() >= acknowledged, "{} < {acknowledged}", storage.head_number());
        blocks.check_chain(&storage, &head);
    }
}
