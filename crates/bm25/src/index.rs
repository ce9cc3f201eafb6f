//! An index: searching it, scoring given documents, explaining a score.

use std::path::Path;

use fixedbitset::FixedBitSet;
use treffer_disk::SealRecord;
use treffer_types::{DocId, Language, Score};

use crate::analysis::compounds::{SHORT_WORDS, for_each_part, split};
use crate::analysis::{Analysis, Indexed, Languages, QueryWord, Trace};
use crate::clause::{Clause, ClauseCursor, Scoring, TermPostings, clauses};
use crate::config::{Analyzer, Bm25Config, Fields};
use crate::cursor::FieldScoring;
use crate::error::Error;
use crate::explain::TermScore;
use crate::formula::{LengthNorm, Saturation, idf};
use crate::guard::guard;
use crate::language::{Detection, Detector};
use crate::language_column::LanguageCounts;
use crate::layout::Layout;
use crate::part::{Bm25Part, Part};
use crate::search;
use crate::top::Top;

/// An index of finished folders, opened for search. Threads may share it.
///
/// A document's number is its row: those of a part follow those of the part before.
pub struct Bm25Index {
    analyzer: Analyzer,
    analysis: Analysis,
    detector: Detector,
    pub(crate) parts: Vec<Part>,
    scoring: Scoring,
}

impl Bm25Index {
    /// Opens the index of these parts; of no parts, an empty one. `k1`, `b` and field weights may
    /// differ from those at build time; analyzer and kind of fields must be the same. Blocks of
    /// files are verified when a query first touches them; [`verify`](Self::verify) checks
    /// everything. Opening reads what it needs to know of each deleted row, besides headers.
    ///
    /// # Errors
    /// If `config` is not valid, if a folder holds nothing finished or something that was built
    /// with other settings, if what opening reads is damaged, or [`Error::Part`] if a part does not
    /// begin where the one before it ends or a row is deleted that it does not have.
    pub fn open(parts: &[Bm25Part<'_>], config: &Bm25Config) -> Result<Self, Error> {
        config.validate()?;
        let weights = weights(config.fields);
        let mut opened: Vec<Part> = Vec::with_capacity(parts.len());
        for part in parts {
            let first = opened.last().map_or(0, end);
            if part.first != first {
                return Err(Error::Part {
                    dir: part.dir.to_owned(),
                    reason: format!(
                        "it is to begin at row {}, but the parts before it end at {first}",
                        part.first
                    ),
                });
            }
            let part = guard("open", part.dir, || Part::open(part, config, &weights))?;
            if first.checked_add(part.n_rows()).is_none() {
                return Err(Error::Part {
                    dir: part.dir().to_owned(),
                    reason: format!("with it, the index has more than {} rows", u32::MAX),
                });
            }
            opened.push(part);
        }
        Ok(Bm25Index {
            analyzer: config.analyzer,
            analysis: Analysis::new(config),
            detector: Detector::new(),
            scoring: scoring(&opened, config, &weights),
            parts: opened,
        })
    }

    /// Opens the index of one folder, of which no row is deleted.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_folder(dir: &Path, config: &Bm25Config) -> Result<Self, Error> {
        let (first, deleted) = (0, None);
        let part = Bm25Part {
            dir,
            first,
            deleted,
        };
        Self::open(&[part], config)
    }

    /// Number of documents, those without any term included, without deleted ones.
    pub fn n_docs(&self) -> u32 {
        self.scoring.n_docs
    }

    /// Number of rows, those of deleted documents included: every row is below it.
    pub fn n_rows(&self) -> u32 {
        self.parts.last().map_or(0, end)
    }

    /// What [`Bm25Writer::finish`](crate::Bm25Writer::finish) returned for each part.
    pub fn records(&self) -> Vec<SealRecord> {
        let sealed = self.parts.iter().map(Part::sealed);
        sealed.map(treffer_disk::Sealed::record).collect()
    }

