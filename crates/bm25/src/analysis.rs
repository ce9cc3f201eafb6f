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
//! # Languages
//!
//! The analyzer `mixed` has a vocabulary for each language. A document goes through that of its
//! own, a query too, and what is unsure goes through both: a document then has the terms of both,
//! and a query asks for each word in the form that gives the document more. Only the last step
//! differs, so that a text is cut into the same words in every language. Therefore an apostrophe
//! between letters belongs to the word, and each language drops what it has there (`'s`, `l'`).
//!
//! # Compounds
//!
//! What a language writes in one word is cut afterwards (`compounds`), where all pieces are terms of
//! the index. These are known once all documents are read, so documents wait for the end of a build
//! (`spool`); queries look them up (`word_list`). Some short nouns and the words of a list may be added. A document with `Laborkühlschrank` is also indexed under
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
//!
//! # Negation
//!
//! `ohne Gefrierfach` is more than a mention of `gefrierfach`: the word also has a mark, in documents
//! and in queries (`negation`), if the configuration says so.

use serde::Serialize;
use treffer_types::Language;

use crate::config::{Analyzer, Bm25Config};

mod characters;
pub(crate) mod compounds;
mod negation;
mod numbers;
mod runs;
mod scripts;
mod term_cache;
#[cfg(test)]
mod tests;
mod trace;
mod units;
mod vocabulary;
mod words;

use characters::{Accents, normalize};
use negation::Negated;
use runs::Runs;
pub(crate) use scripts::{has_no_blanks, letters_with_marks};
use term_cache::TermCache;
pub use trace::{RunTrace, TermTrace, Trace, WordTrace};
use units::Units;
use vocabulary::Vocabulary;
use words::Words;
pub(crate) use words::{Role, Sink};

/// The chain of one configuration.
pub(crate) struct Analysis {
    accents: Accents,
    /// Whether an apostrophe between two letters belongs to the word, as in `don't`.
    apostrophes: bool,
    /// One; with the analyzer for several languages, those of German, English and all others.
    vocabularies: Vec<Vocabulary>,
    units: Units,
    /// Whether negated words are marked.
    marks_negated: bool,
}

/// What the steps of the chain hand on, kept from one text to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    normalized: String,
    runs: Runs,
    terms: TermCache,
    negated: Negated,
}

/// Whether a term of a document may be a compound.
pub(crate) fn is_word(role: Role, term: &str) -> bool {
    role == Role::Word && compounds::is_plain_word(term)
}

/// A word of a query, in the forms in which it is asked for: the one that gives a document most
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryWord {
    /// At least one, without repetition.
    pub forms: Vec<Form>,
}

/// Terms that are asked for together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Form {
    /// At least one.
    pub terms: Vec<String>,
    /// The term that was cut into these, if one was: they give less than it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<String>,
}

impl Form {
    fn of(terms: Vec<String>) -> Self {
        let cut_from = None;
        Form { terms, cut_from }
    }
}

/// The languages in which a text is analyzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Languages {
    One(Language),
    /// German and English: the text may be either.
    Both,
    /// Every one.
    All,
}

impl From<Option<Language>> for Languages {
    /// Of a document.
    fn from(language: Option<Language>) -> Self {
        language.map_or(Languages::Both, Languages::One)
    }
}

/// What becomes of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexed {
    pub(crate) terms: Vec<String>,
    /// Those that may be compounds.
    pub(crate) words: Vec<String>,
    pub(crate) length: u32,
}

