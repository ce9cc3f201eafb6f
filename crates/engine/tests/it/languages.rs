//! Documents and queries in two languages: what stands in for BM25, and what the cross-encoder
//! does not read.

use std::collections::BTreeMap;
use std::sync::Arc;

use treffer_engine::api::{ExplainRequest, Hit, SearchOptions, SearchResponse};
use treffer_engine::config::{Base, Config};
use treffer_engine::evaluate::evaluate;
use treffer_engine::explain::{Explanation, UnknownLanguage, explain};
use treffer_engine::judge::{JudgeRequest, judge};
use treffer_engine::models::ModelSource;
use treffer_engine::profile::Profile;
use treffer_engine::search::Searcher;
use treffer_engine::topics::Topics;
use treffer_engine::{Engine, OpenOptions};
use treffer_testkit::FakeScorer;
use treffer_types::{
    BoxError, Device, Document, Embedder, Fingerprint, Grade, Language, ModelSpec, NoProgress,
    PairScore, PairScorer, Qrels, Query, Scoring, StageName, StageScore,
};

use crate::support::{
    BM25, CROSS, DENSE, Fakes, Place, config, depths, document, everything, query, raw, search,
};

const ENGLISH_QUERY: &str = "which of the doors is the one that was cold";
const GERMAN_QUERY: &str = "welche von den Türen ist die kalte und nicht die warme";

fn documents() -> Vec<Document> {
    [
        (
            "en-1",
            "This is the door of the cold room and it was closed.",
        ),
        ("en-2", "The window of the house is on the other side."),
        ("en-3", "It is the coldest of all the doors that we have."),
        (
            "de-1",
            "Das ist die Tür von der kalten Kammer und sie ist zu.",
        ),
        (
            "de-2",
            "Das Fenster von dem Haus ist auf der anderen Seite.",
        ),
        ("de-3", "Hier ist es warm und die Tür ist nicht zu."),
    ]
    .map(|(id, text)| document(id, text))
    .to_vec()
}

fn built(config: Config) -> (Place, Engine) {
    let mut place = Place::with_corpus(&documents());
    place.config = config;
    place.build().unwrap();
    let engine = place.open();
    (place, engine)
}

/// Everything is retrieved; the cross-encoder knows English.
fn english_reranker() -> Profile {
    Profile {
        depths: depths(10, 10, 10),
        cross_languages: vec![Language::English],
        weights: "0.2,0.3,0.5".parse().unwrap(),
        ..Profile::default()
    }
}

fn part(hit: &Hit, stage: StageName) -> StageScore {
    *hit.stages.get(stage).unwrap()
}

fn explained(engine: &Engine, profile: &Profile, text: &str, doc: &str) -> Explanation {
    let request = ExplainRequest {
        query: Query::text(text),
        doc: doc.into(),
        options: SearchOptions::default(),
        steps: 4,
    };
    explain(engine, profile, &request).unwrap()
}

#[test]
fn languages_are_told() {
    let (_place, engine) = built(config(&[]));
    assert!(engine.has_several_languages());
    let language = |query| engine.detect_language(query).language;
    assert_eq!(language(ENGLISH_QUERY), Some(Language::English));
    assert_eq!(language(GERMAN_QUERY), Some(Language::German));
}

#[test]
fn a_query_in_a_language_that_the_reranker_does_not_know_leaves_it_out() {
    let (place, engine) = built(config(&[]));
    let profile = english_reranker();
    let found = search(&engine, &profile, GERMAN_QUERY);
    assert!(place.fakes.take_read().is_empty());
    let cross = found
        .stages
        .iter()
        .find(|report| report.stage == CROSS)
        .unwrap();
    assert_eq!(cross.unknown_language, Some(Language::German));
    assert_eq!((cross.scored, cross.cut_by_deadline), (0, false));
    // As without it.
    let options = SearchOptions {
        stages: Some(vec![BM25, DENSE]),
        ..everything()
    };
    let without = Searcher::new(&engine, &profile, &options).unwrap();
    let without = without.search(&Query::text(GERMAN_QUERY)).unwrap();
    let ids = |response: &SearchResponse| -> Vec<String> {
        response.hits.iter().map(|hit| hit.id.clone()).collect()
    };
    assert_eq!(ids(&found), ids(&without));
    let explanation = explained(&engine, &profile, GERMAN_QUERY, "de-1");
    let expected = UnknownLanguage::OfQuery(Language::German);
    assert_eq!(explanation.unknown_language, Some(expected));
}

