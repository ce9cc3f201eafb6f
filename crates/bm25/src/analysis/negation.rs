//! Which words are negated: what a text says something is without.
//!
//! For terms, `mit Gefrierfach` and `ohne Gefrierfach` are nearly the same. A negated word therefore
//! has a mark besides its terms: a document that says `ohne Gefrierfach` is indexed under
//! `gefrierfach` and `¬gefrierfach`, and a query that says so asks for both, each a word of its own.
//! As few documents have the mark, it counts much where it is. What merely mentions the word is
//! still found.
//!
//! Words such as `ohne`, `kein`, `without` and `no` negate what follows: up to two words that are no
//! stop words, as far as no punctuation interrupts. What ends there negates what is before the
//! punctuation (`Alarm: no`). `nicht` and `not` deny a sentence rather than name what is missing:
//! marking what is around them gains nothing on product texts and loses on questions and claims.
//! Marking words near a negation as other words is from Das and Chen, Yahoo! for Amazon: Sentiment
//! Extraction from Small Talk on the Web (Management Science 53, 2007).

use treffer_types::Language;

use super::runs::{Gap, Kind, Runs};
use super::vocabulary::Vocabulary;
use super::words::{Role, Sink};

/// Words that are negated on one side.
const WINDOW: usize = 2;

/// Before a term that is negated. No text has it in a term: it is no letter.
const MARK: char = '¬';

/// Whether a word negates what follows.
fn negates(word: &str, language: Language) -> bool {
    match language {
        Language::German => matches!(
            word,
            "ohne"
                | "kein"
                | "keine"
                | "keinem"
                | "keinen"
                | "keiner"
                | "keines"
                | "weder"
                | "nein"
        ),
        Language::English => matches!(word, "without" | "no" | "neither" | "nor" | "none"),
        Language::Other => false,
    }
}

/// Whether what is said from here on is not negated.
fn ends(word: &str, language: Language) -> bool {
    match language {
        Language::German => matches!(word, "aber" | "mit" | "sondern" | "sowie"),
        Language::English => matches!(word, "but" | "with"),
        Language::Other => false,
    }
}

/// Which runs of a text are negated.
#[derive(Default)]
pub(super) struct Negated(Vec<bool>);

impl Negated {
    /// None of any text.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those of a text in this language.
    pub(super) fn find(&mut self, runs: &Runs, vocabulary: &Vocabulary) {
        self.0.clear();
        for at in (0..).take_while(|at| runs.get(*at).is_some()) {
            if !negates(runs.text(at), vocabulary.language()) {
                continue;
            }
            let mut reach = Reach {
                runs,
                vocabulary,
                negated: &mut self.0,
            };
            if reach.mark_following(at) == 0 && reach.gap(at) == Some(Gap::Break) {
                reach.mark_before(at);
            }
        }
    }

    pub(super) fn is_negated(&self, at: usize) -> bool {
        self.0.get(at).copied().unwrap_or(false)
    }
}

/// What can be reached from a word that negates.
struct Reach<'a> {
    runs: &'a Runs,
    vocabulary: &'a Vocabulary,
    negated: &'a mut Vec<bool>,
}

impl Reach<'_> {
    /// Returns how many words are negated.
    fn mark_following(&mut self, at: usize) -> usize {
        let (mut n, mut next) = (0, at + 1);
        while n < WINDOW
            && self.gap(next).is_some_and(|gap| gap != Gap::Break)
            && !ends(self.runs.text(next), self.vocabulary.language())
        {
            let mut end = next + 1;
            while self.continues(end) {
                end += 1;
            }
            n += usize::from(self.mark(next, end));
            next = end;
        }
        n
    }

    /// What is before the punctuation before `at`.
    fn mark_before(&mut self, at: usize) {
        let (mut n, mut end) = (0, at);
        while n < WINDOW && end > 0 && (end == at || self.gap(end) != Some(Gap::Break)) {
            let mut start = end - 1;
            while start > 0 && self.continues(start) {
                start -= 1;
            }
            n += usize::from(self.mark(start, end));
            end = start;
        }
    }

    /// Negates the runs of a word, unless it is one that is passed over.
    fn mark(&mut self, start: usize, end: usize) -> bool {
        let is_content = (start..end).any(|at| {
            let text = self.runs.text(at);
            match self.runs.get(at).map(|run| run.kind) {
                Some(Kind::Letters) => {
                    !self.vocabulary.is_stop_word(text)
                        && !negates(text, self.vocabulary.language())
                }
                Some(Kind::Number | Kind::Unspaced) => true,
                Some(Kind::Sign) | None => false,
            }
        });
        if is_content {
            self.negated.resize(self.negated.len().max(end), false);
            self.negated[start..end].fill(true);
        }
        is_content
    }

    /// Whether the run at `at` belongs to the same word as the one before.
    fn continues(&self, at: usize) -> bool {
        matches!(self.gap(at), Some(Gap::Tight | Gap::Hyphen))
    }

    fn gap(&self, at: usize) -> Option<Gap> {
        self.runs.get(at).map(|run| run.gap)
    }
}

/// Passes the terms of negated words on, with a mark for each that a query asks for. Numbers have
/// none: they are values, not what something has.
pub(super) struct Marking<'a, S> {
    pub(super) sink: &'a mut S,
    pub(super) marks: Vec<String>,
}

impl<S: Sink> Sink for Marking<'_, S> {
    fn term(&mut self, role: Role, term: &str) {
        self.sink.term(role, term);
        if matches!(role, Role::Part | Role::Word) && !term.contains(|c: char| c.is_ascii_digit()) {
            self.marks.push(format!("{MARK}{term}"));
        }
    }

    fn end_word(&mut self, length: u32) {
        for mark in self.marks.drain(..) {
            self.sink.term(Role::Negated, &mark);
        }
        self.sink.end_word(length);
    }
}
