//! What each mode gathers, what the cross-encoder reads, and queries of every kind.

mod queries;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use treffer_bm25::Bm25Index;
use treffer_dense::DenseIndex;
use treffer_engine::Error;
use treffer_engine::api::{SearchOptions, StageReport};
use treffer_engine::gather::{Gathered, Gatherer, StageTrace};
use treffer_engine::pipeline::Pipeline;
use treffer_engine::profile::{Mode, Order, Profile};
use treffer_engine::search::Searcher;
use treffer_engine::{Engine, OpenOptions};
use treffer_fusion::Weights;
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Candidate, Document, Embedder, Query, StageName};

use crate::support::{ALL, Place, chain, depths, document, everything, gatherer, ids, raw, search};
use crate::support::{BM25, CROSS, DENSE};

const N_DOCS: usize = 120;

struct World {
    place: Place,
    index: Engine,
    documents: Vec<Document>,
    bm25: Bm25Index,
    dense: DenseIndex,
}

fn world() -> World {
    let documents = random_corpus(11, N_DOCS);
    let place = Place::built(&documents);
    let bm25_dir = place.segment().join("bm25");
    World {
        index: place.open(),
        bm25: Bm25Index::open_folder(&bm25_dir, &place.config.bm25).unwrap(),
        dense: DenseIndex::open_folder(&place.segment().join("dense")).unwrap(),
        documents,
        place,
    }
}

impl World {
    /// What BM25 alone finds.
    fn bm25(&self, query: &Query, depth: usize) -> Vec<u32> {
        let found = self.bm25.search(&query.text, depth, None).unwrap();
        found.into_iter().map(|(doc, _)| doc.0).collect()
    }

    /// What the bi-encoder alone finds.
    fn dense(&self, query: &Query, depth: usize) -> Vec<u32> {
        let mut embeddings = self
            .place
            .fakes
            .embedder
            .embed_queries(&[&query.text])
            .unwrap();
        let found = self
            .dense
            .exact(&embeddings.remove(0).vector, depth, None)
            .unwrap();
        found
            .into_iter()
            .map(|(passage, _)| passage.doc.0)
            .collect()
    }

    fn gather(&self, profile: &Profile, query: &Query) -> Gathered {
        gatherer(&self.index, profile).gather(query).unwrap()
    }
}

fn shallow(mode: Mode) -> Profile {
    Profile {
        mode,
        depths: depths(15, 10, 8),
        ..Profile::default()
    }
}

fn docs(candidates: &[Candidate]) -> BTreeSet<u32> {
    candidates.iter().map(|candidate| candidate.doc.0).collect()
}

fn n_scored(gathered: &Gathered, stage: StageName) -> usize {
    gathered
        .candidates
        .iter()
        .filter(|candidate| candidate.is_scored_by(stage))
        .count()
}

fn trace(trace: &StageTrace) -> (StageName, usize, usize, usize) {
    (
        trace.stage,
        trace.candidates_in,
        trace.candidates_out,
        trace.scored,
    )
}

fn report(report: &StageReport) -> (StageName, usize, usize, usize) {
    (
        report.stage,
        report.candidates_in,
        report.candidates_out,
        report.scored,
    )
}

fn traces(gathered: &Gathered) -> Vec<(StageName, usize, usize, usize)> {
    gathered.traces.iter().map(trace).collect()
}

#[test]
fn a_cascade_reads_and_rescores_what_bm25_found() {
    let world = world();
    for query in random_queries(1, 10) {
        let gathered = world.gather(&shallow(Mode::Cascade), &query);
        let found = world.bm25(&query, 15);
        let n = found.len();
        assert_eq!(docs(&gathered.candidates), found.into_iter().collect());
        assert_eq!(n_scored(&gathered, DENSE), n);
        let read = n.min(8);
        assert_eq!(
            traces(&gathered),
            [(BM25, 0, n, n), (DENSE, n, n, n), (CROSS, n, n, read)]
        );
    }
}

#[test]
fn a_hybrid_pool_is_the_union_with_both_scores_of_all() {
    let world = world();
    for query in random_queries(2, 10) {
        let gathered = world.gather(&shallow(Mode::Hybrid), &query);
        let (bm25, dense) = (world.bm25(&query, 15), world.dense(&query, 10));
        let union: BTreeSet<u32> = bm25.iter().chain(&dense).copied().collect();
        assert_eq!(docs(&gathered.candidates), union);
        let (n, n_bm25) = (union.len(), bm25.len());
        assert_eq!(
            (n_scored(&gathered, BM25), n_scored(&gathered, DENSE)),
            (n, n)
        );
        let expected = [
            (BM25, 0, n_bm25, n_bm25),
            (DENSE, n_bm25, n, n),
            (BM25, n, n, n - n_bm25),
            (CROSS, n, n, n.min(8)),
        ];
        assert_eq!(traces(&gathered), expected);
        // A score completed later is the one that a search would have given.
        let all: HashMap<u32, f32> = world
            .bm25
            .search(&query.text, N_DOCS, None)
            .unwrap()
            .into_iter()
            .map(|(doc, score)| (doc.0, score.value()))
            .collect();
        for candidate in &gathered.candidates {
            let score = candidate.best_score(BM25).unwrap().value();
            assert_eq!(score, all.get(&candidate.doc.0).copied().unwrap_or(0.0));
        }
    }
}

