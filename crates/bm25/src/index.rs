//! A finished index: searching it, scoring given documents, explaining a score.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_disk::{SealRecord, Sealed};
use treffer_types::{DocId, Language, Score};

use crate::analysis::compounds::{for_each_part, split};
use crate::analysis::{Analysis, Indexed, Languages, QueryWord, Trace};
use crate::clause::{Clause, ClauseCursor, clauses};
use crate::config::{Analyzer, Bm25Config};
use crate::error::Error;
use crate::explain::TermScore;
use crate::formula::idf;
use crate::guard::guard;
use crate::language::{Detection, Detector};
use crate::language_column::LanguageCounts;
use crate::layout::Record;
use crate::search;
use crate::segment::Segment;

/// A finished index, opened for search. Threads may share it.
pub struct Bm25Index {
    dir: PathBuf,
    analyzer: Analyzer,
    analysis: Analysis,
    detector: Detector,
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
            analyzer: config.analyzer,
            analysis: Analysis::new(config),
            detector: Detector::new(),
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
            let clauses = self.clauses(query)?;
            search::best(self.cursors(&clauses)?, depth)?
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
            let clauses = self.clauses(query)?;
            for mut cursor in self.cursors(&clauses)? {
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
    /// its part of the score, in the order in which the parts are summed. Of a word with
    /// several forms, the terms of the form that counts.
    ///
    /// # Errors
    /// As [`Bm25Index::score`].
    pub fn explain(&self, query: &str, doc: DocId) -> Result<Vec<TermScore>, Error> {
        let position = self.position(doc)?;
        guard("search", &self.dir, || {
            let clauses = self.clauses(query)?;
            let mut explained = Vec::new();
            for (clause, mut cursor) in clauses.iter().zip(self.cursors(&clauses)?) {
                let Some((form, _)) = cursor.best_form(position)? else {
                    continue;
                };
                for (term, cursor) in clause.forms[form].iter().zip(&mut cursor.forms[form]) {
                    let Some(score) = cursor.score_of(position)? else {
                        continue;
                    };
                    let fields = self.segment.explain_fields(cursor, position)?;
                    explained.push(TermScore {
                        term: term.text.clone(),
                        query_tf: clause.query_tf * term.tf,
                        tf: fields.iter().map(|field| field.tf).sum(),
                        df: term.postings.df,
                        idf: idf(self.n_docs(), term.postings.df),
                        weight: term.weight,
                        fields,
                        score: self.finite(score)?,
                    });
                }
            }
            Ok(explained)
        })
    }

    /// What `query` asks for, word by word, compounds cut, in its language or in several if that
    /// is unsure. Words without terms, such as stop words, are left out.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn query_words(&self, query: &str) -> Result<Vec<QueryWord>, Error> {
        let cut = |word: &str| {
            let pieces = split(word, |piece| self.segment.is_piece(piece))?;
            Ok(pieces.into_iter().map(str::to_owned).collect())
        };
        self.analysis.query(query, self.languages_of(query), cut)
    }

    /// The terms under which a document of this text would be indexed in a language, or in German
    /// and English if that is unsure, and its length. The length is not their number: forms of the
    /// same word are counted once.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn document_terms(
        &self,
        text: &str,
        language: Option<Language>,
    ) -> Result<(Vec<String>, u32), Error> {
        let Indexed {
            mut terms,
            words,
            length,
        } = self.analysis.document(text, language.into());
        for word in words {
            for_each_part(
                &word,
                &mut |part: &str| self.segment.is_piece(part),
                &mut |part| terms.push(part.to_owned()),
            )?;
        }
        Ok((terms, length))
    }

    /// What becomes of a text in this index, as a document and as a query.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn trace(&self, text: &str) -> Result<Trace, Error> {
        let is_piece = |word: &str| self.segment.is_piece(word);
        self.analysis
            .trace(text, self.detect(text), self.languages_of(text), is_piece)
    }

    /// The length of a query, as [`document_terms`](Self::document_terms) gives it.
    pub fn length_of(&self, query: &str) -> u32 {
        self.analysis
            .document(query, self.languages_of(query))
            .length
    }

    /// The language of a document, as its record said or as it was detected when it was indexed;
    /// `None` if it is unsure. Costs a look into a column.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] for a document that was never added, or if the index cannot be
    /// read.
    pub fn language_of(&self, doc: DocId) -> Result<Option<Language>, Error> {
        self.segment.language(self.position(doc)?)
    }

    /// Number of documents by language.
    pub fn languages(&self) -> LanguageCounts {
        self.segment.languages()
    }

    /// The language of a query, and what speaks for it.
    pub fn detect(&self, query: &str) -> Detection {
        self.detector.detect(query)
    }

    /// The languages in which a query is asked: its own, or all that documents may have if it is
    /// unsure or if no document has its own.
    fn languages_of(&self, query: &str) -> Languages {
        if self.analyzer != Analyzer::Mixed {
            return Languages::Both;
        }
        let n = self.languages();
        match self.detect(query).language {
            Some(language) if n.of(Some(language)) > 0 => Languages::One(language),
            _ if n.other > 0 => Languages::All,
            _ => Languages::Both,
        }
    }

    /// In how many documents a term occurs.
    pub(crate) fn df(&self, term: &str) -> Result<u32, Error> {
        let postings = self.segment.term(&self.dir, term)?;
        Ok(postings.map_or(0, |postings| postings.df))
    }

    fn clauses(&self, query: &str) -> Result<Vec<Clause>, Error> {
        clauses(&self.query_words(query)?, self.n_docs(), |term| {
            self.segment.term(&self.dir, term)
        })
    }

    fn cursors(&self, clauses: &[Clause]) -> Result<Vec<ClauseCursor<'_>>, Error> {
        let cursor = |clause| ClauseCursor::new(clause, &self.segment, &self.dir, self.k1);
        clauses.iter().map(cursor).collect()
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