#[test]
fn documents_in_a_language_that_it_does_not_know_rank_by_the_other_stages() {
    let (place, engine) = built(config(&[]));
    let profile = english_reranker();
    let found = search(&engine, &profile, ENGLISH_QUERY);
    let read = place.fakes.take_read();
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(
        found
            .stages
            .iter()
            .all(|report| report.unknown_language.is_none())
    );
    let mut scores = Vec::new();
    for one in &found.hits {
        let is_english = one.id.starts_with("en");
        assert_eq!(raw(one, CROSS).is_some(), is_english, "{}", one.id);
        let sum: f64 = one.stages.iter().map(|(_, part)| part.weighted).sum();
        assert!((sum - one.score).abs() < 1e-12);
        if !is_english {
            // The mean of the others by their weights, in place of the cross-encoder's half.
            let others = part(one, BM25).weighted + part(one, DENSE).weighted;
            assert!((part(one, CROSS).weighted - others).abs() < 1e-12);
        }
        scores.push(one.score);
    }
    assert!(scores.is_sorted_by(|a, b| a >= b));
    let explanation = explained(&engine, &profile, ENGLISH_QUERY, "de-1");
    let expected = UnknownLanguage::OfDocument(Language::German);
    assert_eq!(explanation.unknown_language, Some(expected));
    assert!(
        place
            .fakes
            .take_read()
            .iter()
            .all(|text| !text.contains("Kammer"))
    );
    // And what it knows, it reads, within its depth.
    let shallow = Profile {
        depths: depths(10, 10, 2),
        ..profile
    };
    search(&engine, &shallow, ENGLISH_QUERY);
    assert_eq!(place.fakes.take_read().len(), 2);
}

#[test]
fn the_bi_encoder_stands_in_for_bm25_across_languages() {
    let (_place, engine) = built(config(&[]));
    for share in [0.0, 0.5, 1.0] {
        let profile = Profile {
            depths: depths(10, 10, 0),
            cross_language: share,
            ..Profile::default()
        };
        let found = search(&engine, &profile, ENGLISH_QUERY);
        for one in &found.hits {
            let (bm25, dense) = (part(one, BM25), part(one, DENSE));
            let (by_words, by_meaning) = (bm25.normalized.unwrap(), dense.normalized.unwrap());
            let is_german = one.id.starts_with("de");
            if is_german {
                assert!(by_words >= share * by_meaning - 1e-12, "{}", one.id);
            }
            match bm25.stand_in {
                None => {}
                Some(stage) => {
                    assert!(is_german && share > 0.0 && stage == DENSE, "{}", one.id);
                    assert!((by_words - share * by_meaning).abs() < 1e-12);
                }
            }
        }
        let stood_in = found
            .hits
            .iter()
            .filter(|one| part(one, BM25).stand_in.is_some());
        assert_eq!(stood_in.count() > 0, share > 0.0);
    }
    let refused = Profile {
        cross_language: 1.5,
        ..Profile::default()
    };
    assert!(refused.check().unwrap_err().contains("1.5"));
}

#[test]
fn a_language_shift_moves_documents_by_their_language_alone() {
    let (_place, plain) = built(config(&[]));
    let (_place, shifted) = built(config(&["dense.language_shift=1.0"]));
    let profile = Profile {
        depths: depths(10, 10, 0),
        ..Profile::default()
    };
    let scores = |engine: &Engine| -> Vec<(String, f32)> {
        let found = search(engine, &profile, ENGLISH_QUERY);
        let mut scores: Vec<(String, f32)> = (found.hits.iter())
            .map(|one| (one.id.clone(), raw(one, DENSE).unwrap()))
            .collect();
        scores.sort_by(|a, b| a.0.cmp(&b.0));
        scores
    };
    let (before, after) = (scores(&plain), scores(&shifted));
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(a, b)| a.1.to_bits() != b.1.to_bits())
    );
    let error = Config::load(
        Base::Preset("english"),
        &["dense.language_shift=2.5".to_owned()],
    );
    assert!(error.unwrap_err().to_string().contains("2.5"));
}

