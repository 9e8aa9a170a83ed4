//! Walking the places of one key. It must not know who asks.

use super::{Posting, Run, RunIndex, Snapshot, row};
use crate::StorageError;
use atoll_kv::Kv;
use std::ops::Bound;

/// The places of one key, forwards. It reads a row when it is asked for a place beyond the row before.
#[derive(Debug)]
pub(crate) struct Cursor {
    key: u64,
    /// Places that were read, ascending.
    places: Vec<u64>,
    /// How many of them lie behind the place asked for last.
    passed: usize,
    /// Every place up to here that was not passed is in `places`.
    read_to: Option<u64>,
}

impl Cursor {
    pub fn new(key: u64) -> Self {
        Self { key, places: Vec::new(), passed: 0, read_to: None }
    }

    /// The first place at or behind `target`; targets must not fall.
    pub fn seek(
        &mut self,
        index: &RunIndex,
        kv: &Kv,
        snapshot: &Snapshot,
        target: u64,
    ) -> Result<Option<u64>, StorageError> {
        let mut target = target;
        loop {
            self.passed += self.places[self.passed..].partition_point(|place| *place < target);
            if let Some(place) = self.places.get(self.passed) {
                return Ok(Some(*place));
            }
            if let Some(read_to) = self.read_to.filter(|read_to| *read_to >= target) {
                let Some(next) = read_to.checked_add(1) else { return Ok(None) };
                target = next;
            }
            let at = snapshot.runs.partition_point(|run| run.last < target);
            let Some(run) = snapshot.runs.get(at) else { return Ok(None) };
            target = target.max(run.first);
            let (places, read_to) = index.places_from(kv, run, self.key, target)?;
            (self.places, self.passed, self.read_to) = (places, 0, Some(read_to));
        }
    }
}

impl RunIndex {
    /// Places of a key in a run from `target` on, as far as one row tells, and up to where that is all of them.
    fn places_from(&self, kv: &Kv, run: &Run, key: u64, target: u64) -> Result<(Vec<u64>, u64), StorageError> {
        let wanted = row::row_key(run.id, key, target);
        let lowest = row::row_key(run.id, 0, 0);
        let highest = row::row_key(run.id, key, u64::MAX);
        // The row the place would stand in, and if that ends before it, the row behind.
        let mut rows = kv.range(self.rows, Bound::Included(&lowest), Bound::Included(&wanted), true, 1)?;
        let mut after = wanted.to_vec();
        for _ in 0..2 {
            if let Some((row_key, value)) = rows.pop() {
                let mut places = Vec::new();
                let behind = row::visit_row(&row_key, &value, run.first, |posting| {
                    if posting.key == key && posting.at >= target {
                        places.push(posting.at);
                    }
                    posting.key > key
                })?;
                if behind {
                    return Ok((places, run.last));
                }
                if let Some(last) = places.last() {
                    let last = *last;
                    return Ok((places, last));
                }
                after = after.max(row_key);
            }
            rows = kv.range(self.rows, Bound::Excluded(&after), Bound::Included(&highest), false, 1)?;
        }
        Ok((Vec::new(), run.last))
    }

    /// The places of a key at or before `target`, the last first: as many as one row holds. Empty if there are none.
    pub fn places_before(&self, kv: &Kv, snapshot: &Snapshot, key: u64, target: u64) -> Result<Vec<u64>, StorageError> {
        let end = snapshot.runs.partition_point(|run| run.first <= target);
        for run in snapshot.runs[..end].iter().rev() {
            let wanted = row::row_key(run.id, key, target);
            let lowest = row::row_key(run.id, 0, 0);
            let rows = kv.range(self.rows, Bound::Included(&lowest), Bound::Included(&wanted), true, 1)?;
            let Some((row_key, value)) = rows.first() else { continue };
            let mut places = Vec::new();
            row::visit_row(row_key, value, run.first, |Posting { key: found, at }| {
                if found == key && at <= target {
                    places.push(at);
                }
                found > key || (found == key && at > target)
            })?;
            if !places.is_empty() {
                places.reverse();
                return Ok(places);
            }
        }
        Ok(Vec::new())
    }
}
