//! Walks the documents that hold one query term, and scores the term in each.

use tantivy::TERMINATED;
use tantivy::postings::BlockSegmentPostings;

use treffer_disk::Numbers;

use crate::bounds::{Block, Peak};
use crate::error::Error;
use crate::formula::{LengthNorm, Saturation, normalized_tf, saturated, saturation};

/// Rows to each posting of a dense term, at most. A window of a search, 2048 rows, then holds a block
/// or more on average. With fewer, bounds of windows cost more than the postings that they pass over.
const DENSE: usize = 16;

/// What scoring needs to know of one field, over all parts of an index.
pub(crate) struct FieldScoring {
    pub(crate) name: &'static str,
    /// Above 0.
    pub(crate) weight: f64,
    /// In tokens.
    pub(crate) average_length: f64,
    pub(crate) norm: LengthNorm,
    /// Of a term that occurs in no other field.
    pub(crate) saturation: Saturation,
}

impl FieldScoring {
    /// A field's part of the normalized frequency.
    pub(crate) fn normalized_tf(&self, tf: u32, length: u32) -> f64 {
        normalized_tf(self.weight, tf, self.norm.of(length))
    }
}

/// A query term in one field of a part.
pub(crate) struct FieldCursor<'a> {
    postings: BlockSegmentPostings,
    /// Position within the loaded block. At its end no document is left.
    at: usize,
    /// The bounds of all blocks; none if there is only one block, which is loaded.
    blocks: &'a [Block],
    /// Whether [`most_tf`](Self::most_tf) looks at bounds.
    is_dense: bool,
    /// The first block that does not end before the row that was last asked about.
    block: usize,
    /// The last block whose greatest normalized frequency was asked for, and what it is.
    known: Option<(usize, f64)>,
    /// Number of tokens of each row's field.
    lengths: &'a Numbers<u32>,
    scoring: &'a FieldScoring,
}

