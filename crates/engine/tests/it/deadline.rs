//! A deadline: how far the cross-encoder reads, by a clock that only its reading moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use treffer_engine::Engine;
use treffer_engine::api::SearchResponse;
use treffer_engine::gather::{Gathered, StageTrace};
use treffer_engine::profile::Profile;
use treffer_engine::search::Searcher;
use treffer_testkit::{FakeClock, random_corpus, random_queries};
use treffer_types::{Clock, Query};

use crate::support::{CROSS, Place, depths, everything, gatherer, raw, search};

const PER_PAIR: Duration = Duration::from_millis(10);
const DEPTH: usize = 40;

/// An index whose cross-encoder takes [`PER_PAIR`] for each pair.
struct World {
    place: Place,
    clock: FakeClock,
    index: Engine,
    query: Query,
}

fn world() -> World {
    let clock = FakeClock::default();
    let mut place = Place::with_corpus(&random_corpus(3, 120));
    let scorer = place.fakes.scorer.clone();
    place.fakes.scorer = scorer.taking(PER_PAIR, clock.clone());
    place.build().unwrap();
    let index = place.open();
    let query = random_queries(4, 1).remove(0);
    World {
        place,
        clock,
        index,
        query,
    }
}

fn profile(deadline_ms: Option<u64>) -> Profile {
    Profile {
        depths: depths(200, 200, DEPTH),
        deadline_ms,
        ..Profile::default()
    }
}

impl World {
    fn gather(&self, deadline_ms: Option<u64>) -> Gathered {
        let profile = profile(deadline_ms);
        let gatherer = gatherer(&self.index, &profile).with_clock(self.clock.clone());
        gatherer.gather(&self.query).unwrap()
    }

    fn search(&self, deadline_ms: Option<u64>) -> SearchResponse {
        let profile = profile(deadline_ms);
        let searcher = Searcher::new(&self.index, &profile, &everything()).unwrap();
        let searcher = searcher.with_clock(self.clock.clone());
        searcher.search(&self.query).unwrap()
    }
}

/// How many pairs the cross-encoder read, how many it skipped, and how long it took.
fn reading(gathered: &Gathered) -> (usize, usize, Duration) {
    let cross = |trace: &&StageTrace| trace.stage == CROSS;
    let trace = gathered.traces.iter().find(cross).unwrap();
    (trace.scored, trace.skipped, trace.elapsed)
}

#[test]
fn reading_stops_before_the_deadline_and_says_so() {
    let world = world();
    let (read, skipped, time) = reading(&world.gather(Some(105)));
    assert_eq!((read, skipped), (10, 30));
    assert_eq!(time, Duration::from_millis(100));
}

#[test]
fn what_is_read_is_what_promises_most() {
    let world = world();
    world.gather(None);
    let all = world.place.fakes.take_read();
    for deadline in [1, 10, 20, 105, 333] {
        world.gather(Some(deadline));
        let read = world.place.fakes.take_read();
        assert_eq!(read[..], all[..read.len()], "{deadline} ms");
        assert!(!read.is_empty() && read.len() < DEPTH);
    }
}

#[test]
fn a_deadline_that_cuts_nothing_changes_nothing() {
    let world = world();
    let without = world.search(None);
    let with = world.search(Some(60_000));
    assert_eq!(with.hits, without.hits);
    assert!(with.stages.iter().all(|report| !report.cut_by_deadline));
}

#[test]
fn without_a_deadline_all_is_read_at_once() {
    let world = world();
    let reads = world.place.fakes.scorer.reads();
    world.gather(None);
    assert_eq!((reads.calls(), reads.pairs()), (1, DEPTH));
}

#[test]
fn what_was_not_read_follows_what_was() {
    let world = world();
    let cut = world.search(Some(105));
    let is_read = |hit: &treffer_engine::api::Hit| raw(hit, CROSS).is_some();
    assert_eq!(cut.hits.iter().take_while(|hit| is_read(hit)).count(), 10);
    assert_eq!(cut.hits.iter().filter(|hit| is_read(hit)).count(), 10);
    assert!(cut.hits.is_sorted_by(|a, b| a.score >= b.score));
}

/// A clock on which every look takes ten milliseconds.
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(10, Ordering::Relaxed))
    }
}

#[test]
fn the_deadline_covers_every_stage_but_the_first() {
    let world = world();
    let profile = profile(Some(5));
    let ticking = || Ticking(AtomicU64::new(0));
    let gatherer = gatherer(&world.index, &profile).with_clock(ticking());
    let gathered = gatherer.gather(&world.query).unwrap();
    let [bm25, dense, again, cross] = gathered.traces.as_slice() else {
        panic!("{:?}", gathered.traces);
    };
    assert!(bm25.scored > 0 && bm25.skipped == 0, "{bm25:?}");
    let n = gathered.candidates.len();
    assert_eq!((dense.scored, dense.skipped), (0, 200));
    assert_eq!(
        (again.scored, again.skipped),
        (0, 0),
        "nothing was left to score"
    );
    assert_eq!((cross.scored, cross.skipped), (0, n.min(DEPTH)));
    // What was found is ranked by what there is, and the response says what is missing.
    let searcher = Searcher::new(&world.index, &profile, &everything()).unwrap();
    let found = searcher.with_clock(ticking()).search(&world.query).unwrap();
    assert_eq!(found.hits.len(), n);
    assert!(found.stages[1].cut_by_deadline && found.stages[3].cut_by_deadline);
    assert!(found.hits.is_sorted_by(|a, b| a.score >= b.score));
}

#[test]
fn work_that_must_not_depend_on_the_machine_keeps_no_deadline() {
    let world = world();
    let profile = profile(Some(1));
    let gatherer = gatherer(&world.index, &profile).without_deadline();
    let gatherer = gatherer.with_clock(world.clock.clone());
    assert_eq!(reading(&gatherer.gather(&world.query).unwrap()).0, DEPTH);
}

#[test]
fn real_time_keeps_the_order_of_a_search_complete() {
    let world = world();
    let found = search(&world.index, &profile(Some(3_600_000)), &world.query.text);
    assert_eq!(found.hits, world.search(None).hits);
}

#[test]
fn a_deadline_of_nothing_is_refused() {
    let message = profile(Some(0)).check().unwrap_err();
    assert!(message.contains("deadline_ms is 0"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn only_the_first_pair_may_overrun(deadline in 1_u64..600) {
        let world = world();
        let (read, skipped, time) = reading(&world.gather(Some(deadline)));
        prop_assert_eq!(read + skipped, DEPTH);
        prop_assert!(time <= Duration::from_millis(deadline) || read == 1);
        let one_more = time + PER_PAIR;
        prop_assert!(skipped == 0 || one_more > Duration::from_millis(deadline));
    }
}
