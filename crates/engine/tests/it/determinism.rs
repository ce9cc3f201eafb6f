//! The same question gets the same answer, to the byte.

use std::time::Duration;

use treffer_engine::Engine;
use treffer_engine::api::SearchResponse;
use treffer_engine::evaluate::evaluate;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::Searcher;
use treffer_engine::topics::Topics;
use treffer_engine::tune::{DRAWS, Prior, Search, TuneReport, TuneRequest, tune};
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{NoProgress, Query};

use crate::support::{Place, depths, everything, search};
use crate::topics::qrels;

/// Every hit of some searches of every mode, scores and all.
fn answers(index: &Engine) -> String {
    let mut text = String::new();
    for mode in [
        Mode::Cascade,
        Mode::Hybrid,
        Mode::TwoStage,
        Mode::Exhaustive,
    ] {
        for exact_below in [0, 4096] {
            let profile = Profile {
                mode,
                exact_below,
                depths: depths(30, 30, if mode == Mode::Exhaustive { 1000 } else { 10 }),
                ef_search: 40,
                ..Profile::default()
            };
            for query in random_queries(31, 5) {
                let hits = search(index, &profile, &query.text).hits;
                text.push_str(&serde_json::to_string(&hits).unwrap());
            }
        }
    }
    text
}

fn in_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build()
        .unwrap()
        .install(work)
}

#[test]
fn runs_threads_and_restarts_do_not_change_an_answer() {
    let place = Place::built(&random_corpus(31, 150));
    let index = place.open();
    let first = answers(&index);
    assert!(first.len() > 1000);
    assert!(
        first == answers(&index) && first == answers(&index),
        "over runs"
    );
    for threads in [1, 2] {
        assert!(
            first == in_threads(threads, || answers(&index)),
            "in {threads} threads"
        );
    }
    drop(index);
    assert!(first == answers(&place.open()), "after reopening");
}

#[test]
fn two_builds_of_one_corpus_answer_alike() {
    let documents = random_corpus(32, 150);
    let one = in_threads(1, || Place::built(&documents));
    let two = in_threads(2, || Place::built(&documents));
    assert!(answers(&one.open()) == answers(&two.open()));
}

#[test]
fn sixteen_threads_of_one_engine_answer_under_many_profiles_as_one_does() {
    let place = Place::built(&random_corpus(35, 120));
    let engine = place.open();
    let queries = random_queries(36, 6);
    let profiles: Vec<Profile> = (0..16)
        .map(|n: usize| Profile {
            mode: [Mode::Cascade, Mode::Hybrid, Mode::TwoStage][n % 3],
            depths: depths(10 + n, 30 - n, n),
            ..Profile::default()
        })
        .collect();
    // An owned handle can be moved into any thread, and outlives the scope it came from.
    let answer = |engine: Engine, profile: Profile, queries: Vec<Query>| -> String {
        let searcher = Searcher::new(&engine, &profile, &everything()).unwrap();
        let one_by_one = queries.iter().map(|query| searcher.search(query).unwrap());
        let one_by_one: Vec<SearchResponse> = one_by_one.collect();
        assert_eq!(searcher.search_batch(&queries).unwrap(), one_by_one);
        serde_json::to_string(&one_by_one).unwrap()
    };
    let alone: Vec<String> = profiles
        .iter()
        .map(|profile| answer(engine.clone(), profile.clone(), queries.clone()))
        .collect();
    let threads: Vec<_> = profiles
        .into_iter()
        .map(|profile| {
            let (engine, queries) = (engine.clone(), queries.clone());
            std::thread::spawn(move || answer(engine, profile, queries))
        })
        .collect();
    drop(engine);
    for (thread, alone) in threads.into_iter().zip(alone) {
        assert!(thread.join().unwrap() == alone);
    }
}

#[test]
fn threads_can_share_an_index() {
    let place = Place::built(&random_corpus(33, 100));
    let index = place.open();
    let alone = answers(&index);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| answers(&index))).collect();
        for thread in threads {
            assert!(thread.join().unwrap() == alone);
        }
    });
}

/// All of a report that is not a measured time.
fn without_times(mut report: TuneReport) -> TuneReport {
    report.elapsed = Duration::ZERO;
    report.times.clear();
    for measured in [&mut report.current, &mut report.best, &mut report.highest] {
        measured.ms = None;
    }
    for gathered in &mut report.gathered {
        gathered.traces.clear();
    }
    report
}

#[test]
fn tuning_and_evaluating_give_the_same_numbers_in_any_pool() {
    let place = Place::built(&random_corpus(34, 100));
    let index = place.open();
    let queries = random_queries(34, 12);
    let judged: Vec<(String, String)> = (0..12)
        .map(|n| (format!("q{n}"), format!("d{}", n * 7 % 100)))
        .collect();
    let judged: Vec<_> = judged
        .iter()
        .map(|(q, d)| (q.as_str(), d.as_str(), 1))
        .collect();
    let topics = Topics::new(&index, queries, qrels(&judged), None).unwrap();
    let profile = Profile::default();
    let metric = "nDCG@10".parse().unwrap();
    let run = || {
        let request = TuneRequest {
            profile: &profile,
            stages: None,
            metric,
            search: Search::Weights,
            prior: Prior::Preset,
            steps: 10,
            folds: 4,
            seed: 5,
            draws: DRAWS,
            budget_ms: None,
            cache: false,
            learn: true,
        };
        let tuned = without_times(tune(&index, &request, &topics, &NoProgress).unwrap());
        let measured = evaluate(&index, &profile, None, &topics, &[metric], &NoProgress).unwrap();
        (tuned, measured.rows)
    };
    let first = run();
    for threads in [1, 2] {
        assert!(first == in_threads(threads, run), "in {threads} threads");
    }
}
