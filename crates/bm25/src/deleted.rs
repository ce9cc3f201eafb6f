//! Which rows of a part are deleted, and how many of them hold a term.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fixedbitset::FixedBitSet;
use tantivy::postings::BlockSegmentPostings;

use crate::error::Error;

/// The rows of a part that are deleted.
pub(crate) struct Deleted {
    pub(crate) rows: Arc<FixedBitSet>,
    /// At least 1.
    pub(crate) n: u32,
    /// Of each term that was asked for: the number of deleted rows that hold it.
    of_terms: Mutex<HashMap<String, u32>>,
}

impl Deleted {
    /// `None` if no row is.
    pub(crate) fn of(
        dir: &Path,
        rows: Option<&Arc<FixedBitSet>>,
        n_rows: u32,
    ) -> Result<Option<Self>, Error> {
        let Some(rows) = rows else {
            return Ok(None);
        };
        if let Some(row) = rows.maximum().filter(|&row| row >= n_rows as usize) {
            return Err(Error::Part {
                dir: dir.to_owned(),
                reason: format!("its row {row} is said to be deleted, but it has {n_rows} rows"),
            });
        }
        let n = rows.count_ones(..) as u32;
        Ok((n > 0).then(|| Deleted {
            rows: Arc::clone(rows),
            n,
            of_terms: Mutex::default(),
        }))
    }

    /// The number of deleted rows that hold `term`. Counted once: the number of terms of a part
    /// bounds what is kept.
    pub(crate) fn with_term(
        &self,
        term: &str,
        postings: impl FnOnce() -> Result<Option<BlockSegmentPostings>, Error>,
    ) -> Result<u32, Error> {
        // What is in it is valid whatever happened to a thread that held it.
        let known = || self.of_terms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&n) = known().get(term) {
            return Ok(n);
        }
        let n = postings()?.map_or(0, |postings| self.among(postings));
        known().insert(term.to_owned(), n);
        Ok(n)
    }

    fn among(&self, mut postings: BlockSegmentPostings) -> u32 {
        /// How many postings are read in the time in which one is looked for.
        const LOOKING: u32 = 16;
        let mut n = 0;
        if self.n < postings.doc_freq() / LOOKING {
            for row in self.rows.ones() {
                let at = postings.seek(row as u32);
                n += u32::from(postings.doc(at) == row as u32);
            }
            return n;
        }
        while !postings.docs().is_empty() {
            let held = postings.docs().iter();
            n += held
                .filter(|&&doc| self.rows.contains(doc as usize))
                .count() as u32;
            postings.advance();
        }
        n
    }
}
