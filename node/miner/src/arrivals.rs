//! What has become pending since a block was built, and whether it is to be built anew for that. It must not know blocks, pools
//! or clocks.

use std::time::Duration;

/// When no transaction has come for so long, a burst of them is over: those that came need not wait any longer.
pub(crate) const SETTLED: Duration = Duration::from_millis(25);
/// A block is rebuilt for transactions while it holds none, or at the end of a burst of them, after at least this many times what
/// building it took.
const SETTLED_COST: u32 = 3;
/// From so many on transactions are a burst that a block waits for; the last of fewer may go into the next one.
const BURST: usize = 1000;
/// A block whose second has come waits for the end of a burst for at most so long: what comes too late for it waits for the next
/// one's second.
const HELD: Duration = Duration::from_millis(300);
/// A template that takes less to build is built anew for a single transaction before its search begins.
const CHEAP: Duration = Duration::from_millis(20);
/// Others are if what has come is at least this part of what they hold, there is room, and nobody waits for long.
const WORTH_PART: usize = 8;
/// A template that is being sealed is built anew, burst or not, when this many times what it holds has come: in a burst that goes
/// on, all of it together costs a third more than the last.
const GROWN: usize = 3;

/// What a template is to be judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Built {
    /// Transactions it holds.
    pub transactions: usize,
    /// How long building took, and how long ago that was.
    pub cost: Duration,
    pub age: Duration,
    /// Whether hardly another transaction would fit.
    pub is_full: bool,
    /// Whether it is being searched for.
    pub is_searching: bool,
    /// How long ago its second came; absent while the clock has not reached it.
    pub due: Option<Duration>,
}

/// Transactions that a template has not seen.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// There are some.
    changed: bool,
    /// How many, about.
    unseen: usize,
    /// How many there were when none had come for [`SETTLED`], and whether they were as many the time before.
    settling: usize,
    settled: bool,
}

impl Arrivals {
    /// One came.
    pub fn came(&mut self) {
        self.changed = true;
    }

    /// Whether one came.
    pub fn any(&self) -> bool {
        self.changed
    }

    /// So many came after that one.
    pub fn count(&mut self, more: usize) {
        self.unseen = more + usize::from(self.changed);
    }

    /// None came for a moment; there are so many.
    pub fn paused(&mut self, count: usize) {
        (self.settled, self.settling) = (count == self.settling, count);
    }

    /// A template has seen all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether to build anew for them.
    pub fn want(&self, built: Built, recommit: Duration) -> bool {
        let Built { transactions, cost, age, is_full, is_searching, due } = built;
        let is_multiple = is_searching && !is_full && self.unseen >= transactions * GROWN;
        let is_worth_it = transactions == 0 || self.settled || is_multiple;
        let waited = age >= recommit || (is_worth_it && age >= cost * SETTLED_COST);
        let is_outdated = self.outdate(built);
        let is_burst = !self.settled && !is_full && self.unseen >= BURST;
        let is_held = is_outdated && is_burst && due.is_some_and(|due| due < HELD);
        self.changed && !is_held && (waited || is_outdated)
    }

