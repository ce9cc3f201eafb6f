//! Reads names and values: bare or in quotes.

use super::error::FilterError;
use super::syntax::{RESERVED, Word};

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// After `field:`.
    Value,
    /// In a range.
    Range,
}

/// A value as it was written.
pub(super) enum Literal {
    /// `*` alone.
    Star,
    Whole(Word),
    /// With `*` after it.
    Prefix(Word),
}

/// Reads a text from `at` on.
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Goes past `char` if it is next.
    pub(super) fn eat(&mut self, char: char) -> bool {
        let is_next = self.peek() == Some(char);
        if is_next {
            self.at += char.len_utf8();
        }
        is_next
    }

    /// The bare word that is next, without going past it; empty if there is none.
    pub(super) fn peek_bare(&self) -> &'t str {
        let rest = &self.text[self.at..];
        let end = rest.find(ends_name).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Goes past `word` if it is the bare word that is next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let is_next = self.peek_bare() == word;
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// The name of a field, up to the colon.
    pub(super) fn name(&mut self) -> Result<Word, FilterError> {
        let start = self.at;
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let mut name = String::new();
        while let Some(char) = self.peek().filter(|char| !ends_name(*char)) {
            self.at += char.len_utf8();
            name.push(self.unescaped(char)?);
        }
        if name.is_empty() {
            let end = start + self.peek().map_or(0, char::len_utf8);
            return Err(FilterError::syntax(
                start..end,
                "a condition such as `field:value` is missing here",
            ));
        }
        Ok(self.word(start, name))
    }

    pub(super) fn literal(&mut self, place: Place) -> Result<Literal, FilterError> {
        let start = self.at;
        let (word, has_star) = if self.peek() == Some('"') {
            (self.quoted()?, self.eat('*'))
        } else {
            self.bare(place)?
        };
        if let Some(next) = self.peek().filter(|next| !may_follow(*next, place)) {
            let message = match next {
                '*' => "a `*` is read at the end of a value only, as any ending: write \\* for \
                        the character"
                    .to_owned(),
                _ => format!(
                    "`{next}` is not part of a value: write the whole value in quotes, or \
                     \\{next} for the character"
                ),
            };
            return Err(FilterError::syntax(
                self.at..self.at + next.len_utf8(),
                message,
            ));
        }
        match (has_star, word.span.is_empty()) {
            (true, true) => Ok(Literal::Star),
            (true, false) => Ok(Literal::Prefix(word)),
            (false, true) => {
                let end = start + self.peek().map_or(0, char::len_utf8);
                Err(FilterError::syntax(start..end, "a value is missing here"))
            }
            (false, false) => Ok(Literal::Whole(word)),
        }
    }

    /// A value without quotes, and whether `*` follows.
    fn bare(&mut self, place: Place) -> Result<(Word, bool), FilterError> {
        let start = self.at;
        let mut value = String::new();
        while let Some(char) = self.peek().filter(|char| !ends_value(*char)) {
            self.at += char.len_utf8();
            value.push(self.unescaped(char)?);
        }
        let word = self.word(start, value);
        let written = &self.text[start..self.at];
        if RESERVED.contains(&written) && !(place == Place::Range && written != "TO") {
            let message = format!("`{written}` is a word of the language: write it in quotes");
            return Err(FilterError::syntax(start..self.at, message));
        }
        Ok((word, self.eat('*')))
    }

    fn quoted(&mut self) -> Result<Word, FilterError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    return Err(FilterError::syntax(
                        start..start + 1,
                        "this quote is not closed",
                    ));
                }
                Some(char) => {
                    self.at += char.len_utf8();
                    if char == '"' {
                        return Ok(self.word(start, text));
                    }
                    text.push(self.unescaped(char)?);
                }
            }
        }
    }

    /// `char`, or the next one if it is a backslash.
    fn unescaped(&mut self, char: char) -> Result<char, FilterError> {
        if char != '\\' {
            return Ok(char);
        }
        let Some(next) = self.peek() else {
            return Err(FilterError::syntax(
                self.at - 1..self.at,
                "a character is missing after the backslash: write \\\\ for a backslash",
            ));
        };
        self.at += next.len_utf8();
        Ok(next)
    }

    fn word(&self, start: usize, text: String) -> Word {
        Word {
            text: text.into(),
            span: start..self.at,
        }
    }
}

fn ends_name(char: char) -> bool {
    char == ':' || ends_value(char)
}

fn ends_value(char: char) -> bool {
    char.is_whitespace() || "()[]{}\"*".contains(char)
}

fn may_follow(next: char, place: Place) -> bool {
    next.is_whitespace()
        || match place {
            Place::Value => next == ')',
            Place::Range => next == ']' || next == '}',
        }
}
