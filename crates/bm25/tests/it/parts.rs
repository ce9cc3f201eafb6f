//! Indexes of several parts, with deleted and allowed documents: always as an index that was built
//! at once of the documents that are left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use tempfile::TempDir;
use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Part, Bm25Writer, Error, Fields};
use treffer_types::{DocId, Language, Score};

use crate::oracle::{german_words, settings, words};
use crate::support::{Sequence, build, config, index, large_corpus, plain, texts, weighted};

/// A document of one of several parts.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    pub(crate) language: Option<Language>,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) is_deleted: bool,
    /// Begins another part; an empty one stands before it if this is 2.
    pub(crate) parts_before: u8,
}

/// The folders of an index.
pub(crate) struct Parts {
    dir: TempDir,
    /// The documents of each.
    pub(crate) docs: Vec<Vec<Spread>>,
    pub(crate) paths: Vec<PathBuf>,
    config: Bm25Config,
    n_built: usize,
}

impl Parts {
    pub(crate) fn new(docs: &[Spread], config: &Bm25Config) -> Self {
        let mut parts: Vec<Vec<Spread>> = vec![Vec::new()];
        for doc in docs {
            parts.extend((0..doc.parts_before).map(|_| Vec::new()));
            parts.last_mut().unwrap().push(doc.clone());
        }
        Parts {
            dir: tempfile::tempdir().unwrap(),
            docs: parts,
            paths: Vec::new(),
            config: config.clone(),
            n_built: 0,
        }
    }

    pub(crate) fn folder(&mut self, docs: &[Spread], known: Vec<String>) -> PathBuf {
        self.n_built += 1;
        let path = self.dir.path().join(self.n_built.to_string());
        build_spread(&path, &self.config, docs, known);
        path
    }

    /// Builds one part after the other, and those again that words of a later one affect.
    fn build(&mut self) {
        for nth in 0..self.docs.len() {
            let known = self.open().pieces().unwrap();
            let docs = self.docs[nth].clone();
            let path = self.folder(&docs, known);
            self.paths.push(path);
            let index = self.open();
            let known = index.pieces().unwrap();
            for affected in index.parts_affected_by(&[]).unwrap() {
                let docs = self.docs[affected].clone();
                self.paths[affected] = self.folder(&docs, known.clone());
            }
            let index = self.open();
            assert_eq!(index.parts_affected_by(&known).unwrap(), [0; 0]);
            assert_eq!(index.pieces().unwrap(), known);
        }
    }

    pub(crate) fn open(&self) -> Bm25Index {
        let mut first = 0;
        let mut parts = Vec::new();
        for (dir, docs) in self.paths.iter().zip(&self.docs) {
            let mut deleted = FixedBitSet::with_capacity(docs.len());
            for (row, doc) in docs.iter().enumerate() {
                deleted.set(row, doc.is_deleted);
            }
            let deleted = Some(Arc::new(deleted));
            parts.push(Bm25Part {
                dir,
                first,
                deleted,
            });
            first += docs.len() as u32;
        }
        Bm25Index::open(&parts, &self.config).unwrap()
    }
}

fn build_spread(dir: &Path, config: &Bm25Config, docs: &[Spread], known: Vec<String>) {
    let mut writer = Bm25Writer::create(dir, config).unwrap();
    writer.know_pieces(known).unwrap();
    finish_spread(writer, docs);
}

fn finish_spread(mut writer: Bm25Writer, docs: &[Spread]) {
    for (doc, spread) in (0..).zip(docs) {
        let Spread {
            language,
            title,
            text,
            ..
        } = spread;
        writer.add_in(*language, DocId(doc), title, text).unwrap();
    }
    writer.finish().unwrap();
}

/// A set of this many rows at most, by a rule that looks random.
fn some_rows(len: usize, one_in: u64, seed: u64) -> FixedBitSet {
    let mut sequence = Sequence(seed);
    let mut rows = FixedBitSet::with_capacity(len);
    for row in 0..len {
        rows.set(row, sequence.below(one_in) == 0);
    }
    rows
}

/// What must be found: the whole ranking of an index of the live documents alone, by their rows in
/// the other index, as far as it is allowed.
fn expected(
    alone: &Bm25Index,
    live: &[DocId],
    query: &str,
    depth: usize,
    allowed: Option<&FixedBitSet>,
) -> Vec<(DocId, Score)> {
    let all = alone.search(query, usize::MAX, None).unwrap();
    let by_row = all
        .into_iter()
        .map(|(doc, score)| (live[doc.0 as usize], score));
    let is_allowed = |doc: DocId| allowed.is_none_or(|allowed| allowed.contains(doc.0 as usize));
    by_row.filter(|hit| is_allowed(hit.0)).take(depth).collect()
}

