//! What the tuner claims of data whose truth is known: no gains where there are none,
//! and gains that are there as often as the report says that it would find them.

use treffer_engine::tune::{Pool, tune_pools};
use treffer_eval::Topic;
use treffer_fusion::Lengths;
use treffer_types::{Candidate, DocId, Evidence, Score};

use super::*;

/// A normal deviate, nearly: the sum of twelve uniform ones.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

pub(super) fn evidence(score: f64) -> Evidence {
    Evidence::new(0, Score::new(score as f32).unwrap())
}

/// Queries whose stages score noise, plus their `signal` where a candidate is relevant.
pub(super) fn simulated(seed: u64, n_queries: usize, signal: &StageMap<f64>) -> Vec<Pool> {
    const N_CANDIDATES: u32 = 15;
    let mut random = Random::new(seed);
    let mut pool = |query: usize| {
        let (mut candidates, mut grades) = (Vec::new(), Vec::new());
        for doc in 0..N_CANDIDATES {
            let grade = i32::from(random.unit() < 0.2);
            let mut candidate = Candidate::new(DocId(doc));
            for stage in ALL {
                let signal = signal.get_or(stage, 0.0);
                let score = normal(&mut random) + signal * f64::from(grade);
                candidate.add(stage, evidence(score));
            }
            candidates.push(candidate);
            grades.push(grade);
        }
        judged_pool(query, candidates, &grades, Lengths::default())
    };
    (0..n_queries).map(&mut pool).collect()
}

/// A pool of which every candidate is judged; its documents are called by their numbers.
pub(super) fn judged_pool(
    query: usize,
    candidates: Vec<Candidate>,
    grades: &[i32],
    lengths: Lengths,
) -> Pool {
    let names = candidates.iter().map(|one| format!("d{}", one.doc.0));
    let judgments: BTreeMap<String, i32> = names.zip(grades.iter().copied()).collect();
    Pool {
        query: Query {
            id: format!("q{query}"),
            ..Query::text("simulated")
        },
        candidates,
        grades: grades.iter().copied().map(Some).collect(),
        lengths,
        topic: Topic::new(&judgments),
        traces: Vec::new(),
    }
}

/// What gathers under a profile, if an index has every stage.
pub(super) fn pipeline(profile: &Profile) -> Pipeline {
    let available = Available::all(Registry::standard(), N_DOCS as u32);
    let available = available.limited_to(&ALL);
    Pipeline::of(profile, &available).unwrap()
}

fn tuned(pools: &[Pool], profile: &Profile, seed: u64) -> TuneReport {
    let request = TuneRequest {
        folds: 5,
        seed,
        draws: 1000,
        ..request(profile, 10)
    };
    tune_pools(pools, &request, &pipeline(profile)).unwrap()
}

#[test]
fn of_five_hundred_sets_without_a_gain_one_in_twenty_at_most_is_said_to_have_one() {
    const RUNS: u64 = 500;
    let third = 1.0 / 3.0;
    let nothing = StageMap::from_fn(&ALL, |_| 0.0);
    let alike = StageMap::from_fn(&ALL, |_| 1.0);
    let equal = profile(&format!("{third},{third},{third}"));
    let usual = profile("0.2,0.3,0.5");
    let claims = (0..RUNS)
        .filter(|seed| {
            // Stages that know nothing; and stages that know as much as each other, under
            // the weights that are then the best.
            let (signal, profile) = match seed % 2 {
                0 => (&nothing, &usual),
                _ => (&alike, &equal),
            };
            let pools = simulated(*seed, 40, signal);
            tuned(&pools, profile, *seed).is_gain()
        })
        .count();
    println!("claimed {claims} of {RUNS}");
    // Three standard deviations of a binomial count above its mean.
    let mean = 0.05 * RUNS as f64;
    assert!((claims as f64) <= mean + 3.0 * (mean * 0.95).sqrt());
}

#[test]
fn gains_are_found_as_often_as_the_report_says() {
    // Gains around the detectable one, and one that is surely found.
    for signal in [1.2, 1.25, 1.5] {
        found_as_often_as_said(signal);
    }
}

fn found_as_often_as_said(signal: f64) {
    const RUNS: u64 = 200;
    // The profile listens to one stage, another one knows more.
    let profile = profile("1,0,0");
    let signals = by_stage(1.0, signal, 0.0);
    let (mut found, mut gain, mut detectable) = (0, 0.0, 0.0);
    for seed in 0..RUNS {
        let report = tuned(&simulated(seed, 40, &signals), &profile, seed);
        found += usize::from(report.is_gain());
        gain += report.gain().comparison.test.difference / RUNS as f64;
        detectable += report.gain().comparison.power.gain.unwrap() / RUNS as f64;
    }
    let found = found as f64 / RUNS as f64;
    // The detectable gain is found in four of five cases, others as the normal
    // distribution says: the first of seven corrected tests has to be 2.69 deviations
    // out, and 0.84 more make four of five.
    let away = gain / detectable * (2.69 + 0.84) - 2.69;
    let expected = 1.0 / (1.0 + (-1.702 * away).exp());
    println!("gain {gain:.4}, detectable {detectable:.4}, found {found:.3}, said {expected:.3}");
    assert!((found - expected).abs() < 0.12, "{found} {expected}");
}

#[test]
fn a_stage_that_never_scored_and_too_few_queries_are_told() {
    let mut pools = simulated(1, 6, &by_stage(1.0, 1.0, 1.0));
    for candidate in pools.iter_mut().flat_map(|pool| &mut pool.candidates) {
        candidate.forget(CROSS);
    }
    let report = tuned(&pools, &profile("0.2,0.3,0.5"), 1);
    let [silent, few] = report.warnings.as_slice() else {
        panic!("{:?}", report.warnings);
    };
    assert!(
        silent.contains("the cross stage scored nothing"),
        "{silent}"
    );
    assert!(few.contains("6 queries are too few"), "{few}");
    assert_ne!(report.verdict, Verdict::Change);
}

#[test]
fn equal_scores_leave_nothing_to_choose_by() {
    let mut pools = simulated(1, 20, &by_stage(1.0, 1.0, 1.0));
    for candidate in pools.iter_mut().flat_map(|pool| &mut pool.candidates) {
        for stage in ALL {
            candidate.add(stage, evidence(1.0));
        }
    }
    for search in [Search::Weights, Search::Full] {
        let profile = profile("0.2,0.3,0.5");
        let request = TuneRequest {
            search,
            ..request(&profile, 5)
        };
        let report = tune_pools(&pools, &request, &pipeline(&profile)).unwrap();
        assert_eq!(report.verdict, Verdict::Same);
        assert!(report.warnings[0].contains("every choice gives the same"));
    }
}
