//! Reads the folder of one part of a store, whose documents are numbered from 0.

use std::ops::Range;
use std::path::Path;

use treffer_disk::{SealRecord, Sealed};
use treffer_types::{DocId, Document, Passage, PassageId};

use crate::blocks::BlockReader;
use crate::error::Error;
use crate::ids::Ids;
use crate::passages::PassageTable;

/// An open folder.
pub(crate) struct Folder {
    sealed: Sealed,
    blocks: BlockReader,
    ids: Ids,
    passages: PassageTable,
}

impl Folder {
    /// Opens the store in `dir`: maps its files and checks their lengths and first blocks.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete store, [`Error::Damaged`] with the file
    /// at fault if one has another length or begins otherwise than it was written,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot
    /// be read.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let sealed = Sealed::open(dir)?;
        let blocks = BlockReader::open(&sealed)?;
        let ids = Ids::open(&sealed, blocks.n_docs())?;
        let passages = PassageTable::open(&sealed, blocks.n_docs())?;
        Ok(Folder {
            sealed,
            blocks,
            ids,
            passages,
        })
    }

    /// Number of documents.
    pub(crate) fn len(&self) -> usize {
        self.blocks.n_docs() as usize
    }

    /// A document and its passages, of which there is at least one. Each lies within its text.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document, [`Error::Damaged`] if what is
    /// touched is not as it was written.
    pub(crate) fn split_document(&self, doc: DocId) -> Result<(Document, Vec<Passage>), Error> {
        self.blocks.document(doc)
    }

    /// Number of passages of all documents.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub(crate) fn n_passages(&self) -> Result<u32, Error> {
        self.passages.len()
    }

    /// The passages of a document, by their numbers among the passages of all documents.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document, [`Error::Damaged`] if what is
    /// touched is not as it was written.
    pub(crate) fn passages_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        self.check_known(doc)?;
        let (first, n) = self.passages.of(doc)?;
        Ok(first..first + n)
    }

    /// The passage of this number, counted from 0 over all documents.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is none, or if what is touched is not as it was written.
    pub(crate) fn passage(&self, number: u32) -> Result<PassageId, Error> {
        self.passages.passage(number)
    }

    /// The external id of a document.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document, [`Error::Damaged`] if what is
    /// touched is not as it was written.
    pub(crate) fn id(&self, doc: DocId) -> Result<&str, Error> {
        self.check_known(doc)?;
        self.ids.get(doc)
    }

    /// The document with an external id: a binary search, then a comparison.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub(crate) fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        self.ids.find(id)
    }

    fn check_known(&self, doc: DocId) -> Result<(), Error> {
        if doc.0 < self.blocks.n_docs() {
            return Ok(());
        }
        Err(Error::UnknownDoc {
            doc,
            len: self.len(),
        })
    }

    /// What [`StoreWriter::finish`](crate::StoreWriter::finish) returned for this store.
    pub(crate) fn record(&self) -> SealRecord {
        self.sealed.record()
    }

    /// Reads every file completely and reports everything that is not as it was written:
    /// the file and what is wrong with it.
    pub(crate) fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        self.sealed
            .verify(&mut |path, problem| report(path, problem.to_string()));
    }
}
