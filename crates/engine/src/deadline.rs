//! A query's deadline: how much time is left, and how many documents a reranker can score
//! in it.

use std::time::{Duration, Instant};

use treffer_types::Clock;

/// The moment by which a query should be answered, if there is one.
#[derive(Clone, Copy)]
pub struct Deadline<'a> {
    clock: &'a dyn Clock,
    /// In the time of `clock`.
    at: Option<Duration>,
}

impl<'a> Deadline<'a> {
    /// A deadline `time` from now, by `clock`; `None` for no limit.
    pub fn after(time: Option<Duration>, clock: &'a dyn Clock) -> Self {
        let at = time.map(|time| clock.now().saturating_add(time));
        Deadline { clock, at }
    }

    /// How much time is left, 0 if it is over; `None` without a deadline.
    pub fn left(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_sub(self.now()))
    }

    /// Whether no time is left.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Charges a query its share of work that was done for a batch of queries.
    pub(crate) fn adjust(&mut self, share: Share) {
        self.at = self.at.map(|at| share.postpone(at));
    }

    /// The current time of its clock.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }
}

/// One query's share of the time that a stage spent on encoding a batch of queries. The clock
/// alone is unfair: the first query waits for all of them, the others for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    /// Time that passed while this query was being answered.
    pub(crate) spent: Duration,
    /// The query's equal share.
    pub(crate) due: Duration,
}

impl Share {
    /// The elapsed time with the equal share in place of what was spent.
    pub(crate) fn adjust(self, elapsed: Duration) -> Duration {
        (elapsed + self.due).saturating_sub(self.spent)
    }

    /// A deadline moved so that the query is charged its equal share.
    pub(crate) fn postpone(self, deadline: Duration) -> Duration {
        (deadline + self.spent).saturating_sub(self.due)
    }
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// How large the next batch of pairs may be, estimated from the last two.
///
/// The cost of a pair is unknown until one has been scored, so the first batch is a single
/// pair, which may overrun the deadline. Afterwards the cost of a pair is estimated by the
/// slower of the last two batches, and a batch holds no more pairs than fit by that estimate,
/// and no more than were scored before: if the estimate is too low by some factor, the overrun
/// is at most that factor times the time already spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    n_scored: usize,
    /// Time for a pair in the last batch and in the one before.
    per_pair: [Duration; 2],
}

/// Maximum number of pairs in a batch, so that the estimate is updated often.
const LARGEST_BATCH: usize = 32;

impl Pace {
    /// How many of the `unscored` pairs to score next; 0 to stop.
    pub(crate) fn next_batch(&self, left: Duration, unscored: usize) -> usize {
        if left.is_zero() {
            return 0;
        }
        if self.n_scored == 0 {
            return unscored.min(1);
        }
        let slower = self.per_pair[0].max(self.per_pair[1]).as_nanos();
        let fits = left.as_nanos().checked_div(slower);
        let fits = fits.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        unscored.min(fits).min(self.n_scored).min(LARGEST_BATCH)
    }

    /// Notes that a batch of `n` pairs took `time`.
    pub(crate) fn record(&mut self, n: usize, time: Duration) {
        self.n_scored += n;
        let pairs = u32::try_from(n.max(1)).unwrap_or(u32::MAX);
        self.per_pair = [time / pairs, self.per_pair[0]];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads at a cost for each pair, and says how many and how long.
    fn read(costs: &[u64], deadline: u64) -> (usize, u64) {
        let (mut pace, mut read, mut spent) = (Pace::default(), 0, 0_u64);
        while read < costs.len() {
            let left = Duration::from_nanos(deadline.saturating_sub(spent));
            let n = pace.next_batch(left, costs.len() - read);
            if n == 0 {
                break;
            }
            let cost: u64 = costs[read..read + n].iter().sum();
            pace.record(n, Duration::from_nanos(cost));
            (read, spent) = (read + n, spent + cost);
        }
        (read, spent)
    }

    proptest! {
        #[test]
        fn pairs_of_one_cost_are_read_as_long_as_they_fit(
            cost in 1_u64..1000, n in 0_usize..200, deadline in 0_u64..100_000,
        ) {
            let fit = usize::try_from(deadline / cost).unwrap().min(n);
            let first = usize::from(deadline > 0).min(n);
            prop_assert_eq!(read(&vec![cost; n], deadline).0, fit.max(first));
        }

        #[test]
        fn costs_that_grow_at_most_twofold_overrun_at_most_twofold(
            costs in proptest::collection::vec(100_u64..=200, 0..200), deadline in 200_u64..50_000,
        ) {
            let (_, spent) = read(&costs, deadline);
            prop_assert!(spent <= 2 * deadline, "{spent} of {deadline}");
        }
    }

    #[test]
    fn pairs_that_cost_nothing_are_all_read() {
        assert_eq!(read(&[0; 100], 1), (100, 0));
        assert_eq!(read(&[0; 100], 0), (0, 0));
    }

    #[test]
    fn a_sudden_slowness_is_noticed_after_one_batch() {
        let mut costs = vec![10; 64];
        costs.extend([1000; 64]);
        // After 64 cheap pairs at most 32 dear ones are begun in the time that is left.
        let (n_scored, spent) = read(&costs, 5000);
        assert_eq!((n_scored, spent), (96, 64 * 10 + 32 * 1000));
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = SystemClock::start();
        let moments: Vec<Duration> = (0..100).map(|_| clock.now()).collect();
        assert!(moments.is_sorted());
    }
}
