//! Learned fusions: found where there is something to learn, claimed nowhere else.

use treffer_engine::api::{ExplainRequest, SearchOptions};
use treffer_engine::evaluate::evaluate;
use treffer_engine::learned::{self, Ranker};
use treffer_engine::tune::{Pool, tune_pools};
use treffer_fusion::{Learned, Lengths};
use treffer_types::{Candidate, DocId};

use super::simulated::{evidence, judged_pool, pipeline};
use super::*;

/// Queries on which a document is relevant if `is_relevant` of its two scores, each in
/// 0..1, and a third number.
fn pools(seed: u64, n_queries: usize, is_relevant: impl Fn(f64, f64, f64) -> bool) -> Vec<Pool> {
    const N_CANDIDATES: u32 = 30;
    let mut random = Random::new(seed);
    let mut pool = |query: usize| {
        let (mut candidates, mut grades) = (Vec::new(), Vec::new());
        let mut documents = Vec::new();
        for doc in 0..N_CANDIDATES {
            let (bm25, dense, other) = (random.unit(), random.unit(), random.unit());
            let mut candidate = Candidate::new(DocId(doc));
            for (stage, score) in [(BM25, bm25), (DENSE, dense)] {
                candidate.add(stage, evidence(score));
            }
            let grade = i32::from(is_relevant(bm25, dense, other));
            candidates.push(candidate);
            grades.push(grade);
            documents.push(random.below(200) as u32);
        }
        let lengths = Lengths {
            query: 4,
            documents,
        };
        judged_pool(query, candidates, &grades, lengths)
    };
    (0..n_queries).map(&mut pool).collect()
}

fn learned(pools: &[Pool], seed: u64) -> TuneReport {
    let profile = profile("0.5,0.5,0");
    let request = TuneRequest {
        folds: 5,
        seed,
        draws: 1000,
        learn: true,
        ..request(&profile, 10)
    };
    let without_cross = Profile {
        depths: depths(200, 200, 0),
        ..profile.clone()
    };
    tune_pools(pools, &request, &pipeline(&without_cross)).unwrap()
}

#[test]
fn what_weights_cannot_say_is_learned_and_believed() {
    let pools = pools(3, 80, |bm25, dense, _| bm25 > 0.7 && dense > 0.7);
    let report = learned(&pools, 3);
    let trees = report.learned.as_ref().unwrap();
    assert!(trees.is_gain(), "{trees:?}");
    assert!(trees.out_of_fold > report.out_of_fold + 0.02);
    let mean = trees.values.iter().sum::<f64>() / trees.values.len() as f64;
    assert!((mean - trees.out_of_fold).abs() < 1e-12);
    let difference = trees.out_of_fold - report.current.mean;
    assert!((trees.against_current().test.difference - difference).abs() < 1e-12);
}

#[test]
fn of_forty_sets_with_nothing_to_learn_hardly_any_is_said_to_have_something() {
    const RUNS: u64 = 40;
    let claims = (0..RUNS)
        .filter(|seed| {
            // Relevance by chance; and by just the weights that are the current ones.
            let pools = match seed % 2 {
                0 => pools(*seed, 30, |_, _, other| other > 0.8),
                _ => pools(*seed, 30, |bm25, dense, other| bm25 + dense + other > 2.0),
            };
            learned(&pools, *seed).learned.unwrap().is_gain()
        })
        .count();
    println!("claimed {claims} of {RUNS}");
    // Three standard deviations of a binomial count above its mean.
    assert!(claims <= 6, "claimed {claims} of {RUNS}");
}

#[test]
fn learning_again_gives_the_same_trees() {
    let pools = pools(5, 20, |bm25, dense, _| bm25 > 0.7 && dense > 0.6);
    let file = || {
        learned(&pools, 5)
            .learned
            .unwrap()
            .learned
            .encode()
            .unwrap()
    };
    assert_eq!(file(), file());
}

#[test]
fn queries_that_teach_nothing_give_the_tuned_weights() {
    let pools = pools(6, 12, |_, _, _| false);
    let report = learned(&pools, 6);
    let trees = report.learned.as_ref().unwrap();
    assert_eq!(trees.learned.n_trees(), 0);
    assert_eq!(trees.out_of_fold, report.out_of_fold);
    assert!(!trees.is_gain());
}

/// A learned fusion for the two stages that every index here has.
fn trees() -> Learned {
    let pools = pools(7, 40, |bm25, dense, _| bm25 > 0.7 && dense > 0.6);
    let trees = learned(&pools, 7).learned.unwrap().learned;
    assert!(trees.n_trees() > 0);
    trees
}

