//! Queries of every kind, failing stages, and the graph beside the scan.

use std::sync::Arc;

use treffer_engine::self_retrieval::ExcludeSelf;
use treffer_types::Qrels;

use super::*;
use crate::support::query;

#[test]
fn a_blank_query_is_an_error() {
    let world = world();
    let profile = shallow(Mode::Hybrid);
    let gatherer = gatherer(&world.index, &profile);
    for text in ["", " ", "\t\n\u{3000}"] {
        let error = gatherer.gather(&Query::text(text)).unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{error}");
        let query = Query {
            id: "q7".into(),
            ..Query::text(text)
        };
        assert!(
            gatherer
                .gather(&query)
                .unwrap_err()
                .to_string()
                .contains("q7")
        );
    }
}

#[test]
fn a_query_of_stop_words_is_left_to_the_bi_encoder() {
    let mut place = Place::with_corpus(&[
        document("a", "the cold box of the laboratory"),
        document("b", "a winter coat"),
    ]);
    place.config = crate::support::config(&["bm25.analyzer=english"]);
    place.build().unwrap();
    let index = place.open();
    let result = search(&index, &Profile::default(), "the of a");
    assert_eq!(result.hits.len(), 2);
    assert_eq!(report(&result.stages[0]), (BM25, 0, 0, 0));
    assert!(result.hits.iter().all(|hit| raw(hit, BM25) == Some(0.0)));
    let cascade = Profile {
        mode: Mode::Cascade,
        ..Profile::default()
    };
    let result = search(&index, &cascade, "the of a");
    assert!(result.hits.is_empty());
    assert_eq!(result.stages.len(), 3, "every stage runs, on nothing");
}

#[test]
fn any_text_is_a_query() {
    let place = Place::built(&[
        document("emoji", "party 🎉 time"),
        document("hebrew", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} world"),
        document("arabic", "\u{645}\u{631}\u{62d}\u{628}\u{627} world"),
        document("nul", "before\u{0}after"),
        document("syntax", "title:\"x\" AND -foo* ~2"),
    ]);
    let index = place.open();
    let long = "w1 world ".repeat(5_000);
    for mode in [
        Mode::Cascade,
        Mode::Hybrid,
        Mode::TwoStage,
        Mode::Exhaustive,
    ] {
        let profile = Profile {
            mode,
            ..Profile::default()
        };
        for (text, first) in [
            ("🎉", None),
            ("\u{0}", None),
            ("after\u{0}before", Some("nul")),
            ("\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd}", Some("hebrew")),
            ("\u{645}\u{631}\u{62d}\u{628}\u{627}", Some("arabic")),
            ("title:\"x\" AND (-foo* OR ~", Some("syntax")),
            (long.as_str(), None),
            ("+-&&||!(){}[]^\"~*?:\\/", None),
        ] {
            let result = Searcher::new(&index, &profile, &SearchOptions::default())
                .unwrap()
                .search(&Query::text(text));
            let result = result.unwrap_or_else(|error| panic!("{text:.40}: {}", chain(&error)));
            if let Some(first) = first {
                assert_eq!(result.hits[0].id, first, "{mode} {text:.40}");
            }
        }
    }
}

#[test]
fn an_excluded_document_is_found_by_no_stage_and_the_depth_stays_whole() {
    let world = world();
    for mode in [
        Mode::Cascade,
        Mode::Hybrid,
        Mode::TwoStage,
        Mode::Exhaustive,
    ] {
        let profile = Profile {
            mode,
            depths: depths(15, 10, N_DOCS),
            ..Profile::default()
        };
        for query in random_queries(3, 20) {
            let all = world.gather(&profile, &query);
            let Some(first) = all.candidates.first() else {
                continue;
            };
            let excluded = Query {
                exclude: vec![
                    world.documents[first.doc.0 as usize].id.clone(),
                    "not in the index".into(),
                ],
                ..query.clone()
            };
            let rest = world.gather(&profile, &excluded);
            let has_first =
                |gathered: &Gathered| gathered.candidates.iter().any(|one| one.doc == first.doc);
            assert!(has_first(&all) && !has_first(&rest), "{mode}");
            if mode == Mode::Exhaustive {
                assert_eq!(rest.candidates.len(), N_DOCS - 1);
                continue;
            }
            // What comes next takes its place.
            let n_matching = world.bm25(&query, N_DOCS).len();
            if n_matching > 15 {
                let first_step = |gathered: &Gathered| gathered.traces[0].candidates_out;
                assert_eq!(first_step(&rest), first_step(&all), "{mode}");
            }
            let batch = gatherer(&world.index, &profile)
                .gather_batch(&[excluded])
                .unwrap();
            assert_eq!(ids_of(&batch[0]), ids_of(&rest));
        }
    }
}

