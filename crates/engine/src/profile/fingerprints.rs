//! Which queries a profile was tuned on, by fingerprints of their texts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Fingerprints of queries: they show whether a query was among them, but do not reveal its
/// text. Written as one string, eight hexadecimal digits each, sorted.
///
/// All of them are stored in the profile, because nothing less suffices: other queries can
/// have the same file name and count, one checksum of all queries cannot recognize a subset,
/// and a file beside the settings is lost or outdated once a profile is copied, renamed or
/// edited. Texts are compared instead of ids, because collections use the ids 1, 2, 3 for
/// different queries, and the same query can have several ids.
///
/// With n fingerprints and m other queries, about m n / 2^32 are mistaken for tuned ones: with
/// a thousand of each, one query in about four thousand evaluations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueryFingerprints(BTreeSet<u32>);

impl QueryFingerprints {
    /// The fingerprints of these texts.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        QueryFingerprints(texts.into_iter().map(fingerprint).collect())
    }

    /// Whether a query of this text was among them, ignoring case and white space.
    pub fn contains(&self, text: &str) -> bool {
        self.0.contains(&fingerprint(text))
    }

    /// Whether nothing is known of the queries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// CRC-32 (IEEE) of the words in lower case, separated by one space.
fn fingerprint(text: &str) -> u32 {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    crc32fast::hash(words.join(" ").as_bytes())
}

impl From<QueryFingerprints> for String {
    fn from(fingerprints: QueryFingerprints) -> Self {
        fingerprints
            .0
            .iter()
            .map(|one| format!("{one:08x}"))
            .collect()
    }
}

impl TryFrom<String> for QueryFingerprints {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.as_bytes().chunks(8).map(|digits| {
            let is_hex = digits.len() == 8 && digits.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
            u32::from_str_radix(digits, 16).ok()
        });
        let fingerprints = parsed.collect::<Option<BTreeSet<u32>>>();
        fingerprints.map(QueryFingerprints).ok_or_else(|| {
            "fingerprints of queries have eight hexadecimal digits each; tune again, or remove the key"
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_known_whatever_its_case_and_blanks() {
        let fingerprints = QueryFingerprints::of(["How cold is  a fridge?", "oven"]);
        assert!(fingerprints.contains("how COLD is a fridge?\n"));
        assert!(!fingerprints.contains("how cold is a freezer?"));
        assert!(!fingerprints.contains(""));
        assert!(QueryFingerprints::default().is_empty() && !fingerprints.is_empty());
    }

    #[test]
    fn what_is_written_stays_the_same() {
        let text = String::from(QueryFingerprints::of(["oven", "fridge", "oven"]));
        assert_eq!(text, "a0fdff16f2e94d89");
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for bad in ["1234567", "123456789", "1234567g", "1234567é", "+1234567"] {
            let reason = QueryFingerprints::try_from(bad.to_owned()).unwrap_err();
            assert!(reason.contains("eight hexadecimal"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_what_was_written_changes_nothing(texts in proptest::collection::vec(".{0,20}", 0..20)) {
            let fingerprints = QueryFingerprints::of(texts.iter().map(String::as_str));
            let again = QueryFingerprints::try_from(String::from(fingerprints.clone()));
            prop_assert_eq!(again.as_ref(), Ok(&fingerprints));
            prop_assert!(texts.iter().all(|text| fingerprints.contains(text)));
        }
    }
}
