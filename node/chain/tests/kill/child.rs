//! The process that is killed: imports the script's blocks from where it is told, and says on standard output what
//! was announced as canonical, once the import has returned.

use super::script::{self, Script};
use crate::support::open_with;
use atoll_chain::{Chain, ChainEvent, Origin};
use atoll_storage::{DbEngine, StorageOptions};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// What the child is told, each in a variable of its own.
const DIR: &str = "ATOLL_KILL_CHILD_DIR";
const SCRIPT: &str = "ATOLL_KILL_CHILD_SCRIPT";
const ENGINE: &str = "ATOLL_KILL_CHILD_ENGINE";
const FROM: &str = "ATOLL_KILL_CHILD_FROM";
const SEED: &str = "ATOLL_KILL_CHILD_SEED";
/// Whether it tries again what the disk refuses.
const PATIENT: &str = "ATOLL_KILL_CHILD_PATIENT";

/// Blocks below the head that stay in memory, and bytes of a segment: small, so that flushes and new segments are
/// frequent.
pub fn options(engine: DbEngine) -> StorageOptions {
    StorageOptions {
        engine,
        cache_bytes: 1 << 20,
        flush_depth: 4,
        segment_bytes: 24 << 10,
        ..StorageOptions::default()
    }
}

pub struct Orders<'a> {
    pub dir: &'a Path,
    pub script: &'a Path,
    pub engine: DbEngine,
    pub from: usize,
    pub seed: u64,
    /// A place to die at, for `ATOLL_FAULT`.
    pub fault: Option<String>,
    /// Whether it says what the disk refuses, and tries again until it does not; else that is the end.
    pub patient: bool,
}

pub fn spawn(orders: &Orders<'_>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["the_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, orders.dir)
        .env(SCRIPT, orders.script)
        .env(ENGINE, orders.engine.to_string())
        .env(FROM, orders.from.to_string())
        .env(SEED, orders.seed.to_string())
        .env(PATIENT, orders.patient.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match &orders.fault {
        Some(fault) => command.env(atoll_storage::fault::VARIABLE, fault),
        None => command.env_remove(atoll_storage::fault::VARIABLE),
    };
    command.spawn().unwrap()
}

/// Runs until it is killed; returns at once where nobody gave orders.
pub fn run() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let told = |name: &str| std::env::var(name).unwrap();
    let dir = PathBuf::from(dir);
    let script = Script::read(Path::new(&told(SCRIPT)));
    let engine: DbEngine = told(ENGINE).parse().unwrap();
    let mut rng = StdRng::seed_from_u64(told(SEED).parse().unwrap());
    let mut next: usize = told(FROM).parse().unwrap();
    let spec = script::spec();
    let open = || open_with(&dir, &spec, options(engine)).unwrap();
    let mut chain = open();
    let mut events = chain.events();
    let patient = told(PATIENT) == "true";
    println!("opened {}", chain.head().hash);
    while next < script.blocks.len() {
        let count = if rng.random() { 1 } else { rng.random_range(2..20) };
        let end = (next + count).min(script.blocks.len());
        // A batch is one chain; another part starts elsewhere.
        let end = (next..end).take_while(|index| script.part[*index] == script.part[next]).last().unwrap() + 1;
        let blocks = script.blocks[next..end].to_vec();
        insist(patient, || match blocks.as_slice() {
            [block] => chain.import(block.clone(), Origin::Peer).map(drop).map_err(|error| text(&error)),
            blocks => chain.import_many(blocks.to_vec(), Origin::Sync).map(drop).map_err(|error| text(&error)),
        });
        announce(&mut events);
        next = end;
        println!("next {next}");
        // An orderly stop now and then: it flushes everything, and can be killed on the way too.
        if rng.random_range(0..40) == 0 {
            stop(chain, patient);
            chain = open();
            events = chain.events();
            println!("opened {}", chain.head().hash);
            // What was set aside of a branch went with the old handle: the branch is sent again.
            next = script.part.get(next).copied().unwrap_or(next);
        }
    }
    stop(chain, patient);
    println!("done");
    loop {
        std::thread::park();
    }
}

fn stop(chain: Chain, patient: bool) {
    insist(patient, || chain.shutdown().map_err(|error| text(&error)));
    drop(chain);
}

/// Does something until it succeeds; the impatient fail with it.
fn insist(patient: bool, mut task: impl FnMut() -> Result<(), String>) {
    while let Err(error) = task() {
        assert!(patient, "{error}");
        println!("refused {error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An error with its causes, as a person reads it.
pub fn text(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The heads that the import which just returned has announced.
fn announce(events: &mut Receiver<ChainEvent>) {
    loop {
        match events.try_recv() {
            Ok(ChainEvent::Head(change)) => println!("head {}", change.head.hash),
            Ok(ChainEvent::Side(_)) => {}
            Err(TryRecvError::Empty) => return,
            Err(error) => panic!("{error}"),
        }
    }
}
