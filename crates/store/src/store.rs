//! Reads a store.

use std::path::Path;

use treffer_disk::{SealRecord, Sealed};
use treffer_types::{DocId, Document};

use crate::blocks::BlockReader;
use crate::error::Error;
use crate::ids::Ids;

/// An open store. Any number of threads may read from it at once.
pub struct Store {
    sealed: Sealed,
    blocks: BlockReader,
    ids: Ids,
}

impl Store {
    /// Opens the store in `dir`: maps its files and checks their lengths and first blocks.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete store, [`Error::Damaged`] with the file
    /// at fault if one has another length or begins otherwise than it was written,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot
    /// be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let sealed = Sealed::open(dir)?;
        let blocks = BlockReader::open(&sealed)?;
        let ids = Ids::open(&sealed, blocks.n_docs())?;
        Ok(Store {
            sealed,
            blocks,
            ids,
        })
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.blocks.n_docs() as usize
    }

    /// Whether there are no documents at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A document: its block is verified when it is first touched, and unpacked.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document, [`Error::Damaged`] if what is
    /// touched is not as it was written.
    pub fn document(&self, doc: DocId) -> Result<Document, Error> {
        self.blocks.document(doc)
    }

    /// The external id of a document.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn id(&self, doc: DocId) -> Result<&str, Error> {
        if doc.0 >= self.blocks.n_docs() {
            return Err(Error::UnknownDoc {
                doc,
                len: self.len(),
            });
        }
        self.ids.get(doc)
    }

    /// The document with an external id: a binary search, then a comparison.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        self.ids.find(id)
    }

    /// What [`StoreWriter::finish`](crate::StoreWriter::finish) returned for this store.
    pub fn record(&self) -> SealRecord {
        self.sealed.record()
    }

    /// Reads every file completely and reports everything that is not as it was written:
    /// the file and what is wrong with it.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        self.sealed
            .verify(&mut |path, problem| report(path, problem.to_string()));
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
