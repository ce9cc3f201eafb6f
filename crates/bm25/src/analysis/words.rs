//! Steps 3 and 4: which runs are one word however they are written, and the terms of each word.

use std::borrow::Cow;

use super::negation::{Marking, Negated};
use super::runs::{Gap, Kind, MAX_RUN_BYTES, Runs};
use super::scripts::letters_with_marks;
use super::term_cache::TermCache;
use super::units::Units;
use super::vocabulary::Vocabulary;

mod quantities;

/// Longest letters that are joined with a number after a blank: `LABO 288`, `Windows 11`.
const MAX_PREFIX_CHARS: usize = 12;
/// Longest words that are joined after a blank: `wi fi`.
const MAX_SHORT_CHARS: usize = 2;
/// Longest compound that is joined: `state-of-the-art` is, the title in an address is not.
const MAX_JOINED_WORDS: usize = 8;
const MAX_JOINED_BYTES: usize = 64;

/// What a term is to its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A part. A query asks for all of them together.
    Part,
    /// A part that is a word of letters of a language with compounds.
    Word,
    /// The parts as one. A query asks for it in place of the parts.
    Whole,
    /// Only in documents: found by those who write less, or write it otherwise.
    Also,
    /// That the word is negated. A query asks for it besides the word.
    Negated,
}

/// Takes the terms of a text.
pub(crate) trait Sink {
    /// A term of the current word.
    fn term(&mut self, role: Role, term: &str);
    /// The current word is complete, and counts `length` in the length of the text.
    fn end_word(&mut self, length: u32);
}

/// Cuts runs into words and passes their terms on.
pub(super) struct Words<'a, S> {
    pub(super) runs: &'a Runs,
    pub(super) terms: &'a mut TermCache,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) units: &'a Units,
    pub(super) negated: &'a Negated,
    pub(super) sink: &'a mut S,
}

