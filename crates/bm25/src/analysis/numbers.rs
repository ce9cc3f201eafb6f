//! Numbers as people write them.
//!
//! Points, commas and apostrophes between digits group thousands (`1.234`, `1,234`, `1'234` are
//! `1234`) or begin decimals (`1,5` is `1.5`). Which of them, the digits tell and not the
//! language, since product data mixes both: groups of exactly three digits after one to three
//! that do not begin with 0 are thousands. So `3.142` reads as 3142, in documents and queries
//! alike. What is neither, as a date or a version (`24.12.2024`, `2.0.1`), is several numbers.

/// Characters that may stand between two digits of a number.
pub(super) fn is_separator(c: char) -> bool {
    matches!(c, '.' | ',' | '\'')
}

/// The numbers that `written` is, digits with single separators between: usually one. `sink`
/// gets each in its normal form.
pub(super) fn for_each_number(written: &str, mut sink: impl FnMut(&str)) {
    let Some(first) = written.find(is_separator) else {
        sink(written);
        return;
    };
    if are_thousands(written) {
        sink(&without_separators(written));
        return;
    }
    let last = written.rfind(is_separator).unwrap_or(first);
    let (whole, decimals) = (&written[..last], &written[last + 1..]);
    let separator = &written[last..=last];
    let is_decimal = separator != "'"
        && if first == last {
            true
        } else {
            are_thousands(whole) && !whole.contains(separator)
        };
    if is_decimal {
        sink(&format!("{}.{decimals}", without_separators(whole)));
    } else {
        written.split(is_separator).for_each(sink);
    }
}

/// Whether `written` is grouped in thousands, by one kind of separator.
fn are_thousands(written: &str) -> bool {
    let mut separators = written.chars().filter(|&c| is_separator(c));
    let Some(separator) = separators.next() else {
        return false;
    };
    let mut groups = written.split(separator);
    let head = groups.next().unwrap_or_default();
    separators.all(|other| other == separator)
        && matches!(head.len(), 1..=3)
        && !head.starts_with('0')
        && groups.all(|group| group.len() == 3)
}

fn without_separators(written: &str) -> String {
    written.chars().filter(|&c| !is_separator(c)).collect()
}

/// `number` as a quantity: `2.0` liters are `2`.
pub(super) fn without_trailing_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}
