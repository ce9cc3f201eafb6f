//! Adaptive depth: a reranker that stops when the best ten are settled, against the rule applied
//! by hand to what it would have read.

use treffer_engine::Engine;
use treffer_engine::gather::Gathered;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::Searcher;
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{DocId, Query, Score};

use crate::support::{CROSS, Place, depths, everything, gatherer};

const DEPTH: usize = 60;

fn profile(cross_patience: usize) -> Profile {
    Profile {
        depths: depths(200, 200, DEPTH),
        cross_patience,
        ..Profile::default()
    }
}

fn place() -> (Place, Engine) {
    let place = Place::with_corpus(&random_corpus(5, 150));
    place.build().unwrap();
    let index = place.open();
    (place, index)
}

fn scores(gathered: &Gathered) -> Vec<(DocId, Score)> {
    let candidates = gathered.candidates.iter();
    candidates
        .filter_map(|one| Some((one.doc, one.best_score(CROSS)?)))
        .collect()
}

/// The documents in the order of reading: each depth reads one more.
fn in_order(index: &Engine, query: &Query) -> Vec<(DocId, Score)> {
    let mut read: Vec<(DocId, Score)> = Vec::new();
    for depth in 1..=DEPTH {
        let profile = Profile {
            depths: depths(200, 200, depth),
            ..Profile::default()
        };
        let gathered = gatherer(index, &profile).gather(query).unwrap();
        let new = scores(&gathered);
        let new = new.into_iter().find(|one| !read.contains(one));
        read.extend(new);
    }
    read
}

/// How many are read: the ten best of a prefix are those of the prefix that is shorter by the
/// patience.
fn expected(read: &[(DocId, Score)], patience: usize) -> usize {
    let best = |n: usize| {
        let mut best: Vec<Score> = read[..n].iter().map(|(_, score)| *score).collect();
        best.sort_by(|a, b| b.cmp(a));
        best.truncate(10);
        best
    };
    let settled = (10 + patience..read.len()).find(|n| best(*n) == best(*n - patience));
    settled.unwrap_or(read.len())
}

#[test]
fn reading_stops_where_the_rule_says_whatever_is_read_at_once() {
    let (_place, index) = place();
    let mut stopped = 0;
    for query in random_queries(6, 8) {
        let read = in_order(&index, &query);
        assert_eq!(read.len(), DEPTH);
        for patience in [1, 4, 10, 25, DEPTH] {
            let n = expected(&read, patience);
            for deadline_ms in [None, Some(600_000)] {
                let profile = Profile {
                    deadline_ms,
                    ..profile(patience)
                };
                let gathered = gatherer(&index, &profile).gather(&query).unwrap();
                let mut found = scores(&gathered);
                let mut wanted = read[..n].to_vec();
                found.sort();
                wanted.sort();
                assert_eq!(found, wanted, "{patience} {deadline_ms:?}");
                let trace = gathered.traces.last().unwrap();
                assert_eq!(
                    (trace.stage, trace.scored, trace.settled, trace.skipped),
                    (CROSS, n, DEPTH - n, 0)
                );
            }
            stopped += usize::from(n < DEPTH);
        }
    }
    assert!(stopped > 8, "{stopped}");
}

#[test]
fn what_remains_unread_is_told_and_ranks_below() {
    let (_place, index) = place();
    let query = random_queries(6, 1).remove(0);
    let searcher = Searcher::new(&index, &profile(3), &everything()).unwrap();
    let found = searcher.search(&query).unwrap();
    let report = found.stages.last().unwrap();
    let settled = report.settled.unwrap();
    assert_eq!(
        (report.scored + settled, report.cut_by_deadline),
        (DEPTH, false)
    );
    let is_read = |hit: &treffer_engine::api::Hit| crate::support::raw(hit, CROSS).is_some();
    let first = found.hits.iter().take_while(|hit| is_read(hit)).count();
    assert_eq!(first, report.scored);
    assert_eq!(found.hits.iter().filter(|hit| is_read(hit)).count(), first);
}

#[test]
fn everything_is_read_where_everything_is_to_be() {
    let (_place, index) = place();
    let query = random_queries(6, 1).remove(0);
    let profile = Profile {
        mode: Mode::Exhaustive,
        depths: depths(200, 200, 150),
        ..profile(1)
    };
    let gathered = gatherer(&index, &profile).gather(&query).unwrap();
    assert_eq!(scores(&gathered).len(), 150);
}
