//! The parts of one generation of an index, opened: what readers and writers share.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_bm25::{Bm25Config, Bm25Index, Bm25Part};
use treffer_columns::{Columns, FieldSchema};
use treffer_dense::{DenseIndex, DensePart};
use treffer_late::{LateIndex, LatePart};
use treffer_store::{Store, StorePart};
use treffer_types::DocId;

use crate::deleted::{self, Deleted};
use crate::error::{Error, part};
use crate::manifest::{MANIFEST, Manifest, Segment, parts};
use crate::passages::Unit;

/// Documents and inverted index of one generation.
pub struct IndexData {
    dir: PathBuf,
    manifest: Manifest,
    deleted: Deleted,
    /// Documents with their text and metadata.
    pub store: Arc<Store>,
    /// The inverted index.
    pub bm25: Arc<Bm25Index>,
    /// The fields of the documents of each segment; none if the index has no fields.
    pub columns: Arc<Vec<Columns>>,
}

impl IndexData {
    /// Opens the index in `dir`, whose manifest is given: checks the seals of all parts.
    /// Contents are verified later, when they are touched.
    ///
    /// # Errors
    /// If a part is missing, damaged, or not the one that was committed.
    pub(crate) fn open(
        dir: &Path,
        manifest: &Manifest,
        bm25_config: &Bm25Config,
    ) -> Result<Self, Error> {
        for segment in &manifest.segments {
            segment.check_seals(dir)?;
        }
        let deleted = deleted::read(dir, manifest)?;

        let folders = folders(dir, manifest, parts::STORE)?;
        let store_parts: Vec<StorePart<'_>> = folders
            .iter()
            .zip(&deleted)
            .map(|(dir, deleted)| StorePart {
                dir,
                deleted: deleted.clone(),
            })
            .collect();
        let store = Store::open(&store_parts).map_err(part("open", "store", dir))?;
        check_counts(dir, manifest, &store)?;

        let unit = manifest.blueprint.bm25_unit();
        let deleted_rows = match unit {
            Unit::Document => deleted.clone(),
            Unit::Passage => {
                let deleted = store.deleted_passages();
                deleted.map_err(part("read", "store", dir))?
            }
        };
        let bm25 = open_bm25(dir, manifest, bm25_config, deleted_rows)?;
        Ok(IndexData {
            dir: dir.into(),
            manifest: manifest.clone(),
            deleted,
            store: Arc::new(store),
            bm25: Arc::new(bm25),
            columns: Arc::new(open_columns(dir, manifest)?),
        })
    }

    /// Opens the vectors.
    ///
    /// # Errors
    /// If the index has none, or they are damaged.
    pub(crate) fn open_dense(&self) -> Result<DenseIndex, Error> {
        self.open_dense_of(0..self.manifest.segments.len())
    }

    /// Opens the vectors of some segments.
    ///
    /// # Errors
    /// As [`open_dense`](Self::open_dense).
    pub(crate) fn open_dense_of(&self, range: Range<usize>) -> Result<DenseIndex, Error> {
        let folders = folders(&self.dir, &self.manifest, parts::DENSE)?;
        let parts = self.numbered(&folders);
        let parts: Vec<DensePart<'_>> = parts
            .map(|(dir, first_doc, deleted)| DensePart {
                dir,
                first_doc,
                deleted,
            })
            .collect();
        DenseIndex::open(&parts[range]).map_err(part("open", "dense part", &self.dir))
    }

    /// Opens the token vectors.
    ///
    /// # Errors
    /// If the index has none, or they are damaged.
    pub(crate) fn open_late(&self) -> Result<LateIndex, Error> {
        self.open_late_of(0..self.manifest.segments.len())
    }

    /// Number of passages whose token vectors are not listed by centroids although there are many;
    /// 0 without token vectors.
    ///
    /// # Errors
    /// If they are damaged.
    pub(crate) fn unlisted(&self) -> Result<usize, Error> {
        match self.manifest.blueprint.late {
            None => Ok(0),
            Some(_) => Ok(self.open_late()?.unlisted()),
        }
    }

    /// Opens the token vectors of some segments.
    ///
    /// # Errors
    /// As [`open_late`](Self::open_late).
    pub(crate) fn open_late_of(&self, range: Range<usize>) -> Result<LateIndex, Error> {
        let folders = folders(&self.dir, &self.manifest, parts::LATE)?;
        let parts = self.numbered(&folders);
        let parts: Vec<LatePart<'_>> = parts
            .map(|(dir, first_doc, deleted)| LatePart {
                dir,
                first_doc,
                deleted,
            })
            .collect();
        LateIndex::open(&parts[range]).map_err(part("open", "late part", &self.dir))
    }

