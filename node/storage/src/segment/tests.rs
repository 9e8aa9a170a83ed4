//! Segments cut and damaged at every byte: what was whole before the damage is read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const START: Position = Position { segment: 0, offset: 0 };
const SMALL: u64 = 64;

fn open(dir: &Path, segment_bytes: u64) -> (Segments, Vec<(u8, Vec<u8>)>) {
    let mut found = Vec::new();
    let visit = &mut |record: Scanned| {
        found.push((record.kind, record.payload));
        Ok(())
    };
    let segments = Segments::open(dir, START, segment_bytes, visit).unwrap();
    (segments, found)
}

fn record(n: u8) -> (u8, Vec<u8>) {
    (n % 3, vec![n; usize::from(n) * 3])
}

fn write(dir: &Path, segment_bytes: u64, count: u8) -> Vec<Position> {
    let (segments, _) = open(dir, segment_bytes);
    let mut tail = segments.tail();
    (0..count).map(|n| tail.append(record(n).0, &record(n).1).unwrap()).collect()
}

#[test]
fn records_are_read_back_over_several_segments() {
    let dir = tempfile::tempdir().unwrap();
    let positions = write(dir.path(), SMALL, 20);
    assert!(positions.last().unwrap().segment > 3);
    let (segments, found) = open(dir.path(), SMALL);
    assert_eq!(found, (0..20).map(record).collect::<Vec<_>>());
    for (n, position) in (0..).zip(&positions) {
        assert_eq!(segments.read(*position).unwrap(), record(n));
        assert_eq!(Position::decode(&position.encode()).unwrap(), *position);
    }
    let beyond = Position { offset: 5000, ..positions[19] };
    assert!(matches!(segments.read(beyond), Err(StorageError::Corrupt { .. })));
}

#[test]
fn a_last_record_cut_or_damaged_at_any_byte_is_dropped_and_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let positions = write(dir.path(), u64::MAX, 6);
    let path = segment_path(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    let last = positions[5].offset as usize;
    let cut = |at: usize| whole[..at].to_vec();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let zeroed = |at: usize| {
        let mut bytes = whole[..at].to_vec();
        bytes.resize(whole.len() + 100, 0);
        bytes
    };
    for at in last..whole.len() {
        for bytes in [cut(at), flipped(at), zeroed(at)] {
            fs::write(&path, bytes).unwrap();
            let (segments, found) = open(dir.path(), u64::MAX);
            assert_eq!(found, (0..5).map(record).collect::<Vec<_>>(), "byte {at}");
            assert_eq!(segments.tail().append(record(5).0, &record(5).1).unwrap(), positions[5]);
            drop(segments);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
}

#[test]
fn damage_in_an_older_segment_costs_the_rest_of_that_segment_only() {
    let dir = tempfile::tempdir().unwrap();
    let positions = write(dir.path(), SMALL, 20);
    let victim = positions[10];
    let path = segment_path(dir.path(), victim.segment);
    let mut bytes = fs::read(&path).unwrap();
    bytes[victim.offset as usize + 9] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let survives = |n: &u8| {
        let position = positions[usize::from(*n)];
        position.segment != victim.segment || position.offset < victim.offset
    };
    let expected: Vec<_> = (0..20).filter(survives).map(record).collect();
    assert!(expected.len() < 20);
    // Also a second time: opening never depends on what an earlier opening skipped.
    for _ in 0..2 {
        assert_eq!(open(dir.path(), SMALL).1, expected);
    }
    assert_eq!(fs::read(&path).unwrap(), bytes, "an older segment is never changed");
}
