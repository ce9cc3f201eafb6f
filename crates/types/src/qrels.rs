//! Relevance judgments.

use std::collections::BTreeMap;

/// How relevant a document is: 0 or below is not relevant.
pub type Grade = i32;

/// Judgments by query id, then by document id. A pair that is missing was not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qrels(pub BTreeMap<String, BTreeMap<String, Grade>>);

impl Qrels {
    /// The judgments of one query, if it has any.
    pub fn query(&self, query: &str) -> Option<&BTreeMap<String, Grade>> {
        self.0.get(query)
    }

    /// The grade of one document for one query, if it was judged.
    pub fn grade(&self, query: &str, doc: &str) -> Option<Grade> {
        self.0.get(query)?.get(doc).copied()
    }

    /// Number of judgments over all queries.
    pub fn n_judgments(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }
}
