//! A search and an evaluation, written the obvious way, agree with the engine's.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestCaseError, TestRunner};
use treffer_dense::DenseIndex;
use treffer_engine::evaluate::evaluate;
use treffer_engine::index::Index;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::topics::Topics;
use treffer_eval::Metric;
use treffer_fusion::{Normalizer, Weights};
use treffer_testkit::{FakeScorer, Random, random_corpus, random_queries};
use treffer_types::{
    Document, Embedder, NoProgress, PairScorer, Qrels, Query, StageMap, StageName,
};

use crate::support::{Place, config, query, search};

/// A corpus with everything that the obvious way needs to know of it.
struct World {
    place: Place,
    index: Index,
    documents: Vec<Document>,
    dense: DenseIndex,
}

impl World {
    fn new(seed: u64, n_docs: usize, k1: f64, b: f64) -> Self {
        let documents = random_corpus(seed, n_docs);
        let mut place = Place::with_corpus(&documents);
        place.config = config(&[&format!("lexical.k1={k1:?}"), &format!("lexical.b={b:?}")]);
        place.build().unwrap();
        let dense = DenseIndex::open(&place.segment().join("dense")).unwrap();
        World {
            index: place.open(),
            documents,
            dense,
            place,
        }
    }

    /// BM25 of every document.
    fn bm25(&self, query: &str) -> Vec<f64> {
        let (k1, b) = (self.place.config.lexical.k1, self.place.config.lexical.b);
        let (k1, b) = (f64::from(k1), f64::from(b));
        let texts: Vec<String> = self.documents.iter().map(Document::full_text).collect();
        let words: Vec<Vec<&str>> = texts.iter().map(|text| text.split(' ').collect()).collect();
        let n = words.len() as f64;
        let average = words.iter().map(Vec::len).sum::<usize>() as f64 / n;
        let mut scores = vec![0.0; words.len()];
        let df = |term: &str| words.iter().filter(|words| words.contains(&term)).count();
        let mut terms: Vec<&str> = query.split(' ').collect();
        terms.sort_by_key(|term| df(term)); // sums are made rarest term first
        for term in terms {
            let df = df(term) as f64;
            let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
            for (score, words) in scores.iter_mut().zip(&words) {
                let tf = words.iter().filter(|word| **word == term).count() as f64;
                let norm = 1.0 - b + b * words.len() as f64 / average;
                if tf > 0.0 {
                    *score += idf * tf / (tf + k1 * norm);
                }
            }
        }
        scores
    }

