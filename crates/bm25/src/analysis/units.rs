//! Units of measurement: their spellings after a number, in English and German.

use std::collections::HashMap;

/// Signs that stand for a unit after a number.
pub(super) fn is_sign(c: char) -> bool {
    matches!(c, '%' | '‰' | '°' | '€' | '"')
}

/// A unit a line: its symbol, and after the colon its other spellings, in the normal form of
/// characters. A spelling of two words has a blank between them; `#` begins a comment.
const UNITS: &str = include_str!("units.txt");

/// Also the commonest letter after a number that is none of a quantity: `§ 573a`. `16 A` is
/// found by `16 Ampere` all the same, as any letter is joined with the number before.
const AMPERE: &str = "a";

/// Symbols by spelling.
pub(super) struct Units(HashMap<&'static str, &'static str>);

impl Units {
    pub(super) fn new() -> Self {
        let all = spellings();
        Units(all.filter(|&(spelling, _)| spelling != AMPERE).collect())
    }

    /// The symbol of the unit that is written `spelling`.
    pub(super) fn symbol(&self, spelling: &str) -> Option<&'static str> {
        self.0.get(spelling).copied()
    }
}

/// Every spelling with its symbol.
fn spellings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let units = UNITS.lines().filter(|line| !line.starts_with('#'));
    units
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(symbol, others)| {
            let others = others
                .split(',')
                .map(str::trim)
                .filter(|other| !other.is_empty());
            std::iter::once(symbol)
                .chain(others)
                .map(move |spelling| (spelling, symbol))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_one_unit_in_the_form_that_texts_have() {
        assert!(spellings().count() > 300);
        assert_eq!(Units::new().0.len(), spellings().count() - 1);
        for line in UNITS.lines() {
            assert!(line.starts_with('#') || line.contains(':'), "{line}");
        }
        for (spelling, _) in spellings() {
            let mut normal = String::new();
            super::super::normalize(spelling, super::super::Accents::Folded, &mut normal);
            assert_eq!(normal, spelling);
        }
    }
}
