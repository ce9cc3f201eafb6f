//! Reads a store: the documents of one folder after those of another.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_disk::SealRecord;
use treffer_types::{DocId, Document, Passage, PassageId};

use crate::error::Error;
use crate::folder::Folder;

/// A folder that is part of a store.
#[derive(Clone, Debug)]
pub struct StorePart<'a> {
    /// The folder, which a [`StoreWriter`](crate::StoreWriter) wrote.
    pub dir: &'a Path,
    /// Its documents that are deleted, by their numbers in the folder; `None` if there are
    /// none.
    pub deleted: Option<Arc<FixedBitSet>>,
}

/// An open store. Any number of threads may read from it at once.
///
/// Documents and passages are numbered through all parts, in their order, deleted ones
/// included; a deleted document is none that the store knows.
pub struct Store {
    parts: Vec<Part>,
    n_docs: u32,
    n_live: u32,
    n_passages: u32,
}

struct Part {
    first_doc: u32,
    first_passage: u32,
    deleted: Option<Arc<FixedBitSet>>,
    folder: Folder,
}

impl Part {
    fn is_live(&self, local: DocId) -> bool {
        let deleted = self.deleted.as_ref();
        !deleted.is_some_and(|deleted| deleted.contains(local.0 as usize))
    }
}

impl Store {
    /// Opens every part: maps its files and checks their lengths and first blocks.
    ///
    /// # Errors
    /// [`Error::Missing`] if a folder holds no complete store, [`Error::Damaged`] with the file
    /// at fault if one has another length or begins otherwise than it was written,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot
    /// be read, [`Error::Full`] if there are more documents than numbers.
    pub fn open(parts: &[StorePart<'_>]) -> Result<Self, Error> {
        let mut store = Store {
            parts: Vec::with_capacity(parts.len()),
            n_docs: 0,
            n_live: 0,
            n_passages: 0,
        };
        for StorePart { dir, deleted } in parts {
            let folder = Folder::open(dir)?;
            let n_docs = folder.len() as u32;
            let deleted = deleted.clone().filter(|deleted| !deleted.is_clear());
            let n_deleted = deleted.as_ref().map_or(0, |set| {
                set.ones().take_while(|doc| *doc < n_docs as usize).count()
            });
            let n_passages = folder.n_passages()?;
            store.parts.push(Part {
                first_doc: store.n_docs,
                first_passage: store.n_passages,
                deleted,
                folder,
            });
            let more = |before: u32, n: u32| before.checked_add(n).ok_or(Error::Full);
            store.n_docs = more(store.n_docs, n_docs)?;
            store.n_passages = more(store.n_passages, n_passages)?;
            store.n_live += n_docs - n_deleted as u32;
        }
        Ok(store)
    }

    /// Opens the store of a single folder without deleted documents.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_folder(dir: &Path) -> Result<Self, Error> {
        Store::open(&[StorePart { dir, deleted: None }])
    }

    /// How many numbers of documents there are, those of deleted documents included.
    pub fn len(&self) -> usize {
        self.n_docs as usize
    }

    /// Whether there are no documents at all, not even deleted ones.
    pub fn is_empty(&self) -> bool {
        self.n_docs == 0
    }

    /// Number of documents that are not deleted.
    pub fn n_live(&self) -> usize {
        self.n_live as usize
    }

    /// The documents that are not deleted, ascending.
    pub fn live_docs(&self) -> impl Iterator<Item = DocId> {
        self.parts.iter().flat_map(|part| {
            let local = (0..part.folder.len() as u32).map(DocId);
            let live = local.filter(|local| part.is_live(*local));
            live.map(|local| DocId(part.first_doc + local.0))
        })
    }

    /// Whether there is such a document and it is not deleted.
    pub fn is_live(&self, doc: DocId) -> bool {
        self.part_of(doc).is_ok()
    }

    /// A document: its block is verified when it is first touched, and unpacked.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] if there is no such document or it is deleted, [`Error::Damaged`]
    /// if what is touched is not as it was written.
    pub fn document(&self, doc: DocId) -> Result<Document, Error> {
        let (document, _) = self.split_document(doc)?;
        Ok(document)
    }

