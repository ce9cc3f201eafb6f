//! How many words two texts share, by the index's own analysis.

use std::collections::BTreeSet;

use treffer_types::DocId;

use crate::engine::Engine;
use crate::error::{Error, part};

/// The distinct terms under which a text is indexed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Terms(BTreeSet<String>);

impl Terms {
    /// Of the text of a document, analyzed in its language.
    pub(super) fn of(engine: &Engine, doc: DocId, text: &str) -> Result<Self, Error> {
        let terms = engine.bm25().document_terms(text, engine.language_of(doc)?);
        let (terms, _) = terms.map_err(part("read", "BM25 part", engine.dir()))?;
        Ok(Terms(terms.into_iter().collect()))
    }

    /// Resemblance: the share of the terms of either text that are in both, from 0 to 1; 0 if
    /// neither has terms (Broder, On the resemblance and containment of documents, 1997).
    pub(super) fn overlap(&self, other: &Terms) -> f64 {
        let common = self.0.intersection(&other.0).count();
        let all = self.0.len() + other.0.len() - common;
        common as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(words: &[&str]) -> Terms {
        Terms(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn the_overlap_is_the_share_of_common_terms() {
        let (abc, bcd) = (terms(&["a", "b", "c"]), terms(&["b", "c", "d"]));
        assert_eq!(abc.overlap(&bcd), 0.5);
        assert_eq!(abc.overlap(&abc), 1.0);
        assert_eq!(abc.overlap(&terms(&[])), 0.0);
        assert_eq!(terms(&[]).overlap(&terms(&[])), 0.0);
    }

    proptest! {
        #[test]
        fn it_is_symmetric_and_a_share(
            a in prop::collection::btree_set("[a-e]", 0..6),
            b in prop::collection::btree_set("[a-e]", 0..6),
        ) {
            let (a, b) = (Terms(a), Terms(b));
            let overlap = a.overlap(&b);
            prop_assert_eq!(overlap, b.overlap(&a));
            prop_assert!((0.0..=1.0).contains(&overlap));
        }
    }
}
