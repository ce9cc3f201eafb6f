//! A filtered evaluation is that of the rankings of filtered searches, and tuning knows under
//! which filter its scores were gathered.

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use treffer_engine::evaluate::{Measurement, evaluate};
use treffer_engine::topics::Topics;
use treffer_engine::tune::{Prior, ScoresOrigin, Search, TuneReport, TuneRequest, tune};
use treffer_eval::{Evaluation, Metric, Run, RunEntry};
use treffer_testkit::random_queries;
use treffer_types::{Qrels, StageName};

use super::unfiltered::{Condition, World};
use super::*;
use crate::support::{DENSE, by_stage};

fn metrics() -> Vec<Metric> {
    let names = ["nDCG@10", "MAP", "Recall@100", "P@5"];
    names.map(|name| name.parse().unwrap()).to_vec()
}

fn profile(mode: Mode) -> Profile {
    Profile {
        mode,
        depths: depths(100, 100, 0),
        weights: treffer_fusion::Weights::from_decimals(by_stage(0.4, 0.6, 0.0)).unwrap(),
        ..Profile::default()
    }
}

/// About a third of all pairs of a query and a document are judged, a quarter of these as not
/// relevant; and one document that is not there is relevant to all.
fn judgments(world: &World, queries: &[Query], random: &mut Random) -> Qrels {
    let mut qrels = Qrels::default();
    for query in queries {
        let grades = qrels.0.entry(query.id.clone()).or_default();
        grades.insert("nowhere".into(), 1);
        for document in &world.documents {
            if random.below(3) == 0 {
                grades.insert(document.id.clone(), random.below(4) as i32);
            }
        }
    }
    qrels
}

/// What filtered searches of these stages return.
fn run_by_hand(
    world: &World,
    profile: &Profile,
    stages: &[StageName],
    condition: &Condition,
    queries: &[Query],
) -> Run {
    let options = SearchOptions {
        stages: Some(stages.to_vec()),
        ..filtered(&condition.text())
    };
    let searcher = Searcher::new(&world.engine, profile, &options).unwrap();
    let of_query = |query: &Query| {
        let hits = searcher.search(query).unwrap().hits.into_iter();
        let entries = hits.map(|hit| RunEntry {
            doc: hit.id,
            score: hit.score,
        });
        (query.id.clone(), entries.collect())
    };
    Run(queries.iter().map(of_query).collect())
}

fn check_measured(
    world: &World,
    measured: &Measurement,
    profile: &Profile,
    condition: &Condition,
    queries: &[Query],
    qrels: &Qrels,
) {
    for (name, stages) in [
        ("bm25", &[BM25][..]),
        ("dense", &[DENSE]),
        ("hybrid", &[BM25, DENSE]),
    ] {
        let row = measured.rows.iter().find(|row| row.name == name).unwrap();
        let run = run_by_hand(world, profile, stages, condition, queries);
        let by_hand = Evaluation::new(&run, qrels, &metrics()).unwrap();
        for query in queries {
            let found: Vec<&str> = row.run.ranking(&query.id).collect();
            let expected: Vec<&str> = run.ranking(&query.id).collect();
            assert_eq!(found, expected, "{name} {}", condition.text());
        }
        assert_eq!(row.evaluation, by_hand, "{name} {}", condition.text());
    }
}

