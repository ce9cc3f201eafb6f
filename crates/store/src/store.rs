//! Reads a store.

use std::path::Path;

use treffer_types::{DocId, Document};

use crate::blocks::{BLOCKS, BlockReader};
use crate::error::{Error, damaged};
use crate::ids::Ids;

/// An open store. Any number of threads may read from it at once.
pub struct Store {
    blocks: BlockReader,
    ids: Ids,
}

impl Store {
    /// Opens the store in `dir`: reads its tables, not its documents.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete store, [`Error::Damaged`] with the file
    /// at fault if a table is not as it was written or a file has another length,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot
    /// be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let blocks = BlockReader::open(dir)?;
        let ids = Ids::open(dir)?;
        if blocks.n_docs() as usize != ids.len() {
            return Err(damaged(
                &dir.join(BLOCKS.name),
                format!(
                    "it has {} documents, ids.table {}",
                    blocks.n_docs(),
                    ids.len()
                ),
            ));
        }
        Ok(Store { blocks, ids })
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no documents at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A document, read from disk: one block is unpacked and checked.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document, [`Error::Damaged`] if its block
    /// is not as it was written, [`Error::Io`] if it cannot be read.
    pub fn document(&self, doc: DocId) -> Result<Document, Error> {
        self.blocks.document(doc)
    }

    /// The external id of a document, from memory.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document.
    pub fn id(&self, doc: DocId) -> Result<&str, Error> {
        self.ids.get(doc).ok_or(Error::UnknownDoc {
            doc,
            len: self.len(),
        })
    }

    /// The document with an external id, from memory: a binary search, then a comparison.
    ///
    /// # Errors
    /// None so far; a store that keeps its ids on disk would have some.
    pub fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        Ok(self.ids.find(id))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
