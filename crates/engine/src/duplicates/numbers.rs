//! Numbers that only one of two texts has: with their units, norms and part numbers, by the
//! index's own analysis, so that 280L and 280 Liter, or LAB-280 and LAB 280, are the same.
//!
//! Numbers in words are not read, and which number says what is not known: a text that swaps
//! two of them has the same numbers.

use treffer_bm25::QueryWord;

use crate::engine::Engine;
use crate::error::{Error, part};

/// The numbers of a text.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<Number>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    /// Its digits in one form, with a sign; or all of a word like `labo288` or `3a`.
    value: String,
    /// The unit after it, or a letter as in `16 A`.
    unit: Option<String>,
    /// The letters before it that belong to it, as of a norm.
    prefix: Option<String>,
    /// Whether the text writes them as a name, in capitals: `DIN 13277` but not `Satz 2`.
    is_name: bool,
}

impl Numbers {
    pub(super) fn of(engine: &Engine, text: &str) -> Result<Self, Error> {
        let words = engine.bm25().query_words(text);
        let words = words.map_err(part("read", "BM25 part", engine.dir()))?;
        Ok(Numbers::of_words(&words, text))
    }

    fn of_words(words: &[QueryWord], text: &str) -> Self {
        Numbers(words.iter().flat_map(|word| of_word(word, text)).collect())
    }

    /// Those that `other` does not have, each once, in the order of the text.
    pub(super) fn not_in(&self, other: &Numbers) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for number in &self.0 {
            if !other.0.iter().any(|other| number.is_same(other)) {
                let shown = number.shown();
                if !missing.contains(&shown) {
                    missing.push(shown);
                }
            }
        }
        missing
    }
}

impl Number {
    /// A unit, or the name of a norm, counts where both have one.
    fn is_same(&self, other: &Number) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        if self.is_name && other.is_name && differ(&self.prefix, &other.prefix) {
            return false;
        }
        if self.value == other.value {
            return !differ(&self.unit, &other.unit);
        }
        // `LABO288` and `LABO-288`.
        self.joined() == other.joined()
    }

    fn joined(&self) -> String {
        format!(
            "{}{}",
            self.prefix.as_deref().unwrap_or_default(),
            self.value
        )
    }

    fn shown(&self) -> String {
        match (&self.prefix, &self.unit) {
            (Some(prefix), _) if self.is_name => {
                format!("{} {}", prefix.to_uppercase(), self.value)
            }
            (_, Some(unit)) => format!("{} {unit}", self.value),
            _ => self.value.clone(),
        }
    }
}

fn of_word(word: &QueryWord, text: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    // The parts come first, and then what stands for all of them.
    let Some((parts, wholes)) = word.forms.split_first() else {
        return numbers;
    };
    let parts = &parts.terms;
    let whole = wholes.iter().find_map(|form| match form.terms.as_slice() {
        [whole] if has_digit(whole) => Some(whole),
        _ => None,
    });
    for (at, value) in parts.iter().enumerate() {
        if !has_digit(value) {
            continue;
        }
        let prefix = at.checked_sub(1).and_then(|before| parts.get(before));
        let prefix = prefix.filter(|prefix| !has_digit(prefix)).cloned();
        let (sign, unit) = match (whole, parts.as_slice()) {
            (Some(whole), [only]) => sign_and_unit(whole, only),
            // `16 A`: a number and a letter, which the whole has as they are.
            (Some(_), [_, letter]) if at == 0 => ("", Some(letter.clone())),
            _ => ("", None),
        };
        numbers.push(Number {
            value: format!("{sign}{}", plain(value)),
            unit: unit.filter(|unit| !has_digit(unit)),
            is_name: prefix
                .as_ref()
                .is_some_and(|prefix| is_capital(prefix, text)),
            prefix,
        });
    }
    numbers
}

/// What stands before and after the number in a quantity such as `-80°c`.
fn sign_and_unit(whole: &str, number: &str) -> (&'static str, Option<String>) {
    let (sign, amount) = match whole.strip_prefix('-') {
        Some(amount) => ("-", amount),
        None => ("", whole),
    };
    let unit = amount.strip_prefix(&plain(number));
    (
        sign,
        unit.filter(|unit| !unit.is_empty()).map(str::to_owned),
    )
}

/// A number without zeros that say nothing: `2.0` is `2`, and the `03` of a date `3`.
fn plain(number: &str) -> String {
    if !number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return number.to_owned();
    }
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    match number.strip_prefix('0') {
        Some(digit) if digit.len() == 1 && digit != "." => digit.to_owned(),
        _ => number.to_owned(),
    }
}

fn has_digit(text: &str) -> bool {
    text.contains(|c: char| c.is_numeric())
}

/// Whether the text has the word in capitals somewhere.
fn is_capital(word: &str, text: &str) -> bool {
    text.contains(&word.to_uppercase())
}

#[cfg(test)]
mod tests {
    use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Writer, Fields};

    use super::*;

    /// What only the first text has, and what only the second has, by a German index.
    fn differences(a: &str, b: &str) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let config = Bm25Config {
            analyzer: Analyzer::German,
            fold_accents: None,
            negation: false,
            words: None,
            k1: 0.9,
            b: 0.4,
            fields: Fields::Concatenated,
        };
        let writer = Bm25Writer::create(folder.path(), &config).unwrap();
        writer.finish().unwrap();
        let index = Bm25Index::open_folder(folder.path(), &config).unwrap();
        let numbers = |text| Numbers::of_words(&index.query_words(text).unwrap(), text);
        let (a, b) = (numbers(a), numbers(b));
        (a.not_in(&b), b.not_in(&a))
    }

    #[track_caller]
    fn same(a: &str, b: &str) {
        let none = Vec::<String>::new();
        assert_eq!(differences(a, b), (none.clone(), none), "{a} | {b}");
    }

    #[track_caller]
    fn differ(a: &str, b: &str, only_a: &[&str], only_b: &[&str]) {
        let (found_a, found_b) = differences(a, b);
        assert_eq!(
            (found_a.as_slice(), found_b.as_slice()),
            (&own(only_a)[..], &own(only_b)[..])
        );
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn spellings_are_no_differences() {
        same("280 Liter nach DIN 13277", "280L, DIN-13277-geprüft");
        same("LAB-280", "LAB 280");
        same("LABO-288", "LABO288");
        same("1.234,50 Euro", "1,234.5 EUR");
        same("12.03.2021", "2021-3-12");
        same("+2 °C bis +12 °C", "zwischen 2 und 12 Grad");
        same(
            "60 × 148 × 66 cm",
            "60 mal 66 Zentimeter, Höhe 148 Zentimeter",
        );
        same("wiegt 74", "Gewicht 74");
        same("", "keine Zahl");
    }

    #[test]
    fn numbers_units_norms_and_part_numbers_differ() {
        differ("DIN 13277", "DIN 13271", &["DIN 13277"], &["DIN 13271"]);
        differ("DIN 13277", "ISO 13277", &["DIN 13277"], &["ISO 13277"]);
        differ("LAB-280", "LAB-281", &["LAB 280"], &["LAB 281"]);
        differ("280 Liter", "281 Liter", &["280 l"], &["281 l"]);
        differ("280 Liter", "280 kg", &["280 l"], &["280 kg"]);
        differ("bei 80 °C", "bei -80 °C", &["80 °c"], &["-80 °c"]);
        differ("§ 3", "§ 3a", &["3"], &["3a"]);
        differ("2 und 5 Liter, 5 Liter", "2", &["5 l"], &[]);
    }
}
