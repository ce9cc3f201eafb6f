//! From text to terms: the same chain for documents and for queries, in every analyzer.
//!
//! 1. **Characters** (`characters`): NFKC and full case folding, so that ligatures, full and half
//!    width, super- and subscripts, `İ`, final sigma and `ß` are what they look like. Invisible
//!    characters are gone, accents too if the configuration says so.
//! 2. **Runs** (`runs`): letters, numbers (`1.234`, `1,234` and `1234` are one, and `1.5` and
//!    `1,5`), letters of scripts without blanks, and what stands between two runs.
//! 3. **Words** (`words`): which runs are one word, however they are written. See below.
//! 4. **Terms**: the parts of a word, the word as a whole, and what else finds it.
//! 5. **Vocabulary** (`vocabulary`): words of letters lose stop words and endings, by language.
//!
//! # Compounds
//!
//! What a language writes in one word is cut afterwards (`compounds`), where all pieces are terms of
//! the index. These are known once all documents are read, so documents wait for the end of a build
//! (`spool`); queries look terms up. A document with `Laborkühlschrank` is also indexed under
//! `labor`, `kuhlschrank`, `kuhl` and `schrank`, if all of these are terms of the index. A query for
//! it asks for the whole, or for `labor` and `kuhlschrank`, which give less together. What is not
//! written in one word of letters (the whole of `Labor-Kühlschrank`, codes, numbers) is not cut.
//!
//! # One word in several spellings
//!
//! | written | parts | whole |
//! |---|---|---|
//! | `LABO-288`, `LABO 288`, `LABO_288` | `labo`, `288` | `labo288` |
//! | `LABO288` | `labo288` | |
//! | `Wi-Fi`, `wi fi` | `wi`, `fi` | `wifi` |
//! | `wifi` | `wifi` | |
//! | `280L`, `280 l`, `280-Liter` | `280` | `280l` |
//! | `60x60`, `60 × 60` | `60`, `60` | `60x60` |
//! | `state-of-the-art` | `state`, `art` | `stateoftheart` |
//! | `東京都` | `東京`; `京都` | |
//!
//! **A document** is indexed under all of these terms, and under what else should find it: the
//! letters and the digits of `LABO288` (but not of `573a`, which is not 573), the unit as it was
//! written, each character of `東京`.
//! **A query** asks for every word once, in the form that gives the document more: the sum over
//! the parts, or the whole. So a word has one say, whatever the number of its forms.
//! **Lengths** count what was written, not the terms: `LABO288`, `LABO-288` and `LABO 288` are
//! two long each, and further forms add nothing. The length of a text of plain words is the
//! number of its terms.
//!
//! What is written together is asked for together: `LABO288` does not find 288 alone. Digits
//! are never cut or run together, so that 13277 finds neither 13271 nor 132 77.

use crate::config::{Analyzer, Bm25Config};

mod characters;
pub(crate) mod compounds;
mod numbers;
mod runs;
mod scripts;
#[cfg(test)]
mod tests;
mod units;
mod vocabulary;
mod words;

use characters::{Accents, normalize};
use runs::Runs;
pub(crate) use scripts::has_no_blanks;
use units::Units;
use vocabulary::Vocabulary;
use words::Words;
pub(crate) use words::{Role, Sink};

/// The chain of one configuration.
pub(crate) struct Analysis {
    accents: Accents,
    /// Whether an apostrophe between two letters belongs to the word, as in `don't`.
    apostrophes: bool,
    vocabulary: Vocabulary,
    units: Units,
}

/// What the steps of the chain hand on, kept from one text to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    normalized: String,
    runs: Runs,
}

/// Whether a term of a document may be a compound or a piece of one.
pub(crate) fn is_word(role: Role, term: &str) -> bool {
    role == Role::Part && compounds::is_plain_word(term)
}

/// A word of a query, in the forms in which it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryWord {
    /// The terms of its parts, asked for together.
    pub parts: Vec<String>,
    /// The term of the whole, asked for in place of the parts.
    pub whole: Option<String>,
    /// Whether the whole is how the word is written, and the parts are words of the index of
    /// which it is made: then they give less than the whole.
    pub is_cut: bool,
}

impl Analysis {
    /// The chain that `config` names.
    pub(crate) fn new(config: &Bm25Config) -> Self {
        let accents = match (config.folds_accents(), config.analyzer) {
            (false, _) => Accents::Kept,
            // The stemmer decides about them, after it has used them.
            (true, Analyzer::German) => Accents::FoldedExceptUmlauts,
            (true, Analyzer::English | Analyzer::Plain) => Accents::Folded,
        };
        Analysis {
            accents,
            apostrophes: config.analyzer == Analyzer::English,
            vocabulary: Vocabulary::new(config.analyzer),
            units: Units::new(),
        }
    }

    /// Passes the terms of `text` to `sink`, word by word.
    pub(crate) fn read(&self, text: &str, scratch: &mut Scratch, sink: &mut impl Sink) {
        scratch.normalized.clear();
        normalize(text, self.accents, &mut scratch.normalized);
        scratch.runs.read(&scratch.normalized, self.apostrophes);
        let mut words = Words {
            runs: &scratch.runs,
            vocabulary: &self.vocabulary,
            units: &self.units,
            sink,
        };
        words.read();
    }

    /// What a query asks for, word by word; words without terms are left out.
    pub(crate) fn query(&self, query: &str) -> Vec<QueryWord> {
        let mut asked = Asked::default();
        self.read(query, &mut Scratch::default(), &mut asked);
        asked.words
    }

    /// The terms under which a document of this text is indexed, and its length.
    pub(crate) fn document(&self, text: &str) -> (Vec<String>, u32) {
        let (terms, _, length) = self.document_words(text);
        (terms, length)
    }

    /// As [`document`](Self::document), with those of the terms that may be compounds.
    pub(crate) fn document_words(&self, text: &str) -> (Vec<String>, Vec<String>, u32) {
        let mut indexed = Indexed::default();
        self.read(text, &mut Scratch::default(), &mut indexed);
        (indexed.terms, indexed.words, indexed.length)
    }
}

#[derive(Default)]
struct Asked {
    word: QueryWord,
    words: Vec<QueryWord>,
}

impl Sink for Asked {
    fn term(&mut self, role: Role, term: &str) {
        match role {
            Role::Part => self.word.parts.push(term.to_owned()),
            Role::Whole => self.word.whole = Some(term.to_owned()),
            Role::Also => {}
        }
    }

    fn end_word(&mut self, _length: u32) {
        let word = std::mem::take(&mut self.word);
        if word != QueryWord::default() {
            self.words.push(word);
        }
    }
}

#[derive(Default)]
struct Indexed {
    terms: Vec<String>,
    /// Those that may be compounds.
    words: Vec<String>,
    length: u32,
}

impl Sink for Indexed {
    fn term(&mut self, role: Role, term: &str) {
        self.terms.push(term.to_owned());
        if is_word(role, term) {
            self.words.push(term.to_owned());
        }
    }

    fn end_word(&mut self, length: u32) {
        self.length = self.length.saturating_add(length);
    }
}
