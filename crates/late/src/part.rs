//! One folder of an index: its token vectors and passages, and which documents of it are deleted.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_disk::Sealed;
use treffer_types::{DocId, PassageId};

use crate::codebook::{CODEBOOK, Codebook};
use crate::config::Storage;
use crate::error::{Error, damaged};
use crate::learned::Learned;
use crate::lists::Lists;
use crate::mapped::MappedTokens;
use crate::passages::Passages;
use crate::projection::{PROJECTION, Projection};
use crate::tokens::Stored;

/// A folder that [`LateWriter`](crate::LateWriter) wrote, as a part of an index.
#[derive(Clone, Debug)]
pub struct LatePart<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// The number in the index of the part's document 0.
    pub first_doc: u32,
    /// The documents that were deleted since the part was written, by their numbers in the
    /// part; a set of any length.
    pub deleted: Option<Arc<FixedBitSet>>,
}

/// An open part.
pub(crate) struct Part {
    pub(crate) sealed: Sealed,
    pub(crate) tokens: MappedTokens,
    pub(crate) passages: Passages,
    pub(crate) learned: Learned,
    /// Which passages are near to which centroids, if that was written down.
    pub(crate) lists: Option<Lists>,
    first_doc: u32,
    deleted: Option<Arc<FixedBitSet>>,
    /// Rows of documents that are not deleted.
    live: usize,
}

impl Part {
    pub(crate) fn open(part: &LatePart<'_>) -> Result<Self, Error> {
        let mut opened = Part::without_lists(part)?;
        let tokens = &opened.tokens;
        // Of residuals, they are of the centroids that these are restored from.
        let codebook = opened.learned.codebook.as_ref();
        let codebook = codebook.filter(|_| tokens.storage().residual_bits().is_some());
        let (width, rows) = (tokens.width(), opened.passages.len());
        opened.lists = Lists::open(&opened.sealed, codebook, width, rows)?;
        Ok(opened)
    }

    /// Opens everything but the lists, which may be damaged.
    pub(crate) fn without_lists(part: &LatePart<'_>) -> Result<Self, Error> {
        let sealed = Sealed::open(part.dir)?;
        let mut codebook = None;
        if sealed.contains(CODEBOOK) {
            codebook = Some(Arc::new(Codebook::read(&sealed)?));
        }
        let tokens = MappedTokens::open(&sealed, codebook.as_ref())?;
        let passages = Passages::open(&sealed, tokens.len())?;
        let mut projection = None;
        if sealed.contains(PROJECTION) {
            let read = Projection::read(&sealed)?;
            if read.to() != tokens.width() {
                let reason = format!(
                    "it makes {} values, but tokens have {}",
                    read.to(),
                    tokens.width()
                );
                return Err(damaged(&sealed.dir().join(PROJECTION), reason));
            }
            projection = Some(Arc::new(read));
        }
        if passages.docs() + u64::from(part.first_doc) > 1 << 32 {
            let reason = format!(
                "its {} documents cannot be numbered from {} on",
                passages.docs(),
                part.first_doc
            );
            return Err(damaged(passages.path(), reason));
        }
        let mut live = passages.len();
        if let Some(docs) = &part.deleted {
            for doc in docs.ones() {
                if doc as u64 >= passages.docs() {
                    break;
                }
                live -= passages.rows_of(DocId(doc as u32))?.len().min(live);
            }
        }
        Ok(Part {
            sealed,
            tokens,
            live,
            passages,
            learned: Learned {
                projection,
                codebook,
            },
            lists: None,
            first_doc: part.first_doc,
            deleted: part.deleted.clone(),
        })
    }

    /// Rows of documents that are not deleted.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Values of each token of a query.
    pub(crate) fn query_width(&self) -> usize {
        let projection = self.learned.projection.as_ref();
        projection.map_or(self.tokens.width(), |projection| projection.from())
    }

    /// What differs from vectors that are kept in this way, if anything.
    pub(crate) fn difference(
        &self,
        width: usize,
        storage: Storage,
        learned: &Learned,
    ) -> Option<String> {
        if self.tokens.width() != width {
            let found = self.tokens.width();
            return Some(format!("{found} values of each token, and {width}"));
        }
        if self.tokens.storage() != storage {
            let found = self.tokens.storage();
            return Some(format!("values as {found:?}, and as {storage:?}").to_lowercase());
        }
        if self.learned.projection != learned.projection {
            return Some("by another projection".to_owned());
        }
        (self.learned.codebook != learned.codebook).then(|| "by other centroids".to_owned())
    }

    /// The global numbers of its documents, up to the last that has a vector.
    pub(crate) fn docs(&self) -> Range<u64> {
        let first = u64::from(self.first_doc);
        first..first + self.passages.docs()
    }

    fn is_live(&self, local: DocId) -> bool {
        let deleted = self.deleted.as_ref();
        deleted.is_none_or(|deleted| !deleted.contains(local.0 as usize))
    }

    /// The rows of a document, by its global number, which is one of the part's; none if it
    /// is deleted.
    pub(crate) fn rows_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let local = DocId(doc.0 - self.first_doc);
        if !self.is_live(local) {
            return Ok(0..0);
        }
        self.passages.rows_of(local)
    }

    /// The passage of a row, by its global number, its token vectors, and their number.
    pub(crate) fn stored(&self, row: u32) -> Result<(PassageId, Stored<'_>, usize), Error> {
        let (local, tokens) = self.passages.get(row)?;
        let passage = PassageId {
            // Below 2^32 for every document up to the last; an earlier one is only greater
            // in a file that makes no sense.
            doc: DocId(self.first_doc.wrapping_add(local.doc.0)),
            ..local
        };
        let n = tokens.len();
        Ok((passage, self.tokens.get(tokens)?, n))
    }

    /// Every row of the documents that are not deleted, and are allowed by their global numbers,
    /// ascending.
    pub(crate) fn for_each_live(
        &self,
        allowed: Option<&FixedBitSet>,
        visit: &mut dyn FnMut(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for row in 0..self.passages.len() as u32 {
            let (PassageId { doc, .. }, _) = self.passages.row(row)?;
            let global = self.first_doc as usize + doc.0 as usize;
            if self.is_live(doc) && allowed.is_none_or(|allowed| allowed.contains(global)) {
                visit(row)?;
            }
        }
        Ok(())
    }

    /// The same rows, all at once.
    pub(crate) fn live_rows(&self, allowed: Option<&FixedBitSet>) -> Result<Vec<u32>, Error> {
        if allowed.is_none() && self.deleted.is_none() {
            return Ok((0..self.passages.len() as u32).collect());
        }
        let mut rows = Vec::new();
        self.for_each_live(allowed, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }
}