impl<'a> FieldCursor<'a> {
    pub(crate) fn new(
        postings: BlockSegmentPostings,
        blocks: &'a [Block],
        lengths: &'a Numbers<u32>,
        scoring: &'a FieldScoring,
    ) -> Self {
        let is_dense = postings.doc_freq() as usize * DENSE >= lengths.len();
        FieldCursor {
            postings,
            at: 0,
            blocks,
            is_dense: is_dense && !blocks.is_empty(),
            block: 0,
            known: None,
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

    /// Whether a window holds so many postings that its bounds are worth looking at.
    pub(crate) fn is_dense(&self) -> bool {
        self.is_dense
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
        let length = self.lengths.get(self.doc() as usize)?;
        Ok(self.scoring.normalized_tf(self.tf(), length))
    }

    /// The first row from `start` on that may hold the term, [`TERMINATED`] if there is none.
    /// Loads no block of a dense term; `start` never falls.
    fn next_row(&mut self, start: u32) -> u32 {
        if self.doc() >= start {
            return self.doc();
        }
        if !self.is_dense {
            self.seek(start);
            return self.doc();
        }
        self.pass_blocks(start);
        if self.block == self.blocks.len() {
            return TERMINATED;
        }
        start.max(self.first_row(self.block))
    }

    /// Passes over the blocks that end before `start`.
    fn pass_blocks(&mut self, start: u32) {
        while self
            .blocks
            .get(self.block)
            .is_some_and(|block| block[0] < start)
        {
            self.block += 1;
        }
    }

    /// A row before which a block does not begin.
    fn first_row(&self, block: usize) -> u32 {
        match block.checked_sub(1) {
            Some(before) => self.blocks[before][0].saturating_add(1),
            None => 0,
        }
    }

    /// An upper bound of the normalized frequency in rows from `start` to before `end`: 0 only if
    /// none of them holds the term, and infinite if one does and the term is not dense. Loads no
    /// block of a dense term; `start` never falls.
    fn most_tf(&mut self, start: u32, end: u32) -> f64 {
        if self.doc() >= end {
            return 0.0;
        }
        if !self.is_dense {
            self.seek(start);
            return if self.doc() < end { f64::INFINITY } else { 0.0 };
        }
        let mut most = 0.0;
        self.pass_blocks(start);
        for block in self.block..self.blocks.len() {
            if self.first_row(block) >= end {
                break;
            }
            most = self.most_tf_of(block).max(most);
        }
        most
    }

    fn most_tf_of(&mut self, block: usize) -> f64 {
        if let Some((known, most)) = self.known
            && known == block
        {
            return most;
        }
        let peaks = Peak::of(&self.blocks[block]);
        let most = peaks.map(|peak| self.scoring.normalized_tf(peak.tf, peak.length));
        let most = most.fold(0.0, f64::max);
        self.known = Some((block, most));
        most
    }

    /// Visits the rows from `start` to before `end` that hold the term, with its frequency and the
    /// field's length; if it is to `PASS_OVER`, but for blocks whose greatest normalized frequency is
    /// not `worth_it`.
    #[inline]
    fn for_each_in<S, const PASS_OVER: bool>(
        &mut self,
        start: u32,
        end: u32,
        state: &mut S,
        worth_it: impl Fn(&S, f64) -> bool,
        mut visit: impl FnMut(&mut S, u32, u32, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut from = start;
        loop {
            if self.doc() >= end {
                return Ok(());
            }
            if PASS_OVER {
                self.pass_blocks(from);
                while self.block < self.blocks.len() {
                    if worth_it(state, self.most_tf_of(self.block)) {
                        break;
                    }
                    from = self.blocks[self.block][0].saturating_add(1);
                    self.block += 1;
                }
                if from >= end || (self.block > 0 && self.block == self.blocks.len()) {
                    return Ok(());
                }
            }
            self.seek(from);
            if self.doc() >= end {
                return Ok(());
            }
            let docs = &self.postings.docs()[self.at..];
            let freqs = &self.postings.freqs()[self.at..];
            let n_visited = docs.partition_point(|&doc| doc < end);
            let docs = &docs[..n_visited];
            // Looked up together: they lie close to one another.
            let (first, last) = (docs[0], docs[n_visited - 1]);
            let lengths = self.lengths.slice(first as usize..last as usize + 1)?;
            for (&doc, &tf) in docs.iter().zip(freqs) {
                visit(state, doc, tf, lengths[(doc - first) as usize])?;
            }
            from = last + 1;
            self.at += n_visited;
            self.load_next_block_at_end();
        }
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

impl<'a> TermCursor<'a> {
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

    /// The first row from `start` on that may hold the term, [`TERMINATED`] if there is none.
    /// `start` never falls.
    pub(crate) fn next_row(&mut self, start: u32) -> u32 {
        let rows = self.fields.iter_mut().map(|field| field.next_row(start));
        rows.min().unwrap_or(TERMINATED)
    }

    /// An upper bound of the score in any row; 0 only if none holds the term.
    pub(crate) fn most(&self) -> f64 {
        if self.fields.is_empty() {
            0.0
        } else {
            self.weighted_idf
        }
    }

    /// An upper bound of the score in rows from `start` to before `end`; 0 only if none of them
    /// holds the term. `start` never falls.
    pub(crate) fn bound(&mut self, start: u32, end: u32) -> f64 {
        let mut tf = 0.0;
        for field in &mut self.fields {
            tf += field.most_tf(start, end);
        }
        if tf == f64::INFINITY {
            self.weighted_idf
        } else if tf > 0.0 {
            saturated(self.weighted_idf, self.k1, tf)
        } else {
            0.0
        }
    }

    /// The only field that holds the term, if it is only one.
    pub(crate) fn only_field(&mut self) -> Option<OnlyField<'_, 'a>> {
        match self.fields.as_mut_slice() {
            [field] => Some(OnlyField {
                field,
                weighted_idf: self.weighted_idf,
                k1: self.k1,
            }),
            _ => None,
        }
    }

    /// Visits every row from `start` to before `end` that holds the term, with its score.
    #[inline]
    pub(crate) fn for_each_in(
        &mut self,
        start: u32,
        end: u32,
        mut visit: impl FnMut(u32, f64),
    ) -> Result<(), Error> {
        if let Some(mut only) = self.only_field() {
            return only.for_each_in::<_, false>(
                start,
                end,
                &mut (),
                |_, _| true,
                |_, row, score| {
                    visit(row, score);
                    Ok(())
                },
            );
        }
        for field in &mut self.fields {
            field.seek(start);
        }
        let (idf, k1) = (self.weighted_idf, self.k1);
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

/// A query term that occurs in one field of a part.
pub(crate) struct OnlyField<'c, 'a> {
    field: &'c mut FieldCursor<'a>,
    weighted_idf: f64,
    k1: f64,
}

impl OnlyField<'_, '_> {
    /// Visits the rows from `start` to before `end` that hold the term, with its score; if it is to
    /// `PASS_OVER`, but for blocks whose upper bound is not `worth_it`.
    #[inline]
    pub(crate) fn for_each_in<S, const PASS_OVER: bool>(
        &mut self,
        start: u32,
        end: u32,
        state: &mut S,
        worth_it: impl Fn(&S, f64) -> bool,
        mut visit: impl FnMut(&mut S, u32, f64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (idf, k1) = (self.weighted_idf, self.k1);
        let scoring = self.field.scoring;
        self.field.for_each_in::<S, PASS_OVER>(
            start,
            end,
            state,
            |state, most_tf| worth_it(state, saturated(idf, k1, most_tf)),
            |state, row, tf, length| {
                let share = scoring
                    .saturation
                    .get(tf, length)
                    .unwrap_or_else(|| saturation(k1, scoring.normalized_tf(tf, length)));
                visit(state, row, idf * share)
            },
        )
    }
}