#[test]
fn a_filtered_evaluation_is_that_of_filtered_searches() {
    let mut runner = TestRunner::new(Runs::with_cases(16));
    let run = runner.run(&any::<u64>(), |seed| {
        let world = World::new(seed, &[]);
        let mut random = Random::new(seed ^ 2);
        let queries = random_queries(seed, 5);
        let qrels = judgments(&world, &queries, &mut random);
        for mode in [Mode::Hybrid, Mode::Cascade] {
            let condition = Condition::random(&mut random, 2);
            let text = condition.text();
            let topics = |filter| {
                let (queries, qrels) = (queries.clone(), qrels.clone());
                Topics::filtered(&world.engine, queries, qrels, None, filter)
            };
            if world.engine.filter(&text).unwrap().is_empty() {
                prop_assert!(topics(Some(&text)).is_err());
                continue;
            }
            let topics = topics(Some(&text)).unwrap();
            // By hand, judgments of what is excluded are not there at all.
            let (mut left, mut n_excluded) = (qrels.clone(), 0);
            for grades in left.0.values_mut() {
                grades.retain(|id, grade| {
                    let is_left = id == "nowhere" || world.holds(&condition, id);
                    n_excluded += usize::from(!is_left && *grade > 0);
                    is_left
                });
            }
            let filter = topics.filter.clone().unwrap();
            prop_assert_eq!(filter.relevant_excluded, n_excluded, "{}", text);
            let profile = profile(mode);
            let measured = evaluate(
                &world.engine,
                &profile,
                Some(&[BM25, DENSE]),
                &topics,
                &metrics(),
                &NoProgress,
            )
            .unwrap();
            if mode == Mode::Hybrid {
                check_measured(&world, &measured, &profile, &condition, &queries, &left);
            } else {
                let row = measured.rows.last().unwrap();
                let stages = [BM25, DENSE];
                let run = run_by_hand(&world, &profile, &stages, &condition, &queries);
                let by_hand = Evaluation::new(&run, &left, &metrics()).unwrap();
                prop_assert_eq!(&row.evaluation, &by_hand, "{}", text);
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn queries_that_a_filter_leaves_nothing_relevant_are_counted() {
    let place = fridges();
    let engine = place.open();
    let topics = |filter| {
        let queries = vec![
            crate::support::query("q1", "quiet fridge"),
            crate::support::query("q2", "oven"),
        ];
        let qrels = crate::topics::qrels(&[
            ("q1", "a", 2),
            ("q1", "b", 1),
            ("q1", "gone", 1),
            ("q2", "e", 1),
            ("q2", "b", 0),
        ]);
        Topics::filtered(&engine, queries, qrels, None, filter)
    };
    let whole = topics(None).unwrap();
    assert_eq!(
        (whole.filter, whole.mismatches.queries_without_relevant),
        (None, 0)
    );
    let filtered = topics(Some("(tag:Kirsch)")).unwrap();
    assert_eq!(filtered.mismatches.queries_without_relevant, 1);
    assert_eq!(filtered.mismatches.documents_unknown, 1, "{filtered:?}");
    let filter = filtered.filter.unwrap();
    assert_eq!(filter.text, "tag:Kirsch");
    assert_eq!(
        (
            filter.documents,
            filter.relevant_excluded,
            filter.queries_emptied
        ),
        (3, 2, 1)
    );
    let message = topics(Some("tag:kirsch")).unwrap_err().to_string();
    assert!(
        message.contains("`tag` is nowhere `kirsch`, but `Kirsch`")
            && message.contains("nothing to measure"),
        "{message}"
    );
    assert!(matches!(
        topics(Some("tga:Kirsch")),
        Err(Error::Filter { .. })
    ));
}

fn tuned(engine: &Engine, topics: &Topics, search: Search) -> TuneReport {
    let profile = profile(Mode::Hybrid);
    let request = TuneRequest {
        profile: &profile,
        stages: Some(&[BM25, DENSE]),
        metric: "nDCG@10".parse().unwrap(),
        search,
        prior: Prior::Preset,
        steps: 5,
        folds: 3,
        seed: 3,
        draws: 100,
        budget_ms: None,
        cache: true,
        learn: false,
    };
    tune(engine, &request, topics, &NoProgress).unwrap()
}

#[test]
fn scores_of_another_filter_are_not_taken_from_the_cache() {
    let world = World::new(5, &[]);
    let engine = &world.engine;
    let queries = random_queries(5, 9);
    let qrels = judgments(&world, &queries, &mut Random::new(5));
    let topics = |filter| {
        let (queries, qrels) = (queries.clone(), qrels.clone());
        Topics::filtered(engine, queries, qrels, None, filter).unwrap()
    };
    let gathered = ScoresOrigin::Gathered { note: None };
    for search in [Search::Weights, Search::Full] {
        for (filter, origin) in [
            (None, &gathered),
            (Some("price:[20 TO 80]"), &gathered),
            (Some("NOT price:[20 TO 80]"), &gathered),
            // The same, written otherwise.
            (Some("NOT (price:[20  TO  80])"), &ScoresOrigin::Cache),
            (None, &ScoresOrigin::Cache),
        ] {
            let topics = topics(filter);
            let report = tuned(engine, &topics, search);
            assert_eq!(report.scores, *origin, "{filter:?}");
            let measured = evaluate(
                engine,
                &profile(Mode::Hybrid),
                Some(&[BM25, DENSE]),
                &topics,
                &[report.metric],
                &NoProgress,
            )
            .unwrap();
            let mean = measured.rows.last().unwrap().evaluation.summary()[0];
            assert!((report.current.mean - mean).abs() < 1e-12, "{filter:?}");
        }
    }
}