#[test]
fn queries_in_a_language_may_have_a_profile_of_their_own() {
    let (_place, engine) = built(config(&[
        "profiles.german={weights={bm25=1.0,dense=0.0,cross=0.0},cross_depth=0}",
        "profiles.default.by_language={de=\"german\"}",
    ]));
    let of = |profile: &str| {
        let options = SearchOptions {
            profile: profile.into(),
            set: vec!["bm25_depth=5".into()],
            ..everything()
        };
        engine.searcher(&options).unwrap()
    };
    let by_language = of("default");
    let german = Query::text(GERMAN_QUERY);
    let english = Query::text(ENGLISH_QUERY);
    assert_eq!(
        by_language.search(&german).unwrap(),
        of("german").search(&german).unwrap()
    );
    assert_ne!(
        by_language.search(&english).unwrap(),
        of("german").search(&english).unwrap()
    );
    let together = by_language
        .search_batch(&[english.clone(), german.clone()])
        .unwrap();
    let alone = [english, german].map(|query| by_language.search(&query).unwrap());
    assert_eq!(together, alone);
    let explanation = engine.explain(&ExplainRequest {
        query: Query::text(GERMAN_QUERY),
        doc: "de-1".into(),
        options: SearchOptions::default(),
        steps: 4,
    });
    let stages: Vec<_> = explanation
        .unwrap()
        .stages
        .iter()
        .map(|view| view.stage)
        .collect();
    assert_eq!(stages, [BM25, DENSE], "the cross-encoder's depth is 0");
    // An evaluation finds what searches find.
    let judged: BTreeMap<String, Grade> = [("de-1".to_owned(), 1), ("en-1".to_owned(), 1)].into();
    let qrels = Qrels([("g".to_owned(), judged.clone()), ("e".to_owned(), judged)].into());
    let queries = vec![query("e", ENGLISH_QUERY), query("g", GERMAN_QUERY)];
    let topics = Topics::new(&engine, queries, qrels, None).unwrap();
    let profile = engine.settings().profile("default").unwrap();
    let metrics = ["nDCG@10".parse().unwrap()];
    let measured = evaluate(&engine, profile, None, &topics, &metrics, &NoProgress).unwrap();
    let names: Vec<&str> = measured.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        names,
        ["bm25", "dense", "bm25+dense", "hybrid"],
        "German queries have no cross"
    );
    let searcher = Searcher::new(&engine, profile, &everything()).unwrap();
    for query in &topics.queries {
        let hits = searcher.search(query).unwrap().hits;
        let found: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        let ranked: Vec<&str> = measured.rows[3].run.ranking(&query.id).collect();
        assert_eq!(ranked, found, "{}", query.id);
    }
    // What works with one profile says so.
    let request = JudgeRequest {
        profile,
        depth: 10,
        thresholds: None,
    };
    let refused = judge(&engine, &request, &topics.queries, &NoProgress);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("`german` for queries in German"),
        "{message}"
    );
}

/// Knows a second cross-encoder, whose scores are higher by 100.
struct TwoScorers<'a> {
    fakes: &'a Fakes,
    fingerprint: &'static str,
    scoring: Scoring,
}

struct HighScorer {
    scorer: FakeScorer,
    spec: ModelSpec,
    fingerprint: Fingerprint,
}

impl ModelSource for TwoScorers<'_> {
    fn embedder(&self, name: &str, device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        self.fakes.embedder(name, device)
    }

    fn pair_scorer(&self, name: &str, device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        if name != "high-scorer" {
            return self.fakes.pair_scorer(name, device);
        }
        let scorer = self.fakes.scorer.clone();
        let mut spec = scorer.spec().clone();
        spec.name = name.into();
        spec.details.scoring = self.scoring.clone();
        Ok(Arc::new(HighScorer {
            scorer,
            spec,
            fingerprint: Fingerprint(self.fingerprint.to_owned()),
        }))
    }
}

