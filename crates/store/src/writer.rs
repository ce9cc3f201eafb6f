//! Writes a store, one document at a time.

use std::path::{Path, PathBuf};

use treffer_disk::{SealRecord, create_dir_durably, is_sealed, seal};
use treffer_types::{DocId, Document, Passage};

use crate::blocks::BlockWriter;
use crate::error::Error;
use crate::ids::IdWriter;
use crate::passages::PassageCounter;

/// Writes a store. Nothing can be opened until [`finish`](Self::finish) has returned.
///
/// Memory grows by less than 60 bytes per document and 24 per block of 32 KiB, independent of
/// their content, and by 16 more per document while finishing. The largest document is held in
/// memory several times.
pub struct StoreWriter {
    dir: PathBuf,
    blocks: BlockWriter,
    ids: IdWriter,
    passages: PassageCounter,
    /// They may disagree after an error while writing.
    broken: bool,
}

impl StoreWriter {
    /// Begins a store in `dir`, which is created if it is not there.
    ///
    /// # Errors
    /// If `dir` holds a store already, or if it cannot be written to.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        create_dir_durably(dir)?;
        if is_sealed(dir)? {
            return Err(Error::Exists {
                path: dir.to_owned(),
            });
        }
        Ok(StoreWriter {
            dir: dir.to_owned(),
            blocks: BlockWriter::create(dir)?,
            ids: IdWriter::create(dir)?,
            passages: PassageCounter::create(dir)?,
            broken: false,
        })
    }

    /// Adds a document that is one passage, and returns its number: 0, 1, 2, ... in order of
    /// arrival.
    ///
    /// # Errors
    /// [`Error::DuplicateId`], [`Error::TooLarge`] or [`Error::TooDeep`]: nothing was
    /// written and the next document can be added. [`Error::Io`]: the writer can no longer be
    /// used.
    pub fn add(&mut self, document: &Document) -> Result<DocId, Error> {
        self.add_split(document, &[])
    }

    /// As [`add`](Self::add), with the passages of the document in their order; none if it is
    /// one.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    ///
    /// # Panics
    /// If a passage does not lie within the document's text.
    pub fn add_split(&mut self, document: &Document, passages: &[Passage]) -> Result<DocId, Error> {
        self.check_whole()?;
        let n_passages = passages.len().max(1);
        if self.ids.len() == u32::MAX || !self.passages.has_room_for(n_passages) {
            return Err(Error::Full);
        }
        let is_within = |passage: &Passage| passage.piece(&document.text).is_some();
        assert!(passages.iter().all(is_within), "a passage beyond its text");
        let json = BlockWriter::encode(document, passages)?;
        if let Some(first) = self.ids.find(&document.id)? {
            return Err(Error::DuplicateId {
                id: document.id.clone(),
                first,
            });
        }
        self.broken = true;
        self.blocks.push(&json)?;
        self.passages.push(n_passages)?;
        let doc = self.ids.push(&document.id)?;
        self.broken = false;
        Ok(doc)
    }

    /// Completes the store and seals it: when this returns without error, everything is on
    /// disk.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be written, [`Error::Broken`] after an earlier
    /// such error. The directory then holds no store.
    pub fn finish(self) -> Result<SealRecord, Error> {
        self.check_whole()?;
        self.passages.finish()?;
        self.ids.finish(&self.dir)?;
        self.blocks.finish(&self.dir)?;
        Ok(seal(&self.dir)?)
    }

    fn check_whole(&self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken {
                path: self.dir.clone(),
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for StoreWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreWriter")
            .field("dir", &self.dir)
            .field("len", &self.ids.len())
            .finish_non_exhaustive()
    }
}
