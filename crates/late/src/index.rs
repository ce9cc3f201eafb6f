//! Scores passages: all parts of an index.

use std::cmp::Reverse;
use std::path::Path;

use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use treffer_disk::SealRecord;
use treffer_kernels::{Isa, maxsim};
use treffer_types::{DocId, PassageId, Score};

use crate::config::Storage;
use crate::error::{Error, Owner, damaged};
use crate::learned::Learned;
use crate::part::{LatePart, Part};
use crate::tokens::{Kept, Stored, check_units, unpack};

/// Rows that one thread scores at a time.
const AT_ONCE: usize = 16;

/// An open index of any number of parts. Any number of threads may use it; results do not depend
/// on their number.
pub struct LateIndex {
    /// In the order of their documents, those without any last.
    pub(crate) parts: Vec<Part>,
}

/// A query, ready to be compared with the passages of one index.
#[derive(Clone, Debug)]
pub struct LateQuery {
    packed: maxsim::Query,
    /// The vectors that it was packed from, as wide as those that are kept.
    vectors: Vec<f32>,
}

/// A row of a part.
pub(crate) type Place<'a> = (&'a Part, u32);

impl LateIndex {
    /// Opens the parts of an index: maps their files and checks their lengths and first blocks.
    /// Other blocks are verified when they are first touched; [`verify`](Self::verify) checks
    /// everything. Without parts the index is empty.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no complete index in one of the folders, [`Error::Damaged`]
    /// with the file at fault if one has another length or begins otherwise than it was written,
    /// [`Error::Version`] if another version of this program wrote it, [`Error::Io`] if it cannot be
    /// read; [`Error::Mixed`] if parts keep vectors in different ways, [`Error::Overlap`] if two
    /// parts have documents of the same number.
    pub fn open(parts: &[LatePart<'_>]) -> Result<Self, Error> {
        let mut opened = parts
            .iter()
            .map(Part::open)
            .collect::<Result<Vec<_>, _>>()?;
        if let Some((first, others)) = opened.split_first() {
            let (width, storage) = (first.tokens.width(), first.tokens.storage());
            for other in others {
                let what = other.difference(width, storage, &first.learned);
                if let Some(what) = what {
                    return Err(Error::Mixed {
                        path: other.sealed.dir().to_owned(),
                        first: first.sealed.dir().to_owned(),
                        what,
                    });
                }
            }
        }
        // Empty parts may begin anywhere.
        opened.sort_by_key(|part| (part.docs().is_empty(), part.docs().start));
        for pair in opened.windows(2) {
            let [before, after] = pair else { continue };
            if !after.docs().is_empty() && before.docs().end > after.docs().start {
                return Err(Error::Overlap {
                    path: after.sealed.dir().to_owned(),
                    other: before.sealed.dir().to_owned(),
                    doc: DocId(after.docs().start as u32),
                });
            }
        }
        Ok(LateIndex { parts: opened })
    }

    /// Opens an index of one part, whose documents keep their numbers.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_folder(dir: &Path) -> Result<Self, Error> {
        Self::open(&[LatePart {
            dir,
            first_doc: 0,
            deleted: None,
        }])
    }

    /// Values of each token of a query, `None` if there are no parts.
    pub fn width(&self) -> Option<usize> {
        self.parts.first().map(Part::query_width)
    }

    /// The form of the vectors, `None` if there are no parts.
    pub fn storage(&self) -> Option<Storage> {
        self.parts.first().map(|part| part.tokens.storage())
    }

    /// What was learned from the first documents, for the parts that are added later; nothing if
    /// there are no parts.
    pub fn learned(&self) -> Learned {
        let first = self.parts.first();
        first.map(|part| part.learned.clone()).unwrap_or_default()
    }