impl PairScorer for HighScorer {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn score_pairs(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, BoxError> {
        let mut scores = self.scorer.score_pairs(query, passages)?;
        scores.iter_mut().for_each(|pair| pair.score += 100.0);
        Ok(scores)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        self.scorer.token_ends(text)
    }

    fn pair_room(&self) -> Result<usize, BoxError> {
        self.scorer.pair_room()
    }
}

#[test]
fn queries_in_a_language_may_have_a_cross_encoder_of_their_own() {
    let mut place = Place::with_corpus(&documents());
    place.config = config(&["cross.by_language={de=\"high-scorer\"}"]);
    let source = |fingerprint, scoring| TwoScorers {
        fakes: &place.fakes,
        fingerprint,
        scoring,
    };
    let usual = source("1", Scoring::Logit);
    place
        .build_from(&usual, &NoProgress, &mut Vec::new())
        .unwrap();
    let open =
        |source: &dyn ModelSource| Engine::open(&place.dir(), &OpenOptions::default(), source);
    let engine = open(&usual).unwrap();
    let profile = Profile {
        depths: depths(10, 10, 10),
        ..english_reranker()
    };
    let profile = Profile {
        cross_languages: Vec::new(),
        ..profile
    };
    let scores = |engine: &Engine, text: &str| -> Vec<f32> {
        let found = search(engine, &profile, text);
        found
            .hits
            .iter()
            .filter_map(|hit| raw(hit, CROSS))
            .collect()
    };
    assert!(
        scores(&engine, GERMAN_QUERY)
            .iter()
            .all(|score| *score > 50.0)
    );
    assert!(
        scores(&engine, ENGLISH_QUERY)
            .iter()
            .all(|score| *score < 50.0)
    );
    assert_eq!(scores(&engine, GERMAN_QUERY).len(), 6);

    // Another model of this name is refused, and one whose scores are not of the same kind.
    let message = open(&source("2", Scoring::Logit))
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("high-scorer"), "{message}");
    let graded = source("1", Scoring::Grades(vec![0, 1, 2]));
    place.replace = true;
    let refused = place.build_from(&graded, &NoProgress, &mut Vec::new());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("cross.by_language names high-scorer"),
        "{message}"
    );
}

#[test]
fn a_profile_for_a_language_must_be_there() {
    let load = |set: &str| {
        let set = [set.to_owned()];
        let base = Base::Preset("english");
        Config::load(base, &set).unwrap_err().to_string()
    };
    let message = load("profiles.default.by_language={de=\"german\"}");
    assert!(
        message.contains("by_language.de is `german`, which is no profile"),
        "{message}"
    );
    let message = load("profiles.default.by_language={de=\"default\"}");
    assert!(
        message.contains("has a by_language of its own"),
        "{message}"
    );
    let message = load("profiles.default.by_language={xx=\"default\"}");
    assert!(message.contains("xx"), "{message}");
}

#[test]
fn a_reranker_that_does_not_know_the_language_chooses_no_sentence() {
    let (place, engine) = built(config(&[]));
    let profile = english_reranker();
    let sentences = |query: &str, stages: Option<Vec<StageName>>| {
        let options = SearchOptions {
            sentences: true,
            stages,
            ..everything()
        };
        let searcher = Searcher::new(&engine, &profile, &options).unwrap();
        let hits = searcher.search(&Query::text(query)).unwrap().hits;
        let shown = |hit: Hit| (hit.id, hit.passages[0].sentence);
        let mut shown: Vec<_> = hits.into_iter().map(shown).collect();
        shown.sort();
        shown
    };
    let without = sentences(GERMAN_QUERY, Some(vec![BM25, DENSE]));
    assert_eq!(sentences(GERMAN_QUERY, None), without);
    assert!(place.fakes.take_read().is_empty());
    // Of an English query it reads the English documents alone, and their sentences.
    sentences(ENGLISH_QUERY, None);
    let read = place.fakes.take_read();
    assert!(!read.is_empty());
    let is_german = |text: &String| {
        documents()[3..]
            .iter()
            .any(|one| one.text.contains(text.as_str()))
    };
    assert!(!read.iter().any(is_german), "{read:?}");
}
