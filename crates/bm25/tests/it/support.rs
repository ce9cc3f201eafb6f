//! Small indexes, and a pseudo-random corpus large enough for windows and skips.

use std::path::Path;

use tempfile::TempDir;
use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Writer, Fields};
use treffer_types::DocId;

/// A document: number, title, text.
pub(crate) type Doc = (u32, String, String);

pub(crate) fn config(analyzer: Analyzer, fields: Fields) -> Bm25Config {
    Bm25Config {
        analyzer,
        fold_accents: None,
        negation: false,
        words: None,
        k1: 0.9,
        b: 0.4,
        fields,
    }
}

pub(crate) fn plain() -> Bm25Config {
    config(Analyzer::Plain, Fields::Concatenated)
}

pub(crate) fn weighted(title: f32, text: f32) -> Bm25Config {
    config(Analyzer::Plain, Fields::Weighted { title, text })
}

pub(crate) fn build(dir: &Path, config: &Bm25Config, docs: &[Doc]) {
    let mut writer = Bm25Writer::create(dir, config).unwrap();
    for (doc, title, text) in docs {
        writer.add(DocId(*doc), title, text).unwrap();
    }
    writer.finish().unwrap();
}

/// An index and the directory that goes with it.
pub(crate) fn index(config: &Bm25Config, docs: &[Doc]) -> (TempDir, Bm25Index) {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), config, docs);
    let index = Bm25Index::open_folder(dir.path(), config).unwrap();
    (dir, index)
}

/// An index of untitled texts numbered from 0.
pub(crate) fn texts(config: &Bm25Config, texts: &[&str]) -> (TempDir, Bm25Index) {
    let docs: Vec<Doc> = (0..)
        .zip(texts)
        .map(|(doc, text)| (doc, String::new(), (*text).to_owned()))
        .collect();
    index(config, &docs)
}

pub(crate) fn doc_ids(hits: &[(DocId, treffer_types::Score)]) -> Vec<u32> {
    hits.iter().map(|(doc, _)| doc.0).collect()
}

/// Numbers that look random and are the same every time.
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % n
    }

    /// `w0` is the commonest word, `w199` occurs a few times in a large corpus.
    pub(crate) fn word(&mut self) -> String {
        let n_words = 1 + self.below(200);
        format!("w{}", self.below(n_words))
    }

    pub(crate) fn words(&mut self, n: u64) -> String {
        let words: Vec<String> = (0..n).map(|_| self.word()).collect();
        words.join(" ")
    }
}

/// `n` documents; some are empty.
pub(crate) fn large_corpus(n: u32) -> Vec<Doc> {
    let mut sequence = Sequence(7);
    (0..n)
        .map(|doc| {
            let (in_title, in_text) = (sequence.below(4), sequence.below(12));
            (doc, sequence.words(in_title), sequence.words(in_text))
        })
        .collect()
}
