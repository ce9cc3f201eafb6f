//! The tuner finds what is there, does not find what is not, and its numbers are
//! those of searching again with the weights that it names.

mod cached;
mod full;
mod learned;
mod prior;
mod saving;
mod simulated;

use std::collections::BTreeMap;
use std::fs;

use treffer_engine::Engine;
use treffer_engine::Error;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::{Mode, Profile, Provenance, QueryFingerprints};
use treffer_engine::search::Searcher;
use treffer_engine::settings_file::change_profile;
use treffer_engine::stages::Registry;
use treffer_engine::topics::Topics;
use treffer_engine::tune::{
    Baseline, DRAWS, Prior, Search, TuneReport, TuneRequest, Verdict, tune,
};
use treffer_eval::{Metric, bootstrap_interval, k_fold, randomization_test};
use treffer_fusion::Weights;
use treffer_testkit::{Random, RecordingProgress, random_corpus, random_queries};
use treffer_types::{NoProgress, Qrels, Query, StageMap, StageName};

use crate::support::{ALL, Place, by_stage, config, depths, everything, search};
use crate::support::{BM25, CROSS, DENSE};

const N_DOCS: usize = 60;
const N_QUERIES: usize = 24;

fn place() -> (Place, Engine) {
    let place = Place::built(&random_corpus(41, N_DOCS));
    let index = place.open();
    (place, index)
}

/// The same documents, of which most have several passages.
fn split_place() -> (Place, Engine) {
    let mut place = Place::with_corpus(&random_corpus(41, N_DOCS));
    place.config = config(&["passages.tokens=16", "passages.overlap=4"]);
    place.build().unwrap();
    let index = place.open();
    (place, index)
}

/// Reads every document, so that each stage has its say on each.
fn profile(weights: &str) -> Profile {
    Profile {
        mode: Mode::Exhaustive,
        depths: depths(200, 200, N_DOCS),
        weights: weights.parse().unwrap(),
        ..Profile::default()
    }
}

fn request<'a>(profile: &'a Profile, steps: u32) -> TuneRequest<'a> {
    TuneRequest {
        profile,
        stages: None,
        metric: metric(),
        search: Search::Weights,
        prior: Prior::None,
        steps,
        folds: 4,
        seed: 7,
        draws: DRAWS,
        budget_ms: None,
        cache: false,
        learn: false,
    }
}

fn metric() -> Metric {
    "nDCG@10".parse().unwrap()
}

fn queries() -> Vec<Query> {
    random_queries(42, N_QUERIES)
}

/// Judges relevant the three documents that one stage puts first.
fn judged_by(index: &Engine, stage: StageName) -> Qrels {
    let profile = Profile {
        weights: Weights::equal(&[stage]).unwrap(),
        ..profile("0.2,0.3,0.5")
    };
    let judge = |query: Query| {
        let result = search(index, &profile, &query.text);
        let grades = [3, 2, 1];
        let best = result
            .hits
            .iter()
            .zip(grades)
            .map(|(hit, grade)| (hit.id.clone(), grade));
        (query.id, best.collect())
    };
    Qrels(queries().into_iter().map(judge).collect())
}

fn random_judgments(seed: u64) -> Qrels {
    let mut random = Random::new(seed);
    let mut judge = |query: Query| {
        let draw = |_| (format!("d{}", random.below(N_DOCS as u64)), 1);
        (query.id, (0..5).map(draw).collect())
    };
    Qrels(queries().into_iter().map(&mut judge).collect())
}

fn topics(index: &Engine, qrels: Qrels) -> Topics {
    Topics::new(index, queries(), qrels, None).unwrap()
}

fn run(index: &Engine, request: &TuneRequest<'_>, topics: &Topics) -> TuneReport {
    tune(index, request, topics, &NoProgress).unwrap()
}

#[test]
fn the_weight_goes_to_the_stage_that_is_right() {
    let (_place, index) = place();
    for (stage, others) in [
        (BM25, "0,0.5,0.5"),
        (DENSE, "0.5,0,0.5"),
        (CROSS, "0.5,0.5,0"),
    ] {
        let profile = profile(others);
        let topics = topics(&index, judged_by(&index, stage));
        let report = run(&index, &request(&profile, 10), &topics);
        // Nothing is better than the stage alone, and nothing is simpler.
        assert_eq!(
            report.best.choice.weights,
            Weights::equal(&[stage]).unwrap()
        );
        assert!((report.best.mean - 1.0).abs() < 1e-12, "{stage}");
        assert!(report.best.mean > report.current.mean + 0.05, "{stage}");
        assert!(
            report.is_gain() && report.gain().adjusted_p < 0.01,
            "{stage}"
        );
        let alone = against(&report, Baseline::Alone(stage));
        assert!((alone.comparison.baseline - 1.0).abs() < 1e-12, "{stage}");
    }
}

