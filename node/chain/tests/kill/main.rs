//! `kill -9` at random moments and at the worst ones, over and over: a process imports blocks, forks and
//! reorganisations, is killed, its directory is checked, and the next process goes on where it stopped.
//!
//! `ATOLL_KILLS` says how often (200 unless told; three in four on redb, the others on sled), `ATOLL_SEED` with which
//! random numbers. Both are printed, as are the places of [`atoll_storage::fault`] it died at.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod child;
mod damage;
mod disk;
mod script;
#[allow(dead_code, reason = "shared with the other tests of the chain")]
#[path = "../chain/support.rs"]
mod support;

use atoll_primitives::B256;
use atoll_storage::{DbEngine, fault::Point};
use check::{Announced, check};
use child::{Orders, spawn};
use rand::{Rng, SeedableRng, rngs::StdRng};
use script::Script;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::Child,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A number from the environment.
fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// In memory where that is possible: a kill loses no page the system has, so a disk would only be slower.
fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).unwrap()
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

/// One data directory, and how far its processes have come.
struct Life {
    home: TempDir,
    announced: Announced,
    next: usize,
    done: bool,
}

impl Life {
    fn new() -> Self {
        let life = Self { home: temporary(), announced: Announced::default(), next: 0, done: false };
        // The first process may die before it makes it.
        fs::create_dir(life.dir()).unwrap();
        life
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("chain")
    }

    fn hear(&mut self, line: &str, script: &Script) {
        // The test harness writes into the same pipe, and not always whole lines.
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [.., "head", hash] => {
                let hash: B256 = hash.parse().unwrap();
                self.announced.heads.insert(hash);
                self.announced.last = Some(hash);
            }
            // What was set aside of a branch is gone with the process: the branch is sent again.
            [.., "next", next] => {
                let next = next.parse().unwrap();
                self.next = script.part.get(next).copied().unwrap_or(next);
            }
            [.., "done"] => self.done = true,
            _ => {}
        }
    }
}

/// Reads the child's lines until it ends; at the deadline, or when it is through, kills it. Nothing it said before is missed.
fn listen(mut child: Child, deadline: Instant, life: &mut Life, script: &Script) -> String {
    let (lines, heard): (_, Receiver<String>) = channel();
    let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            lines.send(line.unwrap()).unwrap();
        }
    });
    let complaints = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    loop {
        match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                life.hear(&line, script);
                if life.done {
                    child.kill().unwrap();
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                heard.iter().for_each(|line| life.hear(&line, script));
                break;
            }
        }
    }
    reader.join().unwrap();
    assert!(!child.wait().unwrap().success(), "the child ended by itself");
    complaints.join().unwrap()
}

/// How long a process may take to come by the place where it is to die, or through the script.
const FAULT_TIME: Duration = Duration::from_secs(60);

/// How the next process dies: at a place, or at a moment.
fn death(rng: &mut StdRng, round: u64, unflushed: bool) -> (Option<(Point, u64)>, Duration) {
    if round.is_multiple_of(2) {
        // Every place in turn, so that none is left to chance. Rare ones soon, frequent ones anywhere. A chain that is
        // through begins anew and has nothing to restore: that place has its turn when there is something.
        let point = if unflushed { Point::RestoreBlock } else { Point::ALL[(round / 2) as usize % Point::ALL.len()] };
        let most = match point {
            Point::SegmentBeforeRecord | Point::SegmentHalfRecord | Point::SegmentAfterRecord => 60,
            Point::FlushPlanned | Point::FlushBeforeCommit | Point::FlushAfterCommit => 6,
            Point::ReplayBeforeBlock => 30,
            _ => 2,
        };
        return (Some((point, rng.random_range(1..=most))), FAULT_TIME);
    }
    // Early moments meet a process that is still opening.
    let most = if rng.random_range(0..4) == 0 { 60 } else { 700 };
    (None, Duration::from_micros(rng.random_range(0..most * 1000)))
}

/// What all rounds over one engine share.
struct Run {
    engine: DbEngine,
    seed: u64,
    rng: StdRng,
    script: Script,
    scratch: TempDir,
    life: Life,
    died: BTreeMap<Point, u64>,
    highest: u64,
}

impl Run {
    fn new(engine: DbEngine, seed: u64) -> Self {
        let (script, scratch) = (Script::generate(seed, 500), temporary());
        script.write(&scratch.path().join("script.rlp"));
        let (rng, died) = (StdRng::seed_from_u64(seed), BTreeMap::new());
        Self { engine, seed, rng, script, scratch, life: Life::new(), died, highest: 0 }
    }

    /// A process lives and dies; what it left is checked.
    fn round(&mut self, round: u64, fault: Option<(Point, u64)>, time: Duration) {
        let Self { engine, seed, rng, script, life, .. } = self;
        let orders = Orders {
            dir: &life.dir(),
            script: &self.scratch.path().join("script.rlp"),
            engine: *engine,
            from: life.next,
            seed: rng.random(),
            fault: fault.map(|(point, count)| format!("{point}:{count}")),
            patient: false,
        };
        let complaints = listen(spawn(&orders), Instant::now() + time, life, script);
        assert!(!complaints.contains("panicked"), "round {round} of seed {seed}: {complaints}");
        if let Some((point, _)) = fault.filter(|(point, _)| complaints.contains(&format!("dying at {point}"))) {
            *self.died.entry(point).or_default() += 1;
        }
        // A copy is checked: the next process meets the directory as this one left it.
        let copy = temporary();
        copy_dir(&life.dir(), copy.path());
        println!("round {round}: {fault:?} {time:?}, next {}", life.next);
        self.highest = self.highest.max(check(copy.path(), script, *engine, &life.announced, rng));
        if life.done {
            *life = Life::new();
        }
    }

    /// Has a process die at a place that none died at by chance: the script comes by every one of them.
    fn make_up_for(&mut self, point: Point, round: u64) {
        self.life = Life::new();
        if point == Point::RestoreBlock {
            self.round(round, Some((Point::SegmentAfterRecord, 20)), FAULT_TIME);
        }
        self.round(round, Some((point, 1)), FAULT_TIME);
    }
}

fn kill(engine: DbEngine, kills: u64, seed: u64) {
    println!("{engine}: {kills} kills, ATOLL_SEED={seed} (ATOLL_KILLS and ATOLL_SEED set them)");
    let mut run = Run::new(engine, seed);
    for round in 0..kills {
        let unflushed = round % 10 == 4 && run.life.next > 0;
        let (fault, time) = death(&mut run.rng, round, unflushed);
        run.round(round, fault, time);
    }
    if kills >= 100 {
        for point in Point::ALL {
            if !run.died.contains_key(point) {
                run.make_up_for(*point, kills);
            }
        }
        let missed: Vec<_> = Point::ALL.iter().filter(|point| !run.died.contains_key(point)).collect();
        assert!(missed.is_empty(), "never died at {missed:?}");
    }
    println!("{engine}: {kills} kills, highest head {}, died at {:?}", run.highest, run.died);
}

/// Only does something when a test below starts it.
#[test]
fn the_child() {
    child::run();
}

fn seed() -> u64 {
    told("ATOLL_SEED").unwrap_or(20_251_125)
}

fn kills() -> u64 {
    told("ATOLL_KILLS").unwrap_or(200)
}

#[test]
fn on_redb_nothing_announced_is_lost() {
    kill(DbEngine::Redb, kills() - kills() / 4, seed());
}

#[test]
fn on_sled_nothing_announced_is_lost() {
    kill(DbEngine::Sled, kills() / 4, seed().wrapping_add(1));
}
