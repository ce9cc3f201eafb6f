//! Queries and documents as people type them, and what an index promises about itself.

use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Writer, Error, Fields};
use treffer_types::{DocId, Language, Score};

use crate::support::{build, config, doc_ids, index, large_corpus, plain, texts, weighted};

#[test]
fn equal_scores_are_ordered_by_document() {
    let (_dir, index) = texts(&plain(), &["x y", "y x", "z", "x y"]);
    assert_eq!(doc_ids(&index.search("x", 10, None).unwrap()), [0, 1, 3]);
    assert_eq!(doc_ids(&index.search("x", 2, None).unwrap()), [0, 1]);
}

#[test]
fn queries_without_terms_find_nothing() {
    let english = config(Analyzer::English, Fields::Concatenated);
    let (_dir, index) = texts(&english, &["the freezer", "the the", ""]);
    for query in ["", "  ", "the of and", "\0", "😀", "?!*:()\"", "\u{200f}"] {
        assert_eq!(index.search(query, 10, None).unwrap(), [], "{query:?}");
        assert_eq!(index.score(query, &[DocId(0)]).unwrap(), [Score::ZERO]);
    }
    assert_eq!(index.search("freezer", 0, None).unwrap(), []);
}

#[test]
fn query_syntax_is_only_words() {
    let (_dir, index) = texts(&plain(), &["title and x", "not y", "x"]);
    assert_eq!(doc_ids(&index.search("title:x", 9, None).unwrap()), [0, 2]);
    assert_eq!(
        doc_ids(&index.search("-x", 9, None).unwrap()),
        doc_ids(&index.search("x", 9, None).unwrap())
    );
    assert_eq!(
        doc_ids(&index.search("\"not y\"~2^5 [", 9, None).unwrap()),
        [1]
    );
}

#[test]
fn text_of_any_script_is_found_beside_emoji_and_nul() {
    let (_dir, index) = texts(
        &plain(),
        &[
            "ثلاجة مختبر 😀",
            "מקרר\0מעבדה",
            "Kühl\u{AD}schrank",
            "ΣΊΣΥΦΟΣ",
        ],
    );
    assert_eq!(doc_ids(&index.search("مختبر", 9, None).unwrap()), [0]);
    assert_eq!(
        doc_ids(&index.search("\u{202b}מעבדה\u{202c}", 9, None).unwrap()),
        [1]
    );
    assert_eq!(
        doc_ids(&index.search("😀ku\u{308}hlschrank\0", 9, None).unwrap()),
        [2]
    );
    assert_eq!(doc_ids(&index.search("σίσυφοσ", 9, None).unwrap()), [3]);
}

#[test]
fn german_words_are_found_in_their_forms() {
    let german = config(Analyzer::German, Fields::Concatenated);
    let (_dir, index) = texts(
        &german,
        &[
            "Laborkühlschränke nach DIN 13277",
            "Kühlschrank ohne Gefrierfach",
        ],
    );
    assert_eq!(
        doc_ids(&index.search("Laborkühlschrank", 9, None).unwrap()),
        [0]
    );
    assert_eq!(doc_ids(&index.search("13277", 9, None).unwrap()), [0]);
    assert_eq!(doc_ids(&index.search("13271", 9, None).unwrap()), [0; 0]);
    assert_eq!(
        doc_ids(&index.search("KÜHLSCHRÄNKE ohne", 9, None).unwrap()),
        [1]
    );
}

#[test]
fn compounds_and_their_parts_find_one_another() {
    let docs = [
        "Laborkühlschrank",
        "Kühlschrank",
        "Labor",
        "Wohnungsbrand",
        "Brand einer Wohnung",
        "Sporthalle",
        "Sport",
        "Schrank kühl",
    ];
    for fields in [
        Fields::Concatenated,
        Fields::Weighted {
            title: 2.0,
            text: 1.0,
        },
    ] {
        let (dir, index) = texts(&config(Analyzer::German, fields), &docs);
        let found = |query| doc_ids(&index.search(query, 9, None).unwrap());
        assert_eq!(found("Kühlschrank"), [0, 1, 7]);
        assert_eq!(found("Kuehlschränke")[..2], [0, 1]);
        assert_eq!(found("Schrank"), [0, 1, 7]);
        assert_eq!(found("Labor"), [0, 2]);
        // The whole before its parts, and further compounds by their parts.
        assert_eq!(found("Laborkühlschrank")[0], 0);
        assert_eq!(found("Wohnungsbrand"), [3, 4]);
        assert_eq!(found("Laborbrand").len(), 4);
        assert_eq!(found("Sporthalle"), [5]);
        // Parts add nothing to the length of a document.
        let all: Vec<DocId> = (0..8).map(DocId).collect();
        assert_eq!(index.lengths(&all).unwrap(), [1, 1, 1, 1, 2, 1, 1, 2]);
        let explained = index.explain("Wohnungsbrand", DocId(4)).unwrap();
        assert_eq!(explained.len(), 2);
        assert!(explained.iter().all(|term| term.weight < 1.0));
        let explained = index.explain("Wohnungsbrand", DocId(3)).unwrap();
        assert_eq!((explained.len(), explained[0].weight), (1, 1.0));
        assert!(!dir.path().join("waiting.tmp").exists());
    }
}

