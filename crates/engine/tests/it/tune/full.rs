//! The full search: what it derives from one gathering is what gathering anew gives,
//! and its costs are those that were measured.

use treffer_engine::profile::Order;
use treffer_engine::tune::{Choice, Setup};
use treffer_fusion::{Aggregation, Normalizer};

use super::*;

/// Depths that leave most documents out.
fn hybrid() -> Profile {
    Profile {
        mode: Mode::Hybrid,
        depths: depths(16, 12, 11),
        ..profile("0.2,0.3,0.5")
    }
}

fn full<'a>(profile: &'a Profile) -> TuneRequest<'a> {
    TuneRequest {
        search: Search::Full,
        ..request(profile, 5)
    }
}

#[test]
fn every_choice_is_worth_what_searching_with_it_gives() {
    let (_place, index) = place();
    check_choices(&index, &hybrid());
}

#[test]
fn so_it_is_where_documents_have_several_passages() {
    let (_place, index) = split_place();
    assert!(index.has_split_documents());
    check_choices(&index, &hybrid());
    let two_of_each = Profile {
        cross_passages: 2,
        ..hybrid()
    };
    check_choices(&index, &two_of_each);
}

#[test]
fn so_it_is_where_reading_stops_early() {
    let (_place, index) = place();
    for cross_patience in [1, 3] {
        let profile = Profile {
            cross_patience,
            ..hybrid()
        };
        check_choices(&index, &profile);
    }
}

/// Every choice that tuning reports has the mean that searching with it has.
fn check_choices(index: &Engine, hybrid: &Profile) {
    for mode in [
        Mode::Hybrid,
        Mode::Cascade,
        Mode::TwoStage,
        Mode::Exhaustive,
    ] {
        let profile = Profile {
            mode,
            depths: match mode {
                Mode::Exhaustive => depths(16, 12, N_DOCS),
                _ => depths(16, 12, 11),
            },
            ..hybrid.clone()
        };
        let topics = topics(index, judged_by(index, CROSS));
        let report = run(index, &full(&profile), &topics);
        let is_right = |choice: &Choice, expected: f64| {
            let profile = choice.apply(&profile);
            let found = mean(values_of(index, &profile, choice.weights.clone(), &topics));
            assert!(
                (found - expected).abs() < 1e-9,
                "{mode}: {choice:?} {found} {expected}"
            );
        };
        is_right(&report.current.choice, report.current.mean);
        is_right(&report.best.choice, report.best.mean);
        is_right(&report.highest.choice, report.highest.mean);
        for one in &report.against {
            if !one.baseline.is_tuned() {
                is_right(&one.choice, one.comparison.baseline);
            }
        }
        // What each fold chose, on the queries that it was not chosen by.
        for (fold, choice) in report.fold_choices.iter().enumerate() {
            let profile = choice.apply(&profile);
            let values = values_of(index, &profile, choice.weights.clone(), &topics);
            for (query, value) in report.queries.iter().zip(values) {
                if query.fold == fold {
                    assert!((query.out_of_fold - value).abs() < 1e-9, "{mode} {fold}");
                }
            }
        }
    }
}

#[test]
fn the_reading_order_and_the_depth_are_found() {
    let (_place, index) = place();
    // Relevant is what the bi-encoder likes among what BM25 never sees, so that reading
    // in BM25's order wastes the depth.
    let profile = Profile {
        depths: depths(16, 12, 2),
        cross_order: Order::Stage(StageName::BM25),
        ..hybrid()
    };
    let topics = topics(&index, judged_by(&index, CROSS));
    let report = run(&index, &full(&profile), &topics);
    assert!(report.best.mean > report.current.mean, "{report:?}");
    assert!(report.n_measured > 500);
}

#[test]
fn depths_and_their_costs_make_a_front() {
    let (_place, index) = place();
    let profile = hybrid();
    let topics = topics(&index, judged_by(&index, CROSS));
    let report = run(&index, &full(&profile), &topics);
    // Three depths of each first stage; the cross-encoder reads 0, 10 or 11, or up to 11 with a
    // patience of 5 or 10.
    assert_eq!(report.depths.len(), 9 * (3 + 2));
    let front: Vec<_> = report
        .depths
        .iter()
        .filter(|point| point.is_pareto)
        .collect();
    assert!(!front.is_empty());
    for pair in front.windows(2) {
        assert!(pair[0].ms <= pair[1].ms && pair[0].mean < pair[1].mean);
    }
    for point in &report.depths {
        let is_beaten = |other: &&&_| {
            let other: &treffer_engine::tune::DepthPoint = other;
            other.ms <= point.ms && other.mean >= point.mean
        };
        assert!(front.iter().any(|other| is_beaten(&other)), "{point:?}");
    }
    let [bm25, dense, cross] = report.times.as_slice() else {
        panic!("{:?}", report.times);
    };
    assert!(cross.is_per_pair && !bm25.is_per_pair && !dense.is_per_pair);
    // Reading is what a choice saves: the first stages always run.
    let first_stages = bm25.ms + dense.ms;
    for point in &report.depths {
        let reads = point.choice.weights.weight(CROSS) > 0.0;
        let pairs = (point.ms - first_stages) / cross.ms;
        let depth = point.choice.setup.depths.get(CROSS).unwrap() as f64;
        if reads {
            assert!(pairs > 0.0 && pairs < depth + 1e-6, "{pairs} {depth}");
        } else {
            assert!(pairs.abs() < 1e-6, "{pairs}");
        }
    }
}

#[test]
fn a_budget_is_kept() {
    let (_place, index) = place();
    let profile = hybrid();
    let topics = topics(&index, judged_by(&index, CROSS));
    // Kept scores keep their times, so that both searches know the same costs.
    let cached = TuneRequest {
        cache: true,
        learn: false,
        ..full(&profile)
    };
    let free = run(&index, &cached, &topics);
    let cheapest = free.depths[0].ms;
    let report = run(
        &index,
        &TuneRequest {
            budget_ms: Some(cheapest),
            ..cached
        },
        &topics,
    );
    assert!(report.best.ms.unwrap() <= cheapest);
    for choice in &report.fold_choices {
        assert_eq!(choice.weights.weight(CROSS), 0.0, "no time to read");
    }
    assert_eq!(report.best.choice.weights.weight(CROSS), 0.0);
    // The profile as it was reads, so it cannot stay, though the winner is worse.
    assert!(report.current.ms.unwrap() > cheapest);
    assert!(report.out_of_fold < report.current.mean);
    assert_eq!(report.verdict, Verdict::OverBudget);
    assert!(report.is_change() && !report.is_gain());
}

#[test]
fn a_choice_becomes_a_profile_and_nothing_else_of_it_changes() {
    let profile = hybrid();
    let choice = Choice {
        setup: Setup {
            depths: depths(4, 3, 10),
            cross_order: Order::Stage(StageName::DENSE),
            normalizers: StageMap::from_fn(&ALL, |_| Normalizer::ZScore),
            aggregation: Aggregation::Mean { best: 3 },
            cross_language: 0.4,
            cross_patience: 0,
        },
        weights: "0.5,0.5,0".parse().unwrap(),
    };
    let changed = choice.apply(&profile);
    let of = |profile: &Profile| Choice {
        setup: Setup::of(profile),
        weights: profile.weights.clone(),
    };
    assert_eq!(of(&changed), choice);
    assert_eq!(of(&profile).apply(&changed), profile);
    assert!(changed.check().is_ok());
}
