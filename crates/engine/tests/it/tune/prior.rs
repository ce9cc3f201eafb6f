//! What the prior does to the choice: little with many queries, much with few.

use proptest::prelude::*;
use treffer_engine::tune::{Pool, PriorOrigin, Rehearsal, rehearse, tune_pools};

use super::saving::provenance;
use super::simulated::{judged_pool, pipeline, simulated};
use super::*;

fn with_prior(profile: &Profile, prior: Prior) -> TuneRequest<'_> {
    TuneRequest {
        prior,
        ..request(profile, 20)
    }
}

fn tuned(pools: &[Pool], weights: &str, prior: Prior) -> TuneReport {
    let profile = profile(weights);
    tune_pools(pools, &with_prior(&profile, prior), &pipeline(&profile)).unwrap()
}

fn rehearsed(pools: &[Pool], weights: &str, prior: Prior, samples: &[Vec<usize>]) -> Rehearsal {
    let profile = profile(weights);
    let request = with_prior(&profile, prior);
    rehearse(pools, &request, &pipeline(&profile), samples).unwrap()
}

/// How far the choices of samples lie from some weights, on average.
fn away(rehearsal: &Rehearsal, from: &Weights) -> f64 {
    let chosen = rehearsal.chosen.iter();
    mean(chosen.map(|at| rehearsal.weightings[*at].distance(from)))
}

/// Samples of consecutive queries.
fn samples(n_queries: usize, size: usize) -> Vec<Vec<usize>> {
    let starts = (0..n_queries).step_by(size);
    starts.map(|at| (at..at + size).collect()).collect()
}

#[test]
fn with_more_queries_the_choice_leaves_the_prior_and_ends_where_it_would_without() {
    // BM25 and dense know much, the cross-encoder nothing; the prior says the opposite.
    let pools = simulated(3, 1600, &by_stage(2.0, 1.0, 0.0));
    let prior: Weights = "0.1,0.1,0.8".parse().unwrap();
    let mut before = 0.0;
    for size in [5, 20, 80, 1600] {
        let drawn = samples(1600, size);
        let with = rehearsed(&pools, "0.1,0.1,0.8", Prior::Preset, &drawn);
        let distance = away(&with, &prior);
        assert!(distance > before, "{size}: {distance} after {before}");
        before = distance;
    }
    let all = vec![(0..1600).collect()];
    let with = rehearsed(&pools, "0.1,0.1,0.8", Prior::Preset, &all);
    let without = rehearsed(&pools, "0.1,0.1,0.8", Prior::None, &all);
    let of = |one: &Rehearsal| one.weightings[one.chosen[0]].clone();
    assert!(of(&with).distance(&of(&without)) <= 0.1 + 1e-9);
}

#[test]
fn where_one_stage_is_surely_right_every_prior_gives_the_same_choice() {
    // A stage that never errs beside noise of a scale that makes every other share worse.
    let pools = simulated(5, 400, &by_stage(12.0, 0.0, 0.0));
    let of = |prior, weights: &str| tuned(&pools, weights, prior).best.choice.weights;
    let with = of(Prior::Preset, "0.1,0.1,0.8");
    assert!(with.weight(BM25) > 0.5, "{with}");
    let report = tuned(&pools, "0.1,0.1,0.8", Prior::Preset);
    let none = tuned(&pools, "0.1,0.1,0.8", Prior::None);
    assert!((report.out_of_fold - none.out_of_fold).abs() < 0.02);
    assert!(!report.prior.unwrap().is_chosen);
}

#[test]
fn a_few_noisy_queries_choose_the_prior_and_the_report_says_so() {
    let nothing = by_stage(0.0, 0.0, 0.0);
    let (mut with, mut without) = (0, 0);
    let (mut near, mut far) = (0.0, 0.0);
    for seed in 0..40 {
        let pools = simulated(seed, 10, &nothing);
        let report = tuned(&pools, "0.2,0.3,0.5", Prior::Preset);
        let prior = report.prior.clone().unwrap();
        let is_prior = report.best.choice.weights == prior.weights;
        assert_eq!(prior.is_chosen, is_prior);
        assert_eq!(prior.origin, PriorOrigin::Profile);
        let in_folds = report.fold_choices.iter();
        let n_folds = in_folds.filter(|one| one.weights == prior.weights).count();
        assert_eq!(prior.n_folds, n_folds);
        with += usize::from(is_prior);
        near += report.best.choice.weights.distance(&prior.weights);
        far += report.highest.choice.weights.distance(&prior.weights);
        let equal = tuned(&pools, "0.2,0.3,0.5", Prior::Equal);
        let thirds = Weights::equal(&ALL).unwrap();
        without += usize::from(equal.best.choice.weights == thirds);
        assert_eq!(equal.prior.unwrap().weights, thirds);
        assert_eq!(tuned(&pools, "0.2,0.3,0.5", Prior::None).prior, None);
    }
    println!("{with} of 40 keep the profile's weights, {without} equal ones");
    assert!(with >= 8 && without >= 8, "{with} {without}");
    // What is not the prior itself is drawn towards it all the same.
    assert!(near < far / 2.0, "{near} of {far}");
}

