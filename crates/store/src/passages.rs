//! How the passages of all documents are numbered: `passages.table`.
//!
//! The file is a prologue, then a u32 for each document and one more: the number of passages of
//! all documents before it. So the passages of an index have numbers of their own, in the order
//! of the documents, and a document is found by the number of a passage.

use std::path::Path;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, partition_point};
use treffer_types::{DocId, PassageId};

use crate::error::{Error, damaged};
use crate::format::{PASSAGES, PASSAGES_PROLOGUE};

/// Writes the table, document by document.
pub(crate) struct PassageCounter {
    out: FileWriter,
    before: u32,
}

impl PassageCounter {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        let mut out = FileWriter::create(&dir.join(PASSAGES))?;
        out.push(&PASSAGES_PROLOGUE.to_bytes())?;
        Ok(PassageCounter { out, before: 0 })
    }

    /// Whether so many more passages can be counted.
    pub(crate) fn has_room_for(&self, passages: usize) -> bool {
        u32::try_from(passages).is_ok_and(|more| self.before.checked_add(more).is_some())
    }

    /// Adds a document of so many passages, for which there is room.
    pub(crate) fn push(&mut self, passages: usize) -> Result<(), Error> {
        self.out.push(&self.before.to_le_bytes())?;
        self.before += passages as u32;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.out.push(&self.before.to_le_bytes())?;
        Ok(self.out.finish()?)
    }
}

/// The table of a store.
pub(crate) struct PassageTable {
    /// For each document, and one more.
    before: Numbers<u32>,
}

impl PassageTable {
    pub(crate) fn open(sealed: &Sealed, n_docs: u32) -> Result<Self, Error> {
        let file = sealed.file(PASSAGES)?;
        PASSAGES_PROLOGUE.check_file(&file)?;
        let words = n_docs as usize + 1;
        if file.len() != Prologue::BYTES + 4 * words {
            let reason = format!("it has {} bytes for {n_docs} documents", file.len());
            return Err(damaged(file.path(), reason));
        }
        Ok(PassageTable {
            before: Numbers::new(file, Prologue::BYTES, words)?,
        })
    }

    fn n_docs(&self) -> usize {
        self.before.len() - 1
    }

    /// How many passages there are.
    pub(crate) fn len(&self) -> Result<u32, Error> {
        Ok(self.before.get(self.n_docs())?)
    }

    /// The number of a document's first passage, and how many it has.
    pub(crate) fn of(&self, doc: DocId) -> Result<(u32, u32), Error> {
        let at = doc.0 as usize;
        let (first, next) = (self.before.get(at)?, self.before.get(at + 1)?);
        match next.checked_sub(first) {
            Some(n) if n > 0 => Ok((first, n)),
            _ => {
                let reason = format!("document {at} has no passages");
                Err(damaged(self.before.file().path(), reason))
            }
        }
    }

    /// The passage of this number.
    pub(crate) fn passage(&self, number: u32) -> Result<PassageId, Error> {
        let after = partition_point(self.before.len(), |at| {
            Ok::<_, Error>(self.before.get(at)? <= number)
        })?;
        let unknown = || {
            let reason = format!("it has no passage {number}");
            damaged(self.before.file().path(), reason)
        };
        let at = after.checked_sub(1).ok_or_else(unknown)?;
        if at >= self.n_docs() {
            return Err(unknown());
        }
        Ok(PassageId {
            doc: DocId(at as u32),
            passage: number - self.before.get(at)?,
        })
    }
}