/// Compares everything that can be asked.
fn assert_alike(spread: &Bm25Index, alone: &Bm25Index, live: &[DocId], query: &str, depth: usize) {
    let n_rows = spread.n_rows() as usize;
    let sets: Vec<FixedBitSet> = [(1, 1), (2, 2), (5, 3), (n_rows as u64 + 1, 4)]
        .map(|(one_in, seed)| some_rows(n_rows, one_in, seed))
        .into_iter()
        .chain([
            some_rows(n_rows / 2, 2, 5),
            some_rows(2 * n_rows + 70, 3, 6),
        ])
        .collect();
    for allowed in sets.iter().map(Some).chain([None]) {
        for depth in [depth, n_rows + 1] {
            assert_eq!(
                spread.search(query, depth, allowed).unwrap(),
                expected(alone, live, query, depth, allowed),
                "{query}"
            );
        }
    }
    let alone_ids: Vec<DocId> = (0..live.len() as u32).map(DocId).collect();
    assert_eq!(
        spread.score(query, live).unwrap(),
        alone.score(query, &alone_ids).unwrap()
    );
    assert_eq!(
        spread.lengths(live).unwrap(),
        alone.lengths(&alone_ids).unwrap()
    );
    for (&row, &doc) in live.iter().zip(&alone_ids) {
        assert_eq!(
            spread.explain(query, row).unwrap(),
            alone.explain(query, doc).unwrap()
        );
        assert_eq!(
            spread.language_of(row).unwrap(),
            alone.language_of(doc).unwrap()
        );
    }
    assert_eq!(
        spread.query_words(query).unwrap(),
        alone.query_words(query).unwrap()
    );
    assert_eq!(spread.n_docs(), alone.n_docs());
    assert_eq!(spread.languages(), alone.languages());
}

fn any_words(max: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        words(max),
        german_words(max),
        (words(max), german_words(max)).prop_map(|(a, b)| format!("{a} {b}"))
    ]
}