impl Analysis {
    /// The chain that `config` names.
    pub(crate) fn new(config: &Bm25Config) -> Self {
        let folds = config.folds_accents();
        let accents = match (folds, config.analyzer) {
            (false, _) => Accents::Kept,
            // The stemmer decides about them, after it has used them.
            (true, Analyzer::German | Analyzer::Mixed) => Accents::FoldedExceptUmlauts,
            (true, Analyzer::English | Analyzer::Plain) => Accents::Folded,
        };
        Analysis {
            accents,
            apostrophes: matches!(config.analyzer, Analyzer::English | Analyzer::Mixed),
            vocabularies: match config.analyzer {
                Analyzer::German => vec![Vocabulary::alone(Language::German)],
                Analyzer::English => vec![Vocabulary::alone(Language::English)],
                Analyzer::Plain => vec![Vocabulary::alone(Language::Other)],
                Analyzer::Mixed => Vocabulary::of_all(folds),
            },
            units: Units::new(),
            marks_negated: config.negation,
        }
    }

    fn vocabularies(&self, languages: Languages) -> &[Vocabulary] {
        let all = self.vocabularies.as_slice();
        match languages {
            _ if all.len() == 1 => all,
            Languages::One(language) => {
                let at = all
                    .iter()
                    .position(|vocabulary| vocabulary.language() == language);
                at.map_or(all, |at| &all[at..=at])
            }
            Languages::Both => &all[..2],
            Languages::All => all,
        }
    }

    /// Passes the terms of `text` to `sink`, word by word.
    pub(crate) fn read(
        &self,
        text: &str,
        languages: Languages,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
    ) {
        self.read_runs(text, scratch);
        match self.vocabularies(languages) {
            [vocabulary] => self.read_words(scratch, vocabulary, sink),
            several => {
                for word in self.in_each(several, scratch) {
                    union(&word, sink);
                }
            }
        }
    }

    fn read_runs(&self, text: &str, scratch: &mut Scratch) {
        scratch.normalized.clear();
        normalize(text, self.accents, &mut scratch.normalized);
        scratch.runs.read(&scratch.normalized, self.apostrophes);
    }

    fn read_words(&self, scratch: &mut Scratch, vocabulary: &Vocabulary, sink: &mut impl Sink) {
        self.find_negated(scratch, vocabulary);
        self.words(scratch, vocabulary, sink).read();
    }

    fn find_negated(&self, scratch: &mut Scratch, vocabulary: &Vocabulary) {
        if self.marks_negated {
            scratch.negated.find(&scratch.runs, vocabulary);
        } else {
            scratch.negated.clear();
        }
    }

    /// What cuts the runs into words.
    fn words<'a, S: Sink>(
        &'a self,
        scratch: &'a mut Scratch,
        vocabulary: &'a Vocabulary,
        sink: &'a mut S,
    ) -> Words<'a, S> {
        Words {
            runs: &scratch.runs,
            terms: &mut scratch.terms,
            vocabulary,
            units: &self.units,
            negated: &scratch.negated,
            sink,
        }
    }

    /// Every word, in each of the vocabularies.
    fn in_each(&self, vocabularies: &[Vocabulary], scratch: &mut Scratch) -> Vec<Vec<Word>> {
        let mut all: Vec<Vec<Word>> = Vec::new();
        for vocabulary in vocabularies {
            let mut collected = Collected::default();
            self.read_words(scratch, vocabulary, &mut collected);
            all.resize_with(all.len().max(collected.words.len()), Vec::new);
            for (word, further) in all.iter_mut().zip(collected.words) {
                word.push(further);
            }
        }
        all
    }

    /// What a query asks for, word by word; words without terms are left out. `cut` gives the
    /// pieces of a compound.
    pub(crate) fn query<E>(
        &self,
        query: &str,
        languages: Languages,
        mut cut: impl FnMut(&str) -> Result<Vec<String>, E>,
    ) -> Result<Vec<QueryWord>, E> {
        let mut scratch = Scratch::default();
        self.read_runs(query, &mut scratch);
        let mut words = Vec::new();
        for word in self.in_each(self.vocabularies(languages), &mut scratch) {
            let asked = AskedWord::of(word, &mut cut)?;
            let both = [asked.word, asked.negated].into_iter();
            words.extend(both.filter(|word| !word.forms.is_empty()));
        }
        Ok(words)
    }

    /// The terms under which a document of this text is indexed, and its length.
    pub(crate) fn document(&self, text: &str, languages: Languages) -> Indexed {
        let mut indexed = Indexed::default();
        self.read(text, languages, &mut Scratch::default(), &mut indexed);
        indexed
    }
}

