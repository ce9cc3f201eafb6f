//! Late interaction: the stage against the definition, and what becomes of token vectors when
//! documents come and go.

use std::path::PathBuf;

use treffer_engine::api::{ExplainRequest, SearchRequest};
use treffer_engine::build::{compact, repair};
use treffer_engine::check::check;
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::{Engine, Error, OpenOptions};
use treffer_testkit::{FakeTokenEmbedder, random_corpus, random_queries};
use treffer_types::{Document, NoProgress, StageName, TokenEmbedder};

use crate::support::{Place, chain, config, document, everything, ids, raw, search, snapshot};

const LATE: StageName = StageName::LATE;
/// Values of a token of the stand-in.
const WIDTH: usize = 64;
const MODEL: &str = "late.model=fake-token-embedder";

fn place(overrides: &[&str], documents: &[Document]) -> Place {
    let mut place = Place::with_corpus(documents);
    place.config = config(&[&[MODEL], overrides].concat());
    place.build().unwrap();
    place
}

/// The definition: the mean over the tokens of the query of the greatest product with a token of
/// the text.
fn naive(query: &str, text: &str) -> f64 {
    let model = FakeTokenEmbedder::new();
    let query = model.embed_queries(&[query]).unwrap().remove(0).vectors;
    let text = model.embed_passages(&[text]).unwrap().remove(0).vectors;
    let greatest = |token: &[f32]| {
        let others = text.chunks_exact(WIDTH).map(|other| {
            let products = token.iter().zip(other);
            products.map(|(a, b)| f64::from(a * b)).sum::<f64>()
        });
        others.fold(f64::NEG_INFINITY, f64::max)
    };
    let tokens = query.chunks_exact(WIDTH);
    let n = tokens.len() as f64;
    tokens.map(greatest).sum::<f64>() / n
}

fn text_of(document: &Document) -> String {
    format!("{} {}", document.title, document.text)
}

#[test]
fn every_candidate_has_the_score_of_the_definition() {
    let documents = random_corpus(5, 60);
    for storage in ["late.storage=int8", "late.storage=f16"] {
        let place = place(&[storage], &documents);
        assert_eq!(place.fakes.n_token_embedded(), 60);
        let engine = place.open();
        let names: Vec<String> = engine.stages().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["bm25", "dense", "late", "cross"]);
        for mode in [Mode::Hybrid, Mode::Cascade, Mode::TwoStage] {
            let profile = Profile {
                mode,
                ..Profile::default()
            };
            for query in random_queries(5, 4) {
                let response = search(&engine, &profile, &query.text);
                assert!(!response.hits.is_empty());
                for hit in &response.hits {
                    let document = documents.iter().find(|one| one.id == hit.id).unwrap();
                    let expected = naive(&query.text, &text_of(document));
                    let found = f64::from(raw(hit, LATE).unwrap());
                    assert!((found - expected).abs() < 1e-2, "{found} {expected}");
                }
            }
        }
    }
}

/// What one document does not tell of a projection and of centroids, texts of our own do.
#[test]
fn one_short_document_can_be_kept_in_any_form() {
    for storage in ["int8", "int4", "residual2", "residual1"] {
        let storage = format!("late.storage={storage}");
        let place = place(
            &[&storage, "late.dimension=32"],
            &[document("a", "red tree")],
        );
        let engine = place.open();
        let response = search(&engine, &Profile::default(), "red");
        assert_eq!(ids(&response), ["a"], "{storage}");
    }
}

/// Where one network gives both kinds of vectors it runs once, and the index is the same.
#[test]
fn one_network_encodes_every_passage_once() {
    let documents = random_corpus(6, 150);
    let places = [false, true].map(|is_one_network| {
        let mut place = Place::with_corpus(&documents);
        place.config = config(&[MODEL]);
        place.fakes.is_one_network = is_one_network;
        place.build().unwrap();
        let fakes = &place.fakes;
        let counts = [
            fakes.n_embedded(),
            fakes.n_token_embedded(),
            fakes.n_embedded_at_once(),
        ];
        assert_eq!(
            counts,
            if is_one_network {
                [0, 0, 150]
            } else {
                [150, 150, 0]
            }
        );
        place
    });
    for part in ["dense", "late"] {
        let [apart, at_once] = places
            .each_ref()
            .map(|place| snapshot(&place.segment().join(part)));
        let contents = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<Vec<u8>> {
            files.into_iter().map(|(_, bytes)| bytes).collect()
        };
        assert_eq!(contents(apart), contents(at_once), "{part}");
    }
}

