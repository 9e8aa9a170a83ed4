//! Disks that are full or may not be written: a clear error, nothing acknowledged lost, and once there is room again
//! the running node goes on by itself. With small file systems of their own where the tests run as root; without, such
//! a test says that it is skipped.

use super::{
    Life,
    check::check,
    child::{Orders, options, spawn, text},
    damage::rebuilt,
    script::{self, Script},
    temporary,
};
use crate::support::open_with;
use atoll_chain::Origin;
use atoll_kv::{Batch, Kv, KvError, Table};
use atoll_storage::{DbEngine, Scope};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// A file system in memory of its own; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None`, with a message, where it may not be mounted.
    fn new(path: &Path, kib: u64) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={kib}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path.to_owned())),
            _ => {
                println!("SKIPPED: only root may mount a small file system");
                None
            }
        }
    }

    /// Tries until it succeeds: sled's threads hold its files for a moment after it was closed.
    fn remount(&self, option: &str) {
        let option = format!("remount,{option}");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !Command::new("mount").args(["-o", &option]).arg(&self.0).output().unwrap().status.success() {
            assert!(Instant::now() < deadline, "{option}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The lines of a child, as they come.
fn lines(child: &mut std::process::Child) -> Receiver<String> {
    let (send, lines) = channel();
    let stdout = child.stdout.take().unwrap();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more: the test is through.
            let _ = send.send(line);
        }
    });
    lines
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes on disk of everything below a directory.
fn used(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                used(&entry.path())
            } else {
                entry.metadata().unwrap().blocks() * 512
            }
        })
        .sum()
}

/// A size, in KiB, that is enough to begin with and not for the whole script.
fn too_small(engine: DbEngine, part: &str, script: &Script) -> u64 {
    let home = temporary();
    let chain = open_with(home.path(), &script::spec(), options(engine)).unwrap();
    let part = home.path().join(part);
    let before = used(&part);
    for block in &script.blocks {
        chain.import(block.clone(), Origin::Peer).unwrap();
    }
    let after = used(&part);
    assert!(after > before, "{after} bytes");
    (before + (after - before) / 3) / 1024
}

/// A node whose data directory, or a part of it, lies on a disk that runs full: it says so, goes on when there is room,
/// and has lost nothing.
fn runs_full(engine: DbEngine, part: &str) {
    let script = Script::generate(21, 300);
    let scratch = temporary();
    let file = scratch.path().join("script.rlp");
    script.write(&file);
    let mut life = Life::new();
    let kib = too_small(engine, part, &script);
    let Some(mount) = Mount::new(&life.dir().join(part), kib) else { return };
    let orders = Orders { dir: &life.dir(), script: &file, engine, from: 0, seed: 3, fault: None, patient: true };
    let mut child = spawn(&orders);
    let heard = lines(&mut child);
    let mut refused = 0;
    while !life.done {
        let line = heard.recv_timeout(PATIENCE).expect("the child is silent or gone");
        life.hear(&line, &script);
        if let Some((_, why)) = line.split_once("refused ") {
            if engine == DbEngine::Sled && why.contains("atoll db rebuild") {
                // sled's log does not always survive; the segments do.
                child.kill().unwrap();
                child.wait().unwrap();
                mount.remount("size=64m");
                rebuilt(&life.dir(), Scope::Everything);
                break;
            }
            assert!(why.contains("make room"), "{why}");
            refused += 1;
            if refused == 5 {
                mount.remount("size=64m");
            }
        }
    }
    assert!(refused >= 5 || !life.done, "{kib} KiB were enough");
    // It may be gone already.
    let _ = child.kill();
    child.wait().unwrap();
    check(&life.dir(), &script, engine, &life.announced, &mut StdRng::seed_from_u64(2));
}

#[test]
fn a_full_disk_under_redb() {
    runs_full(DbEngine::Redb, "");
}

#[test]
fn a_full_disk_under_sled() {
    runs_full(DbEngine::Sled, "");
}

#[test]
fn a_full_disk_under_redbs_tables() {
    runs_full(DbEngine::Redb, "tables");
}

#[test]
fn a_full_disk_under_the_segments() {
    runs_full(DbEngine::Redb, "segments");
}

#[test]
fn a_disk_that_may_not_be_written_is_named() {
    let script = Script::generate(22, 40);
    let home = temporary();
    let dir = home.path().join("disk");
    let Some(mount) = Mount::new(&dir, 64 << 10) else { return };
    let spec = script::spec();
    for engine in [DbEngine::Redb, DbEngine::Sled] {
        let dir = dir.join(engine.to_string());
        let chain = open_with(&dir, &spec, options(engine)).unwrap();
        for block in &script.blocks {
            chain.import(block.clone(), Origin::Peer).unwrap();
        }
        let head = chain.head().hash;
        drop(chain);
        mount.remount("ro");
        let Err(error) = open_with(&dir, &spec, options(engine)) else { panic!("opened") };
        let error = text(&error);
        assert!(error.contains("read-only") && error.contains("mount it writable"), "{error}");
        mount.remount("rw");
        assert_eq!(open_with(&dir, &spec, options(engine)).unwrap().head().hash, head);
    }
}

/// Between a write that failed and the file opened anew redb answers no read: a reader met that, and took a block for one
/// that cannot be imported.
#[test]
fn a_reader_waits_while_redb_opens_its_file_again() {
    const TABLE: Table = Table("rows");
    let scratch = temporary();
    let Some(_mount) = Mount::new(&scratch.path().join("disk"), 2 << 10) else { return };
    let kv = Kv::open(&scratch.path().join("disk"), DbEngine::Redb, &[TABLE], 64 << 10).unwrap();
    let rows = || (0..100_u32).map(|row| row.to_be_bytes());
    let mut kept = Batch::new();
    rows().for_each(|row| kept.put(TABLE, row, vec![7; 4096]));
    kv.write(kept).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = || {
            while !done.load(Ordering::Relaxed) {
                for row in rows() {
                    match kv.get(TABLE, &row) {
                        Ok(value) => assert_eq!(value, Some(vec![7; 4096])),
                        Err(error) => assert!(matches!(error, KvError::Closed { .. }), "{}", text(&error)),
                    }
                }
            }
        };
        let readers = [scope.spawn(reading), scope.spawn(reading)];
        for round in 0..50_u32 {
            let mut much = Batch::new();
            (0..1000_u32).for_each(|row| much.put(TABLE, (row + 1000).to_be_bytes(), vec![round as u8; 4096]));
            let error = text(&kv.write(much).unwrap_err());
            assert!(error.contains("make room"), "{error}");
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