#[test]
fn two_stages_start_from_either_first_stage() {
    let world = world();
    for query in random_queries(3, 10) {
        let profile = shallow(Mode::TwoStage);
        let gathered = world.gather(&profile, &query);
        let found = world.bm25(&query, 15);
        let n = found.len();
        assert_eq!(docs(&gathered.candidates), found.into_iter().collect());
        assert_eq!(
            traces(&gathered),
            [(BM25, 0, n, n), (CROSS, n, n, n.min(8))]
        );

        let profile = Profile {
            first_stage: DENSE,
            ..profile
        };
        let gathered = world.gather(&profile, &query);
        assert_eq!(
            docs(&gathered.candidates),
            world.dense(&query, 10).into_iter().collect()
        );
        assert_eq!(traces(&gathered), [(DENSE, 0, 10, 10), (CROSS, 10, 10, 8)]);
        assert_eq!(n_scored(&gathered, BM25), 0);
    }
}

#[test]
fn an_exhaustive_search_reads_every_document() {
    let world = world();
    let query = &random_queries(4, 1)[0];
    let profile = Profile {
        depths: depths(15, 10, N_DOCS),
        ..shallow(Mode::Exhaustive)
    };
    let gathered = world.gather(&profile, query);
    assert_eq!(gathered.candidates.len(), N_DOCS);
    let n = N_DOCS;
    assert_eq!(
        traces(&gathered),
        [(BM25, n, n, n), (DENSE, n, n, n), (CROSS, n, n, n)]
    );
    let profile = Profile {
        depths: depths(15, 10, N_DOCS - 1),
        ..profile
    };
    let refused = Pipeline::of(&profile, world.index.available());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("120") && message.contains("119"),
        "{message}"
    );
}

#[test]
fn a_search_can_leave_stages_out() {
    let world = world();
    let query = &random_queries(5, 1)[0];
    let profile = shallow(Mode::Hybrid);
    let stages_of = |only: &[StageName]| -> Vec<StageName> {
        let pipeline = Pipeline::only(&profile, world.index.available(), only).unwrap();
        let gatherer = Gatherer::new(&world.index, &profile, pipeline);
        let gathered = gatherer.gather(query).unwrap();
        for stage in ALL {
            assert_eq!(
                n_scored(&gathered, stage) > 0,
                only.contains(&stage),
                "{only:?} {stage}"
            );
        }
        gathered.traces.iter().map(|trace| trace.stage).collect()
    };
    assert_eq!(stages_of(&[BM25]), [BM25]);
    assert_eq!(stages_of(&[DENSE]), [DENSE]);
    assert_eq!(stages_of(&[DENSE, BM25]), [BM25, DENSE, BM25]);
    assert_eq!(stages_of(&[CROSS, BM25]), [BM25, CROSS]);
    assert_eq!(stages_of(&[DENSE, CROSS]), [DENSE, CROSS]);

    let options = SearchOptions {
        stages: Some(vec![BM25]),
        top_k: 3,
        ..everything()
    };
    let result = Searcher::new(&world.index, &profile, &options)
        .unwrap()
        .search(query)
        .unwrap();
    assert!(result.hits.len() <= 3);
    assert!(result.hits.iter().all(|hit| raw(hit, DENSE).is_none()));
}

