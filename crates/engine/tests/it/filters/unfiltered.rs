//! A filtered search is what an unfiltered one finds, without what the filter does not hold for:
//! for random documents, filters and deletions, in several segments.

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use serde_json::{Value as Json, json};
use treffer_engine::Engine;
use treffer_engine::api::SearchOptions;
use treffer_engine::learned::Ranker;
use treffer_engine::pipeline::Pipeline;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::{Searcher, ranking};
use treffer_fusion::Weights;
use treffer_testkit::{Random, random_corpus, random_queries};
use treffer_types::{Document, Query, StageName};

use super::{delete_from, filtered, place};
use crate::support::{BM25, DENSE, by_stage, depths, everything, gatherer, ids, raw};

/// A condition with what it says of a document.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Tag(u32),
    Price(u32, u32),
    Year(u32),
    Any,
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    pub(super) fn random(random: &mut Random, levels: u32) -> Self {
        let inner = |random: &mut Random| Box::new(Condition::random(random, levels - 1));
        match random.below(if levels == 0 { 4 } else { 7 }) {
            0 => Condition::Tag(random.below(5) as u32),
            1 => {
                let from = random.below(80) as u32;
                Condition::Price(from, from + random.below(60) as u32)
            }
            2 => Condition::Year(2000 + random.below(6) as u32),
            3 => Condition::Any,
            4 => Condition::Not(inner(random)),
            5 => Condition::And(inner(random), inner(random)),
            _ => Condition::Or(inner(random), inner(random)),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Condition::Tag(tag) => format!("tag:T{tag}"),
            Condition::Price(from, to) => format!("price:[{from} TO {to}]"),
            Condition::Year(year) => format!("published:{year}"),
            Condition::Any => "price:*".into(),
            Condition::Not(inner) => format!("NOT ({})", inner.text()),
            Condition::And(a, b) => format!("({}) AND ({})", a.text(), b.text()),
            Condition::Or(a, b) => format!("({}) OR ({})", a.text(), b.text()),
        }
    }

    fn holds(&self, document: &Document) -> bool {
        let price = document.metadata.get("price").and_then(Json::as_f64);
        match self {
            Condition::Tag(tag) => {
                let tags = document.metadata.get("tag").and_then(Json::as_array);
                tags.is_some_and(|tags| tags.contains(&json!(format!("T{tag}"))))
            }
            Condition::Price(from, to) => {
                price.is_some_and(|price| price >= f64::from(*from) && price <= f64::from(*to))
            }
            Condition::Year(year) => {
                let date = document.metadata.get("published").and_then(Json::as_str);
                date.is_some_and(|date| date.starts_with(&year.to_string()))
            }
            Condition::Any => price.is_some(),
            Condition::Not(inner) => !inner.holds(document),
            Condition::And(a, b) => a.holds(document) && b.holds(document),
            Condition::Or(a, b) => a.holds(document) || b.holds(document),
        }
    }
}

fn with_random_metadata(mut documents: Vec<Document>, random: &mut Random) -> Vec<Document> {
    for document in &mut documents {
        let metadata = &mut document.metadata;
        let tags: Vec<Json> = (0..random.below(3))
            .map(|_| json!(format!("T{}", random.below(4))))
            .collect();
        if !tags.is_empty() {
            metadata.insert("tag".into(), tags.into());
        }
        if random.below(4) > 0 {
            metadata.insert("price".into(), json!(random.below(200) as f64 / 2.0));
        }
        if random.below(2) > 0 {
            let date = format!("{}-{:02}-03", 2000 + random.below(5), 1 + random.below(12));
            metadata.insert("published".into(), date.into());
        }
    }
    documents
}

/// An index of several segments with deleted documents, and the documents that are left.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) documents: Vec<Document>,
}

impl World {
    pub(super) fn new(seed: u64, overrides: &[&str]) -> Self {
        let mut random = Random::new(seed);
        let documents = with_random_metadata(random_corpus(seed, 40), &mut random);
        let n_parts = 1 + random.below(3) as usize;
        let parts: Vec<Vec<Document>> = documents
            .chunks(documents.len().div_ceil(n_parts))
            .map(<[_]>::to_vec)
            .collect();
        let place = place(&parts, overrides);
        let deleted: Vec<String> = documents
            .iter()
            .filter(|_| random.below(5) == 0)
            .map(|document| document.id.clone())
            .collect();
        delete_from(&place, &deleted, None).unwrap();
        let is_left = |document: &Document| !deleted.contains(&document.id);
        World {
            engine: place.open(),
            documents: documents.into_iter().filter(is_left).collect(),
        }
    }