    /// Whether the template's search, which is due, is not to begin before it is built anew. While a burst goes on that is at its
    /// end, or a while later.
    pub fn outdate(&self, Built { transactions, cost, is_full, is_searching, due, .. }: Built) -> bool {
        let is_worth_it = cost < CHEAP || (cost < HELD && !is_full && self.unseen * WORTH_PART >= transactions);
        self.changed && !is_searching && due.is_some() && is_worth_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOMMIT: Duration = Duration::from_millis(500);
    const MS: Duration = Duration::from_millis(1);

    /// The first hundreds of a burst, built as they came.
    fn first() -> Built {
        Built { transactions: 300, cost: MS * 4, age: MS * 400, is_full: false, is_searching: false, due: None }
    }

    fn arrivals(count: usize) -> Arrivals {
        let mut arrivals = Arrivals::default();
        arrivals.came();
        arrivals.count(count - 1);
        arrivals
    }

    /// A block whose second came amid a burst was sealed with the first hundreds of twenty thousand.
    #[test]
    fn a_block_due_amid_a_burst_waits_for_its_end() {
        let mut burst = arrivals(10_000);
        let due = |ms: u32| Built { due: Some(MS * ms), ..first() };
        assert!(burst.outdate(due(0)) && !burst.want(due(0), RECOMMIT), "held");
        assert!(burst.outdate(due(299)) && !burst.want(due(299), RECOMMIT), "still held");
        assert!(!burst.want(Built { age: RECOMMIT, ..due(0) }, RECOMMIT), "however old the template is");
        assert!(burst.want(due(300), RECOMMIT), "not for longer");
        burst.paused(10_000);
        assert!(!burst.want(due(100), RECOMMIT), "a pause may be one of the network");
        burst.paused(10_000);
        assert!(burst.want(due(100), RECOMMIT), "the burst is over");
        assert!(arrivals(999).want(due(0), RECOMMIT), "a few are none");
        burst.clear();
        assert!(!burst.outdate(due(100)) && !burst.want(due(100), RECOMMIT), "everything is in it");
    }

    #[test]
    fn before_its_second_a_block_is_built_anew_at_the_end_of_a_burst() {
        let mut burst = arrivals(10_000);
        assert!(!burst.outdate(first()) && !burst.want(first(), RECOMMIT));
        burst.paused(10_000);
        burst.paused(10_000);
        assert!(burst.want(first(), RECOMMIT));
        assert!(
            !burst.want(Built { age: MS * 11, ..first() }, RECOMMIT),
            "not while building takes a third of the time"
        );
    }

    #[test]
    fn a_large_block_is_not_built_anew_for_few() {
        let large = Built { transactions: 20_000, cost: MS * 250, due: Some(MS), ..first() };
        assert!(!arrivals(2_499).outdate(large));
        assert!(arrivals(2_500).outdate(large));
        assert!(arrivals(1).outdate(Built { cost: MS * 19, ..large }), "but where it costs little");
        assert!(!arrivals(2_500).outdate(Built { cost: MS * 300, ..large }), "nor where nothing is searched for long");
    }

    /// On a chain with more transactions than room every block waited for the end of a burst that would not fit.
    #[test]
    fn a_full_block_waits_for_nobody() {
        let full = Built { transactions: 1_428, cost: MS * 30, is_full: true, due: Some(MS), ..first() };
        assert!(!arrivals(10_000).outdate(full));
        let cheap = Built { cost: MS * 15, ..full };
        assert!(arrivals(10_000).want(cheap, RECOMMIT), "it is built anew for better fees, and not held");
        let sealing = Built { is_searching: true, ..full };
        assert!(!arrivals(10_000).want(sealing, RECOMMIT));
    }

    #[test]
    fn a_block_being_sealed_grows_with_a_burst_by_multiples() {
        let sealing = Built { is_searching: true, due: Some(MS), ..first() };
        assert!(!arrivals(899).want(sealing, RECOMMIT));
        assert!(arrivals(900).want(sealing, RECOMMIT));
        assert!(!arrivals(900).want(Built { age: MS * 11, ..sealing }, RECOMMIT));
        assert!(!arrivals(20_000).outdate(sealing), "its search goes on meanwhile");
    }

    /// Transactions that nobody may include, one after the other, had the next block built for each.
    #[test]
    fn what_does_not_get_into_an_empty_block_does_not_have_it_built_without_end() {
        let empty = Built { transactions: 0, age: MS * 11, ..first() };
        assert!(!arrivals(1).want(empty, RECOMMIT));
        assert!(arrivals(1).want(Built { age: MS * 12, ..empty }, RECOMMIT));
    }

    #[test]
    fn an_empty_block_is_built_anew_at_once_and_any_after_a_while() {
        assert!(arrivals(1).want(Built { transactions: 0, ..first() }, RECOMMIT));
        assert!(arrivals(1).want(Built { age: RECOMMIT, ..first() }, RECOMMIT));
        assert!(!Arrivals::default().want(Built { age: RECOMMIT, ..first() }, RECOMMIT), "if anything came");
    }
}
