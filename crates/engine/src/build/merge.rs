//! Several segments into one, without what is deleted.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use treffer_dense::DenseWriter;
use treffer_late::LateWriter;
use treffer_types::{DocId, PassageId, Progress};

use super::bm25_parts::Rebuilding;
use super::commit::{Move, NEW_SEGMENT, Workplace};
use super::documents::{DocumentWriter, Words, Written};
use super::policy::{Size, choose};
use super::renumbering::Renumbering;
use super::session::{Kind, Session};
use super::tokens;
use super::vectors::finish;
use super::writing::Writing;
use crate::check::error_chain;
use crate::data::IndexData;
use crate::error::{Error, part, stop_if_asked};
use crate::manifest::{Parts, Segment, parts, segment_name};

/// Documents between two reports of progress.
const REPORT_EVERY: u64 = 256;

/// What compacting did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactReport {
    /// Segments before.
    pub segments: usize,
    /// Deleted documents that took room before.
    pub deleted: u32,
    /// Passages before that late interaction could only have retrieved by scoring all.
    pub unlisted: usize,
    /// Documents in the index.
    pub documents: u32,
    /// Size before, in bytes.
    pub bytes_before: u64,
    /// Size now.
    pub bytes: u64,
    /// What failed after the commit, which stands.
    pub warnings: Vec<String>,
}

/// Makes one segment of all, without deleted documents. Needs no models: vectors are copied. Does
/// nothing if there is one segment already, nothing in it is deleted, and its token vectors, if it
/// has any, are listed by centroids, which an earlier version of this program did not do.
///
/// # Errors
/// If there is no index, another process is writing it, it is damaged, a file cannot be written,
/// or `progress` says to stop: the index is then as it was.
pub fn compact(dir: &Path, progress: &dyn Progress) -> Result<CompactReport, Error> {
    let (workplace, manifest) = Workplace::enter_index(dir)?;
    let (segments, deleted) = (manifest.segments.len(), manifest.n_deleted());
    let bytes_before = manifest.n_bytes();
    let writing = Writing::without_models(&manifest, progress);
    let mut session = Session::begin(workplace, manifest, writing, Kind::Change)?;
    let unlisted = session.data.unlisted()?;
    if segments > 1 || deleted > 0 || unlisted > 0 {
        merge(&mut session, 0..segments)?;
    }
    let (counts, _, manifest) = session.into_counts();
    Ok(CompactReport {
        segments,
        deleted,
        unlisted,
        documents: manifest.n_documents(),
        bytes_before,
        bytes: manifest.n_bytes(),
        warnings: counts.warnings,
    })
}

/// Merges segments of a session, which has committed everything, as long as the policy says so.
/// If that fails or is to stop, the documents are there all the same, so it is a warning.
///
/// This happens between two batches and not beside them: readers are not disturbed either way, and
/// encoding uses all cores already, so that a thread beside it would only slow it down.
///
/// # Errors
/// If a merge was committed and cannot be opened, because nothing can be added then.
pub(super) fn by_policy(session: &mut Session<'_>) -> Result<(), Error> {
    match merge_as_long_as_it_pays(session) {
        Ok(()) | Err(Error::Cancelled) => {}
        Err(error) if session.is_behind() => return Err(error),
        Err(error) => {
            let cause = error_chain(&error);
            let warning =
                format!("segments could not be merged, which is needed only for speed: {cause}");
            session.counts.warnings.push(warning);
        }
    }
    Ok(())
}

fn merge_as_long_as_it_pays(session: &mut Session<'_>) -> Result<(), Error> {
    loop {
        let segments = session.manifest.segments.iter();
        let sizes: Vec<Size> = segments
            .map(|segment| Size {
                live: segment.documents - segment.deleted,
                deleted: segment.deleted,
            })
            .collect();
        match choose(&sizes) {
            Some(range) => merge(session, range)?,
            None => return Ok(()),
        }
    }
}

/// Merges neighboring segments and commits that.
fn merge(session: &mut Session<'_>, range: Range<usize>) -> Result<(), Error> {
    let start = Instant::now();
    let others = (0..session.manifest.segments.len()).filter(|at| !range.contains(at));
    let others: Vec<usize> = others.collect();
    let merging = Merging {
        data: &session.data,
        range: range.clone(),
        others: others.clone(),
        dir: &session.workplace.begin()?.join(NEW_SEGMENT),
        progress: session.progress,
    };
    let renumbering = Renumbering::new(merging.numbers(), merging.docs());
    let name = segment_name(session.workplace.generation());
    let merged = merging.run(renumbering.left(), name)?;
    let mut manifest = session.manifest.clone();
    let rebuilding = Rebuilding {
        data: &session.data,
        workplace: &session.workplace,
        progress: session.progress,
    };
    let mut moves = rebuilding.run(&mut manifest, &others, merged.as_ref())?;
    moves.extend(merged.as_ref().map(|segment| Move {
        from: NEW_SEGMENT.to_owned(),
        to: vec![segment.name.clone()],
    }));
    let mut deleted = session.deleted.clone();
    deleted.splice(range.clone(), merged.iter().map(|_| None));
    manifest.segments.splice(range, merged);
    session.counts.clock.add("merge", start.elapsed());
    session.put_in_force(manifest, deleted, moves, Some(&renumbering))
}

struct Merging<'a> {
    data: &'a IndexData,
    range: Range<usize>,
    /// The other segments.
    others: Vec<usize>,
    /// Where the new segment is built.
    dir: &'a Path,
    progress: &'a dyn Progress,
}