    pub(super) fn holds(&self, condition: &Condition, id: &str) -> bool {
        let document = self.documents.iter().find(|document| document.id == id);
        condition.holds(document.unwrap_or_else(|| panic!("{id} is deleted or was never added")))
    }

    /// Ids and raw scores of a stage by itself.
    fn of_stage(
        &self,
        stage: StageName,
        profile: &Profile,
        filter: Option<&Condition>,
        query: &str,
    ) -> Vec<(String, f32)> {
        let options = SearchOptions {
            stages: Some(vec![stage]),
            filter: filter.map(Condition::text),
            ..everything()
        };
        let searcher = Searcher::new(&self.engine, profile, &options).unwrap();
        let found = searcher.search(&Query::text(query)).unwrap();
        let scored = found
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), raw(hit, stage).unwrap()));
        scored.collect()
    }

    /// The ranking of the first stage alone is the whole one without what is filtered out.
    fn check_stage(&self, stage: StageName, condition: &Condition, depth: usize, query: &str) {
        let exhaustive = Profile {
            mode: Mode::Exhaustive,
            ..Profile::default()
        };
        let mut expected = self.of_stage(stage, &exhaustive, None, query);
        expected.retain(|(id, score)| {
            // Words are found only where they are.
            self.holds(condition, id) && (stage != BM25 || *score > 0.0)
        });
        expected.truncate(depth);
        let profile = Profile {
            depths: depths(depth, depth, 1),
            ..Profile::default()
        };
        let found = self.of_stage(stage, &profile, Some(condition), query);
        assert_eq!(found, expected, "{stage} {} {query}", condition.text());
        // What is scored exhaustively obeys the filter, too.
        let mut all = self.of_stage(stage, &exhaustive, None, query);
        all.retain(|(id, _)| self.holds(condition, id));
        let found = self.of_stage(stage, &exhaustive, Some(condition), query);
        assert_eq!(found, all, "{stage} {} {query}", condition.text());
    }

    /// The fused ranking is that of the candidates of an unfiltered search that the filter holds
    /// for.
    fn check_fused(&self, condition: &Condition, query: &str) {
        let weights = Weights::from_decimals(by_stage(0.4, 0.6, 0.0)).unwrap();
        let profile = |mode| Profile {
            mode,
            depths: depths(100, 100, 0),
            weights: weights.clone(),
            ..Profile::default()
        };
        let query = Query::text(query);
        let exhaustive = profile(Mode::Exhaustive);
        let mut candidates = gatherer(&self.engine, &exhaustive)
            .gather(&query)
            .unwrap()
            .candidates;
        assert_eq!(candidates.len(), self.documents.len());
        let selection = self.engine.filter(&condition.text()).unwrap();
        candidates.retain(|candidate| selection.contains(candidate.doc));
        let hybrid = profile(Mode::Hybrid);
        let pipeline = Pipeline::of(&hybrid, self.engine.available()).unwrap();
        let ranker = Ranker::new(&self.engine, &hybrid, &pipeline).unwrap();
        let expected = ranking(&self.engine, &query, &candidates, &ranker).unwrap();
        assert!(expected.iter().all(|id| self.holds(condition, id)));
        let options = filtered(&condition.text());
        let searcher = Searcher::new(&self.engine, &hybrid, &options).unwrap();
        let found = searcher.search(&query).unwrap();
        assert_eq!(ids(&found), expected, "{}", condition.text());
        assert_eq!(found.matched, Some(expected.len()));
    }
}

fn check_worlds(overrides: &[&str], n: u32) {
    let mut runner = TestRunner::new(Runs::with_cases(n));
    let run = runner.run(&any::<u64>(), |seed| {
        let world = World::new(seed, overrides);
        let mut random = Random::new(seed ^ 1);
        for query in random_queries(seed, 3) {
            let condition = Condition::random(&mut random, 3);
            let matching = world.documents.iter().filter(|one| condition.holds(one));
            let expected: Vec<&str> = matching.map(|one| one.id.as_str()).collect();
            let listed = world.engine.browse(&filtered(&condition.text())).unwrap();
            prop_assert_eq!(ids(&listed), expected, "{}", condition.text());
            let depth = 1 + random.below(40) as usize;
            world.check_stage(BM25, &condition, depth, &query.text);
            world.check_stage(DENSE, &condition, depth, &query.text);
            world.check_fused(&condition, &query.text);
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_filtered_search_is_an_unfiltered_one_without_the_rest() {
    check_worlds(&[], 16);
}

#[test]
fn a_filtered_search_of_passages_is_an_unfiltered_one_without_the_rest() {
    check_worlds(
        &[
            "passages.tokens=16",
            "passages.overlap=4",
            "passages.bm25=passage",
        ],
        12,
    );
}