fn against(report: &TuneReport, baseline: Baseline) -> &treffer_engine::tune::Against {
    let mut all = report.against.iter();
    all.find(|one| one.baseline == baseline).unwrap()
}

#[test]
fn noise_is_not_taken_for_a_gain() {
    let (_place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let gains = (0..20)
        .filter(|seed| {
            let topics = topics(&index, random_judgments(*seed));
            run(&index, &request(&profile, 10), &topics).is_gain()
        })
        .count();
    assert!(gains <= 3, "{gains} of 20");
}

#[test]
fn ties_keep_the_current_weights() {
    let (_place, index) = place();
    // No relevant document is there to be found: every weighting is worth 0.
    let qrels = queries()
        .into_iter()
        .map(|query| (query.id, BTreeMap::from([("nowhere".to_string(), 1)])));
    let topics = topics(&index, Qrels(qrels.collect()));
    for weights in ["0.2,0.3,0.5", "1,0,0", "0,0,1", "0.3,0.7,0"] {
        let profile = profile(weights);
        let report = run(&index, &request(&profile, 10), &topics);
        assert_eq!(report.current.choice.weights, profile.weights);
        assert_eq!(report.best.choice, report.current.choice);
        for chosen in &report.fold_choices {
            assert_eq!(*chosen, report.current.choice);
        }
        assert_eq!(
            (report.best.mean, report.current.mean, report.out_of_fold),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(report.verdict, Verdict::Same);
        assert_eq!(report.gain().comparison.test.p_value, 1.0);
        let [warning] = report.warnings.as_slice() else {
            panic!("{:?}", report.warnings);
        };
        assert!(
            warning.contains("nowhere") || warning.contains("every choice"),
            "{warning}"
        );
    }
}

/// Each query's value by searching with these weights.
fn values_of(index: &Engine, profile: &Profile, weights: Weights, topics: &Topics) -> Vec<f64> {
    let profile = Profile {
        weights,
        ..profile.clone()
    };
    let searcher = Searcher::new(index, &profile, &everything()).unwrap();
    let value = |query: &Query| {
        let result = searcher.search(query).unwrap();
        let ranking = result.hits.iter().map(|hit| hit.id.as_str());
        metric().score(ranking, topics.qrels.query(&query.id))
    };
    topics.queries.iter().map(value).collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// All weightings with so many steps, in the order of the grid.
fn grid(steps: u32) -> Vec<Weights> {
    let mut grid = Vec::new();
    for bm25 in 0..=steps {
        for dense in 0..=steps - bm25 {
            let cross = steps - bm25 - dense;
            grid.push(Weights::new(by_stage(bm25, dense, cross)).unwrap());
        }
    }
    grid
}

fn distance(a: &Weights, b: &Weights) -> f64 {
    ALL.iter()
        .map(|stage| (a.weight(*stage) - b.weight(*stage)).abs())
        .sum()
}

#[test]
fn the_report_is_what_searching_again_gives() {
    let (_place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    for qrels in [judged_by(&index, DENSE), random_judgments(3)] {
        let topics = topics(&index, qrels);
        let report = run(&index, &request(&profile, 5), &topics);
        // The current weights lie between the points of the grid and compete too.
        let points = [grid(5), vec![profile.weights.clone()]].concat();
        assert_eq!((report.n_measured, report.n_queries()), (22, N_QUERIES));
        let values: Vec<Vec<f64>> = points
            .iter()
            .map(|point| values_of(&index, &profile, point.clone(), &topics))
            .collect();
        let winner = |queries: &[usize]| winner(&points, &values, &profile.weights, queries);
        let all: Vec<usize> = (0..N_QUERIES).collect();
        let current = values_of(&index, &profile, profile.weights.clone(), &topics);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(report.current.mean, mean(current.clone()));
        assert_eq!(report.best.choice.weights, points[winner(&all)]);
        close(report.best.mean, mean(values[winner(&all)].clone()));
        let highest = values.iter().map(|values| mean(values.clone()));
        close(report.highest.mean, highest.fold(f64::MIN, f64::max));

        let ids = topics.queries.iter().map(|query| query.id.as_str());
        let folds = k_fold(ids, 4, 7).unwrap();
        let mut held_out = vec![f64::NAN; N_QUERIES];
        for (fold, chosen) in folds.iter().zip(&report.fold_choices) {
            let is_in = |at: &usize| fold.contains(&topics.queries[*at].id);
            let others: Vec<usize> = all.iter().copied().filter(|at| !is_in(at)).collect();
            let best = winner(&others);
            assert_eq!(chosen.weights, points[best]);
            for at in all.iter().copied().filter(is_in) {
                held_out[at] = values[best][at];
            }
        }
        close(report.out_of_fold, mean(held_out.clone()));
        let gain = &report.gain().comparison;
        let interval = bootstrap_interval(&held_out, &current, 10_000, 0.95, 7).unwrap();
        close(gain.interval.low, interval.low);
        close(gain.interval.high, interval.high);
        let test = randomization_test(&held_out, &current, 10_000, 7).unwrap();
        close(gain.test.p_value, test.p_value);
        close(
            gain.test.difference,
            report.out_of_fold - report.current.mean,
        );
        for (at, query) in report.queries.iter().enumerate() {
            assert_eq!(query.id, topics.queries[at].id);
            close(query.current, current[at]);
            close(query.out_of_fold, held_out[at]);
            assert!(folds[query.fold].contains(&query.id));
        }
        for (point, (values, weights)) in report.surface.iter().zip(values.iter().zip(&points)) {
            assert_eq!(point.weights, *weights);
            close(point.mean, mean(values.clone()));
        }
        baselines_are_right(&index, &profile, &topics, &report);
    }
}

/// The one-standard-error rule, said again.
fn winner(points: &[Weights], values: &[Vec<f64>], current: &Weights, queries: &[usize]) -> usize {
    let worth = |at: usize| mean(queries.iter().map(|query| values[at][*query]));
    let near = |at: usize| (distance(&points[at], current) * 1e6).round() as i64;
    let thirds = Weights::equal(&ALL).unwrap();
    let balanced = |at: usize| (distance(&points[at], &thirds) * 1e6).round() as i64;
    let largest = (0..points.len()).map(worth).fold(f64::MIN, f64::max);
    let highest = (0..points.len())
        .filter(|at| largest - worth(*at) < 1e-12)
        .min_by_key(|at| (near(*at), balanced(*at)))
        .unwrap();
    let is_as_good = |at: &usize| {
        let n = queries.len() as f64;
        let behind: Vec<f64> = queries
            .iter()
            .map(|query| values[highest][*query] - values[*at][*query])
            .collect();
        let average = mean(behind.clone());
        let variance = behind.iter().map(|d| (d - average).powi(2)).sum::<f64>() / (n - 1.0);
        average <= (variance / n).sqrt() + 1e-12
    };
    (0..points.len())
        .filter(is_as_good)
        .min_by_key(|at| (near(*at), balanced(*at)))
        .unwrap()
}

fn baselines_are_right(index: &Engine, profile: &Profile, topics: &Topics, report: &TuneReport) {
    let baselines: Vec<Baseline> = report.against.iter().map(|one| one.baseline).collect();
    assert_eq!(
        baselines,
        [
            Baseline::Current,
            Baseline::Alone(BM25),
            Baseline::Alone(DENSE),
            Baseline::Alone(CROSS),
            Baseline::EqualWeights,
            Baseline::Rrf,
            Baseline::BestTwoWay,
            Baseline::Without(CROSS),
        ]
    );
    for one in &report.against[..6] {
        let profile = one.choice.apply(profile);
        let expected = mean(values_of(
            index,
            &profile,
            one.choice.weights.clone(),
            topics,
        ));
        assert!((one.comparison.baseline - expected).abs() < 1e-9);
    }
    let two_way = &report.against[6];
    assert!(two_way.choice.n_stages() <= 2);
    let without = &report.against[7].choice.weights;
    assert_eq!(without.weight(CROSS), 0.0, "{without}");
    let mut p_values: Vec<f64> = report
        .against
        .iter()
        .map(|one| one.comparison.test.p_value)
        .collect();
    p_values = treffer_eval::holm(&p_values).unwrap();
    let adjusted: Vec<f64> = report.against.iter().map(|one| one.adjusted_p).collect();
    assert_eq!(adjusted, p_values);
}

#[test]
fn no_query_has_a_part_in_the_weights_that_it_is_measured_with() {
    let (_place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let honest = judged_by(&index, BM25);
    let before = run(
        &index,
        &request(&profile, 10),
        &topics(&index, honest.clone()),
    );
    let queries = queries();
    let folds = k_fold(queries.iter().map(|query| query.id.as_str()), 4, 7).unwrap();
    let others = judged_by(&index, CROSS);
    for (at, fold) in folds.iter().enumerate() {
        // The queries of one fold change their mind; what is chosen for them does not.
        let mut turned = honest.clone();
        for id in fold {
            turned.0.insert(id.clone(), others.0[id].clone());
        }
        let after = run(&index, &request(&profile, 10), &topics(&index, turned));
        assert_eq!(after.fold_choices[at], before.fold_choices[at], "fold {at}");
        assert_ne!(after.out_of_fold, before.out_of_fold);
    }
}

#[test]
fn two_stages_can_be_tuned_without_the_third() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let topics = topics(&index, judged_by(&index, BM25));
    let pairs_before = place.fakes.scorer.reads().pairs();
    let two = TuneRequest {
        stages: Some(&[BM25, DENSE]),
        ..request(&profile, 20)
    };
    let report = run(&index, &two, &topics);
    assert_eq!(report.stages, [BM25, DENSE]);
    assert_eq!(report.n_measured, 21);
    assert_eq!(report.current.choice.weights.to_string(), "0.4,0.6,0");
    assert_eq!(report.best.choice.weights.weight(CROSS), 0.0);
    assert!(report.best.choice.weights.weight(BM25) > 0.6);
    assert_eq!(
        place.fakes.scorer.reads().pairs(),
        pairs_before,
        "nothing is read for it"
    );
    let baselines: Vec<Baseline> = report.against.iter().map(|one| one.baseline).collect();
    assert_eq!(
        baselines,
        [
            Baseline::Current,
            Baseline::Alone(BM25),
            Baseline::Alone(DENSE),
            Baseline::EqualWeights,
            Baseline::Rrf,
        ]
    );

    let two_stage = Profile {
        mode: Mode::TwoStage,
        ..profile.clone()
    };
    let report = run(&index, &request(&two_stage, 4), &topics);
    assert_eq!(report.stages, [BM25, CROSS]);
    let message = |request: &TuneRequest<'_>| {
        tune(&index, request, &topics, &NoProgress)
            .unwrap_err()
            .to_string()
    };
    let one = TuneRequest {
        stages: Some(&[BM25]),
        ..request(&profile, 4)
    };
    assert!(message(&one).contains("at least two"));
    assert!(message(&request(&profile, 0)).contains("at least one step"));
    let budget = TuneRequest {
        budget_ms: Some(10.0),
        ..request(&profile, 4)
    };
    assert!(message(&budget).contains("--search full"));
    let impossible = TuneRequest {
        search: Search::Full,
        budget_ms: Some(1e-9),
        ..request(&profile, 4)
    };
    assert!(message(&impossible).contains("no choice is within the budget"));
    let no_number = TuneRequest {
        budget_ms: Some(f64::NAN),
        ..impossible
    };
    assert!(message(&no_number).contains("a number above 0"));
}

#[test]
fn fewer_queries_than_folds_is_an_error_before_any_work() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let qrels = judged_by(&index, BM25);
    let topics = Topics::new(&index, queries(), qrels, Some(3)).unwrap();
    let calls = place.fakes.scorer.reads().calls();
    let error = tune(&index, &request(&profile, 4), &topics, &NoProgress).unwrap_err();
    assert!(matches!(error, Error::Measure(_)));
    let message = crate::support::chain(&error);
    assert!(message.contains('3') && message.contains('4'), "{message}");
    assert_eq!(place.fakes.scorer.reads().calls(), calls);
    let qrels = judged_by(&index, BM25);
    let one = Topics::new(&index, queries(), qrels, Some(1)).unwrap();
    let error = tune(&index, &request(&profile, 4), &one, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("one judged query"), "{error}");
}

#[test]
fn tuning_stops_when_asked() {
    let (_place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let topics = topics(&index, random_judgments(1));
    let progress = RecordingProgress::cancelling_after(3);
    let error = tune(&index, &request(&profile, 4), &topics, &progress).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
    assert_eq!(progress.advances(), 3);
}
