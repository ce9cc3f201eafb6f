//! What a query asks for at once: a term, or a word in several forms of which the best counts.

use std::collections::HashMap;
use std::rc::Rc;

use crate::analysis::QueryWord;
use crate::cursor::{FieldCursor, FieldScoring, OnlyField, TermCursor};
use crate::error::Error;
use crate::formula::idf;
use crate::part::{Part, PartTerm};

/// Where a term occurs in an index.
pub(crate) struct TermPostings {
    /// Number of documents, without deleted ones, that hold it in a searched field; at least 1.
    pub(crate) df: u32,
    /// By part of the index.
    by_part: Vec<Option<PartTerm>>,
}

impl TermPostings {
    /// Looks a term up in every part; `None` if no document that is not deleted holds it.
    pub(crate) fn find(parts: &[Part], term: &str) -> Result<Option<Self>, Error> {
        let by_part = parts.iter().map(|part| part.term(term));
        let by_part: Vec<Option<PartTerm>> = by_part.collect::<Result<_, _>>()?;
        let df = by_part.iter().flatten().map(|term| term.df).sum();
        Ok((df > 0).then_some(TermPostings { df, by_part }))
    }
}

/// A term of a form, which occurs in the index.
pub(crate) struct FormTerm {
    pub(crate) text: String,
    /// How often it occurs in the form.
    pub(crate) tf: u32,
    /// By which its score is multiplied.
    pub(crate) weight: f64,
    pub(crate) postings: Rc<TermPostings>,
}

/// A word of a query. Its score is that of its best form, and a form's is the sum over its
/// terms.
pub(crate) struct Clause {
    /// At least one, each with at least one term.
    pub(crate) forms: Vec<Vec<FormTerm>>,
    /// How often the query has the word.
    pub(crate) query_tf: u32,
}

/// The terms of a form, sorted, and the compound that they were cut from.
type Terms<'a> = (Vec<&'a str>, Option<&'a str>);

/// The clauses of a query, rarest term first. The order does not depend on the query's, so
/// neither does the rounding of a score. `find` looks a term up; terms that occur nowhere are
/// left out.
pub(crate) fn clauses(
    words: &[QueryWord],
    n_docs: u32,
    find: impl Fn(&str) -> Result<Option<TermPostings>, Error>,
) -> Result<Vec<Clause>, Error> {
    let mut found: HashMap<&str, Option<Rc<TermPostings>>> = HashMap::new();
    for form in words.iter().flat_map(|word| &word.forms) {
        for term in form.terms.iter().chain(&form.cut_from) {
            if !found.contains_key(term.as_str()) {
                found.insert(term, find(term)?.map(Rc::new));
            }
        }
    }
    let mut frequencies: HashMap<Vec<Terms<'_>>, u32> = HashMap::new();
    for word in words {
        let mut forms: Vec<Terms<'_>> = Vec::with_capacity(word.forms.len());
        for form in &word.forms {
            let terms = form.terms.iter().map(String::as_str);
            let mut terms: Vec<&str> = terms
                .filter(|term| found.get(term).is_some_and(Option::is_some))
                .collect();
            terms.sort_unstable();
            let form = (terms, form.cut_from.as_deref());
            if !form.0.is_empty() && !forms.contains(&form) {
                forms.push(form);
            }
        }
        // Without another form, each term is a word like any other.
        if let [(terms, None)] = forms.as_slice() {
            for &term in terms {
                *frequencies.entry(vec![(vec![term], None)]).or_insert(0) += 1;
            }
        } else if !forms.is_empty() {
            *frequencies.entry(forms).or_insert(0) += 1;
        }
    }
    let mut ordered: Vec<(u32, Vec<Terms<'_>>, u32)> = frequencies
        .into_iter()
        .map(|(forms, query_tf)| {
            let terms = forms.iter().flat_map(|(terms, _)| terms);
            let dfs = terms.filter_map(|term| Some(found.get(term)?.as_ref()?.df));
            (dfs.min().unwrap_or(0), forms, query_tf)
        })
        .collect();
    ordered.sort_unstable();
    let form = |(terms, cut_from): Terms<'_>| {
        let mut form: Vec<FormTerm> = Vec::with_capacity(terms.len());
        for text in terms {
            match form.last_mut() {
                Some(last) if last.text == text => last.tf += 1,
                _ => {
                    if let Some(Some(postings)) = found.get(text) {
                        form.push(FormTerm {
                            text: text.to_owned(),
                            tf: 1,
                            weight: 1.0,
                            postings: Rc::clone(postings),
                        });
                    }
                }
            }
        }
        if let Some(whole) = cut_from {
            let whole = found.get(whole).and_then(Option::as_ref);
            let df = whole.map_or(0, |postings| postings.df);
            weigh_parts(&mut form, idf(n_docs, df), n_docs);
        }
        form
    };
    Ok(ordered
        .into_iter()
        .map(|(_, forms, query_tf)| Clause {
            forms: forms.into_iter().map(form).collect(),
            query_tf,
        })
        .collect())
}

/// Most that the parts of a compound give together, in terms of what the whole gives.
const SHARE_OF_PARTS: f64 = 0.8;

/// Lets the parts of a compound give less than the whole, whose IDF is `whole`.
fn weigh_parts(parts: &mut [FormTerm], whole: f64, n_docs: u32) {
    let of_term = |term: &FormTerm| f64::from(term.tf) * idf(n_docs, term.postings.df);
    let sum: f64 = parts.iter().map(of_term).sum();
    let weight = (SHARE_OF_PARTS * whole / sum).min(1.0);
    for term in parts {
        term.weight = weight;
    }
}

