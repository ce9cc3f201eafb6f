//! Inverted indexes that are written anew for documents that are there.
//!
//! Compounds are cut into words of the whole index. When new documents bring words into which
//! compounds of older segments are cut as well, the inverted indexes of these segments are written
//! anew, so that a ranking does not depend on how documents came to be in which segment.

use std::path::Path;

use treffer_bm25::Bm25Index;
use treffer_disk::SealRecord;
use treffer_types::{DocId, Language, Progress};

use super::commit::{Move, NEW_SEGMENT, Workplace};
use super::documents::{Words, add_rows, bm25_writer};
use crate::data::{IndexData, open_bm25_parts, rows};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::{Manifest, Segment, part_of, parts};
use crate::passages::Unit;

/// Documents between two reports of progress.
const REPORT_EVERY: u32 = 1024;

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
    /// generation is built. Puts the new folders into the manifest, and says where they belong.
    pub(super) fn run(
        &self,
        manifest: &mut Manifest,
        kept: &[usize],
        new: Option<&Segment>,
    ) -> Result<Vec<Move>, Error> {
        let data = self.data;
        let unit = data.manifest().blueprint.bm25_unit();
        let mut folders = Vec::with_capacity(kept.len() + 1);
        for at in kept {
            let segment = &data.manifest().segments[*at];
            let folder = segment.folder(data.dir(), parts::BM25)?;
            folders.push((folder, rows(segment, unit)));
        }
        let building = self.workplace.building();
        folders.extend(new.map(|segment| {
            let folder = building.join(NEW_SEGMENT).join(parts::BM25);
            (folder, rows(segment, unit))
        }));
        let parts = folders.iter().map(|(folder, rows)| ((folder, *rows), None));
        let index = open_bm25_parts(parts, &data.manifest().blueprint.bm25)?;
        let failed = || part("read", "BM25 part", data.dir());
        let affected = index.parts_affected_by(&[]).map_err(failed())?;
        // One that is new is cut as all words say.
        let affected: Vec<usize> = affected.into_iter().filter(|nth| *nth < kept.len()).collect();
        if affected.is_empty() {
            return Ok(Vec::new());
        }
        let known = index.pieces().map_err(failed())?;
        let mut moves = Vec::with_capacity(affected.len());
        for nth in affected {
            let (at, (old, _)) = (kept[nth], &folders[nth]);
            let own = Bm25Index::open_one(old, &data.manifest().blueprint.bm25);
            let words = Words {
                own: own.and_then(|own| own.pieces()).map_err(failed())?,
                known: known.clone(),
            };
            let name = &data.manifest().segments[at].name;
            let folder = format!("{}-{}", parts::BM25, self.workplace.generation());
            let from = format!("{name}-{folder}");
            let seal = rebuild(data, at, &building.join(&from), words, self.progress)?;
            if let Some(segment) = manifest.segments.iter_mut().find(|one| one.name == *name) {
                segment.parts.retain(|name, _| part_of(name) != parts::BM25);
                segment.parts.insert(folder.clone(), seal);
            }
            moves.push(Move {
                from,
                to: vec![name.clone(), folder],
            });
        }
        Ok(moves)
    }
}

/// Writes the inverted index of one segment anew. Deleted documents keep their rows, empty, and
/// their words, which other segments may be cut into.
fn rebuild(
    data: &IndexData,
    at: usize,
    dir: &Path,
    words: Words,
    progress: &dyn Progress,
) -> Result<SealRecord, Error> {
    let blueprint = &data.manifest().blueprint;
    let unit = blueprint.bm25_unit();
    let before = &data.manifest().segments[..at];
    let first_doc: u32 = before.iter().map(|segment| segment.documents).sum();
    let first_row: u32 = before.iter().map(|segment| rows(segment, unit)).sum();
    let segment = &data.manifest().segments[at];
    let mut writer = bm25_writer(dir, blueprint, words)?;
    let store_failed = || part("read", "store", data.dir());
    let bm25_failed = || part("write", "BM25 part", dir);
    let n = segment.documents;
    progress.begin("cutting compounds anew", Some(n.into()), "documents");
    let mut next = 0;
    for local in 0..n {
        let doc = DocId(first_doc + local);
        if data.store.is_live(doc) {
            let split = data.store.split_document(doc);
            let (document, passages) = split.map_err(store_failed())?;
            // Up to this document, the rows of deleted ones.
            let first = match unit {
                Unit::Document => local,
                Unit::Passage => {
                    let rows = data.store.passages_of(doc).map_err(store_failed())?;
                    rows.start - first_row
                }
            };
            for row in next..first {
                let added = writer.add_in(None, DocId(row), "", "");
                added.map_err(bm25_failed())?;
            }
            let languages = languages_of(data, first_row + first, passages.len(), unit)?;
            let known = |row: usize| languages.get(row).copied();
            let added = add_rows(&mut writer, unit, first, &document, &passages, known);
            next = added.map_err(bm25_failed())?;
        }
        if (local + 1).is_multiple_of(REPORT_EVERY) {
            progress.advance(REPORT_EVERY.into());
            stop_if_asked(progress)?;
        }
    }
    for row in next..rows(segment, unit) {
        let added = writer.add_in(None, DocId(row), "", "");
        added.map_err(bm25_failed())?;
    }
    progress.end();
    writer.finish().map_err(bm25_failed())
}

/// The languages of the rows of a document, the first of which is given.
pub(super) fn languages_of(
    data: &IndexData,
    first: u32,
    n_passages: usize,
    unit: Unit,
) -> Result<Vec<Option<Language>>, Error> {
    let n = match unit {
        Unit::Document => 1,
        Unit::Passage => n_passages as u32,
    };
    let languages = (first..first + n).map(|row| data.bm25.language_of(DocId(row)));
    let languages = languages.collect::<Result<_, _>>();
    languages.map_err(part("read", "BM25 part", data.dir()))
}
