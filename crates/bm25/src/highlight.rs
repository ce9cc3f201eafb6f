//! Where the words of a query stand in a text.

use std::collections::HashMap;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use crate::analysis::{has_no_blanks, letters_with_marks};
use crate::error::Error;
use crate::formula::idf;
use crate::index::Bm25Index;
use treffer_types::Language;

/// A query, ready to be found in texts.
pub struct Highlighter<'a> {
    index: &'a Bm25Index,
    /// Each term that the query asks for, with its IDF.
    terms: HashMap<String, f64>,
}

/// A word of the query in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Mention {
    /// Where it stands, in bytes of the text.
    pub place: Range<usize>,
    /// The term of the query that it is, the rarest if it is several.
    pub term: String,
    /// How rare that term is in the index: its IDF.
    pub idf: f64,
}

impl Bm25Index {
    /// Prepares to find the words of `query` in texts.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn highlighter(&self, query: &str) -> Result<Highlighter<'_>, Error> {
        let mut terms = HashMap::new();
        let forms = self
            .query_words(query)?
            .into_iter()
            .flat_map(|word| word.forms);
        for term in forms.flat_map(|form| form.terms) {
            let idf = idf(self.n_docs(), self.df(&term)?);
            terms.insert(term, idf);
        }
        Ok(Highlighter { index: self, terms })
    }
}

impl Highlighter<'_> {
    /// The words of the text, which is in this language or in German or English if that is
    /// unsure, that share a term with the query, in their order: those that BM25 scores, as they are written. A word is what stands between white space, without the
    /// punctuation around it; in scripts without blanks it is a pair of characters.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn find(&self, text: &str, language: Option<Language>) -> Result<Vec<Mention>, Error> {
        let mut mentions: Vec<Mention> = Vec::new();
        for place in words(text) {
            let (terms, _) = self.index.document_terms(&text[place.clone()], language)?;
            let asked = terms
                .iter()
                .filter_map(|term| self.terms.get_key_value(term));
            let rarest = asked.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
            let Some((term, idf)) = rarest else {
                continue;
            };
            match mentions.last_mut() {
                // Pairs of characters overlap.
                Some(last) if place.start < last.place.end => last.place.end = place.end,
                _ => mentions.push(Mention {
                    place,
                    term: term.clone(),
                    idf: *idf,
                }),
            }
        }
        Ok(mentions)
    }
}

/// Where the words of a text are.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let trimmed = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        // Marks belong to the letter before them.
        let is_part = |c: char| c.is_alphanumeric() || is_combining_mark(c);
        let trimmed = trimmed.trim_end_matches(|c: char| !is_part(c));
        let start = trimmed.as_ptr().addr() - text.as_ptr().addr();
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.chars().any(has_no_blanks) {
            pairs(trimmed, start, &mut words);
        } else {
            words.push(start..start + trimmed.len());
        }
    }
    words
}

/// Every two neighboring letters, with their marks, of a text that begins at `start`; the one, if
/// it is one: as the analysis pairs them.
fn pairs(text: &str, start: usize, words: &mut Vec<Range<usize>>) {
    let ends = letters_with_marks(text).scan(0, |end, letter| {
        *end += letter.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    if let [end] = ends[..] {
        words.push(start..start + end);
    }
    let starts = [0].into_iter().chain(ends.iter().copied());
    for (first, end) in starts.zip(ends.iter().skip(1)) {
        words.push(start + first..start + end);
    }
}

#[cfg(test)]
mod tests {
    use treffer_types::DocId;

    use super::*;
    use crate::{Analyzer, Bm25Config, Bm25Writer, Fields};

    fn marked(analyzer: Analyzer, query: &str, text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let config = Bm25Config {
            analyzer,
            fold_accents: None,
            negation: false,
            words: None,
            k1: 0.9,
            b: 0.4,
            fields: Fields::Concatenated,
        };
        let mut writer = Bm25Writer::create(dir.path(), &config).unwrap();
        writer.add(DocId(0), "", text).unwrap();
        writer.add(DocId(1), "", "Labor Kühlschrank").unwrap();
        writer.finish().unwrap();
        let index = Bm25Index::open_folder(dir.path(), &config).unwrap();
        let mentions = index.highlighter(query).unwrap().find(text, None).unwrap();
        let mut shown = text.to_owned();
        for Mention { place, .. } in mentions.iter().rev() {
            shown.insert(place.end, ']');
            shown.insert(place.start, '[');
        }
        shown
    }

    #[test]
    fn words_are_marked_as_they_are_written() {
        let text = "The (refrigerators), 280 L each; Refrigerate.";
        let shown = marked(Analyzer::English, "a 280L refrigerator", text);
        assert_eq!(shown, "The ([refrigerators]), [280] L each; [Refrigerate].");
    }

    #[test]
    fn compounds_are_marked_by_their_parts() {
        let shown = marked(
            Analyzer::German,
            "Kühlschränke",
            "Ein Laborkühlschrank, leise.",
        );
        assert_eq!(shown, "Ein [Laborkühlschrank], leise.");
    }

    #[test]
    fn scripts_without_blanks_are_marked_by_pairs() {
        assert_eq!(
            marked(Analyzer::Plain, "東京都", "私は東京都に住む"),
            "私は[東京都]に住む"
        );
    }

    #[test]
    fn marks_belong_to_their_letters() {
        for (text, shown) in [
            ("น้ำแข็ง", "[น้ำแข็ง]"),
            ("น้ำ", "[น้ำ]"),
            ("ガラス", "[ガラス]"),
            (
                "le cafe\u{301}, ete\u{301}",
                "[le] [cafe\u{301}], [ete\u{301}]",
            ),
        ] {
            assert_eq!(marked(Analyzer::Plain, text, text), shown);
        }
    }
}