/// What scores every part of an index alike.
pub(crate) struct Scoring {
    /// Number of documents, without deleted ones.
    pub(crate) n_docs: u32,
    pub(crate) k1: f64,
    /// Of each searched field.
    pub(crate) fields: Vec<FieldScoring>,
}

/// Walks the documents of one part that hold one clause, in ascending order.
pub(crate) struct ClauseCursor<'a> {
    /// The terms of each form.
    pub(crate) forms: Vec<Vec<TermCursor<'a>>>,
}

impl<'a> ClauseCursor<'a> {
    /// The cursor of the part `part`, which is the `nth` of its index.
    pub(crate) fn new(
        clause: &Clause,
        nth: usize,
        part: &'a Part,
        scoring: &'a Scoring,
    ) -> Result<Self, Error> {
        let cursor = |term: &FormTerm| {
            let tf = f64::from(clause.query_tf) * f64::from(term.tf) * term.weight;
            let here = term.postings.by_part.get(nth).and_then(Option::as_ref);
            let fields = here.map(|here| part.cursors(here, &scoring.fields));
            Ok(TermCursor {
                fields: fields.transpose()?.unwrap_or_default(),
                weighted_idf: tf * idf(scoring.n_docs, term.postings.df),
                k1: scoring.k1,
            })
        };
        let form = |terms: &Vec<FormTerm>| terms.iter().map(cursor).collect();
        let forms = clause
            .forms
            .iter()
            .map(form)
            .collect::<Result<_, Error>>()?;
        Ok(ClauseCursor { forms })
    }

    /// The cursors of all terms in all fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldCursor<'a>> {
        self.forms.iter().flatten().flat_map(|term| &term.fields)
    }

    /// The first row from `start` on that may hold the clause, `TERMINATED` if there is none.
    /// `start` never falls.
    pub(crate) fn next_row(&mut self, start: u32) -> u32 {
        let terms = self.forms.iter_mut().flatten();
        let rows = terms.map(|term| term.next_row(start));
        rows.min().unwrap_or(tantivy::TERMINATED)
    }

    /// Whether a term has so many postings that bounds of windows are worth looking at.
    pub(crate) fn is_dense(&self) -> bool {
        self.fields().any(FieldCursor::is_dense)
    }

    /// An upper bound of the score in any row; 0 only if none holds the clause.
    pub(crate) fn most(&self) -> f64 {
        let of_form = |form: &Vec<TermCursor<'_>>| form.iter().map(TermCursor::most).sum();
        self.forms.iter().map(of_form).fold(0.0, f64::max)
    }

    /// An upper bound of the score in rows from `start` to before `end`; 0 only if none of them
    /// holds the clause. `start` never falls.
    pub(crate) fn bound(&mut self, start: u32, end: u32) -> f64 {
        let mut most = 0.0;
        for form in &mut self.forms {
            let mut sum = 0.0;
            for term in form {
                sum += term.bound(start, end);
            }
            most = sum.max(most);
        }
        most
    }

    /// The only term in the only field that holds it, if the clause is no more than that.
    pub(crate) fn only_field(&mut self) -> Option<OnlyField<'_, 'a>> {
        match self.forms.as_mut_slice() {
            [form] => match form.as_mut_slice() {
                [term] => term.only_field(),
                _ => None,
            },
            _ => None,
        }
    }

    /// The score in `doc`, `None` if no form occurs there.
    pub(crate) fn score_of(&mut self, doc: u32) -> Result<Option<f64>, Error> {
        Ok(self.best_form(doc)?.map(|(_, score)| score))
    }

    /// The form that counts in `doc`, and its score; `None` if none occurs there.
    pub(crate) fn best_form(&mut self, doc: u32) -> Result<Option<(usize, f64)>, Error> {
        let mut best: Option<(usize, f64)> = None;
        for (i, form) in self.forms.iter_mut().enumerate() {
            let mut sum = None;
            for term in form {
                if let Some(score) = term.score_of(doc)? {
                    sum = Some(sum.unwrap_or(0.0) + score);
                }
            }
            if let Some(score) = sum
                && best.is_none_or(|(_, best)| score > best)
            {
                best = Some((i, score));
            }
        }
        Ok(best)
    }

    /// Visits every row from `start` to before `end` that holds the clause, with its score. They are
    /// near: the scores are kept until all forms are known.
    pub(crate) fn for_each_in(
        &mut self,
        start: u32,
        end: u32,
        mut visit: impl FnMut(u32, f64),
    ) -> Result<(), Error> {
        if let [form] = self.forms.as_mut_slice()
            && let [term] = form.as_mut_slice()
        {
            return term.for_each_in(start, end, visit);
        }
        let mut best = Vec::new();
        for form in &mut self.forms {
            let mut sums = Vec::new();
            for term in form {
                let mut scores = Vec::new();
                term.for_each_in(start, end, |doc, score| scores.push((doc, score)))?;
                sums = merged(sums, scores, |sum, score| sum + score);
            }
            best = merged(best, sums, f64::max);
        }
        for (doc, score) in best {
            visit(doc, score);
        }
        Ok(())
    }
}

/// Two lists of documents with scores, ascending, as one; `both` makes one score of two.
fn merged(
    left: Vec<(u32, f64)>,
    right: Vec<(u32, f64)>,
    both: impl Fn(f64, f64) -> f64,
) -> Vec<(u32, f64)> {
    if left.is_empty() {
        return right;
    }
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let mut left = left.into_iter().peekable();
    for (doc, score) in right {
        while let Some(before) = left.next_if(|&(other, _)| other < doc) {
            merged.push(before);
        }
        let score = match left.next_if(|&(other, _)| other == doc) {
            Some((_, other)) => both(other, score),
            None => score,
        };
        merged.push((doc, score));
    }
    merged.extend(left);
    merged
}
