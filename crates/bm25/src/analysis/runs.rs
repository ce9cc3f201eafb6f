//! Step 2: runs of letters, runs of digits, and what stands between them.

use unicode_normalization::char::is_combining_mark;

use super::numbers::{for_each_number, is_separator};
use super::scripts::has_no_blanks;
use super::units::is_sign;

/// Words longer than this many bytes are cut into pieces, each a word of its own, so that
/// nothing is lost and documents and queries are cut alike. This is far below tantivy's own
/// limit, beyond which it drops terms.
pub(super) const MAX_RUN_BYTES: usize = 255;

/// What stands between the numbers of dimensions, in place of the sign.
pub(super) const TIMES: &str = "x";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Letters,
    /// Digits, with a decimal point or without.
    Number,
    /// Letters of a script without blanks between words.
    Unspaced,
    /// The sign of a unit, after a number.
    Sign,
}

/// What stands between a run and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    Tight,
    /// One hyphen or underscore.
    Hyphen,
    /// Blanks only.
    Blank,
    /// One slash.
    Slash,
    /// Anything else: the two have nothing to do with each other.
    Break,
}

/// A part of a text without anything between its characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) kind: Kind,
    /// Before it.
    pub(super) gap: Gap,
    /// A number with a minus sign directly before it, which is no hyphen.
    pub(super) is_negative: bool,
    /// Where its text is.
    start: usize,
    end: usize,
}

/// The runs of a text.
#[derive(Default)]
pub(super) struct Runs {
    /// All runs one after the other.
    text: String,
    runs: Vec<Run>,
}

impl Runs {
    pub(super) fn get(&self, i: usize) -> Option<&Run> {
        self.runs.get(i)
    }

    pub(super) fn text(&self, i: usize) -> &str {
        self.text_of(i, i + 1)
    }

    /// The text of the runs from `first` up to `end`, without what stands between.
    pub(super) fn text_of(&self, first: usize, end: usize) -> &str {
        match (
            self.runs.get(first),
            end.checked_sub(1).and_then(|last| self.runs.get(last)),
        ) {
            (Some(first), Some(last)) if first.start <= last.end => {
                &self.text[first.start..last.end]
            }
            _ => "",
        }
    }

    /// Replaces the runs by those of `normalized`, a text whose characters are normalized.
    /// `apostrophes`: whether one between two letters belongs to the word, as in `don't`.
    pub(super) fn read(&mut self, normalized: &str, apostrophes: bool) {
        self.text.clear();
        self.runs.clear();
        let mut scanner = Scanner {
            rest: normalized,
            before: None,
            gap: Gap::Break,
            is_minus: false,
            in_quotes: false,
            apostrophes,
            runs: self,
        };
        while scanner.step().is_some() {}
    }

    fn push(&mut self, kind: Kind, gap: Gap, is_negative: bool, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.runs.push(Run {
            kind,
            gap,
            is_negative,
            start,
            end: self.text.len(),
        });
    }
}

struct Scanner<'a> {
    rest: &'a str,
    /// The last character.
    before: Option<char>,
    /// Since the last run.
    gap: Gap,
    /// Whether the last character is a minus sign rather than a hyphen or a dash: nothing
    /// that it could connect is before it.
    is_minus: bool,
    /// Whether a quotation mark has been opened, so that the next one is no sign for inches.
    in_quotes: bool,
    apostrophes: bool,
    runs: &'a mut Runs,
}

impl<'a> Scanner<'a> {
    /// Takes a run or a character between runs; `None` at the end of the text.
    fn step(&mut self) -> Option<()> {
        let c = self.rest.chars().next()?;
        if c.is_ascii_digit() {
            self.number(false);
        } else if c == '.' && self.begins_decimals() {
            self.number(true);
        } else if is_letter(c) {
            if has_no_blanks(c) {
                let belongs = |c: char| has_no_blanks(c) || is_combining_mark(c);
                let len = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
                self.run(Kind::Unspaced, len);
            } else {
                let len = self.len_of_letters();
                self.run(Kind::Letters, len);
            }
        } else if is_sign(c) && self.follows_number(c) {
            self.run(Kind::Sign, c.len_utf8());
        } else if c == '×' && self.is_times() {
            self.take(c.len_utf8());
            self.runs.push(Kind::Letters, self.gap, false, TIMES);
            self.gap = Gap::Tight;
        } else {
            self.between(c);
        }
        Some(())
    }

