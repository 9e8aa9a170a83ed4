//! One suite over every engine: what one promises, all keep.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use atoll_kv::{Batch, Engine, Kv, KvError, Table};
use std::{collections::BTreeMap, ops::Bound, path::Path};

const A: Table = Table("a");
const AB: Table = Table("ab");
const ENGINES: [Engine; 2] = [Engine::Redb, Engine::Sled];
const CACHE: usize = 4 << 20;

fn open(dir: &Path, engine: Engine) -> Kv {
    Kv::open(dir, engine, &[A, AB], CACHE).unwrap()
}

fn each(test: impl Fn(Engine, &Path)) {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        test(engine, dir.path());
    }
}

#[test]
fn a_batch_over_tables_is_read_back_also_after_reopening() {
    each(|engine, dir| {
        let kv = open(dir, engine);
        let mut batch = Batch::new();
        batch.put(A, *b"key", *b"1");
        batch.put(AB, *b"key", *b"2");
        batch.put(A, Vec::new(), *b"empty key");
        batch.put(A, *b"empty value", Vec::new());
        kv.write(batch).unwrap();
        drop(kv);
        let kv = open(dir, engine);
        assert_eq!(kv.get(A, b"key").unwrap().unwrap(), b"1");
        assert_eq!(kv.get(AB, b"key").unwrap().unwrap(), b"2");
        assert_eq!(kv.get(A, b"").unwrap().unwrap(), b"empty key");
        assert_eq!(kv.get(A, b"empty value").unwrap().unwrap(), b"");
        assert_eq!(kv.get(AB, b"").unwrap(), None);
        assert_eq!(kv.engine(), engine);
    });
}

#[test]
fn the_later_change_of_a_key_holds() {
    each(|engine, dir| {
        let kv = open(dir, engine);
        let mut batch = Batch::new();
        batch.put(A, *b"k", *b"1");
        batch.put(A, *b"k", *b"2");
        batch.put(A, *b"gone", *b"1");
        batch.delete(A, *b"gone");
        batch.delete(A, *b"back");
        batch.put(A, *b"back", *b"1");
        batch.delete(A, *b"never there");
        assert_eq!(batch.len(), 7);
        kv.write(batch).unwrap();
        assert_eq!(kv.get(A, b"k").unwrap().unwrap(), b"2");
        assert_eq!(kv.get(A, b"gone").unwrap(), None);
        assert_eq!(kv.get(A, b"back").unwrap().unwrap(), b"1");
    });
}

#[test]
fn a_batch_naming_an_unknown_table_changes_nothing() {
    each(|engine, dir| {
        let kv = open(dir, engine);
        let mut batch = Batch::new();
        batch.put(A, *b"k", *b"1");
        batch.put(Table("other"), *b"k", *b"1");
        assert!(matches!(kv.write(batch), Err(KvError::UnknownTable("other"))));
        assert_eq!(kv.get(A, b"k").unwrap(), None);
        assert!(matches!(kv.get(Table("other"), b"k"), Err(KvError::UnknownTable("other"))));
    });
}

/// Every range over every pair of bounds, both directions, against a `BTreeMap`.
#[test]
fn ranges_agree_with_an_ordered_map() {
    each(|engine, dir| {
        let kv = open(dir, engine);
        let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
        let model: BTreeMap<Vec<u8>, Vec<u8>> = keys.iter().map(|key| (key.to_vec(), vec![key.len() as u8])).collect();
        let mut batch = Batch::new();
        for (key, value) in &model {
            batch.put(A, key.clone(), value.clone());
            // Neighbours on both sides of the table must never show.
            batch.put(AB, key.clone(), *b"neighbour");
        }
        kv.write(batch).unwrap();
        let bounds: Vec<Bound<&[u8]>> = std::iter::once(Bound::Unbounded)
            .chain(keys.iter().flat_map(|key| [Bound::Included(*key), Bound::Excluded(*key)]))
            .collect();
        for start in &bounds {
            for end in &bounds {
                let inside = |key: &[u8]| {
                    let after = match start {
                        Bound::Unbounded => true,
                        Bound::Included(at) => key >= *at,
                        Bound::Excluded(at) => key > *at,
                    };
                    let before = match end {
                        Bound::Unbounded => true,
                        Bound::Included(at) => key <= *at,
                        Bound::Excluded(at) => key < *at,
                    };
                    after && before
                };
                let mut expected: Vec<_> = model.clone().into_iter().filter(|(key, _)| inside(key)).collect();
                assert_eq!(kv.range(A, *start, *end, false, 100).unwrap(), expected, "{engine} {start:?} {end:?}");
                expected.truncate(2);
                assert_eq!(kv.range(A, *start, *end, false, 2).unwrap(), expected);
                let reversed = model.clone().into_iter().rev().filter(|(key, _)| inside(key)).take(3);
                assert_eq!(kv.range(A, *start, *end, true, 3).unwrap(), reversed.collect::<Vec<_>>());
                assert!(kv.range(A, *start, *end, true, 0).unwrap().is_empty());
            }
        }
    });
}

#[test]
fn a_directory_belongs_to_the_engine_that_wrote_it() {
    for (wrote, asked) in [(Engine::Redb, Engine::Sled), (Engine::Sled, Engine::Redb)] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), wrote));
        let Err(err) = Kv::open(dir.path(), asked, &[A], CACHE) else { panic!("opened with {asked}") };
        assert!(matches!(&err, KvError::WrongEngine { found, asked: a, .. } if *found == wrote && *a == asked));
        let text = err.to_string();
        assert!(text.contains(&wrote.to_string()) && text.contains(&asked.to_string()), "{text}");
    }
}

#[test]
fn a_store_is_open_once() {
    each(|engine, dir| {
        let first = open(dir, engine);
        assert!(matches!(Kv::open(dir, engine, &[A, AB], CACHE), Err(KvError::InUse { .. })), "{engine}");
        drop(first);
        open(dir, engine);
    });
}

#[test]
fn an_unusable_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let Err(err) = Kv::open(&file.join("sub"), Engine::Redb, &[A], CACHE) else { panic!("opened below a file") };
    assert!(matches!(err, KvError::Io { .. }));
    assert!(err.to_string().contains("sub"), "{err}");
    std::fs::write(dir.path().join("ENGINE"), "rocks\n").unwrap();
    assert!(matches!(Kv::open(dir.path(), Engine::Redb, &[A], CACHE), Err(KvError::UnknownEngine { .. })));
}

#[test]
fn names_round_trip() {
    for engine in ENGINES {
        assert_eq!(engine.to_string().parse::<Engine>().unwrap(), engine);
    }
    assert!("lmdb".parse::<Engine>().is_err());
}

/// Readers in other threads see a batch whole or not at all.
#[test]
fn readers_see_whole_batches() {
    each(|engine, dir| {
        let kv = open(dir, engine);
        let put = |n: u32| {
            let mut batch = Batch::new();
            for key in 0..8u8 {
                batch.put(A, [key], n.to_be_bytes());
            }
            kv.write(batch).unwrap();
        };
        put(0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut last = 0;
                while last < 20 {
                    let key = |key: u8| u32::from_be_bytes(kv.get(A, &[key]).unwrap().unwrap().try_into().unwrap());
                    // Read first, a later batch may come between: never an older value after a newer one.
                    let (first, second) = (key(0), key(7));
                    assert!(second >= first && first >= last);
                    last = second;
                }
            });
            (1..=20).for_each(put);
            reader.join().unwrap();
        });
    });
}
