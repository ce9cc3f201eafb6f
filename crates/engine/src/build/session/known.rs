//! What a session knows of the documents of the last commit.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_types::{DocId, Document, PassageId};

use super::super::texts::embed_all;
use super::Session;
use crate::blueprint::{DenseConfig, NO_MODEL};
use crate::error::{Error, part};

/// Two vectors of length 1 whose difference is shorter than this are the same: twice what 16-bit
/// numbers round off.
const SAME_VECTOR: f64 = 1e-3;

impl Session<'_> {
    /// The document of this id in the last commit that was not deleted since.
    pub(super) fn find(&self, id: &str) -> Result<Option<DocId>, Error> {
        let found = self.data.store.find(id);
        let found = found.map_err(part("read", "store", self.workplace.dir()))?;
        Ok(found.filter(|doc| !self.is_deleted(*doc)))
    }

    /// Whether a document of the last commit is deleted, be it since.
    pub(super) fn is_deleted(&self, doc: DocId) -> bool {
        let (segment, local) = self.place(doc);
        let deleted = self.deleted[segment].as_ref();
        deleted.is_some_and(|deleted| deleted.contains(local))
    }

    /// The segment of a document of the last commit, and its number there.
    fn place(&self, doc: DocId) -> (usize, usize) {
        let mut local = doc.0;
        let mut segment = 0;
        while local >= self.manifest.segments[segment].documents {
            local -= self.manifest.segments[segment].documents;
            segment += 1;
        }
        (segment, local as usize)
    }

    /// Marks a document of the last commit that is not deleted.
    pub(super) fn mark_deleted(&mut self, doc: DocId) -> Result<(), Error> {
        let passages = self.data.store.passages_of(doc);
        let passages = passages.map_err(part("read", "store", self.workplace.dir()))?;
        let (segment, local) = self.place(doc);
        let of_segment = &mut self.manifest.segments[segment];
        of_segment.deleted += 1;
        of_segment.deleted_passages += passages.len() as u32;
        let n = of_segment.documents as usize;
        let set = &mut self.deleted[segment];
        let set = set.get_or_insert_with(|| Arc::new(FixedBitSet::with_capacity(n)));
        Arc::make_mut(set).insert(local);
        self.has_deleted = true;
        Ok(())
    }

    /// Whether vectors of the one document serve for the other.
    pub(super) fn has_same_text(&self, one: &Document, other: &Document) -> bool {
        let languages = &self.writing.languages;
        one.title == other.title
            && one.text == other.text
            && one.headings == other.headings
            && languages.named(one) == languages.named(other)
    }

    /// Whether documents without a vector are not in the stage `dense`, because no model makes one.
    pub(super) fn needs_vectors(&self) -> bool {
        let dense = self.manifest.blueprint.dense.as_ref();
        dense.is_some_and(|dense| dense.model == NO_MODEL)
    }

    /// Whether a document of the last commit would get the vectors that it has, given this one or
    /// none, if its text is the same. Of one that is given, as far as its form tells.
    pub(super) fn keeps_vectors(&self, doc: DocId, given: Option<&[f32]>) -> Result<bool, Error> {
        let Some(dense) = &self.manifest.blueprint.dense else {
            return Ok(true);
        };
        // A model makes the same of the same text.
        if given.is_none() && !dense.has_given_vectors() {
            return Ok(true);
        }
        if self.vectors.get().is_none() {
            let _ = self.vectors.set(self.data.open_dense()?); // nobody else has set it
        }
        let Some(index) = self.vectors.get() else {
            return Ok(false);
        };
        let failed = || part("read", "dense part", self.workplace.dir());
        let old = index.vector(PassageId::whole(doc)).map_err(failed())?;
        if let Some(given) = given {
            return Ok(is_same(old.as_deref(), given));
        }
        if dense.model == NO_MODEL {
            return Ok(old.is_none());
        }
        let split = self.data.store.split_document(doc);
        let split = split.map_err(part("read", "store", self.workplace.dir()))?;
        let (document, passages) = split;
        let [passage] = passages.as_slice() else {
            // One that was given stood for all passages.
            let n = index.passages_of(doc).map_err(failed())?.len();
            return Ok(n == passages.len());
        };
        // Nothing else tells whether it was given.
        match self.by_model(doc, &passage.full_text(&document.text), dense)? {
            Some(vector) => Ok(is_same(old.as_deref(), &vector)),
            None => Ok(true),
        }
    }

    /// The vector that the model makes of the only passage of a document of the last commit; none
    /// without a model.
    fn by_model(
        &self,
        doc: DocId,
        text: &str,
        dense: &DenseConfig,
    ) -> Result<Option<Vec<f32>>, Error> {
        let Some(embedder) = self.writing.embedder.as_deref() else {
            return Ok(None);
        };
        let name = &embedder.spec().name;
        let mut embedded = embed_all(name, &[text], |texts| embedder.embed_passages(texts))?;
        let mut vector = embedded.remove(0).vector;
        if let Some(shift) = self.shift(embedder, dense.language_shift)? {
            let row = DocId(self.data.bm25_rows(doc)?.start);
            let language = self.data.bm25.language_of(row);
            let failed = part("read", "BM25 part", self.workplace.dir());
            shift.apply(&mut vector, language.map_err(failed)?);
        }
        Ok(Some(vector))
    }
}

/// Whether there is an old vector that is the new one.
fn is_same(old: Option<&[f32]>, new: &[f32]) -> bool {
    let difference = |old: &[f32]| {
        let squares = old.iter().zip(new).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    old.map(difference)
        .is_some_and(|difference| difference < SAME_VECTOR)
}
