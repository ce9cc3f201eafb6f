//! Words of one part that cut the compounds of others, and lists of them that outlive a part.

use std::path::PathBuf;

use treffer_bm25::{Analyzer, Bm25Index, Bm25Part, Bm25Writer, Fields};
use treffer_types::{DocId, Language};

use crate::parts::{Parts, Spread};
use crate::support::{config, doc_ids, plain, texts};

#[test]
fn words_of_a_later_part_cut_the_compounds_of_earlier_ones() {
    for analyzer in [Analyzer::German, Analyzer::Mixed] {
        let config = config(analyzer, Fields::Concatenated);
        let doc = |text: &str, parts_before| Spread {
            language: Some(Language::German),
            title: String::new(),
            text: text.to_owned(),
            is_deleted: false,
            parts_before,
        };
        let docs = [
            doc("Laborkühlschrank", 0),
            doc("Sporthalle", 1),
            doc("Labor Kühlschrank", 1),
        ];
        let mut parts = Parts::new(&docs, &config);
        let folder = |parts: &mut Parts, nth: usize, known| {
            let docs = parts.docs[nth].clone();
            parts.folder(&docs, known)
        };
        for nth in 0..3 {
            let path = folder(&mut parts, nth, Vec::new());
            parts.paths.push(path);
        }
        let index = parts.open();
        assert_eq!(doc_ids(&index.search("Labor", 9, None).unwrap()), [2]);
        assert_eq!(index.parts_affected_by(&[]).unwrap(), [0]);
        let hall = ["sport".to_owned(), "hall".to_owned()];
        let both = index.parts_affected_by(&[hall[0].clone(), "halle".to_owned()]);
        assert_eq!(both.unwrap(), [0]);
        let known = index.pieces().unwrap();
        parts.paths[0] = folder(&mut parts, 0, known);
        let index = parts.open();
        assert_eq!(index.parts_affected_by(&[]).unwrap(), [0; 0]);
        assert_eq!(
            index.parts_affected_by(&["halle".to_owned()]).unwrap(),
            [0; 0]
        );
        // As terms, so without the ending.
        assert_eq!(index.parts_affected_by(&hall).unwrap(), [1]);
        assert_eq!(doc_ids(&index.search("Labor", 9, None).unwrap()), [0, 2]);

        // Without the part that knows the words, they are cut no more.
        let alone = Bm25Index::open_folder(&parts.paths[0], &config).unwrap();
        assert_eq!(alone.parts_affected_by(&[]).unwrap(), [0]);
    }
}

#[test]
fn listed_words_stay_when_parts_are_built_into_one() {
    let list = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    for analyzer in [Analyzer::German, Analyzer::Mixed] {
        let config = config(analyzer, Fields::Concatenated);
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str, texts: &[&str], known: Vec<String>, listed: Vec<String>| {
            let path = dir.path().join(name);
            let mut writer = Bm25Writer::create(&path, &config).unwrap();
            writer.know_pieces(known).unwrap();
            writer.add_pieces(listed).unwrap();
            for (doc, text) in (0..).zip(texts) {
                let german = Some(Language::German);
                writer.add_in(german, DocId(doc), "", text).unwrap();
            }
            writer.finish().unwrap();
            path
        };
        let open = |paths: &[&PathBuf]| {
            let parts: Vec<Bm25Part<'_>> = (0..)
                .zip(paths)
                .map(|(first, dir)| Bm25Part {
                    dir,
                    first,
                    deleted: None,
                })
                .collect();
            Bm25Index::open(&parts, &config).unwrap()
        };
        let one = folder("1", &["Sporthalle"], Vec::new(), list(&["sport", "hall"]));
        let known = open(&[&one]).pieces().unwrap();
        let listed = list(&["sport", "labor"]);
        let two = folder("2", &["Sportlabor Tennis"], known, listed);
        let index = open(&[&one, &two]);
        let all = list(&["hall", "labor", "sport"]);
        assert_eq!(index.listed_pieces().unwrap(), all);
        let pieces = index.pieces().unwrap();
        assert!(pieces.contains(&"hall".to_owned()) && pieces.contains(&"tennis".to_owned()));

        let texts = ["Sporthalle", "Sportlabor Tennis"];
        let merged = folder("3", &texts, Vec::new(), index.listed_pieces().unwrap());
        let merged = Bm25Index::open_folder(&merged, &config).unwrap();
        assert_eq!(merged.listed_pieces().unwrap(), all);
        assert_eq!(merged.pieces().unwrap(), pieces);
        for query in ["Halle", "Labor", "Sport", "Sporthalle"] {
            let hits = index.search(query, 9, None).unwrap();
            assert!(!hits.is_empty(), "{query}");
            assert_eq!(merged.search(query, 9, None).unwrap(), hits, "{query}");
        }
        let mut problems = Vec::new();
        merged.verify(&mut |path, reason| problems.push((path.to_owned(), reason)));
        assert_eq!(problems, []);
        // Words that are only known are not listed.
        let known = folder("4", &["x"], all, Vec::new());
        let known = Bm25Index::open_folder(&known, &config).unwrap();
        assert_eq!(known.listed_pieces().unwrap(), [""; 0]);
    }
    let (_dir, plain) = texts(&plain(), &["x"]);
    assert_eq!(plain.listed_pieces().unwrap(), [""; 0]);
}