    /// The folder of each segment with the number of its first document, and which are deleted.
    fn numbered<'a>(
        &'a self,
        folders: &'a [PathBuf],
    ) -> impl Iterator<Item = (&'a Path, u32, Option<Arc<FixedBitSet>>)> {
        let mut next = 0;
        let segments = folders.iter().zip(&self.deleted);
        let segments = segments.zip(&self.manifest.segments);
        segments.map(move |((dir, deleted), segment)| {
            let first_doc = next;
            next += segment.documents;
            (dir.as_path(), first_doc, deleted.clone())
        })
    }

    /// The numbers under which BM25 has a document: its own, or those of its passages.
    pub(crate) fn bm25_rows(&self, doc: DocId) -> Result<Range<u32>, Error> {
        match self.manifest.blueprint.bm25_unit() {
            // A damaged index can name any number.
            Unit::Document => Ok(doc.0..doc.0.saturating_add(1)),
            Unit::Passage => {
                let passages = self.store.passages_of(doc);
                passages.map_err(part("read", "store", &self.dir))
            }
        }
    }

    /// The inverted index of some segments, as if nothing were deleted in them.
    ///
    /// # Errors
    /// If they are damaged.
    pub(crate) fn bm25_of(&self, segments: &[usize]) -> Result<Bm25Index, Error> {
        let folders = self.bm25_folders(segments)?;
        let parts = folders.iter().map(|(folder, rows)| ((folder, *rows), None));
        open_bm25_parts(parts, &self.manifest.blueprint.bm25)
    }

    /// The folders of the inverted indexes of some segments, each with the number of its rows.
    ///
    /// # Errors
    /// If a segment has none.
    pub(crate) fn bm25_folders(&self, segments: &[usize]) -> Result<Vec<(PathBuf, u32)>, Error> {
        let unit = self.manifest.blueprint.bm25_unit();
        let segments = segments.iter().map(|at| &self.manifest.segments[*at]);
        let folder = |segment: &Segment| {
            let folder = segment.folder(&self.dir, parts::BM25)?;
            Ok((folder, rows(segment, unit)))
        };
        segments.map(folder).collect()
    }

    /// The folder of the index.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The deleted documents of each segment, by their numbers within it; `None` where none are.
    pub fn deleted(&self) -> &[Option<Arc<FixedBitSet>>] {
        &self.deleted
    }
}

/// The folders of one part, of every segment.
fn folders(dir: &Path, manifest: &Manifest, part: &str) -> Result<Vec<PathBuf>, Error> {
    let segments = manifest.segments.iter();
    segments.map(|segment| segment.folder(dir, part)).collect()
}

/// The fields of the documents of each segment, if the index has fields.
pub(crate) fn open_columns(dir: &Path, manifest: &Manifest) -> Result<Vec<Columns>, Error> {
    let fields = &manifest.blueprint.fields;
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let open = |segment: &Segment| {
        let folder = segment.folder(dir, parts::COLUMNS)?;
        let columns = Columns::open(&folder).map_err(part("open", "columns", dir))?;
        let (found, expected) = (columns.len(), segment.documents as usize);
        if found != expected || columns.schema() != fields {
            let what = format!(
                "it has the fields {} of {found} documents, the manifest says {} of {expected}",
                names_of(columns.schema()),
                names_of(fields)
            );
            return Err(Error::Damaged { path: folder, what });
        }
        Ok(columns)
    };
    manifest.segments.iter().map(open).collect()
}

fn names_of(fields: &FieldSchema) -> String {
    let names: Vec<String> = fields
        .iter()
        .map(|(name, ty)| format!("{name} ({ty})"))
        .collect();
    names.join(", ")
}

fn open_bm25(
    dir: &Path,
    manifest: &Manifest,
    config: &Bm25Config,
    deleted: Deleted,
) -> Result<Bm25Index, Error> {
    let unit = manifest.blueprint.bm25_unit();
    let folders = folders(dir, manifest, parts::BM25)?;
    let counts = manifest.segments.iter().map(|segment| rows(segment, unit));
    open_bm25_parts(folders.iter().zip(counts).zip(deleted), config)
}

/// Opens an inverted index of these folders, each with the number of its rows and those of them
/// that are deleted.
pub(crate) fn open_bm25_parts<'a>(
    folders: impl Iterator<Item = ((&'a PathBuf, u32), Option<Arc<FixedBitSet>>)>,
    config: &Bm25Config,
) -> Result<Bm25Index, Error> {
    let mut first = 0;
    let mut bm25_parts = Vec::new();
    for ((dir, rows), deleted) in folders {
        bm25_parts.push(Bm25Part {
            dir,
            first,
            deleted,
        });
        first += rows;
    }
    let place = bm25_parts.first().map_or(Path::new(""), |part| part.dir);
    Bm25Index::open(&bm25_parts, config).map_err(part("open", "BM25 part", place))
}

/// How many rows the inverted index of a segment has.
pub(crate) fn rows(segment: &Segment, unit: Unit) -> u32 {
    match unit {
        Unit::Document => segment.documents,
        Unit::Passage => segment.passages,
    }
}

/// Numbers of documents and passages go by the manifest in some places, by the store in others.
fn check_counts(dir: &Path, manifest: &Manifest, store: &Store) -> Result<(), Error> {
    let documents: u32 = manifest.segments.iter().map(|one| one.documents).sum();
    let passages: u32 = manifest.segments.iter().map(|one| one.passages).sum();
    let found = (store.len(), store.n_passages());
    if found == (documents as usize, passages) {
        return Ok(());
    }
    Err(Error::Damaged {
        path: dir.join(MANIFEST),
        what: format!(
            "it says {documents} documents of {passages} passages, the store has {} of {}",
            found.0, found.1
        ),
    })
}
