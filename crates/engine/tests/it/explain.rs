//! Explanations agree with the search that they explain.

use std::collections::BTreeMap;

use treffer_engine::Engine;
use treffer_engine::Error;
use treffer_engine::api::{ExplainRequest, Hit, SearchOptions};
use treffer_engine::explain::{Explanation, Outcome, Role, explain};
use treffer_engine::profile::{Mode, Profile};
use treffer_fusion::Weights;
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Document, Query, StageName};

use crate::support::{ALL, BM25, CROSS, Place, depths, search};

const N_DOCS: usize = 60;
const TOP_K: usize = 5;
const STEPS: u32 = 4;

/// Rank and score of every candidate, by id.
type Ranks = BTreeMap<String, (u32, f64)>;

struct World {
    place: Place,
    index: Engine,
    documents: Vec<Document>,
}

fn world() -> World {
    let documents = random_corpus(5, N_DOCS);
    let place = Place::built(&documents);
    World {
        index: place.open(),
        documents,
        place,
    }
}

fn profiles() -> Vec<Profile> {
    let shallow = Profile {
        depths: depths(12, 9, 8),
        ..Profile::default()
    };
    let of = |mode, first_stage| Profile {
        mode,
        first_stage,
        ..shallow.clone()
    };
    vec![
        shallow.clone(),
        of(Mode::Cascade, StageName::BM25),
        of(Mode::TwoStage, StageName::BM25),
        of(Mode::TwoStage, StageName::DENSE),
        Profile {
            depths: depths(12, 9, N_DOCS),
            ..of(Mode::Exhaustive, StageName::BM25)
        },
        Profile {
            depths: depths(12, 9, 0),
            ..shallow
        },
    ]
}

impl World {
    fn try_explain(
        &self,
        profile: &Profile,
        query: &Query,
        doc: &str,
    ) -> Result<Explanation, Error> {
        let request = ExplainRequest {
            query: query.clone(),
            doc: doc.into(),
            options: SearchOptions {
                top_k: TOP_K,
                ..SearchOptions::default()
            },
            steps: STEPS,
        };
        explain(&self.index, profile, &request)
    }

    fn explain(&self, profile: &Profile, query: &Query, doc: &str) -> Explanation {
        self.try_explain(profile, query, doc).unwrap()
    }

    fn ranks(&self, profile: &Profile, query: &Query) -> Ranks {
        let found = search(&self.index, profile, &query.text);
        found
            .hits
            .into_iter()
            .map(|hit| (hit.id, (hit.rank, hit.score)))
            .collect()
    }

    /// Every document under every profile.
    fn each(&self, mut check: impl FnMut(&Profile, &Query, &Explanation)) {
        for profile in profiles() {
            for query in random_queries(3, 2) {
                for document in &self.documents {
                    let found = self.explain(&profile, &query, &document.id);
                    check(&profile, &query, &found);
                }
            }
        }
    }
}

