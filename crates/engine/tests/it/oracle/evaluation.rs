//! An evaluation, written the obvious way, agrees with the engine's.

use super::*;

/// Judgments drawn at random, with some unknown documents and bad grades.
fn random_qrels(queries: &[Query], n_docs: u64, seed: u64) -> Qrels {
    let mut random = Random::new(seed);
    let judge = |query: &Query| {
        let judgments: BTreeMap<String, i32> = (0..20)
            .map(|_| {
                (
                    format!("d{}", random.below(n_docs + 5)),
                    random.below(5) as i32 - 1,
                )
            })
            .collect();
        (query.id.clone(), judgments)
    };
    Qrels(queries.iter().map(judge).collect())
}

/// nDCG, reciprocal rank, recall and precision as the books have them.
fn obvious_metrics(ranking: &[String], judgments: &BTreeMap<String, i32>) -> [f64; 4] {
    let grade = |id: &String| judgments.get(id).copied().unwrap_or(0).max(0);
    let gain = |(at, grade): (usize, i32)| f64::from(grade) / ((at + 2) as f64).log2();
    let mut ideal: Vec<i32> = judgments
        .values()
        .copied()
        .filter(|grade| *grade > 0)
        .collect();
    ideal.sort_by_key(|grade| std::cmp::Reverse(*grade));
    let n_relevant = ideal.len() as f64;
    let ideal: f64 = ideal.into_iter().take(10).enumerate().map(gain).sum();
    let found: f64 = ranking
        .iter()
        .take(10)
        .map(grade)
        .enumerate()
        .map(gain)
        .sum();
    let first = ranking.iter().position(|id| grade(id) > 0);
    let n_found = |depth: usize| {
        ranking
            .iter()
            .take(depth)
            .filter(|id| grade(id) > 0)
            .count() as f64
    };
    if n_relevant > 0.0 {
        [
            found / ideal,
            first.map_or(0.0, |at| 1.0 / (at + 1) as f64),
            n_found(20) / n_relevant,
            n_found(5) / 5.0,
        ]
    } else {
        [0.0; 4]
    }
}