#[test]
fn documents_in_several_languages_are_found_in_theirs() {
    let docs = [
        "Die Kühlschränke und die Anlagen sind für das Labor.",
        "The refrigerators are for people who die in the laboratory.",
        "Les réfrigérateurs de laboratoire sont conçus pour conserver des échantillons d'eau à température stable.",
        "LABO-288",
        "Der Laborkühlschrank ist neu und leise.",
        "The wildfire is in the kitchen, and not for kids.",
    ];
    for fields in [
        Fields::Concatenated,
        Fields::Weighted {
            title: 2.0,
            text: 1.0,
        },
    ] {
        let (_dir, index) = texts(&config(Analyzer::Mixed, fields), &docs);
        let languages: Vec<Option<Language>> = (0..6)
            .map(|doc| index.language_of(DocId(doc)).unwrap())
            .collect();
        let (german, english) = (Some(Language::German), Some(Language::English));
        assert_eq!(
            languages,
            [
                german,
                english,
                Some(Language::Other),
                None,
                german,
                english
            ]
        );
        let counts = index.languages();
        assert_eq!(
            (counts.de, counts.en, counts.other, counts.unsure),
            (2, 2, 1, 1)
        );
        let found = |query| doc_ids(&index.search(query, 9, None).unwrap());
        assert_eq!(found("Welche Anlage ist für Kühlschränke?"), [0, 4]);
        assert_eq!(found("which people are in the refrigerator"), [1]);
        // A stop word of German, but not of English, and the query may be either.
        assert_eq!(found("die"), [1]);
        assert_eq!(found("refrigerators"), [1]);
        assert_eq!(found("Anlage"), [0]);
        assert_eq!(found("réfrigérateurs"), [2]);
        assert_eq!(found("eau"), [2]);
        assert_eq!(found("LABO288"), [3]);
        assert_eq!(found("Kühlschrank"), [0, 4]);
        // Words of documents in English are not what German compounds are made of.
        assert_eq!(found("Wildkühlschrank"), [0; 0]);
        assert!(index.detect("Welche Anlage ist für das Labor?").language == german);
        let all: Vec<DocId> = (0..6).map(DocId).collect();
        assert_eq!(index.lengths(&all).unwrap()[3..5], [2, 3]);
    }
}

#[test]
fn a_language_that_a_record_names_is_kept() {
    let config = config(Analyzer::Mixed, Fields::Concatenated);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Bm25Writer::create(dir.path(), &config).unwrap();
    let german = Some(Language::German);
    writer.add_in(german, DocId(0), "", "the anlagen").unwrap();
    writer
        .add_in(None, DocId(1), "", "The refrigerators are in it.")
        .unwrap();
    writer.finish().unwrap();
    let index = Bm25Index::open_folder(dir.path(), &config).unwrap();
    assert_eq!(index.language_of(DocId(0)).unwrap(), german);
    assert_eq!(index.language_of(DocId(1)).unwrap(), None);
    assert_eq!(doc_ids(&index.search("Anlage", 9, None).unwrap()), [0]);
    assert!(index.language_of(DocId(2)).is_err());
}

#[test]
fn other_languages_keep_compounds_as_they_are() {
    for analyzer in [Analyzer::English, Analyzer::Plain] {
        let (_dir, index) = texts(
            &config(analyzer, Fields::Concatenated),
            &["firefly", "fire"],
        );
        assert_eq!(doc_ids(&index.search("fire", 9, None).unwrap()), [1]);
    }
}

#[test]
fn a_query_of_ten_thousand_words_and_a_document_of_a_million_are_searched() {
    let long: String = (0..1_000_000).map(|i| format!("w{} ", i % 5000)).collect();
    let (_dir, index) = texts(&plain(), &["w1 short", &long, "other"]);
    let query: String = (0..10_000).map(|i| format!("w{i} ")).collect();
    assert_eq!(doc_ids(&index.search(&query, 9, None).unwrap()), [1, 0]);
    assert_eq!(doc_ids(&index.search("short w1", 9, None).unwrap()), [0, 1]);
    let explained = index.explain("w17", DocId(1)).unwrap();
    assert_eq!(
        (explained[0].tf, explained[0].fields[0].length),
        // Letters and digits count apart: `w17` is as long as `w 17`.
        (200, 2_000_000)
    );
}