    /// A document and its passages, of which there is at least one. Each lies within its text.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn split_document(&self, doc: DocId) -> Result<(Document, Vec<Passage>), Error> {
        let (part, local) = self.part_of(doc)?;
        part.folder.split_document(local)
    }

    /// Number of passages of all documents, those of deleted documents included.
    pub fn n_passages(&self) -> u32 {
        self.n_passages
    }

    /// The passages of a document, by their numbers among the passages of all documents.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn passages_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let (part, local) = self.part_of(doc)?;
        let Range { start, end } = part.folder.passages_of(local)?;
        // A damaged table can name any number.
        let of_all = |number: u32| part.first_passage.saturating_add(number);
        Ok(of_all(start)..of_all(end))
    }

    /// The passage of this number, counted from 0 over all documents, deleted or not.
    ///
    /// # Errors
    /// [`Error::UnknownPassage`] if there is none; [`Error::Damaged`] if what is touched is not
    /// as it was written.
    pub fn passage(&self, number: u32) -> Result<PassageId, Error> {
        let after = (self.parts).partition_point(|part| part.first_passage <= number);
        let part = after.checked_sub(1).map(|index| &self.parts[index]);
        let part = part.filter(|_| number < self.n_passages);
        let Some(part) = part else {
            return Err(Error::UnknownPassage {
                number,
                len: self.n_passages,
            });
        };
        let PassageId { doc, passage } = part.folder.passage(number - part.first_passage)?;
        Ok(PassageId {
            doc: DocId(part.first_doc + doc.0),
            passage,
        })
    }

    /// For each part, the passages of deleted documents by their numbers in the part; `None` if
    /// none are deleted.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub fn deleted_passages(&self) -> Result<Vec<Option<Arc<FixedBitSet>>>, Error> {
        let of_part = |part: &Part| {
            let Some(deleted) = &part.deleted else {
                return Ok(None);
            };
            let n_passages = part.folder.n_passages()? as usize;
            if n_passages == part.folder.len() {
                return Ok(Some(Arc::clone(deleted)));
            }
            let mut passages = FixedBitSet::with_capacity(n_passages);
            for doc in deleted.ones().take_while(|doc| *doc < part.folder.len()) {
                let Range { start, end } = part.folder.passages_of(DocId(doc as u32))?;
                passages.insert_range(start as usize..(end as usize).min(n_passages));
            }
            Ok(Some(Arc::new(passages)))
        };
        self.parts.iter().map(of_part).collect()
    }

    /// The external id of a document.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn id(&self, doc: DocId) -> Result<&str, Error> {
        let (part, local) = self.part_of(doc)?;
        part.folder.id(local)
    }

    /// The document with an external id that is not deleted: a binary search in each part, then
    /// a comparison.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        for part in self.parts.iter().rev() {
            let found = part.folder.find(id)?;
            if let Some(local) = found.filter(|local| part.is_live(*local)) {
                return Ok(Some(DocId(part.first_doc + local.0)));
            }
        }
        Ok(None)
    }

    /// The part that holds a document, and its number there.
    fn part_of(&self, doc: DocId) -> Result<(&Part, DocId), Error> {
        let after = self.parts.partition_point(|part| part.first_doc <= doc.0);
        let part = after.checked_sub(1).map(|index| &self.parts[index]);
        let found = part.map(|part| (part, DocId(doc.0 - part.first_doc)));
        let is_known = |(part, local): &(&Part, DocId)| {
            (local.0 as usize) < part.folder.len() && part.is_live(*local)
        };
        found.filter(is_known).ok_or(Error::UnknownDoc {
            doc,
            len: self.len(),
        })
    }

    /// What [`StoreWriter::finish`](crate::StoreWriter::finish) returned for each part.
    pub fn records(&self) -> Vec<SealRecord> {
        self.parts.iter().map(|part| part.folder.record()).collect()
    }

    /// Reads every file completely and reports everything that is not as it was written:
    /// the file and what is wrong with it.
    pub fn verify(&self, report: &mut dyn FnMut(&Path, String)) {
        for part in &self.parts {
            part.folder.verify(report);
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("parts", &self.parts.len())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