impl<S: Sink> Words<'_, S> {
    pub(super) fn read(&mut self) {
        let mut at = 0;
        while self.runs.get(at).is_some() {
            at = self.step(at);
        }
    }

    /// Takes the word that begins at `at`. Returns where the next one begins.
    pub(super) fn step(&mut self, at: usize) -> usize {
        if !self.negated.is_negated(at) {
            return self.take(at);
        }
        let mut marking = Marking {
            sink: &mut *self.sink,
            marks: Vec::new(),
        };
        let mut words = Words {
            runs: self.runs,
            terms: &mut *self.terms,
            vocabulary: self.vocabulary,
            units: self.units,
            negated: self.negated,
            sink: &mut marking,
        };
        words.take(at)
    }

    fn take(&mut self, at: usize) -> usize {
        match self.runs.get(at).map(|run| run.kind) {
            Some(Kind::Unspaced) => self.unspaced(at),
            Some(Kind::Number) => self
                .dimensions(at)
                .or_else(|| self.quantity(at))
                .unwrap_or_else(|| self.compound(at)),
            Some(Kind::Letters) => self.compound(at),
            Some(Kind::Sign) | None => at + 1,
        }
    }

    /// Text without blanks: every two letters that follow each other, and each letter for
    /// queries of one.
    fn unspaced(&mut self, at: usize) -> usize {
        let mut letters = letters_with_marks(self.runs.text(at)).peekable();
        let mut is_alone = true;
        while let Some(letter) = letters.next() {
            if let Some(next) = letters.peek() {
                self.sink.term(Role::Part, &[letter, next].concat());
                self.sink.term(Role::Also, letter);
                self.sink.end_word(1);
            } else if is_alone {
                self.sink.term(Role::Part, letter);
                self.sink.end_word(1);
            } else {
                self.sink.term(Role::Also, letter);
                self.sink.end_word(0);
            }
            is_alone = false;
        }
        at + 1
    }

    /// Words that hyphens connect, or two that only a blank keeps apart.
    fn compound(&mut self, at: usize) -> usize {
        let mut end = self.word_end(at);
        let mut n_words = 1;
        while self.continues(end) {
            end = self.word_end(end);
            n_words += 1;
        }
        if n_words == 1 && self.is_pair(at, end) {
            end += 1;
            n_words = 2;
        }
        let whole = if n_words > 1 {
            self.joined(at, end, n_words)
        } else {
            None
        };
        let length = if n_words == 1 {
            self.single(at, end)
        } else {
            self.words(at, end, Role::Part)
        };
        // Stop words alone count once they are joined: `on-off`.
        let length = if whole.is_some() {
            length.max(1)
        } else {
            length
        };
        if let Some(whole) = &whole {
            self.whole(whole);
        }
        for next in at + 1..=end {
            let is_whole = next - at == 1 && end - at == 2 && n_words == 2;
            if !is_whole && self.gap_before(next) != Some(Gap::Tight) && self.joins(next) {
                let pair = [self.runs.text(next - 1), self.runs.text(next)].concat();
                self.sink.term(Role::Also, &pair);
            }
        }
        self.sink.end_word(length);
        end
    }

    /// Whether a hyphen connects the word at `at` with the one before. A quantity is a word of
    /// its own: `280-Liter-Kühlschrank`.
    fn continues(&self, at: usize) -> bool {
        self.runs.get(at).is_some_and(|run| {
            run.gap == Gap::Hyphen
                && match run.kind {
                    Kind::Letters => true,
                    Kind::Number => self.is_plain(at),
                    Kind::Unspaced | Kind::Sign => false,
                }
        })
    }

    /// Whether the number `at` begins neither dimensions nor a quantity.
    fn is_plain(&self, at: usize) -> bool {
        self.last_dimension(at).is_none() && self.unit(at).is_none()
    }

    /// Whether the word at `at` and the next are one, though there is a blank between.
    fn is_pair(&self, at: usize, end: usize) -> bool {
        end == at + 1
            && self.gap_before(end) == Some(Gap::Blank)
            && self.joins(end)
            && self.word_end(end) == end + 1
            && !self.continues(end + 1)
            && (self.runs.get(end))
                .is_some_and(|run| run.kind != Kind::Number || self.is_plain(end))
    }

    /// Whether the run `at` is joined with the one before, although something is between them:
    /// letters and a number (`DIN-13277`, `DIN 13277`), a number and a letter (`3 D`), or two
    /// short words (`wi fi`).
    fn joins(&self, at: usize) -> bool {
        let (Some(before), Some(run)) = (
            at.checked_sub(1).and_then(|i| self.runs.get(i)),
            self.runs.get(at),
        ) else {
            return false;
        };
        if !matches!(run.gap, Gap::Blank | Gap::Hyphen) {
            return false;
        }
        let (left, right) = (self.runs.text(at - 1), self.runs.text(at));
        let is_short = |text: &str, max| {
            text.chars().nth(max).is_none() && !self.vocabulary.is_kept_apart(text)
        };
        // The end of a longer word, as in `abc1de 5`, stands for nothing.
        if before.gap == Gap::Tight {
            return false;
        }
        match (before.kind, run.kind) {
            (Kind::Letters, Kind::Number) => is_short(left, MAX_PREFIX_CHARS),
            // Also stop words: `16 A`.
            (Kind::Number, Kind::Letters) => {
                right.chars().nth(1).is_none() && self.word_end(at) == at + 1
            }
            (Kind::Letters, Kind::Letters) => {
                run.gap == Gap::Blank
                    && is_short(left, MAX_SHORT_CHARS)
                    && is_short(right, MAX_SHORT_CHARS)
            }
            _ => false,
        }
    }

    /// The words from `at` up to `end` as one, if they are joined at all. Two numbers keep a
    /// hyphen, so that no other number comes of them.
    fn joined(&self, at: usize, end: usize, n_words: usize) -> Option<String> {
        let kind = |i: usize| self.runs.get(i).map(|run| run.kind);
        let all = |wanted| (at..end).all(|i| kind(i) == Some(wanted));
        if n_words > MAX_JOINED_WORDS || all(Kind::Number) {
            return None;
        }
        let mut joined = String::new();
        for i in at..end {
            if i > at && kind(i) == Some(Kind::Number) && kind(i - 1) == Some(Kind::Number) {
                joined.push('-');
            }
            joined.push_str(self.runs.text(i));
            if joined.len() > MAX_JOINED_BYTES {
                return None;
            }
        }
        if all(Kind::Letters) {
            return self.vocabulary.term(&joined).map(Cow::into_owned);
        }
        Some(joined)
    }

    /// The terms of a word that stands alone, from `at` up to `end`. Returns its length.
    fn single(&mut self, at: usize, end: usize) -> u32 {
        if end - at > 2 && self.is_paired(at, end) {
            // `KGN39VL35`, also written `KGN 39 VL 35`.
            for pair in (at..end).step_by(2) {
                self.sink
                    .term(Role::Part, self.runs.text_of(pair, pair + 2));
            }
            self.whole(self.runs.text_of(at, end));
            for i in at..end {
                self.run(i, Role::Also);
            }
            return (end - at) as u32;
        }
        self.word(at, end, Role::Part)
    }

    /// The terms of all words from `at` up to `end`. Returns their length.
    fn words(&mut self, at: usize, end: usize, role: Role) -> u32 {
        let mut length = 0;
        let mut next = at;
        while next < end {
            let word_end = match self.runs.get(next).map(|run| run.kind) {
                // What follows the sign of °C is a word without it.
                Some(Kind::Sign) => next + 1,
                _ => self.word_end(next).min(end),
            };
            length += self.word(next, word_end, role);
            next = word_end;
        }
        length
    }

    /// The terms of one word among others. Returns its length.
    fn word(&mut self, at: usize, end: usize, role: Role) -> u32 {
        match end - at {
            1 => u32::from(self.run(at, role)),
            // The digits of `573a` alone are something else; those of `LABO288` are not.
            2 if self
                .runs
                .get(at)
                .is_some_and(|run| run.kind == Kind::Letters) =>
            {
                self.sink.term(role, self.runs.text_of(at, end));
                let n_terms = [at, at + 1].map(|i| u32::from(self.run(i, Role::Also)));
                n_terms[0] + n_terms[1]
            }
            n => {
                self.sink.term(role, self.runs.text_of(at, end));
                let is_paired = self.is_paired(at, end);
                for i in at..end {
                    if self.is_code(i) {
                        self.sink.term(Role::Also, self.runs.text_of(i, i + 2));
                    }
                    if is_paired {
                        self.run(i, Role::Also);
                    }
                }
                if is_paired { n as u32 } else { 1 }
            }
        }
    }

    /// The term of one run, if it has one.
    fn run(&mut self, at: usize, role: Role) -> bool {
        let text = self.runs.text(at);
        match self.runs.get(at).map(|run| run.kind) {
            Some(Kind::Number) => self.sink.term(role, text),
            Some(Kind::Letters) => {
                let is_word = role == Role::Part && self.vocabulary.has_compounds();
                let role = if is_word { Role::Word } else { role };
                let sink = &mut *self.sink;
                return (self.terms).term(self.vocabulary, text, |term| sink.term(role, term));
            }
            // The sign of a unit, which the amount contains.
            _ => return false,
        }
        true
    }

    fn whole(&mut self, term: &str) {
        if term.len() <= MAX_RUN_BYTES {
            self.sink.term(Role::Whole, term);
        }
    }

    /// Whether the runs from `at` up to `end`, all of one word, are pairs like `KGN39`.
    fn is_paired(&self, at: usize, end: usize) -> bool {
        (end - at).is_multiple_of(2) && (at..end).step_by(2).all(|i| self.is_code(i))
    }

    /// Whether the run `at` and the next are letters and digits of one word, two of each at
    /// least.
    fn is_code(&self, at: usize) -> bool {
        let is = |i: usize, kind| {
            self.runs.get(i).is_some_and(|run| run.kind == kind)
                && self.runs.text(i).chars().nth(1).is_some()
        };
        is(at, Kind::Letters)
            && is(at + 1, Kind::Number)
            && self.gap_before(at + 1) == Some(Gap::Tight)
    }

    /// Where the word that begins at `at` ends: behind letters and digits with nothing between.
    fn word_end(&self, at: usize) -> usize {
        let mut end = at + 1;
        while self.runs.get(end).is_some_and(|run| {
            run.gap == Gap::Tight
                && matches!(run.kind, Kind::Letters | Kind::Number)
                && self.runs.text_of(at, end + 1).len() <= MAX_RUN_BYTES
        }) {
            end += 1;
        }
        end
    }

    fn gap_before(&self, at: usize) -> Option<Gap> {
        self.runs.get(at).map(|run| run.gap)
    }
}
