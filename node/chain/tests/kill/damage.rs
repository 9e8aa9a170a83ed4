//! Damaged tables and segments: opening or `verify` names what is damaged, `rebuild` makes it again, and the chain goes
//! on.

use super::{
    check::{Announced, check},
    child::{options, text},
    copy_dir,
    script::{self, CONTRACT, Script},
    temporary,
};
use crate::support::{key, open_as, open_with};
use atoll_chain::{Chain, ChainError, ChainOptions, Direction, Origin, rebuild};
use atoll_consensus::engine;
use atoll_kv::{Batch, Kv, Table};
use atoll_primitives::B256;
use atoll_storage::{DbEngine, LogQuery, Rebuilt, Report, Scope, TxPlace, table_names, verify};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fs::{self, OpenOptions},
    ops::Bound,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const ENGINES: [DbEngine; 2] = [DbEngine::Redb, DbEngine::Sled];

/// A chain with side blocks and reorganisations, closed; copies of it are damaged.
struct Sample {
    home: TempDir,
    script: Script,
    engine: DbEngine,
    head: B256,
    searches: Searches,
}

impl Sample {
    fn new(engine: DbEngine) -> Self {
        let script = Script::generate(7, 120);
        let home = temporary();
        let chain = open_indexed(home.path(), engine);
        feed(&chain, &script);
        indexed(&chain);
        let (head, searches) = (chain.head().hash, Searches::of(&chain));
        assert!(searches.logs.len() > 10 && searches.places.iter().all(|places| places.len() > 10), "{searches:?}");
        chain.shutdown().unwrap();
        drop(chain);
        // Opening deletes the rows of runs that the last flush may have merged: nobody reads those any more, so a damaged one
        // would not be noticed.
        drop(open(home.path(), engine).unwrap());
        Self { home, script, engine, head, searches }
    }

    fn copy(&self) -> TempDir {
        let copy = temporary();
        copy_dir(self.home.path(), copy.path());
        copy
    }

    /// After a rebuild: nothing is wrong, and everything is served as before.
    fn assert_whole(&self, dir: &Path) {
        assert_sound(dir);
        let announced = Announced { last: Some(self.head), heads: [self.head].into() };
        check(dir, &self.script, self.engine, &announced, &mut StdRng::seed_from_u64(1));
        self.assert_searches(dir);
    }

    /// Logs and addresses are found where they were.
    fn assert_searches(&self, dir: &Path) {
        let chain = open_indexed(dir, self.engine);
        indexed(&chain);
        assert_eq!(Searches::of(&chain), self.searches);
    }
}

/// What the indexes are asked.
#[derive(Debug, PartialEq, Eq)]
struct Searches {
    logs: Vec<u64>,
    places: [Vec<TxPlace>; 3],
}

impl Searches {
    fn of(chain: &Chain) -> Self {
        let soon = || Instant::now() + Duration::from_secs(60);
        let mut scan = chain.storage().scan_logs(&LogQuery::default(), 0..=u64::MAX);
        let logs = std::iter::from_fn(|| scan.next_blocks(64, soon()).unwrap()).flatten().collect();
        let index = chain.addresses().unwrap();
        let places = |address| index.search(&address, Direction::Before, None, usize::MAX, soon()).unwrap().places;
        Self { logs, places: [key(0).address(), key(1).address(), CONTRACT].map(places) }
    }
}

/// With an index of addresses.
fn open_indexed(dir: &Path, engine: DbEngine) -> Chain {
    let indexing = ChainOptions { index_addresses: true, ..ChainOptions::default() };
    open_as(dir, &script::spec(), options(engine), indexing).unwrap()
}

/// Waits for the index of addresses: it is written in batches of 16 blocks.
fn indexed(chain: &Chain) {
    let storage = chain.storage();
    let deadline = Instant::now() + Duration::from_secs(60);
    while storage.addresses_end().unwrap_or(0) + 16 <= storage.base().number {
        assert!(Instant::now() < deadline, "the index of addresses stands still");
        thread::sleep(Duration::from_millis(20));
    }
}

fn open(dir: &Path, engine: DbEngine) -> Result<Chain, ChainError> {
    open_with(dir, &script::spec(), options(engine))
}

fn feed(chain: &Chain, script: &Script) {
    for block in &script.blocks {
        chain.import(block.clone(), Origin::Peer).unwrap();
    }
}

fn verified(dir: &Path) -> Report {
    verify(dir, &script::spec(), 1 << 20, &mut |_| ()).unwrap()
}

