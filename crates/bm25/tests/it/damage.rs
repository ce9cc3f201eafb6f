//! Directories that are not an index, not this index, not finished, or not whole.

use std::fs;
use std::path::Path;

use treffer_bm25::{Analyzer, Error, Fields, Bm25Config, Bm25Index, Bm25Writer};
use treffer_types::DocId;

use crate::support::{Doc, build, config, large_corpus, plain, weighted};

fn open_error(dir: &Path, config: &Bm25Config) -> Error {
    Bm25Index::open(dir, config)
        .err()
        .expect("this is no index to be opened")
}

#[test]
fn a_directory_without_a_finished_index_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(matches!(
        open_error(&nowhere, &plain()),
        Error::Missing { .. }
    ));
    assert!(matches!(
        open_error(dir.path(), &plain()),
        Error::Missing { .. }
    ));

    let mut writer = Bm25Writer::create(dir.path(), &plain()).unwrap();
    writer.add(DocId(0), "", "x").unwrap();
    drop(writer);
    let error = open_error(dir.path(), &plain());
    assert!(matches!(error, Error::Missing { .. }));
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string())
    );
}

#[test]
fn an_index_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Bm25Writer::create(dir.path(), &plain()).unwrap();
    let again = || Bm25Writer::create(dir.path(), &plain()).err().unwrap();
    assert!(matches!(again(), Error::Exists { .. }));
    begun.finish().unwrap();
    assert!(matches!(again(), Error::Exists { .. }));
}

#[test]
fn an_index_cannot_be_created_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Bm25Writer::create(file.path(), &plain()).err().unwrap();
    assert!(matches!(error, Error::Io { .. }));
}

#[test]
fn another_analyzer_or_kind_of_fields_is_refused_with_both_named() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    let german = config(Analyzer::German, Fields::Concatenated);
    for (other, built, asked) in [
        (german, "`plain`", "`german`"),
        (weighted(1.0, 1.0), "`concatenated`", "`weighted`"),
    ] {
        let message = open_error(dir.path(), &other).to_string();
        assert!(
            message.contains(built) && message.contains(asked),
            "{message}"
        );
    }
}

#[test]
fn invalid_settings_are_refused_before_anything_is_read_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let invalid = Bm25Config { b: 2.0, ..plain() };
    assert!(Bm25Writer::create(dir.path(), &invalid).is_err());
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    assert!(matches!(
        open_error(dir.path(), &invalid),
        Error::Config { .. }
    ));
}

/// Opens and searches; damage may go unnoticed but must not panic.
fn try_everything(dir: &Path, config: &Bm25Config) {
    let Ok(index) = Bm25Index::open(dir, config) else {
        return;
    };
    for depth in [1, 10_000] {
        let _ = index.search("all few missing", depth);
    }
    let _ = index.score("all few", &[DocId(1), DocId(31)]);
    let _ = index.explain("few", DocId(30));
}

/// Calls `damage` for every file of an index, and restores the file afterwards.
fn for_each_file(config: &Bm25Config, damage: impl Fn(&Path, &[u8], &dyn Fn())) {
    let dir = tempfile::tempdir().unwrap();
    // A list of postings in a full block and a rest, and a short one.
    let text = |doc: u32| {
        if doc.is_multiple_of(5) {
            "all few few"
        } else {
            "all"
        }
    };
    let docs: Vec<Doc> = (0..150)
        .map(|doc| (doc, "all".to_owned(), text(doc).to_owned()))
        .collect();
    build(dir.path(), config, &docs);
    let mut n_files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        damage(&path, &whole, &|| try_everything(dir.path(), config));
        fs::write(&path, &whole).unwrap();
        n_files += 1;
    }
    assert!(n_files > 5);
    assert!(Bm25Index::open(dir.path(), config).is_ok());
}

#[test]
fn no_flipped_byte_causes_a_panic() {
    for config in [plain(), weighted(2.0, 1.0)] {
        for_each_file(&config, |path, whole, try_everything| {
            for i in 0..whole.len() {
                let mut bytes = whole.to_vec();
                bytes[i] ^= [0x01, 0x80, 0xff][i % 3];
                fs::write(path, &bytes).unwrap();
                try_everything();
            }
        });
    }
}

#[test]
fn no_cut_or_lost_file_causes_a_panic() {
    for config in [plain(), weighted(2.0, 1.0)] {
        for_each_file(&config, |path, whole, try_everything| {
            for len in [0, 1, whole.len() / 2, whole.len().saturating_sub(1)] {
                fs::write(path, &whole[..len.min(whole.len())]).unwrap();
                try_everything();
            }
            fs::remove_file(path).unwrap();
            try_everything();
        });
    }
}

#[test]
fn an_unreadable_record_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    for record in [
        "",
        "{}",
        "{\"format\":1,\"analyzer\":\"plain\",\"fields\":\"concatenated\",\"n_docs\":4}",
    ] {
        fs::write(dir.path().join("bm25.json"), record).unwrap();
        assert!(matches!(
            open_error(dir.path(), &plain()),
            Error::Damaged { .. }
        ));
    }
}