#[test]
fn queries_that_tell_nothing_choose_the_prior() {
    let mut pools = simulated(1, 20, &by_stage(1.0, 1.0, 1.0));
    for pool in &mut pools {
        pool.grades.fill(Some(0));
    }
    for (weights, prior) in [("0,0,1", Prior::Preset), ("0.7,0.3,0", Prior::Equal)] {
        let report = tuned(&pools, weights, prior);
        let prior = report.prior.unwrap();
        assert_eq!(report.best.choice.weights, prior.weights);
        assert!(prior.is_chosen);
        assert_eq!(prior.n_folds, report.folds);
    }
}

/// The rule, said again: the mean of all weights within one standard error of the best, by
/// their density under the prior, or the prior's own.
fn winner(all: &Rehearsal, prior: &Weights, queries: &[usize]) -> Weights {
    let worth = |at: usize| mean(queries.iter().map(|query| all.values[at][*query]));
    let apart = |a: usize, b: usize| {
        let n = queries.len() as f64;
        let differences = (queries.iter()).map(|q| all.values[a][*q] - all.values[b][*q]);
        let differences: Vec<f64> = differences.collect();
        let average = mean(differences.clone());
        let squares = differences.iter().map(|one| (one - average).powi(2));
        (average, (squares.sum::<f64>() / (n - 1.0) / n).sqrt())
    };
    let n = all.weightings.len();
    let largest = (0..n).map(worth).fold(f64::MIN, f64::max);
    // Tests pass the current weights as the prior, so that ties go to the nearest.
    let near = |at: usize| (all.weightings[at].distance(prior) * 1e6).round() as i64;
    let thirds = Weights::equal(&ALL).unwrap();
    let balanced = |at: usize| (all.weightings[at].distance(&thirds) * 1e6).round() as i64;
    let top = (0..n)
        .filter(|at| largest - worth(*at) <= 1e-12)
        .min_by_key(|at| (near(*at), balanced(*at)))
        .unwrap();
    let mut sums = [0.0; 3];
    let mut total = 0.0;
    for at in 0..n {
        let (behind, error) = apart(top, at);
        if behind > error + 1e-12 && largest - worth(at) > 1e-12 {
            continue;
        }
        let weights = ALL.map(|stage| all.weightings[at].weight(stage));
        let squares: f64 = (ALL.iter().zip(weights))
            .map(|(stage, weight)| (weight - prior.weight(*stage)).powi(2))
            .sum();
        let density = (-squares / 0.125).exp(); // 2 x 0.25^2
        total += density;
        sums.iter_mut()
            .zip(weights)
            .for_each(|(sum, weight)| *sum += density * weight);
    }
    let from_mean = |at: usize| -> i64 {
        let squares = (ALL.iter().zip(sums))
            .map(|(stage, sum)| (all.weightings[at].weight(*stage) - sum / total).powi(2));
        (squares.sum::<f64>() * 1e9).round() as i64
    };
    let chosen = (0..n).min_by_key(|at| (from_mean(*at), near(*at))).unwrap();
    let itself = all.weightings.iter().position(|one| one == prior).unwrap();
    let (gain, error) = apart(chosen, itself);
    let chosen = if gain > error / 2.0 + 1e-12 {
        chosen
    } else {
        itself
    };
    all.weightings[chosen].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_choice_is_that_of_the_rule_said_again(
        seed: u64,
        n_queries in 4_usize..60,
        signals in [0.0_f64..2.0, 0.0..2.0, 0.0..2.0],
        prior in prop::sample::select(vec!["0.2,0.3,0.5", "0.8,0.1,0.1", "0,0.37,0.63", "0,0,1"]),
    ) {
        let [bm25, dense, cross] = signals;
        let pools = simulated(seed, n_queries, &by_stage(bm25, dense, cross));
        let sample: Vec<usize> = (0..n_queries).collect();
        let all = rehearsed(&pools, prior, Prior::Preset, std::slice::from_ref(&sample));
        let expected = winner(&all, &prior.parse().unwrap(), &sample);
        prop_assert_eq!(&all.weightings[all.chosen[0]], &expected);
        // Whatever it is called from, and in whatever order the queries come.
        let report = tuned(&pools, prior, Prior::Preset);
        prop_assert_eq!(&report.best.choice.weights, &expected);
        let mut turned = pools;
        turned.reverse();
        let again = tuned(&turned, prior, Prior::Preset);
        prop_assert_eq!(&again.best.choice, &report.best.choice);
        prop_assert_eq!(&again.fold_choices, &report.fold_choices);
        prop_assert!((again.out_of_fold - report.out_of_fold).abs() < 1e-9);
    }
}

