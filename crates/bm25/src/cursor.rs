//! Walks the documents that hold one query term, and scores the term in each.

use tantivy::TERMINATED;
use tantivy::postings::BlockSegmentPostings;

use treffer_disk::Numbers;

use crate::error::Error;
use crate::formula::{LengthNorm, normalized_tf, saturated};

/// What scoring needs to know of one field, over all parts of an index.
pub(crate) struct FieldScoring {
    pub(crate) name: &'static str,
    /// Above 0.
    pub(crate) weight: f64,
    /// In tokens.
    pub(crate) average_length: f64,
    pub(crate) norm: LengthNorm,
}

/// A query term in one field of a part.
pub(crate) struct FieldCursor<'a> {
    postings: BlockSegmentPostings,
    /// Position within the loaded block. At its end no document is left.
    at: usize,
    /// Number of tokens of each row's field.
    lengths: &'a Numbers<u32>,
    scoring: &'a FieldScoring,
}

impl<'a> FieldCursor<'a> {
    pub(crate) fn new(
        postings: BlockSegmentPostings,
        lengths: &'a Numbers<u32>,
        scoring: &'a FieldScoring,
    ) -> Self {
        FieldCursor {
            postings,
            at: 0,
            lengths,
            scoring,
        }
    }

    /// What scores the field.
    pub(crate) fn scoring(&self) -> &'a FieldScoring {
        self.scoring
    }

    /// Number of documents in which the term occurs.
    pub(crate) fn n_postings(&self) -> u32 {
        self.postings.doc_freq()
    }

    /// The current document, [`TERMINATED`] after the last.
    pub(crate) fn doc(&self) -> u32 {
        self.postings
            .docs()
            .get(self.at)
            .copied()
            .unwrap_or(TERMINATED)
    }

    /// Moves to the first document that is not before `target`.
    fn seek(&mut self, target: u32) {
        if self.doc() < target {
            self.at = self.postings.seek(target);
        }
    }

    fn advance(&mut self) {
        self.at += 1;
        self.load_next_block_at_end();
    }

    fn load_next_block_at_end(&mut self) {
        if self.at == self.postings.docs().len() && self.at > 0 {
            self.postings.advance();
            self.at = 0;
        }
    }

    /// Frequency in the current document.
    pub(crate) fn tf(&self) -> u32 {
        self.postings.freq(self.at)
    }

    /// Normalized frequency in the current document.
    pub(crate) fn normalized_tf(&self) -> Result<f64, Error> {
        let FieldScoring { weight, norm, .. } = self.scoring;
        let norm = norm.of(self.lengths.get(self.doc() as usize)?);
        Ok(normalized_tf(*weight, self.tf(), norm))
    }

    /// Visits every document before `end` that is still to come.
    fn for_each_before(&mut self, end: u32, mut visit: impl FnMut(u32, f64)) -> Result<(), Error> {
        let FieldScoring { weight, norm, .. } = self.scoring;
        while self.doc() < end {
            let docs = &self.postings.docs()[self.at..];
            let freqs = &self.postings.freqs()[self.at..];
            let n_visited = docs.partition_point(|&doc| doc < end);
            let docs = &docs[..n_visited];
            // Looked up together: they lie close to one another.
            let (first, last) = (docs[0] as usize, docs[n_visited - 1] as usize);
            let lengths = self.lengths.slice(first..last + 1)?;
            for (&doc, &tf) in docs.iter().zip(freqs) {
                let length = lengths[doc as usize - first];
                visit(doc, normalized_tf(*weight, tf, norm.of(length)));
            }
            self.at += n_visited;
            self.load_next_block_at_end();
        }
        Ok(())
    }
}

/// A query term in every field that is searched, fields in the order of the layout.
///
/// Documents must be visited in ascending order.
pub(crate) struct TermCursor<'a> {
    /// The fields in which the term occurs; none if the part does not hold it.
    pub(crate) fields: Vec<FieldCursor<'a>>,
    /// IDF times the term's frequency in the query: an upper bound of its score in any
    /// document.
    pub(crate) weighted_idf: f64,
    pub(crate) k1: f64,
}

impl TermCursor<'_> {
    /// The current document, [`TERMINATED`] after the last.
    pub(crate) fn doc(&self) -> u32 {
        self.fields
            .iter()
            .map(FieldCursor::doc)
            .min()
            .unwrap_or(TERMINATED)
    }

    /// The term's score in `doc`, `None` if it does not occur there.
    pub(crate) fn score_of(&mut self, doc: u32) -> Result<Option<f64>, Error> {
        let mut tf = None;
        for field in &mut self.fields {
            field.seek(doc);
            if field.doc() == doc {
                tf = Some(tf.unwrap_or(0.0) + field.normalized_tf()?);
            }
        }
        Ok(tf.map(|tf| saturated(self.weighted_idf, self.k1, tf)))
    }

    /// Visits every document before `end` that is still to come, with the term's score.
    pub(crate) fn for_each_before(
        &mut self,
        end: u32,
        mut visit: impl FnMut(u32, f64),
    ) -> Result<(), Error> {
        let (idf, k1) = (self.weighted_idf, self.k1);
        if let [field] = self.fields.as_mut_slice() {
            return field.for_each_before(end, |doc, tf| visit(doc, saturated(idf, k1, tf)));
        }
        loop {
            let doc = self.doc();
            if doc >= end {
                return Ok(());
            }
            let mut tf = 0.0;
            for field in self.fields.iter_mut().filter(|field| field.doc() == doc) {
                tf += field.normalized_tf()?;
                field.advance();
            }
            visit(doc, saturated(idf, k1, tf));
        }
    }
}
