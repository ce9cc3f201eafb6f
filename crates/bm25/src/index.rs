//! A finished index: searching it, scoring given documents, explaining a score.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_disk::{SealRecord, Sealed};
use treffer_types::{DocId, Score};

use crate::analysis::Analysis;
use crate::config::Bm25Config;
use crate::cursor::TermCursor;
use crate::error::Error;
use crate::explain::TermScore;
use crate::formula::idf;
use crate::guard::guard;
use crate::layout::Record;
use crate::search;
use crate::segment::{Segment, TermPostings};

/// A finished index, opened for search. Threads may share it.
pub struct Bm25Index {
    dir: PathBuf,
    analysis: Analysis,
    k1: f64,
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) segment: Segment,
}

impl Bm25Index {
    /// Opens the index in `dir`. `k1`, `b` and field weights may differ from those at build
    /// time; analyzer and kind of fields must be the same. Blocks of files are verified when a
    /// query first touches them; [`verify`](Self::verify) checks everything.
    ///
    /// # Errors
    /// If `config` is not valid, if `dir` holds no finished index or one that was built
    /// with other settings, or if what opening reads is damaged.
    pub fn open(dir: &Path, config: &Bm25Config) -> Result<Self, Error> {
        config.validate()?;
        let sealed = Arc::new(Sealed::open(dir)?);
        let record = Record::read(&sealed)?;
        record.check(dir, config)?;
        let segment = guard("open", dir, || Segment::open(&sealed, config, &record))?;
        Ok(Bm25Index {
            dir: dir.to_owned(),
            sealed,
            analysis: Analysis::new(config.analyzer),
            k1: f64::from(config.k1),
            segment,
        })
    }

    /// Number of documents, those without any term included.
    pub fn n_docs(&self) -> u32 {
        self.segment.n_docs()
    }

    /// What [`Bm25Writer::finish`](crate::Bm25Writer::finish) returned for this index.
    pub fn record(&self) -> SealRecord {
        self.sealed.record()
    }

    /// The `depth` best documents, best first, ties by `DocId` ascending. Only documents
    /// that hold at least one term of the query are found; a query without terms, such as
    /// one of stop words only, finds none.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn search(&self, query: &str, depth: usize) -> Result<Vec<(DocId, Score)>, Error> {
        let depth = depth.min(self.n_docs() as usize);
        if depth == 0 {
            return Ok(Vec::new());
        }
        guard("search", &self.dir, || {
            let terms = self.query_terms(query)?;
            let cursors = self.cursors(&terms)?;
            search::best(cursors, depth)?
                .into_iter()
                .map(|(score, position)| {
                    Ok((self.segment.doc(position)?, self.finite(f64::from(score))?))
                })
                .collect()
        })
    }

    /// The score of each of `docs`, in their order: 0 where no term of the query occurs,
    /// otherwise bit for bit what [`Bm25Index::search`] gives.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] for a document that was never added, or if the index cannot
    /// be read.
    pub fn score(&self, query: &str, docs: &[DocId]) -> Result<Vec<Score>, Error> {
        let mut positions = Vec::with_capacity(docs.len());
        for (i, &doc) in docs.iter().enumerate() {
            positions.push((self.position(doc)?, i));
        }
        // Cursors only move forward.
        positions.sort_unstable();
        let mut scores = vec![0.0; docs.len()];
        guard("search", &self.dir, || {
            let terms = self.query_terms(query)?;
            for mut cursor in self.cursors(&terms)? {
                for &(position, i) in &positions {
                    scores[i] += cursor.score_of(position)?.unwrap_or(0.0);
                }
            }
            scores.iter().map(|&score| self.finite(score)).collect()
        })
    }

    /// The number of terms of each of `docs`, in their order: those of all searched fields.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] for a document that was never added.
    pub fn lengths(&self, docs: &[DocId]) -> Result<Vec<u32>, Error> {
        let length = |doc: &DocId| self.segment.length(self.position(*doc)?);
        docs.iter().map(length).collect()
    }

    /// The explanation of the score of `doc`: the query's terms that occur in it, each with
    /// its part of the score, in the order in which the parts are summed.
    ///
    /// # Errors
    /// As [`Bm25Index::score`].
    pub fn explain(&self, query: &str, doc: DocId) -> Result<Vec<TermScore>, Error> {
        let position = self.position(doc)?;
        guard("search", &self.dir, || {
            let terms = self.query_terms(query)?;
            let mut explained = Vec::new();
            for (term, mut cursor) in terms.iter().zip(self.cursors(&terms)?) {
                let Some(score) = cursor.score_of(position)? else {
                    continue;
                };
                let fields = self.segment.explain_fields(&cursor, position)?;
                explained.push(TermScore {
                    term: term.text.clone(),
                    query_tf: term.query_tf,
                    tf: fields.iter().map(|field| field.tf).sum(),
                    df: term.postings.df,
                    idf: idf(self.n_docs(), term.postings.df),
                    fields,
                    score: self.finite(score)?,
                });
            }
            Ok(explained)
        })
    }

    /// The terms of `query`, in order, including repetitions.
    pub fn terms(&self, query: &str) -> Vec<String> {
        self.analysis.terms(query)
    }

    /// The distinct terms of `query` that occur anywhere, rarest first. The order does
    /// not depend on the query's, so neither does the rounding of a score.
    fn query_terms(&self, query: &str) -> Result<Vec<QueryTerm>, Error> {
        let mut frequencies: HashMap<String, u32> = HashMap::new();
        for term in self.terms(query) {
            *frequencies.entry(term).or_insert(0) += 1;
        }
        let mut terms = Vec::with_capacity(frequencies.len());
        for (text, query_tf) in frequencies {
            if let Some(postings) = self.segment.term(&self.dir, &text)? {
                terms.push(QueryTerm {
                    text,
                    query_tf,
                    postings,
                });
            }
        }
        terms.sort_unstable_by(|a, b| (a.postings.df, &a.text).cmp(&(b.postings.df, &b.text)));
        Ok(terms)
    }

    fn cursors(&self, terms: &[QueryTerm]) -> Result<Vec<TermCursor<'_>>, Error> {
        let cursor = |term: &QueryTerm| {
            Ok(TermCursor {
                fields: self.segment.cursors(&self.dir, &term.postings)?,
                weighted_idf: f64::from(term.query_tf) * idf(self.n_docs(), term.postings.df),
                k1: self.k1,
            })
        };
        terms.iter().map(cursor).collect()
    }

    fn position(&self, doc: DocId) -> Result<u32, Error> {
        let unknown = || Error::UnknownDoc {
            dir: self.dir.clone(),
            doc,
        };
        self.segment.position(doc)?.ok_or_else(unknown)
    }

    /// The formulas give finite scores for any postings that a writer can have written.
    fn finite(&self, score: f64) -> Result<Score, Error> {
        Score::new(score as f32).ok_or_else(|| Error::Damaged {
            dir: self.dir.clone(),
            reason: "its frequencies and lengths contradict each other".to_owned(),
        })
    }
}

/// A distinct term of a query that occurs in the index.
struct QueryTerm {
    text: String,
    /// How often it occurs in the query.
    query_tf: u32,
    postings: TermPostings,
}