#[test]
fn alone_it_ranks_every_document_where_nothing_retrieves() {
    let documents = [
        document("half", "red tree"),
        document("none", "blue sky"),
        document("all", "a red apple"),
    ];
    let place = place(&[], &documents);
    let engine = place.open();
    let mut request = SearchRequest::text("red apple");
    request.options = everything();
    request.options.stages = Some(vec![LATE]);
    let message = chain(&engine.search(&request).expect_err("it retrieves nothing"));
    assert!(message.contains("mode `exhaustive`"), "{message}");
    request.options.set = vec!["mode=exhaustive".into()];
    let response = engine.search(&request).unwrap();
    assert_eq!((ids(&response)[0], response.hits.len()), ("all", 3));
    let score = raw(&response.hits[0], LATE).unwrap();
    assert!((score - 1.0).abs() < 1e-2, "{score}");
}

/// The late scores of all documents, by id, to the bit.
fn scores(engine: &Engine, text: &str) -> Vec<(String, u32)> {
    let mut request = SearchRequest::text(text);
    request.options = everything();
    request.options.stages = Some(vec![LATE]);
    request.options.set = vec!["mode=exhaustive".into()];
    let response = engine.search(&request).unwrap();
    let mut scores: Vec<(String, u32)> = (response.hits.iter())
        .map(|hit| (hit.id.clone(), raw(hit, LATE).unwrap().to_bits()))
        .collect();
    scores.sort();
    scores
}

#[test]
fn after_changes_scores_are_those_of_an_index_built_anew() {
    let mut documents = random_corpus(6, 40);
    let changed = document(&documents[3].id, "something else entirely");
    let queries = random_queries(6, 3);
    for forms in [&["late.pool=2"][..], &["late.storage=f16"], &[]] {
        let place = place(forms, &documents[..25]);
        place.add(&documents[25..], Some(6), false);
        place.add(std::slice::from_ref(&changed), None, false);
        place.delete(&[&documents[7].id, &documents[30].id], false);
        let mut left = documents.clone();
        left[3] = changed.clone();
        left.remove(30);
        left.remove(7);
        let new = self::place(forms, &left);
        for _ in 0..2 {
            assert!(check(&place.dir()).unwrap().damage.is_empty());
            for query in &queries {
                assert_eq!(
                    scores(&place.open(), &query.text),
                    scores(&new.open(), &query.text)
                );
            }
            compact(&place.dir(), &NoProgress).unwrap();
        }
        assert_eq!(place.open().manifest().segments.len(), 1);
    }
    documents.truncate(0);
}

#[test]
fn what_is_learned_is_learned_once_and_stays_that_of_the_index() {
    let documents = random_corpus(7, 60);
    for forms in [
        &["late.dimension=32"][..],
        &["late.storage=residual2"],
        &["late.storage=residual1", "late.dimension=32", "late.pool=2"],
    ] {
        let place = place(forms, &documents[..50]);
        let first = scores(&place.open(), &random_queries(7, 1)[0].text);
        place.add(&documents[50..], Some(4), false);
        let after = scores(&place.open(), &random_queries(7, 1)[0].text);
        assert_eq!(after.len(), 60);
        assert!(first.iter().all(|one| after.contains(one)));
        compact(&place.dir(), &NoProgress).unwrap();
        assert_eq!(scores(&place.open(), &random_queries(7, 1)[0].text), after);
        assert!(check(&place.dir()).unwrap().damage.is_empty());
    }
}

#[test]
fn residuals_score_nearly_as_the_definition_says() {
    let documents = random_corpus(5, 60);
    // All words are known when centroids are learned, and few of them are others.
    let place = place(&["late.storage=residual2"], &documents);
    let (engine, query) = (place.open(), &random_queries(5, 1)[0].text);
    for (id, bits) in scores(&engine, query) {
        let document = documents.iter().find(|one| one.id == id).unwrap();
        let expected = naive(query, &text_of(document));
        let found = f64::from(f32::from_bits(bits));
        assert!((found - expected).abs() < 0.15, "{found} {expected}");
    }
}