#[test]
fn a_word_of_a_megabyte_is_found() {
    let word = "ab".repeat(1 << 19);
    let (_dir, index) = texts(&plain(), &["short", &word]);
    assert_eq!(doc_ids(&index.search(&word, 9, None).unwrap()), [1]);
}

#[test]
fn a_repeated_term_counts_as_often_as_it_is_repeated() {
    let (_dir, index) = texts(&plain(), &["x y", "y"]);
    let score = |query| index.score(query, &[DocId(0)]).unwrap()[0].value();
    assert_eq!(score("x x"), 2.0 * score("x"));
}

#[test]
fn the_order_of_words_does_not_change_a_bit() {
    let (_dir, index) = index(&plain(), &large_corpus(500));
    let search = |query| index.search(query, 100, None).unwrap();
    assert_eq!(search("w1 w2 w3 w50 w7"), search("w50 w7 w3 w2 w1"));
}

#[test]
fn a_field_of_weight_zero_is_not_searched() {
    let docs = [
        (0, "x".to_owned(), "y".to_owned()),
        (1, "y".to_owned(), "x".to_owned()),
    ];
    let (_dir, index) = index(&weighted(1.0, 0.0), &docs);
    assert_eq!(doc_ids(&index.search("x", 9, None).unwrap()), [0]);
}

#[test]
fn the_weightier_field_ranks_first() {
    let docs = [
        (0, "x".to_owned(), "y".to_owned()),
        (1, "y".to_owned(), "x".to_owned()),
    ];
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &weighted(1.0, 1.0), &docs);
    for (weights, expected) in [
        ((1.0, 1.0), [0, 1]),
        ((1.0, 2.0), [1, 0]),
        ((2.0, 1.0), [0, 1]),
    ] {
        let index = Bm25Index::open_folder(dir.path(), &weighted(weights.0, weights.1)).unwrap();
        assert_eq!(doc_ids(&index.search("x", 9, None).unwrap()), expected);
    }
}

#[test]
fn an_index_of_no_documents_finds_nothing() {
    for config in [plain(), weighted(1.0, 1.0)] {
        let (_dir, index) = index(&config, &[]);
        assert_eq!(index.n_docs(), 0);
        assert_eq!(index.search("x", 10, None).unwrap(), []);
        assert_eq!(index.score("x", &[]).unwrap(), []);
    }
}

#[test]
fn documents_without_terms_count_but_are_not_found() {
    let (_dir, index) = texts(&plain(), &["", "...", ""]);
    assert_eq!(index.n_docs(), 3);
    assert_eq!(index.search("x", 10, None).unwrap(), []);
}

#[test]
fn given_documents_are_scored_in_their_order_however_often_they_are_given() {
    let docs = large_corpus(3000);
    let (_dir, index) = index(&plain(), &docs);
    let mut given: Vec<DocId> = docs.iter().map(|doc| DocId(doc.0)).rev().collect();
    given.extend_from_within(..1000);
    let scores = index.score("w1 w40", &given).unwrap();
    for i in (0..given.len()).step_by(97) {
        assert_eq!(index.score("w1 w40", &given[i..=i]).unwrap(), scores[i..=i]);
    }
}

#[test]
fn a_document_that_was_never_added_is_an_error() {
    let (_dir, index) = index(&plain(), &[(0, String::new(), "x".to_owned())]);
    for unknown in [1, 4, u32::MAX] {
        let error = index.score("x", &[DocId(unknown)]).unwrap_err();
        assert!(matches!(error, Error::UnknownDoc { doc: DocId(doc) } if doc == unknown));
        assert!(index.explain("x", DocId(unknown)).is_err());
    }
}

#[test]
fn documents_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Bm25Writer::create(dir.path(), &plain()).unwrap();
    writer.add(DocId(0), "", "x").unwrap();
    for wrong in [0, 2] {
        let error = writer.add(DocId(wrong), "", "x").unwrap_err();
        assert!(matches!(error, Error::DocOrder { next: DocId(1), .. }));
    }
    writer.add(DocId(1), "", "x").unwrap();
}

#[test]
fn two_builds_and_a_reopened_index_rank_alike_to_the_bit() {
    let docs = large_corpus(2500);
    for config in [plain(), weighted(2.0, 1.0)] {
        let (dir, first) = index(&config, &docs);
        let (_dir, second) = index(&config, &docs);
        let reopened = Bm25Index::open_folder(dir.path(), &config).unwrap();
        for query in ["w0", "w5 w19 w0", "w100 w3 w3 w8 w9"] {
            let hits = first.search(query, 500, None).unwrap();
            assert!(!hits.is_empty());
            assert_eq!(hits, second.search(query, 500, None).unwrap());
            assert_eq!(hits, reopened.search(query, 500, None).unwrap());
        }
    }
}