impl Merging<'_> {
    /// Writes the segment of these documents; `None` if there are none, unless it is to keep words
    /// of a list for documents that may come.
    fn run(&self, docs: &[DocId], name: String) -> Result<Option<Segment>, Error> {
        if docs.is_empty() && !self.alone_has_listed_words()? {
            return Ok(None);
        }
        let Written {
            mut parts,
            documents,
            passages,
        } = self.documents(docs)?;
        let new: HashMap<DocId, DocId> = docs.iter().copied().zip((0..).map(DocId)).collect();
        let renumber = |old: PassageId| PassageId {
            // A document that is not there is refused, as all others come before it.
            doc: new.get(&old.doc).copied().unwrap_or(DocId(0)),
            ..old
        };
        self.vectors(&renumber, &mut parts)?;
        self.token_vectors(&renumber, &mut parts)?;
        Ok(Some(Segment {
            name,
            documents,
            passages: passages.passages,
            deleted: 0,
            deleted_passages: 0,
            parts,
        }))
    }

    /// Whether words of a list that compounds may be cut into are in none of the other segments.
    fn alone_has_listed_words(&self) -> Result<bool, Error> {
        let failed = || part("read", "BM25 part", self.data.dir());
        let own: Vec<usize> = self.range.clone().collect();
        let own = self.data.bm25_of(&own)?.listed_pieces();
        let own = own.map_err(failed())?;
        if own.is_empty() {
            return Ok(false);
        }
        let others = self.data.bm25_of(&self.others)?.listed_pieces();
        let others = others.map_err(failed())?;
        // They are sorted.
        Ok(own.iter().any(|word| others.binary_search(word).is_err()))
    }

    /// The numbers of all documents of these segments.
    fn numbers(&self) -> Range<u32> {
        let segments = &self.data.manifest().segments;
        let count = |segments: &[Segment]| segments.iter().map(|one| one.documents).sum::<u32>();
        let first = count(&segments[..self.range.start]);
        first..first + count(&segments[self.range.clone()])
    }

    /// The documents that are not deleted, in their order.
    fn docs(&self) -> Vec<DocId> {
        let docs = self.numbers().map(DocId);
        docs.filter(|doc| self.data.store.is_live(*doc)).collect()
    }

    fn documents(&self, docs: &[DocId]) -> Result<Written, Error> {
        let data = self.data;
        let blueprint = &data.manifest().blueprint;
        // Also words of the other segments, because compounds are cut alike in all.
        let known = data.bm25_of(&self.others)?.pieces();
        let own: Vec<usize> = self.range.clone().collect();
        let own = data.bm25_of(&own)?.listed_pieces();
        let failed = || part("read", "BM25 part", data.dir());
        let words = Words {
            own: own.map_err(failed())?,
            known: known.map_err(failed())?,
        };
        let mut writer = DocumentWriter::create(self.dir, blueprint, words, None)?;
        let failed = || part("read", "store", data.dir());
        let n = docs.len() as u64;
        self.progress
            .begin("merging segments", Some(n), "documents");
        for (doc, n) in docs.iter().zip(1_u64..) {
            let split = data.store.split_document(*doc);
            let (document, passages) = split.map_err(failed())?;
            let rows = data.bm25_rows(*doc)?;
            let languages = rows.map(|row| data.bm25.language_of(DocId(row)));
            let languages: Result<Vec<_>, _> = languages.collect();
            let languages = languages.map_err(part("read", "BM25 part", data.dir()))?;
            writer.add_stored(&document, passages, &languages)?;
            if n.is_multiple_of(REPORT_EVERY) {
                self.progress.advance(REPORT_EVERY);
                stop_if_asked(self.progress)?;
            }
        }
        self.progress.end();
        writer.finish()
    }

    /// Copies the vectors, if the index has any, and builds their graph.
    fn vectors(
        &self,
        renumber: &dyn Fn(PassageId) -> PassageId,
        parts: &mut Parts,
    ) -> Result<(), Error> {
        let Some(dense) = &self.data.manifest().blueprint.dense else {
            return Ok(());
        };
        let old = self.data.open_dense_of(self.range.clone())?;
        let Some(dimension) = old.dimension() else {
            return Err(Error::Damaged {
                path: self.data.dir().into(),
                what: "its vectors have no dimension".into(),
            });
        };
        let dir = self.dir.join(parts::DENSE);
        let failed = || part("write", "dense part", &dir);
        let writer = DenseWriter::create(&dir, dimension, &dense.graph, dense.storage);
        let mut writer = writer.map_err(failed())?;
        writer.copy_from(&old, renumber).map_err(failed())?;
        let seal = finish(writer, &dir, self.progress)?;
        parts.insert(parts::DENSE.to_owned(), seal);
        Ok(())
    }
    /// Copies the vectors of tokens, if the index has any.
    fn token_vectors(
        &self,
        renumber: &dyn Fn(PassageId) -> PassageId,
        parts: &mut Parts,
    ) -> Result<(), Error> {
        let Some(late) = &self.data.manifest().blueprint.late else {
            return Ok(());
        };
        let old = self.data.open_late_of(self.range.clone())?;
        let Some(width) = old.width() else {
            return Err(Error::Damaged {
                path: self.data.dir().into(),
                what: "its tokens have no width".into(),
            });
        };
        let dir = self.dir.join(parts::LATE);
        let failed = || part("write", "late part", &dir);
        let writer = LateWriter::create(&dir, width, &late.compression, old.learned());
        let mut writer = writer.map_err(failed())?;
        writer.copy_from(&old, renumber).map_err(failed())?;
        let seal = tokens::finish(writer, &dir, self.progress)?;
        parts.insert(parts::LATE.to_owned(), seal);
        Ok(())
    }
}