fn spread_docs() -> impl Strategy<Value = Vec<Spread>> {
    let languages = [
        None,
        Some(Language::German),
        Some(Language::English),
        Some(Language::Other),
    ];
    let doc = (
        prop::sample::select(languages.to_vec()),
        any_words(3),
        any_words(10),
        prop::bool::weighted(0.25),
        prop_oneof![6 => Just(0u8), 2 => Just(1), 1 => Just(2)],
    );
    let spread = |(language, title, text, is_deleted, parts_before)| Spread {
        language,
        title,
        text,
        is_deleted,
        parts_before,
    };
    prop::collection::vec(doc.prop_map(spread), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn many_parts_are_as_one_index_of_the_live_documents(
        docs in spread_docs(),
        queries in prop::collection::vec(any_words(6), 1..4),
        config in settings(),
        analyzer in prop::sample::select(
            vec![Analyzer::Plain, Analyzer::English, Analyzer::German, Analyzer::Mixed]
        ),
        depth in 1usize..12,
        none_deleted in any::<bool>(),
    ) {
        let config = Bm25Config { analyzer, ..config };
        let mut docs = docs;
        for doc in &mut docs {
            doc.is_deleted &= !none_deleted;
        }
        let mut parts = Parts::new(&docs, &config);
        parts.build();
        let spread = parts.open();
        let live: Vec<DocId> = (0..docs.len())
            .filter(|&row| !docs[row].is_deleted)
            .map(|row| DocId(row as u32))
            .collect();
        let left: Vec<Spread> = docs.iter().filter(|doc| !doc.is_deleted).cloned().collect();
        // Words of deleted documents stay known until their part goes.
        let known = if none_deleted { Vec::new() } else { spread.pieces().unwrap() };
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Bm25Writer::create(dir.path(), &config).unwrap();
        writer.add_pieces(known).unwrap();
        finish_spread(writer, &left);
        let alone = Bm25Index::open_folder(dir.path(), &config).unwrap();
        if none_deleted {
            prop_assert_eq!(spread.pieces().unwrap(), alone.pieces().unwrap());
        }
        for query in &queries {
            assert_alike(&spread, &alone, &live, query, depth);
        }
        for row in (0..docs.len() + 3).filter(|&row| docs.get(row).is_none_or(|d| d.is_deleted)) {
            let error = spread.score("x", &[DocId(row as u32)]).unwrap_err();
            let is_unknown = matches!(error, Error::UnknownDoc { doc } if doc.0 as usize == row);
            prop_assert!(is_unknown, "{}", error);
            prop_assert!(spread.explain("x", DocId(row as u32)).is_err());
            prop_assert!(spread.lengths(&[DocId(row as u32)]).is_err());
            prop_assert!(spread.language_of(DocId(row as u32)).is_err());
        }
        let mut problems = Vec::new();
        spread.verify(&mut |path, reason| problems.push((path.to_owned(), reason)));
        prop_assert_eq!(problems, []);
    }
}

#[test]
fn a_large_index_of_parts_is_as_one_at_any_depth_and_for_any_filter() {
    let docs = large_corpus(9000);
    for (config, one_in) in [
        (plain(), 3),
        (plain(), 700),
        (weighted(2.0, 1.0), 5),
        (weighted(2.0, 1.0), 700),
        (weighted(0.0, 1.0), 40),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let deleted = some_rows(docs.len(), one_in, 17);
        let mut paths = Vec::new();
        let ends = [10, 3000, 3001, 5200, 9000];
        let mut first = 0;
        for end in ends {
            let path = dir.path().join(end.to_string());
            let part: Vec<_> = (0..)
                .zip(&docs[first..end])
                .map(|(row, (_, title, text))| (row, title.clone(), text.clone()))
                .collect();
            build(&path, &config, &part);
            let mut rows = FixedBitSet::with_capacity(end - first);
            (first..end).for_each(|row| rows.set(row - first, deleted.contains(row)));
            paths.push((path, first as u32, Arc::new(rows)));
            first = end;
        }
        let parts: Vec<Bm25Part<'_>> = paths
            .iter()
            .map(|(dir, first, deleted)| Bm25Part {
                dir,
                first: *first,
                deleted: Some(Arc::clone(deleted)),
            })
            .collect();
        let spread = Bm25Index::open(&parts, &config).unwrap();
        let live: Vec<DocId> = (0..9000)
            .filter(|&row| !deleted.contains(row as usize))
            .map(DocId)
            .collect();
        let left = (0..)
            .zip(&live)
            .map(|(doc, row)| {
                let (_, title, text) = &docs[row.0 as usize];
                (doc, title.clone(), text.clone())
            })
            .collect::<Vec<_>>();
        let (_dir, alone) = index(&config, &left);
        let mut sequence = Sequence(11);
        for n_words in [1, 2, 3, 8, 100] {
            let query = sequence.words(n_words);
            for allowed in [1, 2, 10, 100, 1000, 3000].map(|one_in| some_rows(9000, one_in, 23)) {
                for depth in [1, 10, 100, 9000] {
                    assert_eq!(
                        spread.search(&query, depth, Some(&allowed)).unwrap(),
                        expected(&alone, &live, &query, depth, Some(&allowed)),
                        "{query} {depth}"
                    );
                    assert_eq!(
                        spread.search(&query, depth, None).unwrap(),
                        expected(&alone, &live, &query, depth, None),
                        "{query} {depth}"
                    );
                }
            }
            let some: Vec<DocId> = live.iter().copied().step_by(7).rev().collect();
            let alone_ids = some.iter().map(|row| live.binary_search(row).unwrap());
            let alone_ids: Vec<DocId> = alone_ids.map(|at| DocId(at as u32)).collect();
            assert_eq!(
                spread.score(&query, &some).unwrap(),
                alone.score(&query, &alone_ids).unwrap()
            );
        }
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    let part = |first, deleted: Option<usize>| Bm25Part {
        dir: dir.path(),
        first,
        deleted: deleted.map(|row| {
            let mut deleted = FixedBitSet::with_capacity(100);
            deleted.insert(row);
            Arc::new(deleted)
        }),
    };
    let open = |parts: &[Bm25Part<'_>]| Bm25Index::open(parts, &plain());
    for wrong in [
        vec![part(1, None)],
        vec![part(0, None), part(2, None)],
        vec![part(0, None), part(4, None)],
        vec![part(0, None), part(0, None)],
        vec![part(0, Some(3))],
    ] {
        let error = open(&wrong).err().unwrap();
        assert!(matches!(error, Error::Part { .. }), "{error}");
    }
    let index = open(&[part(0, Some(2)), part(3, None)]).unwrap();
    assert_eq!((index.n_docs(), index.n_rows()), (5, 6));
    assert_eq!(index.records().len(), 2);
}

#[test]
fn no_parts_are_an_empty_index() {
    for analyzer in [Analyzer::Plain, Analyzer::German] {
        let config = config(analyzer, Fields::Concatenated);
        let index = Bm25Index::open(&[], &config).unwrap();
        assert_eq!((index.n_docs(), index.n_rows()), (0, 0));
        assert_eq!(index.search("x", 10, None).unwrap(), []);
        assert_eq!(index.score("x", &[]).unwrap(), []);
        assert!(index.score("x", &[DocId(0)]).is_err());
        let (_dir, built) = texts(&config, &[]);
        assert_eq!(index.pieces().unwrap(), built.pieces().unwrap());
    }
}

#[test]
fn an_index_of_deleted_documents_alone_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(200));
    let mut deleted = FixedBitSet::with_capacity(200);
    deleted.insert_range(..);
    let part = Bm25Part {
        dir: dir.path(),
        first: 0,
        deleted: Some(Arc::new(deleted)),
    };
    let index = Bm25Index::open(&[part], &plain()).unwrap();
    assert_eq!((index.n_docs(), index.n_rows()), (0, 200));
    assert_eq!(index.search("w0", 10, None).unwrap(), []);
}