fn assert_sound(dir: &Path) {
    let report = verified(dir);
    assert!(report.is_sound(), "{:#?}", report.faults);
}

pub fn rebuilt(dir: &Path, scope: Scope) -> Rebuilt {
    let spec = script::spec();
    let engine = engine(spec.clone()).unwrap();
    rebuild(spec, engine, dir, options(DbEngine::Redb), scope, &mut |_| ()).unwrap()
}

/// Opening is refused, with this in the message, and with the way out of it.
fn assert_refused(dir: &Path, engine: DbEngine, part: &str) {
    let Err(error) = open(dir, engine) else { panic!("opened in spite of damage in {part}") };
    let text = text(&error);
    assert!(text.contains(part) && text.contains("atoll db rebuild"), "{text}");
}

/// Changes the rows of a closed store.
fn edit(dir: &Path, engine: DbEngine, change: impl FnOnce(&Kv) -> Batch) {
    let tables: Vec<Table> = table_names().map(Table).collect();
    let kv = Kv::open(&dir.join("tables"), engine, &tables, 1 << 20).unwrap();
    kv.write(change(&kv)).unwrap();
}

fn rows(kv: &Kv, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    kv.range(table, Bound::Unbounded, Bound::Unbounded, false, usize::MAX).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Changed,
    Gone,
    LeftOver,
}

/// Damages a row in the middle of a table.
fn damage(kv: &Kv, table: Table, damage: Damage) -> Batch {
    let rows = rows(kv, table);
    assert!(!rows.is_empty(), "{} has no rows", table.0);
    let (mut key, mut value) = rows[rows.len() / 2].clone();
    let mut batch = Batch::new();
    match damage {
        Damage::Gone => batch.delete(table, key),
        Damage::Changed => {
            match value.last_mut() {
                Some(byte) => *byte ^= 1,
                None => value.push(1),
            }
            batch.put(table, key, value);
        }
        Damage::LeftOver => {
            let last = key.len() - 1;
            let taken = |key: &[u8]| rows.iter().any(|(other, _)| other == key);
            let byte = (0..=255).rev().find(|byte| {
                key[last] = *byte;
                !taken(&key)
            });
            assert!(byte.is_some());
            batch.put(table, key, value);
        }
    }
    batch
}

/// Tables of which every row is looked at by `verify`; of `meta` there is a test of its own.
fn tables() -> Vec<Table> {
    table_names().filter(|name| *name != "meta").map(Table).collect()
}

fn every_damage_is_named_and_mended(engine: DbEngine, kinds: &[Damage]) {
    let sample = Sample::new(engine);
    assert_sound(sample.home.path());
    for table in tables() {
        for kind in kinds {
            let copy = sample.copy();
            edit(copy.path(), engine, |kv| damage(kv, table, *kind));
            let report = verified(copy.path());
            assert!(report.counts.contains_key(table.0), "{kind:?} in {}: {:#?}", table.0, report.faults);
            let scope = Scope::of(report.counts.keys().copied()).unwrap();
            let result = rebuilt(copy.path(), scope);
            assert_eq!(result.hash, sample.head, "{kind:?} in {}", table.0);
            assert!(result.kept.join("tables").is_dir(), "the damaged tables are kept");
            sample.assert_whole(copy.path());
        }
    }
}

#[test]
fn every_table_of_redb_is_checked_and_made_again() {
    every_damage_is_named_and_mended(DbEngine::Redb, &[Damage::Changed, Damage::Gone, Damage::LeftOver]);
}

#[test]
fn every_table_of_sled_is_checked_and_made_again() {
    every_damage_is_named_and_mended(DbEngine::Sled, &[Damage::Gone]);
}

#[test]
fn an_index_that_is_behind_is_not_damaged() {
    let sample = Sample::new(DbEngine::Redb);
    // As in a directory of before there were indexes.
    edit(sample.home.path(), sample.engine, |kv| {
        let mut batch = Batch::new();
        for table in ["log_index", "log_runs", "address_index", "address_runs"].map(Table) {
            rows(kv, table).into_iter().for_each(|(key, _)| batch.delete(table, key));
        }
        batch
    });
    assert_sound(sample.home.path());
    sample.assert_whole(sample.home.path());
}

