//! Inverted indexes that are written anew for documents that are there.
//!
//! Compounds are cut into words of the whole index. When new documents bring words into which
//! compounds of older segments are cut as well, the inverted indexes of these segments are written
//! anew, so that a ranking does not depend on how documents came to be in which segment.

use std::ops::Range;
use std::path::Path;

use treffer_bm25::Bm25Index;
use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{DocId, Document, Language, Progress};

use super::commit::{Move, NEW_SEGMENT, Workplace};
use super::documents::{Words, add_rows, bm25_writer};
use crate::blueprint::Blueprint;
use crate::data::{IndexData, open_bm25_parts, rows};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::{Manifest, Segment, parts};
use crate::passages::Unit;

/// Documents between two reports of progress.
const REPORT_EVERY: u64 = 1024;

/// Writes the inverted indexes anew of segments that stay.
pub(super) struct Rebuilding<'a> {
    /// What the last commit holds.
    pub(super) data: &'a IndexData,
    pub(super) workplace: &'a Workplace,
    pub(super) progress: &'a dyn Progress,
}

impl Rebuilding<'_> {
    /// Writes those anew that are affected when, of the segments of the last commit, those at the
    /// places `kept` are left, and the segment `new` is added, which is complete where the
    /// generation is built. Puts the new folders into the manifest, which lists the segments of the
    /// last commit yet, and says where they belong.
    pub(super) fn run(
        &self,
        manifest: &mut Manifest,
        kept: &[usize],
        new: Option<&Segment>,
    ) -> Result<Vec<Move>, Error> {
        let data = self.data;
        let blueprint = &data.manifest().blueprint;
        if !blueprint.bm25.analyzer.has_compounds() {
            return Ok(Vec::new());
        }
        let unit = blueprint.bm25_unit();
        let mut folders = data.bm25_folders(kept)?;
        let building = self.workplace.building();
        folders.extend(new.map(|segment| {
            let folder = building.join(NEW_SEGMENT).join(parts::BM25);
            (folder, rows(segment, unit))
        }));
        let parts = folders.iter().map(|(folder, rows)| ((folder, *rows), None));
        let index = open_bm25_parts(parts, &blueprint.bm25)?;
        let failed = || part("read", "BM25 part", data.dir());
        let affected = index.parts_affected_by(&[]).map_err(failed())?;
        // One that is new is cut as all words say.
        let affected: Vec<usize> = affected
            .into_iter()
            .filter(|nth| *nth < kept.len())
            .collect();
        if affected.is_empty() {
            return Ok(Vec::new());
        }
        let known = index.pieces().map_err(failed())?;
        let mut moves = Vec::with_capacity(affected.len());
        for nth in affected {
            let (at, (old, _)) = (kept[nth], &folders[nth]);
            let old = Bm25Index::open_folder(old, &blueprint.bm25);
            let old = old.map_err(failed())?;
            let words = Words {
                own: old.listed_pieces().map_err(failed())?,
                known: known.clone(),
            };
            let segment = &data.manifest().segments[at];
            let from = format!("{}-{}", segment.name, parts::BM25);
            let store = segment.folder(data.dir(), parts::STORE)?;
            let store = Store::open_folder(&store).map_err(part("open", "store", &store))?;
            let rows = RowsOf {
                store: &store,
                blueprint,
                progress: self.progress,
            };
            let seal = rows.write(&building.join(&from), words, &mut |_, rows| {
                let languages = rows.map(|row| old.language_of(DocId(row)));
                let languages = languages.collect::<Result<_, _>>().map_err(failed())?;
                Ok(Known::Rows(languages))
            })?;
            let generation = self.workplace.generation();
            let folder = manifest.segments[at].replace_part(parts::BM25, generation, seal);
            moves.push(Move {
                from,
                to: vec![segment.name.clone(), folder],
            });
        }
        Ok(moves)
    }
}

/// The documents of one segment, deleted ones among them, as rows of an inverted index.
pub(super) struct RowsOf<'a> {
    pub(super) store: &'a Store,
    pub(super) blueprint: &'a Blueprint,
    pub(super) progress: &'a dyn Progress,
}

/// What is known of the language of a document.
pub(super) enum Known {
    /// Nothing: it is detected.
    Nothing,
    /// It is this one.
    Language(Language),
    /// Each row has its own.
    Rows(Vec<Option<Language>>),
}

/// Says what is known of the language of a document, whose rows are given.
pub(super) type KnownOf<'a> = dyn FnMut(&Document, Range<u32>) -> Result<Known, Error> + 'a;

impl RowsOf<'_> {
    /// Writes the inverted index. `known` is asked for the language of each document, with its
    /// rows.
    pub(super) fn write(
        &self,
        dir: &Path,
        words: Words,
        known: &mut KnownOf<'_>,
    ) -> Result<SealRecord, Error> {
        let unit = self.blueprint.bm25_unit();
        let mut writer = bm25_writer(dir, self.blueprint, words)?;
        let failed = || part("write", "BM25 part", dir);
        let n = self.store.len() as u64;
        self.progress
            .begin("indexing words anew", Some(n), "documents");
        let mut next = 0;
        for (doc, n) in self.store.live_docs().zip(1_u64..) {
            let split = self.store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", dir))?;
            let end = match unit {
                Unit::Document => next + 1,
                Unit::Passage => next + passages.len() as u32,
            };
            let known = known(&document, next..end)?;
            let language = |row: usize| match &known {
                Known::Nothing => None,
                Known::Language(language) => Some(Some(*language)),
                Known::Rows(languages) => languages.get(row).copied(),
            };
            let added = add_rows(&mut writer, unit, next, &document, &passages, language);
            next = added.map_err(failed())?;
            if n.is_multiple_of(REPORT_EVERY) {
                self.progress.advance(REPORT_EVERY);
                stop_if_asked(self.progress)?;
            }
        }
        self.progress.end();
        writer.finish().map_err(failed())
    }
}