    /// Cosine of every document.
    fn cosine(&self, query: &str) -> Vec<f64> {
        let embedder = &self.place.fakes.embedder;
        let query = embedder.embed_queries(&[query]).unwrap().remove(0).vector;
        let texts: Vec<String> = self.documents.iter().map(Document::full_text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let passages = embedder.embed_passages(&texts).unwrap();
        let dot = |passage: &[f32]| -> f64 {
            passage
                .iter()
                .zip(&query)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum()
        };
        passages
            .iter()
            .map(|passage| dot(&passage.vector))
            .collect()
    }

    /// The cosines as the index rounds them, after a look that they are these: many
    /// are equal but for their rounding, and the order hangs on it.
    fn dense(&self, query: &str) -> Vec<f32> {
        let vector = self
            .place
            .fakes
            .embedder
            .embed_queries(&[query])
            .unwrap()
            .remove(0)
            .vector;
        let n = self.documents.len();
        let mut scores = vec![f32::NAN; n];
        for (passage, score) in self.dense.exact(&vector, n).unwrap() {
            scores[passage.doc.0 as usize] = score.value();
        }
        for (rounded, exact) in scores.iter().zip(self.cosine(query)) {
            assert!((f64::from(*rounded) - exact).abs() < 1e-5);
        }
        scores
    }

    fn cross(&self, query: &str, doc: usize) -> f32 {
        let text = self.documents[doc].full_text();
        FakeScorer::new().score_pairs(query, &[&text]).unwrap()[0].logit
    }

    /// Gathers and fuses as the documentation says, with lists and loops.
    fn search(&self, profile: &Profile, query: &str) -> Vec<(String, f64)> {
        let bm25: Vec<f32> = self
            .bm25(query)
            .into_iter()
            .map(|score| score as f32)
            .collect();
        let dense = self.dense(query);
        let all: Vec<usize> = (0..self.documents.len()).collect();
        let found: Vec<usize> = all.iter().copied().filter(|doc| bm25[*doc] > 0.0).collect();
        let best = |docs: &[usize], by: &dyn Fn(usize) -> f64, depth: usize| -> Vec<usize> {
            let mut docs = docs.to_vec();
            docs.sort();
            docs.sort_by(|x, y| by(*y).total_cmp(&by(*x)));
            docs.truncate(depth);
            docs
        };
        let by_bm25 = |doc: usize| f64::from(bm25[doc]);
        let by_dense = |doc: usize| f64::from(dense[doc]);
        let mut pool = match profile.mode {
            Mode::Exhaustive => all.clone(),
            _ => best(&found, &by_bm25, profile.bm25_depth),
        };
        if profile.mode == Mode::Hybrid {
            pool.extend(best(&all, &by_dense, profile.dense_depth));
        }
        pool.sort();
        pool.dedup();

        let column = |normalizer: Normalizer, docs: &[usize], raw: &dyn Fn(usize) -> f64| {
            let raw: Vec<f64> = docs.iter().map(|doc| raw(*doc)).collect();
            let normalized = normalize(normalizer, &raw);
            docs.iter()
                .copied()
                .zip(normalized)
                .collect::<HashMap<usize, f64>>()
        };
        let StageMap {
            bm25: by_rank,
            dense: of_dense,
            cross: of_cross,
        } = profile.normalizers;
        let bm25_column = column(by_rank, &pool, &by_bm25);
        let dense_column = column(of_dense, &pool, &by_dense);
        let promise = |doc: usize| 0.5 * bm25_column[&doc] + 0.5 * dense_column[&doc];
        let read = best(&pool, &promise, profile.cross_depth);
        let cross_column = column(of_cross, &read, &|doc| f64::from(self.cross(query, doc)));

        let weight = |stage| profile.weights.weight(stage);
        let first = |doc: usize| {
            weight(StageName::Bm25) * bm25_column[&doc]
                + weight(StageName::Dense) * dense_column[&doc]
        };
        if weight(StageName::Cross) == 0.0 {
            let order = best(&pool, &first, pool.len());
            return order
                .into_iter()
                .map(|doc| (self.documents[doc].id.clone(), first(doc)))
                .collect();
        }
        let score = |doc: usize| first(doc) + weight(StageName::Cross) * cross_column[&doc];
        let unread: Vec<usize> = pool
            .iter()
            .copied()
            .filter(|doc| !read.contains(doc))
            .collect();
        let mut ranking: Vec<(usize, f64)> = best(&read, &score, read.len())
            .into_iter()
            .map(|doc| (doc, score(doc)))
            .collect();
        let tail = best(&unread, &first, unread.len());
        if let (Some((_, last)), Some(leader)) = (ranking.last().copied(), tail.first()) {
            let floor = cross_column.values().copied().fold(0.0, f64::min);
            let part = (weight(StageName::Cross) * floor).min(last - first(*leader));
            ranking.extend(tail.iter().map(|doc| (*doc, first(*doc) + part)));
        }
        ranking
            .into_iter()
            .map(|(doc, score)| (self.documents[doc].id.clone(), score))
            .collect()
    }
}

fn normalize(normalizer: Normalizer, raw: &[f64]) -> Vec<f64> {
    let n = raw.len() as f64;
    let min = raw.iter().copied().fold(f64::INFINITY, f64::min);
    let max = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = raw.iter().sum::<f64>() / n;
    let deviation = (raw.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
    raw.iter()
        .map(|s| match normalizer {
            Normalizer::MinMax if min == max => 0.5,
            Normalizer::MinMax => (s - min) / (max - min),
            Normalizer::ZScore if min == max => 0.0,
            Normalizer::ZScore => (s - mean) / deviation,
            Normalizer::Rank { k } => {
                let rank = 1 + raw.iter().filter(|other| *other > s).count();
                1.0 / (f64::from(k) + rank as f64)
            }
            Normalizer::Bounds { low, high } => (s - low) / (high - low),
            Normalizer::Sigmoid { slope, offset } => 1.0 / (1.0 + (-(slope * s + offset)).exp()),
        })
        .collect()
}

fn normalizer() -> impl Strategy<Value = Normalizer> {
    prop_oneof![
        Just(Normalizer::MinMax),
        Just(Normalizer::ZScore),
        (0_u32..80).prop_map(|k| Normalizer::Rank { k }),
        (-3.0..0.0, 0.5..9.0).prop_map(|(low, high)| Normalizer::Bounds { low, high }),
        (0.1..3.0, -2.0..2.0).prop_map(|(slope, offset)| Normalizer::Sigmoid { slope, offset }),
    ]
}

fn profile() -> impl Strategy<Value = Profile> {
    let mode = prop_oneof![
        Just(Mode::Cascade),
        Just(Mode::Hybrid),
        Just(Mode::Exhaustive)
    ];
    let normalizers = (normalizer(), normalizer(), normalizer());
    let weights = (0_u32..6, 0_u32..6, 0_u32..6);
    (
        mode,
        1_usize..60,
        1_usize..60,
        1_usize..60,
        normalizers,
        weights,
    )
        .prop_map(
            |(mode, bm25_depth, dense_depth, cross_depth, normalizers, (alpha, beta, gamma))| {
                Profile {
                    mode,
                    bm25_depth,
                    dense_depth,
                    cross_depth: if mode == Mode::Exhaustive {
                        1000
                    } else {
                        cross_depth
                    },
                    normalizers: StageMap {
                        bm25: normalizers.0,
                        dense: normalizers.1,
                        cross: normalizers.2,
                    },
                    weights: Weights::new(StageMap {
                        bm25: alpha,
                        dense: beta,
                        cross: gamma,
                    })
                    .unwrap_or(Profile::default().weights),
                    ..Profile::default()
                }
            },
        )
}

/// Equal but for the rounding of sums in another order.
fn check_same(engine: &[(String, f64)], obvious: &[(String, f64)]) -> Result<(), TestCaseError> {
    prop_assert_eq!(engine.len(), obvious.len());
    let by_id: HashMap<&str, f64> = obvious
        .iter()
        .map(|(id, score)| (id.as_str(), *score))
        .collect();
    for ((id, score), (expected_id, expected)) in engine.iter().zip(obvious) {
        prop_assert!(
            (score - expected).abs() < 1e-5,
            "{} {} {}",
            id,
            score,
            expected
        );
        // Where the order differs, there is a tie that rounding broke.
        let in_place = id == expected_id
            || by_id
                .get(id.as_str())
                .is_some_and(|own| (own - expected).abs() < 1e-12);
        prop_assert!(in_place, "{} where {} is expected", id, expected_id);
    }
    Ok(())
}

#[test]
fn a_search_is_what_the_obvious_way_finds() {
    let worlds: Vec<World> = [(1, 12, 0.9, 0.4), (2, 80, 1.2, 0.75), (3, 200, 0.0, 1.0)]
        .into_iter()
        .map(|(seed, n_docs, k1, b)| World::new(seed, n_docs, k1, b))
        .collect();
    let mut runner = TestRunner::new(Runs {
        failure_persistence: None,
        ..Runs::with_cases(150)
    });
    let given = (0..worlds.len(), 0_u64..10_000, profile());
    let outcome = runner.run(&given, |(world, seed, profile)| {
        let world = &worlds[world];
        let query = random_queries(seed, 1).remove(0);
        let result = search(&world.index, &profile, &query.text);
        let engine: Vec<(String, f64)> = result
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), hit.score))
            .collect();
        check_same(&engine, &world.search(&profile, &query.text))?;
        for hit in &result.hits {
            let sum: f64 = hit.stages.iter().map(|(_, stage)| stage.weighted).sum();
            prop_assert!((sum - hit.score).abs() < 1e-9);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn bm25_is_the_formula() {
    for (k1, b) in [(0.9, 0.4), (1.2, 0.75), (0.0, 0.0), (2.0, 1.0)] {
        let world = World::new(9, 100, k1, b);
        let weights = Weights::equal(&[StageName::Bm25]).unwrap();
        let profile = Profile {
            mode: Mode::Exhaustive,
            weights,
            ..Profile::default()
        };
        for query in random_queries(9, 20) {
            let scores = world.bm25(&query.text);
            let result = search(&world.index, &profile, &query.text);
            assert_eq!(result.hits.len(), 100);
            for hit in result.hits {
                let expected = scores[hit.passage.doc.0 as usize];
                let found = f64::from(hit.stages.bm25.raw.unwrap().value());
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{} {found} {expected}",
                    hit.id
                );
            }
        }
    }
}

/// Judgements drawn at random, with some unknown documents and bad grades.
fn random_qrels(queries: &[Query], n_docs: u64, seed: u64) -> Qrels {
    let mut random = Random::new(seed);
    let judge = |query: &Query| {
        let judgements: BTreeMap<String, i32> = (0..20)
            .map(|_| {
                (
                    format!("d{}", random.below(n_docs + 5)),
                    random.below(5) as i32 - 1,
                )
            })
            .collect();
        (query.id.clone(), judgements)
    };
    Qrels(queries.iter().map(judge).collect())
}

/// nDCG, reciprocal rank, recall and precision as the books have them.
fn obvious_metrics(ranking: &[String], judgements: &BTreeMap<String, i32>) -> [f64; 4] {
    let grade = |id: &String| judgements.get(id).copied().unwrap_or(0).max(0);
    let gain = |(at, grade): (usize, i32)| f64::from(grade) / ((at + 2) as f64).log2();
    let mut ideal: Vec<i32> = judgements
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
    match n_relevant > 0.0 {
        true => [
            found / ideal,
            first.map_or(0.0, |at| 1.0 / (at + 1) as f64),
            n_found(20) / n_relevant,
            n_found(5) / 5.0,
        ],
        false => [0.0; 4],
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
            bm25_depth: 30,
            dense_depth: 30,
            cross_depth: if mode == Mode::Exhaustive { 80 } else { 12 },
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
        bm25_depth: 20,
        dense_depth: 15,
        cross_depth: 10,
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
