//! Inverted indexes that are written anew for documents that are there.
//!
//! Compounds are cut into words of the whole index. When new documents bring words into which
//! compounds of older segments are cut as well, the inverted indexes of these segments are written
//! anew, so that a ranking does not depend on how documents came to be in which segment.

use std::path::Path;

use treffer_bm25::Bm25Index;
use treffer_disk::SealRecord;
use treffer_types::{DocId, Language, Progress};

use super::commit::{NEW_SEGMENT, Workplace};
use super::documents::{add_rows, bm25_writer};
use crate::data::{IndexData, rows};
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::parts;
use crate::passages::Unit;

/// Documents between two reports of progress.
const REPORT_EVERY: u32 = 1024;

/// Writes the inverted indexes anew that the new segment affects: for each, the place of its
/// segment, the name of its folder within the segment, and its seal. Until the commit, the folder
/// is where the generation is built, with the segment's name before its own.
pub(super) fn rebuild_affected(
    data: &IndexData,
    workplace: &Workplace,
    progress: &dyn Progress,
) -> Result<Vec<(usize, String, SealRecord)>, Error> {
    let blueprint = &data.manifest().blueprint;
    let building = workplace.building();
    let new = building.join(NEW_SEGMENT).join(parts::BM25);
    let words = Bm25Index::open_one(&new, &blueprint.bm25).and_then(|new| new.pieces());
    let words = words.map_err(part("read", "BM25 part", &building))?;
    let affected = data.bm25.parts_affected_by(&words);
    let affected = affected.map_err(part("read", "BM25 part", data.dir()))?;
    let mut rebuilt = Vec::with_capacity(affected.len());
    for at in affected {
        let segment = &data.manifest().segments[at];
        let folder = format!("{}-{}", parts::BM25, workplace.generation());
        let dir = building.join(format!("{}-{folder}", segment.name));
        let seal = rebuild(data, at, &dir, words.clone(), progress)?;
        rebuilt.push((at, folder, seal));
    }
    Ok(rebuilt)
}

/// Writes the inverted index of one segment anew. Deleted documents keep their rows, empty.
fn rebuild(
    data: &IndexData,
    at: usize,
    dir: &Path,
    words: Vec<String>,
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
