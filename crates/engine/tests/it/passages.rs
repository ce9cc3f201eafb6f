//! Documents of several passages: every passage has its scores, as if each were a document, and
//! hits show what was found in them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use treffer_engine::Engine;
use treffer_engine::api::{Hit, HitPassage, SearchOptions};
use treffer_engine::profile::{Mode, Profile};
use treffer_engine::search::Searcher;
use treffer_fusion::{Aggregation, Weights};
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Document, Embedder, PairScorer, Query, Score, StageName};

use crate::support::{
    ALL, BM25, CROSS, DENSE, Place, chain, config, depths, document, everything, ids, raw, search,
};

fn split_place(documents: &[Document], overrides: &[&str]) -> Place {
    let usual = ["passages.tokens=16", "passages.overlap=4"];
    let overrides: Vec<&str> = usual.iter().chain(overrides).copied().collect();
    let mut place = Place::with_corpus(documents);
    place.config = config(&overrides);
    place.build().unwrap();
    place
}

/// Every hit with all its passages.
fn all_passages(engine: &Engine, profile: &Profile, text: &str) -> Vec<Hit> {
    let options = SearchOptions {
        passages: usize::MAX,
        ..everything()
    };
    let searcher = Searcher::new(engine, profile, &options).unwrap();
    searcher.search(&Query::text(text)).unwrap().hits
}

/// What models read of a passage.
fn full_text(hit: &Hit, passage: &HitPassage) -> String {
    let context = if passage.of == 1 {
        &hit.title
    } else {
        &passage.context
    };
    let piece = &hit.text[passage.place.0..passage.place.1];
    format!("{context} {piece}").trim().to_owned()
}

fn in_order(hit: &Hit) -> Vec<&HitPassage> {
    let mut passages: Vec<&HitPassage> = hit.passages.iter().collect();
    passages.sort_by_key(|passage| passage.number);
    passages
}

fn aggregated(scores: &[f32], aggregation: Aggregation) -> f32 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mean = |scores: &[f32]| {
        scores.iter().map(|score| f64::from(*score)).sum::<f64>() as f32 / scores.len() as f32
    };
    match aggregation {
        Aggregation::Max => sorted[0],
        Aggregation::First => scores[0],
        Aggregation::Mean { best } => mean(&sorted[..sorted.len().min(best as usize)]),
    }
}

const AGGREGATIONS: [Aggregation; 4] = [
    Aggregation::Max,
    Aggregation::First,
    Aggregation::MEAN,
    Aggregation::Mean { best: 2 },
];

