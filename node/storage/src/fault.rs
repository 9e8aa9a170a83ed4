//! Places where a crash test makes the process die at once: between two steps that only together are whole, where a
//! kill at a random moment seldom lands. It must not know what the steps are.
//!
//! `ATOLL_FAULT=flush.before-commit:3` lets the process die the third time it comes to that place. The mechanism is
//! in every build, so that what is tested is what ships; without the variable a place costs reading one word.

use std::{
    fmt,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The variable that arms a place.
pub const VARIABLE: &str = "ATOLL_FAULT";

macro_rules! points {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A place. All are listed here, so that a test can tell whether it came by every one of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $variant,)*
        }

        impl Point {
            /// Every place.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in the variable.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

points! {
    /// A record is about to be written to a segment.
    SegmentBeforeRecord = "segment.before-record",
    /// Half of a record is written.
    SegmentHalfRecord = "segment.half-record",
    /// A record is written; memory does not know it yet.
    SegmentAfterRecord = "segment.after-record",
    /// A new segment file exists and is empty.
    SegmentRotated = "segment.rotated",
    /// A flush has announced its target and synced the segments.
    FlushPlanned = "flush.planned",
    /// A flush has made the nodes of its states and not yet written them all.
    FlushBeforeState = "flush.before-state",
    /// Half of what a flush writes to the state log is written.
    StateHalfWritten = "state.half-written",
    /// A flush's states are in the log, its batch is made and not yet committed.
    FlushBeforeCommit = "flush.before-commit",
    /// A flush's batch is committed; memory still stands on the old base.
    FlushAfterCommit = "flush.after-commit",
    /// A reorganisation is decided and not yet in the journal.
    ReorgBeforeHead = "reorg.before-head",
    /// A reorganisation is in the journal; memory still follows the old head.
    ReorgAfterHead = "reorg.after-head",
    /// Persisted blocks are about to be undone.
    UnwindBeforeCommit = "unwind.before-commit",
    /// They are undone in the tables, not yet in memory.
    UnwindAfterCommit = "unwind.after-commit",
    /// A block of the chain that replaces undone ones was executed and is about to be stored.
    ReplayBeforeBlock = "replay.before-block",
    /// A deep reorganisation is persisted; the head it left is still noted.
    SettleBeforeForget = "settle.before-forget",
    /// After opening: a block of the journal was executed again.
    RestoreBlock = "restore.block",
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `POINT:COUNT`, with a count from 1.
#[derive(Debug)]
struct Armed {
    point: Point,
    left: AtomicU64,
}

impl FromStr for Armed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let point = Point::ALL.iter().find(|point| point.name() == name).copied();
        let left = count.parse().ok().filter(|count| *count > 0);
        match (point, left) {
            (Some(point), Some(left)) => Ok(Self { point, left: AtomicU64::new(left) }),
            _ => Err(format!("`{VARIABLE}={text}` names no place; it is POINT:COUNT, such as flush.before-commit:3")),
        }
    }
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let read = || {
        let text = std::env::var(VARIABLE).ok()?;
        text.parse().inspect_err(|error: &String| tracing::error!(error, "no fault is armed")).ok()
    };
    ARMED.get_or_init(read).as_ref()
}

/// Whether the process is to die here, now: for places that leave something half done first.
#[inline]
pub fn due(point: Point) -> bool {
    match armed() {
        None => false,
        Some(armed) => armed.point == point && armed.left.fetch_sub(1, Ordering::SeqCst) == 1,
    }
}

/// Dies as by SIGKILL: nothing is written, dropped or told any more.
pub fn die(point: Point) -> ! {
    eprintln!("{VARIABLE}: dying at {point}");
    std::process::abort()
}

/// A place: dies there if it is its turn.
#[inline]
pub fn point(point: Point) {
    if due(point) {
        die(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_a_place_and_a_count() {
        for point in Point::ALL {
            let armed: Armed = format!("{point}:7").parse().unwrap();
            assert_eq!((armed.point, armed.left.into_inner()), (*point, 7));
        }
        let once: Armed = "flush.planned".parse().unwrap();
        assert_eq!(once.left.into_inner(), 1);
        for bad in ["", "flush", "flush.planned:0", "flush.planned:x", "flush.planned:-1"] {
            assert!(bad.parse::<Armed>().is_err(), "{bad}");
        }
    }
}