#[test]
fn stages_that_cannot_run_are_refused_by_name() {
    let world = world();
    let refusal = |index: &Engine, profile: &Profile, only: &[StageName]| {
        let refused = Pipeline::only(profile, index.available(), only);
        refused.expect_err("refused").to_string()
    };
    let hybrid = shallow(Mode::Hybrid);
    assert!(refusal(&world.index, &hybrid, &[CROSS]).contains("no stage is left that retrieves"));
    assert!(refusal(&world.index, &hybrid, &[]).contains("no stage is left"));
    let exhaustive = Profile {
        mode: Mode::Exhaustive,
        depths: depths(15, 10, N_DOCS),
        ..hybrid.clone()
    };
    assert!(refusal(&world.index, &exhaustive, &[]).contains("no stage is left"));
    Pipeline::only(&exhaustive, world.index.available(), &[CROSS]).unwrap();
    let two_stage = shallow(Mode::TwoStage);
    let message = refusal(&world.index, &two_stage, &[DENSE]);
    assert!(
        message.contains("dense stage") && message.contains("bm25, cross"),
        "{message}"
    );

    let options = OpenOptions {
        stages: Some(vec![BM25]),
        ..OpenOptions::default()
    };
    let bm25 = Engine::open(&world.place.dir(), &options, &world.place.fakes).unwrap();
    assert!(refusal(&bm25, &hybrid, &[BM25, CROSS]).contains("cross stage does not run"));
    let from_dense = Profile {
        first_stage: StageName::DENSE,
        ..two_stage
    };
    assert!(Pipeline::of(&from_dense, bm25.available()).is_err());
    let narrow = Profile {
        ef_search: 3,
        ..hybrid
    };
    assert!(refusal(&world.index, &narrow, &[BM25]).contains("ef_search is 3"));
}

#[test]
fn the_cross_encoder_reads_the_best_first_and_no_more() {
    let world = world();
    for (order, stage) in [
        (Order::Stage(StageName::BM25), BM25),
        (Order::Stage(StageName::DENSE), DENSE),
    ] {
        for depth in [1, 8, 1000] {
            let profile = Profile {
                cross_order: order,
                depths: depths(15, 10, depth),
                ..shallow(Mode::Hybrid)
            };
            for query in random_queries(6, 5) {
                world.place.fakes.take_read();
                let gathered = world.gather(&profile, &query);
                let mut best = gathered.candidates.clone();
                best.sort_by_key(|candidate| {
                    (
                        std::cmp::Reverse(candidate.best_score(stage)),
                        candidate.doc,
                    )
                });
                let read = world.place.fakes.take_read();
                assert_eq!(read.len(), depth.min(best.len()));
                let expected: Vec<String> = best
                    .iter()
                    .take(depth)
                    .map(|candidate| world.documents[candidate.doc.0 as usize].full_text())
                    .collect();
                assert_eq!(read, expected);
            }
        }
    }
}

#[test]
fn the_fused_order_of_reading_is_that_of_a_search_without_the_cross_encoder() {
    let world = world();
    let mut profile = shallow(Mode::Hybrid);
    profile.weights = Weights::equal(&[BM25, DENSE]).unwrap();
    for query in random_queries(7, 10) {
        let result = search(&world.index, &profile, &query.text);
        let by_id: BTreeMap<&str, &Document> = world
            .documents
            .iter()
            .map(|document| (document.id.as_str(), document))
            .collect();
        let expected: Vec<String> = ids(&result)
            .iter()
            .take(8)
            .map(|id| by_id[id].full_text())
            .collect();
        world.place.fakes.take_read();
        // Whatever the weights, the same passages are read.
        let weighted = Profile {
            weights: "0.1,0.1,0.8".parse().unwrap(),
            ..profile.clone()
        };
        search(&world.index, &weighted, &query.text);
        assert_eq!(world.place.fakes.take_read(), expected);
    }
}

#[test]
fn a_cross_encoder_without_weight_reads_nothing_in_a_search() {
    let world = world();
    let reads = world.place.fakes.scorer.reads();
    let profile = Profile {
        weights: "0.5,0.5,0".parse().unwrap(),
        ..shallow(Mode::Hybrid)
    };
    let result = search(&world.index, &profile, "w1 w2 w3");
    assert_eq!((reads.calls(), reads.pairs()), (0, 0));
    assert!(result.stages.iter().all(|report| report.stage != CROSS));
    let options = SearchOptions {
        stages: Some(ALL.to_vec()),
        top_k: 1,
        ..everything()
    };
    Searcher::new(&world.index, &profile, &options)
        .unwrap()
        .search(&Query::text("w1"))
        .unwrap();
    assert_eq!(reads.calls(), 1, "asked for by name, it reads");
    let off = Profile {
        depths: depths(15, 10, 0),
        ..shallow(Mode::Hybrid)
    };
    search(&world.index, &off, "w1");
    assert_eq!(reads.calls(), 1, "a depth of 0 switches it off");
}

#[test]
fn unread_candidates_come_after_read_ones() {
    let world = world();
    let profile = Profile {
        depths: depths(15, 10, 3),
        ..shallow(Mode::Hybrid)
    };
    for query in random_queries(8, 10) {
        let result = search(&world.index, &profile, &query.text);
        let read: Vec<bool> = result
            .hits
            .iter()
            .map(|hit| raw(hit, CROSS).is_some())
            .collect();
        assert_eq!(read, (0..read.len()).map(|at| at < 3).collect::<Vec<_>>());
        assert!(result.hits.is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(result.n_candidates, result.hits.len());
    }
}