fn ids_of(gathered: &Gathered) -> Vec<u32> {
    gathered.candidates.iter().map(|one| one.doc.0).collect()
}

#[test]
fn queries_that_are_documents_are_told_by_id_and_text() {
    let mut same = document("q1", "quiet  fridge");
    same.title = "other".into();
    let place = Place::built(&[
        same,
        document("q2", "loud oven"),
        document("q3", "cold box"),
        document("d1", "quiet fridge for a kitchen"),
    ]);
    let index = place.open();
    let queries = [
        query("q1", " quiet fridge"),
        query("q2", "an oven"),
        query("q3", "cold box"),
        query("q4", "cold box"),
        Query::text("cold box"),
    ];
    let judged = BTreeMap::from([("q3".to_owned(), 1)]);
    let qrels = Qrels(BTreeMap::from([("q3".to_owned(), judged)]));
    for (which, expected) in [
        (ExcludeSelf::Never, &[][..]),
        (ExcludeSelf::SameText, &["q1"]),
        (ExcludeSelf::Always, &["q1", "q2", "q3"]),
    ] {
        let mut queries = queries.clone();
        let n_excluded = index.exclude_self(&mut queries, which, &qrels).unwrap();
        assert_eq!(n_excluded, expected.len());
        let excluded: Vec<&String> = queries.iter().flat_map(|query| &query.exclude).collect();
        assert_eq!(excluded, expected, "{which:?}");
    }
}

#[test]
fn a_failing_stage_names_itself_and_the_query() {
    let place = Place::built(&random_corpus(1, 20));
    let index = Engine::open(&place.dir(), &OpenOptions::default(), &Failing(&place)).unwrap();
    let profile = Profile::default();
    let gatherer = gatherer(&index, &profile);
    let error = gatherer
        .gather(&Query {
            id: "q3".into(),
            ..Query::text("w0")
        })
        .unwrap_err();
    assert_eq!(
        chain(&error),
        "the cross stage failed on query `q3`: out of memory"
    );
    let error = gatherer
        .gather(&Query::text("w0 ".repeat(100)))
        .unwrap_err();
    assert!(error.to_string().ends_with("w0...`") || error.to_string().ends_with("w0 ...`"));
}

/// A cross-encoder that cannot be run.
struct Failing<'a>(&'a Place);

impl treffer_engine::models::ModelSource for Failing<'_> {
    fn embedder(
        &self,
        name: &str,
        device: treffer_engine::Device,
    ) -> Result<Arc<dyn Embedder>, treffer_types::BoxError> {
        self.0.fakes.embedder(name, device)
    }

    fn pair_scorer(
        &self,
        _name: &str,
        _device: treffer_engine::Device,
    ) -> Result<Arc<dyn treffer_types::PairScorer>, treffer_types::BoxError> {
        Ok(Arc::new(Broken(self.0.fakes.scorer.clone())))
    }
}

struct Broken(treffer_testkit::FakeScorer);

impl treffer_types::PairScorer for Broken {
    fn spec(&self) -> &treffer_types::ModelSpec {
        self.0.spec()
    }

    fn fingerprint(&self) -> &treffer_types::Fingerprint {
        self.0.fingerprint()
    }

    fn score_pairs(
        &self,
        _query: &str,
        _passages: &[&str],
    ) -> Result<Vec<treffer_types::PairScore>, treffer_types::BoxError> {
        Err("out of memory".into())
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, treffer_types::BoxError> {
        self.0.token_ends(text)
    }

    fn pair_room(&self) -> Result<usize, treffer_types::BoxError> {
        self.0.pair_room()
    }
}

#[test]
fn the_graph_finds_what_a_scan_finds() {
    let (mut found, mut wanted) = (0, 0);
    for seed in [21, 22] {
        let place = Place::built(&random_corpus(seed, 800));
        let index = place.open();
        let scan = Profile {
            mode: Mode::TwoStage,
            first_stage: StageName::DENSE,
            depths: depths(200, 20, 0),
            ef_search: 80,
            ..Profile::default()
        };
        let graph = Profile {
            exact_below: 0,
            ..scan.clone()
        };
        for query in random_queries(seed, 40) {
            let truth = search(&index, &scan, &query.text);
            let near = search(&index, &graph, &query.text);
            // Among equal scores either is as good as the other.
            let worst = raw(truth.hits.last().unwrap(), DENSE);
            wanted += truth.hits.len();
            found += near
                .hits
                .iter()
                .filter(|hit| raw(hit, DENSE) >= worst)
                .count();
            assert_eq!(near.hits.len(), 20);
        }
    }
    let recall = found as f64 / wanted as f64;
    assert!(recall >= 0.95, "{recall}");
}
