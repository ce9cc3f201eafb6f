//! Numbers that measure something: dimensions, and numbers with their units.

use super::{Role, Sink, Words};
use crate::analysis::numbers::without_trailing_zeros;
use crate::analysis::runs::{Gap, Kind, TIMES};

impl<S: Sink> Words<'_, S> {
    /// `60x60`, `60 × 60 × 85 cm`: each number, or all in this order.
    pub(super) fn dimensions(&mut self, at: usize) -> Option<usize> {
        let last = self.last_dimension(at)?;
        let mut whole = String::new();
        let mut length = 0;
        for number in (at..=last).step_by(2) {
            self.sink.term(Role::Part, self.runs.text(number));
            if number > at {
                whole.push_str(TIMES);
            }
            whole.push_str(self.runs.text(number));
            length += 1;
        }
        self.whole(&whole);
        self.sink.term(Role::Also, TIMES);
        let end = match self.unit(last) {
            Some(unit) => {
                self.sink.term(Role::Also, &self.amount(last, unit.symbol));
                length += self.words(last + 1, unit.end, Role::Also);
                unit.end
            }
            None => last + 1,
        };
        self.sink.end_word(length);
        Some(end)
    }

    /// The last number of the dimensions that begin with the number `at`.
    pub(super) fn last_dimension(&self, at: usize) -> Option<usize> {
        let mut last = at;
        while let (Some(times), Some(number)) = (self.runs.get(last + 1), self.runs.get(last + 2))
            && self.runs.text(last + 1) == TIMES
            && number.kind == Kind::Number
            && times.gap == number.gap
            && matches!(times.gap, Gap::Tight | Gap::Blank)
        {
            last += 2;
        }
        let is_whole = self.word_end(last) == last + 1 || self.unit(last).is_some();
        (last > at && is_whole).then_some(last)
    }

    /// `280L`, `280 Liter`: the number with its unit, or the number alone. The unit is no part
    /// that a query asks for: many documents have the unit with another number.
    pub(super) fn quantity(&mut self, at: usize) -> Option<usize> {
        let unit = self.unit(at)?;
        self.sink.term(Role::Part, self.runs.text(at));
        self.whole(&self.amount(at, unit.symbol));
        let length = 1 + self.words(at + 1, unit.end, Role::Also);
        self.sink.end_word(length);
        Some(unit.end)
    }

    /// The number at `at` and a unit, in one spelling.
    fn amount(&self, at: usize, symbol: &str) -> String {
        let number = without_trailing_zeros(self.runs.text(at));
        let is_negative = self.runs.get(at).is_some_and(|run| run.is_negative)
            || (self.gap_before(at) == Some(Gap::Blank)
                && at
                    .checked_sub(1)
                    .is_some_and(|before| self.runs.text(before) == "minus"));
        let sign = if is_negative { "-" } else { "" };
        format!("{sign}{number}{symbol}")
    }

    /// The unit after the number `at`.
    pub(super) fn unit(&self, at: usize) -> Option<Unit> {
        let first = at + 1;
        let run = self.runs.get(first)?;
        if !matches!(run.gap, Gap::Tight | Gap::Blank | Gap::Hyphen) {
            return None;
        }
        if !matches!(run.kind, Kind::Letters | Kind::Sign) {
            return None;
        }
        let end = self.word_end(first);
        let found = |symbol, end| Some(Unit { symbol, end });
        let spelling = self.runs.text_of(first, end);
        let between = match self.gap_before(end) {
            Some(Gap::Blank) => " ",
            Some(Gap::Slash) => "/",
            _ => "",
        };
        if !between.is_empty() {
            let end_of_two = self.word_end(end);
            let two = [spelling, between, self.runs.text_of(end, end_of_two)].concat();
            if let Some(symbol) = self.units.symbol(&two) {
                return found(symbol, end_of_two);
            }
        }
        if let Some(symbol) = self.units.symbol(spelling) {
            return found(symbol, end);
        }
        // `5°` before a word that does not begin with a scale.
        if run.kind == Kind::Sign {
            let sign = self.runs.text(first);
            return self
                .units
                .symbol(sign)
                .and_then(|symbol| found(symbol, first + 1));
        }
        None
    }
}

/// A unit after a number.
pub(super) struct Unit {
    pub(super) symbol: &'static str,
    /// Its last run and one.
    pub(super) end: usize,
}