#[test]
fn threads_share_an_index() {
    let (_dir, index) = index(&plain(), &large_corpus(2500));
    let expected = index.search("w0 w20", 50, None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(index.search("w0 w20", 50, None).unwrap(), expected));
        }
    });
    std::thread::spawn(move || drop(index)).join().unwrap();
}

#[test]
fn k1_and_b_are_free_when_an_index_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("x x x {}", "y ".repeat(20));
    let docs = [
        (0, String::new(), "x z".to_owned()),
        (1, String::new(), long),
    ];
    build(dir.path(), &plain(), &docs);
    let open =
        |k1, b| Bm25Index::open_folder(dir.path(), &Bm25Config { k1, b, ..plain() }).unwrap();
    assert_eq!(
        doc_ids(&open(1.2, 0.0).search("x", 2, None).unwrap()),
        [1, 0]
    );
    assert_eq!(
        doc_ids(&open(1.2, 1.0).search("x", 2, None).unwrap()),
        [0, 1]
    );
    let scores = open(0.0, 1.0).score("x", &[DocId(0), DocId(1)]).unwrap();
    assert_eq!(scores[0], scores[1]);
}

#[test]
fn the_length_of_a_document_counts_the_terms_of_all_searched_fields() {
    let docs = [("a b", "c d e"), ("", ""), ("x", "y y")];
    let docs: Vec<_> = (0..)
        .zip(docs)
        .map(|(doc, (title, text))| (doc, title.to_owned(), text.to_owned()))
        .collect();
    let ids = [DocId(2), DocId(0), DocId(1), DocId(0)];
    for (config, expected) in [
        (plain(), [3, 5, 0, 5]),
        (weighted(1.0, 2.0), [3, 5, 0, 5]),
        (weighted(0.0, 1.0), [2, 3, 0, 3]),
    ] {
        let (_dir, index) = index(&config, &docs);
        assert_eq!(index.lengths(&ids).unwrap(), expected);
        assert!(matches!(
            index.lengths(&[DocId(3)]),
            Err(Error::UnknownDoc { .. })
        ));
    }
}

#[test]
fn a_word_of_several_forms_counts_once() {
    let docs = [
        "LABO-288",
        "LABO288",
        "LABO 288",
        "LABO 300, 288 W",
        "LABO",
        "other",
    ];
    let (_dir, index) = texts(&plain(), &docs);
    let hits = |query| index.search(query, 9, None).unwrap();
    // Written together or apart, a code is as long as it is, and scores the same.
    for query in ["LABO-288", "LABO288", "LABO 288"] {
        let hits = hits(query);
        assert_eq!(doc_ids(&hits[..3]), [0, 1, 2], "{query}");
        assert!(hits[..3].iter().all(|hit| hit.1 == hits[0].1), "{query}");
        let explained = index.explain(query, DocId(0)).unwrap();
        assert!(explained.len() <= 2, "{explained:?}");
    }
    assert_eq!(doc_ids(&hits("LABO288")), [0, 1, 2]);
    let twice = index.score("LABO288 LABO288", &[DocId(1)]).unwrap()[0].value();
    assert_eq!(twice, 2.0 * hits("LABO288")[0].1.value());
    assert_eq!(
        index.lengths(&[DocId(0), DocId(1), DocId(2)]).unwrap(),
        [2, 2, 2]
    );
}

#[test]
fn the_whole_counts_where_its_parts_give_less() {
    let (_dir, index) = texts(&plain(), &["wifi", "wi fi", "wi", "fi", "other words"]);
    let explained = |doc| {
        let terms = index.explain("Wi-Fi", DocId(doc)).unwrap();
        terms.into_iter().map(|term| term.term).collect::<Vec<_>>()
    };
    assert_eq!(explained(0), ["wifi"]);
    assert_eq!(explained(1), ["fi", "wi"]);
    assert_eq!(explained(2), ["wi"]);
    assert_eq!(doc_ids(&index.search("wifi", 9, None).unwrap()), [0, 1]);
}

#[test]
fn texts_without_blanks_are_found_by_their_characters() {
    let (_dir, index) = texts(
        &plain(),
        &[
            "东京塔的高度",
            "西京的塔",
            "ตู้เย็นสำหรับห้องปฏิบัติการ",
            "냉장고는 조용하다",
        ],
    );
    assert_eq!(doc_ids(&index.search("东京塔", 9, None).unwrap()), [0]);
    assert_eq!(doc_ids(&index.search("塔", 9, None).unwrap()), [1, 0]);
    assert_eq!(doc_ids(&index.search("ตู้เย็น", 9, None).unwrap()), [2]);
    assert_eq!(doc_ids(&index.search("냉장고", 9, None).unwrap()), [3]);
}