#[test]
fn an_explanation_says_which_token_met_which() {
    let titled = Document {
        title: "Shopping list".to_owned(),
        ..document("b", "Äpfel and PEARS: a red one.")
    };
    let documents = [document("a", "a red (apple) tree"), titled];
    for forms in [&["late.storage=f16"][..], &[], &["late.pool=2"]] {
        let place = place(forms, &documents);
        let engine = place.open();
        let mut request = SearchRequest::text("Red, list pears");
        request.options = everything();
        request.options.explain = true;
        let response = engine.search(&request).unwrap();
        assert_eq!(response.hits.len(), 2);
        for hit in &response.hits {
            let alignment = &hit.passages[0].alignment;
            let of_query: Vec<&str> = alignment.iter().map(|one| &*one.query_token).collect();
            assert_eq!(of_query, ["Red", "list", "pears"]);
            for one in alignment {
                let (from, to) = one.query_place.unwrap();
                assert_eq!(&request.query.text[from..to], one.query_token);
                if let Some((from, to)) = one.place {
                    assert_eq!(&hit.text[from..to], one.token);
                }
            }
            let mean = alignment.iter().map(|one| one.similarity).sum::<f32>() / 3.0;
            let score = raw(hit, LATE).unwrap();
            // Two tokens that share a vector are compared as they were.
            let tolerance = if forms == ["late.pool=2"] { 0.5 } else { 2e-2 };
            assert!((mean - score).abs() < tolerance, "{mean} {score}");
            let met = |of_query: usize| (&*alignment[of_query].token, alignment[of_query].place);
            let (red, pears) = match &*hit.id {
                "a" => ((2, 5), None),
                _ => ((20, 23), Some((11, 16))),
            };
            assert_eq!(met(0), ("red", Some(red)));
            if let Some(pears) = pears {
                assert_eq!(met(2), ("PEARS", Some(pears)));
                // Of the title, which is not in the text.
                assert_eq!(met(1), ("list", None));
                assert!((alignment[1].similarity - 1.0).abs() < 1e-2);
            }
        }
        for hit in &response.hits {
            let explained = ExplainRequest {
                query: request.query.clone(),
                doc: hit.id.clone(),
                options: request.options.clone(),
                steps: 2,
            };
            let passage = engine.explain(&explained).unwrap().passage.unwrap();
            assert_eq!(passage.alignment, hit.passages[0].alignment);
            assert_eq!(passage.scores, hit.passages[0].scores);
        }
        request.options.explain = false;
        let response = engine.search(&request).unwrap();
        assert!(
            response
                .hits
                .iter()
                .all(|hit| hit.passages[0].alignment.is_empty())
        );
    }
}

/// Changes the metadata of the document `a`, and nothing else of the two that there are.
fn change_metadata(place: &Place) {
    let mut changed = document("a", "red apple");
    changed.metadata.insert("price".into(), 3.into());
    let before = scores(&place.open(), "red pear");
    let report = place.add(&[changed], None, false);
    assert_eq!((report.updated, place.fakes.n_token_embedded()), (1, 2));
    assert_eq!(scores(&place.open(), "red pear"), before);
}

#[test]
fn a_document_whose_metadata_alone_changed_costs_no_encoding() {
    let place = place(&[], &[document("a", "red apple"), document("b", "pear")]);
    change_metadata(&place);
}

#[test]
fn metadata_changes_without_a_bi_encoder_as_well() {
    let mut place = Place::with_corpus(&[document("a", "red apple"), document("b", "pear")]);
    place.config = config(&[MODEL]);
    place.config.dense = None;
    place.build().unwrap();
    change_metadata(&place);
    assert_eq!(place.fakes.n_embedded(), 0);
    assert!(check(&place.dir()).unwrap().damage.is_empty());
}