#[test]
fn what_a_fold_holds_has_no_part_in_what_is_chosen_for_it() {
    let pools = simulated(11, 40, &by_stage(1.0, 0.5, 0.2));
    let before = tuned(&pools, "0.2,0.3,0.5", Prior::Preset);
    for fold in 0..before.folds {
        // The queries of one fold turn round: what was relevant is not, and the reverse.
        let mut turned = pools.clone();
        for (pool, outcome) in turned.iter_mut().zip(&before.queries) {
            if outcome.fold == fold {
                let grades: Vec<i32> = (pool.grades.iter())
                    .map(|grade| i32::from(*grade == Some(0)))
                    .collect();
                let at: usize = pool.query.id[1..].parse().unwrap();
                let candidates = pool.candidates.clone();
                *pool = judged_pool(at, candidates, &grades, pool.lengths.clone());
            }
        }
        let after = tuned(&turned, "0.2,0.3,0.5", Prior::Preset);
        assert_eq!(after.fold_choices[fold], before.fold_choices[fold]);
        assert_ne!(after.out_of_fold, before.out_of_fold);
    }
}

#[test]
fn the_best_two_way_fusion_stays_one() {
    let pools = simulated(2, 30, &by_stage(1.0, 1.0, 1.0));
    let report = tuned(&pools, "0.2,0.3,0.5", Prior::Preset);
    let choice = |baseline| {
        let mut against = report.against.iter();
        let one = against.find(|one| one.baseline == baseline).unwrap();
        &one.choice
    };
    assert!(choice(Baseline::BestTwoWay).n_stages() <= 2);
    // The prior weighs the cross-encoder, and its own weights are no way out either.
    let without = choice(Baseline::Without(CROSS));
    assert_eq!(without.weights.weight(CROSS), 0.0);
    assert!(without.n_stages() > 0);
}

#[test]
fn the_prior_of_a_profile_that_was_tuned_is_not_its_own_weights() {
    let (_place, index) = place();
    let topics = topics(&index, judged_by(&index, BM25));
    let mut profile = profile("0.1,0.2,0.7");
    let report = run(&index, &with_prior(&profile, Prior::Preset), &topics);
    let prior = report.prior.unwrap();
    // No preset has the models of the tests.
    assert_eq!(prior.origin, PriorOrigin::Profile);
    assert_eq!(prior.weights, profile.weights);

    profile.tuned = Some(provenance());
    let report = run(&index, &with_prior(&profile, Prior::Preset), &topics);
    assert_eq!(report.prior.unwrap().origin, PriorOrigin::Equal);
}

#[test]
fn samples_that_cannot_be_drawn_are_refused() {
    let pools = simulated(1, 8, &by_stage(1.0, 1.0, 1.0));
    let profile = profile("0.2,0.3,0.5");
    let request = with_prior(&profile, Prior::Preset);
    for sample in [vec![], vec![8]] {
        let error = rehearse(&pools, &request, &pipeline(&profile), &[sample]).unwrap_err();
        assert!(error.to_string().contains("a sample is empty"), "{error}");
    }
    let full = TuneRequest {
        search: Search::Full,
        ..request
    };
    let error = rehearse(&pools, &full, &pipeline(&profile), &[]).unwrap_err();
    assert!(error.to_string().contains("weights alone"), "{error}");
}