    fn run(&mut self, kind: Kind, len: usize) {
        let text = self.take(len);
        let is_cut =
            self.gap == Gap::Tight && (self.runs.runs.last()).is_some_and(|last| last.kind == kind);
        let gap = if is_cut { Gap::Break } else { self.gap };
        self.runs.push(kind, gap, false, text);
        self.gap = Gap::Tight;
        self.is_minus = false;
    }

    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.before = taken.chars().next_back().or(self.before);
        self.rest = rest;
        taken
    }

    fn len_of_letters(&self) -> usize {
        let is_plain = |b: &u8| b.is_ascii_alphabetic();
        let plain = self.rest.bytes().take(MAX_RUN_BYTES).take_while(is_plain);
        let mut len = plain.count();
        let mut chars = self.rest[len..].chars();
        while let Some(c) = chars.next() {
            let belongs = (is_letter(c) && !has_no_blanks(c))
                || (len > 0 && is_combining_mark(c))
                || (c == '\'' && self.apostrophes && begins_with_letter(chars.as_str()));
            if !belongs || len >= MAX_RUN_BYTES {
                break;
            }
            len += c.len_utf8();
        }
        len
    }

    /// Takes the digits and separators that come next, `.5` as `0.5`.
    fn number(&mut self, is_decimal_only: bool) {
        let is_negative = std::mem::take(&mut self.is_minus);
        let mut len = usize::from(is_decimal_only);
        let bytes = self.rest.as_bytes();
        let digit_at = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
        while digit_at(len)
            || (len > 0
                && bytes.get(len).is_some_and(|&b| is_separator(char::from(b)))
                && digit_at(len + 1)
                && !is_decimal_only)
        {
            len += 1;
        }
        let written = self.take(len);
        let mut gap = self.gap;
        let mut push = |number: &str| {
            let mut rest = number;
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(MAX_RUN_BYTES));
                self.runs.push(Kind::Number, gap, is_negative, piece);
                gap = Gap::Break;
                rest = more;
            }
        };
        if is_decimal_only {
            push(&format!("0{written}"));
        } else {
            for_each_number(written, push);
        }
        self.gap = Gap::Tight;
        if self.apostrophes && possessive(self.rest) {
            self.take(2);
            self.gap = Gap::Break;
        }
    }

    /// Whether the point that comes next stands for `0.`.
    fn begins_decimals(&self) -> bool {
        let is_free = |c: char| !c.is_alphanumeric() && !is_separator(c);
        self.before.is_none_or(is_free)
            && self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    }

    /// Whether `sign` directly follows a number, perhaps after blanks.
    fn follows_number(&self, sign: char) -> bool {
        let after_number = (self.runs.runs.last()).is_some_and(|run| run.kind == Kind::Number);
        let may_follow = match sign {
            '"' => self.gap == Gap::Tight && !self.in_quotes,
            _ => matches!(self.gap, Gap::Tight | Gap::Blank),
        };
        after_number && may_follow
    }

    /// Whether the sign `×` that comes next stands between two numbers, close to both or to
    /// none.
    fn is_times(&self) -> bool {
        if !self.follows_number('×') {
            return false;
        }
        let after = self.rest.strip_prefix('×').unwrap_or(self.rest);
        let number = after.trim_start();
        let gap = if number.len() < after.len() {
            Gap::Blank
        } else {
            Gap::Tight
        };
        self.gap == gap && number.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Takes a character between runs.
    fn between(&mut self, c: char) {
        self.is_minus = matches!(c, '-' | '\u{2212}' | '\u{2013}')
            && !self.before.is_some_and(char::is_alphanumeric);
        self.in_quotes ^= c == '"';
        self.take(c.len_utf8());
        self.gap = match (self.gap, c) {
            (Gap::Tight, '-' | '_') => Gap::Hyphen,
            (Gap::Tight, '/') => Gap::Slash,
            (Gap::Tight | Gap::Blank, c) if c.is_whitespace() => Gap::Blank,
            _ => Gap::Break,
        };
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !c.is_ascii_digit()
}

fn begins_with_letter(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_alphabetic() && !has_no_blanks(c))
}

/// Whether `rest` begins with the `'s` of `the 1990's`.
fn possessive(rest: &str) -> bool {
    rest.strip_prefix("'s")
        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}