#[test]
fn what_is_damaged_is_told_and_repaired() {
    for (forms, second) in [
        (&["late.dimension=16"][..], "scales"),
        (&["late.storage=residual1"], "centroids.u16"),
        (&[], "scales"),
    ] {
        let documents = random_corpus(8, 30);
        let place = place(forms, &documents[..20]);
        place.add(&documents[20..], None, false);
        let text = &random_queries(8, 1)[0].text;
        let before = scores(&place.open(), text);
        for (segment, file) in [("segment-1", "tokens"), ("segment-2", second)] {
            let segment = place.dir().join(segment);
            let folder = std::fs::read_dir(&segment).unwrap();
            let mut names = folder.map(|entry| entry.unwrap().path());
            let late = names.find(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name == "late" || name.starts_with("late-")
            });
            let path = late.unwrap().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[70] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            let damage = check(&place.dir()).unwrap().damage;
            assert!(damage.iter().any(|one| one.path == path), "{damage:?}");
            let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
            assert_eq!(
                (report.repaired.len(), report.checked.damage.len()),
                (1, 0),
                "{report:?}"
            );
            assert_eq!(scores(&place.open(), text), before);
        }
    }
}

#[test]
fn an_index_without_token_vectors_says_how_to_get_them() {
    let place = Place::built(&[document("a", "red apple")]);
    let options = OpenOptions {
        stages: Some(vec![LATE]),
        ..OpenOptions::default()
    };
    let refused = Engine::open(&place.dir(), &options, &place.fakes);
    let message = chain(&refused.err().expect("it has no such stage"));
    assert!(
        message.contains("no late stage") && message.contains("late.model"),
        "{message}"
    );
    assert_eq!(place.fakes.n_token_embedded(), 0);
}

#[test]
fn another_model_or_another_width_is_refused() {
    let mut place = place(&[], &random_corpus(9, 10));
    place.fakes.token_embedder = FakeTokenEmbedder::new().named("other");
    assert!(place.refusal().contains("other"), "{}", place.refusal());
    // The same model by its fingerprint, but not by its vectors.
    place.fakes.token_embedder = FakeTokenEmbedder::new().with_width(32);
    let message = place.refusal();
    assert!(
        message.contains("tokens of 32 values") && message.contains("64"),
        "{message}"
    );
}

#[test]
fn keys_out_of_range_and_a_program_without_such_models_are_refused() {
    let message = |overrides: &[&str]| {
        let all: Vec<String> = [&[MODEL], overrides]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect();
        let base = treffer_engine::config::Base::Preset("english");
        let error: Error = treffer_engine::config::Config::load(base, &all).unwrap_err();
        chain(&error)
    };
    assert!(message(&["late.pool=0"]).contains("late.pool"));
    assert!(message(&["late.dimension=1"]).contains("late.dimension"));
    assert!(message(&["late.storag=f16"]).contains("did you mean `late.storage`"));
    assert!(message(&["late.storage=f64"]).contains("f64"));

    let mut place = Place::with_corpus(&[document("a", "red apple"), document("b", "pear")]);
    place.config = config(&[MODEL, "late.dimension=64"]);
    let refused = chain(&place.build().expect_err("it cannot be"));
    assert!(refused.contains("from 2 to 63"), "{refused}");

    struct Others(crate::support::Fakes);
    impl treffer_engine::models::ModelSource for Others {
        fn embedder(
            &self,
            name: &str,
            device: treffer_engine::Device,
        ) -> Result<std::sync::Arc<dyn treffer_types::Embedder>, treffer_types::BoxError> {
            self.0.embedder(name, device)
        }

        fn pair_scorer(
            &self,
            name: &str,
            device: treffer_engine::Device,
        ) -> Result<std::sync::Arc<dyn treffer_types::PairScorer>, treffer_types::BoxError>
        {
            self.0.pair_scorer(name, device)
        }
    }
    place.config = config(&[MODEL]);
    let source = Others(place.fakes.clone());
    let refused = place.build_from(&source, &NoProgress, &mut Vec::new());
    let refused = chain(&refused.expect_err("it has no such models"));
    assert!(
        refused.contains("no models of late interaction"),
        "{refused}"
    );
}

#[test]
fn the_preset_quick_reads_with_it_and_not_with_a_cross_encoder() {
    let quick = treffer_engine::config::Config::preset("quick").unwrap();
    assert!(quick.dense.is_some() && quick.late.is_some() && quick.cross.is_none());
    assert!(quick.profiles["default"].weights.weight(LATE) > 0.0);
}