    /// Number of passages; those of deleted documents are not counted.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::live).sum()
    }

    /// Whether there are no passages at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of token vectors, those of deleted documents included.
    pub fn tokens(&self) -> usize {
        self.parts.iter().map(|part| part.tokens.len()).sum()
    }

    /// What [`LateWriter::finish`](crate::LateWriter::finish) returned for each part, in the
    /// order of their documents, those without any last.
    pub fn records(&self) -> Vec<SealRecord> {
        self.parts.iter().map(|part| part.sealed.record()).collect()
    }

    /// Prepares a query: the vectors of its tokens, one after the other.
    ///
    /// # Errors
    /// [`Error::WrongWidth`] or [`Error::NotUnit`] if they are not vectors of length 1 as wide as
    /// those that the index was made of, at least one.
    pub fn query(&self, vectors: &[f32]) -> Result<LateQuery, Error> {
        let isa = Isa::detect().unwrap_or(Isa::SCALAR);
        self.query_on(isa, vectors)
    }

    pub(crate) fn query_on(&self, isa: Isa, vectors: &[f32]) -> Result<LateQuery, Error> {
        let Some(part) = self.parts.first() else {
            return Ok(LateQuery {
                packed: maxsim::Query::for_floats(isa, &[], 1),
                vectors: Vec::new(),
            });
        };
        check_units(part.query_width(), Owner::Query, vectors)?;
        let projected = part
            .learned
            .projection
            .as_ref()
            .map(|one| one.apply(vectors));
        let vectors = projected.unwrap_or_else(|| vectors.to_vec());
        let width = part.tokens.width();
        let packed = match part.tokens.storage() {
            Storage::F16 => maxsim::Query::for_floats(isa, &vectors, width),
            Storage::Int8 | Storage::Int4 | Storage::Residual1 | Storage::Residual2 => {
                maxsim::Query::for_bytes(isa, &vectors, width)
            }
        };
        Ok(LateQuery { packed, vectors })
    }

    /// The scores of every passage of each of the documents, documents in their order, the
    /// passages of each ascending. A document that has no vectors or is deleted contributes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what is touched is not as it was written.
    pub fn score_docs(
        &self,
        query: &LateQuery,
        docs: &[DocId],
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        let mut places = Vec::with_capacity(docs.len());
        for &doc in docs {
            if let Some(part) = self.part_of(doc) {
                places.extend(part.rows_of(doc)?.map(|row| (part, row)));
            }
        }
        score(query, &places)
    }

    /// The score of a text that is not in the index, by the vectors of its tokens, kept in the form
    /// of the index, but not pooled.
    ///
    /// # Errors
    /// As [`query`](Self::query), of the text.
    pub fn compare(&self, query: &LateQuery, vectors: &[f32]) -> Result<Score, Error> {
        let Some(part) = self.parts.first() else {
            return Ok(Score::ZERO);
        };
        check_units(part.query_width(), Owner::Text, vectors)?;
        let projected = part
            .learned
            .projection
            .as_ref()
            .map(|one| one.apply(vectors));
        let vectors = projected.as_deref().unwrap_or(vectors);
        let kept = Kept::of(vectors, part.tokens.width(), part.tokens.form());
        let sum = query.sum(kept.stored(), &mut Buffers::default());
        Ok(query.mean(sum).unwrap_or(Score::ZERO))
    }

    /// Every passage of the `allowed` documents (all if `None`) that are not deleted, best first,
    /// equal scores by passage: every one is scored.
    ///
    /// # Errors
    /// As [`score_docs`](Self::score_docs).
    pub fn rank_all(
        &self,
        query: &LateQuery,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        let mut places = Vec::new();
        for part in &self.parts {
            part.for_each_live(allowed, &mut |row| {
                places.push((part, row));
                Ok(())
            })?;
        }
        let mut scored = score(query, &places)?;
        // Parts are in the order of their documents, so equal scores already are.
        scored.sort_by_key(|&(_, score)| Reverse(score));
        Ok(scored)
    }

    /// The passages of a document that have vectors, in order; none if it is not known or
    /// deleted.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn passages_of(&self, doc: DocId) -> Result<Vec<PassageId>, Error> {
        let Some(part) = self.part_of(doc) else {
            return Ok(Vec::new());
        };
        let rows = part.rows_of(doc)?;
        rows.map(|row| Ok(part.stored(row)?.0)).collect()
    }

    /// The part that a document's number belongs to.
    fn part_of(&self, doc: DocId) -> Option<&Part> {
        let doc = u64::from(doc.0);
        let before = |part: &Part| !part.docs().is_empty() && part.docs().end <= doc;
        let part = self.parts.get(self.parts.partition_point(before))?;
        part.docs().contains(&doc).then_some(part)
    }

    pub(crate) fn find(&self, passage: PassageId) -> Result<Option<Place<'_>>, Error> {
        let Some(part) = self.part_of(passage.doc) else {
            return Ok(None);
        };
        for row in part.rows_of(passage.doc)? {
            if part.stored(row)?.0 == passage {
                return Ok(Some((part, row)));
            }
        }
        Ok(None)
    }
}