    /// The `depth` best documents among those that are `allowed`, best first, ties by `DocId`
    /// ascending; among all, if nothing is said of what is allowed. Only documents that hold at
    /// least one term of the query are found; a query without terms, such as one of stop words
    /// only, finds none.
    ///
    /// `allowed` changes no score. A row beyond its length is not allowed.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn search(
        &self,
        query: &str,
        depth: usize,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<(DocId, Score)>, Error> {
        let depth = depth.min(self.n_docs() as usize);
        if depth == 0 {
            return Ok(Vec::new());
        }
        let clauses = self.clauses(query)?;
        let mut top = Top::new(depth);
        for (nth, part) in self.parts.iter().enumerate() {
            guard("search", part.dir(), || {
                let cursors = self.cursors(&clauses, nth, part)?;
                search::offer_best(cursors, &part.rows(allowed), &mut top)
            })?;
        }
        let ranking = top.into_ranking();
        let mut found = Vec::with_capacity(ranking.len());
        for (score, row) in ranking {
            let doc = DocId(row);
            let score = match Score::new(score) {
                Some(score) => score,
                None => finite(self.place(doc)?.1, f64::from(score))?,
            };
            found.push((doc, score));
        }
        Ok(found)
    }

    /// The score of each of `docs`, in their order: 0 where no term of the query occurs,
    /// otherwise bit for bit what [`Bm25Index::search`] gives.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] for a document that was never added or is deleted, or if the index
    /// cannot be read.
    pub fn score(&self, query: &str, docs: &[DocId]) -> Result<Vec<Score>, Error> {
        let mut places = Vec::with_capacity(docs.len());
        for (i, &doc) in docs.iter().enumerate() {
            let (nth, _, row) = self.place(doc)?;
            places.push((nth, row, i));
        }
        // Cursors only move forward.
        places.sort_unstable();
        let mut scores = vec![Score::ZERO; docs.len()];
        let clauses = self.clauses(query)?;
        for places in places.chunk_by(|a, b| a.0 == b.0) {
            let (nth, ..) = places[0];
            let part = &self.parts[nth];
            guard("search", part.dir(), || {
                let mut sums = vec![0.0; places.len()];
                for mut cursor in self.cursors(&clauses, nth, part)? {
                    for (sum, &(_, row, _)) in sums.iter_mut().zip(places) {
                        *sum += cursor.score_of(row)?.unwrap_or(0.0);
                    }
                }
                for (sum, &(_, _, i)) in sums.into_iter().zip(places) {
                    scores[i] = finite(part, sum)?;
                }
                Ok(())
            })?;
        }
        Ok(scores)
    }

    /// The number of terms of each of `docs`, in their order: those of all searched fields.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`] for a document that was never added or is deleted.
    pub fn lengths(&self, docs: &[DocId]) -> Result<Vec<u32>, Error> {
        let length = |doc: &DocId| {
            let (_, part, row) = self.place(*doc)?;
            part.length(row)
        };
        docs.iter().map(length).collect()
    }