#[test]
fn an_evaluation_measures_what_searches_return() {
    let world = World::new(4, 80, 0.9, 0.4);
    let queries = random_queries(4, 25);
    let qrels = random_qrels(&queries, 80, 4);
    let topics = Topics::new(&world.index, queries, qrels, None).unwrap();
    let metrics: Vec<Metric> = ["nDCG@10", "RR", "R@20", "P@5"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    for mode in [
        Mode::Cascade,
        Mode::Hybrid,
        Mode::TwoStage,
        Mode::Exhaustive,
    ] {
        let profile = Profile {
            mode,
            depths: depths(30, 30, if mode == Mode::Exhaustive { 80 } else { 12 }),
            ..Profile::default()
        };
        let report =
            evaluate(&world.index, &profile, None, &topics, &metrics, &NoProgress).unwrap();
        let names: Vec<&str> = report.rows.iter().map(|row| row.name.as_str()).collect();
        match mode {
            Mode::TwoStage => assert_eq!(names, ["bm25", "cross", "hybrid"]),
            _ => assert_eq!(names, ["bm25", "dense", "cross", "bm25+dense", "hybrid"]),
        }
        let n_queries = topics.queries.len();
        assert!(
            report
                .times
                .iter()
                .all(|(_, times)| times.len() == n_queries)
        );

        let hybrid = report.rows.last().unwrap();
        for query in &topics.queries {
            let result = search(&world.index, &profile, &query.text);
            let ranking: Vec<String> = result.hits.iter().map(|hit| hit.id.clone()).collect();
            assert!(
                hybrid
                    .run
                    .ranking(&query.id)
                    .eq(ranking.iter().map(String::as_str))
            );
        }
        for row in &report.rows {
            let mut sums = [0.0; 4];
            for query in &topics.queries {
                let ranking: Vec<String> = row.run.ranking(&query.id).map(str::to_string).collect();
                let expected = obvious_metrics(&ranking, &topics.qrels.0[&query.id]);
                let found = &row.evaluation.queries[&query.id];
                for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                    assert!(
                        (found - expected).abs() < 1e-9,
                        "{} {} {at}",
                        row.name,
                        query.id
                    );
                    sums[at] += expected;
                }
            }
            for (mean, sum) in row.evaluation.summary().iter().zip(sums) {
                assert!((mean - sum / n_queries as f64).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn each_stages_row_is_what_that_stage_alone_returns() {
    let world = World::new(5, 80, 0.9, 0.4);
    let queries = random_queries(5, 15);
    let qrels = random_qrels(&queries, 80, 5);
    let topics = Topics::new(&world.index, queries, qrels, None).unwrap();
    let profile = Profile {
        depths: depths(20, 15, 10),
        ..Profile::default()
    };
    let metrics = ["nDCG@10".parse().unwrap()];
    let report = evaluate(&world.index, &profile, None, &topics, &metrics, &NoProgress).unwrap();
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    let (mut hits, mut judged) = (0, 0);
    for query in &topics.queries {
        let bm25 = world.bm25(&query.text);
        let dense = world.dense(&query.text);
        let alone = |scores: &dyn Fn(usize) -> f32, depth: usize| {
            let mut docs: Vec<usize> = (0..80).collect();
            docs.sort_by(|x, y| scores(*y).total_cmp(&scores(*x)));
            docs.truncate(depth);
            docs.into_iter()
                .map(|doc| world.documents[doc].id.clone())
                .collect::<Vec<_>>()
        };
        let n_found = bm25.iter().filter(|score| **score > 0.0).count();
        let expected = alone(&|doc| bm25[doc] as f32, n_found.min(20));
        assert!(
            row("bm25")
                .run
                .ranking(&query.id)
                .eq(expected.iter().map(String::as_str))
        );
        for id in expected.iter().take(10) {
            hits += 1;
            judged += usize::from(topics.qrels.grade(&query.id, id).is_some());
        }
        let expected = alone(&|doc| dense[doc], 15);
        assert!(
            row("dense")
                .run
                .ranking(&query.id)
                .eq(expected.iter().map(String::as_str))
        );

        let cross = &row("cross").run.0[&query.id];
        assert!(cross.is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(
            cross.len(),
            search(&world.index, &profile, &query.text).hits.len()
        );
        for (at, entry) in cross.iter().enumerate().take(10) {
            let doc = world
                .documents
                .iter()
                .position(|document| document.id == entry.doc)
                .unwrap();
            assert_eq!(entry.score as f32, world.cross(&query.text, doc), "{at}");
        }
    }
    assert_eq!(row("bm25").judged, (judged, hits));
}

#[test]
fn means_by_tag_are_those_of_the_tagged_queries() {
    let world = World::new(6, 30, 0.9, 0.4);
    let mut queries: Vec<Query> = (0..6)
        .map(|n| query(&format!("q{n}"), "w0 w1 w2"))
        .collect();
    for (at, query) in queries.iter_mut().enumerate() {
        query.tags = match at {
            0 | 1 => vec!["short".into()],
            2 => vec!["short".into(), "odd".into()],
            _ => Vec::new(),
        };
    }
    let qrels = random_qrels(&queries, 30, 6);
    let topics = Topics::new(&world.index, queries, qrels, None).unwrap();
    let metrics = ["nDCG@10".parse().unwrap()];
    let profile = Profile::default();
    let report = evaluate(&world.index, &profile, None, &topics, &metrics, &NoProgress).unwrap();
    let row = report.rows.last().unwrap();
    let by_tag = row.by_tag(&topics);
    let value = |id: &str| row.evaluation.queries[id][0];
    assert_eq!(by_tag.keys().collect::<Vec<_>>(), ["odd", "short"]);
    assert_eq!(by_tag["odd"], (1, vec![value("q2")]));
    let mean = (value("q0") + value("q1") + value("q2")) / 3.0;
    assert!(by_tag["short"].0 == 3 && (by_tag["short"].1[0] - mean).abs() < 1e-12);
}