/// A word of a query, and that it is negated: without forms if it is not.
#[derive(Default)]
struct AskedWord {
    word: QueryWord,
    negated: QueryWord,
}

impl AskedWord {
    /// From a word in each language of the query.
    fn of<E>(
        in_languages: Vec<Word>,
        cut: &mut impl FnMut(&str) -> Result<Vec<String>, E>,
    ) -> Result<Self, E> {
        let mut asked = AskedWord::default();
        for in_language in in_languages {
            let negated = in_language.negated();
            for form in in_language.forms(cut)? {
                add(form, &mut asked.word.forms);
            }
            if let Some(form) = negated {
                add(form, &mut asked.negated.forms);
            }
        }
        Ok(asked)
    }
}

fn add(form: Form, forms: &mut Vec<Form>) {
    if !forms.contains(&form) {
        forms.push(form);
    }
}

/// A word with its terms.
#[derive(Debug, Default)]
struct Word {
    terms: Vec<(Role, String)>,
    length: u32,
}

impl Word {
    /// The forms in which a query asks for it.
    fn forms<E>(
        self,
        cut: &mut impl FnMut(&str) -> Result<Vec<String>, E>,
    ) -> Result<Vec<Form>, E> {
        let mut parts = Vec::new();
        let mut wholes = Vec::new();
        let mut is_word = true;
        for (role, term) in self.terms {
            match role {
                Role::Part | Role::Word => {
                    is_word &= role == Role::Word;
                    parts.push(term);
                }
                Role::Whole => wholes.push(term),
                Role::Also | Role::Negated => {}
            }
        }
        let mut forms = Vec::new();
        if let ([word], [], true) = (parts.as_slice(), wholes.as_slice(), is_word) {
            let pieces = cut(word)?;
            if !pieces.is_empty() {
                forms.push(Form {
                    terms: pieces,
                    cut_from: Some(word.clone()),
                });
            }
        }
        if !parts.is_empty() {
            forms.push(Form::of(parts));
        }
        forms.extend(wholes.into_iter().map(|whole| Form::of(vec![whole])));
        Ok(forms)
    }

    /// The form in which a query asks that it is negated, if it says so.
    fn negated(&self) -> Option<Form> {
        let marks = self.terms.iter();
        let marks = marks.filter(|(role, _)| *role == Role::Negated);
        let marks: Vec<String> = marks.map(|(_, mark)| mark.clone()).collect();
        (!marks.is_empty()).then(|| Form::of(marks))
    }
}

#[derive(Default)]
struct Collected {
    word: Word,
    words: Vec<Word>,
}

impl Sink for Collected {
    fn term(&mut self, role: Role, term: &str) {
        self.word.terms.push((role, term.to_owned()));
    }

    fn end_word(&mut self, length: u32) {
        self.word.length = length;
        self.words.push(std::mem::take(&mut self.word));
    }
}

/// Passes on a word in several languages: each term as often as in the language that has it most
/// often, and the length of what is written.
fn union(word: &[Word], sink: &mut impl Sink) {
    for (i, in_language) in word.iter().enumerate() {
        for (at, (role, term)) in in_language.terms.iter().enumerate() {
            let count =
                |terms: &[(Role, String)]| terms.iter().filter(|(_, other)| other == term).count();
            let nth = count(&in_language.terms[..=at]);
            if word[..i].iter().all(|before| count(&before.terms) < nth) {
                sink.term(*role, term);
            }
        }
    }
    let length = word.iter().map(|in_language| in_language.length).max();
    sink.end_word(length.unwrap_or(0));
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