    /// The explanation of the score of `doc`: the query's terms that occur in it, each with
    /// its part of the score, in the order in which the parts are summed. Of a word with
    /// several forms, the terms of the form that counts.
    ///
    /// # Errors
    /// As [`Bm25Index::score`].
    pub fn explain(&self, query: &str, doc: DocId) -> Result<Vec<TermScore>, Error> {
        let (nth, part, row) = self.place(doc)?;
        let clauses = self.clauses(query)?;
        guard("search", part.dir(), || {
            let mut explained = Vec::new();
            for (clause, mut cursor) in clauses.iter().zip(self.cursors(&clauses, nth, part)?) {
                let Some((form, _)) = cursor.best_form(row)? else {
                    continue;
                };
                for (term, cursor) in clause.forms[form].iter().zip(&mut cursor.forms[form]) {
                    let Some(score) = cursor.score_of(row)? else {
                        continue;
                    };
                    let fields = part.explain_fields(cursor, row)?;
                    explained.push(TermScore {
                        term: term.text.clone(),
                        query_tf: clause.query_tf * term.tf,
                        tf: fields.iter().map(|field| field.tf).sum(),
                        df: term.postings.df,
                        idf: idf(self.n_docs(), term.postings.df),
                        weight: term.weight,
                        fields,
                        score: finite(part, score)?,
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
            let pieces = split(word, |piece| self.is_piece(piece))?;
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
            for_each_part(&word, &mut |part: &str| self.is_piece(part), &mut |part| {
                terms.push(part.to_owned());
            })?;
        }
        Ok((terms, length))
    }

    /// What becomes of a text in this index, as a document and as a query.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn trace(&self, text: &str) -> Result<Trace, Error> {
        let is_piece = |word: &str| self.is_piece(word);
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
    /// [`Error::UnknownDoc`] for a document that was never added or is deleted, or if the index
    /// cannot be read.
    pub fn language_of(&self, doc: DocId) -> Result<Option<Language>, Error> {
        let (_, part, row) = self.place(doc)?;
        part.language(row)
    }

    /// Number of documents by language, without deleted ones.
    pub fn languages(&self) -> LanguageCounts {
        let mut sum = LanguageCounts::default();
        for part in &self.parts {
            sum += part.live_languages();
        }
        sum
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

    pub(crate) fn has_compounds(&self) -> bool {
        self.analyzer.has_compounds()
    }

    /// Whether compounds are cut into `word`.
    fn is_piece(&self, word: &str) -> Result<bool, Error> {
        if !self.has_compounds() {
            return Ok(false);
        }
        for part in &self.parts {
            if part.has_piece(word)? {
                return Ok(true);
            }
        }
        Ok(SHORT_WORDS.contains(&word))
    }

    /// In how many documents a term occurs.
    pub(crate) fn df(&self, term: &str) -> Result<u32, Error> {
        let postings = TermPostings::find(&self.parts, term)?;
        Ok(postings.map_or(0, |postings| postings.df))
    }

    fn clauses(&self, query: &str) -> Result<Vec<Clause>, Error> {
        clauses(&self.query_words(query)?, self.n_docs(), |term| {
            TermPostings::find(&self.parts, term)
        })
    }

    fn cursors<'a>(
        &'a self,
        clauses: &[Clause],
        nth: usize,
        part: &'a Part,
    ) -> Result<Vec<ClauseCursor<'a>>, Error> {
        let cursor = |clause| ClauseCursor::new(clause, nth, part, &self.scoring);
        clauses.iter().map(cursor).collect()
    }

    /// The part that holds a document, which it is, and its row there.
    fn place(&self, doc: DocId) -> Result<(usize, &Part, u32), Error> {
        let nth = self.parts.partition_point(|part| end(part) <= doc.0);
        let part = self.parts.get(nth);
        let place = part.map(|part| (nth, part, doc.0 - part.first()));
        place
            .filter(|(_, part, row)| part.rows(None).contains(*row))
            .ok_or(Error::UnknownDoc { doc })
    }
}

/// The row after the last of a part.
fn end(part: &Part) -> u32 {
    part.first() + part.n_rows()
}

/// The formulas give finite scores for any postings that a writer can have written.
fn finite(part: &Part, score: f64) -> Result<Score, Error> {
    Score::new(score as f32).ok_or_else(|| Error::Damaged {
        dir: part.dir().to_owned(),
        reason: "its frequencies and lengths contradict each other".to_owned(),
    })
}

/// The statistics of all parts together, as if their documents had been built at once: sums of
/// integers, so that they do not depend on how documents are spread.
fn scoring(parts: &[Part], config: &Bm25Config, weights: &[f64]) -> Scoring {
    let n_docs = parts.iter().map(Part::n_live).sum();
    let layout = Layout::new(config.fields);
    let searched = layout.fields.iter().zip(weights);
    let searched = searched.filter(|&(_, &weight)| weight > 0.0);
    let field = |(nth, (field, &weight)): (usize, (&crate::layout::TextField, &f64))| {
        let of_parts = parts.iter().filter_map(|part| part.live_terms().nth(nth));
        let average_length = mean(of_parts.sum(), n_docs);
        let norm = LengthNorm::new(f64::from(config.b), average_length);
        FieldScoring {
            name: field.name,
            weight,
            average_length,
            norm,
            saturation: Saturation::new(f64::from(config.k1), weight, norm),
        }
    };
    Scoring {
        n_docs,
        k1: f64::from(config.k1),
        fields: searched.enumerate().map(field).collect(),
    }
}

fn weights(fields: Fields) -> Vec<f64> {
    match fields {
        Fields::Concatenated => vec![1.0],
        Fields::Weighted { title, text } => vec![f64::from(title), f64::from(text)],
    }
}

/// 0 for no documents.
fn mean(n_terms: u64, n_docs: u32) -> f64 {
    if n_docs == 0 {
        0.0
    } else {
        n_terms as f64 / f64::from(n_docs)
    }
}
