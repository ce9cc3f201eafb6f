//! What was found in a folder and not read.

use std::collections::BTreeMap;
use std::fmt;

/// Files that were not read because their names are not those of text files, counted by
/// kind. Displays as `3 files passed over: 2 .pdf, 1 .docx`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    kinds: BTreeMap<String, u64>,
}

impl PassedOver {
    /// How many there are of each kind: an extension such as `.pdf`, `without extension`,
    /// `hidden`, or `links to folders`.
    pub fn kinds(&self) -> &BTreeMap<String, u64> {
        &self.kinds
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// Adds those of another folder.
    pub fn merge(&mut self, other: &PassedOver) {
        for (kind, n) in &other.kinds {
            *self.kinds.entry(kind.clone()).or_default() += n;
        }
    }

    pub(crate) fn add(&mut self, kind: &str) {
        match self.kinds.get_mut(kind) {
            Some(n) => *n += 1,
            None => {
                self.kinds.insert(kind.to_owned(), 1);
            }
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        let mut kinds: Vec<(&String, u64)> =
            self.kinds.iter().map(|(kind, n)| (kind, *n)).collect();
        // Stable, so that equal counts stay in the order of names.
        kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let (shown, rest) = kinds.split_at(kinds.len().min(SHOWN));
        let mut parts: Vec<String> = shown
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        let n_rest: u64 = rest.iter().map(|(_, n)| n).sum();
        if n_rest > 0 {
            parts.push(format!("{n_rest} of other kinds"));
        }
        let total = self.total();
        let noun = if total == 1 { "file" } else { "files" };
        write!(f, "{total} {noun} passed over: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_kinds_come_first() {
        let mut some = PassedOver::default();
        for kind in [".pdf", ".docx", ".pdf", "hidden"] {
            some.add(kind);
        }
        assert_eq!(
            some.to_string(),
            "4 files passed over: 2 .pdf, 1 .docx, 1 hidden"
        );
        let mut many = some.clone();
        for n in 0..12 {
            many.add(&format!(".{n:02}"));
        }
        many.merge(&some);
        assert!(
            many.to_string()
                .starts_with("20 files passed over: 4 .pdf, 2 .docx, 2 hidden, 1 .00, ")
        );
        assert!(many.to_string().ends_with(", 5 of other kinds"), "{many}");
        assert!(PassedOver::default().is_empty() && !many.is_empty());
    }
}