#[test]
fn only_what_is_damaged_is_made_again() {
    let of = |tables: &[&'static str]| Scope::of(tables.iter().copied()).unwrap();
    assert_eq!(of(&["log_index", "log_runs", "headers"]), Scope::Indexes);
    assert_eq!(of(&["address_runs", "log_index"]), Scope::Addresses);
    assert_eq!(of(&["state_roots", "address_index"]), Scope::Everything);
    assert_eq!(of(&["log_index", "state"]), Scope::Everything);
}

#[test]
fn opening_names_the_damaged_table() {
    let sample = Sample::new(DbEngine::Redb);
    let head = sample.head.to_vec();
    let number = sample.script.height(&sample.head).unwrap().to_be_bytes().to_vec();
    let cases = [
        ("meta", b"base".to_vec()),
        ("meta", b"journal".to_vec()),
        ("meta", b"genesis".to_vec()),
        ("headers", head.clone()),
        ("canonical", number.clone()),
        ("total_difficulty", head.clone()),
        ("locations", head),
        ("state_roots", number),
        ("meta", b"state".to_vec()),
    ];
    for (table, key) in cases {
        let table = Table(table);
        let copy = sample.copy();
        edit(copy.path(), sample.engine, |_| {
            let mut batch = Batch::new();
            batch.delete(table, key.clone());
            batch
        });
        assert_refused(copy.path(), sample.engine, table.0);
        assert!(verified(copy.path()).counts.contains_key(table.0), "{}", table.0);
        assert_eq!(rebuilt(copy.path(), Scope::Everything).hash, sample.head);
        sample.assert_whole(copy.path());
    }
}

#[test]
fn reading_a_damaged_row_says_what_to_do() {
    let sample = Sample::new(DbEngine::Redb);
    let chain = open(sample.home.path(), sample.engine).unwrap();
    let old = chain.storage().canonical_hash(10).unwrap().unwrap();
    drop(chain);
    let nowhere = [0u8; 12].map(|_| 1u8).to_vec();
    edit(sample.home.path(), sample.engine, |_| {
        let mut batch = Batch::new();
        batch.put(Table("locations"), old.as_slice(), nowhere);
        batch
    });
    let chain = open(sample.home.path(), sample.engine).unwrap();
    let error = text(&chain.storage().block(&old).unwrap_err());
    assert!(error.contains("atoll db rebuild"), "{error}");
}

#[test]
fn tables_that_are_gone_are_not_taken_for_a_new_chain() {
    let sample = Sample::new(DbEngine::Redb);
    fs::remove_dir_all(sample.home.path().join("tables")).unwrap();
    for _ in 0..2 {
        assert_refused(sample.home.path(), sample.engine, "segments");
    }
    assert_eq!(rebuilt(sample.home.path(), Scope::Everything).hash, sample.head);
    sample.assert_whole(sample.home.path());
}

#[test]
fn a_damaged_state_log_is_named_and_made_again() {
    let sample = Sample::new(DbEngine::Redb);
    // The newest: opening looks at no other.
    let files = fs::read_dir(sample.home.path().join("state")).unwrap();
    let name = files.map(|file| file.unwrap().file_name()).max().unwrap();
    let file = |dir: &Path| dir.join("state").join(&name);
    let whole = fs::read(file(sample.home.path())).unwrap();
    // A flipped bit, a file cut short, cut to nothing, and missing.
    for case in 0..4 {
        let copy = sample.copy();
        let path = file(copy.path());
        match case {
            0 => {
                let mut bytes = whole.clone();
                bytes[whole.len() / 2] ^= 0x10;
                fs::write(&path, bytes).unwrap();
            }
            1 => cut(&path, whole.len() as u64 / 2),
            2 => cut(&path, 0),
            _ => fs::remove_file(&path).unwrap(),
        }
        if case > 0 {
            assert_refused(copy.path(), sample.engine, "state");
        }
        let report = verified(copy.path());
        assert!(report.counts.contains_key("state"), "{case}: {:#?}", report.faults);
        let result = rebuilt(copy.path(), Scope::of(report.counts.keys().copied()).unwrap());
        assert_eq!(result.hash, sample.head);
        assert!(result.kept.join("state").is_dir(), "the damaged log is kept");
        sample.assert_whole(copy.path());
    }
}

#[test]
fn a_rebuild_broken_off_between_tables_and_state_is_completed() {
    let sample = Sample::new(DbEngine::Redb);
    let copy = sample.copy();
    let dir = copy.path();
    let result = rebuilt(dir, Scope::Everything);
    // As if the process had died before the state was put into its place.
    fs::rename(dir.join("state"), dir.join("state.rebuilt")).unwrap();
    fs::rename(result.kept.join("state"), dir.join("state")).unwrap();
    fs::write(dir.join("state/00000000.nodes"), b"damaged").unwrap();
    sample.assert_searches(dir);
    assert!(!dir.join("state.rebuilt").exists());
    sample.assert_whole(dir);
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn cut(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Whatever happened to the block files, the chain is rebuilt up to the damage and goes on from there.
fn mended(sample: &Sample, dir: &Path) {
    let before = sample.script.height(&sample.head).unwrap();
    let result = rebuilt(dir, Scope::Everything);
    // What was lost is missed, or the chain is simply shorter.
    assert!(result.head < before || result.lost.blocks > 0 || !result.lost.is_nothing(), "{result:?}");
    assert_sound(dir);
    let chain = open(dir, sample.engine).unwrap();
    assert_eq!(chain.head().hash, result.hash);
    feed(&chain, &sample.script);
    assert_eq!(chain.head().hash, sample.head, "peers bring the rest");
    chain.shutdown().unwrap();
    drop(chain);
    sample.assert_whole(dir);
}

#[test]
fn damaged_segments_are_named_and_the_chain_goes_on_before_the_damage() {
    let sample = Sample::new(DbEngine::Redb);
    let count = segments(sample.home.path()).len();
    assert!(count > 3, "{count} segments");
    // A flipped bit in the middle, a missing file, one cut short, one cut to nothing.
    for case in 0..4 {
        let copy = sample.copy();
        let path = &segments(copy.path())[count / 2];
        let len = fs::metadata(path).unwrap().len();
        match case {
            0 => {
                let mut bytes = fs::read(path).unwrap();
                bytes[len as usize / 2] ^= 0x10;
                fs::write(path, bytes).unwrap();
            }
            1 => fs::remove_file(path).unwrap(),
            2 => cut(path, len / 3),
            _ => cut(path, 0),
        }
        let report = verified(copy.path());
        assert!(report.counts.contains_key("segments"), "{case}: {:#?}", report.faults);
        mended(&sample, copy.path());
    }
}

#[test]
fn a_newest_segment_cut_short_is_noticed_and_never_overwritten() {
    let sample = Sample::new(DbEngine::Redb);
    let last = segments(sample.home.path()).len() - 1;
    let whole = fs::metadata(&segments(sample.home.path())[last]).unwrap().len();
    for left in [0, whole / 2, whole.saturating_sub(60)] {
        let copy = sample.copy();
        cut(&segments(copy.path())[last], left);
        match open(copy.path(), sample.engine) {
            // Only what came after the newest persisted block was lost.
            Ok(chain) => {
                feed(&chain, &sample.script);
                assert_eq!(chain.head().hash, sample.head);
                chain.shutdown().unwrap();
                drop(chain);
                // Records of side blocks may be among it.
                if !verified(copy.path()).is_sound() {
                    rebuilt(copy.path(), Scope::Everything);
                }
                sample.assert_whole(copy.path());
            }
            Err(error) => {
                let error = text(&error);
                assert!(error.contains("segment") && error.contains("atoll db rebuild"), "{error}");
                mended(&sample, copy.path());
            }
        }
    }
}

fn a_tables_file_cut_short_is_an_error_not_a_panic(engine: DbEngine, file: &str) {
    let sample = Sample::new(engine);
    let whole = fs::metadata(sample.home.path().join(file)).unwrap().len();
    for left in [0, 100, 4096, whole / 2, whole - 4096, whole - 1] {
        let copy = sample.copy();
        cut(&copy.path().join(file), left);
        if let Err(error) = open(copy.path(), engine) {
            let error = text(&error);
            assert!(error.contains("atoll db rebuild"), "cut to {left} of {whole}: {error}");
        }
        let result = rebuilt(copy.path(), Scope::Everything);
        assert_eq!(result.hash, sample.head, "cut to {left} of {whole}");
        sample.assert_whole(copy.path());
    }
}

#[test]
fn a_cut_redb_file() {
    a_tables_file_cut_short_is_an_error_not_a_panic(DbEngine::Redb, "tables/tables.redb");
}

#[test]
fn a_cut_sled_file() {
    a_tables_file_cut_short_is_an_error_not_a_panic(DbEngine::Sled, "tables/tables.sled/db");
}

#[test]
fn both_engines_verify_after_a_kill() {
    for engine in ENGINES {
        let script = Script::generate(9, 60);
        let home = temporary();
        let chain = open(home.path(), engine).unwrap();
        feed(&chain, &script);
        // As after `kill -9`: nothing more is written.
        drop(chain);
        assert_sound(home.path());
    }
}
