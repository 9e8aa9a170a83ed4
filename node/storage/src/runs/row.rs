//! Postings as rows: sorted, delta-coded, cut into pieces of about half a page. It must not know runs or what a
//! posting stands for.
//!
//! A row's key is run ‖ key ‖ place of its first posting (8 bytes each, big-endian). Its value is a row of groups, one
//! a key: the distance to the key before (the row's own for the first), then the places as distances, the first to the
//! start of the run plus one, and a zero that ends the group. All numbers are varints.

use super::Posting;
use crate::StorageError;
use unsigned_varint::{decode, encode};

/// Two rows of this size, with their keys, fit a page of 4 KiB.
const ROW_BYTES: usize = 1900;
/// Bytes of a row's key.
pub(super) const KEY_BYTES: usize = 24;

pub(super) fn row_key(run: u64, key: u64, at: u64) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes[..8].copy_from_slice(&run.to_be_bytes());
    bytes[8..16].copy_from_slice(&key.to_be_bytes());
    bytes[16..].copy_from_slice(&at.to_be_bytes());
    bytes
}

/// The first posting of a row, from its key.
pub(super) fn first_posting(row_key: &[u8]) -> Result<Posting, StorageError> {
    let bytes: [u8; KEY_BYTES] = row_key.try_into().map_err(|_| damaged())?;
    let [key, at] = [8, 16].map(|from| bytes[from..from + 8].iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
    Ok(Posting { key, at })
}

fn damaged() -> StorageError {
    StorageError::corrupt("a row of postings that does not decode")
}

fn push(row: &mut Vec<u8>, number: u64) {
    row.extend_from_slice(encode::u64(number, &mut encode::u64_buffer()));
}

/// Hands on the rows of a run whose places begin at `first`. The postings are sorted and differ.
pub(super) fn encode_rows(run: u64, first: u64, postings: &[Posting], mut put: impl FnMut([u8; KEY_BYTES], Vec<u8>)) {
    let mut row = Vec::with_capacity(ROW_BYTES + 32);
    let mut row_starts: Option<[u8; KEY_BYTES]> = None;
    let mut before: Option<Posting> = None;
    for posting in postings {
        match before {
            Some(before) if before.key == posting.key => push(&mut row, posting.at - before.at),
            _ => {
                if before.is_some() {
                    row.push(0);
                }
                push(&mut row, before.map_or(0, |before| posting.key - before.key));
                push(&mut row, posting.at - first + 1);
            }
        }
        let starts = *row_starts.get_or_insert_with(|| row_key(run, posting.key, posting.at));
        before = Some(*posting);
        if row.len() >= ROW_BYTES {
            put(starts, std::mem::replace(&mut row, Vec::with_capacity(ROW_BYTES + 32)));
            (row_starts, before) = (None, None);
        }
    }
    if let Some(starts) = row_starts {
        put(starts, row);
    }
}

/// Visits the postings of a row in order, until `visit` says that it has seen enough. Whether it did.
pub(crate) fn visit_row(
    row_key: &[u8],
    mut row: &[u8],
    first: u64,
    mut visit: impl FnMut(Posting) -> bool,
) -> Result<bool, StorageError> {
    let mut next = || -> Result<Option<u64>, StorageError> {
        if row.is_empty() {
            return Ok(None);
        }
        let (number, rest) = decode::u64(row).map_err(|_| damaged())?;
        row = rest;
        Ok(Some(number))
    };
    let mut key = first_posting(row_key)?.key;
    while let Some(distance) = next()? {
        key = key.checked_add(distance).ok_or_else(damaged)?;
        let from_start = next()?.and_then(|number| number.checked_sub(1)).ok_or_else(damaged)?;
        let mut at = first.checked_add(from_start).ok_or_else(damaged)?;
        if visit(Posting { key, at }) {
            return Ok(true);
        }
        while let Some(distance) = next()?.filter(|distance| *distance > 0) {
            at = at.checked_add(distance).ok_or_else(damaged)?;
            if visit(Posting { key, at }) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(postings: &[Posting], first: u64) -> usize {
        let mut rows = Vec::new();
        encode_rows(3, first, postings, |key, row| rows.push((key, row)));
        let mut found = Vec::new();
        for (key, row) in &rows {
            let before = found.len();
            let stopped = visit_row(key, row, first, |posting| {
                found.push(posting);
                false
            });
            assert!(!stopped.unwrap());
            assert_eq!(first_posting(key).unwrap(), found[before], "a row's key is its first posting");
        }
        assert_eq!(found, postings);
        rows.len()
    }

    #[test]
    fn rows_hold_what_was_put_in() {
        assert_eq!(round_trip(&[], 1), 0);
        assert_eq!(round_trip(&[Posting { key: u64::MAX, at: u64::MAX - 1 }], u64::MAX - 1), 1);
        // One key over many rows, and many keys in one.
        let dense: Vec<_> = (10..9_000).map(|at| Posting { key: 7, at }).collect();
        assert!(round_trip(&dense, 10) > 3);
        let sparse: Vec<_> = (0..5_000).map(|n: u64| Posting { key: n << 40, at: 10 + n % 90 }).collect();
        assert!(round_trip(&sparse, 10) > 10);
    }

    #[test]
    fn damage_is_an_error() {
        let key = row_key(1, 2, 3);
        for row in [&[0x80][..], &[0], &[0, 0], &[0, 1, 0x80]] {
            let visited = visit_row(&key, row, 3, |_| false);
            assert!(matches!(visited, Err(StorageError::Corrupt { .. })), "{row:?}");
        }
        assert!(matches!(first_posting(&key[1..]), Err(StorageError::Corrupt { .. })));
        let far = [0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(matches!(visit_row(&key, &far, 3, |_| false), Err(StorageError::Corrupt { .. })));
    }
}