#[test]
fn rank_score_and_outcome_are_those_of_the_search() {
    let world = world();
    let mut seen = BTreeMap::new();
    world.each(|profile, query, found| {
        let ranks = world.ranks(profile, query);
        match ranks.get(&found.id) {
            Some((rank, score)) => {
                assert_eq!((found.rank, found.score), (*rank, *score));
                assert_eq!(found.outcome == Outcome::Found, *rank as usize <= TOP_K);
                assert_ne!(found.outcome, Outcome::NotRetrieved);
                assert_eq!(found.n_candidates, ranks.len());
            }
            None => {
                assert_eq!(found.outcome, Outcome::NotRetrieved, "{found:?}");
                assert_eq!(
                    (found.n_candidates, &found.by_weights),
                    (ranks.len() + 1, &None)
                );
            }
        }
        let outcome = format!("{:?}", found.outcome);
        let name = outcome
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        *seen.entry(name).or_insert(0) += 1;
    });
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn the_depth_that_a_rank_asks_for_retrieves_the_document_and_no_less_does() {
    let world = world();
    let profile = &profiles()[2]; // BM25 alone retrieves
    let mut n_checked = 0;
    for query in random_queries(4, 3) {
        for document in &world.documents {
            let found = world.explain(profile, &query, &document.id);
            let Some(rank) = found.stages[0].rank else {
                let everything = Profile {
                    depths: profile.depths.clone().with(BM25, N_DOCS),
                    ..profile.clone()
                };
                assert!(!world.ranks(&everything, &query).contains_key(&found.id));
                continue;
            };
            for (depth, is_in) in [(rank as usize, true), (rank as usize - 1, false)] {
                let deeper = Profile {
                    depths: profile.depths.clone().with(BM25, depth.max(1)),
                    ..profile.clone()
                };
                if depth > 0 {
                    let ranks = world.ranks(&deeper, &query);
                    assert_eq!(ranks.contains_key(&found.id), is_in);
                    n_checked += 1;
                }
            }
        }
    }
    assert!(n_checked > 50, "{n_checked}");
}

#[test]
fn the_depth_that_a_place_asks_for_has_a_candidate_read_and_no_less_does() {
    let world = world();
    let mut n_checked = 0;
    world.each(|profile, query, found| {
        let cross = found
            .stages
            .iter()
            .find(|view| view.stage == StageName::CROSS);
        let (Some(view), true) = (cross, profile.mode != Mode::Exhaustive) else {
            return;
        };
        let Role::Reranks { depth, place } = view.role else {
            panic!("{view:?}");
        };
        assert!(view.raw.is_some() && view.rank.is_some());
        if found.outcome == Outcome::NotRetrieved {
            assert!(!view.is_reached);
            return;
        }
        assert_eq!(view.is_reached, place as usize <= depth);
        let deeper = Profile {
            depths: profile.depths.clone().with(CROSS, place as usize),
            ..profile.clone()
        };
        let again = world.explain(&deeper, query, &found.id);
        assert!(
            again
                .stages
                .iter()
                .all(|view| view.is_reached || matches!(view.role, Role::Retrieves(_)))
        );
        assert_eq!(again.stages.last().unwrap().raw, view.raw);
        n_checked += usize::from(!view.is_reached);
    });
    assert!(n_checked > 20, "{n_checked}");
}

#[test]
fn the_terms_of_bm25_add_up_to_its_score() {
    let world = world();
    let mut n_terms = 0;
    world.each(|_, _, found| {
        let Some(bm25) = found.stages.iter().find(|view| view.stage == BM25) else {
            return assert!(found.terms.is_empty());
        };
        let sum: f32 = found.terms.iter().map(|term| term.score.value()).sum();
        let score = bm25.raw.unwrap().value();
        assert!((sum - score).abs() < 1e-4, "{sum} {score}");
        n_terms += found.terms.len();
    });
    assert!(n_terms > 100, "{n_terms}");
}

#[test]
fn weights_that_are_said_to_help_do() {
    let world = world();
    let (mut n_helped, mut n_hopeless) = (0, 0);
    for profile in &profiles()[..2] {
        for query in random_queries(6, 2) {
            let searches: Vec<(Weights, Ranks)> = Weights::simplex(STEPS, &ALL)
                .map(|weights| {
                    let weighed = Profile {
                        weights: weights.clone(),
                        ..profile.clone()
                    };
                    // All stages run, whatever they weigh, so that the pool is one.
                    (weights, world.ranks(&weighed, &query))
                })
                .collect();
            for document in &world.documents {
                let found = world.explain(profile, &query, &document.id);
                let Some(rescue) = found.by_weights else {
                    continue;
                };
                let ranks = || {
                    searches
                        .iter()
                        .map(|(w, ranks)| (w.clone(), ranks[&found.id].0))
                };
                let winning: Vec<_> = ranks()
                    .filter(|(_, rank)| *rank as usize <= TOP_K)
                    .collect();
                assert_eq!((rescue.n_points, rescue.n_winning), (15, winning.len()));
                assert_eq!(Some(rescue.best.1), ranks().map(|(_, rank)| rank).min());
                let near = |weights: &Weights| weights.distance(&profile.weights);
                let nearest = winning.iter().map(|(w, _)| near(w)).min_by(f64::total_cmp);
                assert_eq!(rescue.nearest.as_ref().map(|(w, _)| near(w)), nearest);
                assert!(
                    rescue
                        .nearest
                        .is_none_or(|nearest| winning.contains(&nearest))
                );
                n_helped += usize::from(found.outcome != Outcome::Found && !winning.is_empty());
                n_hopeless += usize::from(winning.is_empty());
            }
        }
    }
    assert!(n_helped > 0 && n_hopeless > 0, "{n_helped} {n_hopeless}");
}

#[test]
fn an_outranked_document_lost_most_by_the_stage_that_is_named() {
    let world = world();
    let mut n_checked = 0;
    world.each(|profile, query, found| {
        let Outcome::Outranked { by, deficit, last } = &found.outcome else {
            return;
        };
        let hits = search(&world.index, profile, &query.text).hits;
        assert_eq!(hits[TOP_K - 1].id, *last);
        let (top, here) = (&hits[TOP_K - 1], &hits[found.rank as usize - 1]);
        let part = |hit: &Hit, stage| hit.stages.get(stage).map_or(0.0, |one| one.weighted);
        let gap = |stage: StageName| part(top, stage) - part(here, stage);
        assert_eq!(*deficit, gap(by.unwrap()));
        assert!(ALL.into_iter().all(|stage| gap(stage) <= *deficit));
        n_checked += 1;
    });
    assert!(n_checked > 20, "{n_checked}");
}

#[test]
fn one_pair_at_most_is_read_besides_those_of_the_search() {
    let world = world();
    let query = &random_queries(3, 1)[0];
    let profile = &profiles()[0];
    let reads = world.place.fakes.scorer.reads();
    for document in &world.documents {
        let before = reads.pairs();
        world.explain(profile, query, &document.id);
        assert!(reads.pairs() - before <= profile.depths.get(CROSS).unwrap() + 1);
    }
}

#[test]
fn what_cannot_be_explained_says_why() {
    let world = world();
    let profile = &profiles()[0];
    let message = |query: &str, doc: &str| {
        world
            .try_explain(profile, &Query::text(query), doc)
            .unwrap_err()
            .to_string()
    };
    assert!(message("w0", "nowhere").contains("holds no document `nowhere`"));
    assert!(message("  ", &world.documents[0].id).contains("the query is empty"));
    let refused = |options: SearchOptions| {
        let request = ExplainRequest {
            query: Query::text("w0"),
            doc: world.documents[0].id.clone(),
            options,
            steps: 2,
        };
        let refused = explain(&world.index, profile, &request);
        refused.unwrap_err().to_string()
    };
    let cross_alone = SearchOptions {
        stages: Some(vec![CROSS]),
        ..SearchOptions::default()
    };
    assert!(refused(cross_alone).contains("no stage is left that retrieves"));
    let none = SearchOptions {
        top_k: 0,
        ..SearchOptions::default()
    };
    assert!(refused(none).contains("at least one"));
}