/// The passage and the score of each row, in their order.
pub(crate) fn score(
    query: &LateQuery,
    places: &[Place<'_>],
) -> Result<Vec<(PassageId, Score)>, Error> {
    let scored: Result<Vec<Vec<_>>, Error> = places
        .par_chunks(AT_ONCE)
        .map(|places| {
            let mut buffers = Buffers::default();
            let score = |place: &Place<'_>| score_one(query, *place, &mut buffers);
            places.iter().map(score).collect()
        })
        .collect();
    Ok(scored?.concat())
}

#[derive(Default)]
struct Buffers {
    scratch: maxsim::Scratch,
    values: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl LateQuery {
    /// The query to be compared with floats.
    pub(crate) fn for_floats(&self) -> maxsim::Query {
        maxsim::Query::for_floats(self.packed.isa(), &self.vectors, self.packed.width())
    }

    fn sum(&self, stored: Stored<'_>, buffers: &mut Buffers) -> f32 {
        let query = &self.packed;
        match stored {
            Stored::F16(_) => {
                stored.values(query.width(), &mut buffers.values);
                query.of_floats(&buffers.values)
            }
            Stored::Int8 { codes, scales } => query.of_bytes(codes, scales, &mut buffers.scratch),
            Stored::Int4 { codes, scales } => {
                unpack(codes, query.width(), &mut buffers.codes);
                query.of_bytes(&buffers.codes, scales, &mut buffers.scratch)
            }
            Stored::Residual {
                numbers,
                packed,
                codebook,
            } => {
                let (codes, scales) = (&mut buffers.codes, &mut buffers.scales);
                let residuals = codebook.residuals();
                residuals.restore(query.isa(), numbers, packed, codes, scales);
                query.of_bytes(codes, scales, &mut buffers.scratch)
            }
        }
    }

    /// The mean over the query's tokens, `None` if the sum is not finite.
    fn mean(&self, sum: f32) -> Option<Score> {
        let mean = sum / self.packed.tokens().max(1) as f32;
        // Rounding may lead a little beyond.
        Score::new(mean.clamp(-1.0, 1.0)).filter(|_| sum.is_finite())
    }
}

fn score_one(
    query: &LateQuery,
    (part, row): Place<'_>,
    buffers: &mut Buffers,
) -> Result<(PassageId, Score), Error> {
    let (passage, stored, _) = part.stored(row)?;
    let score = query.mean(query.sum(stored, buffers)).ok_or_else(|| {
        let reason = format!("a token of {} is not finite", Owner::Passage(passage));
        damaged(part.tokens.path(), reason)
    })?;
    Ok((passage, score))
}

impl std::fmt::Debug for LateIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LateIndex")
            .field("width", &self.width())
            .field("parts", &self.parts.len())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