#[test]
fn the_bi_encoder_scores_every_passage_of_every_candidate() {
    let documents = random_corpus(3, 80);
    for mode in [Mode::Hybrid, Mode::Cascade] {
        let place = split_place(&documents, &[]);
        let engine = place.open();
        assert!(engine.n_passages() > 150);
        for aggregation in AGGREGATIONS {
            let profile = Profile {
                mode,
                depths: depths(20, 15, 0),
                aggregation,
                ..Profile::default()
            };
            for query in random_queries(4, 6) {
                let vector = |text: &str| {
                    let embedded = place.fakes.embedder.embed_passages(&[text]).unwrap();
                    embedded[0].vector.clone()
                };
                let asked = vector(&query.text);
                for hit in all_passages(&engine, &profile, &query.text) {
                    let passages = in_order(&hit);
                    assert_eq!(passages.len(), passages[0].of as usize);
                    let cosine = |passage: &&HitPassage| {
                        let vector = vector(&full_text(&hit, passage));
                        vector.iter().zip(&asked).map(|(a, b)| a * b).sum::<f32>()
                    };
                    let cosines: Vec<f32> = passages.iter().map(cosine).collect();
                    for (passage, cosine) in passages.iter().zip(&cosines) {
                        let found = passage.scores.get(DENSE).unwrap().value();
                        assert!((found - cosine).abs() < 1e-5, "{found} {cosine}");
                    }
                    let found = raw(&hit, DENSE).unwrap();
                    let expected = aggregated(&cosines, aggregation);
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{aggregation} {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn bm25_scores_passages_as_if_they_were_documents() {
    let documents = random_corpus(5, 60);
    let place = split_place(&documents, &["passages.bm25=passage"]);
    let engine = place.open();
    let exhaustive = Profile {
        mode: Mode::Exhaustive,
        weights: Weights::equal(&[BM25]).unwrap(),
        ..Profile::default()
    };
    let queries = random_queries(6, 8);
    let of_passages = all_passages(&engine, &exhaustive, &queries[0].text);
    // An index in which each passage is a document, in the same order.
    let mut pieces = BTreeMap::new();
    for hit in &of_passages {
        let number = hit.id[1..].parse::<usize>().unwrap();
        for passage in in_order(hit) {
            let id = format!("{}-{}", hit.id, passage.number);
            pieces.insert(
                (number, passage.number),
                document(&id, &full_text(hit, passage)),
            );
        }
    }
    let pieces: Vec<Document> = pieces.into_values().collect();
    let mut plain = Place::with_corpus(&pieces);
    plain.config = config(&[]);
    plain.build().unwrap();
    let plain = plain.open();
    assert_eq!(plain.n_docs(), engine.n_passages());
    for query in queries {
        let expected: BTreeMap<String, f32> = search(&plain, &exhaustive, &query.text)
            .hits
            .iter()
            .map(|hit| (hit.id.clone(), raw(hit, BM25).unwrap()))
            .collect();
        for hit in all_passages(&engine, &exhaustive, &query.text) {
            let mut best = 0.0_f32;
            for passage in &hit.passages {
                let found = passage.scores.get(BM25).map(|score| score.value());
                let expected = expected[&format!("{}-{}", hit.id, passage.number)];
                assert_eq!(found, Some(expected), "{} {}", hit.id, passage.number);
                best = best.max(expected);
            }
            assert_eq!(raw(&hit, BM25), Some(best));
        }
        // And it retrieves as many documents as it is asked for.
        let hybrid = Profile {
            mode: Mode::TwoStage,
            depths: depths(7, 7, 0),
            ..exhaustive.clone()
        };
        let all = search(&engine, &exhaustive, &query.text);
        let found = all
            .hits
            .iter()
            .filter(|hit| raw(hit, BM25) > Some(0.0))
            .count();
        let retrieved = search(&engine, &hybrid, &query.text);
        assert_eq!(retrieved.hits.len(), found.min(7));
        assert_eq!(ids(&retrieved), ids(&all)[..found.min(7)]);
    }
}

/// Sentences of eight words, each with a word of its own.
fn long(word: &str, n: usize) -> String {
    let sentence = |i| format!("The {word} of part {i} is described here. ");
    (0..n).map(sentence).collect()
}

#[test]
fn a_depth_counts_documents_where_one_has_many_passages() {
    let mut documents = vec![document("long", &long("compressor", 60))];
    documents.extend((0..9).map(|i| document(&format!("d{i}"), "A compressor and other words.")));
    let engine = split_place(&documents, &[]).open();
    let profile = Profile {
        mode: Mode::TwoStage,
        first_stage: DENSE,
        depths: depths(5, 5, 0),
        weights: Weights::equal(&[DENSE]).unwrap(),
        ..Profile::default()
    };
    let found = search(&engine, &profile, "compressor described");
    assert_eq!(found.hits.len(), 5);
    // Through the graph too, whose beam is as wide as the profile's depth.
    let by_graph = Profile {
        exact_below: 0,
        ef_search: 5,
        ..profile.clone()
    };
    assert_eq!(
        search(&engine, &by_graph, "compressor described")
            .hits
            .len(),
        5
    );
    let exclude = Query {
        exclude: vec!["long".into(), "d3".into()],
        ..Query::text("compressor described")
    };
    let searcher = Searcher::new(&engine, &profile, &everything()).unwrap();
    let found = searcher.search(&exclude).unwrap();
    assert_eq!(found.hits.len(), 5);
    assert!(!ids(&found).contains(&"long"));
}

#[test]
fn the_cross_encoder_reads_the_most_promising_passages_within_its_depth() {
    let mut text = long("shelf", 12);
    text.insert_str(
        text.len() / 2,
        "Noise is forty decibels at most in this room. ",
    );
    let documents = [
        document("a", &text),
        document("b", &long("door", 12)),
        document("c", "Noise of a fan."),
    ];
    let place = split_place(&documents, &[]);
    for (per_document, depth, expected) in [(1, 9, 3), (2, 9, 5), (3, 4, 4), (1, 2, 2)] {
        let engine = place.open();
        let profile = Profile {
            depths: depths(10, 10, depth),
            cross_passages: per_document,
            ..Profile::default()
        };
        let response = search(&engine, &profile, "noise decibels");
        let read = place.fakes.take_read();
        assert_eq!(read.len(), expected, "{read:?}");
        assert!(
            read.iter().any(|text| text.contains("forty decibels")),
            "{read:?}"
        );
        let hit = response.hits.iter().find(|hit| hit.id == "a").unwrap();
        let best = &hit.passages[0];
        assert!(hit.text[best.place.0..best.place.1].contains("forty decibels"));
        assert_eq!(
            best.scores.get(CROSS).copied(),
            hit.stages.get(CROSS).unwrap().raw
        );
        let scorer = &place.fakes.scorer;
        let alone = scorer
            .score_pairs("noise decibels", &[&full_text(hit, best)])
            .unwrap();
        assert_eq!(best.scores.get(CROSS).copied(), Score::new(alone[0].score));
    }
}

#[test]
fn hits_mark_words_and_the_sentence_that_answers() {
    let text = format!(
        "{}It cools to five degrees. {}",
        long("door", 8),
        long("shelf", 8)
    );
    let place = split_place(&[document("a", &text), document("b", "A fan.")], &[]);
    let find = |stages: Option<Vec<StageName>>| {
        let options = SearchOptions {
            highlight: true,
            sentences: true,
            stages,
            ..SearchOptions::default()
        };
        let profile = Profile::default();
        let engine = place.open();
        let searcher = Searcher::new(&engine, &profile, &options).unwrap();
        let hits = searcher.search(&Query::text("cools degrees")).unwrap().hits;
        hits.into_iter().find(|hit| hit.id == "a").unwrap()
    };
    for stages in [
        None,
        Some(vec![BM25]),
        Some(vec![DENSE]),
        Some(vec![BM25, DENSE]),
    ] {
        let hit = find(stages.clone());
        let [passage] = hit.passages.as_slice() else {
            panic!("{:?}", hit.passages);
        };
        let at = |(start, end): (usize, usize)| &hit.text[start..end];
        let marked: Vec<&str> = passage.highlights.iter().map(|place| at(*place)).collect();
        assert_eq!(marked, ["cools", "degrees"], "{stages:?}");
        let sentence = passage.sentence.map(at);
        assert_eq!(sentence, Some("It cools to five degrees."), "{stages:?}");
        assert!(at(passage.place).contains("It cools"));
        assert!(passage.scores.is_empty() && passage.tokens_cut.is_none());
    }
}

#[test]
fn passages_that_no_model_can_read_are_refused() {
    let mut place = Place::with_corpus(&random_corpus(1, 5));
    place.config = config(&["passages.tokens=257"]);
    let message = chain(&place.build().unwrap_err());
    assert!(message.contains("passages.tokens=256"), "{message}");
    // Without a bi-encoder the cross-encoder counts, and leaves room for the query.
    place.config = config(&["passages.tokens=256"]);
    place.config.dense = None;
    let message = chain(&place.build().unwrap_err());
    assert!(message.contains("passages.tokens=224"), "{message}");
    place.config.cross = None;
    place.build().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_a_hit_says_of_its_passages_is_in_its_text(seed in any::<u64>(), by_passage in any::<bool>()) {
        let unit = if by_passage { "passages.bm25=passage" } else { "passages.bm25=document" };
        let place = split_place(&random_corpus(seed, 20), &[unit]);
        let engine = place.open();
        let options = SearchOptions {
            passages: 3,
            highlight: true,
            ..SearchOptions::default()
        };
        for query in random_queries(seed, 4) {
            let searcher = Searcher::new(&engine, &Profile::default(), &options).unwrap();
            for hit in searcher.search(&query).unwrap().hits {
                let asked: Vec<&str> = query.text.split(' ').collect();
                prop_assert!(hit.passages.len() <= 3 && !hit.passages.is_empty());
                for passage in &hit.passages {
                    let (start, end) = passage.place;
                    let piece = hit.text.get(start..end).unwrap();
                    let marked = passage.highlights.iter().map(|(from, to)| &hit.text[*from..*to]);
                    let marked: Vec<&str> = marked.collect();
                    let expected = piece.split(' ').filter(|word| asked.contains(word));
                    prop_assert_eq!(marked, expected.collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn stages_and_orders_do_not_depend_on_how_a_query_is_gathered(seed in any::<u64>()) {
        let place = split_place(&random_corpus(seed, 30), &[]);
        let engine = place.open();
        let profile = Profile { depths: depths(8, 8, 5), cross_passages: 2, ..Profile::default() };
        let queries = random_queries(seed, 5);
        let searcher = Searcher::new(&engine, &profile, &everything()).unwrap();
        let together = searcher.search_batch(&queries).unwrap();
        for (query, response) in queries.iter().zip(together) {
            prop_assert_eq!(&searcher.search(query).unwrap(), &response);
            for hit in &response.hits {
                prop_assert!(ALL[..2].iter().all(|stage| raw(hit, *stage).is_some()));
            }
        }
    }
}