#[test]
fn a_search_is_ordered_by_the_learned_fusion_of_its_profile() {
    let (place, index) = place();
    let trees = trees();
    let two_stages = Profile {
        mode: Mode::Hybrid,
        depths: depths(200, 200, 0),
        ..profile("0.5,0.5,0")
    };
    let with_trees = Profile {
        learned: Some(learned::keep(index.dir(), "default", &trees).unwrap()),
        ..two_stages.clone()
    };
    change_profile(index.dir(), 1, "default", || Ok(with_trees.clone())).unwrap();
    let saved = place.open().settings().profile("default").unwrap().clone();
    assert_eq!(saved, with_trees);
    let mut n_changed = 0;
    for query in queries() {
        let linear = search(&index, &two_stages, &query.text);
        let learned = search(&index, &saved, &query.text);
        assert_eq!(learned.n_candidates, linear.n_candidates);
        for hit in &learned.hits {
            let stages = hit.stages.iter().map(|(_, stage)| stage.weighted);
            let parts: f64 = hit.learned.iter().map(|one| one.part).sum();
            let sum = stages.sum::<f64>() + parts;
            assert!((sum - hit.score).abs() < 1e-3, "{sum} {}", hit.score);
        }
        assert!(linear.hits.iter().all(|hit| hit.learned.is_empty()));
        let ids = |result: &treffer_engine::api::SearchResponse| -> Vec<String> {
            result.hits.iter().map(|hit| hit.id.clone()).collect()
        };
        n_changed += usize::from(ids(&learned) != ids(&linear));
    }
    assert!(n_changed > 0, "the trees change no ranking");
}

#[test]
fn a_search_over_other_stages_is_fused_by_the_weights() {
    let (_place, index) = place();
    let record = learned::keep(index.dir(), "default", &trees()).unwrap();
    let profile = Profile {
        learned: Some(record),
        ..profile("0.2,0.3,0.5")
    };
    let ranker = |stages: &[StageName]| {
        let pipeline = Pipeline::only(&profile, index.available(), stages).unwrap();
        Ranker::new(&index, &profile, &pipeline).unwrap()
    };
    assert!(matches!(ranker(&ALL), Ranker::Linear(_)));
    assert!(matches!(ranker(&[DENSE]), Ranker::Linear(_)));
    assert!(matches!(ranker(&[BM25, DENSE]), Ranker::Learned(_)));
    let effective = Pipeline::effective(&profile, index.available()).unwrap();
    assert_eq!(effective.stages(), ALL);
}

#[test]
fn a_learned_file_that_is_lost_or_changed_is_an_error_that_names_it() {
    let (_place, index) = place();
    let record = learned::keep(index.dir(), "a b/ü", &trees()).unwrap();
    let path = index.dir().join(&record.file);
    assert!(record.file.contains("a%20b%2f%fc-"), "{}", record.file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("0.1", "0.2", 1)).unwrap();
    let changed = learned::load(index.dir(), &record).unwrap_err();
    assert!(matches!(changed, Error::LearnedDamaged { .. }));
    assert!(changed.hint().unwrap().contains("--learn"));
    fs::remove_file(&path).unwrap();
    let lost = learned::load(index.dir(), &record).unwrap_err().to_string();
    assert!(lost.contains("learned"), "{lost}");
}

/// The trees read two stages, and a reranker without weight decides nothing: everything ranks by the
/// trees.
#[test]
fn explain_and_eval_rank_as_a_search_does_where_the_reranker_has_no_weight() {
    let (place, index) = place();
    let profile = Profile {
        mode: Mode::Hybrid,
        depths: depths(200, 200, 8),
        learned: Some(learned::keep(index.dir(), "default", &trees()).unwrap()),
        ..profile("0.5,0.5,0")
    };
    change_profile(index.dir(), 1, "default", || Ok(profile.clone())).unwrap();
    let engine = place.open();
    let (queries, mut qrels) = (queries(), Qrels::default());
    for query in &queries {
        let found = search(&engine, &profile, &query.text);
        let judged = BTreeMap::from([(found.hits[1].id.clone(), 1)]);
        qrels.0.insert(query.id.clone(), judged);
        for (at, hit) in found.hits.iter().enumerate().step_by(7) {
            let request = ExplainRequest {
                query: query.clone(),
                doc: hit.id.clone(),
                options: SearchOptions::default(),
                steps: 4,
            };
            assert_eq!(engine.explain(&request).unwrap().rank as usize, at + 1);
        }
    }
    let topics = Topics::new(&engine, queries.clone(), qrels, None).unwrap();
    let metric = "nDCG@10".parse().unwrap();
    let measured = evaluate(&engine, &profile, None, &topics, &[metric], &NoProgress).unwrap();
    let last = measured.rows.last().unwrap();
    assert_eq!(last.name, "learned");
    for query in &queries {
        let found = search(&engine, &profile, &query.text);
        let of_run: Vec<&str> = last.run.0[&query.id]
            .iter()
            .map(|one| one.doc.as_str())
            .collect();
        let found: Vec<&str> = found.hits.iter().map(|hit| hit.id.as_str()).collect();
        assert_eq!(of_run[..found.len()], found);
    }
}
